//! Reads `facts/<dialect>.toml`: for each construct of a dialect, whether the warehouse supports it, and the source of
//! this information.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use toml::de::DeTable;

use crate::constructs::{Construct, ResultClasses, Section};
use crate::toml_file::{self, TomlFile};

/// Verdicts, strongest first. The names match the variants of `tables::FactVerdict`.
pub const VERDICTS: [(&str, &str); 4] = [
    ("run", "Run"),
    ("cited", "Cited"),
    ("emulated", "Emulated"),
    ("unsure", "Unsure"),
];

/// Verdict about one construct, with its source.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// Index in [`VERDICTS`].
    pub verdict: usize,
    /// Engine with its version, or the address of a page with the date of its copy. Empty if nothing is known.
    pub source: String,
    /// Session parameters that change the result of the construct.
    pub parameters: Vec<String>,
    /// `true` if the entry belongs to the dialect that this dialect extends.
    pub inherited: bool,
}

impl Fact {
    fn unsure() -> Self {
        Self {
            verdict: VERDICTS.len() - 1,
            source: String::new(),
            parameters: Vec::new(),
            inherited: false,
        }
    }
}

pub type Facts = BTreeMap<Construct, Fact>;

/// Constructs of a dialect, each with the position of its first use.
pub type UsedConstructs = BTreeMap<Construct, String>;

/// Reads `[results]` of the base: the type class of a call's result, for nested calls.
pub fn read_results(file: &TomlFile, faults: &mut Vec<String>) -> Result<ResultClasses, Vec<String>> {
    let table = file.table()?;
    let mut results = ResultClasses::new();
    let section = toml_file::get(&table, "results").and_then(|value| value.get_ref().as_table());
    for (class, value) in section.into_iter().flatten() {
        for name in value.get_ref().as_array().into_iter().flatten() {
            let name = name.get_ref().as_str().unwrap_or_default();
            if results.iter().any(|(existing_name, _)| existing_name == name) {
                faults.push(file.format_error_at(class.span().start, format!("[results] lists `{name}` twice")));
            }
            results.push((name.to_owned(), class.get_ref().to_string()));
        }
    }
    Ok(results)
}

/// Reports called functions that `[results]` does not list, and listed functions that no dialect calls.
pub fn check_results(
    file: &TomlFile,
    results: &ResultClasses,
    called_names: &BTreeSet<String>,
    faults: &mut Vec<String>,
) {
    let path = file.path.display();
    for name in called_names
        .iter()
        .filter(|name| !results.iter().any(|(listed_name, _)| listed_name == *name))
    {
        faults.push(format!(
            "{path}: [results] does not list `{name}`; add it to the list of its type"
        ));
    }
    for (name, _) in results.iter().filter(|(name, _)| !called_names.contains(name)) {
        faults.push(format!(
            "{path}: [results] lists `{name}`, which no dialect calls; remove it"
        ));
    }
}

/// The base's sources, which all dialects' files can cite, and the keys of the sources that are cited.
#[derive(Default)]
pub struct SharedSources {
    path: PathBuf,
    texts: Vec<CitedSource>,
    cited: BTreeSet<String>,
}

impl SharedSources {
    pub fn read(base: &TomlFile, faults: &mut Vec<String>) -> Result<Self, Vec<String>> {
        Ok(Self {
            path: base.path.clone(),
            texts: read_sources(base, &base.table()?, faults),
            cited: BTreeSet::new(),
        })
    }

    /// Reports sources that no entry of any dialect cites.
    pub fn report_unused(&self, base: &TomlFile, faults: &mut Vec<String>) {
        report_unused(base, &self.texts, &self.cited, faults);
    }
}

