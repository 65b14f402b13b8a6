//! Searches for a small set of rows with high coverage. The search adds rows as long as they increase the coverage,
//! then removes unnecessary rows.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeSet;

use super::columns::LETTERS;
use super::mutation_score::MutationScorer;
use super::rows::{RandomGenerator, RelationRows};
use crate::interpret::trace::CoverageEvents;
use crate::interpret::value::Value;

/// Maximum number of rows in an example.
const MAX_ROWS: usize = 14;
/// Number of candidates to try before the search stops adding rows.
const MAX_TRIED_CANDIDATES: usize = 60;
/// Maximum number of examples for a spec.
const MAX_EXAMPLES: usize = 3;

/// Outcomes and mutants that earlier examples cover.
#[derive(Default)]
struct EarlierExampleCoverage {
    events: CoverageEvents,
    mutants: Vec<usize>,
}

/// Score of a data set, compared in this order: deterministic results, number of new outcomes, few digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct DataSetScore {
    certain: bool,
    new: usize,
    digits: Reverse<usize>,
}

impl DataSetScore {
    /// Returns whether this score is better than `other`. A score is not better if it only has fewer digits.
    fn is_better_than(self, other: Self) -> bool {
        self.new > other.new || (self.certain && !other.certain)
    }

    fn is_worse_than(self, other: Self) -> bool {
        self.new < other.new || (other.certain && !self.certain) || self.digits < other.digits
    }
}

fn score_data_set(
    scorer: &MutationScorer<'_>,
    coverage: &EarlierExampleCoverage,
    data: &RelationRows,
) -> Option<DataSetScore> {
    let score = scorer.score_rows(data)?;
    // The first example must have rows. A later example covers the case without rows.
    if coverage.events.is_empty() && count_rows(data) == 0 {
        return Some(DataSetScore {
            certain: false,
            new: 0,
            digits: Reverse(usize::MAX),
        });
    }
    let new = score
        .events
        .iter()
        .filter(|outcome| !coverage.events.contains(*outcome))
        .count();
    Some(DataSetScore {
        certain: score.is_deterministic,
        new,
        digits: Reverse(score.long_value_count),
    })
}

/// Returns the rows of each example. A later example may cover outcomes that cannot occur together with the outcomes of
/// earlier examples.
pub fn find_examples(scorer: &MutationScorer<'_>) -> Vec<RelationRows> {
    let mut example_coverage = EarlierExampleCoverage::default();
    let mut examples: Vec<RelationRows> = Vec::new();
    for example_index in 0..MAX_EXAMPLES {
        if example_index > 0 && scorer.is_budget_spent(60) {
            break;
        }
        let mut rng = RandomGenerator::new(example_index as u64 + 7);
        let Some(data) = build_covering_rows(scorer, &mut rng, &example_coverage) else {
            break;
        };
        let data = add_detecting_rows(scorer, &mut rng, &example_coverage, data);
        let data = simplify_data_set(scorer, data, &example_coverage);
        let Some(DataSetScore { new, .. }) = score_data_set(scorer, &example_coverage, &data) else {
            break;
        };
        let undetected = undetected_mutants(scorer, &example_coverage);
        let detected = scorer.detected_mutants(&data, &undetected);
        // A few new outcomes do not justify another example, unless the example covers the case without rows.
        let is_empty = data.iter().all(Vec::is_empty);
        if example_index > 0 && (new == 0 || (new < 4 && detected.is_empty() && !is_empty)) {
            break;
        }
        example_coverage
            .events
            .extend(scorer.score_rows(&data).map(|score| score.events).unwrap_or_default());
        example_coverage.mutants.extend(detected);
        examples.push(data);
    }
    examples
}

fn undetected_mutants(scorer: &MutationScorer<'_>, coverage: &EarlierExampleCoverage) -> Vec<usize> {
    (0..scorer.mutants.len())
        .filter(|mutant_index| !coverage.mutants.contains(mutant_index))
        .collect()
}

