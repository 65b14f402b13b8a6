//! Checks the windows of a model against its time key.

use std::ops::Range;

use super::formulas::MetricFormula;
use super::graph::MetricId;
use super::keys::{ModelKeys, PeriodDeterminedKey, period_unit};
use super::model_on_metric_sets::ModelOnMetricSets;
use crate::check::{period_unit_error, period_unit_warning};
use crate::compiler::Compiler;
use crate::diag::{Code, Diagnostic};
use crate::hidden_periods::hidden_periods;
use crate::load::SpecKind;
use crate::partitions::single_row_partition_warning;
use crate::plan::split_timeframe;
use crate::span::Span;
use crate::window_extent::WindowExtent;
use crate::yaml;

/// Keys that determine the rows of windows.
struct MetricWindowKeys {
    /// Key that orders the rows.
    key: usize,
    /// Keys in `order_by`. Empty by default.
    order: Vec<usize>,
    /// Keys that the ordering key determines.
    determined_keys: Vec<PeriodDeterminedKey>,
}

impl ModelOnMetricSets<'_> {
    /// Reports windows whose calendar unit does not fit the periods of the time key. In the expanded spec, these
    /// windows may be computed by a later step, which has no information about the periods.
    pub fn check_window_units(&self, keys: &ModelKeys, metric_ids: &[MetricId], faults: &mut Vec<Diagnostic>) {
        let Some((time, frame)) = keys
            .time
            .and_then(|time| Some((time, keys.key_in_first_set(time)?.timeframe()?)))
        else {
            return;
        };
        let Some(frame) = period_unit(frame) else {
            return;
        };
        let key = (self.keys[time].span, keys.names[time].as_str());
        let misfit = |formula: &MetricFormula| {
            let units = formula.window_units.iter().copied();
            units
                .filter(|unit| !unit.fits_period(frame))
                .min_by_key(|unit| unit.unit)
        };
        for id in metric_ids {
            if let Some(unit) = misfit(self.formula(*id)) {
                let context = format!("in the metric set `{}`", self.sets[id.0].name);
                faults.push(period_unit_error(unit, self.listed_metric_span(*id), frame, key).with_context(&context));
                continue;
            }
            let mut units = self.formula(*id).window_units.iter().copied();
            if let Some(unit) = units.find(|unit| unit.moves_weeks_by_months(frame)) {
                let context = format!("in the metric set `{}`", self.sets[id.0].name);
                faults.push(period_unit_warning(unit, self.listed_metric_span(*id), key).with_context(&context));
            }
        }
        for formula in &self.definitions {
            faults.extend(misfit(formula).map(|unit| period_unit_error(unit, formula.span, frame, key)));
        }
    }

    /// Returns the position of a metric in the list `metrics`, or of the whole list for other metrics.
    fn listed_metric_span(&self, id: MetricId) -> Span {
        let list_entry = self
            .listed_metrics
            .iter()
            .find(|listed_metric| (listed_metric.set, listed_metric.metric) == id);
        list_entry.map_or(self.span, |listed_metric| listed_metric.span)
    }

    /// Warns about a window that would have to read periods outside its partition, because another key is a longer
    /// period or a label of the date that orders the rows. Also warns about a window that counts periods of a key if
    /// `order_by` also contains a shorter period.
    pub fn check_partitions(
        &self,
        compiler: &Compiler,
        keys: &ModelKeys,
        metric_ids: &[MetricId],
        faults: &mut Vec<Diagnostic>,
    ) {
        let is_own = self.kind == SpecKind::Periods;
        let ordered = self.order_by.as_ref().map(|order| self.keys_in_order(keys, order));
        let of_model = match &ordered {
            Some(order) => order
                .iter()
                .copied()
                .find(|index| keys.key_in_first_set(*index).is_some_and(|key| key.frame.is_some())),
            None => keys.time.filter(|_| !is_own),
        };
        let windows_of = |key: Option<usize>, order: &[usize]| {
            let within = key.map_or_else(Vec::new, |key| self.keys_determined_by_period(compiler, keys, key));
            key.map(|key| MetricWindowKeys {
                key,
                order: order.to_vec(),
                determined_keys: within,
            })
        };
        let of_sets = windows_of(keys.time.filter(|_| !is_own), &[]);
        let of_model = windows_of(of_model, ordered.as_deref().unwrap_or_default());
        let metrics = metric_ids
            .iter()
            .map(|id| (self.formula(*id), Some(*id).filter(|_| !is_own)));
        let formulas = metrics.chain(self.definitions.iter().map(|formula| (formula, None)));
        let mut own = formulas.clone().filter(|(_, id)| id.is_none());
        faults.extend(own.find_map(|(formula, _)| self.single_row_window_warning(keys, formula)));
        for (formula, id) in formulas {
            let windows = if id.is_some() { &of_sets } else { &of_model };
            let fault = windows.as_ref().and_then(|windows| {
                let beyond_partition = self.window_beyond_partition_warning(compiler, windows, keys, formula, id);
                beyond_partition
                    .or_else(|| self.window_over_longer_period_warning(compiler, windows, keys, formula, id))
            });
            if let Some(fault) = fault.filter(|_| self.kind != SpecKind::WholeSet) {
                faults.push(fault);
                return;
            }
        }
    }

    /// Warns about a window in a definition of the model if the partition contains all keys.
    fn single_row_window_warning(&self, keys: &ModelKeys, formula: &MetricFormula) -> Option<Diagnostic> {
        let is_explicit = self.partition_by.is_some();
        let (entries, is_in_partition) = match (&self.partition_by, &self.order_by) {
            (Some(partition), _) => (partition, true),
            // Without `partition_by`, the partition contains the keys that are not in `order_by`.
            (None, Some(order)) if !order.is_empty() => (order, false),
            _ => return None,
        };
        let entries = self.keys_in_order(keys, entries);
        let mut indexes = 0..keys.names.len();
        if indexes.is_empty() || !indexes.all(|index| entries.contains(&index) == is_in_partition) {
            return None;
        }
        // PERIODOFFSET does not read a partition. In a model built on metric sets, totals ignore an `order_by` without
        // keys.
        let mut extents = formula.window_extents.iter();
        let ordered = extents.find(|(extent, _)| !matches!(extent, WindowExtent::Offset { .. }));
        let totals = formula.totals.first();
        let total = totals.filter(|_| is_explicit || self.kind == SpecKind::Periods);
        let range = ordered.map(|(_, range)| range).or(total)?;
        let window = formula.text.get(range.clone()).unwrap_or_default();
        let names = self.keys.iter().map(|key| key.text.as_str());
        Some(single_row_partition_warning(
            names,
            window,
            formula.file_span(range),
            is_explicit,
        ))
    }

    /// Returns whether `partition_by` and the ordering key determine all keys, so that they identify the model's rows.
    pub fn are_all_keys_determined(&self, compiler: &Compiler, keys: &ModelKeys) -> bool {
        let Some(partition) = &self.partition_by else {
            return false;
        };
        let partition = self.keys_in_order(keys, partition);
        let order = self.order_by.as_ref().map(|order| self.keys_in_order(keys, order));
        let key = order.and_then(|order| order.first().copied()).or(keys.time);
        let within = key.map_or_else(Vec::new, |key| self.keys_determined_by_period(compiler, keys, key));
        let is_determined = |index| {
            Some(index) == key || partition.contains(&index) || within.iter().any(|longer| longer.key_index == index)
        };
        (0..keys.names.len()).all(is_determined)
    }

    /// Returns the keys in `order_by` or `partition_by`.
    pub fn keys_in_order(&self, keys: &ModelKeys, order: &[MetricFormula]) -> Vec<usize> {
        let index = |entry: &MetricFormula| {
            let [name] = entry.names.as_slice() else { return None };
            let text = format!("{}{}", name.name, name.frame);
            let is_named = |index: &usize| {
                [&self.keys[*index].text, &keys.names[*index]]
                    .iter()
                    .any(|key| key.eq_ignore_ascii_case(&text))
            };
            self.find_timeframe_key(name)
                .or_else(|| (0..self.keys.len()).find(is_named))
        };
        order.iter().filter_map(index).collect()
    }

    fn window_beyond_partition_warning(
        &self,
        compiler: &Compiler,
        windows: &MetricWindowKeys,
        keys: &ModelKeys,
        formula: &MetricFormula,
        id: Option<MetricId>,
    ) -> Option<Diagnostic> {
        if id.is_none() && self.partition_by.is_some() {
            return None;
        }
        let set = &self.sets[id.map_or(0, |id| id.0)];
        let offset = self.fiscal_offset(compiler, set);
        let limiting_part = |(extent, range): &(WindowExtent, Range<usize>)| {
            // PERIODOFFSET also compares the other keys in `order_by`.
            let is_compared = |index| matches!(extent, WindowExtent::Offset { .. }) || !windows.order.contains(&index);
            let mut parts = windows
                .determined_keys
                .iter()
                .filter(|part| is_compared(part.key_index));
            let part = parts.find(|part| !extent.stays_within_timeframe(part.timeframe(), offset))?;
            Some((part.clone(), range.clone()))
        };
        let (part, range) = formula.window_extents.iter().find_map(limiting_part)?;
        let (key, name) = (&self.keys[windows.key].text, &self.keys[part.key_index].text);
        let message = format!(
            "`{}` reads only rows of the same `{name}`, because the rows are also partitioned by `{name}`, which depends on `{key}`",
            formula.text.get(range.clone()).unwrap_or_default()
        );
        let is_left = |index: &usize| {
            *index != windows.key
                && !windows.order.contains(index)
                && windows.determined_keys.iter().all(|part| part.key_index != *index)
        };
        let others = (0..self.keys.len())
            .filter(is_left)
            .map(|index| yaml::format_flow_scalar(&self.keys[index].text));
        let help = match self.kind {
            SpecKind::Periods => format!(
                "write `partition_by: [{}]`, or remove `{name}` from `group_by` and compute it from `{key}` in a later step",
                others.collect::<Vec<_>>().join(", ")
            ),
            _ => format!(
                "remove `{name}` from `group_by`, and add the definition `{} = {}`",
                keys.names[part.key_index],
                part.formula(match split_timeframe(key).1 {
                    "" => key,
                    _ => &keys.names[windows.key],
                })
            ),
        };
        Some(self.window_warning(formula, range, id, message).with_help(help))
    }

    fn window_over_longer_period_warning(
        &self,
        compiler: &Compiler,
        windows: &MetricWindowKeys,
        keys: &ModelKeys,
        formula: &MetricFormula,
        id: Option<MetricId>,
    ) -> Option<Diagnostic> {
        let is_shorter = |index: &usize| {
            let within = self.keys_determined_by_period(compiler, keys, *index);
            within.iter().any(|longer| longer.key_index == windows.key)
        };
        let shorter = windows.order.iter().copied().find(is_shorter)?;
        let (_, range) = formula
            .window_extents
            .iter()
            .find(|(extent, _)| extent.counts_from_current_key())?;
        let (key, name) = (&self.keys[windows.key].text, &self.keys[shorter].text);
        let message = format!(
            "`{}` counts periods of `{key}`, the first date in `order_by`, so `{name}` has no effect",
            formula.text.get(range.clone()).unwrap_or_default()
        );
        let fault = self.window_warning(formula, range.clone(), id, message);
        Some(fault.with_help(format!("begin `order_by` with `{name}`")))
    }

    fn window_warning(
        &self,
        formula: &MetricFormula,
        range: Range<usize>,
        id: Option<MetricId>,
        message: String,
    ) -> Diagnostic {
        let span = id.map_or_else(|| formula.file_span(&range), |id| self.listed_metric_span(id));
        let fault = Diagnostic::new(Code::PeriodOutsidePartition, span, message);
        match id {
            Some(id) => fault.with_context(&format!("in the metric set `{}`", self.sets[id.0].name)),
            None => fault,
        }
    }

    /// Warns about filters on the time key that remove earlier periods although a formula reads them. `metric_ids` are
    /// the metrics that the model reads.
    pub fn check_hidden_periods(
        &self,
        compiler: &Compiler,
        keys: &ModelKeys,
        metric_ids: &[MetricId],
        faults: &mut Vec<Diagnostic>,
    ) {
        let Some(time) = keys.time else { return };
        let of_metrics = metric_ids.iter().map(|id| {
            let index = (self.kind != SpecKind::Periods).then(|| self.listed_metric_span(*id));
            (self.formula(*id), index)
        });
        let of_model = self.definitions.iter().map(|formula| (formula, None));
        let look_back = of_metrics.chain(of_model).find_map(|(formula, index)| {
            let range = formula.look_back.clone()?;
            let text = formula.text.get(range.clone()).unwrap_or_default();
            let span = index.unwrap_or_else(|| formula.file_span(&range));
            Some((span, text.to_owned()))
        });
        let Some((index, reads)) = look_back else { return };
        let own_filters = self.sets.iter().filter(|_| self.kind == SpecKind::Periods);
        let period_filters = own_filters.filter_map(|set| Some((None, set.filter.as_ref()?)));
        let filters = self.filters.iter().map(|(set, filter)| (set.as_deref(), filter));
        let unit = keys.key_in_first_set(time).and_then(|key| key.period);
        for (filter_set, filter) in filters.chain(period_filters) {
            let sets = self
                .sets
                .iter()
                .filter(|set| filter_set.is_none_or(|set_name| set_name.eq_ignore_ascii_case(&set.name)));
            let sets: Vec<_> = sets.collect();
            let is_key = |name: &String| {
                [&self.keys[time].text, &keys.names[time]]
                    .iter()
                    .any(|key| key.eq_ignore_ascii_case(name))
            };
            let is_time = |name: &String| is_key(name) || sets.iter().any(|set| set.is_time(compiler, name));
            for condition in filter
                .conditions
                .iter()
                .filter(|row_condition| row_condition.columns.iter().any(is_time))
            {
                let excerpt = condition.span.excerpt(self.source);
                faults.push(hidden_periods(
                    (condition.span, &excerpt),
                    (index, &reads),
                    &condition.equivalent_keys(unit),
                ));
            }
        }
    }
}
