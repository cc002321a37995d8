//! The examples as an operator takes them: `check` says what their comments say, and a validator we did not write agrees with the
//! committed schema about them and about broken ones.

#[path = "../../platforms/tests/peers/gate.rs"]
mod gate;
#[path = "peers/pem.rs"]
mod pem;

use gate::gate;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const EXAMPLES: [&str; 5] = ["home-lab.toml", "two-racks.toml", "shared-nas.toml", "branch-office.toml", "two-sites"];
/// Of a made-up authority whose key was thrown away.
const CA: &str = "-----BEGIN CERTIFICATE-----
MIIBhzCCAS2gAwIBAgIUPW2C9rNDaYSqf2nsx4GSQ5TD6+4wCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwHhcNMjYxMTIzMTIyNzQyWhcNMzYx
MTIwMTIyNzQyWjAZMRcwFQYDVQQDDA50ZXN0IGF1dGhvcml0eTBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABDxWK+W4K8U02Z4kJQ5AzTghioDekl6oG/8Jac5IYVWN
V14e4R4X201sNoHK8ui0nSjQW/1JnUvn6xF9teYIOXWjUzBRMB0GA1UdDgQWBBSa
B96rGMP3MRIy5dE1foqC9cvJwTAfBgNVHSMEGDAWgBSaB96rGMP3MRIy5dE1foqC
9cvJwTAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQCFnZ1LSOXz
tgCPrFRin21BoNEA2oyyliDAl4Y0RTL/NAIgFk+K+2ukHhuNgwdqyuIuG3o8suBo
yHYz3vH3xzzL+fk=
-----END CERTIFICATE-----
";

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// Its files, by path.
fn files(example: &str) -> Vec<PathBuf> {
    let path = examples().join(example);
    if path.is_file() {
        return vec![path];
    }
    let mut files: Vec<PathBuf> = fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

/// The codes after `# findings:` in its comments.
fn promised(example: &str) -> BTreeSet<String> {
    let mut lines = Vec::new();
    for file in files(example) {
        let text = fs::read_to_string(file).expect("text");
        lines.extend(text.lines().filter_map(|line| line.strip_prefix("# findings: ")).map(str::to_owned));
    }
    assert_eq!(lines.len(), 1, "{example} says once what `check` finds: {lines:?}");
    let words = lines[0].split([' ', ',', '(', ')']).filter(|word| word.starts_with("RT"));
    words.map(str::to_owned).collect()
}

/// A copy of an example with everything it names below `secrets`.
fn prepared(example: &str, dir: &Path) -> PathBuf {
    let place = dir.join(example);
    let folder = if place.extension().is_some() { dir.to_owned() } else { place.clone() };
    fs::create_dir_all(folder.join("secrets")).expect("made");
    for file in files(example) {
        fs::copy(&file, folder.join(file.file_name().expect("a name"))).expect("copied");
    }
    for (name, text) in [("upsd", "x"), ("bmc", "x"), ("ssh-key", "x"), ("known_hosts", "x"), ("ca.pem", CA)] {
        let path = folder.join("secrets").join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(path, PermissionsExt::from_mode(0o600)).expect("it is ours");
    }
    pem::for_libvirt(&folder.join("secrets"));
    place
}

fn ridethrough(args: &[&str]) -> (i32, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_ridethrough")).args(args).env_remove("RIDETHROUGH_CONFIG").output();
    let output = run.expect("the binary runs");
    (output.status.code().expect("it ends by itself"), String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn point_6_check_says_of_each_example_what_its_comments_say() {
    let dir = tempfile::tempdir().expect("a directory");
    for example in EXAMPLES {
        let (code, text) = ridethrough(&["check", "--json", "--config", &prepared(example, dir.path()).to_string_lossy()]);
        let report: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(code, 0, "{example}: {text}");
        let findings = report["findings"].as_array().expect("a list").iter();
        let codes: BTreeSet<String> = findings.map(|one| one["code"].as_str().expect("a code").to_owned()).collect();
        assert_eq!(codes, promised(example), "{example}");
    }
}

/// What the validator says of each document: nothing, or where it breaks the schema.
fn validated(schema: &str, documents: &[Value]) -> Vec<Option<String>> {
    let script = "import json, sys\nfrom jsonschema import Draft202012Validator as V\nschema, documents = json.load(sys.stdin)\n\
         V.check_schema(schema)\nv = V(schema)\n\
         print(json.dumps([next((e.json_path + ': ' + e.message for e in v.iter_errors(d)), None) for d in documents]))";
    let schema: Value = serde_json::from_str(schema).expect("JSON");
    let dir = tempfile::tempdir().expect("a directory");
    let input = dir.path().join("input.json");
    fs::write(&input, serde_json::json!([schema, documents]).to_string()).expect("written");
    let output = Command::new(python())
        .args(["-c", script])
        .stdin(Stdio::from(fs::File::open(input).expect("it was written")))
        .output()
        .expect("python runs");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Where `scripts/setup.sh test` puts what is written in Python.
fn python() -> String {
    let own = std::env::current_exe().expect("a test is a program");
    own.ancestors().nth(3).expect("in the target directory").join("peers/python/bin/python").to_string_lossy().into_owned()
}

fn document(text: &str) -> Value {
    let value: toml::Value = toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    plain(value)
}

/// As JSON has it: a date is text there.
fn plain(value: toml::Value) -> Value {
    match value {
        toml::Value::Datetime(date) => Value::String(date.to_string()),
        toml::Value::Array(list) => list.into_iter().map(plain).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, plain(value))).collect(),
        other => serde_json::to_value(other).expect("plain data"),
    }
}

#[test]
fn point_6_the_schema_takes_every_example_and_refuses_what_the_program_refuses() {
    if !gate("configuration: JSON Schema", &[&python()]) {
        return;
    }
    let (code, schema) = ridethrough(&["schema"]);
    assert_eq!(code, 0);
    assert_eq!(schema, include_str!("../../../docs/configuration.schema.json"), "what is printed is what is committed");
    let texts: Vec<String> =
        EXAMPLES.iter().flat_map(|example| files(example)).map(|file| fs::read_to_string(file).expect("text")).collect();
    let taken: Vec<Value> = texts.iter().map(|text| document(text)).collect();
    assert_eq!(validated(&schema, &taken), vec![None; taken.len()]);

    let sound = fs::read_to_string(examples().join("shared-nas.toml")).expect("text");
    let broken = [
        ("[ups.rack.nut]", "[ups.rack.nutt]", "an unknown driver"),
        ("host = \"10.0.0.5\"", "hots = \"10.0.0.5\"", "an unknown key, and one that is missing"),
        ("[[domain]]", "[[domian]]", "an unknown table"),
        ("ride_through = \"90s\"", "ride_through = 90", "a number without its unit"),
        ("ride_through = \"90s\"", "ride_through = \"90 parsecs\"", "an unknown unit"),
        ("margin = \"20%\"", "margin = \"20\"", "a share without %"),
        ("force_off = \"never\"", "force_off = \"nevr\"", "an unknown word"),
        ("password = { file = \"secrets/upsd\" }", "password = \"1234\"", "a secret in clear text"),
        ("url = \"https://10.0.1.11\"", "url = \"10.0.1.11\"", "no url"),
        ("power = { redfish", "power = { redfisch", "an unknown source of power"),
        ("needs = [\"nas\"]", "needs = \"nas\"", "a text for a list"),
    ];
    let dir = tempfile::tempdir().expect("a directory");
    let mut documents = Vec::new();
    for (from, to, what) in broken {
        assert!(sound.contains(from), "{what}: the case changes nothing");
        let text = sound.replacen(from, to, 1);
        documents.push(document(&text));
        let place = prepared("shared-nas.toml", dir.path());
        fs::write(&place, text).expect("written");
        assert_eq!(ridethrough(&["check", "--config", &place.to_string_lossy()]).0, 1, "the program refuses {what}");
    }
    for ((_, _, what), said) in broken.iter().zip(validated(&schema, &documents)) {
        assert!(said.is_some(), "the schema takes {what}");
    }
}
