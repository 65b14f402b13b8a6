//! Finds the constants that formulas compare or combine with columns. Drafted rows contain these constants and adjacent
//! values.

use std::collections::{BTreeMap, BTreeSet};

use crate::interpret::expr::{InterpreterExpr, InterpreterOp};
use crate::interpret::spec::{
    InterpreterProjection, InterpreterSpec, InterpreterStep, JoinCondition, unqualified_name,
};
use crate::interpret::value::Value;
use crate::interpret::walk::{NamePrecedence, ValueRow, evaluate_row_expression};

/// A Wednesday and a Saturday in January 2000. Together with the days before and after them, these are four workdays
/// and a weekend. Both days are long before any day on which the tests could run.
const WEEK_TEST_DATES: [i64; 2] = [10_961, 10_964];

/// Column of a relation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RelationColumnKey {
    pub relation: String,
    pub column: String,
}

/// Constants that formulas use together with a column. The keys are the columns.
#[derive(Debug, Default)]
pub struct ColumnConstants(BTreeMap<RelationColumnKey, Vec<Value>>);

impl ColumnConstants {
    pub fn from_spec(spec: &InterpreterSpec) -> Self {
        let mut constants = Self::default();
        let bases = SourceColumnResolver { spec };
        for (step_index, step) in spec.steps.iter().enumerate() {
            let conditions = [&step.filter, &step.having].into_iter().flatten();
            let joined = step.joins.iter().filter_map(|join| match &join.condition {
                JoinCondition::On(condition) => Some(condition),
                _ => None,
            });
            let definitions = step.definitions.iter().map(|(name, x)| (x, Some(name.as_str())));
            for (x, definition_name) in conditions.chain(joined).map(|x| (x, None)).chain(definitions) {
                constants.collect_constants(&bases, step_index, x, definition_name);
            }
        }
        constants
    }

    fn collect_constants(
        &mut self,
        bases: &SourceColumnResolver<'_>,
        step_index: usize,
        x: &InterpreterExpr,
        definition_name: Option<&str>,
    ) {
        let mut stack = vec![x];
        while let Some(x) = stack.pop() {
            let children = x.children();
            // Operands of arithmetic and concatenation do not indicate which values a column has.
            let is_beside = match x {
                InterpreterExpr::Binary(op, ..) => !matches!(
                    op,
                    InterpreterOp::Add
                        | InterpreterOp::Subtract
                        | InterpreterOp::Multiply
                        | InterpreterOp::Divide
                        | InterpreterOp::Join
                ),
                InterpreterExpr::Call(..) | InterpreterExpr::Aggregate(..) => true,
                _ => false,
            };
            if is_beside {
                let mut values: Vec<Value> = children
                    .iter()
                    .filter_map(|child| constant_value(child))
                    .flat_map(values_in_criterion)
                    .collect();
                if matches!(x, InterpreterExpr::Call("WEEKDAY", _)) {
                    values.extend(WEEK_TEST_DATES.map(Value::Date));
                }
                let columns: BTreeSet<RelationColumnKey> = children
                    .iter()
                    .flat_map(|child| bases.compared_columns(step_index, child, definition_name))
                    .collect();
                for column in columns {
                    let column_values = self.0.entry(column).or_default();
                    values.iter().for_each(|value| {
                        if !column_values.contains(value) {
                            column_values.push(value.clone());
                        }
                    });
                }
            }
            stack.extend(children);
        }
    }

    /// Keeps only the constants that `other` also contains.
    pub fn intersect_with(&mut self, other: &Self) {
        for (column, values) in &mut self.0 {
            values.retain(|value| other.0.get(column).is_some_and(|others| others.contains(value)));
        }
    }

    pub fn values_for(&self, column: &RelationColumnKey) -> Vec<Value> {
        self.0.get(column).cloned().unwrap_or_default()
    }
}

/// Returns the value of an expression that contains no names.
fn constant_value(x: &InterpreterExpr) -> Option<Value> {
    let mut names = Vec::new();
    x.collect_names(&mut names);
    let needs_rows = |x: &InterpreterExpr| {
        matches!(
            x,
            InterpreterExpr::Aggregate(..) | InterpreterExpr::Window(_) | InterpreterExpr::Range(..)
        )
    };
    if !names.is_empty() || needs_rows(x) || x.children().into_iter().any(needs_rows) {
        return None;
    }
    let value = evaluate_row_expression(
        &InterpreterStep::default(),
        x,
        &ValueRow::new(),
        NamePrecedence::ColumnsFirst,
    );
    (!value.is_null()).then_some(value)
}

