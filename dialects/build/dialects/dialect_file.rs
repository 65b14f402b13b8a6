//! Reads the file of one dialect. The dialect inherits everything that the file does not contain.

use std::collections::BTreeSet;

use toml::de::DeTable;

use super::write::name_characters;
use super::{BASE_DIALECT, Dialect, Fact, lacking, set_overload_implementations};
use crate::catalogue::Function;
use crate::facts::Facts;
use crate::toml_file::{self, TomlFile, Value};

/// Keys of a dialect's file.
const KEYS: [&str; 15] = [
    "extends",
    "position",
    "title",
    "unverified",
    "own_functions",
    "lacks",
    "identifiers",
    "strings",
    "types",
    "type_synonyms",
    "similar_types",
    "literals",
    "facts",
    "functions",
    "notes",
];

/// File of a dialect, and the errors in it.
struct DialectFileReader<'f> {
    file: &'f TomlFile,
    /// The base overrides nothing, so its values are never compared with inherited values.
    is_base: bool,
    faults: &'f mut Vec<String>,
}

pub fn read_dialect(
    file: &TomlFile,
    name: &str,
    parent: &Dialect,
    functions: &[Function],
    faults: &mut Vec<String>,
) -> Result<Dialect, Vec<String>> {
    let table = file.table()?;
    toml_file::report_unknown_keys(file, &table, &KEYS, faults);
    let section = |key: &str| toml_file::get(&table, key).and_then(|v| v.get_ref().as_table());
    let mut new = Dialect {
        name: name.into(),
        title: toml_file::text(file, &table, "title", faults)
            .unwrap_or_default()
            .into(),
        unverified: toml_file::text(file, &table, "unverified", faults)
            .unwrap_or_default()
            .into(),
        known: Facts::new(),
        constructs: Vec::new(),
        ..parent.clone()
    };
    let is_base = name == BASE_DIALECT;
    if !is_base && new.title.is_empty() {
        faults.push(file.format_error_at(0, "a dialect needs a `title`, its name in sentences"));
    }
    let mut reader = DialectFileReader { file, is_base, faults };
    if let Some(t) = section("identifiers") {
        reader.read_identifiers(t, &mut new);
    }
    if let Some(t) = section("strings") {
        toml_file::report_unknown_keys(file, t, &["quote", "backslash", "raw"], reader.faults);
        reader.replace_escape(t, "quote", &mut new.text_backslash);
        reader.replace(t, "backslash", &mut new.backslash, |v| v.get_ref().as_bool());
        reader.replace(t, "raw", &mut new.raw, |v| v.get_ref().as_str().map(str::to_owned));
    }
    for (key, entries) in [("types", &mut new.types), ("literals", &mut new.literals)] {
        reader.replace_entries(section(key), entries, |v| v.get_ref().as_str().map(str::to_owned));
    }
    for (key, entries) in [
        ("type_synonyms", &mut new.type_synonyms),
        ("similar_types", &mut new.similar_types),
    ] {
        reader.replace_entries(section(key), entries, texts);
        for (name, _) in entries
            .iter()
            .filter(|(name, _)| !crate::part::NEUTRAL_TYPES.contains(&name.as_str()))
        {
            reader
                .faults
                .push(file.format_error_at(0, format!("[{key}]: there is no type `{name}`")));
        }
    }
    reader.replace(&table, "own_functions", &mut new.own_functions, texts);
    if let Some(t) = section("facts") {
        reader.read_facts(t, &mut new);
    }
    let keys: Vec<String> = section("functions")
        .into_iter()
        .flatten()
        .map(|(k, _)| k.get_ref().to_string())
        .collect();
    for (key, value) in section("functions").into_iter().flatten() {
        set_overload_implementations(
            file,
            key.span().start,
            key.get_ref(),
            value,
            functions,
            &keys,
            &parent.cells,
            &mut new.cells,
            faults,
        );
    }
    let lacks = toml_file::read_texts(file, &table, "lacks", faults);
    let offset = toml_file::get(&table, "lacks").map_or(0, |value| value.span().start);
    for word in &lacks {
        if !lacking::remove_templates(&mut new, parent, word) {
            faults.push(file.format_error_at(
                offset,
                format!("no inherited template contains `{word}`; remove it from `lacks`"),
            ));
        }
    }
    if !lacks.is_empty() {
        lacking::remove_dependent_templates(&mut new, functions);
    }
    Ok(new)
}

