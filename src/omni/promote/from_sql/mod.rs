//! Converts warehouse SQL that contains Omni references to a formula.

mod calls;
mod empty_sums;
mod form;
mod literals;
mod operators;
mod plain_sql;
mod proven_formulas;
mod reader;
mod rules;

use super::term::FormulaTerm;
use crate::dbt::has_jinja;
use crate::dialect::Dialect;

use plain_sql::{PLACEHOLDER_PREFIX, insert_reference_placeholders, parse, to_plain_sql};
use reader::SqlConverter;

pub(super) use proven_formulas::FormulaFinder;

/// Maximum length of an SQL expression in bytes. Longer expressions would not result in useful formulas.
const MAX_SQL_BYTES: usize = 16 << 10;

/// Resolves names in SQL.
pub(super) trait SqlNames {
    /// Resolves an Omni reference without its `${}`.
    fn field(&self, reference: &str) -> Result<FormulaTerm, String>;
    /// Resolves a column with an optional qualifier.
    fn column(&self, relation: Option<&str>, column: &str) -> Result<FormulaTerm, String>;
    /// Applies a timeframe to a term.
    fn timeframe(&self, term: FormulaTerm, frame: Option<&str>) -> Result<FormulaTerm, String> {
        Ok(match frame {
            Some(frame) => term.timeframe(frame),
            None => term,
        })
    }
    /// Returns the letter of a worksheet column, for operators on the rows of a result. `None` outside of worksheets.
    fn worksheet_column_letter(&self, _reference: &str) -> Option<String> {
        None
    }
    /// Returns the formulas for SQL that no rule converts. `None` in worksheets.
    fn proven_formulas(&self) -> Option<&FormulaFinder> {
        None
    }
}

/// Formula converted from SQL.
#[derive(Debug)]
pub(super) struct ConvertedSql {
    pub term: FormulaTerm,
    /// Ways in which the formula may differ from the SQL.
    pub caveats: Vec<String>,
    /// Whether the formula does arithmetic with values that may be NULL. In SQL, the result is NULL if one of these
    /// values is NULL.
    pub computes: bool,
}

/// Converts an SQL expression. The current thread must have a large stack.
///
/// # Errors
///
/// Returns an error with the part of the SQL that formulas cannot express.
pub(super) fn convert(sql: &str, dialect: Dialect, names: &dyn SqlNames) -> Result<ConvertedSql, String> {
    if sql.len() > MAX_SQL_BYTES {
        return Err("the SQL is too long for a formula".to_owned());
    }
    if has_jinja(sql) {
        return Err("the SQL is a template".to_owned());
    }
    let (text, references) = insert_reference_placeholders(sql)?;
    let expr = parse(&to_plain_sql(&text, dialect), dialect)?;
    let mut reader = SqlConverter {
        dialect,
        names,
        references,
        caveats: Vec::new(),
        computes: false,
        depth: 0,
        proofs: 0,
    };
    let term = reader.convert_term(&expr);
    let references = &reader.references;
    let term = term.map_err(|reason| {
        let numbered_references = references.iter().enumerate().rev();
        numbered_references.fold(reason, |reason, (at, name)| {
            reason.replace(&format!("{PLACEHOLDER_PREFIX}{at}"), &format!("${{{name}}}"))
        })
    })?;
    reader.caveats.dedup();
    Ok(ConvertedSql {
        term,
        caveats: reader.caveats,
        computes: reader.computes,
    })
}

#[cfg(test)]
mod tests {
    use super::super::calendar::OmniCalendar;
    use super::*;
    use crate::Type;
    use crate::compiler::Compiler;
    use crate::schema::ParsedOmniModel;

    /// Test columns. The first letter of a column's name specifies its type.
    struct TestColumns;

    impl SqlNames for TestColumns {
        fn field(&self, reference: &str) -> Result<FormulaTerm, String> {
            self.column(None, reference)
        }

        fn column(&self, _: Option<&str>, column: &str) -> Result<FormulaTerm, String> {
            let ty = match column.chars().next() {
                Some('i') => Some(Type::Integer),
                Some('d') => Some(Type::Date),
                Some('t') => Some(Type::Text),
                Some('n') => Some(Type::Decimal),
                _ => None,
            };
            Ok(FormulaTerm::atom(column).with_type(ty))
        }
    }

    fn formula(dialect: &str, sql: &str) -> Result<String, String> {
        convert(sql, dialect.parse().unwrap_or_default(), &TestColumns).map(|converted_sql| converted_sql.term.text)
    }

