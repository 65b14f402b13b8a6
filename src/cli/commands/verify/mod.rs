//! `formulac verify`: compares built models with their formulas and with the relations in `compare:`, row by row. Also
//! measures how long queries and builds take, checks freshness, and saves the results as evidence.

mod comparing;
mod freshness;
pub mod row_line;
pub mod run_comparisons;
pub mod show;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use formulac::CompiledSpec;
use formulac::dbt::RelationReference;
use formulac::diag::{Code, suggest};
use formulac::sync::{ComparisonEvidence, ComparisonVerdict, VerificationEvidence, VerificationTiming};
use indicatif::ProgressBar;
use jiff::Timestamp;

use crate::cli::args::{TargetOptions, VerifyArgs};
use crate::cli::artifacts::format_timestamp;
use crate::cli::atomic_write::{ExistingFileContent, PlannedFile, write_all};
use crate::cli::commands::sync::create_local_folder;
use crate::cli::context::{self, DataFileContext, KnownFactsPrecedence};
use crate::cli::engine::{Engine, RelationPresence};
use crate::cli::environment;
use crate::cli::exit::{Exit, Failure, FileDiagnostics};
use crate::cli::generation::CompiledProject;
use crate::cli::progress;
use crate::cli::project;
use crate::cli::session::Session;
use crate::cli::source::{SourceText, read_text};
use crate::cli::spec::{self, Spec, SpecPaths};
use crate::cli::workspace::Workspace;
use comparing::{ModelComparer, SpecToVerify};
use freshness::{BuildState, EnvironmentBuilds};
use run_comparisons::ComparisonDetails;

/// Tags that mark a column as personal even if the project does not inherit these tags. The values of such a column are
/// never written to a file.
const PERSONAL_TAGS: [&str; 2] = ["pii", "PII"];

/// Result of a verification for one model.
pub struct VerificationResult {
    pub evidence: VerificationEvidence,
    /// Comparisons with their rows, in the order of the evidence's proofs.
    pub compared: Vec<ComparisonDetails>,
    /// Durations of the verification and of the build.
    pub timing: VerificationTiming,
    /// Duration of the formula's query in the previous verification.
    pub previous_query_seconds: Option<f64>,
    /// Time limit for the formula's query and for the build.
    pub budget_seconds: Option<f64>,
    /// Sentences about exceeded time limits.
    pub over_budget: Vec<String>,
    /// State in each environment, starting with the current environment.
    pub build_states: Vec<BuildState>,
    /// Whether the model is not built, so that only its formula is compared with the relations in `compare:`.
    pub is_unbuilt: bool,
}

impl VerificationResult {
    /// Records the states of the model in each environment, and the environment of the verification.
    fn record_environment_builds(
        &mut self,
        builds: &EnvironmentBuilds,
        subject: &SpecToVerify<'_>,
        environment: Option<&str>,
    ) {
        self.build_states = builds.build_states(subject.compiled.name().unwrap_or_default());
        self.evidence.environment = environment.unwrap_or_default().to_owned();
        self.timing.environment.clone_from(&self.evidence.environment);
        self.timing.engine.clone_from(&self.evidence.engine);
        self.timing.build_seconds = self.build_states.first().and_then(|state| state.seconds);
    }

    fn exit(&self) -> Exit {
        let has = |verdict: ComparisonVerdict| {
            self.evidence
                .proofs
                .iter()
                .any(|comparison_evidence| comparison_evidence.verdict == verdict)
        };
        let is_stale = self.build_states.first().is_some_and(BuildState::is_stale);
        let is_faulty = has(ComparisonVerdict::Differs) || !self.over_budget.is_empty() || is_stale;
        let is_unknown = self.evidence.proofs.is_empty() || has(ComparisonVerdict::NotCompared);
        let faulty = if is_faulty { Exit::Faulty } else { Exit::Done };
        faulty.most_severe(if is_unknown { Exit::Failed } else { Exit::Done })
    }
}

