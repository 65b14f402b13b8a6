//! Tests `formulac env`.

use crate::repository::{begin, commit, edit, git, snapshot, switch_user};
use crate::roles::create_project;
use crate::run::{TestProject, finish};

#[test]
fn environments_are_listed_shown_and_used() {
    let mut project = create_project("env_used");
    project
        .show(&["env", "list"])
        .show(&["env", "show"])
        .show(&["env", "use", "production"])
        .show(&["env", "list"]);
    project
        .show(&["env", "use", "nowhere"])
        .show(&["env", "show", "producton"]);
    project.show(&["env", "list", "--env", "development", "--json"]);
    // Personal settings apply to one user only, and git ignores them.
    project.write(
        "formulac.local.yml",
        "user: zoe\nenvironments: {development: {connection: my_duckdb, vars: {start: '${user}', api_token: abcd}}}\n",
    );
    project.show(&["env", "show", "development"]);
    project.write(
        "formulac.local.yml",
        "environments: {development: {protected: false}, producton: {schema: x}}\n",
    );
    project.show(&["env", "list"]);
    snapshot(&project, "env__used");
    project.write("formulac.local.yml", "user: zoe\n");
    assert_eq!(git(&project, &["status", "--porcelain"]), "");
    let mut command = project.command(&["env", "show", "--json"]);
    command.env("FORMULAC_ENV", "development");
    let shown = finish(command).json();
    assert_eq!(
        (shown["name"].as_str(), shown["because"].as_str()),
        (Some("development"), Some("FORMULAC_ENV"))
    );
    assert_eq!(shown["schema"], "analytics_dev_zoe");
}

/// `${branch}` and `${env.NAME}` can be part of an identifier, like `${user}`.
#[test]
fn schemas_are_named_after_branches_and_variables() {
    let project = create_project("env_placeholders");
    let schema = "\"ci_${branch}_${env.FORMULAC_TEST_PR}_${user}\", vars: {pr: '${env.FORMULAC_TEST_PR}'}";
    edit(&project, "formulac.yml", "\"analytics_dev_${user}\"", schema);
    commit(&project, "schema");
    git(&project, &["switch", "--quiet", "-c", "feature/New-metrics.2"]);
    let shown = |args: &[&str], pr: &str| {
        let mut command = project.command(args);
        command.env("FORMULAC_TEST_PR", pr);
        finish(command)
    };
    let run = shown(&["env", "show", "--json"], "PR #42");
    let report = run.json();
    assert_eq!(report["schema"], "ci_feature_new_metrics_2_pr__42_ann", "{}", run.err);
    assert_eq!(report["vars"], "{pr: 'pr__42'}");
    // If HEAD is not on a branch, as in CI, the schema is named after the commit.
    git(&project, &["switch", "--quiet", "--detach"]);
    let commit = git(&project, &["rev-parse", "--short=7", "HEAD"]);
    let report = shown(&["env", "show", "--json"], "7").json();
    assert_eq!(report["schema"], format!("ci_commit_{}_7_ann", commit.trim()));
    // A placeholder without a value is an error, because several users would otherwise share the schema.
    let run = shown(&["env", "show"], "");
    let expected = "`${env.FORMULAC_TEST_PR}` of the environment `development` has no value\n\
                    help: set the environment variable FORMULAC_TEST_PR\n";
    assert!(run.exit == 2 && run.err.contains(expected), "{}", run.err);
    let run = shown(&["env", "check"], "");
    assert!(
        run.out
            .contains("development: `${env.FORMULAC_TEST_PR}` has no value here"),
        "{}",
        run.out
    );
    for args in [
        ["env", "show", "production"].as_slice(),
        &["env", "list"],
        &["env", "use", "development"],
    ] {
        assert_eq!(shown(args, "").exit, 0, "{args:?}");
    }
}

#[test]
fn env_use_changes_no_tracked_files() {
    let project = create_project("env_untouched");
    switch_user(&project, "eve");
    project.run(&["push", "--yes"]);
    let before = git(&project, &["rev-parse", "HEAD:"]);
    for name in ["production", "development", "production"] {
        project.succeed(&["env", "use", name]);
        assert_eq!(
            (
                git(&project, &["status", "--porcelain"]),
                git(&project, &["rev-parse", "HEAD:"])
            ),
            (String::new(), before.clone())
        );
    }
    // A plan applies to the current environment, and a push follows the rules of that environment.
    assert_eq!(project.run(&["plan", "--json"]).json()["environment"], "production");
}

