//! Parser dialects for lineage and `promote`. These are sqlparser's dialects, with corrections where sqlparser differs
//! from the warehouse.

use std::any::TypeId;

use sqlparser::ast::{Expr, Ident};
use sqlparser::dialect::{BigQueryDialect, Dialect as SqlDialect, DuckDbDialect, GenericDialect, dialect_from_str};

use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use crate::dialect::Dialect;

/// DuckDB's dialect in sqlparser, with two differences. This dialect supports escape strings such as `E'\n'`. Named
/// arguments are written only as `name := value` or `name => value`. sqlparser's dialect also accepts `name = value` as
/// a named argument, but this expression is a comparison in DuckDB.
#[derive(Debug)]
struct DuckDb;

/// Defines methods that delegate to a dialect of sqlparser, for all methods in which that dialect differs from the
/// default.
macro_rules! as_in {
    ($dialect:ident: $($method:ident)*) => {
        fn dialect(&self) -> TypeId {
            TypeId::of::<$dialect>()
        }

        fn is_identifier_start(&self, ch: char) -> bool {
            $dialect.is_identifier_start(ch)
        }

        fn is_identifier_part(&self, ch: char) -> bool {
            $dialect.is_identifier_part(ch)
        }

        fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
            $dialect.identifier_quote_style(identifier)
        }

        $(fn $method(&self) -> bool { $dialect.$method() })*
    };
}

impl SqlDialect for DuckDb {
    as_in! {
        DuckDbDialect:
        supports_trailing_commas
        supports_filter_during_aggregation
        supports_group_by_expr
        supports_bitwise_shift_operators
        supports_named_fn_args_with_assignment_operator
        supports_dictionary_syntax
        support_map_literal_syntax
        supports_lambda_functions
        allow_extract_single_quotes
        supports_explain_with_utility_options
        supports_load_extension
        supports_array_typedef_with_brackets
        supports_from_first_select
        supports_order_by_all
        supports_select_wildcard_exclude
        supports_notnull_operator
        supports_install
        supports_detach
        supports_select_wildcard_replace
        supports_comma_separated_trim
        supports_numeric_literal_underscores
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_string_escape_constant(&self) -> bool {
        true
    }
}

/// Replaces joins that sqlparser cannot parse: `asof join … on` with a plain join, and `positional join` with a cross
/// join. Also returns the replaced words, which the fingerprint of the query must include, because these joins return
/// different rows than the joins that replace them.
pub(super) fn replace_joins(dialect: Option<Dialect>, tokens: &mut [TokenWithSpan]) -> Vec<&'static str> {
    let mut replaced = Vec::new();
    if !dialect.is_some_and(|dialect| dialect.facts().as_of_join) {
        return replaced;
    }
    let mut next = Keyword::NoKeyword;
    // Iterate backwards, so that the word after each token is already known.
    for token in tokens.iter_mut().rev() {
        let Token::Word(word) = &mut token.token else { continue };
        if matches!(next, Keyword::JOIN | Keyword::LEFT | Keyword::INNER) && word.quote_style.is_none() {
            if word.keyword == Keyword::ASOF {
                replaced.push("asof");
                token.token = Token::Whitespace(Whitespace::Space);
                continue;
            }
            if word.value.eq_ignore_ascii_case("positional") {
                replaced.push("positional");
                word.keyword = Keyword::CROSS;
            }
        }
        next = word.keyword;
    }
    replaced
}

/// Replaces literals with escapes, such as `E'a\nb'`, with plain literals of the same value. sqlparser reads the
/// escapes in every dialect that has them, but parses the literals only in Postgres' dialect.
pub(super) fn replace_escaped_literals(tokens: &mut [TokenWithSpan]) {
    for token in tokens {
        if let Token::EscapedStringLiteral(text) = &mut token.token {
            token.token = Token::SingleQuotedString(std::mem::take(text));
        }
    }
}

/// BigQuery's dialect in sqlparser, with two additions: the operators `<<` and `>>`, and the prefix `safe.` before
/// functions with special syntax, such as `substr`.
#[derive(Debug)]
struct BigQuery;

impl SqlDialect for BigQuery {
    as_in! {
        BigQueryDialect:
        supports_projection_trailing_commas
        supports_column_definition_trailing_commas
        supports_triple_quoted_string
        supports_window_function_null_treatment_arg
        supports_string_literal_backslash_escape
        supports_window_clause_named_window_reference
        supports_parenthesized_set_variables
        supports_select_wildcard_except
        require_interval_qualifier
        supports_struct_literal
        supports_select_expr_star
        supports_from_first_select
        supports_execute_immediate
        supports_table_versioning
        supports_group_by_expr
        supports_pipe_operator
        supports_create_table_multi_schema_info_sources
        supports_select_wildcard_replace
        supports_comma_separated_trim
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        BigQueryDialect.is_delimited_identifier_start(ch)
    }

    fn is_column_alias(&self, keyword: &Keyword, parser: &mut Parser) -> bool {
        BigQueryDialect.is_column_alias(keyword, parser)
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let is_safe = match parser.peek_tokens_ref::<4>().map(|token| &token.token) {
            [Token::Word(word), Token::Period, Token::Word(_), Token::LParen] => {
                word.quote_style.is_none() && word.value.eq_ignore_ascii_case("safe")
            }
            _ => false,
        };
        if !is_safe {
            return None;
        }
        parser.advance_token();
        parser.advance_token();
        let value = parser.parse_prefix().map(Box::new);
        Some(value.map(|value| Expr::Prefixed {
            prefix: Ident::new("safe"),
            value,
        }))
    }
}

/// Returns the parser dialect that a formulac dialect specifies as `sql_parser`. `None` selects the most tolerant
/// dialect.
pub fn parser_dialect(dialect: Option<Dialect>) -> Box<dyn SqlDialect> {
    match dialect.map_or("", |dialect| dialect.facts().sql_parser) {
        "bigquery" => Box::new(BigQuery),
        "duckdb" => Box::new(DuckDb),
        name => dialect_from_str(name).unwrap_or_else(|| Box::new(GenericDialect {})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A misspelled name would silently select the tolerant dialect.
    #[test]
    fn each_dialect_names_a_dialect_of_the_parser() {
        for dialect in Dialect::all() {
            let name = dialect.facts().sql_parser;
            assert!(
                dialect_from_str(name).is_some(),
                "{dialect}: sqlparser has no dialect `{name}`"
            );
        }
    }
}
