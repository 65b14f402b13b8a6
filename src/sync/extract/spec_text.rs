//! Rewrites a spec so that its first step reads a metric set.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::comments::restore_lost_comments_in_spec;
use super::draft::{CandidateSpec, MetricSetDraft, MetricSetReader};
use super::set_text::{SharedProperties, contains_pair};
use crate::Level;
use crate::arena::Arena;
use crate::model::shared_definitions::{FirstStep, FirstStepDefinition, FirstStepDefinitionSource, FirstStepGroupKey};
use crate::yaml_edit::{CollectionStyle, Edit, Path, PathSegment, YamlEditError, YamlValue, apply_edits, parse_value};

const DESCRIPTION: &str = "description";

/// Minimum length of a list that is written with one line per item.
const MIN_WRAPPED_LIST_LENGTH: usize = 90;

/// Parsed spec, with the properties that it specifies for its columns.
#[derive(Debug)]
pub(super) struct SpecEntries {
    root: YamlValue,
    /// Lower-case names of the model's columns.
    columns: BTreeSet<String>,
    /// dbt keys that the spec specifies next to the formulas of its first step, by lower-case name.
    keys_by_name: BTreeMap<String, Vec<(String, YamlValue)>>,
}

impl SpecEntries {
    /// Reads a spec. `columns` contains the columns of the spec's model.
    pub fn new<'c>(text: &str, step: &FirstStep, columns: impl Iterator<Item = &'c str>) -> Self {
        let keys = step.definitions.iter().filter(|definition| !definition.keys.is_empty());
        let keys = keys.map(|definition| {
            let pairs = definition.keys.iter();
            let pairs = pairs.filter_map(|(key, text)| Some(((*key).to_owned(), parse_value(text)?)));
            (definition.name.to_lowercase(), pairs.collect())
        });
        Self {
            keys_by_name: keys.collect(),
            columns: columns.map(str::to_lowercase).collect(),
            root: parse_value(text).unwrap_or_else(|| YamlValue::text("")),
        }
    }

    /// Returns the properties of a column from the key `columns`, and the column's name as written there.
    fn column_properties(&self, name: &str) -> Option<(&str, &YamlValue)> {
        match self.root.get("columns") {
            Some(YamlValue::Map(pairs, _)) => {
                let pair = pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                pair.map(|(key, value)| (key.as_str(), value))
            }
            _ => None,
        }
    }

    /// Returns all properties of a definition, both in `columns` and next to its formula.
    fn entry(&self, name: &str) -> Vec<(String, YamlValue)> {
        let mut pairs = match self.column_properties(name) {
            Some((_, YamlValue::Map(pairs, _))) => pairs.clone(),
            _ => Vec::new(),
        };
        let keys = self.keys_by_name.get(&name.to_lowercase()).into_iter().flatten();
        let keys = keys.filter(|(key, _)| pairs.iter().all(|(other_key, _)| other_key != key));
        let keys: Vec<(String, YamlValue)> = keys.cloned().collect();
        pairs.extend(keys);
        pairs
    }

    /// Returns the properties of a definition without its description.
    pub fn properties(&self, name: &str) -> Vec<(String, YamlValue)> {
        let mut pairs = self.entry(name);
        pairs.retain(|(key, _)| key != DESCRIPTION);
        pairs
    }

    /// Returns the description that the spec specifies for a definition in `columns` or next to its formula.
    pub fn description(&self, definition: &FirstStepDefinition) -> Option<String> {
        let (_, entry) = self.column_properties(&definition.name).unzip();
        let text = entry.and_then(|entry| entry.get(DESCRIPTION)?.as_text());
        text.map(str::to_owned).or_else(|| definition.description.clone())
    }

    /// Returns whether the file has the key `columns`.
    pub fn has_columns(&self) -> bool {
        self.root.get("columns").is_some()
    }

    /// Returns the key-value pairs of the spec if `is_at_top` is set or there are no steps, otherwise those of its
    /// first step.
    fn pairs(&self, is_at_top: bool) -> &[(String, YamlValue)] {
        let node = match self.root.get("steps") {
            Some(YamlValue::List(steps, _)) if !is_at_top => steps.first(),
            _ => Some(&self.root),
        };
        match node {
            Some(YamlValue::Map(pairs, _)) => pairs,
            _ => &[],
        }
    }
}

