//! Who may use whom: the edges `cargo metadata` shows against the table in ARCHITECTURE.md. The table is the truth.
//!
//! Also here, because it is about edges: `anyhow` hides kinds of errors, so only `cli`, `xtask`, `lab` and tests may have it.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::metadata::{Crate, Use};

pub(super) const FILE: &str = "ARCHITECTURE.md";

const COLUMNS: [&str; 4] = ["crate", "floor", "owns", "may use"];
/// These stand at the end of all arrows; nothing points to them, in tests neither.
const NEVER_USED: &[&str] = &["lab", "xtask"];
const MAY_USE_ANYHOW: &[&str] = &["cli", "xtask", "lab"];

/// One line of the table.
#[derive(Debug)]
pub(super) struct Row {
    line: usize,
    /// `None` for what is only there for development.
    floor: Option<u8>,
    /// Our crates by their short names; for floor 0 outside ones as well.
    may_use: BTreeSet<String>,
}

pub(super) type Table = BTreeMap<String, Row>;

/// Reads the first table with our columns. `all` means every crate of the table, `all but x, y` every one but those.
pub(super) fn parse_table(text: &str, findings: &mut Vec<Finding>) -> Table {
    let mut rows = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        let Some(cells) = cells(line) else {
            if inside {
                break;
            }
            continue;
        };
        if cells == COLUMNS {
            inside = true;
        } else if inside && !cells[0].starts_with('-') {
            rows.push((index + 1, cells));
        }
    }
    if rows.is_empty() {
        let instead = "write one with the columns crate, floor, owns, may use";
        findings.push(Finding::new(FILE, 1, "there is no table of crates", instead));
    }
    let names: BTreeSet<String> = rows.iter().map(|(_, cells)| cells[0].clone()).collect();
    rows.into_iter()
        .map(|(line, cells)| {
            let may_use = may_use(&cells[3], &names);
            (cells[0].clone(), Row { line, floor: cells[1].parse().ok(), may_use })
        })
        .collect()
}

/// The four cells of a table's line, without backticks; `None` for any other line.
fn cells(line: &str) -> Option<[String; 4]> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<String> = inner.split('|').map(|cell| cell.replace('`', "").trim().to_owned()).collect();
    cells.try_into().ok()
}

fn may_use(cell: &str, names: &BTreeSet<String>) -> BTreeSet<String> {
    let listed = |text: &str| -> BTreeSet<String> {
        text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    };
    let except: Vec<String> = NEVER_USED.iter().map(|name| (*name).to_owned()).collect();
    let all = || names.iter().filter(|name| !except.contains(name)).cloned();
    match cell.strip_prefix("all") {
        Some("") => all().collect(),
        Some(rest) if rest.starts_with(" but ") => {
            let but = listed(&rest[" but ".len()..]);
            all().filter(|name| !but.contains(name)).collect()
        }
        _ => listed(cell),
    }
}

pub(super) fn check(table: &Table, crates: &[Crate], findings: &mut Vec<Finding>) {
    check_table(table, crates, findings);
    for found in crates {
        let Some(row) = table.get(&found.name) else {
            let what = format!("`{}` is not in the table of {FILE}", found.name);
            findings.push(Finding::new(&found.manifest, 1, what, "say there what it owns and may use"));
            continue;
        };
        for used in &found.uses {
            if let Some((what, instead)) = fault(table, &found.name, row, used) {
                let line = line_of(&found.manifest_text, &used.name);
                findings.push(Finding::new(&found.manifest, line, what, instead));
            }
        }
    }
}

/// The table itself: no row for a crate that is gone, no name that means nothing, no arrow upwards.
fn check_table(table: &Table, crates: &[Crate], findings: &mut Vec<Finding>) {
    for (name, row) in table {
        if !crates.iter().any(|found| found.name == *name) {
            let what = format!("there is no crate `{name}`");
            findings.push(Finding::new(FILE, row.line, what, "delete the row, or write the crate"));
        }
        for used in &row.may_use {
            match table.get(used) {
                None if row.floor == Some(0) => {}
                None => {
                    let what = format!("`{name}` may use `{used}`, which is no crate of ours");
                    let instead = "name our crates only; outside ones are listed for floor 0";
                    findings.push(Finding::new(FILE, row.line, what, instead));
                }
                Some(other) if row.floor.is_some() && other.floor > row.floor => {
                    let what = format!("`{name}` may use `{used}`, which lies on a floor above");
                    findings.push(Finding::new(FILE, row.line, what, "turn the arrow round"));
                }
                Some(_) => {}
            }
        }
    }
}

/// What is wrong with one edge, and the remedy.
fn fault(table: &Table, from: &str, row: &Row, used: &Use) -> Option<(String, String)> {
    let to = used.name.as_str();
    let is_pure = row.floor == Some(0);
    if used.is_ours && used.is_dev {
        let goes_up = is_pure && table.get(to).is_none_or(|other| other.floor != Some(0));
        if goes_up || NEVER_USED.contains(&to) {
            let what = format!("tests of `{from}` use `{to}`");
            return Some((what, format!("test it from `{to}`'s side, or with a fake")));
        }
        return None;
    }
    if used.is_dev {
        return None;
    }
    if to == "anyhow" && !MAY_USE_ANYHOW.contains(&from) {
        let what = format!("`{from}` uses `anyhow`");
        return Some((what, "write an error type with `thiserror`, which says its kind".to_owned()));
    }
    if (used.is_ours || is_pure) && !row.may_use.contains(to) {
        let what = format!("`{from}` uses `{to}`, and {FILE} has no such arrow");
        let instead = if is_pure {
            "take the value as an argument; a new arrow is a decision with a page"
        } else {
            "move the code to where both may be used, or pass it in; a new arrow is a decision with a page"
        };
        return Some((what, instead.to_owned()));
    }
    None
}

fn line_of(manifest: &str, name: &str) -> usize {
    let is_it = |line: &str| {
        let key = line.split(['.', '=', ' ']).next().unwrap_or_default();
        key == name || key.strip_prefix("ridethrough-") == Some(name)
    };
    manifest.lines().position(is_it).map_or(1, |index| index + 1)
}

#[cfg(test)]
#[path = "arrows_tests.rs"]
mod tests;
