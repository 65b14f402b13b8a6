//! Tests `formulac plan`, `push`, `log` and `rollback` in real git repositories.

use std::fs;

use crate::repository::{self, be, begin, commit, edit, git};
use crate::run::{Place, finish};

const PROJECT: &str = "dialect: duckdb\nspecs: metrics/\nenvironments:\n  dev: {connection: dev}\n  prod: {connection: prod, branch: main, protected: true}\n";
const REVENUE: &str = "\
model: revenue
description: Revenue by country.
from: orders
group_by: country
definitions: |
  /// Before tax.
  revenue = SUM(amount)
  // counted once
  customers = COUNT(DISTINCT(customer_id))
columns:
  country: {data_tests: [not_null]}
";
const SHARE: &str = "model: share\nfrom: ref('revenue')\nkeep: all\ndefinitions: share = revenue / SUM(revenue:revenue)\ncolumns:\n  country: {data_tests: [not_null]}\n";

/// Creates a project in its own repository, with its specs committed.
fn place(name: &str) -> Place {
    let place = Place::new(name);
    place
        .write("formulac.yml", PROJECT)
        .write("metrics/revenue.yml", REVENUE)
        .write("metrics/share.yml", SHARE);
    begin(&place);
    place
}

fn snapshot(place: &Place, name: &str) {
    repository::snapshot(place, &format!("push__push__{name}"));
}

#[test]
fn specs_become_a_commit() {
    let mut place = place("push");
    place.write("notes.txt", "mine").write("staged.txt", "mine too");
    git(&place, &["add", "staged.txt"]);
    place
        .show(&["plan"])
        .show(&["push"])
        .show(&["push", "--yes"])
        .show(&["plan"])
        .show(&["push", "--yes"]);
    edit(&place, "metrics/revenue.yml", "SUM(amount)", "SUM(amount) - SUM(tax)");
    place
        .show(&["push", "--yes", "--message", "Revenue after tax"])
        .show(&["log"])
        .show(&["log", "share", "--json"]);
    snapshot(&place, "specs_become_a_commit");
    // The commits contain no unrelated files, and staged files remain staged.
    assert_eq!(git(&place, &["status", "--porcelain"]), "A  staged.txt\n?? notes.txt\n");
    let names = git(&place, &["show", "--name-only", "--format=%an <%ae>%n%B", "HEAD~1"]);
    insta::with_settings!({filters => [(r"\b[0-9a-f]{64}\b", "[hash]"), (r"\d{8}T\d{12}Z-[0-9a-f]{12}", "[entry]")]}, {
        insta::assert_snapshot!(names);
    });
}

#[test]
fn one_sided_edits_go_together_and_two_sided_ones_are_told() {
    let mut place = place("push_merge");
    place.run(&["push", "--yes"]);
    // A colleague adds a description and tests to dbt's file while an analyst works on the spec.
    edit(
        &place,
        "models/formulac/revenue.yml",
        "Before tax.",
        "Before tax, in euros.",
    );
    edit(
        &place,
        "models/formulac/revenue.yml",
        "      - name: customers\n",
        "      - name: customers\n        data_tests:\n          - not_null\n",
    );
    edit(
        &place,
        "models/formulac/revenue.yml",
        "models:",
        "# looked through by Bob\nmodels:",
    );
    commit(&place, "Say what the revenue is in");
    edit(
        &place,
        "metrics/revenue.yml",
        "COUNT(DISTINCT(customer_id))",
        "COUNT(customer_id)",
    );
    place.show(&["plan"]).show(&["push", "--yes"]).show(&["plan"]);
    let spec = place.read("metrics/revenue.yml");
    assert!(
        spec.contains("/// Before tax, in euros.\n") && spec.contains("// counted once"),
        "{spec}"
    );
    // Next, both people change the same text in different ways.
    edit(&place, "models/formulac/revenue.yml", "in euros", "in dollars");
    commit(&place, "Dollars, I think");
    edit(&place, "metrics/revenue.yml", "in euros", "in pounds");
    place.show(&["push", "--yes"]).show(&["plan", "--json"]);
    snapshot(&place, "one_sided_edits_go_together_and_two_sided_ones_are_told");
    assert!(place.read("metrics/revenue.yml").contains("in pounds"));
    assert!(place.read("models/formulac/revenue.yml").contains("in dollars"));
}

