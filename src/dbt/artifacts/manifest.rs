//! `manifest.json`: all resources of a project.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::chunks::{ManifestChunk, ManifestChunks, ManifestOutline};
use super::error::ArtifactError;
use super::intern::Interner;
use super::lenient::{LenientEntries, LenientMapping, LenientText};
use super::manifest_diff::ManifestChanges;
use super::metadata::{self, ArtifactKind, ArtifactSections, Metadata};
use super::node::{DbtGroup, DocBlock, ManifestNode, ResourceType};
use super::raw_node::{RawDoc, RawGroup, RawMacro, RawNode};
use crate::parallel;

/// Minimum size in bytes of a manifest that is split into chunks and parsed in parallel.
const MIN_PARALLEL_BYTES: usize = 16 << 20;
/// Number of nodes that one task parses in sequence, with one interner.
const NODES_PER_TASK: usize = 1_000;

/// Optional parts of a manifest to keep in memory. Code is optional because it makes up most of a manifest's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ManifestReadOptions {
    pub(super) raw_code: bool,
    pub(super) compiled_code: bool,
    pub(super) only_names: bool,
}

impl ManifestReadOptions {
    /// Keeps the raw code of models.
    #[must_use]
    pub fn with_raw_code(mut self) -> Self {
        self.raw_code = true;
        self
    }

    /// Keeps the compiled SQL of models, or the raw code of models that dbt has not compiled.
    #[must_use]
    pub fn with_compiled_code(mut self) -> Self {
        self.compiled_code = true;
        self
    }

    /// Returns whether the raw code is kept.
    #[must_use]
    pub fn has_raw_code(self) -> bool {
        self.raw_code
    }

    /// Returns whether the compiled SQL is kept.
    #[must_use]
    pub fn has_compiled_code(self) -> bool {
        self.compiled_code
    }

    /// Returns whether columns keep only their names.
    #[must_use]
    pub fn has_only_names(self) -> bool {
        self.only_names
    }

    /// Keeps only column names.
    #[must_use]
    pub fn with_column_names_only(mut self) -> Self {
        self.only_names = true;
        self
    }
}

/// Parsed manifest of a project.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Manifest {
    /// Metadata of the manifest.
    pub metadata: Metadata,
    /// Enabled models, seeds, snapshots, tests, sources, exposures, metrics and other nodes, ordered by unique id.
    pub nodes: Vec<ManifestNode>,
    /// Disabled nodes, ordered by unique id. An id may occur several times.
    pub disabled: Vec<ManifestNode>,
    /// Groups, ordered by id.
    pub groups: Vec<DbtGroup>,
    /// Docs blocks, ordered by id.
    pub docs: Vec<DocBlock>,
    /// Ids of all macros, sorted.
    pub macros: Vec<Arc<str>>,
    /// Ids of the macros that each macro calls directly, in the order of `macros`.
    pub macro_uses: Vec<Vec<Arc<str>>>,
    pub(super) keep: ManifestReadOptions,
    pub(super) places: FxHashMap<Arc<str>, usize>,
}

impl Manifest {
    /// Parses a manifest of version 10 to 12. If the version is newer, only the parts whose format is unchanged are
    /// read: see [`Metadata::newer_version_notice`].
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not JSON or is another kind of artifact, if its version is too old, or if a
    /// section does not match the schema of any version.
    pub fn from_text(text: &str, keep: ManifestReadOptions) -> Result<Self, ArtifactError> {
        if text.len() < MIN_PARALLEL_BYTES {
            Self::parse_sequentially(text, keep)
        } else {
            Self::from_text_incremental(text, keep, &ManifestOutline::default(), || None).map(|parsed| parsed.0)
        }
    }

