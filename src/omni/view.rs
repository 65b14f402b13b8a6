//! Generates the view file for a table.

use super::access::AccessGrants;
use super::keys::TableKey;
use super::measures::TableMeasures;
use super::meta::{self, plain_text};
use super::table::{DbtTable, TableField};
use super::table_tests::TestsByNode;
use super::test_status::TableTestStatus;
use super::{OmniOptions, context};
use crate::Type;
use crate::artifacts::{Manifest, MetaValue, TestCheck};
use crate::schema::COMPOUND_KEY_SETTING;
use crate::yaml::{YamlValue, write_value};

/// View in an Omni model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ViewFile {
    /// Path of the view file, relative to the folder of the Omni model.
    pub path: String,
    /// Name by which other views refer to the view.
    pub name: String,
    /// Schema of the table in Omni.
    pub schema: String,
    /// Unique id of the dbt node.
    pub node: String,
    /// Text of the view file.
    pub text: String,
    /// Key of the table.
    pub key: Option<TableKey>,
    /// Test status of the table.
    pub state: TableTestStatus,
    /// Columns of the view, each with its type if known.
    pub columns: Vec<(String, Option<String>)>,
    /// Names of the tests.
    pub tests: Vec<String>,
}

/// Builds the view file of a table.
pub(super) fn build_view_file<'a>(
    table: &DbtTable<'a>,
    measures: &TableMeasures,
    grants: &AccessGrants<'a>,
    manifest: &Manifest,
    children: &[usize],
    tests: &TestsByNode<'_>,
    omni_options: &OmniOptions,
) -> ViewFile {
    let node = table.node;
    let mut pairs: Vec<(String, YamlValue)> = Vec::new();
    let mut add = |key: &str, value: YamlValue| pairs.push((key.to_owned(), value));
    let location = &table.location;
    location
        .catalog
        .iter()
        .for_each(|catalog| add("catalog", plain_text(catalog)));
    add("schema", plain_text(&location.schema));
    add("table_name", plain_text(&location.table_name));
    let mut meta_pairs = meta::meta_pairs(&node.meta, meta::VIEW_KEYS);
    let label = meta::remove_pair(&mut meta_pairs, "label");
    label.into_iter().for_each(|label| add("label", label));
    let comment = table.catalog.and_then(|catalog| catalog.comment.as_deref());
    let description = Some(table.description())
        .filter(|text| !text.trim().is_empty())
        .or(comment);
    description
        .into_iter()
        .for_each(|text| add("description", plain_text(text)));
    grants.keys(node).into_iter().for_each(|(key, value)| add(&key, value));
    meta_pairs.into_iter().for_each(|(key, value)| add(&key, value));
    let mut tags: Vec<&str> = node.tags.iter().map(|tag| &**tag).collect();
    if !omni_options.strip_status {
        tags.push(table.state.tag());
    }
    if !tags.is_empty() {
        add(
            "tags",
            YamlValue::short_list(tags.into_iter().map(plain_text).collect()),
        );
    }
    add(
        "ai_context",
        plain_text(&context::table_ai_context(table, manifest, children)),
    );
    let key = key_fields(table);
    if let [_, _, ..] = key.as_slice() {
        add(
            COMPOUND_KEY_SETTING,
            YamlValue::short_list(key.iter().map(|name| plain_text(name)).collect()),
        );
    }
    let values = |field: &TableField<'_>| accepted_values(field, table, tests);
    let field_dimensions = table.fields.iter().map(|field| {
        let granularity = measures.granularity.get(&field.name).map(String::as_str);
        let is_key = matches!(key.as_slice(), [one] if *one == field.name);
        let timeframes = timeframes(field, granularity, omni_options.has_default_timeframes);
        (
            field.name.clone(),
            YamlValue::map(dimension_yaml_pairs(field, is_key, timeframes, values(field))),
        )
    });
    let computed = measures
        .dimensions
        .iter()
        .map(|(name, keys)| (name.clone(), YamlValue::map(keys.clone())));
    let dimensions: Vec<(String, YamlValue)> = field_dimensions.chain(computed).collect();
    if !dimensions.is_empty() {
        add("dimensions", YamlValue::map(dimensions));
    }
    if !measures.measures.is_empty() {
        let measures = measures
            .measures
            .iter()
            .map(|(name, keys)| (name.clone(), YamlValue::map(keys.clone())));
        add("measures", YamlValue::map(measures));
    }
    let mut names: Vec<String> = tests
        .for_node(table.node_index)
        .iter()
        .map(|test| test.node.name.to_string())
        .collect();
    names.sort();
    ViewFile {
        path: location.path.clone(),
        name: table.view_name(),
        schema: location.schema.clone(),
        node: node.unique_id.to_string(),
        text: write_value(&YamlValue::map(pairs)),
        key: table.key.clone(),
        state: table.state,
        columns: table
            .fields
            .iter()
            .map(|table_field| (table_field.column.to_owned(), table_field.data_type.map(str::to_owned)))
            .collect(),
        tests: names,
    }
}

