//! Manual edits to SQL that a metric set defines: a table of edits, each with the formulas that resolve the conflict.

use std::collections::BTreeMap;

use formulac::decompile::Decompiler;
use formulac::sync::{
    CurrentSpec, ModelVersions, PushState, ReconcileResult, ReconcileTools, RewrittenSql, reconcile,
    restore_conflicting_sql, with_override,
};
use formulac::{Column, Compiler, Relation, Schema, Type};

mod cases;

use cases::{
    BY_MONTH, CASES, GROWTH, HEALTH, HELPER, ORDERS, PER_ORDER, PLANS, REFUNDS, REGIONS, RENAMED, SEVERAL, SIZES,
    VISITS,
};

fn compiler(orders: &str) -> Compiler {
    let compiler = Compiler::builder().dialect("duckdb".parse().unwrap()).build();
    compiler.with_metric_sets([
        ("orders.yml", orders),
        ("refunds.yml", REFUNDS),
        ("health.yml", HEALTH),
        ("visits.yml", VISITS),
    ])
}

fn compile_current(compiler: &Compiler, spec: &str) -> CurrentSpec {
    let compiled = compiler.compile_spec_at(spec, Some("m.yml"));
    let diagnostics = format!("{:?}", compiled.diagnostics());
    CurrentSpec::new("m.yml", spec, compiled, "models", "tests").unwrap_or_else(|| panic!("{spec}{diagnostics}"))
}

/// Reconciles a model whose SQL was partly edited after the push. `orders` is the current text of the metric set.
fn reconcile_edit(decompiler: &Decompiler, spec: &str, (from, to): (&str, &str), orders: &str) -> ReconcileResult {
    let sql = sql_of(spec);
    assert!(sql.contains(from), "{from} is not in\n{sql}");
    edited_text(decompiler, spec, &sql.replacen(from, to, 1), orders)
}

/// Reconciles a model whose SQL has been replaced.
fn edited_text(decompiler: &Decompiler, spec: &str, sql: &str, orders: &str) -> ReconcileResult {
    let compilers = (&compiler(ORDERS), &compiler(orders));
    edited_by(decompiler, compilers, spec, |_| sql.to_owned())
}

/// Reconciles a model whose SQL was edited. The compilers have the metric sets of the last push and the current metric
/// sets.
fn edited_by(
    decompiler: &Decompiler,
    (before, compiler): (&Compiler, &Compiler),
    spec: &str,
    edit: impl Fn(&str) -> String,
) -> ReconcileResult {
    edited_with_spec(decompiler, (before, compiler), [spec, spec], edit)
}

/// Like [`edited_by`], with the specs of the last push and of the work tree.
fn edited_with_spec(
    decompiler: &Decompiler,
    (before, compiler): (&Compiler, &Compiler),
    [pushed, spec]: [&str; 2],
    edit: impl Fn(&str) -> String,
) -> ReconcileResult {
    let base = PushState::from_pushed("m", &compile_current(before, pushed));
    let mut found = base.files.clone();
    let sql = found.get_mut("models/m.sql").unwrap();
    *sql = edit(sql);
    let moved = BTreeMap::new();
    let sides = ModelVersions {
        model: "m",
        bases: &[base],
        ours: Some(&compile_current(compiler, spec)),
        files: &found,
    };
    let tools = || ReconcileTools {
        compiler,
        decompiler,
        folders: ("models", "tests"),
        moved_paths: &moved,
    };
    reconcile(sides, Vec::new(), tools)
}

/// Returns SQL in which the generated SQL replaces the conflicting edits.
fn without_conflicts(sql: &str, done: &ReconcileResult) -> Option<String> {
    let conflicts = done.conflicts.iter();
    let restored: Vec<_> = conflicts.flat_map(|conflict| conflict.restored.clone()).collect();
    restore_conflicting_sql(sql, &restored)
}

fn is_expected(resolution: &Result<String, String>, expected: &str) -> bool {
    match (resolution, expected.strip_prefix('[')) {
        (Ok(formula), None) => formula == expected,
        (Err(reason), Some(part)) => reason.contains(part.trim_end_matches(']')),
        _ => false,
    }
}

