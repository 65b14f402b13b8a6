//! `formulac promote`: moves Omni fields to a model spec, and replaces Omni fields with the model's columns.

mod repoint;
mod report;

use std::fs;
use std::path::{Path, PathBuf};

use formulac::promote::{PromotionRequest, promote};
use rustc_hash::FxHashMap;

use crate::cli::args::PromoteArgs;
use crate::cli::atomic_write::{PlannedFile, write_all};
use crate::cli::context::CommandContext;
use crate::cli::exit::{Exit, Failure, FileDiagnostics};
use crate::cli::folder::{current_folder_if_empty, display_path};
use crate::cli::omni_files::{find_enclosing_omni_folder, omni_paths};
use crate::cli::session::Session;
use crate::cli::source::SourceText;
use crate::cli::workspace::Workspace;
use crate::cli::writable_folders::WritableFolders;
use repoint::replace_omni_field;
use report::{file_exists_failure, promotion_diagnostics, promotion_gap_warnings, report_lines};

pub fn run(session: &Session, args: &PromoteArgs) -> Result<Exit, Failure> {
    let context = CommandContext::new(session, &args.target)?;
    let (file, fields) = find_file(&context, &args.file)?;
    let fields: Vec<String> = fields.into_iter().chain(args.fields.iter().cloned()).collect();
    let files = omni_files(&context, &file)?;
    let path = display_path(&file);
    if args.repoint {
        replace_omni_field(session, args, &context, &files, &path, &fields)
    } else {
        promote_to_spec(session, args, &context, &files, &path, fields)
    }
}

/// Promotes Omni fields to a spec.
fn promote_to_spec(
    session: &Session,
    args: &PromoteArgs,
    context: &CommandContext,
    files: &[(String, String)],
    path: &str,
    fields: Vec<String>,
) -> Result<Exit, Failure> {
    let compiler = context.compiler();
    let mut request = PromotionRequest::from_file(path);
    request.fields = fields;
    request.grain = args
        .grain
        .iter()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    request.name.clone_from(&args.name);
    request.drop_access = args.drop_access;
    request.manifest = context
        .workspace
        .as_ref()
        .map(Workspace::manifest)
        .transpose()?
        .flatten();
    request.paths = paths_in_omni_model(context, files);
    let promotion = match promote(files, &request, &compiler) {
        Ok(promotion) => promotion,
        Err((number, fault)) => {
            let (file, text) = files.get(number).cloned().unwrap_or_default();
            let diagnostics = vec![FileDiagnostics {
                file,
                text,
                diagnostics: vec![fault],
            }];
            return report_lines(session, args, None, None, &diagnostics, &[]);
        }
    };
    let folder = args.out.clone().or_else(|| {
        context
            .configured_workspace()
            .map(|workspace| workspace.root.join(workspace.specs_folder()))
    });
    let target = folder.map(|folder| folder.join(format!("{}.yml", promotion.name)));
    let target_file = target
        .as_deref()
        .map_or_else(|| format!("{}.yml", promotion.name), display_path);
    let mut file_diagnostics = vec![FileDiagnostics {
        file: target_file,
        text: promotion.spec.clone(),
        diagnostics: promotion_diagnostics(&promotion),
    }];
    file_diagnostics.extend(promotion_gap_warnings(files, &promotion.gaps));
    let mut notes = promotion.notes.clone();
    let mut exit = Exit::from_failures(&file_diagnostics);
    match &target {
        _ if promotion.is_empty => {
            notes.push("no file is written, because no field could be converted".to_owned());
            exit = exit.most_severe(Exit::Faulty);
        }
        _ if args.dry_run => {}
        Some(target) if exit == Exit::Done => {
            if target.exists() {
                file_diagnostics.push(file_exists_failure(target));
                exit = Exit::from_failures(&file_diagnostics);
            } else {
                let bounds = writable_folders(context, args.out.as_deref())?;
                write_all(
                    &bounds,
                    &[PlannedFile {
                        path: target.clone(),
                        text: promotion.spec.clone(),
                    }],
                )?;
                notes.push(format!("wrote {}", display_path(target)));
            }
        }
        Some(_) => notes.push("no file is written, because the spec has errors; `--dry-run` shows it".to_owned()),
        None => {}
    }
    let is_shown = args.dry_run || target.is_none();
    report_lines(
        session,
        args,
        Some((&promotion, is_shown)),
        target.as_deref().filter(|_| !is_shown),
        &file_diagnostics,
        &notes,
    )?;
    Ok(exit)
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<(String, String)>, Failure> {
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let source = SourceText::from_file(path);
        if source.fault.is_some() {
            return Err(Failure::from_source(source));
        }
        files.push((display_path(path), source.text));
    }
    Ok(files)
}

