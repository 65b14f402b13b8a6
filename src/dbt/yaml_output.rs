//! YAML writer for dbt files. The writer's input is a tree of generated values and values copied from the spec.

use formulac_syntax::yaml::scalar::{
    FLOW_INDICATORS, write_in_flow, write_key, write_quoted, write_scalar, write_spaces,
};

use super::jinja::escape_with_raw_block;

/// Value in a properties file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum YamlOutput {
    /// Text without Jinja. The writer escapes the text, because dbt renders all strings.
    Text(String),
    /// Text with Jinja that dbt renders.
    Dbt(String),
    /// Number, boolean or word that the user wrote on one line, without quotes.
    Bare(String),
    /// List, one item per line.
    List(Vec<YamlOutput>),
    /// Mapping, one key per line.
    Map(Vec<(String, YamlOutput)>),
    /// Mapping on one line, with all of its values.
    Flow(Vec<(String, YamlOutput)>),
    /// List of scalars, on one line if it is short.
    Words(Vec<YamlOutput>),
}

impl YamlOutput {
    /// Creates a value from text without Jinja.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Returns the value of a key, if the value is a mapping.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(pairs) | Self::Flow(pairs) => pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Returns the text of a scalar.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Dbt(text) | Self::Bare(text) => Some(text),
            _ => None,
        }
    }

    /// Returns whether the value contains text with Jinja. The spec parser limits the nesting depth, which limits the
    /// recursion.
    pub fn has_jinja(&self) -> bool {
        match self {
            Self::Dbt(text) => crate::has_jinja(text),
            Self::List(items) | Self::Words(items) => items.iter().any(Self::has_jinja),
            Self::Map(pairs) | Self::Flow(pairs) => pairs.iter().any(|(_, value)| value.has_jinja()),
            Self::Text(_) | Self::Bare(_) => false,
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::List(items) | Self::Words(items) => items.is_empty(),
            Self::Map(pairs) | Self::Flow(pairs) => pairs.is_empty(),
            _ => false,
        }
    }
}

/// Writes the lines of a mapping with the given indentation. The spec parser limits the nesting depth, which limits
/// the recursion.
pub fn write_pairs(output: &mut String, pairs: &[(String, YamlOutput)], indent: usize) {
    for (key, value) in pairs {
        write_spaces(output, indent);
        write_pair(output, key, value, indent);
    }
}

/// Writes a key with a string that dbt renders, on one or more lines.
pub fn write_text(output: &mut String, key: &str, text: &str, indent: usize) {
    write_spaces(output, indent);
    write_key(output, key);
    output.push_str(": ");
    write_scalar(output, text, indent + 2);
    output.push('\n');
}

/// Returns the YAML text of a single value.
pub fn write_value(value: &YamlOutput) -> String {
    let mut out = String::new();
    match value {
        YamlOutput::List(items) | YamlOutput::Words(items) => write_items(&mut out, items, 0),
        YamlOutput::Map(pairs) | YamlOutput::Flow(pairs) => write_pairs(&mut out, pairs, 0),
        scalar => write_line(&mut out, scalar, 0),
    }
    out
}

fn write_pair(output: &mut String, key: &str, value: &YamlOutput, indent: usize) {
    write_key(output, key);
    output.push(':');
    match value {
        _ if value.is_empty() => write_empty_collection(output, value),
        YamlOutput::Words(items) => {
            let start = output.len();
            output.push(' ');
            write_inline_list(output, items);
            let value_length = output.len() - start - 1;
            if indent + key.len() + value_length < MAX_LINE_WIDTH {
                output.push('\n');
            } else {
                output.truncate(start);
                output.push('\n');
                write_items(output, items, indent + 2);
            }
        }
        YamlOutput::List(items) => {
            output.push('\n');
            write_items(output, items, indent + 2);
        }
        YamlOutput::Map(pairs) | YamlOutput::Flow(pairs) => {
            output.push('\n');
            write_pairs(output, pairs, indent + 2);
        }
        _ => {
            output.push(' ');
            write_line(output, value, indent + 2);
        }
    }
}

