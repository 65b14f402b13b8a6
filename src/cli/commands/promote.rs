//! `formulac promote`: moves Omni fields to a model spec, and replaces Omni fields with the model's columns.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use formulac::diag::{Code, Diagnostic, render};
use formulac::omni::shared_file_paths;
use formulac::promote::{
    PromoteGap, Promotion, Request, RetargetRefusal, RetargetedItem, TargetModel, promote, repoint,
};
use formulac::span::Span;
use formulac::{CompiledSpec, Project, SpecText};
use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use crate::cli::args::PromoteArgs;
use crate::cli::atomic_write::{PlannedFile, write_all};
use crate::cli::exit::{Exit, Failure, FileDiagnostics};
use crate::cli::folder;
use crate::cli::folder::{display_path, or_current_folder};
use crate::cli::knowledge::CommandKnowledge;
use crate::cli::project;
use crate::cli::session::{Session, to_reports};
use crate::cli::source::SourceText;
use crate::cli::workspace::Workspace;
use crate::cli::writable_folders::WritableFolders;

pub fn run(session: &Session, args: &PromoteArgs) -> Result<Exit, Failure> {
    let knowledge = CommandKnowledge::new(session, &args.target)?;
    let (file, fields) = find_file(&knowledge, &args.file)?;
    let fields: Vec<String> = fields.into_iter().chain(args.fields.iter().cloned()).collect();
    let files = omni_files(&knowledge, &file)?;
    let path = display_path(&file);
    if args.repoint {
        replace_omni_field(session, args, &knowledge, &files, &path, &fields)
    } else {
        promote_to_spec(session, args, &knowledge, &files, &path, fields)
    }
}

