//! Lowering of function calls: the number of arguments, the overload, and the type and nullability of the result.

pub(super) mod array_formulas;
pub(super) mod convert;
pub(super) mod defined_functions;
pub(super) mod foreign_calls;
pub(super) mod foreign_functions;
mod functions_of_other_tools;
pub(super) mod intrinsics;
pub(super) mod operands;
pub(super) mod overload;
mod overload_mismatch;
mod translated_functions;
mod type_mismatch;
pub(super) mod variadic;

use formulac_syntax::text::{format_count, is_word_char};

use self::operands::Operands;
use self::overload::{CachedOverload, ChosenOverload};
use crate::ast::{Call, Expr, ExprId};
use crate::catalog::{self, Function, FunctionId, Lowering, Nulls, ResultType, internal};
use crate::check::lower::Lowerer;
use crate::check::ranges;
use crate::check::{Context, DefinitionRole};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, NodeMeta};
use crate::span::Span;
use crate::{Level, Type};

impl Lowerer<'_> {
    #[inline(never)]
    pub(in crate::check) fn lower_call(&mut self, id: FunctionId, call: Call, span: Span) -> IrId {
        let function = catalog::get(id);
        let call = self.without_blank_range(function, call);
        if !self.check_argument_count(function, call, span) {
            return self.add_error(span);
        }
        if !function.caution.is_empty() {
            self.warn_of_spreadsheet_difference(function, span);
        }
        if let Some(today) = self.replace_today(id, span) {
            return today;
        }
        if self.failed && matches!(function.name, "SUM" | "SUMPRODUCT") {
            self.suggest_conditional_sum(call, span);
        }
        let marks = function.lower == Some(Lowering::Distinct);
        if function.level == Level::Aggregate && !marks && ranges::has_range_argument(self.ast, self.names, call) {
            return self.lower_range_call(id, call, span);
        }
        if function.level == Level::Aggregate && !marks && self.scope.context == Context::Worksheet {
            return self.aggregate_row_cells(function, call, span);
        }
        if let Some(lowering) = function.lower {
            return self.lower_intrinsic(lowering, function, call, span);
        }
        let exprs = self.ast.arguments(call);
        if let ("ISNUMBER", [expr]) = (function.name, exprs)
            && self.is_marker(self.lowered_node(*expr))
        {
            let value = self.lower_value_tested_for_null(*expr);
            return if self.is_error(value) {
                value
            } else {
                self.build_not_null(value, span)
            };
        }
        if let (Level::Aggregate, [expr]) = (function.level, exprs) {
            return self.lower_one_argument_aggregate(id, *expr, span);
        }
        let mut args = self.take_list();
        for expr in exprs {
            args.push(self.lower_value(*expr));
        }
        if let (internal::VALUE, [text]) = (id, args.as_slice()) {
            self.warn_of_value_without_number(*text, span);
        }
        if function.level == Level::Aggregate && function.across.is_none() {
            let node = self.add_aggregate(id, &args, false, span);
            self.recycle_list(args);
            return node;
        }
        let id = function
            .across
            .filter(|_| function.level == Level::Aggregate)
            .unwrap_or_else(|| self.find_function_without_checks(function, id, &args));
        let node = self.add_scalar_call(id, &args, span, function.name);
        self.recycle_list(args);
        node
    }

    /// Returns the internal function without guards if the known values of an argument make the guards unnecessary.
    /// Returns `id` for other calls.
    fn find_function_without_checks(&self, function: &Function, id: FunctionId, args: &[IrId]) -> FunctionId {
        match (id, args) {
            (internal::LEFT, [_, count]) if self.is_length_before_match(*count) => internal::LEFT_PART,
            (_, [_, exponent]) if function.name == "POWER" && self.is_fraction(*exponent) => internal::FRACTIONAL_POWER,
            _ => id,
        }
    }

    /// Returns whether a value is a constant between 0 and 1, both excluded.
    pub(in crate::check) fn is_fraction(&self, id: IrId) -> bool {
        self.constant_number(id)
            .is_some_and(|number| number > 0.0 && number < 1.0)
    }

    /// Returns whether a value is `FIND("-", text) - 1`. FIND returns 1 or more, or NULL.
    fn is_length_before_match(&self, id: IrId) -> bool {
        self.call_arguments(id, internal::SUBTRACT)
            .is_some_and(|args| match *args {
                [position, one] => {
                    self.literal_number(one) == Some(1.0)
                        && self
                            .call_arguments(position, internal::FIND)
                            .is_some_and(|args| args.len() == 2)
                }
                _ => false,
            })
    }

    /// Returns the arguments of a call of a function. `None` for other nodes.
    fn call_arguments(&self, id: IrId, function: FunctionId) -> Option<&[IrId]> {
        match self.program.node(id) {
            Ir::Apply { overload, args } if catalog::overload_owner(overload) == function => {
                Some(self.program.args(args))
            }
            _ => None,
        }
    }

    pub(in crate::check) fn is_blank_argument(&self, id: ExprId) -> bool {
        self.ast.expr(id) == Expr::Blank
    }

    /// Removes the last argument of a call if it is an empty argument in the position of an optional range.
    #[inline]
    fn without_blank_range(&self, function: &Function, call: Call) -> Call {
        let takes_range = matches!(function.lower, Some(Lowering::SumIf | Lowering::AverageIf)) && call.count == 3;
        let is_blank_argument = takes_range
            && self
                .ast
                .arguments(call)
                .last()
                .is_some_and(|last| self.is_blank_argument(*last));
        Call {
            count: call.count - u32::from(is_blank_argument),
            ..call
        }
    }

    /// Warns that the function has a different meaning in spreadsheets.
    #[cold]
    fn warn_of_spreadsheet_difference(&mut self, function: &Function, span: Span) {
        let (difference, instead) = function.caution.split_once(": ").unwrap_or((function.caution, ""));
        self.report(Diagnostic::new(Code::NotAsInSheets, span, difference).with_help(instead));
    }

    #[inline]
    fn check_argument_count(&mut self, function: &'static Function, call: Call, span: Span) -> bool {
        let count = call.count as usize;
        let right = count >= function.min_arguments && function.max_arguments.is_none_or(|m| count <= m);
        right || self.report_argument_count(function, call, span)
    }

    #[cold]
    fn report_argument_count(&mut self, function: &'static Function, call: Call, span: Span) -> bool {
        let (least, most) = function.arity();
        let count = call.count as usize;
        // If a bracket is missing or in the wrong place, the missing arguments may be elsewhere in the text.
        if (call.unclosed && self.failed) || (self.has_syntax_error && count < least) {
            return false;
        }
        let expected_count = match most {
            Some(most) if most == least => format_argument_count(least),
            Some(most) if most == least + 1 => format!("{least} or {}", format_argument_count(most)),
            Some(most) => format!("{least} to {}", format_argument_count(most)),
            None => format!("at least {}", format_argument_count(least)),
        };
        let actual_count = if count == 0 {
            "none".to_owned()
        } else {
            count.to_string()
        };
        let left_empty = most.is_some_and(|most| count == most + 1)
            && self
                .ast
                .arguments(call)
                .last()
                .is_some_and(|last| self.is_blank_argument(*last));
        // In spreadsheets, an aggregate also accepts several numbers, so `SUMSQ(3,4)` is probably not a decimal with a
        // comma.
        let takes_list = function.level == Level::Aggregate && most == Some(1);
        let decimal = self
            .decimal_with_comma(call)
            .filter(|_| most.is_some_and(|most| count == most + 1) && !takes_list);
        let help = match function.arity_help {
            _ if decimal.is_some() => format!("write decimals with a point: `{}`", decimal.unwrap_or_default()),
            _ if left_empty => "remove the last comma".to_owned(),
            "" => format!("write `{}`", function.signature()),
            help => help.to_owned(),
        };
        self.report(
            Diagnostic::new(
                Code::ArgumentCount,
                span,
                format!("`{}` expects {expected_count}, found {actual_count}", function.name),
            )
            .with_help(help),
        );
        false
    }

    /// Returns a number such as `1.5` if the arguments contain `1,5` without a space.
    fn decimal_with_comma(&self, call: Call) -> Option<String> {
        let arguments = self.ast.arguments(call);
        arguments.windows(2).find_map(|pair| {
            let [integer_part, fraction] = [pair.first()?, pair.last()?].map(|id| self.ast.span(*id));
            let are_numbers = pair.iter().all(|id| self.ast.expr(*id) == Expr::Number);
            let digits = fraction.text(self.source);
            let is_decimal = are_numbers
                && digits.bytes().all(|b| b.is_ascii_digit())
                && Span::new(integer_part.end, fraction.start).text(self.source) == ",";
            is_decimal.then(|| format!("{}.{digits}", integer_part.text(self.source)))
        })
    }

    /// Lowers a call to an aggregate with one argument.
    pub(in crate::check) fn lower_one_argument_aggregate(&mut self, id: FunctionId, expr: ExprId, span: Span) -> IrId {
        let function = catalog::get(id);
        let lowered = self.lowered_node(expr);
        if let Ir::Distinct(inner) = self.program.node(lowered) {
            if [internal::SUM, internal::AVERAGE].contains(&id) {
                return self.add_aggregate(id, &[inner], true, span);
            }
            if Self::is_internal(function, internal::COUNTUNIQUE) {
                return self.add_aggregate(id, &[inner], false, span);
            }
        }
        let x = self.lower_value(expr);
        self.add_aggregate(id, &[x], false, span)
    }

    /// Adds an aggregate node and checks that its arguments are at row level.
    pub(in crate::check) fn add_aggregate(
        &mut self,
        id: FunctionId,
        args: &[IrId],
        distinct: bool,
        span: Span,
    ) -> IrId {
        let function = catalog::get(id);
        for arg in args {
            if self.is_error(*arg) {
                return self.add_error(span);
            }
            let meta = self.program.meta(*arg);
            if meta.level >= Level::Aggregate {
                return self.report_nested_aggregate(function, *arg, span);
            }
            self.convert_decimal_literal_to_float(*arg);
        }
        if self.is_level_forbidden(Level::Aggregate, span) {
            return self.add_error(span);
        }
        // All engines can count UUIDs, but some engines support no other aggregates for UUIDs.
        let counts = matches!(id, internal::COUNTA | internal::COUNTUNIQUE);
        let texts = self.cast_uuids(id, args).filter(|_| !counts);
        let args = texts.as_deref().unwrap_or(args);
        let operands = self.summarize_operands(args, span);
        let Some(ChosenOverload { args, choice, .. }) = self.choose_overload(id, args, &operands, function.name) else {
            return self.add_error(span);
        };
        let nullable = match function.empty {
            // In SQL, the sum over no rows is NULL. The emitter replaces this NULL with the value of `empty`.
            Some(_) => false,
            None => match choice.nulls {
                Nulls::Never => false,
                // Every group has at least one row, so only NULLs make the result NULL.
                Nulls::Any if self.has_grouping_keys() => operands.meta.nullable,
                _ => true,
            },
        };
        let meta = NodeMeta {
            nullable,
            level: Level::Aggregate,
            volatile: operands.meta.volatile,
            columnless: !operands.meta.reads_columns(),
            ..NodeMeta::constant(choice.ty, span)
        };
        // Add the alternative form before the aggregate, because the form may replace the aggregate.
        let other = self.rewrite_aggregate(function, args, meta);
        let aggregate = self.program.add(
            Ir::Aggregate {
                overload: choice.overload,
                args,
                distinct,
            },
            meta,
        );
        self.program.other_forms.extend(other.map(|other| (aggregate, other)));
        aggregate
    }

    /// Returns the help for the name of a definition that hides a column with the same name.
    pub(super) fn help_with_hidden_column(&self, name: &str) -> Option<String> {
        let mut relations = self.scope.relations.iter();
        let relation = relations.find(|relation| relation.position(name).is_some())?.name();
        Some(format!(
            "to use the column `{name}` instead of the definition, write `{relation}.{name}`"
        ))
    }

    /// Returns the help for a value that contains the name of a definition, if the definition hides a column with the
    /// same name.
    pub(in crate::check) fn help_with_column_hidden_in(&self, value: IrId) -> Option<String> {
        // The limit keeps checks fast if a long definition contains many errors.
        const MAX_NODES: usize = 10_000;
        let mut stack = vec![value];
        for _ in 0..MAX_NODES {
            let id = stack.pop()?;
            if let Ir::Definition(definition_index) = self.program.node(id)
                && self.program.meta(id).level >= Level::Aggregate
                && let Some(name) = self
                    .program
                    .definitions
                    .try_get(definition_index as usize)
                    .and_then(|d| d.name.as_deref())
                && let Some(help) = self.help_with_hidden_column(name)
            {
                return Some(help);
            }
            stack.extend(self.program.operands(id).rev());
        }
        None
    }

    /// Returns whether the rows are grouped, and every group has at least one row.
    fn has_grouping_keys(&self) -> bool {
        !self.scope.has_empty_groups && self.scope.roles.contains(&DefinitionRole::GroupBy)
    }

    /// Returns whether a grouped step partitions its windows by the grouping keys that are not sort keys.
    fn partitions_by_grouping_keys(&self) -> bool {
        let count = |role: DefinitionRole| {
            self.scope
                .roles
                .iter()
                .filter(|other_role| **other_role == role)
                .count()
        };
        count(DefinitionRole::OrderBy) > 0
            && count(DefinitionRole::GroupBy) > 1
            && count(DefinitionRole::PartitionBy) == 0
    }

    /// Reports an aggregate whose argument is an aggregate or a window function.
    #[cold]
    pub(in crate::check) fn report_nested_aggregate(&mut self, function: &Function, value: IrId, span: Span) -> IrId {
        let inner = self.program.meta(value);
        let text = self.source_text(inner.span);
        // Name the function that the user wrote, because `COUNT` can be compiled as `COUNTA`.
        let written_name = span.text(self.source).split('(').next().unwrap_or_default();
        let function = catalog::lookup(written_name.trim()).unwrap_or(function);
        let diagnostic = if inner.level == Level::Aggregate {
            let help = self.help_with_column_hidden_in(value).unwrap_or_else(|| {
                let steps = "compute the inner aggregate in an earlier step with `group_by`, and aggregate its result in \
                             the next step";
                let is_name = text.chars().all(is_word_char);
                match is_name && matches!(function.name, "SUM" | "AVERAGE" | "MIN" | "MAX" | "COUNT") {
                    true => {
                        let partition = match self.partitions_by_grouping_keys() {
                            true => " and `partition_by: []`",
                            false => "",
                        };
                        let range = format!("{}({text}:{text})", function.name);
                        format!("write `{range}`{partition} for the value over all groups, or {steps}")
                    }
                    false => steps.to_owned(),
                }
            });
            Diagnostic::new(
                Code::NestedAggregate,
                span,
                format!(
                    "`{}` cannot aggregate `{text}`, which is already an aggregate",
                    function.name
                ),
            )
            .with_label("expects one value per row")
            .with_secondary_label(inner.span, "already one value per group")
            .with_help(help)
        } else {
            Diagnostic::new(
                Code::WindowNotAllowed,
                span,
                format!("`{}` cannot aggregate `{text}`, which reads other rows", function.name),
            )
            .with_secondary_label(inner.span, "computed after grouping")
            .with_help("define the inner value in this step, and aggregate it in the next step")
        };
        self.report(diagnostic);
        self.add_error(span)
    }

    /// Adds a call to an internal function. The arguments must match the function's signature.
    pub(in crate::check) fn add_call(&mut self, id: FunctionId, args: &[IrId], span: Span) -> IrId {
        let name = catalog::get(id).name;
        self.add_scalar_call(id, args, span, name)
    }

    /// Adds a call to a scalar function and reports arguments that match no overload.
    pub(in crate::check) fn add_scalar_call(
        &mut self,
        id: FunctionId,
        args: &[IrId],
        span: Span,
        display_name: &str,
    ) -> IrId {
        let operands = self.summarize_operands(args, span);
        self.add_checked_call(id, args, operands, display_name)
    }

    /// Adds a call to a scalar function. Works like [`Self::add_scalar_call`], but accepts a summary of the operands
    /// that the caller has already computed.
    #[inline(always)]
    pub(in crate::check) fn add_checked_call(
        &mut self,
        id: FunctionId,
        args: &[IrId],
        mut operands: Operands,
        display_name: &str,
    ) -> IrId {
        let span = operands.meta.span;
        if operands.has_error() {
            return self.add_error(span);
        }
        let texts = self.cast_uuids(id, args);
        let args = texts.as_deref().unwrap_or(args);
        let original_args = args;
        let Some(ChosenOverload {
            args,
            choice,
            arguments_unchanged: as_given,
        }) = self.choose_overload(id, args, &operands, display_name)
        else {
            return self.add_error(span);
        };
        if !as_given {
            operands = self.summarize_operands(self.program.args(args), span);
        }
        if let Some(null) = self.fold_null_call(&operands, &choice) {
            return null;
        }
        let nullable = match choice.nulls {
            Nulls::Any => operands.meta.nullable,
            Nulls::Always | Nulls::Error => {
                operands.meta.nullable || !self.has_nonzero_divisor(id, self.program.args(args))
            }
            Nulls::Never => false,
            Nulls::All => operands.all_null,
            Nulls::Skipped => true,
        };
        let keeps_time = operands.has_kind(Type::Time as u32) && self.preserves_time_of_day(id, original_args);
        let ty = if keeps_time { Type::Time } else { choice.ty };
        let mut meta = NodeMeta {
            ty,
            nullable,
            ..operands.meta
        };
        if self.has_mixed_levels(&meta) {
            self.report_mixed_levels(args);
            return self.add_error(span);
        }
        if choice.volatile {
            meta.volatile = true;
            meta.level = meta.level.max(Level::Row);
            meta.reads_only_keys = false;
        }
        let overload = choice.overload;
        self.program.add(Ir::Apply { overload, args }, meta)
    }

    /// Casts the UUIDs among the arguments of a call to text. `None` if no argument is a UUID, or if the call compares
    /// two UUIDs.
    #[inline]
    fn cast_uuids(&mut self, id: FunctionId, args: &[IrId]) -> Option<Vec<IrId>> {
        if !self.has_uuids || id == internal::UUID_TO_TEXT || !args.iter().any(|arg| self.program.is_uuid(*arg)) {
            return None;
        }
        let compares = catalog::get(id)
            .overloads
            .iter()
            .all(|o| o.result == ResultType::Is(Type::Boolean));
        let compares_uuids = compares && args.iter().all(|arg| self.program.is_uuid(*arg));
        (!compares_uuids).then(|| args.iter().map(|arg| self.cast_uuid_to_text(*arg)).collect())
    }

    /// Casts a column of UUIDs to text. Other values remain unchanged.
    pub(in crate::check) fn cast_uuid_to_text(&mut self, id: IrId) -> IrId {
        match self.has_uuids && self.program.is_uuid(id) {
            true => {
                let span = self.program.meta(id).span;
                self.add_scalar_call(internal::UUID_TO_TEXT, &[id], span, "TEXT")
            }
            false => id,
        }
    }

    /// Replaces a call with NULL if the function returns NULL for a NULL argument, because some engines reject an
    /// untyped NULL as an argument.
    #[inline]
    pub(in crate::check) fn fold_null_call(&mut self, operands: &Operands, choice: &CachedOverload) -> Option<IrId> {
        if !(operands.has_null() && matches!(choice.nulls, Nulls::Any | Nulls::Always | Nulls::Error)) {
            return None;
        }
        self.program.has_unused_nodes = true;
        // Keep the level of the operands, because the level determines which expressions become columns.
        let meta = NodeMeta {
            ty: choice.ty,
            nullable: true,
            ..operands.meta
        };
        Some(self.program.add(Ir::Null, meta))
    }

    /// Returns `true` if the denominator of a division is a nonzero literal, so that the division returns NULL only if
    /// its numerator is NULL.
    fn has_nonzero_divisor(&self, id: FunctionId, args: &[IrId]) -> bool {
        let by_number = |id: &IrId| matches!(self.program.node(*id), Ir::Number(_)) && !self.is_zero(*id);
        id == internal::DIVIDE && args.get(1).is_some_and(by_number)
    }
}

fn format_argument_count(count: usize) -> String {
    match count {
        0 => "no argument".to_owned(),
        n => format_count(n, "argument", "arguments"),
    }
}

/// Returns the help for a value of a type that formulas can only copy.
pub(in crate::check) fn help_with_unsupported_type(text: &str) -> String {
    format!("compute `{text}` as text or as a number in an earlier dbt model")
}
