//! File of formulas whose definitions are compiled again only if a change affects them.

mod install_chunks;

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::chunks::{Chunk, hash_mentioned_names, split_chunks};
use super::compiled_chunks::{CombinedChunk, CompiledChunks};
use super::dependencies::{ChunkId, Dependencies, KEYS_CHUNK, NEXT_CHUNK_PLACEHOLDER};
use super::edit::TextEdit;
use crate::arena::Arena;
use crate::check::{Context, MAX_CANDIDATES, MAX_SIMILAR_NAME_SEARCHES, OtherFileDefinitions};
use crate::compiler::{Compiled, Compiler};
use crate::span::Span;

/// Maximum number of times that an edit is compiled. Each time, more chunks may turn out to be affected.
const MAX_COMPILE_ROUNDS: usize = 4;

/// Chunk at its position in the file.
#[derive(Clone, Copy, Debug)]
struct PlacedChunk {
    start: u32,
    id: ChunkId,
}

impl PlacedChunk {
    fn to_combined_chunk(self, start: u32) -> CombinedChunk {
        CombinedChunk { start, id: self.id }
    }
}

/// Compiled file.
#[derive(Debug)]
pub(super) struct CompiledFile {
    emit: bool,
    text: String,
    /// Chunks in the order of the file. The first chunk starts at 0.
    order: Vec<PlacedChunk>,
    /// Position of each chunk in `order`, by number.
    places: Arena<u32>,
    dependencies: Dependencies,
    /// Whether a definition uses an aggregate.
    has_aggregates: bool,
    /// Chunk that uses an aggregate, possibly `KEYS_CHUNK`. `None` if no such chunk is known.
    aggregate: Option<ChunkId>,
    /// Relation to which all columns belong, and the first chunk (or `KEYS_CHUNK`) that reads one of its columns.
    common_relation_and_reader: Option<(Arc<str>, ChunkId)>,
    /// Names in the keys of the options.
    key_names: Vec<u64>,
    /// Number of definitions that were compiled for the last edit.
    pub recompiled: usize,
    pub compiled: Compiled,
}

/// Chunks that an edit replaces.
struct ChangedChunks {
    /// Positions of the old chunks.
    first: usize,
    last: usize,
    /// Range of the old chunks in the old text.
    old: Span,
    new: Vec<Chunk>,
}

impl CompiledFile {
    /// Compiles a file. Returns only the result if edits to the file cannot be compiled separately.
    pub fn new(compiler: &Compiler, source: &str, emit: bool) -> Result<Self, Compiled> {
        let split_source = || split_chunks(source, Span::new(0, source.len() as u32), &compiler.options.limits);
        let Some(chunks) = supports_incremental_compilation(compiler, source)
            .then(split_source)
            .flatten()
        else {
            return Err(compiler.pool.with_compile_memory(|memory| {
                compiler.compile_source(memory, source, emit, OtherFileDefinitions::default(), |_, _| ())
            }));
        };
        let mut dependencies = Dependencies::default();
        let span = |chunk: Chunk| PlacedChunk {
            start: chunk.span.start,
            id: dependencies.add(chunk),
        };
        let order: Vec<PlacedChunk> = chunks.into_iter().map(span).collect();
        let chunks: Vec<CombinedChunk> = order.iter().map(|chunk| chunk.to_combined_chunk(chunk.start)).collect();
        let part = CompiledChunks::new(compiler, source, chunks, emit, OtherFileDefinitions::default());
        let mut file = Self {
            emit,
            text: source.to_owned(),
            places: (0..order.len() as u32).collect(),
            order,
            dependencies,
            has_aggregates: part.aggregate.is_some(),
            aggregate: part.aggregate,
            common_relation_and_reader: part.common_relation_and_reader,
            key_names: keys(compiler).flat_map(|key| hash_mentioned_names(key)).collect(),
            recompiled: 0,
            compiled: part.compiled,
        };
        for (chunk, facts) in part.chunks.iter().zip(part.facts) {
            file.dependencies.update(chunk.id, facts);
        }
        file.dependencies.add_keys(&part.keys);
        if part.is_supported && file.is_within_limits(compiler) && part.count == file.count_definitions() {
            Ok(file)
        } else {
            Err(file.compiled)
        }
    }

