//! Checks that an independent parser accepts the generated SQL, and that string literals are unchanged in it.

use formulac::{Column, Compiler, Context, Dialect, Relation, Type};
use proptest::prelude::*;
use sqlparser::tokenizer::{Token, Tokenizer};

use crate::formulas::{dimension, measure, text_with_literal};
use crate::fuzz::orders;
use crate::sql_parser::{parse, parser_of};

fn check_parses(dialect: Dialect, sql: &str) -> Result<(), TestCaseError> {
    let outcome = parse(dialect, &format!("select {sql} from t"));
    prop_assert!(outcome.is_ok(), "{:?}", outcome.err());
    Ok(())
}

fn check(text: &str, context: Context) -> Result<(), TestCaseError> {
    for dialect in Dialect::all() {
        for schema in [formulac::Schema::new(), orders()] {
            let compiler = Compiler::builder()
                .dialect(dialect)
                .schema(schema)
                .context(context)
                .build();
            for definition in compiler.compile(text).definitions() {
                check_parses(dialect, definition.sql())?;
            }
        }
    }
    Ok(())
}

/// Returns the values of the string literals in the SQL, as interpreted by its dialect.
fn literals(dialect: Dialect, sql: &str) -> Vec<String> {
    let parser_dialect = parser_of(dialect, sql);
    let tokens = Tokenizer::new(&*parser_dialect, sql).tokenize().unwrap_or_default();
    let text = |token: Token| match token {
        Token::SingleQuotedString(t)
        | Token::SingleQuotedRawStringLiteral(t)
        | Token::EscapedStringLiteral(t)
        | Token::DoubleQuotedString(t) => Some(t),
        _ => None,
    };
    tokens.into_iter().filter_map(text).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn measures_parse(text in measure()) {
        check(&text, Context::Measure)?;
    }

    #[test]
    fn dimensions_parse(text in dimension()) {
        check(&text, Context::Row)?;
    }

    #[test]
    fn string_literals_survive_compilation((text, value) in text_with_literal()) {
        for dialect in Dialect::all() {
            let compiler = Compiler::builder().dialect(dialect).schema(orders()).context(Context::Row).build();
            let compiled = compiler.compile(&text);
            prop_assert!(!compiled.has_errors(), "{text:?}: {:?}", compiled.diagnostics());
            let sql = compiled.definitions()[0].sql();
            check_parses(dialect, sql)?;
            prop_assert!(literals(dialect, sql).contains(&value), "{dialect}: {value:?} is not in {sql}");
        }
    }
}

#[test]
fn strings_of_the_user_are_never_macros() {
    let compile = |letter: char, dialect: Dialect| {
        let spec = format!(
            "model: m\nfrom: ref('orders')\ntoday: var('run_date', '2024-03-31')\nwhere: |\n  note <> \"{letter}'{letter}\"\n\
            group_by: day[day]\ndefinitions: |\n  n = COUNTIF(AND(day[day] < TODAY(), note <> \"{{{{ this }}}}{letter}\"))\n\
            config: {{materialized: incremental, event_time: day_day, unique_key: day_day}}\n"
        );
        let compiled = Compiler::builder().dialect(dialect).build().compile_spec(&spec);
        let (query, model) = (
            compiled.query().expect("a query"),
            compiled.model_sql().expect("a model"),
        );
        // The first line contains a hash of the other lines.
        let (_, model) = model.split_once('\n').expect("several lines");
        (query.to_owned(), model.to_owned())
    };
    for dialect in Dialect::all() {
        let (query, model) = compile('Q', dialect);
        assert!(
            !query.contains("run_date") && !query.contains("is_incremental"),
            "{query}"
        );
        for part in [
            "var(\"run_date\"",
            "from {{ this }}",
            "ref('orders')",
            "'{{ '{{' }} this {{ '}}' }}Q'",
        ] {
            assert!(model.contains(part), "{part} {model}");
        }
        for letter in ['\u{1}', '\u{2}', '\u{3}', '\u{4}', '\u{5}'] {
            let replaced = [&query, &model].map(|sql| sql.replace('Q', &letter.to_string()));
            let (query, model) = compile(letter, dialect);
            assert_eq!([query, model], replaced);
        }
    }
}

/// Rust parses `inf` as a number, but it is the name of a column here.
#[test]
fn columns_named_like_numbers_may_be_zero() {
    let compiler = Compiler::builder()
        .dialect("bigquery".parse().expect("a dialect"))
        .context(Context::Row)
        .build();
    for name in ["q", "inf", "infinity", "nan"] {
        let compiled = compiler.compile(&format!("a / {name}"));
        let expected = format!("safe_divide(cast(a as float64), {name})");
        assert_eq!(compiled.definitions()[0].sql(), expected);
    }
}

/// The SQL of MAX across a row grows exponentially on BigQuery, and so does its measured size.
#[test]
fn sizes_of_repeated_sql_do_not_overflow() {
    let compiler = Compiler::builder()
        .dialect("bigquery".parse().expect("a dialect"))
        .build();
    for count in [15, 62, 90, 200] {
        let arguments: Vec<String> = (0..count).map(|i| format!("SUM(column_{i})")).collect();
        let compiled = compiler.compile(&format!("MAX({})", arguments.join(", ")));
        let codes: Vec<&str> = compiled.diagnostics().iter().map(formulac::Diagnostic::code).collect();
        assert!(codes.contains(&"F0502"), "{count}: {codes:?}");
    }
}

/// A lookup sorts by its key if the tab has no other column.
#[test]
fn keys_that_need_quotes_are_sorted_with_quotes() {
    let key = Column::new("Key", Type::Text).with_quoted_name(true);
    let compiler = Compiler::builder()
        .dialect("snowflake".parse().expect("a dialect"))
        .schema(orders().with(Relation::new("names").with(key)))
        .build();
    let spec = "model: m\nfrom: orders\ncolumns: [id, status]\norder_by: id\n\
        calculations:\n  x: =XLOOKUP(B1, 'Names'!A:A, 'Names'!A:A)\ntabs:\n  Names: {model: names, columns: [Key]}\n";
    let compiled = compiler.compile_spec(spec);
    let query = compiled.query().expect("a query");
    assert!(
        query.contains("row_number() over (partition by \"Key\" order by \"Key\")"),
        "{query}"
    );
}
