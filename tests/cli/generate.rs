//! Tests `formulac generate`.

use crate::run::TestProject;

const PROJECT: &str = "dialect: duckdb\nspecs: metrics/\n";
const ORDERS: &str = "relations:\n  orders: {columns: {id: integer, ordered_on: {type: date, nullable: false}, country: {type: text, nullable: false}, amount: {type: decimal, nullable: false}}, primary_key: [id]}\n";
const BY_COUNTRY: &str =
    "model: by_country\nfrom: orders\ntags: [finance]\ngroup_by: country\ndefinitions: revenue = SUM(amount)\n";
const SHARE: &str = "model: share\nfrom: by_country\nkeep: all\ndefinitions: share = revenue / SUM(revenue:revenue)\n";
const COUNTS: &str = "model: counts\nfrom: orders\ngroup_by: ordered_on[month]\ndefinitions: orders = COUNT()\n";
const CALL: [&str; 3] = ["generate", "--schema", "orders.yml"];

fn create_project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project
        .write("formulac.yml", PROJECT)
        .write("orders.yml", ORDERS)
        .write("metrics/counts.yml", COUNTS);
    project
        .write("metrics/finance/by_country.yml", BY_COUNTRY)
        .write("metrics/finance/share.yml", SHARE);
    project
}

#[test]
fn specs_read_each_others_models() {
    let mut project = create_project("generate");
    project
        .show(&CALL)
        .show(&CALL)
        .show(&["generate", "--schema", "orders.yml", "--check", "--json"]);
    insta::assert_snapshot!(project.transcript());
    insta::assert_snapshot!(project.read("models/formulac/share.sql"));
    insta::assert_snapshot!(project.read("models/formulac/share.yml"));
}

#[test]
fn changed_files_are_written_and_obsolete_files_are_removed() {
    let mut project = create_project("generate_changes");
    project.run(&CALL);
    let stamp = |file: &str| std::fs::metadata(project.path(file)).unwrap().modified().unwrap();
    let before = stamp("models/formulac/share.sql");
    project.write("metrics/counts.yml", COUNTS.replace("COUNT()", "COUNT(id)"));
    std::fs::remove_file(project.path("metrics/finance/by_country.yml")).unwrap();
    project.write(
        "metrics/finance/share.yml",
        SHARE.replace("by_country", "orders").replace("revenue", "amount"),
    );
    project.write("models/formulac/mine.sql", "select 1\n");
    project
        .show(&["generate", "--schema", "orders.yml", "--check"])
        .show(&CALL);
    insta::assert_snapshot!(project.transcript());
    assert!(
        before
            < std::fs::metadata(project.path("models/formulac/share.sql"))
                .unwrap()
                .modified()
                .unwrap()
    );
    let files = ["counts.sql", "counts.yml", "mine.sql", "share.sql", "share.yml"];
    assert_eq!(project.files("models/formulac"), files);
}

#[test]
fn contracts_that_the_project_enforces_are_kept() {
    let mut project = create_project("generate_contracts");
    project.write(
        "dbt_project.yml",
        "name: shop\nmodels: {shop: {formulac: {+contract: {enforced: true}}}}\n",
    );
    let free = "\ncontract: {enforced: false}\n";
    project.write("metrics/counts.yml", format!("{COUNTS}{free}"));
    project.run(&CALL);
    assert!(
        project
            .read("models/formulac/by_country.yml")
            .contains("data_type: varchar")
    );
    assert!(
        project
            .read("models/formulac/by_country.sql")
            .contains(" as decimal(38, ")
    );
    assert!(!project.read("models/formulac/counts.yml").contains("data_type"));
    let one = [
        "model",
        "metrics/finance/by_country.yml",
        "--schema",
        "orders.yml",
        "--out",
        "models/formulac",
        "--check",
    ];
    project.show(&one);
    insta::assert_snapshot!(project.transcript());
}

