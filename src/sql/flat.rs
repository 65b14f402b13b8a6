//! An expression's text in one line. A loop with a stack, never recursion.

use super::tree::{Slice, Sql, SqlId, Tree};
use crate::span::Span;

/// A part of the SQL text and the part of the formula that it was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub sql: Span,
    pub formula: Span,
}

/// What is still to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Str(&'static str),
    /// A node; `bracketed` by the operand before it.
    Node {
        id: SqlId,
        bracketed: bool,
    },
    /// The node that began at this offset ends here.
    End {
        id: SqlId,
        start: u32,
    },
}

/// Appends the text in one line. The stack is empty before and after.
pub(crate) fn flat(tree: &Tree, root: SqlId, stack: &mut Vec<Step>, out: &mut String) {
    Flat { tree, stack, out, next: None, mappings: None }.run(root);
}

/// The same, with the place of every node.
pub(crate) fn flat_mapped(tree: &Tree, root: SqlId, out: &mut String) -> Vec<Mapping> {
    let mut mappings = Vec::new();
    Flat { tree, stack: &mut Vec::new(), out, next: None, mappings: Some(&mut mappings) }.run(root);
    mappings.sort_by_key(|m| (m.sql.start, std::cmp::Reverse(m.sql.end)));
    mappings.dedup();
    mappings
}

struct Flat<'t> {
    tree: &'t Tree,
    stack: &'t mut Vec<Step>,
    out: &'t mut String,
    /// The first piece of a node that is not written yet; what comes behind it waits on the stack.
    next: Option<(SqlId, bool)>,
    mappings: Option<&'t mut Vec<Mapping>>,
}

impl Flat<'_> {
    fn run(&mut self, root: SqlId) {
        let mut now = Some((root, false));
        loop {
            if let Some((id, bracketed)) = now {
                if bracketed {
                    self.out.push('(');
                    self.stack.push(Step::Str(")"));
                }
                if self.mappings.is_some() {
                    self.stack.push(Step::End { id, start: self.out.len() as u32 });
                }
                let base = self.stack.len();
                self.next = None;
                self.pieces(id);
                if let Some(pieces) = self.stack.get_mut(base..) {
                    pieces.reverse();
                }
                now = self.next;
                if now.is_some() {
                    continue;
                }
            }
            match self.stack.pop() {
                None => return,
                Some(Step::Str(text)) => self.out.push_str(text),
                Some(Step::Node { id, bracketed }) => now = Some((id, bracketed)),
                Some(Step::End { id, start }) => {
                    let sql = Span::new(start, self.out.len() as u32);
                    let formula = self.tree.meta(id).span;
                    self.mappings.iter_mut().for_each(|m| m.push(Mapping { sql, formula }));
                }
            }
        }
    }

    fn str(&mut self, text: &'static str) {
        if self.next.is_none() {
            self.out.push_str(text);
        } else {
            self.stack.push(Step::Str(text));
        }
    }

    fn operand(&mut self, parent: &Sql, id: SqlId, least: u8) {
        let bracketed = self.tree.bracketed(parent, id, least);
        self.piece(id, bracketed);
    }

    fn plain(&mut self, id: SqlId) {
        self.piece(id, false);
    }

    /// Words and names are written at once, unless their place is asked for.
    fn piece(&mut self, id: SqlId, bracketed: bool) {
        if self.next.is_some() {
            self.stack.push(Step::Node { id, bracketed });
            return;
        }
        match self.tree.node(id) {
            Sql::Word(word) if !bracketed && self.mappings.is_none() => self.out.push_str(word),
            Sql::Text { first, len } if !bracketed && self.mappings.is_none() => {
                self.out.push_str(self.tree.str(*first, *len));
            }
            _ => self.next = Some((id, bracketed)),
        }
    }

    fn list(&mut self, slice: Slice, gap: &'static str) {
        let tree = self.tree;
        for (i, id) in tree.args(slice).iter().enumerate() {
            if i > 0 {
                self.str(gap);
            }
            self.plain(*id);
        }
    }

    /// What a node is written as, from left to right.
    fn pieces(&mut self, id: SqlId) {
        let tree = self.tree;
        let node = tree.node(id);
        let (least, right_least) = Tree::least(node);
        match *node {
            Sql::Word(word) => self.out.push_str(word),
            Sql::Text { first, len } => self.out.push_str(tree.str(first, len)),
            Sql::Field { qualifier, name } => {
                self.plain(qualifier);
                self.str(".");
                self.plain(name);
            }
            Sql::Call { name, args } => {
                self.out.push_str(name);
                self.out.push('(');
                self.list(args, ", ");
                self.str(")");
            }
            Sql::Binary { op, left, right } => {
                self.operand(node, left, least);
                self.str(op.spaced());
                self.operand(node, right, right_least);
            }
            Sql::Not(x) => {
                self.out.push_str("not ");
                self.operand(node, x, least);
            }
            Sql::Negative(x) => {
                self.out.push('-');
                self.operand(node, x, least);
            }
            Sql::Postfix { op, x } => {
                self.operand(node, x, least);
                self.str(" ");
                self.str(op);
            }
            Sql::In { x, negated, args } => {
                self.operand(node, x, least);
                self.str(if negated { " not in (" } else { " in (" });
                self.list(args, ", ");
                self.str(")");
            }
            Sql::Between { x, low, high } => {
                self.operand(node, x, least);
                self.str(" between ");
                self.operand(node, low, right_least);
                self.str(" and ");
                self.operand(node, high, right_least);
            }
            Sql::Case { subject, arms } => {
                self.out.push_str("case");
                if let Some(subject) = subject {
                    self.str(" ");
                    self.plain(subject);
                }
                for pair in tree.args(arms).chunks(2) {
                    match pair {
                        [test, value] => {
                            self.str(" when ");
                            self.plain(*test);
                            self.str(" then ");
                            self.plain(*value);
                        }
                        [value] => {
                            self.str(" else ");
                            self.plain(*value);
                        }
                        _ => {}
                    }
                }
                self.str(" end");
            }
            Sql::Cast { name, x, ty } => {
                self.out.push_str(name);
                self.out.push('(');
                self.plain(x);
                self.str(" as ");
                self.str(ty);
                self.str(")");
            }
            Sql::Spaced(args) => self.list(args, " "),
            Sql::List(args) => self.list(args, ", "),
            Sql::Paren(x) => {
                self.out.push('(');
                self.plain(x);
                self.str(")");
            }
            Sql::Bracket(args) => {
                self.out.push('[');
                self.list(args, ", ");
                self.str("]");
            }
            Sql::Subscript { x, index } => {
                self.operand(node, x, least);
                self.str("[");
                self.plain(index);
                self.str("]");
            }
            Sql::Over { x, partition, order } => {
                self.plain(x);
                self.str(" over (");
                if partition.count > 0 {
                    self.str("partition by ");
                    self.list(partition, ", ");
                }
                if order.count > 0 {
                    self.str(if partition.count > 0 { " order by " } else { "order by " });
                    self.list(order, ", ");
                }
                self.str(")");
            }
        }
    }
}