#[test]
fn what_no_spec_says_stays_in_the_file() {
    let mut place = place("push_keep");
    place.run(&["push", "--yes"]);
    edit(
        &place,
        "models/formulac/revenue.sql",
        "group by country",
        "group by country\nhaving count(*) % 7 < 3",
    );
    commit(&place, "Large countries only");
    place.show(&["plan"]).show(&["push", "--yes"]);
    // A change elsewhere in the model is merged with the edit, but a change that rewrites the same lines is not.
    edit(&place, "metrics/revenue.yml", "SUM(amount)", "SUM(amount - tax)");
    place.show(&["push", "--yes"]);
    assert!(
        place
            .read("models/formulac/revenue.sql")
            .contains("having count(*) % 7 < 3")
    );
    assert!(place.read("models/formulac/revenue.sql").contains("sum(amount - tax)"));
    fs::remove_file(place.path("metrics/revenue.yml")).unwrap();
    fs::remove_file(place.path("metrics/share.yml")).unwrap();
    place.show(&["push", "--yes"]);
    snapshot(&place, "what_no_spec_says_stays_in_the_file");
    assert!(place.path("models/formulac/revenue.sql").is_file());
}

#[test]
fn specs_that_are_gone_take_their_files_along() {
    let mut place = place("push_delete");
    place.run(&["push", "--yes"]);
    git(&place, &["rm", "--quiet", "metrics/share.yml"]);
    place
        .show(&["plan"])
        .show(&["push", "--yes"])
        .show(&["rollback"])
        .show(&["rollback", "1", "--yes"])
        .show(&["plan"])
        .show(&["log", "--limit", "2"]);
    snapshot(&place, "specs_that_are_gone_take_their_files_along");
    assert!(place.path("metrics/share.yml").is_file() && place.path("models/formulac/share.sql").is_file());
    assert_eq!(git(&place, &["status", "--porcelain"]), "");
}

#[test]
fn a_kept_plan_is_done_exactly_or_not_at_all() {
    let mut place = place("push_plan");
    place
        .show(&["plan", "-o", "kept.json"])
        .run(&["push", "--yes", "kept.json"]);
    assert_eq!(
        place.run(&["plan"]).out.lines().last(),
        Some("Plan: 0 to create, 0 to update, 0 to delete, 0 conflicts")
    );
    edit(&place, "metrics/revenue.yml", "SUM(amount)", "SUM(tax)");
    place.show(&["plan", "-o", "kept.json", "--json"]);
    edit(&place, "metrics/revenue.yml", "SUM(tax)", "SUM(fee)");
    place
        .show(&["push", "--yes", "kept.json"])
        .show(&["push", "--yes", "formulac.yml"])
        .show(&["push", "--yes", "none.json"]);
    snapshot(&place, "a_kept_plan_is_done_exactly_or_not_at_all");
}

#[test]
fn protected_environments_get_a_branch() {
    let mut place = place("push_protected");
    place.show(&["--env", "prod", "push", "--yes"]);
    assert!(git(&place, &["branch", "--show-current"]).starts_with("formulac/prod-"));
    assert_eq!(git(&place, &["log", "--format=%s", "main"]), "specs\n");
    edit(&place, "metrics/revenue.yml", "SUM(amount)", "SUM(tax)");
    place.show(&["--env", "prod", "push", "--yes"]);
    snapshot(&place, "protected_environments_get_a_branch");
}

