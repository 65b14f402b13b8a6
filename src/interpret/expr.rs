//! Expression trees of formulas, which the test generator builds and the interpreter evaluates.

use std::fmt;

use crate::calendar::{InterpreterCalendarUnit, PeriodFrame, civil_date};
use crate::value::{SECONDS_PER_DAY, Value};

#[derive(Clone, Debug, PartialEq)]
pub enum InterpreterExpr {
    Literal(Value),
    /// Name of a column or definition.
    Name(String),
    /// Column truncated to a timeframe: `column[month]`.
    Period(String, PeriodFrame),
    /// Timeframe that `Period` cannot represent, applied to a column or another expression.
    Part(Box<InterpreterExpr>, String),
    Binary(InterpreterOp, Box<InterpreterExpr>, Box<InterpreterExpr>),
    /// Call to a row-level function.
    Call(&'static str, Vec<InterpreterExpr>),
    /// Aggregate over the rows of the group, or over the ranges in its arguments.
    Aggregate(&'static str, Vec<InterpreterExpr>),
    /// Values of an expression in a range of rows.
    Range(Box<InterpreterExpr>, RangeWindowRows),
    /// Window function: the value of another row, or a position among the rows.
    Window(Window),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterpreterOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Join,
    /// Adds days to a date or time.
    AddDays,
    Earlier,
    /// Number of days between two dates or times.
    DaysBetween,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Window {
    Offset(Box<InterpreterExpr>, i64),
    First(Box<InterpreterExpr>),
    Last(Box<InterpreterExpr>),
    Row,
    /// `RANK` or `OMNI_RANK`. The flag is `true` for descending order.
    Rank(&'static str, Box<InterpreterExpr>, bool),
    PercentRank(Box<InterpreterExpr>),
    /// `PERIODOFFSET`, with the offset in calendar periods.
    Period(Box<InterpreterExpr>, i64, InterpreterCalendarUnit),
    /// `FIRST(x, unit)` or, if the flag is `true`, `LAST(x, unit)`.
    InPeriod(Box<InterpreterExpr>, PeriodFrame, bool),
}

/// Rows that a range contains.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RangeWindowRows {
    All,
    Between(RangeEndPosition, RangeEndPosition),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RangeEndPosition {
    First,
    At(i64),
    Last,
    /// First or, if the flag is `true`, last row in the period of the current row.
    InPeriod(PeriodFrame, bool),
    /// Key of the current row, shifted by a calendar period.
    Moved(i64, InterpreterCalendarUnit),
}

impl RangeEndPosition {
    /// Returns whether a range that starts or ends here is a calendar range.
    pub fn is_calendar_position(self) -> bool {
        matches!(self, Self::InPeriod(..) | Self::Moved(..))
    }

    fn write(self, f: &mut fmt::Formatter<'_>, name: &InterpreterExpr) -> fmt::Result {
        match self {
            Self::First => write!(f, "FIRST({name})"),
            Self::At(0) => write!(f, "{name}"),
            Self::At(n) => write!(f, "OFFSET({name}, {n})"),
            Self::Last => write!(f, "LAST({name})"),
            Self::InPeriod(frame, false) => write!(f, "FIRST({name}, \"{}\")", frame.name()),
            Self::InPeriod(frame, true) => write!(f, "LAST({name}, \"{}\")", frame.name()),
            Self::Moved(n, unit) => write!(f, "PERIODOFFSET({name}, {n}, \"{}\")", unit.name()),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset(x, n) => write!(f, "OFFSET({x}, {n})"),
            Self::Period(x, n, unit) => write!(f, "PERIODOFFSET({x}, {n}, \"{}\")", unit.name()),
            Self::InPeriod(x, frame, is_last) => {
                let name = if *is_last { "LAST" } else { "FIRST" };
                write!(f, "{name}({x}, \"{}\")", frame.name())
            }
            Self::First(x) => write!(f, "FIRST({x})"),
            Self::Last(x) => write!(f, "LAST({x})"),
            Self::Row => write!(f, "ROW()"),
            Self::Rank(name, x, true) => write!(f, "{name}({x})"),
            Self::Rank(name, x, false) => write!(f, "{name}({x}, 1)"),
            Self::PercentRank(x) => write!(f, "PERCENTRANK({x})"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InterpreterLevel {
    Const,
    Row,
    Aggregate,
    Window,
}

impl InterpreterExpr {
    pub fn name(name: &str) -> Self {
        Self::Name(name.to_owned())
    }

    pub fn children(&self) -> Vec<&Self> {
        match self {
            Self::Literal(_) | Self::Name(_) | Self::Period(..) => Vec::new(),
            Self::Range(operand, _) | Self::Part(operand, _) => vec![operand],
            Self::Binary(_, a, b) => vec![a, b],
            Self::Call(_, args) | Self::Aggregate(_, args) => args.iter().collect(),
            Self::Window(window) => window.children(),
        }
    }

    pub fn children_mut(&mut self) -> Vec<&mut Self> {
        match self {
            Self::Literal(_) | Self::Name(_) | Self::Period(..) => Vec::new(),
            Self::Range(operand, _) | Self::Part(operand, _) => vec![operand],
            Self::Binary(_, a, b) => vec![a, b],
            Self::Call(_, args) | Self::Aggregate(_, args) => args.iter_mut().collect(),
            Self::Window(window) => window.value_mut().into_iter().collect(),
        }
    }

    /// Replaces names with the given values.
    #[must_use]
    pub fn substitute_names(mut self, values: &[(String, Self)]) -> Self {
        let value_of = |name: &str| {
            values
                .iter()
                .find(|(replaced_name, _)| replaced_name == name)
                .map(|(_, value)| value)
        };
        match &self {
            Self::Name(name) => value_of(name).cloned().unwrap_or(self),
            Self::Period(name, frame) => match value_of(name) {
                Some(Self::Name(column)) => Self::Period(column.clone(), *frame),
                Some(value) => Self::Part(Box::new(value.clone()), frame.name().to_owned()),
                None => self,
            },
            _ => {
                for child in self.children_mut() {
                    let replaced = std::mem::replace(child, Self::Literal(Value::Null)).substitute_names(values);
                    *child = replaced;
                }
                self
            }
        }
    }

    /// Returns the number of nodes in the expression, and its depth. The function `size_of` returns these two numbers
    /// for a name. Recursion is safe because the depth of formulas is limited.
    pub fn size(&self, size_of: impl Fn(&str) -> Option<(usize, usize)> + Copy) -> (usize, usize) {
        let mut own_size = (1, 1);
        if let Self::Name(name) | Self::Period(name, _) = self
            && let Some((nodes, depth)) = size_of(name)
        {
            own_size = (nodes.saturating_add(1), depth + 1);
        }
        let children: Vec<(usize, usize)> = self.children().into_iter().map(|child| child.size(size_of)).collect();
        let nodes = children
            .iter()
            .fold(own_size.0, |sum: usize, (nodes, _)| sum.saturating_add(*nodes));
        let depth = children.iter().map(|(_, depth)| depth + 1).max().unwrap_or(0);
        (nodes, depth.max(own_size.1))
    }

    /// Collects the names to which the expression refers.
    pub fn collect_names(&self, results: &mut Vec<String>) {
        if let Self::Name(name) | Self::Period(name, _) = self {
            results.push(name.clone());
        }
        self.children()
            .into_iter()
            .for_each(|child| child.collect_names(results));
    }

    /// Returns whether the expression is an aggregate over a range.
    pub fn has_range(&self) -> bool {
        self.range_rows().is_some()
    }

    /// Returns the rows of the first range in an aggregate's arguments.
    pub fn range_rows(&self) -> Option<RangeWindowRows> {
        let Self::Aggregate(_, args) = self else { return None };
        args.iter().find_map(|arg| {
            if let Self::Range(_, rows) = arg {
                Some(*rows)
            } else {
                None
            }
        })
    }

    /// Returns the level at which the expression is evaluated: constant, row, group or window. The function `level_of`
    /// returns the level of a name.
    pub fn level(&self, level_of: &dyn Fn(&str) -> InterpreterLevel) -> InterpreterLevel {
        let child_level = self
            .children()
            .into_iter()
            .map(|c| c.level(level_of))
            .max()
            .unwrap_or(InterpreterLevel::Const);
        match self {
            Self::Literal(_) => InterpreterLevel::Const,
            Self::Name(name) => level_of(name),
            Self::Period(name, _) => level_of(name).max(InterpreterLevel::Row),
            Self::Part(..) => child_level.max(InterpreterLevel::Row),
            Self::Binary(..) | Self::Call(..) => child_level,
            Self::Aggregate(..) if self.has_range() => InterpreterLevel::Window,
            Self::Aggregate(..) => InterpreterLevel::Aggregate,
            Self::Range(..) | Self::Window(_) => InterpreterLevel::Window,
        }
    }
}

impl Window {
    fn value_mut(&mut self) -> Option<&mut InterpreterExpr> {
        match self {
            Self::Offset(x, _)
            | Self::Period(x, ..)
            | Self::InPeriod(x, ..)
            | Self::First(x)
            | Self::Last(x)
            | Self::Rank(_, x, _)
            | Self::PercentRank(x) => Some(x),
            Self::Row => None,
        }
    }

    pub fn children(&self) -> Vec<&InterpreterExpr> {
        match self {
            Self::Offset(x, _)
            | Self::Period(x, ..)
            | Self::InPeriod(x, ..)
            | Self::First(x)
            | Self::Last(x)
            | Self::Rank(_, x, _)
            | Self::PercentRank(x) => vec![x],
            Self::Row => Vec::new(),
        }
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, name: &str, args: &[InterpreterExpr]) -> fmt::Result {
    write!(f, "{name}(")?;
    for (i, arg) in args.iter().enumerate() {
        write!(f, "{}{arg}", if i > 0 { ", " } else { "" })?;
    }
    write!(f, ")")
}

fn write_operand(f: &mut fmt::Formatter<'_>, x: &InterpreterExpr) -> fmt::Result {
    if matches!(x, InterpreterExpr::Binary(..)) {
        write!(f, "({x})")
    } else {
        write!(f, "{x}")
    }
}

impl fmt::Display for InterpreterExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(value) => write_literal(f, value),
            Self::Name(name) if is_unquoted_name(name) => write!(f, "{name}"),
            Self::Name(name) => write!(f, "${{{name}}}"),
            Self::Period(name, frame) if is_unquoted_name(name) => write!(f, "{name}[{}]", frame.name()),
            Self::Period(name, frame) => write!(f, "${{{name}[{}]}}", frame.name()),
            Self::Part(operand, frame) => {
                write_operand(f, operand)?;
                write!(f, "[{frame}]")
            }
            Self::Binary(op, a, b) => {
                write_operand(f, a)?;
                write!(f, " {} ", op.symbol())?;
                write_operand(f, b)
            }
            Self::Call(name, args) | Self::Aggregate(name, args) => write_list(f, name, args),
            Self::Range(operand, rows) => {
                let (from, to) = match rows {
                    RangeWindowRows::All => (RangeEndPosition::At(0), RangeEndPosition::At(0)),
                    RangeWindowRows::Between(from, to) => (*from, *to),
                };
                from.write(f, operand)?;
                write!(f, ":")?;
                to.write(f, operand)
            }
            Self::Window(window) => write!(f, "{window}"),
        }
    }
}

fn write_literal(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Null => write!(f, "NULL"),
        Value::Bool(b) => write!(f, "{}", if *b { "TRUE" } else { "FALSE" }),
        Value::Int(i) => write!(f, "{i}"),
        Value::Number(n) => write!(f, "{n:?}"),
        Value::Decimal(exact) => write!(f, "{exact}"),
        Value::Text(t) => write!(f, "\"{}\"", t.replace('"', "\"\"")),
        Value::Date(d) => {
            let (year, month, day) = civil_date(*d);
            write!(f, "DATE({year}, {month}, {day})")
        }
        // Formulas have no literals for times, so write a date. In an expression with times, a date represents
        // midnight.
        Value::Time(seconds) => write_literal(f, &Value::Date(seconds.div_euclid(SECONDS_PER_DAY))),
    }
}

/// Returns whether a name needs no quotes in a formula.
pub fn is_unquoted_name(name: &str) -> bool {
    let word = name.rsplit('.').next().unwrap_or(name);
    // Quote `select`, because a formula that begins with this word would be parsed as a query.
    word != "select"
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
}

impl InterpreterOp {
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Add | Self::AddDays => "+",
            Self::Subtract | Self::Earlier | Self::DaysBetween => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Power => "^",
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Join => "&",
        }
    }
}
