//! Input of a step with joins: the relations by name, and their shared columns.

use formulac_syntax::diag::lists::join_names;
use rustc_hash::{FxHashMap, FxHashSet};

use super::compile::SpecCompilation;
use super::formulas::FormulaFragment;
use super::joins::{JoinCriterion, JoinedRelation};
use super::load::{SpannedText, Step, StepInputs};
use super::sources::JoinTarget;
use crate::check::{MergedColumn, describe_columns, explain_removed_column};
use crate::diag::{Code, Diagnostic, suggest};
use crate::plan::{JoinInput, JoinedInput, StepInput};
use crate::schema::{Column, Relation};
use crate::span::Span;
use crate::sql::JoinKind;

/// Properties of a step's output on which later steps depend.
#[derive(Debug)]
pub(super) struct StepOutputProperties {
    /// Columns of the step. `None` if the step has undeclared columns.
    pub relation: Option<Relation>,
    pub grain: Vec<String>,
    /// Whether the step has at most one row.
    pub single: bool,
}

/// Joined input of a step, with the data that formulas and tests need.
#[derive(Debug)]
pub(super) struct JoinedStepInput<'y> {
    pub input: JoinedInput,
    pub merged_columns: Vec<MergedColumn>,
    /// Join conditions that are derived from `using`, each with the index of its join.
    pub using: Vec<(u32, Vec<FormulaFragment<'y>>)>,
    /// Key of each joined relation. Empty if the key is unknown.
    pub keys: Vec<Vec<String>>,
    /// Whether each joined relation has at most one row.
    pub single: Vec<bool>,
    /// For each name in `using`, the relations whose column with this name is not merged.
    pub relations_by_column: FxHashMap<String, Vec<usize>>,
}

impl SpecCompilation<'_> {
    /// Reports invalid joins and duplicate relation names. Returns whether there are no errors.
    pub(super) fn check_joins(&self, diagnostics: &mut Vec<Diagnostic>) -> bool {
        let before = diagnostics.len();
        for (index, step) in self.spec.steps.iter().enumerate() {
            let input_name = match self.spec.step_input(index) {
                StepInputs::Relation(from) => from.name(),
                StepInputs::Step(step_index) => self
                    .spec
                    .steps
                    .get(step_index)
                    .and_then(|step| step.name)
                    .map_or("", |n| n.text),
                StepInputs::Union(_) => "",
            };
            let mut names: FxHashMap<String, Option<Span>> = FxHashMap::default();
            names.insert(input_name.to_ascii_lowercase(), None);
            for joined in &step.joins {
                let name = joined.name();
                let span = joined.name_span();
                if let Some(first) = names.insert(name.to_ascii_lowercase(), Some(span)) {
                    let diagnostic = Diagnostic::new(
                        Code::DuplicateRelation,
                        span,
                        format!("two relations in the step are named `{name}`"),
                    );
                    let diagnostic = match first {
                        Some(first) => diagnostic.with_secondary_label(first, "the first"),
                        None => diagnostic.with_label("the step already reads a relation with this name"),
                    };
                    diagnostics.push(diagnostic.with_help(format!(
                        "give one of the relations another name, such as `as: other_{name}`"
                    )));
                }
                let table = joined.to.name();
                match self.sources.resolve_join_target(self.spec, index, &joined.to) {
                    JoinTarget::Step(_) => {}
                    JoinTarget::Later => diagnostics.push(
                        Diagnostic::new(
                            Code::UnknownRelation,
                            joined.to_text.node.span,
                            format!("this join reads step `{table}`, which is not an earlier step"),
                        )
                        .with_help("move that step before this one, because a step can read only earlier steps"),
                    ),
                    JoinTarget::Source(_) if !self.is_missing_relation(&joined.to) => {}
                    JoinTarget::Source(_) => {
                        let steps = self
                            .spec
                            .steps
                            .iter()
                            .take(index)
                            .filter_map(|s| s.name)
                            .map(|n| n.text);
                        let (span, but) = (joined.to_text.node.span, ", and no earlier step has this name");
                        diagnostics.push(self.missing_relation_diagnostic("to", &joined.to, span, but, steps));
                    }
                }
            }
        }
        diagnostics.len() == before
    }

    /// Returns the input of a step with joins, and reports errors in `using`.
    pub(super) fn join_inputs<'y>(
        &self,
        step: &Step<'y>,
        position: usize,
        input: &StepInput<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> JoinedStepInput<'y> {
        let with_name = |relation: Option<&Relation>, name: &str| match relation {
            Some(relation) => relation.clone().with_name(name.to_owned()),
            None => Relation::unknown(name),
        };
        let mut joined = JoinedStepInput {
            input: JoinedInput::from_first_relation(with_name(input.relation, input.name)),
            merged_columns: Vec::new(),
            using: Vec::new(),
            keys: Vec::new(),
            single: Vec::new(),
            relations_by_column: step
                .joins
                .iter()
                .flat_map(using_names)
                .map(|name| (name.text.to_ascii_lowercase(), Vec::new()))
                .collect(),
        };
        joined.record_using_columns(0);
        for (index, join) in step.joins.iter().enumerate() {
            let name = join.name();
            let target = self.join_target_properties(position, &join.to);
            let mut relation = with_name(target.relation, name);
            if matches!(join.kind, JoinKind::Left | JoinKind::Full) {
                relation.make_all_nullable();
            }
            if join.kind == JoinKind::Full {
                joined.input.relations.iter_mut().for_each(Relation::make_all_nullable);
            }
            joined.input.push(
                relation,
                JoinInput {
                    kind: join.kind,
                    source: target.source,
                    renamed: target.name != name,
                },
            );
            joined.record_using_columns(index + 1);
            joined.keys.push(target.key);
            joined.single.push(target.single);
            if let JoinCriterion::Using(names) = &join.criterion {
                let condition_parts = joined.merge_using(join, names, diagnostics);
                if !condition_parts.is_empty() {
                    joined.using.push((index as u32, condition_parts));
                }
            }
        }
        joined
    }
}

