//! Suggestions for functions from other tools that the catalog doesn't contain.

use crate::diag::{Code, Diagnostic};
use crate::span::Span;

use Replacement::{Say, Write};

/// Suggestion for a function from another tool.
enum Replacement {
    /// Formula to write instead of the call.
    Write(&'static str),
    /// Advice as a full sentence.
    Say(&'static str),
}

/// Functions from SQL, spreadsheets in other languages and other tools, with their replacements.
const OTHER_TOOLS: &[(&str, Replacement)] = &[
    ("AGGREGATE", Say(SUBTOTALS)),
    ("ANZAHL", Write("COUNT(x)")),
    (
        "ARRAYFORMULA",
        Say("remove `ARRAYFORMULA`, because a formula applies to every row"),
    ),
    ("AVG", Write("AVERAGE(x)")),
    ("CAGR", Write("POWER(last / first, 1 / years) - 1")),
    ("CASE", Write("IF(condition, then, else) or IFS(…)")),
    ("CAST", Say(CONVERSION)),
    ("CEIL", Write("CEILING(x)")),
    ("CONCAT_WS", Write("TEXTJOIN(\", \", TRUE, a, b)")),
    ("CONVERT", Say(CONVERSION)),
    ("COUNTD", Write("COUNT(DISTINCT(x))")),
    ("COUNTDISTINCT", Write("COUNT(DISTINCT(x))")),
    ("COUNT_DISTINCT", Write("COUNT(DISTINCT(x))")),
    ("COUNT_IF", Write("COUNTIF(condition)")),
    ("CURRENT_DATE", Write("TODAY()")),
    ("CURRENT_TIMESTAMP", Write("NOW()")),
    ("DATEADD", Write("date + days")),
    ("DATEDIFF", Write("DATEDIF(start, end, \"D\")")),
    ("DATEPART", Write("YEAR(date)")),
    ("DATETRUNC", Write("column[month]")),
    ("DATE_ADD", Write("date + days")),
    ("DATE_DIFF", Write("DATEDIF(start, end, \"D\")")),
    ("DATE_PART", Write("YEAR(date)")),
    ("DATE_SUB", Write("date - days")),
    ("DATE_TRUNC", Write("column[month]")),
    ("DECODE", Write("SWITCH(x, value, result, …, otherwise)")),
    ("DENSE_RANK", Say("write `RANK(x)`, which leaves gaps after ties")),
    ("DEVSQ", Write("VAR.P(x) * COUNT(x)")),
    ("DOLLAR", Write("TEXT(x, \"$#,##0.00\")")),
    ("ENDS_WITH", Write("ENDSWITH(text, suffix)")),
    ("EXTRACT", Write("YEAR(date)")),
    ("FALSE", Write("FALSE")),
    (
        "FILTER",
        Say("aggregate with a condition, as in `SUM(IF(condition, x))`, or write the condition as `where` in a spec"),
    ),
    ("FIRST_VALUE", Write("FIRST(x)")),
    ("FIXED", Write("TEXT(x, \"#,##0.00\")")),
    ("FORECAST", Write(REGRESSION)),
    ("FORECAST.LINEAR", Write(REGRESSION)),
    ("GETDATE", Write("NOW()")),
    ("GREATEST", Write("MAX(a, b)")),
    ("GROUP_CONCAT", Write("TEXTJOIN(\", \", TRUE, x)")),
    ("HARMEAN", Write("COUNT(x) / SUM(1 / x)")),
    ("HEUTE", Write("TODAY()")),
    (
        "HLOOKUP",
        Say("search a column with `XLOOKUP` or `VLOOKUP`, because each key is a row of a table"),
    ),
    ("IFF", Write("IF(condition, then, else)")),
    ("IFNULL", Write("IFNA(value, fallback)")),
    ("IIF", Write("IF(condition, then, else)")),
    ("INITCAP", Write("PROPER(text)")),
    ("INSTR", Write("FIND(needle, text)")),
    (
        "IPMT",
        Write("FV(rate, period - 1, PMT(rate, periods, amount), amount) * rate"),
    ),
    ("IRR", Say(ITERATION)),
    ("ISNULL", Write("ISBLANK(x)")),
    ("JOIN", Write("TEXTJOIN(\", \", TRUE, x)")),
    ("LAG", Write("OFFSET(x, -1)")),
    (
        "LAMBDA",
        Say("write the formula as a definition, or name its parts with `LET`"),
    ),
    ("LASTDAY", Write("EOMONTH(date, 0)")),
    ("LAST_DAY", Write("EOMONTH(date, 0)")),
    ("LAST_VALUE", Write("LAST(x)")),
    ("LCASE", Write("LOWER(text)")),
    ("LEAD", Write("OFFSET(x, 1)")),
    ("LEAST", Write("MIN(a, b)")),
    ("LENGTH", Write("LEN(x)")),
    ("LISTAGG", Write("TEXTJOIN(\", \", TRUE, x)")),
    ("LOOKUP", Write("XLOOKUP(key, A:A, B:B, , -1)")),
    ("MEAN", Write("AVERAGE(x)")),
    ("MEDIANIF", Write("MEDIAN(IF(condition, x))")),
    ("MITTELWERT", Write("AVERAGE(x)")),
    ("MOYENNE", Write("AVERAGE(x)")),
    ("M\u{c9}DIA", Write("AVERAGE(x)")),
    (
        "NA",
        Say("write `1/0` to return NULL, because formulac has no error values"),
    ),
    ("NPV", Write("SUM(amount / POWER(1 + rate, period))")),
    ("NTILE", Write("INT((RANK(x) - 1) * 4 / COUNT(x:x)) + 1")),
    ("NULLIF", Write("IF(a <> b, a)")),
    ("NVL", Write("IFNA(value, fallback)")),
    ("ODER", Write("OR(a, b)")),
    ("PEARSON", Write("CORREL(x, y)")),
    ("PERCENTRANK.EXC", Write("RANK(x, x:x, 1) / (COUNT(x:x) + 1)")),
    ("POW", Write("POWER(base, exponent)")),
    (
        "PPMT",
        Write("PMT(rate, periods, amount) - FV(rate, period - 1, PMT(rate, periods, amount), amount) * rate"),
    ),
    ("PROMEDIO", Write("AVERAGE(x)")),
    ("QUARTILE.EXC", Write("PERCENTILE.EXC(x, 0.25)")),
    ("QUERY", Say("write a spec with `where`, `group_by` and `order_by`")),
    (
        "RANK.AVG",
        Say("write `RANK(x)`, which gives equal values the best of their ranks"),
    ),
    ("RATE", Say(ITERATION)),
    ("RECHERCHEV", Write("VLOOKUP(key, A:B, 2, FALSE)")),
    ("ROW_NUMBER", Write("ROW()")),
    ("RSQ", Write("POWER(CORREL(x, y), 2)")),
    ("SAFE_CAST", Say(CONVERSION)),
    ("SAFE_DIVIDE", Write("a / b")),
    ("SE", Write("IF(condition, then, else)")),
    ("SI", Write("IF(condition, then, else)")),
    ("SLN", Write("(cost - salvage) / life")),
    ("SOMA", Write("SUM(x)")),
    ("SOMME", Write("SUM(x)")),
    ("SORT", Say(SORTED)),
    ("SORTBY", Say(SORTED)),
    (
        "SPLIT",
        Say(
            "extract parts with `REGEXEXTRACT(text, pattern)` or with `LEFT`, `MID` and `FIND`; join text with `TEXTJOIN`",
        ),
    ),
    (
        "SPLIT_PART",
        Say(
            "extract parts with `REGEXEXTRACT(text, pattern)` or with `LEFT`, `MID` and `FIND`; join text with `TEXTJOIN`",
        ),
    ),
    ("STARTS_WITH", Write("STARTSWITH(text, prefix)")),
    ("STRING_AGG", Write("TEXTJOIN(\", \", TRUE, x)")),
    ("STRPOS", Write("FIND(needle, text)")),
    ("SUBSTR", Write("MID(text, start, count)")),
    ("SUBSTRING", Write("MID(text, start, count)")),
    ("SUBTOTAL", Say(SUBTOTALS)),
    ("SUMA", Write("SUM(x)")),
    ("SUMME", Write("SUM(x)")),
    ("SUMMEWENN", Write("SUMIF(column, criterion, x)")),
    ("SVERWEIS", Write("VLOOKUP(key, A:B, 2, FALSE)")),
    ("SYSDATE", Write("NOW()")),
    ("TIMEVALUE", Write("TIME(HOUR(text), MINUTE(text), SECOND(text))")),
    ("TO_CHAR", Write("TEXT(x, \"yyyy-mm-dd\")")),
    ("TO_DATE", Write("DATEVALUE(text)")),
    ("TO_NUMBER", Write("VALUE(text)")),
    ("TREND", Write(REGRESSION)),
    ("TRUE", Write("TRUE")),
    ("TRY_CAST", Say(CONVERSION)),
    ("UCASE", Write("UPPER(text)")),
    ("UND", Write("AND(a, b)")),
    ("UNIQUE", Write("COUNT(DISTINCT(x))")),
    ("WENN", Write("IF(condition, then, else)")),
    ("XIRR", Say(ITERATION)),
    ("XNPV", Write("SUM(amount / POWER(1 + rate, (day - first_day) / 365))")),
    ("ZEROIFNULL", Write("IFNA(x, 0)")),
    ("ZN", Write("IFNA(x, 0)")),
];

const ITERATION: &str = "compute it outside of the warehouse, because SQL expressions cannot search for a rate";
const REGRESSION: &str = "INTERCEPT(y, x) + SLOPE(y, x) * new_x";
const SORTED: &str = "sort rows with `order_by` in a spec, and select the nth value with `LARGE` or `SMALL`";
const SUBTOTALS: &str = "write the aggregate itself, such as `SUM(x)`, and select rows with `where` in a spec";
const CONVERSION: &str = "remove the conversion, because safe conversions are automatic, or use `x & \"\"` for text, \
    `VALUE(x)` for a number or `DATEVALUE(x)` for a date";

pub(super) fn foreign_function_diagnostic(name: &str, span: Span) -> Option<Diagnostic> {
    let (_, instead) = OTHER_TOOLS.iter().find(|(n, _)| *n == name)?;
    Some(
        Diagnostic::new(Code::UnknownFunction, span, format!("unknown function `{name}`"))
            .with_label("not in the function catalogue")
            .with_help(match instead {
                Write(formula) => format!("write `{formula}`"),
                Say(advice) => (*advice).to_owned(),
            }),
    )
}

/// Returns advice for a function of SQL that formulas do not have. `None` if there is no similar function.
#[must_use]
pub fn sql_function_advice(name: &str) -> Option<String> {
    let (_, instead) = OTHER_TOOLS.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
    Some(match instead {
        Write(formula) => format!("the nearest formula is `{formula}`"),
        Say(advice) => (*advice).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn foreign_functions_are_not_in_the_catalogue() {
        for (name, _) in super::OTHER_TOOLS {
            assert!(crate::catalog::lookup(name).is_none(), "{name} is built");
        }
    }
}
