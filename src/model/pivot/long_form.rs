//! Long form of a pivoted sheet: one row per cell that has a row in the input.

use super::{PivotCells, has_column};
use crate::compile::{SpecCompilation, StepToCompile};
use crate::load::ColumnProjection;
use crate::plan::StepOutput;
use crate::schema::{Column, Relation};
use crate::sql::{Cte, Item, RowPlan, SqlTree};

impl SpecCompilation<'_> {
    /// Converts the output of a sheet to the long form. The sheet was computed for all cells, but the long form
    /// contains only the cells that have a row.
    pub(crate) fn convert_to_long_form(
        &mut self,
        work: &StepToCompile<'_>,
        cells: &PivotCells,
        output: &mut StepOutput,
        tree: &mut SqlTree,
    ) {
        let input = work.rows;
        let dialect = self.compiler.options.dialect;
        let Some(filled) = &cells.has_row else { return };
        let is_kept = |column: &Column| match &work.step.keep {
            ColumnProjection::Columns(names) => names.iter().any(|name| name.text.eq_ignore_ascii_case(column.name())),
            _ => !column.name().eq_ignore_ascii_case(filled),
        };
        let is_own = |column: &Column| !has_column(&cells.kept_columns, column.name());
        let columns: Vec<Column> = output
            .relation
            .columns()
            .iter()
            .filter(|c| is_own(c) || is_kept(c))
            .cloned()
            .collect();
        let mut relation = Relation::new(output.relation.name());
        let mut items = Vec::new();
        for column in columns {
            let text = column.sql_name(dialect);
            items.push(Item::unnamed(tree.add_raw_text(&text)));
            let input_column = input
                .relation
                .and_then(|relation| relation.column(column.name()))
                .filter(|_| !is_own(&column));
            relation.push(input_column.cloned().unwrap_or(column));
        }
        let mut inner = std::mem::take(&mut output.body);
        let (order_by, limit) = inner.remove_order();
        let name = dialect.name_text(
            &self.names.choose_short_name(&format!("{}_in_every_cell", input.name)),
            true,
        );
        output.ctes.push(Cte::new(name.clone(), inner));
        let filter = Some(tree.add_raw_text(&dialect.name_text(filled, true)));
        output.body = RowPlan::scan_cte(name)
            .filter(filter)
            .project(items)
            .sort(order_by)
            .limit(limit);
        output.relation = relation;
    }
}
