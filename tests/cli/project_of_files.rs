//! Tests commands that name files: the project in which the files lie, and files that are named twice.

use crate::repository;
use crate::run::{TestProject, finish};

/// Hooks and editors run commands in the root of a repository, so the project is the one that contains the named file.
#[test]
fn named_files_are_compiled_in_their_project() {
    let project = TestProject::new("project_of_files");
    project
        .write("dbt/formulac.yml", "dialect: duckdb\n")
        .write(
            "dbt/metrics/orders.yml",
            "metric_set: orders\nfrom: orders\ndefinitions: revenue = SUM(amount)\n",
        )
        .write("dbt/metrics/revenue.yml", "model: revenue\nmetrics: orders.revenue\n")
        .write("dbt/metrics/revenue.fx", "SUM(amount)\n")
        .write("other/dbt_project.yml", "name: other\n")
        .write("other/n.yml", "model: n\nfrom: t\ndefinitions: n = COUNT()\n")
        .write("notes/m.yml", "model: m\nfrom: t\ndefinitions: n = COUNT()\n");
    let spec = "dbt/metrics/revenue.yml";
    let commands: [&[&str]; 6] = [
        &["query", spec, "--json"],
        &["model", spec, "--json"],
        &["model", spec, "notes/m.yml", "--json"],
        &["check", spec, "--json"],
        &["explain", spec, "--plan", "--json"],
        &["compile", "--file", "dbt/metrics/revenue.fx", "--json"],
    ];
    for args in commands {
        let of_file = project.succeed(args);
        let given = project.succeed(&[args, &["--project-dir", "dbt"]].concat());
        assert_eq!((&of_file.out, &of_file.err), (&given.out, &given.err), "{args:?}");
        let dialect = of_file.json()["dialect"].clone();
        assert!(dialect == "duckdb" || args[0] == "check", "{args:?}: {}", of_file.out);
    }
    let missing = project.run(&["query", spec, "--no-project"]);
    assert!(
        missing.exit == 1 && missing.err.contains("there is no metric set `orders`"),
        "{}",
        missing.err
    );
    // The project of the file takes precedence over the project of the working directory.
    let mut from_other = project.command(&["query", "../dbt/metrics/revenue.yml", "--json"]);
    from_other.current_dir(project.path("other"));
    assert_eq!(finish(from_other).json()["dialect"], "duckdb");
    let run = project.run(&["check", spec, "other/n.yml"]);
    assert_eq!(
        (run.exit, run.err.as_str()),
        (
            2,
            "error: the files are in different projects: `dbt`, `other`\n\
             help: run `formulac check` once per project, or specify the project, for example with `--project-dir dbt`\n"
        )
    );
}

/// Commands that accept names also accept files of a project in a subfolder.
#[test]
fn names_can_be_files_of_a_project_in_a_subfolder() {
    let project = TestProject::new("project_of_named_files");
    project
        .write("dbt/dbt_project.yml", "name: shop\nprofile: shop\n")
        .write("dbt/formulac.yml", "dialect: duckdb\n")
        .write(
            "dbt/metrics/revenue.yml",
            "model: revenue\nfrom: orders\ndefinitions: revenue = SUM(amount)\n",
        )
        .write(
            "dbt/omni/orders.view.yaml",
            "schema: analytics\nmeasures:\n  total: {sql: '${amount}', aggregate_type: sum}\n",
        );
    repository::begin(&project);
    project.succeed(&["generate", "--project-dir", "dbt"]);
    repository::commit(&project, "generated");
    let sql = "dbt/models/formulac/revenue.sql";
    repository::edit(&project, sql, "sum(amount)", "sum(amount - tax)");
    let (spec, in_project) = ("dbt/metrics/revenue.yml", "metrics/revenue.yml");
    let commands: [&[&str]; 6] = [
        &["impact", spec],
        &["lineage", spec],
        &["promote", "dbt/omni/orders.view.yaml:total", "--dry-run"],
        &["adopt", spec, "--dry-run"],
        &["adopt", sql, "--dry-run"],
        &["adopt", sql, "--json", "--dry-run"],
    ];
    for args in commands {
        let of_file = project.run(args);
        let given = project.run(&[args, &["--project-dir", "dbt"]].concat());
        assert_eq!(
            (of_file.exit, &of_file.out, &of_file.err),
            (0, &given.out, &given.err),
            "{args:?}"
        );
    }
    let adopted = project.succeed(&["adopt", sql]);
    assert!(adopted.err.contains(&format!("wrote {spec}\n")), "{}", adopted.err);
    assert!(
        project.read(spec).contains("SUM(amount - tax)"),
        "{}",
        project.read(spec)
    );
    // The paths of files in the project remain names.
    project.succeed(&["adopt", in_project, "--project-dir", "dbt"]);
    // A dbt project does not need a formulac.yml.
    project.write("other/dbt_project.yml", "name: other\nprofile: other\n");
    project.write("other/models/a.sql", "select 1 as x\n");
    let node = "\"unique_id\": \"model.other.a\", \"name\": \"a\", \"resource_type\": \"model\", \
                \"package_name\": \"other\", \"original_file_path\": \"models/a.sql\", \"schema\": \"s\", \
                \"alias\": \"a\"";
    let schema = "https://schemas.getdbt.com/dbt/manifest/v12.json";
    project.write(
        "other/target/manifest.json",
        format!(
            "{{\"metadata\": {{\"dbt_schema_version\": \"{schema}\", \"project_name\": \"other\"}}, \
             \"nodes\": {{\"model.other.a\": {{{node}}}}}}}\n"
        ),
    );
    project.succeed(&["impact", "other/models/a.sql"]);
}

