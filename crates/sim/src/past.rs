//! Seeds that once found something, kept for ever: `seeds.txt` beside this crate's manifest. They are drawn as they were drawn then.

use crate::campaign::campaign;

const LIST: &str = include_str!("../seeds.txt");

/// Every one of them, and what it found.
///
/// # Panics
/// A line that is not `SEED why`.
#[must_use]
pub fn failures() -> Vec<(u64, &'static str)> {
    let lines = LIST.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (seed, why) = line.split_once(' ').expect("a line is a seed and what it found");
            (seed.parse().expect("a seed is a number"), why.trim())
        })
        .collect()
}

/// What is broken in it now.
#[must_use]
pub fn broken(seed: u64) -> Option<String> {
    let broken = campaign(seed..seed + 1).pop()?.broken?;
    Some(format!("{} {}: {}", broken.at, broken.name, broken.how))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_once_is_not_found_again() {
        let again: Vec<_> = failures().into_iter().filter_map(|(seed, why)| Some((seed, why, broken(seed)?))).collect();
        assert!(again.is_empty(), "cargo xtask seeds --replay {}: {again:#?}", again[0].0);
    }
}
