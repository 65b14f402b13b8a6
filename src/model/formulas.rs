//! Formulas of a step as one source text, with a map from positions in this text to positions in the YAML file.

use std::borrow::Cow;

use super::joins::JoinCriterion;
use super::load::{SpannedText, Step, StepDefinitions};
use crate::check::DefinitionRole;
use crate::diag::Diagnostic;
use crate::lex::LayoutMode;
use crate::parse::SourcePart;
use crate::plan::key_name;
use crate::span::Span;
use crate::yaml::{self, YamlStyle};

/// All formulas of a step in one text, each on its own line. Each formula is a part with a role.
#[derive(Debug, Default)]
pub struct StepFormulas {
    pub text: String,
    pub parts: Vec<SourcePart>,
    pub roles: Vec<DefinitionRole>,
    /// Description of each part, if the part has one.
    pub descriptions: Vec<Option<String>>,
    /// Position in the file of the character that contains each byte of the text.
    places: Vec<Span>,
    /// Whether positions in the file are not needed, so `places` and `lines` remain empty.
    is_without_places: bool,
    lines: Vec<FormulaLine>,
    /// Node whose offsets were computed last. The node is cached because a comma-separated text may contain many names.
    last: Option<(*const yaml::Node, Vec<u32>)>,
    /// For each part, whether its ordering key is descending.
    pub descending: Vec<bool>,
    /// For each part, whether its name is quoted.
    pub quoted: Vec<bool>,
}

/// Line of the text, which is copied from a scalar of the spec.
#[derive(Clone, Copy, Debug)]
struct FormulaLine {
    start: u32,
    is_empty: bool,
    style: YamlStyle,
    scalar: Span,
}

/// Part of a generated formula, with the spec text from which the part was generated.
pub type FormulaPartWithSource<'y> = (String, SpannedText<'y>);

impl StepFormulas {
    pub fn new(step: &Step<'_>, source: &str) -> Self {
        Self::with_using(step, &[], source)
    }

    /// Collects the formulas of a step without their positions in the file, which is faster. Spans cannot be converted to
    /// spans in the file.
    pub fn without_places(step: &Step<'_>, source: &str) -> Self {
        let mut formulas = Self {
            is_without_places: true,
            ..Self::default()
        };
        formulas.add_formulas(step, &[], source);
        formulas
    }

