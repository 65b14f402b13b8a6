//! Formulas of a step as one source text, with a map from positions in this text to positions in the YAML file.

use super::joins::JoinCriterion;
use super::load::{SpannedText, Step, StepDefinitions};
use crate::check::DefinitionRole;
use crate::lex::LayoutMode;
use crate::parse::SourcePart;
use crate::plan::key_name;
use crate::span::Span;
use crate::yaml;

/// All formulas of a step in one text, each on its own line. Each formula is a part with a role.
#[derive(Debug, Default)]
pub struct StepFormulas {
    pub text: String,
    pub parts: Vec<SourcePart>,
    pub roles: Vec<DefinitionRole>,
    /// Description of each part, if the part has one.
    pub descriptions: Vec<Option<String>>,
    /// Offset in the file for each byte of the text.
    offsets: Vec<u32>,
    /// Node whose offsets were computed last. The node is cached because a comma-separated text may contain many names.
    last: Option<(*const yaml::Node, Vec<u32>)>,
    /// For each part, whether its ordering key is descending.
    pub descending: Vec<bool>,
    /// For each part, whether its name is quoted.
    pub quoted: Vec<bool>,
}

/// Part of a generated formula, with the spec text from which the part was generated.
pub type FormulaPartWithSource<'y> = (String, SpannedText<'y>);

impl StepFormulas {
    pub fn new(step: &Step<'_>, source: &str) -> Self {
        Self::with_using(step, &[], source)
    }

    /// Collects the formulas of a step. The parameter `using` contains the join conditions that are derived from
    /// `using` keys.
    pub fn with_using(step: &Step<'_>, using: &[(u32, Vec<FormulaPartWithSource<'_>>)], source: &str) -> Self {
        let mut formulas = Self::default();
        // If a sheet column is a timeframe, this step computes it under the column's name.
        for column in step.sheet.iter().flat_map(|sheet| sheet.columns.iter().flatten()) {
            if column.text.contains('[') {
                let name = formulas.add_generated_formula(&[(key_name(column.text), *column)]);
                formulas.add_part(
                    *column,
                    source,
                    LayoutMode::Formula,
                    DefinitionRole::Definitions,
                    Some(name),
                    None,
                );
            }
        }
        for definitions in &step.definitions {
            match definitions {
                StepDefinitions::Block(text) => {
                    formulas.add_part(*text, source, LayoutMode::File, DefinitionRole::Definitions, None, None);
                }
                StepDefinitions::Named {
                    name,
                    formula,
                    description,
                    ..
                } => {
                    let at = formulas.append_line(*name, source);
                    formulas.add_part(
                        *formula,
                        source,
                        LayoutMode::Formula,
                        DefinitionRole::Definitions,
                        Some(at),
                        description.clone(),
                    );
                    if let Some(quoted) = formulas.quoted.last_mut() {
                        *quoted = name.node.is_quoted();
                    }
                }
            }
        }
        for text in &step.group_by {
            formulas.add_part(*text, source, LayoutMode::Formula, DefinitionRole::GroupBy, None, None);
        }
        for (place, join) in (0u32..).zip(&step.joins) {
            if let JoinCriterion::On(text) = &join.by {
                formulas.add_part(
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
            let span = formulas.add_generated_formula(spelled);
            formulas.add(span, LayoutMode::Formula, DefinitionRole::On(*place), None, None);
        }
        if let Some(text) = step.filter {
            formulas.add_part(text, source, LayoutMode::Formula, DefinitionRole::Where, None, None);
        }
        if let Some(text) = step.having {
            formulas.add_part(text, source, LayoutMode::Formula, DefinitionRole::Having, None, None);
        }
        for text in step.partition_by.iter().flatten() {
            formulas.add_part(
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
            formulas.add_part(
                SpannedText { text, node: key.node },
                source,
                LayoutMode::Formula,
                DefinitionRole::OrderBy,
                None,
                None,
            );
            if let Some(last) = formulas.descending.last_mut() {
                *last = descending;
            }
        }
        formulas
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
            self.offsets
                .extend((0..text.len()).map(|i| if i + 1 < text.len() { first } else { last }));
        }
        Span::new(start, self.text.len() as u32)
    }

    fn new_line(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
            let last = self.offsets.last().copied().unwrap_or_default();
            self.offsets.push(last);
        }
    }

    /// Adds text from the spec on its own line and returns its span.
    fn append_line(&mut self, text: SpannedText<'_>, source: &str) -> Span {
        self.new_line();
        let start = self.text.len() as u32;
        let whole = text.node.text().unwrap_or_default();
        let node: *const yaml::Node = text.node;
        let offsets = match self.last.take() {
            Some((last, offsets)) if std::ptr::eq(last, node) => offsets,
            _ => yaml::source_offsets(text.node, source),
        };
        // The text may be a single name in a comma-separated list.
        let within = whole.find(text.text).unwrap_or(0);
        let within = (text.text.as_ptr() as usize)
            .checked_sub(whole.as_ptr() as usize)
            .filter(|w| *w <= whole.len())
            .unwrap_or(within);
        self.text.push_str(text.text);
        let fallback = text.node.span.start;
        let places = within..within + text.text.len();
        self.offsets
            .extend(places.map(|place| offsets.get(place).copied().unwrap_or(fallback)));
        self.last = Some((node, offsets));
        Span::new(start, self.text.len() as u32)
    }

    /// Converts a span in the combined text to a span in the file.
    pub fn to_file_span(&self, span: Span) -> Span {
        let at = |offset: u32| self.offsets.get(offset as usize).copied();
        let last = self.offsets.last().map_or(0, |o| o + 1);
        let start = at(span.start).unwrap_or(last);
        let end = match span.end.checked_sub(1).and_then(at) {
            Some(before) if span.end > span.start => before + self.char_length(span.end - 1),
            _ => start,
        };
        Span::new(start, end.max(start))
    }

    /// Returns the length in bytes of the character that contains this byte.
    fn char_length(&self, offset: u32) -> u32 {
        let mut start = offset as usize;
        while start > 0 && !self.text.is_char_boundary(start) {
            start -= 1;
        }
        self.text
            .get(start..)
            .and_then(|t| t.chars().next())
            .map_or(1, |c| c.len_utf8() as u32)
    }
}
