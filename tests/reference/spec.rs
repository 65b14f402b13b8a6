//! A random spec, and its YAML.

use std::fmt;

use crate::calendar::Frame;
use crate::expr::{Expr, Level, is_plain};

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

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "model: random\nfrom: {}", self.from)?;
        if self.steps.iter().any(|step| step.blank_zero) {
            writeln!(f, "blanks: zero")?;
        }
        writeln!(f, "steps:")?;
        self.steps.iter().try_for_each(|step| write!(f, "{step}"))
    }
}

impl fmt::Display for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "      - {{to: {}", self.to)?;
        if let Some(alias) = &self.alias {
            write!(f, ", as: {alias}")?;
        }
        let kind = match self.kind {
            JoinKind::Left => "",
            JoinKind::Inner => ", type: inner",
            JoinKind::Full => ", type: full",
            JoinKind::Cross => ", type: cross",
        };
        write!(f, "{kind}{}", if self.many { ", cardinality: many" } else { "" })?;
        match &self.by {
            By::On(condition) => write!(f, ", on: '{condition}'")?,
            By::Using(names) => write!(f, ", using: [{}]", quoted(names))?,
            By::Nothing => {}
        }
        writeln!(f, "}}")
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// The entries of a flow list.
fn quoted(names: &[String]) -> String {
    joined(names.iter().map(|name| if is_plain(name) { name.clone() } else { format!("\"{name}\"") }))
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  - name: {}", self.name)?;
        if !self.joins.is_empty() {
            writeln!(f, "    joins:")?;
        }
        self.joins.iter().try_for_each(|join| write!(f, "{join}"))?;
        if let Some(filter) = &self.filter {
            writeln!(f, "    where: '{filter}'")?;
        }
        if !self.group_by.is_empty() {
            writeln!(f, "    group_by: \"{}\"", joined(self.group_by.iter().map(Entry::to_string)))?;
        }
        if let Some(having) = &self.having {
            writeln!(f, "    having: '{having}'")?;
        }
        if !self.order_by.is_empty() {
            let key =
                |(entry, descending): &(Entry, bool)| format!("{entry}{}", if *descending { " desc" } else { "" });
            writeln!(f, "    order_by: \"{}\"", joined(self.order_by.iter().map(key)))?;
        }
        if let Some(partition) = &self.partition_by {
            let entries: Vec<String> = partition.iter().map(|name| Expr::name(name).to_string()).collect();
            writeln!(f, "    partition_by: [{}]", quoted(&entries))?;
        }
        match &self.keep {
            Keep::Nothing => {}
            Keep::All => writeln!(f, "    keep: all")?,
            Keep::Some(names) => writeln!(f, "    keep: [{}]", quoted(names))?,
        }
        if let Some(limit) = self.limit {
            writeln!(f, "    limit: {limit}")?;
        }
        if self.definitions.iter().all(|(name, _)| is_plain(name)) {
            if !self.definitions.is_empty() {
                writeln!(f, "    definitions: |")?;
            }
            return self.definitions.iter().try_for_each(|(name, x)| writeln!(f, "      {name} = {x}"));
        }
        writeln!(f, "    definitions:")?;
        self.definitions.iter().try_for_each(|(name, x)| writeln!(f, "      \"{name}\": '{x}'"))
    }
}
