//! The NUT network protocol (RFC 9271) as lines and words. Pure: no IO; any bytes are read or refused, none panics.

use std::fmt;

/// A line longer than this is refused; upsd's own answers stay below 512 bytes.
pub const LINE_MAX: usize = 4096;
/// A list longer than this is refused.
pub const ROWS_MAX: usize = 10_000;
/// A list of more bytes than this is refused, whatever its rows; that of a large UPS has about 20,000.
pub const LIST_BYTES_MAX: usize = 1 << 20;
/// A word longer than this is refused by upsd's own parser.
pub const WORD_BYTES_MAX: usize = 512;

/// What upsd says instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `UNKNOWN-UPS`, `DATA-STALE` and the like.
    pub code: String,
}

/// A line that makes no sense where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonsense(pub String);

impl fmt::Display for Nonsense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Nonsense {}

/// Splits a line into words: blanks separate, `"` groups, `\` takes the next character as it is.
///
/// # Errors
/// A quote that is not closed, or a line that is too long.
pub fn words(line: &str) -> Result<Vec<String>, Nonsense> {
    if line.len() > LINE_MAX {
        return Err(Nonsense(format!("a line of more than {LINE_MAX} bytes")));
    }
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    let mut letters = line.trim_end_matches(['\r', '\n']).chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                let next = letters.next().ok_or_else(|| Nonsense("a line that ends in a backslash".to_owned()))?;
                word.get_or_insert_default().push(next);
            }
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            blank if blank.is_ascii_whitespace() && !is_quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    if is_quoted {
        return Err(Nonsense("a quote that is not closed".to_owned()));
    }
    words.extend(word);
    Ok(words)
}

/// A word for a request, quoted where it must be. Line ends cannot be sent and are left out. upsd takes a bare `#` for a comment,
/// a bare `=` for a word of its own, and refuses `#` in quotes unless it is escaped (NUT, `common/parseconf.c`).
#[must_use]
pub fn quoted(word: &str) -> String {
    let clean: String = word.chars().filter(|letter| !letter.is_control()).collect();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    if !clean.is_empty() && clean.chars().all(is_plain) {
        return clean;
    }
    let mut text = String::from("\"");
    for letter in clean.chars() {
        if matches!(letter, '"' | '\\' | '#') {
            text.push('\\');
        }
        text.push(letter);
    }
    text.push('"');
    text
}

/// Whether a word arrives as it is: no control characters, which [`quoted`] leaves out, and no longer than upsd takes.
#[must_use]
pub fn is_sendable(word: &str) -> bool {
    !word.is_empty() && word.len() < WORD_BYTES_MAX && !word.chars().any(char::is_control)
}

/// The refusal in a line, if it is one.
#[must_use]
pub fn refusal(words: &[String]) -> Option<Refusal> {
    match words {
        [err, code, ..] if err == "ERR" => Some(Refusal { code: code.clone() }),
        [err] if err == "ERR" => Some(Refusal { code: String::new() }),
        _ => None,
    }
}

/// One row of a list, or its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// The words after those that repeat the question.
    Of(Vec<String>),
    /// The list is complete.
    End,
}

/// Reads a line inside `LIST what ...`. upsd echoes our spelling, odd servers do not: case does not count.
///
/// # Errors
/// A line that belongs to something else.
pub fn row(words: &[String], question: &[&str]) -> Result<Row, Nonsense> {
    let is_echo =
        |said: &[String]| said.len() >= question.len() && said.iter().zip(question).all(|(a, b)| a.eq_ignore_ascii_case(b));
    match words {
        [end, list, rest @ ..] if end == "END" && list == "LIST" && is_echo(rest) => Ok(Row::End),
        words if is_echo(words) => Ok(Row::Of(words[question.len()..].to_vec())),
        words => Err(Nonsense(format!("`{}` in the middle of LIST {}", shown(words), question.join(" ")))),
    }
}

/// Whether a line opens the list that was asked for.
#[must_use]
pub fn is_begin(words: &[String], question: &[&str]) -> bool {
    matches!(words, [begin, list, what, ..] if begin == "BEGIN" && list == "LIST" && question.first().is_some_and(|q| what.eq_ignore_ascii_case(q)))
}

/// A line from outside, short and printable, for a message.
#[must_use]
pub fn shown(words: &[String]) -> String {
    words.join(" ").chars().filter(|letter| !letter.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_read_as_upsd_writes_them() {
        let read = |line: &str| words(line).map_err(|error| error.to_string());
        let strings = |words: &[&str]| Ok(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(read("VAR su700 ups.status \"OL CHRG\"\n"), strings(&["VAR", "su700", "ups.status", "OL CHRG"]));
        assert_eq!(read("UPS a \"Rack A \\\"left\\\" \\\\ UPS\""), strings(&["UPS", "a", "Rack A \"left\" \\ UPS"]));
        assert_eq!(read("VAR a b \"\"\r\n"), strings(&["VAR", "a", "b", ""]));
        assert_eq!(read(""), strings(&[]));
        assert!(read("VAR a b \"open").is_err());
        assert!(read(&"x".repeat(LINE_MAX + 1)).is_err());
    }

    #[test]
    fn lists_end_where_they_say_and_nowhere_else() {
        let line = |text: &str| words(text).expect("plain words");
        let question = ["VAR", "alpha"];
        assert!(is_begin(&line("BEGIN LIST VAR alpha"), &question));
        assert_eq!(row(&line("VAR ALPHA ups.load \"7\""), &question), Ok(Row::Of(vec!["ups.load".into(), "7".into()])));
        assert_eq!(row(&line("END LIST VAR alpha"), &question), Ok(Row::End));
        assert!(row(&line("END LIST VAR beta"), &question).is_err());
        assert!(row(&line("OK"), &question).is_err());
        assert_eq!(refusal(&line("ERR UNKNOWN-UPS")), Some(Refusal { code: "UNKNOWN-UPS".into() }));
        assert_eq!(refusal(&line("VAR a b ERR")), None);
    }

    #[test]
    fn what_upsd_would_misread_is_escaped() {
        for (word, sent) in [("ups.load", "ups.load"), ("", "\"\""), ("a#b=c", "\"a\\#b=c\""), ("a\nFSD x", "\"aFSD x\"")] {
            assert_eq!(quoted(word), sent, "{word:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let line = String::from_utf8_lossy(&bytes);
            if let Ok(words) = words(&line) {
                let _ = (refusal(&words), row(&words, &["VAR", "a"]), is_begin(&words, &["VAR"]), shown(&words));
            }
        }

        #[test]
        fn what_is_quoted_is_read_back(word in "[ -~]{0,40}") {
            prop_assert_eq!(words(&quoted(&word)), Ok(vec![word]));
        }
    }
}
