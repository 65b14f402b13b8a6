//! `--since`: finds the differences between a revision and the work tree.

use std::path::{Path, PathBuf};

use formulac::dbt::spec_in_header;
use formulac::impact::{
    BaseRevision, FileRevisions, Graph, NodeChanges, ProjectFileKind, RevisionDifference, changes_since,
};

use super::impact_context::ImpactContext;
use crate::cli::dbt_project::DbtProject;
use crate::cli::exit::Failure;
use crate::cli::folder;
use crate::cli::git::Revision;
use crate::cli::project;
use crate::cli::source::read_text;

/// Files next to `dbt_project.yml` that list dbt packages.
const PACKAGE_FILES: [&str; 3] = ["packages.yml", "dependencies.yml", "package-lock.yml"];

/// Returns the changes since a revision, each with its description.
pub fn compare_with_revision(
    context: &ImpactContext,
    graph: &Graph<'_>,
    revision: &str,
) -> Result<(Vec<NodeChanges>, Vec<RevisionDifference>), Failure> {
    let revision = Revision::resolve_revision(&context.root, revision)?;
    let specs = normalize_folder(Path::new(
        context.project.specs().unwrap_or(project::DEFAULT_SPECS_FOLDER),
    ));
    let kinds = context
        .dbt
        .as_ref()
        .map(|dbt| folder_kinds(dbt, &context.root))
        .unwrap_or_default();
    let mut paths = vec![specs.clone()];
    paths.extend(kinds.iter().map(|(path, _)| path.clone()));
    let mut before = BaseRevision::default();
    let mut texts = context.texts.clone();
    for file in revision.differing_files(&paths)? {
        let path = context.root.join(&file.path);
        if file.path.starts_with(&specs) {
            texts.retain(|(known_path, _)| *known_path != path);
            texts.extend(
                file.before
                    .map(|text| (path, text))
                    .filter(|(path, _)| project::is_yaml(path)),
            );
            continue;
        }
        let (was, now) = (file.before, read_text(&path).ok());
        // Skip generated files, because they change together with their specs.
        if [&was, &now]
            .into_iter()
            .flatten()
            .any(|text| spec_in_header(text).is_some())
        {
            continue;
        }
        let Some(kind) = file_kind(&file.path, &kinds) else {
            continue;
        };
        before.files.push(FileRevisions {
            kind,
            path: file.path.to_string_lossy().replace('\\', "/"),
            before: was,
            now,
        });
    }
    texts.sort();
    before.specs = context.compile_specs(&texts);
    let is_macro = |path: &Path| path.extension().is_some_and(|end| end == "sql");
    let of_macros = kinds.iter().filter(|(_, kind)| *kind == ProjectFileKind::Macro);
    let macros = of_macros.flat_map(|(path, _)| folder::find_files(&context.root.join(path), is_macro));
    before.macros = macros.filter_map(|path| read_text(path).ok()).collect();
    Ok(changes_since(graph, &before))
}

/// Returns the specs of these nodes and of the metric sets that they read, if git has an older version of the specs.
/// Empty if there is no git repository.
pub fn uncommitted_specs(context: &ImpactContext, graph: &Graph<'_>, changes: &[NodeChanges]) -> Vec<String> {
    let mut paths = Vec::new();
    for change in changes {
        let Some(spec) = graph.nodes.get(change.node_index).and_then(|part| part.spec) else {
            continue;
        };
        paths.push(PathBuf::from(&spec.path));
        paths.extend(spec.compiled.metric_set_files().map(|(path, _)| PathBuf::from(path)));
    }
    if paths.is_empty() {
        return Vec::new();
    }
    let changed = Revision::resolve_revision(&context.root, "HEAD").and_then(|head| head.differing_files(&paths));
    let edited = changed
        .unwrap_or_default()
        .into_iter()
        .filter(|file| file.before.is_some());
    edited
        .map(|file| folder::display_path(&context.root.join(file.path)))
        .collect()
}

/// Returns the files and folders that dbt reads, relative to the root, with the kind of their contents.
fn folder_kinds(dbt: &DbtProject, root: &Path) -> Vec<(PathBuf, ProjectFileKind)> {
    let relative_path = |path: &str| Some(normalize_folder(dbt.folder.join(path).strip_prefix(root).ok()?));
    let folders = [
        (&dbt.model_paths, ProjectFileKind::Model),
        (&dbt.seed_paths, ProjectFileKind::Seed),
        (&dbt.snapshot_paths, ProjectFileKind::Snapshot),
        (&dbt.macro_paths, ProjectFileKind::Macro),
        (&dbt.test_paths, ProjectFileKind::Test),
    ];
    let mut changed_files: Vec<(PathBuf, ProjectFileKind)> = Vec::new();
    for (paths, kind) in folders {
        changed_files.extend(paths.iter().filter_map(|path| Some((relative_path(path)?, kind))));
    }
    changed_files.extend(relative_path("dbt_project.yml").map(|path| (path, ProjectFileKind::Project)));
    changed_files.extend(
        PACKAGE_FILES
            .iter()
            .filter_map(|path| Some((relative_path(path)?, ProjectFileKind::Other))),
    );
    changed_files
}

/// Returns the kind of a file, or `None` if dbt does not read the file.
fn file_kind(path: &Path, kinds: &[(PathBuf, ProjectFileKind)]) -> Option<ProjectFileKind> {
    // The innermost folder determines the kind, because the folder of generic tests may be inside the folder of tests.
    let of_folder = kinds.iter().filter(|(folder, _)| path.starts_with(folder));
    let (_, kind) = of_folder.max_by_key(|(folder, _)| folder.components().count())?;
    let end = path
        .extension()
        .map(|end| end.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    match (kind, end.as_str()) {
        (ProjectFileKind::Project | ProjectFileKind::Other, _) => Some(*kind),
        (_, "yml" | "yaml") => Some(ProjectFileKind::Properties),
        (ProjectFileKind::Seed, "csv") | (ProjectFileKind::Model, "sql" | "py") => Some(*kind),
        (ProjectFileKind::Snapshot | ProjectFileKind::Macro | ProjectFileKind::Test, "sql") => Some(*kind),
        _ => None,
    }
}

/// Removes a leading `./` and a trailing `/`.
fn normalize_folder(folder: &Path) -> PathBuf {
    folder
        .components()
        .filter(|part| !matches!(part, std::path::Component::CurDir))
        .collect()
}
