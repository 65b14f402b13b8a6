//! Line breaks of expressions that do not fit on one line, by kind of node.

use super::pretty::{LINE_WIDTH, LayoutStep, inner_indent};
use super::text::SqlText;
use super::tree::{Sql, SqlId, SqlSlice, SqlTree};
use crate::dialect::op::Op;

/// Prints one item per line, at `indent`.
fn write_list_lines(tree: &SqlTree, slice: SqlSlice, indent: usize, stack: &mut Vec<LayoutStep>) {
    for (i, id) in tree.args(slice).iter().enumerate().rev() {
        let last = i + 1 == slice.count as usize;
        if !last {
            stack.push(LayoutStep::Str(","));
        }
        stack.push(LayoutStep::node(*id, indent, usize::from(!last)));
        stack.push(LayoutStep::Line(indent));
    }
}

/// Prints parts with spaces between them. Line breaks occur only inside the parts.
fn write_spaced_parts(tree: &SqlTree, slice: SqlSlice, indent: usize, after: usize, stack: &mut Vec<LayoutStep>) {
    for (i, part) in tree.args(slice).iter().enumerate().rev() {
        let is_last = i + 1 == slice.count as usize;
        stack.push(LayoutStep::node(*part, indent, if is_last { after } else { 0 }));
        if i > 0 {
            stack.push(LayoutStep::Str(" "));
        }
    }
}

/// Prints one item per line without brackets. The first item is on the current line.
fn write_unbracketed_lines(tree: &SqlTree, slice: SqlSlice, indent: usize, stack: &mut Vec<LayoutStep>) {
    for (i, id) in tree.args(slice).iter().enumerate().rev() {
        stack.push(LayoutStep::node(*id, indent, 1));
        if i > 0 {
            stack.extend([LayoutStep::Line(indent), LayoutStep::Str(",")]);
        }
    }
}

