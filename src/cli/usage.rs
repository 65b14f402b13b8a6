//! Reports command-line errors: clap's messages, escaped for the terminal, and suggestions of similar names.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::{ColorMode, command};
use super::exit::{Exit, Failure};
use super::json;
use super::project;
use super::session::Stream;
use formulac::diag::render::{escape_hidden, is_hidden};
use formulac::diag::suggest::{nearest_name, nearest_name_within, similar_name_help};

/// Commands of other tools, with the equivalent commands of formulac.
const OTHER_TOOL_COMMANDS: &[(&[&str], &str)] = &[
    (
        &["diff", "changes"],
        "`formulac plan` shows what a push would change; `formulac env diff` compares environments",
    ),
    (
        &["apply", "sync", "commit", "deploy"],
        "`formulac push` writes the generated dbt files and commits them",
    ),
    (
        &["build", "gen"],
        "`formulac generate` writes the dbt models of all specs",
    ),
    (
        &["lint", "validate"],
        "`formulac check` finds errors in formulas and specs",
    ),
    (
        &["fmt", "format", "fix"],
        "`formulac check --fix` applies safe fixes; formulas are not reformatted",
    ),
    (
        &["run", "show", "exec"],
        "`formulac preview SPEC` runs a spec and shows its rows",
    ),
    (
        &["test", "compare"],
        "`formulac verify` compares built models with their formulas",
    ),
    (
        &["import", "convert"],
        "`formulac promote` turns Omni fields into a spec",
    ),
    (&["history"], "`formulac log` shows the log of pushes"),
    (&["undo", "revert"], "`formulac rollback` restores an earlier state"),
    (
        &["approve", "propose", "reject", "comment"],
        "use this word as a subcommand of `formulac change`",
    ),
    (
        &["ls", "list"],
        "`formulac functions` lists functions, `formulac env list` environments, `formulac lineage` models",
    ),
    (
        &["health", "debug", "diagnose"],
        "`formulac doctor` checks that dbt, engines, git and the project are ready",
    ),
    (
        &["new", "start", "setup"],
        "`formulac init` sets up formulac in a dbt project",
    ),
];

/// Output of `formulac` without arguments: the commands for daily work.
const DAILY_COMMANDS_HELP: &str = "\
formulac compiles spreadsheet-style formulas to SQL and dbt models.

  formulac check            find errors in the specs of the project
  formulac preview SPEC     run a spec and show its rows
  formulac generate         write the dbt models, tests and docs
  formulac plan             show what a push would change
  formulac push             write the dbt files and commit them

`formulac init` sets up a dbt project. `formulac --help` lists all commands, and `formulac doctor` checks this machine.
";

/// Prints help and the version to standard output, and everything else to standard error.
pub fn report(fault: &clap::Error) -> Exit {
    let alone = std::env::args_os().len() <= 1;
    let helping = alone || matches!(fault.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let stream = if helping { Stream::Data } else { Stream::Message };
    let command_failure = match fault.get(ContextKind::InvalidSubcommand) {
        // For a missing subcommand, `name` is the name of the parent command.
        Some(ContextValue::String(name)) if fault.kind() == ErrorKind::MissingSubcommand => {
            Some(missing_command_failure(name))
        }
        Some(ContextValue::String(name)) => Some(unknown_command_failure(fault, name)),
        _ => misspelled_argument_failure(fault)
            .or_else(|| missing_formula_failure(fault))
            .or_else(|| non_utf8_argument_failure(fault)),
    };
    let text = match &command_failure {
        _ if alone => DAILY_COMMANDS_HELP.to_owned(),
        Some(Failure::Message(message)) => message.to_string(),
        _ => render_error(fault, stream),
    };
    if !helping && raw_arguments().iter().any(|arg| arg == "--json") {
        let failure = command_failure.unwrap_or_else(|| split_clap_message(&fault.render().to_string()));
        let object = json::to_text(&failure.to_json());
        let _ = std::io::Write::write_all(&mut std::io::stdout(), object.as_bytes());
    }
    // Ignore the error, because a failure to print cannot be reported.
    let _ = match stream {
        Stream::Data => std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()),
        Stream::Message => std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()),
    };
    if helping { Exit::Done } else { Exit::Usage }
}

