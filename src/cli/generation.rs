//! Compiles all specs of the project, and derives the changes to files in the work tree.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use formulac::artifacts::GraphNode;
use formulac::artifacts::Manifest;
use formulac::dbt::spec_in_header;
use formulac::{CompiledSpec, Compiler};
use formulac_syntax::text::is_word_char;

use super::apply::{self, PendingFileChanges};
use super::args::{Selection, TargetOptions};
use super::atomic_write::PlannedFile;
use super::duplicate_properties;
use super::exit::{Exit, Failure, FileDiagnostics};
use super::folder;
use super::missing_versions;
use super::models::{self, CompiledMetricSet, CompiledModel};
use super::moved_files::MovedFilePaths;
use super::name_clashes;
use super::selection::{self, SelectedModels};
use super::session::Session;
use super::source::{SourceText, read_text};
use super::time_spine;
use super::workspace::Workspace;

/// Models compiled from the specs, with their diagnostics.
pub struct CompiledProject<'p> {
    workspace: &'p Workspace,
    manifest: Option<&'p Manifest>,
    nodes: Vec<GraphNode>,
    /// Generated files that users moved out of the project's standard folders.
    pub moved: MovedFilePaths,
    pub models: Vec<CompiledModel>,
    pub sets: Vec<CompiledMetricSet>,
    /// Diagnostics of each spec.
    pub diagnostics: Vec<FileDiagnostics>,
}

/// Moved files and nodes of the project, which `check_names` needed and other checks use too.
pub struct NameCheckResult {
    moved: MovedFilePaths,
    nodes: Vec<GraphNode>,
}

/// Reports models, tests and other nodes whose names dbt would reject.
/// `file_diagnostics` contains the diagnostics of each spec.
pub fn check_names(
    workspace: &Workspace,
    models: &[CompiledModel],
    file_diagnostics: &mut [FileDiagnostics],
) -> Result<NameCheckResult, Failure> {
    let nothing = Manifest::default();
    let manifest = workspace.manifest()?.unwrap_or(&nothing);
    let nodes = formulac::artifacts::graph_nodes(manifest);
    let folders = workspace.output_folders();
    let moved = MovedFilePaths::find(workspace, models);
    let folders = [folders.0.as_str(), folders.1.as_str()];
    name_clashes::check(
        models,
        manifest,
        &nodes,
        &workspace.root,
        folders,
        &moved,
        file_diagnostics,
    );
    let files = files_named_like_models(workspace, models);
    name_clashes::check_files(models, &files, &workspace.root, folders[0], &moved, file_diagnostics);
    duplicate_properties::check(workspace, models, folders[0], &moved, file_diagnostics);
    Ok(NameCheckResult { moved, nodes })
}

/// Returns the paths of the dbt project's models and seeds that have the name of a generated model, ignoring case.
fn files_named_like_models(workspace: &Workspace, models: &[CompiledModel]) -> Vec<String> {
    let Some(dbt) = &workspace.dbt else {
        return Vec::new();
    };
    let names: BTreeSet<String> = models.iter().map(|model| model.name.to_lowercase()).collect();
    let has_model_name = |path: &Path| {
        let name = path.file_stem().map(|name| name.to_string_lossy().to_lowercase());
        name.is_some_and(|name| names.contains(&name))
    };
    let find = |folder: &String, extensions: &[&str]| {
        let is_match = |path: &Path| {
            let extension = path.extension().unwrap_or_default();
            extensions.iter().any(|known| extension == *known) && has_model_name(path)
        };
        folder::find_files(&dbt.folder.join(folder), is_match)
    };
    let models = dbt.model_paths.iter().flat_map(|folder| find(folder, &["sql", "py"]));
    let seeds = dbt.seed_paths.iter().flat_map(|folder| find(folder, &["csv"]));
    models.chain(seeds).map(|path| workspace.relative_path(&path)).collect()
}

impl<'p> CompiledProject<'p> {
    /// Compiles specs, each given with its path relative to the project. `on_progress` is called after each spec.
    pub fn new(
        workspace: &'p Workspace,
        compiler: &Compiler,
        sources: Vec<(SourceText, Option<String>)>,
        on_progress: impl Fn() + Sync,
    ) -> Result<Self, Failure> {
        let manifest = workspace.manifest()?;
        let models::CompiledModels {
            models,
            mut diagnostics,
            sets,
        } = models::compile_models(compiler, &workspace.root, sources, on_progress);
        let NameCheckResult { moved, nodes } = check_names(workspace, &models, &mut diagnostics)?;
        let nothing = Manifest::default();
        let known_manifest = manifest.unwrap_or(&nothing);
        missing_versions::warn(workspace, models::compiled_model_specs(&models), &mut diagnostics);
        if time_spine::lacks_time_spine(known_manifest) {
            time_spine::warn_if_time_spine_missing(
                workspace.dbt.as_ref(),
                models::compiled_model_specs(&models),
                &mut diagnostics,
            );
        }
        Ok(Self {
            workspace,
            manifest,
            nodes,
            moved,
            models,
            sets,
            diagnostics,
        })
    }

