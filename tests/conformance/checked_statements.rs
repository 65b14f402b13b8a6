//! Statements in which an earlier run found no problem (`tests/oracle/answers/statements.bin`). Later runs check only
//! the statements that have changed since then.
//!
//! The key of a statement is a hash of the statement, its tables, and the rules or facts that it is checked against,
//! without comments.
//! One in 20 of these statements is checked again. `FORMULAC_ANSWERS=none` checks all statements, and
//! `FORMULAC_RECORD=FOLDER` writes the keys to this folder.

use std::collections::{BTreeSet, HashSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::skipped_cases;

/// Number of bytes of the hash that a key contains.
const KEY_BYTES: usize = 8;
/// One in `SHARE` recorded statements is checked again.
const SHARE: u8 = 20;
/// Files that contain the rules of the warehouses, with the program that applies them.
const RULES: [&str; 4] = [
    "tests/oracle/requirements.txt",
    "tests/oracle/rule_types.py",
    "tests/oracle/rules.py",
    "tests/oracle/rules.toml",
];
/// Files and folders that contain the facts about each dialect, with the code that finds the constructs of a statement.
const FACTS: [&str; 6] = [
    "dialects",
    "dialects/build/constructs",
    "dialects/facts",
    "tests/conformance/known_calls.rs",
    "tests/conformance/statement_constructs",
    "tests/conformance/warehouse_rules.rs",
];

/// Key of a statement.
pub type StatementKey = [u8; KEY_BYTES];

static KNOWN: LazyLock<HashSet<StatementKey>> = LazyLock::new(|| {
    if env::var("FORMULAC_ANSWERS").is_ok_and(|answers| answers == "none") {
        return HashSet::new();
    }
    let record = fs::read(root().join("tests/oracle/answers/statements.bin")).unwrap_or_default();
    record.as_chunks().0.iter().copied().collect()
});

static RULES_HASH: LazyLock<Vec<u8>> = LazyLock::new(|| hash_of_files(&RULES).finalize().to_vec());

static FACTS_HASH: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut hash = hash_of_files(&FACTS);
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("the file can be read");
    let parser = lock
        .split("\n\n")
        .find(|package| package.contains("name = \"sqlparser\""));
    hash.update(parser.expect("the parser is a dependency"));
    hash.finalize().to_vec()
});

/// Returns a hash of the files, without their comments.
fn hash_of_files(paths: &[&str]) -> Sha256 {
    let mut hash = Sha256::new();
    for path in paths {
        let path = root().join(path);
        let mut files: Vec<PathBuf> = match fs::read_dir(&path) {
            Ok(entries) => entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.is_file() && path.extension().is_some_and(|extension| extension != "md"))
                .collect(),
            Err(_) => vec![path],
        };
        files.sort();
        for file in files {
            let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            for line in text.lines().filter(|line| !line.trim_start().starts_with(['#', '/'])) {
                hash.update(line);
                hash.update("\n");
            }
        }
    }
    hash
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the key of a statement whose constructs are looked up in the facts about a dialect.
pub fn key_for_facts(dialect: &str, sql: &str) -> StatementKey {
    statement_key(&FACTS_HASH, &[dialect, sql])
}

/// Returns the key of a statement that is checked against the rules of the warehouses. `statement` contains the SQL and
/// the tables.
pub fn key_for_rules(statement: &str) -> StatementKey {
    statement_key(&RULES_HASH, &[statement])
}

fn statement_key(rules: &[u8], parts: &[&str]) -> StatementKey {
    let mut hash = Sha256::new();
    hash.update(rules);
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().first_chunk().copied().unwrap_or_default()
}

/// Returns `true` if an earlier run checked the statement and this run skips it.
pub fn is_checked(key: &StatementKey) -> bool {
    KNOWN.contains(key) && usize::from(key[0] % SHARE) != skipped_cases::number().unwrap_or(0)
}

/// Writes the keys of statements without problems, if this run records results.
pub fn record(suite: &str, keys: &BTreeSet<StatementKey>) {
    if let Ok(folder) = env::var("FORMULAC_RECORD") {
        fs::create_dir_all(&folder).expect("the folder can be created");
        let bytes: Vec<u8> = keys.iter().flatten().copied().collect();
        let path = Path::new(&folder).join(format!("statements-{suite}.bin"));
        fs::write(path, bytes).expect("the keys can be written");
    }
}
