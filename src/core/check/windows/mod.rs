//! Lowers the window functions OFFSET, FIRST, LAST and ROW, and checks whether a window function is allowed.

pub(super) mod aggregates;
pub(super) mod order_statistics;
pub(super) mod ranks;
pub(super) mod rewritten_aggregates;

use crate::ast::ExprId;
use crate::catalog::{self, Function, FunctionId, internal};
use crate::check::DefinitionRole;
use crate::check::lower::Lowerer;
use crate::check::names::{GroupingKey, NameTarget};
use crate::diag::{Code, Diagnostic};
use crate::ir::{FrameBound, Ir, IrId, NodeMeta, WindowFrame};
use crate::span::Span;
use crate::{Level, Type};

impl Lowerer<'_> {
    pub(in crate::check) fn lower_offset(&mut self, args: &[ExprId], span: Span) -> IrId {
        let Some(values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        let [value, rows, ..] = *values.as_slice() else {
            return self.add_error(span);
        };
        let Some(rows) = self.constant_row_offset(rows) else {
            return self.add_error(span);
        };
        if !self.is_same_column(values.get(2).copied()) {
            return self.add_error(span);
        }
        self.recycle_list(values);
        self.build_value_in_shifted_row(value, rows, "OFFSET", span)
    }

    /// Returns whether the column offset of OFFSET is missing or 0. Reports other offsets, which need a worksheet.
    pub(in crate::check) fn is_same_column(&mut self, columns: Option<IrId>) -> bool {
        let Some(columns) = columns.filter(|columns| self.literal_integer(*columns) != Some(0)) else {
            return true;
        };
        let span = self.program.meta(columns).span;
        self.report(
            Diagnostic::new(Code::NeedsWorksheet, span, "OFFSET to another column needs a worksheet")
                .with_help("use that column's name, as in `OFFSET(other, -1)`"),
        );
        false
    }

    /// Returns the value that is `rows` rows after the current row, or before it if `rows` is negative.
    pub(in crate::check) fn build_value_in_shifted_row(
        &mut self,
        value: IrId,
        rows: i32,
        call_text: &str,
        span: Span,
    ) -> IrId {
        if rows == 0 {
            return value;
        }
        if !self.check_window_allowed(call_text, Some(value), span) || !self.has_order(call_text, span) {
            return self.add_error(span);
        }
        self.convert_decimal_literal_to_float(value);
        let count = self.program.add_integer(&rows.unsigned_abs().to_string(), span);
        let function = if rows < 0 { internal::LAG } else { internal::LEAD };
        self.build_window_call(function, &[value, count], WindowFrame::Ordered, true, span)
    }

    /// Returns the row offset of OFFSET, which must be a constant. Reports other expressions.
    pub(in crate::check) fn constant_row_offset(&mut self, id: IrId) -> Option<i32> {
        let Some(rows) = self.literal_integer(id) else {
            self.report_non_constant(id, "OFFSET", "rows", "OFFSET(x, -1)");
            return None;
        };
        // Larger numbers are not supported by any engine or spreadsheet.
        let rows = i32::try_from(rows).ok().filter(|rows| *rows != i32::MIN);
        if rows.is_none() {
            let span = self.program.meta(id).span;
            self.report(
                Diagnostic::new(
                    Code::ConstantExpected,
                    span,
                    "`OFFSET` can move at most 2147483647 rows",
                )
                .with_help("write a smaller number, or use `FIRST(x)` or `LAST(x)`"),
            );
        }
        rows
    }

    pub(in crate::check) fn report_non_constant(
        &mut self,
        id: IrId,
        function: &str,
        param: &str,
        example: &str,
    ) -> IrId {
        self.report_non_constant_with_help(id, function, param, format!("write a constant, as in `{example}`"))
    }

    /// Reports that a parameter must be a constant. `help` suggests other solutions.
    pub(in crate::check) fn report_non_constant_with_help(
        &mut self,
        id: IrId,
        function: &str,
        param: &str,
        help: String,
    ) -> IrId {
        let span = self.program.meta(id).span;
        let text = self.source_text(span);
        // A constant that is rejected has the wrong type or value.
        let message = match self.program.meta(id).level {
            Level::Const => format!("the argument `{param}` of `{function}` cannot be `{text}`"),
            _ => format!("the argument `{param}` of `{function}` must be a constant, found `{text}`"),
        };
        self.report(Diagnostic::new(Code::ConstantExpected, span, message).with_help(help));
        self.add_error(span)
    }

    /// Lowers FIRST and LAST: the value in the first or last row of the partition, even if it is NULL.
    pub(in crate::check) fn lower_first_or_last(
        &mut self,
        args: &[ExprId],
        function: &Function,
        bound: FrameBound,
        span: Span,
    ) -> IrId {
        if let [value, unit] = *args {
            return self.lower_first_or_last_of_period((value, unit), function, bound, span);
        }
        let Some(value) = args.first().map(|value| self.lower_value(*value)) else {
            return self.add_error(span);
        };
        if self.is_error(value) || !self.check_window_allowed(function.name, Some(value), span) {
            return self.add_error(span);
        }
        if !self.has_order(function.name, span) {
            return self.add_error(span);
        }
        self.convert_decimal_literal_to_float(value);
        let meta = self.program.meta(value);
        if meta.is_constant() {
            return value;
        }
        self.build_value_at_bound(value, bound, &[], meta.nullable, span)
    }

    /// Builds the value in the first or last row of the partition, restricted to rows with the same values in
    /// `partition`.
    pub(in crate::check) fn build_value_at_bound(
        &mut self,
        value: IrId,
        bound: FrameBound,
        partition: &[IrId],
        nullable: bool,
        span: Span,
    ) -> IrId {
        // FIRST needs only the rows up to the current row, which is the default window frame.
        let (entry, over) = match bound {
            FrameBound::Last => (
                internal::LAST_VALUE,
                WindowFrame::Rows {
                    from: FrameBound::First,
                    to: FrameBound::Last,
                },
            ),
            _ => (internal::FIRST_VALUE, WindowFrame::Ordered),
        };
        self.build_partitioned_call(entry, &[value], (over, partition), nullable, span)
    }

    pub(in crate::check) fn lower_row(&mut self, function: &Function, span: Span) -> IrId {
        if !self.check_window_allowed(function.name, None, span) || !self.has_order(function.name, span) {
            return self.add_error(span);
        }
        self.build_window_call(internal::ROW_NUMBER, &[], WindowFrame::Ordered, false, span)
    }

    /// Builds a call to a window function that has a single overload. The type of the result is the type of the first
    /// argument, or integer if there are no arguments.
    pub(in crate::check) fn build_window_call(
        &mut self,
        entry: FunctionId,
        args: &[IrId],
        over: WindowFrame,
        nullable: bool,
        span: Span,
    ) -> IrId {
        self.build_partitioned_call(entry, args, (over, &[]), nullable, span)
    }

    /// Builds a call like `build_window_call`, restricted to rows with the same values in `partition`.
    fn build_partitioned_call(
        &mut self,
        entry: FunctionId,
        args: &[IrId],
        (over, partition): (WindowFrame, &[IrId]),
        nullable: bool,
        span: Span,
    ) -> IrId {
        let overload = catalog::first_overload(entry).id;
        let first_meta = args.first().map(|value| self.program.meta(*value));
        let ty = match first_meta.map_or(Type::Integer, |meta| meta.ty) {
            Type::Point => Type::Float,
            ty => ty,
        };
        let volatile = first_meta.is_some_and(|meta| meta.volatile);
        let mut args = args.to_vec();
        if let Some(value) = args.first_mut() {
            if self.is_null(*value) {
                // The value is NULL in every row.
                self.program.has_unused_nodes = true;
                return self.program.add_null(ty, span);
            }
            if ty == Type::Text && first_meta.is_some_and(|meta| meta.level == Level::Const) {
                *value = self.add_call(internal::TEXT_OF_WINDOW, &[*value], span);
            }
        }
        let meta = NodeMeta {
            nullable,
            level: Level::Window,
            volatile,
            ..NodeMeta::constant(ty, span)
        };
        let call = self
            .program
            .add_node_with_args(|args| Ir::Apply { overload, args }, &args, meta);
        self.program.add_window_call(call, over, partition, meta)
    }

    /// Returns whether a window function is allowed here and can use the given value. Reports an error otherwise.
    pub(in crate::check) fn check_window_allowed(&mut self, call_text: &str, value: Option<IrId>, span: Span) -> bool {
        if self.is_level_forbidden(Level::Window, span) {
            return false;
        }
        let Some(meta) = value.map(|value| self.program.meta(value)) else {
            return true;
        };
        if meta.level == Level::Window && !self.scope.strata {
            self.report(
                Diagnostic::new(
                    Code::NeedsQuery,
                    span,
                    "a single expression cannot contain a window function inside another window function",
                )
                .with_help(
                    "write a spec and compile it with `formulac query`, which \
                    computes the two windows in separate steps",
                ),
            );
            return false;
        }
        if meta.level == Level::Row && self.grouped && !meta.reads_only_keys {
            let text = self.source_text(meta.span);
            let help = match catalog::lookup(call_text).map_or("", |function| function.window_help) {
                "" => format!(
                    "aggregate the value, or add it to `group_by`; to compute `{call_text}` over rows, use it in an earlier \
                     step with `keep: all`, `partition_by` and `order_by`"
                ),
                help => help.to_owned(),
            };
            self.report(
                Diagnostic::new(
                    Code::MixedLevels,
                    meta.span,
                    format!("`{call_text}` is computed over groups, but `{text}` has one value per row"),
                )
                .with_label("one value per row")
                .with_help(help),
            );
            return false;
        }
        true
    }

    /// Returns whether the rows have a sort order. Reports a missing order.
    pub(in crate::check) fn has_order(&mut self, call_text: &str, span: Span) -> bool {
        let in_rule = self.role == DefinitionRole::Check;
        if self.scope.ordered && !in_rule {
            return true;
        }
        let help = if in_rule {
            "define the value as a column of the model, and use that column here".to_owned()
        } else if self.scope.strata {
            match self.suggest_sort_key() {
                Some(key) => format!("add `order_by: {key}` to the step"),
                None => "add `order_by:` to the step, for example `order_by: month`".to_owned(),
            }
        } else {
            "specify the order, for example `--order-by month`".to_owned()
        };
        let message = format!("`{call_text}` reads other rows, but the rows have no order");
        self.report(Diagnostic::new(Code::OrderNeeded, span, message).with_help(help));
        false
    }

    /// Suggests a sort key: the first grouping key that is a date, or the only grouping key.
    fn suggest_sort_key(&self) -> Option<String> {
        let target = |target: NameTarget| match target {
            NameTarget::Column(column) => {
                let column = &self.program.columns[column as usize];
                (column.name.to_string(), column.ty.is_temporal())
            }
            NameTarget::Definition(index) => {
                let definition = &self.program.definitions[index as usize];
                let dated = !definition.failed && self.program.meta(definition.root).ty.is_temporal();
                (definition.name.as_deref().unwrap_or_default().to_owned(), dated)
            }
            _ => (String::new(), false),
        };
        let key_name = |key: &GroupingKey| match *key {
            GroupingKey::Column(column) => target(NameTarget::Column(column)),
            GroupingKey::Definition(index) => target(NameTarget::Definition(index)),
            GroupingKey::Timeframe(base, frame) => (format!("{}[{}]", target(base).0, frame.text(self.source)), true),
        };
        let keys: Vec<(String, bool)> = self.names.keys.iter().map(key_name).collect();
        let dated = keys.iter().find(|(_, dated)| *dated);
        dated
            .or(keys.first().filter(|_| keys.len() == 1))
            .map(|(name, _)| name.clone())
    }
}
