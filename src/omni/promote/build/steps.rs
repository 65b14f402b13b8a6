//! Columns, filters, definitions, order and calculations of the spec.

use rustc_hash::FxHashSet;

use super::super::calculations::{CalculationSheet, reference_name};
use super::super::calendar::timeframe_caveat;
use super::super::display::yaml_line;
use super::super::fields::FieldKey;
use super::super::names::to_snake_case;
use super::super::spec_text::{NamedFormula, SpecColumnMetadata, SpecStep};
use super::super::{PromotedField, PromotionIssue};
use super::{BuiltColumn, SpecBuilder, SpecOutput, field_key};
use crate::schema::OmniReference;
use crate::yaml::Node;

impl SpecBuilder<'_, '_> {
    pub(super) fn write_sql_condition(
        &mut self,
        step: &mut SpecStep,
        sql: &str,
        node: &Node,
        file: usize,
        of_groups: bool,
    ) {
        match self.fields.convert_sql(&self.fields.base_name, None, sql) {
            Ok(converted) => {
                for doubt in converted.caveats {
                    let gap = self.new_issue(file, node, "condition", yaml_line(node), doubt, true);
                    step.gaps.push(gap.comment());
                    self.gaps.push(gap);
                }
                let conditions = if of_groups { &mut step.havings } else { &mut step.wheres };
                conditions.push(converted.term.text);
            }
            Err(reason) => {
                let gap = self.new_issue(file, node, "condition", yaml_line(node), reason, false);
                step.gaps.push(gap.comment());
                self.gaps.push(gap);
            }
        }
    }

    /// Sets the group keys, and returns the output columns in the requested order.
    pub(super) fn write_outputs(&mut self, step: &mut SpecStep) -> Vec<BuiltColumn> {
        let mut built_columns = Vec::new();
        for output in std::mem::take(&mut self.plan.outputs) {
            let SpecOutput {
                reference,
                key,
                requested_name,
            } = output;
            let frame = reference.frame.as_deref().filter(|frame| *frame != "raw");
            let framed = self.fields.resolved_field(&key).and_then(|resolved| {
                let term = resolved.term.clone();
                let (term, _) = self.fields.calendar.apply_timeframe(term, false, frame)?;
                Ok((resolved, term))
            });
            let (resolved, term) = match framed {
                Ok(framed) => framed,
                Err(reason) => {
                    self.report_missing_output(step, &key, reason);
                    continue;
                }
            };
            if let Some(field) = self.fields.field(&key) {
                self.fields.record_grants(&key, field);
                self.fields.record_omitted_settings(field);
                if let Some(doubt) = timeframe_caveat(frame) {
                    self.fields.record_issue(field, &field.name, doubt, true);
                }
            }
            let canonical_name = reference_name(&key.0, &reference);
            let written_as = reference_name(reference.view.as_deref().unwrap_or(&key.0), &reference);
            let is_measure = resolved.term.aggregates;
            let field_name = to_snake_case(&reference.field);
            let plain_name = column_name_of_reference(&term.text);
            let preferred_name = requested_name.clone().unwrap_or_else(|| match frame {
                Some(frame) => format!("{field_name}_{frame}"),
                None => field_name.clone(),
            });
            let name = match resolved.definition {
                Some(_) if frame.is_none() => term.text.clone(),
                // The column already has the requested name, so it needs no definition.
                _ if plain_name == Some(preferred_name.clone())
                    && !built_columns
                        .iter()
                        .any(|column: &BuiltColumn| column.name == preferred_name) =>
                {
                    preferred_name.clone()
                }
                _ => {
                    let with_view = format!("{}_{preferred_name}", to_snake_case(&key.0));
                    let name = match frame {
                        None if built_columns.iter().any(|column| column.name == preferred_name) => {
                            self.fields.used_names.reserve(&[&with_view])
                        }
                        None => preferred_name.clone(),
                        Some(_) => self.fields.used_names.reserve(&[&preferred_name, &with_view]),
                    };
                    let definition = self.fields.define_column(&key, name.clone(), &term);
                    self.fields.definitions.push(definition);
                    built_columns.push(BuiltColumn {
                        entry: name.clone(),
                        name: name.clone(),
                        is_never_null: term.is_never_null,
                        is_measure,
                        canonical_name: canonical_name.clone(),
                        written_as: written_as.clone(),
                    });
                    if !self.plan.of_rows {
                        step.group_by.push(name);
                    }
                    continue;
                }
            };
            if resolved.definition.is_none() {
                self.copy_column_settings(&key, &name, frame);
            }
            if !is_measure && !self.plan.of_rows {
                step.group_by.push(term.text.clone());
            } else if self.plan.of_rows && resolved.definition.is_none() && frame.is_none() {
                step.keep.push(term.text.clone());
            }
            built_columns.push(BuiltColumn {
                entry: if is_measure { name.clone() } else { term.text },
                name,
                is_never_null: term.is_never_null,
                is_measure,
                canonical_name,
                written_as,
            });
        }
        // A query returns only its own columns. Otherwise, keep all columns of the table.
        if self.plan.of_rows && self.plan.takes_over && !self.fields.definitions.is_empty() {
            step.keep = vec!["all".to_owned()];
        }
        built_columns
    }

