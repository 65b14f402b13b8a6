//! Tests the dbt tests that `formulac model` writes: unit tests, tests of joins, grains and comparisons.

use insta::assert_snapshot;
use serde_json::json;

use crate::model::create_project;
use crate::run::TestProject;

#[test]
fn unit_tests_are_drafted() {
    let mut project = create_project("model_unit_tests");
    let small = "model: small\nfrom: orders\nkeep: id\ndefinitions: is_small = IF(quantity < 5, \"yes\", \"no\")\n";
    let sheet = "model: sheet\nfrom: orders\ncolumns: [id, quantity]\norder_by: id\ncalculations: 'twice = B1 * 2'\n";
    let schema = "relations: {orders: {columns: {id: {type: integer, nullable: false}, quantity: integer}, primary_key: [id]}}\n";
    project
        .write("metrics/small.yml", small)
        .write("metrics/sheet.yml", sheet)
        .write("schema.yml", schema);
    let all = [
        "model",
        "metrics/small.yml",
        "metrics/sheet.yml",
        "--schema",
        "schema.yml",
        "--unit-tests",
    ];
    project
        .show(&all)
        .show(&[&all[..], &["--json"]].concat())
        .show(&[&all[..], &["--out", "models"]].concat())
        // Drafts that the analyst has edited are not changed.
        .show(&[&all[..], &["--out", "models"]].concat())
        .show(&[&all[..], &["--out", "models", "--check"]].concat())
        .show_with(
            &[
                "model",
                "-",
                "--schema",
                "schema.yml",
                "--unit-tests",
                "--out",
                "models",
            ],
            small,
        );
    let written = project.read("metrics/small.yml");
    assert!(
        written.starts_with(small) && written.contains("\nexamples:\n  - name: drafted\n"),
        "{written}"
    );
    assert_eq!(project.read("metrics/sheet.yml"), sheet);
    assert_snapshot!(project.transcript());
}

