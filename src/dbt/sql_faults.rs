//! Finds the syntax errors that prevent SQL with Jinja from being split into its clauses.

use formulac_syntax::yaml::{CONFLICT_MARKER, conflict_marker_span};

use crate::dialect::Dialect;
use crate::jinja_parts::{JinjaKind, JinjaPart, jinja_parts};
use crate::tokens::{SqlToken, SqlTokenKind, tokenize_with_unclosed};

/// Syntax error that prevents SQL from being split into its clauses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlFault {
    /// Line of the error, starting at 1.
    pub line: usize,
    /// Description of the error.
    pub reason: String,
}

/// Returns the first of these errors in SQL: a Git conflict marker, an unclosed quote, comment or Jinja tag, an
/// unmatched bracket, or a semicolon after the query.
///
/// ```
/// use formulac_catalog::Dialect;
/// use formulac_dbt::find_sql_fault;
///
/// let fault = |sql| find_sql_fault(sql, Dialect::default()).map(|fault| (fault.line, fault.reason));
/// assert_eq!(fault("select round(a, 2) as b\nfrom c"), None);
/// assert_eq!(fault("select\n  round((a, 2) as b"), Some((2, "`(` is never closed".to_owned())));
/// ```
#[must_use]
pub fn find_sql_fault(source: &str, dialect: Dialect) -> Option<SqlFault> {
    let (offset, reason) = match conflict_marker_span(source) {
        Some(marker) => (marker.start as usize, CONFLICT_MARKER.to_owned()),
        None => token_fault(source, dialect).filter(|_| has_unambiguous_quoting(source))?,
    };
    let before = source.get(..offset).unwrap_or_default();
    let line = 1 + before.matches('\n').count();
    Some(SqlFault { line, reason })
}

/// Returns the first unclosed or unmatched token or the semicolon after the query: its offset, and the reason.
fn token_fault(source: &str, dialect: Dialect) -> Option<(usize, String)> {
    let (tokens, unclosed) = tokenize_with_unclosed(source, dialect);
    if let Some(start) = unclosed {
        let text = source.get(start..).unwrap_or_default();
        let length = if text.starts_with(['\'', '"', '`']) { 1 } else { 2 };
        return Some((start, never_closed(text.get(..length).unwrap_or_default())));
    }
    find_unmatched_bracket(&tokens, source).or_else(|| {
        let last = tokens.last().filter(|token| token.text(source) == ";")?;
        Some((last.start, "dbt does not accept `;` after the query".to_owned()))
    })
}

fn never_closed(text: &str) -> String {
    format!("`{text}` is never closed")
}

/// Returns whether it is certain where quotes and comments end. Some engines have other comments and quotes, such as
/// `//`, `#`, `'''` and `$tag$`. The text in `{% raw %}` and `{% set x %}` blocks may not be part of the SQL that dbt
/// writes.
fn has_unambiguous_quoting(source: &str) -> bool {
    let is_uncertain_block = |part: JinjaPart<'_>| match statement_keyword(part) {
        "raw" => true,
        "set" => !part.code.contains('='),
        _ => false,
    };
    let has_hash_comment = || {
        source.match_indices('#').any(|(at, _)| {
            let before = source.get(..at).and_then(|text| text.chars().next_back());
            let is_jinja_end = source.get(at..).is_some_and(|text| text.starts_with("#}"));
            before.is_none_or(char::is_whitespace) && !is_jinja_end
        })
    };
    let is_dollar_tag = |(at, _): (usize, &str)| {
        let after = source.get(at + 1..).unwrap_or_default();
        let name_end = after.find(|c: char| !c.is_alphanumeric() && c != '_');
        name_end.is_some_and(|end| end > 0 && after.get(end..).is_some_and(|rest| rest.starts_with('$')))
    };
    !["//", "'''", "\"\"\""].iter().any(|sign| source.contains(sign))
        && !has_hash_comment()
        && !source.match_indices('$').any(is_dollar_tag)
        && !jinja_parts(source).any(is_uncertain_block)
}

