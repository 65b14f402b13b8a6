//! Names of columns in SQL: qualifiers, quotes, paths into fields of a STRUCT, and generated names.

use super::Emitter;
use crate::ir::IrId;
use crate::lex::split_qualifier;
use crate::span::Span;
use crate::sql::{Sql, SqlId};

impl Emitter<'_> {
    /// Returns whether a column such as `device.category` is a field of a STRUCT.
    fn has_struct_path(&self, name: &str) -> bool {
        self.dialect.facts().struct_fields && split_qualifier(name).0.is_some()
    }

    /// Emits a name with dots as several names: `device.category` for a field of a STRUCT. The path is a single text
    /// node, so its output gets an alias. The alias is required because DuckDB does not find the name of the field in
    /// ORDER BY.
    fn emit_struct_path(&mut self, qualifier: Option<SqlId>, path: &str, unquoted: bool, span: Span) -> SqlId {
        let dialect = self.dialect;
        let name = self.buffers.tree.add_text(span, |out| {
            for (index, field) in path.split('.').enumerate() {
                if index > 0 {
                    out.push('.');
                }
                dialect.push_name(out, field, unquoted);
            }
        });
        match qualifier {
            Some(qualifier) => self.buffers.tree.add(Sql::Field { qualifier, name }, span),
            None => name,
        }
    }

    #[inline(always)]
    pub(super) fn column(&mut self, index: u32, span: Span) -> SqlId {
        match (self.record_column_read(index), self.qualifier) {
            // Reuse the name as written, but add a new node because its span differs.
            (Some(id), None) => self.buffers.tree.copy_node(id, span),
            _ => self.emit_new_column(index, span),
        }
    }

    #[inline(never)]
    fn emit_new_column(&mut self, index: u32, span: Span) -> SqlId {
        let column = &self.program.columns[index as usize];
        if self.joined && !column.merged.is_empty() {
            let parts: Vec<SqlId> = column.merged.iter().map(|part| self.column(*part, span)).collect();
            return self.buffers.tree.add_call("coalesce", &parts, span);
        }
        let dialect = self.dialect;
        let renamed = self.passed_on.then(|| self.renamed.get(&index)).flatten();
        if renamed.is_none() && self.has_struct_path(&column.name) {
            let qualifier = match &column.relation {
                Some(relation) if self.joined => Some(self.emit_name(relation, span)),
                _ => self.qualifier,
            };
            return self.emit_struct_path(qualifier, &column.name, !column.quoted, span);
        }
        let name = self.buffers.tree.add_text(span, |out| match renamed {
            Some(name) => dialect.push_name(out, name, true),
            None if dialect.accepts_unquoted(column.bare, column.quoted) => out.push_str(&column.name),
            None => dialect.push_name(out, &column.name, !column.quoted),
        });
        if let Some(qualifier) = self.qualifier {
            return self.buffers.tree.add(Sql::Field { qualifier, name }, span);
        }
        let id = match &column.relation {
            // Write the name of the relation as in the source, because no schema contains the relation.
            Some(relation) if self.joined || (column.unknown && !self.passed_on) => {
                // Without a schema, the relation may be qualified, as in `db.orders.amount`.
                let qualifier = match column.unknown && !self.joined && relation.contains('.') {
                    true => self.emit_struct_path(None, relation, true, span),
                    false => self.emit_name(relation, span),
                };
                self.buffers.tree.add(Sql::Field { qualifier, name }, span)
            }
            // The unqualified name would refer to the entire row.
            _ if self
                .only_relation
                .is_some_and(|relation| relation.eq_ignore_ascii_case(&column.name)) =>
            {
                let qualifier = self.emit_name(&column.name, span);
                self.buffers.tree.add(Sql::Field { qualifier, name }, span)
            }
            _ => name,
        };
        self.buffers.columns[index as usize].name = Some(id);
        self.buffers.named_columns.push(index);
        id
    }

    /// Sets the input of the next expressions: several relations, or an earlier select of the same step.
    pub fn set_input_kind(&mut self, joined: bool, passed_on: bool) {
        self.read.clear();
        if (self.joined, self.passed_on) != (joined, passed_on) {
            (self.joined, self.passed_on) = (joined, passed_on);
            self.clear_column_names();
        }
    }

    /// Emits fields of STRUCT columns under their output names, because an earlier select groups by them.
    pub fn rename_struct_fields(&mut self) {
        let fields = (0u32..)
            .zip(&self.program.columns)
            .filter(|(_, column)| column.name.contains('.'));
        let renamed: Vec<(u32, String)> = fields
            .map(|(index, column)| (index, column.output_name().to_owned()))
            .collect();
        if !renamed.is_empty() {
            self.renamed.extend(renamed);
            self.clear_column_names();
        }
    }

    /// Clears the renamed columns, so that columns are emitted under their own names again.
    pub fn clear_renamed_columns(&mut self) {
        if !self.renamed.is_empty() {
            self.renamed.clear();
            self.clear_column_names();
        }
    }

    fn clear_column_names(&mut self) {
        let buffers = &mut *self.buffers;
        buffers
            .named_columns
            .drain(..)
            .for_each(|column| buffers.columns[column as usize].name = None);
    }

    /// Emits the column with the given index in the program.
    pub fn emit_column(&mut self, index: u32) -> SqlId {
        self.column(index, Span::default())
    }

    /// Emits the column with the given index in the program. Emits the STRUCT column in place of one of its fields, so
    /// that later selects can read the field.
    pub fn emit_column_with_fields(&mut self, index: u32) -> SqlId {
        let column = &self.program.columns[index as usize];
        match column.name.split_once('.') {
            Some((column_name, _)) if self.has_struct_path(&column.name) => {
                self.emit_column_by_name(column_name, column.quoted)
            }
            _ => self.column(index, Span::default()),
        }
    }

    /// Emits a column that is qualified with its relation. Used in selects that read several relations.
    pub fn emit_qualified_column(&mut self, relation: &str, name: &str, quoted: bool) -> SqlId {
        let span = Span::default();
        let qualifier = self.emit_name(relation, span);
        if self.has_struct_path(name) {
            return self.emit_struct_path(Some(qualifier), name, !quoted, span);
        }
        let name = self
            .buffers
            .tree
            .add_text(span, |out| self.dialect.push_name(out, name, !quoted));
        self.buffers.tree.add(Sql::Field { qualifier, name }, span)
    }

    /// Emits the column of the current relation that has the given name.
    pub fn emit_column_by_name(&mut self, name: &str, quoted: bool) -> SqlId {
        let dialect = self.dialect;
        let name = self
            .buffers
            .tree
            .add_text(Span::default(), |out| dialect.push_name(out, name, !quoted));
        self.qualify_if_shadowed(name, Span::default())
    }

    /// Sets the SQL of a node to a column of the current relation.
    pub fn emit_node_as_column(&mut self, id: IrId, name: &str) {
        self.read.insert(id);
        self.buffers.sql[id.index()] = self.emit_column_name(name, self.program.meta(id).span);
    }

    /// Emits the name of a column that an earlier select computes.
    pub fn emit_column_name(&mut self, name: &str, span: Span) -> SqlId {
        let name = self.emit_generated_name(name, span);
        self.qualify_if_shadowed(name, span)
    }

    /// Emits the unqualified name of a column that this step computes.
    pub fn emit_generated_name(&mut self, name: &str, span: Span) -> SqlId {
        let (dialect, cased) = (self.dialect, self.cased.contains(name));
        self.buffers
            .tree
            .add_text(span, |out| dialect.push_name(out, name, !cased))
    }

    /// Returns the unqualified name of a column that this step computes, as written in SQL.
    pub fn generated_name_text(&self, name: &str) -> String {
        self.dialect.name_text(name, !self.cased.contains(name))
    }

    /// Qualifies a column with its relation if a column of the relation has the same name as the relation.
    pub fn qualify_if_shadowed(&mut self, name: SqlId, span: Span) -> SqlId {
        match self.qualifier.filter(|_| self.shadowed) {
            Some(qualifier) => self.buffers.tree.add(Sql::Field { qualifier, name }, span),
            None => name,
        }
    }

    /// Emits an identifier that the spec or formula defines.
    pub fn emit_name(&mut self, name: &str, span: Span) -> SqlId {
        let dialect = self.dialect;
        self.buffers
            .tree
            .add_text(span, |out| dialect.push_name(out, name, true))
    }
}
