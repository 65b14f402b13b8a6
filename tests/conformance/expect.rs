//! Expectations of a case other than its values: rejections, deviations of engines, and columns with their types.
//! Formula cases and spec cases use the same code.

use std::collections::BTreeMap;

use formulac::{Column, Dialect, Relation, Type};
use serde_json::{Value as Json, json};

use crate::engine::{Answer, Table};
use crate::yaml::{Node, Result};

/// Column of a test table. In a case file, `float!` means never NULL.
#[derive(Clone, Debug)]
pub struct TestColumn {
    pub name: String,
    pub ty: Type,
    pub nullable: bool,
}

#[derive(Clone, Debug)]
pub struct TestTable {
    pub name: String,
    pub columns: Vec<TestColumn>,
    /// Key columns, if known to the compiler.
    pub key: Vec<String>,
    /// Columns whose names were quoted in the statement that created the table.
    pub quoted: Vec<String>,
    pub rows: Vec<Vec<Json>>,
}

/// Known deviation of an engine.
#[derive(Clone, Debug)]
pub struct Deviation<V> {
    pub answer: DeviantAnswer<V>,
    pub why: String,
}

#[derive(Clone, Debug)]
pub enum DeviantAnswer<V> {
    Value(V),
    /// The engine returns an error that contains this text.
    Error(String),
}

/// Parses columns such as `x: integer` and `x: float!`.
pub fn columns(node: &Node) -> Result<Vec<TestColumn>> {
    let mut columns = Vec::new();
    for (name, kind) in node.map()?.into_entries() {
        let written = kind.text()?;
        let plain = written.strip_suffix('!').unwrap_or(written);
        let ty = neutral_type(&kind, plain)?;
        columns.push(TestColumn {
            name,
            ty,
            nullable: plain == written,
        });
    }
    Ok(columns)
}

/// Parses a type by its name in the contract. The library also accepts the names of types in warehouses.
pub fn neutral_type(node: &Node, name: &str) -> Result<Type> {
    match name.parse::<Type>() {
        Ok(ty) if ty.to_string() == name && ty != Type::Unknown => Ok(ty),
        _ => node.error(format!("unknown type `{name}`")),
    }
}

/// Reads one row of a table. Every column must have a value.
pub fn row(node: &Node, map: &mut crate::yaml::Map, columns: &[TestColumn]) -> Result<Vec<Json>> {
    let mut row = Vec::new();
    for column in columns {
        let value = map.need(&column.name)?.scalar()?.clone();
        if value.is_null() && !column.nullable {
            return node.error(format!("column `{}` is declared never NULL", column.name));
        }
        row.push(value);
    }
    Ok(row)
}

/// Parses a mapping from dialects to codes or SQL, such as `{bigquery: F0501}`.
pub fn parse_texts_by_dialect(node: Option<Node>) -> Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    for (name, text) in entries(node)? {
        texts.insert(dialect_name(&text, &name)?, text.text()?.to_owned());
    }
    Ok(texts)
}

/// Parses `{snowflake: {is: …, why: …}}` or `{snowflake: {error: …, why: …}}`.
pub fn deviations<V>(node: Option<Node>, value: impl Fn(&Node) -> Result<V>) -> Result<BTreeMap<String, Deviation<V>>> {
    let mut deviations = BTreeMap::new();
    for (name, node) in entries(node)? {
        let mut map = node.map()?;
        let why = map.need("why")?.text()?.to_owned();
        let answer = match map.take("error") {
            Some(error) => DeviantAnswer::Error(error.text()?.to_owned()),
            None => DeviantAnswer::Value(value(&map.need("is")?)?),
        };
        map.finish()?;
        deviations.insert(dialect_name(&node, &name)?, Deviation { answer, why });
    }
    Ok(deviations)
}

/// Returns the error in a result. If a deviation is known, the result must be the deviation instead of the expected
/// result. `expected` returns the difference from the expected result, and `deviant` returns `true` if a table contains
/// the known deviation.
pub fn fault_of<V>(
    foretold: Option<&Deviation<V>>,
    answer: &Answer,
    expected: impl FnOnce(&Table) -> Option<String>,
    deviant: impl FnOnce(&V, &Table) -> bool,
) -> Option<String> {
    let verdict = match answer {
        Ok(table) => expected(table),
        Err(error) => Some(format!("the engine fails: {error}")),
    };
    let Some(deviation) = foretold else { return verdict };
    let Some(fault) = verdict else {
        return Some(format!(
            "agrees now; take `differs` out of the case (it said: {})",
            deviation.why
        ));
    };
    let as_foretold = match (&deviation.answer, answer) {
        (DeviantAnswer::Error(text), Err(error)) => error.contains(text),
        (DeviantAnswer::Value(value), Ok(table)) => deviant(value, table),
        _ => false,
    };
    (!as_foretold).then(|| format!("{fault} (nor as in `differs`)"))
}

fn entries(node: Option<Node>) -> Result<Vec<(String, Node)>> {
    match node {
        Some(node) => Ok(node.map()?.into_entries()),
        None => Ok(Vec::new()),
    }
}

fn dialect_name(node: &Node, name: &str) -> Result<String> {
    match name.parse::<Dialect>() {
        Ok(dialect) => Ok(dialect.name().to_owned()),
        Err(_) => node.error(format!("unknown dialect `{name}`")),
    }
}

impl TestTable {
    /// Returns the relation, with its known key, for the compiler's schema.
    pub fn relation(&self) -> Relation {
        let relation = Relation::new(self.name.as_str()).primary_key(self.key.iter().map(String::as_str));
        self.columns.iter().fold(relation, |relation, column| {
            let quoted = self.quoted.contains(&column.name);
            relation.with(
                Column::new(column.name.as_str(), column.ty)
                    .nullable(column.nullable)
                    .with_quoted_name(quoted),
            )
        })
    }

    /// Returns the table in the form that the engine runner loads.
    pub fn to_json(&self) -> Json {
        let column = |column: &TestColumn| {
            let mut json = json!({"name": column.name, "type": column.ty.to_string()});
            // A name that was quoted when the table was created keeps its case.
            if self.quoted.contains(&column.name) {
                json["quoted"] = true.into();
            }
            json
        };
        let columns: Vec<Json> = self.columns.iter().map(column).collect();
        json!({"name": self.name, "columns": columns, "rows": self.rows})
    }
}
