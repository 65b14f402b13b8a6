//! Prints environments as text and as JSON.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use formulac::Environment;
use formulac::artifacts::ResourceType;
use formulac::secrets::mask_secrets;
use serde_json::{Value, json};

use crate::cli::args::EnvNameArgs;
use crate::cli::artifacts::TargetArtifacts;
use crate::cli::dbt_project::DbtProject;
use crate::cli::environment::{self, EnvironmentSelectionReason, quote_for_shell};
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

/// Artifacts that dbt wrote for an environment, and whether they belong to that environment.
pub struct EnvironmentArtifacts {
    pub folder: PathBuf,
    pub age: Option<String>,
    /// Whether the artifacts describe models in the environment's schema. `None` if this cannot be determined.
    pub is_own: Option<bool>,
    /// Schema of one of the models that the artifacts describe.
    pub schema: Option<String>,
}

/// Finds an environment's artifacts in the environment's own artifacts folder or, if there are none, in the project's
/// target folder. The field `is_own` of the result is `true` if the artifacts belong to the environment.
pub fn find_artifacts(
    workspace: &Workspace,
    environment: &Environment,
) -> Result<Option<EnvironmentArtifacts>, Failure> {
    let Some(dbt) = &workspace.dbt else { return Ok(None) };
    let own_folder = environment::artifacts_folder(&workspace.root, &dbt.target_folder(), environment);
    let own_artifacts = TargetArtifacts::read_folder(&own_folder)?;
    let artifacts_pair = match &own_artifacts {
        Some(target) => Some((own_folder, target)),
        None => dbt.artifacts()?.map(|target| (dbt.target_folder(), target)),
    };
    let Some((folder, artifacts)) = artifacts_pair else {
        return Ok(None);
    };
    let schema_of = |of: Option<&str>| {
        let (Some(relation_schema), Some(schema)) = (of, &environment.schema) else {
            return false;
        };
        let (node_schema, schema) = (relation_schema.to_lowercase(), schema.to_lowercase());
        node_schema == schema
            || node_schema
                .strip_prefix(&schema)
                .is_some_and(|rest| rest.starts_with('_'))
    };
    let models: Vec<Option<&str>> = artifacts
        .manifest
        .with_type(ResourceType::Model)
        .map(|node| node.schema.as_deref())
        .collect();
    let is_own =
        (environment.schema.is_some() && !models.is_empty()).then(|| models.iter().any(|schema| schema_of(*schema)));
    let schema = models.iter().flatten().next().map(|schema| (*schema).to_owned());
    Ok(Some(EnvironmentArtifacts {
        folder,
        age: artifacts.age(),
        is_own,
        schema,
    }))
}

/// `env list`: prints one line per environment.
pub fn print_environment_list(session: &Session, workspace: &Workspace, as_json: bool) -> Result<Exit, Failure> {
    let selection = environment::selected_environment_template(&session.global, &workspace.project)?;
    let environment_list: Vec<Environment> = environment::all_environments(&workspace.project, &workspace.root)
        .into_iter()
        .map(|(environment, _)| environment)
        .collect();
    if as_json {
        let objects: Vec<Value> = environment_list
            .iter()
            .map(|environment| environment_json(environment, selection.as_ref()))
            .collect();
        session.print_json(&json!({"environments": objects}))?;
        return Ok(Exit::Done);
    }
    if environment_list.is_empty() {
        session.report_action("formulac.yml has no `environments:`; commands use the default target of dbt's profile");
        return Ok(Exit::Done);
    }
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let rows: Vec<[String; 4]> = environment_list
        .iter()
        .map(|environment| {
            [
                environment.name.clone(),
                word(&environment.connection),
                word(&environment.schema),
                word(&environment.branch),
            ]
        })
        .collect();
    let mut widths = ["environment", "connection", "schema", "branch"].map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |mark: &str, row: [&str; 4], more: &str| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{mark} {}  {more}", cells.collect::<Vec<_>>().join("  "))
            .trim_end()
            .to_owned()
    };
    let mut text = line(" ", ["environment", "connection", "schema", "branch"], "") + "\n";
    for (environment, row) in environment_list.iter().zip(&rows) {
        let reason = environment_use_reason(environment, selection.as_ref());
        let mut more = Vec::new();
        more.extend(environment.protected.then_some("protected"));
        let usage = reason.map(|reason| format!("used: {reason}"));
        more.extend(usage.as_deref());
        let row = [row[0].as_str(), row[1].as_str(), row[2].as_str(), row[3].as_str()];
        let _ = writeln!(
            text,
            "{}",
            line(if reason.is_some() { "*" } else { " " }, row, &more.join(", "))
        );
    }
    session.print_escaped(&text)?;
    Ok(Exit::Done)
}

/// Returns the reason why commands use an environment. `None` if they use another one.
fn environment_use_reason(
    environment: &Environment,
    selection: Option<&(Environment, EnvironmentSelectionReason)>,
) -> Option<&'static str> {
    let (used, reason) = selection?;
    (used.name == environment.name).then(|| reason.description())
}

