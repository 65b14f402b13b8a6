//! Regular expressions that have the same meaning in every warehouse. A pattern is parsed once and translated to the
//! syntax of each type of engine.
//!
//! The parser rejects syntax that engines interpret differently, and lists the supported syntax. Every accepted pattern
//! therefore has the same matches in all engines. The parser reads the pattern in one pass, with a stack of open
//! groups.

use std::ops::Range;

/// Maximum repetition count, with nested counts multiplied. Some engines reject higher counts.
const MAX_REPEATS: u32 = 255;
/// Maximum length of a pattern, in characters.
const MAX_CHARACTERS: usize = 1000;

/// Characters with a special meaning outside of a character class.
pub(in crate::check) const METACHARACTERS: &str = "\\.+*?()|[]{}^$";

/// Pattern in the syntax of each engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::check) struct RegexPattern {
    /// Pattern in RE2 syntax, which is Perl's syntax without the features that require backtracking.
    pub re2: String,
    /// Pattern in RE2 syntax in which only the first group captures.
    pub re2_first: String,
    /// POSIX extended regular expression (ERE). Its flags are passed separately.
    pub ere: String,
    /// Advanced regular expression (ARE) of Postgres.
    pub are: String,
    /// Whether the pattern starts with `(?i)`.
    pub ignore_case: bool,
    /// Number that each capturing group has in `ere`, in which all groups capture.
    pub groups: Vec<u32>,
    /// Whether the first group can be absent from a match.
    pub first_optional: bool,
    /// Whether the pattern can match an empty string.
    pub matches_empty: bool,
    /// Span of the alternatives for which engines could choose different matches.
    pub ambiguous: Option<Range<usize>>,
}

/// Reason why a pattern is rejected, with the position of the error.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::check) struct RegexError {
    pub at: Range<usize>,
    pub why: String,
}

/// Part of a pattern that a quantifier applies to: a character, class or group.
#[derive(Clone, Debug, Default)]
struct RegexAtom {
    least: u32,
    /// Length of each match. `None` if the lengths differ.
    length: Option<u32>,
    literal: Option<char>,
    /// Product of the repetition counts inside the piece.
    repeats: u32,
    /// Whether the piece is an anchor, which cannot be repeated.
    anchor: bool,
    /// Whether the piece already has a quantifier.
    repeated: bool,
    /// Capturing groups inside the piece.
    groups: Range<usize>,
}

/// One alternative of a group.
#[derive(Clone, Debug)]
struct Alternative {
    least: u32,
    length: Option<u32>,
    /// Literal string of the alternative, if it consists only of literal characters.
    literal: Option<String>,
    first: Option<char>,
    repeats: u32,
}

impl Alternative {
    const NEW: Self = Self {
        least: 0,
        length: Some(0),
        literal: Some(String::new()),
        first: None,
        repeats: 1,
    };
}

/// Open group, or the whole pattern.
#[derive(Debug)]
struct GroupFrame {
    at: usize,
    /// Number of capturing groups before this group (`first_group`) and before its contents (`first_inner`).
    first_group: usize,
    first_inner: usize,
    branches: Vec<Alternative>,
    branch: Alternative,
}

struct RegexReader<'p> {
    text: &'p str,
    at: usize,
    out: RegexPattern,
    frames: Vec<GroupFrame>,
    piece: Option<RegexAtom>,
    optional: Vec<bool>,
    opened: u32,
}

pub(in crate::check) fn read(text: &str) -> Result<RegexPattern, RegexError> {
    let root_frame = GroupFrame {
        at: 0,
        first_group: 0,
        first_inner: 0,
        branches: Vec::new(),
        branch: Alternative::NEW,
    };
    let mut reader = RegexReader {
        text,
        at: 0,
        out: RegexPattern::default(),
        frames: vec![root_frame],
        piece: None,
        optional: Vec::new(),
        opened: 0,
    };
    reader.parse_all()?;
    Ok(reader.out)
}

fn regex_error<T>(range: Range<usize>, why: impl Into<String>) -> Result<T, RegexError> {
    Err(RegexError {
        at: range,
        why: why.into(),
    })
}

