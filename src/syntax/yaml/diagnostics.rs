//! Diagnostics for formulas that are invalid or truncated when YAML interprets them as plain values. Each case has a
//! separate message, which shows the corrected line.

use std::ops::Range;

use super::{YamlStyle, quote_with_style};
use crate::diag::{Code, Diagnostic};
use crate::span::Span;
use crate::text::is_word_char;

/// Reports a file that is not valid YAML, with the most likely reason.
pub(super) fn invalid_yaml_diagnostic(source: &str, span: Span, description: &str) -> Diagnostic {
    if let Some(marker) = conflict_marker_span(source) {
        return Diagnostic::new(Code::InvalidYaml, marker, CONFLICT_MARKER).with_help(
            "the merge of two branches is not finished: keep the lines of one branch or combine them, and remove the \
             lines that begin with `<<<<<<<`, `=======` and `>>>>>>>`",
        );
    }
    if let Some(line) = find_unindented_block(source).filter(|line| line.start <= span.start) {
        return Diagnostic::new(
            Code::InvalidYaml,
            line,
            "invalid YAML: a text block must be indented more than its key",
        )
        .with_help("indent the lines below `|` two spaces more than the key");
    }
    let line = YamlLine::at(source, span.start);
    // The reported position may be on the line after the space.
    let before = YamlLine::at(source, line.start.saturating_sub(1));
    if let Some(space) = [&before, &line]
        .into_iter()
        .find_map(YamlLine::no_break_space_after_colon)
    {
        let message = "YAML requires a normal space after `:`, found a no-break space";
        return Diagnostic::new(Code::InvalidYaml, space, message)
            .with_help("replace the no-break space with a space")
            .with_fix(space, " ");
    }
    if let Some(tab) = line.tab_span() {
        return tab_indentation_diagnostic(tab);
    }
    // The reported position may be the end of the previous value, because that value could continue on the next line.
    if let Some(tab) = line.next().tab_span().filter(|_| description.contains("found a tab")) {
        return tab_indentation_diagnostic(tab);
    }
    // If the first line of a text block contains a tab, the parser reports the tab at the `|`.
    if let Some(tab) = line.next().tab_span().filter(|_| line.begins_block_scalar()) {
        return tab_indentation_diagnostic(tab);
    }
    if let Some(jinja) = line.jinja_line_diagnostic() {
        return jinja;
    }
    // If a line is an expression in braces, the parser reports the line after it.
    if let Some(jinja) = before.jinja_line_diagnostic().filter(|_| before.text.starts_with('{')) {
        return jinja;
    }
    if description.contains("scanning a quoted scalar") {
        let message = "YAML parses this text as the start of a quoted string, but the string is not closed";
        return Diagnostic::new(Code::InvalidYaml, span, message).with_help(
            "close the string; if a formula starts with text, put the formula in a text block (`|`) or in single \
                quotes",
        );
    }
    if let Some(trap) = line.call_in_flow_diagnostic(span.start) {
        return trap;
    }
    // If a list is not closed, the following lines are parsed as its items.
    let in_list = description.contains("flow") || description.contains("invalid indentation");
    if let Some(open) = find_unclosed_bracket(source, span.start).filter(|_| in_list || line.begins_block_scalar()) {
        let text = open.text(source);
        let close = if text == "[" { "]" } else { "}" };
        let message = format!("`{text}` is not closed, so YAML parses the lines below as part of the list or mapping");
        return Diagnostic::new(Code::InvalidYaml, open, message).with_help(format!("add `{close}`"));
    }
    // The reported position may be after the faulty line, for example at the next key.
    for line in [&line, &before] {
        if let Some(corrected) = quote_timeframes(line.text) {
            return Diagnostic::new(Code::InvalidYaml, span, format!("invalid YAML: {description}"))
                .with_help(format!("put the timeframe in quotes: `{corrected}`"));
        }
        let trap = line.timeframe_in_flow_diagnostic();
        if let Some(trap) = trap.or_else(|| line.unparsable_formula_diagnostic(span)) {
            return trap;
        }
    }
    Diagnostic::new(Code::InvalidYaml, span, format!("invalid YAML: {description}")).with_help(INVALID_YAML_HELP)
}

