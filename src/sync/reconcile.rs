//! Reconciles a model's spec with its files after both changed since the base. This module merges the changes,
//! transfers changes from one side to the other, and reports conflicts that a user must resolve.

use std::collections::BTreeMap;

use super::hand_edits::{self, HandEdit, HandEditKind, KEEP_COMMENT, Property};
use super::kept_edit_conflicts::{SAME_VALUES, add_conflicts_of_new_metrics, add_conflicts_of_shared_columns};
use super::merge_files::with_generated_columns;
use super::merge_generated_file::{merge_clashes, merge_generated_file};
use super::metric_set_conflicts::{EditedMetricColumn, MetricSetConflict};
use super::properties::{self, LocatedPropertyValue, PropertyTarget};
use super::state::{PushState, normalize_lines};
use super::write_back;
use crate::dbt::is_unmodified;
use crate::decompile::{Decompiler, EditOrigin, EditedModel, LayoutClash, Substitution, with_formula};
use crate::parallel;
use crate::yaml::{self, Node};
use crate::yaml_edit::YamlValue;
use crate::{CompiledSpec, Compiler};

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
        let own = [("sql", Some(sql)), ("yml", Some(yml)), ("md", compiled.model_md())];
        let own = own
            .into_iter()
            .filter_map(|(end, text)| Some((format!("{models}/{name}.{end}"), normalize_lines(text?))));
        let tests = compiled
            .model_tests()
            .iter()
            .map(|test| (format!("{tests}/{}.sql", test.name()), normalize_lines(test.sql())));
        let files = own.chain(tests).collect();
        Some(Self {
            spec: spec.to_owned(),
            source: source.to_owned(),
            compiled,
            files,
        })
    }

    /// Returns the line number of a definition's formula in the spec, starting at 1.
    pub(super) fn line(&self, name: &str) -> Option<usize> {
        let found = self
            .compiled
            .definitions()
            .iter()
            .find(|definition| definition.name() == name)?;
        Some(properties::line_at(&self.source, found.span().start as usize))
    }
}

impl CurrentSpec {
    /// Returns the line number of a definition's description, or of the model's description if `name` is `None`. `None`
    /// if the spec contains no description.
    fn description_line(&self, name: Option<&str>) -> Option<usize> {
        let root = yaml::root(&self.source)?;
        let line = |node: &Node| properties::line_at(&self.source, node.span.start as usize);
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

/// Base, spec and files of a model.
#[derive(Clone, Copy, Debug)]
pub struct ModelSides<'a> {
    /// Name of the model.
    pub model: &'a str,
    /// Versions of the base. Empty before the first push. Two versions if git could not merge them.
    pub bases: &'a [PushState],
    /// The spec. `None` if the spec was removed.
    pub ours: Option<&'a CurrentSpec>,
    /// Files in the work tree, by path.
    pub files: &'a BTreeMap<String, String>,
}

/// Conflict, in which both sides made different changes to the same part.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Conflict {
    /// Name of the definition or column. `None` if the conflict concerns the whole model or a file.
    pub definition: Option<String>,
    /// Name of the step that contains the definition, if any.
    pub step: Option<String>,
    /// Property that both sides changed.
    pub property: Property,
    /// Key under the property, or list item.
    pub detail: String,
    /// Value in the base.
    pub base: Option<String>,
    /// Value in the spec.
    pub ours: Option<String>,
    /// Path of the spec.
    pub spec: String,
    /// Line number in the spec, if known.
    pub spec_line: Option<usize>,
    /// Value in the file.
    pub theirs: Option<String>,
    /// The file's version as a formula, if the edited SQL can be converted to a formula.
    pub theirs_formula: Option<String>,
    /// Path of the file.
    pub file: String,
    /// Line number in the file.
    pub line: usize,
    /// Edit to the file. `None` if the conflict concerns a complete file.
    pub edit: Option<HandEdit>,
    /// Parts that both sides changed. Empty if the conflict does not concern a file.
    pub clashes: Vec<LayoutClash>,
    /// Definitions and conditions of the spec that would read the edited column, although they do not name it. Empty if
    /// the spec and the file changed the same part.
    pub readers: Vec<String>,
    /// Replacements of byte ranges in a model's SQL that undo the edit. Line breaks in the file are `\n`. Empty if the
    /// edit is removed by other means.
    pub restored: Vec<Substitution>,
    /// Metric set that contains the definition, if a metric set defines the edited SQL.
    pub set: Option<MetricSetConflict>,
}

