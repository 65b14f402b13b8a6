//! Compares dbt's properties with the resulting Omni model, row by row, using the table in `mapping.yaml`.

use std::fmt::Write as _;

use formulac::artifacts::{Catalog, Manifest, ManifestReadOptions, RunResults, SourceResults};
use formulac::omni::{Artifacts, OmniModel, OmniOptions};
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// Row from which the contents of dbt's files are created.
struct Row<'r>(&'r Value);

impl Row<'_> {
    fn pairs(&self, key: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.0.get(key).and_then(Value::as_object).into_iter().flatten()
    }

    fn items(&self, key: &str) -> impl Iterator<Item = &Value> {
        self.0.get(key).and_then(Value::as_array).into_iter().flatten()
    }

    /// Returns a manifest with the nodes of the row, the properties that all nodes need, and the tests.
    fn manifest(&self) -> Manifest {
        let mut sections = json!({"nodes": {}, "sources": {}, "groups": {}});
        for (id, entry) in self.pairs("dbt") {
            let parts: Vec<&str> = id.split('.').collect();
            let is_source = parts[0] == "source";
            let name = parts[if is_source { 3 } else { 2 }];
            let mut node = json!({
                "resource_type": parts[0], "package_name": parts[1], "name": name, "schema": "shop", "alias": name,
                "unique_id": id, "relation_name": format!("shop.{name}"),
            });
            if is_source {
                // A source specifies the name of its table in `identifier`.
                node["alias"] = Value::Null;
                node["source_name"] = json!(parts[2]);
                node["identifier"] = json!(name);
            }
            for (key, value) in entry.as_object().into_iter().flatten() {
                node[key] = value.clone();
            }
            for (column, entry) in node["columns"].as_object_mut().into_iter().flatten() {
                if entry.is_null() {
                    *entry = json!({});
                }
                entry["name"] = json!(column);
            }
            let section = if ["model", "seed", "snapshot", "test"].contains(&parts[0]) {
                "node"
            } else {
                parts[0]
            };
            sections[format!("{section}s")][id] = node;
        }
        for (number, entry) in self.items("tests").enumerate() {
            let test = test(entry, number);
            sections["nodes"][test["unique_id"].as_str().unwrap()] = test.clone();
        }
        let adapter = self.0["options"]["dialect"].as_str().unwrap_or("postgres");
        sections["metadata"] =
            json!({"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "adapter_type": adapter});
        Manifest::from_text(&sections.to_string(), ManifestReadOptions::default()).unwrap()
    }

    fn catalog(&self) -> Option<Catalog> {
        let table = |entry: &Value| {
            let mut columns = Map::new();
            for (name, entry) in entry["columns"].as_object().into_iter().flatten() {
                let index = columns.len() + 1;
                let column = match entry {
                    Value::String(ty) => json!({"type": ty, "index": index, "name": name}),
                    entry => json!({"type": entry["type"], "comment": entry["comment"], "index": index, "name": name}),
                };
                columns.insert(name.clone(), column);
            }
            json!({"metadata": {"type": "TABLE", "schema": "shop", "comment": entry["comment"]}, "columns": columns})
        };
        let of = |prefix: bool| -> Map<String, Value> {
            let tables = self
                .pairs("catalog")
                .filter(|(id, _)| id.starts_with("source.") == prefix);
            tables.map(|(id, entry)| (id.clone(), table(entry))).collect()
        };
        self.0.get("catalog")?;
        let text = json!({"nodes": of(false), "sources": of(true)}).to_string();
        Some(Catalog::from_text(&text).unwrap())
    }

    fn runs(&self) -> Vec<RunResults> {
        let of_tests = self.items("tests").enumerate().filter_map(|(number, entry)| {
            let id = test(entry, number)["unique_id"].clone();
            Some(json!({"unique_id": id, "status": entry.get("status")?, "failures": entry.get("failures")}))
        });
        let of_models = self
            .pairs("runs")
            .map(|(id, seconds)| json!({"unique_id": id, "status": "success", "execution_time": seconds}));
        let results: Vec<Value> = of_tests.chain(of_models).collect();
        if results.is_empty() {
            return Vec::new();
        }
        let text = json!({"metadata": {"generated_at": "2026-11-20T06:30:00Z"}, "args": {"which": "build"}, "results": results});
        vec![RunResults::from_text(&text.to_string()).unwrap()]
    }

    fn freshness(&self) -> Option<SourceResults> {
        let results = self.pairs("freshness").map(|(id, entry)| {
            json!({"unique_id": id, "status": entry, "max_loaded_at": "2026-11-19T06:30:00Z", "snapshotted_at": "2026-11-20T06:30:00Z"})
        });
        let results: Vec<Value> = results.collect();
        (!results.is_empty()).then(|| SourceResults::from_text(&json!({"results": results}).to_string()).unwrap())
    }

    /// Returns the resulting Omni files as parsed YAML.
    fn generated_files(&self) -> Value {
        let (manifest, catalog) = (self.manifest(), self.catalog());
        let (runs, freshness) = (self.runs(), self.freshness());
        let mut artifacts = Artifacts::from_manifest(&manifest);
        artifacts.catalog = catalog.as_ref();
        artifacts.runs = &runs;
        artifacts.freshness = freshness.as_ref();
        let option = |name: &str| self.0["options"][name].as_bool() == Some(true);
        let dialect = manifest.metadata.adapter_type.as_deref().unwrap().parse().unwrap();
        let omni_options = OmniOptions::from_dialect(dialect)
            .strip_status(option("strip_status"))
            .topics(option("topics"))
            .access_grants(option("access_grants"));
        let before = self.0.get("status_before").map(Value::to_string);
        let model = OmniModel::new(artifacts, &omni_options, before.as_deref());
        let mut files = Map::new();
        for view in &model.views {
            files.insert(view.path.clone(), read(&view.text));
        }
        for topic in &model.topics {
            files.insert(topic.path.clone(), read(&topic.text));
        }
        let texts = [
            ("relationships.yaml", &model.relationships),
            ("model.yaml", &model.model),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                files.insert(name.to_owned(), read(text));
                files.insert(format!("{name} as text"), json!(text));
            }
        }
        if let Some(status) = &model.status {
            files.insert("dbt_status.json".to_owned(), serde_json::from_str(status).unwrap());
        }
        let gaps = model.gaps.iter().map(|gap| (gap.name.clone(), json!(gap.reason)));
        files.insert("gaps".to_owned(), Value::Object(gaps.collect()));
        Value::Object(files)
    }
}

