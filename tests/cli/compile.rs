//! Tests `formulac compile`.

use insta::assert_snapshot;
use serde_json::json;

use crate::run::TestProject;

const SCHEMA: &str = "
relations:
  orders:
    columns:
      id: integer
      amount: {type: decimal, nullable: false}
      status: text
      ordered_on: date
    primary_key: [id]
  customers:
    columns: {id: integer, name: text}
";

#[test]
fn formulas_and_definitions() {
    let mut project = TestProject::new("formulas");
    project
        .show(&["compile", "SUM(amount)"])
        .show(&["compile", "-x"])
        .show(&["compile", "-SUM(a)"])
        .show(&["compile", "--(a > 1)", "--context", "row"])
        .show(&["compile", "--x"])
        .show(&["compile", "--", "-h"])
        .show(&["compile", "-5%"])
        .show(&["compile", "--dialect", "duckdb", "-x", "--context", "row"])
        .show(&["compile", "=status = \"open\"", "--context", "row"])
        .show(&[
            "compile",
            "total = SUM(amount)\nOrder = total * 2\n/// many\nn = COUNT(id)",
        ])
        .show(&[
            "compile",
            "total = SUM(amount)\nOrder = total * 2",
            "--dialect",
            "bigquery",
        ])
        .show_with(&["compile", "-"], "n = COUNT(id)\n");
    assert_snapshot!(project.transcript());
}

#[test]
fn valid_definitions_are_printed_despite_errors() {
    let mut project = TestProject::new("good_beside_bad");
    project
        .show(&["compile", "a = SUM(x)\nb = SUMM(x)\nc = COUNT(y = 1)"])
        .show(&["compile", "a = SUM(x)\nb = SUMM(x)\nc = COUNT(y = 1)", "--quiet"])
        .show(&["compile", "COUNT(y = 1)"])
        .show(&["compile", "COUNT(y = 1)", "--quiet"])
        .show(&["compile", ""])
        .show(&["compile", "// nothing"]);
    assert_snapshot!(project.transcript());
}

#[test]
fn every_option() {
    let mut project = TestProject::new("compile_options");
    project
        .write("schema.yml", SCHEMA)
        .write("f.fx", "total = SUM(amount)\n");
    project
        .show(&["compile", "--file", "f.fx"])
        .show(&["compile", "SUM(amount)", "--schema", "schema.yml"])
        .show(&["compile", "COUNT(id)", "--schema", "schema.yml"])
        .show(&["compile", "COUNT(id)", "--schema", "schema.yml", "--from", "orders"])
        .show(&["compile", "COUNT(id)", "--schema", "schema.yml", "--from", "ordres"])
        .show(&["compile", "amount * 2", "--context", "row"])
        .show(&["compile", "SUM(amount)", "--context", "row"])
        .show(&["compile", "status & SUM(amount)", "--group-by", "status"])
        .show(&[
            "compile",
            "status & region & SUM(amount)",
            "--group-by",
            "status, region",
        ])
        .show(&[
            "compile",
            "status & region & SUM(amount)",
            "--group-by",
            "status",
            "--group-by",
            "region",
        ])
        .show(&[
            "compile",
            "OFFSET(SUM(amount), -1)",
            "--group-by",
            "month",
            "--order-by",
            "month desc",
        ])
        .show(&[
            "compile",
            "OFFSET(SUM(amount), -1)",
            "--group-by",
            "status,month",
            "--order-by",
            "month",
        ])
        .show(&[
            "compile",
            "SUM(FIRST(amount):amount)",
            "--order-by",
            "month",
            "--context",
            "row",
        ])
        .show(&["compile", "amount / SUM(amount:amount)", "--context", "row"])
        .show(&["compile", "RANK(amount)", "--context", "row", "--dialect", "bigquery"])
        .show(&[
            "compile",
            "OFFSET(SUM(amount), -1)",
            "--group-by",
            "month,region",
            "--order-by=month",
            "--partition-by",
            "region",
        ])
        .show(&["compile", "a + b", "--context", "row", "--blanks", "zero"])
        .show(&[
            "compile",
            "YEAR(NOW())",
            "--context",
            "row",
            "--timezone",
            "Europe/Berlin",
        ])
        .show(&["compile", "a + b", "--columns", "a,b"]);
    assert_snapshot!(project.transcript());
}