    /// Reports an output that has no formula, unless the reason is already reported.
    fn report_missing_output(&mut self, step: &mut SpecStep, key: &FieldKey, reason: String) {
        let subject = format!("{}.{}", key.0, key.1);
        let mut gaps = self.fields.gaps.iter().filter(|gap| !gap.is_carried);
        if gaps.any(|gap| gap.what.eq_ignore_ascii_case(&subject)) {
            return;
        }
        let Some(file) = self.model.files.get(self.plan.file) else {
            return;
        };
        let gap = self.new_issue(self.plan.file, &file.root, &subject, subject.clone(), reason, false);
        step.gaps.push(gap.comment());
        self.gaps.push(gap);
    }

    /// Copies the Omni description and display settings of a column that is copied unchanged, or that is a timeframe of
    /// such a column. A longer timeframe gets its own description, because the description of a day does not apply to
    /// it.
    fn copy_column_settings(&mut self, key: &FieldKey, name: &str, frame: Option<&str>) {
        let Some(field) = self.fields.field(key) else { return };
        let is_cleaned = field.name != name && to_snake_case(&field.name) == name;
        let meta = is_cleaned
            .then(|| ("omni_name", field.name.clone()))
            .into_iter()
            .collect();
        self.spec.columns.push(SpecColumnMetadata {
            name: name.to_owned(),
            description: field.text("description").map(|text| match frame {
                Some(period @ ("week" | "month" | "quarter" | "year")) => format!("First day of the {period}."),
                _ => text.to_owned(),
            }),
            display_settings: self.fields.display_settings_with_grants(key, field),
            tags: field.node.texts_at("tags"),
            meta,
        });
    }

    /// Writes filters on rows to `where` and filters on groups to `having`.
    pub(super) fn write_filters(&mut self, step: &mut SpecStep) {
        let base = self.fields.base_name.clone();
        for (reference, filter, node) in std::mem::take(&mut self.plan.filters) {
            if self.calculation(&reference).is_some() {
                self.plan.calculation_filters.push((reference, filter, node));
                continue;
            }
            let key = field_key(self.model, &base, &reference);
            let of_groups = self
                .fields
                .resolved_field(&key)
                .is_ok_and(|resolved| resolved.term.aggregates);
            let condition = if self.fields.view(&key.0).is_none() {
                Err(format!("`{}` is not a joined view", key.0))
            } else if of_groups {
                self.fields.convert_filter(&key, reference.frame.as_deref(), filter)
            } else {
                self.fields.convert_row_filter(&key, reference.frame.as_deref(), filter)
            };
            let subject = format!("filter of {}.{}", key.0, key.1);
            let original = format!("{}: {}", yaml_line(node), yaml_line(filter));
            match condition {
                Ok(condition) => {
                    for doubt in condition.caveats {
                        let gap = self.new_issue(self.plan.file, node, &subject, original.clone(), doubt, true);
                        step.gaps.push(gap.comment());
                        self.gaps.push(gap);
                    }
                    let text = condition.term.text;
                    // The condition is never true for NULL, so it removes the rows with NULL.
                    if !text.replacen("NOT(ISBLANK(", "", 1).contains("ISBLANK(") {
                        self.filled.push(key);
                    }
                    let conditions = if of_groups { &mut step.havings } else { &mut step.wheres };
                    conditions.push(text);
                }
                Err(reason) => {
                    let reason = format!("{reason}, so the model has rows that the query does not have");
                    let gap = self.new_issue(self.plan.file, node, &subject, original, reason, false);
                    step.gaps.push(gap.comment());
                    self.gaps.push(gap);
                }
            }
        }
        for (sql, node, of_groups) in std::mem::take(&mut self.plan.conditions) {
            self.write_sql_condition(step, sql, node, self.plan.file, of_groups);
        }
    }

