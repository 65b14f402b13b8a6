//! Tests how `formulac authorize` checks the files that formulac records: evidence, state files and `known.yml`.

use crate::change::{create_proposal, run_as, run_authorize};
use crate::repository::{commit, edit, git, switch_user};
use crate::roles::create_project;

const EVIDENCE: &str = "\
# Results of the last `formulac verify` of this model; formulac updates this file.
model: revenue
spec: metrics/revenue.yml
content: ddd4064ec3860822a50ee78120904ba251a6418750fad256680dfc9b10b1db8d
engine: DuckDB 1.5.0
comparisons:
  - with: its formula
    verdict: agrees
    rows:
      model: 4
      other: 4
    matched: 4
    columns:
      revenue:
        rows: 0
";

/// Each state file must be the result of a push of the specs, and evidence must be the output of `verify`. Approvals
/// cover state files and evidence.
#[test]
fn authorize_checks_recorded_facts() {
    let project = create_proposal("change_records");
    project.write(".formulac/evidence/revenue.yml", EVIDENCE);
    commit(&project, "evidence");
    for name in ["dan", "fay"] {
        assert_eq!(run_as(&project, name, &["change", "approve", "rev"]).exit, 0);
    }
    assert_eq!(run_as(&project, "ann", &["push", "--yes", "--quiet"]).exit, 0);
    let (exit, report) = run_authorize(&project);
    assert_eq!(exit, 0, "a push keeps approvals: {report}");
    let head = git(&project, &["rev-parse", "HEAD"]);
    let refused = |what: &str, expected: &str| {
        commit(&project, what);
        let run = project.run(&["authorize", "--base", "main"]);
        assert!(run.exit == 4 && run.out.contains(expected), "{what}: {}", run.out);
        git(&project, &["reset", "--quiet", "--hard", head.trim()]);
    };
    let state = ".formulac/state/revenue.yml";
    let not_pushed = "not allowed: .formulac/state/revenue.yml: the file differs from the record of the last push";
    edit(&project, state, "SUM(tax)", "SUM(fee)");
    refused("another base", not_pushed);
    project.write(
        ".formulac/state/other.yml",
        project.read(state).replace("model: revenue", "model: other"),
    );
    refused(
        "a base of nothing",
        "state/other.yml: the file differs from the record of the last push",
    );
    project.write(
        ".formulac/state/omni/other.yml",
        "node: model.shop.other\npath: other.view\n",
    );
    refused(
        "a record of no pull",
        "the approval by Dan <dan@example.com> does not count: the change was edited after the approval",
    );
    // The file has the format that formulac writes, but it was edited after the approvals.
    edit(&project, ".formulac/evidence/revenue.yml", "4", "5");
    refused(
        "better evidence",
        "the approval by Dan <dan@example.com> does not count: the change was edited after the approval",
    );
    project.write(
        ".formulac/evidence/revenue.yml",
        "# checked by hand\nmodel: revenue\nverdict: agrees\n",
    );
    refused(
        "notes",
        "evidence/revenue.yml: the file does not have the format that `formulac verify` writes",
    );
    // Evidence alone needs no approval, but must have the right format.
    git(&project, &["switch", "--quiet", "-c", "evidence", "main"]);
    project.write(".formulac/evidence/revenue.yml", EVIDENCE);
    commit(&project, "evidence");
    assert_eq!(run_authorize(&project).0, 0, "{}", run_authorize(&project).1);
    edit(
        &project,
        ".formulac/evidence/revenue.yml",
        "verdict: agrees",
        "verdict: perfect",
    );
    commit(&project, "praise");
    assert_eq!(run_authorize(&project).0, 4);
}

