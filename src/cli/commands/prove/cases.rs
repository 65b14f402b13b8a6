//! The conformance cases, compiled for a dialect.

use std::collections::BTreeMap;
use std::sync::Arc;

use formulac::{Builder, Column, Compiler, Dialect, Relation, Schema, SpecText, Type};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// Cases and their tables as JSON lines. A test writes this file from the project's conformance cases.
const CONFORMANCE_CASES_JSON: &str = include_str!("cases.jsonl");

/// A table that cases read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseTable {
    #[serde(rename = "table")]
    pub name: String,
    /// Columns with their types. The type `float!` means a float column that is never NULL.
    #[serde(rename = "types")]
    columns: serde_json::Map<String, Value>,
    #[serde(default)]
    key: Vec<String>,
    /// Columns whose names are quoted in the statement that creates the table.
    #[serde(default)]
    pub quoted: Vec<String>,
    pub rows: Vec<Vec<Value>>,
}

impl CaseTable {
    pub fn new(name: &str, columns: Vec<(String, Type)>, rows: Vec<Vec<Value>>) -> Self {
        let column = |(name, ty): (String, Type)| (name, Value::from(ty.to_string()));
        Self {
            name: name.to_owned(),
            columns: columns.into_iter().map(column).collect(),
            key: Vec::new(),
            quoted: Vec::new(),
            rows,
        }
    }

    /// Returns the names of the columns and their types.
    pub fn columns(&self) -> impl Iterator<Item = (&str, Type)> {
        self.columns.iter().map(|(name, ty)| {
            let ty = ty.as_str().unwrap_or_default().trim_end_matches('!');
            (name.as_str(), ty.parse().unwrap_or_default())
        })
    }

    fn relation(&self) -> Relation {
        let relation = Relation::new(self.name.as_str()).primary_key(self.key.iter().map(String::as_str));
        self.columns().fold(relation, |relation, (name, ty)| {
            let type_text = self.columns.get(name).and_then(Value::as_str).unwrap_or_default();
            let quoted = self.quoted.iter().any(|quoted| quoted == name);
            relation.with(
                Column::new(name, ty)
                    .nullable(!type_text.ends_with('!'))
                    .with_quoted_name(quoted),
            )
        })
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum CaseLevel {
    Row,
    Aggregate,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    subject: String,
    case: String,
    formula: Option<String>,
    level: Option<CaseLevel>,
    #[serde(default)]
    group_by: Vec<String>,
    #[serde(default)]
    order_by: Vec<String>,
    spec: Option<String>,
    #[serde(default)]
    sets: Vec<String>,
    /// Dialects for which the case exists. Empty if the case exists for all dialects.
    #[serde(default)]
    only: Vec<String>,
    #[serde(default)]
    without: Vec<String>,
    #[serde(default)]
    untyped: bool,
    #[serde(default)]
    differs: BTreeMap<String, Vec<Vec<Value>>>,
    rows: Vec<Vec<Value>>,
    /// Column names of the rows, for people who read the file.
    #[serde(rename = "columns")]
    _columns: IgnoredAny,
    #[serde(default)]
    unordered: bool,
    tables: Vec<usize>,
}

/// Line of the file with the cases. A test ensures that every line is one of the two variants.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum CaseLine {
    Table(CaseTable),
    Case(Box<Case>),
}

/// Expected rows of a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExpectedRows {
    /// Reason why no rows are expected. The warehouse then only has to run the query.
    pub unknown: Option<String>,
    pub rows: Vec<Vec<Value>>,
    pub unordered: bool,
    /// Positions of the columns to compare. `None` if all columns are compared.
    pub columns: Option<Vec<usize>>,
}

/// A query with the tables that it reads and its expected rows.
#[derive(Debug)]
pub struct ProofCase {
    /// Function, operator or topic that the case tests, or the project's model.
    pub subject: String,
    pub case: String,
    /// Formula or spec to prove.
    pub source: String,
    pub query: String,
    pub tables: Vec<Arc<CaseTable>>,
    pub expected: ExpectedRows,
}

/// Conformance cases for a dialect, before they are compiled.
pub struct ConformanceCases {
    dialect: Dialect,
    /// Tables of the cases. Cases that read the same table share it.
    tables: Vec<Arc<CaseTable>>,
    cases: Vec<Case>,
}

impl ConformanceCases {
    pub fn new(dialect: Dialect) -> Self {
        let (mut tables, mut cases) = (Vec::new(), Vec::new());
        for line in CONFORMANCE_CASES_JSON
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
        {
            match line {
                CaseLine::Table(table) => tables.push(Arc::new(table)),
                CaseLine::Case(case) => cases.push(*case),
            }
        }
        let name = dialect.name().to_owned();
        let has_name = |names: &[String]| names.contains(&name);
        // The cases name only verified dialects, so for an unverified dialect, keep every case. Only the cases that
        // compile apply.
        let is_unverified = dialect.unverified().is_some();
        let is_own = |case: &Case| !has_name(&case.without) && (case.only.is_empty() || has_name(&case.only));
        cases.retain(|case| is_unverified || is_own(case));
        Self { dialect, tables, cases }
    }