impl RegexReader<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, text: &str) -> bool {
        let is_next = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(text));
        self.at += if is_next { text.len() } else { 0 };
        is_next
    }

    fn write(&mut self, text: &str) {
        for out in [
            &mut self.out.re2,
            &mut self.out.re2_first,
            &mut self.out.ere,
            &mut self.out.are,
        ] {
            out.push_str(text);
        }
    }

    fn write_for_each_engine(&mut self, re2: &str, ere: &str, are: &str) {
        self.out.re2.push_str(re2);
        self.out.re2_first.push_str(re2);
        self.out.ere.push_str(ere);
        self.out.are.push_str(are);
    }

    fn parse_all(&mut self) -> Result<(), RegexError> {
        if self.text.chars().count() > MAX_CHARACTERS {
            return regex_error(
                0..self.text.len(),
                format!("the pattern has more than {MAX_CHARACTERS} characters"),
            );
        }
        if self.eat("(?i)") {
            self.out.ignore_case = true;
            self.out.re2.push_str("(?i)");
            self.out.re2_first.push_str("(?i)");
            self.out.are.push_str("(?i)");
        }
        if self.at == self.text.len() {
            return regex_error(0..self.text.len(), "the pattern is empty");
        }
        while let Some(c) = self.next() {
            let start = self.at - c.len_utf8();
            match c {
                '*' => self.write_repetition(start, 0, None, "*")?,
                '+' => self.write_repetition(start, 1, None, "+")?,
                '?' => self.write_repetition(start, 0, Some(1), "?")?,
                '{' if self.peek().is_some_and(|c| c.is_ascii_digit()) => self.parse_repetition_count(start)?,
                '|' => self.start_alternative(),
                '(' => self.open_group(start)?,
                ')' => self.close_group(start)?,
                '[' => self.parse_class(start)?,
                '\\' => self.parse_escape(start)?,
                '.' => {
                    self.write_for_each_engine(".", ".", "[^\\n]");
                    self.push_literal(None);
                }
                '^' | '$' => {
                    self.write(c.encode_utf8(&mut [0; 4]));
                    self.write_anchor();
                }
                c => self.literal(start, c)?,
            }
        }
        if self.frames.len() > 1 {
            let start = self.frames.last().map_or(0, |frame| frame.at);
            return regex_error(start..start + 1, "this bracket is not closed");
        }
        let pattern_piece = self.finish();
        self.out.matches_empty = pattern_piece.is_some_and(|piece| piece.least == 0);
        self.out.first_optional = self.optional.first().copied().unwrap_or(false);
        Ok(())
    }

    fn literal(&mut self, start: usize, c: char) -> Result<(), RegexError> {
        self.write_character(start, c, METACHARACTERS)?;
        self.push_literal(Some(c));
        Ok(())
    }

    /// Writes a literal character. Escapes the character if it occurs in `special`.
    fn write_character(&mut self, start: usize, c: char, special: &str) -> Result<(), RegexError> {
        match c {
            '\n' => self.write("\\n"),
            '\r' => self.write("\\r"),
            '\t' => self.write("\\t"),
            c if c.is_control() => return regex_error(start..self.at, "control characters are not allowed"),
            c => {
                if special.contains(c) {
                    self.write("\\");
                }
                self.write(c.encode_utf8(&mut [0; 4]));
            }
        }
        Ok(())
    }

    fn push_literal(&mut self, literal: Option<char>) {
        let groups = self.optional.len()..self.optional.len();
        self.add(RegexAtom {
            least: 1,
            length: Some(1),
            literal,
            repeats: 1,
            groups,
            ..RegexAtom::default()
        });
    }

    fn write_anchor(&mut self) {
        let groups = self.optional.len()..self.optional.len();
        self.add(RegexAtom {
            length: Some(0),
            anchor: true,
            repeats: 1,
            groups,
            ..RegexAtom::default()
        });
    }

    /// Completes the previous piece, and begins the next one.
    fn add(&mut self, piece: RegexAtom) {
        self.finish_regex_atom();
        self.piece = Some(piece);
    }

    fn finish_regex_atom(&mut self) {
        let (Some(piece), Some(frame)) = (self.piece.take(), self.frames.last_mut()) else {
            return;
        };
        let branch = &mut frame.branch;
        if branch.least == 0 && branch.length == Some(0) && !piece.anchor {
            branch.first = piece.literal.filter(|_| piece.least > 0);
        }
        branch.least = branch.least.saturating_add(piece.least);
        branch.length = branch.length.zip(piece.length).map(|(a, b)| a.saturating_add(b));
        branch.repeats = branch.repeats.max(piece.repeats);
        match (piece.literal.filter(|_| !piece.repeated), branch.literal.as_mut()) {
            (Some(c), Some(literal)) => literal.push(c),
            _ => branch.literal = None,
        }
    }

    fn start_alternative(&mut self) {
        self.finish_regex_atom();
        self.write("|");
        if let Some(frame) = self.frames.last_mut() {
            frame
                .branches
                .push(std::mem::replace(&mut frame.branch, Alternative::NEW));
        }
    }

    /// Closes the innermost frame and combines its alternatives into one piece.
    fn finish(&mut self) -> Option<RegexAtom> {
        self.finish_regex_atom();
        let mut frame = self.frames.pop()?;
        frame.branches.push(frame.branch);
        let branches = &frame.branches;
        let lengths = branches.iter().map(|b| b.length);
        let length = lengths.reduce(|a, b| a.filter(|_| a == b)).flatten();
        let groups = frame.first_group..self.optional.len();
        if branches.len() > 1 {
            self.optional.iter_mut().skip(frame.first_inner).for_each(|o| *o = true);
            let at_odds = |(i, branch)| {
                let mut later = branches.iter().skip(i + 1);
                later.any(|later| may_choose_different_alternative(branch, later))
            };
            if length.is_none() && branches.iter().enumerate().any(at_odds) {
                self.out.ambiguous.get_or_insert(frame.at..self.at);
            }
        }
        Some(RegexAtom {
            least: branches.iter().map(|b| b.least).min().unwrap_or(0),
            length,
            repeats: branches.iter().map(|b| b.repeats).max().unwrap_or(1),
            groups,
            ..RegexAtom::default()
        })
    }

    fn open_group(&mut self, start: usize) -> Result<(), RegexError> {
        self.finish_regex_atom();
        let first_group = self.optional.len();
        self.opened += 1;
        if self.eat("?:") {
            self.write_for_each_engine("(?:", "(", "(?:");
        } else if self.peek() == Some('?') {
            let feature = match self.text.get(start..).unwrap_or_default() {
                rest if rest.starts_with("(?=") || rest.starts_with("(?!") || rest.starts_with("(?<") => {
                    "lookaround and named groups"
                }
                rest if rest.starts_with("(?i") => "`(?i)` after the beginning",
                _ => "this kind of group",
            };
            return regex_error(start..start + 2, format!("not every warehouse supports {feature}"));
        } else {
            let first = self.optional.is_empty();
            self.write("(");
            if !first {
                self.out.re2_first.push_str("?:");
            }
            self.optional.push(false);
            self.out.groups.push(self.opened);
        }
        let first_inner = self.optional.len();
        self.frames.push(GroupFrame {
            at: start,
            first_group,
            first_inner,
            branches: Vec::new(),
            branch: Alternative::NEW,
        });
        Ok(())
    }

    fn close_group(&mut self, start: usize) -> Result<(), RegexError> {
        if self.frames.len() < 2 {
            return regex_error(start..start + 1, "there is no open bracket here");
        }
        self.write(")");
        let piece = self.finish();
        self.piece = piece;
        Ok(())
    }

    fn write_repetition(
        &mut self,
        start: usize,
        least: u32,
        most: Option<u32>,
        repetition: &str,
    ) -> Result<(), RegexError> {
        let Some(piece) = self.piece.as_mut() else {
            return regex_error(
                start..self.at,
                format!("`{repetition}` has nothing to repeat; write `\\{repetition}` for the character itself"),
            );
        };
        if piece.repeated {
            let why = "not every warehouse supports a quantifier after another quantifier, such as `*?`";
            return regex_error(start..self.at, why);
        }
        if piece.anchor {
            return regex_error(start..self.at, format!("`{repetition}` has nothing to repeat"));
        }
        let repeat_count = if repetition.starts_with('{') {
            most.unwrap_or(least).max(1)
        } else {
            1
        };
        piece.repeats = piece.repeats.max(1).saturating_mul(repeat_count);
        if piece.repeats > MAX_REPEATS {
            return regex_error(start..self.at, format!("more than {MAX_REPEATS} repetitions"));
        }
        piece.length = match (piece.length, most) {
            (Some(length), Some(most)) if most == least => length.checked_mul(least),
            _ => None,
        };
        piece.least = piece.least.saturating_mul(least);
        piece.repeated = true;
        if least == 0 {
            self.optional
                .iter_mut()
                .skip(piece.groups.start)
                .for_each(|o| *o = true);
        }
        self.write(repetition);
        Ok(())
    }

    /// Parses `{2}`, `{2,}` or `{2,5}`, after the opening brace.
    fn parse_repetition_count(&mut self, start: usize) -> Result<(), RegexError> {
        let Some(inner) = self
            .text
            .get(self.at..)
            .and_then(|rest| rest.split_once('}'))
            .map(|(inner, _)| inner)
        else {
            return regex_error(
                start..start + 1,
                "this bracket is not closed; write `\\{` for the character itself",
            );
        };
        self.at += inner.len() + 1;
        // `parse` accepts a plus sign, but warehouses reject it.
        let number = |digits: &str| {
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number
                .then(|| digits.parse::<u32>().ok())?
                .filter(|n| *n <= MAX_REPEATS)
        };
        let bounds = match inner.split_once(',') {
            None => number(inner).map(|n| (n, Some(n))),
            Some((least, "")) => number(least).map(|n| (n, None)),
            Some((least, most)) => number(least)
                .zip(number(most))
                .filter(|(a, b)| a <= b)
                .map(|(a, b)| (a, Some(b))),
        };
        let Some((least, most)) = bounds else {
            return regex_error(
                start..self.at,
                format!(
                    "write a repetition in the form `{{2}}`, `{{2,}}` or `{{2,5}}`, with at most {MAX_REPEATS} \
                    repetitions"
                ),
            );
        };
        self.write_repetition(start, least, most, &format!("{{{inner}}}"))
    }

    fn parse_escape(&mut self, start: usize) -> Result<(), RegexError> {
        let Some(c) = self.next() else {
            return regex_error(start..self.at, "the pattern ends with a backslash");
        };
        match c {
            'd' | 'w' | 's' | 'D' | 'W' | 'S' => {
                let inner = class_members(c.to_ascii_lowercase());
                let not = if c.is_ascii_uppercase() { "^" } else { "" };
                let class_text = format!("[{not}{inner}]");
                self.write_for_each_engine(&format!("\\{c}"), &class_text, &class_text);
                self.push_literal(None);
                Ok(())
            }
            'n' => self.literal(start, '\n'),
            'r' => self.literal(start, '\r'),
            't' => self.literal(start, '\t'),
            c if c.is_ascii_punctuation() => self.literal(start, c),
            _ => regex_error(start..self.at, unsupported_escape_reason(c)),
        }
    }

    /// Parses a character class such as `[a-z]`, after the opening bracket.
    fn parse_class(&mut self, class_start: usize) -> Result<(), RegexError> {
        self.write("[");
        if self.eat("^") {
            self.write("^");
        }
        let start = self.at;
        let mut from: Option<char> = None;
        loop {
            let member_start = self.at;
            let Some(c) = self.next() else {
                return regex_error(
                    class_start..class_start + 1,
                    "this bracket is not closed; write `\\[` for the character itself",
                );
            };
            match c {
                ']' if member_start > start => break,
                '[' if matches!(self.peek(), Some(':' | '.' | '=')) => {
                    let why = "named classes such as `[:alpha:]` include different letters on different warehouses; write `A-Za-z`";
                    return regex_error(member_start..self.at + 1, why);
                }
                '-' if from.is_some() && !matches!(self.peek(), Some(']') | None) => {
                    self.write("-");
                    let (low, to) = (from.take(), self.at);
                    let high = match self.next() {
                        Some('\\') => match self.next() {
                            Some(c) if c.is_ascii_punctuation() => Some(c),
                            _ => None,
                        },
                        high => high,
                    };
                    let Some(high) = high.filter(|high| low.is_some_and(|low| low <= *high)) else {
                        return regex_error(
                            member_start..self.at,
                            "the end of a character range must come after its start",
                        );
                    };
                    self.write_class_member(to, high)?;
                }
                '\\' => match self.next() {
                    Some(c @ ('d' | 'w' | 's')) => {
                        self.write_for_each_engine(&format!("\\{c}"), class_members(c), class_members(c));
                        from = None;
                    }
                    Some(c @ ('n' | 'r' | 't')) => {
                        self.write(&format!("\\{c}"));
                        from = None;
                    }
                    Some(c) if c.is_ascii_punctuation() => {
                        self.write_class_member(member_start, c)?;
                        from = Some(c);
                    }
                    Some(c) => return regex_error(member_start..self.at, unsupported_escape_reason(c)),
                    None => return regex_error(member_start..self.at, "the pattern ends with a backslash"),
                },
                c => {
                    self.write_class_member(member_start, c)?;
                    from = Some(c);
                }
            }
        }
        self.write("]");
        self.push_literal(None);
        Ok(())
    }

    /// Writes a character of a character class.
    fn write_class_member(&mut self, start: usize, c: char) -> Result<(), RegexError> {
        self.write_character(start, c, "\\]^-[")
    }
}

