//! Aggregates that say the same, so that each is computed once.

use rustc_hash::FxHashMap;

use super::StepPlan;
use super::cuts::needed;
use crate::ir::{Ir, IrId, Program};

/// For each aggregate that stands more than once in live definitions, all its nodes, the first one first.
pub(super) fn equal_aggregates(step: &StepPlan<'_>, live: &[bool]) -> Vec<Vec<IrId>> {
    let program = step.program;
    let aggregates = program.nodes().filter(|n| matches!(n, Ir::Aggregate { .. })).count();
    if aggregates < 2 {
        return Vec::new();
    }
    let mut numbering = Numbering { program, numbers: FxHashMap::default(), of: vec![0; program.len()] };
    let mut classes: FxHashMap<u32, Vec<IrId>> = FxHashMap::default();
    for index in &program.order {
        let definition = &program.definitions[*index as usize];
        if !live[*index as usize] || definition.failed {
            continue;
        }
        for id in needed(program, definition.first, definition.root) {
            let number = numbering.number(id);
            if let (Ir::Aggregate { .. }, false) = (program.node(id), program.meta(id).volatile) {
                classes.entry(number).or_default().push(id);
            }
        }
    }
    let mut equal: Vec<Vec<IrId>> = classes.into_values().filter(|ids| ids.len() > 1).collect();
    equal.iter_mut().for_each(|ids| ids.sort_unstable());
    equal.sort_unstable();
    equal
}

/// Gives equal expressions equal numbers, operands first.
struct Numbering<'p> {
    program: &'p Program,
    numbers: FxHashMap<Key, u32>,
    of: Vec<u32>,
}

/// What a node is, with the numbers of its operands.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    kind: u8,
    payload: u64,
    text: String,
    operands: Vec<u32>,
}

impl Numbering<'_> {
    fn number(&mut self, id: IrId) -> u32 {
        let program = self.program;
        let mut text = String::new();
        let (kind, payload) = match program.node(id) {
            // A definition is what its root is.
            Ir::Definition(used) => {
                self.of[id.index()] = self.of[program.definitions[used as usize].root.index()];
                return self.of[id.index()];
            }
            // Each error, and each volatile, is only itself.
            Ir::Error => (0, u64::from(id.0)),
            _ if program.meta(id).volatile => (0, u64::from(id.0)),
            Ir::Null => (1, 0),
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
            Ir::Window { .. } => (15, 0),
            Ir::GroupWindow { .. } => (16, 0),
            Ir::Distinct(_) => (17, 0),
        };
        let operands = program.operands(id).map(|o| self.of[o.index()]).collect();
        let next = self.numbers.len() as u32 + 1;
        let number = *self.numbers.entry(Key { kind, payload, text, operands }).or_insert(next);
        self.of[id.index()] = number;
        number
    }
}

/// `SUM(amount)` is called `sum_amount`; none when the text is too long to be a name.
pub(super) fn name_of_text(text: &str) -> Option<String> {
    let mut name = String::new();
    for c in text.chars() {
        if c.is_alphanumeric() || c == '_' {
            name.extend(c.to_lowercase());
        } else if !name.ends_with('_') && !name.is_empty() {
            name.push('_');
        }
    }
    let name = name.trim_end_matches('_').to_owned();
    (!name.is_empty() && name.len() <= 32 && !name.starts_with(|c: char| c.is_ascii_digit())).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::name_of_text;

    #[test]
    fn names_say_what_is_computed() {
        assert_eq!(name_of_text("SUM(amount)").as_deref(), Some("sum_amount"));
        assert_eq!(name_of_text("COUNT(DISTINCT(customer_id))").as_deref(), Some("count_distinct_customer_id"));
        assert_eq!(name_of_text("SUMIF(AND(a = \"x\", b = \"y\"), a_rather_long_amount)"), None);
    }
}
