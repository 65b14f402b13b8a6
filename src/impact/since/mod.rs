//! Finds the differences between two revisions. The comparison covers the results of SQL in specs and models, and the
//! text of properties and macros. Changes that cannot be traced are also reported.

mod changed_tests;
mod code;
mod jinja;
mod macros;
mod project;
mod properties;
mod seeds;
mod sources;
mod yaml_text;

use std::collections::BTreeMap;

use super::graph::{Graph, SpecModel};
use super::propagate::{ChangeNote, ChangeSeverity, NodeChanges};
use crate::lineage;

/// Kind of file in a dbt project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProjectFileKind {
    /// Code of a model.
    Model,
    /// Rows of a seed.
    Seed,
    /// Code of snapshots.
    Snapshot,
    /// File of macros.
    Macro,
    /// Singular test or generic tests.
    Test,
    /// YAML properties file.
    Properties,
    /// Project file, `dbt_project.yml`.
    Project,
    /// Other file that dbt reads. Changes to the file are not traced.
    #[default]
    Other,
}

/// File with its text at the base revision and its current text.
#[derive(Clone, Debug, Default)]
pub struct FileRevisions {
    /// Kind of the file.
    pub kind: ProjectFileKind,
    /// Path of the file, relative to the project.
    pub path: String,
    /// Text at the base revision. `None` if the file is new.
    pub before: Option<String>,
    /// Current text. `None` if the file is deleted.
    pub now: Option<String>,
}

impl FileRevisions {
    /// Returns the name of the model, seed or test, which is the file name before its first dot.
    fn name(&self) -> &str {
        let name = self.path.rsplit(['/', '\\']).next().unwrap_or_default();
        name.split_once('.').map_or(name, |(name, _)| name)
    }

    fn is_python(&self) -> bool {
        self.path.ends_with(".py")
    }

    fn texts(&self) -> (&str, &str) {
        (
            self.before.as_deref().unwrap_or_default(),
            self.now.as_deref().unwrap_or_default(),
        )
    }
}

/// Project at the base revision.
#[derive(Clone, Debug, Default)]
pub struct BaseRevision {
    /// Specs at the base revision.
    pub specs: Vec<SpecModel>,
    /// Files that differ between the revisions, except specs and the files generated from them.
    pub files: Vec<FileRevisions>,
    /// Current content of all macro files.
    pub macros: Vec<String>,
}

/// Difference between the two revisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevisionDifference {
    /// Name of the changed object, such as `mrr.growth` or `orders`.
    pub name: String,
    /// Kind of difference: `formula`, `removed`, `added`, `description`, `contract`, `type`, `rows`, `sql`, `layout`,
    /// `macro`, `test`, ….
    pub what: &'static str,
    /// Value before the change.
    pub before: String,
    /// Value after the change.
    pub now: String,
    /// Models that use the changed metric of a metric set. Empty for other differences.
    pub models: Vec<String>,
    /// Reason why the exact difference is not known. `None` if the difference is known.
    pub reason_for_unknown_difference: Option<String>,
}

/// Returns the nodes that changed since the base revision, and all differences between the two revisions.
#[must_use]
pub fn changes_since(graph: &Graph<'_>, before: &BaseRevision) -> (Vec<NodeChanges>, Vec<RevisionDifference>) {
    lineage::with_large_stack(|| {
        let mut revision_comparer = RevisionComparer {
            graph,
            initial_changes: BTreeMap::new(),
            differences: Vec::new(),
        };
        revision_comparer.compare_spec_models(&before.specs);
        before
            .files
            .iter()
            .for_each(|file| revision_comparer.compare_file(file, &before.macros));
        let is_something = |start: &NodeChanges| {
            start.rows || start.is_removed || !start.columns.is_empty() || !start.notes.is_empty()
        };
        (
            revision_comparer
                .initial_changes
                .into_values()
                .filter(is_something)
                .collect(),
            revision_comparer.differences,
        )
    })
    .unwrap_or_default()
}

/// Differences found so far.
struct RevisionComparer<'g, 'a> {
    graph: &'g Graph<'a>,
    initial_changes: BTreeMap<usize, NodeChanges>,
    differences: Vec<RevisionDifference>,
}

impl RevisionComparer<'_, '_> {
    fn compare_spec_models(&mut self, before: &[SpecModel]) {
        let now = self.graph.sources.specs;
        self.compare_metrics(before);
        for spec in now {
            let Some(index) = self.index_of(&spec.name) else {
                continue;
            };
            let start = self.initial_changes.entry(index).or_insert_with(|| NodeChanges {
                node_index: index,
                ..NodeChanges::default()
            });
            match before.iter().find(|old| old.name.eq_ignore_ascii_case(&spec.name)) {
                Some(old) => code::compare_specs(self.graph, old, spec, start, &mut self.differences),
                None => self
                    .differences
                    .push(new_difference(&spec.name, "added", "", &spec.path)),
            }
        }
        for old in before
            .iter()
            .filter(|old| !now.iter().any(|spec| spec.name.eq_ignore_ascii_case(&old.name)))
        {
            self.report_change(&old.name, "removed", &old.path, "");
            if let Some(index) = self.index_of(&old.name) {
                self.node_changes_mut(index).is_removed = true;
            }
        }
    }

