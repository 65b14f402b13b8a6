//! Tests `formulac impact` and `formulac lineage`.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::run::{TestProject, artifact};

const VIEW: &str = "schema: analytics\ntable_name: fct_orders\ndimensions:\n  order_id: {primary_key: true}\n  order_total: {}\n  is_large: {sql: '${order_total} > 1000'}\nmeasures:\n  revenue: {sql: '${order_total}', aggregate_type: sum}\n";
const SPEC: &str = "model: daily_revenue\nfrom: ref('fct_orders')\nsteps:\n  - name: days\n    where: order_total > 0\n    group_by: order_date\n    definitions: |\n      half = SUM(order_total) / 2\n      orders = COUNT()\n  - name: shares\n    keep: [order_date, orders]\n    definitions: |\n      /// Twice the half.\n      revenue = half * 2\n";

/// Creates the fixture project with an Omni view, a topic and a spec whose model is not in dbt yet.
fn create_project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    for file in ["manifest.json", "catalog.json", "run_results.json"] {
        project.write(&format!("target/{file}"), artifact(file));
    }
    project
        .write("dbt_project.yml", "name: acme_analytics\nprofile: acme\n")
        .write("formulac.yml", "dialect: duckdb\n");
    project
        .write("omni/analytics/fct_orders.view.yaml", VIEW)
        .write("omni/orders.topic.yaml", "base_view: fct_orders\n");
    project.write("metrics/daily_revenue.yml", SPEC);
    project
}

/// Returns the output of a command. The messages about the age of the artifacts are omitted, because the age differs
/// from run to run.
fn output_without_ages(project: &TestProject, args: &[&str]) -> String {
    let run = project.run(args);
    let err: Vec<&str> = run.err.lines().filter(|line| !line.contains(" old")).collect();
    let err = if err.is_empty() {
        String::new()
    } else {
        format!("\n! {}", err.join("\n! "))
    };
    let exit = if run.exit == 0 {
        String::new()
    } else {
        format!("\nexit {}", run.exit)
    };
    format!("$ formulac {}\n{}{err}{exit}\n\n", args.join(" "), run.out.trim_end())
}

fn all(project: &TestProject, calls: &[&[&str]]) -> String {
    calls.iter().map(|call| output_without_ages(project, call)).collect()
}

