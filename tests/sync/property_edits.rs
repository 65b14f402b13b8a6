//! Tests manual edits to generated properties files that a spec cannot express, or that dbt does not interpret as plain
//! text.

use formulac::sync::Plan;

use crate::test_project::{SPEC, TestProject, YML, compiler, sub};

const MODEL: &str = "\
model: m
from: ref('orders')
tags: [finance]
group_by: region
definitions: |
  /// Number of orders
  n = COUNT()
  total = SUM(amount)
columns:
  region: {data_tests: [not_null]}
";

/// Returns the project of a spec after `change` edits its properties file.
fn edit_project(spec: &str, change: impl Fn(&str) -> String) -> TestProject {
    let mut project = TestProject::from_spec(spec).push(&compiler());
    let text = change(project.text(YML));
    assert_ne!(text, project.text(YML));
    project.set(YML, text);
    project
}

/// Removes the lines from the line with `from` up to, but not including, the line with `to`.
fn cut(text: &str, from: &str, to: &str) -> String {
    let at = |mark: &str, after: usize| {
        let found = after + text[after..].find(mark).unwrap_or_else(|| panic!("{mark}\n{text}"));
        text[..found].rfind('\n').unwrap() + 1
    };
    let start = at(from, 0);
    let end = if to.is_empty() {
        text.len()
    } else {
        at(to, start + from.len())
    };
    [&text[..start], &text[end..]].concat()
}

/// Returns the descriptions of the edits that remain in the files.
fn kept_edits(plan: &Plan) -> Vec<String> {
    let all = plan.models.iter().flat_map(|model| &model.kept);
    all.map(|edit| edit.describe_part("m")).collect()
}

/// Checks that an edit changes neither the spec nor the file, and that the edit stays in the file when the spec changes
/// later.
fn check_edit_stays(project: &TestProject, edits: &[&str], text: &str) {
    let compiler = compiler();
    let plan = project.plan(&compiler);
    assert_eq!(
        (plan.conflicts(), kept_edits(&plan)),
        (0, edits.iter().map(|edit| (*edit).to_owned()).collect())
    );
    assert!(plan.is_empty(), "{:#}", plan.json());
    let mut later = project.clone();
    later.set(SPEC, sub(project.spec(), "SUM(amount)", "MAX(amount)"));
    let after = later.push(&compiler);
    assert_eq!(after.spec(), later.spec());
    assert!(after.text(YML).contains(text), "{}", after.text(YML));
    assert_eq!(kept_edits(&after.plan(&compiler)), kept_edits(&plan));
}

#[test]
fn the_entry_of_another_model_is_kept() {
    let other = "\n  - name: other_model\n    description: documented here too\n";
    let after = edit_project(MODEL, |yml| format!("{yml}{other}"));
    check_edit_stays(&after, &["model other_model"], other);
    let before = "models:\n  - name: other_model\n    columns:\n      - name: region\n        data_tests: [unique]\n";
    check_edit_stays(
        &edit_project(MODEL, |yml| sub(yml, "models:\n", before)),
        &["model other_model"],
        before,
    );
    // An edit to the model's own entry is still transferred.
    let compiler = compiler();
    let both = edit_project(MODEL, |yml| {
        sub(&format!("{yml}{other}"), "- not_null\n", "- not_null\n          - x\n")
    });
    let pushed = both.push(&compiler);
    assert!(pushed.spec().contains("data_tests: [not_null, x]"), "{}", pushed.spec());
    assert!(pushed.text(YML).ends_with(other));
}

/// If the properties file has no entry for the model, for example because a user renamed the entry, the spec keeps its
/// properties.
#[test]
fn a_missing_entry_removes_nothing_from_the_spec() {
    for project in [
        edit_project(MODEL, |yml| {
            sub(yml, "- name: m\n", "- name: renamed\n") + "  - name: other\n"
        }),
        edit_project(MODEL, |yml| cut(yml, "models:", "")),
    ] {
        let plan = project.plan(&compiler());
        assert_eq!(project.apply_plan(&plan).spec(), MODEL, "{:#}", plan.json());
    }
}

