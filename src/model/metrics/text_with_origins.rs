//! Generated spec text in which every byte has an origin in one of the source files.

use std::ops::Range;

use super::columns::FormulaReplacement;
use super::formulas::MetricFormula;
use crate::span::Span;

/// Position in a source file. File 0 is the model's spec, and file `n` is metric set `n - 1` of the expansion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceByte {
    pub file: u16,
    pub offset: u32,
    /// End of the text from which the byte originates: the next byte for copied text, and the end of the span for
    /// generated text.
    pub end: u32,
}

/// Text with the origin of each byte.
#[derive(Clone, Debug, Default)]
pub struct SourceMappedText {
    pub text: String,
    origins: Vec<SourceByte>,
}

impl SourceMappedText {
    /// Creates generated text. Each byte originates from the entire `span`.
    pub fn generated(text: &str, file: u16, span: Span) -> Self {
        let mut generated = Self::default();
        generated.write(text, file, span);
        generated
    }

    /// Appends generated text. Each byte originates from the entire `span`.
    pub fn write(&mut self, text: &str, file: u16, span: Span) {
        self.text.push_str(text);
        let origin = SourceByte {
            file,
            offset: span.start,
            end: span.end,
        };
        self.origins.extend(std::iter::repeat_n(origin, text.len()));
    }

    /// Appends copied text with the offset of each byte in its file. Line breaks are followed by `indent` spaces.
    pub fn copy(&mut self, text: &str, offsets: &[u32], file: u16, indent: usize) {
        for (byte_index, byte) in text.char_indices() {
            let origin = |index: usize| {
                let offset = offsets.get(index).or(offsets.last()).copied().unwrap_or_default();
                SourceByte {
                    file,
                    offset,
                    end: offset + 1,
                }
            };
            self.text.push(byte);
            self.origins
                .extend((byte_index..byte_index + byte.len_utf8()).map(origin));
            if byte == '\n' {
                self.text.extend(std::iter::repeat_n(' ', indent));
                self.origins.extend(std::iter::repeat_n(origin(byte_index), indent));
            }
        }
    }

    /// Appends `other`. Line breaks are followed by `indent` spaces.
    pub fn append(&mut self, other: &Self, indent: usize) {
        for (index, c) in other.text.char_indices() {
            let origins = other.origins.get(index..index + c.len_utf8()).unwrap_or_default();
            self.text.push(c);
            self.origins.extend_from_slice(origins);
            if let ('\n', Some(origin)) = (c, origins.first()) {
                self.text.extend(std::iter::repeat_n(' ', indent));
                self.origins.extend(std::iter::repeat_n(*origin, indent));
            }
        }
    }

    /// Returns the file and span from which a span of the text originates. A span that covers several files belongs to
    /// the file in which it starts.
    pub fn origin(&self, span: Span) -> (u16, Span) {
        let origin_at = |offset: u32| self.origins.get(offset as usize).or(self.origins.last()).copied();
        let none = SourceByte {
            file: 0,
            offset: 0,
            end: 0,
        };
        let start = origin_at(span.start).unwrap_or(none);
        let last = origin_at(span.end.saturating_sub(1).max(span.start)).unwrap_or(start);
        let end = match last.file == start.file && last.end >= start.offset {
            true if span.end > span.start => last.end,
            _ => start.offset,
        };
        (start.file, Span::new(start.offset, end))
    }

    /// Returns the ranges of the text that are copied from a part of a file.
    pub fn copied_ranges(&self, file: usize, part: Span) -> Vec<Range<usize>> {
        let is_copied = |origin: &SourceByte| {
            usize::from(origin.file) == file && part.start <= origin.offset && origin.end <= part.end
        };
        let mut ranges = Vec::new();
        let mut start = 0;
        for run in self
            .origins
            .chunk_by(|origin, other| is_copied(origin) == is_copied(other))
        {
            let end = start + run.len();
            if run.first().is_some_and(is_copied) {
                ranges.push(start..end);
            }
            start = end;
        }
        ranges
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

impl MetricFormula {
    /// Copies the formula with some of its bytes replaced. The ranges must be sorted and must not overlap. The formula
    /// is from file `file`.
    pub fn with_replacements(&self, file: u16, replaced: &[FormulaReplacement]) -> SourceMappedText {
        self.copy_range_with_replacements(file, &(0..self.text.len()), replaced)
    }

    /// Copies a part of the formula with some of its bytes replaced.
    pub fn copy_range_with_replacements(
        &self,
        file: u16,
        part: &Range<usize>,
        replaced: &[FormulaReplacement],
    ) -> SourceMappedText {
        let mut formula_text = SourceMappedText::default();
        let mut offset = part.start;
        let copy = |output: &mut SourceMappedText, range: Range<usize>| {
            let text = self.text.get(range.clone()).unwrap_or_default();
            output.copy(text, self.offsets.get(range).unwrap_or_default(), file, 0);
        };
        for (range, text) in replaced {
            copy(&mut formula_text, offset..range.start);
            formula_text.append(text, 0);
            offset = range.end;
        }
        copy(&mut formula_text, offset..part.end);
        formula_text
    }

    /// Returns the byte range in the formula for a span of the file.
    pub fn text_range(&self, span: Span) -> Range<usize> {
        let start = self.offsets.partition_point(|offset| *offset < span.start);
        let end = self.offsets.partition_point(|offset| *offset < span.end);
        start..end.max(start)
    }

    /// Maps a byte range in the formula to its span in the file.
    pub fn file_span(&self, range: &Range<usize>) -> Span {
        let file_offset = |offset: usize| self.offsets.get(offset).copied();
        let start = file_offset(range.start).unwrap_or(self.span.start);
        let end = range
            .end
            .checked_sub(1)
            .and_then(file_offset)
            .map_or(start, |last| last + 1);
        Span::new(start, end.max(start))
    }
}

/// Returns the name from a formula that consists only of a reference in the format of
/// [`quote_formula_name`](formulac_syntax::lex::quote_formula_name).
pub fn referenced_name(formula: &str) -> Option<&str> {
    let braced = formula.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    match braced {
        Some(name) => (!name.contains(['{', '}'])).then_some(name),
        None => crate::checks::is_identifier(formula).then_some(formula),
    }
}

/// Returns a name without characters that would need quotes.
pub fn remove_special_characters(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() { c } else { '_' };
    name.chars().map(plain).collect()
}
