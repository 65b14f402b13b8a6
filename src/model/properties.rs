//! Properties of the dbt model: the properties of its columns, and keys copied from the spec.

use rustc_hash::{FxHashMap, FxHashSet};

use super::compile::SpecCompilation;
use super::config::properties_config;
use super::contract::data_type;
use super::data_tests::{flatten_test, is_unconditional, test_entries};
use super::dbt_tests::ColumnTest;
use super::load::{ColumnKeys, DefinitionKeys, SpannedText, StepDefinitions};
use super::properties_yaml::{StringSyntax, yaml_list, yaml_pairs, yaml_value};
use super::versions::{check_versions, latest_version, versions_yaml};
use crate::dbt::{ColumnDoc, ModelDoc, escaped_text};
use crate::diag::{Code, Diagnostic};
use crate::dialect::Dialect;
use crate::schema::{Column, Relation};
use crate::yaml::{Node, YamlValue};

impl SpecCompilation<'_> {
    /// Reports dbt keys that contradict each other.
    pub(super) fn check_dbt_keys(&self, diagnostics: &mut Vec<Diagnostic>) {
        let dbt = &self.spec.dbt;
        let mut twice = |name: &str, inside: &str, first: &Node, second: &Node| {
            diagnostics.push(
                Diagnostic::new(
                    Code::WrongShape,
                    second.span,
                    format!("`{name}` is set both here and in `{inside}`"),
                )
                .with_secondary_label(first.span, "the first")
                .with_help("remove one of the two values"),
            );
        };
        let in_config = |name: &str| dbt.config.and_then(|config| config.get(name));
        let model_keys = [("contract", dbt.contract), ("access", dbt.access), ("group", dbt.group)];
        for (name, node) in model_keys {
            if let (Some(node), Some(inside)) = (node, in_config(name)) {
                twice(name, &format!("config: {{{name}: …}}"), inside, node);
            }
        }
        let inside = in_config("meta").and_then(Node::pairs).unwrap_or_default();
        let inside: FxHashMap<&str, &Node> = inside.iter().filter_map(|(k, v)| Some((k.text()?, v))).collect();
        for (key, value) in dbt.meta.and_then(Node::pairs).unwrap_or_default() {
            let name = key.text().unwrap_or_default();
            if let Some(first) = inside.get(name) {
                twice(name, "config: {meta: …}", first, value);
            }
        }
        let owner_in_meta = [dbt.meta, in_config("meta")]
            .into_iter()
            .flatten()
            .find_map(|meta| meta.get("owner"));
        if let (Some(owner), Some(first)) = (dbt.owner, owner_in_meta) {
            twice("owner", "meta: {owner: …}", first, owner);
        }
        for column in &self.spec.columns {
            if let (Some(omni), Some(first)) = (column.omni, column.meta.and_then(|meta| meta.get("omni"))) {
                twice("omni", "meta: {omni: …}", first, omni);
            }
        }
        check_versions(dbt, diagnostics);
    }

    /// Returns the version of the model that the spec generates, or `None` if the model has no versions.
    pub(super) fn model_version(&self) -> Option<String> {
        let is_word = |name: &&str| {
            name.chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
        };
        latest_version(&self.spec.dbt).filter(is_word).map(str::to_owned)
    }

    /// Reports properties that are set on a formula whose column is not in the model, because such properties have no
    /// effect.
    pub(super) fn check_column_keys(&self, output: &Relation, diagnostics: &mut Vec<Diagnostic>) {
        let properties = self.formula_properties();
        let mut lost: Vec<_> = properties
            .iter()
            .filter(|(name, _)| output.column(name).is_none())
            .collect();
        lost.sort_by_key(|(_, (name, _))| name.node.span);
        for (_, (name, keys)) in lost {
            for (key, node) in [("data_tests", keys.data_tests), ("meta", keys.meta)] {
                if node.is_some() {
                    let message = format!(
                        "`{}` is not a column of the model, so its key `{key}` has no effect",
                        name.text
                    );
                    diagnostics.push(
                        Diagnostic::new(Code::KeyWithoutEffect, name.node.span, message)
                            .with_help("move the key to a definition of the last step"),
                    );
                }
            }
        }
    }

    /// Returns the lower-case names of columns that a test or an enforced constraint declares NOT NULL.
    pub(super) fn declared_not_null(&self) -> FxHashSet<String> {
        const TEST: &str = "not_null";
        let holds = |node: Option<&Node>| test_entries(node).iter().any(|test| is_unconditional(test, TEST));
        let enforced = self.is_contract_enforced();
        let is_constrained = |column: &ColumnKeys<'_>| {
            let constraints = column.constraints.and_then(Node::items).unwrap_or_default();
            let kinds = constraints.iter().filter_map(|constraint| constraint.text_at("type"));
            enforced && kinds.into_iter().any(|kind| matches!(kind, "not_null" | "primary_key"))
        };
        let definitions = self
            .formula_properties()
            .into_iter()
            .filter(|(_, (_, keys))| holds(keys.data_tests));
        let columns = self
            .spec
            .columns
            .iter()
            .filter(|column| holds(column.data_tests) || is_constrained(column));
        let of_model = test_entries(self.spec.dbt.data_tests)
            .into_iter()
            .filter(|test| is_unconditional(test, TEST));
        definitions
            .map(|(name, _)| name)
            .chain(columns.map(|column| column.name.text.to_lowercase()))
            .chain(of_model.filter_map(|test| tested_column(&test, TEST)))
            .collect()
    }

    /// Returns the properties next to the last formula of each column, by the column's lower-case name.
    fn formula_properties(&self) -> FxHashMap<String, (SpannedText<'_>, DefinitionKeys<'_>)> {
        let mut properties = FxHashMap::default();
        for step in &self.spec.steps {
            for definitions in &step.definitions {
                match definitions {
                    StepDefinitions::Named { name, keys, .. } => {
                        properties.insert(name.text.to_lowercase(), (*name, *keys));
                    }
                    StepDefinitions::Block(block) => {
                        let block = block.node.span;
                        for definition in self.definitions.iter().filter(|d| block.contains(d.span)) {
                            properties.remove(&definition.name.to_lowercase());
                        }
                    }
                }
            }
        }
        properties.retain(|_, (_, keys)| keys.meta.is_some() || keys.data_tests.is_some());
        properties
    }

    /// Returns the content of the properties file. `grain` contains the key columns. `never_null` contains the columns
    /// in which a NULL would cause a lost or duplicate row.
    pub(super) fn model_properties(&self, columns: &[Column], grain: &[String], never_null: &[String]) -> ModelDoc {
        let dbt = &self.spec.dbt;
        let mut data_tests = self.tests.of_model.clone();
        let of_model = test_entries(dbt.data_tests);
        let column_keys = self
            .spec
            .columns
            .iter()
            .map(|column| (column.name.text.to_lowercase(), column))
            .collect();
        let dialect = self.compiler.options.dialect;
        let mut proofs: FxHashMap<String, Vec<&ColumnTest>> = FxHashMap::default();
        for proof in &self.tests.column_tests {
            proofs.entry(proof.column.to_lowercase()).or_default().push(proof);
        }
        let of_model_columns = |test: &'static str| {
            of_model
                .iter()
                .filter_map(move |value| Some((test, tested_column(value, test)?)))
        };
        let property_sources = ColumnPropertySources {
            dialect,
            column_keys,
            definition_properties: self.formula_properties(),
            of_model: of_model_columns("not_null").chain(of_model_columns("unique")).collect(),
            proofs,
            unique_column: self.tests.unique_column,
            grain: grain.iter().map(|name| name.to_lowercase()).collect(),
            never_null: never_null.iter().map(String::as_str).collect(),
            enforced: self.is_contract_enforced(),
            flat: self.compiler.specs.needs_flat_column_meta(),
        };
        let columns: Vec<ColumnDoc> = columns
            .iter()
            .map(|column| column_doc(column, &property_sources))
            .collect();
        data_tests.extend(of_model.iter().cloned());
        let render_tests = |tests: Vec<YamlValue>| -> Vec<YamlValue> {
            if self.compiler.specs.needs_flat_test_arguments() {
                tests.into_iter().map(flatten_test).collect()
            } else {
                tests
            }
        };
        let columns = columns
            .into_iter()
            .map(|c| ColumnDoc {
                data_tests: render_tests(c.data_tests),
                ..c
            })
            .collect();
        let data_tests = render_tests(data_tests);
        ModelDoc {
            name: self.spec.model.text.to_owned(),
            description: self.spec.description.clone(),
            latest_version: dbt.latest_version.map(|node| yaml_value(node, StringSyntax::Dbt)),
            config: properties_config(dbt, self.inherited_access()),
            data_tests,
            columns,
            versions: versions_yaml(dbt, self.spec.model.text),
            other_lists: vec![
                ("unit_tests".to_owned(), self.tests.unit_tests.clone()),
                ("exposures".to_owned(), self.exposure_entries()),
            ],
            semantic: Vec::new(),
        }
    }
}

