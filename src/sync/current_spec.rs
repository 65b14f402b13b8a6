//! Spec of the work tree with the files that it generates.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use formulac_syntax::text::collapse_whitespace;

use super::manual_edits::ManualEdit;
use super::model_properties::{ModelProperties, specified_properties};
use super::properties::{self, LocatedPropertyValue};
use super::state::normalize_line_endings;
use crate::CompiledSpec;
use crate::yaml::{self, Node};

/// Spec with the files that it now generates.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CurrentSpec {
    /// Path of the spec, relative to the project's folder.
    pub spec: String,
    /// Contents of the spec.
    pub source: String,
    /// The compiled spec.
    pub compiled: CompiledSpec,
    /// Contents of the generated files, by path relative to the project's folder.
    pub files: BTreeMap<String, String>,
    /// Properties that the files specify, once read.
    properties: OnceLock<Arc<ModelProperties>>,
}

impl CurrentSpec {
    /// Creates a spec with its generated files. `models` and `tests` are the folders for models and tests, relative to
    /// the project's folder. Returns `None` if the spec generates no model.
    #[must_use]
    pub fn new(spec: &str, source: &str, compiled: CompiledSpec, models: &str, tests: &str) -> Option<Self> {
        let name = compiled.name()?;
        let (sql, yml) = (compiled.model_sql()?, compiled.model_yml()?);
        if compiled.has_errors() {
            return None;
        }
        let model_files = [("sql", Some(sql)), ("yml", Some(yml)), ("md", compiled.model_md())];
        let model_files = model_files
            .into_iter()
            .filter_map(|(end, text)| Some((format!("{models}/{name}.{end}"), normalize_line_endings(text?))));
        let tests = compiled.model_tests().iter().map(|test| {
            (
                format!("{tests}/{}.sql", test.name()),
                normalize_line_endings(test.sql()),
            )
        });
        let files = model_files.chain(tests).collect();
        Some(Self {
            spec: spec.to_owned(),
            source: source.to_owned(),
            compiled,
            files,
            properties: OnceLock::new(),
        })
    }

    /// Returns the properties that the generated files of the model specify. The files must be final.
    pub(super) fn properties(&self, model: &str) -> &ModelProperties {
        self.properties
            .get_or_init(|| Arc::new(specified_properties(model, &self.files)))
    }

    /// Returns the SQL that the spec generates, without the headers. The headers are excluded because they contain the
    /// formulas as spelled by the user.
    pub(super) fn sql_bodies(&self) -> Vec<&str> {
        let sql = self.files.iter().filter(|(path, _)| path.ends_with(".sql"));
        sql.map(|(_, text)| text.split_once(" #}\n").map_or(text.as_str(), |(_, body)| body))
            .collect()
    }

    /// Returns the step and the formula of a definition, with the formula on one line.
    pub(super) fn definition(&self, name: &str, cte: Option<&str>) -> Option<(Option<String>, String)> {
        let definitions = self.compiled.definitions().iter();
        let definitions: Vec<_> = definitions.filter(|definition| definition.name() == name).collect();
        let definition = definitions
            .iter()
            .find(|definition| cte.is_some() && definition.step() == cte)
            .or(definitions.last())?;
        let formula = collapse_whitespace(definition.formula());
        Some((definition.step().map(str::to_owned), formula))
    }

    /// Returns `true` if the value that the spec specifies for a model property equals the edited value.
    pub(super) fn has_edited_value(&self, model: &str, edit: &ManualEdit) -> bool {
        self.properties(model)
            .get(&edit.property_target())
            .map(LocatedPropertyValue::text)
            == edit.after
    }

    /// Returns the line number of a definition's formula in the spec, starting at 1.
    pub(super) fn line(&self, name: &str) -> Option<usize> {
        let definition = self
            .compiled
            .definitions()
            .iter()
            .find(|definition| definition.name() == name)?;
        Some(properties::line_number_at(
            &self.source,
            definition.span().start as usize,
        ))
    }

    /// Returns the line number of a definition's description, or of the model's description if `name` is `None`. `None`
    /// if the spec contains no description.
    pub(super) fn description_line(&self, name: Option<&str>) -> Option<usize> {
        let root = yaml::parse_root(&self.source)?;
        let line = |node: &Node| properties::line_number_at(&self.source, node.span.start as usize);
        let Some(name) = name else {
            return root.get("description").map(line);
        };
        let in_mapping = |key: &str| root.get(key)?.get(name)?.get("description").map(line);
        let comment = || {
            let at = self.line(name)?.saturating_sub(1);
            let lines: Vec<&str> = self.source.lines().take(at).collect();
            let is_comment = |line: &&&str| line.trim_start().starts_with("///");
            let count = lines.iter().rev().take_while(is_comment).count();
            (count > 0).then_some(at + 1 - count)
        };
        ["definitions", "columns"]
            .into_iter()
            .find_map(in_mapping)
            .or_else(comment)
    }
}
