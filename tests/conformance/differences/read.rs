//! Reads `differences.yml`.

use std::collections::BTreeMap;
use std::path::Path;

use formulac::Dialect;

use super::{Cell, Difference, Equal, Expected, INFERRED, Page, Question, Statement, UNKNOWN, cell_value};
use crate::engine::is_emulator;
use crate::expect::neutral_type;
use crate::files;
use crate::yaml::{self, Map, Node, Result};

pub fn read(text: &str) -> Result<Page> {
    let root = yaml::parse(text)?;
    let mut map = root.map()?;
    let mut sources = BTreeMap::new();
    for (key, address) in map.need("sources")?.map()?.into_entries() {
        sources.insert(key, address.text()?.to_owned());
    }
    let mut sections = Vec::new();
    for node in map.need("sections")?.list()? {
        let mut section = node.map()?;
        let title = section.need("section")?.text()?.to_owned();
        let rows = section.need("rows")?;
        section.finish()?;
        let rows = rows.list()?.iter().map(|node| read_difference(node, &sources));
        sections.push((title, rows.collect::<Result<_>>()?));
    }
    let equal = map.need("equal")?;
    map.finish()?;
    let equal = equal.list()?.iter().map(read_equal).collect::<Result<_>>()?;
    Ok(Page { sections, equal })
}

fn read_difference(node: &Node, sources: &BTreeMap<String, String>) -> Result<Difference> {
    let mut map = node.map()?;
    let question = read_question(node, &mut map)?;
    let mut cells = BTreeMap::new();
    for dialect in Dialect::verified() {
        let cell = map.need(dialect.name())?;
        cells.insert(dialect.name().to_owned(), read_cell(&cell, dialect, sources)?);
    }
    let formulac = map.need("formulac")?.text()?.to_owned();
    map.finish()?;
    let values: Vec<String> = cells.values().map(cell_value).collect();
    if values.windows(2).all(|pair| pair[0] == pair[1]) && cells.values().all(|cell| cell.says.is_empty()) {
        return node.error("all warehouses agree, so this is not a difference");
    }
    Ok(Difference {
        question,
        cells,
        formulac,
    })
}

fn read_equal(node: &Node) -> Result<Equal> {
    let mut map = node.map()?;
    let question = read_question(node, &mut map)?;
    let is = map.need("is")?.scalar()?.clone();
    let alone = map.need("alone")?;
    map.finish()?;
    let alone = alone.list()?.iter().map(|node| read_statement(node, None));
    Ok(Equal {
        question,
        is,
        alone: alone.collect::<Result<_>>()?,
    })
}

fn read_question(node: &Node, map: &mut Map) -> Result<Question> {
    let mut text = |key: &str| {
        map.take(key)
            .map_or(Ok(String::new()), |node| node.text().map(str::to_owned))
    };
    let (shown, formula, spec) = (text("shown")?, text("formula")?, text("spec")?);
    let rows = match (map.take("row"), map.take("rows")) {
        (Some(row), None) => vec![row],
        (None, Some(rows)) => rows.list()?.to_vec(),
        _ => return node.error("a question needs `row` or `rows`"),
    };
    let mut question = Question {
        line: node.line,
        shown,
        formula,
        spec,
        columns: Vec::new(),
        rows: Vec::new(),
    };
    if question.formula.is_empty() == question.spec.is_empty() || (question.shown.is_empty() && rows.len() > 1) {
        return node.error("a question needs either `formula` or `spec`, and `shown` if it has a spec or several rows");
    }
    for row in rows {
        let (mut columns, mut values) = (Vec::new(), Vec::new());
        for (name, typed) in row.map()?.into_entries() {
            for (ty, value) in typed.map()?.into_entries() {
                columns.push((name.clone(), neutral_type(&typed, &ty)?));
                values.push(value.scalar()?.clone());
            }
        }
        question.columns = columns;
        question.rows.push(values);
    }
    Ok(question)
}

fn read_cell(node: &Node, dialect: Dialect, sources: &BTreeMap<String, String>) -> Result<Cell> {
    let Ok(mut map) = node.map() else {
        return Ok(Cell {
            ran: Some(Expected::Value(node.scalar()?.clone())),
            ..Cell::default()
        });
    };
    let mut text = |key: &str| {
        map.take(key)
            .map_or(Ok(String::new()), |node| node.text().map(str::to_owned))
    };
    let (says, refused, source, fact) = (text("says")?, text("refused")?, text("source")?, text("fact")?);
    let ran = read_expected(&mut map)?;
    let also = map.take("also").map(|node| read_statement(&node, Some(dialect)));
    map.finish()?;
    let mut cell = Cell {
        ran,
        refused,
        says,
        source: String::new(),
        also: also.transpose()?.into_iter().collect(),
    };
    if !fact.is_empty() {
        let construct_fact = dialect
            .support_of_constructs()
            .iter()
            .find(|construct_fact| construct_fact.text == fact);
        let Some(known) = construct_fact else {
            return node.error(format!("dialects/facts/{dialect}.toml has no entry `{fact}`"));
        };
        let parameters: Vec<String> = known.parameters.iter().map(|name| format!("`{name}`")).collect();
        if !parameters.is_empty() {
            cell.says = format!("{} ({})", cell.says, parameters.join(", "));
        }
        cell.source = known.source.to_owned();
    } else if [UNKNOWN, INFERRED].contains(&source.as_str()) {
        cell.source = source;
    } else if !source.is_empty() {
        cell.source = source_text(node, dialect, &source, sources)?;
    }
    let runs = cell.ran.is_some() || !cell.refused.is_empty() || !cell.also.is_empty();
    match (is_emulator(dialect), runs, cell.source.is_empty()) {
        (true, _, true) if cell.refused.is_empty() => node.error("no engine runs this dialect; add a `source`"),
        (_, false, true) => node.error("a cell needs a value, `error`, `refused`, `source` or `fact`"),
        _ => Ok(cell),
    }
}

fn read_expected(map: &mut Map) -> Result<Option<Expected>> {
    match (map.take("is"), map.take("error")) {
        (Some(value), _) => Ok(Some(Expected::Value(value.scalar()?.clone()))),
        (None, Some(part)) => Ok(Some(Expected::Error(part.text()?.to_owned()))),
        (None, None) => Ok(None),
    }
}

fn read_statement(node: &Node, dialect: Option<Dialect>) -> Result<Statement> {
    let mut map = node.map()?;
    let dialect = match dialect {
        Some(dialect) => dialect.name().to_owned(),
        None => map.need("on")?.text()?.to_owned(),
    };
    let sql = map.need("sql")?.text()?.to_owned();
    let expected = read_expected(&mut map)?;
    map.finish()?;
    match expected {
        Some(expected) => Ok(Statement { dialect, sql, expected }),
        None => node.error("`is` or `error` is missing"),
    }
}

/// Returns the address of a source such as `functions:to_char`. The addresses are in `differences.yml` or in the
/// dialect's file in `dialects/facts`.
fn source_text(node: &Node, dialect: Dialect, source: &str, own: &BTreeMap<String, String>) -> Result<String> {
    let (key, page) = source.split_once(':').unwrap_or((source, ""));
    let path = format!("dialects/facts/{dialect}.toml");
    let facts = files::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    let of_facts = facts
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'));
    match own.get(key).map(String::as_str).or(of_facts) {
        Some(address) => Ok(address.replace("{page}", page)),
        None => node.error(format!("there is no source `{key}`")),
    }
}
