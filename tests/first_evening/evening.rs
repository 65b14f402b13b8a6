//! A user's first session: commands with their expected output, handwritten files, and checks between the commands.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::knowledge::differences;
use crate::project::read;
use crate::shell::{Shell, mask_output};
use crate::tools::{answers, copy, json_lines, scratch, tool, try_with_input, write};

pub struct Evening {
    name: &'static str,
    shell: Shell,
    python: PathBuf,
    /// The folder of the dbt project.
    pub project: PathBuf,
    database: PathBuf,
    transcript: String,
    problems: Vec<String>,
}

impl Evening {
    /// Copies the project `name` to a git repository, with its dbt project in `inner`. Returns `None` if the tools are
    /// not installed.
    pub fn begin(name: &'static str, inner: &str, database: &str) -> Option<Self> {
        let (dbt, python) = (tool("FORMULAC_DBT")?, tool("FORMULAC_PYTHON")?);
        let root = scratch(name);
        copy(
            &Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/first_evening/projects")
                .join(name),
            &root,
        );
        let mut shell = Shell::begin(root.clone(), dbt, Vec::new());
        let commands = "git init --quiet --initial-branch main && git config user.name Ann && git config user.email \
                        ann@example.com && git add --all && git commit --quiet --message 'The project'";
        assert_eq!(shell.run(commands), (0, String::new()));
        shell.folder = root.join(inner);
        let (project, database) = (shell.folder.clone(), root.join(database));
        Some(Self {
            name,
            shell,
            python,
            project,
            database,
            transcript: String::new(),
            problems: Vec::new(),
        })
    }

    /// Creates the project in its initial state, and runs the first formulac command in it.
    pub fn first_command(&mut self, builds: &[&str]) {
        self.part("The project builds, as it did before");
        for build in builds {
            self.runs(build, 0, &[]);
        }
        self.part("Begin");
        self.runs(
            "formulac init",
            0,
            &["wrote formulac.yml", "wrote metrics/", "added 2 lines to .gitignore"],
        );
    }

    /// Adds a heading to the transcript.
    pub fn part(&mut self, title: &str) {
        self.transcript.push_str(&format!("\n## {title}\n\n"));
    }

    /// Runs a command that must exit with this status and print lines that contain these strings. Returns its output.
    pub fn runs(&mut self, command: &str, status: i32, parts: &[&str]) -> String {
        let printed = self.runs_quietly(command, status, parts);
        let masked = mask_output(&printed);
        let exit = if status == 0 {
            String::new()
        } else {
            format!("[exit {status}]\n")
        };
        let end = if masked.is_empty() { "" } else { "\n" };
        self.transcript.push_str(&format!("$ {command}\n{masked}{end}{exit}"));
        printed
    }

    /// Runs a command like `runs`, but without recording it in the transcript.
    pub fn runs_quietly(&mut self, command: &str, status: i32, parts: &[&str]) -> String {
        let (found, printed) = self.shell.run(command);
        if found != status {
            self.problems
                .push(format!("`{command}` ends with {found}, expected {status}:\n{printed}"));
        }
        for part in parts.iter().filter(|part| !printed.contains(**part)) {
            self.problems
                .push(format!("`{command}` does not print `{part}`:\n{printed}"));
        }
        printed
    }

    /// Checks that the output of a command does not contain these strings.
    pub fn check_absent(&mut self, output: &str, parts: &[&str]) {
        for part in parts.iter().filter(|part| output.contains(**part)) {
            self.problems.push(format!("`{part}` is printed:\n{output}"));
        }
    }

    /// Writes a file of the project, as a user would in an editor.
    pub fn write_file(&mut self, file: &str, text: &str) {
        self.transcript.push_str(&format!("$ cat > {file}\n{text}"));
        write(&self.project.join(file), text);
    }

    /// Checks that a file contains these strings.
    pub fn check_file(&mut self, file: &str, parts: &[&str]) {
        let path = self.project.join(file);
        if !path.is_file() {
            return self.problems.push(format!("there is no `{file}`"));
        }
        let text = read(&path);
        for part in parts.iter().filter(|part| !text.contains(**part)) {
            self.problems.push(format!("`{file}` does not hold `{part}`:\n{text}"));
        }
    }

