//! Wrong usage: what clap says, made safe for a terminal.

use std::ffi::OsStr;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::{Cli, When};
use super::exit::{Exit, Failure};
use super::later;
use super::session::Stream;
use formulac::diag::render::{is_hidden, visible};
use formulac::diag::suggest::nearest;

/// Prints help and version to standard output, everything else as a message.
pub fn report(fault: &clap::Error) -> Exit {
    let helping = matches!(fault.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let stream = if helping { Stream::Data } else { Stream::Message };
    let text = match fault.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(name)) if later::is_planned(name) => {
            format!("error: `formulac {name}` is not built yet\n")
        }
        _ => match misspelled_argument(fault) {
            Some(Failure::Message(message)) => message.to_string(),
            _ => rendered(fault, stream),
        },
    };
    // Nobody is left to be told when this cannot be printed.
    let _ = match stream {
        Stream::Data => std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()),
        Stream::Message => std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()),
    };
    if helping { Exit::Done } else { Exit::Usage }
}

fn rendered(fault: &clap::Error, stream: Stream) -> String {
    let rendered = fault.render();
    let plain = rendered.to_string();
    if plain.chars().any(is_hidden) {
        return visible(&plain).into_owned();
    }
    if stream.is_colored(wanted_color()) { rendered.ansi().to_string() } else { plain }
}

/// `--color`, looked for by hand, since the arguments could not be read.
fn wanted_color() -> When {
    let mut wanted = When::Auto;
    let mut last_was_color = false;
    for argument in std::env::args_os() {
        let Some(text) = argument.to_str() else { continue };
        let value = text.strip_prefix("--color=").or(last_was_color.then_some(text));
        match value {
            Some("always") => wanted = When::Always,
            Some("never") => wanted = When::Never,
            _ => {}
        }
        last_was_color = text == "--color";
    }
    wanted
}

/// A formula may begin with `-`, so that clap takes a misspelled option for one. `--no-such-option` is no
/// formula that anybody writes, and neither is what is nearly an option's name.
pub fn refuse_option(formula: &OsStr) -> Result<(), Failure> {
    misspelled(formula).map_or(Ok(()), Err)
}

fn misspelled(argument: &OsStr) -> Option<Failure> {
    let word = argument.to_str()?.strip_prefix("--")?;
    let word = word.split('=').next().unwrap_or_default();
    let is_word = word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !is_word {
        return None;
    }
    let command = Cli::command();
    let commands = std::iter::once(&command).chain(command.get_subcommands());
    let options: Vec<&str> = commands.flat_map(clap::Command::get_arguments).filter_map(clap::Arg::get_long).collect();
    let near = nearest(word, options.iter().copied());
    if options.contains(&word) || (near.is_none() && !word.contains('-')) {
        return None;
    }
    let help = near.map(|name| format!("there is `--{name}`; ")).unwrap_or_default();
    let failure = Failure::new(Exit::Usage, format!("there is no option `--{word}`"));
    Some(failure.with_help(format!("{help}a formula that looks like an option stands behind `--`")))
}

/// The misspelled option because of which clap found one argument too many.
fn misspelled_argument(fault: &clap::Error) -> Option<Failure> {
    if fault.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    std::env::args_os().skip(1).take_while(|argument| argument != "--").find_map(|argument| misspelled(&argument))
}
