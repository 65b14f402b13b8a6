//! Names that LET defines, and the values that they refer to.

use rustc_hash::FxHashMap;

use super::{NameTarget, duplicate_definition_diagnostic};
use crate::arena::Arena;
use crate::ast::{Ast, Call, Expr, ExprId};
use crate::diag::{Code, Diagnostic};

/// Resolves the names that LET calls define. A name is in scope from the end of its value to the end of the call, and
/// hides columns, definitions and names of outer calls. The resolver handles all other names.
pub(in crate::check) fn resolve(
    ast: &Ast,
    source: &str,
    targets: &mut Arena<NameTarget>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    if !ast.calls.iter().any(|call| is_let_call(call, source)) {
        return;
    }
    // Name that enters the scope after each value.
    let mut names_after: FxHashMap<ExprId, String> = FxHashMap::default();
    for (id, pairs) in ast.ids().filter_map(|id| Some((id, let_pairs(ast, source, id)?))) {
        mark_names(ast, source, (id, pairs), targets, diagnostics);
        for [name, value] in pairs {
            if targets[name.index()] == NameTarget::LetName {
                names_after.insert(*value, ast.span(*name).text(source).to_lowercase());
            }
        }
    }
    // Values of the names in scope. The values of the innermost call come last.
    let mut scopes: FxHashMap<String, Vec<ExprId>> = FxHashMap::default();
    // A call follows its arguments, because children precede their parents.
    for id in ast.ids() {
        if ast.expr(id) == Expr::Name && targets[id.index()] == NameTarget::None {
            let name = ast.span(id).text(source).to_lowercase();
            if let Some(value) = scopes.get(&name).and_then(|values| values.last()) {
                targets[id.index()] = NameTarget::LetValue(value.0);
            }
        }
        for [_, value] in let_pairs(ast, source, id).unwrap_or_default() {
            if let Some(values) = names_after.get(value).and_then(|name| scopes.get_mut(name)) {
                values.pop();
            }
        }
        if let Some(name) = names_after.get(&id) {
            scopes.entry(name.clone()).or_default().push(id);
        }
    }
}

fn is_let_call(call: &Call, source: &str) -> bool {
    call.name.bytes(source).eq_ignore_ascii_case(b"LET")
}

/// Returns the pairs of a name and a value in a LET call. `None` for other nodes and for calls with fewer than three
/// arguments.
fn let_pairs<'a>(ast: &'a Ast, source: &str, id: ExprId) -> Option<&'a [[ExprId; 2]]> {
    let Expr::Call(index) = ast.expr(id) else { return None };
    let call = ast.call(index);
    let arguments = ast.arguments(call);
    (arguments.len() >= 3 && is_let_call(&call, source)).then_some(arguments.as_chunks().0)
}

/// Marks the names that a call defines, and reports arguments that are not pairs of a name and a value.
fn mark_names(
    ast: &Ast,
    source: &str,
    (id, pairs): (ExprId, &[[ExprId; 2]]),
    targets: &mut Arena<NameTarget>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let Expr::Call(index) = ast.expr(id) else { return };
    let count = ast.call(index).count;
    if count.is_multiple_of(2) {
        targets[id.index()] = NameTarget::Error;
        diagnostics.push(
            Diagnostic::new(
                Code::ArgumentCount,
                ast.span(id),
                format!(
                    "`LET` expects pairs of a name and a value, followed by an expression; found {count} arguments"
                ),
            )
            .with_help("add the expression to compute, as in `LET(rate, a / b, rate * 100)`"),
        );
        return;
    }
    let mut firsts = FxHashMap::default();
    for [name, _] in pairs {
        let span = ast.span(*name);
        if ast.expr(*name) != Expr::Name {
            targets[id.index()] = NameTarget::Error;
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
        let first = *firsts.entry(span.text(source).to_lowercase()).or_insert(span);
        if first != span {
            targets[id.index()] = NameTarget::Error;
            diagnostics.push(duplicate_definition_diagnostic(span, first, source));
        }
        targets[name.index()] = NameTarget::LetName;
    }
}