impl Conflict {
    /// Returns `true` if the conflict is between a description in Omni and a handwritten description in dbt, so that
    /// neither file was generated by a push.
    #[must_use]
    pub fn is_omni_conflict(&self) -> bool {
        self.property == Property::Description && self.edit.is_none()
    }

    /// Returns `true` if the file cannot be compared with the spec, because the file is not valid YAML.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.edit
            .as_ref()
            .is_some_and(|edit| edit.is_whole_file() && edit.why.is_some())
    }
}

/// Result of reconciling the hand edits in a model's files.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Reconciled {
    /// The spec, including the transferred edits. `None` if no edits were transferred.
    pub source: Option<String>,
    /// Edits that were transferred to the spec, or that the spec already contains.
    pub carried: Vec<HandEdit>,
    /// Edits that exist only in the files.
    pub kept: Vec<HandEdit>,
    /// Conflicts that a user must resolve.
    pub conflicts: Vec<Conflict>,
}

/// Tools for converting SQL to formulas and for compiling other versions of a spec.
#[derive(Clone, Copy, Debug)]
pub struct ReconcileTools<'t> {
    /// Compiler for the spec. Its schema includes all relations that the spec reads.
    pub compiler: &'t Compiler,
    /// Decompiler, which all models share.
    pub decompiler: &'t Decompiler,
    /// Folders for models and tests, relative to the project's folder.
    pub folders: (&'t str, &'t str),
    /// New paths of moved files, by their default paths in these folders.
    pub moved_paths: &'t BTreeMap<String, String>,
}

impl ReconcileTools<'_> {
    /// Compiles a version of a spec. `None` if the spec generates no model.
    #[must_use]
    pub fn compile(&self, spec: &str, text: &str) -> Option<CurrentSpec> {
        let compiled = self.compiler.compile_spec_at(text, Some(spec));
        let mut current_spec = CurrentSpec::new(spec, text, compiled, self.folders.0, self.folders.1)?;
        current_spec.files = current_spec
            .files
            .into_iter()
            .map(|(path, it)| (self.moved_paths.get(&path).cloned().unwrap_or(path), it))
            .collect();
        Some(current_spec)
    }
}

/// Maximum number of times that the remaining edits are compared with the spec that contains the other edits.
const MAX_ROUNDS: usize = 3;

/// Reconciles the current spec with the edits that users made in the files and elsewhere (`more`).
#[must_use]
pub fn reconcile<'t>(sides: ModelSides<'_>, more: Vec<HandEdit>, tools: impl Fn() -> ReconcileTools<'t>) -> Reconciled {
    let mut done = reconcile_with_base(sides, more, &tools);
    // An edit may have a formula only after another edit is transferred. Without another round, the next push would
    // transfer the edit.
    for _ in 0..MAX_ROUNDS {
        if !reconcile_remaining_edits(sides, &mut done, &tools) {
            break;
        }
    }
    add_conflicts_of_new_metrics(sides, &mut done, &tools);
    add_conflicts_of_shared_columns(sides, &mut done, &tools);
    done
}

