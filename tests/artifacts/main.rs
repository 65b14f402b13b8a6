//! Tests that artifacts from several versions of dbt can be read.

mod listed;
mod log;
mod mutated;

use std::time::{Duration, SystemTime};

use formulac::Dialect;
use formulac::artifacts::{
    ArtifactFault, Catalog, Manifest, ManifestReadOptions, ResourceType, RunResults, SourceResults, Status,
    last_results,
};

const V1_12: &str = include_str!("dbt_1_12/manifest.json");
const V1_10: &str = include_str!("dbt_1_10/manifest.json");
const KINDS: &str = include_str!("kinds/manifest.json");

fn manifest(text: &str) -> Manifest {
    Manifest::from_text(text, ManifestReadOptions::default()).unwrap()
}

#[test]
fn a_node_of_each_kind() {
    insta::assert_snapshot!(listed::manifest(&manifest(KINDS)));
}

#[test]
fn manifests_of_two_dbt_versions_are_equal() {
    let new = listed::manifest(&manifest(V1_12));
    insta::assert_snapshot!(new);
    assert_eq!(listed::manifest(&manifest(V1_10)), new);
}

#[test]
fn data_tests_are_listed_with_their_columns_and_conditions() {
    insta::assert_snapshot!("kinds_tests", listed::tests(&manifest(KINDS)));
    insta::assert_snapshot!("shop_tests", listed::tests(&manifest(V1_12)));
    assert_eq!(listed::tests(&manifest(V1_10)), listed::tests(&manifest(V1_12)));
}

#[test]
fn schemas_come_from_manifests_and_catalogs() {
    let schema = |text: &str, catalog: Option<&str>| {
        let catalog = catalog.map(|text| Catalog::from_text(text).unwrap());
        listed::schema(&formulac::known::from_dbt(
            &manifest(text),
            catalog.as_ref(),
            Dialect::default(),
        ))
    };
    insta::assert_snapshot!("kinds_schema", schema(KINDS, Some(include_str!("kinds/catalog.json"))));
    insta::assert_snapshot!(
        "shop_schema",
        schema(V1_12, Some(include_str!("dbt_1_12/catalog.json")))
    );
    let old = schema(V1_10, Some(include_str!("dbt_1_10/catalog.json")));
    assert_eq!(old, schema(V1_12, Some(include_str!("dbt_1_12/catalog.json"))));
}

#[test]
fn a_foreign_key_names_its_table_once_it_is_compiled() {
    let manifest = manifest(KINDS);
    let lines = manifest.node("model.kinds.order_lines").unwrap();
    let key = lines
        .constraints
        .iter()
        .find(|constraint| constraint.to.is_some())
        .unwrap();
    let to = key.to.as_deref().unwrap();
    assert_eq!(to, "\"kinds\".\"main\".\"customers_v1\"");
    for to in [to, "ref('customers', v=1)", "ref('customers', version='1')"] {
        assert_eq!(
            &*manifest.resolve_reference(lines, to).unwrap().unique_id,
            "model.kinds.customers.v1",
            "{to}"
        );
    }
    for other in [
        "ref('customers', v=2)",
        "ref('regions')",
        "source('raw', 'nothing')",
        "\"kinds\"",
        "",
        "ref(",
    ] {
        assert!(manifest.resolve_reference(lines, other).is_none(), "{other}");
    }
}

#[test]
fn code_is_kept_only_on_request() {
    let code = |keep: ManifestReadOptions| {
        let manifest = Manifest::from_text(V1_12, keep).unwrap();
        let node = manifest.node("model.acme_analytics.omni_promoted_metrics").unwrap();
        let begin = |text: Option<&str>| text.map(|text| text.chars().take(20).collect::<String>());
        (begin(node.raw_code.as_deref()), begin(node.compiled_code.as_deref()))
    };
    assert_eq!(code(ManifestReadOptions::default()), (None, None));
    assert_eq!(
        code(ManifestReadOptions::default().with_raw_code()),
        (Some("{# promoted from Omn".to_owned()), None)
    );
    let both = code(ManifestReadOptions::default().with_raw_code().with_compiled_code());
    assert_eq!(both.1.as_deref(), Some("\nwith fct_orders as "));
}

