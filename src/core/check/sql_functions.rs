//! Warehouse functions and the equivalent formula functions. The table contains a pair only if both functions are
//! equivalent for all arguments. For example, the table does not contain `trim`, because TRIM also collapses spaces
//! between words, or `mod`, because the sign of the result differs.
//!
//! Two warehouse functions that are equivalent to the same formula function are synonyms ([`synonym`]).

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rustc_hash::FxHashSet;

use crate::Type;
use crate::dialect::Dialect;

/// Result type of a function.
#[derive(Clone, Copy, Debug)]
pub enum SqlResultType {
    /// Type of the first argument.
    First,
    /// This type.
    Of(Type),
    /// Unknown type.
    Unknown,
}

/// Warehouse function with the equivalent formula function.
#[derive(Debug)]
pub struct SqlFunction {
    /// Name of the warehouse function.
    pub name: &'static str,
    /// Whether the functions are equivalent in all dialects. Otherwise, they are equivalent only in the dialects that
    /// list the warehouse function in `own_functions`.
    pub is_in_all: bool,
    /// Numbers of arguments for which the functions are equivalent.
    pub arguments: std::ops::RangeInclusive<usize>,
    /// Name of the formula function.
    pub formula: &'static str,
    /// Type of the result.
    pub gives: SqlResultType,
    /// Whether the function is an aggregate.
    pub aggregates: bool,
}

const IN_ALL_DIALECTS: bool = true;
const IN_SOME_DIALECTS: bool = false;
const VARIADIC: usize = 255;

macro_rules! functions {
    ($($name:literal $is_in_all:expr, $least:literal..$most:expr => $formula:literal $gives:expr, $aggregates:literal;)*) => {
        &[$(SqlFunction {
            name: $name,
            is_in_all: $is_in_all,
            arguments: $least..=$most,
            formula: $formula,
            gives: $gives,
            aggregates: $aggregates,
        }),*]
    };
}

/// Warehouse functions with two names, and the minimum number of arguments for which the names are synonyms.
/// `FUNCTIONS` does not contain them, because the corresponding formula functions, such as `CEILING`, have other
/// arguments or limits.
const SYNONYMS: &[(&str, &str, usize)] = &[("ceiling", "ceil", 1), ("substring", "substr", 2)];

const INTEGER: SqlResultType = SqlResultType::Of(Type::Integer);
const FLOAT: SqlResultType = SqlResultType::Of(Type::Float);
const TEXT: SqlResultType = SqlResultType::Of(Type::Text);
const BOOLEAN: SqlResultType = SqlResultType::Of(Type::Boolean);
const DATE: SqlResultType = SqlResultType::Of(Type::Date);

