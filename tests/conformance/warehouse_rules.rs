//! Checks generated statements against the warehouses' rules (`tests/oracle/rules.toml`). A single process checks all
//! statements.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use formulac::{Column, Dialect, Relation, Schema, Type};
use serde_json::{Value as Json, json};

use crate::checked_statements::{self, StatementKey};
use crate::engine::{NOT_INSTALLED, python, require};
use crate::files::output_folder;
use crate::statement_constructs::Facts;

/// Maximum number of violations that are displayed per rule.
const SHOWN: usize = 3;

/// Casts to types that a spec specifies, such as `data_type` in a contract.
const SPEC_CASTS: [&str; 3] = [
    "casts: cast(decimal as decimal(14,2))",
    "casts: cast(decimal as numeric(20,2))",
    "casts: cast(decimal as numeric(38,2))",
];

/// The distinct statements of a suite.
#[derive(Default)]
pub struct Statements {
    lines: Vec<String>,
    known_statements: BTreeSet<StatementKey>,
    looked_up: BTreeSet<StatementKey>,
    facts: BTreeMap<&'static str, Facts>,
    /// Constructs that `dialects/facts` does not list, each with the number of statements that contain it, and the
    /// first such statement.
    unknown: BTreeMap<String, (usize, String)>,
}

impl Statements {
    /// Adds a statement that reads the tables in a schema. `outputs` contains the statement's columns with the types
    /// that the compiler reports.
    pub fn add(&mut self, from: &str, dialect: Dialect, sql: &str, schema: &Schema, outputs: &[(&str, Type)]) {
        let column = |c: &Column| json!({"name": c.name(), "type": c.ty().name(), "quoted": c.is_quoted(), "nullable": c.is_nullable()});
        let table = |relation: &Relation| json!({"name": relation.name(), "columns": relation.columns().iter().map(column).collect::<Vec<_>>()});
        let tables: Vec<Json> = schema.relations().iter().map(table).collect();
        let outputs: Vec<Json> = outputs.iter().map(|(name, ty)| json!([name, ty.name()])).collect();
        let asked = json!({"dialect": dialect.name(), "sql": sql, "tables": tables, "outputs": outputs});
        let key = checked_statements::key_for_rules(&asked.to_string());
        if self.known_statements.insert(key) {
            self.look_up(from, dialect, sql, schema);
            if !checked_statements::is_checked(&key) {
                let mut line = asked;
                line["from"] = from.into();
                self.lines.push(line.to_string());
            }
        }
    }

    /// Looks up the constructs of a statement in `dialects/facts`. Once per dialect is sufficient, because constructs
    /// do not depend on the schema.
    pub fn look_up(&mut self, from: &str, dialect: Dialect, sql: &str, schema: &Schema) {
        let key = checked_statements::key_for_facts(dialect.name(), sql);
        if !self.looked_up.insert(key) || checked_statements::is_checked(&key) {
            return;
        }
        let facts = self
            .facts
            .entry(dialect.name())
            .or_insert_with(|| Facts::for_dialect(dialect));
        let unknown = facts
            .constructs_without_fact(sql, schema)
            .unwrap_or_else(|error| [error].into());
        for construct in unknown.into_iter().filter(|it| !SPEC_CASTS.contains(&it.as_str())) {
            let first = || (0, format!("{from}\n{sql}"));
            let entry = self.unknown.entry(format!("{dialect}: {construct}"));
            entry.or_insert_with(first).0 += 1;
        }
    }

    /// Adds the statements of another dialect.
    #[allow(dead_code, reason = "random statements are not split by dialect")]
    pub fn merge(mut self, other: Self) -> Self {
        self.lines.extend(other.lines);
        self.known_statements.extend(other.known_statements);
        self.looked_up.extend(other.looked_up);
        self.unknown.extend(other.unknown);
        self
    }

    /// Fails if a statement breaks a rule, or contains a construct that `dialects/facts` does not list.
    pub fn judge(&self, suite: &str) {
        let unknown = self.unknown.iter();
        let unknown: Vec<String> = unknown
            .map(|(construct, (count, first))| format!("{construct}, in {count} statements, first in {first}\n"))
            .collect();
        assert!(
            unknown.is_empty(),
            "{} constructs are not in dialects/facts; add them to dialects/build/used_constructs.rs:\n{}",
            unknown.len(),
            unknown.join("\n")
        );
        let keys = self.known_statements.union(&self.looked_up).copied().collect();
        let file = output_folder().join(format!("{suite}-statements.jsonl"));
        fs::write(&file, self.lines.join("\n") + "\n").expect("the statements can be written");
        let file = file.to_str().expect("the path is text");
        let Some(found) = rules(&["--statements", file]) else {
            return;
        };
        let mut by_rule: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in found.lines() {
            let violation: Json = serde_json::from_str(line).expect("the rules write JSON lines");
            let text = |key: &str| violation[key].as_str().unwrap_or_default().to_owned();
            let shown = format!("{}: {}\n{}", text("from"), text("what"), text("sql"));
            by_rule
                .entry(format!("{} ({})", text("rule"), text("dialect")))
                .or_default()
                .push(shown);
        }
        let shown: Vec<String> = by_rule
            .iter()
            .map(|(rule, all)| {
                format!(
                    "{rule}, {} statements:\n{}",
                    all.len(),
                    all[..all.len().min(SHOWN)].join("\n\n")
                )
            })
            .collect();
        assert!(
            shown.is_empty(),
            "of {} statements some break rules:\n{}",
            self.lines.len(),
            shown.join("\n\n")
        );
        checked_statements::record(suite, &keys);
    }
}

/// Returns the schema without keys and with nullable columns.
pub fn without_constraints(schema: &Schema) -> Schema {
    let free = |relation: &Relation| {
        let columns = relation.columns().iter().map(|c| c.clone().nullable(true));
        columns.fold(Relation::new(relation.name()), Relation::with)
    };
    schema.relations().iter().map(free).fold(Schema::new(), Schema::with)
}

/// Returns the output of `rules.py`. `None` if the environment of the script is not installed.
pub fn rules(arguments: &[&str]) -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/rules.py");
    let run = python().map(|python| {
        Command::new(python)
            .arg(script)
            .args(arguments)
            .output()
            .expect("Python starts")
    });
    let Some(run) = run.filter(|run| run.status.code() != Some(NOT_INSTALLED)) else {
        require("SKIPPED rules: no Python environment; run tests/setup.sh");
        return None;
    };
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    Some(String::from_utf8(run.stdout).expect("the rules print UTF-8"))
}
