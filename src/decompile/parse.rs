//! Parses SQL expressions from tokens. The parser recognizes operators and adjacent expressions, but not functions,
//! types or clauses. As a result, generated SQL and equivalent hand-written SQL have the same tree.
//!
//! Redundant brackets are dropped. If dialects disagree about operator precedence, an expression without brackets is
//! rejected.

use std::borrow::Cow;

use super::columns::EXPRESSION_KEYWORDS;
use super::comparisons;
use super::synonyms;
use super::tree::{SqlLabel, SqlNodeId, SqlTrees};
use crate::dbt::has_jinja;
use crate::dbt::tokens::{self as lexer, SqlToken, SqlTokenKind};
use crate::dialect::Dialect;

/// Maximum nesting depth of an expression. More deeply nested expressions are not parsed.
const MAX_DEPTH: usize = 120;

const OR_PRECEDENCE: u8 = 1;
const AND_PRECEDENCE: u8 = 2;
const NOT_PRECEDENCE: u8 = 3;
const COMPARISON_PRECEDENCE: u8 = 4;
const OTHER_PRECEDENCE: u8 = 5;
const ADDITION_PRECEDENCE: u8 = 6;
const MULTIPLICATION_PRECEDENCE: u8 = 7;
const NEGATION_PRECEDENCE: u8 = 8;
const OPERAND_PRECEDENCE: u8 = 10;
/// Binding strength of a word that no operator can follow.
const WORD_PRECEDENCE: u8 = 255;

/// Words that are never names. A new expression begins after each of these words.
const KEYWORDS: [&str; 23] = [
    "and",
    "as",
    "between",
    "by",
    "case",
    "desc",
    "distinct",
    "else",
    "end",
    "from",
    "group",
    "in",
    "is",
    "like",
    "not",
    "on",
    "or",
    "order",
    "partition",
    "select",
    "then",
    "when",
    "where",
];

/// Returns whether a word is never a name.
pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
}

/// Words that may follow the number of an interval.
const INTERVAL_UNITS: [&str; 9] = [
    "year",
    "quarter",
    "month",
    "week",
    "day",
    "hour",
    "minute",
    "second",
    "millisecond",
];

/// Parses tokens as one expression or as several adjacent expressions.
pub(super) fn parse(
    source: &str,
    tokens: &[SqlToken],
    dialect: Dialect,
    trees: &mut SqlTrees,
) -> Result<SqlNodeId, String> {
    let mut parser = Parser::new(source, tokens, dialect, trees);
    let id = parser.parse_adjacent_expressions()?;
    parser.finish(id)
}

/// Parses tokens as a list of expressions separated by commas.
pub(super) fn parse_list(
    source: &str,
    tokens: &[SqlToken],
    dialect: Dialect,
    trees: &mut SqlTrees,
) -> Result<Vec<SqlNodeId>, String> {
    let mut parser = Parser::new(source, tokens, dialect, trees);
    let mut items = vec![parser.parse_adjacent_expressions()?];
    while parser.skip_word_if_present(",") {
        items.push(parser.parse_adjacent_expressions()?);
    }
    parser.finish(items)
}

struct Parser<'p> {
    source: &'p str,
    tokens: &'p [SqlToken],
    at: usize,
    depth: usize,
    dialect: Dialect,
    trees: &'p mut SqlTrees,
}

/// Parsed part of an expression.
struct ParsedPart<'p> {
    node: SqlNodeId,
    /// Binding strength. An expression in brackets binds as tightly as a single name.
    strength: u8,
    operator: Option<Cow<'p, str>>,
}

impl ParsedPart<'_> {
    fn new(node: SqlNodeId, strength: u8) -> Self {
        Self {
            node,
            strength,
            operator: None,
        }
    }
}

