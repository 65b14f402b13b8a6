//! Specs with their schemas, from the example project and from `specs/`.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use formulac::{Column, Compiler, Dialect, Relation, Schema, SpecText, Type};

use crate::orders::orders;

/// A spec with its SQL in one dialect.
pub struct Written {
    pub name: String,
    pub dialect: Dialect,
    pub spec: String,
    pub query: String,
    pub model: String,
    /// Relations that the spec reads.
    pub tables: Vec<String>,
}

impl Written {
    /// Returns the name of the spec and the dialect, for messages.
    pub fn describe(&self) -> String {
        format!("{} in {}", self.name, self.dialect)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn specs_in(folder: &str) -> Vec<(String, String)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "yml"));
    paths.sort();
    let read = |p: PathBuf| {
        (
            p.file_stem().unwrap().to_string_lossy().into_owned(),
            std::fs::read_to_string(&p).unwrap(),
        )
    };
    paths.into_iter().map(read).collect()
}

/// Returns a relation for lookups that has no known key.
fn rates() -> Relation {
    Relation::new("rates")
        .with(Column::new("status", Type::Text))
        .with(Column::new("minimum", Type::Decimal).nullable(false))
        .with(Column::new("rate", Type::Decimal))
        .with(Column::new("since", Type::Date))
}

/// Returns a relation with the same name as the CTE that computes values of `orders`.
fn orders_calculated() -> Relation {
    Relation::new("orders_calculated")
        .with(Column::new("id", Type::Integer))
        .with(Column::new("grade", Type::Text))
        .primary_key(["id"])
}

/// Returns every spec with its schema.
pub fn specs() -> Vec<(String, String, Schema)> {
    let facts = std::fs::read_to_string(root().join("examples/subscription_business/schema.yml")).unwrap();
    let (founding, faults) = Schema::from_text(&facts, Dialect::default());
    assert!(faults.is_empty(), "{faults:?}");
    let own = Schema::new().with(orders()).with(rates()).with(orders_calculated());
    let mut all = Vec::new();
    for (name, text) in specs_in(EXAMPLE) {
        if is_set(&text) {
            continue;
        }
        all.push((format!("founding_{name}"), text, founding.clone()));
    }
    for (name, text) in specs_in("tests/rubric/specs") {
        all.push((name, text, own.clone()));
    }
    assert!(all.len() >= 48, "only {} specs", all.len());
    all
}

/// Folder of the example's specs, two of which are metric sets.
const EXAMPLE: &str = "examples/subscription_business/metrics";

fn is_set(text: &str) -> bool {
    text.starts_with("metric_set:")
}

/// Returns a compiler with the metric sets in `sets/` and in the example. Specs with the same schema share it.
pub fn compiler(dialect: Dialect, schema: &Schema) -> Compiler {
    static KNOWN: Mutex<Vec<(Dialect, Schema, Compiler)>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((.., compiler)) = known.iter().find(|(of, with, _)| (*of, with) == (dialect, schema)) {
        return compiler.clone();
    }
    let compiler = with_sets(dialect, schema.clone());
    known.push((dialect, schema.clone(), compiler.clone()));
    compiler
}

fn with_sets(dialect: Dialect, schema: Schema) -> Compiler {
    let compiler = Compiler::builder().dialect(dialect).schema(schema).build();
    let mut sets = specs_in("tests/rubric/sets");
    sets.extend(specs_in(EXAMPLE).into_iter().filter(|(_, text)| is_set(text)));
    let texts: Vec<SpecText<'_>> = sets.iter().map(|(_, text)| SpecText { text, path: None }).collect();
    compiler.with_models(&compiler.compile_specs(&texts))
}

/// Returns every spec in every dialect. Specs that a dialect rejects are omitted. The snapshots contain the rejections.
pub fn compiled_specs() -> Vec<Written> {
    let mut all = Vec::new();
    for (name, spec, schema) in specs() {
        for dialect in Dialect::verified() {
            let compiled = compiler(dialect, &schema).compile_spec(&spec);
            if let (Some(query), Some(model)) = (compiled.query(), compiled.model_sql()) {
                let (query, model, tables) = (query.to_owned(), model.to_owned(), compiled.tables().to_vec());
                all.push(Written {
                    name: name.clone(),
                    dialect,
                    spec: spec.clone(),
                    query,
                    model,
                    tables,
                });
            }
        }
    }
    all
}
