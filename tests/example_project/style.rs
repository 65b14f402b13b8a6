//! The generated SQL of every dialect, as sqlfluff with dbt's published style sees it.

use std::process::Command;

use crate::tools::tool;
use crate::{begun, generate};

#[test]
fn sqlfluff_finds_nothing() {
    let Some(sqlfluff) = tool("FORMULAC_SQLFLUFF") else { return };
    let mut faults = Vec::new();
    for dialect in ["bigquery", "snowflake", "postgres", "duckdb"] {
        let project = begun(&format!("style_{dialect}"));
        generate(&project, dialect);
        let mut command = Command::new(&sqlfluff);
        command.current_dir(&project).args(["lint", "--nocolor", "--disable-progress-bar", "--dialect", dialect]);
        let output = command.args(["models/formulac", "tests/formulac"]).output().expect("sqlfluff runs");
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() || said.contains("FAIL") {
            faults.push(format!("{dialect}:\n{said}{}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
