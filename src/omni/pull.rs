//! What a pull writes: what changed in dbt, brought into the files that people have edited since.

use super::access;
use super::changes::{self, PullChange};
use super::pull_state::{PullRecord, PulledFacts};
use super::relationships::FILE as RELATIONSHIPS;
use super::topics::Topic;
use super::view::ViewFile;
use super::{OmniModel, STATUS_FILE};
use crate::parallel;
use crate::schema::REMOVED_TAG;
use crate::yaml_edit::{Edit, MergeKeep, Path, RuleMark, Rules, YamlRefusal, YamlValue, edit, merge};

/// The files as they are. Paths are seen from the folder of the Omni model, and have `/` between folders.
pub trait OmniFiles {
    /// The text of a file of the Omni model; `None` if there is none.
    fn omni(&self, path: &str) -> Option<String>;

    /// The text of what was recorded under a name.
    fn record(&self, name: &str) -> Option<String>;

    /// The names of what is recorded.
    fn records(&self) -> Vec<String>;
}

/// A file that a pull writes or removes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PulledPlace {
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
    pub writes: Vec<(PulledPlace, String)>,
    /// The files that are removed.
    pub removes: Vec<PulledPlace>,
    /// What is different in dbt since the last pull.
    pub changes: Vec<PullChange>,
    /// What people have otherwise than dbt has it now, by file: theirs stays.
    pub kept: Vec<(String, MergeKeep)>,
    /// Files that people removed, and that stay so.
    pub left_out: Vec<String>,
    /// Files that cannot be changed in place, with the reason. Nothing is written where there is one.
    pub refused: Vec<(String, YamlRefusal)>,
    /// What is marked now, as dbt no longer has it: files, each with the places in it.
    pub marked: Vec<(String, String)>,
}

impl Pull {
    /// What is to be done to bring the files of a project to what dbt knows now.
    #[must_use]
    pub fn plan(model: &OmniModel, files: &(impl OmniFiles + Sync), ways: Ways) -> Self {
        let mut pull = Self::default();
        let mark = RuleMark::new("formulac: dbt has no such column any more")
            .adds("tags", REMOVED_TAG)
            .sets("hidden", YamlValue::Bare("true".to_owned()));
        let rules = Rules::new().mark("dimensions.*", mark).prune(ways.prune);
        let mut recorded: std::collections::BTreeSet<String> = files.records().into_iter().collect();
        let views = model.views.iter().map(|view| (view.name.clone(), Generated::View(view)));
        let topics = model.topics.iter().map(|topic| (format!("{}.topic", topic.name), Generated::Topic(topic)));
        let own: Vec<(String, Generated<'_>)> = views.chain(topics).collect();
        // Each has files of its own, and most did not change.
        let of_one = |number: usize| {
            let (name, generated) = own.get(number)?;
            let mut one = Self::default();
            one.own(name, generated.facts(), files, &rules, ways);
            Some(one)
        };
        for one in parallel::each(own.len(), of_one).into_iter().flatten() {
            pull.take(one);
        }
        for (name, _) in &own {
            recorded.remove(name);
        }
        recorded.remove(RELATIONSHIPS);
        recorded.remove(access::FILE);
        for name in recorded {
            pull.gone(&name, files, &rules, ways);
        }
        pull.relationships(model.relationships.as_deref(), files);
        pull.grants(model.model.as_deref(), files);
        pull.status(model.status.as_deref(), files);
        pull.changes.sort();
        pull
    }

    /// Whether anything is written or removed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.removes.is_empty()
    }

    /// Takes over what another does.
    fn take(&mut self, other: Self) {
        let Self { writes, removes, changes, kept, left_out, refused, marked } = other;
        self.writes.extend(writes);
        self.removes.extend(removes);
        self.changes.extend(changes);
        self.kept.extend(kept);
        self.left_out.extend(left_out);
        self.refused.extend(refused);
        self.marked.extend(marked);
    }

    /// A file that has a record of its own: that of a view or of a topic.
    fn own(&mut self, name: &str, facts: PulledFacts<'_>, files: &impl OmniFiles, rules: &Rules, ways: Ways) {
        let before = files.record(name);
        let mut text = facts.text();
        // Of most nothing changed, and no more is made of them.
        let is_same = before.as_deref() == Some(text.as_str());
        if is_same && !ways.prune {
            return;
        }
        let record = &facts.record();
        if let Some(before) = before.as_deref().filter(|_| !is_same).and_then(PullRecord::read) {
            let mut record = record.clone();
            record.keep_vanished(&before, REMOVED_TAG);
            text = record.text();
        }
        if before.as_deref() == Some(text.as_str()) {
            // What an earlier pull marked is removed by the first one that is told to.
            if ways.prune
                && let Some(file) = files.omni(&record.path).filter(|file| file.contains(REMOVED_TAG))
            {
                self.merge(&record.path, Some(&record.view), &file, &record.view, rules);
            }
            return;
        }
        let before = before.as_deref().and_then(PullRecord::read);
        self.changes.extend(changes::view_changes(name, before.as_ref(), Some(record)));
        self.bring(&record.path, before.as_ref(), &record.view, files, rules);
        self.writes.push((PulledPlace::Record(name.to_owned()), text));
    }

