//! Conflicts between manual edits and metric sets. A manual edit to SQL that a metric set defines is a conflict,
//! because other models may use the same definition.

use formulac_syntax::text::collapse_whitespace;
use serde_json::{Value, json};

use super::conflict::Conflict;
use super::current_spec::CurrentSpec;
use super::manual_edits::{ManualEdit, Property};
use super::model_reconciler::{ModelReconciler, is_edit_of_model_sql};
use super::reconcile::{ReconcileResult, ReconcileTools};
use super::state::PushState;
use crate::decompile::{
    Decompiler, EditMatch, EditedMetricSetPart, EditedModel, FilePartPosition, FilterEdit, MetricEdit, MetricSetEdit,
    RewrittenSql, Substitution, with_formula,
};
use crate::model::shared_definitions::is_identifier;
use crate::model::{MetricSetFormula, MetricSetRelation};
use crate::yaml_edit::{CollectionStyle, Edit, Path, YamlValue, apply_edits, parse_value};
use crate::{CompiledSpec, Compiler};

/// Definition in a metric set whose SQL was edited in a model's file, and the possible ways to resolve the conflict.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MetricSetConflict {
    /// Name of the metric set.
    pub set: String,
    /// Name of the metric or dimension, or key of the metric set: `where`, `from` or `joins`.
    pub name: String,
    /// Part of the metric set that defines the edited SQL.
    pub part: MetricSetPartKind,
    /// Path of the metric set's file.
    pub file: String,
    /// Line of the definition in the metric set's file, starting at 1.
    pub line: usize,
    /// New formula for the metric set's definition, or the reason why no formula produces the edited SQL.
    pub to_set: Result<String, String>,
    /// SQL of the new formula, if it differs from the edited SQL.
    pub to_set_sql: Option<RewrittenSql>,
    /// Models whose SQL the new formula would change, sorted.
    pub models: Vec<String>,
    /// Name of the metric in the model's `metrics`. `None` if the model uses the definition only in other definitions.
    pub listed_as: Option<String>,
    /// Formula of a definition that overrides the metric in the model, or the reason why no formula produces the edited
    /// SQL.
    pub to_model: Result<String, String>,
    /// SQL of the definition in the model, if it differs from the edited SQL.
    pub to_model_sql: Option<RewrittenSql>,
    /// Whether the `where` of the metric set has changed since the last push, so that a new formula reads other rows
    /// than the edited SQL.
    has_changed_filter: bool,
}

/// Part of a metric set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricSetPartKind {
    /// A metric or dimension.
    Definition,
    /// The condition, `where`.
    Filter,
    /// A relation in `from` or `joins`.
    Relation,
}

/// Model built on metric sets, as of the last push, and its SQL with manual edits.
pub(super) struct EditedMetricColumn<'e> {
    /// Compiler that uses the metric sets of the last push.
    pub compiler: &'e Compiler,
    pub decompiler: &'e Decompiler,
    pub base: &'e PushState,
    pub model: &'e EditedModel<'e>,
    pub edit: &'e MetricEdit<'e>,
}

