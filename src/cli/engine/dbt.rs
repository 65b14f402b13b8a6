//! Runs a model in the project's warehouse, with the project's dbt installation and `dbt show`.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use formulac::dbt::RelationReference;
use formulac::{Column, Dialect, Project, Type};
use serde_json::{Map, Value};

use super::fault::{self, EngineSql};
use super::query_result::{QueryResult, ResultColumn};
use super::{EngineRequest, RelationPresence};
use crate::cli::args::DbtArgs;
use crate::cli::dbt_project::DbtProject;
use crate::cli::dbt_run::{DbtCall, DbtCallResult};
use crate::cli::dbt_setup;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::progress::ProgressIndicator;

/// Help message if a relation that the model reads is missing from the warehouse.
const MISSING_TABLE_HELP: &str = "build the inputs of the model with `dbt build`, or read files with `--data DIR`";

/// Maximum length of the SQL of one call. Linux accepts no argument longer than 128 KiB.
const MAX_SQL_BYTES: usize = 100_000;

/// A dbt project, and the environment in which it runs.
#[derive(Debug)]
pub struct DbtRun {
    pub project: DbtProject,
    pub environment: Option<Environment>,
    /// Options that are passed on to dbt.
    pub args: DbtArgs,
    /// Folder with the artifacts of another environment, whose relations are read if this environment has not built
    /// them.
    pub deferred: Option<PathBuf>,
    pub waiting: ProgressIndicator,
    /// Longest duration of a dbt call. `None` if there is no limit.
    pub time_limit: Option<Duration>,
}

impl DbtRun {
    /// Returns the environment's dialect, otherwise the project's dialect, otherwise the dialect of dbt's adapter.
    pub fn dialect(&self, project: &Project) -> Result<Dialect, Failure> {
        let known_dialect = self
            .environment
            .as_ref()
            .and_then(|environment| environment.dialect)
            .or(project.dialect());
        match known_dialect {
            Some(dialect) => Ok(dialect),
            None => self.project.dialect(self.target_name()).map_err(|why| {
                Failure::new(Exit::Usage, format!("the dialect is unknown: {why}"))
                    .with_help("write `dialect:` in formulac.yml")
            }),
        }
    }

    fn target_name(&self) -> Option<&str> {
        let of_environment = || self.environment.as_ref()?.connection.as_deref();
        self.args.target.as_deref().or_else(of_environment)
    }
}

/// Calls `dbt show` in this environment. The call writes no artifacts, because the existing artifacts describe
/// the last build.
pub fn call_dbt_show(
    run: &DbtRun,
    deferred: Option<&Path>,
    limit: u64,
    sql: &str,
    subject: &str,
    variables: &[(String, &str)],
) -> Result<DbtCallResult, Failure> {
    let limit = limit.to_string();
    let words = ["--no-write-json", "show", "--output", "json", "--limit", &limit];
    let mut call = DbtCall::new(&run.project.folder, &words, run.environment.as_ref(), &run.args);
    if let Some(folder) = deferred {
        // dbt runs in its own folder, so the path must be absolute.
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        call.command.arg("--defer").arg("--state").arg(folder);
    }
    call.command
        .args(["--inline", &formulac::dbt::escape_comment_ends(sql)])
        .envs(variables.iter().cloned());
    call.time_limit = run.time_limit;
    call.run(&run.waiting, &format!("asking dbt for {subject}"))
}

/// Runs a query in dbt's syntax. dbt adds the limit. dbt does not report column types, so the types come from the
/// query's declared columns.
pub fn run_query(request: EngineRequest<'_>, run: &DbtRun) -> Result<QueryResult, Failure> {
    let one_more = u64::from(request.limit) + 1;
    let most = request
        .own_limit
        .map_or(one_more, |query_limit| query_limit.min(one_more));
    let timed = request
        .timed
        .map(|timed| formulac::dbt::query_with_duration(timed, request.sql));
    let output = call_dbt_show(
        run,
        run.deferred.as_deref(),
        most,
        timed.as_deref().unwrap_or(request.sql),
        request.what,
        &[],
    )?;
    let event = |name: &str| output.find_event(name);
    let preview = event("ShowNode").and_then(|data| data["preview"].as_str());
    let rows =
        preview.and_then(|text| serde_json::from_str::<Vec<Map<String, Value>>>(&quote_special_floats(text)).ok());
    let Some(rows) = rows.filter(|_| output.succeeded) else {
        let sent_sql = EngineSql {
            sql: request.sql,
            before: "",
            missing: MISSING_TABLE_HELP,
        };
        let message = output.message();
        let problem = dbt_setup::find_setup_problem(&message, &run.project, run.environment.as_ref(), &run.args);
        return Err(match problem {
            Some(problem) => problem.into_failure(),
            None => fault::from_sql("dbt", &message, sent_sql),
        });
    };
    let (engine, version) = engine_name_and_version(&output);
    let answer = QueryResult {
        engine,
        version,
        columns: columns(&rows, request.columns),
        rows: rows.iter().map(|row| row.values().map(value_text).collect()).collect(),
        more: false,
        seconds: output.messages().next().and_then(|message| message.as_f64()),
    };
    Ok(answer.with_limit(request.limit))
}

