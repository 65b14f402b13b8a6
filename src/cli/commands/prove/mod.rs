//! `formulac prove`: runs the conformance cases and the project's models in the project's warehouse, through dbt and
//! with test rows, and compares the results with the expected values.

mod cases;
mod compare_results;
mod models;
mod proof_table;
pub mod report;
mod rows;
mod show;

use std::collections::BTreeMap;

use formulac::diag::suggest;
use formulac::{CompiledSpec, Dialect};
use formulac_syntax::text::format_count;
use jiff::Timestamp;

use crate::cli::args::{ProveArgs, TargetOptions};
use crate::cli::artifacts::format_timestamp;
use crate::cli::atomic_write::{PlannedFile, write_all};
use crate::cli::context::KnownFactsPrecedence;
use crate::cli::engine::{DbtRun, Engine, Statement, WarehouseState, run_statements};
use crate::cli::environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::Session;
use crate::cli::spec;
use crate::cli::workspace::Workspace;
use cases::{ConformanceCases, ProofCase};
use compare_results::{ProofVerdict, compare_result, planned_statement_verdict};
use models::UnprovenModel;
use proof_table::ProofTable;
use report::{ProofCounts, ProofProblem, ProofReport, RowSource};
use rows::{StoredRows, query_over_literals};

/// Environment name in the report of a project without environments.
const DEFAULT_ENVIRONMENT_NAME: &str = "default";

/// All statements that a run sends.
struct ProofPlan {
    proofs: Vec<ProofCase>,
    /// Number of proofs that are conformance cases. Conformance cases come before models.
    cases: usize,
    unproven: Vec<UnprovenModel>,
}

/// Outcome of a run.
pub struct ProofOutcome {
    pub report: ProofReport,
    /// Cases and models without a successful proof.
    pub problems: Vec<ProofProblem>,
    pub unproven: Vec<UnprovenModel>,
    /// Sentences about an outdated version of the warehouse, and about session parameters whose values differ from the
    /// values that generated SQL requires.
    pub wrong_parameters: Vec<String>,
    pub is_dry: bool,
}

impl ProofOutcome {
    fn exit(&self) -> Exit {
        let (cases, models) = (self.report.counts(), self.report.models);
        if cases.differs + cases.refused + models.differs + models.refused > 0 {
            Exit::Faulty
        } else if cases.proven + models.proven == 0 && !self.is_dry {
            Exit::Failed
        } else {
            Exit::Done
        }
    }
}

pub fn run(session: &Session, args: &ProveArgs) -> Result<Exit, Failure> {
    let workspace = Workspace::find(session)?;
    let dbt = Engine::new_dbt_run(session, &args.dbt, &workspace.project)?;
    let dialect = dbt.dialect(&workspace.project)?;
    let plan = ProofPlan::new(session, &workspace, dialect, &args.functions)?;
    let environment = environment::selected_environment(&session.global, &workspace.project)?;
    let environment = environment.map_or_else(|| DEFAULT_ENVIRONMENT_NAME.to_owned(), |environment| environment.name);
    let mut outcome = if args.dry_run {
        let count = format_count(plan.proofs.len(), "statement", "statements");
        session.report_action(&format!("{count} for {dialect} to plan, none to run"));
        dry_run(&dbt, dialect, &plan)?
    } else {
        let stored = StoredRows::new(&plan.proofs);
        let inserts: Vec<Statement> = stored
            .statements(dialect)
            .into_iter()
            .map(Statement::from_change)
            .collect();
        let count = format_count(plan.proofs.len() + inserts.len(), "statement", "statements");
        let question = format!(
            "send {count} to {dialect} with dbt, in the environment `{environment}`? \
             They create and drop one table `formulac_prove_…`, and do not read your data"
        );
        // If the user is not asked, report the number of statements, which is otherwise in the question.
        if args.yes || session.no_confirmation_reason().is_some() {
            session.report_action(&format!(
                "{count} to send to {dialect}, in the environment `{environment}`"
            ));
        }
        if !session.confirm(args.yes, &question)? {
            session.report_action("nothing was sent");
            return Ok(Exit::Done);
        }
        run_proofs_on_warehouse(session, &workspace, (&dbt, dialect), &plan, (&stored, inserts))?
    };
    outcome.report.environment = environment;
    if args.functions.is_empty() && !outcome.is_dry {
        write_report(session, &workspace, &outcome.report)?;
    }
    show::print(session, args, &outcome)?;
    Ok(outcome.exit())
}