    /// Returns the functions, operators and topics of the cases.
    pub fn subjects(&self) -> impl Iterator<Item = &str> {
        self.cases.iter().map(|case| case.subject.as_str())
    }

    /// Compiles the cases for the given subjects.
    pub fn proofs(self, is_chosen: impl Fn(&str) -> bool) -> Vec<ProofCase> {
        let cases = self.cases.into_iter().filter(|case| is_chosen(&case.subject));
        cases
            .filter_map(|case| case.proof(&self.tables, self.dialect))
            .collect()
    }
}

impl Case {
    /// `None` if the case does not compile. A test ensures that all cases compile in the verified dialects.
    fn proof(self, all_tables: &[Arc<CaseTable>], dialect: Dialect) -> Option<ProofCase> {
        let tables: Vec<Arc<CaseTable>> = self
            .tables
            .iter()
            .filter_map(|index| all_tables.get(*index).cloned())
            .collect();
        let query = match &self.formula {
            Some(formula) => self.formula_query(formula, &tables, dialect)?,
            None => self.spec_query(&tables, dialect)?,
        };
        Some(ProofCase {
            query,
            source: self.formula.or(self.spec).unwrap_or_default(),
            expected: ExpectedRows {
                rows: self.differs.get(dialect.name()).unwrap_or(&self.rows).clone(),
                unordered: self.unordered,
                ..ExpectedRows::default()
            },
            subject: self.subject,
            case: self.case,
            tables,
        })
    }

    fn formula_query(&self, formula: &str, tables: &[Arc<CaseTable>], dialect: Dialect) -> Option<String> {
        let table = tables.first()?;
        let schema = Schema::new().with(table.relation());
        let mut builder = builder(dialect, tables).fiscal_month_offset(0);
        builder = builder.schema(schema).from(table.name.as_str());
        if !self.group_by.is_empty() {
            builder = builder.group_by(self.group_by.iter().map(String::as_str));
        }
        if !self.order_by.is_empty() {
            builder = builder.order_by(self.order_by.iter().map(String::as_str));
        }
        let compiled = builder.build().compile(formula);
        let (sql, from) = (compiled.definitions().last()?.sql(), &table.name);
        // The first column of the table contains the row numbers, by which the results are sorted.
        let (numbers, _) = table.columns().next()?;
        let keys = self.group_by.join(", ");
        Some(match self.level? {
            CaseLevel::Row => format!("select {sql} as answer from {from} order by {numbers}"),
            CaseLevel::Aggregate if keys.is_empty() || !self.unordered => format!("select {sql} as answer from {from}"),
            CaseLevel::Aggregate => format!("select {keys}, {sql} as answer from {from} group by {keys}"),
        })
    }

    fn spec_query(&self, tables: &[Arc<CaseTable>], dialect: Dialect) -> Option<String> {
        let case_tables: &[Arc<CaseTable>] = if self.untyped { &[] } else { tables };
        let schema = case_tables
            .iter()
            .fold(Schema::new(), |schema, table| schema.with(table.relation()));
        let compiler = builder(dialect, tables).schema(schema).build();
        let sets: Vec<SpecText<'_>> = self.sets.iter().map(|text| SpecText { text, path: None }).collect();
        let sets = compiler.compile_specs(&sets);
        let compiled = compiler.with_models(&sets).compile_spec(self.spec.as_deref()?);
        compiled.query().map(str::to_owned)
    }
}

/// Returns a builder for a compiler. Instants are converted to dates in the time zone that the cases expect, because
/// the session may have another time zone.
fn builder(dialect: Dialect, tables: &[Arc<CaseTable>]) -> Builder {
    let builder = Compiler::builder().dialect(dialect);
    let is_instant = |(_, ty): (&str, Type)| ty == Type::Timestamptz;
    match tables.iter().flat_map(|table| table.columns()).any(is_instant) {
        true => builder.timezone("UTC"),
        false => builder,
    }
}

#[cfg(test)]
mod tests {
    use super::{CONFORMANCE_CASES_JSON, CaseLine};

    #[test]
    fn each_line_is_a_table_or_a_case() {
        for line in CONFORMANCE_CASES_JSON.lines() {
            assert!(serde_json::from_str::<CaseLine>(line).is_ok(), "{line}");
            let misspelled = line.replacen(r#""rows""#, r#""row": [], "rows""#, 1);
            assert!(serde_json::from_str::<CaseLine>(&misspelled).is_err(), "{misspelled}");
        }
    }
}
