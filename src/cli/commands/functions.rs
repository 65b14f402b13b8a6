//! `formulac functions`: lists the function catalogue, or shows one entry with its SQL.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use formulac::catalog::{self, Function, Param, ParamType};
use formulac::{Compiler, Context, Dialect, Level, Type};
use serde_json::{Map, Value, json};

use crate::cli::args::FunctionsArgs;
use crate::cli::commands::prove::report::{ProofCounts, ProofReport};
use crate::cli::diagnostic_page::wrap_text;
use crate::cli::exit::{Exit, Failure, FileDiagnostics};
use crate::cli::session::{Session, diagnostics_json};
use crate::cli::workspace::Workspace;
use formulac::diag::{Code, Diagnostic};
use formulac::span::Span;

/// Minimum width of the column with the names of dialects.
const MIN_DIALECT_WIDTH: usize = 9;

/// Support matrix with one row per function and one column per dialect. A test writes this file.
const SUPPORT_MATRIX: &str = include_str!("../../../docs/matrix.md");

pub fn run(session: &Session, args: &FunctionsArgs) -> Result<Exit, Failure> {
    let matched_functions = match &args.name {
        Some(name) => match catalog::lookup(name) {
            Some(function) => vec![function],
            None => return report_unknown_function(session, args, name),
        },
        None => search_functions(args.search.as_deref()),
    };
    // Show the catalogue even outside of a project or in a project with errors. The list without `--json` needs no
    // project, because it does not include reports from `prove`.
    let workspace = (args.json || args.name.is_some()).then(|| Workspace::find_workspace(session).ok().flatten());
    let reports = workspace
        .flatten()
        .map(|workspace| ProofReport::read_all(&workspace.root))
        .unwrap_or_default();
    if args.json {
        // The constructs of all functions amount to a megabyte, so they are listed only for a function that is
        // requested by name.
        let with_constructs = args.name.is_some();
        let functions: Vec<Value> = matched_functions
            .iter()
            .map(|f| function_json(f, args.dialect, &reports, with_constructs))
            .collect();
        session.print_json(&json!({"functions": functions}))?;
    } else if args.name.is_some() {
        let entries = matched_functions
            .iter()
            .map(|f| format_entry(f, args.dialect, &reports));
        session.print_data(&entries.collect::<String>())?;
    } else {
        session.print_data(&format_list(&matched_functions))?;
    }
    if matched_functions.is_empty() {
        let text = args.search.as_deref().unwrap_or_default();
        return Err(Failure::new(
            Exit::Faulty,
            format!("no function has `{text}` in its name, summary or notes"),
        ));
    }
    Ok(Exit::Done)
}

/// Reports an unknown function with the same diagnostic and suggestion as a formula that calls the function.
fn report_unknown_function(session: &Session, args: &FunctionsArgs, name: &str) -> Result<Exit, Failure> {
    let span = Span::new(0, name.len() as u32);
    let faults = Compiler::default().check(&format!("={name}(x)"));
    let help = faults
        .iter()
        .find(|fault| fault.kind() == Code::UnknownFunction)
        .and_then(Diagnostic::help);
    let help = help.unwrap_or("run `formulac functions` to list all functions");
    let diagnostics =
        vec![Diagnostic::new(Code::UnknownFunction, span, format!("unknown function `{name}`")).with_help(help)];
    let file_diagnostics = vec![FileDiagnostics {
        file: "<name>".to_owned(),
        text: name.to_owned(),
        diagnostics,
    }];
    if !args.json {
        return Err(Failure::Found(file_diagnostics));
    }
    session.print_json(&json!({"functions": [], "diagnostics": diagnostics_json(&file_diagnostics)}))?;
    Ok(Exit::from_failures(&file_diagnostics))
}

fn search_functions(text: Option<&str>) -> Vec<&'static Function> {
    let text = text.unwrap_or_default().to_lowercase();
    let has = |part: &str| part.to_lowercase().contains(&text);
    catalog::functions()
        .filter(|f| has(f.name) || f.aliases.iter().any(|a| has(a)) || has(f.summary) || has(f.notes))
        .collect()
}

