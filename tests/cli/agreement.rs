//! Tests what `plan`, `push` and `pull` report if a push has nothing to do or no branch to commit to.

use std::fs;

use crate::push::create_project;
use crate::repository::{commit, edit, git};
use crate::run::TestProject;

/// A CI job checks out the commit of a pull request, so HEAD is not on a branch.
#[test]
fn a_plan_needs_no_branch() {
    let project = create_project("agreement_detached");
    git(&project, &["switch", "--quiet", "--detach"]);
    let warning = "warning: `push` would refuse this plan: HEAD is detached, so a commit would not be on a branch\n";
    for (args, expected) in [
        (&["plan"][..], "+ create  revenue  (metrics/revenue.yml)\n"),
        (&["plan", "--markdown"], "### revenue: create\n"),
        (&["plan", "--json"], "\"summary\": \"Plan: 2 to create"),
    ] {
        let run = project.succeed(args);
        assert!(run.out.contains(expected), "{args:?}: {}", run.out);
        assert!(run.err.contains(warning), "{args:?}: {}", run.err);
    }
    let run = project.run(&["push", "--yes"]);
    assert!(run.exit == 5 && run.err.contains("HEAD is detached"), "{}", run.err);
}

/// If nothing changes, the text of a merge request has no headings, no checks and no command that undoes a push.
#[test]
fn a_plan_without_changes_is_one_sentence() {
    let project = create_project("agreement_markdown");
    project.succeed(&["push", "--yes"]);
    let agreement = |expected: &str| {
        assert_eq!(project.succeed(&["plan", "--markdown"]).out, expected);
    };
    agreement("Specs and dbt agree.\n");
    // A manual edit that is already committed remains.
    edit(
        &project,
        "models/formulac/revenue.sql",
        "\nselect\n",
        "\nselect {{ hint() }}\n",
    );
    project.succeed(&["push", "--yes"]);
    agreement("Specs and dbt agree. 1 manual edit remains.\n");
    assert!(project.succeed(&["plan"]).out.contains("; 1 manual edit kept\n"));
}

/// Creates a dbt project without specs, whose manifest contains the model `orders`.
fn project_with_manifest(name: &str) -> TestProject {
    let project = create_project(name);
    fs::remove_dir_all(project.path("metrics")).unwrap();
    let orders = serde_json::json!({
        "unique_id": "model.shop.orders", "name": "orders", "resource_type": "model", "package_name": "shop",
        "original_file_path": "models/orders.sql", "schema": "main", "alias": "orders",
        "relation_name": "db.main.orders", "columns": {"amount": {"name": "amount"}},
    });
    let manifest = serde_json::json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop",
            "adapter_type": "duckdb",
        },
        "nodes": {"model.shop.orders": orders}, "sources": {},
    });
    project
        .write("dbt_project.yml", "name: shop\n")
        .write(".gitignore", "target/\n")
        .write("target/manifest.json", manifest.to_string());
    commit(&project, "a project of dbt");
    project
}

/// A push does not commit the Omni model of the project's folder, so `plan` reports that Omni agrees only after a
/// person commits it.
#[test]
fn the_files_of_a_pull_are_committed_before_omni_agrees() {
    let project = project_with_manifest("agreement_pulled");
    let command = "`git add omni .formulac/state/omni && git commit`";
    let pulled = project.succeed(&["pull"]).err;
    assert!(
        pulled.ends_with(&format!(" in omni/\ncommit these files: {command}\n")),
        "{pulled}"
    );
    let open = format!("Specs and dbt agree. Files of the Omni model are not committed: run {command}.\n");
    for args in [&["plan"][..], &["push", "--yes"], &["plan", "--markdown"]] {
        let out = project.succeed(args).out;
        assert!(out.starts_with(&open), "{args:?}: {out}");
    }
    commit(&project, "pulled");
    assert_eq!(
        project.succeed(&["plan", "--markdown"]).out,
        "Specs, dbt and Omni agree.\n"
    );
    assert_eq!(
        project.succeed(&["pull"]).err.lines().last(),
        Some("everything is up to date")
    );
}

/// `status` reports a field that a spec and Omni both define, so `plan` does not say that Omni agrees.
#[test]
fn omni_does_not_agree_if_it_defines_a_field_of_a_spec() {
    let project = create_project("agreement_duplicates");
    edit(
        &project,
        "metrics/revenue.yml",
        "columns:\n",
        "columns:\n  revenue: {meta: {promoted_from: orders.revenue}}\n",
    );
    project.write(
        "omni/main/orders.view.yaml",
        "schema: main\ntable_name: orders\nmeasures:\n  revenue: {sql: '${TABLE}.amount', aggregate_type: sum}\n",
    );
    commit(&project, "promoted");
    project.succeed(&["push", "--yes"]);
    let open = "Specs and dbt agree. Specs and Omni both define 1 field: run `formulac status`.\n";
    assert_eq!(project.succeed(&["plan", "--markdown"]).out, open);
    edit(
        &project,
        "formulac.yml",
        "dialect: duckdb\n",
        "dialect: duckdb\nlint: {W0712: off}\n",
    );
    assert_eq!(
        project.succeed(&["plan", "--markdown"]).out,
        "Specs, dbt and Omni agree.\n"
    );
}

/// The first pull of a project without `omni:` does not silently start a second Omni model.
#[test]
fn a_pull_names_the_omni_model_that_it_does_not_read() {
    let project = project_with_manifest("agreement_other_model");
    project.write("bi/omni/orders.view.yaml", "schema: main\ntable_name: orders\n");
    commit(&project, "an Omni model");
    let warning = "warning: the repository already has 1 view file of an Omni model, which this pull does not read: \
                   bi/omni; to use that model, move its folder into the project, unless it is already there, and write \
                   `omni: FOLDER` in formulac.yml\n";
    let pulled = project.succeed(&["pull"]).err;
    assert!(pulled.contains(warning) && pulled.contains(" in omni/\n"), "{pulled}");
    assert!(!project.succeed(&["pull"]).err.contains("an Omni model"));
}

/// The catalog determines whether the type of a column is known. The column itself does not change.
#[test]
fn a_type_that_becomes_known_is_no_change_of_type() {
    let project = project_with_manifest("agreement_types");
    let pull = |data_type: &str| {
        let column = serde_json::json!({"name": "amount", "type": data_type, "index": 1});
        let node = serde_json::json!({
            "unique_id": "model.shop.orders", "metadata": {"type": "BASE TABLE", "schema": "main", "name": "orders"},
            "columns": {"amount": column}, "stats": {},
        });
        let catalog = serde_json::json!({
            "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/catalog/v1.json"},
            "nodes": {"model.shop.orders": node}, "sources": {},
        });
        project.write("target/catalog.json", catalog.to_string());
        project.succeed(&["pull"]).out
    };
    project.succeed(&["pull"]);
    assert!(!pull("INTEGER").contains("type"));
    let changed = pull("DOUBLE");
    assert!(changed.contains("amount: INTEGER → DOUBLE\n"), "{changed}");
}