fn write_items(output: &mut String, items: &[YamlOutput], indent: usize) {
    for item in items {
        write_spaces(output, indent);
        output.push('-');
        match item {
            _ if item.is_empty() => write_empty_collection(output, item),
            YamlOutput::Flow(pairs) if pairs.iter().all(|(_, value)| value.as_text().is_some()) => {
                write_inline_mapping(output, pairs);
            }
            YamlOutput::Map(pairs) | YamlOutput::Flow(pairs) => {
                output.push(' ');
                for (number, (key, value)) in pairs.iter().enumerate() {
                    if number > 0 {
                        write_spaces(output, indent + 2);
                    }
                    write_pair(output, key, value, indent + 2);
                }
            }
            YamlOutput::List(inner) | YamlOutput::Words(inner) => {
                output.push('\n');
                write_items(output, inner, indent + 2);
            }
            _ => {
                output.push(' ');
                write_line(output, item, indent + 2);
            }
        }
    }
}

/// Maximum length of a line that contains a list.
const MAX_LINE_WIDTH: usize = 96;

/// Writes a list on one line: `[a, b]`.
fn write_inline_list(output: &mut String, items: &[YamlOutput]) {
    output.push('[');
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            output.push_str(", ");
        }
        write_inline_scalar(output, item);
    }
    output.push(']');
}

/// Writes a scalar in a one-line list or mapping.
fn write_inline_scalar(output: &mut String, value: &YamlOutput) {
    match value {
        YamlOutput::Text(text) => write_in_flow(output, &escape_with_raw_block(text)),
        YamlOutput::Dbt(text) => write_in_flow(output, text),
        // The user wrote the text without quotes on a separate line, but it needs quotes in a one-line list or mapping.
        YamlOutput::Bare(text) if text.contains(FLOW_INDICATORS) => write_quoted(output, text),
        YamlOutput::Bare(text) => output.push_str(text),
        YamlOutput::List(_) | YamlOutput::Map(_) | YamlOutput::Flow(_) | YamlOutput::Words(_) => {}
    }
}

/// Writes a mapping on one line: `{a: 1, b: text}`.
fn write_inline_mapping(output: &mut String, pairs: &[(String, YamlOutput)]) {
    output.push_str(" {");
    for (number, (key, value)) in pairs.iter().enumerate() {
        if number > 0 {
            output.push_str(", ");
        }
        write_in_flow(output, key);
        output.push_str(": ");
        write_inline_scalar(output, value);
    }
    output.push_str("}\n");
}

/// Writes an empty list or mapping.
fn write_empty_collection(output: &mut String, value: &YamlOutput) {
    output.push_str(if matches!(value, YamlOutput::List(_) | YamlOutput::Words(_)) {
        " []\n"
    } else {
        " {}\n"
    });
}

/// Writes a scalar and a line break. A string may have several lines.
fn write_line(output: &mut String, value: &YamlOutput, indent: usize) {
    match value {
        YamlOutput::Text(text) => write_scalar(output, &escape_with_raw_block(text), indent),
        YamlOutput::Dbt(text) => write_scalar(output, text, indent),
        YamlOutput::Bare(text) => output.push_str(text),
        YamlOutput::List(_) | YamlOutput::Map(_) | YamlOutput::Flow(_) | YamlOutput::Words(_) => {}
    }
    output.push('\n');
}

#[cfg(test)]
mod tests {
    use super::{YamlOutput, write_pairs};

    #[test]
    fn trees_are_written_as_blocks() {
        let map = |pairs: &[(&str, YamlOutput)]| {
            YamlOutput::Map(pairs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect())
        };
        let test = map(&[(
            "accepted_values",
            map(&[("values", YamlOutput::List(vec![YamlOutput::Bare("1".into())]))]),
        )]);
        let list = YamlOutput::List(vec![
            YamlOutput::text("unique"),
            test,
            YamlOutput::List(vec![YamlOutput::Bare("true".into())]),
        ]);
        let tree = [
            ("name".to_owned(), YamlOutput::text("yes")),
            ("none".to_owned(), YamlOutput::List(Vec::new())),
            ("data_tests".to_owned(), list),
            (
                "meta".to_owned(),
                map(&[
                    ("a b: c", YamlOutput::text("{{ x }}")),
                    ("d", YamlOutput::Dbt("{{ x }}".into())),
                ]),
            ),
        ];
        let mut out = String::new();
        write_pairs(&mut out, &tree, 0);
        assert_eq!(
            out,
            r#"name: "yes"
none: []
data_tests:
  - unique
  - accepted_values:
      values:
        - 1
  -
    - true
meta:
  "a b: c": "{% raw %}{{ x }}{% endraw %}"
  d: "{{ x }}"
"#
        );
        assert!(crate::yaml::read(&out, &mut Vec::new()).is_ok());
    }
}