    #[test]
    fn sql_of_omni_files_is_converted() {
        for (dialect, sql, expected) in [
            ("postgres", "${i} BETWEEN ASYMMETRIC 1 AND 5", "AND(i >= 1, i <= 5)"),
            ("postgres", "t = 'between asymmetric'", "t = \"between asymmetric\""),
            ("snowflake", "datediff('days', d, d2)", "DAYS(d2, d)"),
            ("postgres", "date_trunc('months', d)", "d[month]"),
            ("snowflake", "initcap(t)", "PROPER(t)"),
            (
                "postgres",
                "position('@' in t)",
                "IF(NOT(ISBLANK(t)), COALESCE(FIND(\"@\", t), 0))",
            ),
            (
                "postgres",
                "substring(t from position('@' in 'a@b') + 1)",
                "MID(t, COALESCE(FIND(\"@\", \"a@b\"), 0) + 1, LEN(t))",
            ),
            ("snowflake", "replace(t, '-')", "SUBSTITUTE(t, \"-\", \"\")"),
            (
                "snowflake",
                "charindex('@', t)",
                "IF(NOT(ISBLANK(t)), COALESCE(FIND(\"@\", t), 0))",
            ),
            (
                "redshift",
                "charindex('@', t)",
                "IF(NOT(ISBLANK(t)), COALESCE(FIND(\"@\", t), 0))",
            ),
            ("postgres", "t like 'a\\_%'", "LEFT(t, 2) = \"a_\""),
            ("duckdb", "t like 'a\\%'", "LEFT(t, 2) = \"a\\\""),
            ("snowflake", "t like 'a\\\\%'", "LEFT(t, 2) = \"a\\\""),
            ("bigquery", "replace(t, '-', '_')", "SUBSTITUTE(t, \"-\", \"_\")"),
            ("postgres", "TO_CHAR(${d}, 'YYYY-MM')", "TEXT(d, \"yyyy-mm\")"),
            (
                "postgres",
                "to_char(d, 'dd.mm.yyyy')",
                "TEXT(d, \"dd\"\".\"\"mm\"\".\"\"yyyy\")",
            ),
            ("postgres", "to_char(d, 'Mon YYYY')", "TEXT(d, \"mmm yyyy\")"),
            ("snowflake", "to_varchar(d, 'mon yyyy')", "TEXT(d, \"mmm yyyy\")"),
            ("bigquery", "format_date('%Y%m%d', d)", "TEXT(d, \"yyyymmdd\")"),
            ("duckdb", "strftime(d, '%Y-%m')", "TEXT(d, \"yyyy-mm\")"),
        ] {
            assert_eq!(formula(dialect, sql).as_deref(), Ok(expected), "{dialect}: {sql}");
        }
    }

    #[test]
    fn formats_that_no_mask_has_are_refused() {
        for (dialect, sql) in [
            ("postgres", "to_char(d, 'YYYY-Q')"),
            ("postgres", "to_char(d, 'IYYY-IW')"),
            ("postgres", "to_char(d, 'MON YYYY')"),
            ("postgres", "to_char(d, 'Month')"),
            ("postgres", "to_char(d, 'HH:MI')"),
            ("postgres", "to_char(i, '999')"),
            ("duckdb", "strftime(d, '%G-%V')"),
            ("duckdb", "strftime(d, 'YYYY')"),
            ("bigquery", "format_date(t, d)"),
        ] {
            let formula = formula(dialect, sql);
            assert!(formula.is_err(), "{dialect}: {sql}: {formula:?}");
        }
    }

