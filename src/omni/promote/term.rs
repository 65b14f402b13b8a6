//! Terms of formulas. A term is enclosed in parentheses if another term requires it.

use formulac_catalog::Level;
use formulac_catalog::catalog::{self, Nulls, ParamType, ResultType};

use crate::Type;
use crate::parse;

const ATOM_PRECEDENCE: u8 = 9;

/// Part of a formula, with known properties of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FormulaTerm {
    pub text: String,
    strength: u8,
    /// Type of the values. `None` if unknown.
    pub ty: Option<Type>,
    /// Whether the term is an aggregate or contains an aggregate.
    pub aggregates: bool,
    /// Whether the value is never NULL.
    pub is_never_null: bool,
}

impl FormulaTerm {
    /// Creates a term that never needs parentheses, such as a name or literal.
    pub fn atom(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            strength: ATOM_PRECEDENCE,
            ty: None,
            aggregates: false,
            is_never_null: false,
        }
    }

    pub fn with_type(mut self, ty: Option<Type>) -> Self {
        self.ty = ty;
        self
    }

    pub fn with_never_null(mut self, is_never_null: bool) -> Self {
        self.is_never_null = is_never_null;
        self
    }

    pub fn into_aggregate(mut self) -> Self {
        self.aggregates = true;
        self
    }

    /// Creates a string literal.
    pub fn string_literal(text: &str) -> Self {
        Self::atom(parse::quote(text))
            .with_type(Some(Type::Text))
            .with_never_null(true)
    }

    pub fn integer(number: i64) -> Self {
        let term = Self::atom(number.to_string())
            .with_type(Some(Type::Integer))
            .with_never_null(true);
        if number < 0 { Self { strength: 7, ..term } } else { term }
    }

    pub fn boolean_literal(value: bool) -> Self {
        Self::atom(if value { "TRUE" } else { "FALSE" })
            .with_type(Some(Type::Boolean))
            .with_never_null(true)
    }

    /// Creates a term that evaluates to NULL.
    pub fn null() -> Self {
        Self::atom("1/0").with_precedence(4)
    }

    /// Creates a term that needs parentheses inside any other term.
    pub fn compound(text: impl Into<String>) -> Self {
        Self::atom(text).with_precedence(0)
    }

    fn with_precedence(mut self, strength: u8) -> Self {
        self.strength = strength;
        self
    }

    /// Creates a function call, such as `NAME(a, b)`.
    pub fn call(name: &str, args: &[Self]) -> Self {
        let texts: Vec<&str> = args.iter().map(|arg| arg.text.as_str()).collect();
        let term = Self::atom(format!("{name}({})", texts.join(", ")));
        Self {
            aggregates: args.iter().any(|arg| arg.aggregates),
            ..term
        }
    }

    /// Creates a function call whose type and other properties are those in the catalogue.
    pub fn function_call(name: &str, args: &[Self]) -> Self {
        let term = Self::call(name, args);
        let Some(function) = catalog::lookup(name) else {
            return term;
        };
        let (mut overloads, first) = (function.overloads.iter(), function.overloads.first());
        let same = |ty: &ParamType| *ty == ParamType::Same;
        let ty = first.and_then(|first| match first.result {
            ResultType::Is(ty) => overloads.all(|overload| overload.result == first.result).then_some(ty),
            ResultType::Param(index) => args.get(usize::from(index))?.ty,
            ResultType::Same => args.get(first.params.iter().position(|param| same(&param.ty))?)?.ty,
            ResultType::Lowered => None,
        });
        let is_never_null = match (name, args) {
            ("IF", [_, results @ ..]) => results.len() == 2 && results.iter().all(|result| result.is_never_null),
            _ if function.nulls == Nulls::All => args.iter().any(|arg| arg.is_never_null),
            _ => function.nulls == Nulls::Never || function.empty == Some("0"),
        };
        Self {
            aggregates: term.aggregates || is_aggregate(name, args.len()),
            ty,
            is_never_null,
            ..term
        }
    }

    /// Creates `left op right`.
    pub fn binary(left: Self, op: &str, right: &Self) -> Self {
        let (strength, ty) = match op {
            "&" => (2, Some(Type::Text)),
            "+" | "-" => (3, arithmetic_type(left.ty, right.ty)),
            "*" => (4, arithmetic_type(left.ty, right.ty)),
            "/" => (4, Some(Type::Float)),
            "^" => (5, None),
            _ => (1, Some(Type::Boolean)),
        };
        let aggregates = left.aggregates || right.aggregates;
        let is_never_null = left.is_never_null && right.is_never_null;
        let mut text = left.text_at_precedence(strength);
        text.push(' ');
        text.push_str(op);
        text.push(' ');
        text.push_str(&right.clone().text_at_precedence(strength + 1));
        Self {
            text,
            strength,
            ty,
            aggregates,
            is_never_null,
        }
    }

    pub fn compare_with(self, op: &str, right: &Self) -> Self {
        Self::binary(self, op, right)
    }

    pub fn negative(self) -> Self {
        let (ty, aggregates, is_never_null) = (self.ty, self.aggregates, self.is_never_null);
        Self {
            text: format!("-{}", self.text_at_precedence(8)),
            strength: 7,
            ty,
            aggregates,
            is_never_null,
        }
    }

    /// Applies a timeframe to the term, as in `x[month]`.
    pub fn timeframe(self, frame: &str) -> Self {
        let (aggregates, is_never_null) = (self.aggregates, self.is_never_null);
        let is_name = self.strength == ATOM_PRECEDENCE && !self.text.ends_with([')', '"', ']']);
        let base = if is_name { self.text } else { format!("({})", self.text) };
        Self {
            text: format!("{base}[{frame}]"),
            strength: ATOM_PRECEDENCE,
            ty: timeframe_type(frame),
            aggregates,
            is_never_null,
        }
    }

    /// Combines terms with `AND` or `OR`. A single term is returned unchanged.
    pub fn combine_conditions(name: &str, parts: Vec<Self>) -> Self {
        let mut parts = parts;
        match (parts.len(), parts.pop()) {
            (0 | 1, Some(part)) => part,
            (_, Some(last)) => {
                parts.push(last);
                Self::call(name, &parts).with_type(Some(Type::Boolean))
            }
            (_, None) => Self::boolean_literal(name == "AND"),
        }
    }

    pub fn negate(self) -> Self {
        Self::call("NOT", &[self]).with_type(Some(Type::Boolean))
    }

    pub fn isblank_call(self) -> Self {
        Self::call("ISBLANK", &[self])
            .with_type(Some(Type::Boolean))
            .with_never_null(true)
    }

    /// Makes the term NULL if one of the operands is NULL. The term must have no other reason to be NULL.
    pub fn null_if_blank(self, operands: &[&Self]) -> Self {
        let nullable = operands.iter().filter(|operand| !operand.is_never_null);
        let blanks: Vec<Self> = nullable.map(|operand| (*operand).clone().isblank_call()).collect();
        if blanks.is_empty() {
            return self.with_never_null(true);
        }
        Self::call("IF", &[Self::combine_conditions("OR", blanks).negate(), self])
    }

    fn text_at_precedence(self, strength: u8) -> String {
        if self.strength < strength {
            format!("({})", self.text)
        } else {
            self.text
        }
    }
}

