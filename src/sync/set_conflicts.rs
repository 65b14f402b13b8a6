//! Hand edits of SQL that a metric set defines. Each is a conflict, because the set may define the same for other models.

use serde_json::{Value, json};

use super::hand_edits::HandEdit;
use super::reconcile::{CurrentSpec, ReconcileTools, ReconcileWork, Reconciled, is_in_model_file};
use super::state::{PushState, normalize_lines};
use crate::Compiler;
use crate::decompile::{EditedModel, FilterEdit, MetricEdit, with_formula};
use crate::diag::Diagnostic;
use crate::yaml_edit::{CollectionStyle, Edit, Path, YamlValue, apply_edits, value};

/// Definition of a metric set whose SQL a person edited in the file of a model, and the possible resolutions.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SetConflict {
    /// Name of the set.
    pub set: String,
    /// Name of the metric or dimension, or `where` for the condition of the set.
    pub name: String,
    /// Whether the edit is to the condition of the set.
    pub is_filter: bool,
    /// Path of the set's file.
    pub file: String,
    /// Line of the definition in the set's file, starting at 1.
    pub line: usize,
    /// New formula for the set's definition, or the reason why there is none.
    pub to_set: Result<String, String>,
    /// Models whose SQL that formula changes, sorted.
    pub models: Vec<String>,
    /// Name of the metric in the model's `metrics`. `None` if the model only uses the definition in others.
    pub listed_as: Option<String>,
    /// Formula of a definition that overrides the metric in the model, or the reason why there is none.
    pub to_model: Result<String, String>,
}

/// Base of a model over metric sets, and its SQL with hand edits.
pub(super) struct EditedColumn<'e> {
    /// Compiler with the sets of the base.
    pub compiler: &'e Compiler,
    pub base: &'e PushState,
    pub edited: &'e EditedModel<'e>,
    pub edit: &'e MetricEdit<'e>,
}

impl SetConflict {
    /// Creates the conflict for an edited column. `ours` is the current spec.
    pub(super) fn new(column: &EditedColumn<'_>, ours: &CurrentSpec, tools: ReconcileTools<'_>) -> Self {
        let edit = column.edit;
        let (set, name) = (edit.definition.set(), edit.definition.name());
        let now = ours.compiled.set_definition(set, name);
        let now = now.as_ref().unwrap_or(&edit.definition);
        let no_formula = || edit.refusal().map(ToString::to_string);
        let refusal = |reason: Option<String>| no_formula().or(reason).unwrap_or_else(|| NO_FORMULA.to_owned());
        let file = now.path().unwrap_or_default();
        let to_set = first_that_fits(&edit.for_set, |formula| {
            let base = edit.definition.set_text();
            column.shows(
                &column
                    .compiler
                    .with_metric_sets([(file, &*with_set_formula(base, name, formula)?)]),
                None,
            )?;
            let text = with_set_formula(now.set_text(), name, formula)?;
            let compiler = tools.compiler.with_metric_sets([(file, text.as_str())]);
            first_error(&compiler, ours, &ours.source)
        });
        let to_model = match &edit.listed_as {
            None if !edit.definition.is_metric() => Err(Some(format!(
                "`{name}` is a dimension, and a model can only override metrics"
            ))),
            None => Err(Some(format!("`metrics` of the model does not list `{set}.{name}`"))),
            Some(listed) => first_that_fits(&edit.for_model, |formula| {
                let base = with_override(&column.base.source, listed, formula)?;
                column.shows(column.compiler, Some(&base))?;
                let text = with_override(&ours.source, listed, formula)?;
                first_error(tools.compiler, ours, &text)
            }),
        };
        Self {
            set: set.to_owned(),
            name: name.to_owned(),
            is_filter: false,
            file: file.to_owned(),
            line: now.line(),
            to_set: to_set.map_err(refusal),
            models: Vec::new(),
            listed_as: edit.listed_as.clone(),
            to_model: to_model.map_err(refusal),
        }
    }

