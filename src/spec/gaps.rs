//! OFFSET over dates: it counts rows, and a month without rows is none.

use crate::catalog::{self, internal};
use crate::check::Role;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId};
use crate::plan::{StepInput, StepPlan, used_definitions};
use crate::types::Type;

/// Warns, once a step, of an OFFSET in the order of a date of which each row, or group, has another: rows are periods
/// then, and where one is missing the row before is not the period before.
pub(super) fn check_gaps(plan: &StepPlan<'_>, input: &StepInput<'_>, text: &str, found: &mut Vec<Diagnostic>) {
    let program = plan.program;
    let dated = |index: usize| {
        let root = program.definitions[index].root;
        let is_period = match (program.node(root), plan.grouped) {
            (Ir::Definition(used), true) => plan.keys[used as usize],
            // What `order_by` names in a grouped step is a key, or it would be refused.
            (Ir::Column(_) | Ir::Apply { .. }, true) => true,
            (Ir::Column(column), false) => {
                let name = &program.columns[column as usize].name;
                input.grain.iter().any(|g| g.eq_ignore_ascii_case(name))
            }
            _ => false,
        };
        is_period && program.meta(root).ty == Type::Date
    };
    let count = program.definitions.len();
    let Some(order) = (0..count).find(|i| plan.roles[*i] == Role::OrderBy && !program.definitions[*i].failed) else {
        return;
    };
    if !dated(order) {
        return;
    }
    let live = used_definitions(plan);
    // OFFSET of a value by a number of rows, which is negative for those before.
    let offset = |id: IrId| {
        let Ir::Window { call, .. } = program.node(id) else { return None };
        let Ir::Apply { overload, args } = program.node(call) else { return None };
        let sign = match catalog::owner(overload) {
            internal::LAG => "-",
            internal::LEAD => "",
            _ => return None,
        };
        match program.args(args) {
            [value, rows] => Some((*value, sign, *rows)),
            _ => None,
        }
    };
    let definitions = program.definitions.iter().zip(&live).filter(|(d, live)| **live && !d.failed);
    let first = definitions
        .flat_map(|(d, _)| (d.first.0..d.root.0 + 1).map(IrId))
        .find_map(|id| offset(id).map(|found| (id, found)));
    let Some((id, (value, sign, rows))) = first else { return };
    let key = program.definitions[order].span.text(text).trim();
    let of = program.meta(value).span.excerpt(text);
    let Ir::Number(digits) = program.node(rows) else { return };
    let rows = program.text(digits);
    let message = format!("`OFFSET` counts rows: where a value of `{key}` is missing, it takes another period's");
    found.push(
        Diagnostic::new(Code::RowsNotPeriods, program.meta(id).span, message)
            .with_help(format!("write `PERIODOFFSET({of}, {sign}{rows}, \"{}\")` to go along the calendar", unit(key))),
    );
}

/// What a key's timeframe, or its name, says that it counts in.
fn unit(key: &str) -> &'static str {
    let key = key.to_ascii_lowercase();
    let named = key.split_once('[').map_or(key.as_str(), |(_, frame)| frame);
    let units = ["day", "week", "month", "quarter", "year"].into_iter();
    // Of `birthday_month` the last one counts.
    let last = units.filter_map(|unit| Some((named.rfind(unit)?, unit))).max();
    last.map_or("day", |(_, unit)| unit)
}
