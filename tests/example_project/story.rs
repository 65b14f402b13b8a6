//! The pages of `docs` that tell a story, run: their commands, in their order, on DuckDB and on Postgres. On DuckDB they
//! print what the page says; `FORMULAC_WRITE=1` writes that anew.

use std::env;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::dbt_settings;
use crate::project::read;
use crate::tools::{Server, run, scratch, tool, write};

const FROM_OMNI: &str = "docs/from_omni_to_dbt.md";
const FROM_A_PROPOSAL: &str = "docs/from_proposal_to_production.md";
/// What is another word on Postgres: the environments, and the SQL of the whole project.
const ON_POSTGRES: [(&str, &str); 2] =
    [("connection: dev,", "connection: pg,"), ("dialect: duckdb", "dialect: postgres")];
/// What the model has at last: month, revenue, the revenue of three months before by the calendar.
const ROWS: [(&str, f64, Option<f64>); 10] = [
    ("2023-09-01", 150.5, None),
    ("2023-10-01", 100.0, None),
    ("2023-11-01", 0.0, None),
    ("2023-12-01", 170.25, Some(150.5)),
    ("2024-02-01", 180.25, Some(0.0)),
    ("2024-03-01", 120.0, Some(170.25)),
    ("2024-04-01", -60.0, None),
    ("2024-05-01", 200.0, Some(180.25)),
    ("2024-06-01", 130.0, Some(120.0)),
    ("2024-07-01", 200.0, Some(-60.0)),
];

/// A step of the page.
enum Step {
    /// A command with what it prints.
    Run { command: String, printed: String },
    /// A text that goes into a file, or to its end.
    Put { file: String, is_added: bool, text: String },
    /// What is only read.
    Told(String),
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        steps.push(Step::Told(line.to_owned()));
        let info = line.trim_start_matches('`');
        let (fence, _) = line.split_at(line.len() - info.len());
        if fence.len() < 3 {
            continue;
        }
        // What a command prints may have fences of its own.
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != fence).collect();
        if info == "console" {
            for line in body {
                match (line.strip_prefix("$ "), steps.last_mut()) {
                    (Some(command), _) => {
                        steps.push(Step::Run { command: command.to_owned(), printed: String::new() });
                    }
                    (None, Some(Step::Run { printed, .. })) => {
                        printed.push_str(line);
                        printed.push('\n');
                    }
                    _ => panic!("{line:?} stands before any command"),
                }
            }
        } else {
            let (_, place) = info.split_once(' ').expect("the block names its file");
            let (sign, file) = place.split_once(' ').expect("the block says `>` or `>>`");
            let text = body.iter().map(|line| format!("{line}\n")).collect();
            steps.push(Step::Put { file: file.to_owned(), is_added: sign == ">>", text });
        }
        steps.push(Step::Told(fence.to_owned()));
    }
    steps
}

fn page(steps: &[Step]) -> String {
    let one = |step: &Step| match step {
        Step::Run { command, printed } => format!("$ {command}\n{printed}"),
        Step::Put { text, .. } => text.clone(),
        Step::Told(line) => format!("{line}\n"),
    };
    steps.iter().map(one).collect()
}

/// What is another in each run: hashes, times, ages.
fn alike(printed: &str) -> String {
    let word = |word: &str| {
        let is_hash = word.len() >= 7 && word.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase());
        let digits: String = word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        // What happens today has a later date than the rows of the example.
        let is_today = digits == "0000-00-00" && word > "2026";
        let is_time = matches!(digits.as_str(), "0000-00-00T00:00:00Z" | "00000000T000000Z" | "00:00:00");
        if is_hash || is_today || is_time { "#".to_owned() } else { word.to_owned() }
    };
    let line = |line: &str| {
        if line.contains(" old") {
            return "an age".to_owned();
        }
        // How long a query takes is another each time.
        let line = line.split_once(" · takes ").map_or(line, |(before, _)| before);
        let parts = line.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && !"-:".contains(c));
        let all = parts.flat_map(|part| {
            let end = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).len();
            // A branch has a hash behind a dash, a time and a date have dashes themselves.
            let is_date = part.get(..5).is_some_and(|year| year.ends_with('-') && year.starts_with("20"));
            let is_time = (part.contains('T') && part.contains(':')) || is_date;
            let (text, end) = part.split_at(end);
            let words: Vec<String> = if is_time { vec![word(text)] } else { text.split('-').map(word).collect() };
            [words.join("-"), end.to_owned()]
        });
        all.collect::<String>().trim_end().to_owned()
    };
    printed.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_another_in_each_run_does_not_count() {
    for (one, other) in [
        ("pushed to main: 054034e, entry bb85d7822621", "pushed to main: 1a3c78b, entry 111111111111"),
        ("  5  9ad20bfe7569  push  2026-11-21T19:29:56Z  Ann", "  5  304d324380cd  push  2027-01-02T01:02:03Z  Ann"),
        (".formulac/log/20261121T201801Z-dcb4d51128c0.yml: no", ".formulac/log/20270101T000000Z-afce9867ceb9.yml: no"),
        ("2026-11-21 19:26:09  Ann", "2027-01-01 00:00:00  Ann"),
        ("formulac/production-0014a658", "formulac/production-51c2d60a"),
        ("9 of 9 rows · takes 0.02 s", "9 of 9 rows · takes 1.5 s, 0.1 s last time"),
    ] {
        assert_eq!(alike(one), alike(other));
    }
    for (one, other) in
        [("2023-09-01 150.5", "2023-10-01 150.5"), ("9 of 9 rows", "8 of 9 rows"), ("entry 1", "entry 2")]
    {
        assert_ne!(alike(one), alike(other));
    }
}

