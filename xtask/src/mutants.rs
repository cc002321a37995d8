//! `cargo xtask mutants [FILE...]`: are the tests of `decide` and the simulator good enough to notice a wrong word in the central files?
//!
//! One build carries all mutants and a number in the environment chooses one, so a mutant costs a run of the tests and no build. Where
//! they lie is found in [`sites`]; how one is judged is here. A night's work: docs/mutants.md has the last table.

mod sites;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::ci::watch;
use sites::Site;

/// The run, the folds and the invariants.
const FILES: &[&str] = &[
    "run.rs",
    "source.rs",
    "domain.rs",
    "adopt.rs",
    "evidence.rs",
    "feed.rs",
    "masters.rs",
    "replies.rs",
    "log.rs",
    "invariant.rs",
];
/// Crates that are copied: what is mutated, and what judges it.
const CRATES: &[&str] = &["model", "decide", "sim"];
/// Seeds of the simulator each mutant must get past that the tests of `decide` have let through.
const SEEDS: &str = "60";
/// A mutant that makes the tests run longer than this is noticed too.
const TIME_MAX: Duration = Duration::from_secs(180);
/// At least so many of a hundred must be noticed.
const CAUGHT_PERCENT_MIN: usize = 90;

const SWITCH: &str = "//! Which mutant is in force: written by xtask.
pub(crate) fn on(id: u32) -> bool {
    static ON: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *ON.get_or_init(|| std::env::var(\"MUTANT\").ok().and_then(|text| text.parse().ok()).unwrap_or(0)) == id
}
pub(crate) fn flip(id: u32, value: bool) -> bool {
    value != on(id)
}
";

/// True when enough were noticed. `--jobs N` runs so many at once; other words choose files, or `FILE:LINE`.
pub(crate) fn command(root: &Path, words: &[String]) -> Result<bool> {
    let (mut jobs, mut chosen) = (2, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--jobs" => jobs = words.next().and_then(|text| text.parse().ok()).context("--jobs wants a number")?,
            name => chosen.push(name.to_owned()),
        }
    }
    let files: Vec<&str> = FILES.iter().copied().filter(|file| is_chosen(&chosen, file)).collect();
    if files.is_empty() {
        bail!("none of {chosen:?} is mutated; these are: {}", FILES.join(" "));
    }
    let tree = root.join("target/mutants");
    let sites = prepare(root, &tree, &files)?;
    println!("{} mutants in {}", sites.len(), files.join(" "));
    let tests = build(root, &tree)?;
    if judge(&tests, 0)? {
        bail!("the tests fail without any mutant");
    }
    let begun = Instant::now();
    let next = AtomicUsize::new(0);
    let lane = || -> Result<Vec<&Site>> {
        let mut survivors = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(site) = sites.get(place) else { return Ok(survivors) };
            if !judge(&tests, site.id)? {
                println!("not noticed: {}", site.text());
                survivors.push(site);
            }
            if place % 50 == 49 {
                println!("{} of {}, {:.0} s", place + 1, sites.len(), begun.elapsed().as_secs_f64());
            }
        }
    };
    let mut survivors = Vec::new();
    std::thread::scope(|scope| -> Result<()> {
        let lanes: Vec<_> = (0..jobs).map(|_| scope.spawn(lane)).collect();
        for lane in lanes {
            survivors.extend(lane.join().expect("a lane ends with a result")?);
        }
        Ok(())
    })?;
    print!("{}", table(&sites, &survivors));
    Ok((sites.len() - survivors.len()) * 100 >= sites.len() * CAUGHT_PERCENT_MIN)
}

fn is_chosen(chosen: &[String], file: &str) -> bool {
    chosen.is_empty() || chosen.iter().any(|name| name == file)
}