#[test]
fn no_edit_is_lost_in_merges() {
    let mut project = create_project("generate_by_hand");
    project.run(&CALL);
    // A comment alone is not an edit.
    let edited = format!("{}limit 10 -- mine\n", project.read("models/formulac/by_country.sql"));
    project
        .write("models/formulac/by_country.sql", &edited)
        .write("metrics/counts.yml", COUNTS.replace("COUNT()", "1"));
    let before = project.read("models/formulac/counts.sql");
    // The edited file blocks the command if the file would be written, and also if it would be removed.
    project.show(&CALL);
    std::fs::remove_file(project.path("metrics/finance/by_country.yml")).unwrap();
    std::fs::remove_file(project.path("metrics/finance/share.yml")).unwrap();
    project.show(&CALL);
    insta::assert_snapshot!(project.transcript());
    assert_eq!(project.read("models/formulac/by_country.sql"), edited);
    assert_eq!(project.read("models/formulac/counts.sql"), before);
}

#[test]
fn errors_stop_all_models_or_only_their_readers() {
    let mut project = create_project("generate_faults");
    project.write("metrics/finance/by_country.yml", BY_COUNTRY.replace("amount", "amuont"));
    project
        .write("metrics/again.yml", COUNTS)
        .write("metrics/a.yml", "model: a\nfrom: b\ndefinitions: x = SUM(y)\n");
    project.write("metrics/b.yml", "model: b\nfrom: a\ndefinitions: y = SUM(x)\n");
    project.show(&CALL);
    assert_eq!(project.files("models/formulac"), Vec::<String>::new());
    project.show(&[
        "generate",
        "--schema",
        "orders.yml",
        "--keep-going",
        "--output-format",
        "concise",
    ]);
    insta::assert_snapshot!(project.transcript());
    assert_eq!(project.files("models/formulac"), ["counts.sql", "counts.yml"]);
}

#[test]
fn generate_writes_only_selected_models() {
    let mut project = create_project("generate_select");
    project.write(
        "metrics/broken.yml",
        "model: broken\nfrom: orders\ndefinitions: x = SUMM(y)\n",
    );
    for selection in [
        &["+share"][..],
        &["tag:finance", "counts"],
        &["broken"],
        &["path:metrics/finance"],
        &["state:new"],
    ] {
        project.show(
            &[
                &CALL[..],
                &["--check", "--output-format", "concise", "--select"],
                selection,
            ]
            .concat(),
        );
    }
    project.show(&[&CALL[..], &["--exclude", "broken", "resource_type:model,by_country+"]].concat());
    insta::assert_snapshot!(project.transcript());
}

#[test]
fn names_that_dbt_already_uses_are_reported() {
    let mut project = create_project("generate_names");
    project
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write("seeds/counts.csv", "a\n1\n");
    project
        .write("models/old/share.sql", "select 1\n")
        .write("models/formulac/by_country.sql", "");
    std::fs::remove_file(project.path("models/formulac/by_country.sql")).unwrap();
    let node = |kind: &str, name: &str, path: &str| {
        format!(
            r#""{kind}.shop.{name}": {{"name": "{name}", "resource_type": "{kind}", "package_name": "shop", "original_file_path": "{path}"}}"#
        )
    };
    let disabled = r#""disabled": {"model.shop.Share": [{"name": "Share", "resource_type": "model", "package_name": "shop", "original_file_path": "models/old/share.sql"}]}"#;
    let nodes = [
        node("seed", "counts", "seeds/counts.csv"),
        node("model", "by_country", "models/formulac/by_country.sql"),
        node("model", "share", "models/deleted/share.sql"),
    ];
    project.write(
        "target/manifest.json",
        format!(
            r#"{{"metadata": {{"project_name": "shop"}}, "nodes": {{{}}}, {disabled}}}"#,
            nodes.join(", ")
        ),
    );
    project.show(&["generate", "--schema", "orders.yml", "--output-format", "concise"]);
    insta::assert_snapshot!(project.transcript());
}

