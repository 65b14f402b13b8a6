//! Evaluates drafted rows: determines which branches of the formulas the rows cover, and whether the results are
//! deterministic.

use std::cell::Cell;

use super::columns::ColumnTestValues;
use super::deterministic_rows::RUN_DATE_REASON;
use super::rows::{RandomGenerator, RelationRows};
use crate::interpret::spec::{InterpreterJoin, InterpreterSpec};
use crate::interpret::trace::{self, CoverageEvents};
use crate::interpret::uncertainty::{CheckedResult, NoiseDirection, with_noise};
use crate::interpret::value::Value;
use crate::interpret::walk::{self, StepRows, interpret};
use crate::model::CompiledSpec;
use crate::model::interpreter_input::InterpreterInput;

use super::coverage::{needs_additional_row, prune_spec};
use super::mutants::spec_mutants;

pub struct MutationScorer<'a> {
    /// Versions of the spec, one for each day to try, starting with the main day. Each version computes only the output
    /// columns in `columns`.
    pub specs: Vec<InterpreterSpec>,
    /// Like `specs`, but with all output columns.
    pub specs_by_day: Vec<&'a InterpreterSpec>,
    /// Relations. Each entry contains the name, the columns, the key columns among these columns, and the number of
    /// columns in the complete key.
    pub relations: Vec<(&'a str, Vec<&'a str>, Vec<&'a str>, usize)>,
    pub slots: &'a [Vec<ColumnTestValues>],
    /// Output columns with expected values, by their names in the interpreter.
    pub columns: Vec<String>,
    /// All output columns: the name in the interpreter, and the name as written for dbt.
    pub output_names: Vec<(String, String)>,
    /// Omitted output columns, each with the reason.
    pub unknown: Vec<(String, String)>,
    /// Mutants: copies of the spec with one mistake each.
    pub mutants: Vec<InterpreterSpec>,
    /// Number of interpreter steps that the draft has used.
    used_steps: Cell<u64>,
}

/// Result of evaluating a set of rows.
pub struct MutationScore {
    pub events: CoverageEvents,
    /// Whether the results are deterministic and the same on every day.
    pub is_deterministic: bool,
    /// Number of results with many digits.
    pub long_value_count: usize,
}

/// Maximum number of interpreter steps for a draft.
const MAX_STEPS: u64 = 3_000_000;

/// Number of random data sets for testing which output columns can be evaluated.
const TRIAL_COUNT: usize = 40;

impl<'a> MutationScorer<'a> {
    pub fn new(
        main: &'a InterpreterInput,
        others: &'a [InterpreterSpec],
        slots: &'a [Vec<ColumnTestValues>],
        compiled: &CompiledSpec,
    ) -> Self {
        let relations = main.relations.iter().zip(slots).map(|(relation_input, slots)| {
            let columns: Vec<&str> = slots.iter().map(|slot| slot.name.as_str()).collect();
            let key: Vec<&str> = slots
                .iter()
                .filter(|slot| slot.is_part_of_key)
                .map(|slot| slot.name.as_str())
                .collect();
            let parts = relation_input
                .columns
                .as_ref()
                .map_or(0, |relation| relation.key().len());
            let key = if key.len() == parts { key } else { Vec::new() };
            (relation_input.name.as_str(), columns, key, parts)
        });
        let specs: Vec<&InterpreterSpec> = [&main.spec].into_iter().chain(others).collect();
        let mut scorer = Self {
            specs: Vec::new(),
            specs_by_day: specs,
            relations: relations.collect(),
            slots,
            columns: Vec::new(),
            output_names: Vec::new(),
            unknown: Vec::new(),
            mutants: Vec::new(),
            used_steps: Cell::new(0),
        };
        let last = main.spec.steps.len().saturating_sub(1);
        let mut rng = RandomGenerator::new(1);
        let trials: Vec<RelationRows> = (0..TRIAL_COUNT)
            .map(|trial| scorer.generate_random_rows(&mut rng, trial / 4))
            .collect();
        for column in compiled.columns() {
            let name = crate::interpret::from_ast::fold_case(column.name());
            scorer.output_names.push((name.clone(), column.name().to_owned()));
            let unread = main
                .unread
                .iter()
                .find(|(step, unread_column, _)| *step == last && *unread_column == name);
            let why = match unread {
                Some((_, _, why)) => Some(not_evaluable_message(why)),
                None => scorer.reason_for_no_expected_value(&name, &trials),
            };
            match why {
                Some(why) => scorer.unknown.push((column.name().to_owned(), why)),
                None => scorer.columns.push(name),
            }
        }
        scorer.specs = scorer
            .specs_by_day
            .iter()
            .map(|spec| prune_spec(spec, &scorer.columns))
            .collect();
        scorer.mutants = scorer.specs.first().map(spec_mutants).unwrap_or_default();
        scorer
    }

