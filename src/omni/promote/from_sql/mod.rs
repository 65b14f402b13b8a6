//! Converts warehouse SQL that contains Omni references to a formula.

mod calls;
mod empty_sums;
mod operators;
mod proven;
mod text_calls;

pub(super) use proven::ProvenFormulas;

use calls::date_part;
use sqlparser::ast::{CeilFloorKind, DataType, Expr, SelectItem, SetExpr, UnaryOperator, Value};

use super::filters::{is_number, number_term};
use super::term::FormulaTerm;
use crate::Type;
use crate::dbt::has_jinja;
use crate::dbt::tokens::replace_tokens;
use crate::dialect::Dialect;
use crate::lineage;
use crate::schema::replace_omni_references;

/// Maximum length of an SQL expression in bytes. Longer expressions would not result in useful formulas.
const MAX_SQL_BYTES: usize = 16 << 10;
/// Prefix of the placeholders that replace references while SQL is parsed.
const MARK: &str = "omni_ref_";

/// Resolves names in SQL.
pub(super) trait SqlNames {
    /// Resolves an Omni reference without its `${}`.
    fn field(&self, reference: &str) -> Result<FormulaTerm, String>;
    /// Resolves a column with an optional qualifier.
    fn column(&self, relation: Option<&str>, column: &str) -> Result<FormulaTerm, String>;
    /// Returns the letter of a worksheet column, for operators on the rows of a result. `None` outside of worksheets.
    fn column_letter(&self, _reference: &str) -> Option<String> {
        None
    }
    /// Returns the formulas for SQL that no rule converts. `None` in worksheets.
    fn proven_formulas(&self) -> Option<&ProvenFormulas> {
        None
    }
}

/// Formula converted from SQL.
#[derive(Debug)]
pub(super) struct ConvertedSql {
    pub term: FormulaTerm,
    /// Ways in which the formula may differ from the SQL.
    pub doubts: Vec<String>,
    /// Whether the formula does arithmetic with values that may be NULL, for which SQL returns NULL.
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
    let mut reader = SqlReader {
        dialect,
        names,
        references,
        doubts: Vec::new(),
        computes: false,
        depth: 0,
        proofs: 0,
    };
    let term = reader.convert_term(&expr);
    let references = &reader.references;
    let term = term.map_err(|reason| {
        let numbered_references = references.iter().enumerate().rev();
        numbered_references.fold(reason, |reason, (at, name)| {
            reason.replace(&format!("{MARK}{at}"), &format!("${{{name}}}"))
        })
    })?;
    reader.doubts.dedup();
    Ok(ConvertedSql {
        term,
        doubts: reader.doubts,
        computes: reader.computes,
    })
}

/// Replaces each reference with a placeholder name.
fn insert_reference_placeholders(sql: &str) -> Result<(String, Vec<String>), String> {
    if sql.contains(MARK) {
        return Err(format!("the SQL contains a name that begins with `{MARK}`"));
    }
    let mut references: Vec<String> = Vec::new();
    let out = replace_omni_references(sql, |name| {
        references.push(name.trim().to_owned());
        format!("{MARK}{}", references.len() - 1)
    });
    if out.contains("${") {
        return Err("a reference is not closed".to_owned());
    }
    if references.iter().any(|name| name.eq_ignore_ascii_case("table")) {
        return Err("`${TABLE}` is a Looker reference, and Omni does not support it".to_owned());
    }
    Ok((out, references))
}

