//! Columns and clauses of a select.

use std::collections::HashMap;
use std::ops::Range;

use crate::file::{FilePart, FilePartKind, SqlFile};

/// A column, a clause or a CTE.
#[derive(Clone, Debug)]
pub(crate) struct SelectElement {
    pub key: String,
    pub tokens: Range<usize>,
}

/// The parts of a select.
pub(crate) struct SelectLayout {
    /// `select`, or `select distinct`.
    pub words: Range<usize>,
    pub columns: Vec<SelectElement>,
    pub clauses: Vec<SelectElement>,
}

impl SelectLayout {
    /// Splits a select into parts. `None` if the tokens contain several selects or cannot be parsed.
    pub fn read(file: &SqlFile<'_>, tokens: &Range<usize>) -> Option<Self> {
        let mut layout = Self {
            words: tokens.start..tokens.start + 1,
            columns: Vec::new(),
            clauses: Vec::new(),
        };
        let mut counts: HashMap<String, usize> = HashMap::new();
        let first = file.parts.partition_point(|part| part.tokens.start < tokens.start);
        let inside = |part: &&FilePart| part.tokens.start < tokens.end;
        for part in file
            .parts
            .get(first..)?
            .iter()
            .take_while(inside)
            .filter(|part| !part.tokens.is_empty())
        {
            let Range { start, end } = part.tokens;
            let (key, tokens, list) = match &part.position.kind {
                _ if part.position.branch > 0 => return None,
                FilePartKind::Column(name) => (format!("column {name}"), start..part.end, &mut layout.columns),
                FilePartKind::Unnamed => (
                    file.text(&part.tokens).to_ascii_lowercase(),
                    start..end,
                    &mut layout.columns,
                ),
                FilePartKind::Clause(clause) if clause == "distinct" => {
                    layout.words.end = end;
                    continue;
                }
                FilePartKind::Clause(clause) => (
                    clause.clone(),
                    start - clause.split(' ').count()..end,
                    &mut layout.clauses,
                ),
                FilePartKind::Config | FilePartKind::Other => return None,
            };
            let count = counts.entry(key.clone()).or_default();
            *count += 1;
            list.push(SelectElement {
                key: format!("{key} {count}"),
                tokens,
            });
        }
        (!layout.columns.is_empty()).then_some(layout)
    }
}
