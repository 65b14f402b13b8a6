//! Tests the lineage of the example projects. The expected sources of each column were checked by hand. Each line in
//! `projects/*.txt` has the form `model.column <- columns | rows and windows`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use formulac::artifacts::{Catalog, Manifest, ManifestReadOptions, ResourceType};
use formulac::dbt::relation_name_parts;
use formulac::lineage::{ColumnSource, RelationColumnList, SqlLineage, lineage_of_sql};
use formulac::{CompiledSpec, Compiler, Dialect, Schema, SpecText};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn check(name: &str, text: &str) {
    let path = root().join("tests/lineage/projects").join(name);
    if std::env::var_os("FORMULAC_WRITE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert_eq!(text, expected, "{}", path.display());
}

fn lines(model: &str, lineage: &SqlLineage, shown: &dyn Fn(&ColumnSource) -> String) -> String {
    let list = |columns: &[ColumnSource]| columns.iter().map(shown).collect::<Vec<_>>().join(" ");
    let mut out = String::new();
    for column in lineage.columns() {
        let line = format!("{model}.{} <- {}", column.name, list(&column.source_columns));
        let by = list(&column.window_columns);
        let by = if by.is_empty() {
            String::new()
        } else {
            format!(" over {by}")
        };
        let _ = writeln!(out, "{}{by}", line.trim_end());
    }
    let _ = writeln!(
        out,
        "{}",
        format!("{model} rows <- {}", list(&lineage.rows())).trim_end()
    );
    assert!(lineage.is_complete(), "{model}");
    for gap in lineage.gaps() {
        let _ = writeln!(out, "{model} gap {gap}");
    }
    out
}

/// The compiled SQL of the fixture, from two versions of dbt.
#[test]
fn the_fixture_project() {
    for version in ["dbt_1_12", "dbt_1_10"] {
        let read = |file: &str| fs::read_to_string(root().join("tests/artifacts").join(version).join(file)).unwrap();
        let manifest = Manifest::from_text(
            &read("manifest.json"),
            ManifestReadOptions::default().with_compiled_code(),
        )
        .unwrap();
        let catalog = Catalog::from_text(&read("catalog.json")).unwrap();
        let by_relation: BTreeMap<Vec<String>, &str> = manifest
            .nodes
            .iter()
            .filter_map(|node| Some((relation_name_parts(node.relation_name.as_deref()?), &*node.unique_id)))
            .collect();
        let known = |parts: &[String]| {
            let table = by_relation.get(parts).and_then(|id| catalog.table(id));
            let columns = table.map(|table| table.columns.iter().map(|column| column.name.to_string()).collect());
            RelationColumnList {
                is_complete: columns.is_some(),
                columns: columns.unwrap_or_default(),
            }
        };
        let mut found = String::new();
        for node in manifest.with_type(ResourceType::Model) {
            let sql = node.compiled_code.as_deref().unwrap();
            let lineage = lineage_of_sql(sql, "duckdb".parse().ok(), &known).unwrap();
            let shown = |of: &ColumnSource| format!("{}.{}", of.relation.last().unwrap(), of.column);
            found += &lines(&node.name, &lineage, &shown);
            // The reported columns match the columns in the warehouse.
            let names: Vec<&str> = lineage.names().collect();
            let real: Vec<&str> = catalog
                .table(&node.unique_id)
                .unwrap()
                .columns
                .iter()
                .map(|column| &*column.name)
                .collect();
            assert_eq!(names, real, "{}", node.name);
        }
        check("fixture.txt", &found);
    }
}

fn specs(dialect: Dialect) -> Vec<(String, CompiledSpec)> {
    let project = root().join("examples/subscription_business");
    let schema = fs::read_to_string(project.join("schema.yml")).unwrap();
    let (schema, faults) = Schema::from_texts(&[("schema.yml", &schema)], dialect);
    assert_eq!(faults, []);
    let compiler = Compiler::builder().dialect(dialect).schema(schema).build();
    let mut paths: Vec<PathBuf> = fs::read_dir(project.join("metrics"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let texts: Vec<String> = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let texts: Vec<SpecText<'_>> = texts.iter().map(|text| SpecText { text, path: None }).collect();
    let compiled = compiler.compile_specs(&texts);
    compiled
        .into_iter()
        .filter(|spec| spec.metric_set().is_none())
        .map(|spec| (spec.name().unwrap().to_owned(), spec))
        .collect()
}

/// All models of the example have the same lineage in four dialects and in the specs themselves.
#[test]
fn the_example_project() {
    let nothing = |_: &[String]| RelationColumnList::default();
    let of_dialect = |dialect: Dialect| {
        let mut found = String::new();
        for (name, spec) in specs(dialect) {
            let columns: BTreeMap<String, Vec<String>> = specs(dialect)
                .into_iter()
                .map(|(name, spec)| {
                    (
                        name,
                        spec.columns().iter().map(|column| column.name().to_owned()).collect(),
                    )
                })
                .collect();
            let known = |parts: &[String]| match parts.last().and_then(|last| columns.get(last)) {
                Some(columns) => RelationColumnList {
                    columns: columns.clone(),
                    is_complete: true,
                },
                None => nothing(parts),
            };
            let lineage = lineage_of_sql(spec.query().unwrap(), Some(dialect), &known).unwrap();
            let shown = |of: &ColumnSource| of.to_string();
            found += &lines(&name, &lineage, &shown);
            same_as_spec(dialect, &name, &spec, &lineage);
        }
        found
    };
    let found: Vec<String> = Dialect::all().map(of_dialect).collect();
    for (dialect, other) in Dialect::all().zip(&found) {
        for (line, first) in other.lines().zip(found[0].lines()) {
            assert_eq!(line, first, "{}", dialect.name());
        }
    }
    check("subscription_business.txt", &found[0]);
}

/// A lookup is a join. In a spec, its keys are sources of the column, but in SQL they determine the rows.
fn same_as_spec(dialect: Dialect, name: &str, spec: &CompiledSpec, lineage: &SqlLineage) {
    let rows: Vec<String> = lineage.rows().iter().map(ToString::to_string).collect();
    for column in spec.lineage() {
        let declared_sources: Vec<String> = column
            .sources()
            .iter()
            .map(|of| format!("{}.{}", of.relation(), of.column()).to_lowercase())
            .collect();
        let lineage_column = lineage
            .column(column.column())
            .unwrap_or_else(|| panic!("{name}.{}", column.column()));
        let made_of: Vec<String> = lineage_column.source_columns.iter().map(ToString::to_string).collect();
        let by: Vec<String> = lineage_column.window_columns.iter().map(ToString::to_string).collect();
        let shown = format!(
            "{} {name}.{}: spec {declared_sources:?}, SQL {made_of:?} over {by:?}",
            dialect.name(),
            column.column()
        );
        let is_joined = |source: &&String| rows.contains(source) || by.contains(source);
        assert!(
            declared_sources
                .iter()
                .filter(|source| !made_of.contains(source))
                .all(|source| is_joined(&source)),
            "{shown}"
        );
        assert!(
            made_of.iter().all(|source| declared_sources.contains(source)),
            "{shown}"
        );
    }
}