#[test]
fn an_edit_of_a_metric_can_change_the_set_or_the_model() {
    let decompiler = Decompiler::default();
    let mut wrong = String::new();
    for (spec, from, to, name, to_set, to_model) in CASES {
        let done = reconcile_edit(&decompiler, spec, (from, to), ORDERS);
        let sets: Vec<_> = done
            .conflicts
            .iter()
            .filter_map(|conflict| conflict.set.as_ref())
            .collect();
        let fits = match sets.as_slice() {
            [set] => {
                set.full_name() == *name && is_expected(&set.to_set, to_set) && is_expected(&set.to_model, to_model)
            }
            _ => false,
        };
        if !fits {
            wrong.push_str(&format!("{to}: {sets:#?} {:?}\n", done.kept));
        }
    }
    assert_eq!(wrong, "");
}

#[test]
fn edits_of_own_definitions_become_formulas_in_the_spec() {
    let decompiler = Decompiler::default();
    let edit = ("as share", "* 100 as share");
    let done = reconcile_edit(&decompiler, BY_MONTH, edit, ORDERS);
    assert!(done.conflicts.is_empty(), "{:#?}", done.conflicts);
    let source = done.source.unwrap_or_else(|| panic!("{:#?}", done.kept));
    assert!(
        source.contains("share = revenue / SUM(revenue:revenue) * 100"),
        "{source}"
    );
}

/// `resolve` shows the SQL of the formula if it differs from the edited SQL, with all differences.
#[test]
fn the_sql_of_a_resolution_is_described() {
    let decompiler = Decompiler::default();
    let from = "coalesce(sum(amount), 0) as revenue";
    for (to, sql, differences) in [
        (
            "sum(amount - tax) as revenue",
            "coalesce(sum(amount - tax), 0)",
            "a default for NULL",
        ),
        (
            "sum(case when is_gift then amount else null end) as revenue",
            "coalesce(sum(case when is_gift then amount end), 0)",
            "the syntax and a default for NULL",
        ),
        ("coalesce(sum(amount - tax), 0) as revenue", "", ""),
    ] {
        let done = reconcile_edit(&decompiler, BY_MONTH, (from, to), ORDERS);
        let set = done.conflicts[0].set.as_ref().unwrap();
        let shown = set
            .to_set_sql
            .as_ref()
            .map(|rewritten_sql| (rewritten_sql.sql.as_str(), rewritten_sql.describe()));
        let expected = (!sql.is_empty()).then(|| (sql, differences.to_owned()));
        assert_eq!(shown, expected, "{to}: {set:#?}");
    }
    let scaled = ("as aov", "* 1.5 + 0.5 as aov");
    let done = reconcile_edit(&decompiler, BY_MONTH, scaled, ORDERS);
    let set = done.conflicts[0].set.as_ref().unwrap();
    assert!(set.to_model.is_ok() && set.to_model_sql.is_none(), "{set:#?}");
}

/// The types of the metric set's columns are known when the SQL of a resolution is compared with the edit.
#[test]
fn spellings_of_known_types_change_the_set() {
    let decompiler = Decompiler::default();
    let dates = ["ordered_on", "shipped_on"].map(|name| (name, Type::Date));
    let others = ["status", "region", "amount", "order_id", "customer_id"].map(|name| (name, Type::Unknown));
    let columns = dates.into_iter().chain(others);
    let orders = columns.fold(Relation::new("orders"), |relation, (name, ty)| {
        relation.with(Column::new(name, ty))
    });
    let compiler = Compiler::builder()
        .dialect("duckdb".parse().unwrap())
        .schema(Schema::new().with(orders))
        .build()
        .with_metric_sets([("orders.yml", ORDERS)]);
    let done = edited_by(&decompiler, (&compiler, &compiler), BY_MONTH, |sql| {
        sql.replacen("sum(amount)", "sum(date_diff('day', ordered_on, shipped_on))", 1)
    });
    let set = done.conflicts[0].set.as_ref().unwrap();
    assert_eq!(set.to_set.as_deref(), Ok("SUM(shipped_on - ordered_on)"));
    let described = set.to_set_sql.as_ref().map(RewrittenSql::describe);
    assert_eq!(described.as_deref(), Some("the syntax"));
}

