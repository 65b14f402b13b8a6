//! Writes a spec's new SQL in the layout of the existing file. CTEs, columns and clauses whose tokens do not change are
//! copied from the file, so that manual edits in them are preserved.

mod items;
mod merge_conflict;
mod select;

use std::collections::HashMap;
use std::ops::Range;

use super::comments::restore_lost_comments;
use super::file::{FilePartKind, SqlFile};
use super::separated_list::{ListItem, SeparatedList};
use crate::dbt::copy_header;
use crate::dialect::Dialect;

use items::{MergedItemSource, merge_items};
use select::SelectElement;

pub use merge_conflict::{MergeConflict, query_merge_conflicts};
pub(super) use select::SelectLayout;

/// Merges three versions of a model's SQL: `base` is the version that formulac wrote last, `ours` the version that the
/// spec now produces, and `actual` the version in the file. `None` if both the spec and a user changed the same part.
pub fn merge(base: &str, ours: &str, actual: &str, dialect: Dialect) -> Option<String> {
    merge_sql_texts(base, ours, actual, dialect).or_else(|| {
        // A new column may move the columns to which `group by 1` refers.
        let text = SqlFile::read(actual, dialect).without_column_positions()?;
        merge_sql_texts(base, ours, &text, dialect)
    })
}

fn merge_sql_texts(base: &str, ours: &str, actual: &str, dialect: Dialect) -> Option<String> {
    let [base_sql, spec_sql, edited_sql] = [base, ours, actual].map(|text| SqlFile::read(text, dialect));
    let all_tokens = |file: &SqlFile<'_>| 0..file.tokens.len();
    let merged = if edited_sql.is_same_query(&spec_sql) && !is_missing_comment(&spec_sql, &edited_sql) {
        actual.to_owned()
    } else if [&base_sql, &spec_sql, &edited_sql]
        .iter()
        .any(|file| file.last.is_empty())
    {
        text_changed_on_one_side(&ThreeVersionTokens {
            base: (&base_sql, all_tokens(&base_sql)),
            spec: (&spec_sql, all_tokens(&spec_sql)),
            edited: (&edited_sql, all_tokens(&edited_sql)),
        })?
        .to_owned()
    } else {
        let mut out = merge_preamble(&base_sql, &spec_sql, &edited_sql)?;
        merge_ctes_and_last_select(&base_sql, &spec_sql, &edited_sql, &mut out)?;
        out
    };
    let merged = copy_header(&restore_lost_comments(merged, &edited_sql), ours);
    has_only_parts_of_inputs(&SqlFile::read(&merged, dialect), &base_sql, &spec_sql, &edited_sql).then_some(merged)
}

/// Restores the file's comments that are missing from a merged text.
pub fn restore_missing_comments(merged: String, text: &str, dialect: Dialect) -> String {
    restore_lost_comments(merged, &SqlFile::read(text, dialect))
}

