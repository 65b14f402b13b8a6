//! The `.yml` beside a model: what is known of the model and of every column, in the forms that dbt 1.10 to 2 take.

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
    pub unit_tests: Vec<Value>,
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
}

/// The properties file of one model.
pub(crate) fn properties(model: ModelDoc) -> String {
    let columns = model.columns.into_iter().map(column).collect();
    let mut pairs = vec![("name".to_owned(), Value::Text(model.name))];
    let mut say = |key: &str, value: Option<Value>| pairs.extend(value.map(|value| (key.to_owned(), value)));
    say("description", model.description.filter(|d| !d.is_empty()).map(|d| Value::Text(without_ends(&d))));
    say("latest_version", model.latest_version);
    say("config", map(model.config));
    say("data_tests", list(model.data_tests));
    say("columns", list(columns));
    say("versions", list(model.versions));
    let mut out = String::from("version: 2\n\n");
    write_pairs(&mut out, &[("models".to_owned(), Value::List(vec![Value::Map(pairs)]))], 0);
    if let Some(unit_tests) = list(model.unit_tests) {
        out.push('\n');
        write_pairs(&mut out, &[("unit_tests".to_owned(), unit_tests)], 0);
    }
    out
}

fn column(column: ColumnDoc) -> Value {
    let mut pairs = vec![("name".to_owned(), Value::Text(column.name))];
    let mut say = |key: &str, value: Option<Value>| pairs.extend(value.map(|value| (key.to_owned(), value)));
    let description = without_ends(&column.description);
    say("description", Some(Value::Text(description)).filter(|d| d.as_text() != Some("")));
    say("quote", column.quoted.then(|| Value::Bare("true".to_owned())));
    say("data_type", column.data_type);
    say("constraints", list(column.constraints));
    if column.flat {
        column.config.into_iter().for_each(|(key, value)| say(&key, Some(value)));
    } else {
        say("config", map(column.config));
    }
    say("data_tests", list(column.data_tests));
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