/// An edit to a model's own definition may lack guards, too.
#[test]
fn own_definitions_may_lack_guards() {
    let decompiler = Decompiler::default();
    let edit = ("nullif(order_count, 0) as per_order", "order_count * 100 as per_order");
    let done = reconcile_edit(&decompiler, PER_ORDER, edit, ORDERS);
    let source = done.source.unwrap_or_else(|| panic!("{:#?}", done.kept));
    assert!(source.contains("per_order = revenue / order_count * 100"), "{source}");
    let rewritten = done.carried[0].rewritten.as_ref().unwrap();
    assert_eq!(rewritten.describe(), "NULL for a division by 0");
}

/// A condition that a user adds restricts the rows of the metric set in this model, and an added column is a
/// definition.
#[test]
fn added_conditions_and_columns_become_part_of_the_spec() {
    let decompiler = Decompiler::default();
    let from = "    from refunds\n    group by";
    let filtered = "    from refunds\n    where status <> 'x'\n    group by";
    let total = "model: m\nmetrics: [refunds.refunded]\ngroup_by: month\ndefinitions: double = refunded * 2\n";
    let column = ("as double", "as double,\n    refunded * 100 as cents");
    for (spec, edits, expected) in [
        (total, vec![(from, filtered)], "where: status <> \"x\"\n"),
        (
            total,
            vec![
                (
                    from,
                    "    from refunds\n    where status like 'x%' and tax > 0\n    group by",
                ),
                column,
            ],
            "where: AND(STARTSWITH(status, \"x\"), tax > 0)\n",
        ),
        (total, vec![column], "cents = refunded * 100"),
        // The condition of the model, after the condition of the metric set.
        (
            REGIONS,
            vec![("amount > 3", "amount > 3 and is_paid")],
            "where: AND(amount > 3, is_paid)\n",
        ),
        (SEVERAL, vec![(from, filtered)], "where: {refunds: status <> \"x\"}\n"),
    ] {
        let text = edits.iter().fold(sql_of(spec), |sql, (from, to)| {
            assert!(sql.contains(from), "{from} is not in\n{sql}");
            sql.replacen(from, to, 1)
        });
        let done = edited_text(&decompiler, spec, &text, ORDERS);
        assert!(
            done.conflicts.is_empty() && done.kept.is_empty(),
            "{edits:?}: {:#?}",
            done.kept
        );
        let source = done.source.unwrap_or_default();
        assert!(source.contains(expected), "{edits:?}: {source}");
    }
}

/// If a user renames the column of a listed metric, the metric has the new name in this model.
#[test]
fn renamed_columns_rename_listed_metrics() {
    let decompiler = Decompiler::default();
    let spec = |metrics: &str| format!("model: m\nmetrics: [{metrics}]  # all\ngroup_by: month\n");
    for (metrics, edit, expected) in [
        (
            "refunds.refunded",
            (" as refunded\n", " as returned\n"),
            "{returned: refunds.refunded}",
        ),
        (
            "{back: refunds.refunded}",
            (" as back\n", " as returned\n"),
            "{returned: refunds.refunded}",
        ),
        (
            "refunds.refunded, refunds.mean",
            (" as mean\n", " as average\n"),
            "refunds.refunded, {average: refunds.mean}",
        ),
    ] {
        let done = reconcile_edit(&decompiler, &spec(metrics), edit, ORDERS);
        assert!(
            done.conflicts.is_empty() && done.kept.is_empty(),
            "{metrics}: {done:#?}"
        );
        assert_eq!(done.source, Some(spec(expected)), "{metrics}");
    }
}

/// The generated SQL does not contain a join that nothing uses, so names that both relations have are not ambiguous
/// there.
#[test]
fn added_conditions_do_not_depend_on_unused_joins() {
    let both = ["customer_id", "is_paid", "is_new"];
    let relation = |name: &str, more: &[&str]| {
        let columns = both.iter().chain(more).map(|name| Column::new(*name, Type::Boolean));
        columns.fold(Relation::new(name), Relation::with)
    };
    let orders = relation("orders", &[]).with(Column::new("amount", Type::Integer));
    let schema = Schema::new().with(orders).with(relation("customers", &[]));
    let set = "metric_set: orders\nfrom: orders\njoins: [{to: customers, using: customer_id}]\ndefinitions: |\n  \
               revenue = SUM(amount)\n  is_regular = NOT(customers.is_new)\n";
    let compiler = Compiler::builder()
        .dialect("duckdb".parse().unwrap())
        .schema(schema)
        .build();
    let compiler = compiler.with_metric_sets([("orders.yml", set)]);
    let spec = "model: m\nmetrics: [orders.revenue]\ngroup_by: customer_id\n";
    let edit = |sql: &str| {
        assert!(sql.contains("from orders\ngroup by") && !sql.contains("join"), "{sql}");
        sql.replace(
            "from orders\ngroup by",
            "from orders\nwhere is_paid and is_new = true\ngroup by",
        )
    };
    let done = edited_by(&Decompiler::default(), (&compiler, &compiler), spec, edit);
    let source = done.source.unwrap_or_else(|| panic!("{:#?}", done.kept));
    assert!(
        source.contains("where: AND(orders.is_paid, orders.is_new = TRUE)\n"),
        "{source}"
    );
}

