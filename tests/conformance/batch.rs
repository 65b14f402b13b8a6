//! Queries for one engine, in the JSON Lines format that tests/oracle/oracle.py reads.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

/// Batch of queries. Equal queries on equal tables are sent once.
#[derive(Default)]
pub struct Batch {
    lines: Vec<String>,
    known: HashMap<String, usize>,
}

impl Batch {
    /// Adds a query, and returns the index of its result.
    pub fn add(&mut self, sql: &str, tables: &[Json]) -> usize {
        let question = json!({"sql": sql, "tables": tables}).to_string();
        if let Some(known) = self.known.get(&question) {
            return *known;
        }
        let number = self.lines.len();
        self.lines
            .push(json!({"id": number, "sql": sql, "tables": tables}).to_string());
        self.known.insert(question, number);
        number
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn to_text(&self) -> String {
        self.lines.join("\n") + "\n"
    }
}
