//! Outline of a spec: the positions of the definitions in each step, and the settings on which formulas depend.

use super::contract::contract_setting;
use super::formulas::StepFormulas;
use super::load::{self, SpecKind, Step, StepDefinitions};
use super::metrics::{find_step_over_metric_sets, is_metric_set};
use super::write::strip_comments;
use crate::ast::Ast;
use crate::calendar::Calendar;
use crate::check::DefinitionRole;
use crate::compiler::Compiler;
use crate::parse::ParseBuffers;
use crate::plan::key_name;
use crate::span::Span;
use crate::yaml::{self, Node};

/// Steps of a spec, and the spec's settings.
#[derive(Debug, Default)]
pub struct SpecOutline {
    /// Steps in order.
    pub steps: Vec<StepOutline>,
    /// Time zone of the spec, which overrides the compiler's time zone.
    timezone: Option<String>,
    blank_zero: bool,
    week_start: Option<crate::calendar::Weekday>,
    fiscal_month_offset: Option<u8>,
    /// Whether the spec enforces the model's contract. `None` if the project decides this.
    contract: Option<bool>,
    /// Whether the spec sets the current date.
    pub today: bool,
}

/// Step of a spec.
#[derive(Debug, Default)]
pub struct StepOutline {
    /// Name of the step, if it has one.
    pub name: Option<String>,
    /// Definitions in the order of the file.
    pub definitions: Vec<DefinitionWithPosition>,
    /// Columns in `group_by`.
    pub keys: Vec<String>,
    /// Whether the step has the key `fill`, so that it has a row for every period.
    pub is_filled: bool,
    /// Names available to worksheet formulas, if the step is a worksheet.
    pub sheet: Option<SheetOutline>,
}

/// Names available to formulas of a worksheet.
#[derive(Debug, Default)]
pub struct SheetOutline {
    /// Columns of the sheet. By default, these are the columns of the previous step.
    pub columns: Vec<String>,
    /// Row for which the sheet's formulas are written.
    pub row: i64,
    /// Names of the tabs, each with the name of its relation.
    pub tabs: Vec<(String, String)>,
    /// Whether the sheet has the key `pivot_by`.
    pub is_pivoted: bool,
    /// Whether the sheet has one column per value of its pivot.
    pub is_wide: bool,
}

/// Definition, with its position in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct DefinitionWithPosition {
    /// Name of the definition.
    pub name: String,
    /// Formula without comments.
    pub formula: String,
    /// Span of the formula: the text after the `=`, or the whole scalar.
    pub formula_span: Span,
    /// Scalar that contains the definition.
    pub scalar: Span,
    /// YAML style of the scalar.
    pub style: yaml::YamlStyle,
    /// Whether the scalar contains only this definition.
    pub alone: bool,
    /// Whether the formula contains a comment.
    pub has_comment: bool,
}

/// Returns the outline of a spec, which may be a metric set or a model built on metric sets. `None` if the text is none
/// of these. An expanded model may have keys that are not allowed in hand-written specs.
pub fn spec_outline(root: &Node, source: &str, is_expanded: bool, compiler: &Compiler) -> Option<SpecOutline> {
    // The settings of metric sets are ignored, because their formulas are compiled in the expanded model.
    if is_metric_set(root) || find_step_over_metric_sets(root).is_some() {
        return Some(SpecOutline {
            steps: step_outlines(&load::load_steps(root, source), source, compiler),
            ..SpecOutline::default()
        });
    }
    let kind = if is_expanded {
        SpecKind::OverSets
    } else {
        SpecKind::Written
    };
    let spec = load::load(root, source, kind, &mut Vec::new())?;
    let mut outline = SpecOutline {
        steps: Vec::new(),
        timezone: spec.timezone.clone(),
        blank_zero: spec.blank_zero,
        week_start: spec.week_start,
        fiscal_month_offset: spec.fiscal_month_offset,
        contract: contract_setting(&spec.dbt),
        today: spec.today.is_some(),
    };
    outline.steps = step_outlines(&spec.steps, source, compiler);
    let nodes = root
        .get("steps")
        .and_then(Node::items)
        .unwrap_or(std::slice::from_ref(root));
    for (step, node) in outline.steps.iter_mut().zip(nodes) {
        step.is_filled = node.get("fill").is_some();
    }
    Some(outline)
}

