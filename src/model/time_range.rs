//! Times in a step's rows: which columns are times, and how far back or ahead in time the step's values read.

use rustc_hash::{FxHashMap, FxHashSet};

use super::cardinality::JoinConditions;
use super::compile::SpecCompilation;
use super::formulas::StepFormulas;
use super::load::{KeptColumns, Step};
use super::sources::JoinTarget;
use crate::Level;
use crate::check::{DefinitionRole, find_sort_key_to_shift};
use crate::ir::{CalendarUnit, Ir, IrId, Program, WindowFrame};
use crate::plan::{StepInput, StepOutput, StepPlan, key_name, split_truncation, used_definitions};
use crate::schema::Column;
use crate::span::Span;
use crate::sql::{JoinKind, SelectSource};

/// Length of time as months, days and seconds. Other units are converted to these units, for example years to months.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TimeLength {
    pub months: i64,
    pub days: i64,
    pub seconds: i64,
}

impl TimeLength {
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

    pub fn combine(self, other: Self) -> Self {
        Self {
            months: self.months.saturating_add(other.months),
            days: self.days.saturating_add(other.days),
            seconds: self.seconds.saturating_add(other.seconds),
        }
    }

    /// Returns a length that is at least as long as both lengths.
    pub fn longer(self, other: Self) -> Self {
        Self {
            months: self.months.max(other.months),
            days: self.days.max(other.days),
            seconds: self.seconds.max(other.seconds),
        }
    }
}

/// Origin of a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TimeOrigin {
    /// Column of the step's input: the index of its relation, and its lower-case name.
    Column(usize, String),
    /// Another value computed from an input row, identified by the value's formula.
    Value(String),
}

/// Column or key that is a time.
#[derive(Clone, Debug)]
pub(super) struct TimeKey {
    pub base: TimeOrigin,
    pub unit: Option<CalendarUnit>,
}

/// Output column of a step.
#[derive(Clone, Debug)]
pub(super) struct TimeValue {
    pub key: TimeKey,
    /// Whether there is one value per input row or group.
    pub of_rows: bool,
    pub span: Span,
}

/// Value that reads rows other than its own row or group.
#[derive(Clone, Debug)]
pub(super) enum CrossRowRead {
    /// All rows with equal values in these columns.
    Window { span: Span, parted_by: Vec<TimeKey> },
    /// Rows that are up to `back` earlier or up to `forth` later than the value's own row, according to this key.
    Period {
        span: Span,
        key: Option<TimeKey>,
        back: TimeLength,
        forth: TimeLength,
    },
    /// Rows of an earlier step. `equal` lists pairs of equal columns: a key in this step, and a column in the earlier
    /// step.
    Joined {
        span: Span,
        step: usize,
        equal: Vec<(TimeKey, String)>,
    },
    /// Filter on values that late rows may change, so that a row in the table may no longer satisfy the filter.
    Filter { span: Span },
    /// Rows from any time. `why` states the reason in messages.
    Unbounded { span: Span, why: &'static str },
}

/// Time columns of a step, and how far back or ahead its values read.
#[derive(Clone, Debug, Default)]
pub(super) struct StepTimes {
    /// Times by lower-case column name.
    pub made: FxHashMap<String, TimeValue>,
    pub looks: Vec<CrossRowRead>,
    /// Lower-case names of columns whose values depend only on a single input row, and therefore do not change when
    /// other rows change.
    pub settled: FxHashSet<String>,
    /// Whether the step passes on undeclared columns.
    pub open: bool,
}

impl SpecCompilation<'_> {
    /// Returns the times of a step in an incremental model.
    pub(super) fn step_times(
        &self,
        step: &Step<'_>,
        place: usize,
        (plan, input): (&StepPlan<'_>, &StepInput<'_>),
        output: &StepOutput,
        formulas: &StepFormulas,
    ) -> StepTimes {
        let in_file = |span| formulas.to_file_span(span);
        let times = Times {
            plan,
            input,
            text: &formulas.text,
            in_file: &in_file,
        };
        let mut found = StepTimes {
            made: times.time_values(step, output),
            open: output.open,
            ..StepTimes::default()
        };
        found.looks = times.cross_row_reads(step);
        self.record_effects_of_late_rows(step, place, &times, output, &mut found);
        self.record_joined_steps(step, place, &times, &mut found.looks);
        if step.limit.is_some() {
            found.looks.push(CrossRowRead::Unbounded {
                span: step.limit_span,
                why: "`limit` selects among all rows",
            });
        }
        found
    }

