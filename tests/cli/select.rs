//! Tests `--select`, `--exclude` and `--state` for every command that works on specs.

use serde_json::{Value, json};

use crate::repository::{begin, commit, switch_user};
use crate::run::TestProject;

fn create_project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project
        .write("formulac.yml", "dialect: duckdb\nspecs: metrics/\n")
        .write("dbt_project.yml", "name: shop\nprofile: shop\n");
    project.write(
        "metrics/revenue.yml",
        "model: revenue\nfrom: ref('orders')\ntags: [finance]\ngroup_by: country\ndefinitions: revenue = SUM(amount)\n",
    );
    project.write(
        "metrics/share.yml",
        "model: share\nfrom: ref('revenue')\nkeep: all\ndefinitions: share = revenue / SUM(revenue:revenue)\n",
    );
    project.write("metrics/counts.yml", "model: counts\nfrom: ref('orders')\nconfig: {materialized: table}\ngroup_by: country\ndefinitions: orders = COUNT()\n");
    project.write(
        "metrics/broken.yml",
        "model: broken\nfrom: ref('orders')\ndefinitions: x = SUMM(amount)\n",
    );
    project.write(".gitignore", "/state/\n.formulac/local/\n");
    project.write("data/orders.csv", "country,amount\nat,3\nde,4\n");
    begin(&project);
    switch_user(&project, "eve");
    project
}

