//! Tests `formulac change` and `formulac authorize`.

use std::fs;

use serde_json::Value;

use crate::repository::{commit, edit, git, snapshot, switch_user};
use crate::roles::create_project;
use crate::run::{Run, TestProject};

/// Creates a branch on which an analyst has changed the definition of revenue and proposed the change.
pub fn create_proposal(name: &str) -> TestProject {
    let project = create_project(name);
    git(&project, &["switch", "--quiet", "-c", "after-tax"]);
    switch_user(&project, "ann");
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(amount) - SUM(tax)");
    commit(&project, "after tax");
    project.succeed(&["change", "propose", "Revenue after tax"]);
    project
}

pub fn run_as(project: &TestProject, name: &str, args: &[&str]) -> Run {
    switch_user(project, name);
    project.run(args)
}

pub fn run_authorize(project: &TestProject) -> (i32, Value) {
    let run = project.run(&["authorize", "--base", "main", "--json"]);
    (run.exit, run.json())
}

#[test]
fn a_change_is_proposed_reviewed_and_authorized() {
    let mut project = create_project("change_story");
    git(&project, &["switch", "--quiet", "-c", "after-tax"]);
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(amount) - SUM(tax)");
    edit(
        &project,
        "metrics/revenue.yml",
        "from: orders",
        "approvers: [fay@example.com]\nfrom: orders",
    );
    project.show(&["change", "propose", "Revenue after tax"]);
    commit(&project, "after tax");
    project
        .show(&["change", "list"])
        .show(&[
            "change",
            "propose",
            "Revenue after tax",
            "--message",
            "Finance asked for it.\nSee the minutes.",
        ])
        .show(&["change", "propose", "Once more"])
        .show(&["change", "approve", "revenue"]);
    switch_user(&project, "fay");
    project
        .show(&["change", "comment", "revenue-after-tax", "And shipping?"])
        .show(&["change", "aprove", "x"]);
    project.show(&["change", "approve", "revenue-after-taxes"]).show(&[
        "change",
        "approve",
        "revenue",
        "-m",
        "As agreed",
    ]);
    project.show(&["authorize", "--base", "main"]);
    switch_user(&project, "eve");
    project
        .show(&["change", "approve", "rev"])
        .show(&["change", "list"])
        .show(&["change", "show", "rev"]);
    project.show(&["authorize", "--base", "main"]);
    // A later change has new content, which the approvals do not cover.
    switch_user(&project, "ann");
    edit(&project, "metrics/revenue.yml", "SUM(tax)", "SUM(vat)");
    commit(&project, "vat");
    project
        .show(&["authorize", "--base", "main"])
        .show(&["change", "show", "rev", "--json"]);
    snapshot(&project, "change__story");
}

#[test]
fn approvals_must_come_from_others_and_match_the_content() {
    let project = create_proposal("change_exact");
    assert_eq!(run_authorize(&project).0, 4);
    // No user can approve their own changes, not even with the required role.
    switch_user(&project, "eve");
    edit(
        &project,
        "metrics/revenue.yml",
        "Revenue by country.",
        "Revenue after tax.",
    );
    commit(&project, "say so");
    assert_eq!(run_as(&project, "eve", &["change", "approve", "rev"]).exit, 4);
    assert_eq!(run_as(&project, "dan", &["change", "approve", "rev"]).exit, 0);
    assert_eq!(
        run_as(&project, "fay", &["change", "reject", "rev", "-m", "not yet"]).exit,
        0
    );
    let (exit, report) = run_authorize(&project);
    assert_eq!(
        (exit, &report["approvals"]["rejected"][0]),
        (4, &Value::from("Fay <fay@example.com>"))
    );
    // A user who rejected a change may approve it later.
    assert_eq!(run_as(&project, "fay", &["change", "approve", "rev"]).exit, 0);
    let (exit, report) = run_authorize(&project);
    assert_eq!(
        (exit, report["approvals"]["is_approved"].as_bool()),
        (0, Some(true)),
        "{report}"
    );
    // Generated files and formulac's records do not count as new content.
    assert_eq!(
        run_as(&project, "ann", &["push", "--yes", "--quiet", "--env", "development"]).exit,
        0
    );
    assert_eq!(run_authorize(&project).0, 0);
    // Add another commit to the base branch, and then merge the base branch into the branch of the change.
    git(&project, &["switch", "--quiet", "main"]);
    project.write("notes.md", "later");
    commit(&project, "notes");
    git(&project, &["switch", "--quiet", "after-tax"]);
    git(&project, &["merge", "--quiet", "--no-edit", "main"]);
    assert_eq!(run_authorize(&project).0, 0, "{}", run_authorize(&project).1);
}