/// Compares the edits that remain in the model's SQL with the spec that contains the transferred edits, as the next push
/// would. Returns whether the spec changed.
fn reconcile_remaining_edits<'t>(
    sides: ModelSides<'_>,
    done: &mut Reconciled,
    tools: impl Fn() -> ReconcileTools<'t>,
) -> bool {
    let of_model = is_in_model_file(sides.model);
    let (Some(source), Some(spec), Some(path)) = (
        done.source.as_deref().filter(|_| done.conflicts.is_empty()),
        sides.ours.map(|ours| &ours.spec),
        done.kept
            .iter()
            .find(|edit| of_model(edit))
            .map(|edit| edit.file.clone()),
    ) else {
        return false;
    };
    let Some(ours) = tools().compile(spec, source) else {
        return false;
    };
    let base = PushState::from_pushed(sides.model, &ours);
    let mut files = sides.files.clone();
    if let Some(text) = files.get_mut(&path) {
        let is_rewritten = |edit: &&HandEdit| edit.file == path && edit.rewritten.is_some();
        let rewritten = done.carried.iter().filter(is_rewritten);
        let positions = rewritten.filter_map(|edit| edit.position.as_ref());
        let versions = [ours.files.get(&path), None];
        let generated = with_generated_columns(&normalize_lines(text), versions, ours.compiled.dialect(), positions);
        *text = generated.unwrap_or_else(|| std::mem::take(text));
    }
    let again = reconcile_with_base(
        ModelSides {
            model: sides.model,
            bases: std::slice::from_ref(&base),
            ours: Some(&ours),
            files: &files,
        },
        Vec::new(),
        tools,
    );
    let Some(source) = again.source.filter(|_| again.conflicts.is_empty()) else {
        return false;
    };
    done.source = Some(source);
    for edit in std::mem::take(&mut done.kept) {
        let is_same = |other: &&HandEdit| {
            other.is_same_sql_edit(&edit)
                && (edit.position.is_some() || property_target(other) == property_target(&edit))
        };
        match again.carried.iter().find(is_same) {
            Some(carried) => done.carried.push(HandEdit {
                line: edit.line,
                ..carried.clone()
            }),
            None => done.kept.push(edit),
        }
    }
    true
}

/// Reconciles the spec with the edits, compared with the base of the last push.
pub(super) fn reconcile_with_base<'t>(
    sides: ModelSides<'_>,
    more: Vec<HandEdit>,
    tools: impl Fn() -> ReconcileTools<'t>,
) -> Reconciled {
    let mut done = Reconciled::default();
    let (Some(base), Some(ours)) = (sides.bases.first(), sides.ours) else {
        return done;
    };
    let dialect = ours.compiled.dialect();
    let mut edits =
        hand_edits::hand_edits_between(sides.model, &base.files, &edited_files(sides, &base.files), dialect);
    edits.extend(more);
    if edits.is_empty() {
        return done;
    }
    let tools = tools();
    // The definitions of the base are needed for a comparison with the spec if a formula or a description was edited. A
    // description may be the formula.
    let needs_base = |edit: &HandEdit| {
        matches!(edit.property, Property::Formula | Property::Description) || is_in_model_file(sides.model)(edit)
    };
    let is_formula = edits.iter().any(needs_base);
    let base_compiler = base.compiler(tools.compiler);
    let base_tools = ReconcileTools {
        compiler: &base_compiler,
        ..tools
    };
    let before = if is_formula {
        base_tools.compile(&base.spec, &base.source)
    } else {
        None
    };
    let base_said = specified_properties(sides.model, &base.files);
    let of_model = edits.iter().find(|edit| is_in_model_file(sides.model)(edit));
    let edited_text = of_model.and_then(|edit| Some(normalize_lines(sides.files.get(&edit.file)?)));
    let edited = edited_text
        .as_deref()
        .and_then(|edited_sql| EditedModel::new(&base_compiler, &base.source, Some(&base.spec), edited_sql));
    let mut work = ModelReconciler {
        sides,
        base,
        base_spec: before,
        renamed: Vec::new(),
        ours: ours.clone(),
        tools,
        base_compiler: &base_compiler,
        edited_sql: edited_text.as_deref(),
        edited_model: edited.as_ref(),
        base_said,
    };
    work.apply_respellings(&mut edits, &mut done);
    work.apply_structure_edits(&mut edits, &mut done);
    work.apply_respellings_beside_other_edits(&mut edits, &mut done);
    work.reconcile_replaced_tests(&mut edits, &mut done);
    // A list of tests that becomes empty is removed from the spec, so new tests are added first.
    edits.sort_by_key(|edit| edit.property == Property::Tests && edit.after.is_none());
    for edit in edits {
        work.reconcile_edit(edit, &mut done);
    }
    if work.ours.source != ours.source {
        // The spec with the transferred edits may also produce further edits in the file.
        let hand_edits = hand_edits::hand_edits_between(
            sides.model,
            &work.ours.files,
            &edited_files(sides, &work.ours.files),
            dialect,
        );
        let is_left = |edit: &HandEdit| {
            // A removed property has no line in the file.
            let is_same_place = |other: &HandEdit| {
                other.line == edit.line || edit.position.is_none() && property_target(other) == property_target(edit)
            };
            let is_it =
                |other: &HandEdit| (&other.file, &other.after) == (&edit.file, &edit.after) && is_same_place(other);
            edit.is_whole_file() || hand_edits.iter().any(is_it)
        };
        let (kept, made): (Vec<_>, Vec<_>) = done.kept.drain(..).partition(is_left);
        done.kept = kept;
        done.carried.extend(made);
        done.source = Some(work.ours.source);
    }
    done
}

