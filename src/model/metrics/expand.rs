//! Expands a model over metric sets to a spec with `from` and `definitions`.

use std::sync::Arc;

use super::columns::ColumnBuilder;
use super::fill::Fill;
use super::filled_step::{filled_step, read_filled_step};
use super::formulas::MetricFormula;
use super::graph::MetricId;
use super::keys::{ModelKeys, period_rank, relation_name};
use super::non_additive::RowGroup;
use super::request::{ModelOverSets, read_model};
use super::set::{MetricSet, MetricSets, SETTINGS};
use super::spelled::SpelledText;
use super::stages::{StepWriter, aggregates_of, union_step};
use super::step_text::{StepText, node_text};
use crate::compiler::Compiler;
use crate::diag::{Code, Diagnostic};
use crate::keys::{MODEL, OVER_SETS, STEP};
use crate::load::SpecKind;
use crate::span::Span;
use crate::yaml::{self, Node};

/// Spec with the definitions of metric sets written out.
#[derive(Clone, Debug)]
pub struct Expansion {
    pub text: SpelledText,
    /// Metric sets of the text, in the order of their file numbers, which begin with 1.
    pub sets: Vec<Arc<MetricSet>>,
    /// Place in the model's spec for diagnostics about the sets.
    pub span: Span,
    /// Whether the only set stands for a step of the spec itself.
    pub is_own: bool,
    /// Whether the model has a row for every period.
    pub is_filled: bool,
    /// Metrics that the model reads, as `set.metric`, sorted.
    pub metrics: Vec<String>,
    /// Columns that are computed from metrics, each with all these metrics.
    pub metrics_of_columns: Vec<(String, Vec<String>)>,
    /// Definitions as they are written in the sets and in the model, by name.
    pub formulas: Vec<(String, String)>,
    /// Names of the spec's steps that are copied.
    pub other_steps: Vec<String>,
    /// Number of sets with rows that the model reads. Only over one set is the text a spec that a person could write.
    pub sets_read: usize,
}

/// Expands a model over metric sets. Returns `None` and reports faults if that is not possible.
pub fn expand(
    compiler: &Compiler,
    sets: &MetricSets,
    (root, source): (&Node, &str),
    kind: SpecKind,
    faults: &mut Vec<Diagnostic>,
) -> Option<Expansion> {
    let model = match kind {
        SpecKind::Filled => read_filled_step(compiler, root, source, faults)?,
        _ => {
            let mut model = read_model(compiler, sets, root, source, faults)?;
            model.kind = kind;
            model.check_names(faults);
            model.check_settings(faults);
            model
        }
    };
    let listed = model
        .listed
        .iter()
        .map(|listed| ((listed.set, listed.metric), listed.span));
    let mut first: Vec<(MetricId, Span)> = listed.collect();
    // Keys are named after the sets are known, but which metrics the model needs does not depend on their names.
    let named = model.metrics_named(&model.possible_key_names(), faults);
    first.extend(named);
    for (id, span) in &first {
        model.check_deprecated(*id, *span, compiler.specs.current_date.as_deref(), faults);
    }
    let first: Vec<MetricId> = first.into_iter().map(|(id, _)| id).collect();
    let needed = model.needed_metrics(&first, faults);
    if faults.iter().any(Diagnostic::is_error) {
        return None;
    }
    let groups = model.row_groups(&needed);
    let mut used: Vec<usize> = groups.iter().map(|group| group.set).collect();
    used.dedup();
    let is_single = groups.len() == 1 && model.sets.len() == 1;
    let keys = model.resolve_keys(compiler, &used, is_single, faults);
    model.check_key_names(&keys, faults);
    if faults.iter().any(Diagnostic::is_error) {
        return None;
    }
    model.check_bounds(&keys, &used, faults);
    let fill = model.read_fill(&keys, &used, faults);
    let is_single = is_single && fill.is_none();
    let mut builder = ColumnBuilder::new(&model, &keys, groups, is_single, &needed);
    builder.build();
    faults.append(&mut builder.faults);
    if faults.iter().any(Diagnostic::is_error) {
        return None;
    }
    let with_since = !model.filters_since_last(&keys, &builder.columns);
    let bounds = |set: usize| model.period_filters(set, &keys.of_sets[set], keys.time, with_since);
    let steps = match builder.groups.as_slice() {
        [RowGroup { set, rule }] if is_single => {
            let formulas: Vec<&MetricFormula> = needed.iter().map(|id| model.formula(*id)).collect();
            let own = &keys.of_sets[*set];
            let base = model.rows_step(compiler, *set, &formulas, (own, bounds(*set)), Vec::new());
            let name = model.free_step_name(&grouped_name(&[&model.sets[*set].name], &keys));
            let writer = StepWriter::new(&builder);
            match rule {
                None => writer.steps(base, &name),
                Some(rule) => {
                    let [rows, base] = model.with_rule((*set, rule), &formulas, own, base);
                    let mut steps = vec![rows];
                    steps.append(&mut writer.steps(base, &name));
                    steps
                }
            }
        }
        _ => model.steps_over_sets(compiler, &needed, &keys, (&builder, fill.as_ref()), bounds),
    };
    let mut text = SpelledText::default();
    model.write_spec(&steps, &mut text);
    let full_name = |id: &MetricId| format!("{}.{}", model.sets[id.0].name, model.formula(*id).name);
    let mut metrics: Vec<String> = needed.iter().map(full_name).collect();
    metrics.sort_unstable();
    Some(Expansion {
        text,
        sets: model.sets.clone(),
        span: model.span,
        metrics,
        metrics_of_columns: model.metrics_of_columns(&keys.names),
        formulas: model.written_formulas(),
        other_steps: model.other_steps(),
        is_own: kind == SpecKind::Filled,
        is_filled: fill.is_some(),
        sets_read: if is_single { 1 } else { used.len().max(2) },
    })
}

