//! Functions for lines, indentation and punctuation in YAML files.

use std::ops::Range;

/// Characters that YAML ignores between values. Other whitespace, such as a no-break space, is part of a value.
pub const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// Returns the offset of the first byte of the line.
pub fn line_start(source: &str, at: usize) -> usize {
    source
        .get(..at)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |i| i + 1)
}

/// Returns the end of the line: the offset of its line break, or the end of the file.
pub fn line_end(source: &str, at: usize) -> usize {
    let rest = source.get(at..).unwrap_or_default();
    match rest.find('\n') {
        Some(length) => {
            at + rest
                .get(..length)
                .unwrap_or_default()
                .strip_suffix('\r')
                .map_or(length, str::len)
        }
        None => source.len(),
    }
}

/// Returns the end of the previous line. `None` for the first line.
pub fn previous_line_end(source: &str, at: usize) -> Option<usize> {
    let first = line_start(source, at).checked_sub(1)?;
    Some(line_end(source, line_start(source, first)))
}

/// Returns the offset of the first byte of the next line, or the end of the file.
pub fn next_line_start(source: &str, at: usize) -> usize {
    source
        .get(at..)
        .and_then(|rest| rest.find('\n'))
        .map_or(source.len(), |length| at + length + 1)
}

/// Returns the distance of the byte offset from the beginning of its line.
pub fn column_at(source: &str, at: usize) -> usize {
    at - line_start(source, at)
}

/// Returns `true` if the line contains only whitespace before the byte offset.
pub fn is_first_in_line(source: &str, at: usize) -> bool {
    source
        .get(line_start(source, at)..at)
        .is_some_and(|before| before.bytes().all(|b| b == b' '))
}

/// Returns the line break that the file uses.
pub fn line_break(source: &str) -> &'static str {
    let first = source.find('\n').and_then(|at| source.get(..at));
    if first.is_some_and(|line| line.ends_with('\r')) {
        "\r\n"
    } else {
        "\n"
    }
}

/// Returns the offset after whitespace, line breaks and comments.
pub fn skip_blanks_and_comments(source: &str, from: usize) -> usize {
    let mut at = from;
    loop {
        let rest = source.get(at..).unwrap_or_default();
        at += rest.len() - rest.trim_start_matches(BLANKS).len();
        if !source.get(at..).unwrap_or_default().starts_with('#') {
            return at;
        }
        at = line_end(source, at);
    }
}

/// Returns the range of an anchor `&a` or a tag `!t` at the beginning of a range.
pub fn property(source: &str, range: Range<usize>) -> Option<Range<usize>> {
    let text = source.get(range.clone()).filter(|text| text.starts_with(['&', '!']))?;
    let length = text.find(char::is_whitespace).unwrap_or(text.len());
    Some(range.start..range.start + length)
}

/// Returns the offset after an anchor `&a` and a tag `!t`, if the node has one or both.
pub fn skip_properties(source: &str, from: usize, has_some: bool) -> usize {
    let mut at = from;
    while let Some(property) = property(source, at..source.len()).filter(|_| has_some) {
        at = skip_blanks_and_comments(source, property.end);
    }
    at
}

/// Returns the offset after the closing quote of a scalar that begins at this offset.
pub fn quoted_scalar_end(source: &str, from: usize) -> usize {
    let rest = source.as_bytes().get(from..).unwrap_or_default();
    let Some(quote) = rest.first() else { return from };
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'\\' if *quote == b'"' => at += 1,
            b'\'' if *quote == b'\'' && rest.get(at + 1) == Some(&b'\'') => at += 1,
            byte if byte == quote => return from + at + 1,
            _ => {}
        }
        at += 1;
    }
    source.len()
}

/// Returns the offset after the colon of a key that ends at this offset. Returns `None` if the key is explicit (`?
/// key`) or has no value.
pub fn skip_colon(source: &str, from: usize, in_line: bool) -> Option<usize> {
    let rest = source.get(from..)?;
    let at = if in_line {
        from + rest.len() - rest.trim_start_matches([' ', '\t']).len()
    } else {
        skip_blanks_and_comments(source, from)
    };
    source.get(at..)?.starts_with(':').then_some(at + 1)
}

/// Returns the offset of the dash of the next list item.
pub fn next_dash_offset(source: &str, from: usize) -> Option<usize> {
    let at = skip_blanks_and_comments(source, from);
    source.get(at..)?.starts_with('-').then_some(at)
}

/// Returns the offset after the header of a block scalar, such as `|-`.
pub fn block_header_end(source: &str, from: usize) -> usize {
    let line = source.get(from..line_end(source, from)).unwrap_or_default();
    let header = line
        .find(" #")
        .map_or(line, |comment| line.get(..comment).unwrap_or_default());
    from + header.trim_end().len()
}