fn count_rows(data: &RelationRows) -> usize {
    data.iter().map(Vec::len).sum()
}

/// Builds rows step by step as long as more rows cover more outcomes. Returns `None` if the result for no rows cannot
/// be computed.
fn build_covering_rows(
    scorer: &MutationScorer<'_>,
    rng: &mut RandomGenerator,
    example_coverage: &EarlierExampleCoverage,
) -> Option<RelationRows> {
    let mut data: RelationRows = vec![Vec::new(); scorer.slots.len()];
    let mut best = score_data_set(scorer, example_coverage, &data)?;
    while count_rows(&data) < MAX_ROWS && !scorer.is_budget_spent(50) {
        let mut next: Option<(DataSetScore, RelationRows)> = None;
        // Try several rows at once if a single row does not increase the coverage.
        for more in 1..=5 {
            for _ in (0..MAX_TRIED_CANDIDATES).take_while(|_| !scorer.is_budget_spent(60)) {
                let candidate = add_random_rows(scorer, rng, &data, more);
                let Some(worth) = score_data_set(scorer, example_coverage, &candidate) else {
                    continue;
                };
                if worth > best && next.as_ref().is_none_or(|(data_score, _)| worth > *data_score) {
                    next = Some((worth, candidate));
                }
            }
            next = next.filter(|(worth, _)| worth.is_better_than(best));
            if next.is_some() {
                break;
            }
        }
        let Some((worth, candidate)) = next else { break };
        (best, data) = (worth, candidate);
    }
    Some(data)
}

/// Adds or changes rows to detect as many mutants as possible.
fn add_detecting_rows(
    scorer: &MutationScorer<'_>,
    rng: &mut RandomGenerator,
    coverage: &EarlierExampleCoverage,
    mut data: RelationRows,
) -> RelationRows {
    let Some(mut best) = score_data_set(scorer, coverage, &data) else {
        return data;
    };
    let mut undetected = undetected_mutants(scorer, coverage);
    let detected = scorer.detected_mutants(&data, &undetected);
    undetected.retain(|mutant_index| !detected.contains(mutant_index));
    let mut tries = 0;
    while !undetected.is_empty() && tries < 4 * MAX_TRIED_CANDIDATES && !scorer.is_budget_spent(75) {
        tries += 1;
        let more = rng.random_below(4);
        let room = count_rows(&data) < MAX_ROWS;
        let candidate = if room && more > 0 {
            add_random_rows(scorer, rng, &data, more)
        } else {
            change_random_value(scorer, rng, &data)
        };
        let Some(worth) = score_data_set(scorer, coverage, &candidate) else {
            continue;
        };
        if worth.is_worse_than(best) {
            continue;
        }
        let detected = scorer.detected_mutants(&candidate, &undetected);
        if detected.is_empty() {
            continue;
        }
        // The candidate must still detect all mutants that were detected before.
        let before = scorer.detected_mutants(&data, &(0..scorer.mutants.len()).collect::<Vec<_>>());
        if scorer.detected_mutants(&candidate, &before).len() < before.len() {
            continue;
        }
        undetected.retain(|mutant_index| !detected.contains(mutant_index));
        (best, data) = (worth, candidate);
        tries = 0;
    }
    data
}

/// Returns a copy of the data with one random value changed.
fn change_random_value(scorer: &MutationScorer<'_>, rng: &mut RandomGenerator, data: &RelationRows) -> RelationRows {
    let mut data = data.clone();
    let relation_index = rng.random_below(data.len());
    let row = rng.random_below(data.get(relation_index).map_or(0, Vec::len));
    let slots = scorer.slots.get(relation_index).map_or(&[][..], Vec::as_slice);
    let index = rng.random_below(slots.len());
    let slot = slots.get(index).filter(|slot| !slot.is_key);
    if let Some(value) = slot.and_then(|slot| rng.pick_random(&slot.pool)) {
        set_value(&mut data, relation_index, row, index, value.clone());
    }
    data
}

