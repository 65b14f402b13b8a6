//! `formulac resolve`: resolves a conflict in the work tree in favor of the side that the user chooses. The next push
//! then includes the result.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use formulac::diag::render;
use formulac::sync::{
    Conflict, HandEdit, MetricSetConflict, ModelPlan, Property, PulledView, SetPart, Substitution, TextChange,
    apply_edit_to_spec, content_hash, describe_rewritten_sql, restore_parts, revert_edit,
    set_description_in_properties, with_formula_in_conflict, with_override,
};
use serde_json::json;

use super::conflict::{conflict_name, conflict_target};
use super::lock::ProjectLock;
use super::planner::{self, PlannedModels};
use super::repository::Repository;
use super::{apply, omni, read_project_file};
use crate::cli::args::{ConflictSide, PreferredFile, ResolveArgs};
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::{Session, to_reports};
use crate::cli::source::read_text;
use crate::cli::workspace::Workspace;

/// Folder with backups of rejected hand edits that no commit contains.
const BACKUP_FOLDER: &str = ".formulac/local/undone";

pub fn run(session: &Session, args: &ResolveArgs) -> Result<Exit, Failure> {
    let workspace = Workspace::find(session)?;
    workspace.check_folders()?;
    let _lock = ProjectLock::acquire(session, &workspace)?;
    let planned_models = planner::plan_models(session, &workspace)?;
    if !planned_models.has_no_errors() {
        match args.json {
            true => session.print_json(&json!({
                "resolved": [], "files": [], "diagnostics": render::reports_json(&to_reports(&planned_models.diagnostics)),
            }))?,
            false => session.report(&planned_models.diagnostics),
        }
        return Ok(planned_models.exit());
    }
    let all: Vec<(&ModelPlan, &Conflict)> = planned_models
        .plan
        .models
        .iter()
        .flat_map(|model| model.conflicts.iter().map(move |one| (model, one)))
        .collect();
    let mut selected_conflicts: Vec<&(&ModelPlan, &Conflict)> = all
        .iter()
        .filter(|(model, one)| is_named_conflict(&workspace, &args.name, model, one))
        .collect();
    if selected_conflicts.is_empty() {
        selected_conflicts = all
            .iter()
            .filter(|(model, one)| is_conflict_with_metric(&args.name, model, one))
            .collect();
    }
    if selected_conflicts.is_empty() {
        let mut names: Vec<String> = all.iter().map(|(model, one)| conflict_target(model, one)).collect();
        names.dedup();
        let help = match names.is_empty() {
            true => "`formulac plan` reports no conflicts".to_owned(),
            false => format!("the conflicts are {}", names.join(", ")),
        };
        return Err(Failure::new(Exit::Usage, format!("there is no conflict `{}`", args.name)).with_help(help));
    }
    let chosen_sides = choose_sides(&workspace, args, &selected_conflicts)?;
    let mut work = ConflictResolver::new(&workspace, &planned_models, edit_conflict_in_editor);
    let mut resolved = Vec::new();
    for (model, conflict, side) in chosen_sides {
        work.resolve_conflict(model, conflict, side)?;
        if let Some(kept) = args.preferred_file() {
            let others = edits_of_same_part(model, conflict);
            let others = others.filter(|edit| file_kind(&workspace, &edit.file) != kept);
            others.for_each(|edit| work.undo_edit(model, edit));
        }
        resolved.push(json!({
            "model": model.model, "definition": conflict.definition, "property": conflict.property_name(),
        }));
    }
    let files = work.write(session)?;
    if args.json {
        let diagnostics = render::reports_json(&to_reports(&planned_models.diagnostics));
        session.print_json(&json!({"resolved": resolved, "files": files, "diagnostics": diagnostics}))?;
    }
    Ok(Exit::Done)
}