/// Returns whether each part of the merged SQL is equal to the part that the spec produces or to the part in the file.
fn has_only_parts_of_inputs(
    merged: &SqlFile<'_>,
    base_sql: &SqlFile<'_>,
    spec_sql: &SqlFile<'_>,
    edited_sql: &SqlFile<'_>,
) -> bool {
    if edited_sql.is_same_query(base_sql) {
        return merged.is_same_query(spec_sql);
    }
    let [ours, theirs] = [spec_sql, edited_sql].map(|file| {
        let parts = file.parts.iter().map(|part| (&part.position, &part.tokens));
        (file, parts.collect::<HashMap<_, _>>())
    });
    merged.parts.iter().all(|part| {
        let is_in = |(file, parts): &(&SqlFile<'_>, HashMap<_, &Range<usize>>)| {
            parts
                .get(&part.position)
                .is_some_and(|tokens| merged.are_equivalent_ranges(&part.tokens, file, tokens))
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
struct ThreeVersionTokens<'a, 's> {
    base: (&'a SqlFile<'s>, Range<usize>),
    spec: (&'a SqlFile<'s>, Range<usize>),
    edited: (&'a SqlFile<'s>, Range<usize>),
}

/// Returns the file's text if only users changed the part, or the spec's text if only the spec changed it.
fn text_changed_on_one_side<'s>(sides: &ThreeVersionTokens<'_, 's>) -> Option<&'s str> {
    let ThreeVersionTokens { base, spec, edited } = sides;
    if edited.0.has_same_tokens(&edited.1, spec.0, &spec.1) || base.0.has_same_tokens(&base.1, spec.0, &spec.1) {
        Some(edited.0.text(&edited.1))
    } else {
        base.0
            .has_same_tokens(&base.1, edited.0, &edited.1)
            .then(|| spec.0.text(&spec.1))
    }
}

/// Returns the tokens before the query: configuration and hints.
pub(super) fn tokens_before_query(file: &SqlFile<'_>) -> Range<usize> {
    let first = file
        .cte_tokens
        .first()
        .map_or(file.last.start, |cte| cte.start.saturating_sub(1));
    0..first
}

fn text_before_query<'s>(file: &SqlFile<'s>) -> &'s str {
    let end = file
        .byte_range(&(tokens_before_query(file).end..file.tokens.len()))
        .start;
    file.source.get(..end).unwrap_or_default()
}

/// Merges everything before the query. Additions that users made to the configuration are kept, even if the spec
/// changes the rest of the configuration.
fn merge_preamble(base_sql: &SqlFile<'_>, spec_sql: &SqlFile<'_>, edited_sql: &SqlFile<'_>) -> Option<String> {
    let [base, ours, range] = [base_sql, spec_sql, edited_sql].map(tokens_before_query);
    let is_edited = !base_sql.has_same_tokens(&base, edited_sql, &range);
    if base_sql.has_same_tokens(&base, spec_sql, &ours) || edited_sql.has_same_tokens(&range, spec_sql, &ours) {
        let takes_comment = is_missing_comment(spec_sql, edited_sql) && !is_missing_comment(base_sql, edited_sql);
        return Some(
            if takes_comment && !is_edited {
                text_before_query(spec_sql)
            } else {
                text_before_query(edited_sql)
            }
            .to_owned(),
        );
    }
    let mut out = text_before_query(spec_sql).to_owned();
    if !is_edited {
        return Some(out);
    }
    let keys = |file: &SqlFile<'_>, tokens: &Range<usize>| tokens.clone().map(|at| file.key(at)).collect::<Vec<_>>();
    let (before, now) = (keys(base_sql, &base), keys(edited_sql, &range));
    if before.iter().any(|key| !now.contains(key)) {
        return None;
    }
    for at in range.filter(|at| !before.contains(&edited_sql.key(*at))) {
        out.push_str(edited_sql.text(&(at..at + 1)));
        out.push_str("\n\n");
    }
    Some(out)
}

/// Returns whether the generated query has a comment above it that the query in the file lacks.
fn is_missing_comment(generated: &SqlFile<'_>, file: &SqlFile<'_>) -> bool {
    let head = text_before_query(file);
    text_before_query(generated)
        .lines()
        .any(|line| line.starts_with("--") && !head.lines().any(|other| other == line))
}

/// Merges the CTEs and the last select.
fn merge_ctes_and_last_select(
    base_sql: &SqlFile<'_>,
    spec_sql: &SqlFile<'_>,
    edited_sql: &SqlFile<'_>,
    output: &mut String,
) -> Option<()> {
    if edited_sql.ctes.is_empty() != spec_sql.ctes.is_empty() {
        let [base, spec, edited] =
            [base_sql, spec_sql, edited_sql].map(|file| (file, tokens_before_query(file).end..file.tokens.len()));
        output.push_str(text_changed_on_one_side(&ThreeVersionTokens { base, spec, edited })?);
        output.push('\n');
        return Some(());
    }
    if !edited_sql.ctes.is_empty() {
        let items = |file: &SqlFile<'_>| -> Vec<SelectElement> {
            let ctes = file.ctes.iter().zip(&file.cte_tokens);
            ctes.map(|(name, tokens)| SelectElement {
                key: name.clone(),
                tokens: tokens.clone(),
            })
            .collect()
        };
        let (base, ours, layout_items) = (items(base_sql), items(spec_sql), items(edited_sql));
        let with = tokens_before_query(edited_sql).end;
        let start = edited_sql.byte_range(&(with..with + 1)).end;
        output.push_str(edited_sql.text(&(with..with + 1)));
        let ranges: Vec<Range<usize>> = layout_items.iter().map(|item| item.tokens.clone()).collect();
        let list = SeparatedList::read(
            edited_sql,
            &ranges,
            start,
            edited_sql.byte_range(&edited_sql.last).start,
            true,
        );
        let picked = merge_items((base_sql, &base), (spec_sql, &ours), (edited_sql, &layout_items), true)?;
        let mut entries = Vec::new();
        for one in picked {
            let mut entry = one.list_item(spec_sql, &ours, &list);
            if let MergedItemSource::Both {
                base: base_index,
                ours: our_index,
                theirs,
            } = one
            {
                let tokens = |items: &[SelectElement], at: usize| {
                    items.get(at).map(|item| item.tokens.clone()).unwrap_or_default()
                };
                let sides = ThreeVersionTokens {
                    base: (base_sql, tokens(&base, base_index)),
                    spec: (spec_sql, tokens(&ours, our_index)),
                    edited: (edited_sql, tokens(&layout_items, theirs)),
                };
                entry.text = merge_cte(&sides)?;
            }
            entries.push(entry);
        }
        list.write(output, &entries);
    }
    let [base, spec, edited] = [base_sql, spec_sql, edited_sql].map(|file| (file, file.last.clone()));
    output.push_str(&merge_select(&ThreeVersionTokens { base, spec, edited })?);
    output.push_str(
        edited_sql
            .source
            .get(edited_sql.byte_range(&edited_sql.last).end..)
            .unwrap_or_default(),
    );
    Some(())
}

/// Merges a CTE that exists in all three versions.
fn merge_cte(sides: &ThreeVersionTokens<'_, '_>) -> Option<String> {
    let inside = |side: &(_, Range<usize>)| side.1.start + 3..side.1.end.saturating_sub(1);
    let ThreeVersionTokens { base, spec, edited } = sides;
    let inner = ThreeVersionTokens {
        base: (base.0, inside(base)),
        spec: (spec.0, inside(spec)),
        edited: (edited.0, inside(edited)),
    };
    let text = merge_select(&inner)?;
    let (whole, part) = (edited.0.byte_range(&edited.1), edited.0.byte_range(&inner.edited.1));
    Some(
        [
            edited.0.source.get(whole.start..part.start)?,
            &text,
            edited.0.source.get(part.end..whole.end)?,
        ]
        .concat(),
    )
}

fn merge_select(sides: &ThreeVersionTokens<'_, '_>) -> Option<String> {
    let ThreeVersionTokens { base, spec, edited } = sides;
    if base.0.has_same_tokens(&base.1, spec.0, &spec.1) || edited.0.has_same_tokens(&edited.1, spec.0, &spec.1) {
        return Some(edited.0.text(&edited.1).to_owned());
    }
    let layout = |side: &(&SqlFile<'_>, Range<usize>)| SelectLayout::read(side.0, &side.1);
    let (Some(base_layout), Some(spec_layout), Some(edited_layout)) = (layout(base), layout(spec), layout(edited))
    else {
        return text_changed_on_one_side(sides).map(str::to_owned);
    };
    let (base_sql, spec_sql, edited_sql) = (base.0, spec.0, edited.0);
    let words = ThreeVersionTokens {
        base: (base_sql, base_layout.words),
        spec: (spec_sql, spec_layout.words),
        edited: (edited_sql, edited_layout.words.clone()),
    };
    let mut out = text_changed_on_one_side(&words)?.to_owned();
    let tokens = |items: &[SelectElement]| items.iter().map(|item| item.tokens.clone()).collect::<Vec<_>>();
    let end = edited_sql.byte_range(&edited.1).end;
    let from = edited_layout
        .clauses
        .first()
        .map_or(end, |clause| edited_sql.byte_range(&clause.tokens).start);
    let lists = [
        (
            &base_layout.columns,
            &spec_layout.columns,
            &edited_layout.columns,
            edited_sql.byte_range(&edited_layout.words).end,
            from,
            true,
        ),
        (
            &base_layout.clauses,
            &spec_layout.clauses,
            &edited_layout.clauses,
            from,
            end,
            false,
        ),
    ];
    for (before, now, layout_items, start, end, has_commas) in lists {
        let picked = merge_items((base_sql, before), (spec_sql, now), (edited_sql, layout_items), false)?;
        let list = SeparatedList::read(edited_sql, &tokens(layout_items), start, end, has_commas);
        let entries: Vec<ListItem> = picked
            .iter()
            .map(|one| {
                let mut entry = one.list_item(spec_sql, now, &list);
                // A new clause begins on a new line.
                if !has_commas
                    && entry.lead.is_empty()
                    && !matches!(
                        one,
                        MergedItemSource::Theirs(0) | MergedItemSource::Both { theirs: 0, .. }
                    )
                {
                    entry.lead = whitespace_before_merged_item(spec_sql, one, now);
                }
                entry
            })
            .collect();
        list.write(&mut out, &entries);
    }
    Some(out)
}

/// Returns the line break and the whitespace before an item that the spec produces.
fn whitespace_before_merged_item(ours: &SqlFile<'_>, one: &MergedItemSource, items: &[SelectElement]) -> String {
    let at = match one {
        MergedItemSource::New(at) | MergedItemSource::Ours { ours: at, .. } => *at,
        _ => return "\n".to_owned(),
    };
    let start = items.get(at).map_or(0, |item| ours.byte_range(&item.tokens).start);
    let before = ours.source.get(..start).unwrap_or_default();
    before.get(before.trim_end().len()..).unwrap_or("\n").to_owned()
}
