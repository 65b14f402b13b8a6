//! Untyped syntax tree. One arena holds the nodes, children before parents, with a span for each node.
//!
//! Passes over the tree loop over indices instead of recursing. All nodes are freed together.

mod print;

pub use print::print;

use crate::span::Span;

/// Index of a node in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExprId(pub u32);

impl ExprId {
    /// Returns the index in the arena.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Binary operators, from loosest to tightest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are self-explanatory")]
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
    /// Returns the precedence. Operators with a larger number bind more tightly. All operators are left-associative.
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

    /// Returns `true` if the operator is a comparison.
    #[must_use]
    pub fn is_comparison(self) -> bool {
        self.strength() == 1
    }

    /// Returns the operator's symbol in formulas.
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

/// Sign before an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are self-explanatory")]
pub enum Sign {
    Minus,
    Plus,
}

/// Syntax node. The content of a leaf is the source text at its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expr {
    /// Missing or invalid expression, which has already been reported.
    Error,
    /// Empty argument, as in `IF(x, , 1)`.
    Blank,
    /// Number.
    Number,
    /// Text literal, including its quotes.
    Text,
    /// `TRUE` or `FALSE`, in upper case.
    Bool(bool),
    /// Unqualified name: a column, a definition, or possibly a cell, a column letter or a total.
    Name,
    /// Qualified field, `view.field`.
    Field,
    /// Reference, `${view.field[timeframe]:total}`.
    Model,
    /// Cell reference with a `$`, such as `A$1`.
    Cell,
    /// `base[timeframe]`. The span of the timeframe is in [`Ast::names`].
    Timeframe {
        /// Expression that is truncated to the timeframe.
        base: ExprId,
        /// Index of the timeframe's span.
        frame: u32,
    },
    /// `'tab'!reference`. The span of the tab is in [`Ast::names`].
    Tab {
        /// Index of the tab name's span.
        tab: u32,
        /// Reference in that tab.
        base: ExprId,
    },
    /// Range, `from:to`.
    Range {
        /// First cell or column of the range.
        from: ExprId,
        /// Last cell or column of the range, inclusive.
        to: ExprId,
    },
    /// Signed operand, `-x` or `+x`.
    Sign {
        /// The sign itself.
        sign: Sign,
        /// Operand of the sign.
        operand: ExprId,
    },
    /// Percentage, `x%`.
    Percent(ExprId),
    /// Binary operation, `left op right`.
    Binary {
        /// Operator between the operands.
        op: BinaryOp,
        /// Left operand.
        left: ExprId,
        /// Right operand.
        right: ExprId,
    },
    /// Function call, as an index for [`Ast::call`].
    Call(u32),
}

/// Name and arguments of a function call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Span of the name.
    pub name: Span,
    /// Index of the first argument in [`Ast::args`].
    pub first: u32,
    /// Number of arguments.
    pub count: u32,
    /// `true` if the closing bracket is missing, in which case the arguments may be incomplete.
    pub unclosed: bool,
}

/// Definition, or the single formula of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Defined name. `None` for a formula without a name.
    pub name: Option<Span>,
    /// Span of the whole definition.
    pub span: Span,
    /// Root expression. The nodes of the definition are the nodes from `first` to `body`.
    pub body: ExprId,
    /// First node of the definition.
    pub first: ExprId,
    /// `true` if the definition has a syntax error.
    pub broken: bool,
    /// Index of the source part that contains the definition. 0 if the source has only one part.
    pub part: u32,
}

/// Syntax tree of source text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ast {
    nodes: Vec<(Expr, Span)>,
    /// `true` if the tree contains a range or a reference to a tab.
    pub ranges: bool,
    /// `true` if any argument is empty.
    pub blanks: bool,
    /// Calls. [`Expr::Call`] holds their indices.
    pub calls: Vec<Call>,
    /// Arguments of all calls.
    pub args: Vec<ExprId>,
    /// Spans of timeframes and tab names.
    pub names: Vec<Span>,
    /// Definitions in source order.
    pub definitions: Vec<Definition>,
}

impl Ast {
    /// Clears the tree but keeps its allocated memory.
    pub fn clear(&mut self) {
        let Self {
            nodes,
            ranges,
            blanks,
            calls,
            args,
            names,
            definitions,
        } = self;
        nodes.clear();
        *ranges = false;
        *blanks = false;
        calls.clear();
        args.clear();
        names.clear();
        definitions.clear();
    }

    /// Adds a node to the tree. Its children must already be in the tree.
    #[inline]
    pub fn add(&mut self, expr: Expr, span: Span) -> ExprId {
        self.ranges |= matches!(expr, Expr::Range { .. } | Expr::Tab { .. });
        self.blanks |= expr == Expr::Blank;
        self.nodes.push((expr, span));
        ExprId(self.nodes.len() as u32 - 1)
    }

    /// Removes the last node.
    pub fn pop(&mut self) {
        self.nodes.pop();
    }

    /// Frees all memory except the memory for the definitions.
    pub fn free_nodes(&mut self) {
        *self = Self {
            definitions: std::mem::take(&mut self.definitions),
            ..Self::default()
        };
    }

    /// Frees the memory that is reserved for more nodes, calls and arguments.
    pub fn shrink_nodes(&mut self) {
        self.nodes.shrink_to_fit();
        self.calls.shrink_to_fit();
        self.args.shrink_to_fit();
    }

    /// Returns the number of nodes for which memory is allocated.
    pub fn capacity(&self) -> usize {
        self.nodes.capacity()
    }

    /// Reserves memory for additional nodes.
    pub fn reserve(&mut self, nodes: usize) {
        self.nodes.reserve(nodes);
    }

    /// Returns the node with this id.
    #[must_use]
    #[inline]
    pub fn expr(&self, id: ExprId) -> Expr {
        self.nodes.get(id.index()).map_or(Expr::Error, |n| n.0)
    }

    /// Returns the span of a node.
    #[must_use]
    #[inline]
    pub fn span(&self, id: ExprId) -> Span {
        self.nodes.get(id.index()).map_or_else(Span::default, |n| n.1)
    }

    /// Returns the nodes of a definition, each with its span.
    pub fn nodes_of(&self, definition: &Definition) -> &[(Expr, Span)] {
        self.nodes
            .get(definition.first.index()..definition.body.index() + 1)
            .unwrap_or_default()
    }

    /// Returns the definition at a position.
    #[must_use]
    #[expect(
        clippy::indexing_slicing,
        reason = "only this tree creates the indices of its definitions"
    )]
    pub fn definition(&self, index: u32) -> &Definition {
        &self.definitions[index as usize]
    }

    /// Returns a call by its index in [`Expr::Call`].
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "only this tree creates the indices of its calls")]
    pub fn call(&self, index: u32) -> Call {
        self.calls[index as usize]
    }

    /// Returns the span of a timeframe or tab by its index in [`Expr::Timeframe`] or [`Expr::Tab`].
    #[must_use]
    pub fn name(&self, index: u32) -> Span {
        self.names.get(index as usize).copied().unwrap_or_default()
    }

    /// Returns the arguments of a call.
    #[must_use]
    pub fn arguments(&self, call: Call) -> &[ExprId] {
        self.args
            .get(call.first as usize..(call.first + call.count) as usize)
            .unwrap_or_default()
    }

    /// Returns the ids of all nodes, children before parents.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = ExprId> + use<> {
        (0..self.nodes.len() as u32).map(ExprId)
    }

    /// Returns the number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns `true` if the tree has no nodes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Returns the children of a node, in order.
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