    /// Compiles all specs of a project.
    fn from_workspace(session: &Session, workspace: &'p Workspace, target: &TargetOptions) -> Result<Self, Failure> {
        let compiler = workspace.compiler(session, target, workspace.dialect(target)?)?;
        let sources = models::read_sources(&workspace.specs()?, Some(&workspace.root));
        Self::new(workspace, &compiler, sources, || {})
    }

    /// Returns the selected models, and warns about parts of the selection that match no model.
    pub fn select_models(&self, session: &Session, selection: &Selection) -> Result<SelectedModels, Failure> {
        let selected_models = self.apply_selection(selection)?;
        selected_models
            .unmatched
            .iter()
            .for_each(|(_, warning)| session.warn(warning));
        Ok(selected_models)
    }

    fn apply_selection(&self, selection: &Selection) -> Result<SelectedModels, Failure> {
        let nothing = Manifest::default();
        let (manifest, folder) = (self.manifest.unwrap_or(&nothing), self.workspace.output_folders().0);
        let package = self
            .workspace
            .dbt
            .as_ref()
            .map(|dbt| dbt.name.as_str())
            .unwrap_or_default();
        selection::apply_selection(
            &self.models,
            &self.diagnostics,
            manifest,
            &self.nodes,
            (package, &folder),
            selection,
        )
    }

    /// Removes the diagnostics of specs on which no selected model depends.
    pub fn retain_selected_diagnostics(&mut self, selected_models: &SelectedModels) {
        for (file_diagnostics, is_needed) in self.diagnostics.iter_mut().zip(&selected_models.specs) {
            if !is_needed {
                file_diagnostics.diagnostics.clear();
            }
        }
    }

    /// Returns the files of the selected specs, relative to the working directory.
    pub fn selected_specs(
        session: &Session,
        target: &TargetOptions,
        selection: &Selection,
    ) -> Result<Vec<PathBuf>, Failure> {
        let workspace = Workspace::find(session)?;
        CompiledProject::from_workspace(session, &workspace, target)?.files_of_selected_specs(session, selection)
    }

    /// Returns the files of the selected specs, relative to the working directory.
    fn files_of_selected_specs(&self, session: &Session, selection: &Selection) -> Result<Vec<PathBuf>, Failure> {
        let selected_models = self.selected_compiled_models(session, selection)?;
        let specs: BTreeSet<usize> = selected_models.iter().map(|model| model.spec).collect();
        Ok(specs.into_iter().filter_map(|spec| self.file_of_spec(spec)).collect())
    }

    /// Returns the file of the spec with this index.
    fn file_of_spec(&self, spec: usize) -> Option<PathBuf> {
        Some(PathBuf::from(&self.diagnostics.get(spec)?.file))
    }

    /// Returns the selected models, and warns about parts of the selection that match no model.
    fn selected_compiled_models(
        &self,
        session: &Session,
        selection: &Selection,
    ) -> Result<Vec<&CompiledModel>, Failure> {
        let selected_models = self.select_models(session, selection)?;
        let models = self.models.iter().zip(selected_models.models);
        Ok(models
            .filter(|(_, is_chosen)| *is_chosen)
            .map(|(model, _)| model)
            .collect())
    }

    /// Returns the files of the selected specs and of the selected metric sets, relative to the working directory.
    pub fn selected_specs_and_sets(
        session: &Session,
        target: &TargetOptions,
        selection: &Selection,
    ) -> Result<Vec<PathBuf>, Failure> {
        let workspace = Workspace::find(session)?;
        let generation = CompiledProject::from_workspace(session, &workspace, target)?;
        let selected_models = generation.apply_selection(selection)?;
        for (part, warning) in &selected_models.unmatched {
            let sets = selection::select_metric_sets(&generation.sets, std::slice::from_ref(part), &[])?;
            if !sets.contains(&true) {
                session.warn(warning);
            }
        }
        let sets = selection::select_metric_sets(&generation.sets, &selection.select, &selection.exclude)?;
        let models = generation.models.iter().zip(&selected_models.models);
        let models = models.filter(|(_, is_chosen)| **is_chosen).map(|(model, _)| model.spec);
        let sets = generation.sets.iter().zip(sets);
        let sets = sets.filter(|(_, is_chosen)| *is_chosen).map(|(set, _)| set.spec);
        let specs: BTreeSet<usize> = models.chain(sets).collect();
        Ok(specs
            .into_iter()
            .filter_map(|spec| generation.file_of_spec(spec))
            .collect())
    }

