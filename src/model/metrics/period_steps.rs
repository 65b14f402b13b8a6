//! Steps with `fill`, `since` or `until` that read a relation or an earlier step. Each of these steps is treated like a
//! metric set with one model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use formulac_syntax::diag::lists::join_names;
use rustc_hash::FxHashSet;

use super::formulas::{AnalysisScope, analyze, analyze_in_scope};
use super::inputs::relation_name;
use super::metric_set::{InputTimeframe, MetricSet, MetricSetTime, column_types};
use super::model_on_metric_sets::{ListedMetric, ModelKey, ModelOnMetricSets, read_group_by};
use crate::arena::Arena;
use crate::check::DefinitionRole;
use crate::compiler::Compiler;
use crate::diag::{Code, Diagnostic};
use crate::lex::split_list;
use crate::load::{SpecKind, SpecLoader, Step};
use crate::plan::key_name;
use crate::schema::Relation;
use crate::span::Span;
use crate::yaml::{Node, NodeKind};
use crate::{Level, Type};

const GROUP_BY_TIMEFRAME_HELP: &str =
    "group by a timeframe, such as `group_by: \"ordered_at[month]\"`, or filter the rows with `where`";

/// Keys that specify the periods of a step.
const PERIOD_KEYS: [&str; 3] = ["fill", "since", "until"];

/// Returns the steps that specify their periods and do not read metric sets, each with its index.
pub fn period_steps(root: &Node) -> Vec<(usize, &Node)> {
    let steps = root.get("steps").and_then(Node::items);
    let steps = steps.unwrap_or(std::slice::from_ref(root)).iter().enumerate();
    let has_periods = |step: &Node| PERIOD_KEYS.iter().any(|key| step.get(key).is_some());
    let indexed_steps = steps.filter(|(_, step)| has_periods(step) && step.get("metrics").is_none());
    indexed_steps.collect()
}

/// Reads a step that specifies its periods, and reports errors. `index` is the index of the step in the spec.
pub fn read_period_step<'y>(
    compiler: &Compiler,
    (root, source): (&'y Node, &'y str),
    (index, node): (usize, &'y Node),
    faults: &mut Vec<Diagnostic>,
) -> Option<ModelOnMetricSets<'y>> {
    let (word, value) = PERIOD_KEYS.iter().find_map(|key| Some((*key, node.get(key)?)))?;
    if node.get("group_by").is_none() {
        faults.push(ungrouped_step_error(word, value.span));
        return None;
    }
    let before = faults.len();
    let mut ignored = Vec::new();
    let mut loader = SpecLoader::new(source, &mut ignored);
    let keys = read_group_by(&loader, node);
    let step = loader.read_step(node, std::ptr::eq(node, root));
    // The formulas are analyzed like the formulas of a metric set, but may read keys as well as aggregates.
    let period_step = Step {
        having: None,
        order_by: Vec::new(),
        partition_by: None,
        ..step.clone()
    };
    let order = step
        .order_by
        .first()
        .map(|entry| crate::compiler::split_sort_key(entry.text));
    let (input, pairs) = input_of_period_step(root, node, index);
    let mut set = step_as_metric_set(input, pairs, node.span);
    let earlier = EarlierStepColumns::read(compiler, (root, source), index);
    let mut types = column_types(compiler, &set.root);
    types.extend(earlier.names.into_iter().map(|name| (name, Type::Unknown)));
    // Without joins, a qualified name refers to the same column as the unqualified name.
    let relations = match node.get("joins") {
        None => vec![Relation::unknown(set.name.clone())],
        Some(_) => Vec::new(),
    };
    let analysis_scope = AnalysisScope {
        relations: &relations,
        types: &types,
        is_descending: order.is_some_and(|(_, descending)| descending),
    };
    let (formulas, _) = analyze_in_scope(compiler, &period_step, source, &analysis_scope);
    let around = Step {
        group_by: Vec::new(),
        definitions: Vec::new(),
        filter: None,
        ..step
    };
    let (conditions, _) = analyze(compiler, &around, source);
    set.periods = earlier.periods;
    set.add_formulas(formulas);
    choose_time_column(compiler, &mut set, &keys, (node, value.span), faults);
    let set_metrics = set
        .definitions
        .iter()
        .enumerate()
        .filter(|(_, formula)| formula.level != Level::Row);
    let listed_metrics = set_metrics.map(|(metric, formula)| ListedMetric {
        set: 0,
        metric,
        name: formula.name.clone(),
        span: formula.span,
    });
    let mut model = ModelOnMetricSets {
        root,
        step: node,
        source,
        listed_metrics: listed_metrics.collect(),
        sets: vec![Arc::new(set)].into(),
        set_count: 1,
        keys: keys.into(),
        overrides: Vec::new(),
        definitions: Arena::new(),
        having: None,
        filters: Vec::new(),
        order_by: node.get("order_by").map(|_| Vec::new()),
        partition_by: node.get("partition_by").map(|_| Vec::new()),
        span: value.span,
        kind: SpecKind::Periods,
        taken_names: FxHashSet::default(),
    };
    for formula in conditions {
        match formula.role {
            DefinitionRole::Having => model.having = Some(formula),
            DefinitionRole::OrderBy => model.order_by.get_or_insert_default().push(formula),
            DefinitionRole::PartitionBy => model.partition_by.get_or_insert_default().push(formula),
            _ => {}
        }
    }
    (faults.len() == before).then_some(model)
}

