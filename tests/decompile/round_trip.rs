//! Every form that the generator writes, back to a formula: the definition is taken for another, its SQL for a hand edit.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use formulac::decompile::{Decompiler, Edits, with_formula};
use formulac::{Compiler, Dialect};

use crate::corpus::{Cell, functions, root, specs};

/// What came of a cell in a dialect.
enum Outcome {
    Back,
    Lost(String),
}

/// Formulas that the definition is taken for: the first that compiles and gives other SQL.
const OTHERS: [&str; 6] = ["1", "COUNT()", "TODAY()", "\"x\"", "1.5", "TRUE"];

/// None where the dialect refuses the spec, or where there is no SQL that differs.
fn outcome(cell: &Cell, dialect: Dialect, decompiler: &Decompiler) -> Option<Outcome> {
    let compiler = Compiler::builder().dialect(dialect).schema(cell.schema.clone()).build();
    let compiled = compiler.compile_spec(&cell.spec);
    let found = compiled.model_sql()?;
    let step = cell.step.as_deref();
    let base = OTHERS.iter().find_map(|other| {
        let spec = with_formula(&cell.spec, step, &cell.definition, other).ok()?;
        let written = compiler.compile_spec(&spec).model_sql()?.to_owned();
        (!Edits::between(&written, found, dialect).is_empty()).then_some(spec)
    })?;
    Some(match decompiler.formula(&compiler, &base, None, found, step, &cell.definition) {
        Ok(formula) => {
            let back = with_formula(&base, step, &cell.definition, &formula).unwrap();
            let again = compiler.compile_spec(&back);
            let again = again.model_sql().unwrap_or_else(|| panic!("{formula} does not compile"));
            let edits = Edits::between(again, found, dialect);
            assert!(edits.is_empty(), "{dialect}: {} became {formula}: {edits:?}", cell.formula);
            Outcome::Back
        }
        Err(reason) => Outcome::Lost(reason.to_string()),
    })
}

fn check(cells: &[Cell], name: &str) {
    let filter = std::env::var("FORMULAC_CASES").ok();
    let decompiler = Decompiler::default();
    let mut table: BTreeMap<&str, BTreeMap<&str, (usize, usize)>> = BTreeMap::new();
    let mut lost = Vec::new();
    let start = std::time::Instant::now();
    for dialect in Dialect::all() {
        for cell in cells {
            if filter.as_ref().is_some_and(|f| !format!("{dialect} {} {}", cell.group, cell.formula).contains(f.as_str())) {
                continue;
            }
            let Some(outcome) = outcome(cell, dialect, &decompiler) else { continue };
            let counts = table.entry(&cell.group).or_default().entry(dialect.name()).or_default();
            counts.1 += 1;
            match outcome {
                Outcome::Back => counts.0 += 1,
                Outcome::Lost(reason) => {
                    eprintln!("{dialect} {} {}: {reason}", cell.group, cell.formula);
                    lost.push(format!("{}\t{dialect}\t{}\t{reason}", cell.group, cell.formula));
                }
            }
        }
        eprintln!("{dialect}: {:?}", start.elapsed());
    }
    lost.sort();
    lost.dedup();
    let mut text = String::new();
    let names: Vec<&str> = Dialect::all().map(Dialect::name).collect();
    let _ = writeln!(text, "group\t{}", names.join("\t"));
    let mut sums = vec![(0, 0); names.len()];
    for (group, counts) in &table {
        let cells: Vec<String> = names
            .iter()
            .zip(&mut sums)
            .map(|(name, sum)| {
                let (back, all) = counts.get(name).copied().unwrap_or_default();
                *sum = (sum.0 + back, sum.1 + all);
                format!("{back}/{all}")
            })
            .collect();
        let _ = writeln!(text, "{group}\t{}", cells.join("\t"));
    }
    let sums: Vec<String> = sums.iter().map(|(back, all)| format!("{back}/{all}")).collect();
    let _ = writeln!(text, "all\t{}\n\nlost\tdialect\tformula\twhy\n{}", sums.join("\t"), lost.join("\n"));
    if filter.is_some() {
        println!("{text}");
        return;
    }
    let path = root().join("tests/decompile").join(name);
    if std::env::var("FORMULAC_WRITE").is_ok() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = kept.lines().zip(text.lines()).find(|(a, b)| a != b);
    assert!(kept == text, "{name} is no longer true, see FORMULAC_WRITE=1; first: {differs:?}");
}

#[test]
fn functions_come_back() {
    check(&functions(), "functions.tsv");
}

#[test]
fn specs_come_back() {
    check(&specs(), "specs.tsv");
}
