//! Messages in words: a subject and a text that can be read on a telephone.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ridethrough_store::Letter;

/// A message older than this says so.
const LATE_MS: i64 = 60_000;
/// More does not fit a subject.
const SUBJECT_CHARS_MAX: usize = 120;

/// The most severe message, and how many more there are.
pub(super) fn subject(site: &str, letters: &[Letter]) -> String {
    let rank = |letter: &Letter| match letter.severity.as_str() {
        "alarm" => 2,
        "warning" => 1,
        _ => 0,
    };
    // Of equally severe ones the newest: what is true now.
    let Some(first) = letters.iter().max_by_key(|letter| rank(letter)) else { return format!("[Ridethrough {site}]") };
    let more = match letters.len() {
        0 | 1 => String::new(),
        count => format!(" (+{} more)", count - 1),
    };
    let mut text: String = first.text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SUBJECT_CHARS_MAX).collect();
    if first.text.chars().count() > SUBJECT_CHARS_MAX {
        text.push('…');
    }
    format!("[Ridethrough {site}] {}{text}{more}", if rank(first) == 2 { "ALARM: " } else { "" })
}

/// All messages, oldest first, one paragraph each.
pub(super) fn body(site: &str, letters: &[Letter], now: Timestamp) -> String {
    let mut text = String::new();
    for letter in letters {
        let mark = match letter.severity.as_str() {
            "alarm" => "ALARM  ",
            "warning" => "WARNING  ",
            _ => "",
        };
        let said: String = letter.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        text.push_str(&format!("{}  {mark}{said}\n", moment(letter.at_ms)));
        if let Some(why) = &letter.why {
            text.push_str(&format!("    Why: {why}\n"));
        }
        if let Some(code) = &letter.code {
            text.push_str(&format!("    What to do: docs/errors/{code}.md\n"));
        }
    }
    let waited_ms = letters.first().map_or(0, |letter| now.as_millisecond() - letter.at_ms);
    if waited_ms > LATE_MS {
        let waited = ridethrough_model::Millis(u64::try_from(waited_ms).unwrap_or(0));
        text.push_str(&format!("\nThe first of these waited for {waited}: it could not be delivered earlier.\n"));
    }
    text.push_str(&format!("\nRidethrough on {site}. `ridethrough status` says how things are now.\n"));
    text
}

/// Local time with its zone, for people far away.
fn moment(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms)
        .map(|at| at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string())
        .unwrap_or_else(|_| "(no time)".to_owned())
}
