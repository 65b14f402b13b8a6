//! Generates, compares and shrinks random specs.

use formulac::interpret::from_ast::fold_case;
use formulac::{Compiler, Dialect, Schema, convert_spec_for_interpreter};
use serde_json::Value as Json;

use crate::database::Database;
use crate::draw_specs;
use crate::drawn::Drawn;
use crate::engine::{Table, is_emulator};
use crate::random::Random;
use crate::shrink::smaller_cases;
use crate::spec::InterpreterSpec;
use crate::spec_answers::{answer_fault, has_no_length_of_sum};
use crate::uncertainty::{MAX_STEPS, with_noise};
use crate::walk::StepRows;
use crate::written::yaml;

/// Number of databases that the specs share. Each engine loads each database only once.
const DATABASES: u64 = 97;

pub struct Case {
    seed: u64,
    spec: InterpreterSpec,
    database: Database,
}

impl Case {
    /// Checks that the interpreter parses the spec's text to the original spec.
    fn check_read(&self, right: &StepRows) {
        let compiler = Compiler::builder().schema(self.schema()).build();
        let text = self.text();
        let read = convert_spec_for_interpreter(&compiler, &text, 0)
            .unwrap_or_else(|why| panic!("{why} in seed {}:\n{text}", self.seed));
        assert!(
            read.unread.is_empty(),
            "{:?} in seed {}:\n{text}",
            read.unread,
            self.seed
        );
        let run = with_noise(None, || self.database.interpreted_by(&read.spec, fold_case));
        assert_eq!(run.unsupported_part, None, "in seed {}:\n{text}", self.seed);
        assert_eq!(run.value.values(), right.values(), "in seed {}:\n{text}", self.seed);
    }
}

impl Drawn for Case {
    type Right = StepRows;
    const SUITE: &'static str = "reference";
    const KIND: &'static str = "random specs";
    const COUNT: &'static str = "FORMULAC_RANDOM_SPECS";
    const ONE_OF: usize = 5;

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

    fn right(&self) -> Option<StepRows> {
        let run = with_noise(None, || self.database.interpret(&self.spec));
        if run.steps >= MAX_STEPS {
            return None;
        }
        assert!(
            run.unsupported_part.is_none(),
            "the interpreter knows nothing of {:?}",
            run.unsupported_part
        );
        self.check_read(&run.value);
        Some(run.value)
    }

    fn smaller_cases(&self) -> Vec<Self> {
        let found = smaller_cases(&self.spec, &self.database).into_iter();
        found
            .map(|(spec, database)| Self {
                seed: self.seed,
                spec,
                database,
            })
            .collect()
    }

    fn is_asked(&self, dialect: Dialect) -> bool {
        !is_emulator(dialect) || has_no_length_of_sum(&self.text())
    }

    fn find_difference(&self, dialect: Dialect, right: &StepRows, table: &Table) -> Option<String> {
        let ordered = self.spec.steps.last().is_some_and(|s| !s.order_by.is_empty());
        answer_fault(dialect, (&right.columns, &right.values()), ordered, table)
    }
}
