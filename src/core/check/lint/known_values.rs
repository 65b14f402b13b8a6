//! Lint for comparisons with a string that is not among the known values of a column or expression.

use std::collections::HashSet;

use super::Lints;
use crate::ast::BinaryOp;
use crate::catalog::{self, internal};
use crate::diag::{Code, Diagnostic, suggest};
use crate::ir::{Ir, IrId, PoolRange, Program};
use crate::schema::Relation;
use crate::span::Span;

/// Maximum number of nodes that are searched for possible values.
const MAX_NODES: usize = 256;
/// Maximum number of possible values.
const MAX_POSSIBLE_VALUES: usize = 2_000;
/// Maximum number of values in a message.
const MAX_LISTED_VALUES: usize = 6;

/// Case conversion that is applied to a value before a comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CaseConversion {
    AsTheyAre,
    Small,
    Capital,
}

impl CaseConversion {
    fn convert_case(self, text: &str) -> String {
        match self {
            Self::AsTheyAre => text.to_owned(),
            Self::Small => text.to_lowercase(),
            Self::Capital => text.to_uppercase(),
        }
    }
}

/// Returns all possible values of a text expression, apart from NULL: the known values of a column, or the results of
/// all branches. `None` if the values are not known.
pub fn possible_values(program: &Program, relations: &[Relation], id: IrId) -> Option<Vec<String>> {
    // Return early in the most common case, a column without known values.
    if let Ir::Column(column) = program.node(id) {
        schema_values_of_column(program, relations, column)?;
    }
    let mut values: Vec<String> = Vec::new();
    let mut seen: HashSet<String> = HashSet::new();
    let mut waiting = vec![id];
    for _ in 0..MAX_NODES {
        let Some(id) = waiting.pop() else {
            return (!values.is_empty()).then_some(values);
        };
        let mut add = |text: &str| {
            if seen.insert(text.to_owned()) {
                values.push(text.to_owned());
            }
        };
        match program.node(id) {
            Ir::Text(text) => add(program.text(text)),
            Ir::Null => {}
            Ir::Column(column) => schema_values_of_column(program, relations, column)?
                .iter()
                .for_each(|value| add(value)),
            Ir::Definition(definition_index) => {
                waiting.push(
                    program
                        .definitions
                        .try_get(definition_index as usize)
                        .filter(|d| !d.failed)?
                        .root,
                );
            }
            Ir::Case(arms) | Ir::Switch { arms, .. } => {
                if arms.count as usize > MAX_NODES * 2 {
                    return None;
                }
                let branches: Vec<IrId> = program.branches(arms).collect();
                waiting.extend(branches.into_iter().rev());
            }
            Ir::Coalesce(args) if (args.count as usize) < MAX_NODES => waiting.extend(program.args(args).iter().rev()),
            _ => return None,
        }
        if values.len() > MAX_POSSIBLE_VALUES {
            return None;
        }
    }
    None
}

/// Returns the values that the schema lists for a column.
fn schema_values_of_column<'r>(program: &Program, relations: &'r [Relation], column: u32) -> Option<&'r [String]> {
    let column_entry = program
        .columns
        .try_get(column as usize)
        .filter(|c| !c.unknown && c.merged.is_empty())?;
    let is_of = |r: &&Relation| column_entry.relation.as_deref().is_none_or(|name| name == r.name());
    relations
        .iter()
        .filter(is_of)
        .find_map(|r| r.column(&column_entry.name))?
        .known_values()
}

