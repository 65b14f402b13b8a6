//! Tests the lineage of each form of SQL: `cases/*.txt`.
//!
//! A case begins with `-- ` and its title, followed by `[dialects]` if the case does not apply to all dialects.
//! `-- known relation: columns` lists the known columns of a relation. The SQL comes after these lines. The expected
//! result follows a line that contains only `=>`: `column <- columns`, with `over` before the columns by which the
//! windows of the column are partitioned and ordered, `rows <- columns`, `gap text`, `open`, or `not followed: why`.

use std::fmt::Write as _;
use std::path::Path;

use formulac::Dialect;
use formulac::lineage::{ColumnSource, RelationColumnList, lineage_of_sql};

/// Returns the lineage in the format that the case files use.
pub fn format_lineage(sql: &str, dialect: Option<Dialect>, known: &[(String, Vec<String>)]) -> String {
    let of_relation = |parts: &[String]| {
        let name = parts.join(".");
        let columns = known
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, columns)| columns.clone());
        RelationColumnList {
            is_complete: columns.is_some(),
            columns: columns.unwrap_or_default(),
        }
    };
    let lineage = match lineage_of_sql(sql, dialect, &of_relation) {
        Ok(lineage) => lineage,
        Err(fault) => return format!("not followed: {fault}\n"),
    };
    let list = |columns: &[ColumnSource]| columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut out = String::new();
    for column in lineage.columns() {
        let _ = write!(out, "{} <- {}", column.name, list(&column.source_columns));
        if !column.window_columns.is_empty() {
            let _ = write!(out, " over {}", list(&column.window_columns));
        }
        out.push('\n');
    }
    if !lineage.rows().is_empty() {
        let _ = writeln!(out, "rows <- {}", list(&lineage.rows()));
    }
    if !lineage.is_complete() {
        out.push_str("open\n");
    }
    for gap in lineage.gaps() {
        let _ = writeln!(out, "gap {gap}");
    }
    out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn every_form_of_sql() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lineage/cases");
    let write = std::env::var_os("FORMULAC_WRITE").is_some();
    let mut wrong = String::new();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut renewed = String::new();
        for case in text.split("\n\n\n") {
            count += 1;
            let (head, expected) = case.split_once("\n=>\n").unwrap_or((case, ""));
            let (head, expected) = (head.trim(), expected.trim());
            let title = head.lines().next().unwrap_or_default();
            let dialects: Vec<Option<Dialect>> = match title.split_once('[') {
                Some((_, list)) => list
                    .trim_end_matches(']')
                    .split_whitespace()
                    .map(|d| d.parse().ok())
                    .collect(),
                None => Dialect::verified().map(Some).chain([None]).collect(),
            };
            let known = head
                .lines()
                .filter_map(|line| line.strip_prefix("-- known ")?.split_once(": "));
            let known: Vec<(String, Vec<String>)> = known
                .map(|(name, columns)| (name.to_owned(), columns.split(", ").map(str::to_owned).collect()))
                .collect();
            for dialect in dialects.iter().copied() {
                let found = format_lineage(head, dialect, &known);
                if found.trim() != expected {
                    let name = dialect.map_or("any", Dialect::name);
                    let _ = writeln!(wrong, "{head}\n=> in {name}\n{found}\nexpected\n{expected}\n");
                }
            }
            if write {
                let first = dialects.first().copied().flatten();
                let _ = write!(renewed, "{head}\n=>\n{}\n\n", format_lineage(head, first, &known));
            }
        }
        if write {
            std::fs::write(&path, renewed.trim_end().to_owned() + "\n").unwrap();
        }
    }
    assert!(count > 30, "{count} cases");
    assert!(write || wrong.is_empty(), "{wrong}");
}
