//! Keys that make a step a worksheet.

use super::{ColumnProjection, SpannedText, SpecLoader, Step};
use crate::dbt::RelationReference;
use crate::diag::{Code, Diagnostic};
use crate::span::Span;
use crate::yaml::Node;

/// Keys of a worksheet.
#[derive(Clone, Debug)]
pub struct SheetKeys<'y> {
    /// Columns of the sheet. `None` for the columns of the previous step.
    pub columns: Option<Vec<SpannedText<'y>>>,
    /// Row for which the sheet's formulas are written.
    pub row: i64,
    pub tabs: Vec<TabKeys<'y>>,
    pub pivot: Option<PivotKeys<'y>>,
}

/// Pivot of a worksheet.
#[derive(Clone, Debug)]
pub struct PivotKeys<'y> {
    /// Columns whose values become the columns of the pivot.
    pub columns: Vec<SpannedText<'y>>,
    /// Values for which the wide form has columns. `None` for the long form.
    pub values: Option<Vec<SpannedText<'y>>>,
    pub values_span: Span,
}

/// Tab of a worksheet: the name that formulas use for another model.
#[derive(Clone, Debug)]
pub struct TabKeys<'y> {
    pub name: &'y str,
    pub model: RelationReference,
    pub model_text: SpannedText<'y>,
    pub columns: Option<Vec<SpannedText<'y>>>,
    pub order_by: Vec<SpannedText<'y>>,
}

/// Keys that make a step a worksheet. Each of these keys is sufficient alone, except that the value of `columns` must
/// be a list.
pub const WORKSHEET_KEYS: [&str; 6] = ["calculations", "columns", "row", "tabs", "pivot_by", "values"];

/// Keys that are not allowed in a worksheet, each with advice for the error message.
pub const FORBIDDEN_WORKSHEET_KEYS: [(&str, &str); 5] = [
    (
        "definitions",
        "move the definitions to `calculations`, or to a separate step before this one",
    ),
    (
        "group_by",
        "group in a separate step before this one, so that the groups are the rows of the sheet",
    ),
    ("having", "move the condition to the step that groups the rows"),
    ("keep", "list the columns in `columns` instead"),
    ("joins", "join in a separate step before this one"),
];

impl<'y> SpecLoader<'y, '_> {
    /// Adds the worksheet keys to the step, if it has any.
    pub(super) fn read_sheet(&mut self, node: &'y Node, step: &mut Step<'y>) {
        let has = |key: &str| {
            node.get(key)
                .is_some_and(|value| !value.is_null() && (key != "columns" || value.pairs().is_none()))
        };
        let Some(first) = WORKSHEET_KEYS.iter().find(|key| has(key)) else {
            return;
        };
        let span = self.key_span(node, first);
        for (key, instead) in FORBIDDEN_WORKSHEET_KEYS {
            if node.get(key).is_some_and(|value| !value.is_null()) {
                let key_position = self.key_span(node, key);
                self.report(
                    Diagnostic::new(
                        Code::WrongShape,
                        key_position,
                        format!("`{key}` is not allowed in a worksheet"),
                    )
                    .with_secondary_label(span, "makes the step a worksheet")
                    .with_help(instead),
                );
                step.has_invalid_keys = true;
            }
        }
        // Remove keys that are not allowed, so that they do not cause further errors.
        step.group_by.clear();
        step.having = None;
        if let Some(calculations) = node.get("calculations") {
            self.read_definitions(calculations, step);
        }
        let columns = if has("columns") {
            self.list(node, "columns")
        } else {
            None
        };
        step.keep = match &columns {
            None => ColumnProjection::All,
            Some(columns) => {
                let (timeframes, names) = columns.iter().partition(|column| column.is_timeframe());
                step.timeframes = timeframes;
                ColumnProjection::Columns(names)
            }
        };
        step.keep_span = node.get("columns").map_or(span, |columns| columns.span);
        let row = node.text_at("row").and_then(|text| text.parse().ok()).unwrap_or(1);
        if row < 1
            && let Some(row) = node.get("row")
        {
            self.report(
                Diagnostic::new(Code::WrongShape, row.span, "rows of a sheet are numbered from 1")
                    .with_help("write `row: 1`, or remove `row`"),
            );
        }
        let tabs = self.read_tabs(node);
        let pivot = self.read_pivot(node, step);
        step.sheet = Some(SheetKeys {
            columns,
            row,
            tabs,
            pivot,
        });
    }

    fn read_pivot(&mut self, node: &'y Node, step: &mut Step<'y>) -> Option<PivotKeys<'y>> {
        let column_list = self
            .list(node, "pivot_by")
            .filter(|pivot_columns| !pivot_columns.is_empty());
        let values_node = node.get("values");
        let Some(pivot_columns) = column_list else {
            if values_node.is_some() {
                let span = self.key_span(node, "values");
                self.report(
                    Diagnostic::new(
                        Code::WrongShape,
                        span,
                        "`values` lists the values of a pivot, but the step has no `pivot_by`",
                    )
                    .with_help("add the column that contains the values, for example `pivot_by: channel`"),
                );
                step.has_invalid_keys = true;
            }
            return None;
        };
        if step.partition_by.is_some() {
            let span = self.key_span(node, "partition_by");
            self.report(
                Diagnostic::new(
                    Code::WrongShape,
                    span,
                    "`partition_by` is not allowed in a pivoted worksheet",
                )
                .with_secondary_label(
                    self.key_span(node, "pivot_by"),
                    "each column of the pivot is already a separate partition",
                )
                .with_help("remove `partition_by`"),
            );
            step.has_invalid_keys = true;
        }
        // In a pivoted sheet, windows read only rows of the same pivot column, so the rows are partitioned by the
        // pivot's columns.
        step.partition_by = Some(pivot_columns.clone());
        // An item that is not a string has already been reported.
        let has_other_items = |items: &[Node]| items.iter().any(|item| item.text().is_none());
        step.has_invalid_keys |= values_node.and_then(Node::items).is_some_and(has_other_items);
        let values = values_node.and_then(|values| match (values.items(), values.text()) {
            (Some(items), _) => Some(
                items
                    .iter()
                    .filter_map(|node| {
                        Some(SpannedText {
                            text: node.text()?,
                            node,
                        })
                    })
                    .collect(),
            ),
            (None, Some(_)) => self.list(node, "values"),
            (None, None) => None,
        });
        Some(PivotKeys {
            columns: pivot_columns,
            values,
            values_span: values_node.map_or(node.span, |values| values.span),
        })
    }

    fn read_tabs(&mut self, node: &'y Node) -> Vec<TabKeys<'y>> {
        let pairs = node.pairs_at("tabs");
        let mut tabs: Vec<TabKeys<'y>> = Vec::new();
        for (key, value) in pairs {
            let (Some(name), Some(model_text)) = (key.text(), self.text(value, "model")) else {
                continue;
            };
            let Some(model) = self.parse_relation("model", model_text) else {
                continue;
            };
            if tabs.iter().any(|tab| tab.name.eq_ignore_ascii_case(name)) {
                self.report(
                    Diagnostic::new(
                        Code::DuplicateDefinition,
                        key.span,
                        format!("two tabs are named `{name}`"),
                    )
                    .with_help("rename one of the tabs; names that differ only in case are treated as the same name"),
                );
                continue;
            }
            let mut order_by = self.list(value, "order_by").unwrap_or_default();
            order_by.iter_mut().for_each(|entry| self.check_sort_entry(entry));
            tabs.push(TabKeys {
                name,
                model,
                model_text,
                columns: self.list(value, "columns"),
                order_by,
            });
        }
        tabs
    }
}
