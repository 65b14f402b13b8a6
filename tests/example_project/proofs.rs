//! Tests the dbt tests that formulac generates from specs. Each dbt test must find the invalid rows that were created
//! for it, and no other rows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use formulac::{Compiler, Dialect, Schema};
use serde_json::{Value, json};

use crate::project::{self, read, text};
use crate::tools::{answers, contents, copy, json_lines, run, scratch, tool, write};
use crate::{artifact, dbt_command, dbt_settings};

const SPECS: [&str; 4] = ["checked", "numbered", "dated", "misdated"];

fn repository_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/example_project/proofs")
}

/// Creates a dbt project with seeds and with the models of these specs.
fn create_project(name: &str) -> PathBuf {
    let place = scratch(name);
    write(
        &place.join("dbt_project.yml"),
        "name: proofs\nversion: \"1.0.0\"\nprofile: subscription_business\n",
    );
    fs::copy(project::folder().join("profiles.yml"), place.join("profiles.yml")).expect("a readable file");
    copy(&repository_root(), &place.join("metrics"));
    place
}

/// Generates the models of specs, even if there are warnings.
fn generate_models(path: &Path, specs: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_formulac"));
    command
        .arg("model")
        .args(specs.iter().map(|spec| format!("metrics/{spec}.yml")))
        .current_dir(path);
    command.args([
        "--out",
        "models/formulac",
        "--dialect",
        "duckdb",
        "--schema",
        "metrics/schema.yml",
    ]);
    run(&mut command);
}

/// Adds the tests from `dbt_utils` to the project and to its manifest.
fn with_dbt_utils(path: &Path) {
    let package = path.join("dbt_packages/dbt_utils");
    write(
        &path.join("packages.yml"),
        "packages: [{local: dbt_packages/dbt_utils}]\n",
    );
    fs::create_dir_all(package.join("macros")).expect("a folder");
    write(
        &package.join("dbt_project.yml"),
        "name: dbt_utils\nversion: \"1.0.0\"\n",
    );
    write(
        &package.join("macros/tests.sql"),
        "{% test accepted_range(model, column_name, min_value=none, max_value=none, inclusive=true) %}\n\
         select * from {{ model }} where false\n\
         {% if min_value is not none %} or not {{ column_name }} >{{ '=' if inclusive }} {{ min_value }}{% endif %}\n\
         {% if max_value is not none %} or not {{ column_name }} <{{ '=' if inclusive }} {{ max_value }}{% endif %}\n\
         {% endtest %}\n\
         {% test unique_combination_of_columns(model, combination_of_columns) %}\n\
         select 1 as one from {{ model }} group by {{ combination_of_columns | join(', ') }} having count(*) > 1\n\
         {% endtest %}\n",
    );
    let tests = ["accepted_range", "unique_combination_of_columns"];
    let macros: BTreeMap<String, Value> = tests
        .iter()
        .map(|test| (format!("macro.dbt_utils.test_{test}"), json!({})))
        .collect();
    let manifest = json!({"metadata": {"dbt_version": "1.12.6"}, "nodes": {}, "sources": {}, "macros": macros});
    fs::create_dir_all(path.join("target")).expect("a folder");
    write(&path.join("target/manifest.json"), &manifest.to_string());
}

