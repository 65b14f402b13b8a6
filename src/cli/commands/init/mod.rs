//! `formulac init`: creates the files that formulac needs in a dbt project, or a complete example project.

mod dbt_metrics;
mod example;
mod first_spec;
mod metric_set_text;
mod project_file;
mod repeated;
mod semantic_sets;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use formulac::Dialect;
use formulac::yaml_edit::parse_value;
use formulac_syntax::text::format_count;
use serde_json::{Value, json};

use crate::cli::args::InitArgs;
use crate::cli::atomic_write::{ExistingFileContent, PlannedFile, write_all};
use crate::cli::dbt_project::{self, DbtProject};
use crate::cli::exit::{Exit, Failure};
use crate::cli::folder::display_path;
use crate::cli::lowest_versions::{self, outdated_version_message};
use crate::cli::project;
use crate::cli::session::Session;
use crate::cli::source::SourceText;
use crate::cli::workspace::normalize_folder;
use crate::cli::writable_folders::WritableFolders;
use first_spec::FirstSpec;

const GITIGNORE_LINES: [&str; 2] = [".formulac/local/", "formulac.local.yml"];
const GITIGNORE: &str = ".gitignore";
const DEFAULT_SPECS_FOLDER: &str = "metrics/";

/// Files to write, and messages about files that are kept.
#[derive(Debug, Default)]
struct InitPlan {
    files: Vec<PlannedFile>,
    /// Number of lines added to the existing `.gitignore`.
    added_gitignore_lines: Option<usize>,
    kept: Vec<String>,
    /// Messages about an outdated version of dbt, about possible metric sets, and about measures that are missing from
    /// all metric sets.
    notes: Vec<String>,
    /// Next steps. Set only if the project is new to formulac.
    next_steps: Option<String>,
}

pub fn run(session: &Session, args: &InitArgs) -> Result<Exit, Failure> {
    let plan = match &args.folder {
        Some(folder) if args.example => example::plan_example(folder)?,
        _ => plan_init(&find_dbt_project(session, args)?, args.dialect)?,
    };
    for kept_path in &plan.kept {
        session.report_action(&format!("kept {kept_path}"));
    }
    plan.notes.iter().for_each(|note| session.report_action(note));
    if args.dry_run && !args.json {
        let texts: Vec<String> = plan
            .files
            .iter()
            .map(|file| format!("==> {} <==\n{}", display_path(&file.path), file.text))
            .collect();
        session.print_data(&texts.join("\n"))?;
        session.report_action("no file is written");
        return Ok(Exit::Done);
    }
    let bounds = match &args.folder {
        Some(folder) if args.example => WritableFolders::only_named_paths().allow_named_file(folder),
        _ => WritableFolders::from_project(&find_dbt_project(session, args)?.folder)?,
    };
    if args.json {
        let file = |file: &PlannedFile| json!({"path": display_path(&file.path), "text": file.text});
        let files: Vec<Value> = plan.files.iter().map(file).collect();
        let is_written = !args.dry_run && !files.is_empty();
        session.print_json(&json!({"files": files, "kept": plan.kept, "notes": plan.notes, "written": is_written}))?;
    }
    if args.dry_run {
        return Ok(Exit::Done);
    }
    write_all(&bounds, &plan.files)?;
    for file in &plan.files {
        let added = plan.added_gitignore_lines.filter(|_| file.path.ends_with(GITIGNORE));
        session.report_action(&match added {
            Some(lines) => format!(
                "added {} to {}",
                format_count(lines, "line", "lines"),
                display_path(&file.path)
            ),
            None => format!("wrote {}", display_path(&file.path)),
        });
    }
    if plan.files.is_empty() {
        session.report_action("all files already exist");
    }
    match args.folder.as_deref().filter(|_| args.example) {
        Some(folder) => session.report_action(&example::next_steps(folder)),
        None => plan.next_steps.iter().for_each(|next| session.report_action(next)),
    }
    Ok(Exit::Done)
}

fn find_dbt_project(session: &Session, args: &InitArgs) -> Result<DbtProject, Failure> {
    let folder = args.folder.as_deref().or(session.global.project_dir.as_deref());
    dbt_project::find(folder)?.ok_or_else(|| {
        let help =
            "run `formulac init` in a dbt project, or create an example project with `formulac init --example DIR`";
        dbt_project::missing_project_failure(folder, "formulac init", help)
    })
}