    /// Records the values that late rows do not change, and the filters on values that late rows may change.
    fn record_effects_of_late_rows(
        &self,
        step: &Step<'_>,
        place: usize,
        times: &Times<'_>,
        output: &StepOutput,
        found: &mut StepTimes,
    ) {
        let of_step = |at: usize, name: &str| {
            self.times
                .get(at)
                .is_none_or(|step| step.open || step.settled.contains(name))
        };
        let of_column = |(at, name): (usize, String)| match at.checked_sub(1).and_then(|at| step.joins.get(at)) {
            Some(join) => match self.sources.resolve_join_target(self.spec, place, &join.to) {
                JoinTarget::Step(of) => of_step(of, &name),
                JoinTarget::Source(_) | JoinTarget::Later => true,
            },
            None => place.checked_sub(1).is_none_or(|before| of_step(before, &name)),
        };
        let program = times.program();
        let is_settled = |root: IrId| {
            let meta = program.meta(root);
            meta.level <= Level::Row && !meta.volatile && times.input_columns(root).into_iter().all(of_column)
        };
        let mut defined = FxHashSet::default();
        for (index, definition) in program.definitions.iter().enumerate().filter(|(_, d)| !d.failed) {
            let role = times.plan.roles.get(index);
            let condition = match role {
                Some(DefinitionRole::Where | DefinitionRole::Having) => true,
                Some(DefinitionRole::On(join)) => step
                    .joins
                    .get(*join as usize)
                    .is_some_and(|join| join.kind == JoinKind::Inner),
                _ => false,
            };
            let settled = is_settled(definition.root);
            if condition && !settled {
                found.looks.push(CrossRowRead::Filter {
                    span: (times.in_file)(definition.span),
                });
            }
            if let Some(name) = times.output_column(index) {
                found.settled.extend(settled.then(|| name.clone()));
                defined.insert(name);
            }
        }
        for column in output.relation.columns() {
            let name = column.name().to_lowercase();
            let kept = found.made.get(&name).is_some_and(|made| match &made.key.base {
                TimeOrigin::Column(at, name) => of_column((*at, name.clone())),
                TimeOrigin::Value(_) => false,
            });
            if kept && !defined.contains(&name) {
                found.settled.insert(name);
            }
        }
    }

    fn record_joined_steps(&self, step: &Step<'_>, place: usize, times: &Times<'_>, looks: &mut Vec<CrossRowRead>) {
        let conditions = JoinConditions::from_plan(times.plan);
        for (index, join) in step.joins.iter().enumerate() {
            if let JoinTarget::Step(of) = self.sources.resolve_join_target(self.spec, place, &join.to) {
                let equal = conditions
                    .join_condition(index)
                    .map(|root| times.equal_values(root, index + 1))
                    .unwrap_or_default();
                looks.push(CrossRowRead::Joined {
                    span: join.to_text.node.span,
                    step: of,
                    equal,
                });
            }
        }
    }
}

struct Times<'t> {
    plan: &'t StepPlan<'t>,
    input: &'t StepInput<'t>,
    /// Source text of the step's formulas.
    text: &'t str,
    in_file: &'t dyn Fn(Span) -> Span,
}

