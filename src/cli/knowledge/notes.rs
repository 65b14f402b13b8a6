//! Notes about columns whose relation or type is unknown.

use std::collections::BTreeSet;

use formulac::diag::lists::join_first;
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
    let names: Vec<String> = names
        .iter()
        .take(MAX_LISTED_COLUMNS)
        .map(|name| format!("`{name}`"))
        .collect();
    let all = if names.len() > 1 { "all of " } else { "" };
    let names = names.join(", ");
    if candidates.is_empty() {
        let advice = match has_all_columns {
            true => "specify the relation with `--from`",
            false => "run `dbt docs generate` or `formulac schema fetch` so that all columns are known",
        };
        return session.report_action(&format!(
            "note: no relation of the project has {all}{names}, so the columns are unknown; {advice}"
        ));
    }
    let candidates: Vec<String> = candidates.iter().map(|name| format!("`{name}`")).collect();
    session.report_action(&format!(
        "note: {} have {names}, so the columns are unknown; choose one relation with `--from`",
        join_first(&candidates, MAX_LISTED_COLUMNS)
    ));
}

/// Reports columns of unknown type on which the SQL depends, in a single note.
pub fn report_undecided_types<'u>(session: &Session, undecided: impl IntoIterator<Item = &'u TypeSensitiveColumn>) {
    let mut names: Vec<String> = Vec::new();
    for undecided_type in undecided {
        let name = match undecided_type.assumed {
            Type::Unknown => format!("`{}`", undecided_type.column),
            ty => format!("`{}` (assumed to be {})", undecided_type.column, ty.describe()),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return;
    }
    session.report_action(&format!(
        "note: the SQL depends on unknown types: {}; `dbt docs generate`, `formulac schema fetch` or \
         `--schema` provides them",
        join_first(&names, MAX_LISTED_COLUMNS)
    ));
}

/// Reports keys that are read as periods and that become columns if dbt's artifacts list columns with the same names,
/// in a single note. Without a dbt project, no artifacts can change the keys, so there is no note.
pub fn report_assumed_periods<'s>(
    session: &Session,
    workspace: Option<&Workspace>,
    specs: impl IntoIterator<Item = &'s CompiledSpec>,
) {
    if workspace.is_none_or(|workspace| workspace.dbt.is_none()) {
        return;
    }
    let mut names: Vec<String> = Vec::new();
    for (period, relation) in specs.into_iter().flat_map(CompiledSpec::assumed_periods) {
        let name = format!("`{period}` of `{relation}`");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return;
    }
    session.report_action(&format!(
        "note: keys are read as periods, because the columns of their relations are unknown: {}; columns with the same \
         names would take precedence; `dbt docs generate`, `formulac schema fetch` or `--schema` provides the columns",
        join_first(&names, MAX_LISTED_COLUMNS)
    ));
}
