//! Resolves lookup arguments to columns of the sheet or of another tab.

use crate::ast::ExprId;
use crate::catalog::{Function, Lowering};
use crate::check::lower::Lowerer;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId};
use crate::span::Span;

/// Entire columns of the sheet or another tab.
pub(in crate::check) struct LookupColumns {
    pub tab: Option<u32>,
    /// Value of each column.
    pub values: Vec<IrId>,
    pub span: Span,
}

impl Lowerer<'_> {
    /// Resolves a range with a single column to its tab and column.
    pub(in crate::check) fn resolve_tab_column(&mut self, expr: ExprId, function: &Function) -> Option<(u32, u32)> {
        let columns = self.resolve_single_column(expr, function)?;
        let [x] = *columns.values.as_slice() else { return None };
        match self.program.node(x) {
            Ir::TabColumn { tab, column } => Some((tab, column)),
            _ => None,
        }
    }

    /// Resolves a range to its columns. Reports ranges that do not contain all rows.
    pub(in crate::check) fn resolve_range_columns(
        &mut self,
        expr: ExprId,
        function: &Function,
    ) -> Option<LookupColumns> {
        let id = self.lowered_node(expr);
        let span = self.ast.span(expr);
        let ranges: Vec<IrId> = match self.program.node(id) {
            Ir::Range { .. } => vec![id],
            Ir::Ranges(range_args) => self.program.args(range_args).to_vec(),
            _ => Vec::new(),
        };
        let mut columns = LookupColumns {
            tab: None,
            values: Vec::with_capacity(ranges.len()),
            span,
        };
        let mut has_all_rows = !ranges.is_empty();
        for range in ranges {
            let Ir::Range { x, .. } = self.program.node(range) else {
                continue;
            };
            has_all_rows &= self.contains_all_rows(range);
            if let Ir::TabColumn { tab, .. } = self.program.node(x) {
                columns.tab = Some(tab);
            }
            columns.values.push(x);
        }
        if !has_all_rows {
            let text = self.source_text(span);
            let message = format!("`{}` can search only whole columns, found `{text}`", function.name);
            self.report(
                Diagnostic::new(Code::NotWholeColumns, span, message)
                    .with_help("write the columns without row numbers, such as `D:E` or `'Tab'!A:B`"),
            );
            return None;
        }
        Some(columns)
    }

    pub(in crate::check) fn resolve_single_column(
        &mut self,
        expr: ExprId,
        function: &Function,
    ) -> Option<LookupColumns> {
        let columns = self.resolve_range_columns(expr, function)?;
        self.require_single_column(&columns, function)?;
        Some(columns)
    }

    /// Returns the only column of a range. Reports ranges with several columns.
    pub(in crate::check) fn require_single_column(
        &mut self,
        columns: &LookupColumns,
        function: &Function,
    ) -> Option<IrId> {
        if let [column] = *columns.values.as_slice() {
            return Some(column);
        }
        let text = self.source_text(columns.span);
        let message = format!(
            "`{}` needs one column here, but `{text}` has {}",
            function.name,
            columns.values.len()
        );
        let help = match function.lower {
            Some(Lowering::Index) => format!(
                "specify the column, as in `{}({text}, row, 2)`, or use a range of one column",
                function.name
            ),
            _ => "use one column, such as `B:B`".to_owned(),
        };
        self.report(Diagnostic::new(Code::NotWholeColumns, columns.span, message).with_help(help));
        None
    }

    /// Returns the column of a range at a constant position. Positions start at 1.
    pub(in crate::check) fn resolve_column_number(
        &mut self,
        columns: &LookupColumns,
        expr: ExprId,
        function: &Function,
    ) -> Option<IrId> {
        let id = self.lower_value(expr);
        let Some(number) = self.literal_integer(id) else {
            let example = if function.lower == Some(Lowering::Index) {
                "INDEX(A:C, 3, 2)"
            } else {
                "VLOOKUP(A1, D:F, 2)"
            };
            self.report_non_constant(id, function.name, "column", example);
            return None;
        };
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let ir_id = index.and_then(|index| columns.values.get(index).copied());
        if ir_id.is_none() {
            let text = self.source_text(columns.span);
            let (count, span) = (columns.values.len(), self.program.meta(id).span);
            let existing = match count {
                1 => "column 1".to_owned(),
                _ => format!("columns 1 to {count}"),
            };
            self.report(
                Diagnostic::new(
                    Code::NoSuchCell,
                    span,
                    format!("`{text}` has no column {number}, only {existing}"),
                )
                .with_secondary_label(columns.span, "columns are counted from 1")
                .with_help(match count {
                    1 => "write 1, or use a range with more columns".to_owned(),
                    _ => format!("write a number from 1 to {count}, or use a range with more columns"),
                }),
            );
        }
        ir_id
    }
}
