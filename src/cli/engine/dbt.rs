//! The project's own dbt: `dbt show` runs the model on its warehouse.

use formulac::{Column as Known, Dialect, Project, Type};
use serde_json::{Map, Value};

use super::answer::{Answer, Column};
use super::fault::{self, Sent};
use crate::cli::dbt_project::DbtProject;
use crate::cli::dbt_run;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::spec::Spec;

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
    let mut command = dbt_run::command(&run.project.folder);
    command.arg("show");
    command.args(["--output", "json", "--limit", &most.to_string()]);
    if let Some(target) = run.target() {
        command.args(["--target", target]);
    }
    if let Some(vars) = run.environment.as_ref().and_then(|environment| environment.vars.as_deref()) {
        command.args(["--vars", vars]);
    }
    command.args(["--inline", sql]);
    let output = dbt_run::run(&mut command)?;
    let event = |name: &str| output.event(name);
    let preview = event("ShowNode").and_then(|data| data["preview"].as_str());
    let rows = preview.and_then(|text| serde_json::from_str::<Vec<Map<String, Value>>>(text).ok());
    let Some(rows) = rows.filter(|_| output.succeeded) else {
        return Err(fault::of_sql("dbt", &output.message(), Sent { sql, before: "", missing: MISSING }));
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
