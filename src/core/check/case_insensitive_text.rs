//! Lint for case sensitivity: warns if a program compares a column with the same text in two ways: with a criterion,
//! which ignores case, and with `=`, which is case-sensitive.

use rustc_hash::FxHashMap;

use crate::catalog::{self, internal};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, Program};
use crate::span::Span;

/// Returns whether a string contains cased letters. For other strings, case makes no difference.
pub(super) fn has_case(text: &str) -> bool {
    text.chars().any(|c| c.is_uppercase() || c.is_lowercase())
}

/// Builds the warning for a criterion like `"=open"`, which looks like `=` but ignores case.
pub(super) fn criterion_equality_warning(range: &str, value: &str, span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::CriterionIgnoresCase,
        span,
        format!(
            "the criterion `\"={value}\"` ignores case, like `\"{value}\"`, but the condition `{range} = \
                \"{value}\"` is case-sensitive"
        ),
    )
    .with_help(format!(
        "write `\"{value}\"` to ignore case, or the condition `{range} = \"{value}\"` to match only this \
            spelling"
    ))
}

/// Warns if a criterion and `=` compare the same column with the same text. Reports each combination of column and text
/// only once.
pub(super) fn check_case_sensitivity(program: &Program, source: &str, diagnostics: &mut Vec<Diagnostic>) {
    // Maps a column and a string to the span of the criterion. `None` after the pair has been reported.
    let mut criteria: FxHashMap<(ComparedName, String), Option<Span>> = FxHashMap::default();
    for (range, value, span) in &program.criteria {
        let value = program.text(*value);
        if let (Some(of), true) = (find_compared_name(program, *range), has_case(value)) {
            criteria.entry((of, value.to_lowercase())).or_insert(Some(*span));
        }
    }
    if criteria.is_empty() {
        return;
    }
    for (index, node) in program.nodes().enumerate() {
        let Ir::Apply { overload, args } = node else { continue };
        let [a, b] = program.args(args) else { continue };
        let is_equal = catalog::overload_owner(overload) == internal::EQUAL;
        if !is_equal && catalog::overload_owner(overload) != internal::NOT_EQUAL {
            continue;
        }
        let (range, value) = match (program.node(*a), program.node(*b)) {
            (_, Ir::Text(text)) => (*a, text),
            (Ir::Text(text), _) => (*b, text),
            _ => continue,
        };
        let Some(of) = find_compared_name(program, range) else {
            continue;
        };
        let Some(criterion) = criteria.get_mut(&(of, program.text(value).to_lowercase())) else {
            continue;
        };
        let Some(other) = criterion.take() else { continue };
        let span = program.meta(IrId(index as u32)).span;
        let (name, text) = (program.meta(range).span.text(source), other.text(source));
        let (small, sign) = (program.text(value).to_lowercase(), if is_equal { "=" } else { "<>" });
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
                    criterion, replace the column and its criterion with the condition `{name} = {text}`"
            )),
        );
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ComparedName {
    Column(u32),
    Definition(u32),
}

fn find_compared_name(program: &Program, id: IrId) -> Option<ComparedName> {
    match program.node(id) {
        Ir::Column(column) => Some(ComparedName::Column(column)),
        Ir::Definition(used) => Some(ComparedName::Definition(used)),
        _ => None,
    }
}
