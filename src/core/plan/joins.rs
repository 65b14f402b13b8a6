//! Selects that read several relations: their joins, and the columns that later strata of the step read.

use rustc_hash::{FxHashMap, FxHashSet};

use super::names::UsedNames;
use super::planner::Planner;
use super::step::{InputColumn, InputProjection, JoinedInput};
use crate::ir::{Ir, IrId};
use crate::schema::{Column, Relation, field_name};
use crate::span::Span;
use crate::sql::{Item, Join, SqlId};

/// Columns that the joining select passes on to later strata, in addition to the values that it computes.
#[derive(Default)]
pub(super) struct PassthroughColumns {
    /// Columns, each with its name in later strata.
    columns: Vec<(InputColumn, String)>,
    /// Indices into `columns`, by the column's relations and its lowercase name.
    places: FxHashMap<(Vec<usize>, String), usize>,
}

impl PassthroughColumns {
    pub fn first_column_name(&self) -> Option<&str> {
        self.columns.first().map(|(_, name)| name.as_str())
    }

    fn name(&self, column: &InputColumn) -> Option<&str> {
        let index = self
            .places
            .get(&(column.relations.clone(), column.name.to_ascii_lowercase()))?;
        self.columns.get(*index).map(|(_, name)| name.as_str())
    }

    fn add(&mut self, column: InputColumn, name: String) {
        self.places.insert(
            (column.relations.clone(), column.name.to_ascii_lowercase()),
            self.columns.len(),
        );
        self.columns.push((column, name));
    }
}

impl JoinedInput {
    /// Returns the known properties of a column.
    pub fn column(&self, column: &InputColumn) -> Option<&Column> {
        self.relations.get(*column.relations.first()?)?.column(&column.name)
    }

    pub fn is_nullable(&self, column: &InputColumn) -> bool {
        column.relations.iter().all(|index| {
            let known_column = self.relations.get(*index).and_then(|r| r.column(&column.name));
            known_column.is_none_or(Column::is_nullable)
        })
    }
}