/// Help for invalid YAML without a known reason.
pub const INVALID_YAML_HELP: &str =
    "check the indentation, the brackets and the quotes of this line and the line before";

/// Message about a line that git writes for a merge conflict.
pub const CONFLICT_MARKER: &str = "the file contains a Git conflict marker";

/// Returns the first line that git writes for a merge conflict.
pub fn conflict_marker_span(source: &str) -> Option<Span> {
    let markers = ["<<<<<<< ", ">>>>>>> "];
    let mut start = 0;
    for line in source.split_inclusive('\n') {
        if markers.iter().any(|marker| line.starts_with(marker)) {
            return Some(Span::new(start, start + line.trim_end().len() as u32));
        }
        start += line.len() as u32;
    }
    None
}

fn tab_indentation_diagnostic(tab: Span) -> Diagnostic {
    Diagnostic::new(
        Code::InvalidYaml,
        tab,
        "this line is indented with a tab, but YAML accepts only spaces",
    )
    .with_help("indent with two spaces per level")
}

/// Reports an anchor or tag at the beginning of a plain value. YAML removes the anchor or tag, although it is part of
/// the formula.
pub(super) fn anchor_or_tag_diagnostic(source: &str, span: Span) -> Diagnostic {
    let line = YamlLine::at(source, span.start);
    let mark = span.text(source).chars().next().unwrap_or('&');
    let what = if mark == '!' { "a tag" } else { "an anchor" };
    let word = span.text(source);
    let message = format!("`{word}` is {what} in YAML, so it is not part of the value");
    let diagnostic = Diagnostic::new(Code::FormulaCut, span, message);
    match line.key_pair() {
        Some(pair) => {
            let quoted = quote_with_style(pair.value, YamlStyle::Single);
            diagnostic.with_help(format!(
                "remove the anchor or tag, or put the value in quotes: `{}: {quoted}`",
                pair.key
            ))
        }
        None => diagnostic.with_help("remove the anchor or tag, or put the value in quotes"),
    }
}

/// Reports a value such as `>5`, which YAML interprets as the header of a block scalar without content.
pub(super) fn empty_block_diagnostic(source: &str, span: Span) -> Option<Diagnostic> {
    let written = source.get(span.start as usize..)?.lines().next()?.trim_end();
    let sign = written.chars().next().filter(|c| matches!(c, '|' | '>'))?;
    if !written.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let index = Span::new(span.start, span.start + written.len() as u32);
    let message =
        format!("in YAML, `{sign}` at the beginning of a value starts a text block, but no text block follows");
    Some(YamlLine::at(source, span.start).with_fix(Diagnostic::new(Code::InvalidYaml, index, message)))
}

/// Maximum number of bytes that are examined on either side of an error.
const MAX_EXAMINED_BYTES: usize = 1_024;

/// Returns the last character boundary at or before a position, or the end of the text.
fn char_boundary(source: &str, at: usize) -> usize {
    let mut at = at.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Removes quotes around a formula that contains the same quotes, such as `"status = "open""`. Without an operator
/// after the first closing quote, the outer quotes are not part of the formula.
fn remove_outer_quotes(value: &str) -> &str {
    let inner = |quote: char| {
        let continues = text_after_bracket(value, quote)?.starts_with(is_word_char);
        value.strip_prefix(quote)?.strip_suffix(quote).filter(|_| continues)
    };
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

/// Line of the file.
struct YamlLine<'s> {
    source: &'s str,
    text: &'s str,
    start: u32,
}

/// Key and value of a line `key: value`.
struct KeyPair<'s> {
    key: &'s str,
    value: &'s str,
    span: Span,
}

impl<'s> YamlLine<'s> {
    /// Returns the no-break space after the first `:` of the line. YAML parses this character as part of a word.
    fn no_break_space_after_colon(&self) -> Option<Span> {
        let at = self.text.find(':')? + 1;
        let space = self
            .text
            .get(at..)?
            .chars()
            .next()
            .filter(|c| matches!(c, '\u{a0}' | '\u{202f}'))?;
        let start = self.start + at as u32;
        Some(Span::new(start, start + space.len_utf8() as u32))
    }