/// Splits clap's text into a message and help: tips and possible values, or the command that lists the options.
fn split_clap_message(text: &str) -> Failure {
    let (mut message, mut help) = (Vec::new(), Vec::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(tip) = line.strip_prefix("tip: ") {
            help.push(tip.to_owned());
        } else if let Some(values) = line.strip_prefix("[possible values: ") {
            help.push(format!("the possible values are {}", values.trim_end_matches(']')));
        } else if let Some(usage) = line.strip_prefix("Usage: ") {
            help.push(format!("usage: {usage}"));
        } else if !line.starts_with("For more information") {
            message.push(line);
        }
    }
    let message = message.join(" ");
    let failure = Failure::new(Exit::Usage, message.strip_prefix("error: ").unwrap_or(&message));
    if help.is_empty() {
        failure.with_help("`--help` lists the options")
    } else {
        failure.with_help(help.join("; "))
    }
}

/// Suggests the command with the most similar name, or the formulac command that corresponds to another tool's command.
fn unknown_command_failure(fault: &clap::Error, name: &str) -> Failure {
    let root = command();
    // The misspelled name may be a subcommand, as in `env lst`. The usage line in clap's error then shows the parent
    // command.
    let usage = fault
        .get(ContextKind::Usage)
        .map(ToString::to_string)
        .unwrap_or_default();
    let inner = root
        .get_subcommands()
        .find(|command| usage.contains(&format!("formulac {} ", command.get_name())));
    let (parent_command, full_name) = match inner {
        Some(inner) => (inner, format!("{} {name}", inner.get_name())),
        None => (&root, name.to_owned()),
    };
    let names: Vec<&str> = parent_command.get_subcommands().map(clap::Command::get_name).collect();
    let find_other_command = || {
        OTHER_TOOL_COMMANDS
            .iter()
            .find(|(names, _)| inner.is_none() && names.contains(&name))
    };
    let help = match (find_other_command(), nearest_name(name, names.iter().copied())) {
        (Some((_, help)), _) => (*help).to_owned(),
        (None, Some(near)) => similar_name_help(near),
        (None, None) if inner.is_some() => format!("did you mean {}?", names.join(", ")),
        (None, None) => "`formulac --help` lists the commands".to_owned(),
    };
    Failure::new(Exit::Usage, format!("there is no command `{full_name}`")).with_help(help)
}

fn missing_command_failure(parent: &str) -> Failure {
    Failure::new(Exit::Usage, "no command is specified").with_help(format!("`{parent} --help` lists the commands"))
}

fn render_error(fault: &clap::Error, stream: Stream) -> String {
    let rendered = fault.render();
    let plain = rendered.to_string();
    if plain.chars().any(is_hidden) {
        return escape_hidden(&plain).into_owned();
    }
    if stream.is_colored(requested_color()) {
        rendered.ansi().to_string()
    } else {
        plain
    }
}

/// Searches for `--color` in the raw arguments, because they could not be parsed.
fn requested_color() -> ColorMode {
    let mut color_mode = ColorMode::Auto;
    let mut last_was_color = false;
    for argument in std::env::args_os() {
        let Some(text) = argument.to_str() else { continue };
        let value = text.strip_prefix("--color=").or(last_was_color.then_some(text));
        match value {
            Some("always") => color_mode = ColorMode::Always,
            Some("never") => color_mode = ColorMode::Never,
            _ => {}
        }
        last_was_color = text == "--color";
    }
    color_mode
}

/// Rejects a misspelled option that was passed as a formula. A formula may begin with `-`, but an argument that looks
/// like `--no-such-option`, or almost has the name of an option, is never intended as a formula.
pub fn reject_option_as_formula(formula: &OsStr) -> Result<(), Failure> {
    find_misspelled_option(formula, &find_called_commands(&command(), &raw_arguments())).map_or(Ok(()), Err)
}

/// Returns an error if an argument that must be a formula is a file.
pub fn reject_file_as_formula(formula: &OsStr, command: &str, expected: &str) -> Result<(), Failure> {
    let (text, path) = (formula.to_string_lossy(), Path::new(formula));
    let is_spec = project::is_yaml(path);
    // Ignore a file without an extension, because its name may be meant as a column.
    let is_file = path.extension().is_some() && path.is_file();
    if !is_spec && !is_file {
        return Ok(());
    }
    let help = match command {
        "compile" if !is_spec => format!("`formulac compile --file {text}` compiles the formulas in it"),
        "explain" if is_spec => format!(
            "`formulac explain --plan {text}` shows the operators of its query, `formulac query {text}` its SQL"
        ),
        _ => format!("`formulac query {text}` shows its SQL, `formulac {command} 'SUM(amount)'` reads a formula"),
    };
    let message = format!("`{text}` is a file, but `{command}` needs {expected}");
    Err(Failure::new(Exit::Usage, message).with_help(help))
}