#[test]
fn impact_accepts_models_columns_and_sources() {
    let project = create_project("impact");
    insta::assert_snapshot!(all(
        &project,
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
fn unknown_and_ambiguous_names_are_reported() {
    let project = create_project("impact_names");
    insta::assert_snapshot!(all(
        &project,
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

/// Without a catalog, a source may have more columns than its properties describe.
#[test]
fn a_source_described_in_part_may_have_any_column() {
    let project = create_project("impact_part");
    std::fs::remove_file(project.path("target/catalog.json")).unwrap();
    project.succeed(&["impact", "landing.web_events.device_kind"]);
    let run = project.run(&["impact", "landing.web_events.event_idd"]);
    assert!(
        run.exit == 1 && run.err.contains("did you mean `landing.web_events.event_id`?"),
        "{}",
        run.err
    );
}

#[test]
fn output_formats() {
    let project = create_project("impact_forms");
    insta::assert_snapshot!(all(
        &project,
        &[
            &["impact", "fct_orders.order_total", "--format", "markdown"],
            &["impact", "fct_orders.order_total", "--format", "mermaid"],
            &["impact", "fct_orders.order_total", "--format", "dot"],
            &["impact", "stg_sessions.device", "--json"],
        ]
    ));
    let run = project.run(&["impact", "fct_orders.order_total", "-o", "impact.html"]);
    assert_eq!((run.exit, run.out.as_str()), (0, ""));
    let page = project.read("impact.html");
    for expected in [
        "<title>Impact of fct_orders.order_total – formulac impact</title>",
        "formulac impact · dbt project acme_analytics · manifest of 2026-",
        "<h1 class=\"changing\">1 change alters values in",
        "Column-level lineage is available for all",
        "aria-live",
        "SUM(order_total) / 2",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    // The page does not make requests to other hosts.
    for outside in ["http://", "https://", " src=", "@import", "url("] {
        assert!(
            !page.replace("http://www.w3.org/2000/svg", "").contains(outside),
            "{outside}"
        );
    }
}

/// The upstream lineage of a metric contains the columns that it reads, and the downstream lineage contains the models
/// that use it.
#[test]
fn lineage_of_metrics() {
    let project = create_project("lineage_metrics");
    project
        .write(
            "metrics/sales.yml",
            "metric_set: sales\nfrom: ref('fct_orders')\ntime: order_date\ndefinitions: |\n  \
             revenue = SUM(order_total)\n  order_count = COUNT()\n  aov = revenue / order_count\n  \
             buyers = COUNT(DISTINCT(customer_id))\n",
        )
        .write(
            "metrics/by_month.yml",
            "model: by_month\nmetrics: [sales.revenue, sales.aov]\ngroup_by: month\n",
        )
        .write(
            "metrics/large_days.yml",
            "model: large_days\nmetrics: [sales.order_count]\ngroup_by: day\nhaving: revenue > 100\n",
        );
    insta::assert_snapshot!(all(
        &project,
        &[
            &["lineage", "metric:sales.revenue"],
            &["lineage", "sales.order_count", "--depth", "1"],
            &["lineage", "sales.aov", "--down", "--json"],
            &["lineage", "metric:sales.buyers", "--format", "mermaid", "--depth", "1"],
            &["lineage", "metric_set:sales", "--depth", "1"],
            &["lineage", "metric:sales.revenu"],
            &["lineage", "metric:sale.revenue"],
        ]
    ));
}

/// The path of a spec or of a model's file can be used instead of the model's name.
#[test]
fn files_are_names_of_models() {
    let project = create_project("impact_files");
    project.write("models/marts/fct_orders.sql", "select 1 as order_id\n");
    for (file, name) in [
        ("metrics/daily_revenue.yml", "daily_revenue"),
        ("models/marts/fct_orders.sql", "fct_orders"),
    ] {
        for command in ["impact", "lineage"] {
            assert_eq!(
                project.succeed(&[command, file]).out,
                project.succeed(&[command, name]).out
            );
        }
    }
}

#[test]
fn lineage_up_and_down() {
    let project = create_project("lineage");
    insta::assert_snapshot!(all(
        &project,
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

/// Returns the fixture's manifest as it is after `dbt parse`, without compiled SQL.
fn parsed() -> Value {
    let mut manifest: Value = serde_json::from_str(&artifact("manifest.json")).unwrap();
    for node in manifest["nodes"].as_object_mut().unwrap().values_mut() {
        node["compiled_code"] = Value::Null;
    }
    manifest
}

/// Code with simple Jinja gives the same result as the SQL that dbt compiles. Other Jinja is reported, but only for the
/// model that contains it.
#[test]
fn before_dbt_compile() {
    let project = create_project("impact_parsed");
    let calls: [&[&str]; 4] = [
        &["lineage", "stg_orders.order_total", "--up"],
        &["lineage", "dim_customers.customer_segment", "--up"],
        &["lineage", "stg_customers.customer_segment", "--down"],
        &["impact", "customers.signup_date"],
    ];
    let compiled = all(&project, &calls);
    project.write("target/manifest.json", parsed().to_string());
    assert_eq!(all(&project, &calls), compiled);
    insta::assert_snapshot!(all(
        &project,
        &[
            &["impact", "stg_orders.order_total"],
            &["lineage", "fct_orders.order_total"],
            &["lineage", "daily_revenue.revenue", "--up"],
        ]
    ));
    // The catalog does not exist yet.
    fs::remove_file(project.path("target/catalog.json")).unwrap();
    insta::assert_snapshot!(
        "before_dbt_compile_and_docs",
        all(
            &project,
            &[
                &["lineage", "fct_orders.order_total"],
                &["impact", "stg_sessions.device"]
            ]
        )
    );
}

/// Before `dbt compile`, both variants of an incremental model are read: the first run and the later runs. DuckDB's
/// list comprehensions and `pivot … on` cannot be parsed. For a model with such SQL, only the lineage of the whole
/// model is known, and the report gives the reason.
#[test]
fn incremental_models_and_unreadable_sql_have_no_column_lineage() {
    let project = TestProject::new("impact_incremental");
    let node = |name: &str, code: &str, columns: &[&str]| {
        let id = format!("model.shop.{name}");
        let columns: serde_json::Map<String, Value> = columns
            .iter()
            .map(|column| ((*column).to_owned(), json!({"name": column})))
            .collect();
        let parents: &[&str] = if name == "orders" { &[] } else { &["model.shop.orders"] };
        let node = json!({
            "name": name, "resource_type": "model", "package_name": "shop", "unique_id": id, "columns": columns,
            "original_file_path": format!("models/{name}.sql"), "raw_code": code, "schema": "main",
            "relation_name": format!("\"db\".\"main\".\"{name}\""), "depends_on": {"nodes": parents},
        });
        (id, node)
    };
    let nodes: serde_json::Map<String, Value> = [
        node("orders", "select 1 as id, 2 as amount, 'a' as kind, date '2024-01-01' as day", &["id", "amount", "kind", "day"]),
        node("lists", "select [x + amount for x in list_value(id)] as l from {{ ref('orders') }}", &["l"]),
        node("pivoted", "pivot {{ ref('orders') }} on day using sum(amount) group by kind", &["kind"]),
        node(
            "daily",
            "select day, {% if is_incremental() %}sum(amount){% else %}sum(id){% endif %} as total from {{ ref('orders') }}\n\
             {% if is_incremental() %}where kind <> (select max(kind) from {{ this }}){% endif %}\ngroup by day",
            &["day", "total"],
        ),
    ]
    .into_iter()
    .collect();
    let metadata = json!({"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
                          "adapter_type": "duckdb", "project_name": "shop"});
    project.write(
        "target/manifest.json",
        json!({"metadata": metadata, "nodes": nodes}).to_string(),
    );
    project
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write("formulac.yml", "dialect: duckdb\n");
    insta::assert_snapshot!(all(
        &project,
        &[
            &["lineage", "daily.total", "--up"],
            &["impact", "orders.kind"],
            &["impact", "orders.id"],
            &["impact", "orders.amount"],
        ]
    ));
}

/// If dbt has parsed but not compiled the model of a spec, formulac uses the spec.
#[test]
fn a_spec_without_faults_before_dbt_compile() {
    let project = create_project("impact_parsed_spec");
    let generated = project.run(&["generate"]);
    let file = "models/formulac/daily_revenue.sql";
    assert!(project.path(file).is_file(), "{}", generated.err);
    let mut manifest = parsed();
    let id = "model.acme_analytics.daily_revenue";
    manifest["nodes"][id] = json!({"unique_id": id, "name": "daily_revenue", "resource_type": "model",
        "package_name": "acme_analytics", "relation_name": "\"acme\".\"analytics\".\"daily_revenue\"",
        "original_file_path": file, "raw_code": project.read(file), "columns": {},
        "depends_on": {"nodes": ["model.acme_analytics.fct_orders"]}});
    project.write("target/manifest.json", manifest.to_string());
    project.succeed(&["check"]);
    let output = all(
        &project,
        &[
            &["lineage", "daily_revenue.revenue", "--up"],
            &["impact", "fct_orders.order_total"],
        ],
    );
    assert!(!output.contains("errors"), "{output}");
    insta::assert_snapshot!(output);
    // A model whose spec has changed in the meantime is not reported as having errors either.
    project.write("metrics/daily_revenue.yml", SPEC.replace("half * 2", "half * 3"));
    let output = all(
        &project,
        &[
            &["lineage", "daily_revenue.revenue", "--up"],
            &["impact", "fct_orders.order_total"],
        ],
    );
    assert!(!output.contains("errors"), "{output}");
}

fn git(project: &TestProject, args: &[&str]) {
    let mut command = Command::new("git");
    command
        .current_dir(project.path(""))
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
        .args(args);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn changes_since_a_revision_are_reported() {
    let project = create_project("impact_since");
    let sql = "select\n    order_id,\n    order_total,\n    order_date\nfrom {{ ref('stg_orders') }}\nwhere order_total is not null\n";
    let yml = "models:\n  - name: fct_orders\n    description: Orders\n    columns:\n      - {name: order_id, data_type: integer}\n";
    project
        .write("models/fct_orders.sql", sql)
        .write("models/fct.yml", yml)
        .write(".gitignore", "target/\n");
    git(&project, &["init", "-q"]);
    git(&project, &["add", "-A"]);
    git(&project, &["commit", "-qm", "first"]);
    let since = ["impact", "--since", "HEAD"];
    let mut out = output_without_ages(&project, &since);
    let mut with = |title: &str, file: &str, text: String, back: &str| {
        project.write(file, text);
        out.push_str(&format!("=== {title}\n{}", output_without_ages(&project, &since)));
        project.write(file, back);
    };
    let spec = "metrics/daily_revenue.yml";
    with("a formula", spec, SPEC.replace("half * 2", "half * 3"), SPEC);
    with("other words", spec, SPEC.replace("half * 2", "(half * 2)"), SPEC);
    with("a description", spec, SPEC.replace("Twice the half", "All of it"), SPEC);
    with("rows", spec, SPEC.replace("> 0", "> 1"), SPEC);
    with(
        "a column less",
        spec,
        SPEC.replace("orders]", "]").replace("order_date, ]", "order_date]"),
        SPEC,
    );
    let model = "models/fct_orders.sql";
    with(
        "layout of SQL",
        model,
        format!("-- a comment\n{}", sql.replace('\n', "\n  ")),
        sql,
    );
    with(
        "a column of SQL",
        model,
        sql.replace("    order_total,", "    order_total * 2 as order_total,"),
        sql,
    );
    with(
        "a column gone from SQL",
        model,
        sql.replace("    order_total,\n", ""),
        sql,
    );
    with("Jinja", model, format!("{{% if true %}}{sql}{{% endif %}}"), sql);
    with(
        "a description in YAML",
        "models/fct.yml",
        yml.replace("Orders", "All orders"),
        yml,
    );
    with(
        "a type in YAML",
        "models/fct.yml",
        yml.replace("integer", "bigint"),
        yml,
    );
    let gone = || {
        fs::remove_file(project.path(spec)).unwrap();
        let text = output_without_ages(&project, &since);
        project.write(spec, SPEC);
        text
    };
    let gone = gone();
    out.push_str(&format!("=== a spec gone\n{gone}"));
    for revision in ["-n", "--output=x", "nowhere"] {
        out.push_str(&output_without_ages(&project, &["impact", "--since", revision]));
    }
    insta::assert_snapshot!(out);
}

/// Changes files of every kind in a dbt project, one after the other. Jinja that only dbt can evaluate hides a change
/// only if the change touches the Jinja. `--fail-on breaking` fails if it is unknown whether columns were removed.
#[test]
fn changes_to_models_with_unknown_jinja() {
    let project = create_project("impact_unknown_jinja");
    let sql = "select\n    order_id,\n    {{ cents('order_total') }} as total,\n    order_date\nfrom {{ ref('stg_orders') }}\nwhere order_date >= {{ var('start') }}\n";
    let python = "def model(dbt, session):\n    return dbt.ref('stg_orders')\n";
    project
        .write("models/fct_orders.sql", sql)
        .write("models/scores.py", python)
        .write(".gitignore", "target/\n");
    git(&project, &["init", "-q"]);
    git(&project, &["add", "-A"]);
    git(&project, &["commit", "-qm", "first"]);
    let model = "models/fct_orders.sql";
    let cases = [
        ("a comment", model, sql.replace("from", "-- all\nfrom")),
        (
            "a removed column",
            model,
            sql.replace("    order_date\n", "").replace("as total,", "as total"),
        ),
        (
            "a formula beside Jinja",
            model,
            sql.replace("order_id,", "order_id + 1 as order_id,"),
        ),
        ("other Jinja", model, sql.replace("'start'", "'begin'")),
        (
            "a comment beside a loop",
            model,
            format!("{{% for x in y %}}{sql}{{% endfor %}}"),
        ),
        ("Python", "models/scores.py", python.replace("return", "return  #")),
    ];
    let mut out = String::new();
    for (title, file, changed) in cases {
        let before = project.read(file);
        project.write(file, &changed);
        if title.ends_with("loop") {
            git(&project, &["commit", "-qam", "a loop"]);
            project.write(file, format!("-- loop\n{changed}"));
        }
        let run = output_without_ages(&project, &["impact", "--since", "HEAD", "--fail-on", "breaking"]);
        out.push_str(&format!("=== {title}\n{run}"));
        project.write(file, before);
        git(&project, &["commit", "-q", "--allow-empty", "-am", "back"]);
    }
    insta::assert_snapshot!(out);
}

fn project_with_macros(name: &str) -> TestProject {
    let project = TestProject::new(name);
    let model = |name: &str, read: Value, macros: Value, raw: &str| {
        json!({"name": name, "resource_type": "model", "package_name": "x", "relation_name": format!("\"d\".\"{name}\""),
            "columns": {"a": {"name": "a"}}, "raw_code": raw, "compiled_code": format!("select a from \"d\".\"{}\"", if name == "plain" { "codes" } else { "raw_t" }),
            "depends_on": {"nodes": read, "macros": macros}})
    };
    let nodes = json!({
        "seed.x.codes": {"name": "codes", "resource_type": "seed", "package_name": "x", "relation_name": "\"d\".\"codes\""},
        "model.x.direct": model("direct", json!(["source.x.raw.t"]), json!(["macro.x.cents"]), "select a from t"),
        "model.x.through": model("through", json!(["source.x.raw.t"]), json!(["macro.x.outer"]), "select {{ var('days') }} as a"),
        "model.x.plain": model("plain", json!(["seed.x.codes"]), json!([]), "select a from codes"),
        "snapshot.x.snap": {"name": "snap", "resource_type": "snapshot", "package_name": "x", "depends_on": {"nodes": ["model.x.plain"]}},
        "test.x.odd": {"name": "odd_plain_a", "resource_type": "test", "package_name": "x", "test_metadata": {"name": "odd", "kwargs": {"column_name": "a"}},
            "attached_node": "model.x.plain", "column_name": "a", "depends_on": {"nodes": ["model.x.plain"], "macros": ["macro.x.test_odd"]}},
    });
    let manifest = json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "adapter_type": "duckdb", "project_name": "x"},
        "nodes": nodes,
        "sources": {"source.x.raw.t": {"name": "t", "source_name": "raw", "resource_type": "source", "package_name": "x", "relation_name": "\"d\".\"raw_t\""}},
        "macros": {"macro.x.cents": {"depends_on": {"macros": []}}, "macro.x.outer": {"depends_on": {"macros": ["macro.x.cents"]}}, "macro.x.test_odd": {}},
        "exposures": {"exposure.x.e": {"name": "board", "depends_on": {"nodes": ["model.x.plain"]}}},
    });
    project
        .write("target/manifest.json", manifest.to_string())
        .write(".gitignore", "target/\n");
    project
}

const MACROS: &str =
    "{% macro cents(a) %}{{ a }} / 100{% endmacro %}\n{% macro outer(a) %}{{ cents(a) }}{% endmacro %}\n";
const SHAPES: &str = "version: 2\nmodels:\n  - name: plain\n    config: {contract: {enforced: true}, tags: [x]}\n    constraints: [{type: primary_key, columns: [a]}]\n    columns:\n      - name: a\n        data_type: integer\n        data_tests:\n          - not_null\n          - accepted_values: {values: [1, 2]}\nsources:\n  - name: raw\n    schema: landing\n    freshness: {warn_after: {count: 1, period: day}}\n    tables:\n      - name: t\n        columns: [{name: a}, {name: b, data_tests: [unique]}]\nexposures:\n  - {name: board, label: Board}\n";
const DBT: &str = "name: x\nprofile: x\nvars:\n  days: 7\n  unused: 1\n";
const SNAP: &str = "{% snapshot snap %}{{ config(unique_key='a', strategy='check', check_cols=['a']) }}select a from {{ ref('plain') }}{% endsnapshot %}\n";

#[test]
#[allow(
    clippy::too_many_lines,
    reason = "this is one list of cases, to be split when a case is added"
)]
fn since_a_revision_of_dbt_files() {
    let project = project_with_macros("impact_since_dbt");
    let singular = "select * from {{ ref('plain') }} where a < 0\n";
    let generic = "{% test odd(model, column_name) %}select 1{% endtest %}\n";
    let files = [
        ("dbt_project.yml", DBT),
        ("macros/money.sql", MACROS),
        ("models/shapes.yml", SHAPES),
        (
            "models/plain.sql",
            "{{ config(materialized='table', tags=['x']) }}select a from {{ ref('codes') }}\n",
        ),
        ("tests/no_minus.sql", singular),
        ("tests/generic/odd.sql", generic),
        ("seeds/codes.csv", "a,b\n1,2\n"),
        ("snapshots/snap.sql", SNAP),
        ("packages.yml", "packages: []\n"),
    ];
    for (file, text) in files {
        project.write(file, text);
    }
    git(&project, &["init", "-q"]);
    git(&project, &["add", "-A"]);
    git(&project, &["commit", "-qm", "first"]);
    let cases = [
        (
            "a macro, and what uses it through another",
            "macros/money.sql",
            "/ 100",
            "/ 1000",
        ),
        (
            "blanks of a macro",
            "macros/money.sql",
            "{{ a }} / 100",
            "{{  a  }}\n / 100",
        ),
        (
            "a macro that dbt calls",
            "macros/money.sql",
            "{% macro cents",
            "{% macro generate_schema_name(n) %}x{% endmacro %}{% macro cents",
        ),
        (
            "a macro gone",
            "macros/money.sql",
            "{% macro cents(a) %}{{ a }} / 100{% endmacro %}",
            "",
        ),
        ("a generic test", "tests/generic/odd.sql", "select 1", "select 2"),
        ("a singular test", "tests/no_minus.sql", "< 0", "< -1"),
        ("a test removed", "models/shapes.yml", "          - not_null\n", ""),
        (
            "a test that warns only",
            "models/shapes.yml",
            "- not_null",
            "- not_null: {config: {severity: warn}}",
        ),
        ("a test with more values", "models/shapes.yml", "[1, 2]", "[1, 2, 3]"),
        ("a test with fewer values", "models/shapes.yml", "[1, 2]", "[1]"),
        (
            "a test added",
            "models/shapes.yml",
            "- not_null",
            "- not_null\n          - unique",
        ),
        (
            "a test of a source",
            "models/shapes.yml",
            "data_tests: [unique]",
            "description: B",
        ),
        (
            "a contract given up",
            "models/shapes.yml",
            "enforced: true",
            "enforced: false",
        ),
        (
            "a constraint gone",
            "models/shapes.yml",
            "    constraints: [{type: primary_key, columns: [a]}]\n",
            "",
        ),
        ("a tag", "models/shapes.yml", "tags: [x]", "tags: [y]"),
        (
            "layout of YAML",
            "models/shapes.yml",
            "version: 2\n",
            "version: 2\n# a comment\n",
        ),
        ("broken YAML", "models/shapes.yml", "version: 2\n", "version: {2\n"),
        ("an exposure", "models/shapes.yml", "label: Board", "label: Boards"),
        (
            "another table of a source",
            "models/shapes.yml",
            "schema: landing",
            "schema: raw",
        ),
        ("a column of a source", "models/shapes.yml", "{name: a}, ", ""),
        (
            "freshness",
            "models/shapes.yml",
            "    freshness: {warn_after: {count: 1, period: day}}\n",
            "",
        ),
        (
            "a source gone",
            "models/shapes.yml",
            "      - name: t\n        columns: [{name: a}, {name: b, data_tests: [unique]}]\n",
            "      - name: u\n",
        ),
        (
            "configuration",
            "models/plain.sql",
            "materialized='table'",
            "materialized='incremental'",
        ),
        (
            "a view for a table",
            "models/plain.sql",
            "materialized='table'",
            "materialized='view'",
        ),
        ("a tag in SQL", "models/plain.sql", "tags=['x']", "tags=['y']"),
        ("rows of a seed", "seeds/codes.csv", "1,2", "1,3"),
        ("a column of a seed", "seeds/codes.csv", "a,b\n1,2", "b\n2"),
        (
            "a snapshot's key",
            "snapshots/snap.sql",
            "unique_key='a'",
            "unique_key='b'",
        ),
        ("a variable", "dbt_project.yml", "days: 7", "days: 8"),
        (
            "a variable that nobody asks for",
            "dbt_project.yml",
            "unused: 1",
            "unused: 2",
        ),
        (
            "another key of the project",
            "dbt_project.yml",
            "profile: x\n",
            "profile: x\nmodels: {x: {+enabled: false}}\n",
        ),
        ("packages", "packages.yml", "[]", "[{local: ../y}]"),
    ];
    let mut out = String::new();
    for (title, file, from, to) in cases {
        let text = files.iter().find(|(known, _)| *known == file).unwrap().1;
        let changed = text.replace(from, to);
        assert_ne!(changed, text, "{title}");
        project.write(file, changed);
        out.push_str(&format!(
            "=== {title}\n{}",
            output_without_ages(&project, &["impact", "--since", "HEAD", "--fail-on", "changing"])
        ));
        project.write(file, text);
    }
    project.write("models/new.sql", "select 1");
    out.push_str(&format!(
        "=== a file that git does not know\n{}",
        output_without_ages(&project, &["impact", "--since", "HEAD"])
    ));
    insta::assert_snapshot!(out);
}

/// In dbt's newer format, metrics define their measures themselves, and the semantic model has no measures.
#[test]
fn metrics_with_their_own_measures_read_columns() {
    let project = TestProject::new("impact_own_measures");
    let metric = |name: &str, expr: &str| {
        json!({"unique_id": format!("metric.x.{name}"), "name": name, "resource_type": "metric", "package_name": "x",
            "type": "simple", "depends_on": {"nodes": ["semantic_model.x.orders"]}, "type_params": {"measure": null,
            "expr": expr, "metric_aggregation_params": {"semantic_model": "orders", "agg": "sum", "agg_params": null}}})
    };
    let manifest = json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "adapter_type": "duckdb"},
        "nodes": {"model.x.orders": {"unique_id": "model.x.orders", "name": "orders", "resource_type": "model",
            "package_name": "x", "relation_name": "orders", "compiled_code": "select 1 as amount, 2 as tax, 3 as other",
            "columns": {"amount": {"name": "amount"}, "tax": {"name": "tax"}, "other": {"name": "other"}}}},
        "semantic_models": {"semantic_model.x.orders": {"unique_id": "semantic_model.x.orders", "name": "orders",
            "resource_type": "semantic_model", "package_name": "x", "depends_on": {"nodes": ["model.x.orders"]}}},
        "metrics": {"metric.x.revenue": metric("revenue", "amount"), "metric.x.taxes": metric("taxes", "tax * 2")},
    });
    project
        .write("dbt_project.yml", "name: x\n")
        .write("target/manifest.json", manifest.to_string());
    for (column, reached) in [
        ("amount", [true, false]),
        ("tax", [false, true]),
        ("other", [false, false]),
    ] {
        let run = project.run(&["impact", &format!("orders.{column}")]);
        assert_eq!(run.exit, 0, "{}", run.err);
        assert_eq!(
            ["revenue (metric)", "taxes (metric)"].map(|name| run.out.contains(name)),
            reached,
            "{}",
            run.out
        );
    }
}

/// Names that look like markup remain plain names in every output format.
#[test]
fn hostile_names_remain_names() {
    const EVIL: &str = "</script><img src=x onerror=alert(1)>|`\"'\\\n\u{1b}[31m]--> n0[x]\u{202e}{{x}}&amp;";
    let project = TestProject::new("impact_hostile");
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
    project
        .write("dbt_project.yml", "name: x\n")
        .write("target/manifest.json", manifest.to_string());
    project.write("target/run_results.json", results.to_string());
    project.write(
        "omni/first.view.yaml",
        format!(
            "table_name: first\ndimensions: {{a: {{sql: {}}}}}\n",
            json!("a </script>|")
        ),
    );
    let run = |format: &str| {
        let run = project.run(&["impact", "first.a", "--format", format]);
        assert_eq!(run.exit, 0, "{}", run.err);
        run.out
    };
    let page = run("html");
    assert_eq!(page.matches("<script").count(), 2, "only its own");
    assert_eq!(page.matches("</script>").count(), 2);
    assert!(!page.contains("<img") && !page.contains('\u{1b}') && !page.contains('\u{202e}'));
    let data = page
        .split("id=\"data\">")
        .nth(1)
        .unwrap()
        .split("</script>")
        .next()
        .unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert!(
        data["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|node| node["label"].as_str().unwrap().starts_with(EVIL))
    );
    // Each row of the table has five cells, and nothing else is parsed as a row.
    let markdown = run("markdown");
    let rows: Vec<&str> = markdown.lines().filter(|line| line.starts_with('|')).collect();
    for row in &rows {
        assert_eq!(
            row.replace("\\\\", "").replace("\\|", "").matches('|').count(),
            6,
            "{row}"
        );
    }
    assert_eq!(rows.len(), 2 + 5, "{markdown}");
    let plain: String = markdown
        .split("```mermaid")
        .next()
        .unwrap()
        .split('`')
        .step_by(2)
        .collect();
    let plain = plain.replace("<code>", "").replace("</code>", "");
    assert!(!plain.contains('<') && !plain.contains('\u{1b}'), "{plain}");
    let mermaid = run("mermaid");
    for line in mermaid.lines().skip(1) {
        let line = line.trim();
        let is_edge = line
            .split(" --> ")
            .all(|end| end.strip_prefix('n').is_some_and(|n| n.parse::<usize>().is_ok()));
        let is_node = line.matches('"').count() == 2
            && line.matches('[').count() == 1
            && line.matches('<').count() <= 2
            && !line.contains('\u{1b}');
        assert!(is_edge || is_node || line.starts_with("classDef "), "{line}");
    }
    let dot = run("dot");
    for line in dot.lines().filter(|line| line.contains("label=")) {
        assert_eq!(
            line.replace("\\\\", "").replace("\\\"", "").matches('"').count() % 2,
            0,
            "{line}"
        );
        assert!(line.ends_with("];") && !line.contains('\u{1b}'), "{line}");
    }
    assert!(!project.run(&["impact", "first.a", "--json"]).out.contains('\u{1b}'));
    let lineage = project.run(&["lineage", "first", "--format", "mermaid"]).out;
    assert!(!lineage.contains("<img") && !lineage.contains('\u{1b}'));
    let tree = run("tree");
    assert!(!tree.contains('\u{1b}') && !tree.contains('\u{202e}'));
    // A name with a line break is displayed on a single line.
    assert_eq!(tree.lines().count(), 3 + 5, "{tree}");
}

/// Returns a node of the project `shop` in the manifest.
fn shop_node(kind: &str, name: &str, code: &str, parents: &[&str]) -> Value {
    json!({
        "name": name, "resource_type": kind, "unique_id": format!("{kind}.shop.{name}"), "package_name": "shop",
        "original_file_path": format!("models/{name}.sql"), "relation_name": format!("\"db\".\"main\".\"{name}\""),
        "raw_code": code, "compiled_code": (kind != "seed").then_some(code), "depends_on": {"nodes": parents},
        "columns": {},
    })
}

fn shop(name: &str, nodes: &[Value], sources: &Value) -> TestProject {
    let nodes = nodes
        .iter()
        .map(|node| (node["unique_id"].as_str().unwrap().to_owned(), node.clone()));
    let nodes: serde_json::Map<String, Value> = nodes.collect();
    let manifest = json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop",
            "adapter_type": "duckdb"},
        "nodes": nodes, "sources": sources,
    });
    let project = TestProject::new(name);
    project
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write("formulac.yml", "dialect: duckdb\n")
        .write("target/manifest.json", manifest.to_string());
    project
}

/// Before `dbt docs generate`, a model with `select *` has the columns that `known.yml` lists, and possibly others. If
/// a name is ambiguous, a known column takes precedence over a metric, and a metric takes precedence over a column that
/// may not exist.
#[test]
fn columns_are_known_from_earlier_commands() {
    let nodes: Vec<Value> = ["customers", "orders"]
        .into_iter()
        .flat_map(|name| {
            let seed = format!("raw_{name}");
            let code = format!("select * from \"db\".\"main\".\"{seed}\"");
            let parent = format!("seed.shop.{seed}");
            [
                shop_node("seed", &seed, "", &[]),
                shop_node("model", name, &code, &[&parent]),
            ]
        })
        .collect();
    let project = shop("impact_known", &nodes, &json!({}));
    let known = "relations:\n  customers:\n    columns: {customer_id: integer, kind: text}\n  orders:\n    \
                 columns: {order_id: integer, order_total: float}\n";
    let set = "metric_set: orders\nfrom: ref('orders')\ndefinitions: |\n  revenue = SUM(order_total)\n  \
               order_count = COUNT()\n";
    project
        .write(".formulac/state/known.yml", known)
        .write("metrics/orders.yml", set);
    let unlisted = "warning: `region` is not among the known columns of `customers`; run `dbt docs generate`";
    for (command, name, exit, expected) in [
        ("impact", "customers.kind", 0, "customers.kind: the values change"),
        ("lineage", "customers.kind", 0, "customers.kind\nmade of:"),
        (
            "impact",
            "orders.order_total",
            0,
            "orders.order_total: the values change",
        ),
        ("lineage", "orders.order_total", 0, "orders.order_total\nmade of:"),
        ("impact", "orders.revenue", 0, "no model reads `orders.revenue`"),
        ("lineage", "orders.revenue", 0, "orders.revenue (metric)"),
        ("impact", "customers.region", 0, unlisted),
        ("lineage", "customers.region", 0, unlisted),
        ("impact", "customers.kinds", 1, "did you mean `customers.kind`?"),
        ("lineage", "customers.kinds", 1, "did you mean `customers.kind`?"),
    ] {
        let run = project.run(&[command, name]);
        let text = format!("{}{}", run.out, run.err);
        assert!(
            run.exit == exit && text.contains(expected),
            "{command} {name}: {}: {text}",
            run.exit
        );
    }
}

/// A seed and a source may be the same table. Models that read the seed by `ref` depend on the seed, not on the source.
#[test]
fn a_source_over_a_seed() {
    let code = "select id, amount from \"db\".\"main\".\"raw_orders\"";
    let (seed, source) = ("seed.shop.raw_orders", "source.shop.landing.orders");
    let nodes = [
        shop_node("seed", "raw_orders", "", &[]),
        shop_node("model", "by_ref", code, &[seed]),
        shop_node("model", "by_source", code, &[source]),
    ];
    let sources = json!({source: {
        "name": "orders", "source_name": "landing", "identifier": "raw_orders", "resource_type": "source",
        "unique_id": source, "package_name": "shop", "original_file_path": "models/s.yml",
        "relation_name": "\"db\".\"main\".\"raw_orders\"", "columns": {"amount": {"name": "amount"}},
    }});
    let project = shop("impact_source_over_seed", &nodes, &sources);
    insta::assert_snapshot!(all(
        &project,
        &[
            &["impact", "raw_orders.amount", "--removed"],
            &["impact", "landing.orders.amount", "--removed"],
            &["lineage", "by_ref.amount"],
            &["lineage", "by_source.amount"],
        ]
    ));
}

/// Models may name a table directly in their SQL. In this case, dbt does not detect the dependency.
#[test]
fn tables_named_without_ref() {
    let nodes = [
        shop_node("seed", "raw_orders", "", &[]),
        shop_node("model", "by_schema", "select id, amount from main.raw_orders", &[]),
        shop_node("model", "by_table", "select o.amount from raw_orders as o", &[]),
        shop_node(
            "model",
            "own_cte",
            "with raw_orders as (select 1 as amount) select amount from raw_orders",
            &[],
        ),
        shop_node(
            "model",
            "total",
            "select sum(amount) as total from \"db\".\"main\".\"by_schema\"",
            &["model.shop.by_schema"],
        ),
    ];
    let project = shop("impact_named_tables", &nodes, &json!({}));
    insta::assert_snapshot!(all(
        &project,
        &[
            &["impact", "raw_orders.amount", "--removed"],
            &["lineage", "raw_orders.amount"],
            &["lineage", "total.total"],
        ]
    ));
}

/// A `ref` without a version refers to the latest version, and a `ref` with a version to exactly this version, even in
/// models that dbt has not parsed yet.
#[test]
fn versions_of_models_are_distinguished_before_dbt_parse() {
    let version = |package: &str, name: &str, version: &str| {
        let mut node = shop_node("model", name, "select 1 as amount", &[]);
        node["unique_id"] = json!(format!("model.{package}.{name}.v{version}"));
        node["package_name"] = json!(package);
        node["version"] = json!(version);
        node["latest_version"] = json!("2");
        node["alias"] = json!(format!("{name}_v{version}"));
        node["relation_name"] = json!(format!("\"db\".\"main\".\"{name}_v{version}\""));
        node
    };
    let nodes = [("shop", "bill"), ("crm", "dim")]
        .map(|(package, name)| ["1", "2"].map(|number| version(package, name, number)));
    let project = shop("impact_versions", nodes.as_flattened(), &json!({}));
    for (name, from) in [
        ("latest", "ref('bill')"),
        ("first", "ref('bill', v=1)"),
        ("second", "ref('shop', 'bill', v=2)"),
        ("packaged", "ref('dim', v=1)"),
    ] {
        let spec = format!("model: {name}\nfrom: {from}\ndefinitions: total = SUM(amount)\n");
        project.write(&format!("metrics/{name}.yml"), spec);
    }
    for (model, readers) in [("bill.v1", vec!["first"]), ("bill.v2", vec!["latest", "second"])] {
        let report = project.run(&["impact", model]).out;
        let found: Vec<&str> = ["first", "latest", "second"]
            .into_iter()
            .filter(|name| report.contains(&format!("{name} (model)")))
            .collect();
        assert_eq!(found, readers, "{report}");
        for reader in readers {
            let lineage = project.run(&["lineage", &format!("{reader}.total")]).out;
            assert!(lineage.contains(&format!("{model}.amount")), "{lineage}");
        }
    }
    // The model is in another package, and the `ref` to it does not name the package.
    let lineage = project.run(&["lineage", "packaged.total"]).out;
    assert!(lineage.contains("dim.v1.amount"), "{lineage}");
}

/// dbt parsed the project but compiled nothing, so the value of a variable comes from `dbt_project.yml`.
#[test]
fn numeric_variables_of_the_project_are_known() {
    let project = TestProject::new("impact_variables");
    let node = |name: &str, code: &str, parents: &[&str]| {
        let refs: Vec<Value> = parents.iter().map(|parent| json!({"name": parent})).collect();
        let ids: Vec<String> = parents.iter().map(|parent| format!("model.shop.{parent}")).collect();
        json!({
            "unique_id": format!("model.shop.{name}"), "name": name, "resource_type": "model", "package_name": "shop",
            "path": format!("{name}.sql"), "original_file_path": format!("models/{name}.sql"), "fqn": ["shop", name],
            "database": "db", "schema": "main", "alias": name, "relation_name": format!("db.main.{name}"),
            "raw_code": code, "columns": {}, "config": {"materialized": "table"}, "refs": refs,
            "depends_on": {"nodes": ids},
        })
    };
    let code = "select id, v * 2 as w from {{ ref('a') }} where v > {{ var('days') }}";
    let nodes = json!({
        "model.shop.a": node("a", "select 1 as id, 2 as v", &[]), "model.shop.b": node("b", code, &["a"]),
    });
    let metadata = json!({
        "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop",
        "adapter_type": "duckdb",
    });
    let manifest = json!({"metadata": metadata, "nodes": nodes, "sources": {}});
    project.write("target/manifest.json", manifest.to_string());
    for (variables, is_known) in [
        ("{days: 60}", true),
        ("{shop: {days: 60}}", true),
        ("{shop: {days: 60}, days: many}", true),
        ("{days: many}", false),
        ("{other: {days: 60}}", false),
        ("{}", false),
    ] {
        project.write("dbt_project.yml", format!("name: shop\nvars: {variables}\n"));
        let run = project.run(&["lineage", "b.w", "--up"]);
        assert_eq!(run.out.contains("a.v"), is_known, "{variables}: {}{}", run.out, run.err);
    }
}
