//! `formulac explain`: explains what a formula computes and how it is parsed, how the query of a model is computed, or
//! what a diagnostic means.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use formulac::impact::show::{DrawnNode, GraphDrawing};
use formulac::{CompiledSpec, Compiler, Definition, Dialect, QueryPlan, Type};
use formulac_syntax::text::is_word_char;
use serde_json::{Map, Value, json};

use crate::cli::args::ExplainArgs;
use crate::cli::commands::compile::{CompileOutcome, compile, compile_nonempty_source, definition_json};
use crate::cli::context::CommandContext;
use crate::cli::diagnostic_page::{self, wrap_text};
use crate::cli::exit::{Exit, Failure};
use crate::cli::formula_parts::{self, FormulaNode};
use crate::cli::generation::CompiledProject;
use crate::cli::project;
use crate::cli::sentence::{self, Sentence};
use crate::cli::session::{Session, diagnostics_json};
use crate::cli::source::SourceText;
use crate::cli::usage::{reject_file_as_formula, reject_option_as_formula};
use crate::cli::workspace::Workspace;
use formulac::diag::Code;
use formulac::diag::render;
use formulac::diag::suggest::similar_name_help_or;

/// Result of compiling the entire source for one dialect.
struct CompiledDialectSql {
    dialect: Dialect,
    outcome: CompileOutcome,
}

pub fn run(session: &Session, args: &ExplainArgs) -> Result<Exit, Failure> {
    if args.expand || args.plan {
        reject_formula_argument(&args.subject)?;
        return match args.expand {
            true => expand_spec(session, args),
            false => explain_plan(session, args),
        };
    }
    if let Some(word) = args.subject.to_str() {
        if let Some(code) = Code::parse(word) {
            return explain_code(session, code, args.json);
        }
        if looks_like_diagnostic_code(word) {
            let help = similar_name_help_or(word, Code::ALL.iter().map(|c| c.code()), || {
                "use a code from a diagnostic, such as `F0301`".to_owned()
            });
            return Err(Failure::new(Exit::Faulty, format!("there is no diagnostic `{word}`")).with_help(help));
        }
    }
    reject_option_as_formula(&args.subject)?;
    reject_file_as_formula(&args.subject, "explain", "a formula or the code of a diagnostic")?;
    print_note_about_model(session, &args.subject)?;
    explain_formula(session, args)
}

/// Reports that an option needs a spec instead of a formula.
fn reject_formula_argument(subject: &OsStr) -> Result<(), Failure> {
    let (subject_text, path) = (subject.to_string_lossy(), Path::new(subject));
    let is_formula = subject_text.contains(|c: char| c.is_whitespace() || "()=+*<>&\"".contains(c));
    if !is_formula || project::is_yaml(path) || path.exists() {
        return Ok(());
    }
    let message = format!("`{subject_text}` is a formula, and a formula alone has no query");
    Err(Failure::new(Exit::Usage, message)
        .with_help("write a spec with `from` and the formula, and specify the spec's file or the name of its model"))
}

/// Prints the spec of a model that is built on metric sets, with the definitions from the metric sets written out.
fn expand_spec(session: &Session, args: &ExplainArgs) -> Result<Exit, Failure> {
    let target = &args.settings.target;
    let file = CompiledProject::find_named_spec(session, target, Path::new(&args.subject))?;
    let context = CommandContext::new(session, target)?;
    let sources = context.read_sources(&[file]);
    let mut specs = context.compile_specs(&context.compiler(), sources)?;
    let mut spec = specs.pop().unwrap_or_default();
    let diagnostics = vec![std::mem::take(&mut spec.file_diagnostics)];
    let compiled = spec.compiled.as_ref();
    let expanded = compiled.and_then(CompiledSpec::expanded);
    let exit = Exit::from_failures(&diagnostics);
    if expanded.is_none() && exit == Exit::Done {
        session.report(&diagnostics);
        let message = format!("`{}` reads no metric sets", args.subject.to_string_lossy());
        return Err(Failure::new(Exit::Faulty, message).with_help("`--expand` needs a spec with `metrics`"));
    }
    if args.json {
        session.print_json(&json!({
            "dialect": context.dialect.name(),
            "name": spec.name,
            "spec": expanded,
            "diagnostics": diagnostics_json(&diagnostics),
        }))?;
        return Ok(exit);
    }
    if let Some(text) = expanded {
        session.print_data(text)?;
    }
    session.report(&diagnostics);
    Ok(exit)
}

