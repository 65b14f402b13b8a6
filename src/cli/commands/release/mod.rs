//! `formulac release`: tags a version of the specs, dbt files and Omni files, and lists the changes since the last
//! release.

mod notes;
mod obstacles;
mod tags;

use std::fmt::Write as _;

use formulac::Environment;
use serde_json::json;

use crate::cli::args::ReleaseArgs;
use crate::cli::commands::sync::{self, OmniRepository, ProjectLock, Repository};
use crate::cli::environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::permissions;
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;
use tags::Release;

pub use tags::find;

pub fn run(session: &Session, args: &ReleaseArgs) -> Result<Exit, Failure> {
    let workspace = Workspace::find(session)?;
    let repository = Repository::find(&workspace.root)?;
    let omni = OmniRepository::find(&workspace)?;
    let _lock = ProjectLock::acquire(session, &workspace)?;
    let environment_name = session.global.env.as_deref();
    let environment = environment::merge_target_environment(environment_name, &workspace.project, &workspace.root)?;
    let head = find_commit_to_release(session, &workspace, &repository, environment.as_ref())?;
    let releases = tags::all_releases(&repository)?;
    let last = releases.first();
    let omni_head = omni
        .as_ref()
        .map(|omni| omni.repository.head_commit())
        .transpose()?
        .flatten();
    let is_released = |last: &&Release| {
        let in_omni = omni
            .as_ref()
            .map(|omni| omni.repository.resolve_commit(&format!("refs/tags/{}", last.name)));
        let in_omni = in_omni.transpose().ok().flatten().flatten();
        last.commit == head && in_omni == omni_head
    };
    if let Some(release) = last.filter(is_released) {
        session.report_action(&format!("{} already contains all changes", release.name));
        return Ok(Exit::Done);
    }
    let name = release_name(&repository, args.version.as_deref(), last)?;
    if let Some(omni) = omni
        .as_ref()
        .filter(|omni| omni.repository.has_tag(&name).unwrap_or(false))
    {
        let message = format!("the tag `{name}` already exists in {}", omni.folder);
        return Err(Failure::new(Exit::Usage, message).with_help("use another name"));
    }
    let planned_models = sync::plan_push(session, &workspace)?;
    let release_obstacles = obstacles::find_release_obstacles(
        session,
        &workspace,
        &repository,
        environment.as_ref(),
        last,
        &planned_models,
    )?;
    let notes = notes::write_notes(&workspace, &repository, last, &planned_models)?;
    let text = tag_message(&name, environment.as_ref(), args.message.as_deref(), &notes);
    if !args.json {
        session.print_escaped(&text)?;
        for obstacle in &release_obstacles {
            session.print_escaped(&format!("error: {}\n  fix it with: {}\n", obstacle.what, obstacle.fix))?;
        }
    }
    let is_wanted = release_obstacles.is_empty()
        && !args.dry_run
        && session.confirm(args.yes, &format!("Release the current commit as {name}?"))?;
    if is_wanted {
        let name_and_commit = (name.as_str(), head.as_str());
        tags::create_tags(
            &workspace,
            omni.as_ref().zip(omni_head.as_deref()),
            name_and_commit,
            &text,
            environment.as_ref(),
        )?;
        let places = omni
            .as_ref()
            .map(|omni| format!(" here and in {}", omni.folder))
            .unwrap_or_default();
        session.report_action(&format!(
            "released {name}; run `git push origin {name}`{places} to share it"
        ));
    } else {
        session.report_action("nothing is released");
    }
    if args.json {
        let obstacles: Vec<_> = release_obstacles
            .iter()
            .map(|obstacle| json!({"what": obstacle.what, "fix": obstacle.fix}))
            .collect();
        session.print_json(&json!({
            "release": name, "after": last.map(|last| last.name.as_str()), "commit": head, "text": text,
            "environment": environment.as_ref().map(|environment| environment.name.as_str()), "obstacles": obstacles,
            "released": is_wanted,
            "omni": omni.as_ref().map(|omni| json!({"repository": omni.folder, "commit": omni_head})),
        }))?;
    }
    Ok(release_obstacles
        .iter()
        .map(|obstacle| obstacle.exit)
        .fold(Exit::Done, Exit::most_severe))
}

