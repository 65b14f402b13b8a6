//! Formats strings in the style of the strings that they replace: with the same quotes, as a block with the same
//! indentation, or wrapped to the same width. Unchanged lines keep their exact bytes.

use super::super::render::{RenderedValue, split_lines};
use crate::yaml::{self, Node, NodeKind, YamlStyle, YamlValue, has_special_char, is_plain, lines, quote_with_style};

/// Formats a string in the style of the previous value. Quotes that only the previous value needed are omitted, so that
/// an edited file is identical to a newly written file. `None` if the previous style cannot express the string.
pub(super) fn format_like_previous(source: &str, node: &Node, value: &YamlValue) -> Option<RenderedValue> {
    let YamlValue::Text(text) = value else { return None };
    let NodeKind::Scalar { style, value: before } = &node.kind else {
        return None;
    };
    let text = text.trim_end_matches('\n');
    if text.is_empty() || before.trim().is_empty() || text.contains('\r') || has_special_char(text) {
        return None;
    }
    let is_read = |rendered: &RenderedValue| parses_as(rendered, text);
    if let Some(wrapped) = wrap_like_previous(source, node, text).filter(is_read) {
        return Some(wrapped);
    }
    let is_line = !text.contains(['\n', '\t']);
    let by_choice = is_plain(before);
    match style {
        YamlStyle::Single if is_line && (by_choice || !is_plain(text)) => {
            Some(split_lines(&quote_with_style(text, *style)))
        }
        YamlStyle::Double if is_line && by_choice => Some(split_lines(&quote_with_style(text, *style))),
        YamlStyle::Block => Some(format_literal_block(source, node, text)).filter(is_read),
        _ => None,
    }
}

/// Returns whether a formatted string without quotes or in quotes has several lines.
pub(super) fn is_wrapped(node: &Node, rendered: &RenderedValue) -> bool {
    node.style() != YamlStyle::Block && !rendered.lines.is_empty()
}

/// Returns the comment on the last line of a scalar, with the whitespace before it.
pub(super) fn comment_after<'s>(source: &'s str, node: &Node) -> Option<&'s str> {
    let rest = source.get(node.end()..lines::line_end(source, node.end()));
    rest.filter(|_| node.scalar().is_some())
}

/// Returns the rest of a block scalar's first line after the header, such as a comment.
pub(super) fn comment_after_block_header<'s>(source: &'s str, node: &Node) -> &'s str {
    if node.style() != YamlStyle::Block {
        return "";
    }
    let after = node.start() + header(source, node).len();
    source.get(after..lines::line_end(source, after)).unwrap_or_default()
}

/// Returns the header of a block scalar, such as `|-`.
fn header<'s>(source: &'s str, node: &Node) -> &'s str {
    let line = source.get(node.start()..lines::line_end(source, node.start()));
    let line = line.unwrap_or_default();
    line.split([' ', '\t']).next().unwrap_or_default()
}

/// Returns whether the formatted value is this string.
fn parses_as(rendered: &RenderedValue, text: &str) -> bool {
    let lines: String = rendered.lines.iter().map(|line| format!("\n{line}")).collect();
    let root = yaml::parse_root(&format!("k: {}{lines}\n", rendered.head));
    let read = root.as_ref().and_then(|root| root.text_at("k"));
    read.is_some_and(|read| read.trim_end_matches('\n') == text)
}

/// Formats a string as a literal block.
fn format_literal_block(source: &str, node: &Node, text: &str) -> RenderedValue {
    let pad = " ".repeat(lines::column_at(source, node.span.start as usize));
    let texts: Vec<&str> = text.split('\n').collect();
    // Copy unedited lines at the start and at the end, because blank lines may contain spaces that would otherwise be
    // lost.
    let before: Vec<&str> =
        lines_between(source, lines::line_start(source, node.span.start as usize), node.end()).collect();
    let is_same =
        |(text, before): &(&&str, &&str)| before.strip_prefix(&pad).unwrap_or(before.trim_start_matches(' ')) == **text;
    let same_start = texts.iter().zip(&before).take_while(is_same).count();
    let edited = texts.len().min(before.len()) - same_start;
    let ends = texts.iter().rev().zip(before.iter().rev()).take(edited);
    let same_end = texts.len() - ends.take_while(is_same).count();
    let body = texts.iter().enumerate().map(|(number, text)| {
        let written = match number {
            _ if number < same_start => before.get(number),
            _ if number >= same_end => before.get(before.len() + number - texts.len()),
            _ => None,
        };
        match written {
            Some(written) => (*written).to_owned(),
            None if text.is_empty() => String::new(),
            None => format!("{pad}{text}"),
        }
    });
    RenderedValue {
        head: format!("|{}", chomping_indicator(source, node)),
        lines: body.collect(),
    }
}

