//! Tests dbt's `state:modified` selector after a model's spec changes. The selector must select the model if the SQL,
//! configuration, contract or tests change, and otherwise select nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::tools::{run, scratch, tool, write};
use crate::{dbt_settings, formulac};

const SPEC: &str = "\
model: revenue
description: Revenue by country.
from: ref('orders')
group_by: country
definitions: |
  /// All that was paid.
  revenue = SUM(amount)
columns:
  country: {data_tests: [not_null]}
";

/// Change to the spec, and whether dbt then treats the model as modified.
const CHANGES: [(&str, &str, bool); 8] = [
    ("model: revenue", "# looked through\nmodel: revenue", false),
    ("All that was paid.", "All that was paid, in euros.", false),
    ("Revenue by country.", "Revenue by country, in euros.", false),
    ("revenue = SUM(amount)", "revenue = SUM( amount ) // net", false),
    (
        "{data_tests: [not_null]}",
        "{data_tests: [not_null], meta: {owner: sales}}",
        false,
    ),
    ("model: revenue", "model: revenue\nconfig: {materialized: table}", true),
    ("from: ref", "meta: {owner: sales}\nfrom: ref", true),
    ("SUM(amount)", "SUM(amount - tax)", true),
];

#[test]
fn irrelevant_changes_do_not_make_a_model_modified_in_dbt() {
    let Some(dbt) = tool("FORMULAC_DBT") else { return };
    let project = scratch("modified");
    for folder in ["models", "metrics"] {
        fs::create_dir_all(project.join(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
    }
    write(
        &project.join("dbt_project.yml"),
        "name: shop\nversion: '1.0'\nprofile: shop\nmodel-paths: [models]\n",
    );
    write(
        &project.join("profiles.yml"),
        "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: shop.duckdb}\n",
    );
    write(&project.join("formulac.yml"), "dialect: duckdb\nspecs: metrics/\n");
    write(
        &project.join("models/orders.sql"),
        "select 'at' as country, 1.0 as amount, 0.1 as tax\n",
    );
    let columns = "country, data_type: varchar}, {name: amount, data_type: double}, {name: tax, data_type: double";
    write(
        &project.join("models/orders.yml"),
        &format!("models:\n  - {{name: orders, columns: [{{name: {columns}}}]}}\n"),
    );
    let generated = || {
        formulac(&project, &["generate", "--quiet"]);
        let list = [
            "--quiet",
            "ls",
            "--resource-type",
            "model",
            "--select",
            "state:modified",
            "--state",
            "state",
        ];
        run_dbt_for_output(&dbt, &project, &list)
    };
    let modified = |spec: &str| {
        write(&project.join("metrics/revenue.yml"), spec);
        generated()
    };
    write(&project.join("metrics/revenue.yml"), SPEC);
    formulac(&project, &["generate", "--quiet"]);
    run_dbt_for_output(&dbt, &project, &["--quiet", "parse"]);
    fs::create_dir_all(project.join("state")).expect("a folder");
    fs::copy(
        project.join("target/manifest.json"),
        project.join("state/manifest.json"),
    )
    .expect("dbt left a manifest");
    assert_eq!(modified(SPEC).trim(), "");
    for (from, to, is_modified) in CHANGES {
        let spec = SPEC.replacen(from, to, 1);
        assert_ne!(spec, SPEC);
        let expected = if is_modified { "shop.formulac.revenue" } else { "" };
        assert_eq!(modified(&spec).trim(), expected, "{to}");
    }
    // The header contains the name of the spec, and the header does not change as long as the SQL does not change.
    assert_eq!(modified(SPEC).trim(), "");
    fs::create_dir_all(project.join("metrics/sales")).expect("a folder");
    let (from, to) = (
        project.join("metrics/revenue.yml"),
        project.join("metrics/sales/monthly.yml"),
    );
    fs::rename(from, &to).expect("the spec moves");
    assert_eq!(generated().trim(), "");
    write(&to, &SPEC.replace("SUM(amount)", "SUM(tax)"));
    assert_eq!(generated().trim(), "shop.formulac.revenue");
    let sql = fs::read_to_string(project.join("models/formulac/revenue.sql")).expect("the model");
    assert!(sql.contains("edit metrics/sales/monthly.yml,"), "{sql}");
}

fn run_dbt_for_output(dbt: &Path, path: &Path, args: &[&str]) -> String {
    let mut command = Command::new(dbt);
    let output = run(dbt_settings(command.args(args), path));
    String::from_utf8(output.stdout).expect("dbt writes text")
}
