//! Determines the columns of a step from its text, without compiling the step.

use super::formulas::StepFormulas;
use super::load::{ColumnProjection, Step};
use crate::Type;
use crate::diag::Diagnostic;
use crate::limits::Limits;
use crate::plan::key_name;
use crate::schema::{Column, Relation};
use crate::scratch::CompileMemory;

/// Returns the columns that a step without errors would have. `input` is the relation that the step reads. Returns
/// `None` if the columns cannot be determined, or if there are none, which is an error.
pub fn possible_columns(
    step: &Step<'_>,
    source: &str,
    input: Option<&Relation>,
    limits: &Limits,
    memory: &mut CompileMemory,
) -> Option<Relation> {
    let CompileMemory { parse, ast, .. } = memory;
    let formulas = StepFormulas::new(step, source);
    let mut syntax = Vec::new();
    formulas.parse(limits, parse, ast, &mut syntax);
    // The part that could not be parsed may contain a definition, so the columns are unknown.
    if step.has_invalid_keys || syntax.iter().any(Diagnostic::is_error) {
        return None;
    }
    let mut names: Vec<String> = match &step.keep {
        ColumnProjection::Nothing => Vec::new(),
        ColumnProjection::All => input?.columns().iter().map(|c| c.name().to_owned()).collect(),
        ColumnProjection::Columns(names) if step.joins.is_empty() => names.iter().map(|n| n.text.to_owned()).collect(),
        ColumnProjection::Columns(names) => names.iter().map(|n| key_name(n.text)).collect(),
    };
    names.extend(step.series.map(|series| series.name.text.to_owned()));
    names.extend(step.group_by.iter().map(|key| key_name(key.text)));
    let defined = ast.definitions.iter().filter_map(|d| d.name);
    names.extend(defined.map(|name| name.text(&formulas.text).to_owned()));
    let name = step.name.map_or("", |n| n.text);
    let add_column = |relation: Relation, name: &String| relation.with(Column::new(name, Type::Unknown));
    (!names.is_empty()).then(|| names.iter().fold(Relation::new(name), add_column))
}
