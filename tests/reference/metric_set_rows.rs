//! The rows that a model built on metric sets must return, computed without the compiler: the interpreter aggregates
//! each metric set separately, the results are joined by key, and each further column is interpreted over these rows.

use std::collections::HashMap;

use crate::database::Database;
use crate::draw_metric_sets::{MetricFormula, ModelKey, ModelOverSets, WindowForm, name_of};
use crate::expr::{InterpreterExpr, InterpreterOp, Window};
use crate::kind::Kind;
use crate::spec::{InterpreterProjection, InterpreterSpec, InterpreterStep, KeyColumn};
use crate::value::Value;
use crate::walk::{StepRows, ValueTable, interpret};

/// Columns and rows. The first columns are the keys.
pub struct ModelRows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
    keys: usize,
    /// Names of columns in which a NULL represents failed arithmetic.
    error_columns: Vec<String>,
}

/// Aggregates of a metric set's rows.
struct Aggregates {
    formulas: Vec<InterpreterExpr>,
    prefix: &'static str,
}

impl Aggregates {
    /// Returns a formula in which column names represent the aggregates.
    fn replace_aggregates(&mut self, x: &InterpreterExpr) -> InterpreterExpr {
        match x {
            InterpreterExpr::Aggregate(..) if !x.has_range() => {
                let known = self.formulas.iter().position(|interpreter_expr| interpreter_expr == x);
                let index = known.unwrap_or_else(|| {
                    self.formulas.push(x.clone());
                    self.formulas.len() - 1
                });
                InterpreterExpr::name(&self.name(index))
            }
            InterpreterExpr::Binary(op, a, b) => InterpreterExpr::Binary(
                *op,
                Box::new(self.replace_aggregates(a)),
                Box::new(self.replace_aggregates(b)),
            ),
            InterpreterExpr::Call(name, args) => {
                InterpreterExpr::Call(name, args.iter().map(|arg| self.replace_aggregates(arg)).collect())
            }
            other => other.clone(),
        }
    }

    fn name(&self, index: usize) -> String {
        format!("{}_aggregate_{index}", self.prefix)
    }
}

fn compare(op: InterpreterOp, a: InterpreterExpr, b: InterpreterExpr) -> InterpreterExpr {
    InterpreterExpr::Binary(op, Box::new(a), Box::new(b))
}

fn all(conditions: Vec<InterpreterExpr>) -> Option<InterpreterExpr> {
    (!conditions.is_empty()).then_some(InterpreterExpr::Call("AND", conditions))
}

fn date(day: i64) -> InterpreterExpr {
    InterpreterExpr::Literal(Value::Date(day))
}

/// Returns a spec that aggregates the rows of one metric set by the model's keys.
fn set_spec(model: &ModelOverSets, at: usize, aggregates: &Aggregates) -> InterpreterSpec {
    let set = &model.sets[at];
    let mut conditions: Vec<InterpreterExpr> = set.filter.iter().chain(&model.filters[at]).cloned().collect();
    if model.time_key().is_none() {
        let time = || InterpreterExpr::name(&set.time);
        let since = model
            .since
            .map(|day| compare(InterpreterOp::GreaterOrEqual, time(), date(day)));
        let until = model.until.map(|day| match set.time_kind {
            Kind::Time => compare(InterpreterOp::Less, time(), date(day + 1)),
            _ => compare(InterpreterOp::LessOrEqual, time(), date(day)),
        });
        conditions.extend(since.into_iter().chain(until));
    }
    let group_by = model.keys.iter().map(|key| match key {
        ModelKey::Time { frame, .. } => KeyColumn {
            name: set.time.clone(),
            frame: Some(*frame),
        },
        ModelKey::Column { of, .. } => KeyColumn {
            name: name_of(&of[at]).to_owned(),
            frame: None,
        },
    });
    let formulas = aggregates.formulas.iter().enumerate();
    let formulas = formulas.map(|(index, formula)| (aggregates.name(index), formula.clone()));
    InterpreterSpec {
        from: set.table.clone(),
        steps: vec![InterpreterStep {
            name: "of_set".to_owned(),
            blank_zero: model.blank_zero,
            joins: set.join.iter().cloned().collect(),
            filter: all(conditions),
            group_by: group_by.collect(),
            definitions: set.dimensions.iter().cloned().chain(formulas).collect(),
            ..InterpreterStep::default()
        }],
    }
}

