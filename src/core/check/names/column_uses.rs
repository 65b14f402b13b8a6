//! Columns that a program uses: columns of known relations, columns that no schema lists, and columns that a full join
//! merges. If possible, each column has a single entry.

use super::symbols::ColumnLookup;
use super::unresolved_names::is_unlikely_column;
use super::{NameTarget, Resolver, is_own_name};
use crate::Type;
use crate::check::MergedColumn;
use crate::diag::{Code, Diagnostic};
use crate::ir::ColumnUse;
use crate::schema::Relation;
use crate::span::Span;
use crate::symbol_table::HashedName;

impl Resolver<'_> {
    /// Finds the column with the given name in the scope. Returns the index of the relation and the position of the
    /// column.
    pub(in crate::check) fn find_column(&self, name: HashedName<'_>) -> Option<(usize, usize)> {
        self.scope
            .relations
            .iter()
            .enumerate()
            .find_map(|(r, relation)| Some((r, relation.position(name)?)))
    }

    pub(in crate::check) fn resolve_column(&mut self, name: HashedName<'_>) -> ColumnLookup {
        let scope = self.scope;
        if let Some(merged) = scope.merged.iter().find(|m| m.name.eq_ignore_ascii_case(name.name)) {
            return self.resolve_merged_column(merged, name);
        }
        let mut location = None;
        for (r, relation) in self.scope.relations.iter().enumerate() {
            if let Some(position) = relation.position(name) {
                if location.is_some() {
                    return ColumnLookup::Ambiguous;
                }
                location = Some((r, position));
            }
        }
        match location {
            Some((r, position)) => ColumnLookup::Column(self.record_column_use(r, position)),
            None if scope.open
                && (scope.are_unknown_names_columns
                    || scope.has_given_type(name.name)
                    || !is_unlikely_column(name.name)
                    || scope.may_be_input_column(name.name)) =>
            {
                // A column that no schema lists belongs to the only relation with an incomplete schema. If several
                // schemas are incomplete, the database resolves the name.
                let mut open = scope.relations.iter().filter(|r| r.may_have_unlisted_columns());
                ColumnLookup::Column(match (open.next(), open.next()) {
                    (Some(relation), None) => self.record_unlisted_column_use(Some(relation.name()), name.name),
                    // Use a single column for all uses of the name, because a cell can refer to the same column.
                    _ if scope.sheet.is_some() => self.record_unlisted_column_use(None, name.name),
                    _ => {
                        self.add_unlisted_column_use(None, name.name, false);
                        self.columns.len() as u32 - 1
                    }
                })
            }
            None => ColumnLookup::Missing,
        }
    }

    pub(in crate::check) fn record_column_use(&mut self, relation: usize, position: usize) -> u32 {
        let slots = &mut self.tables.last_column_uses[relation];
        let relation = self.scope.relation(relation);
        if slots.len() <= position {
            slots.resize(relation.columns().len(), (0, 0));
        }
        let slot = &mut slots[position];
        if slot.0 != self.tables.source_number {
            *slot = (self.tables.source_number, self.columns.len() as u32);
            let column = relation.column_at(position);
            let ty = match column.ty() {
                Type::Unknown => self.scope.given_type_or_unknown(column.name()),
                ty => ty,
            };
            self.columns.push(ColumnUse {
                relation: Some(relation.shared_name()),
                name: column.shared_name(),
                quoted: column.is_quoted(),
                bare: column.dialects_accepting_unquoted(),
                ty,
                nullable: column.is_nullable(),
                size: column.size(),
                digits: column.decimal_digits(),
                month_start: column.is_month_start(),
                null_is_error: column.is_null_error(),
                is_uuid: column.is_uuid(),
                assumed: ty == Type::Unknown,
                unknown: false,
                merged: Vec::new(),
            });
        }
        slot.1
    }

    /// Resolves a column. If the scope does not choose a relation, all columns must belong to the same relation.
    #[inline]
    pub(in crate::check) fn resolve_in_one_relation(&mut self, column: u32, span: Span) -> NameTarget {
        if self.scope.relations.len() > 1 && !self.scope.chosen {
            return self.resolve_in_same_relation(column, span);
        }
        NameTarget::Column(column)
    }

    fn resolve_in_same_relation(&mut self, column: u32, span: Span) -> NameTarget {
        if let Some(relation) = &self.columns[column as usize].relation {
            match &self.common_relation {
                None => {
                    self.common_relation = Some(relation.clone());
                    self.common_relation_reader = Some(self.current);
                }
                Some(first) if first != relation => {
                    self.diagnostics.push(
                        Diagnostic::new(
                            Code::SeveralRelations,
                            span,
                            format!(
                                "`{}` is a column of `{relation}`, but the other names are columns of `{first}`",
                                span.text(self.source)
                            ),
                        )
                        .with_help("use the columns of only one relation, or join the relations in a spec"),
                    );
                    return NameTarget::Error;
                }
                Some(_) => {}
            }
        }
        NameTarget::Column(column)
    }

    /// Resolves a column that exists on both sides of a join with `using`.
    fn resolve_merged_column(&mut self, merged: &MergedColumn, name: HashedName<'_>) -> ColumnLookup {
        let scope = self.scope;
        let owns = |(r, relation): (usize, &Relation)| {
            relation.position(name).is_some() && merged.relations.binary_search(&r).is_err()
        };
        if scope.relations.iter().enumerate().any(owns) {
            return ColumnLookup::Ambiguous;
        }
        let mut columns = Vec::new();
        for relation in merged.relations.iter().take(if merged.full { usize::MAX } else { 1 }) {
            let Some(known_relation) = scope.relations.get(*relation) else {
                continue;
            };
            columns.push(match known_relation.position(name) {
                Some(position) => self.record_column_use(*relation, position),
                None => self.record_unlisted_column_use(Some(known_relation.name()), name.name),
            });
        }
        match columns.as_slice() {
            [] => ColumnLookup::Missing,
            [single_column] => ColumnLookup::Column(*single_column),
            [first, rest @ ..] => {
                let mut column = self.columns[*first as usize].clone();
                for other in rest {
                    let other = &self.columns[*other as usize];
                    column.nullable &= other.nullable;
                    column.null_is_error &= other.null_is_error;
                    column.is_uuid &= other.is_uuid;
                    column.size = column.size.max(other.size);
                    column.ty = crate::check::calls::convert::common_type(column.ty, other.ty).unwrap_or(Type::Other);
                }
                column.merged = columns;
                self.columns.push(column);
                ColumnLookup::Column(self.columns.len() as u32 - 1)
            }
        }
    }

    /// Returns whether SQL could resolve the name of a column differently. This is possible only for columns without a
    /// relation, which no schema lists.
    #[inline]
    pub(in crate::check) fn is_ambiguous_in_sql(&self, column: u32, text: &str, own_name: Option<&str>) -> bool {
        self.scope.relations.len() > 1 && self.may_sql_resolve_differently(column, text, own_name)
    }

    #[inline(never)]
    fn may_sql_resolve_differently(&self, column: u32, text: &str, definition_name: Option<&str>) -> bool {
        self.columns[column as usize].relation.is_none()
            && (is_own_name(definition_name, text)
                || self.scope.relations.iter().any(|r| r.name().eq_ignore_ascii_case(text)))
    }

    pub(in crate::check) fn record_unlisted_column_use(&mut self, relation: Option<&str>, name: &str) -> u32 {
        let key = (relation.map(str::to_ascii_lowercase), name.to_ascii_lowercase());
        let next = self.columns.len() as u32;
        let index = *self.tables.unlisted_column_uses.entry(key).or_insert(next);
        if index == next {
            let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            self.add_unlisted_column_use(relation, name, !plain);
        }
        index
    }

    fn add_unlisted_column_use(&mut self, relation: Option<&str>, name: &str, quoted: bool) {
        let ty = self.scope.given_type_or_unknown(name);
        let shared_names = &mut self.tables.shared_names;
        let relation = relation.map(|relation| shared_names.share(relation));
        self.columns.push(ColumnUse {
            quoted,
            assumed: ty == Type::Unknown,
            ..ColumnUse::with_assumed_type(relation, shared_names.share(name), ty)
        });
    }
}
