//! The columns that a draft has values for, and the values that are tried in each.

use std::collections::BTreeSet;

use super::constants::{ComparedBase, Constants};
use crate::Type;
use crate::interpret::calendar::days;
use crate::interpret::exact::Exact;
use crate::interpret::from_ast::folded;
use crate::interpret::spec::{JoinCondition, ReferenceKeep, ReferenceSpec};
use crate::interpret::value::{DAY, Value};
use crate::model::CompiledSpec;
use crate::model::interpreter_input::{InputRelation, Interpreted};
use crate::schema::Column;

/// A column of a relation, with the values that are tried.
#[derive(Debug)]
pub struct Slot {
    /// As the interpreter calls it.
    pub name: String,
    /// As dbt is to read it.
    pub written: String,
    /// Different rows have different values as far as can be: amounts that are alike hide what is done with them.
    pub is_varied: bool,
    /// It is there to tell rows apart, and counts them.
    pub is_key: bool,
    /// It is a part of what tells the rows apart.
    pub is_part_of_key: bool,
    /// How its texts begin, where they mean nothing but themselves.
    pub words: Option<String>,
    /// The plainest comes first.
    pub pool: Vec<Value>,
}

/// How many digits a decimal has behind its point where its type does not say so: as amounts of money have.
const SCALE: u32 = 2;

/// What texts end in that mean nothing but themselves.
pub const LETTERS: [&str; 8] = ["A", "B", "C", "D", "E", "F", "G", "H"];

/// Amounts of which quotients have few digits.
const AMOUNTS: [f64; 8] = [100.0, 50.0, 200.0, 400.0, 25.0, 800.0, 0.0, -50.0];

/// The slots of each relation.
pub fn slots(main: &Interpreted, others: &[ReferenceSpec], compiled: &CompiledSpec) -> Result<Vec<Vec<Slot>>, String> {
    let mut constants = Constants::from_spec(&main.spec);
    for other in others {
        // What hangs on the day is no constant.
        constants.keep_only(&Constants::from_spec(other));
    }
    let has_today = !others.is_empty();
    let read = names_read(&main.spec);
    main.relations
        .iter()
        .map(|given| {
            let columns = columns(given, main, compiled);
            let key = key_of(given, main);
            let is_read = |column: &Column| {
                let name = folded(column.name());
                read.contains(&name) || keeps_all(given, &main.spec) || key.contains(&name)
            };
            let mut read: Vec<&Column> = columns.iter().filter(|column| is_read(column)).collect();
            if read.is_empty() {
                // Rows that are counted have a column at least.
                read.extend(columns.first());
            }
            read.into_iter().map(|column| slot(given, column, &key, &constants, has_today)).collect()
        })
        .collect()
}

/// The columns that a relation is known to have; without a schema those that formulas read.
fn columns(given: &InputRelation, main: &Interpreted, compiled: &CompiledSpec) -> Vec<Column> {
    if let Some(relation) = &given.known {
        return relation.columns().to_vec();
    }
    let mut columns: Vec<Column> = Vec::new();
    for used in &compiled.columns_read {
        let alias =
            |name: &str| main.spec.steps.iter().flat_map(|s| &s.joins).any(|j| j.name() == name && j.to == given.name);
        let is_own = match used.relation.as_deref().map(folded) {
            Some(relation) => relation == given.name || alias(&relation),
            None => main.relations.len() == 1,
        };
        let name = folded(&used.name);
        if is_own && columns.iter().all(|column| folded(column.name()) != name) {
            columns.push(Column::new(&*used.name, used.ty));
        }
    }
    columns
}

/// What tells the rows of a relation apart, where a step walks over them one by one.
fn key_of(given: &InputRelation, main: &Interpreted) -> Vec<String> {
    let mut read = main.spec.from.as_str();
    let mut walked = false;
    for step in &main.spec.steps {
        let is_read = read == given.name || step.joins.iter().any(|join| join.to == given.name);
        walked |= is_read && !step.is_grouped();
        read = &step.name;
    }
    match &given.known {
        Some(relation) if walked => relation.key().iter().map(|name| folded(name)).collect(),
        _ => Vec::new(),
    }
}

fn keeps_all(given: &InputRelation, spec: &ReferenceSpec) -> bool {
    spec.from == given.name && spec.steps.first().is_some_and(|step| step.keep == ReferenceKeep::All)
}

/// Names of columns that anything reads, without their relations' names.
fn names_read(spec: &ReferenceSpec) -> BTreeSet<String> {
    let mut names = Vec::new();
    for step in &spec.steps {
        let conditions = [&step.filter, &step.having].into_iter().flatten();
        conditions.chain(step.definitions.iter().map(|(_, x)| x)).for_each(|x| x.names(&mut names));
        let entries = step.group_by.iter().chain(step.order_by.iter().map(|(entry, _)| entry));
        names.extend(entries.map(|entry| entry.name.clone()));
        names.extend(step.partition_by.iter().flatten().cloned());
        if let ReferenceKeep::Some(kept) = &step.keep {
            names.extend(kept.iter().cloned());
        }
        for join in &step.joins {
            match &join.by {
                JoinCondition::On(condition) => condition.names(&mut names),
                JoinCondition::Using(columns) => names.extend(columns.iter().cloned()),
                JoinCondition::Nothing => {}
            }
        }
    }
    names.iter().map(|name| crate::interpret::spec::bare(name).to_owned()).collect()
}

