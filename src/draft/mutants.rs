//! Specs that are wrong in one place, as one who reads or writes formulas gets them wrong. Rows that give the same of one
//! of them do not show that the formula is right.

use crate::interpret::expr::{Expr, Op, Window};
use crate::interpret::spec::{JoinKind, Spec, Step};
use crate::interpret::value::Value;

/// More are not looked at.
const MOST: usize = 60;

/// The spec with one fault, for each fault.
pub fn mutants(spec: &Spec) -> Vec<Spec> {
    let mut found = Vec::new();
    for at in 0..spec.steps.len() {
        let Some(step) = spec.steps.get(at) else { break };
        let mut add = |changed: Step| {
            let mut mutant = spec.clone();
            if let Some(step) = mutant.steps.get_mut(at) {
                *step = changed;
            }
            found.push(mutant);
        };
        if step.filter.is_some() {
            add(Step { filter: None, ..step.clone() });
        }
        if step.having.is_some() {
            add(Step { having: None, ..step.clone() });
        }
        for x in step.filter.iter().flat_map(wrong) {
            add(Step { filter: Some(x), ..step.clone() });
        }
        for x in step.having.iter().flat_map(wrong) {
            add(Step { having: Some(x), ..step.clone() });
        }
        for (place, (_, x)) in step.definitions.iter().enumerate() {
            for wrong in wrong(x) {
                let mut changed = step.clone();
                if let Some((_, x)) = changed.definitions.get_mut(place) {
                    *x = wrong;
                }
                add(changed);
            }
        }
        for place in 0..step.joins.len() {
            let mut changed = step.clone();
            let Some(join) = changed.joins.get_mut(place) else { break };
            join.kind = match join.kind {
                JoinKind::Left => JoinKind::Inner,
                JoinKind::Full => JoinKind::Left,
                _ => continue,
            };
            add(changed);
        }
    }
    found.truncate(MOST);
    found
}

/// An expression with one fault, for each fault. What is read is nested so deep at most that calls may call themselves.
fn wrong(x: &Expr) -> Vec<Expr> {
    let mut found = wrong_here(x);
    let count = x.children().len();
    for place in 0..count {
        let Some(child) = x.children().get(place).copied() else { break };
        for changed in wrong(child) {
            found.push(with_child(x, place, changed));
        }
    }
    found
}

fn wrong_here(x: &Expr) -> Vec<Expr> {
    match x {
        Expr::Literal(Value::Int(n)) => vec![Expr::Literal(Value::Int(n.saturating_add(1)))],
        Expr::Literal(Value::Number(n)) => vec![Expr::Literal(Value::Number(n + 1.0))],
        Expr::Literal(Value::Text(text)) => vec![Expr::Literal(Value::Text(format!("{text}?")))],
        Expr::Literal(Value::Date(day)) => vec![Expr::Literal(Value::Date(day + 1))],
        Expr::Binary(op, a, b) => {
            let other = |op: &Op| Expr::Binary(*op, a.clone(), b.clone());
            let mut found: Vec<Expr> = other_signs(*op).iter().map(other).collect();
            if matches!(op, Op::Add | Op::Subtract | Op::Multiply | Op::Divide) {
                found.extend([(**a).clone(), (**b).clone()]);
            }
            found
        }
        Expr::Call("IF", args) => args.iter().skip(1).cloned().collect(),
        Expr::Call("NOT", args) => args.to_vec(),
        Expr::Call("COALESCE" | "IFERROR" | "IFNA", args) => args.to_vec(),
        Expr::Call(name @ ("AND" | "OR"), args) => {
            let other = if *name == "AND" { "OR" } else { "AND" };
            let mut found = vec![Expr::Call(other, args.clone())];
            found.extend((0..args.len()).filter(|_| args.len() > 1).map(|at| Expr::Call(name, without(args, at, 1))));
            found
        }
        Expr::Call("IFS", args) => {
            (0..args.len() / 2).map(|pair| Expr::Call("IFS", without(args, 2 * pair, 2))).collect()
        }
        Expr::Call("SWITCH", args) => {
            let pairs = args.len().saturating_sub(1) / 2;
            (0..pairs).map(|pair| Expr::Call("SWITCH", without(args, 1 + 2 * pair, 2))).collect()
        }
        Expr::Aggregate(name, args) => {
            let other = match *name {
                "MIN" => Some("MAX"),
                "MAX" => Some("MIN"),
                "SUM" => Some("AVERAGE"),
                "AVERAGE" => Some("MEDIAN"),
                _ => None,
            };
            let mut found: Vec<Expr> = other.map(|other| Expr::Aggregate(other, args.clone())).into_iter().collect();
            match args.as_slice() {
                [Expr::Call("DISTINCT", of)] => found.push(Expr::Aggregate(name, of.clone())),
                [_] if *name == "COUNT" && !x.has_range() => found.push(Expr::Aggregate(name, Vec::new())),
                _ => {}
            }
            found
        }
        Expr::Window(Window::Offset(of, by)) => vec![Expr::Window(Window::Offset(of.clone(), by.saturating_add(1)))],
        Expr::Window(Window::Period(of, by, unit)) => vec![
            Expr::Window(Window::Period(of.clone(), by.saturating_add(1), *unit)),
            // By rows, which is another thing where periods are missing.
            Expr::Window(Window::Offset(of.clone(), *by)),
        ],
        Expr::Window(Window::Rank(name, of, down)) => vec![Expr::Window(Window::Rank(name, of.clone(), !down))],
        _ => Vec::new(),
    }
}