    /// Writes the definitions and their metadata.
    pub(super) fn write_definitions(&mut self, step: &mut SpecStep) {
        step.gaps.extend(self.fields.gaps.iter().map(PromotionIssue::comment));
        for definition in self.fields.definitions.clone() {
            let file = self
                .model
                .files
                .get(definition.file)
                .map(|file| file.path.to_owned())
                .unwrap_or_default();
            self.sources.insert(
                definition.name.clone(),
                PromotionIssue {
                    file,
                    line: definition.line,
                    what: definition.field.clone(),
                    original: definition.original.clone(),
                    reason: String::new(),
                    is_carried: false,
                },
            );
            self.carried.push(PromotedField {
                field: definition.field.clone(),
                column: definition.name.clone(),
                formula: definition.term.text.clone(),
            });
            step.definitions.push(NamedFormula {
                name: definition.name.clone(),
                formula: definition.term.text.clone(),
                description: definition.description,
            });
            let is_output = definition.term.aggregates || self.plan.of_rows || step.group_by.contains(&definition.name);
            let mut meta = Vec::new();
            if self.plan.takes_over && is_output && !definition.original.is_empty() {
                meta.push(("promoted_from", definition.field));
            }
            meta.extend(
                definition
                    .omni_name
                    .filter(|_| is_output)
                    .map(|name| ("omni_name", name)),
            );
            if is_output {
                self.spec.columns.push(SpecColumnMetadata {
                    name: definition.name,
                    description: None,
                    display_settings: definition.display_settings,
                    tags: definition.tags,
                    meta,
                });
            }
        }
    }

    /// Splits the step in two if the measures aggregate one row per value of a key. Otherwise, returns the step
    /// unchanged.
    pub(super) fn split_step_per_key(&mut self, mut step: SpecStep, built_columns: &[BuiltColumn]) -> Vec<SpecStep> {
        let Some(per_key) = self.fields.per_key.take().filter(|per_key| !per_key.values.is_empty()) else {
            return vec![step];
        };
        let measures: FxHashSet<&str> = self
            .fields
            .definitions
            .iter()
            .filter(|definition| definition.term.aggregates)
            .map(|definition| definition.name.as_str())
            .collect();
        let (later, first): (Vec<NamedFormula>, Vec<NamedFormula>) = std::mem::take(&mut step.definitions)
            .into_iter()
            .partition(|line| measures.contains(line.name.as_str()));
        let key_name = column_name_of_reference(&per_key.key.text).unwrap_or_else(|| "key".to_owned());
        let mut first_step = SpecStep {
            name: format!("one_row_for_each_{key_name}"),
            joins: step.joins,
            wheres: step.wheres,
            group_by: step.group_by,
            definitions: first,
            ..SpecStep::default()
        };
        let key = if column_name_of_reference(&per_key.key.text).is_some() {
            per_key.key.text.clone()
        } else {
            first_step.definitions.push(NamedFormula {
                name: key_name.clone(),
                formula: per_key.key.text.clone(),
                description: None,
            });
            key_name
        };
        if !first_step.group_by.contains(&key) {
            first_step.group_by.push(key);
        }
        let values = per_key.values.into_iter();
        first_step
            .definitions
            .extend(values.map(|(name, formula)| NamedFormula {
                name,
                formula,
                description: None,
            }));
        let second = SpecStep {
            name: step.name,
            group_by: built_columns
                .iter()
                .filter(|column| !column.is_measure)
                .map(|column| column.name.clone())
                .collect(),
            definitions: later,
            havings: step.havings,
            gaps: step.gaps,
            ..SpecStep::default()
        };
        vec![first_step, second]
    }

