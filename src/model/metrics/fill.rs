//! Key `fill`, which adds rows for periods without any rows in the metric sets.

use std::ops::Range;

use formulac_syntax::diag::lists::quote_names;
use formulac_syntax::lex::quote_formula_name;

use super::columns::ColumnBuilder;
use super::keys::{MetricSetKey, ModelKeys, PeriodDeterminedKey};
use super::model_on_metric_sets::ModelOnMetricSets;
use super::period_range::PeriodBound;
use super::step_text::{
    DefinitionText, SeriesText, StepText, StepTextProjection, TextWithPosition, format_node_inline,
};
use crate::compiler::Compiler;
use crate::diag::{Code, Diagnostic};
use crate::ir::CalendarPeriod;
use crate::load::SpecKind;
use crate::plan::{shorten_name, split_timeframe, unused_name};
use crate::span::Span;
use crate::yaml;

/// Value of the key `fill`: the periods for which the model has rows.
#[derive(Clone, Debug)]
pub struct FillSetting {
    /// Index of the filled key.
    key: usize,
    /// Timeframe of the filled key, such as `month`.
    frame: String,
    from: Option<PeriodBound>,
    to: Option<PeriodBound>,
    determined: Vec<PeriodDeterminedKey>,
    /// Whether each combination of the other keys has a separate first and last period.
    is_each: bool,
    span: Span,
}

impl ColumnBuilder<'_> {
    /// Returns whether the expanded step can keep `since` and `until` together with `fill`.
    pub fn can_keep_bounds(&self) -> bool {
        let fill = self.kept_fill.as_ref();
        fill.is_some_and(|fill| self.keys.time == Some(fill.key))
    }
}