#[test]
fn catalogs_match_as_spelled_and_then_in_any_case() {
    let catalog = Catalog::from_text(include_str!("dbt_1_12/catalog.json")).unwrap();
    let metrics = catalog.table("model.acme_analytics.customer_metrics").unwrap();
    assert_eq!(
        (&*metrics.kind, &*metrics.schema, &*metrics.name),
        ("BASE TABLE", "analytics", "customer_metrics")
    );
    let types: Vec<_> = metrics
        .columns
        .iter()
        .map(|c| format!("{} {}", c.name, c.data_type.as_deref().unwrap()))
        .collect();
    let expected = [
        "customer_id INTEGER",
        "customer_segment VARCHAR",
        "order_count BIGINT",
        "lifetime_value DECIMAL(38,2)",
        "last_order_date DATE",
    ];
    assert_eq!(types, expected);
    assert!(metrics.stats.is_empty() && catalog.errors.is_empty());
    // A catalog in Snowflake's format, with statistics and with columns out of order.
    let text = r#"{"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/catalog/v1.json"}, "sources": {"source.p.a.b": {
        "metadata": {"type": "BASE TABLE", "schema": "A", "name": "B"},
        "columns": {"netRevenue": {"type": "NUMBER", "index": 12, "name": "netRevenue"}, "NETREVENUE": {"type": "TEXT", "index": 2, "name": "NETREVENUE"}},
        "stats": {"has_stats": {"id": "has_stats", "value": true}, "row_count": {"id": "row_count", "label": "Row Count", "value": 12.0}}}},
        "nodes": {}, "errors": ["no access"]}"#;
    let catalog = Catalog::from_text(text).unwrap();
    let table = catalog.table("source.p.a.b").unwrap();
    let of = |name: &str| table.column(name).and_then(|column| column.data_type.as_deref());
    assert_eq!(
        (of("netRevenue"), of("netrevenue"), of("other")),
        (Some("NUMBER"), Some("TEXT"), None)
    );
    assert_eq!(
        table.stat("row_count").and_then(formulac::artifacts::MetaValue::as_f64),
        Some(12.0)
    );
    assert_eq!(
        (table.stats.len(), catalog.errors.as_slice()),
        (1, &["no access".to_owned()][..])
    );
}

#[test]
fn the_newest_result_of_each_node_counts() {
    let read = |text| RunResults::from_text(text).unwrap();
    let build = read(include_str!("kinds/run_results_build.json"));
    let docs = read(include_str!("kinds/run_results_docs.json"));
    assert_eq!(
        (build.which.as_deref(), docs.which.as_deref()),
        (Some("build"), Some("generate"))
    );
    // In the results of `docs generate`, `success` only means that a test compiles.
    assert!(docs.results.iter().all(|result| result.status == Status::Success));
    let runs = [build.clone(), docs];
    insta::assert_snapshot!(listed::results(&last_results(&runs)));
    // After a newer run that contains only some nodes, the other nodes keep their results.
    let newer = r#"{"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json", "generated_at": "2199-01-01T00:00:00Z"},
        "args": {"which": "test", "vars": {"secret": "x"}}, "results": [{"unique_id": "test.kinds.nothing_is_wrong", "status": "FAIL", "failures": 7,
        "execution_time": NaN, "timing": [], "adapter_response": {}}]}"#;
    assert_eq!(RunResults::from_text(newer).unwrap_err().line(), 3);
    let newer = read(&newer.replace("NaN", "\"NaN\""));
    for runs in [[build.clone(), newer.clone()], [newer, build]] {
        let last = last_results(&runs);
        let test = last["test.kinds.nothing_is_wrong"];
        assert_eq!(
            (&test.result.status, test.result.failures, test.result.execution_time),
            (&Status::Fail, Some(7), None)
        );
        assert_eq!(last["model.kinds.days"].result.status, Status::Success);
        assert_eq!(last.len(), 24);
    }
}

