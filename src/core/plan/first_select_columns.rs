//! Columns that the first select of a grouped step lists in place of `*`, because the relation that it reads has a
//! column with the name of a value that the select computes. Later selects would read that column in place of the
//! value. In other steps, no value has the name of a column of the input.

use rustc_hash::FxHashSet;

use super::planner::Planner;
use crate::sql::{Item, SqlId, implicit_name};

impl Planner<'_> {
    /// Returns whether the input has a column with the name of a value that is computed before grouping. Columns that
    /// no schema lists do not count: otherwise, the SQL of most steps would change as soon as dbt's artifacts list
    /// them.
    pub(super) fn input_shadows_computed_value(&self) -> bool {
        let Some(relation) = self.input.relation.filter(|_| self.step.grouped) else {
            return false;
        };
        let before_grouping = self.materialized_by_stratum.iter().take(self.strata.main as usize);
        let mut names = before_grouping.flatten().filter_map(|id| self.materialized.name(*id));
        names.any(|name| relation.column(name).is_some())
    }

    /// Returns the input columns that later selects read.
    pub(super) fn expand_star_items(&mut self) -> Vec<Item> {
        let mut read_columns = self.columns_read_by_later_strata();
        read_columns.sort_unstable();
        let mut columns: Vec<SqlId> = Vec::new();
        for column in read_columns {
            columns.push(self.emitter.emit_column_with_fields(column));
        }
        // Unquoted names are in lowercase here, so names that differ only in case are different columns.
        let mut seen = FxHashSet::default();
        columns.retain(|column| seen.insert(implicit_name(self.emitter.tree(), *column)));
        columns.into_iter().map(Item::unnamed).collect()
    }
}
