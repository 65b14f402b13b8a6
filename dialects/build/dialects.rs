//! Reads the dialects in `dialects/*.toml`, checks them against the functions and writes them as Rust.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use crate::catalogue::{self, Function, Overload};
use crate::constructs::Construct;
use crate::facts::{self, Facts, SharedSources};
use crate::op::Op;
use crate::template::{self, Node, Type};
use crate::toml_file::{self, File};
use crate::used;

pub struct Dialect {
    pub name: String,
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
    facts: Vec<(String, Fact)>,
    /// Cells, one per overload, in the order of the catalogue.
    cells: Vec<Cell>,
    /// Facts about each construct that occurs in the dialect's SQL.
    known: Facts,
    /// Constructs of each cell.
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

    pub fn fact_texts(&self) -> impl Iterator<Item = (&str, String)> {
        self.facts.iter().map(|(name, fact)| match fact {
            Fact::Flag(flag) => (name.as_str(), flag.to_string()),
            Fact::Word(word) => (name.as_str(), word.clone()),
        })
    }

    /// Returns the text of a fact. Empty if the fact does not exist.
    pub fn fact(&self, name: &str) -> String {
        self.fact_texts()
            .find(|(of, _)| *of == name)
            .map(|(_, text)| text)
            .unwrap_or_default()
    }
}

#[derive(Clone, PartialEq)]
enum Cell {
    Missing,
    Template(Vec<Node>, Notes),
    Unsupported(String),
}

/// Properties next to a template in TOML. `dialects/README.md` explains each property.
#[derive(Clone, Default, PartialEq)]
struct Notes {
    gives: Option<&'static str>,
    most: u32,
    alike: bool,
}

#[derive(Clone, PartialEq)]
enum Fact {
    Flag(bool),
    Word(String),
}

/// Name of the file that the other dialects extend directly or indirectly.
const BASE: &str = "ansi";

