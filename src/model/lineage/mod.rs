//! Column lineage of a spec: the input columns from which each column is computed, the tags that each column inherits,
//! and whether its values were converted to a time zone.
//!
//! Conditions inside a value are inputs. Filters, sort order and partitions are not.

mod record;

pub(super) use record::output_column;

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use crate::arena::Arena;
use crate::schema::Relation;

/// Input column of a spec.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceColumn {
    relation: String,
    column: String,
}

impl SourceColumn {
    /// Returns the relation's name in the schema.
    #[must_use]
    pub fn relation(&self) -> &str {
        &self.relation
    }

    /// Returns the name of the column.
    #[must_use]
    pub fn column(&self) -> &str {
        &self.column
    }
}

/// Input columns from which a column of a model is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnLineage {
    column: String,
    sources: Vec<SourceColumn>,
}

impl ColumnLineage {
    /// Returns the column of the model.
    #[must_use]
    pub fn column(&self) -> &str {
        &self.column
    }

    /// Returns the distinct input columns, sorted. Empty if the column is constant or counts rows.
    #[must_use]
    pub fn sources(&self) -> &[SourceColumn] {
        &self.sources
    }
}

/// Index of a value.
type LineageNodeId = u32;

/// Inputs of all values of a spec. Dependencies come before the values that use them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Lineage {
    made: Vec<Vec<LineageNodeId>>,
    sources: BTreeMap<LineageNodeId, SourceColumn>,
    /// Index of each input column, by relation and by column, both in lower case. JSON keys must be strings.
    column_positions: BTreeMap<String, BTreeMap<String, LineageNodeId>>,
    /// Values whose own formula converts an instant to wall-clock time in a time zone.
    timezone_conversions: BTreeSet<LineageNodeId>,
    /// Columns of each step, by lower-case name.
    steps: Vec<BTreeMap<String, LineageNodeId>>,
    /// Columns of the model.
    columns: Vec<(String, LineageNodeId)>,
}

impl Lineage {
    fn add_value(&mut self, mut inputs: Vec<LineageNodeId>) -> LineageNodeId {
        inputs.sort_unstable();
        inputs.dedup();
        self.made.push(inputs);
        self.made.len() as LineageNodeId - 1
    }

    /// Returns the position of a value that is computed from all `parts`. `None` if there are no parts.
    fn combine_inputs(&mut self, parts: Vec<LineageNodeId>) -> Option<LineageNodeId> {
        match parts.as_slice() {
            [] => None,
            [position] => Some(*position),
            _ => Some(self.add_value(parts)),
        }
    }

    fn add_source(&mut self, relation: &str, column: &str) -> LineageNodeId {
        let next = self.made.len() as LineageNodeId;
        let columns = self.column_positions.entry(relation.to_lowercase()).or_default();
        let position = *columns.entry(column.to_lowercase()).or_insert(next);
        if position != next {
            return position;
        }
        self.add_value(Vec::new());
        self.sources.insert(
            position,
            SourceColumn {
                relation: relation.to_owned(),
                column: column.to_owned(),
            },
        );
        position
    }

    /// Records the column that contains the total of a measure. The column has the same lineage as the measure.
    pub fn add_total(&mut self, measure: &str, column: &str) {
        if let Some(step) = self.steps.last_mut()
            && let Some(position) = step.get(&measure.to_lowercase()).copied()
        {
            step.insert(column.to_lowercase(), position);
        }
    }

    /// Records the output columns of the most recent step. `last` specifies whether these are also the columns of the
    /// model. The columns of a wide pivot are named after values, so they may depend on any column of the step.
    pub fn record_outputs(&mut self, output: &Relation, last: bool) {
        let Some(mut step_columns) = self.steps.pop() else {
            return;
        };
        let mut positions: Vec<LineageNodeId> = step_columns.values().copied().collect();
        positions.sort_unstable();
        for column in output.columns() {
            let name = column.name().to_lowercase();
            let column_position = match step_columns.get(&name) {
                Some(position) => *position,
                None => self.add_value(positions.clone()),
            };
            step_columns.insert(name, column_position);
            if last {
                self.columns.push((column.name().to_owned(), column_position));
            }
        }
        self.steps.push(step_columns);
    }

    /// Returns the lineage of each column of the model.
    pub fn column_lineages(&self) -> Vec<ColumnLineage> {
        // A value that is computed from a single other value has the same sources as that value.
        let mut origins: Arena<LineageNodeId> = Arena::new();
        for (position, inputs) in self.made.iter().enumerate() {
            origins.push(match inputs.as_slice() {
                [input] => origins.try_get(*input as usize).copied().unwrap_or(*input),
                _ => position as LineageNodeId,
            });
        }
        let mut seen: Arena<Option<usize>> = Arena::filled(None, self.made.len());
        let mut lineage = |(column, (name, at)): (usize, &(String, LineageNodeId))| {
            let mut stack = vec![*at];
            let mut sources = Vec::new();
            while let Some(column_position) = stack.pop() {
                let position = origins[column_position as usize];
                if seen[position as usize].replace(column) != Some(column) {
                    sources.extend(self.sources.get(&position).cloned());
                    stack.extend(self.made.get(position as usize).into_iter().flatten());
                }
            }
            sources.sort_unstable();
            ColumnLineage {
                column: name.clone(),
                sources,
            }
        };
        self.columns.iter().enumerate().map(&mut lineage).collect()
    }

    /// Returns the lower-case names of the columns that are computed from an instant in a time zone. `is_converted`
    /// returns whether an input column is computed in this way. One pass is sufficient because dependencies come first.
    fn columns_in_timezone(&self, is_converted: impl Fn(&SourceColumn) -> bool) -> FxHashSet<String> {
        let mut converted: Arena<bool> = Arena::new();
        for (column_position, inputs) in self.made.iter().enumerate() {
            let position = column_position as LineageNodeId;
            let is_own =
                self.timezone_conversions.contains(&position) || self.sources.get(&position).is_some_and(&is_converted);
            converted.push(is_own || inputs.iter().any(|input| converted[*input as usize]));
        }
        let columns = self
            .columns
            .iter()
            .filter(|(_, position)| converted[*position as usize]);
        columns.map(|(name, _)| name.to_lowercase()).collect()
    }

    /// Returns the inherited tags of each column, by lower-case name. A column inherits the tags of all its inputs. One
    /// pass is sufficient because dependencies come first.
    fn tags(
        &self,
        inherited: &[String],
        source_tags: impl Fn(&SourceColumn) -> Vec<String>,
    ) -> FxHashMap<String, Vec<String>> {
        let mut tagged: Arena<Vec<usize>> = Arena::new();
        for (position, inputs) in self.made.iter().enumerate() {
            let mut tag_indexes: Vec<usize> = inputs
                .iter()
                .flat_map(|input| tagged[*input as usize].iter().copied())
                .collect();
            if let Some(source) = self.sources.get(&(position as LineageNodeId)) {
                let tags = source_tags(source);
                tag_indexes.extend(
                    inherited
                        .iter()
                        .enumerate()
                        .filter(|(_, tag)| tags.contains(tag))
                        .map(|(index, _)| index),
                );
            }
            tag_indexes.sort_unstable();
            tag_indexes.dedup();
            tagged.push(tag_indexes);
        }
        let names = |position: LineageNodeId| {
            tagged[position as usize]
                .iter()
                .filter_map(|index| inherited.get(*index).cloned())
                .collect()
        };
        self.columns
            .iter()
            .map(|(name, position)| (name.to_lowercase(), names(*position)))
            .collect()
    }
}

#[cfg(test)]
mod tests;