const FUNCTIONS: &[SqlFunction] = functions! {
    "coalesce" IN_ALL_DIALECTS, 2..VARIADIC => "COALESCE" SqlResultType::First, false;
    "ifnull" IN_ALL_DIALECTS, 2..2 => "COALESCE" SqlResultType::First, false;
    "nvl" IN_SOME_DIALECTS, 2..2 => "COALESCE" SqlResultType::First, false;
    "iff" IN_SOME_DIALECTS, 3..3 => "IF" SqlResultType::Unknown, false;
    "if" IN_SOME_DIALECTS, 3..3 => "IF" SqlResultType::Unknown, false;
    "upper" IN_ALL_DIALECTS, 1..1 => "UPPER" TEXT, false;
    "lower" IN_ALL_DIALECTS, 1..1 => "LOWER" TEXT, false;
    "length" IN_ALL_DIALECTS, 1..1 => "LEN" INTEGER, false;
    "char_length" IN_ALL_DIALECTS, 1..1 => "LEN" INTEGER, false;
    "character_length" IN_ALL_DIALECTS, 1..1 => "LEN" INTEGER, false;
    "replace" IN_ALL_DIALECTS, 3..3 => "SUBSTITUTE" TEXT, false;
    "contains" IN_SOME_DIALECTS, 2..2 => "CONTAINS" BOOLEAN, false;
    "abs" IN_ALL_DIALECTS, 1..1 => "ABS" SqlResultType::First, false;
    "sign" IN_ALL_DIALECTS, 1..1 => "SIGN" INTEGER, false;
    "sqrt" IN_ALL_DIALECTS, 1..1 => "SQRT" FLOAT, false;
    "exp" IN_ALL_DIALECTS, 1..1 => "EXP" FLOAT, false;
    "ln" IN_ALL_DIALECTS, 1..1 => "LN" FLOAT, false;
    "power" IN_ALL_DIALECTS, 2..2 => "POWER" FLOAT, false;
    "pow" IN_ALL_DIALECTS, 2..2 => "POWER" FLOAT, false;
    "greatest" IN_SOME_DIALECTS, 2..VARIADIC => "MAX" SqlResultType::First, false;
    "least" IN_SOME_DIALECTS, 2..VARIADIC => "MIN" SqlResultType::First, false;
    "year" IN_SOME_DIALECTS, 1..1 => "YEAR" INTEGER, false;
    "quarter" IN_SOME_DIALECTS, 1..1 => "QUARTER" INTEGER, false;
    "month" IN_SOME_DIALECTS, 1..1 => "MONTH" INTEGER, false;
    "day" IN_SOME_DIALECTS, 1..1 => "DAY" INTEGER, false;
    "hour" IN_SOME_DIALECTS, 1..1 => "HOUR" INTEGER, false;
    "current_date" IN_ALL_DIALECTS, 0..0 => "TODAY" DATE, false;
    "avg" IN_ALL_DIALECTS, 1..1 => "AVERAGE" FLOAT, true;
    "min" IN_ALL_DIALECTS, 1..1 => "MIN" SqlResultType::First, true;
    "max" IN_ALL_DIALECTS, 1..1 => "MAX" SqlResultType::First, true;
    "median" IN_SOME_DIALECTS, 1..1 => "MEDIAN" FLOAT, true;
    "stddev" IN_ALL_DIALECTS, 1..1 => "STDEV" FLOAT, true;
    "stddev_samp" IN_ALL_DIALECTS, 1..1 => "STDEV" FLOAT, true;
    "stddev_pop" IN_ALL_DIALECTS, 1..1 => "STDEV.P" FLOAT, true;
    "variance" IN_ALL_DIALECTS, 1..1 => "VAR" FLOAT, true;
    "var_samp" IN_ALL_DIALECTS, 1..1 => "VAR" FLOAT, true;
    "var_pop" IN_ALL_DIALECTS, 1..1 => "VAR.P" FLOAT, true;
    "corr" IN_ALL_DIALECTS, 2..2 => "CORREL" FLOAT, true;
    "countif" IN_SOME_DIALECTS, 1..1 => "COUNTIF" INTEGER, true;
    "count_if" IN_SOME_DIALECTS, 1..1 => "COUNTIF" INTEGER, true;
};

/// Returns the equivalent formula function. `None` if the function or the number of arguments is not supported.
#[must_use]
pub fn find_equivalent(name: &str, dialect: Dialect, arguments: usize) -> Option<&'static SqlFunction> {
    FUNCTIONS
        .iter()
        .find(|sql_function| sql_function.name == name && sql_function.arguments.contains(&arguments))
        .filter(|sql_function| sql_function.is_in_all || dialect.own_functions().contains(&name))
}

/// Returns the synonym that generated SQL calls instead of a warehouse function with this number of arguments. `None`
/// if generated SQL calls the function itself, or if there is no such synonym.
#[must_use]
pub fn synonym(name: &str, dialect: Dialect, arguments: usize) -> Option<&'static str> {
    if let Some((_, other, least)) = SYNONYMS.iter().find(|(known_name, ..)| *known_name == name) {
        return (arguments >= *least && occurs_in_templates(other, dialect)).then_some(*other);
    }
    if occurs_in_templates(name, dialect) {
        return None;
    }
    let function = find_equivalent(name, dialect, arguments)?;
    let is_equivalent = |other: &&SqlFunction| {
        other.formula == function.formula
            && find_equivalent(other.name, dialect, arguments)
                .is_some_and(|sql_function| sql_function.formula == function.formula)
    };
    let mut others = FUNCTIONS.iter().filter(is_equivalent);
    let other = others.find(|other| occurs_in_templates(other.name, dialect));
    other.map(|other| other.name)
}

