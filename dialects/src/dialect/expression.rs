//! SQL expressions written by an analyst. An expression is accepted only if it is guaranteed to be a single value.

/// Words that begin a clause of a query or end an expression.
const CLAUSE_WORDS: [&str; 21] = [
    "as",
    "except",
    "fetch",
    "for",
    "from",
    "group",
    "having",
    "intersect",
    "into",
    "join",
    "limit",
    "minus",
    "offset",
    "on",
    "order",
    "qualify",
    "returning",
    "union",
    "using",
    "where",
    "window",
];

/// Returns the reason why a string is not a single SQL expression that can be put inside a cast. `None` if the string
/// is valid.
pub fn expression_error(sql: &str) -> Option<&'static str> {
    if sql.trim().is_empty() {
        return Some("is empty");
    }
    let mut depth = 0usize;
    let mut quote: Option<char> = None;
    let mut before = ' ';
    // The SQL with spaces in place of everything in quotes or brackets.
    let mut outer_sql = String::with_capacity(sql.len());
    for c in sql.chars() {
        let is_outer = depth == 0 && quote.is_none();
        outer_sql.push(if is_outer { c } else { ' ' });
        if c.is_control() || matches!(c, '\\' | '$' | '#' | ';') {
            return Some("contains a character that is not allowed here");
        }
        match (quote, c) {
            // A doubled quote is treated as the end of the quoted text and the start of another quoted text.
            (Some(open), c) => quote = Some(open).filter(|open| *open != c),
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => match depth.checked_sub(1) {
                Some(outer) => depth = outer,
                None => return Some("contains a closing bracket without an opening bracket"),
            },
            (None, ',') if depth == 0 => return Some("is more than one value"),
            _ => {}
        }
        if matches!((before, c), ('-', '-') | ('/', '*') | ('{', '{' | '%')) {
            return Some("contains a comment or a template");
        }
        before = c;
    }
    let contains_word = |sql: &str, known: &[&str]| {
        sql.split(|c: char| !c.is_alphanumeric() && c != '_')
            .any(|word| known.iter().any(|known| word.eq_ignore_ascii_case(known)))
    };
    if contains_word(&outer_sql, &CLAUSE_WORDS) {
        return Some("continues with another SQL clause");
    }
    if contains_word(sql, &["select"]) {
        return Some("reads a table");
    }
    (depth > 0 || quote.is_some()).then_some("contains an unclosed quote or bracket")
}

#[cfg(test)]
mod tests {
    use super::expression_error;

    #[test]
    fn only_a_single_expression_is_accepted() {
        for sql in [
            "current_date - 1",
            "date_trunc('month', current_date)",
            "date '2024-03-31'",
            "cast(\"a\" as date)",
            "extract(year from current_date)",
            "date 'from'",
            "\"from\"",
            "from_days",
        ] {
            assert_eq!(expression_error(sql), None, "{sql}");
        }
        for sql in [
            "",
            "a; drop table x",
            "a) as date), (b",
            "(a",
            "'a",
            "a, b",
            "current_date from x",
            "current_date(1)FROM x",
            "'a' as b",
            "a -- b",
            "a /* b */",
            "{{ x }}",
            "{% x %}",
            "(select max(d) from t)",
            "a # b",
            "$$a$$",
            "'\\'",
            "a\nb",
            "a)(b",
        ] {
            assert!(expression_error(sql).is_some(), "{sql}");
        }
    }
}
