//! Plans a pull, which merges changes from dbt into files that users may have edited.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;

use super::OmniModel;
use super::access;
use super::changes::{self, PullChange};
use super::excluded_views::ExcludedViews;
use super::handwritten::{self, HandwrittenPaths};
use super::pull_state::{BorrowedPullRecord, PullRecord};
use super::relationships::RELATIONSHIPS_FILE;
use super::removed_dimensions::RemovedDimension;
use super::renamed::RenamedRecords;
use super::topics::Topic;
use super::view::ViewFile;
use crate::parallel;
use crate::schema::REMOVED_FROM_DBT_TAG;
use crate::yaml_edit::{
    self, Edit, Path, RemovalMark, Rules, YamlEditError, YamlMergeConflict, YamlValue, apply_edits, merge,
};

/// Reads existing files. Paths are relative to the Omni model's folder and use `/` as the separator.
pub trait OmniFiles {
    /// Returns the text of a file in the Omni model. `None` if the file does not exist.
    fn read_omni_file(&self, path: &str) -> Option<String>;

    /// Returns the text of the record with this name. `None` if the record does not exist.
    fn read_record(&self, name: &str) -> Option<String>;

    /// Returns the names of all records.
    fn record_names(&self) -> Vec<String>;

    /// Returns whether dbt's properties files contain this description of a node, or of one of its columns. The files
    /// may be newer than dbt's manifest.
    fn has_dbt_description(&self, _node: &str, _column: Option<&str>, _text: &str) -> bool {
        false
    }
}

/// File that a pull writes or removes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PulledFileLocation {
    /// File of the Omni model, identified by its path.
    Omni(String),
    /// Record, identified by its name.
    Record(String),
}

impl PulledFileLocation {
    /// Returns the path of a file of the Omni model. `None` for a record.
    #[must_use]
    pub fn omni_path(&self) -> Option<&str> {
        match self {
            Self::Omni(path) => Some(path),
            Self::Record(_) => None,
        }
    }
}

/// Options for a pull.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct PullOptions {
    /// Whether to remove items that no longer exist in dbt. By default, the items are only marked.
    pub prune: bool,
}

impl PullOptions {
    /// Sets whether to remove items that no longer exist in dbt.
    #[must_use]
    pub fn prune(mut self, prune: bool) -> Self {
        self.prune = prune;
        self
    }
}

/// Plan of a pull.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Pull {
    /// Files to write, each with its text.
    pub files_to_write: Vec<(PulledFileLocation, String)>,
    /// Files to remove.
    pub files_to_remove: Vec<PulledFileLocation>,
    /// Changes to dbt since the last pull.
    pub changes: Vec<PullChange>,
    /// Values that users changed by hand and that are kept although they differ from dbt's current values, by file.
    pub kept_edits: Vec<(String, YamlMergeConflict)>,
    /// Files that the pull does not create again because users removed them. With `prune`, the list also contains files
    /// that the pull keeps because users edited them.
    pub files_left_out: Vec<String>,
    /// Files that cannot be edited in place, each with the reason. If there are any, the caller must not write any
    /// files.
    pub uneditable_files: Vec<(String, YamlEditError)>,
    /// Items that this pull marked because they no longer exist in dbt, each with its file and position.
    pub marked_items: Vec<(String, String)>,
    /// Dimensions that the pull marks or removes, but that the Omni model still reads.
    pub removed_dimensions: Vec<RemovedDimension>,
    /// Views that the pull writes, but that Omni does not show because of the model file.
    pub excluded_views: Vec<ExcludedViews>,
    /// Parts of the files that people wrote before a pull generated the same parts.
    pub(super) handwritten: HandwrittenPaths,
}

impl Pull {
    /// Returns the paths of the Omni model's files that the pull writes.
    pub fn written_omni_files(&self) -> impl Iterator<Item = &str> {
        self.files_to_write
            .iter()
            .filter_map(|(location, _)| location.omni_path())
    }