/// A manifest contains only the columns that have properties.
#[test]
fn the_help_suggests_dbt_docs_generate() {
    let project = TestProject::new("generate_described");
    project
        .write("formulac.yml", PROJECT)
        .write("dbt_project.yml", "name: shop\nprofile: shop\n");
    project.write(
        "metrics/m.yml",
        "model: m\nfrom: orders\ndefinitions: a = SUM(amount)\n",
    );
    let node = r#""model.shop.orders": {"name": "orders", "resource_type": "model", "package_name": "shop", "columns": {"id": {"name": "id"}}}"#;
    project.write(
        "target/manifest.json",
        format!(r#"{{"metadata": {{"project_name": "shop"}}, "nodes": {{{node}}}}}"#),
    );
    let message = "run `dbt docs generate`";
    let run = project.run(&["generate"]);
    assert!(
        run.exit == 0 && run.err.contains("W0316") && run.err.contains(message),
        "{}",
        run.err
    );
    let columns = |name: &str| {
        format!(
            r#"{{"metadata": {{"dbt_schema_version": "https://schemas.getdbt.com/dbt/catalog/v1.json"}},
            "nodes": {{"model.shop.orders": {{"columns": {{"{name}": {{"name": "{name}", "type": "BIGINT", "index": 1}}}}}}}}}}"#
        )
    };
    project.write("target/catalog.json", columns("amounts"));
    let run = project.run(&["generate"]);
    assert!(
        run.exit == 1 && run.err.contains("F0302") && !run.err.contains(message),
        "{}",
        run.err
    );
    project.write("target/catalog.json", columns("amount"));
    project.succeed(&["generate"]);
}

/// The name is available if the model's properties file is generated, even if the model's SQL is handwritten.
#[test]
fn versions_of_a_model_do_not_reserve_names() {
    let project = create_project("generate_versions");
    project
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write("models/old/share_v1.sql", "select 1\n");
    project.write(
        "metrics/finance/share.yml",
        format!("{SHARE}versions: [{{v: 1}}, {{v: 2}}]\n"),
    );
    let manifest = |patch: &str| {
        format!(
            r#"{{"metadata": {{"project_name": "shop"}}, "nodes": {{"model.shop.share.v1": {{"name": "share",
            "resource_type": "model", "package_name": "shop", "version": 1, "latest_version": 2,
            "original_file_path": "models/old/share_v1.sql", "patch_path": "shop://{patch}"}}}}}}"#
        )
    };
    project.write("target/manifest.json", manifest("models/formulac/share.yml"));
    let run = project.run(&CALL);
    assert_eq!(run.exit, 0, "{}", run.err);
    project.write("target/manifest.json", manifest("models/old/share.yml"));
    let run = project.run(&CALL);
    assert!(
        run.exit == 1 && run.err.contains("dbt already has a model `share`"),
        "{}",
        run.err
    );
}

/// dbt accepts only one entry per model, so the command reports a model that a handwritten properties file describes.
#[test]
fn handwritten_properties_of_a_model_are_reported() {
    let project = create_project("generate_described");
    project
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write("models/formulac/share.sql", "select 1\n")
        .write("models/_ops.yml", "models:\n  - name: share\n");
    project.write("metrics/finance/share.yml", SHARE);
    let manifest = r#"{"metadata": {"project_name": "shop"}, "nodes": {"model.shop.share": {"name": "share",
        "resource_type": "model", "package_name": "shop", "original_file_path": "models/formulac/share.sql",
        "patch_path": "shop://models/_ops.yml"}}}"#;
    project.write("target/manifest.json", manifest);
    let run = project.run(&CALL);
    let message = "`models/_ops.yml` already describes the model `share`";
    assert!(run.exit == 1 && run.err.matches(message).count() == 1, "{}", run.err);
    // dbt's manifest does not contain entries of models that did not exist yet.
    project.write(
        "target/manifest.json",
        r#"{"metadata": {"project_name": "shop"}, "nodes": {}}"#,
    );
    let run = project.run(&CALL);
    assert!(run.exit == 1 && run.err.matches(message).count() == 1, "{}", run.err);
    for other in [
        "models: [{name: shares}]\n",
        "sources: [{name: x, tables: [{name: share}]}]\n",
    ] {
        project.write("models/_ops.yml", other);
        let run = project.run(&CALL);
        assert!(!run.err.contains(message), "{}", run.err);
    }
    project.write(
        "models/_ops.yml",
        "models:\n  - description: x\n    name: \"share\" # ours\n",
    );
    let run = project.run(&CALL);
    assert!(run.exit == 1 && run.err.matches(message).count() == 1, "{}", run.err);
    project.write("target/manifest.json", manifest);
    // The manifest is older than the file.
    project.write("models/_ops.yml", "models: []\n");
    let run = project.run(&CALL);
    assert!(!run.err.contains(message), "{}", run.err);
}

