//! Rewrites calls to functions of other tools as formulas with the same arguments.

use crate::ast::{Ast, Call};
use crate::catalog;
use crate::lex::{conversion_help, with_double_quotes};
use crate::span::Span;

/// Calls in the syntax of other tools, each with the equivalent formula. A lower-case word is an argument. The
/// arguments `day`, `week`, `month`, `quarter` and `year` match only the word itself. `unit` matches any of these
/// words, `part` matches any part of a date, and `mask` matches a mask of digits for the year, the month and the day.
const CALL_FORMS: &[(&str, &str)] = &[
    ("ADD_MONTHS(date, n)", "EDATE(date, n)"),
    ("ATTR(x)", "MAX(x)"),
    ("CHARINDEX(needle, text)", "FIND(needle, text)"),
    ("CONCAT_WS(separator, a, b)", "TEXTJOIN(separator, TRUE, a, b)"),
    ("COTH(x)", "1 / TANH(x)"),
    ("COUNTD(x)", "COUNT(DISTINCT(x))"),
    ("COUNTDISTINCT(x)", "COUNT(DISTINCT(x))"),
    ("COUNT_DISTINCT(x)", "COUNT(DISTINCT(x))"),
    ("CSC(x)", "1 / SIN(x)"),
    ("DATEADD(day, n, date)", "date + n"),
    ("DATEADD(month, n, date)", "EDATE(date, n)"),
    ("DATEADD(quarter, n, date)", "EDATE(date, 3 * n)"),
    ("DATEADD(week, n, date)", "date + 7 * n"),
    ("DATEADD(year, n, date)", "EDATE(date, 12 * n)"),
    ("DATEDIFF(a, b)", "DATEDIF(b, a, \"D\")"),
    ("DATEDIFF(day, a, b)", "DATEDIF(a, b, \"D\")"),
    ("DATEDIFF(month, a, b)", "DATEDIF(a, b, \"M\")"),
    ("DATEDIFF(year, a, b)", "DATEDIF(a, b, \"Y\")"),
    ("DATEPART(part, date)", "part(date)"),
    ("DATETRUNC(unit, date)", "date[unit]"),
    ("DATE_ADD(date, n, day)", "date + n"),
    ("DATE_ADD(date, n, month)", "EDATE(date, n)"),
    ("DATE_ADD(date, n, quarter)", "EDATE(date, 3 * n)"),
    ("DATE_ADD(date, n, week)", "date + 7 * n"),
    ("DATE_ADD(date, n, year)", "EDATE(date, 12 * n)"),
    ("DATE_DIFF(a, b, day)", "DATEDIF(b, a, \"D\")"),
    ("DATE_DIFF(a, b, month)", "DATEDIF(b, a, \"M\")"),
    ("DATE_DIFF(a, b, year)", "DATEDIF(b, a, \"Y\")"),
    ("DATE_DIFF(day, a, b)", "DATEDIF(a, b, \"D\")"),
    ("DATE_DIFF(month, a, b)", "DATEDIF(a, b, \"M\")"),
    ("DATE_DIFF(year, a, b)", "DATEDIF(a, b, \"Y\")"),
    ("DATE_PART(part, date)", "part(date)"),
    ("DATE_SUB(date, n, day)", "date - n"),
    ("DATE_SUB(date, n, month)", "EDATE(date, -n)"),
    ("DATE_SUB(date, n, week)", "date - 7 * n"),
    ("DATE_SUB(date, n, year)", "EDATE(date, -12 * n)"),
    ("DATE_TRUNC(date, unit)", "date[unit]"),
    ("DATE_TRUNC(unit, date)", "date[unit]"),
    ("DAYNAME(date)", "TEXT(date, \"dddd\")"),
    ("DAYOFWEEK(date)", "WEEKDAY(date)"),
    ("DAYOFYEAR(date)", "date - DATE(YEAR(date), 1, 1) + 1"),
    ("DISTINCTCOUNT(x)", "COUNT(DISTINCT(x))"),
    ("DIV0(a, b)", "IFERROR(a / b, 0)"),
    ("DIVIDE(a, b)", "a / b"),
    ("DIVIDE(a, b, otherwise)", "IFERROR(a / b, otherwise)"),
    ("EXTRACT(part, date)", "part(date)"),
    ("FIXED(x)", "TEXT(x, \"#,##0.00\")"),
    ("FORMAT_DATE(mask, date)", "TEXT(date, mask)"),
    ("GROUP_CONCAT(x)", "TEXTJOIN(\", \", TRUE, x)"),
    ("INSTR(text, needle)", "FIND(needle, text)"),
    ("ISNOTNULL(x)", "NOT(ISBLANK(x))"),
    ("ISNULL(x)", "ISBLANK(x)"),
    ("ISNULL(x, fallback)", "IFNA(x, fallback)"),
    ("LAG(x)", "OFFSET(x, -1)"),
    ("LAG(x, n)", "OFFSET(x, -n)"),
    ("LASTDAY(date)", "EOMONTH(date, 0)"),
    ("LAST_DAY(date)", "EOMONTH(date, 0)"),
    ("LEAD(x)", "OFFSET(x, 1)"),
    ("LEAD(x, n)", "OFFSET(x, n)"),
    ("LISTAGG(x)", "TEXTJOIN(\", \", TRUE, x)"),
    ("LISTAGG(x, separator)", "TEXTJOIN(separator, TRUE, x)"),
    ("LPAD(text, n)", "RIGHT(REPT(\" \", n) & text, n)"),
    ("LPAD(text, n, fill)", "RIGHT(REPT(fill, n) & text, n)"),
    ("MEDIANIF(condition, x)", "MEDIAN(IF(condition, x))"),
    ("MONTHNAME(date)", "TEXT(date, \"mmmm\")"),
    ("MONTHS_BETWEEN(a, b)", "DATEDIF(b, a, \"M\")"),
    ("NULLIF(a, b)", "IF(a <> b, a)"),
    ("NVL2(x, a, b)", "IF(ISBLANK(x), b, a)"),
    ("PREVIOUS(x)", "OFFSET(x, -1)"),
    ("RPAD(text, n)", "LEFT(text & REPT(\" \", n), n)"),
    ("RPAD(text, n, fill)", "LEFT(text & REPT(fill, n), n)"),
    ("SAFE_DIVIDE(a, b)", "a / b"),
    ("SEC(x)", "1 / COS(x)"),
    ("SPLIT(text, separator)", "TEXTSPLIT(text, separator, 1)"),
    ("SPLIT_PART(text, separator, n)", "TEXTSPLIT(text, separator, n)"),
    ("STRING_AGG(x)", "TEXTJOIN(\", \", TRUE, x)"),
    ("STRING_AGG(x, separator)", "TEXTJOIN(separator, TRUE, x)"),
    ("STRPOS(text, needle)", "FIND(needle, text)"),
    ("TIMESTAMPDIFF(day, a, b)", "DATEDIF(a, b, \"D\")"),
    ("TIMESTAMPDIFF(month, a, b)", "DATEDIF(a, b, \"M\")"),
    ("TIMESTAMPDIFF(year, a, b)", "DATEDIF(a, b, \"Y\")"),
    ("TIMESTAMP_DIFF(a, b, day)", "DATEDIF(b, a, \"D\")"),
    ("TIMESTAMP_TRUNC(date, unit)", "date[unit]"),
    ("TOTAL(x)", "SUM(x:x)"),
    ("TO_CHAR(date, mask)", "TEXT(date, mask)"),
    ("TO_PERCENT(x)", "TEXT(x, \"0%\")"),
    ("TO_TEXT(x)", "x & \"\""),
    ("VALUETOTEXT(x)", "x & \"\""),
    ("ZEROIFNULL(x)", "IFNA(x, 0)"),
    ("ZN(x)", "IFNA(x, 0)"),
];

