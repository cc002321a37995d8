//! A picture in a terminal: rows of inked text, drawn over the one before without flicker. Plain ANSI; knows nothing of what it shows.

use std::fmt::Write as _;

/// What a piece of text says by its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Strong,
    Dim,
    /// Hardly there: what is not yet, or not any more.
    Faint,
    Good,
    Warn,
    Bad,
    /// On its way, or a guest in another rack.
    Move,
    /// Coming back.
    Return,
    /// The bar at the top.
    Title,
    TitleDim,
}

/// How many colours there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Palette {
    None,
    Few,
    Many,
}

impl Palette {
    /// What this terminal can.
    pub(super) fn of_environment() -> Self {
        let value = |name: &str| std::env::var(name).unwrap_or_default();
        if !value("NO_COLOR").is_empty() || value("TERM") == "dumb" {
            return Self::None;
        }
        if !value("COLORTERM").is_empty() || value("TERM").contains("256") { Self::Many } else { Self::Few }
    }

    fn code(self, ink: Ink) -> &'static str {
        match (self, ink) {
            (Self::None, Ink::Title | Ink::TitleDim) => "7",
            (Self::None, _) | (_, Ink::Plain) => "",
            (_, Ink::Strong) => "1",
            (Self::Few, Ink::Dim | Ink::Faint) => "2",
            (Self::Few, Ink::Good) => "32",
            (Self::Few, Ink::Warn) => "33",
            (Self::Few, Ink::Bad) => "1;31",
            (Self::Few, Ink::Move) => "36",
            (Self::Few, Ink::Return) => "34",
            (Self::Few, Ink::Title) => "1;37;44",
            (Self::Few, Ink::TitleDim) => "37;44",
            (Self::Many, Ink::Dim) => "38;5;246",
            (Self::Many, Ink::Faint) => "38;5;239",
            (Self::Many, Ink::Good) => "38;5;114",
            (Self::Many, Ink::Warn) => "38;5;221",
            (Self::Many, Ink::Bad) => "1;38;5;203",
            (Self::Many, Ink::Move) => "38;5;80",
            (Self::Many, Ink::Return) => "38;5;111",
            (Self::Many, Ink::Title) => "1;38;5;231;48;5;24",
            (Self::Many, Ink::TitleDim) => "38;5;153;48;5;24",
        }
    }

    /// The text in that ink.
    pub(super) fn paint(self, ink: Ink, text: &str) -> String {
        match self.code(ink) {
            "" => text.to_owned(),
            code => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// A row being written from left to right.
#[derive(Clone, Debug, Default)]
pub(super) struct Row(Vec<(Ink, String)>);

impl Row {
    /// Adds text.
    pub(super) fn put(&mut self, ink: Ink, text: impl Into<String>) -> &mut Self {
        self.0.push((ink, text.into()));
        self
    }
    /// Adds blanks up to a column, if it is not there yet.
    pub(super) fn pad_to(&mut self, column: usize, ink: Ink) -> &mut Self {
        let blanks = column.saturating_sub(self.width());
        self.put(ink, " ".repeat(blanks))
    }
    /// Adds text that ends at a column.
    pub(super) fn put_right(&mut self, column: usize, ink: Ink, text: &str) -> &mut Self {
        self.pad_to(column.saturating_sub(text.chars().count()), ink).put(ink, text)
    }
    /// Columns used.
    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.chars().count()).sum()
    }
    /// As text for a terminal of that width; what is too long is cut with an ellipsis.
    pub(super) fn text(&self, width: usize, palette: Palette) -> String {
        let mut out = String::new();
        let mut left = width;
        let is_cut = self.width() > width;
        for (ink, text) in &self.0 {
            let room = if is_cut { left.saturating_sub(1) } else { left };
            let shown: String = text.chars().take(room).collect();
            let count = shown.chars().count();
            left -= count;
            out.push_str(&palette.paint(*ink, &shown));
            if is_cut && count < text.chars().count() {
                out.push('…');
                break;
            }
        }
        out
    }
}

/// The whole picture as one write: over the old one, in one go where the terminal can.
pub(super) fn show(rows: &[Row], width: usize, height: usize, palette: Palette) -> String {
    let mut out = String::from("\x1b[?2026h\x1b[H");
    for (place, row) in rows.iter().take(height).enumerate() {
        let end = if place + 1 < height.min(rows.len()) { "\r\n" } else { "" };
        let _ = write!(out, "{}\x1b[K{end}", row.text(width, palette));
    }
    out.push_str("\x1b[J\x1b[?2026l");
    out
}

/// Another screen, without cursor and line wrap.
pub(super) const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
/// The screen from before, as it was.
pub(super) const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// A block that fills a cell from below, in ninths from empty to full.
pub(super) fn column(eighths: u32) -> char {
    const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    BLOCKS[usize::try_from(eighths.min(8)).unwrap_or(8)]
}

/// Lines of at most so many characters, broken at spaces.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        let used = line.chars().count();
        if used > 0 && used + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if used > 0 {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_for_the_terminal_is_cut_and_says_so() {
        let mut row = Row::default();
        row.put(Ink::Strong, "räck-a").put(Ink::Plain, " on battery");
        assert_eq!(row.text(80, Palette::None), "räck-a on battery");
        assert_eq!(row.text(9, Palette::None), "räck-a o…");
        assert_eq!(row.text(4, Palette::Few), "\x1b[1mräc\x1b[0m…");
    }

    #[test]
    fn a_picture_never_has_more_rows_than_the_terminal() {
        let rows: Vec<Row> = (0..50).map(|_| Row::default()).collect();
        assert_eq!(show(&rows, 80, 24, Palette::None).matches("\r\n").count(), 23);
    }
}
