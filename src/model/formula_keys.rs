//! Reports formulas in `group_by`. A key must be a column, a definition or a timeframe, so that its output column has a
//! name.

use formulac_syntax::lex::name_needs_quotes;

use crate::Level;
use crate::ast::{Ast, Expr};
use crate::check::DefinitionRole;
use crate::diag::{Code, Diagnostic};
use crate::plan::{StepPlan, snake_case};

/// Maximum length, in bytes, of a name that is derived from a formula.
const MAX_DERIVED_NAME_BYTES: usize = 24;

/// Returns whether the key at an index of the step's formulas is a formula.
pub(super) fn is_formula_key(plan: &StepPlan<'_>, ast: &Ast, index: usize) -> bool {
    let is_name = |expr: Expr| matches!(expr, Expr::Name | Expr::Field | Expr::Model | Expr::Cell | Expr::Error);
    let Some(parsed) = ast.definitions.get(index) else {
        return false;
    };
    let is_key = match ast.expr(parsed.body) {
        Expr::Timeframe { base, .. } => is_name(ast.expr(base)),
        expr => is_name(expr),
    };
    let definition = plan.program.definitions.try_get(index);
    let is_row_level = |root| plan.program.meta(root).level == Level::Row;
    let is_checked = definition.is_some_and(|definition| !definition.failed && is_row_level(definition.root));
    plan.roles.try_get(index) == Some(&DefinitionRole::GroupBy) && is_checked && !is_key
}

/// Reports formulas in `group_by`.
pub(super) fn check_formula_keys(plan: &StepPlan<'_>, ast: &Ast, text: &str, diagnostics: &mut Vec<Diagnostic>) {
    for (index, definition) in plan.program.definitions.iter().enumerate() {
        if !is_formula_key(plan, ast, index) {
            continue;
        }
        let formula = definition.span.text(text);
        let name = snake_case(formula);
        let name = match name.len() > MAX_DERIVED_NAME_BYTES || name_needs_quotes(&name) {
            true => "key",
            false => &name,
        };
        let message =
            format!("`group_by` contains the formula `{formula}` instead of a column, definition or timeframe");
        let help = format!("add `{name} = {formula}` to `definitions`, and group by `{name}`");
        diagnostics.push(Diagnostic::new(Code::StrayFormula, definition.span, message).with_help(help));
    }
}