/// Returns the text of a spec that reads the metric set instead of its relation.
pub(super) fn rewrite_spec(
    text: &str,
    draft: &MetricSetDraft,
    member: &MetricSetReader,
    candidates: &Arena<CandidateSpec>,
    ((set, set_text), entries, shared): ((&str, &str), &SpecEntries, &[SharedProperties]),
) -> Result<String, YamlEditError> {
    let candidate = &candidates[member.candidate];
    let mut writer = SpecWriter {
        step: &candidate.step,
        entries,
        first_step_path: step_path(entries, &candidate.step),
        edits: Vec::new(),
    };
    match candidate.step.metric_set {
        Some(_) => writer.add_metrics(draft, member, set),
        None => {
            writer.replace_relation_with_metrics(draft, member, set);
            writer.shorten_keys(draft.time.as_deref(), candidate.has_bare_keys);
        }
    }
    writer.remove_moved_definitions(member);
    writer.update_column_properties(member, shared);
    let rest = without_moved_comments(text, &candidate.step, member);
    apply_edits(&rest, &writer.edits)
        .map(|edited| restore_lost_comments_in_spec(text, edited, set_text, candidate.step.is_at_top))
}

/// Removes the YAML comments above the definitions that move to the metric set. Otherwise, they would describe the
/// definitions that follow.
fn without_moved_comments(text: &str, step: &FirstStep, member: &MetricSetReader) -> String {
    let moved = step.definitions.iter().zip(&member.definitions_to_move);
    let moved =
        moved.filter(|(definition, moved)| definition.origin == FirstStepDefinitionSource::Spec && moved.is_some());
    let mut ranges: Vec<Range<usize>> = moved.map(|(definition, _)| definition.yaml_comments.clone()).collect();
    ranges.sort_by_key(|range| range.start);
    let mut rest = String::new();
    let mut offset = 0;
    for range in ranges {
        rest.push_str(text.get(offset..range.start).unwrap_or_default());
        offset = offset.max(range.end);
    }
    rest + text.get(offset..).unwrap_or_default()
}

/// Returns the path of the first step.
fn step_path(entries: &SpecEntries, step: &FirstStep) -> Path {
    if step.is_at_top {
        return Path::root();
    }
    let pairs = entries.pairs(false).iter();
    let texts = pairs.filter_map(|(key, value)| Some((key.clone(), value.as_text()?.to_owned())));
    let names: Vec<(String, String)> = texts.clone().filter(|(key, _)| key == "name").collect();
    let item = if names.is_empty() { texts.collect() } else { names };
    Path::root().key("steps").step(PathSegment::Item(item))
}

struct SpecWriter<'s> {
    step: &'s FirstStep,
    entries: &'s SpecEntries,
    /// Path of the first step.
    first_step_path: Path,
    edits: Vec<Edit>,
}

