//! Tests `formulac check`.

use insta::assert_snapshot;

use crate::run::TestProject;

const SPEC: &str = "model: m\nfrom: t\ngroupby: g\ndefinitions: a = SUMM(x)\n";

#[test]
fn check_prints_diagnostics_to_standard_output() {
    let mut project = TestProject::new("check");
    project
        .write("good.fx", "a = SUM(x)\n")
        .write("warn.fx", "a = COUNT(x = 1)\n")
        .write("bad.fx", "a = SUMM(x)\n");
    project
        .write("spec.yml", SPEC)
        .write("spec.yaml", SPEC.replace("groupby", "group_by").replace("SUMM", "SUM"));
    project
        .show(&["check", "good.fx"])
        .show(&["check", "warn.fx"])
        .show(&["check", "good.fx", "warn.fx", "bad.fx", "spec.yml", "spec.yaml"])
        .show(&["check", "good.fx", "spec.yaml", "--quiet"])
        .show_with(&["check", "-"], "a = SUMM(x)\n")
        .show_with(&["check", "-"], SPEC);
    assert_snapshot!(project.transcript());
}

#[test]
fn denied_warnings_are_printed_even_with_quiet() {
    let project = TestProject::new("check_denied");
    project.write("warn.fx", "a = COUNT(x = 1)\n");
    let call = ["check", "warn.fx", "--quiet", "--output-format", "concise"];
    let run = project.run(&call);
    assert_eq!((run.exit, run.out), (0, String::new()));
    let run = project.run(&[&call[..], &["--deny", "warnings"]].concat());
    assert!(run.exit == 1 && run.out.contains("W0412"), "{}{}", run.out, run.err);
}

#[test]
fn fix_applies_safe_fixes() {
    let mut project = TestProject::new("fix");
    project
        .write(
            "a.fx",
            "a = COUNTIF(status = “open”)\nb = IF(SUM(x) > 1; 2)\nc = SUMM(x)\n",
        )
        .write("same.fx", "a = 1\n");
    project.write(
        "spec.yml",
        "model: m\nfrom: t\ndefinitions: |\n  a = COUNTIF(status != “open”)\n",
    );
    project.show(&["check", "--fix", "a.fx", "same.fx", "spec.yml"]);
    let after = format!(
        "{}\n----\n{}\n----\n{}",
        project.transcript(),
        project.read("a.fx"),
        project.read("spec.yml")
    );
    assert_snapshot!(after);
    assert_eq!(project.read("same.fx"), "a = 1\n");
    assert_eq!(project.files("."), ["a.fx", "same.fx", "spec.yml"]);
}

/// A name in a formula, key or list of columns is fixed if it is similar to exactly one known name.
#[test]
fn fix_inserts_the_only_similar_name() {
    let project = TestProject::new("fix_near");
    project.write(
        "schema.yml",
        "relations: {t: {columns: {country: text, amount: float, price_a: float, price_b: float}}}\n",
    );
    let spec = "model: m\nfrom: t\ngroup_by: contry\ndefintions: |\n  a = SUM(amuont)\n";
    project.write("spec.yml", spec);
    assert_eq!(
        project
            .run(&["check", "--fix", "--schema", "schema.yml", "spec.yml"])
            .exit,
        0
    );
    assert_eq!(
        project.read("spec.yml"),
        "model: m\nfrom: t\ngroup_by: country\ndefinitions: |\n  a = SUM(amount)\n"
    );
    // If two known names are similar, there is no fix.
    project.write(
        "two.yml",
        spec.replace("contry", "country").replace("amuont", "price_c"),
    );
    assert_eq!(
        project
            .run(&["check", "--fix", "--schema", "schema.yml", "two.yml"])
            .exit,
        1
    );
    assert!(
        project.read("two.yml").contains("SUM(price_c)"),
        "{}",
        project.read("two.yml")
    );
}

/// A fix is not applied if it would make the surrounding YAML invalid.
#[test]
fn fix_skips_errors_without_a_safe_fix() {
    let project = TestProject::new("fix_in_quotes");
    let text = "model: m\nfrom: t\ndefinitions: {a: \"COUNTIF(status = “open”)\"}\n";
    project.write("spec.yml", text);
    let run = project.run(&["check", "--fix", "spec.yml"]);
    let after = project.read("spec.yml");
    let again = project.run(&["check", "spec.yml"]);
    assert_eq!(run.exit, again.exit);
    assert!(after == text || again.exit == 0, "{after}");
    // The characters of a fix are escaped for the style of the YAML scalar. A fix that would require different quotes
    // is not made.
    for (before, fixed) in [
        ("\"status != 'open'\"", "\"status <> \\\"open\\\"\""),
        ("'note = “it''''s”'", "'note = \"it''''s\"'"),
        ("'note != ''open'''", "'note <> \"open\"'"),
        ("“open” = status", "“open” = status"),
        ("status = “open”", "status = \"open\""),
        ("status = “a: b”", "status = “a: b”"),
    ] {
        let spec = |filter: &str| format!("model: x\nfrom: t\nwhere: {filter}\ngroup_by: region\n");
        project.write("spec.yml", spec(before));
        project.run(&["check", "--fix", "spec.yml"]);
        assert_eq!(project.read("spec.yml"), spec(fixed));
    }
}

