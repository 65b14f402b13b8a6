//! Writes the cases that `formulac prove` runs on the user's warehouse. The command cannot read the case files, because
//! they are not part of the published crate.

use std::path::Path;

use serde_json::{Map, Value as Json, json};

use crate::case::{Case, Expected, TABLE};
use crate::engine::is_emulator;
use crate::expect::{DeviantAnswer, Deviation, TestColumn, TestTable};
use crate::files::short_name;
use crate::spec_case::{self, SpecCase};
use crate::{function_cases, generated};

const FILE: &str = "../src/cli/commands/prove/cases.jsonl";

/// Compares the file with the cases, or writes the file if `FORMULAC_WRITE=1` is set.
pub fn run() {
    let (mut tables, mut cases) = (Vec::new(), Vec::new());
    let mut add = |line: Option<Map<String, Json>>, of: &[TestTable]| {
        let Some(mut line) = line else { return };
        let numbers = of.iter().map(|table| {
            let text = table_line(table);
            tables.iter().position(|known| *known == text).unwrap_or_else(|| {
                tables.push(text);
                tables.len() - 1
            })
        });
        put(&mut line, "tables", numbers.collect::<Vec<_>>());
        cases.push(Json::from(line).to_string());
    };
    for file in function_cases::read_all() {
        for case in &file.cases {
            let table = std::slice::from_ref(&case.table);
            add(function_line(case, &file.function, &file.path, false), table);
            if !case.query_only.is_empty() {
                add(function_line(case, &file.function, &file.path, true), table);
            }
        }
    }
    for file in spec_case::read_all() {
        for case in &file.cases {
            add(spec_line(case, &file.topic, &file.path), &case.tables);
        }
    }
    tables.extend(cases);
    generated::check(&[(FILE.to_owned(), tables.join("\n") + "\n")]);
}

/// Returns a formula case as one line of the file. In the dialects that cannot compute the formula in one expression,
/// a spec computes it (`as_spec`).
fn function_line(case: &Case, function: &str, path: &Path, as_spec: bool) -> Option<Map<String, Json>> {
    let groups = !case.group_by.is_empty();
    let with_keys = |(keys, value): &(Vec<Json>, Json)| keys.iter().chain([value]).cloned().collect::<Vec<_>>();
    let (columns, rows): (Vec<&str>, Vec<Vec<Json>>) = match &case.expected {
        Expected::Rows(values) => (vec!["answer"], values.iter().map(|value| vec![value.clone()]).collect()),
        Expected::One(value) => (vec!["answer"], vec![vec![value.clone()]]),
        Expected::Groups(groups) => {
            let keys = case.group_by.iter().map(String::as_str);
            (keys.chain(["answer"]).collect(), groups.iter().map(with_keys).collect())
        }
        // No query runs for a formula that is rejected or that calls a paid model.
        Expected::Refused(_) | Expected::Written(_) => return None,
    };
    let mut line = first_fields(function, &short_name(path), &case.name);
    if as_spec {
        let keys = if groups {
            format!("group_by: [{}]\n", case.group_by.join(", "))
        } else {
            String::new()
        };
        let formula = Json::from(case.formula.as_str());
        let spec = format!("model: answers\nfrom: {TABLE}\n{keys}definitions:\n  answer: {formula}\n");
        line.insert("spec".to_owned(), spec.into());
        put(&mut line, "only", case.query_only.keys().collect::<Vec<_>>());
    } else {
        line.insert("formula".to_owned(), case.formula.as_str().into());
        put(&mut line, "group_by", &case.group_by);
        put(&mut line, "order_by", &case.order_by);
        let by_row = matches!(case.expected, Expected::Rows(_));
        line.insert("level".to_owned(), if by_row { "row" } else { "aggregate" }.into());
        let without = case.unsupported.keys().chain(case.query_only.keys());
        put(&mut line, "without", without.collect::<Vec<_>>());
    }
    let width = columns.len();
    let differs = |deviation: &Deviation<Vec<Json>>| match (&deviation.answer, width) {
        (DeviantAnswer::Value(values), 1) => Some(values.iter().map(|value| vec![value.clone()]).collect()),
        _ => None,
    };
    put_differs(&mut line, case.differs.iter(), differs);
    put_answer(&mut line, &columns, &rows, groups);
    Some(line)
}

