//! Text patterns: wildcards and regular expressions.

use regex::Regex;

use crate::functions::CallArgs;
use crate::functions::text::{evaluate_strict, first_matching_position, text};
use crate::uncertainty;
use crate::value::Value;

/// Names of the variants of `SEARCH` and `REGEXREPLACE` for arguments that are not literals. These variants support no
/// wildcards or groups.
const SEARCH_WITHOUT_WILDCARDS: &str = "SEARCH as it is";
const REGEXREPLACE_WITHOUT_GROUPS: &str = "REGEXREPLACE as it is";

/// Returns the name under which to call a function. `is_written` returns whether the argument at an index is a text
/// literal, because only literals can contain wildcards (in a search text) or groups (in a replacement).
pub fn function_variant_name(name: &str, is_written: impl Fn(usize) -> bool) -> &str {
    match name {
        "SEARCH" if !is_written(0) => SEARCH_WITHOUT_WILDCARDS,
        "REGEXREPLACE" if !is_written(2) => REGEXREPLACE_WITHOUT_GROUPS,
        _ => name,
    }
}

pub fn call(name: &str, args: CallArgs<'_>) -> Option<Value> {
    let function = match name {
        "SEARCH" => |args: CallArgs<'_>| search(&parse_wildcards(&text(&args[0])), args),
        SEARCH_WITHOUT_WILDCARDS => |args: CallArgs<'_>| search(&literal_pattern(&text(&args[0])), args),
        "REGEXMATCH" | "REGEXTEST" => {
            |args: CallArgs<'_>| Some(Value::Bool(compile_regex(&text(&args[1]))?.is_match(&text(&args[0]))))
        }
        "REGEXEXTRACT" => extract_match,
        "REGEXREPLACE" => |args: CallArgs<'_>| replace_matches(args, &parse_replacement(&text(&args[2]))),
        REGEXREPLACE_WITHOUT_GROUPS => {
            |args: CallArgs<'_>| replace_matches(args, &[ReplacementPart::Text(text(&args[2]).into_owned())])
        }
        _ => return None,
    };
    Some(evaluate_strict(args, function))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum WildcardPart {
    Run,
    One,
    Char(char),
}

/// Parses wildcards: `*` matches any number of characters, `?` matches one character, and `~` escapes `*`, `?` and `~`.
fn parse_wildcards(needle: &str) -> Vec<WildcardPart> {
    let mut pattern = Vec::new();
    let mut rest = needle.chars().peekable();
    while let Some(c) = rest.next() {
        pattern.push(match (c, rest.peek()) {
            ('~', Some('*' | '?' | '~')) => WildcardPart::Char(rest.next().unwrap_or(c)),
            ('*', _) => WildcardPart::Run,
            ('?', _) => WildcardPart::One,
            _ => WildcardPart::Char(c),
        });
    }
    pattern
}

fn literal_pattern(needle: &str) -> Vec<WildcardPart> {
    needle.chars().map(WildcardPart::Char).collect()
}

fn search(pattern: &[WildcardPart], args: CallArgs<'_>) -> Option<Value> {
    let chars: Vec<char> = text(&args[1]).chars().collect();
    let start = args
        .values()
        .get(2)
        .and_then(Value::number)
        .map_or(1, |start| start.floor() as i64);
    first_matching_position(&chars, start, |rest| is_prefix_match(rest, pattern))
}

/// Returns whether a string begins with a pattern, ignoring case.
fn is_prefix_match(text: &[char], pattern: &[WildcardPart]) -> bool {
    is_pattern_match(text, pattern, false)
}

/// Returns whether a whole string matches a criterion with wildcards, ignoring case.
pub fn matches_wildcards(text: &str, criterion: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    is_pattern_match(&chars, &parse_wildcards(criterion), true)
}

/// Matches a pattern without recursion. If the part after a `*` does not match, the `*` matches one more character.
fn is_pattern_match(text: &[char], pattern: &[WildcardPart], is_whole_match: bool) -> bool {
    let (mut position, mut sign) = (0, 0);
    let mut run: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(sign), text.get(position)) {
            (None, None) => return true,
            (None, Some(_)) if !is_whole_match => return true,
            (Some(WildcardPart::Run), _) => {
                sign += 1;
                run = Some((position, sign));
            }
            (Some(WildcardPart::One), Some(_)) => (position, sign) = (position + 1, sign + 1),
            (Some(WildcardPart::Char(c)), Some(other)) if other.to_lowercase().eq(c.to_lowercase()) => {
                (position, sign) = (position + 1, sign + 1);
            }
            _ => match run {
                Some((from, behind)) if from < text.len() => {
                    run = Some((from + 1, behind));
                    (position, sign) = (from + 1, behind);
                }
                _ => return false,
            },
        }
    }
}

