//! Generates small tables for random formulas. The tables have columns of every type, with and without NULL, and values
//! that are difficult for functions.

use formulac::Type;

use crate::calendar::day_number;
use crate::database::{Database, Table, TableColumn};
use crate::kind::Kind;
use crate::random::Random;
use crate::value::{SECONDS_PER_DAY, Value};

/// The key column, which identifies rows, and the column by which rows are grouped.
pub const KEY: &str = "id";
pub const GROUP: &str = "team";

const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "open",
    "Open",
    "OPEN sesame",
    "north-east",
    "café",
    "Élan vital",
    "naïve  Ärger",
    "日本語",
    "東京 2024",
    "50%_off",
    "a*b?c~d",
    "it's",
    "say \"hi\"",
    "x=1, y=22",
    "  two  words ",
    "ab12cd345",
    "back\\slash",
    "O'Neil mc-donald",
    "order 12 of 30",
    "AbAbab",
    "€5.00",
    "2nd",
];
const NUMERALS: &[&str] = &[
    "12",
    "-3.5",
    " 7 ",
    "1e3",
    "abc",
    "",
    "1,234.5",
    "1.234,5",
    "0.25",
    "2024-02-29",
    "2023-02-29",
    "2024-12-31",
    " 2023-06-15 ",
    "08:15",
    "23:59:59",
    "25:00",
    "+4",
    ".5",
    "12:5",
    "1 234",
];

fn column(name: &'static str, ty: Type, kind: Kind, nullable: bool) -> TableColumn {
    TableColumn {
        name,
        ty,
        kind,
        nullable,
        quoted: false,
    }
}

pub fn draw(seed: u64) -> Database {
    let mut random = Random::new(seed ^ 0xf0_0d1e);
    let random = &mut random;
    let columns = vec![
        column(KEY, Type::Integer, Kind::Int, false),
        column(GROUP, Type::Text, Kind::Text, true),
        column("count", Type::Integer, Kind::Int, true),
        column("size", Type::Integer, Kind::Int, false),
        column("amount", Type::Decimal, Kind::Exact, true),
        column("rate", Type::Decimal, Kind::Exact, false),
        column("price", Type::Float, Kind::Float, true),
        column("share", Type::Float, Kind::Float, false),
        column("name", Type::Text, Kind::Text, true),
        column("word", Type::Text, Kind::Text, false),
        column("code", Type::Text, Kind::Text, true),
        column("ordered", Type::Date, Kind::Date, true),
        column("due", Type::Date, Kind::Date, false),
        column("paid_at", Type::Timestamp, Kind::Time, true),
        column("seen_at", Type::Timestamp, Kind::Time, false),
        column("done", Type::Boolean, Kind::Bool, true),
        column("valid", Type::Boolean, Kind::Bool, false),
    ];
    // Tables usually have a few rows, but empty tables and tables with one row also occur.
    let count = match random.random_below(12) {
        0 => random.random_below(2),
        1 => 18 + random.random_below(8),
        _ => 5 + random.random_below(9),
    };
    let year = 2022 + random.next_between(0, 3);
    let rows = (0..count).map(|at| row(at, year, &columns, random)).collect();
    Database {
        tables: vec![Table {
            name: format!("facts_{seed}"),
            columns,
            key: vec![KEY],
            rows,
        }],
    }
}

fn row(at: usize, year: i64, columns: &[TableColumn], random: &mut Random) -> Vec<Value> {
    let text = |random: &mut Random, from: &[&str]| Value::Text((*random.pick(from)).to_owned());
    // Sums of halves and quarters are exact on every engine. Tenths and hundredths test rounding.
    let number = |random: &mut Random| match random.random_below(5) {
        0 => random.next_between(-40, 40) as f64 / 10.0,
        1 => random.next_between(-3000, 3000) as f64 / 100.0,
        2 => random.next_between(-5, 12) as f64,
        _ => random.next_between(-80, 200) as f64 / 4.0,
    };
    let mut values = vec![
        Value::Int(at as i64 + 1),
        text(random, &["red", "blue", "green"]),
        Value::Int(random.next_between(-4, 9)),
        Value::Int(*random.pick(&[0, 1, 1, 2, 3, 4, 5, 7, 12, 30, 65, 120, 255])),
        Value::Number(number(random)),
        Value::Number(random.next_between(-900, 2600) as f64 / 100.0),
        Value::Number(number(random)),
        Value::Number(*random.pick(&[-1.0, -0.75, -0.5, 0.0, 0.25, 0.5, 0.875, 1.0])),
        text(random, TEXTS),
        text(random, TEXTS),
        text(random, NUMERALS),
        Value::Date(date(year, random)),
        Value::Date(date(year, random)),
        Value::Time(date(year, random) * SECONDS_PER_DAY + time(random)),
        Value::Time(date(year, random) * SECONDS_PER_DAY + time(random)),
        Value::Bool(random.chance(50)),
        Value::Bool(random.chance(50)),
    ];
    for (value, column) in values.iter_mut().zip(columns) {
        if column.nullable && random.chance(18) {
            *value = Value::Null;
        }
    }
    values
}

/// Generates a date. Ends of months, leap days and turns of the year are more frequent than by chance.
fn date(year: i64, random: &mut Random) -> i64 {
    match random.random_below(8) {
        0 => day_number(2024, 2, 29),
        1 => day_number(year, random.next_between(2, 12), 1) - 1,
        2 => day_number(year, 12, 31),
        3 => day_number(year, 1, random.next_between(1, 3)),
        4 => day_number(year, random.next_between(1, 12), 1),
        _ => day_number(year, random.next_between(1, 12), 1) + random.next_between(0, 30),
    }
}

fn time(random: &mut Random) -> i64 {
    *random.pick(&[0, 0, SECONDS_PER_DAY - 1, SECONDS_PER_DAY / 2, 3_661, 45_296, 29_700])
}