    /// Reports each changed formula of a metric set only once, with the models that use the formula.
    fn compare_metrics(&mut self, before: &[SpecModel]) {
        let mut changed: BTreeMap<String, RevisionDifference> = BTreeMap::new();
        for spec in self.graph.sources.specs {
            let Some(old) = before.iter().find(|old| old.name.eq_ignore_ascii_case(&spec.name)) else {
                continue;
            };
            for change in spec.compiled.metric_changes_since(&old.compiled) {
                let text = |formula: &Option<String>| formula.clone().unwrap_or_default();
                let (before, after) = (text(&change.before), text(&change.after));
                let new = || new_difference(&change.metric, "formula", &before, &after);
                let difference = changed.entry(change.metric.clone()).or_insert_with(new);
                difference.models.push(spec.name.clone());
            }
        }
        self.differences.extend(changed.into_values());
    }

    fn compare_file(&mut self, file: &FileRevisions, macros: &[String]) {
        match file.kind {
            ProjectFileKind::Model => self.compare_code(file, file.name(), file.before.as_deref(), file.now.as_deref()),
            ProjectFileKind::Snapshot => self.compare_snapshots(file),
            ProjectFileKind::Seed => self.compare_seed(file),
            ProjectFileKind::Macro => self.compare_macros(file),
            ProjectFileKind::Test => self.compare_singular_test(file),
            ProjectFileKind::Properties => self.compare_properties(file),
            ProjectFileKind::Project => self.compare_project(file, macros),
            ProjectFileKind::Other => {
                let why = "the effect of the file is unknown: run `dbt compile` before and after the change, and \
                           compare the results";
                self.report_incomparable_change(&file.path, "file", why);
            }
        }
    }

    /// Compares the code of a model or a snapshot in a file.
    fn compare_code(&mut self, file: &FileRevisions, name: &str, before: Option<&str>, now: Option<&str>) {
        let index = self.index_of(name);
        let mut start = NodeChanges::default();
        match (before, now) {
            (Some(_), Some(_)) if file.is_python() => {
                code::report_uncomparable_sql(name, "the code is Python", &mut start, &mut self.differences);
            }
            (Some(old), Some(new)) => {
                code::compare_models(self.graph, name, old, new, &mut start, &mut self.differences);
                let config = jinja::config_changes(old, new);
                for change in &config {
                    self.report_change(&format!("{name}.{}", change.key), "config", &change.before, &change.now);
                    if change.affects_rows() {
                        start.rows = true;
                        start.reason = Some(format!("the configuration `{}` changes", change.key));
                    }
                }
            }
            (None, _) => self.report_change(name, "added", "", ""),
            (Some(_), None) => {
                self.report_change(name, "removed", "", "");
                start.is_removed = true;
            }
        }
        let Some(index) = index else { return };
        self.node_changes_mut(index).merge(start);
    }

    /// Compares a snapshot file block by block. If the file has no snapshot blocks, the whole file is compared under
    /// its own name.
    fn compare_snapshots(&mut self, file: &FileRevisions) {
        let (before, now) = file.texts();
        let (old, new) = (jinja::parse_blocks(before), jinja::parse_blocks(now));
        if old.is_empty() && new.is_empty() {
            return self.compare_code(file, file.name(), file.before.as_deref(), file.now.as_deref());
        }
        for (name, before, now) in jinja::changed_jinja_blocks(&old, &new) {
            self.compare_code(file, &name, before, now);
        }
    }

    /// Returns the changes recorded so far for the node at an index. Empty if none have been recorded.
    fn node_changes_mut(&mut self, index: usize) -> &mut NodeChanges {
        self.initial_changes.entry(index).or_insert_with(|| NodeChanges {
            node_index: index,
            ..NodeChanges::default()
        })
    }

    /// Adds a note to the node at `index` about a change that does not affect the node's values.
    fn add_note(&mut self, index: usize, name: &str, description: String, severity: ChangeSeverity, reason: &str) {
        let note = ChangeNote {
            name: name.to_owned(),
            description,
            severity,
            reason: reason.to_owned(),
        };
        self.node_changes_mut(index).notes.push(note);
    }

    fn report_change(&mut self, name: &str, description: &'static str, before: &str, now: &str) {
        self.differences.push(new_difference(name, description, before, now));
    }

    fn report_incomparable_change(&mut self, name: &str, description: &'static str, reason: &str) {
        self.differences.push(RevisionDifference {
            reason_for_unknown_difference: Some(reason.to_owned()),
            ..new_difference(name, description, "", "")
        });
    }

    /// Returns the model, seed or snapshot with the given name.
    fn index_of(&self, name: &str) -> Option<usize> {
        self.graph.nodes.iter().position(|part| {
            part.kind().is_referenceable()
                && (part.name().eq_ignore_ascii_case(name) || part.spec.is_some_and(|spec| spec.name == name))
        })
    }
}

fn new_difference(name: &str, description: &'static str, before: &str, now: &str) -> RevisionDifference {
    RevisionDifference {
        name: name.to_owned(),
        what: description,
        before: before.to_owned(),
        now: now.to_owned(),
        models: Vec::new(),
        reason_for_unknown_difference: None,
    }
}
