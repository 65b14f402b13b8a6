//! Input columns of a draft, with the values to try for each column.

use std::collections::BTreeSet;

use super::constants::{ColumnConstants, RelationColumnKey};
use crate::Type;
use crate::interpret::calendar::day_number;
use crate::interpret::exact::ExactDecimal;
use crate::interpret::from_ast::fold_case;
use crate::interpret::spec::{InterpreterProjection, InterpreterSpec, JoinCondition};
use crate::interpret::value::{SECONDS_PER_DAY, Value};
use crate::model::CompiledSpec;
use crate::model::interpreter_input::{InputRelation, InterpreterInput};
use crate::schema::Column;

/// Column of a relation, with the values to try.
#[derive(Debug)]
pub struct ColumnTestValues {
    /// Name of the column in the interpreter.
    pub name: String,
    /// Name of the column as written for dbt.
    pub written_name: String,
    pub ty: Type,
    /// Whether the rows should have different values in this column if possible. If values were equal, a wrong formula
    /// might give the right result.
    pub is_varied: bool,
    /// Whether the column is an integer key whose values are row numbers.
    pub is_key: bool,
    /// Whether the column is a part of the relation's key.
    pub is_part_of_key: bool,
    /// Common prefix of this column's placeholder strings. The contents of these strings do not affect the formulas.
    pub words: Option<String>,
    /// Values to try, simplest first.
    pub pool: Vec<Value>,
}

/// Default number of decimal places, as in amounts of money, if the column's type does not specify a scale.
const DEFAULT_SCALE: u32 = 2;

/// Final letters of the placeholder strings.
pub const LETTERS: [&str; 8] = ["A", "B", "C", "D", "E", "F", "G", "H"];

/// Amounts whose quotients have few decimal places.
const AMOUNTS: [f64; 8] = [100.0, 50.0, 200.0, 400.0, 25.0, 800.0, 0.0, -50.0];

/// Returns the columns of each relation.
pub fn test_values_by_relation(
    main: &InterpreterInput,
    others: &[InterpreterSpec],
    compiled: &CompiledSpec,
) -> Result<Vec<Vec<ColumnTestValues>>, String> {
    let mut constants = ColumnConstants::from_spec(&main.spec);
    for other in others {
        // Remove values that differ from day to day, because they are not constants.
        constants.intersect_with(&ColumnConstants::from_spec(other));
    }
    let has_today = !others.is_empty();
    let read_names = referenced_columns(&main.spec);
    main.relations
        .iter()
        .map(|input_relation| {
            let columns = columns(input_relation, main, compiled);
            let key = relation_key(input_relation, main);
            let is_read = |column: &Column| {
                let name = fold_case(column.name());
                read_names.contains(&name) || has_all_rows(input_relation, &main.spec) || key.contains(&name)
            };
            let mut read_columns: Vec<&Column> = columns.iter().filter(|column| is_read(column)).collect();
            if read_columns.is_empty() {
                // Rows need at least one column, even if a formula only counts them.
                read_columns.extend(columns.first());
            }
            read_columns
                .into_iter()
                .map(|column| choose_column_test_values(input_relation, column, &key, &constants, has_today))
                .collect()
        })
        .collect()
}

/// Returns the columns of a relation from the schema. Without a schema, returns the columns that formulas read.
fn columns(input_relation: &InputRelation, main: &InterpreterInput, compiled: &CompiledSpec) -> Vec<Column> {
    if let Some(relation) = &input_relation.columns {
        return relation.columns().to_vec();
    }
    let mut columns: Vec<Column> = Vec::new();
    for column_use in &compiled.columns_read {
        let alias = |name: &str| {
            main.spec
                .steps
                .iter()
                .flat_map(|s| &s.joins)
                .any(|j| j.name() == name && j.to == input_relation.name)
        };
        let is_own = match column_use.relation.as_deref().map(fold_case) {
            Some(relation) => relation == input_relation.name || alias(&relation),
            None => main.relations.len() == 1,
        };
        let name = fold_case(&column_use.name);
        if is_own && columns.iter().all(|column| fold_case(column.name()) != name) {
            columns.push(Column::new(&*column_use.name, column_use.ty));
        }
    }
    columns
}

