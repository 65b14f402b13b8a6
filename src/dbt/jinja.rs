//! Escapes text that dbt renders with Jinja: SQL and all strings in YAML files.

use super::{JinjaKind, JinjaPart, RelationReference, has_jinja, jinja_parts};
use crate::yaml::YamlValue;

/// Start of a part of a model that applies only to incremental runs.
pub const IF_INCREMENTAL_TAG: &str = "{% if is_incremental() %}";
/// End of a conditional part.
pub const END_IF_TAG: &str = "{% endif %}";
/// Existing table of an incremental model.
pub const THIS_RELATION: &str = "{{ this }}";

/// Returns the body of an import CTE.
pub fn import_cte_body(from: &RelationReference, table: &str) -> String {
    match from.ref_call() {
        Some(call) => format!("select * from {{{{ {call} }}}}"),
        None => format!("select * from {table}"),
    }
}

/// Returns a comment that makes a file depend on a node that its SQL does not read. Returns an empty string for a
/// warehouse table.
pub fn depends_on_comment(node: &RelationReference) -> String {
    match node.ref_call() {
        Some(call) => format!("-- depends_on: {{{{ {call} }}}}\n"),
        None => String::new(),
    }
}

/// Brackets of Jinja's expressions, statements and comments.
const JINJA_MARKERS: [&str; 6] = ["{{", "{%", "{#", "#}", "}}", "%}"];

/// Escapes a string so that dbt renders it unchanged. Each Jinja marker is replaced with an expression that prints the
/// marker. In long SQL strings, this is easier to read than `raw` blocks.
///
/// `a {{ b` becomes `a {{ '{{' }} b`.
pub fn escape_jinja(text: &str) -> String {
    if !JINJA_MARKERS.iter().any(|marker| text.contains(marker)) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 32);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        // Replace each two-character marker with a separate expression, regardless of the adjacent characters.
        let next = chars.peek().copied();
        let marker = matches!((c, next), ('{', Some('{' | '%' | '#')) | ('#' | '%' | '}', Some('}')));
        if marker {
            let marker: String = [c, next.unwrap_or_default()].iter().collect();
            chars.next();
            out.push_str(&format!("{{{{ '{marker}' }}}}"));
        } else {
            out.push(c);
        }
    }
    out
}

/// Returns the same SQL without the characters `*/` outside of Jinja and of `raw` blocks. dbt rejects these characters
/// on its command line if the project's query comment contains the command line.
///
/// ```
/// use formulac_dbt::escape_comment_ends;
/// assert_eq!(escape_comment_ends("select 1 /* a */ as b"), "select 1 /* a *{{ '/' }} as b");
/// ```
pub fn escape_comment_ends(sql: &str) -> String {
    let mut is_raw = false;
    let escape = |part: JinjaPart<'_>| {
        let is_in_raw = std::mem::replace(&mut is_raw, part.kind == JinjaKind::Statement && part.code == "raw");
        let text = sql.get(part.start..part.end).unwrap_or_default();
        match part.kind {
            JinjaKind::Text if !is_in_raw => text.replace("*/", "*{{ '/' }}"),
            _ => text.to_owned(),
        }
    };
    jinja_parts(sql).map(escape).collect()
}

/// Escapes a string in YAML so that dbt renders it unchanged. A `raw` block is easiest to read, but a string that
/// contains `endraw` needs expressions instead.
pub fn escape_with_raw_block(text: &str) -> String {
    if !has_jinja(text) {
        return text.to_owned();
    }
    if text.contains("endraw") {
        escape_jinja(text)
    } else {
        format!("{{% raw %}}{text}{{% endraw %}}")
    }
}

/// Returns a string in YAML that dbt renders to this text.
pub fn escaped_text(text: impl AsRef<str>) -> YamlValue {
    YamlValue::Text(escape_with_raw_block(text.as_ref()))
}

/// Returns the text that [`escape_with_raw_block`] escaped. Returns `None` if the string contains other Jinja, which is
/// code.
pub fn unescape_raw_block(string: &str) -> Option<String> {
    if !has_jinja(string) {
        return Some(string.to_owned());
    }
    let raw = string
        .strip_prefix("{% raw %}")
        .and_then(|text| text.strip_suffix("{% endraw %}"));
    if let Some(text) = raw.filter(|text| !text.contains("endraw")) {
        return Some(text.to_owned());
    }
    let text = JINJA_MARKERS.iter().fold(string.to_owned(), |text, marker| {
        text.replace(&format!("{{{{ '{marker}' }}}}"), marker)
    });
    (escape_with_raw_block(&text) == string).then_some(text)
}

/// Prefix of the lines that dbt logs for these queries. The rest of each line is JSON.
pub const LOG_PREFIX: &str = "formulac ";

