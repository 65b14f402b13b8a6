//! Queries for `dbt show` that run statements given in environment variables, because the length of command-line
//! arguments is limited.

use super::jinja::LOG_PREFIX;

/// Prefix of the environment variables with the statements. Together, the values of these variables form a JSON list of
/// pairs: the kind of a statement, and its SQL.
pub const STATEMENTS_VARIABLE_PREFIX: &str = "FORMULAC_STATEMENTS_";

/// Placeholder that statements contain instead of the name of the table in [`statements_query`].
pub const STATEMENTS_TABLE: &str = "formulac_statements_table";

/// Message that is logged before the first statement, when the warehouse can be reached.
pub const READY_MESSAGE: &str = "ready";

/// Returns a query for `dbt show` that runs the statements of `count` environment variables in order. The query logs
/// the rows of each statement, with values as strings, and ends at the first statement that fails. `table` is a table
/// in the environment's schema. Its name consists of letters, digits and `_`. Each statement begins with a comment that
/// contains the first two words of the name, so that the statements can be found in the warehouse's query history:
/// `/* formulac-prove */` for `formulac_prove_1_rows`.
///
/// A statement of the kind `change` is committed. A statement of the kind `schema` creates the schema if it does not
/// exist. All other statements are queries.
///
/// ```
/// use formulac_dbt::statements_query;
/// let query = statements_query(1, "rows");
/// assert!(query.contains("identifier='rows'") && !query.contains("*/"));
/// ```
#[must_use]
pub fn statements_query(count: usize, table: &str) -> String {
    let tag: Vec<&str> = table.split('_').take(2).collect();
    // dbt rejects the end of a comment in the text of its query comment, which may contain the command line.
    let tag = format!("'/* {} *' ~ '/ '", tag.join("-"));
    format!(
        "{{% if execute %}}{{% set texts = [] %}}{{% for number in range({count}) %}}\
         {{% do texts.append(env_var('{STATEMENTS_VARIABLE_PREFIX}' ~ number)) %}}{{% endfor %}}\
         {{% set relation = api.Relation.create(database=target.database, schema=target.schema, identifier='{table}') %}}\
         {{% do run_query({tag} ~ 'select 1 as ready') %}}{{% do log('{LOG_PREFIX}' ~ tojson('{READY_MESSAGE}'), info=true) %}}\
         {{% for item in fromjson(texts | join('')) %}}{{% set rows = [] %}}\
         {{% set sql = {tag} ~ item[1] | replace('{STATEMENTS_TABLE}', relation | string) %}}\
         {{% if item[0] == 'change' %}}\
         {{% call statement('formulac_change', auto_begin=true) %}}{{{{ sql }}}}{{% endcall %}}\
         {{% do adapter.commit() %}}\
         {{% elif item[0] == 'schema' %}}\
         {{% if not adapter.check_schema_exists(target.database, target.schema) %}}\
         {{% do adapter.create_schema(relation.without_identifier()) %}}{{% endif %}}\
         {{% else %}}\
         {{% set sql = sql | replace('{{database}}', target.database) | replace('{{schema}}', target.schema) \
         if item[0] == 'tables' else sql %}}\
         {{% for row in run_query(sql).rows %}}{{% set values = [] %}}{{% for value in row.values() %}}\
         {{% do values.append(none if value is none else value | string) %}}{{% endfor %}}\
         {{% do rows.append(values) %}}{{% endfor %}}{{% endif %}}\
         {{% do log('{LOG_PREFIX}' ~ tojson(rows), info=true) %}}{{% endfor %}}{{% endif %}}select 1 as done\n"
    )
}
