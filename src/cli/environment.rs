//! Determines the project environment in which a command runs.

use std::path::{Path, PathBuf};

pub use formulac::Environment;
use formulac::diag::suggest;
use formulac::{Placeholder, Project, USER};

use super::args::GlobalOptions;
use super::exit::{Exit, Failure};
use super::folder::current_folder_if_empty;
use super::git::{current_branch, run_git_in};
use super::identity;
use super::project;
use super::source::read_text;

const ENVIRONMENT_VARIABLE: &str = "FORMULAC_ENV";
/// File in the project's folder that stores the environment chosen by `env use`.
pub const SELECTED_ENVIRONMENT_FILE: &str = ".formulac/local/environment";

/// Reason why an environment is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvironmentSelectionReason {
    Option,
    Variable,
    Used,
    First,
}

impl EnvironmentSelectionReason {
    pub fn description(self) -> &'static str {
        match self {
            Self::Option => "--env",
            Self::Variable => ENVIRONMENT_VARIABLE,
            Self::Used => "env use",
            Self::First => "the first unprotected environment",
        }
    }
}

/// Returns the environment to use, with its placeholders filled in. The environment comes from the first of these
/// sources that is set: `--env`, `FORMULAC_ENV`, the choice made with `env use`, and the first unprotected environment
/// in the project file.
pub fn selected_environment(global: &GlobalOptions, project: &Project) -> Result<Option<Environment>, Failure> {
    Ok(selected_environment_with_reason(global, project)?.map(|(environment, _)| environment))
}

/// Like [`selected_environment`], but also returns the reason why the environment is used.
pub fn selected_environment_with_reason(
    global: &GlobalOptions,
    project: &Project,
) -> Result<Option<(Environment, EnvironmentSelectionReason)>, Failure> {
    let root = project::project_folder(global.project_dir.as_deref())?.unwrap_or_default();
    let Some((environment, reason)) = selected_environment_template(global, project)? else {
        return Ok(None);
    };
    Ok(Some((
        fill_required_placeholders(project, &root, &environment)?,
        reason,
    )))
}

/// Returns the environment to use as written in the project file, with unfilled placeholders.
pub fn selected_environment_template(
    global: &GlobalOptions,
    project: &Project,
) -> Result<Option<(Environment, EnvironmentSelectionReason)>, Failure> {
    let root = project::project_folder(global.project_dir.as_deref())?.unwrap_or_default();
    let Some((name, reason)) = environment_description(global, &root) else {
        let first = project.environments().iter().find(|environment| !environment.protected);
        return Ok(first.map(|first| (first.clone(), EnvironmentSelectionReason::First)));
    };
    Ok(Some((
        find_environment_template(project, &name, reason)?.clone(),
        reason,
    )))
}

/// Returns the environment with this name, with its placeholders filled in.
pub fn find_environment(
    project: &Project,
    root: &Path,
    name: &str,
    reason: EnvironmentSelectionReason,
) -> Result<Environment, Failure> {
    fill_required_placeholders(project, root, find_environment_template(project, name, reason)?)
}

/// Returns the environment with this name as written in the project file, with unfilled placeholders.
pub fn find_environment_template<'p>(
    project: &'p Project,
    name: &str,
    reason: EnvironmentSelectionReason,
) -> Result<&'p Environment, Failure> {
    if let Some(named_environment) = project
        .environments()
        .iter()
        .find(|environment| environment.name == name)
    {
        return Ok(named_environment);
    }
    let names = project
        .environments()
        .iter()
        .map(|environment| environment.name.as_str());
    let help = match (suggest::nearest_name(name, names), reason) {
        (Some(near), _) => suggest::similar_name_help(near),
        (None, EnvironmentSelectionReason::Used) => "`formulac env use NAME` selects another environment".to_owned(),
        (None, _) => "add the environment to `environments:` in formulac.yml".to_owned(),
    };
    Err(Failure::new(Exit::Usage, format!("there is no environment `{name}`")).with_help(help))
}

/// Returns all environments, with their placeholders filled in if they have values. The second element of each pair
/// lists the placeholders without a value.
pub fn all_environments(project: &Project, root: &Path) -> Vec<(Environment, Vec<String>)> {
    project
        .environments()
        .iter()
        .map(|environment| fill_all(project, root, environment))
        .collect()
}

/// Returns the environment with this name, or, without a name, the first environment into which changes are merged.
/// Used for proposals and releases.
pub fn merge_target_environment(
    environment_name: Option<&str>,
    project: &Project,
    root: &Path,
) -> Result<Option<Environment>, Failure> {
    match environment_name {
        Some(name) => self::find_environment(project, root, name, EnvironmentSelectionReason::Option).map(Some),
        None => Ok(project
            .environments()
            .iter()
            .find(|environment| environment.is_reviewed())
            .cloned()),
    }
}

/// Returns the branch of an environment, with `${user}` filled in.
pub fn environment_branch(project: &Project, root: &Path, environment: &Environment) -> Option<String> {
    let branch = environment.branch.as_ref()?;
    Some(if branch.contains(USER) {
        branch.replace(USER, &user_placeholder_value(project, root))
    } else {
        branch.clone()
    })
}

