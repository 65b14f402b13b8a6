//! A tree back to formula text, with only the brackets that it needs: the oracle of the round-trip tests.

use super::{Ast, Expr, ExprId, Sign};

enum PrintStep<'a> {
    Node(ExprId, u8),
    Word(&'a str),
}

/// Binding strengths beyond those of [`super::BinaryOp`].
const PERCENT: u8 = 6;
const SIGN: u8 = 7;
/// What stands after an operand, and applies to the one read last.
const POSTFIX: u8 = 8;
const ATOM: u8 = 9;
/// Bound by nothing: always in brackets.
const BRACKETS: u8 = 10;

fn strength(expr: Expr) -> u8 {
    match expr {
        Expr::Binary { op, .. } => op.strength(),
        Expr::Percent(_) => PERCENT,
        Expr::Sign { .. } => SIGN,
        Expr::Timeframe { .. } | Expr::Range { .. } => POSTFIX,
        _ => ATOM,
    }
}

/// How a timeframe's base is bound: a square bracket stands after a name, a reference, a cell or a bracket only.
fn base_strength(ast: &Ast, base: ExprId) -> u8 {
    let mut last = base;
    while let Expr::Tab { base, .. } = ast.expr(last) {
        last = base;
    }
    match ast.expr(last) {
        Expr::Number | Expr::Text | Expr::Range { .. } => BRACKETS,
        _ => POSTFIX,
    }
}

/// The text of one expression, in one line.
#[must_use]
pub fn print(ast: &Ast, source: &str, root: ExprId) -> String {
    let mut out = String::new();
    let mut stack = vec![PrintStep::Node(root, 0)];
    while let Some(step) = stack.pop() {
        let (id, least) = match step {
            PrintStep::Word(word) => {
                out.push_str(word);
                continue;
            }
            PrintStep::Node(id, least) => (id, least),
        };
        let expr = ast.expr(id);
        let text = ast.span(id).text(source);
        let own = strength(expr);
        if own < least {
            out.push('(');
            stack.push(PrintStep::Word(")"));
        }
        match expr {
            Expr::Error => out.push('?'),
            Expr::Blank => {}
            Expr::Bool(value) => out.push_str(if value { "TRUE" } else { "FALSE" }),
            Expr::Number | Expr::Text | Expr::Name | Expr::Model | Expr::Cell => out.push_str(text),
            Expr::Field => out.extend(text.chars().filter(|c| !c.is_whitespace())),
            Expr::Timeframe { base, frame } => {
                stack.push(PrintStep::Word("]"));
                stack.push(PrintStep::Word(ast.names[frame as usize].text(source)));
                stack.push(PrintStep::Word("["));
                stack.push(PrintStep::Node(base, base_strength(ast, base)));
            }
            Expr::Tab { tab, base } => {
                out.push_str(ast.names[tab as usize].text(source));
                out.push('!');
                stack.push(PrintStep::Node(base, ATOM));
            }
            Expr::Range { from, to } => {
                let timeframe = matches!(ast.expr(to), Expr::Timeframe { .. });
                stack.push(PrintStep::Node(to, if timeframe { POSTFIX } else { ATOM }));
                stack.push(PrintStep::Word(":"));
                stack.push(PrintStep::Node(from, POSTFIX));
            }
            Expr::Sign { sign, operand } => {
                out.push(if sign == Sign::Minus { '-' } else { '+' });
                // A sign before a range would be read as one of its first end.
                let range = matches!(ast.expr(operand), Expr::Range { .. });
                stack.push(PrintStep::Node(operand, if range { BRACKETS } else { SIGN }));
            }
            Expr::Percent(operand) => {
                stack.push(PrintStep::Word("%"));
                stack.push(PrintStep::Node(operand, PERCENT));
            }
            Expr::Binary { op, left, right } => {
                stack.push(PrintStep::Node(right, op.strength() + 1));
                stack.push(PrintStep::Word(" "));
                stack.push(PrintStep::Word(op.symbol()));
                stack.push(PrintStep::Word(" "));
                // A comparison of comparisons is refused by the parser, so it needs its brackets.
                stack.push(PrintStep::Node(left, op.strength() + u8::from(op.compares())));
            }
            Expr::Call(index) => {
                let call = ast.call(index);
                out.extend(call.name.text(source).chars().filter(|c| !c.is_whitespace()));
                out.push('(');
                stack.push(PrintStep::Word(")"));
                for (i, argument) in ast.arguments(call).iter().enumerate().rev() {
                    stack.push(PrintStep::Node(*argument, 0));
                    if i > 0 {
                        stack.push(PrintStep::Word(", "));
                    }
                }
            }
        }
    }
    out
}
