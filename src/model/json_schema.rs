//! JSON Schemas for specs and the project file, generated from the tables of keys that the loader also uses.

use serde_json::{Map, Value, json};

use super::keys::{DEFINITION, JOIN, Key, Keys, LOCAL, MODEL, PROJECT, RULE, STEP, Shape, WEEKDAYS};
use super::load::{NOT_IN_SHEETS, SHEET_KEYS};
use crate::diag::{Code, Severity};
use crate::dialect::Dialect;

/// Returns the JSON Schema (draft 2020-12) of a model spec.
///
/// ```
/// assert!(formulac_model::json_schema::spec().contains("\"group_by\""));
/// ```
#[must_use]
pub fn spec() -> String {
    let mut schema = SchemaWriter::default();
    let mut spec = schema.object(&[&MODEL, &STEP]);
    let own = STEP.keys.iter().filter(|key| MODEL.get(key.name).is_none());
    let none: Map<String, Value> = own.map(|key| (key.name.to_owned(), Value::Bool(false))).collect();
    // If the spec has `steps`, the keys of a step are not allowed at the top level.
    let beside = json!({"if": {"required": ["steps"]}, "then": {"properties": none}});
    if let Value::Array(all) = spec.entry("allOf").or_insert_with(|| json!([])) {
        all.push(beside);
    }
    schema.document(&MODEL, spec)
}

/// Returns the JSON Schema (draft 2020-12) of the project file, `formulac.yml`.
///
/// ```
/// assert!(formulac_model::json_schema::project().contains("\"dialect\""));
/// ```
#[must_use]
pub fn project() -> String {
    let mut schema = SchemaWriter::default();
    let project = schema.object(&[&PROJECT]);
    schema.document(&PROJECT, project)
}

/// Returns the JSON Schema of personal settings, `formulac.local.yml`.
///
/// ```
/// assert!(formulac_model::json_schema::local_settings_schema().contains("\"user\""));
/// ```
#[must_use]
pub fn local_settings_schema() -> String {
    let mut schema = SchemaWriter::default();
    let local = schema.object(&[&LOCAL]);
    schema.document(&LOCAL, local)
}

/// Writer for the schemas of mappings. It stores the schemas written so far, by title.
#[derive(Default)]
struct SchemaWriter {
    definitions: Map<String, Value>,
}

impl SchemaWriter {
    fn document(self, keys: &Keys, content: Map<String, Value>) -> String {
        let mut document = Map::new();
        document.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        document.insert("title".to_owned(), json!(format!("formulac {}", keys.title)));
        document.insert("description".to_owned(), json!(keys.doc));
        document.extend(content);
        if !self.definitions.is_empty() {
            document.insert("$defs".to_owned(), Value::Object(self.definitions));
        }
        format!("{:#}\n", Value::Object(document))
    }

