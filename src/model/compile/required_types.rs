//! Types that steps require of the columns of earlier steps, and of the relations that several steps read, so that
//! columns without a schema get their types from all uses in the file.

use rustc_hash::{FxHashMap, FxHashSet};

use super::SpecCompilation;
use crate::Type;
use crate::dbt::RelationReference;
use crate::formulas::StepFormulas;
use crate::load::StepInputs;
use crate::scratch::CompileMemory;

/// Names with their required types.
pub(crate) type RequiredTypes = Vec<(String, Type)>;

/// Step that reads a relation that other steps read, too.
struct RelationReader {
    step: usize,
    /// Columns of unknown type in the relation that the step uses, with the types that the step requires.
    columns: RequiredTypes,
    /// Types that the step and the steps after it require of the relation's columns.
    types: RequiredTypes,
    /// Lower-case names of the step's definitions. These names do not refer to the relation's columns.
    defined: FxHashSet<String>,
}

/// Adds the types that each step requires of a relation's columns to the types that the other steps must use.
fn add_types_of_shared_relation(readers: Vec<RelationReader>, required: &mut FxHashMap<usize, RequiredTypes>) {
    let mut types: FxHashMap<String, Vec<Type>> = FxHashMap::default();
    // The last step comes first.
    for (name, ty) in readers.iter().rev().flat_map(|reader| &reader.types) {
        let types = types.entry(name.to_lowercase()).or_default();
        // For each step, two different types include a type that differs from its own type.
        if types.len() < 2 && !types.contains(ty) {
            types.push(*ty);
        }
    }
    for RelationReader {
        step, columns, defined, ..
    } in readers
    {
        let other_type = |(name, own): (String, Type)| {
            let lower = name.to_lowercase();
            let types = types.get(&lower).filter(|_| !defined.contains(&lower))?;
            Some((name, *types.iter().find(|ty| **ty != own)?))
        };
        required
            .entry(step)
            .or_default()
            .extend(columns.into_iter().filter_map(other_type));
    }
}

impl SpecCompilation<'_> {
    /// Returns, for each step by index, the types that other steps require of its columns. Empty if the types of all
    /// columns are known. Steps with joins are skipped, because their names may belong to several relations.
    pub(super) fn types_required_by_other_steps(&self, memory: &mut CompileMemory) -> FxHashMap<usize, RequiredTypes> {
        let mut required: FxHashMap<usize, RequiredTypes> = FxHashMap::default();
        let steps = &self.spec.steps;
        if steps.len() < 2 || self.are_types_known() {
            return required;
        }
        let mut reader_counts: FxHashMap<&RelationReference, usize> = FxHashMap::default();
        for index in 0..steps.len() {
            if let StepInputs::Relation(from) = self.spec.step_input(index) {
                *reader_counts.entry(from).or_default() += 1;
            }
        }
        let mut shared: FxHashMap<&RelationReference, Vec<RelationReader>> = FxHashMap::default();
        for index in (0..steps.len()).rev() {
            let mut relation = None;
            let inputs = match self.spec.step_input(index) {
                StepInputs::Relation(from) if reader_counts.get(from).is_none_or(|count| *count < 2) => continue,
                StepInputs::Relation(from) => {
                    relation = Some(from);
                    Vec::new()
                }
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
            let columns: RequiredTypes = columns
                .map(|column| (column.output_name().to_owned(), column.ty))
                .collect();
            let mut types = columns.clone();
            types.retain(|(_, ty)| *ty != Type::Unknown);
            // If this step passes on a column unchanged, the types that later steps require of the column also apply
            // here.
            let defined = memory
                .program
                .definitions
                .iter()
                .filter_map(|ir_definition| ir_definition.name.as_deref());
            let defined: FxHashSet<String> = defined.map(str::to_lowercase).collect();
            let typed_columns: FxHashSet<String> = types.iter().map(|(name, _)| name.to_lowercase()).collect();
            types.extend(
                later
                    .iter()
                    .filter(|(name, _)| {
                        let name = name.to_lowercase();
                        !typed_columns.contains(&name) && !defined.contains(&name)
                    })
                    .cloned(),
            );
            if let Some(relation) = relation {
                shared.entry(relation).or_default().push(RelationReader {
                    step: index,
                    columns,
                    types: types.clone(),
                    defined,
                });
            }
            for input in inputs {
                required.entry(input).or_default().extend(types.iter().cloned());
            }
        }
        for readers in shared.into_values() {
            add_types_of_shared_relation(readers, &mut required);
        }
        required
    }

    /// Returns the types that other steps require of the columns of the step at an index.
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