    /// Returns random rows that contain the values to try for each column.
    pub fn generate_random_rows(&self, rng: &mut RandomGenerator, count: usize) -> RelationRows {
        let mut data: RelationRows = vec![Vec::new(); self.slots.len()];
        for _ in 0..count {
            let relation_index = rng.random_below(self.slots.len());
            let row = self.random_row(rng, &data, relation_index);
            if let Some(rows) = data.get_mut(relation_index) {
                rows.push(row);
            }
        }
        data
    }

    /// Returns a new random row for a relation.
    pub fn random_row(&self, rng: &mut RandomGenerator, data: &RelationRows, relation_index: usize) -> Vec<Value> {
        let rows = data.get(relation_index).map_or(0, Vec::len);
        let slots = self.slots.get(relation_index).into_iter().flatten();
        let value = |slot: &ColumnTestValues, rng: &mut RandomGenerator| {
            let plain = rng.random_below(10) < 3;
            let value = if slot.is_key { slot.pool.get(rows) } else { None };
            let value = value.or_else(|| {
                if plain {
                    slot.pool.first()
                } else {
                    rng.pick_random(&slot.pool)
                }
            });
            value.cloned().unwrap_or(Value::Null)
        };
        slots.map(|slot| value(slot, rng)).collect()
    }

    /// Returns the reason why a column cannot have expected values.
    fn reason_for_no_expected_value(&self, column: &str, trials: &[RelationRows]) -> Option<String> {
        let columns = [column.to_owned()];
        let specs: Vec<InterpreterSpec> = self
            .specs_by_day
            .iter()
            .map(|spec| prune_spec(spec, &columns))
            .collect();
        let (mut differing, mut telling) = (0, 0);
        for data in trials {
            let mut results = Vec::new();
            for spec in &specs {
                let run = self.run(spec, data, None);
                if let Some(unknown_part) = run.unsupported_part {
                    return Some(not_evaluable_message(&unknown_part));
                }
                results.push(run.value.values());
            }
            telling += usize::from(results.iter().any(|result| !result.is_empty()));
            differing += usize::from(results.iter().any(|result| Some(result) != results.first()));
        }
        (telling > 0 && differing == telling).then(|| RUN_DATE_REASON.to_owned())
    }

    pub fn run(
        &self,
        spec: &InterpreterSpec,
        data: &RelationRows,
        noise: Option<NoiseDirection>,
    ) -> CheckedResult<StepRows> {
        let tables: Vec<walk::ValueTable<'_>> = self
            .relations
            .iter()
            .zip(data)
            .map(|((name, columns, key, _), rows)| walk::ValueTable {
                name,
                columns,
                key,
                rows,
            })
            .collect();
        let run = with_noise(noise, || interpret(spec, &tables));
        // Add ten steps per row, because preparing a row also takes time.
        let rows: usize = data.iter().map(Vec::len).sum();
        self.used_steps
            .set(self.used_steps.get().saturating_add(run.steps + 10 * rows as u64));
        run
    }

