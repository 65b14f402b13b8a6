use crate::dialect::Dialect;
use crate::schema::{Access, Relation, Schema};

const MANIFEST: &str = include_str!("../../../tests/cli/fixtures/dbt/manifest.json");
const CATALOG: &str = include_str!("../../../tests/cli/fixtures/dbt/catalog.json");

fn read(files: &[&str]) -> Schema {
    let named_texts: Vec<(&str, &str)> = files.iter().map(|text| ("x.json", *text)).collect();
    let (schema, faults) = super::from_texts(&named_texts, Dialect::default());
    assert_eq!(faults, []);
    schema
}

/// Returns each column as `name type`, followed by `!` if the column is never NULL. The name is quoted if it is
/// case-sensitive.
fn columns(relation: &Relation) -> Vec<String> {
    let summary = |c: &crate::schema::Column| {
        let (mark, null) = (
            if c.is_quoted() { "\"" } else { "" },
            if c.is_nullable() { "" } else { "!" },
        );
        format!("{mark}{}{mark} {}{null}", c.name(), c.ty())
    };
    relation.columns().iter().map(summary).collect()
}

#[test]
fn fixture_facts_are_read() {
    let schema = read(&[MANIFEST]);
    let names: Vec<&str> = schema.relations().iter().map(Relation::name).collect();
    assert_eq!(names, ["customer_metrics", "dim_customers", "orders", "web_events"]);
    let customers = schema.relation("dim_customers").unwrap();
    assert_eq!(
        columns(customers),
        ["customer_id integer!", "customer_name text", "customer_segment text"]
    );
    assert_eq!(customers.key(), ["customer_id"]);
    assert_eq!(
        customers.column("customer_name").unwrap().description_text(),
        Some("Legal name.")
    );
    let metrics = schema.relation("customer_metrics").unwrap();
    assert_eq!(
        columns(metrics),
        [
            "customer_id unknown!",
            "lifetime_value unknown!",
            "last_order_date unknown"
        ]
    );
    assert_eq!(metrics.column("last_order_date").unwrap().description_text(), None);
}

#[test]
fn documented_column_that_a_current_catalog_lacks_does_not_exist() {
    let manifest = |time: &str, more: &str| {
        format!(
            r#"{{"metadata": {{"dbt_schema_version": "x/manifest/v12.json", "generated_at": "{time}"}}, "nodes": {{
            "model.p.m": {{"name": "m", "resource_type": "model", {more}
            "columns": {{"id": {{}}, "item.id": {{}}, "gone": {{"data_type": "integer"}}}}}}}}}}"#
        )
    };
    let catalog = r#"{"metadata": {"dbt_schema_version": "x/catalog/v1.json", "generated_at": "2026-11-20T10:00:00Z"},
        "nodes": {"model.p.m": {"columns": {"id": {"name": "id", "type": "integer", "index": 1}}}}}"#;
    let of = |time: &str, more: &str| columns(read(&[&manifest(time, more), catalog]).relation("m").unwrap());
    assert_eq!(of("2026-11-20T09:59:58Z", ""), ["id integer", "item.id unknown"]);
    // The column may have been added after the catalog was written, or dbt creates it because of the contract.
    let with_column = ["id integer", "item.id unknown", "gone integer"];
    assert_eq!(of("2026-11-20T10:30:00Z", ""), with_column);
    assert_eq!(
        of("2026-11-20T09:59:58Z", r#""contract": {"enforced": true},"#),
        with_column
    );
}

#[test]
fn name_of_a_domain_does_not_replace_its_base_type() {
    let manifest = r#"{"metadata": {"dbt_schema_version": "x/manifest/v12.json", "adapter_type": "postgres"},
        "nodes": {"model.p.film": {"name": "film", "resource_type": "model"}}}"#;
    let facts = |ty: &str| {
        let catalog = format!(
            r#"{{"metadata": {{"dbt_schema_version": "x/catalog/v1.json"}}, "nodes": {{"model.p.film": {{"columns": {{
            "released": {{"name": "released", "type": "{ty}", "index": 1}}}}}}}}}}"#
        );
        super::KnownFacts::from(read(&[manifest, &catalog]))
    };
    let column = |facts: super::KnownFacts| columns(facts.schema.relation("film").unwrap());
    let base = facts("integer");
    for domain in ["raw.year", "USER-DEFINED", "year"] {
        assert_eq!(column(facts(domain)), ["released other"]);
        assert_eq!(
            column(facts(domain).with_missing_facts_from(&base)),
            ["released integer"]
        );
        assert_eq!(column(base.clone().merged_with(&facts(domain))), ["released integer"]);
        assert!(facts(domain).describe_contradicted_facts(&base).is_empty());
    }
    // A different type in the warehouse is a change.
    for other in ["jsonb", "integer[]", "interval"] {
        assert_eq!(column(facts(other).with_missing_facts_from(&base)), ["released other"]);
        assert_eq!(
            facts(other).describe_contradicted_facts(&base),
            ["film.released: integer → other"]
        );
    }
}

