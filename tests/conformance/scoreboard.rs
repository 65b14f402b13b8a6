//! Table that shows how each function was verified in each dialect, and with which result.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use formulac::Dialect;

use crate::engine::{is_emulator, print_directly};
use crate::files::output_folder;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    Agreed,
    Unsupported,
    /// The SQL is as expected, but no engine runs it.
    Written,
    Skipped,
    Failed,
}

#[derive(Default)]
pub struct Scoreboard {
    /// Marks for the cases, by function and dialect.
    cells: BTreeMap<String, BTreeMap<String, Vec<Mark>>>,
    functions: Vec<String>,
}

impl Scoreboard {
    pub fn add(&mut self, function: &str, dialect: Dialect, mark: Mark) {
        if !self.functions.iter().any(|known| known == function) {
            self.functions.push(function.to_owned());
        }
        let row = self.cells.entry(function.to_owned()).or_default();
        row.entry(dialect.name().to_owned()).or_default().push(mark);
    }

    /// Prints the table and stores it next to the batches.
    pub fn show(&self, suite: &str, title: &str) {
        let widest = self
            .functions
            .iter()
            .map(String::len)
            .max()
            .unwrap_or(0)
            .max(title.len());
        let mut text = format!("{title:widest$}");
        for dialect in Dialect::verified() {
            let _ = write!(text, "  {:<22}", dialect.name());
        }
        text = text.trim_end().to_owned() + "\n";
        for function in &self.functions {
            let mut line = format!("{function:widest$}");
            for dialect in Dialect::verified() {
                let marks = self.cells.get(function).and_then(|row| row.get(dialect.name()));
                let marks = marks.map_or(&[][..], Vec::as_slice);
                let _ = write!(line, "  {:<22}", summary(dialect, marks));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        print_directly(&text);
        let path = output_folder().join(format!("{suite}-scoreboard.txt"));
        fs::write(path, text).expect("the scoreboard can be written");
    }
}

fn summary(dialect: Dialect, marks: &[Mark]) -> String {
    let count = |mark: Mark| marks.iter().filter(|&&given| given == mark).count();
    let (agreed, unsupported) = (count(Mark::Agreed), count(Mark::Unsupported));
    if count(Mark::Failed) > 0 {
        return format!("FAILED {} of {}", count(Mark::Failed), marks.len());
    }
    if count(Mark::Skipped) > 0 {
        return format!("skipped {}", count(Mark::Skipped));
    }
    if count(Mark::Written) > 0 {
        return format!("unverified {}", count(Mark::Written));
    }
    if agreed == 0 {
        return format!("unsupported {unsupported}");
    }
    let word = if is_emulator(dialect) { "emulated" } else { "verified" };
    let rest = if unsupported > 0 {
        format!(", not {unsupported}")
    } else {
        String::new()
    };
    format!("{word} {agreed}{rest}")
}