/// Both sides changed the same condition in a model that is built on a metric set. Each side can be kept.
#[test]
fn conflicts_of_conditions_have_formulas() {
    let decompiler = Decompiler::default();
    let compiler = compiler(ORDERS);
    let filtered = "model: m\nmetrics: [orders.revenue]\ngroup_by: region\nhaving: order_count > 3\n";
    for (spec, (from, to), (key, base, ours, theirs)) in [
        (
            REGIONS,
            ("amount > 3", "amount > 3 and is_paid"),
            ("where", "amount > 3", "amount > 4", "AND(amount > 3, is_paid)"),
        ),
        (
            filtered,
            ("where order_count > 3", "where order_count > 5"),
            ("having", "order_count > 3", "order_count > 4", "order_count > 5"),
        ),
        (
            "model: m\nmetrics: [refunds.refunded]\ngroup_by: month\n",
            ("from refunds\n", "from refunds\nwhere status <> 'x'\n"),
            ("where", "", "tax > 0", "status <> \"x\""),
        ),
    ] {
        let sql = sql_of(spec);
        assert!(sql.contains(from), "{from} is not in\n{sql}");
        let edit = |sql: &str| sql.replacen(from, to, 1);
        let changed = match base {
            "" => format!("{spec}{key}: {ours}\n"),
            _ => spec.replace(base, ours),
        };
        let compilers = (&compiler, &compiler);
        let done = edited_with_spec(&decompiler, compilers, [spec, &changed], edit);
        let [conflict] = done.conflicts.as_slice() else {
            panic!("{:#?}", done.conflicts)
        };
        let shown = (conflict.clause(), conflict.base.as_deref(), conflict.ours.as_deref());
        assert_eq!(
            shown,
            (Some(key), Some(base).filter(|base| !base.is_empty()), Some(ours))
        );
        assert_eq!(conflict.theirs_formula.as_deref(), Some(theirs));
        assert!(!conflict.restored.is_empty());
        let ours = compile_current(&compiler, &changed);
        let resolved = formulac::sync::with_formula_in_conflict(conflict, &ours, theirs).unwrap();
        assert!(resolved.contains(&format!("{key}: {theirs}")), "{resolved}");
        // With the resolved spec, the edit is no longer a conflict.
        let done = edited_with_spec(&decompiler, compilers, [spec, &resolved], edit);
        assert!(done.conflicts.is_empty() && done.kept.is_empty(), "{done:#?}");
    }
}

/// The condition of a model that is built on several metric sets is repeated in the select of each metric set. If a
/// user removes the condition in only one of them, the edit remains a manual edit.
#[test]
fn a_condition_that_is_removed_for_one_set_remains_a_manual_edit() {
    let decompiler = Decompiler::default();
    let spec = format!("{SEVERAL}where: status <> \"x\"\n");
    let sql = sql_of(&spec);
    for condition in ["\n    where status <> 'x'", " and status <> 'x'"] {
        assert!(sql.contains(condition), "{sql}");
        let done = edited_text(&decompiler, &spec, &sql.replacen(condition, "", 1), ORDERS);
        assert_eq!(done.source, None, "{condition}");
        assert!(!done.kept.is_empty(), "{condition}");
    }
}

/// The SQL of the model's own definition contains the formula of a metric that the model does not list.
#[test]
fn own_definitions_refer_to_metrics_by_name() {
    let decompiler = Decompiler::default();
    let done = reconcile_edit(&decompiler, PER_ORDER, ("as per_order", "* 100 as per_order"), ORDERS);
    let source = done.source.unwrap_or_else(|| panic!("{:#?}", done.kept));
    assert!(source.contains("per_order = revenue / order_count * 100"), "{source}");
}

