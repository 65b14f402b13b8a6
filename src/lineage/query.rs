//! Lineage of queries: CTEs, set operations and selects.

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};
use sqlparser::ast::{
    Cte, Expr, LimitClause, ObjectName, OrderByKind, Query, SetExpr, SetOperator, SetQuantifier, TableAlias,
};

use super::relation::{LineageRelation, RelationColumn, UnknownColumns};
use super::result::SqlLineage;
use super::scope::{ExpressionInputs, QueryScope, ScopeRelation};
use super::values::{LineageLeaf, ValueArena, ValueIndex, fingerprint_of};
use super::{LineageError, RelationColumnList};
use crate::dialect::{Dialect, Facts};

/// Maximum number of columns in all relations of a query. Each level of nested `*` can double the number of columns.
const MAX_COLUMNS: usize = 2_000_000;

/// State for analyzing one query.
pub(super) struct QueryAnalyzer<'k> {
    known_columns: &'k (dyn Fn(&[String]) -> RelationColumnList + Sync),
    dialect: Option<Dialect>,
    pub values: ValueArena,
    pub tables: Vec<Vec<String>>,
    places: FxHashMap<Vec<String>, u32>,
    /// Cache of table relations.
    table_cache: FxHashMap<u32, Rc<LineageRelation>>,
    /// CTEs in scope by name. The innermost CTE is last.
    ctes: FxHashMap<String, Vec<Rc<LineageRelation>>>,
    columns: usize,
    gaps: Vec<String>,
    fault: Option<String>,
    /// Whether the current expression represents several columns.
    pub is_several: bool,
}

impl<'k> QueryAnalyzer<'k> {
    pub fn new(known_columns: &'k (dyn Fn(&[String]) -> RelationColumnList + Sync), dialect: Option<Dialect>) -> Self {
        Self {
            known_columns,
            dialect,
            values: ValueArena::default(),
            tables: Vec::new(),
            places: FxHashMap::default(),
            table_cache: FxHashMap::default(),
            ctes: FxHashMap::default(),
            columns: 0,
            gaps: Vec::new(),
            fault: None,
            is_several: false,
        }
    }

    /// Returns the value of a boolean property of the dialect. `false` if the dialect is unknown.
    pub fn has_dialect_property(&self, fact: fn(&Facts) -> bool) -> bool {
        self.dialect.is_some_and(|dialect| fact(dialect.facts()))
    }

    /// Returns the lineage of a query. `joins` contains the join keywords that were replaced before parsing and are
    /// therefore missing from the syntax tree.
    pub fn read(mut self, query: &Query, joins: &[&str]) -> Result<SqlLineage, LineageError> {
        let mut relation = self.query_relation(query, None);
        if !joins.is_empty() {
            relation.rows.push(self.values.add(&[], fingerprint_of(joins)));
        }
        if let Some(fault) = self.fault {
            return Err(LineageError::new(fault));
        }
        let mut seen = FxHashSet::default();
        self.gaps.retain(|gap| seen.insert(gap.clone()));
        Ok(SqlLineage::new(self.values, self.tables, relation, self.gaps))
    }

    /// Records a reason why the lineage may contain columns that the query does not read.
    pub fn record_overestimate_reason(&mut self, reason: String) {
        if self.gaps.len() < 100 {
            self.gaps.push(reason);
        }
    }

    /// Records a reason why the query cannot be analyzed.
    pub fn record_lineage_error(&mut self, reason: impl Into<String>) {
        self.fault.get_or_insert(reason.into());
    }

    pub fn add_leaf(&mut self, leaf: LineageLeaf) -> ValueIndex {
        let table = self
            .tables
            .get(leaf.table as usize)
            .map(|parts| parts.join("."))
            .unwrap_or_default();
        self.values.push_leaf(leaf, &table)
    }

    pub fn push(&mut self, relation: &mut LineageRelation, column: RelationColumn) {
        self.columns += 1;
        if self.columns > MAX_COLUMNS {
            self.record_lineage_error("the relations have too many columns");
        } else {
            relation.push(column);
        }
    }

    pub fn find_cte(&self, name: &str) -> Option<Rc<LineageRelation>> {
        self.ctes.get(name)?.last().cloned()
    }

