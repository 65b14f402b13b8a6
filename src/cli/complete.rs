//! Shell completion for options and commands, and also for function names and the project's specs and models.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter};
use clap_complete::env::CompleteEnv;
use formulac::{CompiledSpec, Compiler, catalog};

use super::args::command;
use super::project;
use super::source::read_text;

/// Commands whose arguments are model names.
const MODEL_COMMANDS: [&str; 4] = ["adopt", "impact", "log", "resolve"];

/// Prefixes of metrics and metric sets in names and selections.
const METRIC_SELECTION_PREFIXES: [&str; 2] = ["metric:", "metric_set:"];

/// Responds to the shell's completion request if `COMPLETE=bash` (or zsh, fish, powershell, elvish) is set, and then
/// exits the process.
pub fn answer_completion_request() {
    CompleteEnv::with_factory(command_with_completers).complete();
}

/// Returns the command-line parser with completions for its arguments.
fn command_with_completers() -> clap::Command {
    fn add_completers(command: clap::Command) -> clap::Command {
        let name = command.get_name().to_owned();
        let command = command.mut_args(|arg| match arg.get_id().as_str() {
            "spec" | "specs" | "files" => arg.add(ArgValueCompleter::new(complete_spec_files)),
            "metrics" => arg.add(ArgValueCompleter::new(complete_metrics)),
            "by" => arg.add(ArgValueCompleter::new(complete_keys)),
            "order_by" if name == "query" || name == "preview" => arg.add(ArgValueCompleter::new(complete_sort_keys)),
            "fill" => arg.add(ArgValueCompleter::new(complete_periods)),
            "select" | "exclude" => arg.add(ArgValueCompleter::new(complete_selections)),
            "name" if name == "functions" => arg.add(ArgValueCompleter::new(complete_functions)),
            "name" if name == "lineage" => arg.add(ArgValueCompleter::new(complete_models_and_metrics)),
            "name" | "names" if MODEL_COMMANDS.contains(&name.as_str()) => {
                arg.add(ArgValueCompleter::new(complete_models))
            }
            _ => arg,
        });
        command.mut_subcommands(add_completers)
    }
    add_completers(command())
}

fn complete_functions(typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy().to_uppercase();
    let functions = catalog::functions().filter(|function| function.name.starts_with(&typed));
    functions
        .map(|function| CompletionCandidate::new(function.name).help(Some(function.summary.into())))
        .collect()
}

/// Completes spec files of the project. If none match, completes other paths.
fn complete_spec_files(typed: &OsStr) -> Vec<CompletionCandidate> {
    let start = typed.to_string_lossy();
    let files = project_specs()
        .into_iter()
        .map(|path| path.strip_prefix("./").map_or(path.clone(), PathBuf::from));
    let candidates: Vec<CompletionCandidate> = files
        .filter(|path| path.to_string_lossy().starts_with(&*start))
        .map(CompletionCandidate::new)
        .collect();
    if candidates.is_empty() {
        PathCompleter::file().complete(typed)
    } else {
        candidates
    }
}

/// Completes the last entry of a comma-separated list.
fn complete_last_entry(typed: &OsStr, complete: impl Fn(&str) -> Vec<CompletionCandidate>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let (before, start) = typed
        .rsplit_once(',')
        .map_or(("", &*typed), |(before, start)| (&typed[..=before.len()], start));
    let candidates = complete(start).into_iter();
    candidates.map(|entry| entry.add_prefix(before)).collect()
}

/// Completes the metrics of the project's metric sets.
fn complete_metrics(typed: &OsStr) -> Vec<CompletionCandidate> {
    complete_last_entry(typed, metrics_that_start_with)
}

/// Completes the keys of queries: periods, and dimensions of the project's metric sets.
fn complete_keys(typed: &OsStr) -> Vec<CompletionCandidate> {
    complete_last_entry(typed, |start| {
        let keys = project_metric_sets().flat_map(|set| definition_candidates(set.dimensions_of_set(), start));
        periods_that_start_with(start).chain(keys).collect()
    })
}

/// Completes names by which the rows of a query can be sorted: its keys and metrics.
fn complete_sort_keys(typed: &OsStr) -> Vec<CompletionCandidate> {
    complete_last_entry(typed, |start| {
        let names = project_metric_sets()
            .flat_map(|set| definition_candidates(set.dimensions_of_set().chain(set.metrics_of_set()), start));
        periods_that_start_with(start).chain(names).collect()
    })
}

fn complete_periods(typed: &OsStr) -> Vec<CompletionCandidate> {
    periods_that_start_with(&typed.to_string_lossy()).collect()
}

