//! A function as the tables hold it.

use super::Lowering;
use crate::types::{Level, Type};

/// A function's place in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionId(pub u16);

/// An overload's place among all overloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OverloadId(pub u16);

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
    /// What an aggregate is over several values of one row.
    pub across: Option<FunctionId>,
    /// The same as a window, for dialects where it is no aggregate.
    pub window: Option<FunctionId>,
    /// The same over all rows of a partition, and over some of them, where the aggregate itself cannot stand there in
    /// every dialect.
    pub over: Option<FunctionId>,
    /// See `over`: over some rows.
    pub framed: Option<FunctionId>,
    /// What each row of a group gives, for dialects that lack the aggregate; that entry says how it is `gathered`.
    pub rows: Option<FunctionId>,
    /// See `rows`: how the value is taken from them.
    pub gathered: Option<FunctionId>,
    /// The same of a list of the values, for dialects that take it of no part of a partition and gather such a list.
    pub of_list: Option<FunctionId>,
    /// What its callers are warned of; empty for most.
    pub caution: &'static str,
    /// Help for a call with another number of arguments. Empty if the signature says enough.
    pub arity_help: &'static str,
    /// The code that lowers it, where no template can.
    pub lower: Option<Lowering>,
    /// The least number of arguments over all forms.
    pub least: usize,
    /// The greatest; `None` if there is no end, as for an aggregate that also goes across the row.
    pub most: Option<usize>,
    /// Some overload takes only certain literal numbers, so that types alone do not tell which one is meant.
    pub literals: bool,
    /// The same, and some of up to nine digits are not among them.
    pub narrow_literals: bool,
    /// Some overload takes dates, which a text may be.
    pub literal_dates: bool,
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
    pub fn goes_across(&self, count: usize) -> bool {
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
