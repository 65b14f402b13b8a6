//! Tests `formulac doctor` with programs in every state: installed, too old, without the adapter, missing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::repository::{begin, git};
use crate::run::{Run, TestProject, finish};

/// Writes a program that prints `version` as its version.
fn program(project: &TestProject, name: &str, version: &str) {
    project.write(name, format!("#!/bin/sh\ncat <<'END'\n{version}\nEND\n"));
    fs::set_permissions(project.path(name), fs::Permissions::from_mode(0o755)).unwrap();
}

const PROFILES: &str = "shop: {target: dev, outputs: {dev: {type: bigquery}}}\n";

fn create_project(name: &str, dbt: &str) -> TestProject {
    let project = TestProject::new(name);
    project.write("formulac.yml", "dialect: bigquery\nspecs: metrics/\n");
    project.write("dbt_project.yml", "name: shop\nprofile: shop\n");
    project.write("profiles.yml", PROFILES);
    project.write(
        "metrics/revenue.yml",
        "model: revenue\nfrom: orders\ndefinitions: revenue = SUM(amount)\n",
    );
    program(&project, "dbt", dbt);
    program(&project, "duckdb", "v1.4.2 (Andium) 68d7555f68");
    project
}

fn doctor(project: &TestProject, more: &[&str]) -> Run {
    finish(doctor_command(project, more))
}

fn doctor_command(project: &TestProject, more: &[&str]) -> Command {
    let mut command = project.command(&[&["doctor"], more].concat());
    command
        .env("FORMULAC_DBT", project.path("dbt"))
        .env("FORMULAC_DUCKDB", project.path("duckdb"));
    command.env("FORMULAC_PSQL", project.path("no_psql"));
    // Git must not search above the test's folder, because the folder is inside this repository.
    let folder = project.path("formulac.yml");
    command.env(
        "GIT_CEILING_DIRECTORIES",
        folder.parent().and_then(Path::parent).unwrap(),
    );
    command
}

const GOOD: &str = "Core:\n  - installed: 1.10.3\n  - latest:    1.12.6 - Update available!\n\nPlugins:\n  - bigquery: 1.10.1 - Up to date!";