    /// Returns the line at a position. The length of the line is limited, because a file may be a single line with many
    /// errors.
    fn at(source: &'s str, offset: u32) -> Self {
        let offset = (offset as usize).min(source.len());
        let from = char_boundary(source, offset.saturating_sub(MAX_EXAMINED_BYTES));
        let before = source.get(from..offset).unwrap_or_default();
        let start = from + before.rfind('\n').map_or(0, |i| i + 1);
        let window = source
            .get(start..char_boundary(source, offset + MAX_EXAMINED_BYTES))
            .unwrap_or_default();
        let text = window.split('\n').next().unwrap_or_default();
        Self {
            source,
            text: text.trim_end_matches('\r'),
            start: start as u32,
        }
    }

    /// Returns the next line.
    fn next(&self) -> Self {
        let end = self.start as usize + self.text.len();
        let rest = self
            .source
            .get(end..char_boundary(self.source, end + 2))
            .unwrap_or_default();
        Self::at(self.source, (end + rest.find('\n').map_or(0, |at| at + 1)) as u32)
    }

    /// Returns `true` if the line correctly starts a block scalar, as in `key: |`.
    fn begins_block_scalar(&self) -> bool {
        self.key_pair()
            .is_some_and(|pair| matches!(pair.value, "|" | "|-" | ">" | ">-"))
    }

    /// Returns a diagnostic if the line is Jinja instead of YAML.
    fn jinja_line_diagnostic(&self) -> Option<Diagnostic> {
        let text = self.text.trim();
        let help = match text.get(..2)? {
            "{%" => "remove the line; a YAML file cannot contain blocks of Jinja".to_owned(),
            "{#" => {
                let comment = text.trim_start_matches("{#").trim_end_matches("#}").trim();
                format!("write a YAML comment: `# {comment}`")
            }
            "{{" if text.trim_start_matches('{').trim_start().starts_with("config(") => {
                "remove the line, and write the settings below `config:`".to_owned()
            }
            "{{" => "remove the line, or put the braces in the quoted value of a key".to_owned(),
            _ => return None,
        };
        let start = self.start + (self.text.len() - self.text.trim_start().len()) as u32;
        let span = Span::new(start, start + text.len() as u32);
        Some(Diagnostic::new(Code::InvalidYaml, span, "this line is Jinja, not YAML").with_help(help))
    }

    /// Returns the part of the line's indentation that starts at the first tab.
    fn tab_span(&self) -> Option<Span> {
        let blanks = self.text.len() - self.text.trim_start().len();
        let first = self.text.get(..blanks)?.find('\t')?;
        Some(Span::new(self.start + first as u32, self.start + blanks as u32))
    }

