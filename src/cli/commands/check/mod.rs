//! `formulac check`: prints the diagnostics for formula files and specs.

mod fixes;
mod input_kind;

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;

use formulac::{Builder, CompiledSpec, Compiler, FormulaSession};
use formulac_syntax::text::format_count;

use crate::cli::args::CheckArgs;
use crate::cli::atomic_write::{PlannedFile, write_all};
use crate::cli::commands::pull;
use crate::cli::context::{CommandContext, report_assumptions};
use crate::cli::environment::quote_for_shell;
use crate::cli::exit::{Exit, Failure, FileDiagnostics};
use crate::cli::generation::{CompiledProject, check_names};
use crate::cli::missing_versions;
use crate::cli::models::{self, CompiledModel};
use crate::cli::omni_files;
use crate::cli::project;
use crate::cli::session::{Session, to_reports};
use crate::cli::source::SourceText;
use crate::cli::time_spine;
use crate::cli::workspace::Workspace;
use crate::cli::writable_folders::WritableFolders;
use fixes::apply_fixes;
use formulac::diag::{self, Code, Diagnostic, render};
use input_kind::{InputKind, diagnose};

/// Sessions of the formula files that `--watch` checks again and again, by path.
pub type FormulaSessions = RefCell<BTreeMap<PathBuf, FormulaSession>>;

/// Checks the files. `sessions` contains results of earlier checks.
pub fn run(session: &Session, args: &CheckArgs, sessions: Option<&FormulaSessions>) -> Result<Exit, Failure> {
    if args.fix && args.files.iter().any(|f| f.as_os_str() == "-") {
        return Err(Failure::new(
            Exit::Usage,
            "`--fix` changes files, but standard input is not a file",
        ));
    }
    let mut omni_folder = Ok(());
    let (diagnostics, fixed) = match load_check_inputs(session, args, sessions) {
        Ok(setup) => {
            let (mut file_diagnostics, fixed) = setup.check(session, args)?;
            if let Some(workspace) = &setup.context.workspace {
                file_diagnostics.extend(workspace.report_contradictions(setup.context.dialect)?);
            }
            if let Some(workspace) = setup.context.configured_workspace() {
                setup.warn_of_omni_duplicates(args, workspace, &mut file_diagnostics);
                if args.files.is_empty() {
                    check_folders(workspace, &mut file_diagnostics)?;
                    omni_folder = workspace.check_omni_folder();
                    workspace.warn_of_unsearched_folders(session, None);
                }
            }
            (file_diagnostics, fixed)
        }
        Err(Failure::Found(diagnostics)) => (diagnostics, Vec::new()),
        Err(failure) => return Err(failure),
    };
    write_all(&writable_folders(session, args)?, &fixed)?;
    if args.json {
        // The output is one JSON document, so an error replaces the diagnostics.
        omni_folder?;
        omni_folder = Ok(());
        session.print_json(&render::to_json(&to_reports(&diagnostics)))?;
    } else {
        let summary = session.diagnostics_to_print(&diagnostics);
        session.print_styled(&session.format_check_output(&summary.diagnostics, args.deny.is_some()))?;
        session.report_affected_files(&summary);
    }
    for file in &fixed {
        session.report_action(&format!("fixed {}", file.path.display()));
    }
    print_summary(session, &session.diagnostics_to_print(&diagnostics).diagnostics);
    omni_folder?;
    let is_denied = args.deny.is_some()
        && diagnostics
            .iter()
            .any(|file_diagnostics| !file_diagnostics.diagnostics.is_empty());
    Ok(Exit::from_failures(&diagnostics).most_severe(if is_denied { Exit::Faulty } else { Exit::Done }))
}

/// Adds a diagnostic for each folder that the project file specifies but that dbt does not search for models or tests.
fn check_folders(workspace: &Workspace, diagnostics: &mut Vec<FileDiagnostics>) -> Result<(), Failure> {
    match workspace.check_folders() {
        Err(Failure::Found(faults)) => diagnostics.extend(faults),
        other => other?,
    }
    Ok(())
}

/// Returns the folders and files that fixes may change: the project and the named files.
fn writable_folders(session: &Session, args: &CheckArgs) -> Result<WritableFolders, Failure> {
    let root = project::project_folder(session.global.project_dir.as_deref())?;
    Ok(WritableFolders::from_optional_project(root.as_deref())?.allow_named_files(&args.files))
}

/// Files to check, and the schema, models and settings with which they are checked.
struct CheckInputs<'s> {
    context: CommandContext,
    files: Vec<PathBuf>,
    sessions: Option<&'s FormulaSessions>,
}