    /// Collects the formulas of a step. The parameter `using` contains the join conditions that are derived from
    /// `using` keys.
    pub fn with_using(step: &Step<'_>, using: &[(u32, Vec<FormulaPartWithSource<'_>>)], source: &str) -> Self {
        let mut formulas = Self::default();
        formulas.add_formulas(step, using, source);
        formulas
    }

    fn add_formulas(&mut self, step: &Step<'_>, using: &[(u32, Vec<FormulaPartWithSource<'_>>)], source: &str) {
        for timeframe in &step.timeframes {
            let name = self.add_generated_formula(&[(key_name(timeframe.text), *timeframe)]);
            self.add_part(
                *timeframe,
                source,
                LayoutMode::Formula,
                DefinitionRole::Definitions,
                Some(name),
                None,
            );
        }
        for definitions in &step.definitions {
            match definitions {
                StepDefinitions::Block(text) => {
                    self.add_part(*text, source, LayoutMode::File, DefinitionRole::Definitions, None, None);
                }
                StepDefinitions::Named {
                    name,
                    formula,
                    description,
                    ..
                } => {
                    let at = self.append_line(*name, source);
                    self.add_part(
                        *formula,
                        source,
                        LayoutMode::Formula,
                        DefinitionRole::Definitions,
                        Some(at),
                        description.clone(),
                    );
                    if let Some(quoted) = self.quoted.last_mut() {
                        *quoted = name.node.is_quoted();
                    }
                }
            }
        }
        for text in &step.group_by {
            self.add_part(*text, source, LayoutMode::Formula, DefinitionRole::GroupBy, None, None);
        }
        for (place, join) in (0u32..).zip(&step.joins) {
            if let JoinCriterion::On(text) = &join.by {
                self.add_part(
                    *text,
                    source,
                    LayoutMode::Formula,
                    DefinitionRole::On(place),
                    None,
                    None,
                );
            }
        }
        for (place, spelled) in using {
            let span = self.add_generated_formula(spelled);
            self.add(span, LayoutMode::Formula, DefinitionRole::On(*place), None, None);
        }
        if let Some(text) = step.filter {
            self.add_part(text, source, LayoutMode::Formula, DefinitionRole::Where, None, None);
        }
        if let Some(text) = step.having {
            self.add_part(text, source, LayoutMode::Formula, DefinitionRole::Having, None, None);
        }
        for text in step.partition_by.iter().flatten() {
            self.add_part(
                *text,
                source,
                LayoutMode::Formula,
                DefinitionRole::PartitionBy,
                None,
                None,
            );
        }
        for key in &step.order_by {
            let (text, descending) = crate::compiler::split_sort_key(key.text);
            self.add_part(
                SpannedText { text, node: key.node },
                source,
                LayoutMode::Formula,
                DefinitionRole::OrderBy,
                None,
                None,
            );
            if let Some(last) = self.descending.last_mut() {
                *last = descending;
            }
        }
    }

    /// Adds a condition on the rows of the model, with the role `Role::Check` or `Role::Rule`.
    pub fn add_condition(&mut self, text: SpannedText<'_>, role: DefinitionRole, source: &str) {
        self.add_part(text, source, LayoutMode::Formula, role, None, None);
    }

    fn add_part(
        &mut self,
        text: SpannedText<'_>,
        source: &str,
        mode: LayoutMode,
        role: DefinitionRole,
        name: Option<Span>,
        description: Option<String>,
    ) {
        let span = self.append_line(text, source);
        self.add(span, mode, role, name, description);
    }

    fn add(
        &mut self,
        span: Span,
        mode: LayoutMode,
        role: DefinitionRole,
        name: Option<Span>,
        description: Option<String>,
    ) {
        self.parts.push(SourcePart { span, mode, name });
        self.roles.push(role);
        self.descriptions.push(description);
        self.descending.push(false);
        self.quoted.push(false);
    }

    /// Adds a formula that consists of parts, on its own line. The positions in each part map to the text from which it
    /// was generated.
    fn add_generated_formula(&mut self, parts: &[FormulaPartWithSource<'_>]) -> Span {
        self.new_line();
        let start = self.text.len() as u32;
        for (text, of) in parts {
            self.text.push_str(text);
            let node = of.node.span;
            let whole = of.node.text().unwrap_or_default();
            let within = (of.text.as_ptr() as usize).checked_sub(whole.as_ptr() as usize);
            let within = within.filter(|w| *w <= whole.len()).unwrap_or(0) as u32;
            let quote = u32::from(of.node.is_quoted());
            let first = node.start + quote + within;
            let last = first + (of.text.len() as u32).saturating_sub(1);
            let end = first + of.text.chars().next().map_or(1, |c| c.len_utf8() as u32);
            let (first, last) = (Span::new(first, end), Span::new(last, last + 1));
            self.places
                .extend((0..text.len()).map(|i| if i + 1 < text.len() { first } else { last }));
        }
        Span::new(start, self.text.len() as u32)
    }

    fn new_line(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
            let last = self.places.last().copied().unwrap_or_default();
            self.places.push(last);
        }
    }

    /// Adds text from the spec on its own line and returns its span.
    fn append_line(&mut self, text: SpannedText<'_>, source: &str) -> Span {
        self.new_line();
        let start = self.text.len() as u32;
        if self.is_without_places {
            self.text.push_str(text.text);
            return Span::new(start, self.text.len() as u32);
        }
        let whole = text.node.text().unwrap_or_default();
        let node: *const yaml::Node = text.node;
        let offsets = match self.last.take() {
            Some((last, offsets)) if std::ptr::eq(last, node) => offsets,
            _ => yaml::source_offsets(text.node, source),
        };
        // The text may be a single name in a comma-separated list.
        let within = (text.text.as_ptr() as usize)
            .checked_sub(whole.as_ptr() as usize)
            .filter(|w| *w <= whole.len())
            .unwrap_or_else(|| whole.find(text.text).unwrap_or(0));
        self.text.push_str(text.text);
        let fallback = text.node.span.start;
        let style = text.node.style();
        self.lines.push(FormulaLine {
            start,
            is_empty: text.text.is_empty(),
            style,
            scalar: text.node.span,
        });
        for (place, c) in text.text.char_indices() {
            let at = offsets.get(within + place).copied().unwrap_or(fallback);
            let span = Span::new(at, at + yaml::escaped_length(source, at, c, style));
            self.places.extend(std::iter::repeat_n(span, c.len_utf8()));
        }
        self.last = Some((node, offsets));
        Span::new(start, self.text.len() as u32)
    }

    /// Converts a span in the combined text to a span in the file.
    pub fn to_file_span(&self, span: Span) -> Span {
        // An empty formula has no characters, so its errors are reported at the empty string in the spec.
        if let Some(empty) = self.line_at(span.start).filter(|line| line.is_empty && span.is_empty()) {
            return empty.scalar;
        }
        let at = |offset: u32| self.places.get(offset as usize);
        let end_of_text = self.places.last().map_or(0, |place| place.end);
        let start = at(span.start).map_or(end_of_text, |place| place.start);
        let end = match span.end.checked_sub(1).and_then(at) {
            Some(before) if span.end > span.start => before.end,
            _ => start,
        };
        Span::new(start, end.max(start))
    }

    fn line_at(&self, at: u32) -> Option<&FormulaLine> {
        let after = self.lines.partition_point(|line| line.start <= at);
        self.lines.get(after.checked_sub(1)?)
    }

    /// Converts a diagnostic about the combined text to a diagnostic about the file. A fix is escaped for the scalar
    /// that contains the formula. It is removed if YAML would read the fixed scalar differently.
    pub fn to_file(&self, diagnostic: Diagnostic) -> Diagnostic {
        let fixed = diagnostic.fix().map(|fix| {
            let line = self.line_at(fix.span.start);
            let (start, style) = line.map_or((0, YamlStyle::Plain), |line| (line.start, line.style));
            yaml::escape_for_style(&fix.text, style, start == fix.span.start).map(Cow::into_owned)
        });
        let diagnostic = match fixed {
            Some(Some(text)) => diagnostic.map_fix_text(|_| text),
            Some(None) => diagnostic.without_fix(),
            None => diagnostic,
        };
        diagnostic.map_spans(|span| self.to_file_span(span))
    }
}
