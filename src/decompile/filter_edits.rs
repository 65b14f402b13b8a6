//! Manual edits to the conditions of metric sets. The SQL of a condition is in the `where` clause of each model that is
//! built on the metric set.

use std::ops::Range;

use super::file::{FilePartPosition, SqlFile};
use super::metric_edits::EditedModel;
use super::restore::{Hunk, diff_file_part};
use super::spec_edit::EditableSpec;
use super::substitute::spec_with_replaced_words;
use crate::model::MetricSetFilter;

/// Edit to the condition of a metric set.
#[derive(Debug)]
pub struct FilterEdit<'m> {
    /// Condition of the metric set.
    pub filter: MetricSetFilter<'m>,
    /// New condition that produces the edited SQL, if only words, numbers, strings or signs were replaced.
    pub formula: Option<String>,
}

impl EditedModel<'_> {
    /// Returns the edit to the condition of a metric set, with the edited pieces that belong to the condition. `None`
    /// if no condition of a metric set was edited.
    pub(super) fn filter_edit(
        &self,
        position: &FilePartPosition,
        hunks: &[Hunk],
        (generated_file, file): (&SqlFile<'_>, &SqlFile<'_>),
    ) -> Option<(FilterEdit<'_>, Vec<Hunk>)> {
        generated_file
            .part_tokens(position)
            .filter(|_| position.clause() == Some("where"))?;
        let text = self.expanded_model.text();
        self.expanded_model
            .filters()
            .into_iter()
            .find_map(|(filter, filter_range)| {
                // The SQL of the condition is the part that changes when the condition changes.
                let without = [text.get(..filter_range.start)?, "TRUE", text.get(filter_range.end..)?].concat();
                let without = self.compiler.compile_expanded(&without, self.path);
                let without = SqlFile::read(without.model_sql()?, file.dialect);
                let filter_tokens: Vec<Range<usize>> = diff_file_part(position, generated_file, &without)
                    .into_iter()
                    .map(|hunk| hunk.generated)
                    .collect();
                // If no other condition exists, the whole clause belongs to the metric set.
                let is_whole = without.part_tokens(position).is_none()
                    || filter_tokens
                        .iter()
                        .any(|token_range| covers_whole_clause(generated_file, position, token_range));
                let is_own = |hunk: &&Hunk| {
                    !filter_tokens.is_empty() && (is_whole || hunk.is_hunk_in_ranges(&filter_tokens, &[]))
                };
                let hunks: Vec<Hunk> = hunks.iter().filter(is_own).cloned().collect();
                if hunks.is_empty() {
                    return None;
                }
                let formula = self.replace_words_in_range(&filter_range);
                Some((FilterEdit { filter, formula }, hunks))
            })
    }

    /// Returns the new text of a part of the expanded spec, if replacing words in that part produces the edited SQL.
    fn replace_words_in_range(&self, byte_range: &Range<usize>) -> Option<String> {
        let text = self.expanded_model.text();
        let editable_spec = EditableSpec::parse_expanded(text).ok()?;
        let edited_spec = spec_with_replaced_words(self.compiler, &editable_spec, self.path, self.edited_sql)?;
        let part = edited_spec
            .strip_prefix(text.get(..byte_range.start)?)?
            .strip_suffix(text.get(byte_range.end..)?)?;
        (part != text.get(byte_range.clone())?).then(|| part.trim().to_owned())
    }

    /// Returns whether a version of the model's SQL contains an edited clause.
    #[must_use]
    pub fn has_edited_clause(&self, sql: &str, position: &FilePartPosition) -> bool {
        let dialect = self.compiler.options.dialect;
        let (file, sql_file) = (SqlFile::read(sql, dialect), SqlFile::read(self.edited_sql, dialect));
        match (file.part_tokens(position), sql_file.part_tokens(position)) {
            (Some(own_tokens), Some(edited)) => file.are_equivalent_ranges(&own_tokens, &sql_file, &edited),
            (own_tokens, edited) => own_tokens.is_none() && edited.is_none(),
        }
    }
}

/// Returns whether the tokens include all tokens of a part.
fn covers_whole_clause(
    generated_file: &SqlFile<'_>,
    position: &FilePartPosition,
    filter_tokens: &Range<usize>,
) -> bool {
    generated_file
        .part_tokens(position)
        .is_some_and(|tokens| filter_tokens.start <= tokens.start && tokens.end <= filter_tokens.end)
}