impl ModelOnMetricSets<'_> {
    /// Returns whether the expanded step can keep `fill`. The filled key must specify its timeframe, and must not be a
    /// fiscal year, which is a date in a model built on metric sets but a number in other steps.
    pub fn can_keep_fill(&self, fill: Option<&FillSetting>, keys: &ModelKeys) -> bool {
        let Some(fill) = fill else { return true };
        let mut of_sets = keys.set_keys.iter().filter_map(|keys| keys.try_get(fill.key));
        self.kind != SpecKind::Periods
            && self.specifies_timeframe(fill, keys)
            && of_sets.all(|key| key.fiscal_offset.is_none())
    }

    /// Returns whether the filled key is a timeframe, rather than a column that contains periods.
    fn specifies_timeframe(&self, fill: &FillSetting, keys: &ModelKeys) -> bool {
        let mut in_sets = self.sets.iter().zip(&keys.set_keys);
        in_sets.all(|(set, keys)| {
            keys.try_get(fill.key).is_none_or(|key| {
                let dimension = set.definition_of_key(&key.column);
                let text = dimension.map_or(key.column.as_str(), |formula| formula.text.as_str());
                !split_timeframe(text).1.is_empty()
            })
        })
    }

    /// Returns `fill` and `until` of an expanded step with these keys.
    pub fn fill_and_until_entries(
        &self,
        builder: &ColumnBuilder<'_>,
        group_by: &[TextWithPosition],
    ) -> Vec<(String, TextWithPosition)> {
        let Some(fill) = &builder.kept_fill else {
            return Vec::new();
        };
        let period_key = group_by.get(fill.key).map_or("", |key| &key.text);
        let key_text = yaml::format_flow_scalar(period_key);
        let fill_node = |key: &str| self.step.get("fill").and_then(|node| node.get(key));
        let parts = ["from", "to", "within"].into_iter();
        let parts = parts.filter_map(|key| Some(format!(", {key}: {}", format_node_inline(fill_node(key)?))));
        let parts: String = parts.collect();
        let text = match parts.is_empty() {
            true => key_text,
            false => format!("{{by: {key_text}{parts}}}"),
        };
        let mut period_keys = vec![("fill".to_owned(), TextWithPosition::new(text, 0, fill.span))];
        let until = self.step.get("until").filter(|_| builder.can_keep_bounds());
        period_keys.extend(until.map(|node| {
            (
                "until".to_owned(),
                TextWithPosition::new(format_node_inline(node), 0, node.span),
            )
        }));
        period_keys
    }

    /// Returns the first of these keys that is a date or a time without a timeframe. The result has the timeframe
    /// `frame`.
    fn date_with_timeframe(
        &self,
        compiler: &Compiler,
        keys: &ModelKeys,
        mut indices: Range<usize>,
        frame: &str,
    ) -> Option<String> {
        let is_time = |index: &usize| {
            self.sets.iter().zip(&keys.set_keys).any(|(set, keys)| {
                let key = keys.try_get(*index).filter(|key| key.frame.is_none());
                key.is_some_and(|key| set.is_temporal(compiler, &key.column))
            })
        };
        let index = indices.find(is_time)?;
        let (date, _) = split_timeframe(&self.keys[index].text);
        Some(format!("{}[{frame}]", quote_formula_name(date)))
    }

    /// Reads `fill`, and reports a key that is not a period.
    pub fn read_fill(
        &self,
        compiler: &Compiler,
        keys: &ModelKeys,
        faults: &mut Vec<Diagnostic>,
    ) -> Option<FillSetting> {
        let node = self.step.get("fill")?;
        let period_name = node.text().or_else(|| node.text_at("by"));
        let Some(fill_name) = period_name.map(str::trim) else {
            faults.push(
                Diagnostic::new(
                    Code::FillKey,
                    node.span,
                    "`fill` does not name the key whose periods it fills",
                )
                .with_help("write `fill: month`, or `fill: {by: month}`"),
            );
            return None;
        };
        let dialect = compiler.options.dialect;
        if dialect.facts().series.is_empty() {
            let message = format!("`fill` is not available in dialect `{dialect}`");
            let help = "join the model to a table that lists the periods";
            faults.push(Diagnostic::new(Code::UnsupportedFunction, node.span, message).with_help(help));
            return None;
        }
        let key_indexes = self.filled_keys(compiler, keys, fill_name);
        let (key, frame) = match key_indexes.as_slice() {
            [key_index] => (
                *key_index,
                keys.key_in_first_set(*key_index).and_then(|key| key.frame.clone()),
            ),
            several => {
                let names = quote_names(keys.names.iter());
                let message = match several.is_empty() {
                    true => format!("`fill` names `{fill_name}`, which is not a key of the step"),
                    false => format!("several keys have the timeframe `{fill_name}`"),
                };
                let is_period = several.is_empty() && CalendarPeriod::from_name(fill_name).is_some();
                let key_range = 0..if is_period { keys.names.len() } else { 0 };
                let help = match (
                    self.date_with_timeframe(compiler, keys, key_range, fill_name),
                    names.as_slice(),
                ) {
                    (Some(timed), _) => format!("group by `{timed}`"),
                    (None, [single_key]) => format!("the only key is {single_key}"),
                    (None, _) => format!("write `fill: {{by: …}}` with one of the keys {}", names.join(", ")),
                };
                faults.push(Diagnostic::new(Code::FillKey, node.span, message).with_help(help));
                return None;
            }
        };
        let is_number = frame.as_deref() == Some("fiscal_year")
            && keys
                .key_in_first_set(key)
                .is_some_and(|key| key.fiscal_offset.is_none());
        if is_number {
            let message = format!("`fill` needs dates, but `{}` is a year number", keys.names[key]);
            faults.push(
                Diagnostic::new(Code::FillKey, node.span, message)
                    .with_help("fill the periods of `fiscal_quarter`, and group by the fiscal year in the next step"),
            );
            return None;
        }
        let Some(frame) = frame else {
            let message = format!(
                "`fill` needs a key whose values are periods of at least a day, but `{}` is not such a key",
                keys.names[key]
            );
            let frames = "day, week, month, quarter, year, fiscal_quarter or fiscal_year";
            let help = match self.date_with_timeframe(compiler, keys, key..key + 1, "day") {
                Some(timed) => format!("group by `{timed}`, or another timeframe: {frames}"),
                None => format!("group by a timeframe: {frames}"),
            };
            faults.push(Diagnostic::new(Code::FillKey, node.span, message).with_help(help));
            return None;
        };
        let having = self.having.as_ref();
        let help = match self.kind {
            SpecKind::OverSets => "define the aggregate as a metric of a set, and use the metric in `having`",
            _ => "define the aggregate in `definitions`, and use its name in `having`",
        };
        if let Some((having, call)) = having.and_then(|having| Some((having, having.aggregates.first()?))) {
            let call = having.file_span(&call.range);
            let message = "`having` of a step with `fill` cannot aggregate rows, because filled periods have none";
            faults.push(Diagnostic::new(Code::FillKey, call, message).with_help(help));
        }
        let bound = |name: &str| PeriodBound::read(node.get(name)?);
        let fill = FillSetting {
            key,
            frame,
            from: bound("from"),
            to: bound("to"),
            determined: self.keys_determined_by_period(compiler, keys, key),
            is_each: node.text_at("within") == Some("each"),
            span: node.span,
        };
        faults.extend(self.check_keys_of_filled_date(compiler, &fill, keys));
        for name in ["from", "to"] {
            let bound = node.get(name);
            faults.extend(bound.and_then(|node| PeriodBound::bound_error(compiler, name, node, self.source)));
        }
        if let [Some(from), Some(to)] = ["from", "to"].map(|name| Some((name, node.get(name)?))) {
            faults.extend(PeriodBound::reversed_bounds_error([from, to]));
        }
        Some(fill)
    }

    /// Warns about keys that are computed from the filled date but may differ between the days of a filled period.
    fn check_keys_of_filled_date(&self, compiler: &Compiler, fill: &FillSetting, keys: &ModelKeys) -> Vec<Diagnostic> {
        let is_free = |index: &usize| {
            *index != fill.key
                && !fill
                    .determined
                    .iter()
                    .any(|determined_key| determined_key.key_index == *index)
                && {
                    let mut in_sets = self.sets.iter().zip(&keys.set_keys);
                    in_sets.any(|(set, of_set)| {
                        let key_pair = of_set.try_get(*index).zip(of_set.try_get(fill.key));
                        key_pair.is_some_and(|(key, period)| {
                            set.is_period_of_same_date(compiler, &key.column, &period.column)
                        })
                    })
                }
        };
        let warning = |index: usize| {
            let (key, period, unit) = (&keys.names[index], &keys.names[fill.key], &fill.frame);
            let message = format!(
                "a {unit} in `{period}` can contain several values of `{key}`, so `fill` combines each `{key}` with \
                 every {unit}"
            );
            let help = format!("fill a shorter period, or remove `{key}` from `group_by`");
            Diagnostic::new(Code::KeyOfFilledDate, self.keys[index].span, message).with_help(help)
        };
        (0..keys.names.len()).filter(is_free).map(warning).collect()
    }

    /// Returns the keys to which a name in `fill` may refer: the key or output name if there is one, otherwise the same
    /// period of the same column, the period of the metric sets' `time`, or any key with the timeframe.
    fn filled_keys(&self, compiler: &Compiler, keys: &ModelKeys, fill_name: &str) -> Vec<usize> {
        let is_same_name = |name: &str| {
            let ((name, frame), (fill_base, fill_frame)) = (split_timeframe(name), split_timeframe(fill_name));
            name.eq_ignore_ascii_case(fill_base) && frame.eq_ignore_ascii_case(fill_frame)
        };
        let in_sets = |index: usize| {
            let sets = self.sets.iter().zip(&keys.set_keys);
            sets.filter_map(move |(set, keys)| Some((set, keys.try_get(index)?)))
        };
        let is_named = |index: usize| is_same_name(&self.keys[index].text) || is_same_name(&keys.names[index]);
        let is_same_period =
            |index: usize| in_sets(index).any(|(set, key)| set.is_same_period(compiler, &key.column, fill_name));
        // A step with `from` has no `time` of its own.
        let is_of_time = |index: usize| {
            let is_period = |(_, key): (_, &MetricSetKey)| key.timeframe().is_some_and(is_same_name);
            self.kind != SpecKind::Periods && in_sets(index).all(is_period)
        };
        let has_frame = |index: usize| {
            let key = keys.key_in_first_set(index);
            key.is_some_and(|key| is_same_name(key.frame.as_deref().unwrap_or_else(|| split_timeframe(&key.column).1)))
        };
        let meanings: [&dyn Fn(usize) -> bool; 4] = [&is_named, &is_same_period, &is_of_time, &has_frame];
        let mut index_lists = meanings.iter().map(|is_meant| {
            let places = (0..self.keys.len()).filter(|index| is_meant(*index));
            places.collect::<Vec<usize>>()
        });
        index_lists.find(|places| !places.is_empty()).unwrap_or_default()
    }

    /// Returns the steps that list the periods. The last of these steps has a row for each period and combination of
    /// the other keys. `rows` contains the names of the steps that read the rows of the metric sets.
    pub fn period_steps(&self, fill: &FillSetting, keys: &ModelKeys, rows: &[String]) -> Vec<StepText> {
        let key = &keys.names[fill.key];
        let is_determined = |index: usize| {
            fill.determined
                .iter()
                .any(|determined_key| determined_key.key_index == index)
        };
        let is_other = |index: &usize| *index != fill.key && !is_determined(*index);
        let others = (0..keys.names.len()).filter(is_other);
        let others: Vec<String> = others.map(|index| keys.names[index].clone()).collect();
        let placed = |names: &[String]| -> Vec<TextWithPosition> {
            let name = |name: &String| TextWithPosition::new(quote_formula_name(name), 0, fill.span);
            names.iter().map(name).collect()
        };
        let definition = |name: &str, formula: &str| DefinitionText::generated(name, formula, 0, fill.span);
        let helper_name = |name: &str| unused_name(name, keys.names.iter().map(String::as_str), 0);
        let [first, last] = ["first", "last"].map(|end| helper_name(&format!("{end}_{}", fill.frame)));
        let period = match self.specifies_timeframe(fill, keys) {
            true => quote_formula_name(key),
            false => format!("{}[{}]", quote_formula_name(key), fill.frame),
        };
        let end = |value: Option<String>, function: &str| value.unwrap_or_else(|| format!("{function}({period})"));
        // Periods after `until` are not shown, so windows must not read them.
        let until = self.bound("until").filter(|_| keys.time == Some(fill.key));
        let first_key = keys.key_in_first_set(fill.key);
        let from = fill.from.as_ref().zip(first_key);
        let from = from.and_then(|(bound, key)| bound.key_value_at_bound(key));
        let to = fill.to.as_ref().zip(first_key);
        let to = to.and_then(|(bound, key)| match &until {
            Some(until) => bound.earlier_key_value(until, key),
            None => bound.key_value_at_bound(key),
        });
        let mut ends = vec![
            definition(&first, &end(from, "MIN")),
            definition(&last, &end(to, "MAX")),
        ];
        let is_constant = fill.from.is_some() && fill.to.is_some();
        // If both ends are constants, the step with the range can list the combinations of the other keys itself.
        let lists_combinations = !others.is_empty() && (fill.is_each || is_constant);
        if is_constant && others.is_empty() {
            // With an aggregate, the step has one row even if its input has no rows.
            ends.push(definition(&helper_name("row_count"), "COUNT()"));
        }
        let range = self.unused_step_name(&format!("range_of_{}s", fill.frame));
        let mut steps = vec![StepText {
            name: range.clone(),
            union: rows.to_vec(),
            group_by: if lists_combinations {
                placed(&others)
            } else {
                Vec::new()
            },
            definitions: ends,
            ..StepText::default()
        }];
        if !lists_combinations && !others.is_empty() {
            steps.push(StepText {
                name: self.unused_step_name("combinations_of_keys"),
                union: rows.to_vec(),
                group_by: placed(&others),
                ..StepText::default()
            });
            let column_names = others.iter().cloned().chain([first.clone(), last.clone()]);
            steps.push(StepText {
                name: self.unused_step_name("combinations_with_range"),
                joins: vec![TextWithPosition::new(
                    format!("{{to: {range}, type: cross}}"),
                    0,
                    fill.span,
                )],
                keep: Some(StepTextProjection::Columns(column_names.collect())),
                ..StepText::default()
            });
        }
        steps.push(StepText {
            name: self.unused_step_name(&format!("every_{}", fill.frame)),
            keep: (!others.is_empty()).then(|| StepTextProjection::Columns(others.clone())),
            series: Some(SeriesText {
                name: key.clone(),
                unit: fill.frame.clone(),
                first,
                last,
            }),
            ..StepText::default()
        });
        if !fill.determined.is_empty() {
            steps.push(self.dependent_keys_step(fill, keys, others));
        }
        steps
    }

    /// Returns the step that adds the keys that the filled period determines. `others` are the keys that the period
    /// does not determine.
    fn dependent_keys_step(&self, fill: &FillSetting, keys: &ModelKeys, others: Vec<String>) -> StepText {
        let key = &keys.names[fill.key];
        let name_of = |determined: &PeriodDeterminedKey| keys.names[determined.key_index].clone();
        let names: Vec<String> = fill.determined.iter().map(name_of).collect();
        let name = shorten_name(&format!("every_{}_with_{}", fill.frame, names.join("_and_")));
        let column_names = others.into_iter().chain([key.clone()]);
        let definition = |determined: &PeriodDeterminedKey| {
            DefinitionText::generated(name_of(determined), &determined.formula(key), 0, fill.span)
        };
        StepText {
            name: self.unused_step_name(&name),
            keep: Some(StepTextProjection::Columns(column_names.collect())),
            definitions: fill.determined.iter().map(definition).collect(),
            ..StepText::default()
        }
    }
}
