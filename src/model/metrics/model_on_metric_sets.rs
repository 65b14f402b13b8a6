//! Keys of a model built on metric sets, read from its spec.

use std::sync::Arc;

use formulac_syntax::diag::lists::{join_words, join_words_up_to, quote_names};
use rustc_hash::FxHashSet;

use super::formulas::{MetricFormula, analyze};
use super::metric_set::{MetricSet, MetricSets};
use crate::arena::Arena;
use crate::check::DefinitionRole;
use crate::compiler::Compiler;
use crate::diag::{Code, Diagnostic, suggest};
use crate::keys::{METRIC_SET_STEP, MODEL, STEP};
use crate::load::{SpannedText, SpecKind, SpecLoader, Step, properties_file_key};
use crate::span::Span;
use crate::yaml::Node;

/// Metric in the list `metrics`, or dimension in `group_by`.
#[derive(Clone, Debug)]
pub struct ListedMetric {
    /// Index of the metric set in [`ModelOnMetricSets::sets`].
    pub set: usize,
    /// Index of the definition in the metric set.
    pub metric: usize,
    /// Name of the column.
    pub name: String,
    pub span: Span,
}

/// Entry of `group_by`.
#[derive(Clone, Debug)]
pub struct ModelKey {
    /// Text of the entry, or name of a mapped key.
    pub text: String,
    /// Key of each metric set, by the set's name. Empty if the entry is not a mapping.
    pub mapping: Vec<MetricSetKeyColumn>,
    /// Period such as `month`, if the key is this period of every metric set's `time`, in any spelling.
    pub period_of_time: Option<String>,
    pub span: Span,
}

/// Column of one metric set in a mapped key.
#[derive(Clone, Debug)]
pub struct MetricSetKeyColumn {
    pub set: String,
    pub set_span: Span,
    pub column: String,
    pub span: Span,
}

impl ModelKey {
    /// Returns the column of a metric set, if the key is a mapping that names the set.
    pub fn key_column_of_set(&self, set: &MetricSet) -> Option<&MetricSetKeyColumn> {
        let mut parts = self.mapping.iter();
        parts.find(|part| part.set.eq_ignore_ascii_case(&set.name))
    }
}

/// Model built on metric sets.
pub struct ModelOnMetricSets<'y> {
    pub root: &'y Node,
    /// Node of the first step, which is the root if the spec has no `steps`.
    pub step: &'y Node,
    pub source: &'y str,
    /// Metric sets to which the model refers, and the metric sets on which those are built.
    pub sets: Arena<Arc<MetricSet>>,
    /// Number of metric sets to which the model refers.
    pub set_count: usize,
    pub listed_metrics: Arena<ListedMetric>,
    pub keys: Arena<ModelKey>,
    pub overrides: Vec<(String, Span)>,
    pub definitions: Arena<MetricFormula>,
    pub having: Option<MetricFormula>,
    /// Filters, each with the name of the metric set to which it applies. The name is `None` if the filter applies to
    /// all metric sets.
    pub filters: Vec<(Option<String>, MetricFormula)>,
    pub order_by: Option<Vec<MetricFormula>>,
    pub partition_by: Option<Vec<MetricFormula>>,
    pub span: Span,
    pub kind: SpecKind,
    /// Names of the spec's steps and of the steps generated so far, in lower case.
    pub taken_names: FxHashSet<String>,
}

/// Returns the first step of a spec if the step reads metric sets. Also returns the step in two cases that are errors:
/// the key `metrics` is misspelled, or appears next to `steps`.
pub fn find_step_over_metric_sets(root: &Node) -> Option<&Node> {
    let first = root.get("steps").and_then(|steps| steps.items()?.first());
    let step = first.unwrap_or(root);
    let has_metrics = step.get("metrics").is_some() || root.get("metrics").is_some();
    let is_misspelled = || {
        let mut keys = step
            .pairs()
            .unwrap_or_default()
            .iter()
            .filter_map(|(key, _)| key.text());
        let is_known = |key: &str| MODEL.get(key).or(STEP.get(key)).is_some();
        let similar = |key: &str| suggest::nearest_name(key, ["metrics"]).is_some();
        root.get("from").is_none() && keys.any(|key| !is_known(key) && similar(key))
    };
    (properties_file_key(root).is_none() && (has_metrics || is_misspelled())).then_some(step)
}

