//! Transfers descriptions that users wrote in Omni to dbt: to the spec, or to the properties file that describes the
//! node.

use std::collections::BTreeMap;

use crate::artifacts::{Manifest, ManifestNode, ResourceType};
use crate::dbt::{escape_with_raw_block, unescape_raw_block};
use crate::omni::PullRecord;
use crate::yaml::{self, Node};
use crate::yaml_edit::{Edit, Path, YamlValue, apply_edits};

use super::conflict::Conflict;
use super::known::KnownFacts;
use super::manual_edits::{ManualEdit, Property};
use super::merge_files::TextChange;
use super::plan::{ModelAction, ModelPlan};
use super::plan_changes::PlannedChange;
use super::properties::line_number_at;
use super::properties_files::{
    PropertiesFiles, column_node, column_nodes, description_edit, find, properties_path, with_description,
};

/// Description in Omni that differs from the description on which Omni and dbt last agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OmniDescription {
    /// Name of the column. `None` for the description of the table.
    column: Option<String>,
    before: Option<String>,
    after: String,
    /// Description for the record of the view.
    in_record: DescriptionRecord,
    /// Line number in Omni's file.
    line: usize,
}

/// Dimension of a view, or `None` for the view itself, with its description. The description includes all spaces from
/// Omni's file.
type DescriptionRecord = (Option<String>, String);

/// Description of a column in a properties file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ColumnDescription {
    /// Unique id of the node in dbt's manifest.
    pub node: String,
    /// Name of the column.
    pub column: String,
    /// Description, without Jinja.
    pub text: String,
}

/// Changes to dbt's files and to specs that result from descriptions in Omni.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DescriptionActions {
    /// Changes to the files that describe nodes.
    pub plans: Vec<ModelPlan>,
    /// New descriptions of columns in these files.
    pub columns: Vec<ColumnDescription>,
    /// Edits to models that are generated from specs, each with the name of its model.
    pub of_specs: Vec<(String, ManualEdit)>,
    /// Views of models that are generated from specs, each with the name of its model.
    pub spec_views: Vec<(String, PulledView)>,
    /// Descriptions that cannot be transferred to dbt, each with its location and the reason.
    pub rejected: Vec<(String, String)>,
}

/// Pulled view, with its current file in Omni's folder.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PulledView {
    /// Record of the last pull of this view. The last push may have changed the record's descriptions.
    pub record: PullRecord,
    /// Path of the record's file, relative to the project's folder, and the contents of this file.
    record_file: (String, String),
    /// Path of the view's file, relative to the project's folder.
    pub file: String,
    /// Contents of the file.
    pub text: String,
}

impl PulledView {
    /// Creates a view from the record of its pull, the record's file and the current file in Omni's folder. Each file
    /// is a path with its contents.
    #[must_use]
    pub fn new(record: PullRecord, record_file: (String, String), (file, text): (&str, &str)) -> Self {
        Self {
            record,
            record_file,
            file: file.to_owned(),
            text: text.to_owned(),
        }
    }
}

/// Finds the descriptions that users changed in Omni since Omni and dbt last agreed. `is_spec` checks whether a model
/// is generated from a spec. `read_file` returns the contents of a project file.
#[must_use]
pub fn changed_descriptions(
    manifest: &Manifest,
    views: &[PulledView],
    is_spec: impl Fn(&str) -> bool,
    read_file: impl Fn(&str) -> Option<String>,
) -> DescriptionActions {
    let mut actions = DescriptionActions::default();
    let project = manifest.metadata.project_name.as_deref().unwrap_or_default();
    // Change all descriptions in a file together, because the file may describe many nodes.
    let mut files: BTreeMap<String, DescriptionFile<'_>> = BTreeMap::new();
    for view in views.iter().filter(|view| !view.record.is_removed_from_dbt) {
        let omni_descriptions = omni_descriptions(view);
        if omni_descriptions.is_empty() {
            continue;
        }
        let node = manifest.node(&view.record.node);
        let mut refuse = |reason: String| {
            actions.rejected.extend(
                omni_descriptions
                    .iter()
                    .map(|description| (describe_description_location(view, description), reason.clone())),
            );
        };
        let Some(node) = node else {
            refuse("the table no longer exists in dbt".to_owned());
            continue;
        };
        if node.resource_type == ResourceType::Model && &*node.package == project && is_spec(&node.name) {
            actions.of_specs.extend(
                omni_descriptions
                    .into_iter()
                    .map(|description| (node.name.to_string(), spec_edit(view, description))),
            );
            actions.spec_views.push((node.name.to_string(), view.clone()));
            continue;
        }
        if &*node.package != project {
            refuse(format!(
                "the table belongs to the package `{}`, whose files are not part of the project",
                node.package
            ));
            continue;
        }
        let Some(path) = properties_path(node) else {
            let file = &node.original_file_path;
            refuse(format!(
                "no properties file describes `{}`; create one next to {file}",
                node.name
            ));
            continue;
        };
        if !files.contains_key(path) {
            let Some(text) = read_file(path) else {
                refuse(format!("the properties file `{path}` does not exist"));
                continue;
            };
            files.insert(path.to_owned(), DescriptionFile::new(path, text));
        }
        if let Some(file) = files.get_mut(path) {
            file.add_descriptions(view, (manifest, node), omni_descriptions, &mut actions.rejected);
        }
    }
    for file in files.into_values() {
        file.finish(&mut actions);
    }
    actions
}

