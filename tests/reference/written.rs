//! Writes a random spec as YAML.

use std::fmt::{self, Display, Formatter};

use crate::expr::{InterpreterExpr, is_unquoted_name};
use crate::spec::{
    InterpreterJoin, InterpreterJoinKind, InterpreterProjection, InterpreterSpec, InterpreterStep, JoinCondition,
    KeyColumn,
};

pub fn yaml(spec: &InterpreterSpec) -> String {
    Written(spec).to_string()
}

/// A part of a spec that is written as YAML.
struct Written<'a, T>(&'a T);

impl Display for Written<'_, InterpreterSpec> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "model: random\nfrom: {}", self.0.from)?;
        if self.0.steps.iter().any(|step| step.blank_zero) {
            writeln!(f, "blanks: zero")?;
        }
        writeln!(f, "steps:")?;
        self.0.steps.iter().try_for_each(|step| write!(f, "{}", Written(step)))
    }
}

/// Writes an entry of `joins`.
pub fn write_join(f: &mut Formatter<'_>, join: &InterpreterJoin) -> fmt::Result {
    write!(f, "      - {{to: {}", join.to)?;
    if let Some(alias) = &join.alias {
        write!(f, ", as: {alias}")?;
    }
    let kind = match join.kind {
        InterpreterJoinKind::Left => "",
        InterpreterJoinKind::Inner => ", type: inner",
        InterpreterJoinKind::Full => ", type: full",
        InterpreterJoinKind::Cross => ", type: cross",
    };
    write!(f, "{kind}{}", if join.many { ", cardinality: many" } else { "" })?;
    match &join.condition {
        JoinCondition::On(condition) => write!(f, ", on: '{condition}'")?,
        JoinCondition::Using(names) => write!(f, ", using: [{}]", quote_names(names))?,
        JoinCondition::Nothing => {}
    }
    writeln!(f, "}}")
}

fn join_parts(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// Returns the entries of a flow list, with quotes if needed.
fn quote_names(names: &[String]) -> String {
    join_parts(names.iter().map(|name| {
        if is_unquoted_name(name) {
            name.clone()
        } else {
            format!("\"{name}\"")
        }
    }))
}

impl Display for Written<'_, InterpreterStep> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "  - name: {}", self.0.name)?;
        if !self.0.joins.is_empty() {
            writeln!(f, "    joins:")?;
        }
        self.0.joins.iter().try_for_each(|join| write_join(f, join))?;
        if let Some(filter) = &self.0.filter {
            writeln!(f, "    where: '{filter}'")?;
        }
        if !self.0.group_by.is_empty() {
            writeln!(
                f,
                "    group_by: \"{}\"",
                join_parts(self.0.group_by.iter().map(KeyColumn::to_string))
            )?;
        }
        if let Some(having) = &self.0.having {
            writeln!(f, "    having: '{having}'")?;
        }
        if !self.0.order_by.is_empty() {
            let key =
                |(entry, descending): &(KeyColumn, bool)| format!("{entry}{}", if *descending { " desc" } else { "" });
            writeln!(f, "    order_by: \"{}\"", join_parts(self.0.order_by.iter().map(key)))?;
        }
        if let Some(partition) = &self.0.partition_by {
            let entries: Vec<String> = partition
                .iter()
                .map(|name| InterpreterExpr::name(name).to_string())
                .collect();
            writeln!(f, "    partition_by: [{}]", quote_names(&entries))?;
        }
        match &self.0.keep {
            InterpreterProjection::Nothing => {}
            InterpreterProjection::All => writeln!(f, "    keep: all")?,
            InterpreterProjection::Some(names) => writeln!(f, "    keep: [{}]", quote_names(names))?,
        }
        if let Some(limit) = self.0.limit {
            writeln!(f, "    limit: {limit}")?;
        }
        if self.0.definitions.iter().all(|(name, _)| is_unquoted_name(name)) {
            if !self.0.definitions.is_empty() {
                writeln!(f, "    definitions: |")?;
            }
            return self
                .0
                .definitions
                .iter()
                .try_for_each(|(name, x)| writeln!(f, "      {name} = {x}"));
        }
        writeln!(f, "    definitions:")?;
        self.0
            .definitions
            .iter()
            .try_for_each(|(name, x)| writeln!(f, "      \"{name}\": '{x}'"))
    }
}
