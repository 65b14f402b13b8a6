//! Resolves column names to the relations of a scope.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::query::QueryAnalyzer;
use super::relation::{LineageRelation, RelationColumn};
use super::values::{LineageLeaf, ValueIndex};

/// Item of a `from` clause.
#[derive(Clone, Debug)]
pub(super) struct ScopeRelation {
    /// Parts of the relation's name in lower case, or only its alias.
    pub path: Vec<String>,
    pub relation: Rc<LineageRelation>,
}

/// Scope of a select, in which names are resolved.
#[derive(Debug, Default)]
pub(super) struct QueryScope<'s> {
    pub items: Vec<ScopeRelation>,
    /// Indices into `items`, by the last part of the relation's name.
    index: FxHashMap<String, Vec<usize>>,
    /// Columns that `using` merges, by name.
    pub merged_columns: FxHashMap<String, RelationColumn>,
    /// Aliases that the select list has defined so far, for dialects and clauses that can refer to them.
    pub aliases: FxHashMap<String, RelationColumn>,
    /// Named windows, each with the values that partition and order the window.
    pub windows: FxHashMap<String, Vec<ValueIndex>>,
    pub outer: Option<&'s QueryScope<'s>>,
}

impl<'s> QueryScope<'s> {
    /// Creates a scope inside an outer scope.
    pub fn nested(outer: Option<&'s QueryScope<'s>>) -> Self {
        Self {
            outer,
            ..Self::default()
        }
    }

    pub fn push(&mut self, item: ScopeRelation) {
        if let Some(last) = item.path.last() {
            self.index.entry(last.clone()).or_default().push(self.items.len());
        }
        self.items.push(item);
    }

    pub fn pop(&mut self) -> Option<ScopeRelation> {
        let item = self.items.pop()?;
        if let Some(places) = item.path.last().and_then(|last| self.index.get_mut(last)) {
            places.pop();
        }
        Some(item)
    }

    fn own_scope_relation(&self, parts: &[String]) -> Option<&ScopeRelation> {
        let places = self.index.get(parts.last()?)?;
        places
            .iter()
            .filter_map(|item_index| self.items.get(*item_index))
            .find(|item| item.path.ends_with(parts))
    }

    /// Returns the relation to which the first parts of a name refer, and the number of these parts.
    fn find_qualified_relation(&self, parts: &[String]) -> Option<(&ScopeRelation, usize)> {
        let most = parts.len().saturating_sub(1);
        (1..=most).find_map(|count| {
            let qualifier = parts.get(..count)?;
            Some((self.own_scope_relation(qualifier)?, count))
        })
    }

    /// Returns the relation with the given name in this scope or an outer scope.
    pub fn item(&self, parts: &[String]) -> Option<&ScopeRelation> {
        self.own_scope_relation(parts).or_else(|| self.outer?.item(parts))
    }

    /// Returns the known columns with the given name, from the innermost scope that contains at least one of them.
    fn columns_with_name(&self, name: &str) -> Vec<&RelationColumn> {
        if let Some(merged) = self.merged_columns.get(name) {
            return vec![merged];
        }
        let columns: Vec<&RelationColumn> = self
            .items
            .iter()
            .filter_map(|item| item.relation.column(name))
            .collect();
        if columns.is_empty() {
            self.outer
                .map(|outer| outer.columns_with_name(name))
                .unwrap_or_default()
        } else {
            columns
        }
    }
}

/// Values from which a name or an expression is computed.
#[derive(Clone, Debug, Default)]
pub(super) struct ExpressionInputs {
    pub values: Vec<ValueIndex>,
    pub window_values: Vec<ValueIndex>,
}

impl ExpressionInputs {
    pub fn add_columns(&mut self, column: &RelationColumn) {
        self.values.push(column.value);
        self.window_values.extend(column.window_value);
    }
}