    /// Returns the file of the named spec. The name is a path or, in a project, the name of a model.
    pub fn find_named_spec(session: &Session, target: &TargetOptions, path: &Path) -> Result<PathBuf, Failure> {
        let files = Self::find_named_specs(session, target, &[path.to_owned()])?;
        Ok(files.into_iter().next().unwrap_or_default())
    }

    /// Returns the files of specs, each named by a path or by the name of a model. A file that is named twice is
    /// returned once, even if its paths are spelled differently. The project is compiled at most once.
    pub fn find_named_specs(
        session: &Session,
        target: &TargetOptions,
        paths: &[PathBuf],
    ) -> Result<Vec<PathBuf>, Failure> {
        let workspace = match paths.iter().any(|path| model_name(path).is_some()) {
            true => Workspace::find_workspace(session)?,
            false => None,
        };
        let compile = |workspace| CompiledProject::from_workspace(session, workspace, target);
        let generation = workspace.as_ref().map(compile).transpose()?;
        let mut files = Vec::new();
        for path in paths {
            let file = match (&generation, model_name(path)) {
                (Some(generation), Some(name)) => {
                    let selection = Selection {
                        select: vec![name.to_owned()],
                        ..Selection::default()
                    };
                    generation.files_of_selected_specs(session, &selection)?.pop()
                }
                _ => None,
            };
            files.push(file.unwrap_or_else(|| path.clone()));
        }
        let mut distinct_files = BTreeSet::new();
        files.retain(|file| fs::canonicalize(file).map_or(true, |path| distinct_files.insert(path)));
        Ok(files)
    }

    /// Returns the file of the named or selected spec, for commands that accept exactly one spec.
    pub fn require_single_spec(
        session: &Session,
        target: &TargetOptions,
        path: Option<&Path>,
        selection: &Selection,
        command: &str,
    ) -> Result<PathBuf, Failure> {
        if let Some(spec_path) = path {
            return Self::find_named_spec(session, target, spec_path);
        }
        let mut selected_paths = Self::selected_specs(session, target, selection)?;
        match (selected_paths.pop(), selected_paths.len() + 1) {
            (Some(single_path), 1) => Ok(single_path),
            (None, _) => Err(Failure::new(Exit::Usage, "no spec is selected")),
            (_, count) => Err(Failure::new(
                Exit::Usage,
                format!("{count} specs are selected, but `{command}` needs exactly one"),
            )
            .with_help("specify the file of one spec")),
        }
    }

    /// Returns the names of the selected models.
    pub fn selected_model_names(session: &Session, selection: &Selection) -> Result<Vec<String>, Failure> {
        let workspace = Workspace::find(session)?;
        let generation = CompiledProject::from_workspace(session, &workspace, &TargetOptions::default())?;
        let selected_models = generation.selected_compiled_models(session, selection)?;
        Ok(selected_models.into_iter().map(|model| model.name.clone()).collect())
    }

    /// Returns the new `known.yml` and the changes in it, or `None` if there is nothing to record.
    pub fn plan_known_yml(&self) -> Result<Option<(PlannedFile, Vec<String>)>, Failure> {
        let has_all_specs = self.models.iter().all(|model| model.files.is_some())
            && Exit::from_failures(&self.diagnostics) == Exit::Done;
        self.workspace.update_known_facts(self.compiled_specs(), has_all_specs)
    }

    /// Returns the models that could be built, and the metric sets, including metric sets that no model reads.
    pub fn compiled_specs(&self) -> impl Iterator<Item = &CompiledSpec> {
        let models = models::models_with_files(&self.models).map(|(_, built)| &built.compiled);
        models.chain(self.sets.iter().map(|set| &set.compiled))
    }