fn add_random_rows(
    scorer: &MutationScorer<'_>,
    rng: &mut RandomGenerator,
    data: &RelationRows,
    more: usize,
) -> RelationRows {
    let mut data = data.clone();
    let is_series = more > 1 && rng.random_below(2) == 0;
    let (relation, like) = (rng.random_below(scorer.slots.len()), rng.random_below(16));
    let along = rng.random_below(scorer.slots.get(relation).map_or(0, Vec::len));
    for step in 0..more {
        let relation_index = if is_series {
            relation
        } else {
            rng.random_below(scorer.slots.len())
        };
        let mut row = scorer.random_row(rng, &data, relation_index);
        let is_like = rng.random_below(3) > 0;
        let Some((rows, slots)) = data.get_mut(relation_index).zip(scorer.slots.get(relation_index)) else {
            continue;
        };
        let template_row = if is_series {
            rows.get(like % rows.len().max(1))
        } else {
            rng.pick_random(rows).filter(|_| is_like)
        };
        // Copy an existing row with one or two new values. In a series of rows, one column has successive values.
        if let Some(existing_row) = template_row.cloned() {
            let others = [rng.random_below(slots.len()), rng.random_below(slots.len())];
            for (index, (value, existing_value)) in row.iter_mut().zip(existing_row).enumerate() {
                let Some(slot) = slots.get(index).filter(|slot| !slot.is_key) else {
                    continue;
                };
                if is_series && index == along {
                    let next = slot.pool.get((step + like) % slot.pool.len().max(1));
                    *value = next.cloned().unwrap_or(existing_value);
                } else if is_series || !others.contains(&index) {
                    *value = existing_value;
                }
            }
        }
        rows.push(row);
    }
    data
}

/// Simplifies the rows that the search found, without lowering their score.
struct DataSetSimplifier<'a> {
    scorer: &'a MutationScorer<'a>,
    coverage: &'a EarlierExampleCoverage,
    data: RelationRows,
    best: DataSetScore,
    /// Mutants that the rows detect.
    detected: Vec<usize>,
}

