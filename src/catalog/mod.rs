//! The functions of the language, from `dialects/functions/*.toml`.

pub(crate) mod hash;
mod lowering;
pub(crate) mod tables;

pub(crate) use lowering::Lowering;
pub(crate) use tables::internal;

use crate::types::{Level, Type};

/// A function's place in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionId(pub(crate) u16);

/// An overload's place among all overloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OverloadId(pub(crate) u16);

/// When a function's value is NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// When an argument is, and only then.
    Any,
    /// Perhaps in any case.
    Always,
    /// Never.
    Never,
    /// When every argument is.
    All,
    /// Perhaps in any case, but not for an argument that is: those are skipped.
    Skipped,
}

/// What an argument may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamType {
    /// This type, or one that widens to it.
    Is(Type),
    /// Any number.
    Number,
    /// A date, a timestamp or an instant.
    Temporal,
    /// An integer literal from the first to the second.
    Literal(i64, i64),
    /// A literal number above 0, with or without a point.
    Positive,
    /// Anything.
    Any,
    /// Anything that unifies with the other arguments of this kind.
    Same,
}

impl ParamType {
    /// How a signature shows it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Is(ty) => ty.name(),
            Self::Number | Self::Positive => "number",
            Self::Temporal => "date",
            Self::Literal(..) => "integer",
            Self::Any | Self::Same => "any",
        }
    }
}

/// What a function gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultType {
    /// This type.
    Is(Type),
    /// The type of an argument.
    Param(u8),
    /// What the arguments of type `T` unify to.
    Same,
    /// Known to the function's lowering.
    Lowered,
}

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name in signatures and templates.
    pub name: &'static str,
    /// What it takes.
    pub ty: ParamType,
    /// Whether it may be left out.
    pub optional: bool,
    /// The literal that stands for it then.
    pub default: Option<&'static str>,
}

/// One typed form of a function.
#[derive(Clone, Copy, Debug)]
pub struct Overload {
    /// Its place among all overloads.
    pub id: OverloadId,
    /// Its name among the function's overloads; empty for the first.
    pub key: &'static str,
    /// Its own null rule, where it differs from the function's.
    pub nulls: Option<Nulls>,
    /// Its parameters.
    pub params: &'static [Param],
    /// Whether the last may be given again and again.
    pub repeated: bool,
    /// Whether a parameter takes only literals.
    pub literal: bool,
    /// How many arguments it needs: a repeated parameter behind others may be left out.
    pub needed: usize,
    /// What it gives.
    pub result: ResultType,
}

/// A function: everything that the compiler, the docs and the editor know of it.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Its name, in capitals; small for internal ones.
    pub name: &'static str,
    /// The group that it is listed in.
    pub category: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// What a call computes, with its arguments in braces: `the square root of {value}`. Empty for internal functions.
    pub phrase: &'static str,
    /// Where its rule comes from.
    pub source: &'static str,
    /// What a user may trip over.
    pub notes: &'static str,
    /// What each argument means.
    pub args: &'static [(&'static str, &'static str)],
    /// `formula = value`.
    pub examples: &'static [&'static str],
    /// Other names.
    pub aliases: &'static [&'static str],
    /// Functions that a reader of its page may look for.
    pub related: &'static [&'static str],
    /// Why no engine of the tests runs it, where none does.
    pub unverified: Option<&'static str>,
    /// Where its value is computed.
    pub level: Level,
    /// When its value is NULL.
    pub nulls: Nulls,
    /// Whether each call may give another value.
    pub volatile: bool,
    /// An aggregate's value over no rows, when not NULL.
    pub empty: Option<&'static str>,
    pub(crate) across: Option<FunctionId>,
    /// The same as a window, for dialects where it is no aggregate.
    pub(crate) window: Option<FunctionId>,
    /// The same over all rows of a partition, and over some of them, where the aggregate itself cannot stand there in
    /// every dialect.
    pub(crate) over: Option<FunctionId>,
    pub(crate) framed: Option<FunctionId>,
    /// What each row of a group gives, for dialects that lack the aggregate; that entry says how it is `gathered`.
    pub(crate) rows: Option<FunctionId>,
    pub(crate) gathered: Option<FunctionId>,
    /// The same of a list of the values, for dialects that take it of no part of a partition and gather such a list.
    pub(crate) of_list: Option<FunctionId>,
    /// What its callers are warned of; empty for most.
    pub caution: &'static str,
    /// Help for a call with another number of arguments. Empty if the signature says enough.
    pub(crate) arity_help: &'static str,
    pub(crate) lower: Option<Lowering>,
    /// The least number of arguments over all forms.
    pub(crate) least: usize,
    /// The greatest; `None` if there is no end, as for an aggregate that also goes across the row.
    pub(crate) most: Option<usize>,
    /// Some overload takes only certain literal numbers, so that types alone do not tell which one is meant.
    pub(crate) literals: bool,
    /// The same, and some of up to nine digits are not among them.
    pub(crate) narrow_literals: bool,
    /// Some overload takes dates, which a text may be.
    pub(crate) literal_dates: bool,
    /// Whether only the compiler calls it.
    pub internal: bool,
    /// Its typed forms.
    pub overloads: &'static [Overload],
}