impl CheckInputs<'_> {
    fn compiler(&self, args: &CheckArgs, builder: Builder) -> Result<Compiler, Failure> {
        Ok(args.settings.apply_to(builder, self.context.schema())?.build())
    }

    fn check(&self, session: &Session, args: &CheckArgs) -> Result<(Vec<FileDiagnostics>, Vec<PlannedFile>), Failure> {
        let sources: Vec<SourceText> = self.files.iter().map(|path| SourceText::from_file(path)).collect();
        let compiler = self.compiler(args, self.context.builder())?;
        let outcome = self.check_sources_with_compiler(session, args, &compiler, sources.clone())?;
        let misses_names = outcome
            .0
            .iter()
            .flat_map(|file_diagnostics| &file_diagnostics.diagnostics)
            .any(|diagnostic| diagnostic.kind() == Code::UnknownName);
        let Some(workspace) = self.context.workspace.as_ref().filter(|_| misses_names) else {
            return Ok(outcome);
        };
        // Report a missing column as removed if an earlier pull recorded it.
        let had = pull::pulled_columns(&workspace.root);
        if had.is_empty() {
            return Ok(outcome);
        }
        let compiler = self.compiler(args, self.context.builder_with_past_columns(had))?;
        self.check_sources_with_compiler(session, args, &compiler, sources)
    }
}

/// Returns the schema, the settings and the files to check: the named files or, by default, the project's specs.
fn load_check_inputs<'s>(
    session: &Session,
    args: &CheckArgs,
    sessions: Option<&'s FormulaSessions>,
) -> Result<CheckInputs<'s>, Failure> {
    let context = CommandContext::new(session, &args.settings.target)?;
    let files = match &context.workspace {
        _ if !args.files.is_empty() => CompiledProject::find_named_specs(session, &args.settings.target, &args.files)?,
        Some(_) if !args.selection.selects_all_models() => {
            CompiledProject::selected_specs_and_sets(session, &args.settings.target, &args.selection)?
        }
        Some(workspace) if workspace.has_project_file() => workspace.specs()?,
        workspace => {
            let folder = session.global.project_dir.as_deref();
            let folder = folder.map_or(String::new(), |folder| {
                format!(" {}", quote_for_shell(&folder.display().to_string()))
            });
            let help = match workspace {
                Some(_) => format!("run `formulac init{folder}` first, or specify files"),
                None => "specify files, or `-` for standard input".to_owned(),
            };
            return Err(Failure::new(
                Exit::Usage,
                "no file is specified, and there is no project with specs to check",
            )
            .with_help(help));
        }
    };
    Ok(CheckInputs {
        context,
        files,
        sessions,
    })
}

