//! Text functions. Lengths and positions are numbers of characters, rounded down to integers.

use std::borrow::Cow;

use crate::functions::CallArgs;
use crate::functions::math::to_number;
use crate::uncertainty;
use crate::value::Value;

/// Maximum length of a string that REPT returns.
const MAX_REPEATED_LENGTH: usize = 32_767;

pub fn call(name: &str, args: CallArgs<'_>) -> Option<Value> {
    match name {
        // NULL is concatenated as an empty string.
        "CONCAT" | "CONCATENATE" => return Some(Value::Text(args.values().iter().map(Value::text).collect())),
        "TEXTJOIN" => return join_row(args),
        _ => {}
    }
    let function: fn(CallArgs<'_>) -> Option<Value> = match name {
        "UPPER" => upper,
        "LOWER" => lower,
        "LEN" => len,
        "LEFT" => left_text,
        "RIGHT" => right,
        "MID" => mid,
        "TRIM" => trim,
        "EXACT" => exact,
        "FIND" => find,
        "CONTAINS" => contains,
        "STARTSWITH" => |a| Some(Value::Bool(text(&a[0]).starts_with(&*text(&a[1])))),
        "ENDSWITH" => |a| Some(Value::Bool(text(&a[0]).ends_with(&*text(&a[1])))),
        "TEXTBEFORE" => |a| Some(Value::Text(text(&a[0]).split_once(&*text(&a[1]))?.0.to_owned())),
        "TEXTAFTER" => |a| Some(Value::Text(text(&a[0]).split_once(&*text(&a[1]))?.1.to_owned())),
        "TEXTSPLIT" => part,
        "REPLACE" => replace,
        "SUBSTITUTE" => substitute,
        "REPT" => rept,
        "PROPER" => proper,
        "CLEAN" => clean,
        "CHAR" => char,
        "UNICHAR" => unichar,
        "CODE" | "UNICODE" => code,
        _ => return None,
    };
    Some(evaluate_strict(args, function))
}

/// Evaluates a function. The result is NULL if an argument is NULL, or if a spreadsheet would show an error.
pub fn evaluate_strict(args: CallArgs<'_>, function: fn(CallArgs<'_>) -> Option<Value>) -> Value {
    if args.values().iter().any(Value::is_null) {
        Value::Null
    } else {
        function(args).unwrap_or(Value::Null)
    }
}

/// Returns the text of a value. An integer is formatted as in a concatenation with `&`.
pub fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Text(text) => text.into(),
        Value::Int(number) => number.to_string().into(),
        other => {
            uncertainty::report_unsupported(|| format!("{} as text", other.text()));
            "".into()
        }
    }
}

/// Returns a count or position, rounded down. For example, -0.5 becomes -1.
fn position_argument(args: CallArgs<'_>, index: usize) -> i64 {
    to_number(&args[index]).floor() as i64
}

/// Returns a count or position, or `missing` if the call does not have the argument.
fn position_or_default(args: CallArgs<'_>, index: usize, missing: i64) -> i64 {
    if args.values().len() > index {
        position_argument(args, index)
    } else {
        missing
    }
}

fn characters(text: &str) -> Vec<char> {
    text.chars().collect()
}

/// Returns the characters from index `from` up to, but not including, index `to`. Indexes outside the text are
/// clipped.
fn slice_chars(chars: &[char], from: i64, to: i64) -> String {
    let within = |index: i64| usize::try_from(index).unwrap_or(0).min(chars.len());
    chars.iter().take(within(to)).skip(within(from)).collect()
}

fn text_value(text: impl Into<String>) -> Option<Value> {
    Some(Value::Text(text.into()))
}

fn upper(args: CallArgs<'_>) -> Option<Value> {
    text_value(text(&args[0]).to_uppercase())
}

fn lower(args: CallArgs<'_>) -> Option<Value> {
    text_value(text(&args[0]).to_lowercase())
}

/// Returns the length of a value's text.
fn len(args: CallArgs<'_>) -> Option<Value> {
    Some(Value::Int(args[0].text().chars().count() as i64))
}

fn left_text(args: CallArgs<'_>) -> Option<Value> {
    let (chars, count) = (characters(&text(&args[0])), position_or_default(args, 1, 1));
    if count < 0 {
        None
    } else {
        text_value(slice_chars(&chars, 0, count))
    }
}

fn right(args: CallArgs<'_>) -> Option<Value> {
    let (chars, count) = (characters(&text(&args[0])), position_or_default(args, 1, 1));
    if count < 0 {
        None
    } else {
        text_value(slice_chars(
            &chars,
            (chars.len() as i64).saturating_sub(count),
            chars.len() as i64,
        ))
    }
}

fn mid(args: CallArgs<'_>) -> Option<Value> {
    let (chars, start, count) = (
        characters(&text(&args[0])),
        position_argument(args, 1),
        position_argument(args, 2),
    );
    if start < 1 || count < 0 {
        None
    } else {
        text_value(slice_chars(&chars, start - 1, (start - 1).saturating_add(count)))
    }
}

/// Removes leading, trailing and repeated spaces, but no other whitespace.
fn trim(args: CallArgs<'_>) -> Option<Value> {
    let source = text(&args[0]);
    let words: Vec<&str> = source.split(' ').filter(|word| !word.is_empty()).collect();
    text_value(words.join(" "))
}

fn exact(args: CallArgs<'_>) -> Option<Value> {
    Some(Value::Bool(text(&args[0]) == text(&args[1])))
}