#[test]
fn what_was_generated_and_never_pushed_is_adopted() {
    let mut place = place("push_generated");
    place.run(&["generate"]);
    commit(&place, "generated");
    edit(
        &place,
        "models/formulac/revenue.sql",
        "coalesce(sum(amount), 0)",
        "coalesce(sum(amount - tax), 0)",
    );
    edit(&place, "models/formulac/revenue.yml", "Before tax.", "After tax.");
    place
        .show(&["generate"])
        .show(&["plan"])
        .show(&["adopt"])
        .show(&["generate"]);
    let spec = place.read("metrics/revenue.yml");
    assert!(
        spec.contains("/// After tax.\n  revenue = SUM(amount - tax)\n"),
        "{spec}"
    );
    // A changed spec is compared with its committed version, from which the files were generated.
    commit(&place, "after tax");
    edit(&place, "metrics/revenue.yml", "SUM(amount - tax)", "SUM(amount)");
    edit(&place, "models/formulac/revenue.yml", "After tax.", "After all.");
    place.show(&["adopt"]);
    let spec = place.read("metrics/revenue.yml");
    assert!(spec.contains("/// After all.\n  revenue = SUM(amount)\n"), "{spec}");
    // A version that was never committed cannot be found.
    edit(&place, "metrics/revenue.yml", "SUM(amount)", "SUM(2 * amount)");
    place.run(&["generate"]);
    edit(&place, "metrics/revenue.yml", "SUM(2 * amount)", "SUM(3 * amount)");
    edit(&place, "models/formulac/revenue.yml", "After all.", "Of all.");
    place.show(&["adopt"]);
    snapshot(&place, "what_was_generated_and_never_pushed_is_adopted");
}

#[test]
fn status_says_what_a_push_would_do() {
    let mut place = place("push_status");
    place.write("dbt_project.yml", "name: shop\n");
    place.run(&["push", "--yes"]);
    place.show(&["status"]);
    place.write(
        "metrics/lines.yml",
        "model: lines\nfrom: orders\nkeep: all\ndefinitions: net = amount - tax\n",
    );
    edit(&place, "metrics/revenue.yml", "SUM(amount)", "SUM(tax)");
    edit(
        &place,
        "models/formulac/share.sql",
        "revenue / nullif",
        "2 * revenue / nullif",
    );
    fs::remove_file(place.path("metrics/share.yml")).unwrap();
    // Omni has a measure with the same name.
    place.write(
        "omni/orders.view.yaml",
        "schema: main\ntable_name: orders\ndimensions: {tax: {}, country: {}}\nmeasures:\n  revenue: {aggregate_type: sum, sql: '${tax}'}\n",
    );
    assert_eq!(
        place
            .run(&[
                "promote",
                "orders.view.yaml:revenue",
                "--grain",
                "country",
                "--name",
                "promoted"
            ])
            .exit,
        0
    );
    place.show(&["status"]);
    git(&place, &["checkout", "--", "metrics", "models"]);
    edit(&place, "models/formulac/revenue.yml", "Before tax.", "Before taxes.");
    edit(&place, "metrics/revenue.yml", "Before tax.", "Before any tax.");
    place.show(&["status"]).show(&["status", "--json"]);
    edit(&place, "metrics/revenue.yml", "SUM(amount)", "SUMM(amount)");
    place.show(&["status"]);
    snapshot(&place, "status_says_what_a_push_would_do");
}

