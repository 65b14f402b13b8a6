//! Criteria of conditional aggregates, such as `">5"` and `"a*"`, and the conditions that they become.

pub(super) mod argument_order;
pub(super) mod case_insensitive_text;
pub(super) mod conditional_aggregates;
pub(super) mod criterion_text;
pub(super) mod own_value_criteria;
pub(super) mod period_criteria;
pub(super) mod running_criteria;
pub(super) mod wildcards;

use self::criterion_text::{Criterion, criterion_number, criterion_value_type, like_pattern, parse_criterion};
use self::period_criteria::CriteriaCall;
use self::running_criteria::ComparedRows;
use crate::ast::{BinaryOp, Expr, ExprId};
use crate::catalog::{Function, internal};
use crate::check::lower::Lowerer;
use crate::diag::{Code, Diagnostic};
use crate::ir::{FrameBound, Ir, IrId, NodeMeta, PoolRange, WindowFrame};
use crate::span::Span;
use crate::{Level, Type};

/// Criteria of a call that select rows of the range and depend on the current row's value.
#[derive(Debug, Default)]
pub(in crate::check) struct CurrentRowCriteria {
    /// Columns in which the selected rows have the same value as the current row.
    pub same: Vec<IrId>,
    pub compared: Option<ComparedRows>,
    /// Value that the call aggregates. `None` if the call counts rows.
    pub value: Option<IrId>,
}

/// Kind of a criterion that depends on the current row's value.
enum CurrentRowCriterion {
    Same,
    Compared(ComparedRows),
    /// Invalid criterion, which has already been reported.
    Invalid,
}

