//! Tests changes to metric sets: manual edits to SQL that a metric set defines, effects in plans, impact and approvers.

use serde_json::{Value, json};

use crate::repository::{begin, commit, edit, git, snapshot, switch_user};
use crate::roles;
use crate::run::TestProject;

const ORDERS: &str = "\
metric_set: orders
from: ref('stg_orders')
time: ordered_at
definitions: |
  /// Revenue before tax
  revenue = SUM(amount)
  order_count = COUNT(order_id)
  aov = revenue / order_count
";
const BY_MONTH: &str = "model: by_month\nmetrics: [orders.revenue, orders.aov]\ngroup_by: month\ncolumns: {ordered_at_month: {data_tests: [not_null]}}\n";
const TOTAL: &str = "model: total\nmetrics: [orders.order_count, orders.aov]\n";

/// Creates a repository with a metric set and two models built on it.
fn project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project.write("formulac.yml", "dialect: duckdb\nspecs: specs/\n");
    project.write(
        "dbt_project.yml",
        "name: shop\nmodel-paths: [models]\ntest-paths: [tests]\n",
    );
    project.write(".gitignore", "target/\n");
    for folder in ["models", "tests"] {
        project.write(&format!("{folder}/.gitkeep"), "");
    }
    project.write("specs/orders.yml", ORDERS);
    project.write("specs/by_month.yml", BY_MONTH);
    project.write("specs/total.yml", TOTAL);
    begin(&project);
    project
}

