//! Nested-loop join of a step's relations: combines each row with each row of the other relation and keeps the
//! combinations that satisfy the condition.

use std::collections::{HashMap, HashSet};

use crate::expr::InterpreterExpr;
use crate::spec::{InterpreterJoin, InterpreterJoinKind, InterpreterStep, JoinCondition};
use crate::trace;
use crate::uncertainty;
use crate::value::Value;
use crate::walk::{NamePrecedence, StepRows, USING, ValueRow, row_value};

struct JoinedRelations<'a> {
    names: Vec<&'a str>,
    rows: Vec<&'a StepRows>,
    empty_rows: &'a StepRows,
    /// Columns in `using`, each with the indexes of the relations that have the column.
    merged_columns: Vec<(&'a str, Vec<usize>)>,
}

/// One row from each relation joined so far. `None` if the join found no row in the relation.
type JoinedRows<'a> = Vec<Option<&'a ValueRow>>;

/// Returns the joined rows. Each column is named `relation.column`. A column that only one relation has is also named
/// `column`.
pub fn join_rows(step: &InterpreterStep, read: &str, known: &HashMap<&str, StepRows>) -> StepRows {
    let nothing = StepRows::default();
    let mut names = vec![read];
    names.extend(step.joins.iter().map(InterpreterJoin::name));
    let relations = [read].into_iter().chain(step.joins.iter().map(|join| join.to.as_str()));
    let rows = relations.map(|name| {
        known.get(name).unwrap_or_else(|| {
            uncertainty::report_unsupported(|| format!("the relation `{name}`"));
            &nothing
        })
    });
    let rows: Vec<&StepRows> = rows.collect();
    let mut relations = JoinedRelations {
        names,
        rows,
        empty_rows: &nothing,
        merged_columns: Vec::new(),
    };
    let mut found: Vec<JoinedRows<'_>> = relations
        .relation_rows(0)
        .rows
        .iter()
        .map(|row| vec![Some(row)])
        .collect();
    for (at, join) in step.joins.iter().enumerate() {
        found = relations.join_relation(step, at + 1, join, found);
        if let JoinCondition::Using(names) = &join.condition {
            names.iter().for_each(|name| relations.merge_column(name, at + 1));
        }
    }
    let grain = relations.joined_grain(step);
    let shared: Vec<String> = relations
        .merged_columns
        .iter()
        .map(|(name, _)| format!("{USING}.{name}"))
        .collect();
    let mut names: Vec<String> = shared;
    let mut meant: HashMap<String, String> = HashMap::new();
    for (relation, rows) in relations.names.iter().zip(&relations.rows) {
        for column in &rows.columns {
            let own = format!("{relation}.{column}");
            if relations.resolve_value(&[], column).is_some() {
                let merged = relations.merged_columns.iter().any(|(name, _)| name == column);
                meant.insert(column.clone(), if merged { column.clone() } else { own.clone() });
                names.push(column.clone());
            }
            names.push(own);
        }
    }
    let row = |parts: &JoinedRows<'_>| {
        names
            .iter()
            .filter_map(|name| Some((name.clone(), relations.resolve_value(parts, name)?)))
            .collect()
    };
    let rows = found.iter().map(row).collect();
    StepRows {
        columns: relations.relation_rows(0).columns.clone(),
        rows,
        grain,
        meant,
        first: Some(read.to_owned()),
        is_single: false,
        error_columns: relations.error_columns(),
    }
}

