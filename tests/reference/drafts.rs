//! Drafts examples for random specs. For the input rows of an example, the compiled queries must return the expected
//! rows of the example.
//!
//! `FORMULAC_DRAFTS=500` drafts examples for more specs, and `FORMULAC_SEED=7` drafts examples for other specs.

use std::collections::BTreeMap;

use formulac::{Compiler, Dialect, Relation, Schema};
use serde_json::{Value as Json, json};

use crate::batch::Batch;
use crate::compare::values_equal;
use crate::drawn::{Drawn, compile_query, dialects, messages, number, rows_fault};
use crate::engine::{Run, Table, announce_missing, print_directly, run_all};
use crate::run::Case;
use crate::yaml::{self, Result};

const SUITE: &str = "drafts";

/// A drafted example.
struct Example {
    tables: Vec<Json>,
    columns: Vec<String>,
    rows: Vec<Vec<Json>>,
}

pub fn run() {
    let first = number("FORMULAC_SEED", 1) * 1_000_000;
    let cases: Vec<Case> = (0..number("FORMULAC_DRAFTS", 12))
        .map(|at| Case::draw(first + at))
        .collect();
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    let mut drafted: Vec<(String, Schema, Vec<Example>)> = Vec::new();
    for case in cases {
        let (text, schema) = (case.text(), case.schema());
        match formulac::draft_examples(&Compiler::builder().schema(schema.clone()).build(), &text) {
            Ok(draft) => {
                let examples = read(draft.text(), &schema).unwrap_or_else(|why| panic!("{why}\n{}", draft.text()));
                drafted.push((text, schema, examples));
            }
            Err(why) => *refused.entry(why).or_default() += 1,
        }
    }
    for (why, count) in &refused {
        print_directly(&format!("{SUITE}: {count} are not drafted: {why}"));
    }
    let dialects: Vec<Dialect> = dialects()
        .into_iter()
        .filter(|d| matches!(d.name(), "duckdb" | "postgres"))
        .collect();
    let mut batches = Vec::new();
    for dialect in &dialects {
        let mut batch = Batch::default();
        let mut places = Vec::new();
        for (text, schema, examples) in &drafted {
            let query = compile_query(&[], text, schema.clone(), *dialect)
                .unwrap_or_else(|e| panic!("{}\n{text}", messages(&e)));
            places.extend(
                examples
                    .iter()
                    .map(|example| (text, example, batch.add(&query, &example.tables))),
            );
        }
        batches.push((*dialect, batch, places));
    }
    let questions: Vec<(Dialect, Batch)> = batches
        .iter_mut()
        .map(|(dialect, batch, _)| (*dialect, std::mem::take(batch)))
        .collect();
    let mut faults = Vec::new();
    for ((dialect, _, places), run) in batches.iter().zip(run_all(&format!("{SUITE}-{first}"), &questions)) {
        let answers = match run {
            Run::Missing(reason) => {
                announce_missing(*dialect, &reason, places.len());
                continue;
            }
            Run::Done(answers) => answers,
        };
        let found = places.iter().filter_map(|(text, example, index)| {
            let fault = match &answers[*index] {
                Ok(table) => find_difference(example, table)?,
                Err(error) => error.clone(),
            };
            let tables: String = example.tables.iter().map(|table| format!("{table}\n")).collect();
            Some(format!("{}: {fault}\n{tables}{text}", dialect.name()))
        });
        let found: Vec<String> = found.collect();
        print_directly(&format!(
            "{SUITE} {}: {} of {} examples agree",
            dialect.name(),
            places.len() - found.len(),
            places.len()
        ));
        faults.extend(found);
    }
    assert!(
        faults.is_empty(),
        "{} examples differ:\n{}",
        faults.len(),
        faults[..faults.len().min(4)].join("\n")
    );
    assert!(
        drafted.len() * 2 > refused.values().sum::<u64>() as usize,
        "few specs are drafted"
    );
}

fn read(text: &str, schema: &Schema) -> Result<Vec<Example>> {
    let mut map = yaml::parse(text)?.map()?;
    let examples = map.need("examples")?;
    examples
        .list()?
        .iter()
        .map(|node| {
            let mut example = node.map()?;
            let given = example.need("given")?;
            let tables = given.list()?.iter().map(|node| {
                let mut given = node.map()?;
                let input = given.need("input")?;
                let name = input
                    .text()?
                    .trim_start_matches("ref('")
                    .trim_end_matches("')")
                    .to_owned();
                let relation = schema.relation(&name).ok_or_else(|| format!("no relation {name}"))?;
                let rows = rows(&given.need("rows")?)?;
                Ok(table(relation, &rows))
            });
            let tables = tables.collect::<Result<Vec<Json>>>()?;
            let rows = rows(&example.need("expect")?.map()?.need("rows")?)?;
            let columns: Vec<String> = rows
                .first()
                .map(|row| row.keys().cloned().collect())
                .unwrap_or_default();
            let rows = rows.iter().map(|row| {
                columns
                    .iter()
                    .map(|c| row.get(c).cloned().unwrap_or_default())
                    .collect()
            });
            Ok(Example {
                tables,
                columns: columns.clone(),
                rows: rows.collect(),
            })
        })
        .collect()
}

fn rows(node: &yaml::Node) -> Result<Vec<BTreeMap<String, Json>>> {
    let cell = |(name, node): (String, yaml::Node)| Ok((name, node.scalar()?.clone()));
    node.list()?
        .iter()
        .map(|row| row.map()?.into_entries().into_iter().map(cell).collect())
        .collect()
}

fn table(relation: &Relation, rows: &[BTreeMap<String, Json>]) -> Json {
    let column = |c: &formulac::Column| json!({"name": c.name(), "type": c.ty().to_string(), "quoted": c.is_quoted()});
    let columns: Vec<Json> = relation.columns().iter().map(column).collect();
    let row = |row: &BTreeMap<String, Json>| -> Vec<Json> {
        relation
            .columns()
            .iter()
            .map(|c| row.get(c.name()).cloned().unwrap_or_default())
            .collect()
    };
    let rows: Vec<Vec<Json>> = rows.iter().map(row).collect();
    json!({"name": relation.name(), "columns": columns, "rows": rows})
}

/// Returns the difference between a result and the expected columns.
fn find_difference(example: &Example, table: &Table) -> Option<String> {
    let places: Option<Vec<usize>> = example
        .columns
        .iter()
        .map(|name| {
            table
                .columns
                .iter()
                .position(|column| column.eq_ignore_ascii_case(name))
        })
        .collect();
    let Some(places) = places else {
        return Some(format!("columns {:?}, expected {:?}", table.columns, example.columns));
    };
    let got: Vec<Vec<Json>> = table
        .rows
        .iter()
        .map(|row| places.iter().map(|at| row[*at].clone()).collect())
        .collect();
    // Decimals are written as strings to preserve their digits.
    let as_number = |json: &Json| {
        json.as_str()
            .and_then(|text| text.parse::<f64>().ok())
            .map_or(json.clone(), Json::from)
    };
    rows_fault(&example.rows, &got, false, |a, b| {
        values_equal(a, b) || values_equal(&as_number(a), &as_number(b))
    })
}