/// Reads a model built on metric sets, and reports errors. Returns `None` if the metric sets cannot be determined.
pub fn read_model<'y>(
    compiler: &Compiler,
    sets: &MetricSets,
    (root, source): (&'y Node, &'y str),
    kind: SpecKind,
    faults: &mut Vec<Diagnostic>,
) -> Option<ModelOnMetricSets<'y>> {
    let step_node = find_step_over_metric_sets(root)?;
    let mut loader = SpecLoader::new(source, faults);
    let at_top = std::ptr::eq(step_node, root);
    match at_top {
        true => loader.check_keys(root, &[&METRIC_SET_STEP, &MODEL, &STEP]),
        // The keys of the step are checked when the step is read.
        false => {
            loader.report_step_key_next_to_steps(root);
            loader.check_keys(root, &[&METRIC_SET_STEP, &MODEL, &STEP]);
        }
    }
    loader.kind = SpecKind::OverSets;
    report_input_keys(&mut loader, root, step_node);
    // Read the step without `group_by`, because its formulas read metrics, which already have one value per row. The
    // keys in `group_by` are resolved in the metric sets. The names of the step's keys have already been checked.
    let step = Step {
        group_by: Vec::new(),
        ..loader.read_step(step_node, true)
    };
    let keys = read_group_by(&loader, step_node);
    let overrides = loader.list(step_node, "overrides").unwrap_or_default();
    let overrides = overrides
        .iter()
        .map(|name| (name.text.to_owned(), name.span(source)))
        .collect();
    let entries = metric_entries(&loader, step_node);
    report_misplaced_metrics(&mut loader, root, step_node);
    let (definitions, mut diagnostics) = analyze(compiler, &step, source);
    diagnostics.retain(|fault| fault.is_error() && fault.is_syntax());
    let broken = !diagnostics.is_empty();
    faults.append(&mut diagnostics);
    let mut model = ModelOnMetricSets {
        root,
        step: step_node,
        source,
        sets: Arena::new(),
        set_count: 0,
        listed_metrics: Arena::new(),
        keys: keys.into(),
        overrides,
        definitions: Arena::new(),
        having: None,
        filters: Vec::new(),
        order_by: step_node.get("order_by").map(|_| Vec::new()),
        partition_by: step_node.get("partition_by").map(|_| Vec::new()),
        span: step_node.get("metrics").map_or(root.span, |node| node.span),
        kind,
        taken_names: FxHashSet::default(),
    };
    model.add_formulas(definitions);
    model.add_filters_of_sets(compiler);
    for entry in entries {
        model.add_listed_metric(sets, &entry, faults);
    }
    model.set_count = model.sets.len();
    model.add_combined_sets(sets, faults);
    model.find_periods_of_time(compiler);
    // If YAML cut a formula at a comma, the rest of the formula is not the name of a metric set, so skip this check.
    if !faults.iter().any(|fault| fault.kind() == Code::FormulaCut) {
        model.check_set_names(step_node, faults);
        if faults.iter().any(Diagnostic::is_error) {
            model.report_unknown_keys(compiler, faults);
        }
    }
    (!broken && !model.sets.is_empty() && !faults.iter().any(Diagnostic::is_error)).then_some(model)
}

/// Reports an empty list of metrics, and metrics in later steps.
fn report_misplaced_metrics(loader: &mut SpecLoader<'_, '_>, root: &Node, step_node: &Node) {
    let rest = root
        .get("steps")
        .and_then(Node::items)
        .and_then(|steps| steps.get(1..))
        .unwrap_or_default();
    for node in rest.iter().filter_map(|step| step.get("metrics")) {
        loader.report(
            Diagnostic::new(
                Code::UnknownKey,
                node.span,
                "only the first step of a model can read metric sets",
            )
            .with_help("specify the metrics in the first step; a later step reads the columns of the previous step"),
        );
    }
    let is_empty = |node: &&Node| node.is_null() || node.items().is_some_and(<[Node]>::is_empty);
    if let Some(node) = step_node.get("metrics").filter(is_empty) {
        loader.report(
            Diagnostic::new(Code::NothingToSelect, node.span, "the list of metrics is empty").with_help(
                "specify metrics, such as `metrics: [orders.revenue]`, or `orders.*` for all metrics in the set",
            ),
        );
    }
}