/// Returns the ASCII characters to which `\d`, `\w` or `\s` is expanded, so that it has the same meaning in every
/// engine.
pub(in crate::check) fn class_members(class: char) -> &'static str {
    match class {
        'd' => "0-9",
        'w' => "A-Za-z0-9_",
        _ => " \\t\\n\\r\\f",
    }
}

fn unsupported_escape_reason(c: char) -> String {
    match c {
        'b' | 'B' => "warehouses disagree about where words end".to_owned(),
        '0'..='9' => "backreferences are not supported".to_owned(),
        'A' | 'z' | 'Z' => "write `^` for the beginning and `$` for the end".to_owned(),
        'p' | 'P' => "not every warehouse supports Unicode classes".to_owned(),
        c => format!("not every warehouse supports `\\{c}`"),
    }
}

/// Returns `true` if the first alternative can match a shorter string than the later alternative, so that engines could
/// choose different alternatives. Some engines choose the first alternative that matches. Other engines choose the
/// longest match.
fn may_choose_different_alternative(first: &Alternative, later: &Alternative) -> bool {
    match (&first.literal, &later.literal) {
        (Some(a), Some(b)) => a.len() < b.len() && b.starts_with(a.as_str()),
        _ if first.length.is_some() && first.length == later.length => false,
        _ => !matches!((first.first, later.first), (Some(a), Some(b)) if a != b),
    }
}

