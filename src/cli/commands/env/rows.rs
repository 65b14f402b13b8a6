//! `env diff --rows`: compares the tables built for a model in the current environment with those built in
//! another environment. The artifacts of the other environment supply the names of its tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use formulac::CompiledSpec;
use formulac::artifacts::{Manifest, ResourceType};
use formulac::dbt::{RelationName, RelationReference};
use formulac::diag::render::escape_hidden;
use formulac::sync::{ComparisonEvidence, ComparisonVerdict};
use formulac::verify::{ColumnCounts, Comparison, RelationSide};
use formulac_syntax::text::format_count;
use indicatif::ProgressBar;
use serde_json::Value;

use crate::cli::args::{EngineArgs, EnvDiffArgs, TargetOptions};
use crate::cli::artifacts::TargetArtifacts;
use crate::cli::commands::verify::run_comparisons::{ComparisonResult, ComparisonRunner, RelationPair};
use crate::cli::commands::verify::{row_line, show};
use crate::cli::engine::{Engine, RelationPresence};
use crate::cli::environment::{self, Environment};
use crate::cli::exit::{Exit, Failure};
use crate::cli::progress;
use crate::cli::session::Session;
use crate::cli::spec;
use crate::cli::workspace::Workspace;

/// Row comparisons of the models that exist in both environments, by model name.
pub struct ComparisonResultsByModel(BTreeMap<String, ComparisonResult>);

/// Compares the tables built for these models.
pub fn compare(
    session: &Session,
    workspace: &Workspace,
    args: &EnvDiffArgs,
    environment: &Environment,
    models: &BTreeSet<String>,
) -> Result<ComparisonResultsByModel, Failure> {
    let own_environment = environment::selected_environment(&session.global, &workspace.project)?;
    check_environments(own_environment.as_ref(), environment, args)?;
    let engine_args = EngineArgs {
        data: None,
        engine: args.engine.clone(),
        schema: None,
        dbt: args.dbt.clone(),
    };
    let engine = Engine::select(session, &engine_args, &workspace.project)?.without_deferral();
    let dialect = engine.dialect(&workspace.project)?;
    let name_pair = RelationNamePair {
        here: own_environment.map_or_else(|| "here".to_owned(), |environment| environment.name),
        there: environment.name.clone(),
        by_dbt: engine.runs_models(),
        own: workspace.manifest()?,
        other: environment_manifest(workspace, environment)?,
    };
    let target = TargetOptions {
        dialect: Some(dialect),
        schema: None,
    };
    let compiler = workspace.compiler(session, &target, dialect)?;
    let specs = spec::compile_all(&compiler, &workspace.root, workspace.sources()?, || {});
    let compiled: BTreeMap<&str, &CompiledSpec> = specs
        .iter()
        .filter_map(|spec| Some((spec.name.as_deref()?, spec.compiled.as_ref()?)))
        .filter(|(name, _)| models.contains(*name))
        .collect();
    let begun: Vec<(&String, ComparisonEvidence, Result<Comparison, String>)> = models
        .iter()
        .map(|model| name_pair.prepare_comparison(model, compiled.get(model.as_str()).copied()))
        .collect();
    let relations: Vec<RelationReference> = begun
        .iter()
        .filter_map(|(_, _, comparison)| comparison.as_ref().ok())
        .flat_map(|comparison| {
            [comparison.own_relation(), comparison.compared_relation()]
                .into_iter()
                .flatten()
                .cloned()
        })
        .collect();
    let mut presences = engine.check_relations(&relations, None)?.into_iter();
    let (mut judged, mut names, mut pairs) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (model, mut comparison_evidence, comparison) in begun {
        let together = comparison.and_then(|comparison| {
            let presence_pair = [presences.next(), presences.next()]
                .map(|relation_presence| relation_presence.unwrap_or(RelationPresence::Missing));
            name_pair.restrict_to_common_columns(model, comparison, presence_pair, &mut comparison_evidence)
        });
        match together {
            Err(why) => {
                comparison_evidence.why = Some(why);
                judged.insert(
                    model.clone(),
                    ComparisonResult {
                        comparison_evidence,
                        ..ComparisonResult::default()
                    },
                );
            }
            Ok(comparison) => {
                names.push(model.clone());
                let (tables, hidden) = (Vec::new(), BTreeSet::new());
                pairs.push(RelationPair {
                    comparison,
                    comparison_evidence,
                    tables,
                    hidden,
                    timed: None,
                });
            }
        }
    }
    let bar = (!engine.runs_models()).then(|| progress::start_progress_bar(session, pairs.len(), "comparing"));
    let runner = ComparisonRunner {
        engine: &engine,
        typed: None,
        limit: args.limit,
    };
    judged.extend(
        names
            .into_iter()
            .zip(runner.run_comparisons(pairs, || bar.iter().for_each(|bar| bar.inc(1)))?),
    );
    bar.iter().for_each(ProgressBar::finish_and_clear);
    Ok(ComparisonResultsByModel(judged))
}