#[test]
fn programs_are_named_with_their_versions() {
    let project = create_project("doctor_good", GOOD);
    begin(&project);
    let run = doctor(&project, &[]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    assert!(run.err.starts_with("asking dbt for its version …\n"), "{}", run.err);
    for part in [
        "✓ dbt            1.10.3 with bigquery 1.10.1\n",
        "✓ DuckDB         1.4.2\n",
        "○ psql           not installed; only needed for `preview --engine postgres`: install psql with",
        "SQL for bigquery\n",
        "○ dbt artifacts  there is no",
        "\n○ marks checks that are optional",
        "→ dbt build, then dbt docs generate\n",
    ] {
        assert!(run.out.contains(part), "{part}\n{}", run.out);
    }
    let json: Value = serde_json::from_str(&doctor(&project, &["--json"]).out).unwrap();
    let part = |name: &str| {
        json["parts"]
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["part"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(part("dbt")["in_step"], true);
    assert_eq!(part("dbt artifacts")["fix"], "dbt build, then dbt docs generate");
}

#[test]
fn missing_and_outdated_programs_are_reported_with_a_fix() {
    let rows = [
        (
            "Core:\n  - installed: 1.7.19\nPlugins:\n  - bigquery: 1.7.0",
            "version 1.7.19 is too old: version 1.8 or newer is needed",
        ),
        (
            "Core:\n  - installed: 1.12.6\nPlugins:\n  - duckdb: 1.9.0",
            "dbt has no adapter for bigquery; installed: duckdb 1.9.0",
        ),
    ];
    for (number, (dbt, expected)) in rows.into_iter().enumerate() {
        let project = create_project(&format!("doctor_dbt_{number}"), dbt);
        begin(&project);
        let run = doctor(&project, &[]);
        assert_eq!(run.exit, 5, "{}", run.out);
        assert!(run.out.contains(expected), "{}", run.out);
    }
    let project = create_project("doctor_missing", GOOD);
    fs::remove_file(project.path("dbt")).unwrap();
    program(&project, "duckdb", "v0.10.0 20b1486d11");
    let run = doctor(&project, &[]);
    assert_eq!(run.exit, 5, "{}", run.out);
    for part in [
        "the program `dbt` was not found",
        "→ pip install dbt-core dbt-bigquery",
        "version 0.10.0 is too old: version 1.4 or newer is needed",
        "✗ git            the project is not in a repository, so `push` cannot commit",
    ] {
        assert!(run.out.contains(part), "{part}\n{}", run.out);
    }
    project.write(
        "metrics/revenue.yml",
        "model: revenue\nfrom: orders\ndefinitions: revenue = SUMM(amount)\n",
    );
    assert!(doctor(&project, &[]).out.contains("→ formulac check"));
}

/// The author of commits may be set in environment variables. A pattern such as `log/` for dbt's logs also matches the
/// folder in which `push` records changes.
#[test]
fn doctor_reports_what_prevents_a_commit() {
    let project = create_project("doctor_git", GOOD);
    begin(&project);
    let without_user = |roles: &[&str]| {
        let mut command = doctor_command(&project, &[]);
        command
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_COUNT", "1");
        command
            .env("GIT_CONFIG_KEY_0", "user.useConfigOnly")
            .env("GIT_CONFIG_VALUE_0", "true");
        for role in roles {
            command
                .env(format!("GIT_{role}_NAME"), "Ann")
                .env(format!("GIT_{role}_EMAIL"), "ann@example.com");
        }
        finish(command)
    };
    let both = ["AUTHOR", "COMMITTER"];
    git(&project, &["config", "--unset", "user.name"]);
    git(&project, &["config", "--unset", "user.email"]);
    for roles in [&[][..], &both[..1], &both[1..]] {
        let run = without_user(roles);
        assert!(run.out.contains("no git user is configured"), "{roles:?}: {}", run.out);
    }
    assert_eq!(without_user(&both).exit, 0);
    project.write(".gitignore", "logs/\nlog/\n");
    let run = without_user(&both);
    assert_eq!(run.exit, 5, "{}", run.out);
    for part in [
        "git ignores `.formulac/log/`",
        "add `!.formulac/log/` at the end of .gitignore",
    ] {
        assert!(run.out.contains(part), "{part}\n{}", run.out);
    }
    project.write(".gitignore", "logs/\nlog/\n!.formulac/log/\n");
    assert_eq!(without_user(&both).exit, 0);
    project.write(".gitignore", ".formulac/\n");
    let run = without_user(&both);
    assert!(
        run.out.contains("add `!.formulac/` at the end of .gitignore"),
        "{}",
        run.out
    );
    project.write(".gitignore", ".formulac/\n!.formulac/\n");
    assert_eq!(without_user(&both).exit, 0);
}

/// If the dbt profile is missing or incomplete, dbt cannot run, so the message is about the profile and not about the
/// warehouse.
#[test]
fn problems_of_the_profile_are_named_with_their_fixes() {
    let project = create_project("doctor_profile", GOOD);
    begin(&project);
    for (profiles, found, fix) in [
        (
            None,
            "there is no profiles.yml with the dbt profile `shop`",
            "create the profile with `dbt init`",
        ),
        (
            Some("other: {outputs: {dev: {type: bigquery}}}\n"),
            "has no profile `shop`, which dbt_project.yml specifies",
            "add the profile `shop` to ",
        ),
        (
            Some("shop: {target: prod, outputs: {dev: {type: bigquery}}}\n"),
            "the dbt profile `shop` has no output `prod`",
            "add the output `prod` to ",
        ),
        (
            Some(
                "shop: {target: dev, outputs: {dev: {type: bigquery, project: \"{{ env_var('NO_SUCH_PROJECT') }}\"}}}\n",
            ),
            "the dbt profile needs the environment variable `NO_SUCH_PROJECT`, which is not set",
            "export NO_SUCH_PROJECT=",
        ),
    ] {
        match profiles {
            Some(text) => drop(project.write("profiles.yml", text)),
            None => fs::remove_file(project.path("profiles.yml")).unwrap(),
        }
        let run = doctor(&project, &[]);
        assert_eq!(run.exit, 5, "{}", run.out);
        assert!(
            run.out.contains("✗ dbt profile    ") && run.out.contains(found),
            "{}",
            run.out
        );
        assert!(
            run.out.contains(&format!("→ {fix}")) && !run.out.contains("warehouse"),
            "{}",
            run.out
        );
    }
}

/// If dbt cannot run, `push` gives the same advice as `doctor` instead of dbt's message.
#[test]
fn a_push_reports_why_dbt_cannot_run() {
    let error = r#"{"info": {"name": "MainEncounteredError", "level": "error", "msg": ""}, "data": {"exc": "Runtime Error\n  Could not find adapter type bigquery!"}}"#;
    let project = create_project("doctor_push", GOOD);
    let versions = "Core:\n  - installed: 1.12.6\nPlugins:\n  - duckdb: 1.9.0";
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n*--version*) echo '{versions}';;\n*) cat <<'END'\n{error}\nEND\nexit 2;;\nesac\n"
    );
    project.write("dbt", script);
    fs::set_permissions(project.path("dbt"), fs::Permissions::from_mode(0o755)).unwrap();
    begin(&project);
    let push = || {
        let mut command = project.command(&["push", "--yes"]);
        command.env("FORMULAC_DBT", project.path("dbt"));
        finish(command)
    };
    let run = push();
    assert_eq!(run.exit, 5, "{}{}", run.out, run.err);
    let without_parsing = "; or add `--no-parse` to push without parsing the project with dbt\n";
    let advice = format!(
        "error: dbt has no adapter for bigquery; installed: duckdb 1.9.0\nhelp: pip install dbt-core \
         dbt-bigquery{without_parsing}"
    );
    assert!(run.err.contains(&advice), "{}", run.err);
    fs::remove_file(project.path("profiles.yml")).unwrap();
    let run = push();
    assert_eq!(run.exit, 5, "{}{}", run.out, run.err);
    let problem = "error: there is no profiles.yml with the dbt profile `shop`";
    assert!(
        run.err.contains(problem) && run.err.contains(without_parsing),
        "{}",
        run.err
    );
    assert!(!project.path("models/formulac/revenue.sql").exists());
}