impl SpecWriter<'_> {
    fn remove(&mut self, path: Path) {
        self.edits.push(Edit::Remove { at: path });
    }

    fn set(&mut self, path: Path, value: YamlValue, after: &[&str]) {
        let after = after.iter().map(|key| (*key).to_owned()).collect();
        self.edits.push(Edit::Set { at: path, value, after });
    }

    fn has_key(&self, key: &str) -> bool {
        self.entries
            .pairs(self.step.is_at_top)
            .iter()
            .any(|(entry_key, _)| entry_key == key)
    }

    /// Returns the entries of `metrics` for the definitions that move to the metric set and are columns of the model.
    fn metric_entries(
        &self,
        draft: &MetricSetDraft,
        member: &MetricSetReader,
        set: &str,
    ) -> Vec<(FirstStepDefinitionSource, YamlValue)> {
        let is_key = |index: usize| self.step.keys.iter().any(|key| key.definition == Some(index));
        let definitions = self
            .step
            .definitions
            .iter()
            .zip(&member.definitions_to_move)
            .enumerate();
        let metrics = definitions.filter_map(|(index, (definition, moved))| {
            let metric = &draft.definitions.try_get((*moved)?)?.name;
            let path = format!("{set}.{metric}");
            let entry = match definition.name.eq_ignore_ascii_case(metric) {
                true => YamlValue::text(path),
                false => YamlValue::Map(
                    vec![(definition.name.clone(), YamlValue::text(path))],
                    CollectionStyle::Flow,
                ),
            };
            let is_column = definition.level > Level::Row && definition.origin != FirstStepDefinitionSource::Used;
            (is_column && !is_key(index)).then_some((definition.origin, entry))
        });
        metrics.collect()
    }

    /// Adds metrics to the list `metrics` of a model that is built on the metric set.
    fn add_metrics(&mut self, draft: &MetricSetDraft, member: &MetricSetReader, set: &str) {
        let path = self.first_step_path.clone().key("metrics");
        let entries = self.metric_entries(draft, member, set);
        let metrics_pairs = self.entries.pairs(self.step.is_at_top).iter();
        let mut pairs = metrics_pairs.filter(|(key, _)| key == "metrics");
        if matches!(pairs.next(), Some((_, YamlValue::List(..)))) {
            let new = entries
                .into_iter()
                .filter(|(origin, _)| *origin == FirstStepDefinitionSource::Spec);
            self.edits.extend(new.map(|(_, value)| Edit::Add {
                to: path.clone(),
                value,
            }));
        } else {
            let metrics = wrap_list_if_long(entries.into_iter().map(|(_, entry)| entry).collect());
            self.set(path, metrics, &[]);
        }
    }

    /// Replaces the relation, the joins and the metric set's filter with the list of metrics.
    fn replace_relation_with_metrics(&mut self, draft: &MetricSetDraft, member: &MetricSetReader, set: &str) {
        self.remove(Path::root().key("from"));
        for key in ["joins", "where"] {
            if self.has_key(key) && (key != "where" || !member.keeps_filter) {
                self.remove(self.first_step_path.clone().key(key));
            }
        }
        for (key, _) in &self.step.settings {
            self.remove(Path::root().key(*key));
        }
        let metrics = self.metric_entries(draft, member, set);
        let metrics = wrap_list_if_long(metrics.into_iter().map(|(_, entry)| entry).collect());
        let before = self.entries.pairs(true).iter().take_while(|(key, _)| key != "from");
        let before = before.last().map_or("model", |(key, _)| key.as_str()).to_owned();
        let after: &[&str] = if self.step.is_at_top {
            &[&before, "model"]
        } else {
            &["name"]
        };
        self.set(self.first_step_path.clone().key("metrics"), metrics, after);
    }

    /// Shortens keys and references to them. A timeframe of the metric set's time column becomes the name of the
    /// timeframe, such as `month`. In `order_by` and `partition_by`, other timeframes become the names of their output
    /// columns.
    fn shorten_keys(&mut self, time: Option<&str>, has_bare_keys: bool) {
        let column_name = |key: &FirstStepGroupKey| {
            let (column, period) = key.period.as_ref().filter(|_| key.definition.is_none())?;
            let is_time = time.is_some_and(|time| time.eq_ignore_ascii_case(column));
            is_time.then(|| period.clone())
        };
        let entry = |key: &FirstStepGroupKey| {
            column_name(key)
                .filter(|_| has_bare_keys)
                .unwrap_or_else(|| key.text.clone())
        };
        let keys: Vec<String> = self.step.keys.iter().map(entry).collect();
        if self.step.keys.iter().zip(&keys).any(|(key, new)| key.text != *new) {
            self.set(self.first_step_path.clone().key("group_by"), names(&keys), &[]);
        }
        let shorten = |text: &str| {
            let (name, direction) = text.split_once(' ').unwrap_or((text, ""));
            let is_frame = |(key, _): &(&FirstStepGroupKey, &String)| key.text == name && name.contains('[');
            let name = match self.step.keys.iter().zip(&keys).find(is_frame) {
                Some((key, new)) if key.text == *new => &key.name,
                Some((_, new)) => new,
                None => name,
            };
            format!("{name} {direction}").trim_end().to_owned()
        };
        let replaced = |list: &Vec<String>| list.iter().map(|text| shorten(text)).collect::<Vec<String>>();
        let (order, partition) = (&self.step.order_by, &self.step.partition_by);
        let new_partition = partition
            .as_ref()
            .map(replaced)
            .filter(|new| Some(new) != partition.as_ref());
        // A model built on metric sets is sorted by its time key unless it specifies another order.
        let time_keys: Vec<&String> = self
            .step
            .keys
            .iter()
            .zip(&keys)
            .filter_map(|(key, new)| column_name(key).map(|_| new))
            .collect();
        let new_order = match order {
            None if self.step.is_last && !time_keys.is_empty() => Some(Vec::new()),
            None => None,
            Some(list) => Some(replaced(list)).filter(|new| new != list),
        };
        let is_default = has_bare_keys
            && matches!((time_keys.as_slice(), new_order.as_deref()), ([key], Some([only])) if *key == only);
        let order_at = self.first_step_path.clone().key("order_by");
        if is_default {
            self.remove(order_at);
        } else if let Some(order) = new_order {
            self.set(order_at, names(&order), &["group_by"]);
        }
        if let Some(partition) = new_partition {
            self.set(self.first_step_path.clone().key("partition_by"), names(&partition), &[]);
        }
    }

    /// Removes the definitions that moved to the metric set.
    fn remove_moved_definitions(&mut self, member: &MetricSetReader) {
        let all = self.step.definitions.iter().zip(&member.definitions_to_move);
        let definition_pairs = all.filter(|(definition, _)| definition.origin == FirstStepDefinitionSource::Spec);
        let path = self.first_step_path.clone().key("definitions");
        if member.definitions_to_move.iter().all(Option::is_some) {
            return self.remove(path);
        }
        match &self.step.block {
            Some(block) => {
                let kept_segments = definition_pairs.filter(|(_, moved)| moved.is_none());
                let segments = kept_segments.filter_map(|(definition, _)| block.get(definition.segment.clone()?));
                let block_text: String = segments.collect();
                self.set(path, YamlValue::text(block_text.trim_start_matches('\n')), &[]);
            }
            None => {
                let moved: Vec<&str> = definition_pairs
                    .filter(|(_, moved)| moved.is_some())
                    .map(|(definition, _)| definition.name.as_str())
                    .collect();
                moved.into_iter().for_each(|name| self.remove(path.clone().key(name)));
            }
        }
    }

    /// Removes the properties that the metric set now specifies, and keeps properties with different values.
    fn update_column_properties(&mut self, member: &MetricSetReader, shared: &[SharedProperties]) {
        let columns = Path::root().key("columns");
        let mut removed = Vec::new();
        let mut changed: Vec<(String, YamlValue)> = Vec::new();
        let definitions = self.step.definitions.iter().zip(&member.definitions_to_move);
        for (step_definition, moved) in
            definitions.filter(|(definition, _)| definition.origin == FirstStepDefinitionSource::Spec)
        {
            let Some(shared) = moved.and_then(|index| shared.get(index)) else {
                continue;
            };
            let column_properties = self.entries.column_properties(&step_definition.name);
            let mut properties = self.entries.properties(&step_definition.name);
            properties.retain(|pair| !contains_pair(&shared.properties, pair));
            let is_column = self.entries.columns.contains(&step_definition.name.to_lowercase());
            let description = self.entries.description(step_definition).filter(|_| is_column);
            if let Some(text) = description.filter(|text| Some(text) != shared.description.as_ref()) {
                properties.insert(0, (DESCRIPTION.to_owned(), YamlValue::text(text)));
            }
            match column_properties {
                Some((key, _)) if properties.is_empty() => removed.push(columns.clone().key(key)),
                None if properties.is_empty() => {}
                Some((key, YamlValue::Map(pairs, style))) => {
                    if pairs.len() != properties.len() || !properties.iter().all(|pair| contains_pair(pairs, pair)) {
                        changed.push((key.to_owned(), YamlValue::Map(properties, *style)));
                    }
                }
                _ => changed.push((
                    step_definition.name.clone(),
                    YamlValue::Map(properties, CollectionStyle::Flow),
                )),
            }
        }
        match self.entries.root.get("columns") {
            Some(YamlValue::Map(pairs, _)) if pairs.len() == removed.len() && changed.is_empty() => {
                self.remove(columns);
            }
            Some(YamlValue::Map(..)) => {
                removed.into_iter().for_each(|path| self.remove(path));
                for (key, entry) in changed {
                    self.set(columns.clone().key(key), entry, &[]);
                }
            }
            _ if changed.is_empty() => {}
            _ => self.set(columns, YamlValue::map(changed), &[]),
        }
    }
}

/// Formats a list on one line, or on several lines if it would be long.
fn wrap_list_if_long(items: Vec<YamlValue>) -> YamlValue {
    let flow = YamlValue::List(items, CollectionStyle::Flow);
    match flow {
        YamlValue::List(ref items, _) if flow.to_string().len() > MIN_WRAPPED_LIST_LENGTH => {
            YamlValue::list(items.clone())
        }
        flow => flow,
    }
}

/// Returns a single name as a string, and several names as a list.
fn names(names: &[String]) -> YamlValue {
    match names {
        [name] => YamlValue::text(name),
        several => wrap_list_if_long(several.iter().map(YamlValue::text).collect()),
    }
}
