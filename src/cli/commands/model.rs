//! `formulac model`: compiles specs to dbt models, and prints the models or writes them to files.

use std::path::{Path, PathBuf};

use formulac::{Compiler, Dialect, Draft};
use serde_json::{Value, json};

use crate::cli::apply::{self, PendingFileChanges};
use crate::cli::args::ModelArgs;
use crate::cli::atomic_write::PlannedFile;
use crate::cli::context::{CommandContext, report_assumptions};
use crate::cli::dbt_folders;
use crate::cli::dbt_project;
use crate::cli::dbt_project::DbtProject;
use crate::cli::exit::{Exit, Failure, FileDiagnostics};
use crate::cli::generation::CompiledProject;
use crate::cli::models::{self, CompiledModel, ModelFiles};
use crate::cli::moved_files::MovedFilePaths;
use crate::cli::orphans;
use crate::cli::project;
use crate::cli::session::{Session, diagnostics_json};
use crate::cli::source::SourceText;
use crate::cli::spec::Spec;
use crate::cli::time_spine;
use crate::cli::unit_tests::UnitTestDraft;
use crate::cli::workspace::Workspace;
use crate::cli::writable_folders::{WritableFolders, absolute_path};

pub fn run(session: &Session, args: &ModelArgs) -> Result<Exit, Failure> {
    let bounds = writable_folders(session, args)?;
    if let Some(folder) = &args.out {
        bounds.resolve_path(folder)?;
        bounds.resolve_path(&tests_folder(session, folder)?)?;
    }
    let mut drafts = Vec::new();
    let specs = match args.selection.selects_all_models() {
        true => CompiledProject::find_named_specs(session, &args.target, &args.specs)?,
        false => CompiledProject::selected_specs(session, &args.target, &args.selection)?,
    };
    let (dialect, models, mut diagnostics) = match model_compiler(session, args) {
        Ok((context, compiler, lacks_spine)) => {
            let mut sources = context.read_sources(&specs);
            if args.unit_tests {
                let compiler = context.with_metric_sets(&compiler, &sources)?;
                drafts = draft_unit_tests(&compiler, &specs, &mut sources, args.out.is_some());
            }
            let specs = context.compile_specs(&compiler, sources.clone())?;
            if specs.iter().all(Spec::is_metric_set)
                && let Some(set) = specs.first()
            {
                set.reject_metric_set()?;
            }
            let compiled = specs.iter().filter_map(|spec| spec.compiled.as_ref());
            report_assumptions(session, context.workspace.as_ref(), compiled);
            let (models, mut file_diagnostics) = models::models_from_specs(specs, &sources);
            if lacks_spine {
                let dbt = context.workspace.as_ref().and_then(|workspace| workspace.dbt.as_ref());
                time_spine::warn_if_time_spine_missing(
                    dbt,
                    models::compiled_model_specs(&models),
                    &mut file_diagnostics,
                );
            }
            (compiler.dialect(), models, file_diagnostics)
        }
        Err(Failure::Found(diagnostics)) => (args.target.dialect.unwrap_or_default(), Vec::new(), diagnostics),
        Err(failure) => return Err(failure),
    };
    // Files that a user moved out of the project's models folder are updated at their new paths.
    let workspace = Workspace::find_workspace(session)?.filter(|workspace| {
        let models = absolute_path(&workspace.root.join(workspace.output_folders().0));
        args.out.as_ref().is_some_and(|out| absolute_path(out) == models)
    });
    let mut notes = Vec::new();
    let drafted = |model: &CompiledModel| drafts.get(model.spec).and_then(Option::as_ref);
    let mut exit = Exit::from_failures(&diagnostics);
    if let Some(folder) = &args.out {
        if exit == Exit::Done {
            let mut pending_changes = compare_models(session, folder, workspace.as_ref(), &models, dialect)?;
            // Only the draft is added to a spec, because the spec is the analyst's own file.
            pending_changes
                .updated
                .extend(models.iter().filter_map(|model| drafted(model)?.planned_draft_file()));
            if args.check {
                exit = pending_changes.report(session);
            } else {
                diagnostics.extend(pending_changes.conflicts());
                exit = Exit::from_failures(&diagnostics);
                if exit == Exit::Done {
                    pending_changes.write(&bounds)?;
                    notes = pending_changes.notes();
                }
            }
        }
        if exit != Exit::Done && !args.check {
            notes.push(no_files_written_note(&diagnostics));
        }
    }
    if args.json {
        session.print_json(&json!({
            "dialect": dialect.name(),
            "models": models::models_with_files(&models).map(|(model, built)| model_json(model, built, drafted(model))).collect::<Vec<Value>>(),
            "diagnostics": diagnostics_json(&diagnostics),
        }))?;
    } else {
        if args.out.is_none() {
            session.print_data(&format_models(&models, drafted))?;
        }
        session.report(&diagnostics);
    }
    for drafted in models.iter().filter_map(drafted) {
        drafted
            .explain_missing(args.out.is_some())
            .iter()
            .for_each(|note| session.note(note));
    }
    if !args.json {
        models::models_with_files(&models)
            .flat_map(|(m, built)| built.semantic_omissions(&m.name))
            .for_each(|note| session.report_action(&note));
    }
    for note in notes {
        session.report_action(&note);
    }
    Ok(exit)
}