/// Rejects a comparison of an environment with itself, and an engine that cannot read the tables of an environment.
fn check_environments(
    environment: Option<&Environment>,
    other_environment: &Environment,
    args: &EnvDiffArgs,
) -> Result<(), Failure> {
    if environment.is_some_and(|environment| environment.name == other_environment.name) {
        return Err(Failure::new(
            Exit::Usage,
            format!("`{}` is the current environment", other_environment.name),
        )
        .with_help("choose another environment for the comparison: `--env NAME`"));
    }
    if args.engine.as_deref() == Some("duckdb") {
        return Err(
            Failure::new(Exit::Usage, "DuckDB reads files, not the tables of an environment")
                .with_help("choose dbt, postgres or a `postgres://` URL"),
        );
    }
    Ok(())
}

/// Returns the manifest that dbt wrote for an environment.
fn environment_manifest(workspace: &Workspace, environment: &Environment) -> Result<Manifest, Failure> {
    let Some(dbt) = &workspace.dbt else {
        return Err(Failure::new(
            Exit::Usage,
            "there is no dbt project here, so the table names are unknown",
        )
        .with_help(
            "run the command in the folder with `dbt_project.yml`, or specify that folder with `--project-dir`",
        ));
    };
    let folder = environment::artifacts_folder(&workspace.root, &dbt.target_folder(), environment);
    if let Some(artifacts) = TargetArtifacts::read_folder(&folder)? {
        return Ok(artifacts.manifest);
    }
    let name = &environment.name;
    let text = format!(
        "there is no dbt manifest of `{name}` in {}",
        escape_hidden(&folder.to_string_lossy())
    );
    let options = environment::dbt_options(Some(environment), &dbt.target_folder(), &folder);
    Err(Failure::new(Exit::Failed, text).with_help(format!(
        "the table names are in the manifest: copy the manifest from the machine that builds `{name}`, or run \
         `dbt parse{}`",
        escape_hidden(&options)
    )))
}

/// Names of the two relations that are compared.
struct RelationNamePair<'n> {
    here: String,
    there: String,
    /// Whether the engine is dbt, which resolves the relation names of the current environment.
    by_dbt: bool,
    own: Option<&'n Manifest>,
    other: Manifest,
}

impl RelationNamePair<'_> {
    fn prepare_comparison<'m>(
        &self,
        model: &'m String,
        compiled: Option<&CompiledSpec>,
    ) -> (&'m String, ComparisonEvidence, Result<Comparison, String>) {
        let mut comparison_evidence = ComparisonEvidence::default();
        (comparison_evidence.ours, comparison_evidence.with) = (Some(self.here.clone()), Some(self.there.clone()));
        (model, comparison_evidence, self.comparison(model, compiled))
    }

    /// Returns the comparison of a model, or the reason why the model cannot be compared.
    fn comparison(&self, model: &str, compiled: Option<&CompiledSpec>) -> Result<Comparison, String> {
        let compiled = compiled.ok_or("no spec of the model compiles here")?;
        let comparison = compiled
            .formula_comparison()
            .ok_or("no schema lists the columns of the model")?;
        let theirs = relation(&self.other, model).map_err(|why| format!("the manifest of {} {why}", self.there))?;
        let manifest_relation = self.own.map(|manifest| relation(manifest, model)).transpose();
        let ours = match (self.by_dbt, comparison.own_relation(), manifest_relation) {
            (true, Some(ours), _) => ours.clone(),
            (_, _, Ok(Some(own_relation))) => own_relation,
            (_, _, Ok(None)) => return Err("no dbt manifest in this environment has a model with this name".to_owned()),
            (_, _, Err(why)) => return Err(format!("the manifest of {} {why}", self.here)),
        };
        if ours == theirs {
            return Err(format!("both manifests name the same relation {}", ours.display_name()));
        }
        Ok(comparison.between_relations(ours, theirs))
    }

    /// Restricts the comparison to the columns that both relations have, and records the columns that one of the
    /// relations lacks.
    fn restrict_to_common_columns(
        &self,
        model: &str,
        mut comparison: Comparison,
        presences: [RelationPresence; 2],
        comparison_evidence: &mut ComparisonEvidence,
    ) -> Result<Comparison, String> {
        // If both names refer to the same relation, the dbt profile probably ignores the environment's schema.
        if let [
            RelationPresence::There(_, Some(our_relation)),
            RelationPresence::There(_, Some(their_relation)),
        ] = &presences
            && our_relation == their_relation
        {
            return Err(format!(
                "{} and {} both use the relation {our_relation}, perhaps because the dbt profile ignores \
                 FORMULAC_SCHEMA",
                self.here, self.there
            ));
        }
        for ((presence, name), side) in presences
            .into_iter()
            .zip([&self.here, &self.there])
            .zip(RelationSide::BOTH)
        {
            let columns = match presence {
                RelationPresence::Missing => {
                    return Err(format!(
                        "`{model}` is not in {name}: it is not built, or this connection cannot read it"
                    ));
                }
                RelationPresence::Unknown(why) => return Err(why),
                RelationPresence::There(columns, _) => columns,
            };
            let lacking = comparison.keep_columns(side, &columns);
            if let Some(key) = lacking.keys.first() {
                return Err(format!("{name} has no column `{key}`, which is part of the key"));
            }
            comparison_evidence
                .lacking
                .extend(lacking.columns.iter().map(|column| format!("{name} has no `{column}`")));
        }
        if comparison.is_empty() && comparison.counts_rows() {
            return Err("the two relations have no columns in common".to_owned());
        }
        Ok(comparison)
    }
}

