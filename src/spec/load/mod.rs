//! A spec's YAML to its parts: known keys with the right shapes, the rest reported.

mod definitions;
mod keys;
mod model;
mod step;
mod values;

use crate::dbt::From;
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::yaml::Node;

/// A text with its node, so that what is inside can be placed in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'y> {
    pub text: &'y str,
    pub node: &'y Node,
}

/// The columns of the step before that a step passes on.
#[derive(Clone, Debug, Default)]
pub(crate) enum Keep<'y> {
    #[default]
    Nothing,
    All,
    Columns(Vec<Text<'y>>),
}

/// The definitions of a step.
#[derive(Clone, Debug)]
pub(crate) enum Definitions<'y> {
    /// A text block.
    Block(Text<'y>),
    /// A formula with its name, and perhaps a description.
    Named { name: Text<'y>, formula: Text<'y>, description: Option<String> },
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Step<'y> {
    pub name: Option<Text<'y>>,
    pub span: Span,
    pub definitions: Vec<Definitions<'y>>,
    pub filter: Option<Text<'y>>,
    pub having: Option<Text<'y>>,
    pub group_by: Vec<Text<'y>>,
    pub order_by: Vec<Text<'y>>,
    pub partition_by: Option<Vec<Text<'y>>>,
    pub keep: Keep<'y>,
    pub keep_span: Span,
    pub limit: Option<u64>,
    pub limit_span: Span,
    /// It was reported that it is no step, or that it has a key that means nothing; what it lacks may stand there.
    pub faulty: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Spec<'y> {
    pub model: Text<'y>,
    pub description: Option<String>,
    pub from: From,
    pub from_span: Span,
    pub steps: Vec<Step<'y>>,
    /// Name and description of output columns.
    pub columns: Vec<(Text<'y>, Option<String>)>,
    pub timezone: Option<String>,
    pub blank_zero: bool,
    /// Formulas that YAML has cut, which is reported; what is wrong with the rest follows from it.
    pub cut: Vec<Span>,
}

pub(crate) fn load<'y>(root: &'y Node, source: &'y str, diagnostics: &mut Vec<Diagnostic>) -> Option<Spec<'y>> {
    let mut loader = Loader { source, diagnostics, cut: Vec::new() };
    loader.spec(root)
}

pub(super) struct Loader<'y, 'd> {
    source: &'y str,
    diagnostics: &'d mut Vec<Diagnostic>,
    cut: Vec<Span>,
}

impl Loader<'_, '_> {
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}
