//! Notes about columns whose relation or type is unknown.

use std::collections::BTreeSet;

use formulac::diag::lists::join_first;
use formulac::{Type, TypeSensitiveColumn};

use crate::cli::session::Session;

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
