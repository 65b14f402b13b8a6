//! Tests `formulac verify` through dbt, on DuckDB and on a Postgres server: unchanged models, a model that was changed
//! by hand, specs that were edited after the build, and missing models.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::project::read;
use crate::tools::{Server, tool, write};
use crate::{artifact, create_project, dbt_command, dbt_settings, generate};

const GROWTH: &str = "metrics/quarterly_growth_rate_by_market.yml";
const LTV: &str = "metrics/customer_ltv_by_segment.yml";
/// Metric set that the spec reads.
const INVOICES: &str = "metrics/invoices.yml";
const BUILT_LTV: &str = "models/formulac/customer_ltv_by_segment.sql";

#[test]
fn built_models_are_verified_on_duckdb() {
    let Some(dbt) = tool("FORMULAC_DBT") else { return };
    story(&dbt, "verify_duckdb", "duckdb", "dev", &[]);
}

#[test]
fn built_models_are_verified_on_postgres() {
    let (Some(dbt), Some(python)) = (tool("FORMULAC_DBT"), tool("FORMULAC_PYTHON")) else {
        return;
    };
    let server = Server::start(&python);
    let settings = [
        ("DBT_TARGET", "pg"),
        ("PGHOST", server.folder.as_str()),
        ("PGUSER", "oracle"),
    ];
    story(&dbt, "verify_postgres", "postgres", "pg", &settings);
}

struct Story<'s> {
    dbt: &'s Path,
    project: &'s Path,
    env: &'s str,
    settings: &'s [(&'s str, &'s str)],
}

impl Story<'_> {
    fn build(&self, select: &[&str]) {
        let mut command = dbt_command(self.dbt, self.project);
        command
            .args(["--exclude-resource-type", "test", "--select"])
            .args(select)
            .envs(self.settings.iter().copied());
        let output = command.output().expect("dbt runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    /// Returns the exit status, and the models as JSON.
    fn verify(&self, args: &[&str]) -> (i32, Value) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_formulac"));
        command
            .args(["verify", "--json", "--quiet", "--env", self.env])
            .args(args);
        dbt_settings(&mut command, self.project)
            .env("FORMULAC_DBT", self.dbt)
            .env_remove("FORMULAC_ENV");
        let output = command
            .envs(self.settings.iter().copied())
            .output()
            .expect("formulac runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let json: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}{stderr}"));
        (output.status.code().unwrap_or(-1), json["models"].clone())
    }
}

/// Returns the result of each comparison of each model.
fn verdicts(models: &Value) -> Vec<String> {
    let models = models.as_array().expect("models").iter();
    let of = |model: &Value| {
        let comparisons = model["comparisons"].as_array().cloned().unwrap_or_default();
        let one = |it: &Value| format!("{} {}: {}", it["with"], it["verdict"], it["told"]).replace('"', "");
        comparisons.iter().map(one).collect::<Vec<_>>()
    };
    models.flat_map(of).collect()
}

