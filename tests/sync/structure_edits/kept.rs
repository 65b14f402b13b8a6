//! Edits to the structure of SQL that stay in the file.

use formulac::Compiler;

use super::create_pushed_project;
use super::specs::{FILLED, INCREMENTAL, JOINED, MANY_KEYS, MAPPING, NESTED, RANKED};
use crate::test_project::SQL;

/// A column that other definitions need cannot be removed, and the removal of a relation is not a change to another
/// relation.
#[test]
fn edits_that_no_spec_expresses_are_kept() {
    let compiler = crate::test_project::compiler();
    for (spec, from, to) in [
        (NESTED, ",\n    largest", ""),
        (JOINED, "{{ ref('customers') }}", "raw.customers"),
        (MANY_KEYS, "amount > 5", "amount in (select 6)"),
        (
            INCREMENTAL,
            "count(*) as n",
            "count(*) as n,\n        max(amount) as largest",
        ),
        (INCREMENTAL, "country <> 'x'", "country <> '{{ var(\"x\") }}'"),
        // The value of the months that `fill` adds.
        (FILLED, "coalesce(max(revenue), 0)", "max(revenue)"),
        (FILLED, "coalesce(max(revenue), 0)", "coalesce(max(revenue), 1)"),
        // `RAND()` returns a different value for each comparison.
        (
            MAPPING,
            "upper(country) as code",
            "random() between 0.2 and 0.7 as code",
        ),
    ] {
        let mut project = create_pushed_project(&compiler, spec);
        let sql = project.text(SQL).to_owned();
        assert!(sql.contains(from), "{from} is not in\n{sql}");
        project.set(SQL, sql.replacen(from, to, 1));
        let plan = project.plan(&compiler);
        let kept: usize = plan.models.iter().map(|model| model.kept.len()).sum();
        assert!(kept > 0, "{}", project.apply_plan(&plan).spec());
        for edit in plan.models.iter().flat_map(|model| &model.kept) {
            let why = edit.reason_to_keep().unwrap_or_default();
            assert!(!why.is_empty() && !why.contains("… …"), "{to}: {why}");
        }
        assert_eq!(project.apply_plan(&plan).spec(), spec);
    }
}

/// The query contains the spec's `having` in the last select, so a new `having` in a CTE must not replace it.
#[test]
fn a_second_condition_does_not_replace_the_first() {
    let compiler = crate::test_project::compiler();
    let spec = format!("{NESTED}having: largest > 1\n");
    let pushed = create_pushed_project(&compiler, &spec);
    let second = ("group by country", "group by country\n    having count(*) > 3");
    for (edits, now) in [
        (vec![second], spec.clone()),
        (
            vec![second, ("largest > 1", "largest > 2")],
            spec.replace("largest > 1", "largest > 2"),
        ),
    ] {
        let mut project = pushed.clone();
        let mut sql = project.text(SQL).to_owned();
        for (from, to) in edits {
            assert!(sql.contains(from), "{sql}");
            sql = sql.replacen(from, to, 1);
        }
        project.set(SQL, sql.clone());
        let plan = project.plan(&compiler);
        let kept = &plan.models[0].kept;
        let advice = "AND(largest > ";
        let is_explained = kept[0].reason_to_keep().is_some_and(|why| why.contains(advice));
        assert!(kept.len() == 1 && is_explained, "{kept:#?}");
        let after = project.apply_plan(&plan);
        assert_eq!(after.spec(), now);
        let body = |text: &str| text.split_once("#}\n").unwrap().1.to_owned();
        assert_eq!(body(after.text(SQL)), body(&sql));
    }
}