/// Replaces Omni's infix operators, as in `a OMNI_FX_PLUS b`, with the usual operators, as in `a + b`, and removes
/// `ASYMMETRIC`, the default of `BETWEEN`, which Omni writes but the parser does not support.
fn to_plain_sql(sql: &str, dialect: Dialect) -> String {
    const OPERATORS: &[(&str, &str)] = &[
        ("PLUS", "+"),
        ("MINUS", "-"),
        ("MULTIPLY", "*"),
        ("SAFE_DIVIDE", "/"),
        ("DIVIDE", "/"),
        ("EQUALS", "="),
        ("NOT_EQUALS", "<>"),
        ("GREATER_THAN", ">"),
        ("GREATER_THAN_OR_EQUAL", ">="),
        ("GREATER_THAN_OR_EQUAL_TO", ">="),
        ("LESS_THAN", "<"),
        ("LESS_THAN_OR_EQUAL", "<="),
        ("LESS_THAN_OR_EQUAL_TO", "<="),
        ("AMPERSAND", "||"),
    ];
    replace_tokens(sql, dialect, |all, at| {
        let text = |at: usize| all.get(at).map_or("", |token| token.text(sql));
        let word = text(at);
        if word.eq_ignore_ascii_case("asymmetric") && text(at.wrapping_sub(1)).eq_ignore_ascii_case("between") {
            return Some(String::new());
        }
        let name = word.strip_prefix("OMNI_FX_").filter(|_| text(at + 1) != "(")?;
        let operator = OPERATORS.iter().find(|(operator_name, _)| *operator_name == name);
        operator.map(|(_, sign)| (*sign).to_owned())
    })
}

fn parse(sql: &str, dialect: Dialect) -> Result<Expr, String> {
    let no = || "the SQL is not a valid expression".to_owned();
    let (query, _) = lineage::parse(&format!("select {sql}\n"), Some(dialect)).map_err(|_| no())?;
    let SetExpr::Select(select) = &*query.body else {
        return Err(no());
    };
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(expr)] if select.from.is_empty() && select.selection.is_none() => Ok(expr.clone()),
        _ => Err(no()),
    }
}

/// Replaces NULL with `FALSE`.
fn or_false(condition: FormulaTerm) -> FormulaTerm {
    FormulaTerm::call("COALESCE", &[condition, FormulaTerm::boolean_literal(false)])
}

struct SqlReader<'n> {
    dialect: Dialect,
    names: &'n dyn SqlNames,
    references: Vec<String>,
    doubts: Vec<String>,
    computes: bool,
    depth: usize,
    /// Number of expressions for which a proven formula was searched.
    proofs: usize,
}

/// Maximum depth of the expression tree. A chain of the same operator has one level per operand.
const MAX_DEPTH: usize = 2_000;

