//! All statements for a compiled spec except its query: those of the dbt model, its tests, `verify` and `env diff`.

use formulac::dbt::tokens::{SqlTokenKind, tokens, unquote_token};
use formulac::dbt::{RelationName, RelationReference};
use formulac::verify::{Comparison, ComparisonReader};
use formulac::{CompiledSpec, Dialect, Relation, Schema, Type};

use crate::warehouse_rules::Statements;
use crate::yaml::{self, Node};

/// Adds the query of a compiled spec to `statements`, and looks up the constructs of the spec's other statements in
/// `dialects/facts`. `schema` contains the tables that the spec reads.
pub fn add(statements: &mut Statements, from: &str, dialect: Dialect, compiled: &CompiledSpec, schema: &Schema) {
    add_query(statements, from, dialect, compiled, schema);
    look_up(statements, from, dialect, compiled, schema);
}

/// Adds the query of a compiled spec to `statements`. `schema` contains the tables that the spec reads.
fn add_query(statements: &mut Statements, from: &str, dialect: Dialect, compiled: &CompiledSpec, schema: &Schema) {
    let Some(query) = compiled.query().filter(|_| !compiled.has_errors()) else {
        return;
    };
    let outputs: Vec<(&str, Type)> = compiled.columns().iter().map(|c| (c.name(), c.ty())).collect();
    statements.add(from, dialect, query, schema, &outputs);
}

/// Looks up the constructs of a compiled spec's statements, except for the query, in `dialects/facts`. `schema`
/// contains the tables that the spec reads.
pub fn look_up(statements: &mut Statements, from: &str, dialect: Dialect, compiled: &CompiledSpec, schema: &Schema) {
    if compiled.has_errors() {
        return;
    }
    let name = compiled.name().unwrap_or_default();
    let columns = compiled.columns().iter().cloned();
    let own = columns.fold(Relation::new(name), Relation::with);
    let schema = match schema.relation(name) {
        Some(_) => schema.clone(),
        None => schema.clone().with(own),
    };
    let texts = texts(compiled, dialect).unwrap_or_else(|error| panic!("{from}, {dialect}: {error}"));
    for (what, sql) in texts {
        statements.look_up(&format!("{from}, {what}"), dialect, &sql, &schema);
    }
}

/// Returns the statements, each with its purpose.
fn texts(compiled: &CompiledSpec, dialect: Dialect) -> Result<Vec<(String, String)>, String> {
    let own = dialect.name_text(compiled.name().unwrap_or_default(), true);
    let mut texts = Vec::new();
    if let Some(model) = compiled.model_sql() {
        texts.push(("first run".to_owned(), render_jinja(model, dialect, &own, false)?));
        if model.contains("is_incremental()") {
            texts.push(("later run".to_owned(), render_jinja(model, dialect, &own, true)?));
        }
    }
    for test in compiled.model_tests() {
        texts.push((test.name().to_owned(), render_jinja(test.sql(), dialect, &own, false)?));
    }
    if let Some(properties) = compiled.model_yml() {
        let mut filters = Vec::new();
        add_filters(&yaml::parse(properties)?, &mut filters)?;
        for filter in filters {
            let sql = format!("select * from {own} where {filter}");
            texts.push(("filter of a test".to_owned(), render_jinja(&sql, dialect, &own, false)?));
        }
    }
    let mut add = |what: &str, comparison: &Comparison| {
        let tables = ComparisonReader::Tables;
        texts.push((format!("{what}, counts"), comparison.counts_sql(tables)));
        texts.push((format!("{what}, rows"), comparison.rows_sql(tables)));
    };
    if let Some(comparison) = compiled.formula_comparison() {
        add("verify", &comparison);
        let built = RelationName::read(compiled.name().unwrap_or_default());
        if let Some(built) = built.map(RelationReference::Relation) {
            add("env diff", &comparison.between_relations(built.clone(), built));
        }
    }
    compiled
        .comparisons()
        .iter()
        .for_each(|comparison| add("compare", comparison));
    texts.extend(
        compiled
            .formula_count_sql(ComparisonReader::Tables)
            .map(|sql| ("duration".to_owned(), sql)),
    );
    Ok(texts)
}

