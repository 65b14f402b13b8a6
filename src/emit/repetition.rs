//! What stands more than once because a template repeats an argument: a warning, and a limit to its growth.

use super::Emitter;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId};
use crate::span::Span;
use crate::sql::{Sql, SqlId};

impl Emitter<'_> {
    pub(super) fn too_large(&mut self, id: IrId) {
        let span = self.program.meta(id).span;
        self.report(
            Diagnostic::new(
                Code::ExpressionTooLarge,
                span,
                format!("one expression would repeat its parts to more than {} KiB", self.limits.repetition >> 10),
            )
            .with_help("name the inner parts as definitions of a spec and compile it with `formulac query`, which computes each once"),
        );
    }

    /// The first call that repeats an argument, and that argument, of the definition emitted last.
    pub fn repetition(&self) -> Option<(Span, Span)> {
        self.warned
    }

    pub(super) fn repeated_of(&self, id: SqlId) -> u64 {
        self.work.repeated.get(id.0 as usize).copied().unwrap_or(0)
    }

    pub(super) fn note_repeated(&mut self, id: SqlId, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let index = id.0 as usize;
        if self.work.repeated.len() <= index {
            self.work.repeated.resize(index + 1, 0);
        }
        self.work.repeated[index] = self.work.repeated[index].max(bytes);
    }

    /// What costs nothing to write again: in the formula, or as it came out.
    pub(super) fn is_simple(&self, id: IrId) -> bool {
        let sql = || self.work.tree.node(self.work.sql[id.index()]);
        match self.program.node(id) {
            // However short a value drawn anew is, to write it again draws another.
            Ir::Apply { args, .. } if args.count == 0 => self.program.is_simple(id),
            _ => self.program.is_simple(id) || matches!(sql(), Sql::Word(_) | Sql::Text { .. } | Sql::Field { .. }),
        }
    }

    pub(super) fn count_repetition(&mut self, uses: &[u8], args: &[IrId], span: Span) {
        for (uses, arg) in uses.iter().zip(args) {
            if *uses > 1 && !self.is_simple(*arg) {
                if self.program.meta(*arg).volatile {
                    self.report(
                        Diagnostic::new(
                            Code::VolatileRepeated,
                            self.program.meta(*arg).span,
                            "a value drawn anew each time would be drawn more than once",
                        )
                        .with_help("name it as a definition of a spec and compile it with `formulac query`"),
                    );
                }
                self.warned.get_or_insert((span, self.program.meta(*arg).span));
            }
        }
    }
}
