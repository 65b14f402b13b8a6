//! Single-line printer of expressions. The printer uses a loop with an explicit stack instead of recursion for deeply
//! nested expressions.

use super::text::SqlText;
use super::tree::{Sql, SqlId, SqlSlice, SqlTree};
use crate::span::Span;

/// Part of the SQL text, and the part of the formula from which it was generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanMapping {
    pub sql: Span,
    pub formula: Span,
}

/// Pending output.
#[derive(Clone, Copy, Debug)]
pub enum SingleLineStep {
    Str(&'static str),
    /// A node, in parentheses if `bracketed`.
    Node {
        id: SqlId,
        bracketed: bool,
    },
    /// End of a node that begins at the offset `start`.
    End {
        id: SqlId,
        start: u32,
    },
}

/// Appends an expression on one line. The stack must be empty, and is empty again afterwards.
pub fn write_single_line(tree: &SqlTree, root: SqlId, stack: &mut Vec<SingleLineStep>, out: &mut SqlText) {
    RecursivePrinter {
        tree,
        stack,
        out,
        depth: 0,
    }
    .write_node(root, false);
}

/// Appends an expression on one line, and returns the position of every node.
pub fn write_single_line_mapped(tree: &SqlTree, root: SqlId, out: &mut SqlText) -> Vec<SpanMapping> {
    let mut mappings = Vec::new();
    StackPrinter {
        tree,
        stack: &mut Vec::new(),
        out,
        next: None,
        mappings: Some(&mut mappings),
    }
    .run(root);
    mappings.sort_by_key(|m| (m.sql.start, std::cmp::Reverse(m.sql.end)));
    mappings.dedup();
    mappings
}

/// Receives the pieces of a node from left to right.
trait FragmentSink {
    fn write_str(&mut self, text: &str);
    fn write_macro(&mut self, text: &str, default: Option<SqlId>);
    fn write_word(&mut self, word: &'static str);
    fn write_node(&mut self, id: SqlId, bracketed: bool);
}

/// Printer that recurses up to a limited depth. [`StackPrinter`] prints the nodes below that depth.
struct RecursivePrinter<'t> {
    tree: &'t SqlTree,
    stack: &'t mut Vec<SingleLineStep>,
    out: &'t mut SqlText,
    depth: u32,
}

const MAX_PRINT_RECURSION_DEPTH: u32 = 40;

impl FragmentSink for RecursivePrinter<'_> {
    fn write_str(&mut self, text: &str) {
        self.out.text.push_str(text);
    }

    fn write_macro(&mut self, text: &str, default: Option<SqlId>) {
        self.out.push_macro(text, default);
    }

    fn write_word(&mut self, word: &'static str) {
        self.out.text.push_str(word);
    }

    #[inline(always)]
    fn write_node(&mut self, id: SqlId, bracketed: bool) {
        // Names and literals are printed without a function call, because they make up more than half of all nodes.
        match *self.tree.node(id) {
            _ if bracketed => self.write_bracketed(id),
            Sql::Text { first, len } => self.out.text.push_str(self.tree.str(first, len)),
            _ => self.write_unbracketed(id),
        }
    }
}

impl RecursivePrinter<'_> {
    #[inline(never)]
    fn write_bracketed(&mut self, id: SqlId) {
        self.out.text.push('(');
        self.write_unbracketed(id);
        self.out.text.push(')');
    }

    #[inline(never)]
    fn write_unbracketed(&mut self, id: SqlId) {
        if self.depth < MAX_PRINT_RECURSION_DEPTH {
            self.depth += 1;
            match self.tree.entry(id) {
                (Sql::Binary { left, .. }, meta)
                    if !meta.brackets.is_set(0) && matches!(self.tree.node(*left), Sql::Binary { .. }) =>
                {
                    self.write_binary_chain(id);
                }
                _ => write_fragments(self.tree, id, self),
            }
            self.depth -= 1;
        } else {
            StackPrinter {
                tree: self.tree,
                stack: self.stack,
                out: self.out,
                next: None,
                mappings: None,
            }
            .run(id);
        }
    }

    /// Prints a chain of operators such as `a + b - c`, whose left operands are nested, in a loop. Long chains are
    /// common, and recursion would exceed the limit.
    fn write_binary_chain(&mut self, id: SqlId) {
        let bottom = self.stack.len();
        let (mut first, mut bracketed) = (id, false);
        while let (false, (Sql::Binary { left, .. }, meta)) = (bracketed, self.tree.entry(first)) {
            self.stack.push(SingleLineStep::Node { id: first, bracketed });
            (first, bracketed) = (*left, meta.brackets.is_set(0));
        }
        self.write_node(first, bracketed);
        while self.stack.len() > bottom
            && let Some(SingleLineStep::Node { id, .. }) = self.stack.pop()
        {
            if let (Sql::Binary { op, right, .. }, meta) = self.tree.entry(id) {
                self.write_word(op.spaced_symbol());
                self.write_node(*right, meta.brackets.is_set(1));
            }
        }
    }
}