fn operator_precedence(word: &str) -> Option<u8> {
    Some(match word {
        "or" => OR_PRECEDENCE,
        "and" => AND_PRECEDENCE,
        "=" | "<>" | "<" | ">" | "<=" | ">=" | "<=>" | "like" | "ilike" | "rlike" | "in" | "between" | "is" => {
            COMPARISON_PRECEDENCE
        }
        "||" | "~" | "~*" | "!~" | "!~*" | "&" | "|" | "#" | "^" | "<<" | ">>" | "#>>" | "#>" | "->>" => {
            OTHER_PRECEDENCE
        }
        "+" | "-" => ADDITION_PRECEDENCE,
        "*" | "/" | "//" | "%" => MULTIPLICATION_PRECEDENCE,
        _ => return None,
    })
}

impl<'p> Parser<'p> {
    fn new(source: &'p str, tokens: &'p [SqlToken], dialect: Dialect, trees: &'p mut SqlTrees) -> Self {
        Self {
            source,
            tokens,
            at: 0,
            depth: 0,
            dialect,
            trees,
        }
    }

    /// Returns the result if no tokens are left.
    fn finish<T>(&self, result: T) -> Result<T, String> {
        match self.peek() {
            None => Ok(result),
            Some(token) => Err(format!("the SQL cannot be read at `{}`", token.text(self.source))),
        }
    }

    fn peek(&self) -> Option<SqlToken> {
        self.tokens.get(self.at).copied()
    }