fn environment_json(environment: &Environment, selection: Option<&(Environment, EnvironmentSelectionReason)>) -> Value {
    let reason = environment_use_reason(environment, selection);
    let approvals = environment
        .approvals
        .iter()
        .map(|(role, count)| (role.name().to_owned(), json!(count)));
    json!({
        "name": environment.name, "used": reason.is_some(), "because": reason,
        "connection": environment.connection, "schema": environment.schema, "branch": environment.branch,
        "protected": environment.protected, "signed": environment.signed,
        "dialect": environment.dialect.map(formulac::Dialect::name),
        "vars": environment.vars.as_deref().map(|vars| mask_secrets(vars).trim().to_owned()),
        "approvals": approvals.collect::<serde_json::Map<_, _>>(),
    })
}

/// `env show`: prints all settings of one environment.
pub fn print_environment(session: &Session, workspace: &Workspace, args: &EnvNameArgs) -> Result<Exit, Failure> {
    let selection = environment::selected_environment_template(&session.global, &workspace.project)?;
    let environment = match (&args.name, &selection) {
        (Some(name), _) => environment::find_environment(
            &workspace.project,
            &workspace.root,
            name,
            EnvironmentSelectionReason::Option,
        )?,
        (None, Some((used_environment, reason))) => {
            environment::find_environment(&workspace.project, &workspace.root, &used_environment.name, *reason)?
        }
        (None, None) => {
            return Err(Failure::new(Exit::Usage, "no environment is selected").with_help(
                "`formulac env list` shows the environments of formulac.yml; select one with `--env NAME`",
            ));
        }
    };
    let left = find_artifacts(workspace, &environment)?;
    let target = workspace.dbt.as_ref().map(DbtProject::target_folder);
    let deferred = target
        .as_ref()
        .and_then(|path| environment::deferral_artifacts(&workspace.project, &workspace.root, path, &environment));
    // dbt writes the results to its target folder, unless the environment has its own artifacts folder.
    let target = target.unwrap_or_default();
    let folder = left.as_ref().map_or(&target, |artifacts| &artifacts.folder);
    let options = environment::dbt_options(Some(&environment), &target, folder);
    let command = dbt_command(&environment, &options, deferred.as_deref());
    if args.json {
        let mut object = environment_json(&environment, selection.as_ref());
        if let Value::Object(fields) = &mut object {
            let left = left.as_ref().map(|artifacts| {
                json!({"folder": artifacts.folder, "age": artifacts.age, "is_of_this_environment": artifacts.is_own, "schema": artifacts.schema})
            });
            fields.insert("artifacts".to_owned(), json!(left));
            fields.insert("dbt".to_owned(), json!(command));
        }
        session.print_json(&object)?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    let reason = environment_use_reason(&environment, selection.as_ref());
    let mark = reason.map(|reason| format!("  (used: {reason})")).unwrap_or_default();
    let _ = writeln!(text, "{}{mark}", environment.name);
    let mut line = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            let mut lines = value.trim().lines();
            let _ = writeln!(text, "  {name:<11} {}", lines.next().unwrap_or_default());
            lines.for_each(|more| {
                let _ = writeln!(text, "  {:<11} {more}", "");
            });
        }
    };
    line("connection", environment.connection.as_deref());
    line("schema", environment.schema.as_deref());
    line("branch", environment.branch.as_deref());
    line("dialect", environment.dialect.map(formulac::Dialect::name));
    line(
        "protected",
        environment.protected.then_some("yes: a push creates a branch to merge"),
    );
    line(
        "signed",
        environment.signed.then_some("yes: authors must sign their commits"),
    );
    let approvals: Vec<String> = environment
        .approvals
        .iter()
        .map(|(role, count)| format!("{count} {role}"))
        .collect();
    line(
        "approvals",
        Some(approvals.join(", "))
            .filter(|approval_list| !approval_list.is_empty())
            .as_deref(),
    );
    line("vars", environment.vars.as_deref().map(mask_secrets).as_deref());
    let artifacts = left.map(|artifacts| {
        let age = artifacts
            .age
            .map_or_else(|| "of unknown age".to_owned(), |age| format!("{age} old"));
        let whose = match (artifacts.is_own, artifacts.schema) {
            (Some(false), Some(schema)) => {
                format!(", built for the schema {schema} instead of the environment's schema")
            }
            _ => String::new(),
        };
        format!("{}, {age}{whose}", artifacts.folder.display())
    });
    line("artifacts", Some(artifacts.as_deref().unwrap_or("none")));
    line("dbt", Some(&command));
    session.print_escaped(&text)?;
    Ok(Exit::Done)
}

/// Returns the dbt command that builds the project in an environment.
fn dbt_command(environment: &Environment, options: &str, deferred: Option<&Path>) -> String {
    let mut command = String::new();
    if let Some(schema) = &environment.schema {
        let _ = write!(command, "FORMULAC_SCHEMA={} ", quote_for_shell(schema));
    }
    command.push_str("dbt build");
    command.push_str(options);
    if let Some(vars) = &environment.vars {
        let vars: Vec<String> = mask_secrets(vars).lines().map(|line| line.trim().to_owned()).collect();
        let _ = write!(command, " --vars {}", quote_for_shell(&vars.join("\n")));
    }
    if let Some(folder) = deferred {
        let _ = write!(
            command,
            " --defer --state {}",
            quote_for_shell(&folder.to_string_lossy())
        );
    }
    command
}
