//! Rewrites formulas: replaces parts, changes names, or changes the layout of the source.

use std::collections::BTreeMap;

use crate::expr::{InterpreterExpr, Window};
use crate::formula_sheets::Sheet;
use crate::random::Random;

/// Returns the expression after replacing each part for which `change` returns another part.
pub fn rewritten(
    x: &InterpreterExpr,
    change: &mut dyn FnMut(&InterpreterExpr) -> Option<InterpreterExpr>,
) -> InterpreterExpr {
    if let Some(changed) = change(x) {
        return changed;
    }
    let mut boxed = |x: &InterpreterExpr| Box::new(rewritten(x, change));
    match x {
        InterpreterExpr::Literal(_) | InterpreterExpr::Name(_) | InterpreterExpr::Period(..) => x.clone(),
        InterpreterExpr::Part(of, frame) => InterpreterExpr::Part(boxed(of), frame.clone()),
        InterpreterExpr::Range(of, rows) => InterpreterExpr::Range(boxed(of), *rows),
        InterpreterExpr::Binary(op, a, b) => InterpreterExpr::Binary(*op, boxed(a), boxed(b)),
        InterpreterExpr::Call(name, args) => InterpreterExpr::Call(name, args.iter().map(|x| *boxed(x)).collect()),
        InterpreterExpr::Aggregate(name, args) => {
            InterpreterExpr::Aggregate(name, args.iter().map(|x| *boxed(x)).collect())
        }
        InterpreterExpr::Window(window) => InterpreterExpr::Window(match window {
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
pub fn rename_columns(sheet: &Sheet, names: &Names) -> Sheet {
    let mut sheet = sheet.clone();
    let new = |name: &str| names.get(name).copied();
    for column in sheet.database.tables.iter_mut().flat_map(|table| &mut table.columns) {
        column.name = new(column.name).unwrap_or(column.name);
    }
    for formula in &mut sheet.formulas {
        formula.expr = rewritten(&formula.expr, &mut |x| match x {
            InterpreterExpr::Name(name) => new(name).map(InterpreterExpr::name),
            InterpreterExpr::Period(name, frame) => {
                new(name).map(|name| InterpreterExpr::Period(name.to_owned(), *frame))
            }
            _ => None,
        });
    }
    sheet
}

/// Returns the formula's source with different whitespace, and with function names in a different letter case.
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
            _ if after.starts_with('(') => out.push_str(&match random.random_below(3) {
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
