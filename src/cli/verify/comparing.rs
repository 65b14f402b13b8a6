//! A model's comparisons, each by the engine: what is counted, and the worst rows where something differs.

use std::collections::BTreeSet;

use formulac::dbt::From as Read;
use formulac::sync::{Evidence, Proof, Verdict};
use formulac::verify::{Comparison, Counts, DifferingRow, Lacking, Reader, Side};
use formulac::{CompiledSpec, Schema};

use super::{Verified, presence, row_line, spelled};
use crate::cli::args::VerifyArgs;
use crate::cli::engine::{Answer, Asked, Engine, Presence};
use crate::cli::exit::Failure;
use crate::cli::place::Place;

/// A tag that is never written down, whether columns inherit it or not.
const PERSONAL: &str = "pii";

/// A comparison with the rows that do not agree.
#[derive(Default)]
pub struct Compared {
    /// The columns that are compared.
    pub columns: Vec<String>,
    pub rows: Vec<DifferingRow>,
    /// There are more rows than these.
    pub more: bool,
}

/// What all comparisons share.
pub struct Comparer<'c> {
    pub place: &'c Place,
    pub engine: &'c Engine,
    pub presences: Vec<(Read, Presence)>,
    pub typed: Option<&'c Schema>,
    pub args: &'c VerifyArgs,
}

/// What an engine is asked for a model.
struct Model<'m> {
    compiled: &'m CompiledSpec,
    tables: Vec<String>,
    /// Columns of which no value is written down.
    hidden: BTreeSet<String>,
    /// The query that is timed, once.
    timed: Option<String>,
}

