//! Tests `formulac plan` and `push --upgrade` in projects that another version of formulac pushed.

use std::fs;

use formulac::dbt::{add_sql_header, is_unmodified};
use formulac::sync::{LOG, LogEntry, PushState, content_hash, state_path};

use crate::repository::{begin, commit, edit, git};
use crate::run::Place;

const PROJECT: &str = "dialect: duckdb\nspecs: metrics/\n";
const REVENUE: &str = "model: revenue\nfrom: orders\ngroup_by: country\ndefinitions: revenue = SUM(amount)\n";
const SHARE: &str = "model: share\nfrom: ref('revenue')\nkeep: all\ndefinitions: part = revenue * 2\n";
const CUSTOMERS: &str = "model: customers\nfrom: orders\ndefinitions: n = COUNT(DISTINCT(customer_id))\n";

/// Creates a project whose models were all pushed by version 0.1.0, which wrote other SQL for `models`.
fn pushed_by_other_version(name: &str, models: &[&str]) -> Place {
    let place = Place::new(name);
    place
        .write("formulac.yml", PROJECT)
        .write("metrics/revenue.yml", REVENUE)
        .write("metrics/share.yml", SHARE)
        .write("metrics/customers.yml", CUSTOMERS);
    begin(&place);
    let run = place.run(&["push", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let log = place.files(LOG);
    let [old_name] = log.as_slice() else {
        panic!("one entry: {log:?}")
    };
    let path = if old_name.starts_with(LOG) {
        old_name.clone()
    } else {
        format!("{LOG}/{old_name}")
    };
    let text = place.read(&path);
    let mut entry = LogEntry::read_verified_entry(&path, &text).expect("a log entry");
    for model in models {
        let sql = format!("models/formulac/{model}.sql");
        let body = place.read(&sql).lines().skip(1).collect::<Vec<_>>().join("\n");
        let other = add_sql_header(
            &format!("{}\nwhere true\n", body.trim_end()),
            &format!("metrics/{model}.yml"),
        );
        assert!(is_unmodified(&other));
        let mut state = PushState::versions(&place.read(&state_path(model))).remove(0);
        state.files.insert(sql.clone(), other.clone());
        place.write(&sql, &other).write(&state_path(model), state.text());
    }
    for (path, hash) in &mut entry.files {
        *hash = hash.is_some().then(|| content_hash(place.read(path).as_bytes()));
    }
    entry.version = "0.1.0".to_owned();
    fs::remove_file(place.path(&path)).unwrap();
    place.write(&format!("{LOG}/{}", entry.file_name()), entry.text());
    git(&place, &["add", "--all"]);
    git(&place, &["commit", "--quiet", "--amend", "--no-edit"]);
    place
}

/// Returns the plan, which must succeed.
fn plan(project: &Place) -> String {
    let run = project.run(&["plan"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    run.out
}

const HEADING: &str = "Changed only by the upgrade of formulac from 0.1.0 to ";

#[test]
fn plan_lists_upgrade_changes_separately() {
    let place = pushed_by_other_version("upgrade_plan", &["revenue", "customers"]);
    edit(
        &place,
        "metrics/customers.yml",
        "COUNT(DISTINCT(customer_id))",
        "COUNT()",
    );
    let text = plan(&place);
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
    let place = pushed_by_other_version("upgrade_push", &["revenue", "customers"]);
    edit(
        &place,
        "metrics/customers.yml",
        "COUNT(DISTINCT(customer_id))",
        "COUNT()",
    );
    let run = place.run(&["push", "--upgrade", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert!(!place.read("models/formulac/revenue.sql").contains("where true"));
    assert!(place.read("models/formulac/customers.sql").contains("where true"));
    let subject = git(&place, &["log", "-1", "--format=%s"]);
    assert_eq!(
        subject.trim(),
        format!("Upgrade to formulac {}: revenue", env!("CARGO_PKG_VERSION"))
    );
    let text = plan(&place);
    assert!(
        text.contains("~ update  customers") && !text.contains(HEADING),
        "{text}"
    );
    let run = place.run(&["push", "--upgrade", "--yes"]);
    assert!(
        run.exit == 0 && run.err.contains("no model changes solely because"),
        "{}",
        run.err
    );
}

#[test]
fn a_model_that_reads_a_changed_model_is_not_listed_apart() {
    let place = pushed_by_other_version("upgrade_parent", &["share"]);
    assert!(plan(&place).contains(HEADING));
    edit(&place, "metrics/revenue.yml", "SUM(amount)", "MAX(amount)");
    assert!(!plan(&place).contains(HEADING));
}

#[test]
fn changed_settings_are_not_an_upgrade() {
    let place = pushed_by_other_version("upgrade_settings", &["revenue"]);
    place.write("formulac.yml", format!("{PROJECT}week_start: sunday\n"));
    commit(&place, "Weeks");
    assert!(!plan(&place).contains(HEADING));
}

#[test]
fn changes_after_a_push_by_this_version_are_not_an_upgrade() {
    let place = pushed_by_other_version("upgrade_same", &["revenue"]);
    assert_eq!(place.run(&["push", "--yes"]).exit, 0);
    edit(&place, "metrics/revenue.yml", "SUM(amount)", "MAX(amount)");
    assert!(!plan(&place).contains(HEADING));
}
