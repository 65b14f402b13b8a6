//! A spec's YAML to its parts: known keys with the right shapes, the rest reported.

mod dbt;
mod definitions;
mod exposures;
mod model;
mod proofs;
mod shapes;
mod sheet;
mod step;
mod values;

pub(crate) use dbt::{ColumnKeys, DbtKeys, DefinitionKeys};
pub(crate) use exposures::SpecExposure;
pub(crate) use proofs::{CompareKey, FoundIn, Rule, SpecExample};
#[cfg(feature = "cli")]
pub(crate) use sheet::{KEYS as SHEET_KEYS, OTHERS as NOT_IN_SHEETS};
pub(crate) use sheet::{SheetKeys, TabKeys};

use super::calendar::SaidToday;
use super::joins::JoinedRelation;
use super::semantic::SemanticModels;
use crate::calendar::Weekday;
use crate::dbt::From;
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::yaml::{self, Node};

/// A text with its node, so that what is inside can be placed in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpannedText<'y> {
    pub text: &'y str,
    pub node: &'y Node,
}

impl SpannedText<'_> {
    /// Where it stands in the file: in a comma-separated text, the place of this name.
    pub fn span(&self, source: &str) -> Span {
        let whole = self.node.text().unwrap_or_default();
        if self.text.len() == whole.len() {
            self.node.span
        } else {
            self.place_in(&yaml::source_offsets(self.node, source))
        }
    }

    /// The same where the offsets of the whole text are known.
    pub fn place_in(&self, offsets: &[u32]) -> Span {
        let whole = self.node.text().unwrap_or_default();
        let within = (self.text.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        if self.text.len() == whole.len() || within >= whole.len() {
            return self.node.span;
        }
        let at = |index: usize| offsets.get(index).copied().unwrap_or(self.node.span.end);
        Span::new(at(within), at(within + self.text.len()).min(self.node.span.end))
    }
}

/// The columns of the step before that a step passes on.
#[derive(Clone, Debug, Default)]
pub(crate) enum Keep<'y> {
    #[default]
    Nothing,
    All,
    Columns(Vec<SpannedText<'y>>),
}

/// The definitions of a step.
#[derive(Clone, Debug)]
pub(crate) enum Definitions<'y> {
    /// A text block.
    Block(SpannedText<'y>),
    /// A formula with its name, and what is said of it.
    Named { name: SpannedText<'y>, formula: SpannedText<'y>, description: Option<String>, keys: DefinitionKeys<'y> },
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Step<'y> {
    pub name: Option<SpannedText<'y>>,
    pub span: Span,
    pub joins: Vec<JoinedRelation<'y>>,
    pub definitions: Vec<Definitions<'y>>,
    pub filter: Option<SpannedText<'y>>,
    pub having: Option<SpannedText<'y>>,
    pub group_by: Vec<SpannedText<'y>>,
    pub order_by: Vec<SpannedText<'y>>,
    pub partition_by: Option<Vec<SpannedText<'y>>>,
    pub keep: Keep<'y>,
    pub keep_span: Span,
    pub limit: Option<u64>,
    pub limit_span: Span,
    /// What makes it a worksheet.
    pub sheet: Option<SheetKeys<'y>>,
    /// It was reported that it is no step, or that it has a key that means nothing; what it lacks may stand there.
    pub faulty: bool,
    /// Something in it was reported, so that its columns are not sure.
    pub unsound: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Spec<'y> {
    pub model: SpannedText<'y>,
    pub description: Option<String>,
    pub from: From,
    pub from_span: Span,
    pub steps: Vec<Step<'y>>,
    /// What is said of output columns.
    pub columns: Vec<ColumnKeys<'y>>,
    pub dbt: DbtKeys<'y>,
    pub rules: Vec<Rule<'y>>,
    pub comparisons: Vec<CompareKey<'y>>,
    pub examples: Vec<SpecExample<'y>>,
    pub exposures: Vec<SpecExposure<'y>>,
    /// What is said of a semantic model; `None` if the project says it.
    pub semantic: Option<SemanticModels>,
    pub timezone: Option<String>,
    pub blank_zero: bool,
    pub week_start: Option<Weekday>,
    pub fiscal_month_offset: Option<u8>,
    pub today: Option<SaidToday>,
    /// Formulas that YAML has cut, which is reported; what is wrong with the rest follows from it.
    pub cut: Vec<Span>,
}

pub(crate) fn load<'y>(root: &'y Node, source: &'y str, diagnostics: &mut Vec<Diagnostic>) -> Option<Spec<'y>> {
    Loader::new(source, diagnostics).spec(root)
}

pub(super) struct Loader<'y, 'd> {
    pub(in crate::model) source: &'y str,
    diagnostics: &'d mut Vec<Diagnostic>,
    pub(in crate::model) cut: Vec<Span>,
}

impl<'y, 'd> Loader<'y, 'd> {
    pub(super) fn new(source: &'y str, diagnostics: &'d mut Vec<Diagnostic>) -> Self {
        Self { source, diagnostics, cut: Vec::new() }
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}