/// Returns the names of the models in the command's JSON output.
fn models(project: &TestProject, args: &[&str]) -> Vec<String> {
    let run = project.run(&[args, &["--json"]].concat());
    assert!(!run.out.is_empty(), "{args:?}: {}", run.err);
    let value = run.json();
    let name = |model: &Value| model["model"].as_str().or(model["name"].as_str()).unwrap().to_owned();
    value["models"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn every_command_about_specs_accepts_a_selection() {
    let project = create_project("select_commands");
    for (select, expected) in [
        (&["--select", "revenue+"][..], &["revenue", "share"][..]),
        (&["--select", "tag:finance", "counts"], &["counts", "revenue"]),
        (&["-s", "+share,path:metrics", "--exclude", "share"], &["revenue"]),
        (
            &["--exclude", "broken", "config.materialized:table"],
            &["revenue", "share"],
        ),
        (&["--select", "fqn:shop.*.counts"], &["counts"]),
    ] {
        for command in ["plan", "model", "generate"] {
            let mut found = models(&project, &[&[command], select].concat());
            found.sort();
            if command == "generate" {
                // `generate` reports the generated models and the models that they read.
                assert!(
                    expected.iter().all(|name| found.contains(&(*name).to_owned())),
                    "{select:?}: {found:?}"
                );
                continue;
            }
            assert_eq!(found, expected, "{command} {select:?}");
        }
    }
    // An invalid spec affects only commands that select it.
    project.succeed(&["check", "--select", "revenue", "share"]);
    assert_eq!(project.run(&["check", "--select", "broken"]).exit, 1);
    assert_eq!(project.run(&["check"]).exit, 1);
    project.succeed(&["plan", "--select", "revenue"]);
    assert_eq!(project.run(&["plan", "--select", "broken"]).exit, 1);
    let status = |selection: &str| project.run(&["status", "--select", selection]).out;
    assert!(status("broken").contains("has errors") && !status("revenue").contains("has errors"));
    // `preview` displays the rows of exactly one spec.
    let preview = |selection: &[&str]| project.run(&[&["preview", "--data", "data", "--select"], selection].concat());
    let of_counts = preview(&["counts"]);
    assert!(
        of_counts.out.contains("orders") || of_counts.err.contains("the program `duckdb` was not found"),
        "{}",
        of_counts.err
    );
    assert!(
        preview(&["counts", "revenue"])
            .err
            .contains("2 specs are selected, but `preview` needs")
    );
    assert_eq!(preview(&["nothing"]).exit, 2);
    assert_eq!(
        project.run(&["verify", "--data", "data", "--select", "nothing"]).exit,
        2
    );
}

/// Commands that accept model names also accept selectors.
#[test]
fn commands_about_models_accept_a_selection() {
    let place = create_project("select_models");
    std::fs::remove_file(place.path("metrics/broken.yml")).unwrap();
    place.succeed(&["push", "--yes", "--quiet"]);
    let changed = |args: &[&str]| {
        let run = place.run(&[args, &["--json"]].concat());
        assert_eq!(run.exit, 0, "{args:?}: {}", run.err);
        let mut names: Vec<String> = run.json()["changed"]
            .as_array()
            .unwrap_or_else(|| panic!("{}", run.out))
            .iter()
            .map(|start| start["name"].as_str().unwrap_or_default().to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(
        changed(&["impact", "--select", "tag:finance", "counts"]),
        ["counts", "revenue"]
    );
    assert_eq!(
        changed(&["impact", "share", "--exclude", "share", "counts"]),
        ["revenue", "share"]
    );
    assert_eq!(place.run(&["impact", "--select", "revenue", "--since", "main"]).exit, 2);
    // Two models have manual edits, but only one of the two models is selected.
    for model in ["revenue", "counts"] {
        let path = format!("models/formulac/{model}.sql");
        place.write(
            &path,
            place
                .read(&path)
                .replace("group by country", "where country <> 'x'\n    group by country"),
        );
    }
    let adopted = |args: &[&str]| {
        let run = place.run(&[&["adopt", "--dry-run", "--json"], args].concat());
        let found = [&run.json()["adopted"], &run.json()["kept"]]
            .map(|it| it.as_array().unwrap().clone())
            .concat();
        found
            .iter()
            .map(|edit| edit["model"].as_str().unwrap().to_owned())
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(adopted(&[]).len(), 2);
    assert_eq!(
        adopted(&["--select", "+share"]).into_iter().collect::<Vec<_>>(),
        ["revenue"]
    );
    let project = "dialect: duckdb\nspecs: metrics/\nenvironments:\n  production: {branch: main}\n";
    place.write("formulac.yml", project);
    let models = models(&place, &["env", "diff", "production", "--exclude", "revenue"]);
    assert_eq!(models, ["counts"]);
    assert_eq!(
        place
            .run(&["schema", "fetch", "--select", "tag:nothing", "--json"])
            .json()["relations"],
        json!([])
    );
}

#[test]
fn unsupported_selectors_are_rejected_by_name() {
    let mut project = create_project("select_unknown");
    project
        .show(&["plan", "--select", "selector:nightly"])
        .show(&["check", "--select", "state:modified"]);
    project.show(&["generate", "--check", "--select", "state:modified.macros"]);
    project.show(&["plan", "--select", "state:modified.contract"]);
    project
        .show(&["model", "--select", "revenu"])
        .show(&["plan", "--select", "state:new", "--state", "nowhere"]);
    insta::assert_snapshot!(project.transcript());
}

#[test]
fn a_name_that_selects_nothing_is_refused() {
    let project = create_project("select_no_name");
    std::fs::remove_file(project.path("metrics/broken.yml")).unwrap();
    commit(&project, "sound");
    for args in [&["check"][..], &["push", "--yes"], &["plan"], &["generate"]] {
        let run = project.run(&[args, &["--select", "+revenu"]].concat());
        let (error, help) = ("`+revenu` selects no spec", "did you mean `revenue`?");
        assert!(
            run.exit == 2 && run.err.contains(error) && run.err.contains(help),
            "{args:?}: {}",
            run.err
        );
        // Other selectors may match no models.
        let run = project.run(&[args, &["--select", "tag:nightly"]].concat());
        assert!(
            run.exit == 0 && run.err.contains("`tag:nightly` selects no spec"),
            "{args:?}: {}",
            run.err
        );
    }
}

#[test]
fn push_select_leaves_other_models_unchanged() {
    let project = create_project("select_push");
    let run = project.run(&["push", "--yes", "--select", "revenue"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert_eq!(project.files("models/formulac"), ["revenue.sql", "revenue.yml"]);
    assert_eq!(project.files(".formulac/state"), ["revenue.yml"]);
    // A saved plan contains its selection.
    project.succeed(&["plan", "--select", "counts", "-o", "plan.json"]);
    let run = project.run(&["push", "plan.json", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert_eq!(project.files(".formulac/state"), ["counts.yml", "revenue.yml"]);
    // A deleted spec is not part of the selection.
    std::fs::remove_file(project.path("metrics/counts.yml")).unwrap();
    assert_eq!(models(&project, &["plan", "--select", "revenue", "share"]), ["share"]);
}

/// The manifest for the earlier state comes from dbt, which strips whitespace around model code.
#[test]
fn states_are_compared_with_an_earlier_manifest() {
    let project = create_project("select_state");
    std::fs::remove_file(project.path("metrics/broken.yml")).unwrap();
    commit(&project, "sound");
    let run = project
        .run(&[
            "model",
            "metrics/revenue.yml",
            "metrics/share.yml",
            "metrics/counts.yml",
            "--json",
        ])
        .json();
    let node = |name: &str| {
        let models = run["models"].as_array().unwrap();
        let sql = models.iter().find(|model| model["name"] == name).unwrap()["sql"]
            .as_str()
            .unwrap();
        let materialized = if name == "counts" { "table" } else { "view" };
        json!({
            "resource_type": "model", "name": name, "package_name": "shop", "raw_code": sql.trim(), "access": "protected",
            "config": {"materialized": materialized, "tags": ["finance"]}, "tags": ["finance"],
        })
    };
    let manifest = json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop"},
        "nodes": {"model.shop.revenue": node("revenue"), "model.shop.counts": node("counts")},
    });
    project.write("state/manifest.json", manifest.to_string());
    let chosen = |selection: &str| {
        let mut found = models(&project, &["model", "--state", "state", "--select", selection]);
        found.sort();
        found.join(" ")
    };
    assert_eq!(
        (chosen("state:new"), chosen("state:modified")),
        ("share".to_owned(), "share".to_owned())
    );
    assert_eq!(
        (chosen("state:old"), chosen("state:unmodified")),
        ("counts revenue".to_owned(), "counts revenue".to_owned())
    );
    // An edited file that was adopted keeps its layout.
    let other_layout = manifest.to_string().replace("\\nfrom ", "\\n\\nFROM ");
    assert_ne!(other_layout, manifest.to_string());
    project.write("state/manifest.json", other_layout);
    assert_eq!(chosen("state:modified"), "share");
    // Change a formula and a setting.
    let edit = |file: &str, from: &str, to: &str| project.write(file, project.read(file).replace(from, to));
    edit("metrics/revenue.yml", "SUM(amount)", "SUM(amount) * 2");
    assert_eq!(
        (chosen("state:modified.body"), chosen("1+state:new")),
        ("revenue share".to_owned(), "revenue share".to_owned())
    );
    edit("metrics/counts.yml", "table", "view");
    assert_eq!(chosen("state:modified.configs"), "counts share");
    assert_eq!(chosen("state:modified,tag:finance"), "revenue");
    // A relation in a different schema is a different relation. dbt does not compare tags.
    edit("metrics/revenue.yml", "SUM(amount) * 2", "SUM(amount)");
    edit("metrics/revenue.yml", "tags: [finance]", "tags: [finance, daily]");
    assert_eq!(chosen("state:modified"), "counts share");
    edit(
        "metrics/revenue.yml",
        "tags: [finance, daily]",
        "config: {schema: finance}",
    );
    assert_eq!(
        (chosen("state:modified.relation"), chosen("state:modified")),
        ("revenue share".into(), "counts revenue share".into())
    );
    assert_eq!(chosen("state:modified.configs"), "counts share");
    assert_eq!(
        project
            .run(&["check", "--select", "state:modified+", "--state", "state"])
            .err,
        "3 files checked: 3 warnings\n"
    );
}

/// A command that accepts the path of a spec also accepts the name of its model.
#[test]
fn a_model_is_named_in_place_of_its_file() {
    let project = create_project("select_names");
    for command in ["query", "model", "check", "preview"] {
        let run = project.run(&[command, "revenu"]);
        assert_eq!(run.exit, 2, "{command}: {}{}", run.out, run.err);
        // A spec with errors may have any name.
        assert!(
            run.err.contains("`revenu` selects no spec") && run.err.contains("revenue"),
            "{command}: {}",
            run.err
        );
    }
    for command in ["query", "model"] {
        let named = project.run(&[command, "revenue"]);
        assert_eq!(
            (named.exit, named.out),
            (0, project.run(&[command, "metrics/revenue.yml"]).out),
            "{}",
            named.err
        );
    }
    assert_eq!(
        project.run(&["query", "--select", "tag:finance"]).out,
        project.run(&["query", "revenue"]).out
    );
    let several = project.run(&["query", "--select", "revenue+"]);
    assert!(
        several.exit == 2 && several.err.contains("2 specs are selected, but `query` needs"),
        "{}",
        several.err
    );
    let file = project.run(&["explain", "metrics/revenue.yml"]);
    assert!(
        file.exit == 2 && file.err.contains("`metrics/revenue.yml` is a file"),
        "{}{}",
        file.out,
        file.err
    );
    let name = project.run(&["explain", "revenue"]);
    assert!(
        name.exit == 0 && name.err.contains("`formulac query revenue` shows its SQL"),
        "{}",
        name.err
    );
}

/// A rejected command also reports the reason in its JSON output.
#[test]
fn refusals_are_json_too() {
    let project = create_project("select_refusals");
    for (args, exit, text) in [
        (&["promote", "x"][..], 1, ""),
        (&["resolve", "x", "--ours"], 2, ""),
        (&["rollback", "--yes", "1"], 2, ""),
        (&["check", "--select", "foo:bar"], 2, "`foo:`"),
        (&["env", "diff", "prod"], 2, "prod"),
        (&["query", "metrics/none.yml"], 5, ""),
        (&["push"], 2, "pass `--yes` to confirm"),
    ] {
        let run = project.run(&[args, &["--json"]].concat());
        assert!(!run.out.is_empty(), "{args:?}: {}", run.err);
        let json = run.json();
        println!("{args:?} {} {json}", run.exit);
        if let Some(error) = json.get("error") {
            assert_eq!(error["exit"], run.exit, "{args:?}");
            assert!(error["message"].as_str().unwrap().contains(text), "{args:?}: {json}");
        }
        assert_ne!(run.exit, 0, "{args:?} {exit}");
    }
}