/// Lists functions by category, one line per function.
fn format_list(functions: &[&Function]) -> String {
    let mut groups: BTreeMap<&str, Vec<&Function>> = BTreeMap::new();
    for function in functions {
        groups.entry(function.category).or_default().push(function);
    }
    let width = functions.iter().map(|f| f.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for (category, functions) in groups {
        let _ = writeln!(out, "{}{category}", if out.is_empty() { "" } else { "\n" });
        for function in functions {
            let _ = writeln!(out, "  {:<width$}  {}", function.name, function.summary);
        }
    }
    out
}

fn format_entry(function: &Function, dialect: Option<Dialect>, reports: &[ProofReport]) -> String {
    let mut out = format!("{}\n\n", function.signature());
    for line in wrap_text(function.summary, 80) {
        let _ = writeln!(out, "{line}");
    }
    let width = function.args.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut section = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            let _ = writeln!(out, "\n{title}");
            for line in lines {
                let _ = writeln!(out, "  {line}");
            }
        }
    };
    section(
        "Arguments",
        function
            .args
            .iter()
            .map(|(name, meaning)| format!("{name:<width$}  {meaning}"))
            .collect(),
    );
    section("Examples", function.examples.iter().map(|e| (*e).to_owned()).collect());
    let wrap = |text: &str| {
        if text.is_empty() {
            Vec::new()
        } else {
            wrap_text(text, 78)
        }
    };
    section("Warning (W0419)", wrap(function.caution));
    section("Notes", wrap(function.notes));
    let (call, level) = example_call(function);
    let sql = example_sql(function, &call, level, dialect);
    let names = sql.iter().map(|(dialect, _)| dialect.name().len());
    let width = names.max().unwrap_or_default().max(MIN_DIALECT_WIDTH);
    let mut reasons = sql.iter().filter_map(|(_, sql)| sql.as_ref().err());
    match reasons
        .next()
        .filter(|first| sql.len() > 1 && reasons.filter(|reason| reason == first).count() + 1 == sql.len())
    {
        // If no dialect can express a function as a single expression, the reason is the same for all dialects. An
        // example is a worksheet lookup.
        Some(reason) => section(
            "SQL",
            wrap_text(&format!("not available as a single expression: {reason}"), 78),
        ),
        None => {
            let lines = sql.iter().map(|(dialect, sql)| match sql {
                Ok(sql) => format!("{:<width$}  {sql}", dialect.name()),
                Err(reason) => format!("{:<width$}  not available: {reason}", dialect.name()),
            });
            section(&format!("SQL for {call}"), lines.collect());
        }
    }
    section(
        "Test cases",
        matrix_cells_by_dialect(function, dialect)
            .map(|(dialect, cell)| {
                let reason = dialect
                    .unverified()
                    .map_or(String::new(), |reason| format!(": {reason}"));
                format!("{:<width$}  {cell}{reason}", dialect.name())
            })
            .collect(),
    );
    let project_proofs = project_proofs_of_function(function, dialect, reports).map(|(report, counts)| {
        let open = match counts.total() - counts.proven {
            0 => String::new(),
            open => format!(", {open} not"),
        };
        let (day, _) = report.at.split_once('T').unwrap_or((&report.at, ""));
        let (name, proven) = (&report.dialect, counts.proven);
        format!(
            "{name:<width$}  {proven} proven{open}, in the environment {} on {day}",
            report.environment
        )
    });
    section("Proven here", project_proofs.collect());
    section(
        "Not verified",
        function.unverified.map_or(Vec::new(), |reason| wrap_text(reason, 78)),
    );
    let mut facts = vec![
        format!("{}, {}", function.category, function.describe_level()),
        function.describe_nulls().to_owned(),
    ];
    if !function.aliases.is_empty() {
        facts.push(format!("also {}", function.aliases.join(", ")));
    }
    facts.push(format!("source: {}", function.source));
    section("Facts", facts);
    section(
        "Related",
        function.related.iter().map(|name| (*name).to_owned()).collect(),
    );
    out
}

/// Returns this project's `formulac prove` reports that contain cases for a function.
fn project_proofs_of_function<'r>(
    function: &Function,
    dialect: Option<Dialect>,
    reports: &'r [ProofReport],
) -> impl Iterator<Item = (&'r ProofReport, ProofCounts)> {
    let name = function.name;
    reports
        .iter()
        .filter(move |report| dialect.is_none_or(|dialect| dialect.name() == report.dialect))
        .filter_map(move |report| Some((report, *report.subjects.get(name)?)))
}

fn function_json(
    function: &'static Function,
    dialect: Option<Dialect>,
    reports: &[ProofReport],
    with_constructs: bool,
) -> Value {
    let project_proofs: Vec<Value> = project_proofs_of_function(function, dialect, reports)
        .map(|(report, counts)| {
            json!({
                "dialect": report.dialect, "environment": report.environment, "at": report.at,
                "proven": counts.proven, "differs": counts.differs, "refused": counts.refused,
                "not_proven": counts.not_proven,
            })
        })
        .collect();
    let (call, level) = example_call(function);
    let sql: Map<String, Value> = example_sql(function, &call, level, dialect)
        .into_iter()
        .map(|(dialect, sql)| (dialect.name().to_owned(), json!(sql.ok())))
        .collect();
    let unverified: Map<String, Value> = Dialect::all()
        .filter(|candidate| dialect.is_none_or(|dialect| dialect == *candidate))
        .filter_map(|candidate| Some((candidate.name().to_owned(), json!(candidate.unverified()?))))
        .collect();
    let cells: Map<String, Value> = matrix_cells_by_dialect(function, dialect)
        .map(|(dialect, cell)| (dialect.name().to_owned(), json!(cell)))
        .collect();
    let dialects =
        Dialect::all().filter(|candidate| with_constructs && dialect.is_none_or(|dialect| dialect == *candidate));
    let constructs: Vec<Value> = dialects
        .flat_map(|fact_dialect| {
            fact_dialect
                .function_facts(function)
                .into_iter()
                .map(move |fact| (fact_dialect, fact))
        })
        .map(|(fact_dialect, fact)| {
            json!({
                "dialect": fact_dialect.name(), "section": fact.section, "construct": fact.text,
                "verdict": fact.own_verdict().name(), "source": fact.source, "depends_on": fact.parameters,
            })
        })
        .collect();
    let (least, most) = function.arity();
    let args: Vec<Value> = function
        .args
        .iter()
        .map(|(name, description)| json!({"name": name, "meaning": description}))
        .collect();
    json!({
        "name": function.name,
        "aliases": function.aliases,
        "category": function.category,
        "summary": function.summary,
        "signature": function.signature(),
        "least_arguments": least,
        "most_arguments": most,
        "arguments": args,
        "level": function.level.name(),
        "nulls": function.describe_nulls(),
        "volatile": function.volatile,
        "examples": function.examples,
        "notes": function.notes,
        "caution": function.caution,
        "source": function.source,
        "proven_here": project_proofs,
        "call": call,
        "sql": sql,
        "shown_by_cases": cells,
        "constructs": constructs,
        "unverified": function.unverified,
        "unverified_dialects": unverified,
        "related": function.related,
    })
}