impl ProofPlan {
    /// Plans all conformance cases and the project's models, or only the cases for the specified functions.
    fn new(session: &Session, workspace: &Workspace, dialect: Dialect, functions: &[String]) -> Result<Self, Failure> {
        let all_cases = ConformanceCases::new(dialect);
        for name in functions {
            if !all_cases.subjects().any(|subject| subject.eq_ignore_ascii_case(name)) {
                let help = suggest::similar_name_help_or(name, all_cases.subjects(), || {
                    "`formulac functions` lists the functions".to_owned()
                });
                let text = format!("there are no cases of `{name}` for {dialect}");
                return Err(Failure::new(Exit::Usage, text).with_help(help));
            }
        }
        let is_named = |subject: &str| functions.iter().any(|name| subject.eq_ignore_ascii_case(name));
        let proofs = all_cases.proofs(|subject| functions.is_empty() || is_named(subject));
        let mut plan = Self {
            cases: proofs.len(),
            proofs,
            unproven: Vec::new(),
        };
        if functions.is_empty() {
            plan.add_models(session, workspace, dialect)?;
        }
        Ok(plan)
    }

    /// Adds the proofs of the project's models to the plan.
    fn add_models(&mut self, session: &Session, workspace: &Workspace, dialect: Dialect) -> Result<(), Failure> {
        let target = TargetOptions {
            dialect: Some(dialect),
            schema: None,
        };
        let compiler =
            workspace.compiler_with_precedence(session, &target, dialect, KnownFactsPrecedence::Committed)?;
        let sources = workspace.sources()?;
        let texts: Vec<String> = sources.iter().map(|(source, _)| source.text.clone()).collect();
        let specs = spec::compile_all(&compiler, &workspace.root, sources, || {});
        let specs = specs.into_iter().zip(&texts);
        let specs = specs.filter_map(|(spec, text)| Some((spec.compiled?, text)));
        let (compiled, texts): (Vec<CompiledSpec>, Vec<&String>) = specs.unzip();
        let compiler = compiler.with_models(&compiled);
        let specs = compiled.iter().zip(texts);
        for (spec, text) in specs.filter(|(spec, _)| spec.metric_set().is_none()) {
            match models::model_proofs(&compiler, text, spec, dialect) {
                Ok(proofs) => self.proofs.extend(proofs),
                Err(why) => self.unproven.push(why),
            }
        }
        Ok(())
    }
}

/// Lets the warehouse plan each statement, without running it. The rows of the cases are literals, because no table is
/// created.
fn dry_run(dbt: &DbtRun, dialect: Dialect, plan: &ProofPlan) -> Result<ProofOutcome, Failure> {
    let planned = dialect.facts().plan_query;
    let queries = plan.proofs.iter().map(|proof| query_over_literals(proof, dialect));
    let statements: Vec<Statement> = queries
        .map(|sql| Statement::from_query(planned.replace("{sql}", sql.trim_end())))
        .collect();
    let statement_run = run_statements(dbt, "formulac_prove", &statements, "the plans of statements")?;
    let verdicts = (0..statements.len()).map(|index| planned_statement_verdict(statement_run.results.get(index)));
    let mut outcome = count_verdicts(plan, &verdicts.collect::<Vec<_>>(), RowSource::Literals, dialect);
    outcome.report.engine = statement_run.engine;
    outcome.is_dry = true;
    Ok(outcome)
}