/// Prints the relational operators of the query of a model.
fn explain_plan(session: &Session, args: &ExplainArgs) -> Result<Exit, Failure> {
    let target = &args.settings.target;
    let file = CompiledProject::find_named_spec(session, target, Path::new(&args.subject))?;
    let context = CommandContext::new(session, target)?;
    let sources = context.read_sources(&[file]);
    let compiler = context.builder().plans(true).build();
    let mut spec = context.compile_specs(&compiler, sources)?.pop().unwrap_or_default();
    spec.reject_metric_set()?;
    spec.add_model_diagnostics();
    let plan = spec.compiled.as_ref().and_then(CompiledSpec::plan);
    let diagnostics = vec![std::mem::take(&mut spec.file_diagnostics)];
    if args.json {
        session.print_json(&json!({
            "dialect": context.dialect.name(),
            "name": spec.name,
            "parts": plan.map(|plan| &plan.parts),
            "diagnostics": diagnostics_json(&diagnostics),
        }))?;
    } else {
        if let Some(plan) = plan {
            session.print_data(&match args.format.as_str() {
                "mermaid" => plan_graph(plan).to_mermaid(),
                "dot" => plan_graph(plan).to_dot(),
                _ => render::escape_hidden(&plan.to_string()).into_owned(),
            })?;
        }
        session.report(&diagnostics);
    }
    Ok(Exit::from_failures(&diagnostics))
}

/// Returns the plan as a graph. The label of the last operator of each CTE includes the CTE's name, and the label of
/// the last operator includes the model's name.
fn plan_graph(plan: &QueryPlan) -> GraphDrawing {
    let mut drawing = GraphDrawing::default();
    let id = |part: usize, operator: usize| format!("{part}.{operator}");
    for (index, part) in plan.parts.iter().enumerate() {
        for (position, operator) in part.operators.iter().enumerate() {
            let name = if position + 1 == part.operators.len() {
                format!("{}\n", part.name)
            } else {
                String::new()
            };
            let source_id = operator.part.and_then(|part_index| {
                let last = plan.parts.get(part_index)?.operators.len().checked_sub(1)?;
                Some(id(part_index, last))
            });
            let inputs = operator.inputs.iter().map(|input| id(index, *input));
            drawing
                .edges
                .extend(inputs.chain(source_id).map(|input| (input, id(index, position))));
            drawing
                .nodes
                .push(DrawnNode::new(id(index, position), format!("{name}{operator}"), ""));
        }
    }
    drawing
}

/// Prints a note if the formula is also the name of a model.
fn print_note_about_model(session: &Session, subject: &OsStr) -> Result<(), Failure> {
    let text = subject.to_string_lossy();
    let is_name = text.chars().all(is_word_char);
    let Some(workspace) = Workspace::find_workspace(session)?.filter(|_| is_name) else {
        return Ok(());
    };
    let compiler = Compiler::default();
    let is_model = |source: &SourceText| compiler.compile_spec(&source.text).name() == Some(&*text);
    if workspace.sources()?.iter().any(|(source, _)| is_model(source)) {
        session.report_note(&format!(
            "`{text}` is also a model: `formulac query {text}` shows its SQL"
        ));
    }
    Ok(())
}