impl Times<'_> {
    fn program(&self) -> &Program {
        self.plan.program
    }

    fn time_key(&self, id: IrId) -> TimeKey {
        let (of, unit) = split_truncation(self.program(), id);
        TimeKey {
            base: self.time_origin(of),
            unit,
        }
    }

    fn time_origin(&self, of: IrId) -> TimeOrigin {
        let program = self.program();
        if let Some((place, name)) = self.time_column(of) {
            return TimeOrigin::Column(place, name);
        }
        // A value that depends on a single column is identified by its formula.
        let (mut id, mut told) = (of, String::new());
        while let Ir::Apply { overload, args } = program.node(id)
            && let Some((first, rest)) = program.args(args).split_first()
            && rest
                .iter()
                .all(|arg| matches!(program.node(*arg), Ir::Text(_) | Ir::Number(_)))
        {
            told.push_str(&format!("{overload:?}"));
            for arg in rest {
                if let Ir::Text(text) | Ir::Number(text) = program.node(*arg) {
                    told.push_str(&format!(" {}", program.text(text)));
                }
            }
            id = program.resolve_names(*first);
        }
        match self.time_column(id) {
            Some(column) => TimeOrigin::Value(format!("{told} of {column:?}")),
            None => TimeOrigin::Value(format!("{of:?}")),
        }
    }

    /// Returns the index of the relation and the lower-case name, if a value is an input column.
    fn time_column(&self, id: IrId) -> Option<(usize, String)> {
        let Ir::Column(column) = self.program().node(id) else {
            return None;
        };
        let used = self
            .program()
            .columns
            .get(column as usize)
            .filter(|used| used.merged.is_empty())?;
        let place = match self.input.joined {
            Some(joined) => joined.position(used.relation.as_deref()?)?,
            None => 0,
        };
        Some((place, used.name.to_lowercase()))
    }

    /// Returns the input columns on which a value depends.
    fn input_columns(&self, root: IrId) -> Vec<(usize, String)> {
        let program = self.program();
        let (mut columns, mut seen, mut stack) = (Vec::new(), FxHashSet::default(), vec![root]);
        while let Some(id) = stack.pop() {
            if !seen.insert(id) {
                continue;
            }
            match program.node(id) {
                Ir::Definition(used) => stack.extend(program.definitions.get(used as usize).map(|d| d.root)),
                Ir::Column(_) => columns.extend(self.time_column(id)),
                _ => stack.extend(program.operands(id)),
            }
        }
        columns
    }

    /// Returns the lower-case name of the column that a definition or key produces, if any.
    fn output_column(&self, index: usize) -> Option<String> {
        let program = self.program();
        let definition = program.definitions.get(index)?;
        let name = match (self.plan.roles.get(index)?, program.node(definition.root)) {
            (DefinitionRole::GroupBy, Ir::Column(column)) => program.columns.get(column as usize)?.name.to_lowercase(),
            // The key is a definition, which produces the column itself.
            (DefinitionRole::GroupBy, Ir::Definition(_)) => return None,
            // The name of a timeframe is derived from its notation.
            (DefinitionRole::GroupBy, _) => key_name(definition.span.text(self.text)).to_lowercase(),
            (DefinitionRole::Definitions, _) if self.plan.outputs.get(index) == Some(&true) => {
                definition.name.as_deref()?.to_lowercase()
            }
            _ => return None,
        };
        Some(name)
    }

    fn time_values(&self, step: &Step<'_>, output: &StepOutput) -> FxHashMap<String, TimeValue> {
        let program = self.program();
        let mut made = FxHashMap::default();
        // Kept columns have the times of the input, unless a computed column has the same name.
        let place_of = |name: &str| match self.input.joined {
            Some(joined) => joined
                .relations
                .iter()
                .position(|r| r.column(name).is_some() || r.is_open()),
            None => Some(0),
        };
        let kept = |column: &Column| {
            let name = column.name().to_lowercase();
            let key = TimeKey {
                base: TimeOrigin::Column(place_of(&name)?, name.clone()),
                unit: None,
            };
            Some((
                name,
                TimeValue {
                    key,
                    of_rows: true,
                    span: step.keep_span,
                },
            ))
        };
        if !matches!(step.keep, KeptColumns::Nothing) {
            made.extend(output.relation.columns().iter().filter_map(kept));
            if let (KeptColumns::Columns(names), Some(joined)) = (&step.keep, self.input.joined) {
                for name in names {
                    let Some((relation, column)) = name.text.split_once('.') else {
                        continue;
                    };
                    if let (Some(place), Some(made)) = (joined.position(relation), made.get_mut(&column.to_lowercase()))
                    {
                        made.key.base = TimeOrigin::Column(place, column.to_lowercase());
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
            made.insert(
                name,
                TimeValue {
                    key: self.time_key(definition.root),
                    of_rows,
                    span,
                },
            );
        }
        made
    }

    fn cross_row_reads(&self, step: &Step<'_>) -> Vec<CrossRowRead> {
        let (program, plan) = (self.program(), self.plan);
        let people_with_role = |role: DefinitionRole| -> Vec<IrId> {
            let definitions = program.definitions.iter().zip(&plan.roles);
            definitions
                .filter(|(d, own)| **own == role && !d.failed)
                .map(|(d, _)| d.root)
                .collect()
        };
        let (order, groups, said) = (
            people_with_role(DefinitionRole::OrderBy),
            people_with_role(DefinitionRole::GroupBy),
            people_with_role(DefinitionRole::PartitionBy),
        );
        let same = |one: IrId, other: IrId| {
            program.resolve_names(one) == program.resolve_names(other) || self.is_same(one, other)
        };
        let by_default: Vec<IrId> = match step.partition_by {
            Some(_) => said.clone(),
            None if order.is_empty() => Vec::new(),
            None => groups
                .iter()
                .copied()
                .filter(|key| !order.iter().any(|o| same(*key, *o)))
                .collect(),
        };
        let mut looks = Vec::new();
        let mut lengths: FxHashMap<IrId, (TimeLength, TimeLength)> = FxHashMap::default();
        let live = used_definitions(plan);
        for index in &program.order {
            let Some(definition) = program.definitions.get(*index as usize) else {
                continue;
            };
            if definition.failed || live.get(*index as usize) != Some(&true) {
                continue;
            }
            for id in (definition.first.0..=definition.root.0).map(IrId) {
                let span = (self.in_file)(program.meta(id).span);
                match program.node(id) {
                    Ir::Window { over, .. } => match program.window_frame(over) {
                        WindowFrame::Across(_) | WindowFrame::PivotColumns => {}
                        over_rows => {
                            let keys = match over_rows {
                                WindowFrame::Ranked { within: false, .. } => &said,
                                _ => &by_default,
                            };
                            let parted_by = program.partition_keys(over);
                            let parted_by = match (over_rows, parted_by.split_last()) {
                                (WindowFrame::Ahead { .. }, Some((_, parted_by))) => parted_by,
                                (WindowFrame::Calendar(range), Some((_, parted_by))) if range.is_sorted() => parted_by,
                                _ => parted_by,
                            };
                            let keys = keys.iter().chain(parted_by).map(|key| self.time_key(*key)).collect();
                            looks.push(CrossRowRead::Window { span, parted_by: keys });
                        }
                    },
                    Ir::RowLookup { find, .. } => {
                        let tab = program.finds.get(find as usize).and_then(|find| find.tab);
                        let tab = tab.map(|tab| program.find_column_origin(tab, 0).0);
                        let why = match tab
                            .and_then(|tab| self.input.tabs.get(tab as usize))
                            .map(|tab| &tab.source)
                        {
                            Some(SelectSource::Input(_)) => continue,
                            Some(SelectSource::Name(_)) => "it reads the rows of an earlier step",
                            None => "it reads all rows of the sheet",
                        };
                        looks.push(CrossRowRead::Unbounded { span, why });
                    }
                    _ => {}
                }
                self.record_time_lengths(id, &mut lengths);
                if let (Ir::PeriodLookup { .. }, Some((back, forth))) = (program.node(id), lengths.get(&id)) {
                    let key = find_sort_key_to_shift(program, order.iter().copied()).map(|key| self.time_key(key));
                    looks.push(CrossRowRead::Period {
                        span,
                        key,
                        back: *back,
                        forth: *forth,
                    });
                }
            }
        }
        looks
    }

    /// Records how far back and ahead in time a value and its operands read.
    fn record_time_lengths(&self, id: IrId, lengths: &mut FxHashMap<IrId, (TimeLength, TimeLength)>) {
        let program = self.program();
        let of = |id: IrId, lengths: &FxHashMap<IrId, (TimeLength, TimeLength)>| {
            lengths.get(&id).copied().unwrap_or_default()
        };
        let mut own = match program.node(id) {
            Ir::Definition(used) => program
                .definitions
                .get(used as usize)
                .map(|d| of(d.root, lengths))
                .unwrap_or_default(),
            _ => program
                .operands(id)
                .map(|o| of(o, lengths))
                .fold(Default::default(), |a: (TimeLength, TimeLength), b| {
                    (a.0.longer(b.0), a.1.longer(b.1))
                }),
        };
        if let Ir::PeriodLookup { period, .. } = program.node(id)
            && let Some(period) = program.periods.get(period as usize)
        {
            let length = TimeLength::new(period.unit, period.count.saturating_abs());
            let side = if period.count < 0 { &mut own.0 } else { &mut own.1 };
            *side = side.combine(length);
        }
        if own != Default::default() {
            lengths.insert(id, own);
        }
    }

    /// Returns whether two keys are the same column, truncated to the same unit.
    fn is_same(&self, one: IrId, other: IrId) -> bool {
        let ((one, unit), (other, other_unit)) = (
            split_truncation(self.program(), one),
            split_truncation(self.program(), other),
        );
        let same = self.program().node(one) == self.program().node(other);
        unit == other_unit && same && matches!(self.program().node(one), Ir::Column(_))
    }

    /// Returns pairs that a condition requires to be equal. Each pair consists of a value of the step and a column of
    /// the relation joined at this index.
    fn equal_values(&self, root: IrId, place: usize) -> Vec<(TimeKey, String)> {
        let program = self.program();
        let equal = crate::catalog::get(crate::catalog::internal::EQUAL);
        let mut found = Vec::new();
        let mut stack = vec![root];
        while let Some(id) = stack.pop() {
            match program.node(id) {
                Ir::And(args) => stack.extend(program.args(args)),
                Ir::Apply { overload, args } if equal.overloads.iter().any(|o| o.id == overload) => {
                    let [a, b] = program.args(args) else { continue };
                    for (own, there) in [(*a, *b), (*b, *a)] {
                        if let (TimeOrigin::Column(at, name), true) = (self.time_origin(there), place > 0)
                            && at == place
                        {
                            found.push((self.time_key(own), name));
                        }
                    }
                }
                _ => {}
            }
        }
        found
    }
}
