//! Tests the specs that `promote` creates from Omni's files. Their rows must equal the rows of Omni's own SQL.
//!
//! A case is a text file with three parts: Omni's files, each after `==> path`; a call of `promote`, after `==>
//! promote`; and the handwritten SQL that Omni would run, after `==> sql`. Both queries run on DuckDB.
//! `FORMULAC_DUCKDB` is the path of the program. If it is not set, a test reports that it is skipped. If
//! `FORMULAC_REQUIRE_ENGINES` is set, the test fails instead.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use formulac::promote::{Promotion, PromotionRequest, promote};
use formulac::{Builder, Compiler, Schema};

mod operators;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promote")
}

fn compiler() -> Compiler {
    compiler_for("duckdb").build()
}

fn compiler_for(dialect: &str) -> Builder {
    let dialect = dialect.parse().unwrap();
    let (schema, faults) = Schema::from_text(&fs::read_to_string(folder().join("schema.yml")).unwrap(), dialect);
    assert_eq!(faults, []);
    Compiler::builder().dialect(dialect).schema(schema)
}

/// A case: its files, the arguments of the call, and the SQL.
struct Case {
    files: Vec<(String, String)>,
    request: PromotionRequest<'static>,
    sql: Option<String>,
}

impl Case {
    fn read(text: &str) -> Self {
        let mut case = Self {
            files: Vec::new(),
            request: PromotionRequest::default(),
            sql: None,
        };
        for part in text.split("==> ").skip(1) {
            let (title, body) = part.split_once('\n').unwrap();
            match title.split_once(' ').map_or((title, ""), |(first, rest)| (first, rest)) {
                ("promote", call) => {
                    let (call, drop_access) = match call.strip_suffix(" --drop-access") {
                        Some(call) => (call, true),
                        None => (call, false),
                    };
                    let (file, rest) = call
                        .split_once(" --grain ")
                        .map_or((call, ""), |(file, grain)| (file, grain));
                    let (file, fields) = file.split_once(':').map_or((file, ""), |(file, fields)| (file, fields));
                    let list = |text: &str| {
                        text.split(',')
                            .filter(|name| !name.is_empty())
                            .map(|name| name.trim().to_owned())
                            .collect()
                    };
                    case.request = PromotionRequest::from_file(file.trim());
                    case.request.fields = list(fields);
                    case.request.grain = list(rest);
                    case.request.drop_access = drop_access;
                }
                ("sql", _) => case.sql = Some(body.trim().to_owned()),
                (path, _) => case.files.push((path.to_owned(), body.to_owned())),
            }
        }
        case
    }
}

fn format_promotion(promotion: &Promotion) -> String {
    let mut out = promotion.spec.clone();
    let mut line = |title: &str, text: &str| {
        let _ = write!(out, "\n-- {title}: {text}");
    };
    promotion.notes.iter().for_each(|note| line("note", note));
    for gap in &promotion.gaps {
        let how = if gap.is_carried { "to check" } else { "not converted" };
        line(how, &format!("{}:{} {}: {}", gap.file, gap.line, gap.what, gap.reason));
    }
    for diagnostic in &promotion.diagnostics {
        line(diagnostic.code(), diagnostic.message());
    }
    out
}

/// Returns the rows of a query as sorted lists of values. `None` if there is no engine.
pub fn rows(sql: &str, columns: &[String]) -> Option<Vec<Vec<String>>> {
    let Some(program) = std::env::var_os("FORMULAC_DUCKDB").filter(|path| !path.is_empty()) else {
        assert!(
            std::env::var_os("FORMULAC_REQUIRE_ENGINES").is_none(),
            "FORMULAC_DUCKDB is not set"
        );
        let _ = writeln!(std::io::stderr(), "SKIPPED promote: FORMULAC_DUCKDB is not set");
        return None;
    };
    let data = fs::read_to_string(folder().join("data.sql")).unwrap();
    let columns: Vec<String> = columns.iter().map(|name| format!("\"{name}\"")).collect();
    let text = format!(
        ".mode csv\n.nullvalue NULL\n{data}\nselect {} from (\n{sql}\n);\n",
        columns.join(", ")
    );
    let mut child = Command::new(program)
        .args([":memory:", "-bail"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}\n{sql}");
    let out = String::from_utf8(output.stdout).unwrap();
    let value = |value: &str| match value.parse::<f64>() {
        // Decimals and floats are printed in different formats.
        Ok(number) => format!("{:.9}", number + 0.0),
        Err(_) => value.to_owned(),
    };
    let mut rows: Vec<Vec<String>> = out
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(value).collect())
        .collect();
    rows.sort();
    Some(rows)
}

