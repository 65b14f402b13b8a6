//! Checks the windows of a model against its time key.

use super::formulas::MetricFormula;
use super::graph::MetricId;
use super::keys::{ModelKeys, period_unit};
use super::request::ModelOverSets;
use crate::check::unit_error;
use crate::diag::Diagnostic;
use crate::hidden_periods::hidden_periods;
use crate::load::SpecKind;
use crate::span::Span;

impl ModelOverSets<'_> {
    /// Reports windows whose unit does not fit the periods of the time key. In the expanded spec, these windows may
    /// be computed by a later step, which has no information about the periods.
    pub fn check_window_units(&self, keys: &ModelKeys, needed: &[MetricId], faults: &mut Vec<Diagnostic>) {
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
            units.filter(|unit| !unit.fits(frame)).min_by_key(|unit| unit.unit)
        };
        for id in needed {
            if let Some(unit) = misfit(self.formula(*id)) {
                let context = format!("in the metric set `{}`", self.sets[id.0].name);
                faults.push(unit_error(unit, self.listed_span(*id), frame, key).with_context(&context));
            }
        }
        for formula in &self.definitions {
            faults.extend(misfit(formula).map(|unit| unit_error(unit, formula.span, frame, key)));
        }
    }

    /// Returns the position of a metric in the list `metrics`, or of the whole list for other metrics.
    fn listed_span(&self, id: MetricId) -> Span {
        let listed = self.listed.iter().find(|listed| (listed.set, listed.metric) == id);
        listed.map_or(self.span, |listed| listed.span)
    }

    /// Warns about filters on the time key that remove periods needed by a look-back. `needed` are the metrics that the
    /// model reads.
    pub fn check_hidden_periods(&self, keys: &ModelKeys, needed: &[MetricId], faults: &mut Vec<Diagnostic>) {
        let Some(time) = keys.time else { return };
        let of_metrics = needed.iter().map(|id| {
            let place = (self.kind != SpecKind::Periods).then(|| self.listed_span(*id));
            (self.formula(*id), place)
        });
        let of_model = self.definitions.iter().map(|formula| (formula, None));
        let look_back = of_metrics.chain(of_model).find_map(|(formula, place)| {
            let range = formula.look_back.clone()?;
            let text = formula.text.get(range.clone()).unwrap_or_default();
            let span = place.unwrap_or_else(|| formula.file_span(&range));
            Some((span, text.to_owned()))
        });
        let Some((place, reads)) = look_back else { return };
        let own = self.sets.iter().filter(|_| self.kind == SpecKind::Periods);
        let own = own.filter_map(|set| Some((None, set.filter.as_ref()?)));
        let filters = self.filters.iter().map(|(set, filter)| (set.as_deref(), filter));
        for (of, filter) in filters.chain(own) {
            let sets = self
                .sets
                .iter()
                .filter(|set| of.is_none_or(|of| of.eq_ignore_ascii_case(&set.name)));
            let times = sets.filter_map(|set| Some(set.time.as_ref()?.column.as_str()));
            let names: Vec<&str> = times
                .chain([self.keys[time].text.as_str(), keys.names[time].as_str()])
                .collect();
            let is_time = |column: &String| names.iter().any(|name| name.eq_ignore_ascii_case(column));
            for condition in filter.conditions.iter().filter(|it| it.columns.iter().any(is_time)) {
                let shown = condition.span.excerpt(self.source);
                faults.push(hidden_periods(
                    (condition.span, &shown),
                    (place, &reads),
                    &condition.keys,
                ));
            }
        }
    }
}
