//! Determines from which dates and times the columns of a step are computed, and the distance in time to the other rows
//! on which the step's values depend.

use rustc_hash::{FxHashMap, FxHashSet};

use super::cardinality::JoinConditions;
use super::compile::SpecCompilation;
use super::formulas::StepFormulas;
use super::load::Step;
use super::sources::JoinTarget;
use super::time_tracer::TimeTracer;
use crate::Level;
use crate::check::DefinitionRole;
use crate::ir::{CalendarUnit, IrId};
use crate::plan::{StepInput, StepOutput, StepPlan};
use crate::span::Span;
use crate::sql::JoinKind;

/// Length of time as months, days and seconds. Other units are converted to these units, for example years to months.
/// The days and seconds are subtracted first, then the months.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CalendarDuration {
    pub months: i64,
    pub days: i64,
    pub seconds: i64,
    /// Additional days to subtract if the length is a sum, because months differ in length. For example, subtracting
    /// one month twice from 31 March gives 28 January, but subtracting two months at once gives 31 January.
    pub clamped_days: i64,
}

impl CalendarDuration {
    pub fn new(unit: CalendarUnit, count: i64) -> Self {
        let (length, months) = unit.unit_length();
        let length = length.saturating_mul(count);
        match (months, unit.is_shorter_than_day()) {
            (true, _) => Self {
                months: length,
                ..Self::default()
            },
            (false, true) => Self {
                seconds: length,
                ..Self::default()
            },
            (false, false) => Self {
                days: length / 86_400,
                ..Self::default()
            },
        }
    }

    /// Returns the sum of the lengths. `self` is subtracted first.
    pub fn combine(self, other: Self) -> Self {
        let depends_on_order = self.months != 0 && other != Self::default();
        // The lengths of months differ by at most three days.
        let clamped_days = if depends_on_order { 3 } else { 0 };
        Self {
            months: self.months.saturating_add(other.months),
            days: self.days.saturating_add(other.days),
            seconds: self.seconds.saturating_add(other.seconds),
            clamped_days: self
                .clamped_days
                .saturating_add(other.clamped_days)
                .saturating_add(clamped_days),
        }
    }

    /// Returns a length that is at least as long as both lengths.
    pub fn longer(self, other: Self) -> Self {
        Self {
            months: self.months.max(other.months),
            days: self.days.max(other.days),
            seconds: self.seconds.max(other.seconds),
            clamped_days: self.clamped_days.max(other.clamped_days),
        }
    }
}

/// Value from which a time is computed, before truncation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TimeSource {
    /// Column of the step's input: the index of its relation, and its lower-case name.
    Column(usize, String),
    /// Another value computed from an input row, identified by the value's formula.
    Value(String),
}

/// Column or key as a time: the value before truncation, and the calendar unit to which it is truncated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TruncatedValue {
    pub base: TimeSource,
    pub unit: Option<CalendarUnit>,
}

/// Output column of a step.
#[derive(Clone, Debug)]
pub(super) struct OutputColumnSource {
    pub key: TruncatedValue,
    /// Whether there is one value per input row or group.
    pub of_rows: bool,
    pub span: Span,
}

/// Dependency of a value on rows other than its own row or group.
#[derive(Clone, Debug)]
pub(super) enum CrossRowDependency {
    /// All rows with equal values in the columns `partition_keys`. The values in these rows may themselves depend on
    /// rows that are earlier or later by up to the lengths in `inner`.
    Window {
        span: Span,
        partition_keys: Vec<TruncatedValue>,
        inner: (CalendarDuration, CalendarDuration),
    },
    /// Rows that are up to `back` earlier or up to `forward` later than the value's own row, according to this key.
    Period {
        span: Span,
        key: Option<TruncatedValue>,
        back: CalendarDuration,
        forward: CalendarDuration,
    },
    /// Rows of an earlier step. `equal` lists pairs of equal columns: a key in this step, and a column in the earlier
    /// step.
    Joined {
        span: Span,
        step: usize,
        equal: Vec<(TruncatedValue, String)>,
    },
    /// Filter on values that late rows may change, so that a row in the table may no longer satisfy the filter.
    Filter { span: Span },
    /// Rows from any time. `why` states the reason in messages.
    Unbounded { span: Span, why: &'static str },
}

/// Time columns of a step, and the distance in time to the other rows on which the step's values depend.
#[derive(Clone, Debug, Default)]
pub(super) struct StepTimeColumns {
    /// Origins of the output columns, by lower-case column name.
    pub source_by_column: FxHashMap<String, OutputColumnSource>,
    pub cross_row_dependencies: Vec<CrossRowDependency>,
    /// Lower-case names of columns whose values depend only on a single input row, and therefore do not change when
    /// other rows change.
    pub row_level: FxHashSet<String>,
    /// Whether the step passes on undeclared columns.
    pub has_undeclared_columns: bool,
}

impl SpecCompilation<'_> {
    /// Returns the time columns of a step in an incremental model, and the distance in time to the other rows on which
    /// the step's values depend.
    pub(super) fn step_time_columns(
        &self,
        step: &Step<'_>,
        index: usize,
        (plan, input): (&StepPlan<'_>, &StepInput<'_>),
        output: &StepOutput,
        formulas: &StepFormulas<'_>,
    ) -> StepTimeColumns {
        let in_file = |span| formulas.to_file_span(span);
        let times = TimeTracer {
            plan,
            input,
            text: &formulas.text,
            in_file: &in_file,
        };
        let mut step_time_columns = StepTimeColumns {
            source_by_column: times.output_column_sources(step, output),
            has_undeclared_columns: output.open,
            ..StepTimeColumns::default()
        };
        step_time_columns.cross_row_dependencies = times.cross_row_dependencies(step);
        self.record_effects_of_late_rows(step, index, &times, output, &mut step_time_columns);
        self.record_joined_step_reads(step, index, &times, &mut step_time_columns.cross_row_dependencies);
        if step.limit.is_some() {
            step_time_columns
                .cross_row_dependencies
                .push(CrossRowDependency::Unbounded {
                    span: step.limit_span,
                    why: "`limit` selects among all rows",
                });
        }
        step_time_columns
    }

