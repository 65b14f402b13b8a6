//! Replaces names and subexpressions in a formula.

use std::ops::Range;

use formulac_syntax::lex::{Token, lex, quote_formula_name};

/// Token of a formula: its kind, its byte range, and its text for comparisons.
type FormulaToken = (Token, Range<usize>, String);

fn formula_tokens(formula: &str) -> Vec<FormulaToken> {
    let lexed = lex(formula, &mut Vec::new());
    let token = |(token, span): &(Token, formulac_syntax::span::Span)| {
        let text = span.text(formula);
        let key = match token {
            Token::Text => text.to_owned(),
            _ => text.to_lowercase(),
        };
        (*token, span.start as usize..span.end as usize, key)
    };
    lexed.tokens.iter().map(token).collect()
}

/// Replaces names in a formula. Each pair contains a new name and the name that it replaces. Function names, and field
/// names after a relation, are kept.
pub fn replace_formula_names(formula: &str, names: &[(&str, String)]) -> String {
    let tokens = formula_tokens(formula);
    let mut out = String::with_capacity(formula.len());
    let mut end = 0;
    for (at, (token, range, key)) in tokens.iter().enumerate() {
        let kind = |index: Option<usize>| {
            index
                .and_then(|token_index| tokens.get(token_index))
                .map(|(token, ..)| *token)
        };
        let is_plain = kind(at.checked_sub(1)) != Some(Token::Dot)
            && !matches!(kind(at.checked_add(1)), Some(Token::Open | Token::Dot));
        let name = match token {
            Token::Name if is_plain => key.as_str(),
            Token::Model => key.trim_start_matches("${").trim_end_matches('}'),
            _ => continue,
        };
        if let Some((_, new)) = names.iter().find(|(old, _)| old.eq_ignore_ascii_case(name)) {
            out.push_str(&formula[end..range.start]);
            out.push_str(new);
            end = range.end;
        }
    }
    out.push_str(&formula[end..]);
    out
}

/// Returns whether a formula contains a name, with or without a timeframe.
pub(super) fn contains_name(formula: &str, name: &str) -> bool {
    formula_tokens(formula).iter().any(|(token, _, key)| {
        let key = key.trim_start_matches("${").trim_end_matches('}');
        let key = key.split_once('[').map_or(key, |(base, _)| base);
        matches!(token, Token::Name | Token::Model) && key.eq_ignore_ascii_case(name)
    })
}

/// Returns a formula in which the names of columns are qualified with their relations. Each pair contains a column and
/// its relation.
///
/// ```
/// use formulac_decompile::with_relations;
/// assert_eq!(with_relations("AND(paid, x > 5)", &[("paid", "orders")]), "AND(orders.paid, x > 5)");
/// ```
#[must_use]
pub fn with_relations(formula: &str, columns: &[(&str, &str)]) -> String {
    let qualified = |(column, relation): &(&'_ str, &'_ str)| quote_formula_name(&format!("{relation}.{column}"));
    let names: Vec<(&str, String)> = columns.iter().map(|pair| (pair.0, qualified(pair))).collect();
    replace_formula_names(formula, &names)
}

/// Replaces each subexpression of a formula that equals another formula with the name of that formula. Each pair
/// contains a formula and its name. The first formula that matches is used.
pub fn replace_formulas_with_names(formula: &str, named_formulas: &[(&str, &str)]) -> String {
    let tokens = formula_tokens(formula);
    let parts: Vec<(Vec<FormulaToken>, &str)> = named_formulas
        .iter()
        .map(|(text, name)| (formula_tokens(text), *name))
        .collect();
    let mut out = String::with_capacity(formula.len());
    let (mut token_index, mut end) = (0, 0);
    while let Some((_, range, _)) = tokens.get(token_index) {
        // Skip single names and numbers, because another name would be no improvement.
        let fits = |part: &[FormulaToken]| {
            part.len() > 1
                && tokens
                    .get(token_index..token_index + part.len())
                    .is_some_and(|token_window| {
                        token_window
                            .iter()
                            .zip(part)
                            .all(|((_, _, token_key), (_, _, other))| token_key == other)
                    })
        };
        let Some((part, name)) = parts.iter().find(|(part, _)| fits(part)) else {
            token_index += 1;
            continue;
        };
        out.push_str(&formula[end..range.start]);
        out.push_str(&quote_formula_name(name));
        token_index += part.len();
        end = tokens.get(token_index - 1).map_or(range.end, |(_, last, _)| last.end);
    }
    out.push_str(&formula[end..]);
    out
}

/// Returns whether a formula contains `1 / 0`, which formulas can use to express NULL.
pub fn has_division_by_zero(formula: &str) -> bool {
    let is_it = |tokens: &[FormulaToken]| tokens.iter().map(|(.., key)| key.as_str()).eq(["1", "/", "0"]);
    formula.contains("1 / 0") && formula_tokens(formula).windows(3).any(is_it)
}

