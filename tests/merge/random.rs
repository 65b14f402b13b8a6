//! Merges random trees, edited in random styles, with newly generated random trees.

use std::collections::BTreeMap;

use formulac::yaml_edit::{Edit, MergedText, Path, Rules, YamlValue, apply_edits, merge};
use proptest::prelude::*;
use saphyr::{LoadableYamlNode, Yaml};

use super::cases::rules;

/// Random choices, taken from a list of numbers. After the end of the list, all choices are 0.
struct Dice {
    numbers: Vec<u8>,
    position: usize,
}

impl Dice {
    fn new(numbers: Vec<u8>) -> Self {
        Self { numbers, position: 0 }
    }

    fn random_below(&mut self, n: usize) -> usize {
        let number = self.numbers.get(self.position).copied().unwrap_or_default();
        self.position += 1;
        usize::from(number) % n
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.random_below(n) == n - 1
    }
}

const TEXTS: [&str; 12] = [
    "words",
    "two words",
    "yes",
    "it's",
    "a: b",
    "# no",
    "é 😀",
    "one\ntwo",
    "one\n\n  two",
    "[x",
    "{{ x }}",
    "12",
];

fn scalar(dice: &mut Dice) -> YamlValue {
    match dice.random_below(TEXTS.len() + 3) {
        0 => YamlValue::Bare("1.50".into()),
        1 => YamlValue::Bare("true".into()),
        n => YamlValue::text(TEXTS[(n - 2) % TEXTS.len()]),
    }
}

fn tags(dice: &mut Dice) -> YamlValue {
    let chosen = (0..5).filter(|_| dice.random_below(2) == 1);
    YamlValue::list(
        chosen
            .map(|n| YamlValue::text(["a", "b", "c d", "e: f", "on"][n]))
            .collect(),
    )
}

fn fields(dice: &mut Dice, depth: usize) -> Vec<(String, YamlValue)> {
    let mut pairs = Vec::new();
    for key in ["label", "sql", "tags", "format", "inner"] {
        match (key, dice.random_below(3)) {
            (_, 0) => {}
            ("tags", _) => pairs.push((key.to_owned(), tags(dice))),
            ("inner", _) if depth > 0 => pairs.push((key.to_owned(), YamlValue::map(fields(dice, depth - 1)))),
            _ => pairs.push((key.to_owned(), scalar(dice))),
        }
    }
    pairs
}

fn items(dice: &mut Dice, depth: usize) -> YamlValue {
    let mut items = Vec::new();
    for name in ["p", "q", "r"] {
        if dice.random_below(3) > 0 {
            let mut pairs = vec![("name".to_owned(), YamlValue::text(name))];
            pairs.extend(fields(dice, 1));
            if depth > 0 && dice.one_in(2) {
                pairs.push(("columns".to_owned(), self::items(dice, depth - 1)));
            }
            items.push(YamlValue::map(pairs));
        }
    }
    YamlValue::list(items)
}

fn tree(dice: &mut Dice) -> YamlValue {
    let mut pairs = fields(dice, 2);
    pairs.push(("models".to_owned(), items(dice, 1)));
    pairs.push(("other".to_owned(), YamlValue::map(fields(dice, 1))));
    YamlValue::map(pairs)
}

/// Changes, removes and adds some values. If `own` is set, the changes simulate a user's edits, which may also reorder
/// the values.
fn change_values(value: &YamlValue, dice: &mut Dice, own: bool) -> YamlValue {
    match value {
        YamlValue::Map(pairs, _) => {
            let mut out = Vec::new();
            for (key, value) in pairs {
                let is_name = key == "name";
                match dice.random_below(12) {
                    10 if !is_name => {}
                    11 if !is_name => out.push((key.clone(), scalar(dice))),
                    _ => out.push((
                        key.clone(),
                        if is_name {
                            value.clone()
                        } else {
                            change_values(value, dice, own)
                        },
                    )),
                }
            }
            if dice.one_in(4) {
                let key = if own {
                    ["mine", "added"][dice.random_below(2)]
                } else {
                    ["theirs", "added"][dice.random_below(2)]
                };
                let at = if own {
                    dice.random_below(out.len() + 1)
                } else {
                    out.len()
                };
                out.insert(at, (key.to_owned(), scalar(dice)));
            }
            if own && dice.one_in(4) && out.len() > 1 {
                let last = out.len() - 1;
                out.swap(0, last);
            }
            YamlValue::map(out)
        }
        YamlValue::List(items, _) => {
            let is_scalars = items.iter().all(|item| item.as_text().is_some());
            let mut out = Vec::new();
            for item in items {
                if dice.random_below(6) < 5 {
                    out.push(change_values(item, dice, own && !is_scalars));
                }
            }
            if dice.one_in(4) && is_scalars && !items.is_empty() {
                let text = if own { "mine" } else { "theirs" };
                let at = dice.random_below(out.len() + 1);
                out.insert(at, YamlValue::text(text));
            } else if dice.one_in(4) && !is_scalars {
                let name = if own { "m" } else { "t" };
                out.push(YamlValue::map([("name", YamlValue::text(name)), ("sql", scalar(dice))]));
            }
            YamlValue::list(out)
        }
        YamlValue::Text(_) | YamlValue::Bare(_) if dice.one_in(6) && !own => scalar(dice),
        value => value.clone(),
    }
}

