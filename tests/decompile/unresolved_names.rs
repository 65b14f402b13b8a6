//! Names in merged SQL that no input of their select supplies.

use formulac::decompile::unresolved_name_conflicts;

/// Returns the parts of merged SQL that read unresolved names.
fn unresolved(edited: &str, merged: &str) -> Vec<String> {
    let generated = "with orders as (select * from t), sums as (select id, sum(x) as total from orders group by id) \
                     select id, total from sums";
    let ours = generated.replace("sum(x) as total", "sum(x) as total, max(orders.qty) as n");
    let texts = [generated, ours.as_str(), edited];
    let conflicts = unresolved_name_conflicts(merged, texts, "n = MAX(qty)", "duckdb".parse().unwrap());
    conflicts.into_iter().map(|conflict| conflict.description).collect()
}

#[test]
fn names_are_resolved_in_the_inputs_of_their_select() {
    let sums = |select: &str| format!("with orders as (select * from t), sums as ({select}) select id from sums");
    let alias = sums("select id, sum(x) as total from orders as o group by id");
    let found = unresolved(&alias, &alias.replace("as total", "as total, max(orders.qty) as n"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("the column `n` of `sums` would read `orders.qty`"),
        "{found:?}"
    );
    let list = sums("select id, sum(x) as total from orders group by id").replace("select *", "select id, x");
    let found = unresolved(&list, &list.replace("as total", "as total, max(qty) as n"));
    assert!(found.len() == 1 && found[0].contains("would read `qty`"), "{found:?}");
}

#[test]
fn other_words_and_faults_of_the_file_are_not_reported() {
    let sums = "with orders as (select id, x, d from t), sums as (select id, sum(x) as total from orders group by id)";
    for select in [
        "select id, total as n, n + 1 as m from sums where n > 1 order by n",
        "select id, case when total > 1 then cast(total as n) end as c from sums as s where s.total > 1",
        "select id, (select max(qty) from other) as q, row_number() over w as r from sums window w as (order by id)",
        "select u.n, total from sums cross join unnest(total) as u",
    ] {
        let merged = format!("{sums} {select}");
        assert_eq!(unresolved("select 1 as a", &merged), [""; 0], "{select}");
    }
    let wrong = format!("{sums} select n, total from sums");
    assert_eq!(unresolved(&wrong, &wrong), [""; 0]);
    assert_eq!(unresolved("select 1 as a", &wrong).len(), 1);
}

/// The line is the line of the edited file, not of the merged text.
#[test]
fn lines_are_those_of_the_edited_file() {
    let generated = "with orders as (select * from t)\nselect id from orders";
    let ours = "with orders as (select * from t),\nsums as (\n  select id from orders\n)\nselect id from sums";
    let edited = "with orders as (select * from t)\nselect id,\n  qty from orders";
    let merged =
        "with orders as (select * from t),\nsums as (\n  select id from orders\n)\nselect id,\n  qty from sums";
    let texts = [generated, ours, edited];
    let conflicts = unresolved_name_conflicts(merged, texts, "qty", "duckdb".parse().unwrap());
    let found: Vec<_> = conflicts
        .iter()
        .map(|conflict| (conflict.line, conflict.theirs.as_str()))
        .collect();
    assert_eq!(found, [(3, "qty")]);
}
