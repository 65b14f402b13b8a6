//! `--schema`: a file, or a folder of Omni views.

use std::fs;
use std::path::{Path, PathBuf};

use formulac::{Dialect, Schema};

use super::exit::{Failure, Found};
use super::source::Source;
use formulac::diag::{Code, Diagnostic};
use formulac::span::Span;

/// Bytes of one file; a manifest of a large project has some hundred millions.
const LIMIT: usize = 1 << 30;

/// Reads what is known of the data; the kind of each file is told by its content.
pub fn read(path: &Path, dialect: Dialect) -> Result<Schema, Failure> {
    let sources: Vec<Source> = files(path)?.iter().map(|p| Source::large_file(p, LIMIT)).collect();
    if sources.iter().any(|s| s.fault.is_some()) {
        let faulty = sources.into_iter().filter_map(|s| s.fault.clone().map(|fault| s.found(vec![fault])));
        return Err(Failure::Found(faulty.collect()));
    }
    let texts: Vec<(&str, &str)> = sources.iter().map(|s| (s.name.as_str(), s.text.as_str())).collect();
    let (schema, faults) = Schema::from_texts(&texts, dialect);
    if !faults.iter().any(|(_, d)| d.is_error()) {
        return Ok(schema);
    }
    let mut found: Vec<Found> = sources.into_iter().map(|s| s.found(Vec::new())).collect();
    for (number, fault) in faults {
        if let Some(found) = found.get_mut(number) {
            found.diagnostics.push(fault);
        }
    }
    Err(Failure::Found(found))
}

/// The file, with the catalog beside a manifest; of a folder the views in it, in the order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        let catalog = path.with_file_name("catalog.json");
        let is_manifest = path.file_name().is_some_and(|n| n.to_string_lossy().contains("manifest"));
        let both = is_manifest && catalog != path && catalog.is_file();
        return Ok(if both { vec![path.to_owned(), catalog] } else { vec![path.to_owned()] });
    }
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |error: &std::io::Error| Failure::of(Source::unreadable(&folder, error));
        for entry in fs::read_dir(&folder).map_err(|e| failed(&e))? {
            let entry = entry.map_err(|e| failed(&e))?;
            let kind = entry.file_type().map_err(|e| failed(&e))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // Links are not followed, so that none leads around in a circle.
            if kind.is_dir() && !name.starts_with('.') {
                folders.push(entry.path());
            } else if kind.is_file() && [".view", ".view.yaml", ".view.yml"].iter().any(|end| name.ends_with(end)) {
                found.push(entry.path());
            }
        }
    }
    if found.is_empty() {
        let text = format!("the folder `{}` holds no Omni view", path.display());
        let fault = Diagnostic::new(Code::NotASchema, Span::default(), text)
            .with_help("views are files named `….view` or `….view.yaml`");
        let name = path.to_string_lossy().into_owned();
        return Err(Failure::of(Source { name, text: String::new(), fault: Some(fault) }));
    }
    found.sort();
    Ok(found)
}
