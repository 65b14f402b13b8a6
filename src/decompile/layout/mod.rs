//! Writes a spec's new SQL in the layout of the existing file. CTEs, columns and clauses whose tokens do not change are
//! copied from the file, so that manual edits in them are preserved.

mod clash;
mod items;
mod select;

use std::collections::HashMap;
use std::ops::Range;

use super::comments::restore_lost_comments;
use super::file::{FilePartKind, SqlFile};
use super::separated_list::{ListItem, SeparatedList};
use crate::dbt::copy_header;
use crate::dialect::Dialect;

use items::{MergedItem, merge_items};
use select::LayoutItem;

pub use clash::{MergeConflict, query_merge_conflicts};
pub(super) use select::SelectLayout;

/// Merges three versions of a model's SQL: `base` is the version that formulac wrote last, `ours` the version that the
/// spec now produces, and `actual` the version in the file. `None` if both the spec and a user changed the same part.
pub fn merge(base: &str, ours: &str, actual: &str, dialect: Dialect) -> Option<String> {
    merge_texts(base, ours, actual, dialect).or_else(|| {
        // A new column may move the columns to which `group by 1` refers.
        let text = SqlFile::read(actual, dialect).without_column_positions()?;
        merge_texts(base, ours, &text, dialect)
    })
}

fn merge_texts(base: &str, ours: &str, actual: &str, dialect: Dialect) -> Option<String> {
    let [b, o, f] = [base, ours, actual].map(|text| SqlFile::read(text, dialect));
    let all_tokens = |file: &SqlFile<'_>| 0..file.tokens.len();
    let merged = if f.is_same_query(&o) && !is_missing_comment(&o, &f) {
        actual.to_owned()
    } else if [&b, &o, &f].iter().any(|file| file.last.is_empty()) {
        one_sided_text(&ThreeWayTokens {
            b: (&b, all_tokens(&b)),
            o: (&o, all_tokens(&o)),
            f: (&f, all_tokens(&f)),
        })?
        .to_owned()
    } else {
        let mut out = merge_preamble(&b, &o, &f)?;
        merge_query(&b, &o, &f, &mut out)?;
        out
    };
    let merged = copy_header(&restore_lost_comments(merged, &f), ours);
    has_only_input_parts(&SqlFile::read(&merged, dialect), &b, &o, &f).then_some(merged)
}

/// Restores the file's comments that are missing from a merged text.
pub fn restore_missing_comments(merged: String, text: &str, dialect: Dialect) -> String {
    restore_lost_comments(merged, &SqlFile::read(text, dialect))
}

/// Returns whether each part of the merged SQL is equal to the part that the spec produces or to the part in the file.
fn has_only_input_parts(merged: &SqlFile<'_>, b: &SqlFile<'_>, o: &SqlFile<'_>, f: &SqlFile<'_>) -> bool {
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
struct ThreeWayTokens<'a, 's> {
    b: (&'a SqlFile<'s>, Range<usize>),
    o: (&'a SqlFile<'s>, Range<usize>),
    f: (&'a SqlFile<'s>, Range<usize>),
}

/// Returns the file's text if only users changed the part, or the spec's text if only the spec changed it.
fn one_sided_text<'s>(sides: &ThreeWayTokens<'_, 's>) -> Option<&'s str> {
    let ThreeWayTokens { b, o, f } = sides;
    if f.0.has_same_tokens(&f.1, o.0, &o.1) || b.0.has_same_tokens(&b.1, o.0, &o.1) {
        Some(f.0.text(&f.1))
    } else {
        b.0.has_same_tokens(&b.1, f.0, &f.1).then(|| o.0.text(&o.1))
    }
}

/// Returns the tokens before the query: configuration and hints.
pub(super) fn preamble_tokens(file: &SqlFile<'_>) -> Range<usize> {
    let first = file
        .cte_tokens
        .first()
        .map_or(file.last.start, |cte| cte.start.saturating_sub(1));
    0..first
}

fn preamble_text<'s>(file: &SqlFile<'s>) -> &'s str {
    let end = file.byte_range(&(preamble_tokens(file).end..file.tokens.len())).start;
    file.source.get(..end).unwrap_or_default()
}

