//! What the grammar's actions call: nodes into the arena, precedence of operator chains.

use super::terminal::Terminal;
use formulac_syntax::ast::{Ast, BinaryOp, Call, Definition, Expr, ExprId, Sign};
use formulac_syntax::diag::{Code, Diagnostic};
use formulac_syntax::lex::{DefinitionHead, Token};
use formulac_syntax::span::Span;

/// A chain of operands and operators being read: how high the builder's stack stood after its last operand, or its only
/// operand, marked by [`ALONE`] and on no stack, as most arguments are.
/// Recovery may drop a chain half-way; whoever comes next cuts the stack back to its own height.
#[derive(Clone, Copy, Debug)]
pub struct Chain(u32);

/// There are fewer nodes than this, since a source has fewer bytes.
const ALONE: u32 = 1 << 31;

/// Several arguments being read, likewise.
#[derive(Clone, Copy, Debug)]
pub struct PendingList(u32);

/// The arguments of a call.
#[derive(Clone, Copy, Debug)]
pub enum Arguments {
    None,
    One(ExprId),
    Several(PendingList),
}

/// An operand of a chain.
#[derive(Clone, Copy, Debug)]
struct Operand {
    /// What joins it to the one before, and where that stands; none before the first of a chain.
    operator: Option<BinaryOp>,
    at: u32,
    node: ExprId,
    /// Where it stands, brackets and all, so that `a * (b + c)` does not end before the last one.
    span: Span,
}

/// The builder's stacks, kept from one text to the next.
#[derive(Debug, Default)]
pub struct Stacks {
    operands: Vec<Operand>,
    /// Arguments, each with how many its list holds up to it.
    args: Vec<(ExprId, u32)>,
}

impl Stacks {
    /// How many arguments the list holds, which is then the last one.
    #[inline]
    fn count(&mut self, list: PendingList) -> u32 {
        self.args.truncate(list.0 as usize);
        self.args.last().map_or(0, |(_, count)| *count)
    }
}

pub struct AstBuilder<'s> {
    pub(super) source: &'s str,
    heads: std::slice::Iter<'s, DefinitionHead>,
    first: u32,
    pub(super) broken: bool,
    stacks: &'s mut Stacks,
    /// The expression in the brackets closed last, and where these stand.
    closed: Option<(ExprId, Span)>,
    ast: &'s mut Ast,
    diagnostics: &'s mut Vec<Diagnostic>,
}

impl<'s> AstBuilder<'s> {
    /// The tree must be empty.
    pub fn new(
        source: &'s str,
        heads: &'s [DefinitionHead],
        stacks: &'s mut Stacks,
        ast: &'s mut Ast,
        diagnostics: &'s mut Vec<Diagnostic>,
    ) -> Self {
        stacks.operands.clear();
        stacks.args.clear();
        Self { source, heads: heads.iter(), first: 0, broken: false, stacks, closed: None, ast, diagnostics }
    }

    #[inline]
    pub(super) fn add(&mut self, expr: Expr, span: Span) -> ExprId {
        self.ast.add(expr, span)
    }

    #[inline]
    fn span(&self, id: ExprId) -> Span {
        self.ast.span(id)
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.broken |= diagnostic.is_error();
        // What follows from a text or reference that was never closed is not said.
        let follows = matches!(diagnostic.kind(), Code::UnexpectedToken | Code::ExpectedExpression);
        if !(follows && self.heads.as_slice().first().is_some_and(|h| h.swallowed)) {
            self.diagnostics.push(diagnostic);
        }
    }

    // Formulas

    pub fn formula(&mut self, body: ExprId) {
        let Some(head) = self.heads.next().copied() else { return };
        let first = ExprId(self.first);
        let broken = std::mem::take(&mut self.broken) | head.broken;
        self.ast.definitions.push(Definition {
            name: head.name,
            span: head.span,
            body,
            first,
            broken,
            part: head.part,
        });
        self.first = self.ast.len() as u32;
    }

