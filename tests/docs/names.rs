//! Checks the commands and options on the pages.

use std::collections::BTreeMap;
use std::process::Command;

use crate::pages::{code_spans, manual, parts, root};
use crate::project::read;

/// Help of each command, which is requested only once.
#[derive(Default)]
struct Helps(BTreeMap<String, Option<String>>);

impl Helps {
    /// Returns the help of a command, for example `env diff`. Returns `None` if the command does not exist.
    fn help_of(&mut self, command: &str) -> Option<&str> {
        let ask = || {
            let mut formulac = Command::new(env!("CARGO_BIN_EXE_formulac"));
            let output = formulac
                .args(command.split(' '))
                .arg("--help")
                .output()
                .expect("formulac runs");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            // If an argument is not a subcommand, the help of the preceding command is printed.
            let is_it = text.contains(&format!("Usage: formulac {command}"));
            (output.status.success() && is_it).then_some(text)
        };
        self.0.entry(command.to_owned()).or_insert_with(ask).as_deref()
    }

    /// Returns the error in a call, such as `formulac plan -o plan.json`.
    fn check_call(&mut self, call: &str) -> Option<String> {
        let words = words(call);
        let mut rest: Vec<&str> = words.iter().map(String::as_str).skip(1).collect();
        // Options that all commands share may come before the name of the command.
        while let Some(option) = rest.first().filter(|word| word.starts_with("--")) {
            let has_value = ["--env", "--project-dir", "--color", "--output-format"].contains(option);
            rest.drain(..if has_value { 2.min(rest.len()) } else { 1 });
        }
        let name = *rest.first().filter(|name| !matches!(**name, "" | "COMMAND" | "-h"))?;
        self.help_of(name).map(str::to_owned).map_or_else(
            || Some(format!("no command `{name}`")),
            |help| {
                let under = rest.get(1).map(|second| format!("{name} {second}"));
                let help = under
                    .and_then(|under| self.help_of(&under).map(str::to_owned))
                    .unwrap_or(help);
                let options = rest.iter().filter(|word| word.starts_with('-') && word.len() > 1);
                let mut options = options.map(|word| word.split('=').next().unwrap_or(word));
                let is_unknown = |option: &&str| {
                    let is_named = option
                        .chars()
                        .nth(1)
                        .is_some_and(|c| c == '-' || c.is_ascii_lowercase());
                    // A number or a formula may begin with `-`.
                    is_named
                        && !help
                            .split(|c: char| c.is_whitespace() || ",[]".contains(c))
                            .any(|it| it == *option)
                };
                options
                    .find(is_unknown)
                    .map(|option| format!("`{name}` has no option `{option}`"))
            },
        )
    }
}

/// Splits a call as a shell does, up to the end of its first command.
fn words(call: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in call.split('\'').enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
            continue;
        }
        for word in part.split_whitespace() {
            if matches!(word, "|" | "&&" | ";" | ">" | ">>" | "2>" | "#") {
                return words;
            }
            words.push(word.trim_matches('"').to_owned());
        }
    }
    words
}

/// Returns the calls to formulac on a page, each with its line number. Calls are in blocks of commands and in
/// backticks.
fn calls(page: &str) -> Vec<(usize, String)> {
    let (blocks, prose) = parts(page);
    let mut calls = Vec::new();
    for block in blocks {
        let is_shell = ["sh", "console", "text"].contains(&block.info.as_str());
        for (number, line) in block
            .text
            .lines()
            .enumerate()
            .filter(|_| is_shell || block.info.starts_with("yaml"))
        {
            let line = line
                .trim_start_matches(['$', ' '])
                .trim_start_matches("- run: ")
                .trim_start_matches("entry: ");
            let parts = line.split("&& ").filter(|part| part.starts_with("formulac "));
            calls.extend(parts.map(|part| (block.line + number + 1, part.to_owned())));
        }
    }
    for (line, text) in prose {
        let spans = code_spans(&text)
            .into_iter()
            .filter(|span| span.starts_with("formulac "));
        calls.extend(spans.map(|span| (line, span.to_owned())));
    }
    calls
}

#[test]
fn commands_and_options_exist() {
    let (mut helps, mut wrong, mut count) = (Helps::default(), Vec::new(), 0);
    for name in manual() {
        for (line, call) in calls(&read(&root().join(&name))) {
            count += 1;
            wrong.extend(
                helps
                    .check_call(&call)
                    .map(|fault| format!("{name}:{line}: {fault}: {call}")),
            );
        }
    }
    assert!(count > 100, "{count} calls");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn calls_that_are_wrong_are_found() {
    let mut helps = Helps::default();
    for call in [
        "formulac plan -o plan.json",
        "formulac env diff prod --rows",
        "formulac --env prod push --yes",
    ] {
        assert_eq!(helps.check_call(call), None, "{call}");
    }
    for call in [
        "formulac deploy",
        "formulac plan --fast",
        "formulac env diff prod --fast",
        "formulac push -x",
    ] {
        assert!(helps.check_call(call).is_some(), "{call}");
    }
}