/// Returns the engine's full name, which includes the version, and the version alone.
pub fn engine_name_and_version(output: &DbtCallResult) -> (String, String) {
    let text = |event: &str, key: &str| {
        let text = output.find_event(event).and_then(|data| data[key].as_str());
        text.unwrap_or_default().trim_start_matches('=').to_owned()
    };
    let version = text("MainReportVersion", "version");
    (
        format!("dbt {version} on {}", text("AdapterRegistered", "adapter_name")),
        version,
    )
}

/// Runs queries. Several queries share one dbt call, because each call takes seconds to start. If one of the queries
/// fails, the call ends, and all queries of the call are run again one by one.
pub fn run_queries(
    requests: &[EngineRequest<'_>],
    run: &DbtRun,
    on_progress: &impl Fn(),
) -> Result<Vec<Result<QueryResult, Failure>>, Failure> {
    let mut answers = Vec::new();
    let mut rest = requests;
    while !rest.is_empty() {
        let mut size = 0;
        let fits = |request: &&EngineRequest<'_>| {
            size += request.sql.len() + request.timed.map_or(0, str::len) + 1_000;
            size < MAX_SQL_BYTES
        };
        let (group, others) = rest.split_at(rest.iter().take_while(fits).count().max(1));
        rest = others;
        let together = if group.len() > 1 {
            run_queries_in_one_call(group, run)?
        } else {
            None
        };
        match together {
            Some(together) => answers.extend(together.into_iter().map(Ok)),
            None => answers.extend(group.iter().map(|request| run_query(*request, run))),
        }
        group.iter().for_each(|_| on_progress());
    }
    Ok(answers)
}