impl DialectFileReader<'_> {
    /// Replaces an inherited value with the value of a key, if the table contains the key. Reports a value that is
    /// equal to the inherited value.
    fn replace<T: PartialEq>(
        &mut self,
        table: &DeTable<'_>,
        key: &str,
        inherited: &mut T,
        parse: impl FnOnce(&Value<'_>) -> Option<T>,
    ) {
        let Some(value) = toml_file::get(table, key) else {
            return;
        };
        let offset = value.span().start;
        match parse(value) {
            None => self.faults.push(
                self.file
                    .format_error_at(offset, format!("`{key}` has an invalid value")),
            ),
            Some(new) if new == *inherited && !self.is_base => self.report_redundant_override(offset, key),
            Some(new) => *inherited = new,
        }
    }

    fn report_redundant_override(&mut self, offset: usize, description: &str) {
        let fault = format!("`{description}` repeats the inherited value; remove it");
        self.faults.push(self.file.format_error_at(offset, fault));
    }

    /// Replaces each inherited entry that the section contains.
    fn replace_entries<T: Default + PartialEq>(
        &mut self,
        section: Option<&DeTable<'_>>,
        inherited: &mut Vec<(String, T)>,
        parse: impl Fn(&Value<'_>) -> Option<T>,
    ) {
        let Some(section) = section else { return };
        for (key, _) in section {
            let name = key.get_ref();
            let existing_index = inherited.iter().position(|(entry_name, _)| entry_name == name);
            let mut entry =
                existing_index.map_or_else(|| (name.to_string(), T::default()), |index| inherited.remove(index));
            self.replace(section, name, &mut entry.1, &parse);
            inherited.push(entry);
        }
    }

    /// Replaces the setting that specifies how quoted text escapes a quote: with a backslash, or by doubling the quote.
    fn replace_escape(&mut self, table: &DeTable<'_>, key: &str, inherited: &mut bool) {
        self.replace(table, key, inherited, |value| match value.get_ref().as_str()? {
            "backslash" => Some(true),
            "doubled" => Some(false),
            _ => None,
        });
    }

    /// Reads the section `[identifiers]`.
    fn read_identifiers(&mut self, t: &DeTable<'_>, new: &mut Dialect) {
        toml_file::report_unknown_keys(
            self.file,
            t,
            &["quote", "escape", "fold", "max_bytes", "reserved"],
            self.faults,
        );
        self.replace(t, "quote", &mut new.quote, |v| v.get_ref().as_str().map(str::to_owned));
        self.replace_escape(t, "escape", &mut new.quote_backslash);
        let is_fold = |text: &&str| ["lower", "upper", "keep"].contains(text);
        self.replace(t, "fold", &mut new.fold, |v| {
            v.get_ref().as_str().filter(is_fold).map(str::to_owned)
        });
        self.replace(t, "max_bytes", &mut new.max_bytes, |v| {
            v.get_ref().as_integer().and_then(|n| n.as_str().parse().ok())
        });
        let words = toml_file::read_texts(self.file, t, "reserved", self.faults);
        let inherited: BTreeSet<String> = new.reserved.iter().cloned().collect();
        let offset = toml_file::get(t, "reserved").map_or(0, |value| value.span().start);
        for word in words.iter().filter(|word| inherited.contains(*word)) {
            self.report_redundant_override(offset, word);
        }
        new.reserved = inherited
            .into_iter()
            .chain(words)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
    }

    /// Reads the section `[facts]`. The base declares all facts.
    fn read_facts(&mut self, t: &DeTable<'_>, new: &mut Dialect) {
        for (key, value) in t {
            let (name, offset) = (key.get_ref(), key.span().start);
            let fact_index = new.facts.iter().position(|(fact_name, _)| fact_name == name);
            let fact = match (value.get_ref().as_bool(), value.get_ref().as_str()) {
                (Some(flag), _) => Fact::Flag(flag),
                (_, Some(word)) => Fact::Word(word.to_owned()),
                _ => {
                    self.faults.push(
                        self.file
                            .format_error_at(offset, "a fact must be true, false or a word"),
                    );
                    continue;
                }
            };
            if let (Fact::Word(list), "allowed_in_names") = (&fact, &**name)
                && let Err(error) = name_characters(list)
            {
                self.faults.push(self.file.format_error_at(offset, error));
            }
            match fact_index {
                None if self.is_base => new.facts.push((name.to_string(), fact)),
                None => self.faults.push(
                    self.file
                        .format_error_at(offset, format!("fact `{name}` is not in ansi.toml")),
                ),
                Some(index) if new.facts[index].1 == fact => self.report_redundant_override(offset, name),
                Some(index) => new.facts[index].1 = fact,
            }
        }
        new.facts.sort_by(|a, b| a.0.cmp(&b.0));
    }
}

fn texts(value: &Value<'_>) -> Option<Vec<String>> {
    let list = value.get_ref().as_array()?;
    list.iter().map(|v| v.get_ref().as_str().map(str::to_owned)).collect()
}
