//! Prints a tree as formula text with only the necessary brackets. The round-trip tests use this printer to check the
//! parser.

use super::{Ast, Expr, ExprId, Sign};

enum PrintTask<'a> {
    Node(ExprId, u8),
    Word(&'a str),
}

/// Precedences above the precedences of [`super::BinaryOp`].
const PERCENT_PRECEDENCE: u8 = 6;
const SIGN_PRECEDENCE: u8 = 7;
/// Precedence of postfix operators. A postfix operator applies to the operand directly before it.
const POSTFIX_PRECEDENCE: u8 = 8;
const ATOM_PRECEDENCE: u8 = 9;
/// Highest precedence, at which every operand needs brackets.
const BRACKETS_PRECEDENCE: u8 = 10;

fn expression_precedence(expr: Expr) -> u8 {
    match expr {
        Expr::Binary { op, .. } => op.strength(),
        Expr::Percent(_) => PERCENT_PRECEDENCE,
        Expr::Sign { .. } => SIGN_PRECEDENCE,
        Expr::Timeframe { .. } | Expr::Range { .. } => POSTFIX_PRECEDENCE,
        _ => ATOM_PRECEDENCE,
    }
}

/// Returns the minimum precedence for the base of a timeframe. Square brackets can only follow a name, a reference, a
/// cell or a closing bracket.
fn timeframe_base_precedence(ast: &Ast, base: ExprId) -> u8 {
    let mut last = base;
    while let Expr::Tab { base, .. } = ast.expr(last) {
        last = base;
    }
    match ast.expr(last) {
        Expr::Number | Expr::Text | Expr::Range { .. } => BRACKETS_PRECEDENCE,
        _ => POSTFIX_PRECEDENCE,
    }
}

/// Prints an expression on one line.
#[must_use]
pub fn print(ast: &Ast, source: &str, root: ExprId) -> String {
    let mut out = String::new();
    let mut stack = vec![PrintTask::Node(root, 0)];
    while let Some(step) = stack.pop() {
        let (id, least) = match step {
            PrintTask::Word(word) => {
                out.push_str(word);
                continue;
            }
            PrintTask::Node(id, least) => (id, least),
        };
        let expr = ast.expr(id);
        let text = ast.span(id).text(source);
        let own = expression_precedence(expr);
        if own < least {
            out.push('(');
            stack.push(PrintTask::Word(")"));
        }
        match expr {
            Expr::Error => out.push('?'),
            Expr::Blank => {}
            Expr::Bool(value) => out.push_str(if value { "TRUE" } else { "FALSE" }),
            Expr::Number | Expr::Text | Expr::Name | Expr::Model | Expr::Cell => out.push_str(text),
            Expr::Field => out.extend(text.chars().filter(|c| !c.is_whitespace())),
            Expr::Timeframe { base, frame } => {
                stack.push(PrintTask::Word("]"));
                stack.push(PrintTask::Word(ast.name(frame).text(source)));
                stack.push(PrintTask::Word("["));
                stack.push(PrintTask::Node(base, timeframe_base_precedence(ast, base)));
            }
            Expr::Tab { tab, base } => {
                out.push_str(ast.name(tab).text(source));
                out.push('!');
                stack.push(PrintTask::Node(base, ATOM_PRECEDENCE));
            }
            Expr::Range { from, to } => {
                let timeframe = matches!(ast.expr(to), Expr::Timeframe { .. });
                stack.push(PrintTask::Node(
                    to,
                    if timeframe { POSTFIX_PRECEDENCE } else { ATOM_PRECEDENCE },
                ));
                stack.push(PrintTask::Word(":"));
                stack.push(PrintTask::Node(from, POSTFIX_PRECEDENCE));
            }
            Expr::Sign { sign, operand } => {
                out.push(if sign == Sign::Minus { '-' } else { '+' });
                // Without brackets, a sign before a range would apply only to the start of the range.
                let range = matches!(ast.expr(operand), Expr::Range { .. });
                stack.push(PrintTask::Node(
                    operand,
                    if range { BRACKETS_PRECEDENCE } else { SIGN_PRECEDENCE },
                ));
            }
            Expr::Percent(operand) => {
                stack.push(PrintTask::Word("%"));
                stack.push(PrintTask::Node(operand, PERCENT_PRECEDENCE));
            }
            Expr::Binary { op, left, right } => {
                stack.push(PrintTask::Node(right, op.strength() + 1));
                stack.push(PrintTask::Word(" "));
                stack.push(PrintTask::Word(op.symbol()));
                stack.push(PrintTask::Word(" "));
                // The parser rejects chained comparisons, so a comparison that is a left operand needs brackets.
                stack.push(PrintTask::Node(left, op.strength() + u8::from(op.is_comparison())));
            }
            Expr::Call(index) => {
                let call = ast.call(index);
                out.extend(call.name.text(source).chars().filter(|c| !c.is_whitespace()));
                out.push('(');
                stack.push(PrintTask::Word(")"));
                for (i, argument) in ast.arguments(call).iter().enumerate().rev() {
                    stack.push(PrintTask::Node(*argument, 0));
                    if i > 0 {
                        stack.push(PrintTask::Word(", "));
                    }
                }
            }
        }
    }
    out
}
