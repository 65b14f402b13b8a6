//! Checks that every column of every model has a description: a written description, the column's formula, or the
//! columns from which it is computed.

use std::path::Path;

use formulac::diag::{Code, Example};
use formulac::{Compiler, Dialect, Schema, SpecText};

use crate::model_cases::ModelCase;
use crate::{files, sheet_case, spec_case};

/// Returns the columns without a description, and the total number of columns.
fn columns_without_description(spec: &str, schema: Schema) -> (Vec<String>, usize) {
    let compiled = Compiler::builder().schema(schema).build().compile_spec(spec);
    let Some(yml) = compiled.model_yml() else {
        return (Vec::new(), 0);
    };
    let is_silent = |text: Option<&str>| text.is_none_or(|text| text.trim().is_empty());
    let silent = compiled
        .columns()
        .iter()
        .filter(|column| is_silent(column.description_text()));
    let silent: Vec<String> = silent.map(|column| column.name().to_owned()).collect();
    // Each description also appears in the properties file.
    let written = yml
        .lines()
        .filter(|line| line.starts_with("        description: "))
        .count();
    assert!(written >= compiled.columns().len() - silent.len(), "{yml}");
    (silent, compiled.columns().len())
}

/// Returns the specs in a folder of the repository, each with the schema file in the same folder, if the file exists.
fn specs_below(folder: &str, schema: Option<&str>) -> Vec<(String, String, Schema)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = schema.map(|path| Schema::from_text(&files::read(&root.join(path)), Dialect::default()).0);
    let entries = root.join(folder).read_dir().expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let paths = paths.filter(|path| path.extension().is_some_and(|end| end == "yml"));
    let texts: Vec<(String, String)> = paths
        .map(|path| (files::short_name(&path), files::read(&path)))
        .collect();
    let specs: Vec<SpecText<'_>> = texts.iter().map(|(_, text)| SpecText { text, path: None }).collect();
    let compiled = Compiler::default().compile_specs(&specs);
    // Replace references to metric sets with their definitions.
    let expanded = texts.iter().zip(&compiled).map(|((name, text), compiled)| {
        let text = compiled.expanded().unwrap_or(text);
        (name.clone(), text.to_owned(), schema.clone().unwrap_or_default())
    });
    let found: Vec<(String, String, Schema)> = expanded.collect();
    assert!(!found.is_empty(), "{folder} has specs");
    found
}

pub fn run() {
    let mut specs = specs_below(
        "examples/subscription_business/metrics",
        Some("examples/subscription_business/schema.yml"),
    );
    specs.extend(specs_below("examples/subscription_business/metrics", None));
    specs.extend(specs_below("tests/example_project/kinds/specs", None));
    specs.extend(specs_below(
        "tests/example_project/incremental",
        Some("tests/example_project/incremental/schema.yml"),
    ));
    specs.extend(specs_below(
        "tests/example_project/proofs",
        Some("tests/example_project/proofs/schema.yml"),
    ));
    for file in spec_case::read_all() {
        specs.extend(
            file.cases
                .iter()
                .map(|case| (case.name().to_owned(), case.spec(), case.schema())),
        );
    }
    for file in sheet_case::read_all() {
        specs.extend(
            file.cases
                .iter()
                .map(|case| (case.name().to_owned(), case.spec(), case.schema())),
        );
    }
    for code in Code::ALL {
        if let Example::Spec(spec) | Example::Model(spec) = code.page().right {
            specs.push((code.code().to_owned(), spec.to_owned(), Schema::new()));
        }
    }
    let mut silent = Vec::new();
    let mut columns = 0;
    for (name, spec, schema) in &specs {
        let (found, count) = columns_without_description(spec, schema.clone());
        columns += count;
        if !found.is_empty() {
            silent.push(format!("{name}: {}", found.join(", ")));
        }
    }
    assert!(columns > 2_000, "only {columns} columns were looked at");
    assert!(
        silent.is_empty(),
        "columns of which nothing is said:\n{}",
        silent.join("\n")
    );
}
