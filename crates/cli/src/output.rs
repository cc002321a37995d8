//! How things look on a terminal: tables, colours, times. No command, no request.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use ridethrough_model::Millis;
use std::io::{self, IsTerminal, Write};

/// Columns where the output is not a terminal, or does not tell.
const WIDTH: usize = 100;
/// Narrower than this nothing is wrapped: it would be unreadable anyway.
const WIDTH_MIN: usize = 40;

/// A colour, by what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As everything else.
    Plain,
    /// In order.
    Good,
    /// Degraded.
    Warn,
    /// Lost or in doubt.
    Bad,
    /// Of less interest.
    Dim,
    /// A heading.
    Strong,
}

/// Who reads: decides about colours, width and the time zone.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    has_colour: bool,
    width: usize,
    zone: TimeZone,
    now: Timestamp,
}

impl Style {
    /// For what stdout is.
    pub(crate) fn of_stdout() -> Self {
        Self::of(io::stdout().is_terminal())
    }

    /// For what stderr is.
    pub(crate) fn of_stderr() -> Self {
        Self::of(io::stderr().is_terminal())
    }

    fn of(is_terminal: bool) -> Self {
        let refuses = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let width = told.or_else(|| terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)));
        Self {
            has_colour: is_terminal && !refuses && !is_dumb,
            width: width.unwrap_or(WIDTH).max(WIDTH_MIN),
            zone: TimeZone::system(),
            now: Timestamp::now(),
        }
    }

    /// Without colours, in UTC, at a given time: for tests.
    #[cfg(test)]
    pub(crate) fn plain(width: usize, now: &str) -> Self {
        Self { has_colour: false, width, zone: TimeZone::UTC, now: now.parse().expect("a moment") }
    }

    /// The text in that colour.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "1;31",
            Tone::Dim => "2",
            Tone::Strong => "1",
        };
        if self.has_colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Each line of the text in that colour: for paragraphs.
    pub(crate) fn paint_lines(&self, tone: Tone, text: &str) -> String {
        text.lines().map(|line| format!("{}\n", self.paint(tone, line))).collect()
    }

    /// A moment of the API: local time of day today, with the date on other days. What is no moment stays as it is.
    pub(crate) fn moment(&self, at: &str) -> String {
        at.parse::<Timestamp>().map_or_else(|_| at.to_owned(), |at| self.local(at))
    }

    /// The same, from a timestamp.
    pub(crate) fn local(&self, at: Timestamp) -> String {
        let at: Zoned = at.to_zoned(self.zone.clone());
        let today = self.now.to_zoned(self.zone.clone()).date();
        let form = if at.date() == today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
        at.strftime(form).to_string()
    }

    /// Date and time of day, local, for output that may run for weeks.
    pub(crate) fn clock_time(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// "in 4m 05s (14:07:17)", counted from a moment of the API.
    pub(crate) fn due(&self, seconds: u64, from: &str) -> String {
        let left = Millis::from_secs(seconds);
        let span = jiff::SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        match from.parse::<Timestamp>().ok().and_then(|from| from.checked_add(span).ok()) {
            Some(at) => format!("in {left} ({})", self.local(at)),
            None => format!("in {left}"),
        }
    }

    /// A paragraph, wrapped, each line indented.
    pub(crate) fn paragraph(&self, indent: usize, text: &str) -> String {
        let mut out = String::new();
        for line in wrap(text, self.width.saturating_sub(indent).max(WIDTH_MIN / 2)) {
            out.push_str(&" ".repeat(indent));
            out.push_str(&line);
            out.push('\n');
        }
        out
    }
}

/// Seconds as people say them.
pub(crate) fn span(seconds: u64) -> String {
    Millis::from_secs(seconds).to_string()
}

/// Which way a column leans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lean {
    Left,
    Right,
}

/// A table whose last column wraps to the width there is. Columns in which no row says anything are left out.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    heads: Vec<(&'static str, Lean)>,
    rows: Vec<Vec<(Tone, String)>>,
}

