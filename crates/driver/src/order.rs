//! What a UPS can be told: its commands and settings, an order, and what became of it. Only words; who gives an order is not known
//! here.

/// A command that a UPS knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UpsCommand {
    /// Its name, as NUT calls it: `test.battery.start.quick`.
    pub name: String,
    /// What it does, for a person, where the UPS says so.
    pub description: Option<String>,
    /// It cannot end the output or empty the battery. `false` where that is not known.
    pub is_harmless: bool,
}

/// A value that a UPS tells.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UpsVariable {
    /// Its name, as NUT calls it: `battery.charge.low`.
    pub name: String,
    /// As the UPS says it.
    pub value: String,
    /// Whether it can be set; `None` where that is not told.
    pub is_writable: Option<bool>,
}

/// What a UPS is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpsOrder {
    /// Carry out a command.
    Run {
        /// Its name.
        command: String,
        /// A value, for commands that take one.
        value: Option<String>,
    },
    /// Give a setting another value.
    Set {
        /// Its name.
        variable: String,
        /// The new value.
        value: String,
    },
}

/// An order that was accepted. That is not yet one that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What to ask about it with; `None` where nobody will ever tell what became of it.
    pub task: Option<String>,
}

/// How far an accepted order is. One that failed is an error of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is under way.
    Pending,
    /// The UPS's driver says that it was carried out.
    Done,
}
