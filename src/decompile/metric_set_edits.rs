//! Edits to clauses that metric sets define: joins and windows that compute a metric, `group by` items, and the
//! conditions and relations of the metric sets.

use std::ops::Range;

use super::columns::{ColumnExpression, ColumnResolver};
use super::file::{FilePartPosition, SqlFile};
use super::filter_edits::FilterEdit;
use super::formula::Decompiler;
use super::from_clause::{FromClauseRelation, from_clause_relations};
use super::metric_edits::{EditedModel, MetricEdit};
use super::restore::{GroupByItem, Hunk, diff_file_part};
use super::spec_edit::EditableSpec;
use super::substitute::Substitution;
use super::tree::{SqlNodeId, SqlTrees};
use crate::dbt::RelationReference;
use crate::model::MetricSetRelation;
use crate::model::shared_definitions::relation_identity;

/// Edit to a part of a model's SQL that a metric set defines.
#[derive(Debug)]
pub struct MetricSetEdit<'m> {
    /// Origin of the part.
    pub owner: EditedMetricSetPart<'m>,
    /// Replacements in the edited SQL that restore the SQL of the metric set.
    pub restorations: Vec<Substitution>,
}

/// Part of a metric set that was edited in a model's SQL.
#[derive(Debug)]
pub enum EditedMetricSetPart<'m> {
    /// A metric or dimension.
    Definition(Box<MetricEdit<'m>>),
    /// The condition of the metric set.
    Filter(FilterEdit<'m>),
    /// The relation of the metric set, or a relation that the metric set joins.
    Relation(MetricSetRelation<'m>),
}

/// Expression of a definition in a file, with the expression's position and the tokens that compute it.
struct DefinitionInFile {
    expression: Result<SqlNodeId, String>,
    column_expression: Option<ColumnExpression>,
    tokens: Vec<Range<usize>>,
}

impl EditedModel<'_> {
    /// Returns the edit to a clause, or the removal of a helper column, if a metric set defines the edited part.
    #[must_use]
    pub fn metric_set_edit(&self, decompiler: &Decompiler, position: &FilePartPosition) -> Option<MetricSetEdit<'_>> {
        let dialect = self.compiler.options.dialect;
        let (generated_file, file) = (
            SqlFile::read(&self.generated_sql, dialect),
            SqlFile::read(self.edited_sql, dialect),
        );
        let files = (&generated_file, &file);
        let hunks = diff_file_part(position, &generated_file, &file);
        let owned = self.filter_edit(position, &hunks, files);
        let owned = owned.map(|(edit, hunks)| (EditedMetricSetPart::Filter(edit), hunks));
        let owned = owned.or_else(|| {
            let (edit, hunks) = self.definition_edit(decompiler, position, &hunks, files)?;
            Some((EditedMetricSetPart::Definition(edit), hunks))
        });
        let owned = owned.or_else(|| {
            let (relation, hunks) = self.relation_edit(position, &hunks, files)?;
            Some((EditedMetricSetPart::Relation(relation), hunks))
        });
        let (owner, hunks) = owned?;
        let restored = hunks.iter().map(|hunk| hunk.restore(&generated_file, &file)).collect();
        Some(MetricSetEdit {
            owner,
            restorations: restored,
        })
    }

    /// Finds the first definition that is in a metric set and that the edited pieces change.
    fn definition_edit(
        &self,
        decompiler: &Decompiler,
        position: &FilePartPosition,
        hunks: &[Hunk],
        (generated_file, file): (&SqlFile<'_>, &SqlFile<'_>),
    ) -> Option<(Box<MetricEdit<'_>>, Vec<Hunk>)> {
        let editable_spec = EditableSpec::parse_expanded(self.expanded_model.text()).ok()?;
        let mut trees = SqlTrees::default();
        for (step, outline) in editable_spec.outline.steps.iter().enumerate() {
            for placed in &outline.definitions {
                let Some(definition) = self.expanded_model.metric_set_formula(placed.formula_span) else {
                    continue;
                };
                let name = placed.name.as_str();
                let mut generated_parts =
                    editable_spec.find_definition_in_file(generated_file, (step, name), &mut trees);
                let edited = editable_spec.find_definition_in_file(file, (step, name), &mut trees);
                let expressions = generated_parts
                    .column_expression
                    .as_ref()
                    .zip(edited.column_expression.as_ref());
                let item = expressions.and_then(|(generated_expression, edited)| {
                    GroupByItem::find((generated_file, generated_expression), (file, edited), name)
                });
                let is_edited = item.as_ref().is_some_and(GroupByItem::is_edited);
                let is_same = generated_parts.expression == edited.expression && !is_edited;
                // The removal of a column does not count as an edit to its formula.
                if generated_parts.expression.is_err() || edited.column_expression.is_none() || is_same {
                    continue;
                }
                let item = item.filter(|_| position.clause() == Some("group by"));
                let in_both_files = item.as_ref().and_then(|item| Some((item, item.edited_tokens()?)));
                let hunks: Vec<Hunk> = match in_both_files {
                    // Other items may have been added next to the item.
                    Some((item, edited_item)) => {
                        let Some(tokens) = generated_file.part_tokens(position).zip(file.part_tokens(position)) else {
                            continue;
                        };
                        let is_within =
                            |item: &Range<usize>, part: &Range<usize>| part.start <= item.start && item.end <= part.end;
                        if is_within(&item.generated, &tokens.0) && is_within(edited_item, &tokens.1) {
                            item.hunks(generated_file, file)
                        } else {
                            Vec::new()
                        }
                    }
                    None => {
                        generated_parts.tokens.extend(item.map(|item| item.generated));
                        let of_definition =
                            |hunk: &&Hunk| hunk.is_hunk_in_ranges(&generated_parts.tokens, &edited.tokens);
                        hunks.iter().filter(of_definition).cloned().collect()
                    }
                };
                if !hunks.is_empty() {
                    let cte_column = (editable_spec.step_cte(step).map(str::to_owned), placed.name.clone());
                    let formula = self.formula_of_edit(decompiler, &editable_spec, (step, placed));
                    return Some((self.metric_edit(definition, placed, cte_column, formula), hunks));
                }
            }
        }
        None
    }

    /// Finds the relation that a metric set reads and that the edited pieces of a `from` clause change.
    fn relation_edit(
        &self,
        position: &FilePartPosition,
        hunks: &[Hunk],
        (generated_file, file): (&SqlFile<'_>, &SqlFile<'_>),
    ) -> Option<(MetricSetRelation<'_>, Vec<Hunk>)> {
        let tokens = generated_file
            .part_tokens(position)
            .filter(|_| position.clause() == Some("from"))?;
        let now = file.part_tokens(position)?;
        let (reads, reads_now) = (
            from_clause_relations(generated_file, tokens.clone()),
            from_clause_relations(file, now.clone()),
        );
        let mut relations = self.expanded_model.relations().into_iter();
        relations.find_map(|relation| {
            // A CTE that reads a dbt relation does not read other relations.
            let call = generated_file.text(&tokens).trim_matches(['{', '}', ' ']);
            let identity = |text: &str| Some(relation_identity(&RelationReference::read(text)?));
            let is_read = identity(call).is_some_and(|call| identity(relation.relation()) == Some(call));
            let of_relation = |reads: &[FromClauseRelation]| {
                let mut reads = reads.iter();
                let clause_relation =
                    reads.find(|from_relation| from_relation.alias.eq_ignore_ascii_case(relation.name()))?;
                Some(clause_relation.tokens.clone())
            };
            let (own_tokens, edited) = match is_read {
                true => (tokens.clone(), Some(now.clone())),
                false => (of_relation(&reads)?, of_relation(&reads_now)),
            };
            let is_own = |hunk: &&Hunk| hunk.is_hunk_in_ranges(std::slice::from_ref(&own_tokens), edited.as_slice());
            let hunks: Vec<Hunk> = hunks.iter().filter(is_own).cloned().collect();
            (!hunks.is_empty()).then_some((relation, hunks))
        })
    }
}

impl EditableSpec<'_> {
    fn find_definition_in_file(
        &self,
        file: &SqlFile<'_>,
        (step, name): (usize, &str),
        trees: &mut SqlTrees,
    ) -> DefinitionInFile {
        let cte = self.step_cte(step);
        let mut columns: ColumnResolver<'_, '_> = self.column_resolver(file, step, name);
        let column_expression = self.find_column_expression(&columns, file, cte, name);
        let expression = self.resolve_definition(&mut columns, file, cte, (step, name), trees);
        let mut tokens = std::mem::take(&mut columns.visited);
        if let Some(column_expression) = &column_expression {
            tokens.extend(columns.visited_row_tokens(column_expression.cte.as_deref()));
        }
        DefinitionInFile {
            expression,
            column_expression,
            tokens,
        }
    }
}