/// If the metric set already contains the edit, there is no conflict. If the metric set has a different change, the
/// conflict shows both changes.
#[test]
fn an_edit_is_compared_with_the_change_of_its_set() {
    let decompiler = Decompiler::default();
    let edit = (
        "coalesce(sum(amount), 0) as revenue",
        "coalesce(sum(amount - tax), 0) as revenue",
    );
    let same = ORDERS.replace("SUM(amount)\n", "SUM(amount - tax)\n");
    let done = reconcile_edit(&decompiler, BY_MONTH, edit, &same);
    assert!(done.conflicts.is_empty(), "{:#?}", done.conflicts);
    let other = ORDERS.replace("SUM(amount)\n", "SUM(amount - fee)\n");
    let done = reconcile_edit(&decompiler, BY_MONTH, edit, &other);
    let [conflict] = done.conflicts.as_slice() else {
        panic!("{:#?}", done.conflicts)
    };
    let sides = (
        conflict.base.as_deref(),
        conflict.ours.as_deref(),
        conflict.theirs_formula.as_deref(),
    );
    assert_eq!(
        sides,
        (
            Some("SUM(amount)"),
            Some("SUM(amount - fee)"),
            Some("SUM(amount - tax)")
        )
    );
    assert_eq!((conflict.spec.as_str(), conflict.spec_line), ("orders.yml", Some(7)));
}

/// In a formula of the model, the name of a metric has the value of the changed set, which the edit does not have.
#[test]
fn an_edit_of_a_changed_metric_is_not_resolved_with_its_name() {
    let decompiler = Decompiler::default();
    let edit = (
        "coalesce(sum(amount), 0) as revenue",
        "coalesce(sum(amount), 0) + 7 as revenue",
    );
    let refused = "`orders.revenue` has changed since the last push, so `revenue + 7` would not produce the edited SQL";
    for (set, to_model) in [
        (ORDERS.to_owned(), Ok("revenue + 7")),
        (ORDERS.replace("SUM(amount)\n", "SUM(amount) * 2\n"), Err(refused)),
    ] {
        let done = reconcile_edit(&decompiler, BY_MONTH, edit, &set);
        let [conflict] = done.conflicts.as_slice() else {
            panic!("{:#?}", done.conflicts)
        };
        let resolutions = conflict.set.as_ref().expect("a conflict with a set");
        assert_eq!(resolutions.to_set.as_deref(), Ok("SUM(amount) + 7"));
        assert_eq!(resolutions.to_model.as_deref().map_err(String::as_str), to_model);
    }
}

/// Each entry contains the model, the SQL before and after the edit, the change of the set since the push, and the
/// formulas for the set and for the model.
#[test]
fn formulas_do_not_name_definitions_that_have_changed() {
    let decompiler = Decompiler::default();
    let share = "model: m\nmetrics: [orders.large_share]\ngroup_by: month\n";
    let scaled_share = (" as large_share", " * 7 as large_share");
    let scaled = "SUM(IF(is_large, amount, 0)) / revenue * 7";
    let of_changed_dimension = |formula: &str| {
        format!("[`orders.is_large` has changed since the last push, so `{formula}` would not produce the edited SQL]")
    };
    let two = "model: m\nmetrics: [orders.revenue, orders.order_count]\ngroup_by: month\n";
    let average = (
        "coalesce(sum(amount), 0) as revenue",
        "coalesce(sum(amount), 0) / nullif(count(order_id), 0) as revenue",
    );
    let count = ("COUNT(order_id)", "COUNTUNIQUE(order_id)");
    let sum = ("SUM(amount)\n", "SUM(amount - fee)\n");
    let scaled_growth = (" as growth", " * 7 as growth");
    let growth = "revenue / PERIODOFFSET(revenue, -1, \"month\") - 1 * 7";
    let changed_growth = format!("[`orders.revenue` has changed since the last push, so `{growth}` would not]");
    for (spec, edit, change, to_set, to_model) in [
        (share, scaled_share, count, scaled, "large_share * 7"),
        (
            share,
            scaled_share,
            ("amount > 100", "amount > 300"),
            &*of_changed_dimension(scaled),
            &*of_changed_dimension("large_share * 7"),
        ),
        (
            two,
            average,
            count,
            "[`orders.order_count` has changed since the last push, so `SUM(amount) / order_count` would not]",
            "revenue / order_count",
        ),
        (
            two,
            average,
            sum,
            "SUM(amount) / order_count",
            "[`orders.revenue` has changed since the last push, so `revenue / order_count` would not]",
        ),
        (GROWTH, scaled_growth, count, growth, growth),
        (GROWTH, scaled_growth, sum, growth, &*changed_growth),
    ] {
        let set = ORDERS.replace(change.0, change.1);
        assert_ne!(set, ORDERS);
        let done = reconcile_edit(&decompiler, spec, edit, &set);
        let [conflict] = done.conflicts.as_slice() else {
            panic!("{:#?}", done.conflicts)
        };
        let resolutions = conflict.set.as_ref().expect("a conflict with a set");
        assert!(
            is_expected(&resolutions.to_set, to_set) && is_expected(&resolutions.to_model, to_model),
            "{edit:?} {change:?}: {resolutions:#?}"
        );
        assert_eq!(resolutions.note_on_rows(), None);
    }
}

