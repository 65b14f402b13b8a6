//! Tests `formulac schema`: the JSON Schemas are valid, and they accept and reject the same files as the loader.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use formulac::{Compiler, Project};
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

use crate::run::TestProject;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn schema(of: &str) -> Value {
    let run = TestProject::new(&format!("json_schema_{of}")).run(&["schema", of]);
    assert_eq!((run.exit, run.err.as_str()), (0, ""));
    run.json()
}

/// Parses YAML with the core schema, as an editor does.
fn yaml(text: &str) -> Value {
    let documents = Yaml::load_from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    documents.first().map_or(Value::Null, value)
}

fn value(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Sequence(items) => items.iter().map(value).collect(),
        Yaml::Mapping(pairs) => {
            let key = |key: &Yaml<'_>| match value(key) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            Value::Object(
                pairs
                    .iter()
                    .map(|(k, v)| (key(k), value(v)))
                    .collect::<Map<String, Value>>(),
            )
        }
        Yaml::Value(Scalar::Boolean(it)) => json!(it),
        Yaml::Value(Scalar::Integer(it)) => json!(it),
        Yaml::Value(Scalar::FloatingPoint(it)) => json!(it.into_inner()),
        Yaml::Value(Scalar::String(it)) => json!(it),
        Yaml::Value(Scalar::Null) => Value::Null,
        other => panic!("{other:?}"),
    }
}

/// Returns the first error in each document, according to the schema with the given name. Returns `None` if there is no
/// Python with `jsonschema`. The package is part of the dbt installation for the tests.
fn faults(documents: &[(&str, Value)]) -> Option<Vec<Option<String>>> {
    let schemas = json!({"spec": schema("spec"), "project": schema("project"), "local": schema("local")});
    first_schema_errors(&schemas, documents)
}

/// Returns the first error in each document, according to other schemas.
pub fn first_schema_errors(schemas: &Value, documents: &[(&str, Value)]) -> Option<Vec<Option<String>>> {
    let Some(dbt) = std::env::var_os("FORMULAC_DBT").filter(|v| !v.is_empty()) else {
        let required = std::env::var_os("FORMULAC_REQUIRE_ENGINES").is_some_and(|v| !v.is_empty());
        assert!(!required, "FORMULAC_DBT is not set, and FORMULAC_REQUIRE_ENGINES is");
        writeln!(std::io::stderr(), "SKIPPED cli::json_schema: FORMULAC_DBT is not set")
            .expect("standard error is open");
        return None;
    };
    let python = Path::new(&dbt).with_file_name("python");
    let given = json!({"schemas": schemas, "documents": documents});
    let mut child = Command::new(&python)
        .arg(root("tests/cli/fixtures/json_schema/check.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{}: {e}", python.display()));
    child
        .stdin
        .take()
        .unwrap()
        .write_all(given.to_string().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Returns the documents in a case file, each with a flag that is `true` if the document must be accepted. Each line is
/// a separate document.
fn cases(file: &str) -> Vec<(bool, String)> {
    let text = read(&root("tests/cli/fixtures/json_schema").join(file));
    let mut accepted = true;
    let mut cases = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("  - ") {
            Some(document) => cases.push((accepted, format!("{document}\n"))),
            None => accepted = line != "rejected:",
        }
    }
    assert!(
        cases.iter().filter(|(accepted, _)| *accepted).count() > 3 && cases.len() > 12,
        "{file}"
    );
    cases
}

#[test]
fn schemas_and_loader_agree() {
    let mut wrong = Vec::new();
    let loads = |of: &str, text: &str| match of {
        "spec" => !Compiler::default().compile_spec(text).has_errors(),
        "local" => {
            let (mut project, _) = Project::from_text("environments: {dev: {}, production: {}}\n");
            !project
                .apply_personal_settings(text)
                .iter()
                .any(formulac::Diagnostic::is_error)
        }
        _ => !Project::from_text(text).1.iter().any(formulac::Diagnostic::is_error),
    };
    let mut documents = Vec::new();
    for (of, file) in [
        ("spec", "specs.yml"),
        ("project", "projects.yml"),
        ("local", "locals.yml"),
    ] {
        for (accepted, text) in cases(file) {
            if loads(of, &text) != accepted {
                wrong.push(format!("the loader: {text}"));
            }
            documents.push((of, text, accepted));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let values: Vec<(&str, Value)> = documents.iter().map(|(of, text, _)| (*of, yaml(text))).collect();
    let Some(faults) = faults(&values) else { return };
    for ((_, text, accepted), fault) in documents.iter().zip(faults) {
        if fault.is_none() != *accepted {
            wrong.push(format!("the schema: {fault:?}: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The schema accepts the specs of the example project, the rubric, the conformance cases and the README.
#[test]
fn every_spec_of_the_repository_is_accepted() {
    let mut specs = Vec::new();
    for folder in ["examples/subscription_business/metrics", "tests/rubric/specs"] {
        for entry in fs::read_dir(root(folder)).unwrap() {
            let path = entry.unwrap().path();
            specs.push((path.display().to_string(), yaml(&read(&path))));
        }
    }
    for entry in fs::read_dir(root("tests/conformance/specs")).unwrap() {
        let path = entry.unwrap().path();
        for case in yaml(&read(&path))["cases"].as_array().unwrap() {
            let Some(spec) = case["spec"].as_str() else { continue };
            // Some cases contain specs that the loader also rejects.
            let compiled = Compiler::default().compile_spec(spec);
            if compiled
                .diagnostics()
                .iter()
                .any(|d| d.is_error() && d.code().starts_with("F08"))
            {
                continue;
            }
            specs.push((format!("{}: {}", path.display(), case["case"]), yaml(spec)));
        }
    }
    let project = yaml(&read(&root("examples/subscription_business/formulac.yml")));
    assert!(specs.len() > 60, "{} specs", specs.len());
    let mut documents: Vec<(&str, Value)> = specs.iter().map(|(_, spec)| ("spec", spec.clone())).collect();
    documents.push(("project", project));
    specs.push(("formulac.yml".to_owned(), Value::Null));
    let Some(faults) = faults(&documents) else { return };
    let wrong: Vec<String> = specs
        .iter()
        .zip(faults)
        .filter_map(|((name, _), fault)| Some(format!("{name}: {}", fault?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Editors can display a description of every key. Mappings accept no other keys, unless dbt defines them.
#[test]
fn schemas_describe_every_key_for_editors() {
    for of in ["spec", "project", "local"] {
        let schema = schema(of);
        // A spec file is one of several kinds of mappings, each of which has a definition.
        let mut mappings = vec![(of.to_owned(), &schema)];
        mappings.retain(|(name, _)| name != "spec");
        let definitions = schema["$defs"].as_object();
        mappings.extend(definitions.into_iter().flatten().map(|(name, it)| (name.clone(), it)));
        for (name, mapping) in mappings {
            assert!(mapping["description"].is_string(), "{name}");
            let open = ["constraint", "version"].contains(&name.as_str());
            assert_eq!(mapping["additionalProperties"] == json!(false), !open, "{name}");
            let properties = mapping["properties"].as_object().unwrap().iter();
            for (key, property) in properties.filter(|(_, property)| **property != json!(false)) {
                let words = property["description"].as_str().unwrap_or_default();
                assert!(words.ends_with('.') && words.len() > 8, "{name}.{key}: {words:?}");
            }
        }
    }
}
