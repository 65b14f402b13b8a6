//! Representation of a spec for the interpreter.

use std::fmt;

use crate::calendar::PeriodFrame;
use crate::expr::{InterpreterExpr, InterpreterLevel, InterpreterOp};
use crate::uncertainty;
use crate::value::Value;

#[derive(Clone, Debug)]
pub struct InterpreterSpec {
    pub from: String,
    pub steps: Vec<InterpreterStep>,
}

#[derive(Clone, Debug, Default)]
pub struct InterpreterStep {
    pub name: String,
    /// Whether the spec sets `blanks: zero`.
    pub blank_zero: bool,
    pub joins: Vec<InterpreterJoin>,
    pub filter: Option<InterpreterExpr>,
    pub having: Option<InterpreterExpr>,
    pub group_by: Vec<KeptColumn>,
    pub order_by: Vec<(KeptColumn, bool)>,
    pub partition_by: Option<Vec<String>>,
    pub keep: InterpreterKeep,
    pub limit: Option<usize>,
    pub definitions: Vec<(String, InterpreterExpr)>,
    /// Names of definitions that are not output columns.
    pub hidden: Vec<String>,
    /// Names of input columns in which a NULL stands for failed arithmetic of an earlier step.
    pub error_columns: Vec<String>,
}

/// Join of a step's input with a relation or an earlier step.
#[derive(Clone, Debug)]
pub struct InterpreterJoin {
    pub to: String,
    pub alias: Option<String>,
    pub by: JoinCondition,
    pub kind: InterpreterJoinKind,
    pub many: bool,
}

#[derive(Clone, Debug)]
pub enum JoinCondition {
    On(InterpreterExpr),
    Using(Vec<String>),
    /// No condition, as in a cross join.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterpreterJoinKind {
    Left,
    Inner,
    Full,
    Cross,
}

impl InterpreterJoin {
    /// Returns the name that qualifies the columns of the joined relation.
    pub fn name(&self) -> &str {
        self.alias.as_ref().unwrap_or(&self.to)
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum InterpreterKeep {
    #[default]
    Nothing,
    All,
    Some(Vec<String>),
}

/// Column or definition, or a timeframe of a column or definition.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptColumn {
    pub name: String,
    pub frame: Option<PeriodFrame>,
}

impl KeptColumn {
    /// Returns the name of the output column.
    pub fn output(&self) -> String {
        let column = unqualified_name(&self.name);
        match self.frame {
            None => column.to_owned(),
            Some(frame) => format!("{column}_{}", frame.name()),
        }
    }

    pub fn expr(&self) -> InterpreterExpr {
        match self.frame {
            None => InterpreterExpr::name(&self.name),
            Some(frame) => InterpreterExpr::Period(self.name.clone(), frame),
        }
    }
}

/// Meaning of a NULL in arithmetic with `blanks: zero`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NullMeaning {
    /// The expression is a constant that is not NULL.
    None,
    /// NULL stands for an error, such as a division by 0.
    Error,
    /// NULL may be a blank.
    Blank,
}

/// Returns the arguments that a function such as IF can return, if it returns one of them for every condition. `None` for
/// functions that do not choose an argument.
fn choices<'x>(name: &str, args: &'x [InterpreterExpr]) -> Option<Vec<&'x InterpreterExpr>> {
    let is_true = |x: &InterpreterExpr| matches!(x, InterpreterExpr::Literal(Value::Bool(true)));
    let choices = match (name, args) {
        ("IF", [_, then, otherwise]) => vec![then, otherwise],
        ("IFS", [.., last, _]) if args.len().is_multiple_of(2) && is_true(last) => {
            args.iter().skip(1).step_by(2).collect()
        }
        ("SWITCH", [_, pairs @ .., otherwise]) if pairs.len().is_multiple_of(2) => {
            pairs.iter().skip(1).step_by(2).chain([otherwise]).collect()
        }
        ("CHOOSE" | "IF" | "IFS" | "SWITCH", _) => Vec::new(),
        _ => return None,
    };
    Some(choices)
}

