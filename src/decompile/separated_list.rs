//! Reads and writes SQL lists, including the layout around the items: line breaks, comments, and leading or trailing
//! commas.

use std::ops::Range;

use super::file::SqlFile;

/// A list item with the layout and the comments around it.
#[derive(Clone, Debug, Default)]
pub(super) struct ListItem {
    /// Layout and comments on the lines before the item. Empty if the item is new.
    pub lead: String,
    pub text: String,
    /// Comment after the item on the same line.
    pub tail: String,
}

/// Position of the commas in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CommaPosition {
    None,
    After,
    /// Commas at the beginning of lines, with the whitespace after each comma.
    Before,
}

/// List in a file, with its layout.
#[derive(Debug)]
pub(super) struct SeparatedList {
    /// Layout between the token before the list and the first item.
    opening: String,
    pub entries: Vec<ListItem>,
    /// Layout after the last item.
    closing: String,
    has_last_comma: bool,
    commas: CommaPosition,
    after_comma: String,
}

impl SeparatedList {
    /// Reads the items of a list, given as ranges of a file's tokens. The list extends from byte `start` to byte
    /// `end`.
    pub fn read(file: &SqlFile<'_>, items: &[Range<usize>], start: usize, end: usize, has_commas: bool) -> Self {
        let bytes = |item: &Range<usize>| file.byte_range(item);
        let firsts: Vec<usize> = items.iter().map(|item| bytes(item).start).chain([end]).collect();
        let gap = |item_index: usize| -> &str {
            let from = items.get(item_index).map_or(start, |item| bytes(item).end);
            firsts
                .get(item_index + 1)
                .and_then(|to| file.source.get(from..*to))
                .unwrap_or_default()
        };
        let is_before = |gap: &str| {
            comma_offset_between_tokens(gap).is_some_and(|comma| gap.get(..comma).is_some_and(contains_line_break))
        };
        let inner = items.len().saturating_sub(1);
        let commas = match has_commas {
            false => CommaPosition::None,
            true if (0..inner).any(|item_index| is_before(gap(item_index))) => CommaPosition::Before,
            true => CommaPosition::After,
        };
        let mut list = Self {
            opening: firsts
                .first()
                .and_then(|first| file.source.get(start..*first))
                .unwrap_or_default()
                .to_owned(),
            entries: Vec::new(),
            closing: String::new(),
            has_last_comma: false,
            commas,
            after_comma: " ".to_owned(),
        };
        let mut lead = String::new();
        for (item_index, item) in items.iter().enumerate() {
            let gap = gap(item_index);
            let comma = if has_commas {
                comma_offset_between_tokens(gap)
            } else {
                None
            };
            let (before, after) = match comma {
                Some(comma) => (
                    gap.get(..comma).unwrap_or_default(),
                    gap.get(comma + 1..).unwrap_or_default(),
                ),
                None => (gap, ""),
            };
            let plain = match commas {
                // The whitespace after a leading comma is written together with the comma.
                CommaPosition::Before if item_index < inner && is_before(gap) && after.trim().is_empty() => {
                    list.after_comma = after.to_owned();
                    before.to_owned()
                }
                _ => format!("{before}{after}"),
            };
            let (tail, rest) = plain.split_at(plain.find('\n').unwrap_or(0));
            let tail = if tail.trim().is_empty() { "" } else { tail };
            let text = file.text(item).to_owned();
            list.entries.push(ListItem {
                lead: std::mem::take(&mut lead),
                text,
                tail: tail.to_owned(),
            });
            if item_index < inner {
                lead = rest.to_owned();
            } else {
                list.has_last_comma = comma.is_some();
                list.closing = rest.to_owned();
            }
        }
        list
    }

    /// Writes entries in the layout of this list.
    pub fn write(&self, output: &mut String, entries: &[ListItem]) {
        let usual = self.whitespace_before_new_item();
        let mut is_open = false;
        for (entry_index, entry) in entries.iter().enumerate() {
            let lead = match entry_index {
                0 if entry.lead.trim().is_empty() => &self.opening,
                _ if entry.lead.is_empty() => &usual,
                _ => &entry.lead,
            };
            // A `--` comment ends at the end of its line.
            if is_open && !lead.starts_with('\n') {
                output.push('\n');
            }
            output.push_str(lead);
            if entry_index > 0 && self.commas == CommaPosition::Before {
                output.push(',');
                output.push_str(&self.after_comma);
            }
            output.push_str(&entry.text);
            let is_last = entry_index + 1 == entries.len();
            if self.commas == CommaPosition::After && (!is_last || self.has_last_comma) {
                output.push(',');
            }
            output.push_str(&entry.tail);
            is_open = entry.tail.contains("--");
        }
        if is_open && !self.closing.starts_with('\n') && !self.closing.is_empty() {
            output.push('\n');
        }
        output.push_str(&self.closing);
    }

    /// Returns the layout for a new item: the layout before the existing items, without their comments.
    fn whitespace_before_new_item(&self) -> String {
        let leads = || self.entries.iter().skip(1).map(|entry| entry.lead.as_str());
        let plain = leads().find(|lead| lead.trim().is_empty());
        let lead = plain.or(leads().next()).unwrap_or(&self.opening);
        let blanks = lead.get(lead.trim_end().len()..).unwrap_or_default();
        if blanks.is_empty() {
            " ".to_owned()
        } else {
            blanks.to_owned()
        }
    }
}

/// Returns the byte ranges to remove from a list with separators, given the range of each item and whether to remove
/// the item. The list is valid without these ranges unless no item remains.
pub(super) fn ranges_to_remove(items: &[(Range<usize>, bool)]) -> Vec<Range<usize>> {
    let last_kept = items
        .iter()
        .rposition(|(_, is_removed)| !is_removed)
        .unwrap_or_default();
    let mut ranges = Vec::new();
    for (number, (range, _)) in items.iter().enumerate().filter(|(_, (_, is_removed))| *is_removed) {
        let neighbor = |number: Option<usize>| number.and_then(|number| items.get(number));
        match (neighbor(Some(number + 1)), neighbor(number.checked_sub(1))) {
            (Some((next, _)), _) if number < last_kept => ranges.push(range.start..next.start),
            (_, Some((previous, _))) => ranges.push(previous.end..range.end),
            _ => ranges.push(range.clone()),
        }
    }
    ranges
}

fn contains_line_break(text: &str) -> bool {
    text.contains('\n')
}

/// Returns the position of the comma between two tokens, ignoring comments.
fn comma_offset_between_tokens(gap: &str) -> Option<usize> {
    let mut offset = 0;
    while let Some(rest) = gap.get(offset..) {
        let step = |end: &str| rest.find(end).map_or(rest.len(), |end_offset| end_offset + end.len());
        offset += match rest.chars().next()? {
            ',' => return Some(offset),
            '-' if rest.starts_with("--") => step("\n"),
            '/' if rest.starts_with("/*") => step("*/"),
            '{' if rest.starts_with("{#") => step("#}"),
            other => other.len_utf8(),
        };
    }
    None
}
