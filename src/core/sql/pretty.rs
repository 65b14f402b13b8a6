//! Multi-line printer of expressions that breaks long lines. The printer uses a loop with an explicit stack instead of
//! recursion.

use super::multiline::{inline_window_call, write_multiline_node, write_over_clause};
use super::single_line::write_single_line;
use super::text::SqlText;
use super::tree::{SqlId, SqlTree};

/// Maximum number of characters in a line.
pub(super) const LINE_WIDTH: usize = 80;
const INDENT_WIDTH: usize = 4;
/// Indentation of the deepest lines. Without a limit, the length of the SQL would be quadratic for nested calls.
const MAX_INDENT: usize = 60;

/// Returns the indentation of the lines inside a construct that has the given indentation.
pub(super) fn inner_indent(indent: usize) -> usize {
    (indent + INDENT_WIDTH).min(MAX_INDENT)
}

pub(super) enum LayoutStep {
    /// A node on one line.
    Flat(SqlId),
    /// A node that may be broken, with the indent of its lines and the width of the text that must fit after the node.
    /// The node is in parentheses if `bracketed` is set.
    Broken {
        id: SqlId,
        bracketed: bool,
        indent: usize,
        after: usize,
    },
    /// An operand of a broken chain, except for the last operand. The `over` clause is printed on a separate line, so
    /// that the operators remain aligned.
    Leading {
        id: SqlId,
        bracketed: bool,
        indent: usize,
    },
    Str(&'static str),
    Line(usize),
}

impl LayoutStep {
    /// Prints a node without parentheses, which may be broken.
    pub(super) fn node(id: SqlId, indent: usize, after: usize) -> Self {
        Self::Broken {
            id,
            bracketed: false,
            indent,
            after,
        }
    }
}

/// Appends an expression and breaks it into lines that fit. `indent` is the indent of the current line, and `after` is
/// the width of the text that the caller prints next.
pub fn write_pretty(tree: &SqlTree, root: SqlId, indent: usize, after: usize, out: &mut SqlText) {
    let mut line_start = out.text.rfind('\n').map_or(0, |i| i + 1);
    let mut stack = vec![LayoutStep::Broken {
        id: root,
        bracketed: false,
        indent,
        after,
    }];
    let mut flat_stack = Vec::new();
    while let Some(step) = stack.pop() {
        match step {
            LayoutStep::Str(text) => out.text.push_str(text),
            LayoutStep::Line(indent) => {
                out.text.push('\n');
                line_start = out.text.len();
                out.push_spaces(indent);
            }
            LayoutStep::Flat(id) => write_single_line(tree, id, &mut flat_stack, out),
            LayoutStep::Leading { id, bracketed, indent } => {
                let fits = out.text.len() - line_start + tree.width(id) as usize <= LINE_WIDTH;
                match inline_window_call(tree, id).filter(|_| !bracketed && !fits) {
                    Some(x) => {
                        write_over_clause(tree, id, inner_indent(indent), &mut stack);
                        stack.extend([
                            LayoutStep::Line(inner_indent(indent)),
                            LayoutStep::Broken {
                                id: x,
                                bracketed,
                                indent,
                                after: 0,
                            },
                        ]);
                    }
                    None => stack.push(LayoutStep::Broken {
                        id,
                        bracketed,
                        indent,
                        after: 0,
                    }),
                }
            }
            LayoutStep::Broken {
                id,
                bracketed,
                indent,
                after,
            } => {
                let width = tree.width(id) as usize + if bracketed { 2 } else { 0 };
                let fits = out.text.len() - line_start + width + after <= LINE_WIDTH;
                if bracketed {
                    out.text.push('(');
                    stack.push(LayoutStep::Str(")"));
                }
                if fits {
                    write_single_line(tree, id, &mut flat_stack, out);
                } else if bracketed {
                    stack.push(LayoutStep::Line(indent));
                    stack.push(LayoutStep::Broken {
                        id,
                        bracketed: false,
                        indent: inner_indent(indent),
                        after: 0,
                    });
                    stack.push(LayoutStep::Line(inner_indent(indent)));
                } else {
                    write_multiline_node(tree, id, indent, after, &mut stack, out);
                }
            }
        }
    }
}
