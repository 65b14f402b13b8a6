//! The project's own dbt: `dbt show` runs the model on its warehouse.

use formulac::{Column as Known, Dialect, Project, Type};
use serde_json::{Map, Value};

use super::answer::{Answer, Column};
use super::fault::{self, Sent};
use super::program::Program;
use crate::cli::dbt_project::DbtProject;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::spec::Spec;

const PROGRAM: Program = Program {
    name: "dbt",
    variable: "FORMULAC_DBT",
    install: "get it with `pip install dbt-core` and the adapter, or choose `--engine duckdb --data DIR`",
};

/// What helps where the warehouse has not what the model reads.
const MISSING: &str = "build what it reads with `dbt build`, or show it over files with `--data DIR`";

/// A dbt project, and the environment in which it is run.
#[derive(Debug)]
pub struct DbtRun {
    pub project: DbtProject,
    pub environment: Option<Environment>,
}

impl DbtRun {
    /// The environment's dialect, else the project's, else the one of dbt's adapter.
    pub fn dialect(&self, project: &Project) -> Result<Dialect, Failure> {
        let said = self.environment.as_ref().and_then(|environment| environment.dialect).or(project.dialect());
        match said {
            Some(dialect) => Ok(dialect),
            None => self.project.dialect(self.target()).map_err(|why| {
                Failure::new(Exit::Usage, format!("the dialect is not known: {why}"))
                    .with_help("write `dialect:` in formulac.yml")
            }),
        }
    }

    fn target(&self) -> Option<&str> {
        self.environment.as_ref()?.connection.as_deref()
    }
}

/// Runs a model's SQL, to which dbt adds the limit. It tells no types; they are those of the compiled columns.
pub fn show(sql: &str, run: &DbtRun, spec: &Spec, limit: u32) -> Result<Answer, Failure> {
    let one_more = u64::from(limit) + 1;
    let most = spec.limit.map_or(one_more, |own| own.min(one_more));
    let mut command = PROGRAM.command();
    // In its folder, where dbt looks for profiles.yml.
    command.current_dir(&run.project.folder).args(["--no-use-colors", "--log-format", "json", "show"]);
    command.args(["--output", "json", "--limit", &most.to_string()]);
    if let Some(target) = run.target() {
        command.args(["--target", target]);
    }
    if let Some(vars) = run.environment.as_ref().and_then(|environment| environment.vars.as_deref()) {
        command.args(["--vars", vars]);
    }
    command.args(["--inline", sql]);
    let output = PROGRAM.run(&mut command, "")?;
    let events: Vec<Value> = output.out.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let event = |name: &str| events.iter().find(|event| event["info"]["name"] == name).map(|event| &event["data"]);
    let preview = event("ShowNode").and_then(|data| data["preview"].as_str());
    let rows = preview.and_then(|text| serde_json::from_str::<Vec<Map<String, Value>>>(text).ok());
    let Some(rows) = rows.filter(|_| output.succeeded) else {
        return Err(fault::of_sql("dbt", &message(&events, &output.err), Sent { sql, before: "", missing: MISSING }));
    };
    let text = |data: Option<&Value>, key: &str| {
        data.and_then(|data| data[key].as_str()).unwrap_or_default().trim_start_matches('=').to_owned()
    };
    let version = text(event("MainReportVersion"), "version");
    let adapter = text(event("AdapterRegistered"), "adapter_name");
    let answer = Answer {
        engine: format!("dbt {version} on {adapter}"),
        version,
        columns: columns(&rows, &spec.columns),
        rows: rows.iter().map(|row| row.values().map(value).collect()).collect(),
        more: false,
    };
    Ok(answer.limited(limit))
}

fn columns(rows: &[Map<String, Value>], known: &[Known]) -> Vec<Column> {
    let Some(first) = rows.first() else {
        return known.iter().map(|column| Column { name: column.name().to_owned(), ty: column.ty() }).collect();
    };
    let ty = |name: &str| known.iter().find(|column| column.name().eq_ignore_ascii_case(name)).map(Known::ty);
    first.keys().map(|name| Column { name: name.clone(), ty: ty(name).unwrap_or(Type::Unknown) }).collect()
}

fn value(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// What dbt says of a failure in its first error, without the lines that say only whose error it is.
fn message(events: &[Value], err: &str) -> String {
    let errors = events.iter().filter(|event| event["info"]["level"] == "error");
    let mut texts = errors.filter_map(|event| event["data"]["exc"].as_str().or(event["info"]["msg"].as_str()));
    let text = texts.next().unwrap_or(err);
    let is_frame = |line: &str| {
        ["Runtime", "Database", "Compilation"].iter().any(|kind| {
            line.trim_start()
                .strip_prefix(kind)
                .is_some_and(|rest| rest.trim_end() == " Error" || rest.starts_with(" Error in "))
        })
    };
    text.lines().skip_while(|line| is_frame(line)).collect::<Vec<_>>().join("\n")
}