/// Returns the resolutions that `resolve` accepts for a conflict. No file is written.
pub fn possible_sides(
    workspace: &Workspace,
    planned_models: &PlannedModels,
    model: &ModelPlan,
    conflict: &Conflict,
) -> Vec<ConflictSide> {
    // The result of the edit is not known yet, so try the current formula.
    let edited = |conflict: &Conflict| Ok(conflict.ours.clone().unwrap_or_default());
    let is_possible = |side: &ConflictSide| {
        let mut work = ConflictResolver::new(workspace, planned_models, edited);
        work.resolve_conflict(model, conflict, *side).is_ok() && work.restore_files().is_ok()
    };
    ConflictSide::ALL.into_iter().filter(is_possible).collect()
}

/// Returns an instruction for conflicts that `resolve` cannot resolve as the user wishes.
pub fn manual_resolution(conflict: &Conflict) -> String {
    match conflict.spec.as_str() {
        _ if conflict.is_unreadable() => format!("correct line {} of {}", conflict.line, conflict.file),
        "" => format!("restore the spec that generated {}", conflict.file),
        spec if let (Some(name), [_, ..]) = (&conflict.definition, conflict.readers.as_slice()) => {
            let readers = quoted_list(&conflict.readers);
            format!("name `{name}` in {readers} in {spec} to use the edited SQL there")
        }
        spec => format!("edit {spec} and {} so that they agree", conflict.file),
    }
}

/// Returns names as a list for a sentence.
pub fn quoted_list(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// Returns the side to keep in each conflict. Omits conflicts that do not involve the chosen file, and returns an
/// error if two files would overwrite each other.
fn choose_sides<'p>(
    workspace: &Workspace,
    args: &ResolveArgs,
    conflicts: &[&(&'p ModelPlan, &'p Conflict)],
) -> Result<Vec<(&'p ModelPlan, &'p Conflict, ConflictSide)>, Failure> {
    let side = |model: &ModelPlan, conflict: &Conflict| match args.preferred_file() {
        None => Some(args.chosen_side()),
        Some(kept) => {
            let files = files_in_conflict(workspace, conflict);
            if let Some(at) = files.iter().position(|file| *file == kept) {
                return [ConflictSide::Ours, ConflictSide::Theirs].get(at).copied();
            }
            // The chosen file contains an edit of the same part, which takes precedence over the edit in this
            // conflict's file.
            let is_edited = edits_of_same_part(model, conflict).any(|edit| file_kind(workspace, &edit.file) == kept);
            is_edited.then_some(ConflictSide::Ours)
        }
    };
    let chosen = conflicts
        .iter()
        .filter_map(|(model, conflict)| Some((*model, *conflict, side(model, conflict)?)));
    let chosen: Vec<_> = chosen.collect();
    if let (Some(kept), Some((model, conflict)), []) = (args.preferred_file(), conflicts.first(), chosen.as_slice()) {
        let [ours, theirs] = files_in_conflict(workspace, conflict).map(PreferredFile::option);
        let target = conflict_target(model, conflict);
        let message = format!(
            "`{target}` is a conflict between {} and {}",
            conflict.spec, conflict.file
        );
        let help = format!("use {ours} or {theirs} instead of {}", kept.option());
        return Err(Failure::new(Exit::Usage, message).with_help(help));
    }
    for (number, (model, conflict, side)) in chosen.iter().enumerate() {
        let is_same = |(other_model, other, other_side): &(&ModelPlan, &Conflict, ConflictSide)| {
            let target = |of: &Conflict| (of.definition.clone(), of.step.clone(), of.property, of.detail.clone());
            other_model.model == model.model && target(other) == target(conflict) && other_side == side
        };
        if *side == ConflictSide::Theirs
            && let Some((_, other, _)) = chosen.iter().skip(number + 1).find(|other| is_same(other))
        {
            let names = [*conflict, *other].map(|one| conflict_name(workspace, model, one));
            let message = format!("{} and {} contain different texts", conflict.file, other.file);
            let help = format!("choose `{}` or `{}`, or keep the spec with --ours", names[0], names[1]);
            return Err(Failure::new(Exit::Usage, message).with_help(help));
        }
    }
    Ok(chosen)
}

