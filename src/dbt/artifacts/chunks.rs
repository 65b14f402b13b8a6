//! Splits the text of a manifest into chunks without parsing their content, so that nodes can be parsed in parallel and
//! unchanged nodes can be skipped.

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::lenient::LenientText;
use super::manifest::{Manifest, section_resource_type};
use super::node::ResourceType;
use crate::codec;

/// Number of bytes at the start of a JSON string that are scanned one by one. The rest of a longer string is searched
/// with `memchr`.
const BYTEWISE_LENGTH: usize = 16;

/// Size in bytes of the blocks in which the text of a manifest is read.
const READ_BLOCK_BYTES: usize = if cfg!(test) { 64 } else { 1 << 20 };

/// Text of a manifest, split into chunks.
#[derive(Debug)]
pub(super) struct ManifestChunks<'t> {
    /// Entries of the sections with nodes, in file order.
    pub nodes: Vec<ManifestChunk<'t>>,
    /// JSON text of a manifest that contains only the other sections.
    pub rest: String,
}

/// Text of one entry in a node section.
#[derive(Debug)]
pub(super) struct ManifestChunk<'t> {
    /// Default resource type of the section.
    pub kind: ResourceType,
    pub id: Cow<'t, str>,
    pub text: Cow<'t, str>,
    pub fingerprint: ChunkFingerprint,
}

/// Fingerprint of a chunk's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ChunkFingerprint {
    pub(super) hash: u64,
    /// Length of the text in bytes. 0 if the text is unknown.
    pub(super) length: u32,
}

impl ChunkFingerprint {
    fn new(kind: ResourceType, text: &str) -> Self {
        let hash = codec::fingerprint(text.as_bytes()).wrapping_add(kind as u64);
        // A chunk longer than `u32::MAX` bytes is never considered unchanged, so it is parsed each time.
        Self {
            hash,
            length: u32::try_from(text.len()).unwrap_or_default(),
        }
    }

    /// Returns whether both fingerprints belong to the same text. Returns `false` if either fingerprint is unknown.
    pub fn is_equal(self, other: Self) -> bool {
        self == other && self.length > 0
    }
}

/// Fingerprints of a manifest's nodes. Fingerprints make parsing a later manifest faster, because unchanged nodes are
/// skipped.
///
/// ```
/// use formulac_dbt::artifacts::{ManifestReadOptions, Manifest, ManifestOutline};
/// let text = r#"{"nodes": {"model.shop.orders": {"name": "orders"}}}"#;
/// let (before, _) = Manifest::from_text_incremental(text, ManifestReadOptions::default(), &ManifestOutline::default(), || None).unwrap();
/// let outline = ManifestOutline::from_stored(&before.outline().to_stored()).unwrap();
/// let (after, changes) = Manifest::from_text_incremental(text, ManifestReadOptions::default(), &outline, || Some(before)).unwrap();
/// assert_eq!((after.nodes.len(), changes.parsed_count()), (1, 0));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManifestOutline {
    pub(super) prints: FxHashMap<Arc<str>, ChunkFingerprint>,
}

impl ManifestOutline {
    /// Returns whether there are no nodes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.prints.is_empty()
    }

    fn node_fingerprint(&self, id: &str) -> ChunkFingerprint {
        self.prints.get(id).copied().unwrap_or_default()
    }
}

impl Manifest {
    /// Returns the fingerprints of the manifest's nodes.
    #[must_use]
    pub fn outline(&self) -> ManifestOutline {
        ManifestOutline {
            prints: self
                .nodes
                .iter()
                .map(|node| (Arc::clone(&node.unique_id), node.fingerprint))
                .collect(),
        }
    }
}

