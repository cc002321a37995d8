//! The reference of the configuration, made from the comments of the sections. Only tests use it: they keep the committed page
//! and schema true.

use super::section::alert::Alert;
use super::section::back::{Return, VmRule};
use super::section::drill::Drill;
use super::section::host::Host;
use super::section::outage::{Domain, Tier};
use super::section::{Controller, Load, Moves, Platform, Ups};
use super::{policy, tests::read_texts, topology};
use expect_test::expect_file;
use schemars::{JsonSchema, schema_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Everything that can be written.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is wanted")]
#[schemars(deny_unknown_fields, title = "Configuration of Ridethrough")]
struct ConfigurationFile {
    controller: Option<Controller>,
    #[schemars(default)]
    alert: BTreeMap<String, Alert>,
    moves: Option<Moves>,
    drill: Option<Drill>,
    #[schemars(default)]
    ups: BTreeMap<String, Ups>,
    #[schemars(default)]
    platform: BTreeMap<String, Platform>,
    #[schemars(default)]
    host: BTreeMap<String, Host>,
    #[schemars(default)]
    load: BTreeMap<String, Load>,
    #[schemars(default)]
    domain: Vec<Domain>,
    #[schemars(default)]
    tier: Vec<Tier>,
    #[schemars(rename = "return")]
    back: Option<Return>,
    #[schemars(default)]
    vm: Vec<VmRule>,
}

/// The tables of the page: how each is written, and its type in the schema.
const TABLES: &[(&str, &str)] = &[
    ("[controller]", "Controller"),
    ("[ups.NAME]", "Ups"),
    ("[ups.NAME.nut]", "Nut"),
    ("tls of a UPS behind upsd", "NutTls"),
    ("[[domain]]", "Domain"),
    ("[platform.NAME.libvirt]", "Libvirt"),
    ("tls of a libvirt platform", "LibvirtTls"),
    ("suspend of a libvirt platform", "LibvirtSuspend"),
    ("ssh of a libvirt platform", "LibvirtSsh"),
    ("hosts.HOST of a libvirt platform", "HostConfig"),
    ("[platform.NAME.vsphere]", "Vsphere"),
    ("hosts.HOST of a vSphere platform", "VsphereHost"),
    ("direct of a host of a vSphere platform", "EsxiLogin"),
    ("[host.NAME]", "Host"),
    ("feeds of a host or load", "Feed"),
    ("shutdown = { ssh = { ... } }", "Ssh"),
    ("shutdown = { vsphere = { ... } }", "ByVsphere"),
    ("power = { ... }", "Power"),
    ("power = { ipmi = { ... } }", "Ipmi"),
    ("power = { redfish = { ... } }", "Redfish"),
    ("power = { wol = { ... } }", "Wol"),
    ("[load.NAME.passive]", "Passive"),
    ("[load.NAME.command]", "Commanded"),
    ("hooks of a tier or host", "Hooks"),
    ("what is said in your own words", "Order"),
    ("a command over SSH, of a load or hook", "Remote"),
    ("a request over HTTP", "Request"),
    ("[[tier]]", "Tier"),
    ("match of a tier", "Match"),
    ("on_outage of a tier", "OnOutage"),
    ("move_to of a tier", "Destination"),
    ("force_off of a tier", "ForceOff"),
    ("[[vm]]", "VmRule"),
    ("ready of a tier or VM", "Ready"),
    ("[return]", "Return"),
    ("[moves]", "Moves"),
    ("[drill]", "Drill"),
    ("when a drill is held", "Rhythm"),
    ("[alert.NAME.email]", "Email"),
    ("[alert.NAME.webhook]", "Webhook"),
    ("[alert.NAME.command]", "Command"),
    ("severity of an alert", "Severity"),
    ("language of an alert", "Language"),
    ("tls of a mail server", "MailTls"),
];

const HEAD: &str = "\
# Configuration

<!-- Made from the comments in crates/cli/src/config: change them, then UPDATE_EXPECT=1 cargo test -p ridethrough-cli reference -->

One TOML file, or a folder whose `*.toml` are taken together in the order of their names (`--config PATH`, or
`RIDETHROUGH_CONFIG`). `examples/` holds five typical sites with comments. `configuration.schema.json` in this folder, which
`ridethrough schema` prints too, lets editors complete and check it: with Taplo (\"Even Better TOML\") write
`#:schema PATH/configuration.schema.json` into the first line.

    ridethrough check --config PATH             all that is wrong, with file, line, column, and what to do
    ridethrough check --connect --config PATH   asks every UPS, platform, host and BMC too; changes nothing

All mistakes of all files are shown at once; after a mistake in the TOML itself only the table it is in is left out.
`check` exits with 1 if there are errors, with 0 if there are only warnings; `--json` prints the same for programs. `serve` does
not start with errors. It also prints how far this version keeps the rules of protection: what it says is *not yet covered* is
not protected by it.

* Lengths of time: `\"90s\"`, `\"1m 30s\"`, `\"2h\"`. Amounts of data: `\"512MiB\"`, `\"4GiB\"`. Shares: `\"45%\"`. Power:
  `\"80W\"`, `\"1.2kW\"`. Never a bare number.
* Secrets never stand in the configuration itself: `{ file = \"PATH\" }` (mode 0600), `{ env = \"NAME\" }`, or
  `{ credential = \"NAME\" }` for a systemd credential. They are read when the controller starts.
* Relative paths begin at the folder of the file they are written in.
* A key nobody knows is an error. Unknown is never taken for a default.
";

#[test]
fn the_committed_schema_is_that_of_the_code() {
    let text = serde_json::to_string_pretty(&schema_for!(ConfigurationFile)).expect("plain data");
    expect_file!["../../../../docs/configuration.schema.json"].assert_eq(&format!("{text}\n"));
}

#[test]
fn the_committed_reference_is_made_from_the_code() {
    let schema = schema_for!(ConfigurationFile).to_value();
    let mut page = HEAD.to_owned();
    for (head, name) in TABLES {
        let definition = &schema["$defs"][name];
        assert!(definition.is_object(), "{name} is not in the schema");
        write!(page, "\n## `{head}`\n\n{}\n\n", description(definition)).expect("a String takes everything");
        page.push_str("| key | kind | meaning |\n|---|---|---|\n");
        for (key, kind, meaning) in rows(definition) {
            writeln!(page, "| `{key}` | {kind} | {} |", meaning.replace('|', "\\|")).expect("a String takes everything");
        }
    }
    expect_file!["../../../../docs/configuration.md"].assert_eq(&page);
}

/// Key, kind and meaning.
fn rows(definition: &Value) -> Vec<(String, String, String)> {
    if let Some(properties) = definition["properties"].as_object() {
        let required = |key: &str| definition["required"].as_array().is_some_and(|keys| keys.iter().any(|one| one == key));
        let row = |(key, value): (&String, &Value)| {
            let needed = if required(key) { ", must be there" } else { "" };
            (key.clone(), format!("{}{needed}", kind(value)), description(value))
        };
        return properties.iter().map(row).collect();
    }
    let variants = definition["oneOf"].as_array().into_iter().flatten();
    let row = |variant: &Value| match variant["const"].as_str() {
        Some(name) => (format!("\"{name}\""), "text".to_owned(), description(variant)),
        None => {
            let (key, value) = variant["properties"].as_object().and_then(|all| all.iter().next()).expect("one key");
            (key.clone(), kind(value), description(variant))
        }
    };
    variants.map(row).collect()
}

fn kind(value: &Value) -> String {
    if let Some(name) = value["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return word_of(name).to_owned();
    }
    let either = value["anyOf"].as_array().and_then(|all| all.iter().find(|one| one["type"] != "null"));
    if let Some(value) = either {
        return kind(value);
    }
    let first = |kind: &Value| match kind {
        Value::Array(all) => all.first().and_then(Value::as_str).unwrap_or_default().to_owned(),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    match (first(&value["type"]).as_str(), value["format"].as_str()) {
        ("string", Some(format @ ("time" | "data" | "percentage" | "power" | "date"))) => format.to_owned(),
        ("string", _) => "text".to_owned(),
        ("integer", _) => "number".to_owned(),
        ("boolean", _) => "true, false".to_owned(),
        ("array", Some("point")) => "pair: power, time".to_owned(),
        ("array", _) => format!("list: {}", kind(&value["items"])),
        ("object", _) => "table".to_owned(),
        (other, _) => panic!("the page knows no word for {other}: {value}"),
    }
}

fn word_of(name: &str) -> &str {
    match name {
        "SecretSource" => "secret",
        "KeyFile" => "file",
        "OnOutage" | "LastResort" | "ForceOff" | "LibvirtUri" => "text",
        _ => "table",
    }
}

fn description(value: &Value) -> String {
    let text = value["description"].as_str().unwrap_or_default();
    assert!(!text.is_empty(), "it has no comment: {value}");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the page says is the default is what one gets.
#[test]
fn the_defaults_in_the_comments_are_those_of_the_code() {
    let schema = schema_for!(ConfigurationFile).to_value();
    let written = |name: &str| {
        let properties = schema["$defs"][name]["properties"].as_object().expect("keys");
        let default = |(key, value): (&String, &Value)| {
            let meaning = description(value);
            let (_, default) = meaning.split_once("Default: `")?;
            Some(format!("{key} = {}\n", default.split_once('`')?.0))
        };
        properties.iter().filter_map(default).collect::<String>()
    };
    let head = "[ups.a.nut]\nhost = \"h\"\nups = \"u\"\n";
    let least = "[host.h]\n[[domain]]\nname = \"d\"\nups = []\n[[tier]]\nname = \"t\"\n";
    let full = format!(
        "[host.h]\n{}[[domain]]\nname = \"d\"\nups = []\n{}[[tier]]\nname = \"t\"\n{}[controller]\n{}[moves]\n{}[return]\n{}",
        written("Host"),
        written("Domain"),
        written("Tier"),
        written("Controller"),
        written("Moves"),
        written("Return"),
    );
    assert!(full.matches(" = ").count() > 20, "the comments name their defaults:\n{full}");
    let read = |text: &str| read_texts(&[&format!("{head}{text}")]).unwrap_or_else(|found| panic!("{found:#?}\n{text}"));
    let (least, full) = (read(least), read(&full));
    assert_eq!(topology(&least), topology(&full));
    assert_eq!(policy(&least), policy(&full));
    assert_eq!((least.listen(), least.data_dir()), (full.listen(), full.data_dir()));
    assert_eq!(super::pace(&least), super::pace(&full));
}