    /// Compiles the changes in a new version of the file. Returns `Err(Some(file))` if the new text cannot be split
    /// into definitions, and `Err(None)` if the whole file must be compiled again.
    pub fn apply_edit(mut self, compiler: &Compiler, source: &str) -> Result<Self, Option<Self>> {
        self.recompiled = 0;
        let Some(edit) = TextEdit::between(&self.text, source) else {
            return Ok(self);
        };
        let is_supported = supports_incremental_compilation(compiler, source);
        let region = is_supported.then(|| self.find_changed_region(compiler, source, edit));
        let Some(region) = region.flatten() else {
            return Err(Some(self));
        };
        let is_settled_after = |(_, id): &(Arc<str>, ChunkId)| *id == KEYS_CHUNK || self.index(*id) >= region.first;
        if self.common_relation_and_reader.as_ref().is_some_and(is_settled_after) {
            return Err(None);
        }
        let (old, added) = (region.old, region.first..region.first + region.new.len());
        let affected = self.replace_chunks(source, region, edit).ok_or(None)?;
        let part = self.compile_affected(compiler, affected).ok_or(None)?;
        self.install_compiled_chunks(part, old, &added, edit);
        Ok(self)
    }

    /// Finds the chunks that contain the change. The changed text may also belong to the previous chunk. The first
    /// token of the next chunk may affect the layout of the changed text.
    fn find_changed_region(&self, compiler: &Compiler, source: &str, edit: TextEdit) -> Option<ChangedChunks> {
        let place_of = |offset: usize| self.order.partition_point(|chunk| chunk.start as usize <= offset) - 1;
        let first = place_of(edit.start).saturating_sub(1);
        let start = self.chunk(first).start;
        let last = (place_of(edit.old_end) + 1).min(self.order.len() - 1);
        let end = edit.shift(self.chunk_end(last));
        let new = split_chunks(source, Span::new(start, end), &compiler.options.limits)?;
        let mut region = ChangedChunks {
            first,
            last: last + 1,
            old: Span::default(),
            new,
        };
        self.skip_unchanged_chunks(&mut region, source);
        let start = self
            .order
            .get(region.first)
            .map_or(self.text.len() as u32, |chunk| chunk.start);
        let end = self
            .order
            .get(region.last)
            .map_or(self.text.len() as u32, |chunk| chunk.start);
        region.old = Span::new(start, end);
        let is_unbalanced = |chunk: &&Chunk| chunk.is_unbalanced;
        let removed = (region.first..region.last)
            .map(|index| self.chunk(index))
            .filter(|chunk| self.dependencies.is_unbalanced(chunk.id))
            .count();
        let unbalanced = self.dependencies.unbalanced - removed + region.new.iter().filter(is_unbalanced).count();
        (unbalanced <= 1).then_some(region)
    }

    /// Removes from both ends of the region the chunks whose text has not changed.
    fn skip_unchanged_chunks(&self, region: &mut ChangedChunks, source: &str) {
        let pairs = (region.first..region.last).zip(&region.new);
        let unchanged_count = pairs
            .take_while(|(index, chunk)| self.chunk_text(*index) == chunk.span.text(source))
            .count();
        region.new.drain(..unchanged_count);
        region.first += unchanged_count;
        let pairs = (region.first..region.last).rev().zip(region.new.iter().rev());
        let same_count = pairs
            .take_while(|(index, chunk)| self.chunk_text(*index) == chunk.span.text(source))
            .count();
        region.new.truncate(region.new.len() - same_count);
        region.last -= same_count;
    }

    /// Returns the chunk at a position.
    #[expect(clippy::indexing_slicing, reason = "all positions come from `order`")]
    fn chunk(&self, index: usize) -> PlacedChunk {
        self.order[index]
    }

