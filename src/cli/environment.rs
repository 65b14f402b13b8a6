//! The environment of the project in which a command runs.

use std::path::{Path, PathBuf};

pub use formulac::Environment;
use formulac::diag::suggest;
use formulac::{Placeholder, Project, USER};

use super::args::Global;
use super::exit::{Exit, Failure};
use super::folder::or_here;
use super::git::git;
use super::identity;
use super::project;
use super::source::read_text;

const VARIABLE: &str = "FORMULAC_ENV";
/// File in the project's folder that stores the environment chosen by `env use`.
pub const USED: &str = ".formulac/local/environment";

/// Reason why an environment is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Option,
    Variable,
    Used,
    First,
}

impl Reason {
    pub fn description(self) -> &'static str {
        match self {
            Self::Option => "--env",
            Self::Variable => VARIABLE,
            Self::Used => "env use",
            Self::First => "the first unprotected environment",
        }
    }
}

/// Returns the environment to use, with its placeholders filled in. The first of these decides: `--env`,
/// `FORMULAC_ENV`, the environment that `env use` chose, the first environment that is not protected.
pub fn selected_environment(global: &Global, project: &Project) -> Result<Option<Environment>, Failure> {
    Ok(chosen_for(global, project)?.map(|(environment, _)| environment))
}

/// Returns the environment to use as [`selected_environment`] does, and the reason why it is used.
pub fn chosen_for(global: &Global, project: &Project) -> Result<Option<(Environment, Reason)>, Failure> {
    let root = project::folder(global.project_dir.as_deref())?.unwrap_or_default();
    let Some((found, reason)) = chosen_as_written(global, project)? else {
        return Ok(None);
    };
    Ok(Some((filled(project, &root, &found)?, reason)))
}

/// Returns the environment to use as written in the project file, without filling in its placeholders.
pub fn chosen_as_written(global: &Global, project: &Project) -> Result<Option<(Environment, Reason)>, Failure> {
    let root = project::folder(global.project_dir.as_deref())?.unwrap_or_default();
    let Some((name, reason)) = description(global, &root) else {
        let first = project.environments().iter().find(|environment| !environment.protected);
        return Ok(first.map(|first| (first.clone(), Reason::First)));
    };
    Ok(Some((find(project, &name, reason)?.clone(), reason)))
}

/// Returns the environment with this name, with its placeholders filled in.
pub fn find_environment(project: &Project, root: &Path, name: &str, reason: Reason) -> Result<Environment, Failure> {
    filled(project, root, find(project, name, reason)?)
}

/// Returns the environment with this name as written in the project file, without filling in its placeholders.
pub fn find<'p>(project: &'p Project, name: &str, reason: Reason) -> Result<&'p Environment, Failure> {
    if let Some(found) = project
        .environments()
        .iter()
        .find(|environment| environment.name == name)
    {
        return Ok(found);
    }
    let names = project
        .environments()
        .iter()
        .map(|environment| environment.name.as_str());
    let help = match (suggest::nearest(name, names), reason) {
        (Some(near), _) => suggest::similar(near),
        (None, Reason::Used) => "`formulac env use NAME` selects another".to_owned(),
        (None, _) => "add it to `environments:` in formulac.yml".to_owned(),
    };
    Err(Failure::new(Exit::Usage, format!("there is no environment `{name}`")).with_help(help))
}

/// Returns all environments, with their placeholders filled in if they have values. The second element of each pair
/// lists the placeholders without a value.
pub fn all(project: &Project, root: &Path) -> Vec<(Environment, Vec<String>)> {
    project
        .environments()
        .iter()
        .map(|environment| fill(project, root, environment))
        .collect()
}

/// Returns the environment with this name, or, without a name, the first environment into which changes are merged.
/// Proposals and releases use this environment.
pub fn merged_into(named: Option<&str>, project: &Project, root: &Path) -> Result<Option<Environment>, Failure> {
    match named {
        Some(name) => self::find_environment(project, root, name, Reason::Option).map(Some),
        None => Ok(project.environments().iter().find(|it| it.is_merged_into()).cloned()),
    }
}