/// Generated files need no approval, so `authorize` accepts them only if they are identical to what a push writes and
/// none of them is missing.
#[test]
fn generated_files_contain_exactly_what_a_push_writes() {
    let project = create_proposal("change_layout");
    assert_eq!(run_as(&project, "ann", &["push", "--yes", "--quiet"]).exit, 0);
    for name in ["dan", "fay"] {
        assert_eq!(run_as(&project, name, &["change", "approve", "rev"]).exit, 0);
    }
    assert_eq!(run_authorize(&project).0, 0, "{}", run_authorize(&project).1);
    switch_user(&project, "ann");
    let head = git(&project, &["rev-parse", "HEAD"]);
    let (sql, yml) = ("models/formulac/revenue.sql", "models/formulac/revenue.yml");
    for (path, from, to) in [
        (sql, "select", "-- reviewed\nSELECT"),
        (sql, "select", "-- reviewed\r, 1\nselect"),
        (sql, "select", "/* /* */ select -- */ 1"),
        (yml, "models:", "# reviewed\nmodels:"),
        (sql, "select", "-- {{ run_query('drop table x') }}\nselect"),
        (sql, "sum", "max"),
    ] {
        edit(&project, path, from, to);
        commit(&project, "edited");
        let (exit, report) = run_authorize(&project);
        assert_eq!(exit, 4, "{to}: {report}");
        git(&project, &["reset", "--quiet", "--hard", head.trim()]);
    }
    // A push keeps the layout that the file already has on the target branch.
    edit(&project, sql, "select", "-- reviewed\nSELECT");
    commit(&project, "layout");
    git(&project, &["branch", "--force", "main"]);
    for path in [sql, yml] {
        fs::remove_file(project.path(path)).unwrap();
        commit(&project, "deleted");
        let (exit, report) = run_authorize(&project);
        assert_eq!((exit, &report["generated_by_hand"]), (4, &serde_json::json!([path])));
        git(&project, &["reset", "--quiet", "--hard", "main"]);
    }
    edit(&project, "metrics/revenue.yml", "SUM(tax)", "SUM(tax) - SUM(fee)");
    project.succeed(&["push", "--yes", "--quiet"]);
    assert!(
        project.read(sql).contains("-- reviewed\nSELECT"),
        "{}",
        project.read(sql)
    );
    assert_eq!(run_authorize(&project).1["generated_by_hand"], serde_json::json!([]));
}

/// If no approvals are required, comments and layout need no review. Manual edits need no review either.
#[test]
fn comments_need_no_review_without_approvals() {
    let project = crate::push::create_project("change_comments");
    project.succeed(&["push", "--yes"]);
    git(&project, &["switch", "--quiet", "-c", "comments"]);
    let sql = "models/formulac/revenue.sql";
    edit(&project, sql, "select", "-- reviewed\nSELECT");
    project.succeed(&["push", "--yes"]);
    assert_eq!(run_authorize(&project).0, 0, "{}", run_authorize(&project).1);
    edit(&project, sql, "sum(amount)", "sum(distinct amount)");
    commit(&project, "edited");
    assert_eq!(run_authorize(&project).0, 0, "{}", run_authorize(&project).1);
}

#[test]
fn a_program_can_specify_the_user() {
    let project = create_proposal("change_for_others");
    switch_user(&project, "service");
    for (user, exit) in [
        ("fay@example.com", 0),
        ("Dan Dee <dan@example.com>", 0),
        ("ann@example.com", 4),
        ("<>", 4),
    ] {
        let mut command = project.command(&["change", "approve", "rev"]);
        command.env("FORMULAC_USER", user);
        let run = crate::run::finish(command);
        assert_eq!(run.exit, exit, "{user}: {}", run.err);
    }
    let authors = git(&project, &["log", "-2", "--format=%an <%ae>, %cn"]);
    assert_eq!(
        authors,
        "Dan Dee <dan@example.com>, Service\nfay <fay@example.com>, Service\n"
    );
    // A service may commit approvals for other users, which `authorize` reports.
    let run = project.run(&["authorize", "--base", "main"]);
    let notes = "note: the approval by fay <fay@example.com> was committed by Service <service@example.com>\n\
                 note: the approval by Dan Dee <dan@example.com> was committed by Service <service@example.com>\n";
    assert!(run.exit == 0 && run.out.contains(notes), "{}", run.out);
}

