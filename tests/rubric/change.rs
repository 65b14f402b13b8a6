//! A change of one definition changes only the lines of what depends on it.

use std::collections::HashSet;

use formulac::{Compiler, Dialect, Schema};
use proptest::prelude::*;

use crate::orders::orders;

/// A definition: what it is made of, and which of the ones before it uses.
#[derive(Clone, Debug)]
struct Part {
    shape: usize,
    number: u32,
    uses: prop::sample::Index,
}

/// The definitions of each step: of groups, of windows over them, of groups of those.
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

/// A formula of a group, and whether it uses the name.
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

/// One that looks at other rows, or computes with a row's own; the last of them looks along the calendar.
fn of_windows(shape: usize, n: u32, u: &str, periods: bool) -> String {
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

/// The spec, and for each definition the one that it uses.
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
            // No two say the same: what two definitions say is computed once, and both then read that column.
            let n = part.number + 100 * i as u32;
            // A group sees rows of the step before, and what is grouped beside it; a look at other rows sees both.
            let among = if step == 2 { known } else { i };
            let used = (among > 0).then(|| part.uses.index(among));
            let name = used.map(|used| format!("name{used}x"));
            let (formula, used) = match (step, &name) {
                (1, Some(name)) => (of_windows(part.shape, n, name, periods), used),
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

/// What changes with a definition: itself, and what uses it.
fn dependents(uses: &[Option<usize>], at: usize) -> HashSet<usize> {
    let mut found = HashSet::from([at]);
    for (i, used) in uses.iter().enumerate() {
        if used.is_some_and(|u| found.contains(&u)) {
            found.insert(i);
        }
    }
    found
}

/// Whether a column goes on in the next line: brackets or a `case` are open.
fn is_open(item: &str) -> bool {
    let words = |word: &str| {
        item.split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|w| *w == word)
            .count()
    };
    !item.ends_with(" as (") && (item.matches('(').count() > item.matches(')').count() || words("case") > words("end"))
}

/// The columns and clauses of a text, those of several lines whole.
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
    // A comma belongs to the list.
    all.iter()
        .map(|item| item.trim().trim_end_matches(',').to_owned())
        .collect()
}

/// What says which selects there are and what they read, and computes nothing.
fn is_frame(item: &str) -> bool {
    let is_name = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_');
    let begins = ["from ", "order by "].iter().any(|word| item.starts_with(word));
    is_name(item) || matches!(item, "*" | ")") || begins || item.ends_with(" as (")
}

/// Columns that the change put there and that are of none of the definitions that it may change.
fn check(before: &Steps, after: &Steps, at: usize, periods: bool, frame: bool) -> Result<(), TestCaseError> {
    let ((one, uses), (two, uses_after)) = (spec(before, periods), spec(after, periods));
    let mut changed = dependents(&uses, at);
    changed.extend(dependents(&uses_after, at));
    for dialect in Dialect::all() {
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
            // In another select the same column may be broken into other lines.
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
                // The row that is looked for is called by when it is.
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

/// The place of a definition among all: its step, and where it stands there.
fn place(steps: &Steps, at: usize) -> (usize, usize) {
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

    /// Another number in a formula changes no select and no line of another column.
    #[test]
    fn another_number(steps in steps(), at in any::<prop::sample::Index>()) {
        let at = at.index(steps.iter().map(Vec::len).sum());
        let (step, place) = place(&steps, at);
        let mut changed = steps.clone();
        changed[step][place].number += 7;
        check(&steps, &changed, at, true, false)?;
    }

    /// Another formula may need other selects, and computes no other column in another way.
    #[test]
    fn another_formula(
        steps in steps(),
        at in any::<prop::sample::Index>(),
        shape in 0..64usize,
        uses in any::<prop::sample::Index>(),
    ) {
        let at = at.index(steps.iter().map(Vec::len).sum());
        let (step, place) = place(&steps, at);
        let mut changed = steps.clone();
        (changed[step][place].shape, changed[step][place].uses) = (shape, uses);
        check(&steps, &changed, at, false, true)?;
    }

    /// A definition more at the end of a step is a column more.
    #[test]
    fn one_more(steps in steps(), step in 0..2usize, added in parts(1, 2)) {
        // The names behind it stay the same where it is the last.
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