/// Returns the commit to release, which is the head of the environment's branch. Returns an error if another branch is
/// checked out or if there are uncommitted changes.
fn find_commit_to_release(
    session: &Session,
    workspace: &Workspace,
    repository: &Repository,
    environment: Option<&Environment>,
) -> Result<String, Failure> {
    let deployment = environment.and_then(|environment| {
        Some((
            environment,
            environment::environment_branch(&workspace.project, &workspace.root, environment)?,
        ))
    });
    if let Some((environment, branch)) = deployment {
        let (now, name) = (repository.branch()?, &environment.name);
        if now != branch {
            let message = format!("`{name}` is released from its branch `{branch}`, but the current branch is `{now}`");
            return Err(permissions::reject_for_wrong_branch(
                session,
                workspace,
                "release",
                environment,
                &message,
                &branch,
            ));
        }
    }
    let Some(head) = repository.head_commit()? else {
        return Err(Failure::new(Exit::Failed, "there is no commit yet"));
    };
    if !repository.is_clean()? {
        return Err(Failure::new(
            Exit::Conflict,
            "there are uncommitted changes, which a release cannot contain",
        )
        .with_help("commit the changes, or set them aside with `git stash -u`; `git status` lists them"));
    }
    Ok(head)
}

/// Returns the requested name. If no name is requested, increments the last number in the name of the last release, or
/// returns `v1` for the first release.
fn release_name(repository: &Repository, option: Option<&str>, last: Option<&Release>) -> Result<String, Failure> {
    let name = match (option, last) {
        (Some(option), _) => option.to_owned(),
        (None, None) => "v1".to_owned(),
        (None, Some(last)) => next(&last.name).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("no next version can be derived from `{}`", last.name),
            )
            .with_help("specify the version: `formulac release v2`")
        })?,
    };
    if name.starts_with('-') || !repository.is_tag_name(&name)? {
        return Err(
            Failure::new(Exit::Usage, format!("`{name}` is not a valid name for a release"))
                .with_help("use letters, digits, `.` and `-`, for example `v1.4`"),
        );
    }
    // A hexadecimal name could be mistaken for the hash of a log entry.
    if name.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(
            Failure::new(Exit::Usage, format!("`{name}` looks like an entry of the log"))
                .with_help(format!("begin the name with a letter: `v{name}`")),
        );
    }
    if repository.has_tag(&name)? {
        return Err(Failure::new(Exit::Usage, format!("the tag `{name}` already exists")).with_help("use another name"));
    }
    Ok(name)
}

fn next(last: &str) -> Option<String> {
    let begin = last.trim_end_matches(|c: char| c.is_ascii_digit());
    let number: u64 = last.get(begin.len()..)?.parse().ok()?;
    Some(format!("{begin}{}", number.checked_add(1)?))
}

/// Returns the message of the tag.
fn tag_message(name: &str, environment: Option<&Environment>, message: Option<&str>, notes: &str) -> String {
    let suffix = environment
        .map(|environment| format!(" of {}", environment.name))
        .unwrap_or_default();
    let mut text = format!("{name}{suffix}\n");
    for line in message.iter().flat_map(|message| message.trim().lines()) {
        let _ = write!(text, "\n{line}");
    }
    if message.is_some() {
        text.push('\n');
    }
    let _ = write!(text, "\n{notes}");
    text
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn last_number_is_incremented() {
        for (last, expected) in [
            ("v1", Some("v2")),
            ("v1.9", Some("v1.10")),
            ("2026.11.09", Some("2026.11.10")),
            ("final", None),
        ] {
            assert_eq!(next(last).as_deref(), expected);
        }
    }
}