fn spec_line(case: &SpecCase, topic: &str, path: &str) -> Option<Map<String, Json>> {
    if case.refused.is_some() {
        return None;
    }
    let mut line = first_fields(topic, path, &case.name);
    line.insert("spec".to_owned(), case.spec.as_str().into());
    put(&mut line, "sets", &case.sets);
    let fails = |(dialect, deviation): (&'_ String, &Deviation<_>)| {
        let is_error = matches!(deviation.answer, DeviantAnswer::Error(_));
        (is_error && is_warehouse(dialect)).then(|| dialect.clone())
    };
    let failing = case.differs.iter().filter_map(fails);
    let without = case.unsupported.keys().cloned().chain(failing);
    put(&mut line, "without", without.collect::<Vec<_>>());
    if case.untyped {
        line.insert("untyped".to_owned(), true.into());
    }
    put_differs(&mut line, case.differs.iter(), |deviation| match &deviation.answer {
        DeviantAnswer::Value(output) => Some(output.rows.clone()),
        DeviantAnswer::Error(_) => None,
    });
    let columns: Vec<&str> = case.expected.columns.iter().map(String::as_str).collect();
    put_answer(&mut line, &columns, &case.expected.rows, case.unordered);
    Some(line)
}

fn first_fields(subject: &str, path: &str, name: &str) -> Map<String, Json> {
    let mut line = Map::new();
    let path = path.trim_start_matches("tests/conformance/");
    line.insert("subject".to_owned(), subject.into());
    line.insert("case".to_owned(), format!("{path}: {name}").into());
    line
}

/// Adds a list to the line, unless the list is empty.
fn put<T: serde::Serialize>(line: &mut Map<String, Json>, key: &str, list: T) {
    let list = json!(list);
    if list.as_array().is_some_and(|list| !list.is_empty()) {
        line.insert(key.to_owned(), list);
    }
}

fn put_answer(line: &mut Map<String, Json>, columns: &[&str], rows: &[Vec<Json>], unordered: bool) {
    line.insert("columns".to_owned(), json!(columns));
    line.insert("rows".to_owned(), json!(rows));
    if unordered {
        line.insert("unordered".to_owned(), true.into());
    }
}

/// Returns whether the tests run on the warehouse itself instead of an emulator. If so, the known deviations are
/// deviations of the warehouse.
fn is_warehouse(dialect: &str) -> bool {
    dialect.parse().is_ok_and(|dialect| !is_emulator(dialect))
}

/// Adds the rows that are known to differ on a warehouse. A difference on an emulator does not imply a difference on
/// the warehouse.
fn put_differs<'c, V: 'c>(
    line: &mut Map<String, Json>,
    all: impl Iterator<Item = (&'c String, &'c Deviation<V>)>,
    rows: impl Fn(&Deviation<V>) -> Option<Vec<Vec<Json>>>,
) {
    let known = all.filter(|(dialect, _)| is_warehouse(dialect));
    let differs: Map<String, Json> = known
        .filter_map(|(dialect, deviation)| Some((dialect.clone(), json!(rows(deviation)?))))
        .collect();
    if !differs.is_empty() {
        line.insert("differs".to_owned(), differs.into());
    }
}

/// Returns the line of a table. Cases refer to tables by line number.
fn table_line(table: &TestTable) -> String {
    let column = |column: &TestColumn| {
        let mark = if column.nullable { "" } else { "!" };
        (column.name.clone(), Json::from(format!("{}{mark}", column.ty)))
    };
    let mut line = Map::new();
    line.insert("table".to_owned(), table.name.as_str().into());
    line.insert(
        "types".to_owned(),
        table.columns.iter().map(column).collect::<Map<_, _>>().into(),
    );
    put(&mut line, "key", &table.key);
    put(&mut line, "quoted", &table.quoted);
    line.insert("rows".to_owned(), json!(table.rows));
    Json::from(line).to_string()
}