impl<'t> ManifestChunks<'t> {
    /// Splits a manifest into chunks. Returns `None` if the text is not a mapping of mappings, because the JSON parser
    /// then reports a better error. The content of the chunks is checked only when the JSON parser parses them. The
    /// content of nodes whose fingerprint is in the outline is not scanned.
    pub fn new(text: &'t str, outline: &ManifestOutline) -> Option<Self> {
        let mut walk = JsonCursor { text, at: 0 };
        let mut splitter = ChunkSplitter::new(outline);
        let mut nodes = Vec::new();
        while splitter.state.expected != ExpectedToken::Nothing {
            nodes.extend(splitter.step(&mut walk)?);
        }
        walk.skip_whitespace();
        walk.next().is_none().then(|| splitter.finish(nodes))
    }

    /// Like [`new`](Self::new), but reads the text in blocks. The chunks of nodes whose fingerprint is in the outline
    /// have no text. Also returns `None` if the text cannot be read.
    pub fn read(mut reader: impl Read, outline: &ManifestOutline) -> Option<Self> {
        let mut splitter = ChunkSplitter::new(outline);
        let (mut nodes, mut bytes, mut size) = (Vec::new(), Vec::new(), READ_BLOCK_BYTES);
        loop {
            let kept = bytes.len();
            bytes.reserve(size);
            reader.by_ref().take(size as u64).read_to_end(&mut bytes).ok()?;
            let mut walk = JsonCursor {
                text: decode_complete_characters(&bytes)?,
                at: 0,
            };
            let mut end = 0;
            // An entry that does not end in this block is read again together with the next block.
            while let Some(chunk) = splitter.step(&mut walk) {
                nodes.extend(chunk.map(|chunk| chunk.without_unchanged_text(outline)));
                end = walk.at;
            }
            if bytes.len() == kept {
                let is_complete = splitter.state.expected == ExpectedToken::Nothing && bytes.trim_ascii().is_empty();
                return is_complete.then(|| splitter.finish(nodes));
            }
            size = if end > 0 { READ_BLOCK_BYTES } else { 2 * size };
            bytes.drain(..end);
        }
    }
}

/// Returns the text in the bytes, which may end in the middle of a character. `None` if the bytes are not UTF-8.
fn decode_complete_characters(bytes: &[u8]) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok(),
        Err(_) => None,
    }
}

impl ManifestChunk<'_> {
    /// Returns the chunk without its text if the outline contains the text's fingerprint.
    fn without_unchanged_text<'o>(self, outline: &ManifestOutline) -> ManifestChunk<'o> {
        let is_known = outline.node_fingerprint(&self.id).is_equal(self.fingerprint);
        ManifestChunk {
            kind: self.kind,
            text: if is_known {
                Cow::Borrowed("")
            } else {
                Cow::Owned(self.text.into_owned())
            },
            id: Cow::Owned(self.id.into_owned()),
            fingerprint: self.fingerprint,
        }
    }
}

/// Next part of a JSON mapping.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ExpectedToken {
    /// Opening bracket of the whole text.
    Bracket,
    /// First entry, or the closing bracket.
    FirstEntry,
    Entry,
    /// Comma or closing bracket.
    Separator,
    /// Nothing, because the text is complete.
    Nothing,
}

#[derive(Clone, Copy)]
struct SplitterState {
    expected: ExpectedToken,
    /// Default resource type of the section whose entries are split. `None` outside of node sections.
    section: Option<ResourceType>,
}

/// Splits a manifest one part at a time.
struct ChunkSplitter<'o> {
    outline: &'o ManifestOutline,
    state: SplitterState,
    /// Sections that are not split.
    rest: String,
}

impl<'o> ChunkSplitter<'o> {
    fn new(outline: &'o ManifestOutline) -> Self {
        Self {
            outline,
            state: SplitterState {
                expected: ExpectedToken::Bracket,
                section: None,
            },
            rest: String::from("{"),
        }
    }

