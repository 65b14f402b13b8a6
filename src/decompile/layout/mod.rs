//! Writes the SQL that a spec now produces in the layout of the existing file. CTEs, columns and clauses whose tokens
//! do not change are copied from the file, so that hand edits in them are preserved.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::comments::restore_lost_comments;
use super::edits::describe_file_part;
use super::file::{FilePart, FilePartKind, FilePartPosition, SqlFile};
use super::separated_parts::{ListItem, SeparatedList};
use crate::dbt::with_header_of;
use crate::dialect::Dialect;

/// Merges three versions of a model's SQL: `base` is the version that formulac wrote last, `ours` the version that the
/// spec now produces, and `text` the version in the file. `None` if both the spec and a user changed the same part.
pub fn merge(base: &str, ours: &str, actual: &str, dialect: Dialect) -> Option<String> {
    let [b, o, f] = [base, ours, actual].map(|text| SqlFile::read(text, dialect));
    let all = |file: &SqlFile<'_>| 0..file.tokens.len();
    let merged = if f.is_same_query(&o) && !is_missing_comment(&o, &f) {
        actual.to_owned()
    } else if [&b, &o, &f].iter().any(|file| file.last.is_empty()) {
        one_sided_text(&LayoutSides {
            b: (&b, all(&b)),
            o: (&o, all(&o)),
            f: (&f, all(&f)),
        })?
        .to_owned()
    } else {
        let mut out = merge_head(&b, &o, &f)?;
        merge_query(&b, &o, &f, &mut out)?;
        out
    };
    let merged = with_header_of(&restore_lost_comments(merged, &f), ours);
    has_known_parts(&SqlFile::read(&merged, dialect), &b, &o, &f).then_some(merged)
}

/// Restores the file's comments that are missing from a merged text.
pub fn keep_comments(merged: String, text: &str, dialect: Dialect) -> String {
    restore_lost_comments(merged, &SqlFile::read(text, dialect))
}

/// Part of a query that the spec and a user changed in different ways.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayoutClash {
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

impl LayoutClash {
    /// Creates a clash for the part of the file that starts at `line`, with the text of all three versions.
    pub fn new(what: impl Into<String>, line: usize, [base, ours, theirs]: [String; 3]) -> Self {
        Self {
            description: what.into(),
            line,
            base,
            ours,
            theirs,
        }
    }
}

/// Returns the parts that the spec and a user changed in different ways. If there are such parts, [`merge`] returns
/// `None`.
pub fn layout_clashes(base: &str, ours: &str, actual: &str, dialect: Dialect) -> Vec<LayoutClash> {
    let [b, o, f] = [base, ours, actual].map(|text| SqlFile::read(text, dialect));
    let by_place = |file: &SqlFile<'_>| -> HashMap<FilePartPosition, Range<usize>> {
        file.parts
            .iter()
            .map(|part| (part.position.clone(), part.tokens.clone()))
            .collect()
    };
    let (in_b, in_o, in_f) = (by_place(&b), by_place(&o), by_place(&f));
    let same = |one: (&SqlFile<'_>, Option<&Range<usize>>), other: (&SqlFile<'_>, Option<&Range<usize>>)| match (
        one.1, other.1,
    ) {
        (Some(tokens), Some(others)) => one.0.is_same_part(tokens, other.0, others),
        (one, other) => one.is_none() && other.is_none(),
    };
    let gone = b.parts.iter().filter(|part| !in_f.contains_key(&part.position));
    let mut clashes = Vec::new();
    for (part, line) in f
        .parts
        .iter()
        .map(|part| (part, f.line(part.tokens.start)))
        .chain(gone.map(|part| (part, 1)))
    {
        let sides = [
            (&b, in_b.get(&part.position)),
            (&o, in_o.get(&part.position)),
            (&f, in_f.get(&part.position)),
        ];
        let [was, now, there] = sides;
        if same(was, now) || same(was, there) || same(now, there) {
            continue;
        }
        let texts = sides.map(|(file, tokens)| tokens.map(|tokens| file.text(tokens).to_owned()).unwrap_or_default());
        clashes.push(LayoutClash::new(describe_file_part(&part.position), line, texts));
    }
    clashes
}

