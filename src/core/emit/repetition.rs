//! Reports templates that repeat a long argument, and limits the growth of the SQL.

use super::Emitter;
use crate::catalog::{self, internal};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId};
use crate::span::Span;
use crate::sql::{Sql, SqlId};

/// Number of repeated bytes that a reader of the SQL hardly notices.
const TOLERATED_REPETITION_BYTES: u64 = 1 << 10;

impl Emitter<'_> {
    /// Reports the parts that the SQL of a definition repeats. Parts are repeated because the SQL of another definition
    /// or of a name in LET is inserted wherever the name is used. If the repeated parts exceed the limit, reports an
    /// error and returns `false`. The definitions that use this definition are then skipped.
    pub fn check_sql_repetition(&mut self, index: u32, root: SqlId) -> bool {
        let id = self.program.definition_root(index);
        let span = self.program.meta(id).span;
        let width = u64::from(self.buffers.tree.width(root));
        // SQL that is hardly longer than its formula contains few repetitions, so do not search for repetitions.
        if width <= TOLERATED_REPETITION_BYTES.max(2 * u64::from(span.end - span.start)) {
            return true;
        }
        let repeated = self.buffers.tree.count_repeated_bytes(root);
        if repeated > self.limits.repetition as u64 {
            self.buffers.roots[index as usize] = None;
            self.report_sql_too_large(id);
            return false;
        }
        if repeated > TOLERATED_REPETITION_BYTES && self.warned.is_none() {
            let message = format!(
                "{repeated} of the {width} bytes of SQL repeat earlier text, because the SQL of a named value is \
                 inserted wherever the name is used"
            );
            self.diagnostics.push(
                Diagnostic::new(Code::RepeatedArgument, span, message)
                    .with_help("compile a spec with `formulac query`, which computes each repeated value once"),
            );
        }
        true
    }

    pub(super) fn report_sql_too_large(&mut self, id: IrId) {
        let span = self.program.meta(id).span;
        self.report(
            Diagnostic::new(
                Code::ExpressionTooLarge,
                span,
                format!(
                    "the SQL of a single expression would repeat parts and exceed {} KiB",
                    self.limits.repetition >> 10
                ),
            )
            .with_help(
                "turn the inner parts into definitions of a spec, and compile the spec with \
                    `formulac query`, which computes each definition once",
            ),
        );
    }

    /// Returns the spans of the first call that repeats an argument, and of that argument, in the most recently emitted
    /// definition.
    pub fn largest_repetition(&self) -> Option<(Span, Span)> {
        self.warned
    }

    pub(super) fn count_repeated_bytes(&self, id: SqlId) -> u64 {
        self.buffers.repeated.try_get(id.0 as usize).copied().unwrap_or(0)
    }

    pub(super) fn record_repeated_bytes(&mut self, id: SqlId, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let index = id.0 as usize;
        if self.buffers.repeated.len() <= index {
            self.buffers.repeated.resize(index + 1, 0);
        }
        self.buffers.repeated[index] = self.buffers.repeated[index].max(bytes);
    }

    /// Returns whether a node is so simple, in the formula or in the emitted SQL, that repeating it costs nothing.
    pub(super) fn is_cheap_to_repeat(&self, id: IrId) -> bool {
        let sql = || self.buffers.tree.node(self.buffers.sql[id.index()]);
        match self.program.node(id) {
            // Repeating a volatile value is never free, even if its expression is a single word such as `random()`,
            // because each occurrence is computed separately. An SQL `Text` or `Field` node is a column that already
            // contains the value.
            Ir::Apply { args, .. } if args.count == 0 => {
                self.program.is_cheap_to_repeat(id) || matches!(sql(), Sql::Text { .. } | Sql::Field { .. })
            }
            _ => {
                self.program.is_cheap_to_repeat(id)
                    || matches!(sql(), Sql::Word(_) | Sql::Text { .. } | Sql::Field { .. })
            }
        }
    }

    /// Returns the number of repeated bytes in an emitted node. The number is at least the sum of the numbers for the
    /// operands.
    pub(super) fn sum_operand_repetition(&mut self, id: IrId) -> u64 {
        let repetition_of = |id: IrId| self.count_repeated_bytes(self.buffers.sql[id.index()]);
        let grown = self
            .program
            .operands(id)
            .fold(0u64, |sum, operand| sum.saturating_add(repetition_of(operand)));
        let sql = self.buffers.sql[id.index()];
        self.record_repeated_bytes(sql, grown);
        self.count_repeated_bytes(sql)
    }

    /// Records the repeated bytes of a call: the bytes that the call itself repeats, and the repeated bytes in its
    /// arguments.
    pub(super) fn record_call_repetition(&mut self, id: SqlId, uses: &[u8], args: &[IrId]) {
        let grown = args.iter().enumerate().fold(0u64, |sum, (i, arg)| {
            let uses = u64::from(uses.get(i).copied().unwrap_or(1));
            let width = u64::from(self.buffers.tree.width(self.buffers.sql[arg.index()]));
            let arg_bytes = self.count_repeated_bytes(self.buffers.sql[arg.index()]);
            let extra = if self.is_cheap_to_repeat(*arg) {
                0
            } else {
                uses.saturating_sub(1).saturating_mul(width)
            };
            sum.saturating_add(extra)
                .saturating_add(uses.max(1).saturating_mul(arg_bytes))
        });
        self.record_repeated_bytes(id, grown);
    }

    /// Returns whether a node replaces empty text or NULL in a simple value, as TEXTJOIN does for its sort order.
    fn is_simple_null_replacement(&self, id: IrId) -> bool {
        let Ir::Apply { overload, args } = self.program.node(id) else {
            return false;
        };
        [internal::PRESENT_TEXT, internal::OR_EMPTY].contains(&catalog::overload_owner(overload))
            && self.program.args(args).iter().all(|arg| self.is_cheap_to_repeat(*arg))
    }

    pub(super) fn record_repeated_arguments(&mut self, uses: &[u8], args: &[IrId], span: Span) {
        for (uses, arg) in uses.iter().zip(args) {
            if *uses > 1 && !self.is_cheap_to_repeat(*arg) && !self.is_simple_null_replacement(*arg) {
                if self.program.meta(*arg).volatile {
                    self.report(repeated_random_value_diagnostic(self.program.meta(*arg).span));
                }
                self.warned.get_or_insert((span, self.program.meta(*arg).span));
            }
        }
    }
}

/// Reports a random value that the SQL would compute several times.
pub fn repeated_random_value_diagnostic(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::VolatileRepeated,
        span,
        "a random value would be computed more than once",
    )
    .with_help("make the value a definition in a spec, and compile the spec with `formulac query`")
}