/// Returns the files that users edited, by path. Files whose contents formulac wrote at any time are unedited.
fn edited_files(sides: ModelSides<'_>, written: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_known = |path: &String, text: &String| {
        let is_one_of = |files: &BTreeMap<String, String>| files.get(path) == Some(text);
        sides.bases.iter().any(|base| is_one_of(&base.files)) || sides.ours.is_some_and(|ours| is_one_of(&ours.files))
    };
    let edited_files = written.iter().filter_map(|(path, written)| {
        let theirs = sides.files.get(path)?;
        let text = normalize_lines(theirs);
        // The hash is computed last, because a comparison of texts is faster.
        let is_ours = is_known(path, &text) || is_unmodified(theirs);
        Some((path.clone(), if is_ours { written.clone() } else { text }))
    });
    edited_files.collect()
}

/// Properties of a model and its columns.
pub(super) type ModelProperties = BTreeMap<PropertyTarget, LocatedPropertyValue>;

/// Returns the properties that a model's files specify.
pub(super) fn specified_properties(model: &str, files: &BTreeMap<String, String>) -> ModelProperties {
    read_properties(model, property_texts(model, files))
}

fn read_properties(model: &str, (yml, md): PropertyTexts<'_>) -> ModelProperties {
    yml.and_then(|yml| properties::read(model, yml, md)).unwrap_or_default()
}

/// Returns the properties that two versions of a model's files specify. If the files with properties are the same, both
/// results are empty, because nothing is different.
pub(super) fn different_properties(model: &str, versions: [&BTreeMap<String, String>; 2]) -> [ModelProperties; 2] {
    let texts = versions.map(|files| property_texts(model, files));
    if texts[0] == texts[1] {
        return <[ModelProperties; 2]>::default();
    }
    texts.map(|texts| read_properties(model, texts))
}

/// Contents of a model's properties file and of its file with docs blocks.
type PropertyTexts<'f> = (Option<&'f str>, Option<&'f str>);

fn property_texts<'f>(model: &str, files: &'f BTreeMap<String, String>) -> PropertyTexts<'f> {
    let of_kind = |kind: HandEditKind| {
        files
            .iter()
            .find(|(path, _)| HandEditKind::new(path, model) == kind)
            .map(|(_, text)| text.as_str())
    };
    (of_kind(HandEditKind::Properties), of_kind(HandEditKind::Docs))
}

