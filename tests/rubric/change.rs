//! Checks that a change to one definition changes only the lines of the definitions that depend on it.

use std::collections::HashSet;

use formulac::{Compiler, Dialect, Schema};
use proptest::prelude::*;

use crate::orders::orders;

/// A definition: its shape and number, and an earlier definition that it uses.
#[derive(Clone, Debug)]
struct Part {
    shape: usize,
    number: u32,
    uses: prop::sample::Index,
}

/// Definitions in each step: aggregates of groups, windows over these groups, and aggregates of the windows' values.
type Steps = [Vec<Part>; 3];

fn parts(least: usize, most: usize) -> impl Strategy<Value = Vec<Part>> {
    let part = (0..64usize, 2..9u32, any::<prop::sample::Index>());
    prop::collection::vec(
        part.prop_map(|(shape, number, uses)| Part { shape, number, uses }),
        least..most,
    )
}

fn steps() -> impl Strategy<Value = Steps> {
    (parts(2, 6), parts(0, 6), parts(0, 3)).prop_map(|(groups, windows, last)| [groups, windows, last])
}

/// Returns a formula with one value per group, and whether it uses the name `used`.
fn of_groups(shape: usize, n: u32, used: Option<&str>) -> (String, bool) {
    match (shape % 7, used) {
        (0, _) => (format!("SUM(amount * {n})"), false),
        (1, _) => (format!("COUNTIF(amount > {n})"), false),
        (2, _) => (format!("MAX(id + {n})"), false),
        (3, Some(u)) => (format!("{u} + {n}"), true),
        (4, Some(u)) => (format!("ROUND({u}, {n})"), true),
        (5, Some(u)) => (format!("IF({u} > {n}, 1, {n})"), true),
        _ => (format!("AVERAGE(amount * {n})"), false),
    }
}

/// Returns a formula that reads other rows or only its own row. The last shape looks up other periods.
fn window_formula(shape: usize, n: u32, u: &str, periods: bool) -> String {
    match shape % (7 + usize::from(periods)) {
        0 => format!("OFFSET({u}, -{n})"),
        1 => format!("SUM(OFFSET({u}, -{n}):{u})"),
        2 => format!("{u} / MAX(OFFSET({u}, {n}):{u})"),
        3 => format!("RANK({u} + {n})"),
        4 => format!("{u} * {n} + 1"),
        5 => format!("ROUND({u} / {n}, 1)"),
        6 => format!("IF({u} > {n}, {n}, {u})"),
        _ => format!("PERIODOFFSET({u}, -{n}, \"month\")"),
    }
}

/// Returns the spec, and for each definition the index of the definition that it uses.
fn spec(steps: &Steps, periods: bool) -> (String, Vec<Option<usize>>) {
    let mut text = "model: m\nfrom: orders\nsteps:\n".to_owned();
    let mut uses: Vec<Option<usize>> = Vec::new();
    for (step, parts) in steps.iter().enumerate().filter(|(_, parts)| !parts.is_empty()) {
        let keys = match step {
            0 => "- name: grouped\n    group_by: [status, \"ordered_on[month]\"]\n",
            1 => "- name: looked\n    keep: all\n    order_by: ordered_on_month\n    partition_by: status\n",
            _ => "- name: summed\n    group_by: status\n",
        };
        text.push_str(&format!("  {keys}    definitions: |\n"));
        let known = uses.len();
        for part in parts {
            let i = uses.len();
            // No two definitions have the same meaning, because equal definitions are computed once and would read the
            // same column.
            let n = part.number + 100 * i as u32;
            // In the last step, a definition aggregates a definition of an earlier step. In the other steps, a
            // definition can also use earlier definitions of the same step.
            let among = if step == 2 { known } else { i };
            let used = (among > 0).then(|| part.uses.index(among));
            let name = used.map(|used| format!("name{used}x"));
            let (formula, used) = match (step, &name) {
                (1, Some(name)) => (window_formula(part.shape, n, name, periods), used),
                (2, Some(name)) => (
                    format!("{}({name} * {n})", ["SUM", "MAX", "AVERAGE"][part.shape % 3]),
                    used,
                ),
                _ => {
                    let (formula, uses) = of_groups(part.shape, n, name.as_deref());
                    (formula, used.filter(|_| uses))
                }
            };
            text.push_str(&format!("      name{i}x = {formula}\n"));
            uses.push(used);
        }
    }
    (text, uses)
}

/// Returns the definitions that a change affects: the definition itself and all definitions that use it.
fn dependents(uses: &[Option<usize>], at: usize) -> HashSet<usize> {
    let mut found = HashSet::from([at]);
    for (i, used) in uses.iter().enumerate() {
        if used.is_some_and(|u| found.contains(&u)) {
            found.insert(i);
        }
    }
    found
}

/// Returns `true` if a column continues on the next line, because a bracket or a `case` is open.
fn is_open(item: &str) -> bool {
    let words = |word: &str| {
        item.split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|w| *w == word)
            .count()
    };
    !item.ends_with(" as (") && (item.matches('(').count() > item.matches(')').count() || words("case") > words("end"))
}