/// Printer that uses a loop and an explicit stack, and optionally records the position of each node.
struct StackPrinter<'t> {
    tree: &'t SqlTree,
    stack: &'t mut Vec<SingleLineStep>,
    out: &'t mut SqlText,
    /// First child of the current node that has not been printed yet. The stack contains the pieces after this child.
    next: Option<(SqlId, bool)>,
    mappings: Option<&'t mut Vec<SpanMapping>>,
}

impl StackPrinter<'_> {
    fn run(&mut self, root: SqlId) {
        let bottom = self.stack.len();
        let mut now = Some((root, false));
        loop {
            if let Some((id, bracketed)) = now {
                if bracketed {
                    self.out.text.push('(');
                    self.stack.push(SingleLineStep::Str(")"));
                }
                if self.mappings.is_some() {
                    self.stack.push(SingleLineStep::End {
                        id,
                        start: self.out.text.len() as u32,
                    });
                }
                let base = self.stack.len();
                self.next = None;
                write_fragments(self.tree, id, self);
                if let Some(pieces) = self.stack.get_mut(base..) {
                    pieces.reverse();
                }
                now = self.next;
                if now.is_some() {
                    continue;
                }
            }
            if self.stack.len() == bottom {
                return;
            }
            match self.stack.pop() {
                None => return,
                Some(SingleLineStep::Str(text)) => self.out.text.push_str(text),
                Some(SingleLineStep::Node { id, bracketed }) => now = Some((id, bracketed)),
                Some(SingleLineStep::End { id, start }) => {
                    let sql = Span::new(start, self.out.text.len() as u32);
                    let formula = self.tree.meta(id).span;
                    self.mappings
                        .iter_mut()
                        .for_each(|m| m.push(SpanMapping { sql, formula }));
                }
            }
        }
    }
}

impl FragmentSink for StackPrinter<'_> {
    /// Prints a string directly. No earlier piece is on the stack, because this method is called only for nodes that
    /// consist of a single text.
    fn write_str(&mut self, text: &str) {
        self.out.text.push_str(text);
    }

    fn write_macro(&mut self, text: &str, default: Option<SqlId>) {
        self.out.push_macro(text, default);
    }

    fn write_word(&mut self, word: &'static str) {
        if self.next.is_none() {
            self.out.text.push_str(word);
        } else {
            self.stack.push(SingleLineStep::Str(word));
        }
    }

    fn write_node(&mut self, id: SqlId, bracketed: bool) {
        if self.next.is_none() {
            self.next = Some((id, bracketed));
        } else {
            self.stack.push(SingleLineStep::Node { id, bracketed });
        }
    }
}

fn write_list(tree: &SqlTree, slice: SqlSlice, gap: &'static str, sink: &mut impl FragmentSink) {
    for (i, id) in tree.args(slice).iter().enumerate() {
        if i > 0 {
            sink.write_word(gap);
        }
        sink.write_node(*id, false);
    }
}

