//! Mutants: copies of a spec, each with a common mistake in a formula. If a mutant returns the same result as the spec,
//! the rows do not prove that the formula is correct.

use crate::interpret::expr::{InterpreterExpr, InterpreterOp, Window};
use crate::interpret::spec::{InterpreterJoinKind, InterpreterSpec, InterpreterStep};
use crate::interpret::value::Value;

/// Maximum number of mutants.
const MAX_MUTANTS: usize = 60;

/// Returns mutants of a spec, one for each mistake, up to [`MAX_MUTANTS`].
pub fn spec_mutants(spec: &InterpreterSpec) -> Vec<InterpreterSpec> {
    let changed_steps = spec
        .steps
        .iter()
        .enumerate()
        .flat_map(|(index, step)| step_mutants(step).map(move |changed| (index, changed)));
    let mutants = changed_steps.map(|(index, changed)| {
        let mut mutant = spec.clone();
        if let Some(step) = mutant.steps.get_mut(index) {
            *step = changed;
        }
        mutant
    });
    mutants.take(MAX_MUTANTS).collect()
}

/// Iterates over the mutants of a step, one for each mistake.
fn step_mutants(step: &InterpreterStep) -> impl Iterator<Item = InterpreterStep> {
    let with_filter = |filter: Option<InterpreterExpr>| InterpreterStep { filter, ..step.clone() };
    let with_having = |having: Option<InterpreterExpr>| InterpreterStep { having, ..step.clone() };
    let without_filter = step.filter.iter().map(move |_| with_filter(None));
    let without_having = step.having.iter().map(move |_| with_having(None));
    let mutants_of = |x| expression_mutants(x, MAX_MUTANTS);
    let filters = step.filter.iter().flat_map(mutants_of);
    let havings = step.having.iter().flat_map(mutants_of);
    let definitions = step.definitions.iter().enumerate().flat_map(move |(index, (_, x))| {
        mutants_of(x).into_iter().map(move |wrong| {
            let mut changed = step.clone();
            if let Some((_, x)) = changed.definitions.get_mut(index) {
                *x = wrong;
            }
            changed
        })
    });
    let joins = step.joins.iter().enumerate().filter_map(|(index, join)| {
        let kind = match join.kind {
            InterpreterJoinKind::Left => InterpreterJoinKind::Inner,
            InterpreterJoinKind::Full => InterpreterJoinKind::Left,
            _ => return None,
        };
        let mut changed = step.clone();
        changed.joins.get_mut(index)?.kind = kind;
        Some(changed)
    });
    without_filter
        .chain(without_having)
        .chain(filters.map(move |x| with_filter(Some(x))))
        .chain(havings.map(move |x| with_having(Some(x))))
        .chain(definitions)
        .chain(joins)
}

/// Returns mutants of an expression, one for each mistake, up to `limit`. Recursion is safe because the parser limits
/// the nesting depth.
fn expression_mutants(x: &InterpreterExpr, limit: usize) -> Vec<InterpreterExpr> {
    let mut mutants = node_mutants(x);
    for (index, child) in x.children().into_iter().enumerate() {
        let remaining = limit.saturating_sub(mutants.len());
        if remaining == 0 {
            break;
        }
        mutants.extend(expression_mutants(child, remaining).into_iter().map(|changed| {
            let mut mutant = x.clone();
            if let Some(child) = mutant.children_mut().into_iter().nth(index) {
                *child = changed;
            }
            mutant
        }));
    }
    mutants.truncate(limit);
    mutants
}

