//! `formulac prove`: runs the conformance cases and the project's models through the project's dbt on the real
//! warehouse, on rows of its own, and compares the values.

mod cases;
mod judge;
mod models;
mod own_table;
pub mod report;
mod rows;
mod show;

use std::collections::BTreeMap;

use formulac::Dialect;
use formulac::diag::suggest;
use jiff::Timestamp;

use crate::cli::args::{EngineArgs, ProveArgs, TargetOptions};
use crate::cli::atomic_write::{PlannedFile, write_all};
use crate::cli::engine::{
    DbtRun, Engine, Statement, StatementKind, run_statements, session_parameters, session_statement, wrong_parameters,
};
use crate::cli::environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::knowledge::FactPrecedence;
use crate::cli::plurals::format_count;
use crate::cli::session::Session;
use crate::cli::spec;
use crate::cli::workspace::Workspace;
use cases::Proof;
use judge::{ProofVerdict, judge};
use models::UnprovenModel;
use own_table::OwnTable;
use report::{ProofCounts, ProofProblem, ProofReport, RowSource};
use rows::{StoredRows, query_over_literals};

/// Environment name in the report of a project without environments.
const NO_ENVIRONMENT: &str = "default";

/// All that a run sends.
struct ProofPlan {
    proofs: Vec<Proof>,
    /// Number of proofs that are conformance cases. They come first.
    cases: usize,
    unproven: Vec<UnprovenModel>,
}

/// Outcome of a run.
pub struct ProofOutcome {
    pub report: ProofReport,
    /// Cases and models that are not proven.
    pub problems: Vec<ProofProblem>,
    pub unproven: Vec<UnprovenModel>,
    /// Sentences about session parameters with other values than generated SQL requires.
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
    let place = Workspace::find(session)?;
    let engine_args = EngineArgs {
        engine: Some("dbt".to_owned()),
        dbt: args.dbt.clone(),
        ..EngineArgs::default()
    };
    let Engine::Dbt(dbt) = Engine::select_engine(session, &engine_args, &place.project)? else {
        return Err(Failure::new(Exit::Usage, "there is no dbt project here"));
    };
    let dialect = dbt.dialect(&place.project)?;
    let plan = ProofPlan::new(session, &place, dialect, &args.functions)?;
    let environment = environment::selected_environment(&session.global, &place.project)?;
    let environment = environment.map_or_else(|| NO_ENVIRONMENT.to_owned(), |it| it.name);
    let stored = StoredRows::new(&plan.proofs);
    let outcome = if args.dry_run {
        let count = format_count(plan.proofs.len(), "statement", "statements");
        session.report_action(&format!("{count} for {dialect} to plan, none to run"));
        dry_run(&dbt, dialect, plan, environment)?
    } else {
        let count = plan.proofs.len() + stored.statements(dialect).len();
        let count = format_count(count, "statement", "statements");
        let question = format!(
            "send {count} to {dialect} with dbt, in the environment `{environment}`? \
             They make and drop one table `formulac_prove_…`, and read no data of yours"
        );
        if !session.confirm(args.yes, &question)? {
            session.report_action("nothing was sent");
            return Ok(Exit::Done);
        }
        let outcome = real_run(session, &place, &dbt, dialect, plan, &stored_environment(environment))?;
        if args.functions.is_empty() {
            write_report(session, &place, &outcome.report)?;
        }
        outcome
    };
    show::print(session, args, &outcome)?;
    Ok(outcome.exit())
}

/// Returns an environment's name as the name of a file.
fn stored_environment(name: String) -> String {
    name.replace(|c: char| !c.is_alphanumeric() && c != '_' && c != '-', "_")
}

impl ProofPlan {
    /// Plans all conformance cases and the project's models, or only the cases of the functions that are named.
    fn new(session: &Session, place: &Workspace, dialect: Dialect, functions: &[String]) -> Result<Self, Failure> {
        let mut proofs = cases::conformance_proofs(dialect);
        let mut unproven = Vec::new();
        if !functions.is_empty() {
            let is_of = |proof: &Proof, name: &String| proof.subject.eq_ignore_ascii_case(name);
            for name in functions {
                if !proofs.iter().any(|proof| is_of(proof, name)) {
                    let near = suggest::nearest_name(name, proofs.iter().map(|proof| proof.subject.as_str()));
                    let help = near.map_or_else(
                        || "`formulac functions` lists the functions".to_owned(),
                        suggest::similar_name_help,
                    );
                    let text = format!("there are no cases of `{name}` for {dialect}");
                    return Err(Failure::new(Exit::Usage, text).with_help(help));
                }
            }
            proofs.retain(|proof| functions.iter().any(|name| is_of(proof, name)));
            let cases = proofs.len();
            return Ok(Self {
                proofs,
                cases,
                unproven,
            });
        }
        let cases = proofs.len();
        let target = TargetOptions {
            dialect: Some(dialect),
            schema: None,
        };
        let compiler = place.compiler_with(session, &target, dialect, FactPrecedence::Committed)?;
        let sources = place.sources()?;
        let texts: Vec<String> = sources.iter().map(|(source, _)| source.text.clone()).collect();
        for (spec, text) in spec::compile_all(&compiler, sources, || {}).iter().zip(&texts) {
            let Some(compiled) = spec.compiled.as_ref().filter(|it| it.metric_set().is_none()) else {
                continue;
            };
            match models::model_proofs(&compiler, text, compiled, dialect) {
                Ok(more) => proofs.extend(more),
                Err(why) => unproven.push(why),
            }
        }
        Ok(Self {
            proofs,
            cases,
            unproven,
        })
    }
}