#[test]
fn a_push_to_production_from_another_branch_is_rejected() {
    let mut project = create_project("env_elsewhere");
    switch_user(&project, "eve");
    git(&project, &["switch", "--quiet", "-c", "feature"]);
    project
        .show(&["push", "--env", "production", "--yes", "--quiet"])
        .show(&["release", "--env", "production"]);
    snapshot(&project, "env__elsewhere");
    assert!(!project.path("models").exists());
    // A rollback of production from another branch is also rejected.
    git(&project, &["switch", "--quiet", "-c", "work"]);
    project.succeed(&["push", "--yes", "--quiet"]);
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(tax)");
    commit(&project, "tax");
    let run = project.run(&["rollback", "1", "--env", "production", "--yes"]);
    assert!(run.exit == 4 && run.err.contains("`main`"), "{}", run.err);
    assert_eq!(git(&project, &["status", "--porcelain"]), "");
}

#[test]
fn all_errors_are_reported_in_one_run() {
    let mut project = TestProject::new("env_check");
    project.write(
        "formulac.yml",
        "dialect: duckdb\nenvironments:\n  production: {connection: prod, schema: analytics, protected: true}\n  staging: {connection: stagin, schema: s, branch: \"a b\"}\n  dev: {connection: dev, schema: dev, vars: {db_password: x}}\n  test: {connection: dev, schema: DEV, dialect: snowflake}\n  gone: {branch: gone}\nroles: {a@example.com: engineer}\napprovals: {production: {engineer: 2}, gone: {engineer: 1}}\n",
    );
    project.write("dbt_project.yml", "name: shop\nprofile: shop\n");
    project.write(
        "profiles.yml",
        "shop: {target: dev, outputs: {dev: {type: duckdb}, prod: {type: postgres}}}\n",
    );
    project.write("formulac.local.yml", "user: zoe\n");
    begin(&project);
    project.show(&["env", "check"]).show(&["env", "check", "dev", "--json"]);
    snapshot(&project, "env__check");
}

#[test]
fn names_and_approvals_are_reported_at_their_position() {
    let mut project = TestProject::new("env_file");
    project.write(
        "formulac.yml",
        "environments:\n  ../x: {}\n  -x: {}\n  production: {protectd: true}\ngroups: {data-team: [a@example.com]}\nroles: {data-teem: engineer, x@example.com: boss}\napprovals: {produktion: {engineer: 1}, production: {enginer: 1, business: many}}\n",
    );
    project.show(&["env", "list"]);
    snapshot(&project, "env__file");
}

#[test]
fn models_are_compared_with_those_of_a_branch() {
    let mut project = create_project("env_diff");
    project.run(&["generate"]);
    commit(&project, "generated");
    git(&project, &["switch", "--quiet", "-c", "feature"]);
    project.show(&["env", "diff", "production"]);
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(amount - tax)");
    project.write(
        "metrics/share.yml",
        "model: share\nfrom: orders\nkeep: [id]\ndefinitions: twice = amount * 2\n",
    );
    project.run(&["generate"]);
    project
        .show(&["env", "diff", "production"])
        .show(&["env", "diff", "production", "share", "--json"]);
    project
        .show(&["env", "diff", "production", "none"])
        .show(&["env", "diff", "development"]);
    snapshot(&project, "env__diff");
}

/// Secrets in dbt's errors are masked. The fake dbt prints its arguments, as dbt does when a profile or macro fails.
#[cfg(unix)]
#[test]
fn secrets_in_dbt_errors_are_masked() {
    let project = create_project("env_secrets");
    let vars = "vars: {start: 2024-01-01, api_token: hunter2-token, url: 'postgres://me:s3cret-word@host/db', dsn: s3cret-dsn, odbc: Server=x;Pwd=s3cret-pwd}";
    edit(
        &project,
        "formulac.yml",
        "${user}\"}",
        &format!("${{user}}\", {vars}}}"),
    );
    project.write("dbt_project.yml", "name: shop\nprofile: shop\n");
    let says =
        r#"printf '{"info":{"name":"E","level":"error","msg":"%s"},"data":{}}\n' "$(echo "$*" | tr -d '\n"')"; exit 2"#;
    project.program("dbt", &format!("#!/bin/sh\n{says}\n"));
    let mut command = project.command(&["preview", "metrics/revenue.yml"]);
    command.env("FORMULAC_DBT", project.path("dbt"));
    let run = finish(command);
    assert!(
        run.err.contains("start: 2024-01-01") && run.err.contains("api_token: ***"),
        "{}",
        run.err
    );
    for shown in [
        run.err,
        run.out,
        project.run(&["env", "show"]).out,
        project.run(&["env", "show", "--json"]).out,
    ] {
        assert!(!shown.contains("hunter2") && !shown.contains("s3cret"), "{shown}");
    }
}

