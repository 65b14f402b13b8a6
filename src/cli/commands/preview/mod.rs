//! `formulac preview`: runs a spec and shows its rows.

mod table;

use std::path::Path;

use formulac::{Compiler, Project};
use serde_json::json;

use crate::cli::args::{PreviewArgs, TargetOptions};
use crate::cli::context::{CommandContext, report_assumptions};
use crate::cli::engine::{Engine, EngineRequest, QueryResult};
use crate::cli::exit::{Exit, Failure, FileDiagnostics};
use crate::cli::generation::CompiledProject;
use crate::cli::metrics_query::{self, replace_keys_with_options};
use crate::cli::project;
use crate::cli::session::{Session, Stream, diagnostics_json};
use crate::cli::source::SourceText;
use formulac::diag::{Code, Diagnostic};

/// Help message for a relation that has no file in the `--data` folder.
const MISSING_FILE_HELP: &str = "correct the name, or put a file with this name into the `--data` folder";

/// Result of previewing a spec: its SQL and rows, if they are available.
#[derive(Debug, Default)]
struct PreviewOutcome {
    name: Option<String>,
    sql: Option<String>,
    answer: Option<QueryResult>,
    diagnostics: Vec<FileDiagnostics>,
}

pub fn run(session: &Session, args: &PreviewArgs) -> Result<Exit, Failure> {
    let project = project::read(session.global.project_dir.as_deref())?;
    let mut engine = Engine::select(session, &args.engine, &project)?;
    let target = TargetOptions {
        dialect: None,
        schema: args.engine.schema.clone(),
    };
    let (path, source) = if args.metrics.describes_query() {
        (None, args.metrics.spec(None))
    } else {
        let path =
            CompiledProject::require_single_spec(session, &target, args.spec.as_deref(), &args.selection, "preview")?;
        let source = SourceText::from_file(&path);
        (Some(path), source)
    };
    let alone = Compiler::default().compile_spec(&source.text);
    if !alone.is_over_sets() {
        engine.retain_tables(alone.tables());
    }
    let mut outcome = match run_preview(session, args, &project, &mut engine, path.as_deref(), source) {
        Err(Failure::Found(diagnostics)) => PreviewOutcome {
            diagnostics,
            ..PreviewOutcome::default()
        },
        outcome => outcome?,
    };
    replace_keys_with_options(&mut outcome.diagnostics);
    let exit = Exit::from_failures(&outcome.diagnostics);
    if args.json {
        let answer = outcome.answer.as_ref();
        session.print_json(&json!({
            "engine": engine.name(),
            "engine_version": answer.map(|answer| answer.version.as_str()),
            "name": outcome.name,
            "sql": outcome.sql,
            "columns": answer.map(QueryResult::columns_json).unwrap_or_default(),
            "rows": answer.map(QueryResult::rows_json).unwrap_or_default(),
            "more": answer.is_some_and(|answer| answer.more),
            "diagnostics": diagnostics_json(&outcome.diagnostics),
        }))?;
    } else {
        session.report_repeated_warnings(&outcome.diagnostics);
        if let Some(answer) = &outcome.answer {
            print_table(session, answer)?;
        }
    }
    if let Some(answer) = &outcome.answer {
        session.report_action(&answer.summary());
    }
    Ok(exit)
}

/// Prints the table to standard output, and a message about omitted columns to standard error.
fn print_table(session: &Session, answer: &QueryResult) -> Result<(), Failure> {
    let (text, left_out) = table::format_table(answer, max_width());
    session.print_data(&text)?;
    if left_out > 0 {
        let columns = match left_out {
            1 => "column is".to_owned(),
            count => format!("{count} columns are"),
        };
        session.report_action(&format!(
            "the last {columns} not shown; `--json` shows all {} columns",
            answer.columns.len()
        ));
    }
    Ok(())
}

/// Returns the maximum line width in characters: the value of `COLUMNS` if set, otherwise the width of the terminal.
/// Returns `None` if the width is unlimited.
fn max_width() -> Option<u16> {
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.trim().parse::<u16>().ok())
        .filter(|n| *n > 0);
    let terminal_width = || terminal_size::terminal_size().map(|(width, _)| width.0);
    columns.or_else(|| {
        if Stream::Data.is_terminal() {
            terminal_width()
        } else {
            None
        }
    })
}

fn run_preview(
    session: &Session,
    args: &PreviewArgs,
    project: &Project,
    engine: &mut Engine,
    path: Option<&Path>,
    source: SourceText,
) -> Result<PreviewOutcome, Failure> {
    let dialect = engine.dialect(project)?;
    if let Some(project_dialect) = project.dialect().filter(|own_dialect| *own_dialect != dialect) {
        session.report_action(&format!(
            "compiled for {dialect}, not for the project's {project_dialect}"
        ));
    }
    let target = TargetOptions {
        dialect: Some(dialect),
        schema: args.engine.schema.clone(),
    };
    let context = CommandContext::new(session, &target)?;
    let schema = if target.schema.is_none() {
        engine.infer_data_schema(dialect)?
    } else {
        None
    };
    let data = context.data_file_context(schema);
    let path = path.and_then(|path| context.project_path(path));
    let specs = context.compile_specs(&data.compiler, vec![(source, path)])?;
    let Some(mut spec) = specs.into_iter().next() else {
        return Ok(PreviewOutcome::default());
    };
    spec.reject_metric_set()?;
    if context.workspace.is_some() && !args.metrics.describes_query() {
        spec.add_model_warnings();
    }
    report_assumptions(session, context.workspace.as_ref(), &spec.compiled);
    if args.engine.schema.is_none() && args.engine.data.is_some() {
        // Without `--schema`, the schema is inferred from the data files, so an unknown relation means a missing file.
        let is_similar = |fault: &Diagnostic| fault.help().is_some_and(|help| help.starts_with("did you mean"));
        let with_missing_file_help = |fault: Diagnostic| match fault.kind() {
            Code::UnknownRelation if !is_similar(&fault) => fault.with_help(MISSING_FILE_HELP),
            _ => fault,
        };
        spec.file_diagnostics.diagnostics = std::mem::take(&mut spec.file_diagnostics.diagnostics)
            .into_iter()
            .map(with_missing_file_help)
            .collect();
    }
    let sql = if engine.runs_models() {
        spec.file_diagnostics.diagnostics.extend(spec.model_fault.take());
        spec.ordered.take()
    } else {
        spec.query.take()
    };
    let mut outcome = PreviewOutcome {
        name: spec.name.take(),
        sql,
        answer: None,
        diagnostics: Vec::new(),
    };
    let compiles = Exit::from_diagnostics(&spec.file_diagnostics.diagnostics) == Exit::Done;
    if let Some(sql) = outcome.sql.as_deref().filter(|_| compiles) {
        let subject = match outcome.name.as_deref() {
            Some(metrics_query::QUERY_SPEC_NAME) => "the rows of the query".to_owned(),
            name => format!("the rows of {}", name.unwrap_or("the spec")),
        };
        let request = EngineRequest {
            sql,
            what: &subject,
            columns: &spec.columns,
            tables: &spec.tables,
            own_limit: spec.limit,
            limit: args.limit,
            timed: None,
        };
        match engine.answer(request, Some(&data.typed)) {
            Ok(answer) => outcome.answer = Some(answer),
            Err(Failure::Found(diagnostics)) => outcome.diagnostics = diagnostics,
            Err(failure) => return Err(failure),
        }
    }
    outcome.diagnostics.insert(0, spec.file_diagnostics);
    Ok(outcome)
}