/// The page's commands, in a folder of their own.
struct Run {
    folder: PathBuf,
    dbt: PathBuf,
    environment: Vec<(&'static str, String)>,
    /// What stands otherwise in commands on another warehouse.
    replaced: Vec<(&'static str, &'static str)>,
}

impl Run {
    /// Runs a command; what it prints comes back, and its exit status where it is not 0.
    fn command(&mut self, command: &str) -> String {
        let command = self.replaced.iter().fold(command.to_owned(), |text, (from, to)| text.replace(from, to));
        let script = "exec 2>&1; cd \"$1\"; eval \"$3\"; status=$?; pwd > \"$2\"; exit $status";
        let left = self.folder.with_file_name("story.pwd");
        let mut shell = Command::new("bash");
        shell.args(["-c", script, "bash"]).arg(&self.folder).arg(&left).arg(&command);
        dbt_settings(&mut shell, &self.folder).env_remove("FORMULAC_ENV").envs(self.environment.iter().cloned());
        // The project has a profile of its own.
        shell.env_remove("DBT_PROFILES_DIR").env_remove("DBT_SCHEMA").env("FORMULAC_DBT", &self.dbt);
        for (name, value) in [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")] {
            shell.env(name, value);
        }
        for name in
            ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "FORMULAC_USER"]
        {
            shell.env_remove(name);
        }
        let programs = [Path::new(env!("CARGO_BIN_EXE_formulac")), &self.dbt];
        let folders = programs.iter().filter_map(|program| program.parent().map(Path::to_owned));
        let path = env::var_os("PATH").unwrap_or_default();
        shell.env("PATH", env::join_paths(folders.chain(env::split_paths(&path))).expect("a path"));
        let output = shell.output().unwrap_or_else(|e| panic!("{command}: {e}"));
        self.folder = read(&left).trim().into();
        let mut printed: String =
            String::from_utf8_lossy(&output.stdout).lines().map(|line| format!("{}\n", line.trim_end())).collect();
        if let Some(status) = output.status.code().filter(|status| *status != 0) {
            printed.push_str(&format!("[exit {status}]\n"));
        }
        printed
    }

    fn put(&self, file: &str, is_added: bool, text: &str) {
        let path = self.folder.join(file);
        let text = self.replaced.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        if !is_added {
            return write(&path, &text);
        }
        let mut open = OpenOptions::new().append(true).open(&path).unwrap_or_else(|e| panic!("{file}: {e}"));
        open.write_all(text.as_bytes()).unwrap_or_else(|e| panic!("{file}: {e}"));
    }

    /// The rows that the model has, as dbt shows them.
    fn finds_the_rows(&mut self) {
        self.command("dbt --quiet build --select mrr_growth");
        let shown = self.command("dbt --quiet show --select mrr_growth --limit 100 --output json");
        let shown: Value = serde_json::from_str(&shown).unwrap_or_else(|e| panic!("{e}: {shown}"));
        let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
        let row = |row: &Value| {
            let month = row["billing_month"].as_str().unwrap_or_default().get(..10).unwrap_or_default().to_owned();
            let (revenue, prior) = (number(&row["monthly_recurring_revenue"]), number(&row["prior_quarter_mrr"]));
            let growth = number(&row["quarterly_growth_rate"]);
            let expected = prior.filter(|it| *it != 0.0).zip(revenue).map(|(prior, now)| (now - prior) / prior);
            let is_right = match (growth, expected) {
                (Some(growth), Some(expected)) => (growth - expected).abs() < 1e-6,
                (None, None) => true,
                _ => false,
            };
            assert!(is_right, "{row}");
            json!([month, revenue, prior])
        };
        let mut rows: Vec<Value> = shown["show"].as_array().expect("rows").iter().map(row).collect();
        rows.sort_by_key(ToString::to_string);
        assert_eq!(rows, ROWS.map(|(month, revenue, prior)| json!([month, revenue, prior])));
    }
}

