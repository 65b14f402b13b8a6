//! Rows for the periods that the sets have no rows for: the key `fill`.

use super::keys::{ModelKeys, SetKey, period_rank};
use super::period_range::PeriodBound;
use super::request::ModelOverSets;
use super::set::MetricSet;
use super::spelled::SpelledText;
use super::step_text::{DefinitionText, PlacedText, SeriesText, StepText};
use crate::diag::{Code, Diagnostic};
use crate::span::Span;
use crate::yaml::Node;

/// Periods for which the model has rows.
#[derive(Clone, Debug)]
pub struct Fill {
    /// Index of the key.
    key: usize,
    /// Timeframe of the key, such as `month`.
    frame: String,
    from: Option<PeriodBound>,
    to: Option<PeriodBound>,
    /// Whether each combination of the other keys has its own first and last period.
    is_each: bool,
    span: Span,
}

impl ModelOverSets<'_> {
    /// Reads `fill`, and reports a key that is not a period.
    pub fn read_fill(&self, keys: &ModelKeys, used: &[usize], faults: &mut Vec<Diagnostic>) -> Option<Fill> {
        let node = self.step.get("fill")?;
        let by = node.text().or_else(|| node.get("by")?.text());
        let Some(by) = by.map(str::trim) else {
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
        let frames: Vec<Option<String>> = (0..self.keys.len())
            .map(|place| {
                used.iter()
                    .find_map(|set| frame_of(&self.sets[*set], keys.of_sets[*set].get(place)?))
            })
            .collect();
        let is_meant = |place: &usize| {
            let same = |name: &str| name.eq_ignore_ascii_case(by);
            same(&self.keys[*place].text) || same(&keys.names[*place]) || frames[*place].as_deref().is_some_and(same)
        };
        let meant: Vec<usize> = (0..self.keys.len()).filter(is_meant).collect();
        let (key, frame) = match meant.as_slice() {
            [one] => (*one, frames[*one].clone()),
            several => {
                let names: Vec<String> = keys.names.iter().map(|name| format!("`{name}`")).collect();
                let message = match several.is_empty() {
                    true => format!("`fill` names `{by}`, which is not a key of the step"),
                    false => format!("several keys are a `{by}`"),
                };
                faults.push(Diagnostic::new(Code::FillKey, node.span, message).with_help(format!(
                    "write `fill: {{by: …}}` with one of the keys {}",
                    names.join(", ")
                )));
                return None;
            }
        };
        let Some(frame) = frame.filter(|frame| period_rank(frame).is_some()) else {
            let message = format!("`fill` needs periods, but `{}` is not a period", keys.names[key]);
            faults.push(
                Diagnostic::new(Code::FillKey, node.span, message)
                    .with_help("group by a timeframe: day, week, month, quarter, year, fiscal_quarter or fiscal_year"),
            );
            return None;
        };
        let bound = |name: &str| PeriodBound::read(node.get(name)?);
        let fill = Fill {
            key,
            frame,
            from: bound("from"),
            to: bound("to"),
            is_each: node.get("within").and_then(Node::text) == Some("each"),
            span: node.span,
        };
        for name in ["from", "to"] {
            if let Some(fault) = node.get(name).and_then(PeriodBound::fault) {
                faults.push(fault);
            }
        }
        Some(fill)
    }

    /// Returns the steps that list the periods, of which the last has a row for each period and combination of the other
    /// keys. `rows` are the steps with the rows of the sets.
    pub fn period_steps(&self, fill: &Fill, keys: &ModelKeys, rows: &[String]) -> Vec<StepText> {
        let key = &keys.names[fill.key];
        let others: Vec<String> = keys.names.iter().filter(|name| *name != key).cloned().collect();
        let placed = |names: &[String]| {
            let place = |text: &String| PlacedText {
                text: text.clone(),
                file: 0,
                span: fill.span,
            };
            names.iter().map(place).collect::<Vec<PlacedText>>()
        };
        let (first, last) = (format!("first_{}", fill.frame), format!("last_{}", fill.frame));
        let start = |bound: &PeriodBound| match (fill.frame.as_str(), keys.fiscal_offset) {
            ("fiscal_year", Some(offset)) => format!("DATE({}, {}, 1)", bound.period("fiscal_year"), offset + 1),
            _ => bound.period(&fill.frame),
        };
        let end = |bound: &Option<PeriodBound>, function: &str| {
            bound.as_ref().map_or_else(|| format!("{function}({key})"), start)
        };
        let mut ends = vec![
            self.definition(&first, &end(&fill.from, "MIN"), fill.span),
            self.definition(&last, &end(&fill.to, "MAX"), fill.span),
        ];
        if fill.from.is_some() && fill.to.is_some() {
            // An aggregate makes the step have one row, also if there are no rows.
            ends.push(self.definition("row_count", "COUNT()", fill.span));
        }
        let plural = fill.frame.replace('_', " ").replace(' ', "_");
        let mut steps = vec![StepText {
            name: self.free_step_name(&format!("range_of_{plural}s")),
            union: rows.to_vec(),
            group_by: if fill.is_each { placed(&others) } else { Vec::new() },
            definitions: ends,
            ..StepText::default()
        }];
        if !fill.is_each && !others.is_empty() {
            steps.push(StepText {
                name: self.free_step_name("combinations_of_keys"),
                union: rows.to_vec(),
                group_by: placed(&others),
                ..StepText::default()
            });
            let kept = others.iter().cloned().chain([first.clone(), last.clone()]);
            steps.push(StepText {
                name: self.free_step_name("combinations_with_range"),
                joins: vec![PlacedText {
                    text: format!("{{to: {}, type: cross}}", steps[0].name),
                    file: 0,
                    span: fill.span,
                }],
                keep: Some(kept.collect()),
                ..StepText::default()
            });
        }
        steps.push(StepText {
            name: self.free_step_name(&format!("every_{}", fill.frame)),
            keep: Some(others).filter(|others| !others.is_empty()),
            series: Some(SeriesText {
                name: key.clone(),
                unit: fill.frame.clone(),
                first,
                last,
            }),
            ..StepText::default()
        });
        steps
    }

    fn definition(&self, name: &str, formula: &str, span: Span) -> DefinitionText {
        let mut text = SpelledText::default();
        text.write(formula, 0, span);
        DefinitionText {
            name: name.to_owned(),
            formula: text,
            description: None,
            keys: Vec::new(),
            file: 0,
            span,
        }
    }
}

/// Returns the timeframe of a key.
fn frame_of(set: &MetricSet, key: &SetKey) -> Option<String> {
    let dimension = set.position(&key.entry.text).map(|place| &set.definitions[place].text);
    let text = match (&key.timeframe, &key.definition) {
        (Some(timeframe), _) => timeframe,
        (None, Some(definition)) => &definition.formula.text,
        (None, None) => dimension.unwrap_or(&key.entry.text),
    };
    let (_, frame) = text.split_once('[')?;
    let frame = frame.trim_end_matches(']').trim().to_lowercase();
    Some(if frame == "date" { "day".to_owned() } else { frame })
}