impl SpecOutline {
    /// Returns the compiler with the spec's settings, on which all formulas in the spec depend.
    pub fn with_spec_settings(&self, compiler: &Compiler) -> Compiler {
        let mut options = (*compiler.options).clone();
        options.timezone = self.timezone.clone().or(options.timezone);
        options.blank_zero |= self.blank_zero;
        options.calendar = Calendar {
            week_start: self.week_start.unwrap_or(options.calendar.week_start),
            fiscal_month_offset: self.fiscal_month_offset.or(options.calendar.fiscal_month_offset),
        };
        compiler.with_options(options)
    }

    /// Returns whether dbt enforces the model's contract, so that the generated SQL casts every column.
    pub fn enforces_contract(&self, compiler: &Compiler) -> bool {
        self.contract.unwrap_or(compiler.specs.contracts)
    }
}

fn step_outlines(spec_steps: &[Step<'_>], source: &str, compiler: &Compiler) -> Vec<StepOutline> {
    let mut steps = Vec::new();
    for step in spec_steps {
        let formulas = StepFormulas::new(step, source);
        let mut ast = Ast::default();
        let limits = &compiler.options.limits;
        let mut faults = Vec::new();
        formulas.parse(limits, &mut ParseBuffers::default(), &mut ast, &mut faults);
        // The formulas start with the timeframes of the sheet, if any, followed by the definitions in the order of
        // their scalars.
        let sheet_frames = formulas
            .roles
            .iter()
            .take_while(|role| **role == DefinitionRole::Definitions)
            .count();
        let before = sheet_frames.saturating_sub(step.definitions.len());
        let mut definitions = Vec::new();
        for parsed in &ast.definitions {
            let part = parsed.part as usize;
            let scalar = part
                .checked_sub(before)
                .and_then(|definition_index| step.definitions.get(definition_index));
            let (Some(scalar), Some(name)) = (scalar, parsed.name) else {
                continue;
            };
            if formulas.roles.get(part) != Some(&DefinitionRole::Definitions) {
                continue;
            }
            let span_text = |span: Span| span.text(&formulas.text);
            let (node, alone, body) = match scalar {
                StepDefinitions::Block(text) => {
                    let text_of = span_text(parsed.span);
                    let Some((head, _)) = text_of.split_once('=') else {
                        continue;
                    };
                    let start = parsed.span.start + head.len() as u32 + 1;
                    (
                        text.node,
                        false,
                        trim_span(Span::new(start, parsed.span.end), &formulas.text),
                    )
                }
                StepDefinitions::Named { formula, .. } => {
                    let span = formulas.parts.get(part).map_or(parsed.span, |part| part.span);
                    (formula.node, true, trim_span(span, &formulas.text))
                }
            };
            let yaml::NodeKind::Scalar { style, .. } = &node.kind else {
                continue;
            };
            let formula = strip_comments(span_text(body));
            definitions.push(DefinitionWithPosition {
                name: name.text(&formulas.text).trim_matches('"').to_owned(),
                has_comment: has_comment(span_text(body)),
                formula,
                formula_span: formulas.to_file_span(body),
                scalar: node.span,
                style: *style,
                alone,
            });
        }
        steps.push(StepOutline {
            name: step.name.map(|name| name.text.to_owned()),
            definitions,
            keys: step.group_by.iter().map(|key| key_name(key.text)).collect(),
            is_filled: false,
            sheet: step.sheet.as_ref().map(|sheet| SheetOutline {
                columns: sheet
                    .columns
                    .iter()
                    .flatten()
                    .map(|column| key_name(column.text))
                    .collect(),
                row: sheet.row,
                tabs: sheet
                    .tabs
                    .iter()
                    .map(|tab| (tab.name.to_owned(), tab.model.name().to_owned()))
                    .collect(),
                is_pivoted: sheet.pivot.is_some(),
                is_wide: sheet.pivot.as_ref().is_some_and(|pivot| pivot.values.is_some()),
            }),
        });
    }
    steps
}

/// Returns whether a formula contains `//` outside of strings.
fn has_comment(formula: &str) -> bool {
    let outside = formula.split('"').step_by(2);
    outside
        .into_iter()
        .any(|part| part.contains("//") || part.contains("/*"))
}

fn trim_span(span: Span, source: &str) -> Span {
    let text = span.text(source);
    let start = span.start + (text.len() - text.trim_start().len()) as u32;
    Span::new(
        start,
        (span.end)
            .saturating_sub((text.len() - text.trim_end().len()) as u32)
            .max(start),
    )
}
