//! A spec as the interpreter reads it.

use std::fmt;

use crate::interpret::calendar::Frame;
use crate::interpret::expr::{Expr, Level};

#[derive(Clone, Debug)]
pub struct Spec {
    pub from: String,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug, Default)]
pub struct Step {
    pub name: String,
    /// `blanks: zero` of the whole spec.
    pub blank_zero: bool,
    pub joins: Vec<Join>,
    pub filter: Option<Expr>,
    pub having: Option<Expr>,
    pub group_by: Vec<Entry>,
    pub order_by: Vec<(Entry, bool)>,
    pub partition_by: Option<Vec<String>>,
    pub keep: Keep,
    pub limit: Option<usize>,
    pub definitions: Vec<(String, Expr)>,
    /// Definitions that are no columns.
    pub hidden: Vec<String>,
}

/// A relation or an earlier step that a step joins.
#[derive(Clone, Debug)]
pub struct Join {
    pub to: String,
    pub alias: Option<String>,
    pub by: By,
    pub kind: JoinKind,
    pub many: bool,
}

#[derive(Clone, Debug)]
pub enum By {
    On(Expr),
    Using(Vec<String>),
    /// Each with each.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    Left,
    Inner,
    Full,
    Cross,
}

impl Join {
    /// The name by which its columns are read.
    pub fn name(&self) -> &str {
        self.alias.as_ref().unwrap_or(&self.to)
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum Keep {
    #[default]
    Nothing,
    All,
    Some(Vec<String>),
}

/// A name, or a timeframe of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub name: String,
    pub frame: Option<Frame>,
}

impl Entry {
    /// The name of its column.
    pub fn output(&self) -> String {
        let column = bare(&self.name);
        match self.frame {
            None => column.to_owned(),
            Some(frame) => format!("{column}_{}", frame.name()),
        }
    }

    pub fn expr(&self) -> Expr {
        match self.frame {
            None => Expr::name(&self.name),
            Some(frame) => Expr::Period(self.name.clone(), frame),
        }
    }
}

/// A column's name without its relation's.
pub fn bare(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

impl Step {
    pub fn definition(&self, name: &str) -> Option<&Expr> {
        self.definitions.iter().find(|(n, _)| n == name).map(|(_, x)| x)
    }

    /// The level of a definition, or of a column.
    pub fn level_of(&self, name: &str) -> Level {
        self.definition(name).map_or(Level::Row, |x| self.level(x, Some(name)))
    }

    /// Of an expression; in its own expression a definition's name means the column.
    pub fn level(&self, x: &Expr, own: Option<&str>) -> Level {
        x.level(&|name| if Some(name) == own { Level::Row } else { self.level_of(name) })
    }

    pub fn is_grouped(&self) -> bool {
        let aggregates = |x: &Expr| {
            let mut stack = vec![x];
            while let Some(x) = stack.pop() {
                if matches!(x, Expr::Aggregate(..)) && !x.has_range() {
                    return true;
                }
                stack.extend(x.children());
            }
            false
        };
        !self.group_by.is_empty() || self.definitions.iter().any(|(_, x)| aggregates(x)) || self.having.is_some()
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.expr())
    }
}
