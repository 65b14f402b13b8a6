//! Names that LET defines, and the values that they refer to.

use super::names::NameTarget;
use crate::ast::{Ast, Call, Expr, ExprId};
use crate::catalog::{self, Lowering};
use crate::diag::{Code, Diagnostic};

/// Resolves the names that LET calls define. A name is in scope from the end of its value to the end of the call, and
/// hides columns, definitions and names of outer calls. Other names are left for the resolver.
pub(super) fn resolve(ast: &Ast, source: &str, targets: &mut [NameTarget], diagnostics: &mut Vec<Diagnostic>) {
    let is_let = |call: &Call| {
        let name = call.name.text(source);
        name.len() == 3 && catalog::lookup(name).is_some_and(|f| f.lower == Some(Lowering::Let))
    };
    if !ast.calls.iter().any(is_let) {
        return;
    }
    // Inner calls precede outer calls, so an inner name hides an outer name.
    for id in ast.ids() {
        let Expr::Call(index) = ast.expr(id) else { continue };
        let call = ast.call(index);
        if !is_let(&call) {
            continue;
        }
        let arguments = ast.arguments(call);
        if arguments.len() < 3 {
            continue;
        }
        if arguments.len().is_multiple_of(2) {
            targets[id.index()] = NameTarget::Error;
            let count = arguments.len();
            diagnostics.push(
                Diagnostic::new(
                    Code::ArgumentCount,
                    ast.span(id),
                    format!("`LET` expects pairs of a name and a value, and an expression; found {count} arguments"),
                )
                .with_help("add the expression to compute, as in `LET(rate, a / b, rate * 100)`"),
            );
            continue;
        }
        for (pair, [name, value]) in arguments.as_chunks().0.iter().enumerate() {
            if ast.expr(*name) != Expr::Name {
                targets[id.index()] = NameTarget::Error;
                let span = ast.span(*name);
                diagnostics.push(
                    Diagnostic::new(
                        Code::TypeMismatch,
                        span,
                        format!("`LET` expects a name, found `{}`", span.excerpt(source)),
                    )
                    .with_help("write a name before each value, as in `LET(rate, a / b, rate * 100)`"),
                );
                continue;
            }
            let text = ast.span(*name).text(source);
            let is_same = |other: &ExprId| ast.span(*other).text(source).eq_ignore_ascii_case(text);
            if let Some(first) = arguments.iter().step_by(2).take(pair).find(|other| is_same(other)) {
                targets[id.index()] = NameTarget::Error;
                diagnostics.push(
                    Diagnostic::new(
                        Code::DuplicateDefinition,
                        ast.span(*name),
                        format!("`{text}` is defined twice"),
                    )
                    .with_secondary_label(ast.span(*first), "first defined here")
                    .with_help("rename one of them; names that differ only by case are the same"),
                );
            }
            targets[name.index()] = NameTarget::LetName;
            // Children precede their parents, so these are the nodes of the following arguments.
            for used in (value.0 + 1..id.0).map(ExprId) {
                let is_declared = || arguments.iter().step_by(2).any(|declared| *declared == used);
                let is_free = targets[used.index()] == NameTarget::None && ast.expr(used) == Expr::Name;
                if is_free && is_same(&used) && !is_declared() {
                    targets[used.index()] = NameTarget::LetValue(value.0);
                }
            }
        }
    }
}
