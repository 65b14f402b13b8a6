//! The `.yml` file next to a model: properties of the model and its columns, in the formats that dbt 1.10 to 2 read.

use super::docs::DocsBlocks;
use super::jinja::escaped_text;
use super::property_hashes;
use crate::yaml::{YamlValue, write_value};

/// Properties of a model.
#[derive(Clone, Debug, Default)]
pub struct ModelDoc {
    /// Name of the model.
    pub name: String,
    /// Description of the model.
    pub description: Option<String>,
    /// Latest version of a versioned model.
    pub latest_version: Option<YamlValue>,
    /// Configuration, as keys and values.
    pub config: Vec<(String, YamlValue)>,
    /// Tests on the model.
    pub data_tests: Vec<YamlValue>,
    /// Columns, in the order of the model.
    pub columns: Vec<ColumnDoc>,
    /// Versions of a versioned model.
    pub versions: Vec<YamlValue>,
    /// Properties of the model for dbt's semantic layer.
    pub semantic: Vec<(String, YamlValue)>,
    /// Top-level lists after the model: unit tests, exposures.
    pub other_lists: Vec<(String, Vec<YamlValue>)>,
}

/// Properties of a column.
#[derive(Clone, Debug, Default)]
pub struct ColumnDoc {
    /// Name of the column, without quotes.
    pub name: String,
    /// Whether the name needs quotes, including in tests.
    pub quoted: bool,
    /// Description of the column. Empty if the column has no description.
    pub description: String,
    /// Data type, which a contract requires.
    pub data_type: Option<YamlValue>,
    /// Constraints of a contract.
    pub constraints: Vec<YamlValue>,
    /// Configuration, as keys and values.
    pub config: Vec<(String, YamlValue)>,
    /// Whether the configuration is at the same level as the column's name. Versions of dbt before 1.10 read the
    /// configuration only at that level.
    pub flat: bool,
    /// Tests on the column.
    pub data_tests: Vec<YamlValue>,
    /// Properties of the column for dbt's semantic layer.
    pub semantic: Vec<(String, YamlValue)>,
}

/// Returns the properties file of a model. Long descriptions are added to `docs`.
pub fn properties_yml(model: ModelDoc, docs: &mut DocsBlocks) -> String {
    let description = model
        .description
        .map(|d| trim_line_endings(&d))
        .filter(|d| !d.is_empty());
    let description = description.map(|text| docs.description_value(&text, None));
    let flat = model.columns.first().is_some_and(|column| column.flat);
    let columns = model
        .columns
        .into_iter()
        .map(|column_doc| column(column_doc, docs))
        .collect();
    let mut pairs = vec![("name".to_owned(), escaped_text(model.name))];
    let mut say = |key: &str, value: Option<YamlValue>| pairs.extend(value.map(|value| (key.to_owned(), value)));
    say("description", description);
    say("latest_version", model.latest_version);
    say("config", non_empty_map(model.config));
    say("data_tests", non_empty_list(model.data_tests));
    say("columns", non_empty_list(columns));
    say("versions", non_empty_list(model.versions));
    model
        .semantic
        .into_iter()
        .for_each(|(key, value)| say(&key, Some(value)));
    let other_lists: Vec<YamlValue> = model
        .other_lists
        .into_iter()
        .filter_map(|(key, items)| Some(YamlValue::map([(key, non_empty_list(items)?)])))
        .collect();
    let write = |model: &[(String, YamlValue)]| {
        let mut out = String::from("version: 2\n\n");
        let model = YamlValue::map(model.to_vec());
        out.push_str(&write_value(&YamlValue::map([(
            "models",
            YamlValue::list(vec![model]),
        )])));
        for list in &other_lists {
            out.push('\n');
            out.push_str(&write_value(list));
        }
        out
    };
    property_hashes::insert_hashes(&mut pairs, flat, write);
    write(&pairs)
}

fn column(column: ColumnDoc, docs: &mut DocsBlocks) -> YamlValue {
    let description = trim_line_endings(&column.description);
    let description = (!description.is_empty()).then(|| docs.description_value(&description, Some(&column.name)));
    let mut pairs = vec![("name".to_owned(), escaped_text(column.name))];
    let mut say = |key: &str, value: Option<YamlValue>| pairs.extend(value.map(|value| (key.to_owned(), value)));
    say("description", description);
    say("quote", column.quoted.then(|| YamlValue::Bare("true".to_owned())));
    say("data_type", column.data_type);
    say("constraints", non_empty_list(column.constraints));
    if column.flat {
        column
            .config
            .into_iter()
            .for_each(|(key, value)| say(&key, Some(value)));
    } else {
        say("config", non_empty_map(column.config));
    }
    say("data_tests", non_empty_list(column.data_tests));
    column
        .semantic
        .into_iter()
        .for_each(|(key, value)| say(&key, Some(value)));
    YamlValue::map(pairs)
}

fn non_empty_list(items: Vec<YamlValue>) -> Option<YamlValue> {
    (!items.is_empty()).then_some(YamlValue::list(items))
}

fn non_empty_map(pairs: Vec<(String, YamlValue)>) -> Option<YamlValue> {
    (!pairs.is_empty()).then_some(YamlValue::map(pairs))
}

/// Removes whitespace at the end of each line, because it is invisible to users.
fn trim_line_endings(text: &str) -> String {
    text.trim_end()
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}
