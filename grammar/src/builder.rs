//! Functions for the grammar's actions: they add nodes to the arena and resolve precedence in operator chains.

use super::terminal::Terminal;
use formulac_syntax::ast::{Ast, BinaryOp, Call, Definition, Expr, ExprId, Sign};
use formulac_syntax::diag::{Code, Diagnostic};
use formulac_syntax::lex::{DefinitionHead, Token};
use formulac_syntax::span::Span;

/// Chain of operands and operators that is being parsed. The chain holds the height of the builder's stack after the
/// chain's last operand. A single operand, as in most arguments, is not on the stack. The chain then holds the
/// operand's node, marked with the flag `SINGLE_OPERAND`. Error recovery may abandon a chain, so every operation on a
/// chain first truncates the stack to the height that the chain holds.
#[derive(Clone, Copy, Debug)]
pub struct Chain(u32);

/// Flag that marks a chain with a single operand. Node ids are always smaller than this flag because a source has fewer
/// bytes than the value of the flag.
const SINGLE_OPERAND: u32 = 1 << 31;

/// Argument list that is being parsed. The list holds the height of the argument stack.
#[derive(Clone, Copy, Debug)]
pub struct PendingList(u32);

/// Arguments of a call.
#[derive(Clone, Copy, Debug)]
pub enum Arguments {
    None,
    One(ExprId),
    Several(PendingList),
}

/// Operand of a chain.
#[derive(Clone, Copy, Debug)]
struct Operand {
    /// Operator between the previous operand and this operand, and its position. `None` for the first operand of a
    /// chain.
    operator: Option<BinaryOp>,
    at: u32,
    node: ExprId,
    /// Span including brackets, so that `a * (b + c)` ends after the closing bracket.
    span: Span,
}

/// The builder's stacks, which are reused for the next text.
#[derive(Debug, Default)]
pub struct BuilderStacks {
    operands: Vec<Operand>,
    /// Arguments, each with its position in its argument list.
    args: Vec<(ExprId, u32)>,
}

impl BuilderStacks {
    /// Truncates the stack to the end of a list, then returns the number of arguments in the list.
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
    pub(super) has_syntax_error: bool,
    stacks: &'s mut BuilderStacks,
    /// Expression in the brackets that were closed last, and the span of these brackets.
    closed: Option<(ExprId, Span)>,
    ast: &'s mut Ast,
    diagnostics: &'s mut Vec<Diagnostic>,
}