/// Style in which a user writes YAML.
struct Hand<'d> {
    dice: &'d mut Dice,
    text: String,
    step: usize,
    dash: usize,
    comments: usize,
}

impl Hand<'_> {
    fn comment(&mut self) -> String {
        self.comments += 1;
        format!("# c{}", self.comments)
    }

    fn add_comment_above(&mut self, indent: usize) {
        match self.dice.random_below(8) {
            5 => self.text.push('\n'),
            6 => {
                let comment = self.comment();
                self.text.push_str(&format!("{}{comment}\n", " ".repeat(indent)));
            }
            7 => {
                let comment = self.comment();
                self.text.push_str(&format!("\n{}{comment}\n", " ".repeat(indent)));
            }
            _ => {}
        }
    }

    fn end_line(&mut self) {
        if self.dice.one_in(6) {
            let comment = self.comment();
            self.text.push_str(&format!("  {comment}"));
        }
        self.text.push('\n');
    }

    fn write_pairs(&mut self, pairs: &[(String, YamlValue)], indent: usize, mut is_inline: bool) {
        for (key, value) in pairs {
            if !std::mem::take(&mut is_inline) {
                self.add_comment_above(indent);
                self.text.push_str(&" ".repeat(indent));
            }
            self.text.push_str(&format!("{key}:"));
            self.value(value, indent, false);
        }
    }

    fn value(&mut self, value: &YamlValue, indent: usize, is_item: bool) {
        match value {
            YamlValue::Map(pairs, _) if !pairs.is_empty() && !self.is_short(pairs) => {
                if is_item {
                    self.text.push(' ');
                    self.write_pairs(pairs, indent + 2, true);
                } else {
                    self.end_line();
                    self.write_pairs(pairs, indent + self.step, false);
                }
            }
            YamlValue::List(items, _) if !items.is_empty() && !self.is_flow(items) => {
                self.end_line();
                let indent = indent + self.dash;
                for item in items {
                    self.add_comment_above(indent);
                    self.text.push_str(&format!("{}-", " ".repeat(indent)));
                    self.value(item, indent, true);
                }
            }
            YamlValue::List(items, _) if !items.is_empty() && self.dice.one_in(3) => {
                let pad = " ".repeat(indent + 2);
                self.text.push_str(" [\n");
                for (number, item) in items.iter().enumerate() {
                    let comma = if number + 1 < items.len() || self.dice.one_in(2) {
                        ","
                    } else {
                        ""
                    };
                    self.text.push_str(&format!("{pad}{item}{comma}"));
                    self.end_line();
                }
                self.text.push_str(&format!("{}]", " ".repeat(indent + 1)));
                self.end_line();
            }
            YamlValue::Text(text) if text.contains('\n') && self.dice.one_in(2) => {
                let pad = " ".repeat(indent + 2 + self.dice.random_below(3));
                self.text
                    .push_str([" |\n", " |-\n", " |  # text\n"][self.dice.random_below(3)]);
                for line in text.lines() {
                    self.text.push_str(&if line.is_empty() {
                        "\n".to_owned()
                    } else {
                        format!("{pad}{line}\n")
                    });
                }
            }
            YamlValue::Text(text)
                if text.contains(' ') && !text.contains(['\n', ':', '#', '{']) && self.dice.one_in(3) =>
            {
                let pad = " ".repeat(indent + 2);
                self.text.push_str([" >\n", " >-\n", "\n"][self.dice.random_below(3)]);
                self.text
                    .push_str(&format!("{pad}{}\n", text.replace(' ', &format!("\n{pad}"))));
            }
            YamlValue::Text(text) if !text.contains('\n') && self.dice.one_in(3) => {
                self.text.push_str(&format!(" '{}'", text.replace('\'', "''")));
                self.end_line();
            }
            value => {
                self.text.push_str(&format!(" {value}"));
                self.end_line();
            }
        }
    }

    fn is_short(&mut self, pairs: &[(String, YamlValue)]) -> bool {
        pairs.iter().all(|(_, value)| value.as_text().is_some()) && self.dice.one_in(4)
    }

    fn is_flow(&mut self, items: &[YamlValue]) -> bool {
        items.iter().all(|item| item.as_text().is_some()) && self.dice.one_in(2)
    }
}

