//! Writes values as YAML: complete files, and parts of a file with the indentation of the surrounding lines.

use super::scalar::{FLOW_INDICATORS, write_in_flow, write_key, write_quoted, write_scalar, write_spaces};
use super::{CollectionStyle, YamlValue};

/// Maximum length of a line that contains a list, if the list may also be written on several lines.
const MAX_LINE_WIDTH: usize = 96;

/// Format of new lines.
#[derive(Clone, Copy, Debug)]
pub struct YamlWriter {
    /// Indentation of a key, relative to its parent key.
    pub key_indent: usize,
    /// Indentation of a dash, relative to the dash's parent key.
    pub dash_indent: usize,
    /// Whether line breaks at the end of strings are left out.
    pub trims_strings: bool,
}

/// Format of generated files.
const GENERATED: YamlWriter = YamlWriter {
    key_indent: 2,
    dash_indent: 2,
    trims_strings: false,
};

/// Returns the text of a generated file.
#[must_use]
pub fn write_value(value: &YamlValue) -> String {
    let mut out = String::new();
    match value {
        YamlValue::Map(pairs, _) => {
            for (key, value) in pairs {
                GENERATED.write_pair(&mut out, key, value, 0);
                out.push('\n');
            }
        }
        YamlValue::List(items, _) => {
            for item in items {
                GENERATED.write_item(&mut out, item, 0, " ");
                out.push('\n');
            }
        }
        scalar => {
            GENERATED.write_inline(&mut out, scalar, 0);
            out.push('\n');
        }
    }
    out
}

/// Writes the line of a key with a string in a generated file. A long string has several lines.
pub fn write_text(output: &mut String, key: &str, text: &str, column: usize) {
    write_spaces(output, column);
    write_key(output, key);
    output.push_str(": ");
    write_scalar(output, text, column + GENERATED.key_indent);
    output.push('\n');
}

/// The values are not nested deeply, because the parser and the callers limit their depth, which limits the recursion.
impl YamlWriter {
    /// Writes `key: value`. The key begins in this column.
    pub fn write_pair(&self, output: &mut String, key: &str, value: &YamlValue, column: usize) {
        write_key(output, key);
        output.push(':');
        let start = output.len();
        if matches!(value, YamlValue::List(_, CollectionStyle::FlowIfShort)) {
            output.push(' ');
            write_flow(output, value);
            if column + key.len() + output.len() - start <= MAX_LINE_WIDTH {
                return;
            }
            output.truncate(start);
        }
        self.write_after_key(output, value, column);
    }

    /// Writes a value that follows a key in this column: the rest of the line, and the lines below it.
    pub fn write_after_key(&self, output: &mut String, value: &YamlValue, column: usize) {
        match block_children(value) {
            Some(BlockChildren::Items(items)) => {
                self.write_items(output, items, column + self.dash_indent);
            }
            Some(BlockChildren::Pairs(pairs)) => {
                for (key, value) in pairs {
                    start_line(output, column + self.key_indent);
                    self.write_pair(output, key, value, column + self.key_indent);
                }
            }
            None => self.write_after_space(output, value, " ", column + self.key_indent),
        }
    }

    /// Writes a list item as `- value`. The dash is in this column.
    pub fn write_item(&self, output: &mut String, value: &YamlValue, column: usize, spacing: &str) {
        output.push('-');
        self.write_after_dash(output, value, column + 1 + spacing.len(), spacing);
    }

    /// Writes a value that follows a dash, with the spaces after the dash. The value begins in this column.
    pub fn write_after_dash(&self, output: &mut String, value: &YamlValue, column: usize, spacing: &str) {
        match block_children(value) {
            Some(BlockChildren::Items(items)) => self.write_items(output, items, column),
            Some(BlockChildren::Pairs(pairs)) => {
                output.push_str(spacing);
                for (number, (key, value)) in pairs.iter().enumerate() {
                    if number > 0 {
                        start_line(output, column);
                    }
                    self.write_pair(output, key, value, column);
                }
            }
            None => self.write_after_space(output, value, spacing, column),
        }
    }

    fn write_items(&self, output: &mut String, items: &[YamlValue], column: usize) {
        for item in items {
            start_line(output, column);
            self.write_item(output, item, column, " ");
        }
    }

    /// Writes spaces and a value that begins on this line. Omits the spaces before an empty value.
    fn write_after_space(&self, output: &mut String, value: &YamlValue, spacing: &str, indent: usize) {
        let start = output.len();
        output.push_str(spacing);
        self.write_inline(output, value, indent);
        if output.len() == start + spacing.len() {
            output.truncate(start);
        }
    }