/// Reports keys that specify the input of the step, because its metric sets already specify the input.
fn report_input_keys(loader: &mut SpecLoader<'_, '_>, root: &Node, step_node: &Node) {
    // A mapping contains formulas, which belong below `definitions`, and these formulas need the input.
    if step_node
        .get("metrics")
        .is_some_and(|metrics| metrics.pairs().is_some())
    {
        return;
    }
    for key in ["from", "joins", "keep", "columns"] {
        let Some(value) = step_node.get(key).or_else(|| root.get(key).filter(|_| key == "from")) else {
            continue;
        };
        if key == "columns" && value.pairs().is_some() {
            continue;
        }
        let message = format!("a step with `metrics` cannot have `{key}`, because it reads only its metric sets");
        let help = match key {
            "from" | "joins" => format!("remove `{key}`, or write it in the metric set"),
            _ => format!("remove `{key}`; the columns are the keys, `metrics` and `definitions`"),
        };
        loader.report(Diagnostic::new(Code::UnknownKey, value.span, message).with_help(help));
    }
}

/// Entry of `metrics`: an optional new name, and the metric.
type MetricEntry = (Option<String>, String, Span);

fn metric_entries(loader: &SpecLoader<'_, '_>, step: &Node) -> Vec<MetricEntry> {
    let mut entries: Vec<MetricEntry> = Vec::new();
    let Some(node) = step.get("metrics") else {
        return entries;
    };
    match node.items() {
        Some(items) => {
            for item in items {
                match item.pairs() {
                    Some(pairs) => entries.extend(pairs.iter().filter_map(|(name, metric)| {
                        Some((Some(name.text()?.to_owned()), metric.text()?.to_owned(), metric.span))
                    })),
                    None => entries.extend(item.text().map(|text| (None, text.to_owned(), item.span))),
                }
            }
        }
        None => {
            let names = loader.list(step, "metrics").unwrap_or_default();
            entries.extend(
                names
                    .iter()
                    .map(|name| (None, name.text.to_owned(), name.span(loader.source))),
            );
        }
    }
    entries
}

/// Returns the metrics that a step lists, each with its column name if the step renames it.
pub fn listed_metrics(step: &Node, source: &str) -> Vec<(Option<String>, String)> {
    let mut faults = Vec::new();
    let entries = metric_entries(&SpecLoader::new(source, &mut faults), step);
    entries.into_iter().map(|(name, metric, _)| (name, metric)).collect()
}

pub fn read_group_by(loader: &SpecLoader<'_, '_>, step: &Node) -> Vec<ModelKey> {
    let Some(node) = step.get("group_by") else {
        return Vec::new();
    };
    let plain = |text: &SpannedText<'_>| ModelKey {
        text: text.text.to_owned(),
        mapping: Vec::new(),
        period_of_time: None,
        span: text.span(loader.source),
    };
    let Some(items) = node.items() else {
        return loader
            .list(step, "group_by")
            .unwrap_or_default()
            .iter()
            .map(plain)
            .collect();
    };
    let mut keys = Vec::new();
    for item in items {
        if let Some(text) = item.text() {
            keys.push(plain(&SpannedText { text, node: item }));
        }
        for (name, mapping) in item.pairs().unwrap_or_default() {
            let parts = mapping.pairs().unwrap_or_default().iter();
            let parts = parts.filter_map(|(set, column)| {
                Some(MetricSetKeyColumn {
                    set: set.text()?.to_owned(),
                    set_span: set.span,
                    column: column.text()?.to_owned(),
                    span: column.span,
                })
            });
            keys.push(ModelKey {
                text: name.text().unwrap_or_default().to_owned(),
                mapping: parts.collect(),
                period_of_time: None,
                span: name.span,
            });
        }
    }
    keys
}

