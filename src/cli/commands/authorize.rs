//! `formulac authorize`: checks in CI whether the authors of a branch's commits had the right to make them, and whether
//! the commits have the required approvals.

use std::fmt::Write as _;
use std::path::{Component, Path};

use formulac::dbt::{is_same_except_layout, is_same_except_path};
use formulac::sync::{VerificationEvidence, with_layout_from};
use formulac::team::{
    ContentDifference, ForbiddenChange, approvals_by_non_approvers, approvers_in_spec, codeowners, forbidden_changes,
};
use formulac_syntax::text::format_count;
use serde_json::{Value, json};

use crate::cli::args::{AuthorizeArgs, TargetOptions};
use crate::cli::atomic_write::{ExistingFileContent, PlannedFile, write_all};
use crate::cli::commands::change::{self, BranchDifferences};
use crate::cli::commands::sync::{self, Repository};
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::Session;
use crate::cli::source::read_text;
use crate::cli::workspace::Workspace;
use crate::cli::writable_folders::WritableFolders;

pub fn run(session: &Session, args: &AuthorizeArgs) -> Result<Exit, Failure> {
    let workspace = Workspace::find(session)?;
    let repository = Repository::find(&workspace.root)?;
    if let Some(path) = &args.codeowners {
        write_owners(session, &workspace, &repository, path)?;
    }
    let Some(base) = &args.base else { return Ok(Exit::Done) };
    let branch_differences = BranchDifferences::new(&workspace, &repository, base, session.global.env.as_deref())?;
    let (changes, faults) = change::read_changes(&workspace);
    let forbidden = forbidden_changes(
        &branch_differences.project,
        branch_differences.environment.as_ref(),
        &branch_differences.commits,
    );
    let approval_state = branch_differences.state_of_changes(&changes);
    let by_hand = find_manually_edited_files(session, &workspace, &repository, &branch_differences)?;
    let mut notes: Vec<String> = approvals_by_non_approvers(&branch_differences.commits)
        .into_iter()
        .map(|(commit, approver)| format!("the approval by {approver} was committed by {}", commit.committer))
        .collect();
    notes.extend(branch_differences.known_facts_change_note());
    let lacks = if branch_differences.needs_approval() {
        approval_state.lacks.clone()
    } else {
        Vec::new()
    };
    let is_allowed =
        forbidden.is_empty() && lacks.is_empty() && approval_state.rejected.is_empty() && by_hand.is_empty();
    if args.json {
        let change_json = |change: &ForbiddenChange| json!({"commit": change.commit, "author": change.author, "path": change.path, "why": change.reason});
        let forbidden: Vec<Value> = forbidden.iter().map(change_json).collect();
        session.print_json(&json!({
            "allowed": is_allowed,
            "environment": branch_differences.environment.as_ref().map(|environment| environment.name.as_str()),
            "commits": branch_differences.commits.len(),
            "not_allowed": forbidden,
            "generated_by_hand": by_hand.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(),
            "notes": notes,
            "approvals": change::show::approval_state_json(&approval_state),
        }))?;
    } else {
        let mut text = String::new();
        for change in &forbidden {
            let path = change.path.as_ref().map(|path| format!(" {path}:")).unwrap_or_default();
            let _ = writeln!(
                text,
                "not allowed: {}{path} {}",
                change.commit.get(..7).unwrap_or_default(),
                change.reason
            );
        }
        for ManuallyEditedFile { path, why } in &by_hand {
            let _ = writeln!(text, "not allowed: {path}: {why}");
        }
        for user in &approval_state.rejected {
            let _ = writeln!(text, "rejected by {user}");
        }
        for (approver, why) in &approval_state.void {
            let _ = writeln!(text, "the approval by {approver} does not count: {why}");
        }
        for note in &notes {
            let _ = writeln!(text, "note: {note}");
        }
        for (path, why) in &faults {
            let _ = writeln!(text, "not counted: {path}: {why}");
        }
        for lack in &lacks {
            let _ = writeln!(text, "missing: {lack}");
        }
        let destination = branch_differences
            .environment
            .as_ref()
            .map(|environment| format!(" into {}", environment.name))
            .unwrap_or_default();
        let commits = format_count(branch_differences.commits.len(), "commit", "commits");
        let verdict = if is_allowed {
            "may be merged"
        } else {
            "may not be merged"
        };
        let approved = match approval_state.approved.as_slice() {
            [] => String::new(),
            approvers => format!(", approved by {}", approvers.join(", ")),
        };
        let _ = writeln!(text, "{commits} {verdict}{destination}{approved}");
        session.print_escaped(&text)?;
    }
    Ok(if is_allowed { Exit::Done } else { Exit::NotAllowed })
}

/// A generated file whose content differs from formulac's output, and the reason.
struct ManuallyEditedFile {
    path: String,
    why: &'static str,
}

