//! Settings of the spec: descriptions and display settings of a query view's columns, and the calendar.

use super::super::PromotionIssue;
use super::super::display::{display_settings, yaml_line};
use super::super::names::to_snake_case;
use super::super::spec_text::SpecColumnMetadata;
use super::{BuiltColumn, SpecBuilder};

impl SpecBuilder<'_, '_> {
    /// Copies the descriptions and display settings that a query view specifies for its columns. The copies override
    /// the descriptions and settings of the fields that the query reads.
    pub(super) fn write_query_view_settings(&mut self, built_columns: &[BuiltColumn]) {
        for field in std::mem::take(&mut self.plan.own_fields) {
            let calculated = self.plan.calculations.iter().map(|calculation| &calculation.name);
            let mut names = built_columns.iter().map(|column| &column.name).chain(calculated);
            let column_name = to_snake_case(&field.name);
            let settings = display_settings(&field.node);
            let description = field.text("description").map(str::to_owned);
            let tags = field.node.texts_at("tags");
            self.fields.record_omitted_settings(field);
            if !names.any(|name| name.eq_ignore_ascii_case(&column_name)) {
                if description.is_some() || !settings.is_empty() || !tags.is_empty() {
                    let reason = "the query has no column with the name of the field".to_owned();
                    self.fields.record_issue(field, &field.name, reason, false);
                }
                continue;
            }
            let lines = self
                .spec
                .steps
                .iter_mut()
                .flat_map(|step| step.definitions.iter_mut().chain(&mut step.calculations));
            let line = lines
                .into_iter()
                .find(|line| line.name.eq_ignore_ascii_case(&column_name));
            let columns = &mut self.spec.columns;
            let is_same = |column: &SpecColumnMetadata| column.name.eq_ignore_ascii_case(&column_name);
            let index = columns.iter().position(is_same).unwrap_or_else(|| {
                columns.push(SpecColumnMetadata {
                    name: column_name.clone(),
                    ..SpecColumnMetadata::default()
                });
                columns.len() - 1
            });
            let Some(column) = columns.get_mut(index) else { continue };
            match line {
                Some(line) if description.is_some() => line.description = description,
                None if description.is_some() => column.description = description,
                _ => {}
            }
            for (key, value) in settings {
                column.display_settings.retain(|(other, _)| *other != key);
                column.display_settings.push((key, value));
            }
            if !tags.is_empty() {
                column.tags = tags;
            }
        }
        self.spec
            .gaps
            .extend(self.fields.gaps.iter().map(PromotionIssue::comment));
        self.gaps.append(&mut self.fields.gaps);
    }

    /// Copies the first day of the week and the start of the fiscal year from Omni's model file, if they differ from
    /// the settings of the project.
    pub(super) fn copy_calendar(&mut self) {
        let (project, omni) = (&self.compiler.options.calendar, self.fields.calendar);
        if let Some(day) = omni.week_start.filter(|day| *day != project.week_start) {
            self.spec.settings.push(("week_start", day.name().to_owned()));
        }
        let months = omni.fiscal_month_offset();
        if let Some(months) = months.filter(|_| months != project.fiscal_month_offset) {
            self.spec.settings.push(("fiscal_month_offset", months.to_string()));
        }
        for (file, key, node, frames) in self.fields.calendar.unconvertible_settings(self.model) {
            let reads = |text: &String| frames.iter().any(|frame| text.contains(frame));
            let is_read = self.spec.steps.iter().any(|step| {
                let lines = step.definitions.iter().map(|line| &line.formula);
                let conditions = step.wheres.iter().chain(&step.havings);
                lines.chain(&step.group_by).chain(conditions).any(reads)
            });
            if is_read {
                let reason = format!(
                    "`{key}` has no fixed value that a spec can contain; the model uses the setting of the project"
                );
                let gap = self.new_issue(file, node, key, yaml_line(node), reason, true);
                self.spec.gaps.push(gap.comment());
                self.gaps.push(gap);
            }
        }
    }
}
