//! Asking a person before something that costs. Never guesses: without a terminal it wants `--yes`.

use super::demo::Lang;
use crate::failure::{Failure, exit};
use crate::output;
use std::io::{self, BufRead, IsTerminal};

/// Shows the text and asks; true for a plain yes, in either language.
///
/// # Errors
/// `RT0195` where nobody can be asked.
pub(super) fn confirm(warning: &str, lang: Lang) -> Result<bool, Failure> {
    let written = |error: io::Error| Failure::new("", "the question cannot be shown", "").because(&error);
    output::print(warning).map_err(written)?;
    if !io::stdin().is_terminal() {
        let remedy = "Run it on a terminal, or add --yes when you have read what it says.";
        let mut failure = Failure::new("RT0195", "this needs a yes, and there is nobody to ask", remedy);
        failure.exit = exit::USAGE;
        return Err(failure);
    }
    output::print(match lang {
        Lang::En => "Go on? [y/N] ",
        Lang::De => "Weiter? [j/N] ",
    })
    .map_err(written)?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(written)?;
    Ok(is_yes(&line))
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_lowercase().as_str(), "y" | "yes" | "j" | "ja")
}

/// What is said when the answer was no.
pub(super) fn declined(lang: Lang) -> Failure {
    let (message, remedy) = match lang {
        Lang::En => ("not confirmed: nothing was changed", ""),
        Lang::De => ("nicht bestätigt: nichts wurde geändert", ""),
    };
    Failure::new("", message, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_yes_is_a_yes() {
        for yes in ["y\n", "YES\n", "j", " ja \n"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n", "yy", "jawohl", "0", "ye"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
