//! An expression's text, broken into lines where one is too short. A loop with a stack, never recursion.

use super::flat;
use super::tree::{Slice, Sql, SqlId, Tree};
use crate::dialect::op::Op;

/// Characters of a line.
pub(super) const WIDTH: usize = 80;
const INDENT: usize = 4;

enum Step {
    /// A node in one line.
    Flat(SqlId),
    /// A node that may be broken, with the indent of its lines and what must still fit behind it;
    /// `bracketed` by the operand before it.
    Broken {
        id: SqlId,
        bracketed: bool,
        indent: usize,
        after: usize,
    },
    /// An operand of a broken chain that another one follows: `over` is on a line of its own, so that the operators
    /// stay aligned.
    Leading {
        id: SqlId,
        bracketed: bool,
        indent: usize,
    },
    Str(&'static str),
    Line(usize),
}

/// Appends the text, broken into lines that fit; `indent` is that of the line which is being written,
/// `after` the width of what the caller writes behind it.
pub fn pretty(tree: &Tree, root: SqlId, indent: usize, after: usize, out: &mut String) {
    let mut line_start = out.rfind('\n').map_or(0, |i| i + 1);
    let mut stack = vec![Step::Broken { id: root, bracketed: false, indent, after }];
    let mut flat_stack = Vec::new();
    while let Some(step) = stack.pop() {
        match step {
            Step::Str(text) => out.push_str(text),
            Step::Line(indent) => {
                out.push('\n');
                line_start = out.len();
                out.extend(std::iter::repeat_n(' ', indent));
            }
            Step::Flat(id) => flat::flat(tree, id, &mut flat_stack, out),
            Step::Leading { id, bracketed, indent } => {
                let fits = out.len() - line_start + tree.width(id) as usize <= WIDTH;
                match window_of(tree, id).filter(|_| !bracketed && !fits) {
                    Some(x) => {
                        over(tree, id, indent + INDENT, &mut stack);
                        stack
                            .extend([Step::Line(indent + INDENT), Step::Broken { id: x, bracketed, indent, after: 0 }]);
                    }
                    None => stack.push(Step::Broken { id, bracketed, indent, after: 0 }),
                }
            }
            Step::Broken { id, bracketed, indent, after } => {
                let width = tree.width(id) as usize + if bracketed { 2 } else { 0 };
                let fits = out.len() - line_start + width + after <= WIDTH;
                if bracketed {
                    out.push('(');
                    stack.push(Step::Str(")"));
                }
                if fits {
                    flat::flat(tree, id, &mut flat_stack, out);
                } else if bracketed {
                    stack.push(Step::Line(indent));
                    stack.push(Step::Broken { id, bracketed: false, indent: indent + INDENT, after: 0 });
                    stack.push(Step::Line(indent + INDENT));
                } else {
                    broken_node(tree, id, indent, after, &mut stack, out);
                }
            }
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
    let (node, meta) = tree.entry(id);
    let [first, second, third] = [0, 1, 2].map(|place| meta.brackets.at(place));
    let inner = indent + INDENT;
    let at = |id: SqlId, bracketed: bool, indent: usize, after: usize| Step::Broken { id, bracketed, indent, after };
    match *node {
        Sql::Word(_) | Sql::Text { .. } | Sql::Field { .. } => stack.push(Step::Flat(id)),
        Sql::Call { args: Slice { count: 0, .. }, .. } => stack.push(Step::Flat(id)),
        Sql::Call { name, args } => {
            out.push_str(name);
            out.push('(');
            stack.extend([Step::Str(")"), Step::Line(indent)]);
            lines(tree, args, inner, stack);
        }
        Sql::Binary { op, .. } => {
            // The whole chain of operators of one strength is broken, each at its operator.
            let mut last = true;
            let mut open = vec![(None, id, false)];
            while let Some((before, part, bracketed)) = open.pop() {
                let (node, meta) = tree.entry(part);
                match *node {
                    Sql::Binary { op: this, left, right } if !bracketed && this.strength() == op.strength() => {
                        open.push((before, left, meta.brackets.at(0)));
                        open.push((Some(this), right, meta.brackets.at(1)));
                    }
                    _ => {
                        match before {
                            Some(op) => {
                                stack.push(match last {
                                    true => at(part, bracketed, indent, after),
                                    false => Step::Leading { id: part, bracketed, indent },
                                });
                                stack.extend([Step::Str(" "), Step::Str(Op::text(op)), Step::Line(indent)]);
                            }
                            None => stack.push(Step::Leading { id: part, bracketed, indent }),
                        }
                        last = false;
                    }
                }
            }
        }
        Sql::Not(x) => {
            out.push_str("not ");
            stack.push(at(x, first, indent, after));
        }
        Sql::Negative(x) => {
            out.push('-');
            stack.push(at(x, first, indent, after));
        }
        Sql::Postfix { op, x } => {
            let blank = if op.starts_with('.') { "" } else { " " };
            stack.extend([Step::Str(op), Step::Str(blank), at(x, first, indent, op.len() + blank.len() + after)]);
        }
        Sql::In { x, negated, args } => {
            stack.extend([Step::Str(")"), Step::Line(indent)]);
            lines(tree, args, inner, stack);
            let word = if negated { " not in (" } else { " in (" };
            stack.extend([Step::Str(word), at(x, first, indent, word.len())]);
        }
        Sql::Between { x, low, high } => stack.extend([
            at(high, third, indent, after),
            Step::Str(" and "),
            at(low, second, indent, 4),
            Step::Str(" between "),
            at(x, first, indent, 9),
        ]),
        Sql::Case { subject, arms } => {
            out.push_str("case");
            stack.extend([Step::Str("end"), Step::Line(indent)]);
            let chain: Vec<Slice> = std::iter::successors(Some(arms), |arms| tree.goes_on(subject, *arms)).collect();
            for (index, arms) in chain.iter().enumerate().rev() {
                let last = index + 1 == chain.len();
                for pair in tree.args(*arms).chunks(2).rev() {
                    match pair {
                        [test, value] => arm(tree, *test, *value, inner, stack),
                        [value] if last => {
                            branch(tree, "else", *value, inner, stack);
                            stack.push(Step::Line(inner));
                        }
                        _ => {}
                    }
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
            stack.extend([Step::Str("]"), at(index, false, indent, 1), Step::Str("["), at(x, first, indent, 1)]);
        }
        Sql::Over { x, partition, order, rows: None } if partition.count + order.count == 0 => {
            stack.extend([Step::Str(" over ()"), at(x, false, indent, 8)]);
        }
        Sql::OverNamed { x, name, rows: None } => {
            stack.extend([Step::Flat(name), Step::Str(" over "), at(x, false, indent, 6 + tree.width(name) as usize)]);
        }
        Sql::OverNamed { x, .. } | Sql::Over { x, .. } => {
            over(tree, id, indent, stack);
            stack.extend([Step::Str(" "), at(x, false, indent, 7)]);
        }
    }
}

/// What a window with brackets of its own is of.
fn window_of(tree: &Tree, id: SqlId) -> Option<SqlId> {
    match *tree.node(id) {
        Sql::OverNamed { x, rows: Some(_), .. } => Some(x),
        Sql::Over { x, partition, order, rows } if rows.is_some() || partition.count + order.count > 0 => Some(x),
        _ => None,
    }
}

/// `over (…)`, broken, with its last bracket at `indent`.
fn over(tree: &Tree, id: SqlId, indent: usize, stack: &mut Vec<Step>) {
    let inner = indent + INDENT;
    stack.extend([Step::Str(")"), Step::Line(indent)]);
    match *tree.node(id) {
        Sql::OverNamed { name, rows, .. } => {
            stack.extend(rows.into_iter().flat_map(|rows| [Step::Flat(rows), Step::Line(inner)]));
            stack.extend([Step::Flat(name), Step::Line(inner)]);
        }
        Sql::Over { partition, order, rows, .. } => {
            stack.extend(rows.into_iter().flat_map(|rows| [Step::Flat(rows), Step::Line(inner)]));
            for (word, slice) in [("order by", order), ("partition by", partition)] {
                if slice.count == 0 {
                    continue;
                }
                let width: usize = tree.args(slice).iter().map(|i| tree.width(*i) as usize + 2).sum();
                if inner + word.len() + 1 + width <= WIDTH {
                    for (i, id) in tree.args(slice).iter().enumerate().rev() {
                        stack.push(Step::Flat(*id));
                        stack.push(Step::Str(if i > 0 { ", " } else { " " }));
                    }
                } else {
                    lines(tree, slice, inner + INDENT, stack);
                }
                stack.extend([Step::Str(word), Step::Line(inner)]);
            }
        }
        _ => {}
    }
    stack.push(Step::Str("over ("));
}

/// A value behind `then` or `else`; a chain of operators that is broken stands below, so that it is aligned.
fn branch(tree: &Tree, word: &'static str, value: SqlId, indent: usize, stack: &mut Vec<Step>) {
    let is_chain = matches!(tree.node(value), Sql::Binary { .. });
    let below = is_chain && indent + word.len() + 1 + tree.width(value) as usize > WIDTH;
    if below {
        stack.push(Step::Broken { id: value, bracketed: false, indent: indent + INDENT, after: 0 });
        stack.push(Step::Line(indent + INDENT));
    } else {
        stack.extend([Step::Broken { id: value, bracketed: false, indent, after: 0 }, Step::Str(" ")]);
    }
    stack.push(Step::Str(word));
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
        branch(tree, "then", value, inner, stack);
        stack.extend([Step::Line(inner), node(test, indent), Step::Str("when "), Step::Line(indent)]);
    } else {
        branch(tree, "then", value, inner, stack);
        stack.extend([Step::Line(inner), node(test, inner), Step::Line(inner), Step::Str("when"), Step::Line(indent)]);
    }
}