#[test]
fn a_merge_request_says_what_it_changes_and_reaches() {
    let mut place = place("push_request");
    place.run(&["push", "--yes", "--message", "Revenue"]);
    git(&place, &["switch", "--quiet", "--create", "trunk"]);
    let node = |name: &str, reads: &[&str], code: &str| {
        serde_json::json!({
            "unique_id": format!("model.shop.{name}"), "name": name, "resource_type": "model", "package_name": "shop",
            "path": format!("{name}.sql"), "original_file_path": format!("models/{name}.sql"), "fqn": ["shop", name],
            "database": "db", "schema": "main", "alias": name, "relation_name": format!("db.main.{name}"),
            "columns": {}, "config": {"materialized": "table"}, "depends_on": {"nodes": reads, "macros": []},
            "raw_code": code, "compiled_code": code,
        })
    };
    let columns = serde_json::json!({
        "amount": {"name": "amount", "data_type": "double"}, "tax": {"name": "tax", "data_type": "double"},
        "country": {"name": "country", "data_type": "varchar"}, "customer_id": {"name": "customer_id", "data_type": "integer"},
    });
    let mut orders = node("orders", &[], "select 1 as amount");
    orders["columns"] = columns;
    let board = "select country, revenue, customers from db.main.revenue";
    let manifest = serde_json::json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop",
            "adapter_type": "duckdb",
        },
        "nodes": {
            "model.shop.orders": orders,
            "model.shop.revenue": node("revenue", &["model.shop.orders"], "select 1 as revenue"),
            "model.shop.share": node("share", &["model.shop.revenue"], "select 1 as share"),
            "model.shop.board": node("board", &["model.shop.revenue"], board),
        },
        "sources": {},
        "exposures": {"exposure.shop.weekly": {
            "unique_id": "exposure.shop.weekly", "name": "weekly", "label": "Weekly | *revenue*", "resource_type": "exposure",
            "package_name": "shop", "type": "dashboard", "owner": {"email": "finance@example.com", "name": "@all"},
            "path": "e.yml", "original_file_path": "models/e.yml", "fqn": ["shop", "weekly"],
            "depends_on": {"nodes": ["model.shop.board"], "macros": []},
        }},
    });
    place
        .write("dbt_project.yml", "name: shop\n")
        .write("target/manifest.json", manifest.to_string());
    place.write(".gitignore", "target/\n");
    let settings = PROJECT.replace("branch: main", "branch: trunk");
    place.write(
        "formulac.yml",
        format!("{settings}approvals: {{prod: {{engineer: 1, business: 2}}}}\n"),
    );
    place.write(
        "omni/board.view.yaml",
        "schema: main\ntable_name: board\ndimensions:\n  revenue: {sql: '${TABLE}.revenue'}\n",
    );
    commit(&place, "a project of dbt");
    edit(&place, "metrics/revenue.yml", "SUM(amount)", "SUM(amount) - SUM(tax)");
    edit(
        &place,
        "metrics/revenue.yml",
        "// counted once",
        "/// Who bought `anything` | <b>at all</b>.",
    );
    place.show(&["--env", "prod", "plan", "--markdown"]);
    for (args, name) in [
        (
            &["--env", "prod", "push", "--yes", "--message", "revenue after tax, @all"][..],
            "quiet",
        ),
        (&["--env", "prod", "push", "--yes", "--json"][..], "json"),
    ] {
        let run = place.run(args);
        assert_eq!(run.exit, 0, "{}", run.err);
        let text = place.read(".formulac/local/merge_request.md");
        if name == "json" {
            let told: serde_json::Value = serde_json::from_str(&run.out).unwrap();
            assert_eq!(told["pushed"]["merge_request"], serde_json::json!(text));
        } else {
            assert!(run.out.ends_with(&text), "{}", run.out);
            assert!(
                run.err.contains("gh pr create --base trunk --head formulac/prod-"),
                "{}",
                run.err
            );
            insta::assert_snapshot!("push__merge_request", text);
        }
        // Start again from the first branch, with one more model.
        git(&place, &["switch", "--quiet", "--force", "trunk"]);
        place.write(
            "metrics/lines.yml",
            "model: lines\nfrom: orders\nkeep: all\ndefinitions: net = amount - tax\n",
        );
        edit(&place, "metrics/revenue.yml", "SUM(amount)", "SUM(amount) * 2");
        fs::remove_file(place.path("metrics/share.yml")).unwrap();
    }
    place.show(&["--env", "prod", "plan", "--markdown"]);
    snapshot(&place, "a_merge_request_says_what_it_changes_and_reaches");
}

