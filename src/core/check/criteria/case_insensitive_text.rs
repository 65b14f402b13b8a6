//! Lint for case sensitivity. Warns if a program compares a column with the same text both in a criterion, which
//! ignores case, and with `=`, which is case-sensitive.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use crate::catalog::{self, internal};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, Program};
use crate::span::Span;

/// Returns whether a string contains cased letters. For other strings, case makes no difference.
pub(in crate::check) fn has_cased_letters(text: &str) -> bool {
    text.chars().any(|c| c.is_uppercase() || c.is_lowercase())
}

/// Builds the warning for a criterion like `"=open"`, which looks like `=` but ignores case.
pub(in crate::check) fn criterion_equality_warning(range: &str, value: &str, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::CriterionIgnoresCase,
        span,
        format!(
            "the criterion `\"={value}\"` ignores case, like `\"{value}\"`, but the condition `{range} = \
                \"{value}\"` is case-sensitive"
        ),
    )
    .with_help(format!(
        "write `\"{value}\"` to ignore case, or the condition `{range} = \"{value}\"` to match case"
    ))
}

/// Operands of a criterion or comparison: a column or definition, and text in lower case.
pub(in crate::check) type ComparedText<'p> = (ComparedName, Cow<'p, str>);

/// Returns the criteria of a program, with their spans. Criteria for which case makes no difference are skipped.
pub(in crate::check) fn compared_criteria(program: &Program) -> impl Iterator<Item = (IrId, ComparedText<'_>, Span)> {
    program.criteria.iter().filter_map(|(range, value, span)| {
        let value = program.text(*value);
        let compared_name = find_compared_name(program, *range).filter(|_| has_cased_letters(value))?;
        Some((*range, (compared_name, lowercase(value)), *span))
    })
}

fn lowercase(text: &str) -> Cow<'_, str> {
    let is_lowercase = text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase());
    if is_lowercase {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

/// Comparison of a value with a string, `value = "text"` or `value <> "text"`.
pub(in crate::check) struct TextComparison<'p> {
    /// Node of the compared value.
    value: IrId,
    pub of: ComparedText<'p>,
    is_equal: bool,
}

/// If a node is a comparison of one of the wanted names with a string, returns the comparison. `None` for other nodes.
#[inline]
pub(in crate::check) fn text_comparison(
    program: &Program,
    node: Ir,
    is_wanted: impl Fn(ComparedName) -> bool,
) -> Option<TextComparison<'_>> {
    let Ir::Apply { overload, args } = node else {
        return None;
    };
    let is_equal = match catalog::overload_owner(overload) {
        internal::EQUAL => true,
        internal::NOT_EQUAL => false,
        _ => return None,
    };
    let [a, b] = *program.args(args) else { return None };
    let (value, text) = match (program.node(a), program.node(b)) {
        (_, Ir::Text(text)) => (a, text),
        (Ir::Text(text), _) => (b, text),
        _ => return None,
    };
    let name = find_compared_name(program, value).filter(|name| is_wanted(*name))?;
    let compared_text = (name, lowercase(program.text(text)));
    Some(TextComparison {
        value,
        of: compared_text,
        is_equal,
    })
}

/// Warns if a criterion and `=` compare the same column with the same text. Reports each combination of column and text
/// only once, at its first comparison in the source.
pub(in crate::check) fn check_case_sensitivity(program: &Program, source: &str, diagnostics: &mut Vec<Diagnostic>) {
    // First criterion in the source, and first comparison with the same text, for each column and text.
    let mut criteria: FxHashMap<ComparedText<'_>, (Span, Option<(Span, TextComparison<'_>)>)> = FxHashMap::default();
    for (_, compared_text, span) in compared_criteria(program) {
        let first = &mut criteria.entry(compared_text).or_insert((span, None)).0;
        *first = span.min(*first);
    }
    if criteria.is_empty() {
        return;
    }
    // Bit set of the names, which rules out most comparisons without a lookup.
    let names = criteria.keys().fold(0, |names, (name, _)| names | name.bit());
    for (index, node) in program.nodes().enumerate() {
        let Some(comparison) = text_comparison(program, node, |name| names & name.bit() != 0) else {
            continue;
        };
        let span = program.meta(IrId(index as u32)).span;
        if let Some((_, first)) = criteria.get_mut(&comparison.of)
            && first.as_ref().is_none_or(|(first, _)| span < *first)
        {
            *first = Some((span, comparison));
        }
    }
    let mut conflicts: Vec<(Span, TextComparison<'_>, Span)> = criteria
        .into_values()
        .filter_map(|(criterion, first)| first.map(|(span, comparison)| (span, comparison, criterion)))
        .collect();
    conflicts.sort_by_key(|(span, ..)| *span);
    for (
        span,
        TextComparison {
            value,
            of: compared_text,
            is_equal,
        },
        other,
    ) in conflicts
    {
        let (name, text) = (program.meta(value).span.text(source), other.text(source));
        let (small, sign) = (compared_text.1, if is_equal { "=" } else { "<>" });
        let condition = condition_of_criterion(name, text);
        diagnostics.push(
            Diagnostic::new(
                Code::CriterionIgnoresCase,
                span,
                format!(
                    "`{}` is case-sensitive, but the criterion `{text}` is not",
                    span.excerpt(source)
                ),
            )
            .with_secondary_label(other, "ignores case")
            .with_help(format!(
                "to ignore case here as well, write `LOWER({name}) {sign} \"{small}\"`; to match case in the \
                    criterion, replace the column and its criterion with the condition `{condition}`"
            )),
        );
    }
}

/// Returns the case-sensitive condition for a criterion with or without an operator. Rows without a value satisfy a
/// criterion with `<>`.
fn condition_of_criterion(name: &str, criterion: &str) -> String {
    match criterion.strip_prefix("\"<>") {
        Some(text) => format!("OR(ISBLANK({name}), {name} <> \"{text})"),
        None => format!("{name} = \"{}", criterion.trim_start_matches(['"', '='])),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::check) enum ComparedName {
    Column(u32),
    Definition(u32),
}

impl ComparedName {
    fn bit(self) -> u64 {
        let (Self::Column(index) | Self::Definition(index)) = self;
        1 << (index % u64::BITS)
    }
}

fn find_compared_name(program: &Program, id: IrId) -> Option<ComparedName> {
    match program.node(id) {
        Ir::Column(column) => Some(ComparedName::Column(column)),
        Ir::Definition(definition_index) => Some(ComparedName::Definition(definition_index)),
        _ => None,
    }
}
