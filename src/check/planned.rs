//! Names that users know and the catalogue does not have: with the spelling that they want.

use crate::diag::{Code, Diagnostic};
use crate::span::Span;

/// Functions of SQL and other tools, with what to write.
const OTHER_TOOLS: &[(&str, &str)] = &[
    ("AVG", "AVERAGE(x)"),
    ("CASE", "IF(condition, then, else) or IFS(…)"),
    ("CAST", "nothing: types are converted where it is safe; numbers become text with `&`"),
    ("CEIL", "CEILING(x)"),
    ("COUNT_DISTINCT", "COUNT(DISTINCT(x))"),
    ("COUNTDISTINCT", "COUNT(DISTINCT(x))"),
    ("CURRENT_DATE", "TODAY()"),
    ("CURRENT_TIMESTAMP", "NOW()"),
    ("DATE_TRUNC", "column[month]"),
    ("CONVERT", "nothing: types are converted where it is safe; numbers become text with `&`"),
    ("COUNT_IF", "COUNTIF(condition)"),
    ("DATEADD", "date + days"),
    ("DATEDIFF", "DATEDIF(start, end, \"D\")"),
    ("DATEPART", "YEAR(date)"),
    ("DATE_ADD", "date + days"),
    ("DATE_DIFF", "DATEDIF(start, end, \"D\")"),
    ("DATE_PART", "YEAR(date)"),
    ("DATE_SUB", "date - days"),
    ("DECODE", "SWITCH(x, value, result, …, otherwise)"),
    ("EXTRACT", "YEAR(date)"),
    ("GETDATE", "TODAY()"),
    ("GREATEST", "MAX(a, b)"),
    ("IFF", "IF(condition, then, else)"),
    ("IIF", "IF(condition, then, else)"),
    ("IFNULL", "IFNA(value, fallback)"),
    ("ISNULL", "ISBLANK(x)"),
    ("LAG", "OFFSET(x, -1)"),
    ("LAST_DAY", "EOMONTH(date, 0)"),
    ("LEAD", "OFFSET(x, 1)"),
    ("LEAST", "MIN(a, b)"),
    ("LENGTH", "LEN(x)"),
    ("MEAN", "AVERAGE(x)"),
    ("NULLIF", "IF(a = b, 1/0, a)"),
    ("NVL", "IFNA(value, fallback)"),
    ("POW", "POWER(base, exponent)"),
    ("SAFE_CAST", "nothing: types are converted where it is safe; numbers become text with `&`"),
    ("SAFE_DIVIDE", "a / b"),
    ("SUBSTR", "MID(text, start, count)"),
    ("SUBSTRING", "MID(text, start, count)"),
    ("TRY_CAST", "nothing: types are converted where it is safe; numbers become text with `&`"),
    ("UNIQUE", "COUNT(DISTINCT(x))"),
    ("ZEROIFNULL", "IFNA(x, 0)"),
];

pub(super) fn diagnostic(name: &str, span: Span) -> Option<Diagnostic> {
    let (_, instead) = OTHER_TOOLS.iter().find(|(n, _)| *n == name)?;
    Some(
        Diagnostic::new(Code::UnknownFunction, span, format!("unknown function `{name}`"))
            .with_label("not in the function catalogue")
            .with_help(format!(
                "write {}",
                if instead.starts_with("nothing") { (*instead).to_owned() } else { format!("`{instead}`") }
            )),
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn not_in_the_catalogue() {
        for (name, _) in super::OTHER_TOOLS {
            assert!(crate::catalog::lookup(name).is_none(), "{name} is built");
        }
    }
}
