//! Formula cases: one file per function or operator, read from YAML.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use formulac::Type;
use serde_json::Value as Json;

use crate::expect::{Deviation, TestColumn, TestTable, columns, deviations, neutral_type, parse_texts_by_dialect, row};
use crate::files;
use crate::yaml::{self, Map, Node, Result};

/// Name of the table that every formula case reads. `ROW_ID` is the column that keeps the table's rows in order.
pub const TABLE: &str = "t";
pub const ROW_ID: &str = "row_id";

pub struct CaseFile {
    pub function: String,
    pub path: PathBuf,
    pub cases: Vec<Case>,
    /// Gaps in the cases (see `complete.rs`), each with a reason.
    pub lacks: Vec<(String, String)>,
}

pub struct Case {
    pub name: String,
    pub line: usize,
    pub formula: String,
    pub table: TestTable,
    pub group_by: Vec<String>,
    /// Row order of the step, for formulas that read other rows.
    pub order_by: Vec<String>,
    pub expected: Expected,
    pub ty: Option<Type>,
    pub warnings: Vec<String>,
    pub unsupported: BTreeMap<String, String>,
    /// Dialects that cannot compute the formula in a single expression, each with the code of the error. A query
    /// computes the formula in these dialects.
    pub query_only: BTreeMap<String, String>,
    pub differs: BTreeMap<String, Deviation<Vec<Json>>>,
    pub untyped: Untyped,
    pub source: Source,
    /// `true` if the case covers a known pitfall of the function. The matrix requires one such case in each cell.
    pub edge: bool,
}

/// Source of the expected values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The values come from a spreadsheet, which is queried again.
    Sheet,
    /// The values were computed by hand.
    Hand,
    /// The values follow a rule of the contract that contradicts the spreadsheet. The string is the name of the rule.
    /// The spreadsheet is queried again and must give different values.
    ContractDiffers(String),
}

pub enum Expected {
    /// One value per row of the table.
    Rows(Vec<Json>),
    /// Value of an aggregate over the entire table.
    One(Json),
    /// Values of an aggregate per group. Each entry contains the keys and the value.
    Groups(Vec<(Vec<Json>, Json)>),
    /// No dialect compiles the formula. The string is the code of the error.
    Refused(String),
    /// No test engine runs the formula. The map contains the SQL by dialect.
    Written(BTreeMap<String, String>),
}

impl Expected {
    /// Returns all expected values.
    pub fn values(&self) -> impl Iterator<Item = &Json> {
        let (rows, groups, one) = match self {
            Self::Rows(values) => (values.as_slice(), &[][..], None),
            Self::Groups(groups) => (&[][..], groups.as_slice(), None),
            Self::One(value) => (&[][..], &[][..], Some(value)),
            Self::Refused(_) | Self::Written(_) => (&[][..], &[][..], None),
        };
        rows.iter().chain(groups.iter().map(|(_, value)| value)).chain(one)
    }
}

/// Result of the formula without a schema.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Untyped {
    /// The formula returns the same values.
    Same,
    /// The compiler rejects the formula.
    Error,
    /// The formula compiles but does not determine the types, so the values are not compared.
    Unknowable,
}

pub fn read_file(path: &Path) -> Result<CaseFile> {
    read_text(path, &files::read(path))
}

pub fn read_text(path: &Path, text: &str) -> Result<CaseFile> {
    let root = yaml::parse(text)?;
    let mut map = root.map()?;
    let function = map.need("function")?.text()?.to_owned();
    let list = map.need("cases")?;
    let defaults = Defaults {
        types: map.take("types"),
        rows: map.take("rows"),
    };
    let mut lacks = Vec::new();
    for (what, why) in map
        .take("lacks")
        .map_or(Ok(Vec::new()), |node| node.map().map(yaml::Map::into_entries))?
    {
        lacks.push((what, why.text()?.to_owned()));
    }
    map.finish()?;
    let cases: Vec<Case> = list
        .list()?
        .iter()
        .map(|node| read_case(node, &defaults))
        .collect::<Result<_>>()?;
    if cases.is_empty() {
        return list.error("no cases");
    }
    for (at, case) in cases.iter().enumerate() {
        if cases.iter().take(at).any(|earlier| earlier.name == case.name) {
            return Err(format!("line {}: two cases are called `{}`", case.line, case.name));
        }
    }
    Ok(CaseFile {
        function,
        path: path.to_owned(),
        cases,
        lacks,
    })
}

/// Columns and rows shared by the cases of a file.
struct Defaults {
    types: Option<Node>,
    rows: Option<Node>,
}