fn slot(
    given: &InputRelation,
    column: &Column,
    key: &[String],
    constants: &Constants,
    has_today: bool,
) -> Result<Slot, String> {
    let name = folded(column.name());
    let is_part_of_key = given.known.iter().any(|known| known.key().iter().any(|of| folded(of) == name));
    let is_key = key.contains(&name) && column.ty() == Type::Integer;
    let mut words = None;
    let named = constants.values_for(&ComparedBase { relation: given.name.clone(), column: name.clone() });
    let mut pool = Vec::new();
    let mut add = |value: Value| {
        if !pool.contains(&value) {
            pool.push(value);
        }
    };
    let declared = column.known_values().into_iter().flatten().map(|text| Value::Text(text.clone()));
    let scale = column.scale().unwrap_or(SCALE).min(9);
    match column.ty() {
        Type::Boolean => [Value::Bool(true), Value::Bool(false)].into_iter().for_each(&mut add),
        Type::Integer | Type::Unknown => {
            let counts_from_one = is_key || column.ty() == Type::Unknown || name.ends_with("id");
            named.iter().filter_map(Value::number).for_each(|n| around(n).for_each(|n| add(Value::Int(n as i64))));
            let plain: &[i64] = if counts_from_one { &[1, 2, 3, 4, 5, 6, 7, 8] } else { &[10, 20, 5, 40, 80, 0, -5] };
            plain.iter().for_each(|n| add(Value::Int(*n)));
        }
        // Whatever numbers the column has, whole ones are among them.
        Type::Number | Type::Point => {
            named.iter().filter_map(Value::number).for_each(|n| around(n).for_each(|n| add(Value::Int(n as i64))));
            AMOUNTS.into_iter().for_each(|n| add(Value::Int(n as i64)));
        }
        Type::Decimal => {
            let unit = 10i128.checked_pow(scale).unwrap_or(1);
            let of = |n: f64| Value::Decimal(Exact { digits: (n as i128).saturating_mul(unit), scale });
            named.iter().filter_map(Value::number).for_each(|n| around(n).for_each(|n| add(of(n))));
            AMOUNTS.into_iter().for_each(|n| add(of(n)));
        }
        Type::Float | Type::Time => {
            named.iter().filter_map(Value::number).for_each(|n| around(n).for_each(|n| add(Value::Number(n))));
            AMOUNTS.into_iter().for_each(|n| add(Value::Number(n)));
        }
        Type::Text => {
            declared.for_each(&mut add);
            named.iter().for_each(|value| {
                if let Value::Text(text) = value {
                    add(Value::Text(text.clone()));
                }
            });
            let own = name.trim_end_matches("_id").replace('_', " ");
            let is_named = named.iter().any(|value| matches!(value, Value::Text(_)));
            if is_named {
                add(Value::Text("other".to_owned()));
            } else if column.known_values().is_none() {
                LETTERS.into_iter().for_each(|letter| add(Value::Text(format!("{own} {letter}"))));
                words = Some(own);
            }
        }
        Type::Date => dates(&named, has_today).into_iter().for_each(|date| add(Value::Date(date))),
        Type::Timestamp => {
            // Midnight, and the last hour of a day.
            for (at, date) in dates(&named, has_today).into_iter().enumerate() {
                add(Value::Time(date * DAY + [0, 23 * 3600 + 1800][at % 2]));
            }
        }
        Type::Timestamptz => return Err(format!("`{name}`, whose instants are dates in the session's time zone")),
        _ => {}
    }
    if (column.is_nullable() && !is_part_of_key) || pool.is_empty() {
        pool.push(Value::Null);
    }
    let is_varied = column.ty().is_number() && !name.ends_with("id");
    Ok(Slot { name, written: column.name().to_owned(), is_varied, is_key, is_part_of_key, words, pool })
}

/// Just below, at and above a number.
fn around(n: f64) -> impl Iterator<Item = f64> {
    // The number itself first: that is where a condition is decided.
    [n, n - 1.0, n + 1.0].into_iter().filter(|n| n.abs() < 1e12)
}

/// Month ends, a leap day, months that are missing between others.
fn dates(named: &[Value], has_today: bool) -> Vec<i64> {
    let mut dates = Vec::new();
    for value in named {
        match value {
            Value::Date(date) => dates.extend([*date, date - 1, date + 1]),
            Value::Time(seconds) => dates.push(seconds.div_euclid(DAY)),
            // The number of a month.
            Value::Int(month @ 1..=12) => dates.push(days(2024, *month, 15)),
            _ => {}
        }
    }
    // Before and after any day that a run may have.
    let far = [(1999, 12, 31), (2999, 12, 31), (2000, 1, 31), (2000, 2, 29), (2999, 11, 30)];
    let plain =
        [(2024, 1, 31), (2024, 2, 29), (2024, 3, 1), (2023, 12, 31), (2024, 5, 31), (2023, 11, 15), (2023, 2, 28)];
    let tried: &[(i64, i64, i64)] = if has_today { &far } else { &plain };
    dates.extend(tried.iter().map(|(year, month, day)| days(*year, *month, *day)));
    dates
}
