//! Evaluates a spec row by row.

mod ranges;
mod windows;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use crate::arithmetic::{evaluate_aggregate, evaluate_scalar, truncate_to_period};
use crate::expr::{InterpreterExpr, InterpreterLevel};
use crate::joins::join_input_rows;
use crate::spec::{InterpreterProjection, InterpreterSpec, InterpreterStep, KeyColumn, unqualified_name};
use crate::trace;
use crate::uncertainty;
use crate::value::Value;

pub type ValueRow = HashMap<String, Value>;

/// Qualifier of a column that `using` merges. The qualifier keeps the column accessible if a later relation has a
/// column with the same name.
pub const USING_QUALIFIER: &str = "using";

/// Rows and the names of their columns, in order.
#[derive(Clone, Debug, Default)]
pub struct StepRows {
    pub columns: Vec<String>,
    pub rows: Vec<ValueRow>,
    /// Columns that identify a row. Empty if unknown.
    pub grain: Vec<String>,
    /// Maps each unqualified name in joined rows to the qualified column to which the name refers. `first` is the name
    /// of the first relation.
    pub qualified_columns: HashMap<String, String>,
    pub first: Option<String>,
    /// Whether there is at most one row.
    pub is_single: bool,
    /// Names of columns in which a NULL represents failed arithmetic.
    pub error_columns: Vec<String>,
}

impl StepRows {
    pub fn values(&self) -> Vec<Vec<Value>> {
        let value = |row: &ValueRow, column: &String| row.get(column).cloned().unwrap_or(Value::Null);
        self.rows
            .iter()
            .map(|row| self.columns.iter().map(|c| value(row, c)).collect())
            .collect()
    }

    /// Returns the qualified column to which a name refers if several relations are joined.
    fn resolve_name<'a>(&'a self, name: &'a str) -> &'a str {
        self.qualified_columns.get(name).map_or(name, String::as_str)
    }

    /// Returns the value of a kept column. If several relations have the column, returns the value of the first
    /// relation.
    fn projected_value(&self, row: &ValueRow, name: &str) -> Value {
        let shared = || row.get(&format!("{USING_QUALIFIER}.{name}"));
        let first = || row.get(&format!("{}.{name}", self.first.as_deref().unwrap_or_default()));
        row.get(name)
            .or_else(shared)
            .or_else(first)
            .cloned()
            .unwrap_or_else(|| report_unknown_name(name))
    }

    /// Returns whether the kept columns include a column of the grain.
    fn is_grain_column_projected(&self, columns: &[String], grain: &str) -> bool {
        let first = |name: &String| {
            self.first
                .as_ref()
                .is_some_and(|first| format!("{first}.{name}") == grain)
        };
        columns
            .iter()
            .any(|name| self.resolve_name(name) == grain || (!self.qualified_columns.contains_key(name) && first(name)))
    }
}

/// Reports an unknown name and returns NULL.
fn report_unknown_name(name: &str) -> Value {
    uncertainty::report_unsupported(|| format!("`{name}`, whose type is unknown,"));
    Value::Null
}

/// Input relation with its name, columns, key and rows.
#[derive(Clone, Copy)]
pub struct ValueTable<'a> {
    pub name: &'a str,
    pub columns: &'a [&'a str],
    pub key: &'a [&'a str],
    pub rows: &'a [Vec<Value>],
}

pub fn interpret(spec: &InterpreterSpec, tables: &[ValueTable<'_>]) -> StepRows {
    let mut rows_by_name: HashMap<&str, StepRows> = HashMap::new();
    for table in tables {
        let columns: Vec<String> = table.columns.iter().map(|c| (*c).to_owned()).collect();
        let rows = table
            .rows
            .iter()
            .map(|r| columns.iter().cloned().zip(r.iter().cloned()).collect())
            .collect();
        let grain = table.key.iter().map(|k| (*k).to_owned()).collect();
        rows_by_name.insert(
            table.name,
            StepRows {
                columns,
                rows,
                grain,
                ..StepRows::default()
            },
        );
    }
    let mut input_name: &str = &spec.from;
    for step in &spec.steps {
        let joined = if step.joins.is_empty() {
            None
        } else {
            Some(join_input_rows(step, input_name, &rows_by_name))
        };
        let Some(input) = joined.as_ref().or_else(|| rows_by_name.get(input_name)) else {
            break;
        };
        input_name = &step.name;
        let step = match input.error_columns.as_slice() {
            [] => Cow::Borrowed(step),
            columns => Cow::Owned(InterpreterStep {
                error_columns: columns.to_vec(),
                ..step.clone()
            }),
        };
        let mut rows = interpret_step(&step, input);
        rows.error_columns = step.outputs_with_error_nulls();
        rows_by_name.insert(input_name, rows);
    }
    rows_by_name.remove(input_name).unwrap_or_else(|| {
        report_unknown_name(input_name);
        StepRows::default()
    })
}

/// Item over which window functions iterate: a group of rows in a grouped step, otherwise a single row.
struct GroupOrRow<'a> {
    rows: Vec<&'a ValueRow>,
    /// Values of the group keys, by the text of the `group_by` entries.
    keys: HashMap<String, Value>,
}

