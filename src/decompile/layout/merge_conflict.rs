//! Parts of a query that the spec and a user changed in different ways.

use std::collections::HashMap;
use std::ops::Range;

use crate::dialect::Dialect;
use crate::edits::describe_file_part;
use crate::file::{FilePartPosition, SqlFile};

/// Part of a query that the spec and a user changed in different ways.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergeConflict {
    /// Description of the part.
    pub description: String,
    /// Line of the part in the file, starting at 1.
    pub line: usize,
    /// Version of the part that formulac wrote last. Empty if the part did not exist.
    pub base: String,
    /// Version of the part that the spec now produces. Empty if the spec removed the part.
    pub ours: String,
    /// Version of the part in the file. Empty if a user removed the part.
    pub theirs: String,
}

impl MergeConflict {
    /// Creates a clash for the part of the file that starts at `line`, with the text of all three versions.
    pub fn new(description: impl Into<String>, line: usize, [base, ours, theirs]: [String; 3]) -> Self {
        Self {
            description: description.into(),
            line,
            base,
            ours,
            theirs,
        }
    }
}

/// Returns the parts that the spec and a user changed in different ways. If there are such parts,
/// [`merge`](super::merge) returns `None`.
pub fn query_merge_conflicts(base: &str, ours: &str, actual: &str, dialect: Dialect) -> Vec<MergeConflict> {
    let [b, o, f] = [base, ours, actual].map(|text| SqlFile::read(text, dialect));
    let by_position = |file: &SqlFile<'_>| -> HashMap<FilePartPosition, Range<usize>> {
        file.parts
            .iter()
            .map(|part| (part.position.clone(), part.tokens.clone()))
            .collect()
    };
    let (in_b, in_o, in_f) = (by_position(&b), by_position(&o), by_position(&f));
    let same = |one: (&SqlFile<'_>, Option<&Range<usize>>), other: (&SqlFile<'_>, Option<&Range<usize>>)| match (
        one.1, other.1,
    ) {
        (Some(tokens), Some(others)) => one.0.are_equivalent_ranges(tokens, other.0, others),
        (one, other) => one.is_none() && other.is_none(),
    };
    let removed = b.parts.iter().filter(|part| !in_f.contains_key(&part.position));
    let mut clashes = Vec::new();
    for (part, line) in f
        .parts
        .iter()
        .map(|part| (part, f.line(part.tokens.start)))
        .chain(removed.map(|part| (part, 1)))
    {
        let sides = [
            (&b, in_b.get(&part.position)),
            (&o, in_o.get(&part.position)),
            (&f, in_f.get(&part.position)),
        ];
        let [base, ours, theirs] = sides;
        if same(base, ours) || same(base, theirs) || same(ours, theirs) {
            continue;
        }
        let texts = sides.map(|(file, tokens)| tokens.map(|tokens| file.text(tokens).to_owned()).unwrap_or_default());
        clashes.push(MergeConflict::new(describe_file_part(&part.position), line, texts));
    }
    clashes
}