impl Table {
    /// Columns from left to right.
    pub(crate) fn new(heads: &[(&'static str, Lean)]) -> Self {
        Self { heads: heads.to_vec(), rows: Vec::new() }
    }

    /// One row. Missing cells are empty.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = (Tone, String)>) {
        let mut row: Vec<(Tone, String)> = cells.into_iter().map(|(tone, text)| (tone, printable(&text))).collect();
        row.resize(self.heads.len(), (Tone::Plain, String::new()));
        self.rows.push(row);
    }

    /// As text, indented by two.
    pub(crate) fn show(&self, style: &Style) -> String {
        let used: Vec<usize> =
            (0..self.heads.len()).filter(|column| self.rows.iter().any(|row| !row[*column].1.is_empty())).collect();
        let Some((last, before)) = used.split_last() else { return String::new() };
        let width_of = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].1.chars().count());
            cells.max().unwrap_or(0).max(self.heads[column].0.len())
        };
        let widths: Vec<(usize, usize)> = before.iter().map(|column| (*column, width_of(*column))).collect();
        let taken: usize = 2 + widths.iter().map(|(_, width)| width + 2).sum::<usize>();
        let room = style.width.saturating_sub(taken).max(WIDTH_MIN / 2);
        let head: Vec<(Tone, String)> = self.heads.iter().map(|(head, _)| (Tone::Dim, (*head).to_owned())).collect();
        let mut out = String::new();
        for row in std::iter::once(&head).chain(&self.rows) {
            let mut line = "  ".to_owned();
            for (column, width) in &widths {
                let (tone, text) = &row[*column];
                let gap = " ".repeat(width - text.chars().count());
                let painted = style.paint(*tone, text);
                match self.heads[*column].1 {
                    Lean::Left => line.push_str(&format!("{painted}{gap}  ")),
                    Lean::Right => line.push_str(&format!("{gap}{painted}  ")),
                }
            }
            let (tone, text) = &row[*last];
            for (place, part) in wrap(text, room).iter().enumerate() {
                let start = if place == 0 { line.clone() } else { " ".repeat(taken) };
                out.push_str(format!("{start}{}", style.paint(*tone, part)).trim_end());
                out.push('\n');
            }
        }
        out
    }
}

/// Lines of at most so many characters, broken at spaces where there are any. At least one line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let line = lines.last_mut().expect("there is always a line");
            let used = line.chars().count();
            let needed = word.len() + usize::from(used > 0);
            if used + needed <= width {
                if used > 0 {
                    line.push(' ');
                }
                line.extend(&word);
                break;
            }
            if used > 0 {
                lines.push(String::new());
                continue;
            }
            let rest = word.split_off(width.min(word.len()));
            line.extend(&word);
            lines.push(String::new());
            word = rest;
        }
    }
    lines
}

/// Names come from outside: what would steer a terminal is shown as a question mark.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Writes to stdout. That the reader has gone away is no error.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_table_is_aligned_wraps_its_last_column_and_leaves_out_what_nobody_says() {
        let mut table = Table::new(&[("UPS", Lean::Left), ("CHARGE", Lean::Right), ("NOTHING", Lean::Left), ("WHY", Lean::Left)]);
        let plain = |text: &str| (Tone::Plain, text.to_owned());
        table.row([plain("räck-a"), plain("87%"), plain(""), plain("on battery since the mains failed, a while ago now")]);
        table.row([plain("b\x1b[31m"), plain("100%"), plain(""), plain("fine")]);
        expect![[r#"
            |
              UPS     CHARGE  WHY
              räck-a     87%  on battery since the
                              mains failed, a while
                              ago now
              b?[31m    100%  fine
        "#]]
        .assert_eq(&format!("|\n{}", table.show(&Style::plain(40, "2025-01-01T12:00:00Z"))));
    }

    #[test]
    fn words_longer_than_the_line_are_cut() {
        assert_eq!(wrap("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn moments_are_local_with_the_date_only_on_other_days() {
        let style = Style::plain(80, "2025-01-01T12:00:00Z");
        assert_eq!(style.moment("2025-01-01T11:59:58.123Z"), "11:59:58");
        assert_eq!(style.moment("2024-12-31T23:00:00Z"), "2024-12-31 23:00:00");
        assert_eq!(style.moment("yesterday"), "yesterday");
        assert_eq!(style.due(245, "2025-01-01T12:00:00Z"), "in 4m 05s (12:04:05)");
        assert_eq!(style.due(u64::MAX, "2025-01-01T12:00:00Z").split(' ').next(), Some("in"));
    }
}
