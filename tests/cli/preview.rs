//! Tests `formulac preview`.
//!
//! `FORMULAC_DUCKDB` specifies the DuckDB program (`tests/setup.sh`). If the variable is not set, the test reports that
//! it is skipped. If `FORMULAC_REQUIRE_ENGINES` is set, the test fails instead.

use std::io::Write as _;

use insta::assert_snapshot;
use serde_json::json;

use crate::run::{TestProject, finish};

const REVENUE: &str = "\
model: revenue
from: orders
group_by: region
order_by: region
definitions: |
  revenue = SUM(amount)
  share = SUM(amount) / COUNT(amount)
  first_day = MIN(day)
  last_note = MAX(note)
";
const ORDERS: &str = "\
id,region,amount,day,note
1,north,10.50,2024-01-31,\"a long note that no narrow terminal has room for\"
2,north,2.25,2024-02-29,b
3,south,,,\"NULL\"
4,,7,2024-03-01,
5,\"we\"\"st\",-1,2024-01-01,\"two
lines and an escape \u{1b}[31m\"
";

/// Returns `true` if a tool is available.
pub fn has_tool(variable: &str) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let found = set(variable);
    if !found {
        assert!(
            !set("FORMULAC_REQUIRE_ENGINES"),
            "{variable} is not set, and FORMULAC_REQUIRE_ENGINES is"
        );
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        // Bypass the test harness because it would capture the message.
        let _ = writeln!(std::io::stderr(), "SKIPPED cli::{test}: {variable} is not set");
    }
    found
}

fn create_project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project.write("data/orders.csv", ORDERS).write("revenue.yml", REVENUE);
    project
}

/// Returns settings for snapshots that hide the versions of installed programs.
fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"by DuckDB [0-9.]+", "by DuckDB [version]");
    settings.add_filter(r#""engine_version": "[0-9.]+""#, r#""engine_version": "[version]""#);
    settings
}

#[test]
fn rows_are_shown() {
    if !has_tool("FORMULAC_DUCKDB") {
        return;
    }
    let mut project = create_project("preview");
    project.write(
        "days.yml",
        "model: days\nfrom: orders\nkeep: [day, note]\norder_by: day\ndefinitions: month = MONTH(day)\n",
    );
    project.write("formulac.yml", "dialect: snowflake\n");
    project
        .show(&["preview", "revenue.yml", "--data", "data"])
        .show(&[
            "preview",
            "revenue.yml",
            "--data",
            "data",
            "--limit",
            "2",
            "--engine",
            "duckdb",
        ])
        .show(&[
            "preview",
            "revenue.yml",
            "--data",
            "data",
            "--limit",
            "2",
            "--quiet",
            "--json",
        ])
        .show_with(
            &["preview", "-", "--data", "data"],
            "model: n\nfrom: orders\ndefinitions: n = COUNT()\n",
        );
    settings().bind(|| assert_snapshot!(project.transcript()));
}

#[test]
fn a_table_fits_the_terminal() {
    if !has_tool("FORMULAC_DUCKDB") {
        return;
    }
    let project = create_project("preview_width");
    let mut shown = String::new();
    for columns in ["80", "60", "30", "5"] {
        let mut command = project.command(&["preview", "revenue.yml", "--data", "data"]);
        command.env("COLUMNS", columns);
        let run = finish(command);
        let fits = run
            .out
            .lines()
            .all(|line| line.chars().count() <= columns.parse().unwrap());
        assert!(fits || columns == "5", "{}", run.out);
        shown.push_str(&format!("COLUMNS={columns}\n{}{}", run.out, run.err));
    }
    settings().bind(|| assert_snapshot!(shown));
}