impl Lints<'_> {
    /// Warns about comparisons such as `status = "active"` if the only known values are "Active" and "Closed".
    pub(super) fn check_value(
        &mut self,
        id: IrId,
        comparison: BinaryOp,
        subject: IrId,
        literal: IrId,
        text: PoolRange,
    ) {
        let program = self.program;
        let text = program.text(text);
        let span = program.meta(literal).span;
        // Skip criteria, which become comparisons of lower-case strings with the same span as the literal.
        let is_criterion = program.meta(id).span == span;
        let (operand, letters) = self.strip_case_conversion(subject);
        if letters != CaseConversion::AsTheyAre && letters.convert_case(text) != text {
            return self.warn_of_impossible_case(operand, letters, text, span, is_criterion);
        }
        let Some(values) = possible_values(program, self.relations, operand) else {
            return;
        };
        let spellings: Vec<String> = values.iter().map(|value| letters.convert_case(value)).collect();
        if spellings.iter().any(|value| value == text) {
            return;
        }
        let message = match comparison {
            BinaryOp::NotEqual => {
                format!(
                    "`{}` is never `\"{text}\"`, so the comparison is always true",
                    self.excerpt(operand)
                )
            }
            _ => format!("`{}` is never `\"{text}\"`", self.excerpt(operand)),
        };
        self.warn_of_unknown_value(message, text, &spellings, span, is_criterion);
    }

    /// Warns about a criterion that matches no known value, ignoring case, such as `COUNTIF(status, "clsoed")`.
    pub(super) fn check_criterion_value(&mut self, operand: IrId, pattern: IrId, wild: bool) {
        if self.warn_of_quoted_name(operand) {
            return;
        }
        let program = self.program;
        let Ir::Text(text) = program.node(pattern) else { return };
        let (text, span) = (program.text(text), program.meta(pattern).span);
        let Some(values) = possible_values(program, self.relations, operand) else {
            return;
        };
        let meets = |value: &String| {
            let value = value.to_lowercase();
            if wild {
                matches_like(&value, text)
            } else {
                value == text
            }
        };
        if values.iter().any(meets) {
            return;
        }
        let message = format!(
            "no value of `{}` matches `{}`",
            self.excerpt(operand),
            span.excerpt(self.source)
        );
        self.warn_of_unknown_value(message, text, &values, span, true);
    }

    /// Warns about values in `SWITCH(status, "active", …)` that the subject never has.
    pub(super) fn check_switch_values(&mut self, subject: IrId, arms: PoolRange) {
        let program = self.program;
        let pairs = program.args(arms).chunks_exact(2);
        let texts = pairs.filter_map(|pair| match (pair.first(), pair.first().map(|id| program.node(*id))) {
            (Some(id), Some(Ir::Text(text))) => Some((*id, text)),
            _ => None,
        });
        let texts: Vec<(IrId, PoolRange)> = texts.collect();
        if texts.is_empty() {
            return;
        }
        let (operand, letters) = self.strip_case_conversion(subject);
        let Some(values) = possible_values(program, self.relations, operand) else {
            return;
        };
        let spellings: Vec<String> = values.iter().map(|value| letters.convert_case(value)).collect();
        let value_set: HashSet<&str> = spellings.iter().map(String::as_str).collect();
        for (id, text) in texts {
            let text = program.text(text);
            if !value_set.contains(text) {
                let message = format!("`{}` is never `\"{text}\"`", self.excerpt(operand));
                self.warn_of_unknown_value(message, text, &spellings, program.meta(id).span, false);
            }
        }
    }

    fn warn_of_unknown_value(
        &mut self,
        message: String,
        text: &str,
        values: &[String],
        span: Span,
        is_criterion: bool,
    ) {
        let lower = text.to_lowercase();
        let mut alike = values.iter().filter(|value| value.to_lowercase() == lower);
        let mut diagnostic = Diagnostic::new(Code::NotAKnownValue, span, message);
        diagnostic = match (alike.next(), alike.next()) {
            (Some(suggestion), None) if !is_criterion => diagnostic
                .with_help(format!("write `\"{suggestion}\"`, because `=` is case-sensitive"))
                .with_fix(span, format!("\"{}\"", suggestion.replace('"', "\"\""))),
            _ => diagnostic.with_help(match suggest::nearest_name(text, values.iter().map(String::as_str)) {
                Some(near) if values.len() > MAX_LISTED_VALUES => format!("did you mean `\"{near}\"`?"),
                Some(near) => format!(
                    "did you mean `\"{near}\"`? The known values are {}",
                    format_value_list(values)
                ),
                None => format!("use one of the known values: {}", format_value_list(values)),
            }),
        };
        self.found.push(diagnostic);
    }

    /// Warns about comparisons such as `LOWER(status) = "Active"`, because a lower-case string is never equal to a
    /// string with a capital letter.
    fn warn_of_impossible_case(
        &mut self,
        operand: IrId,
        letters: CaseConversion,
        text: &str,
        span: Span,
        is_criterion: bool,
    ) {
        // Skip non-ASCII letters, because their conversion depends on the SQL engine.
        if is_criterion || !text.is_ascii() {
            return;
        }
        let (letter_kind, call) = match letters {
            CaseConversion::Capital => ("lowercase letters", "UPPER"),
            _ => ("uppercase letters", "LOWER"),
        };
        let right = letters.convert_case(text);
        let name = self.excerpt(operand);
        self.found.push(
            Diagnostic::new(
                Code::NeverVaries,
                span,
                format!("`{call}({name})` never contains {letter_kind}, so it never equals `\"{text}\"`"),
            )
            .with_help(format!("write `\"{right}\"`"))
            .with_fix(span, format!("\"{}\"", right.replace('"', "\"\""))),
        );
    }

    /// Returns the argument of LOWER or UPPER and the case conversion, or the node itself.
    fn strip_case_conversion(&self, id: IrId) -> (IrId, CaseConversion) {
        let Ir::Apply { overload, args } = self.program.node(id) else {
            return (id, CaseConversion::AsTheyAre);
        };
        let letters = match catalog::overload_owner(overload) {
            internal::LOWER => CaseConversion::Small,
            internal::UPPER => CaseConversion::Capital,
            _ => return (id, CaseConversion::AsTheyAre),
        };
        match *self.program.args(args) {
            [x] => (x, letters),
            _ => (id, CaseConversion::AsTheyAre),
        }
    }
}

