//! Changes to a spec since the last push. Edits that are transferred to the spec must not undo these changes.

use std::collections::BTreeMap;

use super::current_spec::CurrentSpec;
use super::plan_changes::{PlannedChange, changed_spec_clauses};
use super::renamed_definitions::{RenamedDefinition, renamed_definitions};
use super::state::normalize_line_endings;
use crate::decompile::replace_formula_names;
use crate::model::SpecDefinition;

/// Formulas by step and name.
type FormulasByStep = BTreeMap<(Option<String>, String), String>;

/// Spec that has changed since the last push.
pub(super) struct SpecChanges<'s> {
    base: &'s CurrentSpec,
    ours: &'s CurrentSpec,
    /// Definitions that the spec renames.
    pub renamed: Vec<RenamedDefinition>,
}

impl<'s> SpecChanges<'s> {
    /// Returns `None` if the spec has not changed.
    pub fn new(base: &'s CurrentSpec, ours: &'s CurrentSpec) -> Option<Self> {
        (base.source != normalize_line_endings(&ours.source)).then(|| Self {
            base,
            ours,
            renamed: renamed_definitions(&base.compiled, &ours.compiled),
        })
    }

    /// Returns whether a version of the spec with transferred edits contains these changes.
    pub fn are_preserved_in(&self, new: &CurrentSpec, renamed: &[RenamedDefinition]) -> bool {
        let formulas = |spec: &CurrentSpec, names: &[&[RenamedDefinition]]| -> FormulasByStep {
            let formula = |definition: &SpecDefinition| {
                let key = (
                    definition.step().map(str::to_owned),
                    apply_definition_renames(definition.name(), names),
                );
                (key, apply_definition_renames(definition.formula(), names))
            };
            spec.compiled.definitions().iter().map(formula).collect()
        };
        let before = formulas(self.base, &[&self.renamed, renamed]);
        let own = formulas(self.ours, &[renamed]);
        let now = formulas(new, &[]);
        let has_formulas = before.keys().chain(own.keys()).all(|key| {
            let formula = own.get(key);
            formula == before.get(key) || formula == now.get(key)
        });
        let mut new_names = self
            .renamed
            .iter()
            .map(|(_, new)| apply_definition_renames(new, &[renamed]));
        let has_names = new_names.all(|name| now.keys().any(|(_, other)| *other == name));
        let edited_clauses = changed_spec_clauses(&self.ours.source, &new.source);
        let has_clauses = changed_spec_clauses(&self.base.source, &self.ours.source)
            .iter()
            .all(|own| {
                let value = own
                    .after
                    .as_deref()
                    .map(|text| apply_definition_renames(text, &[renamed]));
                let is_same_clause =
                    |other: &&PlannedChange| (&other.definition, other.property) == (&own.definition, own.property);
                edited_clauses
                    .iter()
                    .filter(is_same_clause)
                    .all(|edited| edited.after == value)
            });
        has_formulas && has_names && has_clauses
    }
}

/// Returns the text with the new names of definitions. Each list of names applies to the result of the list before it.
fn apply_definition_renames(text: &str, lists: &[&[RenamedDefinition]]) -> String {
    lists.iter().fold(text.to_owned(), |text, renamed| match renamed {
        [] => text,
        renamed => {
            let names: Vec<(&str, String)> = renamed.iter().map(|(old, new)| (old.as_str(), new.clone())).collect();
            replace_formula_names(&text, &names)
        }
    })
}
