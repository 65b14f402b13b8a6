//! What a pull writes: what changed in dbt, brought into the files that people have edited since.

use super::changes::{self, Change};
use super::record::Record;
use super::relationships::FILE as RELATIONSHIPS;
use super::view::View;
use super::{OmniModel, STATUS_FILE};
use crate::yaml_edit::{Edit, Kept, Mark, Path, Refusal, Rules, Value, edit, merge};

/// The tag of what dbt has no more.
const REMOVED: &str = "dbt_removed";

/// The files as they are. Paths are seen from the folder of the Omni model, and have `/` between folders.
pub trait Files {
    /// The text of a file of the Omni model; none where there is none.
    fn omni(&self, path: &str) -> Option<String>;

    /// The text of what was recorded under a name.
    fn record(&self, name: &str) -> Option<String>;

    /// The names of what is recorded.
    fn records(&self) -> Vec<String>;
}

/// A file that a pull writes or removes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Place {
    /// Of the Omni model, by its path.
    Omni(String),
    /// What was recorded, by its name.
    Record(String),
}

/// How a pull goes about things.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Ways {
    /// What dbt has no more is removed, and not marked.
    pub prune: bool,
}

impl Ways {
    /// With what dbt has no more removed.
    #[must_use]
    pub fn prune(mut self, prune: bool) -> Self {
        self.prune = prune;
        self
    }
}

/// What a pull does.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Pull {
    /// The texts that are written.
    pub writes: Vec<(Place, String)>,
    /// The files that are removed.
    pub removes: Vec<Place>,
    /// What is different in dbt since the last pull.
    pub changes: Vec<Change>,
    /// What people have otherwise than dbt has it now, by file: theirs stays.
    pub kept: Vec<(String, Kept)>,
    /// Files that people removed, and that stay so.
    pub left_out: Vec<String>,
    /// Files that cannot be changed in place, with the reason. Nothing is written where there is one.
    pub refused: Vec<(String, Refusal)>,
    /// What is marked now, as dbt has it no more: files, each with the places in it.
    pub marked: Vec<(String, String)>,
}

impl Pull {
    /// What is to be done to bring the files of a project to what dbt knows now.
    #[must_use]
    pub fn plan(model: &OmniModel, files: &impl Files, ways: Ways) -> Self {
        let mut pull = Self::default();
        let mark = Mark::new("formulac: dbt has no such column any more")
            .adds("tags", REMOVED)
            .sets("hidden", Value::Bare("true".to_owned()));
        let rules = Rules::new().mark("dimensions.*", mark).prune(ways.prune);
        let mut recorded: std::collections::BTreeSet<String> = files.records().into_iter().collect();
        for view in &model.views {
            recorded.remove(&view.name);
            pull.view(view, files, &rules, ways);
        }
        recorded.remove(RELATIONSHIPS);
        for name in recorded {
            pull.gone(&name, files, &rules, ways);
        }
        pull.relationships(model.relationships.as_deref(), files);
        pull.status(model.status.as_deref(), files);
        pull.changes.sort();
        pull
    }