    /// Returns the comparison key of a word or sign, or an empty string for other tokens.
    fn key_at(&self, ahead: usize) -> Cow<'p, str> {
        match self.tokens.get(self.at + ahead) {
            Some(token) if matches!(token.kind, SqlTokenKind::Word | SqlTokenKind::Sign) => {
                token.comparison_key(self.source)
            }
            _ => Cow::Borrowed(""),
        }
    }

    fn skip_word_if_present(&mut self, word: &str) -> bool {
        let is_present = self.key_at(0) == word;
        self.at += usize::from(is_present);
        is_present
    }

    fn expect_word(&mut self, word: &str) -> Result<(), String> {
        if self.skip_word_if_present(word) {
            Ok(())
        } else {
            Err(format!("expected `{word}`"))
        }
    }

    /// Parses adjacent expressions, up to a comma or a closing bracket.
    fn parse_adjacent_expressions(&mut self) -> Result<SqlNodeId, String> {
        let mut parts = Vec::new();
        while !matches!(&*self.key_at(0), "," | ")" | "]") && self.peek().is_some() {
            // `asc` is the default order.
            if parts.is_empty() || !self.skip_word_if_present("asc") {
                parts.push(self.parse_expression(0)?.node);
            }
        }
        Ok(match parts.as_slice() {
            [] => self.trees.add_leaf(SqlLabel::Nothing),
            [node] => *node,
            _ => self.trees.add(SqlLabel::Row, parts),
        })
    }

    /// Parses the content between an opening bracket, which was already consumed, and its closing bracket.
    fn parse_items(&mut self, close: &str) -> Result<Vec<SqlNodeId>, String> {
        let mut items = Vec::new();
        if self.skip_word_if_present(close) {
            return Ok(items);
        }
        loop {
            items.push(self.parse_adjacent_expressions()?);
            if !self.skip_word_if_present(",") {
                self.expect_word(close)?;
                return Ok(items);
            }
        }
    }

    fn parse_expression(&mut self, least: u8) -> Result<ParsedPart<'p>, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("the expression is nested more than {MAX_DEPTH} levels deep"));
        }
        let mut left = self.parse_operand()?;
        if left.strength == WORD_PRECEDENCE {
            self.depth -= 1;
            return Ok(ParsedPart::new(left.node, 0));
        }
        while let Some(next) = self.parse_infix(&left, least)? {
            left = next;
        }
        self.depth -= 1;
        Ok(left)
    }

    /// Extends the left operand with one operator and its right operand.
    fn parse_infix(&mut self, left: &ParsedPart<'p>, least: u8) -> Result<Option<ParsedPart<'p>>, String> {
        let mut word = self.key_at(0);
        let mut negated = word == "not" && matches!(&*self.key_at(1), "like" | "ilike" | "in" | "between" | "rlike");
        if negated {
            word = self.key_at(1);
        }
        if word == "->" && least == 0 {
            self.at += 1;
            let body = self.parse_expression(0)?;
            let label = SqlLabel::Op(word.into_owned());
            let node = self.trees.add(label, vec![left.node, body.node]);
            return Ok(Some(ParsedPart::new(node, 0)));
        }
        // In `position(x in y)`, `in` is not an operator.
        let is_separator = word == "in" && self.key_at(1 + usize::from(negated)) != "(";
        let strength = operator_precedence(&word).filter(|strength| *strength >= least && !is_separator);
        let Some(strength) = strength else {
            return Ok(None);
        };
        if strength == COMPARISON_PRECEDENCE && left.strength == COMPARISON_PRECEDENCE {
            return Err("warehouses evaluate chained comparisons differently; add brackets".to_owned());
        }
        self.reject_mixed_operators(&word, strength, left)?;
        self.at += 1 + usize::from(negated);
        let id = match &*word {
            "is" => self.parse_is_operator(left.node)?,
            "in" => {
                self.expect_word("(")?;
                let list = self.parse_items(")")?;
                if let Some(id) = comparisons::expand_in_list(self.trees, left.node, &list, negated) {
                    negated = false;
                    id
                } else {
                    let group = self.trees.add(SqlLabel::Group, list);
                    self.trees.add(SqlLabel::In, vec![left.node, group])
                }
            }
            "between" => {
                let low = self.parse_expression(OTHER_PRECEDENCE)?;
                self.expect_word("and")?;
                let high = self.parse_expression(OTHER_PRECEDENCE)?;
                if let Some(id) = comparisons::add_between(self.trees, left.node, [low.node, high.node], negated) {
                    negated = false;
                    id
                } else {
                    self.trees.add(SqlLabel::Between, vec![left.node, low.node, high.node])
                }
            }
            _ => {
                let right = self.parse_expression(strength + 1)?;
                self.reject_mixed_operators(&word, strength, &right)?;
                if word.ends_with("like") && self.skip_word_if_present("escape") {
                    let escape = self.parse_expression(OTHER_PRECEDENCE)?;
                    self.trees.add(
                        SqlLabel::Op(word.clone().into_owned()),
                        vec![left.node, right.node, escape.node],
                    )
                } else {
                    self.flatten_and_or(&word, left.node, right.node)
                }
            }
        };
        let id = if negated {
            self.trees.add(SqlLabel::Not, vec![id])
        } else {
            id
        };
        // `not like` has the same precedence as `like`.
        Ok(Some(ParsedPart {
            node: id,
            strength,
            operator: Some(word),
        }))
    }

    /// Rejects mixed operators without brackets. Dialects disagree on the precedence of `||` and bit operators
    /// relative to arithmetic operators and to each other.
    fn reject_mixed_operators(&self, word: &str, strength: u8, operand: &ParsedPart<'_>) -> Result<(), String> {
        let arithmetic = |s: u8| s == ADDITION_PRECEDENCE || s == MULTIPLICATION_PRECEDENCE;
        let is_mixed = (strength == OTHER_PRECEDENCE
            && (arithmetic(operand.strength)
                || operand.strength == OTHER_PRECEDENCE && operand.operator.as_deref() != Some(word)))
            || (arithmetic(strength) && operand.strength == OTHER_PRECEDENCE);
        if is_mixed {
            Err(format!(
                "warehouses differ in the precedence of `{word}` and the operator next to it; add brackets"
            ))
        } else {
            Ok(())
        }
    }

    /// Flattens `a and (b and c)` to `a and b and c`.
    fn flatten_and_or(&mut self, word: &str, left: SqlNodeId, right: SqlNodeId) -> SqlNodeId {
        let op = SqlLabel::Op(word.to_owned());
        if !matches!(word, "and" | "or") || self.trees.label(right) != &op {
            return self.trees.add(op, vec![left, right]);
        }
        let mut operands = Vec::new();
        let mut rest = right;
        while self.trees.label(rest) == &op {
            let [a, b] = self.trees.children(rest) else { break };
            operands.push(*b);
            rest = *a;
        }
        operands.push(rest);
        operands
            .into_iter()
            .rev()
            .fold(left, |chain, next| self.trees.add(op.clone(), vec![chain, next]))
    }

    fn parse_is_operator(&mut self, left: SqlNodeId) -> Result<SqlNodeId, String> {
        let mut op = String::from("is");
        if self.skip_word_if_present("not") {
            op.push_str(" not");
        }
        if self.skip_word_if_present("distinct") {
            self.expect_word("from")?;
            op.push_str(" distinct from");
            let right = self.parse_expression(OTHER_PRECEDENCE)?;
            return Ok(self.trees.add(SqlLabel::Op(op), vec![left, right.node]));
        }
        let word = self.key_at(0);
        if !matches!(&*word, "null" | "true" | "false" | "unknown") {
            return Err(format!("unexpected `is` before `{word}`"));
        }
        self.at += 1;
        op.push(' ');
        op.push_str(&word);
        Ok(self.trees.add(SqlLabel::Op(op), vec![left]))
    }

    fn parse_operand(&mut self) -> Result<ParsedPart<'p>, String> {
        let Some(token) = self.peek() else {
            return Err("the expression ends too early".to_owned());
        };
        let text = token.text(self.source);
        let key = token.comparison_key(self.source);
        self.at += 1;
        let id = match token.kind {
            SqlTokenKind::Number => self.trees.add_leaf(SqlLabel::Number(key.into_owned())),
            SqlTokenKind::Jinja => self.trees.add_leaf(SqlLabel::Jinja(key.into_owned())),
            SqlTokenKind::Hint => return Err("a formula cannot contain a hint".to_owned()),
            SqlTokenKind::Text => self.parse_text(text)?,
            SqlTokenKind::Quoted => self.parse_quoted_name(text)?,
            SqlTokenKind::Word => return self.parse_keyword(&key),
            SqlTokenKind::Sign => match &*key {
                "-" => {
                    let x = self.parse_expression(NEGATION_PRECEDENCE)?;
                    return Ok(ParsedPart::new(
                        self.trees.add(SqlLabel::Negative, vec![x.node]),
                        NEGATION_PRECEDENCE,
                    ));
                }
                "(" => {
                    let items = self.parse_items(")")?;
                    let plain = items
                        .iter()
                        .all(|id| !matches!(self.trees.label(*id), SqlLabel::Row | SqlLabel::Nothing));
                    match items.as_slice() {
                        [node] if plain => *node,
                        _ => self.trees.add(SqlLabel::Group, items),
                    }
                }
                "[" => {
                    let items = self.parse_items("]")?;
                    self.trees.add(SqlLabel::Bracket, items)
                }
                "," | ")" | "]" => return Err(format!("unexpected `{key}` at the start of an expression")),
                _ => return Ok(ParsedPart::new(self.trees.add_word(&key), WORD_PRECEDENCE)),
            },
        };
        Ok(ParsedPart::new(self.parse_postfix(id)?, OPERAND_PRECEDENCE))
    }

    fn parse_text(&mut self, text: &str) -> Result<SqlNodeId, String> {
        let prefix = match text.get(..text.find(['\'', '"']).unwrap_or(0)).unwrap_or_default() {
            "" => "",
            "r" | "R" => "r",
            "e" | "E" => "e",
            _ => return Err("a string has letters before its quote".to_owned()),
        };
        let label = match lexer::unquote_token(text, self.dialect) {
            Some(value) => SqlLabel::Text(value, prefix),
            // Only dbt can evaluate the expression.
            None if has_jinja(text) => SqlLabel::Jinja(text.to_owned()),
            None => return Err("a string is not closed".to_owned()),
        };
        Ok(self.trees.add_leaf(label))
    }

    /// Parses a quoted name. A name that means the same without the quotes becomes a word.
    fn parse_quoted_name(&mut self, text: &str) -> Result<SqlNodeId, String> {
        let name = lexer::unquote_token(text, self.dialect).ok_or("a quoted name is not closed")?;
        let word = self.dialect.name_text(&name, false);
        let is_optional = word.eq_ignore_ascii_case(&name) && !EXPRESSION_KEYWORDS.contains(&word.as_str());
        Ok(match is_optional && !is_keyword(&word) {
            true => self.trees.add_word(&word),
            false => self.trees.add_leaf(SqlLabel::Quoted(name)),
        })
    }

    fn parse_keyword(&mut self, key: &str) -> Result<ParsedPart<'p>, String> {
        match key {
            "case" => {
                let id = self.parse_case()?;
                return Ok(ParsedPart::new(self.parse_postfix(id)?, OPERAND_PRECEDENCE));
            }
            "not" => {
                let x = self.parse_expression(NOT_PRECEDENCE)?;
                return Ok(ParsedPart::new(
                    self.trees.add(SqlLabel::Not, vec![x.node]),
                    NOT_PRECEDENCE,
                ));
            }
            "interval" => return self.parse_interval(),
            _ => {}
        }
        let name = self.trees.add_word(key);
        let next = self.peek();
        // `rows` and `range` may be names, but before `between` they begin the frame of a window.
        let frames = matches!(key, "rows" | "range") && self.key_at(0) == "between";
        if KEYWORDS.contains(&key) || frames {
            return Ok(ParsedPart::new(name, WORD_PRECEDENCE));
        }
        if let Some(text) = next.filter(|t| t.kind == SqlTokenKind::Text) {
            self.at += 1;
            let text = self.parse_text(text.text(self.source))?;
            let id = self.trees.add(SqlLabel::Typed, vec![name, text]);
            return Ok(ParsedPart::new(self.parse_postfix(id)?, OPERAND_PRECEDENCE));
        }
        Ok(ParsedPart::new(self.parse_postfix(name)?, OPERAND_PRECEDENCE))
    }

    fn parse_interval(&mut self) -> Result<ParsedPart<'p>, String> {
        let word = self.trees.add_word("interval");
        // The unit is part of the string if the interval is a string. Otherwise, the unit follows the expression.
        let is_text = self.peek().is_some_and(|token| token.kind == SqlTokenKind::Text);
        let x = self.parse_expression(if is_text {
            NEGATION_PRECEDENCE
        } else {
            ADDITION_PRECEDENCE
        })?;
        let mut parts = vec![word, x.node];
        let unit = self.key_at(0);
        if INTERVAL_UNITS.contains(&&*unit) {
            self.at += 1;
            parts.push(self.trees.add_word(&unit));
        }
        Ok(ParsedPart::new(
            self.trees.add(SqlLabel::Typed, parts),
            OPERAND_PRECEDENCE,
        ))
    }

    fn parse_case(&mut self) -> Result<SqlNodeId, String> {
        let subject = if self.key_at(0) == "when" {
            None
        } else {
            Some(self.parse_expression(0)?.node)
        };
        let mut arms = Vec::new();
        while self.skip_word_if_present("when") {
            let condition = self.parse_expression(0)?;
            self.expect_word("then")?;
            arms.push((condition.node, self.parse_expression(0)?.node));
        }
        let other = if self.skip_word_if_present("else") {
            self.parse_expression(0)?.node
        } else {
            self.trees.add_leaf(SqlLabel::Nothing)
        };
        self.expect_word("end")?;
        if arms.is_empty() {
            return Err("expected `when`".to_owned());
        }
        Ok(match subject {
            Some(subject) => {
                let arms = arms.into_iter().flat_map(|(when, then)| [when, then]);
                let kids = std::iter::once(subject).chain(arms).chain([other]).collect();
                self.trees.add(SqlLabel::Switch, kids)
            }
            None => arms.into_iter().rev().fold(other, |other, (when, then)| {
                self.trees.add(SqlLabel::Case, vec![when, then, other])
            }),
        })
    }

    /// Parses the suffixes of an operand, such as a call's arguments or a subscript.
    fn parse_postfix(&mut self, mut id: SqlNodeId) -> Result<SqlNodeId, String> {
        loop {
            let word = self.key_at(0);
            let opens = self.key_at(1) == "(";
            id = match &*word {
                "(" if matches!(self.trees.label(id), SqlLabel::Word(_) | SqlLabel::Field) => {
                    self.at += 1;
                    let args = self.parse_items(")")?;
                    synonyms::add_call(self.trees, self.dialect, id, args)
                }
                "[" => {
                    self.at += 1;
                    let kids = std::iter::once(id).chain(self.parse_items("]")?).collect();
                    self.trees.add(SqlLabel::Subscript, kids)
                }
                "." => {
                    self.at += 1;
                    let Some(token) = self.peek() else {
                        return Err("expected a name after the dot".to_owned());
                    };
                    self.at += 1;
                    let name = match token.kind {
                        SqlTokenKind::Quoted => self.parse_quoted_name(token.text(self.source))?,
                        _ => self.trees.add_word(&token.comparison_key(self.source)),
                    };
                    self.trees.add(SqlLabel::Field, vec![id, name])
                }
                "::" => {
                    self.at += 1;
                    self.parse_cast(id)?
                }
                "over" if opens => self.parse_suffix("over", id, 2)?,
                "filter" if opens => self.parse_suffix("filter", id, 2)?,
                "within" if self.key_at(1) == "group" && self.key_at(2) == "(" => {
                    self.parse_suffix("within group", id, 3)?
                }
                "at" if self.key_at(1) == "time" && self.key_at(2) == "zone" => {
                    self.at += 3;
                    let zone = self.parse_expression(NEGATION_PRECEDENCE)?;
                    self.trees.add(SqlLabel::Behind("at time zone"), vec![id, zone.node])
                }
                _ => return Ok(id),
            };
        }
    }

    fn parse_suffix(&mut self, description: &'static str, id: SqlNodeId, words: usize) -> Result<SqlNodeId, String> {
        self.at += words;
        let list = self.parse_items(")")?;
        let group = self.trees.add(SqlLabel::Group, list);
        Ok(self.trees.add(SqlLabel::Behind(description), vec![id, group]))
    }

    /// Parses `x::type` as `cast(x as type)`.
    fn parse_cast(&mut self, id: SqlNodeId) -> Result<SqlNodeId, String> {
        let name = self.key_at(0);
        if name.is_empty() {
            return Err("expected a type after `::`".to_owned());
        }
        self.at += 1;
        let ty = self.trees.add_word(&name);
        let mut parts = vec![id, self.trees.add_word("as")];
        if self.skip_word_if_present("(") {
            let kids = std::iter::once(ty).chain(self.parse_items(")")?).collect();
            parts.push(self.trees.add(SqlLabel::Call, kids));
        } else {
            parts.push(ty);
            if name == "double" && self.skip_word_if_present("precision") {
                parts.push(self.trees.add_word("precision"));
            }
        }
        let row = self.trees.add(SqlLabel::Row, parts);
        let cast = self.trees.add_word("cast");
        Ok(self.trees.add(SqlLabel::Call, vec![cast, row]))
    }
}
