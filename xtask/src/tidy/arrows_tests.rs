//! Plants for the arrows: each forbidden edge is found, each allowed one passes.

use super::*;

const TABLE: &str = "\
# Head

| other | table |
|---|---|
| `model` | x |

| crate | floor | owns | may use |
|---|---|---|---|
| `model` | 0 | nouns | serde, jiff |
| `decide` | 0 | verbs | model |
| `driver` | 1 | contract | model |
| `controller` | 2 | loop | model, decide, driver |
| `cli` | 3 | binary | all |
| `lab` | dev | lab | model |
| `xtask` | dev | chores | all but lab |

| crate | floor | owns | may use |
|---|---|---|---|
| `late` | 0 | a second table is not ours | all |
";

fn used(name: &str, is_ours: bool, is_dev: bool) -> Use {
    Use { name: name.to_owned(), is_ours, is_dev }
}

/// All crates of the table, the named one with one dependency more.
fn found_with(from: &str, edge: Use) -> Vec<String> {
    let mut findings = Vec::new();
    let table = parse_table(TABLE, &mut findings);
    let mut crates: Vec<Crate> = table
        .keys()
        .map(|name| Crate {
            name: name.clone(),
            manifest: format!("crates/{name}/Cargo.toml"),
            manifest_text: format!("[dependencies]\nridethrough-{0}.workspace = true\n", edge.name),
            uses: Vec::new(),
        })
        .collect();
    let planted = crates.iter_mut().find(|found| found.name == from).expect("a crate of the table");
    planted.uses.push(edge);
    check(&table, &crates, &mut findings);
    findings.iter().map(|f| format!("{}:{}: {}", f.file, f.line, f.what)).collect()
}

fn faults_of(text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let table = parse_table(text, &mut findings);
    let crates: Vec<Crate> = ["model", "decide"]
        .map(|name| Crate {
            name: name.to_owned(),
            manifest: format!("crates/{name}/Cargo.toml"),
            manifest_text: String::new(),
            uses: Vec::new(),
        })
        .into();
    check(&table, &crates, &mut findings);
    findings.into_iter().map(|finding| finding.what).collect()
}

#[test]
fn edges_of_the_table_pass() {
    for (from, to) in [("decide", "model"), ("cli", "driver"), ("xtask", "cli"), ("lab", "model")] {
        assert_eq!(found_with(from, used(to, true, false)), Vec::<String>::new(), "{from} -> {to}");
    }
    assert!(found_with("model", used("serde", false, false)).is_empty());
    assert!(found_with("driver", used("tokio", false, false)).is_empty());
}

#[test]
fn an_edge_that_is_not_in_the_table_is_found_in_the_manifest() {
    for (from, to) in [("model", "decide"), ("decide", "driver"), ("driver", "controller"), ("lab", "decide")] {
        let expected = format!("crates/{from}/Cargo.toml:2: `{from}` uses `{to}`, and ARCHITECTURE.md has no such arrow");
        assert_eq!(found_with(from, used(to, true, false)), [expected]);
    }
    for from in ["cli", "xtask"] {
        assert_eq!(found_with(from, used("lab", true, false)).len(), 1, "{from} -> lab");
    }
}

#[test]
fn a_pure_crate_has_no_other_outside_crate() {
    assert_eq!(found_with("decide", used("serde", false, false)).len(), 1);
    assert_eq!(found_with("model", used("tokio", false, false)).len(), 1);
    assert!(found_with("model", used("proptest", false, true)).is_empty());
}

#[test]
fn tests_are_freer_but_a_pure_crate_takes_nothing_from_above_and_nobody_the_lab() {
    assert!(found_with("driver", used("controller", true, true)).is_empty());
    assert!(found_with("model", used("decide", true, true)).is_empty());
    assert_eq!(found_with("decide", used("driver", true, true)), ["crates/decide/Cargo.toml:2: tests of `decide` use `driver`"]);
    assert_eq!(found_with("controller", used("lab", true, true)).len(), 1);
}

#[test]
fn anyhow_is_found_outside_the_binaries_but_not_in_tests() {
    assert_eq!(found_with("driver", used("anyhow", false, false)).len(), 1);
    assert!(found_with("driver", used("anyhow", false, true)).is_empty());
    for from in ["cli", "xtask", "lab"] {
        assert!(found_with(from, used("anyhow", false, false)).is_empty(), "{from}");
    }
}

#[test]
fn a_table_that_does_not_fit_the_workspace_is_found() {
    let head = "| crate | floor | owns | may use |\n|---|---|---|---|\n";
    let model = "| `model` | 0 | nouns | serde |\n";
    let with = |rows: &str| faults_of(&format!("{head}{model}{rows}"));
    assert!(with("| `decide` | 0 | verbs | model |\n").is_empty());
    assert_eq!(with(""), ["`decide` is not in the table of ARCHITECTURE.md"]);
    assert_eq!(with("| `decide` | 1 | verbs | modle |\n"), ["`decide` may use `modle`, which is no crate of ours"]);
    let gone = "| `decide` | 0 | verbs | model |\n| `store` | 1 | journal | model |\n";
    assert_eq!(with(gone), ["there is no crate `store`"]);
    let up = faults_of(&format!("{head}| `model` | 0 | x | decide |\n| `decide` | 1 | x | model |\n"));
    assert_eq!(up, ["`model` may use `decide`, which lies on a floor above"]);
    assert_eq!(faults_of("no table")[0], "there is no table of crates");
}