pub fn run(session: &Session, args: &VerifyArgs) -> Result<Exit, Failure> {
    let mut workspace = Workspace::find(session)?;
    workspace.project.add_inherited_tags(PERSONAL_TAGS.map(str::to_owned));
    let target = TargetOptions {
        dialect: None,
        schema: args.engine.schema.clone(),
    };
    let spec_names = named_specs(session, &target, args)?;
    let mut engine = Engine::select(session, &args.engine, &workspace.project)?;
    let dialect = engine.dialect(&workspace.project)?;
    if let Some(project_dialect) = workspace
        .project
        .dialect()
        .filter(|own_dialect| *own_dialect != dialect)
    {
        session.report_action(&format!(
            "compiled for {dialect}, not for the project's {project_dialect}"
        ));
    }
    let target = TargetOptions {
        dialect: Some(dialect),
        ..target
    };
    let facts = workspace.combine_known_facts(
        context::known_facts_from_schema_option(session, &target, dialect)?,
        KnownFactsPrecedence::Committed,
        dialect,
    )?;
    // Infer the schema from the data files, unless the user specified a schema.
    let schema = if target.schema.is_none() {
        engine.infer_data_schema(dialect)?
    } else {
        None
    };
    let DataFileContext { compiler, typed } =
        DataFileContext::new(workspace.builder(dialect, facts.clone()), &facts, schema);
    let (sources, texts) = verify_sources(&workspace, &spec_names)?;
    let specs = spec::compile_all(&compiler, &workspace.root, sources, || {});
    let spec_indices = select_specs(&specs, &spec_names)?;
    let faulty: Vec<FileDiagnostics> = spec_indices
        .iter()
        .filter_map(|index| spec_errors(specs.get(*index)?))
        .collect();
    if !args.json {
        session.report(&faulty);
    }
    let models = models_to_verify(&specs, &spec_indices)?;
    engine.retain_tables(&tables_read(&models));
    let environment = match &engine {
        Engine::Dbt(_) => environment::selected_environment(&session.global, &workspace.project)?,
        _ => None,
    };
    let relations = compared_relations(&models);
    let presences = engine.check_relations(&relations, Some(&typed))?;
    let relation_presences = engine.find_built_relations(&relations)?;
    let presences: Vec<(RelationReference, RelationPresence)> = relations.iter().cloned().zip(presences).collect();
    let relation_presences = relation_presences.map(|presences| relations.into_iter().zip(presences).collect());
    let builds = EnvironmentBuilds::read(
        &workspace,
        &engine,
        environment.as_ref().map(|environment| environment.name.as_str()),
    )?;
    let comparer = ModelComparer {
        workspace: &workspace,
        engine: &engine,
        presences,
        relation_presences,
        typed: Some(&typed),
        args,
    };
    let subjects = models.iter().filter_map(|(index, compiled)| {
        let (path, text) = texts.get(*index)?;
        Some(SpecToVerify {
            compiled,
            path: path.as_deref().unwrap_or_default(),
            text,
        })
    });
    let subjects: Vec<SpecToVerify<'_>> = subjects.collect();
    let comparisons = subjects
        .iter()
        .map(|subject| subject.compiled.comparisons().len() + 1)
        .sum();
    // The dbt engine needs no progress bar, because it runs many comparisons in one call that shows its own progress.
    let bar = (!engine.runs_models()).then(|| progress::start_progress_bar(session, comparisons, "comparing"));
    let mut results = comparer.verify(&subjects, || bar.iter().for_each(|bar| bar.inc(1)))?;
    bar.iter().for_each(ProgressBar::finish_and_clear);
    for (verified, subject) in results.iter_mut().zip(&subjects) {
        verified.record_environment_builds(
            &builds,
            subject,
            environment.as_ref().map(|environment| environment.name.as_str()),
        );
        verified.previous_query_seconds = previous_query_seconds(&workspace, &verified.evidence);
        check_budget(verified, subject.compiled, args)?;
    }
    if !args.no_evidence {
        write_evidence(session, &workspace, &mut results)?;
    }
    show::print_verification_results(session, args, &engine, &results, &faulty)?;
    Ok(exit(&results, &faulty))
}

/// Returns the names of the specs to verify. Empty for all specs.
fn named_specs(session: &Session, target: &TargetOptions, args: &VerifyArgs) -> Result<Vec<OsString>, Failure> {
    Ok(match args.selection.selects_all_models() {
        true => args.specs.clone(),
        false => {
            let paths = CompiledProject::selected_specs(session, target, &args.selection)?;
            if paths.is_empty() {
                return Err(Failure::new(Exit::Usage, "no spec to verify is selected"));
            }
            paths.into_iter().map(PathBuf::into_os_string).collect()
        }
    })
}