/// Allows writes to the project, Omni's folder and the path that the user specified.
fn writable_folders(context: &CommandContext, path: Option<&Path>) -> Result<WritableFolders, Failure> {
    let bounds = context
        .configured_workspace()
        .map_or_else(|| Ok(WritableFolders::only_named_paths()), Workspace::writable_folders)?;
    Ok(path.into_iter().fold(bounds, WritableFolders::allow_named_file))
}

fn omni_folder(context: &CommandContext) -> Option<PathBuf> {
    context
        .configured_workspace()
        .map(|workspace| workspace.root.join(workspace.omni_folder()))
}

/// Splits an argument into a file and its fields. The file's path is relative to the working directory or to the Omni
/// model's folder.
fn find_file(context: &CommandContext, argument: &str) -> Result<(PathBuf, Vec<String>), Failure> {
    let find = |name: &str| {
        let local_path = PathBuf::from(name);
        let omni_path = omni_folder(context).map(|omni| omni.join(name));
        [Some(local_path), omni_path]
            .into_iter()
            .flatten()
            .find(|path| path.is_file())
    };
    for (file, fields) in possible_files(argument) {
        if let Some(path) = find(file) {
            let names = fields.split([':', ',']).map(str::trim).filter(|name| !name.is_empty());
            return Ok((path, names.map(str::to_owned).collect()));
        }
    }
    let file = argument.split_once(':').map_or(argument, |(file, _)| file);
    Err(Failure::from_source(SourceText::from_file(Path::new(file))))
}

/// Returns the possible files of an argument, each with the rest of the argument, which contains the fields. The name
/// of a file can contain colons.
pub fn possible_files(argument: &str) -> impl Iterator<Item = (&str, &str)> {
    let colons = argument.match_indices(':').map(|(colon, _)| colon);
    let splits = colons.filter_map(|colon| argument.split_at_checked(colon));
    std::iter::once((argument, "")).chain(splits)
}

/// If the given file is in the project's Omni folder, returns all files of that folder. Otherwise, returns all files of
/// the Omni model that contains the given file.
fn omni_files(context: &CommandContext, file: &Path) -> Result<Vec<(String, String)>, Failure> {
    let canonical_file = fs::canonicalize(file).ok();
    let of_project = omni_folder(context).filter(|omni| {
        let omni = fs::canonicalize(omni).ok();
        matches!((&canonical_file, &omni), (Some(own), Some(omni)) if own.starts_with(omni))
    });
    let folder = of_project.unwrap_or_else(|| find_enclosing_omni_folder(file.parent().unwrap_or(Path::new(""))));
    let folder = current_folder_if_empty(&folder).to_owned();
    let mut paths = omni_paths(&folder);
    // The named file keeps the path that the user specified.
    match paths
        .iter_mut()
        .find(|path| fs::canonicalize(path).ok() == canonical_file)
    {
        Some(path) => file.clone_into(path),
        None => paths.push(file.to_owned()),
    }
    let sources = paths.iter().map(|path| (path, SourceText::from_file(path)));
    // Other files that cannot be read do not prevent the promotion.
    let sources = sources.filter(|(path, source)| *path == file || source.fault.is_none());
    let read = |(path, source): (&PathBuf, SourceText)| match source.fault {
        Some(_) => Err(Failure::from_source(source)),
        None => Ok((display_path(path), source.text)),
    };
    sources.map(read).collect()
}

/// Returns the path of each file relative to the Omni model's folder, where `pull` writes views. Files outside this
/// folder are omitted.
fn paths_in_omni_model(context: &CommandContext, files: &[(String, String)]) -> FxHashMap<String, String> {
    let Some(root) = omni_folder(context).and_then(|folder| fs::canonicalize(folder).ok()) else {
        return FxHashMap::default();
    };
    let in_model = |(path, _): &(String, String)| {
        let real = fs::canonicalize(path).ok()?;
        Some((
            path.clone(),
            real.strip_prefix(&root).ok()?.to_str()?.replace('\\', "/"),
        ))
    };
    files.iter().filter_map(in_model).collect()
}