impl CheckInputs<'_> {
    /// Warns about definitions that exist both in a spec and in the project's Omni model.
    fn warn_of_omni_duplicates(
        &self,
        args: &CheckArgs,
        workspace: &Workspace,
        file_diagnostics: &mut [FileDiagnostics],
    ) {
        let Workspace { project, root, .. } = workspace;
        let texts: Vec<(String, String)> = file_diagnostics
            .iter()
            .zip(&self.files)
            .map(|(file_diagnostics, path)| {
                let is_spec = project::is_yaml(path) && !project::is_project_file(path);
                (
                    file_diagnostics.file.clone(),
                    if is_spec {
                        file_diagnostics.text.clone()
                    } else {
                        String::new()
                    },
                )
            })
            .collect();
        // Build the compiler only if there is a promoted spec. Building takes time, because the compiler needs the
        // models of all specs.
        let compiler = OnceCell::new();
        let new_compiler = || {
            let compiler = self.compiler(args, self.context.builder()).ok()?;
            self.context.with_project_models(&compiler).ok()
        };
        let compile = |number: usize| {
            let compiler = compiler.get_or_init(new_compiler).as_ref()?;
            let path = self.context.project_path(self.files.get(number)?);
            let compiled = compiler.compile_spec_at(&texts.get(number)?.1, path.as_deref());
            (!compiled.has_errors()).then_some(compiled)
        };
        for (number, fault) in omni_files::find_omni_duplicates(project, root, &texts, compile) {
            if let Some(existing) = file_diagnostics
                .get_mut(number)
                .filter(|_| !project.silenced().contains(&fault.kind()))
            {
                existing.diagnostics.push(fault);
                existing
                    .diagnostics
                    .sort_by_key(|fault| (fault.span().start, fault.span().end));
            }
        }
    }

    fn check_sources_with_compiler(
        &self,
        session: &Session,
        args: &CheckArgs,
        compiler: &Compiler,
        sources: Vec<SourceText>,
    ) -> Result<(Vec<FileDiagnostics>, Vec<PlannedFile>), Failure> {
        let mut file_diagnostics = Vec::new();
        let mut fixed = Vec::new();
        // If one of the files cannot be read, do not fix any files.
        let fix = args.fix
            && !sources
                .iter()
                .any(|s| s.fault.as_ref().is_some_and(|f| f.kind() == Code::UnreadableFile));
        let kinds: Vec<InputKind> = self
            .files
            .iter()
            .zip(&sources)
            .map(|(path, source)| InputKind::new(path, source))
            .collect();
        let is_spec = |(kind, source): &(&InputKind, &SourceText)| **kind == InputKind::Spec && source.fault.is_none();
        let specs = kinds
            .iter()
            .zip(&sources)
            .zip(self.context.project_paths(&self.files))
            .filter(|(source_text, _)| is_spec(source_text));
        let specs: Vec<(SourceText, Option<String>)> =
            specs.map(|((_, source), path)| (source.clone(), path)).collect();
        let compiled = self.context.compile_specs(compiler, specs.clone())?;
        let compiled_specs = compiled.iter().filter_map(|spec| spec.compiled.as_ref());
        report_assumptions(session, self.context.workspace.as_ref(), compiled_specs);
        let knowing = if fix {
            self.context.with_project_models(compiler)?
        } else {
            compiler.clone()
        };
        let (models, of_specs) = models::models_from_specs(compiled, &specs);
        let clashes = self.name_clashes(&models, &of_specs)?;
        let built: BTreeMap<usize, CompiledSpec> = models
            .into_iter()
            .filter_map(|model| Some((model.spec, model.files?.compiled)))
            .collect();
        let mut models = Vec::new();
        let mut of_specs = of_specs.into_iter().zip(clashes).enumerate();
        for ((path, kind), source) in self.files.iter().zip(kinds).zip(sources) {
            let of_spec = if is_spec(&(&kind, &source)) {
                of_specs.next()
            } else {
                None
            };
            let mut clashes = Vec::new();
            let of_formulas = match kind {
                InputKind::Formulas => Some(
                    self.context
                        .formula_compiler(session, &args.settings, &source.text)?
                        .compiler,
                ),
                _ => None,
            };
            let mut checked_file = match of_spec {
                Some((spec, (of_spec, of_names))) => {
                    models.extend(built.get(&spec).map(|compiled| (file_diagnostics.len(), compiled)));
                    clashes = of_names;
                    of_spec
                }
                None => match (&of_formulas, self.sessions) {
                    (Some(compiler), Some(sessions)) if source.fault.is_none() => {
                        let mut sessions = sessions.borrow_mut();
                        let formula_session = sessions.entry(path.clone()).or_default();
                        let diagnostics = formula_session.compile(compiler, &source.text).diagnostics().to_vec();
                        source.with_diagnostics(diagnostics)
                    }
                    _ => diagnose(of_formulas.as_ref().unwrap_or(compiler), kind, source),
                },
            };
            if fix && apply_fixes(of_formulas.as_ref().unwrap_or(&knowing), kind, &mut checked_file) {
                fixed.push(PlannedFile {
                    path: path.clone(),
                    text: checked_file.text.clone(),
                });
            }
            checked_file.diagnostics.extend(clashes);
            diag::sort(&mut checked_file.diagnostics);
            file_diagnostics.push(checked_file);
        }
        self.warn_of_missing_files(models.into_iter(), &mut file_diagnostics)?;
        Ok((file_diagnostics, fixed))
    }

    /// Returns, for each spec, the errors about model and test names that dbt would reject.
    fn name_clashes(
        &self,
        models: &[CompiledModel],
        of_specs: &[FileDiagnostics],
    ) -> Result<Vec<Vec<Diagnostic>>, Failure> {
        let mut diagnostics: Vec<FileDiagnostics> = of_specs.iter().map(|_| FileDiagnostics::default()).collect();
        if let Some(workspace) = self.context.configured_workspace() {
            check_names(workspace, models, &mut diagnostics)?;
        }
        Ok(diagnostics
            .into_iter()
            .map(|file_diagnostics| file_diagnostics.diagnostics)
            .collect())
    }

    /// Warns about missing files that dbt needs for the project's models.
    fn warn_of_missing_files<'m>(
        &self,
        models: impl Iterator<Item = (usize, &'m CompiledSpec)> + Clone,
        file_diagnostics: &mut [FileDiagnostics],
    ) -> Result<(), Failure> {
        let Some(workspace) = self.context.configured_workspace() else {
            return Ok(());
        };
        missing_versions::warn(workspace, models.clone(), file_diagnostics);
        if workspace.manifest()?.is_some_and(time_spine::lacks_time_spine) {
            time_spine::warn_if_time_spine_missing(workspace.dbt.as_ref(), models, file_diagnostics);
        }
        let silenced = workspace.project.silenced();
        let is_shown = |fault: &Diagnostic| !silenced.contains(&fault.kind());
        file_diagnostics
            .iter_mut()
            .for_each(|file_diagnostics| file_diagnostics.diagnostics.retain(is_shown));
        Ok(())
    }
}

fn print_summary(session: &Session, file_diagnostics: &[FileDiagnostics]) {
    let diagnostics = file_diagnostics.iter().flat_map(|f| &f.diagnostics);
    let (errors, count) = diagnostics.fold((0, 0), |(e, n), d| (e + usize::from(d.is_error()), n + 1));
    let files = format_count(file_diagnostics.len(), "file", "files");
    let error_text = format_count(errors, "error", "errors");
    let warning_text = format_count(count - errors, "warning", "warnings");
    session.report_action(&match (errors, count - errors) {
        (0, 0) => format!("{files} checked: no problems found"),
        (_, 0) => format!("{files} checked: {error_text}"),
        (0, _) => format!("{files} checked: {warning_text}"),
        _ => format!("{files} checked: {error_text}, {warning_text}"),
    });
}
