//! Transfers many edits to descriptions, tests and settings to the spec at once.

use std::collections::HashSet;

use super::manual_edits::{ManualEdit, Property};
use super::model_reconciler::ModelReconciler;
use super::write_back::{self, apply_spec_edits};
use crate::yaml_edit::parse_value;
use formulac_runtime::bisection::apply_with_bisection;

/// When several edits are transferred together, at most this many ways to write each edit in the spec are tried.
const MAX_EDIT_VARIANTS: usize = 4;

impl ModelReconciler<'_> {
    /// Transfers edits to descriptions, tests and settings that the spec has not changed. Compiling the spec after each
    /// of many edits would be quadratic. The other edits are left to [`Self::reconcile_edit`].
    pub fn transfer_value_edits_together(&mut self, edits: &[ManualEdit]) {
        let is_value = |edit: &&ManualEdit| {
            matches!(
                edit.property,
                Property::Description | Property::Tests | Property::Config
            ) && !edit.concerns_whole_file()
        };
        let mut left: Vec<ManualEdit> = Vec::new();
        for edit in edits.iter().filter(is_value) {
            let edit = self.with_current_name(edit);
            let (base, ours) = self.edited_values(&edit);
            let is_unchanged = base == ours || self.has_default_description(&edit, [&base, &ours]);
            if is_unchanged && ours != edit.after {
                left.push(edit);
            }
        }
        for variant_index in 0..MAX_EDIT_VARIANTS {
            if left.len() > 1 {
                left = self.transfer_value_edits(left, variant_index);
            }
        }
    }

    /// Transfers edits. `variant_index` is the index of the way in which each edit is written in the spec. If the spec
    /// with all of them also has other changes, transfers each half of the edits separately. Returns the edits that
    /// were not transferred.
    fn transfer_value_edits(&mut self, edits: Vec<ManualEdit>, variant_index: usize) -> Vec<ManualEdit> {
        let mut without_way = Vec::new();
        let mut left = apply_with_bisection(edits, |edits| {
            let source = &self.ours.source;
            let root = parse_value(source);
            let (mut written, mut spec_edits) = (Vec::new(), Vec::new());
            let mut lists = HashSet::new();
            for edit in edits {
                // A list that becomes empty is removed, so at most one test is removed from each list.
                let is_removed_test = edit.property == Property::Tests && edit.after.is_none();
                let is_separate = !is_removed_test || lists.insert(edit.definition.clone());
                let ways = is_separate.then(|| write_back::spec_edits(source, root.as_ref(), &edit));
                match ways.and_then(|ways| ways.into_iter().nth(variant_index)) {
                    Some(spec_edit) => {
                        spec_edits.push(spec_edit);
                        written.push(edit);
                    }
                    None => without_way.push(edit),
                }
            }
            if written.is_empty() {
                return Ok(());
            }
            let Some(source) = apply_spec_edits(source, spec_edits) else {
                return Err(written);
            };
            match self.compile_with_values(&source, &written.iter().collect::<Vec<_>>()) {
                Some(ours) => self.ours = ours,
                None => return Err(written),
            }
            Ok(())
        });
        left.append(&mut without_way);
        left
    }
}