impl ModelOnMetricSets<'_> {
    /// Stores the formulas of the step in the model's fields, depending on their roles.
    fn add_formulas(&mut self, formulas: Vec<MetricFormula>) {
        for formula in formulas {
            match formula.role {
                DefinitionRole::Definitions => self.definitions.push(formula),
                DefinitionRole::Having => self.having = Some(formula),
                DefinitionRole::Where => self.filters.push((None, formula)),
                DefinitionRole::OrderBy => self.order_by.get_or_insert_default().push(formula),
                DefinitionRole::PartitionBy => self.partition_by.get_or_insert_default().push(formula),
                _ => {}
            }
        }
    }

    /// Reports wrong keys in a model that has other errors. Mapped keys are skipped, because their metric sets may be
    /// unknown.
    fn report_unknown_keys(&self, compiler: &Compiler, faults: &mut Vec<Diagnostic>) {
        let sets: Vec<usize> = self.sets_with_rows().filter(|set| *set < self.set_count).collect();
        let plain_keys = self.keys.iter().filter(|key| key.mapping.is_empty());
        faults.extend(plain_keys.filter_map(|key| self.unknown_key_error(compiler, key, &sets)));
    }

    /// Adds the filters that apply to one metric set each.
    fn add_filters_of_sets(&mut self, compiler: &Compiler) {
        for (set, value) in self.step.pairs_at("where") {
            if let (Some(set), Some(text)) = (set.text(), value.text()) {
                let filter = Step {
                    filter: Some(SpannedText { text, node: value }),
                    ..Step::default()
                };
                let (formulas, _) = analyze(compiler, &filter, self.source);
                let formulas = formulas.into_iter();
                self.filters
                    .extend(formulas.map(|formula| (Some(set.to_owned()), formula)));
            }
        }
    }

    /// Returns the index of a metric set, and adds the metric set if it is new.
    fn add_metric_set(&mut self, set: &Arc<MetricSet>) -> usize {
        let is_same_set = |metric_set: &Arc<MetricSet>| metric_set.name.eq_ignore_ascii_case(&set.name);
        self.sets.iter().position(is_same_set).unwrap_or_else(|| {
            self.sets.push(Arc::clone(set));
            self.sets.len() - 1
        })
    }

    /// Adds to the model the metrics that an entry of `metrics` names, or reports an invalid entry.
    fn add_listed_metric(&mut self, sets: &MetricSets, entry: &MetricEntry, faults: &mut Vec<Diagnostic>) {
        let (renamed, text, span) = entry;
        let Some((set_name, metric)) = text.split_once('.') else {
            let owner = sets.all().find(|set| set.position(text).is_some());
            let (message, help) = match (sets.get(text), owner) {
                (Some(set), _) => {
                    let metric = set
                        .metrics()
                        .next()
                        .map(|metric| format!(", or a metric, such as `{text}.{}`", metric.name));
                    let help = format!("write `{text}.*` for all of its metrics{}", metric.unwrap_or_default());
                    (format!("`{text}` is a metric set, not a metric"), help)
                }
                (None, Some(set)) => (
                    format!("`{text}` must be qualified with the name of its metric set"),
                    format!("write `{}.{text}`", set.name),
                ),
                (None, None) => (
                    format!("`{text}` must be qualified with the name of a metric set"),
                    "write the set and the metric, such as `orders.revenue`".to_owned(),
                ),
            };
            faults.push(Diagnostic::new(Code::UnknownMetric, *span, message).with_help(help));
            return;
        };
        let (set_name, metric) = (set_name.trim(), metric.trim());
        let Some(set) = sets.get(set_name) else {
            faults.push(unknown_set_error(set_name, *span, sets, None));
            return;
        };
        let index = self.add_metric_set(set);
        if metric == "*" {
            for (metric, formula) in set.definitions.iter().enumerate() {
                // These errors are reported when the metric set itself is checked.
                if formula.is_broken && self.kind != SpecKind::WholeSet {
                    faults.push(invalid_metric_error(set, formula, *span));
                } else if set.is_metric(formula) {
                    self.listed_metrics.push(ListedMetric {
                        set: index,
                        metric,
                        name: formula.name.clone(),
                        span: *span,
                    });
                }
            }
            return;
        }
        let former = set.current_name(metric);
        let present = former.unwrap_or(metric);
        if former.is_some() {
            let help = match renamed {
                Some(_) => format!("write `{set_name}.{present}`"),
                None => {
                    let [column, current] =
                        [metric, &format!("{set_name}.{present}")].map(crate::yaml::format_flow_scalar);
                    format!("write `{set_name}.{present}`, or `{{{column}: {current}}}` to keep the name of the column")
                }
            };
            faults.push(set.renamed_metric_warning(metric, present, *span).with_help(help));
        }
        let metric_formula = set
            .position(present)
            .map(|definition_index| &set.definitions[definition_index]);
        if let Some(formula) = metric_formula.filter(|formula| formula.is_broken) {
            faults.push(invalid_metric_error(set, formula, *span));
            return;
        }
        let Some(found) = set
            .position(present)
            .filter(|definition_index| set.is_metric(&set.definitions[*definition_index]))
        else {
            faults.push(unknown_metric_error(set, metric, *span));
            return;
        };
        let name = renamed.clone().unwrap_or_else(|| match former {
            Some(_) => metric.to_owned(),
            None => set.definitions[found].name.clone(),
        });
        self.listed_metrics.push(ListedMetric {
            set: index,
            metric: found,
            name,
            span: *span,
        });
    }

    /// Converts an error in a metric set to an error in the model.
    pub fn to_model_error(&self, set: &MetricSet, fault: Diagnostic) -> Diagnostic {
        let in_set = fault.span();
        let fault = fault.map_spans(|_| self.span).without_fix();
        let context = format!("in the metric set `{}`", set.name);
        fault.with_context(&context).with_cause(set.path.as_deref(), in_set)
    }

    /// Adds to the model the metric sets on which its metric sets are built. Reports errors in the keys of all these
    /// metric sets, because an invalid key could affect which rows a metric reads.
    fn add_combined_sets(&mut self, sets: &MetricSets, faults: &mut Vec<Diagnostic>) {
        let mut next = 0;
        while let Some(set) = self.sets.try_get(next).cloned() {
            // The errors in the metric set itself have already been reported.
            let is_checked = self.kind == SpecKind::WholeSet && next == 0;
            let set_faults = set.faults.iter().filter(|_| !is_checked).cloned();
            faults.extend(set_faults.map(|fault| self.to_model_error(&set, fault)));
            for name in &set.sets {
                match sets.get(name) {
                    Some(base_set) => {
                        self.add_metric_set(base_set);
                    }
                    None => faults.push(unknown_set_error(name, self.span, sets, Some(&set))),
                }
            }
            next += 1;
        }
    }

    /// Reports metric sets that `where` or a mapped key names but that the model does not read.
    fn check_set_names(&self, step: &Node, faults: &mut Vec<Diagnostic>) {
        let filters = step.pairs_at("where");
        let filters = filters.iter().filter_map(|(set, _)| Some((set.text()?, set.span)));
        let keys = self
            .keys
            .iter()
            .flat_map(|key| key.mapping.iter().map(|part| (part.set.as_str(), part.set_span)));
        for (name, span) in filters.chain(keys) {
            let metric_set = self.index_of_metric_set(name).map(|set| &self.sets[set]);
            if metric_set.is_some_and(|set| !set.sets.is_empty()) {
                let message = format!("the metric set `{name}` combines other sets, so it has no rows");
                let with_rows = self.sets.iter().filter(|set| set.sets.is_empty());
                let with_rows: Vec<&str> = with_rows.map(|set| set.name.as_str()).collect();
                let help = format!("use a set that has rows: {}", with_rows.join(", "));
                faults.push(Diagnostic::new(Code::MetricKey, span, message).with_help(help));
            }
            // If the model reads no metric set, the error about the missing metric set is sufficient.
            if metric_set.is_none() && !self.sets.is_empty() {
                let names = quote_names(self.sets.iter().map(|set| &set.name));
                faults.push(
                    Diagnostic::new(
                        Code::UnknownMetric,
                        span,
                        format!("the model does not read a metric set `{name}`"),
                    )
                    .with_help(format!(
                        "the metric sets of the model are {}",
                        join_words(&names, "and")
                    )),
                );
            }
        }
    }

    /// Returns the file number of a metric set in a [`SourceMappedText`](super::text_with_origins::SourceMappedText). A
    /// step that is treated like a metric set is in the spec, which is file 0.
    pub fn file_number_of_set(&self, set: usize) -> u16 {
        match self.kind {
            SpecKind::Periods => 0,
            _ => set as u16 + 1,
        }
    }

    /// Returns the index of a metric set to which the model refers, directly or through other metric sets.
    pub fn index_of_metric_set(&self, name: &str) -> Option<usize> {
        self.sets.iter().position(|set| set.name.eq_ignore_ascii_case(name))
    }

    /// Returns the metric sets that have rows.
    pub fn sets_with_rows(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.sets.len()).filter(|set| self.sets[*set].sets.is_empty())
    }
}

