//! Checks whether dbt can run in a project: the program, its adapter and the profile. `doctor` reports the problems,
//! and other commands report them if dbt fails.

use formulac::Dialect;

use super::args::DbtArgs;
use super::dbt_project::DbtProject;
use super::dbt_run;
use super::environment::Environment;
use super::exit::{Exit, Failure};
use super::lowest_versions::{self, outdated_version_message};

/// Problem that prevents dbt from running, with the command or advice to fix the problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbtSetupProblem {
    pub problem: String,
    pub fix: String,
}

impl DbtSetupProblem {
    pub fn new(problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            fix: fix.into(),
        }
    }

    pub fn into_failure(self) -> Failure {
        Failure::new(Exit::Failed, self.problem).with_help(self.fix)
    }
}

/// Checks the program `dbt`, and its adapter if the dialect of the warehouse is given. Returns the versions.
pub fn check_program(dialect: Option<Dialect>) -> Result<String, DbtSetupProblem> {
    let adapter = dialect.map(Dialect::name);
    let install = match adapter {
        Some(adapter) => format!("pip install dbt-core dbt-{adapter}"),
        None => "pip install dbt-core, and the dbt adapter of your warehouse".to_owned(),
    };
    let Ok(versions) = dbt_run::read_versions() else {
        return Err(DbtSetupProblem::new("the program `dbt` was not found", install));
    };
    if let Some(problem) = outdated_version_message(lowest_versions::MIN_DBT_VERSION, &versions.dbt) {
        return Err(DbtSetupProblem::new(problem, "pip install --upgrade dbt-core"));
    }
    let adapters = versions
        .adapters
        .iter()
        .map(|(name, version)| format!("{name} {version}"));
    let adapters = adapters.collect::<Vec<_>>().join(", ");
    // If the version is not known, the output has a different format, which may not list the adapters.
    let lacks = |adapter: &&str| {
        !versions.dbt.is_empty()
            && versions
                .adapters
                .iter()
                .all(|(installed_name, _)| installed_name != adapter)
    };
    if let Some(missing) = adapter.filter(lacks) {
        let has = if adapters.is_empty() { "none" } else { &adapters };
        let problem = format!("dbt has no adapter for {missing}; installed: {has}");
        return Err(DbtSetupProblem::new(problem, install));
    }
    let version = match versions.dbt.as_str() {
        "" => "of unknown version",
        version => version,
    };
    Ok(match adapters.as_str() {
        "" => version.to_owned(),
        adapters => format!("{version} with {adapters}"),
    })
}

/// Checks the profile that dbt uses in an environment.
pub fn check_profile(
    project: &DbtProject,
    environment: Option<&Environment>,
    args: &DbtArgs,
) -> Result<(), DbtSetupProblem> {
    let connection = environment.and_then(|environment| environment.connection.as_deref());
    let output = args.target.as_deref().or(connection);
    let unset = project.check_profile(args.profiles_dir.as_deref(), output)?;
    // Ignore `FORMULAC_SCHEMA` if the environment has a schema, because formulac then sets this variable.
    let has_schema = environment.is_some_and(|environment| environment.schema.is_some());
    match unset.iter().find(|name| !has_schema || *name != "FORMULAC_SCHEMA") {
        Some(name) => Err(DbtSetupProblem::new(
            format!("the dbt profile needs the environment variable `{name}`, which is not set"),
            format!("export {name}=…"),
        )),
        None => Ok(()),
    }
}

/// Returns the setup problem that explains an error message from dbt. `None` if dbt failed for another reason.
pub fn find_setup_problem(
    message: &str,
    project: &DbtProject,
    environment: Option<&Environment>,
    args: &DbtArgs,
) -> Option<DbtSetupProblem> {
    if let Some(name) = missing_environment_variable(message) {
        return Some(DbtSetupProblem::new(
            format!("dbt needs the environment variable `{name}`, which is not set"),
            format!("export {name}=…"),
        ));
    }
    let message = message.to_lowercase();
    let names_adapter = message.contains("adapter");
    // Ignore the name of the option `--profiles-dir`, because it also contains `profile`.
    let names_profile = message.replace("--profiles-dir", "").contains("profile") || message.contains("env var");
    if !names_adapter && !names_profile {
        return None;
    }
    if let Err(problem) = check_profile(project, environment, args) {
        return Some(problem);
    }
    let connection = || environment.and_then(|environment| environment.connection.as_deref());
    let dialect = project.dialect(args.target.as_deref().or_else(connection));
    // Check the program only if the message names an adapter, because the check takes seconds.
    names_adapter.then(|| check_program(dialect.ok()).err())?
}

/// Returns the environment variable that dbt lacks according to its error message, for example `Env var required but
/// not provided: 'SCHEMA'`.
fn missing_environment_variable(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("Env var required but not provided: '")?;
    Some(rest.split_once('\'')?.0)
}