impl Comparer<'_> {
    /// Compares a model with its formula, and with what its spec names.
    pub fn verify(&self, compiled: &CompiledSpec, path: &str, text: &str) -> Result<Verified, Failure> {
        let name = compiled.name().unwrap_or_default();
        let mut verified = Verified {
            evidence: Evidence::of(name, path, text),
            compared: Vec::new(),
            last_seconds: None,
            over_budget: Vec::new(),
            standings: Vec::new(),
            is_unbuilt: false,
        };
        let tables = super::tables(&[(0, compiled)]);
        let hidden = self.hidden(compiled);
        let mut model = Model { compiled, tables, hidden, timed: compiled.counted_sql(self.reader()) };
        // Over files there need be none of the model, where something else is to be compared.
        let is_missing = |it: &Comparison| {
            it.ours().is_some_and(|read| matches!(presence(&self.presences, read), Some(Presence::Missing)))
        };
        let beside_formula = compiled.beside_formula();
        let is_over_files = self.args.engine.data.is_some() && !compiled.comparisons().is_empty();
        verified.is_unbuilt = is_over_files && beside_formula.as_ref().is_some_and(is_missing);
        match beside_formula {
            _ if verified.is_unbuilt => {}
            Some(comparison) => self.compare(&mut model, comparison, &mut verified)?,
            None => {
                verified.add_unproven(Proof::default(), "no schema says which columns it has".to_owned());
            }
        }
        for comparison in compiled.comparisons() {
            self.compare(&mut model, comparison, &mut verified)?;
        }
        Ok(verified)
    }

    fn reader(&self) -> Reader {
        if self.engine.runs_models() { Reader::Dbt } else { Reader::Tables }
    }

    /// Columns with a tag that is not written down.
    fn hidden(&self, compiled: &CompiledSpec) -> BTreeSet<String> {
        let inherited = self.place.project.inherit();
        let is_personal = |tag: &String| tag.eq_ignore_ascii_case(PERSONAL) || inherited.contains(tag);
        let inherited = compiled.columns().iter().map(|column| (column.name(), column.tags()));
        let said = compiled.column_tags().iter().map(|(name, tags)| (name.as_str(), tags.as_slice()));
        let hidden = inherited.chain(said).filter(|(_, tags)| tags.iter().any(is_personal));
        hidden.map(|(name, _)| name.to_lowercase()).collect()
    }

    fn compare(&self, model: &mut Model<'_>, comparison: Comparison, verified: &mut Verified) -> Result<(), Failure> {
        let mut comparison = comparison.or_tolerance(self.args.tolerance.as_deref());
        let mut proof = Proof::default();
        proof.with = comparison.with().map(spelled);
        let lacking = match self.bring_together(model, &mut comparison, &mut proof) {
            Ok(lacking) => lacking,
            Err(why) => {
                verified.add_unproven(proof, why);
                return Ok(());
            }
        };
        let timed = model.timed.take();
        let asked = comparison.counts_sql(self.reader());
        let answer = match self.ask(&asked, model, 1, timed.as_deref())? {
            Ok(answer) => answer,
            Err(why) => {
                verified.add_unproven(proof, why);
                return Ok(());
            }
        };
        verified.evidence.engine.clone_from(&answer.engine);
        verified.evidence.formula_seconds = verified.evidence.formula_seconds.or(answer.seconds);
        let counts = answer.rows.first().and_then(|row| comparison.counts(|name| answer.value(row, name)));
        let Some(counts) = counts else {
            verified.add_unproven(proof, "the engine's answer is not what was asked for".to_owned());
            return Ok(());
        };
        let columns: Vec<String> = comparison.columns().into_iter().map(str::to_owned).collect();
        let mut compared = Compared { columns, ..Compared::default() };
        proof.keys = comparison.keys().into_iter().map(str::to_owned).collect();
        proof.tolerance = comparison.tolerance().map(str::to_owned);
        proof.lacking = lacking;
        if !counts.agrees() && self.args.limit > 0 {
            self.find_rows(model, &comparison, &mut compared)?;
        }
        proof.verdict = if counts.agrees() && proof.lacking.is_empty() { Verdict::Agrees } else { Verdict::Differs };
        proof.counts = self.without_hidden(counts, model);
        let is_hidden = |column: &str| model.hidden.contains(&column.to_lowercase());
        proof.worst =
            compared.rows.iter().map(|row| row_line::told(row, &proof, &compared.columns, is_hidden)).collect();
        verified.add(proof, compared);
        Ok(())
    }

    /// How far the numbers of a hidden column lie apart is not written down either.
    fn without_hidden(&self, mut counts: Counts, model: &Model<'_>) -> Counts {
        for column in counts.columns.iter_mut().filter(|it| model.hidden.contains(&it.column.to_lowercase())) {
            column.greatest = None;
        }
        counts
    }

    /// Sees to it that both sides are there, and keeps to the columns that both have; what one lacks, as sentences. Else
    /// why they cannot be compared.
    fn bring_together(
        &self,
        model: &Model<'_>,
        comparison: &mut Comparison,
        proof: &mut Proof,
    ) -> Result<Vec<String>, String> {
        let of = |read: Option<&Read>| read.and_then(|read| presence(&self.presences, read));
        let name = model.compiled.name().unwrap_or_default();
        let mut told = Vec::new();
        let is_formula = comparison.with().is_none();
        match of(comparison.with()) {
            Some(Presence::Missing) => return Err(format!("`{}` is not there", proof.other())),
            Some(Presence::Unknown(why)) => return Err(why.clone()),
            Some(Presence::There(columns)) => {
                let lacking = comparison.keep_to(Side::Theirs, columns);
                refuse_keys(&lacking, |key| format!("`{}` has no `{key}`, which tells the rows apart", proof.other()))?;
                told.extend(lacking.columns.iter().map(|column| format!("`{}` has no `{column}`", proof.other())));
            }
            None => {}
        }
        let ours = of(comparison.ours());
        let is_inlined = matches!(ours, Some(Presence::Missing)) && self.is_ephemeral(name);
        match ours {
            Some(Presence::Missing) if is_inlined => {}
            Some(Presence::Missing) if is_formula => return Err(format!("`{name}` is not built")),
            Some(Presence::Missing) => {
                proof.of_formula = true;
                let of_formula = comparison.clone().of_formula(model.compiled);
                *comparison = of_formula.ok_or_else(|| format!("`{name}` is not built"))?;
            }
            Some(Presence::Unknown(why)) => return Err(why.clone()),
            Some(Presence::There(columns)) => {
                let lacking = comparison.keep_to(Side::Ours, columns);
                refuse_keys(&lacking, |key| format!("`{key}`, which tells the rows apart, is not built"))?;
                told.extend(lacking.columns.iter().map(|column| format!("`{column}` is not built")));
                if is_formula {
                    let more = lacking.more.iter().map(|column| format!("`{column}` is built, and the spec has none"));
                    told.extend(more);
                }
            }
            None => {}
        }
        if comparison.is_empty() && comparison.counts_rows() {
            return Err("the two have no column in common".to_owned());
        }
        Ok(told)
    }

    /// Whether dbt builds no table of the model: whoever reads it computes it.
    fn is_ephemeral(&self, model: &str) -> bool {
        let manifest = self.place.manifest().ok().flatten();
        let nodes = manifest.into_iter().flat_map(|manifest| &manifest.nodes);
        nodes.filter(|node| &*node.name == model).any(|node| node.materialized() == Some("ephemeral"))
    }

    fn find_rows(&self, model: &Model<'_>, comparison: &Comparison, compared: &mut Compared) -> Result<(), Failure> {
        let asked = comparison.rows_sql(self.reader());
        // What is counted stands, whether rows can be shown or not.
        let Ok(answer) = self.ask(&asked, model, self.args.limit, None)? else { return Ok(()) };
        let read = answer.rows.iter().filter_map(|row| comparison.row(|name| answer.value(row, name)));
        compared.rows = read.collect();
        compared.more = answer.more;
        Ok(())
    }

    /// The answer, or what the engine says is wrong.
    fn ask(
        &self,
        sql: &str,
        model: &Model<'_>,
        limit: u32,
        timed: Option<&str>,
    ) -> Result<Result<Answer, String>, Failure> {
        let asked = Asked { sql, columns: &[], tables: &model.tables, own_limit: None, limit, timed };
        match self.engine.answer(asked, self.typed) {
            Ok(answer) => Ok(Ok(answer)),
            Err(Failure::Found(found)) => {
                let said = found.iter().flat_map(|found| &found.diagnostics).map(|it| it.message().to_owned()).next();
                Ok(Err(said.unwrap_or_else(|| "the engine failed".to_owned())))
            }
            // It could not be sent, since it is too long for one.
            Err(Failure::Message(message)) => Ok(Err(message.text)),
        }
    }
}

impl Verified {
    fn add(&mut self, proof: Proof, compared: Compared) {
        self.evidence.proofs.push(proof);
        self.compared.push(compared);
    }

    fn add_unproven(&mut self, mut proof: Proof, why: String) {
        proof.why = Some(why);
        self.add(proof, Compared::default());
    }
}

fn refuse_keys(lacking: &Lacking, told: impl Fn(&str) -> String) -> Result<(), String> {
    match lacking.keys.first() {
        Some(key) => Err(told(key)),
        None => Ok(()),
    }
}