/// `known.yml` affects the SQL, so `authorize` regenerates the file from the specs and the facts that it contains.
#[test]
fn authorize_checks_the_known_facts() {
    let project = create_project("change_known");
    let known = |ty: &str| {
        let head = "# The columns and types that formulac knew when models were last generated. `formulac generate` updates this file.\n";
        format!("{head}relations:\n  orders:\n    columns:\n      amount: {ty}\n      tax: {ty}\n")
    };
    let path = ".formulac/state/known.yml";
    git(&project, &["switch", "--quiet", "-c", "after-tax"]);
    switch_user(&project, "ann");
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(amount) - SUM(tax)");
    project.write(path, known("float"));
    commit(&project, "after tax");
    project.succeed(&["change", "propose", "Revenue after tax"]);
    for name in ["dan", "fay"] {
        assert_eq!(run_as(&project, name, &["change", "approve", "rev"]).exit, 0);
    }
    assert_eq!(run_as(&project, "ann", &["push", "--yes", "--quiet"]).exit, 0);
    assert_eq!(project.read(path), known("float"));
    let (exit, report) = run_authorize(&project);
    assert_eq!(exit, 0, "a push that learns nothing keeps approvals: {report}");
    let head = git(&project, &["rev-parse", "HEAD"]);
    let refused = |text: &str, expected: &[&str]| {
        project.write(path, text);
        project.succeed(&["generate", "--quiet"]);
        project.write(path, text);
        commit(&project, "other facts");
        let run = project.run(&["authorize", "--base", "main"]);
        assert!(
            run.exit == 4 && expected.iter().all(|part| run.out.contains(part)),
            "{}",
            run.out
        );
        git(&project, &["reset", "--quiet", "--hard", head.trim()]);
    };
    let not_pushed = "not allowed: .formulac/state/known.yml: the file differs from the record of the last push";
    refused(&format!("{}      other: integer\n", known("float")), &[not_pushed]);
    refused(&format!("{}# looked at by hand\n", known("float")), &[not_pushed]);
}

/// Facts in `known.yml` that affect SQL need the same approvals as changes to the affected specs. Other facts need no
/// approvals.
#[test]
fn facts_that_alter_sql_need_approval() {
    let project = create_project("change_facts");
    let path = ".formulac/state/known.yml";
    let known = |ty: &str, amount: &str| {
        let head = "# The columns and types that formulac knew when models were last generated. `formulac generate` updates this file.\n";
        format!(
            "{head}relations:\n  orders:\n    columns:\n      amount: {amount}\n      country: text\n      paid_at: {ty}\n"
        )
    };
    let authorize = || project.run(&["authorize", "--base", "main"]);
    switch_user(&project, "eve");
    edit(
        &project,
        "metrics/revenue.yml",
        "from: orders",
        "from: orders\napprovers: [gus@example.com]",
    );
    edit(
        &project,
        "metrics/revenue.yml",
        "SUM(amount)",
        "SUM(IF(paid_at + 1 > TODAY(), amount, 0))",
    );
    project.write(path, known("timestamp", "float"));
    project.succeed(&["generate", "--quiet"]);
    commit(&project, "facts");
    git(&project, &["switch", "--quiet", "-c", "facts"]);
    switch_user(&project, "ann");
    project.write(path, known("timestamp", "decimal(10,2)"));
    commit(&project, "a type that is in no SQL");
    let run = authorize();
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    project.write(path, known("date", "float"));
    commit(&project, "dates");
    for what in ["facts", "facts and what is generated of them"] {
        let run = authorize();
        assert!(
            run.exit == 4 && run.out.contains("missing: 1 approval by business"),
            "{what}: {}{}",
            run.out,
            run.err
        );
        assert!(
            run.out
                .contains("missing: an approval of metrics/revenue.yml by gus@example.com"),
            "{}",
            run.out
        );
        assert!(run.out.contains("known.yml alters the SQL of `revenue`"), "{}", run.out);
        project.succeed(&["generate", "--quiet"]);
        git(
            &project,
            &["commit", "--quiet", "--all", "--allow-empty", "--message", "generated"],
        );
    }
    // An approval of changed facts is valid until the facts change again.
    project.succeed(&["change", "propose", "Dates"]);
    for name in ["dan", "fay", "gus"] {
        assert_eq!(run_as(&project, name, &["change", "approve", "dates"]).exit, 0);
    }
    assert_eq!(authorize().exit, 0, "{}", authorize().out);
    switch_user(&project, "ann");
    project.write(path, known("{type: date, nullable: false}", "float"));
    commit(&project, "never blank");
    let run = authorize();
    assert!(
        run.exit == 4 && run.out.contains("the change was edited after the approval"),
        "{}",
        run.out
    );
}
