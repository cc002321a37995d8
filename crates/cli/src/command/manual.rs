//! `ridethrough completions` and `man`: made from the command line's own description, so that they cannot differ from it.

use crate::failure::Failure;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::io;
use std::path::{Path, PathBuf};

/// Print what a shell needs to complete this program's words
#[derive(Clone, Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// For which shell
    #[arg(value_name = "SHELL", value_parser = clap::builder::EnumValueParser::<Shell>::new())]
    shell: Shell,
}

/// Write the manual pages: one for the program and one per command
#[derive(Clone, Debug, Args)]
pub(crate) struct ManArgs {
    /// The directory to write them to, which must be there; without it the program's own page goes to stdout
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// The completions as text.
pub(crate) fn completions<C: CommandFactory>(args: &CompletionsArgs) -> String {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut C::command(), "ridethrough", &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Writes the pages; says which.
///
/// # Errors
/// They cannot be written.
pub(crate) fn man<C: CommandFactory>(args: &ManArgs) -> Result<String, Failure> {
    let failed = |path: &Path, error: io::Error| {
        let message = format!("the manual pages cannot be written to {}", path.display());
        Failure::new("", message, "Name a directory that is there and may be written to.").because(&error)
    };
    let mut program = C::command();
    program.build();
    let Some(dir) = &args.dir else {
        return page(program).map_err(|error| failed(Path::new("stdout"), error));
    };
    let mut written = String::new();
    let commands: Vec<clap::Command> =
        program.get_subcommands().filter(|command| command.get_name() != "help").cloned().collect();
    for command in std::iter::once(program).chain(commands) {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        let path = dir.join(format!("{name}.1"));
        page(command).and_then(|text| std::fs::write(&path, text)).map_err(|error| failed(dir, error))?;
        written.push_str(&format!("{}\n", path.display()));
    }
    Ok(written)
}

fn page(command: clap::Command) -> io::Result<String> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut out = Vec::new();
    clap_mangen::Man::new(command).title(name.to_uppercase()).section("1").render(&mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}