fn run_proofs_on_warehouse(
    session: &Session,
    workspace: &Workspace,
    (dbt, dialect): (&DbtRun, Dialect),
    plan: &ProofPlan,
    (stored, inserts): (&StoredRows<'_>, Vec<Statement>),
) -> Result<ProofOutcome, Failure> {
    let warehouse = WarehouseProperties::read(dbt, dialect)?;
    let wrong = warehouse.state.faults(dialect);
    // Report wrong settings of the warehouse first, because they may explain why a statement fails.
    wrong.iter().for_each(|sentence| session.warn(sentence));
    let table = ProofTable::create(session, workspace, dbt, &warehouse.tables, inserts)?;
    let source = table.row_source();
    let queries = plan.proofs.iter().map(|proof| match source {
        RowSource::Table => stored.query(proof, dialect),
        RowSource::Literals => query_over_literals(proof, dialect),
    });
    let statements: Vec<Statement> = queries.map(Statement::from_query).collect();
    let run_outcome = run_statements(dbt, &table.name, &statements, "the values of formulas");
    // The table is dropped even if the statements could not be run.
    table.drop(session, dbt)?;
    let statement_run = run_outcome?;
    let proofs = plan.proofs.iter().enumerate();
    let verdicts: Vec<ProofVerdict> = proofs
        .map(|(index, proof)| compare_result(proof, statement_run.results.get(index)))
        .collect();
    let mut outcome = count_verdicts(plan, &verdicts, source, dialect);
    outcome.report.engine = statement_run.engine;
    outcome.report.warehouse = warehouse.state.version;
    outcome.report.session = warehouse.state.parameters;
    outcome.report.id = table.id;
    outcome.wrong_parameters = wrong;
    Ok(outcome)
}

/// Properties of the warehouse that a run queries before it creates a table.
struct WarehouseProperties {
    state: WarehouseState,
    /// Tables in the environment's schema. Empty if the role is not permitted to list them, or if the schema does not
    /// exist yet.
    tables: Vec<String>,
}

impl WarehouseProperties {
    fn read(dbt: &DbtRun, dialect: Dialect) -> Result<Self, Failure> {
        let mut statements = WarehouseState::statements(dialect);
        statements.push(proof_table::list_tables_statement(dialect));
        let subject = "the warehouse's version and session parameters";
        let results = run_statements(dbt, "formulac_prove", &statements, subject)?.results;
        let tables = results.get(statements.len() - 1).and_then(|rows| rows.as_ref().ok());
        let tables = tables.into_iter().flatten();
        Ok(Self {
            tables: tables.filter_map(|row| row.first()?.clone()).collect(),
            state: WarehouseState::from_results(dialect, &results),
        })
    }
}

/// Counts the verdicts. The report contains only problems with conformance cases, because problems with models would
/// reveal names and formulas of the project.
fn count_verdicts(plan: &ProofPlan, verdicts: &[ProofVerdict], rows_from: RowSource, dialect: Dialect) -> ProofOutcome {
    let mut subjects: BTreeMap<String, ProofCounts> = BTreeMap::new();
    let mut models = ProofCounts::default();
    let (mut problems, mut of_cases) = (Vec::new(), Vec::new());
    for (index, (proof, verdict)) in plan.proofs.iter().zip(verdicts).enumerate() {
        let is_case = index < plan.cases;
        if is_case {
            subjects.entry(proof.subject.clone()).or_default().add(verdict);
        } else {
            models.add(verdict);
        }
        // Report the query with its rows as literals, because that query needs no table.
        let sql = || query_over_literals(proof, dialect);
        if let Some(problem) = ProofProblem::new(proof, sql, verdict) {
            if is_case {
                of_cases.push(problem.clone());
            }
            problems.push(problem);
        }
    }
    models.not_proven += plan.unproven.len();
    ProofOutcome {
        report: ProofReport {
            formulac: env!("CARGO_PKG_VERSION").to_owned(),
            dialect: dialect.name().to_owned(),
            engine: String::new(),
            warehouse: String::new(),
            environment: String::new(),
            at: format_timestamp(Timestamp::now()),
            id: String::new(),
            rows_from,
            session: BTreeMap::new(),
            subjects,
            problems: of_cases,
            models,
        },
        problems,
        unproven: plan.unproven.clone(),
        wrong_parameters: Vec::new(),
        is_dry: false,
    }
}

fn write_report(session: &Session, workspace: &Workspace, report: &ProofReport) -> Result<(), Failure> {
    let path = ProofReport::path(&report.environment);
    let file = PlannedFile {
        path: workspace.root.join(&path),
        text: report.text(),
    };
    write_all(&workspace.writable_folders()?, &[file])?;
    session.report_action(&format!("the report is in {path}"));
    Ok(())
}
