//! The rules of the kit in words, as `docs/drivers.md` has them. Not the kit: that is `kit.rs`.

const RULES: [(&str, &str, &str); 5] = [
    ("S1", "s1_an_append_is_seen_whole_or_not_at_all", "An append MUST be seen whole or not at all."),
    ("S2", "s2_what_was_durable_is_there_after_reopening", "All records up to n MUST survive a kill after `Durable(n)`."),
    ("S3", "s3_a_stale_epoch_is_refused", "A writer with a stale epoch MUST be refused, for good."),
    ("S4", "s4_sequence_numbers_have_no_gaps", "The numbers of a run's records MUST have no gap and no repeat."),
    (
        "S5",
        "s5_a_newer_record_is_refused_by_name",
        "A record of a newer version or an unknown kind MUST be refused by name, never skipped.",
    ),
];

#[test]
fn point_1_the_manual_has_the_words_of_the_journals_rules_and_each_is_run() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/drivers.md");
    let manual = std::fs::read_to_string(path).expect("docs/drivers.md is beside the crates");
    let said: Vec<&str> = manual.lines().filter(|line| line.starts_with("| **S")).collect();
    let expected = RULES.map(|(id, _, words)| format!("| **{id}** | {words} |"));
    assert_eq!(said, expected);
    let (_, list) = include_str!("kit.rs").split_once("\nkits!(").expect("the kit's list");
    let (list, _) = list.split_once(");").expect("its end");
    for (_, test, _) in RULES {
        assert!(list.contains(&format!("    {test},\n")), "{test} is not run");
    }
}
