//! Preserves the comments that users wrote in a generated file when the parts around the comments are removed or
//! rewritten.

use std::collections::HashMap;

use super::file::SqlFile;
use super::layout::tokens_before_query;

/// Restores comments of the file that are missing from the merged text. Each comment is placed above the line that
/// followed it. formulac itself writes comments only before a query.
pub(super) fn restore_lost_comments(merged: String, sql_file: &SqlFile<'_>) -> String {
    let file_comments = comments(sql_file);
    if file_comments.is_empty() {
        return merged;
    }
    let now = SqlFile::read(&merged, sql_file.dialect);
    let mut comment_counts: HashMap<String, usize> = HashMap::new();
    for (_, text) in comments(&now) {
        *comment_counts.entry(text.to_owned()).or_default() += 1;
    }
    let is_lost = |(_, text): &(usize, &str)| match comment_counts.get_mut(*text) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    let lost: Vec<(usize, &str)> = file_comments.into_iter().filter(is_lost).collect();
    if lost.is_empty() {
        return merged;
    }
    let places = LinesInBothTexts::new(sql_file.source, &merged);
    let mut comments_by_line: HashMap<usize, Vec<&str>> = HashMap::new();
    for (token, text) in &lost {
        comments_by_line
            .entry(places.comment_line_in_other_text(sql_file.line(*token) - 1))
            .or_default()
            .push(text);
    }
    let mut out = String::with_capacity(merged.len() + 80 * lost.len());
    for (line_index, line) in merged.split_inclusive('\n').chain([""]).enumerate() {
        let indent = &line[..line.len() - line.trim_start().len()];
        for text in comments_by_line.remove(&line_index).unwrap_or_default() {
            out.push_str(indent);
            out.push_str(text);
            out.push('\n');
        }
        out.push_str(line);
    }
    let all_tokens = |file: &SqlFile<'_>| 0..file.tokens.len();
    let is_sound = |text: &str| {
        let file = SqlFile::read(text, sql_file.dialect);
        file.has_same_tokens(&all_tokens(&file), &now, &all_tokens(&now))
    };
    if is_sound(&out) {
        return out;
    }
    // A comment cannot be inserted into a string that spans several lines, so the comments are appended to the file.
    let lost = lost.iter().map(|(_, text)| *text).collect::<Vec<_>>().join("\n");
    format!("{}\n{lost}\n", merged.trim_end())
}

/// Returns the comments inside or after the query of a file, each with the index of the token after it.
fn comments<'s>(file: &SqlFile<'s>) -> Vec<(usize, &'s str)> {
    let mut comments = Vec::new();
    let ends = file.tokens.iter().map(|token| token.end);
    let starts = file
        .tokens
        .iter()
        .skip(1)
        .map(|token| token.start)
        .chain([file.source.len()]);
    for (token_index, (end, start)) in ends.zip(starts).enumerate().skip(tokens_before_query(file).end) {
        let gap = file.source.get(end..start).unwrap_or_default().trim();
        if gap.contains("/*") || gap.contains("{#") {
            comments.push((token_index + 1, gap));
        } else {
            comments.extend(
                gap.lines()
                    .map(str::trim)
                    .filter(|line| !line.is_empty())
                    .map(|line| (token_index + 1, line)),
            );
        }
    }
    comments
}

/// Lines that occur in both of two texts.
struct LinesInBothTexts {
    /// Maps each line of the first text to the identical line of the other text, if the line occurs exactly once in
    /// both texts.
    lines: Vec<Option<usize>>,
    /// The line after the last line of the other text.
    end: usize,
}

impl LinesInBothTexts {
    fn new(from: &str, to: &str) -> Self {
        let target_lines = unique_lines(to);
        let source_lines = unique_lines(from);
        let placed_line = |line: &str| {
            source_lines
                .get(line.trim())
                .copied()
                .flatten()
                .and_then(|_| *target_lines.get(line.trim())?)
        };
        Self {
            lines: from.lines().map(placed_line).collect(),
            end: to.lines().count(),
        }
    }

    /// Given a line of the first text with a comment directly above it, returns the line of the other text above which
    /// to insert the comment.
    fn comment_line_in_other_text(&self, line: usize) -> usize {
        let (before, after) = self.lines.split_at(line.min(self.lines.len()));
        let next = after.iter().flatten().next().copied();
        let last = || before.iter().rev().flatten().next().map(|line| line + 1);
        next.or_else(last).unwrap_or(self.end)
    }
}

/// Returns the lines of a string without indentation, each with its line number. The number is `None` if the line
/// occurs several times.
fn unique_lines(text: &str) -> HashMap<&str, Option<usize>> {
    let mut lines = HashMap::new();
    for (line_index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        lines
            .entry(line.trim())
            .and_modify(|placed_line| *placed_line = None)
            .or_insert(Some(line_index));
    }
    lines
}