fn read_case(node: &Node, defaults: &Defaults) -> Result<Case> {
    let mut map = node.map()?;
    let name = map.need("case")?.text()?.to_owned();
    let formula = map.need("formula")?.text()?.to_owned();
    // A case with its own types cannot use the file's rows, which match the file's columns.
    let own_types = map.take("types");
    let shared_rows = if own_types.is_none() {
        defaults.rows.clone()
    } else {
        None
    };
    let rows = map.take("rows").or(shared_rows);
    let types = own_types.or_else(|| defaults.types.clone());
    let columns = types.map_or(Ok(Vec::new()), |types| columns(&types))?;
    let group_by = map.take("group_by").map_or(Ok(Vec::new()), |node| node.texts())?;
    let order_by = map.take("order_by").map_or(Ok(Vec::new()), |node| node.texts())?;
    let (rows, row_values) = read_rows(rows, &columns)?;
    let expected = read_expected(node, &mut map, &group_by, row_values)?;
    let ty = map
        .take("type")
        .map(|node| neutral_type(&node, node.text()?))
        .transpose()?;
    let source = read_source(node, &mut map, &expected)?;
    let edge = match map.take("edge") {
        None => false,
        Some(node) if node.scalar()? == &Json::Bool(true) => true,
        Some(node) => return node.error("`edge` is true, or left out"),
    };
    let untyped = match map.take("untyped") {
        None => Untyped::Same,
        Some(node) => match node.text()? {
            "error" => Untyped::Error,
            "unknowable" => Untyped::Unknowable,
            _ => return node.error("`untyped` is error or unknowable"),
        },
    };
    let case = Case {
        name,
        line: node.line,
        formula,
        table: table(columns, rows),
        group_by,
        order_by,
        expected,
        ty,
        warnings: map.take("warns").map_or(Ok(Vec::new()), |node| node.texts())?,
        unsupported: parse_texts_by_dialect(map.take("unsupported"))?,
        query_only: parse_texts_by_dialect(map.take("query_only"))?,
        differs: deviations(map.take("differs"), deviant_values)?,
        untyped,
        source,
        edge,
    };
    map.finish()?;
    if !case.query_only.is_empty() && !matches!(case.expected, Expected::One(_) | Expected::Groups(_)) {
        return node.error("`query_only` is for aggregates");
    }
    if case
        .differs
        .keys()
        .any(|dialect| case.unsupported.contains_key(dialect))
    {
        return node.error("a dialect cannot be both in `unsupported` and in `differs`");
    }
    Ok(case)
}

/// Returns the rows without their `is` values, and a list of these values.
fn read_rows(rows: Option<Node>, columns: &[TestColumn]) -> Result<(Vec<Vec<Json>>, Vec<Json>)> {
    let mut table = Vec::new();
    let mut values = Vec::new();
    let Some(list) = rows else {
        return Ok((table, values));
    };
    for node in list.list()? {
        let mut map = node.map()?;
        table.push(row(node, &mut map, columns)?);
        if let Some(value) = map.take("is") {
            values.push(value.scalar()?.clone());
        }
        map.finish()?;
    }
    if !values.is_empty() && values.len() != table.len() {
        return list.error("`is` must be in every row or in no row");
    }
    Ok((table, values))
}

fn read_expected(node: &Node, map: &mut Map, group_by: &[String], row_values: Vec<Json>) -> Result<Expected> {
    let one = map.take("is");
    let groups = map.take("groups");
    let refused = map.take("refused");
    let written = map.take("sql");
    if let (Some(written), None, None, None) = (&written, &one, &groups, &refused) {
        return Ok(Expected::Written(parse_texts_by_dialect(Some(written.clone()))?));
    }
    match (one, groups, refused) {
        (Some(value), None, None) if row_values.is_empty() => Ok(Expected::One(value.scalar()?.clone())),
        (None, Some(list), None) if row_values.is_empty() && !group_by.is_empty() => {
            let mut groups = Vec::new();
            for node in list.list()? {
                let mut map = node.map()?;
                let mut keys = Vec::new();
                for name in group_by {
                    keys.push(map.need(name)?.scalar()?.clone());
                }
                groups.push((keys, map.need("is")?.scalar()?.clone()));
                map.finish()?;
            }
            Ok(Expected::Groups(groups))
        }
        (None, None, Some(code)) => Ok(Expected::Refused(code.text()?.to_owned())),
        (None, None, None) if !row_values.is_empty() => Ok(Expected::Rows(row_values)),
        _ => node.error(
            "a case needs one of: `is` in every row; `is` next to `rows`; \
             `groups` with `group_by`; `refused`; `sql`",
        ),
    }
}

/// Parses `source: sheet`, `hand` or `contract-differs(rule)`. `tests/oracle/check_sheet.py` queries the spreadsheet
/// for all sources except `hand`.
fn read_source(node: &Node, map: &mut Map, expected: &Expected) -> Result<Source> {
    let spelled_for_sheet = map.take("sheet").is_some();
    let Some(source) = map.take("source") else {
        return match expected {
            Expected::Refused(_) | Expected::Written(_) => Ok(Source::Hand),
            _ => node.error("`source` is missing: sheet, hand or contract-differs(rule)"),
        };
    };
    let text = source.text()?;
    let rule = text
        .strip_prefix("contract-differs(")
        .and_then(|rest| rest.strip_suffix(')'));
    match (text, rule.map(str::trim)) {
        ("sheet", _) => Ok(Source::Sheet),
        ("hand", _) if !spelled_for_sheet => Ok(Source::Hand),
        ("hand", _) => source.error("`sheet` needs `source: sheet`"),
        (_, Some(rule)) if !rule.is_empty() => Ok(Source::ContractDiffers(rule.to_owned())),
        _ => source.error("`source` is sheet, hand or contract-differs(rule), which names the rule"),
    }
}

/// Returns the values of a deviation: one value per row or group, or a single value for an aggregate.
fn deviant_values(node: &Node) -> Result<Vec<Json>> {
    if node.is_list() {
        node.list()?.iter().map(|item| item.scalar().cloned()).collect()
    } else {
        Ok(vec![node.scalar()?.clone()])
    }
}

/// Returns a table whose first column has row numbers, which formulas do not use.
fn table(mut columns: Vec<TestColumn>, mut rows: Vec<Vec<Json>>) -> TestTable {
    columns.insert(
        0,
        TestColumn {
            name: ROW_ID.to_owned(),
            ty: Type::Integer,
            nullable: false,
        },
    );
    for (number, row) in (1..).zip(&mut rows) {
        row.insert(0, Json::from(number));
    }
    TestTable {
        name: TABLE.to_owned(),
        columns,
        key: Vec::new(),
        quoted: Vec::new(),
        rows,
    }
}
