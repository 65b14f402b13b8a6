//! Formats values as YAML, with the indentation of the surrounding file.

use super::tree::YamlTree;
use crate::yaml::{Layout, Node, YamlValue, YamlWriter, lines};

/// Formatted value after a key or a dash: the rest of the line, and the complete lines below it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RenderedValue {
    pub head: String,
    pub lines: Vec<String>,
}

/// Indentation style of a file.
#[derive(Debug)]
pub(super) struct RenderStyle {
    writer: YamlWriter,
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
            writer: YamlWriter {
                key_indent: step,
                dash_indent: dash.unwrap_or(2),
                trims_strings: true,
            },
            line_break: lines::line_break(tree.source),
        }
    }

    /// Returns the indentation of the lines below a key in this column.
    pub fn indent_below_key(&self, column: usize, is_list: bool) -> usize {
        column
            + if is_list {
                self.writer.dash_indent
            } else {
                self.writer.key_indent
            }
    }

    /// Formats a value that follows a key in this column.
    pub fn format_after_key(&self, value: &YamlValue, column: usize) -> RenderedValue {
        rendered(|text| self.writer.write_after_key(text, value, column))
    }

    /// Formats a value that follows a dash, with enough spaces to start the value in this column.
    pub fn format_after_dash(&self, value: &YamlValue, column: usize) -> RenderedValue {
        rendered(|text| self.writer.write_after_dash(text, value, column, ""))
    }

    /// Formats a pair as `key: value`.
    pub fn format_pair(&self, key: &str, value: &YamlValue, column: usize) -> RenderedValue {
        rendered(|text| self.writer.write_pair(text, key, value, column))
    }

    /// Formats a list item as `- value`.
    pub fn format_item(&self, value: &YamlValue, column: usize, spacing: &str) -> RenderedValue {
        rendered(|text| self.writer.write_item(text, value, column, spacing))
    }
}

/// Returns the written text, without the space after a colon.
fn rendered(write: impl FnOnce(&mut String)) -> RenderedValue {
    let mut text = String::new();
    write(&mut text);
    split_lines(text.strip_prefix(' ').unwrap_or(&text))
}

impl RenderedValue {
    /// Returns complete lines. The first line is indented to this column.
    pub fn into_lines(self, column: usize) -> impl Iterator<Item = String> {
        std::iter::once(format!("{}{}", " ".repeat(column), self.head)).chain(self.lines)
    }
}

pub(super) fn split_lines(text: &str) -> RenderedValue {
    let mut lines = text.split('\n').map(str::to_owned);
    RenderedValue {
        head: lines.next().unwrap_or_default(),
        lines: lines.collect(),
    }
}
