//! Converts the raw code of dbt models to SQL without running dbt. Simple Jinja calls have a known result. Code with
//! other Jinja is rejected, because it could return any SQL.

use formulac_syntax::text::collapse_whitespace;

use crate::dbt::{JinjaKind, RelationReference, call_arguments, jinja_parts};

/// Returns the SQL of a model's code. `name` returns the SQL name that replaces a Jinja expression, such as the
/// relation of `ref(…)`, `source(…)` or `this`. For an incremental model, combines the SQL of the first run and the SQL
/// of later runs with `union all`, because both write the model's columns.
///
/// # Errors
///
/// Returns the first Jinja expression or tag that only dbt can evaluate.
pub(super) fn model_sql(code: &str, mut name: impl FnMut(&str) -> Option<String>) -> Result<String, String> {
    let first = sql_of_run(code, false, &mut name)?;
    let later = sql_of_run(code, true, &mut name)?;
    Ok(if first == later {
        first
    } else {
        format!("(\n{first}\n)\nunion all\n(\n{later}\n)")
    })
}

/// Returns the SQL for the first run of a model, or for a later run.
fn sql_of_run(
    code: &str,
    is_incremental: bool,
    mut name: impl FnMut(&str) -> Option<String>,
) -> Result<String, String> {
    let mut out = String::with_capacity(code.len());
    let mut context = LexicalContext::Code;
    // For each open `if`, whether its current branch is taken.
    let mut branch_states: Vec<bool> = Vec::new();
    for part in jinja_parts(code) {
        let (inside, is_taken) = (part.code, branch_states.iter().all(|is_active| *is_active));
        let kind = match part.kind {
            JinjaKind::Text if is_taken => {
                context = context.advance(inside);
                out.push_str(inside);
                continue;
            }
            JinjaKind::Text => continue,
            JinjaKind::Expression => '{',
            JinjaKind::Statement => '%',
            JinjaKind::Comment => '#',
        };
        if !part.is_closed {
            return Err(format!("`{{{kind}` is not closed"));
        }
        if kind == '%' {
            match (
                inside.split_whitespace().collect::<Vec<_>>().as_slice(),
                branch_states.last_mut(),
            ) {
                (["if", "is_incremental()"], _) => branch_states.push(is_incremental),
                (["if", "not", "is_incremental()"], _) => branch_states.push(!is_incremental),
                (["else"], Some(is_active)) => *is_active = !*is_active,
                (["endif"], Some(_)) => drop(branch_states.pop()),
                _ => return Err(display_jinja(inside, kind)),
            }
            continue;
        }
        // Jinja inside an SQL comment does not generate SQL.
        if kind == '#' || !is_taken || matches!(context, LexicalContext::Comment | LexicalContext::Block) {
            continue;
        }
        match sql_of_jinja_call(inside, context) {
            Some(value) => out.push_str(value),
            None => out.push_str(&name(inside).ok_or_else(|| display_jinja(inside, kind))?),
        }
    }
    if !branch_states.is_empty() {
        return Err("`{% if` without `{% endif %}`".to_owned());
    }
    Ok(out)
}

/// Returns whether a Jinja expression is a relation: `ref(…)`, `source(…)` or `this`.
pub(super) fn reads_relation(expression: &str) -> bool {
    let reference = RelationReference::read(expression);
    let is_call = matches!(
        reference,
        Some(RelationReference::Ref { .. } | RelationReference::Source { .. })
    );
    expression == "this" || is_call
}

/// Returns the SQL that a Jinja call without a relation produces.
fn sql_of_jinja_call(inside: &str, context: LexicalContext) -> Option<&str> {
    if call_arguments(inside, "config").is_some() {
        return Some("");
    }
    let arguments = call_arguments(inside, "var")?;
    if context == LexicalContext::Text {
        // A variable inside a string is part of a constant, so its value does not affect the lineage.
        return Some("");
    }
    let (_, default) = arguments.split_once(',')?;
    Some(default.trim()).filter(|default| is_number(default))
}

