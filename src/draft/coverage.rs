//! Limits the size of a spec, prunes the spec, and finds outcomes of its formulas that no row produces.

use std::collections::{BTreeMap, BTreeSet};

use crate::interpret::expr::{InterpreterExpr, InterpreterOp};
use crate::interpret::spec::{
    InterpreterProjection, InterpreterSpec, InterpreterStep, JoinCondition, unqualified_name,
};
use crate::interpret::trace::{CoverageEvents, LEFT_IS_GREATER, LEFT_IS_LESS, SIDES_ARE_EQUAL, branch_outcome};

/// Maximum number of nodes in a formula after all definitions are inlined.
const MAX_NODES: usize = 20_000;
const MAX_DEPTH: usize = 100;

/// Returns an error if a formula is too large.
pub fn check_size(spec: &InterpreterSpec) -> Result<(), String> {
    for step in &spec.steps {
        let mut sizes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        // Definitions may refer to each other in any order. After one round per definition, all sizes are final.
        for round in 0..=step.definitions.len() {
            let mut changed = false;
            for (name, x) in &step.definitions {
                let size = x.size(|other| (other != name).then(|| sizes.get(other).copied()).flatten());
                if size.0 > MAX_NODES || size.1 > MAX_DEPTH {
                    return Err(format!("formulas as large as `{name}` with its definitions"));
                }
                changed |= sizes.insert(name, size) != Some(size);
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
    let mut required_columns: BTreeSet<String> = columns.iter().cloned().collect();
    for step_index in (0..pruned.steps.len()).rev() {
        let earlier: Vec<String> = pruned
            .steps
            .iter()
            .take(step_index)
            .map(|step| step.name.clone())
            .collect();
        let Some(step) = pruned.steps.get_mut(step_index) else {
            break;
        };
        let required_names = names_needed_for_columns(step, &required_columns);
        step.hidden = step
            .definitions
            .iter()
            .map(|(name, _)| name)
            .filter(|n| !required_columns.contains(*n))
            .cloned()
            .collect();
        step.definitions.retain(|(name, _)| required_names.contains(name));
        if let InterpreterProjection::Some(kept_names) = &mut step.keep {
            kept_names
                .retain(|name| required_columns.contains(unqualified_name(name)) || required_names.contains(name));
        }
        // A step may join any earlier step.
        let joins_earlier = step.joins.iter().any(|join| earlier.contains(&join.to));
        let names: BTreeSet<String> = required_names
            .iter()
            .map(|name| unqualified_name(name).to_owned())
            .collect();
        if joins_earlier {
            let earlier_names = pruned
                .steps
                .iter()
                .take(step_index)
                .flat_map(|step| step.definitions.iter().map(|(name, _)| name.clone()));
            required_columns = earlier_names.chain(names).collect();
        } else if matches!(
            pruned.steps.get(step_index).map(|step| &step.keep),
            Some(InterpreterProjection::All)
        ) {
            required_columns.extend(names);
        } else {
            required_columns = names;
        }
    }
    pruned
}

/// Returns the names that a step reads to compute some of its columns.
fn names_needed_for_columns(step: &InterpreterStep, required_columns: &BTreeSet<String>) -> BTreeSet<String> {
    let mut names: Vec<String> = required_columns.iter().cloned().collect();
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
    if let InterpreterProjection::Some(kept_names) = &step.keep {
        names.extend(
            kept_names
                .iter()
                .filter(|name| required_columns.contains(unqualified_name(name)))
                .cloned(),
        );
    }
    let mut required_names = BTreeSet::new();
    while let Some(name) = names.pop() {
        if let Some(x) = step.definition(&name).filter(|_| !required_names.contains(&name)) {
            x.collect_names(&mut names);
        }
        required_names.insert(name);
    }
    required_names
}

/// Returns whether an outcome justifies an additional row.
pub fn needs_additional_row(seen: &(String, &'static str)) -> bool {
    seen.1 != "finds several rows"
}

/// Returns descriptions of possible formula outcomes that no row produces.
pub fn uncovered_outcomes(spec: &InterpreterSpec, seen: &CoverageEvents) -> Vec<String> {
    let has = |text: &str, outcome: &'static str| seen.contains(&(text.to_owned(), outcome));
    let mut missed = Vec::new();
    for step in &spec.steps {
        let conditions = [&step.filter, &step.having].into_iter().flatten();
        let mut stack: Vec<&InterpreterExpr> = conditions.chain(step.definitions.iter().map(|(_, x)| x)).collect();
        stack.reverse();
        while let Some(x) = stack.pop() {
            let text = x.to_string();
            let outcomes: Vec<(&'static str, bool)> = match x {
                InterpreterExpr::Binary(InterpreterOp::Equal | InterpreterOp::NotEqual, ..) => {
                    let differ = has(&text, LEFT_IS_LESS) || has(&text, LEFT_IS_GREATER);
                    vec![
                        (SIDES_ARE_EQUAL, has(&text, SIDES_ARE_EQUAL)),
                        ("has different sides", differ),
                    ]
                }
                InterpreterExpr::Binary(
                    InterpreterOp::Less
                    | InterpreterOp::LessOrEqual
                    | InterpreterOp::Greater
                    | InterpreterOp::GreaterOrEqual,
                    ..,
                ) => [LEFT_IS_LESS, SIDES_ARE_EQUAL, LEFT_IS_GREATER]
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
                        .map(|branch_index| (branch_outcome(branch_index), has(&text, branch_outcome(branch_index))))
                        .collect()
                }
                _ => Vec::new(),
            };
            let lacking = outcomes.into_iter().filter(|(_, is_reached)| !is_reached);
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