/// Returns whether each part of the merged SQL is equal to the part that the spec produces or to the part in the file.
fn has_known_parts(merged: &SqlFile<'_>, b: &SqlFile<'_>, o: &SqlFile<'_>, f: &SqlFile<'_>) -> bool {
    if f.is_same_query(b) {
        return merged.is_same_query(o);
    }
    let [ours, theirs] = [o, f].map(|file| {
        let parts = file.parts.iter().map(|part| (&part.position, &part.tokens));
        (file, parts.collect::<HashMap<_, _>>())
    });
    merged.parts.iter().all(|part| {
        let is_in = |(file, parts): &(&SqlFile<'_>, HashMap<_, &Range<usize>>)| {
            parts
                .get(&part.position)
                .is_some_and(|tokens| merged.is_same_part(&part.tokens, file, tokens))
        };
        is_in(&ours)
            || is_in(&theirs)
            || matches!(
                part.position.kind,
                FilePartKind::Config | FilePartKind::Unnamed | FilePartKind::Other
            )
    })
}

/// Corresponding tokens in the base, in the spec's SQL and in the file.
struct LayoutSides<'a, 's> {
    b: (&'a SqlFile<'s>, Range<usize>),
    o: (&'a SqlFile<'s>, Range<usize>),
    f: (&'a SqlFile<'s>, Range<usize>),
}

/// Returns the file's text if only users changed the part, or the spec's text if only the spec changed it.
fn one_sided_text<'s>(sides: &LayoutSides<'_, 's>) -> Option<&'s str> {
    let LayoutSides { b, o, f } = sides;
    if f.0.has_same_tokens(&f.1, o.0, &o.1) || b.0.has_same_tokens(&b.1, o.0, &o.1) {
        Some(f.0.text(&f.1))
    } else {
        b.0.has_same_tokens(&b.1, f.0, &f.1).then(|| o.0.text(&o.1))
    }
}

/// Returns the tokens before the query: configuration and hints.
pub(super) fn head_tokens(file: &SqlFile<'_>) -> Range<usize> {
    let first = file
        .cte_tokens
        .first()
        .map_or(file.last.start, |cte| cte.start.saturating_sub(1));
    0..first
}

fn head_text<'s>(file: &SqlFile<'s>) -> &'s str {
    let end = file.byte_range(&(head_tokens(file).end..file.tokens.len())).start;
    file.source.get(..end).unwrap_or_default()
}

/// Merges everything before the query. Additions that users made to the configuration are kept, even if the spec
/// changes the rest of the configuration.
fn merge_head(b: &SqlFile<'_>, o: &SqlFile<'_>, f: &SqlFile<'_>) -> Option<String> {
    let [base, ours, range] = [b, o, f].map(head_tokens);
    let is_edited = !b.has_same_tokens(&base, f, &range);
    if b.has_same_tokens(&base, o, &ours) || f.has_same_tokens(&range, o, &ours) {
        let takes_comment = is_missing_comment(o, f) && !is_missing_comment(b, f);
        return Some(
            if takes_comment && !is_edited {
                head_text(o)
            } else {
                head_text(f)
            }
            .to_owned(),
        );
    }
    let mut out = head_text(o).to_owned();
    if !is_edited {
        return Some(out);
    }
    let keys = |file: &SqlFile<'_>, tokens: &Range<usize>| tokens.clone().map(|at| file.key(at)).collect::<Vec<_>>();
    let (before, now) = (keys(b, &base), keys(f, &range));
    if before.iter().any(|key| !now.contains(key)) {
        return None;
    }
    for at in range.filter(|at| !before.contains(&f.key(*at))) {
        out.push_str(f.text(&(at..at + 1)));
        out.push_str("\n\n");
    }
    Some(out)
}

/// Returns whether a comment that formulac writes above the query of one file is missing above the query of the other
/// file.
fn is_missing_comment(of: &SqlFile<'_>, file: &SqlFile<'_>) -> bool {
    let there = head_text(file);
    head_text(of)
        .lines()
        .any(|line| line.starts_with("--") && !there.lines().any(|other| other == line))
}

