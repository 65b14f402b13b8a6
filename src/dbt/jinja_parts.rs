//! Finds Jinja in text without evaluating it.

use formulac_syntax::text::is_word_char;

/// Kind of a part of text with Jinja.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JinjaKind {
    /// Text outside of Jinja, or inside of a `raw` block.
    Text,
    /// `{{ … }}`.
    Expression,
    /// `{% … %}`.
    Statement,
    /// `{# … #}`.
    Comment,
}

/// Part of text with Jinja.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JinjaPart<'t> {
    /// Kind of the part.
    pub kind: JinjaKind,
    /// Offset of the first byte.
    pub start: usize,
    /// Offset after the last byte.
    pub end: usize,
    /// Code between the brackets, without signs for whitespace control such as the `-` in `{{-`. For text, the text
    /// itself.
    pub code: &'t str,
    /// Whether the text contains the closing bracket.
    pub is_closed: bool,
}

/// Returns whether text contains Jinja.
pub fn has_jinja(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}

/// Splits text into Jinja and the text between Jinja, in order.
pub fn jinja_parts(text: &str) -> impl Iterator<Item = JinjaPart<'_>> {
    let (mut offset, mut is_raw) = (0, false);
    std::iter::from_fn(move || {
        let part = next_jinja_part(text, offset, is_raw)?;
        offset = part.end;
        is_raw = part.kind == JinjaKind::Statement && part.code == "raw";
        Some(part)
    })
}

fn next_jinja_part(text: &str, start: usize, is_raw: bool) -> Option<JinjaPart<'_>> {
    let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
    let kind = |offset: usize| match rest.as_bytes().get(offset + 1) {
        Some(b'{') if !is_raw => Some((JinjaKind::Expression, '}')),
        Some(b'#') if !is_raw => Some((JinjaKind::Comment, '#')),
        Some(b'%') if !is_raw || is_endraw_statement(rest.get(offset + 2..)?) => Some((JinjaKind::Statement, '%')),
        _ => None,
    };
    let marker = rest
        .match_indices('{')
        .find_map(|(offset, _)| Some((offset, kind(offset)?)));
    let Some((0, (kind, close))) = marker else {
        let length = marker.map_or(rest.len(), |(offset, _)| offset);
        return Some(JinjaPart {
            kind: JinjaKind::Text,
            start,
            end: start + length,
            code: rest.get(..length)?,
            is_closed: true,
        });
    };
    let code = rest.get(2..)?;
    let length = match kind {
        JinjaKind::Comment => code.find("#}"),
        _ => find_outside_brackets(code, close),
    };
    Some(JinjaPart {
        kind,
        start,
        end: length.map_or(text.len(), |length| start + length + 4),
        code: code
            .get(..length.unwrap_or(code.len()))?
            .trim_matches(['-', '+'])
            .trim(),
        is_closed: length.is_some(),
    })
}

fn is_endraw_statement(statement: &str) -> bool {
    statement
        .trim_start_matches(['-', '+'])
        .trim_start()
        .starts_with("endraw")
}

/// Returns the code inside the brackets if the text consists of a single `{{ … }}`.
pub fn jinja_expression(text: &str) -> Option<&str> {
    let text = text.trim();
    let part = jinja_parts(text).next()?;
    (part.kind == JinjaKind::Expression && part.is_closed && part.end == text.len()).then_some(part.code)
}

/// Returns the arguments of a call to the function with this name. `None` unless the code consists of exactly one such
/// call.
pub fn call_arguments<'c>(code: &'c str, name: &str) -> Option<&'c str> {
    let arguments = code.strip_prefix(name)?.trim_start().strip_prefix('(')?;
    let length = find_outside_brackets(arguments, ')')?;
    arguments
        .get(length + 1..)?
        .trim()
        .is_empty()
        .then(|| arguments.get(..length))?
}

