//! Hand edits to conditions of metric sets, which are in the `where` clauses of models built on metric sets.

use std::ops::Range;

use super::file::{FilePartPosition, SqlFile};
use super::metric_edits::EditedModel;
use super::restore::{Hunk, diff_part};
use super::spec_edit::SpecPosition;
use super::substitute::spec_with_replaced_words;
use crate::model::MetricSetFilter;

/// Edit to the condition of a metric set.
#[derive(Debug)]
pub struct FilterEdit<'m> {
    /// Condition of the set.
    pub filter: MetricSetFilter<'m>,
    /// New condition that produces the edited SQL, if only words, numbers, strings or signs were replaced.
    pub formula: Option<String>,
}

impl EditedModel<'_> {
    /// Returns the edit to a set's condition, with the edited pieces that belong to the condition. `None` if no set's
    /// condition was edited.
    pub(super) fn filter_edit(
        &self,
        position: &FilePartPosition,
        hunks: &[Hunk],
        (written, file): (&SqlFile<'_>, &SqlFile<'_>),
    ) -> Option<(FilterEdit<'_>, Vec<Hunk>)> {
        written
            .part_tokens(position)
            .filter(|_| position.clause() == Some("where"))?;
        let text = self.expanded_model.text();
        self.expanded_model.filters().into_iter().find_map(|(filter, at)| {
            // The SQL of the condition is the part that changes when the condition changes.
            let without = [text.get(..at.start)?, "TRUE", text.get(at.end..)?].concat();
            let without = self.compiler.compile_expanded(&without, self.path);
            let without = SqlFile::read(without.model_sql()?, file.dialect);
            let own: Vec<Range<usize>> = diff_part(position, written, &without)
                .into_iter()
                .map(|hunk| hunk.generated)
                .collect();
            // If no other condition exists, everything in the clause belongs to the set.
            let is_whole = without.part_tokens(position).is_none()
                || own.iter().any(|own| is_whole_clause(written, position, own));
            let is_own = |hunk: &&Hunk| !own.is_empty() && (is_whole || hunk.is_in(&own, &[]));
            let hunks: Vec<Hunk> = hunks.iter().filter(is_own).cloned().collect();
            if hunks.is_empty() {
                return None;
            }
            let formula = self.part_with_replaced_words(&at);
            Some((FilterEdit { filter, formula }, hunks))
        })
    }

    /// Returns the new text of a part of the expanded spec, if replacing words in that part produces the edited SQL.
    fn part_with_replaced_words(&self, at: &Range<usize>) -> Option<String> {
        let text = self.expanded_model.text();
        let read = SpecPosition::parse_expanded(text).ok()?;
        let respelled = spec_with_replaced_words(self.compiler, &read, self.path, self.edited_sql)?;
        let part = respelled
            .strip_prefix(text.get(..at.start)?)?
            .strip_suffix(text.get(at.end..)?)?;
        (part != text.get(at.clone())?).then(|| part.trim().to_owned())
    }

    /// Returns whether a version of the model's SQL contains an edited clause.
    #[must_use]
    pub fn has_edited_clause(&self, sql: &str, position: &FilePartPosition) -> bool {
        let dialect = self.compiler.options.dialect;
        let (file, sql_file) = (SqlFile::read(sql, dialect), SqlFile::read(self.edited_sql, dialect));
        match (file.part_tokens(position), sql_file.part_tokens(position)) {
            (Some(own), Some(edited)) => file.is_same_part(&own, &sql_file, &edited),
            (own, edited) => own.is_none() && edited.is_none(),
        }
    }
}

/// Returns whether the tokens include all tokens of a part.
fn is_whole_clause(written: &SqlFile<'_>, position: &FilePartPosition, own: &Range<usize>) -> bool {
    written
        .part_tokens(position)
        .is_some_and(|tokens| own.start <= tokens.start && tokens.end <= own.end)
}
