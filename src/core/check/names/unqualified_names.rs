//! Unqualified names in a step with joins, if more than one of its relations has an incomplete schema.

use super::Resolver;
use super::unresolved_names::MAX_CANDIDATES;
use crate::ast::{BinaryOp, Definition, Expr, ExprId};
use crate::check::DefinitionRole;
use crate::diag::{Code, Diagnostic};
use crate::parse::reference;
use crate::schema::Relation;
use crate::span::Span;
use formulac_syntax::diag::lists::{join_names, quote_names};
use formulac_syntax::lex::quote_formula_name;

/// Maximum number of names in a warning. The remaining names are only counted.
const MAX_LISTED_NAMES: usize = 8;

impl Resolver<'_> {
    /// Resolves a name in `on` that no schema lists. If the name is compared with a column of one side of the join, it
    /// belongs to the other side. `None` if this does not determine the relation.
    pub(in crate::check) fn resolve_join_condition_name(
        &mut self,
        id: ExprId,
        span: Span,
        role: DefinitionRole,
        definition: &Definition,
    ) -> Option<u32> {
        let DefinitionRole::On(join) = role else { return None };
        let (scope, text) = (self.scope, span.text(self.source));
        let is_known = self.find_column(text.into()).is_some()
            || scope.merged.iter().any(|merged| merged.name.eq_ignore_ascii_case(text))
            || self
                .tables
                .symbols
                .find(text.into(), self.source)
                .is_some_and(|symbol| symbol.definition.is_some());
        if !scope.open || is_known {
            return None;
        }
        let other = self.compared_relation(id, definition)?;
        let joined = join as usize + 1;
        let side = if other == joined { 0..joined } else { joined..joined + 1 };
        let mut sides = scope
            .relations
            .get(side)?
            .iter()
            .filter(|r| r.may_have_unlisted_columns());
        let (relation, None) = (sides.next()?, sides.next()) else {
            return None;
        };
        Some(self.record_unlisted_column_use(Some(relation.name()), text))
    }

    /// If the expression is the operand `x` of a comparison `x = r.y`, returns the index of the relation `r`.
    fn compared_relation(&self, id: ExprId, definition: &Definition) -> Option<usize> {
        let behind = id.0 + 1..=definition.body.0.min(id.0.saturating_add(MAX_CANDIDATES as u32));
        let other = behind.map(ExprId).find_map(|node| match self.ast.expr(node) {
            Expr::Binary {
                op: BinaryOp::Equal,
                left,
                right,
            } if left == id => Some(right),
            Expr::Binary {
                op: BinaryOp::Equal,
                left,
                right,
            } if right == id => Some(left),
            _ => None,
        })?;
        if !matches!(self.ast.expr(other), Expr::Field | Expr::Model) {
            return None;
        }
        let view = reference(self.source, self.ast.span(other)).view?.text(self.source);
        let mut relations = self.scope.relations.iter();
        relations.position(|relation| relation.name().eq_ignore_ascii_case(view))
    }

    /// Records a name if it may be a column of several joined relations.
    pub(in crate::check) fn record_unqualified_name(&mut self, column: u32, span: Span) {
        let column_entry = &self.columns[column as usize];
        if self.scope.relations.len() > 1
            && self.scope.chosen
            && column_entry.relation.is_none()
            && column_entry.merged.is_empty()
        {
            self.unqualified.push(span);
        }
    }

    /// Warns about names that may refer to columns of several joined relations. The warning is at the first of these
    /// names.
    pub(in crate::check) fn report_unqualified_names(&mut self) {
        let Some(first) = self.unqualified.first().copied() else {
            return;
        };
        let mut names: Vec<&str> = Vec::new();
        for name in self.unqualified.iter().map(|span| span.text(self.source)) {
            if !names.iter().any(|other| other.eq_ignore_ascii_case(name)) {
                names.push(name);
            }
        }
        let relations = self.scope.relations.iter().filter(|r| r.may_have_unlisted_columns());
        let relations: Vec<&str> = relations.map(Relation::name).collect();
        let names_text = match names.get(..MAX_LISTED_NAMES) {
            Some(listed) if names.len() > MAX_LISTED_NAMES => {
                let more = names.len() - MAX_LISTED_NAMES;
                format!("{} and {more} more names", quote_names(listed).join(", "))
            }
            _ => join_names(&names, "and"),
        };
        let noun = if names.len() == 1 { "a column" } else { "columns" };
        let [example, relation] = [&names, &relations].map(|names| names.first().copied().unwrap_or_default());
        let message = format!("{names_text} may be {noun} of {}", join_names(&relations, "and"));
        self.diagnostics.push(
            Diagnostic::new(Code::UnqualifiedName, first, message)
                .with_label("the warehouse rejects a name that several of the relations have")
                .with_help(format!(
                    "specify the relation, for example `{}`, or provide the columns of each relation with \
                     `dbt docs generate`, `formulac schema fetch` or `--schema`",
                    quote_formula_name(&format!("{relation}.{example}"))
                )),
        );
    }
}
