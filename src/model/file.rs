//! Parsed spec file.

use super::load::{self, Spec, SpecKind};
use crate::diag::{Code, Diagnostic};
use crate::limits::{Limits, format_bytes};
use crate::span::Span;
use crate::yaml::{self, Node};

/// Parsed YAML of a spec, with its text, path and errors.
pub(super) struct SpecFile<'t> {
    pub source: &'t str,
    /// Path of the spec for the headers of generated files.
    pub path: Option<&'t str>,
    pub diagnostics: Vec<Diagnostic>,
    /// Root of the YAML document. `None` if the text is empty or invalid.
    pub root: Option<Node>,
}

impl<'t> SpecFile<'t> {
    pub fn read(source: &'t str, path: Option<&'t str>, limits: &Limits) -> Self {
        let mut file = Self {
            source,
            path,
            diagnostics: Vec::new(),
            root: None,
        };
        if source.len() > limits.source {
            let message = format!("the spec is longer than {}", format_bytes(limits.source));
            file.diagnostics.push(
                Diagnostic::new(Code::SourceTooLarge, Span::default(), message)
                    .with_help("split the spec into several files"),
            );
            return file;
        }
        match yaml::read(source, &mut file.diagnostics) {
            // Invalid YAML in a spec is often caused by a formula that is not in a text block.
            Err(diagnostic) if diagnostic.help() == Some(yaml::INVALID_YAML_HELP) => file.diagnostics.push(
                diagnostic.with_help("check the indentation, and put formulas in a text block: `definitions: |`"),
            ),
            Err(diagnostic) => file.diagnostics.push(diagnostic),
            Ok(None) => file.diagnostics.push(
                Diagnostic::new(Code::MissingKey, Span::default(), "the spec is empty")
                    .with_help("start with `model: name` and `from: table`"),
            ),
            Ok(root) => file.root = root,
        }
        file
    }

    /// Returns the root of the YAML document.
    pub fn root(&self) -> Option<&Node> {
        self.root.as_ref()
    }

    /// Returns the spec if it has the required keys.
    pub fn spec(&self, kind: SpecKind, diagnostics: &mut Vec<Diagnostic>) -> Option<Spec<'_>> {
        load::load(self.root.as_ref()?, self.source, kind, diagnostics)
    }
}
