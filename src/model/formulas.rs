//! Formulas of a step as a single source text, with a map from positions in this text to positions in the YAML file.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::joins::JoinCriterion;
use super::load::{SpannedText, Step, StepDefinitions};
use crate::ast::Ast;
use crate::check::DefinitionRole;
use crate::diag::Diagnostic;
use crate::lex::LayoutMode;
use crate::limits::Limits;
use crate::parse::{self, ParseBuffers, SourcePart};
use crate::plan::key_name;
use crate::span::Span;
use crate::yaml::{self, YamlStyle};

/// All formulas of a step as a single source text, each on its own line. Each formula is a part with a role.
#[derive(Debug, Default)]
pub struct StepFormulas<'y> {
    pub text: String,
    pub parts: Vec<SourcePart>,
    pub roles: Vec<DefinitionRole>,
    /// Description of each part, if the part has one.
    pub descriptions: Vec<Option<String>>,
    /// For each part, whether it is a sort key in descending order.
    pub descending: Vec<bool>,
    /// For each part, whether its name is quoted.
    pub quoted: Vec<bool>,
    /// Text of the spec's file.
    source: &'y str,
    segments: Vec<SourceSegment<'y>>,
    /// File position of each byte of the text. All bytes of a character have the position of the character. The
    /// positions are computed only when they are needed, because most specs have no diagnostics.
    positions: OnceCell<Vec<Span>>,
}

/// Range of the text that is copied or generated from text in the spec.
#[derive(Clone, Copy, Debug)]
struct SourceSegment<'y> {
    span: Span,
    from: SpannedText<'y>,
    is_copied: bool,
}

impl SourceSegment<'_> {
    /// Appends the position of each character in a copied segment. `offsets` contains the position of each byte of the
    /// scalar.
    fn add_copied_spans(&self, source: &str, offsets: &[u32], byte_spans: &mut Vec<Span>) {
        let node = self.from.node;
        let find = || {
            node.text()
                .and_then(|scalar_text| scalar_text.find(self.from.text))
                .unwrap_or(0)
        };
        let within = self.from.offset_in_node().unwrap_or_else(find);
        for (index, c) in self.from.text.char_indices() {
            let start = offsets.get(within + index).copied().unwrap_or(node.span.start);
            let span = Span::new(start, start + yaml::escaped_length(source, start, c, node.style()));
            byte_spans.extend(std::iter::repeat_n(span, c.len_utf8()));
        }
    }

    /// Appends a position for each byte of a generated segment. The last byte has the position of the last byte of the
    /// spec text, and all other bytes have the position of its first character.
    fn add_generated_spans(&self, byte_spans: &mut Vec<Span>) {
        let SpannedText { text, node } = self.from;
        let within = self.from.offset_in_node().unwrap_or(0) as u32;
        let first = node.span.start + u32::from(node.is_quoted()) + within;
        let last = first + (text.len() as u32).saturating_sub(1);
        let end = first + text.chars().next().map_or(1, |c| c.len_utf8() as u32);
        let (first, last) = (Span::new(first, end), Span::new(last, last + 1));
        let count = self.span.end.saturating_sub(self.span.start);
        byte_spans.extend((0..count).map(|i| if i + 1 < count { first } else { last }));
    }
}

/// Part of a generated formula, with the spec text from which the part was generated.
pub type FormulaFragment<'y> = (String, SpannedText<'y>);

impl<'y> StepFormulas<'y> {
    /// Creates an empty collection of formulas in the file `source`.
    pub fn empty(source: &'y str) -> Self {
        Self {
            source,
            ..Self::default()
        }
    }

    pub fn new(step: &Step<'y>, source: &'y str) -> Self {
        Self::from_step(step, &[], source)
    }