/// Maximum length of a call whose arguments appear in the help.
const MAX_CALL_LENGTH: usize = 200;

/// Periods to which dates can be truncated.
pub(in crate::check) const TRUNCATION_UNITS: [&str; 5] = ["day", "week", "month", "quarter", "year"];

/// Parts of a date, each with the function that returns it.
const DATE_PARTS: [(&str, &str); 8] = [
    ("year", "YEAR"),
    ("quarter", "QUARTER"),
    ("month", "MONTH"),
    ("week", "ISOWEEKNUM"),
    ("day", "DAY"),
    ("hour", "HOUR"),
    ("minute", "MINUTE"),
    ("second", "SECOND"),
];

/// Returns whether a bare word names a part of a date, as in `DATE_TRUNC(x, month)`.
pub(in crate::check) fn is_date_part(word: &str) -> bool {
    DATE_PARTS.iter().any(|(part, _)| part.eq_ignore_ascii_case(word))
}

/// A call with the tree and the source that contain it.
pub(in crate::check) struct CallInSource<'a> {
    pub ast: &'a Ast,
    pub source: &'a str,
    pub call: Call,
    pub span: Span,
}

/// Returns the advice for a call to a function of another tool, with the arguments of the call filled in. `renamed` is
/// the general formula for the function. `None` if the arguments have no equivalent. `span` is the span of the call.
pub(in crate::check) fn equivalent_call_help(
    CallInSource {
        ast,
        source,
        call,
        span,
    }: CallInSource<'_>,
    name: &str,
    renamed: Option<&str>,
) -> Option<String> {
    let whole = span.text(source);
    // Calls can be nested, so only short calls are copied.
    if whole.len() > MAX_CALL_LENGTH {
        return None;
    }
    let inside = whole.split_once('(')?.1.strip_suffix(')')?;
    if matches!(name, "CAST" | "TRY_CAST" | "SAFE_CAST") {
        let (value, ty) = split_at_word(inside, " as ")?;
        let (ty, digits) = ty.split_once('(').unwrap_or((ty, ""));
        let digits = digits
            .split_once(',')
            .map(|(_, digits)| digits.trim_matches([')', ' ']));
        return Some(conversion_help(value.trim(), ty.trim(), digits));
    }
    let mut arguments: Vec<String> = match split_at_word(inside, " from ").filter(|_| name == "EXTRACT") {
        Some((part, date)) => vec![part.trim().to_owned(), date.trim().to_owned()],
        None => ast
            .arguments(call)
            .iter()
            .map(|argument| with_double_quotes(ast.span(*argument).text(source)))
            .collect(),
    };
    if let Some((n, unit)) = arguments.last().and_then(|last| split_interval(last)) {
        arguments.pop();
        arguments.extend([n, unit]);
    }
    if arguments.is_empty() || arguments.iter().any(String::is_empty) {
        return None;
    }
    let form = CALL_FORMS
        .iter()
        .find_map(|(form, formula)| Some((match_call_form(form, name, &arguments)?, *formula)));
    let formula = match form {
        Some((parameters, formula)) => match substitute_parameters(formula, &parameters) {
            filled if is_operation(formula) && is_operand(source, span) => format!("({filled})"),
            filled => filled,
        },
        None => substitute_arguments(renamed?, &arguments)?,
    };
    Some(format!("write `{formula}`"))
}

