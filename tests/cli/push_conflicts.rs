//! Tests conflicts, and edits in generated files and in Omni that a push copies to the specs.

use std::fs;

use crate::push::{REVENUE, create_project, snapshot};
use crate::repository::{commit, edit, git};
use crate::run::{TestProject, finish};

#[test]
fn edited_sql_is_converted_to_a_formula() {
    let mut project = create_project("push_adopt");
    project.run(&["push", "--yes"]);
    edit(
        &project,
        "models/formulac/revenue.sql",
        "coalesce(sum(amount), 0) as",
        "coalesce(sum(amount - tax), 0) as",
    );
    edit(
        &project,
        "models/formulac/revenue.sql",
        "count(distinct customer_id)",
        "approx_distinct_of(customer_id)",
    );
    commit(&project, "After tax");
    project.show(&["adopt", "--dry-run"]).show(&["adopt"]);
    assert!(
        project
            .read("metrics/revenue.yml")
            .contains("revenue = SUM(amount - tax)"),
        "{}",
        project.read("metrics/revenue.yml")
    );
    let sql = project.read("models/formulac/revenue.sql");
    assert!(
        sql.contains("sum(amount - tax)") && sql.contains("approx_distinct_of(customer_id)"),
        "{sql}"
    );
    project
        .show(&["push", "--yes"])
        .show(&["adopt", "share"])
        .show(&["adopt", "shares"])
        .show(&["adopt", "--json"]);
    snapshot(&project, "edited_sql_is_converted_to_a_formula");
    project.write(
        "metrics/wrong.yml",
        "model: wrong\nfrom: orders\ndefinitions: a = SUMM(x)\n",
    );
    let run = project.run(&["adopt", "--json"]);
    assert_eq!(run.exit, 1);
    assert_eq!(run.json()["diagnostics"][0]["code"], "F0301");
}

#[test]
fn replaced_words_are_transferred_to_the_spec() {
    let mut project = create_project("push_respelled");
    let spec = REVENUE.replace("group_by:", "where: amount > 5  # not the small ones\ngroup_by:");
    project.write("metrics/revenue.yml", spec);
    project.run(&["push", "--yes"]);
    // Manual edits change the bound of a filter and the counted column, while an analyst changes a formula.
    edit(&project, "models/formulac/revenue.sql", "amount > 5", "amount >= 7");
    edit(
        &project,
        "models/formulac/revenue.sql",
        "distinct customer_id",
        "distinct order_id",
    );
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(tax)");
    project.show(&["push", "--yes"]);
    let spec = project.read("metrics/revenue.yml");
    assert!(spec.contains("where: amount >= 7  # not the small ones\n"), "{spec}");
    assert!(
        spec.contains("customers = COUNT(DISTINCT(order_id))") && spec.contains("revenue = SUM(tax)"),
        "{spec}"
    );
    assert!(project.run(&["plan"]).out.contains("Specs and dbt agree"));
    // Both sides change the bound, so formulac reports a conflict.
    edit(&project, "models/formulac/revenue.sql", "amount >= 7", "amount >= 8");
    edit(&project, "metrics/revenue.yml", "amount >= 7", "amount >= 9");
    project.show(&["plan"]);
    assert_eq!(project.run(&["push", "--yes"]).exit, 3);
    snapshot(&project, "replaced_words_are_transferred_to_the_spec");
}

#[test]
fn conflicts_are_resolved() {
    let mut project = create_project("push_resolve");
    project.run(&["push", "--yes"]);
    let both = |project: &TestProject| {
        git(project, &["checkout", "--quiet", "--force", "main"]);
        edit(
            project,
            "models/formulac/revenue.sql",
            "coalesce(sum(amount), 0)",
            "max(amount)",
        );
        edit(project, "models/formulac/revenue.yml", "Before tax.", "Before any tax.");
        edit(project, "metrics/revenue.yml", "SUM(amount)", "SUM(amount - tax)");
        edit(project, "metrics/revenue.yml", "Before tax.", "After tax.");
    };
    both(&project);
    project
        .show(&["push", "--yes"])
        .show(&["resolve", "revenue.x", "--ours"])
        .show(&["resolve", "revenue"]);
    let revenue = |project: &TestProject| project.read("metrics/revenue.yml");
    project
        .show(&["resolve", "revenue.revenue:description", "--ours"])
        .show(&["resolve", "revenue.revenue", "--theirs"]);
    assert!(
        revenue(&project).contains("/// After tax.\n  revenue = MAX(amount)"),
        "{}",
        revenue(&project)
    );
    project.show(&["push", "--yes"]);
    assert!(project.read("models/formulac/revenue.yml").contains("After tax."));
    git(&project, &["reset", "--quiet", "--hard", "HEAD~1"]);
    both(&project);
    project.run(&["resolve", "revenue", "--ours"]);
    project.show(&["plan"]);
    assert!(project.files(".formulac/local/undone").len() >= 2);
    both(&project);
    project.run(&["resolve", "revenue.revenue:description", "--theirs"]);
    project
        .show(&["resolve", "revenue.revenue:formula", "--base"])
        .show(&["plan"]);
    both(&project);
    project.run(&["resolve", "revenue.revenue:description", "--theirs"]);
    project.program(
        "editor.sh",
        "#!/bin/sh\nsed -i 's/SUM(amount - tax)/MIN(amount)/' \"$1\"\n",
    );
    let mut command = project.command(&["resolve", "revenue.revenue", "--edit"]);
    command.env("EDITOR", project.path("editor.sh")).env_remove("VISUAL");
    let run = finish(command);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert!(
        revenue(&project).contains("revenue = MIN(amount)"),
        "{}",
        revenue(&project)
    );
    project.succeed(&["plan"]);
    both(&project);
    let resolved = project
        .run(&["resolve", "revenue.revenue:description", "--theirs", "--json"])
        .json();
    let conflict = serde_json::json!({"model": "revenue", "definition": "revenue", "property": "description"});
    assert_eq!(
        (&resolved["resolved"], &resolved["files"]),
        (
            &serde_json::json!([conflict]),
            &serde_json::json!(["metrics/revenue.yml"])
        )
    );
    snapshot(&project, "conflicts_are_resolved");
}

