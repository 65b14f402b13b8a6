//! Sheet cases: the rows of a sheet, and calculations over its cells with the expected value in each row.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;

use formulac::{Dialect, Schema};
use serde_json::Value as Json;

use crate::compare::values_equal;
use crate::engine::{Answer, Table};
use crate::expect::{Deviation, TestColumn, TestTable, columns, deviations, fault_of, parse_texts_by_dialect};
use crate::files;
use crate::model_cases::{self, ModelCase, ModelFile};
use crate::report::first_lines_and_rest_count;
use crate::yaml::{self, Node, Result};

/// Sheet with its columns and its rows, in order.
struct Sheet {
    columns: Vec<TestColumn>,
    key: Vec<String>,
    order_by: Vec<String>,
    rows: Vec<Vec<Json>>,
}

pub struct SheetCase {
    sheet: Rc<Sheet>,
    name: String,
    line: usize,
    /// Other calculations on which this calculation depends, in order.
    with: Vec<(String, String)>,
    formula: String,
    /// Row number for which the formulas are written.
    row: Option<i64>,
    /// Expected value in each row.
    is: Vec<Json>,
    refused: Option<String>,
    unsupported: BTreeMap<String, String>,
    differs: BTreeMap<String, Deviation<Vec<Json>>>,
}

/// Name of the tested calculation.
const RESULT: &str = "result";

pub fn run() {
    model_cases::run("sheets", "sheet", &read_all());
}

/// Returns all sheet cases.
pub fn read_all() -> Vec<ModelFile<SheetCase>> {
    model_cases::read_all("sheets", read_file)
}

fn read_file(path: &Path) -> Result<(String, Vec<SheetCase>)> {
    let root = yaml::parse(&files::read(path))?;
    let mut map = root.map()?;
    let topic = map.need("topic")?.text()?.to_owned();
    let columns = columns(&map.need("columns")?)?;
    let key = map.need("key")?.texts()?;
    let order_by = map.take("order_by").map_or(Ok(Vec::new()), |node| node.texts())?;
    let mut rows = Vec::new();
    for row in map.need("rows")?.list()? {
        let values: Vec<Json> = row
            .list()?
            .iter()
            .map(|value| value.scalar().cloned())
            .collect::<Result<_>>()?;
        if values.len() != columns.len() {
            return row.error(format!(
                "{} values, the sheet has {} columns",
                values.len(),
                columns.len()
            ));
        }
        if let Some((_, column)) = values.iter().zip(&columns).find(|(v, c)| v.is_null() && !c.nullable) {
            return row.error(format!("column `{}` is declared never NULL", column.name));
        }
        rows.push(values);
    }
    let sheet = Rc::new(Sheet {
        columns,
        key,
        order_by,
        rows,
    });
    let list = map.need("cases")?;
    map.finish()?;
    let cases = list
        .list()?
        .iter()
        .map(|node| read_case(node, &sheet))
        .collect::<Result<Vec<_>>>()?;
    if cases.is_empty() {
        list.error("no cases")
    } else {
        Ok((topic, cases))
    }
}

fn read_case(node: &Node, sheet: &Rc<Sheet>) -> Result<SheetCase> {
    let mut map = node.map()?;
    let mut with = Vec::new();
    for (name, formula) in map
        .take("with")
        .map_or(Ok(Vec::new()), |node| node.map().map(yaml::Map::into_entries))?
    {
        with.push((name, formula.text()?.to_owned()));
    }
    let refused = map
        .take("refused")
        .map(|node| node.text().map(str::to_owned))
        .transpose()?;
    let values = |node: &Node| -> Result<Vec<Json>> {
        let values: Vec<Json> = node
            .list()?
            .iter()
            .map(|value| value.scalar().cloned())
            .collect::<Result<_>>()?;
        if values.len() == sheet.rows.len() {
            Ok(values)
        } else {
            node.error(format!(
                "{} values, the sheet has {} rows",
                values.len(),
                sheet.rows.len()
            ))
        }
    };
    let is = match (map.take("is"), &refused) {
        (Some(is), None) => values(&is)?,
        (None, Some(_)) => Vec::new(),
        _ => return node.error("a sheet case needs `is` or `refused`"),
    };
    let case = SheetCase {
        sheet: Rc::clone(sheet),
        name: map.need("case")?.text()?.to_owned(),
        line: node.line,
        with,
        formula: map.need("formula")?.text()?.to_owned(),
        row: map
            .take("row")
            .map(|node| node.scalar().map(|row| row.as_i64().unwrap_or(0)))
            .transpose()?,
        is,
        refused,
        unsupported: parse_texts_by_dialect(map.take("unsupported"))?,
        differs: deviations(map.take("differs"), values)?,
    };
    let source = map
        .take("source")
        .map(|node| node.text().map(str::to_owned))
        .transpose()?;
    match source.as_deref() {
        None if case.refused.is_some() => {}
        Some("sheet" | "hand") => {}
        // The spreadsheet is queried for these cases, too (see `check_sheet.py`).
        Some(rule) if rule.starts_with("contract-differs(") && rule.ends_with(')') => {
            if map.take("differs_in").is_none() {
                return node.error("say in which rows the sheet differs, `differs_in: [1]`");
            }
        }
        _ => return node.error("`source` is sheet, hand or contract-differs(rule)"),
    }
    map.take("sheet");
    map.finish()?;
    Ok(case)
}

