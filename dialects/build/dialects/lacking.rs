//! Removes the inherited templates that use a function, keyword or operator in the dialect's list `lacks`.

use super::{Cell, Dialect, inserted_function};
use crate::catalogue::Function;
use crate::template::Node;

/// Removes the inherited templates that contain a word. Returns `false` if no template contains it.
pub fn remove_templates(dialect: &mut Dialect, parent: &Dialect, word: &str) -> bool {
    let mut is_found = false;
    for (cell, inherited) in dialect.cells.iter_mut().zip(&parent.cells) {
        let has_word = |nodes: &[Node]| nodes.iter().any(|node| node_word(node) == Some(word));
        if matches!(inherited, Cell::Template(nodes, _) if has_word(nodes)) {
            is_found = true;
            if cell == inherited {
                *cell = Cell::Unsupported(format!(
                    "{{dialect}} does not have `{word}`; compute the value in a dbt model with your own SQL, or outside \
                     the warehouse, and read it as a column"
                ));
            }
        }
    }
    is_found
}

/// Removes the templates that depend on an internal function without a template. For example, `{value:float}` inserts
/// `to_float`.
pub fn remove_dependent_templates(dialect: &mut Dialect, functions: &[Function]) {
    let firsts = functions.iter().scan(0, |next, function| {
        let first = *next;
        *next += function.overloads.len();
        Some(first..*next)
    });
    let cells_of: Vec<_> = firsts.collect();
    loop {
        let reason_of = |mode: &str| -> Option<String> {
            let entry = &dialect.cells[cells_of[inserted_function(functions, mode)?].clone()];
            let has_template = entry.iter().any(|cell| matches!(cell, Cell::Template(..)));
            let mut reasons = entry.iter().filter_map(|cell| match cell {
                Cell::Unsupported(reason) => Some(reason.clone()),
                Cell::Missing | Cell::Template(..) => None,
            });
            reasons.next().filter(|_| !has_template)
        };
        let removed: Vec<(usize, String)> = (dialect.templates().enumerate())
            .filter_map(|(index, nodes)| Some((index, nodes?.iter().filter_map(Node::mode).find_map(reason_of)?)))
            .collect();
        if removed.is_empty() {
            return;
        }
        for (index, reason) in removed {
            dialect.cells[index] = Cell::Unsupported(reason);
        }
    }
}

/// Returns the function, the keyword or the operator of a node.
fn node_word(node: &Node) -> Option<&str> {
    match node {
        Node::Word(word) => Some(word),
        Node::Call { name, .. } | Node::Cast { name, .. } => Some(name),
        Node::Binary { op, .. } | Node::ArgJoin { op, .. } | Node::Postfix { op, .. } => Some(op),
        _ => None,
    }
}