/// Prints a node that does not fit on one line. The pieces are pushed in reverse order.
pub(super) fn write_multiline_node(
    tree: &SqlTree,
    id: SqlId,
    indent: usize,
    after: usize,
    stack: &mut Vec<LayoutStep>,
    out: &mut SqlText,
) {
    let (node, meta) = tree.entry(id);
    let [first, second, third] = [0, 1, 2].map(|position| meta.brackets.is_set(position));
    let inner = inner_indent(indent);
    let broken_step = |id: SqlId, bracketed: bool, indent: usize, after: usize| LayoutStep::Broken {
        id,
        bracketed,
        indent,
        after,
    };
    match *node {
        Sql::Word(_)
        | Sql::Text { .. }
        | Sql::Macro { .. }
        | Sql::Field { .. }
        | Sql::Call {
            args: SqlSlice { count: 0, .. },
            ..
        } => stack.push(LayoutStep::Flat(id)),
        Sql::Call { name, args } => {
            out.text.push_str(name);
            out.text.push('(');
            stack.extend([LayoutStep::Str(")"), LayoutStep::Line(indent)]);
            write_list_lines(tree, args, inner, stack);
        }
        Sql::Binary { op, .. } => write_operator_chain(tree, id, op, indent, after, stack),
        Sql::Not(x) => {
            out.text.push_str("not ");
            stack.push(broken_step(x, first, indent, after));
        }
        Sql::Negative(x) => {
            out.text.push('-');
            stack.push(broken_step(x, first, indent, after));
        }
        Sql::Postfix { op, x } => {
            let blank = if op.starts_with('.') { "" } else { " " };
            stack.extend([
                LayoutStep::Str(op),
                LayoutStep::Str(blank),
                broken_step(x, first, indent, op.len() + blank.len() + after),
            ]);
        }
        Sql::In { x, negated, args } => {
            stack.extend([LayoutStep::Str(")"), LayoutStep::Line(indent)]);
            write_list_lines(tree, args, inner, stack);
            let word = if negated { " not in (" } else { " in (" };
            stack.extend([LayoutStep::Str(word), broken_step(x, first, indent, word.len())]);
        }
        Sql::Between { x, low, high } => stack.extend([
            broken_step(high, third, indent, after),
            LayoutStep::Str(" and "),
            broken_step(low, second, indent, 4),
            LayoutStep::Str(" between "),
            broken_step(x, first, indent, 9),
        ]),
        Sql::Case { subject, arms } => {
            out.text.push_str("case");
            write_case(tree, subject, arms, indent, stack);
        }
        Sql::Cast { name, x, ty } => {
            out.text.push_str(name);
            out.text.push('(');
            stack.extend([
                LayoutStep::Str(")"),
                LayoutStep::Line(indent),
                LayoutStep::Str(ty),
                LayoutStep::Str(" as "),
                LayoutStep::node(x, inner, ty.len() + 4),
                LayoutStep::Line(inner),
            ]);
        }
        Sql::Spaced(args) => write_spaced_parts(tree, args, indent, after, stack),
        Sql::List(args) => write_unbracketed_lines(tree, args, indent, stack),
        Sql::Paren(x) => {
            out.text.push('(');
            stack.extend([
                LayoutStep::Str(")"),
                LayoutStep::Line(indent),
                LayoutStep::node(x, inner, 0),
                LayoutStep::Line(inner),
            ]);
        }
        Sql::Bracket(args) => {
            out.text.push('[');
            stack.extend([LayoutStep::Str("]"), LayoutStep::Line(indent)]);
            write_list_lines(tree, args, inner, stack);
        }
        Sql::Subscript { x, index } => {
            stack.extend([
                LayoutStep::Str("]"),
                LayoutStep::node(index, indent, 1),
                LayoutStep::Str("["),
                broken_step(x, first, indent, 1),
            ]);
        }
        Sql::OverNamed { x, .. } | Sql::Over { x, .. } => write_window(tree, id, x, indent, stack),
        Sql::Subquery { value, name, from } => write_subquery(value, name, from, indent, stack),
    }
}

fn write_subquery(value: SqlId, name: &'static str, from: SqlId, indent: usize, stack: &mut Vec<LayoutStep>) {
    let inner = inner_indent(indent);
    stack.extend([
        LayoutStep::Str(")"),
        LayoutStep::Line(indent),
        LayoutStep::Flat(from),
        LayoutStep::Str("from "),
        LayoutStep::Line(inner),
        LayoutStep::Str(name),
        LayoutStep::Str(" as "),
        LayoutStep::node(value, inner_indent(inner), name.len() + 4),
        LayoutStep::Line(inner_indent(inner)),
        LayoutStep::Str("select"),
        LayoutStep::Line(inner),
        LayoutStep::Str("("),
    ]);
}

/// Prints a chain of operators with the same precedence, broken at each operator. A subquery begins on the line of its
/// operator.
fn write_operator_chain(tree: &SqlTree, id: SqlId, op: Op, indent: usize, after: usize, stack: &mut Vec<LayoutStep>) {
    if let (Sql::Binary { left, right, .. }, meta) = *tree.entry(id)
        && matches!(tree.node(right), Sql::Subquery { .. })
    {
        let operand = |id: SqlId, index: u8, after: usize| LayoutStep::Broken {
            id,
            bracketed: meta.brackets.is_set(index),
            indent,
            after,
        };
        stack.extend([
            operand(right, 1, after),
            LayoutStep::Str(op.spaced_symbol()),
            operand(left, 0, op.spaced_symbol().len() + 1),
        ]);
        return;
    }
    let mut last = true;
    let mut open = vec![(None, id, false)];
    while let Some((before, part, bracketed)) = open.pop() {
        let (node, meta) = tree.entry(part);
        match *node {
            Sql::Binary { op: this, left, right } if !bracketed && this.strength() == op.strength() => {
                open.push((before, left, meta.brackets.is_set(0)));
                open.push((Some(this), right, meta.brackets.is_set(1)));
                continue;
            }
            _ => {}
        }
        stack.push(match before {
            Some(_) if last => LayoutStep::Broken {
                id: part,
                bracketed,
                indent,
                after,
            },
            _ => LayoutStep::Leading {
                id: part,
                bracketed,
                indent,
            },
        });
        if let Some(op) = before {
            stack.extend([
                LayoutStep::Str(" "),
                LayoutStep::Str(Op::text(op)),
                LayoutStep::Line(indent),
            ]);
        }
        last = false;
    }
}