impl MetricSetConflict {
    /// Creates the conflict for an edited column. `ours` is the current spec.
    pub(super) fn new(column: &EditedMetricColumn<'_>, ours: &CurrentSpec, tools: ReconcileTools<'_>) -> Self {
        let edit = column.edit;
        let (set, name) = (edit.definition.set_position().set(), edit.definition.name());
        let now = ours.compiled.metric_set_definition(set, name);
        let now = now.as_ref().unwrap_or(&edit.definition);
        let full_name = format!("{set}.{name}");
        let error = || edit.error().map(ToString::to_string);
        let describe_error =
            |reason: Option<String>| error().or(reason).unwrap_or_else(|| NO_FORMULA_MESSAGE.to_owned());
        let file = now.set_position().path().unwrap_or_default();
        // The name of a changed definition has another value in the new formula than in the edited SQL.
        let find_in_current_sql = |(base, found): (CompiledSpec, EditMatch),
                                   current: &CompiledSpec,
                                   first: &[String],
                                   formula: &str| {
            let changes = current.metric_changes_since(&base);
            let is_changed = |name: &String| changes.iter().any(|change| change.metric.eq_ignore_ascii_case(name));
            let Some(changed) = definitions_read(current, first).into_iter().find(is_changed) else {
                return Ok(found);
            };
            let sql = current.model_sql();
            sql.and_then(|sql| column.find_edit_in_sql(sql)).ok_or_else(|| {
                format!("`{changed}` has changed since the last push, so `{formula}` would not produce the edited SQL")
            })
        };
        let to_set = first_valid_formula(&edit.for_set, |formula| {
            let with_formula =
                |set: &MetricSetFormula<'_>| with_metric_set_formula(set.set_position().set_text(), name, formula);
            let text = with_formula(&edit.definition)?;
            let compiler = column.compiler.with_metric_sets([(file, text.as_str())]);
            let base = column.find_edit_in_recompiled_sql(&compiler, &column.base.source)?;
            let text = with_formula(now)?;
            let compiler = tools.compiler.with_metric_sets([(file, text.as_str())]);
            let current = compile_without_errors(&compiler, &ours.spec, &ours.source)?;
            find_in_current_sql(base, &current, std::slice::from_ref(&full_name), formula)
        });
        let to_model = match &edit.listed_as {
            None if !edit.definition.is_metric() => Err(Some(format!(
                "`{name}` is a dimension, but a model can override only metrics"
            ))),
            None => Err(Some(format!("`metrics` of the model does not list `{full_name}`"))),
            Some(listed) => first_valid_formula(&edit.for_model, |formula| {
                let text = with_override(&column.base.source, listed, formula)?;
                let base = column.find_edit_in_recompiled_sql(column.compiler, &text)?;
                let text = with_override(&ours.source, listed, formula)?;
                let current = compile_without_errors(tools.compiler, &ours.spec, &text)?;
                find_in_current_sql(base, &current, current.metrics_of_column(listed), formula)
            }),
        };
        let (to_set, to_set_sql) = split_formula_resolution(to_set);
        let (to_model, to_model_sql) = split_formula_resolution(to_model);
        Self {
            set: set.to_owned(),
            name: name.to_owned(),
            part: MetricSetPartKind::Definition,
            file: file.to_owned(),
            line: now.set_position().line(),
            to_set: to_set.map_err(describe_error),
            to_set_sql,
            models: Vec::new(),
            listed_as: edit.listed_as.clone(),
            to_model: to_model.map_err(describe_error),
            to_model_sql,
            has_changed_filter: column.has_changed_filter(ours, set),
        }
    }