impl Function {
    /// The least and greatest number of arguments over all forms; none for the greatest when there is no end.
    #[must_use]
    pub fn arity(&self) -> (usize, Option<usize>) {
        (self.least, self.most)
    }

    /// Whether so many arguments of an aggregate are values of one row.
    pub(crate) fn goes_across(&self, count: usize) -> bool {
        match self.lower {
            // Behind the delimiter and what is left out.
            Some(Lowering::TextJoin) => count > 3,
            _ => count > 1 && self.across.is_some(),
        }
    }

    /// Where its value is computed, in words.
    #[must_use]
    pub fn level_in_words(&self) -> &'static str {
        match self.level {
            Level::Aggregate => "one value per group",
            Level::Window => "one value per row, looking at other rows",
            Level::Row => "one value per row",
            Level::Const => "the same value for all rows",
        }
    }

    /// When it is NULL, in words.
    #[must_use]
    pub fn nulls_in_words(&self) -> &'static str {
        let aggregates = self.level == Level::Aggregate;
        match self.nulls {
            Nulls::Any if aggregates && self.empty.is_none() => "NULLs are skipped; of nothing it is NULL",
            Nulls::Any if aggregates => "NULLs are skipped",
            Nulls::Any => "NULL when an argument is",
            Nulls::Always => "may be NULL",
            Nulls::Never => "never NULL",
            Nulls::All => "NULL when all arguments are",
            Nulls::Skipped => "NULLs are skipped; may be NULL",
        }
    }

    /// `ROUND(value, [digits])`.
    #[must_use]
    pub fn signature(&self) -> String {
        let longest = self.overloads.iter().rev().max_by_key(|o| o.params.len());
        let Some(overload) = longest else { return self.name.to_owned() };
        let (least, _) = self.arity();
        let mut text = format!("{}(", self.name);
        for (i, param) in overload.params.iter().enumerate() {
            if i > 0 {
                text.push_str(", ");
            }
            let rest = overload.repeated && i + 1 == overload.params.len() && i > 0;
            if i >= least && !rest {
                text.push_str(&format!("[{}]", param.name));
            } else {
                text.push_str(param.name);
            }
        }
        if overload.repeated {
            text.push_str(", …");
        }
        text.push(')');
        text
    }
}

/// The function of an id.
pub(crate) fn get(id: FunctionId) -> &'static Function {
    &tables::FUNCTIONS[id.0 as usize]
}

/// The overload of an id.
pub(crate) fn overload(id: OverloadId) -> Option<&'static Overload> {
    get(owner(id)).overloads.iter().find(|o| o.id == id)
}

/// The function that an overload is of.
pub(crate) fn owner(id: OverloadId) -> FunctionId {
    tables::OWNERS[id.0 as usize]
}

/// The function that a formula calls by this name, in any case.
///
/// ```
/// assert_eq!(formulac::catalog::lookup("sumif").unwrap().name, "SUMIF");
/// assert!(formulac::catalog::lookup("add").is_none());
/// ```
#[must_use]
pub fn lookup(name: &str) -> Option<&'static Function> {
    find(name).map(get)
}

#[inline]
pub(crate) fn find(name: &str) -> Option<FunctionId> {
    match hash::find(tables::NAME_SLOTS, name, |i| tables::NAMES[i].0) {
        Some(slot) => Some(tables::NAMES[slot].1),
        None => find_spaced(name),
    }
}

/// The place of an entry that only the compiler calls.
pub(crate) fn find_internal(entry: &Function) -> Option<FunctionId> {
    entry.overloads.first().map(|o| owner(o.id))
}

/// A dotted name may have blanks around its dot.
#[cold]
fn find_spaced(name: &str) -> Option<FunctionId> {
    let name: String = name.contains(char::is_whitespace).then(|| name.split_whitespace().collect())?;
    find(&name)
}

/// Whether the overload is one of an aggregate, which may stand as a window too.
pub(crate) fn is_aggregate(id: OverloadId) -> bool {
    get(owner(id)).level == Level::Aggregate
}

/// The name that formulas call an entry by: its own, or that of the aggregate which it stands for.
pub(crate) fn shown(id: FunctionId) -> Option<&'static str> {
    let function = get(id);
    let whose = |f: &&Function| f.over == Some(id) || f.framed == Some(id);
    let named = if function.internal { functions().find(whose)? } else { function };
    Some(named.name)
}

/// Every function that a formula can call, by name.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    tables::FUNCTIONS.iter().filter(|f| !f.internal)
}

/// Every name that a formula can call, aliases included.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    tables::NAMES.iter().map(|(n, _)| *n)
}
