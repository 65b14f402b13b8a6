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

/// Functions from SQL and other tools, with their replacements.
const OTHER_TOOLS: &[(&str, Replacement)] = &[
    ("AVG", Write("AVERAGE(x)")),
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
    ("ENDS_WITH", Write("ENDSWITH(text, suffix)")),
    ("EXTRACT", Write("YEAR(date)")),
    ("FALSE", Write("FALSE")),
    ("FIRST_VALUE", Write("FIRST(x)")),
    ("GETDATE", Write("NOW()")),
    ("GREATEST", Write("MAX(a, b)")),
    ("GROUP_CONCAT", Write("TEXTJOIN(\", \", TRUE, x)")),
    ("IFF", Write("IF(condition, then, else)")),
    ("IFNULL", Write("IFNA(value, fallback)")),
    ("IIF", Write("IF(condition, then, else)")),
    ("INITCAP", Write("PROPER(text)")),
    ("INSTR", Write("FIND(needle, text)")),
    ("ISNULL", Write("ISBLANK(x)")),
    ("LAG", Write("OFFSET(x, -1)")),
    ("LAST_DAY", Write("EOMONTH(date, 0)")),
    ("LAST_VALUE", Write("LAST(x)")),
    ("LCASE", Write("LOWER(text)")),
    ("LEAD", Write("OFFSET(x, 1)")),
    ("LEAST", Write("MIN(a, b)")),
    ("LENGTH", Write("LEN(x)")),
    ("LISTAGG", Write("TEXTJOIN(\", \", TRUE, x)")),
    ("MEAN", Write("AVERAGE(x)")),
    ("MEDIANIF", Write("MEDIAN(IF(condition, x))")),
    (
        "NA",
        Say("write `1/0` to return NULL, because formulac has no error values"),
    ),
    ("NULLIF", Write("IF(a = b, 1/0, a)")),
    ("NVL", Write("IFNA(value, fallback)")),
    ("POW", Write("POWER(base, exponent)")),
    ("ROW_NUMBER", Write("ROW()")),
    ("SAFE_CAST", Say(CONVERSION)),
    ("SAFE_DIVIDE", Write("a / b")),
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
    ("SYSDATE", Write("NOW()")),
    ("TO_CHAR", Write("TEXT(x, \"yyyy-mm-dd\")")),
    ("TO_DATE", Write("DATEVALUE(text)")),
    ("TO_NUMBER", Write("VALUE(text)")),
    ("TRUE", Write("TRUE")),
    ("TRY_CAST", Say(CONVERSION)),
    ("UCASE", Write("UPPER(text)")),
    ("UNIQUE", Write("COUNT(DISTINCT(x))")),
    ("ZEROIFNULL", Write("IFNA(x, 0)")),
    ("ZN", Write("IFNA(x, 0)")),
];

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

#[cfg(test)]
mod tests {
    #[test]
    fn foreign_functions_are_not_in_the_catalogue() {
        for (name, _) in super::OTHER_TOOLS {
            assert!(crate::catalog::lookup(name).is_none(), "{name} is built");
        }
    }
}
