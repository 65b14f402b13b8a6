//! `formulac impact` and `formulac lineage`.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::run::{Place, artifact};

const VIEW: &str = "schema: analytics\ntable_name: fct_orders\ndimensions:\n  order_id: {primary_key: true}\n  order_total: {}\n  is_large: {sql: '${order_total} > 1000'}\nmeasures:\n  revenue: {sql: '${order_total}', aggregate_type: sum}\n";
const SPEC: &str = "model: daily_revenue\nfrom: ref('fct_orders')\nsteps:\n  - name: days\n    where: order_total > 0\n    group_by: order_date\n    definitions: |\n      half = SUM(order_total) / 2\n      orders = COUNT()\n  - name: shares\n    keep: [order_date, orders]\n    definitions: |\n      /// Twice the half.\n      revenue = half * 2\n";

/// The fixture project with an Omni view, a topic and a spec that dbt does not know yet.
fn place(name: &str) -> Place {
    let place = Place::new(name);
    for file in ["manifest.json", "catalog.json", "run_results.json"] {
        place.write(&format!("target/{file}"), artifact(file));
    }
    place.write("dbt_project.yml", "name: acme_analytics\nprofile: acme\n").write("formulac.yml", "dialect: duckdb\n");
    place.write("omni/analytics/fct_orders.view.yaml", VIEW).write("omni/orders.topic.yaml", "base_view: fct_orders\n");
    place.write("metrics/daily_revenue.yml", SPEC);
    place
}

/// What a call prints; how old the artifacts are is told beside it.
fn shown(place: &Place, args: &[&str]) -> String {
    let run = place.run(args);
    let err: Vec<&str> = run.err.lines().filter(|line| !line.contains(" old")).collect();
    let err = if err.is_empty() { String::new() } else { format!("\n! {}", err.join("\n! ")) };
    let exit = if run.exit == 0 { String::new() } else { format!("\nexit {}", run.exit) };
    format!("$ formulac {}\n{}{err}{exit}\n\n", args.join(" "), run.out.trim_end())
}

fn all(place: &Place, calls: &[&[&str]]) -> String {
    calls.iter().map(|call| shown(place, call)).collect()
}

#[test]
fn names_and_what_they_reach() {
    let place = place("impact");
    insta::assert_snapshot!(all(
        &place,
        &[
            &["impact", "stg_orders.order_total"],
            &["impact", "source.acme_analytics.landing.web_events"],
            &["impact", "landing.web_events.event_type"],
            &["impact", "stg_customers.customer_segment", "--removed"],
            &["impact", "dim_customers.signup_date", "--type-changed"],
            &["impact", "stg_sessions.device"],
            &["impact", "daily_revenue.half"],
            &["impact", "dim_customers", "--removed", "--fail-on", "breaking"],
        ]
    ));
}

#[test]
fn names_that_mean_nothing_or_several_things() {
    let place = place("impact_names");
    insta::assert_snapshot!(all(
        &place,
        &[
            &["impact", "fct_order"],
            &["impact", "fct_orders.order_totl"],
            &["impact", "customer_id"],
            &["impact", "daily_revenue.halv"],
            &["impact", "nothing.like.it"],
            &["impact"],
            &["impact", "fct_orders", "--since", "HEAD"],
        ]
    ));
}

#[test]
fn forms() {
    let place = place("impact_forms");
    insta::assert_snapshot!(all(
        &place,
        &[
            &["impact", "fct_orders.order_total", "--format", "markdown"],
            &["impact", "fct_orders.order_total", "--format", "mermaid"],
            &["impact", "fct_orders.order_total", "--format", "dot"],
            &["impact", "stg_sessions.device", "--json"],
        ]
    ));
    let run = place.run(&["impact", "fct_orders.order_total", "--out", "impact.html"]);
    assert_eq!((run.exit, run.out.as_str()), (0, ""));
    let page = place.read("impact.html");
    for told in [
        "<h1 class=\"changing\">1 change alters values in",
        "had to be taken as a whole",
        "aria-live",
        "SUM(order_total) / 2",
    ] {
        assert!(page.contains(told), "{told}");
    }
    // Nothing is asked for from anywhere.
    for outside in ["http://", "https://", " src=", "@import", "url("] {
        assert!(!page.replace("http://www.w3.org/2000/svg", "").contains(outside), "{outside}");
    }
}

