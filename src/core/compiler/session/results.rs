//! Replaces the results of some chunks of a file, and moves the other results to their new positions.

use std::ops::Range;

use crate::compiler::{Compiled, Definition};
use crate::diag::Diagnostic;
use crate::span::Span;

/// New results of adjacent chunks.
#[derive(Debug)]
pub(super) struct ChunkResultUpdate {
    /// Start offset of the chunks in the old text.
    pub start: u32,
    /// End offset of the chunks in the old text. `u32::MAX` at the end of the text.
    pub end: u32,
    pub definitions: Vec<Definition>,
    pub diagnostics: Vec<Diagnostic>,
}

impl ChunkResultUpdate {
    pub fn new(start: u32, end: u32) -> Self {
        Self {
            start,
            end,
            definitions: Vec::new(),
            diagnostics: Vec::new(),
        }
    }
}

impl Compiled {
    /// Replaces the results of the chunks in `replacements`, which are sorted by their old offsets and do not overlap.
    pub(super) fn replace_results(&mut self, replacements: Vec<ChunkResultUpdate>, shift: impl Fn(Span) -> Span) {
        let mut definitions = Vec::with_capacity(replacements.len());
        let mut diagnostics = Vec::with_capacity(replacements.len());
        for new in replacements {
            let old = new.start..new.end;
            definitions.push((
                index_range_in_offsets(&self.definitions, &old, |d| d.span.start),
                new.definitions,
            ));
            diagnostics.push((
                index_range_in_offsets(&self.diagnostics, &old, |d| d.span().start),
                new.diagnostics,
            ));
        }
        for definition in &mut self.definitions {
            definition.span = shift(definition.span);
            for mapping in &mut definition.mappings {
                mapping.formula = shift(mapping.formula);
            }
        }
        for diagnostic in &mut self.diagnostics {
            diagnostic.update_spans(&shift);
        }
        replace_ranges(&mut self.definitions, definitions);
        replace_ranges(&mut self.diagnostics, diagnostics);
    }
}

/// Returns the indices of the items that start in a range of offsets. The items are sorted by their start.
fn index_range_in_offsets<T>(items: &[T], offsets: &Range<u32>, start: impl Fn(&T) -> u32) -> Range<usize> {
    let first = items.partition_point(|item| start(item) < offsets.start);
    let rest = items.get(first..).unwrap_or_default();
    let length = rest.partition_point(|item| start(item) < offsets.end);
    first..first + length
}

/// Maximum number of ranges that are replaced one at a time. Each such replacement moves all items after the range, so
/// for more ranges, the whole list is built again.
const MAX_SPLICES: usize = 8;

fn replace_ranges<T>(items: &mut Vec<T>, ranges: Vec<(Range<usize>, Vec<T>)>) {
    if ranges.len() <= MAX_SPLICES {
        for (range, new) in ranges.into_iter().rev() {
            items.splice(range, new);
        }
        return;
    }
    let mut old = std::mem::take(items).into_iter();
    let mut position = 0;
    for (range, new) in ranges {
        items.extend(old.by_ref().take(range.start - position));
        old.by_ref().take(range.len()).for_each(drop);
        items.extend(new);
        position = range.end;
    }
    items.extend(old);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_ranges_are_replaced() {
        for count in [2, MAX_SPLICES + 1] {
            let mut items: Vec<usize> = (0..100).collect();
            let ranges = (0..count)
                .map(|n| (n * 10..n * 10 + 2, vec![1000 + n; n % 4]))
                .collect();
            let expected = (0..100).flat_map(|n| match (n / 10, n % 10) {
                (tens, ones @ 0..2) if tens < count => vec![1000 + tens; if ones == 0 { tens % 4 } else { 0 }],
                _ => vec![n],
            });
            let expected: Vec<usize> = expected.collect();
            replace_ranges(&mut items, ranges);
            assert_eq!(items, expected);
        }
    }
}