fn periods_that_start_with(start: &str) -> impl Iterator<Item = CompletionCandidate> {
    let periods = formulac::PERIODS
        .into_iter()
        .filter(move |period| period.starts_with(start));
    periods.map(CompletionCandidate::new)
}

/// Returns the definitions whose names start with a string, with their descriptions.
fn definition_candidates<'s>(
    definitions: impl Iterator<Item = (&'s str, Option<&'s str>)>,
    start: &str,
) -> Vec<CompletionCandidate> {
    let matching = definitions.filter(|(name, _)| name.starts_with(start));
    matching
        .map(|(name, description)| CompletionCandidate::new(name).help(description.map(|text| text.to_owned().into())))
        .collect()
}

/// Returns the metrics of the project's metric sets, with their descriptions.
fn metrics_that_start_with(start: &str) -> Vec<CompletionCandidate> {
    let mut candidates = Vec::new();
    for set in project_metric_sets() {
        let name = set.metric_set().unwrap_or_default();
        for (metric, description) in set.metrics_of_set() {
            let full = format!("{name}.{metric}");
            if full.starts_with(start) {
                let help = description.map(|text| text.to_owned().into());
                candidates.push(CompletionCandidate::new(full).help(help));
            }
        }
    }
    candidates
}

/// Returns the project's metric sets.
fn project_metric_sets() -> impl Iterator<Item = CompiledSpec> {
    let compiler = Compiler::default();
    let texts = project_specs().into_iter().filter_map(|path| read_text(&path).ok());
    let sets = texts.filter(|text| text.contains("metric_set:"));
    sets.map(move |text| compiler.compile_spec(&text))
}

/// Completes metrics after `metric:`, and metric sets after `metric_set:`. `None` for other words.
fn complete_metric_names(typed: &str) -> Option<Vec<CompletionCandidate>> {
    let (method, start) = typed.split_once(':')?;
    let candidates: Vec<CompletionCandidate> = match method {
        "metric" => metrics_that_start_with(start),
        "metric_set" => {
            let names = project_metric_sets().filter_map(|set| set.metric_set().map(str::to_owned));
            let names = names.filter(|name| name.starts_with(start));
            names.map(CompletionCandidate::new).collect()
        }
        _ => return None,
    };
    let before = format!("{method}:");
    Some(candidates.into_iter().map(|name| name.add_prefix(&before)).collect())
}

/// Completes model names, and metrics such as `metric:orders.revenue`.
fn complete_models_and_metrics(typed: &OsStr) -> Vec<CompletionCandidate> {
    let start = typed.to_string_lossy();
    complete_metric_names(&start).unwrap_or_else(|| {
        let methods = selection_methods_that_start_with(&METRIC_SELECTION_PREFIXES, &start);
        complete_models(typed).into_iter().chain(methods).collect()
    })
}

fn selection_methods_that_start_with(methods: &[&'static str], start: &str) -> Vec<CompletionCandidate> {
    let methods = methods.iter().filter(|method| method.starts_with(start));
    methods.map(CompletionCandidate::new).collect()
}

/// Completes model names, taken from their specs.
fn complete_models(typed: &OsStr) -> Vec<CompletionCandidate> {
    let start = typed.to_string_lossy();
    let names = project_specs().into_iter().filter_map(|path| {
        let text = read_text(&path).ok()?;
        let name = text
            .lines()
            .find_map(|line| line.strip_prefix("model:"))?
            .trim()
            .trim_matches(['"', '\'']);
        (!name.is_empty() && name.starts_with(&*start)).then(|| name.to_owned())
    });
    names.map(CompletionCandidate::new).collect()
}

/// Completes model names, metrics, and the prefixes of other selection methods, such as `tag:`.
fn complete_selections(typed: &OsStr) -> Vec<CompletionCandidate> {
    let start = typed.to_string_lossy();
    // `+` and `@` are prefixes of a name, and completion preserves them.
    let name = start.trim_start_matches(['+', '@']);
    let before = &start[..start.len() - name.len()];
    let candidates = complete_metric_names(name).unwrap_or_else(|| complete_models(OsStr::new(name)));
    let names = candidates.into_iter().map(|model| model.add_prefix(before));
    let methods = [
        ["tag:", "path:", "state:modified"].as_slice(),
        &METRIC_SELECTION_PREFIXES,
    ]
    .concat();
    names
        .chain(selection_methods_that_start_with(&methods, &start))
        .collect()
}

/// Returns the spec files of the project in the shell's working directory.
fn project_specs() -> Vec<PathBuf> {
    let Ok(Some((project, root))) = project::read_project_with_folder(None) else {
        return Vec::new();
    };
    project::find_specs(&root.join(project.specs().unwrap_or(project::DEFAULT_SPECS_FOLDER))).unwrap_or_default()
}
