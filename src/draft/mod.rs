//! Unit tests that are proposed for a spec: few rows that reach what its formulas distinguish, and the rows that come
//! out, from the interpreter, which knows nothing of the SQL that they prove.

mod certain_rows;
mod columns;
mod constants;
mod coverage;
mod mutants;
mod mutation_score;
mod rows;
mod search;
#[cfg(test)]
mod tests;
mod to_yaml;

use crate::compiler::Compiler;
use crate::interpret::calendar::days;
use crate::model::interpreter_input::{Day, day, interpreted};

/// Examples for a spec, to be looked through and put into it.
///
/// ```
/// let spec = "
/// model: open_revenue
/// from: orders
/// group_by: region
/// definitions: |
///   revenue = SUMIF(status = \"open\", amount)
/// ";
/// let draft = formulac::Compiler::default().draft_examples(spec).unwrap();
/// assert!(draft.text().starts_with("examples:\n  - name: drafted\n"));
/// assert!(draft.text().contains("status: open"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub(crate) text: String,
    pub(crate) appends: bool,
    pub(crate) count: usize,
}

impl Draft {
    /// The lines of YAML for the spec's end: `examples:` with an entry for each unit test. Where the spec has examples,
    /// the entries alone, which go below the others.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the text can be put at the end of the spec as it is: the spec has no `examples:` yet.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.appends
    }

    /// How many examples it holds.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }
}

impl Compiler {
    /// Proposes examples for a spec. The same spec and schema give the same text.
    ///
    /// # Errors
    ///
    /// Why there are none: the spec does not compile, or what of it the interpreter does not know.
    pub fn draft_examples(&self, source: &str) -> Result<Draft, String> {
        let compiled = self.compile_spec(source);
        if compiled.has_errors() {
            return Err("the spec has errors".to_owned());
        }
        let day = day(source);
        // Of a day that nobody can set it is asked what holds on any.
        let (today, others): (i64, &[i64]) = match day {
            Day::Said(day) => (day, &[]),
            Day::Settable => (days(2024, 3, 31), &[]),
            Day::Current => (days(2024, 3, 31), &[days(2019, 6, 15), days(2061, 12, 31)]),
        };
        let read = |today: i64| interpreted(self, source, today);
        let unknown = |what: String| format!("the interpreter does not know {what}");
        let main = read(today).map_err(unknown)?;
        let mut others =
            others.iter().map(|day| Ok(read(*day)?.spec)).collect::<Result<Vec<_>, String>>().map_err(unknown)?;
        if others.first().is_some_and(|other| format!("{other:?}") == format!("{:?}", main.spec)) {
            others.clear();
        }
        coverage::check_size(&main.spec).map_err(unknown)?;
        let slots = columns::slots(&main, &others, &compiled).map_err(unknown)?;
        let judge = mutation_score::MutationScorer::new(&main, &others, &slots, &compiled);
        let found = search::examples(&judge);
        let settled: Vec<certain_rows::DraftedExample> =
            found.iter().filter_map(|data| certain_rows::example(&judge, data)).collect();
        let defined = |column: &String| compiled.definitions().iter().any(|of| of.name().eq_ignore_ascii_case(column));
        let says_something = |example: &certain_rows::DraftedExample| example.columns.iter().any(defined);
        if settled.is_empty() || !(compiled.definitions().is_empty() || settled.iter().any(says_something)) {
            let why = judge.unknown.first().map_or_else(String::new, |(_, why)| format!(": {why}"));
            return Err(format!("no column has a value that is certain{why}"));
        }
        let said = (day == Day::Settable).then_some(today);
        Ok(to_yaml::draft(&judge, &main, &settled, said))
    }
}
