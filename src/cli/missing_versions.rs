//! Reports versions of a model for which the project has no file. dbt skips these versions and their tests with
//! warnings that name only the generated properties file.

use std::collections::BTreeSet;

use formulac::diag::{Code, Diagnostic};

use formulac::CompiledSpec;

use super::exit::FileDiagnostics;
use super::folder;
use super::workspace::Workspace;

/// Adds a warning for each entry in `versions:` that has no file. Each model has the index of its spec.
pub fn warn<'m>(
    workspace: &Workspace,
    models: impl Iterator<Item = (usize, &'m CompiledSpec)>,
    file_diagnostics: &mut [FileDiagnostics],
) {
    let models: Vec<_> = models
        .filter(|(_, compiled)| !compiled.ungenerated_versions.is_empty())
        .collect();
    let (Some(dbt), false) = (&workspace.dbt, models.is_empty()) else {
        return;
    };
    let folders = dbt.model_paths.iter().map(|folder| dbt.folder.join(folder));
    let files = folders.flat_map(|folder| folder::find_files(&folder, |_| true));
    let stem = |path: std::path::PathBuf| Some(path.file_stem()?.to_str()?.to_lowercase());
    let stems: BTreeSet<String> = files.filter_map(stem).collect();
    let folder = workspace.output_folders().0;
    for (spec, compiled) in models {
        for other in &compiled.ungenerated_versions {
            if other.files.iter().any(|file| stems.contains(&file.to_lowercase())) {
                continue;
            }
            let message = format!(
                "`{}` has no file for version {}, so dbt skips this version",
                compiled.name().unwrap_or_default(),
                other.version
            );
            let file = other.files.first().map_or("", String::as_str);
            let help = format!(
                "save the SQL of version {} as {}/{file}.sql, or remove the entry from `versions`",
                other.version,
                folder.trim_end_matches('/')
            );
            let warning = Diagnostic::new(Code::KeyWithoutEffect, other.span, message).with_help(help);
            let existing = file_diagnostics.get_mut(spec);
            existing
                .into_iter()
                .for_each(|file_diagnostics| file_diagnostics.diagnostics.push(warning.clone()));
        }
    }
}