    /// Brings a generated text to its file.
    fn bring(&mut self, path: &str, before: Option<&PullRecord>, new: &str, files: &impl OmniFiles, rules: &Rules) {
        let Some(file) = files.omni(path) else {
            match before {
                Some(_) => self.left_out.push(path.to_owned()),
                None => self.writes.push((PulledPlace::Omni(path.to_owned()), new.to_owned())),
            }
            return;
        };
        self.merge(path, before.map(|it| it.base(new, &file)).as_deref(), &file, new, rules);
    }

    fn merge(&mut self, path: &str, base: Option<&str>, file: &str, new: &str, rules: &Rules) {
        match merge(base, file, new, rules) {
            Ok(merged) => {
                self.kept.extend(merged.kept.into_iter().map(|kept| (path.to_owned(), kept)));
                self.marked.extend(merged.marked.into_iter().map(|place| (path.to_owned(), place.to_string())));
                if merged.changed {
                    self.writes.push((PulledPlace::Omni(path.to_owned()), merged.text));
                }
            }
            Err(refusal) => self.refused.push((path.to_owned(), refusal)),
        }
    }

    /// A view or a topic that dbt has no more.
    fn gone(&mut self, name: &str, files: &impl OmniFiles, rules: &Rules, ways: Ways) {
        let Some(record) = files.record(name).as_deref().and_then(PullRecord::read) else { return };
        if !record.gone {
            self.changes.extend(changes::view_changes(name, Some(&record), None));
        }
        let file = files.omni(&record.path);
        if ways.prune {
            match file {
                Some(file) if file != record.view => self.left_out.push(record.path.clone()),
                Some(_) => self.removes.push(PulledPlace::Omni(record.path.clone())),
                None => {}
            }
            self.removes.push(PulledPlace::Record(name.to_owned()));
            return;
        }
        if record.gone {
            return;
        }
        let after = vec!["description".to_owned(), "label".to_owned(), "table_name".to_owned()];
        let mut edits =
            vec![Edit::Set { at: Path::root().key("hidden"), value: YamlValue::Bare("true".to_owned()), after }];
        // Topics have no tags.
        if !record.is_topic() {
            edits.push(Edit::Add { to: Path::root().key("tags"), value: YamlValue::text(REMOVED_TAG) });
        }
        let Ok(marked) = edit(&record.view, &edits) else { return };
        self.bring(&record.path, Some(&record), &marked, files, rules);
        self.marked.push((record.path.clone(), String::new()));
        let record = PullRecord { gone: true, view: marked, ..record };
        self.writes.push((PulledPlace::Record(name.to_owned()), record.text()));
    }

    fn relationships(&mut self, new: Option<&str>, files: &impl OmniFiles) {
        let rules = Rules::new().list("", &["join_from_view", "join_to_view", "on_sql"]);
        if let Some(before) = self.shared(RELATIONSHIPS, new, "[]\n", files, &rules) {
            self.changes.extend(changes::join_changes(before.as_deref(), new));
        }
    }

    fn grants(&mut self, new: Option<&str>, files: &impl OmniFiles) {
        if let Some(before) = self.shared(access::FILE, new, "{}\n", files, &Rules::new()) {
            self.changes.extend(changes::grant_changes(before.as_deref(), new));
        }
    }

    /// A file that there is one of; its record is what was generated last, which is given back where that was another.
    fn shared(
        &mut self,
        name: &str,
        new: Option<&str>,
        nothing: &str,
        files: &impl OmniFiles,
        rules: &Rules,
    ) -> Option<Option<String>> {
        let before = files.record(name);
        if before.as_deref() == new {
            return None;
        }
        let names = [format!("{name}.yaml"), format!("{name}.yml"), name.to_owned()];
        let found = names.iter().find_map(|name| Some((name, files.omni(name)?)));
        let text = new.unwrap_or(nothing);
        match (found, &before) {
            (Some((path, file)), before) => self.merge(path, before.as_deref(), &file, text, rules),
            (None, Some(_)) => self.left_out.push(names[0].clone()),
            (None, None) => self.writes.push((PulledPlace::Omni(names[0].clone()), text.to_owned())),
        }
        match new {
            Some(new) => self.writes.push((PulledPlace::Record(name.to_owned()), new.to_owned())),
            None => self.removes.push(PulledPlace::Record(name.to_owned())),
        }
        Some(before)
    }

    fn status(&mut self, new: Option<&str>, files: &impl OmniFiles) {
        let before = files.omni(STATUS_FILE);
        match new {
            Some(new) if before.as_deref() != Some(new) => {
                self.writes.push((PulledPlace::Omni(STATUS_FILE.to_owned()), new.to_owned()));
            }
            None if before.is_some() => self.removes.push(PulledPlace::Omni(STATUS_FILE.to_owned())),
            _ => {}
        }
    }
}

/// What has a file and a record of its own. No view has a `.` in its name, so no topic's record is a view's.
enum Generated<'m> {
    View(&'m ViewFile),
    Topic(&'m Topic),
}

impl Generated<'_> {
    fn facts(&self) -> PulledFacts<'_> {
        match self {
            Self::View(view) => PulledFacts::from_view(view),
            Self::Topic(topic) => PulledFacts::from_topic(topic),
        }
    }
}
