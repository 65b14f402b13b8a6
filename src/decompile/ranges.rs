//! Aggregates over ranges. `SUM(FIRST(x):x)` compiles to the same SQL as `SUM(x)`, except that each aggregate has the
//! window of the range.

use std::collections::HashMap;

use super::expression_text::FormulaTemplate;
use super::patterns::{ArgumentBinding, SqlPattern, build_pattern};
use super::probes::{NUMBERS, ProbeArgument, ProbeFormula};
use super::tree::{SqlLabel, SqlNodeId, SqlTrees};

/// Ranges that can contain a name. `{0}` is the placeholder for the name, and `{1}` and `{2}` are placeholders for
/// numbers.
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

/// Returns probes that count the rows of each range, with a name in place of `{0}`.
pub(super) fn row_count_probes(name: &ProbeArgument, is_pivoted: bool) -> Vec<ProbeFormula> {
    let ranges = RANGES
        .iter()
        .filter(|(range, _)| is_pivoted || !range.starts_with("PIVOT"));
    let probe = |(range, numbers): &(&str, usize)| {
        let numbers = NUMBERS
            .iter()
            .take(*numbers)
            .map(|number| ProbeArgument::Number(number));
        let args = [name.clone()].into_iter().chain(numbers).collect();
        ProbeFormula {
            shape: FormulaTemplate::Template(format!("COUNT({range})")),
            args,
        }
    };
    ranges.map(probe).collect()
}

/// A window, with the range that compiles to it.
pub(super) struct WindowRanges {
    window: SqlPattern,
    range: String,
}

/// Learns which window a range compiles to, from the SQL that counts the rows in the range.
pub(super) fn learn_ranges_of_window(
    trees: &SqlTrees,
    count_tree: SqlNodeId,
    probe: &ProbeFormula,
) -> Option<WindowRanges> {
    let FormulaTemplate::Template(words) = &probe.shape else {
        return None;
    };
    let range = words.strip_prefix("COUNT(")?.strip_suffix(')')?.to_owned();
    let window = *find_window_expressions(trees, count_tree).first()?;
    let numbers = ProbeFormula {
        shape: FormulaTemplate::named(""),
        args: probe.args.iter().skip(1).cloned().collect(),
    };
    let none = vec![None; numbers.args.len()];
    Some(WindowRanges {
        window: build_pattern(trees, window, &numbers, none)?,
        range,
    })
}

impl WindowRanges {
    /// Returns the range that compiles to a window, with `{}` in place of the name.
    pub fn range_of_window(&self, trees: &SqlTrees, window: SqlNodeId) -> Option<String> {
        let bound = self.window.match_node(trees, window)?;
        let mut range = self.range.replace("{0}", "{}");
        for (bound_index, bound) in bound.iter().enumerate() {
            let Some(ArgumentBinding::Number(number)) = bound else {
                return None;
            };
            range = range.replace(&format!("{{{}}}", bound_index + 1), number);
        }
        Some(range)
    }
}

/// Returns the windows in an expression: the expressions after `over`.
pub(super) fn find_window_expressions(trees: &SqlTrees, id: SqlNodeId) -> Vec<SqlNodeId> {
    let mut windows = Vec::new();
    for part in trees.descendants(id) {
        if let (SqlLabel::Behind("over"), [_, window]) = (trees.label(part), trees.children(part))
            && !windows.contains(window)
        {
            windows.push(*window);
        }
    }
    windows
}

/// Returns the subexpressions that use this window. Each of them is mapped to the same subexpression without the
/// window.
pub(super) fn subexpressions_without_window(
    trees: &mut SqlTrees,
    id: SqlNodeId,
    window: SqlNodeId,
) -> HashMap<SqlNodeId, SqlNodeId> {
    let mut bare: HashMap<SqlNodeId, SqlNodeId> = HashMap::new();
    for part in trees.descendants(id) {
        let kids = trees.children(part).to_vec();
        if let (SqlLabel::Behind("over"), [inner, over]) = (trees.label(part), kids.as_slice())
            && *over == window
        {
            bare.insert(part, *inner);
            continue;
        }
        let new: Vec<SqlNodeId> = kids.iter().map(|kid| bare.get(kid).copied().unwrap_or(*kid)).collect();
        if new != kids {
            let label = trees.label(part).clone();
            let new = trees.add(label, new);
            bare.insert(part, new);
        }
    }
    bare
}
