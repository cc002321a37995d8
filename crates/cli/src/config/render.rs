//! Findings for a terminal, as compilers show them: what, where, the line with the place underlined, what to do. What may be a
//! secret in the line shown is hidden.

use super::source::{Located, Place};
use crate::output::{Style, Tone, printable};
use ridethrough_model::FindingLevel;
use std::ops::Range;

/// Keys whose value is not shown.
const SECRET_WORDS: [&str; 5] = ["pass", "secret", "token", "pwd", "private"];
/// Longer lines are cut around the place.
const LINE_MAX: usize = 160;

/// All findings, each as a paragraph.
pub(crate) fn render(findings: &[Located], style: &Style) -> String {
    findings.iter().map(|located| one(located, style)).collect::<Vec<_>>().join("\n")
}

fn one(located: &Located, style: &Style) -> String {
    let finding = &located.finding;
    let (tone, level) = match finding.level {
        FindingLevel::Error => (Tone::Bad, "error"),
        FindingLevel::Warning => (Tone::Warn, "warning"),
        FindingLevel::Info => (Tone::Strong, "info"),
    };
    let head = style.paint(tone, &format!("{level} {}", finding.code));
    let subject = printable(&finding.subject);
    let mut out = format!("{head}: {subject}: {}\n", printable(&finding.message));
    let gutter = located.place.as_ref().map_or(1, |place| place.position().0.to_string().len());
    if let Some(place) = &located.place {
        out.push_str(&snippet(place, finding.code == "RT0106", gutter, style, tone));
    }
    let remedy = style.paragraph(gutter + 3, &printable(&finding.remedy));
    let marked = format!("{}{} {}", " ".repeat(gutter + 1), style.paint(Tone::Dim, "="), remedy.trim_start());
    out.push_str(&marked);
    out
}

fn snippet(place: &Place, is_secret: bool, gutter: usize, style: &Style, tone: Tone) -> String {
    let (line, column) = place.position();
    let text = &place.source.text;
    let start = place.span.start.min(text.len());
    let line_start = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    let line_end = text[line_start..].find('\n').map_or(text.len(), |length| line_start + length);
    let whole = text[line_start..line_end].trim_end_matches('\r');
    let marked = start - line_start..place.span.end.clamp(start, line_end) - line_start;
    let width = whole.get(marked.clone()).map_or(1, |marked| marked.chars().count()).max(1);
    let hidden = if is_secret { Some(marked) } else { None };
    let shown: Vec<char> = hide_secrets(whole, hidden).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let first = (column - 1).saturating_sub(LINE_MAX / 2);
    let cut: String = shown.iter().skip(first).take(LINE_MAX).collect();
    let (pad, bar) = (" ".repeat(gutter), style.paint(Tone::Dim, "|"));
    let carets = "^".repeat(width.min(LINE_MAX));
    format!(
        "{pad}{} {}:{line}:{column}\n{pad} {bar}\n{line:>gutter$} {bar} {}\n{pad} {bar} {}{}\n",
        style.paint(Tone::Dim, "-->"),
        printable(&place.source.path.display().to_string()),
        cut.trim_end(),
        " ".repeat(column - 1 - first),
        style.paint(tone, &carets),
    )
}

/// The line with the text after secret-looking keys, and what is marked as secret, replaced by stars.
fn hide_secrets(line: &str, marked: Option<Range<usize>>) -> String {
    let mut hidden: Vec<Range<usize>> = marked.into_iter().collect();
    for (equals, _) in line.match_indices('=') {
        let key = line[..equals].trim_end().trim_end_matches(['"', '\'']);
        let key_start = key.rfind(|c: char| !c.is_alphanumeric() && !"_-".contains(c)).map_or(0, |at| at + 1);
        let key = key.get(key_start..).unwrap_or_default().to_lowercase();
        let value = line[equals + 1..].trim_start();
        let looks_secret =
            SECRET_WORDS.iter().any(|word| key.contains(word)) || super::suggest::nearest(&key, ["password"]).is_some();
        if looks_secret && !value.starts_with('{') {
            let start = line.len() - value.len();
            hidden.push(start..line.len());
        }
    }
    let at = |index: usize| hidden.iter().any(|range| range.contains(&index));
    line.char_indices().map(|(index, c)| if at(index) && !"\"'".contains(c) { '*' } else { c }).collect()
}
