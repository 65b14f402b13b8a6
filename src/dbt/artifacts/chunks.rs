//! Splits the text of a manifest into chunks without parsing their content, so that nodes can be parsed in parallel and
//! unchanged nodes can be skipped.

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::lenient::LenientText;
use super::manifest::{Manifest, section_resource_type};
use super::node::ResourceType;
use crate::codec;

/// Number of bytes at the start of a JSON string that are scanned one by one. The rest of a longer string is searched
/// with `memchr`.
const BYTEWISE_LENGTH: usize = 16;

/// Text of a manifest, split into chunks.
#[derive(Debug)]
pub(super) struct ManifestPieces<'t> {
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
    pub text: &'t str,
    pub print: PieceFingerprint,
}

/// Fingerprint of a chunk's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PieceFingerprint {
    pub(super) hash: u64,
    /// Length of the text in bytes. 0 if the text is unknown.
    pub(super) length: u32,
}

impl PieceFingerprint {
    fn new(kind: ResourceType, text: &str) -> Self {
        let hash = codec::fingerprint(text.as_bytes()).wrapping_add(kind as u64);
        // A chunk longer than `u32::MAX` bytes is never considered unchanged, so it is parsed each time.
        Self {
            hash,
            length: u32::try_from(text.len()).unwrap_or_default(),
        }
    }

    /// Returns whether both fingerprints belong to the same text. Returns `false` if either text is unknown.
    pub fn is_equal(self, other: Self) -> bool {
        self == other && self.length > 0
    }
}

/// Fingerprints of a manifest's nodes. Fingerprints make parsing a later manifest faster, because unchanged nodes are
/// skipped.
///
/// ```
/// use formulac_dbt::artifacts::{KeptParts, Manifest, ManifestOutline};
/// let text = r#"{"nodes": {"model.shop.orders": {"name": "orders"}}}"#;
/// let (before, _) = Manifest::from_text_and_earlier(text, KeptParts::default(), &ManifestOutline::default(), || None).unwrap();
/// let outline = ManifestOutline::from_stored(&before.outline().to_stored()).unwrap();
/// let (after, changes) = Manifest::from_text_and_earlier(text, KeptParts::default(), &outline, || Some(before)).unwrap();
/// assert_eq!((after.nodes.len(), changes.parsed_count()), (1, 0));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManifestOutline {
    pub(super) prints: FxHashMap<Arc<str>, PieceFingerprint>,
}

impl ManifestOutline {
    fn node_fingerprint(&self, id: &str) -> PieceFingerprint {
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
                .map(|node| (Arc::clone(&node.unique_id), node.print))
                .collect(),
        }
    }
}

impl<'t> ManifestPieces<'t> {
    /// Splits a manifest into chunks. Returns `None` if the text is not a mapping of mappings, because the JSON parser
    /// then reports a better error. The content of the chunks is checked only when the JSON parser parses them. The
    /// content of nodes whose fingerprint is in the outline is not scanned.
    pub fn new(text: &'t str, outline: &ManifestOutline) -> Option<Self> {
        let mut walk = TextWalk { text, at: 0 };
        let mut nodes = Vec::new();
        let mut rest = String::from("{");
        walk.read_entries(&mut |walk, key, name| {
            if rest.len() > 1 {
                rest.push(',');
            }
            rest.push_str(key);
            rest.push(':');
            let Some(kind) = section_resource_type(&name).filter(|_| walk.next() == Some(b'{')) else {
                rest.push_str(walk.read_value()?);
                return Some(());
            };
            rest.push_str("{}");
            walk.read_entries(&mut |walk, _, id| {
                let piece_fingerprint = outline.node_fingerprint(&id);
                let (text, print) = match walk
                    .peek_bytes(piece_fingerprint.length)
                    .filter(|text| PieceFingerprint::new(kind, text).is_equal(piece_fingerprint))
                {
                    Some(text) => {
                        walk.at += text.len();
                        (text, piece_fingerprint)
                    }
                    None => {
                        let text = walk.read_value()?;
                        (text, PieceFingerprint::new(kind, text))
                    }
                };
                nodes.push(ManifestChunk { kind, id, text, print });
                Some(())
            })
        })?;
        walk.skip_whitespace();
        rest.push('}');
        walk.next().is_none().then_some(Self { nodes, rest })
    }
}

/// Callback for an entry of a mapping. The callback receives the key both as written and unescaped, and must move past
/// the value.
type EntryVisitor<'f, 't> = dyn FnMut(&mut TextWalk<'t>, &'t str, Cow<'t, str>) -> Option<()> + 'f;

/// Position in a JSON text.
struct TextWalk<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> TextWalk<'t> {
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
        let is_here = self.next() == Some(sign);
        self.at += usize::from(is_here);
        is_here
    }

    /// Moves past a mapping and calls `each` for each of its entries.
    fn read_entries(&mut self, each: &mut EntryVisitor<'_, 't>) -> Option<()> {
        if !self.skip_char(b'{') {
            return None;
        }
        if self.skip_char(b'}') {
            return Some(());
        }
        loop {
            self.skip_whitespace();
            let start = self.at;
            self.skip_string()?;
            let key = self.text.get(start..self.at)?;
            let name: LenientText<'t> = serde_json::from_str(key).ok()?;
            if !self.skip_char(b':') {
                return None;
            }
            self.skip_whitespace();
            each(self, key, name.0?)?;
            if !self.skip_char(b',') {
                return self.skip_char(b'}').then_some(());
            }
        }
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
    use super::{ManifestOutline, ManifestPieces};

    fn parse_string(text: &str) -> Option<String> {
        let pieces = ManifestPieces::new(text, &ManifestOutline::default())?;
        let nodes: Vec<String> = pieces
            .nodes
            .iter()
            .map(|manifest_chunk| {
                format!(
                    "{} {} {}",
                    manifest_chunk.kind.name(),
                    manifest_chunk.id,
                    manifest_chunk.text
                )
            })
            .collect();
        Some(format!("{} | {}", nodes.join(" ; "), pieces.rest))
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
            assert_eq!(parse_string(text).as_deref(), expected, "{text}");
        }
    }
}
