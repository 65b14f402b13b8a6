//! Types that later steps require of the columns of earlier steps, so that columns without a schema get their types
//! from all uses in the file.

use rustc_hash::{FxHashMap, FxHashSet};

use super::SpecCompilation;
use crate::Type;
use crate::formulas::StepFormulas;
use crate::load::StepInputs;
use crate::scratch::CompileMemory;

/// Names with their required types.
pub(crate) type RequiredTypes = Vec<(String, Type)>;

impl SpecCompilation<'_> {
    /// Returns, for each step by index, the types that later steps require of its columns. Empty if the types of all
    /// columns are known. Steps with joins are skipped, because their names may belong to several relations.
    pub(super) fn types_required_by_later_steps(&self, memory: &mut CompileMemory) -> FxHashMap<usize, RequiredTypes> {
        let mut required: FxHashMap<usize, RequiredTypes> = FxHashMap::default();
        let steps = &self.spec.steps;
        if steps.len() < 2 || self.are_types_known() {
            return required;
        }
        for index in (1..steps.len()).rev() {
            let inputs = match self.spec.step_input(index) {
                StepInputs::Relation(_) => continue,
                StepInputs::Step(input) => vec![input],
                StepInputs::Union(inputs) => inputs,
            };
            let Some(step) = steps
                .get(index)
                .filter(|step| step.joins.is_empty() && !step.has_invalid_keys)
            else {
                continue;
            };
            let formulas = StepFormulas::new(step, self.source);
            let later = required.get(&index).map_or(&[][..], Vec::as_slice);
            self.check_step_in_isolation((index, step), &formulas, None, later, memory);
            let columns = memory.program.columns.iter().filter(|column| column.assumed);
            let mut types: RequiredTypes = columns
                .map(|column| (column.output_name().to_owned(), column.ty))
                .filter(|(_, ty)| *ty != Type::Unknown)
                .collect();
            // If this step passes on a column unchanged, the types that later steps require of the column also apply
            // here.
            let defined = memory
                .program
                .definitions
                .iter()
                .filter_map(|ir_definition| ir_definition.name.as_deref());
            let typed_columns: FxHashSet<String> = types
                .iter()
                .map(|(name, _)| name.as_str())
                .chain(defined)
                .map(str::to_lowercase)
                .collect();
            types.extend(
                later
                    .iter()
                    .filter(|(name, _)| !typed_columns.contains(&name.to_lowercase()))
                    .cloned(),
            );
            for input in inputs {
                required.entry(input).or_default().extend(types.iter().cloned());
            }
        }
        required
    }

    /// Returns the types that later steps require of the columns of the step at an index.
    pub(super) fn types_required_of_step(&self, index: usize) -> &[(String, Type)] {
        self.required_types.get(&index).map_or(&[], Vec::as_slice)
    }

    /// Returns whether a schema contains the types of all columns of the relations that steps read.
    fn are_types_known(&self) -> bool {
        self.sources.sources.iter().all(|source| {
            self.schema_relation(&source.from).is_some_and(|relation| {
                !relation.is_open() && relation.columns().iter().all(|column| column.ty() != Type::Unknown)
            })
        })
    }
}
