//! Checks sort keys whose values depend on other rows.

use crate::Level;
use crate::check::DefinitionRole;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrDefinition, IrId, Program};
use crate::plan::StepPlan;

/// Reports sort keys whose values depend on other rows, if a definition of the step depends on the order of the rows.
/// Other windows, such as ranks, are computed before the rows are sorted.
pub(super) fn check_window_sort_keys(plan: &StepPlan<'_>, text: &str, diagnostics: &mut Vec<Diagnostic>) {
    let program = plan.program;
    let mut definitions = program.definitions.iter().filter(|definition| !definition.failed);
    let Some(ordered) = definitions.find(|definition| depends_on_order(program, definition)) else {
        return;
    };
    let ordered_name = ordered.name.as_deref().unwrap_or_default();
    for (definition, role) in program.definitions.iter().zip(&plan.roles) {
        let meta = program.meta(definition.root);
        if *role != DefinitionRole::OrderBy || definition.failed || meta.level != Level::Window {
            continue;
        }
        let key = meta.span.text(text).trim();
        let message = match key.eq_ignore_ascii_case(ordered_name) {
            true => {
                format!("`{key}` depends on the order of the rows, so it cannot be used in `order_by` of the same step")
            }
            false => format!(
                "the step cannot sort by `{key}`, because `{key}` reads other rows and `{ordered_name}` depends on the \
                 order of the rows"
            ),
        };
        diagnostics.push(
            Diagnostic::new(Code::WindowNotAllowed, meta.span, message)
                .with_help("define the value in this step, and order by it in the next step"),
        );
    }
}

fn depends_on_order(program: &Program, definition: &IrDefinition) -> bool {
    (definition.first.0..=definition.root.0).any(|index| match program.node(IrId(index)) {
        Ir::Window { over, .. } => program.window_frame(over).is_ordered(),
        Ir::PeriodLookup { .. } | Ir::RowLookup { .. } => true,
        _ => false,
    })
}
