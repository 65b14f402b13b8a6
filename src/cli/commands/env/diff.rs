//! `env diff`: compares the definitions in the work tree with the definitions in an environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use formulac::sync::diff_lines;
use formulac_syntax::text::format_count;
use serde_json::{Value, json};

use super::rows::{self, ComparisonResultsByModel};
use crate::cli::args::EnvDiffArgs;
use crate::cli::commands::sync::{Repository, write_diff};
use crate::cli::environment::{self, EnvironmentSelectionReason};
use crate::cli::exit::{Exit, Failure};
use crate::cli::folder;
use crate::cli::generation::CompiledProject;
use crate::cli::session::Session;
use crate::cli::source::read_text;
use crate::cli::workspace::Workspace;

/// Maximum number of lines to show per diff.
const MAX_DIFF_LINES: usize = 60;

/// Versions of a generated model in the work tree and in the environment.
struct ModelDiff {
    name: String,
    here: Option<String>,
    there: Option<String>,
}

impl ModelDiff {
    fn description(&self) -> &'static str {
        match (&self.here, &self.there) {
            (Some(_), None) => "only here",
            (None, _) => "only there",
            _ if self.is_same() => "the same SQL",
            (Some(_), Some(_)) => "differs",
        }
    }

    fn is_same(&self) -> bool {
        self.here == self.there
    }

    /// Returns the diff from the environment's version to the work tree's version, if both versions exist.
    fn diff(&self) -> Option<String> {
        let (tree_text, commit_text) = self.here.as_ref().zip(self.there.as_ref())?;
        Some(if self.is_same() {
            String::new()
        } else {
            diff_lines(commit_text, tree_text)
        })
    }
}

pub fn run(session: &Session, workspace: &Workspace, args: &EnvDiffArgs) -> Result<Exit, Failure> {
    let environment = environment::find_environment(
        &workspace.project,
        &workspace.root,
        &args.name,
        EnvironmentSelectionReason::Option,
    )?;
    let Some(branch) = environment::environment_branch(&workspace.project, &workspace.root, &environment) else {
        return Err(Failure::new(
            Exit::Usage,
            format!("`{}` has no `branch:` in formulac.yml", environment.name),
        )
        .with_help("add `branch:` to the environment, because the definitions of an environment are on its branch"));
    };
    let repository = Repository::find(&workspace.root)?;
    let commit = repository.resolve_base(&branch)?;
    let only = match args.selection.selects_all_models() {
        true => Some(args.models.clone()).filter(|models| !models.is_empty()),
        false => Some(CompiledProject::selected_model_names(session, &args.selection)?),
    };
    let all_models = model_diffs(workspace, &repository, &commit, only.as_deref())?;
    let rows = match args.rows {
        true => {
            let common_models = all_models
                .iter()
                .filter(|model| model.here.is_some() && model.there.is_some());
            let common_names = common_models.map(|model| model.name.clone()).collect();
            Some(rows::compare(session, workspace, args, &environment, &common_names)?)
        }
        false => None,
    };
    let exit = rows.as_ref().map_or(Exit::Done, ComparisonResultsByModel::exit);
    let diffed_models: Vec<&ModelDiff> = all_models
        .iter()
        .filter(|model| !model.is_same() || rows.is_some())
        .collect();
    let same_count = all_models.iter().filter(|model| model.is_same()).count();
    if args.json {
        let model_json = |model: &&ModelDiff| {
            let rows = rows
                .as_ref()
                .map_or(Value::Null, |rows| rows.comparison_json(&model.name));
            json!({"model": model.name, "is": model.description(), "diff": model.diff(), "rows": rows})
        };
        session.print_json(&json!({
            "environment": environment.name, "branch": branch, "commit": commit, "same": same_count,
            "models": diffed_models.iter().map(model_json).collect::<Vec<Value>>(),
        }))?;
        return Ok(exit);
    }
    let mut text = String::new();
    for model in &diffed_models {
        let _ = writeln!(text, "{}  {}", model.name, model.description());
        write_diff(&mut text, &model.diff().unwrap_or_default(), MAX_DIFF_LINES);
        text.extend(rows.as_ref().map(|rows| rows.to_text(&model.name)));
    }
    session.print_escaped(&text)?;
    let commit = commit.get(..7).unwrap_or_default();
    let differ = match all_models.len() - same_count {
        0 => format!("same as on `{branch}` ({commit})"),
        differ => {
            let [differ, same_text] = [
                format_count(differ, "differs", "differ"),
                format_count(same_count, "is", "are"),
            ];
            format!("{differ} from `{branch}` ({commit}), {same_text} the same")
        }
    };
    session.report_action(&rows.map_or(differ.clone(), |rows| format!("{differ}; {}", rows.summary())));
    Ok(exit)
}

/// Returns the generated models of the work tree and of a commit.
fn model_diffs(
    workspace: &Workspace,
    repository: &Repository,
    commit: &str,
    only: Option<&[String]>,
) -> Result<Vec<ModelDiff>, Failure> {
    let (folder, _) = workspace.output_folders();
    let is_sql = |path: &Path| path.extension().is_some_and(|end| end == "sql");
    let tree_paths: BTreeSet<String> = folder::find_files(&workspace.root.join(&folder), is_sql)
        .iter()
        .map(|path| workspace.relative_path(path))
        .collect();
    let commit_files = repository.files_in_commit(commit, std::slice::from_ref(&folder))?;
    let commit_paths: Vec<String> = commit_files
        .into_iter()
        .filter(|path| is_sql(Path::new(path)))
        .collect();
    let texts = repository.file_contents_at_commit(commit, &commit_paths)?;
    let texts: BTreeMap<&String, Option<String>> = commit_paths.iter().zip(texts).collect();
    let paths: BTreeSet<&String> = tree_paths.iter().chain(&commit_paths).collect();
    let mut models = Vec::new();
    for path in paths {
        let name = Path::new(path)
            .file_stem()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        if only.is_some_and(|only| !only.contains(&name)) {
            continue;
        }
        let plain = |text: String| text.replace('\r', "");
        let tree_text = read_text(workspace.root.join(path)).ok().map(plain);
        let commit_text = texts.get(path).cloned().flatten().map(plain);
        models.push(ModelDiff {
            name,
            here: tree_text,
            there: commit_text,
        });
    }
    match only
        .into_iter()
        .flatten()
        .find(|name| models.iter().all(|model| model.name != **name))
    {
        Some(name) => Err(Failure::new(
            Exit::Usage,
            format!("no generated model is named `{name}`, on either side"),
        )),
        None => Ok(models),
    }
}