fn format_value_list(values: &[String]) -> String {
    let shown_values: Vec<String> = values
        .iter()
        .take(MAX_LISTED_VALUES)
        .map(|value| format!("`\"{value}\"`"))
        .collect();
    let more = if values.len() > MAX_LISTED_VALUES { ", …" } else { "" };
    format!("{}{more}", shown_values.join(", "))
}

/// Returns whether a string matches a LIKE pattern with `%`, `_`, and `\` as escape character.
fn matches_like(text: &str, pattern: &str) -> bool {
    #[derive(Clone, Copy)]
    enum LikePatternChar {
        Any,
        One,
        Is(char),
    }
    let mut signs = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        signs.push(match c {
            '%' => LikePatternChar::Any,
            '_' => LikePatternChar::One,
            '\\' => LikePatternChar::Is(chars.next().unwrap_or('\\')),
            c => LikePatternChar::Is(c),
        });
    }
    let text: Vec<char> = text.chars().collect();
    // `back` holds two positions: the position of the last `%` in the pattern, and the position in the text just past
    // the characters that this `%` has matched so far.
    let (mut position, mut sign, mut back) = (0, 0, None);
    while let Some(c) = text.get(position) {
        match signs.get(sign) {
            Some(LikePatternChar::Any) => {
                back = Some((sign, position));
                sign += 1;
            }
            Some(LikePatternChar::One) => {
                position += 1;
                sign += 1;
            }
            Some(LikePatternChar::Is(is)) if is == c => {
                position += 1;
                sign += 1;
            }
            _ => {
                let Some((any, from)) = back else { return false };
                back = Some((any, from + 1));
                position = from + 1;
                sign = any + 1;
            }
        }
    }
    signs
        .get(sign..)
        .unwrap_or_default()
        .iter()
        .all(|sign| matches!(sign, LikePatternChar::Any))
}

#[cfg(test)]
mod tests {
    use super::matches_like;

    #[test]
    fn patterns_match_like() {
        for (text, pattern, is) in [
            ("open", "o%n", true),
            ("open", "o%e", false),
            ("open", "o__n", true),
            ("open", "%", true),
            ("", "%", true),
            ("", "_", false),
            ("100%", "100\\%", true),
            ("1000", "100\\%", false),
            ("aaab", "%ab", true),
            ("open now", "open", false),
        ] {
            assert_eq!(matches_like(text, pattern), is, "{text} like {pattern}");
        }
    }
}