fn find(args: CallArgs<'_>) -> Option<Value> {
    let (needle, haystack) = (characters(&text(&args[0])), characters(&text(&args[1])));
    first_matching_position(&haystack, position_or_default(args, 2, 1), |rest| {
        rest.starts_with(&needle)
    })
}

/// Returns the first position, counted from 1, that is not before the start and at which the rest of the text satisfies
/// `is_match`. An empty pattern matches at the start position, even if this position is after the end of the text.
pub fn first_matching_position(chars: &[char], start: i64, is_match: impl Fn(&[char]) -> bool) -> Option<Value> {
    let start = usize::try_from(start).ok().filter(|start| *start >= 1)?;
    let match_position = (start - 1..=chars.len()).find(|index| chars.get(*index..).is_some_and(&is_match));
    let match_index = match_position.or(is_match(&[]).then_some(start - 1))?;
    Some(Value::Int(match_index as i64 + 1))
}

fn contains(args: CallArgs<'_>) -> Option<Value> {
    Some(Value::Bool(text(&args[0]).contains(&*text(&args[1]))))
}

fn part(args: CallArgs<'_>) -> Option<Value> {
    let (text, delimiter, index) = (text(&args[0]), text(&args[1]), to_number(&args[2]).trunc());
    if delimiter.is_empty() {
        return None;
    }
    let parts: Vec<&str> = text.split(&*delimiter).collect();
    let position = if index < 0.0 {
        index + parts.len() as f64
    } else {
        index - 1.0
    };
    if position < 0.0 {
        return None;
    }
    Some(Value::Text((*parts.get(position as usize)?).to_owned()))
}

fn replace(args: CallArgs<'_>) -> Option<Value> {
    // Strings in a warehouse are never longer than this limit.
    const MAX_LENGTH: i64 = 1_073_741_823;
    let (chars, start, count) = (
        characters(&text(&args[0])),
        position_argument(args, 1),
        position_argument(args, 2),
    );
    if !(1..=MAX_LENGTH).contains(&start) || !(0..=MAX_LENGTH).contains(&count) {
        return None;
    }
    let behind = (start - 1).saturating_add(count);
    text_value(slice_chars(&chars, 0, start - 1) + &text(&args[3]) + &slice_chars(&chars, behind, chars.len() as i64))
}

/// Replaces all occurrences, or only the occurrence that the fourth argument specifies.
fn substitute(args: CallArgs<'_>) -> Option<Value> {
    let (source, old, new) = (text(&args[0]), text(&args[1]), text(&args[2]));
    let (old, new): (&str, &str) = (&old, &new);
    let which = args.values().get(3).map(|_| position_argument(args, 3));
    match which {
        Some(which) if which < 1 => None,
        _ if old.is_empty() => text_value(source),
        None => text_value(source.replace(old, new)),
        Some(which) => match source.match_indices(old).nth(which as usize - 1) {
            Some((offset, _)) => {
                let (before, behind) = source.split_at_checked(offset).unwrap_or((&source, ""));
                text_value([before, new, behind.strip_prefix(old).unwrap_or_default()].concat())
            }
            None => text_value(source),
        },
    }
}

fn rept(args: CallArgs<'_>) -> Option<Value> {
    let (text, times) = (&text(&args[0]), usize::try_from(position_argument(args, 1)).ok()?);
    // Treat an empty string as one character, so that a count that is too large is always an error.
    let length = text.chars().count().max(1).checked_mul(times)?;
    if length > MAX_REPEATED_LENGTH {
        None
    } else {
        text_value(text.repeat(times))
    }
}

/// Capitalizes words. Every character that is not a letter ends a word.
fn proper(args: CallArgs<'_>) -> Option<Value> {
    let mut in_word = false;
    let mut cased = String::new();
    for c in text(&args[0]).chars() {
        if in_word {
            cased.extend(c.to_lowercase());
        } else {
            cased.extend(c.to_uppercase());
        }
        in_word = c.is_alphabetic();
    }
    text_value(cased)
}

fn clean(args: CallArgs<'_>) -> Option<Value> {
    text_value(
        text(&args[0])
            .chars()
            .filter(|c| !matches!(c, '\0'..='\x1f' | '\x7f'))
            .collect::<String>(),
    )
}

fn char(args: CallArgs<'_>) -> Option<Value> {
    let code = u8::try_from(position_argument(args, 0)).ok().filter(|code| *code > 0)?;
    text_value(std::primitive::char::from(code))
}

fn unichar(args: CallArgs<'_>) -> Option<Value> {
    let code = u32::try_from(position_argument(args, 0))
        .ok()
        .filter(|code| *code > 0)?;
    text_value(std::primitive::char::from_u32(code)?)
}

fn code(args: CallArgs<'_>) -> Option<Value> {
    text(&args[0])
        .chars()
        .next()
        .map(|c| Value::Int(i64::from(u32::from(c))))
}

/// Joins several values of a row. If TEXTJOIN has only one value, it is an aggregate instead.
fn join_row(args: CallArgs<'_>) -> Option<Value> {
    let [delimiter, ignore_empty, values @ ..] = args.values() else {
        return None;
    };
    (values.len() > 1).then(|| join(delimiter, ignore_empty, values))
}

/// Joins strings. NULL is treated as an empty string, even as the delimiter.
fn join(delimiter: &Value, ignore_empty: &Value, values: &[Value]) -> Value {
    let texts = values.iter().map(Value::text);
    let parts: Vec<String> = texts
        .filter(|t| *ignore_empty == Value::Bool(false) || !t.is_empty())
        .collect();
    Value::Text(parts.join(&delimiter.text()))
}