/// Returns the values of the given columns.
fn values(rows: &StepRows, columns: &[String]) -> Vec<Vec<Value>> {
    let value =
        |row: &HashMap<String, Value>, column: &String| row.get(column).expect("the step has the column").clone();
    let row = |row| columns.iter().map(|column| value(row, column)).collect();
    rows.rows.iter().map(row).collect()
}

/// Returns the rows of all metric sets, joined by key. NULL equals NULL. A metric set without rows for a key gets the
/// aggregates of zero rows.
fn put_together(model: &ModelOverSets, aggregates: &[Aggregates], database: &Database) -> ModelRows {
    let key_count = model.keys.len();
    let names = |of: &Aggregates| (0..of.formulas.len()).map(|index| of.name(index)).collect::<Vec<_>>();
    let specs: Vec<InterpreterSpec> = (0..model.sets.len())
        .map(|at| set_spec(model, at, &aggregates[at]))
        .collect();
    let of_no_rows = specs.iter().zip(aggregates).flat_map(|(spec, of_set)| {
        let mut total = spec.clone();
        total.steps[0].group_by = Vec::new();
        total.steps[0].filter = Some(InterpreterExpr::Literal(Value::Bool(false)));
        values(&database.interpret(&total), &names(of_set)).remove(0)
    });
    let of_no_rows: Vec<Value> = of_no_rows.collect();
    let mut found: HashMap<Vec<String>, usize> = HashMap::new();
    let mut rows: Vec<Vec<Value>> = Vec::new();
    let mut error_columns = Vec::new();
    let mut start = key_count;
    for (spec, of_set) in specs.iter().zip(aggregates) {
        let own = database.interpret(spec);
        let key_columns: Vec<String> = spec.steps[0].group_by.iter().map(KeyColumn::output).collect();
        let own_names = names(of_set);
        error_columns.extend(
            own.error_columns
                .iter()
                .filter(|column| own_names.contains(column))
                .cloned(),
        );
        let end = start + of_set.formulas.len();
        for (key, row) in values(&own, &key_columns).into_iter().zip(values(&own, &names(of_set))) {
            let index = *found.entry(key.iter().map(Value::key).collect()).or_insert_with(|| {
                rows.push(key.into_iter().chain(of_no_rows.iter().cloned()).collect());
                rows.len() - 1
            });
            rows[index].splice(start..end, row);
        }
        start = end;
    }
    // A bound excludes rows without a period before `fill` and windows read them.
    if let Some((time, _)) = model.time_key().filter(|_| model.since.or(model.until).is_some()) {
        rows.retain(|row| !row[time].is_null());
    }
    add_filled_rows(model, &mut rows, &of_no_rows);
    ModelRows {
        columns: (0..key_count)
            .map(key_name)
            .chain(aggregates.iter().flat_map(names))
            .collect(),
        rows,
        keys: key_count,
        error_columns,
    }
}