/// Compares the files of the models with the files in a folder.
fn compare_models(
    session: &Session,
    folder: &Path,
    workspace: Option<&Workspace>,
    models: &[CompiledModel],
    dialect: Dialect,
) -> Result<PendingFileChanges, Failure> {
    let tests = tests_folder(session, folder)?;
    let moved = workspace.map(|workspace| (workspace, MovedFilePaths::find(workspace, models)));
    let in_place = |file: PlannedFile| match &moved {
        Some((workspace, moved)) => {
            let inside = workspace.relative_path(&file.path);
            let path = moved.current_path(&inside);
            if path == inside {
                file
            } else {
                PlannedFile {
                    path: workspace.root.join(path),
                    ..file
                }
            }
        }
        None => file,
    };
    let files = models
        .iter()
        .flat_map(|model| model.planned_files(folder, &tests))
        .map(in_place);
    let files: Vec<PlannedFile> = files.collect();
    let paths = find_leftover_files(folder, &tests, models, &files);
    apply::compare_with_files(files, paths, dialect)
}

/// Allows the command to write files in the project and in the named folder, and to add drafts to the named specs.
fn writable_folders(session: &Session, args: &ModelArgs) -> Result<WritableFolders, Failure> {
    let given_folder = session.global.project_dir.as_deref();
    let of_dbt = || dbt_project::find(given_folder).ok().flatten().map(|dbt| dbt.folder);
    let root = project::project_folder(given_folder)?.or_else(of_dbt);
    let bounds = WritableFolders::from_optional_project(root.as_deref())?;
    Ok(bounds.allow_named_files(args.out.iter().chain(&args.specs)))
}

/// Returns the schema, models and settings for the command, the compiler, and whether the dbt project lacks a time
/// spine.
fn model_compiler(session: &Session, args: &ModelArgs) -> Result<(CommandContext, Compiler, bool), Failure> {
    let context = CommandContext::new(session, &args.target)?;
    let workspace = context.workspace.as_ref();
    let manifest = workspace.and_then(|workspace| workspace.manifest().ok().flatten());
    let lacks_spine = manifest.is_some_and(time_spine::lacks_time_spine);
    if let (Some(dbt), Some(out)) = (workspace.and_then(|workspace| workspace.dbt.as_ref()), &args.out) {
        dbt_folders::check_named_models_folder(dbt, out)?;
    }
    let contracts = match workspace.and_then(|workspace| workspace.dbt.as_ref()) {
        Some(dbt) => enforces_contracts(session, dbt, args.out.as_deref())?,
        None => false,
    };
    let compiler = context.builder().contracts(contracts).build();
    Ok((context, compiler, lacks_spine))
}

/// Returns whether dbt enforces contracts in the folder for the models, which is the project's models folder by
/// default.
fn enforces_contracts(session: &Session, dbt: &DbtProject, out: Option<&Path>) -> Result<bool, Failure> {
    let inner = out.map(|out| out.strip_prefix(&dbt.folder).unwrap_or(out).to_owned());
    let given_folder = session.global.project_dir.as_deref();
    let of_project = || {
        project::read(given_folder)
            .map(|project| PathBuf::from(project.models().unwrap_or(project::DEFAULT_MODELS_FOLDER)))
    };
    Ok(dbt.enforces_contracts(&inner.map_or_else(of_project, Ok)?))
}

fn no_files_written_note(file_diagnostics: &[FileDiagnostics]) -> String {
    let count = |exit: Exit| {
        file_diagnostics
            .iter()
            .filter(|f| Exit::from_diagnostics(&f.diagnostics) == exit)
            .count()
    };
    match (count(Exit::Conflict), count(Exit::Faulty) + count(Exit::Failed)) {
        (0, faulty) => format!(
            "no file is written, because {faulty} of {} files have errors",
            file_diagnostics.len()
        ),
        _ => "no file is written".to_owned(),
    }
}

