//! Writes random metric sets, and models built on them, as YAML.

use std::fmt::{self, Display, Formatter};

use crate::draw_metric_sets::{Listed, MetricFormula, MetricSet, ModelKey, ModelOverSets};
use crate::expr::InterpreterExpr;
use crate::value::Value;
use crate::written::write_join;

/// A metric set, and the model's setting for blanks, which the text of the metric set also contains.
struct WrittenSet<'a>(&'a MetricSet, bool);

struct WrittenModel<'a>(&'a ModelOverSets);

pub fn set_texts(model: &ModelOverSets) -> Vec<String> {
    let sets = model.sets.iter();
    sets.map(|set| WrittenSet(set, model.blank_zero).to_string()).collect()
}

pub fn model_text(model: &ModelOverSets) -> String {
    WrittenModel(model).to_string()
}

fn write_definitions<'a>(
    f: &mut Formatter<'_>,
    formulas: impl Iterator<Item = (&'a String, &'a InterpreterExpr)>,
) -> fmt::Result {
    let mut formulas = formulas.peekable();
    if formulas.peek().is_some() {
        writeln!(f, "definitions: |")?;
    }
    formulas.try_for_each(|(name, formula)| writeln!(f, "  {name} = {formula}"))
}

fn formulas(metrics: &[MetricFormula]) -> impl Iterator<Item = (&String, &InterpreterExpr)> {
    metrics.iter().map(|metric| (&metric.name, &metric.formula))
}

impl Display for WrittenSet<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let set = self.0;
        writeln!(
            f,
            "metric_set: {}\nfrom: {}\ntime: \"{}\"",
            set.name, set.table, set.time
        )?;
        if self.1 {
            writeln!(f, "blanks: zero")?;
        }
        if let Some(join) = &set.join {
            writeln!(f, "joins:")?;
            write_join(f, join)?;
        }
        if let Some(filter) = &set.filter {
            writeln!(f, "where: '{filter}'")?;
        }
        let dimensions = set.dimensions.iter().map(|(name, formula)| (name, formula));
        write_definitions(f, dimensions.chain(formulas(&set.metrics)))
    }
}

impl WrittenModel<'_> {
    fn metric(&self, entry: &Listed) -> String {
        let sets = &self.0.sets;
        match entry {
            Listed::All(set) => format!("{}.*", sets[*set].name),
            Listed::One { set, metric, renamed } => {
                let metric = format!("{}.{metric}", sets[*set].name);
                renamed
                    .as_ref()
                    .map_or(metric.clone(), |renamed| format!("{{{renamed}: {metric}}}"))
            }
        }
    }

    /// Returns an entry of `group_by`.
    fn key(&self, key: &ModelKey) -> String {
        let sets = &self.0.sets;
        let mapping = |name: &str, of: Vec<String>| {
            let parts = sets.iter().zip(of).map(|(set, of)| format!("{}: \"{of}\"", set.name));
            format!("{{{name}: {{{}}}}}", parts.collect::<Vec<_>>().join(", "))
        };
        let period = |set: &MetricSet, frame| InterpreterExpr::Period(set.time.clone(), frame).to_string();
        match key {
            ModelKey::Time {
                frame,
                is_spelled: false,
            } => frame.name().to_owned(),
            ModelKey::Time { frame, .. } if sets.len() == 1 => format!("\"{}\"", period(&sets[0], *frame)),
            ModelKey::Time { frame, .. } => mapping("period", sets.iter().map(|set| period(set, *frame)).collect()),
            ModelKey::Column {
                name: Some(name), of, ..
            } if sets.len() > 1 => mapping(name, of.iter().map(InterpreterExpr::to_string).collect()),
            ModelKey::Column { of, .. } => format!("\"{}\"", of[0]),
        }
    }
}

impl Display for WrittenModel<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let model = self.0;
        let metrics: Vec<String> = model.listed_metrics.iter().map(|entry| self.metric(entry)).collect();
        writeln!(f, "model: random\nmetrics: [{}]", metrics.join(", "))?;
        if !model.keys.is_empty() {
            writeln!(f, "group_by:")?;
        }
        model
            .keys
            .iter()
            .try_for_each(|key| writeln!(f, "  - {}", self.key(key)))?;
        match model.filters.as_slice() {
            [Some(filter)] => writeln!(f, "where: '{filter}'")?,
            filters => {
                let filters = model.sets.iter().zip(filters);
                let filters = filters.filter_map(|(set, filter)| Some((set.name, filter.as_ref()?)));
                for (index, (set, filter)) in filters.enumerate() {
                    let head = if index == 0 { "where:\n" } else { "" };
                    writeln!(f, "{head}  {set}: '{filter}'")?;
                }
            }
        }
        if let Some(having) = &model.having {
            writeln!(f, "having: '{having}'")?;
        }
        let ordered = model.keys.iter().zip(&model.order_by).map(|(key, descending)| {
            let direction = if *descending { " desc" } else { "" };
            format!("{}{direction}", InterpreterExpr::name(&key.name(&model.sets)))
        });
        if !model.order_by.is_empty() {
            writeln!(f, "order_by: \"{}\"", ordered.collect::<Vec<_>>().join(", "))?;
        }
        for (key, date) in [("since", model.since), ("until", model.until)] {
            date.map_or(Ok(()), |date| writeln!(f, "{key}: {}", Value::Date(date).text()))?;
        }
        if let Some((fill, (key, _))) = model.fill.zip(model.time_key()) {
            write!(f, "fill: {{by: {}", model.keys[key].name(&model.sets))?;
            for (key, date) in [("from", fill.from), ("to", fill.to)] {
                date.map_or(Ok(()), |date| write!(f, ", {key}: {}", Value::Date(date).text()))?;
            }
            writeln!(f, "{}}}", if fill.is_each { ", within: each" } else { "" })?;
        }
        if let Some(limit) = model.limit {
            writeln!(f, "limit: {limit}")?;
        }
        write_definitions(f, formulas(&model.definitions))
    }
}