/// The reported reason is the first line of the message from dbt or the warehouse.
#[test]
fn an_unreachable_warehouse_is_reported_with_the_reason() {
    let project = create_project("doctor_unreachable", GOOD);
    begin(&project);
    let event = r#"{"info": {"name": "MainEncounteredError", "level": "error", "msg": "x"}, "data": {"exc": "Runtime Error\n  Database Error\n    403 Access denied\n    to the dataset"}}"#;
    project.write(
        "dbt",
        format!("#!/bin/sh\nif [ \"$1\" = --version ]; then\ncat <<'END'\n{GOOD}\nEND\nexit 0\nfi\ncat <<'END'\n{event}\nEND\nexit 1\n"),
    );
    fs::set_permissions(project.path("dbt"), fs::Permissions::from_mode(0o755)).unwrap();
    let run = doctor(&project, &[]);
    let line = run
        .out
        .lines()
        .find(|line| line.contains("warehouse cannot be reached"));
    let expected = "○ warehouse      the warehouse cannot be reached, so its version and its session parameters are unknown: dbt failed: 403 Access denied";
    assert_eq!(line, Some(expected), "{}", run.out);
    // The warehouse is queried last, so that the other results are shown while `doctor` waits.
    assert!(
        run.out.find("dbt artifacts") < run.out.find("○ warehouse"),
        "{}",
        run.out
    );
}

/// dbt rejects `*/` in its query comment, which may contain the command line, for example in projects with the package
/// `dbt_snowflake_query_tags`. dbt repeats the whole query in its message.
#[test]
fn queries_of_the_warehouse_fit_into_query_comments() {
    let project = create_project("doctor_query_comment", GOOD);
    begin(&project);
    let event = |text: &str| {
        format!(
            r#"{{"info": {{"name": "MainEncounteredError", "level": "error", "msg": "x"}}, "data": {{"exc": "{text}"}}}}"#
        )
    };
    let (illegal, other) = (event("illegal value `*/`"), event(&"no network ".repeat(200)));
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then\ncat <<'END'\n{GOOD}\nEND\nexit 0\nfi\ncase \"$*\" in\n*'*/'*) cat <<'END'\n{illegal}\nEND\n;;\n*) cat <<'END'\n{other}\nEND\n;;\nesac\nexit 1\n"
    );
    program(&project, "dbt", "");
    project.write("dbt", script);
    let run = doctor(&project, &[]);
    let mut lines = run.out.lines();
    let line = lines.find(|line| line.contains("warehouse cannot be reached")).unwrap();
    assert!(line.contains("unknown: dbt failed: no network no network"), "{line}");
    assert!(line.chars().count() < 450 && line.ends_with('…'), "{line}");
}

/// `dbt build` without `--target` would run the generated SQL in another warehouse.
#[test]
fn a_default_target_with_another_dialect_is_named() {
    let project = create_project("doctor_default_target", GOOD);
    begin(&project);
    let profiles = "shop: {target: dev, outputs: {dev: {type: duckdb}, wh: {type: bigquery}}}\n";
    project.write("profiles.yml", profiles);
    let found = "the generated SQL is for bigquery, but dbt's default target `dev` is duckdb";
    let run = doctor(&project, &[]);
    assert!(
        run.out.contains(found) && run.out.contains("→ write `dialect: duckdb`"),
        "{}",
        run.out
    );
    // An environment may have its own dialect, so a default target with this dialect is valid, too.
    project.write(
        "formulac.yml",
        "dialect: bigquery\nspecs: metrics/\nenvironments: {dev: {connection: dev, dialect: duckdb}}\n",
    );
    assert!(!doctor(&project, &[]).out.contains(found));
    project.write("formulac.yml", "dialect: bigquery\nspecs: metrics/\n");
    project.write("profiles.yml", profiles.replace("target: dev", "target: wh"));
    assert!(!doctor(&project, &[]).out.contains(found));
}
