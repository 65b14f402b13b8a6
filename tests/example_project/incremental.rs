//! After new and late rows arrive, incremental models must contain the same rows as after a full refresh. The test runs
//! on DuckDB and on Postgres, with each strategy, with values from other periods, and with contracts. A row that
//! arrives after the look-back period is not read, which shows that the runs are incremental.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::project;
use crate::tools::{Server, answers, contents, copy, json_lines, run, run_with_input, scratch, tool, write};
use crate::{DATABASE, dbt_settings, formulac, script};

const MODELS: [&str; 7] = [
    "daily_growth",
    "growth",
    "lines_of_sales",
    "monthly_sales",
    "monthly_sales_merged",
    "rolling_sales",
    "weekly_growth",
];

/// Returns sales of two segments, three per month, starting in 2023.
fn sales() -> Vec<(String, i64)> {
    let mut rows = Vec::new();
    for month in 0..18 {
        let (year, month) = (2023 + month / 12, month % 12 + 1);
        for (index, (segment, day)) in [("a", 1), ("a", 14), ("a", 27), ("b", 3), ("b", 14), ("b", 28)]
            .into_iter()
            .enumerate()
        {
            let (id, index) = (rows.len() as i64 + 1, index as i64);
            let amount = 10 * month + 7 * index + id % 5;
            rows.push((
                format!(
                    "{id},{segment},{year}-{month:02}-{day:02},{year}-{month:02}-{day:02} {:02}:30:00,{amount}.25",
                    8 + index
                ),
                id,
            ));
        }
    }
    rows
}

/// New rows: one is two weeks late, one is less than a day late, one begins a new month, and one follows a month
/// without rows.
const LATE: [&str; 4] = [
    "1001,a,2024-06-14,2024-06-14 23:59:59,99.75",
    "1002,b,2024-06-28,2024-06-28 06:00:00,1.50",
    "1003,a,2024-07-01,2024-07-01 00:00:00,500.00",
    "1004,b,2024-09-30,2024-09-30 12:00:00,12.00",
];
/// Sales of a small shop. April 30 minus one month is March 30, not the last day of March.
const SHOP_SALES: &str =
    "sold_on,amount\n2024-01-30,64\n2024-02-29,32\n2024-03-30,96\n2024-03-31,5\n2024-04-30,1\n2024-05-01,2\n";
const SHOP_LATE: &str = "2024-05-02,7\n";
const SHOP_TOO_LATE: &str = "2024-02-28,8\n";
const TOO_LATE: &str = "1005,a,2023-02-02,2023-02-02 12:00:00,1000.00";

struct Project<'p> {
    dbt: &'p Path,
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
    reader: Box<dyn Fn() -> Command + 'p>,
}

impl Project<'_> {
    fn seed(&self, more: &[&str]) {
        let mut sales_rows: Vec<String> = vec!["sale_id,segment,sold_on,sold_at,amount".to_owned()];
        let mut lines: Vec<String> = vec!["line_id,sale_id,quantity".to_owned()];
        let ids = sales().into_iter().chain(more.iter().map(|row| {
            let id = row.split(',').next().unwrap().parse().unwrap();
            ((*row).to_owned(), id)
        }));
        for (row, id) in ids {
            sales_rows.push(row);
            lines.extend((1..3).map(|line| format!("{},{id},{}", id * 10 + line, id % 3 + line)));
        }
        write(&self.folder.join("seeds/sales.csv"), &(sales_rows.join("\n") + "\n"));
        write(&self.folder.join("seeds/sale_lines.csv"), &(lines.join("\n") + "\n"));
        let shop_late = if more.is_empty() { "" } else { SHOP_LATE };
        let shop_too_late = if more.contains(&TOO_LATE) { SHOP_TOO_LATE } else { "" };
        let shop = [SHOP_SALES, shop_late, shop_too_late].concat();
        write(&self.folder.join("seeds/shop_sales.csv"), &shop);
    }

    /// Builds all models and returns their rows.
    fn build(&self, more: &[&str]) -> BTreeMap<String, Value> {
        let mut command = Command::new(self.dbt);
        dbt_settings(command.args(["--no-use-colors", "build"]).args(more), &self.folder);
        command.envs(self.environment.iter().map(|(name, value)| (*name, value.as_str())));
        run(&mut command);
        let query = |model: &str| json!({"id": model, "sql": format!("select * from analytics.{model} order by 1, 2")});
        let queries: Vec<Value> = MODELS.iter().map(|model| query(model)).collect();
        let mut answers = answers(&run_with_input(&mut (self.reader)(), &json_lines(&queries)).stdout);
        for (model, answer) in &mut answers {
            assert!(answer.get("error").is_none(), "{model}: {answer}");
            let answer = answer.as_object_mut().expect("an answer");
            answer.remove("id");
        }
        answers
    }
}

