//! Columns whose formulas are inlined, because the columns are not part of the model.

use rustc_hash::FxHashMap;

use super::columns::{ColumnBuilder, ColumnUse};
use super::text_with_origins::SourceMappedText;
use crate::arena::Arena;

/// Maximum length, in bytes, of a formula that replaces the metric's name.
const MAX_INLINED_BYTES: usize = 400;

impl ColumnBuilder<'_> {
    /// Inlines the formulas of columns that are not part of the model and are used in only one place. A formula that
    /// contains several of these columns reads them from an earlier step, and the last step omits them.
    pub fn inline_single_use_formulas(&mut self) {
        let mut count: FxHashMap<usize, usize> = FxHashMap::default();
        for column_use in self.columns.all.iter().flat_map(|column| &column.uses) {
            *count.entry(column_use.column).or_default() += 1;
        }
        let readers = self
            .model
            .having
            .iter()
            .chain(self.model.order_by.iter().chain(&self.model.partition_by).flatten());
        for formula in readers {
            for column_use in self.replacements_and_column_uses(None, formula).1 {
                *count.entry(column_use.column).or_default() += 2;
            }
        }
        // Columns that an aggregate of the base step reads.
        let mut in_base = Arena::filled(false, self.columns.all.len());
        for (index, column) in self.columns.all.iter().enumerate().rev() {
            if column.aggregates || in_base[index] {
                column
                    .uses
                    .iter()
                    .for_each(|column_use| in_base[column_use.column] = true);
            }
        }
        // Columns that a step after the base step may compute. The base step cannot read them.
        let mut late: Arena<bool> = Arena::new();
        for (reader, is_in_base) in in_base.into_iter().enumerate() {
            let column = &self.columns.all[reader];
            let reads_late = column.uses.iter().any(|column_use| late[column_use.column]);
            let hidden = column
                .uses
                .iter()
                .filter(|column_use| self.columns.all[column_use.column].output_position.is_none());
            let hidden: Vec<ColumnUse> = hidden.cloned().collect();
            let is_short = |column_use: &ColumnUse| {
                let text = &self.columns.all[column_use.column].text.formula.text;
                text.len() <= MAX_INLINED_BYTES && !text.contains("//")
            };
            let can_move = |column_use: &ColumnUse| {
                let used_column = &self.columns.all[column_use.column];
                count.get(&column_use.column) == Some(&1)
                    && used_column.windows.is_none()
                    && used_column.source.is_some()
                    && is_short(column_use)
            };
            let is_free = self.is_single
                && !reads_late
                && !hidden.is_empty()
                && column.windows.is_none()
                && column.stage == 0
                && column.source.is_some();
            if is_free && hidden.iter().all(can_move) {
                self.inline_into_referencing_column(reader, &hidden);
            } else if !hidden.is_empty() && !column.aggregates && !is_in_base {
                self.columns.all[reader].stage = column.stage.max(1);
            }
            let column = &self.columns.all[reader];
            late.push(reads_late || column.windows.is_some() || column.stage > 0);
        }
        let mut moved = std::mem::take(&mut self.columns.inlined);
        moved.sort_unstable();
        self.remove_columns(&moved);
    }

    /// Inlines the formulas of columns into the formula that reads them.
    fn inline_into_referencing_column(&mut self, reader: usize, column_uses: &[ColumnUse]) {
        let Some((formula, mut replaced)) = self.columns.all[reader].source.clone() else {
            return;
        };
        let file = self.columns.all[reader].text.file;
        let mut aggregates = self.columns.all[reader].aggregates;
        for part in column_uses {
            let used_column = &self.columns.all[part.column];
            aggregates |= used_column.aggregates;
            let is_operation = used_column
                .source
                .as_ref()
                .is_some_and(|(formula, _)| formula.is_operation);
            let (open, close) = if is_operation { ("(", ")") } else { ("", "") };
            let mut text = SourceMappedText::default();
            text.write(open, used_column.text.file, used_column.text.span);
            text.append(&used_column.text.formula, 0);
            text.write(close, used_column.text.file, used_column.text.span);
            replaced.retain(|(range, _)| *range != part.range);
            replaced.push((part.range.clone(), text));
            self.columns.inlined.push(part.column);
        }
        replaced.sort_by_key(|(range, _)| range.start);
        let inner: Vec<ColumnUse> = column_uses
            .iter()
            .flat_map(|part| self.columns.all[part.column].uses.clone())
            .collect();
        let column = &mut self.columns.all[reader];
        column.text.formula = formula.with_replacements(file, &replaced);
        column.source = Some((formula, replaced));
        column.aggregates = aggregates;
        column
            .uses
            .retain(|column_use| !column_uses.iter().any(|part| part.column == column_use.column));
        // The names in an inlined formula have no positions in the formula into which it is inlined.
        column.uses.extend(inner.into_iter().map(|inner| ColumnUse {
            column: inner.column,
            range: usize::MAX..usize::MAX,
        }));
    }

    /// Removes the columns with these indexes, which must be sorted.
    fn remove_columns(&mut self, removed: &[usize]) {
        let number = |column: usize| column - removed.partition_point(|other| *other < column);
        let mut index = 0;
        self.columns.all.retain(|_| {
            index += 1;
            removed.binary_search(&(index - 1)).is_err()
        });
        for column_use in self.columns.all.iter_mut().flat_map(|column| &mut column.uses) {
            column_use.column = number(column_use.column);
        }
        self.columns
            .definitions
            .values_mut()
            .for_each(|column| *column = number(*column));
        self.columns
            .metrics
            .retain(|_, column| removed.binary_search(column).is_err());
        self.columns
            .metrics
            .values_mut()
            .for_each(|column| *column = number(*column));
    }
}