    /// Finds the models whose SQL would change with the metric set's new formula, and stores their names in `models`.
    pub fn record_changed_models<'s>(
        &mut self,
        specs: impl Iterator<Item = (&'s String, &'s CurrentSpec)>,
        compiler: &Compiler,
    ) {
        let Ok(formula) = &self.to_set else { return };
        let mut changed = None;
        for (model, spec) in specs {
            let files = || spec.compiled.metric_set_files();
            let Some((_, text)) = files().find(|(path, _)| *path == self.file) else {
                continue;
            };
            let changed = changed.get_or_insert_with(|| {
                let text = self.metric_set_with_formula(text, formula).unwrap_or_default();
                compiler.with_metric_sets([(self.file.as_str(), text.as_str())])
            });
            let compiled_spec = changed.compile_spec_at(&spec.source, Some(&spec.spec));
            if compiled_spec.query() != spec.compiled.query() {
                self.models.push(model.clone());
            }
        }
        self.models.sort();
    }

    /// Creates the conflict for an edited condition. `ours` is the current spec.
    fn from_filter_edit(
        edit: &FilterEdit<'_>,
        ours: &CurrentSpec,
        has_edit: impl Fn(&Compiler) -> bool,
        compiler: &Compiler,
    ) -> Self {
        let set = edit.filter.set_position().set();
        let now = ours.compiled.metric_set_filter(set).unwrap_or(edit.filter);
        let mut conflict = Self {
            set: set.to_owned(),
            name: "where".to_owned(),
            part: MetricSetPartKind::Filter,
            file: now.set_position().path().unwrap_or_default().to_owned(),
            line: now.set_position().line(),
            to_set: Err("no formula was found for this condition; change `where` in the set yourself".to_owned()),
            to_set_sql: None,
            models: Vec::new(),
            listed_as: None,
            to_model: Err("a model cannot override the `where` of a set".to_owned()),
            to_model_sql: None,
            has_changed_filter: false,
        };
        if let Some(formula) = &edit.formula
            && let Ok(text) = conflict.metric_set_with_formula(edit.filter.set_position().set_text(), formula)
            && has_edit(&compiler.with_metric_sets([(conflict.file.as_str(), text.as_str())]))
        {
            conflict.to_set = Ok(formula.clone());
        }
        conflict
    }

    /// Creates the conflict for an edited relation.
    fn from_relation_edit(relation: &MetricSetRelation<'_>) -> Self {
        let key = relation.key();
        Self {
            set: relation.set_position().set().to_owned(),
            name: key.to_owned(),
            part: MetricSetPartKind::Relation,
            file: relation.set_position().path().unwrap_or_default().to_owned(),
            line: relation.set_position().line(),
            to_set: Err(format!("change `{key}` in the set yourself")),
            to_set_sql: None,
            models: Vec::new(),
            listed_as: None,
            to_model: Err(format!("a model cannot override the `{key}` of a set")),
            to_model_sql: None,
            has_changed_filter: false,
        }
    }

    /// Returns a note on the rows that a new formula reads, if they are not the rows of the edited SQL.
    #[must_use]
    pub fn note_on_rows(&self) -> Option<String> {
        let note = || {
            format!(
                "the `where` of `{}` has changed since the last push, so the new formula reads other rows than the edited SQL",
                self.set
            )
        };
        self.has_changed_filter.then(note)
    }

    /// Returns the text of the metric set with the new formula.
    ///
    /// # Errors
    ///
    /// Returns the reason why the text cannot be edited.
    pub fn metric_set_with_formula(&self, set: &str, formula: &str) -> Result<String, String> {
        if self.part == MetricSetPartKind::Definition {
            return with_metric_set_formula(set, &self.name, formula);
        }
        let edit = Edit::Set {
            at: Path::root().key("where"),
            value: YamlValue::text(formula),
            after: Vec::new(),
        };
        apply_edits(set, &[edit]).map_err(|error| error.to_string())
    }

    pub(super) fn json(&self) -> Value {
        let resolution = |possible: &Result<String, String>, sql: &Option<RewrittenSql>, changes: &[String]| {
            json!({
                "formula": possible.as_ref().ok(), "refused": possible.as_ref().err(), "changes": changes,
                "rewritten": sql.as_ref().map(|rewritten_sql| json!({"sql": rewritten_sql.sql, "adds": rewritten_sql.describe()})),
            })
        };
        json!({
            "set": self.set, "name": self.name, "is_filter": self.part == MetricSetPartKind::Filter, "file": self.file, "line": self.line,
            "to_set": resolution(&self.to_set, &self.to_set_sql, &self.models),
            "to_model": resolution(&self.to_model, &self.to_model_sql, &[]),
        })
    }

    /// Returns the name of the definition with its metric set, such as `orders.revenue`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.set, self.name)
    }
}