/// Returns the files on both sides of a conflict, `ours` first.
fn files_in_conflict(workspace: &Workspace, conflict: &Conflict) -> [PreferredFile; 2] {
    match conflict.is_omni_conflict() {
        true => [PreferredFile::Omni, PreferredFile::Dbt],
        false => [PreferredFile::Spec, file_kind(workspace, &conflict.file)],
    }
}

fn file_kind(workspace: &Workspace, file: &str) -> PreferredFile {
    match is_in_omni(workspace, file) {
        true => PreferredFile::Omni,
        false => PreferredFile::Dbt,
    }
}

/// Returns the edits in other files to the description that has a conflict. Only descriptions appear in several files.
/// The plan transfers these edits to the spec, or reports other conflicts.
fn edits_of_same_part<'p>(model: &'p ModelPlan, conflict: &'p Conflict) -> impl Iterator<Item = &'p HandEdit> {
    let in_conflict = model.conflicts.iter().filter_map(|other| other.edit.as_ref());
    let is_same_part = |edit: &&HandEdit| {
        let target = (&edit.definition, edit.property, &edit.detail);
        let is_other = conflict.property == Property::Description && edit.file != conflict.file;
        is_other && target == (&conflict.definition, conflict.property, &conflict.detail)
    };
    model.carried.iter().chain(in_conflict).filter(is_same_part)
}

/// Returns whether a file belongs to the Omni model.
pub fn is_in_omni(workspace: &Workspace, file: &str) -> bool {
    let rest = file.strip_prefix(&workspace.omni_folder());
    rest.is_some_and(|rest| rest.starts_with('/'))
}

/// Returns whether a name refers to a conflict by its model, its definition or a property of the definition.
fn is_named_conflict(workspace: &Workspace, name: &str, model: &ModelPlan, conflict: &Conflict) -> bool {
    let target = conflict_target(model, conflict);
    let property = format!("{target}:{}", conflict.property);
    let full = conflict_name(workspace, model, conflict);
    [target, property, full].iter().any(|other| other == name) || model.model == name
}

/// Returns whether a name refers to a conflict by the metric in its set. The edited column may have a different name
/// than the metric.
fn is_conflict_with_metric(name: &str, model: &ModelPlan, conflict: &Conflict) -> bool {
    let Some(metric) = name.strip_prefix(&model.model).and_then(|rest| rest.strip_prefix('.')) else {
        return false;
    };
    let set = conflict.set.as_ref().filter(|set| set.part == SetPart::Definition);
    set.is_some_and(|set| metric == set.name || metric == set.full_name())
}

struct ConflictResolver<'w> {
    workspace: &'w Workspace,
    planned_models: &'w PlannedModels,
    /// New contents of the files, with their previous contents.
    texts: BTreeMap<String, (Option<String>, String)>,
    /// Replacements that remove hand edits from the SQL of models, by path.
    restored: BTreeMap<String, Vec<Substitution>>,
    /// Files that users maintain and that no push writes.
    of_people: BTreeSet<String>,
    /// Consequences to report before the files are written.
    notes: Vec<String>,
    /// Asks the user for the formula or the description.
    edit: fn(&Conflict) -> Result<String, Failure>,
}

impl<'w> ConflictResolver<'w> {
    fn new(
        workspace: &'w Workspace,
        planned_models: &'w PlannedModels,
        edit: fn(&Conflict) -> Result<String, Failure>,
    ) -> Self {
        Self {
            workspace,
            planned_models,
            texts: BTreeMap::new(),
            restored: BTreeMap::new(),
            of_people: BTreeSet::new(),
            notes: Vec::new(),
            edit,
        }
    }