    /// Parses a manifest, but reuses unchanged nodes of an earlier manifest. Also returns the ids of the nodes that
    /// were parsed. `outline` contains the fingerprints of the earlier manifest's nodes. `before` returns the earlier
    /// manifest. `before` is called only after the text has been split, so that the earlier manifest can be loaded in
    /// the meantime. The earlier manifest is ignored if it was parsed with a different `keep`.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`from_text`](Self::from_text).
    ///
    /// ```
    /// use formulac_dbt::artifacts::{ManifestReadOptions, Manifest, ManifestOutline};
    /// let text = |name: &str| {
    ///     format!(r#"{{"nodes": {{"model.shop.a": {{"name": "a"}}, "model.shop.b": {{"name": "{name}"}}}}}}"#)
    /// };
    /// let (before, read) = Manifest::from_text_incremental(&text("b"), ManifestReadOptions::default(), &ManifestOutline::default(), || None).unwrap();
    /// assert_eq!(read.parsed_count(), 2);
    /// let outline = before.outline();
    /// let (after, read) = Manifest::from_text_incremental(&text("new name"), ManifestReadOptions::default(), &outline, || Some(before)).unwrap();
    /// assert_eq!((&*after.node("model.shop.b").unwrap().name, read.parsed_count()), ("new name", 1));
    /// ```
    pub fn from_text_incremental(
        text: &str,
        keep: ManifestReadOptions,
        outline: &ManifestOutline,
        before: impl FnOnce() -> Option<Self>,
    ) -> Result<(Self, ManifestChanges), ArtifactError> {
        let nothing = || Self {
            keep,
            ..Self::default()
        };
        let pieces = ManifestChunks::new(text, outline);
        let before = before().filter(|before| before.keep == keep).unwrap_or_else(nothing);
        if let Some(updated) = pieces.and_then(|pieces| before.read_chunks(&pieces)) {
            return Ok(updated);
        }
        // Parse the whole text again, so that errors have positions in the whole text.
        let manifest = Self::parse_sequentially(text, keep)?;
        let parsed_ids = manifest.nodes.iter().map(|node| Arc::clone(&node.unique_id)).collect();
        Ok((
            manifest,
            ManifestChanges {
                read: parsed_ids,
                dropped_ids: Vec::new(),
            },
        ))
    }

    /// Like [`from_text_incremental`](Self::from_text_incremental), but reads the text in blocks, so that the text of
    /// unchanged nodes is never in memory as a whole. Returns `None` if there is no earlier manifest, or if the text
    /// cannot be read or is invalid. `from_text_incremental` then returns the manifest or the error.
    pub fn from_reader_incremental(
        reader: impl Read,
        keep: ManifestReadOptions,
        outline: &ManifestOutline,
        before: impl FnOnce() -> Option<Self>,
    ) -> Option<(Self, ManifestChanges)> {
        let pieces = ManifestChunks::read(reader, outline)?;
        let before = before().filter(|before| before.keep == keep)?;
        before.read_chunks(&pieces)
    }

    fn parse_sequentially(text: &str, keep: ManifestReadOptions) -> Result<Self, ArtifactError> {
        let mut reader = ManifestReader {
            keep,
            manifest: Self {
                keep,
                ..Self::default()
            },
        };
        let metadata = metadata::read(text, ArtifactKind::Manifest, &mut reader)?;
        let mut manifest = Self {
            metadata,
            ..reader.manifest
        };
        // Nodes are large, so the sort moves each node only once.
        manifest.nodes.sort_by_cached_key(|node| Arc::clone(&node.unique_id));
        manifest.disabled.sort_by_cached_key(|node| Arc::clone(&node.unique_id));
        manifest
            .groups
            .sort_by(|group, other| group.unique_id.cmp(&other.unique_id));
        manifest.docs.sort_by(|doc, other| doc.unique_id.cmp(&other.unique_id));
        manifest.index_nodes();
        Ok(manifest)
    }

