//! Tests a push during which git fails, or all processes are killed, at each of its git calls. The next push completes
//! or undoes the change. The result is the same as after a push without failures.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::repository::{git_in, git_init};
use crate::run::{Run, TestProject, finish};
use crate::skipped_cases::is_left_out;

/// Stand-in for git that fails or kills the calling process at one of its calls.
const FAULTY: &str = r#"#!/bin/sh
# `cat-file` changes nothing, and it would wait for questions.
do_it() { case "$*" in *" cat-file "*) ;; *) git "$@" > /dev/null;; esac; }
count=$(($(cat "$FAULTY_COUNT" 2>/dev/null || echo 0) + 1))
echo $count > "$FAULTY_COUNT"
if [ $count = "$FAULTY_AT" ]; then
    case $FAULTY_HOW in
    fails) echo "fatal: the disk is full" >&2; exit 128;;
    does_it_and_fails) do_it "$@"; echo "fatal: the disk is full" >&2; exit 128;;
    is_killed) kill -9 $PPID; exit 1;;
    does_it_and_is_killed) do_it "$@"; kill -9 $PPID; exit 1;;
    esac
fi
exec git "$@"
"#;
const SPEC: &str = "model: revenue\nfrom: orders\nkeep: all\ndefinitions: |\n  /// Before tax.\n  net = amount - tax\n";

/// Creates a project that was pushed once. Since then, its spec has changed and somebody has added a description of a
/// column by hand. Another file does not belong to the push.
fn template() -> TestProject {
    let project = TestProject::new("push_faults/template");
    project.write(
        "formulac.yml",
        "dialect: duckdb\nspecs: metrics/\nenvironments:\n  dev: {}\n  prod: {branch: main, protected: true}\n",
    );
    project
        .write("metrics/revenue.yml", SPEC)
        .write(".gitignore", ".formulac/local/\n");
    let folder = project.path("");
    git_init(&folder);
    git_in(&folder, &["add", "--all"]);
    git_in(&folder, &["commit", "--quiet", "--message", "specs"]);
    project.succeed(&["push", "--yes"]);
    git_in(&folder, &["add", "--all"]);
    project.write(
        "metrics/revenue.yml",
        SPEC.replace("amount - tax", "amount - tax - fees"),
    );
    project.write(
        "metrics/lines.yml",
        "model: lines\nfrom: ref('revenue')\nkeep: all\ndefinitions: double = net * 2\n",
    );
    let yml = project.read("models/formulac/revenue.yml");
    project.write(
        "models/formulac/revenue.yml",
        yml.replace("Before tax.", "Before all tax."),
    );
    project.write("notes.txt", "mine").write("staged.txt", "mine too");
    git_in(&folder, &["add", "staged.txt"]);
    project
}

fn copied(template: &TestProject, name: &str) -> TestProject {
    let project = TestProject::new(&format!("push_faults/{name}"));
    let mut command = Command::new("cp");
    command.arg("-R").arg(template.path(".")).arg(project.path(""));
    assert_eq!(finish(command).exit, 0);
    project
}

/// Returns the committed and uncommitted changes, without the hashes and times in the log and in messages.
fn left(project: &TestProject) -> (String, String, String) {
    let folder = project.path("");
    let tree = git_in(&folder, &["ls-tree", "-r", "--format=%(objectname) %(path)", "HEAD"]);
    let tree: Vec<&str> = tree.lines().filter(|line| !line.contains(".formulac/log/")).collect();
    let titles = git_in(&folder, &["log", "--format=%s"]);
    let log = fs::read_dir(project.path(".formulac/log")).unwrap().count();
    (
        tree.join("\n"),
        format!("{titles}{log} entries"),
        git_in(&folder, &["status", "--porcelain"]),
    )
}

/// Returns the contents of the work tree.
fn work_tree(project: &TestProject) -> String {
    let folder = project.path("");
    let status = git_in(&folder, &["status", "--porcelain"]);
    let files = [
        "metrics/revenue.yml",
        "models/formulac/revenue.yml",
        "models/formulac/revenue.sql",
    ];
    let texts: Vec<String> = files.iter().map(|file| project.read(file)).collect();
    format!(
        "{}{status}{}",
        git_in(&folder, &["rev-parse", "--abbrev-ref", "HEAD"]),
        texts.concat()
    )
}

fn push(project: &TestProject, env: &str, at: Option<(usize, &str)>) -> Run {
    let mut command = project.command(&["--env", env, "push", "--yes"]);
    if let Some((at, how)) = at {
        command
            .env("FORMULAC_GIT", project.path("../faulty_git"))
            .env("FAULTY_AT", at.to_string());
        command
            .env("FAULTY_HOW", how)
            .env("FAULTY_COUNT", project.path("../count"));
    }
    finish(command)
}

