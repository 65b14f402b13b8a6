//! Dependencies between the chunks of a file.

use crate::arena::Arena;
use rustc_hash::{FxHashMap, FxHashSet};

use super::chunks::Chunk;
use crate::check::{DefinitionDependencies, DependencyLink};
use crate::span::Span;

/// Number of a chunk. A chunk keeps its number when chunks before it are added or removed.
pub(super) type ChunkId = u32;

/// Chunk number that stands for the grouping, partition and sort keys in the compiler's options.
pub(super) const KEYS_CHUNK: ChunkId = ChunkId::MAX;
/// Chunk number of definitions that only represent the start of the next chunk.
pub(super) const NEXT_CHUNK_PLACEHOLDER: ChunkId = ChunkId::MAX - 1;

/// Properties of a chunk that are known only after it is compiled.
#[derive(Clone, Debug, Default)]
pub(super) struct CompiledChunkProperties {
    links: Vec<DependencyLink>,
    depends_on_shared_types: bool,
    reads_all_names: bool,
    searches: usize,
    /// Length of the SQL.
    pub width: usize,
}

impl CompiledChunkProperties {
    pub fn add(&mut self, definition: &DefinitionDependencies) {
        self.links.extend(&definition.links);
        self.depends_on_shared_types |= definition.is_open;
        self.reads_all_names |= definition.reads_all_names;
        self.searches += definition.searches;
    }

    /// Returns whether the types in the chunk depend on the types in other chunks that use the same values.
    pub fn depends_on_shared_types(&self) -> bool {
        self.depends_on_shared_types
    }
}

#[derive(Debug, Default)]
struct ChunkProperties {
    names: Vec<Span>,
    defines: Vec<u64>,
    mentions: Vec<u64>,
    is_unbalanced: bool,
    checked: CompiledChunkProperties,
}

/// Chunks with a link to the same subject, such as a string or a column.
#[derive(Debug, Default)]
struct LinkedChunks {
    decisive: Vec<ChunkId>,
    others: Vec<ChunkId>,
}

/// Dependencies between the chunks of a file.
#[derive(Debug, Default)]
pub(super) struct Dependencies {
    chunks: Arena<ChunkProperties>,
    /// Chunk numbers that are no longer in use.
    unused: Vec<ChunkId>,
    /// Chunks that define a name, by hash.
    definers: FxHashMap<u64, Vec<ChunkId>>,
    /// Chunks that contain a name, by hash.
    users: FxHashMap<u64, Vec<ChunkId>>,
    links: FxHashMap<u64, LinkedChunks>,
    /// Chunks whose diagnostics depend on the names of all definitions.
    pub readers_of_all_names: FxHashSet<ChunkId>,
    /// Number of chunks with an unmatched bracket.
    pub unbalanced: usize,
    /// Number of searches for similar names.
    pub searches: usize,
    /// Length of the SQL of all definitions.
    pub width: usize,
}

fn remove_chunk_from_list(lists: &mut FxHashMap<u64, Vec<ChunkId>>, key: u64, id: ChunkId) {
    let Some(list) = lists.get_mut(&key) else { return };
    remove_id(list, id);
    if list.is_empty() {
        lists.remove(&key);
    }
}

fn remove_id(list: &mut Vec<ChunkId>, id: ChunkId) {
    if let Some(index) = list.iter().position(|other| *other == id) {
        list.swap_remove(index);
    }
}

impl Dependencies {
    /// Adds a chunk that has not been compiled yet.
    pub fn add(&mut self, chunk: Chunk) -> ChunkId {
        let facts = ChunkProperties {
            names: chunk.names,
            defines: chunk.defines,
            mentions: chunk.mentions,
            is_unbalanced: chunk.is_unbalanced,
            checked: CompiledChunkProperties::default(),
        };
        let id = self.unused.pop().unwrap_or(self.chunks.len() as ChunkId);
        for name in &facts.defines {
            self.definers.entry(*name).or_default().push(id);
        }
        for name in &facts.mentions {
            self.users.entry(*name).or_default().push(id);
        }
        self.unbalanced += usize::from(facts.is_unbalanced);
        match self.chunks.try_get_mut(id as usize) {
            Some(slot) => *slot = facts,
            None => self.chunks.push(facts),
        }
        id
    }