#[test]
fn every_dialect() {
    let mut project = TestProject::new("dialects");
    for dialect in ["bigquery", "snowflake", "postgres", "duckdb"] {
        project.show(&["compile", "a / b", "--context", "row", "--dialect", dialect]);
    }
    project.show(&["compile", "MEDIAN(x)", "--dialect", "bigquery"]);
    assert_snapshot!(project.transcript());
}

/// Every key in the JSON output matches the specification.
#[test]
fn json_matches_the_documented_format() {
    let project = TestProject::new("compile_json");
    project.write("schema.yml", SCHEMA);
    let run = project.run(&["compile", "rate = COUNT(x) / 2\nbad = SUMM(x)", "--json"]);
    assert_eq!((run.exit, run.err.as_str()), (1, ""));
    assert_eq!(
        run.json(),
        json!({
            "version": 1,
            "dialect": "postgres",
            "definitions": [{
                "name": "rate", "sql": "cast(count(x) as double precision) / 2", "type": "float", "level": "aggregate",
                "nullable": false, "columns": ["x"], "assumed": {"x": "unknown"},
            }],
            "diagnostics": [{
                "code": "F0301", "name": "unknown-function", "severity": "error",
                "message": "unknown function `SUMM`", "help": "did you mean `SUM`?",
                "span": {"start": 26, "end": 30, "line": 2, "column": 7},
            }],
        })
    );
    let run = project.run(&[
        "compile",
        "SUM(amount)",
        "--schema",
        "schema.yml",
        "--from",
        "orders",
        "--json",
    ]);
    assert_eq!(
        run.json(),
        json!({
            "version": 1,
            "dialect": "postgres",
            "definitions": [{
                "name": null, "sql": "coalesce(sum(amount), 0)", "type": "decimal", "level": "aggregate",
                "nullable": false, "columns": ["orders.amount"], "assumed": {},
            }],
            "diagnostics": [],
        })
    );
    assert_eq!((run.exit, run.err.as_str()), (0, ""));
}

#[test]
fn json_counts_columns_in_characters_and_spans_in_bytes() {
    let project = TestProject::new("json_spans");
    let value = project.run(&["compile", "a = 1\nb = \"é\" & SUMM(x)", "--json"]).json();
    assert_eq!(
        value["diagnostics"][0]["span"],
        json!({"start": 17, "end": 21, "line": 2, "column": 11})
    );
}

/// An error in the schema is reported in the same JSON object, with the schema's file.
#[test]
fn json_contains_errors_in_the_schema() {
    let project = TestProject::new("json_schema_fault");
    project.write("s.yml", "relations: {o: {columns: {x: nubmer}}}");
    let run = project.run(&["compile", "SUM(x)", "--schema", "s.yml", "--json"]);
    assert_eq!((run.exit, run.err.as_str()), (1, ""));
    let value = run.json();
    assert_eq!(value["definitions"], json!([]));
    assert_eq!(value["diagnostics"][0]["file"], "s.yml");
    assert_eq!(value["diagnostics"][0]["code"], "F0821");
}

/// In a worksheet, an unqualified name refers to a single cell, so an aggregate of the name differs from an aggregate
/// over a group.
#[test]
fn an_aggregate_of_a_cell_is_reported() {
    let project = TestProject::new("worksheet");
    for (formula, exit, code) in [
        ("SUM(amount)", 0, Some("W0451")),
        ("COUNT(amount)", 0, Some("W0451")),
        ("SUM(amount, price)", 0, None),
        ("SUMIF(a > 1, amount)", 1, Some("F0420")),
        ("AVERAGE(DISTINCT(amount))", 1, Some("F0311")),
    ] {
        let run = project.run(&["compile", formula, "--context", "worksheet", "--json"]);
        assert_eq!(
            (run.exit, run.json()["diagnostics"][0]["code"].as_str()),
            (exit, code),
            "{formula}"
        );
    }
    let sheet = [
        "--context",
        "worksheet",
        "--columns",
        "month,revenue",
        "--order-by",
        "month",
        "--dialect",
        "duckdb",
    ];
    let compile = |formula: &str| project.run(&[&["compile", formula][..], &sheet].concat()).out;
    assert_eq!(compile("=B1 - B0"), "revenue - lag(revenue, 1) over (order by month)\n");
    assert_eq!(compile("=B1 / SUM(B:B)"), "revenue / nullif(sum(revenue) over (), 0)\n");
    assert_eq!(
        project.run(&["compile", "amount * 2", "--context", "worksheet"]).out,
        "amount * 2\n"
    );
}

