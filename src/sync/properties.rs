//! Properties in a model's properties file, with one entry per property.

use std::collections::BTreeMap;

use super::manual_edits::Property;
use crate::dbt::{
    call_arguments, escape_with_raw_block, is_hash_key, jinja_blocks, jinja_expression, jinja_string,
    unescape_raw_block,
};
use crate::yaml::{self, Node, NodeKind, YamlStyle};
use crate::yaml_edit::YamlValue;

/// Key of a property of a model or column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PropertyKey {
    /// Name of the column. `None` for the model.
    pub column: Option<String>,
    pub property: Property,
    /// Key of a setting, such as `meta`, or the data test itself. Empty if the property has only one value.
    pub detail: String,
}

/// Value of a property, with its location.
#[derive(Clone, Debug)]
pub(super) struct LocatedPropertyValue {
    pub value: YamlValue,
    /// Line number in the file, starting at 1.
    pub line: usize,
    /// `true` if the value is in the file with docs blocks.
    pub in_docs: bool,
}

impl LocatedPropertyValue {
    /// Returns a scalar as its value, and any other value as YAML on one line.
    pub fn text(&self) -> String {
        display_value(&self.value)
    }
}

/// Reads all properties of a model, and replaces `doc()` calls with the contents of their docs blocks. Returns `None`
/// if the file has no entry for the model.
pub(super) fn read(model: &str, yml: &str, md: Option<&str>) -> Option<BTreeMap<PropertyKey, LocatedPropertyValue>> {
    let root = yaml::merged_root(yml)?;
    let models = root.get("models")?.items()?;
    let own = match models {
        [_] => 0,
        _ => models.iter().position(|entry| entry.text_at("name") == Some(model))?,
    };
    let mut reader = PropertiesReader {
        line_ends: line_ends(yml),
        docs: md.map(docs_blocks_by_name).unwrap_or_default(),
        properties: BTreeMap::new(),
    };
    for (key, value) in root.pairs()? {
        let key = key.text().unwrap_or_default();
        match (key, value.items()) {
            ("version", _) => {}
            ("models", Some(models)) => {
                for (number, entry) in models.iter().enumerate() {
                    if number == own {
                        reader.model(entry);
                        continue;
                    }
                    let detail = format!("model {}", entry.text_at("name").unwrap_or_default());
                    reader.record_property_value(None, Property::Text, &detail, entry);
                }
            }
            _ => reader.record_property_value(None, Property::Text, key, value),
        }
    }
    Some(reader.properties)
}

struct PropertiesReader {
    /// Offsets of the line breaks. Counting lines for every property would be quadratic.
    line_ends: Vec<usize>,
    docs: BTreeMap<String, (String, usize)>,
    properties: BTreeMap<PropertyKey, LocatedPropertyValue>,
}

impl PropertiesReader {
    fn model(&mut self, model: &Node) {
        for (key, value) in model.pairs().unwrap_or_default() {
            let key = key.text().unwrap_or_default();
            match (key, value.items()) {
                ("columns", Some(columns)) => columns.iter().for_each(|column| self.column(column)),
                _ => self.add_property(None, model, key, value),
            }
        }
    }

    fn column(&mut self, column: &Node) {
        let Some(name) = column.text_at("name") else {
            return;
        };
        for (key, value) in column.pairs().unwrap_or_default() {
            self.add_property(Some(name), column, key.text().unwrap_or_default(), value);
        }
    }

    /// Adds the property that a model or column (`of`) has under `key`.
    fn add_property(&mut self, column: Option<&str>, of: &Node, key: &str, value: &Node) {
        match key {
            "description" => self.description(column, value),
            "data_tests" | "tests" => {
                for item in value.items().unwrap_or_default() {
                    let detail = display_value(&to_yaml_value(item));
                    self.record_property_value(column, Property::Tests, &detail, item);
                }
            }
            "config" => {
                for (key, value) in value.pairs().unwrap_or_default() {
                    self.record_property_value(column, Property::Config, key.text().unwrap_or_default(), value);
                }
            }
            // dbt adds these values to the values of the same key under `config`.
            "tags" | "meta" if of.get("config").and_then(|config| config.get(key)).is_none() => {
                self.record_property_value(column, Property::Config, key, value);
            }
            _ => self.record_property_value(column, Property::Text, key, value),
        }
    }

