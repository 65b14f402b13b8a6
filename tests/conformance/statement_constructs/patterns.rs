//! Patterns from the entries of `dialects/facts`. A pattern consists of the words of a construct, and a class name in a
//! pattern also matches narrower classes.

use std::collections::BTreeMap;
use std::path::Path;

use formulac::Dialect;

use crate::files;

/// Classes whose values are numbers.
const NUMBERS: [&str; 3] = ["integer", "decimal", "float"];

/// Classes, each with the narrower classes that warehouses widen to it automatically. A construct that accepts the
/// class also accepts the narrower classes.
const WIDENED: [(&str, &[&str]); 3] = [
    ("decimal", &["integer"]),
    ("float", &["integer", "decimal"]),
    ("timestamp", &["date"]),
];

/// Constructs of a dialect, by section.
pub struct Patterns {
    by_section: BTreeMap<&'static str, Vec<Vec<String>>>,
    /// Whether a construct has an entry, by section and text.
    known: std::cell::RefCell<BTreeMap<(String, String), bool>>,
}

impl Patterns {
    pub fn for_dialect(dialect: Dialect) -> Self {
        let mut by_section: BTreeMap<&'static str, Vec<Vec<String>>> = BTreeMap::new();
        for fact in dialect.support_of_constructs() {
            by_section.entry(fact.section).or_default().push(words(fact.text));
        }
        Self {
            by_section,
            known: std::cell::RefCell::default(),
        }
    }

    pub fn has_fact(&self, section: &str, text: &str) -> bool {
        let key = (section.to_owned(), text.to_owned());
        if let Some(has) = self.known.borrow().get(&key) {
            return *has;
        }
        let found = words(text);
        let all = self.by_section.get(section).map(Vec::as_slice).unwrap_or_default();
        let has = all.iter().any(|fact| matches_fact(fact, &found));
        self.known.borrow_mut().insert(key, has);
        has
    }
}

/// Returns the words and punctuation of a construct. The values of literals are omitted.
fn words(text: &str) -> Vec<String> {
    let text = text.replace("'{iso}'", "'…'").replace("'{n}'", "'…'");
    let mut words = vec![String::new()];
    for c in text.chars() {
        let is_sign = matches!(c, '(' | ')' | ',' | '[' | ']');
        if is_sign || c == ' ' {
            words.push(String::new());
        }
        if is_sign {
            words.push(c.to_string());
            words.push(String::new());
        } else if c != ' ' {
            words.last_mut().expect("there is a word").push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Returns whether a construct matches an entry of `dialects/facts`.
fn matches_fact(fact: &[String], found: &[String]) -> bool {
    let (mut fact, mut found) = (fact.iter().peekable(), found.iter().peekable());
    while let Some(word) = fact.next() {
        if let Some(class) = word.strip_suffix("...") {
            // A repeated argument: one or more.
            loop {
                if !found.next().is_some_and(|own| class_fits(class, own)) {
                    return false;
                }
                let mut rest = found.clone();
                let continues = rest.next().is_some_and(|sign| sign == ",")
                    && rest.peek().is_some_and(|own| class_fits(class, own))
                    && fact.peek().is_none_or(|next| *next != ",");
                if !continues {
                    break;
                }
                found = rest;
            }
        } else if !found.next().is_some_and(|own| class_fits(word, own)) {
            return false;
        }
    }
    found.next().is_none()
}

/// Returns whether a word of a construct matches the word of an entry. A value without a type matches every class.
fn class_fits(fact: &str, own: &str) -> bool {
    let is_class = |word: &str| CLASSES.contains(&word);
    if fact == own || (is_class(fact) && matches!(own, "any" | "null")) {
        return true;
    }
    match fact {
        "any" => is_class(own),
        "number" => NUMBERS.contains(&own),
        "temporal" => matches!(own, "date" | "timestamp" | "timestamptz"),
        "unit" => UNITS.contains(&own),
        _ if own == "number" => NUMBERS.contains(&fact),
        _ if own == "temporal" => matches!(fact, "date" | "timestamp" | "timestamptz"),
        _ => WIDENED
            .iter()
            .any(|(wide, narrow)| *wide == fact && narrow.contains(&own)),
    }
}

/// Date units, and the days on which weeks begin.
pub const UNITS: [&str; 17] = [
    "year",
    "quarter",
    "month",
    "week",
    "isoweek",
    "day",
    "hour",
    "minute",
    "second",
    "microsecond",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

const CLASSES: [&str; 15] = [
    "integer",
    "decimal",
    "float",
    "number",
    "text",
    "boolean",
    "date",
    "timestamp",
    "timestamptz",
    "temporal",
    "array",
    "interval",
    "lambda",
    "null",
    "any",
];

/// Returns the class of each function's result, as listed in `[results]` in `dialects/facts/ansi.toml`.
pub fn results() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dialects/facts/ansi.toml");
    let text = files::read(&path);
    let section = text
        .split_once("[results]")
        .and_then(|(_, rest)| rest.split_once("[sources]"));
    let mut results = BTreeMap::new();
    let mut class = "";
    for line in section.map_or("", |(section, _)| section).lines() {
        let (key, names) = line.split_once(" = [").unwrap_or(("", line));
        class = if key.is_empty() { class } else { key };
        let names = names.split('"').skip(1).step_by(2);
        results.extend(names.map(|name| (name.to_owned(), class.to_owned())));
    }
    assert!(
        !results.is_empty(),
        "{} has no [results] before [sources]",
        path.display()
    );
    results
}
