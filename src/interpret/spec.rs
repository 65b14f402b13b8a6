//! Representation of a spec for the interpreter.

use std::fmt;

use crate::calendar::PeriodFrame;
use crate::expr::{InterpreterExpr, InterpreterLevel, InterpreterOp, Window};
use crate::operands::{NullSources, can_return_error, fails_without_values, selectable_arguments};
use crate::value::Value;
use crate::{functions, uncertainty};

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
    pub group_by: Vec<KeyColumn>,
    pub order_by: Vec<(KeyColumn, bool)>,
    pub partition_by: Option<Vec<String>>,
    pub keep: InterpreterProjection,
    pub limit: Option<usize>,
    pub definitions: Vec<(String, InterpreterExpr)>,
    /// Names of definitions that are not output columns.
    pub hidden: Vec<String>,
    /// Names of input columns in which a NULL represents failed arithmetic in an earlier step.
    pub error_columns: Vec<String>,
}

/// Join of a step's input with a relation or an earlier step.
#[derive(Clone, Debug)]
pub struct InterpreterJoin {
    pub to: String,
    pub alias: Option<String>,
    pub condition: JoinCondition,
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
pub enum InterpreterProjection {
    #[default]
    Nothing,
    All,
    Some(Vec<String>),
}

/// Grouping key or sort key: a column or definition, or a timeframe of a column or definition.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyColumn {
    pub name: String,
    pub frame: Option<PeriodFrame>,
}

impl KeyColumn {
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

/// Returns the argument that contains the values to aggregate.
fn aggregated_argument<'x>(name: &str, args: &'x [InterpreterExpr]) -> Option<&'x InterpreterExpr> {
    match (name, args) {
        // If the second argument is not a criterion, it contains the values.
        ("AVERAGEIF", [_, values] | [_, _, values]) if !matches!(values, InterpreterExpr::Literal(_)) => Some(values),
        _ => args.first(),
    }
}

/// Returns whether a call is a constant date, such as `DATE(2024, 9, 23)`.
fn is_constant_date(name: &str, args: &[InterpreterExpr]) -> bool {
    let literal = |arg: &InterpreterExpr| match arg {
        InterpreterExpr::Literal(value) => Some(value.clone()),
        _ => None,
    };
    let values = || args.iter().map(literal).collect::<Option<Vec<Value>>>();
    name == "DATE"
        && matches!(
            values().and_then(|values| functions::call(name, &values)),
            Some(Value::Date(_))
        )
}