/// Returns the files for the base and for all dialects, each with the index of the file that it extends. A file comes
/// after the file that it extends.
fn dialect_files(folder: &Path) -> Result<Vec<(String, File, usize)>, Vec<String>> {
    let entries = std::fs::read_dir(folder).map_err(|e| vec![format!("{}: {e}", folder.display())])?;
    let mut waiting = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default()
            .to_owned();
        if path.extension().is_some_and(|extension| extension == "toml") && name != "Cargo" {
            let file = File::read(&path)?;
            let (mut extends, mut position) = (None, 0);
            {
                let (table, mut faults) = (file.table()?, Vec::new());
                if name != BASE {
                    extends = toml_file::text(&file, &table, "extends", &mut faults).map(str::to_owned);
                    let value = toml_file::get(&table, "position").and_then(|v| v.get_ref().as_integer());
                    position = value.and_then(|n| n.as_str().parse::<usize>().ok()).unwrap_or(0);
                    if extends.is_none() || position == 0 {
                        faults.push(file.fault_at(0, "a dialect needs `extends`, and its `position` in lists, from 1"));
                    }
                }
                if !faults.is_empty() {
                    return Err(faults);
                }
            }
            waiting.push((position, name, file, extends));
        }
    }
    // Directory entries have no fixed order, but the tables need one.
    waiting.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let expected = |(index, (position, ..)): (usize, &(usize, String, File, Option<String>))| index != *position;
    if let Some((position, _, file, _)) = waiting
        .iter()
        .enumerate()
        .find(|entry| expected(*entry))
        .map(|(_, w)| w)
    {
        let fault = format!("two dialects have the position {position}, or a smaller position is missing");
        return Err(vec![file.fault_at(0, fault)]);
    }
    let mut sorted: Vec<(String, File, usize)> = Vec::new();
    while !waiting.is_empty() {
        let parent_of = |extends: &Option<String>| match extends {
            None => Some(0),
            Some(extends) => sorted.iter().position(|(name, ..)| name == extends),
        };
        let Some(next) = waiting.iter().position(|(.., extends)| parent_of(extends).is_some()) else {
            let fault = |(_, _, file, extends): &(usize, String, File, Option<String>)| {
                file.fault_at(
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
        if let Some(Err(fault)) = overload.template.as_ref().map(|nodes| check_modes(functions, nodes)) {
            faults.push(format!("{}: {fault}", overload.place));
        }
    }
    let base: Vec<Cell> = functions
        .iter()
        .flat_map(|f| &f.overloads)
        .map(|o| {
            o.template
                .clone()
                .map_or(Cell::Missing, |nodes| Cell::Template(nodes, Notes::default()))
        })
        .collect();
    let ansi = Dialect {
        name: String::new(),
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
        facts: Vec::new(),
        cells: base,
        known: Facts::new(),
        constructs: Vec::new(),
    };
    let mut read: Vec<Dialect> = Vec::new();
    let facts_of = |name: &str| File::read_or_empty(&folder.join("facts").join(name).with_extension("toml"));
    let base_facts = facts_of(BASE)?;
    let results = facts::read_results(&base_facts, &mut faults)?;
    let mut shared = SharedSources::read(&base_facts, &mut faults)?;
    let mut called = BTreeSet::new();
    for (name, file, parent) in dialect_files(folder)? {
        let parent = read.get(parent).unwrap_or(&ansi);
        let mut dialect = read_dialect(&file, &name, parent, functions, &mut faults)?;
        if name != BASE {
            check_missing_templates(&file, &dialect, functions, &mut faults);
        }
        let (used, constructs) = used::collect(&dialect, functions, &results);
        called.extend(used::called_functions(&used));
        dialect.known = facts::read(&facts_of(&name)?, &used, &parent.known, &mut shared, &mut faults)?;
        dialect.constructs = constructs;
        read.push(dialect);
    }
    shared.report_unused(&base_facts, &mut faults);
    facts::check_results(&base_facts, &results, &called, &mut faults);
    // `Dialect::bare_dialects` returns one bit for each dialect. The base is not a dialect.
    if read.len() - 1 > 32 {
        faults.push(format!("{}: more than 32 dialects", folder.display()));
    }
    if faults.is_empty() { Ok(read) } else { Err(faults) }
}

fn read_dialect(
    file: &File,
    name: &str,
    parent: &Dialect,
    functions: &[Function],
    faults: &mut Vec<String>,
) -> Result<Dialect, Vec<String>> {
    let table = file.table()?;
    toml_file::unknown_keys(
        file,
        &table,
        &[
            "extends",
            "position",
            "identifiers",
            "strings",
            "types",
            "literals",
            "facts",
            "functions",
            "notes",
        ],
        faults,
    );
    let section = |key: &str| toml_file::get(&table, key).and_then(|v| v.get_ref().as_table());
    let mut new = Dialect {
        name: name.into(),
        quote: parent.quote.clone(),
        quote_backslash: parent.quote_backslash,
        text_backslash: parent.text_backslash,
        fold: parent.fold.clone(),
        max_bytes: parent.max_bytes,
        reserved: Vec::new(),
        backslash: parent.backslash,
        raw: parent.raw.clone(),
        types: parent.types.clone(),
        literals: parent.literals.clone(),
        facts: parent.facts.clone(),
        cells: parent.cells.clone(),
        known: Facts::new(),
        constructs: Vec::new(),
    };
    if let Some(t) = section("identifiers") {
        read_identifiers(file, t, &mut new, faults);
    }
    new.reserved.extend(parent.reserved.iter().cloned());
    new.reserved.sort();
    new.reserved.dedup();
    if let Some(t) = section("strings") {
        toml_file::unknown_keys(file, t, &["quote", "backslash", "raw"], faults);
        new.text_backslash = read_backslash_escape_setting(file, t, "quote", faults).unwrap_or(new.text_backslash);
        new.backslash = toml_file::get(t, "backslash")
            .and_then(|v| v.get_ref().as_bool())
            .unwrap_or(new.backslash);
        new.raw = toml_file::text(file, t, "raw", faults).unwrap_or(&new.raw).to_owned();
    }
    for (key, into) in [("types", &mut new.types), ("literals", &mut new.literals)] {
        for (k, v) in section(key).into_iter().flatten() {
            let value = v.get_ref().as_str().unwrap_or_default().to_owned();
            into.retain(|(name, _)| name != k.get_ref());
            into.push((k.get_ref().to_string(), value));
        }
    }
    if let Some(t) = section("facts") {
        read_flags_and_words(file, t, &mut new, faults);
    }
    new.facts.sort_by(|a, b| a.0.cmp(&b.0));
    let keys: Vec<String> = section("functions")
        .into_iter()
        .flatten()
        .map(|(k, _)| k.get_ref().to_string())
        .collect();
    for (key, value) in section("functions").into_iter().flatten() {
        set_cells(
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
    Ok(new)
}

/// Reads the section `[identifiers]`.
fn read_identifiers(file: &File, t: &toml::de::DeTable<'_>, new: &mut Dialect, faults: &mut Vec<String>) {
    toml_file::unknown_keys(file, t, &["quote", "escape", "fold", "max_bytes", "reserved"], faults);
    new.quote = toml_file::text(file, t, "quote", faults)
        .unwrap_or(&new.quote)
        .to_owned();
    new.quote_backslash = read_backslash_escape_setting(file, t, "escape", faults).unwrap_or(new.quote_backslash);
    new.fold = toml_file::text(file, t, "fold", faults).unwrap_or(&new.fold).to_owned();
    if !["lower", "upper", "keep"].contains(&new.fold.as_str()) {
        faults.push(file.fault_at(0, format!("unknown fold `{}`", new.fold)));
    }
    if let Some(n) = toml_file::get(t, "max_bytes").and_then(|v| v.get_ref().as_integer()) {
        new.max_bytes = n.as_str().parse().unwrap_or(0);
    }
    new.reserved = toml_file::read_texts(file, t, "reserved", faults);
}

/// Reads the section `[facts]`. The base declares all facts.
fn read_flags_and_words(file: &File, t: &toml::de::DeTable<'_>, new: &mut Dialect, faults: &mut Vec<String>) {
    for (k, v) in t {
        let fact = match (v.get_ref().as_bool(), v.get_ref().as_str()) {
            (Some(flag), _) => Fact::Flag(flag),
            (_, Some(word)) => Fact::Word(word.to_owned()),
            _ => {
                faults.push(file.fault_at(k.span().start, "a fact must be true, false or a word"));
                continue;
            }
        };
        if new.name != BASE && !new.facts.iter().any(|(n, _)| n == k.get_ref()) {
            faults.push(file.fault_at(k.span().start, format!("fact `{}` is not in ansi.toml", k.get_ref())));
            continue;
        }
        new.facts.retain(|(n, _)| n != k.get_ref());
        new.facts.push((k.get_ref().to_string(), fact));
    }
}

/// Returns `true` if a backslash escapes a quote in quoted text, `false` if the quote is doubled.
fn read_backslash_escape_setting(
    file: &File,
    table: &toml::de::DeTable<'_>,
    key: &str,
    faults: &mut Vec<String>,
) -> Option<bool> {
    match toml_file::text(file, table, key, faults)? {
        "backslash" => Some(true),
        "doubled" => Some(false),
        other => {
            faults.push(file.fault_at(0, format!("`{key} = \"{other}\"`: expected `doubled` or `backslash`")));
            None
        }
    }
}

/// Sets the cells for a key. `NAME.key` applies to one overload, and `NAME` applies to all overloads without a separate
/// entry. Function names may contain a dot.
#[allow(clippy::too_many_arguments, reason = "these are the parts of one table")]
fn set_cells(
    file: &File,
    at: usize,
    key: &str,
    value: &toml_file::Value<'_>,
    functions: &[Function],
    keys: &[String],
    inherited: &[Cell],
    cells: &mut [Cell],
    faults: &mut Vec<String>,
) {
    let mut id = 0;
    let mut found = false;
    let mut changes = false;
    let faults_before = faults.len();
    for function in functions {
        for overload in &function.overloads {
            let one = !overload.key.is_empty() && key == format!("{}.{}", function.name, overload.key);
            let own = format!("{}.{}", function.name, overload.key);
            let all = key == function.name && (overload.key.is_empty() || !keys.contains(&own));
            if one || all {
                found = true;
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
                        faults.push(file.fault_at(at, format!("{key}: `gives` must be \"decimal\" or \"number\"")));
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
                            faults.push(
                                file.fault_at(at, format!("{key}: `most` must be a 32-bit integer or \"digits\"")),
                            );
                            0
                        }
                    },
                };
                match (template, unsupported) {
                    (Some(text), _) => match template::parse(text, &catalogue::parameter_names(&overload.signature))
                        .and_then(|nodes| check_modes(functions, &nodes).map(|()| nodes))
                    {
                        Ok(nodes) => cells[id] = Cell::Template(nodes, Notes { gives, most, alike }),
                        // An overload whose parameters differ keeps its default.
                        Err(_) if all && !overload.key.is_empty() && !matches!(cells[id], Cell::Missing) => {}
                        Err(fault) => faults.push(file.fault_at(value.span().start, format!("{key}: {fault}"))),
                    },
                    (_, Some(reason)) => cells[id] = Cell::Unsupported(reason.to_owned()),
                    _ => faults.push(file.fault_at(
                        at,
                        format!(
                            "`{key}` must be a template, {{ sql = \"…\", gives = \"…\" }} or {{ unsupported = \"…\" }}"
                        ),
                    )),
                }
                // An entry for one overload counts as a change even if it repeats the inherited cell, because it
                // overrides the entry for the whole function.
                changes |= cells[id] != inherited[id] || (one && keys.contains(&function.name));
            }
            id += 1;
        }
    }
    if !found {
        faults.push(file.fault_at(at, format!("`{key}` is not a function or overload of the catalogue")));
    } else if !changes && faults.len() == faults_before {
        faults.push(file.fault_at(at, format!("`{key}` is equal to what the dialect inherits; remove it")));
    }
}

/// Checks that every placeholder mode names an internal function and that every operator exists.
fn check_modes(functions: &[Function], nodes: &[Node]) -> Result<(), String> {
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

fn check_missing_templates(file: &File, dialect: &Dialect, functions: &[Function], faults: &mut Vec<String>) {
    let mut cells = dialect.cells.iter();
    for function in functions {
        for overload in &function.overloads {
            let cell = cells.next();
            if matches!(cell, Some(Cell::Missing)) && function.lower.is_none() {
                faults.push(file.fault_at(
                    0,
                    format!("no template for `{}` {} and no default", function.name, overload.key),
                ));
            }
        }
    }
    for (name, form) in &dialect.literals {
        if split_around_placeholder(form).is_none() {
            faults.push(file.fault_at(
                0,
                format!("[literals] `{name}` needs the placeholder `{{n}}` or `{{iso}}`"),
            ));
        }
    }
    for name in crate::part::NEUTRAL {
        if !dialect.types.iter().any(|(n, _)| n == name) {
            faults.push(file.fault_at(0, format!("[types] `{name}` is missing")));
        }
    }
}

pub fn write(functions: &[Function], dialects: &[Dialect]) -> String {
    let mut out = String::new();
    let ansi = &dialects[0];
    write_types(&mut out, ansi);
    out.push_str("}\n/// Every dialect that can be written.\npub static DIALECTS: &[DialectData] = &[\n");
    for (index, dialect) in dialects[1..].iter().enumerate() {
        write_properties(&mut out, index, dialect, ansi);
        let overloads = functions.iter().flat_map(|f| f.overloads.iter());
        for (cell, overload) in dialect.cells.iter().zip(overloads) {
            write_cell(&mut out, cell, overload, functions);
        }
        out.push_str("], ");
        write_construct_facts(&mut out, dialect);
        out.push_str("},\n");
    }
    out.push_str("];\n");
    out
}

/// Writes the types of facts, literals and forms.
fn write_types(out: &mut String, ansi: &Dialect) {
    out.push_str("/// What a dialect can and cannot do; each is explained in `dialects/ansi.toml`.\n#[allow(missing_docs, reason = \"generated\")]\n#[derive(Clone, Copy, Debug)]\npub struct Facts {\n");
    for (name, fact) in &ansi.facts {
        let ty = if matches!(fact, Fact::Flag(_)) {
            "bool"
        } else {
            "&'static str"
        };
        let _ = writeln!(out, "pub {name}: {ty},");
    }
    out.push_str("}\n/// A literal's text in a dialect.\n#[allow(missing_docs, reason = \"generated\")]\n#[derive(Clone, Copy, Debug)]\npub struct Literals {\n");
    for (name, _) in &ansi.literals {
        let _ = writeln!(out, "pub {name}: &'static str,");
    }
    out.push_str(
        "}\n/// The same, cut where the value stands.\n#[allow(dead_code, reason = \"generated\")]\n#[derive(Debug)]\npub struct Forms {\n",
    );
    for (name, _) in &ansi.literals {
        let _ = writeln!(out, "pub {name}: Form,");
    }
}

/// Writes a dialect up to its cells.
fn write_properties(out: &mut String, index: usize, dialect: &Dialect, ansi: &Dialect) {
    let types: Vec<&str> = crate::part::NEUTRAL
        .iter()
        .map(|n| {
            dialect
                .types
                .iter()
                .find(|(k, _)| k == n)
                .map_or("", |(_, v)| v.as_str())
        })
        .collect();
    let _ = write!(
        out,
        "DialectData {{ name: {:?}, index: {index}, quote: {:?}, quote_backslash: {}, text_backslash: {}, fold: Fold::{}, max_bytes: {}, reserved: &{:?}, reserved_slots: &{:?}, reserved_lengths: {:?}, backslash: {}, raw: {:?}, types: &{types:?}, facts: Facts {{ ",
        dialect.name,
        dialect.quote.chars().next().unwrap_or('"'),
        dialect.quote_backslash,
        dialect.text_backslash,
        catalogue::capitalize(&dialect.fold),
        dialect.max_bytes,
        dialect.reserved,
        crate::hash::build_slots(&dialect.reserved),
        word_lengths(&dialect.reserved),
        dialect.backslash,
        dialect.raw,
    );
    for (name, fact) in &dialect.facts {
        let _ = match fact {
            Fact::Flag(flag) => write!(out, "{name}: {flag}, "),
            Fact::Word(word) => write!(out, "{name}: {word:?}, "),
        };
    }
    let literal = |name: &str| {
        let mut literals = dialect.literals.iter();
        literals
            .find(|(own, _)| own == name)
            .map_or("", |(_, text)| text.as_str())
    };
    out.push_str("}, literals: Literals { ");
    for (name, _) in &ansi.literals {
        let text = literal(name);
        let _ = write!(out, "{name}: {text:?}, ");
    }
    out.push_str("}, forms: Forms { ");
    for (name, _) in &ansi.literals {
        let (before, after) = split_around_placeholder(literal(name)).unwrap_or_default();
        let _ = write!(out, "{name}: Form {{ before: {before:?}, after: {after:?} }}, ");
    }
    out.push_str("}, cells: &[\n");
}

/// Writes the template of an overload in a dialect.
fn write_cell(out: &mut String, cell: &Cell, overload: &Overload, functions: &[Function]) {
    match cell {
        Cell::Missing => out.push_str("Cell::Missing,\n"),
        Cell::Unsupported(reason) => {
            let _ = writeln!(out, "Cell::Unsupported({reason:?}),");
        }
        Cell::Template(nodes, Notes { gives, most, alike }) => {
            let gives = gives.map_or("None".to_owned(), |ty| format!("Some({ty})"));
            let uses: Vec<u8> = (0..overload.signature.params.len())
                .map(|i| count_uses(nodes, i as u8))
                .collect();
            let _ = write!(
                out,
                "Cell::Template(Template {{ uses: &{uses:?}, repeats: {}, gives: {gives}, most: {most}, alike: {alike}, subquery: {}, windowed: {}, shape: {}, parts: &[",
                uses.iter().any(|u| *u > 1),
                nodes.iter().any(|n| matches!(n, Node::Word(w) if w == "select")),
                nodes.iter().any(|n| matches!(n, Node::Over(_))),
                template_shape(nodes, overload.signature.params.len()),
            );
            nodes.iter().for_each(|node| write_part(out, node, functions));
            out.push_str("] }),\n");
        }
    }
}

/// Writes the facts about each construct, and the constructs of each cell as indices.
fn write_construct_facts(out: &mut String, dialect: &Dialect) {
    out.push_str("constructs: &[\n");
    for ((section, text), fact) in &dialect.known {
        let facts::Fact {
            verdict,
            source,
            parameters,
            inherited,
        } = fact;
        let (section, verdict) = (section.name(), facts::VERDICTS[*verdict].1);
        let _ = writeln!(
            out,
            "ConstructFact {{ section: {section:?}, text: {text:?}, verdict: FactVerdict::{verdict}, source: {source:?}, parameters: &{parameters:?}, inherited: {inherited} }},"
        );
    }
    out.push_str("], cell_constructs: &[\n");
    let places: BTreeMap<_, usize> = dialect.known.keys().zip(0..).collect();
    for constructs in &dialect.constructs {
        let places: Vec<usize> = constructs.iter().filter_map(|of| places.get(of).copied()).collect();
        let _ = writeln!(out, "&{places:?},");
    }
    out.push_str("] ");
}

/// Returns the lengths of the words as bit sets with one bit per length. The index is the low five bits of a word's
/// first letter, which are the same in upper and lower case.
fn word_lengths(words: &[String]) -> [u32; 32] {
    let mut lengths = [0; 32];
    for word in words {
        let letter = word.bytes().next().map_or(0, |b| b & 31);
        lengths[letter as usize] |= 1 << word.len().min(31);
    }
    lengths
}

/// Returns the text before and after the placeholder in the form of a literal.
fn split_around_placeholder(form: &str) -> Option<(&str, &str)> {
    form.split_once("{n}").or_else(|| form.split_once("{iso}"))
}

/// Returns the shape of a template: one operator, one call, or several parts.
fn template_shape(nodes: &[Node], params: usize) -> String {
    let is = |node: &Node, at: u8| matches!(node, Node::Arg { index, mode } if *index == at && mode.is_empty());
    match nodes {
        [a, b, Node::Binary { op, left: 0, right: 1 }] if is(a, 0) && is(b, 1) => {
            format!("Shape::Operator({})", operator_name(op))
        }
        // Templates of `nullif` and `safe_divide` are written part by part, because writing the parts removes
        // `coalesce` from their arguments.
        [.., Node::Call { name, .. }] if ["nullif", "safe_divide"].contains(&name.as_str()) => "Shape::Parts".into(),
        [plain @ .., Node::Call { name, args }]
            if params > 0
                && plain.len() == params
                && plain.iter().zip(0..).all(|(node, at)| is(node, at))
                && args.iter().copied().eq(0..params as u16) =>
        {
            format!("Shape::Call({name:?})")
        }
        _ => "Shape::Parts".into(),
    }
}

/// Returns the number of occurrences of an argument in a template.
fn count_uses(nodes: &[Node], wanted: u8) -> u8 {
    nodes
        .iter()
        .filter(|n| matches!(n, Node::Arg { index, .. } | Node::ArgList { index, .. } | Node::ArgJoin { index, .. } if *index == wanted))
        .count()
        .min(255) as u8
}

/// Returns the position of the internal function that a mode inserts: `to_float` for `float`, `present` for `present`.
pub fn inserted_function(functions: &[Function], mode: &str) -> Option<usize> {
    let find = |name: &str| functions.iter().position(|f| f.is_internal() && f.name == name);
    find(&format!("to_{mode}")).or_else(|| find(mode))
}

/// Returns the internal function for the mode of a placeholder: `to_float` for `{x:float}`, `present` for
/// `{x:present}`.
pub fn mode_function(functions: &[Function], mode: &str) -> Result<String, String> {
    if mode.is_empty() {
        Ok("Mode::Plain".into())
    } else if mode == "word" {
        Ok("Mode::Word".into())
    } else if mode == "tens" {
        Ok("Mode::Tens".into())
    } else if mode == "tenths" {
        Ok("Mode::Tenths".into())
    } else if mode == "scale" {
        Ok("Mode::Scale".into())
    } else if let Some(id) = inserted_function(functions, mode) {
        let is_named_as_mode = functions[id].name == mode;
        let kind = match mode {
            _ if is_named_as_mode && mode.starts_with("or_") => "Or",
            _ if is_named_as_mode || mode == "days" => "Call",
            _ => "Convert",
        };
        Ok(format!("Mode::{kind}({id})"))
    } else {
        Err(format!(
            "unknown mode `{mode}`: there is no internal function `to_{mode}` or `{mode}`"
        ))
    }
}

fn operator_name(text: &str) -> String {
    // `check_modes` has already checked that the operator exists.
    Op::parse(text).map_or_else(String::new, |op| format!("Op::{op:?}"))
}

fn write_part(out: &mut String, node: &Node, functions: &[Function]) {
    let mode = |m: &str| mode_function(functions, m).unwrap_or_default();
    let _ = match node {
        Node::Cast { name, x, ty } => {
            let ty = match ty {
                Type::Neutral(i) => format!("TypeName::Neutral({i})"),
                Type::Native(n) => format!("TypeName::Native({n:?})"),
            };
            write!(out, "Part::Cast {{ name: {name:?}, x: {x}, ty: {ty} }},")
        }
        Node::Arg { index, mode: m } => write!(out, "Part::Arg {{ index: {index}, mode: {} }},", mode(m)),
        Node::ArgList { index, mode: m } => write!(out, "Part::ArgList {{ index: {index}, mode: {} }},", mode(m)),
        Node::ArgJoin { index, mode: m, op } => {
            write!(
                out,
                "Part::ArgJoin {{ index: {index}, mode: {}, op: {} }},",
                mode(m),
                operator_name(op)
            )
        }
        Node::Call { name, args } => write!(out, "Part::Call {{ name: {name:?}, args: &{args:?} }},"),
        Node::In { x, negated, args } => write!(out, "Part::In {{ x: {x}, negated: {negated}, args: &{args:?} }},"),
        Node::Binary { op, left, right } => {
            write!(
                out,
                "Part::Binary {{ op: {}, left: {left}, right: {right} }},",
                operator_name(op)
            )
        }
        Node::Case(a) => write!(out, "Part::Case(&{a:?}),"),
        Node::Spaced(a) => write!(out, "Part::Spaced(&{a:?}),"),
        Node::Ordered {
            parts,
            first,
            until,
            by,
        } => {
            write!(
                out,
                "Part::Ordered {{ parts: &{parts:?}, first: {first}, until: {until}, by: {by} }},"
            )
        }
        Node::List(a) => write!(out, "Part::List(&{a:?}),"),
        Node::Bracket(a) => write!(out, "Part::Bracket(&{a:?}),"),
        other => write!(out, "Part::{other:?},"),
    };
}