    fn key_pair(&self) -> Option<KeyPair<'s>> {
        let (head, value) = self.text.split_once(": ")?;
        let key = head.trim_start();
        let key = key.strip_prefix("- ").unwrap_or(key).trim();
        let trimmed = value.trim();
        // Quotes around the rest of the line would change its meaning inside `{…}`.
        if trimmed.is_empty() || key.is_empty() || key.starts_with(['{', '[', '#', '"', '\'', '?']) {
            return None;
        }
        let start = self.start as usize + head.len() + 2 + (value.len() - value.trim_start().len());
        Some(KeyPair {
            key,
            value: trimmed,
            span: Span::new(start as u32, (start + trimmed.len()) as u32),
        })
    }

    /// Returns `true` if the value continues on the next line.
    fn is_continued(&self) -> bool {
        let indent = |line: &str| line.len() - line.trim_start().len();
        let end = self.start as usize + self.text.len();
        let rest = self
            .source
            .get(end..char_boundary(self.source, end + MAX_EXAMINED_BYTES))
            .unwrap_or_default();
        let next = rest.lines().skip(1).find(|line| !line.trim().is_empty());
        next.is_some_and(|next| indent(next) > indent(self.text) && !next.trim_start().starts_with('-'))
    }

    /// Adds the corrected line to a diagnostic.
    fn with_fix(&self, diagnostic: Diagnostic) -> Diagnostic {
        let Some(pair) = self.key_pair() else {
            return diagnostic.with_help("put the value in single quotes or in a text block (`|`)");
        };
        if self.is_continued() {
            return diagnostic.with_help(format!(
                "put the value in a text block: write `{}: |`, and the formula on the next line",
                pair.key
            ));
        }
        let formula = remove_outer_quotes(pair.value);
        let corrected = quote_with_style(formula, YamlStyle::Single);
        let diagnostic = diagnostic.with_help(format!("put the value in quotes: `{}: {corrected}`", pair.key));
        // Most of YAML's special characters cannot begin a formula, so the value may not be intended as a formula.
        // Offer a fix only if the value is a formula.
        let is_formula = formula.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '"' | '('));
        if is_formula {
            diagnostic.with_fix(pair.span, corrected)
        } else {
            diagnostic
        }
    }

    /// Returns a diagnostic for a value inside `{…}` or `[…]` that is cut at a comma between brackets, such as
    /// `{to: source('raw', 'orders')}`. The value contains the position or ends there.
    fn call_in_flow_diagnostic(&self, position: u32) -> Option<Diagnostic> {
        let at = (position as usize).checked_sub(self.start as usize)?;
        self.cut_value_diagnostic(',', |value| (value.start..=value.end).contains(&at))
    }

    /// Returns a diagnostic for the first value inside `{…}` or `[…]` that is cut at the bracket of a timeframe, such
    /// as `{on: day = ordered_at[day]}`.
    fn timeframe_in_flow_diagnostic(&self) -> Option<Diagnostic> {
        self.cut_value_diagnostic('[', |_| true)
    }

    /// Returns a diagnostic for the first value inside `{…}` or `[…]` that contains the character `cut` and that
    /// `is_meant` accepts. The character is a comma between brackets, or the bracket of a timeframe.
    fn cut_value_diagnostic(&self, cut: char, is_meant: impl Fn(&Range<usize>) -> bool) -> Option<Diagnostic> {
        let (mut key, mut start, mut cut_at) = ("", 0, None);
        let (mut depth, mut lists, mut timeframes, mut quote) = (0usize, 0usize, 0usize, None);
        let mut before = ' ';
        for (end, c) in self.text.char_indices() {
            let previous = std::mem::replace(&mut before, c);
            match (quote, c) {
                (Some(open), c) => quote = Some(open).filter(|open| *open != c),
                (None, '\'' | '"') => quote = Some(c),
                (None, '(') => depth += 1,
                (None, '[') if lists > 0 && is_word_char(previous) && (cut == '[' || depth > 0) => {
                    timeframes += 1;
                    cut_at = cut_at.or(Some(end).filter(|_| cut == '['));
                }
                (None, ']') if timeframes > 0 => timeframes -= 1,
                (None, ')') => depth = depth.saturating_sub(1),
                (None, ',') if depth > 0 => cut_at = cut_at.or(Some(end).filter(|_| cut == ',')),
                (None, ',' | '{' | '}' | '[' | ']') => {
                    let value = start..end;
                    if let Some(cut_at) = cut_at.filter(|_| is_meant(&value)) {
                        return self.cut_diagnostic(key, value, (cut_at, cut));
                    }
                    match c {
                        '{' | '[' => lists += 1,
                        '}' | ']' => lists = lists.saturating_sub(1),
                        _ => {}
                    }
                    (key, start, cut_at) = ("", end + 1, None);
                }
                (None, ':') if depth == 0 => {
                    (key, start, cut_at) = (self.text.get(start..end)?.trim(), end + 1, None);
                }
                _ => {}
            }
        }
        None
    }

    fn cut_diagnostic(&self, key: &str, value: Range<usize>, (cut, sign): (usize, char)) -> Option<Diagnostic> {
        let text = self.text.get(value.clone())?;
        let (before, after) = (self.text.get(..value.start)?, self.text.get(value.end..)?);
        let start = value.start + (text.len() - text.trim_start().len());
        let text = text.trim();
        let prefers_double = sign == '[' || text.contains('\'');
        let style = match prefers_double && !text.contains(['"', '\\']) {
            true => YamlStyle::Double,
            false => YamlStyle::Single,
        };
        let corrected = quote_with_style(text, style);
        let offset = |at: usize| self.start + at as u32;
        if before.ends_with("{{") && after.starts_with("}}") {
            let braces = Span::new(offset(value.start - 2), offset(value.end + 2));
            let message = format!("in YAML, `{{{{` starts two mappings, so `{text}` is not the value");
            return Some(
                Diagnostic::new(Code::FormulaCut, braces, message)
                    .with_help(format!("write the value without braces, in quotes: `{corrected}`"))
                    .with_fix(braces, corrected),
            );
        }
        let (brackets, of_key, written) = match key {
            "" => ("[…]", String::new(), corrected.clone()),
            key => ("{…}", format!(" of `{key}`"), format!("{key}: {corrected}")),
        };
        let end = offset(start + text.len());
        let (code, what, span) = match sign {
            '[' => (Code::InvalidYaml, "`[`", Span::new(offset(start), end)),
            _ => (Code::FormulaCut, "a comma", Span::new(offset(cut), end)),
        };
        let message = format!("inside `{brackets}`, {what} ends a value in YAML, so the value{of_key} ends before it");
        Some(
            Diagnostic::new(code, span, message)
                .with_help(format!("put the value in quotes: `{written}`"))
                .with_fix(Span::new(offset(start), end), corrected),
        )
    }

    /// Returns a diagnostic for a value that YAML cannot parse, if the value may be a formula.
    fn unparsable_formula_diagnostic(&self, span: Span) -> Option<Diagnostic> {
        let pair = self.key_pair()?;
        let first = pair.value.chars().next()?;
        let begins = |what: &str| {
            // A backtick cannot be displayed inside backticks.
            let sign = if first == '`' {
                "a backtick".to_owned()
            } else {
                format!("`{first}`")
            };
            let index = Span::new(pair.span.start, pair.span.start + first.len_utf8() as u32);
            Diagnostic::new(
                Code::InvalidYaml,
                index,
                format!("in YAML, {sign} at the beginning of a value {what}"),
            )
        };
        let inside = pair.span.start <= span.start && span.start <= pair.span.end;
        let diagnostic = match first {
            '"' | '\'' => match text_after_bracket(pair.value, first)? {
                "" => return None,
                _ => begins("starts a quoted string, but the value continues after the closing quote"),
            },
            '{' if !text_after_bracket(pair.value, '}')?.is_empty() => begins("starts a mapping"),
            '[' if !text_after_bracket(pair.value, ']')?.is_empty() => begins("starts a list"),
            '*' => begins("refers to an anchor"),
            '&' => begins("names an anchor"),
            '!' => begins("starts a tag"),
            '%' | '@' | '`' => begins("is reserved"),
            '|' | '>' => begins("starts a text block"),
            '?' | '-' | ',' if inside => begins("has a special meaning"),
            '{' | '[' => return None,
            _ => {
                let colon = pair
                    .value
                    .find(": ")
                    .or_else(|| pair.value.strip_suffix(':').map(str::len))?;
                let at = pair.span.start + colon as u32;
                let message = format!(
                    "in YAML, `: ` ends a key, so the formula of `{}` is truncated there",
                    pair.key
                );
                Diagnostic::new(Code::FormulaCut, Span::new(at, at + 1), message)
            }
        };
        if pair.value.starts_with("{{") {
            return Some(diagnostic.with_help(format!(
                "put the value in quotes: `{}: {}`; if it is a formula, write it without Jinja",
                pair.key,
                quote_with_style(pair.value, YamlStyle::Single)
            )));
        }
        Some(self.with_fix(diagnostic))
    }
}

