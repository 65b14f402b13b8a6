//! Tests that descriptions in Omni reach properties files with merge keys, and that Omni files that are not valid YAML
//! stop a push.

use std::fs;

use crate::push::create_project;
use crate::repository::{commit, edit, git};
use crate::run::TestProject;

const VIEW: &str = "omni/main/orders.view.yaml";

/// Creates a dbt project without specs that contains the models `orders` and `refunds`. `properties` is the text of
/// their properties file.
fn described_project(name: &str, properties: &str) -> TestProject {
    let project = create_project(name);
    fs::remove_dir_all(project.path("metrics")).unwrap();
    project
        .write("dbt_project.yml", "name: shop\n")
        .write(".gitignore", "target/\n")
        .write("models/shop.yml", properties);
    write_manifest(&project, "What was paid.");
    project.succeed(&["pull"]);
    commit(&project, "pulled");
    project
}

/// Writes dbt's manifest, with a description for the column `amount` of `orders`.
fn write_manifest(project: &TestProject, amount: &str) {
    let node = |name: &str| {
        serde_json::json!({
            "unique_id": format!("model.shop.{name}"), "name": name, "resource_type": "model", "package_name": "shop",
            "original_file_path": format!("models/{name}.sql"), "patch_path": "shop://models/shop.yml",
            "schema": "main", "alias": name, "relation_name": format!("db.main.{name}"), "description": "Rows.",
            "columns": {
                "id": {"name": "id", "description": "The id."},
                "amount": {"name": "amount", "description": if name == "orders" { amount } else { "What was paid." }},
            },
        })
    };
    let manifest = serde_json::json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop",
            "adapter_type": "duckdb",
        },
        "nodes": {"model.shop.orders": node("orders"), "model.shop.refunds": node("refunds")}, "sources": {},
    });
    project.write("target/manifest.json", manifest.to_string());
}

const MERGE_KEYS: &str = "\
x-common:
  - &id
    name: id
    description: The id.
  - &rows {description: Rows.}
models:
  - name: orders
    <<: *rows
    columns:
      - <<: *id # of all tables
        data_tests: [not_null]
      - {name: amount, description: What was paid.}
  - name: refunds
    <<: *rows
    columns:
      - <<: *id
";