impl Sheet {
    /// Returns the rows for the engine, in an order that differs from the sheet's order.
    fn table(&self) -> TestTable {
        let mut rows = self.rows.clone();
        rows.reverse();
        let middle = rows.len() / 3;
        rows.rotate_left(middle);
        let (columns, key) = (self.columns.clone(), self.key.clone());
        TestTable {
            name: "rows_of_sheet".to_owned(),
            columns,
            key,
            quoted: Vec::new(),
            rows,
        }
    }
}

impl ModelCase for SheetCase {
    fn name(&self) -> &str {
        &self.name
    }

    fn line(&self) -> usize {
        self.line
    }

    /// Returns the worksheet spec of the case.
    fn spec(&self) -> String {
        let sheet = &self.sheet;
        let mut spec = "model: sheet\nfrom: rows_of_sheet\n".to_owned();
        let names: Vec<&str> = sheet.columns.iter().map(|column| column.name.as_str()).collect();
        let _ = writeln!(spec, "columns: [{}]", names.join(", "));
        if !sheet.order_by.is_empty() {
            let _ = writeln!(spec, "order_by: [{}]", sheet.order_by.join(", "));
        }
        if let Some(row) = self.row {
            let _ = writeln!(spec, "row: {row}");
        }
        spec.push_str("calculations:\n");
        let result = (RESULT.to_owned(), self.formula.clone());
        for (name, formula) in self.with.iter().chain([&result]) {
            // The formula is quoted, so that `: ` and ` #` are part of it.
            let _ = writeln!(spec, "  {name}: {}", Json::from(formula.as_str()));
        }
        spec
    }

    fn schema(&self) -> Schema {
        Schema::new().with(self.sheet.table().relation())
    }

    fn tables(&self) -> Vec<Json> {
        vec![self.sheet.table().to_json()]
    }

    fn rejection_code(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    fn unsupported_codes(&self) -> &BTreeMap<String, String> {
        &self.unsupported
    }

    fn check_answer(&self, dialect: Dialect, answer: &Answer) -> Option<String> {
        let fault = |is: &[Json], table: &Table| self.table_fault(is, table);
        let deviant = |is: &Vec<Json>, table: &Table| fault(is, table).is_none();
        fault_of(
            self.differs.get(dialect.name()),
            answer,
            |table| fault(&self.is, table),
            deviant,
        )
    }
}

impl SheetCase {
    /// The rows must be in the order of the sheet. The sheet's columns come first, and the calculation comes last.
    fn table_fault(&self, is: &[Json], table: &Table) -> Option<String> {
        let sheet = &self.sheet;
        // A calculation with the name of a column replaces that column.
        let replaced = |name: &str| sheet.columns.iter().any(|column| column.name == name);
        let own = sheet.columns.iter().map(|column| column.name.as_str());
        let with = self
            .with
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| !replaced(name));
        let wanted: Vec<&str> = own.chain(with).chain([RESULT]).collect();
        let same_names = wanted.len() == table.columns.len()
            && wanted
                .iter()
                .zip(&table.columns)
                .all(|(wanted, got)| wanted.eq_ignore_ascii_case(got));
        if !same_names {
            return Some(format!("columns {wanted:?} expected, got {:?}", table.columns));
        }
        if table.rows.len() != is.len() {
            return Some(format!("{} rows expected, got {}", is.len(), table.rows.len()));
        }
        let computed = |at: usize| {
            sheet
                .columns
                .get(at)
                .is_some_and(|c| self.with.iter().any(|(n, _)| *n == c.name))
        };
        let alike = |own: &[Json], got: &[Json]| {
            own.iter()
                .zip(got)
                .enumerate()
                .all(|(at, (own, got))| computed(at) || is_cell(own, got))
        };
        let mut left: Vec<&Vec<Json>> = table.rows.iter().collect();
        let mut wrong = Vec::new();
        for (at, (own, is)) in sheet.rows.iter().zip(is).enumerate() {
            // The rows may be in any order if the sheet defines no order.
            let index = if sheet.order_by.is_empty() {
                left.iter().position(|got| alike(own, got))
            } else {
                Some(0)
            };
            let got = left.remove(index.unwrap_or(0));
            if !alike(own, got) {
                wrong.push(format!(
                    "row {}: {} expected in this place, got {}",
                    at + 1,
                    render_row(own),
                    render_row(got)
                ));
            } else if !got.last().is_some_and(|got| values_equal(is, got)) {
                let got = got.last().unwrap_or(&Json::Null);
                wrong.push(format!("row {} {}: expected {is}, got {got}", at + 1, render_row(own)));
            }
        }
        (!wrong.is_empty()).then(|| first_lines_and_rest_count(10, &wrong))
    }
}

/// A decimal may be written in quotes to keep its digits.
fn is_cell(own: &Json, got: &Json) -> bool {
    let number = own.as_str().and_then(|text| text.parse::<f64>().ok());
    values_equal(own, got) || (got.is_number() && number.is_some_and(|number| values_equal(&Json::from(number), got)))
}

fn render_row(row: &[Json]) -> String {
    Json::from(row).to_string()
}
