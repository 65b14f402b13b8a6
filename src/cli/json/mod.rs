//! JSON output of commands: its version, and the JSON Schema of each command.
//!
//! `shapes.json` describes each key as `[types, description, inner]`. `inner` is a list of the allowed values, the type
//! of an array's items, or the shape of an object or of the items. A key `key?` is optional, `*` stands for any key,
//! `#name` refers to a shape that several commands share, and `...` includes all keys of the named shape.

use std::collections::BTreeSet;

use formulac::diag::{render, suggest};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::exit::{Exit, Failure};

const JSON_SHAPES: &str = include_str!("shapes.json");

/// Version of the JSON output. A new key does not change the version.
const OUTPUT_VERSION: u32 = 1;

/// JSON object that a command prints. The version comes before all other keys.
#[derive(Serialize)]
pub struct VersionedJson<'v, T: Serialize> {
    version: u32,
    #[serde(flatten)]
    object: &'v T,
}

impl<'v, T: Serialize> VersionedJson<'v, T> {
    pub fn from_object(object: &'v T) -> Self {
        Self {
            version: OUTPUT_VERSION,
            object,
        }
    }
}

/// Serializes the object of a command.
pub fn to_text(object: &impl Serialize) -> String {
    render::json_text(&VersionedJson::from_object(object))
}

/// Returns the JSON Schema of a command's `--json` output.
pub fn command_schema(command: &str) -> Result<String, Failure> {
    let shapes: Map<String, Value> = serde_json::from_str(JSON_SHAPES).unwrap_or_default();
    let Some(shape) = shapes.get(command).filter(|_| !command.starts_with('#')) else {
        let commands = shapes.keys().map(String::as_str).filter(|name| !name.starts_with('#'));
        let help = suggest::similar_name_help_or(command, commands.clone(), || {
            format!("the commands are {}", commands.collect::<Vec<_>>().join(", "))
        });
        return Err(Failure::new(Exit::Usage, format!("no command `{command}` prints JSON")).with_help(help));
    };
    let mut expansion = SchemaExpansion {
        shapes: &shapes,
        used: BTreeSet::new(),
    };
    let mut object = expansion.object_schema(shape);
    let version = json!({"const": OUTPUT_VERSION, "description": "Version of this JSON format. New keys do not change the version."});
    if let Some(keys) = object.get_mut("properties").and_then(Value::as_object_mut) {
        keys.shift_insert(0, "version".to_owned(), version);
    }
    if let Some(required) = object.get_mut("required").and_then(Value::as_array_mut) {
        required.insert(0, json!("version"));
    }
    // A shared definition may refer to other shared definitions.
    let mut defined: Map<String, Value> = Map::new();
    while let Some(name) = expansion
        .used
        .iter()
        .find(|name| !defined.contains_key(**name))
        .copied()
    {
        let shape = shapes.get(&format!("#{name}")).unwrap_or(&Value::Null);
        let definition = expansion.object_schema(shape);
        defined.insert(name.to_owned(), definition);
    }
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("formulac {command} --json"),
    });
    if let (Some(schema), Value::Object(object)) = (schema.as_object_mut(), object) {
        schema.extend(object);
        if !defined.is_empty() {
            schema.insert("$defs".to_owned(), Value::Object(defined));
        }
    }
    Ok(render::json_text(&schema))
}

/// Converts the descriptions in `shapes.json` to JSON Schema.
struct SchemaExpansion<'s> {
    shapes: &'s Map<String, Value>,
    /// Names of the shared shapes that have been referenced so far.
    used: BTreeSet<&'s str>,
}

