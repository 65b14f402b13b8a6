//! Writes the file of a metric set.

use std::collections::HashMap;
use std::ops::Range;

use super::draft::{Candidate, DraftDefinition, Member, SetDraft};
use super::names::most_frequent;
use super::spec_text::SpecEntries;
use crate::model::shared_definitions::FirstStepDefinition;
use crate::yaml::{flow_text, format_scalar, key_text};
use crate::yaml_edit::{CollectionStyle, YamlValue};

/// Contents of a set's file.
#[derive(Debug, Default)]
pub(super) struct SetText {
    pub text: String,
    /// Bytes of each definition, with its comments.
    pub definitions: Vec<Range<usize>>,
}

impl SetDraft {
    /// Writes the set's file. `shared` contains the properties of each definition.
    pub fn text(&self, name: &str, candidates: &[Candidate], shared: &[SharedProperties]) -> SetText {
        let mut out = SetText::default();
        let first = &candidates[self.members[0].candidate].step;
        out.pair("metric_set", &flow_text(name));
        out.pair("from", &format_scalar(&first.from, 2));
        let mut joins: Vec<(&str, &str)> = Vec::new();
        for member in &self.members {
            for join in &candidates[member.candidate].step.joins {
                if joins.iter().all(|(name, _)| *name != join.name) {
                    joins.push((&join.name, &join.text));
                }
            }
        }
        if !joins.is_empty() {
            out.text.push_str("joins:\n");
            joins
                .iter()
                .for_each(|(_, join)| out.text.push_str(&format!("  - {join}\n")));
        }
        if let Some(filter) = &first.filter {
            out.pair("where", &format_scalar(&filter.text, 2));
        }
        if let Some(time) = &self.time {
            out.pair("time", &flow_text(time));
        }
        out.text.push_str("definitions: |\n");
        let members = self.members.iter().map(|member| (member.candidate, member));
        let members: HashMap<usize, &Member> = members.collect();
        for (place, definition) in self.definitions.iter().enumerate() {
            let start = out.text.len();
            let name = |used: usize| {
                let place = members.get(&definition.source.0)?.moved.get(used).copied().flatten()?;
                self.definitions.get(place).map(|definition| definition.name.as_str())
            };
            let description = shared.get(place).and_then(|shared| shared.description.as_deref());
            out.definition(definition, description, candidates, name);
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
            out.pair(key, &flow_text(value));
        }
        out
    }

    /// Returns the properties that move to the set: for each definition, the description that most specs specify, and
    /// the properties that all specs specify.
    pub fn shared_properties(
        &self,
        entries: &HashMap<usize, SpecEntries>,
        candidates: &[Candidate],
    ) -> Vec<SharedProperties> {
        let of = |definition: &DraftDefinition| {
            let all = definition.replaced.iter().filter_map(|(candidate, place)| {
                let own = &candidates[*candidate].step.definitions[*place];
                Some((entries.get(candidate)?, own))
            });
            let all: Vec<(&SpecEntries, &FirstStepDefinition)> = all.collect();
            let descriptions = all.iter().filter_map(|(entries, own)| entries.description(own));
            let description = most_frequent(descriptions, String::eq);
            let mut properties: Vec<Vec<(String, YamlValue)>> =
                all.iter().map(|(entries, own)| entries.properties(&own.name)).collect();
            let mut shared = properties.pop().unwrap_or_default();
            shared.retain(|pair| properties.iter().all(|other| has_pair(other, pair)));
            SharedProperties {
                description,
                properties: shared,
            }
        };
        self.definitions.iter().map(of).collect()
    }
}

/// Properties that a set specifies for a definition.
#[derive(Debug)]
pub(super) struct SharedProperties {
    pub description: Option<String>,
    /// Other properties.
    pub properties: Vec<(String, YamlValue)>,
}

/// Returns whether a mapping has a key with the same value.
pub(super) fn has_pair(pairs: &[(String, YamlValue)], (key, value): &(String, YamlValue)) -> bool {
    pairs
        .iter()
        .any(|(known, own)| known == key && own.is_same_value(value))
}

impl SetText {
    fn pair(&mut self, key: &str, value: &str) {
        self.text.push_str(&format!("{key}: {value}\n"));
    }

    fn definition<'n>(
        &mut self,
        definition: &DraftDefinition,
        description: Option<&str>,
        candidates: &[Candidate],
        name: impl Fn(usize) -> Option<&'n str>,
    ) {
        let of = |(candidate, place): (usize, usize)| &candidates[candidate].step.definitions[place];
        let source = of(definition.source);
        let mut comments: Vec<&str> = source.comments.iter().map(String::as_str).collect();
        let mut note = source.note.as_str();
        for other in definition.replaced.iter().map(|it| of(*it)) {
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
        let formula = renamed(source, name);
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

/// Returns the formula of a definition, with the names of other definitions as in the set.
fn renamed<'n>(definition: &FirstStepDefinition, name: impl Fn(usize) -> Option<&'n str>) -> String {
    let mut formula = String::new();
    let mut at = 0;
    for (range, used) in &definition.uses {
        let Some(name) = name(*used) else { continue };
        let written = definition.formula.get(range.clone()).unwrap_or_default();
        formula.push_str(definition.formula.get(at..range.start).unwrap_or_default());
        formula.push_str(if written.eq_ignore_ascii_case(name) || written.starts_with('$') {
            written
        } else {
            name
        });
        at = range.end;
    }
    formula.push_str(definition.formula.get(at..).unwrap_or_default());
    formula
}