/// Properties of columns by lower-case column name, and tests on the model that refer to a column.
struct ColumnPropertySources<'k> {
    dialect: Dialect,
    column_keys: FxHashMap<String, &'k ColumnKeys<'k>>,
    definition_properties: FxHashMap<String, (SpannedText<'k>, DefinitionKeys<'k>)>,
    /// Tests on the model that refer to one column, each with its name and the column.
    of_model: FxHashSet<(&'static str, String)>,
    proofs: FxHashMap<String, Vec<&'k ColumnTest>>,
    unique_column: bool,
    grain: FxHashSet<String>,
    never_null: FxHashSet<&'k str>,
    enforced: bool,
    /// Whether dbt reads the tags and meta of a column only next to its name and not under `config`.
    flat: bool,
}

/// Adds the setting that stops Omni from converting the values to the time zone of a query, because they already are in
/// the project's time zone. A setting in the spec takes precedence.
fn stop_timezone_conversion(meta: &mut Vec<(String, YamlValue)>) {
    const KEY: &str = "convert_tz";
    let setting = (KEY.to_owned(), YamlValue::Bare("false".to_owned()));
    match meta.iter_mut().find(|(name, _)| name == "omni") {
        Some((_, omni)) if omni.get(KEY).is_some() => {}
        Some((_, YamlValue::Map(omni, _))) => omni.push(setting),
        // The value is not a mapping, so Omni ignores it.
        Some(_) => {}
        None => meta.push(("omni".to_owned(), YamlValue::map([setting]))),
    }
}