#[test]
fn where_a_commit_cannot_be_nothing_is_written() {
    let mut place = place("push_refused");
    place.show(&["rollback", "7", "--yes"]);
    git(&place, &["checkout", "--quiet", "--detach"]);
    place.show(&["push", "--yes"]);
    git(&place, &["switch", "--quiet", "main"]);
    place.write(".git/MERGE_HEAD", git(&place, &["rev-parse", "HEAD"]));
    place.show(&["push", "--yes"]);
    fs::remove_file(place.path(".git/MERGE_HEAD")).unwrap();
    place.write(".gitignore", "models/formulac/\n");
    place.show(&["push", "--yes"]);
    fs::remove_file(place.path(".gitignore")).unwrap();
    place.program(
        ".git/hooks/pre-commit",
        "#!/bin/sh\necho the hook says no >&2\nexit 1\n",
    );
    place.show(&["push", "--yes"]);
    fs::remove_file(place.path(".git/hooks/pre-commit")).unwrap();
    fs::create_dir_all(place.path("models")).unwrap();
    std::os::unix::fs::symlink("/tmp", place.path("models/formulac")).unwrap();
    place.show(&["push", "--yes"]);
    fs::remove_file(place.path("models/formulac")).unwrap();
    place.write("models/formulac/Revenue.sql", "select 1");
    place.show(&["push", "--yes"]);
    fs::remove_file(place.path("models/formulac/Revenue.sql")).unwrap();
    snapshot(&place, "where_a_commit_cannot_be_nothing_is_written");
    assert_eq!(place.files("models/formulac"), Vec::<String>::new());
    assert_eq!(git(&place, &["log", "--format=%s"]), "specs\n");
    assert_eq!(git(&place, &["status", "--porcelain"]), "");
    let none = Place::new("push_without_git");
    none.write("formulac.yml", PROJECT)
        .write("metrics/revenue.yml", REVENUE);
    // The tests' folder is itself inside a repository, which does not track `target`.
    let run = finish({
        let mut command = none.command(&["push", "--yes"]);
        command.env("GIT_CEILING_DIRECTORIES", none.path("").parent().unwrap());
        command
    });
    assert_eq!(
        (run.exit, run.err.lines().next()),
        (5, Some("error: the project is not in a git repository"))
    );
}

#[test]
fn line_ends_and_other_branches_entries_stay() {
    let mut place = place("push_crlf");
    place.run(&["push", "--yes"]);
    for file in [
        "metrics/revenue.yml",
        "models/formulac/revenue.sql",
        "models/formulac/revenue.yml",
    ] {
        place.write(file, place.read(file).replace('\n', "\r\n"));
    }
    commit(&place, "line ends");
    assert_eq!(place.run(&["plan"]).exit, 0);
    edit(
        &place,
        "models/formulac/revenue.yml",
        "Before tax.",
        "Before tax, in euros.",
    );
    edit(&place, "metrics/revenue.yml", "SUM(amount)", "SUM(amount + fee)");
    place.run(&["push", "--yes"]);
    for file in [
        "metrics/revenue.yml",
        "models/formulac/revenue.sql",
        "models/formulac/revenue.yml",
    ] {
        let text = place.read(file);
        assert_eq!(
            text.matches('\n').count(),
            text.matches("\r\n").count(),
            "{file}: {text:?}"
        );
    }
    assert!(
        place
            .read("metrics/revenue.yml")
            .contains("/// Before tax, in euros.\r\n")
    );
    assert!(place.read("models/formulac/revenue.sql").contains("sum(amount + fee)"));
    // Two branches are pushed and merged: the log contains both pushes, and the next push follows both.
    git(&place, &["switch", "--quiet", "-c", "other"]);
    edit(
        &place,
        "metrics/share.yml",
        "SUM(revenue:revenue)",
        "SUM(revenue:revenue) * 100",
    );
    place.run(&["push", "--yes"]);
    git(&place, &["switch", "--quiet", "main"]);
    edit(&place, "metrics/revenue.yml", "amount + fee", "amount - fee");
    place.run(&["push", "--yes"]);
    git(&place, &["merge", "--quiet", "--no-edit", "other"]);
    assert_eq!(
        place.run(&["log", "--json"]).json()["entries"]
            .as_array()
            .unwrap()
            .len(),
        3 + 1
    );
    place.show(&["plan"]).show(&["rollback", "3", "--yes"]);
    edit(&place, "metrics/share.yml", "* 100", "* 1000");
    place.show(&["push", "--yes"]).show(&["log", "--limit", "1", "--json"]);
    snapshot(&place, "line_ends_and_other_branches_entries_stay");
}