/// Returns the name of a step that groups the rows of sets by keys.
fn grouped_name(sets: &[&str], keys: &ModelKeys) -> String {
    let from = match sets {
        [one] => (*one).to_owned(),
        [one, other] => format!("{one}_and_{other}"),
        [one, ..] => format!("{one}_and_more"),
        [] => "metrics".to_owned(),
    };
    match keys.names.as_slice() {
        [] => format!("{from}_in_total"),
        [key] => format!("{from}_by_{key}"),
        [one, two] => format!("{from}_by_{one}_and_{two}"),
        [one, ..] => format!("{from}_by_{one}_and_more"),
    }
}

impl ModelOverSets<'_> {
    /// Returns the names that the keys may have in formulas.
    fn possible_key_names(&self) -> Vec<String> {
        self.keys
            .iter()
            .map(|key| match self.sets.first().and_then(|set| set.time.as_ref()) {
                Some(time) => crate::plan::key_name(&format!("{}[{}]", time.column, key.text)),
                None => crate::plan::key_name(&key.text),
            })
            .zip(self.keys.iter().map(|key| crate::plan::key_name(&key.text)))
            .flat_map(|(one, other)| [one, other])
            .collect()
    }

    /// Returns the definitions of the model's columns as they are written. A step with `fill` also has its dimensions.
    fn written_formulas(&self) -> Vec<(String, String)> {
        let own = self
            .sets
            .iter()
            .filter(|_| self.kind == SpecKind::Filled)
            .flat_map(|set| &set.definitions);
        let own = own.map(|formula| (formula.name.clone(), formula.text.clone()));
        let listed = self.listed.iter().filter(|_| self.kind != SpecKind::Filled);
        let listed = listed.map(|listed| {
            (
                listed.name.clone(),
                self.formula((listed.set, listed.metric)).text.clone(),
            )
        });
        let defined = self
            .definitions
            .iter()
            .map(|formula| (formula.name.clone(), formula.text.clone()));
        own.chain(listed).chain(defined).collect()
    }

    fn other_steps(&self) -> Vec<String> {
        let steps = self.root.get("steps").and_then(Node::items).unwrap_or_default().iter();
        let others = steps.filter(|step| !std::ptr::eq(*step, self.step));
        others
            .filter_map(|step| step.get("name")?.text())
            .map(str::to_owned)
            .collect()
    }

    /// Returns each column that is computed from metrics, with all these metrics.
    fn metrics_of_columns(&self, keys: &[String]) -> Vec<(String, Vec<String>)> {
        let names = |first: &[MetricId]| {
            let all = self.needed_metrics(first, &mut Vec::new());
            all.iter()
                .map(|id| format!("{}.{}", self.sets[id.0].name, self.formula(*id).name))
                .collect()
        };
        let listed = self
            .listed
            .iter()
            .map(|listed| (listed.name.clone(), names(&[(listed.set, listed.metric)])));
        let defined = (0..self.definitions.len()).map(|place| {
            let first = self.metrics_of_definition(place, keys);
            (self.definitions[place].name.clone(), names(&first))
        });
        listed.chain(defined).collect()
    }

    /// Reports definitions with the name of a metric, and columns with the same name.
    fn check_names(&self, faults: &mut Vec<Diagnostic>) {
        let metric = |name: &str| {
            let listed = self.listed.iter().any(|listed| listed.name.eq_ignore_ascii_case(name));
            let named = self.sets.iter().take(self.named);
            listed
                || named
                    .flat_map(|set| set.metrics())
                    .any(|metric| metric.name.eq_ignore_ascii_case(name))
        };
        for definition in &self.definitions {
            let name = &definition.name;
            if metric(name) && !self.is_overridden(name) {
                faults.push(
                    Diagnostic::new(
                        Code::MetricRedefined,
                        definition.span,
                        format!("`{name}` is a metric of the model's sets, and the model defines it again"),
                    )
                    .with_help(format!(
                        "use another name, or add `overrides: [{name}]` to replace the metric"
                    )),
                );
            }
            if definition.level < crate::Level::Window && !definition.aggregates.is_empty() {
                let call = &definition.aggregates[0];
                faults.push(
                    Diagnostic::new(
                        Code::AggregateOverSets,
                        definition.file_span(&call.range),
                        "a model over metric sets computes with metrics and does not aggregate rows itself",
                    )
                    .with_help(format!(
                        "define the aggregate as a metric of the set `{}`, and use the metric here",
                        self.sets[0].name
                    )),
                );
            }
        }
        for (name, span) in &self.overrides {
            if !metric(name) {
                faults.push(
                    Diagnostic::new(
                        Code::UnknownMetric,
                        *span,
                        format!("`overrides` names `{name}`, which is not a metric of the model's sets"),
                    )
                    .with_help("remove the name, or correct it"),
                );
            }
        }
        for (place, listed) in self.listed.iter().enumerate() {
            let same = |other: &&super::request::ListedMetric| other.name.eq_ignore_ascii_case(&listed.name);
            if self.listed.iter().take(place).any(|other| same(&other)) {
                let message = format!("two columns of the model are named `{}`", listed.name);
                let set = &self.sets[listed.set];
                let full = format!("{}.{}", set.name, set.definitions[listed.metric].name);
                faults.push(
                    Diagnostic::new(Code::MetricRedefined, listed.span, message)
                        .with_help(format!("rename one of them: `{{other_name: {full}}}`")),
                );
            }
        }
    }

    /// Reports metrics and definitions with the name of a key.
    fn check_key_names(&self, keys: &ModelKeys, faults: &mut Vec<Diagnostic>) {
        let listed = self.listed.iter().map(|listed| (&listed.name, listed.span));
        for (name, span) in listed.chain(
            self.definitions
                .iter()
                .map(|definition| (&definition.name, definition.span)),
        ) {
            if keys.names.iter().any(|key| key.eq_ignore_ascii_case(name)) {
                let message = format!("`{name}` is the name of a key and of another column of the model");
                faults.push(
                    Diagnostic::new(Code::MetricRedefined, span, message).with_help("give the column another name"),
                );
            }
        }
    }

    /// Reports settings that differ between the sets and the model.
    fn check_settings(&self, faults: &mut Vec<Diagnostic>) {
        for key in SETTINGS {
            let mut first: Option<(&str, &str)> = None;
            for set in &self.sets {
                let Some(value) = set.setting(key) else { continue };
                match first {
                    Some((other, of)) if !of.eq_ignore_ascii_case(value) => faults.push(
                        Diagnostic::new(
                            Code::SettingsDiffer,
                            self.span,
                            format!(
                                "`{key}` is `{of}` in the set `{other}`, but `{value}` in the set `{}`",
                                set.name
                            ),
                        )
                        .with_help("use one value in both sets"),
                    ),
                    Some(_) => {}
                    None => first = Some((&set.name, value)),
                }
            }
            let own = self.root.get(key).and_then(|node| Some((node.span, node.text()?)));
            if let (Some((set, of)), Some((span, value))) = (first, own)
                && !of.eq_ignore_ascii_case(value)
            {
                let message = format!("`{key}` is `{of}` in the set `{set}`, which holds wherever the set is used");
                faults.push(
                    Diagnostic::new(Code::SettingsDiffer, span, message)
                        .with_help(format!("remove `{key}` here, or change it in the set `{set}`")),
                );
            }
        }
    }

    /// Returns a step name that is not the name of a relation or of another step.
    pub fn free_step_name(&self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let relations = self.sets.iter().flat_map(|set| {
            let joins = set.root.get("joins").and_then(Node::items).unwrap_or_default().iter();
            let joins = joins.flat_map(|join| [join.get("to"), join.get("as")]).flatten();
            set.root
                .get("from")
                .into_iter()
                .chain(joins)
                .filter_map(Node::text)
                .map(relation_name)
        });
        let steps = self.root.get("steps").and_then(Node::items).unwrap_or_default().iter();
        let steps = steps
            .filter_map(|step| step.get("name").and_then(Node::text))
            .map(str::to_owned);
        let taken: Vec<String> = relations.chain(steps).collect();
        while taken.iter().any(|taken| taken.eq_ignore_ascii_case(&name)) {
            name.push_str("_metrics");
        }
        name
    }

    /// Returns the steps of a model over several sets: one for each set, and those that put them together.
    fn steps_over_sets(
        &self,
        compiler: &Compiler,
        needed: &[MetricId],
        keys: &ModelKeys,
        (builder, fill): (&ColumnBuilder<'_>, Option<&Fill>),
        bounds: impl Fn(usize) -> Vec<SpelledText>,
    ) -> Vec<StepText> {
        let mut steps = Vec::new();
        let mut names = Vec::new();
        for (place, RowGroup { set, rule }) in builder.groups.iter().enumerate() {
            let own = &keys.of_sets[*set];
            let read = needed.iter().filter(|id| self.row_group(**id) == builder.groups[place]);
            let formulas: Vec<&MetricFormula> = read.map(|id| self.formula(*id)).collect();
            let aggregates = aggregates_of(&builder.columns, place);
            let mut step = self.rows_step(compiler, *set, &formulas, (own, bounds(*set)), aggregates);
            let mut name = self.free_step_name(&grouped_name(&[&self.sets[*set].name], keys));
            if let Some(rule) = rule {
                name = format!("{}_{name}", if rule.takes_last { "last" } else { "first" });
            }
            while names.contains(&name) {
                name.push_str("_rows");
            }
            step.name.clone_from(&name);
            names.push(name);
            match rule {
                None => steps.push(step),
                Some(rule) => steps.extend(self.with_rule((*set, rule), &formulas, own, step)),
            }
        }
        let mut together: Vec<&str> = builder
            .groups
            .iter()
            .map(|group| self.sets[group.set].name.as_str())
            .collect();
        together.dedup();
        let name = self.free_step_name(&grouped_name(&together, keys));
        let name = match (names.contains(&name), fill) {
            (_, Some(_)) => format!("{name}_filled"),
            (true, None) => format!("{name}_combined"),
            (false, None) => name,
        };
        if let Some(fill) = fill {
            let mut periods = self.period_steps(fill, keys, &names);
            names.extend(periods.last().map(|step| step.name.clone()));
            steps.append(&mut periods);
        }
        let base = union_step(self, keys, &names);
        steps.extend(StepWriter::new(builder).steps(base, &name));
        steps
    }

    /// Writes the expanded spec: the keys of the model, and the steps.
    fn write_spec(&self, steps: &[StepText], out: &mut SpelledText) {
        self.copy_model_keys(out);
        if self.kind != SpecKind::Filled {
            self.write_settings(out);
            self.write_columns(out);
        }
        let place = filled_step(self.root)
            .filter(|_| self.kind == SpecKind::Filled)
            .map_or(0, |(place, _)| place);
        let all = self.root.get("steps").and_then(Node::items);
        let before = all.and_then(|items| items.get(..place)).unwrap_or_default();
        let rest = all.map(|items| items.get(place + 1..).unwrap_or_default());
        match (steps, rest) {
            ([step], None) => {
                step.write(out, 0, false, self.span);
                out.write("\n", 0, self.span);
            }
            _ => {
                // The relation of the first step stays at the top, where a spec has it.
                let mut steps = steps.to_vec();
                let is_union = steps.iter().any(|step| !step.union.is_empty());
                let from = steps
                    .first_mut()
                    .filter(|_| !is_union)
                    .and_then(|step| step.from.take());
                if let Some(from) = from {
                    out.write("from: ", 0, self.span);
                    out.write(&from.text, from.file, from.span);
                    out.write("\n", 0, self.span);
                }
                let name = self.step.get("name").and_then(Node::text).filter(|_| rest.is_some());
                let last = steps.len() - 1;
                out.write("steps:", 0, self.span);
                for item in before {
                    out.write("\n  - ", 0, self.span);
                    self.copy_item(item, out);
                }
                for (place, step) in steps.iter_mut().enumerate() {
                    if let (true, Some(name)) = (place == last, name) {
                        name.clone_into(&mut step.name);
                    }
                    if step.name.is_empty() {
                        step.name = self.free_step_name("result");
                    }
                    out.write("\n  - ", 0, self.span);
                    step.write(out, 4, true, self.span);
                }
                for item in rest.unwrap_or_default() {
                    out.write("\n  - ", 0, self.span);
                    self.copy_item(item, out);
                }
                out.write("\n", 0, self.span);
            }
        }
    }

    /// Copies a later step with its layout. The lines after the first are moved to the indentation of the generated steps.
    fn copy_item(&self, item: &Node, out: &mut SpelledText) {
        let text = item.span.text(self.source).trim_end();
        let line = self.source.get(..item.span.start as usize).unwrap_or_default();
        let column = line.len() - line.rfind('\n').map_or(0, |at| at + 1);
        for (place, line) in text.split_inclusive('\n').enumerate() {
            let cut = if place == 0 {
                0
            } else {
                (line.len() - line.trim_start_matches(' ').len()).min(column)
            };
            let kept = line.get(cut..).unwrap_or_default();
            let start = kept.as_ptr() as usize - self.source.as_ptr() as usize;
            if place > 0 {
                out.write("    ", 0, self.span);
            }
            let offsets: Vec<u32> = (start..start + kept.len()).map(|at| at as u32).collect();
            out.copy(kept, &offsets, 0, 0);
        }
    }

    /// Copies the keys of the model that are not about its sets.
    fn copy_model_keys(&self, out: &mut SpelledText) {
        let at_top = std::ptr::eq(self.step, self.root);
        for (key, value) in self.root.pairs().unwrap_or_default() {
            let Some(name) = key.text() else { continue };
            let is_own = self.kind == SpecKind::Filled;
            let is_input = name == "from" && !(is_own && filled_step(self.root).is_some_and(|(place, _)| place > 0));
            let is_written = name == "columns" && !is_own;
            let is_model = MODEL.get(name).is_some() && name != "steps" && !is_input && !is_written;
            let is_step = at_top && (OVER_SETS.get(name).is_some() || STEP.get(name).is_some());
            if !is_model || is_step && !matches!(name, "description" | "columns" | "from") {
                continue;
            }
            let whole = Span::new(key.span.start, value.span.end.max(key.span.end));
            let text = whole.text(self.source).trim_end();
            let offsets: Vec<u32> = (whole.start..whole.start + text.len() as u32).collect();
            out.copy(text, &offsets, 0, 0);
            if value.is_null() && !text.ends_with(':') && value.span.is_empty() && !text.contains(':') {
                out.write(":", 0, key.span);
            }
            out.write("\n", 0, value.span);
        }
    }

    /// Writes the settings of the sets that the model does not have.
    fn write_settings(&self, out: &mut SpelledText) {
        for key in SETTINGS {
            let value = self
                .sets
                .iter()
                .find_map(|set| set.setting(key))
                .filter(|_| self.root.get(key).is_none());
            if let Some(value) = value {
                out.write(&format!("{key}: {}\n", yaml::flow_text(value)), 0, self.span);
            }
        }
    }

    /// Writes the properties of columns: those of the model, and those that the sets give their metrics.
    fn write_columns(&self, out: &mut SpelledText) {
        let own = self.root.get("columns").filter(|node| node.pairs().is_some());
        let written = |name: &str| own.and_then(|own| own.get(name));
        let mut lines: Vec<(String, Span)> = Vec::new();
        for (name, value) in own.and_then(Node::pairs).unwrap_or_default() {
            let Some(name_text) = name.text() else { continue };
            let listed = self
                .listed
                .iter()
                .find(|listed| listed.name.eq_ignore_ascii_case(name_text));
            let inherited = listed.map_or_else(Vec::new, |listed| self.metric_properties(listed, Some(value)));
            let mut pairs: Vec<String> = value
                .pairs()
                .unwrap_or_default()
                .iter()
                .map(|(key, value)| format!("{}: {}", node_text(key), node_text(value)))
                .collect();
            pairs.extend(inherited);
            lines.push((format!("  {}: {{{}}}\n", node_text(name), pairs.join(", ")), value.span));
        }
        for listed in &self.listed {
            let pairs = self.metric_properties(listed, None);
            if written(&listed.name).is_none() && !pairs.is_empty() {
                lines.push((
                    format!("  {}: {{{}}}\n", yaml::flow_text(&listed.name), pairs.join(", ")),
                    self.span,
                ));
            }
        }
        if !lines.is_empty() {
            out.write("columns:\n", 0, own.map_or(self.span, |own| own.span));
            for (line, span) in lines {
                out.write(&line, 0, span);
            }
        }
    }

    /// Returns the properties that a set gives a metric, as `key: value`. Properties in `own` take precedence.
    fn metric_properties(&self, listed: &super::request::ListedMetric, own: Option<&Node>) -> Vec<String> {
        let set = &self.sets[listed.set];
        let Some(properties) = set.properties(&set.definitions[listed.metric].name) else {
            return Vec::new();
        };
        let is_free = |key: &str| own.is_none_or(|own| own.get(key).is_none());
        let mut pairs = Vec::new();
        for key in ["description", "data_type", "constraints", "data_tests", "tests", "tags"] {
            let value = properties.get(key).filter(|_| is_free(key));
            pairs.extend(value.map(|value| format!("{key}: {}", node_text(value))));
        }
        let parts = |whole: &str, single: &[&str]| {
            let mapped = properties.get(whole).and_then(Node::pairs).unwrap_or_default().iter();
            let mapped = mapped.map(|(key, value)| format!("{}: {}", node_text(key), node_text(value)));
            let single = single
                .iter()
                .filter_map(|key| Some(format!("{key}: {}", node_text(properties.get(key)?))));
            mapped.chain(single).collect::<Vec<String>>()
        };
        for (whole, single) in [("meta", &["owner"][..]), ("omni", &["format", "label"][..])] {
            let parts = parts(whole, single);
            if !parts.is_empty() && is_free(whole) {
                pairs.push(format!("{whole}: {{{}}}", parts.join(", ")));
            }
        }
        pairs
    }
}

