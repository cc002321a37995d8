//! Frames and messages: against bytes that a real libvirtd 9.0 sent, there and back, and against anything at all.

use super::*;
use crate::libvirt::procedure::{
    AuthList, GetJob, GetNodeInfo, GetState, GetXml, ListDomains, ListInterfaces, ListNetworks, LookUp, Procedure,
};
use proptest::prelude::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn a_ping_of_a_real_daemon_is_known() {
    let seen = bytes("0000001c 6b656570 00000001 00000001 00000002 00000000 00000000");
    assert_eq!(ping(), seen, "ours looks the same");
    let (length, rest) = seen.split_first_chunk::<4>().unwrap();
    assert_eq!(rest_of_frame(*length), Ok(24));
    assert!(parse(rest).unwrap().0.is_ping());
    let pong = pong();
    assert!(!parse(&pong[4..]).unwrap().0.is_ping());
}

#[test]
fn an_error_of_a_real_daemon_is_read() {
    let body = bytes(
        "00000001 00000007 00000001 0000002e 696e7465726e616c206572726f723a2068797065727669736f7220636f6e6e656374696f6e206e6f
         74206f70656e 0000 00000002 00000000 00000001",
    );
    let error = RemoteError::decode(&body).unwrap();
    assert_eq!((error.code, error.message.as_str()), (1, "internal error: hypervisor connection not open"));
}

#[test]
fn a_frame_of_an_impossible_length_is_refused_before_anything_is_read() {
    for length in [0, 4, 27, u32::try_from(FRAME_MAX).unwrap() + 1, u32::MAX] {
        assert_eq!(rest_of_frame(length.to_be_bytes()), Err(FrameError::Length(length)));
    }
    assert_eq!(
        rest_of_frame(*b"HTTP").unwrap_err().to_string(),
        format!("the daemon sent a frame of {} bytes: this is not libvirt's protocol", 0x4854_5450)
    );
}

#[test]
fn a_list_that_promises_more_than_it_may_hold_is_refused() {
    let mut out = Encoder::default();
    out.u32(16_385);
    let body = out.finish();
    assert_eq!(ListDomains::decode(&mut Decoder::new(&body)), Err(XdrError::TooMany { count: 16_385, max: 16_384 }));
    let mut out = Encoder::default();
    out.u32(16_000);
    let body = out.finish();
    assert_eq!(ListDomains::decode(&mut Decoder::new(&body)), Err(XdrError::TooShort));
}

#[test]
fn a_uuid_is_read_as_people_and_libvirt_write_it() {
    let uuid = Uuid::parse("4d81c9ba-0c01-4cd2-8e8f-51f0a3ab0f11").unwrap();
    assert_eq!(uuid.to_string(), "4d81c9ba-0c01-4cd2-8e8f-51f0a3ab0f11");
    assert_eq!(Uuid::parse("4D81C9BA0C014CD28E8F51F0A3AB0F11"), Some(uuid));
    for wrong in ["", "4d81c9ba", "4d81c9ba-0c01-4cd2-8e8f-51f0a3ab0f1", "4d81c9ba-0c01-4cd2-8e8f-51f0a3ab0f111", "vm-42", "ü"] {
        assert_eq!(Uuid::parse(wrong), None, "{wrong}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i32>().prop_map(Value::Int),
        any::<u32>().prop_map(Value::Uint),
        any::<i64>().prop_map(Value::Llong),
        any::<u64>().prop_map(Value::Ullong),
        (-1e9..1e9).prop_map(Value::Double),
        any::<bool>().prop_map(Value::Boolean),
        ".{0,12}".prop_map(Value::Text),
    ]
}

proptest! {
    #[test]
    fn options_and_statistics_survive_the_wire(values in prop::collection::vec((".{0,8}", value()), 0..8)) {
        let sent = Parameters(values);
        let mut out = Encoder::default();
        sent.encode(&mut out);
        let body = out.finish();
        prop_assert_eq!(body.len() % 4, 0);
        prop_assert_eq!(Parameters::decode(&mut Decoder::new(&body), 64), Ok(sent));
    }

    #[test]
    fn a_frame_is_read_as_it_was_written(procedure: u32, serial: u32, body in prop::collection::vec(any::<u8>(), 0..64)) {
        let header = Header::call(procedure, serial);
        let sent = frame(header, &body);
        let (length, rest) = sent.split_first_chunk::<4>().unwrap();
        let (seen, seen_body) = parse(rest).unwrap();
        prop_assert_eq!(seen, header);
        prop_assert_eq!(&seen_body[..body.len()], &body[..]);
        prop_assert!(seen_body.len() < body.len() + 4, "padded to a word at most");
        prop_assert_eq!(rest_of_frame(*length), Ok(rest.len()));
    }

    #[test]
    fn no_bytes_at_all_break_the_reading(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = parse(&bytes);
        let _ = RemoteError::decode(&bytes);
        let _ = AuthList::decode(&mut Decoder::new(&bytes));
        let _ = GetNodeInfo::decode(&mut Decoder::new(&bytes));
        let _ = ListInterfaces::decode(&mut Decoder::new(&bytes));
        let _ = ListNetworks::decode(&mut Decoder::new(&bytes));
        let _ = ListDomains::decode(&mut Decoder::new(&bytes));
        let _ = LookUp::decode(&mut Decoder::new(&bytes));
        let _ = GetState::decode(&mut Decoder::new(&bytes));
        let _ = GetXml::decode(&mut Decoder::new(&bytes));
        let _ = GetJob::decode(&mut Decoder::new(&bytes));
    }
}
