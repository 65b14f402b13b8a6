//! Finds generated files that users moved to another folder. Moved files stay in place and are recognized by their
//! headers.

use std::collections::BTreeMap;

use formulac::dbt::spec_in_header;

use super::folder;
use super::models::{self, CompiledModel};
use super::source::read_text;
use super::workspace::Workspace;

/// Current paths of moved files. The keys are the paths of the files in the project's standard folders. All paths are
/// relative to the project's folder.
#[derive(Clone, Debug, Default)]
pub struct MovedFilePaths(BTreeMap<String, String>);

impl MovedFilePaths {
    /// Finds the files of models that are not in their standard folders, in all folders from which dbt reads models.
    pub fn find(place: &Workspace, models: &[CompiledModel]) -> Self {
        let (own, tests) = place.output_folders();
        let mut missing: BTreeMap<String, (String, &str)> = BTreeMap::new();
        for (model, built) in models::built_models(models) {
            for path in model.planned_files(own.as_ref(), tests.as_ref()).map(|file| file.path) {
                let (Some(name), false) = (path.file_name(), place.root.join(&path).exists()) else {
                    continue;
                };
                let expected = folder::relative_path("".as_ref(), &path);
                missing.insert(name.to_string_lossy().into_owned(), (expected, &built.path));
            }
        }
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let roots = place
            .dbt
            .iter()
            .flat_map(|dbt| dbt.model_paths.iter())
            .map(|path| place.root.join(path));
        let roots = roots.filter(|_| !missing.is_empty());
        let named = |path: &std::path::Path| path.file_name().and_then(|name| missing.get(name.to_str()?));
        for path in roots.flat_map(|root| folder::find_files(&root, |path| named(path).is_some())) {
            let Some((expected, spec)) = named(&path) else { continue };
            if read_text(&path).is_ok_and(|text| spec_in_header(&text) == Some(spec)) {
                found
                    .entry(expected.clone())
                    .or_default()
                    .push(place.relative_path(&path));
            }
        }
        // A file with several copies is not considered moved.
        let one = |(expected, mut paths): (String, Vec<String>)| {
            paths.dedup();
            (paths.len() == 1).then(|| Some((expected, paths.pop()?))).flatten()
        };
        Self(found.into_iter().filter_map(one).collect())
    }

    /// Returns all moved files.
    pub fn all_moves(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// Returns the current path of a file.
    pub fn current_path<'p>(&'p self, path: &'p str) -> &'p str {
        self.0.get(path).map_or(path, String::as_str)
    }

    /// Replaces each key of a map with the current path of the file.
    pub fn update_keys<V>(&self, files: BTreeMap<String, V>) -> BTreeMap<String, V> {
        files
            .into_iter()
            .map(|(path, value)| (self.current_path(&path).to_owned(), value))
            .collect()
    }
}