    /// Whether anything is written or removed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.removes.is_empty()
    }

    fn view(&mut self, view: &View, files: &impl Files, rules: &Rules, ways: Ways) {
        let record = Record::of(view);
        let text = record.text();
        let before = files.record(&view.name);
        if before.as_deref() == Some(text.as_str()) {
            // What an earlier pull marked is removed by the first one that is told to.
            if ways.prune
                && let Some(file) = files.omni(&view.path).filter(|file| file.contains(REMOVED))
            {
                self.merge(&view.path, Some(&view.text), &file, &view.text, rules);
            }
            return;
        }
        let before = before.as_deref().and_then(Record::read);
        self.changes.extend(changes::of_view(&view.name, before.as_ref(), Some(&record)));
        self.bring(&view.path, before.as_ref(), &view.text, files, rules);
        self.writes.push((Place::Record(view.name.clone()), text));
    }

    /// Brings a generated text to its file.
    fn bring(&mut self, path: &str, before: Option<&Record>, new: &str, files: &impl Files, rules: &Rules) {
        let Some(file) = files.omni(path) else {
            match before {
                Some(_) => self.left_out.push(path.to_owned()),
                None => self.writes.push((Place::Omni(path.to_owned()), new.to_owned())),
            }
            return;
        };
        self.merge(path, before.map(|it| it.view.as_str()), &file, new, rules);
    }

    fn merge(&mut self, path: &str, base: Option<&str>, file: &str, new: &str, rules: &Rules) {
        match merge(base, file, new, rules) {
            Ok(merged) => {
                self.kept.extend(merged.kept.into_iter().map(|kept| (path.to_owned(), kept)));
                self.marked.extend(merged.marked.into_iter().map(|place| (path.to_owned(), place.to_string())));
                if merged.changed {
                    self.writes.push((Place::Omni(path.to_owned()), merged.text));
                }
            }
            Err(refusal) => self.refused.push((path.to_owned(), refusal)),
        }
    }

    /// A view of a table that dbt has no more.
    fn gone(&mut self, name: &str, files: &impl Files, rules: &Rules, ways: Ways) {
        let Some(record) = files.record(name).as_deref().and_then(Record::read) else { return };
        if !record.gone {
            self.changes.extend(changes::of_view(name, Some(&record), None));
        }
        let file = files.omni(&record.path);
        if ways.prune {
            match file {
                Some(file) if file != record.view => self.left_out.push(record.path.clone()),
                Some(_) => self.removes.push(Place::Omni(record.path.clone())),
                None => {}
            }
            self.removes.push(Place::Record(name.to_owned()));
            return;
        }
        if record.gone {
            return;
        }
        let after = vec!["description".to_owned(), "label".to_owned(), "table_name".to_owned()];
        let edits = [
            Edit::Set { at: Path::root().key("hidden"), value: Value::Bare("true".to_owned()), after },
            Edit::Add { to: Path::root().key("tags"), value: Value::text(REMOVED) },
        ];
        let Ok(marked) = edit(&record.view, &edits) else { return };
        self.bring(&record.path, Some(&record), &marked, files, rules);
        self.marked.push((record.path.clone(), String::new()));
        let record = Record { gone: true, view: marked, ..record };
        self.writes.push((Place::Record(name.to_owned()), record.text()));
    }

    fn relationships(&mut self, new: Option<&str>, files: &impl Files) {
        let before = files.record(RELATIONSHIPS);
        if before.as_deref() == new {
            return;
        }
        self.changes.extend(changes::of_joins(before.as_deref(), new));
        let names = ["relationships.yaml", "relationships.yml", "relationships"];
        let found = names.iter().find_map(|name| Some((*name, files.omni(name)?)));
        let rules = Rules::new().list("", &["join_from_view", "join_to_view", "on_sql"]);
        let text = new.unwrap_or("[]\n");
        match (found, &before) {
            (Some((path, file)), before) => self.merge(path, before.as_deref(), &file, text, &rules),
            (None, Some(_)) => self.left_out.push(names[0].to_owned()),
            (None, None) => self.writes.push((Place::Omni(names[0].to_owned()), text.to_owned())),
        }
        match new {
            Some(new) => self.writes.push((Place::Record(RELATIONSHIPS.to_owned()), new.to_owned())),
            None => self.removes.push(Place::Record(RELATIONSHIPS.to_owned())),
        }
    }

    fn status(&mut self, new: Option<&str>, files: &impl Files) {
        let before = files.omni(STATUS_FILE);
        match new {
            Some(new) if before.as_deref() != Some(new) => {
                self.writes.push((Place::Omni(STATUS_FILE.to_owned()), new.to_owned()));
            }
            None if before.is_some() => self.removes.push(Place::Omni(STATUS_FILE.to_owned())),
            _ => {}
        }
    }
}