/// Returns whether a word looks like a diagnostic code: `F` or `W`, followed by four digits. Real worksheets do not use
/// cells such as F9999.
fn looks_like_diagnostic_code(word: &str) -> bool {
    let digits = word.strip_prefix(['F', 'f', 'W', 'w']);
    digits.is_some_and(|d| d.len() == 4 && d.bytes().all(|b| b.is_ascii_digit()))
}

fn explain_code(session: &Session, code: Code, as_json: bool) -> Result<Exit, Failure> {
    if as_json {
        session.print_json(&diagnostic_page::diagnostic_page_json(code))?;
    } else {
        session.print_data(&diagnostic_page::diagnostic_page_text(code))?;
    }
    Ok(Exit::Done)
}

fn explain_formula(session: &Session, args: &ExplainArgs) -> Result<Exit, Failure> {
    let settings = &args.settings;
    let source = SourceText::from_argument(&args.subject);
    let context = CommandContext::new(session, &settings.target)?;
    let main = context.dialect;
    let target_dialect = settings.target.dialect;
    let formulas = context.formula_compiler(session, settings, &source.text)?;
    let compiler = &formulas.compiler;
    let outcome = compile_nonempty_source(compiler, source);
    let parts = formula_parts::formula_parts(compiler, &outcome.file_diagnostics.text);
    let sentences = sentence::sentences(&outcome.file_diagnostics.text, &parts);
    let mut others = Vec::new();
    for dialect in Dialect::verified().filter(|d| *d != main && target_dialect.is_none()) {
        let file_diagnostics = &outcome.file_diagnostics;
        let copy = SourceText {
            name: file_diagnostics.file.clone(),
            text: file_diagnostics.text.clone(),
            fault: None,
        };
        let compiler = compiler.in_dialect(dialect);
        others.push(CompiledDialectSql {
            dialect,
            outcome: compile(&compiler, copy),
        });
    }
    formulas.report_undecided_types(session, &outcome);
    let main = CompiledDialectSql { dialect: main, outcome };
    if args.json {
        session.print_json(&explanation_json(&main, &others, &parts, &sentences))?;
    } else {
        // An explanation of a formula with errors would only be a guess.
        if Exit::from_diagnostics(&main.outcome.file_diagnostics.diagnostics) == Exit::Done {
            session.print_data(&format_explanation(&main, &others, &parts, &sentences))?;
        }
        session.report(std::slice::from_ref(&main.outcome.file_diagnostics));
    }
    Ok(Exit::from_diagnostics(&main.outcome.file_diagnostics.diagnostics))
}