    /// Builds a manifest from its chunks and lists the parsed nodes. Returns `None` if a chunk is invalid.
    fn read_chunks(mut self, pieces: &ManifestChunks<'_>) -> Option<(Self, ManifestChanges)> {
        enum ManifestPart {
            Rest(Option<Box<Manifest>>),
            Nodes(Option<Vec<ParsedChunk>>),
        }
        let (keep, node_pieces) = (self.keep, &pieces.nodes);
        let part = |number: usize| {
            let Some(number) = number.checked_sub(1) else {
                return ManifestPart::Rest(Self::parse_sequentially(&pieces.rest, keep).ok().map(Box::new));
            };
            let mut interner = Interner::default();
            let some = node_pieces.iter().skip(number * NODES_PER_TASK).take(NODES_PER_TASK);
            ManifestPart::Nodes(some.map(|piece| self.read_chunk(piece, &mut interner)).collect())
        };
        let parts = parallel::map_range(1 + node_pieces.len().div_ceil(NODES_PER_TASK), part);
        let (mut rest, mut new) = (None, Vec::new());
        let mut is_kept = vec![false; self.nodes.len()];
        for part in parts {
            match part {
                ManifestPart::Rest(rest_part) => rest = Some(rest_part?),
                ManifestPart::Nodes(node_part) => {
                    for of_piece in node_part? {
                        match of_piece {
                            ParsedChunk::Known(index) => *is_kept.get_mut(index)? = true,
                            ParsedChunk::Read(nodes) => new.extend(nodes),
                        }
                    }
                }
            }
        }
        let mut nodes = std::mem::take(&mut self.nodes);
        let mut changes = ManifestChanges {
            read: new.iter().map(|node| Arc::clone(&node.unique_id)).collect(),
            dropped_ids: Vec::new(),
        };
        let mut is_kept = is_kept.into_iter();
        nodes.retain(|node| {
            let is_kept = is_kept.next() == Some(true);
            if !is_kept {
                changes.dropped_ids.push(Arc::clone(&node.unique_id));
            }
            is_kept
        });
        let manifest = Self { nodes, ..*rest? }.with_nodes(new);
        // Parse the whole text if an id occurs twice, because the order in the text determines which node is used.
        let is_twice = |pair: &[ManifestNode]| matches!(pair, [one, other] if one.unique_id == other.unique_id);
        (!manifest.nodes.windows(2).any(is_twice)).then_some((manifest, changes))
    }

    /// Returns the manifest with the new nodes added.
    pub(super) fn with_nodes(mut self, new: Vec<ManifestNode>) -> Self {
        self.nodes.extend(new);
        if !self.nodes.is_sorted_by(|node, other| node.unique_id <= other.unique_id) {
            // Nodes are large, so the sort moves each node only once.
            self.nodes.sort_by_cached_key(|node| Arc::clone(&node.unique_id));
        }
        self.index_nodes();
        self
    }

    /// Returns the node of the earlier manifest if the text of the chunk is unchanged. Otherwise parses the nodes in
    /// the chunk.
    fn read_chunk(&self, piece: &ManifestChunk<'_>, interner: &mut Interner) -> Option<ParsedChunk> {
        if let Some(index) = self.index_of(&piece.id)
            && self
                .nodes
                .get(index)
                .is_some_and(|node| node.fingerprint.is_equal(piece.fingerprint))
        {
            return Some(ParsedChunk::Known(index));
        }
        let mut nodes = Vec::new();
        let mut json = serde_json::Deserializer::from_str(&piece.text);
        let take = |id: &str, raw: RawNode<'_>| nodes.push(raw.node(id, piece.kind, self.keep, interner));
        OneOrMoreNodes {
            id: Cow::Borrowed(&piece.id),
            take: &mut { take },
        }
        .deserialize(&mut json)
        .ok()?;
        json.end().ok()?;
        if let [node] = nodes.as_mut_slice() {
            node.fingerprint = piece.fingerprint;
        }
        Some(ParsedChunk::Read(nodes))
    }