    /// Returns one entry per model: the reason why the model cannot be generated, or `None` if it can. Either the
    /// model's spec has errors, or the model reads another model that cannot be generated.
    pub fn omission_reasons(&self) -> Vec<Option<String>> {
        let faulty: Vec<bool> = self
            .diagnostics
            .iter()
            .map(|file_diagnostics| Exit::from_diagnostics(&file_diagnostics.diagnostics) != Exit::Done)
            .collect();
        let has_errors = |model: &CompiledModel| {
            (faulty.get(model.spec) != Some(&false) || model.files.is_none()).then(|| "the spec has errors".to_owned())
        };
        let mut out: Vec<Option<String>> = self.models.iter().map(has_errors).collect();
        let with_out = self.models.iter().zip(&out).filter(|(_, out)| out.is_some());
        let mut names: BTreeSet<String> = with_out.map(|(model, _)| model.name.to_lowercase()).collect();
        loop {
            let before = names.len();
            for (model, out) in self.models.iter().zip(&mut out).filter(|(_, out)| out.is_none()) {
                let is_out =
                    |name: &&str| names.contains(&name.to_lowercase()) && !model.name.eq_ignore_ascii_case(name);
                if let Some(skipped_model) = model
                    .reads
                    .iter()
                    .filter_map(|relation| relation.unversioned_model())
                    .find(is_out)
                {
                    *out = Some(format!("the model reads `{skipped_model}`, which is skipped"));
                    names.insert(model.name.to_lowercase());
                }
            }
            if names.len() == before {
                return out;
            }
        }
    }

    /// Plans the files to write and to remove. Obsolete files are removed only if `everything` is `true`, which means
    /// that all specs are selected.
    pub fn plan_file_changes(
        &self,
        is_made: impl Fn(usize) -> bool,
        everything: bool,
    ) -> Result<PendingFileChanges, Failure> {
        let root = &self.workspace.root;
        let (models_folder, tests_folder) = self.workspace.output_folders();
        let (models_folder, tests_folder) = (root.join(models_folder), root.join(tests_folder));
        let generated = self.models.iter().enumerate().filter(|(index, _)| is_made(*index));
        let files = generated
            .clone()
            .flat_map(|(_, model)| model.planned_files(&models_folder, &tests_folder));
        let in_place = |file: PlannedFile| {
            let inside = self.workspace.relative_path(&file.path);
            match self.moved.current_path(&inside) {
                same if same == inside => file,
                moved => PlannedFile {
                    path: root.join(moved),
                    ..file
                },
            }
        };
        let files: Vec<PlannedFile> = files.map(in_place).collect();
        let planned: BTreeSet<&Path> = files.iter().map(|file| &*file.path).collect();
        // Keep the files of specs that are not selected or that cannot be compiled.
        let not_made = self.models.iter().enumerate().filter(|(index, _)| !is_made(*index));
        let kept_specs: BTreeSet<&str> = not_made.map(|(_, model)| model.path.as_str()).collect();
        let specs = self.workspace.specs_folder();
        // The tests of a metric set are among the files of the first model that reads the metric set.
        let sets = self.sets.iter().map(|set| set.path.as_str()).filter(|_| everything);
        let generated_paths: BTreeSet<&str> = generated.map(|(_, model)| model.path.as_str()).chain(sets).collect();
        let is_left = |path: &Path, spec: &str| {
            let is_ours = spec
                .strip_prefix(specs.as_str())
                .is_some_and(|rest| rest.starts_with('/'));
            let is_spec_missing = everything && !root.join(spec).is_file();
            !planned.contains(path)
                && !kept_specs.contains(spec)
                && (generated_paths.contains(spec) || (is_ours && is_spec_missing))
        };
        let mut paths = Vec::new();
        let mut by_hand = Vec::new();
        for folder in BTreeSet::from([&models_folder, &tests_folder]) {
            for path in folder::find_files(folder, is_generated) {
                let Ok(text) = read_text(&path) else { continue };
                if !spec_in_header(&text).is_some_and(|spec| is_left(&path, spec)) {
                    continue;
                }
                if formulac::dbt::is_unmodified(&text) {
                    paths.push(path);
                } else {
                    by_hand.push(path);
                }
            }
        }
        let dialect = models::models_with_files(&self.models)
            .next()
            .map(|(_, built)| built.compiled.dialect());
        let mut pending_changes = apply::compare_with_files(files, paths, dialect.unwrap_or_default())?;
        pending_changes.by_hand.extend(by_hand);
        Ok(pending_changes)
    }
}

/// Returns the name of a model, if the argument of a command is a name instead of a file.
fn model_name(argument: &Path) -> Option<&str> {
    let is_name = |text: &&str| text.chars().all(is_word_char);
    argument.to_str().filter(is_name).filter(|_| !argument.exists())
}

/// Returns whether formulac generates files of this kind.
fn is_generated(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| ["sql", "yml", "yaml", "md"].iter().any(|kind| end == *kind))
}