impl<'s> SchemaExpansion<'s> {
    /// Returns the JSON Schema of an object with these keys, or of a shared shape.
    fn object_schema(&mut self, shape: &'s Value) -> Value {
        let mut schema = Map::from_iter([("type".to_owned(), json!("object"))]);
        let (mut properties, mut required) = (Map::new(), Vec::new());
        let mut waiting: Vec<(&String, &Value)> = self.key_schemas(shape);
        waiting.reverse();
        while let Some((key, value)) = waiting.pop() {
            match key.as_str() {
                "..." => waiting.extend(self.key_schemas(value).into_iter().rev()),
                "*" => {
                    let value_type = value.as_str().unwrap_or_default();
                    schema.insert("additionalProperties".to_owned(), self.type_schema(value_type, None));
                }
                key => {
                    let name = key.trim_end_matches('?');
                    if name == key {
                        required.push(json!(name));
                    }
                    properties.insert(name.to_owned(), self.property_schema(value));
                }
            }
        }
        if !properties.is_empty() {
            schema.insert("properties".to_owned(), Value::Object(properties));
            schema.insert("required".to_owned(), Value::Array(required));
        }
        Value::Object(schema)
    }

    /// Returns the keys of a shape, or of the shared shape to which it refers.
    fn key_schemas(&self, shape: &'s Value) -> Vec<(&'s String, &'s Value)> {
        let shape = shape.as_str().and_then(|name| self.shapes.get(name)).unwrap_or(shape);
        shape.as_object().into_iter().flatten().collect()
    }

    fn property_schema(&mut self, value: &'s Value) -> Value {
        let mut schema = self.type_schema(value[0].as_str().unwrap_or_default(), value.get(2));
        if let Some(fields) = schema.as_object_mut() {
            fields.shift_insert(0, "description".to_owned(), value[1].clone());
        }
        schema
    }

    /// Returns the JSON Schema of a type such as `string|null`, of a shared shape such as `#shape`, or of an object or
    /// array with its contents.
    fn type_schema(&mut self, types: &'s str, inner: Option<&'s Value>) -> Value {
        let mut names: Vec<&str> = types.split('|').collect();
        if let Some(name) = names.first().and_then(|first| first.strip_prefix('#')) {
            self.used.insert(name);
            let reference = json!({"$ref": format!("#/$defs/{name}")});
            return if names.len() > 1 {
                json!({"anyOf": [reference, {"type": "null"}]})
            } else {
                reference
            };
        }
        let mut schema = Map::new();
        match inner {
            Some(Value::Array(values)) => {
                let null = names.contains(&"null").then_some(Value::Null);
                schema.insert("enum".to_owned(), values.iter().cloned().chain(null).collect());
            }
            Some(Value::String(item_type)) => {
                schema.insert("items".to_owned(), self.type_schema(item_type, None));
            }
            Some(item_shape) if names.contains(&"array") => {
                schema.insert("items".to_owned(), self.object_schema(item_shape));
            }
            Some(object_shape) => {
                if let Value::Object(object) = self.object_schema(object_shape) {
                    schema.extend(object);
                }
            }
            None => {}
        }
        let only = if names.len() == 1 { names.pop() } else { None };
        schema.insert("type".to_owned(), only.map_or_else(|| json!(names), |only| json!(only)));
        Value::Object(schema)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args;

    #[test]
    fn every_command_that_prints_json_has_a_schema() {
        let (mut open, mut names) = (vec![(String::new(), args::command())], Vec::new());
        while let Some((name, command)) = open.pop() {
            let inner = command
                .get_subcommands()
                .map(|command| (format!("{name} {}", command.get_name()), command.clone()));
            open.extend(inner);
            if command.get_arguments().any(|arg| arg.get_long() == Some("json")) {
                names.push(name.trim().to_owned());
            }
        }
        names.sort();
        let shapes: Map<String, Value> = serde_json::from_str(JSON_SHAPES).unwrap();
        let mut described: Vec<&String> = shapes.keys().filter(|name| !name.starts_with('#')).collect();
        described.sort();
        names.push("error".to_owned());
        names.sort();
        assert_eq!(described, names.iter().collect::<Vec<_>>());
        for name in names {
            let schema: Value = serde_json::from_str(&command_schema(&name).unwrap()).unwrap();
            assert_eq!(schema["properties"]["version"]["const"], OUTPUT_VERSION, "{name}");
        }
    }
}
