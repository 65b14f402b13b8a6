//! Definitions, each after those that it uses; circles reported.

use super::names::Names;
use crate::ast::Ast;
use crate::diag::{Code, Diagnostic};

/// An order in which every definition follows those that it uses, as far as there is one.
pub(super) fn order(ast: &Ast, source: &str, names: &mut Names, diagnostics: &mut Vec<Diagnostic>) -> Vec<u32> {
    let count = ast.definitions.len();
    let mut order = Vec::with_capacity(count);
    if names.uses.is_empty() {
        order.extend(0..count as u32);
        return order;
    }
    // Uses come grouped by user: where each user's begin.
    let mut starts = vec![0u32; count + 1];
    for (user, _) in &names.uses {
        starts[*user as usize + 1] += 1;
    }
    for i in 0..count {
        starts[i + 1] += starts[i];
    }
    const NEW: u8 = 0;
    const OPEN: u8 = 1;
    const DONE: u8 = 2;
    let mut state = vec![NEW; count];
    let mut stack: Vec<(u32, u32)> = Vec::new();
    for root in 0..count as u32 {
        if state[root as usize] != NEW {
            continue;
        }
        stack.push((root, starts[root as usize]));
        state[root as usize] = OPEN;
        while let Some((definition, next)) = stack.last_mut() {
            let definition = *definition;
            if *next == starts[definition as usize + 1] {
                state[definition as usize] = DONE;
                order.push(definition);
                stack.pop();
                continue;
            }
            let used = names.uses[*next as usize].1;
            *next += 1;
            match state[used as usize] {
                NEW => {
                    state[used as usize] = OPEN;
                    stack.push((used, starts[used as usize]));
                }
                OPEN => {
                    let from = stack.iter().position(|(d, _)| *d == used).unwrap_or(0);
                    let path: Vec<u32> = stack[from..].iter().map(|(d, _)| *d).collect();
                    report(ast, source, &path, diagnostics);
                    path.iter().for_each(|d| names.failed[*d as usize] = true);
                }
                _ => {}
            }
        }
    }
    order
}

#[cold]
fn report(ast: &Ast, source: &str, path: &[u32], diagnostics: &mut Vec<Diagnostic>) {
    let name = |d: u32| ast.definitions[d as usize].name.map_or("", |n| n.text(source));
    // Begin with the one that stands first, so that the message does not depend on the order of search.
    let first = path.iter().enumerate().min_by_key(|(_, d)| **d).map_or(0, |(i, _)| i);
    let mut shown: Vec<&str> = path[first..].iter().chain(&path[..first]).map(|d| name(*d)).collect();
    let start = shown[0];
    if shown.len() > 12 {
        shown.truncate(11);
        shown.push("…");
    }
    shown.push(start);
    let span = ast.definitions[path[first] as usize].name.unwrap_or_default();
    diagnostics.push(
        Diagnostic::new(Code::DefinitionCycle, span, format!("definitions use each other in a circle: {}", shown.join(" → ")))
            .with_help("one of them must be computed from columns, or in an earlier step"),
    );
}