/// Returns the function's cell in the support matrix, such as `verified 12`, for each dialect or for the chosen
/// dialect.
fn matrix_cells_by_dialect(
    function: &Function,
    selected_dialect: Option<Dialect>,
) -> impl Iterator<Item = (Dialect, &'static str)> {
    let row = SUPPORT_MATRIX
        .lines()
        .find_map(|line| line.strip_prefix("| ")?.strip_prefix(function.name)?.strip_prefix(" |"));
    let cells = row
        .unwrap_or_default()
        .split('|')
        .map(str::trim)
        .filter(|cell| !cell.is_empty());
    let cells = Dialect::all().zip(cells);
    cells.filter(move |(dialect, _)| selected_dialect.is_none_or(|target_dialect| target_dialect == *dialect))
}

/// Returns an example call to the function, and the context to compile the call in. Each argument is the parameter's
/// name, or 1 if the parameter must be a constant. If this call does not compile, returns the function's first example.
fn example_call(function: &Function) -> (String, Context) {
    let overload = function.overloads.iter().max_by_key(|o| o.params.len());
    let params = overload.map_or(&[][..], |o| o.params);
    let required_count = params.iter().filter(|p| !p.optional).count();
    let call = |count: usize, constants: bool| {
        let constant = |p: &Param| constants && matches!(p.ty, ParamType::Is(Type::Integer) | ParamType::Literal(..));
        let name = |p: &Param| if constant(p) { "1".to_owned() } else { p.name.to_owned() };
        let mut names: Vec<String> = params.iter().take(count).map(name).collect();
        if overload.is_some_and(|o| o.repeated) && count == params.len() {
            let last = names.pop().unwrap_or_default();
            names.extend([format!("{last}_1"), format!("{last}_2")]);
        }
        format!("{}({})", function.name, names.join(", "))
    };
    let counts = || (required_count..=params.len()).rev();
    let example = function
        .examples
        .first()
        .and_then(|e| e.rsplit_once(" = "))
        .map(|(call, _)| call.to_owned());
    let calls = counts()
        .map(|n| call(n, false))
        .chain(counts().map(|n| call(n, true)))
        .chain(example.clone());
    let contexts = [Context::Row, Context::Measure];
    let compiles = |call: &str, context: Context| {
        Dialect::all().any(|dialect| {
            example_compiler(function, dialect, context)
                .compile(&format!("={call}"))
                .into_result()
                .is_ok()
        })
    };
    calls
        .flat_map(|call| contexts.map(|context| (call.clone(), context)))
        .find(|(call, context)| compiles(call, *context))
        .unwrap_or_else(|| (example.unwrap_or_else(|| function.signature()), Context::Measure))
}

fn example_compiler(function: &Function, dialect: Dialect, context: Context) -> Compiler {
    let builder = Compiler::builder().dialect(dialect).context(context);
    // A window function requires a sort order.
    let builder = if function.level == Level::Window {
        builder.order_by(["month"])
    } else {
        builder
    };
    builder.build()
}

fn example_sql(
    function: &Function,
    call: &str,
    context: Context,
    target_dialect: Option<Dialect>,
) -> Vec<(Dialect, Result<String, String>)> {
    let dialects = Dialect::all().filter(|d| target_dialect.is_none_or(|c| c == *d));
    let compile = |dialect: Dialect| {
        let compiled = example_compiler(function, dialect, context).compile(&format!("={call}"));
        let why = || compiled.diagnostics().first().map_or("", |d| d.message()).to_owned();
        compiled
            .definitions()
            .first()
            .map(|d| d.sql().to_owned())
            .ok_or_else(why)
    };
    dialects.map(|dialect| (dialect, compile(dialect))).collect()
}
