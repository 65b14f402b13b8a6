//! Suggestions for functions from other tools that the catalog does not contain.

use super::foreign_calls::{self, CallInSource};
use crate::catalog;
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

/// Function names in non-English spreadsheets, each with its English name.
const TRANSLATED: &[(&str, &str)] = &[
    ("ABRUNDEN", "ROUNDDOWN"),
    ("ALS", "IF"),
    ("ANNEE", "YEAR"),
    ("ANNÉE", "YEAR"),
    ("ANZAHL", "COUNT"),
    ("ANZAHL2", "COUNTA"),
    ("ANZAHLLEEREZELLEN", "COUNTBLANK"),
    ("ARRONDI", "ROUND"),
    ("ARRONDI.INF", "ROUNDDOWN"),
    ("ARRONDI.SUP", "ROUNDUP"),
    ("AUFRUNDEN", "ROUNDUP"),
    ("AUJOURDHUI", "TODAY"),
    ("CONCATENER", "CONCAT"),
    ("CONTAR", "COUNT"),
    ("CONTAR.SI", "COUNTIF"),
    ("CONTAR.SI.CONJUNTO", "COUNTIFS"),
    ("DATUM", "DATE"),
    ("DROITE", "RIGHT"),
    ("EDATUM", "EDATE"),
    ("ENTIER", "INT"),
    ("ERSETZEN", "REPLACE"),
    ("EST.VIDE", "ISBLANK"),
    ("ESTVIDE", "ISBLANK"),
    ("ET", "AND"),
    ("FINDEN", "FIND"),
    ("GANZZAHL", "INT"),
    ("GAUCHE", "LEFT"),
    ("GLÄTTEN", "TRIM"),
    ("GROSS", "UPPER"),
    ("HEUTE", "TODAY"),
    ("HOY", "TODAY"),
    ("ISTLEER", "ISBLANK"),
    ("JAHR", "YEAR"),
    ("JOUR", "DAY"),
    ("KLEIN", "LOWER"),
    ("LINKS", "LEFT"),
    ("LÄNGE", "LEN"),
    ("MAJUSCULE", "UPPER"),
    ("MAXWENNS", "MAXIFS"),
    ("MINUSCULE", "LOWER"),
    ("MINWENNS", "MINIFS"),
    ("MITTELWERT", "AVERAGE"),
    ("MITTELWERTWENN", "AVERAGEIF"),
    ("MITTELWERTWENNS", "AVERAGEIFS"),
    ("MOIS", "MONTH"),
    ("MONAT", "MONTH"),
    ("MONATSENDE", "EOMONTH"),
    ("MOYENNE", "AVERAGE"),
    ("MOYENNE.SI", "AVERAGEIF"),
    ("MOYENNE.SI.ENS", "AVERAGEIFS"),
    ("NB", "COUNT"),
    ("NB.SI", "COUNTIF"),
    ("NB.SI.ENS", "COUNTIFS"),
    ("NBCAR", "LEN"),
    ("NBVAL", "COUNTA"),
    ("NICHT", "NOT"),
    ("NON", "NOT"),
    ("ODER", "OR"),
    ("OU", "OR"),
    ("PROMEDIO", "AVERAGE"),
    ("RECHERCHEV", "VLOOKUP"),
    ("RECHERCHEX", "XLOOKUP"),
    ("RECHTS", "RIGHT"),
    ("REST", "MOD"),
    ("RUNDEN", "ROUND"),
    ("SE", "IF"),
    ("SI", "IF"),
    ("SI.CONDITIONS", "IFS"),
    ("SI.ERROR", "IFERROR"),
    ("SIERREUR", "IFERROR"),
    ("SOMA", "SUM"),
    ("SOMME", "SUM"),
    ("SOMME.SI", "SUMIF"),
    ("SOMME.SI.ENS", "SUMIFS"),
    ("STXT", "MID"),
    ("SUCHEN", "SEARCH"),
    ("SUMA", "SUM"),
    ("SUMAR.SI", "SUMIF"),
    ("SUMAR.SI.CONJUNTO", "SUMIFS"),
    ("SUMME", "SUM"),
    ("SUMMENPRODUKT", "SUMPRODUCT"),
    ("SUMMEWENN", "SUMIF"),
    ("SUMMEWENNS", "SUMIFS"),
    ("SVERWEIS", "VLOOKUP"),
    ("TAG", "DAY"),
    ("TEIL", "MID"),
    ("TEXTVERKETTEN", "TEXTJOIN"),
    ("UND", "AND"),
    ("VERGLEICH", "MATCH"),
    ("VERKETTEN", "CONCAT"),
    ("WECHSELN", "SUBSTITUTE"),
    ("WENN", "IF"),
    ("WENNFEHLER", "IFERROR"),
    ("WENNS", "IFS"),
    ("WERT", "VALUE"),
    ("WOCHENTAG", "WEEKDAY"),
    ("WURZEL", "SQRT"),
    ("XVERWEIS", "XLOOKUP"),
    ("ZÄHLENWENN", "COUNTIF"),
    ("ZÄHLENWENNS", "COUNTIFS"),
];

