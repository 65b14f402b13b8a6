//! Manual edits to the structure of a model's SQL, which become changes to the spec: added, renamed and removed
//! columns, and changed relations or periods. Each edit is tested in each dialect.

mod cases;
mod ctes;
mod kept;
mod specs;

use formulac::Compiler;

use crate::test_project::{SQL, TestProject};

use cases::CASES;
use specs::{BLOCK, KEPT_ALL, KEPT_LIST, MAPPING, NESTED};

fn create_pushed_project(compiler: &Compiler, spec: &str) -> TestProject {
    TestProject::from_spec(spec).push(compiler)
}

#[test]
fn edits_of_the_structure_become_specs_in_all_dialects() {
    let mut wrong = String::new();
    for dialect in ["bigquery", "snowflake", "postgres", "duckdb"] {
        let compiler = Compiler::builder().dialect(dialect.parse().unwrap()).build();
        for (spec, replaced, expected) in CASES {
            let mut project = create_pushed_project(&compiler, spec);
            let mut sql = project.text(SQL).to_owned();
            for (from, to) in *replaced {
                assert!(sql.contains(from), "{dialect}: {from} is not in\n{sql}");
                sql = sql.replace(from, to);
            }
            project.set(SQL, sql.clone());
            let plan = project.plan(&compiler);
            let after = project.apply_plan(&plan);
            let is_there = |part: &&str| match part.strip_prefix('!') {
                Some(part) => !after.spec().contains(part),
                None => after.spec().contains(part),
            };
            let kept: usize = plan
                .models
                .iter()
                .map(|model| model.kept.len() + model.conflicts.len())
                .sum();
            if kept > 0 || !expected.iter().all(is_there) || !after.plan(&compiler).models.is_empty() {
                wrong.push_str(&format!(
                    "{dialect}: {replaced:?}: {kept} kept\n{}{sql}\n",
                    after.spec()
                ));
            }
        }
    }
    assert_eq!(wrong, "");
}

/// The file keeps the equivalent SQL of a condition, even if the file contains another edit that is kept.
#[test]
fn spellings_of_a_condition_are_not_edits() {
    let compiler = crate::test_project::compiler();
    let spec = BLOCK.replace("group_by", "where: OR(amount = 6, amount = 7)\ngroup_by");
    let from = "where amount = 6 or amount = 7";
    for (to, kept) in [
        ("where amount in (6, 7)", ""),
        ("where amount in (6, 8)", "qualify true"),
    ] {
        let mut project = create_pushed_project(&compiler, &spec);
        let sql = project.text(SQL).to_owned();
        assert!(sql.contains(from), "{from} is not in\n{sql}");
        project.set(SQL, sql.replace(from, to) + kept);
        let plan = project.plan(&compiler);
        assert_eq!(plan.conflicts(), 0, "{:#?}", plan.json());
        let left: usize = plan.models.iter().map(|model| model.kept.len()).sum();
        assert_eq!(left, usize::from(!kept.is_empty()), "{:#?}", plan.json());
        let after = project.apply_plan(&plan);
        assert!(after.text(SQL).contains(to), "{}", after.text(SQL));
        assert!(after.text(SQL).contains(kept), "{}", after.text(SQL));
        assert_eq!(after.plan(&compiler).conflicts(), 0);
    }
}

/// A new column stays where the user wrote it.
#[test]
fn new_columns_keep_their_positions() {
    let compiler = crate::test_project::compiler();
    for (spec, from, to) in [
        (
            BLOCK,
            "max(amount) as largest,",
            "max(amount) as largest,\n    count(*) as n,",
        ),
        (
            NESTED,
            "    largest * 2 as twice,",
            "    largest * 3 as thrice,\n    largest * 2 as twice,",
        ),
        (
            MAPPING,
            "upper(country) as code",
            "tax + 1 as more,\n    upper(country) as code",
        ),
    ] {
        let mut project = create_pushed_project(&compiler, spec);
        let sql = project.text(SQL).to_owned();
        let names = |sql: &str| -> Vec<String> {
            let (_, select) = sql.rsplit_once("select").unwrap();
            let columns = select.split("\nfrom").next().unwrap().split(',');
            columns
                .filter_map(|column| Some(column.split_whitespace().last()?.to_owned()))
                .collect()
        };
        assert!(sql.contains(from), "{from} is not in\n{sql}");
        let edited = sql.replacen(from, to, 1);
        project.set(SQL, edited.clone());
        let plan = project.plan(&compiler);
        let after = project.apply_plan(&plan);
        let position = |text: &str| after.spec().find(text).unwrap_or(usize::MAX);
        let (added, next) = match spec {
            BLOCK => ("  n = COUNT()", "  smallest = "),
            NESTED => ("  thrice = largest * 3", "  twice = "),
            _ => ("  more: tax + 1", "  code: "),
        };
        assert!(position(added) < position(next), "{}", after.spec());
        assert_eq!(names(after.text(SQL)), names(&edited), "{}", after.text(SQL));
        assert!(
            after.plan(&compiler).models.is_empty() && after.spec() != spec,
            "{}",
            after.spec()
        );
    }
}