fn write_by_hand(value: &YamlValue, dice: &mut Dice) -> String {
    let (step, dash) = ([2, 4][dice.random_below(2)], [2, 0][dice.random_below(2)]);
    let mut hand = Hand {
        dice,
        text: String::new(),
        step,
        dash,
        comments: 0,
    };
    if let YamlValue::Map(pairs, _) = value {
        hand.write_pairs(pairs, 0, false);
    }
    hand.add_comment_above(0);
    let mut text = hand.text;
    if text.is_empty() {
        text.push_str("{}\n");
    }
    if dice.one_in(5) {
        text.pop();
    }
    text
}

fn write_generated(value: &YamlValue) -> String {
    if matches!(value, YamlValue::Map(pairs, _) if pairs.is_empty()) {
        return "{}\n".to_owned();
    }
    apply_edits(
        "",
        &[Edit::Set {
            at: Path::root(),
            value: value.clone(),
            after: Vec::new(),
        }],
    )
    .unwrap()
}

/// Returns each scalar, keyed by its path, as read by an independent YAML parser. Each item of a list of scalars has
/// its own entry.
fn scalars_by_path(text: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let documents = Yaml::load_from_str(text).unwrap_or_else(|fault| panic!("{fault}\n{text}"));
    let mut left: Vec<(String, &Yaml<'_>)> = documents.iter().map(|root| (String::new(), root)).collect();
    while let Some((path, node)) = left.pop() {
        match node {
            Yaml::Mapping(pairs) => {
                left.extend(
                    pairs
                        .iter()
                        .map(|(key, value)| (format!("{path}.{}", key.as_str().unwrap_or("?")), value)),
                );
            }
            Yaml::Sequence(items) => {
                for item in items {
                    let name = item.as_mapping().and_then(|_| item.as_mapping_get("name"));
                    match name {
                        Some(name) => left.push((format!("{path}[{}]", name.as_str().unwrap_or("?")), item)),
                        None => {
                            drop(out.insert(
                                format!("{path}[{}]", scalar_text(item).trim_start_matches("text ")),
                                "item".to_owned(),
                            ));
                        }
                    }
                }
            }
            scalar => drop(out.insert(path, scalar_text(scalar))),
        }
    }
    out
}

fn scalar_text(scalar: &Yaml<'_>) -> String {
    match scalar.as_str() {
        Some(text) => format!("text {}", text.trim_end_matches('\n')),
        None => format!("{scalar:?}"),
    }
}

fn comments(text: &str) -> Vec<String> {
    let is_ours = |part: &&str| part.starts_with('c') && part[1..].starts_with(|c: char| c.is_ascii_digit());
    let mut found: Vec<String> = text
        .lines()
        .filter_map(|line| line.rsplit_once("# ").map(|(_, comment)| comment).filter(is_ours))
        .map(str::to_owned)
        .collect();
    found.sort();
    found
}

fn format_result(merged: &MergedText) -> String {
    format!(
        "{:?}\n{:?}\n{:?}\n{:?}",
        merged.kept, merged.added, merged.updated, merged.removed
    )
}

/// Rules that identify the items of lists by name, without any `RemovalMark`.
fn plain_rules() -> Rules {
    Rules::new()
        .list("models", &["name"])
        .list("models.*.columns", &["name"])
}

fn check(numbers: [Vec<u8>; 4]) -> Result<(), TestCaseError> {
    let [first, person, hand, later] = numbers;
    let old = tree(&mut Dice::new(first));
    let base = write_generated(&old);
    let file = write_by_hand(
        &change_values(&old, &mut Dice::new(person), true),
        &mut Dice::new(hand.clone()),
    );
    let fresh = change_values(&old, &mut Dice::new(later), false);
    let new = write_generated(&fresh);
    let merged = merge(Some(&base), &file, &new, &plain_rules());
    let merged = merged.unwrap_or_else(|refusal| panic!("{refusal}\n{base}----\n{file}----\n{new}"));
    let show = format!(
        "base\n{base}---- file\n{file}---- new\n{new}---- merged\n{}----\n{}",
        merged.text,
        format_result(&merged)
    );
    let [was, theirs, ours, now] = [&base, &file, &new, &merged.text].map(|text| scalars_by_path(text));

    for (path, value) in &theirs {
        if was.get(path) != Some(value) {
            prop_assert_eq!(now.get(path), Some(value), "an edit of {} is lost\n{}", path, show);
        }
    }
    for (path, _) in was.iter().filter(|(path, _)| !theirs.contains_key(*path)) {
        prop_assert!(!now.contains_key(path), "{} is back\n{}", path, show);
    }
    let is_kept = |path: &str| {
        let at = |kept: &str| path.starts_with(&format!(".{}", kept.replace("name=", "")));
        merged.kept.iter().any(|kept| at(&kept.path.to_string()))
    };
    for (path, value) in &was {
        if theirs.get(path) == Some(value) && ours.get(path) != Some(value) && !is_kept(path) {
            prop_assert_eq!(now.get(path), ours.get(path), "{} did not come\n{}", path, show);
        }
    }
    prop_assert_eq!(comments(&file), comments(&merged.text), "comments\n{}", show);
    if merged.updated.is_empty() && merged.removed.is_empty() {
        let mut rest = merged.text.lines();
        for line in file.lines().filter(|line| !line.contains(['[', ']', '{', ','])) {
            // The line of the last item of a list in brackets gets a comma if the merge adds an item after it.
            let is_there = rest.any(|other| other == line || other.replacen(',', "", 1) == line);
            prop_assert!(is_there, "the line {:?} is gone\n{}", line, show);
        }
    }

    let again = merge(Some(&new), &merged.text, &new, &plain_rules()).unwrap();
    prop_assert_eq!(&again.text, &merged.text, "a second merge changes\n{}", show);
    prop_assert!(again.kept.is_empty(), "{:?}\n{}", again.kept, show);

    let nothing = merge(Some(&base), &file, &base, &plain_rules()).unwrap();
    prop_assert_eq!(&nothing.text, &file);
    prop_assert!(nothing.kept.is_empty() && !nothing.changed);

    let equal = write_by_hand(&fresh, &mut Dice::new(hand));
    let agreed = merge(Some(&base), &equal, &new, &plain_rules()).unwrap();
    prop_assert!(agreed.kept.is_empty(), "{:?}\n{}", agreed.kept, show);
    prop_assert_eq!(&agreed.text, &equal, "both made the same\n{}", show);

    let windows = merge(Some(&base), &file.replace('\n', "\r\n"), &new, &plain_rules()).unwrap();
    // The kind of line break is unknown if a file has a single line without a line break.
    if file.contains('\n') {
        prop_assert_eq!(windows.text, merged.text.replace('\n', "\r\n"));
    }
    Ok(())
}

fn dice() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..160)
}

