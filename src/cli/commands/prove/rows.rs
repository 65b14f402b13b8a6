//! Supplies the rows of test tables to a query, either from one wide table in the warehouse or as literals.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use formulac::dbt::STATEMENTS_TABLE;
use formulac::{Dialect, Type};
use formulac_syntax::text::is_word_char;
use serde_json::Value;

use super::cases::{CaseTable, ProofCase};

/// Maximum length of an INSERT statement.
const MAX_INSERT_BYTES: usize = 900_000;

/// Types of the columns of test tables.
pub const TEST_COLUMN_TYPES: [Type; 8] = [
    Type::Boolean,
    Type::Integer,
    Type::Decimal,
    Type::Float,
    Type::Text,
    Type::Date,
    Type::Timestamp,
    Type::Timestamptz,
];

/// A table in the warehouse that holds the rows of all test tables. A few statements are enough to create the table.
/// The values are stored, so the warehouse cannot compute a formula while it plans the query.
#[derive(Debug, Default)]
pub struct StoredRows<'p> {
    tables: Vec<&'p CaseTable>,
    /// Number of each table, by address, because proofs share tables.
    numbers: BTreeMap<*const CaseTable, usize>,
    /// Number of columns of each type.
    column_counts_by_type: BTreeMap<String, usize>,
}

impl<'p> StoredRows<'p> {
    pub fn new(proofs: &'p [ProofCase]) -> Self {
        let mut stored = Self::default();
        for table in proofs.iter().flat_map(|proof| &proof.tables) {
            let number = stored.numbers.len();
            let Entry::Vacant(entry) = stored.numbers.entry(Arc::as_ptr(table)) else {
                continue;
            };
            entry.insert(number);
            for (slot, _) in wide_table_columns(table) {
                let (ty, number) = slot.rsplit_once('_').unwrap_or_default();
                let width = stored.column_counts_by_type.entry(ty.to_owned()).or_default();
                *width = (*width).max(number.parse().unwrap_or_default());
            }
            stored.tables.push(table);
        }
        stored
    }

    /// Returns the columns of the wide table, with their types.
    pub fn columns(&self) -> Vec<(String, Type)> {
        let of_type = |ty: Type| {
            let width = self
                .column_counts_by_type
                .get(&ty.to_string())
                .copied()
                .unwrap_or_default();
            (1..=width).map(move |number| (format!("{ty}_{number}"), ty))
        };
        TEST_COLUMN_TYPES.into_iter().flat_map(of_type).collect()
    }

    /// Returns the statements that create the wide table and insert the rows.
    pub fn statements(&self, dialect: Dialect) -> Vec<String> {
        let columns = self.columns();
        let declared: Vec<String> = columns
            .iter()
            .map(|(name, ty)| format!("{name} {}", stored_type(*ty, dialect)))
            .collect();
        let create = format!(
            "create table {STATEMENTS_TABLE} (table_number {}, {})",
            dialect.type_name(Type::Integer),
            declared.join(", ")
        );
        let mut statements = vec![create];
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let insert = format!(
            "insert into {STATEMENTS_TABLE} (table_number, {}) values\n",
            names.join(", ")
        );
        let mut text = insert.clone();
        for (number, table) in self.tables.iter().enumerate() {
            let slots: Vec<String> = wide_table_columns(table).map(|(slot, _)| slot).collect();
            let index = |(slot, ty): &(String, Type)| (slots.iter().position(|table_slot| table_slot == slot), *ty);
            let places: Vec<(Option<usize>, Type)> = columns.iter().map(index).collect();
            for row in &table.rows {
                let value = |(column_index, ty): &(Option<usize>, Type)| {
                    let value = column_index
                        .and_then(|slot_index| row.get(slot_index))
                        .unwrap_or(&Value::Null);
                    literal(value, *ty, dialect)
                };
                let values: Vec<String> = places.iter().map(value).collect();
                if text.len() > insert.len() {
                    text.push_str(",\n");
                }
                text.push_str(&format!("({number}, {})", values.join(", ")));
                if text.len() > MAX_INSERT_BYTES {
                    statements.push(std::mem::replace(&mut text, insert.clone()));
                }
            }
        }
        if text.len() > insert.len() {
            statements.push(text);
        }
        statements
    }

    /// Returns the query of a proof over the stored rows.
    pub fn query(&self, proof: &ProofCase, dialect: Dialect) -> String {
        add_case_tables_to_query(proof, dialect, |table| {
            let columns: Vec<String> = wide_table_columns(table)
                .map(|(slot, name)| format!("{slot} as {}", column_name(table, name, dialect)))
                .collect();
            let number = self
                .numbers
                .get(&std::ptr::from_ref(table))
                .copied()
                .unwrap_or_default();
            format!(
                "select {} from {STATEMENTS_TABLE} where table_number = {number}",
                columns.join(", ")
            )
        })
    }
}