/// Returns the key of a relation, if a step without grouping reads the relation's rows.
fn relation_key(input_relation: &InputRelation, main: &InterpreterInput) -> Vec<String> {
    let mut source_name = main.spec.from.as_str();
    let mut walked = false;
    for step in &main.spec.steps {
        let is_read =
            source_name == input_relation.name || step.joins.iter().any(|join| join.to == input_relation.name);
        walked |= is_read && !step.is_grouped();
        source_name = &step.name;
    }
    match &input_relation.columns {
        Some(relation) if walked => relation.key().iter().map(|name| fold_case(name)).collect(),
        _ => Vec::new(),
    }
}

fn has_all_rows(input_relation: &InputRelation, spec: &InterpreterSpec) -> bool {
    spec.from == input_relation.name
        && spec
            .steps
            .first()
            .is_some_and(|step| step.keep == InterpreterProjection::All)
}

/// Returns the unqualified names of all columns that the spec reads.
fn referenced_columns(spec: &InterpreterSpec) -> BTreeSet<String> {
    let mut names = Vec::new();
    for step in &spec.steps {
        let conditions = [&step.filter, &step.having].into_iter().flatten();
        conditions
            .chain(step.definitions.iter().map(|(_, x)| x))
            .for_each(|x| x.collect_names(&mut names));
        let entries = step.group_by.iter().chain(step.order_by.iter().map(|(entry, _)| entry));
        names.extend(entries.map(|entry| entry.name.clone()));
        names.extend(step.partition_by.iter().flatten().cloned());
        if let InterpreterProjection::Some(kept_names) = &step.keep {
            names.extend(kept_names.iter().cloned());
        }
        for join in &step.joins {
            match &join.condition {
                JoinCondition::On(condition) => condition.collect_names(&mut names),
                JoinCondition::Using(columns) => names.extend(columns.iter().cloned()),
                JoinCondition::Nothing => {}
            }
        }
    }
    names
        .iter()
        .map(|name| crate::interpret::spec::unqualified_name(name).to_owned())
        .collect()
}

/// Distinct values for a column, in the order of preference.
#[derive(Default)]
struct ValuePool {
    values: Vec<Value>,
}

impl ValuePool {
    fn add(&mut self, value: Value) {
        if !self.values.contains(&value) {
            self.values.push(value);
        }
    }

    /// Adds each constant to which formulas compare the column, with its predecessor and its successor.
    fn add_neighbours(&mut self, constants: &[Value], to_value: impl Fn(f64) -> Value) {
        constants
            .iter()
            .filter_map(Value::number)
            .for_each(|n| neighbouring_numbers(n).for_each(|n| self.add(to_value(n))));
    }

    /// Adds each constant with its predecessor and its successor, and common amounts.
    fn add_amounts(&mut self, constants: &[Value], to_value: impl Fn(f64) -> Value) {
        self.add_neighbours(constants, &to_value);
        AMOUNTS.into_iter().for_each(|n| self.add(to_value(n)));
    }
}

