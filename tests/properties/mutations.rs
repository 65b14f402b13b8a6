//! Generates faulty inputs that are almost valid: valid sources in which tokens are removed, inserted or duplicated, or
//! that are truncated.

use proptest::prelude::*;

pub const FORMULAS: &[&str] = &[
    "rate = IF(total > 0, SUM(amount) / COUNT(DISTINCT(customer_id)), 0)\ntotal = SUM(amount)",
    "SUMIFS(amount, status, \"open\", ordered_on, \">2024-01-31\")",
    "a = ${orders.Net Revenue} & \"it's \"\"so\"\"\" // note\nb = -a%\n/// about c\nc = [x]",
    "AND(1 < x, x <= 2.5e3) = TRUE",
    "'Tab one'!A:A + C$1:D9 + ordered_on[month]",
    "SWITCH(status, \"a\", 1, \"b\", 2, 3) ^ 2 - MOD(-7, 3)",
    "COUNTIF(straße = \"größe\") + 日本",
];

pub const SPECS: &[&str] = &[
    "model: m\nfrom: orders\nwhere: status = \"open\"\ngroup_by: [status, \"ordered_on[month]\"]\norder_by: status desc\ndefinitions: |\n  /// total\n  total = SUM(amount)\n  share = total / COUNT(id)\nhaving: total > 1\nlimit: 3\n",
    "model: m\nfrom: ref('p', 'orders', v=2)\nsteps:\n  - name: one\n    group_by: customer_id\n    definitions: {last: MAX(ordered_on), n: 'COUNT()'}\n  - name: two\n    keep: all\n    order_by: customer_id\n    partition_by: []\n    definitions:\n      before: OFFSET(n, -1)\n      text: {formula: \"\\\"é\\\" & n\", description: x}\ncolumns: {n: {description: count}}\n",
];

/// Fragments to insert: every token, and common typing mistakes.
pub const PIECES: &[&str] = &[
    "(", ")", "[", "]", "{", "}", ",", ";", ":", "!", ".", "#", "\"", "'", "“", "”", "${", "}", "$", "=", "==", "<>",
    "!=", "<", "<=", ">", ">=", "&", "&&", "|", "+", "-", "*", "/", "//", "///", "/*", "^", "%", "@", "?", "\\", "`",
    "~", "\n", "\r\n", "\t", " ", "\u{a0}", "\u{200b}", "\u{feff}", "\0", "é", "💰", "a", "A1", "1", ".5", "1e999",
    "TRUE", "IF(", "SUM(", "OFFSET(", "x =", "\nx = ", "- ", "? ", "| ", "> ", "&a ", "*a ", "---\n", "{{", "}}", "{%",
    "--", "*/", "month",
];

#[derive(Clone, Debug)]
pub enum Change {
    Delete(prop::sample::Index, usize),
    Insert(prop::sample::Index, &'static str),
    Double(prop::sample::Index, usize),
    Cut(prop::sample::Index),
}

pub fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        3 => (at(), 1..6usize).prop_map(|(i, n)| Change::Delete(i, n)),
        5 => (at(), prop::sample::select(PIECES)).prop_map(|(i, p)| Change::Insert(i, p)),
        2 => (at(), 1..20usize).prop_map(|(i, n)| Change::Double(i, n)),
        1 => at().prop_map(Change::Cut),
    ]
}

/// Returns the source with the changes applied. Positions are counted in characters.
pub fn apply_changes(text: &str, changes: &[Change]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for change in changes {
        let length = chars.len() + 1;
        match change {
            Change::Delete(at, count) => {
                let at = at.index(length);
                let end = (at + count).min(chars.len());
                chars.drain(at..end.max(at));
            }
            Change::Insert(at, piece) => {
                let at = at.index(length);
                chars.splice(at..at, piece.chars());
            }
            Change::Double(at, count) => {
                let at = at.index(length);
                let part: Vec<char> = chars[at..(at + count).min(chars.len())].to_vec();
                chars.splice(at..at, part);
            }
            Change::Cut(at) => chars.truncate(at.index(length)),
        }
    }
    chars.into_iter().collect()
}

/// Generates a mutated formula source.
pub fn faulty_formula() -> impl Strategy<Value = String> {
    (prop::sample::select(FORMULAS), prop::collection::vec(change(), 1..5)).prop_map(|(t, c)| apply_changes(t, &c))
}

/// Generates a mutated spec.
pub fn faulty_spec() -> impl Strategy<Value = String> {
    (prop::sample::select(SPECS), prop::collection::vec(change(), 1..5)).prop_map(|(t, c)| apply_changes(t, &c))
}

/// Generates fragments in any order.
pub fn random_fragments() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..40).prop_map(|p| p.concat())
}