/// Returns the names in a join's `using`.
fn using_names<'j, 'y>(join: &'j JoinedRelation<'y>) -> &'j [SpannedText<'y>] {
    match &join.criterion {
        JoinCriterion::Using(names) => names,
        _ => &[],
    }
}

impl<'y> JoinedStepInput<'y> {
    /// Records the `using` columns that the relation at this index has.
    fn record_using_columns(&mut self, index: usize) {
        if self.relations_by_column.is_empty() {
            return;
        }
        let columns = self.input.relations.get(index).into_iter().flat_map(Relation::columns);
        for column in columns {
            if let Some(owners) = self.relations_by_column.get_mut(&column.name().to_ascii_lowercase()) {
                owners.push(index);
            }
        }
    }

    /// Returns the condition that is derived from `using`, and merges the columns.
    fn merge_using(
        &mut self,
        join: &JoinedRelation<'y>,
        names: &[SpannedText<'y>],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<FormulaFragment<'y>> {
        let mut condition_parts: Vec<FormulaFragment<'y>> = Vec::new();
        let join_index = self.input.relations.len() - 1;
        let text_of = |relation: &Relation, name: &str| format!("${{{}.{name}}}", relation.name());
        for name in names {
            let Some(left) = self.relations_with_using_column(join_index, *name, join, diagnostics) else {
                continue;
            };
            let relations = &self.input.relations;
            let Some(right) = relations.get(join_index) else {
                continue;
            };
            if right.position(name.text).is_none() && !right.may_have_unlisted_columns() {
                diagnostics.push(self.missing_using_column_error(
                    right.name(),
                    *name,
                    std::slice::from_ref(right),
                    join_index,
                ));
                continue;
            }
            let sides: Vec<String> = left
                .iter()
                .filter_map(|index| Some(text_of(relations.get(*index)?, name.text)))
                .collect();
            let sides = match sides.as_slice() {
                [side] => side.clone(),
                several => format!("COALESCE({})", several.join(", ")),
            };
            let begin = if condition_parts.is_empty() { "" } else { ", " };
            condition_parts.push((format!("{begin}{sides} = {}", text_of(right, name.text)), *name));
            let full = join.kind == JoinKind::Full;
            if let Some(owners) = self.relations_by_column.get_mut(&name.text.to_ascii_lowercase()) {
                owners.retain(|owner| *owner != join_index && !left.contains(owner));
            }
            match self
                .merged_columns
                .iter_mut()
                .find(|m| m.name.eq_ignore_ascii_case(name.text))
            {
                Some(merged) => {
                    merged.relations.push(join_index);
                    merged.full |= full;
                }
                None => {
                    let mut relations = left;
                    relations.push(join_index);
                    self.merged_columns.push(MergedColumn {
                        name: name.text.to_owned(),
                        relations,
                        full,
                    });
                }
            }
        }
        if let (2.., Some(first), Some(last)) = (condition_parts.len(), names.first(), names.last()) {
            condition_parts.insert(0, ("AND(".to_owned(), *first));
            condition_parts.push((")".to_owned(), *last));
        }
        condition_parts
    }

    /// Builds the error for a `using` column that is missing on one side of the join at the index `join_index`. The
    /// help names the columns that both sides have.
    fn missing_using_column_error(
        &self,
        owner_names: &str,
        name: SpannedText<'_>,
        searched_relations: &[Relation],
        join_index: usize,
    ) -> Diagnostic {
        missing_column_error_with_help(owner_names, name, searched_relations, || {
            let (before, right) = self.input.relations.split_at(join_index);
            // In `using: customer_id`, the column probably exists on the left side only and refers to the right side's
            // key.
            let is_foreign_key = name.text.ends_with("_id") && before.iter().any(|r| r.position(name.text).is_some());
            if let Some(right) = right
                .first()
                .filter(|right| is_foreign_key && right.position("id").is_some())
            {
                return format!("write `on: {} = {}.id` instead of `using`", name.text, right.name());
            }
            let right = right.first().map(Relation::columns).unwrap_or_default();
            let is_shared = |name: &&str| before.iter().any(|relation| relation.position(*name).is_some());
            let shared: Vec<&str> = right.iter().map(Column::name).filter(is_shared).take(8).collect();
            match shared.as_slice() {
                [] => "the relations have no column in common, so write a condition with `on` instead of `using`"
                    .to_owned(),
                names => format!("both sides of the join have {}", join_names(names, "and")),
            }
        })
    }

    /// Returns the earlier relations that contain a `using` column. There are several such relations if a full join
    /// merged the column.
    fn relations_with_using_column(
        &self,
        join_index: usize,
        name: SpannedText<'_>,
        join: &JoinedRelation<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Vec<usize>> {
        let before = self.input.relations.get(..join_index).unwrap_or_default();
        let merged = self
            .merged_columns
            .iter()
            .find(|m| m.name.eq_ignore_ascii_case(name.text));
        let owners = self.relations_by_column.get(&name.text.to_ascii_lowercase());
        let others: Vec<usize> = owners
            .into_iter()
            .flatten()
            .copied()
            .filter(|index| *index < join_index)
            .collect();
        let several = match (merged, others.as_slice()) {
            (Some(merged), []) if merged.full => return Some(merged.relations.clone()),
            (Some(merged), []) => return Some(merged.relations.iter().copied().take(1).collect()),
            (None, [single_owner]) => return Some(vec![*single_owner]),
            (None, []) => {
                let open: Vec<usize> = (0..join_index)
                    .filter(|index| before.get(*index).is_some_and(Relation::may_have_unlisted_columns))
                    .collect();
                match open.as_slice() {
                    [] => {
                        let owner_names = before.iter().map(Relation::name).collect::<Vec<_>>().join("`, `");
                        diagnostics.push(self.missing_using_column_error(&owner_names, name, before, join_index));
                        return None;
                    }
                    [relation_index] => return Some(vec![*relation_index]),
                    _ => open,
                }
            }
            (Some(merged), _) => merged
                .relations
                .iter()
                .copied()
                .take(1)
                .chain(others.iter().copied())
                .collect(),
            (None, _) => others,
        };
        let owners: Vec<&str> = several
            .iter()
            .filter_map(|index| before.get(*index))
            .map(Relation::name)
            .collect();
        let mut seen = FxHashSet::default();
        let owner_list = join_names(owners.iter().filter(|owner| seen.insert(**owner)), "or");
        let (text, join_name) = (name.text, join.name());
        let example = owners
            .first()
            .map_or_else(String::new, |o| format!("{o}.{text} = {join_name}.{text}"));
        diagnostics.push(
            Diagnostic::new(
                Code::AmbiguousName,
                name_span(name),
                format!("`{text}` is ambiguous: it may be a column of {owner_list}"),
            )
            .with_help(format!(
                "specify the column with `on` instead of `using`, for example `on: {example}`"
            )),
        );
        None
    }
}

/// Builds the error for a column that the relations do not have. `owner_names` contains the names of the relations for
/// the message.
pub(super) fn missing_column_error(
    owner_names: &str,
    name: SpannedText<'_>,
    searched_relations: &[Relation],
) -> Diagnostic {
    let columns = || searched_relations.first().map(describe_columns);
    missing_column_error_with_help(owner_names, name, searched_relations, || {
        columns().unwrap_or_else(|| "correct the name".to_owned())
    })
}

/// Like [`missing_column_error`], but with different help for a name that is not similar to any column.
fn missing_column_error_with_help(
    owner_names: &str,
    name: SpannedText<'_>,
    searched_relations: &[Relation],
    help: impl FnOnce() -> String,
) -> Diagnostic {
    let text = name.text;
    let verb = if owner_names.contains('`') { "have" } else { "has" };
    let diagnostic = Diagnostic::new(
        Code::UnknownName,
        name_span(name),
        format!("`{owner_names}` {verb} no column `{text}`"),
    );
    if let Some(relation) = searched_relations.iter().find(|relation| relation.is_past_column(text)) {
        return explain_removed_column(diagnostic, relation);
    }
    let columns = searched_relations
        .iter()
        .flat_map(Relation::columns)
        .map(Column::name)
        .take(1000);
    diagnostic.with_help(suggest::similar_name_help_or(text, columns, help))
}

/// Returns the file span of a single name, because the node's text may contain several names.
pub(super) fn name_span(name: SpannedText<'_>) -> Span {
    match name.offset_in_node() {
        Some(within) => {
            let start = name.node.span.start + u32::from(name.node.is_quoted()) + within as u32;
            Span::new(start, start + name.text.len() as u32)
        }
        None => name.node.span,
    }
}