    /// Returns the mutants whose results differ from the spec's results.
    pub fn detected_mutants(&self, data: &RelationRows, mutants: &[usize]) -> Vec<usize> {
        let Some(spec) = self.specs.first() else {
            return Vec::new();
        };
        let right = sorted_rows(self.run(spec, data, None).value);
        let is_other = |mutant_index: &usize| {
            let run = self
                .mutants
                .get(*mutant_index)
                .map(|mutant| self.run(mutant, data, None));
            run.is_some_and(|run| run.unsupported_part.is_none() && sorted_rows(run.value) != right)
        };
        mutants.iter().copied().filter(is_other).collect()
    }

    /// Returns whether the draft has used more than `percent` of its maximum number of steps. The search then stops,
    /// because the user is waiting for the draft.
    pub fn is_budget_spent(&self, percent: u64) -> bool {
        self.used_steps.get() > MAX_STEPS / 100 * percent
    }

    /// Evaluates a set of rows. Returns `None` for invalid rows: rows with a duplicate key, or with several matches for
    /// a join that allows only one.
    pub fn score_rows(&self, data: &RelationRows) -> Option<MutationScore> {
        for ((slots, rows), (.., parts)) in self.slots.iter().zip(data).zip(&self.relations) {
            let is_part = |column_index: &usize| slots.get(*column_index).is_some_and(|slot| slot.is_part_of_key);
            let keys: Vec<usize> = (0..slots.len()).filter(is_part).collect();
            let key = |row: &Vec<Value>| {
                keys.iter()
                    .map(|column_index| row.get(*column_index).map(Value::key))
                    .collect::<Vec<_>>()
            };
            let mut seen: Vec<_> = rows.iter().map(key).collect();
            seen.sort();
            // If the rows contain only some of the key columns, the values in those columns may repeat.
            let is_whole = !keys.is_empty() && keys.len() == *parts;
            if is_whole && seen.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
                return None;
            }
        }
        let spec = self.specs.first()?;
        let (run, mut seen) = trace::record_coverage(|| self.run(spec, data, None));
        let is_single =
            |join: &&InterpreterJoin| !join.many && join.kind != crate::interpret::spec::InterpreterJoinKind::Cross;
        let singles = spec.steps.iter().flat_map(|step| &step.joins).filter(is_single);
        for join in singles {
            if seen.contains(&(format!("the join of {}", join.name()), "finds several rows")) {
                return None;
            }
        }
        let results = run.value.values();
        for row in &results {
            for (column, value) in run.value.columns.iter().zip(row) {
                seen.insert((column.clone(), outcome_kind(value)));
            }
        }
        seen.retain(needs_additional_row);
        let has_same_results = |other: &InterpreterSpec| self.run(other, data, None).value.values() == results;
        let settled =
            !run.is_uncertain && !run.is_too_large && !run.has_unknown_digits && run.unsupported_part.is_none();
        let certain = settled && self.specs.iter().skip(1).all(has_same_results);
        let long = results.iter().flatten().filter(|value| has_many_digits(value)).count();
        Some(MutationScore {
            events: seen,
            is_deterministic: certain,
            long_value_count: long,
        })
    }
}

/// Formats the rows as strings and sorts them, because dbt compares rows in any order.
fn sorted_rows(rows: StepRows) -> Vec<String> {
    let mut row_texts: Vec<String> = rows
        .values()
        .iter()
        .map(|row| row.iter().map(Value::key).collect::<Vec<_>>().join(" "))
        .collect();
    row_texts.sort();
    row_texts
}

/// Returns the outcome that coverage records for an output value, such as `is above 0`.
fn outcome_kind(value: &Value) -> &'static str {
    match value.number() {
        Some(number) if number > 0.0 => "is above 0",
        Some(number) if number < 0.0 => "is below 0",
        Some(_) => "is 0",
        None => trace::outcome_kind(value),
    }
}

/// Returns whether a number has too many digits for a reader to check.
fn has_many_digits(value: &Value) -> bool {
    let number_text = match value {
        Value::Number(number) => number.to_string(),
        Value::Decimal(exact) => exact.to_string(),
        _ => return false,
    };
    number_text
        .split_once('.')
        .is_some_and(|(_, fraction)| fraction.trim_end_matches('0').len() > 4)
}

fn not_evaluable_message(description: &str) -> String {
    format!("{description} cannot be evaluated")
}
