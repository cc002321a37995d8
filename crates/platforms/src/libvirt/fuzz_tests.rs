//! The libvirt driver and bytes that are almost what a daemon sends.

use super::connection::{CallError, Connection};
use super::procedure::{
    AuthList, GetAutostart, GetCapabilities, GetJob, GetNodeInfo, GetState, GetXml, ListDomains, ListInterfaces, ListNetworks,
    LookUp, Procedure, SupportsFeature,
};
use super::wire::{self, FRAME_MAX, Header, Kind, Parameters, RemoteError, Uuid, Value};
use super::xdr::{Decoder, Encoder};
use super::{domain, xml};
use ridethrough_driver::Workers;
use ridethrough_driver::conformance::fuzz;
use std::fmt::Debug;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, duplex, split};
use tokio::time::Instant;

fn body(write: impl FnOnce(&mut Encoder)) -> Vec<u8> {
    let mut out = Encoder::default();
    write(&mut out);
    out.finish()
}

fn domain_body(out: &mut Encoder) {
    out.text("web-1");
    out.fixed(Uuid::from_bytes([7; 16]).bytes());
    out.i32(3);
}

fn list(out: &mut Encoder, count: u32, mut item: impl FnMut(&mut Encoder)) {
    out.u32(count);
    (0..count).for_each(|_| item(out));
    out.u32(count);
}

/// Reads an answer; what is kept of it is no larger than what arrived.
fn read<P: Procedure<Reply: Debug>>(bytes: &[u8]) {
    if let Ok(reply) = P::decode(&mut Decoder::new(bytes)) {
        let kept = format!("{reply:?}").len();
        assert!(kept <= 64 * bytes.len() + 64, "{} bytes became {kept}", bytes.len());
    }
}

/// Every answer, cut anywhere, is an error where something of it is missing.
fn check<P: Procedure<Reply: Debug>>(what: &str, whole: &[u8], needed: usize) {
    assert!(P::decode(&mut Decoder::new(whole)).is_ok(), "{what} is read when it is whole");
    for end in 0..needed {
        assert!(P::decode(&mut Decoder::new(&whole[..end])).is_err(), "{what} cut at {end} of {needed} is an error");
    }
    fuzz::feed(what, &[whole], read::<P>);
}

#[test]
fn point_1_answers_almost_of_a_daemon_are_read_or_refused() {
    let statistics = vec![
        ("operation".to_owned(), Value::Int(5)),
        ("data_total".to_owned(), Value::Ullong(1 << 40)),
        ("mbps".to_owned(), Value::Double(1.5)),
        ("errmsg".to_owned(), Value::Text("none".to_owned())),
        ("on".to_owned(), Value::Boolean(true)),
    ];
    let job = body(|out| {
        out.i32(1);
        Parameters(statistics).encode(out);
    });
    let domains = body(|out| list(out, 3, domain_body));
    let names = body(|out| list(out, 2, |out| (0..2).for_each(|_| out.text("br0"))));
    let networks = body(|out| {
        list(out, 2, |out| {
            out.text("default");
            out.fixed(&[9; 16]);
        });
    });
    let node = body(|out| {
        out.fixed(&[b'x'; 128]);
        out.u64(8 << 20);
        (0..6).for_each(|_| out.u32(4));
    });
    // The count that ends a list is not needed.
    check::<ListDomains>("a list of VMs", &domains, domains.len() - 4);
    check::<ListInterfaces>("a list of interfaces", &names, names.len() - 4);
    check::<ListNetworks>("a list of networks", &networks, networks.len() - 4);
    check::<GetJob>("a job", &job, job.len());
    check::<LookUp>("a VM", &body(domain_body), body(domain_body).len());
    check::<GetNodeInfo>("a host", &node, 128 + 12);
    let text = body(|out| out.text("<domain/>"));
    check::<GetXml>("a definition", &text, text.len());
    check::<GetCapabilities>("capabilities", &text, text.len());
    let state = body(|out| (0..2).for_each(|_| out.i32(1)));
    check::<GetState>("a state", &state, 8);
    check::<GetAutostart>("autostart", &state, 4);
    check::<SupportsFeature>("a feature", &state, 4);
    let auth = body(|out| list(out, 2, |out| out.u32(0)));
    check::<AuthList>("authentication", &auth, auth.len() - 4);
    let error = body(|out| {
        out.i32(42);
        out.i32(10);
        out.optional(Some("Domain not found"), Encoder::text);
        out.i32(2);
    });
    fuzz::feed("an error", &[&error], |bytes| {
        if let Ok(error) = RemoteError::decode(bytes) {
            assert!(error.message.len() <= 3 * bytes.len() + 64);
            let _ = CallError::Remote(error).into_error("fuzz");
        }
    });
}

#[test]
fn point_1_frames_almost_of_a_daemon_are_read_or_refused() {
    let reply = wire::frame(Header { kind: Kind::Reply, ..Header::call(1, 1) }, &[0; 16]);
    fuzz::feed("a frame", &[&reply, &wire::ping(), &wire::pong()], |bytes| {
        let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return };
        if let Ok(length) = wire::rest_of_frame(*length) {
            assert!(length <= FRAME_MAX);
        }
        if let Ok((_, body)) = wire::parse(rest) {
            assert!(body.len() <= rest.len());
        }
    });
}

#[test]
fn point_1_definitions_almost_of_a_daemon_are_read_or_refused() {
    let full = "<domain type='kvm' xmlns:rt='urn:ridethrough:1'><name>w &amp; b</name><uuid>1</uuid><memory unit='KiB'>1024</memory>\
         <vcpu>2</vcpu><metadata><rt:tags><rt:tag>power:critical</rt:tag></rt:tags></metadata><devices><disk type='file' \
         device='disk'><source file='/v/a.qcow2'/><target dev='vda'/></disk><interface type='bridge'><source bridge='br0'/>\
         </interface><hostdev mode='subsystem'/></devices><!-- x --><![CDATA[y]]></domain>";
    let host = "<capabilities><host><uuid>0F</uuid></host></capabilities>";
    fuzz::feed("a definition", &[full.as_bytes(), host.as_bytes()], |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let _ = xml::parse(&text);
        let _ = domain::host_uuid(&text);
        if let Ok(definition) = domain::read(&text, &[], true) {
            assert!(format!("{definition:?}").len() <= 64 * text.len() + 1024, "{definition:?}");
        }
    });
}

#[tokio::test(start_paused = true)]
async fn point_1_a_connection_that_carries_almost_answers_ends_every_call() {
    let answer = wire::frame(Header { kind: Kind::Reply, ..Header::call(GetState::NUMBER, 1) }, &body(|out| out.u64(1 << 32)));
    let talk = [wire::ping(), answer.clone()].concat();
    for seed in 1..=fuzz::cases() / 4 {
        let (ours, mut theirs) = duplex(1 << 16);
        let (reader, writer) = split(ours);
        let workers = Workers::new();
        let connection = Connection::over(reader, writer, &workers);
        let deadline = Instant::now() + Duration::from_secs(5);
        let told = async {
            let _ = theirs.write_all(&fuzz::mutant(seed, &[&answer, &talk])).await;
            let _ = theirs.shutdown().await;
        };
        let (seen, ()) = tokio::join!(connection.call(&SupportsFeature { feature: 1 }, deadline), told);
        assert!(Instant::now() <= deadline, "seed {seed}: {seen:?}");
    }
}