fn node_mutants(x: &InterpreterExpr) -> Vec<InterpreterExpr> {
    match x {
        InterpreterExpr::Literal(Value::Int(n)) => vec![InterpreterExpr::Literal(Value::Int(n.saturating_add(1)))],
        InterpreterExpr::Literal(Value::Number(n)) => vec![InterpreterExpr::Literal(Value::Number(n + 1.0))],
        InterpreterExpr::Literal(Value::Text(text)) => vec![InterpreterExpr::Literal(Value::Text(format!("{text}?")))],
        InterpreterExpr::Literal(Value::Date(day)) => vec![InterpreterExpr::Literal(Value::Date(day + 1))],
        InterpreterExpr::Binary(op, a, b) => {
            let other = |op: &InterpreterOp| InterpreterExpr::Binary(*op, a.clone(), b.clone());
            let mut mutants: Vec<InterpreterExpr> = alternative_operators(*op).iter().map(other).collect();
            if matches!(
                op,
                InterpreterOp::Add | InterpreterOp::Subtract | InterpreterOp::Multiply | InterpreterOp::Divide
            ) {
                mutants.extend([(**a).clone(), (**b).clone()]);
            }
            mutants
        }
        InterpreterExpr::Call("IF", args) => args.iter().skip(1).cloned().collect(),
        InterpreterExpr::Call("NOT", args) => args.clone(),
        InterpreterExpr::Call("COALESCE" | "IFERROR" | "IFNA", args) => args.clone(),
        InterpreterExpr::Call(name @ ("AND" | "OR"), args) => {
            let other = if *name == "AND" { "OR" } else { "AND" };
            let mut mutants = vec![InterpreterExpr::Call(other, args.clone())];
            mutants.extend(
                (0..args.len())
                    .filter(|_| args.len() > 1)
                    .map(|arg_index| InterpreterExpr::Call(name, remove_args(args, arg_index, 1))),
            );
            mutants
        }
        InterpreterExpr::Call("IFS", args) => (0..args.len() / 2)
            .map(|pair| InterpreterExpr::Call("IFS", remove_args(args, 2 * pair, 2)))
            .collect(),
        InterpreterExpr::Call("SWITCH", args) => {
            let pairs = args.len().saturating_sub(1) / 2;
            (0..pairs)
                .map(|pair| InterpreterExpr::Call("SWITCH", remove_args(args, 1 + 2 * pair, 2)))
                .collect()
        }
        InterpreterExpr::Aggregate(name, args) => {
            let other = match *name {
                "MIN" => Some("MAX"),
                "MAX" => Some("MIN"),
                "SUM" => Some("AVERAGE"),
                "AVERAGE" => Some("MEDIAN"),
                _ => None,
            };
            let mut mutants: Vec<InterpreterExpr> = other
                .map(|other| InterpreterExpr::Aggregate(other, args.clone()))
                .into_iter()
                .collect();
            match args.as_slice() {
                [InterpreterExpr::Call("DISTINCT", operands)] => {
                    mutants.push(InterpreterExpr::Aggregate(name, operands.clone()));
                }
                [_] if *name == "COUNT" && !x.has_range() => mutants.push(InterpreterExpr::Aggregate(name, Vec::new())),
                _ => {}
            }
            mutants
        }
        InterpreterExpr::Window(Window::Offset(operand, offset)) => {
            vec![InterpreterExpr::Window(Window::Offset(
                operand.clone(),
                offset.saturating_add(1),
            ))]
        }
        InterpreterExpr::Window(Window::Period(operand, offset, unit)) => vec![
            InterpreterExpr::Window(Window::Period(operand.clone(), offset.saturating_add(1), *unit)),
            // An offset in rows instead of periods gives a different result only if periods are missing.
            InterpreterExpr::Window(Window::Offset(operand.clone(), *offset)),
        ],
        InterpreterExpr::Window(Window::Rank(name, operand, down)) => {
            vec![InterpreterExpr::Window(Window::Rank(name, operand.clone(), !down))]
        }
        _ => Vec::new(),
    }
}

fn remove_args(args: &[InterpreterExpr], start: usize, count: usize) -> Vec<InterpreterExpr> {
    let is_kept = |index: &usize| !(start..start + count).contains(index);
    args.iter()
        .enumerate()
        .filter(|(index, _)| is_kept(index))
        .map(|(_, x)| x.clone())
        .collect()
}

fn alternative_operators(op: InterpreterOp) -> &'static [InterpreterOp] {
    match op {
        InterpreterOp::Less => &[InterpreterOp::LessOrEqual, InterpreterOp::Greater],
        InterpreterOp::LessOrEqual => &[InterpreterOp::Less, InterpreterOp::GreaterOrEqual],
        InterpreterOp::Greater => &[InterpreterOp::GreaterOrEqual, InterpreterOp::Less],
        InterpreterOp::GreaterOrEqual => &[InterpreterOp::Greater, InterpreterOp::LessOrEqual],
        InterpreterOp::Equal => &[InterpreterOp::NotEqual],
        InterpreterOp::NotEqual => &[InterpreterOp::Equal],
        InterpreterOp::Add => &[InterpreterOp::Subtract],
        InterpreterOp::Subtract => &[InterpreterOp::Add],
        InterpreterOp::Multiply => &[InterpreterOp::Divide],
        InterpreterOp::Divide => &[InterpreterOp::Multiply],
        _ => &[],
    }
}
