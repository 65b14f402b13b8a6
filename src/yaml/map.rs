//! From a scalar's value back to the file: block texts are indented, quotes escape, lines are folded.

use super::{Kind, Node, Style};

/// For each byte of a scalar's value, and for its end, the offset in the file.
///
/// YAML changes only white space and, inside quotes, escapes; so the characters that are neither
/// stand in the file in the same order, and the two texts can be walked side by side.
pub(crate) fn source_offsets(node: &Node, source: &str) -> Vec<u32> {
    let Kind::Scalar { value, style } = &node.kind else { return Vec::new() };
    let mut at = node.span.start as usize;
    let text = source.get(at..).unwrap_or_default();
    if *style == Style::Block && is_block_header(text) {
        at += text.find('\n').map_or(text.len(), |i| i + 1);
    } else if matches!(style, Style::Single | Style::Double) && text.starts_with(['"', '\'']) {
        at += 1;
    }
    let mut offsets = Vec::with_capacity(value.len() + 1);
    for c in value.chars() {
        let rest = source.get(at..).unwrap_or_default();
        let here = rest.chars().next();
        let mut step = here.map_or(0, char::len_utf8);
        if c.is_whitespace() {
            if !here.is_some_and(|h| h.is_whitespace()) {
                step = if *style == Style::Double && here == Some('\\') { escape_length(rest) } else { 0 };
            } else if c == '\n' {
                // Up to the end of the line; the indent of the next one is skipped by what stands there.
                step = rest.find('\n').map_or(step, |i| i + 1);
            }
        } else if here != Some(c) || c == '\'' {
            let blank = rest.len() - rest.trim_start().len();
            at += blank;
            let rest = source.get(at..).unwrap_or_default();
            step = match (style, rest.as_bytes().first()) {
                (Style::Double, Some(b'\\')) => escape_length(rest),
                (Style::Single, Some(b'\'')) if rest.starts_with("''") => 2,
                _ => rest.chars().next().map_or(0, char::len_utf8),
            };
        }
        offsets.extend(std::iter::repeat_n(at.min(source.len()) as u32, c.len_utf8()));
        at += step;
    }
    offsets.push(at.min(source.len()) as u32);
    offsets
}

/// Whether this is the `|-` before a block text, and not a block text that begins with such a mark.
fn is_block_header(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default();
    let Some(rest) = line.strip_prefix(['|', '>']) else { return false };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-')).trim_start();
    rest.is_empty() || rest.starts_with('#')
}

/// The length of a backslash escape, folding of lines included.
fn escape_length(rest: &str) -> usize {
    match rest.as_bytes().get(1) {
        Some(b'x') => 4,
        Some(b'u') => 6,
        Some(b'U') => 10,
        Some(b'\n') => rest.len() - rest.get(2..).unwrap_or_default().trim_start().len(),
        Some(b) if b.is_ascii() => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::source_offsets;

    fn check(source: &str, key: &str, part: &str) {
        let node = read(source, &mut Vec::new()).unwrap().unwrap();
        let value = node.get(key).unwrap();
        let offsets = source_offsets(value, source);
        let text = value.text().unwrap();
        let at = text.find(part).unwrap();
        let found = &source[offsets[at] as usize..offsets[at + part.len()] as usize];
        assert!(found.starts_with(part.chars().next().unwrap()), "{part:?} maps to {found:?} in {source:?}");
        assert!(found.trim_end().ends_with(part.chars().last().unwrap()), "{part:?} maps to {found:?} in {source:?}");
    }

    #[test]
    fn maps_every_style() {
        check("a: x + yy\n", "a", "yy");
        check("b: 1\na: 'it''s x' \n", "a", "x");
        check("a: \"q \\\"x\\\" y\\u00e9 zz\"\n", "a", "zz");
        check("a: |\n  one = 1\n  two = SUM(x)\n\n  three = é + w\n", "a", "SUM(x)");
        check("a: |\n  one = 1\n  three = é + w\n", "a", "w");
        check("a: >-\n  one\n  two\n", "a", "two");
        check("k:\n  - z\na: one\n  two  three\n", "a", "three");
        check("a: |-\n      deep\n        deeper x\n", "a", "deeper");
        check("a: |\r\n  one = 1\r\n  two = q\r\n", "a", "q");
    }
}