/// Functions from SQL, spreadsheets and other tools, with their replacements.
const OTHER_TOOLS: &[(&str, Replacement)] = &[
    ("ACOSH", Write("LN(x + SQRT(x * x - 1))")),
    ("ACOT", Write("PI() / 2 - ATAN(x)")),
    ("AGGREGATE", Say(SUBTOTALS)),
    (
        "ARRAYFORMULA",
        Say("remove `ARRAYFORMULA`, because a formula applies to every row"),
    ),
    ("ARRAYTOTEXT", Write("TEXTJOIN(\", \", TRUE, x)")),
    ("ASINH", Write("LN(x + SQRT(x * x + 1))")),
    ("ATANH", Write("LN((1 + x) / (1 - x)) / 2")),
    (
        "AVEDEV",
        Say("write `ABS(x - AVERAGE(x:x))` as a definition, and compute its `AVERAGE` in the next step"),
    ),
    ("AVERAGE.WEIGHTED", Write("SUMPRODUCT(x, weight) / SUM(weight)")),
    ("AVERAGEA", Write("AVERAGE(x)")),
    ("AVG", Write("AVERAGE(x)")),
    ("BINOM.DIST", Write("COMBIN(n, k) * POWER(p, k) * POWER(1 - p, n - k)")),
    ("BYCOL", Say(EACH_ROW)),
    ("BYROW", Say(EACH_ROW)),
    ("CAGR", Write("POWER(last / first, 1 / years) - 1")),
    ("CASE", Write("IF(condition, then, else) or IFS(…)")),
    ("CAST", Say(CONVERSION)),
    ("CEIL", Write("CEILING(x)")),
    ("CEILING.PRECISE", Write("CEILING.MATH(x, multiple)")),
    ("CHOOSECOLS", Say(ONE_VALUE_PER_ROW_HELP)),
    ("CHOOSEROWS", Say(ONE_VALUE_PER_ROW_HELP)),
    ("CONCAT_WS", Write("TEXTJOIN(\", \", TRUE, a, b)")),
    ("CONFIDENCE", Write("1.959964 * sd / SQRT(n)")),
    ("CONFIDENCE.NORM", Write("1.959964 * sd / SQRT(n)")),
    ("CONVERT", Say(CONVERSION)),
    ("COTH", Write("1 / TANH(x)")),
    ("COUNTD", Write("COUNT(DISTINCT(x))")),
    ("COUNTDISTINCT", Write("COUNT(DISTINCT(x))")),
    ("COUNTUNIQUEIFS", Write("COUNT(DISTINCT(IF(condition, x)))")),
    ("COUNT_DISTINCT", Write("COUNT(DISTINCT(x))")),
    ("COUNT_IF", Write("COUNTIF(condition)")),
    ("CSC", Write("1 / SIN(x)")),
    (
        "CUMIPMT",
        Say("compute `IPMT` in a table with a row for each period, and sum the rows"),
    ),
    (
        "CUMPRINC",
        Say("compute `PPMT` in a table with a row for each period, and sum the rows"),
    ),
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
    ("DAVERAGE", Write("AVERAGEIFS(x, column, criterion)")),
    ("DAYNAME", Write("TEXT(date, \"dddd\")")),
    ("DCOUNT", Write("COUNTIFS(column, criterion)")),
    ("DECODE", Write("SWITCH(x, value, result, …, otherwise)")),
    ("DENSE_RANK", Say("write `RANK(x)`, which leaves gaps after ties")),
    ("DEVSQ", Write("VAR.P(x) * COUNT(x)")),
    ("DMAX", Write("MAXIFS(x, column, criterion)")),
    ("DMIN", Write("MINIFS(x, column, criterion)")),
    ("DOLLAR", Write("TEXT(x, \"$#,##0.00\")")),
    ("DROP", Say(ONE_VALUE_PER_ROW_HELP)),
    ("DSUM", Write("SUMIFS(x, column, criterion)")),
    ("EFFECT", Write("POWER(1 + rate / periods, periods) - 1")),
    ("ENDS_WITH", Write("ENDSWITH(text, suffix)")),
    ("EPOCHTODATE", Write("DATE(1970, 1, 1) + seconds / 86400")),
    ("ERF", Write("2 * NORM.S.DIST(x * SQRT(2), TRUE) - 1")),
    ("ERFC", Write("2 * NORM.S.DIST(-x * SQRT(2), TRUE)")),
    ("EXPAND", Say(ONE_VALUE_PER_ROW_HELP)),
    ("EXPON.DIST", Write("1 - EXP(-rate * x)")),
    ("EXTRACT", Write("YEAR(date)")),
    ("FALSE", Write("FALSE")),
    (
        "FILTER",
        Say("aggregate with a condition, as in `SUM(IF(condition, x))`, or write the condition as `where` in a spec"),
    ),
    ("FIRST_VALUE", Write("FIRST(x)")),
    ("FISHER", Write("LN((1 + x) / (1 - x)) / 2")),
    ("FISHERINV", Write("TANH(x)")),
    ("FIXED", Write("TEXT(x, \"#,##0.00\")")),
    ("FLOOR.PRECISE", Write("FLOOR.MATH(x, multiple)")),
    ("FORECAST", Write(REGRESSION)),
    ("FORECAST.LINEAR", Write(REGRESSION)),
    (
        "FREQUENCY",
        Say("name the class of each row with `IFS`, and count the rows of each class with `group_by`"),
    ),
    ("GAUSS", Write("NORM.S.DIST(z, TRUE) - 0.5")),
    ("GETDATE", Write("NOW()")),
    (
        "GETPIVOTDATA",
        Say("write the aggregate with its conditions, such as `SUMIFS(x, column, criterion)`"),
    ),
    ("GREATEST", Write("MAX(a, b)")),
    ("GROUP_CONCAT", Write("TEXTJOIN(\", \", TRUE, x)")),
    ("HARMEAN", Write("COUNT(x) / SUM(1 / x)")),
    (
        "HLOOKUP",
        Say(
            "select a column of the row with `SWITCH(key, \"jan\", jan, \"feb\", feb)`, because the columns of a table have fixed names; `XLOOKUP` and `VLOOKUP` search the rows of another tab",
        ),
    ),
    ("HSTACK", Say(ONE_VALUE_PER_ROW_HELP)),
    ("IFF", Write("IF(condition, then, else)")),
    ("IFNULL", Write("IFNA(value, fallback)")),
    ("IIF", Write("IF(condition, then, else)")),
    (
        "INDIRECT",
        Say(
            "write the reference itself, because SQL has fixed column names; `SWITCH(key, \"a\", a, \"b\", b)` selects one of several columns",
        ),
    ),
    ("INITCAP", Write("PROPER(text)")),
    ("INSTR", Write("FIND(needle, text)")),
    ("IRR", Say(ITERATION)),
    ("ISEMAIL", Write("REGEXMATCH(text, \"^[^@ ]+@[^@ ]+$\")")),
    ("ISERR", Write("ISERROR(x)")),
    ("ISNULL", Write("ISBLANK(x)")),
    ("ISO.CEILING", Write("CEILING.MATH(x, multiple)")),
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
    ("LOGNORM.DIST", Write("NORM.DIST(LN(x), mean, sd, TRUE)")),
    ("LOOKUP", Write("XLOOKUP(key, A:A, B:B, , -1)")),
    ("MAKEARRAY", Say(EACH_ROW)),
    ("MAP", Say(EACH_ROW)),
    ("MAXA", Write("MAX(x)")),
    ("MEAN", Write("AVERAGE(x)")),
    ("MEDIANIF", Write("MEDIAN(IF(condition, x))")),
    ("MINA", Write("MIN(x)")),
    ("MONTHNAME", Write("TEXT(date, \"mmmm\")")),
    ("M\u{c9}DIA", Write("AVERAGE(x)")),
    (
        "NA",
        Say("write `1/0` to return NULL, because formulac has no error values"),
    ),
    ("NOMINAL", Write("(POWER(1 + rate, 1 / periods) - 1) * periods")),
    ("NORM.INV", Say(QUANTILE)),
    ("NORM.S.INV", Say(QUANTILE)),
    ("NORMINV", Say(QUANTILE)),
    ("NORMSDIST", Write("NORM.S.DIST(z, TRUE)")),
    ("NORMSINV", Say(QUANTILE)),
    ("NPV", Write("SUM(amount / POWER(1 + rate, period))")),
    (
        "NTILE",
        Say("write `INT((RANK(x) - 1) * n / COUNT(x:x)) + 1`, with the number of groups for `n`"),
    ),
    ("NULLIF", Write("IF(a <> b, a)")),
    ("NVL", Write("IFNA(value, fallback)")),
    ("PDURATION", Write("LN(fv / pv) / LN(1 + rate)")),
    ("PERCENTRANK.EXC", Write("RANK(x, x:x, 1) / (COUNT(x:x) + 1)")),
    ("PERMUTATIONA", Write("POWER(n, k)")),
    ("PHI", Write("NORM.S.DIST(z, FALSE)")),
    ("POISSON.DIST", Write("EXP(-mean) * POWER(mean, k) / FACT(k)")),
    ("POW", Write("POWER(base, exponent)")),
    ("QUARTILE.EXC", Write("PERCENTILE.EXC(x, 0.25)")),
    ("QUERY", Say("write a spec with `where`, `group_by` and `order_by`")),
    (
        "RANK.AVG",
        Say("write `RANK(x)`, which gives equal values the best of their ranks"),
    ),
    ("RATE", Say(ITERATION)),
    ("REDUCE", Say(EACH_ROW)),
    ("ROWS", Write("COUNT()")),
    ("ROW_NUMBER", Write("ROW()")),
    ("RRI", Write("POWER(fv / pv, 1 / periods) - 1")),
    ("RSQ", Write("POWER(CORREL(x, y), 2)")),
    ("SAFE_CAST", Say(CONVERSION)),
    ("SAFE_DIVIDE", Write("a / b")),
    ("SCAN", Say(EACH_ROW)),
    ("SEC", Write("1 / COS(x)")),
    ("SEQUENCE", Say(ONE_VALUE_PER_ROW_HELP)),
    (
        "SKEW.P",
        Say(
            "write `POWER((x - AVERAGE(x:x)) / STDEV.P(x:x), 3)` as a definition, and compute its `AVERAGE` in the next step",
        ),
    ),
    ("SORT", Say(SORTED)),
    ("SORTBY", Say(SORTED)),
    ("SPLIT", Write("TEXTSPLIT(text, \",\", 1)")),
    ("SPLIT_PART", Write("TEXTSPLIT(text, \",\", 1)")),
    ("STARTS_WITH", Write("STARTSWITH(text, prefix)")),
    ("STRING_AGG", Write("TEXTJOIN(\", \", TRUE, x)")),
    ("STRPOS", Write("FIND(needle, text)")),
    ("SUBSTR", Write("MID(text, start, count)")),
    ("SUBSTRING", Write("MID(text, start, count)")),
    ("SUBTOTAL", Say(SUBTOTALS)),
    ("SUMX2MY2", Write("SUM(x ^ 2 - y ^ 2)")),
    ("SUMX2PY2", Write("SUM(x ^ 2 + y ^ 2)")),
    ("SUMXMY2", Write("SUM((x - y) ^ 2)")),
    (
        "SYD",
        Write("(cost - salvage) * (life - period + 1) * 2 / (life * (life + 1))"),
    ),
    ("SYSDATE", Write("NOW()")),
    ("TAKE", Say(ONE_VALUE_PER_ROW_HELP)),
    ("TIMEVALUE", Write("TIME(HOUR(text), MINUTE(text), SECOND(text))")),
    ("TOCOL", Say(ONE_VALUE_PER_ROW_HELP)),
    ("TOROW", Say(ONE_VALUE_PER_ROW_HELP)),
    ("TO_CHAR", Write("TEXT(x, \"yyyy-mm-dd\")")),
    (
        "TO_DATE",
        Say("write `DATEVALUE(text)` for text, and `created_at[date]` for the date of a time"),
    ),
    ("TO_DOLLARS", Write("TEXT(x, \"$#,##0.00\")")),
    ("TO_NUMBER", Write("VALUE(text)")),
    ("TO_PERCENT", Write("TEXT(x, \"0%\")")),
    ("TO_PURE_NUMBER", Write("VALUE(text)")),
    ("TO_TEXT", Write("x & \"\"")),
    ("TRANSPOSE", Say(ONE_VALUE_PER_ROW_HELP)),
    ("TREND", Write(REGRESSION)),
    ("TRUE", Write("TRUE")),
    ("TRY_CAST", Say(CONVERSION)),
    ("UCASE", Write("UPPER(text)")),
    (
        "UNIQUE",
        Say(
            "write `COUNT(DISTINCT(x))` for the number of different values, or add the column to `group_by` for a row per value",
        ),
    ),
    ("VALUETOTEXT", Write("x & \"\"")),
    ("VSTACK", Say(ONE_VALUE_PER_ROW_HELP)),
    ("WRAPCOLS", Say(ONE_VALUE_PER_ROW_HELP)),
    ("WRAPROWS", Say(ONE_VALUE_PER_ROW_HELP)),
    ("XIRR", Say(ITERATION)),
    ("XMATCH", Write("MATCH(key, A:A, 0)")),
    ("XNPV", Write("SUM(amount / POWER(1 + rate, (day - first_day) / 365))")),
    ("ZEROIFNULL", Write("IFNA(x, 0)")),
    ("ZN", Write("IFNA(x, 0)")),
];