#[test]
fn either_all_fixes_are_applied_or_none() {
    let project = TestProject::new("fix_none");
    project.write("a.fx", "a = COUNTIF(status = “open”)\n");
    assert_eq!(project.run(&["check", "--fix", "a.fx", "missing.fx"]).exit, 5);
    assert_eq!(project.read("a.fx"), "a = COUNTIF(status = “open”)\n");
}

/// Other files in a project are checked according to their kinds.
#[test]
fn project_and_schema_files_are_checked_too() {
    let project = TestProject::new("check_other_files");
    project.write("there/formulac.yml", "dialekt: duckdb\n");
    project.write("schema.yml", "relations: {orders: {columns: {id: nubmer}}}\n");
    let run = project.run(&[
        "check",
        "there/formulac.yml",
        "schema.yml",
        "--output-format",
        "concise",
    ]);
    assert_eq!(run.exit, 1);
    let codes: Vec<&str> = run.out.lines().filter_map(|l| l.split(['[', ']']).nth(1)).collect();
    assert_eq!(codes, ["F0802", "F0821"], "{}", run.out);
}

/// The versions of a model have the same name but different columns.
#[test]
fn messages_about_columns_name_the_version_of_a_model() {
    let project = TestProject::new("check_versions");
    let node = |version: u32, columns: serde_json::Value| {
        serde_json::json!({
            "unique_id": format!("model.shop.stg.v{version}"), "name": "stg", "resource_type": "model",
            "package_name": "shop", "original_file_path": format!("models/stg_v{version}.sql"), "schema": "analytics",
            "alias": format!("stg_v{version}"), "columns": columns, "version": version, "latest_version": 2,
        })
    };
    let id = serde_json::json!({"name": "id", "data_type": "integer"});
    let year = serde_json::json!({"name": "last_year", "data_type": "integer"});
    let manifest = serde_json::json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
            "adapter_type": "duckdb", "project_name": "shop"},
        "nodes": {
            "model.shop.stg.v1": node(1, serde_json::json!({"id": id})),
            "model.shop.stg.v2": node(2, serde_json::json!({"id": id, "last_year": year})),
        },
    });
    project
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write("formulac.yml", "dialect: duckdb\n")
        .write("target/manifest.json", manifest.to_string());
    project.write(
        "metrics/last.yml",
        "model: last\nfrom: ref('stg', v=1)\ndefinitions: last = MAX(last_year)\n",
    );
    let run = project.run(&["check", "--output-format", "concise"]);
    let expected = "warning[W0316]: `last_year` is not among the known columns of `stg.v1`";
    assert!(run.out.contains(expected), "{}{}", run.out, run.err);
}

/// `generate` and `plan` print one line per kind of warning. If the warnings give the same advice, `check` also
/// combines four or more of them on one line, and `query` and `preview` combine two or more.
#[test]
fn repeated_warnings_are_one_line() {
    let project = TestProject::new("check_repeated");
    let spec = |keys: &str| format!("model: m\nfrom: orders\ngroup_by: [{keys}]\ndefinitions: n = COUNT()\n");
    let line = |count: usize| {
        format!(
            "warning[W0610]: {count} places have a key that may be NULL (m): add a `not_null` test to the key columns\n\
             `--verbose` shows each warning with its position\n"
        )
    };
    project
        .write("formulac.yml", "dialect: duckdb\n")
        .write("metrics/m.yml", spec("a, b, c, d"));
    let run = project.succeed(&["check"]);
    assert_eq!((run.out, run.err.as_str()), (line(4), "1 file checked: 4 warnings\n"));
    assert_eq!(
        project
            .succeed(&["check", "--verbose"])
            .out
            .matches("warning[W0610]")
            .count(),
        4
    );
    project.write("metrics/m.yml", spec("a, b"));
    assert_eq!(project.succeed(&["check"]).out.matches("warning[W0610]").count(), 2);
    assert_eq!(project.succeed(&["query", "m"]).err, line(2));
}

/// The warnings about several promoted columns of a spec give the same advice, so they are printed as one line.
#[test]
fn fields_that_omni_also_defines_are_one_line_per_spec() {
    let project = TestProject::new("check_duplicates");
    let each = |text: &dyn Fn(&str) -> String| ["a", "b", "c", "d"].map(text).concat();
    let definitions = each(&|name| format!("  {name} = SUM({name}x)\n"));
    let columns = each(&|name| format!("  {name}: {{meta: {{promoted_from: orders.{name}}}}}\n"));
    let measures = each(&|name| format!("  {name}: {{sql: '${{TABLE}}.{name}x', aggregate_type: sum}}\n"));
    project
        .write("formulac.yml", "dialect: duckdb\n")
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write(
            "metrics/m.yml",
            format!("model: m\nfrom: orders\ndefinitions: |\n{definitions}columns:\n{columns}"),
        )
        .write(
            "omni/orders.view.yaml",
            format!("schema: main\ntable_name: orders\nmeasures:\n{measures}"),
        );
    let run = project.succeed(&["check"]);
    let line = "warning[W0712]: 4 places define a column that Omni also defines (m): remove the field in Omni or make \
                the field read the column, as the help explains\n";
    assert!(run.out.starts_with(line), "{}", run.out);
    let status = project.succeed(&["status"]).out;
    let problem = "metrics/m.yml: `orders.a` is defined both here and in Omni, in omni/orders.view.yaml:4, and 3 \
                   similar warnings\n";
    assert!(status.contains(problem), "{status}");
    assert!(!status.contains("`orders.b`"), "{status}");
}
