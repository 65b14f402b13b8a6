//! Reports parts of SQL queries in a formula, with the formula and the keys of a spec to write instead.

use std::ops::Range;

use super::Token;
use super::layout::LayoutPass;
use crate::span::Span;

/// Clauses that follow the expression in a query, each with the corresponding key of a spec.
const QUERY_CLAUSES: [(&str, &str); 6] = [
    ("from", "from"),
    ("where", "where"),
    ("group", "group_by"),
    ("having", "having"),
    ("order", "order_by"),
    ("limit", "limit"),
];

/// Help for a subquery that tests whether a row exists.
pub(super) const EXISTS_HELP: &str =
    "add the relation to `joins` in a spec, and test one of its columns, such as `NOT(ISBLANK(relation.id))`";

impl LayoutPass<'_, '_> {
    /// Reports `CASE` and returns the number of tokens consumed. The expressions between the keywords of the `CASE` are
    /// still checked.
    pub(super) fn report_case(&mut self, at: usize, is_single_formula: bool) -> usize {
        let span = self.span_at(at);
        let help = self.case_as_call(at, is_single_formula).unwrap_or_else(|| {
            match self.is_keyword(at + 1, "when") {
                true => "IFS(condition, value, …, TRUE, otherwise)",
                false => "SWITCH(x, value, result, …, otherwise)",
            }
            .to_owned()
        });
        self.report_syntax_error(span, "`CASE` is not part of the language", format!("write `{help}`"));
        self.expected_closers.push(("end", self.open_brackets.len()));
        self.push(Token::Fault, span);
        if !self.is_keyword(at + 1, "when") {
            self.push(Token::Odd, span);
        }
        1
    }

    /// Skips `WHEN`, `THEN` and `ELSE` inside a `CASE` that has been reported, and NULL after them. Returns the number
    /// of tokens consumed.
    pub(super) fn skip_case_keyword(&mut self, at: usize) -> usize {
        let is_in_case = self.expected_closers.last() == Some(&("end", self.open_brackets.len()));
        if !is_in_case || !self.is_any_keyword(at, &["when", "then", "else"]) {
            return 0;
        }
        let span = self.span_at(at);
        if self.is_keyword(at + 1, "null") {
            self.mark_operand_as_invalid(span);
            return 2;
        }
        self.emit_error_token(at + 1, span);
        1
    }

    /// Returns the call that replaces a `CASE` without another `CASE` inside it.
    fn case_as_call(&self, at: usize, is_single_formula: bool) -> Option<String> {
        const WORDS: [&str; 4] = ["when", "then", "else", "end"];
        // The search is limited, so that many `CASE` expressions take linear time.
        let is_same_formula = |end: &usize| is_single_formula || !self.is_definition(*end);
        let end = (at + 1..at + 200)
            .take_while(is_same_formula)
            .find(|end| self.is_keyword(*end, "end"))?;
        if (at + 1..end).any(|inner| self.is_keyword(inner, "case")) {
            return None;
        }
        let parts = self.split(at + 1..end + 1, |at| self.is_any_keyword(at, &WORDS));
        let operand = parts.first().filter(|part| !part.is_empty());
        let mut arguments: Vec<String> = operand
            .map(|operand| self.formula_text(operand.clone()))
            .into_iter()
            .collect();
        let mut count = 0;
        let mut otherwise = None;
        for part in parts.get(1..parts.len() - 1).unwrap_or_default() {
            let word = part.start - 1;
            let is_null = part.len() == 1 && self.is_keyword(part.start, "null");
            let written = match () {
                () if part.is_empty() => return None,
                () if is_null => "1/0".to_owned(),
                () if self.is_keyword(word, "when") && operand.is_none() => self.condition(part.clone()),
                () => self.formula_text(part.clone()),
            };
            match self.is_keyword(word, "else") {
                true => otherwise = Some(written).filter(|_| !is_null),
                false => arguments.push(written),
            }
            count += usize::from(self.is_keyword(word, "when"));
        }
        let name = match (operand, count) {
            (_, 0) => return None,
            (Some(_), _) => "SWITCH",
            (None, 1) => "IF",
            (None, _) => "IFS",
        };
        if let Some(otherwise) = otherwise {
            arguments.extend((name == "IFS").then(|| "TRUE".to_owned()));
            arguments.push(otherwise);
        }
        Some(format!("{name}({})", arguments.join(", ")))
    }

