//! What the grammar's actions call: nodes into the arena, precedence of operator chains.

use crate::ast::{Ast, BinaryOp, Call, Definition, Expr, ExprId, Sign};
use crate::diag::{Code, Diagnostic};
use crate::lex::Head;
use crate::span::Span;

/// A chain of operands and operators being read: how high the builder's stacks stood after its last operand.
/// Recovery may drop a chain half-way; whoever comes next cuts the stacks back to its own height.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    base: u32,
    operands: u32,
    operators: u32,
}

/// Arguments being read, likewise.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    base: u32,
    top: u32,
}

/// The builder's stacks, kept from one text to the next.
#[derive(Debug, Default)]
pub struct Stacks {
    operands: Vec<ExprId>,
    operators: Vec<(BinaryOp, u32)>,
    args: Vec<ExprId>,
    /// What stands in brackets, with the place of these.
    brackets: Vec<(ExprId, Span)>,
}

pub struct Builder<'s> {
    pub(super) source: &'s str,
    heads: std::slice::Iter<'s, Head>,
    first: u32,
    pub(super) broken: bool,
    stacks: &'s mut Stacks,
    /// The expression in the brackets closed last.
    closed: Option<ExprId>,
    ast: &'s mut Ast,
    diagnostics: &'s mut Vec<Diagnostic>,
}

