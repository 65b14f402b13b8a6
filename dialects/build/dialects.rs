//! Reads the dialects in `dialects/*.toml`, checks them against the functions and writes them as Rust.

use std::collections::BTreeSet;
use std::path::Path;

use crate::catalogue::{self, Function};
use crate::constructs::Construct;
use crate::facts::{self, Facts, SharedSources};
use crate::op::Op;
use crate::template::{self, Node};
use crate::toml_file::{self, TomlFile};
use crate::used_constructs;

mod dialect_file;
mod lacking;
pub mod write;

use dialect_file::read_dialect;
use write::split_around_placeholder;

#[derive(Clone)]
pub struct Dialect {
    pub name: String,
    /// Name of the warehouse in prose, such as `BigQuery`.
    title: String,
    /// Reason why no engine in the tests runs the dialect's SQL. Empty if an engine runs it.
    unverified: String,
    quote: String,
    quote_backslash: bool,
    text_backslash: bool,
    fold: String,
    max_bytes: i64,
    reserved: Vec<String>,
    backslash: bool,
    raw: String,
    pub types: Vec<(String, String)>,
    pub literals: Vec<(String, String)>,
    /// Other names of each neutral type in handwritten SQL, with the same limits and precision.
    type_synonyms: Vec<(String, Vec<String>)>,
    /// Other names of each neutral type in handwritten SQL, with different limits or a different precision.
    similar_types: Vec<(String, Vec<String>)>,
    /// Warehouse functions that handwritten SQL can call but that some dialects lack.
    own_functions: Vec<String>,
    facts: Vec<(String, Fact)>,
    /// Implementations of the functions, one cell per overload, in the order of the catalogue.
    cells: Vec<Cell>,
    /// Verdict and source for each construct that occurs in the dialect's SQL.
    known: Facts,
    /// SQL constructs in the template of each cell.
    constructs: Vec<BTreeSet<Construct>>,
}

impl Dialect {
    /// Returns the template of each cell, in the order of the catalogue.
    pub fn templates(&self) -> impl Iterator<Item = Option<&[Node]>> {
        self.cells.iter().map(|cell| match cell {
            Cell::Template(nodes, _) => Some(nodes.as_slice()),
            Cell::Missing | Cell::Unsupported(_) => None,
        })
    }

    /// Returns whether a template returns a decimal or a float, depending on its argument (`gives = "number"`).
    pub fn may_return_decimal_or_float(&self) -> bool {
        let gives = |cell: &Cell| matches!(cell, Cell::Template(_, notes) if notes.gives == Some("Type::Number"));
        self.cells.iter().any(gives)
    }

    /// Returns whether a template returns a decimal although the signature specifies float (`gives`).
    fn has_rounded_decimals(&self) -> bool {
        let gives = |cell: &Cell| matches!(cell, Cell::Template(_, notes) if notes.gives.is_some());
        self.cells.iter().any(gives)
    }

    pub fn fact_texts(&self) -> impl Iterator<Item = (&str, String)> {
        self.facts.iter().map(|(name, fact)| match fact {
            Fact::Flag(flag) => (name.as_str(), flag.to_string()),
            Fact::Word(word) => (name.as_str(), word.clone()),
        })
    }

    /// Returns the text of a fact. Empty if the fact does not exist.
    pub fn fact(&self, name: &str) -> String {
        self.fact_texts()
            .find(|(fact_name, _)| *fact_name == name)
            .map(|(_, text)| text)
            .unwrap_or_default()
    }
}

#[derive(Clone, PartialEq)]
enum Cell {
    Missing,
    Template(Vec<Node>, TemplateNotes),
    Unsupported(String),
}

/// Properties next to a template in TOML. `dialects/README.md` explains each property.
#[derive(Clone, Default, PartialEq)]
struct TemplateNotes {
    gives: Option<&'static str>,
    most: u32,
    alike: bool,
}

#[derive(Clone, PartialEq)]
enum Fact {
    Flag(bool),
    Word(String),
}

/// Facts whose value is the name of a function that templates call.
pub const CALLED_FUNCTIONS: [&str; 2] = ["null_if", "safe_divide"];

/// Name of the file that the other dialects extend directly or indirectly.
const BASE_DIALECT: &str = "ansi";