/// The project is named by `.` if it is the working directory.
#[test]
fn projects_of_files_are_named() {
    let project = TestProject::new("project_of_files_names");
    let spec = |name: &str| format!("model: {name}\nfrom: t\ndefinitions: n = COUNT()\n");
    project
        .write("formulac.yml", "dialect: duckdb\n")
        .write("a.yml", spec("a"))
        .write("inner/formulac.yml", "dialect: duckdb\n")
        .write("inner/b.yml", spec("b"));
    let run = project.run(&["check", "a.yml", "inner/b.yml"]);
    assert_eq!(
        (run.exit, run.err.as_str()),
        (
            2,
            "error: the files are in different projects: `.`, `inner`\n\
             help: run `formulac check` once per project, or specify the project, for example with `--project-dir .`\n"
        )
    );
}

/// A file that is named twice is read once, so its model is not defined by two specs.
#[test]
fn a_file_can_be_named_twice() {
    let project = TestProject::new("files_named_twice");
    project
        .write("formulac.yml", "dialect: duckdb\n")
        .write("metrics/a.yml", "model: a\nfrom: t\ndefinitions: n = COUNT()\n")
        .write("metrics/b.yml", "model: b\nfrom: t\ndefinitions: n = COUNT()\n");
    for args in [["check", "--json"], ["model", "--json"]] {
        let once = project.succeed(&[&args[..], &["metrics/a.yml", "metrics/b.yml"]].concat());
        let files = ["metrics/a.yml", "./metrics/a.yml", "metrics/b.yml", "a"];
        let twice = project.succeed(&[&args[..], &files].concat());
        assert_eq!((twice.out, twice.err), (once.out, once.err), "{args:?}");
    }
}

/// The folder of specs can be a link to a folder outside the project, even to a folder of another project.
#[cfg(unix)]
#[test]
fn the_folder_of_specs_can_be_a_link() {
    use std::os::unix::fs::symlink;

    let project = TestProject::new("linked_specs");
    project
        .write(
            "shared/orders.yml",
            "metric_set: orders\nfrom: orders\ndefinitions: revenue = SUM(amount)\n",
        )
        .write("shared/revenue.yml", "model: revenue\nmetrics: orders.revenue\n")
        .write("other/formulac.yml", "dialect: postgres\n")
        .write(
            "other/specs/count.yml",
            "model: count\nfrom: t\ndefinitions: n = COUNT()\n",
        );
    for (name, target) in [("dbt", "../shared"), ("second", "../other/specs")] {
        project.write(&format!("{name}/formulac.yml"), "dialect: duckdb\n");
        symlink(target, project.path(&format!("{name}/metrics"))).unwrap();
    }
    for (folder, spec) in [("dbt", "revenue"), ("second", "count")] {
        let file = format!("metrics/{spec}.yml");
        let mut in_project = project.command(&["model", &file, "--json"]);
        in_project.current_dir(project.path(folder));
        let in_project = finish(in_project);
        assert_eq!(in_project.exit, 0, "{}", in_project.err);
        assert_eq!(in_project.json()["dialect"], "duckdb");
        assert!(
            in_project.out.contains(&format!("edit {file}, not this file")),
            "{}",
            in_project.out
        );
        let above = project.succeed(&["model", &format!("{folder}/{file}"), "--json"]);
        assert_eq!((above.out, above.err), (in_project.out, in_project.err), "{folder}");
        // The generated files do not depend on the working directory either.
        project.succeed(&["generate", "--project-dir", folder]);
        let mut check = project.command(&["generate", "--check"]);
        check.current_dir(project.path(folder));
        let check = finish(check);
        assert_eq!(check.exit, 0, "{}", check.err);
    }
    // A link outside all projects belongs to the project of its target.
    symlink("other/specs/count.yml", project.path("count.yml")).unwrap();
    let linked = project.succeed(&["query", "count.yml", "--json"]);
    assert_eq!(linked.json()["dialect"], "postgres");
    // The target of the link is the same file, so its model is not defined by two specs.
    project.succeed(&["check", "shared/revenue.yml", "--project-dir", "dbt"]);
}
