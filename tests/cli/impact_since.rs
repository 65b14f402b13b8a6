//! Tests `formulac impact --since`.

use std::fs;

use serde_json::{Value, json};

use crate::impact::{SPEC, create_project, output_without_ages};
use crate::repository::{begin, git};
use crate::run::TestProject;

#[test]
fn changes_since_a_revision_are_reported() {
    let project = create_project("impact_since");
    let sql = "select\n    order_id,\n    order_total,\n    order_date\nfrom {{ ref('stg_orders') }}\nwhere order_total is not null\n";
    let yml = "models:\n  - name: fct_orders\n    description: Orders\n    columns:\n      - {name: order_id, data_type: integer}\n";
    project
        .write("models/fct_orders.sql", sql)
        .write("models/fct.yml", yml)
        .write(".gitignore", "target/\n");
    begin(&project);
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
    begin(&project);
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
    begin(&project);
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