    /// Writes the sort keys, the limit, and the calculations over the sorted rows.
    pub(super) fn write_order(&mut self, built_columns: &mut [BuiltColumn]) {
        let mut sheet = CalculationSheet::default();
        for (index, column) in built_columns.iter().enumerate() {
            sheet.add(&column.canonical_name, &column.name, index, column.is_never_null);
            sheet.add(&column.written_as, &column.name, index, column.is_never_null);
            let base_prefix = format!("{}.", self.fields.base_name);
            if let Some(field_name) = column.canonical_name.strip_prefix(&base_prefix) {
                sheet.add(field_name, &column.name, index, false);
            }
        }
        for (index, calculation) in self.plan.calculations.iter().enumerate() {
            let index = built_columns.len() + index;
            sheet.add(&calculation.omni_name, &calculation.name, index, false);
        }
        let columns: Vec<&str> = built_columns.iter().map(|column| column.name.as_str()).collect();
        let lines = self.write_calculations(&sheet, &columns);
        let mut names = Vec::new();
        let mut entries = Vec::new();
        let mut of_calculation = false;
        let mut gaps = Vec::new();
        for (field, is_descending) in std::mem::take(&mut self.plan.sorts) {
            let reference = OmniReference::read(&field);
            let key = field_key(self.model, &self.fields.base_name, &reference);
            let column_name = reference_name(&key.0, &reference);
            let column = built_columns.iter().find(|column| column.canonical_name == column_name);
            let direction = if is_descending { " desc" } else { "" };
            let calculation = lines.iter().find(|line| {
                let sort_calculation = self
                    .plan
                    .calculations
                    .iter()
                    .find(|calculation| calculation.omni_name.eq_ignore_ascii_case(&field));
                sort_calculation.is_some_and(|plan_calculation| plan_calculation.name == line.name)
            });
            match (column, calculation) {
                (Some(column), _) => {
                    names.push(format!("{}{direction}", column.name));
                    entries.push(format!("{}{direction}", column.entry));
                    let matters = self.plan.limit.is_some() || !lines.is_empty();
                    if !column.is_never_null && !self.filled.contains(&key) && !is_descending && matters {
                        let reason = format!(
                            "Omni sorts rows in which `{}` is NULL first, but here they come last",
                            column.name
                        );
                        gaps.push((format!("sort by {field}"), reason, true));
                    }
                }
                (None, Some(line)) => {
                    of_calculation = true;
                    names.push(format!("{}{direction}", line.name));
                }
                (None, None) => {
                    let reason =
                        "the field is not a column of the result, so the model cannot sort its rows by this field"
                            .to_owned();
                    gaps.push((format!("sort by {field}"), reason, false));
                }
            }
        }
        if self.plan.limit.is_some() && names.is_empty() {
            gaps.push(("limit".to_owned(), super::UNSORTED_LIMIT.to_owned(), false));
        }
        let comments = self.report_sort_issues(gaps);
        let Some(last) = self.spec.steps.last_mut() else { return };
        last.gaps.extend(comments);
        if lines.is_empty() {
            last.order_by = entries;
            last.limit = self.plan.limit.filter(|_| !last.order_by.is_empty());
            self.write_calculation_filters();
            return;
        }
        self.sort_keys.clone_from(&entries);
        let partitions = self.plan.partitions.iter().filter_map(|reference| {
            let key = field_key(self.model, &self.fields.base_name, reference);
            let column_name = reference_name(&key.0, reference);
            let column = built_columns.iter().find(|column| column.canonical_name == column_name);
            Some(column?.name.clone())
        });
        let mut partition_by: Vec<String> = partitions.collect();
        partition_by.sort();
        partition_by.dedup();
        let mut worksheet = SpecStep {
            name: "calculations".to_owned(),
            partition_by,
            columns: built_columns.iter().map(|column| column.name.clone()).collect(),
            order_by: names,
            calculations: lines,
            ..SpecStep::default()
        };
        match self.plan.limit.filter(|_| !worksheet.order_by.is_empty()) {
            // Apply the limit before the calculations, so that the calculations read only the returned rows.
            Some(_) if !of_calculation => {
                last.order_by = entries;
                last.limit = self.plan.limit;
            }
            limit => worksheet.limit = limit,
        }
        self.spec.steps.push(worksheet);
        self.write_calculation_filters();
    }

    /// Reports the gaps in the sort keys that have not been reported yet, and returns their comments.
    pub(super) fn report_sort_issues(&mut self, gaps: Vec<(String, String, bool)>) -> Vec<String> {
        let Some(node) = self.plan.sorts_at else {
            return Vec::new();
        };
        let mut comments = Vec::new();
        for (subject, reason, is_carried) in gaps {
            let gap = self.new_issue(self.plan.file, node, &subject, yaml_line(node), reason, is_carried);
            if !self.gaps.contains(&gap) {
                comments.push(gap.comment());
                self.gaps.push(gap);
            }
        }
        comments
    }
}

/// Returns the column name for a reference: `amount` for `orders.amount`, `day_month` for `day[month]`. `None` if the
/// text is not a reference.
pub(super) fn column_name_of_reference(text: &str) -> Option<String> {
    let text = text
        .strip_prefix("${")
        .and_then(|inner| inner.strip_suffix('}'))
        .unwrap_or(text);
    let (name, frame) = match text.split_once('[') {
        Some((name, frame)) => (name, Some(frame.strip_suffix(']')?)),
        None => (text, None),
    };
    let name = name.rsplit_once('.').map_or(name, |(_, name)| name);
    let is_word = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let name = name.to_lowercase();
    is_word.then(|| frame.map_or(name.clone(), |frame| format!("{name}_{frame}")))
}

pub(super) fn step_name(grain: &[String], model: &str, default_name: &str) -> String {
    let name = if grain.is_empty() {
        default_name.to_owned()
    } else {
        format!("by_{}", grain.join("_and_"))
    };
    if name == model { format!("{name}_rows") } else { name }
}
