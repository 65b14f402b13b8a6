//! Maps offsets in a scalar's value to offsets in the file. Accounts for the indentation of block scalars, escapes in
//! quoted scalars, and folded lines.

use super::{Node, NodeKind, YamlStyle};

/// Returns the file offset of each byte in a scalar's value, followed by the offset of the value's end.
///
/// Parses the scalar again and matches each character of the value to its source: the same character, an escape, or a
/// line break with the whitespace around it.
pub fn source_offsets(node: &Node, source: &str) -> Vec<u32> {
    let NodeKind::Scalar { value, style } = &node.kind else {
        return Vec::new();
    };
    let mut walk = ScalarOffsetMapper {
        source,
        at: node.span.start as usize,
        offsets: Vec::with_capacity(value.len() + 1),
    };
    match style {
        YamlStyle::Block => walk.map_block_scalar(value),
        YamlStyle::Plain => walk.map_flow_scalar(value, *style),
        YamlStyle::Single | YamlStyle::Double => {
            walk.at += 1;
            walk.map_flow_scalar(value, *style);
        }
    }
    let end = walk.at.min(source.len()) as u32;
    let mut offsets = walk.offsets;
    offsets.push(end);
    offsets
}

struct ScalarOffsetMapper<'s> {
    source: &'s str,
    /// Offset of the next byte in the file.
    at: usize,
    offsets: Vec<u32>,
}

impl ScalarOffsetMapper<'_> {
    fn rest(&self) -> &str {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// Records the offset of a character in the value.
    fn record_offset(&mut self, c: char, offset: usize) {
        let offset = offset.min(self.source.len()) as u32;
        self.offsets.extend(std::iter::repeat_n(offset, c.len_utf8()));
    }

    /// Maps a block scalar, whose value consists of its lines without their indentation. The span of a block scalar
    /// begins at its first non-empty line, so the empty lines before it are the start of the value.
    fn map_block_scalar(&mut self, value: &str) {
        let line = self
            .source
            .get(..self.at)
            .unwrap_or_default()
            .rfind('\n')
            .map_or(0, |i| i + 1);
        let indent = self.at - line;
        let before = value.len() - value.trim_start_matches('\n').len();
        let mut breaks: Vec<usize> = Vec::with_capacity(before);
        let mut end = line;
        for _ in 0..before {
            end = end.saturating_sub(1);
            breaks.push(end);
            end = self
                .source
                .get(..end)
                .unwrap_or_default()
                .rfind('\n')
                .map_or(0, |i| i + 1);
        }
        breaks.into_iter().rev().for_each(|at| self.record_offset('\n', at));
        for c in value.get(before..).unwrap_or_default().chars() {
            let mut here = self.line_break_length();
            // In a folded scalar, a single line break becomes a space. If there are several line breaks, the first of
            // them is removed.
            while here.is_some() && !matches!(c, '\n' | ' ') {
                self.next_line(here.unwrap_or_default(), indent);
                here = self.line_break_length();
            }
            match here {
                Some(length) => {
                    self.record_offset(c, self.at);
                    self.next_line(length, indent);
                }
                None => {
                    self.record_offset(c, self.at);
                    self.at += self.rest().chars().next().map_or(0, char::len_utf8);
                }
            }
        }
    }

    /// Returns the length of the line break at the current position. Returns `None` inside a line and at the end of the
    /// file.
    fn line_break_length(&self) -> Option<usize> {
        let rest = self.rest();
        if rest.starts_with("\r\n") {
            Some(2)
        } else {
            rest.starts_with(['\n', '\r']).then_some(1)
        }
    }

    /// Skips a line break and the indentation of the next line.
    fn next_line(&mut self, length: usize, indent: usize) {
        self.at += length;
        let rest = self.rest();
        let blanks = rest.bytes().take_while(|b| *b == b' ').count();
        self.at += blanks.min(indent);
    }

    /// Maps a flow scalar, which may extend over several lines. Whitespace at the ends of lines is not part of the
    /// value.
    fn map_flow_scalar(&mut self, value: &str, style: YamlStyle) {
        let mut chars = value.chars().peekable();
        while let Some(c) = chars.next() {
            if style == YamlStyle::Double {
                self.skip_escaped_break();
            }
            if let Some((breaks, after)) = self.folded_breaks() {
                // A single line break becomes a space. If there are several line breaks, the first of them is removed
                // and the others are kept.
                self.record_offset(c, breaks.first().copied().unwrap_or(self.at));
                for at in breaks.iter().skip(2) {
                    if chars.next_if_eq(&'\n').is_some() {
                        self.record_offset('\n', *at);
                    }
                }
                self.at = after;
                continue;
            }
            let next = self.rest().chars().next().unwrap_or_default();
            let length = match self.rest() {
                "" => 0,
                _ => escaped_length(self.source, self.at as u32, next, style),
            };
            self.record_offset(c, self.at);
            self.at += length as usize;
        }
    }

    /// Returns the line breaks in the whitespace at the current position, and the end of the whitespace. Returns `None`
    /// if the whitespace contains no line break.
    fn folded_breaks(&self) -> Option<(Vec<usize>, usize)> {
        let rest = self.rest();
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
        let inside = rest.get(..blanks).unwrap_or_default();
        let breaks: Vec<usize> = inside
            .char_indices()
            .filter(|(i, c)| *c == '\n' || (*c == '\r' && !inside.get(i + 1..).unwrap_or_default().starts_with('\n')))
            .map(|(i, _)| self.at + i)
            .collect();
        (!breaks.is_empty()).then_some((breaks, self.at + blanks))
    }

    /// Skips a backslash at the end of a line. The backslash joins the line with the next line.
    fn skip_escaped_break(&mut self) {
        loop {
            let rest = self.rest();
            let Some(after) = rest.strip_prefix("\\\r\n").or_else(|| rest.strip_prefix("\\\n")) else {
                return;
            };
            let blanks = after.len() - after.trim_start_matches([' ', '\t']).len();
            self.at = self.source.len() - after.len() + blanks;
        }
    }
}

/// Returns the number of bytes that a character of a scalar's value occupies in the file, starting at the given offset.
pub fn escaped_length(source: &str, at: u32, c: char, style: YamlStyle) -> u32 {
    let rest = source.get(at as usize..).unwrap_or_default();
    let length = match style {
        YamlStyle::Double if rest.starts_with('\\') => escape_length(rest),
        YamlStyle::Single if rest.starts_with("''") => 2,
        _ => c.len_utf8(),
    };
    length.min(rest.len()) as u32
}

/// Returns the length of a backslash escape.
fn escape_length(rest: &str) -> usize {
    match rest.chars().nth(1) {
        Some('x') => 4,
        Some('u') => 6,
        Some('U') => 10,
        Some(c) => 1 + c.len_utf8(),
        None => 1,
    }
}