/// Returns the descriptions of columns in `known.yml` that differ from dbt's manifest only because dbt has not read the
/// properties files since they changed. `facts` contains the descriptions from dbt's artifacts, and `committed`
/// contains the descriptions from `known.yml`.
#[must_use]
pub fn descriptions_missing_from_manifest<R: Fn(&str) -> Option<String>>(
    manifest: &Manifest,
    (facts, committed): (&KnownFacts, &KnownFacts),
    files: &PropertiesFiles<'_, R>,
) -> Vec<ColumnDescription> {
    let mut unread = Vec::new();
    for node in &manifest.nodes {
        let relations = facts.schema.relation(facts.relation_name(node));
        let relations = relations.and_then(|now| Some((now, committed.schema.relation(now.schema_name())?)));
        let Some((now, before)) = relations else { continue };
        for column in before.columns() {
            let name = column.name();
            let differs = now
                .column(name)
                .is_some_and(|now| now.description_text() != column.description_text());
            let Some(text) = column.description_text().filter(|_| differs) else {
                continue;
            };
            if files.has_description(&node.unique_id, Some(name), text) {
                let (node, column, text) = (node.unique_id.to_string(), name.to_owned(), text.to_owned());
                unread.push(ColumnDescription { node, column, text });
            }
        }
    }
    unread
}

fn describe_description_location(view: &PulledView, omni_description: &OmniDescription) -> String {
    format!("{}:{}", view.file, omni_description.line)
}

impl PulledView {
    /// Returns the file's contents with this description for a column or the table. Returns `None` if the file cannot
    /// be edited.
    #[must_use]
    pub fn with_description(&self, column: Option<&str>, description: Option<&str>) -> Option<String> {
        let root = yaml::parse_root(&self.text)?;
        let (path, node) = match column {
            None => (Path::root(), Some(&root)),
            Some(column) => {
                let base = yaml::parse_root(&self.record.view)?;
                let (_, name, _) = self
                    .dimensions(&base)
                    .find(|(column_name, ..)| column_name.eq_ignore_ascii_case(column))?;
                let dimension = root.get("dimensions").and_then(|dimensions| dimensions.get(name));
                (Path::root().key("dimensions").key(name), dimension)
            }
        };
        with_description(&self.text, path, node?, description)
    }

    /// Returns the change that records the descriptions on which Omni and dbt agree after a push. Later edits are
    /// compared with these descriptions. `None` if there are no descriptions to record.
    fn record_change(&self, descriptions: &[DescriptionRecord]) -> Option<TextChange> {
        let mut record = self.record.clone();
        let descriptions = descriptions
            .iter()
            .map(|(dimension, text)| (dimension.as_deref(), Some(text.as_str())));
        record.set_descriptions(&descriptions.collect::<Vec<_>>());
        let (path, before) = &self.record_file;
        (record != self.record).then(|| TextChange::new(path, Some(before.clone()), Some(record.text())))
    }

    /// Returns the descriptions in the file that differ from the record, each with its line number.
    #[must_use]
    pub fn changed_descriptions(&self) -> Vec<(usize, String)> {
        let changed = omni_descriptions(self).into_iter();
        changed
            .map(|description| (description.line, description.after))
            .collect()
    }

    /// Returns the columns, each with the name of its dimension and the dimension as of the last pull.
    fn dimensions<'n>(&'n self, base: &'n Node) -> impl Iterator<Item = (&'n str, &'n str, &'n Node)> {
        // Column dimensions come first, in column order.
        let dimensions = base.pairs_at("dimensions");
        let pairs = self.record.columns.iter().zip(dimensions);
        pairs.filter_map(|((column, _), (name, was))| Some((column.as_str(), name.text()?, was)))
    }
}

