//! Nested-loop join of a step's relations: combines each row with each row of the other relation and keeps the
//! combinations that satisfy the condition.

use std::collections::{HashMap, HashSet};

use crate::expr::InterpreterExpr;
use crate::spec::{InterpreterJoin, InterpreterJoinKind, InterpreterStep, JoinCondition};
use crate::trace;
use crate::uncertainty;
use crate::value::Value;
use crate::walk::{NamePrecedence, StepRows, USING_QUALIFIER, ValueRow, evaluate_row_expression};

struct JoinedRelations<'a> {
    names: Vec<&'a str>,
    rows: Vec<&'a StepRows>,
    empty_rows: &'a StepRows,
    /// Columns in `using`, each with the indexes of the relations that have the column.
    merged_columns: Vec<(&'a str, Vec<usize>)>,
}

/// One row from each relation joined so far. `None` if the join found no row in the relation.
type JoinedRows<'a> = Vec<Option<&'a ValueRow>>;

/// Returns the joined rows. Each column is named `relation.column`. A column that exists in only one relation can
/// also be referred to as `column`.
pub fn join_input_rows(step: &InterpreterStep, input_name: &str, rows_by_name: &HashMap<&str, StepRows>) -> StepRows {
    let empty_rows = StepRows::default();
    let mut names = vec![input_name];
    names.extend(step.joins.iter().map(InterpreterJoin::name));
    let relations = [input_name]
        .into_iter()
        .chain(step.joins.iter().map(|join| join.to.as_str()));
    let rows = relations.map(|name| {
        rows_by_name.get(name).unwrap_or_else(|| {
            uncertainty::report_unsupported(|| format!("the relation `{name}`"));
            &empty_rows
        })
    });
    let rows: Vec<&StepRows> = rows.collect();
    let mut relations = JoinedRelations {
        names,
        rows,
        empty_rows: &empty_rows,
        merged_columns: Vec::new(),
    };
    let mut joined_rows: Vec<JoinedRows<'_>> = relations
        .relation_rows(0)
        .rows
        .iter()
        .map(|row| vec![Some(row)])
        .collect();
    for (join_index, join) in step.joins.iter().enumerate() {
        joined_rows = relations.join_relation(step, join_index + 1, join, joined_rows);
        if let JoinCondition::Using(names) = &join.condition {
            names
                .iter()
                .for_each(|name| relations.merge_column(name, join_index + 1));
        }
    }
    let grain = relations.joined_grain(step);
    let shared: Vec<String> = relations
        .merged_columns
        .iter()
        .map(|(name, _)| format!("{USING_QUALIFIER}.{name}"))
        .collect();
    let mut names: Vec<String> = shared;
    let mut qualified_names: HashMap<String, String> = HashMap::new();
    for (relation, rows) in relations.names.iter().zip(&relations.rows) {
        for column in &rows.columns {
            let qualified_name = format!("{relation}.{column}");
            if relations.resolve_name_to_value(&[], column).is_some() {
                let merged = relations.merged_columns.iter().any(|(name, _)| name == column);
                qualified_names.insert(
                    column.clone(),
                    if merged { column.clone() } else { qualified_name.clone() },
                );
                names.push(column.clone());
            }
            names.push(qualified_name);
        }
    }
    let row = |parts: &JoinedRows<'_>| {
        names
            .iter()
            .filter_map(|name| Some((name.clone(), relations.resolve_name_to_value(parts, name)?)))
            .collect()
    };
    let rows = joined_rows.iter().map(row).collect();
    StepRows {
        columns: relations.relation_rows(0).columns.clone(),
        rows,
        grain,
        qualified_columns: qualified_names,
        first: Some(input_name.to_owned()),
        is_single: false,
        error_columns: relations.error_columns(),
    }
}

