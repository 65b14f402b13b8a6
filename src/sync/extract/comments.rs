//! Keeps the YAML comments of a spec whose parts move to a metric set.

use std::collections::HashMap;
use std::convert::Infallible;

use crate::lex;
use crate::yaml::{self, Node, NodeKind};

/// Keys whose values are formulas.
const FORMULA_KEYS: [&str; 3] = ["definitions", "on", "where"];

/// Adds the lost comments to the new text of a spec, above the key `metrics`. Lost comments are in the old text, but
/// neither in the new text nor in the metric set. Comments from formulas become YAML comments.
pub(super) fn restore_lost_comments_in_spec(old: &str, new: String, set: &str, is_at_top: bool) -> String {
    let (Some(before), Some(after)) = (yaml::parse_root(old), yaml::parse_root(&new)) else {
        return new;
    };
    let mut lost = missing_comments(comments(old).into_iter(), comments(&new).into_iter());
    let of_set = yaml::parse_root(set)
        .iter()
        .flat_map(formula_comments)
        .collect::<Vec<String>>();
    lost.retain(|comment| !of_set.contains(&comment.replacen('#', "//", 1)));
    let kept_comments: Vec<String> = of_set.into_iter().chain(formula_comments(&after)).collect();
    let of_formulas = missing_comments(formula_comments(&before).into_iter(), kept_comments.into_iter());
    lost.extend(of_formulas.iter().map(|comment| comment.replacen("//", "#", 1)));
    let step = match after.get("steps").and_then(Node::items) {
        Some(steps) if !is_at_top => steps.first(),
        _ => Some(&after),
    };
    let pairs = step.and_then(Node::pairs).unwrap_or_default().iter();
    let key = pairs.map(|(key, _)| key).find(|key| key.text() == Some("metrics"));
    let Some(offset) = key.map(|key| key.span.start as usize).filter(|_| !lost.is_empty()) else {
        return new;
    };
    let (text_above, tail) = new.split_at_checked(offset).unwrap_or((&new, ""));
    let line = text_above.rfind('\n').map_or(0, |line| line + 1);
    let (head, indent) = text_above.split_at_checked(line).unwrap_or((text_above, ""));
    let blank: String = indent.chars().take_while(|c| *c == ' ').collect();
    let end = if old.contains("\r\n") { "\r\n" } else { "\n" };
    let comments: Vec<String> = lost.iter().map(|comment| format!("{blank}{comment}{end}")).collect();
    format!("{head}{}{indent}{tail}", comments.concat())
}

/// Returns the comments that are not in `kept_comments`. Each occurrence of a repeated comment is counted separately.
fn missing_comments(
    comments: impl Iterator<Item = String>,
    kept_comments: impl Iterator<Item = String>,
) -> Vec<String> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    kept_comments.for_each(|comment| *counts.entry(comment).or_default() += 1);
    let is_lost = |comment: &String| match counts.get_mut(comment).filter(|count| **count > 0) {
        Some(count) => {
            *count -= 1;
            false
        }
        None => true,
    };
    comments.filter(is_lost).collect()
}

/// Returns the comments in the formulas of a spec or metric set, without the descriptions of definitions.
fn formula_comments(root: &Node) -> Vec<String> {
    let mut lines = Vec::new();
    let mut next = vec![(root, false)];
    while let Some((node, is_formula)) = next.pop() {
        match &node.kind {
            NodeKind::Scalar { value, .. } if is_formula => lines.extend(comments_of_formula(value)),
            NodeKind::Scalar { .. } => {}
            NodeKind::Sequence(items) => next.extend(items.iter().map(|item| (item, false))),
            NodeKind::Mapping(pairs) => {
                let is_formula_key =
                    |key: &Node| is_formula || key.text().is_some_and(|key| FORMULA_KEYS.contains(&key));
                next.extend(pairs.iter().map(|(key, value)| (value, is_formula_key(key))));
            }
        }
    }
    lines
}

/// Returns the comments of a formula: the text between tokens.
fn comments_of_formula(formula: &str) -> Vec<String> {
    let lexed = lex::lex(formula, &mut Vec::new());
    let spans = lexed
        .tokens
        .iter()
        .map(|(_, span)| (span.start as usize, span.end as usize));
    let mut lines = Vec::new();
    let mut offset = 0;
    for (start, end) in spans.chain([(formula.len(), formula.len())]) {
        let gap = formula.get(offset..start).unwrap_or_default();
        let comments = gap.lines().map(str::trim);
        let comments = comments.filter(|line| line.starts_with("//") && !line.starts_with("///"));
        lines.extend(comments.map(str::to_owned));
        offset = offset.max(end);
    }
    lines
}

/// Returns the comments of a file in order, each starting at its `#`.
fn comments(text: &str) -> Vec<String> {
    let document = yaml::parse(text, |_, _| Ok::<(), Infallible>(()));
    let comments = document.map(|document| document.comments).unwrap_or_default();
    let comments = comments.into_iter().filter_map(|range| text.get(range));
    comments.map(|comment| comment.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_distinguished_from_strings() {
        let text = "# a\nk: 1 # b\nq: \"x # y\"   # c\ns: 'x # y' # d\np: x#y # e\nb: |  # f\n  # no comment\n# g\nl:\n  - x # h\n\
                    m: {a: 1} # i\n# j";
        let comment_text: String = comments(text).concat().replace(['#', ' '], "");
        assert_eq!(comment_text, "abcdefghij");
    }
}
