//! Formats values as YAML, with the indentation of the surrounding file.

use super::tree::YamlTree;
use super::value::{CollectionStyle, YamlValue};
use crate::yaml::{Layout, Node, format_flow_scalar, format_scalar, key_text, lines};

/// Formats a value on one line.
pub(super) fn format_flow(value: &YamlValue) -> String {
    match value {
        YamlValue::Text(text) => format_flow_scalar(text),
        YamlValue::Bare(text) if text.is_empty() => "null".to_owned(),
        YamlValue::Bare(text) | YamlValue::Verbatim(text) => text.clone(),
        YamlValue::List(items, _) => {
            let items: Vec<String> = items.iter().map(format_flow).collect();
            format!("[{}]", items.join(", "))
        }
        YamlValue::Map(pairs, _) => {
            let pairs: Vec<String> = pairs.iter().map(|(key, value)| flow_pair(key, value)).collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}

pub(super) fn flow_pair(key: &str, value: &YamlValue) -> String {
    format!("{}: {}", format_flow_scalar(key), format_flow(value))
}

/// Formatted value after a key or a dash: the rest of the line, and the complete lines below it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RenderedValue {
    pub head: String,
    pub lines: Vec<String>,
}

/// Indentation style of a file.
#[derive(Debug)]
pub(super) struct RenderStyle {
    /// Indentation of a key, relative to its parent key.
    key_indent: usize,
    /// Indentation of a dash, relative to the dash's parent key.
    dash_indent: usize,
    pub line_break: &'static str,
}

impl RenderStyle {
    /// Derives the style from the majority of the file's lines.
    pub fn from_tree(tree: &YamlTree<'_>) -> Self {
        let (mut steps, mut dashes) = ([0usize; 9], [0usize; 9]);
        let is_block = |node: &&Node| node.is_map() && node.layout == Layout::Block;
        for node in tree.nodes().into_iter().filter(is_block) {
            for pair in node.children() {
                let value = pair.value;
                let Some(first) = value.child(0).filter(|_| value.layout == Layout::Block) else {
                    continue;
                };
                let inner = lines::column_at(tree.source, first.start);
                let distance = inner.saturating_sub(lines::column_at(tree.source, pair.start));
                let counts = if value.is_list() { &mut dashes } else { &mut steps };
                if let Some(count) = counts.get_mut(distance) {
                    *count += 1;
                }
            }
        }
        let most = |counts: [usize; 9]| {
            let most = counts
                .iter()
                .copied()
                .enumerate()
                .max_by_key(|(distance, n)| (*n, usize::MAX - distance));
            most.filter(|(_, n)| *n > 0).map(|(distance, _)| distance)
        };
        let dash = most(dashes);
        let step = most(steps).or(dash).filter(|step| *step > 0).unwrap_or(2);
        Self {
            key_indent: step,
            dash_indent: dash.unwrap_or(2),
            line_break: lines::line_break(tree.source),
        }
    }

    /// Returns the indentation of the lines below a key in this column.
    pub fn indent_below_key(&self, column: usize, is_list: bool) -> usize {
        column + if is_list { self.dash_indent } else { self.key_indent }
    }

    /// Formats a value that follows a key in this column.
    pub fn format_after_key(&self, value: &YamlValue, column: usize) -> RenderedValue {
        match value {
            YamlValue::List(items, CollectionStyle::Block) if !items.is_empty() => {
                let dash = column + self.dash_indent;
                let lines = items
                    .iter()
                    .flat_map(|item| self.format_item(item, dash, " ").into_lines(dash));
                RenderedValue {
                    head: String::new(),
                    lines: lines.collect(),
                }
            }
            YamlValue::Map(pairs, CollectionStyle::Block) if !pairs.is_empty() => {
                let column = column + self.key_indent;
                let lines = pairs
                    .iter()
                    .flat_map(|(key, value)| self.format_pair(key, value, column).into_lines(column));
                RenderedValue {
                    head: String::new(),
                    lines: lines.collect(),
                }
            }
            _ => format_inline(value, column + self.key_indent),
        }
    }

    /// Formats a value that follows a dash, with enough spaces to start the value in this column.
    pub fn format_after_dash(&self, value: &YamlValue, column: usize) -> RenderedValue {
        match value {
            YamlValue::Map(pairs, CollectionStyle::Block) if !pairs.is_empty() => {
                let mut lines = pairs
                    .iter()
                    .flat_map(|(key, value)| self.format_pair(key, value, column).into_lines(column));
                let head = lines.next().unwrap_or_default().trim_start().to_owned();
                RenderedValue {
                    head,
                    lines: lines.collect(),
                }
            }
            YamlValue::List(items, CollectionStyle::Block) if !items.is_empty() => {
                let lines = items
                    .iter()
                    .flat_map(|item| self.format_item(item, column, " ").into_lines(column));
                RenderedValue {
                    head: String::new(),
                    lines: lines.collect(),
                }
            }
            _ => format_inline(value, column),
        }
    }

    /// Formats a pair as `key: value`.
    pub fn format_pair(&self, key: &str, value: &YamlValue, column: usize) -> RenderedValue {
        let rendered = self.format_after_key(value, column);
        RenderedValue {
            head: join(&format!("{}:", key_text(key)), " ", &rendered.head),
            lines: rendered.lines,
        }
    }

    /// Formats a list item as `- value`.
    pub fn format_item(&self, value: &YamlValue, column: usize, spacing: &str) -> RenderedValue {
        let rendered = self.format_after_dash(value, column + 1 + spacing.len());
        RenderedValue {
            head: join("-", spacing, &rendered.head),
            lines: rendered.lines,
        }
    }
}

impl RenderedValue {
    /// Returns complete lines. The first line is indented to this column.
    pub fn into_lines(self, column: usize) -> impl Iterator<Item = String> {
        std::iter::once(format!("{}{}", " ".repeat(column), self.head)).chain(self.lines)
    }
}

fn join(sign: &str, spacing: &str, head: &str) -> String {
    if head.is_empty() {
        sign.to_owned()
    } else {
        format!("{sign}{spacing}{head}")
    }
}

/// Formats a scalar, or formats a list or mapping on one line. The lines of a block scalar are indented by `indent`.
fn format_inline(value: &YamlValue, indent: usize) -> RenderedValue {
    let text = match value {
        // Text that consists only of line breaks is written as a quoted scalar, because a block scalar cannot
        // represent it.
        YamlValue::Text(text) if text.trim_end_matches('\n').is_empty() => format_scalar(text, indent),
        YamlValue::Text(text) => format_scalar(text.trim_end_matches('\n'), indent),
        YamlValue::Bare(text) => text.clone(),
        _ => format_flow(value),
    };
    split_lines(&text)
}

pub(super) fn split_lines(text: &str) -> RenderedValue {
    let mut lines = text.split('\n').map(str::to_owned);
    RenderedValue {
        head: lines.next().unwrap_or_default(),
        lines: lines.collect(),
    }
}