#[test]
fn edited_sql_comes_back_as_a_formula() {
    let mut place = place("push_adopt");
    place.run(&["push", "--yes"]);
    edit(
        &place,
        "models/formulac/revenue.sql",
        "coalesce(sum(amount), 0) as",
        "coalesce(sum(amount - tax), 0) as",
    );
    edit(
        &place,
        "models/formulac/revenue.sql",
        "count(distinct customer_id)",
        "approx_distinct_of(customer_id)",
    );
    commit(&place, "After tax");
    place.show(&["adopt", "--dry-run"]).show(&["adopt"]);
    assert!(
        place
            .read("metrics/revenue.yml")
            .contains("revenue = SUM(amount - tax)"),
        "{}",
        place.read("metrics/revenue.yml")
    );
    let sql = place.read("models/formulac/revenue.sql");
    assert!(
        sql.contains("sum(amount - tax)") && sql.contains("approx_distinct_of(customer_id)"),
        "{sql}"
    );
    place
        .show(&["push", "--yes"])
        .show(&["adopt", "share"])
        .show(&["adopt", "--json"]);
    snapshot(&place, "edited_sql_comes_back_as_a_formula");
}

#[test]
fn what_was_put_in_the_place_of_a_word_goes_into_the_spec() {
    let mut place = place("push_respelled");
    let spec = REVENUE.replace("group_by:", "where: amount > 5  # not the small ones\ngroup_by:");
    place.write("metrics/revenue.yml", spec);
    place.run(&["push", "--yes"]);
    // Hand edits change the bound of a filter and the counted column, while an analyst changes a formula.
    edit(&place, "models/formulac/revenue.sql", "amount > 5", "amount >= 7");
    edit(
        &place,
        "models/formulac/revenue.sql",
        "distinct customer_id",
        "distinct order_id",
    );
    edit(&place, "metrics/revenue.yml", "SUM(amount)", "SUM(tax)");
    place.show(&["push", "--yes"]);
    let spec = place.read("metrics/revenue.yml");
    assert!(spec.contains("where: amount >= 7  # not the small ones\n"), "{spec}");
    assert!(
        spec.contains("customers = COUNT(DISTINCT(order_id))") && spec.contains("revenue = SUM(tax)"),
        "{spec}"
    );
    assert!(place.run(&["plan"]).out.contains("Specs, dbt and Omni agree"));
    // Both sides change the bound, so formulac reports a conflict.
    edit(&place, "models/formulac/revenue.sql", "amount >= 7", "amount >= 8");
    edit(&place, "metrics/revenue.yml", "amount >= 7", "amount >= 9");
    place.show(&["plan"]);
    assert_eq!(place.run(&["push", "--yes"]).exit, 3);
    snapshot(&place, "what_was_put_in_the_place_of_a_word_goes_into_the_spec");
}

#[test]
fn conflicts_are_decided() {
    let mut place = place("push_resolve");
    place.run(&["push", "--yes"]);
    let both = |place: &Place| {
        git(place, &["checkout", "--quiet", "--force", "main"]);
        edit(
            place,
            "models/formulac/revenue.sql",
            "coalesce(sum(amount), 0)",
            "max(amount)",
        );
        edit(place, "models/formulac/revenue.yml", "Before tax.", "Before any tax.");
        edit(place, "metrics/revenue.yml", "SUM(amount)", "SUM(amount - tax)");
        edit(place, "metrics/revenue.yml", "Before tax.", "After tax.");
    };
    both(&place);
    place
        .show(&["push", "--yes"])
        .show(&["resolve", "revenue.x", "--ours"])
        .show(&["resolve", "revenue"]);
    let revenue = |place: &Place| place.read("metrics/revenue.yml");
    place
        .show(&["resolve", "revenue.revenue:description", "--ours"])
        .show(&["resolve", "revenue.revenue", "--theirs"]);
    assert!(
        revenue(&place).contains("/// After tax.\n  revenue = MAX(amount)"),
        "{}",
        revenue(&place)
    );
    place.show(&["push", "--yes"]);
    assert!(place.read("models/formulac/revenue.yml").contains("After tax."));
    git(&place, &["reset", "--quiet", "--hard", "HEAD~1"]);
    both(&place);
    place.run(&["resolve", "revenue", "--ours"]);
    place.show(&["plan"]);
    assert!(place.files(".formulac/local/undone").len() >= 2);
    both(&place);
    place.run(&["resolve", "revenue.revenue:description", "--theirs"]);
    place
        .show(&["resolve", "revenue.revenue:formula", "--base"])
        .show(&["plan"]);
    both(&place);
    place.run(&["resolve", "revenue.revenue:description", "--theirs"]);
    place.program(
        "editor.sh",
        "#!/bin/sh\nsed -i 's/SUM(amount - tax)/MIN(amount)/' \"$1\"\n",
    );
    let mut command = place.command(&["resolve", "revenue.revenue", "--edit"]);
    command.env("EDITOR", place.path("editor.sh")).env_remove("VISUAL");
    let run = finish(command);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert!(revenue(&place).contains("revenue = MIN(amount)"), "{}", revenue(&place));
    assert_eq!(place.run(&["plan"]).exit, 0);
    both(&place);
    let resolved = place
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
    snapshot(&place, "conflicts_are_decided");
}

