//! Fields of the Omni model that read dimensions whose column no longer exists in dbt.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::existing_files::ExistingFiles;
use super::pull::{Pull, PulledFileLocation};
use crate::schema::{OmniReference, OmniViewNames, omni_references};
use crate::yaml;

/// Dimension that a pull marks or removes, with the remaining references to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemovedDimension {
    /// Path of the view's file.
    pub file: String,
    /// Name of the dimension.
    pub name: String,
    /// References to the dimension, each as the path of a file and a line.
    pub readers: Vec<String>,
}

/// Reference to a field in one of the files.
struct OmniFieldReference<'t> {
    /// Path of the file.
    path: &'t str,
    line: usize,
    /// View of the field. `None` if the reference contains only the name of the field.
    view: Option<String>,
}

impl Pull {
    /// Finds the dimensions that this pull marks or removes and that other parts of the Omni model still read. `files`
    /// are the files before the pull. References are searched in the files after the pull.
    pub fn find_removed_dimensions(&mut self, files: &ExistingFiles) {
        let before: BTreeMap<&str, &str> = files.paths_and_texts().collect();
        let mut removed: Vec<(&str, String)> = Vec::new();
        for (file, place) in &self.marked_items {
            let name = place.strip_prefix("dimensions.").filter(|name| !name.contains('.'));
            removed.extend(name.map(|name| (file.as_str(), name.to_owned())));
        }
        for (location, text) in &self.files_to_write {
            let PulledFileLocation::Omni(path) = location else {
                continue;
            };
            let Some(before) = before.get(path.as_str()).filter(|_| path.contains(".view")) else {
                continue;
            };
            let kept = dimensions(text);
            let pruned = dimensions(before).into_iter().filter(|name| !kept.contains(name));
            removed.extend(pruned.map(|name| (path.as_str(), name)));
        }
        let mut still_read = Vec::new();
        if !removed.is_empty() {
            let readers = field_references_by_name(&self.texts_after_pull(&before));
            let mut names: FxHashMap<&str, Option<OmniViewNames>> = FxHashMap::default();
            for (file, name) in removed {
                let view_names = || {
                    let text = before.get(file)?;
                    Some(OmniViewNames::new(file, text, &yaml::parse_root(text)?))
                };
                let Some(view) = names.entry(file).or_insert_with(view_names) else {
                    continue;
                };
                let of_name = readers.get(&name.to_lowercase()).map_or(&[][..], Vec::as_slice);
                let of_dimension = of_name.iter().filter(|reader| reader.refers_to_view(file, view));
                let mut readers: Vec<String> = of_dimension
                    .map(|reader| format!("{}:{}", reader.path, reader.line))
                    .collect();
                readers.dedup();
                still_read.extend((!readers.is_empty()).then(|| RemovedDimension {
                    file: file.to_owned(),
                    name,
                    readers,
                }));
            }
        }
        self.removed_dimensions = still_read;
    }

    /// Returns the paths and the content of the files after the pull.
    fn texts_after_pull<'t>(&'t self, before: &BTreeMap<&'t str, &'t str>) -> BTreeMap<&'t str, &'t str> {
        let mut after = before.clone();
        let written = self.files_to_write.iter();
        after.extend(written.filter_map(|(location, text)| Some((location.omni_path()?, text.as_str()))));
        for path in self.removed_omni_files() {
            after.remove(path);
        }
        after
    }
}

impl OmniFieldReference<'_> {
    /// Returns whether the field belongs to a view. References in the view's own file may omit the view.
    fn refers_to_view(&self, view_file: &str, names: &OmniViewNames) -> bool {
        match &self.view {
            Some(view) => [&names.full, &names.short]
                .iter()
                .any(|name| name.eq_ignore_ascii_case(view)),
            None => self.path == view_file,
        }
    }
}

/// Returns the names of the dimensions in the text of a view.
fn dimensions(text: &str) -> Vec<String> {
    let root = yaml::parse_root(text);
    let pairs = root
        .as_ref()
        .map(|root| root.pairs_at("dimensions"))
        .unwrap_or_default();
    pairs
        .iter()
        .filter_map(|(name, _)| name.text().map(str::to_owned))
        .collect()
}

/// Returns the references to each field, by the name of the field in lower case. Comment lines are skipped.
fn field_references_by_name<'t>(files: &BTreeMap<&'t str, &'t str>) -> FxHashMap<String, Vec<OmniFieldReference<'t>>> {
    let mut readers: FxHashMap<String, Vec<OmniFieldReference<'t>>> = FxHashMap::default();
    for (path, text) in files {
        let (mut line, mut counted) = (1, 0);
        for (range, name) in omni_references(text) {
            line += text.get(counted..range.start).unwrap_or_default().matches('\n').count();
            counted = range.start;
            let before = text.get(..range.start).unwrap_or_default();
            let is_comment = before
                .rsplit('\n')
                .next()
                .is_some_and(|before| before.trim_start().starts_with('#'));
            if is_comment {
                continue;
            }
            // A calculation may read a total, such as `orders.revenue:total`.
            let name = name.split(':').next().unwrap_or_default();
            let OmniReference { view, field, .. } = OmniReference::read(name);
            readers
                .entry(field.to_lowercase())
                .or_default()
                .push(OmniFieldReference { path, line, view });
        }
    }
    readers
}
