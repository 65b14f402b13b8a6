//! Conflicts that a user must resolve: parts that were changed in both the spec and a file since the last push.

use formulac_syntax::yaml::CONFLICT_MARKER;
use serde_json::{Value, json};

use super::manual_edits::{ManualEdit, Property};
use super::metric_set_conflicts::MetricSetConflict;
use super::structure_edits::step_with_condition;
use crate::decompile::{MergeConflict, Substitution};
use crate::yaml_edit::{Edit, YamlValue, apply_edits};

/// Conflict between a change in the spec and a different change to the same part in a file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Conflict {
    /// Name of the definition or column. `None` if the conflict concerns the whole model or a file.
    pub definition: Option<String>,
    /// Name of the step that contains the definition, if any.
    pub step: Option<String>,
    /// Property that was changed on both sides.
    pub property: Property,
    /// Key under the property, or list item.
    pub detail: String,
    /// Value before both changes.
    pub base: Option<String>,
    /// Value in the spec.
    pub ours: Option<String>,
    /// Path of the spec.
    pub spec: String,
    /// Line number in the spec, if known.
    pub spec_line: Option<usize>,
    /// Value in the file.
    pub theirs: Option<String>,
    /// The file's version as a formula, if the edited SQL can be converted to a formula.
    pub theirs_formula: Option<String>,
    /// Path of the file.
    pub file: String,
    /// Line number in the file.
    pub line: usize,
    /// Edit to the file. `None` if the conflict concerns a complete file.
    pub edit: Option<ManualEdit>,
    /// Parts of the file that were changed on both sides. Empty if the conflict does not concern a file.
    pub clashes: Vec<MergeConflict>,
    /// Definitions and conditions of the spec that would read the edited column, although they do not name it. Empty if
    /// the same part was changed in the spec and in the file.
    pub readers: Vec<String>,
    /// Replacements of byte ranges in a model's SQL that undo the edit. Line breaks in the file are `\n`. Empty if the
    /// edit is removed by other means.
    pub restored: Vec<Substitution>,
    /// Metric set that contains the definition, if a metric set defines the edited SQL.
    pub set: Option<MetricSetConflict>,
}

impl Conflict {
    /// Returns `true` if the conflict is between a description in Omni and a handwritten description in dbt. In this
    /// case, a push generated neither file.
    #[must_use]
    pub fn is_omni_conflict(&self) -> bool {
        self.property == Property::Description && self.edit.is_none()
    }

    /// Returns `true` if the file is not valid YAML or SQL and therefore cannot be compared with the spec.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.edit
            .as_ref()
            .is_some_and(|edit| edit.concerns_whole_file() && edit.why.is_some())
    }

    /// Returns `true` if the file contains a conflict marker of git.
    #[must_use]
    pub fn has_conflict_marker(&self) -> bool {
        let why = self.edit.as_ref().and_then(|edit| edit.why.as_deref());
        self.is_unreadable() && why == Some(CONFLICT_MARKER)
    }

    /// Returns `where` or `having` if the conflict concerns this condition of the spec.
    #[must_use]
    pub fn clause(&self) -> Option<&str> {
        let position = self.edit.as_ref()?.position.as_ref()?;
        (self.definition.is_none() && position.clause_name_if_condition().is_some()).then_some(self.detail.as_str())
    }

    /// Returns the name of the conflicting property or condition.
    #[must_use]
    pub fn property_name(&self) -> &str {
        self.clause().unwrap_or(self.property.name())
    }

    /// Returns the spec with a different formula for the conflicting condition. An empty formula removes the condition.
    pub(super) fn with_condition(&self, source: &str, formula: &str) -> Option<String> {
        let clause = self.clause()?;
        let at = step_with_condition(source, self.step.as_deref())?.0.key(clause);
        let edit = match formula {
            "" => Edit::Remove { at },
            _ => Edit::Set {
                at,
                value: YamlValue::text(formula),
                after: ["group_by", "where", "joins", "from"].map(str::to_owned).to_vec(),
            },
        };
        apply_edits(source, &[edit]).ok()
    }

    /// Returns the conflict in the format of a saved plan.
    pub(super) fn json(&self) -> Value {
        json!({
            "definition": self.definition, "step": self.step, "property": self.property_name(),
            "base": self.base,
            "readers": self.readers,
            "clashes": self.clashes.iter().map(|clash| json!({
                "what": clash.description, "line": clash.line, "base": clash.base, "ours": clash.ours, "theirs": clash.theirs,
            })).collect::<Vec<_>>(),
            "ours": {"text": self.ours, "file": self.spec, "line": self.spec_line},
            "theirs": {
                "text": self.theirs, "file": self.file, "line": self.line,
                "formula": self.theirs_formula,
            },
            "set": self.set.as_ref().map(MetricSetConflict::json),
        })
    }
}