#[test]
fn a_changed_condition_of_the_set_is_noted() {
    let decompiler = Decompiler::default();
    let set = ORDERS.replace("status <> \"test\"", "status <> \"draft\"");
    let edit = ("sum(amount), 0) as revenue", "sum(amount - tax), 0) as revenue");
    let done = reconcile_edit(&decompiler, BY_MONTH, edit, &set);
    let resolutions = done.conflicts[0].set.as_ref().expect("a conflict with a set");
    assert_eq!(resolutions.to_set.as_deref(), Ok("SUM(amount - tax)"));
    let note = "the `where` of `orders` has changed since the last push, so the new formula reads other rows than the \
                edited SQL";
    assert_eq!(resolutions.note_on_rows().as_deref(), Some(note));
}

/// Renames a helper column and the alias of a join. The definitions remain the same.
#[test]
fn new_names_of_helpers_are_kept() {
    let decompiler = Decompiler::default();
    let renamed = |text: &str| {
        text.replace("value_for_growth", "last_revenue")
            .replace("prior_month", "before")
    };
    let done = edited_text(&decompiler, HELPER, &renamed(&sql_of(HELPER)), ORDERS);
    assert!(
        sql_of(HELPER).contains("value_for_growth") && done.conflicts.is_empty(),
        "{:#?}",
        done.conflicts
    );
    assert!(!done.kept.is_empty());
    // The helper column is also restored if the formula changes.
    let text = renamed(&sql_of(HELPER)).replace("nullif(last_revenue, 0)", "nullif(last_revenue, 1)");
    let done = edited_text(&decompiler, HELPER, &text, ORDERS);
    let text = without_conflicts(&text, &done).unwrap();
    assert!(
        text.contains("revenue as value_for_growth") && text.contains("nullif(value_for_growth, 0)"),
        "{text}"
    );
}

/// A text block of definitions cannot contain a name with spaces.
#[test]
fn a_metric_with_spaces_is_overridden_in_a_mapping() {
    let spec = "model: m\nmetrics: [orders.Net Sum]\n";
    let changed = with_override(spec, "Net Sum", "${Net Sum} * 2").unwrap();
    assert!(
        changed.contains("definitions:\n  Net Sum: \"${Net Sum} * 2\"\n"),
        "{changed}"
    );
    let refused = with_override(&format!("{spec}definitions: a = 1\n"), "Net Sum", "1").unwrap_err();
    assert!(refused.contains("write `definitions` as a mapping"), "{refused}");
}