/// Converts a replacement string to SQL: `$1` becomes `\1`. The second result contains the group numbers for
/// engines in which all groups capture. Returns an error if a group does not exist.
pub(in crate::check) fn replacement_to_sql(text: &str, groups: &[u32]) -> Result<(String, String), RegexError> {
    let (mut plain, mut renumbered) = (String::new(), String::new());
    let mut chars = text.char_indices().peekable();
    while let Some((offset, c)) = chars.next() {
        let digit = chars.peek().and_then(|(_, c)| c.to_digit(10));
        match (c, digit) {
            ('$', Some(number)) => {
                let Some(group) = (number as usize)
                    .checked_sub(1)
                    .and_then(|n| groups.get(n))
                    .filter(|g| **g < 10)
                else {
                    let why = match number {
                        0 => "there is no group 0; put the complete pattern in brackets, and write `$1`".to_owned(),
                        _ => format!("the pattern has no group {number}"),
                    };
                    return regex_error(offset..offset + 2, why);
                };
                chars.next();
                plain.push_str(&format!("\\{number}"));
                renumbered.push_str(&format!("\\{group}"));
            }
            ('\\', Some(number)) => {
                return regex_error(offset..offset + 2, format!("write a group as `${number}`"));
            }
            ('\\', None) => {
                plain.push_str("\\\\");
                renumbered.push_str("\\\\");
            }
            (c, _) => {
                plain.push(c);
                renumbered.push(c);
            }
        }
    }
    Ok((plain, renumbered))
}

#[cfg(test)]
#[path = "regex_tests.rs"]
mod tests;
