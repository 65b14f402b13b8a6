//! Writes the file of a metric set, or adds definitions to it.

use std::collections::HashMap;
use std::ops::Range;

use super::draft::{CandidateSpec, DraftDefinition, ExistingMetricSet, MetricSetDraft, MetricSetReader};
use super::names::most_frequent;
use super::spec_text::SpecEntries;
use crate::arena::Arena;
use crate::model::shared_definitions::{FirstStepDefinition, FirstStepJoin};
use crate::yaml::{format_flow_scalar, format_scalar, key_text};
use crate::yaml_edit::{CollectionStyle, Edit, Path, YamlEditError, YamlValue, apply_edits, parse_value};

/// Contents of a metric set's file.
#[derive(Debug, Default)]
pub(super) struct MetricSetText {
    pub text: String,
    /// Byte range of each definition, including its comments.
    pub definitions: Vec<Range<usize>>,
}

impl MetricSetDraft {
    /// Returns the text of the metric set's file. `shared` contains the properties of each definition.
    pub fn text(&self, name: &str, candidates: &Arena<CandidateSpec>, shared: &[SharedProperties]) -> MetricSetText {
        let mut out = MetricSetText::default();
        let Some(first) = self.first_step(candidates) else {
            return out;
        };
        out.push_pair("metric_set", &format_flow_scalar(name));
        out.push_pair("from", &format_scalar(&first.from, 2));
        let joins = self.joins(candidates, &[]);
        if !joins.is_empty() {
            out.text.push_str("joins:\n");
            joins
                .iter()
                .for_each(|join| out.text.push_str(&format!("  - {}\n", join.text)));
        }
        if let Some(filter) = &first.filter {
            out.push_pair("where", &format_scalar(&filter.text, 2));
        }
        if let Some(time) = &self.time {
            out.push_pair("time", &format_flow_scalar(time));
        }
        out.text.push_str("definitions: |\n");
        let members = self.readers_by_candidate();
        for (definition, shared) in self.definitions.iter().zip(shared) {
            let start = out.text.len();
            let name = |index: usize| self.name_of_used_definition(&members, definition, index);
            out.push_definition(definition, shared.description.as_deref(), candidates, name);
            out.definitions.push(start..out.text.len());
        }
        let entries = self.definitions.iter().zip(shared);
        let mut entries = entries.filter(|(_, shared)| !shared.properties.is_empty()).peekable();
        if entries.peek().is_some() {
            out.text.push_str("columns:\n");
        }
        for (definition, shared) in entries {
            let entry = YamlValue::Map(shared.properties.clone(), CollectionStyle::Flow);
            out.text
                .push_str(&format!("  {}: {entry}\n", key_text(&definition.name)));
        }
        for (key, value) in &first.settings {
            out.push_pair(key, &format_flow_scalar(value));
        }
        out
    }

