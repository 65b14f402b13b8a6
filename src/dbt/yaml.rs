//! YAML for dbt, written from a tree: what formulac says, and what the analyst passes on.

use std::borrow::Cow;

use super::jinja::raw;

/// A value in a properties file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A text that comes out of dbt as it is, though dbt renders every text.
    Text(String),
    /// A text in dbt's own language: Jinja in it is rendered.
    Dbt(String),
    /// A number, a truth value, a word: as the analyst wrote it without quotes, in one line.
    Bare(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
    /// A mapping in one line, where each of its values has one.
    Flow(Vec<(String, Value)>),
    /// A list of scalars in one line, where that is short.
    #[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "only files of Omni have such"))]
    Words(Vec<Value>),
}

impl Value {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The value of a key, where it is a mapping.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(pairs) | Self::Flow(pairs) => pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// A scalar's text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Dbt(text) | Self::Bare(text) => Some(text),
            _ => None,
        }
    }

    /// Whether some text in it is dbt's own language. A spec's depth is bounded where it is read, so is the recursion.
    pub fn has_jinja(&self) -> bool {
        match self {
            Self::Dbt(text) => ["{{", "{%", "{#"].iter().any(|marker| text.contains(marker)),
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

/// A mapping's lines, each indented so far. A spec's depth is bounded where it is read, so is the recursion.
pub(crate) fn write_pairs(out: &mut String, pairs: &[(String, Value)], indent: usize) {
    for (key, value) in pairs {
        out.push_str(&" ".repeat(indent));
        write_pair(out, key, value, indent);
    }
}

/// A list or mapping as a text of its own.
#[cfg(feature = "sync")]
pub(crate) fn write_value(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::List(items) | Value::Words(items) => write_items(&mut out, items, 0),
        Value::Map(pairs) | Value::Flow(pairs) => write_pairs(&mut out, pairs, 0),
        scalar => write_scalar(&mut out, scalar, 0),
    }
    out
}

fn write_pair(out: &mut String, key: &str, value: &Value, indent: usize) {
    out.push_str(&key_text(key));
    out.push(':');
    match value {
        _ if value.is_empty() => write_empty(out, value),
        Value::Words(items) if indent + key.len() + words(items).len() < WIDTH => {
            out.push_str(&format!(" {}\n", words(items)));
        }
        Value::List(items) | Value::Words(items) => {
            out.push('\n');
            write_items(out, items, indent + 2);
        }
        Value::Map(pairs) | Value::Flow(pairs) => {
            out.push('\n');
            write_pairs(out, pairs, indent + 2);
        }
        _ => {
            out.push(' ');
            write_scalar(out, value, indent + 2);
        }
    }
}

fn write_items(out: &mut String, items: &[Value], indent: usize) {
    for item in items {
        out.push_str(&" ".repeat(indent));
        out.push('-');
        match item {
            _ if item.is_empty() => write_empty(out, item),
            Value::Flow(pairs) if pairs.iter().all(|(_, value)| value.as_text().is_some()) => write_flow(out, pairs),
            Value::Map(pairs) | Value::Flow(pairs) => {
                out.push(' ');
                for (number, (key, value)) in pairs.iter().enumerate() {
                    if number > 0 {
                        out.push_str(&" ".repeat(indent + 2));
                    }
                    write_pair(out, key, value, indent + 2);
                }
            }
            Value::List(inner) | Value::Words(inner) => {
                out.push('\n');
                write_items(out, inner, indent + 2);
            }
            _ => {
                out.push(' ');
                write_scalar(out, item, indent + 2);
            }
        }
    }
}

/// How long a line with a list may be.
const WIDTH: usize = 96;

/// `[a, b]`.
fn words(items: &[Value]) -> String {
    let words: Vec<String> = items.iter().map(word).collect();
    format!("[{}]", words.join(", "))
}

/// A scalar in a list or mapping of one line.
fn word(value: &Value) -> String {
    match value {
        Value::Text(text) => in_flow(&raw(text)),
        Value::Dbt(text) => in_flow(text),
        // Without quotes it was one text on a line of its own.
        Value::Bare(text) if text.contains([',', '[', ']', '{', '}']) => quoted(text),
        Value::Bare(text) => text.clone(),
        Value::List(_) | Value::Map(_) | Value::Flow(_) | Value::Words(_) => String::new(),
    }
}

/// `{a: 1, b: text}`.
fn write_flow(out: &mut String, pairs: &[(String, Value)]) {
    let pair = |(key, value): &(String, Value)| format!("{}: {}", in_flow(key), word(value));
    let pairs: Vec<String> = pairs.iter().map(pair).collect();
    out.push_str(&format!(" {{{}}}\n", pairs.join(", ")));
}

/// A text in one line of a mapping: a comma or a bracket would end it.
pub(crate) fn in_flow(value: &str) -> String {
    let clean = clean(value);
    if is_plain(&clean) && !clean.contains([',', '[', ']', '{', '}', '#']) {
        clean.into_owned()
    } else {
        quoted(&clean)
    }
}

/// A list or mapping of nothing.
fn write_empty(out: &mut String, value: &Value) {
    out.push_str(if matches!(value, Value::List(_) | Value::Words(_)) { " []\n" } else { " {}\n" });
}

fn write_scalar(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Text(text) => out.push_str(&scalar(&raw(text), indent)),
        Value::Dbt(text) => out.push_str(&scalar(text, indent)),
        Value::Bare(text) => out.push_str(text),
        Value::List(_) | Value::Map(_) | Value::Flow(_) | Value::Words(_) => {}
    }
    out.push('\n');
}

