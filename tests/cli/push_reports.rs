//! Tests the reports about a push in `formulac status` and in the merge request.

use std::fs;

use crate::push::{PROJECT, create_project, snapshot};
use crate::repository::{commit, edit, git};

#[test]
fn status_shows_what_a_push_would_do() {
    let mut project = create_project("push_status");
    project.write("dbt_project.yml", "name: shop\n");
    project.run(&["push", "--yes"]);
    project.show(&["status"]);
    project.write(
        "metrics/lines.yml",
        "model: lines\nfrom: orders\nkeep: all\ndefinitions: net = amount - tax\n",
    );
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(tax)");
    edit(
        &project,
        "models/formulac/share.sql",
        "revenue / nullif",
        "2 * revenue / nullif",
    );
    fs::remove_file(project.path("metrics/share.yml")).unwrap();
    // Omni has a measure with the same name.
    project.write(
        "omni/orders.view.yaml",
        "schema: main\ntable_name: orders\ndimensions: {tax: {}, country: {}}\nmeasures:\n  revenue: {aggregate_type: sum, sql: '${tax}'}\n",
    );
    assert_eq!(
        project
            .run(&[
                "promote",
                "orders.view.yaml:revenue",
                "--grain",
                "country",
                "--name",
                "promoted"
            ])
            .exit,
        0
    );
    project.show(&["status"]);
    git(&project, &["checkout", "--", "metrics", "models"]);
    edit(&project, "models/formulac/revenue.yml", "Before tax.", "Before taxes.");
    edit(&project, "metrics/revenue.yml", "Before tax.", "Before any tax.");
    project.show(&["status"]).show(&["status", "--json"]);
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUMM(amount)");
    project.show(&["status"]);
    snapshot(&project, "status_shows_what_a_push_would_do");
}

#[test]
fn a_merge_request_lists_changes_and_impact() {
    let mut project = create_project("push_request");
    project.run(&["push", "--yes", "--message", "Revenue"]);
    git(&project, &["switch", "--quiet", "--create", "trunk"]);
    let node = |name: &str, reads: &[&str], code: &str| {
        serde_json::json!({
            "unique_id": format!("model.shop.{name}"), "name": name, "resource_type": "model", "package_name": "shop",
            "path": format!("{name}.sql"), "original_file_path": format!("models/{name}.sql"), "fqn": ["shop", name],
            "database": "db", "schema": "main", "alias": name, "relation_name": format!("db.main.{name}"),
            "columns": {}, "config": {"materialized": "table"}, "depends_on": {"nodes": reads, "macros": []},
            "raw_code": code, "compiled_code": code,
        })
    };
    let columns = serde_json::json!({
        "amount": {"name": "amount", "data_type": "double"}, "tax": {"name": "tax", "data_type": "double"},
        "country": {"name": "country", "data_type": "varchar"}, "customer_id": {"name": "customer_id", "data_type": "integer"},
    });
    let mut orders = node("orders", &[], "select 1 as amount");
    orders["columns"] = columns;
    let board = "select country, revenue, customers from db.main.revenue";
    let manifest = serde_json::json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop",
            "adapter_type": "duckdb",
        },
        "nodes": {
            "model.shop.orders": orders,
            "model.shop.revenue": node("revenue", &["model.shop.orders"], "select 1 as revenue"),
            "model.shop.share": node("share", &["model.shop.revenue"], "select 1 as share"),
            "model.shop.board": node("board", &["model.shop.revenue"], board),
        },
        "sources": {},
        "exposures": {"exposure.shop.weekly": {
            "unique_id": "exposure.shop.weekly", "name": "weekly", "label": "Weekly | *revenue*", "resource_type": "exposure",
            "package_name": "shop", "type": "dashboard", "owner": {"email": "finance@example.com", "name": "@all"},
            "path": "e.yml", "original_file_path": "models/e.yml", "fqn": ["shop", "weekly"],
            "depends_on": {"nodes": ["model.shop.board"], "macros": []},
        }},
    });
    project
        .write("dbt_project.yml", "name: shop\n")
        .write("target/manifest.json", manifest.to_string());
    project.write(".gitignore", "target/\n");
    let settings = PROJECT.replace("branch: main", "branch: trunk");
    project.write(
        "formulac.yml",
        format!("{settings}approvals: {{prod: {{engineer: 1, business: 2}}}}\n"),
    );
    project.write(
        "omni/board.view.yaml",
        "schema: main\ntable_name: board\ndimensions:\n  revenue: {sql: '${TABLE}.revenue'}\n",
    );
    commit(&project, "a project of dbt");
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(amount) - SUM(tax)");
    edit(
        &project,
        "metrics/revenue.yml",
        "// counted once",
        "/// Who bought `anything` | <b>at all</b>.",
    );
    project.show(&["--env", "prod", "plan", "--markdown"]);
    for (args, name) in [
        (
            &["--env", "prod", "push", "--yes", "--message", "revenue after tax, @all"][..],
            "quiet",
        ),
        (&["--env", "prod", "push", "--yes", "--json"][..], "json"),
    ] {
        let run = project.run(args);
        assert_eq!(run.exit, 0, "{}", run.err);
        let text = project.read(".formulac/local/merge_request.md");
        if name == "json" {
            let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
            assert_eq!(report["pushed"]["merge_request"], serde_json::json!(text));
        } else {
            assert!(run.out.ends_with(&text), "{}", run.out);
            assert!(
                run.err.contains("gh pr create --base trunk --head formulac/prod-"),
                "{}",
                run.err
            );
            insta::assert_snapshot!("push__merge_request", text);
        }
        // Start again from the first branch, with one more model.
        git(&project, &["switch", "--quiet", "--force", "trunk"]);
        project.write(
            "metrics/lines.yml",
            "model: lines\nfrom: orders\nkeep: all\ndefinitions: net = amount - tax\n",
        );
        edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(amount) * 2");
        fs::remove_file(project.path("metrics/share.yml")).unwrap();
    }
    project.show(&["--env", "prod", "plan", "--markdown"]);
    snapshot(&project, "a_merge_request_lists_changes_and_impact");
}