/// Returns the statement that drops the wide table.
pub fn drop_stored_rows_statement() -> String {
    format!("drop table if exists {STATEMENTS_TABLE}")
}

/// Returns the query of a proof over rows that the query itself contains as literals.
pub fn query_over_literals(proof: &ProofCase, dialect: Dialect) -> String {
    add_case_tables_to_query(proof, dialect, |table| {
        let row = |row: &[Value]| {
            let value = |((name, ty), value): ((&str, Type), &Value)| {
                let ty_name = stored_type(ty, dialect);
                let value = if value.is_null() {
                    format!("cast(null as {ty_name})")
                } else {
                    literal(value, ty, dialect)
                };
                format!("{value} as {}", column_name(table, name, dialect))
            };
            let values: Vec<String> = table.columns().zip(row).map(value).collect();
            format!("select {}", values.join(", "))
        };
        if table.rows.is_empty() {
            let nulls = vec![Value::Null; table.columns().count()];
            return format!("{} limit 0", row(&nulls));
        }
        let rows: Vec<String> = table.rows.iter().map(|values| row(values)).collect();
        rows.join(" union all\n    ")
    })
}

/// Adds the tables of a proof to its query as common table expressions.
fn add_case_tables_to_query(proof: &ProofCase, dialect: Dialect, rows: impl Fn(&CaseTable) -> String) -> String {
    let mut query = proof.query.trim_end().to_owned();
    let mut expressions = Vec::new();
    for table in &proof.tables {
        let mut name = dialect.name_text(&table.name, true);
        if table.name.contains('.') || has_cte(&query, &name) {
            // A CTE has no schema, and its name must differ from the names of the query's other CTEs.
            name = format!("given_{}", table.name.replace(|c: char| !c.is_alphanumeric(), "_"));
            query = replace_relation_in_query(&query, &table.name, &name);
        }
        expressions.push(format!("{name} as (\n    {}\n)", rows(table)));
    }
    let with = format!("with {}", expressions.join(",\n"));
    match query.strip_prefix("with ") {
        Some(rest) => format!("{with},\n{rest}\n"),
        None => format!("{with}\n{query}\n"),
    }
}

/// Returns whether the query has a CTE with this name.
fn has_cte(query: &str, name: &str) -> bool {
    let mut lines = query.lines();
    lines.any(|line| line.trim_start_matches("with ").strip_prefix(name) == Some(" as ("))
}

/// Replaces a relation after FROM and JOIN. The last part of the relation's name becomes the alias, because the query
/// qualifies columns with it.
fn replace_relation_in_query(query: &str, relation: &str, name: &str) -> String {
    let last = relation.rsplit('.').next().unwrap_or(relation);
    let mut out = String::with_capacity(query.len());
    let mut rest = query;
    while let Some(offset) = rest.find(relation) {
        let (before, after) = rest.split_at(offset);
        let end = after.get(relation.len()..).unwrap_or_default();
        let is_relation = ["from ", "join "].iter().any(|word| before.ends_with(word));
        let is_whole = !end.starts_with(|c: char| is_word_char(c) || c == '.');
        out.push_str(before);
        match is_relation && is_whole {
            true if end.starts_with(" as ") => out.push_str(name),
            true => out.push_str(&format!("{name} as {last}")),
            false => out.push_str(relation),
        }
        rest = end;
    }
    out.push_str(rest);
    out
}

/// Returns, for each column of a table, the column of the wide table that contains its values, such as `text_2`.
fn wide_table_columns(table: &CaseTable) -> impl Iterator<Item = (String, &str)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    table.columns().map(move |(name, ty)| {
        let count = counts.entry(ty.to_string()).or_default();
        *count += 1;
        (format!("{ty}_{count}"), name)
    })
}

fn column_name(table: &CaseTable, name: &str, dialect: Dialect) -> String {
    let is_quoted = table.quoted.iter().any(|quoted| quoted == name);
    dialect.name_text(name, !is_quoted)
}

fn stored_type(ty: Type, dialect: Dialect) -> &'static str {
    match ty {
        Type::Decimal => dialect.facts().stored_decimal,
        ty => dialect.type_name(ty),
    }
}

fn literal(value: &Value, ty: Type, dialect: Dialect) -> String {
    let text = match value {
        Value::Null => return "null".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let text = dialect.text_literal(&text);
    match ty {
        Type::Text => text,
        ty => format!("cast({text} as {})", stored_type(ty, dialect)),
    }
}