#[test]
fn descriptions_that_merge_keys_share_are_set_where_they_are_used() {
    let project = described_project("omni_merge_keys", MERGE_KEYS);
    for (from, to) in [
        ("Rows.", "One row per order."),
        ("The id.", "Its id."),
        ("What was paid.", "Euros."),
    ] {
        edit(&project, VIEW, from, to);
    }
    let plan = project.run(&["plan"]);
    assert_eq!(plan.exit, 0, "{}{}", plan.out, plan.err);
    let pushed = project.run(&["push", "--yes"]);
    assert_eq!(pushed.exit, 0, "{}", pushed.err);
    let expected = MERGE_KEYS
        .replacen(
            "  - name: orders\n",
            "  - name: orders\n    description: One row per order.\n",
            1,
        )
        .replacen("[not_null]\n", "[not_null]\n        description: Its id.\n", 1)
        .replacen("What was paid.", "Euros.", 1);
    assert_eq!(project.read("models/shop.yml"), expected);
    // Both sides have changed the description: the value in dbt comes from the merge key.
    edit(&project, "omni/main/refunds.view.yaml", "The id.", "Id of the order.");
    edit(&project, "models/shop.yml", "The id.", "The number.");
    let plan = project.run(&["plan"]);
    assert!(
        plan.out.contains("The number.") && plan.out.contains("conflict 1"),
        "{}",
        plan.out
    );
    let run = project.run(&["resolve", "models/shop.yml.refunds.id", "--ours"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let text = project.read("models/shop.yml");
    assert!(
        text.ends_with("      - <<: *id\n        description: Id of the order.\n"),
        "{text}"
    );
    project.succeed(&["plan"]);
}

/// Both sides contain the same description after a push, so later edits are compared with this description.
#[test]
fn a_push_records_the_descriptions_that_it_writes() {
    let properties = "\
models:
  - name: orders
    columns:
      - name: amount
        description: What was paid.
";
    let project = described_project("omni_pushed_base", properties);
    let run = |args: &[&str]| {
        let run = project.succeed(args);
        format!("{}{}", run.out, run.err)
    };
    let amounts = || [VIEW, "models/shop.yml"].map(|file| project.read(file).matches("Euros.").count());
    edit(&project, VIEW, "What was paid.", "Euros. ");
    run(&["push", "--yes"]);
    assert!(git(&project, &["status", "--porcelain"]).is_empty());
    // dbt has not read the file again, so its manifest still contains the text of the last pull.
    for command in ["pull", "plan"] {
        let out = run(&[command]);
        assert!(out.contains("up to date") || out.contains("0 to update"), "{out}");
        assert_eq!(amounts(), [1, 1]);
    }
    // Only dbt's file changes, so `pull` transfers the change.
    edit(&project, "models/shop.yml", "Euros.", "Euros, with tax.");
    let out = run(&["plan"]);
    assert!(!out.contains("conflict 1"), "{out}");
    write_manifest(&project, "Euros, with tax.");
    let out = run(&["pull"]);
    assert!(!out.contains("keeps your value"), "{out}");
    assert!(project.read(VIEW).contains("description: Euros, with tax."));
    commit(&project, "pulled");
    // Change the description in both dbt and Omni.
    edit(&project, VIEW, "Euros, with tax.", "Gross.");
    run(&["push", "--yes"]);
    edit(&project, VIEW, "Gross.", "Net.");
    edit(&project, "models/shop.yml", "Gross.", "Gross amount.");
    let plan = project.run(&["plan"]);
    assert_eq!(plan.exit, 3, "{}{}", plan.out, plan.err);
    assert!(plan.out.contains("the last pull or push"), "{}", plan.out);
    for text in ["Gross.", "Net.", "Gross amount."] {
        assert!(plan.out.contains(text), "{text} in {}", plan.out);
    }
}

/// A push to a spec commits the view in Omni and records the description, as a push to a properties file does.
#[test]
fn a_push_records_the_descriptions_of_specs() {
    let project = described_project("omni_pushed_spec", "models:\n  - name: orders\n");
    project.write(
        "metrics/counts.yml",
        "model: counts\nfrom: ref('orders')\ngroup_by: id\ndefinitions: |\n  /// The number.\n  n = COUNT()\n",
    );
    let run = |args: &[&str]| project.succeed(args).out;
    run(&["push", "--yes"]);
    let mut manifest: serde_json::Value = serde_json::from_str(&project.read("target/manifest.json")).unwrap();
    let mut node = manifest["nodes"]["model.shop.orders"].clone();
    for (key, value) in [
        ("unique_id", "model.shop.counts"),
        ("name", "counts"),
        ("alias", "counts"),
        ("relation_name", "db.main.counts"),
        ("original_file_path", "models/formulac/counts.sql"),
        ("patch_path", "shop://models/formulac/counts.yml"),
        ("description", ""),
    ] {
        node[key] = value.into();
    }
    node["columns"] = serde_json::json!({"n": {"name": "n", "description": "The number."}});
    manifest["nodes"]["model.shop.counts"] = node;
    project.write("target/manifest.json", manifest.to_string());
    run(&["pull"]);
    commit(&project, "pulled");
    edit(&project, "omni/main/counts.view.yaml", "The number.", "The count.");
    run(&["push", "--yes"]);
    assert_eq!(git(&project, &["status", "--porcelain"]), "");
    run(&["pull"]);
    assert_eq!(
        git(&project, &["status", "--porcelain"]),
        "",
        "the manifest is older than the push"
    );
    edit(&project, "metrics/counts.yml", "The count.", "The count of rows.");
    let plan = run(&["plan"]);
    assert!(plan.contains("The count. → The count of rows."), "{plan}");
}

/// A description that cannot be written does not prevent other descriptions in the same file from being written.
#[test]
fn descriptions_next_to_an_alias_are_written() {
    let properties = "\
x-common: [&id {name: id, description: The id.}]
models:
  - name: orders
    description: Rows.
    columns: [*id, {name: amount, description: What was paid.}]
";
    let project = described_project("omni_alias", properties);
    for (from, to) in [("The id.", "Its id."), ("What was paid.", "Euros.")] {
        edit(&project, VIEW, from, to);
    }
    let pushed = project.run(&["push", "--yes"]);
    assert_eq!(pushed.exit, 0, "{}", pushed.err);
    let refused = "`models/shop.yml:5` cannot be edited: an alias would be changed";
    assert!(
        pushed.err.contains(refused) || pushed.out.contains(refused),
        "{}{}",
        pushed.out,
        pushed.err
    );
    assert_eq!(
        project.read("models/shop.yml"),
        properties.replacen("What was paid.", "Euros.", 1)
    );
}

/// A file with git's conflict markers cannot be compared, so a push could lose edits in the file.
#[test]
fn omni_files_that_are_not_yaml_stop_a_push() {
    let project = described_project("omni_not_yaml", "models:\n  - name: orders\n  - name: refunds\n");
    project.write("omni/own.topic.yaml", "base_view: main__orders\n");
    project.write("omni/relationships.yaml", "[]\n");
    project.write("omni/model.yaml", "included_schemas: [main]\n");
    project.succeed(&["plan"]);
    for file in [
        VIEW,
        "omni/own.topic.yaml",
        "omni/relationships.yaml",
        "omni/model.yaml",
    ] {
        let text = project.read(file);
        let lines = text.lines().count();
        project.write(file, format!("{text}<<<<<<< HEAD\n"));
        let position = format!("{file}:{}:", lines + 1);
        for command in [&["plan"][..], &["push", "--yes"], &["pull", "--check"], &["pull"]] {
            let run = project.run(command);
            assert_eq!(run.exit, 5, "{file} {command:?}: {}{}", run.out, run.err);
            assert!(run.err.contains(&position), "{file} {command:?}: {}", run.err);
        }
        let status = project.run(&["status"]);
        let name = file.strip_prefix("omni/").unwrap();
        assert!(status.out.contains(name), "{file}: {}", status.out);
        project.write(file, text);
    }
    project.succeed(&["plan"]);
}

/// Creates a pushed and pulled project with the spec of `revenue`.
fn project_with_spec(name: &str) -> TestProject {
    let project = create_project(name);
    fs::remove_file(project.path("metrics/share.yml")).unwrap();
    project.succeed(&["push", "--yes"]);
    let column = |name: &str, text: &str| serde_json::json!({"name": name, "description": text});
    let orders = serde_json::json!({
        "unique_id": "model.shop.orders", "name": "orders", "resource_type": "model", "package_name": "shop",
        "original_file_path": "models/orders.sql", "schema": "main", "alias": "orders",
        "relation_name": "db.main.orders",
    });
    let manifest = serde_json::json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop",
            "adapter_type": "duckdb",
        },
        "nodes": {"model.shop.orders": orders, "model.shop.revenue": {
            "unique_id": "model.shop.revenue", "name": "revenue", "resource_type": "model", "package_name": "shop",
            "original_file_path": "models/formulac/revenue.sql", "patch_path": "shop://models/formulac/revenue.yml",
            "schema": "main", "alias": "revenue", "relation_name": "db.main.revenue",
            "columns": {"country": column("country", ""), "revenue": column("revenue", "Before tax.")},
        }},
        "sources": {},
    });
    project
        .write("dbt_project.yml", "name: shop\n")
        .write("target/manifest.json", manifest.to_string())
        .write(".gitignore", "target/\n.formulac/local/\n");
    project.succeed(&["pull"]);
    commit(&project, "pulled");
    project
}