/// Returns the type of a timeframe's values.
pub(super) fn timeframe_type(frame: &str) -> Option<Type> {
    match frame {
        "date" | "day" | "week" | "month" | "quarter" | "year" | "fiscal_quarter" => Some(Type::Date),
        "hour" | "minute" | "second" | "millisecond" => Some(Type::Timestamp),
        "day_of_week_name" | "month_name" => Some(Type::Text),
        "raw" => None,
        _ => Some(Type::Integer),
    }
}

/// Returns whether a call with this number of arguments aggregates rows. With several arguments, a function such as
/// `MAX` combines values of one row.
pub(super) fn is_aggregate(name: &str, arguments: usize) -> bool {
    catalog::lookup(name)
        .is_some_and(|function| function.level == Level::Aggregate && (function.across.is_none() || arguments < 2))
}

fn arithmetic_type(left: Option<Type>, right: Option<Type>) -> Option<Type> {
    match (left?, right?) {
        (Type::Integer, Type::Integer) => Some(Type::Integer),
        (Type::Float, Type::Integer | Type::Decimal | Type::Float) | (Type::Integer | Type::Decimal, Type::Float) => {
            Some(Type::Float)
        }
        (Type::Decimal, Type::Integer | Type::Decimal) | (Type::Integer, Type::Decimal) => Some(Type::Decimal),
        _ => None,
    }
}
