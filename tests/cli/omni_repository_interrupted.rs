//! Tests that commands over the repositories of dbt and of the Omni model are completed if a commit is rejected or the
//! command is killed.

use std::fs;
use std::process::Command;

use crate::omni_repository::{
    VIEW, command, create_pushed_project, git, last_message, project, run, run_well, state, trailer,
};
use crate::run::{Run, TestProject, finish};
use crate::skipped_cases::is_left_out;

/// Stand-in for git that records its calls, and kills the calling process at one of them.
const KILLING_GIT: &str = r#"#!/bin/sh
echo "$*" | tr '\n' ' ' >> "$CALLS"
echo >> "$CALLS"
if [ $(wc -l < "$CALLS") = "$KILLED_AT" ]; then
    if [ "$KILLED_AFTER" = true ]; then git "$@" > /dev/null; fi
    kill -9 $PPID
    exit 1
fi
exec git "$@"
"#;

/// A hook of the Omni model's repository rejects the commit after dbt's repository has its commit. A later edit is not
/// part of that commit.
#[test]
fn the_next_push_completes_a_rejected_commit() {
    let project = create_pushed_project("omni_repository/rejected");
    project.program(
        "omni-model/.git/hooks/pre-commit",
        "#!/bin/sh\necho 'no label' >&2\nexit 1\n",
    );
    let failed = run(&project, &["push", "--yes"]);
    assert_eq!(failed.exit, 5, "{}", failed.err);
    assert!(
        failed
            .err
            .contains("dbt's repository has the commit, but the commit in ../omni-model"),
        "{}",
        failed.err
    );
    assert!(failed.err.contains("no label"), "{}", failed.err);
    assert!(
        run_well(&project, &["status"])
            .out
            .contains("a push or release was interrupted")
    );
    let dbt = git(&project, "project", &["rev-parse", "HEAD"]);
    fs::remove_file(project.path("omni-model/.git/hooks/pre-commit")).unwrap();
    let spec = project.read("project/metrics/revenue.yml");
    project.write("project/metrics/revenue.yml", spec.replace("tax * 2", "tax * 3"));
    project.write("project/notes.txt", "mine");
    git(&project, "project", &["add", "notes.txt"]);
    git(&project, "project", &["commit", "--quiet", "--message", "notes"]);
    let next = run_well(&project, &["push", "--yes"]);
    assert!(
        next.err
            .contains("an earlier push was interrupted; it has now been completed"),
        "{}",
        next.err
    );
    let titles = [
        "Update revenue\nnotes\nUpdate revenue\n",
        "Update revenue\nCreate revenue\n",
    ];
    let [dbt_titles, _, omni_titles, _] = state(&project);
    assert!(
        dbt_titles.starts_with(titles[0]) && omni_titles.starts_with(titles[1]),
        "{dbt_titles}{omni_titles}"
    );
    assert_eq!(
        trailer(&last_message(&project, "omni-model"), "Formulac-Dbt"),
        format!("project, commit {}", dbt.trim())
    );
    let first = git(&project, "project", &["show", "HEAD~2:metrics/revenue.yml"]);
    assert!(first.contains("tax * 2"), "{first}");
}

/// Runs a command that is killed at a call to git, before or after git has run.
fn run_killed(project: &TestProject, args: &[&str], at: usize, is_after: bool) -> Run {
    project.program("killing_git", KILLING_GIT);
    let _ = fs::remove_file(project.path("calls"));
    let mut command = command(project, args);
    let variables = [
        ("FORMULAC_GIT", project.path("killing_git").display().to_string()),
        ("CALLS", project.path("calls").display().to_string()),
        ("KILLED_AT", at.to_string()),
        ("KILLED_AFTER", is_after.to_string()),
    ];
    command.envs(variables);
    finish(command)
}

fn copied(template: &TestProject, name: &str) -> TestProject {
    let project = TestProject::new(name);
    let mut copy = Command::new("cp");
    copy.arg("-R").arg(template.path(".")).arg(project.path(""));
    assert_eq!(finish(copy).exit, 0);
    project
}

/// Runs a command in copies of the project. In each copy, a different call to git kills the command, starting with the
/// first commit or tag. Afterwards, `next` completes or repeats the command.
fn kill_at_each_call(
    template: &TestProject,
    name: &str,
    args: &[&str],
    next: &[&str],
    observe: impl Fn(&TestProject) -> String,
) {
    let unharmed = copied(template, &format!("{name}/unharmed"));
    let run_well = run_killed(&unharmed, args, 0, false);
    assert_eq!(run_well.exit, 0, "{}{}", run_well.out, run_well.err);
    let calls = unharmed.read("calls");
    let expected = observe(&unharmed);
    let is_change = |call: &str| call.contains(" commit --quiet") || call.contains(" tag --annotate");
    let first = calls.lines().position(is_change).unwrap();
    for is_after in [false, true] {
        let count = calls.lines().count() - first;
        for at in (first + 1..=first + count).filter(|at| !is_left_out(*at, count)) {
            let project = copied(template, &format!("{name}/{at}_{is_after}"));
            assert_ne!(
                run_killed(&project, args, at, is_after).exit,
                0,
                "at {at}, after: {is_after}"
            );
            let again = run(&project, next);
            assert_eq!(again.exit, 0, "at {at}, after: {is_after}: {}{}", again.out, again.err);
            assert_eq!(
                observe(&project),
                expected,
                "at {at}, after: {is_after}: {}{}",
                again.out,
                again.err
            );
        }
    }
}

