//! The `.yml` beside a model: what is known of the model and of every column, in the forms that dbt 1.10 to 2 take.

use super::docs::DocsBlocks;
use super::property_hashes;
use super::yaml::{Value, write_pairs};

/// What the properties file says of a model.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelDoc {
    pub name: String,
    pub description: Option<String>,
    pub latest_version: Option<Value>,
    pub config: Vec<(String, Value)>,
    pub data_tests: Vec<Value>,
    pub columns: Vec<ColumnDoc>,
    pub versions: Vec<Value>,
    /// What dbt's semantic layer is told of the model.
    pub semantic: Vec<(String, Value)>,
    /// Lists that stand beside the model: unit tests, exposures.
    pub beside: Vec<(String, Vec<Value>)>,
}

/// What it says of a column.
#[derive(Clone, Debug, Default)]
pub(crate) struct ColumnDoc {
    pub name: String,
    /// The name is written in quotes, so that tests must write it so too.
    pub quoted: bool,
    pub description: String,
    pub data_type: Option<Value>,
    pub constraints: Vec<Value>,
    pub config: Vec<(String, Value)>,
    /// The configuration stands beside the name, where dbt before 1.10 reads it.
    pub flat: bool,
    pub data_tests: Vec<Value>,
    /// What dbt's semantic layer is told of the column.
    pub semantic: Vec<(String, Value)>,
}

/// The properties file of one model; long descriptions go to the blocks.
pub(crate) fn properties(model: ModelDoc, docs: &mut DocsBlocks) -> String {
    let description = model.description.map(|d| without_ends(&d)).filter(|d| !d.is_empty());
    let description = description.map(|text| docs.value(&text, None));
    let flat = model.columns.first().is_some_and(|column| column.flat);
    let columns = model.columns.into_iter().map(|of| column(of, docs)).collect();
    let mut pairs = vec![("name".to_owned(), Value::Text(model.name))];
    let mut say = |key: &str, value: Option<Value>| pairs.extend(value.map(|value| (key.to_owned(), value)));
    say("description", description);
    say("latest_version", model.latest_version);
    say("config", map(model.config));
    say("data_tests", list(model.data_tests));
    say("columns", list(columns));
    say("versions", list(model.versions));
    model.semantic.into_iter().for_each(|(key, value)| say(&key, Some(value)));
    let beside: Vec<(String, Value)> =
        model.beside.into_iter().filter_map(|(key, items)| Some((key, list(items)?))).collect();
    let write = |model: &[(String, Value)]| {
        let mut out = String::from("version: 2\n\n");
        write_pairs(&mut out, &[("models".to_owned(), Value::List(vec![Value::Map(model.to_vec())]))], 0);
        for pair in &beside {
            out.push('\n');
            write_pairs(&mut out, std::slice::from_ref(pair), 0);
        }
        out
    };
    property_hashes::note(&mut pairs, flat, write);
    write(&pairs)
}

fn column(column: ColumnDoc, docs: &mut DocsBlocks) -> Value {
    let description = without_ends(&column.description);
    let description = (!description.is_empty()).then(|| docs.value(&description, Some(&column.name)));
    let mut pairs = vec![("name".to_owned(), Value::Text(column.name))];
    let mut say = |key: &str, value: Option<Value>| pairs.extend(value.map(|value| (key.to_owned(), value)));
    say("description", description);
    say("quote", column.quoted.then(|| Value::Bare("true".to_owned())));
    say("data_type", column.data_type);
    say("constraints", list(column.constraints));
    if column.flat {
        column.config.into_iter().for_each(|(key, value)| say(&key, Some(value)));
    } else {
        say("config", map(column.config));
    }
    say("data_tests", list(column.data_tests));
    column.semantic.into_iter().for_each(|(key, value)| say(&key, Some(value)));
    Value::Map(pairs)
}

fn list(items: Vec<Value>) -> Option<Value> {
    (!items.is_empty()).then_some(Value::List(items))
}

fn map(pairs: Vec<(String, Value)>) -> Option<Value> {
    (!pairs.is_empty()).then_some(Value::Map(pairs))
}

/// A text without the blanks at the ends of its lines, which no reader sees.
fn without_ends(text: &str) -> String {
    text.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
