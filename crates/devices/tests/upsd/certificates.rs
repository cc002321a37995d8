//! A certificate authority of a test, made with openssl: one certificate for upsd, one for us, and upsd's database of NSS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What locks the database, and stands in upsd.conf.
const DATABASE_PASSWORD: &str = "database-4711";

#[derive(Debug)]
pub(crate) struct Certificates {
    dir: TempDir,
}

fn run(dir: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).current_dir(dir).args(arguments).output().expect("it is installed");
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let at = dir.path();
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let authority = ["-x509", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Authority of a test"];
        run(at, "openssl", &[&["req"], &key[..], &authority[..]].concat());
        for (name, alternatives) in [("server", "DNS:localhost,DNS:ups.example,IP:127.0.0.1,IP:::1"), ("client", "DNS:client")] {
            let (key_file, request, certificate) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
            let subject = format!("/CN={name}");
            run(at, "openssl", &[&["req"], &key[..], &["-keyout", &key_file, "-out", &request, "-subj", &subject]].concat());
            let extensions = format!("subjectAltName={alternatives}\nbasicConstraints=CA:FALSE\n");
            fs::write(at.join("extensions"), extensions).expect("written");
            let sign = ["x509", "-req", "-in", &request, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"];
            run(at, "openssl", &[&sign[..], &["-extfile", "extensions", "-out", &certificate]].concat());
        }
        let made = Self { dir };
        made.fill_database();
        made
    }

    fn fill_database(&self) {
        let at = self.dir.path();
        fs::create_dir(at.join("nss")).expect("a directory");
        fs::write(at.join("password"), DATABASE_PASSWORD).expect("written");
        let locked = ["-d", "sql:nss", "-f", "password"];
        run(at, "certutil", &[&["-N"], &locked[..]].concat());
        run(at, "certutil", &[&["-A", "-n", "ca", "-t", "CT,C,C", "-i", "ca.pem"], &locked[..]].concat());
        let pack = ["pkcs12", "-export", "-in", "server.pem", "-inkey", "server.key", "-name", "server", "-passout", "pass:x"];
        run(at, "openssl", &[&pack[..], &["-out", "server.p12"]].concat());
        run(at, "pk12util", &["-i", "server.p12", "-d", "sql:nss", "-k", "password", "-W", "x"]);
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).expect("made above")
    }

    /// As openssl prints it.
    pub(crate) fn thumbprint(&self, name: &str) -> String {
        let file = format!("{name}.pem");
        let said = run(self.dir.path(), "openssl", &["x509", "-noout", "-fingerprint", "-sha256", "-in", &file]);
        said.trim().split_once('=').expect("name and value").1.to_owned()
    }

    /// What an upsd that was built with NSS needs in upsd.conf.
    pub(crate) fn of_nss(&self) -> String {
        format!("CERTPATH {}\nCERTIDENT server {DATABASE_PASSWORD}\n", self.file("nss").display())
    }
}
