//! Tests the project file, and the global options that read it.

use serde_json::json;

use crate::run::TestProject;

#[test]
fn the_dialect_comes_from_the_project_file() {
    let project = TestProject::new("project");
    project
        .write("formulac.yml", "specs: metrics/\ndialect: bigquery\n")
        .write("metrics/deep/x", "");
    let dialect = |args: &[&str], folder: &str| {
        let mut command = project.command(args);
        command.current_dir(project.path(folder));
        crate::run::finish(command).json()["dialect"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let call = ["compile", "x", "--json"];
    assert_eq!(dialect(&call, "."), "bigquery");
    assert_eq!(dialect(&call, "metrics/deep"), "bigquery");
    assert_eq!(
        dialect(&["compile", "x", "--json", "--dialect", "duckdb"], "."),
        "duckdb"
    );
    assert_eq!(
        dialect(&["--project-dir", "metrics", "compile", "x", "--json"], "."),
        "postgres"
    );
    assert_eq!(
        dialect(&["compile", "x", "--json", "--project-dir", "../.."], "metrics/deep"),
        "bigquery"
    );
}

#[test]
fn errors_in_the_project_file_are_reported() {
    let project = TestProject::new("faulty_project");
    let err = |text: &[u8]| {
        project.write("formulac.yml", text);
        let run = project.run(&["compile", "x"]);
        (run.exit, run.err)
    };
    let (exit, text) = err(b"specs: m\ndialect: mysql\n");
    assert_eq!(exit, 1);
    assert!(
        text.contains("error[F0804]: there is no dialect `mysql`") && text.contains("[formulac.yml:2:10]"),
        "{text}"
    );
    let (exit, text) = err(b"a: [\n");
    assert!(exit == 1 && text.contains("F0801"), "{text}");
    let (exit, text) = err(b"dialekt: duckdb\n");
    assert!(
        exit == 1 && text.contains("F0802") && text.contains("did you mean `dialect`?"),
        "{text}"
    );
    let (exit, text) = err(b"a: \xFF\n");
    assert!(exit == 1 && text.contains("F0104"), "{text}");
    assert_eq!(err(b"").0, 0);
    // The project file contains more than the dialect, so it is read even if an option sets the dialect.
    project.write("formulac.yml", "a: [\n");
    let run = project.run(&["compile", "x", "--dialect", "duckdb", "--json"]);
    assert_eq!((run.exit, run.err.as_str()), (1, ""));
    let value = run.json();
    assert_eq!(
        (&value["dialect"], &value["diagnostics"][0]["file"]),
        (&json!("duckdb"), &json!("formulac.yml"))
    );
    for (folder, reason) in [("nowhere", "does not exist"), ("formulac.yml", "is not a folder")] {
        let run = project.run(&["check", "--project-dir", folder]);
        let error = format!(
            "error[F0822]: the project's folder `{folder}` {reason}\n  help: specify an existing folder with \
             `--project-dir`\n"
        );
        assert!(run.exit == 5 && run.err.contains(&error), "{}{}", run.out, run.err);
    }
}

/// The project's time zone, its setting for blank cells and its warning settings apply to all formulas and specs that
/// do not override them.
#[test]
fn project_settings_apply_to_all_formulas() {
    let project = TestProject::new("project_settings");
    project.write(
        "formulac.yml",
        "timezone: Europe/Berlin\nblanks: zero\nlint: {W0412: off}\n",
    );
    let out = |args: &[&str]| {
        let run = project.run(args);
        (run.exit, run.out, run.err)
    };
    let done = |sql: &str| (0, format!("{sql}\n"), String::new());
    let year = |zone: &str| {
        done(&format!(
            "cast(extract(year from timezone('{zone}', current_timestamp)) as bigint)"
        ))
    };
    assert_eq!(out(&["compile", "YEAR(NOW())"]), year("Europe/Berlin"));
    assert_eq!(out(&["compile", "YEAR(NOW())", "--timezone", "UTC"]), year("UTC"));
    assert_eq!(
        project.run(&["compile", "a + 1", "--context", "row"]).out,
        "coalesce(a, 0) + 1\n"
    );
    assert_eq!(out(&["compile", "COUNT(a = 1)"]), done("count(a = 1)"));
    let spec = "model: m\nfrom: t\ntimezone: UTC\ndefinitions: a = YEAR(NOW()) + COUNT(b = 1) + MAX(c * 2)\n";
    project.write("metrics/m.yml", spec);
    let (exit, sql, messages) = out(&["query", "metrics/m.yml"]);
    assert_eq!((exit, messages.as_str()), (0, ""));
    assert!(
        sql.contains("'UTC'") && sql.contains("max(coalesce(c, 0) * 2)"),
        "{sql}"
    );
}

/// `check` without files checks the project's specs.
#[test]
fn check_looks_for_the_projects_specs() {
    let project = TestProject::new("project_check");
    assert_eq!(project.run(&["check"]).exit, 2);
    project
        .write("formulac.yml", "specs: specs/\n")
        .write("specs/b.yml", "model: b\nfrom: t\ndefinitions: a = SUMM(x)\n");
    project
        .write("specs/deep/a.yaml", "model: a\nfrom: t\ndefinitions: a = SUM(x)\n")
        .write("specs/notes.md", "-");
    let run = project.run(&["check", "--output-format", "concise"]);
    assert_eq!(
        (run.exit, run.out.as_str()),
        (
            1,
            "specs/b.yml:3:18: error[F0301]: unknown function `SUMM`; help: did you mean `SUM`?\n"
        )
    );
    assert_eq!(run.err, "2 files checked: 1 error\n");
    // The project file is not a spec, and the other YAML files of a dbt project are not either.
    project.write("formulac.yml", "specs: .\n");
    assert_eq!(project.run(&["check"]).err, "2 files checked: 1 error\n");
    project.write("dbt_project.yml", "name: shop\n");
    let run = project.run(&["check"]);
    assert!(
        run.exit == 5 && run.err.contains("cannot be the project's folder"),
        "{}",
        run.err
    );
    std::fs::remove_file(project.path("dbt_project.yml")).unwrap();
    project.write("formulac.yml", "specs: nowhere\n");
    let run = project.run(&["check"]);
    assert_eq!(
        (run.exit, run.err.as_str()),
        (
            5,
            "error: there are no specs: the folder `nowhere/` does not exist\n\
             help: write a spec in `nowhere/`, or correct `specs` in formulac.yml\n"
        )
    );
}

#[test]
fn global_options_without_effect_are_accepted() {
    let project = TestProject::new("global_options");
    let run = project.run(&[
        "compile",
        "SUM(x)",
        "--no-input",
        "--env",
        "production",
        "--quiet",
        "--color",
        "never",
    ]);
    assert_eq!(
        (run.exit, run.out.as_str(), run.err.as_str()),
        (0, "coalesce(sum(x), 0)\n", "")
    );
}

#[test]
fn other_versions_are_refused() {
    let project = TestProject::new("requires");
    let run = |requires: &str| {
        project.write("formulac.yml", format!("requires: {requires}\n").as_bytes());
        let run = project.run(&["compile", "x"]);
        (run.exit, run.err)
    };
    assert_eq!(run(concat!("\">=", env!("CARGO_PKG_VERSION"), "\"")).0, 0);
    let (exit, text) = run("\">=9\"");
    assert!(
        exit == 2 && text.contains("the project requires formulac >=9, but this is formulac"),
        "{text}"
    );
    let (exit, text) = run("newest");
    assert!(exit == 1 && text.contains("F0804"), "{text}");
}
