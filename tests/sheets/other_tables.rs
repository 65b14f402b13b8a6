//! Generates random tables for lookups, and tables whose rows are the cells of a pivot.

use formulac::Type;

use crate::calendar::day_number;
use crate::random::Random;
use crate::table::{Kind, REGIONS, Table, TableColumn};
use crate::value::Value;

const CHANNELS: &[&str] = &["web", "shop", "phone", "fair"];

fn columns(of: &[(&'static str, Type, Kind)], nullable: impl Fn(&str) -> bool, ordered: bool) -> Vec<TableColumn> {
    let column = |(name, ty, kind): &(&'static str, Type, Kind)| TableColumn {
        name,
        ty: *ty,
        kind: *kind,
        nullable: nullable(name),
        ordered: *kind != Kind::Bool && (ordered || *kind != Kind::Text),
    };
    of.iter().map(column).collect()
}

fn insert_blanks(random: &mut Random, values: &mut [Value], columns: &[TableColumn]) {
    for (value, column) in values.iter_mut().zip(columns) {
        if column.nullable && random.chance(25) {
            *value = Value::Null;
        }
    }
}

impl Table {
    /// Returns the table in which a sheet that is based on this table looks up keys. The lookup table has many of this
    /// table's keys, some of them twice, and other keys.
    pub fn looked_up(&self) -> Self {
        let mut random = Random::new(self.seed ^ 0x7ab);
        let named = |plain, hostile| if self.seed % 3 == 1 { hostile } else { plain };
        let columns = columns(
            &[
                ("code", Type::Integer, Kind::Exact),
                (named("zone", "Zone Name"), Type::Text, Kind::Text),
                ("since", Type::Date, Kind::Date),
                (named("rate", "Größe"), Type::Decimal, Kind::Exact),
                ("level", Type::Integer, Kind::Exact),
                ("active", Type::Boolean, Kind::Bool),
            ],
            |name| name != "code" && !self.seed.is_multiple_of(4),
            false,
        );
        let dates: Vec<i64> = self
            .rows
            .iter()
            .flatten()
            .filter_map(|value| {
                if let Value::Date(days) = value {
                    Some(*days)
                } else {
                    None
                }
            })
            .chain([day_number(2024, 1, 31)])
            .collect();
        let mut rows: Vec<Vec<Value>> = (0..random.random_below(9))
            .map(|row| {
                let words = if random.chance(50) { REGIONS } else { CHANNELS };
                let mut values = vec![
                    Value::Int(row as i64 + 1),
                    Value::Text((*random.pick(words)).to_owned()),
                    Value::Date(*random.pick(&dates) + random.next_between(-1, 1) * random.next_between(0, 3)),
                    Value::Number(random.next_between(-40, 200) as f64 / 4.0),
                    Value::Int(random.next_between(-3, 6)),
                    Value::Bool(random.chance(50)),
                ];
                insert_blanks(&mut random, &mut values, &columns);
                values
            })
            .collect();
        random.shuffle(&mut rows);
        let name = format!("tab_of_{}", self.name);
        Self {
            seed: self.seed,
            name,
            columns,
            key_columns: vec!["code"],
            key_known: !self.seed.is_multiple_of(5),
            rows,
        }
    }

    /// Generates a table with at most one row per month and channel, and in some tables also per region. Some cells
    /// have no row in the table.
    pub fn month_channel_table(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0xce11);
        let named = |plain, hostile| if seed % 3 == 2 { hostile } else { plain };
        let (period, ty, kind) = match seed % 5 {
            4 => ("week", Type::Integer, Kind::Exact),
            _ => (named("month", "Some Month"), Type::Date, Kind::Date),
        };
        let key_known = seed % 4 != 3;
        let key_columns = if seed % 4 == 2 {
            vec![period, "region", "channel"]
        } else {
            vec![period, "channel"]
        };
        let columns = columns(
            &[
                (period, ty, kind),
                ("region", Type::Text, Kind::Text),
                ("channel", Type::Text, Kind::Text),
                (named("amount", "Größe"), Type::Decimal, Kind::Exact),
                (named("quantity", "select"), Type::Integer, Kind::Exact),
                ("price", Type::Float, Kind::Exact),
                ("paid", Type::Boolean, Kind::Bool),
                ("due", Type::Date, Kind::Date),
            ],
            |name| !key_known || (!key_columns.contains(&name) && !seed.is_multiple_of(7)),
            true,
        );
        let first = day_number(2023 + random.next_between(0, 1), random.next_between(1, 12), 1);
        let periods: Vec<Value> = (0..random.next_between(0, 5))
            .map(|at| match kind {
                Kind::Date => Value::Date(first + at * 31),
                _ => Value::Int(at + random.next_between(0, 1) * 10),
            })
            .chain((!key_known).then_some(Value::Null))
            .collect();
        let mut channels: Vec<Value> = CHANNELS[..1 + random.random_below(4)]
            .iter()
            .map(|c| Value::Text((*c).into()))
            .collect();
        if !key_known && random.chance(50) {
            channels.push(Value::Null);
        }
        let regions = if key_columns.len() == 3 {
            vec![Some("north"), Some("south")]
        } else {
            vec![None]
        };
        let mut rows = Vec::new();
        for period in &periods {
            for (channel, region) in channels.iter().flat_map(|c| regions.iter().map(move |r| (c, r))) {
                if random.chance(30) {
                    continue;
                }
                let region = region.unwrap_or_else(|| random.pick::<&str>(&["north", "south", "east"]));
                let mut values = vec![
                    period.clone(),
                    Value::Text(region.to_owned()),
                    channel.clone(),
                    Value::Number(random.next_between(-40, 200) as f64 / 4.0),
                    Value::Int(random.next_between(-3, 6)),
                    Value::Number(random.next_between(0, 12) as f64 / 4.0),
                    Value::Bool(random.chance(50)),
                    Value::Date(first + random.next_between(0, 90)),
                ];
                // A column that identifies rows is never blank, unless blank is one of its values.
                let (keys, others) = values.split_at_mut(3);
                insert_blanks(&mut random, others, &columns[3..]);
                if key_columns.len() == 2 {
                    insert_blanks(&mut random, &mut keys[1..2], &columns[1..2]);
                }
                rows.push(values);
            }
        }
        random.shuffle(&mut rows);
        Self {
            seed,
            name: format!("cells_{seed}"),
            columns,
            key_columns,
            key_known,
            rows,
        }
    }
}
