//! Text of a merge request: the changes in a plan, the checks, the affected people, and the command that undoes the
//! changes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::effects::ModelEffects;
use super::lines::diff;
use super::manual_edits::{ModelFileKind, Property};
use super::plan::{ModelAction, ModelPlan, Plan};
use super::plan_changes::PlannedChange;
use super::properties;
use super::state::STATE_FOLDER;
use crate::markdown::{code_block, escape_markdown, escape_sentence, inline_code};
use crate::yaml_edit::YamlValue;
use formulac_syntax::diag::lists::join_words;
use formulac_syntax::text::format_count;

/// Maximum number of changes listed per model.
const MAX_LISTED_CHANGES: usize = 100;

/// Contents of a merge request in addition to its plan.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct MergeRequest {
    /// Title of the merge request, on one line. Empty if none was given.
    pub title: String,
    /// Checks that passed, such as `dbt parses the project`.
    pub checks: Vec<String>,
    /// Checks that did not run, each with the reason, such as `values (no connection)`.
    pub not_run: Vec<String>,
    /// Verification results of each created or updated model.
    pub values: Vec<VerifiedModelSummary>,
    /// Impact of the change, as Markdown. `None` if the impact is not known.
    pub reaches: Option<String>,
    /// Number of approvals that each role must give.
    pub needs: Vec<(String, usize)>,
    /// Specs and metric sets that specify approvers, each with its path and the names of the approvers.
    pub approvers: Vec<(String, Vec<String>)>,
    /// Repository of the Omni model, if the push also creates a branch there.
    pub omni: Option<String>,
    /// Command that undoes the change.
    pub undo: Option<String>,
}

/// Result of verifying a model's values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifiedModelSummary {
    /// Name of the model.
    pub model: String,
    /// Environment and engine of the verification, such as `development, dbt 1.12.6 on duckdb`. `None` if the values
    /// were not verified.
    pub environment: Option<String>,
    /// Result as a sentence, with names in backticks.
    pub summary: String,
}

/// Number of tests in the model files that a push writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestCounts {
    /// Number of data tests, including tests in separate files.
    pub data: usize,
    /// Number of unit tests.
    pub unit: usize,
}

impl TestCounts {
    /// Counts the tests in a model's files. `files` maps paths to contents.
    #[must_use]
    pub fn new(model: &str, files: &BTreeMap<String, String>) -> Self {
        let mut promised = Self::default();
        for (path, text) in files {
            match ModelFileKind::new(path, model) {
                ModelFileKind::Properties => {
                    for (about, property_value) in properties::read(model, text, None).unwrap_or_default() {
                        match (about.property, about.detail.as_str(), &property_value.value) {
                            (Property::Tests, ..) => promised.data += 1,
                            (Property::Text, "unit_tests", YamlValue::List(items, _)) => promised.unit += items.len(),
                            _ => {}
                        }
                    }
                }
                ModelFileKind::Test => promised.data += 1,
                _ => {}
            }
        }
        promised
    }

    /// Returns the sum of both counts.
    #[must_use]
    pub fn combine(self, other: Self) -> Self {
        Self {
            data: self.data + other.data,
            unit: self.unit + other.unit,
        }
    }

    /// Describes the counts, for example `5 data tests and 1 unit test`. `None` if there are no tests.
    #[must_use]
    pub fn section(self) -> Option<String> {
        let data_tests = format_count(self.data, "data test", "data tests");
        let unit_tests = format_count(self.unit, "unit test", "unit tests");
        match (self.data, self.unit) {
            (0, 0) => None,
            (_, 0) => Some(data_tests),
            (0, _) => Some(unit_tests),
            _ => Some(format!("{data_tests} and {unit_tests}")),
        }
    }
}

