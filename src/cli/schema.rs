//! Reads the file or the folder of Omni views that `--schema` specifies.

use std::fs;
use std::path::{Path, PathBuf};

use formulac::artifacts::{Manifest, ManifestReadOptions};
use formulac::{Dialect, KnownFacts};

use super::artifacts::TargetArtifacts;
use super::exit::{Failure, FileDiagnostics};
use super::session::Session;
use super::source::{MAX_ARTIFACT_BYTES, SourceText};
use formulac::diag::{Code, Diagnostic};
use formulac::span::Span;

/// Contents of the path that `--schema` specifies, read once.
#[derive(Debug)]
pub enum SchemaOption {
    /// dbt's artifacts.
    Dbt(Box<TargetArtifacts>),
    /// Other sources, including unreadable files. The format of each source is detected from its contents.
    Texts(Vec<SourceText>),
}

/// Reads the schema given with `--schema`, and reports its age.
pub fn read(session: &Session, path: &Path) -> Result<SchemaOption, Failure> {
    let schema = read_schema_option(path)?;
    schema
        .artifacts()
        .into_iter()
        .for_each(|artifacts| artifacts.report_age_of_given_manifest(session));
    Ok(schema)
}

fn read_schema_option(path: &Path) -> Result<SchemaOption, Failure> {
    let sources: Vec<SourceText> = schema_files(path)?
        .iter()
        .map(|p| SourceText::read_with_size_limit(p, MAX_ARTIFACT_BYTES))
        .collect();
    if sources.iter().any(|s| s.fault.is_some()) {
        let faulty = sources
            .into_iter()
            .filter_map(|s| s.fault.clone().map(|fault| s.with_diagnostics(vec![fault])));
        return Err(Failure::Found(faulty.collect()));
    }
    // If the file is not a manifest, its errors are reported later, together with the errors in other sources.
    if let [source] = sources.as_slice()
        && source.text.trim_start().starts_with('{')
        && let Ok(manifest) = Manifest::from_text(&source.text, ManifestReadOptions::default())
    {
        return Ok(SchemaOption::Dbt(Box::new(TargetArtifacts::new(
            path.to_owned(),
            manifest,
        ))));
    }
    Ok(SchemaOption::Texts(sources))
}

impl SchemaOption {
    /// Returns dbt's artifacts, if `--schema` specifies them.
    pub fn artifacts(&self) -> Option<&TargetArtifacts> {
        if let Self::Dbt(artifacts) = self {
            Some(artifacts)
        } else {
            None
        }
    }

    /// Returns the relations that the schema describes. Type names are interpreted in the given dialect, unless the
    /// source specifies another dialect.
    pub fn known_relations(&self, dialect: Dialect) -> Result<KnownFacts, Failure> {
        let sources = match self {
            Self::Dbt(artifacts) => return artifacts.known_relations(dialect, None),
            Self::Texts(sources) => sources,
        };
        let texts: Vec<(&str, &str)> = sources.iter().map(|s| (s.name.as_str(), s.text.as_str())).collect();
        let (schema, faults) = formulac::known::from_texts(&texts, dialect);
        if !faults.iter().any(|(_, d)| d.is_error()) {
            return Ok(KnownFacts::from(schema));
        }
        let to_file_diagnostics = |s: &SourceText| FileDiagnostics {
            file: s.name.clone(),
            text: s.text.clone(),
            diagnostics: Vec::new(),
        };
        let mut diagnostics: Vec<FileDiagnostics> = sources.iter().map(to_file_diagnostics).collect();
        for (number, fault) in faults {
            if let Some(file_diagnostics) = diagnostics.get_mut(number) {
                file_diagnostics.diagnostics.push(fault);
            }
        }
        Err(Failure::Found(diagnostics))
    }
}

/// Returns the path itself if it is a file, otherwise the views in the folder, sorted by name.
fn schema_files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut paths = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |error: &std::io::Error| Failure::from_source(SourceText::read_failure(&folder, error));
        for entry in fs::read_dir(&folder).map_err(|e| failed(&e))? {
            let entry = entry.map_err(|e| failed(&e))?;
            let kind = entry.file_type().map_err(|e| failed(&e))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // Links are not followed, because they could lead to a cycle.
            if kind.is_dir() && !name.starts_with('.') {
                folders.push(entry.path());
            } else if kind.is_file()
                && [".view", ".view.yaml", ".view.yml"]
                    .iter()
                    .any(|end| name.ends_with(end))
            {
                paths.push(entry.path());
            }
        }
    }
    if paths.is_empty() {
        let text = format!("the folder `{}` contains no Omni view", path.display());
        let fault = Diagnostic::new(Code::NotASchema, Span::default(), text)
            .with_help("the names of view files end in `.view` or `.view.yaml`");
        let name = path.to_string_lossy().into_owned();
        return Err(Failure::from_source(SourceText {
            name,
            text: String::new(),
            fault: Some(fault),
        }));
    }
    paths.sort();
    Ok(paths)
}
