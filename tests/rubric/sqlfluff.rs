//! Lints the models of all specs with sqlfluff, with the rules from the example project.

use std::path::Path;
use std::process::Command;

use crate::corpus::compiled_specs;

/// Specs whose findings are caused by the user or by errors in sqlfluff: quoted names, a string longer than a line, and
/// `not (…)`, which is mistaken for a call.
const LEFT_OUT: [&str; 3] = ["quoted_names", "long_text", "logic_values"];

#[test]
fn sqlfluff_finds_nothing() {
    let program = std::env::var_os("FORMULAC_SQLFLUFF").filter(|program| !program.is_empty());
    let Some(program) = program else {
        assert!(
            std::env::var_os("FORMULAC_REQUIRE_ENGINES").is_none(),
            "FORMULAC_SQLFLUFF is not set"
        );
        eprintln!("SKIPPED rubric::sqlfluff: FORMULAC_SQLFLUFF is not set");
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rubric_style");
    let _ = std::fs::remove_dir_all(&folder);
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/subscription_business/.sqlfluff");
    for dialect in ["bigquery", "duckdb"] {
        let models = folder.join(dialect);
        std::fs::create_dir_all(&models).unwrap();
        std::fs::copy(&rules, folder.join(".sqlfluff")).unwrap();
        // sqlfluff interprets BigQuery's `week(sunday)` as a keyword before a parenthesis.
        let is_left_out = |name: &str| LEFT_OUT.contains(&name) || dialect == "bigquery" && name == "periods_of_groups";
        for model in compiled_specs()
            .iter()
            .filter(|w| w.dialect.to_string() == dialect && !is_left_out(&w.name))
        {
            std::fs::write(models.join(format!("{}.sql", model.name)), &model.model).unwrap();
        }
        let mut command = Command::new(&program);
        command
            .current_dir(&folder)
            .args(["lint", "--nocolor", "--disable-progress-bar", "--processes", "2"]);
        // RF04 is excluded, because names that are keywords come from the spec.
        command.args(["--exclude-rules", "ST06,RF04", "--dialect", dialect, dialect]);
        let output = command.output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        // The header is on one line, even if the path of the spec is long.
        let is_header = |line: &str| line.starts_with("L:   1 | P:   1 | LT05 ");
        let findings: Vec<&str> = printed
            .lines()
            .filter(|line| line.starts_with("L:") && !is_header(line))
            .collect();
        assert!(
            findings.is_empty() && printed.contains("sqlfluff") | printed.contains("=="),
            "{printed}"
        );
    }
}