    /// Adds the new definitions to the file of an existing metric set, with their joins and properties.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be edited.
    pub fn extended_metric_set_text(
        &self,
        text: &str,
        set: &ExistingMetricSet,
        candidates: &Arena<CandidateSpec>,
        shared: &[SharedProperties],
    ) -> Result<String, YamlEditError> {
        let mut edits = Vec::new();
        let mut change = |path: Path, value: YamlValue, after: &[&str]| {
            let after = after.iter().map(|key| (*key).to_owned()).collect();
            edits.push(Edit::Set { at: path, value, after });
        };
        let joins = self.joins(candidates, &set.step.joins);
        let joins: Vec<YamlValue> = joins.iter().filter_map(|join| parse_value(&join.text)).collect();
        let path = Path::root().key("definitions");
        let members = self.readers_by_candidate();
        let mut block = MetricSetText::default();
        let mut properties: Vec<(String, YamlValue)> = Vec::new();
        let definition_pairs = self.definitions.iter().zip(shared);
        for (definition, shared) in definition_pairs.filter(|(definition, _)| definition.is_new) {
            let name = |index: usize| self.name_of_used_definition(&members, definition, index);
            let description = shared.description.as_deref();
            if set.step.block.is_some() {
                block.push_definition(definition, description, candidates, name);
            } else {
                let (candidate, index) = definition.source;
                let formula = formula_with_set_names(&candidates[candidate].step.definitions[index], name);
                let formula = YamlValue::text(formula);
                let entry = match description {
                    Some(text) => YamlValue::map([("formula", formula), ("description", YamlValue::text(text))]),
                    None => formula,
                };
                change(path.clone().key(&definition.name), entry, &[]);
            }
            if !shared.properties.is_empty() {
                let entry = YamlValue::Map(shared.properties.clone(), CollectionStyle::Flow);
                properties.push((definition.name.clone(), entry));
            }
        }
        if let Some(old) = set.step.block.as_ref().filter(|_| !block.text.is_empty()) {
            let added = block.text.lines().map(|line| line.strip_prefix("  ").unwrap_or(line));
            let lines: Vec<&str> = old.trim_end().lines().chain(added).collect();
            change(path, YamlValue::text(lines.join("\n") + "\n"), &[]);
        }
        let columns = Path::root().key("columns");
        match set.entries.has_columns() {
            true => properties
                .into_iter()
                .for_each(|(name, entry)| change(columns.clone().key(name), entry, &[])),
            false if properties.is_empty() => {}
            false => change(columns, YamlValue::map(properties), &["definitions"]),
        }
        let to = Path::root().key("joins");
        if set.step.joins.is_empty() && !joins.is_empty() {
            change(to, YamlValue::list(joins), &["from"]);
        } else {
            edits.extend(joins.into_iter().map(|value| Edit::Add { to: to.clone(), value }));
        }
        apply_edits(text, &edits)
    }

    fn readers_by_candidate(&self) -> HashMap<usize, &MetricSetReader> {
        self.members.iter().map(|member| (member.candidate, member)).collect()
    }

    /// Returns the metric set's name for the spec definition at `used_index`, to which the source formula of
    /// `definition` refers.
    fn name_of_used_definition(
        &self,
        members: &HashMap<usize, &MetricSetReader>,
        definition: &DraftDefinition,
        used_index: usize,
    ) -> Option<&str> {
        let index = members
            .get(&definition.source.0)?
            .definitions_to_move
            .get(used_index)
            .copied()
            .flatten()?;
        self.definitions
            .try_get(index)
            .map(|definition| definition.name.as_str())
    }

    /// Returns the joins of the specs, except joins with the same name as one of `step_joins`.
    fn joins<'c>(&self, candidates: &'c Arena<CandidateSpec>, step_joins: &[FirstStepJoin]) -> Vec<&'c FirstStepJoin> {
        let mut joins: Vec<&FirstStepJoin> = Vec::new();
        for member in &self.members {
            for join in &candidates[member.candidate].step.joins {
                if joins
                    .iter()
                    .copied()
                    .chain(step_joins)
                    .all(|other| other.name != join.name)
                {
                    joins.push(join);
                }
            }
        }
        joins
    }

    /// Returns the properties that the metric set specifies. For each new definition: the description that occurs in
    /// most specs, and the properties that occur in all specs.
    pub fn shared_properties(
        &self,
        entries: &Arena<SpecEntries>,
        candidates: &Arena<CandidateSpec>,
        set: Option<&ExistingMetricSet>,
    ) -> Vec<SharedProperties> {
        let properties_of = |definition: &DraftDefinition| {
            let (candidate, index) = definition.source;
            let tree = candidates[candidate].step.definitions[index].tree;
            if let Some((set, set_definition)) = set.and_then(|set| Some((set, set.definition(tree)?))) {
                return SharedProperties {
                    description: set.entries.description(set_definition),
                    properties: set.entries.properties(&set_definition.name),
                };
            }
            let sources = definition.replaced_definitions.iter().filter_map(|(candidate, index)| {
                let step_definition = &candidates[*candidate].step.definitions[*index];
                Some((entries.try_get(*candidate)?, step_definition))
            });
            let entry_definitions: Vec<(&SpecEntries, &FirstStepDefinition)> = sources.collect();
            let descriptions = entry_definitions
                .iter()
                .filter_map(|(entries, step_definition)| entries.description(step_definition));
            let description = most_frequent(descriptions, String::eq);
            let mut properties: Vec<Vec<(String, YamlValue)>> = entry_definitions
                .iter()
                .map(|(entries, step_definition)| entries.properties(&step_definition.name))
                .collect();
            let mut shared = properties.pop().unwrap_or_default();
            shared.retain(|pair| properties.iter().all(|other| contains_pair(other, pair)));
            SharedProperties {
                description,
                properties: shared,
            }
        };
        self.definitions.iter().map(properties_of).collect()
    }
}