impl<'s> Builder<'s> {
    /// The tree must be empty.
    pub fn new(
        source: &'s str,
        heads: &'s [Head],
        stacks: &'s mut Stacks,
        ast: &'s mut Ast,
        diagnostics: &'s mut Vec<Diagnostic>,
    ) -> Self {
        stacks.operands.clear();
        stacks.operators.clear();
        stacks.args.clear();
        stacks.brackets.clear();
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

    // Operator chains, by two stacks

    #[inline]
    pub fn begin(&mut self, operand: ExprId) -> Chain {
        let base = self.stacks.operands.len() as u32;
        let operators = self.stacks.operators.len() as u32;
        self.stacks.operands.push(operand);
        Chain { base, operands: base + 1, operators }
    }

    #[inline]
    pub fn extend(&mut self, chain: Chain, op: BinaryOp, at: u32, operand: ExprId) -> Chain {
        self.stacks.operands.truncate(chain.operands as usize);
        self.stacks.operators.truncate(chain.operators as usize);
        self.settle(chain.base, op.strength());
        self.stacks.operators.push((op, at));
        self.stacks.operands.push(operand);
        Chain {
            base: chain.base,
            operands: self.stacks.operands.len() as u32,
            operators: self.stacks.operators.len() as u32,
        }
    }

    pub fn finish(&mut self, chain: Chain) -> ExprId {
        self.stacks.operands.truncate(chain.operands as usize);
        self.stacks.operators.truncate(chain.operators as usize);
        self.settle(chain.base, 0);
        self.stacks.operands.pop().unwrap_or(ExprId(0))
    }

    /// Makes nodes of all operators of this chain that bind at least as tight as `least`.
    #[inline]
    fn settle(&mut self, base: u32, least: u8) {
        while self.stacks.operands.len() as u32 > base + 1 {
            let Some((op, at)) = self.stacks.operators.last().copied() else { return };
            if op.strength() < least {
                return;
            }
            self.stacks.operators.pop();
            let (Some(right), Some(left)) = (self.stacks.operands.pop(), self.stacks.operands.pop()) else { return };
            let span = self.outer(left).to(self.outer(right));
            if op.compares() && least == 1 {
                let symbol = op.symbol();
                let end = at + symbol.len() as u32;
                self.report(
                    Diagnostic::new(Code::ChainedComparison, Span::new(at, end), "comparisons cannot be chained")
                        .with_help("compare twice, `AND(a < b, b < c)`, or put one comparison in brackets"),
                );
                let node = self.add(Expr::Error, span);
                self.stacks.operands.push(node);
                continue;
            }
            let node = self.add(Expr::Binary { op, left, right }, span);
            self.stacks.operands.push(node);
        }
    }

    pub fn double_equal(&mut self, l: u32, r: u32) -> BinaryOp {
        let span = Span::new(l, r);
        self.diagnostics.push(
            Diagnostic::new(Code::NotFormulaSyntax, span, "`==` is not an operator")
                .with_help("write `=`")
                .with_fix(span, "="),
        );
        self.broken = true;
        BinaryOp::Equal
    }

    pub fn bang_equal(&mut self, l: u32, r: u32) -> BinaryOp {
        let span = Span::new(l, r);
        self.diagnostics.push(
            Diagnostic::new(Code::NotEqualSpelling, span, "`!=` is read as `<>`")
                .with_help("spreadsheets write `<>`")
                .with_fix(span, "<>"),
        );
        BinaryOp::NotEqual
    }

    // Operands

    /// `%` after the operand read last; it binds tighter than any operator between two.
    pub fn percent(&mut self, chain: Chain, r: u32) -> Chain {
        self.with_last(chain, |b, x| {
            let span = Span::new(b.outer(x).start, r);
            b.add(Expr::Percent(x), span)
        })
    }

    /// Puts another operand in place of the one read last.
    fn with_last(&mut self, chain: Chain, make: impl FnOnce(&mut Self, ExprId) -> ExprId) -> Chain {
        self.stacks.operands.truncate(chain.operands as usize);
        self.stacks.operators.truncate(chain.operators as usize);
        if let Some(x) = self.stacks.operands.pop() {
            let made = make(self, x);
            self.stacks.operands.push(made);
        }
        chain
    }

    /// The same for what binds tighter than a sign: the signs are taken off and put on again around it.
    fn below_signs(&mut self, x: ExprId, make: impl FnOnce(&mut Self, ExprId) -> ExprId) -> ExprId {
        let mut signs: Vec<(Sign, u32)> = Vec::new();
        let mut inner = x;
        while let (Expr::Sign { sign, operand }, true) = (self.ast.expr(inner), inner.0 + 1 == self.ast.len() as u32) {
            if Some(inner) == self.closed {
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
        self.closed = Some(x);
        self.stacks.brackets.push((x, Span::new(l, r)));
        x
    }

    /// Where the node stands, brackets and all, so that `a * (b + c)` does not end before the last one.
    fn outer(&self, x: ExprId) -> Span {
        // A node is made before its brackets are closed, and what is inside before it: they stand in order.
        let brackets = &self.stacks.brackets;
        match brackets.get(brackets.partition_point(|(inner, _)| *inner <= x).wrapping_sub(1)) {
            Some((inner, span)) if *inner == x => *span,
            _ => self.span(x),
        }
    }

    pub fn sign(&mut self, sign: Sign, l: u32, operand: ExprId) -> ExprId {
        let span = Span::new(l, self.outer(operand).end);
        self.add(Expr::Sign { sign, operand }, span)
    }

    pub fn range(&mut self, chain: Chain, to: ExprId) -> Chain {
        if self.ast.expr(to) == Expr::Error {
            return self.with_last(chain, |b, from| {
                let span = b.span(from).to(b.span(to));
                b.add(Expr::Error, span)
            });
        }
        self.with_last(chain, |b, x| {
            // A call or bracket on the right came after the signs on the left, which then stay where they are.
            b.below_signs(x, |b, from| {
                let span = b.outer(from).to(b.outer(to));
                b.add(Expr::Range { from, to }, span)
            })
        })
    }

    #[inline]
    pub fn number(&mut self, l: u32, r: u32) -> ExprId {
        self.add(Expr::Number, Span::new(l, r))
    }

    pub fn text(&mut self, l: u32, r: u32) -> ExprId {
        self.add(Expr::Text, Span::new(l, r))
    }

    pub fn name(&mut self, l: u32, r: u32) -> ExprId {
        let span = Span::new(l, r);
        let expr = match span.text(self.source) {
            "TRUE" => Expr::Bool(true),
            "FALSE" => Expr::Bool(false),
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
            b.below_signs(x, |b, last| {
                // Of a range it is the last end that stands before the bracket.
                let range = match b.ast.expr(last) {
                    Expr::Range { from, to } if Some(last) != b.closed && last.0 + 1 == b.ast.len() as u32 => {
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

    pub fn no_args(&mut self) -> Args {
        let base = self.stacks.args.len() as u32;
        Args { base, top: base }
    }

    pub fn first_arg(&mut self, e: ExprId) -> Args {
        let base = self.stacks.args.len() as u32;
        self.stacks.args.push(e);
        Args { base, top: base + 1 }
    }

    pub fn next_arg(&mut self, args: Args, e: ExprId) -> Args {
        self.stacks.args.truncate(args.top as usize);
        self.stacks.args.push(e);
        Args { base: args.base, top: args.top + 1 }
    }

    /// `l..m` is the name; the closing bracket `c..r` is empty when the layout pass supplied it.
    pub fn call(&mut self, l: u32, m: u32, args: Args, c: u32, r: u32) -> ExprId {
        self.stacks.args.truncate(args.top as usize);
        let first = self.ast.args.len() as u32;
        self.ast.args.extend(self.stacks.args.drain(args.base as usize..));
        let index = self.ast.calls.len() as u32;
        let call = Call { name: Span::new(l, m), first, count: args.top - args.base, unclosed: c == r };
        self.ast.calls.push(call);
        self.add(Expr::Call(index), Span::new(l, r))
    }

    // Faults
}
