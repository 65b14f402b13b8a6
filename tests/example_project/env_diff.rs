//! Tests `formulac env diff --rows` on a Postgres server with two schemas in which a model was built. The comparison
//! runs both through dbt and directly on the server.

use std::process::Command;

use serde_json::{Value, json};

use crate::project::read;
use crate::tools::{Server, run, tool, write};
use crate::{create_project, dbt_command, dbt_settings, generate};

const ENVIRONMENTS: &str = "environments:\n  dev: {connection: pg, schema: dev}\n  production: {connection: pg, schema: prod, branch: main, protected: true}\n";

#[test]
#[allow(
    clippy::too_many_lines,
    reason = "this is one list of cases, to be split when a case is added"
)]
fn what_two_environments_built_is_compared() {
    let (Some(dbt), Some(python)) = (tool("FORMULAC_DBT"), tool("FORMULAC_PYTHON")) else {
        return;
    };
    let server = Server::start(&python);
    let settings = [
        ("DBT_TARGET", "pg"),
        ("PGHOST", server.folder.as_str()),
        ("PGUSER", "oracle"),
    ];
    let project = create_project("env_diff");
    let formulac_yml = project.join("formulac.yml");
    let text = read(&formulac_yml).replace("dialect: duckdb", "dialect: postgres");
    let (head, tail) = text.split_once("environments:\n").expect("environments");
    let tail: String = tail
        .lines()
        .filter(|line| !line.starts_with("  "))
        .map(|line| format!("{line}\n"))
        .collect();
    write(&formulac_yml, &format!("{head}{ENVIRONMENTS}{tail}"));
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command
            .args(["-c", "user.name=Eve", "-c", "user.email=eve@example.com"])
            .args(args)
            .current_dir(&project);
        run(command.env("GIT_CONFIG_GLOBAL", "/dev/null"));
    };
    let build = |schema: &str, target: &str| {
        let mut command = dbt_command(&dbt, &project);
        command.args([
            "--exclude-resource-type",
            "test",
            "--select",
            "+customer_ltv_by_segment",
            "--target-path",
            target,
        ]);
        let output = command
            .envs(settings)
            .env("FORMULAC_SCHEMA", schema)
            .output()
            .expect("dbt runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    };
    let differing = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_formulac"));
        command
            .args([
                "env",
                "diff",
                "production",
                "customer_ltv_by_segment",
                "--rows",
                "--json",
                "--quiet",
            ])
            .args(args);
        dbt_settings(&mut command, &project)
            .env("FORMULAC_DBT", &dbt)
            .env_remove("FORMULAC_ENV");
        let output = command.envs(settings).output().expect("formulac runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let json: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}{stderr}"));
        (output.status.code(), json["models"][0].clone())
    };
    let url = format!("postgres://oracle:unused@/postgres?host={}", server.folder);
    let by_server = ["--engine", url.as_str()];

    git(&["init", "--quiet", "--initial-branch=main"]);
    generate(&project, "postgres");
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message=all"]);
    build("prod", "target/production");
    // At this point, the model exists only in production.
    let (exit, model) = differing(&[]);
    assert_eq!(
        (exit, &model["rows"]["told"]),
        (
            Some(5),
            &json!("`customer_ltv_by_segment` is not in dev: it is not built, or this connection cannot read it")
        )
    );
    build("dev", "target");
    for args in [&[][..], &by_server] {
        let (exit, model) = differing(args);
        assert_eq!(
            (exit, &model["is"], &model["rows"]["told"]),
            (Some(0), &json!("the same SQL"), &json!("6 of 6 rows"))
        );
    }

    let spec = project.join("metrics/invoices.yml");
    write(
        &spec,
        &read(&spec).replace(
            "total_revenue = SUM(revenue)",
            "total_revenue = SUM(revenue) + MAX(LEN(segment))",
        ),
    );
    generate(&project, "postgres");
    build("dev", "target");
    let (exit, model) = differing(&[]);
    assert_eq!((exit, &model["is"]), (Some(0), &json!("differs")), "{model:#}");
    let rows = &model["rows"];
    let columns = rows["columns"].as_array().expect("columns");
    let revenue = columns
        .iter()
        .find(|column| column["column"] == "total_revenue")
        .expect("the column");
    let number = |value: &Value| {
        value
            .as_str()
            .and_then(|text| text.parse::<f64>().ok())
            .unwrap_or(f64::NAN)
    };
    let [ours, theirs] = ["model", "other"].map(|side| number(&revenue["sums"][side]));
    let apart = rows["worst"].as_array().expect("rows").iter().map(|row| {
        let length = row["key"]["segment"]
            .as_str()
            .map_or(0.0, |name| name.chars().count() as f64);
        let values = row["values"].as_array().expect("values");
        let of = values
            .iter()
            .find(|value| value["column"] == "total_revenue")
            .expect("the value");
        assert!((number(&of["difference"]) - length).abs() < 1e-9, "{row:#}");
        length
    });
    assert!((ours - theirs - apart.sum::<f64>()).abs() < 1e-6, "{model:#}");
    assert_eq!(rows["rows"], json!({"model": 6, "other": 6}));
    assert_eq!(differing(&by_server).1, model, "the server says the same as dbt");
}
