//! Generates random tables with few rows, many NULLs and duplicates, a key, and a missing month.

use formulac::{Column, Relation, Schema, Type};
use serde_json::{Value as Json, json};

use crate::calendar::day_number;
use crate::json::ToJson;
use crate::kind::Kind;
use crate::random::Random;
use crate::spec::InterpreterSpec;
use crate::value::{SECONDS_PER_DAY, Value};
use crate::walk::{self, StepRows, interpret};

#[derive(Clone, Debug)]
pub struct TableColumn {
    pub name: &'static str,
    pub ty: Type,
    pub kind: Kind,
    pub nullable: bool,
    /// `true` if the column was created with a quoted name.
    pub quoted: bool,
}

fn column(name: &'static str, ty: Type, kind: Kind, nullable: bool) -> TableColumn {
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    TableColumn {
        name,
        ty,
        kind,
        nullable,
        quoted: !plain,
    }
}

#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub columns: Vec<TableColumn>,
    pub key: Vec<&'static str>,
    pub rows: Vec<Vec<Value>>,
}

/// One set of random tables: `orders` with a key, `customers` to which the orders refer, `quotas` with a key of two
/// columns, and `visits` without a key.
#[derive(Clone, Debug)]
pub struct Database {
    pub tables: Vec<Table>,
}

const REGIONS: &[&str] = &["north", "south", "east"];
const STATES: &[&str] = &["open", "paid", "lost", ""];

impl Database {
    pub fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0xda7a);
        Self {
            tables: vec![
                orders(seed, &mut random),
                customers(seed, &mut random),
                quotas(seed, &mut random),
                visits(seed, &mut random),
            ],
        }
    }

    /// Returns the interpreter's result for a spec that reads these tables.
    pub fn interpret(&self, spec: &InterpreterSpec) -> StepRows {
        self.interpreted_by(spec, str::to_owned)
    }

    /// Returns the interpreter's result for a spec. `written` returns a name as it is written in SQL.
    pub fn interpreted_by(&self, spec: &InterpreterSpec, written: fn(&str) -> String) -> StepRows {
        type Names = Vec<String>;
        let names = |names: &mut dyn Iterator<Item = &str>| names.map(written).collect::<Names>();
        let named = |table: &Table| {
            let columns = names(&mut table.columns.iter().map(|c| c.name));
            (written(&table.name), columns, names(&mut table.key.iter().copied()))
        };
        let named: Vec<(String, Names, Names)> = self.tables.iter().map(named).collect();
        let borrowed: Vec<(Vec<&str>, Vec<&str>)> = named
            .iter()
            .map(|(_, columns, key)| {
                (
                    columns.iter().map(String::as_str).collect(),
                    key.iter().map(String::as_str).collect(),
                )
            })
            .collect();
        let tables = self
            .tables
            .iter()
            .zip(&named)
            .zip(&borrowed)
            .map(|((table, (name, ..)), (columns, key))| walk::ValueTable {
                name,
                columns,
                key,
                rows: &table.rows,
            });
        interpret(spec, &tables.collect::<Vec<_>>())
    }

    pub fn schema(&self) -> Schema {
        self.tables.iter().fold(Schema::new(), |schema, table| {
            let relation = table
                .columns
                .iter()
                .fold(Relation::new(table.name.as_str()), |relation, column| {
                    relation.with(
                        Column::new(column.name, column.ty)
                            .nullable(column.nullable)
                            .with_quoted_name(column.quoted),
                    )
                });
            schema.with(if table.key.is_empty() {
                relation
            } else {
                relation.primary_key(table.key.iter().copied())
            })
        })
    }

    pub fn json(&self) -> Vec<Json> {
        let table = |table: &Table| {
            let columns: Vec<Json> = table
                .columns
                .iter()
                .map(|c| json!({"name": c.name, "type": c.ty.to_string(), "quoted": c.quoted}))
                .collect();
            let rows: Vec<Vec<Json>> = table
                .rows
                .iter()
                .map(|row| row.iter().map(Value::json).collect())
                .collect();
            json!({"name": table.name, "columns": columns, "rows": rows})
        };
        self.tables.iter().map(table).collect()
    }
}

