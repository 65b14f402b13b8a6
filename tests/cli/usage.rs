//! Help, and calls that are wrong.

use insta::assert_snapshot;

use crate::run::Place;

#[test]
fn help() {
    let mut place = Place::new("help");
    place.show(&["--help"]);
    for command in ["init", "compile", "query", "model", "preview", "check", "explain", "functions"] {
        place.show(&[command, "-h"]);
    }
    assert_snapshot!(place.transcript());
    let run = place.run(&["--version"]);
    assert_eq!((run.exit, run.out), (0, format!("formulac {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn wrong_usage() {
    let mut place = Place::new("wrong_usage");
    place.write("f.fx", "a = 1\n");
    for args in [
        &[][..],
        &["init", "--example"],
        &["init", "--example", "x", "--dialect", "duckdb"],
        &["compile"],
        &["compile", "a", "b"],
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
    ] {
        place.show(args);
        let run = place.run(args);
        assert_eq!((run.exit, run.out.as_str()), (2, ""), "{args:?}");
    }
    assert_snapshot!(place.transcript());
}

/// Subcommands of the contract that are to come are named when called, and listed nowhere.
#[test]
fn later_subcommands() {
    let place = Place::new("later");
    let help = place.run(&["--help"]).out;
    for name in ["diff", "doctor", "fmt", "lsp"] {
        let run = place.run(&[name, "--any", "thing"]);
        assert_eq!((run.exit, run.err), (2, format!("error: `formulac {name}` is not built yet\n")));
        assert!(!help.contains(&format!("\n  {name} ")), "{name}");
    }
    assert_eq!(place.run(&["--project-dir", ".", "doctor"]).err, "error: `formulac doctor` is not built yet\n");
}

#[test]
fn arguments_do_not_reach_the_terminal_raw() {
    let place = Place::new("raw_arguments");
    for args in
        [&["compile", "a", "\u{1b}[31mb"][..], &["\u{1b}]0;x\u{7}"], &["functions", "A\u{9b}31m"], &["check", "\u{1b}"]]
    {
        let run = place.run(args);
        assert!(!run.err.chars().any(|c| c.is_control() && c != '\n'), "{:?}", run.err);
        assert_ne!(run.exit, 0);
    }
}