pub(super) struct ModelReconciler<'a> {
    pub sides: ModelSides<'a>,
    pub base: &'a PushState,
    /// The spec with the edits transferred so far.
    pub ours: CurrentSpec,
    pub tools: ReconcileTools<'a>,
    /// Compiler that uses the metric sets of the last push.
    pub base_compiler: &'a Compiler,
    /// The model's SQL with hand edits. `None` if the SQL has no hand edits.
    pub edited_sql: Option<&'a str>,
    /// The model with hand edits, if it is a model built on metric sets.
    pub edited_model: Option<&'a EditedModel<'a>>,
    /// The spec of the base, compiled again. `None` if the spec is not needed.
    pub base_spec: Option<CurrentSpec>,
    pub base_said: ModelProperties,
    /// Columns that the transferred edits rename: the names in the last push and in `ours`.
    pub renamed: Vec<(String, String)>,
}

impl ModelReconciler<'_> {
    fn reconcile_edit(&mut self, mut edit: HandEdit, reconciled: &mut Reconciled) {
        if edit.property == Property::Formula {
            return self.reconcile_formula(edit, reconciled);
        }
        if self.reconcile_metric_set_part(&edit, reconciled) {
            return;
        }
        if edit.is_whole_file()
            && let Some(reason) = &edit.why
        {
            let mut conflict =
                self.build_conflict(&edit, edit.before.clone(), self.ours.files.get(&edit.file).cloned());
            let line = edit
                .after
                .as_deref()
                .and_then(|text| text.lines().nth(edit.line.saturating_sub(1)));
            let texts = [String::new(), String::new(), line.unwrap_or_default().to_owned()];
            conflict.clashes = vec![LayoutClash::new(reason, edit.line, texts)];
            reconciled.conflicts.push(conflict);
            return;
        }
        let in_spec = self.with_current_name(&edit);
        let (base, ours) = self.edited_values(&in_spec);
        if ours == edit.after {
            reconciled.carried.push(edit);
            return;
        }
        let is_changed = ours != base && !self.has_default_description(&in_spec, [&base, &ours]);
        // If no spec can express an edit, keep the edit in the newly generated code, unless both sides changed the same
        // lines.
        let dialect = self.ours.compiled.dialect();
        let goes_beside = || match (&base, &ours, self.sides.files.get(&edit.file)) {
            (Some(base), Some(ours), Some(theirs)) if edit.is_whole_file() => merge_generated_file(
                &edit.file,
                self.sides.model,
                dialect,
                [base, ours, &normalize_lines(theirs)],
            )
            .is_some(),
            _ => false,
        };
        // If part of a file has a conflict, the other edits in the file are not transferred until the conflict is
        // resolved.
        let waits = edit.is_whole_file() && reconciled.conflicts.iter().any(|conflict| conflict.file == edit.file);
        if waits {
            reconciled.kept.push(edit);
            return;
        }
        if self.sides.bases.len() != 1 || (is_changed && !goes_beside()) {
            let mut conflict = self.build_conflict(&edit, base, ours);
            // Use the name of the column in the last push, because the spec still contains this name.
            conflict.definition = in_spec
                .definition
                .as_deref()
                .map(|name| self.last_name(name).to_owned());
            reconciled.conflicts.push(conflict);
            return;
        }
        for source in write_back::spec_candidates(&self.ours.source, &in_spec) {
            if let Some(carried) = self.compile_with_values(&source, &[&in_spec]) {
                self.ours = carried;
                reconciled.carried.push(edit);
                return;
            }
        }
        let is_code = |value: &YamlValue| properties::rendered_value(value).is_none();
        if matches!(edit.property, Property::Description | Property::Config)
            && edit.values.1.as_ref().is_some_and(is_code)
        {
            edit.why = Some("dbt renders the Jinja, but would not render it in the text of a spec".to_owned());
        }
        reconciled.kept.push(edit);
    }

    /// Reconciles an edited SQL column. Transfers a formula that compiles to the edited SQL to the spec.
    fn reconcile_formula(&mut self, mut edit: HandEdit, reconciled: &mut Reconciled) {
        let Some(edited_sql) = self.edited_sql else { return };
        let name = edit.definition.clone().unwrap_or_default();
        let ours = spec_definition(&self.ours, &name, edit.cte.as_deref());
        let base = self
            .base_spec
            .as_ref()
            .and_then(|before| spec_definition(before, &name, edit.cte.as_deref()));
        let edited = self.edited_model;
        let origin = edited.and_then(|edited| edited.edit_origin(self.tools.decompiler, edit.cte.as_deref(), &name));
        if let (Some(edited), Some(EditOrigin::Set(metric))) = (edited, &origin) {
            if !edited.changes_definition(edit.cte.as_deref(), &name) {
                edit.why = Some(SAME_VALUES.to_owned());
                reconciled.kept.push(edit);
                return;
            }
            let column = EditedMetricColumn {
                compiler: self.base_compiler,
                decompiler: self.tools.decompiler,
                base: self.base,
                model: edited,
                edit: metric,
            };
            return self.add_metric_set_conflict(&edit, &column, self.restored_column(&edit), reconciled);
        }
        let (Some((step, ours)), Some((base_step, base))) = (ours, base) else {
            // The column does not belong to a definition. The column may be a helper column or a column that is passed
            // on.
            edit.why = Some("the column is not a definition of the spec".to_owned());
            (edit.property, edit.detail) = (Property::Text, format!("column {name}"));
            edit.definition = None;
            reconciled.kept.push(edit);
            return;
        };
        // Convert the SQL to a formula with the spec of the base, from which the file was generated, because the
        // current spec may generate a completely different file.
        let spec = Some(self.base.spec.as_str());
        let found_formula = match (edited, origin) {
            _ if edit.has_keep_comment(edited_sql) => Err(KEEP_COMMENT.to_owned()),
            (Some(edited), Some(EditOrigin::Model(formulas))) => {
                let found = formulas.and_then(|formulas| {
                    let column = (edit.cte.as_deref(), name.as_str());
                    let (decompiler, source) = (self.tools.decompiler, &self.base.source);
                    edited.first_proven(decompiler, source, base_step.as_deref(), column, &formulas)
                });
                found
                    .map(|found| (found.formula, found.rewritten))
                    .map_err(|reason| reason.to_string())
            }
            _ => {
                let (compiler, source) = (self.base_compiler, &self.base.source);
                let decompiler = self.tools.decompiler;
                let formula = decompiler.find_formula_with_guards(
                    compiler,
                    source,
                    spec,
                    edited_sql,
                    base_step.as_deref(),
                    &name,
                );
                formula
                    .map(|found| (found.formula, found.rewritten))
                    .map_err(|reason| reason.to_string())
            }
        };
        let (formula, rewritten) = match found_formula {
            Ok((formula, rewritten)) => (Ok(formula), rewritten),
            Err(reason) => (Err(reason), None),
        };
        let carried = formula.as_ref().map_err(Clone::clone).and_then(|formula| {
            let text = with_formula(&self.ours.source, step.as_deref(), &name, formula);
            let text = text.map_err(|refusal| refusal.to_string())?;
            self.tools
                .compile(&self.ours.spec, &text)
                .ok_or_else(|| "the spec with the formula has errors".to_owned())
        });
        if carried
            .as_ref()
            .is_ok_and(|carried| sql_bodies(carried) == sql_bodies(&self.ours))
        {
            edit.rewritten = rewritten;
            reconciled.carried.push(edit);
        } else if ours != base || self.sides.bases.len() != 1 {
            let mut conflict = self.build_conflict(&edit, Some(base), Some(ours));
            conflict.theirs_formula = formula.ok();
            reconciled.conflicts.push(conflict);
        } else if let Some(conflict) = self.compare_with_helper_change(&edit, &ours) {
            reconciled.conflicts.push(conflict);
        } else {
            match carried {
                Ok(carried) => {
                    self.ours = carried;
                    edit.rewritten = rewritten;
                    reconciled.carried.push(edit);
                }
                Err(why) => {
                    edit.why = Some(why);
                    reconciled.kept.push(edit);
                }
            }
        }
    }

    /// Returns the values of an edited property in the base and in the spec, in the format of the file.
    pub fn edited_values(&self, edit: &HandEdit) -> (Option<String>, Option<String>) {
        if edit.is_whole_file() {
            let of = |files: &BTreeMap<String, String>| files.get(&edit.file).cloned();
            return (of(&self.base.files), of(&self.ours.files));
        }
        let about = property_target(edit);
        let before = PropertyTarget {
            column: about.column.as_deref().map(|name| self.last_name(name).to_owned()),
            ..about.clone()
        };
        let now = specified_properties(self.sides.model, &self.ours.files);
        (
            self.base_said.get(&before).map(LocatedPropertyValue::text),
            now.get(&about).map(LocatedPropertyValue::text),
        )
    }

    /// Returns the name that a column of `ours` had in the last push.
    fn last_name<'n>(&'n self, name: &'n str) -> &'n str {
        let renamed = self.renamed.iter().find(|(_, new)| new == name);
        renamed.map_or(name, |(old, _)| old)
    }

    /// Returns an edit to a property, with the column's name in `ours`. The properties file may still have the name of
    /// the last push.
    fn with_current_name(&self, edit: &HandEdit) -> HandEdit {
        let renamed = self
            .renamed
            .iter()
            .find(|(old, _)| edit.definition.as_ref() == Some(old));
        let has_last_name = |old: &str| {
            let properties = specified_properties(self.sides.model, &edited_files(self.sides, &self.base.files));
            properties.keys().any(|target| target.column.as_deref() == Some(old))
        };
        let new = renamed
            .filter(|(old, _)| has_last_name(old))
            .map(|(_, new)| new.clone());
        HandEdit {
            definition: new.or_else(|| edit.definition.clone()),
            ..edit.clone()
        }
    }

    /// Returns whether an edit changes a description that nobody wrote, so that it is the default description: the
    /// formula. The values are the descriptions in the last push and in `ours`.
    fn has_default_description(&self, edit: &HandEdit, [base, ours]: [&Option<String>; 2]) -> bool {
        let Some(name) = edit
            .definition
            .as_deref()
            .filter(|_| edit.property == Property::Description)
        else {
            return false;
        };
        let is_default = |spec: &CurrentSpec, name: &str, text: &str| {
            let text: Vec<&str> = text.split_whitespace().collect();
            spec_definition(spec, name, None).is_some_and(|(_, formula)| formula == text.join(" "))
        };
        let base_spec = self.base_spec.as_ref();
        let is_base_default = base
            .as_ref()
            .is_none_or(|text| base_spec.is_some_and(|spec| is_default(spec, self.last_name(name), text)));
        is_base_default && ours.as_ref().is_some_and(|text| is_default(&self.ours, name, text))
    }

    /// Compiles a new version of the spec. Returns `None` unless the new spec contains the edited values and no other
    /// changes.
    pub fn compile_with_values(&self, source: &str, edits: &[&HandEdit]) -> Option<CurrentSpec> {
        let carried = self.tools.compile(&self.ours.spec, source)?;
        let (mut before, mut after) = (
            specified_properties(self.sides.model, &self.ours.files),
            specified_properties(self.sides.model, &carried.files),
        );
        let says = edits.iter().all(|edit| {
            let about = property_target(edit);
            before.remove(&about);
            after.remove(&about).map(|property_value| property_value.text()) == edit.after
        });
        let same = before.len() == after.len()
            && before
                .iter()
                .all(|(about, property_value)| after.get(about).is_some_and(|now| now.text() == property_value.text()));
        let sql = |ours: &CurrentSpec| {
            let files = ours.files.iter().filter(|(path, _)| path.ends_with(".sql"));
            files
                .map(|(path, text)| (path.clone(), text.clone()))
                .collect::<Vec<_>>()
        };
        (says && same && sql(&self.ours) == sql(&carried)).then_some(carried)
    }

    /// Returns the replacements that undo the edit to a column in the model's SQL.
    fn restored_column(&self, edit: &HandEdit) -> Vec<Substitution> {
        let written = self
            .base
            .files
            .get(&edit.file)
            .filter(|_| edit.property == Property::Formula);
        match (written, self.edited_sql) {
            (Some(written), Some(edited_sql)) => {
                edit.restored_column(written, edited_sql, self.ours.compiled.dialect())
            }
            _ => Vec::new(),
        }
    }

    pub fn build_conflict(&self, edit: &HandEdit, base: Option<String>, ours: Option<String>) -> Conflict {
        let dialect = self.ours.compiled.dialect();
        let clashes = match (&base, &ours, &edit.after) {
            (Some(base), Some(ours), Some(theirs)) if edit.is_whole_file() => {
                merge_clashes(&edit.file, self.sides.model, dialect, [base, ours, theirs])
            }
            _ => Vec::new(),
        };
        Conflict {
            definition: edit.definition.clone(),
            step: edit.cte.clone(),
            property: edit.property,
            detail: edit.detail.clone(),
            base,
            ours,
            spec: self.ours.spec.clone(),
            spec_line: match edit.property {
                Property::Description => self.ours.description_line(edit.definition.as_deref()),
                _ => edit.definition.as_deref().and_then(|name| self.ours.line(name)),
            },
            theirs: edit.after.clone(),
            theirs_formula: None,
            file: edit.file.clone(),
            line: edit.line,
            edit: Some(edit.clone()),
            clashes,
            readers: Vec::new(),
            restored: self.restored_column(edit),
            set: None,
        }
    }
}

