//! Ranges of names such as `FIRST(x):x`. The ranges are detected before name resolution, and their ends are
//! resolved afterwards.

pub(super) mod aggregates;
pub(super) mod calendar;
pub(super) mod markers;
pub(super) mod split;

use crate::Level;
use crate::arena::Arena;
use crate::ast::{Ast, Call, Expr, ExprId};
use crate::catalog::{self, Lowering};
use crate::check::names::symbols::Symbols;
use crate::check::names::{NameTarget, ResolvedNames};
use crate::check::{CheckScope, Context};
use crate::ir::FrameBound;
use crate::lex::looks_like_cell;
use crate::span::Span;

/// End of a range.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) struct RangeEnd {
    /// Name at the end of the range, such as `x` in `FIRST(x)`.
    pub name: ExprId,
    pub at: RangeEndKind,
}

#[derive(Clone, Copy, Debug)]
pub(in crate::check) enum RangeEndKind {
    /// Name without a function.
    Bare,
    /// `FIRST(x)` or `LAST(x)`.
    FirstOrLast(FrameBound),
    /// `OFFSET(x, rows)` or `OFFSET(x, rows, columns)`.
    Offset { rows: ExprId, columns: Option<ExprId> },
    /// `FIRST(x, unit)` or `LAST(x, unit)`.
    Period { bound: FrameBound, unit: ExprId },
    /// `PERIODOFFSET(x, count, unit)`.
    PeriodOffset { count: ExprId, unit: ExprId },
}

impl RangeEnd {
    /// Returns whether this end makes the range a calendar range.
    pub fn is_calendar_end(&self) -> bool {
        matches!(self.at, RangeEndKind::Period { .. } | RangeEndKind::PeriodOffset { .. })
    }
}

/// Marks the parts of cell ranges and tab references before name resolution, so that errors refer to the complete range
/// instead of its parts.
pub(in crate::check) fn mark_cells(
    ast: &Ast,
    source: &str,
    scope: &CheckScope<'_>,
    symbols: &Symbols,
    targets: &mut Arena<NameTarget>,
) {
    let mut inside: Vec<ExprId> = Vec::new();
    for id in ast.ids().rev() {
        if targets[id.index()] != NameTarget::None {
            continue;
        }
        let cells = match ast.expr(id) {
            Expr::Tab { .. } => true,
            Expr::Range { from, to } => [from, to]
                .into_iter()
                .any(|end| is_cell(ast, source, scope, symbols, end)),
            _ => false,
        };
        if cells {
            inside.extend(ast.children(id));
            while let Some(id) = inside.pop() {
                targets[id.index()] = NameTarget::Error;
                inside.extend(ast.children(id));
            }
        }
    }
}

/// Returns whether the end of a range is a cell or a column letter instead of a known name.
fn is_cell(ast: &Ast, source: &str, scope: &CheckScope<'_>, symbols: &Symbols, id: ExprId) -> bool {
    match ast.expr(id) {
        Expr::Cell | Expr::Tab { .. } => true,
        Expr::Name => {
            let text = ast.span(id).text(source);
            let is_known_name = || {
                symbols
                    .find(text.into(), source)
                    .is_some_and(|s| s.definition.is_some())
                    || scope.relations.iter().any(|r| r.position(text).is_some())
                    || scope.may_be_input_column(text)
            };
            looks_like_cell_or_column(text) && !scope.are_unknown_names_columns && !is_known_name()
        }
        _ => false,
    }
}

/// Returns whether a name looks like a cell (`C1`) or a column letter (`C`).
pub(in crate::check) fn looks_like_cell_or_column(text: &str) -> bool {
    (text.len() <= 2 && text.bytes().all(|b| b.is_ascii_uppercase())) || looks_like_cell(text)
}

