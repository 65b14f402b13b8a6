//! Results that are kept between two versions of a formula file, so that an edit to one definition does not require all
//! other definitions to be compiled again.
//!
//! [`chunks`] splits the file, [`edit`] finds the changed bytes, [`dependencies`] finds the chunks that a change
//! affects, [`part`] compiles these chunks, and [`results`] replaces their results. [`file`] combines these steps.

mod chunks;
mod compiled_chunks;
mod dependencies;
mod edit;
mod file;
mod results;

use std::sync::Arc;

use super::{Compiled, Compiler, CompilerOptions};
use crate::diag::Diagnostic;
use file::CompiledFile;

/// Compiles a formula file repeatedly, for example in an editor. After an edit, a session compiles only the definitions
/// that changed or that depend on a change. The results equal those of [`Compiler::compile`] and [`Compiler::check`].
///
/// Definitions depend on each other through their names, through columns of unknown type that both use, and through
/// lints that compare them. Without a schema, most definitions therefore depend on each other. If an edit changes a
/// file at many positions, the definitions between these positions are also compiled again.
///
/// In the following cases, a session compiles the whole file again, so the call is not faster than a call to the
/// compiler:
///
/// - The compiler's options differ from the last call, or the context is a worksheet.
/// - The file contains a syntax error that may affect the text after it, such as an unclosed string or SQL syntax, two
///   definitions with unmatched brackets, or a formula without a name.
/// - The file contains more than 50 unknown names, or the options contain an error.
/// - The edit changes a definition that a grouping, partition or sort key uses.
/// - The schema has several relations, `from` is not set, and the edit is in the first definition that reads a column.
///
/// ```
/// use formulac_core::{Compiler, FormulaSession};
/// let (compiler, mut session) = (Compiler::default(), FormulaSession::default());
/// let compiled = session.compile(&compiler, "net = SUM(price)\ngross = net * 1.2\norders = COUNT()\n");
/// assert_eq!(compiled.definitions().len(), 3);
/// let compiled = session.compile(&compiler, "net = SUM(price)\ngross = net * 1.19\norders = COUNT()\n");
/// assert_eq!(compiled.definitions()[1].sql(), "coalesce(sum(price), 0) * 1.19");
/// // `net` is compiled again because `gross` uses it.
/// assert_eq!(session.recompiled(), Some(2));
/// ```
#[derive(Debug, Default)]
pub struct FormulaSession {
    checked: CachedFormulaFile,
    compiled: CachedFormulaFile,
    recompiled: Option<usize>,
}

/// Results of the last call.
#[derive(Debug, Default)]
struct CachedFormulaFile {
    options: Arc<CompilerOptions>,
    /// Last version of the file whose edits can be compiled separately.
    file: Option<Box<CompiledFile>>,
    /// Results of the last version, if `file` contains an older version.
    other: Option<Compiled>,
}

impl FormulaSession {
    /// Returns the diagnostics of [`Compiler::check`].
    pub fn check(&mut self, compiler: &Compiler, source: &str) -> &[Diagnostic] {
        let (compiled, recompiled) = self.checked.update(compiler, source, false);
        self.recompiled = recompiled;
        compiled.diagnostics()
    }

    /// Returns the result of [`Compiler::compile`]. The results of [`Self::check`] are kept separately.
    pub fn compile(&mut self, compiler: &Compiler, source: &str) -> &Compiled {
        let (compiled, recompiled) = self.compiled.update(compiler, source, true);
        self.recompiled = recompiled;
        compiled
    }

    /// Returns the number of definitions that the last call compiled. `None` if it compiled the whole file.
    #[must_use]
    pub fn recompiled(&self) -> Option<usize> {
        self.recompiled
    }
}

impl CachedFormulaFile {
    fn update(&mut self, compiler: &Compiler, source: &str, emit: bool) -> (&Compiled, Option<usize>) {
        if !Arc::ptr_eq(&self.options, &compiler.options) && self.options != compiler.options {
            self.options = Arc::clone(&compiler.options);
            self.file = None;
        }
        self.other = None;
        let before = match self.file.take().map(|file| file.apply_edit(compiler, source)) {
            Some(Ok(file)) => {
                let file = self.file.insert(Box::new(file));
                return (&file.compiled, Some(file.recompiled));
            }
            Some(Err(before)) => before,
            None => None,
        };
        match CompiledFile::new(compiler, source, emit) {
            Ok(file) => {
                let file = self.file.insert(Box::new(file));
                (&file.compiled, None)
            }
            Err(compiled) => {
                self.file = before.map(Box::new);
                (self.other.insert(compiled), None)
            }
        }
    }
}