#[test]
#[allow(
    clippy::too_many_lines,
    reason = "this is one list of cases, to be split when a case is added"
)]
fn descriptions_in_omni_go_to_where_dbt_has_them() {
    let mut place = place("push_described");
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
    let nodes = [
        ("orders", "shop", "shop://models/shop.yml"),
        ("refunds", "shop", "shop://models/shop.yml"),
        ("lib", "other", "other://models/lib.yml"),
    ];
    let nodes: serde_json::Map<String, serde_json::Value> = nodes
        .iter()
        .map(|(name, package, patch)| (format!("model.{package}.{name}"), node(name, package, patch)))
        .collect();
    let manifest = serde_json::json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop",
            "adapter_type": "duckdb",
        },
        "nodes": nodes, "sources": {},
    });
    place
        .write("dbt_project.yml", "name: shop\n")
        .write("target/manifest.json", manifest.to_string());
    place.write(".gitignore", "target/\n");
    fs::remove_dir_all(place.path("metrics")).unwrap();
    place.write(
        "models/shop.yml",
        "models:\n  - name: orders # ours\n    description: About orders.\n    columns:\n      - name: AMOUNT\n        description: 'What was paid.'\n  - name: refunds\n    description: \"{{ doc('refunds') }}\"\n    columns:\n      - name: amount\n        description: What was paid.\n",
    );
    place.run(&["pull"]);
    commit(&place, "pulled");
    for (view, text) in [
        ("orders", "About orders."),
        ("orders", "What was paid."),
        ("refunds", "About refunds."),
        ("refunds", "What was paid."),
        ("lib", "About lib."),
    ] {
        edit(
            &place,
            &format!("omni/main/{view}.view.yaml"),
            text,
            &format!("{text} In euros."),
        );
    }
    // In the meantime, somebody has added a description of the refund's amount in dbt.
    edit(&place, "models/shop.yml", ": What was paid.", ": What went back.");
    place.show(&["plan"]);
    // Try each resolution of the conflict, starting from the same state.
    let (dbt, omni) = ("models/shop.yml", "omni/main/refunds.view.yaml");
    let before = [dbt, omni].map(|file| (file, place.read(file)));
    place.program("editor.sh", "#!/bin/sh\nsed -i 's/paid. In euros/returned/' \"$1\"\n");
    for (side, in_dbt, in_omni) in [
        ("--theirs", "What went back.", "What went back."),
        ("--base", "What was paid.", "What was paid."),
        ("--edit", "What was returned.", "What was returned."),
        ("--ours", "What was paid. In euros.", "What was paid. In euros."),
    ] {
        for (file, text) in &before {
            place.write(file, text);
        }
        let mut command = place.command(&["resolve", "models/shop.yml", side]);
        command.env("EDITOR", place.path("editor.sh")).env_remove("VISUAL");
        let run = finish(command);
        assert_eq!(run.exit, 0, "{side}: {}", run.err);
        let last = |file: &str| {
            let text = place.read(file);
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
        let plan = place.run(&["plan"]);
        assert!(!plan.out.contains("conflict 1"), "{side}: {}", plan.out);
    }
    let run = place.run(&["push", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert!(
        run.err
            .contains("not parsed by dbt, because the program `dbt` was not found"),
        "{}",
        run.err
    );
    let text = place.read("models/shop.yml");
    assert!(
        text.contains("- name: orders # ours\n    description: About orders. In euros.\n"),
        "{text}"
    );
    assert!(
        text.contains("      - name: AMOUNT\n        description: 'What was paid. In euros.'\n"),
        "{text}"
    );
    assert!(text.contains("description: \"{{ doc('refunds') }}\""), "{text}");
    place.show(&["plan"]);
    snapshot(&place, "descriptions_in_omni_go_to_where_dbt_has_them");
}

#[test]
fn a_changed_entry_of_the_log_is_noticed() {
    let place = place("push_forged");
    place.run(&["push", "--yes"]);
    let entry = format!(".formulac/log/{}", place.files(".formulac/log")[0]);
    edit(&place, &entry, "Ann", "Bob");
    let run = place.run(&["log"]);
    assert_eq!(run.exit, 1);
    assert!(
        run.err.ends_with("the entry was changed after it was written\n"),
        "{}",
        run.err
    );
}

#[test]
fn one_push_at_a_time() {
    let place = place("push_lock");
    fs::create_dir_all(place.path(".formulac/local")).unwrap();
    let held = fs::File::create(place.path(".formulac/local/lock")).unwrap();
    held.lock().unwrap();
    let run = place.run(&["push", "--yes"]);
    assert_eq!(
        (run.exit, run.err.lines().next()),
        (5, Some("error: another formulac is writing in this project"))
    );
    drop(held);
    assert_eq!(place.run(&["push", "--yes"]).exit, 0);
}

/// A spec that was moved, but not committed, is at one path after the push.
#[test]
fn a_push_commits_the_removal_of_a_moved_spec() {
    let place = place("push_moved_by_hand");
    assert_eq!(place.run(&["push", "--yes", "--quiet"]).exit, 0);
    for (from, to, is_staged) in [("revenue", "monthly", true), ("share", "part", false)] {
        let (old, new) = (format!("metrics/{from}.yml"), format!("metrics/sub/{to}.yml"));
        fs::create_dir_all(place.path("metrics/sub")).unwrap();
        match is_staged {
            true => drop(git(&place, &["mv", &old, &new])),
            false => fs::rename(place.path(&old), place.path(&new)).unwrap(),
        }
        edit(&place, &new, "definitions:", "tags: [moved]\ndefinitions:");
        let run = place.run(&["push", "--yes"]);
        assert_eq!(run.exit, 0, "{}", run.err);
        assert_eq!(git(&place, &["status", "--porcelain"]), "");
        let committed = git(&place, &["ls-tree", "-r", "--name-only", "HEAD"]);
        assert!(committed.contains(&new) && !committed.contains(&old), "{committed}");
    }
}

/// A moved spec does not change the SQL of its model or the header, and needs no push.
#[test]
fn a_spec_that_moves_changes_no_sql() {
    let place = crate::roles::place("push_moved_spec");
    be(&place, "eve");
    git(&place, &["switch", "--quiet", "-c", "work"]);
    assert_eq!(place.run(&["push", "--yes", "--quiet"]).exit, 0);
    let sql = place.read("models/formulac/revenue.sql");
    git(&place, &["mv", "metrics/revenue.yml", "metrics/monthly.yml"]);
    commit(&place, "another name");
    assert_eq!(place.run(&["push", "--yes", "--quiet"]).exit, 0);
    assert_eq!(place.read("models/formulac/revenue.sql"), sql);
    assert!(
        place.run(&["push", "--yes"]).out.contains("agree"),
        "{}",
        place.run(&["push", "--yes"]).out
    );
    assert_eq!(place.run(&["generate", "--check"]).exit, 0);
    assert_eq!(
        place.run(&["authorize", "--base", "main", "--json"]).json()["generated_by_hand"],
        serde_json::json!([])
    );
}