impl<'s> AstBuilder<'s> {
    /// Creates a builder for a tree. The tree must be empty.
    pub fn new(
        source: &'s str,
        heads: &'s [DefinitionHead],
        stacks: &'s mut BuilderStacks,
        ast: &'s mut Ast,
        diagnostics: &'s mut Vec<Diagnostic>,
    ) -> Self {
        stacks.operands.clear();
        stacks.args.clear();
        Self {
            source,
            heads: heads.iter(),
            first: ast.len() as u32,
            has_syntax_error: false,
            stacks,
            closed: None,
            ast,
            diagnostics,
        }
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
        self.has_syntax_error |= diagnostic.is_error();
        // Errors that merely result from an unclosed string or an unmatched bracket are not reported.
        let follows = matches!(diagnostic.kind(), Code::UnexpectedToken | Code::ExpectedExpression);
        if !(follows && self.heads.as_slice().first().is_some_and(|h| h.hides_errors)) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Removes the last report if its position is in the span, because the caller reports the whole span instead.
    pub(super) fn replace_reports_in(&mut self, span: Span) {
        let is_inside = |last: &Diagnostic| span.start <= last.span().start && last.span().end <= span.end;
        if self.diagnostics.last().is_some_and(is_inside) {
            self.diagnostics.pop();
        }
    }

    // Formulas

    pub fn formula(&mut self, body: ExprId) {
        if let Some(head) = self.heads.next().copied() {
            self.add_definition(head, body);
        }
    }

    pub(super) fn add_definition(&mut self, head: DefinitionHead, body: ExprId) {
        let first = ExprId(self.first);
        let broken = std::mem::take(&mut self.has_syntax_error) | head.broken;
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
        // The error for an empty formula without a name has already been reported.
        if head.is_some_and(|h| !h.too_deep && h.name.is_some()) {
            let end_span = Span::new(span.end, span.end);
            self.report(
                Diagnostic::new(Code::ExpectedExpression, end_span, "expected an expression after `=`")
                    .with_help("write an expression after `=`, or remove the line"),
            );
        }
        self.has_syntax_error = true;
        let body = self.add(Expr::Error, Span::new(span.end, span.end));
        self.formula(body);
    }

    // Operator chains: a stack holds the operands that still lack a right-hand side

    #[inline]
    pub fn begin(&mut self, node: ExprId) -> Chain {
        match self.closed {
            // Push the operand with its brackets now, because the builder remembers only the brackets that were closed
            // last.
            Some((inner, _)) if inner == node => self.push(None, 0, node),
            _ => Chain(node.0 | SINGLE_OPERAND),
        }
    }

    /// Completes the previous operators that bind at least as tightly, then adds an operator and its right operand.
    #[inline]
    pub fn extend(&mut self, chain: Chain, op: BinaryOp, offset: u32, node: ExprId) -> Chain {
        self.drop_operands_above(chain);
        // A single operand has no preceding operator.
        while chain.0 & SINGLE_OPERAND == 0
            && let Some(right) = self.stacks.operands.last().copied()
            && let Some(before) = right.operator
            && before.strength() >= op.strength()
        {
            self.stacks.operands.pop();
            self.reduce_operands(before, right, op.is_comparison());
        }
        self.push(Some(op), offset, node)
    }

    #[inline]
    pub fn finish(&mut self, chain: Chain) -> ExprId {
        if chain.0 & SINGLE_OPERAND != 0 {
            return ExprId(chain.0 & !SINGLE_OPERAND);
        }
        self.drop_operands_above(chain);
        loop {
            let Some(last) = self.stacks.operands.pop() else {
                return ExprId(0);
            };
            let Some(op) = last.operator else { return last.node };
            self.reduce_operands(op, last, false);
        }
    }

    #[inline]
    fn push(&mut self, operator: Option<BinaryOp>, offset: u32, node: ExprId) -> Chain {
        let span = self.span_with_brackets(node);
        self.stacks.operands.push(Operand {
            operator,
            at: offset,
            node,
            span,
        });
        Chain(self.stacks.operands.len() as u32)
    }

    /// Drops the operands above the last operand of the chain.
    #[inline]
    fn drop_operands_above(&mut self, chain: Chain) {
        if chain.0 & SINGLE_OPERAND != 0 {
            let node = ExprId(chain.0 & !SINGLE_OPERAND);
            let span = self.span(node);
            self.stacks.operands.push(Operand {
                operator: None,
                at: 0,
                node,
                span,
            });
        } else {
            self.stacks.operands.truncate(chain.0 as usize);
        }
    }

    /// Combines the last operand on the stack and `right`, which has already been popped, into one operand.
    fn reduce_operands(&mut self, op: BinaryOp, right: Operand, compared: bool) {
        let Some(left) = self.stacks.operands.last_mut() else {
            return;
        };
        let is_chained = compared && op.is_comparison();
        // An unknown operator such as `><` lacks an operand, which has already been reported.
        let is_reported = [left.node, right.node]
            .iter()
            .any(|node| self.ast.expr(*node) == Expr::Error);
        let expr = if is_chained {
            Expr::Error
        } else {
            Expr::Binary {
                op,
                left: left.node,
                right: right.node,
            }
        };
        left.span = left.span.to(right.span);
        left.node = self.ast.add(expr, left.span);
        if is_chained && !is_reported {
            self.report_chained_comparison(op, right.at);
        }
    }

    #[cold]
    fn report_chained_comparison(&mut self, op: BinaryOp, offset: u32) {
        let end = offset + op.symbol().len() as u32;
        self.report(
            Diagnostic::new(
                Code::ChainedComparison,
                Span::new(offset, end),
                "comparisons cannot be chained",
            )
            .with_help("write two comparisons, `AND(a < b, b < c)`, or put one of them in brackets"),
        );
    }

    /// Reports `==` or `!=` and returns the corresponding operator.
    pub fn report_misspelled_operator(&mut self, terminal: Terminal, l: u32, r: u32) -> BinaryOp {
        let span = Span::new(l, r);
        self.diagnostics.push(if terminal.token == Token::DoubleEqual {
            self.has_syntax_error = true;
            Diagnostic::new(Code::NotFormulaSyntax, span, "`==` is not an operator")
                .with_help("write `=`")
                .with_fix(span, "=")
        } else {
            Diagnostic::new(Code::NotEqualSpelling, span, "`!=` is interpreted as `<>`")
                .with_help("use `<>`, as spreadsheets do")
                .with_fix(span, "<>")
        });
        terminal.operator()
    }

    // Operands

    /// Applies `%` to the operand read last, because `%` binds more tightly than any binary operator.
    pub fn percent(&mut self, chain: Chain, r: u32) -> Chain {
        self.replace_last_operand(chain, |b, x| b.add(Expr::Percent(x.node), Span::new(x.span.start, r)))
    }

    /// Replaces the operand read last.
    #[inline]
    fn replace_last_operand(&mut self, chain: Chain, make: impl FnOnce(&mut Self, Operand) -> ExprId) -> Chain {
        self.drop_operands_above(chain);
        if let Some(operand) = self.stacks.operands.pop() {
            let node = make(self, operand);
            self.stacks.operands.push(Operand {
                node,
                span: self.span(node),
                ..operand
            });
        }
        Chain(self.stacks.operands.len() as u32)
    }

    /// Replaces an operand with a construct that binds more tightly than a sign. Removes the signs first and adds them
    /// again around the result.
    fn with_signs_removed(&mut self, x: ExprId, make: impl FnOnce(&mut Self, ExprId) -> ExprId) -> ExprId {
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
        let mut expr = make(self, inner);
        for (sign, start) in signs.into_iter().rev() {
            expr = self.sign(sign, start, expr);
        }
        expr
    }

    /// Records the brackets of `(x)`. Returns `x` itself. Signs inside recorded brackets are never moved outside of the
    /// brackets.
    pub fn record_brackets(&mut self, l: u32, x: ExprId, r: u32) -> ExprId {
        self.closed = Some((x, Span::new(l, r)));
        x
    }

    /// Returns the span of the operand that was read last, including its brackets if they were closed last.
    #[inline]
    fn span_with_brackets(&self, x: ExprId) -> Span {
        match self.closed {
            Some((inner, span)) if inner == x => span,
            _ => self.span(x),
        }
    }

    pub fn add_sign(&mut self, terminal: Terminal, l: u32, operand: ExprId) -> ExprId {
        self.sign(
            if terminal.token == Token::Minus {
                Sign::Minus
            } else {
                Sign::Plus
            },
            l,
            operand,
        )
    }

    fn sign(&mut self, sign: Sign, l: u32, operand: ExprId) -> ExprId {
        let span = Span::new(l, self.span_with_brackets(operand).end);
        self.add(Expr::Sign { sign, operand }, span)
    }

    pub fn range(&mut self, chain: Chain, to: ExprId) -> Chain {
        if self.ast.expr(to) == Expr::Error {
            return self.replace_last_operand(chain, |b, from| {
                let span = b.span(from.node).to(b.span(to));
                b.add(Expr::Error, span)
            });
        }
        self.replace_last_operand(chain, |b, x| {
            // If the right end of the range is a call or is in brackets, its nodes come after the nodes of the unary
            // signs before the left end. The signs are not moved in that case.
            b.with_signs_removed(x.node, |b, from| {
                let start = if from == x.node { x.span } else { b.span(from) };
                let span = start.to(b.span_with_brackets(to));
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

    /// Adds an empty argument before the comma or bracket at `offset`.
    pub fn blank(&mut self, offset: u32) -> ExprId {
        self.add(Expr::Blank, Span::new(offset, offset))
    }

    /// Adds an error node for an operand whose error has already been reported.
    pub fn add_error(&mut self, l: u32, r: u32) -> ExprId {
        self.has_syntax_error = true;
        self.add(Expr::Error, Span::new(l, r))
    }

    /// Joins two adjacent expressions into one error node.
    pub fn join_to_error(&mut self, x: ExprId, y: ExprId) -> ExprId {
        self.has_syntax_error = true;
        let span = self.span(x).to(self.span(y));
        self.add(Expr::Error, span)
    }

    pub fn timeframe(&mut self, chain: Chain, l: u32, m: u32, r: u32) -> Chain {
        let frame = self.ast.names.len() as u32;
        self.ast.names.push(Span::new(l, m));
        self.replace_last_operand(chain, |b, x| {
            b.with_signs_removed(x.node, |b, last| {
                // The timeframe in brackets after a range belongs to the right end of the range.
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

    pub fn push_call_argument(&mut self, list: PendingList, e: ExprId) -> PendingList {
        let before = self.stacks.count(list);
        self.stacks.args.push((e, before + 1));
        PendingList(list.0 + 1)
    }

    /// Adds a call. `l..m` is the span of its name. The span `c..r` of the closing bracket is empty if the layout pass
    /// added the bracket.
    pub fn call(&mut self, l: u32, m: u32, args: Arguments, c: u32, r: u32) -> ExprId {
        if let Arguments::None = args
            && let Some(value) = boolean_call(Span::new(l, m).text(self.source))
        {
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
        self.ast.calls.push(Call {
            name: Span::new(l, m),
            first,
            count,
            unclosed: c == r,
        });
        self.add(Expr::Call(index), Span::new(l, r))
    }
}

/// Returns the value of `TRUE()` or `FALSE()`. Spreadsheet exports use this form of the constants.
fn boolean_call(name: &str) -> Option<bool> {
    if name.eq_ignore_ascii_case("true") {
        Some(true)
    } else if name.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}