/// An error outside the definitions applies to every definition.
#[test]
fn an_error_outside_the_definitions_fails_all_definitions() {
    let project = TestProject::new("wrong_with_all");
    project.write("schema.yml", SCHEMA);
    for args in [
        &["compile", "/* all */ SUM(amount)"][..],
        &["compile", "SUM(amount) /* all */"],
        &[
            "compile",
            "a = COUNT(id)\nb = COUNT(id)",
            "--schema",
            "schema.yml",
            "--from",
            "ordres",
        ],
    ] {
        let run = project.run(args);
        assert_eq!((run.exit, run.out.as_str()), (1, ""), "{args:?}");
    }
}

#[test]
fn assumed_columns_of_one_name_are_both_listed() {
    let project = TestProject::new("assumed_twice");
    let value = project
        .run(&["compile", "SUM(a.x) / COUNT(DISTINCT(b.x))", "--json"])
        .json();
    assert_eq!(value["definitions"][0]["columns"], json!(["a.x", "b.x"]));
    assert_eq!(
        value["definitions"][0]["assumed"],
        json!({"x": "decimal", "b.x": "unknown"})
    );
}

/// `--from` accepts the same values as `from` in a spec.
#[test]
fn the_relation_may_be_a_ref_or_a_source() {
    let project = TestProject::new("compile/from");
    project.write("schema.yml", "relations:\n  orders: {columns: {amount: integer}}\n");
    for from in [
        "orders",
        "ref('orders')",
        "ref('shop', 'orders')",
        "source('raw', \"orders\")",
    ] {
        let run = project.run(&["compile", "SUM(amount)", "--schema", "schema.yml", "--from", from]);
        let outcome = (run.exit, run.out.trim(), run.err.as_str());
        assert_eq!(outcome, (0, "coalesce(sum(amount), 0)", ""), "{from}");
    }
}

/// If a column has the name of its relation, BigQuery interprets the unqualified name as the whole row, so the SQL
/// qualifies the column.
#[test]
fn a_column_named_as_its_relation() {
    let project = TestProject::new("named_as_relation");
    project.write(
        "schema.yml",
        "relations:\n  orders: {columns: {orders: integer, id: integer}}\n",
    );
    let sql = |dialect: &str| {
        let args = [
            "compile",
            "--schema",
            "schema.yml",
            "--from",
            "orders",
            "--dialect",
            dialect,
            "SUM(orders - id)",
        ];
        project.run(&args).out.trim().to_owned()
    };
    assert_eq!(sql("bigquery"), "coalesce(sum(orders.orders - id), 0)");
    assert_eq!(sql("duckdb"), "coalesce(sum(orders - id), 0)");
}

#[test]
fn the_schema_may_be_standard_input() {
    let project = TestProject::new("compile/schema_from_stdin");
    let schema = "relations:\n  orders:\n    columns: {tip: decimal}\n";
    let args = ["compile", "tip / 2", "--schema", "-", "--context", "row"];
    let run = project.run_with(&args, schema);
    assert_eq!((run.out.trim(), run.err.as_str()), ("tip / 2", ""));
    let run = project.run_with(&["compile", "tip / 2", "--schema", "-"], "nothing");
    assert!(run.err.contains("<stdin>"), "{}", run.err);
}