#[test]
fn a_branch_cannot_grant_itself_permissions() {
    let project = create_proposal("change_forged");
    for (name, command) in [("dan", "approve"), ("fay", "approve")] {
        assert_eq!(run_as(&project, name, &["change", command, "rev"]).exit, 0);
    }
    assert_eq!(run_authorize(&project).0, 0);
    let head = git(&project, &["rev-parse", "HEAD"]);
    let folder = ".formulac/approvals/revenue-after-tax";
    let paths = project.files(folder).into_iter().map(|name| format!("{folder}/{name}"));
    let approval = paths
        .into_iter()
        .find(|path| project.read(path).contains("Fay"))
        .unwrap();
    let text = project.read(&approval);
    let reasons = |project: &TestProject, expected: &str| {
        commit(project, "forged");
        let (exit, report) = run_authorize(project);
        assert!(
            exit == 4 && report.to_string().contains(expected),
            "{expected}: {report}"
        );
        git(project, &["reset", "--quiet", "--hard", head.trim()]);
    };
    switch_user(&project, "ann");
    // Roles and rules are taken from the base branch.
    edit(&project, "formulac.yml", "default_role: analyst", "default_role: admin");
    reasons(&project, "may not change the project's settings");
    edit(
        &project,
        "formulac.yml",
        "approvals: {production: {engineer: 1, business: 1}}\n",
        "",
    );
    reasons(&project, "may not change the project's settings");
    // Users must not change or remove the comments of other users.
    project.write(&approval, text.replace("Fay", "Eve").replace("fay@", "eve@"));
    reasons(&project, "records must not");
    fs::remove_file(project.path(&approval)).unwrap();
    reasons(&project, "records must not");
    project.write(".formulac/approvals/other/x.yml", text);
    reasons(&project, "changed after it was written");
    // Users can approve only in their own name.
    switch_user(&project, "dan");
    project.succeed(&["change", "approve", "rev", "-m", "again"]);
    git(
        &project,
        &[
            "commit",
            "--quiet",
            "--amend",
            "--no-edit",
            "--author",
            "Ann <ann@example.com>",
        ],
    );
    project.write("notes.md", "x");
    reasons(&project, "is in the name of Dan");
    // Files that look generated must match the output of the specs.
    switch_user(&project, "ann");
    project.succeed(&["push", "--yes", "--quiet"]);
    edit(&project, "models/formulac/revenue.sql", "sum(tax)", "sum(fee)");
    reasons(&project, "the change was edited after the approval");
}

/// An admin's approval does not count as an approval by the business role or by an engineer.
#[test]
fn an_approval_by_an_admin_does_not_count_for_the_business_role() {
    let project = create_proposal("change_admin");
    for name in ["root", "dan"] {
        assert_eq!(run_as(&project, name, &["change", "approve", "rev"]).exit, 0, "{name}");
    }
    let (exit, report) = run_authorize(&project);
    assert_eq!(
        (exit, &report["approvals"]["lacks"]),
        (4, &serde_json::json!(["1 approval by business"])),
        "{report}"
    );
    assert_eq!(run_as(&project, "fay", &["change", "approve", "rev"]).exit, 0);
    assert_eq!(run_authorize(&project).0, 0);
}

/// Deleting a model also deletes its state.
#[test]
fn deleting_a_model_deletes_its_state() {
    let project = create_project("change_gone");
    switch_user(&project, "eve");
    git(&project, &["switch", "--quiet", "-c", "first"]);
    project.succeed(&["push", "--yes", "--quiet"]);
    git(&project, &["switch", "--quiet", "main"]);
    git(&project, &["merge", "--quiet", "first"]);
    git(&project, &["switch", "--quiet", "-c", "less"]);
    switch_user(&project, "ann");
    // If only the state is deleted, the next push has no base version to compare the model with.
    fs::remove_file(project.path(".formulac/state/revenue.yml")).unwrap();
    commit(&project, "no base");
    assert_eq!(
        run_authorize(&project).1["generated_by_hand"],
        serde_json::json!([".formulac/state/revenue.yml"])
    );
    git(&project, &["reset", "--quiet", "--hard", "HEAD~1"]);
    fs::remove_file(project.path("metrics/revenue.yml")).unwrap();
    project.write(
        "metrics/lines.yml",
        "model: lines\nfrom: orders\nkeep: all\ndefinitions: n = amount * 2\n",
    );
    commit(&project, "less");
    project.succeed(&["change", "propose", "Less"]);
    for name in ["dan", "fay"] {
        assert_eq!(run_as(&project, name, &["change", "approve", "less"]).exit, 0);
    }
    assert_eq!(run_as(&project, "ann", &["push", "--yes", "--quiet"]).exit, 0);
    assert!(!project.path(".formulac/state/revenue.yml").exists());
    assert_eq!(run_authorize(&project).0, 0, "{}", run_authorize(&project).1);
}

