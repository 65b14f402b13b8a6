//! Formulas that are put together: their text, how tight it binds and how long it is to a reader.

use crate::ast::BinaryOp;

/// What nothing pulls apart: names, numbers, calls.
pub(super) const WHOLE: u8 = 9;
const SIGN: u8 = 6;

/// A formula or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub text: String,
    pub strength: u8,
    /// How much a reader has to take in; the least is offered first.
    pub cost: u32,
    /// It may stand before a timeframe in brackets.
    pub is_name: bool,
}

impl Form {
    pub fn whole(text: impl Into<String>, cost: u32) -> Self {
        Self { text: text.into(), strength: WHOLE, cost, is_name: false }
    }

    pub fn name(text: impl Into<String>, cost: u32) -> Self {
        Self { is_name: true, ..Self::whole(text, cost) }
    }
}

/// A formula with places for arguments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    /// `NAME(0, 1, …)`
    Call(&'static str),
    /// `0 op 1`, of this strength.
    Infix(&'static str, u8),
    Minus,
    /// `0[frame]`
    Frame(&'static str),
    /// `NAME(DISTINCT(0))`
    Unique(&'static str),
    /// Several arguments in one place, `range, criterion`.
    Pair,
    /// `NAME(0:0, 1:1)`
    Columns(&'static str),
    /// `NAME(range)`, each `{}` of the range the first argument and each `#` the second.
    Range(&'static str, &'static str),
    /// The text itself.
    Words(&'static str),
}

impl Shape {
    pub fn infix(op: BinaryOp) -> Self {
        Self::Infix(op.symbol(), op.strength())
    }

    /// The formula with its arguments; none where one of them cannot stand there.
    pub fn with(&self, args: &[Form]) -> Option<Form> {
        let cost = args.iter().map(|arg| arg.cost).sum::<u32>() + 2;
        let texts = || args.iter().map(|arg| arg.text.as_str()).collect::<Vec<_>>().join(", ");
        let bracketed = |arg: &Form, least: u8| {
            if arg.strength < least { format!("({})", arg.text) } else { arg.text.clone() }
        };
        Some(match (self, args) {
            // `AND(AND(a, b), c)` is `AND(a, b, c)`.
            (Self::Call(name @ ("AND" | "OR")), [first, rest @ ..]) if !rest.is_empty() => {
                let inner = first.text.strip_prefix(name).and_then(|r| r.strip_prefix('('));
                let inner = inner.and_then(|r| r.strip_suffix(')')).filter(|_| first.strength == WHOLE);
                match inner {
                    Some(inner) => {
                        let rest = rest.iter().map(|arg| arg.text.as_str()).collect::<Vec<_>>().join(", ");
                        Form::whole(format!("{name}({inner}, {rest})"), cost - 2)
                    }
                    None => Form::whole(format!("{name}({})", texts()), cost),
                }
            }
            (Self::Call(name), _) => Form::whole(format!("{name}({})", texts()), cost),
            (Self::Infix(op, strength), [left, right]) => {
                let text = format!("{} {op} {}", bracketed(left, *strength), bracketed(right, strength + 1));
                Form { text, strength: *strength, cost: cost - 1, is_name: false }
            }
            (Self::Minus, [x]) => {
                let text = format!("-{}", bracketed(x, SIGN + 1));
                Form { text, strength: SIGN, cost: cost - 1, is_name: false }
            }
            (Self::Frame(frame), [x]) if x.is_name => Form::whole(format!("{}[{frame}]", x.text), cost),
            (Self::Unique(name), [x]) => Form::whole(format!("{name}(DISTINCT({}))", x.text), cost),
            (Self::Pair, _) => Form::whole(texts(), cost - 2),
            (Self::Columns(name), args) if args.iter().all(|arg| arg.is_name) => {
                let ranges: Vec<String> = args.iter().map(|arg| format!("{0}:{0}", arg.text)).collect();
                Form::whole(format!("{name}({})", ranges.join(", ")), cost)
            }
            (Self::Range(name, range), [x, rest @ ..]) if x.is_name => {
                let number = rest.first().map_or("", |number| number.text.as_str());
                Form::whole(format!("{name}({})", range.replace("{}", &x.text).replace('#', number)), cost + 1)
            }
            (Self::Words(words), []) => Form::whole(*words, cost),
            _ => return None,
        })
    }
}

/// A text as formulas write it.
pub(super) fn text_literal(value: &str) -> Form {
    Form::whole(format!("\"{}\"", value.replace('"', "\"\"")), 1)
}
