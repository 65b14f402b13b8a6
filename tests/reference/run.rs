//! Generates, compares and shrinks random specs.

use formulac::interpret::from_ast::fold_case;
use formulac::{Compiler, Dialect, Schema, interpret_spec};
use serde_json::Value as Json;

use crate::database::Database;
use crate::draw_specs;
use crate::drawn::{Drawn, near, rows_fault};
use crate::engine::{Table, is_emulator};
use crate::json::AsJson;
use crate::random::Random;
use crate::shrink::smaller;
use crate::spec::ReferenceSpec;
use crate::uncertainty::with_noise;
use crate::value::Value;
use crate::walk::StepRows;
use crate::written::yaml;

/// Number of databases that the specs share. Each engine loads each database only once.
const DATABASES: u64 = 97;

pub struct Case {
    seed: u64,
    spec: ReferenceSpec,
    database: Database,
}

impl Case {
    /// Checks that the interpreter parses the spec's text back into the original spec.
    fn is_read(&self, right: &StepRows) {
        let compiler = Compiler::builder().schema(self.schema()).build();
        let text = self.text();
        let read =
            interpret_spec(&compiler, &text, 0).unwrap_or_else(|why| panic!("{why} in seed {}:\n{text}", self.seed));
        assert!(
            read.unread.is_empty(),
            "{:?} in seed {}:\n{text}",
            read.unread,
            self.seed
        );
        let run = with_noise(None, || self.database.interpreted_by(&read.spec, fold_case));
        assert_eq!(run.unknown, None, "in seed {}:\n{text}", self.seed);
        assert_eq!(run.value.values(), right.values(), "in seed {}:\n{text}", self.seed);
    }
}

impl Drawn for Case {
    type Right = StepRows;
    const SUITE: &'static str = "reference";
    const KIND: &'static str = "random specs";
    const COUNT: &'static str = "FORMULAC_RANDOM_SPECS";
    const ONE_OF: u64 = 5;

    fn draw(seed: u64) -> Self {
        let database = Database::draw(seed % DATABASES);
        let spec = draw_specs::spec(&mut Random::new(seed), &database.tables);
        Self { seed, spec, database }
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn text(&self) -> String {
        yaml(&self.spec)
    }

    fn schema(&self) -> Schema {
        self.database.schema()
    }

    fn tables(&self) -> Vec<Json> {
        self.database.json()
    }

    fn right(&self) -> StepRows {
        let run = with_noise(None, || self.database.interpreted(&self.spec));
        assert!(
            run.unknown.is_none(),
            "the interpreter knows nothing of {:?}",
            run.unknown
        );
        self.is_read(&run.value);
        run.value
    }

    fn smaller(&self) -> Vec<Self> {
        let found = smaller(&self.spec, &self.database).into_iter();
        found
            .map(|(spec, database)| Self {
                seed: self.seed,
                spec,
                database,
            })
            .collect()
    }

    /// On the emulator, excludes specs that may compute the length of a string that contains a sum, because the
    /// emulator writes the sum with `.0`.
    fn is_asked(&self, dialect: Dialect) -> bool {
        let text = if is_emulator(dialect) {
            self.text()
        } else {
            String::new()
        };
        !(text.contains("LEN(") && text.contains(" & "))
    }

    fn fault(&self, dialect: Dialect, right: &StepRows, table: &Table) -> Option<String> {
        let names: Vec<String> = table.columns.iter().map(|c| c.to_lowercase()).collect();
        let wanted: Vec<String> = right.columns.iter().map(|c| c.to_lowercase()).collect();
        if names != wanted {
            return Some(format!("columns {names:?}, expected {:?}", right.columns));
        }
        let wanted: Vec<Vec<Json>> = right
            .values()
            .iter()
            .map(|row| row.iter().map(Value::json).collect())
            .collect();
        let alike = |a: &Json, b: &Json| match (a, b) {
            // The emulator computes sums of integers as floats, and also writes these sums as floats when they are
            // converted to strings (`tests/oracle/README.md`).
            (Json::String(a), Json::String(b)) if is_emulator(dialect) => a == &b.replace(".0", ""),
            _ => near(dialect, a, b, 1e-6),
        };
        let ordered = self.spec.steps.last().is_some_and(|s| !s.order_by.is_empty());
        rows_fault(&wanted, &table.rows, ordered, alike)
    }
}