/// Adds the rows that `fill` creates. `fill` ignores the periods after `until`.
fn add_filled_rows(model: &ModelOverSets, rows: &mut Vec<Vec<Value>>, of_no_rows: &[Value]) {
    let Some((fill, (time, frame))) = model.fill.zip(model.time_key()) else {
        return;
    };
    let period = |row: &Vec<Value>| match row[time] {
        Value::Date(day) => Some(day),
        _ => None,
    };
    rows.retain(|row| model.until.zip(period(row)).is_none_or(|(until, day)| day <= until));
    let combination = |row: &Vec<Value>| -> Vec<Value> {
        let keys = row[..model.keys.len()].iter().enumerate();
        keys.filter(|(index, _)| *index != time)
            .map(|(_, key)| key.clone())
            .collect()
    };
    let text = |keys: &[Value]| keys.iter().map(Value::key).collect::<Vec<String>>();
    let mut combinations: Vec<Vec<Value>> = if model.keys.len() == 1 {
        vec![Vec::new()]
    } else {
        Vec::new()
    };
    for row in rows.iter() {
        let own = combination(row);
        if !combinations.iter().any(|known| text(known) == text(&own)) {
            combinations.push(own);
        }
    }
    let to = [fill.to, fill.to.and(model.until)].into_iter().flatten().min();
    for keys in combinations {
        let is_same = |row: &&Vec<Value>| text(&combination(row)) == text(&keys);
        let of_range = rows
            .iter()
            .filter(|row| !fill.is_each || is_same(row))
            .filter_map(period);
        let first = fill.from.or_else(|| of_range.clone().min());
        let last = to.or_else(|| of_range.clone().max());
        let Some((first, last)) = first.zip(last) else { continue };
        let known: Vec<i64> = rows.iter().filter(is_same).filter_map(period).collect();
        let mut next = frame.period_start(first);
        while next <= last {
            if !known.contains(&next) {
                let mut row = keys.clone();
                row.insert(time, Value::Date(next));
                row.extend(of_no_rows.iter().cloned());
                rows.push(row);
            }
            next = frame.unit().add_units(next, 1);
        }
    }
}

fn key_name(index: usize) -> String {
    format!("key_column_{index}")
}

impl ModelRows {
    /// Interprets a step over these rows.
    fn step(&mut self, step: InterpreterStep) {
        let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        let table = ValueTable {
            name: "put_together",
            columns: &columns,
            key: &columns[..self.keys],
            rows: &self.rows,
        };
        let spec = InterpreterSpec {
            from: table.name.to_owned(),
            steps: vec![InterpreterStep {
                name: "with_columns".to_owned(),
                keep: InterpreterProjection::All,
                error_columns: std::mem::take(&mut self.error_columns),
                ..step
            }],
        };
        let rows = interpret(&spec, &[table]);
        self.rows = values(&rows, &rows.columns);
        self.error_columns.clone_from(&rows.error_columns);
        self.columns = rows.columns;
    }

    fn filter(&mut self, blank_zero: bool, filter: InterpreterExpr) {
        self.step(InterpreterStep {
            blank_zero,
            filter: Some(filter),
            ..InterpreterStep::default()
        });
    }

    /// Computes a further column of the model over its rows.
    fn define(&mut self, model: &ModelOverSets, metric: &MetricFormula, formula: InterpreterExpr, is_of_model: bool) {
        let time = model.window_key().map(|(index, _)| index);
        let others = (0..self.keys).filter(|index| Some(*index) != time).map(key_name);
        let is_as_written = !model.order_by.is_empty() && (is_of_model || metric.window == Some(WindowForm::Total));
        let (order_by, partition_by) = match metric.window {
            // The keys that are not in `order_by` partition the window. Ranks are not partitioned, because they rank
            // all rows.
            Some(_) if is_as_written => {
                let others: Vec<String> = (model.order_by.len()..self.keys).map(key_name).collect();
                (
                    order_columns(model),
                    (!others.is_empty() && !is_rank(&formula)).then_some(others),
                )
            }
            Some(WindowForm::LooksBack | WindowForm::Ordered) => {
                let time = time.expect("a window in an order has a time key");
                (vec![(key_column(time), false)], Some(others.collect()))
            }
            Some(WindowForm::Total) | None => (Vec::new(), None),
        };
        self.step(InterpreterStep {
            blank_zero: model.blank_zero,
            order_by,
            partition_by,
            definitions: vec![(metric.name.clone(), formula)],
            ..InterpreterStep::default()
        });
    }
}

/// Returns whether a formula is a rank, or combines a rank with a value of its row.
fn is_rank(formula: &InterpreterExpr) -> bool {
    match formula {
        InterpreterExpr::Binary(_, one, other) => is_rank(one) || is_rank(other),
        other => matches!(other, InterpreterExpr::Window(Window::Rank(..))),
    }
}