/// Generates strings that are nearly valid YAML.
fn yaml_fragments() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "a",
        "b: ",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        ": ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "# c",
        " #",
        "'",
        "\"",
        "|\n",
        ">-\n",
        "&x ",
        "*x",
        "!t ",
        "? ",
        "<<: *x",
        "---\n",
        "...\n",
        "\t",
        "\r\n",
        "é",
        "\u{feff}",
        "name: p",
        "# >>> formulac",
        "\\",
        "%Y",
        "- name: q\n",
    ]);
    proptest::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_edit_of_a_person_is_lost(first in dice(), person in dice(), hand in dice(), later in dice()) {
        check([first, person, hand, later])?;
    }

    #[test]
    fn nothing_panics(base in yaml_fragments(), file in yaml_fragments(), new in yaml_fragments()) {
        let first = merge(None, &file, &new, &rules());
        let _ = merge(Some(&base), &file, &new, &rules());
        if let Ok(merged) = first {
            let again = merge(Some(&new), &merged.text, &new, &rules());
            prop_assert_eq!(again.map(|again| again.text), Ok(merged.text));
        }
        let edits = [
            Edit::Set { at: Path::root().key("a"), value: YamlValue::text("x\ny"), after: vec!["b".into()] },
            Edit::Add { to: Path::root().key("b"), value: YamlValue::map([("name", YamlValue::text("n"))]) },
        ];
        for edit in &edits {
            let _ = formulac::yaml_edit::apply_edits(&file, std::slice::from_ref(edit));
        }
        let _ = formulac::yaml_edit::apply_edits(&file, &edits);
        let _ = formulac::yaml_edit::apply_edits(&file, &[Edit::Remove { at: Path::root().key("b") }]);
    }
}
