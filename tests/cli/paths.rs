//! Tests paths and links that lead out of the project, for every command that writes files. Files outside of the
//! project never change. A command that would write outside of the project exits with status 5 before it writes any
//! file. The tests also cover folders that dbt does not search.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::repository::{begin, commit, edit, git, git_may_fail};
use crate::run::{TestProject, finish};

const PROJECT: &str = "dialect: duckdb\nenvironments: {dev: {}, prod: {branch: main, protected: true}}\n";
const REVENUE: &str = "\
model: revenue
from: orders
group_by: country
definitions: |
  /// Before tax.
  revenue = SUM(amount)
  counted = COUNTIF(amount, \">1\")
rules:
  - small: revenue < 100 + counted
columns:
  country: {data_tests: [not_null]}
";

fn manifest() -> String {
    let columns = |names: [&str; 3]| -> serde_json::Value {
        names
            .iter()
            .map(|name| ((*name).to_owned(), json!({"name": name, "data_type": "integer"})))
            .collect()
    };
    let node = |name: &str, names: [&str; 3]| {
        json!({
            "unique_id": format!("model.shop.{name}"), "name": name, "resource_type": "model", "package_name": "shop",
            "path": format!("{name}.sql"), "original_file_path": format!("models/{name}.sql"), "fqn": ["shop", name],
            "database": "db", "schema": "main", "alias": name, "relation_name": format!("db.main.{name}"),
            "columns": columns(names), "config": {"materialized": "table"}, "depends_on": {"nodes": []},
        })
    };
    json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop",
            "adapter_type": "duckdb",
        },
        "nodes": {
            "model.shop.orders": node("orders", ["country", "amount", "id"]),
            "model.shop.own": node("own", ["country", "amount", "id"]),
        },
        "sources": {},
    })
    .to_string()
}

/// Returns a project that was pushed once and is in a subfolder of its repository. Since that push, the spec and the
/// generated files have changed.
fn template() -> &'static TestProject {
    static PLACE: std::sync::OnceLock<TestProject> = std::sync::OnceLock::new();
    PLACE.get_or_init(|| {
        let project = TestProject::new("paths/template");
        project.write("outside/kept.sql", "select 1\n").write("outside/kept.yaml", "schema: main\n");
        project.write("project/dbt_project.yml", "name: shop\nprofile: shop\n");
        project.write("project/formulac.yml", PROJECT).write("project/metrics/revenue.yml", REVENUE);
        project.write("project/models/orders.sql", "select 1 as country, 2 as amount, 3 as id\n");
        project.write("project/.gitignore", "target/\n.formulac/local/\nformulac.local.yml\n");
        project.write("project/target/manifest.json", manifest());
        let own = "schema: main\ntable_name: own\ndimensions: {amount: {}, country: {}}\nmeasures:\n  total: {aggregate_type: sum, sql: '${amount}'}\n";
        project.write("project/omni/own.view.yaml", own);
        begin(&project);
        let run = |args: &[&str]| {
            let run = finish(in_project(&project, args));
            assert_eq!(run.exit, 0, "{args:?}: {}{}", run.out, run.err);
        };
        run(&["push", "--yes"]);
        run(&["pull"]);
        commit(&project, "pulled");
        git(&project, &["switch", "--quiet", "--create", "work"]);
        edit(&project, "project/metrics/revenue.yml", "SUM(amount)", "SUM(amount) - SUM(id)");
        commit(&project, "changed");
        fs::remove_dir_all(project.path(".git/hooks")).unwrap();
        project
    })
}

fn in_project(project: &TestProject, args: &[&str]) -> Command {
    let mut command = project.command(args);
    command.current_dir(project.path("project"));
    command
}

fn copied(name: &str) -> TestProject {
    let project = TestProject::new(&format!("paths/{name}"));
    let copied = Command::new("cp")
        .arg("-R")
        .arg(template().path("."))
        .arg(project.path(""))
        .status()
        .unwrap();
    assert!(copied.success());
    project
}

/// Returns the path and the contents of every file in a folder. For a link, returns the target instead of the contents.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            if name == ".git" || name.contains(".formulac/local") {
                continue;
            }
            match fs::symlink_metadata(&path).unwrap() {
                data if data.is_symlink() => found.push((name, fs::read_link(&path).unwrap().display().to_string())),
                data if data.is_dir() => folders.push(path),
                _ => found.push((name, fs::read_to_string(&path).unwrap())),
            }
        }
    }
    found.sort();
    found
}