fn key_column(index: usize) -> KeyColumn {
    KeyColumn {
        name: key_name(index),
        frame: None,
    }
}

fn order_columns(model: &ModelOverSets) -> Vec<(KeyColumn, bool)> {
    let order = model.order_by.iter().enumerate();
    order
        .map(|(index, descending)| (key_column(index), *descending))
        .collect()
}

/// Returns the rows of the model, in the model's order if it specifies one.
pub fn model_rows(model: &ModelOverSets, database: &Database) -> ModelRows {
    let mut aggregates = Vec::new();
    let mut formulas: Vec<(&MetricFormula, InterpreterExpr)> = Vec::new();
    for set in &model.sets {
        let mut of_set = Aggregates {
            formulas: Vec::new(),
            prefix: set.name,
        };
        formulas.extend(
            set.metrics
                .iter()
                .map(|metric| (metric, of_set.replace_aggregates(&metric.formula))),
        );
        aggregates.push(of_set);
    }
    let mut rows = put_together(model, &aggregates, database);
    let (windows, plain): (Vec<_>, Vec<_>) = formulas.into_iter().partition(|(metric, _)| metric.window.is_some());
    for (metric, formula) in plain {
        rows.define(model, metric, formula, false);
    }
    let keys = model.keys.iter().enumerate();
    let keys = keys.map(|(index, key)| (key.name(&model.sets), InterpreterExpr::Name(key_name(index))));
    let visible = model.all_metrics().into_iter();
    let meant: Vec<(String, InterpreterExpr)> = visible
        .map(|(metric, name)| (name, InterpreterExpr::name(&metric.name)))
        .chain(keys)
        .collect();
    let period = |index: usize, op, day| compare(op, InterpreterExpr::Name(key_name(index)), date(day));
    let time = model.window_key();
    let until = time
        .zip(model.until)
        .map(|((index, _), day)| period(index, InterpreterOp::LessOrEqual, day));
    let having = model
        .having
        .as_ref()
        .map(|having| having.clone().substitute_names(&meant));
    having
        .into_iter()
        .chain(until)
        .for_each(|filter| rows.filter(model.blank_zero, filter));
    for (metric, formula) in windows {
        rows.define(model, metric, formula, false);
    }
    for metric in &model.definitions {
        let formula = metric.formula.clone().substitute_names(&meant);
        rows.define(model, metric, formula, true);
    }
    if let Some(((index, frame), since)) = time.zip(model.since) {
        rows.filter(
            model.blank_zero,
            period(
                index,
                InterpreterOp::GreaterOrEqual,
                frame.map_or(since, |frame| frame.period_start(since)),
            ),
        );
    }
    rows.step(InterpreterStep {
        order_by: if model.order_by.is_empty() {
            time.map(|(index, _)| (key_column(index), false)).into_iter().collect()
        } else {
            order_columns(model)
        },
        limit: model.limit,
        ..InterpreterStep::default()
    });
    output_rows(model, rows)
}

/// Returns the output columns of the model, under their names.
fn output_rows(model: &ModelOverSets, rows: ModelRows) -> ModelRows {
    let keys = model.keys.iter().enumerate();
    let keys = keys.map(|(index, key)| (key_name(index), key.output(&model.sets)));
    let outputs = model
        .outputs()
        .into_iter()
        .map(|(metric, name)| (metric.name.clone(), name));
    let definitions = model
        .definitions
        .iter()
        .map(|metric| (metric.name.clone(), metric.name.clone()));
    let chosen: Vec<(String, String)> = keys.chain(outputs).chain(definitions).collect();
    let index = |name: &String| rows.columns.iter().position(|column| column == name);
    let places: Vec<usize> = chosen
        .iter()
        .map(|(name, _)| index(name).expect("the rows have the column"))
        .collect();
    let row = |row: &Vec<Value>| places.iter().map(|index| row[*index].clone()).collect();
    ModelRows {
        rows: rows.rows.iter().map(row).collect(),
        columns: chosen.into_iter().map(|(_, name)| name).collect(),
        keys: rows.keys,
        error_columns: Vec::new(),
    }
}