    fn description(&mut self, column: Option<&str>, value: &Node) {
        let called = value
            .text()
            .and_then(doc_call_name)
            .and_then(|name| self.docs.get(name))
            .cloned();
        match called {
            Some((text, line)) => {
                let about = PropertyKey {
                    column: column.map(str::to_owned),
                    property: Property::Description,
                    detail: String::new(),
                };
                self.properties.insert(
                    about,
                    LocatedPropertyValue {
                        value: YamlValue::Text(text),
                        line,
                        in_docs: true,
                    },
                );
            }
            None => self.record_property_value(column, Property::Description, "", value),
        }
    }

    fn record_property_value(&mut self, column: Option<&str>, property: Property, detail: &str, value: &Node) {
        let read = if detail == "meta" {
            without_formulac_hash(value)
        } else {
            Some(to_yaml_value(value))
        };
        let Some(read) = read else { return };
        let about = PropertyKey {
            column: column.map(str::to_owned),
            property,
            detail: detail.to_owned(),
        };
        let line = line_of_offset(&self.line_ends, value.span.start as usize);
        self.properties.insert(
            about,
            LocatedPropertyValue {
                value: read,
                line,
                in_docs: false,
            },
        );
    }
}

/// Returns a `meta` mapping without the hash that formulac stores in it. Returns `None` if `meta` contains nothing
/// else.
fn without_formulac_hash(meta: &Node) -> Option<YamlValue> {
    let Some(pairs) = meta.pairs() else {
        return Some(to_yaml_value(meta));
    };
    let kept = pairs.iter().filter_map(|(key, value)| {
        let key = key.text().unwrap_or_default();
        let inner = value.pairs().filter(|inner| {
            inner
                .iter()
                .any(|(one, _)| is_hash_key(key, one.text().unwrap_or_default()))
        });
        let Some(inner) = inner else {
            return Some((key, to_yaml_value(value)));
        };
        let rest = inner
            .iter()
            .filter(|(one, _)| !is_hash_key(key, one.text().unwrap_or_default()));
        let rest: Vec<_> = rest
            .map(|(one, value)| (one.text().unwrap_or_default(), to_yaml_value(value)))
            .collect();
        (!rest.is_empty()).then(|| (key, YamlValue::map(rest)))
    });
    let kept: Vec<(&str, YamlValue)> = kept.collect();
    (!kept.is_empty()).then(|| YamlValue::map(kept))
}

/// Returns the name in `{{ doc('name') }}`. `None` if the text has any other contents.
fn doc_call_name(text: &str) -> Option<&str> {
    jinja_string(call_arguments(jinja_expression(text)?, "doc")?)
}

/// Returns the docs blocks of a file by name, each with the number of the line on which its text begins.
fn docs_blocks_by_name(md: &str) -> BTreeMap<String, (String, usize)> {
    let line_ends = line_ends(md);
    let blocks = jinja_blocks(md, &["docs"]).into_iter().map(|block| {
        let line = line_of_offset(&line_ends, block.start) + usize::from(block.content.starts_with('\n'));
        let text = unwrap_raw_block(block.content.trim_matches('\n'));
        (block.name.to_owned(), (text, line))
    });
    blocks.collect()
}

/// Removes a `raw` block around text without Jinja. Text and code with the same characters remain different strings,
/// because Jinja in text is escaped.
fn unwrap_raw_block(string: &str) -> String {
    unescape_raw_block(string).map_or_else(|| string.to_owned(), |text| escape_with_raw_block(&text))
}