#[test]
fn not_of_a_name_is_the_opposite_condition() {
    let project = TestProject::new("compile/not");
    let definitions = "large = amount > 3\nsmall = NOT(large)\nempty = ISBLANK(amount)\nknown = NOT(empty)\nagain = NOT(known)\n\
                       late = day[month] > \"2024-01-01\"\nearly = NOT(late)\nrest = NOT(AND(large, late))\n";
    let run = project.run_with(
        &["compile", "-", "--context", "row", "--dialect", "duckdb"],
        definitions,
    );
    let month = "cast(date_trunc('month', day) as date)";
    let wanted = [
        "amount > 3 as large",
        "amount <= 3 as small",
        "amount is null as empty",
        "amount is not null as known",
        "amount is null as again",
        &format!("{month} > date '2024-01-01' as late"),
        // DuckDB 1.4 returns wrong rows for `<=` and for `not … >`.
        &format!("{month} < date '2024-01-02' as early"),
        &format!("not (amount > 3 and {month} > date '2024-01-01') as rest"),
    ];
    assert_eq!(run.out.lines().collect::<Vec<&str>>(), wanted, "{}", run.err);
    // The SQL keeps the notation of the rule unless the engine returns wrong rows for that notation.
    let rules = "rules:\n  - large: amount > 3\n  - late: day[month] > \"2024-01-01\"\n";
    let spec = format!("model: m\nfrom: t\nkeep: [amount, day]\ndefinitions: x = amount * 2\n{rules}");
    project.write("m.yml", &spec);
    let run = project.run(&["model", "m.yml", "--dialect", "duckdb"]);
    let wanted = [
        "where not (amount > 3)",
        "where cast(date_trunc('month', day) as date) < date '2024-01-02'",
    ];
    let filters: Vec<&str> = run.out.lines().filter(|line| line.starts_with("where")).collect();
    assert_eq!(filters, wanted, "{}", run.err);
}

/// One note names the columns whose unknown types affect the SQL.
#[test]
fn unknown_types_that_affect_the_sql_are_named() {
    let project = TestProject::new("compile_unknown_types");
    for formula in ["SUM(x)", "x[month]"] {
        let run = project.run(&["compile", formula, "--no-project"]);
        assert_eq!(run.err, "", "{formula}");
    }
    project.write("formulac.yml", "timezone: Europe/Berlin\n");
    let run = project.run(&["compile", "x[month]"]);
    assert!(run.err.contains("unknown types: `x`"), "{}", run.err);
}

/// The note also names columns of other tabs, whose types are inferred from all uses like the types of other columns.
#[test]
fn unknown_types_of_tab_columns_are_named() {
    let project = TestProject::new("compile_unknown_types_of_tabs");
    let found = "XLOOKUP(B1, 'K'!A:A, 'K'!B:B)";
    let query = |calculations: &str| {
        let tabs = "tabs: {K: {model: customers, columns: [id, credit], order_by: id}}";
        let sheet = format!("model: m\nfrom: orders\ncolumns: [id, qty]\norder_by: id\n{tabs}\ncalculations: |\n");
        project.write("m.yml", &(sheet + calculations));
        project.run(&["query", "m.yml", "--no-project", "--dialect", "duckdb"])
    };
    let run = query(&format!("  u = {found} & \"x\"\n  v = {found} + 1\n"));
    let note = "the SQL depends on unknown types: `customers.credit` (assumed to be a number)";
    assert!(run.err.contains(note), "{}", run.err);
    let run = query(&format!("  u = UPPER({found})\n  v = {found} * 2\n"));
    let error = format!("`{found}` is used as a number here, but was used as text");
    assert!(run.err.contains(&error), "{}", run.err);
}

/// Without types, the arguments of `SUMIF(flag, value)` are a condition and a value. If another use of the first column
/// shows that it is a number, the second argument is a criterion for that column.
#[test]
fn a_flag_without_a_type_is_a_condition() {
    let project = TestProject::new("flag_without_type");
    for (formulas, sql) in [
        ("a = SUMIF(flag, x)", "coalesce(sum(case when flag then x end), 0)"),
        ("a = AVERAGEIF(flag, x * 2)", "avg(case when flag then x * 2 end)"),
        ("a = SUMIF(n, \">5\")", "coalesce(sum(case when n > 5 then n end), 0)"),
        (
            "a = SUMIF(n, x)\nb = SUM(n)",
            "coalesce(sum(case when n = x then n end), 0)",
        ),
    ] {
        project.write("formulas.txt", formulas);
        let run = project.run(&["compile", "--file", "formulas.txt", "--dialect", "duckdb"]);
        assert!(run.out.starts_with(sql), "{formulas}: {}{}", run.out, run.err);
    }
}
