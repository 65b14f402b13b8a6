//! Formulas that are assembled from subexpressions. A formula has a text, a binding strength, and a cost that
//! represents the effort of reading the formula.

use crate::Level;
use crate::ast::{BinaryOp, Expr};
use crate::catalog::Function;

/// Binding strength of expressions that never need brackets: names, numbers and calls.
pub(super) const ATOM_PRECEDENCE: u8 = 9;
const UNARY_PRECEDENCE: u8 = 6;
/// Cost of a call such as `SUMIF(paid, amount)`, whose first argument is a condition instead of a range.
const CONDITION_COST: u32 = 8;

/// A formula, or a part of a formula.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FormulaText {
    pub text: String,
    pub strength: u8,
    /// Cost that represents the effort of reading the formula. Formulas with the lowest cost are offered first.
    pub cost: u32,
    /// Whether a timeframe in brackets may follow the text.
    pub is_name: bool,
    /// How the formula uses a range of rows, if at all.
    pub range: RangeUse,
}

/// Use of a range of rows in a formula, such as `FIRST(x):x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RangeUse {
    /// The formula contains no range.
    None,
    /// The formula contains a range inside an aggregate.
    Inside,
    /// The formula is a range, or a range followed by a criterion. Only aggregates accept a range.
    Whole,
}

impl FormulaText {
    pub fn atom(text: impl Into<String>, cost: u32) -> Self {
        Self {
            text: text.into(),
            strength: ATOM_PRECEDENCE,
            cost,
            is_name: false,
            range: RangeUse::None,
        }
    }

    /// Creates the text of a formula that appears in the spec.
    pub fn from_formula(formula: &str, cost: u32) -> Self {
        let text = format!("={formula}");
        let (parsed, _) = formulac_grammar::parse(&text);
        let ast = parsed.ast();
        let strength = match ast.definitions.first().map(|definition| ast.expr(definition.body)) {
            Some(Expr::Binary { op, .. }) => op.strength(),
            Some(Expr::Name | Expr::Number | Expr::Text | Expr::Call { .. }) => ATOM_PRECEDENCE,
            _ => 0,
        };
        Self {
            strength,
            ..Self::atom(formula, cost)
        }
    }

    /// Creates a range that consists of the rows that a name refers to.
    pub fn range(text: impl Into<String>, cost: u32) -> Self {
        Self {
            range: RangeUse::Whole,
            ..Self::atom(text, cost)
        }
    }

    pub fn name(text: impl Into<String>, cost: u32) -> Self {
        Self {
            is_name: true,
            ..Self::atom(text, cost)
        }
    }

    /// Returns the arguments if the formula is a call of this function.
    fn arguments_of_call(&self, function: &str) -> Option<&str> {
        let arguments = self.text.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')')?;
        (self.strength == ATOM_PRECEDENCE).then_some(arguments)
    }
}

/// Additional cost of `x%`.
const PERCENT_COST: u32 = 4;

