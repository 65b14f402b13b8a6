//! Tabs of a worksheet: other models in which the worksheet's lookups find rows.

use super::compile::SpecCompilation;
use super::load::{Step, TabKeys};
use super::sources::JoinTarget;
use crate::Type;
use crate::check::{Tab, missing_column_diagnostic};
use crate::compiler::split_sort_key;
use crate::diag::{Code, Diagnostic};
use crate::plan::{TabSource, key_name};
use crate::schema::{Column, Relation};

impl SpecCompilation<'_> {
    /// Returns the tabs of the step at this index, and reports errors in them.
    pub(super) fn read_tabs(&self, step: &Step<'_>, index: usize, diagnostics: &mut Vec<Diagnostic>) -> Vec<TabSource> {
        let Some(keys) = &step.sheet else { return Vec::new() };
        keys.tabs
            .iter()
            .map(|tab| self.read_tab(tab, index, diagnostics))
            .collect()
    }

    fn read_tab(&self, keys: &TabKeys<'_>, index: usize, diagnostics: &mut Vec<Diagnostic>) -> TabSource {
        let model = keys.model.name();
        let facts = self.join_target_properties(index, &keys.model);
        match facts.target {
            JoinTarget::Step(_) => {}
            JoinTarget::Source(_) => {
                if self.is_missing_relation(&keys.model) {
                    let span = keys.model_text.node.span;
                    diagnostics.push(self.missing_relation_diagnostic(
                        "model",
                        &keys.model,
                        span,
                        "",
                        std::iter::empty(),
                    ));
                }
            }
            JoinTarget::Later => {
                let message = format!("this tab reads step `{model}`, which is not an earlier step");
                diagnostics.push(
                    Diagnostic::new(Code::UnknownRelation, keys.model_text.node.span, message)
                        .with_help("move that step before this one, because a step can read only earlier steps"),
                );
            }
        }
        let relation = facts.relation;
        let columns = match (&keys.columns, relation) {
            (Some(columns), _) => columns
                .iter()
                .map(|column| find_tab_column(&key_name(column.text), column.span(self.source), relation, diagnostics))
                .collect(),
            (None, Some(relation)) => relation.columns().to_vec(),
            (None, None) => Vec::new(),
        };
        let mut order: Vec<(Column, bool)> = Vec::new();
        for entry in &keys.order_by {
            let (name, descending) = split_sort_key(entry.text);
            let name = key_name(name);
            order.push((
                find_tab_column(&name, entry.span(self.source), relation, diagnostics),
                descending,
            ));
        }
        // Also sort by the key columns, so that the order of ties is defined.
        for name in &facts.key {
            let is_sorted_by = order.iter().any(|(column, _)| column.name().eq_ignore_ascii_case(name));
            if let (false, Some(column)) = (is_sorted_by, relation.and_then(|r| r.column(name))) {
                order.push((column.clone(), false));
            }
        }
        TabSource {
            name: model.to_owned(),
            renamed: facts.name != model,
            source: facts.source,
            columns,
            order,
            ordered: !keys.order_by.is_empty(),
            key: facts.key,
        }
    }
}

/// Returns a column of a tab, as the schema describes it. Reports a missing column.
fn find_tab_column(
    name: &str,
    span: crate::span::Span,
    relation: Option<&Relation>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Column {
    let name = name.trim();
    let Some(relation) = relation else {
        return Column::new(name, Type::Unknown);
    };
    if let Some(column) = relation.column(name) {
        return column.clone();
    }
    diagnostics.push(missing_column_diagnostic(relation, name, span, || {
        "use a column of this relation".to_owned()
    }));
    Column::new(name, Type::Unknown)
}

/// Converts the tabs to the form in which formulas refer to them.
pub(super) fn to_formula_tabs(step: &Step<'_>, tabs: &[TabSource]) -> Vec<Tab> {
    let keys = step.sheet.iter().flat_map(|sheet| &sheet.tabs);
    let tab_list = keys.zip(tabs).map(|(keys, tab)| Tab {
        name: keys.name.to_owned(),
        columns: tab.columns.clone(),
        ordered: tab.ordered,
    });
    tab_list.collect()
}