fn check_failure_at_each_call(env: &str, how: &str) {
    let name = format!("{env}_{how}");
    let template = template_once();
    let unharmed = copied(template, &format!("{name}/unharmed"));
    install_faulty_git(&unharmed);
    let _ = fs::remove_file(unharmed.path("../count"));
    assert_eq!(push(&unharmed, env, Some((0, how))).exit, 0);
    let expected = left(&unharmed);
    let calls: usize = fs::read_to_string(unharmed.path("../count"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(calls > 5, "{calls} calls of git");
    for at in (1..=calls).filter(|at| !is_left_out(*at, calls)) {
        let project = copied(template, &format!("{name}/{at}"));
        let before = work_tree(&project);
        let _ = fs::remove_file(project.path("../count"));
        let run = push(&project, env, Some((at, how)));
        let is_killed = how.ends_with("is_killed");
        assert!(!is_killed || run.exit != 0, "{how} at {at}: {}", run.out);
        if run.exit != 0 && !is_killed {
            assert_eq!(work_tree(&project), before, "{how} at {at}: {}", run.err);
        }
        let again = push(&project, env, None);
        assert_eq!(again.exit, 0, "{how} at {at}: {}\nthen {}", run.err, again.err);
        if env == "dev" {
            assert_eq!(
                left(&project),
                expected,
                "{how} at {at}: {}\nthen {}",
                run.err,
                again.err
            );
        } else {
            // The branch has one commit with all changes, and no other changes.
            let (tree, titles, status) = left(&project);
            assert_eq!(
                (tree, status),
                (expected.0.clone(), expected.2.clone()),
                "{how} at {at}: {}",
                run.err
            );
            assert_eq!(titles, expected.1, "{how} at {at}: {}", run.err);
        }
    }
}

fn template_once() -> &'static TestProject {
    static PLACE: std::sync::OnceLock<TestProject> = std::sync::OnceLock::new();
    PLACE.get_or_init(template)
}

#[test]
fn a_push_recovers_if_git_fails_at_any_call() {
    check_failure_at_each_call("dev", "fails");
}

#[test]
fn a_push_recovers_if_git_fails_after_any_call() {
    check_failure_at_each_call("dev", "does_it_and_fails");
}

#[test]
fn a_push_recovers_if_it_is_killed_at_any_call() {
    check_failure_at_each_call("dev", "is_killed");
    check_failure_at_each_call("dev", "does_it_and_is_killed");
}

fn install_faulty_git(project: &TestProject) {
    let tool = project.path("../faulty_git");
    fs::write(&tool, FAULTY).unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Kills a push after it has written its journal, which exists as soon as the first file is changed.
fn interrupt_push(project: &TestProject) {
    let mut at = 0;
    while !project.path(".formulac/local/journal/journal.json").is_file() {
        at += 1;
        let _ = fs::remove_file(project.path("../count"));
        assert_ne!(push(project, "dev", Some((at, "is_killed"))).exit, 0);
    }
}

/// A killed git command leaves its lock behind. The help explains how to continue, and the push is completed later.
#[test]
fn a_lock_of_git_is_named() {
    let template = template_once();
    let unharmed = copied(template, "lock/unharmed");
    install_faulty_git(&unharmed);
    assert_eq!(push(&unharmed, "dev", None).exit, 0);
    let expected = left(&unharmed);
    let project = copied(template, "lock/place");
    let lock = project.path(".git/index.lock");
    interrupt_push(&project);
    fs::write(&lock, "").unwrap();
    for _ in 0..2 {
        let run = push(&project, "dev", None);
        assert_eq!(run.exit, 5, "{}", run.err);
        for part in ["cannot be completed", "index.lock` exists", "delete this file"] {
            assert!(run.err.contains(part), "{part}: {}", run.err);
        }
    }
    fs::remove_file(&lock).unwrap();
    assert_eq!(push(&project, "dev", None).exit, 0);
    assert_eq!(left(&project), expected);
    // If no earlier push was interrupted, the failed push is undone.
    let project = copied(template, "lock/new");
    let before = work_tree(&project);
    fs::write(project.path(".git/index.lock"), "").unwrap();
    let run = push(&project, "dev", None);
    assert!(run.exit == 5 && run.err.contains("delete this file"), "{}", run.err);
    fs::remove_file(project.path(".git/index.lock")).unwrap();
    assert_eq!(work_tree(&project), before);
    assert_eq!(push(&project, "dev", None).exit, 0);
    assert_eq!(left(&project), expected);
}

/// A push cannot be completed if somebody changed one of its files after the interruption.
#[test]
fn an_interrupted_push_is_undone_if_a_file_has_changed_since() {
    let template = template_once();
    let project = copied(template, "foreign/place");
    install_faulty_git(&project);
    interrupt_push(&project);
    let text = project.read("metrics/lines.yml");
    let sql = "models/formulac/lines.sql";
    project.write(sql, project.read(sql).replace("select", "-- mine\nselect"));
    let run = push(&project, "dev", None);
    assert!(
        run.err.contains("was undone because `models/formulac/lines.sql`"),
        "{}",
        run.err
    );
    assert_eq!(run.exit, 0, "{}", run.err);
    assert!(project.read(sql).contains("-- mine"));
    assert_eq!(project.read("metrics/lines.yml"), text);
    assert_eq!(
        git_in(&project.path(""), &["status", "--porcelain"]),
        git_in(&copied_after_push(template).path(""), &["status", "--porcelain"])
    );
}

fn copied_after_push(template: &TestProject) -> TestProject {
    let project = copied(template, "foreign/pushed");
    assert_eq!(push(&project, "dev", None).exit, 0);
    project
}

#[test]
fn a_push_of_a_new_branch_recovers_at_any_call() {
    check_failure_at_each_call("prod", "fails");
    check_failure_at_each_call("prod", "is_killed");
    check_failure_at_each_call("prod", "does_it_and_is_killed");
}
