//! Compares two tables on every engine as `verify` does: the counts, and the rows that differ.

use std::path::Path;

use formulac::dbt::{RelationName, RelationReference};
use formulac::verify::{Comparison, ComparisonReader, Counts, RowDifference};
use formulac::{Compiler, Dialect, Schema};
use serde_json::{Value as Json, json};

use crate::batch::Batch;
use crate::engine::{Run, Table, announce_missing, run_all};
use crate::expect::{TestColumn, TestTable, columns};
use crate::files;
use crate::report::{Failure, fail_on};
use crate::warehouse_rules::Statements;
use crate::yaml::{self, Node, Result};

const SUITE: &str = "comparisons";

struct Case {
    name: String,
    spec: String,
    /// `true` if only the formula is compared, without the other relations in the spec.
    of_formula: bool,
    ours: TestTable,
    theirs: TestTable,
    dialect: Option<String>,
    says: String,
    rows: Vec<String>,
    unordered: bool,
    /// Sums of each numeric column on both sides, if requested.
    sums: Option<Vec<String>>,
}

impl Case {
    fn is_run_in(&self, dialect: Dialect) -> bool {
        self.dialect.as_deref().is_none_or(|own| own == dialect.name())
    }
}

fn read_all() -> Result<Vec<Case>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/comparisons.yml");
    let root = yaml::parse(&files::read(&path))?;
    let mut map = root.map()?;
    let cases = map.need("cases")?;
    map.finish()?;
    cases.list()?.iter().map(read_case).collect()
}

fn read_case(node: &Node) -> Result<Case> {
    let mut map = node.map()?;
    let name = map.need("case")?.text()?.to_owned();
    let types = columns(&map.need("types")?)?;
    let their_types = map
        .take("their_types")
        .map_or(Ok(types.clone()), |node| columns(&node))?;
    let quoted = map.take("quoted").map_or(Ok(Vec::new()), |node| node.texts())?;
    let mut table = |name: &str, rows: &str, columns: Vec<TestColumn>| -> Result<TestTable> {
        let rows = map.need(rows)?;
        let row = |row: &Node| row.list()?.iter().map(|value| Ok(value.scalar()?.clone())).collect();
        let rows: Vec<Vec<Json>> = rows.list()?.iter().map(row).collect::<Result<_>>()?;
        assert!(
            rows.iter().all(|row| row.len() == columns.len()),
            "{name}: a value for each column"
        );
        Ok(TestTable {
            name: name.to_owned(),
            columns,
            key: Vec::new(),
            quoted: quoted.clone(),
            rows,
        })
    };
    let (ours, theirs) = (table("ours", "ours", types)?, table("theirs", "theirs", their_types)?);
    let spec_key = map.take("spec");
    let spec = match &spec_key {
        Some(spec) => {
            let mut out = "model: ours\nfrom: theirs\n".to_owned();
            for (key, value) in spec.map()?.into_entries() {
                out.push_str(&format!("{key}: {}\n", json_of(&value)?));
            }
            out
        }
        None => {
            let mut compare = json!({"with": "theirs"});
            for key in ["keys", "columns", "tolerance", "where"] {
                if let Some(value) = map.take(key) {
                    compare[key] = json_of(&value)?;
                }
            }
            format!("model: ours\nfrom: raw\nkeep: all\ncompare: [{compare}]\n")
        }
    };
    let case = Case {
        name,
        spec,
        of_formula: spec_key.is_some(),
        ours,
        theirs,
        dialect: map
            .take("dialect")
            .map(|node| node.text().map(str::to_owned))
            .transpose()?,
        says: map.need("says")?.text()?.to_owned(),
        rows: map.take("rows").map_or(Ok(Vec::new()), |node| node.texts())?,
        unordered: map.take("unordered").is_some(),
        sums: map.take("sums").map(|node| node.texts()).transpose()?,
    };
    map.finish()?;
    Ok(case)
}

/// Converts a value of a spec to JSON. JSON is also YAML.
fn json_of(node: &Node) -> Result<Json> {
    if let Ok(items) = node.list() {
        return Ok(Json::Array(items.iter().map(json_of).collect::<Result<_>>()?));
    }
    if let Ok(map) = node.map() {
        let pairs = map
            .into_entries()
            .into_iter()
            .map(|(key, value)| Ok((key, json_of(&value)?)));
        return Ok(Json::Object(pairs.collect::<Result<_>>()?));
    }
    node.scalar().cloned()
}

