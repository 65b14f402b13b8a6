//! Limits the size of a spec, prunes the spec, and finds outcomes of its formulas that no row produces.

use std::collections::{BTreeMap, BTreeSet};

use crate::interpret::expr::{InterpreterExpr, InterpreterOp};
use crate::interpret::spec::{InterpreterKeep, InterpreterSpec, InterpreterStep, JoinCondition, unqualified_name};
use crate::interpret::trace::{TraceEvents, branch_outcome};

/// Maximum number of nodes in a formula after all definitions are inlined.
const MAX_NODES: usize = 20_000;
const MAX_DEPTH: usize = 100;

/// Returns an error if a formula is too large.
pub fn check_size(spec: &InterpreterSpec) -> Result<(), String> {
    for step in &spec.steps {
        let mut known: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        // Definitions may refer to each other in any order. After one round per definition, all sizes are final.
        for round in 0..=step.definitions.len() {
            let mut changed = false;
            for (name, x) in &step.definitions {
                let size = x.size(|other| (other != name).then(|| known.get(other).copied()).flatten());
                if size.0 > MAX_NODES || size.1 > MAX_DEPTH {
                    return Err(format!("formulas as large as `{name}` with its definitions"));
                }
                changed |= known.insert(name, size) != Some(size);
            }
            if !changed {
                break;
            }
            if round == step.definitions.len() {
                return Err("definitions that depend on each other in a cycle".to_owned());
            }
        }
    }
    Ok(())
}

/// Removes all parts of a spec on which the given columns of its last step do not depend.
pub fn prune_spec(spec: &InterpreterSpec, columns: &[String]) -> InterpreterSpec {
    let mut pruned = spec.clone();
    let mut wanted: BTreeSet<String> = columns.iter().cloned().collect();
    for at in (0..pruned.steps.len()).rev() {
        let earlier: Vec<String> = pruned.steps.iter().take(at).map(|step| step.name.clone()).collect();
        let Some(step) = pruned.steps.get_mut(at) else { break };
        let needed = names_needed_for_columns(step, &wanted);
        step.hidden = step
            .definitions
            .iter()
            .map(|(name, _)| name)
            .filter(|n| !wanted.contains(*n))
            .cloned()
            .collect();
        step.definitions.retain(|(name, _)| needed.contains(name));
        if let InterpreterKeep::Some(kept) = &mut step.keep {
            kept.retain(|name| wanted.contains(unqualified_name(name)) || needed.contains(name));
        }
        // A step may join any earlier step.
        let joins_earlier = step.joins.iter().any(|join| earlier.contains(&join.to));
        let names: BTreeSet<String> = needed.iter().map(|name| unqualified_name(name).to_owned()).collect();
        if joins_earlier {
            let all = pruned
                .steps
                .iter()
                .take(at)
                .flat_map(|step| step.definitions.iter().map(|(name, _)| name.clone()));
            wanted = all.chain(names).collect();
        } else if matches!(pruned.steps.get(at).map(|step| &step.keep), Some(InterpreterKeep::All)) {
            wanted.extend(names);
        } else {
            wanted = names;
        }
    }
    pruned
}

/// Returns the names that a step reads to compute some of its columns.
fn names_needed_for_columns(step: &InterpreterStep, wanted: &BTreeSet<String>) -> BTreeSet<String> {
    let mut names: Vec<String> = wanted.iter().cloned().collect();
    let conditions = [&step.filter, &step.having].into_iter().flatten();
    conditions.for_each(|x| x.collect_names(&mut names));
    let entries = step.group_by.iter().chain(step.order_by.iter().map(|(entry, _)| entry));
    names.extend(entries.map(|entry| entry.name.clone()));
    names.extend(step.partition_by.iter().flatten().cloned());
    for join in &step.joins {
        match &join.condition {
            JoinCondition::On(condition) => condition.collect_names(&mut names),
            JoinCondition::Using(columns) => names.extend(columns.iter().cloned()),
            JoinCondition::Nothing => {}
        }
    }
    if let InterpreterKeep::Some(kept) = &step.keep {
        names.extend(
            kept.iter()
                .filter(|name| wanted.contains(unqualified_name(name)))
                .cloned(),
        );
    }
    let mut needed = BTreeSet::new();
    while let Some(name) = names.pop() {
        if let Some(x) = step.definition(&name).filter(|_| !needed.contains(&name)) {
            x.collect_names(&mut names);
        }
        needed.insert(name);
    }
    needed
}

/// Returns whether an outcome justifies an additional row.
pub fn needs_additional_row(seen: &(String, &'static str)) -> bool {
    seen.1 != "finds several rows"
}

/// Returns descriptions of possible formula outcomes that no row produces.
pub fn missed_outcomes(spec: &InterpreterSpec, seen: &TraceEvents) -> Vec<String> {
    let has = |text: &str, outcome: &'static str| seen.contains(&(text.to_owned(), outcome));
    let mut missed = Vec::new();
    for step in &spec.steps {
        let conditions = [&step.filter, &step.having].into_iter().flatten();
        let mut stack: Vec<&InterpreterExpr> = conditions.chain(step.definitions.iter().map(|(_, x)| x)).collect();
        stack.reverse();
        while let Some(x) = stack.pop() {
            let text = x.to_string();
            let wanted: Vec<(&'static str, bool)> = match x {
                InterpreterExpr::Binary(InterpreterOp::Equal | InterpreterOp::NotEqual, ..) => {
                    let differ = has(&text, "has a smaller left side") || has(&text, "has a greater left side");
                    vec![
                        ("has equal sides", has(&text, "has equal sides")),
                        ("has different sides", differ),
                    ]
                }
                InterpreterExpr::Binary(
                    InterpreterOp::Less
                    | InterpreterOp::LessOrEqual
                    | InterpreterOp::Greater
                    | InterpreterOp::GreaterOrEqual,
                    ..,
                ) => ["has a smaller left side", "has equal sides", "has a greater left side"]
                    .map(|outcome| (outcome, has(&text, outcome)))
                    .to_vec(),
                InterpreterExpr::Binary(InterpreterOp::Divide, ..) => ["divides by 0", "divides by a number"]
                    .map(|outcome| (outcome, has(&text, outcome)))
                    .to_vec(),
                InterpreterExpr::Call("IF" | "IFS" | "SWITCH", args) => {
                    let count = match x {
                        InterpreterExpr::Call("IF", _) => 2,
                        InterpreterExpr::Call("IFS", _) => args.len().div_ceil(2),
                        _ => args.len() / 2,
                    };
                    (0..count)
                        .map(|at| (branch_outcome(at), has(&text, branch_outcome(at))))
                        .collect()
                }
                _ => Vec::new(),
            };
            let lacking = wanted.into_iter().filter(|(_, is_reached)| !is_reached);
            for (outcome, _) in lacking {
                let line = format!("not covered: no row in which `{text}` {outcome}");
                if !missed.contains(&line) {
                    missed.push(line);
                }
            }
            stack.extend(x.children().into_iter().rev());
        }
    }
    missed
}
