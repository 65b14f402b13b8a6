//! Tests dbt's results for long descriptions, exposures and semantic models, in both YAML formats. Strings must be
//! unchanged in the output, and a metric that is aggregated over months must equal its formula by quarter.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::tools::{answers, contents, json_lines, run, run_with_input, tool, write};
use crate::{DATABASE, artifact, create_project, dbt_command, dbt_settings, formulac, generate, project, script};

const SALES: &str = "sales_by_month_and_market";
/// Columns for which no metric is possible.
const LEFT_OUT: [&str; 6] = ["average", "before", "busy", "customers", "rounded", "unnamed"];

/// Checks that dbt accepts the semantic model of a private model. Only nodes in its group may read the model.
fn check_semantic_model_of_private_model(path: &Path, dbt: &Path, spec: &str) {
    let file = path.join("metrics/by_customer.yml");
    write(
        &file,
        &format!("semantic_model: latest\naccess: private\ngroup: finance\n{spec}"),
    );
    generate(path, "duckdb");
    let mut parse = Command::new(dbt.with_file_name("python"));
    run(dbt_settings(parse.arg(script("strict_parse.py")), path));
    let manifest = artifact(path, "manifest.json");
    let model = &manifest["semantic_models"]["semantic_model.subscription_business.customer_sales"];
    assert_eq!(model["config"]["group"], json!("finance"), "{model}");
}

/// Checks that dbt accepts a column that is an entity in one spec's semantic model and one of several keys in another
/// spec's model.
fn check_names_of_several_models(path: &Path, dbt: &Path, form: &str) {
    let file = path.join("metrics/customer_markets.yml");
    write(
        &file,
        &format!(
            "model: customer_markets\nfrom: subscriptions\nsemantic_model: {form}\ngroup_by: [customer_id, market]\n\
             definitions: lines = COUNT()\n"
        ),
    );
    generate(path, "duckdb");
    let mut parse = Command::new(dbt.with_file_name("python"));
    run(dbt_settings(parse.arg(script("strict_parse.py")), path));
    fs::remove_file(&file).unwrap();
    generate(path, "duckdb");
}

#[test]
fn dbt_accepts_both_formats_and_metrics_match_the_formulas() {
    let (Some(dbt), Some(python)) = (tool("FORMULAC_DBT"), tool("FORMULAC_PYTHON")) else {
        return;
    };
    let place = create_project("semantic");
    write(
        &place.join("models/groups.yml"),
        "groups: [{name: finance, owner: {name: Ann}}]\n",
    );
    let spec = |name: &str| project::read(&script("semantic").join(name));
    write(
        &place.join("metrics/by_quarter.yml"),
        &by_quarter(&spec("by_month_and_market.yml")),
    );
    let mut metrics_by_form: Vec<BTreeMap<String, String>> = Vec::new();
    for form in ["legacy", "latest"] {
        for name in ["by_month_and_market.yml", "by_customer.yml"] {
            write(
                &place.join("metrics").join(name),
                &format!("semantic_model: {form}\n{}", spec(name)),
            );
        }
        generate(&place, "duckdb");
        for file in [format!("{SALES}.yml"), "customer_sales.yml".to_owned()] {
            let name = format!("{}_{form}", file.trim_end_matches(".yml"));
            insta::assert_snapshot!(name, project::read(&place.join("models/formulac").join(file)));
        }
        let mut parse = Command::new(dbt.with_file_name("python"));
        run(dbt_settings(parse.arg(script("strict_parse.py")), &place));
        check_texts_are_as_written(&artifact(&place, "manifest.json"));
        metrics_by_form.push(metrics(&artifact(&place, "semantic_manifest.json"), form));
        check_names_of_several_models(&place, &dbt, form);
    }
    check_semantic_model_of_private_model(&place, &dbt, &spec("by_customer.yml"));
    insta::assert_snapshot!(
        "customer_sales_md",
        project::read(&place.join("models/formulac/customer_sales.md"))
    );
    assert_eq!(metrics_by_form[0], metrics_by_form[1], "both forms say the same");

    run(&mut dbt_command(&dbt, &place));
    let manifest = artifact(&place, "manifest.json");
    let of = |model: &str| {
        project::text(&manifest["nodes"][format!("model.subscription_business.{model}")]["relation_name"])
    };
    let quarter = "date_trunc('quarter', billing_date_month)";
    let together: Vec<String> = metrics_by_form[0]
        .iter()
        .map(|(name, sql)| format!("{sql} as {name}"))
        .collect();
    let columns: Vec<&str> = metrics_by_form[0].keys().map(String::as_str).collect();
    let again = format!(
        "select {} from {} group by {quarter} order by {quarter}",
        together.join(", "),
        of(SALES)
    );
    let formulas = format!(
        "select {} from {} order by billing_date_quarter",
        columns.join(", "),
        of("by_quarter")
    );
    let mut reader = Command::new(python);
    reader.arg(script("duckdb_rows.py")).arg(place.join(DATABASE));
    let queries = [
        json!({"id": "again", "sql": again}),
        json!({"id": "formulas", "sql": formulas}),
    ];
    let answers = answers(&run_with_input(&mut reader, &json_lines(&queries)).stdout);
    let rows = |of: &str| -> Vec<Vec<Option<f64>>> {
        let number = |value: &Value| match value {
            Value::Null => None,
            Value::String(text) => Some(text.parse().expect("a number")),
            number => Some(number.as_f64().expect("a number")),
        };
        let rows = answers[of]["rows"]
            .as_array()
            .unwrap_or_else(|| panic!("{}", answers[of]));
        rows.iter()
            .map(|row| row.as_array().expect("a row").iter().map(number).collect())
            .collect()
    };
    let (again, formulas) = (rows("again"), rows("formulas"));
    assert_eq!((again.len(), columns.len()), (5, 11), "five quarters, eleven metrics");
    for (row, expected) in again.iter().zip(&formulas) {
        for ((value, expected), column) in row.iter().zip(expected).zip(&columns) {
            let is_same = match (value, expected) {
                (Some(value), Some(expected)) => (value - expected).abs() < 1e-9,
                (value, expected) => value.is_none() && expected.is_none(),
            };
            assert!(is_same, "{column}: {value:?}, and the formula gives {expected:?}");
        }
    }
    docs_are_left_over(&place);
}

