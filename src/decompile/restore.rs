//! Restores the parts of a model's SQL that users edited.

use std::ops::Range;

use super::column_positions::column_at;
use super::columns::ColumnExpression;
use super::file::{FilePartKind, FilePartPosition, SqlFile, is_same_name};
use super::from_clause::from_clause_relations;
use super::substitute::Substitution;
use crate::dialect::Dialect;

/// Maximum size, in cells, of the table that is used to compare two parts. The tokens of larger parts are restored
/// together.
const MAX_DIFF_CELLS: usize = 1 << 20;

/// Smallest piece in which the edited SQL differs from the generated SQL. One of the ranges of tokens may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hunk {
    pub generated: Range<usize>,
    pub edited: Range<usize>,
}

impl Hunk {
    /// Returns whether the piece belongs to one of these ranges of tokens in the generated or the edited SQL.
    pub fn is_hunk_in_ranges(&self, generated_ranges: &[Range<usize>], ranges: &[Range<usize>]) -> bool {
        // An empty range overlaps another range only if it lies strictly between the start and the end of the other
        // range.
        let overlaps = |range: &Range<usize>, other_ranges: &[Range<usize>]| {
            other_ranges
                .iter()
                .any(|other| range.start < other.end && other.start < range.end)
        };
        overlaps(&self.generated, generated_ranges) || overlaps(&self.edited, ranges)
    }

    /// Returns the replacement in the edited SQL that restores the generated SQL.
    pub fn restore(&self, generated_file: &SqlFile<'_>, sql_file: &SqlFile<'_>) -> Substitution {
        let end_before = |file: &SqlFile<'_>, token_index: usize| match token_index.checked_sub(1) {
            Some(last) => file.byte_range(&(last..token_index)).end,
            None => 0,
        };
        let text = match (self.generated.is_empty(), self.edited.is_empty()) {
            (true, _) => String::new(),
            (false, false) => generated_file.text(&self.generated).to_owned(),
            // Include the line break before the restored tokens.
            (false, true) => {
                let (start, end) = (
                    end_before(generated_file, self.generated.start),
                    generated_file.byte_range(&self.generated).end,
                );
                generated_file.source.get(start..end).unwrap_or_default().to_owned()
            }
        };
        let byte_range = match (self.generated.is_empty(), self.edited.is_empty()) {
            (_, true) => end_before(sql_file, self.edited.start)..end_before(sql_file, self.edited.start),
            (true, false) => end_before(sql_file, self.edited.start)..sql_file.byte_range(&self.edited).end,
            (false, false) => sql_file.byte_range(&self.edited),
        };
        (byte_range, text)
    }
}

/// Returns the pieces in which a part of the generated SQL differs from the edited SQL. Empty if a column was added, or
/// if nothing precedes a removed part.
pub(super) fn diff_file_part(
    position: &FilePartPosition,
    generated_file: &SqlFile<'_>,
    sql_file: &SqlFile<'_>,
) -> Vec<Hunk> {
    // Text of the part, including the keywords of its clause, or its comma and alias.
    let whole_range = |file: &SqlFile<'_>, tokens: Range<usize>| match position.clause() {
        Some("distinct") => tokens,
        Some(clause) => tokens.start - clause.split(' ').count()..tokens.end,
        None => tokens.start.saturating_sub(1)..file.end_including_name(&tokens),
    };
    match (generated_file.part_tokens(position), sql_file.part_tokens(position)) {
        (Some(generated_tokens), Some(edited)) => {
            let of_relations =
                || diff_relations((generated_file, generated_tokens.clone()), (sql_file, edited.clone()));
            let hunks = (position.clause() == Some("from")).then(of_relations).flatten();
            hunks.unwrap_or_else(|| diff_tokens((generated_file, generated_tokens), (sql_file, edited)))
        }
        (Some(generated_tokens), None) => {
            let edited_index = find_removed_part_position(position, generated_file, sql_file);
            let hunk = edited_index.map(|token_index| Hunk {
                generated: whole_range(generated_file, generated_tokens),
                edited: token_index..token_index,
            });
            hunk.into_iter().collect()
        }
        (None, Some(edited)) if position.clause().is_some() => vec![Hunk {
            generated: 0..0,
            edited: whole_range(sql_file, edited),
        }],
        (None, _) => Vec::new(),
    }
}