fn create_project(name: &str, dialect: &str) -> PathBuf {
    let place = scratch(name);
    copy(&project::folder(), &place);
    for folder in ["seeds", "metrics"] {
        contents(&place.join(folder))
            .into_keys()
            .for_each(|file| std::fs::remove_file(file).expect("a file of ours"));
    }
    let here = script("incremental");
    let specs: Vec<PathBuf> = contents(&here)
        .into_keys()
        .filter(|path| !path.ends_with("schema.yml"))
        .collect();
    for spec in &specs {
        let name = spec.file_name().expect("a file has a name");
        write(&place.join("metrics").join(name), &project::read(spec));
    }
    let types = "{sale_id: bigint, segment: varchar, sold_on: date, sold_at: timestamp, amount: \"decimal(12, 2)\"}";
    let shop_types = "{sold_on: date, amount: integer}";
    let seeds = format!(
        "seeds:\n  - name: sales\n    config: {{column_types: {types}}}\n  - name: sale_lines\n  - name: shop_sales\n    config: \
         {{column_types: {shop_types}}}\n"
    );
    write(&place.join("seeds/_seeds.yml"), &seeds);
    write(&place.join("schema.yml"), &project::read(&here.join("schema.yml")));
    let mut args = vec!["model".to_owned()];
    args.extend(
        specs
            .iter()
            .map(|spec| format!("metrics/{}", spec.file_name().unwrap().to_string_lossy())),
    );
    args.extend(
        [
            "--out",
            "models/formulac",
            "--dialect",
            dialect,
            "--schema",
            "schema.yml",
        ]
        .map(str::to_owned),
    );
    formulac(&place, &args.iter().map(String::as_str).collect::<Vec<_>>());
    place
}

fn incremental_runs_match_full_refreshes(project: &Project<'_>) {
    project.seed(&[]);
    let first = project.build(&[]);
    project.seed(&LATE);
    let late = project.build(&[]);
    let whole = project.build(&["--full-refresh"]);
    for model in MODELS {
        assert_ne!(first[model], late[model], "{model} did not change");
        assert_eq!(
            late[model], whole[model],
            "{model}: an incremental run and a full refresh"
        );
    }
    project.seed(&[&LATE[..], &[TOO_LATE]].concat());
    assert_eq!(
        project.build(&[]),
        whole,
        "what is later than the look-back is not read"
    );
    let whole_again = project.build(&["--full-refresh"]);
    assert!(MODELS.iter().all(|model| whole_again[*model] != whole[*model]));
}

#[test]
fn incremental_runs_equal_full_refreshes_on_duckdb() {
    let (Some(dbt), Some(python)) = (tool("FORMULAC_DBT"), tool("FORMULAC_PYTHON")) else {
        return;
    };
    let project = create_project("incremental", "duckdb");
    let database = project.join(DATABASE);
    let reader = || {
        let mut reader = Command::new(&python);
        reader.arg(script("duckdb_rows.py")).arg(&database);
        reader
    };
    incremental_runs_match_full_refreshes(&Project {
        dbt: &dbt,
        folder: project,
        environment: Vec::new(),
        reader: Box::new(reader),
    });
}

#[test]
fn incremental_runs_equal_full_refreshes_on_postgres() {
    let (Some(dbt), Some(python)) = (tool("FORMULAC_DBT"), tool("FORMULAC_PYTHON")) else {
        return;
    };
    let server = Server::start(&python);
    let project = create_project("incremental_postgres", "postgres");
    let reader = || server.reader(&python);
    let environment = vec![
        ("DBT_TARGET", "pg".to_owned()),
        ("PGHOST", server.folder.clone()),
        ("PGUSER", "oracle".to_owned()),
    ];
    incremental_runs_match_full_refreshes(&Project {
        dbt: &dbt,
        folder: project,
        environment,
        reader: Box::new(reader),
    });
}