/// In addition to an edit to SQL that a metric set defines, the same clause contains an edit to SQL that the model
/// defines.
#[test]
fn other_edits_of_a_clause_are_kept() {
    let decompiler = Decompiler::default();
    let cases = [
        (
            SIZES,
            "amount > 100",
            "amount > 200",
            "group by amount > 100",
            "group by amount > 100, region",
        ),
        (
            GROWTH,
            "= prior_month.ordered_on_month",
            "= prior_month.ordered_on",
            "= prior_month.ordered_on_month",
            "= prior_month.ordered_on_month\n    left join budgets on true",
        ),
    ];
    for (spec, from, to, other, added) in cases {
        let generated = sql_of(spec);
        let expected = generated.replace(other, added);
        assert!(
            generated.contains(from) && expected != generated,
            "{from} {other}: {generated}"
        );
        let text = expected.replace(from, to);
        let done = edited_text(&decompiler, spec, &text, ORDERS);
        assert_eq!(
            without_conflicts(&text, &done).as_deref(),
            Some(expected.as_str()),
            "{:#?}",
            done.conflicts
        );
    }
}

/// In addition to an edit to a dimension, the file groups by positions.
#[test]
fn positions_of_restored_dimensions_are_kept() {
    let decompiler = Decompiler::default();
    let spec = "model: m\nmetrics: [orders.revenue]\ngroup_by: [is_large, month]\n";
    let generated = sql_of(spec);
    let keys = generated.lines().last().unwrap();
    assert!(keys.starts_with("group by amount > 100, "), "{generated}");
    for groups in ["group by 1, 2", "group by 2, 1", "group by all"] {
        let expected = generated.replace(keys, groups);
        let text = expected.replace("amount > 100 as is_large", "amount > 200 as is_large");
        assert_ne!(text, expected);
        let done = edited_text(&decompiler, spec, &text, ORDERS);
        assert_eq!(without_conflicts(&text, &done), Some(expected), "{:#?}", done.conflicts);
    }
}

/// Manual edits that are kept, because no metric set defines the edited SQL. Each entry contains the model, and the SQL
/// before and after the edit.
const KEPT: &[(&str, &str, &str)] = &[
    (REGIONS, "amount > 3", "amount > 3 and is_paid"),
    (REGIONS, "- interval '12 months'", "- interval '13 months'"),
    (
        BY_MONTH,
        "\nfrom orders_by_ordered_on_month_and_region",
        "\nfrom orders_by_ordered_on_month_and_region\nwhere aov > 1",
    ),
    (SIZES, "group by amount > 100", "group by amount > 100, region"),
    (RENAMED, "group by region", "group by region, country"),
    (PLANS, "and pages > 3", "and pages > 3 and is_paid"),
    (PLANS, "\nwhere", "\nleft join days on true\nwhere"),
];

fn sql_of(spec: &str) -> String {
    compile_current(&compiler(ORDERS), spec).files["models/m.sql"].clone()
}

#[test]
fn edits_of_the_models_own_sql_are_kept() {
    let decompiler = Decompiler::default();
    for (spec, from, to) in KEPT {
        let done = reconcile_edit(&decompiler, spec, (from, to), ORDERS);
        let edits = done.kept.len() + done.carried.len();
        assert!(done.conflicts.is_empty() && edits > 0, "{to}: {:#?}", done.conflicts);
    }
}

/// If all conflicts of a file are resolved with `--ours`, the file is the generated one, except for the manual edits
/// that are not conflicts. The test combines each pair of edits to a model.
#[test]
fn resolving_all_conflicts_with_ours_restores_the_generated_file() {
    let decompiler = Decompiler::default();
    let set_edits = CASES.iter().map(|(spec, from, to, ..)| (*spec, *from, *to, true));
    let all: Vec<_> = set_edits
        .chain(KEPT.iter().map(|(spec, from, to)| (*spec, *from, *to, false)))
        .collect();
    let mut count = 0;
    for (index, (spec, from, to, _)) in all.iter().enumerate().filter(|(_, edit)| edit.3) {
        for (other, (other_spec, other_from, other_to, is_of_set)) in all.iter().enumerate().skip(index) {
            let generated = sql_of(spec);
            let first = generated.replacen(from, to, 1);
            let second = first.replacen(other_from, other_to, 1);
            if spec != other_spec || (second == first && other != index) {
                continue;
            }
            let expected = match is_of_set {
                true => generated.clone(),
                false => generated.replacen(other_from, other_to, 1),
            };
            let done = edited_text(&decompiler, spec, &second, ORDERS);
            let text = without_conflicts(&second, &done);
            assert_eq!(
                text.as_deref(),
                Some(expected.as_str()),
                "{to} and {other_to}: {:#?}",
                done.conflicts
            );
            count += 1;
        }
    }
    assert!(count > 40, "{count}");
}
