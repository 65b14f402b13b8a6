//! Plans updates to the files that exist only once in an Omni model, and to the record of handwritten parts.

use rustc_hash::FxHashSet;

use super::access;
use super::changes;
use super::excluded_views::excluded_views;
use super::handwritten;
use super::joins::{JoinSource, TableJoin};
use super::keys::KeySource;
use super::pull::{OmniFiles, Pull, PulledFileLocation};
use super::relationships::{self, RELATIONSHIPS_FILE};
use super::view::ViewFile;
use super::{OmniModel, STATUS_FILE};
use crate::yaml_edit::Rules;

/// Returns the paths, relative to the Omni model's folder, of the files that exist once in the model and that a pull
/// may write: joins, access grants and dbt's status.
pub fn shared_file_paths() -> impl Iterator<Item = String> {
    let names = [RELATIONSHIPS_FILE, access::MODEL_FILE]
        .into_iter()
        .flat_map(candidate_shared_paths);
    names.chain([STATUS_FILE.to_owned()])
}

/// Returns the possible paths of a file that exists once in the Omni model, the usual path first.
pub(super) fn candidate_shared_paths(name: &str) -> [String; 3] {
    [format!("{name}.yaml"), format!("{name}.yml"), name.to_owned()]
}

impl Pull {
    pub(super) fn plan_relationships(&mut self, new: Option<&str>, files: &impl OmniFiles) {
        let rules = relationships::merge_rules();
        let file = read_shared_file(RELATIONSHIPS_FILE, files).map(|(_, text)| text);
        if let Some(before) = self.plan_shared_file(RELATIONSHIPS_FILE, new, "[]\n", files, &rules) {
            let changes = changes::join_changes(before.as_deref(), new);
            // Joins that the file contained before the first pull are not new.
            let file_text = file.filter(|_| before.is_none()).unwrap_or_default();
            let pull_changes = changes::join_changes(None, Some(&file_text));
            self.changes
                .extend(changes.into_iter().filter(|change| !pull_changes.contains(change)));
        }
    }

    pub(super) fn plan_grants(&mut self, new: Option<&str>, files: &impl OmniFiles) {
        if let Some(before) = self.plan_shared_file(access::MODEL_FILE, new, "{}\n", files, &Rules::new()) {
            self.changes.extend(changes::grant_changes(before.as_deref(), new));
        }
    }

    /// Plans how to update a file that exists only once in the model, with the last generated text as its record.
    /// Returns the old record if the generated text has changed.
    fn plan_shared_file(
        &mut self,
        name: &str,
        new: Option<&str>,
        nothing: &str,
        files: &impl OmniFiles,
        rules: &Rules,
    ) -> Option<Option<String>> {
        let before = files.read_record(name);
        if before.as_deref() == new {
            return None;
        }
        let text = new.unwrap_or(nothing);
        match (read_shared_file(name, files), &before) {
            (Some((path, file)), before) => self.merge(&path, before.as_deref(), &file, text, rules),
            (None, Some(_)) => self.files_left_out.push(format!("{name}.yaml")),
            (None, None) => self
                .files_to_write
                .push((PulledFileLocation::Omni(format!("{name}.yaml")), text.to_owned())),
        }
        match new {
            Some(new) => self
                .files_to_write
                .push((PulledFileLocation::Record(name.to_owned()), new.to_owned())),
            None => self.files_to_remove.push(PulledFileLocation::Record(name.to_owned())),
        }
        Some(before)
    }

    pub(super) fn plan_status_file(&mut self, new: Option<&str>, files: &impl OmniFiles) {
        let before = files.read_omni_file(STATUS_FILE);
        match new {
            Some(new) if before.as_deref() != Some(new) => {
                self.files_to_write
                    .push((PulledFileLocation::Omni(STATUS_FILE.to_owned()), new.to_owned()));
            }
            None if before.is_some() => self
                .files_to_remove
                .push(PulledFileLocation::Omni(STATUS_FILE.to_owned())),
            _ => {}
        }
    }

    /// Finds the views that the pull writes although the model file excludes them.
    pub(super) fn find_excluded_views(&mut self, model: &OmniModel, files: &impl OmniFiles) {
        let Some((_, text)) = read_shared_file(access::MODEL_FILE, files) else {
            return;
        };
        let written: FxHashSet<&str> = self.written_omni_files().collect();
        let views = model.views.iter().filter(|view| written.contains(view.path.as_str()));
        self.excluded_views = excluded_views(&text, views);
    }

    /// Plans how to update the record of the handwritten parts.
    pub(super) fn plan_handwritten(&mut self, before: Option<String>) {
        let record = PulledFileLocation::Record(handwritten::HANDWRITTEN_RECORD.to_owned());
        match self.handwritten.text() {
            Some(text) if before.as_ref() != Some(&text) => self.files_to_write.push((record, text)),
            None if before.is_some() => self.files_to_remove.push(record),
            _ => {}
        }
    }

    /// Returns the number of keys and the number of joins that come from tests and that nobody wrote in Omni. Omni
    /// cannot infer these keys and joins because it reads only constraints.
    #[must_use]
    pub fn count_constraints_from_tests(&self, model: &OmniModel) -> (usize, usize) {
        let from_tests = |view: &&ViewFile| view.key.as_ref().is_some_and(|key| key.source == KeySource::Tests);
        let keys = model.views.iter().filter(from_tests);
        let keys = keys.filter(|view| !self.handwritten.has_primary_key(&view.path));
        let is_new = |join: &&TableJoin| {
            let is_certain = join.doubt.is_none() && join.source != JoinSource::Constraint;
            let path = relationships::yaml_path_of_join(join).text();
            is_certain
                && !candidate_shared_paths(RELATIONSHIPS_FILE)
                    .iter()
                    .any(|file| self.handwritten.is_path_handwritten(file, &path))
        };
        (keys.count(), model.joins.iter().filter(is_new).count())
    }
}

/// Returns the path and text of a file that exists only once in the model. `None` if the file does not exist.
fn read_shared_file(name: &str, files: &impl OmniFiles) -> Option<(String, String)> {
    candidate_shared_paths(name)
        .into_iter()
        .find_map(|name| files.read_omni_file(&name).map(|text| (name, text)))
}