/// Properties that a metric set specifies for a definition.
#[derive(Debug)]
pub(super) struct SharedProperties {
    pub description: Option<String>,
    /// All properties except the description.
    pub properties: Vec<(String, YamlValue)>,
}

/// Returns whether a mapping contains the key with an equal value.
pub(super) fn contains_pair(pairs: &[(String, YamlValue)], (key, value): &(String, YamlValue)) -> bool {
    pairs
        .iter()
        .any(|(other_key, pair_value)| other_key == key && pair_value.is_same_value(value))
}

impl MetricSetText {
    fn push_pair(&mut self, key: &str, value: &str) {
        self.text.push_str(&format!("{key}: {value}\n"));
    }

    fn push_definition<'n>(
        &mut self,
        definition: &DraftDefinition,
        description: Option<&str>,
        candidates: &Arena<CandidateSpec>,
        name: impl Fn(usize) -> Option<&'n str>,
    ) {
        let step_definition = |(candidate, index): (usize, usize)| &candidates[candidate].step.definitions[index];
        let source = step_definition(definition.source);
        let mut comments: Vec<&str> = source.comments.iter().map(String::as_str).collect();
        let mut note = source.note.as_str();
        for other in definition
            .replaced_definitions
            .iter()
            .map(|replaced_index| step_definition(*replaced_index))
        {
            for line in &other.comments {
                if !comments.contains(&line.as_str()) {
                    comments.push(line);
                }
            }
            note = if note.is_empty() { &other.note } else { note };
        }
        for line in comments {
            self.line(line);
        }
        for line in description.into_iter().flat_map(str::lines) {
            self.line(format!("/// {line}").trim_end());
        }
        let formula = formula_with_set_names(source, name);
        let space = if note.is_empty() { "" } else { "  " };
        for (number, line) in format!("{} = {formula}{space}{note}", definition.name)
            .lines()
            .enumerate()
        {
            let is_flat = number > 0 && !line.starts_with(' ');
            self.line(&if is_flat { format!("  {line}") } else { line.to_owned() });
        }
    }

    fn line(&mut self, line: &str) {
        let indent = if line.is_empty() { "" } else { "  " };
        self.text.push_str(&format!("{indent}{line}\n"));
    }
}

/// Returns the formula of a definition, in which other definitions have the names that the metric set uses.
fn formula_with_set_names<'n>(definition: &FirstStepDefinition, name: impl Fn(usize) -> Option<&'n str>) -> String {
    let mut formula = String::new();
    let mut offset = 0;
    for (range, used_index) in &definition.uses {
        let Some(name) = name(*used_index) else { continue };
        let reference = definition.formula.get(range.clone()).unwrap_or_default();
        formula.push_str(definition.formula.get(offset..range.start).unwrap_or_default());
        formula.push_str(if reference.eq_ignore_ascii_case(name) || reference.starts_with('$') {
            reference
        } else {
            name
        });
        offset = range.end;
    }
    formula.push_str(definition.formula.get(offset..).unwrap_or_default());
    formula
}
