//! Determines from which dates and times the values of a step are computed, and the distance in time to the other rows
//! on which these values depend.

use rustc_hash::FxHashMap;

use super::lineage::output_column;
use super::load::{ColumnProjection, Step};
use super::lookback::is_nested;
use super::time_range::{CalendarDuration, CrossRowDependency, OutputColumnSource, TimeSource, TruncatedValue};
use crate::Level;
use crate::catalog::{internal, overload_owner};
use crate::check::{
    DefinitionRole, constant_period, date_part, find_sort_key_to_shift, is_recurring, split_truncation,
};
use crate::ir::{CalendarRange, CalendarRangeEnd, CalendarUnit, Ir, IrId, PeriodBoundary, Program, WindowFrame};
use crate::plan::{StepInput, StepOutput, StepPlan, used_definitions};
use crate::schema::Column;
use crate::span::Span;
use crate::sql::SelectSource;

/// Planned step whose dates and times are traced.
pub(super) struct TimeTracer<'t> {
    pub plan: &'t StepPlan<'t>,
    pub input: &'t StepInput<'t>,
    /// Source text of the step's formulas.
    pub text: &'t str,
    pub in_file: &'t dyn Fn(Span) -> Span,
}

impl TimeTracer<'_> {
    pub fn program(&self) -> &Program {
        self.plan.program
    }

    fn truncated_value(&self, id: IrId) -> TruncatedValue {
        let (mut operand, unit) = split_truncation(self.program(), id);
        // Skip finer truncations, because the month of a day is also the month of the time itself.
        while let (inner, Some(finer)) = split_truncation(self.program(), operand)
            && unit.is_some_and(|unit| is_nested(finer, unit))
        {
            operand = inner;
        }
        TruncatedValue {
            base: self.time_source(operand),
            unit,
        }
    }

    /// Returns a window's partition key as a time. The key may be a longer period of the date in the step's sort key,
    /// such as the month or the fiscal year of a week. In this case, the function returns the time of the sort key,
    /// because all rows of a partition are within one such period.
    fn partition_period(&self, id: IrId, order: &[IrId]) -> TruncatedValue {
        let program = self.program();
        let of_sort_key = || {
            let sorted = find_sort_key_to_shift(program, order.iter().copied())?;
            let (part, of_key) = (date_part(program, id)?, date_part(program, sorted)?);
            let timeframe = part
                .timeframe
                .filter(|name| part.date == of_key.date && !is_recurring(name))?;
            Some(TruncatedValue {
                base: self.truncated_value(sorted).base,
                unit: Some(constant_period(timeframe)?.unit()),
            })
        };
        of_sort_key().unwrap_or_else(|| self.truncated_value(id))
    }

    fn time_source(&self, time_id: IrId) -> TimeSource {
        let program = self.program();
        if let Some((relation, name)) = self.time_column(time_id) {
            return TimeSource::Column(relation, name);
        }
        // A value that depends on a single column is identified by its formula.
        let (mut id, mut signature) = (time_id, String::new());
        while let Ir::Apply { overload, args } = program.node(id)
            && let Some((first, rest)) = program.args(args).split_first()
            && rest
                .iter()
                .all(|arg| matches!(program.node(*arg), Ir::Text(_) | Ir::Number(_)))
        {
            signature.push_str(&format!("{overload:?}"));
            for arg in rest {
                if let Ir::Text(text) | Ir::Number(text) = program.node(*arg) {
                    signature.push_str(&format!(" {}", program.text(text)));
                }
            }
            id = program.resolve_references(*first);
        }
        match self.time_column(id) {
            Some(column) => TimeSource::Value(format!("{signature} of {column:?}")),
            None => TimeSource::Value(format!("{time_id:?}")),
        }
    }

    /// Returns the index of the relation and the lower-case name, if a value is an input column.
    fn time_column(&self, id: IrId) -> Option<(usize, String)> {
        let Ir::Column(column) = self.program().node(id) else {
            return None;
        };
        let time_column = self
            .program()
            .columns
            .try_get(column as usize)
            .filter(|input_column| input_column.merged.is_empty())?;
        let index = match self.input.joined {
            Some(joined) => joined.position(time_column.relation.as_deref()?)?,
            None => 0,
        };
        Some((index, time_column.name.to_lowercase()))
    }

    /// Returns the input columns on which a value depends.
    pub fn input_columns(&self, root: IrId) -> Vec<(usize, String)> {
        let nodes = self.program().dependencies(root);
        nodes.filter_map(|id| self.time_column(id)).collect()
    }

    /// Returns the lower-case name of the column that a definition or key produces, if any.
    pub fn output_column(&self, index: usize) -> Option<String> {
        output_column(self.plan, index, self.text).map(|name| name.to_lowercase())
    }

    pub fn output_column_sources(&self, step: &Step<'_>, output: &StepOutput) -> FxHashMap<String, OutputColumnSource> {
        let program = self.program();
        let mut time_values = FxHashMap::default();
        // A kept column originates from the input column with the same name, unless a computed column has that name.
        let place_of = |name: &str| match self.input.joined {
            Some(joined) => joined
                .relations
                .iter()
                .position(|r| r.column(name).is_some() || r.is_open()),
            None => Some(0),
        };
        let kept_value = |column: &Column| {
            let name = column.name().to_lowercase();
            let key = TruncatedValue {
                base: TimeSource::Column(place_of(&name)?, name.clone()),
                unit: None,
            };
            Some((
                name,
                OutputColumnSource {
                    key,
                    of_rows: true,
                    span: step.keep_span,
                },
            ))
        };
        if !matches!(step.keep, ColumnProjection::Nothing) {
            time_values.extend(output.relation.columns().iter().filter_map(kept_value));
            if let (ColumnProjection::Columns(names), Some(joined)) = (&step.keep, self.input.joined) {
                for name in names {
                    let Some((relation, column)) = name.text.split_once('.') else {
                        continue;
                    };
                    if let (Some(position), Some(time_value)) =
                        (joined.position(relation), time_values.get_mut(&column.to_lowercase()))
                    {
                        time_value.key.base = TimeSource::Column(position, column.to_lowercase());
                    }
                }
            }
        }
        for (index, definition) in program.definitions.iter().enumerate().filter(|(_, d)| !d.failed) {
            let Some(name) = self.output_column(index) else {
                continue;
            };
            let meta = program.meta(definition.root);
            let of_rows = meta.level <= Level::Row && !meta.volatile;
            let span = (self.in_file)(definition.span);
            time_values.insert(
                name,
                OutputColumnSource {
                    key: self.truncated_value(definition.root),
                    of_rows,
                    span,
                },
            );
        }
        time_values
    }

    pub fn cross_row_dependencies(&self, step: &Step<'_>) -> Vec<CrossRowDependency> {
        let (program, plan) = (self.program(), self.plan);
        let roots = |role: DefinitionRole| -> Vec<IrId> { plan.roots_with_role(role).collect() };
        let (order, groups, ids) = (
            roots(DefinitionRole::OrderBy),
            roots(DefinitionRole::GroupBy),
            roots(DefinitionRole::PartitionBy),
        );
        let is_same_value = |first_key: IrId, other: IrId| {
            program.resolve_references(first_key) == program.resolve_references(other)
                || self.is_same_key(first_key, other)
        };
        let by_default: Vec<IrId> = match step.partition_by {
            Some(_) => ids.clone(),
            None if order.is_empty() => Vec::new(),
            None => groups
                .iter()
                .copied()
                .filter(|key| !order.iter().any(|o| is_same_value(*key, *o)))
                .collect(),
        };
        let mut dependencies = Vec::new();
        let mut lengths: FxHashMap<IrId, (CalendarDuration, CalendarDuration)> = FxHashMap::default();
        let live = used_definitions(plan);
        for index in &program.order {
            let Some(definition) = program.definitions.try_get(*index as usize) else {
                continue;
            };
            if definition.failed || live.try_get(*index as usize) != Some(&true) {
                continue;
            }
            for id in (definition.first.0..=definition.root.0).map(IrId) {
                let span = (self.in_file)(program.meta(id).span);
                let inner = self.operand_time_distances(id, &lengths);
                self.record_time_distances(id, inner, &mut lengths);
                match program.node(id) {
                    Ir::Window { over, .. } => match program.window_frame(over) {
                        WindowFrame::Across(_) | WindowFrame::PivotColumns => {}
                        WindowFrame::Calendar(range) if calendar_range_distances(range).is_some() => {
                            dependencies.extend(self.bounded_cross_row_dependency(id, &order, &lengths));
                        }
                        over_rows => {
                            let keys = match over_rows {
                                WindowFrame::Ranked {
                                    in_step_partition: false,
                                    ..
                                } => &ids,
                                _ => &by_default,
                            };
                            let window_keys = program.window_keys(over);
                            let partition_keys = match (over_rows, window_keys.split_last()) {
                                (WindowFrame::Ahead { .. }, Some((_, partition_keys))) => partition_keys,
                                (WindowFrame::Calendar(range), Some((_, partition_keys))) if range.is_sorted() => {
                                    partition_keys
                                }
                                _ => window_keys,
                            };
                            let periods = partition_keys.iter().map(|key| self.partition_period(*key, &order));
                            let partition_keys = keys
                                .iter()
                                .map(|key| self.truncated_value(*key))
                                .chain(periods)
                                .collect();
                            dependencies.push(CrossRowDependency::Window {
                                span,
                                partition_keys,
                                inner,
                            });
                        }
                    },
                    Ir::RowLookup { lookup, .. } => {
                        let tab = program.lookups.try_get(lookup as usize).and_then(|lookup| lookup.tab);
                        let tab = tab.map(|tab| program.resolve_source_column(tab, 0).0);
                        let why = match tab
                            .and_then(|tab| self.input.tabs.get(tab as usize))
                            .map(|tab| &tab.source)
                        {
                            Some(SelectSource::Input(_)) => continue,
                            Some(SelectSource::Name(_)) => "it reads the rows of an earlier step",
                            None => "it reads all rows of the sheet",
                        };
                        dependencies.push(CrossRowDependency::Unbounded { span, why });
                    }
                    Ir::PeriodLookup { .. } => {
                        dependencies.extend(self.bounded_cross_row_dependency(id, &order, &lengths));
                    }
                    _ => {}
                }
            }
        }
        dependencies
    }

    /// Returns the other rows on which a value depends, if all of them are within a limited distance from its own row.
    fn bounded_cross_row_dependency(
        &self,
        id: IrId,
        order: &[IrId],
        lengths: &FxHashMap<IrId, (CalendarDuration, CalendarDuration)>,
    ) -> Option<CrossRowDependency> {
        let program = self.program();
        let (back, forth) = *lengths.get(&id)?;
        let key = find_sort_key_to_shift(program, order.iter().copied()).map(|key| self.truncated_value(key));
        let span = (self.in_file)(program.meta(id).span);
        Some(CrossRowDependency::Period {
            span,
            key,
            back,
            forward: forth,
        })
    }

    /// Returns the maximum distances in time to the earlier and later rows on which the operands of a value depend.
    fn operand_time_distances(
        &self,
        id: IrId,
        lengths: &FxHashMap<IrId, (CalendarDuration, CalendarDuration)>,
    ) -> (CalendarDuration, CalendarDuration) {
        let program = self.program();
        let lengths_of = |id: IrId| lengths.get(&id).copied().unwrap_or_default();
        match program.node(id) {
            Ir::Definition(definition_index) => program
                .definitions
                .try_get(definition_index as usize)
                .map(|d| lengths_of(d.root))
                .unwrap_or_default(),
            _ => program
                .operands(id)
                .map(lengths_of)
                .fold(Default::default(), max_time_distances),
        }
    }

    /// Records the maximum distances in time to the earlier and later rows on which a value depends. `inner` contains
    /// the lengths for its operands.
    fn record_time_distances(
        &self,
        id: IrId,
        inner: (CalendarDuration, CalendarDuration),
        lengths: &mut FxHashMap<IrId, (CalendarDuration, CalendarDuration)>,
    ) {
        let program = self.program();
        let own_lengths = match program.node(id) {
            Ir::PeriodLookup { period, .. } => program
                .periods
                .try_get(period as usize)
                .map(|p| shift_distances(p.count, p.unit)),
            Ir::Window { over, .. } => match program.window_frame(over) {
                WindowFrame::Calendar(range) => calendar_range_distances(range),
                _ => None,
            },
            _ => None,
        };
        let (back, forth) = own_lengths.unwrap_or_default();
        let total_lengths = (back.combine(inner.0), inner.1.combine(forth));
        if total_lengths != Default::default() || own_lengths.is_some() {
            lengths.insert(id, total_lengths);
        }
    }

    /// Returns whether two keys are the same column, truncated to the same calendar unit.
    fn is_same_key(&self, first_key: IrId, other: IrId) -> bool {
        self.truncated_value(first_key) == self.truncated_value(other)
    }

    /// Returns pairs that a condition requires to be equal. Each pair consists of a value in the step and a column of
    /// the joined relation at this index.
    pub fn equated_columns(&self, root: IrId, index: usize) -> Vec<(TruncatedValue, String)> {
        let program = self.program();
        let mut pairs = Vec::new();
        let mut stack = vec![root];
        while let Some(id) = stack.pop() {
            match program.node(id) {
                Ir::And(args) => stack.extend(program.args(args)),
                Ir::Apply { overload, args } if overload_owner(overload) == internal::EQUAL => {
                    let [a, b] = program.args(args) else { continue };
                    for (step_value, ir_id) in [(*a, *b), (*b, *a)] {
                        if let (TimeSource::Column(relation_index, name), true) = (self.time_source(ir_id), index > 0)
                            && relation_index == index
                        {
                            pairs.push((self.truncated_value(step_value), name));
                        }
                    }
                }
                _ => {}
            }
        }
        pairs
    }
}