/// Converts a step with periods to a metric set, without the formulas of the step.
fn step_as_metric_set(name: String, pairs: Vec<(Node, Node)>, span: Span) -> MetricSet {
    MetricSet {
        name,
        name_span: span,
        path: None,
        text: String::new(),
        root: Node::new(NodeKind::Mapping(pairs), span),
        sets: Vec::new(),
        time: None,
        filter: None,
        definitions: Arena::new(),
        renamed: BTreeMap::new(),
        periods: BTreeMap::new(),
        faults: Vec::new(),
    }
}

/// Uses the column of the step's period key as the time column of the step. Reports a step that specifies periods but
/// has no period key.
fn choose_time_column(
    compiler: &Compiler,
    set: &mut MetricSet,
    keys: &[ModelKey],
    (node, span): (&Node, Span),
    faults: &mut Vec<Diagnostic>,
) {
    let range = ["since", "until"].iter().find_map(|key| Some((*key, node.get(key)?)));
    match (time_column(compiler, set, keys, node), range) {
        (Ok(column), _) => {
            set.time = Some(MetricSetTime {
                column,
                grain: None,
                span,
            });
        }
        (Err((why, help)), Some((word, range))) => faults.push(
            Diagnostic::new(
                Code::PeriodRange,
                range.span,
                format!("`{word}` needs a single time column, but {why}"),
            )
            .with_help(help),
        ),
        (Err(_), None) => {}
    }
}

/// Reports a step that specifies periods but is not grouped.
fn ungrouped_step_error(word: &str, span: Span) -> Diagnostic {
    let (code, why, help) = match word {
        "fill" => (
            Code::FillKey,
            "because it adds the missing periods of a grouping column",
            "group by a timeframe, such as `group_by: \"ordered_at[month]\"`",
        ),
        _ => (
            Code::PeriodRange,
            "because it selects periods of a grouping column",
            GROUP_BY_TIMEFRAME_HELP,
        ),
    };
    Diagnostic::new(code, span, format!("`{word}` needs a step with `group_by`, {why}")).with_help(help)
}

/// Returns the column whose periods are keys of a step. If several columns qualify, `fill` determines the column, or
/// `order_by` if there is no `fill`.
///
/// # Errors
///
/// Returns the message and the help for a step in which the column is missing or ambiguous.
fn time_column(
    compiler: &Compiler,
    set: &MetricSet,
    keys: &[ModelKey],
    node: &Node,
) -> Result<String, (&'static str, String)> {
    let columns = |is_meant: &dyn Fn(&ModelKey, &str) -> bool| {
        let mut columns: Vec<String> = Vec::new();
        for key in keys {
            let Some((column, frame)) = set.column_and_timeframe(compiler, &key.text) else {
                continue;
            };
            if is_meant(key, &frame)
                && !columns
                    .iter()
                    .any(|existing_column| set.is_same_column(compiler, existing_column, column))
            {
                columns.push(column.to_owned());
            }
        }
        columns
    };
    let candidates = columns(&|_, _| true);
    let fill = node
        .get("fill")
        .and_then(|fill| fill.text().or_else(|| fill.text_at("by")));
    let order = node.get("order_by").map_or_else(Vec::new, |order| match order.text() {
        Some(text) => split_list(text).into_iter().map(str::to_owned).collect(),
        None => order.texts(),
    });
    let first = order
        .first()
        .map(|entry| crate::compiler::split_sort_key(entry.trim()).0);
    let named_columns = |name: Option<&str>| {
        let name = name.unwrap_or_default().trim();
        let is_same_name = |text: &str| text.eq_ignore_ascii_case(name);
        columns(&|key, frame| {
            is_same_name(&key.text)
                || is_same_name(&key_name(&key.text))
                || is_same_name(frame)
                || set.is_same_period(compiler, &key.text, name)
        })
    };
    let candidate_lists = [candidates.clone(), named_columns(fill), named_columns(first)]
        .into_iter()
        .find(|columns| columns.len() == 1);
    candidate_lists
        .and_then(|mut columns| columns.pop())
        .ok_or_else(|| match candidates.as_slice() {
            [] => ("no key of the step is a timeframe", GROUP_BY_TIMEFRAME_HELP.to_owned()),
            several => (
                "the step groups by periods of several columns",
                format!("begin `order_by` with the key of {}", join_names(several, "or")),
            ),
        })
}