/// Returns whether a formula applies an operator outside of brackets, such as `a / b`.
fn is_operation(formula: &str) -> bool {
    let outside = formula.split('(').next().unwrap_or_default();
    [" + ", " - ", " * ", " / ", " & "]
        .iter()
        .any(|operator| outside.contains(operator))
}

/// Returns whether an operator is next to a call.
fn is_operand(source: &str, span: Span) -> bool {
    const OPERATORS: [char; 6] = ['+', '-', '*', '/', '^', '&'];
    let before = source.get(..span.start as usize).unwrap_or_default();
    let after = source.get(span.end as usize..).unwrap_or_default();
    before.trim_end().ends_with(OPERATORS) || after.trim_start().starts_with(OPERATORS)
}

fn split_at_word<'t>(text: &'t str, word: &str) -> Option<(&'t str, &'t str)> {
    let at = text.to_ascii_lowercase().rfind(word)?;
    Some((text.get(..at)?, text.get(at + word.len()..)?))
}

/// Returns the number and the unit of `INTERVAL 3 day` or `INTERVAL '3 days'`.
fn split_interval(text: &str) -> Option<(String, String)> {
    let interval = text.get(..9).filter(|begin| begin.eq_ignore_ascii_case("interval "))?;
    let words = text.get(interval.len()..)?.replace(['\'', '"'], "");
    let mut words = words.split_whitespace();
    let (n, unit) = (words.next()?, words.next()?);
    Some((n.to_owned(), unit.trim_end_matches(['s', 'S']).to_owned()))
}

