//! `--since`: what differs from a revision.

use std::fs;
use std::path::{Path, PathBuf};

use formulac::dbt::spec_of;
use formulac::impact::{Before, Difference, Graph, ModelText, Start, since};

use super::known::{Known, compiled};
use crate::cli::exit::Failure;
use crate::cli::git::Revision;
use crate::cli::project;

/// What changed, and what is said of it.
pub fn compare(known: &Known, graph: &Graph<'_>, revision: &str) -> Result<(Vec<Start>, Vec<Difference>), Failure> {
    let revision = Revision::find(&known.root, revision)?;
    let specs = PathBuf::from(known.project.specs().unwrap_or(project::SPECS));
    let mut folders = vec![specs.clone()];
    if let Some(dbt) = &known.dbt {
        let own = |path: &String| dbt.folder.join(path).strip_prefix(&known.root).map(Path::to_owned).ok();
        folders.extend(dbt.model_paths.iter().chain(&dbt.seed_paths).filter_map(own));
    }
    let mut before = Before::default();
    let mut texts = known.texts.clone();
    for file in revision.differing(&folders)? {
        let path = known.root.join(&file.path);
        let now = || fs::read_to_string(&path).ok();
        if file.path.starts_with(clean(&specs)) {
            texts.retain(|(known, _)| *known != path);
            texts.extend(file.before.map(|text| (path, text)).filter(|(path, _)| project::is_yaml(path)));
            continue;
        }
        let (was, now) = (file.before, now());
        // What is generated changes with its spec.
        if [&was, &now].into_iter().flatten().any(|text| spec_of(text).is_some()) {
            continue;
        }
        let name = file.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if file.path.extension().is_some_and(|end| end == "sql" || end == "py" || end == "csv") {
            before.models.push(ModelText { name, before: was, now });
        } else if project::is_yaml(&file.path) {
            before.properties.push((file.path.to_string_lossy().into_owned(), was, now));
        }
    }
    texts.sort();
    before.specs = compiled(&known.compiler, &texts, &known.root);
    Ok(since(graph, &before))
}

/// Without `./` in front and `/` behind.
fn clean(folder: &Path) -> PathBuf {
    folder.components().filter(|part| !matches!(part, std::path::Component::CurDir)).collect()
}