    fn resolve_conflict(&mut self, model: &ModelPlan, conflict: &Conflict, side: ConflictSide) -> Result<(), Failure> {
        match &conflict.set {
            Some(set) => self.resolve_metric_set_conflict(model, conflict, set, side),
            None => self.resolve_spec_conflict(model, conflict, side),
        }
    }

    fn resolve_spec_conflict(
        &mut self,
        model: &ModelPlan,
        conflict: &Conflict,
        side: ConflictSide,
    ) -> Result<(), Failure> {
        if matches!(side, ConflictSide::ToSet | ConflictSide::ToModel) {
            let target = conflict_target(model, conflict);
            let message = format!("`{target}` is not a conflict with a metric set");
            return Err(Failure::new(Exit::Usage, message).with_help("use --ours, --theirs, --edit or --base"));
        }
        // The conflict is between a description in Omni and a description in dbt. Users maintain both files.
        if conflict.is_omni_conflict() {
            return self.resolve_description(model, conflict, side);
        }
        let impossible = |what: &str| {
            Failure::new(Exit::Conflict, format!("{}: {what}", conflict_target(model, conflict)))
                .with_help(manual_resolution(conflict))
        };
        let spec = self.text(&conflict.spec);
        let file = self.text(&conflict.file).unwrap_or_default();
        let ours = |planned_models: &PlannedModels| planned_models.ours.get(&model.model).cloned();
        let mut current = ours(self.planned_models);
        if let (Some(ours), Some(spec)) = (&mut current, &spec) {
            ours.source.clone_from(spec);
        }
        let edit = conflict.edit.as_ref();
        let undone = || match edit {
            Some(_) if !conflict.restored.is_empty() => Some(file.clone()),
            Some(edit) => self.without_edit(model, edit),
            // Remove all changes that users made in the file.
            None => conflict.ours.clone().or_else(|| conflict.base.clone()),
        };
        match side {
            ConflictSide::ToSet | ConflictSide::ToModel => {}
            ConflictSide::Ours => {
                let text =
                    undone().ok_or_else(|| impossible("the edit cannot be separated from the rest of the file"))?;
                self.set_text(&conflict.file, text);
            }
            ConflictSide::Theirs => {
                let tools = self.planned_models.tools.as_ref().map(|tools| tools.as_tools());
                let text = current
                    .zip(tools)
                    .and_then(|(ours, tools)| apply_edit_to_spec(conflict, &model.model, &ours, tools));
                let text = text.ok_or_else(|| impossible("a spec cannot express the content of the file"))?;
                self.set_text(&conflict.spec, text);
            }
            ConflictSide::Base => {
                let base = conflict.base.as_deref().unwrap_or_default();
                let text = current.and_then(|ours| with_formula_in_conflict(conflict, &ours, base));
                let both = text.zip(undone()).ok_or_else(|| match conflict.base {
                    Some(_) => impossible("only a formula can be reset to its base"),
                    None => impossible("the last push does not contain it"),
                })?;
                self.set_text(&conflict.spec, both.0);
                self.set_text(&conflict.file, both.1);
            }
            ConflictSide::Edit => {
                let formula = (self.edit)(conflict)?;
                let text = current.and_then(|ours| with_formula_in_conflict(conflict, &ours, &formula));
                let both = text
                    .zip(undone())
                    .ok_or_else(|| impossible("`--edit` can change only a formula"))?;
                self.set_text(&conflict.spec, both.0);
                self.set_text(&conflict.file, both.1);
            }
        }
        if side != ConflictSide::Theirs {
            self.restore(conflict);
        }
        Ok(())
    }

    /// Returns the contents of an edited file without the edit. `None` if the edit cannot be separated from the rest.
    fn without_edit(&self, model: &ModelPlan, edit: &HandEdit) -> Option<String> {
        match self.pulled_omni_view(&edit.file) {
            Some(view) => view.with_description(edit.definition.as_deref(), edit.before.as_deref()),
            None => revert_edit(edit, &model.model, &self.text(&edit.file)?),
        }
    }