    pub fn empty_formula(&mut self) {
        let head = self.heads.as_slice().first().copied();
        let span = head.map_or(Span::default(), |h| h.span);
        // A formula without a name that holds nothing was found by what is wrong with it.
        if head.is_some_and(|h| !h.too_deep && h.name.is_some()) {
            let at = Span::new(span.end, span.end);
            self.report(
                Diagnostic::new(Code::ExpectedExpression, at, "expected an expression after `=`")
                    .with_help("write what the name stands for, or remove the line"),
            );
        }
        self.broken = true;
        let body = self.add(Expr::Error, Span::new(span.end, span.end));
        self.formula(body);
    }

    // Operator chains, by a stack of the operands that wait for their right side

    #[inline]
    pub fn begin(&mut self, node: ExprId) -> Chain {
        match self.closed {
            // Where its brackets stand is not known for long.
            Some((inner, _)) if inner == node => self.push(None, 0, node),
            _ => Chain(node.0 | ALONE),
        }
    }

    /// All operators before it that bind at least as tight have their right side.
    #[inline]
    pub fn extend(&mut self, chain: Chain, op: BinaryOp, at: u32, node: ExprId) -> Chain {
        self.cut(chain);
        // An operand that was alone has no operator before it.
        while chain.0 & ALONE == 0
            && let Some(right) = self.stacks.operands.last().copied()
            && let Some(before) = right.operator
            && before.strength() >= op.strength()
        {
            self.stacks.operands.pop();
            self.join(before, right, op.compares());
        }
        self.push(Some(op), at, node)
    }

    #[inline]
    pub fn finish(&mut self, chain: Chain) -> ExprId {
        if chain.0 & ALONE != 0 {
            return ExprId(chain.0 & !ALONE);
        }
        self.cut(chain);
        loop {
            let Some(last) = self.stacks.operands.pop() else { return ExprId(0) };
            let Some(op) = last.operator else { return last.node };
            self.join(op, last, false);
        }
    }

    #[inline]
    fn push(&mut self, operator: Option<BinaryOp>, at: u32, node: ExprId) -> Chain {
        let span = self.outer(node);
        self.stacks.operands.push(Operand { operator, at, node, span });
        Chain(self.stacks.operands.len() as u32)
    }

    /// What stands above the chain's last operand is dropped.
    #[inline]
    fn cut(&mut self, chain: Chain) {
        if chain.0 & ALONE != 0 {
            let node = ExprId(chain.0 & !ALONE);
            let span = self.span(node);
            self.stacks.operands.push(Operand { operator: None, at: 0, node, span });
        } else {
            self.stacks.operands.truncate(chain.0 as usize);
        }
    }

    /// One operand of the last one and this, which was taken off.
    fn join(&mut self, op: BinaryOp, right: Operand, compared: bool) {
        let Some(left) = self.stacks.operands.last_mut() else { return };
        let chained = compared && op.compares();
        let expr = if chained { Expr::Error } else { Expr::Binary { op, left: left.node, right: right.node } };
        left.span = left.span.to(right.span);
        left.node = self.ast.add(expr, left.span);
        if chained {
            self.chained(op, right.at);
        }
    }

    #[cold]
    fn chained(&mut self, op: BinaryOp, at: u32) {
        let end = at + op.symbol().len() as u32;
        self.report(
            Diagnostic::new(Code::ChainedComparison, Span::new(at, end), "comparisons cannot be chained")
                .with_help("compare twice, `AND(a < b, b < c)`, or put one comparison in brackets"),
        );
    }

    /// `==` and `!=`.
    pub fn misspelt(&mut self, terminal: Terminal, l: u32, r: u32) -> BinaryOp {
        let span = Span::new(l, r);
        self.diagnostics.push(if terminal.token == Token::DoubleEqual {
            self.broken = true;
            Diagnostic::new(Code::NotFormulaSyntax, span, "`==` is not an operator")
                .with_help("write `=`")
                .with_fix(span, "=")
        } else {
            Diagnostic::new(Code::NotEqualSpelling, span, "`!=` is read as `<>`")
                .with_help("spreadsheets write `<>`")
                .with_fix(span, "<>")
        });
        terminal.operator()
    }