impl<'a> JoinedRelations<'a> {
    fn relation_rows(&self, relation_index: usize) -> &'a StepRows {
        self.rows.get(relation_index).copied().unwrap_or(self.empty_rows)
    }

    /// Returns the names of columns in which a NULL may represent failed arithmetic.
    fn error_columns(&self) -> Vec<String> {
        let mut error_columns = Vec::new();
        for (relation_index, name) in self.names.iter().enumerate() {
            for column in &self.relation_rows(relation_index).error_columns {
                error_columns.push(format!("{name}.{column}"));
                let owners = (0..self.rows.len()).filter(|other| self.has_column(*other, column));
                error_columns.extend((owners.count() == 1).then(|| column.clone()));
            }
        }
        error_columns
    }

    fn has_column(&self, relation_index: usize, column: &str) -> bool {
        self.relation_rows(relation_index).columns.iter().any(|c| c == column)
    }

    /// Resolves a name to a value. `None` if no relation or more than one relation has the column.
    fn resolve_name_to_value(&self, parts: &[Option<&ValueRow>], name: &str) -> Option<Value> {
        let column_value = |relation_index: usize, column: &str| {
            let row = parts.get(relation_index).copied().flatten();
            row.and_then(|row| row.get(column).cloned()).unwrap_or(Value::Null)
        };
        if let Some((relation, column)) = name.split_once('.') {
            if relation == USING_QUALIFIER {
                let (_, of_these) = self.merged_columns.iter().find(|(merged, _)| *merged == column)?;
                return Some(first_non_null_value(of_these, &|relation_index| {
                    column_value(relation_index, column)
                }));
            }
            let relation_index = self.names.iter().position(|n| *n == relation)?;
            return self
                .has_column(relation_index, column)
                .then(|| column_value(relation_index, column));
        }
        let owners: Vec<usize> = (0..self.rows.len())
            .filter(|relation_index| self.has_column(*relation_index, name))
            .collect();
        match self.merged_columns.iter().find(|(merged, _)| *merged == name) {
            Some((_, of_these)) if owners.iter().all(|owner| of_these.contains(owner)) => {
                Some(first_non_null_value(of_these, &|relation_index| {
                    column_value(relation_index, name)
                }))
            }
            _ => <[usize; 1]>::try_from(owners)
                .ok()
                .map(|[relation_index]| column_value(relation_index, name)),
        }
    }

    fn join_relation(
        &self,
        step: &InterpreterStep,
        relation_index: usize,
        join: &InterpreterJoin,
        before: Vec<JoinedRows<'a>>,
    ) -> Vec<JoinedRows<'a>> {
        let others = &self.relation_rows(relation_index).rows;
        let mut met = HashSet::new();
        let event_name = || format!("the join of {}", join.name());
        let mut joined_rows = Vec::new();
        for parts in before {
            let mut alone = true;
            for (index, other) in others.iter().enumerate() {
                let mut joined_row = parts.clone();
                joined_row.push(Some(other));
                if self.is_match(step, relation_index, join, &joined_row) {
                    if !alone {
                        trace::record_outcome(event_name, "finds several rows");
                    }
                    alone = false;
                    met.insert(index);
                    joined_rows.push(joined_row);
                }
            }
            trace::record_outcome(event_name, if alone { "finds no row" } else { "finds a row" });
            if alone && matches!(join.kind, InterpreterJoinKind::Left | InterpreterJoinKind::Full) {
                let mut joined_row = parts;
                joined_row.push(None);
                joined_rows.push(joined_row);
            }
        }
        if join.kind == InterpreterJoinKind::Full {
            for (_, other) in others.iter().enumerate().filter(|(index, _)| !met.contains(index)) {
                trace::record_outcome(event_name, "has a row without a match");
                let mut joined_row: JoinedRows<'a> = vec![None; relation_index];
                joined_row.push(Some(other));
                joined_rows.push(joined_row);
            }
        }
        joined_rows
    }

    fn is_match(
        &self,
        step: &InterpreterStep,
        relation_index: usize,
        join: &InterpreterJoin,
        parts: &[Option<&ValueRow>],
    ) -> bool {
        match &join.condition {
            JoinCondition::Nothing => true,
            JoinCondition::On(condition) => {
                let mut names = Vec::new();
                collect_referenced_names(step, condition, &mut names);
                let value = |name: String| Some((name.clone(), self.resolve_name_to_value(parts, &name)?));
                let row: ValueRow = names.into_iter().filter_map(value).collect();
                evaluate_row_expression(step, condition, &row, NamePrecedence::ColumnsFirst).as_condition()
                    == Some(true)
            }
            JoinCondition::Using(names) => names.iter().all(|name| {
                let sides = self.earlier_relations_with_column(relation_index, name);
                let value = |side_index: usize| {
                    let row = parts.get(side_index).copied().flatten();
                    row.and_then(|row| row.get(name).cloned()).unwrap_or(Value::Null)
                };
                first_non_null_value(&sides, &value).compare(&value(relation_index)) == Some(std::cmp::Ordering::Equal)
            }),
        }
    }

    /// Returns the relations before index `relation_index` that have the `using` column `name`.
    fn earlier_relations_with_column(&self, relation_index: usize, name: &str) -> Vec<usize> {
        match self.merged_columns.iter().find(|(merged, _)| *merged == name) {
            Some((_, sides)) => sides.clone(),
            None => (0..relation_index)
                .filter(|side| self.has_column(*side, name))
                .collect(),
        }
    }

    fn merge_column(&mut self, name: &'a str, relation_index: usize) {
        let mut sides = self.earlier_relations_with_column(relation_index, name);
        sides.push(relation_index);
        self.merged_columns.retain(|(merged, _)| *merged != name);
        self.merged_columns.push((name, sides));
    }

    /// Returns the grain of the joined rows: the keys of the first relation and of all relations that may have several
    /// matches per row.
    fn joined_grain(&self, step: &InterpreterStep) -> Vec<String> {
        let key_columns = |relation_index: usize| {
            let name = self.names.get(relation_index).copied().unwrap_or_default();
            self.relation_rows(relation_index)
                .grain
                .iter()
                .map(move |column| format!("{name}.{column}"))
        };
        let mut grain: Vec<String> = key_columns(0).collect();
        for (index, join) in step.joins.iter().enumerate() {
            let single = self.relation_rows(index + 1).is_single;
            if join.kind == InterpreterJoinKind::Full {
                // The grain of a full join is known only if the columns in `using` are a key of both sides.
                let using_columns = match &join.condition {
                    JoinCondition::Using(names) => names.as_slice(),
                    _ => &[],
                };
                let alike =
                    |key: &[String]| key.len() == using_columns.len() && key.iter().all(|k| using_columns.contains(k));
                let is_grain_known = index == 0
                    && !using_columns.is_empty()
                    && step.joins.len() == 1
                    && alike(&self.relation_rows(0).grain)
                    && alike(&self.relation_rows(1).grain);
                grain = if is_grain_known {
                    self.relation_rows(1).grain.clone()
                } else {
                    Vec::new()
                };
            } else if join.many || (join.kind == InterpreterJoinKind::Cross && !single) {
                let key: Vec<String> = key_columns(index + 1).collect();
                if key.is_empty() || grain.is_empty() {
                    return Vec::new();
                }
                grain.extend(key);
            }
        }
        grain
    }
}

fn first_non_null_value(sides: &[usize], value: &dyn Fn(usize) -> Value) -> Value {
    sides
        .iter()
        .map(|relation_index| value(*relation_index))
        .find(|value| !value.is_null())
        .unwrap_or(Value::Null)
}

/// Collects the names to which an expression refers, directly or through the step's definitions.
fn collect_referenced_names(step: &InterpreterStep, x: &InterpreterExpr, names: &mut Vec<String>) {
    let mut direct_names = Vec::new();
    x.collect_names(&mut direct_names);
    for name in direct_names {
        if !names.contains(&name) {
            names.push(name.clone());
            if let Some(definition) = step.definition(&name) {
                collect_referenced_names(step, definition, names);
            }
        }
    }
}
