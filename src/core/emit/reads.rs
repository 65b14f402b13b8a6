//! Columns that definitions read. The columns are recorded while the definitions are emitted.

use super::Emitter;
use crate::arena::Arena;
use crate::ir::{Ir, IrId, Program};
use crate::sql::SqlId;

#[derive(Debug, Default)]
pub(super) struct ColumnReadRecord {
    /// Number of the definition that is being emitted, starting from 1.
    reader: u32,
    /// Columns that this definition reads, in the order of first use.
    columns: Vec<u32>,
    /// Columns read by each definition that other definitions use. The columns of one definition are consecutive.
    columns_of_used_definitions: Arena<u32>,
    /// Range of each definition's columns within `columns_of_used_definitions`.
    column_ranges: Arena<(u32, u32)>,
}

impl ColumnReadRecord {
    pub fn reset(&mut self, program: &Program) {
        let Self {
            reader,
            columns,
            columns_of_used_definitions,
            column_ranges,
        } = self;
        *reader = 0;
        columns.clear();
        columns_of_used_definitions.clear();
        column_ranges.clear();
        column_ranges.resize(program.definitions.len(), (0, 0));
    }
}

impl Emitter<'_> {
    /// Returns the columns that the most recently emitted definition reads, directly or through other definitions, in
    /// the order of first use.
    pub fn read_columns(&self) -> &[u32] {
        &self.buffers.reads.columns
    }

    pub(super) fn start_recording_reads(&mut self, definition: u32) {
        self.buffers.reads.reader = definition + 1;
        self.buffers.reads.columns.clear();
    }

    pub(super) fn finish_recording_reads(&mut self, definition: u32) {
        if self.program.definitions[definition as usize].used {
            let reads = &mut self.buffers.reads;
            let first = reads.columns_of_used_definitions.len() as u32;
            reads.columns_of_used_definitions.extend_from_slice(&reads.columns);
            reads.column_ranges[definition as usize] = (first, reads.columns_of_used_definitions.len() as u32);
        }
    }

    /// Records that a column is read. Returns the column's name if it is already in the tree.
    #[inline]
    pub(super) fn record_column_read(&mut self, column: u32) -> Option<SqlId> {
        let reads = &mut self.buffers.reads;
        let emitted_column = &mut self.buffers.columns[column as usize];
        let name = emitted_column.name;
        if std::mem::replace(&mut emitted_column.reader, reads.reader) != reads.reader {
            reads.columns.push(column);
        }
        name
    }

    pub(super) fn record_definition_reads(&mut self, definition: u32) {
        let (first, end) = self.buffers.reads.column_ranges[definition as usize];
        for index in first..end {
            self.record_column_read(self.buffers.reads.columns_of_used_definitions[index as usize]);
        }
    }

    /// Records the columns that a folded node reads. These columns count as read because they occur in the source.
    pub(super) fn record_reads_of_folded_node(&mut self, id: IrId) {
        match self.program.node(id) {
            Ir::Column(column) => _ = self.record_column_read(column),
            Ir::Definition(definition_index) => self.record_definition_reads(definition_index),
            _ => {}
        }
    }
}
