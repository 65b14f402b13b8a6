//! Steps with `fill` that read a relation or an earlier step: the step is treated like a metric set with one model.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::formulas::analyze;
use super::keys::relation_name;
use super::request::{ListedMetric, ModelOverSets, read_keys};
use super::set::MetricSet;
use crate::Level;
use crate::check::DefinitionRole;
use crate::compiler::Compiler;
use crate::diag::{Code, Diagnostic};
use crate::load::{Loader, SpecKind, Step};
use crate::yaml::{Node, NodeKind};

/// Returns the step with `fill` of a spec that does not read metric sets, with its index.
pub fn filled_step(root: &Node) -> Option<(usize, &Node)> {
    match root.get("steps").and_then(Node::items) {
        Some(steps) => steps.iter().enumerate().find(|(_, step)| step.get("fill").is_some()),
        None => root.get("fill").map(|_| (0, root)),
    }
}

/// Reads a step with `fill`, and reports its faults.
pub fn read_filled_step<'y>(
    compiler: &Compiler,
    root: &'y Node,
    source: &'y str,
    faults: &mut Vec<Diagnostic>,
) -> Option<ModelOverSets<'y>> {
    let (place, node) = filled_step(root)?;
    let fill = node.get("fill")?;
    let steps = root.get("steps").and_then(Node::items).unwrap_or_default();
    if let Some(fault) = misplaced_fill(node, steps.get(place + 1..).unwrap_or_default(), fill) {
        faults.push(fault);
        return None;
    }
    let before = faults.len();
    let mut ignored = Vec::new();
    let mut loader = Loader::new(source, &mut ignored);
    let keys = read_keys(&loader, node);
    let step = loader.read_step(node, std::ptr::eq(node, root));
    // The keys are resolved apart, so that formulas are analyzed as those of a metric set are.
    let own = Step {
        group_by: Vec::new(),
        having: None,
        order_by: Vec::new(),
        partition_by: None,
        ..step.clone()
    };
    let (formulas, _) = analyze(compiler, &own, source, &[], true);
    let around = Step {
        group_by: Vec::new(),
        definitions: Vec::new(),
        filter: None,
        ..step
    };
    let (conditions, _) = analyze(compiler, &around, source, &[], true);
    let (input, pairs) = input_of(root, node, place);
    let mut set = MetricSet {
        name: input,
        name_span: node.span,
        path: None,
        text: String::new(),
        root: Node {
            kind: NodeKind::Mapping(pairs),
            span: node.span,
        },
        sets: Vec::new(),
        time: None,
        filter: None,
        definitions: Vec::new(),
        renamed: BTreeMap::new(),
    };
    set.add_formulas(formulas);
    let listed = set
        .definitions
        .iter()
        .enumerate()
        .filter(|(_, formula)| formula.level > Level::Row);
    let listed = listed.map(|(metric, formula)| ListedMetric {
        set: 0,
        metric,
        name: formula.name.clone(),
        span: formula.span,
    });
    let mut model = ModelOverSets {
        root,
        step: node,
        source,
        listed: listed.collect(),
        sets: vec![Arc::new(set)],
        named: 1,
        keys,
        overrides: Vec::new(),
        definitions: Vec::new(),
        having: None,
        filters: Vec::new(),
        order_by: node.get("order_by").map(|_| Vec::new()),
        partition_by: node.get("partition_by").map(|_| Vec::new()),
        span: fill.span,
        kind: SpecKind::Filled,
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

/// Reports a step that is not grouped, and a second step with `fill`.
fn misplaced_fill(node: &Node, later: &[Node], fill: &Node) -> Option<Diagnostic> {
    if let Some(other) = later.iter().find_map(|step| step.get("fill")) {
        let fault = Diagnostic::new(Code::FillKey, other.span, "only one step of a spec can have `fill`");
        return Some(fault.with_help("put the other step into a model of its own"));
    }
    node.get("group_by").is_none().then(|| {
        Diagnostic::new(
            Code::FillKey,
            fill.span,
            "`fill` needs a grouped step, because it fills the periods of a key",
        )
        .with_help("group by a timeframe, such as `group_by: \"ordered_at[month]\"`")
    })
}

/// Returns the name of the relation or step that a step reads, and the keys that say so.
fn input_of(root: &Node, node: &Node, place: usize) -> (String, Vec<(Node, Node)>) {
    let steps = root.get("steps").and_then(Node::items).unwrap_or_default();
    let pair = |key: &str, of: &Node| {
        let pairs = of.pairs().unwrap_or_default().iter();
        pairs
            .filter(|(name, _)| name.text() == Some(key))
            .cloned()
            .collect::<Vec<_>>()
    };
    let mut pairs = pair("joins", node);
    let input = match place.checked_sub(1).and_then(|before| steps.get(before)) {
        Some(before) => before.get("name").and_then(Node::text).unwrap_or_default().to_owned(),
        None => {
            pairs.extend(pair("from", root));
            root.get("from")
                .and_then(Node::text)
                .map(relation_name)
                .unwrap_or_default()
        }
    };
    (input, pairs)
}
