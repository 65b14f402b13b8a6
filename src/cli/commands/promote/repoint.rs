//! `formulac promote --repoint`: replaces Omni fields with the model's columns.

use std::path::{Path, PathBuf};

use formulac::SpecText;
use formulac::diag::{Code, Diagnostic};
use formulac::promote::{RetargetError, RetargetSource, TargetModel, repoint};
use formulac::span::Span;
use serde_json::json;

use super::{read_all, writable_folders};
use crate::cli::args::PromoteArgs;
use crate::cli::atomic_write::{PlannedFile, write_all};
use crate::cli::context::CommandContext;
use crate::cli::exit::{Exit, Failure, FileDiagnostics};
use crate::cli::project;
use crate::cli::session::{Session, diagnostics_json};

/// Replaces an Omni field with the model's column.
pub fn replace_omni_field(
    session: &Session,
    args: &PromoteArgs,
    context: &CommandContext,
    files: &[(String, String)],
    path: &str,
    fields: &[String],
) -> Result<Exit, Failure> {
    let ([] | [_]) = fields else {
        return Err(Failure::new(Exit::Usage, "`--repoint` changes one field at a time")
            .with_help("run the command once per field"));
    };
    let Some(workspace) = context.configured_workspace() else {
        return Err(Failure::new(
            Exit::Usage,
            "`--repoint` needs the project's specs, but there is no formulac.yml",
        )
        .with_help("run `formulac init` in the dbt project first"));
    };
    let specs = read_specs(&workspace.root.join(workspace.specs_folder()))?;
    let retargeted_item = RetargetSource::new(path, fields.first().map(String::as_str));
    let changed = (|| {
        let model = TargetModel::find(&specs, files, &retargeted_item)?;
        let manifest = workspace
            .manifest()
            .map_err(|_| RetargetError::with_remedy("dbt's manifest cannot be read", "run `dbt parse`"))?;
        let is_built = manifest.is_some_and(|manifest| manifest.nodes.iter().any(|node| *node.name == *model.name));
        if !is_built {
            return Err(RetargetError::with_remedy(
                format!("dbt's manifest has no model `{}` yet", model.name),
                "run `formulac generate` or `formulac push`, then `dbt build`",
            ));
        }
        let texts: Vec<SpecText<'_>> = specs.iter().map(|(_, text)| SpecText { text, path: None }).collect();
        let compiled = context.compiler().compile_specs(&texts);
        let compiled = compiled.get(model.spec).filter(|compiled| !compiled.has_errors());
        let compiled = compiled.ok_or_else(|| {
            RetargetError::with_remedy(
                format!("the spec of `{}` has errors", model.name),
                "run `formulac check` and fix the errors",
            )
        })?;
        repoint(files, &retargeted_item, &model, compiled)
    })();
    let (repointed, diagnostics) = match changed {
        Ok(repointed) => (Some(repointed), Vec::new()),
        Err(error) => {
            let text = files
                .iter()
                .find(|(file, _)| file == path)
                .map(|(_, text)| text.clone())
                .unwrap_or_default();
            let message = retargeted_item
                .field
                .as_deref()
                .map_or_else(|| path.to_owned(), |field| format!("{path}:{field}"));
            let fault = Diagnostic::new(
                Code::NotRepointed,
                Span::default(),
                format!("`{message}` is unchanged: {}", error.reason),
            );
            let fault = match error.help() {
                Some(help) => fault.with_help(help),
                None => fault,
            };
            (
                None,
                vec![FileDiagnostics {
                    file: path.to_owned(),
                    text,
                    diagnostics: vec![fault],
                }],
            )
        }
    };
    let mut notes = Vec::new();
    if let Some(repointed) = &repointed {
        if !args.dry_run {
            let path = PathBuf::from(&repointed.file);
            write_all(
                &writable_folders(context, Some(&path))?,
                &[PlannedFile {
                    path,
                    text: repointed.text.clone(),
                }],
            )?;
            let is_changed = files
                .iter()
                .any(|(file, text)| *file == repointed.file && *text != repointed.text);
            let did = if is_changed { "changed" } else { "no change to" };
            notes.push(format!("{did} {}: {}", repointed.file, repointed.what));
        } else if !args.json {
            session.print_data(&repointed.text)?;
        }
    }
    if args.json {
        let file_json = |repointed: &formulac::promote::RetargetedFile| json!({"file": repointed.file, "text": repointed.text, "what": repointed.what, "written": !args.dry_run});
        session.print_json(&json!({
            "repointed": repointed.as_ref().map(file_json),
            "diagnostics": diagnostics_json(&diagnostics),
        }))?;
    } else {
        session.report(&diagnostics);
        notes.iter().for_each(|note| session.report_action(note));
    }
    Ok(Exit::from_failures(&diagnostics))
}

/// Returns the paths and contents of the project's specs.
fn read_specs(folder: &Path) -> Result<Vec<(String, String)>, Failure> {
    let paths = if folder.is_dir() {
        project::find_specs(folder)?
    } else {
        Vec::new()
    };
    read_all(&paths)
}