impl ModelReconciler<'_> {
    /// Reports a conflict if a metric set defines the edited SQL, unless the metric set already contains the edit.
    pub fn add_metric_set_conflict(
        &self,
        edit: &ManualEdit,
        column: &EditedMetricColumn<'_>,
        restored: Vec<Substitution>,
        reconciled: &mut ReconcileResult,
    ) {
        let sql = self.ours.compiled.model_sql().unwrap_or_default();
        if column.has_column_edit(sql) {
            reconciled.carried.push(edit.clone());
            return;
        }
        let set = MetricSetConflict::new(column, &self.ours, self.tools);
        let ours = self.ours.compiled.metric_set_definition(&set.set, &set.name);
        let ours = ours.map(|ours| collapse_whitespace(ours.text()));
        let sides = (Some(collapse_whitespace(column.edit.definition.text())), ours);
        self.push_metric_set_conflict(edit, set, sides, restored, reconciled);
    }

    /// Reports a conflict if a metric set defines the edited clause. Returns whether a metric set defines the clause.
    pub fn reconcile_metric_set_part(&self, edit: &ManualEdit, reconciled: &mut ReconcileResult) -> bool {
        let position = edit
            .position
            .as_ref()
            .filter(|_| is_edit_of_model_sql(self.sides.model)(edit));
        let (Some(edited), Some(position)) = (self.edited_model, position) else {
            return false;
        };
        let Some(MetricSetEdit {
            owner,
            restorations: restored,
        }) = edited.metric_set_edit(self.tools.decompiler, position)
        else {
            return false;
        };
        let is_done = edited.has_edited_clause(self.ours.compiled.model_sql().unwrap_or_default(), position);
        match owner {
            EditedMetricSetPart::Definition(metric) => {
                // The column of the definition may have been edited, too.
                let (set, name) = (metric.definition.set_position().set(), metric.definition.name());
                let is_same = |conflict: &&mut Conflict| {
                    let of_set = |of: &MetricSetConflict| {
                        of.part == MetricSetPartKind::Definition && of.set == set && of.name == name
                    };
                    conflict.set.as_ref().is_some_and(of_set)
                };
                if let Some(known) = reconciled.conflicts.iter_mut().find(is_same) {
                    known.restored.extend(restored);
                    return true;
                }
                let edit = ManualEdit {
                    definition: Some(metric.column_with_cte.1.clone()),
                    property: Property::Formula,
                    ..edit.clone()
                };
                let column = EditedMetricColumn {
                    compiler: self.base_compiler,
                    decompiler: self.tools.decompiler,
                    base: self.base,
                    model: edited,
                    edit: &metric,
                };
                self.add_metric_set_conflict(&edit, &column, restored, reconciled);
            }
            _ if is_done => reconciled.carried.push(edit.clone()),
            EditedMetricSetPart::Filter(filter) => {
                let set = self.filter_conflict(&filter, edited, position);
                let ours = self.ours.compiled.metric_set_filter(&set.set);
                let ours = ours.map(|filter| filter.text().to_owned());
                let sides = (Some(filter.filter.text().to_owned()), ours);
                self.push_metric_set_conflict(edit, set, sides, restored, reconciled);
            }
            EditedMetricSetPart::Relation(relation) => {
                let set = MetricSetConflict::from_relation_edit(&relation);
                let sides = (edit.before.clone(), edit.before.clone());
                self.push_metric_set_conflict(edit, set, sides, restored, reconciled);
            }
        }
        true
    }

    fn filter_conflict(
        &self,
        filter: &FilterEdit<'_>,
        edited: &EditedModel<'_>,
        position: &FilePartPosition,
    ) -> MetricSetConflict {
        let has_edit = |compiler: &Compiler| {
            let spec = compiler.compile_spec_at(&self.base.source, Some(&self.base.spec));
            spec.model_sql()
                .is_some_and(|sql| edited.has_edited_clause(sql, position))
        };
        MetricSetConflict::from_filter_edit(filter, &self.ours, has_edit, self.base_compiler)
    }

    fn push_metric_set_conflict(
        &self,
        edit: &ManualEdit,
        set: MetricSetConflict,
        (base, ours): (Option<String>, Option<String>),
        restored: Vec<Substitution>,
        reconciled: &mut ReconcileResult,
    ) {
        let mut conflict = self.build_conflict(edit, base, ours);
        conflict.theirs_formula = set.to_set.as_ref().or(set.to_model.as_ref()).ok().cloned();
        (conflict.spec, conflict.spec_line) = (set.file.clone(), Some(set.line));
        (conflict.restored, conflict.set) = (restored, Some(set));
        reconciled.conflicts.push(conflict);
    }
}

const NO_FORMULA_MESSAGE: &str = "no formula produces exactly this SQL";

impl EditedMetricColumn<'_> {
    /// Compiles a version of the base's spec, and finds the edit in the resulting SQL.
    fn find_edit_in_recompiled_sql(
        &self,
        compiler: &Compiler,
        spec: &str,
    ) -> Result<(CompiledSpec, EditMatch), String> {
        let compiled = compile_without_errors(compiler, &self.base.spec, spec)?;
        let sql = compiled.model_sql();
        let found = sql.and_then(|sql| self.find_edit_in_sql(sql));
        found
            .map(|found| (compiled, found))
            .ok_or_else(|| NO_FORMULA_MESSAGE.to_owned())
    }

    /// Returns whether the `where` of a metric set has changed since the last push.
    fn has_changed_filter(&self, ours: &CurrentSpec, set: &str) -> bool {
        let base = self.compiler.compile_spec_at(&self.base.source, Some(&self.base.spec));
        let filter = format!("{set}.where");
        let changes = ours.compiled.metric_changes_since(&base);
        changes.iter().any(|change| change.metric.eq_ignore_ascii_case(&filter))
    }

    /// Finds the edit in a version of the model's SQL.
    fn find_edit_in_sql(&self, sql: &str) -> Option<EditMatch> {
        let (cte, column) = &self.edit.column_with_cte;
        self.model.find_edit_in(self.decompiler, sql, (cte.as_deref(), column))
    }

    /// Returns whether a version of the model's SQL contains the edit.
    pub fn has_column_edit(&self, sql: &str) -> bool {
        let (cte, column) = &self.edit.column_with_cte;
        self.model.has_column_edit(sql, cte.as_deref(), column)
    }
}

