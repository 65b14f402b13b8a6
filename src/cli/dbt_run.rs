//! Calls to the project's dbt installation, and the results of these calls.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use formulac::dbt::LOG_PREFIX;
use formulac::secrets::without_secrets;
use serde_json::Value;

use super::args::DbtArgs;
use super::environment::Environment;
use super::exit::Failure;
use super::folder::current_folder_if_empty;
use super::program::ExternalProgram;
use super::progress::ProgressIndicator;

/// Environment variable that specifies the folder of profiles.yml for dbt.
pub const PROFILES_DIR: &str = "DBT_PROFILES_DIR";

const PROGRAM: ExternalProgram = ExternalProgram {
    name: "dbt",
    variable: "FORMULAC_DBT",
    install: "install dbt with `pip install dbt-core` and the adapter, or choose `--engine duckdb --data DIR`",
};

/// Result of a dbt call.
#[derive(Debug)]
pub struct DbtCallResult {
    pub succeeded: bool,
    events: Vec<Value>,
    err: String,
    /// Variables that were passed to dbt, so that values that look like secrets can be removed from its messages.
    vars: String,
}

/// Returns the versions of dbt and its adapters, from `dbt --version`.
pub fn read_versions() -> Result<DbtVersions, Failure> {
    let output = PROGRAM.run(PROGRAM.command().args(["--no-use-colors", "--version"]), "")?;
    let mut versions = DbtVersions {
        dbt: String::new(),
        adapters: Vec::new(),
    };
    // Parse lines such as `- installed: 1.12.6` and `- duckdb: 1.10.0 - Up to date!`, which some versions print to
    // standard error.
    for line in output.out.lines().chain(output.err.lines()) {
        let Some((name, rest)) = line
            .trim_start()
            .strip_prefix("- ")
            .and_then(|line| line.split_once(':'))
        else {
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

/// Versions that `dbt --version` prints.
#[derive(Debug)]
pub struct DbtVersions {
    /// Version of dbt. Empty if the output has a different format.
    pub dbt: String,
    pub adapters: Vec<(String, String)>,
}

/// Returns whether dbt is installed.
pub fn is_dbt_installed() -> bool {
    PROGRAM.is_installed()
}

/// A dbt call that has not been run yet.
#[derive(Debug)]
pub struct DbtCall {
    pub command: Command,
    /// Longest duration of the call. `None` if there is no limit.
    pub time_limit: Option<Duration>,
    vars: String,
}

impl DbtCall {
    /// Creates a call that runs in the project's folder, where dbt looks for profiles.yml, with the settings of an
    /// environment. Command-line options override the environment's settings. dbt takes the schema from its profile,
    /// which may use `{{ env_var('FORMULAC_SCHEMA') }}`.
    pub fn new(folder: &Path, words: &[&str], environment: Option<&Environment>, args: &DbtArgs) -> Self {
        let mut command = PROGRAM.command();
        let folder = current_folder_if_empty(folder);
        // Make the paths absolute, because dbt would resolve a relative path from the project's folder instead of the
        // working directory.
        if let Some(profiles) = std::env::var_os("DBT_PROFILES_DIR").filter(|variable| !variable.is_empty()) {
            command.env(
                "DBT_PROFILES_DIR",
                std::path::absolute(&profiles).unwrap_or_else(|_| profiles.into()),
            );
        }
        command.env_remove("DBT_PROJECT_DIR");
        command
            .current_dir(folder)
            .args(["--no-use-colors", "--log-format", "json"])
            .args(words);
        let of_environment = environment.and_then(|environment| environment.vars.as_ref());
        let vars = args.vars.as_ref().or(of_environment).cloned().unwrap_or_default();
        if let Some(target) = args
            .target
            .as_deref()
            .or(environment.and_then(|environment| environment.connection.as_deref()))
        {
            command.args(["--target", target]);
        }
        if !vars.is_empty() {
            command.args(["--vars", &vars]);
        }
        if let Some(threads) = args.threads {
            command.args(["--threads", &threads.to_string()]);
        }
        // Make the path absolute, because dbt runs in a different folder.
        let absolute = |folder: PathBuf| std::path::absolute(&folder).unwrap_or(folder);
        if let Some(folder) = &args.profiles_dir {
            command.arg("--profiles-dir").arg(absolute(folder.clone()));
        } else if let Some(folder) = std::env::var_os(PROFILES_DIR).filter(|folder| !folder.is_empty()) {
            command.env(PROFILES_DIR, absolute(folder.into()));
        }
        if let Some(schema) = environment.and_then(|environment| environment.schema.as_deref()) {
            command.env("FORMULAC_SCHEMA", schema);
        }
        Self {
            command,
            time_limit: None,
            vars,
        }
    }

    /// Makes dbt write artifacts and logs to this folder, regardless of the project's settings and the environment.
    pub fn with_output_folder(mut self, folder: &Path) -> Self {
        self.command
            .env("DBT_TARGET_PATH", folder.join("target"))
            .env("DBT_LOG_PATH", folder.join("logs"));
        self
    }

    /// Runs dbt and waits until it exits. While dbt runs, `waiting` shows `message` as the progress message.
    pub fn run(mut self, waiting: &ProgressIndicator, message: &str) -> Result<DbtCallResult, Failure> {
        let output = waiting.show_progress_during(message, || match self.time_limit {
            Some(limit) => PROGRAM.run_with_limit(&mut self.command, limit),
            None => PROGRAM.run(&mut self.command, ""),
        })?;
        let events = output
            .out
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        Ok(DbtCallResult {
            succeeded: output.succeeded,
            events,
            err: output.err,
            vars: self.vars,
        })
    }
}

impl DbtCallResult {
    /// Returns the data of the first event with this name.
    pub fn find_event(&self, name: &str) -> Option<&Value> {
        self.events
            .iter()
            .find(|event| event.pointer("/info/name").is_some_and(|event_name| event_name == name))
            .map(|event| event.get("data").unwrap_or(&Value::Null))
    }

    /// Returns the messages that the query wrote to dbt's log, in order.
    pub fn messages(&self) -> impl Iterator<Item = Value> {
        let messages = self
            .events
            .iter()
            .filter_map(|event| event.pointer("/data/msg")?.as_str());
        messages.filter_map(|text| serde_json::from_str(text.strip_prefix(LOG_PREFIX)?).ok())
    }

    /// Returns the text of dbt's first error.
    pub fn message(&self) -> String {
        self.error().to_string()
    }

    /// Returns dbt's first error.
    pub fn error(&self) -> DbtError {
        let is_error = |event: &&Value| event.pointer("/info/level").is_some_and(|level| level == "error");
        let mut texts = self.events.iter().filter(is_error).filter_map(|event| {
            let mut texts = ["/data/exc", "/info/msg"].into_iter();
            texts.find_map(|path| event.pointer(path)?.as_str())
        });
        // For an invalid call, dbt first prints the usage and then the error.
        let of_usage = || {
            self.err
                .starts_with("Usage:")
                .then(|| self.err.find("\nError: ").map(|offset| offset + 1))
                .flatten()
        };
        let text = texts
            .next()
            .unwrap_or_else(|| self.err.get(of_usage().unwrap_or_default()..).unwrap_or_default());
        DbtError::parse(&without_secrets(text, &self.vars))
    }
}

/// Error that dbt reports.
#[derive(Debug, PartialEq, Eq)]
pub struct DbtError {
    /// Node that has the error, such as `model orders (models/orders.sql)`. `None` if dbt names no node before the
    /// text.
    pub node: Option<String>,
    /// Text without the introductory lines that only name the kind of error and the node.
    pub text: String,
}

impl DbtError {
    /// Kinds of errors in dbt's introductory lines, such as `Parsing Error in model orders (models/orders.sql)`.
    const KINDS: [&str; 7] = [
        "Encountered an error",
        "Runtime",
        "Database",
        "Compilation",
        "Parsing",
        "Validation",
        "YAML",
    ];

    fn parse(message: &str) -> Self {
        let mut node = None;
        let mut lines = message.lines().peekable();
        while let Some(named_node) = lines.peek().and_then(|line| Self::introduced_node(line)) {
            // Queries of `dbt show` are no nodes of the project.
            node = named_node.filter(|node| !node.starts_with("sql_operation ")).or(node);
            lines.next();
        }
        Self {
            node: node.map(str::to_owned),
            text: lines.collect::<Vec<_>>().join("\n"),
        }
    }

    /// Returns the node that an introductory line names, or `Some(None)` if the line names only the kind of error.
    /// `None` for other lines.
    fn introduced_node(line: &str) -> Option<Option<&str>> {
        let mut rests = Self::KINDS.iter().filter_map(|kind| line.trim().strip_prefix(kind));
        rests.find_map(|rest| match rest {
            ":" | " Error" => Some(None),
            _ => rest.strip_prefix(" Error in ").map(Some),
        })
    }
}

impl fmt::Display for DbtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some(node) => write!(f, "{node}: {}", self.text.trim_start()),
            None => f.write_str(&self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn introductory_lines_of_dbt_name_the_node() {
        for (message, node, text) in [
            (
                "Parsing Error in model g (models/formulac/g.sql)\n  Invalid group 'sales'",
                Some("model g (models/formulac/g.sql)"),
                "model g (models/formulac/g.sql): Invalid group 'sales'",
            ),
            (
                "Encountered an error:\nCompilation Error in test t (tests/t.sql)\n  unexpected '}'\n    line 1",
                Some("test t (tests/t.sql)"),
                "test t (tests/t.sql): unexpected '}'\n    line 1",
            ),
            (
                "Compilation Error\n  Model 'model.p.g' (g.sql)",
                None,
                "  Model 'model.p.g' (g.sql)",
            ),
            (
                "Database Error in sql_operation inline_query (from remote)\n  no",
                None,
                "  no",
            ),
            ("Database is locked", None, "Database is locked"),
        ] {
            let error = DbtError::parse(message);
            assert_eq!((error.node.as_deref(), error.to_string().as_str()), (node, text));
        }
    }
}