impl<'p> Planner<'p> {
    /// Returns the joined input. `None` if this stratum does not read several relations.
    pub(super) fn joined_input(&self, stratum: u32) -> Option<&'p JoinedInput> {
        self.input.joined.filter(|_| stratum == 0)
    }

    /// Returns the column of the joined input that corresponds to a column of the program.
    pub(super) fn input_column(&self, joined: &JoinedInput, column: u32) -> InputColumn {
        let columns = &self.step.program.columns;
        let index = |column: u32| {
            let relation = columns.try_get(column as usize)?.relation.as_deref()?;
            joined.position(relation)
        };
        let column_entry = &columns[column as usize];
        let relations = if column_entry.merged.is_empty() {
            index(column).into_iter().collect()
        } else {
            column_entry.merged.iter().filter_map(|part| index(*part)).collect()
        };
        InputColumn {
            relations,
            name: column_entry.name.to_string(),
        }
    }

    /// Returns the joins of the first select. Definitions used in a join condition are inlined into the condition.
    pub(super) fn emit_joins(&mut self, joined: &JoinedInput) -> Vec<Join> {
        let mut joins = Vec::with_capacity(joined.joins.len());
        for (index, join) in joined.joins.iter().enumerate() {
            let on = self.roles.on.get(&(index as u32)).copied();
            let on = on.map(|root| {
                self.emit_nodes(&[root], 0);
                self.emitter.emitted_sql(root)
            });
            let name = joined.relations.get(index + 1).map(Relation::name).unwrap_or_default();
            let quoted_alias = self.quoted_name(name);
            let join_condition =
                on.map(|condition| self.emitter.tree().put_joined_column_last(condition, &quoted_alias));
            let alias = join.renamed.then_some(quoted_alias);
            joins.push(Join::new(join.kind, join.source.clone(), join_condition).with_alias(alias));
        }
        joins
    }

    /// Emits a column of the input in the form in which this stratum refers to it.
    pub(super) fn emit_input_column(&mut self, column: &InputColumn, stratum: u32) -> SqlId {
        let Some(joined) = self.joined_input(stratum) else {
            let (name, quoted) = self.input_name(column);
            return self.emitter.emit_column_by_name(&name, quoted);
        };
        let mut parts: Vec<SqlId> = Vec::with_capacity(column.relations.len());
        for index in &column.relations {
            let Some(relation) = joined.relations.get(*index) else {
                continue;
            };
            // Use the relation's own spelling, if it is known.
            let known_column = relation.column(&column.name);
            let (name, quoted) = known_column.map_or((column.name.as_str(), false), |c| (c.name(), c.is_quoted()));
            parts.push(self.emitter.emit_qualified_column(relation.name(), name, quoted));
        }
        match parts.as_slice() {
            [] => self.emitter.emit_name(&column.name, Span::default()),
            [column] => *column,
            _ => self.emitter.tree().add_call("coalesce", &parts, Span::default()),
        }
    }

    /// Returns the grain of the input: the columns that identify its rows.
    pub(super) fn input_grain(&self) -> Vec<InputColumn> {
        match self.input.joined {
            Some(_) => self.input.joined_grain.to_vec(),
            None => self
                .input
                .grain
                .iter()
                .map(|g| InputColumn {
                    relations: vec![0],
                    name: g.clone(),
                })
                .collect(),
        }
    }

    /// Returns the known properties of an input column.
    fn find_input_column(&self, column: &InputColumn) -> Option<&Column> {
        match self.input.joined {
            Some(joined) => joined.column(column),
            None => self.input.relation.and_then(|r| r.column(&column.name)),
        }
    }

    /// Returns the name of an input column in a stratum that reads a single relation, and whether the name must be
    /// quoted.
    pub(super) fn input_name(&self, column: &InputColumn) -> (String, bool) {
        let known_column = self.find_input_column(column);
        // Use the relation's own spelling, if it is known.
        let own_name = known_column.map_or(column.name.as_str(), Column::name);
        let name = self.passed_on.name(column).unwrap_or(own_name);
        (
            name.to_owned(),
            name == own_name && known_column.is_some_and(Column::is_quoted),
        )
    }

    /// Returns the name of a kept column, as written in SQL.
    pub(super) fn passthrough_column_name(&self, column: &InputColumn) -> String {
        let known_column = self.find_input_column(column).filter(|column| column.is_quoted());
        let name = known_column.map_or(column.name.as_str(), Column::name);
        self.emitter.dialect.name_text(name, known_column.is_none())
    }

    pub(super) fn is_input_nullable(&self, column: &InputColumn) -> bool {
        match self.input.joined {
            Some(joined) => joined.is_nullable(column),
            None => self
                .input
                .relation
                .and_then(|r| r.column(&column.name))
                .is_none_or(Column::is_nullable),
        }
    }

    /// Determines the columns of a joined input that later strata of the step read, and chooses a name for each column.
    pub(super) fn choose_passthrough_columns(&mut self, used_names: &mut UsedNames) {
        let Some(joined) = self.input.joined.filter(|_| self.last_stratum() > 0) else {
            return;
        };
        // Kept columns come first, so that their names do not change in later strata.
        let mut columns: Vec<(Option<u32>, InputColumn)> = Vec::new();
        if let (InputProjection::Joined(kept_columns), false) = (&self.spec.keep, self.step.grouped) {
            columns.extend(kept_columns.iter().map(|column| (None, column.clone())));
        }
        let ordered = !self.roles.order.is_empty() || !self.roles.partition.is_empty();
        if ordered && !self.step.grouped {
            columns.extend(self.input.joined_grain.iter().map(|column| (None, column.clone())));
        }
        let mut used_columns: Vec<u32> = self.columns_read_by_later_strata();
        used_columns.sort_unstable();
        columns.extend(
            used_columns
                .into_iter()
                .map(|column| (Some(column), self.input_column(joined, column))),
        );
        let mut names: FxHashSet<String> = FxHashSet::default();
        let mut renamed: FxHashMap<u32, String> = FxHashMap::default();
        for (used_column, column) in columns {
            let known_name = self.passed_on.name(&column).map(str::to_owned);
            let field = field_name(&column.name);
            let name = known_name.clone().unwrap_or_else(|| {
                if names.insert(field.to_ascii_lowercase()) {
                    let own_column = joined.column(&column).filter(|_| field == column.name);
                    return own_column.map_or(field, Column::name).to_owned();
                }
                // If two columns have the same name, the second one is prefixed with its relation.
                let relation_name = column
                    .relations
                    .first()
                    .and_then(|index| joined.relations.get(*index))
                    .map_or("", Relation::name);
                used_names.value_column_name(
                    &format!("{relation_name}_{field}"),
                    &format!("{relation_name}.{}", column.name),
                )
            });
            if let Some(column_index) = used_column.filter(|_| name != column.name) {
                renamed.insert(column_index, name.clone());
            }
            if known_name.is_none() {
                self.passed_on.add(column, name);
            }
        }
        self.emitter.renamed = renamed;
    }

    /// Returns the name of the output column that contains the given column of the joined input without changes. `None`
    /// if there is no such output.
    pub(super) fn output_name_of_input_column(&self, joined: &JoinedInput, column: &InputColumn) -> Option<String> {
        let program = self.step.program;
        let is_it = |root: IrId| match program.node(root) {
            Ir::Column(column_index) => self.input_column(joined, column_index).is_same_column(column),
            _ => false,
        };
        if let Some(output) = self.outputs.iter().find(|output| is_it(output.root)) {
            return Some(output.name.clone());
        }
        match &self.spec.keep {
            InputProjection::Joined(kept_columns) => {
                let outputs = self.output_names();
                let is_kept =
                    |k: &&InputColumn| k.is_same_column(column) && !outputs.contains(&k.name.to_ascii_lowercase());
                kept_columns.iter().find(is_kept).map(|k| k.name.clone())
            }
            InputProjection::All => (column.relations == [0]).then(|| column.name.clone()),
            InputProjection::Nothing | InputProjection::Some(_) => None,
        }
    }

    /// Returns the name of the output to which a sort key refers. `None` if the key is not an output.
    pub(super) fn sort_key_output_name(&self, key: IrId) -> Option<String> {
        let program = self.step.program;
        match (program.node(key), self.input.joined) {
            (Ir::Column(column), Some(joined)) => {
                self.output_name_of_input_column(joined, &self.input_column(joined, column))
            }
            // Only a grouped step returns fields of STRUCT columns.
            (Ir::Column(column), None) if !self.step.grouped && program.columns[column as usize].name.contains('.') => {
                None
            }
            _ => Some(self.sort_key_column_name(key)).filter(|name| !name.is_empty()),
        }
    }

    /// Returns the column of a joined input to which a key refers.
    pub(super) fn key_input_column(&self, key: IrId) -> Option<InputColumn> {
        match (self.step.program.node(key), self.input.joined) {
            (Ir::Column(column), Some(joined)) => Some(self.input_column(joined, column)),
            _ => None,
        }
    }

    /// Returns the columns that the joining select passes on to later strata.
    pub(super) fn passthrough_select_items(&mut self) -> Vec<Item> {
        let columns = self.passed_on.columns.clone();
        let mut items = Vec::with_capacity(columns.len());
        for (column, _) in columns {
            let expr = self.emit_input_column(&column, 0);
            let (column_name, quoted) = self.input_name(&column);
            let alias = self.emitter.dialect.name_text(&column_name, !quoted);
            items.push(self.select_item(expr, alias));
        }
        items
    }

    /// Returns the columns of the program that later strata read.
    pub(super) fn columns_read_by_later_strata(&self) -> Vec<u32> {
        let program = self.step.program;
        let looks_at_rows = |node| matches!(node, Ir::Window { .. } | Ir::PeriodLookup { .. });
        let mut read_columns: FxHashSet<u32> = FxHashSet::default();
        for stratum in 1..=self.last_stratum() {
            let mut stack: Vec<IrId> = self.requested_columns(stratum).into_iter().map(|(_, id)| id).collect();
            stack.extend(self.stratum_conditions(stratum));
            if self.computed_nodes(stack.as_slice(), stratum).any(looks_at_rows) {
                stack.extend(
                    self.roles
                        .order
                        .iter()
                        .map(|(id, _)| *id)
                        .chain(self.roles.partition.iter().copied()),
                );
            }
            if stratum == self.last_stratum() {
                stack.extend(
                    self.roles
                        .order
                        .iter()
                        .map(|(id, _)| *id)
                        .filter(|id| self.sort_key_output_name(*id).is_none()),
                );
            }
            for node in self.computed_nodes(stack, stratum) {
                // The value of a lookup is read from the row that the lookup finds.
                let node = match node {
                    Ir::PeriodLookup { value, .. } if self.stratum_column(value, stratum).is_none() => {
                        program.node(program.resolve_references(value))
                    }
                    node => node,
                };
                if let Ir::Column(column) = node {
                    read_columns.insert(column);
                }
            }
        }
        read_columns.into_iter().collect()
    }
}