impl DataSetSimplifier<'_> {
    fn try_candidate(&mut self, candidate: RelationRows) -> bool {
        if self.scorer.is_budget_spent(100) {
            return false;
        }
        let Some(worth) = score_data_set(self.scorer, self.coverage, &candidate) else {
            return false;
        };
        if worth < self.best || self.scorer.detected_mutants(&candidate, &self.detected).len() < self.detected.len() {
            return false;
        }
        (self.best, self.data) = (worth, candidate);
        true
    }

    fn remove_rows(&mut self) {
        for relation_index in 0..self.data.len() {
            for row in (0..self.data.get(relation_index).map_or(0, Vec::len)).rev() {
                let mut candidate = self.data.clone();
                if let Some(rows) = candidate.get_mut(relation_index).filter(|rows| row < rows.len()) {
                    rows.remove(row);
                    self.try_candidate(candidate);
                }
            }
        }
    }

    /// Replaces each value with the simplest possible value. If possible, amounts differ from the amounts in earlier
    /// rows.
    fn simplify_values(&mut self) {
        for relation_index in 0..self.data.len() {
            for row in 0..self.data.get(relation_index).map_or(0, Vec::len) {
                for (index, slot) in self.scorer.slots.get(relation_index).into_iter().flatten().enumerate() {
                    let column_value = |row: &Vec<Value>| row.get(index).cloned();
                    let rows = self.data.get(relation_index).map_or(&[][..], Vec::as_slice);
                    let before: Vec<Value> = rows.iter().take(row).filter_map(column_value).collect();
                    let Some(current) = rows.get(row).and_then(column_value).filter(|_| !slot.is_key) else {
                        continue;
                    };
                    let is_fresh = |value: &Value| !slot.is_varied || !before.contains(value);
                    let (fresh, others): (Vec<&Value>, Vec<&Value>) = slot.pool.iter().partition(|v| is_fresh(v));
                    let candidates: Vec<Value> = fresh.into_iter().chain(others).cloned().collect();
                    for value in candidates.into_iter().take_while(|value| *value != current) {
                        let mut candidate = self.data.clone();
                        set_value(&mut candidate, relation_index, row, index, value);
                        if self.try_candidate(candidate) {
                            break;
                        }
                    }
                }
            }
        }
    }

    /// Renames placeholder strings so that their lettering starts at A.
    fn rename_placeholders(&mut self) {
        let mut renamed = self.data.clone();
        let words: BTreeSet<&String> = self
            .scorer
            .slots
            .iter()
            .flatten()
            .filter_map(|s| s.words.as_ref())
            .collect();
        for words in words {
            let is_own = |text: &str| {
                text.strip_prefix(words.as_str())
                    .is_some_and(|rest| rest.starts_with(' '))
            };
            let texts = renamed.iter().flatten().flatten().filter_map(|value| match value {
                Value::Text(text) if is_own(text) => Some(text.clone()),
                _ => None,
            });
            let used_texts: BTreeSet<String> = texts.collect();
            for value in renamed.iter_mut().flatten().flatten() {
                if let Value::Text(text) = value
                    && let Some(letter) = used_texts
                        .iter()
                        .position(|used_text| used_text == text)
                        .and_then(|letter_index| LETTERS.get(letter_index))
                {
                    *text = format!("{words} {letter}");
                }
            }
        }
        self.try_candidate(renamed);
    }

    fn sort_rows(&mut self) {
        let mut sorted = self.data.clone();
        for (rows, slots) in sorted.iter_mut().zip(self.scorer.slots) {
            // Sort by the columns with the fewest distinct values first, so that related rows are adjacent.
            let mut places: Vec<usize> = (0..slots.len()).collect();
            let kinds = |index: &usize| {
                let mut keys: Vec<String> = rows.iter().filter_map(|row| row.get(*index)).map(Value::key).collect();
                keys.sort();
                keys.dedup();
                keys.len()
            };
            places.sort_by_key(|index| (slots.get(*index).is_some_and(|slot| slot.is_key), kinds(index)));
            rows.sort_by(|a, b| {
                let column_order = |index: &usize| Some(a.get(*index)?.sort_order(b.get(*index)?, false));
                places
                    .iter()
                    .filter_map(column_order)
                    .find(|order| order.is_ne())
                    .unwrap_or(Ordering::Equal)
            });
            for (index, slot) in slots.iter().enumerate().filter(|(_, slot)| slot.is_key) {
                for (row, value) in rows.iter_mut().zip(&slot.pool) {
                    if let Some(cell) = row.get_mut(index) {
                        *cell = value.clone();
                    }
                }
            }
        }
        self.try_candidate(sorted);
    }
}

/// Removes unnecessary rows, simplifies values, and sorts the rows.
fn simplify_data_set(
    scorer: &MutationScorer<'_>,
    data: RelationRows,
    coverage: &EarlierExampleCoverage,
) -> RelationRows {
    let Some(best) = score_data_set(scorer, coverage, &data) else {
        return data;
    };
    let detected = scorer.detected_mutants(&data, &undetected_mutants(scorer, coverage));
    let mut tidied = DataSetSimplifier {
        scorer,
        coverage,
        data,
        best,
        detected,
    };
    tidied.remove_rows();
    tidied.simplify_values();
    tidied.sort_rows();
    tidied.rename_placeholders();
    tidied.data
}

fn set_value(data: &mut RelationRows, relation_index: usize, row: usize, index: usize, value: Value) {
    let cell = data
        .get_mut(relation_index)
        .and_then(|rows| rows.get_mut(row)?.get_mut(index));
    if let Some(cell) = cell {
        *cell = value;
    }
}