    // Operands

    /// `%` after the operand read last; it binds tighter than any operator between two.
    pub fn percent(&mut self, chain: Chain, r: u32) -> Chain {
        self.with_last(chain, |b, x| b.add(Expr::Percent(x.node), Span::new(x.span.start, r)))
    }

    /// Puts another operand in place of the one read last.
    #[inline]
    fn with_last(&mut self, chain: Chain, make: impl FnOnce(&mut Self, Operand) -> ExprId) -> Chain {
        self.cut(chain);
        if let Some(operand) = self.stacks.operands.pop() {
            let node = make(self, operand);
            self.stacks.operands.push(Operand { node, span: self.span(node), ..operand });
        }
        Chain(self.stacks.operands.len() as u32)
    }

    /// The same for what binds tighter than a sign: the signs are taken off and put on again around it.
    fn below_signs(&mut self, x: ExprId, make: impl FnOnce(&mut Self, ExprId) -> ExprId) -> ExprId {
        let mut signs: Vec<(Sign, u32)> = Vec::new();
        let mut inner = x;
        while let (Expr::Sign { sign, operand }, true) = (self.ast.expr(inner), inner.0 + 1 == self.ast.len() as u32) {
            if self.closed.is_some_and(|(closed, _)| closed == inner) {
                break;
            }
            signs.push((sign, self.span(inner).start));
            self.ast.pop();
            inner = operand;
        }
        let mut made = make(self, inner);
        for (sign, start) in signs.into_iter().rev() {
            made = self.sign(sign, start, made);
        }
        made
    }

    /// `(x)` is x, and no sign of it is taken off again.
    pub fn bracketed(&mut self, l: u32, x: ExprId, r: u32) -> ExprId {
        self.closed = Some((x, Span::new(l, r)));
        x
    }

    /// Where an operand that was just read stands, with its brackets, which are then the ones closed last.
    #[inline]
    fn outer(&self, x: ExprId) -> Span {
        match self.closed {
            Some((inner, span)) if inner == x => span,
            _ => self.span(x),
        }
    }

    pub fn signed(&mut self, terminal: Terminal, l: u32, operand: ExprId) -> ExprId {
        self.sign(if terminal.token == Token::Minus { Sign::Minus } else { Sign::Plus }, l, operand)
    }

    fn sign(&mut self, sign: Sign, l: u32, operand: ExprId) -> ExprId {
        let span = Span::new(l, self.outer(operand).end);
        self.add(Expr::Sign { sign, operand }, span)
    }

    pub fn range(&mut self, chain: Chain, to: ExprId) -> Chain {
        if self.ast.expr(to) == Expr::Error {
            return self.with_last(chain, |b, from| {
                let span = b.span(from.node).to(b.span(to));
                b.add(Expr::Error, span)
            });
        }
        self.with_last(chain, |b, x| {
            // A call or bracket on the right came after the signs on the left, which then stay where they are.
            b.below_signs(x.node, |b, from| {
                let start = if from == x.node { x.span } else { b.span(from) };
                let span = start.to(b.outer(to));
                b.add(Expr::Range { from, to }, span)
            })
        })
    }

    #[inline]
    pub fn number(&mut self, l: u32, r: u32) -> ExprId {
        self.add(Expr::Number, Span::new(l, r))
    }

    #[inline]
    pub fn text(&mut self, l: u32, r: u32) -> ExprId {
        self.add(Expr::Text, Span::new(l, r))
    }

    #[inline]
    pub fn name(&mut self, l: u32, r: u32) -> ExprId {
        let span = Span::new(l, r);
        let expr = match r.saturating_sub(l) {
            4 if span.text(self.source) == "TRUE" => Expr::Bool(true),
            5 if span.text(self.source) == "FALSE" => Expr::Bool(false),
            _ => Expr::Name,
        };
        self.add(expr, span)
    }

    pub fn field(&mut self, l: u32, r: u32) -> ExprId {
        self.add(Expr::Field, Span::new(l, r))
    }