/// Runs a page on DuckDB and compares what its commands print, or writes that into the page.
fn told_on_duckdb(page_path: &str, folder: &str) -> Option<Run> {
    let dbt = tool("FORMULAC_DBT")?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page_path);
    let mut told = steps(&read(&path));
    let mut story = Run { folder: scratch(folder), dbt, environment: Vec::new(), replaced: Vec::new() };
    for step in &mut told {
        match step {
            Step::Run { command, printed } => {
                let now = story.command(command);
                if alike(&now) != alike(printed) {
                    let is_written = env::var_os("FORMULAC_WRITE").is_some();
                    assert!(is_written, "`{command}` prints\n{now}\nand {page_path} says\n{printed}");
                    *printed = now;
                }
            }
            Step::Put { file, is_added, text } => story.put(file, *is_added, text),
            Step::Told(_) => {}
        }
    }
    if env::var_os("FORMULAC_WRITE").is_some() {
        write(&path, &page(&told));
    }
    Some(story)
}

/// Runs a page on Postgres: its commands end as they do on DuckDB.
fn done_on_postgres(page_path: &str, folder: &str) -> Option<(Run, Server)> {
    let (dbt, python) = (tool("FORMULAC_DBT")?, tool("FORMULAC_PYTHON")?);
    let server = Server::start(&python);
    let environment =
        vec![("DBT_TARGET", "pg".to_owned()), ("PGHOST", server.folder.clone()), ("PGUSER", "oracle".to_owned())];
    let mut story = Run { folder: scratch(folder), dbt, environment, replaced: ON_POSTGRES.to_vec() };
    for step in &steps(&read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(page_path))) {
        match step {
            Step::Run { command, printed } => {
                let now = story.command(command);
                let exit = |printed: &str| printed.lines().find(|line| line.starts_with("[exit ")).map(str::to_owned);
                assert_eq!(exit(&now), exit(printed), "`{command}` prints\n{now}");
                if command.contains("formulac init") {
                    let settings = story.folder.join("formulac.yml");
                    let text = read(&settings);
                    write(&settings, &text.replace("dialect: duckdb", "dialect: postgres"));
                    run(Command::new("grep").arg("dialect: postgres").arg(&settings));
                }
            }
            Step::Put { file, is_added, text } => story.put(file, *is_added, text),
            Step::Told(_) => {}
        }
    }
    Some((story, server))
}

#[test]
fn from_omni_to_dbt_on_duckdb() {
    let Some(mut story) = told_on_duckdb(FROM_OMNI, "story_duckdb") else { return };
    story.finds_the_rows();
}

#[test]
fn from_omni_to_dbt_on_postgres() {
    let Some((mut story, _server)) = done_on_postgres(FROM_OMNI, "story_postgres") else { return };
    story.finds_the_rows();
}

/// The rows that production has of the page's model at last, as finance has them.
fn production_agrees(story: &mut Run) {
    let query = "select m.billing_month, m.revenue, f.revenue as theirs from {{ ref('monthly_revenue') }} m full join {{ ref('finance_mrr') }} f on f.billing_month = m.billing_month";
    let shown = story.command(&format!("dbt --quiet show --limit 100 --output json --inline \"{query}\""));
    let shown: Value = serde_json::from_str(&shown).unwrap_or_else(|e| panic!("{e}: {shown}"));
    let rows = shown["show"].as_array().expect("rows");
    assert!(rows.len() >= 9, "{rows:?}");
    for row in rows {
        assert!(!row["revenue"].is_null() && row["revenue"] == row["theirs"], "{row}");
    }
}

#[test]
fn from_a_proposal_to_production_on_duckdb() {
    let Some(mut story) = told_on_duckdb(FROM_A_PROPOSAL, "proposal_duckdb") else { return };
    production_agrees(&mut story);
}

#[test]
fn from_a_proposal_to_production_on_postgres() {
    let Some((mut story, _server)) = done_on_postgres(FROM_A_PROPOSAL, "proposal_postgres") else { return };
    production_agrees(&mut story);
}