/// Types come from the data or from the schema. A schema also determines how the data files are parsed.
#[test]
fn types_come_from_the_data_or_the_schema() {
    if !has_tool("FORMULAC_DUCKDB") {
        return;
    }
    let project = TestProject::new("preview_types");
    project.write("data/t.csv", "code;n;d;ok\n007;1.10;2024-01-31;true\n010;2.20;;false\n");
    project.write("data/j.json", r#"[{"code": "x", "n": 1}, {"code": null, "n": 2}]"#);
    project.write(
        "t.yml",
        "model: m\nfrom: t\nkeep: [code, n, d, ok]\ndefinitions: next = d + 1\n",
    );
    project.write(
        "j.yml",
        "model: m\nfrom: raw.j\nkeep: [code]\norder_by: n\ndefinitions: twice = n * 2\n",
    );
    project.write(
        "schema.yml",
        "relations: {t: {columns: {code: text, n: decimal, d: date, ok: boolean, not_in_the_file: text}}}\n",
    );
    let rows = |args: &[&str]| {
        let run = project.run(&[&["preview", "--data", "data", "--json", "--quiet"], args].concat());
        assert_eq!((run.exit, run.err.as_str()), (0, ""), "{}", run.out);
        let value = run.json();
        let types = value["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["type"].clone())
            .collect::<Vec<_>>();
        (json!(types), value["rows"].clone())
    };
    let (types, values) = rows(&["t.yml"]);
    assert_eq!(types, json!(["text", "decimal", "date", "boolean", "date"]));
    assert_eq!(
        values,
        json!([
            ["007", "1.10", "2024-01-31", true, "2024-02-01"],
            ["010", "2.20", null, false, null]
        ])
    );
    let (types, values) = rows(&["t.yml", "--schema", "schema.yml"]);
    assert_eq!(types, json!(["text", "decimal", "date", "boolean", "date"]));
    assert_eq!(values[0], json!(["007", "1.100000", "2024-01-31", true, "2024-02-01"]));
    // With decimals, 0.1 + 0.2 equals 0.3. Numbers that have an exponent or too many digits for a decimal are
    // interpreted as floats.
    project.write("data/n.csv", "a,e,w\n0.1,1e2,12345678901234567.89\n0.2,2.5,\n");
    project.write(
        "n.yml",
        "model: m\nfrom: n\ndefinitions: {a: SUM(a), e: SUM(e), w: COUNT(w)}\n",
    );
    assert_eq!(
        rows(&["n.yml"]),
        (json!(["decimal", "float", "integer"]), json!([["0.3", 102.5, 1]]))
    );
    // The file for a name with dots is named after the last part of the name.
    let (types, values) = rows(&["j.yml"]);
    assert_eq!(
        (types, values),
        (json!(["text", "integer"]), json!([["x", 2], [null, 4]]))
    );
    // The file for a joined relation is also named after the last part of its name. Files for relations that the spec
    // does not read are not opened.
    project
        .write("data/u.csv", "code,name\n010,ten\n")
        .write("data/broken.csv", "a,b\n1\n")
        .write("data/other.parquet", "x");
    let join = "model: m\nfrom: t\njoins: [{to: shop.raw.u, using: code, cardinality: many}]\nkeep: [code]\norder_by: code\n\
                definitions: who = u.name\n";
    project.write("join.yml", join);
    assert_eq!(rows(&["join.yml"]).1, json!([["007", null], ["010", "ten"]]));
}

#[test]
fn fractions_in_integer_columns_are_reported() {
    if !has_tool("FORMULAC_DUCKDB") {
        return;
    }
    let project = TestProject::new("preview_fractions");
    project.write("data/whole.csv", "n\n2.0\n9007199254740993\n\n");
    project.write("data/cut.csv", "n\n2\n6.5\n");
    project.write("data/cut_json.json", r#"[{"n": 6.5}]"#);
    let columns = "{columns: {n: integer}}";
    project.write(
        "schema.yml",
        format!("relations: {{whole: {columns}, cut: {columns}, cut_json: {columns}}}\n"),
    );
    let preview = |name: &str| {
        project.write("m.yml", format!("model: m\nfrom: {name}\nkeep: [n]\n"));
        project.run(&["preview", "m.yml", "--data", "data", "--schema", "schema.yml", "--json"])
    };
    let whole = preview("whole");
    assert_eq!(
        (whole.exit, &whole.json()["rows"][1]),
        (0, &json!([9_007_199_254_740_993i64]))
    );
    for (name, file) in [("cut", "cut.csv"), ("cut_json", "cut_json.json")] {
        let run = preview(name);
        assert_eq!(run.exit, 5, "{}", run.out);
        let diagnostic = &run.json()["diagnostics"][0];
        let message = diagnostic["message"].as_str().unwrap();
        let expected = format!("the column `n` of `data/{file}` is an integer in the schema, but a row contains 6.5");
        assert!(message.ends_with(&expected), "{message}");
        assert_eq!(
            diagnostic["help"],
            "correct the value, or give the column the type decimal in the schema"
        );
    }
}

#[test]
fn statements_that_cannot_run_are_reported() {
    let mut project = create_project("preview_faults");
    if !has_tool("FORMULAC_DUCKDB") {
        return;
    }
    project.write("bad.yml", REVENUE.replace("SUM(amount)", "SUMM(amount)"));
    project.write("unknown.yml", REVENUE.replace("from: orders", "from: ordres"));
    project.write("no_file.yml", REVENUE.replace("from: orders", "from: deliveries"));
    project.write("wrong.yml", REVENUE.replace("amount", "amuont"));
    project.write(
        "schema.yml",
        "relations: {orders: {columns: {id: integer, amuont: decimal, region: text, day: date, note: text}}}\n",
    );
    project.write(
        "broken/orders.csv",
        "id,region,amount,day,note\n1,north\n2,south,1,2024-01-01,x,y,z\n",
    );
    project.write(
        "latin/orders.csv",
        b"id,region,amount,day,note\n1,\xFF\xFE,1,2024-01-01,x\n",
    );
    project.write(
        "json/orders.json",
        r#"[{"id": 1, "region": "north", "amount": 2, "day": "2024-01-01"}]"#,
    );
    project.write("text/orders.csv", ORDERS.replace("10.50", "ten"));
    project
        .write("two/orders.csv", ORDERS)
        .write("two/Orders.json", "[]")
        .write("empty/notes.txt", "");
    project.write("gone.yml", REVENUE.replace("amount", "amuont"));
    project.write(
        "gone_schema.yml",
        "relations: {orders: {columns: {amuont: unknown, region: text, day: date, note: text}}}\n",
    );
    project
        .show(&["preview", "gone.yml", "--data", "data", "--schema", "gone_schema.yml"])
        .show(&["preview", "bad.yml", "--data", "data"])
        .show(&["preview", "bad.yml", "--data", "data", "--json"])
        .show(&["preview", "unknown.yml", "--data", "data"])
        .show(&["preview", "no_file.yml", "--data", "data"])
        .show(&["preview", "wrong.yml", "--data", "data", "--output-format", "concise"])
        .show(&["preview", "wrong.yml", "--data", "data", "--schema", "schema.yml"])
        .show(&["preview", "wrong.yml", "--data", "json", "--schema", "schema.yml"])
        .show(&["preview", "revenue.yml", "--data", "broken"])
        .show(&["preview", "revenue.yml", "--data", "latin"])
        .show(&["preview", "revenue.yml", "--data", "text", "--output-format", "concise"])
        .show(&["preview", "revenue.yml", "--data", "two"])
        .show(&["preview", "revenue.yml", "--data", "empty"])
        .show(&["preview", "revenue.yml", "--data", "nowhere"])
        .show(&["preview", "nowhere.yml", "--data", "data"]);
    settings().bind(|| assert_snapshot!(project.transcript()));
}

#[test]
fn the_help_explains_how_to_install_duckdb() {
    let project = create_project("preview_missing");
    let run = |variable: &str, value: &str| {
        let mut command = project.command(&["preview", "revenue.yml", "--data", "data"]);
        command.env_remove("FORMULAC_DUCKDB").env(variable, value);
        finish(command)
    };
    let missing = run("PATH", "");
    assert_eq!((missing.exit, missing.out.as_str()), (5, ""));
    let help = "error: the program `duckdb` was not found\nhelp: install DuckDB with `pip install duckdb-cli` or `brew install duckdb`, \
                or set FORMULAC_DUCKDB to the path of the program\n";
    assert_eq!(missing.err, help);
    assert_eq!(run("FORMULAC_DUCKDB", "./no/such/duckdb").err, help);
}

/// Ctrl-C also stops the engine, so neither process continues.
#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_ends_the_engine_too() {
    use std::os::unix::process::CommandExt;
    use std::time::{Duration, Instant};
    let project = create_project("preview_interrupt");
    project.program("duckdb", "#!/bin/sh\necho $$ > pid\nexec sleep 60\n");
    let command = project.command(&["preview", "revenue.yml", "--data", "data"]);
    // Tests that run in the background ignore interrupts, as do the programs that they start.
    let mut obeying = std::process::Command::new("env");
    obeying
        .arg("--default-signal=INT")
        .arg(command.get_program())
        .args(command.get_args());
    obeying.current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => obeying.env(name, value),
            None => obeying.env_remove(name),
        };
    }
    let mut child = obeying
        .env("FORMULAC_DUCKDB", "./duckdb")
        .process_group(0)
        .spawn()
        .unwrap();
    let begin = Instant::now();
    let within = || begin.elapsed() < Duration::from_secs(30);
    let pid = loop {
        let pid = std::fs::read_to_string(project.path("pid")).unwrap_or_default();
        if pid.ends_with('\n') {
            break pid.trim().to_owned();
        }
        assert!(within(), "the engine has not started");
        std::thread::sleep(Duration::from_millis(20));
    };
    // Send the signal to the whole process group, as a terminal does.
    let group = format!("-{}", child.id());
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", "--", &group])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), None);
    // A zombie process, for which its parent has not waited yet, has also ended.
    let has_ended = || std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    let is_known = || {
        std::process::Command::new("kill")
            .args(["-0", &pid])
            .output()
            .unwrap()
            .status
            .success()
    };
    while is_known() && !has_ended() {
        assert!(within(), "the engine goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Names of files and columns are never interpreted as SQL, file patterns or commands.
#[test]
fn hostile_names_refer_only_to_themselves() {
    if !has_tool("FORMULAC_DUCKDB") {
        return;
    }
    let project = TestProject::new("preview_hostile");
    let names = [
        "a[1]",
        "b*",
        "c?",
        "--",
        "select",
        "$x",
        "o'r\"d",
        "$(touch x)",
        "x; drop table y",
        "back\\slash",
        "é\nü",
    ];
    // Create other files that the patterns would match.
    project
        .write("data/a1.csv", "k\n99\n")
        .write("data/bb.csv", "k\n99\n")
        .write("data/cc.csv", "k\n99\n");
    for (number, name) in names.iter().enumerate() {
        project.write(
            &format!("data/{name}.csv"),
            format!("k,\"q\"\"'{number}\"\n{number},1\n"),
        );
    }
    // Only the first six names can be used in a spec.
    for (number, name) in names.iter().enumerate().take(6) {
        let spec = format!("model: m\nfrom: {name:?}\nkeep: [k]\ndefinitions:\n  x: ${{q\"'{number}}} + 1\n");
        project.write("m.yml", spec);
        let run = project.run(&["preview", "m.yml", "--data", "data", "--json"]);
        assert_eq!(
            run.json()["rows"],
            json!([[number, 2]]),
            "{name}: {}{}",
            run.out,
            run.err
        );
    }
    // The other files are still listed, to find out whether the spec refers to one of these files.
    project.write("m.yml", "model: m\nfrom: nothing\nkeep: [k]\n");
    let run = project.run(&["preview", "m.yml", "--data", "data", "--output-format", "concise"]);
    assert_eq!(
        run.err,
        "m.yml:2:7: error[F0307]: the schema has no relation `nothing`; help: correct the name, or put a file with this name into the `--data` folder\n"
    );
    assert_eq!(project.files("."), ["data", "m.yml"]);
    assert_eq!(project.files("data").len(), names.len() + 3);
}