/// Returns the name that a manifest records for a model's relation.
fn relation(manifest: &Manifest, model: &str) -> Result<RelationReference, &'static str> {
    let mut nodes = manifest
        .nodes
        .iter()
        .filter(|node| node.resource_type == ResourceType::Model);
    let node = nodes
        .find(|node| &*node.name == model && node.is_latest())
        .ok_or("does not have this model")?;
    let name = node
        .relation_name
        .as_deref()
        .ok_or("reports that the model is not built")?;
    RelationName::read(name)
        .map(RelationReference::Relation)
        .ok_or("uses a table name that cannot be read")
}

impl ComparisonResultsByModel {
    /// Returns the result for a model, as lines below its name.
    pub fn to_text(&self, model: &str) -> String {
        let mut out = String::new();
        let Some(ComparisonResult {
            comparison_evidence,
            compared,
            ..
        }) = self.0.get(model)
        else {
            return out;
        };
        let message = comparison_evidence.message();
        let _ = writeln!(out, "    {}", escape_hidden(message.lines().next().unwrap_or_default()));
        // If both relations have the same rows, the sums of floats can differ merely because the order of addition
        // differs.
        let counts = &comparison_evidence.counts;
        let has_other_rows = counts.rows[0] != counts.rows[1] || counts.only_on_side != [0, 0] || counts.unmatched > 0;
        let differs =
            |counts: &&ColumnCounts| counts.differing > 0 || (has_other_rows && counts.sums[0] != counts.sums[1]);
        for column in counts.columns.iter().filter(differs) {
            let _ = writeln!(out, "    {}", self::format_column(column, comparison_evidence));
        }
        for row in &compared.rows {
            let _ = writeln!(
                out,
                "      {}",
                row_line::format_row(row, comparison_evidence, &compared.columns, |_| false)
            );
        }
        if compared.more {
            out.push_str("      and more\n");
        }
        out
    }

    /// Returns the result for a model as JSON.
    pub fn comparison_json(&self, model: &str) -> Value {
        self.0.get(model).map_or(Value::Null, |judged| {
            show::comparison_json(&judged.comparison_evidence, &judged.compared)
        })
    }

    /// Counts the models that agree, differ or are not compared.
    pub fn summary(&self) -> String {
        let with = |verdict: ComparisonVerdict| {
            self.0
                .values()
                .filter(|judged| judged.comparison_evidence.verdict == verdict)
                .count()
        };
        let verdicts = [
            (ComparisonVerdict::Agrees, "agrees", "agree"),
            (ComparisonVerdict::Differs, "differs", "differ"),
            (ComparisonVerdict::NotCompared, "is not compared", "are not compared"),
        ];
        let parts = verdicts.into_iter().filter(|(verdict, ..)| with(*verdict) > 0);
        let parts: Vec<String> = parts
            .map(|(verdict, singular, many)| format_count(with(verdict), singular, many))
            .collect();
        if parts.is_empty() {
            "no model is built on both sides".to_owned()
        } else {
            format!("rows: {}", parts.join(", "))
        }
    }

    /// Returns a failure if a requested model could not be compared.
    pub fn exit(&self) -> Exit {
        let is_unknown = self
            .0
            .values()
            .any(|judged| judged.comparison_evidence.verdict == ComparisonVerdict::NotCompared);
        if is_unknown || self.0.is_empty() {
            Exit::Failed
        } else {
            Exit::Done
        }
    }
}

/// Describes a column whose values differ: `revenue: sum 35.5, and 41 in production; 1 row differs, by 5.5 at most`.
fn format_column(column: &ColumnCounts, comparison_evidence: &ComparisonEvidence) -> String {
    let mut parts = Vec::new();
    let [ours, theirs] = column.sums.each_ref().map(|sum| sum.as_deref().unwrap_or("NULL"));
    match ours == theirs {
        _ if column.sums == [None, None] => {}
        true => parts.push(format!("sum {ours} in both")),
        false => parts.push(format!(
            "sum {ours}, and {theirs} in {}",
            comparison_evidence.compared_name()
        )),
    }
    if column.differing > 0 {
        let rows = format_count(column.differing, "row differs", "rows differ");
        let most = column
            .greatest
            .as_ref()
            .map(|difference| format!(", by at most {difference}"))
            .unwrap_or_default();
        parts.push(format!("{rows}{most}"));
    }
    escape_hidden(&format!("{}: {}", column.column, parts.join("; "))).into_owned()
}