#[test]
fn jinja_in_properties_is_code() {
    for (part, from, to) in [
        ("description of n", "Number of orders", "\"{{ doc('n') }}\""),
        (
            "description of n",
            "Number of orders",
            "Orders of {% if x %}this{% endif %} year",
        ),
        ("config of m", "- finance", "- \"{{ var('t') }}\""),
    ] {
        let project = edit_project(MODEL, |yml| sub(yml, from, to));
        check_edit_stays(&project, &[part], to);
        let plan = project.plan(&compiler());
        let why = plan.models[0].kept[0].reason_to_keep().unwrap_or_default();
        assert!(why.contains("Jinja"), "{why}");
    }
    // A `raw` block contains plain text, and the arguments of tests and settings may contain Jinja.
    for (from, to, spec) in [
        (
            "Number of orders",
            "\"{% raw %}{{ n }}{% endraw %}\"",
            "  /// {{ n }}\n",
        ),
        (
            "- not_null",
            "- x: {arguments: {z: \"{{ var('t') }}\"}}",
            "[{x: {arguments: {z: \"{{ var('t') }}\"}}}]",
        ),
        (
            "meta:\n",
            "schema: \"{{ var('s') }}\"\n      meta:\n",
            "schema: \"{{ var('s') }}\"\n",
        ),
        (
            "meta:\n",
            "meta:\n        owner: \"{{ env_var('X') }}\"\n",
            "config:\n  meta:\n    owner: \"{{ env_var('X') }}\"\n",
        ),
    ] {
        let pushed = edit_project(MODEL, |yml| sub(yml, from, to)).push(&compiler());
        assert!(pushed.spec().contains(spec), "{}", pushed.spec());
        let code = &to[to.find("{{").unwrap()..to.find("}}").unwrap()];
        let yml = pushed.text(YML);
        assert!(yml.contains(code) && yml.contains("raw") == to.contains("raw"), "{yml}");
        assert!(pushed.plan(&compiler()).is_empty());
    }
}

#[test]
fn a_conflict_with_jinja_restores_the_escaped_text() {
    let spec = sub(MODEL, "Number of orders", "Number of {{ orders }}");
    let mut project = edit_project(&spec, |yml| sub(yml, "{{ orders }}{% endraw %}", "orders{% endraw %}"));
    project.set(SPEC, sub(&spec, "{{ orders }}", "{{ all }}"));
    let plan = project.plan(&compiler());
    let edit = plan.models[0].conflicts[0].edit.as_ref().unwrap();
    let restored = formulac::sync::replace_edit_with_generated_text(edit, "m", project.text(YML)).unwrap();
    assert!(
        restored.contains("{% raw %}Number of {{ orders }}{% endraw %}"),
        "{restored}"
    );
}

#[test]
fn tests_that_a_rule_generates_are_not_duplicated() {
    let spec = format!(
        "{MODEL}rules:\n  - {{name: known, check: region, found_in: {{to: ref('regions'), field: region}}, severity: warn}}\n"
    );
    let severity = "                severity: warn\n";
    // The severity belongs to the rule.
    let project = edit_project(&spec, |yml| sub(yml, severity, "                severity: error\n"));
    let pushed = project.push(&compiler());
    assert_eq!(pushed.spec(), sub(&spec, "severity: warn", "severity: error"));
    assert_eq!(
        pushed.text(YML).matches("relationships").count(),
        1,
        "{}",
        pushed.text(YML)
    );
    assert!(pushed.plan(&compiler()).is_empty() && kept_edits(&pushed.plan(&compiler())).is_empty());
    // A spec cannot express other keys of the generated test.
    let filter = format!("{severity}                where: region is not null\n");
    check_edit_stays(
        &edit_project(&spec, |yml| sub(yml, severity, &filter)),
        &["tests of region"; 2],
        &filter,
    );
    // The generated test on a key becomes a test in the spec.
    let pushed = edit_project(MODEL, |yml| {
        sub(yml, "- unique", "- unique: {config: {severity: warn}}")
    })
    .push(&compiler());
    assert!(
        pushed
            .spec()
            .contains("[not_null, {unique: {config: {severity: warn}}}]"),
        "{}",
        pushed.spec()
    );
    assert_eq!(pushed.text(YML).matches("unique").count(), 1, "{}", pushed.text(YML));
}

#[test]
fn a_column_has_one_list_of_tests() {
    for beside in ["quote: true", "constraints: [{type: not_null}]", "policy_tags: [a]"] {
        let own =
            format!("description: SUM(amount)\n        tests:\n          - not_null # needed\n        {beside}\n");
        let pushed = edit_project(MODEL, |yml| sub(yml, "description: SUM(amount)\n", &own)).push(&compiler());
        let column = pushed.text(YML).split("name: total").nth(1).unwrap();
        assert_eq!(
            (column.matches("tests:").count(), column.matches("data_tests:").count()),
            (1, 1),
            "{column}"
        );
        assert!(column.contains(beside) && column.contains("# needed"), "{column}");
        assert!(
            pushed.spec().contains("total:\n    data_tests:\n      - not_null"),
            "{}",
            pushed.spec()
        );
        assert!(pushed.plan(&compiler()).is_empty());
    }
}