fn plan_init(dbt: &DbtProject, dialect: Option<Dialect>) -> Result<InitPlan, Failure> {
    let mut plan = InitPlan::default();
    let project_file = dbt.folder.join(project::PROJECT_FILE);
    let is_new = !project_file.exists();
    let (specs, dialect) = if !is_new {
        plan.kept.push(display_path(&project_file));
        let project = project::read(Some(&dbt.folder))?;
        (
            project.specs().unwrap_or(DEFAULT_SPECS_FOLDER).to_owned(),
            require_dialect(dbt, dialect.or(project.dialect()))?,
        )
    } else {
        let unresolved = dbt
            .unresolved
            .iter()
            .find(|(key, _)| ["model-paths", "test-paths"].contains(&key.as_str()));
        if let Some((key, value)) = unresolved {
            let text = format!("formulac cannot resolve the Jinja of `{key}: {value}` in dbt_project.yml");
            return Err(Failure::new(Exit::Usage, text)
                .with_help("set the variable, or write formulac.yml with `models:` and `tests:` yourself"));
        }
        let dialect = require_dialect(dbt, dialect)?;
        let specs = specs_folder(dbt);
        let (text, unsupported) = project_file::project_file_text(dbt, dialect, specs);
        plan.notes.extend(unsupported);
        plan.files.push(PlannedFile {
            path: project_file,
            text,
        });
        (specs.to_owned(), dialect)
    };
    if let Some(artifacts) = dbt.artifacts()? {
        let version = artifacts.manifest.metadata.dbt_version.as_deref().unwrap_or_default();
        let outdated = outdated_version_message(lowest_versions::MIN_DBT_VERSION, version);
        plan.notes
            .extend(outdated.map(|text| format!("dbt: {text}; run `pip install --upgrade dbt-core`")));
    }
    plan_semantic_metric_sets(dbt, dialect, &specs, &mut plan)?;
    let first = plan_first_spec(dbt, dialect, &specs, &mut plan)?;
    plan.next_steps = is_new.then(|| next(dbt, &specs, first.as_deref()));
    plan_gitignore(&dbt.folder.join(GITIGNORE), &mut plan)?;
    Ok(plan)
}

/// Returns the folder for specs: `metrics/`, unless dbt reads files from it.
fn specs_folder(dbt: &DbtProject) -> &'static str {
    let is_read = |folder: &str| {
        let mut dbt_paths = dbt.all_paths.iter().map(|path| normalize_folder(path));
        dbt_paths.any(|dbt_path| dbt_path == folder.trim_end_matches('/'))
    };
    let mut folders = [DEFAULT_SPECS_FOLDER, "specs/"].into_iter();
    folders.find(|folder| !is_read(folder)).unwrap_or("formulac_specs/")
}

fn require_dialect(dbt: &DbtProject, dialect: Option<Dialect>) -> Result<Dialect, Failure> {
    dialect.map_or_else(|| dbt.dialect(None), Ok).map_err(|why| {
        let failure = Failure::new(Exit::Usage, format!("the dialect is unknown: {why}"));
        failure.with_help("specify the dialect, for example `--dialect postgres`")
    })
}

/// Plans a metric set for each semantic model that does not have one yet.
fn plan_semantic_metric_sets(
    dbt: &DbtProject,
    dialect: Dialect,
    specs: &str,
    plan: &mut InitPlan,
) -> Result<(), Failure> {
    let project = project::read(Some(&dbt.folder))?;
    let generated = format!(
        "{}/",
        normalize_folder(project.models().unwrap_or(project::DEFAULT_MODELS_FOLDER))
    );
    let (metric_sets, unknown) = semantic_sets::find(dbt, dialect, &generated)?;
    let folder = dbt.folder.join(specs);
    let present = if folder.is_dir() {
        project::find_specs(&folder)?
    } else {
        Vec::new()
    };
    let sources: Vec<SourceText> = present.iter().map(|path| SourceText::from_file(path)).collect();
    let name_of = |source: &SourceText| {
        let root = parse_value(&source.text)?;
        Some(root.get("metric_set")?.as_text()?.to_lowercase())
    };
    let source_names: BTreeSet<String> = sources.iter().filter_map(name_of).collect();
    let is_existing = |name: &str| source_names.contains(&name.to_lowercase());
    // If an earlier `init` created all metric sets, it also reported the omitted measures and metrics.
    let is_reported = !metric_sets.is_empty() && metric_sets.iter().all(|set| is_existing(&set.name));
    for set in metric_sets {
        if is_existing(&set.name) {
            continue;
        }
        plan.notes.extend(set.omissions);
        if let Some(fault) = set.fault {
            plan.notes.push(format!(
                "no metric set is written for the semantic model {}: {fault}",
                set.name
            ));
            continue;
        }
        let names = [set.name.clone(), format!("{}_metrics", set.name)];
        let mut paths = names.into_iter().map(|name| folder.join(format!("{name}.yml")));
        match paths.find(|path| !path.exists()) {
            Some(path) => plan.files.push(PlannedFile { path, text: set.text }),
            None => plan.kept.push(display_path(&folder.join(format!("{}.yml", set.name)))),
        }
    }
    if !is_reported {
        plan.notes.extend(unknown);
    }
    plan.notes.extend(repeated::find(dbt, dialect, &sources)?);
    Ok(())
}

