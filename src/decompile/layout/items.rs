//! Merges the items of a list: the columns or clauses of a select, or the CTEs of a query.

use std::collections::{HashMap, HashSet};

use super::select::LayoutItem;
use crate::file::SqlFile;
use crate::separated_list::{ListItem, SeparatedList};

/// Source of an item in a merged list. The numbers are positions of items.
#[derive(Clone, Copy, Debug)]
pub(super) enum MergedItem {
    /// The item in the file, unchanged.
    Theirs(usize),
    /// The item that the spec produces, which replaces an item in the file.
    Ours { ours: usize, theirs: usize },
    /// An item whose parts are merged one by one.
    Both { base: usize, ours: usize, theirs: usize },
    /// A new item that the spec produces.
    New(usize),
}

impl MergedItem {
    pub fn list_item(self, file: &SqlFile<'_>, ours: &[LayoutItem], list: &SeparatedList) -> ListItem {
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

/// Merges the items of a list. `None` if both sides changed the same item, unless the items consist of parts that can
/// be merged. If the file contains SQL that is equivalent to the spec's new item, the file's SQL is kept.
pub(super) fn merge_items(
    (base, b): (&SqlFile<'_>, &[LayoutItem]),
    (ours, o): (&SqlFile<'_>, &[LayoutItem]),
    (file, f): (&SqlFile<'_>, &[LayoutItem]),
    have_parts: bool,
) -> Option<Vec<MergedItem>> {
    fn index_by_key(items: &[LayoutItem]) -> HashMap<&str, usize> {
        items
            .iter()
            .enumerate()
            .map(|(at, item)| (item.key.as_str(), at))
            .collect()
    }
    let (in_b, in_o, in_f) = (index_by_key(b), index_by_key(o), index_by_key(f));
    let base_item = |key: &str| in_b.get(key).and_then(|at| b.get(*at));
    let mut picked = Vec::new();
    for (at, item) in f.iter().enumerate() {
        let before = base_item(&item.key);
        let as_base = before.is_some_and(|before| base.is_same_part(&before.tokens, file, &item.tokens));
        let Some(now) = in_o.get(item.key.as_str()).copied() else {
            match before {
                None => picked.push(MergedItem::Theirs(at)),
                Some(_) if as_base => {}
                Some(_) => return None,
            }
            continue;
        };
        let new = &o.get(now)?.tokens;
        let is_unchanged = before.is_some_and(|before| base.is_same_part(&before.tokens, ours, new));
        picked.push(if file.is_same_part(&item.tokens, ours, new) || is_unchanged {
            MergedItem::Theirs(at)
        } else if let Some(base) = in_b.get(item.key.as_str()).copied().filter(|_| have_parts) {
            MergedItem::Both {
                base,
                ours: now,
                theirs: at,
            }
        } else if as_base {
            MergedItem::Ours { ours: now, theirs: at }
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
        match base_item(&item.key) {
            None => new.push(at),
            Some(before) if base.is_same_part(&before.tokens, ours, &item.tokens) => {}
            Some(_) => return None,
        }
    }
    let order = |items: &[LayoutItem]| -> Vec<String> {
        let common = |item: &&LayoutItem| {
            [&in_b, &in_o, &in_f]
                .iter()
                .all(|keys| keys.contains_key(item.key.as_str()))
        };
        items.iter().filter(common).map(|item| item.key.clone()).collect()
    };
    let key_of = |one: &MergedItem| one.file_index().and_then(|at| f.get(at)).map(|item| item.key.as_str());
    // Only the spec changed the order of the items.
    if order(b) == order(f) && order(b) != order(o) {
        let rank = |one: &MergedItem| key_of(one).and_then(|key| in_o.get(key).copied());
        let mut last = 0;
        let mut ranked: Vec<(usize, MergedItem)> = Vec::new();
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
    let kept_keys: HashSet<String> = picked.iter().filter_map(|one| key_of(one).map(str::to_owned)).collect();
    let mut new_items_after: HashMap<Option<&str>, Vec<MergedItem>> = HashMap::new();
    let (mut last, mut new) = (None, new.into_iter().peekable());
    for (at, item) in o.iter().enumerate() {
        if new.next_if_eq(&at).is_some() {
            new_items_after.entry(last).or_default().push(MergedItem::New(at));
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