/// A definition that a push adds to a spec has the line endings of the spec.
#[test]
fn new_definitions_have_the_line_endings_of_the_spec() {
    let compiler = crate::test_project::compiler();
    let spec = BLOCK.replace('\n', "\r\n");
    let mut project = create_pushed_project(&compiler, &spec);
    let sql = project.text(SQL).to_owned();
    project.set(
        SQL,
        crate::test_project::sub(
            &sql,
            "max(amount) as largest,",
            "max(amount) as largest,\n    count(*) as n,",
        ),
    );
    let after = project.push(&compiler);
    assert!(after.spec().contains("  n = COUNT()\r\n"), "{:?}", after.spec());
    assert!(!after.spec().replace("\r\n", "").contains('\n'), "{:?}", after.spec());
    assert!(after.plan(&compiler).models.is_empty());
}

/// The spec has another change at the same time.
#[test]
fn other_changes_of_the_spec_are_kept() {
    let compiler = crate::test_project::compiler();
    let mut project = create_pushed_project(&compiler, BLOCK);
    let sql = project.text(SQL).replace("as smallest", "as lowest");
    project.set(SQL, sql);
    project.set(
        crate::test_project::SPEC,
        BLOCK.replace("SUM(amount)", "SUM(amount - tax)"),
    );
    let after = project.push(&compiler);
    assert!(after.spec().contains("revenue = SUM(amount - tax)") && after.spec().contains("lowest = MIN(amount)"));
    assert!(after.text(SQL).contains("sum(amount - tax)") && after.text(SQL).contains("as lowest"));
}

/// The spec has the same new name, so there is nothing left to resolve.
#[test]
fn edits_that_the_spec_already_contains_are_not_conflicts() {
    let compiler = crate::test_project::compiler();
    let renamed = |text: &str| text.replace("settled", "paid_out");
    for spec in [KEPT_ALL, KEPT_LIST] {
        let mut project = create_pushed_project(&compiler, spec);
        let sql = renamed(project.text(SQL));
        project.set(SQL, sql);
        project.set(crate::test_project::SPEC, renamed(spec));
        let plan = project.plan(&compiler);
        let kept: usize = plan.models.iter().map(|model| model.kept.len()).sum();
        assert_eq!((plan.conflicts(), kept), (0, 0), "{:#?}", plan.json());
        assert_eq!(project.apply_plan(&plan).spec(), renamed(spec));
    }
}

/// A conflict in another column is still reported.
#[test]
fn conflicts_of_other_columns_remain() {
    let compiler = crate::test_project::compiler();
    let mut project = create_pushed_project(&compiler, BLOCK);
    let sql = project.text(SQL).replace("as smallest", "as lowest");
    project.set(SQL, sql.replace("max(amount)", "max(tax)"));
    project.set(crate::test_project::SPEC, BLOCK.replace("MAX(amount)", "MAX(fee)"));
    let plan = project.plan(&compiler);
    let conflicts: Vec<_> = plan.models[0]
        .conflicts
        .iter()
        .map(|conflict| conflict.definition.as_deref())
        .collect();
    assert_eq!(conflicts, [Some("largest")]);
}