#[test]
fn lineage_up_and_down() {
    let place = place("lineage");
    insta::assert_snapshot!(all(
        &place,
        &[
            &["lineage", "customer_metrics.lifetime_value"],
            &["lineage", "fct_orders", "--depth", "1"],
            &["lineage", "orders.order_total", "--down"],
            &["lineage", "daily_revenue.revenue", "--up"],
            &["lineage", "stg_orders.order_total", "--up", "--format", "mermaid"],
            &["lineage", "stg_orders.order_total", "--up", "--format", "dot"],
            &["lineage", "stg_orders.order_total", "--up", "--json"],
        ]
    ));
}

fn git(place: &Place, args: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(place.path("")).args(["-c", "user.name=t", "-c", "user.email=t@example.com"]).args(args);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn since_a_revision() {
    let place = place("impact_since");
    let sql = "select\n    order_id,\n    order_total,\n    order_date\nfrom {{ ref('stg_orders') }}\nwhere order_total is not null\n";
    let yml = "models:\n  - name: fct_orders\n    description: Orders\n    columns:\n      - {name: order_id, data_type: integer}\n";
    place.write("models/fct_orders.sql", sql).write("models/fct.yml", yml).write(".gitignore", "target/\n");
    git(&place, &["init", "-q"]);
    git(&place, &["add", "-A"]);
    git(&place, &["commit", "-qm", "first"]);
    let since = ["impact", "--since", "HEAD"];
    let mut out = shown(&place, &since);
    let mut with = |title: &str, file: &str, text: String, back: &str| {
        place.write(file, text);
        out.push_str(&format!("=== {title}\n{}", shown(&place, &since)));
        place.write(file, back);
    };
    let spec = "metrics/daily_revenue.yml";
    with("a formula", spec, SPEC.replace("half * 2", "half * 3"), SPEC);
    with("other words", spec, SPEC.replace("half * 2", "(half * 2)"), SPEC);
    with("a description", spec, SPEC.replace("Twice the half", "All of it"), SPEC);
    with("rows", spec, SPEC.replace("> 0", "> 1"), SPEC);
    with("a column less", spec, SPEC.replace("orders]", "]").replace("order_date, ]", "order_date]"), SPEC);
    let model = "models/fct_orders.sql";
    with("layout of SQL", model, format!("-- a comment\n{}", sql.replace('\n', "\n  ")), sql);
    with("a column of SQL", model, sql.replace("    order_total,", "    order_total * 2 as order_total,"), sql);
    with("a column gone from SQL", model, sql.replace("    order_total,\n", ""), sql);
    with("Jinja", model, format!("{{% if true %}}{sql}{{% endif %}}"), sql);
    with("a description in YAML", "models/fct.yml", yml.replace("Orders", "All orders"), yml);
    with("a type in YAML", "models/fct.yml", yml.replace("integer", "bigint"), yml);
    let gone = || {
        fs::remove_file(place.path(spec)).unwrap();
        let text = shown(&place, &since);
        place.write(spec, SPEC);
        text
    };
    let gone = gone();
    out.push_str(&format!("=== a spec gone\n{gone}"));
    for revision in ["-n", "--output=x", "nowhere"] {
        out.push_str(&shown(&place, &["impact", "--since", revision]));
    }
    insta::assert_snapshot!(out);
}

/// Names that try to be something else in each form.
#[test]
fn hostile_names_stay_names() {
    const EVIL: &str = "</script><img src=x onerror=alert(1)>|`\"'\\\n\u{1b}[31m]--> n0[x]\u{202e}{{x}}&amp;";
    let place = Place::new("impact_hostile");
    let column = |name: &str| json!({"name": name, "description": EVIL});
    let model = |id: &str, name: &str, sql: &str, read: Value| {
        json!({"unique_id": id, "name": name, "resource_type": "model", "package_name": EVIL, "relation_name": format!("\"d\".\"{id}\""),
            "description": EVIL, "columns": {"a": column("a")}, "config": {"meta": {"owner": EVIL}}, "raw_code": format!("{sql} -- {EVIL}"),
            "compiled_code": sql, "original_file_path": EVIL, "depends_on": {"nodes": read}})
    };
    let nodes = json!({
        "model.x.first": model("model.x.first", "first", "select 1 as a", json!([])),
        "model.x.evil": model("model.x.evil", EVIL, "select a from \"d\".\"model.x.first\"", json!(["model.x.first"])),
        "model.x.blind": model("model.x.blind", "blind", EVIL, json!(["model.x.first"])),
        "test.x.t": {"unique_id": "test.x.t", "name": EVIL, "resource_type": "test", "test_metadata": {"name": EVIL, "kwargs": {"column_name": "a"}},
            "attached_node": "model.x.first", "column_name": "a", "depends_on": {"nodes": ["model.x.first"]}},
    });
    let manifest = json!({"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "adapter_type": "duckdb"},
        "nodes": nodes, "exposures": {"exposure.x.e": {"unique_id": "exposure.x.e", "name": EVIL, "owner": {"name": EVIL}, "depends_on": {"nodes": ["model.x.evil"]}}}});
    let results = json!({"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json"}, "results": [{"unique_id": "test.x.t", "status": EVIL}]});
    place.write("dbt_project.yml", "name: x\n").write("target/manifest.json", manifest.to_string());
    place.write("target/run_results.json", results.to_string());
    place.write(
        "omni/first.view.yaml",
        format!("table_name: first\ndimensions: {{a: {{sql: {}}}}}\n", json!("a </script>|")),
    );
    let run = |format: &str| {
        let run = place.run(&["impact", "first.a", "--format", format]);
        assert_eq!(run.exit, 0, "{}", run.err);
        run.out
    };
    let page = run("html");
    assert_eq!(page.matches("<script").count(), 2, "only its own");
    assert_eq!(page.matches("</script>").count(), 2);
    assert!(!page.contains("<img") && !page.contains('\u{1b}') && !page.contains('\u{202e}'));
    let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert!(data["nodes"].as_array().unwrap().iter().any(|node| node["label"].as_str().unwrap().starts_with(EVIL)));
    // Each row of the table has its five cells, and nothing else is a row.
    let markdown = run("markdown");
    let rows: Vec<&str> = markdown.lines().filter(|line| line.starts_with('|')).collect();
    for row in &rows {
        assert_eq!(row.replace("\\\\", "").replace("\\|", "").matches('|').count(), 6, "{row}");
    }
    assert_eq!(rows.len(), 2 + 5, "{markdown}");
    let plain: String = markdown.split("```mermaid").next().unwrap().split('`').step_by(2).collect();
    assert!(!plain.contains('<') && !plain.contains('\u{1b}'), "{plain}");
    let mermaid = run("mermaid");
    for line in mermaid.lines().skip(1) {
        let line = line.trim();
        let is_edge = line.split(" --> ").all(|end| end.strip_prefix('n').is_some_and(|n| n.parse::<usize>().is_ok()));
        let is_node = line.matches('"').count() == 2
            && line.matches('[').count() == 1
            && line.matches('<').count() <= 2
            && !line.contains('\u{1b}');
        assert!(is_edge || is_node || line.starts_with("classDef "), "{line}");
    }
    let dot = run("dot");
    for line in dot.lines().filter(|line| line.contains("label=")) {
        assert_eq!(line.replace("\\\\", "").replace("\\\"", "").matches('"').count() % 2, 0, "{line}");
        assert!(line.ends_with("];") && !line.contains('\u{1b}'), "{line}");
    }
    assert!(!run("json").contains('\u{1b}'));
    let lineage = place.run(&["lineage", "first", "--format", "mermaid"]).out;
    assert!(!lineage.contains("<img") && !lineage.contains('\u{1b}'));
    let tree = run("tree");
    assert!(!tree.contains('\u{1b}') && !tree.contains('\u{202e}'));
    // A name with a line break is one line.
    assert_eq!(tree.lines().count(), 3 + 5, "{tree}");
}
