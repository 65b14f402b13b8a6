//! Places the results of the compiled chunks among the results of the other chunks.

use std::ops::Range;

use super::CompiledFile;
use crate::compiler::session::compiled_chunks::{CombinedChunk, CompiledChunks};
use crate::compiler::session::dependencies::NEXT_CHUNK_PLACEHOLDER;
use crate::compiler::session::edit::TextEdit;
use crate::compiler::session::results::ChunkResultUpdate;
use crate::span::Span;

impl CompiledFile {
    /// Replaces the results of the compiled chunks, and moves all other results. `old` contains the old offsets of the
    /// chunks that were replaced by the chunks at `added`.
    pub(super) fn install_compiled_chunks(
        &mut self,
        mut part: CompiledChunks,
        old: Span,
        added: &Range<usize>,
        edit: TextEdit,
    ) {
        let definitions = std::mem::take(&mut part.compiled.definitions);
        let diagnostics = std::mem::take(&mut part.compiled.diagnostics);
        let move_span = |span: Span, start: u32, to: u32| Span::new(span.start - start + to, span.end - start + to);
        // A position past the end of the text refers to the keys.
        let place_span = |span: Span| {
            let index = part.chunk_at(span.start);
            match part.chunks.get(index) {
                _ if span == Span::default() => span,
                Some(chunk) if span.start <= part.length => {
                    move_span(span, chunk.start, self.chunk_start(&part.chunks, index))
                }
                _ => move_span(span, part.length, self.text.len() as u32),
            }
        };
        let (mut replacements, owners) = self.replaced_chunks(&part.chunks, old, added, edit);
        for mut definition in definitions {
            let owner = owners.get(part.chunk_at(definition.span.start)).copied().flatten();
            let Some(replacement) = owner.and_then(|owner| replacements.get_mut(owner)) else {
                continue;
            };
            definition.span = place_span(definition.span);
            for mapping in &mut definition.mappings {
                mapping.formula = place_span(mapping.formula);
            }
            replacement.definitions.push(definition);
        }
        for mut diagnostic in diagnostics {
            let owner = owners.get(part.chunk_at(diagnostic.span().start)).copied().flatten();
            let Some(replacement) = owner.and_then(|owner| replacements.get_mut(owner)) else {
                continue;
            };
            diagnostic.update_spans(place_span);
            replacement.diagnostics.push(diagnostic);
        }
        self.recompiled = part.count;
        self.compiled.replace_results(replacements, |span| {
            if span.start >= old.end && span != Span::default() {
                Span::new(edit.shift(span.start), edit.shift(span.end))
            } else {
                span
            }
        });
    }

    /// Returns the start offset of a compiled chunk in the file.
    fn chunk_start(&self, chunks: &[CombinedChunk], index: usize) -> u32 {
        let id = |index: usize| chunks.get(index).map_or(NEXT_CHUNK_PLACEHOLDER, |chunk| chunk.id);
        if id(index) != NEXT_CHUNK_PLACEHOLDER {
            return self.chunk(self.index(id(index))).start;
        }
        let next = self.chunk(self.index(id(index - 1)) + 1);
        next.start + self.dependencies.names(next.id).first().map_or(0, |name| name.start)
    }

    /// Returns the old offsets of the compiled chunks, and the index of each chunk's replacement. `None` for a
    /// definition that only represents the start of the next chunk.
    fn replaced_chunks(
        &self,
        chunks: &[CombinedChunk],
        old: Span,
        added: &Range<usize>,
        edit: TextEdit,
    ) -> (Vec<ChunkResultUpdate>, Vec<Option<usize>>) {
        // Returns the old offset of a chunk that the edit did not replace.
        let old_start = |index: usize| match self.order.get(index) {
            _ if index == added.start => old.start,
            None => u32::MAX,
            Some(chunk) if index < added.start => chunk.start,
            Some(chunk) => (chunk.start as usize + edit.old_end - edit.new_end) as u32,
        };
        let mut replacements: Vec<ChunkResultUpdate> = Vec::new();
        let mut owners = Vec::with_capacity(chunks.len());
        let mut region = None;
        let region_end = if added.end == self.order.len() {
            u32::MAX
        } else {
            old.end
        };
        let places = chunks
            .iter()
            .map(|chunk| (chunk.id != NEXT_CHUNK_PLACEHOLDER).then(|| self.index(chunk.id)));
        // The region is replaced even if it no longer contains chunks.
        for index in places.chain([Some(self.order.len())]) {
            let Some(index) = index else {
                owners.push(None);
                continue;
            };
            if index >= added.start {
                region = region.or_else(|| {
                    replacements.push(ChunkResultUpdate::new(old.start, region_end));
                    Some(replacements.len() - 1)
                });
            }
            match region {
                Some(region) if added.contains(&index) => owners.push(Some(region)),
                _ if index == self.order.len() => {}
                _ => {
                    owners.push(Some(replacements.len()));
                    let start = if index == added.end { old.end } else { old_start(index) };
                    replacements.push(ChunkResultUpdate::new(start, old_start(index + 1)));
                }
            }
        }
        (replacements, owners)
    }
}