fn extract_match(args: CallArgs<'_>) -> Option<Value> {
    let subject = text(&args[0]);
    let captures = compile_regex(&text(&args[1]))?.captures(&subject)?;
    let part = captures.get(usize::from(captures.len() > 1))?;
    Some(Value::Text(part.as_str().to_owned()))
}

/// Part of a replacement text.
enum ReplacementPart {
    Text(String),
    Group(usize),
}

/// Parses a replacement text: `$1` to `$9` are groups, and all other characters are literal.
fn parse_replacement(new: &str) -> Vec<ReplacementPart> {
    let mut parts = Vec::new();
    let mut rest = new.chars().peekable();
    while let Some(c) = rest.next() {
        let digit = rest.peek().and_then(|d| d.to_digit(10)).filter(|d| c == '$' && *d > 0);
        match digit {
            Some(digit) => {
                rest.next();
                parts.push(ReplacementPart::Group(digit as usize));
            }
            None => parts.push(ReplacementPart::Text(c.to_string())),
        }
    }
    parts
}

fn replace_matches(args: CallArgs<'_>, new: &[ReplacementPart]) -> Option<Value> {
    let replacement = |captures: &regex::Captures<'_>| {
        let part = |part: &ReplacementPart| match part {
            ReplacementPart::Text(text) => text.clone(),
            ReplacementPart::Group(group) => captures
                .get(*group)
                .map_or_else(String::new, |part| part.as_str().to_owned()),
        };
        new.iter().map(part).collect::<String>()
    };
    Some(Value::Text(
        compile_regex(&text(&args[1]))?
            .replace_all(&text(&args[0]), replacement)
            .into_owned(),
    ))
}

/// Translates a regular expression to the syntax of Rust's `regex` and compiles it. Character classes contain only
/// ASCII characters, and in brackets only `]`, `\`, `^` and `-` are special.
fn compile_regex(pattern: &str) -> Option<Regex> {
    let mut rust_pattern = String::new();
    let mut in_brackets = false;
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                let sign = rest.next().unwrap_or('\\');
                match regex_class_of_escape(sign) {
                    Some(class) => rust_pattern.push_str(class),
                    None => rust_pattern.extend(['\\', sign]),
                }
            }
            '[' if in_brackets => rust_pattern.push_str("\\["),
            '&' | '~' if in_brackets => rust_pattern.extend(['\\', c]),
            _ => {
                in_brackets = (in_brackets && c != ']') || (!in_brackets && c == '[');
                rust_pattern.push(c);
            }
        }
    }
    let expression = Regex::new(&rust_pattern).ok();
    if expression.is_none() {
        uncertainty::report_unsupported(|| format!("the regular expression `{pattern}`"));
    }
    expression
}

fn regex_class_of_escape(sign: char) -> Option<&'static str> {
    Some(match sign {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        's' => "[ \\t\\n\\x0c\\r]",
        'S' => "[^ \\t\\n\\x0c\\r]",
        _ => return None,
    })
}