/// Returns a query for `dbt show` that logs one line per relation, in order. Each line states whether the relation
/// exists and lists its columns: `[true, [["id", "integer"]]]`. The query uses dbt's adapter because no single SQL
/// query returns this information in all warehouses.
///
/// ```
/// use formulac_dbt::{RelationReference, relation_lookup_query};
/// let orders = RelationReference::Table("orders".to_owned());
/// assert!(relation_lookup_query(&[orders]).starts_with("{% set relations = [ref('orders')] %}"));
/// ```
#[must_use]
pub fn relation_lookup_query(relations: &[RelationReference]) -> String {
    let call = |from: &RelationReference| {
        from.ref_call().unwrap_or_else(|| {
            let keys = ["identifier", "schema", "database"];
            let table = from.display_name();
            let parts = table.rsplit('.').zip(keys).map(|(part, key)| format!("{key}='{part}'"));
            format!("api.Relation.create({})", parts.collect::<Vec<_>>().join(", "))
        })
    };
    let calls: Vec<String> = relations.iter().map(call).collect();
    // The `ref` and `source` calls are outside of conditions, so that dbt finds them. Adapters cannot look up an
    // ephemeral model, which dbt inserts as a CTE.
    format!(
        "{{% set relations = [{}] %}}{{% if execute %}}{{% for relation in relations %}}\
         {{% set there = none if relation.is_cte else load_relation(relation) %}}{{% set columns = [] %}}{{% if there is not none %}}\
         {{% for column in adapter.get_columns_in_relation(there) %}}\
         {{% do columns.append([column.name, column.data_type]) %}}{{% endfor %}}{{% endif %}}\
         {{% do log('{LOG_PREFIX}' ~ tojson([there is not none, columns, there ~ '']), info=true) %}}{{% endfor %}}{{% endif %}}\
         select 1 as done\n",
        calls.join(", ")
    )
}

/// Wraps `query` for `dbt show`, so that dbt first runs the query `timed` and logs its duration in seconds.
#[must_use]
pub fn query_with_duration(timed: &str, query: &str) -> String {
    let took = timed_query_jinja(timed);
    format!(
        "{took}{{% if execute %}}{{% do log('{LOG_PREFIX}' ~ tojson(formulac_took), info=true) %}}{{% endif %}}{query}"
    )
}

/// Returns a query for `dbt show` that runs several queries. An optional timed query runs before each query. dbt logs
/// one line per query, in order, with the duration of the timed query in seconds, the column names, and the rows with
/// values as strings: `[0.25, ["n"], [["3"]]]`.
///
/// ```
/// let asked = formulac_dbt::combine_queries(&[("select 1 as n", None), ("select 2 as n", Some("select 3"))]);
/// assert_eq!(asked.matches("run_query").count(), 3);
/// ```
#[must_use]
pub fn combine_queries(queries: &[(&str, Option<&str>)]) -> String {
    let mut out = String::new();
    for (query, timed) in queries {
        // The `ref` and `source` calls are outside of conditions, so that dbt finds them. Adapters cannot look up an
        // ephemeral model, which dbt inserts as a CTE.
        out.push_str(&format!("{{% set formulac_query %}}{query}{{% endset %}}"));
        out.push_str(&timed.map_or_else(|| "{% set formulac_took = none %}".to_owned(), timed_query_jinja));
        out.push_str(&format!(
            "{{% if execute %}}{{% set formulac_answer = run_query(formulac_query) %}}{{% set formulac_rows = [] %}}\
             {{% for row in formulac_answer.rows %}}{{% set formulac_row = [] %}}{{% for value in row.values() %}}\
             {{% do formulac_row.append(none if value is none else value | string) %}}{{% endfor %}}\
             {{% do formulac_rows.append(formulac_row) %}}{{% endfor %}}\
             {{% do log('{LOG_PREFIX}' ~ tojson([formulac_took, formulac_answer.column_names | list, formulac_rows]), \
             info=true) %}}{{% endif %}}"
        ));
    }
    out.push_str("select 1 as done\n");
    out
}

/// Returns Jinja that runs a query and sets `formulac_took` to the query's duration in seconds.
fn timed_query_jinja(timed: &str) -> String {
    let now = "modules.datetime.datetime.now()";
    format!(
        "{{% set formulac_timed %}}{timed}{{% endset %}}{{% if execute %}}{{% set formulac_began = {now} %}}\
         {{% do run_query(formulac_timed) %}}{{% set formulac_took = ({now} - formulac_began).total_seconds() %}}\
         {{% endif %}}"
    )
}

#[cfg(test)]
mod tests {
    use super::{escape_jinja, escape_with_raw_block, unescape_raw_block};

    #[test]
    fn texts_cannot_close_their_raw_block() {
        assert_eq!(escape_with_raw_block("plain { text } #}"), "plain { text } #}");
        assert_eq!(escape_with_raw_block("a {{ b }}"), "{% raw %}a {{ b }}{% endraw %}");
        assert_eq!(
            escape_with_raw_block("{%-endraw-%}{{ evil }}"),
            "{{ '{%' }}-endraw-{{ '%}' }}{{ '{{' }} evil {{ '}}' }}"
        );
    }

    #[test]
    fn only_escaped_text_is_unescaped() {
        for text in [
            "a } b",
            "a {{ b }}",
            "{%-endraw-%}{{ evil }}",
            "{{ '{{' }} endraw",
            "{{{ endraw",
        ] {
            assert_eq!(unescape_raw_block(&escape_with_raw_block(text)).as_deref(), Some(text));
        }
        assert_eq!(unescape_raw_block("{% raw %}a{% endraw %}").as_deref(), Some("a"));
        for code in [
            "{{ doc('a') }}",
            "{% raw %}a{% endraw %} {{ b }}{% raw %}c{% endraw %}",
            "{{ '{{' }} b {{ '}}' }}",
            "{{ '{%' }} endraw {{ b }}",
        ] {
            assert_eq!(unescape_raw_block(code), None, "{code}");
        }
    }

    #[test]
    fn placeholders_become_expressions() {
        assert_eq!(escape_jinja("plain { text }"), "plain { text }");
        assert_eq!(escape_jinja("a {{ b }}"), "a {{ '{{' }} b {{ '}}' }}");
        assert_eq!(
            escape_jinja("{% x %} {# y #}"),
            "{{ '{%' }} x {{ '%}' }} {{ '{#' }} y {{ '#}' }}"
        );
        assert_eq!(escape_jinja("{{{"), "{{ '{{' }}{");
    }
}