    pub fn remove(&mut self, id: ChunkId) {
        self.update(id, CompiledChunkProperties::default());
        let facts = std::mem::take(&mut self.chunks[id as usize]);
        for name in facts.defines {
            remove_chunk_from_list(&mut self.definers, name, id);
        }
        for name in facts.mentions {
            remove_chunk_from_list(&mut self.users, name, id);
        }
        self.unbalanced -= usize::from(facts.is_unbalanced);
        self.unused.push(id);
    }

    /// Replaces the properties that are known only after the chunk is compiled.
    pub fn update(&mut self, id: ChunkId, facts: CompiledChunkProperties) {
        let new_links = facts.links.clone();
        self.searches += facts.searches;
        self.width += facts.width;
        if facts.reads_all_names {
            self.readers_of_all_names.insert(id);
        } else {
            self.readers_of_all_names.remove(&id);
        }
        let before = std::mem::replace(&mut self.chunks[id as usize].checked, facts);
        self.searches -= before.searches;
        self.width -= before.width;
        // Skip unchanged links, because removing a link takes time if many chunks have it.
        if before.links == new_links {
            return;
        }
        for link in before.links {
            let Some(linked) = self.links.get_mut(&link.subject) else {
                continue;
            };
            remove_id(
                if link.is_decisive {
                    &mut linked.decisive
                } else {
                    &mut linked.others
                },
                id,
            );
            if linked.decisive.is_empty() && linked.others.is_empty() {
                self.links.remove(&link.subject);
            }
        }
        self.add_links(id, &new_links);
    }

    fn add_links(&mut self, id: ChunkId, links: &[DependencyLink]) {
        for link in links {
            let linked = self.links.entry(link.subject).or_default();
            if link.is_decisive {
                linked.decisive.push(id);
            } else {
                linked.others.push(id);
            }
        }
    }

    /// Adds the links of the keys in the options. The keys are part of every compilation.
    pub fn add_keys(&mut self, facts: &CompiledChunkProperties) {
        self.add_links(KEYS_CHUNK, &facts.links);
    }

    /// Returns whether a chunk contains an unmatched bracket.
    pub fn is_unbalanced(&self, id: ChunkId) -> bool {
        self.chunks[id as usize].is_unbalanced
    }

    /// Returns the spans of the names that a chunk defines, relative to its start.
    pub fn names(&self, id: ChunkId) -> &[Span] {
        &self.chunks[id as usize].names
    }

    /// Returns whether a chunk defines one of the names.
    pub fn defines_any(&self, id: ChunkId, names: &[u64]) -> bool {
        self.chunks[id as usize].defines.iter().any(|name| names.contains(name))
    }

    fn chunks_defining(&self, name: u64) -> impl Iterator<Item = ChunkId> {
        self.definers.get(&name).into_iter().flatten().copied()
    }

    fn chunks_using(&self, name: u64) -> impl Iterator<Item = ChunkId> {
        self.users.get(&name).into_iter().flatten().copied()
    }

    /// Adds the other chunks with a link to the same subject. Skips subjects to which no chunk has a decisive link.
    fn add_linked_chunks(&self, facts: &ChunkProperties, visited: &mut FxHashSet<u64>, chunks: &mut Vec<ChunkId>) {
        let links = facts.checked.links.iter();
        let new_links = links.filter(|link| visited.insert(link.subject));
        let linked = new_links.filter_map(|link| self.links.get(&link.subject));
        let active = linked.filter(|linked| !linked.decisive.is_empty());
        let members = active.flat_map(|linked| linked.decisive.iter().chain(&linked.others));
        chunks.extend(members.filter(|id| **id != KEYS_CHUNK));
    }