fn choose_column_test_values(
    input_relation: &InputRelation,
    column: &Column,
    key: &[String],
    constants: &ColumnConstants,
    has_today: bool,
) -> Result<ColumnTestValues, String> {
    let name = fold_case(column.name());
    let is_part_of_key = input_relation
        .columns
        .iter()
        .any(|relation| relation.key().iter().any(|key_column| fold_case(key_column) == name));
    let is_key = key.contains(&name) && column.ty() == Type::Integer;
    let mut words = None;
    let constant_values = constants.values_for(&RelationColumnKey {
        relation: input_relation.name.clone(),
        column: name.clone(),
    });
    let mut pool = ValuePool::default();
    let declared = column
        .known_values()
        .into_iter()
        .flatten()
        .map(|text| Value::Text(text.clone()));
    let scale = column.scale().unwrap_or(DEFAULT_SCALE).min(9);
    match column.ty() {
        Type::Boolean => [true, false].into_iter().for_each(|value| pool.add(Value::Bool(value))),
        Type::Integer | Type::Unknown => {
            let counts_from_one = is_key || column.ty() == Type::Unknown || name.ends_with("id");
            let plain: &[i64] = if counts_from_one {
                &[1, 2, 3, 4, 5, 6, 7, 8]
            } else {
                &[10, 20, 5, 40, 80, 0, -5]
            };
            pool.add_neighbours(&constant_values, |n| Value::Int(n as i64));
            plain.iter().for_each(|n| pool.add(Value::Int(*n)));
        }
        // Any numeric column accepts integers.
        Type::Number | Type::Point => pool.add_amounts(&constant_values, |n| Value::Int(n as i64)),
        Type::Decimal => {
            let unit = 10i128.checked_pow(scale).unwrap_or(1);
            pool.add_amounts(&constant_values, |n| {
                Value::Decimal(ExactDecimal {
                    digits: (n as i128).saturating_mul(unit),
                    scale,
                })
            });
        }
        Type::Float | Type::Time => pool.add_amounts(&constant_values, Value::Number),
        Type::Text => {
            let texts = || constant_values.iter().filter(|value| matches!(value, Value::Text(_)));
            declared.chain(texts().cloned()).for_each(|value| pool.add(value));
            if texts().next().is_some() {
                pool.add(Value::Text("other".to_owned()));
            } else if column.known_values().is_none() {
                let label = name.trim_end_matches("_id").replace('_', " ");
                LETTERS
                    .into_iter()
                    .for_each(|letter| pool.add(Value::Text(format!("{label} {letter}"))));
                words = Some(label);
            }
        }
        Type::Date => candidate_dates(&constant_values, has_today)
            .into_iter()
            .for_each(|date| pool.add(Value::Date(date))),
        Type::Timestamp => {
            // Alternate between midnight and the last hour of a day.
            let times = [0, 23 * 3600 + 1800].into_iter().cycle();
            for (date, time) in candidate_dates(&constant_values, has_today).into_iter().zip(times) {
                pool.add(Value::Time(date * SECONDS_PER_DAY + time));
            }
        }
        Type::Timestamptz => {
            return Err(format!(
                "`{name}`, whose timestamps are converted to dates in the session's time zone"
            ));
        }
        _ => {}
    }
    let mut pool = pool.values;
    if (column.is_nullable() && !is_part_of_key) || pool.is_empty() {
        pool.push(Value::Null);
    }
    let is_varied = column.ty().is_number() && !name.ends_with("id");
    Ok(ColumnTestValues {
        name,
        written_name: column.name().to_owned(),
        ty: column.ty(),
        is_varied,
        is_key,
        is_part_of_key,
        words,
        pool,
    })
}

/// Returns a number with its predecessor and successor.
fn neighbouring_numbers(n: f64) -> impl Iterator<Item = f64> {
    // The number itself comes first, because it is the boundary of a condition.
    [n, n - 1.0, n + 1.0].into_iter().filter(|n| n.abs() < 1e12)
}

/// Returns the dates to try: dates in the formulas and adjacent days, month ends, a leap day, and dates in
/// nonconsecutive months.
fn candidate_dates(constant_values: &[Value], has_today: bool) -> Vec<i64> {
    let mut dates = Vec::new();
    for value in constant_values {
        match value {
            Value::Date(date) => dates.extend([*date, date - 1, date + 1]),
            Value::Time(seconds) => dates.push(seconds.div_euclid(SECONDS_PER_DAY)),
            // An integer from 1 to 12 may be a month number.
            Value::Int(month @ 1..=12) => dates.push(day_number(2024, *month, 15)),
            _ => {}
        }
    }
    // These dates are before or after any day on which the tests could run.
    let far = [
        (1999, 12, 31),
        (2999, 12, 31),
        (2000, 1, 31),
        (2000, 2, 29),
        (2999, 11, 30),
    ];
    let plain = [
        (2024, 1, 31),
        (2024, 2, 29),
        (2024, 3, 1),
        (2023, 12, 31),
        (2024, 5, 31),
        (2023, 11, 15),
        (2023, 2, 28),
    ];
    let tried: &[(i64, i64, i64)] = if has_today { &far } else { &plain };
    dates.extend(tried.iter().map(|(year, month, day)| day_number(*year, *month, *day)));
    dates
}