fn chomping_indicator(source: &str, node: &Node) -> &'static str {
    if header(source, node).contains('-') { "-" } else { "" }
}

/// Returns the lines between two offsets, up to the end of the last line.
fn lines_between(source: &str, from: usize, to: usize) -> impl Iterator<Item = &str> {
    let text = source.get(from..lines::line_end(source, to)).unwrap_or_default();
    text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line))
}

/// Line of a string that is wrapped in its file.
struct WrappedLine<'s> {
    /// The line in the file, including its indentation.
    written: &'s str,
    text: &'s str,
    /// Number of blank lines that follow.
    blanks: usize,
}

impl WrappedLine<'_> {
    /// Returns the characters that the line breaks after this line stand for in the string.
    fn separator(&self) -> String {
        match self.blanks {
            0 => " ".to_owned(),
            blanks => "\n".repeat(blanks),
        }
    }
}

/// Formats a string with line breaks that represent spaces: as a folded block, or on several lines with or without
/// quotes. Unedited lines at the start and at the end are copied, and the other text is wrapped to the width of the
/// previous value. `None` if the previous value is not wrapped.
fn wrap_like_previous(source: &str, node: &Node, text: &str) -> Option<RenderedValue> {
    let NodeKind::Scalar { style, value: before } = &node.kind else {
        return None;
    };
    let is_block = *style == YamlStyle::Block;
    let is_folded = source.get(node.start()..)?.starts_with('>') || !is_block;
    if !is_folded || text.contains('\n') && !before.trim_end_matches('\n').contains('\n') {
        return None;
    }
    let (first, column) = match is_block {
        true => (lines::line_start(source, node.span.start as usize), 0),
        false => (node.start(), lines::column_at(source, node.start())),
    };
    let wrapped = wrapped_lines(source, first, node.end(), is_block);
    let pad = match wrapped.as_slice() {
        [_] | [] if !is_block => return None,
        [first] | [_, first, ..] => first.written.len() - first.written.trim_start().len(),
        [] => return None,
    };
    let width = match wrapped.as_slice() {
        [_] => usize::MAX,
        _ => {
            let widths = wrapped.iter().map(|line| line.written.trim_end().chars().count());
            let first = widths.clone().take(1).map(|width| width + column);
            first.chain(widths.skip(1)).max()?
        }
    };
    let text = match style {
        YamlStyle::Block => text.to_owned(),
        YamlStyle::Plain if is_safe_without_quotes(text) => text.to_owned(),
        YamlStyle::Plain => quote_with_style(text, YamlStyle::Double),
        style => quote_with_style(text, *style),
    };
    let mut body = wrap_edited_lines(&wrapped, &text, width, pad, column).into_iter();
    let head = match is_block {
        true => format!(">{}", chomping_indicator(source, node)),
        false => body.next()?,
    };
    Some(RenderedValue {
        head,
        lines: body.collect(),
    })
}

fn is_safe_without_quotes(text: &str) -> bool {
    let line = text.replace('\n', " ");
    let is_text =
        yaml::escape_for_style(&line, YamlStyle::Plain, true).is_some() && yaml::non_text_type(&line).is_none();
    is_plain(&line) || is_text
}

fn wrapped_lines(source: &str, from: usize, to: usize, is_block: bool) -> Vec<WrappedLine<'_>> {
    let to = if is_block { lines::line_end(source, to) } else { to };
    let written = source.get(from..to).unwrap_or_default().split('\n');
    let mut wrapped: Vec<WrappedLine<'_>> = Vec::new();
    for written in written.map(|line| line.strip_suffix('\r').unwrap_or(line)) {
        // Spaces at the end of a line are part of a folded block.
        let text = if is_block { written.trim_start() } else { written.trim() };
        match wrapped.last_mut() {
            Some(last) if text.is_empty() => last.blanks += 1,
            _ => wrapped.push(WrappedLine {
                written,
                text,
                blanks: 0,
            }),
        }
    }
    wrapped
}