struct StepEvaluation<'a> {
    step: &'a InterpreterStep,
    grouped: bool,
    units: Vec<GroupOrRow<'a>>,
    /// Indexes of the groups or rows in `units`, in the step's sort order. `partition` contains the partition key of
    /// each group or row as text, and `own_partition` contains the key without the columns of the default partition.
    order: Vec<usize>,
    partition: Vec<String>,
    own_partition: Vec<String>,
    /// Date by which each group or row is ordered.
    date: Vec<Value>,
    /// Values of the other keys of each group or row, as one string.
    other_key_values: Vec<String>,
    /// Whether the dates are sorted in descending order.
    descending: bool,
    /// Whether two groups or rows have the same sort key, which makes their order undefined.
    tied: bool,
}

fn interpret_step(step: &InterpreterStep, input: &StepRows) -> StepRows {
    let grouped = step.is_grouped();
    let left: Vec<&ValueRow> = input
        .rows
        .iter()
        .filter(|row| {
            step.filter.as_ref().is_none_or(|f| {
                evaluate_row_expression(step, f, row, NamePrecedence::ColumnsFirst).as_condition() == Some(true)
            })
        })
        .collect();
    let mut units: Vec<GroupOrRow<'_>> = Vec::new();
    if grouped {
        let mut unit_indexes: HashMap<Vec<String>, usize> = HashMap::new();
        if step.group_by.is_empty() {
            unit_indexes.insert(Vec::new(), 0);
            units.push(GroupOrRow {
                rows: Vec::new(),
                keys: HashMap::new(),
            });
        }
        for row in left {
            let values: Vec<Value> = step
                .group_by
                .iter()
                .map(|e| evaluate_row_expression(step, &e.expr(), row, NamePrecedence::DefinitionsFirst))
                .collect();
            let unit_index = *unit_indexes
                .entry(values.iter().map(Value::key).collect())
                .or_insert_with(|| {
                    let keys = step
                        .group_by
                        .iter()
                        .map(std::string::ToString::to_string)
                        .zip(values.iter().cloned())
                        .collect();
                    units.push(GroupOrRow { rows: Vec::new(), keys });
                    units.len() - 1
                });
            if let Some(unit) = units.get_mut(unit_index) {
                unit.rows.push(row);
            }
        }
    } else {
        units = left
            .into_iter()
            .map(|row| GroupOrRow {
                rows: vec![row],
                keys: HashMap::new(),
            })
            .collect();
    }
    let mut run = StepEvaluation {
        step,
        grouped,
        units,
        order: Vec::new(),
        partition: Vec::new(),
        own_partition: Vec::new(),
        date: Vec::new(),
        other_key_values: Vec::new(),
        descending: false,
        tied: false,
    };
    if let Some(having) = &step.having {
        let holds: Vec<bool> = (0..run.units.len())
            .map(|i| run.evaluate(having, i, None).as_condition() == Some(true))
            .collect();
        let mut holds = holds.into_iter();
        run.units.retain(|_| holds.next().unwrap_or(false));
    }
    run.sort_and_partition_groups(input);
    run.result_rows(input)
}

/// Precedence of columns and definitions when names are resolved.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum NamePrecedence<'a> {
    ColumnsFirst,
    DefinitionsFirst,
    /// Inside the definition with this name, this name refers to the column.
    Own(&'a str),
}

