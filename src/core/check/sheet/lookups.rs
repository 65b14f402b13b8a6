//! Lookups of rows by key or row number, in the sheet or in another tab: VLOOKUP, XLOOKUP, INDEX, MATCH.
//!
//! Each lookup becomes an [`Ir::RowLookup`]. The planner translates lookups to joins that never duplicate rows.

use super::row_searches::RowSearch;
use super::tabs::TabRange;
use crate::ast::ExprId;
use crate::catalog::{Function, Lowering, internal};
use crate::check::lower::Lowerer;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, LookupMatchMode, NodeMeta, WindowFrame};
use crate::span::Span;
use crate::{Level, Type};

impl Lowerer<'_> {
    /// Lowers columns of another tab to one marker per column. A lookup consumes these markers.
    pub(in crate::check) fn lower_tab_columns(&mut self, range: u32, span: Span) -> IrId {
        let Some(TabRange { tab, first, last }) = self.names.tab_ranges.get(range as usize).copied() else {
            return self.add_error(span);
        };
        self.contains_markers = true;
        let mut columns = self.take_list();
        for column in first..=last {
            let x = self.lower_tab_column(tab, column, span);
            let over = self.program.add_window(WindowFrame::Partition, &[]);
            let meta = self.program.meta(x);
            columns.push(self.program.add(Ir::Range { x, over }, meta));
        }
        self.combine_column_markers(columns, span)
    }

    pub(in crate::check) fn lower_tab_column(&mut self, tab: u32, column: u32, span: Span) -> IrId {
        let (ty, nullable) = match self.scope.tab_column(tab, column) {
            Some((known_column, Type::Unknown)) => {
                let inferred = self.program.tab_columns.get(&(tab, column));
                (inferred.copied().unwrap_or_default(), known_column.is_nullable())
            }
            Some((known_column, ty)) => (ty, known_column.is_nullable()),
            None => (Type::Unknown, true),
        };
        let meta = NodeMeta {
            nullable,
            level: Level::Row,
            ..NodeMeta::constant(ty, span)
        };
        self.program.add(Ir::TabColumn { tab, column }, meta)
    }

    /// Reports a reference to another tab outside of a lookup.
    #[cold]
    pub(in crate::check) fn report_tab_outside_lookup(&mut self, reference_text: Option<&str>, span: Span) -> IrId {
        let text = self.source_text(span);
        let message = match reference_text {
            Some(function) => format!("`{function}` cannot read `{text}`, because only lookups can read another tab"),
            None => format!("`{text}` is a column of another tab, and only a lookup can read other tabs"),
        };
        let help = "look up one row of the tab, as in `XLOOKUP(A1, 'Tab'!A:A, 'Tab'!B:B)`, or use the tab's rows in \
            a separate model";
        self.report(Diagnostic::new(Code::TabNotLookedUp, span, message).with_help(help));
        self.add_error(span)
    }

    /// Replaces the errors about columns outside of a lookup for calls such as
    /// `XLOOKUP(A1 & B1, 'Tab'!A:A & 'Tab'!B:B, 'Tab'!C:C)`. These columns are inside a lookup, and the actual error is
    /// that a lookup can search or return only a single column.
    #[cold]
    fn explain_computed_columns(&mut self, args: &[ExprId], function: &Function) {
        let columns = args.iter().skip(1).take(2);
        let mut computed: Vec<Span> = Vec::new();
        for span in columns.rev().map(|arg| self.ast.span(*arg)) {
            let reported = self.diagnostics.len();
            let is_inside = |last: &Diagnostic| last.kind() == Code::TabNotLookedUp && span.contains(last.span());
            while self.diagnostics.last().is_some_and(is_inside) {
                self.diagnostics.pop();
            }
            if self.diagnostics.len() < reported {
                computed.push(span);
            }
        }
        for span in computed.into_iter().rev() {
            let text = self.source_text(span);
            let message = format!("`{}` needs a column of the tab here, found `{text}`", function.name);
            self.report(Diagnostic::new(Code::TabNotLookedUp, span, message).with_help(
                "compute this value in the model of the tab, and look it up there; to compare several columns, join \
                    the model in an earlier step: `joins: [{to: …, on: AND(…)}]`",
            ));
        }
    }

    pub(in crate::check) fn lower_lookup(
        &mut self,
        lowering: Lowering,
        args: &[ExprId],
        function: &'static Function,
        span: Span,
    ) -> IrId {
        // Errors inside the arguments have already been reported.
        if args.iter().any(|arg| self.is_error(self.lowered_node(*arg))) {
            self.explain_computed_columns(args, function);
            return self.add_error(span);
        }
        if !self.scope.strata {
            let message = format!(
                "`{}` needs a join, but a single expression cannot contain a join",
                function.name
            );
            self.report(
                Diagnostic::new(Code::NeedsQuery, span, message)
                    .with_help("write a spec and compile it with `formulac query`"),
            );
            return self.add_error(span);
        }
        self.program.has_unused_nodes = true;
        let node = match lowering {
            Lowering::Vlookup => self.lower_vlookup(args, function, span),
            Lowering::Xlookup => self.lower_xlookup(args, function, span),
            Lowering::Index => self.lower_index(args, function, span),
            _ => self.lower_match(args, function, span),
        };
        node.unwrap_or_else(|| self.add_error(span))
    }

    fn lower_vlookup(&mut self, args: &[ExprId], function: &'static Function, span: Span) -> Option<IrId> {
        let [key, range, column, ..] = *args else { return None };
        let columns = self.resolve_range_columns(range, function);
        let gives = columns
            .as_ref()
            .and_then(|columns| self.resolve_column_number(columns, column, function));
        let matching = match args.get(3) {
            Some(sorted) => self.resolve_vlookup_match_mode(*sorted, function),
            None => Some(LookupMatchMode::Exact),
        };
        let value = self.lower_value(key);
        let (columns, gives, matching) = (columns?, gives?, matching?);
        let key_column = columns.values.first().copied();
        self.build_row_lookup(
            RowSearch {
                tab: columns.tab,
                value,
                by: key_column,
                matching,
            },
            Some(gives),
            function,
            span,
        )
    }

    fn lower_xlookup(&mut self, args: &[ExprId], function: &'static Function, span: Span) -> Option<IrId> {
        let [key, lookup, result, ..] = *args else { return None };
        let lookup = self.resolve_single_column(lookup, function);
        let result = self.resolve_single_column(result, function);
        let matching = match args.get(4) {
            Some(mode) => self.resolve_match_mode(
                *mode,
                function,
                &[
                    (0, LookupMatchMode::Exact),
                    (-1, LookupMatchMode::Below),
                    (1, LookupMatchMode::Above),
                    (2, LookupMatchMode::Pattern),
                ],
            ),
            None => Some(LookupMatchMode::Exact),
        };
        let value = self.lower_value(key);
        let (lookup, result) = (lookup?, result?);
        if lookup.tab != result.tab {
            let [a, b] = [&lookup, &result].map(|columns| self.source_text(columns.span));
            let message = format!(
                "`{}` searches a single tab, but `{a}` and `{b}` are in different tabs",
                function.name
            );
            self.report(
                Diagnostic::new(Code::NotWholeColumns, result.span, message)
                    .with_secondary_label(lookup.span, "another sheet")
                    .with_help("use two columns of the same tab"),
            );
            return None;
        }
        let row_search = RowSearch {
            tab: lookup.tab,
            value,
            by: lookup.values.first().copied(),
            matching: matching?,
        };
        let gives = result.values.first().copied()?;
        let id = self.build_row_lookup(row_search, Some(gives), function, span)?;
        // An empty argument counts as missing, as in spreadsheets.
        let missing = args.get(3).filter(|missing| !self.is_blank_argument(**missing));
        let Some(missing) = missing.map(|missing| self.lower_value(*missing)) else {
            return Some(id);
        };
        if self.is_error(missing) || !matches!(self.program.node(id), Ir::RowLookup { .. }) {
            return Some(if self.is_error(missing) { missing } else { id });
        }
        if !self.program.meta(gives).nullable {
            let mut values = self.singleton_list(id);
            values.push(missing);
            return Some(self.build_coalesce(values, span, function.name));
        }
        // Test the key column, because the returned value can be NULL even if a row was found.
        let key = self.build_row_lookup(row_search, row_search.by, function, span)?;
        let meta = NodeMeta {
            ty: Type::Boolean,
            nullable: false,
            ..self.program.meta(key)
        };
        let ir_id = self.program.add(Ir::IsNull { x: key, negated: true }, meta);
        Some(self.build_case(&[ir_id], &mut [id, missing], span, function.name))
    }

    fn lower_index(&mut self, args: &[ExprId], function: &'static Function, span: Span) -> Option<IrId> {
        let [range, row, ..] = *args else { return None };
        let columns = self.resolve_range_columns(range, function)?;
        let gives = match args.get(2) {
            Some(column) => self.resolve_column_number(&columns, *column, function)?,
            None => self.require_single_column(&columns, function)?,
        };
        // If the row number is a MATCH in the same sheet or tab, look up the row by the key of MATCH.
        if let Some(row_search) = self.row_search_of_match(row).filter(|search| search.tab == columns.tab) {
            return self.build_row_lookup(row_search, Some(gives), function, span);
        }
        let row = self.lower_value(row);
        let meta = self.program.meta(row);
        match self.literal_integer(row) {
            Some(0) => {
                let text = self.source_text(columns.span);
                let message = format!(
                    "row 0 of `{}` returns all rows, but a cell can contain only one value",
                    function.name
                );
                self.report(
                    Diagnostic::new(Code::NotWholeColumns, meta.span, message).with_help(format!(
                        "use the column itself, as in `SUM({text})`, or write a row number of 1 or more"
                    )),
                );
                return None;
            }
            Some(..0) => return Some(self.program.add_null(self.program.meta(gives).ty, span)),
            Some(row) if columns.tab.is_none() => return Some(self.build_value_in_row(gives, row, span)),
            _ => {}
        }
        let value = match meta.ty {
            Type::Integer | Type::Unknown => row,
            _ => self.add_scalar_call(internal::INT, &[row], meta.span, function.name),
        };
        self.build_row_lookup(
            RowSearch {
                tab: columns.tab,
                value,
                by: None,
                matching: LookupMatchMode::Exact,
            },
            Some(gives),
            function,
            span,
        )
    }

    /// Returns how MATCH finds its row. `None` if the expression is not a MATCH.
    fn row_search_of_match(&self, expr: ExprId) -> Option<RowSearch> {
        let Ir::RowLookup { args, lookup } = self.program.node(self.lowered_node(expr)) else {
            return None;
        };
        let lookup = self.program.lookups.try_get(lookup as usize)?;
        match *self.program.args(args) {
            [value, key] if !lookup.by_number => Some(RowSearch {
                tab: lookup.tab,
                value,
                by: Some(key),
                matching: lookup.matching,
            }),
            _ => None,
        }
    }

    /// Lowers an expression that is only tested for NULL. If the rows have no order, the number of the row that MATCH
    /// finds is unknown, so the key in that row is tested instead.
    pub(in crate::check) fn lower_value_tested_for_null(&mut self, expr: ExprId) -> IrId {
        let lowered = self.lowered_node(expr);
        let unordered = self.lookups_without_order.get(&lowered).copied();
        let Some((function, row_search)) = unordered.zip(self.row_search_of_match(expr)) else {
            return self.lower_value(expr);
        };
        let span = self.program.meta(lowered).span;
        let key = self.build_row_lookup(row_search, row_search.by, function, span);
        key.unwrap_or_else(|| self.add_error(span))
    }

    fn lower_match(&mut self, args: &[ExprId], function: &'static Function, span: Span) -> Option<IrId> {
        let [key, range, ..] = *args else { return None };
        let columns = self.resolve_single_column(range, function);
        let matching = match args.get(2) {
            Some(mode) => self.resolve_match_mode(
                *mode,
                function,
                &[
                    (0, LookupMatchMode::Exact),
                    (1, LookupMatchMode::Below),
                    (-1, LookupMatchMode::Above),
                ],
            ),
            None => Some(LookupMatchMode::Exact),
        };
        let value = self.lower_value(key);
        let columns = columns?;
        let row_search = RowSearch {
            tab: columns.tab,
            value,
            by: columns.values.first().copied(),
            matching: matching?,
        };
        self.build_row_lookup(row_search, None, function, span)
    }

    /// Resolves the fourth argument of VLOOKUP to a match mode.
    fn resolve_vlookup_match_mode(&mut self, expr: ExprId, function: &Function) -> Option<LookupMatchMode> {
        let id = self.lower_value(expr);
        match (self.program.node(id), self.literal_integer(id)) {
            (Ir::Bool(false), _) | (_, Some(0)) => Some(LookupMatchMode::Exact),
            (Ir::Bool(true), _) | (_, Some(_)) => Some(LookupMatchMode::Below),
            _ => {
                self.report_non_constant(id, function.name, "sorted", "VLOOKUP(A1, D:F, 2, FALSE)");
                None
            }
        }
    }

    /// Resolves a match mode from its number.
    fn resolve_match_mode(
        &mut self,
        expr: ExprId,
        function: &Function,
        modes: &[(i64, LookupMatchMode)],
    ) -> Option<LookupMatchMode> {
        let id = self.lower_value(expr);
        let number = self.literal_integer(id);
        if let Some((_, matching)) = modes.iter().find(|(mode, _)| Some(*mode) == number) {
            return Some(*matching);
        }
        let span = self.program.meta(id).span;
        let text = self.source_text(span);
        let mode_numbers: Vec<String> = modes.iter().map(|(mode, _)| mode.to_string()).collect();
        let message = format!("`{}` does not support match mode `{text}`", function.name);
        let help = match (function.lower, mode_numbers.split_last()) {
            (Some(Lowering::Match), _) => {
                "write 0 for an exact match, 1 for the largest key less than or equal to the value, or -1 for the \
                    smallest key greater than or equal to the value"
            }
            _ => {
                "write 0 for an exact match, -1 for an exact match or the next smaller key, 1 for an exact match \
                or the next larger key, or 2 for a wildcard match"
            }
        };
        self.report(Diagnostic::new(Code::LookupMode, span, message).with_help(help));
        None
    }
}