#[test]
fn run_results_contain_times_and_adapter_responses() {
    let build = RunResults::from_text(include_str!("dbt_1_12/run_results.json")).unwrap();
    let seed = build
        .results
        .iter()
        .find(|result| !result.adapter_response.is_empty())
        .unwrap();
    let figures: Vec<_> = seed
        .adapter_response
        .iter()
        .map(|figure| (&*figure.name, figure.value))
        .collect();
    assert_eq!(figures, [("rows_affected", 16.0)]);
    let (execute, compile) = (seed.execute.unwrap(), seed.compile.unwrap());
    assert!(compile.completed_at <= execute.started_at && execute.duration() < Duration::from_secs(5));
    assert!(
        seed.execution_time
            .is_some_and(|seconds| seconds >= execute.duration().as_secs_f64())
    );
}

#[test]
fn freshness_uses_the_current_time() {
    for text in [
        include_str!("dbt_1_12/sources.json"),
        include_str!("dbt_1_10/sources.json"),
    ] {
        let sources = SourceResults::from_text(text).unwrap();
        let events = sources.source("source.acme_analytics.landing.web_events").unwrap();
        assert_eq!(events.status, Status::Pass);
        let then = events.max_loaded_at.unwrap();
        let hours = |count: u64| then + Duration::from_secs(count * 3_600);
        let status = |now: SystemTime| events.criteria.status(events.age(now).unwrap());
        let expected = [
            (0, Status::Pass),
            (12, Status::Pass),
            (13, Status::Warn),
            (25, Status::Error),
        ];
        for (count, expected) in expected {
            assert_eq!(status(hours(count)), expected, "{count}");
        }
        assert_eq!(status(then - Duration::from_secs(60)), Status::Pass);
    }
    let text = r#"{"results": [{"unique_id": "source.p.a.b", "status": "runtime error", "error": "no such table"}]}"#;
    let sources = SourceResults::from_text(text).unwrap();
    let broken = sources.source("source.p.a.b").unwrap();
    assert_eq!(
        (&broken.status, broken.age(SystemTime::UNIX_EPOCH)),
        (&Status::RuntimeError, None)
    );
    assert_eq!(broken.error.as_deref(), Some("no such table"));
}

/// Returns an artifact with a schema version, such as `https://schemas.getdbt.com/dbt/manifest/v12.json`.
fn artifact_with_version(kind: &str, version: u32) -> String {
    format!(
        r#"{{"metadata": {{"dbt_schema_version": "https://schemas.getdbt.com/dbt/{kind}/v{version}.json"}}, "nodes": {{}}}}"#
    )
}

#[test]
fn newer_versions_are_reported() {
    for version in 10..=12 {
        let metadata = manifest(&artifact_with_version("manifest", version)).metadata;
        assert_eq!(
            (metadata.version, metadata.newer_version_notice()),
            (Some(version), None)
        );
    }
    let newer = manifest(&artifact_with_version("manifest", 13)).metadata;
    let message = "manifest.json has version v13, but v12 is the newest known version: new content is ignored";
    assert_eq!(newer.newer_version_notice(), Some(message));
    let error = Manifest::from_text(&artifact_with_version("manifest", 9), ManifestReadOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "dbt's manifest has version v9, but v10 is the oldest supported version"
    );
    assert_eq!(error.help(), "run `dbt parse` with a newer version of dbt");
}

#[test]
fn other_artifact_kinds_are_rejected() {
    let cases = [
        (
            artifact_with_version("catalog", 1),
            "expected dbt's manifest, found dbt's catalog",
        ),
        (
            artifact_with_version("run-results", 6),
            "expected dbt's manifest, found dbt's run-results",
        ),
        (
            artifact_with_version("semantic-layer", 1),
            "expected dbt's manifest, found dbt's semantic-layer",
        ),
        ("{}".to_owned(), "expected dbt's manifest, found other JSON"),
        (
            r#"{"a": 1, "nodes_": {}}"#.to_owned(),
            "expected dbt's manifest, found other JSON",
        ),
    ];
    for (text, expected) in cases {
        let error = Manifest::from_text(&text, ManifestReadOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.help(), "pass the manifest.json; `dbt parse` writes it");
        assert_eq!(error.line(), 0);
    }
    let texts = [
        (
            Catalog::from_text(V1_12).unwrap_err(),
            "pass the catalog.json; `dbt docs generate` writes it",
        ),
        (
            RunResults::from_text(V1_12).unwrap_err(),
            "pass the run_results.json; `dbt build` writes it",
        ),
        (
            SourceResults::from_text(V1_12).unwrap_err(),
            "pass the sources.json; `dbt source freshness` writes it",
        ),
    ];
    for (error, help) in texts {
        assert_eq!(
            (error.as_fault(), error.help().as_str()),
            (&ArtifactFault::Other("manifest".to_owned()), help)
        );
    }
}

