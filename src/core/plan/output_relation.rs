//! The relation that a step returns, for the steps that read it.

use rustc_hash::FxHashSet;

use super::planner::Planner;
use super::step::InputProjection;
use crate::Type;
use crate::schema::{Column, Relation};

impl Planner<'_> {
    /// Returns the columns that the next step can read, whether other columns may exist, and the grain.
    pub(super) fn build_output_relation(&mut self) -> (Relation, bool, Vec<String>) {
        let outputs = self.output_names();
        let (mut relation, open) = self.passthrough_output_columns(&outputs);
        for index in 0..self.outputs.len() {
            if let Some(column) = self.output_column(index) {
                relation.push(column);
            }
        }
        if !self.spec.first.is_empty() {
            let mut columns = relation.columns().to_vec();
            columns.sort_by_key(|column| self.spec.leading_position(column.name()));
            relation = Relation::new(self.spec.name);
            columns.into_iter().for_each(|column| relation.push(column));
        }
        let grain = self.output_grain(&relation, open, &outputs);
        (relation, open, grain)
    }

    /// Returns the columns of the input that the step keeps, and whether it keeps other columns, too. `outputs` are
    /// the names of the step's own columns, in lower case.
    fn passthrough_output_columns(&self, outputs: &FxHashSet<String>) -> (Relation, bool) {
        let mut relation = Relation::new(self.spec.name);
        if self.step.grouped {
            return (relation, false);
        }
        let is_output = |name: &str| outputs.contains(&name.to_ascii_lowercase());
        // A column that `where` compares is not NULL in the remaining rows.
        let columns = self.step.program.columns.iter();
        let never_null: FxHashSet<String> = columns
            .filter(|column_use| !column_use.nullable)
            .map(|column_use| column_use.name.to_ascii_lowercase())
            .collect();
        let filtered = |column: Column| {
            let nullable = column.is_nullable() && !never_null.contains(&column.name().to_ascii_lowercase());
            column.nullable(nullable)
        };
        match (&self.spec.keep, self.input.relation) {
            (InputProjection::All, Some(input)) => {
                let columns = input.columns().iter().filter(|column| !is_output(column.name()));
                columns.for_each(|column| relation.push(filtered(column.clone())));
                if input.is_marked_incomplete() {
                    return (relation.mark_incomplete(), true);
                }
            }
            (InputProjection::All, None) => return (relation, true),
            (InputProjection::Some(names), input) => {
                for name in names.iter().filter(|n| !is_output(n)) {
                    let column = input.and_then(|r| r.column(name)).cloned();
                    relation.push(filtered(column.unwrap_or_else(|| Column::new(*name, Type::Unknown))));
                }
            }
            (InputProjection::Joined(columns), _) => {
                for column in columns.iter().filter(|c| !is_output(&c.name)) {
                    let joined_column = self.input.joined.and_then(|joined| joined.column(column)).cloned();
                    let output_column = joined_column.unwrap_or_else(|| Column::new(&column.name, Type::Unknown));
                    relation.push(output_column.nullable(self.is_input_nullable(column)));
                }
            }
            (InputProjection::Nothing, _) => {}
        }
        (relation, false)
    }

    fn output_column(&mut self, index: usize) -> Option<Column> {
        let output = self.outputs.get(index)?;
        let program = self.step.program;
        let meta = program.meta(output.root);
        let column = Column::new(&output.name, meta.ty)
            .nullable(meta.nullable)
            .with_size(self.emitter.size(output.root))
            .with_digits(self.emitter.decimal_digits(output.root))
            .with_quoted_name(self.emitter.cased.contains(&output.name))
            .with_month_start(program.is_month_start(output.root))
            .null_is_error(program.is_null_error(output.root))
            .with_uuid(program.is_uuid(output.root));
        Some(column)
    }

    /// Returns the columns that identify a row of the result. Empty if they are not known.
    fn output_grain(&self, relation: &Relation, open: bool, outputs: &FxHashSet<String>) -> Vec<String> {
        if self.step.grouped {
            return self.outputs.iter().filter(|o| o.key).map(|o| o.name.clone()).collect();
        }
        if let Some(joined) = self.input.joined {
            let grain = self.input.joined_grain.iter();
            let names: Option<Vec<String>> = grain.map(|g| self.output_name_of_input_column(joined, g)).collect();
            return names.unwrap_or_default();
        }
        let is_output = |name: &str| outputs.contains(&name.to_ascii_lowercase());
        let is_kept = |g: &String| open || relation.column(g).is_some() && !is_output(g);
        match self.input.grain.iter().all(is_kept) {
            true => self.input.grain.to_vec(),
            false => Vec::new(),
        }
    }
}