/// The command reports names of docs blocks, exposures and metrics that dbt or another spec already uses. The command
/// also reports that the project has no calendar.
#[test]
fn duplicate_declarations_are_reported() {
    let mut project = create_project("generate_declared");
    let long = |model: &str, exposure: &str| {
        format!(
            "model: {model}\nfrom: orders\ngroup_by: ordered_on[month]\nowner: Sales\ndescription: |-\n  One of\n  - these\n  - those\n\
             definitions: revenue = SUM(amount)\nexposures: [{{name: {exposure}, type: dashboard}}]\n"
        )
    };
    project
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write("docs/all.md", "")
        .write("models/uses.yml", "");
    project
        .write("metrics/sales.yml", long("sales", "weekly"))
        .write("metrics/sold.yml", long("sold", "weekly"));
    project.write("metrics/used.yml", long("used", "monthly"));
    let node = |kind: &str, name: &str, path: &str| {
        format!(
            r#""{kind}.shop.{name}": {{"name": "{name}", "resource_type": "{kind}", "package_name": "shop", "original_file_path": "{path}"}}"#
        )
    };
    let manifest = |spine: &str| {
        format!(
            r#"{{"metadata": {{"project_name": "shop", "dbt_version": "1.12.6"}}, "nodes": {{"model.shop.days": {{"name": "days",
            "package_name": "shop", "resource_type": "model", "time_spine": {spine}}}}},
            "docs": {{{}, {}}}, "exposures": {{{}, {}}}, "metrics": {{{}}}}}"#,
            node("doc", "sales__about", "docs/all.md"),
            // A name that the spec itself had in the previous run is allowed, and so is a name whose file is missing.
            node("doc", "used__about", "models/formulac/used.md"),
            node("exposure", "monthly", "models/uses.yml"),
            node("exposure", "weekly", "models/formulac/sold.yml"),
            node("metric", "used_revenue", "models/uses.yml"),
        )
    };
    project.write("target/manifest.json", manifest("null"));
    project.write("formulac.yml", format!("{PROJECT}semantic_model: true\n"));
    let call = ["generate", "--schema", "orders.yml", "--output-format", "concise"];
    project.show(&call);
    // The spec has been corrected, the project has a calendar, and the properties have the format of dbt 1.12.
    let mended = long("used", "used_weekly")
        .replace("used", "uses")
        .replace("revenue =", "revenue_of_month =");
    std::fs::remove_file(project.path("metrics/used.yml")).unwrap();
    std::fs::remove_file(project.path("metrics/sales.yml")).unwrap();
    project
        .write("metrics/uses.yml", mended)
        .write("target/manifest.json", manifest("{}"));
    project.show(&["generate", "--schema", "orders.yml", "--json", "--select", "uses"]);
    insta::assert_snapshot!(project.transcript());
    insta::assert_snapshot!(project.read("models/formulac/uses.yml"));
    // Text that a user adds to the docs file is not overwritten.
    project.write(
        "models/formulac/uses.md",
        project.read("models/formulac/uses.md").replace("those", "others"),
    );
    let run = project.run(&["generate", "--schema", "orders.yml", "--select", "uses"]);
    assert!(run.exit == 3 && run.err.contains("uses.md"), "{}", run.err);
    // The message suggests a path for the time spine in the first models folder.
    project
        .write(
            "dbt_project.yml",
            "name: shop\nprofile: shop\nmodel-paths: [marts, models]\n",
        )
        .write("target/manifest.json", manifest("null"));
    let run = project.run(&["check", "--schema", "orders.yml"]);
    assert!(run.out.contains("add `marts/time_spine.sql` with"), "{}", run.out);
}

