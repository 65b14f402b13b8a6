//! The environment of the project in which something is run.

use std::path::{Path, PathBuf};

pub use formulac::Environment;
use formulac::diag::suggest;
use formulac::{Placeholder, Project, USER};

use super::args::Global;
use super::exit::{Exit, Failure};
use super::folder::or_here;
use super::git::git;
use super::source::read_text;
use super::{identity, project};

const VARIABLE: &str = "FORMULAC_ENV";
/// What `env use` chose, in the project's folder.
pub const USED: &str = ".formulac/local/environment";

/// Why an environment is the one that is used.
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
            Self::First => "the first that is not protected",
        }
    }
}

/// The environment that is used, with its placeholders filled in: `--env`, else `FORMULAC_ENV`, else what `env use` chose, else
/// the first that is not protected.
pub fn chosen(global: &Global, project: &Project) -> Result<Option<Environment>, Failure> {
    Ok(chosen_for(global, project)?.map(|(environment, _)| environment))
}

/// The same, and why it is the one.
pub fn chosen_for(global: &Global, project: &Project) -> Result<Option<(Environment, Reason)>, Failure> {
    let root = project::folder(global.project_dir.as_deref())?.unwrap_or_default();
    let Some((found, reason)) = chosen_as_written(global, project)? else { return Ok(None) };
    Ok(Some((filled(project, &root, &found)?, reason)))
}

/// The same as it is written, with its placeholders.
pub fn chosen_as_written(global: &Global, project: &Project) -> Result<Option<(Environment, Reason)>, Failure> {
    let root = project::folder(global.project_dir.as_deref())?.unwrap_or_default();
    let Some((name, reason)) = description(global, &root) else {
        let first = project.environments().iter().find(|environment| !environment.protected);
        return Ok(first.map(|first| (first.clone(), Reason::First)));
    };
    Ok(Some((find(project, &name, reason)?.clone(), reason)))
}

/// The environment of this name, with its placeholders filled in.
pub fn named(project: &Project, root: &Path, name: &str, reason: Reason) -> Result<Environment, Failure> {
    filled(project, root, find(project, name, reason)?)
}

/// The environment of this name, as it is written.
pub fn find<'p>(project: &'p Project, name: &str, reason: Reason) -> Result<&'p Environment, Failure> {
    if let Some(found) = project.environments().iter().find(|environment| environment.name == name) {
        return Ok(found);
    }
    let names = project.environments().iter().map(|environment| environment.name.as_str());
    let help = match (suggest::nearest(name, names), reason) {
        (Some(near), _) => suggest::similar(near),
        (None, Reason::Used) => "`formulac env use NAME` chooses another".to_owned(),
        (None, _) => "add it to `environments:` in formulac.yml".to_owned(),
    };
    Err(Failure::new(Exit::Usage, format!("there is no environment `{name}`")).with_help(help))
}

/// All environments, with their placeholders filled in as far as these have values; beside each those that have none.
pub fn all(project: &Project, root: &Path) -> Vec<(Environment, Vec<String>)> {
    project.environments().iter().map(|environment| fill(project, root, environment)).collect()
}

/// The environment of this name, else the first that is merged into: what is proposed for, and released.
pub fn merged_into(named: Option<&str>, project: &Project, root: &Path) -> Result<Option<Environment>, Failure> {
    match named {
        Some(name) => self::named(project, root, name, Reason::Option).map(Some),
        None => Ok(project.environments().iter().find(|it| it.is_merged_into()).cloned()),
    }
}

/// The branch of an environment, with `${user}` filled in.
pub fn branch(project: &Project, root: &Path, environment: &Environment) -> Option<String> {
    let branch = environment.branch.as_ref()?;
    Some(if branch.contains(USER) { branch.replace(USER, &user(project, root)) } else { branch.clone() })
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

/// An environment as it is for the user of the command. A placeholder without a value is an error: the schema would be
/// that of others.
fn filled(project: &Project, root: &Path, environment: &Environment) -> Result<Environment, Failure> {
    let (filled, missing) = fill(project, root, environment);
    let Some(first) = missing.first() else { return Ok(filled) };
    let name = &environment.name;
    let help = match first.strip_prefix("${env.").and_then(|rest| rest.strip_suffix('}')) {
        Some(variable) => format!("set the environment variable {variable}"),
        None => "run the command in a git repository with a commit".to_owned(),
    };
    Err(Failure::new(Exit::Usage, format!("`{first}` of the environment `{name}` has no value")).with_help(help))
}

/// The same, and the placeholders without a value. Branches are filled in when something is committed to them.
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

/// The branch that git is on; the commit, `commit_ab12cd3`, where it is on none, as in CI.
fn git_branch(root: &Path) -> Option<String> {
    let root = or_here(root);
    let told = |args: &[&str]| {
        let output = git(root, args, "").ok().filter(|output| output.succeeded)?;
        Some(output.out.trim().to_owned()).filter(|out| !out.is_empty())
    };
    told(&["symbolic-ref", "--quiet", "--short", "HEAD"])
        .or_else(|| Some(format!("commit_{}", told(&["rev-parse", "--short=7", "HEAD"])?)))
}

/// What stands for `${user}`: letters, digits and `_`.
pub fn user(project: &Project, root: &Path) -> String {
    let told = project.user().map(str::to_owned).or_else(|| identity::of(root));
    told.map_or_else(|| "nobody".to_owned(), |who| identity::plain(&who))
}

/// The folder of what dbt left when it was run in an environment, seen from here: the one that is said, else
/// `<target>/<name>`.
pub fn artifacts(root: &Path, target: &Path, environment: &Environment) -> PathBuf {
    match &environment.artifacts {
        Some(folder) => root.join(folder),
        None => target.join(&environment.name),
    }
}

/// The artifacts of a protected environment, to which one that is not defers for what it has not built.
pub fn deferred(project: &Project, root: &Path, target: &Path, environment: &Environment) -> Option<PathBuf> {
    if environment.protected {
        return None;
    }
    let others = project.environments().iter().filter(|it| it.protected);
    others.map(|it| artifacts(root, target, it)).find(|folder| folder.join("manifest.json").is_file())
}