    /// Returns the position of a chunk.
    fn index(&self, id: ChunkId) -> usize {
        self.places[id as usize] as usize
    }

    fn chunk_text(&self, index: usize) -> &str {
        Span::new(self.chunk(index).start, self.chunk_end(index)).text(&self.text)
    }

    /// Returns the number of definitions in the file.
    fn count_definitions(&self) -> usize {
        self.order
            .iter()
            .map(|chunk| self.dependencies.names(chunk.id).len())
            .sum()
    }

    /// Returns `true` if the file is certain to stay within all limits per file.
    fn is_within_limits(&self, compiler: &Compiler) -> bool {
        let Dependencies {
            unbalanced,
            searches,
            width,
            ..
        } = self.dependencies;
        unbalanced <= 1 && searches <= MAX_SIMILAR_NAME_SEARCHES && width <= compiler.options.limits.output / 2
    }

    /// Returns the end offset of a chunk.
    fn chunk_end(&self, index: usize) -> u32 {
        self.order
            .get(index + 1)
            .map_or(self.text.len() as u32, |next| next.start)
    }

    /// Replaces the chunks of a region. Returns the chunks that the change affects. `None` if the change affects the
    /// keys.
    fn replace_chunks(&mut self, source: &str, region: ChangedChunks, edit: TextEdit) -> Option<FxHashSet<ChunkId>> {
        let ChangedChunks { first, last, new, .. } = region;
        let new_names: Vec<&str> = new
            .iter()
            .flat_map(|chunk| {
                chunk
                    .names
                    .iter()
                    .map(|name| name.shift_right(chunk.span.start).text(source))
            })
            .collect();
        let removed: Vec<ChunkId> = (first..last).map(|index| self.chunk(index).id).collect();
        let has_same_names = (first..last)
            .flat_map(|index| self.chunk_names(index, &self.text))
            .eq(new_names);
        let mut affected = self.dependencies.dependents(&removed);
        if !has_same_names {
            affected.extend(&self.dependencies.readers_of_all_names);
        }
        let changes_keys = |file: &Self, ids: &[ChunkId]| {
            let names = &file.key_names;
            ids.iter().any(|id| file.dependencies.defines_any(*id, names))
        };
        if changes_keys(self, &removed) {
            return None;
        }
        for id in &removed {
            affected.remove(id);
        }
        for id in removed {
            self.dependencies.remove(id);
            if self.aggregate == Some(id) {
                self.aggregate = None;
            }
        }
        let index = |chunk: Chunk| PlacedChunk {
            start: chunk.span.start,
            id: self.dependencies.add(chunk),
        };
        let placed: Vec<PlacedChunk> = new.into_iter().map(index).collect();
        let added: Vec<ChunkId> = placed.iter().map(|chunk| chunk.id).collect();
        let after = first + placed.len();
        let moves = placed.len() != last - first;
        self.order.splice(first..last, placed);
        for chunk in self.order.iter_mut().skip(after) {
            chunk.start = edit.shift(chunk.start);
        }
        for (index, chunk) in self.order.iter().enumerate().skip(first) {
            if index >= after && !moves {
                break;
            }
            let id = chunk.id as usize;
            self.places.resize(self.places.len().max(id + 1), 0);
            self.places[id] = index as u32;
        }
        self.text
            .replace_range(edit.start..edit.old_end, source.get(edit.start..edit.new_end)?);
        affected.extend(&added);
        (!changes_keys(self, &added)).then_some(affected)
    }