/// Returns the unit of `extract(unit from x)` for its synonyms `year(x)` and `date_part('year', x)`. `text` is the
/// first argument, if it is a string.
#[must_use]
pub fn extracted_unit(name: &str, dialect: Dialect, arguments: usize, text: Option<&str>) -> Option<String> {
    const PARTS: [&str; 5] = ["year", "quarter", "month", "day", "hour"];
    match (name, arguments, text) {
        ("date_part", 2, Some(unit)) if unit.chars().all(|c| c.is_ascii_alphabetic()) => {
            (!occurs_in_templates(name, dialect)).then(|| unit.to_ascii_lowercase())
        }
        (_, 1, _) if PARTS.contains(&name) => {
            find_equivalent(name, dialect, arguments).map(|function| function.name.to_owned())
        }
        _ => None,
    }
}

/// Returns the name that represents a function when generated SQL is compared: `extract` for `year(x)`.
#[must_use]
pub fn normalized_function_name(name: &str, dialect: Dialect) -> &str {
    match extracted_unit(name, dialect, 1, None) {
        Some(_) => "extract",
        None => name,
    }
}

/// Returns whether the templates of a dialect contain a word, for example the name of a function.
fn occurs_in_templates(name: &str, dialect: Dialect) -> bool {
    static WORDS: OnceLock<BTreeMap<&'static str, FxHashSet<&'static str>>> = OnceLock::new();
    let words = WORDS.get_or_init(|| {
        Dialect::all()
            .map(|dialect| (dialect.name(), dialect.words().collect()))
            .collect()
    });
    words.get(dialect.name()).is_some_and(|words| words.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synonyms_are_functions_of_generated_sql() {
        let synonym_of = |name: &str, dialect: &str, arguments| synonym(name, dialect.parse().unwrap(), arguments);
        assert_eq!(synonym_of("stddev", "duckdb", 1), Some("stddev_samp"));
        assert_eq!(synonym_of("stddev_samp", "duckdb", 1), None);
        assert_eq!(synonym_of("variance", "postgres", 1), Some("var_samp"));
        assert_eq!(synonym_of("ifnull", "bigquery", 2), Some("coalesce"));
        assert_eq!(synonym_of("nvl", "snowflake", 2), Some("coalesce"));
        assert_eq!(synonym_of("nvl", "postgres", 2), None);
        assert_eq!(synonym_of("char_length", "duckdb", 1), Some("length"));
        assert_eq!(synonym_of("ceiling", "duckdb", 1), Some("ceil"));
        assert_eq!(synonym_of("trim", "duckdb", 1), None);
    }

    /// A misspelled name in a dialect's file would have no effect.
    #[test]
    fn own_functions_of_dialects_are_in_the_table() {
        let is_own = |sql_function: &&SqlFunction| !sql_function.is_in_all;
        // `position` and `charindex` are not in the table, because they can return 0 and FIND cannot. `promote`
        // converts them itself.
        let names: Vec<&str> = FUNCTIONS
            .iter()
            .filter(is_own)
            .map(|sql_function| sql_function.name)
            .chain(["position", "charindex"])
            .collect();
        for dialect in Dialect::all() {
            for name in dialect.own_functions() {
                assert!(names.contains(name), "{dialect}: {name}");
            }
        }
        let in_none = |name: &&&str| Dialect::all().all(|dialect| !dialect.own_functions().contains(*name));
        assert_eq!(names.iter().find(in_none), None);
    }

    #[test]
    fn parts_of_dates_are_extracted() {
        let part_of = |name: &str, dialect: &str, arguments, unit: Option<&str>| {
            extracted_unit(name, dialect.parse().unwrap(), arguments, unit)
        };
        assert_eq!(part_of("year", "duckdb", 1, None).as_deref(), Some("year"));
        assert_eq!(part_of("year", "postgres", 1, None), None);
        assert_eq!(
            part_of("date_part", "postgres", 2, Some("Month")).as_deref(),
            Some("month")
        );
        assert_eq!(part_of("date_part", "postgres", 2, None), None);
    }
}
