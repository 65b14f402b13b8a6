//! Splits SQL into tokens and builds syntax trees with an independent parser.

use formulac::Dialect;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::sql_parser::{parse, parser_of};

/// Returns the tokens of an SQL statement without whitespace, each with its byte range.
pub fn tokens(dialect: Dialect, sql: &str) -> Vec<(Token, std::ops::Range<usize>)> {
    let parser_dialect = parser_of(dialect, sql);
    let with_spans = Tokenizer::new(&*parser_dialect, sql).tokenize_with_location().unwrap();
    let starts: Vec<usize> = std::iter::once(0)
        .chain(sql.match_indices('\n').map(|(i, _)| i + 1))
        .collect();
    let offset = |at: Location| {
        let start = starts[at.line as usize - 1];
        let line = &sql[start..];
        start
            + line
                .char_indices()
                .nth(at.column as usize - 1)
                .map_or(line.len(), |(i, _)| i)
    };
    let token_and_range = |t: TokenWithSpan| (t.token, offset(t.span.start)..offset(t.span.end));
    with_spans
        .into_iter()
        .map(token_and_range)
        .filter(|(t, _)| !matches!(t, Token::Whitespace(_) | Token::EOF))
        .collect()
}

/// Returns the syntax tree as text, without locations and without the parentheses in the SQL.
pub fn tree(dialect: Dialect, sql: &str) -> Option<String> {
    let debug = format!("{:?}", parse(dialect, sql).ok()?);
    let mut out = String::with_capacity(debug.len());
    // One flag for each open bracket in the debug text: `true` if the bracket belongs to a `Nested` node.
    let mut open = Vec::new();
    let mut rest = debug.as_str();
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("Location(") {
            rest = after.split_once(')').map_or("", |(_, r)| r);
            continue;
        }
        if let Some(after) = rest.strip_prefix("Nested(") {
            open.push(true);
            rest = after;
            continue;
        }
        match c {
            '"' => {
                let end = closing_quote(rest);
                out.push_str(&rest[..end]);
                rest = &rest[end..];
                continue;
            }
            '(' => {
                open.push(false);
                out.push(c);
            }
            ')' => {
                if open.pop() == Some(false) {
                    out.push(c);
                }
            }
            _ => out.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    Some(out)
}

/// Returns the end of the string that begins here in debug output.
fn closing_quote(text: &str) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return i + 1,
            _ => {}
        }
    }
    text.len()
}
