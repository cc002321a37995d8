//! `ridethrough sim` as an operator runs it: the built binary on a story and on a configuration, its words and its exit code.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

const CONFIG: &str = r#"
[controller]
data_dir = "data"

[ups.rack-a.nut]
host = "127.0.0.1"
ups = "ups1"

[[domain]]
name = "rack-a"
ups = ["rack-a"]

[host.kvm1]
feeds = [{ ups = "rack-a" }]

[[tier]]
name = "the-rest"
match = { name = "*" }
on_outage = ["shut-down"]
"#;

const STORY: &str = "load config
new vm db1 on kvm1
arm
ups rack-a on-battery runtime=600   # half of it is over when mains is back
tick 5m
mains back
tick 40m
status
";

struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

fn sim(config: &Path, args: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ridethrough"));
    command.arg("sim").args(args).arg("--config").arg(config).env("COLUMNS", "100").env_remove("RIDETHROUGH_CONFIG");
    let output = command.output().expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended { code: output.status.code().expect("it ends by itself"), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Writes both files and plays the story.
fn played(story: &str, args: &[&str]) -> Ended {
    let dir = tempfile::tempdir().expect("a directory");
    let (config, file) = (dir.path().join("site.toml"), dir.path().join("what-if.txt"));
    fs::write(&config, CONFIG).expect("it is written");
    fs::write(&file, story).expect("it is written");
    let file = file.display().to_string();
    let words: Vec<&str> = [file.as_str()].into_iter().chain(args.iter().copied()).collect();
    let ended = sim(&config, &words);
    assert!(!dir.path().join("data").exists(), "a story touches nothing");
    ended
}

#[test]
fn a_story_is_played_on_the_hosts_and_upses_of_the_configuration() {
    let told = played(STORY, &[]);
    assert_eq!((told.code, told.stderr.as_str()), (0, ""));
    for part in ["> arm\n", "mains lost: UPS rack-a", "-> shut down VM db1 on kvm1", "db1: runs", "every promise was kept\n"] {
        assert!(told.stdout.contains(part), "{part} is missing in\n{}", told.stdout);
    }
}

#[test]
fn with_json_it_is_one_object_with_what_was_told_and_what_was_broken() {
    let told = played(STORY, &["--json"]);
    let value: Value = serde_json::from_str(&told.stdout).expect("one JSON object");
    assert!(value["text"].as_str().is_some_and(|text| text.contains("every promise was kept")));
    assert_eq!(value["broken"], serde_json::json!([]));
}

#[test]
fn a_line_that_makes_no_sense_and_a_file_that_is_not_there_are_named_and_the_exit_code_says_so() {
    let told = played("load config\nups rack-b mains\n", &[]);
    assert_eq!(told.code, 1);
    assert!(told.stderr.contains("what-if.txt, line 2: there is no UPS `rack-b`; there are rack-a"), "{}", told.stderr);
    let nowhere = Path::new("/nonexistent");
    let told = sim(nowhere, &["/nonexistent/story.txt"]);
    assert_eq!(told.code, 1);
    assert!(told.stderr.contains("the story /nonexistent/story.txt cannot be read"), "{}", told.stderr);
}

/// Only `load config` reads a configuration.
#[test]
fn a_story_with_a_site_of_its_own_needs_no_configuration() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("story.txt");
    fs::write(&file, "load demo\narm\nups rack-a on-battery runtime=300\ntick 3m\nplan\n").expect("it is written");
    let told = sim(&dir.path().join("no.toml"), &[&file.display().to_string()]);
    assert_eq!((told.code, told.stderr.as_str()), (0, ""));
    assert!(told.stdout.contains("rack-a is taken to be empty at"), "{}", told.stdout);
}

#[test]
fn a_story_that_is_too_long_is_refused_and_not_cut() {
    let ended = played(&format!("load demo\n{}tick 5m\n", "# a word\n".repeat(200_000)), &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("is longer than 1 MiB"), "{}", ended.stderr);
}