/// Prints the arms of a CASE on separate lines.
fn write_case(tree: &SqlTree, subject: Option<SqlId>, arms: SqlSlice, indent: usize, stack: &mut Vec<LayoutStep>) {
    let inner = inner_indent(indent);
    stack.extend([LayoutStep::Str("end"), LayoutStep::Line(indent)]);
    let chain: Vec<SqlSlice> =
        std::iter::successors(Some(arms), |arms| tree.arms_of_default_case(subject, *arms)).collect();
    for (index, arms) in chain.iter().enumerate().rev() {
        let last = index + 1 == chain.len();
        for pair in tree.args(*arms).chunks(2).rev() {
            match pair {
                [test, value] => write_case_arm(tree, *test, *value, inner, stack),
                [value] if last => {
                    write_case_branch(tree, "else", *value, inner, stack);
                    stack.push(LayoutStep::Line(inner));
                }
                _ => {}
            }
        }
    }
    if let Some(subject) = subject {
        stack.extend([LayoutStep::node(subject, indent, 0), LayoutStep::Str(" ")]);
    }
}

/// Prints a call to a window function. The window is on the same line if it is empty or only a name.
fn write_window(tree: &SqlTree, id: SqlId, call: SqlId, indent: usize, stack: &mut Vec<LayoutStep>) {
    match *tree.node(id) {
        Sql::Over {
            partition,
            order,
            rows: None,
            ..
        } if partition.count + order.count == 0 => {
            stack.extend([LayoutStep::Str(" over ()"), LayoutStep::node(call, indent, 8)]);
        }
        Sql::OverNamed { name, rows: None, .. } => {
            stack.extend([
                LayoutStep::Flat(name),
                LayoutStep::Str(" over "),
                LayoutStep::node(call, indent, 6 + tree.width(name) as usize),
            ]);
        }
        _ => {
            write_over_clause(tree, id, indent, stack);
            stack.extend([LayoutStep::Str(" "), LayoutStep::node(call, indent, 7)]);
        }
    }
}

/// Returns the function call of a window with an inline definition in parentheses. `None` for other nodes.
pub(super) fn inline_window_call(tree: &SqlTree, id: SqlId) -> Option<SqlId> {
    match *tree.node(id) {
        Sql::OverNamed { x, rows: Some(_), .. } => Some(x),
        Sql::Over {
            x,
            partition,
            order,
            rows,
        } if rows.is_some() || partition.count + order.count > 0 => Some(x),
        _ => None,
    }
}