/// Drafts unit tests for specs, and replaces the source of each spec with the version that includes its draft.
fn draft_unit_tests(
    compiler: &Compiler,
    paths: &[PathBuf],
    sources: &mut [(SourceText, Option<String>)],
    writes: bool,
) -> Vec<Option<UnitTestDraft>> {
    let with_draft = |(path, (source, _)): (&PathBuf, &mut (SourceText, Option<String>))| {
        let drafted = source
            .fault
            .is_none()
            .then(|| UnitTestDraft::new(compiler, source, path, writes))?;
        if let Some(text) = drafted.with_draft.clone() {
            source.text = text;
        }
        Some(drafted)
    };
    paths.iter().zip(sources).map(with_draft).collect()
}

/// Formats the files of all models. A comment with the file's name, in that file's comment syntax, precedes each file.
fn format_models<'d>(
    models: &[CompiledModel],
    drafted: impl Fn(&CompiledModel) -> Option<&'d UnitTestDraft>,
) -> String {
    let part = |(model, built): (&CompiledModel, &ModelFiles)| {
        let tests = built.tests.iter().map(|(name, sql)| format!("\n-- {name}.sql\n{sql}"));
        let tests: String = tests.collect();
        let drafted = drafted(model).and_then(UnitTestDraft::text);
        let drafted = drafted.map_or_else(String::new, |text| format!("\n{text}"));
        let docs = built
            .md
            .iter()
            .map(|text| format!("\n<!-- {}.md -->\n{text}", model.name))
            .collect::<String>();
        format!(
            "-- {0}.sql\n{1}\n# {0}.yml\n{2}{docs}{tests}{drafted}",
            model.name, built.sql, built.yml
        )
    };
    models::models_with_files(models)
        .map(part)
        .collect::<Vec<_>>()
        .join("\n")
}

fn model_json(model: &CompiledModel, built: &ModelFiles, drafted: Option<&UnitTestDraft>) -> Value {
    let tests = built.tests.iter().map(|(name, sql)| json!({"name": name, "sql": sql}));
    let mut object =
        json!({"name": model.name, "sql": built.sql, "yml": built.yml, "tests": tests.collect::<Vec<_>>()});
    let Value::Object(fields) = &mut object else {
        return object;
    };
    fields.extend(built.md.iter().map(|text| ("md".to_owned(), json!(text))));
    fields.extend(
        built
            .semantic
            .iter()
            .map(|_| ("semantic_model".to_owned(), built.semantics_json())),
    );
    fields.extend(drafted.map(|drafted| {
        (
            "examples".to_owned(),
            json!(drafted.draft.as_ref().ok().map(Draft::text)),
        )
    }));
    object
}

/// Returns obsolete test and docs files, which were generated from an earlier version of the specs.
fn find_leftover_files(folder: &Path, tests: &Path, models: &[CompiledModel], files: &[PlannedFile]) -> Vec<PathBuf> {
    let is_planned = |path: &Path| files.iter().any(|planned| planned.path == path);
    let orphaned = |(model, built): (&CompiledModel, &ModelFiles)| {
        let mut paths = orphans::find_orphaned_tests(tests, &model.name, &built.path, is_planned);
        paths.extend(orphans::find_orphaned_docs(folder, &model.name, &built.path).filter(|path| !is_planned(path)));
        paths
    };
    models::models_with_files(models).flat_map(orphaned).collect()
}

/// Returns the folder for tests that are separate files. dbt would read files in the models folder as models.
fn tests_folder(session: &Session, models: &Path) -> Result<PathBuf, Failure> {
    let given_folder = session.global.project_dir.as_deref();
    if let Some((project, folder)) = project::read_project_with_folder(given_folder)? {
        return Ok(folder.join(project.tests().unwrap_or(project::DEFAULT_TESTS_FOLDER)));
    }
    let folder = given_folder.unwrap_or(Path::new(""));
    let dbt = if folder.join(dbt_project::PROJECT_FILE).is_file() {
        dbt_project::find(Some(folder))?
    } else {
        None
    };
    let first = dbt.as_ref().and_then(|dbt| dbt.test_paths.first());
    Ok(first.map_or_else(|| models.join("tests"), |first| folder.join(first).join("formulac")))
}
