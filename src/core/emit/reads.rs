//! The columns that definitions read, noted while they are emitted.

use super::Emitter;
use crate::ir::{Ir, IrId, Program};
use crate::sql::SqlId;

#[derive(Debug, Default)]
pub(super) struct TemplateReads {
    /// The definition that is emitted, counted from 1.
    reader: u32,
    /// The columns that it reads, in the order of first use.
    found: Vec<u32>,
    /// The same of those that others use, one after the other.
    kept: Vec<u32>,
    /// By definition: where they are.
    places: Vec<(u32, u32)>,
}

impl TemplateReads {
    pub fn reset(&mut self, program: &Program) {
        let Self { reader, found, kept, places } = self;
        *reader = 0;
        found.clear();
        kept.clear();
        places.clear();
        places.resize(program.definitions.len(), (0, 0));
    }
}

impl Emitter<'_> {
    /// The columns that the definition emitted last reads, by itself or through others, in the order of first use.
    pub fn reads(&self) -> &[u32] {
        &self.work.reads.found
    }

    pub(super) fn begin_reads(&mut self, definition: u32) {
        self.work.reads.reader = definition + 1;
        self.work.reads.found.clear();
    }

    pub(super) fn end_reads(&mut self, definition: u32) {
        if self.program.definitions[definition as usize].used {
            let reads = &mut self.work.reads;
            let first = reads.kept.len() as u32;
            reads.kept.extend_from_slice(&reads.found);
            reads.places[definition as usize] = (first, reads.kept.len() as u32);
        }
    }

    /// Notes that a column is read; its name, where it is written already.
    #[inline]
    pub(super) fn note_read(&mut self, column: u32) -> Option<SqlId> {
        let reads = &mut self.work.reads;
        let known = &mut self.work.columns[column as usize];
        let name = known.name;
        if std::mem::replace(&mut known.reader, reads.reader) != reads.reader {
            reads.found.push(column);
        }
        name
    }

    pub(super) fn note_reads_of(&mut self, definition: u32) {
        let (first, end) = self.work.reads.places[definition as usize];
        for at in first..end {
            self.note_read(self.work.reads.kept[at as usize]);
        }
    }

    /// What a node reads that was folded away: the text names it, so it is read.
    pub(super) fn note_folded(&mut self, id: IrId) {
        match self.program.node(id) {
            Ir::Column(column) => _ = self.note_read(column),
            Ir::Definition(used) => self.note_reads_of(used),
            _ => {}
        }
    }
}
