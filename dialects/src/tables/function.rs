//! Static data of a function.

use super::Lowering;
use crate::types::{Level, Type};

/// Index of a function in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionId(pub u16);

/// Index of an overload among all overloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OverloadId(pub u16);

/// Null rule: the condition under which a function returns NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// NULL if an argument is NULL, and only then.
    Any,
    /// May be NULL for other reasons, too.
    Always,
    /// Never NULL.
    Never,
    /// NULL only if every argument is NULL.
    All,
    /// NULL arguments are skipped, but the result may be NULL all the same.
    Skipped,
}

/// Type that a parameter accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamType {
    /// This type, or a type that widens to it.
    Is(Type),
    /// Any number type.
    Number,
    /// Date, timestamp or instant.
    Temporal,
    /// Integer literal between two bounds, inclusive.
    Literal(i64, i64),
    /// Number literal above 0, with or without a decimal point.
    Positive,
    /// Any type.
    Any,
    /// Any type that unifies with the other arguments of this kind.
    Same,
}

impl ParamType {
    /// Returns the name of the type in a signature.
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

/// Result type of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultType {
    /// Always this type.
    Is(Type),
    /// Type of one of the arguments.
    Param(u8),
    /// Type to which the arguments of type `T` unify.
    Same,
    /// Type that the function's lowering determines.
    Lowered,
}

/// Parameter of an overload.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Name of the parameter in signatures and templates.
    pub name: &'static str,
    /// Type that the parameter accepts.
    pub ty: ParamType,
    /// Whether the argument may be omitted.
    pub optional: bool,
    /// Literal that replaces an omitted argument.
    pub default: Option<&'static str>,
}

/// Overload: one typed form of a function.
#[derive(Clone, Copy, Debug)]
pub struct Overload {
    /// Index among all overloads.
    pub id: OverloadId,
    /// Name among the function's overloads. Empty for the first.
    pub key: &'static str,
    /// Formula that replaces a call. The names in it are the parameters.
    pub define: Option<&'static str>,
    /// Null rule of the overload, if it differs from the function's.
    pub nulls: Option<Nulls>,
    /// Parameters of the overload.
    pub params: &'static [Param],
    /// Whether the last parameter accepts any number of arguments.
    pub repeated: bool,
    /// Whether a parameter accepts only literals.
    pub literal: bool,
    /// Minimum number of arguments. A repeated parameter after other parameters is optional.
    pub needed: usize,
    /// Result type of the overload.
    pub result: ResultType,
}

/// Function with all data that the compiler, the docs and the editor use.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Name of the function: upper case, or lower case for internal functions.
    pub name: &'static str,
    /// Group under which the docs list the function.
    pub category: &'static str,
    /// Description of the function in one sentence.
    pub summary: &'static str,
    /// Description of a call, with its arguments in braces: `the square root of {value}`. Empty for internal
    /// functions.
    pub phrase: &'static str,
    /// Origin of the function's rules, such as a spreadsheet function.
    pub source: &'static str,
    /// Pitfalls for users.
    pub notes: &'static str,
    /// Arguments and their meanings.
    pub args: &'static [(&'static str, &'static str)],
    /// Examples in the form `formula = value`.
    pub examples: &'static [&'static str],
    /// Aliases of the function.
    pub aliases: &'static [&'static str],
    /// Related functions that a reader of the function's page may look for.
    pub related: &'static [&'static str],
    /// Reason why no test engine runs the function, if none does.
    pub unverified: Option<&'static str>,
    /// Level at which the value is computed.
    pub level: Level,
    /// Null rule of the function.
    pub nulls: Nulls,
    /// Whether each call may return another value.
    pub volatile: bool,
    /// Value of an aggregate over no rows. `None` if it is NULL.
    pub empty: Option<&'static str>,
    /// Internal function that combines several arguments in one row, for an aggregate such as `SUM(a, b)`.
    pub across: Option<FunctionId>,
    /// Internal function that computes the aggregate as a window, for dialects without such an aggregate.
    pub window: Option<FunctionId>,
    /// Internal function that computes the aggregate over all rows of a partition, for an aggregate that is not a
    /// window function in every dialect.
    pub over: Option<FunctionId>,
    /// Internal function like `over`, but for a frame of some rows of the partition.
    pub framed: Option<FunctionId>,
    /// Internal function that computes a value for each row of a group, for dialects without the aggregate. Its
    /// `gathered` combines these values.
    pub rows: Option<FunctionId>,
    /// Aggregate that combines the row values of a `rows` function.
    pub gathered: Option<FunctionId>,
    /// Internal function that computes the aggregate from a list of the values, for dialects that cannot compute it
    /// over part of a partition but can collect such a list.
    pub of_list: Option<FunctionId>,
    /// Warning for each call. Empty for most functions.
    pub caution: &'static str,
    /// Help for a call with a wrong number of arguments. Empty if the signature is sufficient.
    pub arity_help: &'static str,
    /// Code that lowers the function, if no template can.
    pub lower: Option<Lowering>,
    /// Minimum number of arguments of all overloads.
    pub least: usize,
    /// Maximum number of arguments of all overloads. `None` if there is no limit, for example for an aggregate that
    /// also combines values of one row.
    pub most: Option<usize>,
    /// Whether an overload accepts only certain number literals, so that types alone do not select the overload.
    pub literals: bool,
    /// Whether such an overload excludes some literals of up to nine digits.
    pub narrow_literals: bool,
    /// Whether an overload accepts dates, for which a text literal may be written.
    pub literal_dates: bool,
    /// Whether only the compiler calls the function.
    pub internal: bool,
    /// Overloads of the function.
    pub overloads: &'static [Overload],
}

impl Function {
    /// Returns the minimum and maximum number of arguments of all overloads. The maximum is `None` if there is no
    /// limit.
    #[must_use]
    pub fn arity(&self) -> (usize, Option<usize>) {
        (self.least, self.most)
    }

    /// Returns whether an aggregate with this number of arguments combines the values of one row.
    pub fn goes_across(&self, count: usize) -> bool {
        match self.lower {
            // The first two arguments of `TEXTJOIN` are the delimiter and `ignore_empty`.
            Some(Lowering::TextJoin) => count > 3,
            _ => count > 1 && self.across.is_some(),
        }
    }

    /// Describes the level at which the value is computed.
    #[must_use]
    pub fn level_in_words(&self) -> &'static str {
        match self.level {
            Level::Aggregate => "one value per group",
            Level::Window => "one value per row, computed from several rows",
            Level::Row => "one value per row",
            Level::Const => "the same value for all rows",
        }
    }

    /// Describes when the value is NULL.
    #[must_use]
    pub fn nulls_in_words(&self) -> &'static str {
        let aggregates = self.level == Level::Aggregate;
        match self.nulls {
            Nulls::Any if aggregates && self.empty.is_none() => "skips NULLs; NULL if there are no rows",
            Nulls::Any if aggregates => "skips NULLs",
            Nulls::Any => "NULL if an argument is NULL",
            Nulls::Always => "may be NULL",
            Nulls::Never => "never NULL",
            Nulls::All => "NULL if all arguments are NULL",
            Nulls::Skipped => "skips NULLs; may be NULL",
        }
    }

    /// Formats the signature, for example `ROUND(value, [digits])`.
    #[must_use]
    pub fn signature(&self) -> String {
        let longest = self.overloads.iter().rev().max_by_key(|o| o.params.len());
        let Some(overload) = longest else {
            return self.name.to_owned();
        };
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