fn comparison(case: &Case, dialect: Dialect) -> std::result::Result<Comparison, String> {
    let raw = TestTable {
        name: "raw".to_owned(),
        ..case.ours.clone()
    };
    let schema = Schema::new().with(raw.relation()).with(case.theirs.relation());
    let compiled = Compiler::builder()
        .dialect(dialect)
        .schema(schema)
        .build()
        .compile_spec(&case.spec);
    let comparison = if case.of_formula {
        compiled.formula_comparison()
    } else {
        compiled.comparisons().pop()
    };
    let found = comparison.ok_or_else(|| format!("{:?}", compiled.diagnostics()))?;
    if case.sums.is_none() {
        return Ok(found);
    }
    let [ours, theirs] = ["ours", "theirs"].map(|name| RelationReference::Relation(RelationName::read(name).unwrap()));
    Ok(found.between_relations(ours, theirs))
}

/// Returns the value of a column in a result row, ignoring the case of the column name.
fn value(table: &Table, row: &[Json], name: &str) -> Option<String> {
    let index = table
        .columns
        .iter()
        .position(|column| column.eq_ignore_ascii_case(name))?;
    match row.get(index)? {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Formats a value in the same way for every engine.
fn normalize_value(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(number) if number.is_nan() => "NaN".to_owned(),
        Ok(number) if number.is_infinite() => if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        // Round to nine decimals if this changes the number by less than 1e-15. For example, 0.09999999999999998
        // becomes 0.1.
        Ok(number) if !text.contains('-') || text.contains("e-") || number < 0.0 => {
            let near = (number * 1e9).round() / 1e9;
            if (near - number).abs() < 1e-15 {
                format!("{near}")
            } else {
                format!("{number}")
            }
        }
        _ => text.trim_end_matches(".000000").trim_end_matches(".000").to_owned(),
    }
}

fn describe_counts(counts: &Counts) -> String {
    let mut out = vec![format!("{} of {}", counts.agreeing_rows(), counts.total_rows())];
    for (what, [ours, theirs]) in [("only", counts.only_on_side), ("repeated", counts.repeated)] {
        if (ours, theirs) != (0, 0) {
            out.push(format!("{what} {ours} and {theirs}"));
        }
    }
    for (what, count) in [("unmatched", counts.unmatched), ("differ", counts.differing)] {
        if count > 0 {
            out.push(format!("{what} {count}"));
        }
    }
    for column in &counts.columns {
        let count = if column.differing > 0 {
            format!(" {}", column.differing)
        } else {
            String::new()
        };
        let by = column
            .greatest
            .as_deref()
            .map(|by| format!(" by {}", normalize_value(by)))
            .unwrap_or_default();
        if !count.is_empty() || !by.is_empty() {
            out.push(format!("{}{count}{by}", column.column));
        }
    }
    out.join("; ")
}

fn row_text(row: &RowDifference, comparison: &Comparison) -> String {
    let text = |value: &Option<String>| value.as_deref().map_or("NULL".to_owned(), normalize_value);
    let key: Vec<String> = row.key.iter().map(text).collect();
    let what = if row.values.is_empty() {
        format!("{} and {}", row.rows[0], row.rows[1])
    } else {
        let one = |value: &formulac::verify::ValueDifference| {
            let [ours, theirs] = value.values.each_ref().map(text);
            let by = value
                .difference
                .as_deref()
                .map(|by| format!(" by {}", normalize_value(by)))
                .unwrap_or_default();
            format!("{} {ours} {theirs}{by}", comparison.columns()[value.column])
        };
        row.values.iter().map(one).collect::<Vec<_>>().join("; ")
    };
    format!("{}: {what}", key.join(", "))
}

/// Returns `true` if the result is as expected. `by any` matches every number.
fn is_expected(expected: &str, got: &str) -> bool {
    let parts = |text: &str| text.split("; ").map(str::to_owned).collect::<Vec<_>>();
    let (expected, got) = (parts(expected), parts(got));
    let same = |expected: &String, got: &String| match expected.strip_suffix(" by any") {
        Some(start) => got.strip_prefix(start).is_some_and(|rest| rest.starts_with(" by ")),
        None => expected == got,
    };
    expected.len() == got.len() && expected.iter().zip(&got).all(|(expected, got)| same(expected, got))
}

fn check_result(case: &Case, comparison: &Comparison, counts: &Table, rows: &Table) -> Option<String> {
    let [only] = counts.rows.as_slice() else {
        return Some(format!("{} rows of counts", counts.rows.len()));
    };
    let Some(read) = comparison.parse_counts(|name| value(counts, only, name)) else {
        return Some(format!("{only:?}"));
    };
    let got = describe_counts(&read);
    if !is_expected(&case.says, &got) {
        return Some(format!("expected {}\ngot      {got}", case.says));
    }
    if let Some(expected) = &case.sums {
        let sum = |sum: &Option<String>| sum.as_deref().map_or_else(|| "NULL".to_owned(), normalize_value);
        let summed = read.columns.iter().filter(|column| column.sums != [None, None]);
        let got = summed.map(|counts| {
            format!(
                "{} {} and {}",
                counts.column,
                sum(&counts.sums[0]),
                sum(&counts.sums[1])
            )
        });
        let got: Vec<String> = got.collect();
        if got != *expected {
            return Some(format!("expected the sums {expected:?}\ngot      {got:?}"));
        }
    }
    if read.is_agreement() != rows.rows.is_empty() {
        return Some("rows are shown, and nothing is wrong, or the other way round".to_owned());
    }
    let read = rows
        .rows
        .iter()
        .map(|row| comparison.parse_row(|name| value(rows, row, name)));
    let Some(read) = read.collect::<Option<Vec<RowDifference>>>() else {
        return Some(format!("{:?}", rows.rows));
    };
    let mut got: Vec<String> = read.iter().map(|row| row_text(row, comparison)).collect();
    let mut expected = case.rows.clone();
    if case.unordered {
        got.sort();
        expected.sort();
    }
    let same = expected.len() == got.len()
        && expected
            .iter()
            .zip(&got)
            .all(|(expected, got)| is_expected(expected, got));
    (!same).then(|| format!("expected {expected:?}\ngot      {got:?}"))
}

/// Looks up the SQL constructs of all comparisons in `dialects/facts`.
pub fn look_up(statements: &mut Statements, dialect: Dialect) {
    let cases = read_all().unwrap_or_else(|error| panic!("comparisons.yml: {error}"));
    for case in cases.iter().filter(|case| case.is_run_in(dialect)) {
        let Ok(comparison) = comparison(case, dialect) else {
            continue;
        };
        let schema = Schema::new().with(case.ours.relation()).with(case.theirs.relation());
        let tables = ComparisonReader::Tables;
        for sql in [comparison.counts_sql(tables), comparison.rows_sql(tables)] {
            statements.look_up(&case.name, dialect, &sql, &schema);
        }
    }
}

pub fn run() {
    if files::filter().is_some_and(|filter| !SUITE.contains(&filter)) {
        return;
    }
    let cases = read_all().unwrap_or_else(|error| panic!("comparisons.yml: {error}"));
    let dialects: Vec<Dialect> = Dialect::verified().collect();
    let mut failures = Vec::new();
    let mut fail = |case: &Case, dialect: Dialect, sql: &str, fault: String| {
        let (case, formula) = (case.name.clone(), case.spec.clone());
        failures.push(Failure {
            case,
            dialect: dialect.name().to_owned(),
            formula,
            sql: sql.to_owned(),
            fault,
        });
    };
    let (mut batches, mut asked) = (Vec::new(), Vec::new());
    for dialect in &dialects {
        let mut batch = Batch::default();
        for case in cases.iter().filter(|case| case.is_run_in(*dialect)) {
            match comparison(case, *dialect) {
                Ok(comparison) => {
                    let tables = [case.ours.to_json(), case.theirs.to_json()];
                    let (counts, rows) = (
                        comparison.counts_sql(ComparisonReader::Tables),
                        comparison.rows_sql(ComparisonReader::Tables),
                    );
                    let places = [batch.add(&counts, &tables), batch.add(&rows, &tables)];
                    asked.push((case, *dialect, comparison, places, format!("{counts}{rows}")));
                }
                Err(fault) => fail(case, *dialect, "", fault),
            }
        }
        batches.push((*dialect, batch));
    }
    assert!(asked.len() > 100, "{} comparisons", asked.len());
    for (dialect, run) in dialects.iter().zip(&run_all(SUITE, &batches)) {
        let own = asked.iter().filter(|(_, of, ..)| of == dialect);
        match run {
            Run::Missing(reason) => announce_missing(*dialect, reason, own.count()),
            Run::Done(answers) => {
                for (case, _, comparison, places, sql) in own {
                    match places.map(|index| answers.get(index)) {
                        [Some(Ok(counts)), Some(Ok(rows))] => {
                            if let Some(fault) = check_result(case, comparison, counts, rows) {
                                fail(case, *dialect, sql, fault);
                            }
                        }
                        answers => fail(case, *dialect, sql, format!("the engine fails: {answers:?}")),
                    }
                }
            }
        }
    }
    fail_on(SUITE, &failures, asked.len());
}