    /// Writes a scalar, or a list or mapping on one line. The lines of a block scalar are indented by `indent`.
    fn write_inline(&self, output: &mut String, value: &YamlValue, indent: usize) {
        match value {
            YamlValue::Text(text) => {
                let trimmed = text.trim_end_matches('\n');
                // Text that consists only of line breaks is written as a quoted scalar, because a block scalar cannot
                // represent it.
                let is_trimmed = self.trims_strings && !trimmed.is_empty();
                write_scalar(output, if is_trimmed { trimmed } else { text }, indent);
            }
            YamlValue::Bare(text) => output.push_str(text),
            _ => write_flow(output, value),
        }
    }
}

/// Children of a list or a mapping that is written on several lines.
enum BlockChildren<'v> {
    Items(&'v [YamlValue]),
    Pairs(&'v [(String, YamlValue)]),
}

fn block_children(value: &YamlValue) -> Option<BlockChildren<'_>> {
    match value {
        YamlValue::List(items, style) if *style != CollectionStyle::Flow && !items.is_empty() => {
            Some(BlockChildren::Items(items))
        }
        YamlValue::Map(pairs, style) if *style != CollectionStyle::Flow && !pairs.is_empty() => {
            Some(BlockChildren::Pairs(pairs))
        }
        _ => None,
    }
}

fn start_line(output: &mut String, column: usize) {
    output.push('\n');
    write_spaces(output, column);
}

/// Formats a value on one line.
#[must_use]
pub fn format_flow(value: &YamlValue) -> String {
    let mut out = String::new();
    write_flow(&mut out, value);
    out
}

/// Formats a key with its value on one line.
#[must_use]
pub fn format_flow_pair(key: &str, value: &YamlValue) -> String {
    let mut out = String::new();
    write_flow_pair(&mut out, key, value);
    out
}

fn write_flow(output: &mut String, value: &YamlValue) {
    match value {
        YamlValue::Text(text) => write_in_flow(output, text),
        YamlValue::Bare(text) if text.is_empty() => output.push_str("null"),
        // The user wrote the text without quotes on a separate line, but it needs quotes in a one-line list or mapping.
        YamlValue::Bare(text) if text.contains(FLOW_INDICATORS) => write_quoted(output, text),
        YamlValue::Bare(text) | YamlValue::Verbatim(text) => output.push_str(text),
        YamlValue::List(items, _) => {
            write_separated(output, ('[', ']'), items, write_flow);
        }
        YamlValue::Map(pairs, _) => {
            write_separated(output, ('{', '}'), pairs, |output, (key, value)| {
                write_flow_pair(output, key, value);
            });
        }
    }
}

fn write_flow_pair(output: &mut String, key: &str, value: &YamlValue) {
    write_in_flow(output, key);
    output.push_str(": ");
    write_flow(output, value);
}

fn write_separated<T>(output: &mut String, (open, close): (char, char), items: &[T], write: impl Fn(&mut String, &T)) {
    output.push(open);
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            output.push_str(", ");
        }
        write(output, item);
    }
    output.push(close);
}

#[cfg(test)]
mod tests {
    use super::{CollectionStyle, YamlValue, write_value};

    #[test]
    fn trees_are_written_as_blocks() {
        let bare = |text: &str| YamlValue::Bare(text.to_owned());
        let test = YamlValue::map([(
            "accepted_values",
            YamlValue::map([("values", YamlValue::list(vec![bare("1")]))]),
        )]);
        let row = YamlValue::Map(vec![("a".to_owned(), bare("[b]"))], CollectionStyle::Flow);
        let list = YamlValue::list(vec![
            YamlValue::text("unique"),
            test,
            YamlValue::list(vec![bare("true")]),
            row,
        ]);
        let long = |count: usize| YamlValue::short_list(vec![bare("1"); count]);
        let tree = YamlValue::map([
            ("name", YamlValue::text("yes")),
            ("none", YamlValue::list(Vec::new())),
            ("data_tests", list),
            ("a b: c", YamlValue::map([("d", YamlValue::text("{{ x }}"))])),
            ("short", long(3)),
            ("long", long(31)),
        ]);
        let out = write_value(&tree);
        let expected = format!(
            r#"name: "yes"
none: []
data_tests:
  - unique
  - accepted_values:
      values:
        - 1
  -
    - true
  - {{a: "[b]"}}
"a b: c":
  d: "{{{{ x }}}}"
short: [1, 1, 1]
long:
{}"#,
            "  - 1\n".repeat(31)
        );
        assert_eq!(out, expected);
        assert!(crate::yaml::read(&out, &mut Vec::new()).is_ok());
    }
}
