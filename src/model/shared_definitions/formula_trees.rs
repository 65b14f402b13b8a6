//! IDs for formulas. Two formulas have the same ID if their trees are the same.

use rustc_hash::FxHashMap;

use crate::ast::{Ast, Expr, ExprId, Sign};
use crate::lex::LayoutMode;
use crate::limits::Limits;
use crate::metrics::let_variable_names;
use crate::parse;
use crate::span::Span;

/// IDs of the subtrees of formulas. The IDs ignore layout, comments, brackets, and the case of names and functions. The
/// name of a definition represents its formula, so the way in which a formula is split into definitions is also
/// ignored. A qualifier that names the relation of the rows is ignored too.
#[derive(Debug, Default)]
pub struct FormulaTrees {
    ids: FxHashMap<String, u32>,
}

impl FormulaTrees {
    /// Returns the ID of a formula's tree over the rows of `relation`. `definition` returns the ID of the definition to
    /// which a name refers. Returns `None` if the formula has a syntax error.
    pub fn tree_id(
        &mut self,
        (formula, relation): (&str, &str),
        limits: &Limits,
        definition: impl Fn(&str) -> Option<u32>,
    ) -> Option<u32> {
        let (parsed, faults) = parse::parse_with(formula, LayoutMode::Formula, limits);
        let (ast, text) = (parsed.ast(), parsed.source());
        let [body] = ast.definitions.as_slice() else {
            return None;
        };
        if faults.iter().any(crate::diag::Diagnostic::is_error) {
            return None;
        }
        let bound = let_variable_names(ast, text, Span::new(0, text.len() as u32));
        let mut ids: Vec<u32> = Vec::with_capacity(ast.len());
        for id in ast.ids() {
            let reference_name = unqualified_name_of_node(ast, text, id)
                .filter(|name| !bound.iter().any(|bound_name| bound_name.eq_ignore_ascii_case(name)));
            let node_id = match reference_name.and_then(&definition) {
                Some(node_id) => node_id,
                None => self.intern(node_key(ast, (text, relation), id, &ids)?),
            };
            ids.push(node_id);
        }
        ids.get(body.body.index()).copied()
    }

    fn intern(&mut self, key: String) -> u32 {
        let next = self.ids.len() as u32;
        *self.ids.entry(key).or_insert(next)
    }
}

/// Returns the name if a node is an unqualified name.
fn unqualified_name_of_node<'t>(ast: &Ast, text: &'t str, id: ExprId) -> Option<&'t str> {
    match ast.expr(id) {
        Expr::Name => Some(ast.span(id).text(text)),
        Expr::Model => {
            let parts = parse::reference(text, ast.span(id));
            let is_plain = parts.view.is_none() && parts.timeframe.is_none() && parts.total.is_none();
            is_plain.then(|| parts.field.text(text))
        }
        _ => None,
    }
}

/// Returns a string that describes a node, with the IDs of its children. `None` for an error node.
fn node_key(ast: &Ast, (text, relation): (&str, &str), id: ExprId, ids: &[u32]) -> Option<String> {
    let id_of_child = |child: ExprId| ids.get(child.index()).copied();
    let source = ast.span(id).text(text);
    let word = |span: crate::span::Span| span.text(text).trim().to_lowercase();
    Some(match ast.expr(id) {
        Expr::Error => return None,
        Expr::Blank => "blank".to_owned(),
        Expr::Bool(value) => format!("bool {value}"),
        Expr::Number => format!("number {}", source.to_lowercase()),
        Expr::Text => format!("text {source}"),
        Expr::Name => format!("name {}", source.to_lowercase()),
        Expr::Field | Expr::Model => {
            let parts = parse::reference(text, ast.span(id));
            let view = parts.view.map(word).filter(|view| *view != relation.to_lowercase());
            let view = view.map(|view| view + ".").unwrap_or_default();
            let frame = parts.timeframe.map(|frame| format!("[{}]", word(frame)));
            let total = parts.total.map(|total| format!(":{}", word(total)));
            let (frame, total) = (frame.unwrap_or_default(), total.unwrap_or_default());
            format!("name {view}{}{frame}{total}", word(parts.field))
        }
        Expr::Cell => format!("cell {}", source.to_lowercase()),
        Expr::Timeframe { base, frame } => {
            format!(
                "frame {} {}",
                id_of_child(base)?,
                word(ast.names.get(frame as usize).copied()?)
            )
        }
        Expr::Tab { tab, base } => format!(
            "tab {} {}",
            id_of_child(base)?,
            word(ast.names.get(tab as usize).copied()?)
        ),
        Expr::Range { from, to } => format!("range {} {}", id_of_child(from)?, id_of_child(to)?),
        Expr::Sign { sign, operand } => {
            let sign = if sign == Sign::Minus { "minus" } else { "plus" };
            format!("{sign} {}", id_of_child(operand)?)
        }
        Expr::Percent(operand) => format!("percent {}", id_of_child(operand)?),
        Expr::Binary { op, left, right } => {
            format!("binary {} {} {}", op.symbol(), id_of_child(left)?, id_of_child(right)?)
        }
        Expr::Call(index) => {
            let call = ast.call(index);
            let name: String = call.name.text(text).chars().filter(|c| !c.is_whitespace()).collect();
            let arguments = ast.arguments(call).iter().map(|argument| id_of_child(*argument));
            let arguments: Vec<String> = arguments
                .map(|child_id| child_id.map(|argument_id| argument_id.to_string()))
                .collect::<Option<_>>()?;
            format!("call {} {}", name.to_lowercase(), arguments.join(" "))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_case_and_helpers_do_not_matter() {
        let mut trees = FormulaTrees::default();
        let limits = Limits::default();
        let inner = trees.tree_id(("SUM(amount)", "orders"), &limits, |_| None);
        let mut id_of = |formula: &str| {
            trees.tree_id((formula, "orders"), &limits, |name| {
                inner.filter(|_| name.eq_ignore_ascii_case("revenue"))
            })
        };
        let expected_id = id_of("SUM(amount) / COUNT(DISTINCT(id))");
        for (formula, is_same) in [
            ("sum( Amount )/count(distinct(${ID}))", true),
            ("(SUM(amount)) / // all\n  COUNT(DISTINCT(id))", true),
            ("revenue / COUNT(DISTINCT(id))", true),
            ("Revenue / COUNT(DISTINCT(id))", true),
            ("COUNT(DISTINCT(id)) / SUM(amount)", false),
            ("SUM(amount) / COUNT(id)", false),
            ("SUM(orders.amount) / COUNT(DISTINCT(${Orders.id}))", true),
            ("SUM(amount) / COUNT(DISTINCT(customers.id))", false),
            ("LET(revenue, 1, revenue / COUNT(DISTINCT(id)))", false),
        ] {
            assert_eq!(id_of(formula) == expected_id, is_same, "{formula}");
        }
        assert_ne!(id_of("\"A\""), id_of("\"a\""));
        assert_ne!(id_of("day[month]"), id_of("day[year]"));
        assert_eq!(id_of("SUM("), None);
    }
}
