//! Where the definitions of a spec stand in its text, step by step, and what of its settings formulas depend on.

use super::formulas::StepFormulas;
use super::load::{self, Definitions, Spec};
use super::write::uncommented;
use crate::ast::Ast;
use crate::calendar::Calendar;
use crate::check::DefinitionRole;
use crate::compiler::Compiler;
use crate::parse;
use crate::plan::key_name;
use crate::span::Span;
use crate::yaml::{self, Node};

/// The steps of a spec.
#[derive(Debug, Default)]
pub(crate) struct SpecOutline {
    pub steps: Vec<StepOutline>,
    /// Of the spec, in place of what the compiler knows.
    timezone: Option<String>,
    blank_zero: bool,
    week_start: Option<crate::calendar::Weekday>,
    fiscal_month_offset: Option<u8>,
    /// The spec says which day is today.
    pub today: bool,
}

#[derive(Debug, Default)]
pub(crate) struct StepOutline {
    pub name: Option<String>,
    pub definitions: Vec<Placed>,
    /// The columns that it is grouped by.
    pub keys: Vec<String>,
    /// What makes it a worksheet.
    pub sheet: Option<SheetOutline>,
}

/// What formulas of a worksheet may name.
#[derive(Debug, Default)]
pub(crate) struct SheetOutline {
    /// Its columns; none said, those of the step before.
    pub columns: Vec<String>,
    /// The row for which its formulas are written.
    pub row: i64,
    /// Its tabs, each with the relation that it shows.
    pub tabs: Vec<(String, String)>,
    pub is_pivoted: bool,
    /// It has a column for each value of its pivot.
    pub is_wide: bool,
}

/// A definition in the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed {
    pub name: String,
    /// Without comments.
    pub formula: String,
    /// What stands behind the `=`, or the whole scalar.
    pub at: Span,
    /// The scalar that it stands in.
    pub scalar: Span,
    pub style: yaml::YamlStyle,
    /// It is all that the scalar says.
    pub alone: bool,
    /// A comment stands inside of it.
    pub has_comment: bool,
}

/// The outline of a spec; `None` if the text is none.
pub(crate) fn outline(root: &Node, source: &str, compiler: &Compiler) -> Option<SpecOutline> {
    let spec = load::load(root, source, &mut Vec::new())?;
    let mut outline = SpecOutline {
        steps: Vec::new(),
        timezone: spec.timezone.clone(),
        blank_zero: spec.blank_zero,
        week_start: spec.week_start,
        fiscal_month_offset: spec.fiscal_month_offset,
        today: spec.today.is_some(),
    };
    outline.steps = steps(&spec, source, compiler);
    Some(outline)
}

impl SpecOutline {
    /// The compiler with the settings of the spec, which every formula in it depends on.
    pub fn settings(&self, compiler: &Compiler) -> Compiler {
        let mut options = (*compiler.options).clone();
        options.timezone = self.timezone.clone().or(options.timezone);
        options.blank_zero |= self.blank_zero;
        options.calendar = Calendar {
            week_start: self.week_start.unwrap_or(options.calendar.week_start),
            fiscal_month_offset: self.fiscal_month_offset.or(options.calendar.fiscal_month_offset),
        };
        compiler.with_options(options)
    }
}

fn steps(spec: &Spec<'_>, source: &str, compiler: &Compiler) -> Vec<StepOutline> {
    let mut steps = Vec::new();
    for step in &spec.steps {
        let formulas = StepFormulas::new(step, source);
        let mut ast = Ast::default();
        let limits = &compiler.options.limits;
        let mut faults = Vec::new();
        parse::parse_parts(
            &formulas.text,
            &formulas.parts,
            limits,
            &mut parse::ParseBuffers::default(),
            &mut ast,
            &mut faults,
        );
        // Parts of definitions come first, in the order of the scalars that they stand in; a sheet's timeframes before.
        let sheet_frames = formulas.roles.iter().take_while(|role| **role == DefinitionRole::Definitions).count();
        let before = sheet_frames.saturating_sub(step.definitions.len());
        let mut definitions = Vec::new();
        for parsed in &ast.definitions {
            let part = parsed.part as usize;
            let scalar = part.checked_sub(before).and_then(|at| step.definitions.get(at));
            let (Some(scalar), Some(name)) = (scalar, parsed.name) else { continue };
            if formulas.roles.get(part) != Some(&DefinitionRole::Definitions) {
                continue;
            }
            let whole = |span: Span| span.text(&formulas.text);
            let (node, alone, body) = match scalar {
                Definitions::Block(text) => {
                    let text_of = whole(parsed.span);
                    let Some((head, _)) = text_of.split_once('=') else { continue };
                    let start = parsed.span.start + head.len() as u32 + 1;
                    (text.node, false, trimmed(Span::new(start, parsed.span.end), &formulas.text))
                }
                Definitions::Named { formula, .. } => {
                    let span = formulas.parts.get(part).map_or(parsed.span, |part| part.span);
                    (formula.node, true, trimmed(span, &formulas.text))
                }
            };
            let yaml::Kind::Scalar { style, .. } = &node.kind else { continue };
            let formula = uncommented(whole(body));
            definitions.push(Placed {
                name: name.text(&formulas.text).trim_matches('"').to_owned(),
                has_comment: has_comment(whole(body)),
                formula,
                at: formulas.in_file(body),
                scalar: node.span,
                style: *style,
                alone,
            });
        }
        steps.push(StepOutline {
            name: step.name.map(|name| name.text.to_owned()),
            definitions,
            keys: step.group_by.iter().map(|key| key_name(key.text)).collect(),
            sheet: step.sheet.as_ref().map(|sheet| SheetOutline {
                columns: sheet.columns.iter().flatten().map(|column| key_name(column.text)).collect(),
                row: sheet.row,
                tabs: sheet.tabs.iter().map(|tab| (tab.name.to_owned(), tab.model.name().to_owned())).collect(),
                is_pivoted: sheet.pivot.is_some(),
                is_wide: sheet.pivot.as_ref().is_some_and(|pivot| pivot.values.is_some()),
            }),
        });
    }
    steps
}

/// Whether `//` stands outside of texts.
fn has_comment(formula: &str) -> bool {
    let outside = formula.split('"').step_by(2);
    outside.into_iter().any(|part| part.contains("//") || part.contains("/*"))
}

fn trimmed(span: Span, source: &str) -> Span {
    let text = span.text(source);
    let start = span.start + (text.len() - text.trim_start().len()) as u32;
    Span::new(start, (span.end).saturating_sub((text.len() - text.trim_end().len()) as u32).max(start))
}
