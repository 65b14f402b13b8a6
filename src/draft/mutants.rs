//! Mutants: copies of a spec, each with a common mistake in a formula. If a mutant returns the same result as the spec,
//! the rows do not prove that the formula is correct.

use crate::interpret::expr::{InterpreterExpr, InterpreterOp, Window};
use crate::interpret::spec::{InterpreterJoinKind, InterpreterSpec, InterpreterStep};
use crate::interpret::value::Value;

/// Maximum number of mutants.
const MAX_MUTANTS: usize = 60;

/// Returns the mutants of a spec, one for each mistake.
pub fn spec_mutants(spec: &InterpreterSpec) -> Vec<InterpreterSpec> {
    let mut interpreter_specs = Vec::new();
    for step_index in 0..spec.steps.len() {
        let Some(step) = spec.steps.get(step_index) else { break };
        let mut add = |changed: InterpreterStep| {
            let mut mutant = spec.clone();
            if let Some(step) = mutant.steps.get_mut(step_index) {
                *step = changed;
            }
            interpreter_specs.push(mutant);
        };
        if step.filter.is_some() {
            add(InterpreterStep {
                filter: None,
                ..step.clone()
            });
        }
        if step.having.is_some() {
            add(InterpreterStep {
                having: None,
                ..step.clone()
            });
        }
        for x in step.filter.iter().flat_map(expression_mutants) {
            add(InterpreterStep {
                filter: Some(x),
                ..step.clone()
            });
        }
        for x in step.having.iter().flat_map(expression_mutants) {
            add(InterpreterStep {
                having: Some(x),
                ..step.clone()
            });
        }
        for (index, (_, x)) in step.definitions.iter().enumerate() {
            for wrong in expression_mutants(x) {
                let mut changed = step.clone();
                if let Some((_, x)) = changed.definitions.get_mut(index) {
                    *x = wrong;
                }
                add(changed);
            }
        }
        for index in 0..step.joins.len() {
            let mut changed = step.clone();
            let Some(join) = changed.joins.get_mut(index) else {
                break;
            };
            join.kind = match join.kind {
                InterpreterJoinKind::Left => InterpreterJoinKind::Inner,
                InterpreterJoinKind::Full => InterpreterJoinKind::Left,
                _ => continue,
            };
            add(changed);
        }
    }
    interpreter_specs.truncate(MAX_MUTANTS);
    interpreter_specs
}

/// Returns the mutants of an expression, one for each mistake. Recursion is safe because the parser limits the nesting
/// depth.
fn expression_mutants(x: &InterpreterExpr) -> Vec<InterpreterExpr> {
    let mut interpreter_exprs = node_mutants(x);
    let count = x.children().len();
    for index in 0..count {
        let Some(child) = x.children().get(index).copied() else {
            break;
        };
        for changed in expression_mutants(child) {
            interpreter_exprs.push(with_child(x, index, changed));
        }
    }
    interpreter_exprs
}

fn node_mutants(x: &InterpreterExpr) -> Vec<InterpreterExpr> {
    match x {
        InterpreterExpr::Literal(Value::Int(n)) => vec![InterpreterExpr::Literal(Value::Int(n.saturating_add(1)))],
        InterpreterExpr::Literal(Value::Number(n)) => vec![InterpreterExpr::Literal(Value::Number(n + 1.0))],
        InterpreterExpr::Literal(Value::Text(text)) => vec![InterpreterExpr::Literal(Value::Text(format!("{text}?")))],
        InterpreterExpr::Literal(Value::Date(day)) => vec![InterpreterExpr::Literal(Value::Date(day + 1))],
        InterpreterExpr::Binary(op, a, b) => {
            let other = |op: &InterpreterOp| InterpreterExpr::Binary(*op, a.clone(), b.clone());
            let mut interpreter_exprs: Vec<InterpreterExpr> = alternative_operators(*op).iter().map(other).collect();
            if matches!(
                op,
                InterpreterOp::Add | InterpreterOp::Subtract | InterpreterOp::Multiply | InterpreterOp::Divide
            ) {
                interpreter_exprs.extend([(**a).clone(), (**b).clone()]);
            }
            interpreter_exprs
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

/// Returns the expression with one child replaced.
fn with_child(x: &InterpreterExpr, index: usize, child: InterpreterExpr) -> InterpreterExpr {
    let with_arg = |args: &[InterpreterExpr]| {
        let mut args = args.to_vec();
        if let Some(arg) = args.get_mut(index) {
            *arg = child.clone();
        }
        args
    };
    let boxed = || Box::new(child.clone());
    match x {
        InterpreterExpr::Binary(op, _, b) if index == 0 => InterpreterExpr::Binary(*op, boxed(), b.clone()),
        InterpreterExpr::Binary(op, a, _) => InterpreterExpr::Binary(*op, a.clone(), boxed()),
        InterpreterExpr::Call(name, args) => InterpreterExpr::Call(name, with_arg(args)),
        InterpreterExpr::Aggregate(name, args) => InterpreterExpr::Aggregate(name, with_arg(args)),
        InterpreterExpr::Range(_, rows) => InterpreterExpr::Range(boxed(), *rows),
        InterpreterExpr::Part(_, frame) => InterpreterExpr::Part(boxed(), frame.clone()),
        InterpreterExpr::Window(window) => InterpreterExpr::Window(match window {
            Window::Offset(_, offset) => Window::Offset(boxed(), *offset),
            Window::First(_) => Window::First(boxed()),
            Window::Last(_) => Window::Last(boxed()),
            Window::Rank(name, _, down) => Window::Rank(name, boxed(), *down),
            Window::PercentRank(_) => Window::PercentRank(boxed()),
            Window::Period(_, offset, unit) => Window::Period(boxed(), *offset, *unit),
            Window::InPeriod(_, frame, is_last) => Window::InPeriod(boxed(), *frame, *is_last),
            Window::Row => Window::Row,
        }),
        InterpreterExpr::Literal(_) | InterpreterExpr::Name(_) | InterpreterExpr::Period(..) => x.clone(),
    }
}
