//! Order of rows: the sort and partition keys of windows, and the sort keys of a query's result.

use rustc_hash::FxHashSet;

use super::planner::Planner;
use super::step::{InputColumn, InputProjection};
use crate::Level;
use crate::ir::{Ir, IrId};
use crate::span::Span;
use crate::sql::{NamedWindow, SqlId};

/// Value of a sort or partition key.
#[derive(PartialEq, Eq, Hash)]
enum SortKeyValue {
    Column(u32),
    /// Name of a definition or an alias, in lower case.
    Named(String),
    Expression(IrId),
}

/// Sort key of a query.
struct SortKey {
    column: InputColumn,
    /// Expression to sort by. `None` for a column.
    node: Option<IrId>,
    descending: bool,
    nullable: bool,
}

impl Planner<'_> {
    /// Sets the sort and partition keys of this stratum's windows. Columns of the grain that are not among these keys
    /// break ties.
    pub(super) fn set_window_keys(&mut self, stratum: u32) {
        // The keys of period lookups belong to the select, not to its windows.
        let moved = self.emitter.windows.period_lookup_keys.take();
        self.emitter.windows = crate::emit::SelectWindowKeys {
            period_lookup_keys: moved,
            ..Default::default()
        };
        let (mut order, mut partition) = (self.roles.order.clone(), self.roles.partition.clone());
        let has_order = !order.is_empty();
        // If the windows of a step depend on the sort order, a sort key cannot be a window.
        order.retain(|(id, _)| self.program().meta(*id).level != Level::Window);
        let own_partition = partition.clone();
        let roots = || order.iter().map(|(id, _)| *id).chain(partition.iter().copied());
        let key_names: Vec<String> = roots().map(|id| self.sort_key_column_name(id)).collect();
        let columns: Vec<InputColumn> = roots().filter_map(|id| self.key_input_column(id)).collect();
        let grain: Vec<(InputColumn, Option<IrId>)> = if self.step.grouped {
            let keys = self.outputs.iter().filter(|o| o.key);
            keys.map(|o| {
                (
                    InputColumn {
                        relations: Vec::new(),
                        name: o.name.clone(),
                    },
                    Some(o.root),
                )
            })
            .collect()
        } else {
            self.input_grain().into_iter().map(|g| (g, None)).collect()
        };
        // If relations are joined, compare the columns and not only their names, because two relations can have columns
        // with the same name.
        let is_used = |(g, root): &(InputColumn, Option<IrId>)| match root {
            None if self.input.joined.is_some() => columns.iter().any(|c| c.is_same_column(g)),
            _ => key_names.iter().any(|u| u.eq_ignore_ascii_case(&g.name)),
        };
        // Without sort keys, there is no default partition and no ties have to be broken.
        let rest: Vec<_> = grain.into_iter().filter(|g| has_order && !is_used(g)).collect();
        let is_order_unique =
            self.step.grouped && self.roles.order.len() == 1 && (self.spec.default_partition || rest.is_empty());
        let mut roots: Vec<IrId> = order
            .iter()
            .map(|(id, _)| *id)
            .chain(partition.iter().copied())
            .collect();
        let mut plain: Vec<InputColumn> = Vec::new();
        for (column, root) in rest {
            match root {
                // Grouping keys that are not sort keys become partition keys, unless the spec specifies partition keys.
                Some(root) if self.spec.default_partition => {
                    partition.push(root);
                    roots.push(root);
                }
                Some(root) => {
                    order.push((root, false));
                    roots.push(root);
                }
                None => plain.push(column),
            }
        }
        self.emit_nodes(&roots, stratum);
        let partition = self.dedup_nodes(partition.into_iter());
        let own_partition: Vec<SqlId> = own_partition
            .iter()
            .map(|id| self.partition_key(*id, stratum))
            .collect();
        let partition: Vec<SqlId> = partition.iter().map(|id| self.partition_key(*id, stratum)).collect();
        let mut keys: Vec<SqlId> = Vec::new();
        let varying = self.sort_keys_in_partition(&order);
        let order = if varying.is_empty() && plain.is_empty() {
            order
        } else {
            varying
        };
        for (id, descending) in order {
            keys.push(self.emit_sort_key(id, descending, stratum));
        }
        for column in plain {
            keys.push(self.emit_column_and_sort_key(&column, stratum).1);
        }
        let mut windows = crate::emit::SelectWindowKeys {
            partition,
            own_partition,
            order: keys,
            period_lookup_keys: self.emitter.windows.period_lookup_keys.take(),
            is_order_unique,
            ..Default::default()
        };
        if self.spec.pivot.is_some() {
            self.set_pivot_window_keys(&mut windows, stratum);
        }
        self.emitter.tree().add_missing_asc_keywords(&mut windows.order);
        self.emitter.tree().add_missing_asc_keywords(&mut windows.pivot_order);
        self.emitter.windows = windows;
    }

    /// Returns the sort keys that may differ between the rows of a partition.
    fn sort_keys_in_partition(&self, order: &[(IrId, bool)]) -> Vec<(IrId, bool)> {
        let value = |id: IrId| {
            let node = self.canonical_node(id);
            match (self.program().node(node), self.sort_key_column_name(id)) {
                (Ir::Column(column), _) => SortKeyValue::Column(column),
                (_, name) if name.is_empty() => SortKeyValue::Expression(node),
                (_, name) => SortKeyValue::Named(name.to_ascii_lowercase()),
            }
        };
        let partition: FxHashSet<_> = self.roles.partition.iter().map(|id| value(*id)).collect();
        let varies = |(id, _): &&(IrId, bool)| !partition.contains(&value(*id));
        order.iter().filter(varies).copied().collect()
    }

    /// Adds a named window in the step's order if several values of a worksheet use this window and the dialect
    /// supports named windows.
    pub(super) fn add_step_window(&mut self, ir_ids: &[IrId], stratum: u32) {
        let program = self.step.program;
        if !self.spec.sheet || !self.emitter.dialect.facts().named_windows || self.named_window.is_some() {
            return;
        }
        let through = |id: &&IrId| {
            let Ir::Window { over, .. } = program.node(**id) else {
                return false;
            };
            let plain = program.window_frame(over).is_row_window() && program.window_keys(over).is_empty();
            plain && self.stratum_column(**id, stratum).is_none()
        };
        if ir_ids.iter().filter(through).take(2).count() < 2 {
            return;
        }
        let names = |ids: &mut dyn Iterator<Item = IrId>| -> Vec<String> {
            ids.map(|id| self.sort_key_column_name(id))
                .filter(|name| !name.is_empty())
                .collect()
        };
        let order = self.sort_keys_in_partition(&self.roles.order);
        let order = names(&mut order.iter().map(|(id, _)| *id)).join("_and_");
        let partition = names(&mut self.roles.partition.iter().copied()).join("_and_");
        let name = match (partition.as_str(), order.as_str()) {
            (_, "") => "in_order".to_owned(),
            ("", order) => format!("by_{order}"),
            (partition, order) => format!("by_{partition}_and_{order}"),
        };
        let plain = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let name = if plain {
            name.to_ascii_lowercase()
        } else {
            "in_order".to_owned()
        };
        self.emitter.windows.name = Some(self.emitter.tree().add_raw_text(&name));
        let windows = &self.emitter.windows;
        let (partition, order) = (windows.partition.clone(), windows.order.clone());
        self.named_window = Some(NamedWindow { name, partition, order });
    }

    /// Emits a sort key.
    pub(super) fn emit_sort_key(&mut self, id: IrId, descending: bool, stratum: u32) -> SqlId {
        let key = self.emit_column_or_value(id, stratum);
        let nullable = self.program().meta(id).nullable;
        self.emitter.emit_order_by_key(key, descending, nullable)
    }

    /// Emits an input column twice: unchanged and as a sort key.
    pub(super) fn emit_column_and_sort_key(&mut self, column: &InputColumn, stratum: u32) -> (SqlId, SqlId) {
        let column_sql = self.emit_input_column(column, stratum);
        let nullable = self.is_input_nullable(column);
        (column_sql, self.emitter.emit_order_by_key(column_sql, false, nullable))
    }

    /// Emits a partition key of windows.
    pub(super) fn partition_key(&mut self, id: IrId, stratum: u32) -> SqlId {
        let column_sql = self.emit_column_or_value(id, stratum);
        self.emitter.partition_key(id, column_sql)
    }

    /// Returns the column name of a key. Empty if the SQL contains the key's expression instead of a name, for example
    /// because the key is not a column of the step.
    pub(super) fn sort_key_column_name(&self, root: IrId) -> String {
        let program = self.program();
        match program.node(root) {
            Ir::Definition(definition_index) if !self.step.outputs[definition_index as usize] => String::new(),
            Ir::Definition(definition_index) => program.definition_name(definition_index).to_owned(),
            Ir::Column(column) => program.columns[column as usize].output_name().to_owned(),
            _ => self.aliases.get(&root).cloned().unwrap_or_default(),
        }
    }

    /// Resolves a helper whose formula is only the name of another column.
    fn resolve_intermediate_definitions(&self, root: IrId) -> IrId {
        self.program()
            .resolve_references_until(root, |_, definition| self.step.outputs[definition])
    }

    /// Emits the name of a computed or kept output column in the form in which a sort key refers to it.
    fn emit_output_name(&mut self, name: &str) -> SqlId {
        let is = |other: &str| other.eq_ignore_ascii_case(name);
        let kept_column = match &self.spec.keep {
            _ if self.step.grouped || self.outputs.iter().any(|o| is(&o.name)) => None,
            InputProjection::Nothing => None,
            InputProjection::Joined(joined_columns) => joined_columns.iter().find(|column| is(&column.name)).cloned(),
            // If relations are joined, the columns of the first relation are kept.
            InputProjection::All | InputProjection::Some(_) => Some(InputColumn {
                relations: vec![0],
                name: name.to_owned(),
            }),
        };
        match kept_column {
            Some(column) => {
                let column_sql = self.passthrough_column_name(&column);
                self.emitter.tree().add_raw_text(&column_sql)
            }
            None => self.emitter.emit_generated_name(name, Span::default()),
        }
    }

    /// Returns the sort keys of a query.
    pub(super) fn emit_order_by(&mut self, from: &str) -> Vec<SqlId> {
        let specified_keys = self.roles.order.iter();
        let order: Vec<(IrId, bool)> = specified_keys
            .map(|(id, down)| (self.resolve_intermediate_definitions(*id), *down))
            .collect();
        if order.is_empty() {
            return Vec::new();
        }
        self.emit_non_output_sort_keys(&order, from);
        let mut keys: Vec<SortKey> = order
            .iter()
            .map(|(id, down)| self.specified_sort_key(*id, *down))
            .collect();
        self.add_grain_to_order(&mut keys);
        let outputs = self.result_column_names();
        let last = self.last_stratum();
        let mut keys: Vec<SqlId> = keys
            .into_iter()
            .map(|key| {
                // A sort key refers to an output by its name. Any other column is read from the relation.
                let is_output = outputs.contains(&key.column.name.to_ascii_lowercase());
                let sql = match key.node {
                    Some(id) => self.emit_column_or_value(id, last),
                    None if is_output && (key.column.relations.is_empty() || self.input.joined.is_none()) => {
                        self.emit_output_name(&key.column.name)
                    }
                    None => self.emit_input_column(&key.column, last),
                };
                self.emitter.emit_order_by_key(sql, key.descending, key.nullable)
            })
            .collect();
        self.emitter.tree().add_missing_asc_keywords(&mut keys);
        keys
    }

    /// Emits the sort keys that are not outputs.
    fn emit_non_output_sort_keys(&mut self, order: &[(IrId, bool)], from: &str) {
        let ids = order.iter().map(|(id, _)| *id);
        let unnamed: Vec<IrId> = ids.filter(|id| self.sort_key_output_name(*id).is_none()).collect();
        let last = self.last_stratum();
        if !unnamed.is_empty() && self.emitter.qualifier.is_none() && self.joined_input(last).is_none() {
            // Engines differ in whether a name inside an expression refers to the output or to the input column.
            let outputs: Vec<(String, IrId)> = self.outputs.iter().map(|o| (o.name.clone(), o.root)).collect();
            self.emitter.qualifier = self.grouping_qualifier(&unnamed, last, from, &outputs);
        }
        self.emit_nodes(&unnamed, last);
    }

    fn specified_sort_key(&self, id: IrId, descending: bool) -> SortKey {
        let name = self.sort_key_output_name(id);
        let node = name.is_none().then_some(id);
        let column = match name {
            Some(name) => InputColumn {
                relations: Vec::new(),
                name,
            },
            None => self.key_input_column(id).unwrap_or_else(|| InputColumn {
                relations: Vec::new(),
                name: String::new(),
            }),
        };
        SortKey {
            column,
            node,
            descending,
            nullable: self.step.program.meta(id).nullable,
        }
    }

    /// Appends the columns that identify a row, so that the order is unique.
    fn add_grain_to_order(&self, keys: &mut Vec<SortKey>) {
        let program = self.step.program;
        let grain: Vec<(InputColumn, bool)> = if self.step.grouped {
            let group_keys = self.outputs.iter().filter(|output| output.key);
            let to_column = |name: &str| InputColumn {
                relations: Vec::new(),
                name: name.to_owned(),
            };
            group_keys
                .map(|output| (to_column(&output.name), program.meta(output.root).nullable))
                .collect()
        } else {
            let columns = self.input_grain().into_iter();
            columns
                .map(|column| {
                    let nullable = self.is_input_nullable(&column);
                    (column, nullable)
                })
                .collect()
        };
        for (column, nullable) in grain {
            // If a column of joined relations is an output, sort by the name of the output.
            let output_name = self
                .input
                .joined
                .and_then(|joined| self.output_name_of_input_column(joined, &column));
            let column = match output_name {
                Some(name) => InputColumn {
                    relations: Vec::new(),
                    name,
                },
                None => column,
            };
            let is_same_key = |key: &SortKey| match self.input.joined {
                Some(_) => key.column.is_same_column(&column),
                None => key.column.name.eq_ignore_ascii_case(&column.name),
            };
            if !keys.iter().any(is_same_key) {
                keys.push(SortKey {
                    column,
                    node: None,
                    descending: false,
                    nullable,
                });
            }
        }
    }

    /// Returns the lower-case names of all columns of the result: the step's own columns and those that it keeps.
    fn result_column_names(&self) -> FxHashSet<String> {
        let mut outputs = self.output_names();
        if self.step.grouped {
            return outputs;
        }
        match (&self.spec.keep, self.input.relation) {
            (InputProjection::Some(kept_names), _) => {
                outputs.extend(kept_names.iter().map(|name| name.to_ascii_lowercase()));
            }
            (InputProjection::Joined(kept_columns), _) => {
                outputs.extend(kept_columns.iter().map(|c| c.name.to_ascii_lowercase()));
            }
            (InputProjection::All, Some(input)) => {
                outputs.extend(input.columns().iter().map(|c| c.name().to_ascii_lowercase()));
            }
            _ => {}
        }
        outputs
    }
}
