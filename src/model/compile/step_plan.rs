//! Plans of steps: the roles of their definitions, their names, and the values that their columns may contain.

use super::SpecCompilation;
use crate::Level;
use crate::Type;
use crate::arena::Arena;
use crate::ast::Ast;
use crate::check::{self, DefinitionRole};
use crate::formulas::StepFormulas;
use crate::ir::{ColumnUse, Ir, Program};
use crate::load::Step;
use crate::plan::{StepPlan, grouped_rows_name, key_name, shorten_name};
use crate::schema::Relation;

impl SpecCompilation<'_> {
    /// Returns the name of a step. The name of an unnamed step is generated from its input and grouping keys, for
    /// example `orders_by_region`.
    pub(super) fn step_name(&self, step: &Step<'_>, from: &str, plan: &StepPlan<'_>, text: &str) -> String {
        if let Some(name) = step.name {
            return name.text.to_owned();
        }
        let program = plan.program;
        let keys: Vec<String> = (0..program.definitions.len())
            .filter(|i| plan.roles[*i] == DefinitionRole::GroupBy)
            .filter_map(|i| match program.node(program.definitions[i].root) {
                Ir::Definition(definition_index) => program.definitions[definition_index as usize]
                    .name
                    .as_deref()
                    .map(str::to_owned),
                Ir::Column(column) => Some(program.columns[column as usize].output_name().to_owned()),
                _ => Some(key_name(program.definitions[i].span.text(text))),
            })
            .collect();
        let mut name = match keys.is_empty() && !plan.grouped {
            true => shorten_name(&format!("{from}_calculated")),
            false => grouped_rows_name(from, &keys),
        };
        while self
            .sources
            .sources
            .iter()
            .any(|source| source.name.eq_ignore_ascii_case(&name))
        {
            name.push_str("_rows");
        }
        name
    }
}

/// Records which strings a step's columns may contain, for comparisons in later steps.
pub(super) fn record_possible_values(plan: &StepPlan<'_>, relations: &[Relation], relation: &mut Relation) {
    let program = plan.program;
    for (index, definition) in program.definitions.iter().enumerate() {
        let source_name = match (program.node(definition.root), plan.roles[index]) {
            (Ir::Column(column), DefinitionRole::GroupBy) => {
                program.columns.try_get(column as usize).map(ColumnUse::output_name)
            }
            _ if plan.outputs[index] => definition.name.as_deref(),
            _ => None,
        };
        let Some(name) = source_name.filter(|_| program.meta(definition.root).ty == Type::Text) else {
            continue;
        };
        if let Some(values) = check::possible_values(program, relations, definition.root) {
            relation.record_values(name, values);
        }
    }
}

/// Returns the plan of a step: the role of each definition, and whether it is a column of the step.
pub(super) fn build_plan<'p>(
    program: &'p Program,
    ast: &Ast,
    formulas: &StepFormulas<'_>,
    step: &Step<'_>,
) -> StepPlan<'p> {
    let role = |index: usize| {
        ast.definitions
            .get(index)
            .and_then(|d| formulas.roles.get(d.part as usize))
            .copied()
            .unwrap_or(DefinitionRole::Definitions)
    };
    let count = program.definitions.len();
    let roles: Arena<DefinitionRole> = (0..count).map(role).collect();
    let aggregates = program
        .nodes()
        .any(|n| matches!(n, Ir::Aggregate { .. } | Ir::CountRows));
    let grouped = !step.group_by.is_empty() || aggregates;
    let mut keys = Arena::filled(false, count);
    for (role, definition) in roles.iter().zip(&program.definitions) {
        if let (DefinitionRole::GroupBy, Ir::Definition(definition_index)) = (role, program.node(definition.root)) {
            keys[definition_index as usize] = true;
        }
    }
    let outputs = (0..count)
        .map(|i| {
            let level = program.meta(program.definitions[i].root).level;
            roles[i] == DefinitionRole::Definitions && (!grouped || keys[i] || level != Level::Row)
        })
        .collect();
    StepPlan {
        program,
        roles,
        grouped,
        keys,
        outputs,
    }
}