/// The names of CTEs depend on the relation. A user may rename none, some or all of them. A column may have the name of
/// the relation.
#[test]
fn another_relation_may_change_the_names_of_ctes() {
    const SPEC: &str = "\
model: m
from: ref('orders')
where: NOT(ISBLANK(country))
group_by: country
definitions: |
  revenue = SUM(amount)
  orders = COUNT()
  aov = revenue / orders
";
    let compiler = crate::test_project::compiler();
    let pushed = create_pushed_project(&compiler, SPEC);
    let now = SPEC.replace("ref('orders')", "ref('stg_orders')");
    let relation = ("ref('orders')", "ref('stg_orders')");
    let first = ("with orders as", "with stg_orders as");
    let from = ("    from orders\n", "    from stg_orders\n");
    let second = ("orders_by_country", "stg_orders_by_country");
    for edits in [
        vec![relation],
        vec![relation, first, from],
        vec![relation, first, from, second],
    ] {
        let mut project = pushed.clone();
        let mut sql = project.text(SQL).to_owned();
        for (from, to) in &edits {
            assert!(sql.contains(from), "{sql}");
            sql = sql.replace(from, to);
        }
        project.set(SQL, sql);
        let after = project.push(&compiler);
        assert_eq!(after.spec(), now, "{edits:?}");
        let generated = TestProject::from_spec(&now).push(&compiler);
        assert_eq!(after.text(SQL), generated.text(SQL), "{edits:?}");
        assert!(after.plan(&compiler).models.is_empty(), "{edits:?}");
    }
}

/// Both sides changed the same condition, or added a column with the same name. Each side can be kept.
#[test]
fn conflicts_of_conditions_and_new_columns_have_formulas() {
    const SPEC: &str = r#"model: m
from: orders
where: country <> "x"
group_by: country
definitions: |
  n = COUNT()
having: n > 0
"#;
    let compiler = crate::test_project::compiler();
    let added = "count(*) as n,\n    max(amount) as big";
    for (sql, spec, target, theirs, base) in [
        (
            ("country <> 'x'", "country <> 'x' and amount > 20"),
            ("country <> \"x\"", "country <> \"y\""),
            ("where", "where: AND(country <> \"x\", amount > 20)"),
            "AND(country <> \"x\", amount > 20)",
            Some("country <> \"x\""),
        ),
        (
            ("n > 0", "n > 2"),
            ("n > 0", "n > 1"),
            ("having", "having: n > 2"),
            "n > 2",
            Some("n > 0"),
        ),
        (
            ("count(*) as n", added),
            ("n = COUNT()\n", "n = COUNT()\n  big = MIN(amount)\n"),
            ("big", "big = MAX(amount)"),
            "MAX(amount)",
            None,
        ),
    ] {
        // Without `having`, the query has one select.
        let of_spec = match base {
            Some(_) => SPEC.to_owned(),
            None => SPEC.replace("having: n > 0\n", ""),
        };
        let mut project = create_pushed_project(&compiler, &of_spec);
        let text = project.text(SQL).to_owned();
        assert!(text.contains(sql.0), "{text}");
        project.set(SQL, text.replacen(sql.0, sql.1, 1));
        project.set(crate::test_project::SPEC, of_spec.replacen(spec.0, spec.1, 1));
        let plan = project.plan(&compiler);
        let conflicts = &plan.models[0].conflicts;
        assert_eq!(conflicts.len(), 1, "{:#?}", plan.json());
        let conflict = &conflicts[0];
        assert_eq!(conflict.clause().or(conflict.definition.as_deref()), Some(target.0));
        let name = conflict.clause().unwrap_or("formula");
        assert_eq!(plan.json()["models"][0]["conflicts"][0]["property"], name);
        assert_eq!(conflict.theirs_formula.as_deref(), Some(theirs));
        assert_eq!(conflict.base.as_deref(), base);
        assert!(!conflict.restored.is_empty());
        let ours = crate::test_project::compile_current(&compiler, project.spec()).unwrap();
        let resolved = formulac::sync::with_formula_in_conflict(conflict, &ours, theirs).unwrap();
        assert!(resolved.contains(target.1), "{resolved}");
        // With the resolved spec, the edit is no longer a conflict.
        project.set(crate::test_project::SPEC, resolved);
        let plan = project.plan(&compiler);
        let kept: usize = plan.models.iter().map(|model| model.kept.len()).sum();
        assert_eq!((plan.conflicts(), kept), (0, 0), "{:#?}", plan.json());
    }
}