/// Returns the columns and clauses of an SQL query. An item on several lines is joined into one line.
fn items(sql: &str) -> Vec<String> {
    const GOES_ON: &[&str] = &[
        "+ ", "- ", "* ", "/ ", "= ", "< ", "> ", "and ", "or ", "|| ", "as ", "is ",
    ];
    let mut all: Vec<String> = Vec::new();
    for line in sql.lines() {
        match all.last_mut() {
            Some(last) if is_open(last) || GOES_ON.iter().any(|w| line.trim_start().starts_with(w)) => {
                last.push('\n');
                last.push_str(line);
            }
            _ => all.push(line.to_owned()),
        }
    }
    // The trailing comma belongs to the list, not to the item.
    all.iter()
        .map(|item| item.trim().trim_end_matches(',').to_owned())
        .collect()
}

/// Returns `true` if an item only defines the selects and their inputs, without computing anything.
fn is_frame(item: &str) -> bool {
    let is_name = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_');
    let begins = ["from ", "order by "].iter().any(|word| item.starts_with(word));
    is_name(item) || matches!(item, "*" | ")") || begins || item.ends_with(" as (")
}

/// Fails if a column differs although it uses none of the definitions that the change may affect.
fn check(before: &Steps, after: &Steps, at: usize, periods: bool, frame: bool) -> Result<(), TestCaseError> {
    let ((one, uses), (two, uses_after)) = (spec(before, periods), spec(after, periods));
    let mut changed = dependents(&uses, at);
    changed.extend(dependents(&uses_after, at));
    for dialect in Dialect::verified() {
        let compiler = Compiler::builder()
            .dialect(dialect)
            .schema(Schema::new().with(orders()))
            .build();
        let query = |text: &str| {
            let compiled = compiler.compile_spec(text);
            compiled
                .query()
                .map(str::to_owned)
                .ok_or_else(|| TestCaseError::fail(format!("{text} does not compile")))
        };
        let (first, second) = (query(&one)?, query(&two)?);
        let (mut old, mut new) = (items(&first), items(&second));
        if frame {
            // In a different select, the same column may have different line breaks.
            let joined = |item: &String| {
                let words = item.split_whitespace().collect::<Vec<_>>().join(" ");
                words.replace("( ", "(").replace(" )", ")")
            };
            (old, new) = (old.iter().map(joined).collect(), new.iter().map(joined).collect());
        }
        for (these, others) in [(&new, &old), (&old, &new)] {
            let known: HashSet<&String> = others.iter().collect();
            for item in these
                .iter()
                .filter(|item| !(known.contains(item) || frame && is_frame(item)))
            {
                let mentions = changed.iter().any(|d| item.contains(&format!("name{d}x")));
                // Joins and names with `month` belong to rows that formulas look up, which are named after their
                // period.
                let looks_up = periods && (item.contains("join ") || item.contains("month"));
                prop_assert!(
                    mentions || looks_up,
                    "{dialect}: changing name{at}x changed\n{item}\nfrom\n{one}\n{first}\nto\n{two}\n{second}"
                );
            }
        }
    }
    Ok(())
}

/// Returns the position of a definition: its step, and the index within the step.
fn definition_position(steps: &Steps, at: usize) -> (usize, usize) {
    let mut left = at;
    for (step, parts) in steps.iter().enumerate() {
        if left < parts.len() {
            return (step, left);
        }
        left -= parts.len();
    }
    (0, 0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    /// Checks that a different number in a formula changes no select and no line of another column.
    #[test]
    fn another_number_changes_only_its_own_line(steps in steps(), at in any::<prop::sample::Index>()) {
        let at = at.index(steps.iter().map(Vec::len).sum());
        let (step, definition) = definition_position(&steps, at);
        let mut changed = steps.clone();
        changed[step][definition].number += 7;
        check(&steps, &changed, at, true, false)?;
    }

    /// Checks that a different formula may change the selects, but does not change how other columns are computed.
    #[test]
    fn another_formula_keeps_the_other_columns(
        steps in steps(),
        at in any::<prop::sample::Index>(),
        shape in 0..64usize,
        uses in any::<prop::sample::Index>(),
    ) {
        let at = at.index(steps.iter().map(Vec::len).sum());
        let (step, definition) = definition_position(&steps, at);
        let mut changed = steps.clone();
        (changed[step][definition].shape, changed[step][definition].uses) = (shape, uses);
        check(&steps, &changed, at, false, true)?;
    }

    /// Checks that an additional definition at the end of a step adds one column.
    #[test]
    fn an_added_definition_adds_one_column(steps in steps(), step in 0..2usize, added in parts(1, 2)) {
        // The added definition is the last definition of the spec, so that the names of other definitions remain the
        // same.
        let mut steps = steps;
        steps[2].clear();
        if step == 0 {
            steps[1].clear();
        }
        let mut more = steps.clone();
        more[step].extend(added);
        let at = more.iter().map(Vec::len).sum::<usize>() - 1;
        check(&steps, &more, at, false, true)?;
    }
}
