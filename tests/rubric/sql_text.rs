//! SQL as tokens and trees, by an independent parser.

use formulac::Dialect;
use sqlparser::ast::Statement;
use sqlparser::dialect::{BigQueryDialect, Dialect as SqlDialect, DuckDbDialect, PostgreSqlDialect, SnowflakeDialect};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

fn parser_of(dialect: Dialect) -> Box<dyn SqlDialect> {
    match dialect.name() {
        "bigquery" => Box::new(BigQueryDialect {}),
        "snowflake" => Box::new(SnowflakeDialect {}),
        "duckdb" => Box::new(DuckDbDialect {}),
        _ => Box::new(PostgreSqlDialect {}),
    }
}

/// The statements of a text.
pub fn parse(dialect: Dialect, sql: &str) -> Result<Vec<Statement>, String> {
    let parser_dialect = parser_of(dialect);
    Parser::new(&*parser_dialect)
        .with_recursion_limit(500)
        .try_with_sql(sql)
        .and_then(|mut p| p.parse_statements())
        .map_err(|e| format!("{dialect}: {e}\n{sql}"))
}

/// The tokens of a text with the bytes that each covers, white space left out.
pub fn tokens(dialect: Dialect, sql: &str) -> Vec<(Token, std::ops::Range<usize>)> {
    let parser_dialect = parser_of(dialect);
    let found = Tokenizer::new(&*parser_dialect, sql).tokenize_with_location().unwrap();
    let starts: Vec<usize> = std::iter::once(0).chain(sql.match_indices('\n').map(|(i, _)| i + 1)).collect();
    let offset = |at: Location| {
        let start = starts[at.line as usize - 1];
        let line = &sql[start..];
        start + line.char_indices().nth(at.column as usize - 1).map_or(line.len(), |(i, _)| i)
    };
    let place = |t: TokenWithSpan| (t.token, offset(t.span.start)..offset(t.span.end));
    found.into_iter().map(place).filter(|(t, _)| !matches!(t, Token::Whitespace(_) | Token::EOF)).collect()
}

/// A tree in words, without places and without the brackets that are in the text.
pub fn tree(dialect: Dialect, sql: &str) -> Option<String> {
    let debug = format!("{:?}", parse(dialect, sql).ok()?);
    let mut out = String::with_capacity(debug.len());
    // For each open bracket of the debug text: whether it is one of `Nested`.
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

/// Where a string of a debug text, which begins here, ends.
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