fn column_doc(column: &Column, property_sources: &ColumnPropertySources<'_>) -> ColumnDoc {
    let name = column.name().to_lowercase();
    let keys = property_sources.column_keys.get(&name).copied();
    let definition = property_sources
        .definition_properties
        .get(&name)
        .map(|(_, keys)| *keys)
        .unwrap_or_default();
    let mut own_tests = test_entries(definition.data_tests);
    own_tests.extend(
        test_entries(keys.and_then(|s| s.data_tests))
            .into_iter()
            .filter(|test| !own_tests.contains(test))
            .collect::<Vec<_>>(),
    );
    // Add a test only if the column does not have it yet, because dbt rejects two tests with the same name.
    let proofs = property_sources.proofs.get(&name).map_or(&[][..], Vec::as_slice);
    let has_test = |test: &'static str| {
        own_tests
            .iter()
            .any(|own_test| own_test.as_text() == Some(test) || own_test.get(test).is_some())
            || proofs.iter().any(|proof| proof.always && proof.kind == test)
            || property_sources.of_model.contains(&(test, name.clone()))
    };
    let key = property_sources.grain.contains(&name);
    let mut data_tests = Vec::new();
    let never_null = property_sources.never_null.contains(column.name());
    if (never_null || key && !column.is_nullable()) && !has_test("not_null") {
        data_tests.push(escaped_text("not_null"));
    }
    if key && property_sources.unique_column && !has_test("unique") {
        data_tests.push(escaped_text("unique"));
    }
    data_tests.extend(own_tests);
    data_tests.extend(proofs.iter().map(|proof| proof.test.clone()));
    let mut meta = yaml_pairs(definition.meta, StringSyntax::Text);
    let of_columns = yaml_pairs(keys.and_then(|s| s.meta), StringSyntax::Text);
    // `columns` takes precedence over properties next to a formula.
    let replaced: FxHashSet<&str> = of_columns.iter().map(|(name, _)| name.as_str()).collect();
    meta.retain(|(name, _)| !replaced.contains(name.as_str()));
    meta.extend(of_columns);
    if let Some(omni) = keys.and_then(|s| s.omni) {
        meta.push(("omni".to_owned(), yaml_value(omni, StringSyntax::Text)));
    }
    if column.is_converted_to_timezone() {
        stop_timezone_conversion(&mut meta);
    }
    let mut config = Vec::new();
    let mut tags = keys
        .and_then(|s| s.tags)
        .map(|tags| yaml_list(tags, StringSyntax::Text))
        .unwrap_or_default();
    let inherited = column
        .tags()
        .iter()
        .map(escaped_text)
        .filter(|tag| !tags.iter().any(|own_tag| own_tag.as_text() == tag.as_text()));
    let inherited: Vec<YamlValue> = inherited.collect();
    tags.extend(inherited);
    if !tags.is_empty() {
        config.push(("tags".to_owned(), YamlValue::list(tags)));
    }
    if !meta.is_empty() {
        config.push(("meta".to_owned(), YamlValue::map(meta)));
    }
    let quoted = property_sources
        .dialect
        .requires_quotes(column.name(), !column.is_quoted());
    // dbt quotes the name exactly as written in the properties file.
    let name = match quoted {
        true => property_sources
            .dialect
            .escape_quoted_name(column.name(), !column.is_quoted())
            .into_owned(),
        // Unquoted names in the SQL are in lower case.
        false => column.name().to_ascii_lowercase(),
    };
    ColumnDoc {
        name,
        quoted,
        description: column.description_text().unwrap_or_default().to_owned(),
        data_type: match keys.and_then(|s| s.data_type) {
            Some(node) => Some(yaml_value(node, StringSyntax::Dbt)),
            None => property_sources
                .enforced
                .then(|| data_type(property_sources.dialect, column))
                .flatten()
                .map(escaped_text),
        },
        constraints: keys
            .and_then(|s| s.constraints)
            .map(|node| yaml_list(node, StringSyntax::Dbt))
            .unwrap_or_default(),
        config,
        flat: property_sources.flat,
        data_tests,
        semantic: Vec::new(),
    }
}

/// Returns the lower-case name of the column that a test on the model checks, if the test is called `name`.
fn tested_column(test: &YamlValue, name: &str) -> Option<String> {
    Some(
        test.get(name)?
            .get("arguments")?
            .get("column_name")?
            .as_text()?
            .to_lowercase(),
    )
}
