//! Lints for formulas that are valid but may not have the intended meaning, especially for users of spreadsheets. The
//! lints analyze the checked program and report only warnings. A formula is reported only if its literal meaning is
//! probably not intended.

mod booleans;
mod conditions;
mod end_of_day;
mod known_values;
mod orders;
mod quoted_names;
mod rounding;
mod totals;
mod weeks;

use super::lower::operators::comparison_operator;
use super::sheet::columns::column_index;
use super::{CheckScope, Context, DefinitionRole};
use crate::Type;
use crate::ast::{Ast, BinaryOp};
use crate::catalog::{self, FunctionId, internal};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, PoolRange, Program};
use crate::lex::looks_like_cell;
use crate::schema::Relation;
use crate::span::Span;

pub(super) use conditions::NameComparison;
pub use known_values::possible_values;
pub(super) use weeks::WeekCallKind;

/// Returns the equivalent comparison with swapped operands.
fn swap_comparison_operands(comparison: BinaryOp) -> BinaryOp {
    match comparison {
        BinaryOp::Less => BinaryOp::Greater,
        BinaryOp::LessEqual => BinaryOp::GreaterEqual,
        BinaryOp::Greater => BinaryOp::Less,
        BinaryOp::GreaterEqual => BinaryOp::LessEqual,
        other => other,
    }
}

/// Maximum number of definitions to follow from a name to its expression.
const MAX_NAME_CHAIN: usize = 8;

/// State of the lints for a program.
struct Lints<'a> {
    source: &'a str,
    relations: &'a [Relation],
    program: &'a Program,
    found: &'a mut Vec<Diagnostic>,
    /// List of comparisons, reused for the next condition.
    comparisons: &'a mut Vec<NameComparison>,
}

/// Warns about formulas that may not have the intended meaning.
pub(super) fn run_lints(
    ast: &Ast,
    source: &str,
    scope: &CheckScope<'_>,
    program: &Program,
    comparisons: &mut Vec<NameComparison>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    check_names(ast, source, diagnostics);
    let mut lints = Lints {
        source,
        relations: scope.relations,
        program,
        found: diagnostics,
        comparisons,
    };
    let mut weeks = weeks::WeekCalls::default();
    let definitions = program.definitions.iter().zip(&ast.definitions);
    for (definition, ast_definition) in definitions.filter(|(d, _)| !d.failed) {
        // `pivot_by` names columns, never cells.
        let may_hold_cells =
            scope.context == Context::Worksheet && scope.role(ast_definition.part) != DefinitionRole::PartitionBy;
        let last = definition.root;
        let mut cases: Option<(IrId, IrId)> = None;
        for (id, (node, meta)) in program.entries(definition.first, last) {
            match *node {
                Ir::Apply { overload, args } => {
                    let function = catalog::overload_owner(overload);
                    lints.check_call(id, function, args);
                    weeks.record_week_call(program, id, function, args);
                }
                Ir::Aggregate {
                    overload,
                    args,
                    distinct,
                } => {
                    lints.check_aggregate(id, catalog::overload_owner(overload), program.args(args), distinct);
                }
                Ir::IsNull { x, negated: false } => lints.warn_of_blank_test_of_non_null(id, x),
                Ir::And(args) => lints.check_and_or_conditions(id, args, true),
                Ir::Or(args) => lints.check_and_or_conditions(id, args, false),
                Ir::Case(arms) => {
                    cases = Some((cases.map_or(id, |(first, _)| first), id));
                    lints.warn_of_redundant_if(id, arms);
                }
                Ir::Switch { subject, arms } => {
                    lints.check_switch_values(subject, arms);
                    lints.warn_of_duplicate_cases(arms);
                }
                Ir::Column(_) | Ir::Definition(_) if may_hold_cells => {
                    let text = meta.span.text(source);
                    // Report only nodes whose source is the name itself, because a cell reference differs from the name
                    // of its column.
                    let is_named = |name: Option<&str>| name.is_some_and(|name| name.eq_ignore_ascii_case(text));
                    let is_name = match *node {
                        Ir::Column(column) => is_named(program.columns.try_get(column as usize).map(|c| &*c.name)),
                        Ir::Definition(definition_index) => is_named(
                            program
                                .definitions
                                .try_get(definition_index as usize)
                                .and_then(|d| d.name.as_deref()),
                        ),
                        _ => false,
                    };
                    if is_name && let Some(diagnostic) = shadowed_cell_warning(text, meta.span) {
                        lints.found.push(diagnostic);
                    }
                }
                _ => {}
            }
        }
        if let Some((first, last)) = cases {
            lints.warn_of_unreachable(first, last);
        }
    }
    weeks.check(scope.calendar, source, diagnostics);
}

