//! Spec cases: a complete spec, the tables that it reads, and the expected rows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use formulac::{CompiledSpec, Compiler, Dialect, Schema, SpecText};
use serde_json::Value as Json;

use crate::compare::values_equal;
use crate::engine::{Answer, Table};
use crate::expect::{Deviation, TestTable, columns, deviations, fault_of, parse_texts_by_dialect, row};
use crate::files;
use crate::model_cases::{self, ModelCase, ModelFile};
use crate::report::first_lines_and_rest_count;
use crate::yaml::{self, Node, Result};

pub struct SpecCase {
    pub name: String,
    pub line: usize,
    pub spec: String,
    /// Texts of the metric sets that the spec reads.
    pub sets: Vec<String>,
    pub tables: Vec<TestTable>,
    pub expected: Output,
    pub unordered: bool,
    /// `true` if the case covers a known pitfall of the function.
    pub edge: bool,
    /// `true` if the compiler receives no schema with the tables' columns.
    pub untyped: bool,
    pub refused: Option<String>,
    pub unsupported: BTreeMap<String, String>,
    pub differs: BTreeMap<String, Deviation<Output>>,
}

/// The expected rows. The keys of the first row are the columns, in order.
#[derive(Clone, Debug, Default)]
pub struct Output {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Json>>,
}

impl Output {
    /// Returns every expected value.
    pub fn values(&self) -> impl Iterator<Item = &Json> {
        self.rows.iter().flatten()
    }
}

/// Returns all spec cases, which are read only once.
pub fn read_all() -> &'static [ModelFile<SpecCase>] {
    static ALL: OnceLock<Vec<ModelFile<SpecCase>>> = OnceLock::new();
    ALL.get_or_init(|| model_cases::read_all("specs", read_file))
}

pub fn run() {
    model_cases::run("specs", "spec", read_all());
}

fn read_file(path: &Path) -> Result<(String, Vec<SpecCase>)> {
    let root = yaml::parse(&files::read(path))?;
    let mut map = root.map()?;
    let topic = map.need("topic")?.text()?.to_owned();
    let list = map.need("cases")?;
    let shared = (map.take("tables"), map.take("sets"));
    map.finish()?;
    let cases: Vec<SpecCase> = list
        .list()?
        .iter()
        .map(|node| read_case(node, (shared.0.as_ref(), shared.1.as_ref())))
        .collect::<Result<_>>()?;
    if cases.is_empty() {
        list.error("no cases")
    } else {
        Ok((topic, cases))
    }
}

/// Reads a case. `shared` contains the tables and metric sets for cases without their own.
fn read_case(node: &Node, shared: (Option<&Node>, Option<&Node>)) -> Result<SpecCase> {
    let mut map = node.map()?;
    let tables = map.take("tables").or_else(|| shared.0.cloned());
    let sets = map.take("sets").or_else(|| shared.1.cloned());
    let output_columns = map.take("columns").map(|node| node.texts()).transpose()?;
    let rows = map.take("rows");
    let refused = map
        .take("refused")
        .map(|node| node.text().map(str::to_owned))
        .transpose()?;
    let mut expected = match (&rows, &refused) {
        (Some(rows), None) => output(rows)?,
        (None, Some(_)) => Output::default(),
        _ => return node.error("a spec case needs `rows` or `refused`"),
    };
    match output_columns {
        Some(names) if expected.rows.is_empty() => expected.columns = names,
        Some(_) => return node.error("`columns` is for an output without rows"),
        None if expected.rows.is_empty() && refused.is_none() => {
            return node.error("an output without rows needs `columns`");
        }
        None => {}
    }
    let case = SpecCase {
        name: map.need("case")?.text()?.to_owned(),
        line: node.line,
        spec: map.need("spec")?.text()?.to_owned(),
        sets: sets.map_or(Ok(Vec::new()), |sets| sets.texts())?,
        tables: tables.map_or(Ok(Vec::new()), |tables| read_tables(&tables))?,
        expected,
        unordered: truth(node, "unordered", map.take("unordered"))?,
        edge: truth(node, "edge", map.take("edge"))?,
        untyped: truth(node, "untyped", map.take("untyped"))?,
        refused,
        unsupported: parse_texts_by_dialect(map.take("unsupported"))?,
        differs: deviations(map.take("differs"), output)?,
    };
    map.finish()?;
    Ok(case)
}

fn truth(case: &Node, key: &str, node: Option<Node>) -> Result<bool> {
    match node.map(|node| node.scalar().cloned()).transpose()? {
        None | Some(Json::Bool(false)) => Ok(false),
        Some(Json::Bool(true)) => Ok(true),
        Some(_) => case.error(format!("`{key}` is true or false")),
    }
}