fn raw_arguments() -> Vec<OsString> {
    std::env::args_os()
        .skip(1)
        .take_while(|argument| argument != "--")
        .collect()
}

/// Returns the command in the arguments, preceded by its parent commands.
fn find_called_commands<'c>(root: &'c clap::Command, arguments: &[OsString]) -> Vec<&'c clap::Command> {
    let mut commands = vec![root];
    for argument in arguments {
        commands.extend(commands.last().and_then(|last| last.find_subcommand(argument)));
    }
    commands
}

fn find_misspelled_option(argument: &OsStr, commands: &[&clap::Command]) -> Option<Failure> {
    let word = argument.to_str()?.strip_prefix("--")?;
    let word = word.split('=').next().unwrap_or_default();
    let is_word = word.starts_with(|c: char| c.is_ascii_lowercase())
        && word
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !is_word {
        return None;
    }
    if word == "version" && commands.len() > 1 {
        let failure = Failure::new(Exit::Usage, "`--version` is not an option of a single command");
        return Some(failure.with_help("write `formulac --version`"));
    }
    let arguments = commands.iter().flat_map(|command| command.get_arguments());
    let options: Vec<&str> = arguments.filter_map(clap::Arg::get_long).chain(["help"]).collect();
    let near = nearest_name_within(word, 2, options.iter().copied());
    if options.contains(&word) || (near.is_none() && !word.contains('-')) {
        return None;
    }
    let name = commands
        .iter()
        .skip(1)
        .map(|command| command.get_name())
        .collect::<Vec<_>>()
        .join(" ");
    let near = near.map(|near| similar_name_help(&format!("--{near}")));
    let of_formulas = matches!(name.as_str(), "compile" | "explain");
    let help = match (near, of_formulas) {
        (Some(near), true) => format!("{near} To pass a formula that looks like an option, write it after `--`"),
        (Some(near), false) => near,
        (None, true) => "to pass a formula that looks like an option, write it after `--`".to_owned(),
        (None, false) => format!("`formulac {name} --help` lists the options"),
    };
    Some(Failure::new(Exit::Usage, format!("there is no option `--{word}`")).with_help(help))
}

/// Reports a formula that was read as a short option, such as `-v`.
fn missing_formula_failure(fault: &clap::Error) -> Option<Failure> {
    let (root, arguments) = (command(), raw_arguments());
    let commands = find_called_commands(&root, &arguments);
    let name = commands.last()?.get_name();
    if fault.kind() != ErrorKind::MissingRequiredArgument || !["compile", "explain"].contains(&name) {
        return None;
    }
    let options = commands.iter().flat_map(|command| command.get_arguments());
    let options: Vec<(char, &str)> = options
        .filter_map(|arg| Some((arg.get_short()?, arg.get_long()?)))
        .collect();
    let (formula, long) = arguments.iter().find_map(|argument| {
        let argument = argument.to_str()?;
        let short = argument.strip_prefix('-')?;
        let (_, long) = options.iter().find(|(option, _)| short.chars().eq([*option]))?;
        Some((argument, long))
    })?;
    let text = format!("there is no formula, because `{formula}` is the option `--{long}`");
    Some(Failure::new(Exit::Usage, text).with_help(format!(
        "to pass the formula `{formula}`, write it after `--`: `formulac {name} -- {formula}`"
    )))
}

/// Names the arguments that are not UTF-8. A path may contain any bytes.
fn non_utf8_argument_failure(fault: &clap::Error) -> Option<Failure> {
    let arguments = std::env::args_os()
        .skip(1)
        .filter(|argument| argument.to_str().is_none());
    let names: Vec<String> = arguments
        .map(|argument| format!("`{}`", argument.to_string_lossy()))
        .collect();
    (fault.kind() == ErrorKind::InvalidUtf8 && !names.is_empty()).then(|| {
        Failure::new(Exit::Usage, format!("an argument is not UTF-8: {}", names.join(", ")))
            .with_help("only the path of a file may contain other bytes")
    })
}

/// Finds the misspelled option that made clap report an unexpected argument.
fn misspelled_argument_failure(fault: &clap::Error) -> Option<Failure> {
    if fault.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let (root, arguments) = (command(), raw_arguments());
    let commands = find_called_commands(&root, &arguments);
    arguments
        .iter()
        .find_map(|argument| find_misspelled_option(argument, &commands))
}
