//! Compiled SQL of models that the last dbt run did not select. The run's manifest omits this SQL, but dbt's target
//! folder still contains the files.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use formulac::artifacts::{ManifestNode, ResourceType};

use crate::cli::artifacts::TargetArtifacts;
use crate::cli::dbt_project::{self, DbtProject};
use crate::cli::folder;
use crate::cli::source::read_text;

/// Adds the models' compiled SQL to a manifest that lacks it. A file is used only if it is newer than the model, the
/// project file and the macros, and if it contains the relation names in the manifest. Other names mean that a run for
/// another schema wrote the file.
pub fn add_compiled_files(artifacts: &mut TargetArtifacts, dbt: &DbtProject) {
    let compiled = artifacts.path.with_file_name("compiled");
    let nodes = &artifacts.manifest.nodes;
    let is_missing = |node: &ManifestNode| {
        node.resource_type == ResourceType::Model
            && node.compiled_code.is_none()
            && node.original_file_path.ends_with(".sql")
    };
    if !compiled.is_dir() || !nodes.iter().any(is_missing) {
        return;
    }
    let relations: HashMap<&str, &str> = nodes
        .iter()
        .filter_map(|node| Some((&*node.unique_id, node.relation_name.as_deref()?)))
        .collect();
    let shared = newest_shared_file_time(dbt);
    let found = nodes.iter().enumerate().filter(|(_, node)| is_missing(node));
    let found = found.filter_map(|(index, node)| {
        let package = node.unique_id.split('.').nth(1)?;
        let folder = match package == dbt.name {
            true => dbt.folder.clone(),
            false => dbt.folder.join(&dbt.packages_path).join(package),
        };
        let source = modification_time(&folder.join(&*node.original_file_path))?;
        let path = compiled.join(package).join(&*node.original_file_path);
        modification_time(&path).filter(|time| *time > source && Some(*time) > shared)?;
        let sql = read_text(path).ok()?;
        let mut read = node.depends_on.iter().filter_map(|parent| relations.get(&**parent));
        read.all(|relation| sql.contains(relation))
            .then(|| (index, Arc::from(sql)))
    });
    let found: Vec<(usize, Arc<str>)> = found.collect();
    for (index, sql) in found {
        if let Some(node) = artifacts.manifest.nodes.get_mut(index) {
            node.compiled_code = Some(sql);
        }
    }
}

/// Returns the time of the last change to the files that all models depend on: the project file and the macros.
fn newest_shared_file_time(dbt: &DbtProject) -> Option<SystemTime> {
    let folders = dbt.macro_paths.iter().map(|path| dbt.folder.join(path));
    let macros =
        folders.flat_map(|folder| folder::find_files(&folder, |path| path.extension().is_some_and(|end| end == "sql")));
    let files = macros.chain([dbt.folder.join(dbt_project::PROJECT_FILE)]);
    files.filter_map(|path| modification_time(&path)).max()
}

fn modification_time(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}