    pub fn check_value(&mut self, description: &str, found: &Value, expected: &Value) {
        if found != expected {
            self.problems
                .push(format!("{description}: found {found}, expected {expected}"));
        }
    }

    /// Returns the rows of a query on the database.
    pub fn rows(&mut self, sql: &str) -> Value {
        let mut reader = Command::new(&self.python);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/example_project/duckdb_rows.py");
        reader.arg(script).arg(&self.database);
        let output = try_with_input(&mut reader, &json_lines(&[json!({"id": "rows", "sql": sql})]));
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            self.problems
                .push(format!("`{sql}`: {}", message.lines().last().unwrap_or_default()));
        }
        answers(&output.stdout)
            .remove("rows")
            .map_or(Value::Null, |answer| answer["rows"].clone())
    }

    /// Checks that a relation has exactly the rows of a handwritten query, and that it is not empty.
    pub fn equals_by_hand(&mut self, relation: &str, columns: &str, by_hand: &str) {
        let built = format!("select {columns} from {relation}");
        let sql = format!(
            "with built as ({built}), by_hand as ({by_hand}) \
             select (select count(*) > 0 from built), (select count(*) from (from built except all from by_hand)), \
             (select count(*) from (from by_hand except all from built))"
        );
        let found = self.rows(&sql);
        self.check_value(
            &format!("{relation} and the SQL by hand"),
            &found,
            &json!([[true, 0, 0]]),
        );
    }

    /// Checks that a preview displays the rows of the table with their types.
    pub fn previews_what_was_built(&mut self, model: &str, key: &str, schema: &str) {
        let preview = format!("formulac preview metrics/{model}.yml --limit 100 --json --quiet");
        let printed = self.runs_quietly(&preview, 0, &[]);
        let shown: Value = serde_json::from_str(&printed).unwrap_or_default();
        let built = self.rows(&format!("select * from {schema}.{model} order by {key}"));
        let [mut shown, mut built] = [rounded_rows(&shown["rows"]), rounded_rows(&built)];
        shown.sort();
        built.sort();
        self.check_value(&format!("the preview of {model}"), &json!(shown), &json!(built));
    }

    /// Checks that the last dbt run had no failures, and that it ran every test in these files.
    pub fn ran_all_of(&mut self, target: &str, folder: &str) {
        let json = |file: &str| -> Value {
            serde_json::from_str(&read(&self.project.join(target).join(file))).expect("an artifact is JSON")
        };
        let (manifest, results) = (json("manifest.json"), json("run_results.json"));
        let results = results["results"].as_array().cloned().unwrap_or_default();
        let nodes = manifest["nodes"].as_object().cloned().unwrap_or_default();
        let status = |id: &str| {
            results
                .iter()
                .find(|result| result["unique_id"] == id)
                .map(|result| result["status"].clone())
        };
        let mut count = 0;
        for (id, node) in &nodes {
            let path = node["original_file_path"].as_str().unwrap_or_default();
            if node["resource_type"] == "test" && path.starts_with(folder) {
                count += 1;
                self.check_value(id, &json!(status(id)), &json!("pass"));
            }
        }
        self.check_value(&format!("there are tests in {folder}"), &json!(count > 0), &json!(true));
    }

    /// Compares the transcript with the committed transcript, if all checks succeeded.
    pub fn end(mut self) {
        let transcript = self.transcript.trim_start().to_owned();
        write(&self.database.with_file_name("transcript.txt"), &transcript);
        self.problems.extend(differences(&self.project, Some(self.name)));
        let count = self.problems.len();
        assert!(
            count == 0,
            "{count} problems in {}\n\n{}",
            self.name,
            self.problems.join("\n\n")
        );
        insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(self.name, transcript) });
    }
}

/// Returns rows as strings, with numbers rounded in the same way.
fn rounded_rows(rows: &Value) -> Vec<String> {
    let value = |value: &Value| {
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
        let text = value.as_str().map(|text| text.replace('T', " "));
        number.map_or_else(
            || text.unwrap_or_else(|| value.to_string()),
            |number| format!("{number:.6}"),
        )
    };
    let row = |row: &Value| {
        row.as_array()
            .into_iter()
            .flatten()
            .map(value)
            .collect::<Vec<_>>()
            .join(" | ")
    };
    rows.as_array().into_iter().flatten().map(row).collect()
}
