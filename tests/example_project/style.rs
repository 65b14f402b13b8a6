//! Checks the generated SQL of every dialect with sqlfluff, with dbt's published style and with sqlfluff's defaults.

use std::path::Path;
use std::process::Command;

use crate::tools::{tool, write};
use crate::{create_project, generate, project};

/// Defaults of sqlfluff. ST06 is off because the columns of a model are in the order of its spec.
const DEFAULTS: &str = "[sqlfluff]
templater = jinja
exclude_rules = ST06

[sqlfluff:templater:jinja]
apply_dbt_builtins = True
";

/// The header is on one line, even if the path of the spec is long.
const HEADER: &str = "L:   1 | P:   1 | LT05 ";

#[test]
fn sqlfluff_finds_nothing() {
    if tool("FORMULAC_SQLFLUFF").is_none() {
        return;
    }
    for dialect in ["bigquery", "snowflake", "postgres", "duckdb"] {
        let project = create_project(&format!("style_{dialect}"));
        generate(&project, dialect);
        check_sqlfluff_finds_nothing(&project, dialect, ["models/formulac", "tests/formulac"]);
    }
}

/// If sqlfluff is installed, checks files and folders of a project with the rules in the example and with its defaults.
pub fn check_sqlfluff_finds_nothing<P: AsRef<str>>(project: &Path, dialect: &str, paths: impl IntoIterator<Item = P>) {
    let Some(sqlfluff) = tool("FORMULAC_SQLFLUFF") else {
        return;
    };
    let paths: Vec<String> = paths.into_iter().map(|path| path.as_ref().to_owned()).collect();
    for rules in [project::read(&project::folder().join(".sqlfluff")), DEFAULTS.to_owned()] {
        write(&project.join(".sqlfluff"), &rules);
        let mut command = Command::new(&sqlfluff);
        command
            .current_dir(project)
            .args(["lint", "--nocolor", "--disable-progress-bar", "--dialect", dialect]);
        let output = command.args(&paths).output().expect("sqlfluff runs");
        let printed = String::from_utf8_lossy(&output.stdout);
        let is_finding = |line: &&str| line.starts_with("L:") && !line.starts_with(HEADER);
        let findings: Vec<&str> = printed.lines().filter(is_finding).collect();
        assert!(
            findings.is_empty(),
            "{dialect}:\n{printed}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            output.status.success() || printed.contains(HEADER),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