    pub(super) fn index_nodes(&mut self) {
        let places = self.nodes.iter().enumerate();
        self.places = places
            .map(|(index, node)| (Arc::clone(&node.unique_id), index))
            .collect();
    }

    /// Returns the index in `nodes` of the enabled node with this id.
    #[must_use]
    pub fn index_of(&self, unique_id: &str) -> Option<usize> {
        self.places.get(unique_id).copied()
    }

    /// Returns the enabled node with this id.
    #[must_use]
    pub fn node(&self, unique_id: &str) -> Option<&ManifestNode> {
        self.nodes.get(self.index_of(unique_id)?)
    }

    /// Returns the nodes of a resource type, ordered by id.
    pub fn with_type(&self, resource_type: ResourceType) -> impl Iterator<Item = &ManifestNode> {
        self.nodes
            .iter()
            .filter(move |node| node.resource_type == resource_type)
    }

    /// Returns the distinct indexes of each node's parents. Parents that are missing from the manifest are omitted.
    #[must_use]
    pub fn parents(&self) -> Vec<Vec<usize>> {
        let parents = |node: &ManifestNode| {
            let mut places: Vec<usize> = node.depends_on.iter().filter_map(|id| self.index_of(id)).collect();
            places.sort_unstable();
            places.dedup();
            places
        };
        self.nodes.iter().map(parents).collect()
    }

    /// Returns the indexes of each node's children.
    #[must_use]
    pub fn children(&self) -> Vec<Vec<usize>> {
        let mut children = vec![Vec::new(); self.nodes.len()];
        for (index, parents) in self.parents().into_iter().enumerate() {
            for parent in parents {
                if let Some(children) = children.get_mut(parent) {
                    children.push(index);
                }
            }
        }
        children
    }

    /// Returns the ids of the changed macros and of all macros that call them, directly or indirectly.
    #[must_use]
    pub fn macros_using(&self, changed: &[&str]) -> BTreeSet<&str> {
        let mut users: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (id, uses) in self.macros.iter().zip(&self.macro_uses) {
            for macro_id in uses {
                users.entry(macro_id).or_default().push(id);
            }
        }
        let mut affected = BTreeSet::new();
        let mut stack: Vec<&str> = self
            .macros
            .iter()
            .map(|id| &**id)
            .filter(|id| changed.contains(id))
            .collect();
        while let Some(id) = stack.pop() {
            if affected.insert(id) {
                stack.extend(users.get(id).into_iter().flatten());
            }
        }
        affected
    }

    /// Returns the names of the generic data tests that macros define, such as `dbt_utils.accepted_range`.
    pub fn generic_tests(&self) -> impl Iterator<Item = String> {
        // Example: `macro.dbt_utils.test_accepted_range`
        self.macros.iter().filter_map(|id| {
            let (package, name) = id.strip_prefix("macro.")?.split_once('.')?;
            Some(format!("{package}.{}", name.strip_prefix("test_")?))
        })
    }

    /// Returns the tests of each tested node, by node id.
    #[must_use]
    pub fn tests_by_node(&self) -> BTreeMap<&str, Vec<super::DataTest<'_>>> {
        let mut by_node: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for test in self.data_tests() {
            if let Some(node) = test.on {
                by_node.entry(&node.unique_id).or_default().push(test);
            }
        }
        by_node
    }
}

/// State of the manifest parser.
struct ManifestReader {
    keep: ManifestReadOptions,
    manifest: Manifest,
}

impl<'de> ArtifactSections<'de> for ManifestReader {
    const IDENTIFYING_SECTION: &'static str = "nodes";