fn push(project: &TestProject) {
    let run = project.run(&["push", "--yes", "--quiet", "--no-parse"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
}

#[test]
fn a_manual_edit_of_a_metric_is_resolved_in_the_set_or_in_the_model() {
    let mut place = project("set_changes_resolve");
    push(&place);
    let generated = place.read("models/formulac/by_month.sql");
    edit(
        &place,
        "models/formulac/by_month.sql",
        "sum(amount)",
        "sum(amount - tax)",
    );
    edit(
        &place,
        "models/formulac/by_month.sql",
        ", 0) as aov",
        ", 0) * 1.5 as aov",
    );
    commit(&place, "By hand");
    place
        .show(&["plan"])
        .show(&["resolve", "by_month.aov", "--theirs"])
        .show(&["resolve", "by_month.revenue", "--to-model"])
        .show(&["resolve", "by_month.aov", "--to-model"])
        .show(&["resolve", "by_month.revenue", "--to-set"])
        .show(&["plan", "--quiet"]);
    snapshot(&place, "set_changes__resolve");
    assert_eq!(place.read("models/formulac/by_month.sql"), generated);
    assert_eq!(
        place.read("specs/orders.yml"),
        ORDERS.replace("SUM(amount)", "SUM(amount - tax)")
    );
    let spec = "metrics: [orders.revenue, orders.aov]\noverrides: [aov]\n";
    let by_month = place.read("specs/by_month.yml");
    assert!(
        by_month.contains(spec) && by_month.contains("definitions: aov = aov * 1.5\n"),
        "{by_month}"
    );
    push(&place);
    for (file, part) in [
        ("by_month", "sum(amount - tax)"),
        ("by_month", "* 1.5 as aov"),
        ("total", "sum(amount - tax)"),
    ] {
        let sql = place.read(&format!("models/formulac/{file}.sql"));
        assert!(sql.contains(part), "{sql}");
    }
    assert_eq!(git(&place, &["status", "--porcelain"]), "");
    let run = place.run(&["rollback", "1", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert_eq!(place.read("specs/orders.yml"), ORDERS);
    assert_eq!(place.read("models/formulac/by_month.sql"), generated);
}

/// If no formula expresses the edit, `--ours` is the only resolution. The rejected edit is kept in a backup.
#[test]
fn an_edit_without_a_formula_can_only_be_removed() {
    let project = project("set_changes_ours");
    push(&project);
    let generated = project.read("models/formulac/by_month.sql");
    edit(
        &project,
        "models/formulac/by_month.sql",
        "coalesce(sum(amount), 0)",
        "my_udf(amount)",
    );
    let plan = project.run(&["plan", "--json"]);
    assert_eq!(plan.exit, 3, "{}", plan.err);
    let set = &plan.json()["models"][0]["conflicts"][0]["set"];
    let reason = "no formula expresses the function `my_udf`; a dbt model that the spec reads can compute it";
    let none = json!({"formula": null, "refused": reason, "changes": [], "rewritten": null});
    assert_eq!(
        *set,
        json!({
            "set": "orders", "name": "revenue", "is_filter": false, "file": "specs/orders.yml", "line": 6,
            "to_set": none, "to_model": none,
        })
    );
    for (side, exit, expected) in [("--to-set", 3, reason), ("--edit", 2, "--ours, --to-set or --to-model")] {
        let run = project.run(&["resolve", "by_month.revenue", side]);
        assert!(run.exit == exit && run.err.contains(expected), "{side}: {}", run.err);
    }
    let run = project.run(&["resolve", "by_month.revenue", "--ours"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert_eq!(project.read("models/formulac/by_month.sql"), generated);
    assert_eq!(project.files(".formulac/local/undone").len(), 1);
}

/// A model may read a metric that it does not list. In this case, the name of the edited column can differ from the
/// name of the metric.
#[test]
fn a_metric_that_the_model_does_not_list_is_resolved_in_the_set() {
    let project = project("set_changes_unlisted");
    let set = ORDERS.replace("order_count", "orders_placed");
    project.write("specs/orders.yml", &set);
    project.write("specs/total.yml", TOTAL.replace("order_count", "orders_placed"));
    commit(&project, "Another name");
    push(&project);
    let generated = project.read("models/formulac/by_month.sql");
    let count = ("count(order_id)", "count(distinct order_id)");
    edit(&project, "models/formulac/by_month.sql", count.0, count.1);
    let plan = project.run(&["plan"]);
    assert!(
        plan.out
            .contains("by_month.order_count (formula of orders.orders_placed in a metric set)"),
        "{}",
        plan.out
    );
    let run = project.run(&["resolve", "by_month.orders_placed", "--to-set"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let wanted = set.replace("COUNT(order_id)", "COUNTUNIQUE(order_id)");
    assert_eq!(project.read("specs/orders.yml"), wanted);
    assert_eq!(project.read("models/formulac/by_month.sql"), generated);
    push(&project);
    for model in ["by_month", "total"] {
        let sql = project.read(&format!("models/formulac/{model}.sql"));
        assert!(sql.contains(count.1), "{sql}");
    }
}

/// Each edited clause of a metric set has a separate name, so that the clauses can be resolved separately.
#[test]
fn clauses_of_a_set_are_resolved_one_by_one() {
    let project = project("set_changes_clauses");
    let set = ORDERS.replace("time:", "where: amount > 0\ntime:");
    project.write("specs/orders.yml", &set);
    commit(&project, "A condition");
    push(&project);
    let generated = project.read("models/formulac/by_month.sql");
    for (from, to) in [
        ("amount > 0", "amount > 10"),
        ("ref('stg_orders')", "ref('stg_orders_v2')"),
    ] {
        edit(&project, "models/formulac/by_month.sql", from, to);
    }
    let plan = project.run(&["plan"]);
    assert_eq!(plan.exit, 3, "{}", plan.err);
    for name in ["by_month:orders.where", "by_month:orders.from"] {
        assert!(
            plan.out.contains(&format!("formulac resolve {name} --ours")),
            "{}",
            plan.out
        );
    }
    for (name, side) in [
        ("by_month:orders.from", "--ours"),
        ("by_month:orders.where", "--to-set"),
    ] {
        let run = project.run(&["resolve", name, side]);
        assert_eq!(run.exit, 0, "{name}: {}", run.err);
    }
    assert_eq!(project.read("models/formulac/by_month.sql"), generated);
    assert_eq!(
        project.read("specs/orders.yml"),
        set.replace("amount > 0", "amount > 10")
    );
}

/// Writes a manifest in which an exposure reads `by_month` through another model.
fn write_manifest(project: &TestProject, models: &[&str]) {
    let node = |name: &str, reads: &str| {
        json!({
            "unique_id": format!("model.shop.{name}"), "name": name, "resource_type": "model", "package_name": "shop",
            "path": format!("{name}.sql"), "original_file_path": format!("models/{name}.sql"), "fqn": ["shop", name],
            "columns": {}, "config": {}, "depends_on": {"nodes": [reads], "macros": []}, "raw_code": "select 1",
        })
    };
    let types = [
        ("ordered_at", "timestamp"),
        ("amount", "double"),
        ("tax", "double"),
        ("order_id", "integer"),
    ];
    let columns = types.map(|(name, ty)| (name.to_owned(), json!({"name": name, "data_type": ty})));
    let mut orders = node("stg_orders", "");
    orders["columns"] = Value::Object(columns.into_iter().collect());
    let mut nodes = serde_json::Map::new();
    nodes.insert("model.shop.stg_orders".to_owned(), orders);
    nodes.insert("model.shop.board".to_owned(), node("board", "model.shop.by_month"));
    for name in models {
        nodes.insert(format!("model.shop.{name}"), node(name, "model.shop.stg_orders"));
    }
    let manifest = json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop",
            "adapter_type": "duckdb",
        },
        "nodes": nodes, "sources": {},
        "exposures": {"exposure.shop.weekly": {
            "unique_id": "exposure.shop.weekly", "name": "weekly", "resource_type": "exposure", "package_name": "shop",
            "type": "dashboard", "owner": {"name": "finance"}, "path": "e.yml", "original_file_path": "models/e.yml",
            "fqn": ["shop", "weekly"], "depends_on": {"nodes": ["model.shop.board"], "macros": []},
        }},
    });
    project.write("target/manifest.json", manifest.to_string());
}

#[test]
fn a_plan_lists_the_effects_of_a_changed_set_on_each_model() {
    let mut place = project("set_changes_effects");
    write_manifest(&place, &["by_month"]);
    let incremental = "group_by: month\nconfig: {materialized: incremental, event_time: ordered_at_month, unique_key: [ordered_at_month]}\n";
    edit(&place, "specs/by_month.yml", "group_by: month\n", incremental);
    edit(
        &place,
        "specs/total.yml",
        "\nmetrics",
        "\ncontract: {enforced: true}\nmetrics",
    );
    commit(&place, "An incremental model and a contract");
    push(&place);
    edit(&place, "specs/orders.yml", "SUM(amount)", "SUM(amount - tax)");
    edit(&place, "specs/orders.yml", "COUNT(order_id)", "SUM(amount)");
    edit(&place, "specs/total.yml", ", orders.aov", "");
    place.show(&["plan", "--quiet"]);
    let effects = |place: &TestProject| {
        let plan = place.run(&["plan", "--json"]).json();
        let models = plan["models"].as_array().unwrap().clone();
        models
            .iter()
            .map(|model| model["effects"].clone())
            .collect::<Vec<Value>>()
    };
    let contract = ["removes `aov`", "changes `order_count` from bigint to double"];
    assert_eq!(
        effects(&place),
        [
            json!({"full_refresh": true, "contract": [], "exposures": ["weekly"]}),
            json!({"full_refresh": false, "contract": contract, "exposures": null}),
        ]
    );
    let markdown = place.run(&["plan", "--markdown"]).out;
    assert!(
        markdown.contains("**Effects**: needs `dbt build --full-refresh`, because its table is incremental; feeds"),
        "{markdown}"
    );
    // A plan can be pushed after dbt has written another manifest.
    place.succeed(&["plan", "--output", "plan.json"]);
    write_manifest(&place, &["by_month", "total"]);
    assert_eq!(effects(&place)[1]["exposures"], json!([]));
    let run = place.run(&["push", "plan.json", "--yes", "--no-parse"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    // Exposures are unknown without a manifest. A changed description has no effects.
    std::fs::remove_file(place.path("target/manifest.json")).unwrap();
    edit(&place, "specs/orders.yml", "before tax", "after tax");
    edit(&place, "specs/total.yml", "contract: {enforced: true}\n", "");
    place.show(&["plan", "--quiet"]);
    snapshot(&place, "set_changes__effects");
}

/// A change to a definition that no model reads does not change models or states.
#[test]
fn a_new_definition_changes_no_model() {
    let project = project("set_changes_new_definition");
    push(&project);
    let more = "  aov = revenue / order_count\n  largest = MAX(amount)\n  is_large = amount > 100\n";
    edit(&project, "specs/orders.yml", "  aov = revenue / order_count\n", more);
    let run = project.run(&["plan"]);
    assert!(
        run.exit == 0
            && run
                .out
                .ends_with("Plan: 0 to create, 0 to update, 0 to delete, 0 conflicts; 1 metric set to commit\n"),
        "{}",
        run.out
    );
}

#[test]
fn impact_names_a_changed_metric_once() {
    let project = project("set_changes_impact");
    edit(&project, "specs/orders.yml", "SUM(amount)", "SUM(amount - tax)");
    let run = project.run(&["impact", "--since", "HEAD"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let line = "differs: orders.revenue formula: SUM(amount) → SUM(amount - tax) (in by_month, total)";
    let differences: Vec<&str> = run.out.lines().filter(|line| line.starts_with("differs")).collect();
    assert_eq!(differences, [line], "{}", run.out);
    for changed in [
        "by_month.revenue: the values change",
        "by_month.aov: the values change",
        "total.aov: the values change",
    ] {
        assert!(run.out.contains(changed), "{changed}: {}", run.out);
    }
    assert!(!run.out.contains("total.order_count"), "{}", run.out);
}

/// `impact` with a name assumes that only values change, so it refers to the commands that analyze uncommitted changes.
#[test]
fn impact_of_a_name_mentions_uncommitted_changes() {
    let project = project("set_changes_uncommitted");
    let note = "the report assumes that only values change, but specs/orders.yml has uncommitted changes; run `formulac \
                impact --since HEAD` or `formulac plan` to see the effects of these changes\n";
    let reports = |args: &[&str]| project.succeed(args).err.contains(note);
    assert!(!reports(&["impact", "metric:orders.revenue"]));
    edit(&project, "specs/orders.yml", "SUM(amount)", "SUM(amount) + 0.5");
    assert!(reports(&["impact", "metric:orders.revenue"]));
    assert!(reports(&["impact", "by_month.revenue"]));
    assert!(!reports(&["impact", "metric:orders.revenue", "--type-changed"]));
    assert!(!reports(&["impact", "--since", "HEAD"]));
    let write_specs = |metric: &str| {
        for name in ["a", "b", "c"] {
            let spec = format!("model: {name}\nmetrics: [orders.revenue, orders.{metric}]\n");
            project.write(&format!("specs/{name}.yml"), spec);
        }
    };
    write_specs("aov");
    commit(&project, "models");
    write_specs("order_count");
    edit(&project, "specs/orders.yml", " + 0.5", "");
    let note = note.replace("orders.yml has", "a.yml, specs/b.yml, specs/c.yml and 1 more have");
    let err = project.succeed(&["impact", "metric:orders.revenue"]).err;
    assert!(err.contains(&note), "{err}");
}

/// A change to a metric set requires the approval of its approvers and of the approvers of each model whose SQL
/// changes.
#[test]
fn a_change_to_a_set_needs_the_approvers_of_the_set_and_of_each_changed_model() {
    let project = roles::create_project("set_changes_approvers");
    for (file, text) in [("orders", ORDERS), ("by_month", BY_MONTH), ("total", TOTAL)] {
        project.write(&format!("metrics/{file}.yml"), text);
    }
    let count = "model: order_count\nmetrics: [orders.order_count]\napprovers: [ann@example.com]\n";
    project.write("metrics/order_count.yml", count);
    edit(
        &project,
        "metrics/orders.yml",
        "time:",
        "approvers: [fay@example.com]\ntime:",
    );
    edit(
        &project,
        "metrics/total.yml",
        "\nmetrics",
        "\napprovers: [gus@example.com]\nmetrics",
    );
    commit(&project, "sets");
    switch_user(&project, "eve");
    push(&project);
    git(&project, &["switch", "--quiet", "-c", "after-tax"]);
    edit(&project, "metrics/orders.yml", "SUM(amount)", "SUM(amount - tax)");
    let markdown = project.run(&["plan", "--markdown"]).out;
    let needs = "an approval of `metrics/orders.yml` by fay@example.com, an approval of `metrics/total.yml` by";
    assert!(markdown.contains(needs), "{markdown}");
    assert!(!markdown.contains("metrics/order_count.yml"), "{markdown}");
    commit(&project, "after tax");
    let run = project.run(&["authorize", "--base", "main", "--json"]);
    let lacks = run.json()["approvals"]["lacks"].to_string();
    for (path, is_asked) in [
        ("metrics/orders.yml by fay@example.com", true),
        ("metrics/total.yml by gus@example.com", true),
        ("metrics/order_count.yml", false),
    ] {
        assert_eq!(lacks.contains(path), is_asked, "{path}: {lacks}");
    }
}