fn max_time_distances(
    first_lengths: (CalendarDuration, CalendarDuration),
    other: (CalendarDuration, CalendarDuration),
) -> (CalendarDuration, CalendarDuration) {
    (first_lengths.0.longer(other.0), first_lengths.1.longer(other.1))
}

/// Returns the maximum lengths of time by which a shift by a number of calendar units leads back and ahead.
pub(super) fn shift_distances(count: i64, unit: CalendarUnit) -> (CalendarDuration, CalendarDuration) {
    let length = CalendarDuration::new(unit, count.saturating_abs());
    match count < 0 {
        true => (length, CalendarDuration::default()),
        false => (CalendarDuration::default(), length),
    }
}

/// Returns how far back and ahead in time a calendar range extends. `None` if the range begins or ends at an end of the
/// partition.
pub(super) fn calendar_range_distances(range: CalendarRange) -> Option<(CalendarDuration, CalendarDuration)> {
    let of_end = |end: CalendarRangeEnd| match end {
        CalendarRangeEnd::Partition(_) => None,
        CalendarRangeEnd::Period(period, PeriodBoundary::Start) => Some(shift_distances(-1, period.unit())),
        CalendarRangeEnd::Period(period, PeriodBoundary::End) => Some(shift_distances(1, period.unit())),
        CalendarRangeEnd::Moved(count, unit) => Some(shift_distances(count, unit)),
        CalendarRangeEnd::After => Some(Default::default()),
    };
    Some(max_time_distances(of_end(range.from)?, of_end(range.to)?))
}
