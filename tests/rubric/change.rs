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

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let part = (0..6usize, 2..9u32, any::<prop::sample::Index>()).prop_map(|(shape, number, uses)| Part {
        shape,
        number,
        uses,
    });
    prop::collection::vec(part, 2..7)
}

/// The spec, and for each definition the one that it uses.
fn spec(parts: &[Part]) -> (String, Vec<Option<usize>>) {
    let mut text = "model: m\nfrom: orders\ngroup_by: status\ndefinitions: |\n".to_owned();
    let mut uses = Vec::new();
    for (i, part) in parts.iter().enumerate() {
        let n = part.number;
        let used = (i > 0).then(|| part.uses.index(i));
        let (formula, used) = match (part.shape, used) {
            (0, _) => (format!("SUM(amount * {n})"), None),
            (1, _) => (format!("COUNTIF(amount > {n})"), None),
            (2, _) => (format!("MAX(id) + {n}"), None),
            (3, Some(u)) => (format!("name{u}x + {n}"), used),
            (4, Some(u)) => (format!("ROUND(name{u}x, {n})"), used),
            (_, Some(u)) => (format!("IF(name{u}x > {n}, 1, {n})"), used),
            (_, None) => (format!("AVERAGE(amount) * {n}"), None),
        };
        text.push_str(&format!("  name{i}x = {formula}\n"));
        uses.push(used);
    }
    (text, uses)
}

/// Whether a column goes on in the next line: brackets or a `case` are open.
fn is_open(item: &str) -> bool {
    let words = |word: &str| item.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| *w == word).count();
    !item.ends_with(" as (") && (item.matches('(').count() > item.matches(')').count() || words("case") > words("end"))
}

/// The columns and clauses of a text, those of several lines whole.
fn items(sql: &str) -> Vec<String> {
    const GOES_ON: &[&str] = &["+ ", "- ", "* ", "/ ", "= ", "< ", "> ", "and ", "or ", "|| ", "as "];
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
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn touches_only_dependents(parts in parts(), at in any::<prop::sample::Index>()) {
        let at = at.index(parts.len());
        let mut changed = parts.clone();
        changed[at].number += 7;
        let ((before, uses), (after, _)) = (spec(&parts), spec(&changed));
        let mut dependents: HashSet<usize> = HashSet::from([at]);
        for (i, used) in uses.iter().enumerate() {
            if used.is_some_and(|u| dependents.contains(&u)) {
                dependents.insert(i);
            }
        }
        for dialect in Dialect::all() {
            let compiler = Compiler::builder().dialect(dialect).schema(Schema::new().with(orders())).build();
            let query = |text: &str| compiler.compile_spec(text).query().map(str::to_owned);
            let (Some(one), Some(two)) = (query(&before), query(&after)) else {
                return Err(TestCaseError::fail(format!("{before} does not compile")));
            };
            let (one, two) = (items(&one), items(&two));
            let known: HashSet<&String> = one.iter().collect();
            for item in two.iter().filter(|i| !known.contains(i)) {
                let mentions = dependents.iter().any(|d| item.contains(&format!("name{d}x")));
                prop_assert!(mentions, "{dialect}: changing name{at}x changed\n{item}\nin\n{}", two.join("\n"));
            }
        }
    }
}