/// Returns a predicate for edits to a named or located part of a model's SQL.
pub(super) fn is_in_model_file(model: &str) -> impl Fn(&HandEdit) -> bool {
    move |edit| HandEditKind::new(&edit.file, model) == HandEditKind::Model && !edit.is_whole_file()
}

/// Returns the SQL that a spec generates, without the headers. The headers are excluded because they contain the
/// formulas as spelled by the user.
pub(super) fn sql_bodies(ours: &CurrentSpec) -> Vec<&str> {
    let sql = ours.files.iter().filter(|(path, _)| path.ends_with(".sql"));
    sql.map(|(_, text)| text.split_once(" #}\n").map_or(text.as_str(), |(_, body)| body))
        .collect()
}

/// Returns the step and the formula of a definition, with the formula on one line.
pub(super) fn spec_definition(ours: &CurrentSpec, name: &str, cte: Option<&str>) -> Option<(Option<String>, String)> {
    let all = ours
        .compiled
        .definitions()
        .iter()
        .filter(|definition| definition.name() == name);
    let all: Vec<_> = all.collect();
    let found = all
        .iter()
        .find(|definition| cte.is_some() && definition.step() == cte)
        .or(all.last())?;
    let formula = found.formula().split_whitespace().collect::<Vec<_>>().join(" ");
    Some((found.step().map(str::to_owned), formula))
}

/// Returns `true` if the spec's value of a property equals the edited value.
pub(super) fn equals_spec_value(model: &str, spec: &CurrentSpec, edit: &HandEdit) -> bool {
    specified_properties(model, &spec.files)
        .get(&property_target(edit))
        .map(LocatedPropertyValue::text)
        == edit.after
}

fn property_target(edit: &HandEdit) -> PropertyTarget {
    PropertyTarget {
        column: edit.definition.clone(),
        property: edit.property,
        detail: edit.detail.clone(),
    }
}

/// Reconciles many models. The results have the same order as the models. The models are independent of each other.
#[must_use]
pub fn reconcile_all<'t>(
    models: &[(ModelSides<'_>, Vec<HandEdit>)],
    tools: impl Fn() -> ReconcileTools<'t> + Sync,
) -> Vec<Reconciled> {
    let one = |number: usize| {
        let (sides, more) = models.get(number)?;
        Some(reconcile(*sides, more.clone(), &tools))
    };
    parallel::map_range(models.len(), one).into_iter().flatten().collect()
}
