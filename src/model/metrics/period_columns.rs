//! Keys such as `year`, which are a period of a metric set's `time` unless the relation of the set has a column with
//! this name.

use formulac_syntax::lex::quote_formula_name;

use super::keys::period_unit;
use super::metric_set::MetricSet;
use super::model_on_metric_sets::{ModelKey, ModelOnMetricSets};
use crate::compiler::Compiler;
use crate::diag::{Code, Diagnostic};
use crate::load::SpecKind;

impl ModelOnMetricSets<'_> {
    /// Records for each key the period of `time` that the key is in every metric set.
    pub fn find_periods_of_time(&mut self, compiler: &Compiler) {
        let sets: Vec<usize> = self.sets_with_rows().collect();
        for index in 0..self.keys.len() {
            let key = &self.keys[index];
            let mut periods = sets.iter().map(|set| {
                let set = &self.sets[*set];
                let text = key.key_column_of_set(set).map_or(&key.text, |part| &part.column);
                let (column, period) = set.column_and_timeframe(compiler, text)?;
                (period_unit(&period).is_some() && set.is_time(compiler, column)).then_some(period)
            });
            let first = periods.next().flatten();
            let period = first.filter(|first| periods.all(|other| other.as_ref() == Some(first)));
            self.keys[index].period_of_time = period;
        }
    }

    /// Warns about a key that is a column, although it has the name of a period of the set's `time`.
    pub fn column_with_period_name_warning(
        &self,
        compiler: &Compiler,
        key: &ModelKey,
        set_indexes: &[usize],
    ) -> Option<Diagnostic> {
        let has_column = |set: &&MetricSet| {
            let relation = set.relation(compiler);
            relation.is_some_and(|relation| relation.position(&*key.text).is_some())
        };
        let set = self.sets_with_period(compiler, key, set_indexes).find(has_column)?;
        let (word, input, period) = (&key.text, set.input_name(), set.time.as_ref()?.period(&key.text));
        let message = format!("`{word}` is the column `{input}.{word}`, not the period `{period}`");
        let help = match set_indexes {
            [_] => {
                let column = quote_formula_name(&format!("{input}.{word}"));
                format!("write `{period}` for the period, or `{column}` for the column")
            }
            _ => {
                let names = set_indexes.iter().map(|set| format!("{}: …", self.sets[*set].name));
                let names: Vec<String> = names.collect();
                format!(
                    "specify the period or the column of each set: `- {word}: {{{}}}`",
                    names.join(", ")
                )
            }
        };
        Some(Diagnostic::new(Code::PeriodOrColumn, key.span, message).with_help(help))
    }

    /// Returns the keys that are periods, but would be columns if the relation of their set had a column with the same
    /// name. Not all columns of these relations are known. Each key comes with its relation.
    pub fn assumed_periods(&self, compiler: &Compiler, set_indexes: &[usize]) -> Vec<(String, String)> {
        let may_have_column = |set: &&MetricSet, name: &str| {
            let relation = set.relation(compiler);
            relation.is_none_or(|relation| relation.may_have_unlisted_columns() && relation.position(name).is_none())
        };
        let mut periods = Vec::new();
        for key in &self.keys {
            let sets = self.sets_with_period(compiler, key, set_indexes);
            let sets = sets.filter(|set| may_have_column(set, &key.text));
            periods.extend(sets.filter_map(|set| Some((set.time.as_ref()?.period(&key.text), set.input_name()))));
        }
        periods
    }

    /// Returns the sets in which a key is a period of `time`, unless their relation has a column with the key's name.
    fn sets_with_period<'s>(
        &'s self,
        compiler: &'s Compiler,
        key: &'s ModelKey,
        set_indexes: &'s [usize],
    ) -> impl Iterator<Item = &'s MetricSet> {
        let is_word = self.kind == SpecKind::OverSets && key.mapping.is_empty() && period_unit(&key.text).is_some();
        let sets = set_indexes.iter().map(|set| &*self.sets[*set]);
        sets.filter(move |set| {
            let is_defined = set.is_time(compiler, &key.text) || set.position_by_any_name(&key.text).is_some();
            is_word && !is_defined && set.time.is_some()
        })
    }
}