/// Returns the descriptions that have changed since Omni and dbt last agreed.
fn omni_descriptions(view: &PulledView) -> Vec<OmniDescription> {
    let (Some(base), Some(now)) = (yaml::parse_root(&view.record.view), yaml::parse_root(&view.text)) else {
        return Vec::new();
    };
    let mut descriptions = Vec::new();
    let mut add_change =
        |column: Option<&str>, dimension: Option<&str>, before: Option<&Node>, after: Option<&Node>| {
            let was = before.and_then(Node::text).map(|text| text.trim_end().to_owned());
            let Some((node, text)) = after.and_then(|node| Some((node, node.text()?))) else {
                return;
            };
            let is = text.trim_end();
            if was.as_deref() != Some(is) {
                descriptions.push(OmniDescription {
                    column: column.map(str::to_owned),
                    before: was,
                    after: is.to_owned(),
                    in_record: (dimension.map(str::to_owned), text.to_owned()),
                    line: line_number_at(&view.text, node.span.start as usize),
                });
            }
        };
    add_change(None, None, base.get("description"), now.get("description"));
    for (column, name, was) in view.dimensions(&base) {
        let is = now.get("dimensions").and_then(|dimensions| dimensions.get(name));
        add_change(
            Some(column),
            Some(name),
            was.get("description"),
            is.and_then(|is| is.get("description")),
        );
    }
    descriptions
}

impl ModelPlan {
    /// Adds the changed records of Omni's views to the plan. The records contain the descriptions that the push
    /// transfers to the model's spec.
    pub fn record_descriptions(&mut self, views: &[(String, PulledView)]) {
        let model = self.model.clone();
        for (_, view) in views.iter().filter(|(model_name, _)| *model_name == model) {
            let mut descriptions = omni_descriptions(view);
            descriptions.retain(|description| {
                self.carried.iter().any(|edit| {
                    let is_same = match (&edit.definition, &description.column) {
                        (Some(definition), Some(column)) => definition.eq_ignore_ascii_case(column),
                        (definition, column) => definition == column,
                    };
                    is_same && edit.file == view.file && edit.property == Property::Description
                })
            });
            let records: Vec<DescriptionRecord> = descriptions
                .into_iter()
                .map(|description| description.in_record)
                .collect();
            if !records.is_empty() {
                self.paths.push(view.file.clone());
            }
            self.add_description_record(view, &records);
        }
    }

    fn add_description_record(&mut self, view: &PulledView, descriptions: &[DescriptionRecord]) {
        if let Some(record) = view.record_change(descriptions) {
            self.paths.push(record.path.clone());
            self.files.push(record);
        }
    }
}

fn spec_edit(view: &PulledView, omni_description: OmniDescription) -> ManualEdit {
    // The edit is compared with the strings in the model's properties file.
    let [before, after] = [omni_description.before.as_deref(), Some(&*omni_description.after)]
        .map(|text| text.map(escape_with_raw_block));
    ManualEdit {
        // Use the spelling of column names in the spec.
        definition: omni_description.column,
        cte: None,
        property: Property::Description,
        detail: String::new(),
        file: view.file.clone(),
        line: omni_description.line,
        before: before.clone(),
        after: after.clone(),
        why: None,
        rewritten: None,
        is_in_spec: false,
        position: None,
        values: (before.map(YamlValue::Text), after.map(YamlValue::Text)),
    }
}

/// Properties file, and the descriptions to write to it.
struct DescriptionFile<'v> {
    text: String,
    /// Contents of the file. `None` if the file is not valid YAML.
    root: Option<Node>,
    edits: Vec<DescriptionEdit<'v>>,
    /// Descriptions that are already the same in Omni and in the file.
    agreed: Vec<(&'v PulledView, DescriptionRecord)>,
    plan: ModelPlan,
}

/// Edit that writes a description from Omni, with its location in Omni's file.
struct DescriptionEdit<'v> {
    edit: Edit,
    location: String,
    view: &'v PulledView,
    in_record: DescriptionRecord,
    change: PlannedChange,
    /// Described column. `None` for the description of a table.
    column: Option<ColumnDescription>,
}

impl<'v> DescriptionFile<'v> {
    fn new(path: &str, text: String) -> Self {
        Self {
            root: yaml::merged_root(&text),
            text,
            edits: Vec::new(),
            agreed: Vec::new(),
            plan: ModelPlan::empty(path, path, ModelAction::Update),
        }
    }