/// Returns the same formulas by quarter, without the formulas that read other months.
fn by_quarter(text: &str) -> String {
    let text = text
        .split("columns:\n")
        .next()
        .expect("a spec")
        .replace(SALES, "by_quarter");
    let text = text.replace("[\"billing_date[month]\", market]", "billing_date[quarter]");
    let kept = text
        .lines()
        .filter(|line| !line.contains("before =") && !line.starts_with("order_by"));
    kept.map(|line| format!("{line}\n")).collect()
}

fn check_texts_are_as_written(manifest: &Value) {
    let model = &manifest["nodes"]["model.subscription_business.customer_sales"];
    assert_eq!(
        model["description"],
        json!(
            "One row per customer with an invoice.\n\n- cash sales are left out\n- `{% enddocs %}` and {{ x }} are text"
        )
    );
    assert_eq!(
        model["columns"]["revenue"]["description"],
        json!("Invoices less credit notes.\n\n| kind | sign |\n| --- | --- |\n| invoice | + |\n| credit note | - |")
    );
    let exposure = &manifest["exposures"]["exposure.subscription_business.sales_report"];
    assert_eq!(exposure["description"], json!("Sales by month; {{ braces }} stay."));
    assert_eq!(exposure["owner"]["email"], json!("finance@example.com"));
    assert_eq!(
        (&exposure["config"]["tags"], &exposure["config"]["meta"]),
        (&json!(["board"]), &json!({"review": "quarterly"}))
    );
    let mut uses: Vec<String> = exposure["depends_on"]["nodes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(project::text)
        .collect();
    uses.sort();
    let seed = |name: &str| format!("seed.subscription_business.{name}");
    assert_eq!(
        uses,
        [
            format!("model.subscription_business.{SALES}"),
            seed("customers"),
            seed("invoices")
        ]
    );
}

/// Returns dbt's metrics for the model, by column, each as SQL that reads the model's rows.
fn metrics(manifest: &Value, form: &str) -> BTreeMap<String, String> {
    let list = |of: &Value| of.as_array().cloned().unwrap_or_default();
    let models = list(&manifest["semantic_models"]);
    let sales = models
        .iter()
        .find(|model| model["name"] == json!(SALES))
        .expect("the semantic model");
    let names = |key: &str| -> Vec<String> {
        list(&sales[key])
            .iter()
            .map(|one| project::text(&one["name"]))
            .collect()
    };
    assert_eq!(names("dimensions"), ["billing_date_month", "market"], "{form}");
    assert_eq!(
        sales["dimensions"][0]["type_params"]["time_granularity"],
        json!("month"),
        "{form}"
    );
    let customers = models
        .iter()
        .find(|model| model["name"] == json!("customer_sales"))
        .expect("the other");
    assert_eq!(customers["entities"][0]["name"], json!("customer_id"), "{form}");
    assert_eq!(customers["entities"][0]["type"], json!("primary"), "{form}");

    let measures: BTreeMap<String, String> = list(&sales["measures"])
        .iter()
        .map(|measure| (project::text(&measure["name"]), aggregate(measure, None)))
        .collect();
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let mut left: Vec<Value> = list(&manifest["metrics"]);
    left.retain(|metric| project::text(&metric["name"]).starts_with(SALES));
    while !left.is_empty() {
        let before = left.len();
        left.retain(|metric| match sql(metric, &measures, &known) {
            Some(sql) => known.insert(project::text(&metric["name"]), sql).is_some(),
            None => true,
        });
        assert!(left.len() < before, "metrics that refer to unknown metrics: {left:?}");
    }
    let of_column = |(name, sql): (String, String)| (name[SALES.len() + 1..].to_owned(), sql);
    let known: BTreeMap<String, String> = known.into_iter().map(of_column).collect();
    assert!(LEFT_OUT.iter().all(|column| !known.contains_key(*column)), "{known:?}");
    known
}

fn aggregate(of: &Value, expr: Option<&Value>) -> String {
    let expr = project::text(expr.unwrap_or(&of["expr"]));
    format!("{}({expr})", project::text(&of["agg"]))
}

/// Returns a metric as SQL, if its inputs are known.
fn sql(metric: &Value, measures: &BTreeMap<String, String>, known: &BTreeMap<String, String>) -> Option<String> {
    let params = &metric["type_params"];
    let other = |of: &Value| known.get(of["name"].as_str()?).cloned();
    match metric["type"].as_str()? {
        "simple" => match params["measure"]["name"].as_str() {
            Some(measure) => measures.get(measure).cloned(),
            None => Some(aggregate(&params["metric_aggregation_params"], Some(&params["expr"]))),
        },
        // Compute the ratio as MetricFlow does.
        "ratio" => {
            let (above, below) = (other(&params["numerator"])?, other(&params["denominator"])?);
            Some(format!("cast({above} as double) / nullif({below}, 0)"))
        }
        "derived" => {
            let mut sql = params["expr"].as_str()?.to_owned();
            let mut inputs: Vec<(String, String)> = Vec::new();
            for input in params["metrics"].as_array()? {
                let name = input["alias"].as_str().unwrap_or(input["name"].as_str()?).to_owned();
                inputs.push((name, other(input)?));
            }
            // Longer names come first, because a name may be a prefix of another name.
            inputs.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
            for (project, (name, _)) in inputs.iter().enumerate() {
                sql = sql.replace(name, &format!("<{project}>"));
            }
            for (project, (_, of)) in inputs.iter().enumerate() {
                sql = sql.replace(&format!("<{project}>"), of);
            }
            Some(sql)
        }
        other => panic!("a metric of type {other}"),
    }
}

/// If the description of a model is short again, its docs file is not generated. Text that somebody wrote to the file
/// is kept.
fn docs_are_left_over(path: &Path) {
    let docs = path.join("models/formulac/customer_sales.md");
    let short = "model: customer_sales\nfrom: invoices\ngroup_by: customer_id\ndefinitions: revenue = SUM(revenue)\ncolumns: {customer_id: {data_tests: [not_null]}}\n";
    let before = contents(&path.join("models/formulac"));
    write(&path.join("metrics/by_customer.yml"), short);
    let out = formulac(
        path,
        &[
            "model",
            "metrics/by_customer.yml",
            "--out",
            "models/formulac",
            "--schema",
            "schema.yml",
        ],
    );
    assert!(!docs.exists() && out.is_empty(), "{out}");
    write(
        &path.join("metrics/by_customer.yml"),
        &project::read(&script("semantic").join("by_customer.yml")),
    );
    generate(path, "duckdb");
    assert!(docs.exists());
    write(&path.join("metrics/by_customer.yml"), short);
    generate(path, "duckdb");
    assert!(!docs.exists());
    assert!(contents(&path.join("models/formulac")).len() + 1 == before.len());
}
