//! Tests the help of commands, and incorrect calls.

use insta::assert_snapshot;

use crate::run::TestProject;

#[test]
fn help() {
    let mut project = TestProject::new("help");
    project.show(&[]).show(&["--help"]);
    for command in ["check", "preview", "generate", "push", "promote", "impact"] {
        project.show(&[command, "-h"]);
    }
    for command in ["push", "schema", "env"] {
        project.show(&[command, "--help"]);
    }
    assert_snapshot!(project.transcript());
    let run = project.run(&["--version"]);
    assert_eq!(
        (run.exit, run.out),
        (0, format!("formulac {}\n", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn wrong_usage() {
    let mut project = TestProject::new("wrong_usage");
    project.write("f.fx", "a = 1\n");
    for args in [
        &["init", "--example"][..],
        &["init", "--example", "x", "--dialect", "duckdb"],
        &["compile"],
        &["compile", "-v"],
        &["explain", "-v"],
        &["-v"],
        &["env", "-v"],
        &["compile", "a", "b"],
        &["compile", "f.fx"],
        &["compile", "m.yml"],
        &["compile", "--version"],
        &["compile", "--file", "m.yml"],
        &["preview", "m.yml", "--limit", "ten"],
        &["compile", "a", "--file", "f.fx"],
        &["compile", "a", "--nonsense"],
        &["compile", "--dialct", "duckdb"],
        &["compile", "--jsno"],
        &["compile", "--no-such-option"],
        &["compile", "a", "--dialect", "mysql"],
        &["compile", "a", "--context", "cell"],
        &["compile", "a", "--blanks", "null"],
        &["compile", "a", "--output-format", "xml"],
        &["compile", "a", "--color", "pink"],
        &["query"],
        &["model"],
        &["model", "m.yml", "--check"],
        &["preview"],
        &["preview", "m.yml", "--limit", "0"],
        &["preview", "m.yml"],
        &["preview", "m.yml", "--engine", "duckdb"],
        &["preview", "m.yml", "--engine", "dbt"],
        &["preview", "m.yml", "--engine", "dbt", "--data", "."],
        &["preview", "m.yml", "--engine", "duckdbb"],
        &["preview", "m.yml", "--engine", "mysql://me:secret@host/db"],
        &["preview", "m.yml", "--data", "."],
        &["check"],
        &["check", "-", "--fix"],
        &["explain"],
        &["functions", "SUM", "--search", "sum"],
        &["compil", "a"],
        &["env", "lst"],
        &["push", "--yess"],
        &["plan", "--xyzzy"],
        &["model", "m.yml", "--select", "m"],
        &["check", "m.yml", "--exclude", "m"],
        &["schema", "json", "plann"],
        &["schema", "json", "schema"],
    ] {
        project.show(args);
        let run = project.run(args);
        assert_eq!((run.exit, run.out.as_str()), (2, ""), "{args:?}");
    }
    assert_snapshot!(project.transcript());
}

/// For a command name from another tool, formulac suggests one of its own commands.
#[test]
fn unknown_commands_name_a_command() {
    let project = TestProject::new("unknown_commands");
    for (name, hint) in [
        ("diff", "`formulac plan`"),
        ("fmt", "`formulac check --fix`"),
        ("apply", "`formulac push`"),
        ("lsp", "`formulac --help`"),
        ("diagnose", "`formulac doctor`"),
        ("generat", "did you mean `generate`?"),
    ] {
        let run = project.run(&[name, "--any", "thing"]);
        assert_eq!((run.exit, run.out.as_str()), (2, ""));
        assert!(
            run.err
                .starts_with(&format!("error: there is no command `{name}`\nhelp: ")),
            "{}",
            run.err
        );
        assert!(run.err.contains(hint) && !run.err.contains("built yet"), "{}", run.err);
    }
    assert!(
        project
            .run(&["--project-dir", ".", "diff"])
            .err
            .contains("`formulac plan`")
    );
}

/// The short help of a command lists only its own options. The long help also lists the options that all commands
/// share.
#[test]
fn short_help_is_short() {
    let project = TestProject::new("short_help");
    for command in ["init", "compile", "status", "push", "log"] {
        let (short, long) = (project.run(&[command, "-h"]).out, project.run(&[command, "--help"]).out);
        assert!(
            !short.contains("--project-dir") && long.contains("--project-dir"),
            "{short}"
        );
        assert!(!short.contains("Examples:") && long.contains("Examples:"), "{long}");
    }
}

/// The examples of commands that need no project succeed, and print SQL or documentation.
#[test]
fn examples_run() {
    let project = TestProject::new("examples");
    for args in [
        &["compile", "SUM(amount) / COUNT()"][..],
        &["explain", "SUM(amount) / COUNT()"],
        &["explain", "F0301"],
        &["functions", "XLOOKUP"],
        &["functions", "--search", "median", "--dialect", "bigquery"],
        &["schema", "json", "env", "diff"],
        &["init", "--example", "shop"],
    ] {
        let run = project.run(args);
        assert_eq!(run.exit, 0, "{args:?}: {}", run.err);
    }
}

#[test]
fn arguments_do_not_reach_the_terminal_raw() {
    let project = TestProject::new("raw_arguments");
    for args in [
        &["compile", "a", "\u{1b}[31mb"][..],
        &["\u{1b}]0;x\u{7}"],
        &["functions", "A\u{9b}31m"],
        &["check", "\u{1b}"],
    ] {
        let run = project.run(args);
        assert!(!run.err.chars().any(|c| c.is_control() && c != '\n'), "{:?}", run.err);
        assert_ne!(run.exit, 0);
    }
}

/// A rejected call with `--json` prints one JSON object, in which the message and the help are separate.
#[test]
fn wrong_usage_with_json() {
    let project = TestProject::new("wrong_usage_with_json");
    for (args, message, help) in [
        (
            &["model", "--json"][..],
            "the following required arguments were not provided: <SPEC>",
            "usage: formulac model",
        ),
        (
            &["verify", "--json", "--nosuchflag"],
            "unexpected argument '--nosuchflag' found",
            "usage: formulac verify",
        ),
        (
            &["verify", "--json", "--no-such-option"],
            "there is no option",
            "`formulac verify --help` lists",
        ),
        (
            &["compil", "--json"],
            "there is no command `compil`",
            "did you mean `compile`?",
        ),
        (
            &["compile", "-v", "--json"],
            "there is no formula, because `-v`",
            "to pass the formula `-v`",
        ),
        (
            &["compile", "a", "--json", "--dialect", "mysql"],
            "invalid value 'mysql'",
            "",
        ),
        (
            &["compile", "a", "--json", "--context", "cell"],
            "invalid value 'cell'",
            "the possible values are row",
        ),
    ] {
        let run = project.run(args);
        let error = &run.json()["error"];
        assert_eq!(error["exit"], 2, "{args:?}");
        assert!(
            error["message"].as_str().unwrap().starts_with(message),
            "{args:?}: {error}"
        );
        assert!(error["help"].as_str().unwrap().contains(help), "{args:?}: {error}");
        assert!(!run.err.is_empty());
    }
}