/// Returns generated files whose content differs from formulac's output. Generated files need no approval, so an edit
/// to one of them would bypass the review.
fn find_manually_edited_files(
    session: &Session,
    workspace: &Workspace,
    repository: &Repository,
    branch_differences: &BranchDifferences,
) -> Result<Vec<ManuallyEditedFile>, Failure> {
    let is_generated = |difference: &ContentDifference| {
        !difference.is_written_by_people() && !difference.path.starts_with(".formulac/")
    };
    let is_made = |difference: &&ContentDifference| {
        is_generated(difference) || difference.model_of_state_file().is_some() || difference.is_known_facts_file()
    };
    let made_by_specs: Vec<&ContentDifference> = branch_differences.files.iter().filter(is_made).collect();
    let mut by_hand = Vec::new();
    if !made_by_specs.is_empty() {
        let paths: Vec<String> = made_by_specs.iter().map(|difference| difference.path.clone()).collect();
        if let Some(path) = repository.uncommitted_paths(&paths)?.first() {
            return Err(Failure::new(
                Exit::Failed,
                format!("`{path}` has uncommitted changes, so it cannot be checked"),
            )
            .with_help("run `formulac authorize` on a clean checkout of the branch"));
        }
        let mut generated = sync::generated_files(session, workspace)?;
        let dialect = workspace.dialect(&TargetOptions::default())?;
        let bases = repository.file_contents_at_commit(&branch_differences.fork, &paths)?;
        for (file, base) in made_by_specs.into_iter().zip(bases) {
            let generated_text = generated.remove(&file.path);
            let is_present = |text: String| {
                let path = workspace.root.join(&file.path);
                PlannedFile { path, text }
                    .compare_with_existing_file()
                    .map(|current_content| current_content == ExistingFileContent::Same)
            };
            let has_generated_content = is_generated(file)
                && file.now.is_some()
                && file
                    .text
                    .as_deref()
                    .zip(generated_text.as_deref())
                    .is_some_and(|(text, generated)| is_same_except_layout(text, generated));
            let is_as_made = match generated_text {
                // If no approval is required, accept differences in comments and layout.
                Some(_) if has_generated_content && !branch_differences.requires_approval() => true,
                // The file of a deleted model is neither among the generated files nor on the branch.
                None => file.now.is_none(),
                Some(generated_text) => {
                    // A push keeps the layout that the file had before.
                    let base = base.filter(|_| is_generated(file));
                    let in_former_layout =
                        base.and_then(|base| with_layout_from(&file.path, &base, &generated_text, dialect));
                    // If only the spec has moved, a push keeps the old path in the header.
                    let current_text = file.text.as_deref().filter(|_| is_generated(file));
                    current_text.is_some_and(|current_text| {
                        file.now.is_some() && is_same_except_path(current_text, &generated_text)
                    }) || is_present(generated_text)?
                        || in_former_layout.map(is_present).transpose()? == Some(true)
                }
            };
            let why = match (is_generated(file), &file.now) {
                (true, Some(_)) if has_generated_content => {
                    "the comments or the layout differ from the generated ones, and nobody reviews generated files; \
                     describe the model or the column in the spec, then delete the file and run `formulac generate`"
                }
                (true, Some(_)) => {
                    "the header says that formulac generated the file, but the specs generate different content; delete \
                     the file and run `formulac generate`"
                }
                (true, None) => "the specs still generate this file, but it was deleted; run `formulac generate`",
                (false, _) => {
                    "the file differs from the record of the last push; run `formulac push` to write the file again"
                }
            };
            if !is_as_made {
                by_hand.push(ManuallyEditedFile {
                    path: file.path.clone(),
                    why,
                });
            }
        }
    }
    let evidence = branch_differences
        .files
        .iter()
        .filter(|difference| difference.is_evidence() && difference.now.is_some());
    let forged = evidence.filter(|difference| {
        !difference
            .text
            .as_deref()
            .is_some_and(|text| VerificationEvidence::could_be_generated(&difference.path, text))
    });
    let why = "the file does not have the format that `formulac verify` writes";
    by_hand.extend(forged.map(|difference| ManuallyEditedFile {
        path: difference.path.clone(),
        why,
    }));
    Ok(by_hand)
}

fn write_owners(session: &Session, workspace: &Workspace, repository: &Repository, path: &Path) -> Result<(), Failure> {
    if path.is_absolute() || path.components().any(|part| matches!(part, Component::ParentDir)) {
        return Err(
            Failure::new(Exit::Usage, format!("`{}` is outside the repository", path.display())).with_help(
                "use `.github/CODEOWNERS`, `.gitlab/CODEOWNERS` or `CODEOWNERS`, because GitHub and GitLab \
                            read no other path",
            ),
        );
    }
    let specs = workspace.specs().unwrap_or_default();
    let changes = specs.iter().filter_map(|path| {
        let names = approvers_in_spec(&read_text(path).ok()?);
        (!names.is_empty()).then(|| (workspace.relative_path(path), names))
    });
    let changes: Vec<(String, Vec<String>)> = changes.collect();
    let full_path = repository.top_folder.join(path);
    let before = read_text(&full_path).unwrap_or_default();
    let (models, tests) = workspace.output_folders();
    let folders = [workspace.specs_folder(), models, tests, workspace.omni_folder()];
    let after = codeowners(
        &before,
        workspace.project.people(),
        &format!("/{}", repository.project_prefix),
        &folders,
        &changes,
    );
    if before == after {
        session.report_action(&format!("{} is up to date", path.display()));
        return Ok(());
    }
    write_all(
        &WritableFolders::from_project(&repository.top_folder)?,
        &[PlannedFile {
            path: full_path,
            text: after,
        }],
    )?;
    session.report_action(&format!("wrote {}", path.display()));
    Ok(())
}
