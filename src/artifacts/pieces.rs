//! A manifest's text in pieces, found by passing over what stands in them: nodes can be read side by side, and those
//! that are as they were need not be read at all.

use std::borrow::Cow;

use super::lenient::Text;
use super::manifest::kind_of_section;
use super::node::ResourceType;

/// Bytes of a text that are looked at one by one; from there on it is long, and searched.
const SHORT: usize = 16;

/// A manifest's text in pieces.
#[derive(Debug)]
pub(super) struct Pieces<'t> {
    /// What stands in sections of nodes, in the order written.
    pub nodes: Vec<Piece<'t>>,
    /// A manifest of all other sections.
    pub rest: String,
}

/// What stands below an id.
#[derive(Debug)]
pub(super) struct Piece<'t> {
    /// What nodes of the section are.
    pub kind: ResourceType,
    pub id: Cow<'t, str>,
    pub text: &'t str,
}

impl<'t> Pieces<'t> {
    /// The pieces of a text; none where it is no mapping of mappings, which a reader of JSON says better. It has to read
    /// the pieces too: what stands inside is not looked at.
    pub fn of(text: &'t str) -> Option<Self> {
        let mut walk = Walk { text, at: 0 };
        let mut nodes = Vec::new();
        let mut rest = String::from("{");
        walk.entries(&mut |walk, key, name| {
            if rest.len() > 1 {
                rest.push(',');
            }
            rest.push_str(key);
            rest.push(':');
            let Some(kind) = kind_of_section(&name).filter(|_| walk.next() == Some(b'{')) else {
                rest.push_str(walk.value()?);
                return Some(());
            };
            rest.push_str("{}");
            walk.entries(&mut |walk, _, id| {
                nodes.push(Piece { kind, id, text: walk.value()? });
                Some(())
            })
        })?;
        walk.blank();
        rest.push('}');
        walk.next().is_none().then_some(Self { nodes, rest })
    }
}

/// A place in a text of JSON.
struct Walk<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Walk<'t> {
    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.next() {
            self.at += 1;
        }
    }

    /// Goes over a sign, where it stands here.
    fn takes(&mut self, sign: u8) -> bool {
        self.blank();
        let is_here = self.next() == Some(sign);
        self.at += usize::from(is_here);
        is_here
    }

    /// Goes over a mapping. `each` is given what stands between its quotes with them, and as it reads, and goes over
    /// the value.
    fn entries(&mut self, each: &mut dyn FnMut(&mut Self, &'t str, Cow<'t, str>) -> Option<()>) -> Option<()> {
        if !self.takes(b'{') {
            return None;
        }
        if self.takes(b'}') {
            return Some(());
        }
        loop {
            self.blank();
            let start = self.at;
            self.string()?;
            let key = self.text.get(start..self.at)?;
            let name: Text<'t> = serde_json::from_str(key).ok()?;
            if !self.takes(b':') {
                return None;
            }
            self.blank();
            each(self, key, name.0?)?;
            if !self.takes(b',') {
                return self.takes(b'}').then_some(());
            }
        }
    }

    /// Goes over a value: as far as brackets and quotes say that it goes.
    fn value(&mut self) -> Option<&'t str> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.next()? {
                b'"' => self.string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                // Between values, or a number or word, which is all of it where nothing is open.
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

    /// Goes over a text in quotes.
    fn string(&mut self) -> Option<()> {
        if self.next() != Some(b'"') {
            return None;
        }
        self.at += 1;
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            let is_end = |byte: &u8| matches!(byte, b'"' | b'\\');
            let near = rest.iter().take(SHORT).position(is_end);
            let found = near.or_else(|| Some(SHORT + memchr::memchr2(b'"', b'\\', rest.get(SHORT..)?)?))?;
            self.at += found + 1;
            if rest.get(found) == Some(&b'"') {
                return Some(());
            }
            // What stands behind a backslash ends nothing.
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pieces;

    fn told(text: &str) -> Option<String> {
        let pieces = Pieces::of(text)?;
        let nodes: Vec<String> =
            pieces.nodes.iter().map(|it| format!("{} {} {}", it.kind.name(), it.id, it.text)).collect();
        Some(format!("{} | {}", nodes.join(" ; "), pieces.rest))
    }

    #[test]
    fn pieces_end_where_brackets_and_quotes_say_so() {
        for (text, expected) in [
            ("{}", Some(" | {}")),
            (r#" {"nodes" : { } , "x": [1, {"a": "}"}]} "#, Some(r#" | {"nodes":{},"x":[1, {"a": "}"}]}"#)),
            (
                r#"{"sources": {"a": {"b": "\"}\\"}, "c\u0041": null,"d":[{"e":1.5e3}]}, "metadata": {"v": true}}"#,
                Some(r#"source a {"b": "\"}\\"} ; source cA null ; source d [{"e":1.5e3}] | {"sources":{},"metadata":{"v": true}}"#),
            ),
            (
                r#"{"metrics": {"a": "sixteen bytes, and then some more: \" and so on, até ao fim"}}"#,
                Some(r#"metric a "sixteen bytes, and then some more: \" and so on, até ao fim" | {"metrics":{}}"#),
            ),
            // Of another shape: as all else is.
            (r#"{"nodes": null, "sources": []}"#, Some(r#" | {"nodes":null,"sources":[]}"#)),
            ("", None),
            ("[]", None),
            ("{} {}", None),
            (r#"{"nodes": {"a": {"b": 1}"#, None),
            (r#"{"nodes": {"a": {"b": "1}}}"#, None),
            (r#"{"nodes": {"a": 1,}}"#, None),
            (r#"{"nodes": {"a" 1}}"#, None),
            (r#"{"nodes": {"a": }}}"#, None),
        ] {
            assert_eq!(told(text).as_deref(), expected, "{text}");
        }
    }
}