/// Adds to `filters` the conditions on the rows that a test on a column reads.
fn add_filters(node: &Node, filters: &mut Vec<String>) -> yaml::Result<()> {
    if let Ok(items) = node.list() {
        return items.iter().try_for_each(|item| add_filters(item, filters));
    }
    let Ok(map) = node.map() else { return Ok(()) };
    for (key, value) in map.into_entries() {
        if key == "where" {
            filters.push(value.text()?.to_owned());
        } else {
            add_filters(&value, filters)?;
        }
    }
    Ok(())
}

/// Renders SQL for dbt as dbt would. `own` is the model's table, and `is_later_run` is the value of `is_incremental()`.
///
/// # Errors
///
/// Returns Jinja that formulac does not write.
fn render_jinja(text: &str, dialect: Dialect, own: &str, is_later_run: bool) -> Result<String, String> {
    let (mut out, mut end, mut is_left_out) = (String::with_capacity(text.len()), 0, false);
    for token in tokens(text, dialect) {
        let written = token.text(text);
        let is_apart = end < token.start;
        end = token.end;
        if token.kind == SqlTokenKind::Jinja {
            let inside = written.trim_matches(['{', '}', '%', '-']).trim();
            match inside {
                "if is_incremental()" => is_left_out = !is_later_run,
                "endif" => is_left_out = false,
                _ if is_left_out || inside.starts_with("config(") => {}
                "this" => out.push_str(&format!(" {own}")),
                _ => match RelationReference::read(inside) {
                    Some(read @ (RelationReference::Ref { .. } | RelationReference::Source { .. })) => {
                        out.push_str(&format!(" {}", read.relation_sql(dialect)));
                    }
                    _ => return Err(format!("Jinja that the test cannot read: {written}")),
                },
            }
            continue;
        }
        if is_left_out || token.kind == SqlTokenKind::Hint {
            continue;
        }
        out.extend(is_apart.then_some(' '));
        if token.kind == SqlTokenKind::Text && written.contains("{{") {
            // Replace other Jinja, such as a variable, with an arbitrary string.
            let value = unquote_token(written, dialect).unwrap_or_else(|| written.trim_matches('\'').to_owned());
            out.push_str(&dialect.text_literal(&value));
        } else {
            out.push_str(written);
        }
    }
    Ok(out)
}

/// Fails if the rendered SQL differs from the SQL that dbt renders.
pub fn jinja_is_rendered_as_dbt_does() {
    let dialect = Dialect::default();
    let rows = [
        (
            "{# generated #}\n{{ config(a='}}') }}\n-- a {{ '{{' }} b\nselect a.b from {{ ref('t') }}",
            "select a.b from t",
            None,
        ),
        ("select 1 from {{ source('s', 't') }}", "select 1 from t", None),
        (
            "select a from t where b\n{% if is_incremental() %}\nand a > (select max(a) from {{ this }})\n{% endif %}",
            "select a from t where b",
            Some("select a from t where b and a > (select max(a) from m)"),
        ),
        ("select '{{ '{{' }} it''s' as a", "select '{{ it''s' as a", None),
        (
            "select cast('{{ var('day') }}' as date)",
            "select cast('{{ var(''day'') }}' as date)",
            None,
        ),
    ];
    for (text, first, later) in rows {
        let of = |is_later| render_jinja(text, dialect, "m", is_later).expect("Jinja of formulac");
        assert_eq!(of(false).trim(), first);
        assert_eq!(of(true).trim(), later.unwrap_or(first));
    }
    assert!(render_jinja("select {{ other() }}", dialect, "m", false).is_err());
}