const ITERATION: &str = "compute it outside of the warehouse, because SQL expressions cannot search for a rate";
const REGRESSION: &str = "INTERCEPT(y, x) + SLOPE(y, x) * new_x";
const QUANTILE: &str = "write the quantile as a number, because no warehouse can compute it: `mean + 1.644854 * sd` for 95 %, \
    `mean + 1.959964 * sd` for 97.5 %, `mean + 2.326348 * sd` for 99 %";
const EACH_ROW: &str = "write the formula itself, because a formula applies to every row";
const ONE_VALUE_PER_ROW_HELP: &str =
    "list the columns in a spec, because a formula returns one value for each row and not a range";
const SORTED: &str = "sort rows with `order_by` in a spec, and select the nth value with `LARGE` or `SMALL`";
const SUBTOTALS: &str = "write the aggregate itself, such as `SUM(x)`, and select rows with `where` in a spec";
const CONVERSION: &str = "remove the conversion, because safe conversions are automatic, or use `x & \"\"` for text, \
    `VALUE(x)` for a number or `DATEVALUE(x)` for a date";

/// Prefixes of the names of newer functions in Excel files.
const EXCEL_PREFIXES: [&str; 2] = ["_XLFN.", "_XLWS."];

/// Returns the error for a function from another tool. The function's name is in upper case. `None` if the function is
/// not known.
pub(in crate::check) fn foreign_function_diagnostic(
    name: &str,
    span: Span,
    call: Option<CallInSource<'_>>,
) -> Option<Diagnostic> {
    let mut base_name = name;
    for prefix in EXCEL_PREFIXES {
        base_name = base_name.strip_prefix(prefix).unwrap_or(base_name);
    }
    let diagnostic = || {
        Diagnostic::new(Code::UnknownFunction, span, format!("unknown function `{name}`"))
            .with_label("not in the function catalogue")
    };
    if base_name != name && catalog::lookup(base_name).is_some() {
        return Some(
            diagnostic()
                .with_help(format!("write `{base_name}`"))
                .with_fix(span, base_name),
        );
    }
    if let Some((_, english)) = TRANSLATED.iter().find(|(translated, _)| *translated == base_name) {
        return Some(
            diagnostic()
                .with_help(format!("write `{english}`, the English name of this function"))
                .with_fix(span, *english),
        );
    }
    if let Some(narrow) = without_full_width_letters(base_name).filter(|narrow| catalog::lookup(narrow).is_some()) {
        return Some(
            diagnostic()
                .with_help(format!("write `{narrow}`"))
                .with_fix(span, narrow),
        );
    }
    let instead = OTHER_TOOLS
        .iter()
        .find(|(n, _)| *n == base_name)
        .map(|(_, instead)| instead);
    let renamed = match instead {
        Some(Write(formula)) => Some(*formula),
        _ => None,
    };
    let advice = call.and_then(|call| foreign_calls::advise(call, base_name, renamed));
    if let Some(advice) = advice {
        return Some(diagnostic().with_help(advice));
    }
    Some(diagnostic().with_help(match instead? {
        Write(formula) => format!("write `{formula}`"),
        Say(advice) => (*advice).to_owned(),
    }))
}

