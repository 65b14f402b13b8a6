//! Keys of a model built on metric sets: the columns by which the model groups each metric set.

use formulac_syntax::lex::quote_formula_name;

use super::formulas::NameOccurrence;
use super::key_periods::PeriodDerivedFormula;
use super::metric_set::{MetricSet, MetricSetTime};
use super::model_on_metric_sets::{ListedMetric, ModelKey, ModelOnMetricSets};
use super::step_text::{DefinitionText, TextWithPosition};
use crate::arena::Arena;
use crate::compiler::Compiler;
use crate::diag::{Code, Diagnostic};
use crate::ir::{CalendarPeriod, CalendarUnit};
use crate::load::SpecKind;
use crate::plan::{key_name, split_timeframe};

/// Returns the calendar unit of a period. Calendar units are used to compare the lengths of periods.
pub fn period_unit(word: &str) -> Option<CalendarUnit> {
    CalendarPeriod::from_name(word).map(CalendarPeriod::unit)
}

/// Returns the calendar unit of a timeframe that truncates a time. Unlike a period, such a timeframe may be shorter
/// than a day.
pub fn timeframe_unit(word: &str) -> Option<CalendarUnit> {
    let of_clock = match word.to_ascii_lowercase().as_str() {
        "hour" => Some(CalendarUnit::Hour),
        "minute" => Some(CalendarUnit::Minute),
        "second" | "millisecond" => Some(CalendarUnit::Second),
        _ => None,
    };
    of_clock.or_else(|| period_unit(word))
}

/// Key of a model, as resolved in one metric set.
#[derive(Clone, Debug)]
pub struct MetricSetKey {
    /// Entry of `group_by`.
    pub entry: TextWithPosition,
    pub definition: Option<DefinitionText>,
    /// Calendar unit of the timeframe, if the key is the `time` of the metric set or a timeframe that truncates it.
    pub period: Option<CalendarUnit>,
    /// Column or dimension, with its timeframe if it has one, such as `ordered_at[month]`.
    pub column: String,
    /// Period of the key, even if the key is a dimension. `None` if the key is not a period, or is shorter than a day.
    pub frame: Option<String>,
    /// Number of months from January to the first month of the fiscal year, if the key is the first day of a fiscal
    /// year.
    pub fiscal_offset: Option<u8>,
}

impl MetricSetKey {
    /// Returns the timeframe if the key is a period of the metric set's `time`.
    pub fn timeframe(&self) -> Option<&str> {
        self.period?;
        self.frame.as_deref()
    }
}

/// Returns the formula for the first day of a period. A fiscal year is a number, which the formula converts to a date.
pub fn first_day_formula(period: &str, fiscal_offset: Option<u8>) -> String {
    match fiscal_offset {
        Some(offset) => format!("DATE({period}, {}, 1)", offset + 1),
        None => period.to_owned(),
    }
}

/// Key with the same value for all dates of another key's period, such as the year of a month.
#[derive(Clone, Debug, PartialEq)]
pub struct PeriodDeterminedKey {
    pub key_index: usize,
    formula: PeriodDerivedFormula,
    fiscal_offset: Option<u8>,
}

impl PeriodDeterminedKey {
    /// Returns the formula that computes the key from the name of the other key.
    pub fn formula(&self, period: &str) -> String {
        let period = quote_formula_name(period);
        match &self.formula {
            PeriodDerivedFormula::Timeframe(timeframe) => {
                first_day_formula(&format!("{period}[{timeframe}]"), self.fiscal_offset)
            }
            PeriodDerivedFormula::Parts { parts, .. } => parts.join(&period),
        }
    }

    /// Returns the timeframe of the key, or the shortest timeframe in its formula.
    pub fn timeframe(&self) -> &str {
        let (PeriodDerivedFormula::Timeframe(timeframe) | PeriodDerivedFormula::Parts { timeframe, .. }) =
            &self.formula;
        timeframe
    }
}