#[test]
fn every_kind_of_file() {
    let project = create_project("proofs_files");
    generate_models(&project, &SPECS);
    with_dbt_utils(&project);
    generate_models(&project, &["ranged"]);
    let mut shown = String::new();
    for folder in ["models/formulac", "tests/formulac"] {
        for (path, bytes) in contents(&project.join(folder)) {
            let name = path.strip_prefix(&project).expect("a path below it").display();
            let _ = writeln!(shown, "==> {name}\n{}", String::from_utf8(bytes).expect("text"));
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn each_test_fails_on_invalid_data() {
    let Some(dbt) = tool("FORMULAC_DBT") else { return };
    let project = create_project("proofs");
    generate_models(&project, &SPECS);
    with_dbt_utils(&project);
    generate_models(&project, &["ranged"]);
    // A model with groups never has two rows with the same key, so invalid rows replace the rows that the model would
    // select.
    for model in ["checked", "ranged"] {
        write(
            &project.join(format!("models/formulac/{model}.sql")),
            &format!("select * from {{{{ ref('bad_{model}') }}}}\n"),
        );
    }
    write(
        &project.join("models/formulac/ranged_v1.sql"),
        "select * from {{ ref('bad_ranged') }}\n",
    );
    // The previous version lacks the columns that the examples of this version expect.
    write(
        &project.join("models/formulac/dated_v1.sql"),
        "select 1 as one, current_date as day\n",
    );
    let seeds = project.join("seeds");
    fs::create_dir_all(&seeds).expect("a folder");
    write(&seeds.join("seeds.yml"), &read(&repository_root().join("seeds.yml")));
    write(
        &seeds.join("orders.csv"),
        "day,region,status,amount\n2024-01-01,North,open,1.00\n",
    );
    write(
        &seeds.join("lines.csv"),
        "id,number,place,amount\n1,1,0,1.00\n1,2,0,1.00\n2,2,5,9.00\n,,5,1.00\n3,3,,1.00\n",
    );
    write(&seeds.join("regions.csv"), "name\nNorth\nSouth\n");
    write(
        &seeds.join("bad_checked.csv"),
        "day,region,revenue,line_count,status\n\
         2023-12-31,West,5.00,1,open\n\
         2024-01-01,North,10.00,1,open\n\
         2024-01-02,,20.00,1,paid\n\
         2024-01-03,North,30.00,1,open\n\
         2024-01-04,,40.00,1,\n\
         2024-01-04,,40.00,1,open\n\
         2024-01-05,South,-1.00,2,lost\n\
         2024-01-06,South,,10,open\n\
         2024-01-07,{{ old }},,11,paid\n",
    );
    // The rows are as before, with these differences: one cent, which is allowed; two cents; another status; a missing
    // row; and an additional row.
    write(
        &seeds.join("finance.csv"),
        "day,region,revenue,status\n\
         2023-12-31,West,500.00,open\n\
         2024-01-01,North,10.01,open\n\
         2024-01-02,,20.02,paid\n\
         2024-01-03,North,30.00,paid\n\
         2024-01-05,South,-1.00,lost\n\
         2024-01-06,South,,open\n\
         2024-01-07,{{ old }},3.00,paid\n\
         2024-01-08,South,1.00,open\n",
    );
    write(
        &seeds.join("bad_ranged.csv"),
        "day,region,revenue,line_count\n2024-01-01,North,0.00,10\n2024-01-01,North,5.00,9\n2024-01-02,,100.00,\n,South,1.00,1\n",
    );
    let mut parse = Command::new(dbt.with_file_name("python"));
    parse.arg(repository_root().with_file_name("strict_parse.py"));
    run(dbt_settings(&mut parse, &project));
    let output = dbt_command(&dbt, &project)
        .args(["--vars", "{run_date: 2024-03-01}"])
        .output()
        .expect("dbt runs");
    let log = String::from_utf8_lossy(&output.stdout);
    assert!(project.join("target/run_results.json").is_file(), "{log}");
    let results = artifact(&project, "run_results.json");
    let mut found: Vec<String> = Vec::new();
    for result in results["results"].as_array().expect("results") {
        let id = text(&result["unique_id"]);
        let Some(name) = id.strip_prefix("test.proofs.").or(id.strip_prefix("unit_test.proofs.")) else {
            continue;
        };
        let name = name
            .split_once('.')
            .filter(|(_, hash)| hash.len() == 10)
            .map_or(name, |(name, _)| name);
        found.push(format!("{name} {} {}", text(&result["status"]), result["failures"]));
    }
    found.sort();
    assert_eq!(found, EXPECTED, "{log}");
}

/// Each test with its result and the number of rows that it found, for each version.
const EXPECTED: [&str; 36] = [
    "assert_checked_few_lines warn 1",
    "assert_checked_has_one_row_per_day_and_region fail 1",
    "assert_checked_has_revenue warn 1",
    "assert_checked_known_count fail 2",
    "assert_checked_known_region fail 1",
    "assert_checked_known_status fail 1",
    "assert_checked_known_status_not_null fail 1",
    "assert_checked_matches_finance fail 6",
    "assert_checked_never_negative fail 1",
    "assert_checked_sound fail 3",
    "assert_numbered_no_large_part fail 1",
    "assert_numbered_number_once fail 1",
    "assert_numbered_number_once_not_null fail 1",
    "assert_numbered_of_a_line warn 4",
    "assert_numbered_of_a_line_not_null warn 1",
    "assert_numbered_place_once warn 1",
    "assert_ranged_few_lines fail 1",
    "assert_ranged_few_lines fail 1",
    "assert_ranged_share fail 2",
    "assert_ranged_share fail 2",
    "dated.as_it_is_v2 pass 0",
    "dbt_utils_unique_combination_of_columns_ranged_v1_day__region fail 1",
    "dbt_utils_unique_combination_of_columns_ranged_v2_day__region fail 1",
    "misdated.from_the_last_day fail 1",
    "not_null_dated_v1_day pass 0",
    "not_null_dated_v2_day pass 0",
    "not_null_misdated_region skipped null",
    "not_null_numbered_id fail 1",
    "not_null_ranged_v1_day fail 1",
    "not_null_ranged_v1_region fail 1",
    "not_null_ranged_v2_day fail 1",
    "not_null_ranged_v2_region fail 1",
    "unique_dated_v1_day pass 0",
    "unique_dated_v2_day pass 0",
    "unique_misdated_region skipped null",
    "unique_numbered_id fail 1",
];

/// Runs the tests' queries on the test engine of every warehouse, with the same rows.
#[test]
#[allow(
    clippy::too_many_lines,
    reason = "this is one list of cases, to be split when a case is added"
)]
fn every_engine_finds_the_same_rows() {
    let Some(python) = tool("FORMULAC_PYTHON") else { return };
    let spec = read(&repository_root().join("compared.yml"));
    let kinds = [
        ("number", "integer"),
        ("word", "text"),
        ("day", "date"),
        ("moment", "timestamp"),
        ("flag", "boolean"),
        ("amount", "decimal"),
        ("note", "text"),
        ("seen", "timestamp"),
    ];
    let columns: Vec<String> = kinds.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
    let columns = columns.join(", ");
    let types: Vec<Value> = kinds
        .iter()
        .map(|(name, ty)| json!({"name": name, "type": ty}))
        .collect();
    let row = |key: [Option<&str>; 5], amount: Option<&str>, note: &str, seen: Option<&str>| {
        let mut row: Vec<Option<&str>> = key.to_vec();
        row.extend([amount, Some(note), seen]);
        json!(row)
    };
    let day = Some("2024-01-01");
    let moment = Some("2024-01-01 10:00:00");
    let full = |word| [Some("1"), Some(word), day, moment, Some("true")];
    let twice = |word| [Some("2"), Some(word), None, moment, Some("true")];
    let none = [None; 5];
    let ours = [
        row(full("same"), Some("4.00"), "a", moment),
        row(none, Some("3.00"), "a", None),
        row(full("near"), Some("1.50"), "a", None),
        row(full("far"), Some("2.00"), "a", None),
        row(full("empty"), None, "a", None),
        row(full("both empty"), None, "a", None),
        row(full("ours"), Some("2.00"), "a", None),
        row([None, Some("part"), None, moment, None], Some("2.00"), "a", None),
        row(full("note"), Some("2.00"), "it's", None),
        row(full("seen"), Some("2.00"), "a", moment),
        row(full("other"), Some("2.00"), "left out", None),
        row(twice("ours twice"), Some("9.00"), "a", None),
        row(twice("ours twice"), Some("9.00"), "a", None),
        row(twice("theirs twice"), Some("9.00"), "a", None),
    ];
    let theirs = [
        row(full("same"), Some("4.00"), "a", moment),
        row(none, Some("3.00"), "a", None),
        row(full("near"), Some("2.00"), "a", None),
        row(full("far"), Some("2.51"), "a", None),
        row(full("empty"), Some("0.00"), "a", None),
        row(full("both empty"), None, "a", None),
        row([Some("0"), Some("part"), None, moment, None], Some("2.00"), "a", None),
        row(full("note"), Some("2.00"), "b", None),
        row(full("seen"), Some("2.00"), "a", None),
        row(full("theirs"), Some("2.00"), "a", None),
        row(full("other"), Some("9.00"), "left out", None),
        row(twice("ours twice"), Some("9.00"), "a", None),
        row(twice("theirs twice"), Some("9.00"), "a", None),
        row(twice("theirs twice"), Some("9.00"), "a", None),
    ];
    let table = |name: &str, rows: &[Value]| json!({"name": format!("{name}_data"), "columns": types, "rows": rows});
    let tables = json!({"tables": [table("compared", &ours), table("theirs", &theirs)]});
    let project = scratch("proofs_engines");
    write(&project.join("tables.json"), &tables.to_string());
    let mut answered = BTreeMap::new();
    for dialect in Dialect::verified() {
        let schema = format!("relations: {{ours: {{columns: {{{columns}}}}}, theirs: {{columns: {{{columns}}}}}}}");
        let (schema, faults) = Schema::from_text(&schema, dialect);
        assert_eq!(faults, []);
        let compiled = Compiler::builder()
            .dialect(dialect)
            .schema(schema)
            .build()
            .compile_spec(&spec);
        assert_eq!(compiled.diagnostics(), []);
        let queries: Vec<Value> = compiled
            .model_tests()
            .iter()
            .map(|test| json!({"id": test.name(), "sql": as_dbt_renders_it(test.sql())}))
            .collect();
        assert_eq!(queries.len(), 3);
        let batch = project.join(format!("{dialect}.jsonl"));
        write(&batch, &json_lines(&queries));
        let mut oracle = Command::new(&python);
        oracle.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/oracle.py"));
        oracle
            .args(["--engine", dialect.name(), "--table"])
            .arg(project.join("tables.json"))
            .arg("--batch")
            .arg(&batch);
        for (id, answer) in answers(&run(&mut oracle).stdout) {
            let rows = answer["rows"]
                .as_array()
                .unwrap_or_else(|| panic!("{dialect} {id}: {answer}\n{queries:#?}"));
            let mut words: Vec<String> = rows
                .iter()
                .map(|row| row[1].as_str().unwrap_or("none").to_owned())
                .collect();
            words.sort();
            answered.insert(format!("{id} {dialect}"), words.join(", "));
        }
    }
    assert_eq!(answered.len(), 12);
    let [differ, breaks] = [
        "empty, far, note, ours, ours twice, ours twice, part, part, seen, theirs, theirs twice, theirs twice",
        "both empty, empty, none, part",
    ];
    for (test, words) in answered {
        let expected = match test.split_once(' ').map(|(test, _)| test) {
            Some("assert_compared_matches_theirs") => differ,
            Some("assert_compared_sound") => breaks,
            _ => "both empty, empty, far, near, note, other, ours, same, seen",
        };
        assert_eq!(words, expected, "{test}");
    }
}

/// Returns the query without its header. The tables are renamed, because a CTE of the test has the name of the relation
/// that it reads.
fn as_dbt_renders_it(sql: &str) -> String {
    let (_, sql) = sql.split_once("#}\n").expect("a header");
    let mut parts = sql.split("{{ ref('");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("') }}").expect("a ref");
        let _ = write!(out, "{name}_data{rest}");
    }
    out
}
