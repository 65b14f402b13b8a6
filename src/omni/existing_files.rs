//! Files that the Omni model contains before a pull. A file is parsed only if its text has changed since an earlier
//! call.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::access;
use super::existing::{ExistingView, OmniDbtModel};
use super::shared_files::candidate_shared_paths;
use crate::codec::{self, CodecReader, CodecWriter, Stored, structs};
use crate::parallel;
use crate::yaml;
use crate::yaml_edit::{YamlEditError, apply_edits};

/// Files of the Omni model, with their content and the views that they contain.
///
/// ```
/// use formulac_omni::{ExistingFiles, ParsedFiles};
///
/// let text = |_: &str| Some("table_name: orders\n".to_owned());
/// let paths = ["a.view.yaml", "b.view.yaml"].map(str::to_owned);
/// let before = ExistingFiles::read(&paths[..1], text, &ParsedFiles::default());
/// let stored = before.to_stored();
/// let after = ExistingFiles::read(&paths, text, &ParsedFiles::from_stored(&stored).unwrap());
/// assert_eq!((before.parsed_count(), after.parsed_count()), (1, 1));
/// assert!(ParsedFiles::from_stored(&stored[1..]).is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct ExistingFiles {
    files: Vec<ParsedFile>,
    /// Content of the files, in the order of `files`.
    texts: Vec<String>,
    parsed_count: usize,
}

/// Results of parsing the files of an Omni model in an earlier call.
#[derive(Clone, Debug, Default)]
pub struct ParsedFiles {
    by_path: FxHashMap<Arc<str>, ParsedFile>,
}

/// Result of parsing a file.
#[derive(Clone, Debug)]
struct ParsedFile {
    path: Arc<str>,
    /// Length and fingerprint of the file's text.
    length: u64,
    hash: u64,
    view: Option<SharedView>,
    /// Whether the file can be edited in place. `false` if this is unknown.
    is_editable: bool,
}

/// Parsed view, shared by the list of files and the options of a pull.
#[derive(Clone, Debug)]
struct SharedView(Arc<ExistingView>);

impl ParsedFile {
    fn new(path: &str, text: &str) -> Self {
        Self {
            path: Arc::from(path),
            length: text.len() as u64,
            hash: codec::fingerprint(text.as_bytes()),
            view: read_view(path, text).map(SharedView),
            is_editable: false,
        }
    }

    fn has_text(&self, text: &str) -> bool {
        self.length == text.len() as u64 && self.hash == codec::fingerprint(text.as_bytes())
    }
}

/// Reads the view in a file. `None` if the file contains no view, if a query defines the view, or if the file is not
/// valid YAML.
pub(super) fn read_view(path: &str, text: &str) -> Option<Arc<ExistingView>> {
    let root = yaml::parse_root(text)?;
    ExistingView::read(path, text, &root).map(Arc::new)
}

impl ExistingFiles {
    /// Reads the files at these paths, which are relative to the Omni model's folder. `text` returns the content of a
    /// file, or `None` if the file cannot be read. `earlier` contains the results of an earlier call, which are reused
    /// for files with the same content.
    #[must_use]
    pub fn read(paths: &[String], text: impl Fn(&str) -> Option<String> + Sync, earlier: &ParsedFiles) -> Self {
        let read = |path: &String| {
            let text = text(path)?;
            let known = earlier
                .by_path
                .get(path.as_str())
                .filter(|file| file.has_text(&text))
                .cloned();
            let is_parsed = known.is_none();
            let file = known.unwrap_or_else(|| ParsedFile::new(path, &text));
            Some((file, text, is_parsed))
        };
        let mut existing = Self::default();
        for (file, text, is_parsed) in parallel::map(paths, read).into_iter().flatten() {
            existing.files.push(file);
            existing.texts.push(text);
            existing.parsed_count += usize::from(is_parsed);
        }
        existing
    }

    /// Returns the number of files that were parsed.
    #[must_use]
    pub fn parsed_count(&self) -> usize {
        self.parsed_count
    }

    /// Returns the files that cannot be edited in place, with the reasons. `is_checked` is called with the path and the
    /// text of a file, and returns whether the check of the file can be skipped.
    pub fn find_uneditable_files(
        &mut self,
        is_checked: impl Fn(&str, &str) -> bool + Sync,
    ) -> Vec<(String, YamlEditError)> {
        let check = |at: usize| {
            let (file, text) = (self.files.get(at)?, self.texts.get(at)?);
            let is_open = !file.is_editable && !is_checked(&file.path, text);
            is_open.then(|| apply_edits(text, &[]).err())
        };
        let checks = parallel::map_range(self.files.len(), check);
        let mut unreadable = Vec::new();
        for (file, check) in self.files.iter_mut().zip(checks) {
            let Some(edit_error) = check else { continue };
            self.parsed_count += 1;
            file.is_editable = edit_error.is_none();
            unreadable.extend(edit_error.map(|edit_error| (file.path.to_string(), edit_error)));
        }
        unreadable
    }

    /// Returns whether the model file has `default_timeframes`.
    pub(super) fn has_default_timeframes(&self) -> bool {
        let names = candidate_shared_paths(access::MODEL_FILE);
        let mut files = self.files.iter().zip(&self.texts);
        let model = files.find(|(file, _)| names.iter().any(|name| **name == *file.path));
        model.is_some_and(|(_, text)| {
            yaml::parse_root(text).is_some_and(|root| root.get("default_timeframes").is_some())
        })
    }

    /// Returns the paths and the content of the files.
    pub(super) fn paths_and_texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let files = self.files.iter().zip(&self.texts);
        files.map(|(file, text)| (&*file.path, text.as_str()))
    }

    /// Returns the views in the files.
    pub(super) fn views(&self) -> Vec<Arc<ExistingView>> {
        let views = self.files.iter().filter_map(|file| file.view.as_ref());
        views.map(|view| Arc::clone(&view.0)).collect()
    }

    /// Returns the results of parsing the files, in the format that [`ParsedFiles::from_stored`] reads.
    #[must_use]
    pub fn to_stored(&self) -> Vec<u8> {
        codec::to_bytes(&self.files, SHAPE)
    }
}

impl ParsedFiles {
    /// Reads the results of an earlier call. `None` if the data is truncated, damaged or from another build of
    /// formulac.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        let files: Vec<ParsedFile> = codec::read(bytes, SHAPE)?;
        let by_path = files.into_iter().map(|file| (Arc::clone(&file.path), file)).collect();
        Some(Self { by_path })
    }
}

structs! {
    ParsedFile { path, length, hash, view, is_editable }
    ExistingView { path, header, catalog, schema, table_name, dbt, dimensions, measures }
    OmniDbtModel { name, target_schema, custom_schema }
}

impl Stored for SharedView {
    fn write<'m>(&'m self, to: &mut CodecWriter<'m>) {
        self.0.write(to);
    }

    fn read(from: &mut CodecReader<'_>) -> Option<Self> {
        Stored::read(from).map(|view| Self(Arc::new(view)))
    }
}
