//! Rewrites formulas: replaces parts, changes names, or changes the layout of the source.

use std::collections::BTreeMap;

use crate::agreement::Sheet;
use crate::expr::{ReferenceExpr, Window};
use crate::random::Random;

/// Returns the expression after replacing each part for which `change` returns another part.
pub fn rewritten(x: &ReferenceExpr, change: &mut dyn FnMut(&ReferenceExpr) -> Option<ReferenceExpr>) -> ReferenceExpr {
    if let Some(changed) = change(x) {
        return changed;
    }
    let mut boxed = |x: &ReferenceExpr| Box::new(rewritten(x, change));
    match x {
        ReferenceExpr::Literal(_) | ReferenceExpr::Name(_) | ReferenceExpr::Period(..) => x.clone(),
        ReferenceExpr::Part(of, frame) => ReferenceExpr::Part(boxed(of), frame.clone()),
        ReferenceExpr::Range(of, rows) => ReferenceExpr::Range(boxed(of), *rows),
        ReferenceExpr::Binary(op, a, b) => ReferenceExpr::Binary(*op, boxed(a), boxed(b)),
        ReferenceExpr::Call(name, args) => ReferenceExpr::Call(name, args.iter().map(|x| *boxed(x)).collect()),
        ReferenceExpr::Aggregate(name, args) => {
            ReferenceExpr::Aggregate(name, args.iter().map(|x| *boxed(x)).collect())
        }
        ReferenceExpr::Window(window) => ReferenceExpr::Window(match window {
            Window::Offset(x, n) => Window::Offset(boxed(x), *n),
            Window::First(x) => Window::First(boxed(x)),
            Window::Last(x) => Window::Last(boxed(x)),
            Window::Row => Window::Row,
            Window::Rank(name, x, descending) => Window::Rank(name, boxed(x), *descending),
            Window::PercentRank(x) => Window::PercentRank(boxed(x)),
            Window::Period(x, n, unit) => Window::Period(boxed(x), *n, *unit),
            Window::InPeriod(x, frame, is_last) => Window::InPeriod(boxed(x), *frame, *is_last),
        }),
    }
}

/// New names, keyed by the old names.
pub type Names = BTreeMap<&'static str, &'static str>;

/// Returns the sheet with its columns renamed in both the tables and the formulas.
pub fn renamed(sheet: &Sheet, names: &Names) -> Sheet {
    let mut sheet = sheet.clone();
    let new = |name: &str| names.get(name).copied();
    for column in sheet.database.tables.iter_mut().flat_map(|table| &mut table.columns) {
        column.name = new(column.name).unwrap_or(column.name);
    }
    for formula in &mut sheet.formulas {
        formula.expr = rewritten(&formula.expr, &mut |x| match x {
            ReferenceExpr::Name(name) => new(name).map(ReferenceExpr::name),
            ReferenceExpr::Period(name, frame) => new(name).map(|name| ReferenceExpr::Period(name.to_owned(), *frame)),
            _ => None,
        });
    }
    sheet
}

/// Returns the formula's source with different whitespace, and with its function names in different upper and
/// lower case.
pub fn in_other_layout(text: &str, random: &mut Random) -> String {
    const GAPS: &[&str] = &["", " ", "  ", "\n    ", "\t"];
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let closes = match first {
            '"' => Some('"'),
            '$' => Some('}'),
            '[' => Some(']'),
            _ => None,
        };
        let taken = if let Some(end) = closes {
            rest[1..].find(end).map_or(rest.len(), |at| at + 2)
        } else if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.'))
                .unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (word, after) = rest.split_at(taken);
        match word {
            " " => out.push_str(random.pick::<&str>(&GAPS[1..])),
            "(" | "," => {
                out.push_str(word);
                out.push_str(random.pick::<&str>(GAPS));
            }
            ")" => {
                out.push_str(random.pick::<&str>(GAPS));
                out.push(')');
            }
            _ if after.starts_with('(') => out.push_str(&match random.below(3) {
                0 => word.to_lowercase(),
                1 => word[..1].to_owned() + &word[1..].to_lowercase(),
                _ => word.to_owned(),
            }),
            _ => out.push_str(word),
        }
        rest = after;
    }
    out
}
