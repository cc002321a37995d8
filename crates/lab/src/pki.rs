//! Certificates of a lab, made by `openssl`: an authority, one for each host's libvirt daemon, one for whoever asks them; and what is
//! wrong on purpose: another authority with a client of its own.

use crate::process::run;
use anyhow::Result;
use std::fs;
use std::path::Path;

const CURVE: [&str; 6] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256"];

/// Makes them in that folder: `ca.pem`, `NAME.pem` with `NAME.key`.
pub(crate) fn make(dir: &Path, hosts: &[String]) -> Result<()> {
    fs::create_dir_all(dir)?;
    authority(dir, "ca")?;
    authority(dir, "other-ca")?;
    for host in hosts {
        // The lab is also looked at from outside its namespaces, through loopback.
        let names = format!("subjectAltName=DNS:{host},IP:127.0.0.1");
        certificate(dir, host, "ca", &[&names, "extendedKeyUsage=serverAuth"], "2")?;
    }
    certificate(dir, "client", "ca", &["extendedKeyUsage=clientAuth"], "2")?;
    certificate(dir, "stranger", "other-ca", &["extendedKeyUsage=clientAuth"], "2")
}

fn authority(dir: &Path, name: &str) -> Result<()> {
    let (pem, key) = (at(dir, name, "pem"), at(dir, name, "key"));
    let usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"];
    let subject = format!("/CN={name}");
    let args =
        [&["req", "-x509"][..], &CURVE, &["-days", "2", "-subj", &subject, "-keyout", &key, "-out", &pem], &usage].concat();
    run("openssl", &args).map(drop)
}

fn certificate(dir: &Path, name: &str, by: &str, extensions: &[&str], days: &str) -> Result<()> {
    let (pem, key, subject) = (at(dir, name, "pem"), at(dir, name, "key"), format!("/CN={name}"));
    let (ca, ca_key) = (at(dir, by, "pem"), at(dir, by, "key"));
    let mut args = [&["req", "-x509"][..], &CURVE, &["-days", days, "-subj", &subject, "-keyout", &key, "-out", &pem]].concat();
    args.extend(["-CA", &ca, "-CAkey", &ca_key, "-addext", "basicConstraints=critical,CA:FALSE"]);
    // libvirt 9 asks for both.
    args.extend(["-addext", "keyUsage=critical,digitalSignature,keyEncipherment"]);
    for extension in extensions {
        args.extend(["-addext", extension]);
    }
    run("openssl", &args).map(drop)
}

fn at(dir: &Path, name: &str, end: &str) -> String {
    dir.join(format!("{name}.{end}")).to_string_lossy().into_owned()
}