/// Evaluates a row-level expression.
pub fn evaluate_row_expression(
    step: &InterpreterStep,
    x: &InterpreterExpr,
    row: &ValueRow,
    sees: NamePrecedence<'_>,
) -> Value {
    let name_value = |name: &str| match (row.get(name), step.definition(name)) {
        (Some(value), _) if sees == NamePrecedence::ColumnsFirst => value.clone(),
        (Some(value), _) if sees == NamePrecedence::Own(name) => value.clone(),
        (_, Some(definition)) => evaluate_row_expression(step, definition, row, NamePrecedence::Own(name)),
        (Some(value), None) => value.clone(),
        (None, None) => report_unknown_name(name),
    };
    let Some(_deeper) = uncertainty::enter_recursion() else {
        return Value::Null;
    };
    match x {
        InterpreterExpr::Name(name) => {
            let value = name_value(name);
            trace::record_outcome(|| x.to_string(), trace::outcome_kind(&value));
            value
        }
        InterpreterExpr::Period(name, frame) => truncate_to_period(&name_value(name), *frame),
        _ => {
            let definition_name = match sees {
                NamePrecedence::Own(name) => Some(name),
                NamePrecedence::ColumnsFirst | NamePrecedence::DefinitionsFirst => None,
            };
            evaluate_scalar(x, &|x| step.null_sources(x, definition_name), &mut |x| {
                evaluate_row_expression(step, x, row, sees)
            })
        }
    }
}