/// Splits the arguments of a call.
pub fn split_arguments(arguments: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(arguments);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = find_outside_brackets(text, ',');
        rest = end.and_then(|end| text.get(end + 1..));
        text.get(..end.unwrap_or(text.len()))
    })
}

/// Returns the content of a string literal, if it contains neither quotes of the same kind nor escapes.
pub fn jinja_string(argument: &str) -> Option<&str> {
    let argument = argument.trim();
    let quote = argument.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inside = argument.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inside.contains([quote, '\\'])).then_some(inside)
}

/// Removes whitespace outside of the string literals in Jinja, except for one space between two words. All quotes of
/// literals become single quotes.
pub fn normalized_jinja(jinja: &str) -> String {
    let mut out = String::with_capacity(jinja.len());
    let (mut quote, mut gap) = (None, false);
    let mut escaped = false;
    for c in jinja.chars() {
        if quote.is_none() && c.is_whitespace() {
            gap = true;
            continue;
        }
        if gap && is_word_char(c) && out.chars().next_back().is_some_and(is_word_char) {
            out.push(' ');
        }
        gap = false;
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            None if matches!(c, '\'' | '"') => quote = Some(c),
            _ => {}
        }
        out.push(if c == '"' { '\'' } else { c });
    }
    out
}

/// Returns the position of the first `close` character outside of strings and inner brackets. If `close` is `}` or `%`,
/// a `}` must follow it.
pub(crate) fn find_outside_brackets(text: &str, close: char) -> Option<usize> {
    let mut quote = None;
    let mut depth = 0usize;
    let mut chars = text.char_indices().peekable();
    while let Some((offset, c)) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => {
                chars.next();
            }
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, c) if c == close && depth == 0 => {
                if matches!(close, ')' | ',') || chars.peek().is_some_and(|(_, next)| *next == '}') {
                    return Some(offset);
                }
            }
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
    }
    None
}

/// Jinja block, such as `{% macro name(…) %}…{% endmacro %}`. Tests, snapshots, materializations and docs have similar
/// blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JinjaBlock<'t> {
    /// First word of the opening tag.
    pub kind: &'t str,
    /// Second word of the opening tag.
    pub name: &'t str,
    /// Text of the block, including its opening tag but not its closing tag.
    pub text: &'t str,
    /// Content of the block, without its tags.
    pub content: &'t str,
    /// Offset of the content.
    pub start: usize,
}

/// Returns the blocks of these kinds, in order.
pub fn jinja_blocks<'t>(text: &'t str, kinds: &[&str]) -> Vec<JinjaBlock<'t>> {
    let mut open_blocks = Vec::new();
    let mut open: Option<(&str, &str, JinjaPart<'_>)> = None;
    let is_tag = |part: &JinjaPart<'_>| part.kind == JinjaKind::Statement && part.is_closed;
    for tag in jinja_parts(text).filter(is_tag) {
        let (word, rest) = split_first_word(tag.code);
        match open {
            Some((kind, name, opening)) if word.strip_prefix("end") == Some(kind) => {
                open_blocks.push(JinjaBlock {
                    kind,
                    name,
                    text: text.get(opening.start..tag.start).unwrap_or_default(),
                    content: text.get(opening.end..tag.start).unwrap_or_default(),
                    start: opening.end,
                });
                open = None;
            }
            None if kinds.contains(&word) => open = Some((word, split_first_word(rest.trim_start()).0, tag)),
            _ => {}
        }
    }
    open_blocks
}