#[test]
fn the_age_of_a_manifest_and_newer_files_are_reported() {
    let project = create_project("generate_old");
    project
        .write("dbt_project.yml", "name: shop\n")
        .write("models/orders.sql", "select 1 as id\n");
    project.write("formulac.yml", format!("{PROJECT}lint: [W0610]\n"));
    let nodes = r#"{"model.shop.orders": {"name": "orders", "resource_type": "model", "package_name": "shop",
        "columns": {"id": {"name": "id", "data_type": "integer"}, "amount": {"name": "amount", "data_type": "decimal(12, 2)"},
            "country": {"name": "country", "data_type": "varchar"}, "ordered_on": {"name": "ordered_on", "data_type": "date"}}}}"#;
    let manifest = |time: &str| {
        format!(
            r#"{{"metadata": {{"project_name": "shop", "adapter_type": "duckdb", "generated_at": "{time}",
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"}}, "nodes": {nodes}}}"#
        )
    };
    project.write("target/manifest.json", manifest("2024-01-01T00:00:00.000000Z"));
    let run = project.run(&["generate"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert!(
        run.err.starts_with(
            "warning: models/orders.sql is newer than target/manifest.json; run `dbt parse` to update it\n\
             known: 3 columns of 1 relation that specs read; known.yml records their types\nwrote"
        ),
        "{}",
        run.err
    );
    std::fs::remove_file(project.path("models/orders.sql")).unwrap();
    let run = project.run(&["generate"]);
    let (age, rest) = run.err.split_once('\n').unwrap();
    assert!(age.starts_with("target/manifest.json is "), "{age}");
    assert!(age.ends_with(" days old; run `dbt parse` to update it"), "{age}");
    assert_eq!(rest, "everything is up to date\n");
    assert!(project.read("models/formulac/by_country.sql").contains("sum(amount)"));
    // formulac recognizes the models that it generated, even if they are not in dbt's manifest.
    project.write("target/manifest.json", manifest("2199-01-01T00:00:00.000000Z"));
    let run = project.run(&["generate"]);
    assert_eq!(run.err, "everything is up to date\n");
    project.write("target/manifest.json", "{\"nodes\": {");
    let run = project.run(&["generate", "--output-format", "concise"]);
    assert_eq!(run.exit, 5);
    assert!(
        run.err
            .starts_with("target/manifest.json:1:11: error[F0822]: dbt's manifest is invalid: EOF"),
        "{}",
        run.err
    );
}

#[test]
fn a_project_is_needed() {
    let mut project = TestProject::new("generate_nowhere");
    project.show(&["generate", "--project-dir", "."]);
    insta::assert_snapshot!(project.transcript());
}

#[test]
fn access_and_tags_pass_from_spec_to_spec() {
    let project = create_project("generate_facts");
    project.write("formulac.yml", format!("{PROJECT}inherit: [pii]\n"));
    let own = "access: private\ngroup: people\ncolumns: {country: {tags: [pii, other], data_tests: [not_null]}}\n";
    project.write("metrics/finance/by_country.yml", format!("{BY_COUNTRY}{own}"));
    let run = project.run(&CALL);
    assert_eq!(run.exit, 0, "{}", run.err);
    let yml = project.read("models/formulac/share.yml");
    assert!(yml.contains("access: private\n      group: people\n"), "{yml}");
    assert!(yml.contains("name: country\n        description: orders.country\n        config:\n          tags:\n            - pii\n          meta:"), "{yml}");
    project.write("metrics/finance/share.yml", format!("{SHARE}access: public\n"));
    let run = project.run(&[&CALL[..], &["--output-format", "concise"]].concat());
    assert_eq!(run.exit, 1);
    assert!(
        run.err.contains("metrics/finance/share.yml:5:9: error[F0640]"),
        "{}",
        run.err
    );
    // Only a private parent restricts which models may read it.
    let protected = own.replace("private\ngroup: people", "protected");
    project.write("metrics/finance/by_country.yml", format!("{BY_COUNTRY}{protected}"));
    let run = project.run(&CALL);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert!(project.read("models/formulac/share.yml").contains("access: public"));
}

#[test]
fn assumed_types_that_affect_the_sql_are_reported() {
    let project = create_project("generate_unknown");
    let run = project.run(&["generate"]);
    assert!(run.exit == 0 && !run.err.contains("not known"), "{}", run.err);
    project.write(
        "metrics/days.yml",
        "model: waits\nfrom: orders\ndefinitions: days = MAX(DAYS(paid_on, ordered_on))\n",
    );
    let run = project.run(&["generate"]);
    let note = "unknown types: `paid_on` (assumed to be a date), `ordered_on` (assumed to be a date)";
    assert!(run.exit == 0 && run.err.contains(note), "{}", run.err);
}

/// Warnings about ten specs are summarized in one line per kind of warning. `--verbose`, `check` and JSON output list
/// all warnings.
#[test]
fn warnings_are_grouped() {
    let mut project = TestProject::new("generate_grouped");
    project
        .write("formulac.yml", PROJECT)
        .write("orders.yml", ORDERS.replace(", nullable: false", ""));
    for number in 0..10 {
        let spec = format!(
            "model: by_country_{number}\nfrom: orders\ngroup_by: [country, ordered_on[month]]\norder_by: ordered_on[month]\ndefinitions: |\n  \
             orders = COUNT(amount > {number})\n  before = OFFSET(orders, -1)\n"
        );
        project.write(
            &format!("metrics/by_country_{number}.yml"),
            spec.replace("ordered_on[month]]", "'ordered_on[month]']"),
        );
    }
    project.write("metrics/by_country_9.yml", "model: by_country_9\nfrom: orders\nlimit: 3\norder_by: country\ngroup_by: country\ndefinitions: orders = COUNT()\n");
    project.show(&CALL);
    insta::assert_snapshot!(project.transcript());
    assert!(project.transcript().lines().count() <= 40);
    let json = project.run(&[&CALL[..], &["--json"]].concat()).json();
    let all = json["diagnostics"].as_array().unwrap().len();
    assert!(all > 20, "{all}");
    let run = project.run(&[&CALL[..], &["--verbose"]].concat());
    assert_eq!(run.err.matches("warning[").count(), all);
    assert!(run.err.contains("by_country_0.yml:"), "{}", run.err);
    let run = project.run(&[&CALL[..], &["--quiet"]].concat());
    assert_eq!(run.err, "");
    // Errors are reported in full.
    project.write(
        "metrics/by_country_8.yml",
        "model: by_country_8\nfrom: orders\ndefinitions: orders = SUMM(id)\n",
    );
    let run = project.run(&CALL);
    assert!(
        run.err.contains("by_country_8.yml:3:23]") && run.err.contains("warning[W0610]: 9 models"),
        "{}",
        run.err
    );
}

/// dbt would skip the version, and warn only about the generated properties file.
#[test]
fn a_version_without_a_file_is_reported() {
    let project = TestProject::new("generate_versions");
    let spec = "model: sales\nfrom: orders\ngroup_by: country\ndefinitions: n = COUNT()\n\
                columns: {country: {data_tests: [not_null]}}\nversions: [{v: 1}, {v: 2}]\n";
    project
        .write("formulac.yml", "dialect: duckdb\nspecs: metrics/\n")
        .write("dbt_project.yml", "name: shop\nmodel-paths: [models]\n")
        .write("metrics/sales.yml", spec);
    let run = project.run(&["generate", "--output-format", "concise"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let warning = "metrics/sales.yml:6:12: warning[W0816]: `sales` has no file for version 1, so dbt skips this version; \
                   help: save the SQL of version 1 as models/formulac/sales_v1.sql, or remove the entry from `versions`\n";
    assert!(run.err.contains(warning), "{}", run.err);
    let run = project.run(&["check", "--deny", "warnings", "--output-format", "concise"]);
    assert!(
        run.exit == 1 && run.out.contains(warning),
        "{} {}{}",
        run.exit,
        run.out,
        run.err
    );
    project.write("models/marts/sales_v1.sql", "select 1 as n");
    project.succeed(&["check", "--deny", "warnings"]);
    let run = project.run(&["generate", "--output-format", "concise"]);
    assert!(!run.err.contains("W0816"), "{}", run.err);
}

/// Handwritten models and seeds keep their names even if dbt has not parsed them yet.
#[test]
fn names_of_handwritten_files_are_taken_without_a_manifest() {
    let project = create_project("generate_taken_files");
    project.write("dbt_project.yml", "name: shop\nprofile: shop\n");
    assert_eq!(project.run(&CALL).exit, 0);
    for path in ["models/other/share.sql", "models/formulac/SHARE.sql", "seeds/Share.csv"] {
        project.write(path, "select 1\n");
        let run = project.run(&[&CALL[..], &["--output-format", "concise"]].concat());
        let message = format!("the file `{path}` already defines a model or seed with this name");
        assert!(run.exit == 1 && run.err.contains(&message), "{path}: {}", run.err);
        std::fs::remove_file(project.path(path)).unwrap();
    }
    project.write("analyses/share.sql", "select 1\n");
    assert_eq!(project.run(&CALL).exit, 0);
}