/// Returns the saved versions of files that `resolve` has overwritten, and removes them.
fn saved_versions(project: &TestProject) -> Vec<String> {
    let folder = ".formulac/local/undone";
    let read = |name: &String| project.read(&format!("{folder}/{name}"));
    let texts = project.files(folder).iter().map(read).collect();
    fs::remove_dir_all(project.path(folder)).unwrap();
    texts
}

#[test]
fn resolve_keeps_the_file_that_the_option_names() {
    let (view, spec, yml) = (
        "omni/main/revenue.view.yaml",
        "metrics/revenue.yml",
        "models/formulac/revenue.yml",
    );
    let project = project_with_spec("omni_kept_file");
    edit(&project, view, "Before tax.", "In Omni.");
    edit(&project, spec, "Before tax.", "In the spec.");
    let refused = project.run(&["resolve", "revenue.revenue", "--dbt"]);
    assert!(
        refused.exit == 2 && refused.err.contains("use --spec or --omni instead of --dbt"),
        "{}",
        refused.err
    );
    for (option, in_spec, in_omni, saved) in [
        ("--omni", "In Omni.", "In Omni.", "In the spec."),
        ("--spec", "In the spec.", "Before tax.", "In Omni."),
    ] {
        let before = [view, spec].map(|file| (file, project.read(file)));
        let run = project.run(&["resolve", "revenue.revenue", option]);
        assert_eq!(run.exit, 0, "{option}: {}", run.err);
        assert!(project.read(spec).contains(in_spec), "{option}: {}", project.read(spec));
        assert!(project.read(view).contains(in_omni), "{option}: {}", project.read(view));
        let kept = saved_versions(&project);
        assert!(kept.iter().any(|text| text.contains(saved)), "{option}: {kept:?}");
        for (file, text) in before {
            project.write(file, text);
        }
    }
    // All three versions of the description differ.
    edit(&project, yml, "Before tax.", "In dbt.");
    let plan = project.run(&["plan"]);
    for name in ["revenue.revenue:description:dbt", "revenue.revenue:description:omni"] {
        assert!(
            plan.out.contains(&format!("formulac resolve {name} --ours")),
            "{}",
            plan.out
        );
    }
    let refused = project.run(&["resolve", "revenue.revenue:description", "--theirs"]);
    assert!(
        refused.exit == 2 && refused.err.contains("have different content"),
        "{}",
        refused.err
    );
    let edited = [view, spec, yml].map(|file| (file, project.read(file)));
    let committed = |file: &str| git(&project, &["show", &format!("HEAD:{file}")]);
    for spec_before in [project.read(spec), committed(spec)] {
        for (option, text) in [("--omni", "In Omni."), ("--dbt", "In dbt.")] {
            for (file, text) in &edited {
                project.write(file, text);
            }
            project.write(spec, &spec_before);
            let run = project.run(&["resolve", "revenue.revenue:description", option]);
            assert_eq!(run.exit, 0, "{option}: {}", run.err);
            let plan = project.run(&["plan"]);
            assert_eq!(plan.exit, 0, "{option}: {}{}", plan.out, plan.err);
            assert!(!plan.out.contains("conflict 1"), "{option}: {}", plan.out);
            let adopted = project.run(&["adopt"]);
            assert_eq!(adopted.exit, 0, "{option}: {}", adopted.err);
            assert!(
                project.read(spec).contains(&format!("/// {text}")),
                "{option}: {}",
                project.read(spec)
            );
            assert!(project.path(".formulac/local/undone").exists(), "{option}");
            saved_versions(&project);
        }
    }
    // A committed version is not saved.
    git(&project, &["checkout", "--quiet", "."]);
    edit(&project, view, "Before tax.", "In Omni.");
    edit(&project, spec, "Before tax.", "In the spec.");
    commit(&project, "both");
    project.succeed(&["resolve", "revenue.revenue", "--omni"]);
    assert!(!project.path(".formulac/local/undone").exists());
    let none = project.run(&["resolve", "revenue.revenue", "--omni"]);
    assert!(
        none.err.contains("`formulac plan` reports no conflicts"),
        "{}",
        none.err
    );
}