/// Returns the parameters of a form with the arguments that replace them. `None` if the call does not have this form.
fn match_call_form<'f>(form: &'f str, name: &str, arguments: &[String]) -> Option<Vec<(&'f str, String)>> {
    let (form_name, parameters) = form.split_once('(')?;
    let parameters: Vec<&str> = parameters.trim_end_matches(')').split(", ").collect();
    if form_name != name || parameters.len() != arguments.len() {
        return None;
    }
    let pairs = parameters.into_iter().zip(arguments);
    pairs
        .map(|(parameter, argument)| {
            let word = argument.trim_matches('"').to_ascii_lowercase();
            let text = match parameter {
                "unit" => TRUNCATION_UNITS.contains(&word.as_str()).then_some(word),
                "part" => DATE_PARTS
                    .iter()
                    .find(|(part, _)| *part == word)
                    .map(|(_, function)| (*function).to_owned()),
                "mask" => word
                    .chars()
                    .all(|c| "ymd-/. ".contains(c))
                    .then(|| format!("\"{word}\"")),
                unit if TRUNCATION_UNITS.contains(&unit) => (unit == word).then_some(word),
                _ => Some(argument.clone()),
            };
            Some((parameter, text?))
        })
        .collect()
}

/// Replaces the arguments of a formula that is a single call, such as `MAX(a, b)`. `None` for other formulas.
fn substitute_arguments(formula: &str, arguments: &[String]) -> Option<String> {
    let (name, parameters) = formula.split_once('(')?;
    let is_plain = parameters
        .trim_end_matches(')')
        .split(", ")
        .all(|word| word.bytes().all(|b| b.is_ascii_lowercase()));
    let count = parameters.split(", ").count();
    let fits = arguments.len() == count || (count > 1 && arguments.len() > count && matches!(name, "MAX" | "MIN"));
    (is_plain && fits && catalog::lookup(name).is_some()).then(|| format!("{name}({})", arguments.join(", ")))
}

/// Replaces the parameters of a formula. An argument with operators is put in brackets if the formula applies an
/// operator to it.
fn substitute_parameters(formula: &str, parameters: &[(&str, String)]) -> String {
    let mut out = String::new();
    let mut rest = formula;
    while let Some(start) = rest.find(|c: char| c.is_ascii_lowercase()) {
        let (before, word_on) = rest.split_at(start);
        let end = word_on.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(word_on.len());
        let (word, after) = word_on.split_at(end);
        out.push_str(before);
        let is_literal = out.matches('"').count() % 2 == 1;
        let argument = parameters
            .iter()
            .find(|(parameter, _)| *parameter == word && !is_literal);
        match argument {
            None => out.push_str(word),
            Some((_, argument)) => {
                let is_alone = before.trim_end().ends_with(['(', ',']) && after.starts_with([',', ')']);
                let is_simple = argument
                    .chars()
                    .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '"'));
                let is_call =
                    argument.ends_with(')') && argument.matches('(').count() == 1 && !argument.starts_with('(');
                let is_call = is_call
                    && argument
                        .split('(')
                        .next()
                        .is_some_and(|n| n.chars().all(char::is_alphanumeric));
                match is_alone || is_simple || is_call || formula == word {
                    true => out.push_str(argument),
                    false => out.push_str(&format!("({argument})")),
                }
            }
        }
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_formula_calls_functions_of_the_catalogue() {
        for (form, formula) in CALL_FORMS {
            let name = form.split('(').next().unwrap();
            assert!(catalog::lookup(name).is_none(), "{name} is in the catalogue");
            for (before, _) in formula.match_indices('(') {
                let called = formula[..before]
                    .rsplit(|c: char| !(c.is_ascii_uppercase() || c == '.'))
                    .next()
                    .unwrap();
                assert!(
                    called.is_empty() || catalog::lookup(called).is_some(),
                    "{called} of {form}"
                );
            }
        }
    }

    #[test]
    fn arguments_take_the_place_of_parameters() {
        let parameters = [("n", "3"), ("date", "a + b"), ("x", "f(y)")].map(|(name, text)| (name, text.to_owned()));
        for (formula, expected) in [
            ("EDATE(date, -12 * n)", "EDATE(a + b, -12 * 3)"),
            ("date - 7 * n", "(a + b) - 7 * 3"),
            ("TEXT(date, \"n\")", "TEXT(a + b, \"n\")"),
            ("1 / x", "1 / f(y)"),
        ] {
            assert_eq!(substitute_parameters(formula, &parameters), expected);
        }
    }
}