/// Returns the new text for a part of a formula. `None` unless all changes to the formula are in this part.
pub fn replacement_for_formula_range(before: &str, after: &str, part: &Range<usize>) -> Option<String> {
    let (old, new) = (formula_tokens(before), formula_tokens(after));
    let is_same = |(token, other): &(&FormulaToken, &FormulaToken)| token.2 == other.2;
    let head = old.iter().zip(&new).take_while(is_same).count();
    let rest = (old.iter().skip(head).rev()).zip(new.iter().skip(head).rev());
    let tail = rest.take_while(is_same).count();
    let start = old.partition_point(|(_, range, _)| range.start < part.start);
    let end = old.partition_point(|(_, range, _)| range.end <= part.end);
    let changed = head..old.len() - tail;
    // Text that is added directly before or after the part may belong to the rest of the formula.
    let is_inside = start <= changed.start && changed.end <= end;
    let is_added = changed.is_empty() && (changed.start == start || changed.start == end);
    if !is_inside || is_added {
        return None;
    }
    let new = new.get(start..new.len().checked_sub(old.len() - end)?)?;
    let new = without_outer_brackets(new);
    let text = after.get(new.first()?.1.start..new.last()?.1.end)?;
    Some(text.to_owned())
}

/// Returns tokens without a pair of brackets that encloses all of them.
fn without_outer_brackets(tokens: &[FormulaToken]) -> &[FormulaToken] {
    let [(Token::Open, ..), inner @ .., (Token::Close, ..)] = tokens else {
        return tokens;
    };
    let mut depth = 0usize;
    let is_enclosed = inner.iter().all(|(token, ..)| {
        match token {
            Token::Open => depth += 1,
            Token::Close if depth == 0 => return false,
            Token::Close => depth -= 1,
            _ => {}
        }
        true
    });
    if is_enclosed { inner } else { tokens }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_contains_the_changes() {
        let change = |after: &str| {
            let before = "revenue /\n  COUNT(id) - 1";
            let offset = before.find("COUNT").unwrap_or_default();
            replacement_for_formula_range(before, after, &(offset..offset + "COUNT(id)".len()))
        };
        for (after, expected) in [
            ("revenue / COUNTUNIQUE(id) - 1", Some("COUNTUNIQUE(id)")),
            ("Revenue / count(other) - 1", Some("count(other)")),
            ("revenue / (COUNT(id) + 1) - 1", Some("COUNT(id) + 1")),
            ("revenue / ((a) + (b)) - 1", Some("(a) + (b)")),
            ("revenue / COUNT(id) * 2 - 1", None),
            ("revenue / COUNT(other) - 2", None),
            ("revenue / COUNT(id) - 1", None),
            ("revenue", None),
        ] {
            assert_eq!(change(after).as_deref(), expected, "{after}");
        }
    }

    #[test]
    fn divisions_by_zero_are_found() {
        for formula in ["1 / 0", "IF(a = b, 1 / 0, a)"] {
            assert!(has_division_by_zero(formula), "{formula}");
        }
        for formula in ["1 / 0.5", "11 / 0", "\"1 / 0\"", "a / 0"] {
            assert!(!has_division_by_zero(formula), "{formula}");
        }
    }

    #[test]
    fn formulas_become_names() {
        let named_formulas = [
            ("SUM( amount )", "revenue"),
            ("COUNT()", "orders"),
            ("x", "y"),
            ("SUM(net)", "Net Sum"),
            ("SUM(first)", "q1"),
        ];
        for (formula, expected) in [
            ("sum(amount) * 2", "revenue * 2"),
            ("SUM(amount - tax) + x", "SUM(amount - tax) + x"),
            ("(SUM(amount)) / COUNT()", "(revenue) / orders"),
            ("SUM(net) / 2", "${Net Sum} / 2"),
            ("SUM(first) / 2", "${q1} / 2"),
            ("\"SUM(amount)\"", "\"SUM(amount)\""),
        ] {
            assert_eq!(replace_formulas_with_names(formula, &named_formulas), expected);
        }
    }

    #[test]
    fn a_qualified_name_is_quoted_as_a_whole() {
        let columns = [("net revenue", "orders"), ("q1", "orders")];
        let qualified = with_relations("${net revenue} - ${q1}", &columns);
        assert_eq!(qualified, "${orders.net revenue} - orders.q1");
    }

    #[test]
    fn only_names_of_columns_are_replaced() {
        let names = [("sum", "total".to_owned()), ("a", "o.b".to_owned())];
        for (formula, expected) in [
            ("SUM(a) + sum", "SUM(o.b) + total"),
            ("t.a + A[month]", "t.a + o.b[month]"),
            ("${a} & \"a\"", "o.b & \"a\""),
        ] {
            assert_eq!(replace_formula_names(formula, &names), expected);
        }
    }
}
