//! Formulas written another way: with parts replaced, names changed, or the text in another layout.

use std::collections::BTreeMap;

use crate::agreement::Sheet;
use crate::expr::{Expr, Window};
use crate::random::Random;

/// The expression with each part replaced for which `change` gives another.
pub fn rewritten(x: &Expr, change: &mut dyn FnMut(&Expr) -> Option<Expr>) -> Expr {
    if let Some(changed) = change(x) {
        return changed;
    }
    let mut boxed = |x: &Expr| Box::new(rewritten(x, change));
    match x {
        Expr::Literal(_) | Expr::Name(_) | Expr::Period(..) => x.clone(),
        Expr::Part(of, frame) => Expr::Part(boxed(of), frame.clone()),
        Expr::Range(of, rows) => Expr::Range(boxed(of), *rows),
        Expr::Binary(op, a, b) => Expr::Binary(*op, boxed(a), boxed(b)),
        Expr::Call(name, args) => Expr::Call(name, args.iter().map(|x| *boxed(x)).collect()),
        Expr::Aggregate(name, args) => Expr::Aggregate(name, args.iter().map(|x| *boxed(x)).collect()),
        Expr::Window(window) => Expr::Window(match window {
            Window::Offset(x, n) => Window::Offset(boxed(x), *n),
            Window::First(x) => Window::First(boxed(x)),
            Window::Last(x) => Window::Last(boxed(x)),
            Window::Row => Window::Row,
            Window::Rank(name, x, descending) => Window::Rank(name, boxed(x), *descending),
            Window::PercentRank(x) => Window::PercentRank(boxed(x)),
            Window::Period(x, n, unit) => Window::Period(boxed(x), *n, *unit),
        }),
    }
}

/// New names by old ones.
pub type Names = BTreeMap<&'static str, &'static str>;

/// The sheet with its columns renamed, in tables and formulas alike.
pub fn renamed(sheet: &Sheet, names: &Names) -> Sheet {
    let mut sheet = sheet.clone();
    let new = |name: &str| names.get(name).copied();
    for column in sheet.database.tables.iter_mut().flat_map(|table| &mut table.columns) {
        column.name = new(column.name).unwrap_or(column.name);
    }
    for formula in &mut sheet.formulas {
        formula.expr = rewritten(&formula.expr, &mut |x| match x {
            Expr::Name(name) => new(name).map(Expr::name),
            Expr::Period(name, frame) => new(name).map(|name| Expr::Period(name.to_owned(), *frame)),
            _ => None,
        });
    }
    sheet
}

/// The text of a formula with other gaps between its words, and other letters in the names of its functions.
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
            rest.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.')).unwrap_or(rest.len())
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