    /// Compiles the affected chunks. `None` if the results of all chunks may change.
    fn compile_affected(&mut self, compiler: &Compiler, mut affected: FxHashSet<ChunkId>) -> Option<CompiledChunks> {
        let mut compiled: FxHashSet<ChunkId> = FxHashSet::default();
        let mut last = None;
        for _ in 0..MAX_COMPILE_ROUNDS {
            self.dependencies.add_dependents(&mut affected);
            let is_global = |id: &ChunkId| {
                let is_before_settled = |(_, settled): &(Arc<str>, ChunkId)| {
                    *settled != KEYS_CHUNK && self.index(*id) <= self.index(*settled)
                };
                self.dependencies.defines_any(*id, &self.key_names)
                    || self.common_relation_and_reader.as_ref().is_some_and(is_before_settled)
            };
            if affected.iter().any(is_global) {
                return None;
            }
            let needed_chunks = self.dependencies.chunks_to_compile(&affected, &self.key_names);
            if needed_chunks.is_subset(&compiled) {
                return last;
            }
            compiled.extend(needed_chunks);
            let part = self.compile_chunks(compiler, &compiled)?;
            let facts = part.chunks.iter().zip(&part.facts);
            for (chunk, facts) in facts.filter(|(chunk, _)| chunk.id != NEXT_CHUNK_PLACEHOLDER) {
                self.dependencies.update(chunk.id, facts.clone());
            }
            if !self.is_within_limits(compiler) {
                return None;
            }
            last = Some(part);
        }
        None
    }

    /// Compiles chunks together. `None` if the results of all chunks may change.
    fn compile_chunks(&mut self, compiler: &Compiler, ids: &FxHashSet<ChunkId>) -> Option<CompiledChunks> {
        let mut places: Vec<usize> = ids.iter().map(|id| self.index(*id)).collect();
        places.sort_unstable();
        let mut text = String::new();
        let mut chunks = Vec::with_capacity(places.len());
        let mut count = 0;
        for (index, position) in places.iter().copied().enumerate() {
            let chunk = self.chunk(position);
            chunks.push(chunk.to_combined_chunk(text.len() as u32));
            text.push_str(self.chunk_text(position));
            count += self.dependencies.names(chunk.id).len();
            // The first token of the next definition may affect errors at the end of this definition.
            if position + 1 < self.order.len() && places.get(index + 1) != Some(&(position + 1)) {
                let name = self.chunk_names(position + 1, &self.text).next()?;
                let start = text.len() as u32;
                chunks.push(CombinedChunk {
                    start,
                    id: NEXT_CHUNK_PLACEHOLDER,
                });
                text.push_str(&format!("{name} = 0\n"));
            }
        }
        let names: Vec<&str> = (0..self.order.len())
            .flat_map(|position| self.chunk_names(position, &self.text))
            .take(MAX_CANDIDATES)
            .collect();
        let rest = OtherFileDefinitions {
            names: Some(&names),
            common_relation: self.common_relation_and_reader.as_ref().map(|(relation, _)| relation),
            has_aggregates: self.aggregate.is_some(),
            ..OtherFileDefinitions::default()
        };
        let part = CompiledChunks::new(compiler, &text, chunks, self.emit, rest);
        if self.aggregate.is_none() {
            self.aggregate = part.aggregate;
        }
        let is_same = self.aggregate.is_some() == self.has_aggregates && part.common_relation_and_reader.is_none();
        (part.is_supported && part.count == count && is_same).then_some(part)
    }

    /// Returns the names that a chunk defines.
    fn chunk_names<'t>(&self, index: usize, text: &'t str) -> impl Iterator<Item = &'t str> + use<'_, 't> {
        let PlacedChunk { start, id } = self.chunk(index);
        let names = self.dependencies.names(id).iter();
        names.map(move |name| name.shift_right(start).text(text))
    }
}

/// Returns whether the results of some definitions of a file can be computed without the other definitions.
fn supports_incremental_compilation(compiler: &Compiler, source: &str) -> bool {
    let options = &compiler.options;
    let length = source.len() + keys(compiler).map(|key| key.len() + 1).sum::<usize>();
    options.context != Context::Worksheet
        && options.given_types.is_empty()
        && length <= options.limits.source.min(u32::MAX as usize / 2)
}

/// Returns the grouping, partition and sort keys of the compiler's options.
fn keys(compiler: &Compiler) -> impl Iterator<Item = &String> {
    let options = &compiler.options;
    let keys = [&options.group_by, &options.partition_by, &options.order_by];
    keys.into_iter().flatten()
}
