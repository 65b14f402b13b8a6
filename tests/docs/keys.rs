//! Generates `docs/keys.md`: the keys of specs and settings, from the JSON Schemas that editors use.

use std::env;
use std::fmt::Write as _;
use std::process::Command;

use serde_json::{Map, Value};

use crate::pages::root;
use crate::project::read;
use crate::tools::write;

const PAGE: &str = "docs/keys.md";
const HEAD: &str = "# Keys of specs and settings

This page is generated from `formulac schema spec`, `schema project` and `schema local`. **Bold** keys are required.
";

fn schema(of: &str) -> Map<String, Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_formulac"))
        .args(["schema", of])
        .output()
        .expect("formulac runs");
    let Ok(Value::Object(schema)) = serde_json::from_slice(&output.stdout) else {
        panic!("a JSON Schema of {of}")
    };
    schema
}

fn object<'v>(of: &'v Map<String, Value>, key: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    of.get(key).and_then(Value::as_object).into_iter().flatten()
}

/// Returns the strings that a key accepts. `None` if it also accepts other values.
fn choices(key: &Value) -> Option<String> {
    let words = key["enum"].as_array()?.iter().filter_map(Value::as_str);
    // Days of the week are accepted in upper and lower case.
    let words: Vec<String> = words
        .filter(|word| !word.starts_with(char::is_uppercase))
        .map(|it| format!("`{it}`"))
        .collect();
    (words.len() > 1).then(|| format!(" One of {}.", words.join(", ")))
}

/// Returns the section of one kind of mapping. `others` contains the keys that have a separate section.
fn section(title: &str, note: &str, schema: &Map<String, Value>, others: &[&String]) -> String {
    let doc = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let mut text = format!("\n## {title}\n\n{doc}{note}\n\n| key | meaning |\n|---|---|\n");
    let required = schema.get("required").and_then(Value::as_array);
    for (name, key) in object(schema, "properties").filter(|(name, _)| !others.contains(name)) {
        let Some(doc) = key["description"].as_str() else {
            continue;
        };
        let is_required = required.is_some_and(|all| all.iter().any(|it| it == name));
        let shown = if is_required {
            format!("**`{name}`**")
        } else {
            format!("`{name}`")
        };
        let choices = choices(key).unwrap_or_default();
        let _ = writeln!(text, "| {shown} | {}{choices} |", doc.replace('|', "\\|"));
    }
    text
}

fn page() -> String {
    let mut text = HEAD.to_owned();
    for (of, title) in [
        ("spec", "Spec"),
        ("project", "formulac.yml"),
        ("local", "formulac.local.yml"),
    ] {
        let mut schema = schema(of);
        // A spec file is a model, a model built on metric sets, or a metric set.
        if of == "spec" {
            let all = schema.get_mut("$defs").and_then(Value::as_object_mut);
            let Some(Value::Object(model)) = all.and_then(|all| all.remove(of)) else {
                panic!("a JSON Schema of a model")
            };
            schema.extend(model);
        }
        let step = object(&schema, "$defs").find(|(name, _)| *name == "step");
        let of_step: Vec<&String> = step
            .iter()
            .filter_map(|(_, it)| it["properties"].as_object())
            .flatten()
            .map(|it| it.0)
            .collect();
        let others: Vec<&String> = of_step.into_iter().filter(|name| *name != "columns").collect();
        let note = if of == "spec" {
            " A spec with one step can have the [step](#step)'s keys at the top level."
        } else {
            ""
        };
        text.push_str(&section(title, note, &schema, &others));
        for (name, part) in object(&schema, "$defs") {
            let part = part.as_object().expect("a mapping of keys");
            // A model built on metric sets has most of its keys in common with other models.
            let is_shared = |(name, key): &(&String, &Value)| {
                let same =
                    |of: &Map<String, Value>| of.get("properties").is_some_and(|all| all[name.as_str()] == **key);
                name.as_str() != "metrics"
                    && (same(&schema) || step.is_some_and(|(_, step)| step.as_object().is_some_and(same)))
            };
            let is_over_sets = object(part, "properties").any(|(name, _)| name == "overrides");
            let shared = object(part, "properties").filter(|key| is_over_sets && is_shared(key));
            let shared: Vec<&String> = shared.map(|(name, _)| name).collect();
            let note = if is_over_sets {
                " All other keys are the same as in a spec."
            } else {
                ""
            };
            text.push_str(&section(name, note, part, &shared));
        }
    }
    text
}

#[test]
fn every_key_is_documented() {
    let (path, now) = (root().join(PAGE), page());
    if env::var_os("FORMULAC_WRITE").is_some() {
        return write(&path, &now);
    }
    let hint = "run `FORMULAC_WRITE=1 cargo test --all-features --test docs keys` and read the change";
    assert!(read(&path) == now, "{PAGE} is out of date; {hint}");
}