/// Merges everything before the query. Additions that users made to the configuration are kept, even if the spec
/// changes the rest of the configuration.
fn merge_preamble(b: &SqlFile<'_>, o: &SqlFile<'_>, f: &SqlFile<'_>) -> Option<String> {
    let [base, ours, range] = [b, o, f].map(preamble_tokens);
    let is_edited = !b.has_same_tokens(&base, f, &range);
    if b.has_same_tokens(&base, o, &ours) || f.has_same_tokens(&range, o, &ours) {
        let takes_comment = is_missing_comment(o, f) && !is_missing_comment(b, f);
        return Some(
            if takes_comment && !is_edited {
                preamble_text(o)
            } else {
                preamble_text(f)
            }
            .to_owned(),
        );
    }
    let mut out = preamble_text(o).to_owned();
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

/// Returns whether the generated query has a comment above it that the query in the file lacks.
fn is_missing_comment(generated: &SqlFile<'_>, file: &SqlFile<'_>) -> bool {
    let head = preamble_text(file);
    preamble_text(generated)
        .lines()
        .any(|line| line.starts_with("--") && !head.lines().any(|other| other == line))
}

/// Merges the CTEs and the last select.
fn merge_query(b: &SqlFile<'_>, o: &SqlFile<'_>, f: &SqlFile<'_>, output: &mut String) -> Option<()> {
    if f.ctes.is_empty() != o.ctes.is_empty() {
        let [b, o, f] = [b, o, f].map(|file| (file, preamble_tokens(file).end..file.tokens.len()));
        output.push_str(one_sided_text(&ThreeWayTokens { b, o, f })?);
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
        let with = preamble_tokens(f).end;
        let start = f.byte_range(&(with..with + 1)).end;
        output.push_str(f.text(&(with..with + 1)));
        let ranges: Vec<Range<usize>> = layout_items.iter().map(|item| item.tokens.clone()).collect();
        let list = SeparatedList::read(f, &ranges, start, f.byte_range(&f.last).start, true);
        let picked = merge_items((b, &base), (o, &ours), (f, &layout_items), true)?;
        let mut entries = Vec::new();
        for one in picked {
            let mut entry = one.list_item(o, &ours, &list);
            if let MergedItem::Both {
                base: base_index,
                ours: our_index,
                theirs,
            } = one
            {
                let tokens =
                    |items: &[LayoutItem], at: usize| items.get(at).map(|item| item.tokens.clone()).unwrap_or_default();
                let sides = ThreeWayTokens {
                    b: (b, tokens(&base, base_index)),
                    o: (o, tokens(&ours, our_index)),
                    f: (f, tokens(&layout_items, theirs)),
                };
                entry.text = merge_cte(&sides)?;
            }
            entries.push(entry);
        }
        list.write(output, &entries);
    }
    let [b, o, last] = [b, o, f].map(|file| (file, file.last.clone()));
    output.push_str(&merge_select(&ThreeWayTokens { b, o, f: last })?);
    output.push_str(f.source.get(f.byte_range(&f.last).end..).unwrap_or_default());
    Some(())
}

/// Merges a CTE that exists in all three versions.
fn merge_cte(sides: &ThreeWayTokens<'_, '_>) -> Option<String> {
    let inside = |side: &(_, Range<usize>)| side.1.start + 3..side.1.end.saturating_sub(1);
    let ThreeWayTokens { b, o, f } = sides;
    let inner = ThreeWayTokens {
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

fn merge_select(sides: &ThreeWayTokens<'_, '_>) -> Option<String> {
    let ThreeWayTokens { b, o, f } = sides;
    if b.0.has_same_tokens(&b.1, o.0, &o.1) || f.0.has_same_tokens(&f.1, o.0, &o.1) {
        return Some(f.0.text(&f.1).to_owned());
    }
    let layout = |side: &(&SqlFile<'_>, Range<usize>)| SelectLayout::read(side.0, &side.1);
    let (Some(b), Some(o), Some(f)) = (layout(&sides.b), layout(&sides.o), layout(&sides.f)) else {
        return one_sided_text(sides).map(str::to_owned);
    };
    let (base, ours, file) = (sides.b.0, sides.o.0, sides.f.0);
    let words = ThreeWayTokens {
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
                    && !matches!(one, MergedItem::Theirs(0) | MergedItem::Both { theirs: 0, .. })
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
fn whitespace_before_item(ours: &SqlFile<'_>, one: &MergedItem, items: &[LayoutItem]) -> String {
    let at = match one {
        MergedItem::New(at) | MergedItem::Ours { ours: at, .. } => *at,
        _ => return "\n".to_owned(),
    };
    let start = items.get(at).map_or(0, |item| ours.byte_range(&item.tokens).start);
    let before = ours.source.get(..start).unwrap_or_default();
    before.get(before.trim_end().len()..).unwrap_or("\n").to_owned()
}