    /// Returns the paths of the Omni model's files that the pull removes.
    pub fn removed_omni_files(&self) -> impl Iterator<Item = &str> {
        self.files_to_remove.iter().filter_map(PulledFileLocation::omni_path)
    }

    /// Returns the paths of the Omni model's files that the pull writes, then those that it removes.
    pub fn omni_files(&self) -> impl Iterator<Item = &str> {
        self.written_omni_files().chain(self.removed_omni_files())
    }

    /// Plans the changes that make the files match dbt's current artifacts.
    #[must_use]
    pub fn plan(model: &OmniModel, files: &(impl OmniFiles + Sync), options: PullOptions) -> Self {
        let handwritten_record = files.read_record(handwritten::HANDWRITTEN_RECORD);
        let mut pull = Self {
            handwritten: HandwrittenPaths::from_text(handwritten_record.as_deref()),
            ..Self::default()
        };
        let mark = RemovalMark::new("formulac: dbt has no such column any more")
            .add_to_list("tags", REMOVED_FROM_DBT_TAG)
            .set_if_missing("hidden", YamlValue::Bare("true".to_owned()));
        let rules = Rules::new()
            .with_mark("dimensions.*", mark)
            .atomic("dimensions.*.timeframes")
            .prune(options.prune);
        let mut recorded: BTreeSet<String> = files.record_names().into_iter().collect();
        let views = model
            .views
            .iter()
            .map(|view| (view.name.clone(), GeneratedFile::View(view)));
        let topics = model
            .topics
            .iter()
            .map(|topic| (format!("{}.topic", topic.name), GeneratedFile::Topic(topic)));
        let generated_files: Vec<(String, GeneratedFile<'_>)> = views.chain(topics).collect();
        for (name, _) in &generated_files {
            recorded.remove(name);
        }
        recorded.remove(RELATIONSHIPS_FILE);
        recorded.remove(access::MODEL_FILE);
        recorded.remove(handwritten::HANDWRITTEN_RECORD);
        let paths: FxHashSet<&str> = generated_files
            .iter()
            .map(|(_, file)| file.to_pull_record().path)
            .collect();
        let renamed = RenamedRecords::find(recorded, &paths, files);
        // Each view and topic has its own files, so they can be processed in parallel. Most files are unchanged.
        let of_one = |number: usize| {
            let (name, generated) = generated_files.get(number)?;
            let facts = generated.to_pull_record();
            let mut file_plan = Self {
                handwritten: pull.handwritten.of_file(facts.path),
                ..Self::default()
            };
            let Some((old, text)) = renamed.record_of_view(facts.path) else {
                file_plan.plan_view_or_topic(name, facts, files.read_record(name), files, &rules, options);
                return Some(file_plan);
            };
            file_plan.files_to_remove.push(PulledFileLocation::Record(old.clone()));
            file_plan.plan_view_or_topic(name, facts, Some(text.clone()), files, &rules, options);
            let record = PulledFileLocation::Record(name.clone());
            if !file_plan.files_to_write.iter().any(|(index, _)| *index == record) {
                file_plan.files_to_write.push((record, text.clone()));
            }
            Some(file_plan)
        };
        let file_plans = parallel::map_range(generated_files.len(), of_one);
        for file_plan in file_plans.into_iter().flatten() {
            pull.merge_plan(file_plan);
        }
        for name in renamed.obsolete {
            pull.plan_removal(&name, files, &rules, options);
        }
        pull.plan_relationships(model.relationships.as_deref(), files);
        pull.plan_grants(model.model.as_deref(), files);
        pull.plan_status_file(model.status.as_deref(), files);
        pull.plan_handwritten(handwritten_record);
        pull.find_excluded_views(model, files);
        pull.changes.sort();
        pull
    }

    /// Returns `true` if the pull neither writes nor removes files.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files_to_write.is_empty() && self.files_to_remove.is_empty()
    }