/// The reason for an edit that stays in the file names the cause: another clause that the condition would change, a
/// hint, or a comment with Jinja.
#[test]
fn kept_edits_have_a_true_reason() {
    const PERIODS: &str = "\
model: m
from: orders
group_by: [\"ordered_on[month]\", country]
order_by: ordered_on[month]
definitions: |
  revenue = SUM(amount)
  last_revenue = PERIODOFFSET(revenue, -1, \"month\")
";
    let other_clause = "in the spec, this condition also changes `from`, so `push` does not copy it; write the condition \
                        in the spec";
    let hint = "a spec cannot contain an optimizer hint or a comment with Jinja";
    let compiler = crate::test_project::compiler();
    for (spec, from, to, expected) in [
        (
            PERIODS,
            "from orders\n",
            "from orders\n    where country = 'x'\n",
            other_clause,
        ),
        (
            NESTED,
            "select\n    country",
            "select /*+ PARALLEL(4) */\n    country",
            hint,
        ),
        // The hint is in front of a key with an expression.
        (
            PERIODS,
            "select\n        cast(",
            "select /*+ no_merge */\n        cast(",
            hint,
        ),
        (NESTED, "    group by", "    /* {{ x }} */\n    group by", hint),
    ] {
        let mut project = create_pushed_project(&compiler, spec);
        let sql = project.text(SQL).to_owned();
        assert!(sql.contains(from), "{from} is not in\n{sql}");
        project.set(SQL, sql.replacen(from, to, 1));
        let plan = project.plan(&compiler);
        let kept = plan.models.iter().flat_map(|model| &model.kept);
        let reasons: Vec<String> = kept.map(|edit| edit.reason_to_keep().unwrap_or_default()).collect();
        assert!(
            !reasons.is_empty() && reasons.iter().all(|why| why == expected),
            "{to}: {reasons:#?}"
        );
    }
}

/// A column whose new name a text block cannot contain keeps its definition and description in the spec.
#[test]
fn renamed_columns_keep_their_definitions() {
    let compiler = crate::test_project::compiler();
    let spec =
        "model: m\nfrom: orders\ngroup_by: country\ndefinitions: |\n  /// Largest order\n  largest = MAX(amount)\n";
    let text_block = "the name `Largest Order` cannot be written in a text block; write `definitions` as a mapping, one \
                      `name: formula` per line";
    for (spec, from, to, expected) in [
        (spec, "as largest", "as \"Largest Order\"", text_block),
        (
            NESTED,
            "largest * 2 as twice",
            "largest * 2 as \"Largest Order\"",
            text_block,
        ),
        (
            NESTED,
            "smallest\n",
            "smallest,\n    largest * 3 as \"Largest Order\"\n",
            text_block,
        ),
        (
            spec,
            "as largest",
            "as \"MaxOrder\"",
            "a spec does not determine the case of the column names",
        ),
    ] {
        let mut project = create_pushed_project(&compiler, spec);
        let sql = project.text(SQL).to_owned();
        let (before, after) = sql
            .rsplit_once(from)
            .unwrap_or_else(|| panic!("{from} is not in\n{sql}"));
        project.set(SQL, [before, to, after].concat());
        let plan = project.plan(&compiler);
        assert_eq!(project.apply_plan(&plan).spec(), spec, "{to}");
        let kept = plan.models.iter().flat_map(|model| &model.kept);
        let reasons: Vec<String> = kept.map(|edit| edit.reason_to_keep().unwrap_or_default()).collect();
        assert!(
            !reasons.is_empty() && reasons.iter().all(|why| why == expected),
            "{to}: {reasons:#?}"
        );
    }
    // A name without quotes has no case.
    let mut project = create_pushed_project(&compiler, NESTED);
    let sql = project
        .text(SQL)
        .replace("smallest\n", "smallest,\n    largest * 3 as MaxOrder\n");
    project.set(SQL, sql);
    let spec = project.push(&compiler).spec().to_lowercase();
    assert!(spec.contains("maxorder = largest * 3"), "{spec}");
}

/// The columns of a new CTE differ from the columns that the formulas read, even if the names match, and `*` may return
/// the columns that seem to be missing. Jinja in a string is code. The spec and the file stay as they are.
#[test]
fn selects_that_formulac_cannot_read_are_kept() {
    const SELECTS: [&str; 8] = [
        "agg as (\n\n{select}\n)\n\nselect * from agg",
        "agg as (\n\n{select}\n)\n\nselect\n    country,\n    n,\n    largest\nfrom agg\nwhere n > 0",
        "agg as (\n\n{select}\n)\n\nselect\n    country,\n    n,\n    n * 2 as twice\nfrom agg",
        "\"Agg\" as (\n\n{select}\n)\n\nselect\n    country,\n    n,\n    largest\nfrom \"Agg\"",
        "agg as (\n\n{select}\n)\n\nselect\n    country,\n    amount as n,\n    largest\nfrom (select *, 1 as amount from agg) as a",
        "select * from (\n{select}\n) as f",
        "select\n    country,\n    count(*) n,\n    max(amount) as largest\nfrom orders\ngroup by country",
        "select\n    country,\n    {{ columns() }}\nfrom orders\ngroup by country",
    ];
    const TEXTS: [(&str, &str); 3] = [
        (
            "max(amount)",
            "max(case when code = '{{ var(\"code\", 'a') }}' then amount end)",
        ),
        (
            "max(amount)",
            "max(case when code = '{% if x %}a{% endif %}' then amount end)",
        ),
        (
            "max(amount) as largest",
            "max(amount) as largest,\n    '{{ target.name }}' as target",
        ),
    ];
    for dialect in ["bigquery", "snowflake", "postgres", "duckdb"] {
        let compiler = Compiler::builder().dialect(dialect.parse().unwrap()).build();
        let pushed = create_pushed_project(&compiler, RANKED);
        let sql = pushed.text(SQL);
        let (ctes, select) = sql.rsplit_once(")\n\nselect").unwrap();
        let quote = if dialect == "bigquery" { "`" } else { "\"" };
        let nested = |text: &str| {
            // A plain select directly follows the CTEs. All other replacements begin with another CTE.
            let separator = if text.starts_with("select") { ")" } else { ")," };
            let text = text.replace("{select}", &format!("select{select}")).replace('"', quote);
            format!("{ctes}{separator}\n\n{text}\n")
        };
        let texts = TEXTS.iter().map(|(from, to)| sql.replacen(from, to, 1));
        for edited in SELECTS.iter().map(|text| nested(text)).chain(texts) {
            assert_ne!(edited, sql);
            let mut project = pushed.clone();
            project.set(SQL, edited.clone());
            let plan = project.plan(&compiler);
            let after = project.apply_plan(&plan);
            assert_eq!(after.spec(), RANKED, "{dialect}: {edited}");
            assert_eq!(after.text(SQL), edited, "{dialect}");
        }
    }
}

/// Quotes change the case of a column's name only where the warehouse changes the case of names without quotes.
#[test]
fn quotes_that_change_a_name_are_kept() {
    for (dialect, alias, is_edit) in [
        ("snowflake", "\"largest\"", true),
        ("snowflake", "\"Largest\"", true),
        ("postgres", "\"largest\"", false),
        ("postgres", "\"Largest\"", true),
        ("duckdb", "\"largest\"", false),
        ("bigquery", "`largest`", false),
    ] {
        let compiler = Compiler::builder().dialect(dialect.parse().unwrap()).build();
        let mut project = create_pushed_project(&compiler, RANKED);
        let sql = project.text(SQL).to_owned();
        project.set(SQL, sql.replace("as largest", &format!("as {alias}")));
        let plan = project.plan(&compiler);
        let kept = plan.models.iter().flat_map(|model| &model.kept);
        assert_eq!(kept.count() > 0, is_edit, "{dialect}, {alias}: {:#?}", plan.json());
        let spec = format!("{RANKED}  smallest = MIN(amount)\n");
        project.set(crate::test_project::SPEC, spec.clone());
        let pushed = project.push(&compiler);
        assert_eq!(pushed.spec(), spec, "{dialect}, {alias}");
        let text = pushed.text(SQL);
        assert!(text.contains("min(amount) as smallest"), "{text}");
        assert!(!is_edit || text.contains(&format!("max(amount) as {alias}")), "{text}");
    }
}
