//! Notes about columns whose relation or type is unknown.

use std::collections::BTreeSet;

use formulac::diag::lists::{join_words_up_to, quote_names};
use formulac::{CompiledSpec, Type, TypeSensitiveColumn};

use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

/// Maximum number of columns that a note names. The remaining columns are only counted.
const MAX_LISTED_COLUMNS: usize = 6;

/// Reports that the relation of a formula is unknown, because no relation or more than one relation has all columns
/// that the formula refers to. `has_all_columns` is `true` if the columns of all relations are known.
pub fn report_unknown_relation(
    session: &Session,
    names: &BTreeSet<String>,
    candidates: &[String],
    has_all_columns: bool,
) {
    let names = quote_names(names.iter().take(MAX_LISTED_COLUMNS));
    let all = if names.len() > 1 { "all of " } else { "" };
    let names = names.join(", ");
    if candidates.is_empty() {
        let advice = match has_all_columns {
            true => "specify the relation with `--from`",
            false => "run `dbt docs generate` or `formulac schema fetch` so that all columns are known",
        };
        return session.report_note(&format!(
            "no relation of the project has {all}{names}, so the columns are unknown; {advice}"
        ));
    }
    session.report_note(&format!(
        "{} have {names}, so the columns are unknown; choose one relation with `--from`",
        join_words_up_to(&quote_names(candidates), MAX_LISTED_COLUMNS)
    ));
}

/// Reports what the SQL of specs assumes about the relations that the specs read.
pub fn report_assumptions<'s>(
    session: &Session,
    workspace: Option<&Workspace>,
    specs: impl IntoIterator<Item = &'s CompiledSpec>,
) {
    let specs: Vec<&CompiledSpec> = specs.into_iter().collect();
    report_undecided_types(session, specs.iter().flat_map(|spec| spec.undecided_types()));
    // Without a dbt project, no artifacts can change the keys.
    if workspace.is_some_and(|workspace| workspace.dbt.is_some()) {
        report_assumed_periods(session, specs.iter().flat_map(|spec| spec.assumed_periods()));
    }
}

/// Reports columns of unknown type on which the SQL depends, in a single note.
pub fn report_undecided_types<'u>(session: &Session, undecided: impl IntoIterator<Item = &'u TypeSensitiveColumn>) {
    let names = undecided.into_iter().map(|undecided| match undecided.assumed {
        Type::Unknown => format!("`{}`", undecided.column),
        ty => format!("`{}` (assumed to be {})", undecided.column, ty.describe()),
    });
    if let Some(names) = join_distinct(names) {
        session.report_note(&format!(
            "the SQL depends on unknown types: {names}; `dbt docs generate`, `formulac schema fetch` or `--schema` \
             provides them"
        ));
    }
}

/// Reports keys that are read as periods, in a single note. A column with the name of a key would take precedence if
/// dbt's artifacts listed this column.
fn report_assumed_periods<'p>(session: &Session, periods: impl IntoIterator<Item = &'p (String, String)>) {
    let periods = periods.into_iter();
    if let Some(names) = join_distinct(periods.map(|(period, relation)| format!("`{period}` of `{relation}`"))) {
        session.report_note(&format!(
            "formulac reads these keys as periods: {names}. Not all columns of the relations are known, and a column \
             with the name of a key would take precedence. Write the period in `group_by`, or run `dbt docs \
             generate` or `formulac schema fetch` to list all columns"
        ));
    }
}

/// Returns a list of the distinct names, or `None` if there are no names.
fn join_distinct(names: impl Iterator<Item = String>) -> Option<String> {
    let mut listed: Vec<String> = Vec::new();
    for name in names {
        if !listed.contains(&name) {
            listed.push(name);
        }
    }
    (!listed.is_empty()).then(|| join_words_up_to(&listed, MAX_LISTED_COLUMNS))
}
