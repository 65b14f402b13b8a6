//! Tools that convert SQL to formulas and compile other versions of specs.

use std::sync::OnceLock;

use formulac::decompile::Decompiler;
use formulac::sync::ReconcileTools;
use formulac::{CompiledSpec, Compiler};

use crate::cli::generation::CompiledProject;
use crate::cli::moved_files::MovedFilePaths;
use crate::cli::workspace::Workspace;

/// Tools that convert SQL to formulas, created on first use.
pub struct PlannerTools {
    compiler: Compiler,
    models: Vec<CompiledSpec>,
    compiler_with_models: OnceLock<Compiler>,
    decompiler: Decompiler,
    folders: (String, String),
    moved: MovedFilePaths,
}

impl PlannerTools {
    pub fn new(workspace: &Workspace, compiler: &Compiler, generation: &CompiledProject<'_>) -> Self {
        Self {
            compiler: compiler.clone(),
            models: generation.compiled_specs().cloned().collect(),
            compiler_with_models: OnceLock::new(),
            decompiler: Decompiler::default(),
            folders: workspace.output_folders(),
            moved: generation.moved.clone(),
        }
    }

    /// Returns the compiler with the project's schema and settings, but without the models of the specs.
    pub fn compiler_without_models(&self) -> &Compiler {
        &self.compiler
    }

    /// Returns these tools in the form that the library expects.
    pub fn as_tools(&self) -> ReconcileTools<'_> {
        ReconcileTools {
            // Add all models to the compiler only if a file was edited, because only then are specs compiled again.
            compiler: self
                .compiler_with_models
                .get_or_init(|| self.compiler.with_models(&self.models)),
            decompiler: &self.decompiler,
            folders: (&self.folders.0, &self.folders.1),
            moved_paths: self.moved.current_paths_by_old_path(),
        }
    }
}