/// Converts `{on: model.shop.orders, column: id, test: unique}` to dbt's format.
fn test(entry: &Value, number: usize) -> Value {
    let (on, name) = (entry["on"].as_str().unwrap(), entry["test"].as_str().unwrap());
    let parts: Vec<&str> = on.split('.').collect();
    let full = format!("{name}_{number}");
    let id = format!("test.shop.{full}.0123456789");
    let of_source = on.starts_with("source.");
    let mut kwargs = json!({"column_name": entry["column"]});
    for (key, value) in entry.as_object().unwrap() {
        if !["on", "test", "column", "config", "status", "failures", "reads"].contains(&key.as_str()) {
            kwargs[key] = value.clone();
        }
    }
    kwargs["model"] = json!(format!(
        "{{{{ get_where_subquery(ref('{}')) }}}}",
        parts.last().unwrap()
    ));
    if of_source {
        kwargs["model"] = json!(format!(
            "{{{{ get_where_subquery(source('{}', '{}')) }}}}",
            parts[2], parts[3]
        ));
    }
    let mut reads = vec![json!(on)];
    reads.extend(entry["reads"].as_array().into_iter().flatten().cloned());
    json!({
        "resource_type": "test", "package_name": "shop", "name": full, "unique_id": id,
        "attached_node": if of_source { Value::Null } else { json!(on) },
        "column_name": entry["column"], "config": entry["config"],
        "test_metadata": {"name": name, "kwargs": kwargs, "namespace": null},
        "depends_on": {"nodes": reads},
    })
}

/// Parses YAML with a different parser.
pub fn read(text: &str) -> Value {
    let documents = Yaml::load_from_str(text).unwrap_or_else(|fault| panic!("{fault}"));
    documents.first().map_or(Value::Null, value)
}

fn value(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Boolean(it)) => json!(it),
        Yaml::Value(Scalar::Integer(it)) => json!(it),
        Yaml::Value(Scalar::FloatingPoint(it)) => json!(it.into_inner()),
        Yaml::Value(Scalar::String(it)) => json!(it),
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Sequence(items) => Value::Array(items.iter().map(value).collect()),
        Yaml::Mapping(pairs) => {
            let text = |key: &Yaml<'_>| match value(key) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            Value::Object(pairs.iter().map(|(key, yaml)| (text(key), value(yaml))).collect())
        }
        other => panic!("{other:?}"),
    }
}

/// Lists the differences between the result and the expected value. Only the expected keys of a mapping are compared,
/// and an expected `null` means that the key is missing. Each expected line of the context must occur in the found
/// context.
fn differences(path: &str, expected: &Value, found: Option<&Value>, output: &mut String) {
    match (expected, found) {
        (Value::Null, None) => {}
        (Value::Object(keys), Some(Value::Object(all))) if !keys.is_empty() => {
            for (key, value) in keys {
                differences(&format!("{path}/{key}"), value, all.get(key), output);
            }
        }
        (Value::String(lines), Some(Value::String(text)))
            if path.ends_with("/ai_context") && lines.lines().all(|line| text.lines().any(|other| other == line)) => {}
        (expected, Some(found)) if expected == found => {}
        (expected, found) => {
            let found = found.map_or_else(|| "nothing".to_owned(), Value::to_string);
            let _ = writeln!(output, "  at {path}\n    expected {expected}\n    found    {found}");
        }
    }
}

#[test]
fn every_row_of_the_mapping() {
    let rows = read(include_str!("mapping.yaml"));
    let mut faults = String::new();
    let rows = rows.as_array().unwrap();
    for row in rows {
        let gives = Row(row).generated_files();
        let mut of_row = String::new();
        differences("", &row["gives"], Some(&gives), &mut of_row);
        if !of_row.is_empty() {
            let _ = write!(faults, "{}\n{of_row}", row["what"].as_str().unwrap_or_default());
        }
        for key in row.as_object().unwrap().keys() {
            let known = [
                "what",
                "dbt",
                "tests",
                "catalog",
                "runs",
                "freshness",
                "options",
                "status_before",
                "gives",
            ];
            assert!(known.contains(&key.as_str()), "{key} in {row}");
        }
    }
    assert!(faults.is_empty(), "{faults}");
    assert!(rows.len() > 60, "{} rows", rows.len());
}
