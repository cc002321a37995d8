//! Whether a test finds what it needs on this machine. Not the lab's own gate, which asks for more.

use std::fs;
use std::io::Write;
use std::path::Path;

/// Whether a test can run here. If not, it says so where the summary of a run reads it; on CI it fails.
pub(crate) fn gate(test: &str, programs: &[&str]) -> bool {
    let Some(missing) = programs.iter().find(|program| !Path::new(program).exists()) else { return true };
    let reason = format!("{missing} is not installed (run `make setup`)");
    println!("SKIPPED: {test}: {reason}");
    let own = std::env::current_exe().expect("a test is a program");
    let list = own.ancestors().nth(3).expect("in the target directory").join("skipped.txt");
    let mut file = fs::OpenOptions::new().create(true).append(true).open(list).expect("the list of skipped tests");
    writeln!(file, "{test}: {reason}").expect("written");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "on CI nothing may be skipped: {test}: {reason}");
    false
}
