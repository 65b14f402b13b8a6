//! Lowering of functions that SQL templates cannot express: conditions, conditional aggregates and window functions.

use crate::ast::{Call, ExprId};
use crate::catalog::{self, Function, FunctionId, Lowering, internal};
use crate::check::lower::Lowerer;
use crate::diag::{Code, Diagnostic};
use crate::ir::{FrameBound, Ir, IrId, NodeMeta};
use crate::span::Span;
use crate::{Level, Type};

/// DATEDIF units, each with its function.
const DATEDIF_UNITS: [(&str, FunctionId); 6] = [
    ("D", internal::DATEDIF_D),
    ("M", internal::DATEDIF_M),
    ("Y", internal::DATEDIF_Y),
    ("YM", internal::DATEDIF_YM),
    ("MD", internal::DATEDIF_MD),
    ("YD", internal::DATEDIF_YD),
];

/// Functions for the day count bases of YEARFRAC, by number.
const YEARFRAC_BASES: [FunctionId; 5] = [
    internal::YEARFRAC_0,
    internal::YEARFRAC_1,
    internal::YEARFRAC_2,
    internal::YEARFRAC_3,
    internal::YEARFRAC_4,
];

impl Lowerer<'_> {
    pub(in crate::check) fn lower_intrinsic(
        &mut self,
        lowering: Lowering,
        function: &'static Function,
        call: Call,
        span: Span,
    ) -> IrId {
        let ast = self.ast;
        let args = ast.arguments(call);
        self.program.lowered_calls.push((span, function.name));
        match lowering {
            Lowering::Let => match args.last() {
                Some(expression) => self.lower_value(*expression),
                None => self.add_error(span),
            },
            Lowering::Define => self.lower_defined_function(function, args, span),
            Lowering::If => self.lower_if(args, span),
            Lowering::Ifs => self.lower_ifs(args, span),
            Lowering::Switch => self.lower_switch(args, span),
            Lowering::Coalesce => self.lower_coalesce(args, span, function),
            Lowering::And => self.lower_and_or(args, span, true),
            Lowering::Or => self.lower_and_or(args, span, false),
            Lowering::Not => self.lower_first_argument(args, span, Self::lower_not),
            Lowering::Xor => self.lower_xor(args, span),
            Lowering::Choose => self.lower_choose(args, span),
            Lowering::Gcd => self.lower_gcd_or_lcm(internal::GCD_OF_TWO, args, span, function),
            Lowering::Lcm => self.lower_gcd_or_lcm(internal::LCM_OF_TWO, args, span, function),
            Lowering::IsBlank => self.lower_first_argument(args, span, Self::lower_is_blank),
            Lowering::Count => self.lower_count(args, span, function),
            Lowering::Distinct => self.lower_first_argument(args, span, Self::lower_distinct),
            Lowering::Concat => self.lower_concat(args, span),
            Lowering::Offset => self.lower_offset(args, span),
            Lowering::PeriodOffset => self.lower_period_offset(args, span),
            Lowering::First => self.lower_first_or_last(args, function, FrameBound::First, span),
            Lowering::Last => self.lower_first_or_last(args, function, FrameBound::Last, span),
            Lowering::Row => self.lower_row(function, span),
            Lowering::Pivot | Lowering::PivotIndex | Lowering::PivotOffset | Lowering::PivotRow => {
                self.lower_pivot(lowering, function, args, span)
            }
            Lowering::Rank | Lowering::OmniRank => self.lower_rank(args, function, span),
            Lowering::PercentRank => self.lower_percent_rank(args, function, span),
            Lowering::Datedif => self.lower_datedif(args, span),
            Lowering::YearFrac => self.lower_year_frac(args, span),
            Lowering::Date => self.lower_date(args, span),
            Lowering::Workdays => self.lower_workdays(function, args, span),
            Lowering::Nth | Lowering::Percentile | Lowering::PercentileWithin | Lowering::Quartile => {
                self.lower_order_statistic_call(lowering, function, args, span)
            }
            Lowering::Vlookup | Lowering::Xlookup | Lowering::Index | Lowering::Match => {
                self.lower_lookup(lowering, args, function, span)
            }
            Lowering::SumProduct | Lowering::SumSquares => self.lower_sum_product(function, args, span),
            Lowering::NumberValue => self.lower_number_value(args, span),
            Lowering::DateValue => self.lower_first_argument(args, span, Self::lower_date_value),
            Lowering::Search => self.lower_search(args, span),
            Lowering::TextJoin => self.lower_text_join(args, function, span),
            Lowering::Text => self.lower_text(args, span),
            Lowering::Regex => self.lower_regex(args, function, span),
            Lowering::SumIf
            | Lowering::CountIf
            | Lowering::AverageIf
            | Lowering::SumIfs
            | Lowering::CountIfs
            | Lowering::AverageIfs
            | Lowering::MinIfs
            | Lowering::MaxIfs => self.lower_conditional_aggregate(lowering, function, args, span),
        }
    }

    /// Returns the values of all arguments, in a list taken from the pool. `None` if an argument has an error.
    pub(in crate::check) fn lower_arguments(&mut self, args: &[ExprId]) -> Option<Vec<IrId>> {
        let mut values = self.take_list();
        let mut error = false;
        for arg in args {
            let value = self.lower_value(*arg);
            error |= self.is_error(value);
            values.push(value);
        }
        if error {
            self.recycle_list(values);
            return None;
        }
        Some(values)
    }

    /// Lowers SUMPRODUCT, which multiplies the values of each row and sums the products, and SUMSQ, which multiplies
    /// each value by itself.
    fn lower_sum_product(&mut self, function: &'static Function, args: &[ExprId], span: Span) -> IrId {
        let Some(values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        let product = self.build_product(function, &values, span);
        self.recycle_list(values);
        self.add_aggregate(internal::SUM, &[product], false, span)
    }

    pub(in crate::check) fn build_product(&mut self, function: &'static Function, values: &[IrId], span: Span) -> IrId {
        let Some((first, rest)) = values.split_first() else {
            return self.add_error(span);
        };
        let times = |pass: &mut Self, a: IrId, b: &IrId| {
            pass.add_scalar_call(internal::MULTIPLY, &[a, *b], span, function.name)
        };
        let product = rest.iter().fold(*first, |product, value| times(self, product, value));
        match function.lower {
            Some(Lowering::SumSquares) => times(self, product, &product),
            _ => product,
        }
    }

    fn lower_is_blank(&mut self, arg: ExprId, span: Span) -> IrId {
        let x = self.lower_value_tested_for_null(arg);
        if self.is_error(x) {
            return x;
        }
        let meta = self.program.meta(x);
        self.convert_decimal_literal_to_float(x);
        self.program.add(
            Ir::IsNull { x, negated: false },
            NodeMeta {
                ty: Type::Boolean,
                nullable: false,
                span,
                ..meta
            },
        )
    }

    fn lower_count(&mut self, args: &[ExprId], span: Span, function: &'static Function) -> IrId {
        let [arg] = args else {
            if args.is_empty() {
                return self.count_rows(span);
            }
            let Some(values) = self.lower_arguments(args) else {
                return self.add_error(span);
            };
            let across = function.across.unwrap_or(internal::ROW_COUNT);
            let node = self.add_scalar_call(across, &values, span, function.name);
            self.recycle_list(values);
            return node;
        };
        let lowered = self.lowered_node(*arg);
        if let Ir::Distinct(inner) = self.program.node(lowered) {
            return self.add_aggregate(internal::COUNTUNIQUE, &[inner], false, span);
        }
        let meta = self.program.meta(lowered);
        if meta.level == Level::Const && !meta.nullable && !self.is_error(lowered) {
            return self.count_rows(span);
        }
        let root = self.program.resolve_references(lowered);
        if meta.ty == Type::Boolean && !matches!(self.program.node(root), Ir::Column(_)) {
            let text = self.source_text(meta.span);
            self.report(
                Diagnostic::new(
                    Code::CountOfCondition,
                    span,
                    format!("`COUNT` also counts rows where `{text}` is FALSE"),
                )
                .with_help(format!(
                    "use `COUNTIF({text})` to count only the rows where the condition is TRUE"
                )),
            );
        }
        self.add_aggregate(internal::COUNTA, &[lowered], false, span)
    }

    fn count_rows(&mut self, span: Span) -> IrId {
        if self.is_level_forbidden(Level::Aggregate, span) {
            return self.add_error(span);
        }
        let meta = NodeMeta {
            level: Level::Aggregate,
            columnless: true,
            ..NodeMeta::constant(Type::Integer, span)
        };
        self.program.add(Ir::CountRows, meta)
    }

    fn lower_distinct(&mut self, arg: ExprId, span: Span) -> IrId {
        let x = match self.program.node(self.lowered_node(arg)) {
            Ir::Range { .. } | Ir::Ranges(_) => self.lowered_node(arg),
            _ => self.lower_value(arg),
        };
        if self.is_error(x) {
            return x;
        }
        let meta = NodeMeta {
            span,
            ..self.program.meta(x)
        };
        self.contains_markers = true;
        self.program.add(Ir::Distinct(x), meta)
    }

    fn lower_concat(&mut self, args: &[ExprId], span: Span) -> IrId {
        let Some(values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        let mut joined: Option<IrId> = None;
        for value in &values {
            let text = self.convert_to_text(*value);
            joined = Some(match joined {
                None => text,
                Some(ir_id) => self.add_scalar_call(internal::CONCAT, &[ir_id, text], span, "CONCAT"),
            });
        }
        self.recycle_list(values);
        match joined {
            Some(single_arg) if args.len() == 1 && self.program.meta(single_arg).nullable => {
                self.add_call(internal::OR_EMPTY, &[single_arg], span)
            }
            Some(id) => id,
            None => self.add_error(span),
        }
    }

    fn lower_first_argument(
        &mut self,
        args: &[ExprId],
        span: Span,
        lower: impl FnOnce(&mut Self, ExprId, Span) -> IrId,
    ) -> IrId {
        match args.first() {
            Some(first) => lower(self, *first, span),
            None => self.add_error(span),
        }
    }

    fn lower_datedif(&mut self, args: &[ExprId], span: Span) -> IrId {
        let Some(values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        let [start, end, unit_arg] = *values.as_slice() else {
            return self.add_error(span);
        };
        let unit = self.literal_text(unit_arg);
        let known_unit = DATEDIF_UNITS
            .iter()
            .find(|(name, _)| unit.is_some_and(|unit| unit.eq_ignore_ascii_case(name)));
        let function = match known_unit {
            Some((_, function)) => *function,
            None => {
                let other = unit.map(str::to_ascii_uppercase);
                let unit_span = self.program.meta(unit_arg).span;
                let help = match other.map(|o| o.trim_end_matches('S').to_owned()).as_deref() {
                    Some("DAY") => "write \"D\" for days",
                    Some("MONTH") => "write \"M\" for complete months",
                    Some("YEAR") => "write \"Y\" for complete years",
                    _ => "write \"D\", \"M\", \"Y\", \"YM\", \"MD\" or \"YD\"",
                };
                let text = self.source_text(unit_span);
                self.report(
                    Diagnostic::new(
                        Code::UnknownUnit,
                        unit_span,
                        format!("`DATEDIF` does not support the unit `{text}`"),
                    )
                    .with_help(help),
                );
                return self.add_error(span);
            }
        };
        let of_months =
            function == internal::DATEDIF_M && [start, end].iter().all(|date| self.program.is_month_start(*date));
        let function = if of_months {
            internal::DATEDIF_MONTH_STARTS
        } else {
            function
        };
        let node = self.add_scalar_call(function, &[start, end], span, "DATEDIF");
        self.recycle_list(values);
        node
    }

    fn lower_year_frac(&mut self, args: &[ExprId], span: Span) -> IrId {
        let Some(values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        let [start, end, ..] = *values.as_slice() else {
            return self.add_error(span);
        };
        let basis = match values.get(2) {
            Some(basis) if self.program.meta(*basis).level > Level::Const => {
                let basis = self.truncate_to_integer(*basis, span);
                self.recycle_list(values);
                return self.lower_year_frac_switch(basis, start, end, span);
            }
            Some(basis) => self
                .literal_integer(*basis)
                .and_then(|basis| usize::try_from(basis).ok()),
            None => Some(0),
        };
        let Some(function) = basis.and_then(|basis| YEARFRAC_BASES.get(basis).copied()) else {
            let basis_span = self.program.meta(values.get(2).copied().unwrap_or(end)).span;
            let text = self.source_text(basis_span);
            self.report(
                Diagnostic::new(
                    Code::UnknownUnit,
                    basis_span,
                    format!("`YEARFRAC` does not support the day count basis `{text}`"),
                )
                .with_help(
                    "write 0 for 30/360 (United States), 1 for actual days, 2 for years of 360 days, 3 \
                        for years of 365 days, or 4 for 30/360 (Europe)",
                ),
            );
            return self.add_error(span);
        };
        self.recycle_list(values);
        self.build_year_frac(function, start, end, span)
    }

    /// Lowers YEARFRAC with a basis that is not constant, as a SWITCH with one branch per basis.
    fn lower_year_frac_switch(&mut self, basis: IrId, start: IrId, end: IrId, span: Span) -> IrId {
        let (mut cases, mut branches) = (self.singleton_list(basis), self.take_list());
        for (index, function) in YEARFRAC_BASES.into_iter().enumerate() {
            cases.push(self.program.add_integer(&index.to_string(), span));
            branches.push(self.build_year_frac(function, start, end, span));
        }
        let node = self.build_switch(&mut cases, &mut branches, span, "YEARFRAC");
        [cases, branches].into_iter().for_each(|list| self.recycle_list(list));
        node
    }

    fn build_year_frac(&mut self, function: FunctionId, start: IrId, end: IrId, span: Span) -> IrId {
        // These two functions also take the earlier and the later of the two dates as arguments.
        if [internal::YEARFRAC_0, internal::YEARFRAC_1].contains(&function) {
            let [first, last] = [internal::EARLIER_OF, internal::LATER_OF]
                .map(|pick| self.add_scalar_call(pick, &[start, end], span, "YEARFRAC"));
            return self.add_scalar_call(function, &[start, end, first, last], span, "YEARFRAC");
        }
        self.add_scalar_call(function, &[start, end], span, "YEARFRAC")
    }

    fn lower_date(&mut self, args: &[ExprId], span: Span) -> IrId {
        let Some(values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        let part = |index: usize| self.literal_integer(*values.get(index)?);
        let (Some(year), Some(month), Some(day)) = (part(0), part(1), part(2)) else {
            if let Some((function, date)) = self.find_period_start_function(&values) {
                self.program.has_unused_nodes = true;
                return self.add_scalar_call(function, &[date], span, "DATE");
            }
            return self.add_scalar_call(internal::DATE_FROM_PARTS, &values, span, "DATE");
        };
        self.recycle_list(values);
        match crate::check::dates::normalize_date(year, month, day) {
            Some(iso) => {
                let text = self.program.add_text(&iso);
                self.program.add(Ir::Date(text), NodeMeta::constant(Type::Date, span))
            }
            None => self.program.add_null(Type::Date, span),
        }
    }

    /// Recognizes `DATE(YEAR(x), MONTH(x), 1)` and `DATE(YEAR(x), 1, 1)`, the spreadsheet formulas for the first day of
    /// a month or year.
    fn find_period_start_function(&self, parts: &[IrId]) -> Option<(FunctionId, IrId)> {
        let argument_of = |id: IrId, function: FunctionId| match self.program.node(id) {
            Ir::Apply { overload, args } if catalog::overload_owner(overload) == function => {
                self.program.args(args).first().copied()
            }
            _ => None,
        };
        let [year, month, day] = *parts else { return None };
        let date = argument_of(year, internal::YEAR)?;
        if self.literal_integer(day) != Some(1) {
            return None;
        }
        match argument_of(month, internal::MONTH) {
            Some(other) if self.is_same_value(date, other) => Some((internal::TRUNC_MONTH, date)),
            None if self.literal_integer(month) == Some(1) => Some((internal::TRUNC_YEAR, date)),
            _ => None,
        }
    }
}