/// Resolves the ends of ranges after name resolution, and finds the calls that consume the ranges.
///
/// An aggregate over a range is a window function, so it does not group rows.
pub(in crate::check) fn resolve_ranges(ast: &Ast, scope: &CheckScope<'_>, names: &mut ResolvedNames) {
    names.holds_range.clear();
    names.holds_range.resize(ast.len(), false);
    for (index, definition) in (0u32..).zip(&ast.definitions) {
        let allowed = scope
            .name_of_context_without_aggregates(scope.role(definition.part))
            .is_none();
        let may_aggregate = allowed && scope.context != Context::Worksheet;
        for node_index in definition.first.index()..definition.body.index() + 1 {
            let id = ExprId(node_index as u32);
            let has_range = ast.children(id).any(|child| names.holds_range[child.index()]);
            names.holds_range[node_index] = match (ast.expr(id), names.targets[node_index]) {
                (_, NameTarget::CellRange(_) | NameTarget::TabRange(_)) => true,

                (Expr::Call(call), NameTarget::Function(function)) if is_pivot_range(ast, call, function) => true,
                (Expr::Range { from, to }, _) => {
                    for end in [from, to] {
                        if let (NameTarget::Function(function), Some(_)) =
                            (names.targets[end.index()], parse_range_end(ast, names, end))
                        {
                            names.targets[end.index()] = NameTarget::RangeEnd(function);
                        }
                    }
                    true
                }
                (Expr::Call(call), NameTarget::Function(function)) => {
                    let function = catalog::get(function);
                    let marker = function.lower == Some(Lowering::Distinct);
                    let across = function.is_row_combination(ast.call(call).count as usize);
                    let aggregates = function.level == Level::Aggregate;
                    if may_aggregate && aggregates && !across && !has_range {
                        names.first_aggregate.get_or_insert(index);
                    }
                    has_range && (marker || !aggregates)
                }
                _ => has_range,
            };
        }
    }
}

/// Returns whether a call is `PIVOTROW(x)`, or a PIVOTOFFSET that specifies the size of a range.
fn is_pivot_range(ast: &Ast, call: u32, function: crate::catalog::FunctionId) -> bool {
    match catalog::get(function).lower {
        Some(Lowering::PivotRow) => true,
        Some(Lowering::PivotOffset) => ast.call(call).count > 3,
        _ => false,
    }
}

/// Parses one end of a range such as `FIRST(x):x`. `None` if the expression cannot be an end.
pub(in crate::check) fn parse_range_end(ast: &Ast, names: &ResolvedNames, id: ExprId) -> Option<RangeEnd> {
    let is_name = |id: ExprId| {
        matches!(
            names.targets[id.index()],
            NameTarget::Column(_) | NameTarget::Definition(_)
        ) || matches!(ast.expr(id), Expr::Timeframe { base, .. } if matches!(names.targets[base.index()], NameTarget::Column(_) | NameTarget::Definition(_)))
    };
    if is_name(id) {
        return Some(RangeEnd {
            name: id,
            at: RangeEndKind::Bare,
        });
    }
    let (Expr::Call(call), NameTarget::Function(function) | NameTarget::RangeEnd(function)) =
        (ast.expr(id), names.targets[id.index()])
    else {
        return None;
    };
    let kind = match (catalog::get(function).lower?, ast.arguments(ast.call(call))) {
        (Lowering::First, [_]) => RangeEndKind::FirstOrLast(FrameBound::First),
        (Lowering::Last, [_]) => RangeEndKind::FirstOrLast(FrameBound::Last),
        (Lowering::First, [_, unit]) => RangeEndKind::Period {
            bound: FrameBound::First,
            unit: *unit,
        },
        (Lowering::Last, [_, unit]) => RangeEndKind::Period {
            bound: FrameBound::Last,
            unit: *unit,
        },
        (Lowering::PeriodOffset, [_, count, unit]) => RangeEndKind::PeriodOffset {
            count: *count,
            unit: *unit,
        },
        (Lowering::Offset, [_, rows]) => RangeEndKind::Offset {
            rows: *rows,
            columns: None,
        },
        (Lowering::Offset, [_, rows, columns]) => RangeEndKind::Offset {
            rows: *rows,
            columns: Some(*columns),
        },
        _ => return None,
    };
    let name = *ast.arguments(ast.call(call)).first()?;
    is_name(name).then_some(RangeEnd { name, at: kind })
}

/// Returns whether both ends of a range refer to the same column or definition with the same timeframe.
pub(in crate::check) fn is_same_name(ast: &Ast, source: &str, names: &ResolvedNames, a: ExprId, b: ExprId) -> bool {
    let parts = |id: ExprId| match ast.expr(id) {
        Expr::Timeframe { base, frame } => (
            names.targets[base.index()],
            ast.names.get(frame as usize).map(|s: &Span| s.text(source).trim()),
        ),
        Expr::Model => {
            let frame = crate::parse::reference(source, ast.span(id)).timeframe;
            (names.targets[id.index()], frame.map(|s| s.text(source)))
        }
        _ => (names.targets[id.index()], None),
    };
    let ((a, a_frame), (b, b_frame)) = (parts(a), parts(b));
    let frames = match (a_frame, b_frame) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        (None, None) => true,
        _ => false,
    };
    a == b && frames
}

/// Returns whether at least one argument of a call contains a range.
pub(in crate::check) fn has_range_argument(ast: &Ast, names: &ResolvedNames, call: Call) -> bool {
    !names.holds_range.is_empty() && ast.arguments(call).iter().any(|a| names.holds_range[a.index()])
}
