//! Diagnostics about columns of a relation.

use super::unresolved_names::{MAX_CANDIDATES, MAX_LISTED_NAMES};
use crate::diag::{Code, Diagnostic, suggest};
use crate::lex::quote_formula_name;
use crate::schema::{Column, Relation, RelationOrigin};
use crate::span::Span;
use formulac_syntax::diag::lists::join_names;

/// Returns the diagnostic for a name that is neither a column nor a definition.
pub(super) fn unknown_name_diagnostic(text: &str, span: Span) -> Diagnostic {
    let message = format!("there is no column or definition `{text}`");
    Diagnostic::new(Code::UnknownName, span, message)
}

/// Changes the help of errors about single quotes around the name of a column, which the lexer cannot recognize.
#[cold]
pub(in crate::check) fn explain_single_quoted_columns(
    source: &str,
    relations: &[Relation],
    diagnostics: &mut [Diagnostic],
) {
    for diagnostic in diagnostics
        .iter_mut()
        .filter(|fault| fault.kind() == Code::SingleQuotes)
    {
        let span = diagnostic.span();
        let name = span.text(source).trim_matches('\'');
        if let Some(column) = relations.iter().find_map(|relation| relation.column(name)) {
            let reference = quote_formula_name(column.name());
            let help = format!("write `{reference}` for the column, or `\"{name}\"` for text");
            *diagnostic = diagnostic.clone().with_help(help).without_fix();
        }
    }
}

/// Maximum edit distance between a typo and the name of a known column.
pub(super) const MAX_TYPO_DISTANCE: usize = 2;

/// Returns the diagnostic for a column that a relation does not list. The diagnostic is a warning if only
/// some columns of the relation are known and none of them has a similar name. Otherwise, the diagnostic is an error.
pub fn missing_column_diagnostic(
    relation: &Relation,
    name: &str,
    span: Span,
    help: impl FnOnce() -> String,
) -> Diagnostic {
    missing_column_diagnostic_with(relation, name, span, suggest::similar_name_help, help)
}

/// Returns the same diagnostic as [`missing_column_diagnostic`], with help about a similar name from
/// `similar_name_help`.
pub(in crate::check) fn missing_column_diagnostic_with(
    relation: &Relation,
    name: &str,
    span: Span,
    similar_name_help: impl FnOnce(&str) -> String,
    help: impl FnOnce() -> String,
) -> Diagnostic {
    let message = format!("`{}` has no column `{name}`", relation.name());
    let diagnostic = Diagnostic::new(Code::UnknownName, span, message);
    if relation.is_past_column(name) {
        return explain_removed_column(diagnostic, relation);
    }
    let columns = || relation.columns().iter().map(Column::name).take(MAX_CANDIDATES);
    if relation.is_marked_incomplete() && suggest::nearest_name_within(name, MAX_TYPO_DISTANCE, columns()).is_none() {
        return unlisted_column_diagnostic(relation, name, span);
    }
    // In Omni, every view has the measure `count`.
    if name.eq_ignore_ascii_case("count") && suggest::nearest_name_within(name, 1, columns()).is_none() {
        return diagnostic.with_help("write `COUNT()` to count rows");
    }
    diagnostic.with_help(suggest::nearest_name(name, columns()).map_or_else(help, similar_name_help))
}

/// Returns the diagnostic for a name that may be a column of several relations because not all of their columns are
/// known.
pub(super) fn ambiguous_column_diagnostic(text: &str, span: Span, relations: &[&str]) -> Diagnostic {
    let first = relations.first().copied().unwrap_or_default();
    Diagnostic::new(
        Code::AmbiguousName,
        span,
        format!(
            "`{text}` is ambiguous: it may be a column of {}",
            join_names(relations, "or")
        ),
    )
    .with_help(format!(
        "specify the relation, for example `{}`, or provide the columns of each relation with \
            `dbt docs generate`, `formulac schema fetch` or `--schema`",
        quote_formula_name(&format!("{first}.{text}"))
    ))
}

pub(super) fn unlisted_column_diagnostic(relation: &Relation, name: &str, span: Span) -> Diagnostic {
    let version = match relation.origin() {
        Some(RelationOrigin::Node { version, .. }) => version.as_ref().map(|version| format!(".v{version}")),
        _ => None,
    };
    let (relation, version) = (relation.name(), version.unwrap_or_default());
    let message = format!("`{name}` is not among the known columns of `{relation}{version}`");
    Diagnostic::new(Code::UnlistedColumn, span, message).with_label("assumed to be a column").with_help(
        "run `dbt docs generate` (dbt 2: `dbt build --write-catalog`) or `formulac schema fetch` so that all columns are known",
    )
}

/// Adds a note to a diagnostic. The note explains that the relation used to have a column with this name.
pub fn explain_removed_column(diagnostic: Diagnostic, relation: &Relation) -> Diagnostic {
    diagnostic
        .with_label("the column existed at an earlier pull but was removed")
        .with_help(format!(
            "use another column, or restore the column in dbt: `{}` no longer contains the column",
            relation.name()
        ))
}

/// Describes a relation by listing its first columns.
pub fn describe_columns(relation: &Relation) -> String {
    let names: Vec<&str> = relation
        .columns()
        .iter()
        .take(MAX_LISTED_NAMES)
        .map(Column::name)
        .collect();
    match names.as_slice() {
        [] => format!("`{}` has no columns", relation.name()),
        [column_name] => format!("`{}` has the column `{column_name}`", relation.name()),
        names => format!("`{}` has the columns {}", relation.name(), join_names(names, "and")),
    }
}
