//! Merges the items of a list: the columns or clauses of a select, or the CTEs of a query.

use std::collections::{HashMap, HashSet};

use super::select::SelectElement;
use crate::file::SqlFile;
use crate::separated_list::{ListItem, SeparatedList};

/// Source of an item in a merged list. The numbers are positions of items.
#[derive(Clone, Copy, Debug)]
pub(super) enum MergedItemSource {
    /// The item in the file, unchanged.
    Theirs(usize),
    /// The item that the spec produces, which replaces an item in the file.
    Ours { ours: usize, theirs: usize },
    /// An item whose parts are merged one by one.
    Both { base: usize, ours: usize, theirs: usize },
    /// A new item that the spec produces.
    New(usize),
}

impl MergedItemSource {
    pub fn list_item(self, file: &SqlFile<'_>, ours: &[SelectElement], list: &SeparatedList) -> ListItem {
        let text = |at: usize| {
            ours.get(at)
                .map(|item| file.text(&item.tokens).to_owned())
                .unwrap_or_default()
        };
        let in_file = |at: usize| list.entries.get(at).cloned().unwrap_or_default();
        match self {
            Self::Theirs(theirs) | Self::Both { theirs, .. } => in_file(theirs),
            Self::Ours { ours, theirs } => ListItem {
                text: text(ours),
                ..in_file(theirs)
            },
            Self::New(ours) => ListItem {
                text: text(ours),
                ..ListItem::default()
            },
        }
    }

    fn file_index(self) -> Option<usize> {
        match self {
            Self::Theirs(theirs) | Self::Ours { theirs, .. } | Self::Both { theirs, .. } => Some(theirs),
            Self::New(_) => None,
        }
    }
}

/// Sorts items by rank. An item without a rank stays after the item that precedes it.
fn sort_by_rank(
    items: Vec<MergedItemSource>,
    rank: impl Fn(&MergedItemSource) -> Option<usize>,
) -> Vec<MergedItemSource> {
    let mut last = 0;
    let mut ranked: Vec<(usize, MergedItemSource)> = Vec::new();
    for item in items {
        last = rank(&item).unwrap_or(last);
        ranked.push((last, item));
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, item)| item).collect()
}

fn index_by_key(items: &[SelectElement]) -> HashMap<&str, usize> {
    let pairs = items.iter().enumerate().map(|(at, item)| (item.key.as_str(), at));
    pairs.collect()
}

/// Merges the items of a list. `None` if both sides changed the same item, unless the items consist of parts that can
/// be merged. If the file contains SQL that is equivalent to the spec's new item, the file's SQL is kept.
pub(super) fn merge_items(
    (base_sql, base_items): (&SqlFile<'_>, &[SelectElement]),
    (spec_sql, spec_items): (&SqlFile<'_>, &[SelectElement]),
    (edited_sql, edited_items): (&SqlFile<'_>, &[SelectElement]),
    are_items_mergeable: bool,
) -> Option<Vec<MergedItemSource>> {
    let base_index_by_key = index_by_key(base_items);
    let spec_index_by_key = index_by_key(spec_items);
    let edited_index_by_key = index_by_key(edited_items);
    let base_item = |key: &str| base_index_by_key.get(key).and_then(|at| base_items.get(*at));
    let mut picked = Vec::new();
    for (at, item) in edited_items.iter().enumerate() {
        let before = base_item(&item.key);
        let as_base =
            before.is_some_and(|before| base_sql.are_equivalent_ranges(&before.tokens, edited_sql, &item.tokens));
        let Some(now) = spec_index_by_key.get(item.key.as_str()).copied() else {
            match before {
                None => picked.push(MergedItemSource::Theirs(at)),
                Some(_) if as_base => {}
                Some(_) => return None,
            }
            continue;
        };
        let new = &spec_items.get(now)?.tokens;
        let is_unchanged = before.is_some_and(|before| base_sql.are_equivalent_ranges(&before.tokens, spec_sql, new));
        picked.push(
            if edited_sql.are_equivalent_ranges(&item.tokens, spec_sql, new) || is_unchanged {
                MergedItemSource::Theirs(at)
            } else if let Some(base) = base_index_by_key
                .get(item.key.as_str())
                .copied()
                .filter(|_| are_items_mergeable)
            {
                MergedItemSource::Both {
                    base,
                    ours: now,
                    theirs: at,
                }
            } else if as_base {
                MergedItemSource::Ours { ours: now, theirs: at }
            } else {
                return None;
            },
        );
    }
    // An item that the spec produces but the file lacks is new, or was removed by a user.
    let mut new: Vec<usize> = Vec::new();
    for (at, item) in spec_items
        .iter()
        .enumerate()
        .filter(|(_, item)| !edited_index_by_key.contains_key(item.key.as_str()))
    {
        match base_item(&item.key) {
            None => new.push(at),
            Some(before) if base_sql.are_equivalent_ranges(&before.tokens, spec_sql, &item.tokens) => {}
            Some(_) => return None,
        }
    }
    let order = |items: &[SelectElement]| -> Vec<String> {
        let common = |item: &&SelectElement| {
            [&base_index_by_key, &spec_index_by_key, &edited_index_by_key]
                .iter()
                .all(|keys| keys.contains_key(item.key.as_str()))
        };
        items.iter().filter(common).map(|item| item.key.clone()).collect()
    };
    let key_of = |one: &MergedItemSource| {
        one.file_index()
            .and_then(|at| edited_items.get(at))
            .map(|item| item.key.as_str())
    };
    // Only the spec changed the order of the items.
    if order(base_items) == order(edited_items) && order(base_items) != order(spec_items) {
        picked = sort_by_rank(picked, |one| {
            key_of(one).and_then(|key| spec_index_by_key.get(key).copied())
        });
    }
    if new.is_empty() {
        return Some(picked);
    }
    // A new item is placed after the item that precedes it in the spec.
    let kept_keys: HashSet<String> = picked.iter().filter_map(|one| key_of(one).map(str::to_owned)).collect();
    let mut new_items_after: HashMap<Option<&str>, Vec<MergedItemSource>> = HashMap::new();
    let (mut last, mut new) = (None, new.into_iter().peekable());
    for (at, item) in spec_items.iter().enumerate() {
        if new.next_if_eq(&at).is_some() {
            new_items_after.entry(last).or_default().push(MergedItemSource::New(at));
        } else if kept_keys.contains(&item.key) {
            last = Some(item.key.as_str());
        }
    }
    let mut out = new_items_after.remove(&None).unwrap_or_default();
    for one in picked {
        out.push(one);
        out.extend(
            key_of(&one)
                .and_then(|key| new_items_after.remove(&Some(key)))
                .unwrap_or_default(),
        );
    }
    Some(out)
}
