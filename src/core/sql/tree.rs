//! SQL expressions in one arena, children before parents. Several parents can share a child, which is printed for each
//! parent.

mod measure;

use rustc_hash::FxHashSet;

use super::precedence;
use crate::arena::Arena;
use crate::dialect::op::Op;
use crate::span::Span;

/// Index of a node in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SqlId(pub u32);

/// Range in the pool of operands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SqlSlice {
    pub first: u32,
    pub count: u32,
}

/// SQL expression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sql {
    /// Keyword or bare word.
    Word(&'static str),
    /// Name or literal, as a range in the text pool.
    Text {
        first: u32,
        len: u32,
    },
    /// Text that another tool renders, as a range in the text pool. A query without macros contains the default
    /// instead.
    Macro {
        first: u32,
        len: u32,
        default: Option<SqlId>,
    },
    /// `qualifier.name`.
    Field {
        qualifier: SqlId,
        name: SqlId,
    },
    Call {
        name: &'static str,
        args: SqlSlice,
    },
    Binary {
        op: Op,
        left: SqlId,
        right: SqlId,
    },
    Not(SqlId),
    Negative(SqlId),
    Postfix {
        op: &'static str,
        x: SqlId,
    },
    In {
        x: SqlId,
        negated: bool,
        args: SqlSlice,
    },
    Between {
        x: SqlId,
        low: SqlId,
        high: SqlId,
    },
    /// CASE whose arms alternate between conditions and values. If the number of arms is odd, the last arm is the
    /// default value.
    Case {
        subject: Option<SqlId>,
        arms: SqlSlice,
    },
    Cast {
        name: &'static str,
        x: SqlId,
        ty: &'static str,
    },
    Spaced(SqlSlice),
    Paren(SqlId),
    List(SqlSlice),
    Bracket(SqlSlice),
    Subscript {
        x: SqlId,
        index: SqlId,
    },
    /// `x over (partition by … order by … rows between …)`.
    Over {
        x: SqlId,
        partition: SqlSlice,
        order: SqlSlice,
        rows: Option<SqlId>,
    },
    /// `x over name` or `x over (name rows between …)`, if the select defines a named window.
    OverNamed {
        x: SqlId,
        name: SqlId,
        rows: Option<SqlId>,
    },
    /// `(select value as name from relation)`, which is always printed on several lines.
    Subquery {
        value: SqlId,
        name: &'static str,
        from: SqlId,
    },
}

/// Width of an expression that never fits on a line.
const NEVER_FITS_WIDTH: u32 = 1 << 16;

/// Bit set of the operands that need parentheses, in the order of printing. The set is computed when the node is added.
#[derive(Clone, Copy, Debug, Default)]
pub struct OperandBrackets(u8);

impl OperandBrackets {
    #[inline]
    pub fn is_set(self, index: u8) -> bool {
        self.0 >> index & 1 != 0
    }
}

#[derive(Clone, Copy, Debug)]
pub struct SqlMeta {
    /// Width of the text on one line, in bytes.
    pub width: u32,
    pub strength: u8,
    pub brackets: OperandBrackets,
    /// Part of the formula from which the node was generated.
    pub span: Span,
}

/// All expressions of a compilation in one dialect.
#[derive(Clone, Debug, Default)]
pub struct SqlTree {
    nodes: Arena<(Sql, SqlMeta)>,
    pub args: Arena<SqlId>,
    pub text: String,
}

impl SqlTree {
    #[inline]
    pub fn node(&self, id: SqlId) -> &Sql {
        &self.nodes[id.0 as usize].0
    }

    pub fn clear(&mut self) {
        let Self { nodes, args, text } = self;
        nodes.clear();
        args.clear();
        text.clear();
    }

    #[inline]
    pub fn meta(&self, id: SqlId) -> SqlMeta {
        self.nodes[id.0 as usize].1
    }

    /// Returns a node and its properties.
    #[inline]
    pub fn entry(&self, id: SqlId) -> &(Sql, SqlMeta) {
        &self.nodes[id.0 as usize]
    }

