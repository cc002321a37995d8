//! What CI runs, part after part, with seconds per part and one closing line that counts the tests.
//!
//! A part that fails does not stop the others: one run shows everything that is wrong. Failing tests are never run again.
//! Begin reading in [`command`]; what the closing lines say is in [`summary`].

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::count::{self, Counts};
use crate::tidy;

mod summary;
pub(crate) mod watch;

/// Relative to the workspace root, whatever the target directory is. Tests append to it.
pub(crate) const SKIPPED: &str = "target/skipped.txt";

const LAB: &str = "ridethrough-lab";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Fmt,
    Clippy,
    Tidy,
    Build,
    Test,
    Seeds,
    Lab,
}

impl Part {
    /// In the order they run: what answers fastest first.
    const ALL: [Self; 7] = [Self::Fmt, Self::Clippy, Self::Tidy, Self::Build, Self::Test, Self::Seeds, Self::Lab];

    fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Tidy => "tidy",
            Self::Build => "build",
            Self::Test => "test",
            Self::Seeds => "seeds",
            Self::Lab => "lab",
        }
    }

    /// A part that hangs is ended after this, so that the closing lines are still printed.
    fn time_max(self) -> Duration {
        let minutes = match self {
            Self::Fmt | Self::Tidy => 5,
            Self::Clippy | Self::Build | Self::Test => 20,
            Self::Seeds => 25,
            Self::Lab => 30,
        };
        Duration::from_secs(minutes * 60)
    }

    /// What cargo is asked; `None` for what we do ourselves. One build serves the tests, the lab and the binary it drives.
    fn cargo_args(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Fmt => Some(&["fmt", "--all", "--check"]),
            Self::Clippy => Some(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]),
            Self::Tidy => None,
            Self::Seeds => Some(&["run", "--locked", "-p", "ridethrough-sim", "--example", "seeds", "--", crate::seeds::IN_CI]),
            Self::Build => Some(&["build", "--locked", "--workspace", "--all-targets"]),
            Self::Test => Some(&["test", "--locked", "--no-fail-fast", "--workspace", "--exclude", LAB]),
            Self::Lab => Some(&["test", "--locked", "--no-fail-fast", "-p", LAB, "--", "--test-threads=1"]),
        }
    }
}

/// How one part ended.
#[derive(Debug)]
struct Outcome {
    name: &'static str,
    /// Whether the part is there to run tests, and so must have run some.
    runs_tests: bool,
    is_ok: bool,
    took: Duration,
    counts: Counts,
}

/// Runs all parts, or those named; true when nothing failed.
pub(crate) fn command(root: &Path, names: &[String]) -> Result<bool> {
    let parts = chosen(names)?;
    let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let runs_tests = parts.contains(&Part::Test) || parts.contains(&Part::Lab);
    let skipped = root.join(SKIPPED);
    if runs_tests && skipped.exists() {
        std::fs::remove_file(&skipped).context("cannot clear the list of skipped tests")?;
    }
    let mut outcomes = Vec::new();
    for part in parts {
        println!("\n=== {}", part.name());
        let started = Instant::now();
        let ran = match part.cargo_args() {
            None => tidy::command(root).map(|is_ok| (is_ok, Counts::default())),
            Some(args) => run_cargo(root, args, &[], is_ci.then_some(part.time_max())),
        };
        // Also a part that could not run must not keep the others from running.
        let (is_ok, counts) = ran.unwrap_or_else(|error| {
            println!("{}: {error:#}", part.name());
            (false, Counts::default())
        });
        let took = started.elapsed();
        let verdict = if is_ok { "ok" } else { "FAILED" };
        println!("=== {} {verdict} in {:.1} s", part.name(), took.as_secs_f64());
        outcomes.push(Outcome { name: part.name(), runs_tests: matches!(part, Part::Test | Part::Lab), is_ok, took, counts });
    }
    let text = if runs_tests && skipped.exists() {
        std::fs::read_to_string(&skipped).context("cannot read the list of skipped tests")?
    } else {
        String::new()
    };
    let summary = summary::of(&outcomes, &count::skips(&text), runs_tests, is_ci);
    print!("{}", summary.text);
    Ok(summary.is_ok)
}

fn chosen(names: &[String]) -> Result<Vec<Part>> {
    if names.is_empty() {
        return Ok(Part::ALL.to_vec());
    }
    for name in names {
        if !Part::ALL.iter().any(|part| part.name() == name) {
            let known: Vec<_> = Part::ALL.iter().map(|part| part.name()).collect();
            bail!("there is no part `{name}`; there are: {}", known.join(" "));
        }
    }
    Ok(Part::ALL.into_iter().filter(|part| names.iter().any(|name| name == part.name())).collect())
}

/// Runs cargo with its output shown as it comes, and counts the tests in it.
pub(crate) fn run_cargo(
    root: &Path,
    args: &[&str],
    variables: &[(&str, &str)],
    time_max: Option<Duration>,
) -> Result<(bool, Counts)> {
    println!("cargo {}", args.join(" "));
    let mut command = Command::new(crate::cargo());
    command.args(args).current_dir(root).stdout(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        // What `cargo run` set for us is not meant for the packages built now.
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR") {
            command.env_remove(name);
        }
    }
    command.envs(variables.iter().copied());
    let mut child = watch::spawn(&mut command, time_max)?;
    let counts = show(child.output().context("the output of cargo was not piped")?, &mut std::io::stdout())?;
    let is_ok = child.wait()?;
    Ok((is_ok, counts))
}

/// Passes on bytes, not lines: a test that hangs has then at least printed its name.
fn show(mut output: impl Read, screen: &mut impl Write) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut line = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let length = output.read(&mut chunk).context("cannot read what cargo prints")?;
        if length == 0 {
            break;
        }
        screen.write_all(&chunk[..length]).context("cannot print")?;
        screen.flush().context("cannot print")?;
        for byte in &chunk[..length] {
            if *byte == b'\n' {
                counts.add_line(&String::from_utf8_lossy(&line));
                line.clear();
            } else {
                line.push(*byte);
            }
        }
    }
    counts.add_line(&String::from_utf8_lossy(&line));
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_run_in_their_own_order_whatever_the_order_asked() {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let parts = chosen(&names(&["tidy", "fmt"])).expect("both exist");
        assert_eq!(parts, [Part::Fmt, Part::Tidy]);
        assert_eq!(chosen(&[]).expect("all of them"), Part::ALL);
        let error = chosen(&names(&["lint"])).expect_err("there is no such part");
        assert!(error.to_string().contains("clippy"), "{error}");
    }

    #[test]
    fn tests_are_counted_from_output_in_any_chunks() {
        let text = "test a ... ok\n\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured\n";
        // Not to the real screen: the run that tests us would count the line again.
        let mut screen = Vec::new();
        let counts = show(text.as_bytes(), &mut screen).expect("it can be read");
        assert_eq!(screen, text.as_bytes());
        assert_eq!(counts, Counts { passed: 2, failed: 0, ignored: 0 });
    }

    #[test]
    fn every_part_is_bounded_and_the_lab_runs_alone() {
        let total: Duration = Part::ALL.iter().map(|part| part.time_max()).sum();
        assert!(total > Duration::ZERO);
        let lab = Part::Lab.cargo_args().expect("cargo runs it");
        assert!(lab.contains(&"--test-threads=1"));
        let test = Part::Test.cargo_args().expect("cargo runs it");
        assert!(test.windows(2).any(|pair| pair == ["--exclude", LAB]));
    }
}
