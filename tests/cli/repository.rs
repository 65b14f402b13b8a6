//! A git repository around a test project, and the user who works in it.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::run::{Run, TestProject, finish};

/// Creates a repository with all existing files in its first commit.
pub fn begin(project: &TestProject) {
    git_init(&project.path(""));
    commit(project, "specs");
}

/// Creates a repository of the user `ann`, without commits.
pub fn git_init(folder: &Path) {
    git_in(folder, &["init", "--quiet", "--initial-branch=main"]);
    // One write is faster than a git process for each value.
    let mut config = fs::OpenOptions::new()
        .append(true)
        .open(folder.join(".git/config"))
        .unwrap();
    config
        .write_all(
            b"[user]\nname = Ann\nemail = ann@example.com\n[commit]\ngpgsign = false\n[maintenance]\nauto = false\n",
        )
        .unwrap();
}

/// Sets the user who works in the repository from now on: `ann` is `Ann <ann@example.com>`.
pub fn switch_user(project: &TestProject, name: &str) {
    let mut letters = name.chars();
    let first = letters.next().unwrap().to_uppercase();
    git(
        project,
        &["config", "user.name", &format!("{first}{}", letters.as_str())],
    );
    git(project, &["config", "user.email", &format!("{name}@example.com")]);
}

pub fn git(project: &TestProject, args: &[&str]) -> String {
    git_in(&project.path(""), args)
}

pub fn git_in(folder: &Path, args: &[&str]) -> String {
    let (run, place) = (run_git(folder, args), folder.display());
    assert_eq!(run.exit, 0, "git {args:?} in {place}: {}{}", run.out, run.err);
    run.out
}

pub fn git_may_fail(project: &TestProject, args: &[&str]) -> Run {
    run_git(&project.path(""), args)
}

fn run_git(folder: &Path, args: &[&str]) -> Run {
    let mut command = Command::new("git");
    command.args(args).current_dir(folder);
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    finish(command)
}

pub fn commit(project: &TestProject, message: &str) {
    git(project, &["add", "--all"]);
    git(project, &["commit", "--quiet", "--message", message]);
}

pub fn edit(project: &TestProject, file: &str, from: &str, to: &str) {
    let text = project.read(file);
    assert!(text.contains(from), "{file} has no {from:?}:\n{text}");
    project.write(file, text.replace(from, to));
}

/// Compares the transcript with the snapshot, ignoring values that differ from run to run.
pub fn snapshot(project: &TestProject, name: &str) {
    let filters = [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
        (r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?", "[day]"),
        (r"\d{8}T\d{6,12}Z", "[time]"),
        (r"\b[0-9a-f]{64}\b", "[hash]"),
        (r"\b[0-9a-f]{40}\b", "[commit]"),
        (r"\b[0-9a-f]{12}\b", "[hash]"),
        (r": [0-9a-f]{7}, entry", ": [commit], entry"),
        (r", [0-9a-f]{7}, ", ", [commit], "),
        (r"(`|: )[0-9a-f]{7}\b", "$1[commit]"),
        (r"\([0-9a-f]{7}\)", "([commit])"),
        (r"approve-[0-9a-f]{7} [0-9a-f]{7}\b", "approve-[commit] [commit]"),
        (r"\b[0-9a-f]{7}~1", "[commit]~1"),
        (r#"\b[0-9a-f]{7} ""#, "[commit] \""),
        (r"not this file\. [0-9a-f]{16}", "not this file. [hash]"),
        (r#"hash: (\\?")?[0-9a-f]{16}(\\?")?"#, "hash: [hash]"),
        (r"formulac/(prod\w*)-[0-9a-f]{8}", "formulac/$1-[plan]"),
    ];
    insta::with_settings!({filters => filters, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(format!("cli__{name}"), project.transcript());
    });
}