/// Formula that resolves a conflict, and the match between its SQL and the edit. If no formula resolves the conflict,
/// the reason.
type FormulaResolution = Result<(String, EditMatch), Option<String>>;

/// Returns the first formula for which the check succeeds, or the reason why the first formula fails. The message that
/// no formula produces the SQL is no reason, because another formula may fail for a reason that the user can act on.
fn first_valid_formula(formulas: &[String], check: impl Fn(&str) -> Result<EditMatch, String>) -> FormulaResolution {
    let mut reason = None;
    for formula in formulas {
        match check(formula) {
            Ok(edit_match) => return Ok((formula.clone(), edit_match)),
            Err(why) => reason = reason.or(Some(why).filter(|why| why != NO_FORMULA_MESSAGE)),
        }
    }
    Err(reason)
}

/// Returns the formula, and the formula's SQL if it differs from the edited SQL.
fn split_formula_resolution(valid: FormulaResolution) -> (Result<String, Option<String>>, Option<RewrittenSql>) {
    match valid {
        Ok((formula, edit_match)) => (Ok(formula), edit_match.rewritten()),
        Err(reason) => (Err(reason), None),
    }
}

/// Compiles a spec, or returns the message of its first error.
fn compile_without_errors(compiler: &Compiler, path: &str, source: &str) -> Result<CompiledSpec, String> {
    let compiled = compiler.compile_spec_at(source, Some(path));
    match compiled.diagnostics().iter().find(|diagnostic| diagnostic.is_error()) {
        Some(error) => Err(error.message().to_owned()),
        None => Ok(compiled),
    }
}

/// Returns definitions of metric sets, followed by all definitions that they read, directly or through other
/// definitions. Each has its full name, such as `orders.revenue`.
fn definitions_read(compiled: &CompiledSpec, first: &[String]) -> Vec<String> {
    let mut names = first.to_vec();
    let mut at = 0;
    while let Some((set, name)) = names.get(at).and_then(|name| name.split_once('.')) {
        let definition = compiled.metric_set_definition(set, name);
        let used = definition.iter().flat_map(MetricSetFormula::used_names);
        let used = used.filter(|(set, name)| compiled.metric_set_definition(set, name).is_some());
        let used = used.map(|(set, name)| format!("{set}.{name}"));
        let is_new = |used: &String| !names.iter().any(|name| name.eq_ignore_ascii_case(used));
        let new: Vec<String> = used.filter(is_new).collect();
        names.extend(new);
        at += 1;
    }
    names
}

/// Returns the text of a metric set in which a definition has a different formula.
fn with_metric_set_formula(set: &str, name: &str, formula: &str) -> Result<String, String> {
    with_formula(set, None, name, formula).map_err(|error| error.to_string())
}

/// Adds a definition that overrides a metric to the spec of a model built on metric sets, and returns the spec.
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
    let root = parse_value(spec).ok_or("the spec is not valid YAML")?;
    let (step, at) = match root.get("steps") {
        Some(YamlValue::List(steps, _)) => {
            let step = steps.first().ok_or("the spec has no steps")?;
            let step_name = step.get("name").and_then(YamlValue::as_text);
            let step_name = step_name.ok_or("the step with `metrics` has no name; add `name`")?;
            (step, Path::root().key("steps").item("name", step_name))
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
    let is_plain = is_identifier(name);
    let definition = format!("{name} = {formula}");
    let definitions = match step.get("definitions") {
        Some(YamlValue::Map(..)) => Edit::Set {
            at: at.clone().key("definitions").key(name),
            value: YamlValue::text(formula),
            after: Vec::new(),
        },
        Some(YamlValue::Text(_)) if !is_plain => {
            return Err(format!(
                "a text block cannot define `{name}`; write `definitions` as a mapping, such as `a: SUM(x)`"
            ));
        }
        Some(YamlValue::Text(text)) => {
            let text = format!("{}\n{definition}\n", text.trim_end());
            set("definitions", YamlValue::text(text), &[])
        }
        _ if is_plain => set("definitions", YamlValue::text(definition), &[]),
        _ => {
            let mapping = YamlValue::map([(name.to_owned(), YamlValue::text(formula))]);
            set("definitions", mapping, &[])
        }
    };
    apply_edits(spec, &[overrides, definitions]).map_err(|error| error.to_string())
}
