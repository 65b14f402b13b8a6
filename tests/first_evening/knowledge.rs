//! Tests that all commands in a project write the same SQL for a spec, even on a machine where dbt has never run.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::project;
use crate::tools::{copy, dbt_settings, files_below, run, scratch, tool, write};

/// Stand-in for dbt that stores the query that it should show, and then fails.
const KEEPS_THE_QUERY: &str = "#!/bin/sh\nfor last; do :; done\nprintf %s \"$last\" > \"$QUERY_FILE\"\nexit 1\n";

/// Stand-in for dbt that stores each query and then runs it.
const KEEPS_ALL_QUERIES: &str =
    "#!/bin/sh\nfor last; do :; done\nprintf '%s\\n\\n' \"$last\" >> \"$QUERY_FILE\"\nexec \"$REAL_DBT\" \"$@\"\n";

struct Knowledge {
    project: PathBuf,
    scratch: PathBuf,
    problems: Vec<String>,
}

/// SQL that the commands write for a spec.
struct SentSql {
    query: String,
    /// The SQL of the generated model, with the casts of its contract, but without the parts that only one command
    /// writes.
    formula: String,
}

/// Checks the specs of a project that dbt has built, and returns the errors. The specs in `more` are added to the
/// project's own specs.
pub fn differences(project: &Path, more: Option<&str>) -> Vec<String> {
    if let Some(more) = more {
        copy(
            &Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/first_evening/specs")
                .join(more),
            &project.join("metrics"),
        );
    }
    let name = more.map_or_else(
        || project.file_name().expect("a name").to_string_lossy().into_owned(),
        str::to_owned,
    );
    let scratch = scratch(&format!("knowledge_of_{name}"));
    let mut knowledge = Knowledge {
        project: project.to_owned(),
        scratch,
        problems: Vec::new(),
    };
    // Files with manual edits that no spec can express are generated again.
    for folder in ["models/formulac", "dbt/models/formulac"].map(|folder| project.join(folder)) {
        if folder.is_dir() {
            fs::remove_dir_all(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        }
    }
    let generated = knowledge.formulac(&["generate"]);
    if !generated.status.success() {
        let message = format!("generate in {name}: {}", String::from_utf8_lossy(&generated.stderr));
        return vec![message];
    }
    let mut sql_by_spec = BTreeMap::new();
    for spec in specs(project) {
        sql_by_spec.insert(spec.clone(), knowledge.sql_by_command(&spec));
    }
    knowledge.check_verify(&sql_by_spec);
    knowledge.check_same_sql_without_artifacts(&sql_by_spec);
    knowledge.problems
}

/// Returns the paths of the specs of models, relative to the project. Metric sets have no SQL.
fn specs(project: &Path) -> Vec<String> {
    let is_set = |name: &str| {
        let text = fs::read_to_string(project.join("metrics").join(name)).expect("a spec");
        text.lines().any(|line| line.starts_with("metric_set:"))
    };
    let files = files_below(&project.join("metrics"));
    files
        .into_keys()
        .filter(|name| name.ends_with(".yml") && !is_set(name))
        .map(|name| format!("metrics/{name}"))
        .collect()
}

impl Knowledge {
    fn formulac(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_formulac"));
        dbt_settings(command.args(args), &self.project)
            .env_remove("FORMULAC_ENV")
            .env("NO_COLOR", "1");
        command.output().expect("formulac runs")
    }

    /// Returns the output of a command, which must succeed.
    fn run_command(&mut self, args: &[&str]) -> String {
        let output = self.formulac(args);
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            self.problems
                .push(format!("{}: {}\n{message}", args.join(" "), output.status));
        }
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Compares the SQL that the commands write for a spec.
    fn sql_by_command(&mut self, spec: &str) -> SentSql {
        let name = Path::new(spec)
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let query = self.run_command(&["query", spec, "--quiet"]);
        let mut model = self.model_sql(spec, &name);
        let is_it = |path: &str| {
            Path::new(path)
                .file_name()
                .is_some_and(|file| *file == *format!("{name}.sql"))
        };
        let files = files_below(&self.project);
        let generated = files
            .iter()
            .find(|(path, _)| is_it(path) && !path.starts_with("build/"));
        let generated = generated
            .map(|(_, text)| text.trim_end().to_owned())
            .unwrap_or_default();
        self.check_same(&format!("{name}: `model` and `generate`"), &model, &generated);
        // Only the model has the casts of a contract.
        let text = project::read(&self.project.join(spec));
        if text.contains("\ncontract: {enforced: true}\n") {
            let loose = self.scratch.join(format!("{name}.yml"));
            write(&loose, &text.replace("enforced: true", "enforced: false"));
            model = self.model_sql(&loose.to_string_lossy(), &name);
        }
        self.check_same(
            &format!("{name}: `query` and `model`"),
            &common_sql(&query),
            &common_sql(&model),
        );
        let preview = self.preview_query(spec);
        self.check_same(
            &format!("{name}: `preview` and `model`"),
            &common_sql(&preview),
            &common_sql(&model),
        );
        self.check_explain(spec);
        SentSql {
            query,
            formula: common_sql(&generated),
        }
    }

    /// Returns the SQL of a model as `model` prints it.
    fn model_sql(&mut self, spec: &str, name: &str) -> String {
        let printed = self.run_command(&["model", spec, "--quiet"]);
        let sql = printed
            .split_once(&format!("-- {name}.sql\n"))
            .map_or("", |(_, sql)| sql);
        sql.split(&format!("\n# {name}.yml\n"))
            .next()
            .unwrap_or_default()
            .trim_end()
            .to_owned()
    }

    fn check_same(&mut self, description: &str, one: &str, other: &str) {
        if one != other || one.is_empty() {
            self.problems.push(format!("{description}:\n{one}\n-- and\n{other}"));
        }
    }

    /// Returns the query that a preview sends to dbt.
    fn preview_query(&self, spec: &str) -> String {
        self.sent_query(KEEPS_THE_QUERY, &["preview", spec, "--quiet"])
    }

    /// Returns the query that a command sends to the fake dbt.
    fn sent_query(&self, script: &str, args: &[&str]) -> String {
        let [dbt, query] = ["dbt", "query.sql"].map(|name| self.scratch.join(name));
        write(&dbt, script);
        fs::set_permissions(&dbt, fs::Permissions::from_mode(0o755)).expect("a program");
        write(&query, "");
        let mut command = Command::new(env!("CARGO_BIN_EXE_formulac"));
        dbt_settings(command.args(args), &self.project).env_remove("FORMULAC_ENV");
        command.env("REAL_DBT", tool("FORMULAC_DBT").expect("a dbt"));
        command
            .env("FORMULAC_DBT", &dbt)
            .env("QUERY_FILE", &query)
            .output()
            .expect("formulac runs");
        project::read(&query)
    }

    /// Checks that `verify` compares built models with the SQL that the other commands write.
    fn check_verify(&mut self, sql_by_spec: &BTreeMap<String, SentSql>) {
        let mut built = Command::new(tool("FORMULAC_DBT").expect("a dbt"));
        built.args(["--no-use-colors", "run", "--select"]);
        built.args(sql_by_spec.keys().filter_map(|spec| Path::new(spec).file_stem()));
        let built = dbt_settings(&mut built, &self.project).output().expect("dbt runs");
        if !built.status.success() {
            return self
                .problems
                .push(format!("dbt run: {}", String::from_utf8_lossy(&built.stdout)));
        }
        let sent = words(&without_jinja(
            &self.sent_query(KEEPS_ALL_QUERIES, &["verify", "--quiet"]),
        ));
        let missing = sql_by_spec.iter().filter(|(_, sql)| !sent.contains(&sql.formula));
        let problems: Vec<String> = missing
            .map(|(spec, sql)| format!("{spec}: `verify` does not send\n{}", sql.formula))
            .collect();
        if !problems.is_empty() {
            self.problems.extend(problems);
            self.problems.push(format!("`verify` sends\n{sent}"));
        }
    }

    /// Checks that `explain` and `compile` return the same result for the definitions in a spec with one step, without
    /// assumptions.
    fn check_explain(&mut self, spec: &str) {
        let file = project::yaml(&self.project.join(spec));
        let (Some(from), Some(definitions)) = (relation(&file), file["definitions"].as_str()) else {
            return;
        };
        let has = |key: &str| !file[key].is_null();
        if has("steps") || has("joins") || has("columns") && file["columns"].is_array() || has("partition_by") {
            return;
        }
        let list = |key: &str| match &file[key] {
            Value::Array(entries) => entries.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        let (group_by, order_by) = (list("group_by"), list("order_by"));
        let call = |command: &'static str| {
            let mut args = vec![command, definitions, "--json", "--quiet", "--from", &from];
            if !group_by.is_empty() {
                args.extend(["--group-by", &group_by]);
            }
            if !order_by.is_empty() {
                args.extend(["--order-by", &order_by]);
            }
            args.into_iter().map(str::to_owned).collect::<Vec<String>>()
        };
        let [compiled, explained] = ["compile", "explain"].map(|command| {
            let args = call(command);
            let printed = self
                .formulac(&args.iter().map(String::as_str).collect::<Vec<_>>())
                .stdout;
            serde_json::from_slice::<Value>(&printed).unwrap_or_default()
        });
        let dialect = compiled["dialect"].as_str().unwrap_or_default().to_owned();
        let of = |of: &Value| -> Vec<String> {
            let all = of["definitions"].as_array().cloned().unwrap_or_default();
            // `explain` returns the SQL for each dialect.
            let sql = |one: &Value| one["sql"].get(&dialect).unwrap_or(&one["sql"]).clone();
            all.iter()
                .map(|one| format!("{} {} {}", one["name"], one["type"], sql(one)))
                .collect()
        };
        self.check_same(
            &format!("{spec}: `compile` and `explain`"),
            &of(&compiled).join("\n"),
            &of(&explained).join("\n"),
        );
        let empty = serde_json::Map::new();
        for one in compiled["definitions"].as_array().into_iter().flatten() {
            let assumed = one["assumed"].as_object().unwrap_or(&empty);
            if !assumed.is_empty() {
                self.problems
                    .push(format!("{spec}: `compile` assumes {}", one["assumed"]));
            }
        }
    }

    /// Checks that a copy without dbt's artifacts has the same SQL, and that no files have to be generated in it.
    fn check_same_sql_without_artifacts(&mut self, sql_by_spec: &BTreeMap<String, SentSql>) {
        let elsewhere = self.scratch.join("elsewhere");
        copy(&self.project, &elsewhere);
        for left in ["target", "build"] {
            let _ = fs::remove_dir_all(elsewhere.join(left));
        }
        let before = files_below(&elsewhere);
        let here = std::mem::replace(&mut self.project, elsewhere);
        self.run_command(&["generate", "--check"]);
        self.run_command(&["generate"]);
        let after = files_below(&self.project);
        // Locks and the data cached from a manifest exist only on this machine.
        for (path, text) in after.iter().filter(|(path, _)| !path.starts_with(".formulac/local/")) {
            self.check_same(
                &format!("{path} on another machine"),
                text,
                before.get(path).map_or("", String::as_str),
            );
        }
        for (spec, SentSql { query, .. }) in sql_by_spec {
            let there = self.run_command(&["query", spec, "--quiet"]);
            self.check_same(&format!("the query of {spec} on another machine"), &there, query);
        }
        self.project = here;
    }
}

/// Returns the relation that a spec reads, if formulas can refer to it.
fn relation(file: &Value) -> Option<String> {
    let from = file["from"].as_str()?;
    let inside = from.strip_prefix("ref('").and_then(|rest| rest.strip_suffix("')"));
    inside
        .or(Some(from))
        .filter(|name| !name.contains(['(', '\'']))
        .map(str::to_owned)
}

/// Returns SQL without the parts that only one command writes: the header, configuration, import CTEs and incremental
/// condition of a model, and the order of a query's rows. Whitespace is ignored.
fn common_sql(sql: &str) -> String {
    let end = sql
        .rfind("\norder by ")
        .filter(|end| !sql.get(*end..).is_some_and(|rest| rest.contains("\nlimit ")));
    let mut text = sql.get(..end.unwrap_or(sql.len())).unwrap_or_default().trim_start();
    while let Some(rest) = text
        .strip_prefix("{#")
        .and_then(|rest| rest.split_once("#}"))
        .map(|(_, rest)| rest)
    {
        text = rest.trim_start();
    }
    if let Some((_, rest)) = text.strip_prefix("{{").and_then(|rest| rest.split_once("}}")) {
        text = rest.trim_start();
    }
    let text = without_jinja(text);
    let blocks: Vec<&str> = text.split("\n\n").collect();
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some(block) = blocks.get(at) {
        let imported = blocks.get(at + 1).map_or("", |next| next.trim());
        let is_import =
            block.ends_with(" as (") && imported.starts_with("select * from {{") && !imported.contains('\n');
        // The CTE's closing bracket is at the start of the next block.
        if is_import {
            at += 2;
            let rest = blocks.get(at).map_or("", |rest| {
                rest.trim_start_matches("),").trim_start_matches(')').trim_start()
            });
            kept.push(rest);
        } else {
            kept.push(block);
        }
        at += 1;
    }
    words(&kept.join(" "))
}

/// Returns SQL as dbt renders it for a first run, except for the relations.
fn without_jinja(text: &str) -> String {
    let mut text = text.to_owned();
    // Only the model has the condition that selects the rows of an incremental run. The condition is removed, but other
    // conditions next to it are kept.
    while let Some((before, after)) = text.split_once("{% if is_incremental() %}") {
        text = format!(
            "{before}{}",
            after.split_once("{% endif %}").map_or("", |(_, after)| after)
        );
    }
    // A plain query contains the default value of a variable.
    while let Some((before, after)) = text.split_once("cast('{{ var(\"") {
        let (call, after) = after.split_once("\") }}' as date)").unwrap_or_default();
        text = format!("{before}date '{}'{after}", call.rsplit('"').next().unwrap_or_default());
    }
    text
}

/// Returns the words of a string. Omits `with`, because only a model has import CTEs, so the position of `with`
/// differs.
fn words(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().filter(|word| *word != "with").collect();
    words.join(" ")
}

#[test]
fn parts_that_only_models_contain_are_ignored() {
    let query =
        "with a_by_b as (\n\n    select b\n    from a\n    group by b\n\n)\n\nselect b\nfrom a_by_b\norder by b\n";
    let model = "{# formulac: edit it #}\nwith a as (\n\n    select * from {{ ref('a') }}\n\n),\n\na_by_b as (\n\n    select b\n    \
                 from a\n    group by b\n\n)\n\nselect b\nfrom a_by_b\n";
    assert_eq!(common_sql(query), common_sql(model));
    assert_eq!(
        common_sql(query),
        "a_by_b as ( select b from a group by b ) select b from a_by_b"
    );
    assert_ne!(
        common_sql(query),
        common_sql(&model.replace("group by b", "group by c"))
    );
}

/// Returns a project that dbt builds before formulac reads it.
fn create_built_project(name: &str, prepare: impl FnOnce(&Path)) -> Option<PathBuf> {
    let dbt = tool("FORMULAC_DBT")?;
    let project = scratch(name);
    prepare(&project);
    for args in [
        &["build", "--exclude-resource-type", "test", "unit_test"][..],
        &["docs", "generate", "--no-compile"],
    ] {
        run(dbt_settings(
            Command::new(&dbt).arg("--no-use-colors").args(args),
            &project,
        ));
    }
    Some(project)
}

#[test]
fn all_commands_use_the_same_facts_about_the_shop() {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/example_project/shop/project");
    let prepare = |project: &Path| {
        copy(&shop, project);
        copy(&project.join("local_packages"), &project.join("dbt_packages"));
    };
    let Some(project) = create_built_project("shop", prepare) else {
        return;
    };
    let problems = differences(&project, None);
    assert!(
        problems.is_empty(),
        "{} problems\n\n{}",
        problems.len(),
        problems.join("\n\n")
    );
}

#[test]
fn all_commands_use_the_same_facts_about_the_example() {
    let Some(project) = create_built_project("example", |project| copy(&project::folder(), project)) else {
        return;
    };
    let problems = differences(&project, None);
    assert!(
        problems.is_empty(),
        "{} problems\n\n{}",
        problems.len(),
        problems.join("\n\n")
    );
}
