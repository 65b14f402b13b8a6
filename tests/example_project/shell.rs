//! Runs commands as a user would type them, in a shell with formulac, dbt and git, but without the machine's settings.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::read;
use crate::tools::dbt_settings;

/// A shell that stays in the same folder from one command to the next.
pub struct Shell {
    pub folder: PathBuf,
    dbt: PathBuf,
    environment: Vec<(&'static str, String)>,
    /// File to which a command writes its final working folder.
    left: PathBuf,
}

impl Shell {
    pub fn begin(folder: PathBuf, dbt: PathBuf, environment: Vec<(&'static str, String)>) -> Self {
        Self {
            left: folder.with_extension("pwd"),
            folder,
            dbt,
            environment,
        }
    }

    /// Runs a command. Returns its exit status and its output, without whitespace at the end of lines.
    pub fn run(&mut self, command: &str) -> (i32, String) {
        let script = "exec 2>&1; cd \"$1\"; eval \"$3\"; status=$?; pwd > \"$2\"; exit $status";
        let mut shell = Command::new("bash");
        shell
            .args(["-c", script, "bash"])
            .arg(&self.folder)
            .arg(&self.left)
            .arg(command);
        dbt_settings(&mut shell, &self.folder)
            .env_remove("FORMULAC_ENV")
            .envs(self.environment.iter().cloned());
        // The project has its own profile.
        shell
            .env_remove("DBT_PROFILES_DIR")
            .env_remove("DBT_SCHEMA")
            .env("FORMULAC_DBT", &self.dbt);
        for (name, value) in [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")] {
            shell.env(name, value);
        }
        for name in [
            "GIT_AUTHOR_NAME",
            "GIT_AUTHOR_EMAIL",
            "GIT_COMMITTER_NAME",
            "GIT_COMMITTER_EMAIL",
            "FORMULAC_USER",
        ] {
            shell.env_remove(name);
        }
        let programs = [Path::new(env!("CARGO_BIN_EXE_formulac")), &self.dbt];
        let folders = programs
            .iter()
            .filter_map(|program| program.parent().map(Path::to_owned));
        let path = env::var_os("PATH").unwrap_or_default();
        shell.env(
            "PATH",
            env::join_paths(folders.chain(env::split_paths(&path))).expect("a path"),
        );
        let output = shell.output().unwrap_or_else(|e| panic!("{command}: {e}"));
        self.folder = read(&self.left).trim().into();
        let lines = String::from_utf8_lossy(&output.stdout);
        let printed = lines.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        (output.status.code().unwrap_or(-1), printed)
    }
}

/// Masks values that differ in each run: hashes, times and ages.
pub fn mask_output(output: &str) -> String {
    let word = |word: &str| {
        let is_hash = word.len() >= 7 && word.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase());
        let digits: String = word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        // The current date is later than the dates in the example's rows.
        let is_today = digits == "0000-00-00" && word > "2026";
        let is_time = matches!(
            digits.as_str(),
            "0000-00-00T00:00:00Z" | "00000000T000000000000Z" | "00:00:00"
        );
        if is_hash || is_today || is_time {
            "#".to_owned()
        } else {
            word.to_owned()
        }
    };
    let line = |line: &str| {
        if line.contains(" old") {
            return "an age".to_owned();
        }
        // The running time of a query differs in each run.
        let line = line.split_once(" · takes ").map_or(line, |(before, _)| before);
        let parts = line.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && !"-:".contains(c));
        let all = parts.flat_map(|part| {
            let end = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).len();
            // In a branch name, the hash follows a dash. Times and dates also contain dashes.
            let is_date = part
                .get(..5)
                .is_some_and(|year| year.ends_with('-') && year.starts_with("20"));
            let is_time = (part.contains('T') && part.contains(':')) || is_date;
            let (text, end) = part.split_at(end);
            let words: Vec<String> = if is_time {
                vec![word(text)]
            } else {
                text.split('-').map(word).collect()
            };
            [words.join("-"), end.to_owned()]
        });
        all.collect::<String>().trim_end().to_owned()
    };
    output.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn volatile_output_is_masked() {
    for (one, other) in [
        (
            "committed to main: 054034e, entry bb85d7822621",
            "committed to main: 1a3c78b, entry 111111111111",
        ),
        (
            "  5  9ad20bfe7569  push  2026-11-21T19:29:56Z  Ann",
            "  5  304d324380cd  push  2027-01-02T01:02:03Z  Ann",
        ),
        (
            ".formulac/log/20261121T201801123456Z-dcb4d51128c0.yml: no",
            ".formulac/log/20270101T000000000000Z-afce9867ceb9.yml: no",
        ),
        ("2026-11-21 19:26:09  Ann", "2027-01-01 00:00:00  Ann"),
        ("formulac/production-0014a658", "formulac/production-51c2d60a"),
        (
            "9 of 9 rows · takes 0.02 s",
            "9 of 9 rows · takes 1.5 s, 0.1 s last time",
        ),
    ] {
        assert_eq!(mask_output(one), mask_output(other));
    }
    for (one, other) in [
        ("2023-09-01 150.5", "2023-10-01 150.5"),
        ("9 of 9 rows", "8 of 9 rows"),
        ("entry 1", "entry 2"),
    ] {
        assert_ne!(mask_output(one), mask_output(other));
    }
}