/// Returns the number or text that a criterion contains, without operators and wildcards.
fn values_in_criterion(value: Value) -> Vec<Value> {
    let Value::Text(text) = &value else { return vec![value] };
    let operand = text.trim_start_matches(['<', '>', '=']).trim();
    let plain: String = operand.chars().filter(|c| !matches!(c, '*' | '?' | '~')).collect();
    let mut values = Vec::new();
    if let Ok(number) = operand.parse::<f64>() {
        values.push(Value::Number(number));
    }
    values.push(Value::Text(plain));
    values
}

/// Resolves names in expressions to columns of relations, through definitions and earlier steps.
struct SourceColumnResolver<'a> {
    spec: &'a InterpreterSpec,
}

impl SourceColumnResolver<'_> {
    fn compared_columns(
        &self,
        index: usize,
        x: &InterpreterExpr,
        own_name: Option<&str>,
    ) -> BTreeSet<RelationColumnKey> {
        let mut column_keys = BTreeSet::new();
        let mut visited_names = BTreeSet::new();
        // Each entry contains the index of a step, a name, and whether the name refers to a column of the step's input.
        let mut stack: Vec<(usize, String, bool)> = Vec::new();
        let names = |x: &InterpreterExpr, definition_name: Option<&str>| {
            let mut names = Vec::new();
            x.collect_names(&mut names);
            let is_own = |name: &str| definition_name == Some(name);
            names.into_iter().map(|name| (is_own(&name), name)).collect::<Vec<_>>()
        };
        stack.extend(
            names(x, own_name)
                .into_iter()
                .map(|(is_own, name)| (index, name, is_own)),
        );
        while let Some((step_index, name, is_column)) = stack.pop() {
            if !visited_names.insert((step_index, name.clone(), is_column)) {
                continue;
            }
            let Some(step) = self.spec.steps.get(step_index) else {
                continue;
            };
            if let (Some(x), false) = (step.definition(&name), is_column) {
                stack.extend(
                    names(x, Some(&name))
                        .into_iter()
                        .map(|(is_own, name)| (step_index, name, is_own)),
                );
                continue;
            }
            let relations = self.step_relations(step_index, step);
            for (alias, to) in relations {
                let of_alias = name.strip_prefix(alias).and_then(|rest| rest.strip_prefix('.'));
                let column = match (of_alias, name.contains('.')) {
                    (Some(column), _) => column,
                    (None, true) => continue,
                    (None, false) => &name,
                };
                match self.spec.steps.iter().take(step_index).position(|step| step.name == to) {
                    Some(earlier) => stack.extend(self.column_source(earlier, column)),
                    None => {
                        column_keys.insert(RelationColumnKey {
                            relation: to.to_owned(),
                            column: column.to_owned(),
                        });
                    }
                }
            }
        }
        column_keys
    }

    /// Returns the relations that a step reads, each with its alias in the step.
    fn step_relations<'s>(&'s self, step_index: usize, step: &'s InterpreterStep) -> Vec<(&'s str, &'s str)> {
        let before = step_index
            .checked_sub(1)
            .and_then(|previous_index| self.spec.steps.get(previous_index));
        let source_name = before.map_or(self.spec.from.as_str(), |step| step.name.as_str());
        let joined = step.joins.iter().map(|join| (join.name(), join.to.as_str()));
        [(source_name, source_name)].into_iter().chain(joined).collect()
    }

    /// Returns the source of a step's output column: the index of the step, a name, and whether the name refers to a
    /// column of the step's input.
    fn column_source(&self, step_index: usize, column: &str) -> Option<(usize, String, bool)> {
        let step = self.spec.steps.get(step_index)?;
        if let Some(key) = step.group_by.iter().find(|entry| entry.output() == column) {
            return Some((step_index, key.name.clone(), false));
        }
        if step.definition(column).is_some() {
            return Some((step_index, column.to_owned(), false));
        }
        let kept_name = match &step.keep {
            InterpreterProjection::Some(names) => names.iter().find(|name| unqualified_name(name) == column)?.clone(),
            _ => column.to_owned(),
        };
        Some((step_index, kept_name, true))
    }
}