    pub fn model(&mut self, l: u32, r: u32) -> ExprId {
        self.add(Expr::Model, Span::new(l, r))
    }

    pub fn cell(&mut self, l: u32, r: u32) -> ExprId {
        self.add(Expr::Cell, Span::new(l, r))
    }

    /// An argument that is left empty, before the comma or bracket at `at`.
    pub fn blank(&mut self, at: u32) -> ExprId {
        self.add(Expr::Blank, Span::new(at, at))
    }

    /// An operand that is reported already.
    pub fn fault(&mut self, l: u32, r: u32) -> ExprId {
        self.broken = true;
        self.add(Expr::Error, Span::new(l, r))
    }

    /// Two expressions that make no one.
    pub fn torn(&mut self, x: ExprId, y: ExprId) -> ExprId {
        self.broken = true;
        let span = self.span(x).to(self.span(y));
        self.add(Expr::Error, span)
    }

    pub fn timeframe(&mut self, chain: Chain, l: u32, m: u32, r: u32) -> Chain {
        let frame = self.ast.names.len() as u32;
        self.ast.names.push(Span::new(l, m));
        self.with_last(chain, |b, x| {
            b.below_signs(x.node, |b, last| {
                // Of a range it is the last end that stands before the bracket.
                let closed = b.closed.is_some_and(|(closed, _)| closed == last);
                let range = match b.ast.expr(last) {
                    Expr::Range { from, to } if !closed && last.0 + 1 == b.ast.len() as u32 => {
                        b.ast.pop();
                        Some((from, to))
                    }
                    _ => None,
                };
                let base = range.map_or(last, |(_, to)| to);
                let span = Span::new(b.span(base).start, r);
                let frame = b.add(Expr::Timeframe { base, frame }, span);
                match range {
                    Some((from, _)) => b.add(Expr::Range { from, to: frame }, b.span(from).to(span)),
                    None => frame,
                }
            })
        })
    }

    pub fn tab(&mut self, l: u32, m: u32, base: ExprId) -> ExprId {
        let tab = self.ast.names.len() as u32;
        self.ast.names.push(Span::new(l, m));
        let span = Span::new(l, self.span(base).end);
        self.add(Expr::Tab { tab, base }, span)
    }

    // Calls

    pub fn first_arg(&mut self, e: ExprId) -> PendingList {
        self.stacks.args.push((e, 1));
        PendingList(self.stacks.args.len() as u32)
    }

    pub fn next_arg(&mut self, list: PendingList, e: ExprId) -> PendingList {
        let before = self.stacks.count(list);
        self.stacks.args.push((e, before + 1));
        PendingList(list.0 + 1)
    }

    /// `l..m` is the name; the closing bracket `c..r` is empty when the layout pass supplied it.
    pub fn call(&mut self, l: u32, m: u32, args: Arguments, c: u32, r: u32) -> ExprId {
        if let (Arguments::None, Some(value)) = (&args, boolean_call(Span::new(l, m).text(self.source))) {
            return self.add(Expr::Bool(value), Span::new(l, r));
        }
        let first = self.ast.args.len() as u32;
        match args {
            Arguments::None => {}
            Arguments::One(e) => self.ast.args.push(e),
            Arguments::Several(list) => {
                let base = list.0 - self.stacks.count(list);
                let args = self.stacks.args.get(base as usize..).unwrap_or_default();
                self.ast.args.extend(args.iter().map(|(e, _)| *e));
                self.stacks.args.truncate(base as usize);
            }
        }
        let count = self.ast.args.len() as u32 - first;
        let index = self.ast.calls.len() as u32;
        self.ast.calls.push(Call { name: Span::new(l, m), first, count, unclosed: c == r });
        self.add(Expr::Call(index), Span::new(l, r))
    }
}

/// `TRUE()` and `FALSE()`, as spreadsheets write the constants when they export.
fn boolean_call(name: &str) -> Option<bool> {
    if name.eq_ignore_ascii_case("true") {
        Some(true)
    } else if name.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}
