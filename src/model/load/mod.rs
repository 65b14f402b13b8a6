//! Loads a spec from YAML. Unknown keys and values with an invalid shape are reported.

mod dbt;
mod definitions;
mod exposures;
mod model;
mod shapes;
mod sheet;
mod spec_tests;
mod step;
mod values;

pub use dbt::{ColumnKeys, DbtKeys, DefinitionKeys};
pub use exposures::SpecExposure;
pub use model::properties_file_key;
pub use sheet::{FORBIDDEN_WORKSHEET_KEYS, WORKSHEET_KEYS};
pub use sheet::{SheetKeys, TabKeys};
pub use spec_tests::{ReferencedColumn, SpecComparison, SpecExample, SpecRule};

use super::joins::JoinedRelation;
use super::semantic::SemanticModels;
use super::today::SpecToday;
use crate::calendar::Weekday;
use crate::dbt::RelationReference;
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::yaml::{self, Node};

/// Text with its YAML node. The node is used to convert positions in the text to positions in the file.
#[derive(Clone, Copy, Debug)]
pub struct SpannedText<'y> {
    pub text: &'y str,
    pub node: &'y Node,
}

impl SpannedText<'_> {
    /// Returns whether an entry of a list is a timeframe, such as `ordered_at[month]`.
    pub fn is_timeframe(&self) -> bool {
        self.text.contains('[')
    }

    /// Returns the span of the text in the file. For a name in a comma-separated string, this is the span of the name.
    pub fn span(&self, source: &str) -> Span {
        let node_text = self.node.text().unwrap_or_default();
        if self.text.len() == node_text.len() {
            self.node.span
        } else {
            self.file_span(&yaml::source_offsets(self.node, source))
        }
    }

    /// Returns the offset of the text in the node's whole text. `None` if the text is not a slice of the node's text.
    pub fn offset_in_node(&self) -> Option<usize> {
        let node_text = self.node.text().unwrap_or_default();
        let offset = (self.text.as_ptr() as usize).checked_sub(node_text.as_ptr() as usize);
        offset.filter(|offset| *offset + self.text.len() <= node_text.len())
    }

    /// Returns the span of the text in the file. `offsets` contains the file offsets of the node's whole text.
    pub fn file_span(&self, offsets: &[u32]) -> Span {
        let length = self.node.text().map_or(0, str::len);
        let within = self.offset_in_node().filter(|within| *within < length);
        let Some(within) = within.filter(|_| self.text.len() < length) else {
            return self.node.span;
        };
        let file_offset = |index: usize| offsets.get(index).copied().unwrap_or(self.node.span.end);
        Span::new(
            file_offset(within),
            file_offset(within + self.text.len()).min(self.node.span.end),
        )
    }
}

/// Columns of the previous step that a step keeps.
#[derive(Clone, Debug, Default)]
pub enum ColumnProjection<'y> {
    #[default]
    Nothing,
    All,
    Columns(Vec<SpannedText<'y>>),
}

/// Definitions of a step.
#[derive(Clone, Debug)]
pub enum StepDefinitions<'y> {
    /// Text block.
    Block(SpannedText<'y>),
    /// Named formula with its properties.
    Named {
        name: SpannedText<'y>,
        formula: SpannedText<'y>,
        description: Option<String>,
        keys: DefinitionKeys<'y>,
    },
}

/// Series of periods between two columns of a step's input.
#[derive(Clone, Copy, Debug)]
pub struct PeriodSeries<'y> {
    /// Column of the periods.
    pub name: SpannedText<'y>,
    pub unit: &'y str,
    pub first: SpannedText<'y>,
    pub last: SpannedText<'y>,
}

/// Step of a spec: a query over the output of the previous step or over another input.
#[derive(Clone, Debug, Default)]
pub struct Step<'y> {
    pub name: Option<SpannedText<'y>>,
    pub span: Span,
    pub joins: Vec<JoinedRelation<'y>>,
    pub definitions: Vec<StepDefinitions<'y>>,
    pub filter: Option<SpannedText<'y>>,
    pub having: Option<SpannedText<'y>>,
    pub group_by: Vec<SpannedText<'y>>,
    pub order_by: Vec<SpannedText<'y>>,
    pub partition_by: Option<Vec<SpannedText<'y>>>,
    /// Relation that the step reads instead of the previous step.
    pub from: Option<(RelationReference, Span)>,
    /// Earlier steps whose rows the step reads instead of the previous step.
    pub union: Vec<SpannedText<'y>>,
    /// Series of periods that replaces each row of the input.
    pub series: Option<PeriodSeries<'y>>,
    pub keep: ColumnProjection<'y>,
    pub keep_span: Span,
    /// Timeframes in `keep` or in the `columns` of a worksheet. Each timeframe becomes a column with the name of the
    /// timeframe.
    pub timeframes: Vec<SpannedText<'y>>,
    pub limit: Option<u64>,
    pub limit_span: Span,
    /// Worksheet keys of the step. `None` if the step is not a worksheet.
    pub sheet: Option<SheetKeys<'y>>,
    /// Whether the mapping has an invalid key, lacks names because of an error, or is not a step. In these cases, a
    /// required key or name may only appear to be missing, because the invalid key may be a misspelling of it.
    pub has_invalid_keys: bool,
    /// Whether an error in the step was reported, which makes the step's columns uncertain.
    pub has_errors: bool,
    /// Whether `from` or `union` has an error, so that the input of the step is unknown.
    pub has_unknown_input: bool,
}