/// Returns a diagnostic for a value inside `{…}` or `[…]` at this position, if YAML ends the value at a comma between
/// brackets.
pub fn call_in_flow_diagnostic(source: &str, position: u32) -> Option<Diagnostic> {
    YamlLine::at(source, position).call_in_flow_diagnostic(position)
}

/// Returns the text after the first closing character, or an empty string if a comment follows. Returns `None` if there
/// is no closing character.
fn text_after_bracket(value: &str, close: char) -> Option<&str> {
    let mut rest = value.get(1..)?;
    loop {
        rest = rest.get(rest.find(close)? + close.len_utf8()..)?;
        // A doubled quote does not end the string.
        match rest.strip_prefix('\'').filter(|_| close == '\'') {
            Some(after) => rest = after,
            None => {
                return Some(if rest.trim_start().starts_with('#') {
                    ""
                } else {
                    rest.trim()
                });
            }
        }
    }
}

/// Searches the lines above for a bracket that opens a list or mapping and is still unclosed at this position. Returns
/// the span of the bracket.
fn find_unclosed_bracket(source: &str, before: u32) -> Option<Span> {
    let from = char_boundary(source, (before as usize).saturating_sub(MAX_EXAMINED_BYTES));
    let mut start = from;
    let mut open = None;
    for line in source
        .get(from..before as usize)?
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
    {
        let span = open_bracket_in_line(line).map(|at| Span::new((start + at) as u32, (start + at) as u32 + 1));
        if span.is_some() || line.contains([']', '}']) {
            open = span;
        }
        start += line.len();
    }
    open
}