#[allow(
    clippy::too_many_lines,
    reason = "this is one list of cases, to be split when a case is added"
)]
fn story(dbt: &Path, name: &str, dialect: &str, env: &str, settings: &[(&str, &str)]) {
    let project = create_project(name);
    let story = Story {
        dbt,
        project: &project,
        env,
        settings,
    };
    let formulac_yml = project.join("formulac.yml");
    write(
        &formulac_yml,
        &read(&formulac_yml).replace("dialect: duckdb", &format!("dialect: {dialect}")),
    );
    generate(&project, dialect);
    let models = ["quarterly_growth_rate_by_market", "customer_ltv_by_segment"];
    story.build(&[
        "+quarterly_growth_rate_by_market",
        "+market_share",
        "+customer_ltv_by_segment",
    ]);

    // Verify models that agree: one is compared with its formula, one has a contract, and one is compared with a
    // relation in its spec.
    let (exit, found) = story.verify(&models);
    let agree = [
        "null agrees: 19 of 19 rows",
        "market_share agrees: 19 of 19 rows within 0.01",
        "null agrees: 6 of 6 rows",
    ];
    assert_eq!(
        (exit, verdicts(&found)),
        (0, agree.map(str::to_owned).to_vec()),
        "{found:#}"
    );
    let first = &found[0];
    let seconds = |key: &str| first["seconds"][key].as_f64();
    assert!(
        seconds("formula").is_some_and(|it| it > 0.0) && seconds("build").is_some(),
        "{first:#}"
    );
    assert_eq!(first["standings"][0]["status"], "success");
    assert_eq!(
        artifact(&project, "run_results.json")["args"]["which"],
        "build",
        "verify leaves what the build left"
    );

    // Change a table by hand: change a value, remove a row and add a row.
    let generated = read(&project.join(BUILT_LTV));
    let (head, body) = generated.split_once("#}\n").expect("a header");
    let by_hand = format!(
        "{head}#}}\nwith original as (\n{body}\n)\nselect segment, total_revenue, paying_customers,\n\
         case when segment = 'Wholesale' then customer_ltv + 5 else customer_ltv end as customer_ltv\n\
         from original where segment <> 'Stalls'\nunion all\n\
         select 'Theirs', total_revenue, paying_customers, customer_ltv from original where segment = 'Unassigned'\n"
    );
    write(&project.join(BUILT_LTV), &by_hand);
    story.build(&["customer_ltv_by_segment"]);
    let (exit, found) = story.verify(&["customer_ltv_by_segment"]);
    let expected = "null differs: 4 of 7 rows; 1 differs; 1 only in the model; 1 only in its formula";
    assert_eq!((exit, verdicts(&found)), (1, vec![expected.to_owned()]), "{found:#}");
    let worst = found[0]["comparisons"][0]["worst"].as_array().expect("rows");
    let keys: Vec<&str> = worst.iter().filter_map(|row| row["key"]["segment"].as_str()).collect();
    assert_eq!(keys, ["Wholesale", "Stalls", "Theirs"], "{worst:#?}");
    let value = &worst[0]["values"][0];
    let number = |value: &Value| {
        value
            .as_str()
            .and_then(|text| text.parse::<f64>().ok())
            .unwrap_or(f64::NAN)
    };
    assert_eq!(value["column"], "customer_ltv");
    assert!((number(&value["difference"]) - 5.0).abs() < 1e-9, "{value}");
    assert!((number(&value["other"]) - 66.673_333_333).abs() < 1e-6, "{value}");
    write(&project.join(BUILT_LTV), &generated);
    story.build(&["customer_ltv_by_segment"]);
    assert_eq!(
        story.verify(&["customer_ltv_by_segment"]).0,
        0,
        "built anew it agrees again"
    );

    // Edit a spec after the build.
    let [set, spec] = [INVOICES, LTV].map(|file| read(&project.join(file)));
    let edited_set = set
        .replace("total_revenue = SUM(revenue)", "total_revenue = SUM(revenue) + 1")
        .replace(
            "  customer_ltv = total_revenue / paying_customers",
            "  customer_ltv = total_revenue / paying_customers\n  invoices = COUNT()",
        );
    let edited = spec.replace("invoices.customer_ltv]", "invoices.customer_ltv, invoices.invoices]");
    assert!(set != edited_set && spec != edited);
    write(&project.join(INVOICES), &edited_set);
    write(&project.join(LTV), &edited);
    let (exit, found) = story.verify(&[LTV]);
    assert_eq!(
        (exit, verdicts(&found)),
        (
            1,
            vec!["null differs: 0 of 6 rows; 6 differ; `invoices` is not built".to_owned()]
        )
    );
    write(&project.join(INVOICES), &set);
    write(&project.join(LTV), &spec);

    // Change or remove the relation for comparison, and add a model that was not built.
    let growth = read(&project.join(GROWTH));
    write(
        &project.join(GROWTH),
        &growth.replace("ref('market_share')", "ref('nowhere')"),
    );
    let unknown = "model: never_built\nfrom: invoices\ngroup_by: segment\ndefinitions: n = COUNT()\n";
    write(&project.join("metrics/never_built.yml"), unknown);
    let (exit, found) = story.verify(&["quarterly_growth_rate_by_market", "never_built"]);
    let expected = [
        "null agrees: 19 of 19 rows",
        "nowhere not compared: `nowhere` does not exist",
        "null not compared: `never_built` is not built",
    ];
    assert_eq!(
        (exit, verdicts(&found)),
        (5, expected.map(str::to_owned).to_vec()),
        "{found:#}"
    );
    assert_eq!(found[1]["verdict"], json!("not compared"));
    write(&project.join(GROWTH), &growth);

    // Without dbt, read the server's tables directly.
    if let Some((_, host)) = settings.iter().find(|(name, _)| *name == "PGHOST") {
        let url = format!("postgres://oracle:unused@/postgres?host={host}&options=-csearch_path%3Danalytics");
        let (exit, found) = story.verify(&["customer_ltv_by_segment", "--engine", &url]);
        assert_eq!(
            (exit, verdicts(&found)),
            (0, vec!["null agrees: 6 of 6 rows".to_owned()]),
            "{found:#}"
        );
        let (exit, found) = story.verify(&["never_built", "--engine", &url]);
        assert_eq!(
            (exit, verdicts(&found)),
            (5, vec!["null not compared: `never_built` is not built".to_owned()])
        );
    }
}
