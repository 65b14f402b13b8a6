//! The untyped tree: nodes in one arena, children before parents, a span on every node.
//!
//! A pass over the tree is a loop over indices; nothing recurses and nothing is dropped node by node.

mod print;

pub use print::print;

use crate::span::Span;

/// A node of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExprId(pub u32);

impl ExprId {
    /// The node's place in the arena.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An operator between two operands, from the loosest to the tightest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum BinaryOp {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Concat,
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

impl BinaryOp {
    /// Binding strength; a larger number binds tighter. All are left-associative.
    #[must_use]
    pub fn strength(self) -> u8 {
        match self {
            Self::Equal | Self::NotEqual | Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual => 1,
            Self::Concat => 2,
            Self::Add | Self::Subtract => 3,
            Self::Multiply | Self::Divide => 4,
            Self::Power => 5,
        }
    }

    /// Whether it compares.
    #[must_use]
    pub fn compares(self) -> bool {
        self.strength() == 1
    }

    /// Its spelling in a formula.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Concat => "&",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Power => "^",
        }
    }
}

/// A sign before an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Sign {
    Minus,
    Plus,
}

/// A node. What a leaf says is the source text at its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expr {
    /// Stands where an expression was expected; already reported.
    Error,
    /// An argument left empty, as in `IF(x, , 1)`.
    Blank,
    /// A number.
    Number,
    /// A text, with its quotes.
    Text,
    /// `TRUE` or `FALSE`, in capitals.
    Bool(bool),
    /// A bare name: a column or definition, else perhaps a cell, a column letter, a total.
    Name,
    /// `view.field`.
    Field,
    /// `${view.field[timeframe]:total}`.
    Model,
    /// A cell with a `$` in it.
    Cell,
    /// `base[timeframe]`; the timeframe's span is the given one of [`Ast::names`].
    Timeframe {
        /// What is truncated.
        base: ExprId,
        /// Index of the timeframe's span.
        frame: u32,
    },
    /// `'tab'!reference`; the tab's span is the given one of [`Ast::names`].
    Tab {
        /// Index of the tab's span.
        tab: u32,
        /// What is read there.
        base: ExprId,
    },
    /// `from:to`.
    Range {
        /// The first end.
        from: ExprId,
        /// The last end, included.
        to: ExprId,
    },
    /// `-x`, `+x`.
    Sign {
        /// Which.
        sign: Sign,
        /// Of what.
        operand: ExprId,
    },
    /// `x%`.
    Percent(ExprId),
    /// `left op right`.
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Its left side.
        left: ExprId,
        /// Its right side.
        right: ExprId,
    },
    /// A function call: index for [`Ast::call`].
    Call(u32),
}

/// A function's name and arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Where the name stands.
    pub name: Span,
    /// Its first argument in [`Ast::args`].
    pub first: u32,
    /// How many it has.
    pub count: u32,
    /// The closing bracket was missing, so the arguments may be incomplete.
    pub unclosed: bool,
}

/// A definition, or the one formula of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The defined name; none for a bare formula.
    pub name: Option<Span>,
    /// The whole definition.
    pub span: Span,
    /// Its expression; the nodes of the definition are those from `first` up to this one.
    pub body: ExprId,
    /// The first node of the definition.
    pub first: ExprId,
    /// Its syntax was faulty.
    pub broken: bool,
    /// Which of the parts of the source it stands in; 0 when there is one.
    pub part: u32,
}

/// A parsed text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ast {
    nodes: Vec<(Expr, Span)>,
    /// There is a range, or a reference to a tab.
    pub ranges: bool,
    /// Some argument is empty.
    pub blanks: bool,
    /// The calls, by the index that [`Expr::Call`] holds.
    pub calls: Vec<Call>,
    /// The arguments of all calls.
    pub args: Vec<ExprId>,
    /// Spans of timeframes and tabs.
    pub names: Vec<Span>,
    /// The definitions, in the order written.
    pub definitions: Vec<Definition>,
}

impl Ast {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        let Self { nodes, ranges, blanks, calls, args, names, definitions } = self;
        nodes.clear();
        *ranges = false;
        *blanks = false;
        calls.clear();
        args.clear();
        names.clear();
        definitions.clear();
    }

    /// Adds a node; its children are there already.
    #[inline]
    pub fn add(&mut self, expr: Expr, span: Span) -> ExprId {
        self.ranges |= matches!(expr, Expr::Range { .. } | Expr::Tab { .. });
        self.blanks |= expr == Expr::Blank;
        self.nodes.push((expr, span));
        ExprId(self.nodes.len() as u32 - 1)
    }

    /// Takes off the last node.
    pub fn pop(&mut self) {
        self.nodes.pop();
    }

    /// Gives back the memory of everything but the definitions.
    pub fn forget_nodes(&mut self) {
        *self = Self { definitions: std::mem::take(&mut self.definitions), ..Self::default() };
    }

    /// How many nodes it has memory for.
    pub fn room(&self) -> usize {
        self.nodes.capacity()
    }

    /// Makes room for so many more.
    pub fn reserve(&mut self, nodes: usize, definitions: usize) {
        self.nodes.reserve(nodes);
        self.definitions.reserve(definitions);
    }

    /// The node.
    #[must_use]
    #[inline]
    pub fn expr(&self, id: ExprId) -> Expr {
        self.nodes.get(id.index()).map_or(Expr::Error, |n| n.0)
    }

    /// Where the node stands.
    #[must_use]
    #[inline]
    pub fn span(&self, id: ExprId) -> Span {
        self.nodes.get(id.index()).map_or_else(Span::default, |n| n.1)
    }

    /// The nodes of a definition, from its first on, with their places.
    pub fn nodes_of(&self, definition: &Definition) -> &[(Expr, Span)] {
        self.nodes.get(definition.first.index()..definition.body.index() + 1).unwrap_or_default()
    }

    /// A call by the index that [`Expr::Call`] holds.
    #[must_use]
    pub fn call(&self, index: u32) -> Call {
        self.calls[index as usize]
    }

    /// The arguments of a call.
    #[must_use]
    pub fn arguments(&self, call: Call) -> &[ExprId] {
        &self.args[call.first as usize..(call.first + call.count) as usize]
    }

    /// The nodes, children before parents.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = ExprId> + use<> {
        (0..self.nodes.len() as u32).map(ExprId)
    }

    /// The number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The nodes that a node is made of, in order.
    pub fn children(&self, id: ExprId) -> impl DoubleEndedIterator<Item = ExprId> + '_ {
        let (pair, args): ([Option<ExprId>; 2], &[ExprId]) = match self.expr(id) {
            Expr::Timeframe { base, .. } | Expr::Tab { base, .. } => ([Some(base), None], &[]),
            Expr::Range { from, to } => ([Some(from), Some(to)], &[]),
            Expr::Sign { operand, .. } | Expr::Percent(operand) => ([Some(operand), None], &[]),
            Expr::Binary { left, right, .. } => ([Some(left), Some(right)], &[]),
            Expr::Call(index) => ([None, None], self.arguments(self.call(index))),
            _ => ([None, None], &[]),
        };
        pair.into_iter().flatten().chain(args.iter().copied())
    }
}
