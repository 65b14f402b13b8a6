//! Two simultaneous manual edits to the same file. If a push can transfer each edit separately, a single push must
//! transfer both.

use formulac::decompile::Decompiler;

use crate::large::EditedProject;
use crate::test_project::{SQL, TestProject, compiler};

const WINDOWS: &str = "\
model: m
from: orders
where: amount > 5
group_by: country, ordered_on[month]
order_by: ordered_on[month]
definitions: |
  revenue = SUM(amount)
  n = COUNT()
  aov = revenue / n
  before = PERIODOFFSET(revenue, -3, \"month\")
  size = IF(revenue > 100, \"large\", \"small\")
";
const FILLED: &str = "\
model: m
from: orders
group_by: ordered_on[month]
fill: month
order_by: ordered_on[month]
definitions: |
  revenue = SUM(amount)
  n = COUNT()
  aov = revenue / n
  running = SUM(FIRST(revenue):revenue)
";
const ROWS: &str = "\
model: m
from: orders
keep: [id]
definitions: |
  net = amount - tax
  share = net / amount
  kind = IF(amount > 100, \"large\", \"small\")
";
/// `ROUND` moves the quotient to a CTE, so a formula with `ROUND` is verified by comparing the whole query.
const SHARES: &str = "\
model: m
from: orders
group_by: country
definitions: |
  revenue = SUM(amount)
  share = revenue / SUM(revenue:revenue)
";

/// Specs with edits: the SQL before and after each edit.
const CASES: &[(&str, &[(&str, &str)])] = &[
    (
        SHARES,
        &[
            (
                "revenue / nullif(sum(revenue) over (), 0) as share",
                "round(revenue / nullif(sum(revenue) over (), 0), 4) as share",
            ),
            (
                "    from orders\n    group by",
                "    from orders\n    where status <> 'x'\n    group by",
            ),
        ],
    ),
    (
        WINDOWS,
        &[
            ("sum(amount) as revenue", "sum(amount - tax) as revenue"),
            ("count(*) as n", "count(distinct customer_id) as n"),
            ("amount > 5", "amount > 5 and status <> 'x'"),
            ("interval '3 months'", "interval '7 months'"),
            ("'large'", "'big'"),
            ("n, 0) as aov", "n, 0) * 100 as aov"),
            (
                "    end as size",
                "    end as size,
    orders_by_country_and_ordered_on_month.n * 2 as twice",
            ),
        ],
    ),
    (
        FILLED,
        &[
            ("coalesce(sum(amount), 0) as revenue", "sum(amount - tax) as revenue"),
            ("count(*) as n", "count(distinct customer_id) as n"),
            (
                "    from orders\n    group by",
                "    from orders\n    where status <> 'x'\n    group by",
            ),
            ("nullif(n, 0) as aov", "nullif(n, 0) * 100 as aov"),
        ],
    ),
    (
        ROWS,
        &[
            ("amount - tax as net", "amount - tax * 2 as net"),
            ("'large'", "'big'"),
            (
                "    from orders\n\n)",
                "    from orders\n    where amount / tax > 2\n\n)",
            ),
            ("as kind", "as kind,\n    upper(country) as code"),
            ("100", "200"),
            ("ref('orders')", "ref('orders_v2')"),
            ("as kind", "as size"),
        ],
    ),
];

#[test]
fn two_edits_need_one_push() {
    let compiler = compiler();
    let mut wrong = String::new();
    for (spec, edits) in CASES {
        let pushed = TestProject::from_spec(spec).push(&compiler);
        let generated = pushed.text(SQL).to_owned();
        let faults = |edits: &[&(&str, &str)]| {
            let mut project = pushed.clone();
            let mut sql = generated.clone();
            for (from, to) in edits {
                if !sql.contains(from) {
                    // These edits contradict each other.
                    return edits.len() == 1;
                }
                sql = sql.replacen(from, to, 1);
            }
            project.set(SQL, sql);
            let plan = project.plan(&compiler);
            let model = &plan.models[0];
            let is_transferred = model.kept.is_empty() && model.conflicts.is_empty();
            !is_transferred || !project.apply_plan(&plan).plan(&compiler).models.is_empty()
        };
        for (place, edit) in edits.iter().enumerate() {
            assert!(!faults(&[edit]), "{edit:?} alone: {generated}");
            for other in &edits[place + 1..] {
                if faults(&[edit, other]) {
                    wrong.push_str(&format!("{edit:?} and {other:?}\n"));
                }
            }
        }
    }
    assert_eq!(wrong, "");
}

/// Added columns that no formula computes, because TRIM also shortens spaces inside a string.
const WITHOUT_FORMULA: [(&str, &str, &str); 3] = [
    (
        WINDOWS,
        "    end as size",
        "    end as size,\n    trim(country) as trimmed",
    ),
    (
        FILLED,
        "nullif(n, 0) as aov,",
        "nullif(n, 0) as aov,\n    trim('a ') as trimmed,",
    ),
    (ROWS, "as share,", "as share,\n    trim(country) as trimmed,"),
];

#[test]
fn an_edit_becomes_a_formula_next_to_an_edit_without_formula() {
    let compiler = compiler();
    let mut wrong = String::new();
    for (spec, from, to) in WITHOUT_FORMULA {
        let (_, edits) = CASES.iter().find(|(of, _)| *of == spec).expect("the spec has edits");
        let pushed = TestProject::from_spec(spec).push(&compiler);
        let kept = pushed.text(SQL).replacen(from, to, 1);
        assert_ne!(kept, pushed.text(SQL), "{from}");
        for (from, to) in *edits {
            // Skip edits to the period. Such an edit changes the name of a CTE in the lines next to the added column,
            // so the two edits conflict.
            if !kept.contains(from) || from.starts_with("interval") {
                continue;
            }
            let mut project = pushed.clone();
            project.set(SQL, kept.replacen(from, to, 1));
            let plan = project.plan(&compiler);
            let model = &plan.models[0];
            if model.kept.len() != 1 || !model.conflicts.is_empty() {
                wrong.push_str(&format!("{to:?}: {} kept, {:?}\n", model.kept.len(), model.conflicts));
            }
        }
    }
    assert_eq!(wrong, "");
}

/// The edits of a file are compiled together. An edit that no formula expresses does not affect the others.
#[test]
fn many_edits_are_transferred_together() {
    let compiler = compiler();
    let mut project = EditedProject::new(&compiler, 40);
    let done = project.reconcile(&compiler, &Decompiler::default());
    assert_eq!((done.carried.len(), done.kept.len(), done.conflicts.len()), (80, 0, 0));
    let spec = done.source.unwrap();
    for i in 0..40 {
        assert!(spec.contains(&format!("  d{i}: COUNTUNIQUE(amount_{i})\n")), "{spec}");
        assert!(
            spec.contains(&format!("  d{i}:\n    description: Column {i}\n")),
            "{spec}"
        );
    }
    project.replace("models/m.sql", "count(distinct amount_7)", "strange(amount_7)");
    let done = project.reconcile(&compiler, &Decompiler::default());
    let kept: Vec<_> = done.kept.iter().map(|edit| edit.after.as_deref()).collect();
    assert_eq!(
        (done.carried.len(), done.conflicts.len(), kept),
        (79, 0, vec![Some("strange(amount_7)")])
    );
    let spec = done.source.unwrap();
    assert!(
        spec.contains("  d7: SUM(amount_7)\n") && spec.contains("  d8: COUNTUNIQUE(amount_8)\n"),
        "{spec}"
    );
}

/// In a large model, the formula of an edit is searched for without the other definitions.
#[test]
fn difficult_edits_of_a_large_model_have_the_same_result_as_in_a_small_model() {
    let compiler = compiler();
    let project = EditedProject::with_difficult_edits(&compiler, 64);
    let done = project.reconcile(&compiler, &Decompiler::default());
    let spec = done.source.unwrap();
    for i in (0..64).step_by(16) {
        for (column, formula) in [
            (i, format!("SUM(IF(status_{i} = \"x\", amount_{i}, 0))")),
            (i + 4, format!("SUM(amount_{}) / SUM(price_{})", i + 4, i + 4)),
        ] {
            assert!(spec.contains(&format!("  d{column}: {formula}\n")), "{spec}");
        }
    }
    let kept = done.kept.iter().map(|edit| edit.why.as_deref().unwrap_or_default());
    let (removed, windows): (Vec<&str>, Vec<&str>) = kept.partition(|why| why.contains("which the edit removes"));
    assert_eq!(
        (done.carried.len(), removed.len(), windows.len()),
        (8, 4, 4),
        "{windows:?}"
    );
    let expected =
        "no formula expresses `lag(…) over (…)`; `OFFSET(x, -1)` reads the previous row in the order of `order_by`";
    assert!(windows.iter().all(|why| *why == expected), "{windows:?}");
}