/// Compares two `from` clauses relation by relation, so that an added join is a separate piece. `None` if a relation is
/// missing, or if the order differs.
fn diff_relations(
    (generated_file, generated_tokens): (&SqlFile<'_>, Range<usize>),
    (file, edited): (&SqlFile<'_>, Range<usize>),
) -> Option<Vec<Hunk>> {
    let (before, after) = (
        from_clause_relations(generated_file, generated_tokens.clone()),
        from_clause_relations(file, edited),
    );
    // Jinja calls such as `ref` are not evaluated.
    if before.is_empty() || after.is_empty() {
        return None;
    }
    let mut before = before.into_iter().peekable();
    let mut hunks = Vec::new();
    let mut token_index = generated_tokens.start;
    for relation in after {
        match before.next_if(|clause_relation| clause_relation.alias == relation.alias) {
            Some(clause_relation) => {
                token_index = clause_relation.tokens.end;
                hunks.extend(diff_tokens(
                    (generated_file, clause_relation.tokens),
                    (file, relation.tokens),
                ));
            }
            None => hunks.push(Hunk {
                generated: token_index..token_index,
                edited: relation.tokens,
            }),
        }
    }
    before.peek().is_none().then_some(hunks)
}

/// Returns the position in the edited SQL where a removed part was: right after the nearest preceding part of its
/// select that still exists.
fn find_removed_part_position(
    position: &FilePartPosition,
    generated_file: &SqlFile<'_>,
    file: &SqlFile<'_>,
) -> Option<usize> {
    let before = generated_file.parts.get(..generated_file.part_position(position)?)?;
    let mut of_select = before
        .iter()
        .rev()
        .filter(|part| (&part.position.cte, part.position.branch) == (&position.cte, position.branch));
    let part = of_select.find_map(|part| file.parts.get(file.part_position(&part.position)?))?;
    let is_column = matches!(part.position.kind, FilePartKind::Column(_) | FilePartKind::Unnamed);
    // A column needs a preceding column because of the comma.
    (is_column || position.clause().is_some()).then_some(part.end)
}

/// Compares two ranges of tokens.
pub(super) fn diff_tokens(
    (generated_file, generated_tokens): (&SqlFile<'_>, Range<usize>),
    (sql_file, edited): (&SqlFile<'_>, Range<usize>),
) -> Vec<Hunk> {
    let keys = |file: &SqlFile<'_>, tokens: &Range<usize>| {
        tokens
            .clone()
            .map(|token_index| file.key(token_index))
            .collect::<Vec<_>>()
    };
    let (a, b) = (keys(generated_file, &generated_tokens), keys(sql_file, &edited));
    let head = a.iter().zip(&b).take_while(|(key, other)| key == other).count();
    let rest = a.iter().rev().zip(b.iter().rev());
    let tail = rest.take_while(|(key, other)| key == other).count();
    let tail = tail.min(a.len().min(b.len()) - head);
    let [a, b] = [&a, &b].map(|keys| keys.get(head..keys.len() - tail).unwrap_or_default());
    let (generated_start, edited) = (generated_tokens.start + head, edited.start + head);
    if a.is_empty() && b.is_empty() {
        return Vec::new();
    }
    let width = b.len() + 1;
    if (a.len() + 1).saturating_mul(width) > MAX_DIFF_CELLS {
        return vec![Hunk {
            generated: generated_start..generated_start + a.len(),
            edited: edited..edited + b.len(),
        }];
    }
    // Length of the longest common subsequence of the remaining tokens on both sides.
    let mut common = vec![0u32; (a.len() + 1) * width];
    let length = |common: &[u32], i: usize, j: usize| common.get(i * width + j).copied().unwrap_or_default();
    for (i, key) in a.iter().enumerate().rev() {
        for (j, other) in b.iter().enumerate().rev() {
            let longest = match key == other {
                true => length(&common, i + 1, j + 1) + 1,
                false => length(&common, i + 1, j).max(length(&common, i, j + 1)),
            };
            if let Some(cell) = common.get_mut(i * width + j) {
                *cell = longest;
            }
        }
    }
    let mut hunks: Vec<Hunk> = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && a.get(i) == b.get(j) {
            (i, j) = (i + 1, j + 1);
            continue;
        }
        let (from_i, from_j) = (generated_start + i, edited + j);
        let takes_own = j == b.len() || i < a.len() && length(&common, i + 1, j) >= length(&common, i, j + 1);
        (i, j) = if takes_own { (i + 1, j) } else { (i, j + 1) };
        match hunks.last_mut() {
            Some(last) if (last.generated.end, last.edited.end) == (from_i, from_j) => {
                (last.generated.end, last.edited.end) = (generated_start + i, edited + j);
            }
            _ => hunks.push(Hunk {
                generated: from_i..generated_start + i,
                edited: from_j..edited + j,
            }),
        }
    }
    hunks
}

/// A select's `group by` item for a column.
pub(super) struct GroupByItem {
    /// Item in the generated SQL.
    pub generated: Range<usize>,
    edited: EditedGroupItem,
}

/// The `group by` item for a column in the edited SQL.
enum EditedGroupItem {
    /// No item groups by the column.
    Missing,
    /// The item at the same position groups by a different expression.
    Changed(Range<usize>),
    /// The item is the expression or the name of the column.
    Same(Range<usize>),
    /// The item is the position of the column, or `all`. If the column is restored, then the item is too.
    Position(Range<usize>),
}

impl GroupByItem {
    /// Finds the item that groups by a column. `None` if the generated SQL does not group by the column.
    pub fn find(
        (generated_file, generated_expression): (&SqlFile<'_>, &ColumnExpression),
        (sql_file, edited): (&SqlFile<'_>, &ColumnExpression),
        column: &str,
    ) -> Option<Self> {
        let (before, after) = (
            group_by_items(generated_file, generated_expression),
            group_by_items(sql_file, edited),
        );
        let is_of_column =
            |file: &SqlFile<'_>, column_expression: &ColumnExpression, (item, expression): &GroupByItemTokens| {
                let is_name = item.len() == 1 && is_same_name(&file.key(item.start), column);
                is_name || file.has_same_tokens(expression, file, &column_expression.tokens)
            };
        let index = before
            .iter()
            .position(|item| is_of_column(generated_file, generated_expression, item))?;
        let current = after.iter().find(|item| is_of_column(sql_file, edited, item));
        // If the edited SQL groups by a different expression, the item is at the same position.
        let is_known = |(_, expression): &GroupByItemTokens| {
            before
                .iter()
                .any(|(_, generated_item)| sql_file.are_equivalent_ranges(expression, generated_file, generated_item))
        };
        let moved = after.get(index).filter(|item| !is_known(item));
        let (_, generated) = before.get(index)?;
        let edited = match (current, moved) {
            (Some((item, expression)), _) if item == expression => EditedGroupItem::Same(item.clone()),
            (Some((item, _)), _) => EditedGroupItem::Position(item.clone()),
            (None, Some((item, _))) => EditedGroupItem::Changed(item.clone()),
            (None, None) => EditedGroupItem::Missing,
        };
        Some(Self {
            generated: generated.clone(),
            edited,
        })
    }

    /// Returns whether the edited SQL does not group by the column.
    pub fn is_edited(&self) -> bool {
        matches!(self.edited, EditedGroupItem::Missing | EditedGroupItem::Changed(_))
    }

    /// Returns the tokens of the item in the edited SQL.
    pub fn edited_tokens(&self) -> Option<&Range<usize>> {
        match &self.edited {
            EditedGroupItem::Missing => None,
            EditedGroupItem::Changed(tokens) | EditedGroupItem::Same(tokens) | EditedGroupItem::Position(tokens) => {
                Some(tokens)
            }
        }
    }

    /// Returns the pieces that restore the item. A position needs no change, but has an empty piece, because the edit
    /// of the column also changes what the position refers to.
    pub fn hunks(&self, generated_file: &SqlFile<'_>, sql_file: &SqlFile<'_>) -> Vec<Hunk> {
        match &self.edited {
            EditedGroupItem::Missing => Vec::new(),
            EditedGroupItem::Position(edited) => vec![Hunk {
                generated: self.generated.start..self.generated.start,
                edited: edited.start..edited.start,
            }],
            EditedGroupItem::Changed(edited) | EditedGroupItem::Same(edited) => {
                diff_tokens((generated_file, self.generated.clone()), (sql_file, edited.clone()))
            }
        }
    }
}

/// Tokens of a `group by` item, and of the expression that the item groups by.
type GroupByItemTokens = (Range<usize>, Range<usize>);

/// Returns the items of the `group by` of a column's select. `group by all` is one item that groups by the column.
fn group_by_items(file: &SqlFile<'_>, column_expression: &ColumnExpression) -> Vec<GroupByItemTokens> {
    let Some(tokens) = file.clause(column_expression.cte.as_deref(), "group by") else {
        return Vec::new();
    };
    if file.is_group_by_all(&tokens) {
        return vec![(tokens, column_expression.tokens.clone())];
    }
    let positions = file.column_positions(&tokens);
    let items = file.split_at_commas(tokens).into_iter();
    let with_expression = |item: Range<usize>| {
        let expression = column_at(&positions, item.start).unwrap_or_else(|| item.clone());
        (item, expression)
    };
    items.map(with_expression).collect()
}

/// Returns the replacements that restore an edited column, and its `group by` item.
///
/// ```
/// use formulac_catalog::Dialect;
/// use formulac_decompile::{SqlEdits, apply_replacements, restore_edited_column};
///
/// let written = "select\n    amount > 15 as is_large,\n    count(*) as n\nfrom orders\ngroup by amount > 15\n";
/// let found = written.replace("15", "20").replace("count(*)", "sum(x)");
/// let edits = SqlEdits::from_texts(written, &found, Dialect::default());
/// let restored = restore_edited_column(written, &found, Dialect::default(), &edits.items[0].position);
/// let restored = apply_replacements(&found, restored.iter().collect()).unwrap();
/// assert_eq!(restored, written.replace("count(*)", "sum(x)"));
/// ```
#[must_use]
pub fn restore_edited_column(
    generated_sql: &str,
    text: &str,
    dialect: Dialect,
    position: &FilePartPosition,
) -> Vec<Substitution> {
    let (generated_file, file) = (SqlFile::read(generated_sql, dialect), SqlFile::read(text, dialect));
    let (Some(generated_tokens), Some(edited)) = (generated_file.part_tokens(position), file.part_tokens(position))
    else {
        return Vec::new();
    };
    // A plain column has no name after it, but an expression that replaces the column needs a name.
    let (own_end, edited_end) = (
        generated_file.end_including_name(&generated_tokens),
        file.end_including_name(&edited),
    );
    let column_hunk = match (own_end == generated_tokens.end, edited_end == edited.end) {
        (true, false) => Hunk {
            generated: generated_tokens.clone(),
            edited: edited.start..edited_end,
        },
        (false, true) => Hunk {
            generated: generated_tokens.start..own_end,
            edited: edited.clone(),
        },
        _ => Hunk {
            generated: generated_tokens.clone(),
            edited: edited.clone(),
        },
    };
    let mut restored = vec![column_hunk.restore(&generated_file, &file)];
    if let FilePartKind::Column(column) = &position.kind {
        let column_expression = |tokens| ColumnExpression {
            cte: position.cte.clone(),
            tokens,
        };
        let item = GroupByItem::find(
            (&generated_file, &column_expression(generated_tokens)),
            (&file, &column_expression(edited)),
            column,
        );
        let hunks = item.map_or_else(Vec::new, |item| item.hunks(&generated_file, &file));
        restored.extend(hunks.iter().map(|hunk| hunk.restore(&generated_file, &file)));
    }
    restored
}