#[test]
fn the_next_push_completes_a_killed_push() {
    let template = create_pushed_project("omni_repository/killed/template");
    let observe = |project: &TestProject| {
        let entries = project.files("project/.formulac/log").len();
        let [dbt, omni] = ["project", "omni-model"].map(|folder| last_message(project, folder));
        assert_eq!(trailer(&dbt, "Formulac-Entry"), trailer(&omni, "Formulac-Entry"));
        let head = git(project, "project", &["rev-parse", "HEAD"]);
        assert!(trailer(&omni, "Formulac-Dbt").ends_with(head.trim()), "{omni}");
        format!(
            "{:?} {entries} {}",
            state(project),
            git(project, "omni-model", &["show", "HEAD:main/orders.view.yaml"])
        )
    };
    kill_at_each_call(
        &template,
        "omni_repository/killed",
        &["push", "--yes"],
        &["push", "--yes"],
        observe,
    );
}

#[test]
fn a_release_tags_both_repositories() {
    let project = project("omni_repository/release");
    // Without a dbt project, no test results are needed.
    fs::remove_file(project.path("project/dbt_project.yml")).unwrap();
    git(
        &project,
        "project",
        &["commit", "--quiet", "--all", "--message", "no dbt"],
    );
    run_well(&project, &["push", "--yes"]);
    let observe = |project: &TestProject| {
        let of = |folder: &str| {
            let commit = git(project, folder, &["rev-parse", "v1^{commit}"]);
            (commit, git(project, folder, &["tag", "--list", "--format=%(contents)"]))
        };
        let ([dbt, omni], [dbt_text, omni_text]) = {
            let [(dbt, dbt_text), (omni, omni_text)] = ["project", "omni-model"].map(of);
            ([dbt, omni], [dbt_text, omni_text])
        };
        assert_eq!(
            trailer(&dbt_text, "Formulac-Omni"),
            format!("../omni-model, commit {}", omni.trim())
        );
        assert_eq!(
            trailer(&omni_text, "Formulac-Dbt"),
            format!("project, commit {}", dbt.trim())
        );
        format!("{dbt}{omni}")
    };
    let release = ["release", "--yes"];
    kill_at_each_call(
        &project,
        "omni_repository/released",
        &release,
        &["push", "--yes"],
        observe,
    );
    run_well(&project, &release);
    let again = run_well(&project, &release);
    assert!(again.err.contains("v1 already contains all changes"), "{}", again.err);
    // The Omni model alone has changed.
    git(
        &project,
        "omni-model",
        &["commit", "--quiet", "--all", "--message", "topic"],
    );
    let next = run_well(&project, &["release", "--yes", "--json"]).json();
    assert_eq!(
        (next["release"].as_str(), next["released"].as_bool()),
        (Some("v2"), Some(true)),
        "{next}"
    );
}

#[test]
fn a_rollback_restores_both_repositories() {
    let template = create_pushed_project("omni_repository/rollback");
    let view = template.read(VIEW);
    run_well(&template, &["push", "--yes"]);
    // A file that only a person changed is kept.
    git(
        &template,
        "omni-model",
        &["commit", "--quiet", "--all", "--message", "topic"],
    );
    assert!(view.contains("Before all taxes."), "{view}");
    let observe = |project: &TestProject| {
        let (spec, view) = (project.read("project/metrics/revenue.yml"), project.read(VIEW));
        assert!(
            spec.contains("amount - tax\n") && view.contains("Before tax."),
            "{spec}{view}"
        );
        assert!(project.read("omni-model/own.topic.yaml").contains("not finished"));
        let [dbt, omni] = ["project", "omni-model"].map(|folder| last_message(project, folder));
        assert_eq!(trailer(&dbt, "Formulac-Entry"), trailer(&omni, "Formulac-Entry"));
        let state = state(project);
        assert_eq!((state[1].as_str(), state[3].as_str()), ("", ""));
        format!("{}{}", state[0].lines().count(), state[2].lines().count())
    };
    let rollback = ["rollback", "1", "--yes"];
    // The records of the pull are not states of models.
    let undone = copied(&template, "omni_repository/undone");
    run_well(&undone, &rollback);
    let next = run_well(&undone, &["push", "--yes"]);
    assert!(!next.err.contains("is missing"), "{}", next.err);
    // If a push changed a file, changes to the file in other commits are kept.
    let shared = copied(&template, "omni_repository/shared");
    let with_measure = format!("{}measures:\n  orders: {{aggregate_type: count}}\n", shared.read(VIEW));
    shared.write(VIEW, with_measure);
    git(
        &shared,
        "omni-model",
        &["commit", "--quiet", "--all", "--message", "measure"],
    );
    run_well(&shared, &rollback);
    let view = shared.read(VIEW);
    assert!(
        view.contains("Before tax.") && view.contains("aggregate_type: count"),
        "{view}"
    );
    kill_at_each_call(&template, "omni_repository/rolled_back", &rollback, &rollback, observe);
    template.write(VIEW, "mine");
    let refused = run(&template, &rollback);
    assert!(
        refused.exit == 3
            && refused
                .err
                .contains("`../omni-model/main/orders.view.yaml` has uncommitted"),
        "{}",
        refused.err
    );
}
