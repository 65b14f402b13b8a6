//! The generated SQL of every dialect, as sqlfluff with dbt's published style sees it.

use std::path::Path;
use std::process::Command;

use crate::tools::{tool, write};
use crate::{begun, generate, project};

#[test]
fn sqlfluff_finds_nothing() {
    if tool("FORMULAC_SQLFLUFF").is_none() {
        return;
    }
    for dialect in ["bigquery", "snowflake", "postgres", "duckdb"] {
        let project = begun(&format!("style_{dialect}"));
        generate(&project, dialect);
        finds_nothing(&project, dialect, ["models/formulac", "tests/formulac"]);
    }
}

/// Asks sqlfluff, where it is, about files and folders of a project, by the rules that the example ships.
pub fn finds_nothing<P: AsRef<str>>(project: &Path, dialect: &str, paths: impl IntoIterator<Item = P>) {
    let Some(sqlfluff) = tool("FORMULAC_SQLFLUFF") else { return };
    write(&project.join(".sqlfluff"), &project::read(&project::folder().join(".sqlfluff")));
    let mut command = Command::new(sqlfluff);
    command.current_dir(project).args(["lint", "--nocolor", "--disable-progress-bar", "--dialect", dialect]);
    let output = command.args(paths.into_iter().map(|path| path.as_ref().to_owned())).output().expect("sqlfluff runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let is_clean = output.status.success() && !said.contains("FAIL");
    assert!(is_clean, "{dialect}:\n{said}{}", String::from_utf8_lossy(&output.stderr));
}