/// Runs queries in one call and returns their results. Returns `None` if one of them fails.
fn run_queries_in_one_call(group: &[EngineRequest<'_>], run: &DbtRun) -> Result<Option<Vec<QueryResult>>, Failure> {
    let limited: Vec<String> = group
        .iter()
        .map(|request| format!("{}\nlimit {}", request.sql.trim_end(), u64::from(request.limit) + 1))
        .collect();
    let subject = group.first().map_or("rows", |request| request.what);
    let queries: Vec<(&str, Option<&str>)> = limited
        .iter()
        .zip(group)
        .map(|(sql, request)| (sql.as_str(), request.timed))
        .collect();
    let output = call_dbt_show(
        run,
        run.deferred.as_deref(),
        1,
        &formulac::dbt::combine_queries(&queries),
        subject,
        &[],
    )?;
    let (engine, version) = engine_name_and_version(&output);
    let answer = |(message, request): (Value, &EngineRequest<'_>)| {
        let texts = |value: &Value| {
            value
                .as_array()
                .map(|cells| cells.iter().map(self::value_text).collect::<Vec<_>>())
        };
        let names = texts(message.get(1)?)?.into_iter().flatten();
        let answer = QueryResult {
            engine: engine.clone(),
            version: version.clone(),
            columns: names
                .map(|name| ResultColumn {
                    name,
                    ty: Type::Unknown,
                })
                .collect(),
            rows: message.get(2)?.as_array()?.iter().map(texts).collect::<Option<_>>()?,
            more: false,
            seconds: message.get(0)?.as_f64(),
        };
        Some(answer.with_limit(request.limit))
    };
    let messages: Vec<Value> = output.messages().collect();
    if !output.succeeded || messages.len() != group.len() {
        return Ok(None);
    }
    Ok(messages.into_iter().zip(group).map(answer).collect())
}

/// Checks whether each relation exists.
pub fn check_relations(relations: &[RelationReference], run: &DbtRun) -> Result<Vec<RelationPresence>, Failure> {
    Ok(look_up_relations(relations, run, run.deferred.as_deref())?
        .into_iter()
        .map(relation_presence)
        .collect())
}

/// Checks whether each relation is built in this environment, without deferring to another environment.
pub fn find_built_relations(relations: &[RelationReference], run: &DbtRun) -> Result<Vec<RelationPresence>, Failure> {
    Ok(look_up_relations(relations, run, None)?
        .into_iter()
        .map(relation_presence)
        .collect())
}

/// Relation in the warehouse.
#[derive(Clone, Debug)]
pub struct WarehouseRelation {
    /// Names and types of the columns.
    pub columns: Vec<(String, String)>,
    /// Full name, as dbt spells it. `None` if dbt did not report it.
    pub name: Option<String>,
}

/// Result of looking up a relation with dbt: the relation, `None` if the relation is missing, or the reason why the
/// lookup failed.
pub type RelationLookup = Result<Option<WarehouseRelation>, String>;

/// Returns the columns of each relation, with the warehouse's names for their types. If the call for all relations
/// fails, dbt is called once per relation.
pub fn look_up_relations(
    relations: &[RelationReference],
    run: &DbtRun,
    deferred: Option<&Path>,
) -> Result<Vec<RelationLookup>, Failure> {
    let Some((first, others)) = relations.split_first() else {
        return Ok(Vec::new());
    };
    let output = call_dbt_show(
        run,
        deferred,
        1,
        &formulac::dbt::relation_lookup_query(relations),
        "the columns of tables",
        &[],
    )?;
    let found_relations: Vec<RelationLookup> = output
        .messages()
        .filter_map(|message| parse_relation(&message))
        .map(Ok)
        .collect();
    if output.succeeded && found_relations.len() == relations.len() {
        return Ok(found_relations);
    }
    if !others.is_empty() {
        let single_lookup = |relation| Ok(look_up_relations(std::slice::from_ref(relation), run, deferred)?.pop());
        let each: Vec<Option<RelationLookup>> = relations.iter().map(single_lookup).collect::<Result<_, Failure>>()?;
        return Ok(each.into_iter().flatten().collect());
    }
    let message = output.message();
    let is_missing = fault::is_missing_table_error(&message) || message.contains("which was not found");
    let first_line = message
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("dbt reports no reason");
    Ok(vec![if is_missing {
        Ok(None)
    } else {
        Err(format!("{}: {first_line}", first.name()))
    }])
}

fn parse_relation(message: &Value) -> Option<Option<WarehouseRelation>> {
    if !message.get(0)?.as_bool()? {
        return Some(None);
    }
    let column = |pair: &Value| {
        let ty = pair.get(1).and_then(Value::as_str).unwrap_or_default();
        Some((pair.get(0)?.as_str()?.to_owned(), ty.to_owned()))
    };
    let columns: Option<_> = message.get(1)?.as_array()?.iter().map(column).collect();
    Some(Some(WarehouseRelation {
        columns: columns?,
        name: message.get(2).and_then(Value::as_str).map(str::to_owned),
    }))
}

fn relation_presence(relation_lookup: RelationLookup) -> RelationPresence {
    match relation_lookup {
        Ok(None) => RelationPresence::Missing,
        Err(why) => RelationPresence::Unknown(why),
        Ok(Some(WarehouseRelation { columns, name })) => {
            let to_column = |(name, ty): (String, String)| Column::new(name, ty.parse().unwrap_or_default());
            RelationPresence::There(columns.into_iter().map(to_column).collect(), name)
        }
    }
}

/// Encloses NaN and infinities in quotes. dbt writes JSON with Python, which writes such numbers as bare words.
fn quote_special_floats(json: &str) -> Cow<'_, str> {
    const SPECIAL_FLOATS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    if !SPECIAL_FLOATS.iter().any(|word| json.contains(word)) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    let (mut rest, mut is_in_string) = (json, false);
    while let Some(c) = rest.chars().next() {
        let word = SPECIAL_FLOATS
            .into_iter()
            .find(|word| !is_in_string && rest.starts_with(word));
        let length = match word {
            Some(word) => {
                out.push_str(&format!("\"{word}\""));
                word.len()
            }
            None => {
                let length = if c == '\\' {
                    1 + rest.chars().nth(1).map_or(0, char::len_utf8)
                } else {
                    c.len_utf8()
                };
                is_in_string ^= c == '"';
                out.push_str(rest.get(..length).unwrap_or_default());
                length
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    Cow::Owned(out)
}

fn columns(rows: &[Map<String, Value>], columns: &[Column]) -> Vec<ResultColumn> {
    let Some(first) = rows.first() else {
        return columns
            .iter()
            .map(|column| ResultColumn {
                name: column.name().to_owned(),
                ty: column.ty(),
            })
            .collect();
    };
    let ty = |name: &str| {
        columns
            .iter()
            .find(|column| column.name().eq_ignore_ascii_case(name))
            .map(Column::ty)
    };
    first
        .keys()
        .map(|name| ResultColumn {
            name: name.clone(),
            ty: ty(name).unwrap_or(Type::Unknown),
        })
        .collect()
}

pub fn value_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::quote_special_floats;

    #[test]
    fn special_floats_are_quoted_outside_of_strings() {
        for (json, expected) in [
            (r#"[{"x": NaN, "y": -Infinity}]"#, r#"[{"x": "NaN", "y": "-Infinity"}]"#),
            (
                r#"[{"x": "NaN \" NaN", "é": Infinity}]"#,
                r#"[{"x": "NaN \" NaN", "é": "Infinity"}]"#,
            ),
            (r#"[{"x": 1.5}]"#, r#"[{"x": 1.5}]"#),
        ] {
            assert_eq!(quote_special_floats(json), expected);
        }
    }
}