/// Returns whether the value of a variable is a number. A number is safe, because `dbt --vars` would only set another
/// number. Other text could be any SQL.
pub(super) fn is_number(value: &str) -> bool {
    value.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Formats a piece of Jinja for messages.
fn display_jinja(inside: &str, kind: char) -> String {
    let words = collapse_whitespace(inside);
    let short: String = words.chars().take(40).collect();
    let more = if short.len() < words.len() { "…" } else { "" };
    let close = if kind == '{' { '}' } else { kind };
    format!("`{{{kind} {short}{more} {close}}}`")
}

/// Lexical context of a position in SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LexicalContext {
    Code,
    /// Text in single quotes.
    Text,
    /// Name in double quotes or backticks.
    Name(char),
    /// Comment after `--`.
    Comment,
    /// Comment between `/*` and `*/`.
    Block,
}

impl LexicalContext {
    fn advance(mut self, text: &str) -> Self {
        let mut before = ' ';
        for c in text.chars() {
            self = match (self, before, c) {
                (Self::Code, _, '\'') => Self::Text,
                (Self::Code, _, quote @ ('"' | '`')) => Self::Name(quote),
                (Self::Name(open), _, quote) if open == quote => Self::Code,
                (Self::Text, _, '\'') | (Self::Comment, _, '\n') | (Self::Block, '*', '/') => Self::Code,
                (Self::Code, '-', '-') => Self::Comment,
                (Self::Code, '/', '*') => Self::Block,
                (state, ..) => state,
            };
            before = c;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_calls_are_resolved() {
        let is_known = |call: &str| reads_relation(call) && !call.contains("unknown");
        let name = |call: &str| is_known(call).then(|| call.replace(|c: char| !c.is_alphanumeric(), "_"));
        for (code, expected) in [
            ("select 1", Ok("select 1")),
            (
                "{{ config(materialized='table', meta={'a': {'b': \"}}\"}}) }}select * from {{ ref('a') }}",
                Ok("select * from ref__a__"),
            ),
            (
                "{# {{ x }} #}select '{' from {{- source('raw', 'b c') -}} where {a}",
                Ok("select '{' from source__raw____b_c__ where {a}"),
            ),
            (
                "select * from {{ ref('p', 'a', v=2) }}, {{this}}",
                Ok("select * from ref__p____a___v_2_, this"),
            ),
            (
                "select -- {{ x }} don't\n 1, '{{ var('start') }}' as s",
                Ok("select --  don't\n 1, '' as s"),
            ),
            (
                "select {{ var('limit', 10) }} /* it's */ as l",
                Ok("select 10 /* it's */ as l"),
            ),
            ("select \"it's\" /* {{ x }} */, {{ var('x') }}", Err("`{{ var('x') }}`")),
            ("select {{ var('column', 'a') }}", Err("`{{ var('column', 'a') }}`")),
            ("select {{ var('column') }}", Err("`{{ var('column') }}`")),
            ("select {{ cents('a') }}", Err("`{{ cents('a') }}`")),
            ("select 1{%- if is_incremental() -%}{% endif %}", Ok("select 1")),
            (
                "select a from b {% if is_incremental() %}where a > (select max(a) from {{ this }}){% endif %}",
                Ok("(\nselect a from b \n)\nunion all\n(\nselect a from b where a > (select max(a) from this)\n)"),
            ),
            (
                "select {% if not is_incremental() %}1{# ' #}{% else %}{% if is_incremental() %}{{ ref('a') }}{% else %}3{% endif %}{% endif %}",
                Ok("(\nselect 1\n)\nunion all\n(\nselect ref__a__\n)"),
            ),
            ("{% if x %}select 1{% endif %}", Err("`{% if x %}`")),
            (
                "{% if is_incremental() %}select 1{% elif x %}2{% endif %}",
                Err("`{% elif x %}`"),
            ),
            ("select 1 {% endif %}", Err("`{% endif %}`")),
            (
                "{% if is_incremental() %}select 1",
                Err("`{% if` without `{% endif %}`"),
            ),
            ("select * from {{ ref('unknown') }}", Err("`{{ ref('unknown') }}`")),
            (
                "select * from {{ ref('a') if x else ref('b') }}",
                Err("`{{ ref('a') if x else ref('b') }}`"),
            ),
            ("select * from {{ ref(name) }}", Err("`{{ ref(name) }}`")),
            ("select {{ config(a=1) ~ x }}", Err("`{{ config(a=1) ~ x }}`")),
            ("select {{ ref('a'", Err("`{{` is not closed")),
            ("select {% if", Err("`{%` is not closed")),
            ("select {", Ok("select {")),
        ] {
            assert_eq!(
                model_sql(code, name).as_deref().map_err(String::as_str),
                expected,
                "{code}"
            );
        }
    }
}