/// Reports a metric set that does not exist. `user` is the metric set that refers to it.
pub fn unknown_set_error(name: &str, span: Span, sets: &MetricSets, user: Option<&MetricSet>) -> Diagnostic {
    let fault = Diagnostic::new(Code::UnknownMetric, span, format!("there is no metric set `{name}`"));
    let is_other = |name: &&str| user.is_none_or(|user| !user.name.eq_ignore_ascii_case(name));
    let names = || sets.names().filter(is_other);
    match suggest::nearest_name(name, names()) {
        Some(near) => fault.with_help(suggest::similar_name_help(near)),
        None => {
            let names = quote_names(names().take(8));
            fault.with_help(match names.is_empty() {
                true => format!("write a spec file that begins with `metric_set: {name}`"),
                false => format!("the metric sets are {}", names.join(", ")),
            })
        }
    }
}

/// Reports a metric whose formula has an error.
fn invalid_metric_error(set: &MetricSet, formula: &MetricFormula, span: Span) -> Diagnostic {
    let file = set
        .path
        .as_deref()
        .map_or_else(|| "the file of the set".to_owned(), |path| format!("`{path}`"));
    let message = format!("the formula of `{}.{}` has an error", set.name, formula.name);
    let help = format!("correct the formula in {file}; `formulac check` shows the error");
    let fault = Diagnostic::new(Code::UnknownMetric, span, message).with_help(help);
    // The error may be in another formula to which this formula refers.
    fault.with_cause(set.path.as_deref(), Span::new(0, u32::MAX))
}

/// Reports a metric that a metric set does not contain.
pub fn unknown_metric_error(set: &MetricSet, name: &str, span: Span) -> Diagnostic {
    let names = || set.metrics().map(|metric| metric.name.as_str());
    if set.position_by_any_name(name).is_some() {
        return Diagnostic::new(
            Code::UnknownMetric,
            span,
            format!("`{name}` is a dimension of the set `{}`, not a metric", set.name),
        )
        .with_help(format!(
            "use the dimension in `group_by` or `where`, or count it with a metric of the set `{}`",
            set.name
        ));
    }
    let message = format!("the metric set `{}` has no metric `{name}`", set.name);
    // If another metric set has the same name, that set may define the metric.
    let fault = Diagnostic::new(Code::UnknownMetric, span, message).with_cause(set.path.as_deref(), set.name_span);
    match suggest::nearest_name(name, names()) {
        Some(near) => fault.with_help(suggest::similar_name_help(near)),
        None => {
            let metric_list = join_words_up_to(&quote_names(names()), 12);
            fault.with_help(format!("the metrics of the set are {metric_list}"))
        }
    }
}