/// Plans a first spec if the project has no specs yet.
fn plan_first_spec(
    dbt: &DbtProject,
    dialect: Dialect,
    specs: &str,
    plan: &mut InitPlan,
) -> Result<Option<PathBuf>, Failure> {
    let folder = dbt.folder.join(specs);
    let present = if folder.is_dir() {
        project::find_specs(&folder)?.len()
    } else {
        0
    };
    if present > 0 {
        plan.kept.push(format!(
            "{} ({})",
            display_path(&folder),
            format_count(present, "spec", "specs")
        ));
        return Ok(None);
    }
    match first_spec::find(dbt, dialect)? {
        Some(FirstSpec { name, text }) => {
            let path = folder.join(format!("{name}.yml"));
            plan.files.push(PlannedFile {
                path: path.clone(),
                text,
            });
            Ok(Some(path))
        }
        None => {
            plan.kept.push(format!(
                "{} empty, because there is no model yet that a spec could read",
                display_path(&folder)
            ));
            Ok(None)
        }
    }
}

/// Returns the first commands to try.
fn next(dbt: &DbtProject, specs: &str, spec: Option<&Path>) -> String {
    let (specs, preview) = match spec.map(display_path) {
        Some(spec) => (spec.clone(), format!("  formulac preview {spec}\n")),
        None => (display_path(&dbt.folder.join(specs)), String::new()),
    };
    let note = if dbt.target_folder().join("catalog.json").is_file() {
        String::new()
    } else {
        "  dbt docs generate    # so that formulac knows all columns and their types\n".to_owned()
    };
    format!("next:\n{note}  edit {specs}\n  formulac check\n{preview}  formulac generate\n  dbt build")
}

/// Appends the missing lines to `.gitignore`.
fn plan_gitignore(path: &Path, plan: &mut InitPlan) -> Result<(), Failure> {
    let now = PlannedFile {
        path: path.to_owned(),
        text: String::new(),
    };
    let before = match now.compare_with_existing_file()? {
        ExistingFileContent::Other(bytes) => {
            String::from_utf8(bytes).map_err(|_| Failure::from_source(SourceText::from_file(path)))?
        }
        ExistingFileContent::Nothing | ExistingFileContent::Same => String::new(),
    };
    let missing: Vec<&str> = GITIGNORE_LINES
        .into_iter()
        .filter(|line| !before.lines().any(|present| present.trim() == *line))
        .collect();
    if missing.is_empty() {
        plan.kept.push(display_path(path));
        return Ok(());
    }
    plan.added_gitignore_lines = (!before.is_empty()).then_some(missing.len());
    let line_break = if before.contains("\r\n") { "\r\n" } else { "\n" };
    let end = if before.is_empty() || before.ends_with('\n') {
        ""
    } else {
        line_break
    };
    let text = format!("{before}{end}{}{line_break}", missing.join(line_break));
    plan.files.push(PlannedFile {
        path: path.to_owned(),
        text,
    });
    Ok(())
}

/// Returns whether a folder is missing or empty.
fn is_empty_folder(folder: &Path) -> Result<bool, Failure> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(Failure::from_source(SourceText::read_failure(folder, &error))),
    }
}

/// Returns the files with the extension `ending` in a folder and its subfolders, sorted by path. Skips entries that
/// cannot be read, because the information in the files is optional.
fn find_files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == ending) {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths
}
