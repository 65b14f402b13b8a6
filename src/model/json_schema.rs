//! JSON Schemas for specs and the project file, generated from the tables of keys that the loader also uses.

use serde_json::{Map, Value, json};

use super::keys::{
    DEFINITION, JOIN, Key, KeyShape, KeyTable, LOCAL, METRIC_SET, METRIC_SET_STEP, MODEL, PROJECT, RULE, STEP,
    STEP_INPUT,
};
use super::load::{FORBIDDEN_WORKSHEET_KEYS, WORKSHEET_KEYS};
use crate::calendar::Weekday;
use crate::diag::{Code, Severity};
use crate::dialect::Dialect;

/// Returns the JSON Schema (draft 2020-12) of a spec file: a model, a model built on metric sets, or a metric set.
///
/// ```
/// assert!(formulac_model::json_schema::spec_schema().contains("\"group_by\""));
/// ```
#[must_use]
pub fn spec_schema() -> String {
    let mut schema = JsonSchemaWriter::default();
    let mut model = schema.object_schema(&[&MODEL, &STEP]);
    forbid_step_keys(&mut model, &[&STEP]);
    model.insert("description".to_owned(), json!(MODEL.doc));
    let set = schema.schema_reference(&METRIC_SET);
    if let Some(Value::Object(set)) = schema.definitions.get_mut(METRIC_SET.title) {
        set.insert(
            "oneOf".to_owned(),
            json!([{"required": ["from"]}, {"required": ["sets"]}]),
        );
    }
    let over_sets = schema.model_on_metric_sets_schema();
    for (keys, object) in [(&METRIC_SET_STEP, over_sets), (&MODEL, model)] {
        schema.definitions.insert(keys.title.to_owned(), Value::Object(object));
    }
    let reference = |keys: &KeyTable| json!({"$ref": format!("#/$defs/{}", keys.title)});
    let in_first_step = json!({"prefixItems": [{"type": "object", "required": ["metrics"]}]});
    let reads_sets = json!({"anyOf": [
        {"required": ["metrics"]},
        {"required": ["steps"], "properties": {"steps": in_first_step}},
    ]});
    let mut spec = Map::new();
    spec.insert("type".to_owned(), json!("object"));
    spec.insert("if".to_owned(), json!({"required": ["metric_set"]}));
    spec.insert("then".to_owned(), set);
    spec.insert(
        "else".to_owned(),
        json!({"if": reads_sets, "then": reference(&METRIC_SET_STEP), "else": reference(&MODEL)}),
    );
    schema.schema_document(&MODEL, spec)
}

/// Forbids the keys of a step at the top level of a spec that has `steps`.
fn forbid_step_keys(spec: &mut Map<String, Value>, tables: &[&KeyTable]) {
    let keys = tables.iter().flat_map(|table| table.keys);
    let step_keys = keys.filter(|key| MODEL.get(key.name).is_none());
    let forbidden_keys: Map<String, Value> = step_keys.map(|key| (key.name.to_owned(), Value::Bool(false))).collect();
    let with_steps = json!({"if": {"required": ["steps"]}, "then": {"properties": forbidden_keys}});
    if let Value::Array(schemas) = spec.entry("allOf").or_insert_with(|| json!([])) {
        schemas.push(with_steps);
    }
}

/// Returns the JSON Schema (draft 2020-12) of the project file, `formulac.yml`.
///
/// ```
/// assert!(formulac_model::json_schema::project_schema().contains("\"dialect\""));
/// ```
#[must_use]
pub fn project_schema() -> String {
    let mut schema = JsonSchemaWriter::default();
    let project = schema.object_schema(&[&PROJECT]);
    schema.schema_document(&PROJECT, project)
}

/// Returns the JSON Schema of personal settings, `formulac.local.yml`.
///
/// ```
/// assert!(formulac_model::json_schema::local_settings_schema().contains("\"user\""));
/// ```
#[must_use]
pub fn local_settings_schema() -> String {
    let mut schema = JsonSchemaWriter::default();
    let local = schema.object_schema(&[&LOCAL]);
    schema.schema_document(&LOCAL, local)
}

/// Writer for the schemas of mappings. The writer stores the schemas written so far, by title.
#[derive(Default)]
struct JsonSchemaWriter {
    definitions: Map<String, Value>,
}

