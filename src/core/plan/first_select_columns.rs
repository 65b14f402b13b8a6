//! Columns that the first select of a step lists in place of `*`, because the relation that it reads has a column with
//! the name of a value that the select computes. Later selects would read that column in place of the value.

use rustc_hash::FxHashSet;

use super::planner::Planner;
use super::step::InputProjection;
use crate::sql::{Item, SqlId, implicit_name};

impl Planner<'_> {
    /// Returns whether the input has a column with the name of a value that an early select computes. Columns that no
    /// schema lists do not count: otherwise, the SQL of most steps would change as soon as dbt's artifacts list them.
    pub(super) fn hides_value_in_star(&self) -> bool {
        let end = if self.step.grouped {
            self.strata.main
        } else {
            self.strata.last
        };
        let values = self.materialized_by_stratum.iter().take(end as usize).flatten();
        let mut names = values.filter_map(|id| self.materialized.name(*id));
        let relation = self.input.relation;
        names.any(|name| relation.is_some_and(|relation| relation.column(name).is_some()))
    }

    /// Returns the input columns that later selects return or read.
    pub(super) fn expand_star_items(&mut self) -> Vec<Item> {
        let grouped = self.step.grouped;
        let mut columns: Vec<SqlId> = Vec::new();
        if let (InputProjection::Some(names), false) = (&self.spec.keep, grouped) {
            let outputs = self.output_names();
            for name in names
                .iter()
                .filter(|name| !outputs.contains(&name.to_ascii_lowercase()))
            {
                columns.push(self.emit_passthrough_column(name));
            }
        }
        let is_ordered = !self.roles.order.is_empty() || !self.roles.partition.is_empty();
        if !grouped && (is_ordered || !self.step.program.lookups.is_empty()) {
            for column in self.input_grain() {
                columns.push(self.emit_input_column(&column, 0));
            }
        }
        let mut read_columns = match self.step.has_own_row_lookups() {
            // A lookup in the sheet itself reads columns of other rows.
            true => (0..self.step.program.columns.len() as u32).collect(),
            false => self.columns_read_by_later_strata(),
        };
        read_columns.sort_unstable();
        for column in read_columns {
            columns.push(self.emitter.emit_column_with_fields(column));
        }
        // Unquoted names are in lowercase here, so names that differ only in case are different columns.
        let mut seen = FxHashSet::default();
        columns.retain(|column| seen.insert(implicit_name(self.emitter.tree(), *column)));
        columns.into_iter().map(Item::unnamed).collect()
    }
}
