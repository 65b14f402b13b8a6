//! Hand edits of conditions that a metric set defines: `where` in the SQL of a model over metric sets.

use super::file::SqlFile;
use super::metric_edits::EditedModel;
use super::spec_edit::SpecPosition;
use super::substitute::respelled_spec;
use crate::model::SetFilter;
use crate::yaml::{self, Node};

/// Edit of the condition of a metric set.
#[derive(Debug)]
pub struct FilterEdit<'m> {
    /// Condition of the set.
    pub filter: SetFilter<'m>,
    /// Condition that produces the edited SQL, if only words, numbers, strings or signs were replaced.
    pub formula: Option<String>,
}

impl EditedModel<'_> {
    /// Returns the edit of a `where` clause. `None` if the clause is not the condition of one set.
    #[must_use]
    pub fn filter_edit(&self, cte: Option<&str>) -> Option<FilterEdit<'_>> {
        let text = self.expanded.text();
        let before = step_filter(text, cte)?;
        let mut filters = self.expanded.filters();
        let filter = filters.find(|filter| has_same_words(filter.text(), &before))?;
        let read = SpecPosition::expanded(text).ok()?;
        let respelled = respelled_spec(self.compiler, &read, self.path, self.found);
        let formula = respelled.and_then(|text| step_filter(&text, cte));
        Some(FilterEdit {
            filter,
            formula: formula.filter(|formula| *formula != before),
        })
    }

    /// Returns whether a version of the model's SQL contains the edited `where` clause.
    #[must_use]
    pub fn is_filter_shown_by(&self, made: &str, cte: Option<&str>) -> bool {
        let dialect = self.compiler.options.dialect;
        let (made, found) = (SqlFile::read(made, dialect), SqlFile::read(self.found, dialect));
        let both = made.clause(cte, "where").zip(found.clause(cte, "where"));
        both.is_some_and(|(own, edited)| made.has_same_tokens(&own, &found, &edited))
    }
}

/// Returns the condition of the step with the name of a CTE, or of the only step with a condition.
fn step_filter(text: &str, cte: Option<&str>) -> Option<String> {
    let root = yaml::read(text, &mut Vec::new()).ok()??;
    let steps = root.get("steps").and_then(Node::items);
    let steps = steps.unwrap_or(std::slice::from_ref(&root));
    let with_filter: Vec<&Node> = steps.iter().filter(|step| step.get("where").is_some()).collect();
    let named = with_filter.iter().find(|step| {
        let name = step.get("name").and_then(Node::text);
        cte.is_some_and(|cte| name.is_some_and(|name| name.eq_ignore_ascii_case(cte)))
    });
    let step = match (named, with_filter.as_slice()) {
        (Some(step), _) => step,
        (None, [only]) => only,
        _ => return None,
    };
    Some(step.get("where")?.text()?.trim().to_owned())
}

fn has_same_words(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}