    /// Undoes an edit. Does nothing if the edit is already undone.
    fn undo_edit(&mut self, model: &ModelPlan, edit: &HandEdit) {
        if let Some(text) = self.without_edit(model, edit) {
            self.set_text(&edit.file, text);
        }
    }

    /// Resolves a conflict between a hand edit and a metric set. The file is always restored, because a push generates
    /// it from the set and the spec.
    fn resolve_metric_set_conflict(
        &mut self,
        model: &ModelPlan,
        conflict: &Conflict,
        set: &MetricSetConflict,
        side: ConflictSide,
    ) -> Result<(), Failure> {
        let target = conflict_target(model, conflict);
        let failure = |exit: Exit, what: &str| Failure::new(exit, format!("{target}: {what}"));
        let possible = [("--to-set", set.to_set.is_ok()), ("--to-model", set.to_model.is_ok())];
        let possible = possible.into_iter().filter(|(_, is_possible)| *is_possible);
        let others: Vec<&str> = ["--ours"]
            .into_iter()
            .chain(possible.map(|(option, _)| option))
            .collect();
        let refused = |option: &str, reason: &str| {
            failure(Exit::Conflict, &format!("{option} is not possible: {reason}")).with_help(format!(
                "use {}, or change the definition yourself",
                others.join(" or ")
            ))
        };
        match side {
            ConflictSide::Ours => {}
            ConflictSide::ToSet => {
                let formula = set.to_set.as_deref().map_err(|reason| refused("--to-set", reason))?;
                let text = self.text(&set.file).unwrap_or_default();
                let text = set
                    .metric_set_with_formula(&text, formula)
                    .map_err(|why| refused("--to-set", &why))?;
                self.set_text(&set.file, text);
                if !set.models.is_empty() {
                    let note = format!("the new formula changes the SQL of {}", set.models.join(", "));
                    self.notes.push(note);
                }
                self.notes.extend(set.to_set_sql.as_ref().map(describe_rewritten_sql));
            }
            ConflictSide::ToModel => {
                let formula = set
                    .to_model
                    .as_deref()
                    .map_err(|reason| refused("--to-model", reason))?;
                let text = self.text(&model.spec).unwrap_or_default();
                let name = set.listed_as.as_deref().unwrap_or(&set.name);
                let text = with_override(&text, name, formula).map_err(|why| refused("--to-model", &why))?;
                self.set_text(&model.spec, text);
                self.notes.extend(set.to_model_sql.as_ref().map(describe_rewritten_sql));
            }
            ConflictSide::Theirs | ConflictSide::Edit | ConflictSide::Base => {
                let message = format!("the metric set `{}` defines the edited SQL", set.set);
                return Err(failure(Exit::Usage, &message).with_help("use --ours, --to-set or --to-model"));
            }
        }
        if conflict.restored.is_empty() {
            let message = "the edit cannot be separated from the rest of the file";
            let help = format!("restore {} yourself", conflict.file);
            return Err(failure(Exit::Conflict, message).with_help(help));
        }
        self.restore(conflict);
        Ok(())
    }

    /// Removes a conflict's hand edit from the SQL of its model. The file is written after all conflicts are resolved,
    /// because the positions refer to the current file.
    fn restore(&mut self, conflict: &Conflict) {
        let restored = self.restored.entry(conflict.file.clone()).or_default();
        restored.extend(conflict.restored.iter().cloned());
    }

