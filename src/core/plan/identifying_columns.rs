//! Columns that identify the rows of a stratum. Lookups in other periods compare these columns in addition to the date.

use super::outputs::{OutputColumn, key_name};
use super::planner::Planner;
use super::step::InputColumn;
use crate::check::date_part;
use crate::ir::{Ir, IrId};

/// Value that identifies the row to look up: a column of the stratum, or an expression over columns.
#[derive(Debug)]
pub(super) struct IdentifyingColumn {
    pub name: String,
    pub quoted: bool,
    pub nullable: bool,
    /// IR node of the value if it is not a column. The value's expression is repeated on both sides of the join.
    pub computed: Option<IrId>,
}

/// One of the columns that together identify a row: the grouping keys, or the columns of the grain.
struct RowKeyColumn {
    name: String,
    quoted: bool,
    nullable: bool,
    is_sort_key: bool,
    /// Whether the sort key determines the value, as a month determines its year.
    follows_from_sort_key: bool,
}

impl Planner<'_> {
    pub(super) fn build_identifying_column(&self, id: IrId, stratum: u32) -> IdentifyingColumn {
        let program = self.step.program;
        let nullable = program.meta(id).nullable;
        match (self.input_column_name(id, stratum), program.node(id)) {
            (Some((name, quoted)), _) => IdentifyingColumn {
                name,
                quoted,
                nullable,
                computed: None,
            },
            (None, Ir::Definition(definition_index)) => {
                let name = program.definition_name(definition_index).to_owned();
                IdentifyingColumn {
                    quoted: self.emitter.cased.contains(&name),
                    name,
                    nullable,
                    computed: Some(id),
                }
            }
            (None, _) => {
                let name = key_name(program.meta(id).span.text(self.spec.source));
                IdentifyingColumn {
                    name,
                    quoted: false,
                    nullable,
                    computed: Some(id),
                }
            }
        }
    }

    /// Returns the values that are compared in addition to the sort key, and whether these values and the sort key
    /// together identify the rows.
    pub(super) fn compared_columns(&self, sort_key: IrId, stratum: u32) -> (Vec<IdentifyingColumn>, bool) {
        let row_key = if self.step.grouped {
            self.row_key_of_groups(sort_key, stratum)
        } else {
            self.row_key_of_input(sort_key)
        };
        let mut compared: Vec<IdentifyingColumn> = Vec::new();
        let mut add = |column: IdentifyingColumn| {
            if !compared
                .iter()
                .any(|other| other.name.eq_ignore_ascii_case(&column.name))
            {
                compared.push(column);
            }
        };
        if self.spec.default_partition {
            let has_sort_key = row_key.iter().any(|column| column.is_sort_key);
            let sort_columns: Vec<String> = self
                .roles
                .order
                .iter()
                .filter_map(|(id, _)| self.input_column_name(*id, stratum))
                .map(|(name, _)| name)
                .collect();
            let is_sort_column = |name: &str| sort_columns.iter().any(|other| other.eq_ignore_ascii_case(name));
            for column in row_key.iter().filter(|column| !column.is_sort_key) {
                // If the shifted date is not a grouping key, compare only the grouping keys that are not sort keys.
                if has_sort_key || (self.step.grouped && !is_sort_column(&column.name)) {
                    add(IdentifyingColumn {
                        name: column.name.clone(),
                        quoted: column.quoted,
                        nullable: column.nullable,
                        computed: None,
                    });
                }
            }
        } else {
            for id in &self.roles.partition {
                add(self.build_identifying_column(*id, stratum));
            }
        }
        let is_compared = |name: &str| {
            compared
                .iter()
                .any(|column| column.computed.is_none() && column.name.eq_ignore_ascii_case(name))
        };
        let has_row_key = self.step.grouped || !row_key.is_empty();
        let unique = has_row_key
            && row_key
                .iter()
                .all(|column| column.is_sort_key || column.follows_from_sort_key || is_compared(&column.name));
        (compared, unique)
    }

    /// Returns the grouping keys.
    fn row_key_of_groups(&self, sort_key: IrId, stratum: u32) -> Vec<RowKeyColumn> {
        let program = self.step.program;
        let sort_column = self.input_column_name(sort_key, stratum);
        let sort_unit = date_part(program, sort_key);
        let column = |key: &OutputColumn| {
            let own_name = || (key.name.clone(), self.emitter.cased.contains(&key.name));
            let (name, quoted) = self.input_column_name(key.root, stratum).unwrap_or_else(own_name);
            let unit = date_part(program, key.root);
            RowKeyColumn {
                is_sort_key: sort_column
                    .as_ref()
                    .is_some_and(|(other, _)| name.eq_ignore_ascii_case(other)),
                follows_from_sort_key: unit
                    .zip(sort_unit)
                    .is_some_and(|(unit, sort_unit)| unit.is_within(sort_unit, program.fiscal_month_offset)),
                nullable: program.meta(key.root).nullable,
                name,
                quoted,
            }
        };
        self.outputs.iter().filter(|output| output.key).map(column).collect()
    }

    /// Returns the columns that identify the rows of the step's input.
    fn row_key_of_input(&self, sort_key: IrId) -> Vec<RowKeyColumn> {
        let program = self.step.program;
        // A computed column is not a column of the grain, even if both have the same name.
        let sort_column = match (program.node(program.resolve_references(sort_key)), self.input.joined) {
            (Ir::Column(column), Some(joined)) => Some(self.input_column(joined, column)),
            (Ir::Column(column), None) => {
                let name = program.columns[column as usize].name.to_string();
                Some(InputColumn {
                    relations: vec![0],
                    name,
                })
            }
            _ => None,
        };
        let column = |grain: &InputColumn| {
            let (name, quoted) = self.input_name(grain);
            RowKeyColumn {
                name,
                quoted,
                nullable: self.is_input_nullable(grain),
                is_sort_key: sort_column.as_ref().is_some_and(|other| other.is_same_column(grain)),
                follows_from_sort_key: false,
            }
        };
        self.input_grain().iter().map(column).collect()
    }
}