/// A formula with placeholders for its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum FormulaTemplate {
    /// `NAME(0, 1, …)`
    Call(&'static str),
    /// `0 op 1`, with this binding strength.
    Infix(&'static str, u8),
    Minus,
    /// `0%`
    Percent,
    /// `0[frame]`
    Frame(&'static str),
    /// `NAME(DISTINCT(0))`
    Unique(&'static str),
    /// Several arguments in the text of a single argument, such as `range, criterion`.
    RangeWithCriterion,
    /// A value of another type that is used as a string without an explicit conversion.
    TextOperand,
    /// A string in which `{0}` is the placeholder for the first argument and `{1}` for the second.
    Template(String),
}

impl FormulaTemplate {
    pub fn named(words: impl Into<String>) -> Self {
        Self::Template(words.into())
    }

    pub fn infix(op: BinaryOp) -> Self {
        Self::Infix(op.symbol(), op.strength())
    }

    /// Fills in the arguments. `None` if one of the arguments is not allowed.
    pub fn with_args(&self, args: &[FormulaText]) -> Option<FormulaText> {
        let range = args.iter().map(|arg| arg.range).max().unwrap_or(RangeUse::None);
        let range = match self {
            Self::RangeWithCriterion => range,
            Self::Call(name) if range == RangeUse::Whole => {
                let is_aggregate = |function: &Function| {
                    function.level == Level::Aggregate
                        || function
                            .lower
                            .is_some_and(formulac_catalog::catalog::Lowering::is_conditional_aggregate)
                };
                crate::catalog::lookup(name)
                    .is_some_and(is_aggregate)
                    .then_some(RangeUse::Inside)?
            }
            _ if range == RangeUse::Whole => return None,
            _ => range,
        };
        Some(FormulaText {
            range,
            ..self.fill_in_arguments(args)?
        })
    }

    fn fill_in_arguments(&self, args: &[FormulaText]) -> Option<FormulaText> {
        let cost = args.iter().map(|arg| arg.cost).sum::<u32>() + 2;
        let texts = || args.iter().map(|arg| arg.text.as_str()).collect::<Vec<_>>().join(", ");
        let bracketed = |arg: &FormulaText, least: u8| {
            if arg.strength < least {
                format!("({})", arg.text)
            } else {
                arg.text.clone()
            }
        };
        Some(match (self, args) {
            // Flatten `AND(AND(a, b), c)` to `AND(a, b, c)`.
            (Self::Call(name @ ("AND" | "OR")), [first, rest @ ..]) if !rest.is_empty() => {
                match first.arguments_of_call(name) {
                    Some(inner) => {
                        let rest = rest.iter().map(|arg| arg.text.as_str()).collect::<Vec<_>>().join(", ");
                        FormulaText::atom(format!("{name}({inner}, {rest})"), cost - 2)
                    }
                    None => FormulaText::atom(format!("{name}({})", texts()), cost),
                }
            }
            // Write the default after a final condition `TRUE`, because IFS in spreadsheets has no default argument.
            (Self::Call("IFS"), [conditions @ .., default]) if conditions.len() >= 2 && conditions.len() % 2 == 0 => {
                let conditions: Vec<&str> = conditions.iter().map(|arg| arg.text.as_str()).collect();
                let conditions = conditions.join(", ");
                match default.arguments_of_call("IFS") {
                    Some(others) => FormulaText::atom(format!("IFS({conditions}, {others})"), cost - 2),
                    None => FormulaText::atom(format!("IFS({conditions}, TRUE, {})", default.text), cost),
                }
            }
            (Self::Call(name), _) => {
                // A column of unknown type passes a type test if it is not NULL, and ISNA has the same SQL as ISBLANK,
                // so prefer ISBLANK.
                let is_type_test = matches!(*name, "ISTEXT" | "ISNONTEXT" | "ISNUMBER" | "ISLOGICAL" | "ISNA");
                // In spreadsheets, these functions require a range and a criterion, so prefer `SUM(IF(paid, amount))`.
                let has_condition = match *name {
                    "COUNTIF" => count_arguments(&texts()) == 1,
                    "SUMIF" | "AVERAGEIF" => count_arguments(&texts()) == 2,
                    _ => false,
                };
                let cost = cost + 3 * u32::from(is_type_test) + CONDITION_COST * u32::from(has_condition);
                FormulaText::atom(format!("{name}({})", texts()), cost)
            }
            (Self::Infix(op, strength), [left, right]) => {
                // A comparison inside a comparison needs brackets.
                let least = strength + u8::from(*strength == BinaryOp::Equal.strength());
                let text = format!("{} {op} {}", bracketed(left, least), bracketed(right, strength + 1));
                FormulaText {
                    text,
                    strength: *strength,
                    cost: cost - 1,
                    is_name: false,
                    range: RangeUse::None,
                }
            }
            (Self::Minus, [x]) => {
                let text = format!("-{}", bracketed(x, UNARY_PRECEDENCE + 1));
                FormulaText {
                    text,
                    strength: UNARY_PRECEDENCE,
                    cost: cost - 1,
                    is_name: false,
                    range: RangeUse::None,
                }
            }
            // People usually write `x / 100` instead of `x%`.
            (Self::Percent, [x]) => {
                FormulaText::atom(format!("{}%", bracketed(x, ATOM_PRECEDENCE)), cost + PERCENT_COST)
            }
            // Prefer the calendar timeframe, because a fiscal timeframe has the same SQL if the fiscal year begins in
            // January.
            (Self::Frame(frame), [x]) => FormulaText::atom(
                format!("{}[{frame}]", bracketed(x, ATOM_PRECEDENCE)),
                cost + u32::from(frame.starts_with("fiscal")),
            ),
            (Self::Unique(name), [x]) => FormulaText::atom(format!("{name}(DISTINCT({}))", x.text), cost),
            (Self::RangeWithCriterion, _) => FormulaText::atom(texts(), cost - 2),
            (Self::TextOperand, [x]) => FormulaText {
                cost,
                is_name: false,
                ..x.clone()
            },
            (Self::Template(words), args) => {
                let fill_argument = |text: String, (arg_index, arg): (usize, &FormulaText)| {
                    text.replace(&format!("{{{arg_index}}}"), &arg.text)
                };
                FormulaText::atom(args.iter().enumerate().fold(words.clone(), fill_argument), cost)
            }
            _ => return None,
        })
    }
}

/// Counts the arguments in a list. A single text in the list may contain two arguments: a range and its criterion.
fn count_arguments(list: &str) -> usize {
    let (mut depth, mut is_text, mut count) = (0_i32, false, 1);
    for c in list.chars() {
        match c {
            '"' => is_text = !is_text,
            '(' | '[' | '{' if !is_text => depth += 1,
            ')' | ']' | '}' if !is_text => depth -= 1,
            ',' if !is_text && depth == 0 => count += 1,
            _ => {}
        }
    }
    count
}

/// Writes a string in formula syntax.
pub(super) fn text_literal(value: &str) -> FormulaText {
    FormulaText::atom(format!("\"{}\"", value.replace('"', "\"\"")), 1)
}