    fn add_descriptions(
        &mut self,
        view: &'v PulledView,
        (manifest, node): (&Manifest, &ManifestNode),
        omni_descriptions: Vec<OmniDescription>,
        rejected: &mut Vec<(String, String)>,
    ) {
        let path = self.plan.model.clone();
        let Some((node_path, node_yaml)) = self.root.as_ref().and_then(|root| find(node, root)) else {
            let reason = format!("`{path}` does not describe `{}`", node.name);
            rejected.extend(
                omni_descriptions
                    .iter()
                    .map(|omni_description| (describe_description_location(view, omni_description), reason.clone())),
            );
            return;
        };
        for omni_description in omni_descriptions {
            if let Some(name) = omni_description
                .column
                .as_deref()
                .filter(|name| column_nodes(node_yaml, name).count() > 1)
            {
                let reason = format!(
                    "`{path}` lists the column `{name}` of `{}` twice: keep one of the entries",
                    node.name
                );
                rejected.push((describe_description_location(view, &omni_description), reason));
                continue;
            }
            let column = omni_description
                .column
                .as_deref()
                .map(|name| column_node(node_yaml, name));
            let now = match &column {
                None => node_yaml.get("description"),
                Some(column) => column.and_then(|column| column.get("description")),
            };
            let theirs = now
                .and_then(Node::text)
                .map(|string| unescape_raw_block(string.trim_end()));
            if theirs == Some(None) {
                rejected.push((
                    describe_description_location(view, &omni_description),
                    format!("the description in `{path}` contains Jinja: change the description there"),
                ));
                continue;
            }
            // dbt treats an empty description like a missing description.
            let theirs = theirs.flatten().filter(|text| !text.is_empty());
            if theirs.as_ref() == Some(&omni_description.after) {
                self.agreed.push((view, omni_description.in_record));
                continue;
            }
            let name = match &omni_description.column {
                Some(column) => format!("{}.{column}", node.name),
                None => node.name.to_string(),
            };
            if theirs != omni_description.before {
                self.plan.conflicts.push(Conflict {
                    definition: Some(name),
                    step: None,
                    property: Property::Description,
                    detail: String::new(),
                    base: omni_description.before,
                    ours: Some(omni_description.after),
                    spec: view.file.clone(),
                    spec_line: Some(omni_description.line),
                    theirs,
                    theirs_formula: None,
                    file: path.clone(),
                    line: now.map_or(1, |node| line_number_at(&self.text, node.span.start as usize)),
                    edit: None,
                    clashes: Vec::new(),
                    readers: Vec::new(),
                    restored: Vec::new(),
                    set: None,
                });
                continue;
            }
            self.edits.push(DescriptionEdit {
                edit: description_edit(
                    (manifest, node),
                    (&node_path, node_yaml),
                    omni_description.column.as_deref(),
                    &omni_description.after,
                ),
                location: describe_description_location(view, &omni_description),
                view,
                in_record: omni_description.in_record,
                column: omni_description.column.as_ref().map(|column| ColumnDescription {
                    node: node.unique_id.to_string(),
                    column: column.clone(),
                    text: omni_description.after.clone(),
                }),
                change: PlannedChange {
                    definition: Some(name),
                    property: Property::Description,
                    before: omni_description.before,
                    after: Some(omni_description.after),
                    metric: None,
                },
            });
        }
    }

    fn finish(mut self, actions: &mut DescriptionActions) {
        let path = self.plan.model.clone();
        let after = self.apply_valid_description_edits(&mut actions.rejected);
        if self.edits.is_empty() && self.plan.conflicts.is_empty() {
            return;
        }
        self.plan
            .files
            .push(TextChange::new(&path, Some(self.text), Some(after)));
        self.plan.paths.push(path);
        let mut records: BTreeMap<&str, (&PulledView, Vec<DescriptionRecord>)> = BTreeMap::new();
        for edit in self.edits {
            self.plan.changes.push(edit.change);
            self.plan.paths.push(edit.view.file.clone());
            actions.columns.extend(edit.column);
            self.agreed.push((edit.view, edit.in_record));
        }
        for (view, description) in self.agreed {
            let record = records.entry(&view.file).or_insert_with(|| (view, Vec::new()));
            record.1.push(description);
        }
        for (view, descriptions) in records.into_values() {
            self.plan.add_description_record(view, &descriptions);
        }
        self.plan.paths.sort();
        self.plan.paths.dedup();
        actions.plans.push(self.plan);
    }

    /// Returns the file with all edits. Drops the edits that cannot be applied, so that they do not block the other
    /// edits.
    fn apply_valid_description_edits(&mut self, rejected: &mut Vec<(String, String)>) -> String {
        let edits: Vec<Edit> = self.edits.iter().map(|edit| edit.edit.clone()).collect();
        if let Ok(after) = apply_edits(&self.text, &edits) {
            return after;
        }
        let (mut possible, mut after) = (Vec::new(), self.text.clone());
        let path = &self.plan.model;
        self.edits.retain(|edit| {
            possible.push(edit.edit.clone());
            match apply_edits(&self.text, &possible) {
                Ok(text) => {
                    after = text;
                    true
                }
                Err(refusal) => {
                    possible.pop();
                    rejected.push((
                        edit.location.clone(),
                        format!("`{path}:{}` cannot be edited: {}", refusal.line(), refusal.reason()),
                    ));
                    false
                }
            }
        });
        after
    }
}