impl StepEvaluation<'_> {
    /// Sorts the groups or rows and computes their partitions. If the sort keys are equal, the remaining columns of the
    /// grain determine the order.
    fn sort_and_partition_groups(&mut self, input: &StepRows) {
        let step = self.step;
        // If the step is not grouped, resolve the qualified and unqualified spellings of a column to the same name.
        let resolve_name = |x: InterpreterExpr| match x {
            InterpreterExpr::Name(name) if !self.grouped && step.definition(&name).is_none() => {
                InterpreterExpr::name(input.resolve_name(&name))
            }
            InterpreterExpr::Name(name) if self.grouped && step.definition(&name).is_none() => step
                .grouping_key_of_output(&name)
                .map_or(InterpreterExpr::Name(name), KeyColumn::expr),
            other => other,
        };
        let mut order: Vec<(InterpreterExpr, bool)> = step
            .order_by
            .iter()
            .map(|(e, d)| (resolve_name(e.expr()), *d))
            .collect();
        let partition: Vec<InterpreterExpr> = step
            .partition_by
            .iter()
            .flatten()
            .map(|n| resolve_name(InterpreterExpr::name(n)))
            .collect();
        let grain: Vec<InterpreterExpr> = if self.grouped {
            step.group_by.iter().map(KeyColumn::expr).collect()
        } else {
            input.grain.iter().map(|g| InterpreterExpr::name(g)).collect()
        };
        let row_keys = grain.clone();
        let rest: Vec<InterpreterExpr> = grain
            .into_iter()
            .filter(|x| order.iter().all(|(o, _)| o != x))
            .collect();
        let by_default = self.grouped && step.partition_by.is_none() && !step.order_by.is_empty();
        let own_partition = partition.clone();
        let partition = if by_default { rest.clone() } else { partition };
        order.extend(rest.into_iter().map(|x| (x, false)));
        let parted = |partition_exprs: &[InterpreterExpr]| -> Vec<String> {
            (0..self.units.len())
                .map(|unit| {
                    partition_exprs
                        .iter()
                        .map(|x| self.evaluate_sort_key(x, unit).key())
                        .collect()
                })
                .collect()
        };
        let (partitions, own_partitions) = (parted(&partition), parted(&own_partition));
        // Store the partitions before evaluating the sort keys, because sort keys may contain ranks and ranges over all
        // rows.
        (self.partition, self.own_partition) = (partitions, own_partitions);
        self.order = (0..self.units.len()).collect();
        let keys: Vec<Vec<Value>> = (0..self.units.len())
            .map(|unit| order.iter().map(|(x, _)| self.evaluate_sort_key(x, unit)).collect())
            .collect();
        let (arranged, tied) = if step.order_by.is_empty() {
            ((0..self.units.len()).collect(), false)
        } else {
            sort_indices_by_keys(&keys, &order)
        };
        let dates = |x: &InterpreterExpr| {
            (0..self.units.len())
                .map(|unit| self.evaluate_sort_key(x, unit))
                .collect::<Vec<Value>>()
        };
        let keys = step.order_by.iter();
        let key = keys
            .map(|(entry, descending)| ((entry, *descending), dates(&resolve_name(entry.expr()))))
            .find(|(_, values)| values.iter().any(|v| v.seconds().is_some()));
        let is_descending = key.as_ref().is_some_and(|((_, descending), _)| *descending);
        let (date, other_key_values) = match &key {
            Some(((entry, _), values)) => {
                let is_key = |x: &InterpreterExpr| {
                    *x == resolve_name(entry.expr()) && (self.grouped || step.definition(&entry.name).is_none())
                };
                let interpreter_exprs: Vec<InterpreterExpr> =
                    match (&step.partition_by, self.grouped, row_keys.iter().any(&is_key)) {
                        (Some(_), ..) => partition,
                        (None, _, true) => row_keys.iter().filter(|x| !is_key(x)).cloned().collect(),
                        (None, true, false) => {
                            let ordered = |x: &InterpreterExpr| step.order_by.iter().any(|(e, _)| e.expr() == *x);
                            row_keys.iter().filter(|x| !ordered(x)).cloned().collect()
                        }
                        (None, false, false) => Vec::new(),
                    };
                let units = 0..self.units.len();
                let other_key_values = units
                    .map(|unit| {
                        interpreter_exprs
                            .iter()
                            .map(|x| self.evaluate_sort_key(x, unit).key())
                            .collect()
                    })
                    .collect();
                (values.clone(), other_key_values)
            }
            None => (Vec::new(), Vec::new()),
        };
        (self.date, self.other_key_values) = (date, other_key_values);
        self.descending = is_descending;
        self.tied = tied;
        self.order = arranged;
    }

    /// Returns the value of a sort or partition key for a group or row.
    fn evaluate_sort_key(&self, x: &InterpreterExpr, unit: usize) -> Value {
        match x {
            // If the step is not grouped, `order_by` and `partition_by` can also refer to input columns that are not
            // outputs.
            InterpreterExpr::Name(name) if !self.grouped && self.step.definition(name).is_none() => {
                self.first_row_of_group(unit).map_or(Value::Null, |row| {
                    row.get(name).cloned().unwrap_or_else(|| report_unknown_name(name))
                })
            }
            _ => self.evaluate(x, unit, None),
        }
    }

    fn first_row_of_group(&self, unit: usize) -> Option<&ValueRow> {
        self.units.get(unit)?.rows.first().copied()
    }

    /// Evaluates an expression for a group or row.
    fn evaluate(&self, x: &InterpreterExpr, unit: usize, definition_name: Option<&str>) -> Value {
        let Some(row_unit) = self.units.get(unit) else {
            return Value::Null;
        };
        let Some(_deeper) = uncertainty::enter_recursion() else {
            return Value::Null;
        };
        if let Some(key) = row_unit.keys.get(&x.to_string())
            && !matches!(x, InterpreterExpr::Name(name) if definition_name == Some(name))
        {
            return key.clone();
        }
        match x {
            InterpreterExpr::Name(name) => match self.step.definition(name) {
                Some(definition) if definition_name != Some(name) => self.evaluate(definition, unit, Some(name)),
                _ if self.grouped => {
                    let key = || row_unit.keys.get(&self.step.grouping_key_of_output(name)?.to_string());
                    let value = row_unit.keys.get(name).or_else(key).cloned();
                    value.unwrap_or_else(|| report_unknown_name(name))
                }
                _ => {
                    let row = row_unit.rows.first();
                    let value = row.map_or(Value::Null, |row| {
                        row.get(name).cloned().unwrap_or_else(|| report_unknown_name(name))
                    });
                    trace::record_outcome(|| x.to_string(), trace::outcome_kind(&value));
                    value
                }
            },
            InterpreterExpr::Period(name, frame) => truncate_to_period(
                &self.evaluate(&InterpreterExpr::name(name), unit, definition_name),
                *frame,
            ),
            InterpreterExpr::Aggregate(name, args) => {
                if let Some(rows) = x.range_rows() {
                    return self.evaluate_range_aggregate(x, (name, args), rows, unit, definition_name);
                }
                let sees = definition_name.map_or(NamePrecedence::DefinitionsFirst, NamePrecedence::Own);
                let (args, distinct) = match args.as_slice() {
                    [InterpreterExpr::Call("DISTINCT", distinct_args)] => (distinct_args, true),
                    _ => (args, false),
                };
                let values = |row: &&ValueRow| {
                    args.iter()
                        .map(|x| evaluate_row_expression(self.step, x, row, sees))
                        .collect()
                };
                evaluate_aggregate(x, name, row_unit.rows.iter().map(values).collect(), distinct)
            }
            InterpreterExpr::Window(window) => {
                let value = self.evaluate_window(window, unit, definition_name);
                trace::record_outcome(|| x.to_string(), trace::outcome_kind(&value));
                value
            }
            _ => evaluate_scalar(x, &|x| self.step.null_sources(x, definition_name), &mut |x| {
                self.evaluate(x, unit, definition_name)
            }),
        }
    }

    /// Returns the indexes of all groups or rows in the same partition as `unit`, in order, and the position of `unit`
    /// among them.
    fn indices_in_partition(&self, unit: usize) -> (Vec<usize>, usize) {
        if self.tied {
            uncertainty::mark_uncertain();
        }
        let partition = self
            .order
            .iter()
            .copied()
            .filter(|u| self.partition.get(*u) == self.partition.get(unit));
        let units: Vec<usize> = partition.collect();
        let index = units.iter().position(|u| *u == unit).unwrap_or_default();
        (units, index)
    }

    fn result_rows(&self, input: &StepRows) -> StepRows {
        let step = self.step;
        let mut kept_columns: Vec<String> = match &step.keep {
            InterpreterProjection::Nothing => Vec::new(),
            InterpreterProjection::All => input.columns.clone(),
            InterpreterProjection::Some(names) => names.clone(),
        };
        let keys: Vec<(String, InterpreterExpr)> = step.group_by.iter().map(|e| (e.output(), e.expr())).collect();
        let is_output = |(name, x): &&(String, InterpreterExpr)| {
            !step.hidden.contains(name)
                && !keys.iter().any(|(k, _)| k == name)
                && (!self.grouped || step.level(x, Some(name)) != InterpreterLevel::Row)
        };
        let defined: Vec<(String, InterpreterExpr)> = step.definitions.iter().filter(is_output).cloned().collect();
        kept_columns.retain(|c| !keys.iter().chain(&defined).any(|(name, _)| name == unqualified_name(c)));
        let mut columns: Vec<String> = kept_columns
            .iter()
            .map(|name| unqualified_name(name).to_owned())
            .collect();
        columns.extend(keys.iter().chain(&defined).map(|(name, _)| name.clone()));
        let mut rows = Vec::new();
        for unit in &self.order {
            let mut row = ValueRow::new();
            for name in &kept_columns {
                let value = self
                    .first_row_of_group(*unit)
                    .map_or(Value::Null, |row| input.projected_value(row, name));
                row.insert(unqualified_name(name).to_owned(), value);
            }
            for (name, x) in &keys {
                row.insert(name.clone(), self.evaluate(x, *unit, None));
            }
            for (name, x) in &defined {
                row.insert(name.clone(), self.evaluate(x, *unit, Some(name)));
            }
            rows.push(row);
        }
        if let Some(limit) = step.limit {
            if self.tied && limit < rows.len() {
                uncertainty::mark_uncertain();
            }
            rows.truncate(limit);
        }
        let grain = if self.grouped {
            keys.iter().map(|(name, _)| name.clone()).collect()
        } else if input
            .grain
            .iter()
            .all(|g| input.is_grain_column_projected(&kept_columns, g))
        {
            input.grain.iter().map(|g| unqualified_name(g).to_owned()).collect()
        } else {
            Vec::new()
        };
        StepRows {
            columns,
            rows,
            grain,
            is_single: self.grouped && keys.is_empty(),
            ..StepRows::default()
        }
    }
}

/// Returns the indexes of the groups or rows in the order of their keys, and whether any of them have the same keys.
fn sort_indices_by_keys(keys: &[Vec<Value>], order: &[(InterpreterExpr, bool)]) -> (Vec<usize>, bool) {
    let mut arranged: Vec<usize> = (0..keys.len()).collect();
    arranged.sort_by(|a, b| {
        let pairs = keys
            .get(*a)
            .into_iter()
            .flatten()
            .zip(keys.get(*b).into_iter().flatten())
            .zip(order);
        pairs
            .map(|((a, b), (_, down))| a.sort_order(b, *down))
            .find(|o| *o != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
    });
    let alike = |pair: &[usize]| matches!(pair, [a, b] if keys.get(*a) == keys.get(*b));
    let tied = arranged.windows(2).any(alike);
    (arranged, tied)
}