/// Replaces a file or folder with a link.
fn link(project: &TestProject, to: &str, at: &str) {
    let at = project.path(&format!("project/{at}"));
    if at.is_dir() {
        fs::remove_dir_all(&at).unwrap();
    } else {
        let _ = fs::remove_file(&at);
    }
    symlink(project.path(to), at).unwrap();
}

fn settings(project: &TestProject, more: &str) {
    project.write("project/formulac.yml", format!("{PROJECT}{more}"));
}

const COMMANDS: [&[&str]; 16] = [
    &["generate"],
    &["push", "--yes"],
    &["--env", "prod", "push", "--yes"],
    &["adopt"],
    &["resolve", "revenue", "--theirs"],
    &["rollback", "1", "--yes"],
    &["pull"],
    &[
        "promote",
        "omni/own.view.yaml:total",
        "--grain",
        "country",
        "--name",
        "promoted",
    ],
    &["model", "metrics/revenue.yml", "--out", "models/formulac"],
    &["check", "--fix"],
    &["init"],
    &["env", "use", "dev"],
    &["change", "propose", "More"],
    &["authorize", "--codeowners", "project/CODEOWNERS"],
    &["plan", "-o", "plans/kept.json"],
    &["impact", "orders", "--out", "plans/impact.txt"],
];

