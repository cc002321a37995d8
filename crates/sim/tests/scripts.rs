//! The golden scripts: each story in `scripts/*.txt` tells what stands in `*.out` beside it, and keeps every promise.

use expect_test::expect_file;
use ridethrough_sim::story::play;
use std::path::{Path, PathBuf};

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let entries = std::fs::read_dir(folder).expect("there are scripts").map(|entry| entry.expect("it can be read").path());
    let mut scripts: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    scripts.sort();
    scripts
}

#[test]
fn every_script_tells_what_it_told() {
    assert!(scripts().len() > 20);
    for path in scripts() {
        let script = std::fs::read_to_string(&path).expect("it can be read");
        let told = play(&script, None).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(told.broken.is_empty(), "{}\n{}", path.display(), told.text);
        expect_file![path.with_extension("out")].assert_eq(&told.text);
    }
}

/// Mains back at every possible moment: each ten seconds of an outage that ends in darkness otherwise.
#[test]
fn mains_back_at_any_moment_keeps_every_promise_and_everything_comes_back() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/one-rack.txt");
    let script = std::fs::read_to_string(path).expect("it can be read");
    let site: String = script.lines().take_while(|line| !line.starts_with("ups")).map(|line| format!("{line}\n")).collect();
    for second in (1..620).step_by(7) {
        let story = format!("{site}ups rack-a on-battery runtime=600\ntick {second}s\nmains back\ntick 60m\nstatus\n");
        let told = play(&story, None).unwrap_or_else(|error| panic!("{error}"));
        assert!(told.broken.is_empty(), "mains back after {second} s\n{}", told.text);
        let status = told.text.rsplit("> status").next().unwrap_or_default();
        let is_back = ["db", "ci", "web"].iter().all(|vm| status.contains(&format!("          {vm}: runs")));
        assert!(is_back && !told.text.contains("LOST"), "mains back after {second} s\n{}", told.text);
    }
}

#[test]
fn a_line_that_makes_no_sense_is_named_with_what_could_stand_there() {
    let complain = |script: &str| play(script, None).expect_err("it makes no sense").to_string();
    let site = "new ups a lasts=10m\nnew host h feeds=a\n";
    for (script, parts) in [
        ("load moon\n", ["line 1", "demo or config"]),
        ("load config\n", ["line 1", "--config"]),
        ("tick 5m\n", ["line 1", "there is no site yet"]),
        ("new ups a\nnew host h feeds=b\n", ["line 2", "there is no UPS `b`; there are a"]),
        (&format!("{site}ups b mains\n"), ["line 3", "there is no UPS `b`; there are a"]),
        (&format!("{site}tick soon\n"), ["line 3", "say 30s, 10m or 2h"]),
        (&format!("{site}explode\n"), ["line 3", "`explode` is no command"]),
        (&format!("{site}tick 5m please\n"), ["line 3", "`please` is one word too many"]),
        (&format!("{site}tick 5m\nnew ups c\n"), ["line 4", "come before everything that plays"]),
        (&format!("{site}vm x off\n"), ["line 3", "there is no VM `x`"]),
    ] {
        let said = complain(script);
        assert!(parts.iter().all(|part| said.contains(part)), "{script}: {said}");
    }
}