impl MergeRequest {
    /// Returns the complete text of the merge request as Markdown. Names, formulas and SQL are escaped so that they
    /// cannot act as markup, because they come from files that many people edit.
    #[must_use]
    pub fn text(&self, plan: &Plan) -> String {
        let mut out = String::new();
        let models: Vec<&ModelPlan> = plan
            .models
            .iter()
            .filter(|model| !matches!(model.action, ModelAction::Nothing | ModelAction::Keep))
            .collect();
        let title = Some(escape_markdown(self.title.trim())).filter(|title| !title.is_empty());
        match (models.as_slice(), title) {
            ([one], Some(title)) => write_model(&mut out, one, &title),
            (_, title) => {
                if let Some(title) = title {
                    let _ = writeln!(out, "## {title}\n");
                }
                models
                    .iter()
                    .for_each(|model| write_model(&mut out, model, model.action.name()));
            }
        }
        let environment = |values: &VerifiedModelSummary| {
            values
                .environment
                .as_ref()
                .map(|it| format!(" ({})", escape_markdown(it)))
                .unwrap_or_default()
        };
        match self.values.as_slice() {
            [] => {}
            [one] => {
                let _ = writeln!(out, "**Values**{}: {}", environment(one), escape_sentence(&one.summary));
            }
            all => {
                let one = |reported_values: &VerifiedModelSummary| {
                    format!(
                        "{}{}: {}",
                        inline_code(&reported_values.model),
                        environment(reported_values),
                        escape_sentence(&reported_values.summary)
                    )
                };
                let _ = writeln!(
                    out,
                    "**Values**: {}",
                    all.iter().map(one).collect::<Vec<_>>().join(" · ")
                );
            }
        }
        if !self.checks.is_empty() || !self.not_run.is_empty() {
            let not_run = (!self.not_run.is_empty()).then(|| format!("not run: {}", self.not_run.join(", ")));
            let all: Vec<String> = self
                .checks
                .iter()
                .cloned()
                .chain(not_run)
                .map(|it| escape_sentence(&it))
                .collect();
            let _ = writeln!(out, "**Checks**: {}", all.join(" · "));
        }
        let reaches = self
            .reaches
            .clone()
            .unwrap_or_else(|| "not known: dbt has no manifest here".to_owned());
        let _ = write!(out, "**Reaches**: {reaches}.");
        if !self.needs.is_empty() || !self.approvers.is_empty() {
            let need = |(role, count): &(String, usize)| {
                let approvals = if *count == 1 { "approval" } else { "approvals" };
                format!("{count} {} {approvals}", escape_markdown(role))
            };
            let of_specs = self.approvers.iter();
            let of_specs = of_specs.map(|(path, names)| {
                format!(
                    "an approval of {} by {}",
                    inline_code(path),
                    escape_markdown(&join_words(names, "or"))
                )
            });
            let needs: Vec<String> = self.needs.iter().map(need).chain(of_specs).collect();
            let _ = write!(out, " **Needs**: {}.", needs.join(", "));
        }
        out.push_str("\n\n");
        if let Some(omni) = &self.omni {
            let omni = inline_code(omni);
            let _ = writeln!(
                out,
                "**Merge together**: the branch with the same name in {omni}, which contains the files of the Omni model.\n"
            );
        }
        write_details(&mut out, plan);
        if let Some(undo) = &self.undo {
            let _ = writeln!(out, "undo: {}", inline_code(undo));
        }
        out
    }
}

fn write_model(output: &mut String, model: &ModelPlan, about: &str) {
    let _ = writeln!(output, "### {}: {about}\n", escape_markdown(&model.model));
    let cell = |text: &Option<String>| text.as_deref().map(inline_code).unwrap_or_default();
    let name = |change: &PlannedChange| {
        let name = change.definition.as_deref().unwrap_or("the model");
        let of = if change.property == Property::Formula {
            String::new()
        } else {
            format!(", {}", change.property)
        };
        format!("{}{of}", escape_markdown(name))
    };
    let is_new = model.changes.iter().all(|change| change.before.is_none());
    let listed = model.changes.iter().take(MAX_LISTED_CHANGES);
    match (model.changes.is_empty(), is_new) {
        (true, _) => {}
        (_, true) => {
            output.push_str("| definition | formula |\n|---|---|\n");
            listed.for_each(|change| {
                let _ = writeln!(output, "| {} | {} |", name(change), cell(&change.after));
            });
        }
        (_, false) => {
            output.push_str("| definition | before | after |\n|---|---|---|\n");
            listed.for_each(|change| {
                let _ = writeln!(
                    output,
                    "| {} | {} | {} |",
                    name(change),
                    cell(&change.before),
                    cell(&change.after)
                );
            });
        }
    }
    if model.changes.len() > MAX_LISTED_CHANGES {
        let _ = writeln!(output, "\nand {} more", model.changes.len() - MAX_LISTED_CHANGES);
    }
    if !model.changes.is_empty() {
        output.push('\n');
    }
    let effects: Vec<String> = model.effects.iter().flat_map(ModelEffects::effect_phrases).collect();
    if !effects.is_empty() {
        let _ = writeln!(output, "**Effects**: {}.\n", escape_sentence(&effects.join("; ")));
    }
    for edit in &model.carried {
        let _ = writeln!(
            output,
            "Copied into the spec from {}: {}.\n",
            inline_code(&edit.file),
            edit.property
        );
        if let Some(rewritten) = edit.describe_rewritten_sql() {
            let _ = writeln!(output, "For this edit, {}.\n", escape_sentence(&rewritten));
        }
    }
    for edit in &model.kept {
        let part = escape_sentence(&edit.describe_part(&model.model));
        let at = inline_code(&format!("{}:{}", edit.file, edit.line));
        let why = edit.reason_to_keep();
        let why = why.map_or_else(String::new, |why| format!(": {}", escape_sentence(&why)));
        let _ = writeln!(output, "Remains a manual edit: {part} ({at}){why}.\n");
    }
}

/// Writes the diffs for SQL and for other files to collapsed sections.
fn write_details(output: &mut String, plan: &Plan) {
    let files = plan.models.iter().flat_map(|model| &model.files);
    let changed = files.filter(|file| !file.path.starts_with(STATE_FOLDER));
    for (what, is_sql) in [("SQL", true), ("Other files", false)] {
        let mut body = String::new();
        let mut lines = 0;
        let of_kind = changed.clone().filter(|file| file.path.ends_with(".sql") == is_sql);
        for file in of_kind {
            let side = |text: &Option<String>| text.as_deref().unwrap_or_default().replace('\r', "");
            let diff = diff(&side(&file.before), &side(&file.after));
            lines += diff.lines().filter(|line| line.starts_with(['+', '-'])).count();
            let _ = writeln!(body, "{}\n\n{}", inline_code(&file.path), code_block("diff", &diff));
        }
        if !body.is_empty() {
            let lines = format_count(lines, "line", "lines");
            let _ = writeln!(
                output,
                "<details><summary>{what} diff, {lines}</summary>\n\n{}\n\n</details>\n",
                body.trim_end()
            );
        }
    }
}
