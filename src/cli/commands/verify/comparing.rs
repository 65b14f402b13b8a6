//! Prepares a model's comparisons: the built model is compared with the model's formula and with each relation in
//! `compare:`.

use std::collections::BTreeSet;

use formulac::dbt::RelationReference;
use formulac::sync::{ComparisonEvidence, VerificationEvidence, VerificationTiming};
use formulac::verify::{Comparison, MissingColumns, RelationSide};
use formulac::{CompiledSpec, Schema};

use super::run_comparisons::{ComparisonRunner, RelationPair};
use super::{VerificationResult, find_presence};
use crate::cli::args::VerifyArgs;
use crate::cli::engine::{Engine, RelationPresence};
use crate::cli::exit::Failure;
use crate::cli::workspace::Workspace;

/// Spec to verify.
pub struct SpecToVerify<'s> {
    pub compiled: &'s CompiledSpec,
    /// Path of the spec, relative to the project.
    pub path: &'s str,
    pub text: &'s str,
}

/// Settings that all comparisons share.
pub struct ModelComparer<'c> {
    pub workspace: &'c Workspace,
    pub engine: &'c Engine,
    pub presences: Vec<(RelationReference, RelationPresence)>,
    /// Whether each relation is built in this environment. Verified models must be built there. Set only if `presences`
    /// may refer to relations of another environment.
    pub relation_presences: Option<Vec<(RelationReference, RelationPresence)>>,
    pub typed: Option<&'c Schema>,
    pub args: &'c VerifyArgs,
}

/// Model with its comparisons.
struct VerifiedModel<'m> {
    compiled: &'m CompiledSpec,
    tables: Vec<String>,
    /// Columns whose values must not be written to any file.
    hidden: BTreeSet<String>,
    /// Query whose duration is measured. The query runs together with the first comparison.
    timed: Option<String>,
    verified: VerificationResult,
    /// Comparisons that an engine evaluates, each with the index of its proof.
    pairs: Vec<(usize, RelationPair)>,
}

