//! The terminal while a picture is on it: another screen, no echo, no suspend; as before when it ends, however it ends.

use crate::command::frame;
use crate::output;
use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use std::io;

/// A terminal that shows a picture. Dropped, it is as before.
#[derive(Debug)]
pub(super) struct Terminal {
    before: Option<Termios>,
}

impl Terminal {
    /// Takes the terminal over. Ctrl-C still interrupts.
    ///
    /// # Errors
    /// It cannot be written to.
    pub(super) fn enter() -> io::Result<Self> {
        let before = termios::tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut quiet = before.clone();
            quiet.local_modes &= !(LocalModes::ECHO | LocalModes::ICANON);
            // Stopped in the middle of a picture it would leave the terminal in a mess.
            quiet.special_codes[SpecialCodeIndex::VSUSP] = 0;
            // A terminal that refuses shows what is typed; no more than that.
            let _refused = termios::tcsetattr(io::stdin(), OptionalActions::Now, &quiet);
        }
        let terminal = Self { before };
        output::print(frame::ENTER)?;
        Ok(terminal)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // There is nobody left to tell.
        drop(output::print(frame::LEAVE));
        if let Some(before) = &self.before {
            // What was typed meanwhile was for nobody.
            let _kept = termios::tcflush(io::stdin(), termios::QueueSelector::IFlush);
            let _refused = termios::tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Columns and rows now; 80 by 24 where it does not tell.
pub(super) fn size() -> (usize, usize) {
    let told = terminal_size::terminal_size().map(|(width, height)| (usize::from(width.0), usize::from(height.0)));
    let (width, height) = told.filter(|(width, height)| *width > 0 && *height > 0).unwrap_or((80, 24));
    (width.clamp(20, 400), height.clamp(4, 200))
}