#[test]
fn catalog_adds_types_and_undocumented_columns() {
    for files in [[MANIFEST, CATALOG], [CATALOG, MANIFEST]] {
        let schema = read(&files);
        let metrics = columns(schema.relation("customer_metrics").unwrap());
        assert_eq!(
            metrics,
            [
                "customer_id integer!",
                "customer_segment text",
                "order_count integer",
                "lifetime_value decimal!",
                "last_order_date date"
            ]
        );
        assert_eq!(columns(schema.relation("orders").unwrap()).len(), 6);
    }
}

#[test]
fn columns_are_matched_as_spelled_and_then_in_any_case() {
    let manifest = r#"{"metadata": {"adapter_type": "snowflake"}, "nodes": {"model.p.m": {"name": "m", "resource_type": "model",
        "columns": {"customer_id": {"name": "customer_id", "data_type": "text"}, "id": {}, "ID": {}, "lost": {"quote": true}}}}}"#;
    let catalog = r#"{"metadata": {"dbt_schema_version": "x/catalog/v1.json"}, "nodes": {"model.p.m": {"columns": {
        "netRevenue": {"index": 4, "type": "FLOAT"}, "CUSTOMER_ID": {"index": 1, "type": "NUMBER(38,0)"},
        "ID": {"index": 2, "type": "DATE"}, "id": {"index": 3, "type": "TEXT"}}}}}"#;
    let schema = read(&[manifest, catalog]);
    assert_eq!(
        columns(schema.relation("m").unwrap()),
        [
            "customer_id integer",
            "ID date",
            "\"id\" text",
            "\"netRevenue\" float",
            "\"lost\" unknown"
        ]
    );
}