    /// Returns the contents of files without their hand edits.
    fn restore_files(&mut self) -> Result<(), Failure> {
        for (path, restored) in std::mem::take(&mut self.restored) {
            // Another conflict may have replaced the whole file.
            if restored.is_empty()
                || self
                    .texts
                    .get(&path)
                    .is_some_and(|(before, now)| before.as_ref() != Some(now))
            {
                continue;
            }
            let text = self.text(&path).unwrap_or_default();
            let text = restore_parts(&text, &restored).ok_or_else(|| {
                let message = format!("{path}: the edits cannot be separated from the rest of the file");
                Failure::new(Exit::Conflict, message).with_help(format!("restore {path} yourself"))
            })?;
            self.set_text(&path, text);
        }
        Ok(())
    }

    /// Writes the chosen description both to Omni's file and to the properties file that describes the node in dbt.
    fn resolve_description(
        &mut self,
        model: &ModelPlan,
        conflict: &Conflict,
        side: ConflictSide,
    ) -> Result<(), Failure> {
        let impossible = || {
            Failure::new(
                Exit::Failed,
                format!(
                    "{}: the description cannot be edited in its file",
                    conflict_target(model, conflict)
                ),
            )
            .with_help(manual_resolution(conflict))
        };
        let edited = match side {
            ConflictSide::Edit => Some((self.edit)(conflict)?),
            _ => None,
        };
        let (agreed, in_omni, in_dbt) = match side {
            ConflictSide::Ours | ConflictSide::ToSet | ConflictSide::ToModel => (&conflict.ours, false, true),
            ConflictSide::Theirs => (&conflict.theirs, true, false),
            ConflictSide::Base => (&conflict.base, true, true),
            ConflictSide::Edit => (&edited, true, true),
        };
        let view = self.pulled_omni_view(&conflict.spec).ok_or_else(impossible)?;
        let manifest = self.workspace.manifest()?.ok_or_else(impossible)?;
        let node = manifest.node(&view.record.node).ok_or_else(impossible)?;
        let column = conflict
            .definition
            .as_deref()
            .and_then(|name| name.strip_prefix(&*node.name)?.strip_prefix('.'));
        self.of_people.insert(conflict.file.clone());
        // A push commits the views in the Omni model's own repository.
        if !self.workspace.project.omni_is_repository() {
            self.of_people.insert(conflict.spec.clone());
        }
        if in_omni {
            let text = view
                .with_description(column, agreed.as_deref())
                .ok_or_else(impossible)?;
            self.set_text(&conflict.spec, text);
        }
        if in_dbt {
            let file = self.text(&conflict.file).unwrap_or_default();
            let text = set_description_in_properties(node, &file, column, agreed.as_deref()).ok_or_else(impossible)?;
            self.set_text(&conflict.file, text);
        }
        Ok(())
    }

    /// Returns the Omni view in a file, with the new contents of the file.
    fn pulled_omni_view(&self, file: &str) -> Option<PulledView> {
        omni::pulled_view(self.workspace, file, self.text(file)?)
    }

    fn text(&self, path: &str) -> Option<String> {
        self.texts
            .get(path)
            .map(|(_, text)| text.clone())
            .or_else(|| read_project_file(&self.workspace.root, path))
    }

    fn set_text(&mut self, path: &str, text: String) {
        let before = self
            .texts
            .remove(path)
            .map_or_else(|| read_project_file(&self.workspace.root, path), |(before, _)| before);
        self.texts.insert(path.to_owned(), (before, text));
    }