/// Promotes Omni fields to a spec.
fn promote_to_spec(
    session: &Session,
    args: &PromoteArgs,
    knowledge: &CommandKnowledge,
    files: &[(String, String)],
    path: &str,
    fields: Vec<String>,
) -> Result<Exit, Failure> {
    let compiler = knowledge.compiler();
    let mut request = Request::from_file(path);
    request.fields = fields;
    request.grain = args
        .grain
        .iter()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    request.name.clone_from(&args.name);
    request.drop_access = args.drop_access;
    request.manifest = knowledge
        .workspace
        .as_ref()
        .map(Workspace::manifest)
        .transpose()?
        .flatten();
    request.paths = paths_in_omni_model(knowledge, files);
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
        knowledge
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
    file_diagnostics.extend(gap_failures(files, &promotion.gaps));
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
                let bounds = writable_folders(knowledge, args.out.as_deref())?;
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

/// Returns the diagnostics of the spec. The help of an error about the model's name names the option that sets the
/// name.
fn promotion_diagnostics(promotion: &Promotion) -> Vec<Diagnostic> {
    let with_option = |diagnostic: &Diagnostic| {
        let is_name = diagnostic.span().text(&promotion.spec) == promotion.name;
        let is_too_long = is_name && diagnostic.kind() == Code::NameTooLong;
        match is_too_long {
            true => diagnostic
                .clone()
                .with_help("give the model a shorter name with `--name`"),
            false => diagnostic.clone(),
        }
    };
    promotion.diagnostics.iter().map(with_option).collect()
}

/// Reports the result of the promotion.
fn report_lines(
    session: &Session,
    args: &PromoteArgs,
    outcome: Option<(&Promotion, bool)>,
    target: Option<&Path>,
    file_diagnostics: &[FileDiagnostics],
    notes: &[String],
) -> Result<Exit, Failure> {
    if args.json {
        let mut data = outcome.map_or_else(|| json!({"model": null}), |(promotion, _)| promotion_json(promotion));
        if let Value::Object(fields) = &mut data {
            fields.insert("path".to_owned(), json!(target.map(display_path)));
            fields.insert("notes".to_owned(), json!(notes));
            fields.insert(
                "diagnostics".to_owned(),
                json!(render::reports_json(&to_reports(file_diagnostics))),
            );
        }
        session.print_json(&data)?;
    } else {
        if let Some((promotion, true)) = outcome {
            session.print_data(&promotion.spec)?;
        }
        session.report(file_diagnostics);
        notes.iter().for_each(|note| session.report_action(note));
        if let Some((promotion, _)) = outcome {
            session.report_action(&promotion_summary(promotion));
        }
    }
    Ok(Exit::from_failures(file_diagnostics))
}

fn promotion_json(promotion: &Promotion) -> Value {
    let carried_fields = promotion.carried.iter();
    let carried_json: Vec<Value> = carried_fields
        .map(|carried_field| json!({"field": carried_field.field, "column": carried_field.column, "formula": carried_field.formula}))
        .collect();
    let gaps: Vec<Value> = promotion
        .gaps
        .iter()
        .map(|gap| {
            json!({
                "file": gap.file, "line": gap.line, "what": gap.what, "original": gap.original,
                "reason": gap.reason, "carried": gap.is_carried,
            })
        })
        .collect();
    json!({
        "model": promotion.name, "grain": promotion.grain, "spec": promotion.spec, "carried": carried_json, "gaps": gaps,
    })
}

fn promotion_summary(promotion: &Promotion) -> String {
    let count = |n: usize, singular: &str, many: &str| format!("{n} {}", if n == 1 { singular } else { many });
    let open = promotion.gaps.iter().filter(|gap| !gap.is_carried).count();
    let mut parts = vec![count(promotion.carried.len(), "definition", "definitions")];
    if open > 0 {
        parts.push(count(
            open,
            "gap that the spec does not cover",
            "gaps that the spec does not cover",
        ));
    }
    if promotion.gaps.len() > open {
        parts.push(format!("{} to check", promotion.gaps.len() - open));
    }
    format!("{}: {}", promotion.name, parts.join(", "))
}

/// Converts gaps to warnings at their positions in Omni's files.
fn gap_failures(files: &[(String, String)], gaps: &[PromoteGap]) -> Vec<FileDiagnostics> {
    let texts: BTreeMap<&str, &str> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let mut diagnostics: Vec<FileDiagnostics> = Vec::new();
    for gap in gaps {
        let text = texts.get(gap.file.as_str()).copied().unwrap_or_default();
        let begin: usize = text
            .split_inclusive('\n')
            .take(gap.line.saturating_sub(1))
            .map(str::len)
            .sum();
        let line = text
            .get(begin..)
            .and_then(|rest| rest.lines().next())
            .unwrap_or_default();
        let start = begin + (line.len() - line.trim_start().len());
        let span = Span::new(
            start.min(text.len()) as u32,
            (begin + line.trim_end().len()).max(start) as u32,
        );
        let verb = if gap.is_carried {
            "needs a check"
        } else {
            "is not converted"
        };
        let fault = Diagnostic::new(Code::NotCarried, span, format!("`{}` {verb}: {}", gap.what, gap.reason));
        match diagnostics
            .iter_mut()
            .find(|file_diagnostics| file_diagnostics.file == gap.file)
        {
            Some(file_diagnostics) => file_diagnostics.diagnostics.push(fault),
            None => diagnostics.push(FileDiagnostics {
                file: gap.file.clone(),
                text: text.to_owned(),
                diagnostics: vec![fault],
            }),
        }
    }
    for file_entry in &mut diagnostics {
        file_entry.diagnostics.sort_by_key(|fault| fault.span().start);
    }
    diagnostics
}

fn file_exists_failure(path: &Path) -> FileDiagnostics {
    let file = display_path(path);
    let message = format!("`{file}` already exists");
    let fault = Diagnostic::new(Code::EditedByHand, Span::default(), message).with_help(
        "give the model another name with `--name`, or show the spec with `--dry-run`; `promote` never \
            overwrites a file",
    );
    FileDiagnostics {
        file,
        text: String::new(),
        diagnostics: vec![fault],
    }
}

/// Replaces an Omni field with the model's column.
fn replace_omni_field(
    session: &Session,
    args: &PromoteArgs,
    knowledge: &CommandKnowledge,
    files: &[(String, String)],
    path: &str,
    fields: &[String],
) -> Result<Exit, Failure> {
    let ([] | [_]) = fields else {
        return Err(Failure::new(Exit::Usage, "`--repoint` changes one field at a time")
            .with_help("run the command once per field"));
    };
    let Some(workspace) = knowledge.configured_workspace() else {
        return Err(Failure::new(
            Exit::Usage,
            "`--repoint` needs the project's specs, but there is no formulac.yml",
        )
        .with_help("run `formulac init` in the dbt project first"));
    };
    let specs = read_specs(&workspace.root.join(workspace.specs_folder()))?;
    let retargeted_item = RetargetedItem::new(path, fields.first().map(String::as_str));
    let changed = (|| {
        let model = TargetModel::find(&specs, files, &retargeted_item)?;
        let manifest = workspace
            .manifest()
            .map_err(|_| RetargetRefusal::with_remedy("dbt's manifest cannot be read", "run `dbt parse`"))?;
        let is_built = manifest.is_some_and(|manifest| manifest.nodes.iter().any(|node| *node.name == *model.name));
        if !is_built {
            return Err(RetargetRefusal::with_remedy(
                format!("dbt's manifest has no model `{}` yet", model.name),
                "run `formulac generate` or `formulac push`, then `dbt build`",
            ));
        }
        let texts: Vec<SpecText<'_>> = specs.iter().map(|(_, text)| SpecText { text, path: None }).collect();
        let compiled = knowledge.compiler().compile_specs(&texts);
        let compiled = compiled.get(model.spec).filter(|compiled| !compiled.has_errors());
        let compiled = compiled.ok_or_else(|| {
            RetargetRefusal::with_remedy(
                format!("the spec of `{}` has errors", model.name),
                "run `formulac check` and fix the errors",
            )
        })?;
        repoint(files, &retargeted_item, &model, compiled)
    })();
    let (repointed, diagnostics) = match changed {
        Ok(repointed) => (Some(repointed), Vec::new()),
        Err(refusal) => {
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
                format!("`{message}` is unchanged: {}", refusal.reason),
            );
            let fault = match refusal.help() {
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
                &writable_folders(knowledge, Some(&path))?,
                &[PlannedFile {
                    path,
                    text: repointed.text.clone(),
                }],
            )?;
            let is_changed = files
                .iter()
                .any(|(file, text)| *file == repointed.file && *text != repointed.text);
            let did = if is_changed { "changed" } else { "no change of" };
            notes.push(format!("{did} {}: {}", repointed.file, repointed.what));
        } else if !args.json {
            session.print_data(&repointed.text)?;
        }
    }
    if args.json {
        let file_json = |repointed: &formulac::promote::RetargetedFile| json!({"file": repointed.file, "text": repointed.text, "what": repointed.what, "written": !args.dry_run});
        session.print_json(&json!({
            "repointed": repointed.as_ref().map(file_json),
            "diagnostics": render::reports_json(&to_reports(&diagnostics)),
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
fn writable_folders(knowledge: &CommandKnowledge, path: Option<&Path>) -> Result<WritableFolders, Failure> {
    let bounds = knowledge
        .configured_workspace()
        .map_or_else(|| Ok(WritableFolders::only_named_paths()), Workspace::writable_folders)?;
    Ok(path.into_iter().fold(bounds, WritableFolders::with_named_file))
}

fn omni_folder(knowledge: &CommandKnowledge) -> Option<PathBuf> {
    knowledge
        .configured_workspace()
        .map(|workspace| workspace.root.join(workspace.omni_folder()))
}

/// Splits an argument into a file and its fields. The file's path is relative to the working directory or to the Omni
/// model's folder.
fn find_file(knowledge: &CommandKnowledge, argument: &str) -> Result<(PathBuf, Vec<String>), Failure> {
    let find = |name: &str| {
        let local_path = PathBuf::from(name);
        let omni_path = omni_folder(knowledge).map(|omni| omni.join(name));
        [Some(local_path), omni_path]
            .into_iter()
            .flatten()
            .find(|path| path.is_file())
    };
    if let Some(path) = find(argument) {
        return Ok((path, Vec::new()));
    }
    let colons = argument
        .char_indices()
        .filter(|(_, c)| *c == ':')
        .map(|(colon, _)| colon);
    for colon in colons {
        let (file, rest) = argument.split_at_checked(colon).unwrap_or((argument, ""));
        if let Some(path) = find(file) {
            let names = rest.split([':', ',']).map(str::trim).filter(|name| !name.is_empty());
            return Ok((path, names.map(str::to_owned).collect()));
        }
    }
    let file = argument.split_once(':').map_or(argument, |(file, _)| file);
    Err(Failure::from_source(SourceText::from_file(Path::new(file))))
}

/// Returns all files of the Omni model: those in the project's Omni folder if the given file is inside it, otherwise
/// those in the folder of the Omni model around the file.
fn omni_files(knowledge: &CommandKnowledge, file: &Path) -> Result<Vec<(String, String)>, Failure> {
    let canonical_file = fs::canonicalize(file).ok();
    let of_project = omni_folder(knowledge).filter(|omni| {
        let omni = fs::canonicalize(omni).ok();
        matches!((&canonical_file, &omni), (Some(own), Some(omni)) if own.starts_with(omni))
    });
    let folder = of_project.unwrap_or_else(|| omni_folder_around(file.parent().unwrap_or(Path::new(""))));
    let folder = or_current_folder(&folder).to_owned();
    let mut paths = omni_paths(&folder);
    // The named file keeps the path that the user specified.
    match paths
        .iter_mut()
        .find(|path| fs::canonicalize(path).ok() == canonical_file)
    {
        Some(path) => file.clone_into(path),
        None => paths.push(file.to_owned()),
    }
    read_all(&paths)
}

/// Returns the nearest folder of the same git work tree that contains this folder and a file such as
/// `relationships.yaml`, which occurs only in the Omni model's folder. Without such a file, returns the folder itself.
fn omni_folder_around(folder: &Path) -> PathBuf {
    let around = || {
        let real = fs::canonicalize(or_current_folder(folder)).ok()?;
        let work_tree = real.ancestors().position(|folder| folder.join(".git").exists())?;
        let has_shared_file = |folder: &Path| shared_file_paths().any(|name| folder.join(name).is_file());
        let depth = real.ancestors().take(work_tree + 1).position(has_shared_file)?;
        let found = real.ancestors().nth(depth)?;
        // Messages show the folder as the user spelled it.
        let is_found = |spelled: &&Path| fs::canonicalize(or_current_folder(spelled)).is_ok_and(|real| real == found);
        Some(
            folder
                .ancestors()
                .nth(depth)
                .filter(is_found)
                .unwrap_or(found)
                .to_owned(),
        )
    };
    around().unwrap_or_else(|| folder.to_owned())
}

/// Returns the paths at which `pull` writes views in the Omni model's folder, by the path of the file.
fn paths_in_omni_model(knowledge: &CommandKnowledge, files: &[(String, String)]) -> FxHashMap<String, String> {
    let Some(root) = omni_folder(knowledge).and_then(|folder| fs::canonicalize(folder).ok()) else {
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

/// Returns the files in a folder that belong to an Omni model.
pub fn omni_paths(folder: &Path) -> Vec<PathBuf> {
    let is_omni = |path: &Path| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        let has_ending = [".yaml", ".yml", ".view", ".topic"]
            .iter()
            .any(|end| name.ends_with(end));
        !name.starts_with('.') && (has_ending || is_shared_file(&name))
    };
    folder::find_files(folder, is_omni)
}

/// Returns whether a file without an extension is one of the files that occur only once in the Omni model, such as
/// `relationships`.
fn is_shared_file(name: &str) -> bool {
    !name.contains('.') && shared_file_paths().any(|path| path == name)
}

/// Reports definitions that exist in both a spec and the project's Omni model, each with the index of the spec.
/// `compile` returns the compiled spec with an index, or `None` if the spec has errors.
pub fn defined_twice(
    project: &Project,
    root: &Path,
    specs: &[(String, String)],
    compile: impl Fn(usize) -> Option<CompiledSpec>,
) -> Vec<(usize, Diagnostic)> {
    let omni = root.join(project.omni().unwrap_or(project::OMNI));
    // An unreadable Omni file is not an error in the specs.
    let files = omni_paths(&omni)
        .into_iter()
        .map(|path| SourceText::from_file(&path))
        .filter(|source| source.fault.is_none());
    let files: Vec<(String, String)> = files
        .map(|source| (display_path(Path::new(&source.name)), source.text))
        .collect();
    formulac::promote::defined_twice(specs, &files, compile)
}