/// Returns the files for the base and for all dialects, each with the index of the file that it extends. A file comes
/// after the file that it extends.
fn dialect_files(folder: &Path) -> Result<Vec<(String, TomlFile, usize)>, Vec<String>> {
    let entries = std::fs::read_dir(folder).map_err(|e| vec![format!("{}: {e}", folder.display())])?;
    let mut waiting = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default()
            .to_owned();
        if path.extension().is_some_and(|extension| extension == "toml") && name != "Cargo" {
            let file = TomlFile::read(&path)?;
            let (mut extends, mut position) = (None, 0);
            {
                let (table, mut faults) = (file.table()?, Vec::new());
                if name != BASE_DIALECT {
                    extends = toml_file::text(&file, &table, "extends", &mut faults).map(str::to_owned);
                    let value = toml_file::get(&table, "position").and_then(|v| v.get_ref().as_integer());
                    position = value.and_then(|n| n.as_str().parse::<usize>().ok()).unwrap_or(0);
                    if extends.is_none() || position == 0 {
                        faults.push(
                            file.format_error_at(0, "a dialect needs `extends`, and its `position` in lists, from 1"),
                        );
                    }
                }
                if !faults.is_empty() {
                    return Err(faults);
                }
            }
            waiting.push((position, name, file, extends));
        }
    }
    // Sort the entries, because their order in a directory is not defined.
    waiting.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let expected = |(index, (position, ..)): (usize, &(usize, String, TomlFile, Option<String>))| index != *position;
    if let Some((position, _, file, _)) = waiting
        .iter()
        .enumerate()
        .find(|entry| expected(*entry))
        .map(|(_, w)| w)
    {
        let fault = format!("two dialects have the position {position}, or a smaller position is missing");
        return Err(vec![file.format_error_at(0, fault)]);
    }
    let mut sorted: Vec<(String, TomlFile, usize)> = Vec::new();
    while !waiting.is_empty() {
        let parent_of = |extends: &Option<String>| match extends {
            None => Some(0),
            Some(extends) => sorted.iter().position(|(name, ..)| name == extends),
        };
        let Some(next) = waiting.iter().position(|(.., extends)| parent_of(extends).is_some()) else {
            let fault = |(_, _, file, extends): &(usize, String, TomlFile, Option<String>)| {
                file.format_error_at(
                    0,
                    format!(
                        "there is no dialect `{}` that can be extended",
                        extends.as_deref().unwrap_or_default()
                    ),
                )
            };
            return Err(waiting.iter().map(fault).collect());
        };
        let (_, name, file, extends) = waiting.remove(next);
        let parent = parent_of(&extends).unwrap_or(0);
        sorted.push((name, file, parent));
    }
    Ok(sorted)
}

pub fn read(folder: &Path, functions: &[Function]) -> Result<Vec<Dialect>, Vec<String>> {
    let mut faults = Vec::new();
    for overload in functions.iter().flat_map(|f| &f.overloads) {
        if let Some(Err(fault)) = overload
            .template
            .as_ref()
            .map(|nodes| check_placeholder_modes(functions, nodes))
        {
            faults.push(format!("{}: {fault}", overload.place));
        }
    }
    let base: Vec<Cell> = functions
        .iter()
        .flat_map(|f| &f.overloads)
        .map(|o| {
            o.template
                .clone()
                .map_or(Cell::Missing, |nodes| Cell::Template(nodes, TemplateNotes::default()))
        })
        .collect();
    let ansi = Dialect {
        name: String::new(),
        title: String::new(),
        unverified: String::new(),
        quote: "\"".into(),
        quote_backslash: false,
        text_backslash: false,
        fold: "lower".into(),
        max_bytes: 0,
        reserved: Vec::new(),
        backslash: false,
        raw: String::new(),
        types: Vec::new(),
        literals: Vec::new(),
        type_synonyms: Vec::new(),
        similar_types: Vec::new(),
        own_functions: Vec::new(),
        facts: Vec::new(),
        cells: base,
        known: Facts::new(),
        constructs: Vec::new(),
    };
    let mut read_dialects: Vec<Dialect> = Vec::new();
    let facts_of = |name: &str| TomlFile::read_or_empty(&folder.join("facts").join(name).with_extension("toml"));
    let base_facts = facts_of(BASE_DIALECT)?;
    let results = facts::read_results(&base_facts, &mut faults)?;
    let mut shared = SharedSources::read(&base_facts, &mut faults)?;
    let mut called_names = BTreeSet::new();
    for (name, file, parent) in dialect_files(folder)? {
        let parent = read_dialects.get(parent).unwrap_or(&ansi);
        let mut dialect = read_dialect(&file, &name, parent, functions, &mut faults)?;
        if name != BASE_DIALECT {
            check_missing_templates(&file, &dialect, functions, &mut faults);
        }
        let (used_constructs, constructs) = used_constructs::collect_constructs(&dialect, functions, &results);
        let is_unverified = !dialect.unverified.is_empty();
        if !is_unverified {
            called_names.extend(used_constructs::called_functions(&used_constructs));
        }
        let file = facts_of(&name)?;
        dialect.known = facts::read(
            &file,
            &used_constructs,
            &parent.known,
            is_unverified,
            &mut shared,
            &mut faults,
        )?;
        dialect.constructs = constructs;
        read_dialects.push(dialect);
    }
    shared.report_unused(&base_facts, &mut faults);
    facts::check_results(&base_facts, &results, &called_names, &mut faults);
    // `Dialect::dialects_accepting_unquoted` returns one bit for each dialect. The base is not a dialect.
    if read_dialects.len() - 1 > 32 {
        faults.push(format!("{}: more than 32 dialects", folder.display()));
    }
    if faults.is_empty() {
        Ok(read_dialects)
    } else {
        Err(faults)
    }
}

