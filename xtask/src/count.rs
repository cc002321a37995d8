//! Counts tests from what `cargo test` prints, and skips from the file the tests write. Pure; [`crate::ci`] does the reading.

/// What test runs came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Switched off in the source, or by the runner.
    pub(crate) ignored: u64,
}

impl Counts {
    /// Adds a line of output, if it is one of libtest's closing lines:
    /// `test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`.
    pub(crate) fn add_line(&mut self, line: &str) {
        let Some((_, numbers)) = line.trim().strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return;
        };
        for part in numbers.split("; ") {
            let Some((number, what)) = part.split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// A test that returned early because this machine lacks something. libtest counts it as passed; we do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) line: String,
    /// Lacks only the folder beside the checkout, which is no part of the project.
    pub(crate) is_shared: bool,
}

/// One skip a line: `NAME: REASON`, or `shared: NAME: REASON`.
pub(crate) fn skips(text: &str) -> Vec<Skip> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| Skip { line: line.to_owned(), is_shared: line.starts_with("shared:") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_added_up_and_other_lines_are_not() {
        let mut counts = Counts::default();
        for line in [
            "running 6 tests",
            "test a ... ok",
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s",
            "test result: FAILED. 7 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.01s",
            "thread 'x' panicked: test result was 9 passed",
            "test result:",
        ] {
            counts.add_line(line);
        }
        assert_eq!(counts, Counts { passed: 12, failed: 3, ignored: 1 });
    }

    #[test]
    fn skips_are_read_and_those_without_the_shared_folder_are_told_apart() {
        let skips = skips("lab::outage: no root\n\nshared: devices::walks: no corpora\n");
        assert_eq!(skips.len(), 2);
        assert!(!skips[0].is_shared);
        assert!(skips[1].is_shared);
        assert_eq!(skips[1].line, "shared: devices::walks: no corpora");
    }
}