/// Merges the CTEs and the last select.
fn merge_query(b: &SqlFile<'_>, o: &SqlFile<'_>, f: &SqlFile<'_>, output: &mut String) -> Option<()> {
    if f.ctes.is_empty() != o.ctes.is_empty() {
        let [b, o, f] = [b, o, f].map(|file| (file, head_tokens(file).end..file.tokens.len()));
        output.push_str(one_sided_text(&LayoutSides { b, o, f })?);
        output.push('\n');
        return Some(());
    }
    if !f.ctes.is_empty() {
        let items = |file: &SqlFile<'_>| -> Vec<LayoutItem> {
            let ctes = file.ctes.iter().zip(&file.cte_tokens);
            ctes.map(|(name, tokens)| LayoutItem {
                key: name.clone(),
                tokens: tokens.clone(),
            })
            .collect()
        };
        let (base, ours, layout_items) = (items(b), items(o), items(f));
        let with = head_tokens(f).end;
        let start = f.byte_range(&(with..with + 1)).end;
        output.push_str(f.text(&(with..with + 1)));
        let ranges: Vec<Range<usize>> = layout_items.iter().map(|item| item.tokens.clone()).collect();
        let list = SeparatedList::read(f, &ranges, start, f.byte_range(&f.last).start, true);
        let picked = merge_items((b, &base), (o, &ours), (f, &layout_items), true)?;
        let mut entries = Vec::new();
        for one in picked {
            let mut entry = one.list_item(o, &ours, &list);
            if let PickedItem::Both {
                base: was,
                ours: now,
                found: there,
            } = one
            {
                let of =
                    |items: &[LayoutItem], at: usize| items.get(at).map(|item| item.tokens.clone()).unwrap_or_default();
                let sides = LayoutSides {
                    b: (b, of(&base, was)),
                    o: (o, of(&ours, now)),
                    f: (f, of(&layout_items, there)),
                };
                entry.text = merge_cte(&sides)?;
            }
            entries.push(entry);
        }
        list.write(output, &entries);
    }
    let [b, o, last] = [b, o, f].map(|file| (file, file.last.clone()));
    output.push_str(&merge_select(&LayoutSides { b, o, f: last })?);
    output.push_str(f.source.get(f.byte_range(&f.last).end..).unwrap_or_default());
    Some(())
}

/// Merges a CTE that exists in all three versions.
fn merge_cte(sides: &LayoutSides<'_, '_>) -> Option<String> {
    let inside = |side: &(_, Range<usize>)| side.1.start + 3..side.1.end.saturating_sub(1);
    let LayoutSides { b, o, f } = sides;
    let inner = LayoutSides {
        b: (b.0, inside(b)),
        o: (o.0, inside(o)),
        f: (f.0, inside(f)),
    };
    let text = merge_select(&inner)?;
    let (whole, part) = (f.0.byte_range(&f.1), f.0.byte_range(&inner.f.1));
    Some(
        [
            f.0.source.get(whole.start..part.start)?,
            &text,
            f.0.source.get(part.end..whole.end)?,
        ]
        .concat(),
    )
}

/// A column, a clause or a CTE.
#[derive(Clone, Debug)]
pub(super) struct LayoutItem {
    pub key: String,
    pub tokens: Range<usize>,
}

/// The parts of a select.
pub(super) struct SelectLayout {
    /// `select`, or `select distinct`.
    words: Range<usize>,
    pub columns: Vec<LayoutItem>,
    clauses: Vec<LayoutItem>,
}

impl SelectLayout {
    /// Splits a select into parts. `None` if the tokens contain several selects or cannot be parsed.
    pub fn read(file: &SqlFile<'_>, tokens: &Range<usize>) -> Option<Self> {
        let mut read = Self {
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
                FilePartKind::Column(name) => (format!("column {name}"), start..part.end, &mut read.columns),
                FilePartKind::Unnamed => (
                    file.text(&part.tokens).to_ascii_lowercase(),
                    start..end,
                    &mut read.columns,
                ),
                FilePartKind::Clause(clause) if clause == "distinct" => {
                    read.words.end = end;
                    continue;
                }
                FilePartKind::Clause(clause) => (
                    clause.clone(),
                    start - clause.split(' ').count()..end,
                    &mut read.clauses,
                ),
                FilePartKind::Config | FilePartKind::Other => return None,
            };
            let count = counts.entry(key.clone()).or_default();
            *count += 1;
            list.push(LayoutItem {
                key: format!("{key} {count}"),
                tokens,
            });
        }
        (!read.columns.is_empty()).then_some(read)
    }
}