    #[test]
    fn sql_is_converted_to_formulas() {
        for (dialect, sql, expected) in [
            ("postgres", "${i} / NULLIF(${i2}, 0)", "QUOTIENT(i, i2)"),
            ("postgres", "1.0 * ${i} / i2", "i / i2"),
            ("postgres", "i::float / (i2)", "i / i2"),
            ("duckdb", "i / i2", "i / i2"),
            ("postgres", "(i + 1) * -n - (n - i)", "(i + 1) * -n - (n - i)"),
            (
                "postgres",
                "t || '-' || t2",
                "IF(OR(ISBLANK(t), ISBLANK(t2)), 1/0, t & \"-\" & t2)",
            ),
            ("postgres", "concat(t, '\"')", "CONCAT(t, \"\"\"\")"),
            (
                "postgres",
                "NOT (i = 1 OR i2 IN (2, 3)) AND t IS NOT NULL",
                "AND(NOT(OR(i = 1, OR(i2 = 2, i2 = 3))), NOT(ISBLANK(t)))",
            ),
            ("snowflake", "iff(i > 1, 'a', NULL)", "IF(i > 1, \"a\")"),
            (
                "duckdb",
                "COALESCE(${t} = 'jaffle', FALSE)",
                "COALESCE(t = \"jaffle\", FALSE)",
            ),
            (
                "duckdb",
                "COALESCE(t = 'a' OR i = 1, FALSE)",
                "COALESCE(OR(t = \"a\", i = 1), FALSE)",
            ),
            ("duckdb", "count(if(${t} = 'food', 1, NULL))", "COUNTIF(t = \"food\")"),
            ("bigquery", "count(if(t = 'food', 1, NULL))", "COUNTIF(t = \"food\")"),
            ("bigquery", "sum(if(t = 'food', i, 0))", "SUMIF(t = \"food\", i)"),
            ("duckdb", "if(t = 'food', 1, 2)", "IF(t = \"food\", 1, 2)"),
            (
                "snowflake",
                "datediff('month', d, d2)",
                "(YEAR(d2) - YEAR(d)) * 12 + MONTH(d2) - MONTH(d)",
            ),
            ("snowflake", "nvl(i, 0)", "COALESCE(i, 0)"),
            ("bigquery", "safe_divide(sum(n), count(*))", "SUM(n) / COUNT()"),
            ("bigquery", "date_trunc(d, month)", "d[month]"),
            ("bigquery", "countif(i > 1)", "COUNTIF(i > 1)"),
            ("postgres", "date_trunc('quarter', d)", "d[quarter]"),
            ("postgres", "d + interval '7 days'", "d + 7"),
            ("postgres", "d - INTERVAL '2' WEEK", "d - 14"),
            ("postgres", "d >= DATE '2024-02-29'", "d >= DATE(2024, 2, 29)"),
            ("postgres", "extract(year from d)", "YEAR(d)"),
            ("postgres", "extract(days from d)", "DAY(d)"),
            (
                "postgres",
                "case t when 'a' then 1 else 2 end",
                "SWITCH(t, \"a\", 1, 2)",
            ),
            ("postgres", "i between 1 and 5", "AND(i >= 1, i <= 5)"),
            ("postgres", "t not like 'a%'", "NOT(LEFT(t, 1) = \"a\")"),
            ("postgres", "t ilike '%A%'", "CONTAINS(LOWER(t), \"a\")"),
            ("postgres", "count(distinct t)", "COUNT(DISTINCT(t))"),
            ("postgres", "sum(n) filter (where i > 1)", "SUM(IF(i > 1, n))"),
            ("postgres", "count(case when i > 1 then 1 end)", "COUNTIF(i > 1)"),
            (
                "postgres",
                "count(case when i > 1 then 1 else 0 end)",
                "COUNT(IF(i > 1, 1, 0))",
            ),
            ("postgres", "substring(t from 2 for 3)", "MID(t, 2, 3)"),
            ("postgres", "OMNI_MONTH(d)", "d[month]"),
            (
                "postgres",
                "OMNI_FX_IF(${i} OMNI_FX_GREATER_THAN 1, 'a', 'b')",
                "IF(i > 1, \"a\", \"b\")",
            ),
            ("postgres", "${i} OMNI_FX_PLUS 2", "i + 2"),
        ] {
            assert_eq!(formula(dialect, sql).as_deref(), Ok(expected), "{dialect}: {sql}");
        }
        for (dialect, sql) in [
            ("postgres", "trim(t)"),
            ("postgres", "n % 2"),
            ("postgres", "sum(n) over ()"),
            ("postgres", "(select 1)"),
            ("postgres", "t::int"),
            ("snowflake", "concat(t, t2)"),
            ("snowflake", "greatest(i, i2)"),
            ("postgres", "d + interval '1 month'"),
            ("postgres", "'${t}'"),
            ("postgres", "{{ x }}"),
            ("postgres", "${t"),
            ("postgres", "1; drop table x"),
            ("postgres", "a.b.c"),
            ("postgres", ""),
        ] {
            assert!(formula(dialect, sql).is_err(), "{sql}");
        }
    }