    /// Returns the relation for a table of the warehouse.
    pub fn table_relation(&mut self, parts: Vec<String>) -> Rc<LineageRelation> {
        let next = self.tables.len() as u32;
        let table = *self.places.entry(parts.clone()).or_insert(next);
        if table == next {
            self.tables.push(parts.clone());
        }
        if let Some(cached_relation) = self.table_cache.get(&table) {
            return Rc::clone(cached_relation);
        }
        let relation_columns = (self.known_columns)(&parts);
        let mut relation = LineageRelation::default();
        relation.rows.push(self.add_leaf(LineageLeaf { table, column: None }));
        for name in relation_columns.columns {
            let value = self.add_leaf(LineageLeaf {
                table,
                column: Some(name.to_lowercase().into()),
            });
            self.push(&mut relation, RelationColumn::new(name.as_str(), value));
        }
        if !relation_columns.is_complete {
            relation.unknown_column_tables.push(UnknownColumns {
                table,
                excluded: Rc::default(),
            });
        }
        let relation = Rc::new(relation);
        self.table_cache.insert(table, Rc::clone(&relation));
        relation
    }

    /// Returns the relation of a query. Names that the query does not define are resolved in the outer scope.
    pub fn query_relation(&mut self, query: &Query, outer: Option<&QueryScope<'_>>) -> LineageRelation {
        if self.fault.is_some() {
            return LineageRelation::default();
        }
        let mut defined = Vec::new();
        if let Some(with) = &query.with {
            for cte in &with.cte_tables {
                let relation = match (with.recursive, &*cte.query.body) {
                    (true, SetExpr::SetOperation { .. }) => self.recursive_relation(cte, outer),
                    _ => self.query_relation(&cte.query, outer),
                };
                let relation = self.rename_columns(relation, &cte.alias);
                let name = cte.alias.name.value.to_lowercase();
                self.ctes.entry(name.clone()).or_default().push(Rc::new(relation));
                defined.push(name);
            }
        }
        if !query.pipe_operators.is_empty() {
            self.record_lineage_error("pipe syntax is not supported");
        }
        let is_limited = query.fetch.is_some() || query.limit_clause.is_some();
        let sorted: Vec<&Expr> = match query.order_by.as_ref().map(|order_by| &order_by.kind) {
            Some(OrderByKind::Expressions(orders)) => orders.iter().map(|order| &order.expr).collect(),
            Some(OrderByKind::All(_)) | None => Vec::new(),
        };
        let mut relation = match &*query.body {
            SetExpr::Select(select) => self.select_relation(select, outer, &sorted, is_limited),
            body => {
                let mut relation = self.set_operation_relation(body, outer);
                if is_limited && !sorted.is_empty() {
                    let rows = self.sort_key_values(&relation, &sorted);
                    relation.rows.extend(rows);
                }
                relation
            }
        };
        if is_limited {
            if matches!(query.order_by.as_ref().map(|by| &by.kind), Some(OrderByKind::All(_))) {
                let column_values: Vec<ValueIndex> = relation.columns.iter().map(|column| column.value).collect();
                relation.rows.extend(column_values);
            }
            let limit = match &query.limit_clause {
                Some(LimitClause::LimitOffset {
                    limit,
                    offset,
                    limit_by,
                }) => {
                    if !limit_by.is_empty() {
                        self.record_lineage_error("`limit by` is not supported");
                    }
                    (
                        limit.as_ref().map(ToString::to_string),
                        offset.as_ref().map(ToString::to_string),
                    )
                }
                Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                    (Some(limit.to_string()), Some(offset.to_string()))
                }
                None => (query.fetch.as_ref().map(ToString::to_string), None),
            };
            relation.rows.push(self.values.add(&[], fingerprint_of(limit)));
        }
        for name in defined {
            if let Some(of_name) = self.ctes.get_mut(&name) {
                of_name.pop();
            }
        }
        relation
    }

    /// Returns the values of the `order by` keys of a set operation with a limit. These values determine which rows the
    /// limit keeps.
    fn sort_key_values(&mut self, relation: &LineageRelation, sorted: &[&Expr]) -> Vec<ValueIndex> {
        let item = ScopeRelation {
            path: Vec::new(),
            relation: Rc::new(relation.clone()),
        };
        let mut scope = QueryScope::default();
        scope.push(item);
        let mut rows = Vec::new();
        self.add_keys(sorted.iter().copied(), relation, &scope, &mut rows);
        rows
    }

    /// Returns the relation of a recursive CTE. In later iterations, the value of any column may become part of any
    /// other column, so all columns determine the rows.
    fn recursive_relation(&mut self, cte: &Cte, outer: Option<&QueryScope<'_>>) -> LineageRelation {
        let SetExpr::SetOperation { left, .. } = &*cte.query.body else {
            return LineageRelation::default();
        };
        let base = self.set_operation_relation(left, outer);
        let base = self.rename_columns(base, &cte.alias);
        let name = cte.alias.name.value.to_lowercase();
        self.ctes.entry(name.clone()).or_default().push(Rc::new(base));
        let mut relation = self.query_relation(&cte.query, outer);
        if let Some(of_name) = self.ctes.get_mut(&name) {
            of_name.pop();
        }
        let mut every: Vec<ValueIndex> = relation.columns.iter().map(|column| column.value).collect();
        every.extend(relation.columns.iter().filter_map(|column| column.window_value));
        every.extend(&relation.rows);
        let every = self.values.add_unordered_value(every);
        relation.rows.push(every);
        relation
    }

    /// Renames columns as specified by an alias with a column list, such as `t (a, b)`.
    pub fn rename_columns(&mut self, mut relation: LineageRelation, alias: &TableAlias) -> LineageRelation {
        if alias.columns.is_empty() {
            return relation;
        }
        if !relation.is_complete() {
            self.record_overestimate_reason(format!(
                "the columns of `{}` are renamed, but not all of them are known",
                alias.name.value
            ));
            // Each new name may refer to any of the columns.
            for column in &alias.columns {
                let mut parts: Vec<ValueIndex> = relation.columns.iter().map(|old_column| old_column.value).collect();
                parts.extend(&relation.unnamed_values);
                parts.extend(&relation.rows);
                let value = self.values.add_unordered_value(parts);
                relation.push(RelationColumn::new(column.name.value.as_str(), value));
            }
            return relation;
        }
        let mut renamed = LineageRelation {
            rows: relation.rows,
            ..LineageRelation::default()
        };
        for (index, old_column) in relation.columns.into_iter().enumerate() {
            let name = alias
                .columns
                .get(index)
                .map_or(old_column.name, |column| column.name.value.as_str().into());
            self.push(&mut renamed, RelationColumn { name, ..old_column });
        }
        renamed
    }

    /// Returns the relation of set operations. The left sides are processed in a loop, because their nesting depth
    /// equals the number of operations.
    fn set_operation_relation(&mut self, body: &SetExpr, outer: Option<&QueryScope<'_>>) -> LineageRelation {
        let mut operations = Vec::new();
        let mut first = body;
        while let SetExpr::SetOperation {
            left,
            op,
            set_quantifier,
            right,
        } = first
        {
            operations.push((*op, *set_quantifier, &**right));
            first = left;
        }
        let mut relation = self.set_operation_operand(first, outer);
        for (op, quantifier, right) in operations.into_iter().rev() {
            let right = self.set_operation_operand(right, outer);
            relation = self.combine_relations(relation, right, op, quantifier);
        }
        relation
    }

    fn set_operation_operand(&mut self, body: &SetExpr, outer: Option<&QueryScope<'_>>) -> LineageRelation {
        match body {
            SetExpr::Select(select) => self.select_relation(select, outer, &[], false),
            SetExpr::Query(query) => self.query_relation(query, outer),
            SetExpr::SetOperation { .. } => self.set_operation_relation(body, outer),
            SetExpr::Values(values) => {
                let nothing = QueryScope::default();
                let scope = outer.unwrap_or(&nothing);
                let mut by_place: Vec<Vec<ValueIndex>> = Vec::new();
                for row in &values.rows {
                    by_place.resize(by_place.len().max(row.content.len()), Vec::new());
                    for (index, expr) in row.content.iter().enumerate() {
                        let column = self.expression_value("", expr, scope);
                        if let Some(index) = by_place.get_mut(index) {
                            index.push(column.value);
                        }
                    }
                }
                let mut relation = LineageRelation::default();
                for (index, parts) in by_place.into_iter().enumerate() {
                    let value = self.values.add(&parts, 0);
                    self.push(
                        &mut relation,
                        RelationColumn::new(format!("column{}", index + 1), value),
                    );
                }
                relation
            }
            SetExpr::Table(table) => {
                let parts = [&table.schema_name, &table.table_name].into_iter().flatten();
                let parts: Vec<String> = parts.map(|part| part.to_lowercase()).collect();
                (*self.table_relation(parts)).clone()
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                self.record_lineage_error("the SQL changes data");
                LineageRelation::default()
            }
        }
    }

    /// Records that a set operation needs the columns of both values, even if they come from `*`, because both queries
    /// must have the same number of columns. If both columns belong to the same table, they are not recorded, because a
    /// removed column would then be missing from both queries.
    fn mark_columns_of_different_tables_as_named(&mut self, value: ValueIndex, other: ValueIndex) {
        let table = |index: &ValueIndex| self.values.leaves.get(index).map(|leaf| leaf.table);
        if table(&value) != table(&other) {
            self.values.mark_value_as_named(value);
            self.values.mark_value_as_named(other);
        }
    }

    fn combine_relations(
        &mut self,
        lineage_relation: LineageRelation,
        right: LineageRelation,
        op: SetOperator,
        quantifier: SetQuantifier,
    ) -> LineageRelation {
        let is_union = op == SetOperator::Union;
        let by_name = matches!(
            quantifier,
            SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName
        );
        let is_whole = lineage_relation.is_complete() && right.is_complete();
        if !is_whole && !by_name {
            self.record_overestimate_reason(
                "a set operation matches columns by name, but not all columns are known".to_owned(),
            );
        }
        let mut united = LineageRelation {
            rows: lineage_relation.rows.clone(),
            ..LineageRelation::default()
        };
        united.rows.extend(&right.rows);
        let mut of_right = Vec::new();
        for (index, left_column) in lineage_relation.columns.iter().enumerate() {
            let name = left_column.name.to_lowercase();
            let mut expression_inputs = ExpressionInputs::default();
            match if is_whole && !by_name {
                right.columns.get(index)
            } else {
                right.column(&name)
            } {
                Some(other) => {
                    if is_whole && !by_name {
                        self.mark_columns_of_different_tables_as_named(left_column.value, other.value);
                    }
                    expression_inputs.add_columns(other);
                }
                None => {
                    for table in right.tables_that_may_have_column(&name) {
                        let value_index = self.add_leaf(LineageLeaf {
                            table,
                            column: Some(name.as_str().into()),
                        });
                        self.values.mark_value_as_named(value_index);
                        expression_inputs.values.push(value_index);
                    }
                    expression_inputs.values.extend(&right.unnamed_values);
                }
            }
            of_right.extend(expression_inputs.values.iter().chain(&expression_inputs.window_values));
            let (value, window_value) = if is_union {
                expression_inputs.values.push(left_column.value);
                expression_inputs.window_values.extend(left_column.window_value);
                (
                    self.values.add_unordered_value(expression_inputs.values),
                    self.values.combine_window_values(expression_inputs.window_values),
                )
            } else {
                (left_column.value, left_column.window_value)
            };
            self.push(
                &mut united,
                RelationColumn {
                    name: Rc::clone(&left_column.name),
                    value,
                    window_value,
                },
            );
        }
        if by_name || !is_whole {
            for right_column in &right.columns {
                if lineage_relation.column(&right_column.name.to_lowercase()).is_none() {
                    self.push(&mut united, right_column.clone());
                }
            }
        }
        united
            .unknown_column_tables
            .extend(lineage_relation.unknown_column_tables);
        united.unnamed_values.extend(lineage_relation.unnamed_values);
        if is_union {
            united.unknown_column_tables.extend(right.unknown_column_tables);
            united.unnamed_values.extend(right.unnamed_values);
        }
        if !matches!(quantifier, SetQuantifier::All | SetQuantifier::AllByName) || !is_union {
            let column_values: Vec<ValueIndex> = united
                .columns
                .iter()
                .map(|column| column.value)
                .chain(of_right)
                .collect();
            united
                .rows
                .push(self.values.add(&column_values, fingerprint_of(op.to_string())));
        }
        united
    }
}

/// Returns the parts of a name in lower case.
pub(super) fn name_parts(name: &ObjectName) -> Vec<String> {
    let idents = name.0.iter().filter_map(|part| part.as_ident());
    // In BigQuery, one pair of quotes may enclose several parts of a name.
    let split = idents.flat_map(|ident| match ident.quote_style {
        Some('`') => ident.value.split('.').map(str::to_lowercase).collect(),
        _ => vec![ident.value.to_lowercase()],
    });
    split.collect()
}
