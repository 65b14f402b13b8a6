//! Warehouse functions and the equivalent formula functions. The table contains a pair only if both functions are
//! equivalent for all arguments. For example, the table does not contain `trim`, because TRIM also collapses spaces
//! between words, or `mod`, because the sign of the result differs.
//!
//! Two warehouse functions that are equivalent to the same formula function are synonyms ([`synonym`]).

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rustc_hash::FxHashSet;

use crate::dialect::Dialect;

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
}

const IN_ALL_DIALECTS: bool = true;
const IN_SOME_DIALECTS: bool = false;
const VARIADIC: usize = 255;

macro_rules! functions {
    ($($name:literal $is_in_all:expr, $least:literal..$most:expr => $formula:literal;)*) => {
        &[$(SqlFunction {
            name: $name,
            is_in_all: $is_in_all,
            arguments: $least..=$most,
            formula: $formula,
        }),*]
    };
}

/// Warehouse functions with two names, and the minimum number of arguments for which the names are synonyms.
/// `FUNCTIONS` does not contain them, because the corresponding formula functions, such as `CEILING`, have other
/// arguments or limits.
const SYNONYMS: &[(&str, &str, usize)] = &[("ceiling", "ceil", 1), ("substring", "substr", 2)];

const FUNCTIONS: &[SqlFunction] = functions! {
    "coalesce" IN_ALL_DIALECTS, 2..VARIADIC => "COALESCE";
    "ifnull" IN_ALL_DIALECTS, 2..2 => "COALESCE";
    "nvl" IN_SOME_DIALECTS, 2..2 => "COALESCE";
    "iff" IN_SOME_DIALECTS, 3..3 => "IF";
    "if" IN_SOME_DIALECTS, 3..3 => "IF";
    "upper" IN_ALL_DIALECTS, 1..1 => "UPPER";
    "lower" IN_ALL_DIALECTS, 1..1 => "LOWER";
    "length" IN_ALL_DIALECTS, 1..1 => "LEN";
    "char_length" IN_ALL_DIALECTS, 1..1 => "LEN";
    "character_length" IN_ALL_DIALECTS, 1..1 => "LEN";
    "replace" IN_ALL_DIALECTS, 3..3 => "SUBSTITUTE";
    "contains" IN_SOME_DIALECTS, 2..2 => "CONTAINS";
    "abs" IN_ALL_DIALECTS, 1..1 => "ABS";
    "sign" IN_ALL_DIALECTS, 1..1 => "SIGN";
    "sqrt" IN_ALL_DIALECTS, 1..1 => "SQRT";
    "exp" IN_ALL_DIALECTS, 1..1 => "EXP";
    "ln" IN_ALL_DIALECTS, 1..1 => "LN";
    "power" IN_ALL_DIALECTS, 2..2 => "POWER";
    "pow" IN_ALL_DIALECTS, 2..2 => "POWER";
    "greatest" IN_SOME_DIALECTS, 2..VARIADIC => "MAX";
    "least" IN_SOME_DIALECTS, 2..VARIADIC => "MIN";
    "year" IN_SOME_DIALECTS, 1..1 => "YEAR";
    "quarter" IN_SOME_DIALECTS, 1..1 => "QUARTER";
    "month" IN_SOME_DIALECTS, 1..1 => "MONTH";
    "day" IN_SOME_DIALECTS, 1..1 => "DAY";
    "hour" IN_SOME_DIALECTS, 1..1 => "HOUR";
    "current_date" IN_ALL_DIALECTS, 0..0 => "TODAY";
    "avg" IN_ALL_DIALECTS, 1..1 => "AVERAGE";
    "min" IN_ALL_DIALECTS, 1..1 => "MIN";
    "max" IN_ALL_DIALECTS, 1..1 => "MAX";
    "median" IN_SOME_DIALECTS, 1..1 => "MEDIAN";
    "stddev" IN_ALL_DIALECTS, 1..1 => "STDEV";
    "stddev_samp" IN_ALL_DIALECTS, 1..1 => "STDEV";
    "stddev_pop" IN_ALL_DIALECTS, 1..1 => "STDEV.P";
    "variance" IN_ALL_DIALECTS, 1..1 => "VAR";
    "var_samp" IN_ALL_DIALECTS, 1..1 => "VAR";
    "var_pop" IN_ALL_DIALECTS, 1..1 => "VAR.P";
    "corr" IN_ALL_DIALECTS, 2..2 => "CORREL";
    "countif" IN_SOME_DIALECTS, 1..1 => "COUNTIF";
    "count_if" IN_SOME_DIALECTS, 1..1 => "COUNTIF";
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