fn orders(seed: u64, random: &mut Random) -> Table {
    // Every third database has names that need quotes.
    let hostile = |plain, hostile| if seed % 3 == 2 { hostile } else { plain };
    let sure = |random: &mut Random| !random.chance(30);
    let columns = vec![
        column("id", Type::Integer, Kind::Int, false),
        column("customer_id", Type::Integer, Kind::Int, true),
        column("region", Type::Text, Kind::Text, sure(random)),
        column("status", Type::Text, Kind::Text, true),
        column(hostile("quantity", "Größe"), Type::Integer, Kind::Int, sure(random)),
        column("amount", Type::Decimal, Kind::Exact, sure(random)),
        column(hostile("price", "select"), Type::Float, Kind::Exact, true),
        column("ordered_on", Type::Date, Kind::Date, sure(random)),
        column("is_paid", Type::Boolean, Kind::Bool, sure(random)),
        column(hostile("paid_at", "Paid At"), Type::Timestamp, Kind::Time, sure(random)),
    ];
    // Empty tables and tables with one row are generated more often than by chance.
    let count = match random.random_below(10) {
        0 => random.random_below(2),
        1 => 20 + random.random_below(15),
        _ => 2 + random.random_below(11),
    };
    let first = day_number(2023 + random.next_between(0, 1), random.next_between(1, 12), 1);
    let rows = (0..count)
        .map(|row| {
            let mut values = vec![
                Value::Int(row as i64 + 1),
                Value::Int(random.next_between(1, 4)),
                Value::Text((*random.pick(REGIONS)).to_owned()),
                Value::Text((*random.pick(STATES)).to_owned()),
                Value::Int(random.next_between(-3, 6)),
                Value::Number(random.next_between(-400, 2000) as f64 / 4.0),
                Value::Number(random.next_between(0, 40) as f64 / 4.0),
                // Some months have no rows, and some dates are ends of months.
                Value::Date(first + random.next_between(0, 5) * 31 + *random.pick(&[0, 0, 1, 12, 29, 30])),
                Value::Bool(random.chance(50)),
                Value::Time(
                    (first + random.next_between(0, 3) * 31) * SECONDS_PER_DAY + random.next_between(0, 8) * 3 * 3600,
                ),
            ];
            for (value, column) in values.iter_mut().zip(&columns) {
                if column.nullable && random.chance(25) {
                    *value = Value::Null;
                }
            }
            values
        })
        .collect();
    let mut table = Table {
        name: format!("orders_{seed}"),
        columns,
        key: vec!["id"],
        rows,
    };
    random.shuffle(&mut table.rows);
    table
}

fn customers(seed: u64, random: &mut Random) -> Table {
    // Every third database has names that need quotes.
    let hostile = |plain, hostile| if seed % 3 == 2 { hostile } else { plain };
    let columns = vec![
        column("customer_id", Type::Integer, Kind::Int, false),
        column(hostile("segment", "Group"), Type::Text, Kind::Text, true),
        column(hostile("credit", "Credit at most"), Type::Integer, Kind::Int, true),
        column("since", Type::Date, Kind::Date, false),
    ];
    let mut rows = Vec::new();
    for id in 1..=5 {
        if random.chance(30) {
            continue;
        }
        let segment = if random.chance(25) {
            Value::Null
        } else {
            Value::Text((*random.pick(&["big", "small"])).to_owned())
        };
        let credit = if random.chance(25) {
            Value::Null
        } else {
            Value::Int(random.next_between(-2, 9))
        };
        let since = Value::Date(day_number(2022, random.next_between(1, 12), random.next_between(1, 28)));
        rows.push(vec![Value::Int(id), segment, credit, since]);
    }
    Table {
        name: format!("customers_{seed}"),
        columns,
        key: vec!["customer_id"],
        rows,
    }
}

fn quotas(seed: u64, random: &mut Random) -> Table {
    // Every third database has names that need quotes.
    let hostile = |plain, hostile| if seed % 3 == 2 { hostile } else { plain };
    let columns = vec![
        column("region", Type::Text, Kind::Text, false),
        column("status", Type::Text, Kind::Text, false),
        column(hostile("quota", "Region_Quota"), Type::Decimal, Kind::Exact, true),
    ];
    let mut rows = Vec::new();
    for region in REGIONS {
        for status in STATES {
            if random.chance(50) {
                let quota = Value::Number(random.next_between(0, 400) as f64 / 4.0);
                let quota = if random.chance(25) { Value::Null } else { quota };
                rows.push(vec![
                    Value::Text((*region).to_owned()),
                    Value::Text((*status).to_owned()),
                    quota,
                ]);
            }
        }
    }
    random.shuffle(&mut rows);
    Table {
        name: format!("quotas_{seed}"),
        columns,
        key: vec!["region", "status"],
        rows,
    }
}

fn visits(seed: u64, random: &mut Random) -> Table {
    // Every third database has names that need quotes.
    let hostile = |plain, hostile| if seed % 3 == 2 { hostile } else { plain };
    let columns = vec![
        column("customer_id", Type::Integer, Kind::Int, true),
        column("region", Type::Text, Kind::Text, true),
        column(hostile("visited_on", "order"), Type::Date, Kind::Date, true),
        column("score", Type::Integer, Kind::Int, true),
    ];
    let first = day_number(2023 + random.next_between(0, 1), random.next_between(1, 12), 1);
    let rows = (0..random.random_below(7))
        .map(|_| {
            let values = vec![
                Value::Int(random.next_between(1, 5)),
                Value::Text((*random.pick(REGIONS)).to_owned()),
                Value::Date(first + random.next_between(0, 5) * 31 + *random.pick(&[0, 0, 1, 30])),
                Value::Int(random.next_between(-2, 5)),
            ];
            values
                .into_iter()
                .map(|value| if random.chance(25) { Value::Null } else { value })
                .collect()
        })
        .collect();
    Table {
        name: format!("visits_{seed}"),
        columns,
        key: Vec::new(),
        rows,
    }
}