#[test]
fn unusual_file_names_do_not_hide_approvers() {
    let project = create_project("change_names");
    edit(
        &project,
        "metrics/revenue.yml",
        "from: orders",
        "approvers: [fay@example.com]\nfrom: orders",
    );
    commit(&project, "fay approves");
    git(&project, &["switch", "--quiet", "-c", "after-tax"]);
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(amount) - SUM(tax)");
    edit(&project, "metrics/revenue.yml", "approvers: [fay@example.com]\n", "");
    // The base branch does not contain these files. Some of their names make git's output look as if the base branch
    // contained the files, or as if more files had been requested.
    for name in ["a blob 4 .yml", "b\nblob 4\n.yml", "c missing.yml"] {
        project.write(&format!("metrics/{name}"), "name: a\n");
    }
    commit(&project, "after tax");
    let (exit, report) = run_authorize(&project);
    let lacks = report["approvals"]["lacks"].to_string();
    assert!(
        exit == 4 && lacks.contains("an approval of metrics/revenue.yml by fay@example.com"),
        "{report}"
    );
}

#[test]
fn output_of_another_spec_is_detected_as_a_manual_edit() {
    let project = create_proposal("change_passing");
    switch_user(&project, "ann");
    project.succeed(&["push", "--yes", "--quiet"]);
    for name in ["dan", "fay"] {
        assert_eq!(run_as(&project, name, &["change", "approve", "rev"]).exit, 0);
    }
    assert_eq!(run_authorize(&project).0, 0);
    // Replace the output of this spec with the output of another spec, including its correct header.
    switch_user(&project, "ann");
    let own = project.read("metrics/revenue.yml");
    edit(&project, "metrics/revenue.yml", "SUM(tax)", "SUM(fee)");
    project.run(&["model", "metrics/revenue.yml", "--out", "out"]);
    project.write("metrics/revenue.yml", own);
    project.write("models/formulac/revenue.sql", project.read("out/revenue.sql"));
    fs::remove_dir_all(project.path("out")).unwrap();
    commit(&project, "as generated");
    let (exit, report) = run_authorize(&project);
    assert_eq!(
        (exit, &report["generated_by_hand"]),
        (4, &serde_json::json!(["models/formulac/revenue.sql"])),
        "{report}"
    );
    let run = project.run(&["authorize", "--base", "main"]);
    assert!(run.out.contains("the specs generate different content"), "{}", run.out);
}

#[test]
fn commits_may_have_to_be_signed() {
    let project = create_project("change_signed");
    edit(
        &project,
        "formulac.yml",
        "protected: true",
        "protected: true, signed: true",
    );
    commit(&project, "signatures");
    git(&project, &["switch", "--quiet", "-c", "after-tax"]);
    project.write(
        "metrics/share.yml",
        "model: share\nfrom: orders\nkeep: [id]\ndefinitions: twice = amount * 2\n",
    );
    commit(&project, "unsigned");
    let (_, report) = run_authorize(&project);
    assert_eq!(report["not_allowed"][0]["why"], "the commit has no valid signature");
    // SSH key of a user whom the git configuration trusts.
    let key = project.path("key");
    let exit_status = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status()
        .expect("ssh-keygen is installed");
    assert!(exit_status.success());
    let public = fs::read_to_string(project.path("key.pub")).unwrap();
    let words: Vec<&str> = public.split(' ').take(2).collect();
    project.write("allowed", format!("ann@example.com {}\n", words.join(" ")));
    let allowed = project.path("allowed");
    for (name, value) in [
        ("gpg.format", "ssh"),
        ("user.signingkey", key.to_str().unwrap()),
        ("gpg.ssh.allowedSignersFile", allowed.to_str().unwrap()),
    ] {
        git(&project, &["config", name, value]);
    }
    git(&project, &["commit", "--quiet", "--amend", "--no-edit", "-S"]);
    assert_eq!(run_authorize(&project).1["not_allowed"], serde_json::json!([]));
    // One user signed the commit, but another user is its author.
    git(
        &project,
        &[
            "commit",
            "--quiet",
            "--amend",
            "--no-edit",
            "-S",
            "--author",
            "Eve <eve@example.com>",
        ],
    );
    let why = run_authorize(&project).1["not_allowed"][0]["why"].clone();
    assert_eq!(why, "the commit is signed by ann@example.com, who is not its author");
}

#[test]
fn code_owners_are_written_and_kept() {
    let mut project = create_project("change_owners");
    switch_user(&project, "root");
    edit(
        &project,
        "metrics/revenue.yml",
        "from: orders",
        "approvers: [fay@example.com]\nfrom: orders",
    );
    project.write(".github/CODEOWNERS", "docs/ @writers\n");
    project
        .show(&["authorize", "--codeowners"])
        .show(&["authorize", "--codeowners"]);
    project
        .show(&["authorize", "--codeowners=../x"])
        .show(&["authorize"])
        .show(&["authorize", "--base", "nothing"]);
    snapshot(&project, "change__owners");
    insta::assert_snapshot!("change__codeowners", project.read(".github/CODEOWNERS"));
}