/// A key stands in one line, whatever it holds.
pub(crate) fn key_text(key: &str) -> String {
    let clean = clean(key);
    if is_plain(&clean) { clean.into_owned() } else { quoted(&clean) }
}

/// What PyYAML, which reads it for dbt, takes for no text, or for the end of a line.
fn clean(value: &str) -> Cow<'_, str> {
    // Most are so, and there are many of them.
    if value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(value);
    }
    let kept = |c: &char| (!c.is_control() || *c == '\n' || *c == '\t') && !matches!(c, '\u{fffe}' | '\u{ffff}');
    let blank = |c: char| if matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c };
    Cow::Owned(value.chars().filter(kept).map(blank).collect())
}

/// A scalar: bare where that is safe, a literal block for several lines, else quoted.
pub(crate) fn scalar(value: &str, indent: usize) -> String {
    let clean = clean(value);
    if is_plain(&clean) {
        return clean.into_owned();
    }
    let blanks_count = |line: &str| line.ends_with([' ', '\t']);
    let is_block = clean.contains('\n')
        && !clean.starts_with([' ', '\t', '\n'])
        && !clean.ends_with('\n')
        && !clean.lines().any(blanks_count);
    if !is_block {
        return quoted(&clean);
    }
    let pad = " ".repeat(indent);
    let lines: Vec<String> =
        clean.lines().map(|l| if l.is_empty() { String::new() } else { format!("{pad}{l}") }).collect();
    format!("|-\n{}", lines.join("\n"))
}

fn quoted(clean: &str) -> String {
    let escaped = clean.replace('\\', "\\\\").replace('"', "\\\"").replace('\t', "\\t").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// Whether a text means itself without quotes in any YAML reader.
fn is_plain(value: &str) -> bool {
    let first = value.chars().next();
    let starts_well = first.is_some_and(|c| c.is_alphabetic() || c == '_');
    let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    starts_well
        && !words.iter().any(|word| value.eq_ignore_ascii_case(word))
        && !value.as_bytes().windows(2).any(|pair| matches!(pair, b": " | b" #"))
        && !value.ends_with([':', ' '])
        && !value.bytes().any(|byte| matches!(byte, b'\t' | b'\n' | b'{' | b'}'))
}

#[cfg(test)]
mod tests {
    use super::{Value, scalar, write_pairs};

    #[test]
    fn scalars_come_back() {
        for value in [
            "plain words",
            "yes",
            "a: b",
            "x #y",
            "- item",
            "\"quoted\"",
            "it's",
            "{{ x }}",
            "50%",
            "é à ü",
            "ends:",
            "12",
            "two\nlines",
            "  indented\n  lines",
            "ends with a line\n",
            "a\n\nb",
            "blanks  \nat ends",
            "a\\b",
            "*star",
            "@at",
            "tab\there",
        ] {
            let text = format!("k: {}\n", scalar(value, 2));
            let node = crate::yaml::read(&text, &mut Vec::new()).unwrap().unwrap();
            assert_eq!(node.get("k").unwrap().text(), Some(value), "{text}");
        }
    }

    #[test]
    fn trees_are_written_as_blocks() {
        let map =
            |pairs: &[(&str, Value)]| Value::Map(pairs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect());
        let test = map(&[("accepted_values", map(&[("values", Value::List(vec![Value::Bare("1".into())]))]))]);
        let list = Value::List(vec![Value::text("unique"), test, Value::List(vec![Value::Bare("true".into())])]);
        let tree = [
            ("name".to_owned(), Value::text("yes")),
            ("none".to_owned(), Value::List(Vec::new())),
            ("data_tests".to_owned(), list),
            ("meta".to_owned(), map(&[("a b: c", Value::text("{{ x }}")), ("d", Value::Dbt("{{ x }}".into()))])),
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
