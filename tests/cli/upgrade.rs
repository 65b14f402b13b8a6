//! Tests `formulac plan` and `push --upgrade` in projects that another version of formulac pushed.

use std::fs;

use formulac::dbt::{add_sql_header, is_unmodified};
use formulac::sync::{LOG_FOLDER, LogEntry, PushState, content_hash, state_path};

use crate::repository::{begin, commit, edit, git};
use crate::run::TestProject;

const PROJECT: &str = "dialect: duckdb\nspecs: metrics/\n";
const REVENUE: &str = "model: revenue\nfrom: orders\ngroup_by: country\ndefinitions: revenue = SUM(amount)\n";
const SHARE: &str = "model: share\nfrom: ref('revenue')\nkeep: all\ndefinitions: part = revenue * 2\n";
const CUSTOMERS: &str = "model: customers\nfrom: orders\ndefinitions: n = COUNT(DISTINCT(customer_id))\n";

/// Creates a project whose models were all pushed by version 0.1.0, which wrote different SQL for `models`.
fn pushed_by_other_version(name: &str, models: &[&str]) -> TestProject {
    let project = TestProject::new(name);
    project
        .write("formulac.yml", PROJECT)
        .write("metrics/revenue.yml", REVENUE)
        .write("metrics/share.yml", SHARE)
        .write("metrics/customers.yml", CUSTOMERS);
    begin(&project);
    let run = project.run(&["push", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let log = project.files(LOG_FOLDER);
    let [old_name] = log.as_slice() else {
        panic!("one entry: {log:?}")
    };
    let path = if old_name.starts_with(LOG_FOLDER) {
        old_name.clone()
    } else {
        format!("{LOG_FOLDER}/{old_name}")
    };
    let text = project.read(&path);
    let mut entry = LogEntry::read_verified_entry(&path, &text).expect("a log entry");
    for model in models {
        let sql = format!("models/formulac/{model}.sql");
        let body = project.read(&sql).lines().skip(1).collect::<Vec<_>>().join("\n");
        let other = add_sql_header(
            &format!("{}\nwhere true\n", body.trim_end()),
            &format!("metrics/{model}.yml"),
        );
        assert!(is_unmodified(&other));
        let mut state = PushState::versions(&project.read(&state_path(model))).remove(0);
        state.files.insert(sql.clone(), other.clone());
        project.write(&sql, &other).write(&state_path(model), state.text());
    }
    for (path, hash) in &mut entry.files {
        *hash = hash.is_some().then(|| content_hash(project.read(path).as_bytes()));
    }
    entry.version = "0.1.0".to_owned();
    fs::remove_file(project.path(&path)).unwrap();
    project.write(&format!("{LOG_FOLDER}/{}", entry.file_name()), entry.text());
    git(&project, &["add", "--all"]);
    git(&project, &["commit", "--quiet", "--amend", "--no-edit"]);
    project
}

/// Returns the plan, which must succeed.
fn plan(project: &TestProject) -> String {
    let run = project.run(&["plan"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    run.out
}

const HEADING: &str = "Changed only by the upgrade of formulac from 0.1.0 to ";

#[test]
fn plan_lists_upgrade_changes_separately() {
    let project = pushed_by_other_version("upgrade_plan", &["revenue", "customers"]);
    edit(
        &project,
        "metrics/customers.yml",
        "COUNT(DISTINCT(customer_id))",
        "COUNT()",
    );
    let text = plan(&project);
    let (changed, upgraded) = text.split_once(HEADING).expect("a heading");
    assert!(
        changed.contains("~ update  customers") && !changed.contains("revenue"),
        "{text}"
    );
    assert!(
        upgraded.contains("~ update  revenue") && !upgraded.contains("customers"),
        "{text}"
    );
    assert!(upgraded.contains("-where true"), "{text}");
}

#[test]
fn push_upgrade_commits_only_upgrade_changes() {
    let project = pushed_by_other_version("upgrade_push", &["revenue", "customers"]);
    edit(
        &project,
        "metrics/customers.yml",
        "COUNT(DISTINCT(customer_id))",
        "COUNT()",
    );
    let run = project.run(&["push", "--upgrade", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert!(!project.read("models/formulac/revenue.sql").contains("where true"));
    assert!(project.read("models/formulac/customers.sql").contains("where true"));
    let subject = git(&project, &["log", "-1", "--format=%s"]);
    assert_eq!(
        subject.trim(),
        format!("Upgrade to formulac {}: revenue", env!("CARGO_PKG_VERSION"))
    );
    let text = plan(&project);
    assert!(
        text.contains("~ update  customers") && !text.contains(HEADING),
        "{text}"
    );
    let run = project.run(&["push", "--upgrade", "--yes"]);
    assert!(
        run.exit == 0 && run.err.contains("no model changes solely because"),
        "{}",
        run.err
    );
}

#[test]
fn a_model_that_reads_a_changed_model_is_not_listed_as_upgraded() {
    let project = pushed_by_other_version("upgrade_parent", &["share"]);
    assert!(plan(&project).contains(HEADING));
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "MAX(amount)");
    assert!(!plan(&project).contains(HEADING));
}

#[test]
fn changed_settings_are_not_an_upgrade() {
    let project = pushed_by_other_version("upgrade_settings", &["revenue"]);
    project.write("formulac.yml", format!("{PROJECT}week_start: sunday\n"));
    commit(&project, "Weeks");
    assert!(!plan(&project).contains(HEADING));
}

#[test]
fn changes_after_a_push_by_this_version_are_not_an_upgrade() {
    let project = pushed_by_other_version("upgrade_same", &["revenue"]);
    project.succeed(&["push", "--yes"]);
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "MAX(amount)");
    assert!(!plan(&project).contains(HEADING));
}