    /// Returns the schema of a mapping that accepts the keys in these tables.
    fn object(&mut self, tables: &[&'static Keys]) -> Map<String, Value> {
        let keys = || tables.iter().flat_map(|table| table.keys);
        let mut properties: Map<String, Value> = Map::new();
        for key in keys() {
            // If a key is in both tables, use the first one. It is the key of the model, and its shape also accepts the
            // value of a step.
            if !properties.contains_key(key.name) {
                properties.insert(key.name.to_owned(), self.key(key));
            }
        }
        let required: Vec<&str> = keys()
            .filter(|key| key.required.is_some())
            .map(|key| key.name)
            .collect();
        let doubles: Vec<Value> = keys()
            .filter_map(|key| Some(json!({"not": {"required": [key.name, key.same_as?]}})))
            .collect();
        let mut object = Map::new();
        object.insert("type".to_owned(), json!("object"));
        object.insert("properties".to_owned(), Value::Object(properties));
        if !required.is_empty() {
            object.insert("required".to_owned(), json!(required));
        }
        if !doubles.is_empty() {
            object.insert("allOf".to_owned(), Value::Array(doubles));
        }
        if keys().any(|key| key.name == "calculations") {
            object.insert("if".to_owned(), worksheet());
            let none: Map<String, Value> = NOT_IN_SHEETS
                .iter()
                .map(|(key, _)| ((*key).to_owned(), json!({"type": "null"})))
                .collect();
            object.insert("then".to_owned(), json!({"properties": none}));
        }
        if !tables.iter().any(|table| table.open) {
            object.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
        object
    }

    fn key(&mut self, key: &'static Key) -> Value {
        let mut schema = self.shape(&key.shape);
        if key.may_be_empty() {
            schema = or_nothing(schema);
        }
        let Value::Object(schema) = &mut schema else {
            return schema;
        };
        schema.insert("description".to_owned(), json!(key.doc));
        if key.same_as.is_some() {
            schema.insert("deprecated".to_owned(), Value::Bool(true));
        }
        Value::Object(std::mem::take(schema))
    }

    /// Returns a reference to the schema of a mapping, which is below `$defs`.
    fn reference(&mut self, keys: &'static Keys) -> Value {
        if !self.definitions.contains_key(keys.title) {
            // Reserve the entry first, so that the definitions are in the order of discovery.
            self.definitions.insert(keys.title.to_owned(), Value::Null);
            let mut object = self.object(&[keys]);
            object.insert("description".to_owned(), json!(keys.doc));
            self.definitions.insert(keys.title.to_owned(), Value::Object(object));
        }
        json!({"$ref": format!("#/$defs/{}", keys.title)})
    }

    fn shape(&mut self, shape: &'static Shape) -> Value {
        let text = || json!({"type": ["string", "number", "boolean"]});
        match shape {
            Shape::Text | Shape::Formula => text(),
            // The pattern accepts `_` and the letters and digits of any script. The regular expressions of JSON Schema
            // have no portable class for them.
            Shape::Name => json!({"type": "string", "pattern": "^[^\\s\\d!-/:-@\\[-^`{-~][^\\s!-/:-@\\[-^`{-~]*$"}),
            Shape::Choice(words) => json!({"enum": words}),
            Shape::Dialect => json!({"enum": Dialect::all().map(Dialect::name).collect::<Vec<_>>()}),
            Shape::Weekday => {
                let capital = |day: &str| day.replacen(|_: char| true, &day.to_uppercase()[..1], 1);
                let capitals = WEEKDAYS.iter().map(|day| capital(day));
                json!({"enum": WEEKDAYS.iter().map(|day| (*day).to_owned()).chain(capitals).collect::<Vec<_>>()})
            }
            Shape::Boolean => json!({"type": "boolean"}),
            Shape::Count(_) => json!({"type": "integer", "minimum": 0}),
            Shape::Number => json!({"type": "number", "minimum": 0}),
            Shape::Names | Shape::Texts => {
                json!({"type": ["string", "number", "boolean", "array"], "items": text()})
            }
            Shape::Mapping => json!({"type": "object"}),
            Shape::Keys(keys) => self.reference(keys),
            Shape::Each(inner) => {
                let value = self.shape(inner);
                let value = if matches!(inner, Shape::Keys(_)) {
                    or_nothing(value)
                } else {
                    value
                };
                json!({"type": "object", "additionalProperties": value})
            }
            Shape::List(inner) => json!({"type": "array", "items": self.shape(inner)}),
            Shape::Either(one, other) => json!({"anyOf": [self.shape(one), self.shape(other)]}),
            Shape::DataTest => json!({"anyOf": [
                {"type": "string"},
                {"type": "object", "required": ["test_name"]},
                {"type": "object", "minProperties": 1, "maxProperties": 1,
                 "additionalProperties": {"type": ["object", "null"]}},
            ]}),
            Shape::Definitions => {
                let definition = self.reference(&DEFINITION);
                json!({"anyOf": [text(), {"type": "object", "additionalProperties": {"anyOf": [text(), definition]}}]})
            }
            Shape::Joins => json!({"type": "array", "items": self.reference(&JOIN)}),
            Shape::Rule => {
                let rule = self.reference(&RULE);
                json!({"anyOf": [rule, {
                    "type": "object", "minProperties": 1, "maxProperties": 1,
                    "properties": {"name": false, "check": false}, "additionalProperties": text(),
                }]})
            }
            Shape::Lint => {
                let codes = Code::ALL.iter().filter(|code| code.severity() == Severity::Warning);
                let names: Vec<&str> = codes.flat_map(|code| [code.code(), code.name()]).collect();
                let states =
                    json!({"enum": ["off", "on", false, true, "no", "yes", "ignore", "allow", "warn", "warning"]});
                json!({"anyOf": [
                    {"type": "array", "items": {"enum": names}},
                    {"type": "object", "propertyNames": {"enum": names}, "additionalProperties": states},
                ]})
            }
            Shape::Steps => json!({"type": "array", "minItems": 1, "items": self.reference(&STEP)}),
        }
    }
}

/// Returns a schema that matches steps that are worksheets.
fn worksheet() -> Value {
    let said = |key: &&str| match *key {
        "columns" => json!({"required": [key], "properties": {"columns": {"type": ["string", "array"]}}}),
        _ => json!({"required": [key], "not": {"properties": {*key: {"type": "null"}}}}),
    };
    json!({"anyOf": SHEET_KEYS.iter().map(said).collect::<Vec<_>>()})
}

/// Extends a schema so that it also accepts an empty value.
fn or_nothing(schema: Value) -> Value {
    match schema {
        Value::Object(mut schema) if schema.contains_key("type") => {
            if let Some(ty) = schema.get_mut("type") {
                match ty {
                    Value::Array(types) => types.push(json!("null")),
                    one => *one = json!([one.take(), "null"]),
                }
            }
            Value::Object(schema)
        }
        Value::Object(mut schema) if schema.contains_key("anyOf") => {
            if let Some(Value::Array(any)) = schema.get_mut("anyOf") {
                any.push(json!({"type": "null"}));
            }
            Value::Object(schema)
        }
        other => json!({"anyOf": [other, {"type": "null"}]}),
    }
}