#[test]
fn tests_prove_only_what_always_holds() {
    let test = |name: &str, config: &str| {
        format!(
            r#""test.p.{name}{}": {{"resource_type": "test", "test_metadata": {{"name": "{name}"}}, "attached_node": "model.p.m",
            "column_name": "id", "config": {config}}}"#,
            config.len()
        )
    };
    let schema = |tests: &[String]| {
        let nodes = tests.join(", ");
        let model = r#""model.p.m": {"name": "m", "resource_type": "model", "columns": {"id": {}}}"#;
        read(&[&format!(r#"{{"nodes": {{{model}, {nodes}}}}}"#)])
    };
    let key = |tests: &[String]| schema(tests).relation("m").unwrap().key().to_vec();
    let always = r#"{"where": null, "severity": "ERROR"}"#;
    assert_eq!(key(&[test("unique", always), test("not_null", always)]), ["id"]);
    assert!(key(&[test("unique", always), test("not_null", r#"{"where": "id > 5"}"#)]).is_empty());
    assert!(key(&[test("unique", r#"{"severity": "warn"}"#), test("not_null", always)]).is_empty());
    assert!(key(&[test("unique", always)]).is_empty());
}

#[test]
fn the_project_comes_before_its_packages_and_the_latest_version_before_others() {
    let text = r#"{"metadata": {"project_name": "own"},
        "sources": {"source.own.raw.a": {"name": "a", "source_name": "raw"}},
        "nodes": {
          "model.dep.a": {"name": "a", "resource_type": "model", "package_name": "dep"},
          "model.own.a": {"name": "a", "resource_type": "model", "package_name": "own", "columns": {"x": {}}},
          "model.own.v.v1": {"name": "v", "resource_type": "model", "package_name": "own", "version": 1, "latest_version": 2},
          "model.own.v.v2": {"name": "v", "resource_type": "model", "package_name": "own", "version": 2, "latest_version": 2},
          "snapshot.own.s": {"name": "s", "resource_type": "snapshot", "package_name": "own", "columns": null},
          "operation.own.o": {"name": "o", "resource_type": "operation", "package_name": "own"}}}"#;
    let schema = read(&[text]);
    let names: Vec<&str> = schema.relations().iter().map(Relation::schema_name).collect();
    assert_eq!(names, ["a", "v", "s", "v_v1", "dep.a", "raw.a"]);
    assert!(schema.relation("a").unwrap().column("x").is_some());
}

#[test]
fn other_files_are_refused() {
    let first = |text: &str| {
        let (_, faults) = super::from_texts(&[("x.json", text)], Dialect::default());
        faults
            .first()
            .map(|(_, d)| format!("{} {}: {}", d.code(), d.span().start, d.message()))
            .unwrap_or_default()
    };
    assert_eq!(
        first(r#"{"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json"}}"#),
        "F0820 0: not a schema: the file is dbt's run-results"
    );
    assert!(first(CATALOG).starts_with("F0820 0: not a schema: the file is dbt's catalog"));
    let cut = &MANIFEST[..200];
    assert!(
        first(cut).starts_with("F0820 199: not a schema: EOF while parsing"),
        "{}",
        first(cut)
    );
    assert_eq!(first(r#"{"relations": {"a": {"columns": {"x": "text"}}}}"#), "");
    assert_eq!(
        first(r#"{"nodes": {"model.p.m": {"columns": 3}}}"#).split(' ').next(),
        Some("F0820")
    );
}

#[test]
fn access_groups_and_tags_come_from_node_or_config() {
    let manifest = r#"{"metadata": {}, "nodes": {
        "model.p.m": {"name": "m", "resource_type": "model", "access": "private", "group": "finance", "config": {"access": null},
            "columns": {"email": {"name": "email", "tags": ["pii"], "config": {"tags": ["pii", "mail"]}}, "day": {"tags": "x"}}},
        "model.p.n": {"name": "n", "resource_type": "model", "config": {"access": "public", "group": "sales"}},
        "seed.p.s": {"name": "s", "resource_type": "seed", "access": "protected"}}}"#;
    let schema = read(&[manifest]);
    let granted = |name: &str| {
        schema
            .relation(name)
            .map(|r| (r.access().map(Access::name), r.group()))
            .unwrap()
    };
    assert_eq!(granted("m"), (Some("private"), Some("finance")));
    assert_eq!(granted("n"), (Some("public"), Some("sales")));
    assert_eq!(granted("s"), (None, None));
    let columns = schema.relation("m").unwrap();
    assert_eq!(columns.column("email").unwrap().tags(), ["pii", "mail"]);
    assert_eq!(columns.column("day").unwrap().tags(), ["x"]);
}

/// Returns the columns and the key of a model `m` with columns `a` and `b`. `fields` and `nodes` are added to the
/// manifest.
fn model_columns_and_key(fields: &str, nodes: &str) -> (Vec<String>, Vec<String>) {
    let text = format!(
        r#"{{"nodes": {{"model.p.m": {{"name": "m", "resource_type": "model", "columns": {{"a": {{}}, "b": {{}}}} {fields}}} {nodes}}}}}"#
    );
    let schema = read(&[&text]);
    let m = schema.relation("m").unwrap();
    (columns(m), m.key().to_vec())
}

#[test]
fn table_constraints_hold_if_they_are_enforced() {
    let of = |materialized: &str, enforced: bool, constraints: &str| {
        let fields = format!(
            r#", "contract": {{"enforced": {enforced}}}, "config": {{"materialized": "{materialized}"}}, "constraints": {constraints}"#
        );
        let (columns, key) = model_columns_and_key(&fields, "");
        format!("{} | {}", columns.join(", "), key.join(", "))
    };
    let key = r#"[{"type": "primary_key", "columns": ["a", "b"]}]"#;
    for (materialized, enforced, constraints, expected) in [
        ("table", true, key, "a unknown!, b unknown! | a, b"),
        ("incremental", true, key, "a unknown!, b unknown! | a, b"),
        ("table", false, key, "a unknown, b unknown | "),
        ("view", true, key, "a unknown, b unknown | "),
        (
            "table",
            true,
            r#"[{"type": "not_null", "columns": ["b"]}]"#,
            "a unknown, b unknown! | ",
        ),
        (
            "table",
            true,
            r#"[{"type": "unique", "columns": ["a"]}]"#,
            "a unknown, b unknown | ",
        ),
        (
            "table",
            true,
            r#"[{"type": "unique", "columns": ["b", "a"]}, {"type": "not_null", "columns": ["A", "B"]}]"#,
            "a unknown!, b unknown! | b, a",
        ),
        (
            "table",
            true,
            r#"[{"type": "foreign_key", "columns": ["a"], "to": "ref('x')"}]"#,
            "a unknown, b unknown | ",
        ),
        (
            "table",
            true,
            r#"[{"type": "primary_key", "columns": ["gone"]}]"#,
            "a unknown, b unknown | ",
        ),
    ] {
        assert_eq!(
            of(materialized, enforced, constraints),
            expected,
            "{materialized} {enforced} {constraints}"
        );
    }
}

#[test]
fn composite_keys_come_from_unconditional_tests() {
    let of = |config: &str| {
        let test = |id: u8, name: &str, column: &str, arguments: &str, config: &str| {
            format!(
                r#", "test.p.{id}": {{"resource_type": "test", "attached_node": "model.p.m", "column_name": {column},
                "test_metadata": {{"name": "{name}", "kwargs": {{{arguments}}}}}, "config": {config}}}"#
            )
        };
        let names = r#""combination_of_columns": ["a", "\"b\""]"#;
        let nodes = [
            test(1, "not_null", r#""a""#, "", "{}"),
            test(2, "not_null", r#""\"b\"""#, "", "{}"),
            test(3, "unique_combination_of_columns", "null", names, config),
        ];
        model_columns_and_key("", &nodes.concat()).1
    };
    for always in [
        "{}",
        r#"{"severity": "Error", "error_if": "!= 0", "fail_calc": "count(*)", "enabled": true}"#,
    ] {
        assert_eq!(of(always), ["a", "b"], "{always}");
    }
    for not in [
        r#"{"severity": "Warn"}"#,
        r#"{"where": "a > 1"}"#,
        r#"{"error_if": "> 10"}"#,
        r#"{"fail_calc": "sum(n)"}"#,
        r#"{"enabled": false}"#,
    ] {
        assert!(of(not).is_empty(), "{not}");
    }
}

#[test]
fn source_tests_are_found_by_reference() {
    let text = r#"{"sources": {"source.p.raw.t": {"name": "t", "source_name": "raw", "columns": {"Insurer Code": {"quote": true}}},
            "source.p.old.t": {"name": "t", "source_name": "old", "columns": {"Insurer Code": {"quote": true}}}},
        "nodes": {"test.p.a": {"test_metadata": {"name": "not_null", "kwargs": {"model": "{{ get_where_subquery(source('raw', 't')) }}"}},
            "column_name": "\"Insurer Code\"", "depends_on": {"nodes": ["source.p.raw.t"]}}}}"#;
    let schema = read(&[text]);
    let summaries: Vec<_> = schema
        .relations()
        .iter()
        .map(|r| format!("{} {}", r.schema_name(), columns(r).join(",")))
        .collect();
    assert_eq!(
        summaries,
        ["t \"Insurer Code\" unknown", "raw.t \"Insurer Code\" unknown!"]
    );
}

/// dbt accepts names whose quotes are part of the YAML value.
#[test]
fn names_of_columns_have_no_quotes() {
    let text = r#"{"metadata": {"dbt_schema_version": "x/manifest/v12.json"}, "sources": {"source.p.raw.t": {"name": "t",
        "source_name": "raw", "columns": {"\"Unit Price\"": {"name": "\"Unit Price\"", "quote": true, "data_type": "integer"},
        "`sku`": {"name": "`sku`", "data_type": "text"}}}}}"#;
    let columns = columns(read(&[text]).relation("t").unwrap());
    assert_eq!(columns, ["\"Unit Price\" integer", "\"sku\" text"]);
}

#[test]
fn types_of_seeds_come_from_their_configuration() {
    let text = |kind: &str| {
        format!(
            r#"{{"metadata": {{"dbt_schema_version": "x/manifest/v12.json"}}, "nodes": {{"{kind}.p.t": {{"name": "t",
            "resource_type": "{kind}", "config": {{"column_types": {{"id": "integer", "zip": "varchar"}}}},
            "columns": {{"id": {{"name": "id"}}}}}}}}}}"#
        )
    };
    assert_eq!(
        columns(read(&[&text("seed")]).relation("t").unwrap()),
        ["id integer", "zip text"]
    );
    assert_eq!(columns(read(&[&text("model")]).relation("t").unwrap()), ["id unknown"]);
}
