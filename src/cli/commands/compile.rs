//! `formulac compile`: compiles formulas to SQL expressions.

use formulac::{Compiled, Compiler, Definition, Dialect, TypeSensitiveColumn};
use serde_json::{Map, Value, json};

use crate::cli::args::CompileArgs;
use crate::cli::context::{CommandContext, FormulaSettings};
use crate::cli::exit::{Exit, Failure, FileDiagnostics};
use crate::cli::project;
use crate::cli::session::{Session, diagnostics_json};
use crate::cli::source::SourceText;
use crate::cli::usage::{reject_file_as_formula, reject_option_as_formula};
use formulac::diag::render;
use formulac::diag::{Code, Diagnostic};
use formulac::span::Span;

/// Result of compiling a source.
#[derive(Debug)]
pub struct CompileOutcome {
    /// `None` if the source cannot be read, is not UTF-8 or is too large.
    compiled: Option<Compiled>,
    pub file_diagnostics: FileDiagnostics,
}

impl CompileOutcome {
    /// Returns the descriptions of worksheet cells, with their spans.
    pub fn cell_descriptions(&self) -> &[(Span, String)] {
        self.compiled.as_ref().map_or(&[], Compiled::meanings)
    }

    /// Returns the columns of unknown type that affect the SQL.
    pub fn undecided_types(&self, compiler: &Compiler) -> Vec<TypeSensitiveColumn> {
        let undecided = |compiled| compiler.undecided_types(&self.file_diagnostics.text, compiled);
        self.compiled.as_ref().map_or_else(Vec::new, undecided)
    }

    /// Returns the definitions that have no errors.
    pub fn definitions(&self) -> &[Definition] {
        self.compiled.as_ref().map_or(&[], Compiled::definitions)
    }
}

pub fn run(session: &Session, args: &CompileArgs) -> Result<Exit, Failure> {
    let source = read_source(args)?;
    let formulas = match formula_settings(session, args, &source) {
        Err(Failure::Found(diagnostics)) if args.json => {
            let dialect = args.settings.target.dialect.unwrap_or_default();
            session.print_json(&definitions_json(dialect, &[], &diagnostics_json(&diagnostics)))?;
            return Ok(Exit::from_failures(&diagnostics));
        }
        formulas => formulas?,
    };
    let dialect = formulas.compiler.dialect();
    let outcome = compile_nonempty_source(&formulas.compiler, source);
    formulas.report_undecided_types(session, &outcome);
    if args.json {
        session.print_json(&definitions_json(
            dialect,
            outcome.definitions(),
            &render::report_json(&outcome.file_diagnostics.report()),
        ))?;
    } else {
        session.print_data(&definition_sql_lines(dialect, outcome.definitions()))?;
        session.report(std::slice::from_ref(&outcome.file_diagnostics));
    }
    Ok(Exit::from_diagnostics(&outcome.file_diagnostics.diagnostics))
}

fn formula_settings(session: &Session, args: &CompileArgs, source: &SourceText) -> Result<FormulaSettings, Failure> {
    let settings = &args.settings;
    CommandContext::new(session, &settings.target)?.formula_compiler(session, settings, &source.text)
}

fn read_source(args: &CompileArgs) -> Result<SourceText, Failure> {
    match (&args.file, &args.formula) {
        (Some(file), _) => {
            if project::is_yaml(file) {
                reject_file_as_formula(file.as_os_str(), "compile", "a file of formulas")?;
            }
            Ok(SourceText::from_file(file))
        }
        (None, Some(formula)) => {
            reject_option_as_formula(formula)?;
            reject_file_as_formula(formula, "compile", "a formula")?;
            Ok(SourceText::from_argument(formula))
        }
        (None, None) => Err(Failure::new(Exit::Usage, "no formula is specified")),
    }
}

/// Compiles a source, unless it could not be read.
pub fn compile(compiler: &Compiler, source: SourceText) -> CompileOutcome {
    if let Some(fault) = source.fault.clone() {
        return CompileOutcome {
            compiled: None,
            file_diagnostics: source.with_diagnostics(vec![fault]),
        };
    }
    let compiled = compiler.compile(&source.text);
    let diagnostics = compiled.diagnostics().to_vec();
    CompileOutcome {
        compiled: Some(compiled),
        file_diagnostics: source.with_diagnostics(diagnostics),
    }
}

/// Compiles a source like `compile`, but reports an error if the source contains no formula.
pub fn compile_nonempty_source(compiler: &Compiler, source: SourceText) -> CompileOutcome {
    let mut outcome = compile(compiler, source);
    if outcome.definitions().is_empty() && outcome.file_diagnostics.diagnostics.is_empty() {
        let end = outcome.file_diagnostics.text.len() as u32;
        let fault = Diagnostic::new(Code::ExpectedExpression, Span::new(end, end), "the formula is empty");
        outcome
            .file_diagnostics
            .diagnostics
            .push(fault.with_help("write an expression, such as `SUM(amount)`"));
    }
    outcome
}

/// Returns the SQL of a bare formula, or one select-list item per definition.
fn definition_sql_lines(dialect: Dialect, definitions: &[Definition]) -> String {
    let mut out = String::new();
    for definition in definitions {
        out.push_str(definition.sql());
        if let Some(name) = definition.name() {
            out.push_str(" as ");
            out.push_str(&dialect.name_text(name, true));
        }
        out.push('\n');
    }
    out
}

/// Returns the JSON object that `--json` prints.
fn definitions_json(dialect: Dialect, definitions: &[Definition], diagnostics: &[Value]) -> Value {
    json!({
        "dialect": dialect.name(),
        "definitions": definitions.iter().map(definition_json).collect::<Vec<_>>(),
        "diagnostics": diagnostics,
    })
}

/// Returns a definition as JSON.
pub fn definition_json(definition: &Definition) -> Value {
    let mut assumed = Map::new();
    for column in definition.columns() {
        let Some(ty) = column.assumed() else { continue };
        // Include the relation in the output, because two relations may have columns with the same name.
        let name = if assumed.contains_key(column.name()) {
            column.path()
        } else {
            column.name().to_owned()
        };
        assumed.insert(name, json!(ty.name()));
    }
    json!({
        "name": definition.name(),
        "sql": definition.sql(),
        "type": definition.ty().name(),
        "level": definition.level().name(),
        "nullable": definition.nullable(),
        "columns": definition.columns().map(formulac::ReadColumn::path).collect::<Vec<_>>(),
        "assumed": assumed,
    })
}