/// Lets the warehouse plan each statement, without running it. The rows of the cases are literals, because nothing is
/// made.
fn dry_run(dbt: &DbtRun, dialect: Dialect, plan: ProofPlan, environment: String) -> Result<ProofOutcome, Failure> {
    let planned = dialect.facts().plan_query;
    let query = |sql: &str| Statement {
        kind: StatementKind::Query,
        sql: planned.replace("{sql}", sql.trim_end()),
    };
    let queries = plan.proofs.iter().map(|proof| query_over_literals(proof, dialect));
    let statements: Vec<Statement> = queries.map(|sql| query(&sql)).collect();
    let done = run_statements(dbt, "formulac_prove", &statements, "the plans of statements")?;
    let verdicts = (0..plan.proofs.len()).map(|at| match done.results.get(at) {
        Some(Ok(_)) => ProofVerdict::NotProven("it was planned, not run".to_owned()),
        Some(Err(message)) if !judge::is_not_allowed(message) => ProofVerdict::Refused(judge::first_lines(message)),
        Some(Err(message)) => ProofVerdict::NotProven(judge::first_lines(message)),
        None => ProofVerdict::NotProven("it was not sent, because too many statements failed in a row".to_owned()),
    });
    let verdicts: Vec<ProofVerdict> = verdicts.collect();
    let mut outcome = outcome(plan, &verdicts, RowSource::Literals, dialect);
    outcome.report.engine = done.engine;
    outcome.report.environment = environment;
    outcome.is_dry = true;
    Ok(outcome)
}

fn real_run(
    session: &Session,
    place: &Workspace,
    dbt: &DbtRun,
    dialect: Dialect,
    plan: ProofPlan,
    environment: &str,
) -> Result<ProofOutcome, Failure> {
    let (version, parameters) = read_session(dbt, dialect)?;
    let wrong = wrong_parameters(dialect, &parameters);
    // They can be the reason why a statement fails.
    wrong
        .iter()
        .for_each(|sentence| session.warn(&format!("warning: {sentence}")));
    let stored = StoredRows::new(&plan.proofs);
    let table = OwnTable::create(session, place, dbt, dialect, &stored)?;
    let source = table.row_source();
    let query = |sql: String| Statement {
        kind: StatementKind::Query,
        sql,
    };
    let queries = plan.proofs.iter().map(|proof| match source {
        RowSource::Table => stored.query(proof, dialect),
        RowSource::Literals => query_over_literals(proof, dialect),
    });
    let statements: Vec<Statement> = queries.map(query).collect();
    let done = run_statements(dbt, &table.name, &statements, "the values of formulas");
    // The table is dropped whether the statements could be run or not.
    table.drop(session, dbt)?;
    let done = done?;
    let verdicts: Vec<ProofVerdict> = plan
        .proofs
        .iter()
        .enumerate()
        .map(|(at, proof)| judge(proof, done.results.get(at)))
        .collect();
    let mut outcome = outcome(plan, &verdicts, source, dialect);
    outcome.report.engine = done.engine;
    environment.clone_into(&mut outcome.report.environment);
    outcome.report.warehouse = version;
    outcome.wrong_parameters = wrong;
    outcome.report.session = parameters;
    outcome.report.id = table.id;
    Ok(outcome)
}

/// Returns the version of the warehouse and the parameters of the session.
fn read_session(dbt: &DbtRun, dialect: Dialect) -> Result<(String, BTreeMap<String, String>), Failure> {
    let version = match dialect.facts().version_query {
        "" => "select null",
        sql => sql,
    };
    let mut statements = vec![Statement {
        kind: StatementKind::Query,
        sql: version.to_owned(),
    }];
    statements.extend(session_statement(dialect));
    let told = run_statements(dbt, "formulac_prove", &statements, "the session's parameters")?.results;
    let version = told
        .first()
        .and_then(|answer| answer.as_ref().ok()?.first()?.first()?.clone());
    Ok((
        version.unwrap_or_default(),
        told.get(1).map(session_parameters).unwrap_or_default(),
    ))
}

/// Counts the verdicts. The report has the problems of conformance cases only, because the others contain names and
/// formulas of the project.
fn outcome(plan: ProofPlan, verdicts: &[ProofVerdict], rows_from: RowSource, dialect: Dialect) -> ProofOutcome {
    let mut subjects: BTreeMap<String, ProofCounts> = BTreeMap::new();
    let mut models = ProofCounts::default();
    let (mut problems, mut of_cases) = (Vec::new(), Vec::new());
    for (at, (proof, verdict)) in plan.proofs.iter().zip(verdicts).enumerate() {
        let is_case = at < plan.cases;
        if is_case {
            subjects.entry(proof.subject.clone()).or_default().add(verdict);
        } else {
            models.add(verdict);
        }
        // The query over literals can be run by itself.
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
            at: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            id: String::new(),
            rows_from,
            session: BTreeMap::new(),
            subjects,
            problems: of_cases,
            models,
        },
        problems,
        unproven: plan.unproven,
        wrong_parameters: Vec::new(),
        is_dry: false,
    }
}

fn write_report(session: &Session, place: &Workspace, report: &ProofReport) -> Result<(), Failure> {
    let path = ProofReport::path(&report.environment);
    let file = PlannedFile {
        path: place.root.join(&path),
        text: report.text(),
    };
    write_all(&place.writable_folders()?, &[file])?;
    session.report_action(&format!("the report is in {path}"));
    Ok(())
}
