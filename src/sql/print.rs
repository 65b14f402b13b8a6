//! An expression's text: in one line, or broken where the line is too short. Loops with a stack, never recursion.

use super::tree::{Slice, Sql, SqlId, Tree};
use crate::span::Span;

const WIDTH: usize = 80;
const INDENT: usize = 4;

/// A part of the SQL text and the part of the formula that it was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub sql: Span,
    pub formula: Span,
}

pub(crate) enum Step {
    /// A node; `bracketed` by the operand before it.
    Node {
        id: SqlId,
        bracketed: bool,
    },
    /// A node that may be broken, with the indent of its lines and what must still fit behind it.
    Broken {
        id: SqlId,
        bracketed: bool,
        indent: usize,
        after: usize,
    },
    Str(&'static str),
    Line(usize),
    /// The node that began at this offset ends here.
    End {
        id: SqlId,
        start: u32,
    },
}

/// Appends the text in one line.
pub(crate) fn flat(tree: &Tree, root: SqlId, stack: &mut Vec<Step>, out: &mut String) {
    stack.push(Step::Node { id: root, bracketed: false });
    run(tree, stack, out, 0, None);
}

/// The same, with the place of every node.
pub(crate) fn flat_mapped(tree: &Tree, root: SqlId, out: &mut String) -> Vec<Mapping> {
    let mut mappings = Vec::new();
    let mut stack = vec![Step::Node { id: root, bracketed: false }];
    run(tree, &mut stack, out, 0, Some(&mut mappings));
    mappings.sort_by_key(|m| (m.sql.start, std::cmp::Reverse(m.sql.end)));
    mappings.dedup();
    mappings
}

/// Appends the text, broken into lines that fit; `indent` is that of the line which is being written,
/// `after` the width of what the caller writes behind it.
pub(crate) fn pretty(tree: &Tree, root: SqlId, indent: usize, after: usize, out: &mut String) {
    let start = out.rfind('\n').map_or(0, |i| i + 1);
    let mut stack = vec![Step::Broken { id: root, bracketed: false, indent, after }];
    run(tree, &mut stack, out, start, None);
}

fn run(
    tree: &Tree,
    stack: &mut Vec<Step>,
    out: &mut String,
    mut line_start: usize,
    mut mappings: Option<&mut Vec<Mapping>>,
) {
    while let Some(step) = stack.pop() {
        match step {
            Step::Str(text) => out.push_str(text),
            Step::Line(indent) => {
                out.push('\n');
                line_start = out.len();
                out.extend(std::iter::repeat_n(' ', indent));
            }
            Step::Node { id, bracketed } => {
                if bracketed {
                    out.push('(');
                    stack.push(Step::Str(")"));
                }
                if mappings.is_some() {
                    stack.push(Step::End { id, start: out.len() as u32 });
                }
                flat_node(tree, id, stack, out);
            }
            Step::End { id, start } => {
                if let Some(mappings) = &mut mappings {
                    mappings.push(Mapping { sql: Span::new(start, out.len() as u32), formula: tree.meta(id).span });
                }
            }
            Step::Broken { id, bracketed, indent, after } => {
                let width = tree.width(id) as usize + if bracketed { 2 } else { 0 };
                let column = out.len() - line_start;
                if column + width + after <= WIDTH {
                    stack.push(Step::Node { id, bracketed });
                } else if bracketed {
                    out.push('(');
                    stack.push(Step::Str(")"));
                    stack.push(Step::Line(indent));
                    stack.push(Step::Broken { id, bracketed: false, indent: indent + INDENT, after: 0 });
                    stack.push(Step::Line(indent + INDENT));
                } else {
                    broken_node(tree, id, indent, after, stack, out);
                }
            }
        }
    }
}

fn flat_list(tree: &Tree, slice: Slice, gap: &'static str, stack: &mut Vec<Step>) {
    for (i, id) in tree.args(slice).iter().enumerate().rev() {
        stack.push(Step::Node { id: *id, bracketed: false });
        if i > 0 {
            stack.push(Step::Str(gap));
        }
    }
}

fn flat_node(tree: &Tree, id: SqlId, stack: &mut Vec<Step>, out: &mut String) {
    let node = tree.node(id);
    let (least, right_least) = Tree::least(node);
    let operand = |id: SqlId, least: u8| Step::Node { id, bracketed: tree.bracketed(node, id, least) };
    let plain = |id: SqlId| Step::Node { id, bracketed: false };
    match node {
        Sql::Word(word) => out.push_str(word),
        Sql::Text { first, len } => out.push_str(tree.str(first, len)),
        Sql::Field { qualifier, name } => stack.extend([plain(name), Step::Str("."), plain(qualifier)]),
        Sql::Call { name, args } => {
            out.push_str(name);
            out.push('(');
            stack.push(Step::Str(")"));
            flat_list(tree, args, ", ", stack);
        }
        Sql::Binary { op, left, right } => stack.extend([
            operand(right, right_least),
            Step::Str(" "),
            Step::Str(op.text()),
            Step::Str(" "),
            operand(left, least),
        ]),
        Sql::Unary { op, x } => {
            out.push_str(op);
            if op == "not" {
                out.push(' ');
            }
            stack.push(operand(x, least));
        }
        Sql::Postfix { op, x } => stack.extend([Step::Str(op), Step::Str(" "), operand(x, least)]),
        Sql::In { x, negated, args } => {
            stack.push(Step::Str(")"));
            flat_list(tree, args, ", ", stack);
            stack.extend([Step::Str(if negated { " not in (" } else { " in (" }), operand(x, least)]);
        }
        Sql::Between { x, low, high } => stack.extend([
            operand(high, right_least),
            Step::Str(" and "),
            operand(low, right_least),
            Step::Str(" between "),
            operand(x, least),
        ]),
        Sql::Case { subject, arms } => {
            out.push_str("case");
            stack.push(Step::Str(" end"));
            for pair in tree.args(arms).chunks(2).rev() {
                match pair {
                    [test, value] => {
                        stack.extend([plain(*value), Step::Str(" then "), plain(*test), Step::Str(" when ")])
                    }
                    [value] => stack.extend([plain(*value), Step::Str(" else ")]),
                    _ => {}
                }
            }
            if let Some(subject) = subject {
                stack.extend([plain(subject), Step::Str(" ")]);
            }
        }
        Sql::Cast { name, x, ty } => {
            out.push_str(name);
            out.push('(');
            stack.extend([Step::Str(")"), Step::Str(ty), Step::Str(" as "), plain(x)]);
        }
        Sql::Spaced(args) => flat_list(tree, args, " ", stack),
        Sql::List(args) => flat_list(tree, args, ", ", stack),
        Sql::Paren(x) => {
            out.push('(');
            stack.extend([Step::Str(")"), plain(x)]);
        }
        Sql::Bracket(args) => {
            out.push('[');
            stack.push(Step::Str("]"));
            flat_list(tree, args, ", ", stack);
        }
        Sql::Subscript { x, index } => {
            stack.extend([Step::Str("]"), plain(index), Step::Str("["), operand(x, least)]);
        }
        Sql::Over { x, partition, order } => {
            stack.push(Step::Str(")"));
            flat_list(tree, order, ", ", stack);
            if order.count > 0 {
                stack.push(Step::Str(if partition.count > 0 { " order by " } else { "order by " }));
            }
            flat_list(tree, partition, ", ", stack);
            if partition.count > 0 {
                stack.push(Step::Str("partition by "));
            }
            stack.extend([Step::Str(" over ("), plain(x)]);
        }
    }
}

/// One item a line, at `indent`.
fn lines(tree: &Tree, slice: Slice, indent: usize, stack: &mut Vec<Step>) {
    for (i, id) in tree.args(slice).iter().enumerate().rev() {
        let last = i + 1 == slice.count as usize;
        if !last {
            stack.push(Step::Str(","));
        }
        stack.push(Step::Broken { id: *id, bracketed: false, indent, after: usize::from(!last) });
        stack.push(Step::Line(indent));
    }
}

fn broken_node(tree: &Tree, id: SqlId, indent: usize, after: usize, stack: &mut Vec<Step>, out: &mut String) {
    let node = tree.node(id);
    let (least, right_least) = Tree::least(node);
    let inner = indent + INDENT;
    let at = |id: SqlId, bracketed: bool, indent: usize, after: usize| Step::Broken { id, bracketed, indent, after };
    match node {
        Sql::Word(_) | Sql::Text { .. } | Sql::Field { .. } => flat_node(tree, id, stack, out),
        Sql::Call { args: Slice { count: 0, .. }, .. } => flat_node(tree, id, stack, out),
        Sql::Call { name, args } => {
            out.push_str(name);
            out.push('(');
            stack.extend([Step::Str(")"), Step::Line(indent)]);
            lines(tree, args, inner, stack);
        }
        Sql::Binary { op, .. } => {
            // The whole chain of operators of one strength is broken, each at its operator.
            let mut chain = Vec::new();
            let mut left = id;
            while let Sql::Binary { op: this, left: a, right: b } = tree.node(left) {
                if this.strength() != op.strength() {
                    break;
                }
                if left != id && tree.bracketed(node, left, least) {
                    break;
                }
                chain.push((this, b, tree.bracketed(tree.node(left), b, right_least)));
                left = a;
            }
            for (i, (op, right, bracketed)) in chain.iter().enumerate() {
                stack.push(at(*right, *bracketed, indent, if i == 0 { after } else { 0 }));
                stack.extend([Step::Str(" "), Step::Str(op.text()), Step::Line(indent)]);
            }
            stack.push(at(left, tree.bracketed(node, left, least), indent, 0));
        }
        Sql::Unary { op, x } => {
            out.push_str(op);
            if op == "not" {
                out.push(' ');
            }
            stack.push(at(x, tree.bracketed(node, x, least), indent, after));
        }
        Sql::Postfix { op, x } => {
            stack.extend([
                Step::Str(op),
                Step::Str(" "),
                at(x, tree.bracketed(node, x, least), indent, op.len() + 1 + after),
            ]);
        }
        Sql::In { x, negated, args } => {
            stack.extend([Step::Str(")"), Step::Line(indent)]);
            lines(tree, args, inner, stack);
            let word = if negated { " not in (" } else { " in (" };
            stack.extend([Step::Str(word), at(x, tree.bracketed(node, x, least), indent, word.len())]);
        }
        Sql::Between { x, low, high } => stack.extend([
            at(high, tree.bracketed(node, high, right_least), indent, after),
            Step::Str(" and "),
            at(low, tree.bracketed(node, low, right_least), indent, 4),
            Step::Str(" between "),
            at(x, tree.bracketed(node, x, least), indent, 9),
        ]),
        Sql::Case { subject, arms } => {
            out.push_str("case");
            stack.extend([Step::Str("end"), Step::Line(indent)]);
            for pair in tree.args(arms).chunks(2).rev() {
                match pair {
                    [test, value] => arm(tree, *test, *value, inner, stack),
                    [value] => stack.extend([at(*value, false, inner, 0), Step::Str("else "), Step::Line(inner)]),
                    _ => {}
                }
            }
            if let Some(subject) = subject {
                stack.extend([at(subject, false, indent, 0), Step::Str(" ")]);
            }
        }
        Sql::Cast { name, x, ty } => {
            out.push_str(name);
            out.push('(');
            stack.extend([
                Step::Str(")"),
                Step::Line(indent),
                Step::Str(ty),
                Step::Str(" as "),
                at(x, false, inner, ty.len() + 4),
                Step::Line(inner),
            ]);
        }
        Sql::Spaced(args) => {
            for (i, part) in tree.args(args).iter().enumerate().rev() {
                stack.push(at(*part, false, indent, if i + 1 == args.count as usize { after } else { 0 }));
                if i > 0 {
                    stack.push(Step::Str(" "));
                }
            }
        }
        Sql::List(args) => {
            for (i, id) in tree.args(args).iter().enumerate().rev() {
                stack.push(at(*id, false, indent, 1));
                if i > 0 {
                    stack.extend([Step::Line(indent), Step::Str(",")]);
                }
            }
        }
        Sql::Paren(x) => {
            out.push('(');
            stack.extend([Step::Str(")"), Step::Line(indent), at(x, false, inner, 0), Step::Line(inner)]);
        }
        Sql::Bracket(args) => {
            out.push('[');
            stack.extend([Step::Str("]"), Step::Line(indent)]);
            lines(tree, args, inner, stack);
        }
        Sql::Subscript { x, index } => {
            stack.extend([
                Step::Str("]"),
                at(index, false, indent, 1),
                Step::Str("["),
                at(x, tree.bracketed(node, x, least), indent, 1),
            ]);
        }
        Sql::Over { x, partition, order } => {
            stack.extend([Step::Str(")"), Step::Line(indent)]);
            for (word, slice) in [("order by", order), ("partition by", partition)] {
                if slice.count == 0 {
                    continue;
                }
                let width: usize = tree.args(slice).iter().map(|i| tree.width(*i) as usize + 2).sum();
                if inner + word.len() + 1 + width <= WIDTH {
                    flat_list(tree, slice, ", ", stack);
                    stack.push(Step::Str(" "));
                } else {
                    lines(tree, slice, inner + INDENT, stack);
                }
                stack.extend([Step::Str(word), Step::Line(inner)]);
            }
            stack.extend([Step::Str(" over ("), at(x, false, indent, 7)]);
        }
    }
}

/// `when test then value`: in one line, in two, or with the test broken below `when`.
fn arm(tree: &Tree, test: SqlId, value: SqlId, indent: usize, stack: &mut Vec<Step>) {
    let (test_width, value_width) = (tree.width(test) as usize, tree.width(value) as usize);
    let inner = indent + INDENT;
    let node = |id: SqlId, indent: usize| Step::Broken { id, bracketed: false, indent, after: 0 };
    if indent + 5 + test_width + 6 + value_width <= WIDTH {
        stack.extend([
            node(value, indent),
            Step::Str(" then "),
            node(test, indent),
            Step::Str("when "),
            Step::Line(indent),
        ]);
    } else if indent + 5 + test_width <= WIDTH {
        stack.extend([
            node(value, inner),
            Step::Str("then "),
            Step::Line(inner),
            node(test, indent),
            Step::Str("when "),
            Step::Line(indent),
        ]);
    } else {
        stack.extend([
            node(value, inner),
            Step::Str("then "),
            Step::Line(inner),
            node(test, inner),
            Step::Line(inner),
            Step::Str("when"),
            Step::Line(indent),
        ]);
    }
}