impl<'a> JoinedRelations<'a> {
    fn relation_rows(&self, at: usize) -> &'a StepRows {
        self.rows.get(at).copied().unwrap_or(self.empty_rows)
    }

    /// Returns the names of columns in which a NULL may stand for failed arithmetic.
    fn error_columns(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (at, name) in self.names.iter().enumerate() {
            for column in &self.relation_rows(at).error_columns {
                found.push(format!("{name}.{column}"));
                let owners = (0..self.rows.len()).filter(|other| self.has_column(*other, column));
                found.extend((owners.count() == 1).then(|| column.clone()));
            }
        }
        found
    }

    fn has_column(&self, at: usize, column: &str) -> bool {
        self.relation_rows(at).columns.iter().any(|c| c == column)
    }

    /// Resolves a name to a value. `None` if no relation or more than one relation has the column.
    fn resolve_value(&self, parts: &[Option<&ValueRow>], name: &str) -> Option<Value> {
        let of = |at: usize, column: &str| {
            let row = parts.get(at).copied().flatten();
            row.and_then(|row| row.get(column).cloned()).unwrap_or(Value::Null)
        };
        if let Some((relation, column)) = name.split_once('.') {
            if relation == USING {
                let (_, of_these) = self.merged_columns.iter().find(|(merged, _)| *merged == column)?;
                return Some(first_value(of_these, &|at| of(at, column)));
            }
            let at = self.names.iter().position(|n| *n == relation)?;
            return self.has_column(at, column).then(|| of(at, column));
        }
        let owners: Vec<usize> = (0..self.rows.len()).filter(|at| self.has_column(*at, name)).collect();
        match self.merged_columns.iter().find(|(merged, _)| *merged == name) {
            Some((_, of_these)) if owners.iter().all(|owner| of_these.contains(owner)) => {
                Some(first_value(of_these, &|at| of(at, name)))
            }
            _ => <[usize; 1]>::try_from(owners).ok().map(|[at]| of(at, name)),
        }
    }

    fn join_relation(
        &self,
        step: &InterpreterStep,
        at: usize,
        join: &InterpreterJoin,
        before: Vec<JoinedRows<'a>>,
    ) -> Vec<JoinedRows<'a>> {
        let others = &self.relation_rows(at).rows;
        let mut met = HashSet::new();
        let told = || format!("the join of {}", join.name());
        let mut found = Vec::new();
        for parts in before {
            let mut alone = true;
            for (index, other) in others.iter().enumerate() {
                let mut both = parts.clone();
                both.push(Some(other));
                if self.is_match(step, at, join, &both) {
                    if !alone {
                        trace::record_event(told, "finds several rows");
                    }
                    alone = false;
                    met.insert(index);
                    found.push(both);
                }
            }
            trace::record_event(told, if alone { "finds no row" } else { "finds a row" });
            if alone && matches!(join.kind, InterpreterJoinKind::Left | InterpreterJoinKind::Full) {
                let mut both = parts;
                both.push(None);
                found.push(both);
            }
        }
        if join.kind == InterpreterJoinKind::Full {
            for (_, other) in others.iter().enumerate().filter(|(index, _)| !met.contains(index)) {
                trace::record_event(told, "has a row without a match");
                let mut both: JoinedRows<'a> = vec![None; at];
                both.push(Some(other));
                found.push(both);
            }
        }
        found
    }

    fn is_match(&self, step: &InterpreterStep, at: usize, join: &InterpreterJoin, parts: &[Option<&ValueRow>]) -> bool {
        match &join.condition {
            JoinCondition::Nothing => true,
            JoinCondition::On(condition) => {
                let mut names = Vec::new();
                read(step, condition, &mut names);
                let value = |name: String| Some((name.clone(), self.resolve_value(parts, &name)?));
                let row: ValueRow = names.into_iter().filter_map(value).collect();
                row_value(step, condition, &row, NamePrecedence::ColumnsFirst).as_condition() == Some(true)
            }
            JoinCondition::Using(names) => names.iter().all(|name| {
                let sides = self.earlier_sides(at, name);
                let value = |at: usize| {
                    let row = parts.get(at).copied().flatten();
                    row.and_then(|row| row.get(name).cloned()).unwrap_or(Value::Null)
                };
                first_value(&sides, &value).compare(&value(at)) == Some(std::cmp::Ordering::Equal)
            }),
        }
    }

    /// Returns the relations before index `at` that have a column named in `using`.
    fn earlier_sides(&self, at: usize, name: &str) -> Vec<usize> {
        match self.merged_columns.iter().find(|(merged, _)| *merged == name) {
            Some((_, of)) => of.clone(),
            None => (0..at).filter(|side| self.has_column(*side, name)).collect(),
        }
    }

    fn merge_column(&mut self, name: &'a str, at: usize) {
        let mut of = self.earlier_sides(at, name);
        of.push(at);
        self.merged_columns.retain(|(merged, _)| *merged != name);
        self.merged_columns.push((name, of));
    }

    /// Returns the grain of the joined rows: the keys of the first relation and of all relations that may have several
    /// matches per row.
    fn joined_grain(&self, step: &InterpreterStep) -> Vec<String> {
        let told = |at: usize| {
            let name = self.names.get(at).copied().unwrap_or_default();
            self.relation_rows(at)
                .grain
                .iter()
                .map(move |column| format!("{name}.{column}"))
        };
        let mut grain: Vec<String> = told(0).collect();
        for (index, join) in step.joins.iter().enumerate() {
            let single = self.relation_rows(index + 1).is_single;
            if join.kind == InterpreterJoinKind::Full {
                // The grain of a full join is only known if the columns in `using` are a key of both sides.
                let by = match &join.condition {
                    JoinCondition::Using(names) => names.as_slice(),
                    _ => &[],
                };
                let alike = |key: &[String]| key.len() == by.len() && key.iter().all(|k| by.contains(k));
                let known = index == 0
                    && !by.is_empty()
                    && step.joins.len() == 1
                    && alike(&self.relation_rows(0).grain)
                    && alike(&self.relation_rows(1).grain);
                grain = if known {
                    self.relation_rows(1).grain.clone()
                } else {
                    Vec::new()
                };
            } else if join.many || (join.kind == InterpreterJoinKind::Cross && !single) {
                let key: Vec<String> = told(index + 1).collect();
                if key.is_empty() || grain.is_empty() {
                    return Vec::new();
                }
                grain.extend(key);
            }
        }
        grain
    }
}

fn first_value(of: &[usize], value: &dyn Fn(usize) -> Value) -> Value {
    of.iter()
        .map(|at| value(*at))
        .find(|value| !value.is_null())
        .unwrap_or(Value::Null)
}

/// Collects the names that an expression reads, directly or through the step's definitions.
fn read(step: &InterpreterStep, x: &InterpreterExpr, names: &mut Vec<String>) {
    let mut own = Vec::new();
    x.collect_names(&mut own);
    for name in own {
        if !names.contains(&name) {
            names.push(name.clone());
            if let Some(definition) = step.definition(&name) {
                read(step, definition, names);
            }
        }
    }
}