    /// Merges another plan into this plan.
    fn merge_plan(&mut self, other: Self) {
        let Self {
            files_to_write,
            files_to_remove,
            changes,
            kept_edits,
            files_left_out,
            uneditable_files,
            marked_items,
            removed_dimensions: _,
            excluded_views: _,
            handwritten,
        } = other;
        self.files_to_write.extend(files_to_write);
        self.files_to_remove.extend(files_to_remove);
        self.changes.extend(changes);
        self.kept_edits.extend(kept_edits);
        self.files_left_out.extend(files_left_out);
        self.uneditable_files.extend(uneditable_files);
        self.marked_items.extend(marked_items);
        self.handwritten.replace_file_paths(handwritten);
    }

    /// Plans how to update a view or topic, which has its own file and record.
    fn plan_view_or_topic(
        &mut self,
        name: &str,
        facts: BorrowedPullRecord<'_>,
        before: Option<String>,
        files: &impl OmniFiles,
        rules: &Rules,
        options: PullOptions,
    ) {
        let mut text = facts.text();
        // Most views and topics are unchanged and need no further processing.
        let is_same = before.as_deref() == Some(text.as_str());
        if is_same && !options.prune {
            return;
        }
        let mut record = facts.to_record();
        let previous = before.as_deref().filter(|_| !is_same).and_then(PullRecord::from_text);
        let file = files.read_omni_file(&record.path);
        // People may have chosen a different primary key than the key that dbt's tests verify.
        let of_pull = previous
            .as_ref()
            .filter(|_| !self.handwritten.has_primary_key(&record.path));
        let of_pull = of_pull.map(|previous| previous.view.as_str());
        if file.is_some_and(|file| handwritten::has_handwritten_key(&file, &record.view, of_pull)) {
            self.handwritten.add_primary_key(&record.path);
            record.view = handwritten::strip_primary_key(&record.view);
            text = record.text();
        }
        if let Some(previous) = previous {
            record.keep_unread_descriptions(&previous, files);
            let mut updated = record.clone();
            updated.keep_removed_columns(&previous, REMOVED_FROM_DBT_TAG);
            let file = files.read_omni_file(&record.path);
            let has_conflict = file.is_some_and(|file| updated.keep_conflicting_descriptions(&previous, &file));
            text = updated.text();
            if has_conflict && before.as_deref() == Some(text.as_str()) {
                // Nothing else has changed, so only report the descriptions that the file keeps.
                self.plan_update(&record.path, Some(&previous), &record.view, files, rules);
                return;
            }
        }
        if before.as_deref() == Some(text.as_str()) {
            // The first pull with `prune` removes items that earlier pulls marked.
            if options.prune
                && let Some(file) = files
                    .read_omni_file(&record.path)
                    .filter(|file| file.contains(REMOVED_FROM_DBT_TAG))
            {
                self.merge(&record.path, Some(&record.view), &file, &record.view, rules);
            }
            return;
        }
        let before = before.as_deref().and_then(PullRecord::from_text);
        let file = files.read_omni_file(&record.path);
        let writes = self.files_to_write.len();
        self.plan_update(&record.path, before.as_ref(), &record.view, files, rules);
        let is_written = self.files_to_write.len() > writes;
        match (&before, file) {
            // The view exists, but no pull has updated it yet.
            (None, Some(file)) if is_written => {
                self.changes.extend(changes::first_pull_changes(name, &file, &record));
            }
            (None, Some(_)) => {}
            _ => self
                .changes
                .extend(changes::view_changes(name, before.as_ref(), Some(&record))),
        }
        self.files_to_write
            .push((PulledFileLocation::Record(name.to_owned()), text));
    }

    /// Plans how to update a file to the newly generated text.
    fn plan_update(
        &mut self,
        path: &str,
        before: Option<&PullRecord>,
        new: &str,
        files: &impl OmniFiles,
        rules: &Rules,
    ) {
        let Some(file) = files.read_omni_file(path) else {
            match before {
                Some(_) => self.files_left_out.push(path.to_owned()),
                None => self
                    .files_to_write
                    .push((PulledFileLocation::Omni(path.to_owned()), new.to_owned())),
            }
            return;
        };
        self.merge(
            path,
            before
                .map(|pull_record| pull_record.merge_base_text(new, &file))
                .as_deref(),
            &file,
            new,
            rules,
        );
    }