fn table(sites: &[Site], survivors: &[&Site]) -> String {
    let mut by_file: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for site in sites {
        by_file.entry(&site.file).or_default().0 += 1;
    }
    for site in survivors {
        by_file.entry(&site.file).or_default().1 += 1;
    }
    let mut text = String::from("\n| file | mutants | noticed | |\n|---|---|---|---|\n");
    let mut row = |name: &str, all: usize, left: usize| {
        let percent = if all == 0 { 100.0 } else { (all - left) as f64 * 100.0 / all as f64 };
        text.push_str(&format!("| {name} | {all} | {} | {percent:.0} % |\n", all - left));
    };
    for (file, (all, left)) in &by_file {
        row(file, *all, *left);
    }
    row("all", sites.len(), survivors.len());
    text.push_str("\n| not noticed |\n|---|\n");
    let mut lines: Vec<String> = survivors.iter().map(|site| format!("| {} |\n", site.text())).collect();
    lines.sort();
    text.push_str(&lines.concat());
    text
}

/// A copy of the crates with every mutant in it.
fn prepare(root: &Path, tree: &Path, files: &[&str]) -> Result<Vec<Site>> {
    if tree.exists() {
        std::fs::remove_dir_all(tree).context("cannot remove the last copy")?;
    }
    for name in CRATES {
        copy(&root.join("crates").join(name), &tree.join("crates").join(name))?;
    }
    for name in ["Cargo.toml", "Cargo.lock"] {
        let text = std::fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"))?;
        let text = if name == "Cargo.toml" { only_copied(&text) } else { text };
        std::fs::write(tree.join(name), text).context("cannot write the copy")?;
    }
    let source = tree.join("crates/decide/src");
    let mut sites = Vec::new();
    for file in files {
        let path = source.join(file);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {file}"))?;
        let mutated = sites::plant(file, &text, &mut sites)?;
        std::fs::write(&path, mutated).context("cannot write a mutated file")?;
    }
    std::fs::write(source.join("mutant.rs"), SWITCH).context("cannot write the switch")?;
    let lib = source.join("lib.rs");
    let text = std::fs::read_to_string(&lib).context("cannot read lib.rs")?;
    std::fs::write(&lib, text.replacen("\nmod actions;", "\nmod actions;\nmod mutant;", 1)).context("cannot write lib.rs")?;
    Ok(sites)
}

/// The workspace's manifest with only the crates that were copied.
fn only_copied(manifest: &str) -> String {
    let lines = manifest.lines().map(|line| {
        if line.starts_with("members =") {
            "members = [\"crates/*\"]".to_owned()
        } else if line.starts_with("default-members") {
            String::new()
        } else {
            line.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry.context("cannot read a folder")?;
        let target = to.join(entry.file_name());
        if entry.file_type().context("cannot tell what a file is")?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target).with_context(|| format!("cannot copy {}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// The test programs, those that end soonest first.
fn build(root: &Path, tree: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new(crate::cargo())
        .args(["test", "--offline", "--no-run", "--message-format=json", "-p", "ridethrough-decide", "-p", "ridethrough-sim"])
        .args(["--lib", "--tests"])
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", root.join("target"))
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("the mutated copy in {} does not build", tree.display());
    }
    let mut tests = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        let Some(program) = message["executable"].as_str() else { continue };
        let name = message["target"]["name"].as_str().unwrap_or_default();
        let order = ["ridethrough_decide", "it", "ridethrough_sim"].iter().position(|known| *known == name);
        if let Some(order) = order {
            tests.insert(order, PathBuf::from(program));
        }
    }
    if tests.len() < 3 {
        bail!("expected the tests of decide and sim, found {tests:?}");
    }
    Ok(tests.into_values().collect())
}

/// Whether any test notices that mutant.
fn judge(tests: &[PathBuf], id: u32) -> Result<bool> {
    for program in tests {
        let mut command = Command::new(program);
        command.env("MUTANT", id.to_string()).env("RIDETHROUGH_SEEDS", SEEDS).arg("--test-threads=1");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        // One that is ended for its time has not passed either.
        if !watch::spawn(&mut command, Some(TIME_MAX))?.wait()? {
            return Ok(true);
        }
    }
    Ok(false)
}
