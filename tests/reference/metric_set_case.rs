//! Generates, compares and shrinks random metric sets and models built on them.

use formulac::{Dialect, Schema};
use serde_json::Value as Json;

use crate::database::Database;
use crate::draw_metric_sets::{self, Listed, ModelOverSets};
use crate::drawn::Drawn;
use crate::engine::{Table, is_emulator};
use crate::formula_sheets::values_agree;
use crate::metric_set_rows::{ModelRows, model_rows};
use crate::metric_set_text::{model_text, set_texts};
use crate::random::Random;
use crate::spec::InterpreterJoinKind;
use crate::spec_answers::{answer_fault, has_no_length_of_sum};
use crate::uncertainty::{NoiseDirection, with_noise};
use crate::value::Value;

/// Number of databases that the cases share.
const DATABASES: u64 = 97;

pub struct Case {
    seed: u64,
    model: ModelOverSets,
    database: Database,
}

impl Drawn for Case {
    type Right = ModelRows;
    const SUITE: &'static str = "metric-sets";
    const KIND: &'static str = "random models built on metric sets";
    const COUNT: &'static str = "FORMULAC_RANDOM_SETS";
    const OTHERWISE: u64 = 2000;
    const ONE_OF: usize = 6;

    fn draw(seed: u64) -> Self {
        let database = Database::draw(seed % DATABASES);
        let mut random = Random::new(seed);
        loop {
            let model = draw_metric_sets::model(&mut random, &database);
            if has_stable_values(&model, &database) {
                return Self { seed, model, database };
            }
        }
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn sets(&self) -> Vec<String> {
        set_texts(&self.model)
    }

    fn text(&self) -> String {
        model_text(&self.model)
    }

    fn schema(&self) -> Schema {
        self.database.schema()
    }

    fn tables(&self) -> Vec<Json> {
        self.database.json()
    }

    fn right(&self) -> Option<ModelRows> {
        let run = with_noise(None, || model_rows(&self.model, &self.database));
        assert!(
            run.unsupported_part.is_none(),
            "the interpreter knows nothing of {:?} in seed {}:\n{}",
            run.unsupported_part,
            self.seed,
            self.text()
        );
        Some(run.value)
    }

    fn smaller_cases(&self) -> Vec<Self> {
        let mut found = Vec::new();
        let mut with = |change: &dyn Fn(&mut ModelOverSets)| {
            let mut model = self.model.clone();
            change(&mut model);
            found.push((model, self.database.clone()));
        };
        if self.model.having.is_some() {
            with(&|m| m.having = None);
        }
        for index in 0..self.model.definitions.len() {
            with(&|m| drop(m.definitions.remove(index)));
        }
        // A model must list at least one metric of each metric set, because it would otherwise not read the metric set.
        let set_of = |entry: &Listed| match entry {
            Listed::All(set) | Listed::One { set, .. } => *set,
        };
        for (index, entry) in self.model.listed_metrics.iter().enumerate() {
            let of_set = self
                .model
                .listed_metrics
                .iter()
                .filter(|other| set_of(other) == set_of(entry));
            if of_set.count() > 1 {
                with(&|m| drop(m.listed_metrics.remove(index)));
            }
        }
        for index in 0..self.model.keys.len() {
            with(&|m| {
                m.keys.remove(index);
                if index < m.order_by.len() {
                    m.order_by.remove(index);
                }
            });
        }
        if !self.model.order_by.is_empty() {
            with(&|m| (m.order_by, m.limit) = (Vec::new(), None));
        }
        for (at, set) in self.model.sets.iter().enumerate() {
            if self.model.filters[at].is_some() {
                with(&|m| m.filters[at] = None);
            }
            if set.filter.is_some() {
                with(&|m| m.sets[at].filter = None);
            }
            if set.join.is_some() {
                with(&|m| m.sets[at].join = None);
                with(&|m| {
                    m.sets[at]
                        .join
                        .iter_mut()
                        .for_each(|join| join.kind = InterpreterJoinKind::Left);
                });
            }
            for index in 0..set.metrics.len() {
                with(&|m| drop(m.sets[at].metrics.remove(index)));
                for child in set.metrics[index].formula.children() {
                    with(&|m| m.sets[at].metrics[index].formula = child.clone());
                }
            }
            for index in 0..set.dimensions.len() {
                with(&|m| drop(m.sets[at].dimensions.remove(index)));
            }
        }
        with(&|m| m.blank_zero = false);
        with(&|m| m.since = None);
        with(&|m| m.until = None);
        with(&|m| m.fill = None);
        with(&|m| m.limit = None);
        for (at, table) in self.database.tables.iter().enumerate() {
            for row in 0..table.rows.len() {
                let mut changed = self.database.clone();
                changed.tables[at].rows.remove(row);
                found.push((self.model.clone(), changed));
            }
        }
        let size = |case: &Self| {
            let rows: usize = case.database.tables.iter().map(|table| table.rows.len()).sum();
            rows + case.sets().iter().map(String::len).sum::<usize>() + case.text().len()
        };
        let cases = found.into_iter().map(|(model, database)| Self {
            seed: self.seed,
            model,
            database,
        });
        cases.filter(|case| size(case) < size(self)).collect()
    }

    fn is_asked(&self, dialect: Dialect) -> bool {
        !is_emulator(dialect) || has_no_length_of_sum(&(self.sets().concat() + &self.text()))
    }

    fn find_difference(&self, dialect: Dialect, right: &ModelRows, table: &Table) -> Option<String> {
        // Without `order_by`, the rows are sorted by the time key.
        let keys = self.model.keys.len();
        let is_ordered = match self.model.order_by.len() {
            0 => keys == 1 && self.model.time_key().is_some(),
            count => count == keys,
        };
        answer_fault(dialect, (&right.columns, &right.rows), is_ordered, table)
    }
}

/// Returns whether the values do not depend on the last bits of floats, which differ between engines.
fn has_stable_values(model: &ModelOverSets, database: &Database) -> bool {
    let [one, opposite] = [NoiseDirection::One, NoiseDirection::Opposite]
        .map(|noise| with_noise(Some(noise), || model_rows(model, database)).value.rows);
    let values = |rows: Vec<Vec<Value>>| rows.into_iter().flatten();
    one.len() == opposite.len() && values(one).zip(values(opposite)).all(|(a, b)| values_agree(&a, &b))
}
