//! Shrinks a failing case as long as it still fails.

use crate::database::Database;
use crate::expr::InterpreterExpr;
use crate::spec::{InterpreterProjection, InterpreterSpec, JoinCondition};
use crate::written::yaml;

/// Returns all cases that result from removing one element of this case.
pub fn smaller_cases(spec: &InterpreterSpec, database: &Database) -> Vec<(InterpreterSpec, Database)> {
    let mut found = Vec::new();
    let mut with = |change: &dyn Fn(&mut InterpreterSpec)| {
        let mut changed = spec.clone();
        change(&mut changed);
        found.push((changed, database.clone()));
    };
    if spec.steps.len() > 1 {
        with(&|s| drop(s.steps.pop()));
    }
    for (at, step) in spec.steps.iter().enumerate() {
        for index in 0..step.definitions.len() {
            with(&|s| drop(s.steps[at].definitions.remove(index)));
            for child in step.definitions[index].1.children() {
                with(&|s| s.steps[at].definitions[index].1 = child.clone());
            }
            for part in parts(&step.definitions[index].1) {
                with(&|s| s.steps[at].definitions[index].1 = part.clone());
            }
        }
        for (index, join) in step.joins.iter().enumerate() {
            with(&|s| drop(s.steps[at].joins.remove(index)));
            if let JoinCondition::On(condition) = &join.condition {
                for part in parts(condition) {
                    with(&|s| s.steps[at].joins[index].condition = JoinCondition::On(part.clone()));
                }
            }
        }
        with(&|s| s.steps.iter_mut().for_each(|step| step.blank_zero = false));
        with(&|s| s.steps[at].filter = None);
        with(&|s| s.steps[at].having = None);
        for (key, conditions) in [(true, &step.filter), (false, &step.having)] {
            for part in conditions.iter().flat_map(parts) {
                with(&|s| {
                    *(if key {
                        &mut s.steps[at].filter
                    } else {
                        &mut s.steps[at].having
                    }) = Some(part.clone());
                });
            }
        }
        with(&|s| s.steps[at].limit = None);
        with(&|s| s.steps[at].partition_by = None);
        with(&|s| s.steps[at].keep = InterpreterProjection::Nothing);
        for index in 0..step.group_by.len() {
            with(&|s| drop(s.steps[at].group_by.remove(index)));
        }
        for index in 0..step.order_by.len() {
            with(&|s| drop(s.steps[at].order_by.remove(index)));
        }
    }
    for (at, table) in database.tables.iter().enumerate() {
        for row in 0..table.rows.len() {
            let mut changed = database.clone();
            changed.tables[at].rows.remove(row);
            found.push((spec.clone(), changed));
        }
    }
    found.retain(|(changed, _)| yaml(changed).len() <= yaml(spec).len());
    found
}

/// Returns expressions in which an expression is replaced with one of its operands.
fn parts(x: &InterpreterExpr) -> Vec<InterpreterExpr> {
    let mut interpreter_exprs = Vec::new();
    for (at, child) in x.children().into_iter().enumerate() {
        interpreter_exprs.push(child.clone());
        for part in parts(child) {
            if let Some(changed) = replace_node(x, at, part) {
                interpreter_exprs.push(changed);
            }
        }
    }
    interpreter_exprs
}

fn replace_node(x: &InterpreterExpr, at: usize, child: InterpreterExpr) -> Option<InterpreterExpr> {
    let mut changed = x.clone();
    match &mut changed {
        InterpreterExpr::Binary(_, a, b) => **(if at == 0 { a } else { b }) = child,
        InterpreterExpr::Call(_, args) | InterpreterExpr::Aggregate(_, args) => *args.get_mut(at)? = child,
        _ => return None,
    }
    Some(changed)
}