fn split_first_word(code: &str) -> (&str, &str) {
    code.split_at(code.find(|c| !is_word_char(c)).unwrap_or(code.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_split_into_parts() {
        for (text, expected) in [
            ("", ""),
            ("a { b }} %}", "t[a { b }} %}]"),
            ("a{{ b }}c", "t[a] e[b] t[c]"),
            ("{{- '}}' -}}{%+ if x %}{# {{ y }} #}", "e['}}'] s[if x] c[{{ y }}]"),
            (r"{{ 'it\'s }}' }}'", r"e['it\'s }}'] t[']"),
            ("{{ {'a': {'b': 1}} }}{{{}}}", "e[{'a': {'b': 1}}] e[{}]"),
            ("{% set x = '%}' %}é", "s[set x = '%}'] t[é]"),
            (
                "{% raw %}{{ a }}{% b %}{# {%- endraw -%}{{ c }}",
                "s[raw] t[{{ a }}{% b %}{# ] s[endraw] e[c]",
            ),
            ("{% raw %}{{ a", "s[raw] t[{{ a]"),
            ("{{ a", "e?[a]"),
            ("x{#", "t[x] c?[]"),
            ("{%", "s?[]"),
            ("{", "t[{]"),
        ] {
            let parts = jinja_parts(text).map(|part| {
                let kind = match part.kind {
                    JinjaKind::Text => "t",
                    JinjaKind::Expression => "e",
                    JinjaKind::Statement => "s",
                    JinjaKind::Comment => "c",
                };
                format!("{kind}{}[{}]", if part.is_closed { "" } else { "?" }, part.code)
            });
            assert_eq!(parts.collect::<Vec<_>>().join(" "), expected, "{text}");
            assert_eq!(jinja_parts(text).last().map_or(0, |part| part.end), text.len());
            assert_eq!(
                has_jinja(text),
                jinja_parts(text).any(|part| part.kind != JinjaKind::Text)
            );
        }
    }

    #[test]
    fn expressions_and_calls_are_read() {
        assert_eq!(jinja_expression(" {{- doc( 'a)' ) -}}\n"), Some("doc( 'a)' )"));
        for other in ["a", "{{ a }} b", "{{ a }}{{ b }}", "{# a #}", "{{ a", ""] {
            assert_eq!(jinja_expression(other), None, "{other}");
        }
        assert_eq!(call_arguments("doc( 'a)' )", "doc"), Some(" 'a)' "));
        assert_eq!(call_arguments("doc ()", "doc"), Some(""));
        let split = |arguments| split_arguments(arguments).collect::<Vec<_>>();
        assert_eq!(
            split("a=[1, 2], 'b,', {'c': (d, e)}"),
            ["a=[1, 2]", " 'b,'", " {'c': (d, e)}"]
        );
        assert_eq!(split(""), [""]);
        assert_eq!(jinja_string(r#" "it's" "#), Some("it's"));
        for other in ["'", "'a\"", "'a' ~ 'b'", r"'a\n'", "a", ""] {
            assert_eq!(jinja_string(other), None, "{other}");
        }
        for other in ["doc('a') ~ x", "docs('a')", "doc('a'", "doc"] {
            assert_eq!(call_arguments(other, "doc"), None, "{other}");
        }
    }

    #[test]
    fn blocks_are_found() {
        let text = "{# {% macro old() %}{% endmacro %} #}{% macro cents(a, b='%}') %}{{ a }}{% if x %}1{% endif %}{% endmacro %}\n\
                    {%- test odd(m) -%}select 1{%- endtest -%}{% docs d %}{% raw %}{% enddocs %}{% endraw %}{% enddocs %}";
        let blocks = jinja_blocks(text, &["macro", "test", "docs"]);
        let block_texts: Vec<_> = blocks
            .iter()
            .map(|jinja_block| (jinja_block.kind, jinja_block.name, jinja_block.content))
            .collect();
        let expected = [
            ("macro", "cents", "{{ a }}{% if x %}1{% endif %}"),
            ("test", "odd", "select 1"),
            ("docs", "d", "{% raw %}{% enddocs %}{% endraw %}"),
        ];
        assert_eq!(block_texts, expected);
        for block in blocks {
            assert!(block.text.ends_with(block.content) && text.get(block.start..).unwrap().starts_with(block.content));
        }
        for broken in ["{% macro", "{% macro a %}", "{%", "{% endmacro %}", "{%%}"] {
            assert_eq!(jinja_blocks(broken, &["macro"]), []);
        }
    }
}
