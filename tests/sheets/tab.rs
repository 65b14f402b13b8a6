//! Another tab that lookups read.

use crate::random::Random;
use crate::sheet::written_order;
use crate::table::{Kind, Table};
use crate::value::Value;

#[derive(Clone, Debug)]
pub struct Tab {
    pub name: &'static str,
    pub table: Table,
    pub columns: Vec<(String, Kind)>,
    /// Order of the rows. Without an order, rows can be found only by the key.
    pub order_by: Vec<(String, bool)>,
}

const NAMES: &[&str] = &["Targets", "Price list", "It's"];

impl Tab {
    pub fn draw(random: &mut Random, of: &Table) -> Self {
        let table = if random.chance(20) { of.clone() } else { of.looked_up() };
        let mut places: Vec<usize> = (0..table.columns.len()).collect();
        random.shuffle(&mut places);
        places.truncate(2 + random.random_below(table.columns.len() - 1));
        let is_key = |index: &usize| table.key_known && table.key_columns == [table.columns[*index].name];
        let mut order_by = Vec::new();
        // Without an order, a lookup can still find rows by the key.
        if !(random.chance(15) && places.iter().any(is_key)) {
            let columns: Vec<_> = table.columns.iter().filter(|c| c.ordered).collect();
            order_by.push((random.pick(&columns).name.to_owned(), random.chance(30)));
            // If no key is known, the order contains all columns that identify rows.
            for name in &table.key_columns {
                if order_by[0].0 != *name && (!table.key_known || random.chance(10)) {
                    order_by.push(((*name).to_owned(), random.chance(30)));
                }
            }
        }
        let columns = places
            .iter()
            .map(|at| (table.columns[*at].name.to_owned(), table.columns[*at].kind))
            .collect();
        Self {
            name: random.pick::<&str>(NAMES),
            table,
            columns,
            order_by,
        }
    }

    /// Returns `true` if rows can be found by this column. Without an order, the column must have a different value in
    /// each row.
    pub fn finds_by(&self, column: usize) -> bool {
        !self.order_by.is_empty() || self.table.key_columns == [self.columns[column].0.as_str()]
    }

    /// Returns the rows of the tab in its order.
    pub fn rows(&self) -> Vec<Vec<Value>> {
        let order = self.table.order(&self.order_by);
        let places: Vec<usize> = self
            .columns
            .iter()
            .map(|(name, _)| self.table.column_index(name))
            .collect();
        let sorted = self.table.sorted(&order);
        sorted
            .into_iter()
            .map(|row| places.iter().map(|at| row[*at].clone()).collect())
            .collect()
    }

    /// Returns the tab's name as spelled in formulas.
    pub fn render_text(&self) -> String {
        format!("'{}'!", self.name.replace('\'', "''"))
    }

    /// Returns the tab as one line of a spec.
    pub fn spec(&self) -> String {
        let columns: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let order: Vec<String> = self
            .order_by
            .iter()
            .map(|(name, descending)| written_order(name, *descending))
            .collect();
        let order = if order.is_empty() {
            String::new()
        } else {
            format!(", order_by: {order:?}")
        };
        format!(
            "tabs: {{{:?}: {{model: {}, columns: {columns:?}{order}}}}}",
            self.name, self.table.name
        )
    }
}