    /// Adds to `chunks` the chunks whose results depend directly on a chunk, except for groups of chunks that were
    /// visited before.
    fn find_dependents(&self, id: ChunkId, visited: &mut VisitedGroups, chunks: &mut Vec<ChunkId>) {
        let facts = &self.chunks[id as usize];
        for name in facts.defines.iter().filter(|name| visited.definers.insert(**name)) {
            chunks.extend(self.chunks_defining(*name).chain(self.chunks_using(*name)));
        }
        // The types in open chunks depend on each other in both directions, so also add the chunks that define the
        // names in this chunk.
        if facts.checked.depends_on_shared_types {
            for name in facts
                .mentions
                .iter()
                .filter(|name| visited.open_definers.insert(**name))
            {
                chunks.extend(
                    self.chunks_defining(*name)
                        .filter(|id| self.chunks[*id as usize].checked.depends_on_shared_types),
                );
            }
        }
        self.add_linked_chunks(facts, &mut visited.links, chunks);
    }

    /// Returns the chunks whose results depend directly on one of the chunks.
    pub fn dependents(&self, ids: &[ChunkId]) -> FxHashSet<ChunkId> {
        let (mut visited, mut chunks) = (VisitedGroups::default(), Vec::new());
        for id in ids {
            self.find_dependents(*id, &mut visited, &mut chunks);
        }
        chunks.into_iter().collect()
    }

    /// Adds to `affected` all chunks whose results depend on one of its chunks.
    pub fn add_dependents(&self, affected: &mut FxHashSet<ChunkId>) {
        let (mut visited, mut chunks) = (VisitedGroups::default(), Vec::new());
        let mut queue: Vec<ChunkId> = affected.iter().copied().collect();
        while let Some(id) = queue.pop() {
            self.find_dependents(id, &mut visited, &mut chunks);
            queue.extend(chunks.drain(..).filter(|other| affected.insert(*other)));
        }
    }

    /// Returns the chunks that must be compiled together so that the results of `affected` are the same as in the whole
    /// file. `keys` contains the hashes of the names in the grouping, partition and sort keys.
    pub fn chunks_to_compile(&self, affected: &FxHashSet<ChunkId>, keys: &[u64]) -> FxHashSet<ChunkId> {
        // The order in which types are inferred depends on all users of an open chunk.
        let mut with_users = FxHashSet::default();
        let keys = keys.iter().flat_map(|key| self.chunks_defining(*key));
        let mut needed_chunks: FxHashSet<ChunkId> = affected.iter().copied().chain(keys).collect();
        let mut queue: Vec<ChunkId> = needed_chunks.iter().copied().collect();
        let (mut visited, mut chunks) = (VisitedGroups::default(), Vec::new());
        while let Some(id) = queue.pop() {
            let facts = &self.chunks[id as usize];
            let names = facts.mentions.iter().chain(&facts.defines);
            for name in names.filter(|name| visited.definers.insert(**name)) {
                chunks.extend(self.chunks_defining(*name));
            }
            self.add_linked_chunks(facts, &mut visited.links, &mut chunks);
            queue.extend(chunks.drain(..).filter(|other| needed_chunks.insert(*other)));
            if facts.checked.depends_on_shared_types || with_users.contains(&id) {
                for name in facts.defines.iter().filter(|name| visited.users.insert(**name)) {
                    for user in self.chunks_using(*name).filter(|user| with_users.insert(*user)) {
                        needed_chunks.insert(user);
                        queue.push(user);
                    }
                }
            }
        }
        needed_chunks
    }
}

/// Names and links whose chunks a search has visited. A group of n chunks is visited once instead of once per chunk.
#[derive(Default)]
struct VisitedGroups {
    definers: FxHashSet<u64>,
    open_definers: FxHashSet<u64>,
    users: FxHashSet<u64>,
    links: FxHashSet<u64>,
}