/// Sets the implementations (cells) of the overloads that a key names. `NAME.key` applies to one overload, and `NAME`
/// applies to all overloads without an entry of their own. A function's name can itself contain a dot.
#[allow(clippy::too_many_arguments, reason = "these are the parts of one table")]
fn set_overload_implementations(
    file: &TomlFile,
    offset: usize,
    key: &str,
    value: &toml_file::Value<'_>,
    functions: &[Function],
    keys: &[String],
    inherited: &[Cell],
    cells: &mut [Cell],
    faults: &mut Vec<String>,
) {
    let mut id = 0;
    let mut is_found = false;
    let mut changes = false;
    let faults_before = faults.len();
    for function in functions {
        for overload in &function.overloads {
            let is_overload_key = !overload.key.is_empty() && key == format!("{}.{}", function.name, overload.key);
            let own_key = format!("{}.{}", function.name, overload.key);
            let is_function_key = key == function.name && (overload.key.is_empty() || !keys.contains(&own_key));
            if is_overload_key || is_function_key {
                is_found = true;
                let table = value.get_ref().as_table();
                let entry = |key| {
                    table
                        .and_then(|t| toml_file::get(t, key))
                        .and_then(|v| v.get_ref().as_str())
                };
                let template = value.get_ref().as_str().or(entry("sql"));
                let unsupported = entry("unsupported");
                let gives = match entry("gives") {
                    Some("decimal") => Some("Type::Decimal"),
                    Some("number") => Some("Type::Number"),
                    Some(_) => {
                        faults.push(
                            file.format_error_at(offset, format!("{key}: `gives` must be \"decimal\" or \"number\"")),
                        );
                        None
                    }
                    None => None,
                };
                let noted = |key| table.and_then(|t| toml_file::get(t, key)).map(toml::Spanned::get_ref);
                let alike = noted("alike").and_then(toml::de::DeValue::as_bool).unwrap_or_default();
                let most = match noted("most") {
                    None => 0,
                    Some(value) => match (value.as_str(), value.as_integer().map(|n| n.as_str().parse::<u32>())) {
                        (Some("digits"), _) => u32::MAX,
                        (_, Some(Ok(most @ 1..=2_147_483_647))) => most,
                        _ => {
                            faults.push(file.format_error_at(
                                offset,
                                format!("{key}: `most` must be a 32-bit integer or \"digits\""),
                            ));
                            0
                        }
                    },
                };
                match (template, unsupported) {
                    (Some(text), _) => match template::parse(text, &catalogue::parameter_names(&overload.signature))
                        .and_then(|nodes| check_placeholder_modes(functions, &nodes).map(|()| nodes))
                    {
                        Ok(nodes) => cells[id] = Cell::Template(nodes, TemplateNotes { gives, most, alike }),
                        // If the template does not fit the parameters of one overload, that overload keeps its default.
                        Err(_)
                            if is_function_key && !overload.key.is_empty() && !matches!(cells[id], Cell::Missing) => {}
                        Err(fault) => faults.push(file.format_error_at(value.span().start, format!("{key}: {fault}"))),
                    },
                    (_, Some(reason)) => cells[id] = Cell::Unsupported(reason.to_owned()),
                    (None, None)
                        if (gives.is_some() || most > 0 || alike) && matches!(cells[id], Cell::Template(..)) =>
                    {
                        if let Cell::Template(_, notes) = &mut cells[id] {
                            // Properties that the entry does not set are inherited.
                            notes.gives = gives.or(notes.gives);
                            notes.most = if most > 0 { most } else { notes.most };
                            notes.alike |= alike;
                        }
                    }
                    _ => faults.push(file.format_error_at(
                        offset,
                        format!(
                            "`{key}` must be a template, {{ sql = \"…\", gives = \"…\" }} or {{ unsupported = \"…\" }}"
                        ),
                    )),
                }
                // An entry for one overload counts as a change even if it repeats the inherited cell, because it
                // overrides the entry for the whole function.
                changes |= cells[id] != inherited[id] || (is_overload_key && keys.contains(&function.name));
            }
            id += 1;
        }
    }
    if !is_found {
        faults.push(file.format_error_at(
            offset,
            format!("`{key}` is not a function or overload of the catalogue"),
        ));
    } else if !changes && faults.len() == faults_before {
        faults.push(file.format_error_at(offset, format!("`{key}` repeats the inherited value; remove it")));
    }
}