fn merge_select(sides: &LayoutSides<'_, '_>) -> Option<String> {
    let LayoutSides { b, o, f } = sides;
    if b.0.has_same_tokens(&b.1, o.0, &o.1) || f.0.has_same_tokens(&f.1, o.0, &o.1) {
        return Some(f.0.text(&f.1).to_owned());
    }
    let read = |side: &(&SqlFile<'_>, Range<usize>)| SelectLayout::read(side.0, &side.1);
    let (Some(b), Some(o), Some(f)) = (read(&sides.b), read(&sides.o), read(&sides.f)) else {
        return one_sided_text(sides).map(str::to_owned);
    };
    let (base, ours, file) = (sides.b.0, sides.o.0, sides.f.0);
    let words = LayoutSides {
        b: (base, b.words),
        o: (ours, o.words),
        f: (file, f.words.clone()),
    };
    let mut out = one_sided_text(&words)?.to_owned();
    let tokens = |items: &[LayoutItem]| items.iter().map(|item| item.tokens.clone()).collect::<Vec<_>>();
    let end = file.byte_range(&sides.f.1).end;
    let from = f
        .clauses
        .first()
        .map_or(end, |clause| file.byte_range(&clause.tokens).start);
    let lists = [
        (
            &b.columns,
            &o.columns,
            &f.columns,
            file.byte_range(&f.words).end,
            from,
            true,
        ),
        (&b.clauses, &o.clauses, &f.clauses, from, end, false),
    ];
    for (before, now, layout_items, start, end, has_commas) in lists {
        let picked = merge_items((base, before), (ours, now), (file, layout_items), false)?;
        let list = SeparatedList::read(file, &tokens(layout_items), start, end, has_commas);
        let entries: Vec<ListItem> = picked
            .iter()
            .map(|one| {
                let mut entry = one.list_item(ours, now, &list);
                // A new clause begins on a new line.
                if !has_commas
                    && entry.lead.is_empty()
                    && !matches!(one, PickedItem::Found(0) | PickedItem::Both { found: 0, .. })
                {
                    entry.lead = whitespace_before_item(ours, one, now);
                }
                entry
            })
            .collect();
        list.write(&mut out, &entries);
    }
    Some(out)
}

/// Returns the line break and the whitespace before an item that the spec produces.
fn whitespace_before_item(ours: &SqlFile<'_>, one: &PickedItem, items: &[LayoutItem]) -> String {
    let at = match one {
        PickedItem::New(at) | PickedItem::Ours { ours: at, .. } => *at,
        _ => return "\n".to_owned(),
    };
    let start = items.get(at).map_or(0, |item| ours.byte_range(&item.tokens).start);
    let before = ours.source.get(..start).unwrap_or_default();
    before.get(before.trim_end().len()..).unwrap_or("\n").to_owned()
}

/// Source of an item in a merged list. The numbers are positions of items.
#[derive(Clone, Copy, Debug)]
enum PickedItem {
    /// The item in the file, unchanged.
    Found(usize),
    /// The item that the spec produces, which replaces an item in the file.
    Ours {
        ours: usize,
        found: usize,
    },
    /// An item whose parts are merged one by one.
    Both {
        base: usize,
        ours: usize,
        found: usize,
    },
    New(usize),
}

impl PickedItem {
    fn list_item(self, file: &SqlFile<'_>, ours: &[LayoutItem], list: &SeparatedList) -> ListItem {
        let text = |at: usize| {
            ours.get(at)
                .map(|item| file.text(&item.tokens).to_owned())
                .unwrap_or_default()
        };
        let there = |at: usize| list.entries.get(at).cloned().unwrap_or_default();
        match self {
            Self::Found(found) | Self::Both { found, .. } => there(found),
            Self::Ours { ours, found } => ListItem {
                text: text(ours),
                ..there(found)
            },
            Self::New(ours) => ListItem {
                text: text(ours),
                ..ListItem::default()
            },
        }
    }

    fn found_index(self) -> Option<usize> {
        match self {
            Self::Found(found) | Self::Ours { found, .. } | Self::Both { found, .. } => Some(found),
            Self::New(_) => None,
        }
    }
}

/// Merges the items of a list. `None` if both sides changed the same item, unless the items consist of parts that can
/// be merged. If the file contains only a different spelling of the spec's new item, the file's spelling is kept.
fn merge_items(
    (base, b): (&SqlFile<'_>, &[LayoutItem]),
    (ours, o): (&SqlFile<'_>, &[LayoutItem]),
    (file, f): (&SqlFile<'_>, &[LayoutItem]),
    have_parts: bool,
) -> Option<Vec<PickedItem>> {
    fn index_by_key(items: &[LayoutItem]) -> HashMap<&str, usize> {
        items
            .iter()
            .enumerate()
            .map(|(at, item)| (item.key.as_str(), at))
            .collect()
    }
    let (in_b, in_o, in_f) = (index_by_key(b), index_by_key(o), index_by_key(f));
    let of_base = |key: &str| in_b.get(key).and_then(|at| b.get(*at));
    let mut picked = Vec::new();
    for (at, item) in f.iter().enumerate() {
        let was = of_base(&item.key);
        let as_base = was.is_some_and(|was| base.is_same_part(&was.tokens, file, &item.tokens));
        let Some(now) = in_o.get(item.key.as_str()).copied() else {
            match was {
                None => picked.push(PickedItem::Found(at)),
                Some(_) if as_base => {}
                Some(_) => return None,
            }
            continue;
        };
        let new = &o.get(now)?.tokens;
        let is_unchanged = was.is_some_and(|was| base.is_same_part(&was.tokens, ours, new));
        picked.push(if file.is_same_part(&item.tokens, ours, new) || is_unchanged {
            PickedItem::Found(at)
        } else if let Some(base) = in_b.get(item.key.as_str()).copied().filter(|_| have_parts) {
            PickedItem::Both {
                base,
                ours: now,
                found: at,
            }
        } else if as_base {
            PickedItem::Ours { ours: now, found: at }
        } else {
            return None;
        });
    }
    // An item that the spec produces but the file lacks is new, or was removed by a user.
    let mut new: Vec<usize> = Vec::new();
    for (at, item) in o
        .iter()
        .enumerate()
        .filter(|(_, item)| !in_f.contains_key(item.key.as_str()))
    {
        match of_base(&item.key) {
            None => new.push(at),
            Some(was) if base.is_same_part(&was.tokens, ours, &item.tokens) => {}
            Some(_) => return None,
        }
    }
    let order = |items: &[LayoutItem]| -> Vec<String> {
        let common = |item: &&LayoutItem| {
            [&in_b, &in_o, &in_f]
                .iter()
                .all(|all| all.contains_key(item.key.as_str()))
        };
        items.iter().filter(common).map(|item| item.key.clone()).collect()
    };
    let key_of = |one: &PickedItem| one.found_index().and_then(|at| f.get(at)).map(|item| item.key.as_str());
    // Only the spec changed the order of the items.
    if order(b) == order(f) && order(b) != order(o) {
        let rank = |one: &PickedItem| key_of(one).and_then(|key| in_o.get(key).copied());
        let mut last = 0;
        let mut ranked: Vec<(usize, PickedItem)> = Vec::new();
        for one in picked {
            last = rank(&one).unwrap_or(last);
            ranked.push((last, one));
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        picked = ranked.into_iter().map(|(_, one)| one).collect();
    }
    if new.is_empty() {
        return Some(picked);
    }
    // A new item is placed after the item that precedes it in the spec.
    let there: HashSet<String> = picked.iter().filter_map(|one| key_of(one).map(str::to_owned)).collect();
    let mut behind: HashMap<Option<&str>, Vec<PickedItem>> = HashMap::new();
    let (mut last, mut new) = (None, new.into_iter().peekable());
    for (at, item) in o.iter().enumerate() {
        if new.next_if_eq(&at).is_some() {
            behind.entry(last).or_default().push(PickedItem::New(at));
        } else if there.contains(&item.key) {
            last = Some(item.key.as_str());
        }
    }
    let mut out = behind.remove(&None).unwrap_or_default();
    for one in picked {
        out.push(one);
        out.extend(
            key_of(&one)
                .and_then(|key| behind.remove(&Some(key)))
                .unwrap_or_default(),
        );
    }
    Some(out)
}
