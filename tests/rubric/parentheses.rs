//! Checks that the SQL has no redundant parentheses.

use sqlparser::tokenizer::Token;

use crate::layout::apply_rule;
use crate::sql_text::{tokens, tree};

/// Words before a parenthesized expression. After any other word, the parentheses belong to a call or a subquery.
const BEFORE_EXPRESSIONS: &[&str] = &[
    "and", "or", "not", "when", "then", "else", "case", "select", "where", "having", "by", "on", "between", "distinct",
    "is", "like",
];

fn groups(before: Option<&Token>, after: Option<&Token>) -> bool {
    if matches!(after, Some(Token::Word(w)) if ["select", "with"].contains(&w.value.as_str())) {
        return false;
    }
    match before {
        Some(Token::Word(word)) => word.quote_style.is_none() && BEFORE_EXPRESSIONS.contains(&word.value.as_str()),
        Some(Token::RParen | Token::RBracket) | None => false,
        _ => true,
    }
}

/// `(a > 1) = true` needs parentheses, because Postgres does not allow chained comparisons, although sqlparser accepts
/// them.
fn is_compared(before: Option<&Token>, after: Option<&Token>) -> bool {
    let compares = |t: Option<&Token>| {
        matches!(
            t,
            Some(Token::Eq | Token::Neq | Token::Lt | Token::LtEq | Token::Gt | Token::GtEq)
        )
    };
    compares(before) || compares(after)
}

/// `a or (b and c)` is correct without parentheses, but clearer with them.
fn is_and_in_or(before: Option<&Token>, inside: &[(Token, std::ops::Range<usize>)], after: Option<&Token>) -> bool {
    let is = |token: Option<&Token>, word: &str| matches!(token, Some(Token::Word(w)) if w.value == word);
    (is(before, "or") || is(after, "or")) && inside.iter().any(|(token, _)| is(Some(token), "and"))
}

#[test]
fn no_redundant_parentheses() {
    apply_rule(|w, sql| {
        let Some(whole) = tree(w.dialect, sql) else {
            return Vec::new();
        };
        let all = tokens(w.dialect, sql);
        let mut open: Vec<usize> = Vec::new();
        let mut faults = Vec::new();
        for (index, (token, _)) in all.iter().enumerate() {
            match token {
                Token::LParen => open.push(index),
                Token::RParen => {
                    let Some(start) = open.pop() else { continue };
                    let before = start.checked_sub(1).map(|i| &all[i].0);
                    let after = all.get(index + 1).map(|t| &t.0);
                    let kept = is_compared(before, after) || is_and_in_or(before, &all[start + 1..index], after);
                    if kept || !groups(before, all.get(start + 1).map(|t| &t.0)) {
                        continue;
                    }
                    let (l, r) = (all[start].1.clone(), all[index].1.clone());
                    let without = format!("{} {} {}", &sql[..l.start], &sql[l.end..r.start], &sql[r.end..]);
                    if tree(w.dialect, &without).as_ref() == Some(&whole) {
                        faults.push(format!("needless brackets: {}", &sql[l.start..r.end]));
                    }
                }
                _ => {}
            }
        }
        faults
    });
}