    #[test]
    fn differences_are_reported() {
        let caveats =
            |sql: &str| convert(sql, Dialect::default(), &TestColumns).map(|converted_sql| converted_sql.caveats.len());
        assert_eq!(caveats("x / y"), Ok(1));
        assert_eq!(caveats("sum(n)"), Ok(1));
        assert_eq!(caveats("sum(n) - sum(n2)"), Ok(1));
        assert_eq!(caveats("100.0 * sum(case when i > 1 then n end) / sum(n)"), Ok(1));
        assert_eq!(caveats("sum(n) / count(*)"), Ok(1));
        assert_eq!(caveats("sum(n) / nullif(count(distinct t), 0)"), Ok(1));
        assert_eq!(caveats("sum(n) filter (where i > 1) / sum(n)"), Ok(1));
        // In these cases, it does not matter whether a sum of no rows is NULL or 0.
        for sql in [
            "sum(n) / count(n)",
            "2 * sum(n) / (sum((n)))",
            "2 * sum(${n}) / count(${n})",
            "sum(n) / sum(n) filter (where i > 1)",
            "sum(n) filter (where i > 1) / count(n) filter (where i > 1)",
            "100.0 * sum(case when i > 1 then n else 0 end) / nullif(sum(n), 0)",
            "coalesce(sum(n), 0)",
        ] {
            assert_eq!(caveats(sql), Ok(0), "{sql}");
        }
        assert_eq!(caveats("n / i"), Ok(0));
    }

    /// Test columns, and formulas that are found by the SQL that they compile to.
    struct ProvenColumns(FormulaFinder);

    impl SqlNames for ProvenColumns {
        fn field(&self, reference: &str) -> Result<FormulaTerm, String> {
            TestColumns.field(reference)
        }

        fn column(&self, relation: Option<&str>, column: &str) -> Result<FormulaTerm, String> {
            TestColumns.column(relation, column)
        }

        fn proven_formulas(&self) -> Option<&FormulaFinder> {
            Some(&self.0)
        }
    }

    #[test]
    fn proven_formulas_have_the_literals_and_names_of_the_sql() {
        let calendar = OmniCalendar::read(&ParsedOmniModel::default());
        for (dialect, sql, expected) in [
            ("bigquery", r"regexp_contains(t, 'a\\d+')", r#"REGEXMATCH(t, "a\d+")"#),
            ("bigquery", r"regexp_contains(t, r'a\d+')", r#"REGEXMATCH(t, "a\d+")"#),
            (
                "bigquery",
                r#"regexp_contains(t, "a\\d's")"#,
                r#"REGEXMATCH(t, "a\d's")"#,
            ),
            ("bigquery", r"repeat('it\'s', 3)", r#"REPT("it's", 3)"#),
            ("snowflake", r"repeat('a\\d', 3)", r#"REPT("a\d", 3)"#),
            ("duckdb", r"repeat('it''s \', 3)", r#"REPT("it's \", 3)"#),
            ("duckdb", "last_day(d2)", "EOMONTH(d2, 0)"),
        ] {
            let dialect: Dialect = dialect.parse().unwrap_or_default();
            let finder = FormulaFinder::new(&Compiler::builder().dialect(dialect).build(), calendar);
            let found = convert(sql, dialect, &ProvenColumns(finder)).map(|converted_sql| converted_sql.term.text);
            assert_eq!(found.as_deref(), Ok(expected), "{sql}");
        }
    }

    /// Test columns of a worksheet, all in column B.
    struct TestSheet;

    impl SqlNames for TestSheet {
        fn field(&self, reference: &str) -> Result<FormulaTerm, String> {
            Ok(FormulaTerm::atom(reference))
        }

        fn column(&self, _: Option<&str>, column: &str) -> Result<FormulaTerm, String> {
            Ok(FormulaTerm::atom(column))
        }

        fn worksheet_column_letter(&self, _: &str) -> Option<String> {
            Some("B".to_owned())
        }
    }

    #[test]
    fn operators_on_rows_have_parentheses_in_other_operators() {
        let converted_sql = convert("1 / OMNI_PERCENT_OF_TOTAL(${i})", Dialect::default(), &TestSheet);
        let formula = converted_sql.map(|converted_sql| converted_sql.term.text);
        assert_eq!(formula.as_deref(), Ok("1 / (B1 / SUM(B:B))"));
    }

    #[test]
    fn deep_or_long_sql_is_refused() {
        let work = || {
            for sql in [
                "(".repeat(5_000),
                "1 + ".repeat(4_000),
                format!("{}1", "1 + ".repeat(4_000)),
                "a".repeat(20_000),
            ] {
                assert!(convert(&sql, Dialect::default(), &TestColumns).is_err());
            }
        };
        assert!(crate::lineage::with_large_stack(work).is_some());
    }
}