impl Lowerer<'_> {
    pub(in crate::check) fn build_not_null(&mut self, x: IrId, span: Span) -> IrId {
        let meta = NodeMeta {
            ty: Type::Boolean,
            nullable: false,
            span,
            ..self.program.meta(x)
        };
        self.program.add(Ir::IsNull { x, negated: true }, meta)
    }

    /// Converts a string to lower case, so that strings that differ only in case become equal. Returns other values
    /// unchanged.
    pub(in crate::check) fn convert_to_lowercase(&mut self, value: IrId, span: Span) -> IrId {
        if self.program.meta(value).ty == Type::Text {
            self.add_call(internal::LOWER, &[value], span)
        } else {
            value
        }
    }

    /// Returns whether a value is the same in all rows of the sheet.
    fn is_same_in_all_rows(&self, value: IrId) -> bool {
        let mut open = vec![value];
        while let Some(id) = open.pop() {
            match self.program.node(id) {
                Ir::Column(_) | Ir::PeriodLookup { .. } => return false,
                Ir::Apply { .. } if self.program.meta(id).volatile => return false,
                Ir::Definition(definition_index) => open.push(self.program.definition_root(definition_index)),
                Ir::Window { call, over } => {
                    let function = match self.program.node(call) {
                        Ir::Apply { overload, .. } => crate::catalog::overload_owner(overload),
                        _ => return false,
                    };
                    let is_whole_frame = match self.program.window_frame(over) {
                        WindowFrame::Partition => true,
                        WindowFrame::Rows {
                            from: FrameBound::First,
                            to: FrameBound::Last,
                        } => true,
                        _ => function == internal::FIRST_VALUE,
                    };
                    if !is_whole_frame || !self.program.window_keys(over).is_empty() {
                        return false;
                    }
                }
                _ => open.extend(self.program.operands(id)),
            }
        }
        true
    }

    /// Lowers pairs of a column and its criterion to conditions.
    pub(in crate::check) fn lower_criteria_pairs(
        &mut self,
        function: &'static Function,
        exprs: &[ExprId],
        lowered: &[IrId],
        of_this_row: &mut Option<&mut CurrentRowCriteria>,
        span: Span,
    ) -> Option<Vec<IrId>> {
        if !lowered.len().is_multiple_of(2) {
            self.report(
                Diagnostic::new(
                    Code::ArgumentCount,
                    span,
                    format!("`{}` needs a criterion for each column", function.name),
                )
                .with_label("a column without a criterion")
                .with_help(format!("write `{}`", function.signature())),
            );
            return None;
        }
        let call = CriteriaCall {
            function,
            value: of_this_row.as_ref().and_then(|of_this_row| of_this_row.value),
            exprs,
            lowered,
        };
        let mut conditions = self.take_list();
        for (pair, exprs) in lowered.chunks(2).zip(exprs.chunks(2)) {
            let (&[range, value], &[_, criterion]) = (pair, exprs) else {
                continue;
            };
            if self.is_blank_argument(criterion) {
                let help = "write `\"\"` for values that are NULL or empty, or write `0`";
                let range_span = self.program.meta(range).span;
                conditions.push(self.report_invalid_criterion(
                    range_span,
                    "the criterion that follows this range is empty",
                    help,
                ));
                continue;
            }
            if let Some(of_this_row) = of_this_row
                && let Some(of_row) = self.classify_current_row_criterion(range, value, criterion, call)
            {
                match of_row {
                    CurrentRowCriterion::Same => of_this_row.same.push(range),
                    CurrentRowCriterion::Compared(compared) if of_this_row.compared.is_none() => {
                        of_this_row.compared = Some(compared);
                    }
                    CurrentRowCriterion::Compared(_) => {
                        let help = "use only one comparison with this row's value; for rows between two limits, subtract the \
                            result for the lower limit from the result for the upper limit";
                        let value_span = self.program.meta(value).span;
                        conditions.push(self.report_invalid_criterion(
                            value_span,
                            "another criterion already compares with this row's value",
                            help,
                        ));
                    }
                    CurrentRowCriterion::Invalid => conditions.push(self.add_error(span)),
                }
                continue;
            }
            if of_this_row.is_none() && self.scope.sheet.is_none() {
                self.warn_of_same_row_value(range, value, criterion, function);
            }
            let condition = self.build_criterion(range, value, criterion);
            conditions.push(condition);
        }
        Some(conditions)
    }

    /// Returns the kind of a criterion that depends on the current row's value, if the call aggregates a range. A
    /// criterion that is the value itself selects the rows with the same value. A criterion that is a comparison
    /// selects the rows before the current row in sort order. `None` for other criteria.
    fn classify_current_row_criterion(
        &mut self,
        range: IrId,
        value: IrId,
        expr: ExprId,
        call: CriteriaCall<'_>,
    ) -> Option<CurrentRowCriterion> {
        let meta = self.program.meta(value);
        let fixed = |pass: &Self, id: IrId| pass.program.meta(id).level == Level::Const || pass.is_same_in_all_rows(id);
        if self.is_same_value(range, value) {
            return Some(CurrentRowCriterion::Same);
        }
        let is_condition = meta.ty == Type::Boolean && !matches!(self.program.node(value), Ir::Column(_));
        if is_condition || self.is_error(value) || fixed(self, value) {
            return None;
        }
        if let Some((op, right)) = self.split_operator_criterion(expr) {
            let right = self.lowered_node(right);
            if fixed(self, right) {
                return None;
            }
            if self.is_same_value(range, right) {
                // The nodes of the concatenated text are unused, because the SQL does not contain that text.
                self.program.has_unused_nodes = true;
                if op == BinaryOp::Equal {
                    return Some(CurrentRowCriterion::Same);
                }
                if let Some(compared) = self.compared_rows(op, range) {
                    return Some(CurrentRowCriterion::Compared(compared));
                }
                let (why, help) = match op {
                    BinaryOp::NotEqual => (
                        "each row would exclude a different value",
                        "count all rows and subtract those with this value, as in `COUNTA(C:C) - COUNTIF(C:C, C1)`",
                    ),
                    _ => (
                        "warehouses sort text differently",
                        "compare a number or a date instead, for example a number that ranks each text value",
                    ),
                };
                self.report_invalid_criterion(meta.span, why, help);
                return Some(CurrentRowCriterion::Invalid);
            }
        }
        let column = self.source_text(self.program.meta(range).span);
        let help = self.period_to_date_help(range, expr, call).unwrap_or_else(|| {
            format!("use the current row's value of `{column}` in the criterion, or join the value in an earlier step")
        });
        self.report_invalid_criterion(meta.span, "each row would search for a different value", &help);
        Some(CurrentRowCriterion::Invalid)
    }

    fn build_criterion(&mut self, range: IrId, value: IrId, expr: ExprId) -> IrId {
        let (range_meta, meta) = (self.program.meta(range), self.program.meta(value));
        let span = meta.span;
        if let Some(slice) = self.criterion_text(value) {
            let text = self.program.text(slice);
            let Criterion { op, value } = parse_criterion(text);
            let has_equals_sign = text.starts_with('=');
            let cased = range_meta.ty == Type::Text
                && criterion_value_type(text) == Some(Type::Text)
                && case_insensitive_text::has_cased_letters(value);
            let count = value.len() as u32;
            let value = PoolRange {
                first: slice.first + slice.count - count,
                count,
            };
            if cased && has_equals_sign {
                let diagnostic = case_insensitive_text::criterion_equality_warning(
                    &self.source_text(range_meta.span),
                    self.program.text(value),
                    span,
                );
                self.report(diagnostic);
            } else if cased && matches!(op, BinaryOp::Equal | BinaryOp::NotEqual) {
                self.program.criteria.push((range, value, span));
            }
            return self.build_criterion_text_comparison(range, op, value, span);
        }
        if meta.ty == Type::Boolean && !matches!(self.program.node(value), Ir::Bool(_)) {
            if range_meta.ty == Type::Boolean && !matches!(self.program.node(range), Ir::Column(_)) {
                return self.report_invalid_criterion(
                    span,
                    "it is a second, separate condition",
                    "combine the conditions: `COUNTIF(AND(a, b))`",
                );
            }
            return value;
        }
        // In `">" & x`, the operator is a literal and the value is an expression.
        if let Some((op, right)) = self.split_operator_criterion(expr) {
            let right = self.lowered_node(right);
            return self.build_value_comparison(range, op, right, span);
        }
        if let Expr::Binary {
            op: BinaryOp::Concat, ..
        } = self.ast.expr(expr)
        {
            return self.report_invalid_criterion(
                span,
                "its text is known only when the query runs",
                "write a criterion such as `\">\" & x`, or a condition",
            );
        }
        if meta.ty == Type::Text
            && matches!(
                self.program.node(value),
                Ir::Apply { .. } | Ir::Case(_) | Ir::Switch { .. }
            )
        {
            return self.report_invalid_criterion(
                span,
                "its text is known only when the query runs",
                "write a condition instead, for example `x = LOWER(y)`",
            );
        }
        self.build_value_comparison(range, BinaryOp::Equal, value, span)
    }

    /// Returns the text of a criterion that is the same in every row.
    fn criterion_text(&mut self, value: IrId) -> Option<PoolRange> {
        if let Ir::Text(slice) = self.program.node(value) {
            return Some(slice);
        }
        let text = self.program.constant_text(value)?;
        self.program.has_unused_nodes = true;
        Some(self.program.add_text(&text))
    }

    #[cold]
    fn report_invalid_criterion(&mut self, span: Span, reason: &str, help: &str) -> IrId {
        let text = self.source_text(span);
        self.report(
            Diagnostic::new(
                Code::BadCriterion,
                span,
                format!("`{text}` cannot be a criterion, because {reason}"),
            )
            .with_help(help),
        );
        self.add_error(span)
    }

    /// Builds a comparison with a value that is not a criterion text.
    fn build_value_comparison(&mut self, range: IrId, op: BinaryOp, value: IrId, span: Span) -> IrId {
        let (a, b) = (self.program.meta(range).ty, self.program.meta(value).ty);
        if a == Type::Text && b == Type::Text && op == BinaryOp::Equal {
            return self.add_scalar_call(internal::EQUAL_IGNORE_CASE_COMPUTED, &[range, value], span, "criterion");
        }
        let mut sides = [range, value];
        if a == Type::Text && b == Type::Text {
            sides = sides.map(|side| self.convert_to_lowercase(side, span));
        }
        let [left, right] = sides;
        let compared = self.add_comparison(op, left, right, span);
        if op == BinaryOp::NotEqual {
            self.add_or_is_null(range, compared, span)
        } else {
            compared
        }
    }

    fn add_comparison(&mut self, op: BinaryOp, a: IrId, b: IrId, span: Span) -> IrId {
        let function = match op {
            BinaryOp::NotEqual => internal::NOT_EQUAL,
            BinaryOp::Less => internal::LESS,
            BinaryOp::LessEqual => internal::LESS_EQUAL,
            BinaryOp::Greater => internal::GREATER,
            BinaryOp::GreaterEqual => internal::GREATER_EQUAL,
            _ => internal::EQUAL,
        };
        self.add_scalar_call(function, &[a, b], span, "criterion")
    }

    /// Adds `OR … IS NULL` to a "not equal" condition, because "not equal" in spreadsheets includes blank cells.
    fn add_or_is_null(&mut self, range: IrId, condition: IrId, span: Span) -> IrId {
        if !self.program.meta(range).nullable || self.is_error(condition) {
            return condition;
        }
        let meta = crate::ir::NodeMeta {
            nullable: false,
            ..self.program.meta(condition)
        };
        let null = self.program.add(
            Ir::IsNull {
                x: range,
                negated: false,
            },
            meta,
        );
        self.build_and_or(&[condition, null], span, false)
    }

    /// Builds a comparison with the part of a criterion text after its operator.
    fn build_criterion_text_comparison(&mut self, range: IrId, op: BinaryOp, value: PoolRange, span: Span) -> IrId {
        let meta = self.program.meta(range);
        let not = op == BinaryOp::NotEqual;
        if value.count == 0 && matches!(op, BinaryOp::Equal | BinaryOp::NotEqual) {
            return self.build_blank_test(range, not, span);
        }
        if matches!(meta.ty, Type::Text | Type::Unknown | Type::Other) {
            return self.build_text_comparison(range, op, value, span);
        }
        let constant = NodeMeta::constant(Type::Text, span);
        let value = self.program.text(value).to_owned();
        let trimmed = value.trim();
        let value_id = match (meta.ty, criterion_number(trimmed)) {
            (ty, Some(number)) if ty.is_number() => {
                let integer = number.parse::<i64>().is_ok();
                let text = self.program.add_text(&number);
                let ty = if integer { Type::Integer } else { Type::Point };
                self.program
                    .add(Ir::Number(text), crate::ir::NodeMeta { ty, ..constant })
            }
            (ty, _) if ty.is_temporal() => {
                let text = self.program.add_text(trimmed);
                let text = self.program.add(Ir::Text(text), constant);
                self.convert_date_literal(text, meta.ty != Type::Date)
            }
            (Type::Boolean, _) if trimmed.eq_ignore_ascii_case("true") || trimmed.eq_ignore_ascii_case("false") => {
                let node = Ir::Bool(trimmed.eq_ignore_ascii_case("true"));
                self.program.add(
                    node,
                    crate::ir::NodeMeta {
                        ty: Type::Boolean,
                        ..constant
                    },
                )
            }
            (ty, _) => {
                let (text, column) = (self.source_text(span), self.source_text(meta.span));
                self.report(
                    Diagnostic::new(
                        Code::TypeMismatch,
                        span,
                        format!("the criterion `{text}` is never true: `{column}` is {}", ty.describe()),
                    )
                    .with_secondary_label(meta.span, ty.describe())
                    .with_help("use a value of the column's type; an operator may precede it, as in `\">5\"`"),
                );
                return self.add_error(span);
            }
        };
        if self.is_error(value_id) {
            return value_id;
        }
        let compared = self.add_comparison(op, range, value_id, span);
        if not {
            self.add_or_is_null(range, compared, span)
        } else {
            compared
        }
    }

    /// Builds a test for NULL or empty text. Numbers and dates are tested only for NULL, because they are never empty
    /// text.
    pub(in crate::check) fn build_blank_test(&mut self, range: IrId, not: bool, span: Span) -> IrId {
        let meta = self.program.meta(range);
        let boolean = crate::ir::NodeMeta {
            ty: Type::Boolean,
            nullable: false,
            span,
            ..meta
        };
        if !matches!(meta.ty, Type::Text | Type::Unknown) {
            return self.program.add(Ir::IsNull { x: range, negated: not }, boolean);
        }
        let empty = self.program.add_text("");
        let empty = self.program.add(Ir::Text(empty), NodeMeta::constant(Type::Text, span));
        let op = if not { BinaryOp::NotEqual } else { BinaryOp::Equal };
        let compared = self.add_comparison(op, range, empty, span);
        if not {
            compared
        } else {
            self.add_or_is_null(range, compared, span)
        }
    }

    /// Returns a text literal in lower case. If the text contains non-ASCII letters, the SQL engine converts both the
    /// text and the column, so that the two conversions agree. For example, a final Σ has more than one lower-case
    /// form.
    pub(in crate::check) fn add_lowercase_text(&mut self, slice: PoolRange, constant: crate::ir::NodeMeta) -> IrId {
        let ascii = self.program.text(slice).is_ascii();
        let slice = if ascii {
            self.program.add_lowercase(slice)
        } else {
            slice
        };
        let text = self.program.add(Ir::Text(slice), constant);
        if ascii {
            text
        } else {
            self.add_call(internal::LOWER, &[text], constant.span)
        }
    }

    /// Builds a case-insensitive match between a value and text that contains wildcards.
    pub(in crate::check) fn build_wildcard_match(&mut self, range: IrId, pattern: PoolRange, span: Span) -> IrId {
        self.build_text_comparison(range, BinaryOp::Equal, pattern, span)
    }

    /// Builds a case-insensitive comparison of strings, with wildcards if the criterion contains them.
    fn build_text_comparison(&mut self, range: IrId, op: BinaryOp, mut value: PoolRange, span: Span) -> IrId {
        let constant = NodeMeta::constant(Type::Text, span);
        let equality = matches!(op, BinaryOp::Equal | BinaryOp::NotEqual);
        let (mut like, mut escaped) = (None, false);
        let text = self.program.text(value);
        if text.bytes().any(|b| matches!(b, b'*' | b'?' | b'~')) {
            let plain;
            (like, plain, escaped) = like_pattern(text);
            value = self.program.add_text(&plain);
        }
        if let (Some(like), true) = (like, equality) {
            let text = self.program.add_text(&like);
            let text = self.add_lowercase_text(text, constant);
            let function = if escaped {
                internal::LIKE_IGNORE_CASE_ESCAPED
            } else {
                internal::LIKE_IGNORE_CASE
            };
            let match_call = self.add_call(function, &[range, text], span);
            if op == BinaryOp::Equal {
                return match_call;
            }
            let meta = self.program.meta(match_call);
            let not = self.program.add(Ir::Not(match_call), meta);
            return self.add_or_is_null(range, not, span);
        }
        let text = self.add_lowercase_text(value, constant);
        match op {
            BinaryOp::Equal => self.add_call(internal::EQUAL_IGNORE_CASE, &[range, text], span),
            BinaryOp::NotEqual => {
                let lower = self.add_scalar_call(internal::LOWER, &[range], span, "criterion");
                let compared = self.add_comparison(BinaryOp::NotEqual, lower, text, span);
                self.add_or_is_null(range, compared, span)
            }
            op => {
                let lower = self.add_scalar_call(internal::LOWER, &[range], span, "criterion");
                self.add_comparison(op, lower, text, span)
            }
        }
    }
}