/// Returns the name in ASCII letters if it contains full-width letters, such as those of a Japanese keyboard.
fn without_full_width_letters(name: &str) -> Option<String> {
    const FULL_WIDTH: u32 = 0xfee0;
    let narrow = |c: char| match c {
        '\u{ff21}'..='\u{ff3a}' => char::from_u32(c as u32 - FULL_WIDTH).unwrap_or(c),
        c => c,
    };
    (!name.is_ascii()).then(|| name.chars().map(narrow).collect())
}

/// Returns the call that replaces a function without brackets, such as `CURRENT_DATE`.
pub(in crate::check) fn call_for_bare_name(name: &str) -> Option<&'static str> {
    let named = OTHER_TOOLS.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    match named?.1 {
        Write(formula) if formula.ends_with("()") => Some(formula),
        _ => None,
    }
}

/// Returns advice for an SQL function that formulas do not support. `None` if there is no similar function.
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
        let translated = super::TRANSLATED.iter().map(|(name, _)| name);
        for name in super::OTHER_TOOLS.iter().map(|(name, _)| name).chain(translated) {
            assert!(crate::catalog::lookup(name).is_none(), "{name} is built");
        }
        for (name, english) in super::TRANSLATED {
            assert!(crate::catalog::lookup(english).is_some(), "{english} of {name}");
        }
    }
}