/// Returns the names of the key fields. The result is empty if the table lacks one of the key columns.
fn key_fields(table: &DbtTable<'_>) -> Vec<String> {
    let columns = table.key.iter().flat_map(|key| &key.columns);
    columns
        .map(|name| Some(table.field(name)?.name.clone()))
        .collect::<Option<_>>()
        .unwrap_or_default()
}

/// Returns the keys of a dimension in the view file.
fn dimension_yaml_pairs(
    field: &TableField<'_>,
    is_key: bool,
    timeframes: Option<&[&str]>,
    values: Option<Vec<YamlValue>>,
) -> Vec<(String, YamlValue)> {
    let mut pairs = Vec::new();
    let mut add = |key: &str, value: YamlValue| pairs.push((key.to_owned(), value));
    if let Some(sql) = &field.sql {
        add("sql", plain_text(sql));
    }
    if is_key {
        add("primary_key", YamlValue::Bare("true".to_owned()));
    }
    let mut meta_pairs = field
        .documented
        .map(|column| meta::meta_pairs(&column.meta, meta::DIMENSION_KEYS))
        .unwrap_or_default();
    if let Some(label) = meta::remove_pair(&mut meta_pairs, "label") {
        add("label", label);
    }
    let documented = field
        .documented
        .map(|column| &*column.description)
        .filter(|text| !text.trim().is_empty());
    if let Some(text) = documented.or(field.comment) {
        add("description", plain_text(text));
    }
    let generated =
        || timeframes.map(|names| YamlValue::short_list(names.iter().map(|name| plain_text(name)).collect()));
    if let Some(timeframes) = meta::remove_pair(&mut meta_pairs, "timeframes").or_else(generated) {
        add("timeframes", timeframes);
    }
    if let (Some(values), false) = (values, meta_pairs.iter().any(|(key, _)| key == "all_values")) {
        add("all_values", YamlValue::short_list(values));
    }
    for (key, value) in meta_pairs {
        add(&key, value);
    }
    let tags: Vec<YamlValue> = field
        .documented
        .iter()
        .flat_map(|column| &column.tags)
        .map(|tag| plain_text(tag))
        .collect();
    if !tags.is_empty() {
        add("tags", YamlValue::short_list(tags));
    }
    pairs
}

/// Returns the timeframes of a date or time, starting with its granularity. `has_default` is `true` if the Omni model
/// has default timeframes, which apply to all fields without a granularity.
fn timeframes(field: &TableField<'_>, granularity: Option<&str>, has_default: bool) -> Option<&'static [&'static str]> {
    let ty = field.ty();
    let granularity = granularity.or_else(|| field.documented?.granularity.as_deref());
    if !ty.is_temporal() || has_default && granularity.is_none() {
        return None;
    }
    let finest = if ty == Type::Date { "day" } else { "raw" };
    Some(match granularity.unwrap_or(finest) {
        "year" => &["year"],
        "quarter" => &["quarter", "year"],
        "month" => &["month", "quarter", "year"],
        "week" => &["week", "month", "quarter", "year"],
        "day" => &["date", "week", "month", "quarter", "year"],
        "hour" => &["hour", "date", "week", "month", "quarter", "year"],
        _ => &["raw", "date", "week", "month", "quarter", "year"],
    })
}

/// Returns the accepted values of a column, if the test for them passes.
fn accepted_values(field: &TableField<'_>, table: &DbtTable<'_>, tests: &TestsByNode<'_>) -> Option<Vec<YamlValue>> {
    // Check the most expensive condition last, because there may be many fields and tests.
    let values = tests.for_node(table.node_index).iter().find_map(|test| {
        let data = test.data.as_ref()?;
        match data.check {
            TestCheck::AcceptedValues(values) if data.column.as_ref()?.eq_ignore_ascii_case(field.column) => {
                test.is_reliable().then_some(values)
            }
            _ => None,
        }
    })?;
    Some(values.iter().filter_map(MetaValue::scalar).map(plain_text).collect())
}
