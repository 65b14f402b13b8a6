//! The `.yml` beside a model: what is known of the model and of every column, in the forms that dbt 1.10 to 2 take.

use super::docs::DocsBlocks;
use super::property_hashes;
use super::yaml::{YamlOutput, write_pairs};

/// What the properties file says of a model.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelDoc {
    pub name: String,
    pub description: Option<String>,
    pub latest_version: Option<YamlOutput>,
    pub config: Vec<(String, YamlOutput)>,
    pub data_tests: Vec<YamlOutput>,
    pub columns: Vec<ColumnDoc>,
    pub versions: Vec<YamlOutput>,
    /// What dbt's semantic layer is told of the model.
    pub semantic: Vec<(String, YamlOutput)>,
    /// Lists that stand beside the model: unit tests, exposures.
    pub beside: Vec<(String, Vec<YamlOutput>)>,
}

/// What it says of a column.
#[derive(Clone, Debug, Default)]
pub(crate) struct ColumnDoc {
    pub name: String,
    /// The name is written in quotes, so that tests must write it so too.
    pub quoted: bool,
    pub description: String,
    pub data_type: Option<YamlOutput>,
    pub constraints: Vec<YamlOutput>,
    pub config: Vec<(String, YamlOutput)>,
    /// The configuration stands beside the name, where dbt before 1.10 reads it.
    pub flat: bool,
    pub data_tests: Vec<YamlOutput>,
    /// What dbt's semantic layer is told of the column.
    pub semantic: Vec<(String, YamlOutput)>,
}

/// The properties file of one model; long descriptions go to the blocks.
pub(crate) fn properties(model: ModelDoc, docs: &mut DocsBlocks) -> String {
    let description = model.description.map(|d| without_ends(&d)).filter(|d| !d.is_empty());
    let description = description.map(|text| docs.value(&text, None));
    let flat = model.columns.first().is_some_and(|column| column.flat);
    let columns = model.columns.into_iter().map(|of| column(of, docs)).collect();
    let mut pairs = vec![("name".to_owned(), YamlOutput::Text(model.name))];
    let mut say = |key: &str, value: Option<YamlOutput>| pairs.extend(value.map(|value| (key.to_owned(), value)));
    say("description", description);
    say("latest_version", model.latest_version);
    say("config", map(model.config));
    say("data_tests", list(model.data_tests));
    say("columns", list(columns));
    say("versions", list(model.versions));
    model.semantic.into_iter().for_each(|(key, value)| say(&key, Some(value)));
    let beside: Vec<(String, YamlOutput)> =
        model.beside.into_iter().filter_map(|(key, items)| Some((key, list(items)?))).collect();
    let write = |model: &[(String, YamlOutput)]| {
        let mut out = String::from("version: 2\n\n");
        write_pairs(&mut out, &[("models".to_owned(), YamlOutput::List(vec![YamlOutput::Map(model.to_vec())]))], 0);
        for pair in &beside {
            out.push('\n');
            write_pairs(&mut out, std::slice::from_ref(pair), 0);
        }
        out
    };
    property_hashes::note(&mut pairs, flat, write);
    write(&pairs)
}

fn column(column: ColumnDoc, docs: &mut DocsBlocks) -> YamlOutput {
    let description = without_ends(&column.description);
    let description = (!description.is_empty()).then(|| docs.value(&description, Some(&column.name)));
    let mut pairs = vec![("name".to_owned(), YamlOutput::Text(column.name))];
    let mut say = |key: &str, value: Option<YamlOutput>| pairs.extend(value.map(|value| (key.to_owned(), value)));
    say("description", description);
    say("quote", column.quoted.then(|| YamlOutput::Bare("true".to_owned())));
    say("data_type", column.data_type);
    say("constraints", list(column.constraints));
    if column.flat {
        column.config.into_iter().for_each(|(key, value)| say(&key, Some(value)));
    } else {
        say("config", map(column.config));
    }
    say("data_tests", list(column.data_tests));
    column.semantic.into_iter().for_each(|(key, value)| say(&key, Some(value)));
    YamlOutput::Map(pairs)
}

fn list(items: Vec<YamlOutput>) -> Option<YamlOutput> {
    (!items.is_empty()).then_some(YamlOutput::List(items))
}

fn map(pairs: Vec<(String, YamlOutput)>) -> Option<YamlOutput> {
    (!pairs.is_empty()).then_some(YamlOutput::Map(pairs))
}

/// A text without the blanks at the ends of its lines, which no reader sees.
fn without_ends(text: &str) -> String {
    text.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
