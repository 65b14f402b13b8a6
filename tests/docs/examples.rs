//! Tests the examples on pages: specs compile, and commands print the output on the page.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::page::Run;
use crate::pages::{manual, pages_below, parts, root};
use crate::project::read;
use crate::shell::Shell;
use crate::tools::{copy, scratch, tool, write};

/// Pages that do not need dbt, other than the recipes.
const PLAIN: [&str; 5] = [
    "docs/language.md",
    "docs/joins.md",
    "docs/worksheets.md",
    "docs/guides/metric_sets.md",
    "docs/guides/from_six_specs_to_one_set.md",
];

#[test]
fn every_spec_compiles() {
    let folder = scratch("specs");
    let mut count = 0;
    for name in manual() {
        for block in parts(&read(&root().join(&name))).0 {
            let has = |key: &str| block.text.lines().any(|line| line.starts_with(key));
            if !block.info.starts_with("yaml") || !has("model:") || !has("from:") {
                continue;
            }
            count += 1;
            let spec = folder.join(format!("{count}.yml"));
            write(&spec, &block.text);
            let mut formulac = Command::new(env!("CARGO_BIN_EXE_formulac"));
            let output = formulac
                .args(["model", "--dialect", "duckdb", "--no-project"])
                .arg(&spec)
                .output();
            let output = output.expect("formulac runs");
            let messages = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "{name}:{} is a spec that does not compile:\n{messages}",
                block.line
            );
        }
    }
    assert!(count > 15, "{count} specs");
}

#[test]
fn recipes_and_examples_of_the_language() {
    if tool("FORMULAC_DUCKDB").is_none() {
        return;
    }
    let pages = pages_below("docs/recipes").into_iter().chain(PLAIN.map(str::to_owned));
    for name in pages {
        let folder = scratch(&name.replace('/', "_"));
        let mut run = Run {
            shell: Shell::begin(folder, PathBuf::new(), Vec::new()),
            replaced: Vec::new(),
        };
        run.run_page(&name);
    }
}

/// Runs a page in a copy of a dbt project that is already built, or in an empty folder.
fn runs_with_dbt(page: &str, project: Option<&str>) {
    let Some(dbt) = tool("FORMULAC_DBT") else { return };
    let folder = scratch(&page.replace('/', "_"));
    if let Some(project) = project {
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(project), &folder);
    }
    let mut run = Run {
        shell: Shell::begin(folder, dbt, Vec::new()),
        replaced: Vec::new(),
    };
    if project.is_some() {
        let built =
            run.command(
            "git init --quiet && dbt --quiet deps && dbt --quiet seed && dbt --quiet build && dbt --quiet docs generate",
        );
        assert_eq!(built, "", "the project is built");
    }
    run.run_page(page);
}

#[test]
fn the_readme_in_a_project() {
    runs_with_dbt("README.md", Some("tests/first_evening/projects/coffee_shop"));
}

#[test]
fn the_tutorial() {
    runs_with_dbt("docs/tutorial.md", None);
}