impl JsonSchemaWriter {
    fn schema_document(self, keys: &KeyTable, content: Map<String, Value>) -> String {
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

    /// Returns the schema of a model built on metric sets. The first step reads the metric sets, and each later step
    /// reads the previous step.
    fn model_on_metric_sets_schema(&mut self) -> Map<String, Value> {
        let mut model = self.object_schema(&[&METRIC_SET_STEP, &MODEL, &STEP]);
        forbid_step_keys(&mut model, &[&METRIC_SET_STEP, &STEP]);
        let mut first = self.object_schema(&[&METRIC_SET_STEP, &STEP]);
        for object in [&mut model, &mut first] {
            if let Some(Value::Object(properties)) = object.get_mut("properties") {
                let forbidden_keys = ["from", "joins", "keep"].map(|key| (key.to_owned(), Value::Bool(false)));
                properties.extend(forbidden_keys);
            }
        }
        let later = self.later_step_reference();
        if let Some(Value::Object(properties)) = model.get_mut("properties") {
            let doc = "The steps, in order. Only the first step reads metric sets.";
            let steps =
                json!({"type": "array", "prefixItems": [first], "items": later, "minItems": 1, "description": doc});
            properties.insert("steps".to_owned(), steps);
        }
        model.insert("description".to_owned(), json!(METRIC_SET_STEP.doc));
        model
    }

    /// Returns the schema of a mapping that accepts the keys in these tables.
    fn object_schema(&mut self, tables: &[&'static KeyTable]) -> Map<String, Value> {
        let keys = || tables.iter().flat_map(|table| table.keys);
        let mut properties: Map<String, Value> = Map::new();
        for key in keys() {
            // If several tables contain a key, use the entry from the first table, because the key of a model accepts
            // all values that the key of a step accepts.
            if !properties.contains_key(key.name) {
                properties.insert(key.name.to_owned(), self.key_schema(key));
            }
        }
        // A key is required only if the first table that contains it specifies this.
        let is_first = |key: &&Key| {
            tables
                .iter()
                .find_map(|table| table.get(key.name))
                .is_some_and(|first| std::ptr::eq(first, *key))
        };
        let required: Vec<&str> = keys()
            .filter(|key| key.required.is_some() && is_first(key))
            .map(|key| key.name)
            .collect();
        let doubles: Vec<Value> = keys()
            .filter_map(|key| Some(json!({"not": {"required": [key.name, key.alias_of?]}})))
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
            object.insert("if".to_owned(), worksheet_condition());
            let forbidden_keys: Map<String, Value> = FORBIDDEN_WORKSHEET_KEYS
                .iter()
                .map(|(key, _)| ((*key).to_owned(), json!({"type": "null"})))
                .collect();
            object.insert("then".to_owned(), json!({"properties": forbidden_keys}));
        }
        if !tables.iter().any(|table| table.open) {
            object.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
        object
    }

    fn key_schema(&mut self, key: &'static Key) -> Value {
        let mut schema = self.shape_schema(&key.shape);
        if key.may_be_empty() {
            schema = nullable_schema(schema);
        }
        let Value::Object(schema) = &mut schema else {
            return schema;
        };
        schema.insert("description".to_owned(), json!(key.doc));
        if key.alias_of.is_some() {
            schema.insert("deprecated".to_owned(), Value::Bool(true));
        }
        Value::Object(std::mem::take(schema))
    }

    /// Returns a reference to the schema of a mapping under `$defs`.
    fn schema_reference(&mut self, keys: &'static KeyTable) -> Value {
        self.named_schema_reference(keys.title, &[keys])
    }

    /// Returns a reference to the schema of steps that follow other steps.
    fn later_step_reference(&mut self) -> Value {
        self.named_schema_reference("later step", &[&STEP, &STEP_INPUT])
    }

    /// Returns a reference to the schema of mappings with the keys of all tables. The first table provides the
    /// description.
    fn named_schema_reference(&mut self, title: &str, tables: &[&'static KeyTable]) -> Value {
        if !self.definitions.contains_key(title) {
            // Reserve the entry first, so that the definitions are in the order of discovery.
            self.definitions.insert(title.to_owned(), Value::Null);
            let mut object = self.object_schema(tables);
            object.insert("description".to_owned(), json!(tables.first().map(|keys| keys.doc)));
            self.definitions.insert(title.to_owned(), Value::Object(object));
        }
        json!({"$ref": format!("#/$defs/{title}")})
    }

    fn shape_schema(&mut self, shape: &'static KeyShape) -> Value {
        let text = || json!({"type": ["string", "number", "boolean"]});
        match shape {
            KeyShape::Text | KeyShape::Formula => text(),
            KeyShape::TimeZone => json!({"type": "string"}),
            // The pattern accepts `_` and the letters and digits of any script, for which regular expressions in JSON
            // Schema have no portable class.
            KeyShape::Name => json!({"type": "string", "pattern": "^[^\\s\\d!-/:-@\\[-^`{-~][^\\s!-/:-@\\[-^`{-~]*$"}),
            KeyShape::Choice(words) => json!({"enum": words}),
            KeyShape::Dialect => json!({"enum": Dialect::all().map(Dialect::name).collect::<Vec<_>>()}),
            KeyShape::Weekday => {
                let capital = |day: &str| day.replacen(|_: char| true, &day.to_uppercase()[..1], 1);
                let names = Weekday::ALL.map(Weekday::name);
                json!({"enum": names.map(str::to_owned).into_iter().chain(names.map(capital)).collect::<Vec<_>>()})
            }
            KeyShape::Boolean => json!({"type": "boolean"}),
            KeyShape::Count(_) => json!({"type": "integer", "minimum": 0}),
            KeyShape::Number => json!({"type": "number", "minimum": 0}),
            KeyShape::Names | KeyShape::Texts => {
                json!({"type": ["string", "number", "boolean", "array"], "items": text()})
            }
            KeyShape::Mapping => json!({"type": "object"}),
            KeyShape::Keys(keys) => self.schema_reference(keys),
            KeyShape::Each(inner) => {
                let value = self.shape_schema(inner);
                let value = if matches!(inner, KeyShape::Keys(_)) {
                    nullable_schema(value)
                } else {
                    value
                };
                json!({"type": "object", "additionalProperties": value})
            }
            KeyShape::List(inner) => json!({"type": "array", "items": self.shape_schema(inner)}),
            KeyShape::Either(first_shape, other) => {
                json!({"anyOf": [self.shape_schema(first_shape), self.shape_schema(other)]})
            }
            KeyShape::DataTest => json!({"anyOf": [
                {"type": "string"},
                {"type": "object", "required": ["test_name"]},
                {"type": "object", "minProperties": 1, "maxProperties": 1,
                 "additionalProperties": {"type": ["object", "null"]}},
            ]}),
            KeyShape::Definitions => {
                let definition = self.schema_reference(&DEFINITION);
                json!({"anyOf": [text(), {"type": "object", "additionalProperties": {"anyOf": [text(), definition]}}]})
            }
            KeyShape::Joins => json!({"type": "array", "items": self.schema_reference(&JOIN)}),
            KeyShape::SpecRule => {
                let rule = self.schema_reference(&RULE);
                json!({"anyOf": [rule, {
                    "type": "object", "minProperties": 1, "maxProperties": 1,
                    "properties": {"name": false, "check": false}, "additionalProperties": text(),
                }]})
            }
            KeyShape::Lint => {
                let codes = Code::ALL.iter().filter(|code| code.severity() == Severity::Warning);
                let names: Vec<&str> = codes.flat_map(|code| [code.code(), code.name()]).collect();
                let states =
                    json!({"enum": ["off", "on", false, true, "no", "yes", "ignore", "allow", "warn", "warning"]});
                json!({"anyOf": [
                    {"type": "array", "items": {"enum": names}},
                    {"type": "object", "propertyNames": {"enum": names}, "additionalProperties": states},
                ]})
            }
            KeyShape::Steps => {
                let (first, later) = (self.schema_reference(&STEP), self.later_step_reference());
                json!({"type": "array", "minItems": 1, "prefixItems": [first], "items": later})
            }
        }
    }
}

/// Returns a schema that matches worksheet steps.
fn worksheet_condition() -> Value {
    let key_schema = |key: &&str| match *key {
        "columns" => json!({"required": [key], "properties": {"columns": {"type": ["string", "array"]}}}),
        _ => json!({"required": [key], "not": {"properties": {*key: {"type": "null"}}}}),
    };
    json!({"anyOf": WORKSHEET_KEYS.iter().map(key_schema).collect::<Vec<_>>()})
}

/// Extends a schema so that it also accepts an empty value.
fn nullable_schema(schema: Value) -> Value {
    match schema {
        Value::Object(mut schema) if schema.contains_key("type") => {
            if let Some(ty) = schema.get_mut("type") {
                match ty {
                    Value::Array(types) => types.push(json!("null")),
                    type_name => *type_name = json!([type_name.take(), "null"]),
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
