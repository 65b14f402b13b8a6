//! Static data of a function.

use super::Lowering;
use crate::types::{Level, Type};

/// Index of a function in the catalogue of functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionId(pub u16);

/// Index of an overload among the overloads of all functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OverloadId(pub u16);

/// Null rule: the condition under which a function returns NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// NULL if and only if any argument is NULL.
    Any,
    /// NULL if any argument is NULL, and possibly NULL if no argument is NULL.
    Always,
    /// NULL if any argument is NULL, or if a spreadsheet would show an error.
    Error,
    /// Never NULL.
    Never,
    /// NULL only if every argument is NULL.
    All,
    /// NULL arguments are skipped, but the result may still be NULL.
    Skipped,
}

/// Kind of literal that rules out errors: if the last argument is such a literal, a call never returns NULL because of
/// an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SafeLast {
    /// Number greater than 0.
    Positive,
    /// Integer greater than 0.
    PositiveInteger,
}

impl SafeLast {
    /// Returns whether a call with this literal as its last argument cannot fail.
    #[must_use]
    pub fn includes(self, last: f64) -> bool {
        match self {
            Self::Positive => last > 0.0,
            Self::PositiveInteger => last > 0.0 && last.fract() == 0.0,
        }
    }
}

/// Type that a parameter accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamType {
    /// This type, or a type that can be widened to it.
    Is(Type),
    /// Any number type.
    Number,
    /// Date, timestamp or instant.
    Temporal,
    /// Integer literal between two inclusive bounds.
    Literal(i64, i64),
    /// Number literal above 0, with or without a decimal point.
    Positive,
    /// Number literal below 0, with or without a decimal point.
    Negative,
    /// Any type.
    Any,
    /// Any type that can be unified with the types of the other arguments of this kind.
    Same,
}

impl ParamType {
    /// Returns the name of the type in a signature.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Is(ty) => ty.name(),
            Self::Number | Self::Positive | Self::Negative => "number",
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
    /// Common type of the arguments that are declared as `T`.
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
    /// `true` if the argument may be omitted.
    pub optional: bool,
    /// Literal that replaces an omitted argument.
    pub default: Option<&'static str>,
}

/// One overload of a function, with its types.
#[derive(Clone, Copy, Debug)]
pub struct Overload {
    /// Index of the overload among the overloads of all functions.
    pub id: OverloadId,
    /// Key that distinguishes the overload from the function's other overloads. Empty for the first overload.
    pub key: &'static str,
    /// Formula that replaces a call. Names in the formula refer to the parameters.
    pub define: Option<&'static str>,
    /// Null rule of the overload, if it differs from the function's.
    pub nulls: Option<Nulls>,
    /// Parameters of the overload.
    pub params: &'static [Param],
    /// `true` if the last parameter accepts any number of arguments.
    pub repeated: bool,
    /// `true` if a parameter accepts only literals.
    pub has_literal_params: bool,
    /// Minimum number of arguments. A repeated parameter is optional if it comes after other parameters.
    pub min_arguments: usize,
    /// Result type of the overload.
    pub result: ResultType,
}