#[test]
fn errors_in_artifacts_have_a_position() {
    for (text, line, column, reason) in [
        ("", 1, 0, "EOF while parsing a value"),
        ("[]", 1, 0, "invalid type: sequence, expected dbt's manifest"),
        (
            "{\"nodes\": {\n  \"model.p.m\": {\"columns\": 3}}}",
            2,
            28,
            "invalid type: integer `3`, expected a map",
        ),
        ("{\"nodes\": {}}\n{}", 2, 1, "trailing characters"),
        (
            "{\"nodes\": {\"model.p.m\": {\"name\": \"a\", \"name\": \"b\"}}}",
            1,
            44,
            "duplicate field `name`",
        ),
        (
            "{\"nodes\": {\"model.p.m\": {\"config\": {\"x\": 1e999}}}}",
            1,
            46,
            "number out of range",
        ),
        (
            "{\"nodes\": {\"model.p.m\": {\"config\": {\"x\": NaN}}}}",
            1,
            42,
            "expected value",
        ),
    ] {
        let error = Manifest::from_text(text, ManifestReadOptions::default()).unwrap_err();
        assert_eq!(error.as_fault(), &ArtifactFault::Broken, "{text}");
        assert!(error.reason().starts_with(reason), "{text}: {error}");
        assert_eq!((error.line(), error.column()), (line, column), "{text}: {error}");
        assert!(error.offset(text) <= text.len());
    }
}

#[test]
fn harmless_unexpected_shapes_are_accepted() {
    let text = r#"{"nodes": {"model.p.m": {"name": "m", "resource_type": "model", "description": null, "tags": "one", "fqn": null,
        "version": 2, "latest_version": "2", "columns": {"a": null, "b": {"name": "B", "tags": ["x", 1], "config": {"tags": "x"}}},
        "depends_on": [], "contract": "yes", "constraints": null, "meta": {"old": 1}, "config": {"meta": {}, "materialized": "view", "none": null},
        "checksum": {"name": "sha256", "checksum": "abc"}, "refs": [["x"], {"name": "y", "version": 1}], "new_in_v99": {"deep": [[[]]]}},
        "model.p.none": null, "test.p.t": {"test_metadata": {"name": "not_null", "kwargs": {"arguments": {"column_name": "a"}, "model": "ref('m')"}},
        "attached_node": "model.p.m"}}, "macros": {"macro.dbt_utils.test_x": {"macro_sql": "{{"}}, "sources": null, "child_map": 7}"#;
    let manifest = manifest(text);
    let m = manifest.node("model.p.m").unwrap();
    assert_eq!(
        (m.tags.len(), m.is_latest(), m.contract_enforced, m.checksum.as_deref()),
        (1, true, false, Some("abc"))
    );
    let names: Vec<_> = m
        .columns
        .iter()
        .map(|column| (&*column.name, column.tags.len()))
        .collect();
    assert_eq!(names, [("a", 0), ("B", 2)]);
    assert_eq!(
        m.meta.get("old").and_then(formulac::artifacts::MetaValue::as_f64),
        Some(1.0)
    );
    assert_eq!(
        m.config.iter().map(|(key, _)| key).collect::<Vec<_>>(),
        ["materialized"]
    );
    assert_eq!(manifest.with_type(ResourceType::Model).count(), 1);
    assert_eq!(manifest.data_tests()[0].column.as_deref(), Some("a"));
    assert_eq!(manifest.generic_tests().collect::<Vec<_>>(), ["dbt_utils.x"]);
}

#[test]
fn tests_of_disabled_models_are_dropped() {
    let text = r#"{"nodes": {"test.p.t": {"test_metadata": {"name": "not_null"}, "attached_node": "model.p.off", "column_name": "a"}},
        "disabled": {"model.p.off": [{"name": "off"}, {"name": "off"}]}}"#;
    let manifest = manifest(text);
    assert!(manifest.data_tests().is_empty());
    assert_eq!((manifest.nodes.len(), manifest.disabled.len()), (1, 2));
}
