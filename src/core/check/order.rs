//! Sorts the definitions topologically and reports circular definitions.

use rustc_hash::FxHashMap;

use crate::arena::Arena;
use crate::ast::Ast;
use crate::check::names::ResolvedNames;
use crate::diag::{Code, Diagnostic};

/// Computes an order in which every definition comes after the definitions that it uses, except in circular
/// definitions.
pub(super) fn order_definitions(
    ast: &Ast,
    source: &str,
    names: &mut ResolvedNames,
    order: &mut Vec<u32>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let count = ast.definitions.len();
    if names.uses.is_empty() {
        order.extend(0..count as u32);
        return;
    }
    // The uses are sorted by the definition that contains the use. `starts` contains the index of the first use in each
    // definition.
    let mut starts = Arena::filled(0u32, count + 1);
    for (user, _) in &names.uses {
        starts[*user as usize + 1] += 1;
    }
    for i in 0..count {
        starts[i + 1] += starts[i];
    }
    // Tarjan's algorithm for strongly connected components. `found` contains the discovery time of each node, and
    // `least` the lowest discovery time reachable from the node.
    const UNVISITED: u32 = 0;
    const VISITED: u32 = u32::MAX;
    let mut arena = Arena::filled(UNVISITED, count);
    let mut least = Arena::filled(0u32, count);
    let mut time = 0;
    let mut stack: Vec<(u32, u32)> = Vec::new();
    let mut open: Vec<u32> = Vec::new();
    for root in 0..count as u32 {
        if arena[root as usize] != UNVISITED {
            continue;
        }
        let mut entered = Some(root);
        loop {
            if let Some(definition) = entered.take() {
                time += 1;
                arena[definition as usize] = time;
                least[definition as usize] = time;
                open.push(definition);
                stack.push((definition, starts[definition as usize]));
            }
            let Some((definition, next)) = stack.last_mut() else {
                break;
            };
            let index = *definition as usize;
            if *next < starts[index + 1] {
                let dependency = names.uses[*next as usize].1;
                *next += 1;
                match arena[dependency as usize] {
                    UNVISITED => entered = Some(dependency),
                    VISITED => {}
                    time => least[index] = least[index].min(time),
                }
                continue;
            }
            stack.pop();
            order.push(index as u32);
            if let Some((user, _)) = stack.last() {
                least[*user as usize] = least[*user as usize].min(least[index]);
            }
            if least[index] == arena[index] {
                let from = open.iter().rposition(|d| *d == index as u32).unwrap_or(0);
                let members = open.get(from..).unwrap_or_default();
                for member in members {
                    arena[*member as usize] = VISITED;
                }
                if members.len() > 1 {
                    report_cycle(ast, source, members, names, &starts, diagnostics);
                }
                open.truncate(from);
            }
        }
    }
}

/// Reports a single error for definitions that depend on each other. The error shows the shortest cycle through the
/// first definition.
#[cold]
fn report_cycle(
    ast: &Ast,
    source: &str,
    members: &[u32],
    names: &mut ResolvedNames,
    starts: &Arena<u32>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let Some(first) = members.iter().copied().min() else {
        return;
    };
    let mut before: FxHashMap<u32, Option<u32>> = members.iter().map(|m| (*m, None)).collect();
    let mut queue = std::collections::VecDeque::from([first]);
    let mut last = first;
    'search: while let Some(user) = queue.pop_front() {
        for (_, dependency) in names
            .uses
            .range(starts[user as usize] as usize..starts[user as usize + 1] as usize)
        {
            if *dependency == first {
                last = user;
                break 'search;
            }
            if let Some(unseen @ None) = before.get_mut(dependency) {
                *unseen = Some(user);
                queue.push_back(*dependency);
            }
        }
    }
    let mut path = vec![last];
    while let Some(Some(user)) = before.get(&last).filter(|_| last != first) {
        path.push(*user);
        last = *user;
    }
    path.reverse();
    let name = |d: &u32| ast.definition(*d).name.map_or("", |n| n.text(source));
    let mut shown_names: Vec<&str> = path.iter().take(12).map(name).collect();
    if let (true, Some(twelfth)) = (path.len() > 12, shown_names.last_mut()) {
        *twelfth = "…";
    }
    shown_names.push(name(&first));
    for member in members {
        names.failed[*member as usize] = true;
    }
    let span = ast.definition(first).name.unwrap_or_default();
    diagnostics.push(
        Diagnostic::new(
            Code::DefinitionCycle,
            span,
            format!(
                "these definitions depend on each other in a cycle: {}",
                shown_names.join(" → ")
            ),
        )
        .with_help("compute one of the definitions from columns only, or define it in an earlier step"),
    );
}