    fn finish(mut self, nodes: Vec<ManifestChunk<'_>>) -> ManifestChunks<'_> {
        self.rest.push('}');
        ManifestChunks { nodes, rest: self.rest }
    }

    /// Moves past the next bracket, comma or entry, and returns the chunk if it is the entry of a node. If the text is
    /// invalid or ends inside the entry, returns `None` and leaves the splitter unchanged.
    fn step<'t>(&mut self, walk: &mut JsonCursor<'t>) -> Option<Option<ManifestChunk<'t>>> {
        walk.skip_whitespace();
        let section = self.state.section;
        let (expected, section) = match (self.state.expected, walk.next()?) {
            (ExpectedToken::Bracket, b'{') => (ExpectedToken::FirstEntry, section),
            (ExpectedToken::Separator, b',') => (ExpectedToken::Entry, section),
            (ExpectedToken::FirstEntry | ExpectedToken::Separator, b'}') => match section {
                Some(_) => (ExpectedToken::Separator, None),
                None => (ExpectedToken::Nothing, None),
            },
            (ExpectedToken::FirstEntry | ExpectedToken::Entry, _) => {
                return match section {
                    Some(kind) => self.split_node(kind, walk).map(Some),
                    None => self.split_section(walk).map(|()| None),
                };
            }
            _ => return None,
        };
        walk.at += 1;
        self.state = SplitterState { expected, section };
        Some(None)
    }

    fn split_node<'t>(&mut self, kind: ResourceType, walk: &mut JsonCursor<'t>) -> Option<ManifestChunk<'t>> {
        let (_, id) = walk.read_key()?;
        let known = self.outline.node_fingerprint(&id);
        let (text, fingerprint) = match walk
            .peek_bytes(known.length)
            .filter(|text| ChunkFingerprint::new(kind, text).is_equal(known))
        {
            Some(text) => {
                walk.at += text.len();
                (text, known)
            }
            None => {
                let text = walk.read_value()?;
                (text, ChunkFingerprint::new(kind, text))
            }
        };
        self.end_entry(walk)?;
        let text = Cow::Borrowed(text);
        Some(ManifestChunk {
            kind,
            id,
            text,
            fingerprint,
        })
    }

    /// Opens a section with nodes, or copies another section.
    fn split_section(&mut self, walk: &mut JsonCursor<'_>) -> Option<()> {
        let (key, name) = walk.read_key()?;
        let comma = if self.rest.len() > 1 { "," } else { "" };
        if let Some(kind) = section_resource_type(&name).filter(|_| walk.next() == Some(b'{')) {
            walk.at += 1;
            self.rest.extend([comma, key, ":{}"]);
            self.state = SplitterState {
                expected: ExpectedToken::FirstEntry,
                section: Some(kind),
            };
        } else {
            let value = walk.read_value()?;
            self.end_entry(walk)?;
            self.rest.extend([comma, key, ":", value]);
        }
        Some(())
    }

    /// Ends an entry. Returns `None` at the end of the text, because a number that ends there may continue in the next
    /// block.
    fn end_entry(&mut self, walk: &JsonCursor<'_>) -> Option<()> {
        walk.next()?;
        self.state.expected = ExpectedToken::Separator;
        Some(())
    }
}

