//! Infers the types of columns in which lookups find rows: columns of the sheet or of another tab.

use rustc_hash::FxHashSet;

use super::type_set::TypeSet;
use super::{TypeInference, TypeTerm};
use crate::Type;
use crate::ast::{Ast, Expr, ExprId};
use crate::catalog::{self, Lowering};
use crate::check::names::{NameTarget, ResolvedNames};
use crate::check::sheet::integer_literal;
use crate::check::sheet::tabs::TabRange;

/// Returns the arguments of all lookup calls.
pub(super) fn lookup_arguments(ast: &Ast, names: &ResolvedNames) -> FxHashSet<ExprId> {
    if names.cell_ranges.is_empty() {
        return FxHashSet::default();
    }
    let finds = |id: &ExprId| match (ast.expr(*id), names.targets[id.index()]) {
        (Expr::Call(call), NameTarget::Function(function)) => catalog::get(function)
            .lower
            .is_some_and(Lowering::looks_up_rows)
            .then_some(call),
        _ => None,
    };
    ast.ids()
        .filter_map(|id| finds(&id))
        .flat_map(|call| ast.arguments(ast.call(call)))
        .copied()
        .collect()
}

impl TypeInference<'_> {
    /// Returns the type of the column at a position in a range of another tab. The first position is 0.
    pub(super) fn type_of_tab_range_column(&mut self, range: u32, position: u32) -> TypeTerm {
        let range = self.names.tab_ranges.get(range as usize);
        let column = range.and_then(|range| Some((range, range.first.checked_add(position)?)));
        let Some((TabRange { tab, .. }, column)) = column.filter(|(range, column)| *column <= range.last) else {
            return TypeTerm::Any;
        };
        let tab = *tab;
        match self.scope.tab_column(tab, column).map(|(_, ty)| ty) {
            None | Some(Type::Other) => TypeTerm::Any,
            Some(Type::Unknown) => match self.buffers.tab_columns.get(&(tab, column)) {
                Some(var) => TypeTerm::Var(*var),
                None => {
                    let var = self.fresh_variable(TypeSet::ALL);
                    self.buffers.tab_columns.insert((tab, column), var);
                    TypeTerm::Var(var)
                }
            },
            Some(ty) => TypeTerm::Type(ty),
        }
    }

    /// Infers the type of a cell range, whose columns have the same type. In a lookup, the range has the type of its
    /// first column.
    pub(super) fn cell_range_type(&mut self, range: u32, expr_id: ExprId) -> TypeTerm {
        let names = self.names;
        if self.looked_up.contains(&expr_id) {
            let first = names
                .cell_ranges
                .try_get(range as usize)
                .and_then(|range| range.of.first());
            return first.map_or(TypeTerm::Any, |first| self.target_term(*first));
        }
        let Some((first, rest)) = names
            .cell_ranges
            .try_get(range as usize)
            .and_then(|range| range.of.split_first())
        else {
            return TypeTerm::Any;
        };
        let term = self.target_term(*first);
        for target in rest {
            let other = self.target_term(*target);
            match other {
                TypeTerm::Var(_) => self.bind_type(other, term, expr_id),
                known_term => self.bind_type(term, known_term, expr_id),
            }
        }
        term
    }

    /// Returns the type of the column that a lookup returns, by the literal number of the column in the range.
    pub(super) fn numbered_column_type(&mut self, range: ExprId, number: ExprId) -> TypeTerm {
        let number = integer_literal(self.ast, self.source, number).and_then(|number| u32::try_from(number).ok());
        let position = number.and_then(|number| number.checked_sub(1));
        match (self.names.targets[range.index()], position) {
            (NameTarget::TabRange(range), Some(position)) => self.type_of_tab_range_column(range, position),
            (NameTarget::CellRange(range), Some(position)) => {
                let range = self.names.cell_ranges.try_get(range as usize);
                let column = range.and_then(|range| range.of.get(position as usize));
                column.map_or(TypeTerm::Any, |column| self.target_term(*column))
            }
            _ => TypeTerm::Any,
        }
    }
}