/// Reads the facts of a dialect and reports constructs without an entry, and entries without a construct. In an
/// unverified dialect, a construct without an entry is not an error and gets the verdict `unsure`.
pub fn read(
    file: &TomlFile,
    dialect_uses: &UsedConstructs,
    parent: &Facts,
    is_unverified: bool,
    shared: &mut SharedSources,
    faults: &mut Vec<String>,
) -> Result<Facts, Vec<String>> {
    let table = file.table()?;
    let sections: Vec<&str> = Section::ALL.iter().map(|(name, _)| *name).collect();
    toml_file::report_unknown_keys(
        file,
        &table,
        &[&["sources", "results"], sections.as_slice()].concat(),
        faults,
    );
    // The sources of the base have already been read.
    let own_sources = if file.path == shared.path {
        Vec::new()
    } else {
        read_sources(file, &table, faults)
    };
    let mut cited = BTreeSet::new();
    let mut used_constructs = dialect_uses.clone();
    let mut own_facts = Facts::new();
    let mut places = BTreeMap::new();
    for (name, section) in Section::ALL {
        let entries = toml_file::get(&table, name).and_then(|value| value.get_ref().as_table());
        for (key, value) in entries.into_iter().flatten() {
            let offset = key.span().start;
            let text = value.get_ref().as_str().unwrap_or_default();
            match parse_fact(text, &[&own_sources, &shared.texts], &mut cited) {
                Ok(fact) => {
                    for parameter in &fact.parameters {
                        let user = format!("`{}`", key.get_ref());
                        used_constructs
                            .entry((Section::Parameters, parameter.clone()))
                            .or_insert(user);
                    }
                    let construct = (section, key.get_ref().to_string());
                    places.insert(construct.clone(), offset);
                    own_facts.insert(construct, fact);
                }
                Err(fault) => faults.push(file.format_error_at(offset, format!("`{}`: {fault}", key.get_ref()))),
            }
        }
    }
    for ((section, text), offset) in &places {
        if !used_constructs.contains_key(&(*section, text.clone())) {
            let message = format!("no template, literal, cast or fact of the dialect uses `{text}`; remove the entry");
            faults.push(file.format_error_at(*offset, message));
        }
    }
    let mut facts = Facts::new();
    for (construct, user) in used_constructs {
        let inherited = parent.get(&construct).map(|fact| Fact {
            inherited: true,
            ..fact.clone()
        });
        let unsure = is_unverified.then(Fact::unsure);
        match own_facts.remove(&construct).or(inherited).or(unsure) {
            Some(fact) => {
                facts.insert(construct, fact);
            }
            None => faults.push(format!(
                "{}: [{}] has no entry for `{text}`, which {user} uses; add `{text:?} = \"unsure\"`, or a source if there is one",
                file.path.display(),
                construct.0.name(),
                text = construct.1,
            )),
        }
    }
    report_unused(file, &own_sources, &cited, faults);
    // If a dialect's own source has the same name as a shared source, the key cites the dialect's source.
    cited.retain(|key| own_sources.iter().all(|(own_key, ..)| own_key != key));
    shared.cited.append(&mut cited);
    Ok(facts)
}

/// Key, text and position of an entry in `[sources]`. `{page}` in an address is replaced by the text after the key, as
/// in `cited functions:abs`.
type CitedSource = (String, String, usize);

fn read_sources(file: &TomlFile, table: &DeTable<'_>, faults: &mut Vec<String>) -> Vec<CitedSource> {
    let section = toml_file::get(table, "sources").and_then(|value| value.get_ref().as_table());
    let mut sources = Vec::new();
    for (key, value) in section.into_iter().flatten() {
        let text = value.get_ref().as_str().unwrap_or_default().to_owned();
        if text.is_empty() {
            let message = "a source must be an address with a date, or an engine with its version";
            faults.push(file.format_error_at(key.span().start, message));
        }
        sources.push((key.get_ref().to_string(), text, key.span().start));
    }
    sources
}

fn report_unused(file: &TomlFile, sources: &[CitedSource], cited: &BTreeSet<String>, faults: &mut Vec<String>) {
    for (key, _, offset) in sources.iter().filter(|(key, ..)| !cited.contains(key)) {
        faults.push(file.format_error_at(*offset, format!("no entry cites the source `{key}`; remove it")));
    }
}

/// Parses an entry such as `cited functions:current_date; depends on TIMEZONE`. Adds the key of the source to `cited`.
fn parse_fact(text: &str, sources: &[&[CitedSource]], cited: &mut BTreeSet<String>) -> Result<Fact, String> {
    const EXPECTED_FORM: &str = "an entry has the form \"run SOURCE\", \"cited SOURCE:PAGE\", \"emulated SOURCE\" or \"unsure\", and \
                        optionally \"; depends on PARAMETER, PARAMETER\"";
    let (evidence_text, parameters) = match text.split_once("; depends on ") {
        Some((evidence, list)) => (evidence, list.split(", ").map(str::to_owned).collect()),
        None => (text, Vec::new()),
    };
    let (verdict, citation) = evidence_text.split_once(' ').unwrap_or((evidence_text, ""));
    let verdict = VERDICTS
        .iter()
        .position(|(name, _)| *name == verdict)
        .ok_or(EXPECTED_FORM)?;
    if (VERDICTS[verdict].0 == "unsure") != citation.is_empty() {
        return Err(EXPECTED_FORM.to_owned());
    }
    let mut source = String::new();
    if !citation.is_empty() {
        let (key, page) = citation
            .split_once(':')
            .map_or((citation, None), |(key, page)| (key, Some(page)));
        let mut all_sources = sources.iter().copied().flatten();
        let (_, text, _) = all_sources
            .find(|(name, ..)| name == key)
            .ok_or_else(|| format!("[sources] has no `{key}`"))?;
        cited.insert(key.to_owned());
        source = match (page, text.contains("{page}")) {
            (Some(page), true) => text.replace("{page}", page),
            (None, false) => text.clone(),
            (None, true) => {
                return Err(format!(
                    "the source `{key}` needs the name of a page, as in `{key}:abs`"
                ));
            }
            (Some(_), false) => return Err(format!("the source `{key}` has no `{{page}}`")),
        };
    }
    Ok(Fact {
        verdict,
        source,
        parameters,
        inherited: false,
    })
}