/// Returns a column name without its qualifier.
pub fn unqualified_name(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

impl InterpreterStep {
    pub fn definition(&self, name: &str) -> Option<&InterpreterExpr> {
        self.definitions.iter().find(|(n, _)| n == name).map(|(_, x)| x)
    }

    /// Returns the grouping key whose output column has this name, such as `customers.country` for `country`.
    pub fn grouping_key_of_output(&self, name: &str) -> Option<&KeyColumn> {
        self.group_by.iter().find(|key| key.output() == name)
    }

    /// Returns the possible meanings of a NULL. `None` unless `blanks: zero` is set. If `definition_name` is set, the
    /// expression belongs to this definition, so the name refers to the input column and not to the definition.
    pub fn null_sources(&self, x: &InterpreterExpr, definition_name: Option<&str>) -> Option<NullSources> {
        self.blank_zero.then(|| self.sources(x, definition_name))
    }

    fn sources(&self, x: &InterpreterExpr, definition_name: Option<&str>) -> NullSources {
        use InterpreterOp::{Add, Divide, Multiply, Power, Subtract};
        let Some(_deeper) = uncertainty::enter_recursion() else {
            return NullSources::BLANK;
        };
        let sources_of = |x: &InterpreterExpr| self.sources(x, definition_name);
        let any = |args: &[&InterpreterExpr]| {
            args.iter()
                .fold(NullSources::default(), |union, x| union.or(sources_of(x)))
        };
        match x {
            InterpreterExpr::Name(name) => match self.definition(name).filter(|_| definition_name != Some(name)) {
                Some(definition) => self.sources(definition, Some(name)),
                None if self.error_columns.contains(name) => NullSources::ERROR,
                None => NullSources::BLANK,
            },
            InterpreterExpr::Literal(value) if !value.is_null() => NullSources::default(),
            InterpreterExpr::Binary(Divide, ..) => NullSources::ERROR,
            InterpreterExpr::Binary(op, a, b) => match (op, any(&[a, b])) {
                // A blank operand counts as 0, so a NULL result can only be an error.
                (Add | Subtract | Multiply, NullSources { error: true, .. }) => NullSources::ERROR,
                (Power, sources) if can_return_error("POWER", &[(**a).clone(), (**b).clone()]) => {
                    sources.or(NullSources::ERROR)
                }
                (_, sources) => sources,
            },
            InterpreterExpr::Call(name, args) if is_constant_date(name, args) => NullSources::default(),
            InterpreterExpr::Call(name, args) => match selectable_arguments(name, args) {
                Some((branches, nothing)) => any(&branches).or(nothing),
                None if fails_without_values(name) => NullSources::ERROR,
                None if can_return_error(name, args) => any(&args.iter().collect::<Vec<_>>()).or(NullSources::ERROR),
                None => any(&args.iter().collect::<Vec<_>>()),
            },
            InterpreterExpr::Aggregate(name, _) if name.starts_with("COUNT") || name.starts_with("SUM") => {
                NullSources::default()
            }
            InterpreterExpr::Aggregate(name, _) if fails_without_values(name) => NullSources::ERROR,
            InterpreterExpr::Aggregate(name, args) => {
                aggregated_argument(name, args).map_or(NullSources::BLANK, sources_of)
            }
            InterpreterExpr::Range(x, _) => sources_of(x),
            InterpreterExpr::Window(Window::Offset(x, _) | Window::Period(x, ..) | Window::InPeriod(x, ..)) => {
                NullSources::BLANK.or(sources_of(x))
            }
            InterpreterExpr::Window(Window::Rank(..) | Window::PercentRank(_)) => NullSources::ERROR,
            InterpreterExpr::Window(window) => any(&window.children()),
            _ => NullSources::BLANK,
        }
    }

    /// Returns the output columns in which a NULL represents failed arithmetic.
    pub fn outputs_with_error_nulls(&self) -> Vec<String> {
        let output_columns = self.error_columns.iter().filter(|column| match &self.keep {
            InterpreterProjection::Nothing => false,
            InterpreterProjection::All => self.definition(column).is_none(),
            InterpreterProjection::Some(names) => names.contains(column),
        });
        let keys = self.group_by.iter().filter(|key| key.frame.is_none());
        let defined = self.definitions.iter().filter(|(name, _)| !self.hidden.contains(name));
        let computed = keys
            .map(|key| (key.output(), key.expr(), None))
            .chain(defined.map(|(name, x)| (name.clone(), x.clone(), Some(name.as_str()))))
            .filter(|(_, x, definition_name)| self.sources(x, *definition_name).error);
        output_columns
            .map(|name| unqualified_name(name).to_owned())
            .chain(computed.map(|(name, _, _)| name))
            .collect()
    }

    /// Returns the level at which a definition or column is evaluated.
    pub fn level_of(&self, name: &str) -> InterpreterLevel {
        self.definition(name)
            .map_or(InterpreterLevel::Row, |x| self.level(x, Some(name)))
    }

    /// Returns the level at which an expression is evaluated. If `definition_name` is set, the expression belongs to
    /// this definition, so the name refers to the input column and not to the definition.
    pub fn level(&self, x: &InterpreterExpr, definition_name: Option<&str>) -> InterpreterLevel {
        x.level(&|name| {
            if Some(name) == definition_name {
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

impl fmt::Display for KeyColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.expr())
    }
}
