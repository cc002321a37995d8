//! `docs/drivers.md` says what the kit holds drivers to.

use super::super::{RULES, manual};

#[test]
fn the_manual_has_the_words_of_every_rule_and_of_no_other() {
    let text = manual();
    let said: Vec<&str> = text.lines().filter(|line| line.starts_with("| **")).collect();
    let expected: Vec<String> = RULES.iter().map(|rule| format!("| **{}** | {} |", rule.id, rule.words)).collect();
    for line in &expected {
        assert!(said.contains(&line.as_str()), "docs/drivers.md lacks:\n{line}");
    }
    for line in said.iter().filter(|line| !line.starts_with("| **S")) {
        assert!(expected.iter().any(|rule| rule == line), "the kit has no such rule:\n{line}");
    }
}
