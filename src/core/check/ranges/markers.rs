//! Lowers ranges of names such as `FIRST(x):x` to markers, which the enclosing aggregate replaces.

use super::{RangeEnd, RangeEndKind, is_same_name, looks_like_cell_or_column, parse_range_end};
use crate::ast::{Call, Expr, ExprId};
use crate::check::lower::Lowerer;
use crate::check::names::NameTarget;
use crate::diag::{Code, Diagnostic};
use crate::ir::{FrameBound, Ir, IrId, NodeMeta, WindowFrame};
use crate::span::Span;

impl Lowerer<'_> {
    /// Lowers a call such as `FIRST(x)`, at an end of a range, to the name in the call's argument. The range itself
    /// determines the row.
    pub(in crate::check) fn lower_range_end(&mut self, call: Call, span: Span) -> IrId {
        // The node of the row offset remains unused, because the value is only the name.
        self.program.has_unused_nodes = true;
        match self.ast.arguments(call).first() {
            Some(name) => self.lower_value(*name),
            None => self.add_error(span),
        }
    }

    pub(in crate::check) fn lower_range(&mut self, from: ExprId, to: ExprId, span: Span) -> IrId {
        let is_cell = |id: ExprId| {
            let unknown = self.names.targets[id.index()] == NameTarget::Error;
            match self.ast.expr(id) {
                Expr::Cell | Expr::Tab { .. } => true,
                Expr::Name => unknown && looks_like_cell_or_column(self.ast.span(id).text(self.source)),
                _ => false,
            }
        };
        if self.scope.sheet.is_some() && matches!(self.ast.expr(from), Expr::Number) {
            // With `B-1:B1`, the author probably means a row before the first row.
            let text = self.source_text(span);
            let message =
                format!("`{text}` is not a range: the `-` before it is a subtraction, because no row is before row 1");
            let help = "write the formula for a later row, for example `B1:B3` with `row: 3`, or use `OFFSET(B1, -2, 0, \
                3, 1)`";
            return self.report_invalid_range(span, &message, help);
        }
        if is_cell(from) || is_cell(to) {
            // Errors in the ends of the range and a tab name without quotes have already been reported.
            if self.scope.sheet.is_some() || self.source_text(span).starts_with('!') {
                return self.add_error(span);
            }
            return self.report_missing_worksheet(span, "cell ranges need a worksheet");
        }
        if [from, to].iter().any(|end| self.is_error(self.lowered_node(*end))) {
            return self.add_error(span);
        }
        let ends = [from, to].map(|end| parse_range_end(self.ast, self.names, end));
        let [Some(first), Some(last)] = ends else {
            let text = self.source_text(span);
            let message = format!(
                "`{text}` is not a range: each end must be a name, or FIRST, LAST, OFFSET or PERIODOFFSET of a name"
            );
            return self.report_invalid_range(
                span,
                &message,
                "define the value under a name, and use that name: `FIRST(name):name`",
            );
        };
        if !is_same_name(self.ast, self.source, self.names, first.name, last.name) {
            let [a, b] = [first.name, last.name].map(|name| self.source_text(self.ast.span(name)));
            let message = format!("both ends of a range must have the same name, found `{a}` and `{b}`");
            return self.report_invalid_range(
                span,
                &message,
                &format!("write `{a}:{a}` for all rows, or `FIRST({a}):{a}` for the rows up to this one"),
            );
        }
        if first.is_calendar_end() || last.is_calendar_end() {
            return self.lower_calendar_range([first, last], span);
        }
        let bare = |end: &RangeEnd| matches!(end.at, RangeEndKind::Bare);
        let over = if bare(&first) && bare(&last) {
            WindowFrame::Partition
        } else {
            let text = self.source_text(span);
            if !self.has_order(&text, span) {
                return self.add_error(span);
            }
            let (Some(a), Some(b)) = (self.resolve_frame_bound(first), self.resolve_frame_bound(last)) else {
                return self.add_error(span);
            };
            match (a.min(b), a.max(b)) {
                (FrameBound::First, FrameBound::Last) => WindowFrame::Partition,
                (from, to) if from == to && !matches!(from, FrameBound::At(_)) => {
                    let end = if from == FrameBound::First { "FIRST" } else { "LAST" };
                    let name = self.source_text(self.ast.span(first.name));
                    let message = format!("`{text}` contains only one row");
                    return self.report_invalid_range(
                        span,
                        &message,
                        &format!("write only `{end}({name})`, without the surrounding function"),
                    );
                }
                (from, to) => WindowFrame::Rows { from, to },
            }
        };
        self.build_range_marker(first.name, over, span)
    }

    /// Builds the marker of a range, which the enclosing aggregate consumes.
    pub(in crate::check) fn build_range_marker(&mut self, name: ExprId, over: WindowFrame, span: Span) -> IrId {
        self.contains_markers = true;
        // The window uses only one of the two names in the range.
        self.program.has_unused_nodes = true;
        let x = self.lowered_node(name);
        let meta = NodeMeta {
            span,
            ..self.program.meta(x)
        };
        let over = self.program.add_window(over, &[]);
        self.program.add(Ir::Range { x, over }, meta)
    }

    fn resolve_frame_bound(&mut self, end: RangeEnd) -> Option<FrameBound> {
        match end.at {
            RangeEndKind::Bare => Some(FrameBound::At(0)),
            RangeEndKind::FirstOrLast(bound) => Some(bound),
            RangeEndKind::Offset { rows, columns } => {
                let columns = columns.map(|columns| self.lowered_node(columns));
                let offset = self.constant_row_offset(self.lowered_node(rows))?;
                self.is_same_column(columns).then_some(FrameBound::At(offset))
            }
            RangeEndKind::Period { .. } | RangeEndKind::PeriodOffset { .. } => None,
        }
    }

    pub(in crate::check) fn report_invalid_range(&mut self, span: Span, message: &str, help: &str) -> IrId {
        self.report(Diagnostic::new(Code::BadRange, span, message).with_help(help));
        self.add_error(span)
    }

    /// Reports a range that is used as a single value.
    #[cold]
    pub(in crate::check) fn report_misplaced_range(&mut self, marker: IrId, span: Span) -> IrId {
        if self.is_tab_column(marker) {
            return self.report_tab_outside_lookup(None, span);
        }
        let text = self.source_text(span);
        let range_text = match self.first_range(marker) {
            Some(Ir::Range { x, .. }) => self.source_text(self.program.meta(x).span),
            _ => text.clone(),
        };
        let name = range_text.split(':').next_back().unwrap_or_default();
        let message = format!("`{text}` is a range, and only aggregate functions accept ranges");
        self.report_invalid_range(
            span,
            &message,
            &format!(
                "write `SUM({text})`; to calculate a value in each row before you aggregate, define it first, as in `y = \
                    {name} * 2`, and then write `SUM(y:y)`"
            ),
        )
    }
}