/// Returns a column name without its qualifier.
pub fn unqualified_name(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

impl InterpreterStep {
    pub fn definition(&self, name: &str) -> Option<&InterpreterExpr> {
        self.definitions.iter().find(|(n, _)| n == name).map(|(_, x)| x)
    }

    /// Returns the group key with this name in the output, such as `customers.country` for `country`.
    pub fn key_with_output(&self, name: &str) -> Option<&KeptColumn> {
        self.group_by.iter().find(|key| key.output() == name)
    }

    /// Returns whether a NULL operand counts as 0 with `blanks: zero`. A blank does, but the NULL of arithmetic, such as
    /// a division by 0, stands for an error. In the definition `own`, the name `own` refers to the input column.
    pub fn counts_as_zero(&self, operand: &InterpreterExpr, own: Option<&str>) -> bool {
        self.blank_zero && self.meaning_of_null(operand, own) != NullMeaning::Error
    }

    /// Returns what a NULL of an expression means.
    fn meaning_of_null(&self, x: &InterpreterExpr, own: Option<&str>) -> NullMeaning {
        use InterpreterOp::{Add, Divide, Multiply, Power, Subtract};
        let Some(_deeper) = uncertainty::enter_recursion() else {
            return NullMeaning::Blank;
        };
        match x {
            InterpreterExpr::Name(name) => match self.definition(name).filter(|_| own != Some(name)) {
                Some(definition) => self.meaning_of_null(definition, Some(name)),
                None if self.error_columns.contains(name) => NullMeaning::Error,
                None => NullMeaning::Blank,
            },
            InterpreterExpr::Literal(value) if !value.is_null() => NullMeaning::None,
            InterpreterExpr::Binary(Divide, ..) => NullMeaning::Error,
            InterpreterExpr::Binary(op, a, b) => {
                let [a, b] = [a, b].map(|x| self.meaning_of_null(x, own));
                let is_error = match op {
                    // A blank operand is 0.
                    Add | Subtract | Multiply => true,
                    Power => a != NullMeaning::Blank && b != NullMeaning::Blank,
                    _ => false,
                };
                match a.max(b) {
                    NullMeaning::None => NullMeaning::None,
                    _ if is_error && (a == NullMeaning::Error || b == NullMeaning::Error) => NullMeaning::Error,
                    _ => NullMeaning::Blank,
                }
            }
            InterpreterExpr::Call(name, args) => {
                let values = choices(name, args).unwrap_or_else(|| args.iter().collect());
                let values = values.into_iter().map(|x| self.meaning_of_null(x, own));
                values.max().unwrap_or(NullMeaning::Blank)
            }
            _ => NullMeaning::Blank,
        }
    }

    /// Returns the output columns in which a NULL stands for failed arithmetic.
    pub fn error_outputs(&self) -> Vec<String> {
        let kept = self.error_columns.iter().filter(|column| match &self.keep {
            InterpreterKeep::Nothing => false,
            InterpreterKeep::All => self.definition(column).is_none(),
            InterpreterKeep::Some(names) => names.contains(column),
        });
        let keys = self.group_by.iter().filter(|key| key.frame.is_none());
        let defined = self.definitions.iter().filter(|(name, _)| !self.hidden.contains(name));
        let computed = keys
            .map(|key| (key.output(), key.expr(), None))
            .chain(defined.map(|(name, x)| (name.clone(), x.clone(), Some(name.as_str()))))
            .filter(|(_, x, own)| self.meaning_of_null(x, *own) == NullMeaning::Error);
        kept.map(|name| unqualified_name(name).to_owned())
            .chain(computed.map(|(name, _, _)| name))
            .collect()
    }

    /// Returns the level of a definition or a column.
    pub fn level_of(&self, name: &str) -> InterpreterLevel {
        self.definition(name)
            .map_or(InterpreterLevel::Row, |x| self.level(x, Some(name)))
    }

    /// Returns the level of an expression in the definition `own`. In this definition, the name `own` refers to the
    /// input column.
    pub fn level(&self, x: &InterpreterExpr, own: Option<&str>) -> InterpreterLevel {
        x.level(&|name| {
            if Some(name) == own {
                InterpreterLevel::Row
            } else {
                self.level_of(name)
            }
        })
    }

    pub fn is_grouped(&self) -> bool {
        let aggregates = |x: &InterpreterExpr| {
            let mut stack = vec![x];
            while let Some(x) = stack.pop() {
                if matches!(x, InterpreterExpr::Aggregate(..)) && !x.has_range() {
                    return true;
                }
                stack.extend(x.children());
            }
            false
        };
        !self.group_by.is_empty() || self.definitions.iter().any(|(_, x)| aggregates(x)) || self.having.is_some()
    }
}

impl fmt::Display for KeptColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.expr())
    }
}
