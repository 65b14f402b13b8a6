//! Compares the interpreter with the case files of `conformance`: both must give the same value for a row.

use std::collections::BTreeMap;

use formulac::Type;
use formulac::parse::parse;

use crate::case::{Case, Expected, read_file};
use crate::compare::values_equal;
use crate::files;
use formulac::interpret::from_ast::UnsupportedFormula;

use crate::formula_text::{cell, value};
use crate::json::ToJson;
use crate::value::{SECONDS_PER_DAY, Value};

/// Minimum number of readable row cases. A lower number means that the reader has lost cases.
const CASES: usize = 1210;

#[test]
fn the_interpreter_agrees_with_the_cases() {
    let mut unread: BTreeMap<UnsupportedFormula, Vec<String>> = BTreeMap::new();
    let mut faults = Vec::new();
    let (mut cases, mut values) = (0, 0);
    for path in files::files_below("cases") {
        let file = read_file(&path).unwrap_or_else(|fault| panic!("{}: {fault}", files::short_name(&path)));
        for case in &file.cases {
            let title = format!("{}:{}: {}", files::short_name(&path), case.line, case.name);
            match answers(case) {
                Ok(answers) => {
                    cases += 1;
                    values += answers.len();
                    faults.extend(
                        answers
                            .iter()
                            .flatten()
                            .map(|fault| format!("{title}: {}: {fault}", case.formula)),
                    );
                }
                Err(why) => unread.entry(why).or_default().push(title),
            }
        }
    }
    println!("{cases} cases with {values} values were read; not read:");
    for (why, places) in &unread {
        println!("  {:4} {why}, such as {}", places.len(), places[0]);
    }
    assert!(
        faults.is_empty(),
        "{} of {values} values differ:\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert!(
        cases >= CASES,
        "only {cases} cases were read, {CASES} are known to be readable"
    );
}

/// Returns one entry per row. The entry is an error if the interpreter gives a different result.
fn answers(case: &Case) -> Result<Vec<Option<String>>, UnsupportedFormula> {
    let expected = match &case.expected {
        Expected::Rows(values) if case.order_by.is_empty() => values,
        Expected::Rows(_) => return Err("a window".to_owned()),
        Expected::One(_) | Expected::Groups(_) => return Err("an aggregate".to_owned()),
        Expected::Refused(_) => return Err("a refusal".to_owned()),
        Expected::Written(_) => return Err("SQL, no values".to_owned()),
    };
    let (parsed, _) = parse(&case.formula);
    let columns: Vec<(String, Type)> = case.table.columns.iter().map(|c| (c.name.clone(), c.ty)).collect();
    let mut faults = Vec::new();
    for (row, expected) in case.table.rows.iter().zip(expected) {
        let values: Vec<Value> = columns
            .iter()
            .zip(row)
            .map(|((_, ty), json)| cell(*ty, json))
            .collect::<Result<_, UnsupportedFormula>>()?;
        if expected.is_string()
            && columns
                .iter()
                .zip(&values)
                .any(|((_, ty), value)| has_exponent(*ty, value))
        {
            return Err("a float that prints with an exponent".to_owned());
        }
        let got = match value(&parsed, &columns, &values)? {
            // According to the column types, a date without a time is still a timestamp.
            Value::Date(date) if case.ty == Some(Type::Timestamp) => Value::Time(date * SECONDS_PER_DAY),
            other => other,
        };
        let agrees = values_equal(expected, &got.json());
        faults.push((!agrees).then(|| format!("{row:?}: the case says {expected}, the interpreter {got:?}")));
    }
    Ok(faults)
}

/// Returns `true` if a value is printed with an exponent. Floats and decimals are both numbers here, but only very
/// large or very small floats are printed with an exponent.
fn has_exponent(ty: Type, value: &Value) -> bool {
    let size = value.number().map_or(1.0, f64::abs);
    ty == Type::Float && size != 0.0 && !(1e-4..1e15).contains(&size)
}
