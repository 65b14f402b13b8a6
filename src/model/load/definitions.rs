//! Loads definitions, which are a text block or a mapping.

use super::dbt::DefinitionKeys;
use super::{SpannedText, SpecLoader, Step, StepDefinitions};
use crate::checks::is_identifier;
use crate::diag::{Code, Diagnostic};
use crate::keys::DEFINITION;
use crate::span::Span;
use crate::yaml::{self, Node};
use formulac_syntax::text::is_word_char;

impl<'y> SpecLoader<'y, '_> {
    pub(crate) fn read_definitions(&mut self, node: &'y Node, step: &mut Step<'y>) {
        if let Some(text) = node.text() {
            self.check_truncated_text("definitions", node);
            if self.report_joined_lines(node) || self.is_mapping_in_block(node, text) {
                step.has_invalid_keys = true;
                return;
            }
            step.definitions
                .push(StepDefinitions::Block(SpannedText { text, node }));
            return;
        }
        if node.pairs().is_none() {
            if !node.is_null() {
                step.has_invalid_keys = true;
                self.report(
                    Diagnostic::new(
                        Code::WrongShape,
                        node.span,
                        format!(
                            "`definitions` must be a text block or a mapping, found {}",
                            node.kind_name()
                        ),
                    )
                    .with_help(
                        "write `definitions: |` with one `name = formula` per line, or one `name: formula` \
                        per line without `|`",
                    ),
                );
            }
            return;
        }
        for (key, value) in self.pairs_without_comma_errors(node, |_, value| value.text().is_some()) {
            let Some(text) = self.name(key, "a definition's name") else {
                step.has_invalid_keys = true;
                continue;
            };
            let name = SpannedText { text, node: key };
            self.check_name("a definition's name", text, key);
            let (formula, description, keys) = if value.pairs().is_some() {
                self.check_keys(value, &[&DEFINITION]);
                (
                    self.text(value, "formula"),
                    self.description(value),
                    self.definition_keys(value),
                )
            } else {
                self.check_truncated_text(text, value);
                let formula = value.text().map(|text| SpannedText { text, node: value });
                if formula.is_none() {
                    self.report_invalid_shape(text, "a formula", value);
                }
                (formula, None, DefinitionKeys::default())
            };
            step.has_invalid_keys |= formula.is_none();
            step.definitions.extend(formula.map(|formula| StepDefinitions::Named {
                name,
                formula,
                description,
                keys,
            }));
        }
    }

    /// Reports lines of the form `name: formula` below `definitions: |`, because the `|` turns them into a string
    /// instead of a mapping.
    fn is_mapping_in_block(&mut self, node: &'y Node, text: &'y str) -> bool {
        let yaml::NodeKind::Scalar {
            style: yaml::YamlStyle::Block,
            ..
        } = &node.kind
        else {
            return false;
        };
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("//"));
        let is_named_line = |line: &str| line.split_once(": ").is_some_and(|(name, _)| is_identifier(name));
        let Some(first) = lines.clone().next().filter(|_| lines.clone().all(is_named_line)) else {
            return false;
        };
        let span = SpannedText { text: first, node }.span(self.source);
        let corrected = first.replacen(": ", " = ", 1);
        self.report(
            Diagnostic::new(
                Code::WrongShape,
                span,
                "in a text block, write a definition as `name = formula`, not `name: formula`",
            )
            .with_help(format!("write `{corrected}`, or remove the `|` for a mapping")),
        );
        true
    }

    /// Reports lines of the form `name = formula` below `definitions:` without `|`, or below `definitions: >`, if YAML
    /// joins them into one line. YAML keeps the line break before an empty line and, below `>`, around indented lines.
    pub(crate) fn report_joined_lines(&mut self, node: &Node) -> bool {
        let before = self
            .source
            .get(..node.span.start as usize)
            .unwrap_or_default()
            .trim_end();
        // The header of a text block is the last word of its line. Only a comment may follow it.
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.get(line_start..).unwrap_or_default();
        let line = line.split(" #").next().unwrap_or_default().trim_end();
        let header = line.rsplit(char::is_whitespace).next().unwrap_or_default();
        let is_folded = node.style() == yaml::YamlStyle::Block && header.starts_with('>');
        if !is_folded && node.style() != yaml::YamlStyle::Plain {
            return false;
        }
        let gap = self.source.get(before.len()..node.span.start as usize);
        let is_below = gap.is_some_and(|gap| gap.contains('\n'));
        let indentation = gap.map_or(0, |gap| gap.len() - gap.rfind('\n').map_or(0, |at| at + 1));
        // YAML joins an indented line without `|` with the line before it, as the user expects for a long formula.
        let continues = |(index, line): (usize, &str)| {
            !is_folded && is_below && index > 0 && line.len() - line.trim_start().len() != indentation
        };
        let defines = |line: &str| {
            let name = line.split_once('=').map_or("", |(name, _)| name.trim());
            is_identifier(name)
        };
        let lines = node.span.text(self.source).lines().enumerate();
        let written = lines.filter(|line| !continues(*line) && defines(line.1)).count();
        let read = node.text().unwrap_or_default().lines().filter(|line| defines(line));
        if written <= read.count() {
            return false;
        }
        let start = (line_start + line.len() - header.len()) as u32;
        let (message, span) = match is_folded {
            true => (
                "`>` joins the lines of `definitions` into one",
                Span::new(start, start + 1),
            ),
            false => ("without `|`, YAML joins the lines of `definitions` into one", node.span),
        };
        let diagnostic = Diagnostic::new(Code::WrongShape, span, message).with_help("write `definitions: |`");
        self.report(if is_folded {
            diagnostic.with_fix(span, "|")
        } else if is_below && before.ends_with(':') {
            let offset = before.len() as u32;
            diagnostic.with_fix(Span::new(offset, offset), " |")
        } else {
            diagnostic
        });
        true
    }
}

impl<'y> Step<'y> {
    /// Returns the name of a definition that is a rank, such as `place = RANK(revenue)`.
    pub fn rank_column(&self) -> Option<&'y str> {
        let rank = |name: &'y str, formula: &str| {
            let word = formula.trim_start().split(['(', '.']).next()?;
            let is_rank = word.trim_end().eq_ignore_ascii_case("RANK") && name.chars().all(is_word_char);
            is_rank.then_some(name)
        };
        self.definitions.iter().find_map(|definitions| match definitions {
            StepDefinitions::Block(text) => {
                let mut lines = text.text.lines().filter_map(|line| line.split_once('='));
                lines.find_map(|(name, formula)| rank(name.trim(), formula))
            }
            StepDefinitions::Named { name, formula, .. } => rank(name.text, formula.text),
        })
    }
}