/// Returns a manifest with described models, each with its name, its package and the file that describes it.
fn described_manifest(nodes: &[(&str, &str, &str)]) -> serde_json::Value {
    let node = |name: &str, package: &str, patch: &str| {
        serde_json::json!({
            "unique_id": format!("model.{package}.{name}"), "name": name, "resource_type": "model",
            "package_name": package, "path": format!("{name}.sql"), "original_file_path": format!("models/{name}.sql"),
            "patch_path": patch, "fqn": [package, name], "database": "db", "schema": "main", "alias": name,
            "relation_name": format!("db.main.{name}"), "description": format!("About {name}."),
            "columns": {"amount": {"name": "amount", "description": "What was paid."}},
            "config": {"materialized": "table"},
        })
    };
    let nodes: serde_json::Map<String, serde_json::Value> = nodes
        .iter()
        .map(|(name, package, patch)| (format!("model.{package}.{name}"), node(name, package, patch)))
        .collect();
    serde_json::json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop",
            "adapter_type": "duckdb",
        },
        "nodes": nodes, "sources": {},
    })
}

#[test]
#[allow(
    clippy::too_many_lines,
    reason = "this is one list of cases, to be split when a case is added"
)]
fn descriptions_in_omni_go_to_where_dbt_has_them() {
    let mut project = create_project("push_described");
    let manifest = described_manifest(&[
        ("orders", "shop", "shop://models/shop.yml"),
        ("refunds", "shop", "shop://models/shop.yml"),
        ("lib", "other", "other://models/lib.yml"),
    ]);
    project
        .write("dbt_project.yml", "name: shop\n")
        .write("target/manifest.json", manifest.to_string());
    project.write(".gitignore", "target/\n");
    fs::remove_dir_all(project.path("metrics")).unwrap();
    project.write(
        "models/shop.yml",
        "models:\n  - name: orders # ours\n    description: About orders.\n    columns:\n      - name: AMOUNT\n        description: 'What was paid.'\n  - name: refunds\n    description: \"{{ doc('refunds') }}\"\n    columns:\n      - name: amount\n        description: What was paid.\n",
    );
    project.run(&["pull"]);
    commit(&project, "pulled");
    for (view, text) in [
        ("orders", "About orders."),
        ("orders", "What was paid."),
        ("refunds", "About refunds."),
        ("refunds", "What was paid."),
        ("lib", "About lib."),
    ] {
        edit(
            &project,
            &format!("omni/main/{view}.view.yaml"),
            text,
            &format!("{text} In euros."),
        );
    }
    // In the meantime, somebody has added a description of the refund's amount in dbt.
    edit(&project, "models/shop.yml", ": What was paid.", ": What went back.");
    project.show(&["plan"]);
    // Try each resolution of the conflict, starting from the same state.
    let (dbt, omni) = ("models/shop.yml", "omni/main/refunds.view.yaml");
    let before = [dbt, omni].map(|file| (file, project.read(file)));
    project.program("editor.sh", "#!/bin/sh\nsed -i 's/paid. In euros/returned/' \"$1\"\n");
    for (side, in_dbt, in_omni) in [
        ("--theirs", "What went back.", "What went back."),
        ("--base", "What was paid.", "What was paid."),
        ("--edit", "What was returned.", "What was returned."),
        ("--ours", "What was paid. In euros.", "What was paid. In euros."),
    ] {
        for (file, text) in &before {
            project.write(file, text);
        }
        let mut command = project.command(&["resolve", "models/shop.yml", side]);
        command.env("EDITOR", project.path("editor.sh")).env_remove("VISUAL");
        let run = finish(command);
        assert_eq!(run.exit, 0, "{side}: {}", run.err);
        let last = |file: &str| {
            let text = project.read(file);
            text.lines()
                .rfind(|line| line.contains("description:"))
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        assert_eq!(
            [last(dbt), last(omni)],
            [in_dbt, in_omni].map(|text| format!("description: {text}")),
            "{side}"
        );
        let plan = project.run(&["plan"]);
        assert!(!plan.out.contains("conflict 1"), "{side}: {}", plan.out);
    }
    let run = project.run(&["push", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert!(
        run.err
            .contains("not parsed by dbt, because the program `dbt` was not found"),
        "{}",
        run.err
    );
    let text = project.read("models/shop.yml");
    assert!(
        text.contains("- name: orders # ours\n    description: About orders. In euros.\n"),
        "{text}"
    );
    assert!(
        text.contains("      - name: AMOUNT\n        description: 'What was paid. In euros.'\n"),
        "{text}"
    );
    assert!(text.contains("description: \"{{ doc('refunds') }}\""), "{text}");
    project.show(&["plan"]);
    snapshot(&project, "descriptions_in_omni_go_to_where_dbt_has_them");
}

/// Omni does not evaluate Jinja, so dbt must not evaluate it either.
#[test]
fn jinja_in_omni_is_text_in_dbt() {
    let project = create_project("push_described_jinja");
    let mut manifest = described_manifest(&[("orders", "shop", "shop://models/shop.yml")]);
    project
        .write("dbt_project.yml", "name: shop\n")
        .write("target/manifest.json", manifest.to_string());
    project.write(".gitignore", "target/\n");
    fs::remove_dir_all(project.path("metrics")).unwrap();
    let described = "models:\n  - name: orders\n    description: About orders.\n    columns: [{name: amount, description: What was paid.}]\n";
    project.write("models/shop.yml", described);
    project.run(&["pull"]);
    commit(&project, "pulled");
    let view = "omni/main/orders.view.yaml";
    edit(&project, view, "About orders.", "About {{ env_var('HOME') }}.");
    edit(&project, view, "What was paid.", "The {% endraw %} {{ amount }}.");
    let run = project.run(&["push", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let text = project.read("models/shop.yml");
    for escaped in [
        "description: \"{% raw %}About {{ env_var('HOME') }}.{% endraw %}\"",
        "description: \"The {{ '{%' }} endraw {{ '%}' }} {{ '{{' }} amount {{ '}}' }}.\"",
    ] {
        assert!(text.contains(escaped), "{text}");
    }
    // dbt's file already has the text.
    let plan = project.run(&["plan"]);
    assert!(
        plan.out.contains("0 to update, 0 to delete, 0 conflicts"),
        "{}{}",
        plan.out,
        plan.err
    );
    assert!(!plan.err.contains("Jinja"), "{}", plan.err);
    // Escaped text can be changed again, unlike handwritten Jinja.
    manifest["nodes"]["model.shop.orders"]["description"] = "About {{ env_var('HOME') }}.".into();
    project.write("target/manifest.json", manifest.to_string());
    project.succeed(&["pull"]);
    edit(
        &project,
        view,
        "About {{ env_var('HOME') }}.",
        "About {{ all }} orders.",
    );
    let run = project.run(&["push", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    assert!(
        project
            .read("models/shop.yml")
            .contains("{% raw %}About {{ all }} orders.{% endraw %}")
    );
}

/// Each of several conflicts between whole files has its own name, which `resolve` accepts.
#[test]
fn conflicts_of_several_files_have_different_names() {
    let project = create_project("push_conflict_files");
    project.run(&["push", "--yes"]);
    let files = ["models/formulac/revenue.sql", "models/formulac/revenue.yml"];
    edit(&project, files[0], "sum(amount)", "sum(hash(amount))");
    edit(&project, files[1], "Before tax.", "After tax.");
    fs::remove_file(project.path("metrics/revenue.yml")).unwrap();
    fs::remove_file(project.path("metrics/share.yml")).unwrap();
    let plan = project.run(&["plan"]).out;
    for file in files {
        let name = format!("revenue:{file}");
        assert!(plan.contains(&format!(": {name} (text)")), "{plan}");
        assert!(plan.contains(&format!("formulac resolve {name} --ours\n")), "{plan}");
    }
    let sql = project.read(files[0]);
    assert_eq!(
        project
            .run(&["resolve", &format!("revenue:{}", files[1]), "--ours"])
            .exit,
        0
    );
    assert_eq!(project.read(files[0]), sql);
    // After the other conflict is resolved, the name of the model is sufficient.
    let plan = project.run(&["plan"]).out;
    assert!(plan.contains("conflict 1 of 1: revenue (text)"), "{plan}");
    assert_eq!(project.run(&["resolve", "revenue", "--ours"]).exit, 0);
    assert_eq!(project.run(&["push", "--yes"]).exit, 0);
}