impl ModelComparer<'_> {
    /// Compares models with their formulas and with the relations in `compare:`. Calls `on_progress` after each
    /// comparison.
    pub fn verify(
        &self,
        subjects: &[SpecToVerify<'_>],
        on_progress: impl Fn(),
    ) -> Result<Vec<VerificationResult>, Failure> {
        let mut models: Vec<VerifiedModel<'_>> = subjects.iter().map(|subject| self.prepare_model(subject)).collect();
        let (mut places, mut pairs) = (Vec::new(), Vec::new());
        for (model, verified_model) in models.iter_mut().enumerate() {
            for (comparison_evidence, pair) in std::mem::take(&mut verified_model.pairs) {
                places.push((model, comparison_evidence));
                pairs.push(pair);
            }
        }
        for ((model, comparison_evidence), judged) in places
            .into_iter()
            .zip(self.comparison_runner().run_comparisons(pairs, on_progress)?)
        {
            let Some(verified) = models.get_mut(model).map(|model| &mut model.verified) else {
                continue;
            };
            if !judged.engine.is_empty() {
                verified.evidence.engine.clone_from(&judged.engine);
            }
            verified.timing.formula_seconds = verified.timing.formula_seconds.or(judged.seconds);
            if let Some(slot) = verified.evidence.proofs.get_mut(comparison_evidence) {
                *slot = judged.comparison_evidence;
            }
            if let Some(slot) = verified.compared.get_mut(comparison_evidence) {
                *slot = judged.compared;
            }
        }
        Ok(models.into_iter().map(|model| model.verified).collect())
    }

    /// Returns a model with all its comparisons.
    fn prepare_model<'m>(&self, subject: &SpecToVerify<'m>) -> VerifiedModel<'m> {
        let compiled = subject.compiled;
        let name = compiled.name().unwrap_or_default();
        let verified = VerificationResult {
            evidence: VerificationEvidence::new(name, subject.path, subject.text),
            compared: Vec::new(),
            timing: VerificationTiming::default(),
            previous_query_seconds: None,
            budget_seconds: None,
            over_budget: Vec::new(),
            build_states: Vec::new(),
            is_unbuilt: false,
        };
        let (tables, hidden) = (super::tables_read(&[(0, compiled)]), self.hidden_columns(compiled));
        let timed = compiled.formula_count_sql(self.comparison_runner().comparison_reader());
        let mut model = VerifiedModel {
            compiled,
            tables,
            hidden,
            timed,
            verified,
            pairs: Vec::new(),
        };
        // The built model may be missing if the spec has other comparisons, provided that the data comes from files or
        // that another environment supplies missing models.
        let is_missing = |comparison: &Comparison| {
            comparison.own_relation().is_some_and(|relation| {
                matches!(
                    find_presence(self.find_built_relations(), relation),
                    Some(RelationPresence::Missing)
                )
            })
        };
        let formula_comparison = compiled.formula_comparison();
        let need_not_be = (self.args.engine.data.is_some() || self.relation_presences.is_some())
            && !compiled.comparisons().is_empty();
        model.verified.is_unbuilt = need_not_be && formula_comparison.as_ref().is_some_and(is_missing);
        match formula_comparison {
            _ if model.verified.is_unbuilt => {}
            Some(comparison) => self.compare(&mut model, comparison),
            None => {
                let mut comparison_evidence = ComparisonEvidence::default();
                comparison_evidence.why = Some("no schema lists the columns of the model".to_owned());
                model.verified.add(comparison_evidence);
            }
        }
        for comparison in compiled.comparisons() {
            self.compare(&mut model, comparison);
        }
        model
    }

    fn comparison_runner(&self) -> ComparisonRunner<'_> {
        ComparisonRunner {
            engine: self.engine,
            typed: self.typed,
            limit: self.args.limit,
        }
    }

    fn find_built_relations(&self) -> &[(RelationReference, RelationPresence)] {
        self.relation_presences.as_deref().unwrap_or(&self.presences)
    }

    /// Returns the columns with a tag that marks their values as personal. These values are never written to a file.
    fn hidden_columns(&self, compiled: &CompiledSpec) -> BTreeSet<String> {
        let inherited = self.workspace.project.inherit();
        let is_personal = |tag: &String| {
            inherited
                .iter()
                .any(|inherited_tag| inherited_tag.eq_ignore_ascii_case(tag))
        };
        let inherited = compiled.columns().iter().map(|column| (column.name(), column.tags()));
        let declared_columns = compiled
            .column_tags()
            .iter()
            .map(|(name, tags)| (name.as_str(), tags.as_slice()));
        let hidden = inherited
            .chain(declared_columns)
            .filter(|(_, tags)| tags.iter().any(is_personal));
        hidden.map(|(name, _)| name.to_lowercase()).collect()
    }

    /// Adds a comparison to the model: a pair of relations that the engine compares, or the reason why the comparison
    /// is impossible.
    fn compare(&self, model: &mut VerifiedModel<'_>, comparison: Comparison) {
        let mut comparison = comparison.with_default_tolerance(self.args.tolerance.as_deref());
        let mut comparison_evidence = ComparisonEvidence::default();
        comparison_evidence.with = comparison
            .compared_relation()
            .map(|reference| reference.display_name().into_owned());
        match self.restrict_to_common_columns(model.compiled, &mut comparison, &mut comparison_evidence) {
            Err(why) => comparison_evidence.why = Some(why),
            Ok(lacking) => {
                comparison_evidence.lacking = lacking;
                let (tables, hidden) = (model.tables.clone(), model.hidden.clone());
                let pair = RelationPair {
                    comparison,
                    comparison_evidence: comparison_evidence.clone(),
                    tables,
                    hidden,
                    timed: model.timed.take(),
                };
                model.pairs.push((model.verified.evidence.proofs.len(), pair));
            }
        }
        model.verified.add(comparison_evidence);
    }

    /// Checks that both relations exist, and restricts the comparison to the columns that both of them have. Returns
    /// messages about missing columns, or an error with the reason why the relations cannot be compared.
    fn restrict_to_common_columns(
        &self,
        compiled: &CompiledSpec,
        comparison: &mut Comparison,
        comparison_evidence: &mut ComparisonEvidence,
    ) -> Result<Vec<String>, String> {
        let presence_of = |read_relation: Option<&RelationReference>| {
            read_relation.and_then(|relation| find_presence(&self.presences, relation))
        };
        let name = compiled.name().unwrap_or_default();
        let mut messages = Vec::new();
        let is_formula = comparison.compared_relation().is_none();
        match presence_of(comparison.compared_relation()) {
            Some(RelationPresence::Missing) => {
                let other = comparison_evidence.compared_name();
                let is_inlined = comparison
                    .compared_relation()
                    .is_some_and(|read| self.is_ephemeral(read.name()));
                return Err(match is_inlined {
                    true => format!(
                        "`{other}` is ephemeral, so there is no table to compare with; compare with a table or a view"
                    ),
                    false => format!("`{other}` does not exist"),
                });
            }
            Some(RelationPresence::Unknown(why)) => return Err(why.clone()),
            Some(RelationPresence::There(columns, _)) => {
                let lacking = comparison.keep_columns(RelationSide::Theirs, columns);
                require_key_columns(&lacking, |key| {
                    format!(
                        "`{}` has no column `{key}`, which is part of the key",
                        comparison_evidence.compared_name()
                    )
                })?;
                messages.extend(
                    lacking
                        .columns
                        .iter()
                        .map(|column| format!("`{}` has no `{column}`", comparison_evidence.compared_name())),
                );
            }
            None => {}
        }
        let ours = comparison
            .own_relation()
            .and_then(|relation| find_presence(self.find_built_relations(), relation));
        let materialized = compiled.config().iter().find(|(key, _)| key == "materialized");
        let is_inlined = materialized.map_or_else(|| self.is_ephemeral(name), |(_, kind)| kind == "ephemeral");
        match ours {
            Some(RelationPresence::Missing) if is_inlined => {}
            Some(RelationPresence::Missing) if is_formula => return Err(format!("`{name}` is not built")),
            Some(RelationPresence::Missing) => {
                comparison_evidence.of_formula = true;
                let of_formula = comparison.clone().with_formula(compiled);
                *comparison = of_formula.ok_or_else(|| format!("`{name}` is not built"))?;
            }
            Some(RelationPresence::Unknown(why)) => return Err(why.clone()),
            Some(RelationPresence::There(columns, _)) => {
                let lacking = comparison.keep_columns(RelationSide::Ours, columns);
                require_key_columns(&lacking, |key| format!("the key column `{key}` is not built"))?;
                messages.extend(lacking.columns.iter().map(|column| format!("`{column}` is not built")));
                if is_formula {
                    let more = lacking
                        .not_compared
                        .iter()
                        .map(|column| format!("`{column}` is built, but the spec does not contain this column"));
                    messages.extend(more);
                }
            }
            None => {}
        }
        if comparison.is_empty() && comparison.counts_rows() {
            return Err("the two relations have no columns in common".to_owned());
        }
        Ok(messages)
    }

    /// Returns whether the model is ephemeral: dbt builds no table for it, but inserts its query into the models that
    /// read it.
    fn is_ephemeral(&self, model: &str) -> bool {
        let manifest = self.workspace.manifest().ok().flatten();
        let nodes = manifest.into_iter().flat_map(|manifest| &manifest.nodes);
        nodes
            .filter(|node| &*node.name == model)
            .any(|node| node.materialized() == Some("ephemeral"))
    }
}

impl VerificationResult {
    /// Adds the result of a comparison to the evidence, or the reason why the comparison was impossible.
    fn add(&mut self, comparison_evidence: ComparisonEvidence) {
        self.evidence.proofs.push(comparison_evidence);
        self.compared.push(super::ComparisonDetails::default());
    }
}

fn require_key_columns(lacking: &MissingColumns, message: impl Fn(&str) -> String) -> Result<(), String> {
    match lacking.keys.first() {
        Some(key) => Err(message(key)),
        None => Ok(()),
    }
}