/// Returns the branch of an environment, with `${user}` filled in.
pub fn branch(project: &Project, root: &Path, environment: &Environment) -> Option<String> {
    let branch = environment.branch.as_ref()?;
    Some(if branch.contains(USER) {
        branch.replace(USER, &user(project, root))
    } else {
        branch.clone()
    })
}

fn description(global: &Global, root: &Path) -> Option<(String, Reason)> {
    if let Some(name) = &global.env {
        return Some((name.clone(), Reason::Option));
    }
    if let Some(name) = std::env::var(VARIABLE).ok().filter(|name| !name.is_empty()) {
        return Some((name, Reason::Variable));
    }
    let used = read_text(root.join(USED)).ok()?.trim().to_owned();
    Some((used, Reason::Used)).filter(|(used, _)| !used.is_empty())
}

/// Fills in an environment's placeholders for the user of the command. A placeholder without a value is an error,
/// because the schema would be someone else's.
fn filled(project: &Project, root: &Path, environment: &Environment) -> Result<Environment, Failure> {
    let (filled, missing) = fill(project, root, environment);
    let Some(first) = missing.first() else {
        return Ok(filled);
    };
    let name = &environment.name;
    let help = match first.strip_prefix("${env.").and_then(|rest| rest.strip_suffix('}')) {
        Some(variable) => format!("set the environment variable {variable}"),
        None => "run the command in a git repository with a commit".to_owned(),
    };
    Err(Failure::new(
        Exit::Usage,
        format!("`{first}` of the environment `{name}` has no value"),
    )
    .with_help(help))
}

/// Fills in the placeholders of an environment, and returns those without a value. The placeholders of the
/// environment's branch are filled in later, when a change is committed to the branch.
fn fill(project: &Project, root: &Path, environment: &Environment) -> (Environment, Vec<String>) {
    let mut filled = environment.clone();
    let mut missing: Vec<String> = Vec::new();
    let value = |placeholder: Placeholder<'_>| match placeholder {
        Placeholder::User => Some(user(project, root)),
        Placeholder::Branch => git_branch(root).map(|branch| identity::identifier(&branch)),
        Placeholder::Variable(name) => variable(name).map(|value| identity::identifier(&value)),
        _ => None,
    };
    for text in [&mut filled.schema, &mut filled.vars].into_iter().flatten() {
        let (new, lacking) = Placeholder::fill(text, value);
        missing.extend(lacking.into_iter().map(str::to_owned));
        *text = new;
    }
    (filled, missing)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the current git branch. If no branch is checked out, as in CI, returns the commit as `commit_ab12cd3`.
fn git_branch(root: &Path) -> Option<String> {
    let root = or_here(root);
    let told = |args: &[&str]| {
        let output = git(root, args, "").ok().filter(|output| output.succeeded)?;
        Some(output.out.trim().to_owned()).filter(|out| !out.is_empty())
    };
    told(&["symbolic-ref", "--quiet", "--short", "HEAD"])
        .or_else(|| Some(format!("commit_{}", told(&["rev-parse", "--short=7", "HEAD"])?)))
}

/// Returns the value of `${user}`: letters, digits and `_`.
pub fn user(project: &Project, root: &Path) -> String {
    let told = project
        .user()
        .map(str::to_owned)
        .or_else(|| identity::current_user(root));
    told.map_or_else(|| "nobody".to_owned(), |who| identity::user_slug(&who))
}

/// Returns the folder of the artifacts that dbt wrote for an environment, relative to the working directory:
/// `artifacts:` if it is set, otherwise `<target>/<name>`.
pub fn artifacts(root: &Path, target: &Path, environment: &Environment) -> PathBuf {
    match &environment.artifacts {
        Some(folder) => root.join(folder),
        None => target.join(&environment.name),
    }
}

/// Returns the artifacts of a protected environment. An unprotected environment defers to them for models that it
/// has not built.
pub fn deferred(project: &Project, root: &Path, target: &Path, environment: &Environment) -> Option<PathBuf> {
    if environment.protected {
        return None;
    }
    let others = project.environments().iter().filter(|it| it.protected);
    others
        .map(|it| artifacts(root, target, it))
        .find(|folder| folder.join("manifest.json").is_file())
}