/// Splits a string into lines: unedited lines are copied, and the other text is wrapped to this width. The first line
/// begins at `column`, and the other lines begin after `pad` spaces.
fn wrap_edited_lines(wrapped: &[WrappedLine<'_>], text: &str, width: usize, pad: usize, column: usize) -> Vec<String> {
    let (mut rest, mut start) = (text, 0);
    for line in wrapped.iter().take(wrapped.len().saturating_sub(1)) {
        let after = rest.strip_prefix(line.text);
        let Some(after) = after.and_then(|after| after.strip_prefix(line.separator().as_str())) else {
            break;
        };
        (rest, start) = (after, start + 1);
    }
    let mut end = wrapped.len();
    for (number, line) in wrapped.iter().enumerate().skip(start).rev() {
        let before = rest.strip_suffix(line.text);
        if before == Some("") {
            (rest, end) = ("", number);
            break;
        }
        let previous = number.checked_sub(1).and_then(|number| wrapped.get(number));
        let before = before
            .zip(previous)
            .and_then(|(before, line)| before.strip_suffix(line.separator().as_str()));
        let Some(before) = before else { break };
        (rest, end) = (before, number);
    }
    let mut body = Vec::new();
    let copy = |body: &mut Vec<String>, lines: &[WrappedLine<'_>]| {
        for line in lines {
            body.push(line.written.to_owned());
            body.extend(std::iter::repeat_n(String::new(), line.blanks));
        }
    };
    copy(&mut body, wrapped.get(..start).unwrap_or_default());
    if !rest.is_empty() {
        let first = if body.is_empty() && column > 0 {
            Some(column)
        } else {
            None
        };
        body.extend(wrap_words(rest, width, pad, first));
        let previous = end.checked_sub(1).filter(|_| end < wrapped.len());
        let blanks = previous
            .and_then(|number| wrapped.get(number))
            .map_or(0, |line| line.blanks);
        body.extend(std::iter::repeat_n(String::new(), blanks));
    }
    copy(&mut body, wrapped.get(end..).unwrap_or_default());
    body
}

/// Wraps paragraphs, with a blank line between them. The lines begin after `pad` spaces. If `first` is set, the first
/// line begins at this column, after other text.
fn wrap_words(text: &str, width: usize, pad: usize, first: Option<usize>) -> Vec<String> {
    let mut body: Vec<String> = Vec::new();
    for (number, paragraph) in text.split('\n').enumerate() {
        if number > 0 {
            body.push(String::new());
        }
        let mut line = String::new();
        let mut used = 0;
        for word in words(paragraph) {
            let length = word.chars().count();
            if !line.is_empty() && used + 1 + length > width {
                body.push(std::mem::take(&mut line));
            }
            if line.is_empty() {
                let column = first.filter(|_| body.is_empty());
                line.push_str(&" ".repeat(if column.is_some() { 0 } else { pad }));
                used = column.unwrap_or(pad) + length;
            } else {
                line.push(' ');
                used += 1 + length;
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            body.push(line);
        }
    }
    body
}

/// Splits a paragraph at single spaces. A line break can represent a single space, but not several adjacent spaces.
fn words(paragraph: &str) -> impl Iterator<Item = &str> {
    let bytes = paragraph.as_bytes();
    let is_single = move |at: usize| {
        let is_other = |byte: Option<&u8>| byte.is_some_and(|byte| *byte != b' ');
        is_other(at.checked_sub(1).and_then(|at| bytes.get(at))) && is_other(bytes.get(at + 1))
    };
    let breaks = paragraph
        .match_indices(' ')
        .map(|(at, _)| at)
        .filter(move |at| is_single(*at));
    let mut start = 0;
    let ends = breaks.chain([paragraph.len()]);
    ends.filter_map(move |end| {
        let word = paragraph.get(start..end);
        start = end + 1;
        word
    })
}