fn without(args: &[Expr], at: usize, count: usize) -> Vec<Expr> {
    let is_kept = |place: &usize| !(at..at + count).contains(place);
    args.iter().enumerate().filter(|(place, _)| is_kept(place)).map(|(_, x)| x.clone()).collect()
}

fn other_signs(op: Op) -> &'static [Op] {
    match op {
        Op::Less => &[Op::LessOrEqual, Op::Greater],
        Op::LessOrEqual => &[Op::Less, Op::GreaterOrEqual],
        Op::Greater => &[Op::GreaterOrEqual, Op::Less],
        Op::GreaterOrEqual => &[Op::Greater, Op::LessOrEqual],
        Op::Equal => &[Op::NotEqual],
        Op::NotEqual => &[Op::Equal],
        Op::Add => &[Op::Subtract],
        Op::Subtract => &[Op::Add],
        Op::Multiply => &[Op::Divide],
        Op::Divide => &[Op::Multiply],
        _ => &[],
    }
}

/// The expression with another child at a place.
fn with_child(x: &Expr, place: usize, child: Expr) -> Expr {
    let at = |args: &[Expr]| {
        let mut args = args.to_vec();
        if let Some(arg) = args.get_mut(place) {
            *arg = child.clone();
        }
        args
    };
    let boxed = || Box::new(child.clone());
    match x {
        Expr::Binary(op, _, b) if place == 0 => Expr::Binary(*op, boxed(), b.clone()),
        Expr::Binary(op, a, _) => Expr::Binary(*op, a.clone(), boxed()),
        Expr::Call(name, args) => Expr::Call(name, at(args)),
        Expr::Aggregate(name, args) => Expr::Aggregate(name, at(args)),
        Expr::Range(_, rows) => Expr::Range(boxed(), *rows),
        Expr::Part(_, frame) => Expr::Part(boxed(), frame.clone()),
        Expr::Window(window) => Expr::Window(match window {
            Window::Offset(_, by) => Window::Offset(boxed(), *by),
            Window::First(_) => Window::First(boxed()),
            Window::Last(_) => Window::Last(boxed()),
            Window::Rank(name, _, down) => Window::Rank(name, boxed(), *down),
            Window::PercentRank(_) => Window::PercentRank(boxed()),
            Window::Period(_, by, unit) => Window::Period(boxed(), *by, *unit),
            Window::Row => Window::Row,
        }),
        Expr::Literal(_) | Expr::Name(_) | Expr::Period(..) => x.clone(),
    }
}
