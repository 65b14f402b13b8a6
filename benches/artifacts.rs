//! Reading dbt's artifacts: a generated manifest of 10,000 models and 200,000 columns, as a ratio to the floor, which
//! is serde_json passing over the same text without keeping anything.
//!
//!     cargo bench --bench artifacts              the report
//!     cargo bench --bench artifacts -- --check   exit status 1 when a "must" is missed
//!     cargo bench --bench artifacts -- --write F the manifest as a file, for commands to be tried with

#![allow(missing_docs, reason = "a program")]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a bench that cannot run should stop")]

#[allow(dead_code, reason = "shared with the other benches")]
mod measure;

use std::fmt::Write;
use std::hint::black_box;

use formulac::artifacts::{Keep, Manifest, ResourceType};
use formulac::{Dialect, Schema};
use measure::{Goals, Race, ratio, spent};
use serde::de::IgnoredAny;

const MODELS: usize = 10_000;
const COLUMNS: usize = 20;

/// Each model reads two before it and has a key, a foreign key and descriptions, with the fields that dbt 1.12 writes.
fn generated(models: usize) -> String {
    let mut out = String::with_capacity(models * 32_000);
    out.push_str(r#"{"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "dbt_version": "1.12.6", "generated_at": "2026-11-20T06:30:53.407851Z", "project_name": "shop", "adapter_type": "snowflake"}, "nodes": {"#);
    for number in 0..models {
        model(&mut out, number);
        for (test, column, arguments) in [
            ("unique", 0, ""),
            ("not_null", 0, ""),
            ("not_null", 1, ""),
            ("relationships", 1, r#", "to": "ref('model_0')", "field": "column_0""#),
        ] {
            data_test(&mut out, number, test, column, arguments);
        }
    }
    out.pop();
    out.push_str(r#"}, "sources": {}, "macros": {"#);
    for number in 0..1_000 {
        let body = "{% macro m() %}{{ return(adapter.dispatch('m')()) }}\\n{% endmacro %}".repeat(20);
        let _ = write!(out, r#""macro.dbt.m_{number}": {{"name": "m_{number}", "macro_sql": "{body}"}},"#);
    }
    out.pop();
    out.push_str(r#"}, "docs": {}, "exposures": {}, "metrics": {}, "groups": {}, "disabled": {}, "parent_map": {"#);
    for map in 0..2 {
        for number in 0..models {
            let _ = write!(
                out,
                r#""model.shop.model_{number}": ["model.shop.model_{}", "model.shop.model_{}"],"#,
                number / 2,
                number / 3
            );
        }
        out.pop();
        out.push_str(if map == 0 { r#"}, "child_map": {"# } else { "}}" });
    }
    out
}

fn model(out: &mut String, number: usize) {
    let (first, second) = (number / 2, number / 3);
    let sql = format!("select\\n    customers.customer_id,\\n    sum(case when orders.status = \\\"paid\\\" then orders.amount else 0 end) as column_{number}\\nfrom {{{{ ref('model_{first}') }}}} as orders\\nleft join customers using (customer_id)\\nwhere orders.created_at >= '2024-01-01' -- the first day\\n").repeat(12);
    let _ = write!(
        out,
        r#""model.shop.model_{number}": {{"database": "analytics", "schema": "marts", "name": "model_{number}", "resource_type": "model", "package_name": "shop", "path": "marts/model_{number}.sql", "original_file_path": "models/marts/model_{number}.sql", "unique_id": "model.shop.model_{number}", "fqn": ["shop", "marts", "model_{number}"], "alias": "model_{number}", "checksum": {{"name": "sha256", "checksum": "bf1dbff6951882315c18eab843c208758c82d043c1a58a4129f7c812bed{number:05}"}}, "config": {CONFIG}, "tags": ["nightly"], "description": "Model number {number}, with what its rows are and how they come to be there.", "columns": {{"#
    );
    for column in 0..COLUMNS {
        let _ = write!(
            out,
            r#""column_{column}": {{"name": "column_{column}", "description": "Column {column} of model {number}: what its values mean to those who read them.", "meta": {{"omni": {{"label": "Column {column}"}}}}, "data_type": "number(38,2)", "constraints": [], "quote": null, "config": {{"meta": {{"omni": {{"label": "Column {column}"}}}}, "tags": ["pii"]}}, "tags": ["pii"], "granularity": null, "dimension": null, "entity": null, "doc_blocks": []}},"#
        );
    }
    out.pop();
    let _ = write!(
        out,
        r#"}}, "meta": {{"omni": {{"topic": "orders"}}}}, "group": null, "docs": {{"show": true, "node_color": null}}, "patch_path": "shop://models/marts/_marts.yml", "build_path": null, "unrendered_config": {{"materialized": "table"}}, "created_at": 1795156240.4641693, "relation_name": "\"analytics\".\"marts\".\"model_{number}\"", "raw_code": "{sql}", "doc_blocks": [], "language": "sql", "refs": [{{"name": "model_{first}", "package": null, "version": null}}, {{"name": "model_{second}", "package": null, "version": null}}], "sources": [], "metrics": [], "depends_on": {{"macros": ["macro.dbt.m_1"], "nodes": ["model.shop.model_{first}", "model.shop.model_{second}"]}}, "compiled_path": "target/compiled/shop/models/marts/model_{number}.sql", "compiled": true, "compiled_code": "{sql}", "extra_ctes_injected": true, "extra_ctes": [], "contract": {{"enforced": false, "alias_types": true, "checksum": null}}, "access": "protected", "constraints": [], "version": null, "latest_version": null, "deprecation_date": null, "primary_key": ["column_0"], "time_spine": null}},"#
    );
}

fn data_test(out: &mut String, number: usize, test: &str, column: usize, arguments: &str) {
    let id = format!("{test}_model_{number}_column_{column}");
    let sql = format!("\\n    \\n    \\n\\nselect\\n    column_{column} as unique_field,\\n    count(*) as n_records\\n\\nfrom \\\"analytics\\\".\\\"marts\\\".\\\"model_{number}\\\"\\nwhere column_{column} is not null\\ngroup by column_{column}\\nhaving count(*) > 1\\n").repeat(2);
    let _ = write!(
        out,
        r#""test.shop.{id}.5598e4f921": {{"test_metadata": {{"name": "{test}", "kwargs": {{"column_name": "column_{column}"{arguments}, "model": "{{{{ get_where_subquery(ref('model_{number}')) }}}}"}}, "namespace": null}}, "database": "analytics", "schema": "dbt_test__audit", "name": "{id}", "resource_type": "test", "package_name": "shop", "path": "{id}.sql", "original_file_path": "models/marts/_marts.yml", "unique_id": "test.shop.{id}.5598e4f921", "fqn": ["shop", "marts", "{id}"], "alias": "{id}", "checksum": {{"name": "none", "checksum": ""}}, "config": {TEST_CONFIG}, "tags": [], "description": "", "columns": {{}}, "meta": {{}}, "group": null, "docs": {{"show": true, "node_color": null}}, "patch_path": null, "build_path": null, "unrendered_config": {{}}, "created_at": 1795156239.484512, "relation_name": null, "raw_code": "{{{{ test_{test}(**_dbt_generic_test_kwargs) }}}}", "doc_blocks": [], "language": "sql", "refs": [{{"name": "model_0", "package": null, "version": null}}, {{"name": "model_{number}", "package": null, "version": null}}], "sources": [], "metrics": [], "depends_on": {{"macros": ["macro.dbt.test_{test}", "macro.dbt.get_where_subquery"], "nodes": ["model.shop.model_0", "model.shop.model_{number}"]}}, "compiled_path": "target/compiled/shop/models/marts/_marts.yml/{id}.sql", "compiled": true, "compiled_code": "{sql}", "extra_ctes_injected": true, "extra_ctes": [], "contract": {{"enforced": false, "alias_types": true, "checksum": null}}, "column_name": "column_{column}", "file_key_name": "models.model_{number}", "attached_node": "model.shop.model_{number}"}},"#
    );
}

const CONFIG: &str = r#"{"enabled": true, "alias": null, "schema": null, "database": null, "tags": ["nightly"], "meta": {"omni": {"topic": "orders"}}, "group": null, "static_analysis": null, "materialized": "table", "incremental_strategy": null, "batch_size": null, "lookback": 1, "begin": null, "persist_docs": {}, "post-hook": [], "pre-hook": [], "quoting": {}, "column_types": {}, "full_refresh": null, "unique_key": null, "on_schema_change": "ignore", "on_configuration_change": "apply", "grants": {}, "packages": [], "docs": {"show": true, "node_color": null}, "contract": {"enforced": false, "alias_types": true}, "event_time": null, "concurrent_batches": null, "access": "protected", "freshness": null}"#;
const TEST_CONFIG: &str = r#"{"enabled": true, "alias": null, "schema": "dbt_test__audit", "database": null, "tags": [], "meta": {}, "group": null, "static_analysis": null, "materialized": "test", "severity": "ERROR", "store_failures": null, "store_failures_as": null, "sql_header": null, "where": null, "limit": null, "fail_calc": "count(*)", "warn_if": "!= 0", "error_if": "!= 0"}"#;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text = generated(MODELS);
    if let Some([_, file]) = arguments.windows(2).find(|pair| pair[0] == "--write") {
        std::fs::write(file, &text).expect("the file must be written");
        return;
    }
    let small = generated(MODELS / 10);
    let rounds = if arguments.iter().any(|a| a == "--quick") { 2 } else { 5 };
    let pass_over = |text: &str| {
        black_box(serde_json::from_str::<IgnoredAny>(black_box(text)).unwrap());
    };
    let read = |text: &str, keep: Keep| Manifest::from_text(black_box(text), keep).unwrap();
    let code = Keep::default().raw_code().compiled_code();
    let (memory, manifest) = spent(|| read(&text, Keep::default()));
    let (with_code, _) = spent(|| drop(read(&text, code)));
    let (of_schema, schema) = spent(|| Schema::from_dbt(&manifest, None, Dialect::default()));
    assert_eq!(manifest.of_type(ResourceType::Model).count(), MODELS);
    assert_eq!(schema.relations().iter().map(|relation| relation.columns().len()).sum::<usize>(), MODELS * COLUMNS);
    let times = Race::new()
        .with("floor", || pass_over(&text))
        .with("manifest", || drop(read(&text, Keep::default())))
        .with("with its code", || drop(read(&text, code)))
        .with("its tests", || drop(black_box(manifest.tests_by_node())))
        .with("schema of it", || drop(black_box(Schema::from_dbt(&manifest, None, Dialect::default()))))
        .with("a tenth of it", || drop(read(&small, Keep::default())))
        .run(rounds);
    let megabytes = |bytes: usize| bytes as f64 / 1e6;
    println!("a manifest of {MODELS} models, {} columns, {:.0} MB\n", MODELS * COLUMNS, megabytes(text.len()));
    for (name, time) in &times {
        println!("{name:<16} {:>7.0} ms {:>7.2}x", time.as_secs_f64() * 1e3, ratio(*time, times[0].1));
    }
    println!(
        "\nkept {:.0} MB, at most {:.0} MB beside the text; with its code {:.0} MB; its schema {:.0} MB",
        megabytes(memory.kept),
        megabytes(memory.peak),
        megabytes(with_code.peak),
        megabytes(of_schema.kept)
    );
    println!("\n{:<44} {:>11} {:>9} {:>9}", "goal", "measured", "must", "aim");
    let mut goals = Goals::new(0);
    goals.line("reading a manifest", ratio(times[1].1, times[0].1), 8.0, 4.0, "x");
    goals.line("reading it with its code", ratio(times[2].1, times[0].1), 10.0, 5.0, "x");
    goals.line(
        "cost of a byte, all over a tenth",
        times[1].1.as_secs_f64() / text.len() as f64 / (times[5].1.as_secs_f64() / small.len() as f64),
        1.6,
        1.2,
        "x",
    );
    goals.line("text and manifest, in GB", (text.len() + memory.peak) as f64 / 1e9, 1.0, 0.6, "");
    goals.end(&arguments);
}