    /// Reports `SELECT … FROM …` and returns the number of tokens consumed.
    pub(super) fn report_select(&mut self, at: usize, is_single_formula: bool) -> usize {
        let mut end = at + 1;
        while end < self.tokens.len() && (is_single_formula || !self.is_definition(end)) {
            end += 1;
        }
        let (formula, clauses) = self.split_query(at + 1..end);
        let keys: Vec<String> = clauses
            .into_iter()
            .map(|(key, value)| format!("`{key}: {value}`"))
            .collect();
        let help = match (formula.len(), keys.as_slice()) {
            (1..=60, [from]) => {
                format!("write `{formula}`, and specify the relation with `--from` or with {from} in a spec")
            }
            (1..=60, [_, ..]) => format!("write `{formula}` in a spec with {}", keys.join(", ")),
            _ => "write only the expression between `SELECT` and `FROM`".to_owned(),
        };
        let whole = self.span_at(at).to(self.span_at(end - 1));
        self.report_syntax_error(self.span_at(at), "a formula is one expression, not a query", help);
        self.push(Token::Fault, whole);
        end - at
    }

    /// Returns the expression of a query, and its clauses as keys of a spec.
    fn split_query(&self, tokens: Range<usize>) -> (String, Vec<(&'static str, String)>) {
        let is_clause = |at: usize| QUERY_CLAUSES.iter().any(|(word, _)| self.is_keyword(at, word));
        let mut parts = self.split(tokens, is_clause).into_iter();
        let formula = parts.next().map_or_else(String::new, |part| self.formula_text(part));
        let mut clauses = Vec::new();
        for mut part in parts {
            let word = part.start - 1;
            let Some((_, key)) = QUERY_CLAUSES.iter().find(|(clause, _)| self.is_keyword(word, clause)) else {
                continue;
            };
            part.start += usize::from(self.is_keyword(part.start, "by"));
            clauses.push((
                *key,
                match *key {
                    "where" | "having" => self.condition(part),
                    _ => self.formula_text(part),
                },
            ));
        }
        (formula, clauses)
    }

    /// Returns the help for `SUM(x) FILTER (WHERE condition)`. `at` is the index of `FILTER`.
    pub(super) fn filter_help(&self, at: usize, is_single_formula: bool) -> String {
        let written = || {
            let start = self.start_of_value_before(at)?;
            let condition = self
                .is_keyword(at + 2, "where")
                .then(|| at + 3..self.end_of_bracket_group(at + 1, is_single_formula) - 1)?;
            let condition = self.condition(condition);
            let name = self.text_at(start);
            if self.token_at(start + 1) != Some(Token::Open) || condition.is_empty() {
                return None;
            }
            let arguments = self.formula_text(start + 2..at - 1);
            if name.eq_ignore_ascii_case("count") && matches!(arguments.as_str(), "" | "*") {
                return Some(format!("COUNTIF({condition})"));
            }
            Some(format!("{name}(IF({condition}, {arguments}))"))
        };
        match written() {
            Some(call) => format!("write `{call}`"),
            None => "write `SUMIF(condition, value)`, `COUNTIF(condition)` or `SUM(IF(…))`".to_owned(),
        }
    }

    /// Reports `f(x) OVER (…)`. The whole expression becomes an error, because the function before `OVER` may also be
    /// unknown.
    pub(super) fn report_window_function(&mut self, at: usize, is_single_formula: bool) -> usize {
        let end = self.end_of_bracket_group(at + 1, is_single_formula);
        let call = self
            .start_of_value_before(at)
            .filter(|start| self.token_at(*start + 1) == Some(Token::Open));
        let (mut order, mut partition) = (String::new(), String::new());
        let inside = at + 2..(end - 1).max(at + 2);
        for part in self.split(inside, |at| {
            self.is_any_keyword(at, &["order", "partition", "rows", "range"])
        }) {
            if part.start > at + 2 && self.is_keyword(part.start, "by") {
                let list = self.formula_text(part.start + 1..part.end);
                match self.is_keyword(part.start - 1, "order") {
                    true => order = list,
                    false => partition = list,
                }
            }
        }
        let formula = call.and_then(|start| self.window_formula(start, at, &order, is_single_formula));
        let keys: Vec<String> = [("order_by", &order), ("partition_by", &partition)]
            .into_iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(key, list)| match list.contains(',') {
                true => format!("`{key}: [{list}]`"),
                false => format!("`{key}: {list}`"),
            })
            .collect();
        let help = match (formula, keys.is_empty()) {
            (Some(formula), true) => formula,
            (Some(formula), false) => format!("{formula}, with {} in its step of a spec", keys.join(" and ")),
            (None, _) => "write a range over the rows, such as `SUM(total:total)`, and set `order_by` and \
                 `partition_by` in the step"
                .to_owned(),
        };
        self.report_syntax_error(self.span_at(at), "`OVER` is not part of the language", help);
        if let Some(start) = call {
            let start = self.span_at(start).start;
            let is_in_call = |(token, span): &(Token, Span)| *token != Token::Start && span.start >= start;
            while self.layout.tokens.last().is_some_and(is_in_call) {
                self.layout.tokens.pop();
            }
            self.push(Token::Fault, Span::new(start, self.span_at(end - 1).end));
        }
        if self.is_operand_next(end) {
            self.emit_error_token(end, self.span_at(at));
        }
        end - at
    }