    #[inline]
    pub fn width(&self, id: SqlId) -> u32 {
        self.nodes[id.0 as usize].1.width
    }

    #[inline]
    pub fn args(&self, slice: SqlSlice) -> &[SqlId] {
        self.args
            .range(slice.first as usize..(slice.first + slice.count) as usize)
    }

    #[inline(always)]
    pub fn add_slice(&mut self, ids: &[SqlId]) -> SqlSlice {
        let first = self.args.len() as u32;
        self.args.extend_from_slice(ids);
        SqlSlice {
            first,
            count: ids.len() as u32,
        }
    }

    #[inline]
    pub fn add_list(&mut self, ids: impl Iterator<Item = SqlId>) -> SqlSlice {
        let first = self.args.len() as u32;
        self.args.extend(ids);
        SqlSlice {
            first,
            count: self.args.len() as u32 - first,
        }
    }

    #[inline]
    pub fn str(&self, first: u32, len: u32) -> &str {
        self.text
            .get(first as usize..(first + len) as usize)
            .unwrap_or_default()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns the number of nodes, operands and bytes of text, as a checkpoint.
    pub fn checkpoint(&self) -> (usize, usize, usize) {
        (self.nodes.len(), self.args.len(), self.text.len())
    }

    /// Removes everything that was added after a checkpoint.
    pub fn truncate_to(&mut self, (nodes, args, text): (usize, usize, usize)) {
        self.nodes.truncate(nodes);
        self.args.truncate(args);
        self.text.truncate(text);
    }

    /// Adds `count(*)`.
    pub fn add_row_count(&mut self, span: Span) -> SqlId {
        let star = self.add_word("*", span);
        self.add_call("count", &[star], span)
    }

    /// Returns a copy of the pools of operands and text, without nodes.
    pub(super) fn without_nodes(&self) -> Self {
        Self {
            nodes: Arena::new(),
            args: self.args.clone(),
            text: self.text.clone(),
        }
    }

    /// Appends the operands of a node.
    pub(super) fn add_operands(&self, id: SqlId, out: &mut Vec<SqlId>) {
        let (single, slices): (&[Option<SqlId>], &[SqlSlice]) = match self.node(id) {
            Sql::Word(_) | Sql::Text { .. } => (&[], &[]),
            Sql::Macro { default, .. } => (&[*default], &[]),
            Sql::Field { qualifier, name } => (&[Some(*qualifier), Some(*name)], &[]),
            Sql::Subquery { value, from, .. } => (&[Some(*value), Some(*from)], &[]),
            Sql::Binary { left, right, .. } => (&[Some(*left), Some(*right)], &[]),
            Sql::Not(x) | Sql::Negative(x) | Sql::Paren(x) | Sql::Postfix { x, .. } | Sql::Cast { x, .. } => {
                (&[Some(*x)], &[])
            }
            Sql::Call { args, .. } | Sql::Spaced(args) | Sql::List(args) | Sql::Bracket(args) => (&[], &[*args]),
            Sql::In { x, args, .. } => (&[Some(*x)], &[*args]),
            Sql::Between { x, low, high } => (&[Some(*x), Some(*low), Some(*high)], &[]),
            Sql::Case { subject, arms } => (&[*subject], &[*arms]),
            Sql::Subscript { x, index } => (&[Some(*x), Some(*index)], &[]),
            Sql::Over {
                x,
                partition,
                order,
                rows,
            } => (&[Some(*x), *rows], &[*partition, *order]),
            Sql::OverNamed { x, name, rows } => (&[Some(*x), Some(*name), *rows], &[]),
        };
        out.extend(single.iter().flatten());
        slices.iter().for_each(|slice| out.extend_from_slice(self.args(*slice)));
    }

    /// Returns the distinct nodes of expressions, each before its operands.
    pub(super) fn reachable_nodes(&self, roots: impl IntoIterator<Item = SqlId>) -> Vec<SqlId> {
        let mut open: Vec<SqlId> = roots.into_iter().collect();
        let (mut seen, mut ids) = (FxHashSet::default(), Vec::new());
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                ids.push(id);
                self.add_operands(id, &mut open);
            }
        }
        ids
    }

    /// Returns whether a node consists only of the given text.
    pub fn is_text(&self, id: SqlId, text: &str) -> bool {
        matches!(*self.node(id), Sql::Text { first, len } if self.str(first, len) == text)
    }

    /// Returns whether a node is a comparison such as `a >= b` or `a is null`, which needs no parentheses after `not`.
    pub fn is_comparison(&self, id: SqlId) -> bool {
        self.meta(id).strength == precedence::COMPARE
    }

    /// Returns the arms of a CASE that is the default branch of another CASE. The printer appends these arms to the
    /// outer CASE instead of printing `else case when … end`.
    pub fn arms_of_default_case(&self, subject: Option<SqlId>, arms: SqlSlice) -> Option<SqlSlice> {
        if subject.is_some() || arms.count < 3 || arms.count.is_multiple_of(2) {
            return None;
        }
        match self.args(arms).last().map(|id| self.node(*id)) {
            Some(Sql::Case { subject: None, arms }) => Some(*arms),
            _ => None,
        }
    }

    /// Adds a node with the text that `write` appends. Text that begins with a minus sign has the precedence of a
    /// negation.
    pub fn add_text(&mut self, span: Span, write: impl FnOnce(&mut String)) -> SqlId {
        let first = self.text.len() as u32;
        write(&mut self.text);
        let len = self.text.len() as u32 - first;
        self.add(Sql::Text { first, len }, span)
    }

    /// Adds a string unchanged, without a position in a formula.
    pub fn add_raw_text(&mut self, text: &str) -> SqlId {
        self.add_text(Span::default(), |out| out.push_str(text))
    }

    /// Adds text that another tool renders. `default` is the SQL in a query without macros.
    pub fn add_macro(&mut self, text: &str, default: Option<SqlId>, span: Span) -> SqlId {
        let first = self.text.len() as u32;
        self.text.push_str(text);
        let len = text.len() as u32;
        self.add(Sql::Macro { first, len, default }, span)
    }

    /// Adds a qualified column. The names of the relation and the column must be as written in SQL.
    pub fn add_field(&mut self, relation: &str, column: &str) -> SqlId {
        let (qualifier, name) = (self.add_raw_text(relation), self.add_raw_text(column));
        self.add(Sql::Field { qualifier, name }, Span::default())
    }

    #[inline]
    pub fn add_word(&mut self, word: &'static str, span: Span) -> SqlId {
        self.add(Sql::Word(word), span)
    }

    #[inline(always)]
    pub fn add_call(&mut self, name: &'static str, args: &[SqlId], span: Span) -> SqlId {
        let args = self.add_slice(args);
        self.add(Sql::Call { name, args }, span)
    }

    #[inline]
    pub fn add_binary(&mut self, op: Op, left: SqlId, right: SqlId, span: Span) -> SqlId {
        self.add(Sql::Binary { op, left, right }, span)
    }

    /// Adds a window over a call, without a frame.
    pub fn add_window(&mut self, x: SqlId, partition: &[SqlId], order: &[SqlId], span: Span) -> SqlId {
        let (partition, order) = (self.add_slice(partition), self.add_slice(order));
        self.add(
            Sql::Over {
                x,
                partition,
                order,
                rows: None,
            },
            span,
        )
    }

    // Inlining removes most of `measure`, because callers pass a node of a known kind.
    #[inline(always)]
    pub fn add(&mut self, node: Sql, span: Span) -> SqlId {
        let (width, strength, brackets) = self.measure_node(&node);
        self.push(
            node,
            SqlMeta {
                width,
                strength,
                brackets,
                span,
            },
        )
    }

    /// Adds a copy of a node, for another part of the formula.
    #[inline]
    pub fn copy_node(&mut self, id: SqlId, span: Span) -> SqlId {
        let (node, meta) = self.nodes[id.0 as usize];
        self.push(node, SqlMeta { span, ..meta })
    }

    #[inline(always)]
    fn push(&mut self, node: Sql, meta: SqlMeta) -> SqlId {
        self.nodes.push((node, meta));
        SqlId(self.nodes.len() as u32 - 1)
    }
}
