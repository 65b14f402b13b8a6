//! Kinds of files that `check` accepts.

use std::path::Path;

use formulac::{Compiler, Project};

use crate::cli::commands::compile;
use crate::cli::exit::FileDiagnostics;
use crate::cli::project;
use crate::cli::source::SourceText;
use crate::cli::spec;

/// Kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    Formulas,
    Spec,
    Project,
    Schema,
}

impl InputKind {
    /// Determines the kind of a file from its name. A schema file is recognized by its `relations:` key, and a spec
    /// on standard input by a key that every spec contains.
    pub fn new(path: &Path, source: &SourceText) -> Self {
        let yaml = project::is_yaml(path);
        let unnamed = path.as_os_str() == "-";
        if project::is_project_file(path) {
            return Self::Project;
        }
        if yaml && source.text.lines().any(|l| l.starts_with("relations:")) {
            return Self::Schema;
        }
        let keyed = || {
            source
                .text
                .lines()
                .any(|l| l.starts_with("model:") || l.starts_with("from:"))
        };
        if yaml || (unnamed && keyed()) {
            Self::Spec
        } else {
            Self::Formulas
        }
    }
}

/// Returns the diagnostics of a file.
pub fn diagnose(compiler: &Compiler, kind: InputKind, source: SourceText) -> FileDiagnostics {
    match kind {
        InputKind::Formulas => compile::compile(compiler, source).file_diagnostics,
        InputKind::Spec => spec::compile(compiler, source, None).file_diagnostics,
        InputKind::Project | InputKind::Schema => {
            let faults = match source.fault.clone() {
                Some(fault) => vec![fault],
                None if kind == InputKind::Project => Project::from_text(&source.text).1,
                None => formulac::known::from_text(&source.text, compiler.dialect()).1,
            };
            source.with_diagnostics(faults)
        }
    }
}