/// Keys of a model.
#[derive(Clone, Debug, Default)]
pub struct ModelKeys {
    /// Output name of each key.
    pub names: Arena<String>,
    /// Keys of each metric set that has rows, by the index of the set.
    pub set_keys: Arena<Arena<MetricSetKey>>,
    /// Index of the key with the shortest period, among the keys that are periods of the metric sets' `time`.
    pub time: Option<usize>,
    /// Indexes of the keys that are columns with the name of a period.
    pub columns_with_period_name: Vec<usize>,
}

impl ModelKeys {
    /// Returns a key in the first metric set that has rows.
    pub fn key_in_first_set(&self, index: usize) -> Option<&MetricSetKey> {
        self.set_keys.iter().find_map(|keys| keys.try_get(index))
    }
}

impl ModelOnMetricSets<'_> {
    /// Resolves the keys in the metric sets that have rows. `is_single` is `true` if the model reads only one metric
    /// set.
    pub fn resolve_keys(
        &self,
        compiler: &Compiler,
        set_indexes: &[usize],
        is_single: bool,
        faults: &mut Vec<Diagnostic>,
    ) -> ModelKeys {
        let mut keys = ModelKeys {
            set_keys: Arena::filled(Arena::new(), self.sets.len()),
            ..ModelKeys::default()
        };
        for (index, key) in self.keys.iter().enumerate() {
            let name = match (set_indexes, is_single) {
                ([set], true) => self.key_name_of_set(compiler, *set, key),
                _ if key.mapping.is_empty() => key_name(&key.text),
                _ => key.text.clone(),
            };
            if let Some(fault) = self.unknown_key_error(compiler, key, set_indexes) {
                faults.push(fault);
            } else if let Some(fault) = self.different_columns_error(compiler, key, set_indexes) {
                faults.push(fault);
            } else if let Some(warning) = self.column_with_period_name_warning(compiler, key, set_indexes) {
                keys.columns_with_period_name.push(index);
                faults.push(warning);
            }
            let is_named = self.is_referenced_key(&key.text, &name);
            for set in set_indexes {
                match self.resolve_key_in_metric_set(compiler, *set, key, &name, is_named) {
                    Ok(set_key) => keys.set_keys[*set].push(set_key),
                    Err(fault) => faults.push(fault),
                }
            }
            keys.names.push(name);
            faults.extend(self.different_periods_error(compiler, index, set_indexes, &keys));
        }
        if faults.iter().any(Diagnostic::is_error) {
            return keys;
        }
        // The time key is a period, such as a month, of the time column of each metric set.
        let period = |index: usize| {
            set_indexes
                .iter()
                .map(|set| keys.set_keys[*set][index].period)
                .min()
                .flatten()
        };
        keys.time = (0..self.keys.len())
            .filter(|index| period(*index).is_some())
            .min_by_key(|index| period(*index));
        // A key that is the time column itself takes precedence, because no period is shorter. In steps with `fill`,
        // windows are ordered by the filled key instead.
        if keys.time.is_none() || self.step.get("fill").is_none() {
            let finest = keys.time.and_then(period);
            self.use_column_as_time_key(compiler, set_indexes, finest, &mut keys);
        }
        keys
    }

    /// Returns the other keys that a period determines in every metric set.
    pub fn keys_determined_by_period(
        &self,
        compiler: &Compiler,
        keys: &ModelKeys,
        period: usize,
    ) -> Vec<PeriodDeterminedKey> {
        let within = |index: usize| {
            let mut of_sets = self.sets.iter().zip(&keys.set_keys).filter_map(|(set, of_set)| {
                let (key, period) = (of_set.try_get(index)?, of_set.try_get(period)?);
                let offset = self.fiscal_offset(compiler, set);
                let formula = set.formula_derived_from_period(compiler, &key.column, &period.column, offset);
                Some(formula.map(|formula| PeriodDeterminedKey {
                    key_index: index,
                    formula,
                    fiscal_offset: key.fiscal_offset,
                }))
            });
            let first = of_sets.next()?;
            of_sets.all(|other| other == first).then_some(first)?
        };
        let others = (0..keys.names.len()).filter(|index| *index != period);
        others.filter_map(within).collect()
    }

    /// Reports a mapped key for which the metric sets have different periods. The `time` of a metric set has no period
    /// unless it has a grain.
    fn different_periods_error(
        &self,
        compiler: &Compiler,
        index: usize,
        set_indexes: &[usize],
        keys: &ModelKeys,
    ) -> Option<Diagnostic> {
        let key = &self.keys[index];
        let part = |set: &usize| {
            let part = keys.set_keys[*set].try_get(index)?;
            let period = part.frame.as_deref().or(part.period.map(CalendarUnit::name));
            let is_date = period.is_some() || self.sets[*set].is_time(compiler, &part.column);
            is_date.then_some((*set, period))
        };
        let parts = set_indexes.iter().filter(|_| !key.mapping.is_empty());
        let parts: Vec<(usize, Option<&str>)> = parts.filter_map(part).collect();
        let (first, period) = parts.iter().find_map(|(set, period)| Some((*set, (*period)?)))?;
        // A date without a timeframe counts as a day.
        let differs = |other: Option<&str>| other != Some(period) && (other.is_some() || period != "day");
        let (other, other_period) = *parts.iter().find(|(_, other)| differs(*other))?;
        let (first, other) = (&self.sets[first], &self.sets[other]);
        let message = format!(
            "the key `{}` has the timeframe `{period}` in the set `{}`, but {} in the set `{}`",
            key.text,
            first.name,
            other_period.map_or_else(|| "no timeframe".to_owned(), |name| format!("`{name}`")),
            other.name
        );
        let help = match key.key_column_of_set(other) {
            Some(part) if other_period.is_none() => format!("write `{}: \"{}[{period}]\"`", other.name, part.column),
            _ => "use the same timeframe in each set".to_owned(),
        };
        Some(Diagnostic::new(Code::MetricKey, key.span, message).with_help(help))
    }

    /// If a key is the time column of every metric set, makes this key the time key. `finest` is the period of the
    /// current time key.
    fn use_column_as_time_key(
        &self,
        compiler: &Compiler,
        set_indexes: &[usize],
        finest: Option<CalendarUnit>,
        keys: &mut ModelKeys,
    ) {
        let is_time = |index: usize, set: usize| {
            let key = &keys.set_keys[set][index];
            let is_plain = key.period.is_none() && self.keys[index].mapping.is_empty();
            is_plain && self.sets[set].is_time(compiler, &key.column)
        };
        let key_index = (0..self.keys.len()).find(|index| set_indexes.iter().all(|set| is_time(*index, *set)));
        let Some(index) = key_index.filter(|_| self.kind != SpecKind::Periods) else {
            return;
        };
        let mut sets = set_indexes
            .iter()
            .map(|set| (&self.sets[*set], &keys.set_keys[*set][index]));
        let is_date = sets.all(|(set, key)| set.is_date_of_time(compiler, &key.column));
        if is_date && finest == Some(CalendarUnit::Day) {
            return;
        }
        for set in set_indexes {
            let key = &mut keys.set_keys[*set][index];
            (key.period, key.frame) = (Some(CalendarUnit::Day), is_date.then(|| "day".to_owned()));
        }
        keys.time = Some(index);
    }

    /// Returns the keys that are dimensions. If a key is a dimension in several metric sets, returns the dimension of
    /// the first set.
    pub fn key_dimensions(&self, keys: &ModelKeys) -> Vec<ListedMetric> {
        let dimension = |(index, name): (usize, &String)| {
            let mut parts = keys.set_keys.iter().enumerate();
            let (set, metric) = parts.find_map(|(set, of_set)| {
                let (name, frame) = split_timeframe(&of_set.try_get(index)?.column);
                let metric = self.sets[set].position(name).filter(|_| frame.is_empty())?;
                Some((set, metric))
            })?;
            Some(ListedMetric {
                set,
                metric,
                name: name.clone(),
                span: self.keys[index].span,
            })
        };
        keys.names.iter().enumerate().filter_map(dimension).collect()
    }

    /// Returns whether any formula in the model refers to a key.
    fn is_referenced_key(&self, text: &str, name: &str) -> bool {
        let is_key_name =
            |candidate: &str| candidate.eq_ignore_ascii_case(text) || candidate.eq_ignore_ascii_case(name);
        let is_key = |name_occurrence: &NameOccurrence| {
            self.find_timeframe_key(name_occurrence)
                .is_some_and(|key| is_key_name(&self.keys[key].text))
        };
        let mut formulas = self.model_formulas();
        formulas.any(|(_, formula)| {
            formula
                .names
                .iter()
                .any(|name_occurrence| is_key_name(&name_occurrence.name) || is_key(name_occurrence))
        })
    }

    /// Returns whether a word is a period of the metric set's `time` rather than a column or dimension. In a model
    /// built on several metric sets, a word is a period of each metric set's `time`, even if the time column has this
    /// name.
    fn is_period(&self, compiler: &Compiler, set: &MetricSet, word: &str) -> bool {
        let relation = set.relation(compiler);
        let is_column = || match set.is_time(compiler, word) {
            true => self.sets.len() == 1,
            false => relation.is_some_and(|relation| relation.position(word).is_some()),
        };
        self.kind != SpecKind::Periods
            && period_unit(word).is_some()
            && set.position_by_any_name(word).is_none()
            && !is_column()
    }

    /// Returns whether a key hides the `time` of a metric set: the model reads several metric sets, and the key is a
    /// period of the `time` but has the same name. In this case, formulas must qualify the `time`.
    fn shadows_time(&self, compiler: &Compiler, set: &MetricSet, key: &ModelKey) -> bool {
        let name = match key.key_column_of_set(set) {
            Some(part) if split_timeframe(&part.column).1.is_empty() => return false,
            Some(_) => key.text.clone(),
            None => key_name(&key.text),
        };
        let is_period = !key.mapping.is_empty() || self.is_period(compiler, set, &key.text);
        self.sets.len() > 1 && is_period && set.is_name_of_time(&name) && set.position(&name).is_none()
    }

    fn key_name_of_set(&self, compiler: &Compiler, set: usize, key: &ModelKey) -> String {
        let metric_set = &self.sets[set];
        if !key.mapping.is_empty() {
            return key.text.clone();
        }
        match &metric_set.time {
            Some(time) if self.is_period(compiler, metric_set, &key.text) => key_name(&time.period(&key.text)),
            _ => key_name(&key.text),
        }
    }

    /// Returns the key of one metric set.
    fn resolve_key_in_metric_set(
        &self,
        compiler: &Compiler,
        set: usize,
        key: &ModelKey,
        name: &str,
        is_named: bool,
    ) -> Result<MetricSetKey, Diagnostic> {
        let metric_set = &self.sets[set];
        let mut text = key.text.clone();
        let is_period = key.mapping.is_empty() && self.is_period(compiler, metric_set, &key.text);
        if !key.mapping.is_empty() {
            let Some(part) = key.key_column_of_set(metric_set) else {
                return Err(Diagnostic::new(
                    Code::MetricKey,
                    key.span,
                    format!("the key `{}` has no column for the set `{}`", key.text, metric_set.name),
                )
                .with_help(format!("add `{}: …` to the key's mapping", metric_set.name)));
            };
            text.clone_from(&part.column);
        } else if is_period {
            let Some(time) = &metric_set.time else {
                return Err(Diagnostic::new(
                    Code::MetricKey,
                    key.span,
                    format!(
                        "`{}` needs a time column, but the set `{}` has no `time`",
                        key.text, metric_set.name
                    ),
                )
                .with_help(format!(
                    "add `time: …` to the set `{}`, or group by one of its columns",
                    metric_set.name
                )));
            };
            text = time.period(&key.text);
        }
        let shared = self
            .relation_column_of_shared_key(compiler, set, key)
            .filter(|_| !is_period);
        let current = metric_set.key_with_current_name(&text).filter(|_| !is_period);
        text = current.or(shared).unwrap_or(text);
        let (base, frame) = metric_set.column_and_timeframe(compiler, &text).unzip();
        let time = metric_set.time.as_ref().zip(base);
        let time = time.and_then(|(time, base)| metric_set.is_time(compiler, base).then_some(time));
        let period = frame.as_deref().filter(|_| time.is_some()).and_then(timeframe_unit);
        if let (Some(period), Some(grain)) = (period, time.and_then(|time| time.grain.as_deref()))
            && period_unit(grain).is_some_and(|grain| period < grain)
        {
            let message = format!(
                "the set `{}` has one row per {grain}, so it has no values per {}",
                metric_set.name,
                frame.unwrap_or_default()
            );
            return Err(Diagnostic::new(Code::MetricKey, key.span, message)
                .with_help(format!("group by `{grain}` or a longer period")));
        }
        let frame = frame.filter(|frame| period_unit(frame).is_some());
        let shadows_time = |key: &ModelKey| self.shadows_time(compiler, metric_set, key);
        let hidden = metric_set.time.as_ref().filter(|_| self.keys.iter().any(shadows_time));
        let text = match (hidden, time) {
            (Some(hidden), _) => MetricSetTime::qualified(
                &text,
                &hidden.column,
                &format!("{}.{}", metric_set.input_name(), hidden.column),
            ),
            (None, Some(time)) => metric_set.qualify_time_in_key(compiler, time, &text),
            (None, None) => text,
        };
        // In a step with `from`, `ordered_at[fiscal_year]` is a year number instead of a date.
        let is_year = frame.as_deref() == Some("fiscal_year") && text.contains('[') && self.kind != SpecKind::Periods;
        let fiscal_offset = period
            .filter(|_| is_year)
            .and_then(|_| self.fiscal_offset(compiler, metric_set));
        let formula = first_day_formula(&text, fiscal_offset);
        // A formula can refer to a definition, but not to a timeframe in `group_by`.
        let is_defined = formula != text || key_name(&text) != name || is_named && text.contains('[');
        Ok(MetricSetKey {
            entry: TextWithPosition::new(
                if is_defined {
                    quote_formula_name(name)
                } else {
                    text.clone()
                },
                0,
                key.span,
            ),
            definition: is_defined.then(|| DefinitionText::generated(name, &formula, 0, key.span)),
            period,
            column: text,
            frame,
            fiscal_offset,
        })
    }

    /// Returns a key that applies to several metric sets, qualified with the relation's name in one of them.
    fn relation_column_of_shared_key(&self, compiler: &Compiler, set: usize, key: &ModelKey) -> Option<String> {
        let is_shared = self.sets_with_rows().count() > 1 && key.mapping.is_empty();
        let metric_set = self.sets.try_get(set).filter(|_| is_shared)?;
        Some(metric_set.relation_column(compiler, &key.text)?.text)
    }

    pub fn fiscal_offset(&self, compiler: &Compiler, set: &MetricSet) -> Option<u8> {
        let fiscal_setting = set
            .setting("fiscal_month_offset")
            .or_else(|| self.root.text_at("fiscal_month_offset"));
        match fiscal_setting {
            Some(text) => text.parse().ok(),
            None => compiler.options.calendar.fiscal_month_offset,
        }
    }

    /// Returns the error for an unmapped key that does not refer to the same column of the same relation in every
    /// metric set.
    fn different_columns_error(
        &self,
        compiler: &Compiler,
        key: &ModelKey,
        set_indexes: &[usize],
    ) -> Option<Diagnostic> {
        if !key.mapping.is_empty() || set_indexes.len() < 2 {
            return None;
        }
        if set_indexes.iter().all(|set| {
            let set = &self.sets[*set];
            self.is_period(compiler, set, &key.text) || set.time_column_grain(compiler, &key.text) == Some(&key.text)
        }) {
            return None;
        }
        let columns = set_indexes
            .iter()
            .map(|set| self.sets[*set].relation_column(compiler, &key.text));
        let columns: Option<Vec<[String; 3]>> = columns.map(|column| Some(column?.identity)).collect();
        if columns.is_some_and(|columns| columns.iter().all(|column| Some(column) == columns.first())) {
            return None;
        }
        let parts: Vec<String> = set_indexes
            .iter()
            .map(|set| format!("{}: …", self.sets[*set].name))
            .collect();
        let name = key_name(&key.text);
        let message = format!(
            "`{}` does not refer to the same column of the same relation in every metric set",
            key.text
        );
        Some(Diagnostic::new(Code::MetricKey, key.span, message).with_help(format!(
            "specify the column of each set: `- {name}: {{{}}}`",
            parts.join(", ")
        )))
    }
}