/// Returns the shortest period that all sets with rows have, of those over which a set is defined. `None` if one of
/// them has no time.
fn probe_period(set: &MetricSet, sets: &MetricSets) -> Option<String> {
    let mut all = vec![set];
    let mut next = 0;
    while let Some(set) = all.get(next).copied() {
        for name in &set.sets {
            let used = &**sets.get(name)?;
            if !all.iter().any(|known| known.name.eq_ignore_ascii_case(&used.name)) {
                all.push(used);
            }
        }
        next += 1;
    }
    let mut periods = Vec::new();
    for set in all.iter().filter(|set| set.sets.is_empty()) {
        periods.push(set.time.as_ref()?.grain.as_deref().unwrap_or("day"));
    }
    periods
        .into_iter()
        .max_by_key(|period| period_rank(period))
        .map(str::to_owned)
}

/// Returns the text of a model that uses all metrics and dimensions of a set, to check the set.
pub fn probe_text(set: &MetricSet, sets: &MetricSets) -> String {
    let quoted = |name: &str| yaml::flow_text(name);
    let mut keys: Vec<String> = probe_period(set, sets).into_iter().collect();
    let dimensions = set.definitions.iter().filter(|formula| !set.is_metric(formula));
    keys.extend(dimensions.map(|formula| quoted(&formula.name)));
    format!(
        "model: {}_metrics\nmetrics: [{}.*]\ngroup_by: [{}]\n",
        set.name,
        set.name,
        keys.join(", ")
    )
}
