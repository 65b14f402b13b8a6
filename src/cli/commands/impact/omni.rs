//! Reads the fields of the project's Omni model.

use std::path::{Path, PathBuf};

use formulac::impact::OmniFields;
use formulac::{Dialect, Project};

use crate::cli::cache;
use crate::cli::folder;
use crate::cli::omni_files::omni_paths;
use crate::cli::project;
use crate::cli::session::Session;
use crate::cli::source::SourceText;

/// Returns the fields of the project's Omni model. Parses only files that have changed since an earlier call.
pub fn omni_fields(session: &Session, project: &Project, root: &Path, dialect: Option<Dialect>) -> OmniFields {
    let folder = root.join(project.omni().unwrap_or(project::DEFAULT_OMNI_FOLDER));
    let paths = omni_paths(&folder);
    cache::read_omni_fields(&paths, &format!("{dialect:?}"), root, || {
        read_omni(session, &paths, root, dialect)
    })
}

/// Reads Omni's files, reports their errors, and returns the fields and whether all files are free of errors.
fn read_omni(session: &Session, paths: &[PathBuf], root: &Path, dialect: Option<Dialect>) -> (OmniFields, bool) {
    let mut files = Vec::new();
    let mut is_valid = true;
    for path in paths {
        let source = SourceText::from_file(path);
        is_valid &= source.fault.is_none();
        match &source.fault {
            Some(fault) => session.warn(&format!("skipped {}: {}", path.display(), fault.message())),
            None => files.push((folder::relative_path(root, path), source.text)),
        }
    }
    let (model, faults) = OmniFields::from_texts(&files, dialect);
    for (number, fault) in faults {
        let name = files.get(number).map(|(name, _)| name.as_str()).unwrap_or_default();
        session.warn(&format!("skipped {name}: {}", fault.message()));
        is_valid = false;
    }
    (model, is_valid)
}