/// Returns the position of the first bracket that opens a list or mapping in a line and is not closed in that line.
fn open_bracket_in_line(line: &str) -> Option<usize> {
    let mut stack: Vec<usize> = Vec::new();
    let mut quote: Option<char> = None;
    let mut before = '-';
    for (at, c) in line.char_indices().filter(|(_, c)| !c.is_whitespace()) {
        match (quote, c) {
            (Some(open), c) => quote = Some(open).filter(|open| *open != c),
            // In other positions, these characters are part of a string.
            (None, '\'' | '"' | '[' | '{') if matches!(before, ':' | '-' | '[' | '{' | ',') => {
                if matches!(c, '[' | '{') {
                    stack.push(at);
                } else {
                    quote = Some(c);
                }
            }
            (None, ']' | '}') => drop(stack.pop()),
            _ => {}
        }
        before = c;
    }
    stack.first().copied()
}

/// Finds a block scalar whose first line is not indented more than its key, and returns this line. YAML would interpret
/// the scalar as empty.
fn find_unindented_block(source: &str) -> Option<Span> {
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let mut key: Option<usize> = None;
    let mut start = 0;
    for line in source.split_inclusive('\n') {
        let text = line.trim_end();
        if let Some(outer) = key.filter(|_| !text.trim().is_empty()) {
            let is_formula = text.contains('=') && !text.contains(": ") && !text.ends_with(':');
            if indent(text) <= outer && is_formula {
                let first = start + indent(text);
                return Some(Span::new(first as u32, (start + text.len()) as u32));
            }
            key = None;
        }
        if text.ends_with(": |") || text.ends_with(": |-") || text.ends_with(": >") {
            key = Some(indent(text));
        }
        start += line.len();
    }
    None
}

/// Quotes the timeframes in a line such as `group_by: [region, billing_date[month]]`. Without quotes, YAML interprets
/// the timeframes as lists.
fn quote_timeframes(line: &str) -> Option<String> {
    let (key, list) = line.split_once(": [")?;
    let list = list.trim_end().strip_suffix(']')?;
    let is_timeframe = |item: &str| {
        let word = |text: &str| !text.is_empty() && text.chars().all(|c| is_word_char(c) || c == '.');
        item.strip_suffix(']')
            .and_then(|i| i.split_once('['))
            .is_some_and(|(name, frame)| word(name) && word(frame))
    };
    let items: Vec<&str> = list.split(',').map(str::trim).collect();
    if !items.iter().any(|item| is_timeframe(item)) {
        return None;
    }
    let quoted = items.iter().map(|i| {
        if is_timeframe(i) {
            format!("\"{i}\"")
        } else {
            (*i).to_owned()
        }
    });
    Some(format!("{}: [{}]", key.trim(), quoted.collect::<Vec<_>>().join(", ")))
}
