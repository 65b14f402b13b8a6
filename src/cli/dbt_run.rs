//! Calls of the project's own dbt, and its answers.

use std::path::{Path, PathBuf};
use std::process::Command;

use formulac::dbt::TOLD;
use formulac::secrets::without_secrets;
use serde_json::Value;

use super::args::DbtArgs;
use super::environment::Environment;
use super::exit::Failure;
use super::folder::or_here;
use super::program::ExternalProgram;
use super::progress::Waiting;

/// The environment variable of dbt for the folder of profiles.yml.
pub const PROFILES_DIR: &str = "DBT_PROFILES_DIR";

const PROGRAM: ExternalProgram = ExternalProgram {
    name: "dbt",
    variable: "FORMULAC_DBT",
    install: "get it with `pip install dbt-core` and the adapter, or choose `--engine duckdb --data DIR`",
};

/// What came of a call.
#[derive(Debug)]
pub struct Ran {
    pub succeeded: bool,
    events: Vec<Value>,
    err: String,
    /// The variables that dbt was given; what looks secret of them is not told.
    vars: String,
}

/// The version of dbt and of each adapter that it has, from `dbt --version`.
pub fn versions() -> Result<Versions, Failure> {
    let output = PROGRAM.run(PROGRAM.command().args(["--no-use-colors", "--version"]), "")?;
    let mut versions = Versions { dbt: String::new(), adapters: Vec::new() };
    // Lines such as `- installed: 1.12.6` and `- duckdb: 1.10.0 - Up to date!`, which some versions print as errors.
    for line in output.out.lines().chain(output.err.lines()) {
        let Some((name, rest)) = line.trim_start().strip_prefix("- ").and_then(|line| line.split_once(':')) else {
            continue;
        };
        let version = rest.split_whitespace().next().unwrap_or_default();
        match name.trim() {
            "installed" => versions.dbt = version.to_owned(),
            "latest" => {}
            adapter => versions.adapters.push((adapter.to_owned(), version.to_owned())),
        }
    }
    Ok(versions)
}

/// What `dbt --version` says.
#[derive(Debug)]
pub struct Versions {
    /// Empty if its text has another form.
    pub dbt: String,
    pub adapters: Vec<(String, String)>,
}

/// Whether there is a dbt to be called.
pub fn is_there() -> bool {
    PROGRAM.is_there()
}

/// A call that is to be made.
#[derive(Debug)]
pub struct DbtCall {
    pub command: Command,
    vars: String,
}

impl DbtCall {
    /// Begins a call in the project's folder, where dbt looks for profiles.yml, in an environment. Options of the command
    /// line replace the environment's. dbt takes the schema from its profile, which may ask for
    /// `{{ env_var('FORMULAC_SCHEMA') }}`.
    pub fn new(folder: &Path, words: &[&str], environment: Option<&Environment>, args: &DbtArgs) -> Self {
        let mut command = PROGRAM.command();
        let folder = or_here(folder);
        // These are seen from where the command was called, and dbt would see them from the project's folder.
        if let Some(profiles) = std::env::var_os("DBT_PROFILES_DIR").filter(|it| !it.is_empty()) {
            command.env("DBT_PROFILES_DIR", std::path::absolute(&profiles).unwrap_or_else(|_| profiles.into()));
        }
        command.env_remove("DBT_PROJECT_DIR");
        command.current_dir(folder).args(["--no-use-colors", "--log-format", "json"]).args(words);
        let of_environment = environment.and_then(|it| it.vars.as_ref());
        let vars = args.vars.as_ref().or(of_environment).cloned().unwrap_or_default();
        if let Some(target) = args.target.as_deref().or(environment.and_then(|it| it.connection.as_deref())) {
            command.args(["--target", target]);
        }
        if !vars.is_empty() {
            command.args(["--vars", &vars]);
        }
        if let Some(threads) = args.threads {
            command.args(["--threads", &threads.to_string()]);
        }
        // dbt runs in another folder than this command.
        let absolute = |folder: PathBuf| std::path::absolute(&folder).unwrap_or(folder);
        if let Some(folder) = &args.profiles_dir {
            command.arg("--profiles-dir").arg(absolute(folder.clone()));
        } else if let Some(folder) = std::env::var_os(PROFILES_DIR).filter(|folder| !folder.is_empty()) {
            command.env(PROFILES_DIR, absolute(folder.into()));
        }
        if let Some(schema) = environment.and_then(|it| it.schema.as_deref()) {
            command.env("FORMULAC_SCHEMA", schema);
        }
        Self { command, vars }
    }

    /// Has dbt write artifacts and logs below this folder, wherever the project and the environment have them.
    pub fn writing_to(mut self, folder: &Path) -> Self {
        self.command.env("DBT_TARGET_PATH", folder.join("target")).env("DBT_LOG_PATH", folder.join("logs"));
        self
    }

    /// Runs dbt to its end, while `waiting` shows what is asked.
    pub fn run(mut self, waiting: &Waiting, what: &str) -> Result<Ran, Failure> {
        let output = waiting.during(what, || PROGRAM.run(&mut self.command, ""))?;
        let events = output.out.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok(Ran { succeeded: output.succeeded, events, err: output.err, vars: self.vars })
    }
}

impl Ran {
    /// The data of the first event of this name.
    pub fn event(&self, name: &str) -> Option<&Value> {
        self.events.iter().find(|event| event["info"]["name"] == name).map(|event| &event["data"])
    }

    /// What the query had dbt write into its log, in order.
    pub fn messages(&self) -> impl Iterator<Item = Value> {
        let messages = self.events.iter().filter_map(|event| event["data"]["msg"].as_str());
        messages.filter_map(|text| serde_json::from_str(text.strip_prefix(TOLD)?).ok())
    }

    /// What dbt says of a failure in its first error, without the lines that say only whose error it is.
    pub fn message(&self) -> String {
        let errors = self.events.iter().filter(|event| event["info"]["level"] == "error");
        let mut texts = errors.filter_map(|event| event["data"]["exc"].as_str().or(event["info"]["msg"].as_str()));
        // Of a wrong call dbt prints the usage, and then what is wrong with it.
        let of_usage = || self.err.starts_with("Usage:").then(|| self.err.find("\nError: ").map(|at| at + 1)).flatten();
        let text = texts.next().unwrap_or_else(|| self.err.get(of_usage().unwrap_or_default()..).unwrap_or_default());
        let is_frame = |line: &str| {
            ["Encountered an error", "Runtime", "Database", "Compilation", "Parsing", "Validation", "YAML"].iter().any(
                |kind| {
                    line.trim_start().strip_prefix(kind).is_some_and(|rest| {
                        let rest = rest.trim_end();
                        rest == ":" || rest == " Error" || rest.starts_with(" Error in ")
                    })
                },
            )
        };
        let text = text.lines().skip_while(|line| is_frame(line)).collect::<Vec<_>>().join("\n");
        without_secrets(&text, &self.vars)
    }
}
