//! Compiles some chunks of a file together.

use std::sync::Arc;

use super::dependencies::{ChunkId, CompiledChunkProperties, KEYS_CHUNK, NEXT_CHUNK_PLACEHOLDER};
use crate::check::{OtherFileDefinitions, collect_source_dependencies};
use crate::compiler::{Compiled, Compiler};
use crate::diag::Diagnostic;
use crate::scratch::CompileMemory;
use crate::span::Span;

/// Chunk in source text that consists of several chunks.
#[derive(Clone, Copy, Debug)]
pub(super) struct CombinedChunk {
    /// Start offset in the text.
    pub start: u32,
    pub id: ChunkId,
}

/// Result of compiling some chunks of a file.
#[derive(Debug)]
pub(super) struct CompiledChunks {
    pub compiled: Compiled,
    pub chunks: Vec<CombinedChunk>,
    /// Properties of each chunk, in the order of `chunks`.
    pub facts: Vec<CompiledChunkProperties>,
    /// Properties of the grouping, partition and sort keys in the options.
    pub keys: CompiledChunkProperties,
    /// First chunk that uses an aggregate, possibly `KEYS_CHUNK`.
    pub aggregate: Option<ChunkId>,
    /// Relation of the first column, to which all other columns must belong, and the chunk that reads the first column.
    /// `None` if only one relation is possible.
    pub common_relation_and_reader: Option<(Arc<str>, ChunkId)>,
    /// Number of definitions in the chunks.
    pub count: usize,
    /// Length of the text, without the keys.
    pub length: u32,
    /// Whether chunks can be compiled separately, which is not possible if the options have an error.
    pub is_supported: bool,
}

impl CompiledChunks {
    pub fn new(
        compiler: &Compiler,
        text: &str,
        chunks: Vec<CombinedChunk>,
        emit: bool,
        rest: OtherFileDefinitions<'_>,
    ) -> Self {
        let mut part = Self {
            compiled: Compiled {
                dialect: compiler.dialect(),
                definitions: Vec::new(),
                diagnostics: Vec::new(),
                meanings: Vec::new(),
            },
            facts: vec![CompiledChunkProperties::default(); chunks.len()],
            chunks,
            keys: CompiledChunkProperties::default(),
            aggregate: None,
            common_relation_and_reader: None,
            count: 0,
            length: text.len() as u32,
            is_supported: true,
        };
        let end = text.len() as u32;
        let compiled = compiler.pool.with_compile_memory(|memory| {
            compiler.compile_source(memory, text, emit, rest, |memory, results| match results {
                None => part.collect_chunk_properties(memory),
                Some((definitions, diagnostics)) => {
                    for definition in definitions {
                        let chunk = part.chunk_at(definition.span.start);
                        if let Some(facts) = part.facts.get_mut(chunk) {
                            facts.width += definition.sql.len();
                        }
                    }
                    // Errors in the keys and in the name of the relation do not belong to a chunk.
                    let is_outside = |d: &Diagnostic| d.span().start > end || d.span() == Span::default();
                    part.is_supported = !part.keys.depends_on_shared_types() && !diagnostics.iter().any(is_outside);
                }
            })
        });
        part.compiled = compiled;
        part
    }

    fn collect_chunk_properties(&mut self, memory: &CompileMemory) {
        let CompileMemory {
            ast, check, program, ..
        } = memory;
        let dependency_facts = collect_source_dependencies(ast, check, program);
        let owner = |part: &Self, definition: u32| match ast.definitions.get(definition as usize) {
            Some(definition) if definition.part == 0 => part.chunk_id_at(definition.span.start),
            _ => KEYS_CHUNK,
        };
        for (definition, facts) in ast.definitions.iter().zip(&dependency_facts.definitions) {
            if definition.part > 0 {
                self.keys.add(facts);
            } else {
                let chunk = self.chunk_at(definition.span.start);
                if let Some(of_chunk) = self.facts.get_mut(chunk) {
                    of_chunk.add(facts);
                }
                self.count += usize::from(self.chunk_id_at(definition.span.start) != NEXT_CHUNK_PLACEHOLDER);
            }
        }
        self.aggregate = dependency_facts
            .first_aggregate
            .map(|definition| owner(self, definition));
        self.common_relation_and_reader = dependency_facts
            .common_relation_and_reader
            .map(|(relation, definition)| (relation, owner(self, definition)));
    }

    fn chunk_id_at(&self, offset: u32) -> ChunkId {
        self.chunks
            .get(self.chunk_at(offset))
            .map_or(NEXT_CHUNK_PLACEHOLDER, |chunk| chunk.id)
    }

    /// Returns the index of the chunk that contains an offset.
    pub fn chunk_at(&self, offset: u32) -> usize {
        self.chunks
            .partition_point(|chunk| chunk.start <= offset)
            .saturating_sub(1)
    }
}