/// Function with all its data for the compiler, the documentation and editors.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Name of the function. Internal functions have names in lower case, all others in upper case.
    pub name: &'static str,
    /// Group under which the documentation lists the function.
    pub category: &'static str,
    /// Description of the function in one sentence.
    pub summary: &'static str,
    /// Phrase that describes a call, with the names of its arguments in braces: `the square root of {value}`. Empty for
    /// internal functions.
    pub phrase: &'static str,
    /// Origin of the function's rules, such as a spreadsheet function.
    pub source: &'static str,
    /// Pitfalls for users.
    pub notes: &'static str,
    /// Names of the arguments with their meanings.
    pub args: &'static [(&'static str, &'static str)],
    /// Examples in the form `formula = value`.
    pub examples: &'static [&'static str],
    /// Aliases of the function.
    pub aliases: &'static [&'static str],
    /// Related functions that a reader of the function's page may look for.
    pub related: &'static [&'static str],
    /// Reason why no test engine can run the function. `None` if a test engine runs it.
    pub unverified: Option<&'static str>,
    /// Level at which the value is computed.
    pub level: Level,
    /// Null rule of the function.
    pub nulls: Nulls,
    /// Kind of literal that rules out errors: if the last argument is such a literal, a call cannot fail. Used for the
    /// null rule `Error`.
    pub safe_last: Option<SafeLast>,
    /// `true` if each call may return a different value.
    pub volatile: bool,
    /// `true` if a tiny change in an argument can cause a large change in the result, as in rounding and comparisons.
    pub discontinuous: bool,
    /// Value of an aggregate over no rows. `None` if that value is NULL.
    pub empty: Option<&'static str>,
    /// `true` if the NULL of an aggregate over no values or too few values represents an error, as in the average of no
    /// values. `false` if spreadsheets show 0, as in the maximum of no values.
    pub empty_is_error: bool,
    /// Internal function that combines several arguments of one row, for an aggregate such as `SUM(a, b)`.
    pub across: Option<FunctionId>,
    /// Internal function that computes the aggregate as a window function, for dialects that lack the aggregate.
    pub window: Option<FunctionId>,
    /// Internal function that computes the aggregate over all rows of a partition, if the aggregate is not a window
    /// function in every dialect.
    pub over: Option<FunctionId>,
    /// Internal function that computes the aggregate over a frame, which contains some rows of the partition.
    pub framed: Option<FunctionId>,
    /// Internal function that computes a value for each row of a group, for dialects without this aggregate. The
    /// aggregate in `gathered` combines these values.
    pub rows: Option<FunctionId>,
    /// Aggregate that combines the values that the function in `rows` computes.
    pub gathered: Option<FunctionId>,
    /// Internal function that computes the aggregate from a list of values. The function is used in dialects that
    /// cannot compute the aggregate over part of a partition but can collect the values in a list.
    pub of_list: Option<FunctionId>,
    /// Warning that is reported for each call. Empty for most functions.
    pub caution: &'static str,
    /// Help for a call with the wrong number of arguments. Empty if the signature is sufficient.
    pub arity_help: &'static str,
    /// Help for the error about a row-level value in a window over groups. Empty if the general help is sufficient.
    pub window_help: &'static str,
    /// Code that lowers the function, if no template can express it.
    pub lower: Option<Lowering>,
    /// Minimum number of arguments over all overloads.
    pub min_arguments: usize,
    /// Maximum number of arguments over all overloads. `None` if there is no limit, for example for an aggregate that
    /// also combines several values of one row.
    pub max_arguments: Option<usize>,
    /// `true` if an overload accepts only certain number literals, so that argument types alone do not determine the
    /// overload.
    pub has_literal_params: bool,
    /// `true` if an overload accepts only certain number literals and rejects some literals of up to nine digits.
    pub rejects_short_literals: bool,
    /// `true` if an overload accepts dates, which users may write as text literals.
    pub literal_dates: bool,
    /// `true` if only the compiler calls the function.
    pub internal: bool,
    /// Overloads of the function.
    pub overloads: &'static [Overload],
}

impl Function {
    /// Returns the minimum and maximum number of arguments over all overloads. The maximum is `None` if there is no
    /// limit.
    #[must_use]
    pub fn arity(&self) -> (usize, Option<usize>) {
        (self.min_arguments, self.max_arguments)
    }

    /// Returns `true` if an aggregate with this number of arguments combines several values of one row.
    pub fn is_row_combination(&self, count: usize) -> bool {
        match self.lower {
            // The first two arguments of `TEXTJOIN` are the delimiter and `ignore_empty`.
            Some(Lowering::TextJoin) => count > 3,
            _ => count > 1 && self.across.is_some(),
        }
    }

    /// Returns a sentence about the level at which the value is computed.
    #[must_use]
    pub fn describe_level(&self) -> &'static str {
        match self.level {
            Level::Aggregate => "one value per group",
            Level::Window => "one value per row, computed from several rows",
            Level::Row => "one value per row",
            Level::Const => "the same value for all rows",
        }
    }

    /// Returns a sentence about when the value is NULL.
    #[must_use]
    pub fn describe_nulls(&self) -> &'static str {
        let aggregates = self.level == Level::Aggregate;
        match self.nulls {
            _ if self.empty_is_error => "skips NULLs; NULL if there are too few values, even with `blanks: zero`",
            Nulls::Any | Nulls::Always if aggregates && self.empty.is_none() => {
                "skips NULLs; NULL if there are no values. With `blanks: zero`, arithmetic treats this NULL as 0"
            }
            Nulls::Any if aggregates => "skips NULLs",
            Nulls::Any => "NULL if an argument is NULL",
            Nulls::Error => "may be NULL. An error remains NULL, even with `blanks: zero`",
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