/// Checks that every placeholder mode names an internal function and that every operator exists.
fn check_placeholder_modes(functions: &[Function], nodes: &[Node]) -> Result<(), String> {
    for node in nodes {
        if let Node::Binary { op, .. } | Node::ArgJoin { op, .. } = node {
            Op::parse(op).ok_or_else(|| format!("unknown operator `{op}`"))?;
        }
        if let Some(mode) = node.mode() {
            mode_function(functions, mode)?;
        }
    }
    Ok(())
}

fn check_missing_templates(file: &TomlFile, dialect: &Dialect, functions: &[Function], faults: &mut Vec<String>) {
    let mut cells = dialect.cells.iter();
    for function in functions {
        for overload in &function.overloads {
            let cell = cells.next();
            if matches!(cell, Some(Cell::Missing)) && function.lower.is_none() {
                faults.push(file.format_error_at(
                    0,
                    format!("no template for `{}` {} and no default", function.name, overload.key),
                ));
            }
        }
    }
    for (name, form) in &dialect.literals {
        if split_around_placeholder(form).is_none() {
            faults.push(file.format_error_at(
                0,
                format!("[literals] `{name}` needs the placeholder `{{n}}` or `{{iso}}`"),
            ));
        }
    }
    for fact in CALLED_FUNCTIONS {
        let function = dialect.fact(fact);
        let calls = |node: &Node| matches!(node, Node::Call { name, .. } if *name == function);
        if !function.is_empty() && !dialect.templates().flatten().flatten().any(calls) {
            faults.push(file.format_error_at(0, format!("[facts] `{fact}`: no template calls `{function}`")));
        }
    }
    for name in crate::part::NEUTRAL_TYPES {
        if !dialect.types.iter().any(|(n, _)| n == name) {
            faults.push(file.format_error_at(0, format!("[types] `{name}` is missing")));
        }
    }
}

/// Returns the position of the internal function that a mode inserts: `to_float` for `float`, `present` for `present`.
pub fn inserted_function(functions: &[Function], mode: &str) -> Option<usize> {
    let find = |name: &str| functions.iter().position(|f| f.is_internal() && f.name == name);
    find(&format!("to_{mode}")).or_else(|| find(mode))
}

/// Returns the internal function for the mode of a placeholder: `to_float` for `{x:float}`, `present` for
/// `{x:present}`.
pub fn mode_function(functions: &[Function], mode: &str) -> Result<String, String> {
    let kind = match mode {
        "" => "Plain",
        "word" => "Word",
        "tens" => "Tens",
        "tenths" => "Tenths",
        "scale" => "Scale",
        "literal" => "Literal",
        "character" => "Character",
        _ => {
            let Some(id) = inserted_function(functions, mode) else {
                return Err(format!(
                    "unknown mode `{mode}`: there is no internal function `to_{mode}` or `{mode}`"
                ));
            };
            let is_named_as_mode = functions[id].name == mode;
            let kind = match mode {
                _ if is_named_as_mode && mode.starts_with("or_") => "Or",
                _ if is_named_as_mode || mode == "days" => "Call",
                _ => "Convert",
            };
            return Ok(format!("ArgumentMode::{kind}({id})"));
        }
    };
    Ok(format!("ArgumentMode::{kind}"))
}