/// Returns an error if `--env` or `FORMULAC_ENV` names an environment that the project does not have. If the project
/// file cannot be read, the command itself reports that error.
pub fn check_requested_environment(global: &GlobalOptions) -> Result<(), Failure> {
    match requested_environment_name(global) {
        Some((name, reason)) if !global.no_project => {
            match project::read_project_with_folder(global.project_dir.as_deref()) {
                Ok(Some((project, _))) => find_environment_template(&project, &name, reason).map(|_| ()),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Returns the environment that `--env` or `FORMULAC_ENV` names.
fn requested_environment_name(global: &GlobalOptions) -> Option<(String, EnvironmentSelectionReason)> {
    if let Some(name) = &global.env {
        return Some((name.clone(), EnvironmentSelectionReason::Option));
    }
    let name = std::env::var(ENVIRONMENT_VARIABLE)
        .ok()
        .filter(|name| !name.is_empty())?;
    Some((name, EnvironmentSelectionReason::Variable))
}

fn environment_description(global: &GlobalOptions, root: &Path) -> Option<(String, EnvironmentSelectionReason)> {
    if let Some(named_choice) = requested_environment_name(global) {
        return Some(named_choice);
    }
    let used_name = read_text(root.join(SELECTED_ENVIRONMENT_FILE)).ok()?.trim().to_owned();
    Some((used_name, EnvironmentSelectionReason::Used)).filter(|(environment_name, _)| !environment_name.is_empty())
}

/// Fills in an environment's placeholders for the user who runs the command. A placeholder without a value is an error,
/// because the schema would belong to another user.
fn fill_required_placeholders(
    project: &Project,
    root: &Path,
    environment: &Environment,
) -> Result<Environment, Failure> {
    let (filled, missing) = fill_all(project, root, environment);
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

/// Fills in the placeholders of an environment, and returns the placeholders without a value. The placeholders of the
/// environment's branch are filled in later, when a change is committed to the branch.
fn fill_all(project: &Project, root: &Path, environment: &Environment) -> (Environment, Vec<String>) {
    let mut filled = environment.clone();
    let mut missing: Vec<String> = Vec::new();
    let value = |placeholder: Placeholder<'_>| match placeholder {
        Placeholder::User => Some(user_placeholder_value(project, root)),
        Placeholder::Branch => git_branch(root).map(|branch| identity::to_identifier(&branch)),
        Placeholder::Variable(name) => read_variable(name).map(|value| identity::to_identifier(&value)),
        _ => None,
    };
    for text in [&mut filled.schema, &mut filled.vars].into_iter().flatten() {
        let (new, lacking) = Placeholder::fill_all(text, value);
        missing.extend(lacking.into_iter().map(str::to_owned));
        *text = new;
    }
    (filled, missing)
}

fn read_variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the current git branch. If no branch is checked out, as in CI, returns the commit as `commit_ab12cd3`.
fn git_branch(root: &Path) -> Option<String> {
    let root = current_folder_if_empty(root);
    let commit = || {
        let output = run_git_in(root, &["rev-parse", "--short=7", "HEAD"], "").ok()?;
        output.succeeded.then(|| format!("commit_{}", output.out.trim()))
    };
    current_branch(root).ok()?.or_else(commit)
}

/// Returns the value of `${user}`: letters, digits and `_`.
pub fn user_placeholder_value(project: &Project, root: &Path) -> String {
    let branch = project
        .user()
        .map(str::to_owned)
        .or_else(|| identity::current_user(root));
    branch.map_or_else(|| "nobody".to_owned(), |who| identity::user_slug(&who))
}

/// Returns the folder with an environment's dbt artifacts, relative to the working directory. The folder is
/// `artifacts:` if that setting exists, otherwise `<target>/<name>`.
pub fn artifacts_folder(root: &Path, target: &Path, environment: &Environment) -> PathBuf {
    match &environment.artifacts {
        Some(folder) => root.join(folder),
        None => target.join(&environment.name),
    }
}

/// Returns the folder with the results of dbt's last run in an environment. The folder is the environment's own
/// artifacts folder, if that folder exists. Otherwise, it is dbt's target folder, which contains the last run
/// regardless of the environment.
pub fn last_run_folder(root: &Path, target: &Path, environment: Option<&Environment>) -> PathBuf {
    environment
        .map(|environment| artifacts_folder(root, target, environment))
        .filter(|folder| folder.is_dir())
        .unwrap_or_else(|| target.to_owned())
}

/// Returns the options with which dbt builds an environment and writes the results to `folder`.
pub fn dbt_options(environment: Option<&Environment>, target: &Path, folder: &Path) -> String {
    let connection = environment.and_then(|environment| environment.connection.as_ref());
    let target_option = connection.map(|name| format!(" --target {}", quote_for_shell(name)));
    let mut options = target_option.unwrap_or_default();
    if folder != target {
        options.push_str(" --target-path ");
        options.push_str(&quote_for_shell(&folder.to_string_lossy()));
    }
    options
}

/// Quotes a word for a shell.
pub fn quote_for_shell(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '@');
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Returns the artifacts of a protected environment. An unprotected environment defers to them for models that it
/// has not built.
pub fn deferral_artifacts(project: &Project, root: &Path, target: &Path, environment: &Environment) -> Option<PathBuf> {
    if environment.protected {
        return None;
    }
    let others = project
        .environments()
        .iter()
        .filter(|environment| environment.protected);
    others
        .map(|environment| artifacts_folder(root, target, environment))
        .find(|folder| folder.join("manifest.json").is_file())
}
