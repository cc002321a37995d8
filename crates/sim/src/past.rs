//! Seeds that once found something, kept for ever: `seeds.txt` beside this crate's manifest. They are drawn as they were drawn then.

use crate::campaign::Day;

const LIST: &str = include_str!("../seeds.txt");

/// Every one of them, and what it found.
///
/// # Panics
/// A line that is not `SEED@GENERATION why`.
#[must_use]
pub fn failures() -> Vec<(Day, &'static str)> {
    let lines = LIST.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (seed, why) = line.split_once(' ').expect("a line is a seed and what it found");
            (Day::parse(seed).expect("a seed is a number"), why.trim())
        })
        .collect()
}

/// What is broken in it now.
#[must_use]
pub fn broken(day: Day) -> Option<String> {
    let broken = day.play().broken?;
    Some(format!("{} {}: {}", broken.at, broken.name, broken.how))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_once_is_not_found_again() {
        let again: Vec<_> = failures().into_iter().filter_map(|(day, why)| Some((day, why, broken(day)?))).collect();
        assert!(again.is_empty(), "{again:#?}");
    }
}
