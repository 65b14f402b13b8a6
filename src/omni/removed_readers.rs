//! Fields of the Omni model that read dimensions whose column no longer exists in dbt.

use rustc_hash::FxHashMap;

use super::existing_files::ExistingFiles;
use super::pull::{Pull, PulledFileLocation};
use crate::schema::{OmniViewNames, omni_references};
use crate::yaml;

/// Dimension that a pull marks or removes, with the places that still read it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemovedDimension {
    /// Path of the view's file.
    pub file: String,
    /// Name of the dimension.
    pub name: String,
    /// Places that read the dimension, each with the path of a file and a line.
    pub readers: Vec<String>,
}

impl Pull {
    /// Finds the dimensions that this pull marks or removes and that other parts of the Omni model still read. `files`
    /// are the files before the pull.
    pub fn find_removed_dimensions(&mut self, files: &ExistingFiles) {
        let old: FxHashMap<&str, &str> = files.paths_and_texts().collect();
        let mut removed: Vec<(&str, String)> = Vec::new();
        for (file, place) in &self.marked {
            let name = place.strip_prefix("dimensions.").filter(|name| !name.contains('.'));
            removed.extend(name.map(|name| (file.as_str(), name.to_owned())));
        }
        for (location, text) in &self.writes {
            let PulledFileLocation::Omni(path) = location else {
                continue;
            };
            let Some(before) = old.get(path.as_str()).filter(|_| path.contains(".view")) else {
                continue;
            };
            let kept = dimensions(text);
            let pruned = dimensions(before).into_iter().filter(|name| !kept.contains(name));
            removed.extend(pruned.map(|name| (path.as_str(), name)));
        }
        let with_readers = removed.into_iter().map(|(file, name)| RemovedDimension {
            readers: readers(file, &name, &old, files),
            file: file.to_owned(),
            name,
        });
        self.removed = with_readers.filter(|dimension| !dimension.readers.is_empty()).collect();
    }
}

/// Returns the names of the dimensions in the text of a view.
fn dimensions(text: &str) -> Vec<String> {
    let root = yaml::root(text);
    let pairs = root
        .as_ref()
        .map(|root| root.pairs_at("dimensions"))
        .unwrap_or_default();
    pairs
        .iter()
        .filter_map(|(name, _)| name.text().map(str::to_owned))
        .collect()
}

/// Returns the places that read a dimension. References in the view's own file may omit the view.
fn readers(view_file: &str, dimension: &str, texts: &FxHashMap<&str, &str>, files: &ExistingFiles) -> Vec<String> {
    let view_text = texts.get(view_file).copied().unwrap_or_default();
    let Some(names) = yaml::root(view_text).map(|root| OmniViewNames::new(view_file, view_text, &root)) else {
        return Vec::new();
    };
    let is_view = |name: &str| {
        [&names.full, &names.short]
            .iter()
            .any(|own| own.eq_ignore_ascii_case(name))
    };
    let mut places = Vec::new();
    for (path, text) in files.paths_and_texts() {
        for (range, name) in omni_references(text) {
            let name = name.split(['[', ':']).next().unwrap_or_default().trim();
            let is_read = match name.rsplit_once('.') {
                Some((view, field)) => is_view(view) && field.eq_ignore_ascii_case(dimension),
                None => path == view_file && name.eq_ignore_ascii_case(dimension),
            };
            if is_read {
                let line = text.get(..range.start).unwrap_or_default().matches('\n').count() + 1;
                places.push(format!("{path}:{line}"));
            }
        }
    }
    places.dedup();
    places
}