/// A different grain changes the meaning of all columns, although their formulas are the same.
#[test]
fn a_changed_grain_is_part_of_the_plan_and_the_log() {
    let project = create_project("push_grain");
    project.run(&["push", "--yes"]);
    edit(
        &project,
        "metrics/revenue.yml",
        "group_by: country",
        "group_by: [country, \"ordered_at[month]\"]",
    );
    for command in [&["plan"][..], &["push", "--yes"], &["log", "--limit", "1"]] {
        let run = project.run(command);
        assert!(
            run.out.contains("group_by: country → country, ordered_at[month]\n"),
            "{}{}",
            run.out,
            run.err
        );
    }
    assert!(!project.run(&["plan"]).out.contains("group_by"));
}

/// Conditions and limits change the rows, and rules change the tests, although all formulas are the same.
#[test]
fn changed_conditions_are_part_of_the_plan_and_the_log() {
    let project = create_project("push_conditions");
    project.run(&["push", "--yes"]);
    let clauses = "group_by: country\nwhere: amount > 20\nhaving: customers > 1\norder_by: country\nlimit: 5\n";
    edit(&project, "metrics/revenue.yml", "group_by: country\n", clauses);
    let lines = ["where: amount > 20\n", "having: customers > 1\n", "limit: 5\n"];
    for command in [&["plan"][..], &["push", "--yes"], &["log", "--limit", "1"]] {
        let run = project.run(command);
        assert!(
            lines.iter().all(|line| run.out.contains(line)),
            "{}{}",
            run.out,
            run.err
        );
    }
    edit(&project, "metrics/revenue.yml", "amount > 20", "amount > 30");
    let plan = project.run(&["plan"]);
    assert!(
        plan.out.contains("    where: amount > 20 → amount > 30\n"),
        "{}",
        plan.out
    );
    let steps = "model: revenue\nfrom: orders\nsteps:\n  - name: paid\n    group_by: country\n    where: amount > 0\n    \
                 definitions: revenue = SUM(amount)\n  - name: large\n    where: revenue > 1\n    keep: all\n    \
                 definitions: half = revenue / 2\n";
    project.write("metrics/revenue.yml", steps);
    project.succeed(&["push", "--yes"]);
    edit(&project, "metrics/revenue.yml", "amount > 0", "amount > 9");
    edit(&project, "metrics/revenue.yml", "revenue > 1", "revenue > 2");
    let plan = project.run(&["plan"]);
    for line in [
        "paid, where: amount > 0 → amount > 9\n",
        "    where: revenue > 1 → revenue > 2\n",
    ] {
        assert!(plan.out.contains(line), "{}", plan.out);
    }
}

/// A formatter in a hook, or a user, may have committed the spec with a different layout.
#[test]
fn a_new_layout_of_a_committed_spec_is_not_a_change() {
    let project = create_project("push_spec_layout");
    project.run(&["push", "--yes"]);
    edit(
        &project,
        "metrics/revenue.yml",
        "group_by: country",
        "group_by:   \"country\"  # the market",
    );
    let plan = project.run(&["plan"]).out;
    assert!(plan.contains("1 to update"), "{plan}");
    commit(&project, "Layout");
    let plan = project.run(&["plan"]).out;
    assert!(plan.contains("agree") && plan.contains("0 to update"), "{plan}");
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(amount - tax)");
    project.succeed(&["push", "--yes"]);
    assert!(project.read("models/formulac/revenue.sql").contains("amount - tax"));
}

/// `adopt` names the columns that it adds to the spec or removes from it, as `plan` does.
#[test]
fn adopt_names_the_columns() {
    let project = create_project("push_adopted_columns");
    project.succeed(&["push", "--yes"]);
    edit(
        &project,
        "models/formulac/revenue.sql",
        " as revenue,\n    count(distinct customer_id) as customers\n",
        " as revenue,\n    max(amount) as biggest\n",
    );
    let run = project.succeed(&["adopt", "--dry-run"]);
    let adopted: Vec<&str> = run.err.lines().filter(|line| line.starts_with("adopted")).collect();
    let expected = [
        "adopted the column `biggest` of revenue",
        "adopted the removal of the column `customers` of revenue",
    ];
    assert_eq!(adopted, expected, "{}", run.err);
}
