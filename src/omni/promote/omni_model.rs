//! Omni model of a promotion: reads the files, and finds saved queries and the relations of the views.

use rustc_hash::FxHashMap;

use crate::artifacts::Manifest;
use crate::dbt::RelationReference;
use crate::diag::Diagnostic;
use crate::existing::ExistingView;
use crate::locations::view_relations;
use crate::parallel;
use crate::schema::{ParsedOmniFile, ParsedOmniModel, omni_references};
use crate::yaml::Node;

/// Saved query of the Omni model.
pub(super) struct OmniSavedQuery<'m> {
    pub name: String,
    pub file: usize,
    /// Content of the query, with keys such as `fields`, `sorts` and `filters`.
    pub query: &'m Node,
    /// YAML node that contains the description and the label.
    pub about: &'m Node,
    /// Name of the query's topic.
    pub topic: Option<String>,
    pub is_view: bool,
}

/// Parses files, each with its path and text. Also returns the errors in the files.
pub(super) fn read_model(texts: &[(String, String)]) -> (ParsedOmniModel<'_>, Vec<(usize, Diagnostic)>) {
    let parse = |number: usize| texts.get(number).map(|(path, text)| ParsedOmniFile::parse(path, text));
    ParsedOmniModel::new(parallel::map_range(texts.len(), parse).into_iter().flatten())
}

/// Returns the relation in dbt's manifest that each view shows, by the index of the view. `paths` maps the path of a
/// file to its path in the Omni model's folder.
pub(super) fn relations_of_views(
    model: &ParsedOmniModel<'_>,
    manifest: &Manifest,
    paths: &FxHashMap<String, String>,
) -> FxHashMap<usize, RelationReference> {
    let path_of = |file: usize| {
        let path = model.files.get(file)?.path;
        Some(paths.get(path).map_or(path, String::as_str))
    };
    let own_tables = model.views.iter().filter(|view| view.table.file == view.file);
    let existing = own_tables.filter_map(|view| {
        let file = model.files.get(view.file)?;
        let existing = ExistingView::read(path_of(view.file)?, file.text, &file.root)?;
        Some(existing.in_schema(view.table.catalog.clone(), view.table.schema.clone()))
    });
    let relations = view_relations(manifest, &existing.collect::<Vec<_>>());
    let views = model.views.iter().enumerate();
    let views = views.filter_map(|(index, view)| Some((index, relations.get(path_of(view.table.file)?)?.clone())));
    views.collect()
}

/// Returns the queries in a file: the query of a query view, or the sample queries of a topic or of the model.
pub(super) fn queries_in_file<'m>(model: &'m ParsedOmniModel<'_>, file: usize) -> Vec<OmniSavedQuery<'m>> {
    let Some(root) = model.files.get(file).map(|file| &file.root) else {
        return Vec::new();
    };
    let view = model.view_in_file(file).and_then(|view| model.views.get(view));
    if let (Some(view), Some(query)) = (view, root.get("query")) {
        return vec![OmniSavedQuery {
            name: view.name.clone(),
            file,
            query,
            about: root,
            topic: query.string_at("topic"),
            is_view: true,
        }];
    }
    let topic = model.topic_in_file(file).map(|topic| topic.name.to_lowercase());
    let samples = root.pairs_at("sample_queries").iter();
    let samples = samples.filter(|(_, sample)| sample.pairs().is_some());
    let samples = samples.filter_map(|(name, sample)| {
        let query = sample.get("query").unwrap_or(sample);
        Some(OmniSavedQuery {
            name: name.text()?.to_owned(),
            file,
            query,
            about: sample,
            topic: query.string_at("topic").or_else(|| topic.clone()),
            is_view: false,
        })
    });
    samples.collect()
}

/// Returns the references in SQL.
pub(super) fn find_references(sql: &str) -> impl Iterator<Item = &str> {
    omni_references(sql).map(|(_, name)| name)
}