#[test]
fn descriptions_of_sources_go_to_the_file_that_declares_the_source() {
    let project = create_project("omni_sources");
    fs::remove_dir_all(project.path("metrics")).unwrap();
    let payments = serde_json::json!({
        "unique_id": "source.shop.raw.payments", "name": "payments", "resource_type": "source", "package_name": "shop",
        "source_name": "raw", "original_file_path": "models/src.yml", "patch_path": null,
        "fqn": ["shop", "raw", "payments"], "schema": "raw", "identifier": "payments",
        "relation_name": "db.raw.payments", "description": "Raw payments",
        "columns": {"paid": {"name": "paid", "description": "In cents"}},
    });
    let manifest = serde_json::json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop",
            "adapter_type": "duckdb",
        },
        "nodes": {}, "sources": {"source.shop.raw.payments": payments},
    });
    let properties = "sources:\n  - name: raw\n    tables:\n      - name: payments\n        description: Raw payments\n        \
                      columns:\n          - name: paid\n            description: In cents\n";
    project
        .write("dbt_project.yml", "name: shop\n")
        .write("target/manifest.json", manifest.to_string())
        .write(".gitignore", "target/\n")
        .write("models/src.yml", properties);
    project.succeed(&["pull"]);
    commit(&project, "pulled");
    let view = "omni/raw/payments.view.yaml";
    edit(&project, view, "Raw payments", "All payments");
    edit(&project, view, "In cents", "In euros");
    let run = project.run(&["push", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let expected = properties
        .replace("Raw payments", "All payments")
        .replace("In cents", "In euros");
    assert_eq!(project.read("models/src.yml"), expected);
}

/// A push that writes a description from Omni to a properties file also writes it to `known.yml` and to the models that
/// pass the column on. All of them agree before and after dbt reads the properties file.
#[test]
fn a_description_reaches_the_models_that_pass_the_column_on() {
    let project = described_project("omni_passed_on", MERGE_KEYS);
    project.write(
        "metrics/orders_2.yml",
        "model: orders_2\nfrom: ref('orders')\nkeep: [id, amount]\n",
    );
    let push = || {
        let run = project.run(&["push", "--yes"]);
        assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    };
    push();
    let copy = "models/formulac/orders_2.yml";
    assert!(project.read(copy).contains("What was paid."));
    edit(&project, VIEW, "What was paid.", "Euros.");
    push();
    assert!(project.read("models/shop.yml").contains("Euros."));
    assert!(project.read(copy).contains("Euros."), "{}", project.read(copy));
    assert!(project.read(".formulac/state/known.yml").contains("Euros."));
    let manifest = project.read("target/manifest.json");
    for text in [manifest.clone(), manifest.replacen("What was paid.", "Euros.", 1)] {
        project.write("target/manifest.json", text);
        for command in ["plan", "status", "check"] {
            let run = project.run(&[command]);
            assert!(!run.out.contains("contradicts known.yml"), "{}", run.out);
            assert!(command != "plan" || run.out.contains("agree"), "{}", run.out);
        }
        project.succeed(&["generate"]);
        assert_eq!(git(&project, &["status", "--porcelain"]), "");
    }
    // A description that dbt has read replaces the description in `known.yml`.
    project.write(
        "target/manifest.json",
        manifest.replacen("What was paid.", "Dollars.", 1),
    );
    edit(&project, "models/shop.yml", "Euros.", "Dollars.");
    for command in ["status", "check"] {
        assert!(
            !project.run(&[command]).out.contains("contradicts known.yml"),
            "{command}"
        );
    }
    project.succeed(&["generate"]);
    assert!(project.read(".formulac/state/known.yml").contains("Dollars."));
}

/// A rollback of a push that transferred a description from Omni also restores the view, if the push committed it. If
/// somebody else committed the view, the rollback reports that the next push transfers the description again.
#[test]
fn a_rollback_also_undoes_the_edit_in_omni() {
    for is_committed in [false, true] {
        let project = described_project(&format!("omni_rollback_{is_committed}"), MERGE_KEYS);
        project.write(
            "metrics/orders_2.yml",
            "model: orders_2\nfrom: ref('orders')\nkeep: [id, amount]\n",
        );
        let run = |args: &[&str]| project.succeed(args);
        run(&["push", "--yes"]);
        edit(&project, VIEW, "What was paid.", "Euros.");
        if is_committed {
            commit(&project, "edited in Omni");
        }
        run(&["push", "--yes"]);
        let rollback = run(&["rollback", "1", "--yes"]);
        assert_eq!(project.read("models/shop.yml"), MERGE_KEYS);
        assert_eq!(git(&project, &["status", "--porcelain"]), "");
        let is_reported = rollback.err.contains("keeps the description `Euros.`");
        assert_eq!(is_reported, is_committed, "{}", rollback.err);
        assert_eq!(project.read(VIEW).contains("Euros."), is_committed);
        let plan = run(&["plan"]);
        assert_eq!(plan.out.contains("agree"), !is_committed, "{}", plan.out);
    }
}

const PROPERTIES: &str = "\
models:
  - name: orders
    description: Rows.
    columns:
      - {name: id, description: The id.}
      - name: amount
        description: What was paid.
  - name: refunds
    description: Rows.
    columns:
      - name: amount
        description: What was paid.
";

/// A pull that keeps a description in Omni does not resolve the conflict with dbt's new description.
#[test]
fn a_pull_keeps_conflicts_of_descriptions() {
    let project = described_project("omni_pulled_conflict", PROPERTIES);
    edit(&project, VIEW, "What was paid.", "In euros.");
    let manifest = project.read("target/manifest.json");
    edit(&project, "models/shop.yml", "What was paid.", "Newer text.");
    project.write(
        "target/manifest.json",
        manifest.replace("What was paid.", "Newer text."),
    );
    for _ in 0..2 {
        let pulled = project.run(&["pull"]);
        assert!(pulled.err.contains("keeps your value"), "{}{}", pulled.out, pulled.err);
    }
    let plan = project.run(&["plan"]);
    assert_eq!(plan.exit, 3, "{}", plan.out);
    let run = project.run(&["resolve", "models/shop.yml.orders.amount", "--theirs"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert!(project.read(VIEW).contains("Newer text."));
    project.succeed(&["pull"]);
    project.succeed(&["plan"]);
}

/// Git commits changes to tracked files even in ignored folders.
#[test]
fn tracked_files_in_ignored_folders_are_committed() {
    let project = described_project("omni_ignored_folder", PROPERTIES);
    project.write(".gitignore", "target/\nmodels/\n");
    commit(&project, "ignored");
    edit(&project, VIEW, "What was paid.", "In euros.");
    let pushed = project.run(&["push", "--yes"]);
    assert_eq!(pushed.exit, 0, "{}", pushed.err);
    assert!(git(&project, &["show", "HEAD:models/shop.yml"]).contains("In euros."));
}

#[test]
fn columns_that_are_listed_twice_are_reported() {
    let properties = PROPERTIES.replacen("      - {name: id, ", "      - {name: amount, ", 1);
    let project = described_project("omni_listed_twice", &properties);
    edit(&project, VIEW, "What was paid.", "In euros.");
    edit(&project, "omni/main/refunds.view.yaml", "What was paid.", "In euros.");
    let pushed = project.run(&["push", "--yes"]);
    assert_eq!(pushed.exit, 0, "{}", pushed.err);
    let text = [&*pushed.out, &pushed.err].concat();
    assert!(text.contains("lists the column `amount` of `orders` twice"), "{text}");
    let last = "  - name: refunds\n    description: Rows.\n    columns:\n      - name: amount\n        description: ";
    let expected = properties.replacen(&format!("{last}What was paid."), &format!("{last}In euros."), 1);
    assert_eq!(project.read("models/shop.yml"), expected);
}

/// dbt quotes a column's name only if the properties file contains `quote: true`.
#[test]
fn new_entries_of_quoted_columns_contain_quote() {
    let project = described_project("omni_quoted_columns", PROPERTIES);
    let column = |name: &str| {
        (
            name.to_owned(),
            serde_json::json!({"name": name, "type": "INTEGER", "index": 1}),
        )
    };
    let columns: serde_json::Map<_, _> = ["id", "amount", "tax", "Net Revenue"].map(column).into_iter().collect();
    let catalog = serde_json::json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/catalog/v1.json"},
        "nodes": {"model.shop.orders": {
            "unique_id": "model.shop.orders", "columns": columns,
            "metadata": {"type": "TABLE", "schema": "main", "name": "orders", "database": "db"},
        }},
        "sources": {},
    });
    project.write("target/catalog.json", catalog.to_string());
    project.succeed(&["pull"]);
    commit(&project, "pulled again");
    edit(
        &project,
        VIEW,
        "  net_revenue:\n",
        "  net_revenue:\n    description: Net.\n",
    );
    edit(&project, VIEW, "  tax: {}\n", "  tax:\n    description: Tax.\n");
    let pushed = project.run(&["push", "--yes"]);
    assert_eq!(pushed.exit, 0, "{}{}", pushed.out, pushed.err);
    let properties = project.read("models/shop.yml");
    let [quoted, plain] = [
        "      - name: Net Revenue\n        description: Net.\n        quote: true\n",
        "      - name: tax\n        description: Tax.\n",
    ];
    assert!(
        properties.contains(quoted) && properties.contains(plain),
        "{properties}"
    );
    assert_eq!(properties.matches("quote").count(), 1, "{properties}");
}

/// dbt does not distinguish an empty description from a missing one.
#[test]
fn empty_descriptions_are_no_conflicts() {
    let properties = PROPERTIES.replacen("{name: id, description: The id.}", "{name: id, description: ''}", 1);
    let project = described_project("omni_empty_description", &properties);
    let manifest = project.read("target/manifest.json").replace("\"The id.\"", "\"\"");
    project.write("target/manifest.json", manifest);
    project.succeed(&["pull"]);
    commit(&project, "pulled again");
    let view = project
        .read(VIEW)
        .replace("  id: {}\n", "  id:\n    description: Its id.\n");
    assert!(view.contains("Its id."), "{view}");
    project.write(VIEW, view);
    let pushed = project.run(&["push", "--yes"]);
    assert_eq!(pushed.exit, 0, "{}{}", pushed.out, pushed.err);
    assert!(
        project
            .read("models/shop.yml")
            .contains("{name: id, description: Its id.}")
    );
}
