//! Excerpts of a source for diagnostics, in the form that miette needs: control characters are escaped, long lines are
//! shortened to the text around the spans, and each span is within one line.

use std::ops::Range;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use formulac::diag::render::{escape_hidden, is_hidden};
use formulac::span::{LineIndex, Position, Span};

/// Maximum length of a line that is not shortened, in characters.
const MAX_LINE_LENGTH: usize = 160;
/// Number of characters shown on each side of a span in a longer line.
const CONTEXT_LENGTH: usize = 60;

/// Line of an excerpt.
#[derive(Debug)]
struct SnippetLine {
    number: usize,
    /// Offset of the line in the excerpt.
    start: usize,
    /// Offsets of each visible character in the source and in the excerpt, in order.
    map: Vec<(u32, usize)>,
}

/// Excerpt of a source around some spans.
#[derive(Debug)]
pub struct Snippet {
    name: String,
    text: String,
    lines: Vec<SnippetLine>,
    /// Offset of the main span in the excerpt, and the position of the span in the source. The position cannot be
    /// derived from shortened lines.
    main: (usize, Position),
}

impl Snippet {
    /// Creates an excerpt with the lines of these spans. The first span is the main span.
    pub fn new(name: &str, source: &str, index: &LineIndex<'_>, places: &[Span]) -> Self {
        let spans: Vec<(u32, Span)> = places
            .iter()
            .map(|span| (index.position(span.start).line, clip_to_first_line(source, *span)))
            .collect();
        let mut lines: Vec<u32> = spans.iter().map(|(line, _)| *line).collect();
        lines.sort_unstable();
        lines.dedup();
        // If a single line separates two selected lines, include that line, so that the three lines form one block.
        let between: Vec<u32> = lines
            .iter()
            .zip(lines.iter().skip(1))
            .filter(|(line, next)| *next - *line == 2)
            .map(|(line, _)| line + 1)
            .collect();
        lines.extend(between);
        lines.sort_unstable();
        let mut snippet = Self {
            name: escape_hidden(name).into_owned(),
            text: String::new(),
            lines: Vec::new(),
            main: (0, Position { line: 1, column: 1 }),
        };
        for number in lines {
            let spans: Vec<Span> = spans
                .iter()
                .filter(|(line, _)| *line == number)
                .map(|(_, s)| *s)
                .collect();
            snippet.push(source, index.line_start(number), number, &spans);
        }
        if let Some(first) = places.first() {
            snippet.main = (
                snippet.source_span(source, index, *first).offset(),
                index.position(first.start),
            );
        }
        snippet
    }

    fn push(&mut self, source: &str, start: u32, number: u32, spans: &[Span]) {
        let rest = source.get(start as usize..).unwrap_or_default();
        let text = rest.split('\n').next().unwrap_or_default();
        let text = text.strip_suffix('\r').unwrap_or(text);
        let mut line = SnippetLine {
            number: number as usize,
            start: self.text.len(),
            map: Vec::new(),
        };
        let mut end = 0;
        for window in visible_ranges(text, start, spans) {
            if window.start > end {
                line.map.push((start + end as u32, self.text.len()));
                self.text.push('…');
            }
            for (offset, c) in text.get(window.clone()).unwrap_or_default().char_indices() {
                line.map.push((start + (window.start + offset) as u32, self.text.len()));
                if is_hidden(c) {
                    self.text.push_str(&escape_hidden(c.encode_utf8(&mut [0; 4])));
                } else {
                    self.text.push(c);
                }
            }
            end = window.end;
        }
        if end < text.len() {
            line.map.push((start + end as u32, self.text.len()));
            self.text.push('…');
        }
        line.map.push((start + text.len() as u32, self.text.len()));
        self.text.push('\n');
        self.lines.push(line);
    }

    /// Converts a span in the source to a span in the excerpt.
    pub fn source_span(&self, source: &str, index: &LineIndex<'_>, span: Span) -> SourceSpan {
        let number = index.position(span.start).line as usize;
        let span = clip_to_first_line(source, span);
        let Some(line) = self.lines.iter().find(|l| l.number == number) else {
            return (0, 0).into();
        };
        let start = line.excerpt_offset(span.start, true);
        let end = line.excerpt_offset(span.end, false);
        (start, end.saturating_sub(start)).into()
    }
}

impl SnippetLine {
    /// Converts an offset in the source to an offset in the excerpt: the start of the character or, for the end of a
    /// span, the end of the previous character.
    fn excerpt_offset(&self, offset: u32, begins: bool) -> usize {
        let after = self
            .map
            .partition_point(|(o, _)| if begins { *o <= offset } else { *o < offset });
        let index = if begins { after.saturating_sub(1) } else { after };
        self.map
            .get(index)
            .or(self.map.last())
            .map_or(self.start, |(_, view)| *view)
    }
}

/// Returns the visible parts of a line: the complete line, or the parts of a long line near the ends of spans.
fn visible_ranges(line: &str, start: u32, spans: &[Span]) -> Vec<Range<usize>> {
    if line.len() <= MAX_LINE_LENGTH {
        return std::iter::once(0..line.len()).collect();
    }
    let ends = spans
        .iter()
        .flat_map(|s| [s.start, s.end])
        .map(|offset| (offset.saturating_sub(start)) as usize);
    let mut ends: Vec<usize> = if spans.is_empty() { vec![0] } else { ends.collect() };
    ends.sort_unstable();
    let mut windows: Vec<Range<usize>> = Vec::new();
    for end in ends {
        let from = char_start(line, end.saturating_sub(CONTEXT_LENGTH));
        let to = char_start(line, end + CONTEXT_LENGTH);
        match windows.last_mut() {
            Some(last) if from <= last.end + 1 => last.end = last.end.max(to),
            _ => windows.push(from..to),
        }
    }
    windows
}

/// Returns the start of the character that contains an offset.
fn char_start(line: &str, offset: usize) -> usize {
    let offset = offset.min(line.len());
    (0..=offset)
        .rev()
        .find(|start| line.is_char_boundary(*start))
        .unwrap_or(0)
}

/// Ends a span of several lines at the end of its first line.
fn clip_to_first_line(source: &str, span: Span) -> Span {
    let start = span.start.min(source.len() as u32);
    let rest = source.as_bytes().get(start as usize..).unwrap_or_default();
    let line = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    let line = if line > 0 && rest.get(line - 1) == Some(&b'\r') {
        line - 1
    } else {
        line
    };
    Span::new(start, span.end.clamp(start, start + line as u32))
}

impl SourceCode for Snippet {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        _before: usize,
        _after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let line_of = |offset: usize| self.lines.partition_point(|l| l.start <= offset).saturating_sub(1);
        let (first, last) = (line_of(span.offset()), line_of(span.offset() + span.len()));
        let (Some(line), Some(last_line)) = (self.lines.get(first), self.lines.get(last)) else {
            return Err(MietteError::OutOfBounds);
        };
        let end = self.lines.get(last + 1).map_or(self.text.len(), |l| l.start);
        let data = self.text.as_bytes().get(line.start..end).unwrap_or_default();
        let column = if span.offset() == self.main.0 {
            self.main.1.column as usize - 1
        } else {
            self.text
                .get(line.start..span.offset())
                .map_or(0, |t| t.chars().count())
        };
        // Choose the count so that miette joins blocks that are at most one line apart.
        let count = last_line.number - line.number + 2;
        let source_span = (line.start, end - line.start).into();
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            data,
            source_span,
            line.number - 1,
            column,
            count,
        )))
    }
}
