//! The command-line parser, with the commands grouped in the help.

use std::fmt::Write as _;

use clap::builder::StyledStr;
use clap::builder::styling::Styles;
use clap::{CommandFactory, FromArgMatches};

use super::Cli;

/// Commands, grouped by purpose.
const COMMAND_GROUPS: [(&str, &[&str]); 6] = [
    (
        "Write",
        &["init", "check", "extract", "explain", "functions", "preview"],
    ),
    ("Build", &["compile", "query", "model", "generate", "verify", "prove"]),
    (
        "Sync",
        &["status", "plan", "push", "adopt", "resolve", "log", "rollback"],
    ),
    ("Omni", &["pull", "promote"]),
    ("Team", &["env", "change", "authorize", "release"]),
    ("Understand", &["impact", "lineage", "schema", "doctor"]),
];

/// Parses the arguments of the process, and returns whether they request JSON output.
pub fn parse() -> Result<(Cli, bool), clap::Error> {
    let mut command = Cli::command();
    let matches = command.try_get_matches_from_mut(std::env::args_os());
    // Write the text of the grouped help only if the help is shown.
    let matches = match matches {
        Err(fault) if shows_help(&fault) => self::command().try_get_matches()?,
        matches => matches?,
    };
    let mut command_matches = &matches;
    while let Some((_, inner)) = command_matches.subcommand() {
        command_matches = inner;
    }
    let as_json = command_matches.try_get_one::<bool>("json").ok().flatten() == Some(&true);
    let cli = Cli::from_arg_matches(&matches).map_err(|fault| fault.format(&mut command))?;
    Ok((cli, as_json))
}

fn shows_help(fault: &clap::Error) -> bool {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand};
    matches!(fault.kind(), DisplayHelp | DisplayHelpOnMissingArgumentOrSubcommand)
}

/// Returns the command-line parser, with the commands grouped in its help.
pub fn command() -> clap::Command {
    let command = Cli::command();
    let template = help_template(&command);
    command.help_template(template)
}

fn help_template(command: &clap::Command) -> StyledStr {
    let styles = Styles::styled();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let mut text = String::from("{about-with-newline}\n{usage-heading} {usage}\n");
    for (group, names) in COMMAND_GROUPS {
        let _ = write!(text, "\n{header}{group}:{header:#}\n");
        for name in names {
            let about = command.find_subcommand(name).and_then(clap::Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "  {literal}{name:<11}{literal:#}{about}");
        }
    }
    let _ = write!(text, "\n{header}Options:{header:#}\n{{options}}{{after-help}}");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let command = command();
        let mut grouped_names: Vec<&str> = COMMAND_GROUPS
            .iter()
            .flat_map(|(_, names)| names.iter().copied())
            .collect();
        let command_names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(grouped_names, command_names);
        grouped_names.sort_unstable();
        grouped_names.dedup();
        assert_eq!(grouped_names.len(), command_names.len());
    }

    #[test]
    fn the_docs_have_the_same_groups() {
        let docs = include_str!("../../../docs/commands.md");
        for (group, names) in COMMAND_GROUPS {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let row = format!("| {group} | {} |", names.join(", "));
            assert!(docs.contains(&row), "{row}");
        }
    }

    /// Splits a line into words as a shell does; supports single quotes.
    fn split_shell_words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (number, part) in line.split('\'').enumerate() {
            match number % 2 {
                0 => words.extend(part.split_whitespace().map(str::to_owned)),
                _ => words.push(part.to_owned()),
            }
        }
        words
    }

    #[test]
    fn every_command_has_examples_that_parse() {
        let mut commands = vec![("formulac".to_owned(), command())];
        let mut count = 0;
        while let Some((name, popped_command)) = commands.pop() {
            commands.extend(
                popped_command
                    .get_subcommands()
                    .map(|command| (format!("{name} {}", command.get_name()), command.clone())),
            );
            if name == "formulac" {
                continue;
            }
            let help = popped_command
                .get_after_long_help()
                .unwrap_or_else(|| panic!("`{name}` has no examples"))
                .to_string();
            let (_, examples) = help
                .split_once("Examples:\n")
                .unwrap_or_else(|| panic!("`{name}` has no examples"));
            let calls = examples
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with('#'));
            let calls: Vec<&str> = calls.map(|line| line.split(" > ").next().unwrap()).collect();
            assert!(calls.iter().any(|call| call.starts_with(&name)), "{name}: {calls:?}");
            for call in calls {
                if let Err(fault) = command().try_get_matches_from(split_shell_words(call)) {
                    panic!("{call}\n{fault}");
                }
                count += 1;
            }
        }
        assert!(count > 60, "{count} examples");
    }
}