/// Passes the pieces of a node to a sink, from left to right.
#[inline]
fn write_fragments<S: FragmentSink>(tree: &SqlTree, id: SqlId, sink: &mut S) {
    let (node, meta) = tree.entry(id);
    let bracketed = |position: u8| meta.brackets.is_set(position);
    let plain = |sink: &mut S, id: SqlId| sink.write_node(id, false);
    match *node {
        Sql::Word(word) => sink.write_word(word),
        Sql::Text { first, len } => sink.write_str(tree.str(first, len)),
        Sql::Macro { first, len, default } => sink.write_macro(tree.str(first, len), default),
        Sql::Field { qualifier, name } => {
            plain(sink, qualifier);
            sink.write_word(".");
            plain(sink, name);
        }
        Sql::Call { name, args } => {
            sink.write_word(name);
            sink.write_word("(");
            write_list(tree, args, ", ", sink);
            sink.write_word(")");
        }
        Sql::Binary { op, left, right } => {
            sink.write_node(left, bracketed(0));
            sink.write_word(op.spaced_symbol());
            sink.write_node(right, bracketed(1));
        }
        Sql::Not(x) => {
            sink.write_word("not ");
            sink.write_node(x, bracketed(0));
        }
        Sql::Negative(x) => {
            sink.write_word("-");
            sink.write_node(x, bracketed(0));
        }
        Sql::Postfix { op, x } => {
            sink.write_node(x, bracketed(0));
            if !op.starts_with('.') {
                sink.write_word(" ");
            }
            sink.write_word(op);
        }
        Sql::In { x, negated, args } => {
            sink.write_node(x, bracketed(0));
            sink.write_word(if negated { " not in (" } else { " in (" });
            write_list(tree, args, ", ", sink);
            sink.write_word(")");
        }
        Sql::Between { x, low, high } => {
            sink.write_node(x, bracketed(0));
            sink.write_word(" between ");
            sink.write_node(low, bracketed(1));
            sink.write_word(" and ");
            sink.write_node(high, bracketed(2));
        }
        Sql::Case { subject, arms } => write_case(tree, subject, arms, sink),
        Sql::Cast { name, x, ty } => {
            sink.write_word(name);
            sink.write_word("(");
            plain(sink, x);
            sink.write_word(" as ");
            sink.write_word(ty);
            sink.write_word(")");
        }
        Sql::Spaced(args) => write_list(tree, args, " ", sink),
        Sql::List(args) => write_list(tree, args, ", ", sink),
        Sql::Paren(x) => {
            sink.write_word("(");
            plain(sink, x);
            sink.write_word(")");
        }
        Sql::Bracket(args) => {
            sink.write_word("[");
            write_list(tree, args, ", ", sink);
            sink.write_word("]");
        }
        Sql::Subscript { x, index } => {
            sink.write_node(x, bracketed(0));
            sink.write_word("[");
            plain(sink, index);
            sink.write_word("]");
        }
        Sql::OverNamed { x, name, rows } => {
            plain(sink, x);
            sink.write_word(if rows.is_some() { " over (" } else { " over " });
            plain(sink, name);
            if let Some(rows) = rows {
                sink.write_word(" ");
                plain(sink, rows);
                sink.write_word(")");
            }
        }
        Sql::Over {
            x,
            partition,
            order,
            rows,
        } => {
            plain(sink, x);
            write_window(tree, partition, order, rows, sink);
        }
        Sql::Subquery { value, name, from } => write_subquery(value, name, from, sink),
    }
}

fn write_subquery(value: SqlId, name: &'static str, from: SqlId, sink: &mut impl FragmentSink) {
    sink.write_word("(select ");
    sink.write_node(value, false);
    sink.write_word(" as ");
    sink.write_word(name);
    sink.write_word(" from ");
    sink.write_node(from, false);
    sink.write_word(")");
}

fn write_case<S: FragmentSink>(tree: &SqlTree, subject: Option<SqlId>, arms: SqlSlice, sink: &mut S) {
    sink.write_word("case");
    if let Some(subject) = subject {
        sink.write_word(" ");
        sink.write_node(subject, false);
    }
    let mut rest = Some(arms);
    while let Some(arms) = rest {
        rest = tree.arms_of_default_case(subject, arms);
        for pair in tree.args(arms).chunks(2) {
            match pair {
                [test, value] => {
                    sink.write_word(" when ");
                    sink.write_node(*test, false);
                    sink.write_word(" then ");
                    sink.write_node(*value, false);
                }
                [value] if rest.is_none() => {
                    sink.write_word(" else ");
                    sink.write_node(*value, false);
                }
                _ => {}
            }
        }
    }
    sink.write_word(" end");
}

fn write_window<S: FragmentSink>(
    tree: &SqlTree,
    partition: SqlSlice,
    order: SqlSlice,
    rows: Option<SqlId>,
    sink: &mut S,
) {
    sink.write_word(" over (");
    if partition.count > 0 {
        sink.write_word("partition by ");
        write_list(tree, partition, ", ", sink);
    }
    if order.count > 0 {
        sink.write_word(if partition.count > 0 { " order by " } else { "order by " });
        write_list(tree, order, ", ", sink);
    }
    if let Some(rows) = rows {
        sink.write_word(" ");
        sink.write_node(rows, false);
    }
    sink.write_word(")");
}
