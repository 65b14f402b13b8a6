//! Generates a manifest in dbt's format, with 10,000 models and 200,000 columns.

use std::fmt::Write;

pub const MODELS: usize = 10_000;
pub const COLUMNS: usize = 20;

/// Generates a manifest. Each model reads the two models before it. Each model also has a key, a foreign key and
/// descriptions, with the fields that dbt 1.12 writes.
pub fn generate_manifest(models: usize) -> String {
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
        let _ = write!(
            out,
            r#""macro.dbt.m_{number}": {{"name": "m_{number}", "macro_sql": "{body}"}},"#
        );
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

/// Generates the catalog that `dbt docs generate` writes for the same models.
pub fn catalog(models: usize) -> String {
    let mut out = String::with_capacity(models * 3_000);
    out.push_str(r#"{"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/catalog/v1.json", "generated_at": "2026-11-20T06:40:53.407851Z"}, "nodes": {"#);
    for number in 0..models {
        let _ = write!(
            out,
            r#""model.shop.model_{number}": {{"metadata": {{"type": "BASE TABLE", "schema": "MARTS", "name": "MODEL_{number}", "database": "ANALYTICS", "comment": null, "owner": "TRANSFORMER"}}, "columns": {{"#
        );
        for column in 0..COLUMNS {
            let ty = ["NUMBER", "DATE", "TEXT", "FLOAT"][column % 4];
            let _ = write!(
                out,
                r#""COLUMN_{column}": {{"type": "{ty}", "index": {}, "name": "COLUMN_{column}", "comment": null}},"#,
                column + 1
            );
        }
        out.pop();
        let _ = write!(
            out,
            r#"}}, "stats": {{"has_stats": {{"id": "has_stats", "label": "Has Stats?", "value": false, "include": false, "description": "Indicates whether there are statistics for this table"}}}}, "unique_id": "model.shop.model_{number}"}},"#
        );
    }
    out.pop();
    out.push_str(r#"}, "sources": {}, "errors": null}"#);
    out
}

fn model(output: &mut String, number: usize) {
    let (first, second) = (number / 2, number / 3);
    let raw = query(
        &format!("{{{{ ref('model_{first}') }}}}"),
        &format!("{{{{ ref('model_{second}') }}}}"),
    );
    let table = |number: usize| format!("\\\"analytics\\\".\\\"marts\\\".\\\"model_{number}\\\"");
    let compiled = query(&table(first), &table(second));
    let _ = write!(
        output,
        r#""model.shop.model_{number}": {{"database": "analytics", "schema": "marts", "name": "model_{number}", "resource_type": "model", "package_name": "shop", "path": "marts/model_{number}.sql", "original_file_path": "models/marts/model_{number}.sql", "unique_id": "model.shop.model_{number}", "fqn": ["shop", "marts", "model_{number}"], "alias": "model_{number}", "checksum": {{"name": "sha256", "checksum": "bf1dbff6951882315c18eab843c208758c82d043c1a58a4129f7c812bed{number:05}"}}, "config": {CONFIG}, "tags": ["nightly"], "description": "Model number {number}, with what its rows are and how they come to be there.", "columns": {{"#
    );
    for column in 0..COLUMNS {
        let _ = write!(
            output,
            r#""column_{column}": {{"name": "column_{column}", "description": "Column {column} of model {number}: what its values mean to those who read them.", "meta": {{"omni": {{"label": "Column {column}"}}}}, "data_type": "number(38,2)", "constraints": [], "quote": null, "config": {{"meta": {{"omni": {{"label": "Column {column}"}}}}, "tags": ["pii"]}}, "tags": ["pii"], "granularity": null, "dimension": null, "entity": null, "doc_blocks": []}},"#
        );
    }
    output.pop();
    let _ = write!(
        output,
        r#"}}, "meta": {{"omni": {{"topic": "orders"}}}}, "group": null, "docs": {{"show": true, "node_color": null}}, "patch_path": "shop://models/marts/_marts.yml", "build_path": null, "unrendered_config": {{"materialized": "table"}}, "created_at": 1795156240.4641693, "relation_name": "\"analytics\".\"marts\".\"model_{number}\"", "raw_code": "{raw}", "doc_blocks": [], "language": "sql", "refs": [{{"name": "model_{first}", "package": null, "version": null}}, {{"name": "model_{second}", "package": null, "version": null}}], "sources": [], "metrics": [], "depends_on": {{"macros": ["macro.dbt.m_1"], "nodes": ["model.shop.model_{first}", "model.shop.model_{second}"]}}, "compiled_path": "target/compiled/shop/models/marts/model_{number}.sql", "compiled": true, "compiled_code": "{compiled}", "extra_ctes_injected": true, "extra_ctes": [], "contract": {{"enforced": false, "alias_types": true, "checksum": null}}, "access": "protected", "constraints": [], "version": null, "latest_version": null, "deprecation_date": null, "primary_key": ["column_0"], "time_spine": null}},"#
    );
}

fn data_test(output: &mut String, number: usize, test: &str, column: usize, arguments: &str) {
    let id = format!("{test}_model_{number}_column_{column}");
    let sql = format!("\\n    \\n    \\n\\nselect\\n    column_{column} as unique_field,\\n    count(*) as n_records\\n\\nfrom \\\"analytics\\\".\\\"marts\\\".\\\"model_{number}\\\"\\nwhere column_{column} is not null\\ngroup by column_{column}\\nhaving count(*) > 1\\n").repeat(2);
    let _ = write!(
        output,
        r#""test.shop.{id}.5598e4f921": {{"test_metadata": {{"name": "{test}", "kwargs": {{"column_name": "column_{column}"{arguments}, "model": "{{{{ get_where_subquery(ref('model_{number}')) }}}}"}}, "namespace": null}}, "database": "analytics", "schema": "dbt_test__audit", "name": "{id}", "resource_type": "test", "package_name": "shop", "path": "{id}.sql", "original_file_path": "models/marts/_marts.yml", "unique_id": "test.shop.{id}.5598e4f921", "fqn": ["shop", "marts", "{id}"], "alias": "{id}", "checksum": {{"name": "none", "checksum": ""}}, "config": {TEST_CONFIG}, "tags": [], "description": "", "columns": {{}}, "meta": {{}}, "group": null, "docs": {{"show": true, "node_color": null}}, "patch_path": null, "build_path": null, "unrendered_config": {{}}, "created_at": 1795156239.484512, "relation_name": null, "raw_code": "{{{{ test_{test}(**_dbt_generic_test_kwargs) }}}}", "doc_blocks": [], "language": "sql", "refs": [{{"name": "model_0", "package": null, "version": null}}, {{"name": "model_{number}", "package": null, "version": null}}], "sources": [], "metrics": [], "depends_on": {{"macros": ["macro.dbt.test_{test}", "macro.dbt.get_where_subquery"], "nodes": ["model.shop.model_0", "model.shop.model_{number}"]}}, "compiled_path": "target/compiled/shop/models/marts/_marts.yml/{id}.sql", "compiled": true, "compiled_code": "{sql}", "extra_ctes_injected": true, "extra_ctes": [], "contract": {{"enforced": false, "alias_types": true, "checksum": null}}, "column_name": "column_{column}", "file_key_name": "models.model_{number}", "attached_node": "model.shop.model_{number}"}},"#
    );
}

/// Returns SQL that reads two relations, escaped for JSON. The join and the filter use two key columns. Every other
/// column is computed from four columns that are not keys, so that a change to one column affects all SQL downstream.
fn query(first: &str, second: &str) -> String {
    let mut sql = format!(
        "with\\n\\nfirst as (\\n    select * from {first}\\n),\\n\\nsecond as (\\n    select * from {second}\\n)\\n\\n\
         select\\n    first.column_0,\\n    first.column_1"
    );
    let other = |column: usize, by: usize| 2 + (column - 2 + by) % (COLUMNS - 2);
    for column in 2..COLUMNS {
        let (one, two) = (other(column, 1), other(column, 3));
        let _ = write!(
            sql,
            ",\\n    case\\n        when first.column_{column} > 0 and second.column_{one} is not null\\n            \
             then coalesce(first.column_{column}, 0) + second.column_{two}\\n        else first.column_{column} * 2\\n    \
             end as column_{column}"
        );
    }
    sql.push_str(
        "\\nfrom first\\nleft join second\\n    on first.column_0 = second.column_0\\nwhere first.column_1 is not null\\n",
    );
    sql
}

const CONFIG: &str = r#"{"enabled": true, "alias": null, "schema": null, "database": null, "tags": ["nightly"], "meta": {"omni": {"topic": "orders"}}, "group": null, "static_analysis": null, "materialized": "table", "incremental_strategy": null, "batch_size": null, "lookback": 1, "begin": null, "persist_docs": {}, "post-hook": [], "pre-hook": [], "quoting": {}, "column_types": {}, "full_refresh": null, "unique_key": null, "on_schema_change": "ignore", "on_configuration_change": "apply", "grants": {}, "packages": [], "docs": {"show": true, "node_color": null}, "contract": {"enforced": false, "alias_types": true}, "event_time": null, "concurrent_batches": null, "access": "protected", "freshness": null}"#;
const TEST_CONFIG: &str = r#"{"enabled": true, "alias": null, "schema": "dbt_test__audit", "database": null, "tags": [], "meta": {}, "group": null, "static_analysis": null, "materialized": "test", "severity": "ERROR", "store_failures": null, "store_failures_as": null, "sql_header": null, "where": null, "limit": null, "fail_calc": "count(*)", "warn_if": "!= 0", "error_if": "!= 0"}"#;