/// Returns the models of the chosen specs without errors, each with the index of its spec.
fn models_to_verify<'s>(specs: &'s [Spec], spec_indices: &[usize]) -> Result<Vec<(usize, &'s CompiledSpec)>, Failure> {
    let sound = || {
        spec_indices
            .iter()
            .filter_map(|index| Some((*index, specs.get(*index)?)))
            .filter(|(_, spec)| spec_errors(spec).is_none())
    };
    // A metric set has no rows of its own.
    let is_set = |spec: &Spec| {
        spec.compiled
            .as_ref()
            .is_some_and(|compiled| compiled.metric_set().is_some())
    };
    if !spec_indices.is_empty() && spec_indices.iter().all(|index| specs.get(*index).is_some_and(is_set)) {
        let message = "a metric set has no rows to verify; verify the models that use it";
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(sound()
        .filter(|(_, spec)| !is_set(spec))
        .filter_map(|(index, spec)| Some((index, spec.compiled.as_ref()?)))
        .collect())
}

/// Returns the exit status. A verification without any comparison fails, because it proves nothing.
fn exit(results: &[VerificationResult], faulty: &[FileDiagnostics]) -> Exit {
    let nothing = if results.is_empty() && faulty.is_empty() {
        Exit::Failed
    } else {
        Exit::Done
    };
    results
        .iter()
        .map(VerificationResult::exit)
        .fold(nothing.most_severe(Exit::from_failures(faulty)), Exit::most_severe)
}

/// A spec and its path relative to the project. The path is `None` for a spec outside the project.
type VerifyInput = (SourceText, Option<String>);
/// Path of a spec, in the form of [`VerifyInput`], and the spec's contents.
type VerifyText = (Option<String>, String);

/// Returns all specs of the project, and named specs outside of the project.
fn verify_sources(
    workspace: &Workspace,
    spec_names: &[OsString],
) -> Result<(Vec<VerifyInput>, Vec<VerifyText>), Failure> {
    let mut sources = workspace.sources()?;
    let spec_paths = SpecPaths::new(sources.iter().map(|(source, _)| source.name.as_str()));
    let files = spec_names.iter().map(PathBuf::from).filter(|path| path.is_file());
    for path in files.filter(|path| spec_paths.index_of(path).is_none()) {
        let display_path = project::path_in_project(&path, Some(&workspace.root));
        sources.push((SourceText::from_file(&path), display_path));
    }
    let texts = sources
        .iter()
        .map(|(source, path)| (path.clone(), source.text.clone()))
        .collect();
    Ok((sources, texts))
}

/// Returns the indices of the specs that are named by file or by model, or of all specs if none is named.
fn select_specs(specs: &[Spec], spec_names: &[OsString]) -> Result<Vec<usize>, Failure> {
    if spec_names.is_empty() {
        if specs.is_empty() {
            return Err(
                Failure::new(Exit::Usage, "there are no specs, so there is nothing to verify")
                    .with_help("write a spec, or specify its file"),
            );
        }
        return Ok((0..specs.len()).collect());
    }
    let spec_paths = SpecPaths::new(specs.iter().map(|spec| spec.file_diagnostics.file.as_str()));
    let mut spec_indices = Vec::new();
    for name in spec_names {
        let text = name.to_string_lossy();
        let path = Path::new(name);
        let index = match path.is_file() {
            true => spec_paths.index_of(path),
            false => specs.iter().position(|spec| spec.name.as_deref() == Some(&*text)),
        };
        match index {
            Some(index) if spec_indices.contains(&index) => {}
            Some(index) => spec_indices.push(index),
            None => {
                let names = specs.iter().filter_map(|spec| spec.name.as_deref());
                let other = || "specify the file of a spec, or its `model`".to_owned();
                let help = suggest::similar_name_help_or(&text, names, other);
                return Err(Failure::new(
                    Exit::Usage,
                    format!("`{text}` is neither a file nor the model of a spec"),
                )
                .with_help(help));
            }
        }
    }
    Ok(spec_indices)
}

/// Returns the errors in a spec, if there are any. Warnings are omitted, because `check` reports them.
fn spec_errors(spec: &Spec) -> Option<FileDiagnostics> {
    let fault = spec.model_fault.iter().cloned();
    let all_diagnostics = spec.file_diagnostics.diagnostics.iter().cloned().chain(fault);
    let diagnostics: Vec<_> = all_diagnostics
        .filter(|diagnostic| diagnostic.is_error() || diagnostic.kind() == Code::UnreadableFile)
        .collect();
    let file_diagnostics = FileDiagnostics {
        diagnostics,
        ..spec.file_diagnostics.clone()
    };
    (!file_diagnostics.diagnostics.is_empty()).then_some(file_diagnostics)
}

/// Returns the names of the relations that the models read or are compared with, as written in the queries.
fn tables_read(models: &[(usize, &CompiledSpec)]) -> Vec<String> {
    let tables_of = |compiled: &CompiledSpec| {
        let compared_names = compared_relations(&[(0, compiled)])
            .iter()
            .map(|reference| reference.display_name().into_owned())
            .collect::<Vec<_>>();
        compiled
            .tables()
            .iter()
            .cloned()
            .chain(compared_names)
            .collect::<Vec<_>>()
    };
    models.iter().flat_map(|(_, compiled)| tables_of(compiled)).collect()
}

/// Returns the relations that are compared, without duplicates.
fn compared_relations(models: &[(usize, &CompiledSpec)]) -> Vec<RelationReference> {
    let mut relations: Vec<RelationReference> = Vec::new();
    for (_, compiled) in models {
        let comparisons = compiled.formula_comparison().into_iter().chain(compiled.comparisons());
        for comparison in comparisons {
            for relation in [comparison.own_relation(), comparison.compared_relation()]
                .into_iter()
                .flatten()
            {
                if !relations.contains(relation) {
                    relations.push(relation.clone());
                }
            }
        }
    }
    relations
}

/// Returns the duration of the formula's query in the previous verification, in the same environment and with the
/// same engine.
fn previous_query_seconds(workspace: &Workspace, evidence: &VerificationEvidence) -> Option<f64> {
    let text = read_text(workspace.root.join(VerificationTiming::timing_path(&evidence.model))).ok()?;
    let last = VerificationTiming::from_text(&text)?;
    let is_same = last.environment == evidence.environment && last.engine == evidence.engine;
    last.formula_seconds.filter(|_| is_same)
}

/// Reports formulas and builds that take longer than the budget in `--budget` or, without that option, in the spec.
fn check_budget(verified: &mut VerificationResult, compiled: &CompiledSpec, args: &VerifyArgs) -> Result<(), Failure> {
    let Some(text) = args.budget.as_deref().or(compiled.budget()) else {
        return Ok(());
    };
    let budget = text
        .parse::<f64>()
        .ok()
        .filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
    let Some(budget) = budget else {
        let text = format!(
            "the budget of `{}` is `{text}`, which is not a number of seconds",
            verified.evidence.model
        );
        return Err(Failure::new(Exit::Usage, text).with_help("write `meta: {formulac: {budget: 30}}` in the spec"));
    };
    verified.budget_seconds = Some(budget);
    let timing = &verified.timing;
    for (label, seconds) in [
        ("the formula takes", timing.formula_seconds),
        ("the build took", timing.build_seconds),
    ] {
        if let Some(seconds) = seconds.filter(|seconds| *seconds > budget) {
            verified
                .over_budget
                .push(format!("{label} {seconds:.1} s, more than the budget of {budget} s"));
        }
    }
    Ok(())
}

/// Writes the evidence and the durations for models with results.
fn write_evidence(session: &Session, workspace: &Workspace, results: &mut [VerificationResult]) -> Result<(), Failure> {
    let timestamp = format_timestamp(Timestamp::now());
    let is_found =
        |comparison_evidence: &ComparisonEvidence| comparison_evidence.verdict != ComparisonVerdict::NotCompared;
    let (mut files, mut timings) = (Vec::new(), Vec::new());
    for VerificationResult { evidence, timing, .. } in results
        .iter_mut()
        .filter(|result| result.evidence.proofs.iter().any(is_found))
    {
        timing.timestamp.clone_from(&timestamp);
        let planned = |path: String, text: String| PlannedFile {
            path: workspace.root.join(path),
            text,
        };
        files.push(planned(
            VerificationEvidence::evidence_path(&evidence.model),
            evidence.text(),
        ));
        timings.push(planned(VerificationTiming::timing_path(&evidence.model), timing.text()));
    }
    if files.is_empty() {
        return Ok(());
    }
    let mut changed = Vec::new();
    for file in files {
        if file.compare_with_existing_file()? != ExistingFileContent::Same {
            changed.push(file);
        }
    }
    let bounds = workspace.writable_folders()?;
    write_all(&bounds, &changed)?;
    create_local_folder(&bounds, &workspace.root)?;
    write_all(&bounds, &timings)?;
    session.report_action(&format!("evidence in {}", formulac::sync::EVIDENCE_FOLDER));
    Ok(())
}

/// Checks whether a relation exists.
fn find_presence<'p>(
    presences: &'p [(RelationReference, RelationPresence)],
    relation: &RelationReference,
) -> Option<&'p RelationPresence> {
    presences
        .iter()
        .find(|(reference, _)| reference == relation)
        .map(|(_, presence)| presence)
}