    pub(super) fn merge(&mut self, path: &str, base: Option<&str>, file: &str, new: &str, rules: &Rules) {
        let rules = rules.clone().handwritten(self.handwritten.remove_file_paths(path));
        match merge(base, file, new, &rules) {
            Ok(merged) => {
                self.handwritten.insert(path, merged.handwritten);
                self.kept_edits
                    .extend(merged.kept.into_iter().map(|kept_edit| (path.to_owned(), kept_edit)));
                self.marked_items.extend(
                    merged
                        .marked
                        .into_iter()
                        .map(|index| (path.to_owned(), index.to_string())),
                );
                if merged.changed {
                    self.files_to_write
                        .push((PulledFileLocation::Omni(path.to_owned()), merged.text));
                }
            }
            Err(edit_error) => self.uneditable_files.push((path.to_owned(), edit_error)),
        }
    }

    /// Plans the removal of a view or topic that no longer exists in dbt.
    fn plan_removal(&mut self, name: &str, files: &impl OmniFiles, rules: &Rules, options: PullOptions) {
        let Some(record) = files.read_record(name).as_deref().and_then(PullRecord::from_text) else {
            return;
        };
        if !record.is_removed_from_dbt {
            self.changes.extend(changes::view_changes(name, Some(&record), None));
        }
        let file = files.read_omni_file(&record.path);
        if options.prune {
            match file {
                Some(file) if file != record.view || self.handwritten.has_handwritten_paths(&record.path) => {
                    self.files_left_out.push(record.path.clone());
                }
                Some(_) => self.files_to_remove.push(PulledFileLocation::Omni(record.path.clone())),
                None => {}
            }
            self.handwritten.remove_file_paths(&record.path);
            self.files_to_remove.push(PulledFileLocation::Record(name.to_owned()));
            return;
        }
        if record.is_removed_from_dbt {
            return;
        }
        let after = vec!["description".to_owned(), "label".to_owned(), "table_name".to_owned()];
        let mut edits = vec![Edit::Set {
            at: Path::root().key("hidden"),
            value: YamlValue::Bare("true".to_owned()),
            after,
        }];
        // Only views can have tags, not topics.
        if !record.is_topic() {
            let tags = Path::root().key("tags");
            let tag = YamlValue::text(REMOVED_FROM_DBT_TAG);
            let has_tags = yaml_edit::parse_value(&record.view).is_some_and(|root| root.get("tags").is_some());
            edits.push(if has_tags {
                Edit::Add { to: tags, value: tag }
            } else {
                Edit::Set {
                    at: tags,
                    value: YamlValue::list(vec![tag]),
                    after: vec!["hidden".to_owned()],
                }
            });
        }
        let Ok(marked) = apply_edits(&record.view, &edits) else {
            return;
        };
        self.plan_update(&record.path, Some(&record), &marked, files, rules);
        self.marked_items.push((record.path.clone(), String::new()));
        let record = PullRecord {
            is_removed_from_dbt: true,
            view: marked,
            ..record
        };
        self.files_to_write
            .push((PulledFileLocation::Record(name.to_owned()), record.text()));
    }
}

/// View or topic, which has its own file and record. View names do not contain `.`, so view records and topic records
/// cannot have the same names.
enum GeneratedFile<'m> {
    View(&'m ViewFile),
    Topic(&'m Topic),
}

impl GeneratedFile<'_> {
    fn to_pull_record(&self) -> BorrowedPullRecord<'_> {
        match self {
            Self::View(view) => BorrowedPullRecord::from_view(view),
            Self::Topic(topic) => BorrowedPullRecord::from_topic(topic),
        }
    }
}