pub fn read_tables(node: &Node) -> Result<Vec<TestTable>> {
    let mut tables = Vec::new();
    for (name, node) in node.map()?.into_entries() {
        let mut map = node.map()?;
        let columns = columns(&map.need("types")?)?;
        let key = map.take("key").map_or(Ok(Vec::new()), |node| node.texts())?;
        let quoted = map.take("quoted").map_or(Ok(Vec::new()), |node| node.texts())?;
        let mut rows = Vec::new();
        for node in map.need("rows")?.list()? {
            let mut map = node.map()?;
            rows.push(row(node, &mut map, &columns)?);
            map.finish()?;
        }
        map.finish()?;
        tables.push(TestTable {
            name,
            columns,
            key,
            quoted,
            rows,
        });
    }
    Ok(tables)
}

fn output(node: &Node) -> Result<Output> {
    let mut output = Output::default();
    for node in node.list()? {
        let entries = node.map()?.into_entries();
        let names: Vec<String> = entries.iter().map(|(name, _)| name.clone()).collect();
        if output.rows.is_empty() {
            output.columns = names;
        } else if output.columns != names {
            return node.error("every row must have the columns of the first, in the same order");
        }
        let values = entries.iter().map(|(_, value)| value.scalar().cloned());
        output.rows.push(values.collect::<Result<_>>()?);
    }
    Ok(output)
}

impl SpecCase {
    /// Compiles the metric sets.
    pub fn compile_sets(&self, compiler: &Compiler) -> Vec<CompiledSpec> {
        let texts: Vec<SpecText<'_>> = self.sets.iter().map(|text| SpecText { text, path: None }).collect();
        compiler.compile_specs(&texts)
    }
}

impl ModelCase for SpecCase {
    fn name(&self) -> &str {
        &self.name
    }

    fn line(&self) -> usize {
        self.line
    }

    fn spec(&self) -> String {
        self.spec.clone()
    }

    fn compile(&self, compiler: &Compiler) -> CompiledSpec {
        let sets = self.compile_sets(compiler);
        compiler.with_models(&sets).compile_spec(&self.spec)
    }

    fn schema(&self) -> Schema {
        let test_tables = if self.untyped { &[] } else { self.tables.as_slice() };
        test_tables
            .iter()
            .fold(Schema::new(), |schema, table| schema.with(table.relation()))
    }

    fn tables(&self) -> Vec<Json> {
        self.tables.iter().map(TestTable::to_json).collect()
    }

    fn rejection_code(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    fn unsupported_codes(&self) -> &BTreeMap<String, String> {
        &self.unsupported
    }

    fn check_answer(&self, dialect: Dialect, answer: &Answer) -> Option<String> {
        let fault = |output: &Output, table: &Table| table_fault(output, self.unordered, table);
        let deviant = |output: &Output, table: &Table| fault(output, table).is_none();
        fault_of(
            self.differs.get(dialect.name()),
            answer,
            |table| fault(&self.expected, table),
            deviant,
        )
    }
}

pub fn table_fault(expected: &Output, unordered: bool, table: &Table) -> Option<String> {
    // Snowflake returns unquoted names in upper case.
    let same_names = expected.columns.len() == table.columns.len()
        && (expected.columns.iter().zip(&table.columns)).all(|(expected, got)| expected.eq_ignore_ascii_case(got));
    if !same_names {
        return Some(format!(
            "columns {:?} expected, got {:?}",
            expected.columns, table.columns
        ));
    }
    let mut left: Vec<&Vec<Json>> = table.rows.iter().collect();
    let mut wrong = Vec::new();
    for (at, row) in expected.rows.iter().enumerate() {
        let fits = |got: &&Vec<Json>| row.iter().zip(got.iter()).all(|(a, b)| values_equal(a, b));
        let found = if unordered {
            left.iter().position(fits)
        } else {
            left.first().filter(|got| fits(got)).map(|_| 0)
        };
        match found {
            Some(found) => {
                left.remove(found);
            }
            None if unordered => {
                wrong.push(format!("row {}: {} is missing", at + 1, Json::from(row.as_slice())));
            }
            None => {
                let got = if left.is_empty() {
                    "nothing".to_owned()
                } else {
                    Json::from(left.remove(0).as_slice()).to_string()
                };
                let row = Json::from(row.as_slice());
                wrong.push(format!("row {}: expected {row}, got {got}", at + 1));
            }
        }
    }
    wrong.extend(
        left.iter()
            .map(|row| format!("too many: {}", Json::from(row.as_slice()))),
    );
    (!wrong.is_empty()).then(|| first_lines_and_rest_count(10, &wrong))
}
