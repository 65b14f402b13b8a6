//! Alternative forms of aggregates, for dialects that do not support the original aggregates. An alternative form is
//! either a window function with a single value per group, or an aggregate of values that depend on each row's position
//! in its group. The planner computes these values in separate strata.

use crate::catalog::{self, Function, FunctionId, ResultType, internal};
use crate::check::calls::overload::ChosenOverload;
use crate::check::lower::Lowerer;
use crate::ir::{GroupWindowKind, Ir, IrId, NodeMeta, WindowFrame};
use crate::span::Span;
use crate::{Level, Type};

/// Set of rows that an alternative form covers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AggregateRows {
    /// Rows of a group, before grouping.
    OfGroup,
    /// Rows of a partition, after grouping.
    OfPartition,
}

/// Properties of a row, such as its position in the group. The properties are computed on demand while an alternative
/// form is built.
struct AggregateRowProperties {
    value: IrId,
    rows: AggregateRows,
    span: Span,
    /// Number of rows in the group with the same value. `None` until the number is first needed.
    repeats: Option<IrId>,
}

impl Lowerer<'_> {
    /// Builds the alternative form of an aggregate for dialects that do not support the aggregate. `None` if the
    /// aggregate has no alternative form.
    pub(in crate::check) fn rewrite_aggregate(
        &mut self,
        function: &'static Function,
        args: crate::ir::PoolRange,
        meta: NodeMeta,
    ) -> Option<IrId> {
        if function.window.is_none() && function.rows.is_none() {
            return None;
        }
        let args = self.program.args(args).to_vec();
        self.program.has_unused_nodes = true;
        if let Some(window) = function.window {
            let row = NodeMeta {
                nullable: true,
                level: Level::Row,
                reads_only_keys: false,
                volatile: false,
                columnless: false,
                ..meta
            };
            let overload = catalog::first_overload(window).id;
            let call = self
                .program
                .add_node_with_args(|args| Ir::Apply { overload, args }, &args, row);
            let value = self.build_group_window(&[call], GroupWindowKind::Value, row);
            return self.aggregate_list(internal::MAX, value, meta);
        }
        let entry = catalog::get(function.rows?);
        let row = self.build_single_row_value(function, entry, &args, AggregateRows::OfGroup, meta.span)?;
        self.aggregate_list(entry.gathered?, row, meta)
    }

    /// Builds the alternative form of an aggregate over an entire partition, for dialects that do not support the call.
    /// The form consists of other window functions.
    pub(in crate::check) fn rewrite_window(&mut self, id: FunctionId, args: &[IrId], meta: NodeMeta) -> Option<IrId> {
        let function = catalog::get(id);
        if !self.scope.strata || (function.rows.is_none() && id != internal::COUNTUNIQUE) {
            return None;
        }
        self.program.has_unused_nodes = true;
        if id == internal::COUNTUNIQUE {
            return self.count_distinct_ranks(*args.first()?, meta);
        }
        let entry = catalog::get(function.rows?);
        let row = self.build_single_row_value(function, entry, args, AggregateRows::OfPartition, meta.span)?;
        let operands = self.summarize_operands(&[row], meta.span);
        let ChosenOverload { args, choice, .. } =
            self.choose_overload(entry.gathered?, &[row], &operands, function.name)?;
        let call = self.program.add(
            Ir::Apply {
                overload: choice.overload,
                args,
            },
            meta,
        );
        Some(self.program.add_window_call(call, WindowFrame::Partition, &[], meta))
    }

    /// Builds the alternative form of an aggregate over a window frame, for dialects that do not support the call. The
    /// form aggregates a list of the frame's values.
    pub(in crate::check) fn rewrite_framed_window(
        &mut self,
        id: FunctionId,
        args: &[IrId],
        over: WindowFrame,
        partition: &[IrId],
        meta: NodeMeta,
    ) -> Option<IrId> {
        let entry = catalog::get(id).of_list.filter(|_| self.scope.strata)?;
        let (value, constants) = args.split_first()?;
        self.program.has_unused_nodes = true;
        let values = self.build_value_list(*value, over, partition, meta);
        Some(self.aggregate_of_list(entry, values, constants, meta))
    }

    /// Builds the aggregate of a list of values.
    pub(in crate::check) fn aggregate_of_list(
        &mut self,
        entry: FunctionId,
        values: IrId,
        constants: &[IrId],
        meta: NodeMeta,
    ) -> IrId {
        let args: Vec<IrId> = std::iter::once(values).chain(constants.iter().copied()).collect();
        let overload = catalog::first_overload(entry);
        let (of_list, id) = (overload.result, overload.id);
        let node = self
            .program
            .add_node_with_args(|args| Ir::Apply { overload: id, args }, &args, meta);
        // Some dialects have lists whose values have no type.
        let of_type = catalog::get(internal::LIST_ITEM)
            .overloads
            .iter()
            .find(|overload| overload.result == ResultType::Is(meta.ty));
        match of_type {
            Some(overload) if of_list == ResultType::Lowered => {
                let overload = overload.id;
                self.program
                    .add_node_with_args(|args| Ir::Apply { overload, args }, &[node], meta)
            }
            _ => node,
        }
    }

    /// Builds the list of the values in a window frame.
    pub(in crate::check) fn build_value_list(
        &mut self,
        value: IrId,
        over: WindowFrame,
        partition: &[IrId],
        meta: NodeMeta,
    ) -> IrId {
        let of_values = NodeMeta {
            ty: Type::Other,
            nullable: true,
            ..meta
        };
        let call = self.build_row_call(internal::LISTED, value, of_values);
        self.program.add_window_call(call, over, partition, of_values)
    }

    fn aggregate_list(&mut self, aggregate: FunctionId, row: IrId, meta: NodeMeta) -> Option<IrId> {
        let operands = self.summarize_operands(&[row], meta.span);
        let ChosenOverload { args, choice, .. } = self.choose_overload(aggregate, &[row], &operands, "")?;
        Some(self.program.add(
            Ir::Aggregate {
                overload: choice.overload,
                args,
                distinct: false,
            },
            meta,
        ))
    }

    /// Builds the value for a single row as a call to the internal function `entry`. Each parameter of `entry` is a
    /// parameter of the aggregate or a named property of the row.
    fn build_single_row_value(
        &mut self,
        function: &Function,
        entry: &'static Function,
        args: &[IrId],
        rows: AggregateRows,
        span: Span,
    ) -> Option<IrId> {
        let own_params = function.overloads.first()?.params;
        let value = *args.first()?;
        let mut row_properties = AggregateRowProperties {
            value,
            rows,
            span,
            repeats: None,
        };
        let mut call_args = self.take_list();
        for param in entry.overloads.first()?.params {
            let given_index = own_params.iter().position(|p| p.name == param.name);
            let arg = match given_index {
                Some(index) => *args.get(index)?,
                None => self.build_row_property(param.name, &mut row_properties)?,
            };
            call_args.push(arg);
        }
        let id = catalog::id_of(entry)?;
        let row = self.add_call(id, &call_args, span);
        self.recycle_list(call_args);
        Some(row)
    }

    /// Builds the window function for a named property of a row.
    fn build_row_property(&mut self, name: &str, row_properties: &mut AggregateRowProperties) -> Option<IrId> {
        let AggregateRowProperties {
            value: x, rows, span, ..
        } = *row_properties;
        let level = if rows == AggregateRows::OfGroup {
            Level::Row
        } else {
            Level::Window
        };
        let keyed = rows == AggregateRows::OfPartition;
        let meta = NodeMeta {
            level,
            reads_only_keys: keyed,
            ..NodeMeta::constant(Type::Integer, span)
        };
        let descending = name == "place_down";
        match (name, rows) {
            ("place" | "place_down", AggregateRows::OfGroup) => {
                let call = self.build_row_call(internal::ROW_NUMBER, x, meta);
                Some(self.build_group_window(&[call], GroupWindowKind::ExpressionPlace { descending }, meta))
            }
            ("place" | "place_down", AggregateRows::OfPartition) => {
                let call = self.build_row_call(internal::ROW_NUMBER, x, meta);
                Some(self.program.add_window_call(
                    call,
                    WindowFrame::Ranked {
                        descending,
                        nulls_apart: false,
                        in_step_partition: true,
                    },
                    &[],
                    meta,
                ))
            }
            ("count", AggregateRows::OfGroup) => {
                let call = self.build_row_call(internal::COUNTA, x, meta);
                Some(self.build_group_window(&[call], GroupWindowKind::Count, meta))
            }
            ("count", AggregateRows::OfPartition) => {
                let call = self.build_row_call(internal::COUNTA, x, meta);
                Some(self.program.add_window_call(call, WindowFrame::Partition, &[], meta))
            }
            ("repeats", AggregateRows::OfGroup) => {
                let call = self.build_row_call(internal::COUNTA, x, meta);
                let same_value = self.add_call(internal::SAME_VALUE, &[x], span);
                row_properties.repeats =
                    Some(self.build_group_window(&[call, same_value], GroupWindowKind::Occurrences, meta));
                row_properties.repeats
            }
            ("repeats", AggregateRows::OfPartition) => {
                let call = self.build_row_call(internal::COUNTA, x, meta);
                row_properties.repeats = Some(self.program.add_window_call(call, WindowFrame::SameValue, &[], meta));
                row_properties.repeats
            }
            ("most", AggregateRows::OfPartition) => {
                let repeats = row_properties
                    .repeats
                    .or_else(|| self.build_row_property("repeats", row_properties))?;
                let call = self.build_row_call(internal::MAX, repeats, meta);
                Some(self.program.add_window_call(call, WindowFrame::Partition, &[], meta))
            }
            ("most", AggregateRows::OfGroup) => {
                let repeats = row_properties
                    .repeats
                    .or_else(|| self.build_row_property("repeats", row_properties))?;
                let call = self.build_row_call(internal::MAX, repeats, meta);
                Some(self.build_group_window(&[call], GroupWindowKind::MaxOccurrences, meta))
            }
            _ => None,
        }
    }

    pub(in crate::check) fn build_row_call(&mut self, entry: FunctionId, x: IrId, meta: NodeMeta) -> IrId {
        let overload = catalog::first_overload(entry).id;
        self.program
            .add_node_with_args(|args| Ir::Apply { overload, args }, &[x], meta)
    }

    fn build_group_window(&mut self, args: &[IrId], role: GroupWindowKind, meta: NodeMeta) -> IrId {
        self.program
            .add_node_with_args(|args| Ir::GroupWindow { args, role }, args, meta)
    }

    /// Builds the number of distinct values as the largest `DENSE_RANK`.
    fn count_distinct_ranks(&mut self, x: IrId, meta: NodeMeta) -> Option<IrId> {
        let is_nullable = self.program.meta(x).nullable;
        let number = NodeMeta {
            ty: Type::Integer,
            nullable: false,
            ..meta
        };
        let call = self.build_row_call(internal::DENSE_RANK, x, number);
        let mut rank = self.program.add_window_call(
            call,
            WindowFrame::Ranked {
                descending: false,
                nulls_apart: false,
                in_step_partition: true,
            },
            &[],
            number,
        );
        if is_nullable {
            let condition = NodeMeta {
                ty: Type::Boolean,
                ..number
            };
            let condition = self.program.add(Ir::IsNull { x, negated: true }, condition);
            rank = self.program.add_node_with_args(
                Ir::Case,
                &[condition, rank],
                NodeMeta {
                    nullable: true,
                    ..number
                },
            );
        }
        let most = NodeMeta {
            nullable: is_nullable,
            ..number
        };
        let call = self.build_row_call(internal::MAX, rank, most);
        let most = self.program.add_window_call(call, WindowFrame::Partition, &[], most);
        if !is_nullable {
            return Some(most);
        }
        let none = self.program.add_integer("0", meta.span);
        Some(self.program.add_node_with_args(Ir::Coalesce, &[most, none], number))
    }
}