impl SqlReader<'_> {
    fn convert_term(&mut self, expr: &Expr) -> Result<FormulaTerm, String> {
        self.depth += 1;
        let term = if self.depth > MAX_DEPTH {
            Err("the SQL is nested too deeply".to_owned())
        } else if self.depends_on_time_zone(expr) {
            let reason = "the formula would convert the point in time to the time zone of the project";
            self.find_proven_formula(expr).ok_or_else(|| reason.to_owned())
        } else {
            let (doubts, computes) = (self.doubts.len(), self.computes);
            self.convert_part(expr).or_else(|reason| {
                self.doubts.truncate(doubts);
                self.computes = computes;
                self.find_proven_formula(expr).ok_or(reason)
            })
        };
        self.depth -= 1;
        term
    }

    fn convert_terms(&mut self, exprs: &[&Expr]) -> Result<Vec<FormulaTerm>, String> {
        exprs.iter().map(|expr| self.convert_term(expr)).collect()
    }

    fn convert_part(&mut self, expr: &Expr) -> Result<FormulaTerm, String> {
        match expr {
            Expr::Nested(inner) => self.convert_term(inner),
            Expr::Identifier(ident) => match self.reference_of_placeholder(&ident.value) {
                Some(reference) => self.names.field(&reference),
                None => self.names.column(None, &ident.value),
            },
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [relation, column] => self.names.column(Some(&relation.value), &column.value),
                _ => Err(format!("the name `{expr}` has more than two parts")),
            },
            Expr::Value(value) => self.convert_literal(&value.value),
            Expr::TypedString(typed) => match (&typed.data_type, typed.value.clone().into_string()) {
                (DataType::Date, Some(text)) => date_term(&text),
                _ => Err(unsupported_sql(expr)),
            },
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr,
            } => Ok(self.convert_term(expr)?.negate()),
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr,
            } => Ok(self.convert_term(expr)?.negative()),
            Expr::UnaryOp {
                op: UnaryOperator::Plus,
                expr,
            } => self.convert_term(expr),
            Expr::BinaryOp { left, op, right } => self.convert_binary(left, op, right),
            Expr::IsNull(inner) => Ok(self.convert_term(inner)?.isblank_call()),
            Expr::IsNotNull(inner) => Ok(self.convert_term(inner)?.isblank_call().negate()),
            Expr::IsTrue(inner) => Ok(or_false(self.convert_term(inner)?)),
            Expr::IsFalse(inner) => Ok(or_false(self.convert_term(inner)?.negate())),
            Expr::InList { expr, list, negated } => self.convert_in_list(expr, list, *negated),
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => self.convert_between([expr, low, high], *negated),
            Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => self.convert_like(expr, pattern, escape_char.as_deref(), *negated, false),
            Expr::ILike {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => self.convert_like(expr, pattern, escape_char.as_deref(), *negated, true),
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => {
                let whens: Vec<(&Expr, &Expr)> =
                    conditions.iter().map(|when| (&when.condition, &when.result)).collect();
                self.convert_case(operand.as_deref(), &whens, else_result.as_deref())
            }
            Expr::Cast {
                kind,
                expr: inner,
                data_type,
                format: None,
            } => self.convert_cast(kind, inner, data_type, expr),
            Expr::Extract { field, expr: inner, .. } => {
                let unit = field.to_string().to_lowercase();
                let x = self.convert_term(inner)?;
                date_part(&unit, x).ok_or_else(|| unsupported_sql(expr))
            }
            Expr::Ceil { expr: inner, field } if is_plain(field) => {
                Ok(FormulaTerm::call("CEILING", &[self.convert_term(inner)?]).with_type(Some(Type::Integer)))
            }
            Expr::Floor { expr: inner, field } if is_plain(field) => {
                Ok(FormulaTerm::call("FLOOR", &[self.convert_term(inner)?]).with_type(Some(Type::Integer)))
            }
            Expr::Substring {
                expr: inner,
                substring_from: Some(from),
                substring_for: length,
                ..
            } => self.convert_substring(inner, from, length.as_deref()),
            Expr::Position { expr: needle, r#in } => self.convert_position(needle, r#in),
            Expr::Function(function) => self.convert_call(function, expr),
            _ => Err(unsupported_sql(expr)),
        }
    }

    fn convert_in_list(&mut self, expr: &Expr, list: &[Expr], negated: bool) -> Result<FormulaTerm, String> {
        let x = self.convert_term(expr)?;
        let (op, joined) = if negated { ("<>", "AND") } else { ("=", "OR") };
        let mut parts = Vec::with_capacity(list.len());
        for value in list {
            parts.push(x.clone().compare_with(op, &self.convert_term(value)?));
        }
        Ok(FormulaTerm::combine_conditions(joined, parts))
    }

    fn convert_between(&mut self, [expr, low, high]: [&Expr; 3], negated: bool) -> Result<FormulaTerm, String> {
        let (x, low, high) = (
            self.convert_term(expr)?,
            self.convert_term(low)?,
            self.convert_term(high)?,
        );
        let (joined, of_low, of_high) = if negated { ("OR", "<", ">") } else { ("AND", ">=", "<=") };
        let parts = vec![x.clone().compare_with(of_low, &low), x.compare_with(of_high, &high)];
        Ok(FormulaTerm::combine_conditions(joined, parts))
    }

    fn reference_of_placeholder(&self, name: &str) -> Option<String> {
        let number: usize = name.strip_prefix(MARK)?.parse().ok()?;
        self.references.get(number).cloned()
    }

    fn convert_literal(&self, value: &Value) -> Result<FormulaTerm, String> {
        match value {
            Value::Number(text, _) if is_number(text) => Ok(number_term(text)),
            Value::SingleQuotedString(text) if text.contains(MARK) => Err("a reference is inside a string".to_owned()),
            Value::SingleQuotedString(text) => Ok(FormulaTerm::string_literal(text)),
            // In BigQuery, double quotes also enclose strings.
            Value::DoubleQuotedString(text) if !text.contains(MARK) => Ok(FormulaTerm::string_literal(text)),
            Value::Boolean(value) => Ok(FormulaTerm::boolean_literal(*value)),
            Value::Null => Ok(FormulaTerm::null()),
            other => Err(format!("formulas do not support the value `{other}`")),
        }
    }
}