/// Rows are compared only if the relations are known. The fake dbt reports that every relation exists and has these
/// columns.
#[cfg(unix)]
#[test]
fn rows_are_compared_only_if_the_relations_are_known() {
    let mut project = create_project("env_rows");
    project.write("dbt_project.yml", "name: shop\nprofile: shop\n");
    project.run(&["generate"]);
    commit(&project, "generated");
    let says = r#"'{"info":{"name":"JinjaLogInfo"},"data":{"msg":"formulac [true, [[\"total\",\"integer\"]]]"}}'"#;
    project.program(
        "dbt",
        &format!("#!/bin/sh\necho \"$*\" >> asked.txt\nfor side in 1 2; do echo {says}; done\n"),
    );
    let run = |project: &TestProject, args: &[&str]| {
        let mut command = project.command(&[&["env", "diff", "production", "--rows"], args].concat());
        command.env("FORMULAC_DBT", project.path("dbt"));
        finish(command)
    };
    let rows_message = |project: &TestProject, name: &str| {
        let node = format!(
            r#"{{"metadata": {{"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"}},
            "nodes": {{"model.shop.revenue": {{"resource_type": "model", "name": "revenue", "package_name": "shop",
            "relation_name": {name}}}}}}}"#
        );
        project.write("target/production/manifest.json", node);
        let run = run(project, &["--json"]);
        assert_eq!(run.exit, 5, "{}{}", run.out, run.err);
        run.json()["models"][0]["rows"]["told"].as_str().unwrap().to_owned()
    };
    let missing = run(&project, &[]);
    assert!(
        missing.exit == 5 && missing.err.contains("there is no dbt manifest of `production`"),
        "{}",
        missing.err
    );
    let hostile = r#""x; drop table revenue --""#;
    assert_eq!(
        rows_message(&project, hostile),
        "the manifest of production uses a table name that cannot be read"
    );
    assert_eq!(
        rows_message(&project, r#""{{ env_var('SECRET') }}""#),
        rows_message(&project, hostile)
    );
    assert!(
        !project.path("asked.txt").exists() || !project.read("asked.txt").contains("drop"),
        "{}",
        project.read("asked.txt")
    );
    assert_eq!(
        rows_message(&project, "null"),
        "the manifest of production reports that the model is not built"
    );
    let key = "development has no column `country`, which is part of the key";
    assert_eq!(rows_message(&project, r#""\"db\".\"prod\".\"revenue\"""#), key);
    // If dbt reads the same relation on both sides, the rows agree without a comparison.
    let says = says.replace("]]]", r#"]], \"db.prod.revenue\"]"#);
    let same = format!("#!/bin/sh\nfor side in 1 2; do echo {says}; done\n");
    project.program("dbt", &same);
    assert_eq!(
        rows_message(&project, r#""\"db\".\"prod\".\"revenue\"""#),
        "development and production both use the relation db.prod.revenue, perhaps because the dbt profile ignores FORMULAC_SCHEMA"
    );
    project.show(&["env", "diff", "production", "--rows", "--env", "production"]);
    project.show(&["env", "diff", "production", "--limit", "3"]);
    project.show(&["env", "diff", "production", "--rows", "--engine", "duckdb"]);
    snapshot(&project, "env__rows");
}

/// A misspelled environment name is an error in every command that reads the project.
#[test]
fn unknown_environments_are_errors() {
    let project = create_project("env_unknown");
    let spec = "model: m\nfrom: t\ngroup_by: g\ndefinitions: {n: COUNT()}\n";
    project.write("spec.yml", spec);
    for args in [
        &["compile", "SUM(a)"][..],
        &["check", "spec.yml"],
        &["query", "spec.yml"],
        &["generate", "--check"],
        &["status"],
        &["plan"],
    ] {
        let run = project.run(&[args, &["--env", "nowhere"]].concat());
        assert_eq!(run.exit, 2, "{args:?}: {}", run.err);
        assert!(run.err.contains("there is no environment `nowhere`"), "{}", run.err);
        let mut command = project.command(args);
        command.env("FORMULAC_ENV", "nowhere");
        assert_eq!(finish(command).exit, 2, "{args:?}");
    }
    let known = project.run(&["compile", "SUM(a)", "--env", "development"]);
    assert_eq!(known.exit, 0, "{}", known.err);
    let outside = project.run(&["compile", "SUM(a)", "--env", "nowhere", "--no-project"]);
    assert_eq!(outside.exit, 0, "{}", outside.err);
}