    /// Writes the files and returns their paths.
    fn write(mut self, session: &Session) -> Result<Vec<String>, Failure> {
        self.restore_files()?;
        self.notes.iter().for_each(|note| session.report_action(note));
        let (mut changes, mut written) = (Vec::new(), Vec::new());
        let generated = self.workspace.output_folders().0;
        for (path, (before, after)) in self.texts {
            let crlf = before.as_ref().is_some_and(|before| before.contains("\r\n"));
            let after = if crlf {
                after.replace('\r', "").replace('\n', "\r\n")
            } else {
                after
            };
            if before.as_ref() == Some(&after) {
                continue;
            }
            session.report_action(&format!("wrote {path}"));
            written.push(path.clone());
            // Save a rejected text that no commit contains, and all rejected edits of generated files.
            if let Some(before) = &before
                && (path.starts_with(&generated) || is_uncommitted(self.workspace, &path))
            {
                let name = path.rsplit('/').next().unwrap_or(&path);
                let hash = content_hash(before.as_bytes());
                let kept = format!("{BACKUP_FOLDER}/{}-{name}", hash.get(..8).unwrap_or_default());
                session.report_action(&format!("the previous version is saved to {kept}"));
                if read_project_file(&self.workspace.root, &kept).is_none() {
                    changes.push(TextChange::new(&kept, None, Some(before.clone())));
                }
            }
            changes.push(TextChange::new(&path, before, Some(after)));
        }
        apply::apply_without_commit(self.workspace, changes)?;
        let (of_people, of_push): (Vec<_>, Vec<_>) = written.iter().partition(|path| self.of_people.contains(*path));
        if !of_people.is_empty() {
            let what = "commit the change yourself, because `formulac push` does not commit these files";
            session.report_action(what);
        }
        if !of_push.is_empty() || of_people.is_empty() {
            session.report_action("run `formulac push` to finish");
        }
        Ok(written)
    }
}

/// Returns whether a file differs from the last commit in its repository. A file without a repository is uncommitted.
fn is_uncommitted(workspace: &Workspace, path: &str) -> bool {
    let file = workspace.root.join(path);
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
        return true;
    };
    let name = name.to_string_lossy().into_owned();
    let uncommitted = Repository::find(folder).and_then(|repository| repository.uncommitted_paths(&[name]));
    uncommitted.map_or(true, |paths| !paths.is_empty())
}

/// Lets the user write the formula or the description in an editor that shows both sides.
fn edit_conflict_in_editor(conflict: &Conflict) -> Result<String, Failure> {
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|it| !it.is_empty()));
    let Some(editor) = editor else {
        return Err(Failure::new(Exit::Usage, "no editor is set").with_help("set EDITOR, for example `EDITOR=nano`"));
    };
    let text = |text: &Option<String>| text.as_deref().unwrap_or("nothing").replace('\n', "\n//         ");
    let name = conflict.definition.as_deref().or(conflict.clause());
    let name = name.unwrap_or_default();
    let what = match conflict.clause() {
        Some(_) => Property::Formula,
        None => conflict.property,
    };
    let begin = format!(
        "// base    {}\n// ours    {}\n// theirs  {}\n// The {} of {name}, below:\n{}\n",
        text(&conflict.base),
        text(&conflict.ours),
        text(
            conflict
                .theirs_formula
                .as_ref()
                .map_or(&conflict.theirs, |_| &conflict.theirs_formula)
        ),
        what,
        conflict.ours.as_deref().unwrap_or_default()
    );
    let failed = |error: &std::io::Error| Failure::io_failure("write", &std::env::temp_dir().to_string_lossy(), error);
    let file = tempfile::Builder::new()
        .prefix("formulac-")
        .suffix(".txt")
        .tempfile()
        .map_err(|error| failed(&error))?;
    // Close the file, because an editor may replace it.
    let path = file.into_temp_path();
    fs::write(&path, &begin).map_err(|error| failed(&error))?;
    // The setting may contain options after the editor's name.
    let mut words = editor.split_whitespace();
    let status = Command::new(words.next().unwrap_or_default())
        .args(words)
        .arg(&path)
        .status();
    let written = read_text(&path);
    if !status.is_ok_and(|status| status.success()) {
        return Err(Failure::new(Exit::Failed, format!("the editor `{editor}` failed")));
    }
    let written = written.map_err(|error| failed(&error))?;
    let lines: Vec<&str> = written
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let formula = lines.join("\n").trim().to_owned();
    if formula.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            format!("the {} is empty, so no file is written", conflict.property),
        ));
    }
    Ok(formula)
}