/// Formats the explanation: the sentences, then the type, level and SQL of each definition, then the tree
/// and the tokens.
fn format_explanation(
    main: &CompiledDialectSql,
    others: &[CompiledDialectSql],
    parts: &[FormulaNode],
    sentences: &[Sentence],
) -> String {
    let source = &main.outcome.file_diagnostics.text;
    let mut out = String::new();
    for Sentence { name, text, .. } in sentences {
        let prefix = name.as_ref().map_or_else(String::new, |name| format!("{name}: "));
        out.extend(
            wrap_text(&format!("{prefix}{text}"), 100)
                .into_iter()
                .flat_map(|line| [line, "\n".to_owned()]),
        );
    }
    for definition in main.outcome.definitions() {
        let blank = if definition.nullable() {
            "may be NULL"
        } else {
            "never NULL"
        };
        let (name, ty, level) = (
            definition.name().unwrap_or("result"),
            definition.ty(),
            definition.level(),
        );
        let _ = writeln!(out, "\n{name}\n  {ty}, {level}, {blank}");
        let columns: Vec<String> = definition
            .columns()
            .map(|c| match c.assumed() {
                None => c.path(),
                Some(Type::Unknown) => format!("{} (of unknown type)", c.path()),
                Some(ty) => format!("{} (assumed to be {})", c.path(), ty.describe()),
            })
            .collect();
        if !columns.is_empty() {
            let _ = writeln!(out, "  reads {}", columns.join(", "));
        }
        for sql in std::iter::once(main).chain(others) {
            let why = || {
                sql.outcome
                    .file_diagnostics
                    .diagnostics
                    .iter()
                    .find(|d| d.is_error())
                    .map_or("-", |d| d.message())
            };
            let _ = writeln!(
                out,
                "  {:<9}  {}",
                sql.dialect.name(),
                sql.definition_sql(definition).unwrap_or_else(why)
            );
        }
    }
    let meanings = main.outcome.cell_descriptions();
    if !meanings.is_empty() {
        let _ = writeln!(out, "\ncells");
    }
    for (span, words) in meanings {
        let _ = writeln!(out, "  {:<10} {words}", span.text(source));
    }
    let _ = writeln!(
        out,
        "\ntree{}",
        if parts.iter().any(|p| p.definition.is_some()) {
            ", with type, level and SQL"
        } else {
            ""
        }
    );
    let label = |part: &FormulaNode| format!("{}{}", "  ".repeat(part.depth + 1), part.label);
    let width = parts
        .iter()
        .map(|p| label(p).chars().count())
        .max()
        .unwrap_or(0)
        .min(40);
    for part in parts {
        let _ = match &part.definition {
            Some(definition) => {
                let (ty, level) = (definition.ty().name(), definition.level().name());
                writeln!(
                    out,
                    "{:<width$}  {ty:<9}  {level:<9}  {}",
                    label(part),
                    definition.sql()
                )
            }
            None => writeln!(out, "{}", label(part)),
        };
    }
    let _ = writeln!(out, "\ntokens");
    for word in formula_parts::source_tokens(source) {
        let _ = writeln!(out, "  {:<10} {}", word.kind, word.span.text(source));
    }
    out.trim_start_matches('\n').to_owned()
}

impl CompiledDialectSql {
    /// Returns the SQL of the same definition in this dialect, or `None` if it does not compile.
    fn definition_sql(&self, definition: &Definition) -> Option<&str> {
        self.outcome
            .definitions()
            .iter()
            .find(|d| d.span() == definition.span())
            .map(Definition::sql)
    }
}

fn explanation_json(
    main: &CompiledDialectSql,
    others: &[CompiledDialectSql],
    parts: &[FormulaNode],
    sentences: &[Sentence],
) -> Value {
    let source = &main.outcome.file_diagnostics.text;
    let definition = |definition: &Definition| {
        let dialects = std::iter::once(main).chain(others);
        let sql: Map<String, Value> = dialects
            .map(|sql| (sql.dialect.name().to_owned(), json!(sql.definition_sql(definition))))
            .collect();
        let mut value = definition_json(definition);
        let sentence = sentences.iter().find(|sentence| sentence.span == definition.span());
        if let Value::Object(fields) = &mut value {
            fields.insert("sql".to_owned(), Value::Object(sql));
            let sentence = sentence.map(|sentence| &sentence.text);
            fields.insert("summary".to_owned(), json!(sentence));
        }
        value
    };
    let summary: Vec<&str> = sentences.iter().map(|sentence| sentence.text.as_str()).collect();
    json!({
        "dialect": main.dialect.name(),
        "summary": summary.join(" "),
        "tokens": formula_parts::source_tokens(source).iter().map(|w| formula_parts::token_json(w, source)).collect::<Vec<_>>(),
        "tree": parts.iter().map(formula_parts::formula_node_json).collect::<Vec<_>>(),
        "definitions": main.outcome.definitions().iter().map(definition).collect::<Vec<_>>(),
        "cells": main.outcome.cell_descriptions().iter().map(|(span, words)| {
            json!({"text": span.text(source), "span": span, "means": words})
        }).collect::<Vec<_>>(),
        "diagnostics": render::report_json(&main.outcome.file_diagnostics.report()),
    })
}