/// Spec of a model.
#[derive(Clone, Debug)]
pub struct Spec<'y> {
    pub model: SpannedText<'y>,
    pub description: Option<String>,
    pub from: RelationReference,
    pub from_span: Span,
    pub steps: Vec<Step<'y>>,
    /// Properties of output columns.
    pub columns: Vec<ColumnKeys<'y>>,
    pub dbt: DbtKeys<'y>,
    pub rules: Vec<SpecRule<'y>>,
    pub comparisons: Vec<SpecComparison<'y>>,
    pub examples: Vec<SpecExample<'y>>,
    pub exposures: Vec<SpecExposure<'y>>,
    /// Settings for a semantic model. `None` if the setting of the project applies.
    pub semantic: Option<SemanticModels>,
    pub timezone: Option<String>,
    pub blank_zero: bool,
    pub week_start: Option<Weekday>,
    pub fiscal_month_offset: Option<u8>,
    pub today: Option<SpecToday>,
    /// Spans of formulas that YAML has truncated. The truncation is reported, but other errors in these formulas are
    /// not.
    pub truncated_formulas: Vec<Span>,
    pub kind: SpecKind,
}

impl Spec<'_> {
    /// Returns the index of the first step with the given name.
    pub fn find_step(&self, name: &str) -> Option<usize> {
        let is_named = |step: &Step<'_>| step.name.is_some_and(|step_name| step_name.text == name);
        self.steps.iter().position(is_named)
    }

    /// Returns the names of relations in `from`, joins and tabs, each with its span. A name may refer to a step.
    pub fn relations_read_by_spec(&self) -> impl Iterator<Item = (&RelationReference, Span)> {
        let step_inputs = self.steps.iter().filter_map(|step| step.from.as_ref());
        let step_inputs = step_inputs.map(|(from, span)| (from, *span));
        let joins = self.steps.iter().flat_map(|step| &step.joins);
        let joins = joins.map(|join| (&join.to, join.to_text.node.span));
        let sheets = self.steps.iter().filter_map(|step| step.sheet.as_ref());
        let tabs = sheets.flat_map(|sheet| &sheet.tabs);
        let tabs = tabs.map(|tab| (&tab.model, tab.model_text.node.span));
        std::iter::once((&self.from, self.from_span))
            .chain(step_inputs)
            .chain(joins)
            .chain(tabs)
    }

    /// Returns the inputs of the step at an index, apart from joins.
    pub fn step_input(&self, index: usize) -> StepInputs<'_> {
        let step = self.steps.get(index);
        let (Some(step), Some(before)) = (step, index.checked_sub(1)) else {
            return StepInputs::Relation(&self.from);
        };
        match (&step.from, step.union.as_slice()) {
            (Some((from, _)), _) => StepInputs::Relation(from),
            (None, []) => StepInputs::Step(before),
            (None, [step_name]) => self
                .find_step(step_name.text)
                .map_or(StepInputs::Union(Vec::new()), StepInputs::Step),
            (None, united) => StepInputs::Union(
                united
                    .iter()
                    .filter_map(|step_name| self.find_step(step_name.text))
                    .collect(),
            ),
        }
    }
}

/// Inputs of a step, apart from joins.
#[derive(Clone, Debug)]
pub enum StepInputs<'s> {
    Relation(&'s RelationReference),
    /// Index of an earlier step.
    Step(usize),
    /// Indexes of several earlier steps.
    Union(Vec<usize>),
}

/// Origin of a spec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpecKind {
    /// The spec was written by hand.
    #[default]
    Written,
    /// Expansion of a model built on metric sets.
    OverSets,
    /// Expansion of all metrics of a metric set, to check the metric set.
    WholeSet,
    /// Expansion of steps with `fill`, `since` or `until`.
    Periods,
}

/// Reads a spec, and reports errors in its keys and values. Returns `None` if the name of the model or its input is
/// missing.
pub fn load<'y>(
    root: &'y Node,
    source: &'y str,
    kind: SpecKind,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Spec<'y>> {
    let mut loader = SpecLoader::new(source, diagnostics);
    loader.kind = kind;
    loader.read_spec(root)
}

/// Reads only the steps of a metric set or of a model built on metric sets.
pub fn load_steps<'y>(root: &'y Node, source: &'y str) -> Vec<Step<'y>> {
    let mut faults = Vec::new();
    let mut loader = SpecLoader::new(source, &mut faults);
    loader.kind = SpecKind::OverSets;
    match root.get("steps").and_then(Node::items) {
        Some(steps) => steps.iter().map(|step| loader.read_step(step, false)).collect(),
        None => vec![loader.read_step(root, true)],
    }
}

/// Reader that parses a spec's keys and collects diagnostics.
pub(super) struct SpecLoader<'y, 'd> {
    pub source: &'y str,
    diagnostics: &'d mut Vec<Diagnostic>,
    pub truncated_formulas: Vec<Span>,
    pub kind: SpecKind,
}

impl<'y, 'd> SpecLoader<'y, 'd> {
    pub(super) fn new(source: &'y str, diagnostics: &'d mut Vec<Diagnostic>) -> Self {
        Self {
            source,
            diagnostics,
            truncated_formulas: Vec::new(),
            kind: SpecKind::Written,
        }
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}
