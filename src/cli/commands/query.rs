//! `formulac query`: compiles a spec to plain SQL.

use formulac::{Column, ColumnLineage, CompiledSpec, Dialect};
use serde_json::{Value, json};

use crate::cli::args::QueryArgs;
use crate::cli::context::{CommandContext, report_assumptions};
use crate::cli::exit::{Exit, Failure};
use crate::cli::generation::CompiledProject;
use crate::cli::metrics_query::replace_keys_with_options;
use crate::cli::session::{Session, diagnostics_json};
use crate::cli::spec::Spec;

pub fn run(session: &Session, args: &QueryArgs) -> Result<Exit, Failure> {
    let (dialect, spec, mut diagnostics) = match compile_query(session, args) {
        Ok((dialect, mut spec)) => {
            let file_diagnostics = vec![std::mem::take(&mut spec.file_diagnostics)];
            (dialect, spec, file_diagnostics)
        }
        Err(Failure::Found(diagnostics)) => (args.target.dialect.unwrap_or_default(), Spec::default(), diagnostics),
        Err(failure) => return Err(failure),
    };
    replace_keys_with_options(&mut diagnostics);
    let columns = spec.compiled.as_ref().filter(|_| spec.query.is_some());
    let columns = columns.map_or_else(Vec::new, columns_json);
    let Spec { name, query, .. } = spec;
    if args.json {
        session.print_json(&json!({
            "dialect": dialect.name(),
            "name": name,
            "sql": query,
            "columns": columns,
            "diagnostics": diagnostics_json(&diagnostics),
        }))?;
    } else {
        session.print_data(query.as_deref().unwrap_or_default())?;
        session.report_repeated_warnings(&diagnostics);
    }
    Ok(Exit::from_failures(&diagnostics))
}

/// Returns the columns of a query as JSON.
fn columns_json(compiled: &CompiledSpec) -> Vec<Value> {
    let lineage = compiled.lineage();
    let sources_of = |name: &str| -> Vec<String> {
        let lineage_entry = lineage
            .iter()
            .find(|column_lineage| column_lineage.column().eq_ignore_ascii_case(name));
        let sources = lineage_entry.into_iter().flat_map(ColumnLineage::sources);
        sources
            .map(|source| format!("{}.{}", source.relation(), source.column()))
            .collect()
    };
    let is_key = |name: &str| compiled.key().iter().any(|key| key.eq_ignore_ascii_case(name));
    let column_json = |column: &Column| {
        let name = column.name();
        json!({
            "name": name,
            "type": column.ty().name(),
            "nullable": column.is_nullable(),
            "key": is_key(name),
            "label": compiled.column_label(name),
            "format": compiled.column_format(name),
            "metrics": compiled.metrics_of_column(name),
            "columns": sources_of(name),
        })
    };
    compiled.columns().iter().map(column_json).collect()
}

fn compile_query(session: &Session, args: &QueryArgs) -> Result<(Dialect, Spec), Failure> {
    let (context, sources) = if args.metrics.describes_query() {
        let context = CommandContext::new(session, &args.target)?;
        (context, vec![(args.metrics.spec(args.limit), None)])
    } else {
        let file = CompiledProject::require_single_spec(
            session,
            &args.target,
            args.spec.as_deref(),
            &args.selection,
            "query",
        )?;
        let context = CommandContext::new(session, &args.target)?;
        let sources = context.read_sources(&[file]);
        (context, sources)
    };
    let mut spec = context
        .compile_specs(&context.compiler(), sources)?
        .pop()
        .unwrap_or_default();
    spec.reject_metric_set()?;
    if args.metrics.describes_query() {
        spec.name = None;
    } else if context.workspace.is_some() {
        spec.add_model_warnings();
    }
    report_assumptions(session, context.workspace.as_ref(), &spec.compiled);
    Ok((context.dialect, spec))
}
