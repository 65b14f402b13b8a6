//! Formulas with their specs, taken from the cases for all functions and from the specs in the other suites.

use std::path::{Path, PathBuf};

use formulac::{Column, Dialect, Relation, Schema, SpecText, Type};

use crate::yaml::{self, Node};

/// A spec and one of its definitions.
pub struct Cell {
    /// Name of the function or the file.
    pub group: String,
    pub formula: String,
    pub spec: String,
    pub schema: Schema,
    pub step: Option<String>,
    pub definition: String,
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str) -> Vec<PathBuf> {
    let (mut paths, mut left) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|e| e == "yml") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths
}

fn relation(name: &str, types: Option<&Node>) -> Relation {
    let mut relation = Relation::new(name);
    for (name, kind) in types.map(|t| t.map().unwrap().into_entries()).unwrap_or_default() {
        let written = kind.text().unwrap();
        let plain = written.strip_suffix('!').unwrap_or(written);
        let ty: Type = plain.parse().unwrap();
        relation = relation.with(Column::new(name, ty).nullable(plain == written));
    }
    relation
}

fn quote_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns a cell for each case of each function.
pub fn functions() -> Vec<Cell> {
    let mut cells = Vec::new();
    for path in files("tests/conformance/cases") {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut file = yaml::parse(&text).unwrap().map().unwrap();
        let function = file.need("function").unwrap().text().unwrap().to_owned();
        let types = file.take("types");
        let cases = file.need("cases").unwrap();
        for case in cases.list().unwrap() {
            let mut case = case.map().unwrap();
            let formula = case.need("formula").unwrap().text().unwrap().to_owned();
            let own = case.take("types").or_else(|| types.clone());
            let texts = |node: Option<Node>| node.map(|n| n.texts().unwrap()).unwrap_or_default();
            let (group_by, order_by) = (texts(case.take("group_by")), texts(case.take("order_by")));
            let relation = relation("t", own.as_ref()).with(Column::new("row_id", Type::Integer).nullable(false));
            let mut spec = String::from("model: answers\nfrom: t\n");
            for (key, names) in [("group_by", &group_by), ("order_by", &order_by)] {
                if !names.is_empty() {
                    let names: Vec<String> = names.iter().map(|n| quote_text(n)).collect();
                    spec.push_str(&format!("{key}: [{}]\n", names.join(", ")));
                }
            }
            let formula = formula
                .trim_start()
                .strip_prefix('=')
                .map_or(formula.clone(), str::to_owned);
            spec.push_str(&format!("definitions:\n  answer: {}\n", quote_text(&formula)));
            let schema = Schema::new().with(relation);
            cells.push(Cell {
                group: function.clone(),
                formula,
                spec,
                schema,
                step: None,
                definition: "answer".to_owned(),
            });
        }
    }
    cells
}

/// Returns a cell for each definition of each spec.
pub fn specs() -> Vec<Cell> {
    let mut cells = Vec::new();
    for path in files("tests/conformance/specs") {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut file = yaml::parse(&text).unwrap().map().unwrap();
        let topic = file.need("topic").unwrap().text().unwrap().to_owned();
        let shared = file.take("tables");
        for case in file.need("cases").unwrap().list().unwrap() {
            let mut case = case.map().unwrap();
            let spec = case.need("spec").unwrap().text().unwrap().to_owned();
            let mut schema = Schema::new();
            for tables in [shared.clone(), case.take("tables")].into_iter().flatten() {
                for (name, table) in tables.map().unwrap().into_entries() {
                    let types = table.map().unwrap().take("types");
                    schema = schema.with(relation(&name, types.as_ref()));
                }
            }
            definitions(&format!("spec {topic}"), spec, &schema, &mut cells);
        }
    }
    let (shop, _) = Schema::from_text(
        &std::fs::read_to_string(root().join("examples/subscription_business/schema.yml")).unwrap(),
        Dialect::default(),
    );
    let example: Vec<(PathBuf, String)> = files("examples/subscription_business/metrics")
        .into_iter()
        .map(|path| (path.clone(), std::fs::read_to_string(path).unwrap()))
        .collect();
    let texts: Vec<SpecText<'_>> = example.iter().map(|(_, text)| SpecText { text, path: None }).collect();
    let compiled = compiler(&shop).compile_specs(&texts);
    for ((path, text), compiled) in example.iter().zip(compiled) {
        let name = path.file_stem().unwrap().to_string_lossy();
        // Replace references to metric sets with their definitions.
        let spec = compiled.expanded().map_or_else(|| text.clone(), str::to_owned);
        definitions(&format!("example {name}"), spec, &shop, &mut cells);
    }
    for path in files("tests/rubric/specs") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        definitions(
            &format!("rubric {name}"),
            std::fs::read_to_string(&path).unwrap(),
            &Schema::new(),
            &mut cells,
        );
    }
    cells
}

fn compiler(schema: &Schema) -> formulac::Compiler {
    formulac::Compiler::builder()
        .dialect("duckdb".parse().unwrap())
        .schema(schema.clone())
        .build()
}

fn definitions(group: &str, spec: String, schema: &Schema, cells: &mut Vec<Cell>) {
    let compiler = formulac::Compiler::builder()
        .dialect("duckdb".parse().unwrap())
        .schema(schema.clone())
        .build();
    for definition in compiler.compile_spec(&spec).definitions() {
        cells.push(Cell {
            group: group.to_owned(),
            formula: definition.formula().split_whitespace().collect::<Vec<_>>().join(" "),
            spec: spec.clone(),
            schema: schema.clone(),
            step: definition.step().map(str::to_owned),
            definition: definition.name().to_owned(),
        });
    }
}