    fn section<A: MapAccess<'de>>(
        &mut self,
        name: &str,
        map: &mut A,
        interner: &mut Interner,
    ) -> Result<bool, A::Error> {
        let keep = self.keep;
        let manifest = &mut self.manifest;
        if let Some(kind) = section_resource_type(name) {
            let nodes = &mut manifest.nodes;
            map.next_value_seed(NodeVisitor(|id: &str, raw: RawNode<'de>| {
                nodes.push(raw.node(id, kind, keep, interner));
            }))?;
            return Ok(true);
        }
        match name {
            "disabled" => {
                let nodes = &mut manifest.disabled;
                map.next_value_seed(NodeVisitor(|id: &str, raw: RawNode<'de>| {
                    nodes.push(raw.node(id, ResourceType::Other, keep, interner));
                }))?;
            }
            "groups" => {
                let raw: LenientEntries<'de, LenientMapping<RawGroup<'de>>> = map.next_value()?;
                manifest.groups = raw.0.into_iter().map(|(id, raw)| raw.0.group(&id, interner)).collect();
            }
            "docs" => {
                let raw: LenientEntries<'de, LenientMapping<RawDoc<'de>>> = map.next_value()?;
                manifest.docs = raw.0.into_iter().map(|(id, raw)| raw.0.block(&id, interner)).collect();
            }
            "macros" => {
                let raw: LenientEntries<'de, LenientMapping<RawMacro<'de>>> = map.next_value()?;
                let mut macros: Vec<_> = raw
                    .0
                    .into_iter()
                    .map(|(id, raw)| (interner.intern_str(&id), raw.0))
                    .collect();
                macros.sort_by(|(macro_id, _), (other, _)| macro_id.cmp(other));
                manifest.macro_uses = macros.iter().map(|(_, raw)| raw.macros_called(interner)).collect();
                manifest.macros = macros.into_iter().map(|(id, _)| id).collect();
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Returns the default resource type of a section's nodes. `None` if the section does not contain nodes. Nodes in the
/// section `nodes` specify their types. Nodes in sections for a single type may omit the type.
pub(super) fn section_resource_type(name: &str) -> Option<ResourceType> {
    Some(match name {
        "nodes" => ResourceType::Other,
        "sources" => ResourceType::Source,
        "exposures" => ResourceType::Exposure,
        "metrics" => ResourceType::Metric,
        "semantic_models" => ResourceType::SemanticModel,
        "saved_queries" => ResourceType::SavedQuery,
        "unit_tests" => ResourceType::UnitTest,
        "functions" => ResourceType::Function,
        _ => return None,
    })
}

/// Result of parsing a chunk of a manifest.
enum ParsedChunk {
    /// Unchanged node at this index of the earlier manifest.
    Known(usize),
    /// Parsed nodes, usually one.
    Read(Vec<ManifestNode>),
}

/// Visitor that calls a function with each node of a section as soon as the node is parsed, so that no section is in
/// memory twice. Ids are mapped to nodes or, in the section `disabled`, to lists of nodes.
struct NodeVisitor<F>(F);

impl<'de, F: FnMut(&str, RawNode<'de>)> DeserializeSeed<'de> for NodeVisitor<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, F: FnMut(&str, RawNode<'de>)> Visitor<'de> for NodeVisitor<F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a map of nodes")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<LenientText<'de>>()? {
            map.next_value_seed(OneOrMoreNodes {
                id: key.0.unwrap_or_default(),
                take: &mut self.0,
            })?;
        }
        Ok(())
    }
}

struct OneOrMoreNodes<'f, 'de, F> {
    id: Cow<'de, str>,
    take: &'f mut F,
}

impl<'de, F: FnMut(&str, RawNode<'de>)> DeserializeSeed<'de> for OneOrMoreNodes<'_, 'de, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, F: FnMut(&str, RawNode<'de>)> Visitor<'de> for OneOrMoreNodes<'_, 'de, F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a node")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let raw = serde::Deserialize::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        (self.take)(&self.id, raw);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(raw) = seq.next_element::<RawNode<'de>>()? {
            (self.take)(&self.id, raw);
        }
        Ok(())
    }
}