/// Position in JSON text.
struct JsonCursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> JsonCursor<'t> {
    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_whitespace(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.next() {
            self.at += 1;
        }
    }

    /// Skips whitespace, and moves past the next character if it is `sign`. Returns whether the character was `sign`.
    fn skip_char(&mut self, sign: u8) -> bool {
        self.skip_whitespace();
        let is_present = self.next() == Some(sign);
        self.at += usize::from(is_present);
        is_present
    }

    /// Moves past the key of an entry and the colon. Returns the key both as written and unescaped.
    fn read_key(&mut self) -> Option<(&'t str, Cow<'t, str>)> {
        let start = self.at;
        self.skip_string()?;
        let key = self.text.get(start..self.at)?;
        let name: LenientText<'t> = serde_json::from_str(key).ok()?;
        if !self.skip_char(b':') {
            return None;
        }
        self.skip_whitespace();
        Some((key, name.0?))
    }

    /// Returns the next `length` bytes without moving past them.
    fn peek_bytes(&self, length: u32) -> Option<&'t str> {
        self.text.get(self.at..self.at.checked_add(length as usize)?)
    }

    /// Moves past a value and returns its text. Only brackets and quotes are used to find the end of the value.
    fn read_value(&mut self) -> Option<&'t str> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.next()? {
                b'"' => self.skip_string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                // Inside brackets, skip separators, numbers and words. Outside of brackets, a number or word is the
                // whole value.
                _ if depth > 0 => self.at += 1,
                _ => {
                    let is_of_word = |byte: &u8| !matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\t' | b'\r');
                    let rest = self.text.as_bytes().get(self.at..)?;
                    self.at += rest.iter().take_while(|byte| is_of_word(byte)).count();
                }
            }
            if depth == 0 {
                return self.text.get(start..self.at);
            }
        }
    }

    /// Moves past a quoted string.
    fn skip_string(&mut self) -> Option<()> {
        if self.next() != Some(b'"') {
            return None;
        }
        self.at += 1;
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            let is_end = |byte: &u8| matches!(byte, b'"' | b'\\');
            let near = rest.iter().take(BYTEWISE_LENGTH).position(is_end);
            let offset =
                near.or_else(|| Some(BYTEWISE_LENGTH + memchr::memchr2(b'"', b'\\', rest.get(BYTEWISE_LENGTH..)?)?))?;
            self.at += offset + 1;
            if rest.get(offset) == Some(&b'"') {
                return Some(());
            }
            // An escaped character never ends the string.
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ManifestChunks, ManifestOutline};

    fn show_pieces(pieces: &ManifestChunks<'_>) -> String {
        let nodes = pieces
            .nodes
            .iter()
            .map(|chunk| format!("{} {} {}", chunk.kind.name(), chunk.id, chunk.text));
        format!("{} | {}", nodes.collect::<Vec<_>>().join(" ; "), pieces.rest)
    }

    #[test]
    fn pieces_end_at_their_brackets() {
        for (text, expected) in [
            ("{}", Some(" | {}")),
            (
                r#" {"nodes" : { } , "x": [1, {"a": "}"}]} "#,
                Some(r#" | {"nodes":{},"x":[1, {"a": "}"}]}"#),
            ),
            (
                r#"{"sources": {"a": {"b": "\"}\\"}, "c\u0041": null,"d":[{"e":1.5e3}]}, "metadata": {"v": true}}"#,
                Some(
                    r#"source a {"b": "\"}\\"} ; source cA null ; source d [{"e":1.5e3}] | {"sources":{},"metadata":{"v": true}}"#,
                ),
            ),
            (
                r#"{"metrics": {"a": "sixteen bytes, and then some more: \" and so on, up to the naïve café"}}"#,
                Some(
                    r#"metric a "sixteen bytes, and then some more: \" and so on, up to the naïve café" | {"metrics":{}}"#,
                ),
            ),
            // If a section of nodes is not a mapping, it remains in the rest of the text.
            (
                r#"{"nodes": null, "sources": []}"#,
                Some(r#" | {"nodes":null,"sources":[]}"#),
            ),
            ("", None),
            ("[]", None),
            ("{} {}", None),
            (r#"{"nodes": {"a": {"b": 1}"#, None),
            (r#"{"nodes": {"a": {"b": "1}}}"#, None),
            (r#"{"nodes": {"a": 1,}}"#, None),
            (r#"{"nodes": {"a" 1}}"#, None),
            (r#"{"nodes": {"a": }}}"#, None),
        ] {
            let pieces = ManifestChunks::new(text, &ManifestOutline::default());
            assert_eq!(pieces.map(|pieces| show_pieces(&pieces)).as_deref(), expected, "{text}");
            let read = ManifestChunks::read(text.as_bytes(), &ManifestOutline::default());
            assert_eq!(
                read.map(|pieces| show_pieces(&pieces)).as_deref(),
                expected,
                "{text}, read in blocks"
            );
        }
    }
}
