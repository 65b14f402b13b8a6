//! The order of rows: for windows, with their partitions, and for the rows of a query.

use super::select::Planner;
use super::step::KeepColumns;
use crate::ir::{Ir, IrId};
use crate::schema::Column;
use crate::span::Span;
use crate::sql::{OrderKey, SqlId};

impl Planner<'_> {
    /// Order and partition of the windows of this stratum: ties are broken by the rest of the grain.
    pub(super) fn windows(&mut self, stage: u32) {
        let program = self.step.program;
        self.emitter.windows = crate::emit::Windows::default();
        let (mut order, mut partition) = (self.roles.order.clone(), self.roles.partition.clone());
        let used = order.iter().map(|(id, _)| *id).chain(partition.iter().copied()).map(|id| self.name_of(id));
        let used: Vec<String> = used.collect();
        let grain: Vec<(String, Option<IrId>)> = if self.step.grouped {
            self.outputs.iter().filter(|o| o.key).map(|o| (o.name.clone(), Some(o.root))).collect()
        } else {
            self.input.grain.iter().map(|g| (g.clone(), None)).collect()
        };
        let rest = grain.into_iter().filter(|(name, _)| !used.iter().any(|u| u.eq_ignore_ascii_case(name)));
        let mut roots: Vec<IrId> = order.iter().map(|(id, _)| *id).chain(partition.iter().copied()).collect();
        let mut plain: Vec<String> = Vec::new();
        for (name, root) in rest {
            match root {
                // The keys that nothing orders by part the groups, unless the spec says otherwise.
                Some(root) if self.spec.default_partition => {
                    partition.push(root);
                    roots.push(root);
                }
                Some(root) => {
                    order.push((root, false));
                    roots.push(root);
                }
                None => plain.push(name),
            }
        }
        self.emit(&roots, stage);
        let partition: Vec<SqlId> = partition.iter().map(|id| self.written_node(*id, stage)).collect();
        let mut keys: Vec<SqlId> = Vec::new();
        for (id, descending) in order {
            let sql = self.written_node(id, stage);
            let nullable = program.meta(id).nullable;
            keys.push(self.emitter.order_key(sql, descending, nullable));
        }
        for name in plain {
            let nullable = self.input.relation.and_then(|r| r.column(&name)).is_none_or(Column::is_nullable);
            let sql = self.emitter.column_name(&name, Span::default());
            keys.push(self.emitter.order_key(sql, false, nullable));
        }
        self.emitter.windows = crate::emit::Windows { partition, order: keys, groups: Vec::new() };
    }

    /// The name under which a key is known; empty for one that is only written out.
    fn name_of(&self, root: IrId) -> String {
        let program = self.program();
        match program.node(root) {
            Ir::Definition(used) => program.definitions[used as usize].name.as_deref().unwrap_or_default().to_owned(),
            Ir::Column(column) => program.columns[column as usize].name.to_string(),
            _ => self.aliases.get(&root).cloned().unwrap_or_default(),
        }
    }

    /// The keys that order the rows of a query.
    pub(super) fn order_keys(&mut self, from: &str) -> Vec<OrderKey> {
        let program = self.step.program;
        let order = self.roles.order.clone();
        if order.is_empty() {
            return Vec::new();
        }
        let unnamed: Vec<IrId> = order.iter().map(|(id, _)| *id).filter(|id| self.name_of(*id).is_empty()).collect();
        let last = self.last_stage();
        if !unnamed.is_empty() && self.emitter.qualifier.is_none() {
            // Inside of an expression engines differ in whether a name is the output or the column.
            let outputs: Vec<(String, IrId)> = self.outputs.iter().map(|o| (o.name.clone(), o.root)).collect();
            self.emitter.qualifier = self.qualifier(&unnamed, last, from, &outputs);
        }
        self.emit(&unnamed, last);
        let key = |(id, descending): &(IrId, bool)| {
            let name = self.name_of(*id);
            let written = if name.is_empty() { Some(*id) } else { None };
            (name, written, *descending, program.meta(*id).nullable)
        };
        let mut keys: Vec<(String, Option<IrId>, bool, bool)> = order.iter().map(key).collect();
        let grain: Vec<(String, bool)> = if self.step.grouped {
            self.outputs.iter().filter(|o| o.key).map(|o| (o.name.clone(), program.meta(o.root).nullable)).collect()
        } else {
            let nullable = |g: &str| self.input.relation.and_then(|r| r.column(g)).is_none_or(Column::is_nullable);
            self.input.grain.iter().map(|g| (g.clone(), nullable(g))).collect()
        };
        for (name, nullable) in grain {
            if !keys.iter().any(|(k, ..)| k.eq_ignore_ascii_case(&name)) {
                keys.push((name, None, false, nullable));
            }
        }
        let mut outputs = self.output_names();
        if let (KeepColumns::Some(kept), false) = (&self.spec.keep, self.step.grouped) {
            outputs.extend(kept.iter().map(|name| name.to_lowercase()));
        } else if let (KeepColumns::All, Some(input), false) = (&self.spec.keep, self.input.relation, self.step.grouped) {
            outputs.extend(input.columns().iter().map(|c| c.name().to_lowercase()));
        }
        keys.into_iter()
            .map(|(name, written, descending, nullable)| {
                // An output is ordered by under its name; another column is read from the relation.
                let sql = match written {
                    Some(id) => self.written_node(id, last),
                    None if outputs.contains(&name.to_lowercase()) => self.emitter.name(&name, Span::default()),
                    None => self.emitter.column_name(&name, Span::default()),
                };
                OrderKey { expr: self.emitter.order_key(sql, descending, nullable) }
            })
            .collect()
    }
}
