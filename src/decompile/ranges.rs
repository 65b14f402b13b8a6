//! Aggregates of ranges: `SUM(FIRST(x):x)` is what `SUM(x)` is, each of its aggregates over the window of the range.

use std::collections::HashMap;

use super::expression_text::Shape;
use super::patterns::{Bound, Pattern, pattern};
use super::probes::{Arg, NUMBERS, Probe};
use super::tree::{Id, Label, Trees};

/// Ranges of names; `{0}` is the name, `{1}` and `{2}` are numbers.
const RANGES: [(&str, usize); 15] = [
    ("{0}:{0}", 0),
    ("FIRST({0}):{0}", 0),
    ("{0}:LAST({0})", 0),
    ("OFFSET({0}, -{1}):{0}", 1),
    ("{0}:OFFSET({0}, {1})", 1),
    ("OFFSET({0}, -{1}):OFFSET({0}, -{2})", 2),
    ("OFFSET({0}, -{1}):OFFSET({0}, {2})", 2),
    ("OFFSET({0}, {2}):OFFSET({0}, {1})", 2),
    ("OFFSET({0}, {1}):LAST({0})", 1),
    ("OFFSET({0}, -{1}):LAST({0})", 1),
    ("FIRST({0}):OFFSET({0}, -{1})", 1),
    ("FIRST({0}):OFFSET({0}, {1})", 1),
    ("OFFSET({0}, 0):{0}", 0),
    ("PIVOTROW({0})", 0),
    ("PIVOTOFFSET({0}, 0, -1, 1, 2)", 0),
];

/// Formulas that count the rows of each range, with a name for `{0}`.
pub(super) fn counts(name: &Arg, is_pivoted: bool) -> Vec<Probe> {
    let ranges = RANGES.iter().filter(|(range, _)| is_pivoted || !range.starts_with("PIVOT"));
    let probe = |(range, numbers): &(&str, usize)| {
        let numbers = NUMBERS.iter().take(*numbers).map(|number| Arg::Number(number));
        let args = [name.clone()].into_iter().chain(numbers).collect();
        Probe { shape: Shape::Words(format!("COUNT({range})")), args }
    };
    ranges.map(probe).collect()
}

/// A window with the range that it is of.
pub(super) struct Learned {
    window: Pattern,
    range: String,
}

/// What a count of a range says of its window.
pub(super) fn learned(trees: &Trees, counted: Id, probe: &Probe) -> Option<Learned> {
    let Shape::Words(words) = &probe.shape else { return None };
    let range = words.strip_prefix("COUNT(")?.strip_suffix(')')?.to_owned();
    let window = *windows(trees, counted).first()?;
    let numbers = Probe { shape: Shape::words(""), args: probe.args.iter().skip(1).cloned().collect() };
    let none = vec![None; numbers.args.len()];
    Some(Learned { window: pattern(trees, window, &numbers, none)?, range })
}

impl Learned {
    /// The range of a window, `{}` for the name.
    pub fn range(&self, trees: &Trees, window: Id) -> Option<String> {
        let bound = self.window.matched(trees, window)?;
        let mut range = self.range.replace("{0}", "{}");
        for (at, bound) in bound.iter().enumerate() {
            let Some(Bound::Number(number)) = bound else { return None };
            range = range.replace(&format!("{{{}}}", at + 1), number);
        }
        Some(range)
    }
}

/// What aggregates and functions look at: what stands behind `over`.
pub(super) fn windows(trees: &Trees, id: Id) -> Vec<Id> {
    let mut found = Vec::new();
    for part in trees.below(id) {
        if let (Label::Behind("over"), [_, window]) = (trees.label(part), trees.kids(part))
            && !found.contains(window)
        {
            found.push(*window);
        }
    }
    found
}

/// The parts of an expression in which something looks at this window, each without it.
pub(super) fn without(trees: &mut Trees, id: Id, window: Id) -> HashMap<Id, Id> {
    let mut bare: HashMap<Id, Id> = HashMap::new();
    for part in trees.below(id) {
        let kids = trees.kids(part).to_vec();
        if let (Label::Behind("over"), [inner, over]) = (trees.label(part), kids.as_slice())
            && *over == window
        {
            bare.insert(part, *inner);
            continue;
        }
        let new: Vec<Id> = kids.iter().map(|kid| bare.get(kid).copied().unwrap_or(*kid)).collect();
        if new != kids {
            let label = trees.label(part).clone();
            let new = trees.add(label, new);
            bare.insert(part, new);
        }
    }
    bare
}