fn unsupported_sql(expr: &Expr) -> String {
    let text = expr.to_string();
    let short: String = text.chars().take(60).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("no formula expresses `{short}{more}`")
}

fn is_plain(field: &CeilFloorKind) -> bool {
    matches!(
        field,
        CeilFloorKind::DateTimeField(sqlparser::ast::DateTimeField::NoDateTime)
    )
}

fn date_term(text: &str) -> Result<FormulaTerm, String> {
    super::relative_dates::DayStart::read(text)
        .ok()
        .filter(|_| super::relative_dates::is_date(text))
        .map(super::relative_dates::DayStart::to_term)
        .ok_or_else(|| format!("`{text}` is not a date"))
}

fn integer_literal(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

fn literal_text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) if !text.contains(MARK) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the column name if the SQL consists of nothing else, as in `amount`, `"AMOUNT"` or `orders.amount`.
pub(super) fn plain_column(sql: &str) -> Option<(Option<String>, String)> {
    let part = |text: &str| {
        let text = text.trim();
        let quoted = ['"', '`'].iter().find_map(|q| text.strip_prefix(*q)?.strip_suffix(*q));
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        match quoted {
            Some(inside) if !inside.is_empty() && !inside.contains(['"', '`', '.']) => Some(inside.to_owned()),
            Some(_) => None,
            None => {
                let begins = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
                let is_known = ["true", "false", "null", "current_date", "current_timestamp"];
                (begins && text.chars().all(is_word) && !is_known.contains(&text.to_lowercase().as_str()))
                    .then(|| text.to_owned())
            }
        }
    };
    match sql.trim().split_once('.') {
        Some((relation, column)) => Some((Some(part(relation)?), part(column)?)),
        None => Some((None, part(sql)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let converted_sql = convert(sql, dialect.parse().unwrap_or_default(), &TestColumns);
            assert_eq!(
                converted_sql.map(|converted_sql| converted_sql.term.text).as_deref(),
                Ok(expected),
                "{dialect}: {sql}"
            );
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
            let converted_sql = convert(sql, dialect.parse().unwrap_or_default(), &TestColumns);
            assert!(converted_sql.is_err(), "{dialect}: {sql}: {converted_sql:?}");
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
            let converted_sql = convert(sql, dialect.parse().unwrap_or_default(), &TestColumns);
            assert_eq!(
                converted_sql.map(|converted_sql| converted_sql.term.text).as_deref(),
                Ok(expected),
                "{dialect}: {sql}"
            );
        }
        for (dialect, sql) in [
            ("postgres", "trim(t)"),
            ("postgres", "i % 2"),
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
            assert!(
                convert(sql, dialect.parse().unwrap_or_default(), &TestColumns).is_err(),
                "{sql}"
            );
        }
    }

    #[test]
    fn differences_are_reported() {
        let doubts =
            |sql: &str| convert(sql, Dialect::default(), &TestColumns).map(|converted_sql| converted_sql.doubts.len());
        assert_eq!(doubts("x / y"), Ok(1));
        assert_eq!(doubts("sum(n)"), Ok(1));
        assert_eq!(doubts("sum(n) - sum(n2)"), Ok(1));
        assert_eq!(doubts("100.0 * sum(case when i > 1 then n end) / sum(n)"), Ok(1));
        // In these cases, it does not matter whether a sum of no rows is NULL or 0.
        for sql in [
            "sum(n) / count(*)",
            "100.0 * sum(case when i > 1 then n else 0 end) / nullif(sum(n), 0)",
            "coalesce(sum(n), 0)",
        ] {
            assert_eq!(doubts(sql), Ok(0), "{sql}");
        }
        assert_eq!(doubts("n / i"), Ok(0));
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