/// Prints `over (…)` on several lines, with the closing parenthesis at `indent`.
pub(super) fn write_over_clause(tree: &SqlTree, id: SqlId, indent: usize, stack: &mut Vec<LayoutStep>) {
    let inner = inner_indent(indent);
    stack.extend([LayoutStep::Str(")"), LayoutStep::Line(indent)]);
    match *tree.node(id) {
        Sql::OverNamed { name, rows, .. } => {
            rows.into_iter()
                .for_each(|rows| write_window_frame(tree, rows, inner, stack));
            stack.extend([LayoutStep::Flat(name), LayoutStep::Line(inner)]);
        }
        Sql::Over {
            partition, order, rows, ..
        } => {
            rows.into_iter()
                .for_each(|rows| write_window_frame(tree, rows, inner, stack));
            for (word, slice) in [("order by", order), ("partition by", partition)] {
                if slice.count == 0 {
                    continue;
                }
                let width: usize = tree.args(slice).iter().map(|i| tree.width(*i) as usize + 2).sum();
                if inner + word.len() + 1 + width <= LINE_WIDTH {
                    for (i, id) in tree.args(slice).iter().enumerate().rev() {
                        stack.push(LayoutStep::Flat(*id));
                        stack.push(LayoutStep::Str(if i > 0 { ", " } else { " " }));
                    }
                } else {
                    write_list_lines(tree, slice, inner_indent(inner), stack);
                }
                stack.extend([LayoutStep::Str(word), LayoutStep::Line(inner)]);
            }
        }
        _ => {}
    }
    stack.push(LayoutStep::Str("over ("));
}

/// Prints a value after `then` or `else`. A broken chain of operators begins on the next line, so that its operators
/// are aligned.
fn write_case_branch(tree: &SqlTree, word: &'static str, value: SqlId, indent: usize, stack: &mut Vec<LayoutStep>) {
    let is_chain = matches!(tree.node(value), Sql::Binary { .. });
    let is_below = is_chain && indent + word.len() + 1 + tree.width(value) as usize > LINE_WIDTH;
    if is_below {
        stack.push(LayoutStep::node(value, inner_indent(indent), 0));
        stack.push(LayoutStep::Line(inner_indent(indent)));
    } else {
        stack.extend([LayoutStep::node(value, indent, 0), LayoutStep::Str(" ")]);
    }
    stack.push(LayoutStep::Str(word));
}

/// Prints `when test then value` on one line, on two lines, or with the test below `when`.
fn write_case_arm(tree: &SqlTree, test: SqlId, value: SqlId, indent: usize, stack: &mut Vec<LayoutStep>) {
    let (test_width, value_width) = (tree.width(test) as usize, tree.width(value) as usize);
    let inner = inner_indent(indent);
    let node = |id: SqlId, indent: usize| LayoutStep::Broken {
        id,
        bracketed: false,
        indent,
        after: 0,
    };
    if indent + 5 + test_width + 6 + value_width <= LINE_WIDTH {
        stack.extend([
            node(value, indent),
            LayoutStep::Str(" then "),
            node(test, indent),
            LayoutStep::Str("when "),
            LayoutStep::Line(indent),
        ]);
    } else if indent + 5 + test_width <= LINE_WIDTH {
        write_case_branch(tree, "then", value, inner, stack);
        stack.extend([
            LayoutStep::Line(inner),
            node(test, indent),
            LayoutStep::Str("when "),
            LayoutStep::Line(indent),
        ]);
    } else {
        write_case_branch(tree, "then", value, inner, stack);
        stack.extend([
            LayoutStep::Line(inner),
            node(test, inner),
            LayoutStep::Line(inner),
            LayoutStep::Str("when"),
            LayoutStep::Line(indent),
        ]);
    }
}

/// Prints the frame of a window on its own line. A long frame continues on the next line with its second bound.
fn write_window_frame(tree: &SqlTree, frame: SqlId, indent: usize, stack: &mut Vec<LayoutStep>) {
    match *tree.node(frame) {
        Sql::Spaced(parts) if indent + tree.width(frame) as usize > LINE_WIDTH => {
            for (index, part) in tree.args(parts).iter().enumerate().rev() {
                stack.push(LayoutStep::Flat(*part));
                if index > 0 {
                    let is_second = tree.node(*part) == &Sql::Word("and");
                    stack.push(if is_second {
                        LayoutStep::Line(indent)
                    } else {
                        LayoutStep::Str(" ")
                    });
                }
            }
        }
        _ => stack.push(LayoutStep::Flat(frame)),
    }
    stack.push(LayoutStep::Line(indent));
}
