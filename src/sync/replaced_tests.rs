//! Edits to the arguments or settings of a data test. A comparison shows such an edit as a removed test and an added
//! test.

use super::manual_edits::{ManualEdit, Property};
use super::model_reconciler::ModelReconciler;
use super::properties::display_value;
use super::reconcile::ReconcileResult;
use super::write_back;
use crate::yaml_edit::YamlValue;

impl ModelReconciler<'_> {
    /// Reconciles edited data tests, and removes their edits from `edits`. If a spec generates a test from a rule or a
    /// key but cannot express the edited test, the edited test remains in the file. A copy of the test in the spec
    /// would give the file two tests with the same name.
    pub fn reconcile_replaced_tests(&mut self, edits: &mut Vec<ManualEdit>, reconciled: &mut ReconcileResult) {
        if self.sides.bases.len() != 1 {
            return;
        }
        for removed in edits.clone() {
            let added =
                find_replacement_test(&removed, edits).filter(|added| self.are_unchanged_in_spec([&removed, *added]));
            let Some(added) = added.cloned() else { continue };
            let both = [removed, added];
            if self.transfer_replaced_test(&both) {
                reconciled.carried.extend(both.iter().cloned());
            } else if self.is_removed_test_in_spec(&both[0]) {
                continue;
            } else {
                let why = Some("the spec generates the test from a rule or a key".to_owned());
                let kept = both.iter().cloned().map(|edit| ManualEdit {
                    why: why.clone(),
                    ..edit
                });
                reconciled.kept.extend(kept);
            }
            edits.retain(|edit| !both.contains(edit));
        }
    }

    /// Returns `true` if the spec contains the test that a user removed from the file, so that the spec can remove it,
    /// too.
    fn is_removed_test_in_spec(&self, removed: &ManualEdit) -> bool {
        let candidates = write_back::specs_with_transferred_edit(&self.ours.source, removed);
        candidates
            .iter()
            .any(|source| self.compile_with_values(source, &[removed]).is_some())
    }

    /// Transfers an edited test to the spec. Returns `false` if no spec can express the test.
    fn transfer_replaced_test(&mut self, [removed, added]: &[ManualEdit; 2]) -> bool {
        let mut with_test = write_back::specs_with_transferred_edit(&self.ours.source, added);
        let without = with_test
            .iter()
            .flat_map(|source| write_back::specs_with_transferred_edit(source, removed));
        with_test.extend(without.collect::<Vec<_>>());
        let mut carried = with_test
            .iter()
            .find_map(|source| self.compile_with_values(source, &[removed, added]));
        if carried.is_none()
            && let Some(item) = added.values.1.as_ref()
        {
            let (severity, generated) = without_default_severity(item);
            let generated = ManualEdit {
                detail: display_value(&generated),
                after: Some(display_value(&generated)),
                ..added.clone()
            };
            carried = write_back::with_rule_severity(&self.ours.source, severity)
                .iter()
                .find_map(|source| self.compile_with_values(source, &[removed, &generated]));
        }
        let Some(carried) = carried else { return false };
        self.ours = carried;
        true
    }

    /// Returns `true` if the spec has not changed the edited properties since the last push.
    fn are_unchanged_in_spec(&self, edits: [&ManualEdit; 2]) -> bool {
        edits.iter().all(|edit| {
            let (base, ours) = self.edited_values(edit);
            base == ours
        })
    }
}

/// Returns the added test that replaces a removed test: a test of the same kind, with the same name, on the same
/// column.
fn find_replacement_test<'e>(removed: &ManualEdit, edits: &'e [ManualEdit]) -> Option<&'e ManualEdit> {
    let (Property::Tests, (Some(before), None)) = (removed.property, &removed.values) else {
        return None;
    };
    edits.iter().find(|added| {
        let of_same_part = (added.property, &added.definition) == (removed.property, &removed.definition);
        let is_same = |after: &YamlValue| test_kind_and_name(after) == test_kind_and_name(before);
        of_same_part && added.values.0.is_none() && added.values.1.as_ref().is_some_and(is_same)
    })
}

/// Returns the kind of a data test, and the name that the test specifies.
fn test_kind_and_name(test: &YamlValue) -> Option<(&str, Option<&str>)> {
    match test {
        YamlValue::Map(pairs, _) => {
            let (kind, settings) = pairs.first()?;
            Some((kind, settings.get("name").and_then(YamlValue::as_text)))
        }
        test => Some((test.as_text()?, None)),
    }
}

/// Returns the severity of a data test, and the test as a spec generates it: without the default severity `error`.
fn without_default_severity(test: &YamlValue) -> (Option<&str>, YamlValue) {
    let YamlValue::Map(pairs, style) = test else {
        return (None, test.clone());
    };
    let mut severity = None;
    let mut pairs_without = Vec::new();
    for (kind, settings) in pairs {
        severity = settings
            .get("config")
            .and_then(|config| config.get("severity"))
            .and_then(YamlValue::as_text);
        let is_default = severity == Some("error");
        let without = |value: &YamlValue, key: &str| match value {
            YamlValue::Map(pairs, style) => {
                YamlValue::Map(pairs.iter().filter(|(own, _)| own != key).cloned().collect(), *style)
            }
            value => value.clone(),
        };
        let settings = match settings.get("config").map(|config| without(config, "severity")) {
            Some(YamlValue::Map(rest, _)) if is_default && rest.is_empty() => without(settings, "config"),
            _ => settings.clone(),
        };
        pairs_without.push((kind.clone(), settings));
    }
    (severity, YamlValue::Map(pairs_without, *style))
}