impl Lints<'_> {
    /// Runs the lints for function calls.
    #[inline]
    fn check_call(&mut self, id: IrId, function: FunctionId, args: PoolRange) {
        match (function, self.program.args(args)) {
            (internal::AVERAGE, args) => self.check_aggregate(id, function, args, false),
            (internal::ROUND, [_, _]) => self.warn_of_double_rounding(id),
            (internal::EQUAL_IGNORE_CASE, [a, b]) => self.check_criterion_value(*a, *b, false),
            (internal::LIKE_IGNORE_CASE | internal::LIKE_IGNORE_CASE_ESCAPED, [a, b]) => {
                self.check_criterion_value(*a, *b, true);
            }
            (_, [a, b]) => {
                if let Some(comparison) = comparison_operator(function) {
                    self.check_comparison(id, comparison, *a, *b);
                }
            }
            _ => {}
        }
    }

    fn check_comparison(&mut self, id: IrId, comparison: BinaryOp, a: IrId, b: IrId) {
        self.warn_of_redundant_comparison(id, comparison, a, b);
        // Swap the operands if necessary, so that the literal or date is on the right-hand side.
        let turned = matches!(self.program.node(a), Ir::Text(_) | Ir::Number(_) | Ir::Date(_));
        let (a, b, comparison) = if turned {
            (b, a, swap_comparison_operands(comparison))
        } else {
            (a, b, comparison)
        };
        match (self.program.node(b), self.program.meta(b).ty) {
            (Ir::Text(text), _) => self.check_text_comparison(id, comparison, a, b, text),
            (Ir::Number(digits), _) => self.check_weekday_comparison(id, comparison, a, digits),
            (_, Type::Timestamp) => self.warn_of_time_comparison(id, comparison, a, b),
            _ => {}
        }
    }

    fn check_text_comparison(&mut self, id: IrId, comparison: BinaryOp, operand: IrId, literal: IrId, text: PoolRange) {
        if matches!(self.program.node(operand), Ir::Text(_)) {
            self.warn_of_quoted_name(operand);
            self.warn_of_quoted_name(literal);
            return;
        }
        match comparison {
            BinaryOp::Equal | BinaryOp::NotEqual if text.count == 0 => {
                self.warn_of_empty_text(id, comparison, operand);
            }
            BinaryOp::Equal | BinaryOp::NotEqual => {
                self.check_value(id, comparison, operand, literal, text);
            }
            _ => self.warn_of_text_order(id, comparison, operand, literal, text),
        }
    }

    /// Returns the expression that a name refers to, following up to `MAX_NAME_CHAIN` definitions.
    fn resolve_name(&self, id: IrId) -> IrId {
        let mut names = 0;
        self.program.resolve_references_until(id, |_, definition_index| {
            names += 1;
            names > MAX_NAME_CHAIN
                || self
                    .program
                    .definitions
                    .try_get(definition_index)
                    .is_none_or(|d| d.failed)
        })
    }

    fn excerpt(&self, id: IrId) -> String {
        self.program.meta(id).span.excerpt(self.source)
    }

    fn warn(&mut self, code: Code, node_id: IrId, message: String, help: String) {
        self.found
            .push(Diagnostic::new(code, self.program.meta(node_id).span, message).with_help(help));
    }

    /// Warns about calls to ISERROR, ISNA and ISBLANK with a value that is never NULL. Reports only aggregates, because
    /// formulas may deliberately check that a column has no NULLs.
    fn warn_of_blank_test_of_non_null(&mut self, id: IrId, x: IrId) {
        let is_total = matches!(
            self.program.node(self.resolve_name(x)),
            Ir::Aggregate { .. } | Ir::CountRows
        );
        if self.program.meta(x).nullable || !is_total {
            return;
        }
        let text = self.excerpt(x);
        let message = format!("`{text}` is never blank and never an error");
        self.warn(
            Code::NeverBlank,
            id,
            message,
            "remove this test, which is always FALSE".to_owned(),
        );
    }
}

/// Warns about definitions such as `Q1 = …` whose name is also a cell. Names with lower-case letters, such as `d30`,
/// are allowed because they are common in tables.
fn check_names(ast: &Ast, source: &str, diagnostics: &mut Vec<Diagnostic>) {
    for name in ast.definitions.iter().filter_map(|d| d.name) {
        let text = name.text(source);
        if text.bytes().any(|b| b.is_ascii_lowercase()) {
            continue;
        }
        if let Some(letters) = count_cell_letters(text) {
            let (letters, digits) = text.split_at(letters);
            diagnostics.push(
                Diagnostic::new(
                    Code::LooksLikeACell,
                    name,
                    format!("`{text}` looks like a cell of a worksheet"),
                )
                .with_help(format!(
                    "use a name that does not look like a cell, such as `{letters}_{digits}`"
                )),
            );
        }
    }
}

/// Warns about a name in a worksheet that resolves to a column or definition, but also looks like a cell.
fn shadowed_cell_warning(text: &str, span: Span) -> Option<Diagnostic> {
    count_cell_letters(text)?;
    let message = format!("`{text}` refers to a column or definition with this name, not to a cell");
    let help = format!("write `${{{text}}}` if you mean the column, or rename the column if you mean the cell");
    Some(Diagnostic::new(Code::LooksLikeACell, span, message).with_help(help))
}

/// Returns the number of letters in a cell reference. `None` for other names, and for cells beyond `XFD1048576`, the
/// last cell of a sheet.
fn count_cell_letters(text: &str) -> Option<usize> {
    if !looks_like_cell(text) {
        return None;
    }
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (column, row) = text.split_at_checked(letters)?;
    let row: u32 = row.parse().ok()?;
    (column_index(column) < 16_384 && (1..=1_048_576).contains(&row)).then_some(letters)
}

#[cfg(test)]
mod tests {
    #[test]
    fn sheet_cells_are_recognized() {
        for (name, is) in [
            ("Q1", true),
            ("q1", true),
            ("FY24", true),
            ("XFD1048576", true),
            ("XFE1", false),
            ("A0", false),
            ("A1048577", false),
            ("total", false),
            ("q_1", false),
            ("week1", false),
        ] {
            assert_eq!(super::count_cell_letters(name).is_some(), is, "{name}");
        }
    }
}