/// The drafted input contains rows before and after the date in `since`.
#[test]
fn unit_tests_of_a_step_with_since_are_drafted() {
    let project = TestProject::new("model_unit_tests_since");
    let spec = "model: recent\nfrom: orders\ngroup_by: month\norder_by: month\nsince: 2024-02-10\ndefinitions: |\n  \
        month = day[month]\n  total = SUM(quantity)\n  before = PERIODOFFSET(total, -1, \"month\")\n";
    let schema = "relations: {orders: {columns: {day: date, quantity: integer}}}\n";
    project.write("recent.yml", spec).write("schema.yml", schema);
    let run = project.run(&["model", "recent.yml", "--schema", "schema.yml", "--unit-tests"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let (_, draft) = run.out.split_once("\nexamples:\n").expect("a draft");
    let (given, expected) = draft.split_once("expect:").expect("expected rows");
    assert!(given.contains("day: \"2024-01-"), "{draft}");
    assert!(
        expected.contains("month: \"2024-02-01\"") && !expected.contains("2024-01-"),
        "{draft}"
    );
    project.write("filled.yml", spec.replace("since: 2024-02-10", "fill: month"));
    let run = project.run(&["model", "filled.yml", "--schema", "schema.yml", "--unit-tests"]);
    assert!(
        run.err.contains("the interpreter does not support `fill`"),
        "{}{}",
        run.out,
        run.err
    );
}

#[test]
fn tests_are_written_to_the_test_folder_of_dbt() {
    let joined =
        "model: joined\nfrom: orders\njoins:\n  - {to: customers, using: customer_id}\ndefinitions: n = COUNT()\n";
    let test = "assert_joined_finds_one_of_customers.sql";
    let project = create_project("model_tests");
    project.write("metrics/joined.yml", joined);
    let all = ["model", "metrics/joined.yml", "--out", "models/gen"];
    let run = project.run(&all);
    // The generated test of the join replaces the warning that `query` prints.
    let wrote =
        |tests: &str| format!("wrote models/gen/joined.sql\nwrote models/gen/joined.yml\nwrote {tests}/{test}\n");
    assert_eq!((run.exit, run.err), (0, wrote("tests/formulac")));
    // dbt runs the test with the model, although the test does not read the model.
    let text = project.read(&format!("tests/formulac/{test}"));
    assert!(
        text.contains("most one match.\n-- depends_on: {{ ref('joined') }}\nwith customers as ("),
        "{text}"
    );
    project.write("formulac.yml", "tests: checks/joins\n");
    // A query does not run the test.
    let warnings = |command: &[&str]| {
        let run = project.run(command);
        format!("{}{}", run.out, run.err).matches("W0441").count()
    };
    assert_eq!(warnings(&["query", "metrics/joined.yml", "--no-project"]), 1);
    assert_eq!(warnings(&["query", "metrics/joined.yml"]), 1);
    assert_eq!(warnings(&["check", "metrics/joined.yml"]), 0);
    project.write(
        "metrics/orders.yml",
        "metric_set: orders\nfrom: orders\njoins:\n  - {to: customers, using: customer_id}\ntime: ordered_on\ndefinitions: |\n  \
        n = COUNT()\n  latest = COUNT()\n  countries = COUNT(DISTINCT(customers.country))\ncolumns: {latest: {non_additive: \
        {over: ordered_on, take: last, per: [customers.country]}}}\n",
    );
    project.write("metrics/of_set.yml", "model: of_set\nmetrics: [orders.*]\n");
    let metrics = [
        "query",
        "--metrics",
        "orders.countries,orders.latest",
        "--by",
        "customers.country",
    ];
    assert_eq!(warnings(&metrics), 1);
    assert_eq!(warnings(&["query", "metrics/of_set.yml"]), 1);
    assert_eq!(warnings(&["model", "metrics/of_set.yml"]), 0);
    assert_eq!(warnings(&["check"]), 0);
    let warned = |args: &[&str]| {
        let run = project.run(args);
        format!("{}{}", run.out, run.err).contains("W0610")
    };
    project.write(
        "metrics/by.yml",
        "model: by\nfrom: orders\ngroup_by: country\ndefinitions: n = COUNT()\n",
    );
    for command in ["query", "model", "check"] {
        assert!(warned(&[command, "metrics/by.yml"]), "{command}");
    }
    assert!(project.run(&all).err.contains(&format!("wrote checks/joins/{test}\n")));
    project.succeed(&[&all[..], &["--check"]].concat());
    project.write(&format!("checks/joins/{test}"), "select 1 as one where false\n");
    assert_eq!(project.run(&all).exit, 3);
    // Outside a project, tests are written next to the other files.
    let bare = TestProject::new("model_tests_bare");
    bare.write("joined.yml", joined);
    assert!(
        bare.run(&["model", "joined.yml", "--out", "out"])
            .err
            .ends_with(&format!("wrote out/tests/{test}\n"))
    );
}

/// A generated test is removed when the spec no longer generates it, because the test would otherwise continue to fail
/// or block new files.
#[test]
fn a_test_is_removed_with_its_join() {
    let joined = "model: joined\nfrom: orders\njoins:\n  - {to: customers, using: id}\ndefinitions: n = COUNT()\n";
    let schema = |key: &str| {
        format!("relations:\n  orders: {{columns: {{id: integer}}}}\n  customers: {{columns: {{id: integer}}{key}}}\n")
    };
    let project = create_project("model_left_over");
    project
        .write("metrics/joined.yml", joined)
        .write("metrics/joined_too.yml", joined.replace("joined", "joined_too"));
    project.write("schema.yml", schema(""));
    let own = [
        "model",
        "metrics/joined.yml",
        "--schema",
        "schema.yml",
        "--out",
        "models/gen",
    ];
    let other = [
        "model",
        "metrics/joined_too.yml",
        "--schema",
        "schema.yml",
        "--out",
        "models/gen",
    ];
    assert_eq!((project.run(&own).exit, project.run(&other).exit), (0, 0));
    let [test, of_other] = ["joined", "joined_too"].map(|model| format!("assert_{model}_finds_one_of_customers.sql"));
    // Cover two cases: a handwritten file, and a generated file that a user changed.
    let edited = project
        .read(&format!("tests/formulac/{test}"))
        .replace("customers", "clients");
    project.write("tests/formulac/assert_joined_mine.sql", "select 1 where false\n");
    project.write("tests/formulac/assert_joined_edited.sql", edited);
    project.write("schema.yml", schema(", primary_key: [id]"));
    let check = project.run(&[&own[..], &["--check"]].concat());
    assert_eq!(
        (check.exit, check.err),
        (1, format!("tests/formulac/{test} is no longer generated by its spec\n"))
    );
    assert_eq!(project.run(&own).err, format!("removed tests/formulac/{test}\n"));
    let left = ["assert_joined_edited.sql", "assert_joined_mine.sql", &of_other];
    assert_eq!(project.files("tests/formulac"), left);
    assert_eq!(project.run(&own).err, "everything is up to date\n");
}

/// dbt before 1.10.5 rejects `arguments:`. The manifest specifies the version of dbt.
#[test]
fn tests_are_written_for_the_dbt_that_reads_them() {
    let spec = "model: m\nfrom: orders\ngroup_by: [region, shop]\ncolumns:\n  region:\n    data_tests:\n      \
                - accepted_values: {values: [a], config: {severity: warn}}\n";
    let project = create_project("model_dbt_version");
    project
        .write("metrics/m.yml", spec)
        .write("dbt_project.yml", "name: shop\n");
    let yml = |args: &[&str]| {
        let run = project.run(&[&["model", "metrics/m.yml", "--json"], args].concat());
        run.json()["models"][0]["yml"].as_str().unwrap().to_owned()
    };
    let below = "- accepted_values:\n              arguments:\n                values:\n";
    assert!(yml(&[]).contains(below), "{}", yml(&[]));
    for (version, is_below) in [
        ("1.8.10", false),
        ("1.10.4", false),
        ("1.10.5", true),
        ("2.0.0-beta.1", true),
    ] {
        let manifest = json!({"metadata": {"dbt_version": version}, "nodes": {}, "sources": {}}).to_string();
        project.write("target/manifest.json", &manifest);
        let yml = yml(&[]);
        assert_eq!(yml.contains(below), is_below, "{version}: {yml}");
        let beside = "- accepted_values:\n              values:\n";
        assert_eq!(yml.contains(beside), !is_below, "{version}: {yml}");
        assert!(yml.contains("config:\n                severity: warn\n"), "{yml}");
        assert_eq!(yml.contains("arguments:"), is_below, "{version}: {yml}");
    }
}

/// A key with several columns that may be NULL is tested with `group by`, regardless of the columns' types, because
/// `group by` treats NULL as a value.
#[test]
fn a_grain_is_tested_even_if_its_types_are_unknown() {
    let project = TestProject::new("model_grain");
    let write = |group_by: &str, more: &str| {
        let spec = format!("model: m\nfrom: t\ngroup_by: \"{group_by}\"\ndefinitions: n = COUNT()\n{more}");
        project.write("m.yml", spec);
    };
    project.write(
        "schema.yml",
        "relations: {t: {columns: {region: text, shop: {type: integer, nullable: false}, day: date}}}\n",
    );
    let made = |args: &[&str]| {
        let run = project.run(&[&["model", "m.yml", "--json"], args].concat()).json();
        let model = &run["models"][0];
        let tests = model["tests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|test| test["sql"].as_str().unwrap().to_owned());
        let codes = run["diagnostics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| d["code"].as_str().unwrap().to_owned());
        (
            model["yml"].as_str().unwrap().to_owned(),
            tests.collect::<Vec<_>>(),
            codes.collect::<Vec<_>>(),
        )
    };
    let grouped = |names: &str, columns: &str| {
        format!("select\n{columns}    count(*) as row_count\nfrom m\ngroup by {names}\nhaving count(*) > 1\n")
    };
    let (columns, names) = ("    region,\n    day_month,\n    shop,\n", "region, day_month, shop");
    write("region, day[month], shop", "");
    for (args, unsure) in [(&["--schema", "schema.yml"][..], 2), (&[], 3)] {
        let (yml, tests, codes) = made(args);
        assert!(tests[0].ends_with(&grouped(names, columns)), "{}", tests[0]);
        assert_eq!((tests.len(), codes), (1, vec!["W0610".to_owned(); unsure]), "{yml}");
        assert!(!yml.contains("unique"), "{yml}");
    }
    write("region", "");
    // Rows without a region form one group, which `unique` ignores.
    let (yml, tests, _) = made(&[]);
    assert!(tests.is_empty() && yml.contains("          - unique\n"), "{yml}");
    // If the spec declares that the region is never NULL, dbt's own test is used, together with a test of that
    // declaration.
    for more in [
        "columns: {region: {data_tests: [not_null]}}\n",
        "rules: [known: NOT(ISBLANK(region))]\n",
        "data_tests: [{not_null: {column_name: region}}]\n",
    ] {
        write("region", more);
        let (yml, tests, codes) = made(&[]);
        assert_eq!((tests.len(), codes.len()), (0, 0), "{more}{codes:?}");
        assert!(yml.contains("          - unique\n"), "{yml}");
        assert_eq!(yml.matches("not_null").count(), 1, "{yml}");
    }
    // A test that only warns does not prove that the values are never NULL.
    write(
        "region",
        "columns: {region: {data_tests: [not_null: {config: {severity: warn}}]}}\n",
    );
    assert_eq!(made(&[]).2, ["W0610"]);
}

/// dbt combines the expected rows with `union all` and does not reorder their columns, so each row needs the columns of
/// all rows in the same order.
#[test]
fn expected_rows_have_the_same_columns() {
    let project = TestProject::new("model_expected");
    project.write(
        "m.yml",
        "model: m\nfrom: ref('t')\nkeep: [a]\ndefinitions: {b: x * 2.5, c: x * 3.5}\ndata_tests: [unique: {column_name: a}]\n\
         examples:\n  - name: uneven\n    given: [{input: ref('t'), rows: [{a: 1}, {x: 1.50}]}]\n    \
         expect: {rows: [{a: 1}, {b: 3.750, A: null}, {c: 5.25, b: 3.75}]}\n",
    );
    project.write("schema.yml", "relations: {t: {columns: {a: integer, x: decimal}}}\n");
    let run = project
        .run(&["model", "m.yml", "--schema", "schema.yml", "--json"])
        .json();
    let yml = run["models"][0]["yml"].as_str().unwrap();
    let expected = "\
        \n          - {a: 1}\n          - {x: \"1.50\"}\
        \n    expect:\n      rows:\
        \n        - {a: 1, b: null, c: null}\
        \n        - {a: null, b: \"3.750\", c: null}\
        \n        - {a: null, b: \"3.75\", c: \"5.25\"}\n";
    assert!(yml.contains(expected), "{yml}");
}

/// Checks that a model can be compared with the same relation several times.
#[test]
fn comparisons_of_different_columns_have_different_names() {
    let project = TestProject::new("model_comparisons");
    let spec = "model: m\nfrom: visits\ngroup_by: day\ndefinitions: {n: COUNT(), people: COUNT(DISTINCT(person))}\n";
    let compare =
        "compare:\n  - {with: ref('old'), keys: day, columns: n}\n  - {with: ref('old'), keys: day, columns: people}\n";
    project.write("m.yml", format!("{spec}{compare}"));
    let run = project.run(&["model", "m.yml", "--json"]).json();
    let tests = run["models"][0]["tests"].as_array().unwrap();
    let names: Vec<_> = tests.iter().map(|test| test["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["assert_m_matches_old", "assert_m_matches_old_in_people"]);
}

/// In dbt, only members of the same group can read a private model. This includes tests.
#[test]
fn tests_that_read_private_models_are_in_their_group() {
    let project = TestProject::new("model_private");
    let node = |name: &str, access: &str| {
        format!(
            r#""model.shop.{name}": {{"name": "{name}", "resource_type": "model", "package_name": "shop",
            "config": {{{access}}}, "columns": {{"day": {{"name": "day", "data_type": "date"}}, "n": {{"name": "n", "data_type": "bigint"}}}}}}"#
        )
    };
    let private = |group: &str| format!(r#""access": "private", "group": "{group}""#);
    project.write(
        "manifest.json",
        format!(
            r#"{{"metadata": {{"project_name": "shop"}}, "nodes": {{{}, {}, {}, {}}}}}"#,
            node("visits", ""),
            node("visits_too", ""),
            node("sales", &private("finance")),
            node("staff", &private("people"))
        ),
    );
    let made = |from: &str, with: &str| {
        let spec = "keep: [day, n]\nrules:\n  - sound: n < day - DATE(2024, 1, 1)\n";
        project.write(
            "m.yml",
            format!("model: m\nfrom: {from}\n{spec}compare: [{{with: ref('{with}'), keys: day, columns: n}}]\n"),
        );
        let run = project
            .run(&["model", "m.yml", "--schema", "manifest.json", "--json"])
            .json();
        let codes: Vec<_> = run["diagnostics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| d["code"].clone())
            .collect();
        let tests = run["models"][0]["tests"].as_array().cloned().unwrap_or_default();
        let group = |test: &serde_json::Value| {
            let sql = test["sql"].as_str().unwrap();
            let call = sql.lines().find(|line| line.contains("config(")).unwrap_or("none");
            format!("{}: {call}", test["name"].as_str().unwrap())
        };
        (tests.iter().map(group).collect::<Vec<_>>().join(", "), codes)
    };
    assert_eq!(
        made("visits", "visits_too").0,
        "assert_m_sound: none, assert_m_matches_visits_too: none"
    );
    let finance = "{{ config(group='finance') }}";
    assert_eq!(
        made("sales", "visits").0,
        format!("assert_m_sound: {finance}, assert_m_matches_visits: {finance}")
    );
    assert_eq!(
        made("visits", "sales").0,
        format!("assert_m_sound: none, assert_m_matches_sales: {finance}")
    );
    assert_eq!(made("sales", "staff").1, ["F0641"]);
}