/// Columns that a step may read from the steps before it.
#[derive(Default)]
struct EarlierStepColumns {
    /// Keys and definitions that are timeframes, by name.
    periods: BTreeMap<String, InputTimeframe>,
    /// Lower-case names of all columns. A name that looks like a cell, such as `q1`, is a column only if it is listed.
    names: BTreeSet<String>,
}

impl EarlierStepColumns {
    fn read(compiler: &Compiler, (root, source): (&Node, &str), index: usize) -> Self {
        let mut ignored = Vec::new();
        let mut loader = SpecLoader::new(source, &mut ignored);
        let mut earlier = Self::default();
        let periods = &mut earlier.periods;
        let steps = root.items_at("steps");
        let reads_relation = |node: &Node| {
            let is_step = |from: &str| {
                let mut names = steps.iter().filter_map(|step| step.text_at("name"));
                names.any(|name| name.eq_ignore_ascii_case(from))
            };
            node.text_at("from").is_some_and(|from| !is_step(from))
        };
        for (step_index, node) in steps.iter().enumerate().take(index) {
            if reads_relation(node) {
                periods.clear();
            }
            if node.get("union").is_some() {
                // Each step of the union may compute a column from a different date, so the union itself becomes the
                // origin.
                let period_entries = periods.iter_mut();
                period_entries.for_each(|(name, period)| period.origin = format!("{step_index}.{name}"));
            }
            let (formulas, _) = analyze(compiler, &loader.read_step(node, false), source);
            let mut set = step_as_metric_set(String::new(), Vec::new(), node.span);
            set.periods.clone_from(periods);
            set.add_formulas(formulas);
            let definitions = set.definitions.iter().map(|formula| formula.name.clone());
            for text in definitions.chain(read_group_by(&loader, node).into_iter().map(|key| key.text)) {
                let name = key_name(&text).to_lowercase();
                match set.column_and_date_part(compiler, &text) {
                    Some((column, frame)) => {
                        let origin = set.timeframe_source_date(column, &frame).map(str::to_owned);
                        let origin = origin.unwrap_or_else(|| format!("{step_index}.{}", column.to_lowercase()));
                        periods.insert(name.clone(), InputTimeframe { frame, origin })
                    }
                    None => periods.remove(&name),
                };
                earlier.names.insert(name);
            }
            earlier
                .names
                .extend(column_types(compiler, node).into_iter().map(|(name, _)| name));
        }
        if steps.get(index).is_some_and(reads_relation) {
            periods.clear();
        }
        if index > 0 {
            earlier
                .names
                .extend(column_types(compiler, root).into_iter().map(|(name, _)| name));
        }
        earlier
    }
}

/// Returns the name of the relation or step that a step reads, and the keys that specify this input.
fn input_of_period_step(root: &Node, node: &Node, index: usize) -> (String, Vec<(Node, Node)>) {
    let steps = root.items_at("steps");
    let pair = |key: &str, source_node: &Node| {
        let pairs = source_node.pairs().unwrap_or_default().iter();
        pairs
            .filter(|(name, _)| name.text() == Some(key))
            .cloned()
            .collect::<Vec<_>>()
    };
    let mut pairs = pair("joins", node);
    let relation = |source_node: &Node| source_node.text_at("from").map(relation_name).unwrap_or_default();
    let before = index.checked_sub(1).and_then(|before| steps.get(before));
    let input = match (before, node.get("union").map(Node::texts)) {
        (None, _) => {
            pairs.extend(pair("from", root));
            relation(root)
        }
        (Some(_), Some(united)) => {
            pairs.extend(pair("union", node));
            united.into_iter().next().unwrap_or_default()
        }
        (Some(_), None) if node.get("from").is_some() => {
            pairs.extend(pair("from", node));
            relation(node)
        }
        (Some(before), None) => before.text_at("name").unwrap_or_default().to_owned(),
    };
    (input, pairs)
}