    /// Finds the models whose SQL the formula for the set changes. Each model is given with its name.
    pub fn find_changed_models<'s>(
        &mut self,
        specs: impl Iterator<Item = (&'s String, &'s CurrentSpec)>,
        compiler: &Compiler,
    ) {
        let Ok(formula) = &self.to_set else { return };
        let mut changed = None;
        for (model, spec) in specs {
            let files = || spec.compiled.set_files();
            let Some((_, text)) = files().find(|(path, _)| *path == self.file) else {
                continue;
            };
            let changed = changed.get_or_insert_with(|| {
                let text = self.changed_set(text, formula).unwrap_or_default();
                compiler.with_metric_sets([(self.file.as_str(), text.as_str())])
            });
            let made = changed.compile_spec_at(&spec.source, Some(&spec.spec));
            if made.query() != spec.compiled.query() {
                self.models.push(model.clone());
            }
        }
        self.models.sort();
    }

    /// Creates the conflict for an edited condition. `ours` is the current spec.
    pub(super) fn of_filter(
        edit: &FilterEdit<'_>,
        ours: &CurrentSpec,
        shows: impl Fn(&Compiler) -> bool,
        compiler: &Compiler,
    ) -> Self {
        let set = edit.filter.set();
        let now = ours.compiled.set_filter(set).unwrap_or(edit.filter);
        let mut conflict = Self {
            set: set.to_owned(),
            name: "where".to_owned(),
            is_filter: true,
            file: now.path().unwrap_or_default().to_owned(),
            line: now.line(),
            to_set: Err("no formula was found for this condition; change `where` in the set yourself".to_owned()),
            models: Vec::new(),
            listed_as: None,
            to_model: Err("a model cannot override the `where` of a set".to_owned()),
        };
        if let Some(formula) = &edit.formula
            && let Ok(text) = conflict.changed_set(edit.filter.set_text(), formula)
            && shows(&compiler.with_metric_sets([(conflict.file.as_str(), text.as_str())]))
        {
            conflict.to_set = Ok(formula.clone());
        }
        conflict
    }

    /// Returns the text of the set with the new formula.
    ///
    /// # Errors
    ///
    /// Returns the reason why the text cannot be edited.
    pub fn changed_set(&self, set: &str, formula: &str) -> Result<String, String> {
        if !self.is_filter {
            return with_set_formula(set, &self.name, formula);
        }
        let edit = Edit::Set {
            at: Path::root().key("where"),
            value: YamlValue::text(formula),
            after: Vec::new(),
        };
        apply_edits(set, &[edit]).map_err(|refusal| refusal.to_string())
    }

    pub(super) fn json(&self) -> Value {
        let resolution = |possible: &Result<String, String>, changes: &[String]| {
            json!({
                "formula": possible.as_ref().ok(), "refused": possible.as_ref().err(), "changes": changes,
            })
        };
        json!({
            "set": self.set, "name": self.name, "is_filter": self.is_filter, "file": self.file, "line": self.line,
            "to_set": resolution(&self.to_set, &self.models), "to_model": resolution(&self.to_model, &[]),
        })
    }

    /// Returns the name of the definition with its set, such as `orders.revenue`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.set, self.name)
    }
}

impl ReconcileWork<'_> {
    /// Adds the conflict of an edit to SQL that a metric set defines, unless the set has the edit already.
    pub fn add_set_conflict(&self, edit: &HandEdit, column: &EditedColumn<'_>, done: &mut Reconciled) {
        let sql = self.ours.compiled.model_sql().unwrap_or_default();
        if column.is_shown_by(sql) {
            done.carried.push(edit.clone());
            return;
        }
        let set = SetConflict::new(column, &self.ours, self.tools);
        let formula = |text: &str| Some(text.split_whitespace().collect::<Vec<_>>().join(" "));
        let ours = self.ours.compiled.set_definition(&set.set, &set.name);
        let ours = ours.and_then(|ours| formula(ours.text()));
        let mut conflict = self.build_conflict(edit, formula(column.edit.definition.text()), ours);
        conflict.theirs_formula = set.to_set.as_ref().or(set.to_model.as_ref()).ok().cloned();
        (conflict.spec, conflict.spec_line) = (set.file.clone(), Some(set.line));
        conflict.set = Some(set);
        done.conflicts.push(conflict);
    }

    /// Adds the conflict of an edit to the condition of a metric set. Returns whether the edit is such an edit.
    pub fn reconcile_filter(&self, edit: &HandEdit, done: &mut Reconciled) -> bool {
        let is_filter = edit.detail.starts_with("`where`") && is_in_model_file(self.sides.model)(edit);
        let Some(found) = self.sides.found.get(&edit.file).filter(|_| is_filter) else {
            return false;
        };
        let (found, spec) = (normalize_lines(found), Some(self.base.spec.as_str()));
        let cte = edit.cte.as_deref();
        let edited = EditedModel::new(self.base_compiler, &self.base.source, spec, &found);
        let Some((edited, filter)) = edited
            .as_ref()
            .and_then(|edited| Some((edited, edited.filter_edit(cte)?)))
        else {
            return false;
        };
        if edited.is_filter_shown_by(self.ours.compiled.model_sql().unwrap_or_default(), cte) {
            done.carried.push(edit.clone());
            return true;
        }
        let shows = |compiler: &Compiler| {
            let made = compiler.compile_spec_at(&self.base.source, spec);
            made.model_sql().is_some_and(|sql| edited.is_filter_shown_by(sql, cte))
        };
        let set = SetConflict::of_filter(&filter, &self.ours, shows, self.base_compiler);
        let ours = self.ours.compiled.set_filter(&set.set);
        let ours = ours.map(|filter| filter.text().to_owned());
        let mut conflict = self.build_conflict(edit, Some(filter.filter.text().to_owned()), ours);
        conflict.theirs_formula = set.to_set.as_ref().ok().cloned();
        (conflict.spec, conflict.spec_line) = (set.file.clone(), Some(set.line));
        conflict.set = Some(set);
        done.conflicts.push(conflict);
        true
    }
}

