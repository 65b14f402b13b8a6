//! Generates random tables for sheets, with few rows, many blanks, and equal values in the sort columns.

use std::cmp::Ordering;

use formulac::{Column, Relation, Type};
use serde_json::{Value as Json, json};

use crate::calendar::day_number;
use crate::json::ToJson;
use crate::random::Random;
use crate::value::Value;

/// Kind of a column, which determines how its values may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers whose digits all engines preserve, so that the numbers can be compared.
    Exact,
    /// Quotients and averages, whose last bits differ between engines.
    Inexact,
    Text,
    Date,
    Bool,
}

#[derive(Clone, Debug)]
pub struct TableColumn {
    pub name: &'static str,
    pub ty: Type,
    pub kind: Kind,
    pub nullable: bool,
    /// `true` if every engine sorts the values in the same order. This is not the case for strings that differ only in
    /// case, and often not for booleans.
    pub ordered: bool,
}

#[derive(Clone, Debug)]
pub struct Table {
    pub seed: u64,
    pub name: String,
    pub columns: Vec<TableColumn>,
    /// Columns that identify the rows.
    pub key_columns: Vec<&'static str>,
    /// `true` if the schema declares the key.
    pub key_known: bool,
    pub rows: Vec<Vec<Value>>,
}

pub const REGIONS: &[&str] = &["north", "south", "East", "east", ""];

impl Table {
    pub fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5ee7);
        // Every third table has names that need quotes.
        let named = |plain, hostile| if seed % 3 == 2 { hostile } else { plain };
        let of = [
            ("id", Type::Integer, Kind::Exact),
            (named("day", "Some Day"), Type::Date, Kind::Date),
            ("region", Type::Text, Kind::Text),
            (named("amount", "Größe"), Type::Decimal, Kind::Exact),
            (named("quantity", "select"), Type::Integer, Kind::Exact),
            ("price", Type::Float, Kind::Exact),
            ("paid", Type::Boolean, Kind::Bool),
            ("due", Type::Date, Kind::Date),
        ];
        let columns: Vec<TableColumn> = of
            .into_iter()
            .map(|(name, ty, kind)| TableColumn {
                name,
                ty,
                kind,
                nullable: name != "id" && random.chance(70),
                ordered: kind != Kind::Text && kind != Kind::Bool,
            })
            .collect();
        // Empty sheets and sheets with one row are generated more often than by chance.
        let count = match random.random_below(10) {
            0 => random.random_below(2),
            1 => 15 + random.random_below(10),
            _ => 2 + random.random_below(9),
        };
        let first = day_number(2023 + random.next_between(0, 1), random.next_between(1, 12), 1);
        let mut rows: Vec<Vec<Value>> = (0..count)
            .map(|row| {
                let mut values = vec![
                    Value::Int(row as i64 + 1),
                    Value::Date(first + random.next_between(0, 3) * 31),
                    Value::Text((*random.pick(REGIONS)).to_owned()),
                    Value::Number(random.next_between(-40, 200) as f64 / 4.0),
                    Value::Int(random.next_between(-3, 6)),
                    Value::Number(random.next_between(0, 12) as f64 / 4.0),
                    Value::Bool(random.chance(50)),
                    Value::Date(first + random.next_between(0, 90)),
                ];
                for (value, column) in values.iter_mut().zip(&columns) {
                    if column.nullable && random.chance(25) {
                        *value = Value::Null;
                    }
                }
                values
            })
            .collect();
        random.shuffle(&mut rows);
        Self {
            seed,
            name: format!("rows_{seed}"),
            columns,
            key_columns: vec!["id"],
            key_known: true,
            rows,
        }
    }

    pub fn column_index(&self, name: &str) -> usize {
        self.columns
            .iter()
            .position(|c| c.name == name)
            .expect("a column of the table")
    }

    /// Returns the columns by which the rows are sorted, each with a flag that is `true` for descending order. The
    /// given columns come first, followed by the key if it is known.
    pub fn order(&self, keys: &[(String, bool)]) -> Vec<(usize, bool)> {
        let mut order: Vec<(usize, bool)> = keys
            .iter()
            .map(|(name, descending)| (self.column_index(name), *descending))
            .collect();
        for name in self.key_columns.iter().filter(|_| self.key_known) {
            let index = self.column_index(name);
            if order.iter().all(|(known, _)| *known != index) {
                order.push((index, false));
            }
        }
        order
    }

    pub fn sorted(&self, order: &[(usize, bool)]) -> Vec<&Vec<Value>> {
        let mut sorted: Vec<&Vec<Value>> = self.rows.iter().collect();
        sorted.sort_by(|a, b| {
            let by = order
                .iter()
                .map(|(at, descending)| a[*at].sort_order(&b[*at], *descending));
            by.fold(Ordering::Equal, Ordering::then)
        });
        sorted
    }

    fn is_quoted(name: &str) -> bool {
        !name.chars().all(|c| c.is_ascii_lowercase()) || name == "select"
    }

    pub fn relation(&self) -> Relation {
        let relation = self
            .columns
            .iter()
            .fold(Relation::new(self.name.as_str()), |relation, column| {
                let quoted = Self::is_quoted(column.name);
                relation.with(
                    Column::new(column.name, column.ty)
                        .nullable(column.nullable)
                        .with_quoted_name(quoted),
                )
            });
        if self.key_known {
            relation.primary_key(self.key_columns.iter().copied())
        } else {
            relation
        }
    }

    pub fn json(&self) -> Json {
        let columns: Vec<Json> = self
            .columns
            .iter()
            .map(|c| json!({"name": c.name, "type": c.ty.to_string(), "quoted": Self::is_quoted(c.name)}))
            .collect();
        let rows: Vec<Vec<Json>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(Value::json).collect())
            .collect();
        json!({"name": self.name, "columns": columns, "rows": rows})
    }
}