/// Returns a value in which the strings are rendered as dbt would render them. Returns `None` if a string contains
/// Jinja, which is code. Recursion is safe because the parser limits the nesting depth.
pub(super) fn render_yaml_strings(value: &YamlValue) -> Option<YamlValue> {
    Some(match value {
        YamlValue::Text(string) => YamlValue::Text(unescape_raw_block(string)?),
        YamlValue::List(items, style) => {
            YamlValue::List(items.iter().map(render_yaml_strings).collect::<Option<_>>()?, *style)
        }
        YamlValue::Map(pairs, style) => {
            let pairs = pairs
                .iter()
                .map(|(key, value)| Some((key.clone(), render_yaml_strings(value)?)));
            YamlValue::Map(pairs.collect::<Option<_>>()?, *style)
        }
        YamlValue::Bare(_) | YamlValue::Verbatim(_) => value.clone(),
    })
}

/// Returns the line number of a byte offset, starting at 1.
pub(super) fn line_number_at(text: &str, at: usize) -> usize {
    1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count()
}

/// Returns the offsets of the line breaks in a string.
fn line_ends(text: &str) -> Vec<usize> {
    text.match_indices('\n').map(|(at, _)| at).collect()
}

/// Returns the line number of a byte offset, starting at 1, in a string with these line breaks.
fn line_of_offset(line_ends: &[usize], at: usize) -> usize {
    1 + line_ends.partition_point(|end| *end < at)
}

/// Converts a node to a YAML value that can be written. Recursion is safe because the parser limits the nesting depth.
fn to_yaml_value(node: &Node) -> YamlValue {
    match &node.kind {
        NodeKind::Scalar {
            value,
            style: YamlStyle::Plain,
        } if yaml::non_text_type(value).is_some() => YamlValue::Bare(value.clone()),
        NodeKind::Scalar { value, .. } => YamlValue::Text(unwrap_raw_block(value)),
        NodeKind::Sequence(items) => YamlValue::list(items.iter().map(to_yaml_value).collect()),
        NodeKind::Mapping(pairs) => YamlValue::map(
            pairs
                .iter()
                .map(|(key, value)| (key.text().unwrap_or_default(), to_yaml_value(value))),
        ),
    }
}

/// Formats a value on one line, for display and for comparison. Keys keep their order.
pub(super) fn display_value(value: &YamlValue) -> String {
    match value {
        YamlValue::Bare(text) if yaml::parse_boolean(text).is_some() => {
            (yaml::parse_boolean(text) == Some(true)).to_string()
        }
        YamlValue::Text(text) | YamlValue::Bare(text) | YamlValue::Verbatim(text) => {
            text.trim_end_matches('\n').to_owned()
        }
        YamlValue::List(items, _) => format!("[{}]", items.iter().map(display_value).collect::<Vec<_>>().join(", ")),
        YamlValue::Map(pairs, _) => {
            let pairs = pairs
                .iter()
                .map(|(key, value)| format!("{key}: {}", display_value(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{doc_call_name, docs_blocks_by_name};

    #[test]
    fn docs_blocks_end_outside_of_raw_blocks() {
        let md =
            "# x\n{% docs a %}\n{% raw %}b {% enddocs %}{% endraw %}\n{% enddocs %}\n{%- docs c -%}d{%- enddocs -%}";
        let blocks: Vec<_> = docs_blocks_by_name(md).into_iter().collect();
        let block = |name: &str, text: &str, line| (name.to_owned(), (text.to_owned(), line));
        assert_eq!(
            blocks,
            [
                block("a", "{% raw %}b {% enddocs %}{% endraw %}", 3),
                block("c", "d", 5)
            ]
        );
    }

    #[test]
    fn only_one_call_of_doc_is_replaced() {
        assert_eq!(doc_call_name(" {{ doc('a') }}"), Some("a"));
        for other in [
            "{{ doc('a') }} {{ doc('b') }}",
            "{{ doc('p', 'a') }}",
            "{{ doc('a') ~ 'b' }}",
            "doc('a')",
        ] {
            assert_eq!(doc_call_name(other), None, "{other}");
        }
    }
}