const NO_FORMULA: &str = "no formula produces exactly this SQL";

impl EditedColumn<'_> {
    /// Compiles the base with other sets or with another spec, and checks whether its SQL contains the edit.
    fn shows(&self, compiler: &Compiler, spec: Option<&str>) -> Result<(), String> {
        let compiled = compiler.compile_spec_at(spec.unwrap_or(&self.base.source), Some(&self.base.spec));
        let sql = compiled.model_sql().ok_or_else(|| {
            let error = compiled.diagnostics().iter().find(|found| found.is_error());
            error.map_or_else(|| NO_FORMULA.to_owned(), |error| error.message().to_owned())
        })?;
        match self.is_shown_by(sql) {
            true => Ok(()),
            false => Err(NO_FORMULA.to_owned()),
        }
    }

    /// Returns whether a version of the model's SQL contains the edit.
    pub fn is_shown_by(&self, sql: &str) -> bool {
        let (cte, column) = &self.edit.shown;
        self.edited.is_shown_by(sql, cte.as_deref(), column)
    }
}

/// Returns the first formula for which the check succeeds, or the reason why the first formula fails.
fn first_that_fits(formulas: &[String], check: impl Fn(&str) -> Result<(), String>) -> Result<String, Option<String>> {
    let mut reason = None;
    for formula in formulas {
        match check(formula) {
            Ok(()) => return Ok(formula.clone()),
            Err(why) => reason = reason.or(Some(why)),
        }
    }
    Err(reason)
}

fn first_error(compiler: &Compiler, ours: &CurrentSpec, source: &str) -> Result<(), String> {
    let compiled = compiler.compile_spec_at(source, Some(&ours.spec));
    let error = compiled.diagnostics().iter().find(|found| found.is_error());
    error.map_or(Ok(()), |error| Err(Diagnostic::message(error).to_owned()))
}

/// Returns the text of a metric set with another formula for a definition.
fn with_set_formula(set: &str, name: &str, formula: &str) -> Result<String, String> {
    with_formula(set, None, name, formula).map_err(|refusal| refusal.to_string())
}

/// Returns the spec of a model over metric sets with a definition that overrides a metric.
///
/// ```
/// use formulac_sync::with_override;
/// let spec = "model: m\nmetrics: [orders.revenue]\ngroup_by: month\n";
/// let changed = with_override(spec, "revenue", "revenue * 2").unwrap();
/// assert_eq!(
///     changed,
///     "model: m\nmetrics: [orders.revenue]\noverrides: [revenue]\ngroup_by: month\ndefinitions: revenue = revenue * 2\n"
/// );
/// ```
///
/// # Errors
///
/// Returns the reason why the text cannot be edited.
pub fn with_override(spec: &str, name: &str, formula: &str) -> Result<String, String> {
    let root = value(spec).ok_or("the spec is not valid YAML")?;
    let (step, at) = match root.get("steps") {
        Some(YamlValue::List(steps, _)) => {
            let step = steps.first().ok_or("the spec has no steps")?;
            let named = step.get("name").and_then(YamlValue::as_text);
            let named = named.ok_or("the step with `metrics` has no name; add `name`")?;
            (step, Path::root().key("steps").item("name", named))
        }
        _ => (&root, Path::root()),
    };
    let set = |key: &str, value: YamlValue, after: &[&str]| Edit::Set {
        at: at.clone().key(key),
        value,
        after: after.iter().map(|key| (*key).to_owned()).collect(),
    };
    let overrides = match step.get("overrides") {
        Some(YamlValue::List(..)) => Edit::Add {
            to: at.clone().key("overrides"),
            value: YamlValue::text(name),
        },
        Some(YamlValue::Text(names)) => set("overrides", YamlValue::text(format!("{names}, {name}")), &[]),
        _ => {
            let names = YamlValue::List(vec![YamlValue::text(name)], CollectionStyle::Flow);
            set("overrides", names, &["metrics"])
        }
    };
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let quoted = match is_plain {
        true => name.to_owned(),
        false => format!("\"{name}\""),
    };
    let definition = format!("{quoted} = {formula}");
    let definitions = match step.get("definitions") {
        Some(YamlValue::Map(..)) => Edit::Set {
            at: at.clone().key("definitions").key(name),
            value: YamlValue::text(formula),
            after: Vec::new(),
        },
        Some(YamlValue::Text(text)) => {
            let text = format!("{}\n{definition}\n", text.trim_end());
            set("definitions", YamlValue::text(text), &[])
        }
        _ => set("definitions", YamlValue::text(definition), &[]),
    };
    apply_edits(spec, &[overrides, definitions]).map_err(|refusal| refusal.to_string())
}
