//! Tests pushes after the recorded states were removed, changed or merged.

use std::fs;

use crate::push_manual_edits::{SPEC, create_project};
use crate::repository::{commit, edit, git};

/// The state of the last push is the base of each comparison. If somebody removes or changes the state, it is restored
/// from the git history.
#[test]
fn a_removed_or_changed_state_is_restored() {
    let state = ".formulac/state/revenue.yml";
    let project = create_project("push_restored_state");
    let pushed = project.read(state);
    let harms: [(&dyn Fn(), &str); 3] = [
        (&|| fs::remove_file(project.path(state)).unwrap(), "is missing"),
        (
            &|| edit(&project, state, "SUM(amount)", "MAX(amount)"),
            "was changed by hand",
        ),
        (
            &|| {
                edit(&project, state, "SUM(amount)", "MAX(amount)");
                commit(&project, "false base");
            },
            "was changed by hand",
        ),
    ];
    for (harm, what) in harms {
        harm();
        // A manual edit and a different change to the spec are merged, with the restored state as the base.
        edit(
            &project,
            "models/formulac/revenue.sql",
            "status <> 'test'",
            "status <> 'draft'",
        );
        edit(
            &project,
            "metrics/revenue.yml",
            "COUNT(DISTINCT(customer_id))",
            "COUNT(customer_id)",
        );
        let plan = project.run(&["plan"]);
        let message = format!("warning: `{state}` {what}; the changes are compared with the version that log entry ");
        assert!(plan.err.contains(&message), "{}", plan.err);
        assert!(
            plan.out
                .contains("Plan: 0 to create, 1 to update, 0 to delete, 0 conflicts"),
            "{}",
            plan.out
        );
        let run = project.run(&["push", "--yes"]);
        assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
        let spec = project.read("metrics/revenue.yml");
        assert!(
            spec.contains("status <> \"draft\"") && spec.contains("= COUNT(customer_id)"),
            "{spec}"
        );
        assert_eq!(git(&project, &["status", "--porcelain"]), "");
        let run = project.run(&["plan"]);
        assert!(
            run.out.contains("agree") && !run.err.contains(state),
            "{}{}",
            run.out,
            run.err
        );
        // Return to the first state.
        project.succeed(&["rollback", "1", "--yes"]);
        assert_eq!(project.read(state), pushed);
        assert!(!project.run(&["plan"]).err.contains(state));
    }
    // Without other changes, a push only restores the file, and commits edits to comments.
    fs::remove_file(project.path(state)).unwrap();
    edit(
        &project,
        "models/formulac/revenue.sql",
        "as customers\n",
        "as customers -- people\n",
    );
    let run = project.succeed(&["push", "--yes"]);
    let edited = "models/formulac/revenue.sql  edited manually, not committed yet";
    assert!(run.out.contains(edited), "{}", run.out);
    assert_eq!(
        (project.read(state), git(&project, &["status", "--porcelain"])),
        (pushed, String::new())
    );
}

/// After `git reset`, the next push commits the files of the removed commit: the generated files, the state and the log
/// entry.
#[test]
fn a_push_commits_the_files_of_a_removed_commit() {
    let project = create_project("push_after_reset");
    let files = || git(&project, &["ls-files"]);
    let before = files();
    git(&project, &["reset", "--quiet", "HEAD~1"]);
    let plan = project.run(&["plan"]);
    for text in [
        "Files that are already written and that `push` commits: revenue",
        "pushed files to commit",
    ] {
        assert!(plan.out.contains(text), "{}", plan.out);
    }
    let status = project.run(&["status"]).out;
    assert!(
        status.contains("files of an earlier push are not committed"),
        "{status}"
    );
    for text in [&plan.out, &status] {
        assert!(!text.contains("manual") && !text.contains("layout"), "{text}");
    }
    project.succeed(&["push", "--yes"]);
    assert_eq!(git(&project, &["status", "--porcelain"]), "");
    assert!(
        before.lines().all(|file| files().contains(file)),
        "{before}\n{}",
        files()
    );
    assert_eq!(git(&project, &["log", "-1", "--format=%s"]).trim(), "Files of revenue");
    project.succeed(&["log"]);
    // If the user commits the generated files, the push commits the state alone.
    git(&project, &["reset", "--quiet", "HEAD~1"]);
    git(&project, &["add", "models", "metrics"]);
    git(&project, &["commit", "--quiet", "-m", "models"]);
    project.succeed(&["push", "--yes"]);
    assert_eq!(git(&project, &["status", "--porcelain"]), "");
    assert!(files().contains(".formulac/state/revenue.yml"), "{}", files());
}

/// States that git merged or took from another branch are not changed by hand.
#[test]
fn merged_states_are_kept() {
    let project = create_project("push_merged_state");
    let push = || {
        let run = project.run(&["push", "--yes"]);
        assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    };
    git(&project, &["switch", "--quiet", "-c", "side"]);
    edit(
        &project,
        "metrics/revenue.yml",
        "status <> \"test\"",
        "status <> \"draft\"",
    );
    push();
    git(&project, &["switch", "--quiet", "main"]);
    edit(
        &project,
        "metrics/revenue.yml",
        "COUNT(DISTINCT(customer_id))",
        "COUNT(customer_id)",
    );
    push();
    let merge = |strategy: &str| {
        let args = ["merge", "--quiet", "--no-edit", strategy, "side"];
        crate::repository::git_may_fail(&project, &args);
    };
    merge("--strategy-option=theirs");
    let plan = project.run(&["plan"]);
    assert!(!plan.err.contains(".formulac/state"), "{}", plan.err);
    git(&project, &["reset", "--quiet", "--hard", "HEAD^"]);
    merge("--strategy=ours");
    let plan = project.run(&["plan"]);
    assert!(!plan.err.contains(".formulac/state"), "{}", plan.err);
    // The other branch has an older state, which a push before the last one wrote.
    edit(&project, "metrics/revenue.yml", "COUNT(customer_id)", "COUNT()");
    git(&project, &["switch", "--quiet", "-c", "late"]);
    git(&project, &["stash", "--quiet"]);
    project.write("metrics/other.yml", SPEC.replace("model: revenue", "model: other"));
    push();
    git(&project, &["switch", "--quiet", "main"]);
    git(&project, &["stash", "pop", "--quiet"]);
    push();
    git(&project, &["merge", "--quiet", "--no-commit", "--no-ff", "late"]);
    git(&project, &["checkout", "MERGE_HEAD", "--", "models", ".formulac/state"]);
    commit(&project, "merge");
    let plan = project.run(&["plan"]);
    assert!(!plan.err.contains(".formulac/state"), "{}", plan.err);
    assert!(
        plan.out.contains("1 to update, 0 to delete, 0 conflicts"),
        "{}",
        plan.out
    );
}