#[test]
fn tags_are_kept_next_to_generated_tags() {
    let own = "- name: m\n    tags: [daily]\n";
    check_edit_stays(&edit_project(MODEL, |yml| sub(yml, "- name: m\n", own)), &["tags"], own);
}

#[test]
fn yaml_that_is_not_valid_is_a_conflict_that_names_the_line() {
    for (from, to, reason) in [
        ("Number of orders", "Orders: all", "the text is not valid YAML"),
        (
            "description: Number of orders",
            "description: Number of orders\n        description: Second",
            "the key `description` is duplicated",
        ),
    ] {
        let project = edit_project(MODEL, |yml| sub(yml, from, to));
        let line = 1 + project
            .text(YML)
            .lines()
            .position(|line| line.contains(": all") || line.contains("Second"))
            .unwrap();
        let plan = project.plan(&compiler());
        assert!(
            plan.conflicts() == 1 && kept_edits(&plan).is_empty(),
            "{:#}",
            plan.json()
        );
        let conflict = &plan.models[0].conflicts[0];
        let found = conflict
            .clashes
            .first()
            .map(|clash| (clash.description.contains(reason), clash.line));
        assert_eq!((found, conflict.line), (Some((true, line)), line), "{conflict:?}");
    }
}

#[test]
fn removed_tests_and_columns_are_not_a_conflict() {
    let without_tests = |yml: &str| cut(yml, "        data_tests:", "- name: \"n\"");
    let without_column = |yml: &str| cut(yml, "- name: region", "- name: \"n\"");
    let without_columns = |yml: &str| cut(yml, "    columns:", "");
    for change in [without_tests, without_column, without_columns] {
        let compiler = compiler();
        let project = edit_project(MODEL, change);
        let plan = project.plan(&compiler);
        assert_eq!(plan.conflicts(), 0, "{:#}", plan.json());
        let mut pushed = project.apply_plan(&plan);
        assert!(
            !pushed.spec().contains("not_null") && !pushed.text(YML).contains("unique"),
            "{:?}",
            pushed.files
        );
        assert!(pushed.plan(&compiler).is_empty());
        // The tests stay deleted if the spec changes elsewhere. A change to the same tests is a conflict.
        pushed.set(SPEC, sub(pushed.spec(), "[finance]", "[finance, daily]"));
        let later = pushed.plan(&compiler);
        assert_eq!(later.conflicts(), 0, "{:#}", later.json());
        assert!(!pushed.apply_plan(&later).text(YML).contains("unique"));
        let mut both = project.clone();
        both.set(SPEC, sub(MODEL, "[not_null]", "[not_null, x]"));
        assert!(both.plan(&compiler).conflicts() > 0);
    }
}

#[test]
fn long_descriptions_leave_no_edit() {
    for text in ["The facts:\n      - one row per region", "Short text"] {
        let own = format!("- name: m\n    description: |\n      {text}\n");
        let mut pushed = edit_project(MODEL, |yml| sub(yml, "- name: m\n", &own)).push(&compiler());
        for spec in [
            pushed.spec().to_owned(),
            sub(pushed.spec(), "SUM(amount)", "MAX(amount)"),
        ] {
            pushed.set(SPEC, spec);
            pushed = pushed.push(&compiler());
            let plan = pushed.plan(&compiler());
            assert!(plan.is_empty() && kept_edits(&plan).is_empty(), "{:#}", plan.json());
            assert!(formulac::dbt::is_unmodified(pushed.text(YML)), "{}", pushed.text(YML));
        }
    }
}

/// Changes to `description` and `meta` update the mapping if the definition is a mapping.
#[test]
fn properties_of_a_mapping_are_changed_in_place() {
    let spec = "model: m\nfrom: ref('orders')\ngroup_by: region\ndefinitions:\n  n:\n    formula: COUNT()\n    \
                description: Number of orders\n  total: {formula: SUM(amount), description: Total, meta: {unit: EUR}}\n";
    let changes = [
        ("Number of orders", "All orders"),
        ("Total", "Sum"),
        ("unit: EUR", "unit: USD"),
    ];
    let change = |text: &str| {
        changes
            .iter()
            .fold(text.to_owned(), |text, (from, to)| sub(&text, from, to))
    };
    let project = edit_project(spec, change);
    let plan = project.plan(&compiler());
    assert_eq!(kept_edits(&plan), Vec::<String>::new());
    assert_eq!(project.apply_plan(&plan).spec(), change(spec));
}