#[test]
fn specs_and_their_rows() {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder().join("cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 12);
    let compiler = compiler();
    let mut compared = 0;
    let mut differ = Vec::new();
    for path in paths {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let case = Case::read(&fs::read_to_string(&path).unwrap());
        let promotion =
            promote(&case.files, &case.request, &compiler).unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
        insta::assert_snapshot!(name.clone(), format_promotion(&promotion));
        if promotion.diagnostics.iter().any(formulac::Diagnostic::is_error) {
            differ.push(format!("{name} has errors"));
            continue;
        }
        let Some(sql) = case.sql else { continue };
        let compiled = compiler.compile_spec(&promotion.spec);
        let columns: Vec<String> = compiled
            .columns()
            .iter()
            .map(|column| column.name().to_owned())
            .collect();
        let Some(made) = rows(compiled.query().unwrap(), &columns) else {
            return;
        };
        let expected = rows(&sql, &columns).unwrap();
        assert!(!made.is_empty(), "{name}: no rows compare nothing");
        if made != expected {
            let query = compiled.query().unwrap();
            differ.push(format!(
                "{name}: {}\nspec {made:?}\nomni {expected:?}\n{query}",
                columns.join(", ")
            ));
        }
        compared += 1;
    }
    assert!(differ.is_empty(), "{}", differ.join("\n\n"));
    assert!(compared >= 12, "{compared}");
}

/// Promotes a dimension with this SQL. `model` is the text of the model file.
fn promotion_of_sql(compiler: &Compiler, model: &str, sql: &str) -> Promotion {
    let view = "table_name: events\ndimensions:\n  at: {}\n  day: {}\n  text: {}\n  n: {}\n  x:\n    sql: |-\n      ";
    let file = |path: &str, text: String| (path.to_owned(), text);
    let files = [
        file("events.view.yaml", format!("{view}{sql}\n")),
        file("model.yaml", model.to_owned()),
    ];
    let mut request = PromotionRequest::from_file("events.view.yaml");
    request.fields = vec!["x".to_owned()];
    promote(&files, &request, compiler).unwrap()
}

/// Returns the formula of a dimension with this SQL, or the reason why it is a gap.
fn promoted_sql_in(compiler: &Compiler, model: &str, sql: &str) -> String {
    let promotion = promotion_of_sql(compiler, model, sql);
    match promotion.carried.first() {
        Some(field) => field.formula.clone(),
        None => format!("gap: {}", promotion.gaps.first().unwrap().reason),
    }
}

fn promoted_sql(compiler: &Compiler, sql: &str) -> String {
    promoted_sql_in(compiler, "", sql)
}

#[test]
fn sql_that_formulac_writes_becomes_its_formula() {
    for (dialect, sql, formula) in [
        ("bigquery", "DATE_DIFF(CURRENT_DATE(), ${day}, DAY)", "TODAY() - day"),
        ("bigquery", "DATE_ADD(${day}, INTERVAL 30 DAY)", "day + 30"),
        ("bigquery", "EXTRACT(DAYOFWEEK FROM ${day})", "WEEKDAY(day)"),
        ("bigquery", "DATE_TRUNC(day, ISOWEEK)", "day[week]"),
        ("bigquery", "DIV(${n}, 2)", "QUOTIENT(n, 2)"),
        (
            "bigquery",
            "REGEXP_CONTAINS(${text}, r'@gmail[.]com$')",
            "REGEXMATCH(text, \"@gmail[.]com$\")",
        ),
        ("snowflake", "LAST_DAY(${day})", "EOMONTH(day, 0)"),
        ("snowflake", "WEEKISO(${day})", "ISOWEEKNUM(day)"),
        (
            "postgres",
            "CASE WHEN trunc(${n} / 2.0) > 3 THEN 'many' END",
            "IF(ROUNDDOWN(n / 2.0) > 3, \"many\")",
        ),
        (
            "duckdb",
            "SUBSTR(${text}, -3)",
            "gap: warehouses count a negative start in different ways; `RIGHT` returns the last characters",
        ),
    ] {
        assert_eq!(
            promoted_sql(&compiler_for(dialect).build(), sql),
            formula,
            "{dialect}: {sql}"
        );
    }
}

/// Omni does not convert points in time in raw SQL, but a formula would convert them to the project's time zone.
#[test]
fn sql_over_points_in_time_is_not_converted_to_the_time_zone() {
    let converts = "gap: the formula would convert the point in time to the time zone of the project";
    for (sql, in_berlin, without_zone) in [
        ("CAST(${at} AS DATE)", converts, "at[date]"),
        ("EXTRACT(hour FROM ${at})", converts, "HOUR(at)"),
        ("${at} < '2024-02-01'", converts, "at < \"2024-02-01\""),
        ("COALESCE(${at}, ${at})", "COALESCE(at, at)", "COALESCE(at, at)"),
        (
            "CAST(timezone('Europe/Berlin', ${at}) AS DATE)",
            "at[day]",
            "gap: no formula expresses `timezone('Europe/Berlin', ${at})`",
        ),
    ] {
        assert_eq!(
            promoted_sql(&compiler_for("duckdb").timezone("Europe/Berlin").build(), sql),
            in_berlin,
            "{sql}"
        );
        assert_eq!(
            promoted_sql(&compiler_for("duckdb").build(), sql),
            without_zone,
            "{sql}"
        );
    }
}

/// Two views may have measures with the same name, such as `count`.
#[test]
fn models_of_measures_with_the_same_name_have_different_names() {
    let view = |table: &str| {
        let text = format!(
            "table_name: {table}\ndimensions:\n  region:\nmeasures:\n  count: {{aggregate_type: count}}\n  own_{table}: {{aggregate_type: count}}\n"
        );
        (format!("{table}.view.yaml"), text)
    };
    let files = ["orders", "customers"].map(view);
    let name = |table: &str, field: &str, grain: &[&str]| {
        let mut request = PromotionRequest::from_file(&format!("{table}.view.yaml"));
        request.fields = vec![field.to_owned()];
        request.grain = grain.iter().map(|name| (*name).to_owned()).collect();
        promote(&files, &request, &Compiler::default()).unwrap().name
    };
    assert_eq!(name("orders", "count", &[]), "orders_count_in_total");
    assert_eq!(name("customers", "count", &[]), "customers_count_in_total");
    assert_eq!(name("orders", "count", &["region"]), "orders_count_by_region");
    assert_eq!(name("orders", "own_orders", &[]), "own_orders_in_total");
}

/// The setting of the Omni model applies to Omni's timeframes, but not to raw SQL.
#[test]
fn weeks_of_raw_sql_start_on_monday() {
    let compiler = compiler_for("duckdb").build();
    let formula = |model: &str, sql: &str| promoted_sql_in(&compiler, model, sql);
    for (model, sql, expected) in [
        (
            "week_start_day: Sunday\n",
            "EXTRACT(isodow FROM ${day})",
            "WEEKDAY(day, 2)",
        ),
        (
            "week_start_day: Sunday\n",
            "EXTRACT(dow FROM ${day})",
            "WEEKDAY(day) - 1",
        ),
        ("week_start_day: Sunday\n", "${day[week]}", "day[week]"),
        ("week_start_day: Monday\n", "DATE_TRUNC('week', ${day})", "day[week]"),
        (
            "week_start_day: Sunday\n",
            "DATE_TRUNC('week', ${day})",
            "gap: the weeks of the SQL start on Monday, but `week_start_day` is sunday, and no formula expresses both",
        ),
    ] {
        assert_eq!(formula(model, sql), expected, "{model}{sql}");
    }
}

/// Omni adds the number of months in its setting to a date. The number in the spec's setting counts from January.
#[test]
fn fiscal_years_start_in_the_same_month_as_in_omni() {
    let compiler = compiler_for("duckdb").build();
    for (months, key, year) in [
        ("11", "\nfiscal_month_offset: 1\n", "day[fiscal_year] + 1"),
        ("10", "\nfiscal_month_offset: 2\n", "day[fiscal_year] + 1"),
        ("-1", "\nfiscal_month_offset: 1\n", "day[fiscal_year]"),
        ("-13", "\nfiscal_month_offset: 1\n", "day[fiscal_year] - 1"),
        ("0", "\nfiscal_month_offset: 0\n", "day[fiscal_year]"),
    ] {
        let model = format!("fiscal_month_offset: {months}\n");
        let promotion = promotion_of_sql(&compiler, &model, "${day[fiscal_year]}");
        assert!(promotion.spec.contains(key), "{months}: {}", promotion.spec);
        assert_eq!(promotion.carried[0].formula, year, "{months}");
    }
    let day = |months: &str| {
        promoted_sql_in(
            &compiler,
            &format!("fiscal_month_offset: {months}\n"),
            "${day[day_of_quarter]}",
        )
    };
    assert_eq!(day("-3"), "day[day_of_quarter]");
    assert!(
        day("-1").starts_with("gap: `[day_of_quarter]` counts the days of the fiscal quarter"),
        "{}",
        day("-1")
    );
    let of_user = promotion_of_sql(
        &compiler,
        "fiscal_month_offset: \"{{ omni_attributes.offset }}\"\n",
        "${day[fiscal_year]}",
    );
    assert!(of_user.gaps.iter().any(|gap| {
        gap.reason
            .starts_with("`fiscal_month_offset` has no fixed value that a spec can contain")
    }));
}

/// The filters of groups count the days of the fiscal quarter, too.
#[test]
fn groups_use_the_calendar_of_the_omni_model() {
    let compiler = compiler_for("duckdb").build();
    let groups = "${day}\n    groups: [{name: first, filter: {day_of_quarter: 1}}]\n    else: later";
    let formula = |months: &str| promoted_sql_in(&compiler, &format!("fiscal_month_offset: {months}\n"), groups);
    assert_eq!(
        formula("-3"),
        "IFS(day[day_of_quarter] = 1, \"first\", TRUE, \"later\")"
    );
    assert!(
        formula("-1").contains("`[day_of_quarter]` counts the days of the fiscal quarter"),
        "{}",
        formula("-1")
    );
}

/// Promotes a saved query that reads the view `events`. `model` is the rest of the model file.
fn promotion_of_query(model: &str, keys: &str) -> Promotion {
    let view = "table_name: events\ndimensions:\n  day: {}\n  n: {}\n  account: {}\nmeasures:\n  \
                total: {sql: '${n}', aggregate_type: sum}\n  last_day: {sql: '${day}', aggregate_type: max}\n";
    let query = format!("{model}sample_queries:\n  q:\n    query:\n      base_view: events\n{keys}");
    let files = [
        ("events.view.yaml".to_owned(), view.to_owned()),
        ("model.yaml".to_owned(), query),
    ];
    let compiler = compiler_for("duckdb").build();
    promote(&files, &PromotionRequest::from_file("model.yaml"), &compiler).unwrap()
}

/// Returns the items that need attention, each with its reason.
fn gaps(promotion: &Promotion) -> Vec<String> {
    let gaps = promotion.gaps.iter();
    gaps.map(|gap| format!("{}: {}", gap.what, gap.reason)).collect()
}

#[test]
fn limits_are_numbers_of_rows() {
    let sorted = "      fields: [events.day, events.total]\n      sorts: [{field: events.total, desc: true}]\n";
    let with_limit = |limit: &str| promotion_of_query("", &format!("{sorted}      limit: {limit}\n"));
    assert!(with_limit("10").spec.contains("\nlimit: 10\n"));
    assert_eq!(gaps(&with_limit("ten")), ["limit: the limit is not a number of rows"]);
    let unsorted = "      fields: [events.day, events.total]\n      limit: null\n";
    for without_limit in [with_limit("null"), promotion_of_query("", unsorted)] {
        assert_eq!(gaps(&without_limit), [""; 0]);
        assert!(!without_limit.spec.contains("limit"), "{}", without_limit.spec);
    }
    let of_view = format!("query:\n      base_view: events\n{unsorted}");
    let events = "table_name: events\nmeasures:\n  total: {sql: '${n}', aggregate_type: sum}\n";
    let files = [("days.query.view.yaml", of_view.as_str()), ("events.view.yaml", events)];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let promotion = promote(
        &files,
        &PromotionRequest::from_file("days.query.view.yaml"),
        &Compiler::default(),
    )
    .unwrap();
    assert_eq!(promotion.notes, [""; 0]);
}

/// Doubts are reported for each calculation separately, even if two calculations are on the same line. `WEEKDAY` may
/// differ from Omni's function with one argument, but not with two arguments.
#[test]
fn doubts_belong_to_one_calculation() {
    let keys = "      fields: [events.day, events.total, first, second, third, fourth]\n      \
                calculations: {first: {sql: '=WEEKDAY(A0)'}, second: {sql: '=WEEKDAY(A1)'}, \
                third: {sql: '=WEEKDAY(DATE(2024, 1, 2))'}, fourth: {sql: '=WEEKDAY(A1, 2)'}}\n";
    let promotion = promotion_of_query("", keys);
    let items: Vec<(&str, bool)> = promotion.gaps.iter().map(|gap| (&*gap.what, gap.is_carried)).collect();
    assert_eq!(items, [("second", true), ("third", true), ("first", false)]);
}

/// Every view has a measure `count`, so this name is not reported as a misspelling of a similar name.
#[test]
fn the_count_of_a_view_is_not_a_misspelling() {
    let promotion = promotion_of_query("", "      fields: [events.day, events.count]\n");
    assert_eq!(promotion.notes, [""; 0]);
    let promotion = promotion_of_query("", "      fields: [events.day, events.acount]\n");
    assert!(
        promotion.notes[0].ends_with("did you mean `account`?"),
        "{:?}",
        promotion.notes
    );
}

#[test]
fn settings_without_a_fixed_value_are_reported_if_a_formula_reads_them() {
    let reason = "week_start_day: `week_start_day` has no fixed value that a spec can contain; the model uses the setting of \
                  the project";
    let keys = "      fields: [events.n, events.total]\n";
    let model = "week_start_day: Mondey\n";
    assert_eq!(gaps(&promotion_of_query(model, keys)), [""; 0]);
    let filter = "      filters: {\"events.last_day[week]\": {is: \"2024-01-01\"}}\n";
    assert_eq!(gaps(&promotion_of_query(model, &format!("{keys}{filter}"))), [reason]);
}

/// SQL is converted if a formula has the same value. Otherwise, the SQL is reported as a gap.
#[test]
fn sql_of_other_forms() {
    let compiler = compiler_for("duckdb").build();
    for (sql, expected) in [
        (
            "${text} IS NOT DISTINCT FROM 'West'",
            "COALESCE(text = \"West\", FALSE)",
        ),
        ("${text} IS NOT DISTINCT FROM NULL", "ISBLANK(text)"),
        (
            "${n} IS DISTINCT FROM ${n}",
            "NOT(IF(ISBLANK(n), ISBLANK(n), COALESCE(n = n, FALSE)))",
        ),
        ("${n} % 3", "n - QUOTIENT(n, 3) * 3"),
        ("CAST(${n} AS INTEGER)", "n"),
        ("${text}::varchar", "text"),
        ("${n}::varchar", "IF(NOT(ISBLANK(n)), n & \"\")"),
        (
            "SPLIT_PART(${text}, '@', 2)",
            "IF(NOT(ISBLANK(text)), COALESCE(TEXTSPLIT(text, \"@\", 2), \"\"))",
        ),
        (
            "${at}::varchar",
            "gap: formulas format values other than integers and dates differently, for example `1.5` instead of `1.50`; \
             use `TEXT`",
        ),
        (
            "CAST(${text} AS INTEGER)",
            "gap: a formula cannot convert this text to an integer as the warehouse does",
        ),
        (
            "CAST(${n} / 2 AS INTEGER)",
            "gap: warehouses round or truncate a number in different ways when they cast it to an integer; choose \
             `ROUND(x, 0)` or `ROUNDDOWN(x, 0)`",
        ),
        (
            "CAST(unknown AS INTEGER)",
            "gap: the type of the value is unknown; pass the types of the columns with `--schema`",
        ),
        (
            "unknown::varchar",
            "gap: the type of the value is unknown; pass the types of the columns with `--schema`",
        ),
        (
            "unknown % 3",
            "gap: the type of the value is unknown; pass the types of the columns with `--schema`",
        ),
        (
            "TRIM(${text})",
            "gap: `TRIM` in a formula also merges the spaces inside the text",
        ),
    ] {
        assert_eq!(promoted_sql(&compiler, sql), expected, "{sql}");
    }
    let promotion = promotion_of_sql(&compiler, "", "LOG10(${n})");
    let reasons: Vec<&str> = promotion.gaps.iter().map(|gap| gap.reason.as_str()).collect();
    assert_eq!(reasons, ["the SQL of the formula adds a condition for special values"]);
}