    /// Returns the formula for the window function between `start` and `at`.
    fn window_formula(&self, start: usize, at: usize, order: &str, is_single_formula: bool) -> Option<String> {
        let name = self.text_at(start).to_ascii_uppercase();
        let arguments = self.arguments(start + 1, is_single_formula).unwrap_or_default();
        let first = arguments.first().map(|first| self.formula_text(first.clone()));
        let second = arguments
            .get(1)
            .map_or("1".to_owned(), |second| self.formula_text(second.clone()));
        let sorted = order.split(',').next().unwrap_or_default().trim();
        let by = sorted.split_whitespace().next().unwrap_or_default();
        let is_descending = sorted.to_ascii_lowercase().ends_with(" desc");
        Some(match (name.as_str(), first) {
            ("ROW_NUMBER", _) => "write `ROW()`".to_owned(),
            ("RANK" | "DENSE_RANK", _) if !by.is_empty() && is_descending => format!("write `RANK({by})`"),
            ("RANK" | "DENSE_RANK", _) if !by.is_empty() => format!("write `RANK({by}, {by}:{by}, 1)`"),
            ("LAG", Some(x)) => format!("write `OFFSET({x}, -{second})`"),
            ("LEAD", Some(x)) => format!("write `OFFSET({x}, {second})`"),
            ("FIRST_VALUE", Some(x)) => format!("write `FIRST({x})`"),
            ("SUM" | "AVG" | "AVERAGE" | "MIN" | "MAX" | "COUNT", Some(x)) if x != "*" => {
                let name = if name == "AVG" { "AVERAGE" } else { &name };
                let range = |x: &str| match order {
                    "" => format!("{name}({x}:{x})"),
                    _ => format!("{name}(FIRST({x}):{x})"),
                };
                let is_name = arguments.first().is_some_and(|x| x.len() == 1);
                // In `SUM(SUM(amount)) OVER ()`, the window function aggregates the inner aggregate, which has one
                // value per row of the result.
                let inner = match x.ends_with(')') {
                    true => x.clone(),
                    false => format!("{name}({x})"),
                };
                let defined = format!("define `total = {inner}`, and write `{}`", range("total"));
                match is_name {
                    true => format!(
                        "write `{}` if `{x}` is a definition of the step or the step has no `group_by`; otherwise {defined}",
                        range(&x)
                    ),
                    false => defined,
                }
            }
            _ => return None,
        })
        .filter(|_| self.token_at(at - 1) == Some(Token::Close))
    }

    /// Marks the expression before reported syntax as faulty, so that the syntax causes no further errors.
    pub(super) fn mark_operand_as_invalid(&mut self, span: Span) {
        if self.is_after_operand() {
            self.push(Token::Odd, span);
        }
        self.push(Token::Fault, span);
    }

    /// Reports a query in brackets, as in `EXISTS (SELECT …)`, and returns the number of tokens consumed.
    pub(super) fn report_subquery(&mut self, at: usize, is_single_formula: bool) -> usize {
        let before = self.layout.tokens.len().saturating_sub(2);
        let is_exists = |(token, span): &(Token, Span)| {
            *token == Token::Name && span.text(self.source).eq_ignore_ascii_case("exists")
        };
        if self.layout.tokens.get(before).is_some_and(is_exists) {
            self.layout.tokens.remove(before);
        }
        let end = self.formula_end(at, is_single_formula);
        let span = self.span_at(at);
        self.report_syntax_error(span, "a formula cannot contain a query", EXISTS_HELP);
        self.push(Token::Fault, span.to(self.span_at(end - 1)));
        end - at
    }
}
