//! Columns of a joined input that a step keeps.

use formulac_syntax::diag::lists::join_names;
use rustc_hash::FxHashMap;

use super::join_scope::{JoinedStepInput, missing_column_error, name_span};
use super::load::{ColumnProjection, SpannedText, Step};
use crate::check;
use crate::diag::{Code, Diagnostic};
use crate::plan::InputColumn;
use crate::schema::{Column, Relation};
use crate::span::Span;

impl JoinedStepInput<'_> {
    /// Returns the columns in `keep`. `None` if the step keeps all columns of a relation whose columns no schema lists.
    pub(super) fn projected_columns(
        &self,
        step: &Step<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Vec<InputColumn>> {
        let relations = &self.input.relations;
        let first = relations.first()?;
        match &step.keep {
            ColumnProjection::Nothing => Some(Vec::new()),
            ColumnProjection::All if first.may_have_unlisted_columns() => None,
            ColumnProjection::All => Some(
                first
                    .without_struct_fields()
                    .columns()
                    .iter()
                    .map(|column| self.resolve_input_column(0, column.name()))
                    .collect(),
            ),
            ColumnProjection::Columns(names) => {
                let mut input_columns: Vec<InputColumn> = Vec::new();
                let mut seen: FxHashMap<String, Span> = FxHashMap::default();
                for name in names {
                    let Some(column) = self.projected_column(*name, diagnostics) else {
                        continue;
                    };
                    if let Some(first) = seen.insert(column.name.to_ascii_lowercase(), name_span(*name)) {
                        let message = format!("two columns in `keep` are named `{}`", column.name);
                        let other = column.name.clone();
                        diagnostics.push(
                            Diagnostic::new(Code::DuplicateDefinition, name_span(*name), message)
                                .with_secondary_label(first, "the first")
                                .with_help(format!(
                                    "define one of the columns under another name, as in `other_{other} = {}`",
                                    name.text
                                )),
                        );
                        continue;
                    }
                    input_columns.push(column);
                }
                Some(input_columns)
            }
        }
    }

    /// Returns the column of a relation, or the merged column if a full join merges it.
    fn resolve_input_column(&self, index: usize, name: &str) -> InputColumn {
        let merged = self
            .merged_columns
            .iter()
            .find(|m| m.name.eq_ignore_ascii_case(name) && m.relations.binary_search(&index).is_ok());
        let relations = merged
            .filter(|m| m.full)
            .map_or_else(|| vec![index], |m| m.relations.clone());
        InputColumn {
            relations,
            name: name.to_owned(),
        }
    }

    fn projected_column(&self, name: SpannedText<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<InputColumn> {
        let relations = &self.input.relations;
        let inner = name
            .text
            .strip_prefix("${")
            .and_then(|t| t.strip_suffix('}'))
            .unwrap_or(name.text)
            .trim();
        let place_of = |view: &str| {
            relations
                .iter()
                .position(|r| r.name().eq_ignore_ascii_case(view.trim()))
        };
        if let Some((index, field)) = inner
            .split_once('.')
            .and_then(|(view, field)| Some((place_of(view)?, field.trim())))
        {
            let relation = relations.get(index)?;
            if relation.position(field).is_none() && !relation.is_open() {
                let help = || "correct the name".to_owned();
                diagnostics.push(check::missing_column_diagnostic(
                    relation,
                    field,
                    name_span(SpannedText { text: field, ..name }),
                    help,
                ));
                if !relation.is_marked_incomplete() {
                    return None;
                }
            }
            let column_name = relation.column(field).map_or(field, Column::name);
            return Some(InputColumn {
                relations: vec![index],
                name: column_name.to_owned(),
            });
        }
        let has = |index: &usize| relations.get(*index).is_some_and(|r| r.position(inner).is_some());
        // A name in `keep` refers to a column of the previous step or, if the previous step has no such column, of
        // another relation.
        if has(&0) {
            return Some(self.resolve_input_column(0, inner));
        }
        let owners: Vec<usize> = (0..relations.len()).filter(has).collect();
        let merged = self.merged_columns.iter().find(|m| m.name.eq_ignore_ascii_case(inner));
        let open = relations.iter().position(Relation::may_have_unlisted_columns);
        match (owners.as_slice(), merged, open) {
            (_, Some(merged), _) if owners.iter().all(|o| merged.relations.contains(o)) => {
                Some(self.resolve_input_column(*merged.relations.first()?, inner))
            }
            ([owner], ..) => Some(InputColumn {
                relations: vec![*owner],
                name: inner.to_owned(),
            }),
            ([], None, Some(open)) => {
                let relation = relations.get(open).filter(|relation| relation.is_marked_incomplete());
                let help = || "correct the name".to_owned();
                diagnostics.extend(
                    relation.map(|relation| check::missing_column_diagnostic(relation, inner, name_span(name), help)),
                );
                Some(InputColumn {
                    relations: vec![open],
                    name: inner.to_owned(),
                })
            }
            ([], ..) => {
                let whose = relations.iter().map(Relation::name).collect::<Vec<_>>().join("`, `");
                diagnostics.push(missing_column_error(
                    &whose,
                    SpannedText { text: inner, ..name },
                    relations,
                ));
                None
            }
            (several, ..) => {
                let owners: Vec<&str> = several
                    .iter()
                    .filter_map(|o| relations.get(*o))
                    .map(Relation::name)
                    .collect();
                let owner_list = join_names(&owners, "and");
                let first = owners.first().copied().unwrap_or_default();
                diagnostics.push(
                    Diagnostic::new(
                        Code::AmbiguousName,
                        name_span(name),
                        format!("`{inner}` is ambiguous: {owner_list} have a column with this name"),
                    )
                    .with_help(format!("specify the relation, for example `{first}.{inner}`")),
                );
                None
            }
        }
    }
}
