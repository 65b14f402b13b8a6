//! Views of an Omni model, with the fields that they inherit.

use rustc_hash::FxHashMap;

use super::omni_file::{OmniFieldKind, OmniFile, OmniRowSource, column_of_sql};
use crate::yaml::{Node, NodeKind};

/// View of an Omni model.
#[derive(Clone, Debug)]
pub struct ParsedOmniView {
    /// Index of the view's file.
    pub file: usize,
    /// Name of the view's file. [`super::OmniViewIndex::name_of`] returns the name that references use.
    pub name: String,
    /// Source of the view's rows.
    pub rows: OmniRowSource,
    /// Table of the warehouse that the view shows.
    pub table: OmniViewTable,
    /// Names of the fields that form the primary key.
    pub key: Vec<String>,
    /// Whether the view exists only to be extended.
    pub is_template: bool,
    /// First name in `extends` for which there is no view.
    pub missing_view: Option<String>,
    pub(super) fields: OmniViewFields,
}

/// Table of the warehouse that a view shows.
#[derive(Clone, Debug, Default)]
pub struct OmniViewTable {
    /// Index of the file that specifies the table or other rows: the file of the view, or of a view that it extends.
    pub file: usize,
    /// Database of the table.
    pub catalog: Option<String>,
    /// Schema of the table in Omni.
    pub schema: Option<String>,
    /// Name of the table.
    pub table_name: String,
    /// dbt model that Omni shows in the view. The name of its table may differ.
    pub dbt_model: Option<String>,
}

impl OmniViewTable {
    /// Returns the name of the dbt model or, if it is unknown, of the table.
    #[must_use]
    pub fn name(&self) -> &str {
        self.dbt_model.as_deref().unwrap_or(&self.table_name)
    }
}

/// Field of a view.
#[derive(Clone, Debug)]
pub struct ViewField {
    /// Name of the field.
    pub name: String,
    /// Kind of the field.
    pub kind: OmniFieldKind,
    /// YAML node of the field's name.
    pub at: Node,
    /// Settings of the field, including the inherited settings.
    pub node: Node,
    /// Index of the file that contains `at`.
    pub file: usize,
}

/// Dimension settings that compute values.
const COMPUTED_DIMENSION_SETTINGS: [&str; 5] = [
    "groups",
    "bin_boundaries",
    "level_of_detail",
    "dynamic_top_n",
    "duration",
];

impl ViewField {
    /// Returns the text of a setting.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.node.text_at(key)
    }

    /// Returns whether the field is removed from its view.
    #[must_use]
    pub fn is_ignored(&self) -> bool {
        self.node.is_true_at("ignored")
    }

    /// Returns whether the field would be a plain column if it is a dimension.
    #[must_use]
    pub fn is_column(&self) -> bool {
        let is_own_name = |sql: &str| {
            let inner = sql.trim().strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
            inner.is_some_and(|inner| inner.trim().eq_ignore_ascii_case(&self.name))
        };
        let is_plain = |sql| column_of_sql(sql).is_some() || is_own_name(sql);
        let is_computed = COMPUTED_DIMENSION_SETTINGS
            .iter()
            .any(|key| self.node.get(key).is_some());
        self.text("sql").is_none_or(is_plain) && !is_computed
    }
}

/// Fields of a view.
#[derive(Clone, Debug, Default)]
pub(super) struct OmniViewFields {
    /// All fields. The fields of the view's file come first, in the order of the file.
    pub(super) all: Vec<ViewField>,
    /// Indices of the fields to which names refer. The names are in lower case.
    pub(super) by_name: FxHashMap<String, usize>,
}

impl OmniViewFields {
    /// Reads the fields in the files that define a view. The view's own file comes first.
    pub(super) fn read<'n>(files: impl Iterator<Item = (usize, OmniFile<'n>)>) -> Self {
        let mut fields = Self::default();
        for (file, omni_file) in files {
            for (kind, at, node) in omni_file.fields() {
                if let Some(name) = at.text() {
                    fields.add(name, kind, [at, node], file);
                }
            }
        }
        fields
    }

    fn add(&mut self, name: &str, kind: OmniFieldKind, [at, node]: [&Node; 2], file: usize) {
        let index = self.all.len();
        let named = self.by_name.entry(name.to_lowercase()).or_insert(index);
        match self.all.get_mut(*named) {
            Some(own) if own.kind == kind && own.file != file => return inherit_settings(&mut own.node, node),
            // In one file, a measure may have the same name as a dimension. The column of a dimension can also be read
            // without the dimension, so the name refers to the measure.
            Some(own) if (own.kind, kind, own.file) == (OmniFieldKind::Dimension, OmniFieldKind::Measure, file) => {
                *named = if own.is_column() { index } else { *named };
            }
            Some(_) => return,
            None => {}
        }
        self.all.push(ViewField {
            name: name.to_owned(),
            kind,
            at: at.clone(),
            node: node.clone(),
            file,
        });
    }
}

/// Adds the settings of an inherited field that the field itself does not have.
fn inherit_settings(own: &mut Node, inherited: &Node) {
    let pairs = own.pairs().unwrap_or_default();
    let missing = inherited.pairs().unwrap_or_default().iter();
    let missing = missing.filter(|(key, _)| !pairs.iter().any(|(other, _)| other.text() == key.text()));
    let pairs = pairs.iter().chain(missing).cloned().collect();
    if own.pairs().is_some() || own.is_null() {
        *own = Node::new(NodeKind::Mapping(pairs), own.span);
    }
}

impl ParsedOmniView {
    /// Returns all fields of the view, including inherited and ignored fields. If a dimension and a measure have the
    /// same name, both are included.
    #[must_use]
    pub fn fields(&self) -> &[ViewField] {
        &self.fields.all
    }

    /// Returns the fields to which names refer, including inherited and ignored fields.
    pub fn named_fields(&self) -> impl Iterator<Item = &ViewField> + Clone {
        let fields = self.fields.all.iter().enumerate();
        fields
            .filter(|(index, field)| self.is_named(*index, field))
            .map(|(_, field)| field)
    }

    /// Returns the measures in the view's file to which no name refers, because a computed dimension has the same name.
    pub fn hidden_measures(&self) -> impl Iterator<Item = &ViewField> {
        let fields = self
            .fields
            .all
            .iter()
            .enumerate()
            .filter(|(_, field)| field.kind == OmniFieldKind::Measure);
        fields
            .filter(|(index, field)| field.file == self.file && !self.is_named(*index, field))
            .map(|(_, field)| field)
    }

    fn is_named(&self, index: usize, field: &ViewField) -> bool {
        self.fields.by_name.get(&field.name.to_lowercase()) == Some(&index)
    }
}
