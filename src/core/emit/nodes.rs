//! SQL of single nodes.

use std::iter;

use super::Emitter;
use crate::Type;
use crate::catalog::{self, internal};
use crate::diag::{Code, Diagnostic};
use crate::dialect::op::Op;
use crate::ir::{Ir, IrId, NodeMeta};
use crate::span::Span;
use crate::sql::{Sql, SqlId, SqlSlice};

impl Emitter<'_> {
    /// Emits one node. Its operands must be emitted first.
    // Inlining makes the loop over a definition's nodes much faster, and there are only two callers.
    #[inline(always)]
    pub(super) fn emit_node(&mut self, id: IrId, (node, meta): &(Ir, NodeMeta)) {
        let program = self.program;
        let span = meta.span;
        let sql = match *node {
            Ir::Error => self.null_placeholder(span),
            Ir::Null => self.buffers.tree.add_word("null", span),
            Ir::Bool(value) => self.emit_bool(value, span),
            Ir::Number(slice) => self.emit_number(program.text(slice), meta.ty, span),
            Ir::Text(slice) => self.add_text_literal(program.text(slice), span),
            Ir::Date(slice) => {
                let forms = self.dialect.forms();
                let form = if meta.ty == Type::Timestamp {
                    &forms.timestamp
                } else {
                    &forms.date
                };
                let value = program.text(slice);
                self.buffers.tree.add_text(span, |out| form.push(out, value))
            }
            Ir::Today(slice) => self
                .buffers
                .tree
                .add_text(span, |out| out.push_str(program.text(slice))),
            Ir::Macro(date) => self.emit_date_macro(date, span),
            Ir::Column(column) => self.column(column, span),
            Ir::Definition(index) => self.emit_inlined_definition(index, span),
            Ir::Apply { overload, args } => self.emit_call(overload, program.args(args), span),
            Ir::Case(arms) => {
                self.cast_branches_to_same_scale(arms);
                let arms = match program.args(arms) {
                    [pairs @ .., default] if pairs.len().is_multiple_of(2) && program.node(*default) == Ir::Null => {
                        pairs
                    }
                    arms => arms,
                };
                let arms = self.emit_operands(arms);
                self.buffers.tree.add(Sql::Case { subject: None, arms }, span)
            }
            Ir::Switch { subject, arms } => {
                self.cast_branches_to_same_scale(arms);
                let (pairs, _) = program.args(arms).as_chunks::<2>();
                self.cast_long_literals(iter::once(subject).chain(pairs.iter().map(|[value, _]| *value)));
                let arms = self.emit_operands(program.args(arms));
                let subject = Some(self.buffers.sql[subject.index()]);
                self.buffers.tree.add(Sql::Case { subject, arms }, span)
            }
            Ir::And(args) => self.emit_operator_chain(Op::And, program.args(args), span),
            Ir::Or(args) => self.emit_operator_chain(Op::Or, program.args(args), span),
            Ir::Not(x) => self.emit_negation(x, span),
            Ir::IsNull { x, negated } => self.emit_null_test(x, negated, span),
            Ir::Coalesce(args) => {
                self.cast_to_same_scale(program.args(args));
                self.cast_long_literals(program.args(args).iter().copied());
                let args = self.emit_operands(program.args(args));
                self.buffers.tree.add(Sql::Call { name: "coalesce", args }, span)
            }
            Ir::CountRows => self.buffers.tree.add_row_count(span),
            Ir::Aggregate {
                overload,
                args,
                distinct,
            } => self.emit_aggregate(id, overload, program.args(args), distinct, span),
            Ir::Window { call, over } => {
                self.emit_window(call, program.window_frame(over), program.window_keys(over), span)
            }
            Ir::GroupWindow { args, role } => self.emit_group_window(program.args(args), role, span),
            // In a select, the planner sets the SQL of this node when it joins the other row.
            Ir::PeriodLookup { value, period } => {
                self.emit_period_lookup(value, self.program.periods[period as usize], *meta)
            }
            Ir::Distinct(x) | Ir::Range { x, .. } => self.buffers.sql[x.index()],
            // The planner sets the SQL of these nodes when it joins the row that the lookup finds.
            Ir::Ranges(_) | Ir::RowLookup { .. } | Ir::TabColumn { .. } => self.null_placeholder(span),
        };
        self.buffers.sql[id.index()] = sql;
    }

    pub(super) fn add_text_literal(&mut self, value: &str, span: Span) -> SqlId {
        let dialect = self.dialect;
        self.buffers.tree.add_text(span, |out| dialect.push_text(out, value))
    }

    /// Emits a constant text as a single literal. Reports a text that is not constant, or that is too complex.
    pub(super) fn emit_constant_text(&mut self, id: IrId, span: Span) -> SqlId {
        let program = self.program;
        if program.node(program.resolve_references(id)) == Ir::Null {
            return self.add_text_literal("", span);
        }
        if let Some(text) = program.constant_text(id) {
            return self.add_text_literal(&text, span);
        }
        let message = format!("in dialect `{}`, this text must be a literal", self.dialect);
        let help = "write a text such as `\", \"`, or join texts and characters such as `CHAR(10)` with `&`";
        self.report(Diagnostic::new(Code::ConstantExpected, program.meta(id).span, message).with_help(help));
        self.null_placeholder(span)
    }

    /// Emits a date that another tool inserts into the SQL.
    pub(super) fn emit_date_macro(&mut self, date: u32, span: Span) -> SqlId {
        let program = self.program;
        let Some((text, default)) = program.macros.try_get(date as usize).copied() else {
            return self.null_placeholder(span);
        };
        let default = match default {
            Some(iso) => {
                let form = &self.dialect.forms().date;
                self.buffers
                    .tree
                    .add_text(span, |out| form.push(out, program.text(iso)))
            }
            None => self.emit_call(catalog::first_overload(internal::TODAY).id, &[], span),
        };
        self.buffers.tree.add_macro(program.text(text), Some(default), span)
    }

    /// Emits a negation. The SQL of an inlined definition is negated like the same condition without a name:
    /// `amount <= 3` instead of `not amount > 3`.
    pub(super) fn emit_negation(&mut self, x: IrId, span: Span) -> SqlId {
        let sql = self.buffers.sql[x.index()];
        let is_column = matches!(self.buffers.tree.node(sql), Sql::Text { .. } | Sql::Field { .. });
        let resolved_id = self.program.resolve_references(x);
        match (self.program.node(resolved_id), self.program.find_negation(resolved_id)) {
            _ if is_column => {}
            (Ir::Not(inner), _) => return self.buffers.sql[inner.index()],
            // An AND with a single operand is a rule of a model. Rules keep their original form.
            (Ir::And(single_operand), _) if single_operand.count == 1 => {
                let negated = self.program.args(single_operand).first();
                if let Some(sql) = negated.and_then(|x| self.emit_negated_truncated(*x, span)) {
                    return sql;
                }
            }
            (_, Some(Ir::Bool(value))) => return self.emit_bool(value, span),
            (_, Some(Ir::IsNull { x, negated })) => return self.emit_null_test(x, negated, span),
            (_, Some(Ir::Apply { overload, args })) => {
                return self.emit_call(overload, self.program.args(args), span);
            }
            _ => {}
        }
        self.buffers.tree.add(Sql::Not(sql), span)
    }

    pub(super) fn emit_bool(&mut self, value: bool, span: Span) -> SqlId {
        self.buffers.tree.add_word(if value { "true" } else { "false" }, span)
    }

    pub(super) fn emit_null_test(&mut self, x: IrId, negated: bool, span: Span) -> SqlId {
        let x = self.buffers.sql[x.index()];
        let op = if negated { "is not null" } else { "is null" };
        self.buffers.tree.add(Sql::Postfix { op, x }, span)
    }

    pub(super) fn emit_operands(&mut self, args: &[IrId]) -> SqlSlice {
        let sql = &self.buffers.sql;
        self.buffers.tree.add_list(args.iter().map(|a| sql[a.index()]))
    }

    pub(super) fn emit_operator_chain(&mut self, op: Op, args: &[IrId], span: Span) -> SqlId {
        let Some((first, rest)) = args.split_first() else {
            return self.buffers.tree.add_word("true", span);
        };
        rest.iter().fold(self.buffers.sql[first.index()], |left, right| {
            let right = self.buffers.sql[right.index()];
            self.buffers.tree.add_binary(op, left, right, span)
        })
    }

    /// Inlines the expression of another definition.
    fn emit_inlined_definition(&mut self, index: u32, span: Span) -> SqlId {
        self.record_definition_reads(index);
        match self.buffers.roots[index as usize] {
            Some(root) => root,
            // The definition could not be emitted. Its error has already been reported.
            None => self.null_placeholder(span),
        }
    }
}
