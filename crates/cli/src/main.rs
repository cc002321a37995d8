//! The one binary: reads the command line, hands over to a command, turns its failure into words and an exit code.

mod command;
mod failure;
mod output;
mod printer;

fn main() {}