impl QueryAnalyzer<'_> {
    /// Resolves a name such as `amount`, `orders.amount`, `shop.orders.amount` or `orders.address.street`. The result
    /// is empty for a name that is not a column, such as `month`.
    pub(super) fn column(&mut self, parts: &[String], scope: &QueryScope<'_>) -> ExpressionInputs {
        let mut expression_inputs = ExpressionInputs::default();
        let [first, ..] = parts else { return expression_inputs };
        let mut around = Some(scope);
        while let Some(query_scope) = around {
            if let Some((item, count)) = query_scope.find_qualified_relation(parts)
                && let Some(name) = parts.get(count)
            {
                self.add_relation_column(item, name, &mut expression_inputs);
                return expression_inputs;
            }
            around = query_scope.outer;
        }
        // The first part is a column, and the other parts may be fields of a struct.
        self.add_unqualified(first, scope, &mut expression_inputs);
        if expression_inputs.values.is_empty()
            && let Some(item) = scope.item(std::slice::from_ref(first))
        {
            // The name of a relation, if used as a value, refers to the whole row.
            item.relation
                .columns
                .iter()
                .for_each(|column| expression_inputs.add_columns(column));
            expression_inputs.values.extend(&item.relation.unnamed_values);
            expression_inputs.values.extend(&item.relation.rows);
        }
        expression_inputs
    }

    fn add_relation_column(&mut self, item: &ScopeRelation, name: &str, inputs: &mut ExpressionInputs) {
        match item.relation.column(name) {
            Some(column) => self.add_named_column(column, inputs),
            None => {
                self.add_unknown_column(&item.relation, name, inputs);
                if item.relation.is_complete() {
                    self.record_overestimate_reason(format!("`{}` has no known column `{name}`", item.path.join(".")));
                }
            }
        }
    }

    /// Adds to `inputs` a column that may be one of a relation's unknown columns.
    pub(super) fn add_unknown_column(&mut self, relation: &LineageRelation, name: &str, inputs: &mut ExpressionInputs) {
        for table in relation.tables_that_may_have_column(name) {
            let value_index = self.add_leaf(LineageLeaf {
                table,
                column: Some(name.into()),
            });
            self.values.mark_value_as_named(value_index);
            inputs.values.push(value_index);
        }
        inputs.values.extend(&relation.unnamed_values);
    }

    fn add_unqualified(&mut self, name: &str, scope: &QueryScope<'_>, inputs: &mut ExpressionInputs) {
        let known_columns = scope.columns_with_name(name);
        let alias = scope.aliases.get(name);
        let open: Vec<&ScopeRelation> = scope.items.iter().filter(|item| !item.relation.is_complete()).collect();
        let is_own =
            scope.merged_columns.contains_key(name) || scope.items.iter().any(|i| i.relation.column(name).is_some());
        for column in &known_columns {
            self.add_named_column(column, inputs);
        }
        if is_own {
            return;
        }
        // If a relation has unknown columns, the name may be one of these columns, a column of an outer scope, or an
        // alias.
        let before = inputs.values.len();
        for item in &open {
            self.add_unknown_column(&item.relation, name, inputs);
        }
        // Skip an alias that refers to the column of the same name, because both are the same column.
        let alias = alias.filter(|alias| !inputs.values.contains(&alias.value));
        let may_be = open.len() + usize::from(!known_columns.is_empty()) + usize::from(alias.is_some());
        if may_be > 1 && inputs.values.len() > before {
            let names: Vec<String> = open.iter().filter_map(|item| item.path.last().cloned()).collect();
            self.record_overestimate_reason(format!(
                "`{name}` may be a column of {}, whose columns are not known",
                names.join(" or ")
            ));
        }
        if let Some(alias) = alias {
            inputs.add_columns(alias);
        }
        if open.is_empty() && known_columns.is_empty() && alias.is_none() {
            let mut around = scope.outer;
            while let Some(outer) = around {
                let open: Vec<Rc<LineageRelation>> = outer.items.iter().map(|item| Rc::clone(&item.relation)).collect();
                for relation in open.iter().filter(|relation| !relation.is_complete()) {
                    self.add_unknown_column(relation, name, inputs);
                }
                around = if inputs.values.is_empty() { outer.outer } else { None };
            }
        }
    }

    pub(super) fn add_named_column(&mut self, column: &RelationColumn, inputs: &mut ExpressionInputs) {
        self.values.mark_value_as_named(column.value);
        inputs.add_columns(column);
    }
}
