//! Reads the files of the example: its seeds, their column types and keys, and the expected rows.

use std::fs;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// Returns the folder of the example. No test writes to it.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/subscription_business")
}

pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Reads a YAML file as a JSON value.
pub fn yaml(path: &Path) -> Value {
    let text = read(path);
    let documents = Yaml::load_from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert_eq!(documents.len(), 1, "{} holds one document", path.display());
    to_json(&documents[0])
}

fn to_json(node: &Yaml) -> Value {
    match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(items) => items.iter().map(to_json).collect(),
        Yaml::Mapping(entries) => {
            let entry = |(key, value): (&Yaml, &Yaml)| (text(&to_json(key)), to_json(value));
            Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
        }
        other => panic!("YAML of a kind that the example does not use: {other:?}"),
    }
}

/// Returns the text of a JSON value, which must be a string.
pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("text expected, found {value}"))
        .to_owned()
}

fn list(value: &Value) -> &[Value] {
    value
        .as_array()
        .unwrap_or_else(|| panic!("a list expected, found {value}"))
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(text).collect()
}

/// Returns the sorted names of the example's files `folder/*.extension`, without the extension. A leading underscore
/// marks a file that describes the other files.
pub fn file_stems(folder: &str, extension: &str) -> Vec<String> {
    let path = self::folder().join(folder);
    let entries = fs::read_dir(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|file| file.extension().is_some_and(|found| found == extension))
        .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
        .filter(|name| !name.starts_with('_'))
        .collect();
    names.sort();
    names
}

/// Returns the sorted names of the models that have a spec. The other files in `metrics/` are metric sets.
pub fn models() -> Vec<String> {
    let mut names = file_stems("metrics", "yml");
    names.retain(|name| {
        yaml(&folder().join(format!("metrics/{name}.yml")))
            .get("metric_set")
            .is_none()
    });
    names
}

/// Contents of `expected/<model>.yml`.
pub struct Expected {
    pub model: String,
    pub columns: Vec<String>,
    /// Columns by which the built table's rows are sorted, to match the order of `rows`.
    pub order_by: Vec<String>,
    pub rows: Vec<Vec<Value>>,
}

impl Expected {
    pub fn all() -> Vec<Self> {
        file_stems("expected", "yml").into_iter().map(Self::of).collect()
    }

    fn of(model: String) -> Self {
        let file = yaml(&folder().join(format!("expected/{model}.yml")));
        let columns = texts(&file["columns"]);
        let rows: Vec<_> = list(&file["rows"]).iter().map(|row| list(row).to_vec()).collect();
        let complete = rows.iter().all(|row| row.len() == columns.len());
        assert!(complete, "a row of {model} has not one value a column");
        Self {
            order_by: texts(&file["order_by"]),
            model,
            columns,
            rows,
        }
    }
}

/// A column of a seed, from `schema.yml` or `seeds/_seeds.yml`.
#[derive(Debug, PartialEq)]
pub struct Column {
    pub name: String,
    /// Name of the type in the contract.
    pub ty: String,
    pub nullable: bool,
    pub key: bool,
}

/// Name and columns of a seed.
pub type Relation = (String, Vec<Column>);

/// Returns the relations in `schema.yml`.
pub fn schema() -> Vec<Relation> {
    let file = yaml(&folder().join("schema.yml"));
    let relations = file["relations"].as_object().expect("`relations` is a mapping");
    let column = |name: &String, facts: &Value, key: &[String]| Column {
        name: name.clone(),
        ty: text(facts.get("type").unwrap_or(facts)),
        nullable: facts.get("nullable") != Some(&json!(false)),
        key: key.contains(name),
    };
    let relation = |(name, facts): (&String, &Value)| {
        let key = texts(&facts["primary_key"]);
        let columns = facts["columns"].as_object().expect("`columns` is a mapping");
        (
            name.clone(),
            columns.iter().map(|(name, facts)| column(name, facts, &key)).collect(),
        )
    };
    relations.iter().map(relation).collect()
}

/// Returns the seeds in `seeds/_seeds.yml`. A column with a `not_null` test is not nullable, and a column with a
/// `unique` test is the key.
pub fn seeds() -> Vec<Relation> {
    let file = yaml(&folder().join("seeds/_seeds.yml"));
    let column = |seed: &Value, facts: &Value| {
        let name = text(&facts["name"]);
        let pinned = &seed["config"]["column_types"][&name];
        assert_eq!(pinned, &facts["data_type"], "the type of {name} in column_types");
        let has = |test: &str| {
            facts["data_tests"]
                .as_array()
                .is_some_and(|all| all.contains(&json!(test)))
        };
        let ty = match text(pinned).as_str() {
            "varchar" => "text",
            "bigint" => "integer",
            "decimal(12, 2)" => "decimal",
            "date" => "date",
            other => panic!("a type that the example does not use: {other}"),
        };
        Column {
            name,
            ty: ty.to_owned(),
            nullable: !has("not_null"),
            key: has("unique"),
        }
    };
    let relation = |seed: &Value| {
        let columns = list(&seed["columns"]).iter().map(|facts| column(seed, facts)).collect();
        (text(&seed["name"]), columns)
    };
    list(&file["seeds"]).iter().map(relation).collect()
}

/// Returns the records in `seeds/<name>.csv`, beginning with the header. An empty field is `None`, as in dbt.
pub fn records(name: &str) -> Vec<Vec<Option<String>>> {
    let content = read(&folder().join(format!("seeds/{name}.csv")));
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let take = |field: &mut String| Some(std::mem::take(field)).filter(|text| !text.is_empty());
    let mut quoted = false;
    let mut characters = content.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(take(&mut field)),
            '\n' if !quoted => {
                record.push(take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            other => field.push(other),
        }
    }
    assert!(record.is_empty() && field.is_empty(), "{name}.csv ends in a line break");
    records
}

/// Returns all seeds in the form that `tests/oracle/oracle.py --table` expects.
pub fn tables() -> Value {
    let table = |(name, columns): &Relation| {
        let types: Vec<_> = columns
            .iter()
            .map(|column| json!({"name": column.name, "type": (&column.ty)}))
            .collect();
        json!({"name": name, "columns": types, "rows": records(name).split_off(1)})
    };
    json!({"tables": schema().iter().map(table).collect::<Vec<_>>()})
}
