//! Limits how often a command starts git, because each process takes several milliseconds.

#![cfg(unix)]

use std::fs;

use crate::push::create_project;
use crate::repository::{commit, edit, git};
use crate::run::{TestProject, finish};

/// Stand-in for git that records its calls.
const RECORDING_GIT: &str = r#"#!/bin/sh
echo "$*" | tr '\n' ' ' >> "$CALLS"
echo >> "$CALLS"
exec git "$@"
"#;

/// Runs a command that must succeed, and compares the number of its git processes with the limit.
#[track_caller]
fn check_processes(project: &TestProject, args: &[&str], limit: usize) {
    let calls = project.path(".git/calls");
    let _ = fs::remove_file(&calls);
    let mut command = project.command(args);
    command.env("CALLS", &calls);
    command.env("FORMULAC_GIT", project.path(".git/recording_git"));
    let run = finish(command);
    assert_eq!(run.exit, 0, "{args:?}: {}{}", run.out, run.err);
    let calls = fs::read_to_string(&calls).unwrap();
    let count = calls.lines().count();
    assert!(
        count <= limit,
        "{args:?} starts git {count} times, limit {limit}:\n{calls}"
    );
}

#[test]
fn commands_start_few_git_processes() {
    let project = create_project("git_processes");
    project.program(".git/recording_git", RECORDING_GIT);
    check_processes(&project, &["plan"], 4);
    check_processes(&project, &["push", "--yes"], 12);
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(amount) - SUM(tax)");
    check_processes(&project, &["plan"], 3);
    check_processes(&project, &["push", "--yes"], 12);
    check_processes(&project, &["rollback", "1", "--yes"], 12);
    // The number of processes does not depend on the number of commits.
    git(&project, &["switch", "--quiet", "-c", "work"]);
    for text in ["net", "gross", "total"] {
        edit(
            &project,
            "metrics/revenue.yml",
            "by country",
            &format!("by country, {text}"),
        );
        commit(&project, text);
    }
    check_processes(&project, &["change", "propose", "Description", "--base", "main"], 11);
    check_processes(&project, &["change", "list"], 4);
}
