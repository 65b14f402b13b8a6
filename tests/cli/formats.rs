//! Tests diagnostics in every format, with and without color.

use insta::assert_snapshot;
use serde_json::json;

use crate::run::{TestProject, finish};

#[test]
fn every_format() {
    let mut project = TestProject::new("formats");
    project.write(
        "a.fx",
        "/// é\na = SUM(amount) / customer_id\nb = \"é\" & SUMM(x)\nc = COUNT(x = 1)\n",
    );
    for format in ["human", "concise", "json", "github", "sarif"] {
        project.show(&["check", "a.fx", "--output-format", format]);
    }
    project.show(&["compile", "SUMM(x)", "--output-format", "concise"]);
    project.show_with(&["check", "-", "--output-format", "github"], "SUMM(x)");
    assert_snapshot!(project.transcript());
}

/// `--json` prints the command's data, regardless of the message format.
#[test]
fn json_and_format() {
    let project = TestProject::new("json_and_format");
    let run = project.run(&["compile", "SUMM(x)", "--json", "--output-format", "github"]);
    assert_eq!((run.exit, run.err.as_str()), (1, ""));
    assert_eq!(run.json()["diagnostics"][0]["code"], "F0301");
    let run = project.run_with(&["check", "-", "--json", "--output-format", "concise"], "SUMM(x)");
    assert_eq!(run.json()["diagnostics"][0]["code"], "F0301");
    let run = project.run_with(&["check", "-", "--json"], "SUMM(x)");
    assert_eq!(run.json()["diagnostics"][0]["file"], "<stdin>");
    let run = project.run_with(&["check", "-", "--output-format", "json"], "SUM(x)");
    assert_eq!((run.exit, run.json()), (0, json!({"version": 1, "diagnostics": []})));
}

#[test]
fn text_output_shows_twenty_and_json_shows_all() {
    let project = TestProject::new("twenty");
    let text: String = (0..30).map(|i| format!("d{i} = SUMM(x)\n")).collect();
    let run = project.run_with(&["compile", "-"], &text);
    assert_eq!(run.err.matches("error[F0301]").count(), 20);
    assert!(run.err.contains("… and 10 more; `--verbose` shows all"));
    let run = project.run_with(&["compile", "-", "-v"], &text);
    assert_eq!(run.err.matches("error[F0301]").count(), 30);
    let run = project.run_with(&["check", "-"], &text);
    assert_eq!(run.out.matches("error[F0301]").count(), 20);
    assert!(run.out.contains("… and 10 more; `--verbose` shows all"));
    assert_eq!(run.err, "1 file checked: 30 errors\n");
    let run = project.run_with(&["check", "-", "-v"], &text);
    assert_eq!(run.out.matches("error[F0301]").count(), 30);
    let all = project.run_with(&["check", "-", "--json"], &text).json();
    assert_eq!(all["diagnostics"].as_array().map(Vec::len), Some(30));
}

#[test]
fn color() {
    let project = TestProject::new("color");
    let colored = |args: &[&str], no_color: Option<&str>| {
        let mut command = project.command(args);
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        finish(command).err.contains('\u{1b}')
    };
    let call = |when: &'static str| ["compile", "SUMM(x)", "--color", when];
    assert!(!colored(&call("auto"), None));
    assert!(!colored(&call("never"), None));
    assert!(colored(&call("always"), None));
    // An explicit option takes precedence over the environment.
    assert!(colored(&call("always"), Some("1")));
    assert!(!colored(&call("auto"), Some("1")));
    assert!(colored(&["compile", "--xyzzy", "--xyzzy", "--color=always"], None));
    assert!(!colored(&["compile", "--xyzzy", "--xyzzy", "--color", "never"], None));
}

/// Control characters in sources and file names are displayed as escapes and have no effect.
#[test]
fn sources_do_not_reach_the_terminal_raw() {
    let mut project = TestProject::new("raw_sources");
    project.write("a\u{1b}[31m.fx", "a = SUM(\"\u{1b}[31m\", \u{9b}x\u{202e})\n");
    for format in ["human", "concise", "github", "json", "sarif"] {
        let run = project.run(&["check", "a\u{1b}[31m.fx", "--output-format", format]);
        let hidden = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!run.out.chars().any(hidden), "{format}: {:?}", run.out);
        assert_eq!(run.exit, 1);
    }
    project.show(&["compile", "SUM(\u{1b}[31mx)"]);
    assert_snapshot!(project.transcript());
}

#[test]
fn a_long_line_is_cut() {
    let project = TestProject::new("long_line");
    let text = format!("a = {}SUMM(x){}", "1 + ".repeat(5000), " + 1".repeat(5000));
    let run = project.run_with(&["check", "-"], &text);
    assert!(run.out.contains("[<stdin>:1:20005]"), "{}", run.out);
    assert!(run.out.lines().all(|line| line.chars().count() < 200));
}

/// Many errors on one long line are reported quickly.
#[test]
fn many_faults_in_one_line() {
    let project = TestProject::new("many_faults");
    let run = project.run_with(&["check", "-", "--output-format", "concise"], "@ ".repeat(50_000));
    assert_eq!(run.out.lines().count(), 50_000);
    assert_eq!(
        run.out.lines().last(),
        Some(
            "<stdin>:1:99999: error[F0101]: unexpected character `@`; help: remove `@`, because formulas have no such operator"
        )
    );
}
