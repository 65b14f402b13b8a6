//! Value numbering: finds equal values, so that each value is computed only once.

use rustc_hash::FxHashMap;

use super::StepPlan;
use super::liveness::live_nodes;
use crate::arena::Arena;
use crate::ir::{Ir, IrId, Program};

/// Returns the nodes of each aggregate and window that occurs more than once in live definitions. The node that is
/// computed first comes first.
pub(super) fn find_equal_values(step: &StepPlan<'_>, live: &Arena<bool>) -> Vec<Vec<IrId>> {
    let program = step.program;
    let counts = |node: &Ir| matches!(node, Ir::Aggregate { .. } | Ir::Window { .. } | Ir::PeriodLookup { .. });
    if !program.shares_nodes && program.nodes().filter(counts).count() < 2 {
        return Vec::new();
    }
    let occurrences = if program.shares_nodes {
        count_occurrences(step, live)
    } else {
        Arena::new()
    };
    let mut classes: FxHashMap<u32, Vec<IrId>> = FxHashMap::default();
    number_values(step, live, |id, number| {
        if counts(&program.node(id)) && !program.meta(id).volatile {
            let class = classes.entry(number).or_default();
            class.push(id);
            if occurrences.try_get(id.index()).is_some_and(|count| *count > 1) {
                class.push(id);
            }
        }
    });
    let mut equal: Vec<Vec<IrId>> = classes.into_values().filter(|ids| ids.len() > 1).collect();
    // The grouping stratum computes all aggregates. The stratum of a window depends on its operands.
    let aggregates = |ids: &&mut Vec<IrId>| ids.iter().all(|id| matches!(program.node(*id), Ir::Aggregate { .. }));
    equal.iter_mut().filter(aggregates).for_each(|ids| ids.sort_unstable());
    equal.sort_unstable();
    equal
}

/// Returns the number of occurrences of each node in the SQL of the live definitions. A name in LET, or a parameter of
/// a defined function, may be used several times.
fn count_occurrences(step: &StepPlan<'_>, live: &Arena<bool>) -> Arena<u32> {
    let program = step.program;
    let mut counts = Arena::filled(0_u32, program.len());
    for (definition, _) in program
        .definitions
        .iter()
        .zip(live)
        .filter(|(d, live)| **live && !d.failed)
    {
        counts[definition.root.index()] = 1;
        // Operands precede the nodes that use them.
        for id in (definition.first.0..=definition.root.0).rev().map(IrId) {
            let count = counts[id.index()];
            for operand in program.operands(id).filter(|_| count > 0) {
                counts[operand.index()] = counts[operand.index()].saturating_add(count);
            }
        }
    }
    counts
}

/// Returns a number for each node. Equal expressions in live definitions have the same number.
pub(super) fn number_values(step: &StepPlan<'_>, live: &Arena<bool>, mut each: impl FnMut(IrId, u32)) -> Arena<u32> {
    let program = step.program;
    let mut numbering = ValueNumbering {
        program,
        numbers: FxHashMap::default(),
        of: Arena::filled(0, program.len()),
    };
    for (id, _) in live_nodes(step, live) {
        each(id, numbering.number_node(id));
    }
    numbering.of
}

/// State of value numbering. Operands are numbered before the nodes that use them.
struct ValueNumbering<'p> {
    program: &'p Program,
    numbers: FxHashMap<ValueKey, u32>,
    of: Arena<u32>,
}

/// Operation of a node, with the numbers of its operands.
#[derive(PartialEq, Eq, Hash)]
struct ValueKey {
    kind: u8,
    payload: u64,
    text: String,
    operands: Vec<u32>,
}

impl ValueNumbering<'_> {
    fn number_node(&mut self, id: IrId) -> u32 {
        let program = self.program;
        let mut text = String::new();
        let (kind, payload) = match program.node(id) {
            // A reference to a definition has the number of the definition's root.
            Ir::Definition(definition_index) => {
                self.of[id.index()] = self.of[program.definition_root(definition_index).index()];
                return self.of[id.index()];
            }
            // Each error and each volatile value equals only itself.
            Ir::Error => (0, u64::from(id.0)),
            _ if program.meta(id).volatile => (0, u64::from(id.0)),
            Ir::Null => (1, program.meta(id).ty as u64),
            Ir::Bool(value) => (2, u64::from(value)),
            Ir::Number(slice) | Ir::Text(slice) | Ir::Date(slice) => {
                text.push_str(program.text(slice));
                (3, program.meta(id).ty as u64)
            }
            Ir::Column(column) => (4, u64::from(column)),
            Ir::Apply { overload, .. } => (5, u64::from(overload.0)),
            Ir::Case(_) => (6, 0),
            Ir::Switch { .. } => (7, 0),
            Ir::And(_) => (8, 0),
            Ir::Or(_) => (9, 0),
            Ir::Not(_) => (10, 0),
            Ir::IsNull { negated, .. } => (11, u64::from(negated)),
            Ir::Coalesce(_) => (12, 0),
            Ir::Aggregate { overload, distinct, .. } => (13, u64::from(overload.0) << 1 | u64::from(distinct)),
            Ir::CountRows => (14, 0),
            Ir::Window { over, .. } => {
                text = format!("{:?}", program.window_frame(over));
                (15, 0)
            }
            Ir::GroupWindow { role, .. } => {
                text = format!("{role:?}");
                (16, 0)
            }
            Ir::Distinct(_) => (17, 0),
            Ir::Today(_) => (19, 0),
            Ir::Macro(date) => {
                text.push_str(
                    program
                        .macros
                        .try_get(date as usize)
                        .map_or("", |(text, _)| program.text(*text)),
                );
                (24, 0)
            }
            Ir::PeriodLookup { period, .. } => {
                let (distance, months) = program.periods[period as usize].distance();
                (20, (distance as u64) << 1 | u64::from(months))
            }
            Ir::Range { over, .. } => {
                text = format!("{:?}", program.window_frame(over));
                (18, 0)
            }
            Ir::Ranges(_) => (21, 0),
            Ir::RowLookup { lookup, .. } => {
                if let Some(lookup) = program.lookups.try_get(lookup as usize) {
                    text = format!("{:?} {:?} {}", lookup.tab, lookup.matching, lookup.by_number);
                }
                (22, 0)
            }
            Ir::TabColumn { tab, column } => (23, u64::from(tab) << 32 | u64::from(column)),
        };
        let operands = program.operands(id).map(|o| self.of[o.index()]).collect();
        let next = self.numbers.len() as u32 + 1;
        let number = *self
            .numbers
            .entry(ValueKey {
                kind,
                payload,
                text,
                operands,
            })
            .or_insert(next);
        self.of[id.index()] = number;
        number
    }
}