    /// Collects the formulas of a step. The parameter `using` contains the join conditions that are derived from
    /// `using` keys.
    pub fn from_step(step: &Step<'y>, using: &[(u32, Vec<FormulaFragment<'y>>)], source: &'y str) -> Self {
        let mut formulas = Self::empty(source);
        formulas.add_formulas(step, using);
        formulas
    }

    fn add_formulas(&mut self, step: &Step<'y>, using: &[(u32, Vec<FormulaFragment<'y>>)]) {
        for timeframe in &step.timeframes {
            let name = self.add_generated_formula(&[(key_name(timeframe.text), *timeframe)]);
            self.append_formula(
                *timeframe,
                LayoutMode::Formula,
                DefinitionRole::Definitions,
                Some(name),
                None,
            );
        }
        for definitions in &step.definitions {
            match definitions {
                StepDefinitions::Block(text) => {
                    self.append_formula(*text, LayoutMode::File, DefinitionRole::Definitions, None, None);
                }
                StepDefinitions::Named {
                    name,
                    formula,
                    description,
                    ..
                } => {
                    let name_span = self.append_line(*name);
                    self.append_formula(
                        *formula,
                        LayoutMode::Formula,
                        DefinitionRole::Definitions,
                        Some(name_span),
                        description.clone(),
                    );
                    if let Some(quoted) = self.quoted.last_mut() {
                        *quoted = name.node.is_quoted();
                    }
                }
            }
        }
        for text in &step.group_by {
            self.add_key(*text, DefinitionRole::GroupBy);
        }
        for (join_index, join) in (0u32..).zip(&step.joins) {
            if let JoinCriterion::On(text) = &join.criterion {
                self.append_formula(*text, LayoutMode::Formula, DefinitionRole::On(join_index), None, None);
            }
        }
        for (join_index, parts) in using {
            let span = self.add_generated_formula(parts);
            self.record_formula(span, LayoutMode::Formula, DefinitionRole::On(*join_index), None, None);
        }
        if let Some(text) = step.filter {
            self.append_formula(text, LayoutMode::Formula, DefinitionRole::Where, None, None);
        }
        if let Some(text) = step.having {
            self.append_formula(text, LayoutMode::Formula, DefinitionRole::Having, None, None);
        }
        for text in step.partition_by.iter().flatten() {
            self.add_key(*text, DefinitionRole::PartitionBy);
        }
        for key in &step.order_by {
            let (text, descending) = crate::compiler::split_sort_key(key.text);
            self.add_key(SpannedText { text, node: key.node }, DefinitionRole::OrderBy);
            if let Some(last) = self.descending.last_mut() {
                *last = descending;
            }
        }
    }

    /// Adds a condition on the rows of the model to the combined text, with the role `DefinitionRole::Check` or
    /// `DefinitionRole::SpecRule`.
    pub fn add_condition(&mut self, text: SpannedText<'y>, role: DefinitionRole) {
        self.append_formula(text, LayoutMode::Formula, role, None, None);
    }

    /// Adds a key to the combined text. A key whose name contains spaces needs no `${}`, because it is not a formula.
    fn add_key(&mut self, key: SpannedText<'y>, role: DefinitionRole) {
        let end = key.text.find('[').unwrap_or(key.text.len());
        let (name, timeframe) = key.text.split_at(end);
        if !is_name_with_spaces(name) {
            self.append_formula(key, LayoutMode::Formula, role, None, None);
            return;
        }
        self.begin_line();
        let start = self.text.len() as u32;
        for (text, is_copied) in [("${", false), (name, true), ("}", false), (timeframe, true)] {
            let from = if is_copied { SpannedText { text, ..key } } else { key };
            self.add_segment(text, from, is_copied);
        }
        let span = Span::new(start, self.text.len() as u32);
        self.record_formula(span, LayoutMode::Formula, role, None, None);
    }

    fn append_formula(
        &mut self,
        text: SpannedText<'y>,
        mode: LayoutMode,
        role: DefinitionRole,
        name: Option<Span>,
        description: Option<String>,
    ) {
        let span = self.append_line(text);
        self.record_formula(span, mode, role, name, description);
    }

    fn record_formula(
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

    /// Adds to the combined text a formula that consists of several parts, on its own line. The positions in each part
    /// map to the text from which the part was generated.
    fn add_generated_formula(&mut self, parts: &[FormulaFragment<'y>]) -> Span {
        self.begin_line();
        let start = self.text.len() as u32;
        for (text, from) in parts {
            self.add_segment(text, *from, false);
        }
        Span::new(start, self.text.len() as u32)
    }

    fn begin_line(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// Adds text from the spec to the combined text, on its own line, and returns its span.
    fn append_line(&mut self, text: SpannedText<'y>) -> Span {
        self.begin_line();
        self.add_segment(text.text, text, true)
    }

    fn add_segment(&mut self, text: &str, from: SpannedText<'y>, is_copied: bool) -> Span {
        let start = self.text.len() as u32;
        self.text.push_str(text);
        let span = Span::new(start, self.text.len() as u32);
        self.segments.push(SourceSegment { span, from, is_copied });
        span
    }

    fn byte_spans(&self) -> &[Span] {
        self.positions.get_or_init(|| self.compute_byte_spans())
    }

    fn compute_byte_spans(&self) -> Vec<Span> {
        let mut byte_spans: Vec<Span> = Vec::with_capacity(self.text.len());
        // Compute the offsets of a comma-separated text only once, because it may contain many names.
        let mut last: Option<(&yaml::Node, Vec<u32>)> = None;
        for segment in &self.segments {
            // A line break has the position of the character before it.
            let before = byte_spans.last().copied().unwrap_or_default();
            byte_spans.resize(segment.span.start as usize, before);
            if !segment.is_copied {
                segment.add_generated_spans(&mut byte_spans);
                continue;
            }
            let node = segment.from.node;
            let offsets = match last.take() {
                Some((cached_node, offsets)) if std::ptr::eq(cached_node, node) => offsets,
                _ => yaml::source_offsets(node, self.source),
            };
            segment.add_copied_spans(self.source, &offsets, &mut byte_spans);
            last = Some((node, offsets));
        }
        byte_spans
    }

    /// Parses the formulas into `ast`.
    pub fn parse(&self, limits: &Limits, buffers: &mut ParseBuffers, ast: &mut Ast, diagnostics: &mut Vec<Diagnostic>) {
        parse::parse_parts(&self.text, &self.parts, limits, buffers, ast, diagnostics);
    }

    /// Converts a span in the combined text to a span in the file.
    pub fn to_file_span(&self, span: Span) -> Span {
        // An empty formula has no characters, so its errors are reported at the empty string in the spec.
        let is_empty = |segment: &&SourceSegment<'_>| segment.span.is_empty() && span.is_empty();
        if let Some(empty) = self.copied_segment_at(span.start).filter(is_empty) {
            return empty.from.node.span;
        }
        let byte_spans = self.byte_spans();
        let place_at = |offset: u32| byte_spans.get(offset as usize);
        let end_of_text = byte_spans.last().map_or(0, |span| span.end);
        let start = place_at(span.start).map_or(end_of_text, |span| span.start);
        let end = match span.end.checked_sub(1).and_then(place_at) {
            Some(before) if span.end > span.start => before.end,
            _ => start,
        };
        Span::new(start, end.max(start))
    }

    /// Returns the last copied segment that begins at or before an offset.
    fn copied_segment_at(&self, offset: u32) -> Option<&SourceSegment<'y>> {
        let after = self.segments.partition_point(|segment| segment.span.start <= offset);
        self.segments.get(..after)?.iter().rfind(|segment| segment.is_copied)
    }

    /// Converts a diagnostic about the combined text to a diagnostic about the file. A fix is escaped for the scalar
    /// that contains the formula. The fix is removed if YAML would read the fixed scalar differently.
    pub fn map_to_file(&self, diagnostic: Diagnostic) -> Diagnostic {
        let fixed = diagnostic.fix().map(|fix| {
            let segment = self.copied_segment_at(fix.span.start);
            let (start, style) = segment.map_or((0, YamlStyle::Plain), |segment| {
                (segment.span.start, segment.from.node.style())
            });
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

/// Returns whether a string is a name such as `Order Date` or `1st`, which is not a formula.
fn is_name_with_spaces(text: &str) -> bool {
    let has_name_characters = text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | ' '));
    let is_number_and_word = text.starts_with(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_err();
    has_name_characters && (text.trim().contains(' ') || is_number_and_word)
}