/// No command writes outside of the project. Each case changes the project so that a path leads outside, and lists the
/// commands, by their first words, that would write to that path.
#[test]
#[allow(
    clippy::too_many_lines,
    reason = "this is one list of cases, to be split when a case is added"
)]
fn nothing_outside_the_project_is_written() {
    type Setup = fn(&TestProject);
    let into_models: &[&str] = &["generate", "push", "model"];
    let cases: &[(&str, Setup, &[&str])] = &[
        (
            "absolute_models",
            |it| settings(it, &format!("models: {}\n", it.path("outside").display())),
            &["generate", "push", "adopt"],
        ),
        (
            "models_above",
            |it| settings(it, "models: ../outside\n"),
            &["generate", "push", "adopt"],
        ),
        (
            "models_around",
            |it| settings(it, "models: models/../../outside/\n"),
            &["generate", "push", "adopt"],
        ),
        (
            "tests_above",
            |it| settings(it, "tests: ../outside\n"),
            &["generate", "push", "model"],
        ),
        (
            "models_of_git",
            |it| settings(it, "models: .git/hooks\n"),
            &["generate", "push"],
        ),
        ("omni_above", |it| settings(it, "omni: ../outside\n"), &["pull"]),
        (
            "omni_no_repository",
            |it| settings(it, "omni: {path: ../outside}\n"),
            &["pull"],
        ),
        (
            "omni_own_repository",
            |it| settings(it, "omni: {path: ..}\n"),
            &["pull"],
        ),
        ("models_link", |it| link(it, "outside", "models/formulac"), into_models),
        ("models_parent_link", |it| link(it, "outside", "models"), into_models),
        ("tests_link", |it| link(it, "outside", "tests"), into_models),
        (
            "file_link",
            |it| {
                it.write("outside/revenue.sql", it.read("project/models/formulac/revenue.sql"));
                link(it, "outside/revenue.sql", "models/formulac/revenue.sql");
            },
            into_models,
        ),
        (
            "dangling_link",
            |it| link(it, "outside/new.sql", "models/formulac/revenue.sql"),
            into_models,
        ),
        (
            "specs_link",
            |it| {
                let spec = it.read("project/metrics/revenue.yml");
                it.write("outside/revenue.yml", spec);
                link(it, "outside", "metrics");
            },
            &["promote"],
        ),
        (
            "spec_link",
            |it| {
                it.write(
                    "outside/revenue.yml",
                    it.read("project/metrics/revenue.yml").replace(", \">1\"", "; \">1\""),
                );
                link(it, "outside/revenue.yml", "metrics/revenue.yml");
            },
            &["check"],
        ),
        ("omni_link", |it| link(it, "outside", "omni"), &["pull"]),
        (
            "formulac_link",
            |it| link(it, "outside", ".formulac"),
            &["push", "adopt", "rollback", "pull", "env", "change"],
        ),
        (
            "local_link",
            |it| {
                fs::remove_dir_all(it.path("project/.formulac/local")).unwrap();
                link(it, "outside", ".formulac/local");
            },
            &["push", "adopt", "resolve", "rollback", "env"],
        ),
        ("log_link", |it| link(it, "outside", ".formulac/log"), &["push"]),
        ("plans_link", |it| link(it, "outside", "plans"), &["impact"]),
        (
            "gitignore_link",
            |it| link(it, "outside/ignored", ".gitignore"),
            &["init"],
        ),
        ("codeowners_link", |it| link(it, "outside/owners", "CODEOWNERS"), &[]),
        (
            "model_name",
            |it| {
                edit(
                    it,
                    "project/metrics/revenue.yml",
                    "model: revenue",
                    "model: ../outside/kept",
                );
            },
            &[],
        ),
        (
            "model_folder",
            |it| edit(it, "project/metrics/revenue.yml", "model: revenue", "model: /outside"),
            &[],
        ),
    ];
    let mut faults = Vec::new();
    for (name, setup, refused) in cases {
        let begun = |is_edited: bool| {
            let project = copied(name);
            fs::remove_dir_all(project.path("project/.formulac/state/omni")).unwrap();
            if is_edited {
                edit(
                    &project,
                    "project/models/formulac/revenue.yml",
                    "Before tax.",
                    "Before all tax.",
                );
            }
            setup(&project);
            project
        };
        let is_refused = |args: &[&str]| refused.contains(&args[0]);
        let project = begun(false);
        let outside = files(&project.path("outside"));
        let run = |project: &TestProject, args: &[&str]| {
            let run = finish(in_project(project, args));
            let message = format!("{name}: {args:?} ends with {}:\n{}{}", run.exit, run.out, run.err);
            assert_eq!(files(&project.path("outside")), outside, "{message}");
            (run, message)
        };
        // A rejected command does not change the project, so the next command starts from the same state.
        for args in COMMANDS.into_iter().filter(|args| is_refused(args)) {
            let edited = ["adopt", "resolve"].contains(&args[0]).then(|| begun(true));
            let project = edited.as_ref().unwrap_or(&project);
            let before = files(&project.path("project"));
            let (run, message) = run(project, args);
            let messages = [
                "is outside the project",
                "is inside git's own folder",
                "a separate git repository",
            ];
            if run.exit != 5 || !messages.iter().any(|message| run.err.contains(message)) {
                faults.push(message.clone());
            }
            assert_eq!(files(&project.path("project")), before, "{message}");
        }
        for args in COMMANDS.into_iter().filter(|args| !is_refused(args)) {
            run(&project, args);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Links from one part of the project to another part are followed. Paths outside of the project are used if the user
/// specifies them on the command line.
#[test]
fn links_inside_the_project_and_named_folders_are_written() {
    let project = copied("inside");
    link(&project, "project/kept_metrics", "metrics");
    project.write(
        "project/kept_metrics/revenue.yml",
        REVENUE.replace("SUM(amount)", "SUM(amount) * 2"),
    );
    fs::rename(project.path("project/models"), project.path("project/real_models")).unwrap();
    link(&project, "project/real_models", "models");
    let run = |args: &[&str]| {
        let run = finish(in_project(&project, args));
        assert_eq!(run.exit, 0, "{args:?}: {}{}", run.out, run.err);
    };
    run(&["generate"]);
    assert!(project.read("project/real_models/formulac/revenue.sql").contains("* 2"));
    run(&["model", "metrics/revenue.yml", "--out", "../made"]);
    assert_eq!(project.files("made"), ["revenue.sql", "revenue.yml"]);
    run(&["plan", "-o", "../made/plan.json"]);
    assert_eq!(project.files("made"), ["plan.json", "revenue.sql", "revenue.yml"]);
    // Omni's files may be in another repository.
    fs::create_dir_all(project.path("omni_model")).unwrap();
    assert_eq!(git_may_fail(&project, &["init", "--quiet", "omni_model"]).exit, 0);
    settings(&project, "omni: {path: ../omni_model}\n");
    fs::remove_dir_all(project.path("project/.formulac/state/omni")).unwrap();
    run(&["pull"]);
    assert!(project.path("omni_model/main/orders.view.yaml").is_file());
}

#[test]
fn folders_that_dbt_does_not_read_are_refused() {
    let mut project = TestProject::new("paths_unread");
    project.write(
        "formulac.yml",
        "dialect: duckdb\nmodels: models/formulac/\ntests: tests/formulac/ # of ours\n",
    );
    project.write("metrics/revenue.yml", REVENUE);
    project.write(
        "dbt_project.yml",
        "name: shop\nmodel-paths: [dbt_models]\ntest-paths: ['./data-tests/']\n",
    );
    begin(&project);
    project
        .show(&["generate"])
        .show(&["check"])
        .show(&["plan"])
        .show(&["status"]);
    project.show(&["model", "metrics/revenue.yml", "--out", "models"]);
    assert!(project.files("models").is_empty() && project.files("tests").is_empty());
    let generate = |text: &str| {
        project.write("dbt_project.yml", text);
        let run = project.run(&["generate", "--output-format", "concise"]);
        (run.exit, run.err)
    };
    // formulac can resolve the first Jinja expression, but not the second.
    let (exit, err) = generate("name: shop\nmodel-paths: [\"{{ env_var('NO_SUCH_VARIABLE', 'models') }}\"]\n");
    assert_eq!((exit, err.contains("F0830")), (0, false), "{err}");
    let (exit, err) = generate("name: shop\nmodel-paths: [\"{{ folder_of('models') }}\"]\n");
    assert!(
        exit == 0
            && err.contains("cannot resolve the Jinja of `model-paths: {{ folder_of('models') }}` in dbt_project.yml"),
        "{err}"
    );
    // Some commands read the project several times, but print each warning once.
    let run = project.run(&["model", "revenue"]);
    assert_eq!(run.err.matches("cannot resolve the Jinja").count(), 1, "{}", run.err);
    // The following cases include older names of keys, generic tests, links, docs and disabled models.
    let (exit, err) = generate("name: shop\nsource-paths: [sql]\n");
    assert!(
        exit == 1 && err.contains("dbt does not look for models in `models/formulac`"),
        "{err}"
    );
    project.write("formulac.yml", "dialect: duckdb\ntests: tests/generic/formulac\n");
    let (exit, err) = generate("name: shop\n");
    assert!(
        exit == 1 && err.contains("`generic` is a folder of another kind"),
        "{err}"
    );
    project.write("formulac.yml", "dialect: duckdb\n");
    let long = REVENUE.replace("Before tax.", &"A long description, with many words in it. ".repeat(8));
    project.write("metrics/revenue.yml", long);
    // dbt would not find docs blocks next to the model, so the description is in the properties file.
    let (exit, err) = generate("name: shop\ndocs-paths: [docs]\n");
    assert_eq!(exit, 0, "{err}");
    assert!(!project.path("models/formulac/revenue.md").exists());
    assert!(
        project
            .read("models/formulac/revenue.yml")
            .contains("A long description, with many words in it.")
    );
    let (exit, err) = generate("name: shop\ndocs-paths: [models]\n");
    assert_eq!(exit, 0, "{err}");
    assert!(
        project
            .read("models/formulac/revenue.md")
            .contains("A long description")
    );
    let (exit, err) = generate("name: shop\nmodels: {shop: {+enabled: false}}\n");
    assert!(
        exit == 0 && err.contains("dbt_project.yml disables the models"),
        "{err}"
    );
    fs::remove_dir_all(project.path("models/formulac")).unwrap();
    project.write("models/real/x", "");
    symlink("real", project.path("models/formulac")).unwrap();
    let (exit, err) = generate("name: shop\n");
    assert!(
        exit == 1 && err.contains("dbt does not follow the link `models/formulac`"),
        "{err}"
    );
    crate::repository::snapshot(&project, "paths__unread");
}

/// Generated files in folders that the project file no longer names are reported until they are removed.
#[test]
fn files_in_former_folders_are_named() {
    let project = TestProject::new("paths_former");
    project
        .write("formulac.yml", "dialect: duckdb\n")
        .write("metrics/revenue.yml", REVENUE);
    project.write(
        "dbt_project.yml",
        "name: shop\nmodel-paths: [models, more]\ntest-paths: [tests, data-tests]\n",
    );
    project.succeed(&["generate"]);
    project.write(
        "formulac.yml",
        "dialect: duckdb\nmodels: more/formulac\ntests: data-tests/formulac\n",
    );
    for command in ["generate", "check", "status"] {
        let run = project.run(&[command]);
        let outside = "outside the folders `models:` and `tests:` of formulac.yml";
        let message = format!(
            "warning: 3 generated files are {outside}: models/formulac/revenue.sql, models/formulac/revenue.yml, \
             tests/formulac/assert_revenue_small.sql; `formulac push` moves them"
        );
        assert!(run.err.contains(&message), "{command}: {}", run.err);
    }
    // A file that also exists in the new folders is obsolete.
    project.write("more/formulac/revenue.yml", project.read("models/formulac/revenue.yml"));
    let expected_message = "1 generated file is outside the folders `models:` and `tests:` of formulac.yml: models/formulac/revenue.yml; remove";
    let run = project.run(&["check"]);
    assert!(run.err.contains(expected_message), "{}", run.err);
    fs::remove_dir_all(project.path("more")).unwrap();
    project.write("metrics/revenue.yml", REVENUE.replace("SUM(", "MAX("));
    assert_eq!(project.run(&["generate", "--check"]).exit, 1);
    project.succeed(&["generate"]);
    assert!(project.read("models/formulac/revenue.sql").contains("max("));
    fs::remove_dir_all(project.path("models")).unwrap();
    fs::remove_dir_all(project.path("tests")).unwrap();
    assert!(!project.run(&["generate"]).err.contains("outside of the folders"));
}

/// dbt's target folder is `DBT_TARGET_PATH` if the variable is set, otherwise `target-path`.
#[test]
fn the_target_folder_is_that_of_dbt() {
    let project = TestProject::new("paths_target");
    project
        .write("formulac.yml", "dialect: duckdb\n")
        .write("metrics/revenue.yml", REVENUE);
    project.write(
        "dbt_project.yml",
        "name: shop\ntarget-path: \"{{ env_var('NO_SUCH_VARIABLE', 'build') }}/dbt\"\n",
    );
    project
        .write("build/dbt/manifest.json", manifest())
        .write("elsewhere/manifest.json", manifest());
    let known = |variable: Option<&str>| {
        let mut command = project.command(&["status"]);
        command.env_remove("DBT_TARGET_PATH");
        command.envs(variable.map(|folder| ("DBT_TARGET_PATH", folder)));
        !finish(command).out.contains("there is no")
    };
    assert!(known(None) && known(Some("elsewhere")) && !known(Some("nowhere")));
    fs::remove_dir_all(project.path("build")).unwrap();
    assert!(!known(None));
}

/// A push commits the files to which links in the project lead. `plan` reports links that lead out of the project.
#[test]
fn pushes_follow_links() {
    let project = copied("linked_files");
    let git = |args: &[&str]| {
        let args: Vec<&str> = ["-C", "project"].iter().chain(args).copied().collect();
        let run = git_may_fail(&project, &args);
        assert_eq!(run.exit, 0, "git {args:?}: {}{}", run.out, run.err);
        run.out
    };
    let run = |args: &[&str]| finish(in_project(&project, args));
    let move_behind_link = |file: &str, to: &str| {
        fs::create_dir_all(project.path(to).parent().unwrap()).unwrap();
        fs::rename(project.path(&format!("project/{file}")), project.path(to)).unwrap();
        link(&project, to, file);
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--message", "link"]);
    };
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--allow-empty", "--message", "all"]);
    assert_eq!(run(&["push", "--yes"]).exit, 0);
    move_behind_link("metrics/revenue.yml", "project/shared/revenue.yml");
    move_behind_link("models/formulac/revenue.sql", "project/made/revenue.sql");
    let spec = project.read("project/shared/revenue.yml");
    project.write(
        "project/shared/revenue.yml",
        spec.replace("SUM(amount)", "SUM(amount) * 3"),
    );
    let pushed = run(&["push", "--yes"]);
    assert_eq!(pushed.exit, 0, "{}{}", pushed.out, pushed.err);
    assert_eq!(git(&["status", "--porcelain"]), "");
    let committed = git(&["show", "--name-only", "--format=", "HEAD"]);
    for file in ["shared/revenue.yml", "made/revenue.sql"] {
        assert!(committed.contains(file), "{committed}");
    }
    move_behind_link("models/formulac/revenue.yml", "outside/revenue.yml");
    project.write(
        "project/shared/revenue.yml",
        spec.replace("SUM(amount)", "SUM(amount) * 4"),
    );
    let plan = run(&["plan"]);
    let refusal = "`push` would refuse this plan: `models/formulac/revenue.yml` is outside the project";
    assert!(plan.err.contains(refusal), "{}", plan.err);
    assert_eq!(run(&["push", "--yes"]).exit, 5);
}