/// Returns the first unmatched bracket, with the reason. Returns `None` if a branch of an `{% if %}` or another Jinja
/// block contains only one bracket of a pair, because only dbt can determine which brackets the rendered SQL contains.
fn find_unmatched_bracket(tokens: &[SqlToken], source: &str) -> Option<(usize, String)> {
    let mut open: Vec<SqlToken> = Vec::new();
    let unclosed = |opened: SqlToken| Some((opened.start, never_closed(opened.text(source))));
    // Number of open brackets at the start of each open Jinja block.
    let mut blocks: Vec<usize> = Vec::new();
    for token in tokens {
        let text = token.text(source);
        match (token.kind, text) {
            (SqlTokenKind::Sign, "(" | "[") => open.push(*token),
            (SqlTokenKind::Sign, ")" | "]") if blocks.last() == Some(&open.len()) => return None,
            (SqlTokenKind::Sign, ")" | "]") => match open.pop() {
                Some(opened) if matches!((opened.text(source), text), ("(", ")") | ("[", "]")) => {}
                Some(opened) => return unclosed(opened),
                None => return Some((token.start, format!("`{text}` closes no bracket"))),
            },
            (SqlTokenKind::Jinja, tag) => match jinja_parts(tag).next().map_or("", statement_keyword) {
                "if" | "for" | "call" | "macro" | "filter" => blocks.push(open.len()),
                "elif" | "else" if blocks.last() != Some(&open.len()) => return None,
                keyword if keyword.starts_with("end") => {
                    let open_before = blocks.pop()?;
                    if open_before != open.len() {
                        return None;
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
    unclosed(open.pop()?)
}

/// Returns the first word of a `{% … %}` tag. Empty for other Jinja.
fn statement_keyword(part: JinjaPart<'_>) -> &str {
    let code = match part.kind {
        JinjaKind::Statement => part.code,
        _ => "",
    };
    code.split_whitespace().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::find_sql_fault;
    use crate::dialect::Dialect;

    fn fault(sql: &str) -> String {
        let fault = find_sql_fault(sql, Dialect::default());
        fault.map_or_else(String::new, |fault| format!("{}: {}", fault.line, fault.reason))
    }

    #[test]
    fn faults_are_found() {
        let cases = [
            ("a\n<<<<<<< HEAD\nb", "2: the file contains a Git conflict marker"),
            ("with a as ((\nselect f(b))\nselect c", "1: `(` is never closed"),
            ("select f(a\nfrom b", "1: `(` is never closed"),
            ("{# generated #}\nselect f((a)\nfrom b", "2: `(` is never closed"),
            ("select f(a[1)\nfrom b", "1: `[` is never closed"),
            ("select f(a))\nfrom b", "1: `)` closes no bracket"),
            ("select\n'a, 'b'", "2: `'` is never closed"),
            ("select a /* b", "1: `/*` is never closed"),
            ("select a {# b", "1: `{#` is never closed"),
            ("select $$a", "1: `$$` is never closed"),
            ("select f('^a$'\nfrom b", "1: `(` is never closed"),
            ("from\n{{ ref('a') }\njoin {{ ref('b') }}", "2: `{{` is never closed"),
            ("{% if a }\nb\n{% endif %}", "1: `{%` is never closed"),
            ("{% if a %} and f(b) {% endif %} and (c", "1: `(` is never closed"),
            ("select a\nfrom b;\n", "2: dbt does not accept `;` after the query"),
        ];
        for (sql, expected) in cases {
            assert_eq!(fault(sql), expected, "{sql}");
        }
    }

    #[test]
    fn complete_sql_has_no_fault() {
        for sql in [
            "select '(', \"[\", a -- (\nfrom b {# ( #} /* [ */",
            "{% if x %} where (a\n{% elif y %} where (b {%- else %} where (c {% endif %})",
            "{% set x = {'a': {'b': 1}} %} select a['b']",
            "{% if x %}{% if y %}({% else %}({% endif %}{% else %}({% endif %} a)",
            "{% if x %}f(a{% else %}a{% endif %}{% if x %}, 2){% endif %}",
            "{% for i in [1, 2] %}({% endfor %} a ))",
            "(a or {% call f() %}b) or (c{% endcall %})",
            "{% raw %}'{{ name'{% endraw %} (",
            "{% set note %}the customer's region (now){% endset %} select 1",
            "{{ config(partition_by={'field': 'd', 'range': {'start': 0, 'end': 1}}) }} select a",
            "select '{{ var('x', 'it\\'s') }}', {{ var('y', 'it\\'s') }}",
            "select '; it''s', $$ ' $$, $q$it's$q$",
            "select 1 // the customer's region",
            "select 1 # the customer's region",
            "select '''it's'''",
        ] {
            assert_eq!(fault(sql), "", "{sql}");
        }
        let bigquery = |sql| find_sql_fault(sql, "bigquery".parse().unwrap());
        assert_eq!(bigquery(r#"select r'[\'\"]', r"\"", r'it\'s'"#), None);
    }
}
