//! Generates, compares and shrinks random worksheets.

use formulac::{Dialect, Schema};
use serde_json::Value as Json;

use crate::draw;
use crate::drawn::{Drawn, rows_fault, values_near};
use crate::engine;
use crate::json::ToJson;
use crate::random::Random;
use crate::share;
use crate::sheet::Sheet;
use crate::shown::Shown;
use crate::shrink::smaller_sheets;
use crate::tab::Tab;
use crate::table::Table;
use crate::value::Value;

/// Number of tables that the sheets share. Each engine loads each table only once.
const TABLES: u64 = 97;

pub struct Case {
    seed: u64,
    pub sheet: Sheet,
    table: Table,
}

impl Case {
    fn read(&self) -> Vec<&Table> {
        let tab = self
            .sheet
            .tab
            .iter()
            .map(|tab| &tab.table)
            .filter(|table| table.name != self.table.name);
        [&self.table].into_iter().chain(tab).collect()
    }
}

impl Drawn for Case {
    type Right = Shown;
    const SUITE: &'static str = "random-sheets";
    const KIND: &'static str = "random sheets";
    const COUNT: &'static str = "FORMULAC_RANDOM_SHEETS";
    const ONE_OF: usize = 10;

    /// Generates a worksheet. A fifth of the worksheets are pivoted, and a quarter have another tab and contain
    /// lookups.
    fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let is_pivot = random.chance(20);
        let table = if is_pivot {
            Table::month_channel_table(seed % TABLES)
        } else {
            Table::draw(seed % TABLES)
        };
        let tab = random.chance(28).then(|| Tab::draw(&mut random, &table));
        let sheet = draw::sheet(&mut random, &table, tab, is_pivot);
        Self { seed, sheet, table }
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn text(&self) -> String {
        self.sheet.to_string()
    }

    fn schema(&self) -> Schema {
        self.read()
            .into_iter()
            .fold(Schema::new(), |schema, table| schema.with(table.relation()))
    }

    fn tables(&self) -> Vec<Json> {
        self.read().into_iter().map(Table::json).collect()
    }

    fn right(&self) -> Option<Shown> {
        Some(Shown::from_sheet(&self.sheet, &self.table))
    }

    fn smaller_cases(&self) -> Vec<Self> {
        let found = smaller_sheets(&self.sheet, &self.table).into_iter();
        found
            .map(|(sheet, table)| Self {
                seed: self.seed,
                sheet,
                table,
            })
            .collect()
    }

    fn may_fail(error: &str) -> bool {
        error.contains("Overflow in multiplication of DECIMAL")
    }

    fn summarize(cases: &[Self], rights: &[Shown]) -> Option<String> {
        Some(share::report_shares(cases, rights))
    }

    /// The rows must be in the order of the sheet.
    fn find_difference(&self, dialect: Dialect, right: &Shown, table: &engine::Table) -> Option<String> {
        let names: Vec<String> = table.columns.iter().map(|c| c.to_lowercase()).collect();
        let (wanted, rows) = right.expected_result(&self.sheet, &names);
        if names != wanted {
            return Some(format!("columns {names:?}, expected {wanted:?}"));
        }
        let wanted: Vec<Vec<Json>> = rows.iter().map(|row| row.iter().map(Value::json).collect()).collect();
        rows_fault(&wanted, &table.rows, true, |a, b| values_near(dialect, a, b, 1e-5))
    }
}