    /// Records the values that late rows do not change, and the filters on values that late rows may change.
    fn record_effects_of_late_rows(
        &self,
        step: &Step<'_>,
        position: usize,
        times: &TimeTracer<'_>,
        output: &StepOutput,
        step_time_columns: &mut StepTimeColumns,
    ) {
        let of_step = |step_index: usize, name: &str| {
            self.times
                .get(step_index)
                .is_none_or(|step| step.has_undeclared_columns || step.row_level.contains(name))
        };
        let of_column = |(input_index, name): (usize, String)| match input_index
            .checked_sub(1)
            .and_then(|join_index| step.joins.get(join_index))
        {
            Some(join) => match self.sources.resolve_join_target(self.spec, position, &join.to) {
                JoinTarget::Step(step_index) => of_step(step_index, &name),
                JoinTarget::Source(_) | JoinTarget::Later => true,
            },
            None => position.checked_sub(1).is_none_or(|before| of_step(before, &name)),
        };
        let program = times.program();
        let is_settled = |root: IrId| {
            let meta = program.meta(root);
            meta.level <= Level::Row && !meta.volatile && times.input_columns(root).into_iter().all(of_column)
        };
        let mut defined = FxHashSet::default();
        // `non_additive` metrics keep the first or last rows of each group, so no group disappears.
        let keeps_groups = times.plan.grouped && self.generated_from.last_row_steps.contains(times.input.name);
        for (index, definition) in program.definitions.iter().enumerate().filter(|(_, d)| !d.failed) {
            let role = times.plan.roles.try_get(index);
            let condition = match role {
                Some(DefinitionRole::Where) => !keeps_groups,
                Some(DefinitionRole::Having) => true,
                Some(DefinitionRole::On(join)) => step
                    .joins
                    .get(*join as usize)
                    .is_some_and(|join| join.kind == JoinKind::Inner),
                _ => false,
            };
            let settled = is_settled(definition.root);
            if condition && !settled {
                step_time_columns
                    .cross_row_dependencies
                    .push(CrossRowDependency::Filter {
                        span: (times.in_file)(definition.span),
                    });
            }
            if let Some(name) = times.output_column(index) {
                step_time_columns.row_level.extend(settled.then(|| name.clone()));
                defined.insert(name);
            }
        }
        for column in output.relation.columns() {
            let name = column.name().to_lowercase();
            let is_stable =
                step_time_columns
                    .source_by_column
                    .get(&name)
                    .is_some_and(|time_value| match &time_value.key.base {
                        TimeSource::Column(input_index, name) => of_column((*input_index, name.clone())),
                        TimeSource::Value(_) => false,
                    });
            if is_stable && !defined.contains(&name) {
                step_time_columns.row_level.insert(name);
            }
        }
    }

    fn record_joined_step_reads(
        &self,
        step: &Step<'_>,
        position: usize,
        times: &TimeTracer<'_>,
        cross_row_dependencies: &mut Vec<CrossRowDependency>,
    ) {
        let conditions = JoinConditions::from_plan(times.plan);
        for (index, join) in step.joins.iter().enumerate() {
            if let JoinTarget::Step(step_index) = self.sources.resolve_join_target(self.spec, position, &join.to) {
                let equal = conditions
                    .join_condition(index)
                    .map(|root| times.equated_columns(root, index + 1))
                    .unwrap_or_default();
                cross_row_dependencies.push(CrossRowDependency::Joined {
                    span: join.to_text.node.span,
                    step: step_index,
                    equal,
                });
            }
        }
    }
}
