//! Worksheet steps: the columns to which letters refer, and their order in the output.

use std::borrow::Cow;

use formulac_syntax::diag::lists::join_names;
use rustc_hash::{FxHashMap, FxHashSet};

use super::formulas::StepFormulas;
use super::load::{ColumnProjection, Step};
use super::tabs::to_formula_tabs;
use crate::ast::Ast;
use crate::check::{Context, DefinitionRole, Pivot, WorksheetGrid};
use crate::compiler::split_sort_key;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, Program};
use crate::plan::{TabSource, key_name};
use crate::schema::Relation;

/// Returns the worksheet of a step, or `None` if the step is not a worksheet.
pub(super) fn worksheet_grid(
    step: &Step<'_>,
    input: Option<&Relation>,
    grain: &[String],
    tabs: &[TabSource],
) -> Option<WorksheetGrid> {
    let keys = step.sheet.as_ref()?;
    let columns = match (&keys.columns, input) {
        (Some(columns), _) => columns.iter().map(|column| key_name(column.text)).collect(),
        (None, Some(input)) => input.columns().iter().map(|column| column.name().to_owned()).collect(),
        (None, None) => Vec::new(),
    };
    Some(WorksheetGrid {
        columns,
        row: keys.row,
        tabs: to_formula_tabs(step, tabs),
        pivot: sheet_pivot(step, grain),
        totals: Some(Vec::new()),
    })
}

/// Returns the context in which the formulas of a step are checked. `sheet` is `None` if the step is not a worksheet.
pub(super) fn formula_context(sheet: Option<&WorksheetGrid>) -> Context {
    match sheet {
        Some(_) => Context::Worksheet,
        None => Context::Measure,
    }
}

/// Removes the sheet's own calculations from the columns that the step keeps, because they are not columns of the
/// previous step.
pub(super) fn exclude_sheet_calculations<'s, 'y>(
    step: &'s Step<'y>,
    ast: &Ast,
    formulas: &StepFormulas<'_>,
) -> Cow<'s, Step<'y>> {
    let (Some(_), ColumnProjection::Columns(sheet_columns)) = (&step.sheet, &step.keep) else {
        return Cow::Borrowed(step);
    };
    let of_step = |part: u32| formulas.roles.get(part as usize) == Some(&DefinitionRole::Definitions);
    let names = ast
        .definitions
        .iter()
        .filter(|d| of_step(d.part))
        .filter_map(|d| d.name);
    let defined: FxHashSet<String> = names
        .map(|name| name.text(&formulas.text).to_ascii_lowercase())
        .collect();
    if !sheet_columns
        .iter()
        .any(|name| defined.contains(&name.text.to_ascii_lowercase()))
    {
        return Cow::Borrowed(step);
    }
    let mut step = step.clone();
    if let ColumnProjection::Columns(kept_columns) = &mut step.keep {
        kept_columns.retain(|name| !defined.contains(&name.text.to_ascii_lowercase()));
    }
    Cow::Owned(step)
}

/// Returns the index of each column that the sheet lists, by lower-case name.
pub(super) fn sheet_column_indexes(step: &Step<'_>) -> FxHashMap<String, usize> {
    let columns = step.sheet.iter().flat_map(|sheet| sheet.columns.iter().flatten());
    let places = columns
        .enumerate()
        .map(|(index, column)| (key_name(column.text).to_ascii_lowercase(), index));
    places.collect()
}

/// Warns if `order_by` omits a key column and the rows are not partitioned, because the previous row may then belong to
/// a different key, such as another region.
pub(super) fn check_sort_keys_cover_grain(
    step: &Step<'_>,
    program: &Program,
    grain: &[String],
    source: &str,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let (Some(_), Some(first)) = (&step.sheet, step.order_by.first()) else {
        return;
    };
    let ordered = |node: Ir| matches!(node, Ir::Window { over, .. } if program.window_frame(over).is_ordered());
    if step.partition_by.is_some() || !program.nodes().any(ordered) {
        return;
    }
    let keys: Vec<String> = step
        .order_by
        .iter()
        .map(|key| key_name(split_sort_key(key.text).0))
        .collect();
    let is_key = |name: &&String| keys.iter().any(|key| key.eq_ignore_ascii_case(name));
    let (ordered_columns, others): (Vec<&String>, Vec<&String>) = grain.iter().partition(is_key);
    if ordered_columns.is_empty() || others.is_empty() {
        return;
    }
    let others: Vec<&str> = others.into_iter().map(String::as_str).collect();
    let message = format!(
        "the sheet contains the rows of every {}, so the previous row may belong to another {}",
        join_names(&others, "and"),
        join_names(&others, "or")
    );
    diagnostics.push(
        Diagnostic::new(Code::RowsOfSeveral, first.span(source), message).with_help(format!(
            "write `partition_by: {}` to treat each value as a separate sequence, or `partition_by: []` to treat all \
                rows as one sequence",
            others.join(", ")
        )),
    );
}

/// Returns the column names of a pivot's keys.
pub(super) fn pivot_keys(step: &Step<'_>) -> Vec<String> {
    let pivot = step.sheet.as_ref().and_then(|sheet| sheet.pivot.as_ref());
    pivot
        .map(|pivot| pivot.columns.iter().map(|key| key_name(key.text)).collect())
        .unwrap_or_default()
}

/// Returns the columns that identify the rows of a pivoted sheet: the columns in `order_by`, then the other columns of
/// the grain.
pub(super) fn pivot_row_columns(step: &Step<'_>, grain: &[String]) -> Vec<String> {
    let keys = pivot_keys(step);
    let order = step.order_by.iter().map(|key| key_name(split_sort_key(key.text).0));
    let mut rows: Vec<String> = Vec::new();
    for name in order.chain(grain.iter().cloned()) {
        if !keys
            .iter()
            .chain(&rows)
            .any(|existing_name| existing_name.eq_ignore_ascii_case(&name))
        {
            rows.push(name);
        }
    }
    rows
}

/// Returns the columns that identify the cells of a pivoted sheet.
pub(super) fn pivot_cell_keys(step: &Step<'_>, grain: &[String]) -> Vec<String> {
    pivot_row_columns(step, grain)
        .into_iter()
        .chain(pivot_keys(step))
        .collect()
}

fn sheet_pivot(step: &Step<'_>, grain: &[String]) -> Option<Pivot> {
    step.sheet.as_ref()?.pivot.as_ref()?;
    Some(Pivot {
        rows_known: !pivot_row_columns(step, grain).is_empty(),
    })
}
