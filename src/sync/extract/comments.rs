//! Keeps the YAML comments that belong to removed parts of a spec.

use std::collections::HashMap;

use crate::yaml::{self, Node, NodeKind};

/// Returns the new text of a spec with the comments that only the old text has, above the key `metrics`.
pub(super) fn with_lost_comments(old: &str, new: String, is_at_top: bool) -> String {
    let (Some(before), Some(after)) = (read(old), read(&new)) else {
        return new;
    };
    let mut kept: HashMap<&str, usize> = HashMap::new();
    for comment in comments(&after, &new) {
        *kept.entry(comment).or_default() += 1;
    }
    let mut lost: Vec<&str> = Vec::new();
    for comment in comments(&before, old) {
        match kept.get_mut(comment).filter(|count| **count > 0) {
            Some(count) => *count -= 1,
            None => lost.push(comment),
        }
    }
    let step = match after.get("steps").and_then(Node::items) {
        Some(steps) if !is_at_top => steps.first(),
        _ => Some(&after),
    };
    let pairs = step.and_then(Node::pairs).unwrap_or_default().iter();
    let key = pairs.map(|(key, _)| key).find(|key| key.text() == Some("metrics"));
    let Some(at) = key.map(|key| key.span.start as usize).filter(|_| !lost.is_empty()) else {
        return new;
    };
    let (above, below) = new.split_at_checked(at).unwrap_or((&new, ""));
    let line = above.rfind('\n').map_or(0, |line| line + 1);
    let (above, indent) = above.split_at_checked(line).unwrap_or((above, ""));
    let blank: String = indent.chars().take_while(|c| *c == ' ').collect();
    let comments: Vec<String> = lost.iter().map(|comment| format!("{blank}{comment}\n")).collect();
    format!("{above}{}{indent}{below}", comments.concat())
}

fn read(text: &str) -> Option<Node> {
    yaml::read(text, &mut Vec::new()).ok().flatten()
}

/// Returns the comments of a file in order, each from its `#` on.
fn comments<'t>(root: &Node, text: &'t str) -> Vec<&'t str> {
    let mut scalars: Vec<(usize, usize)> = Vec::new();
    let mut next = vec![root];
    while let Some(node) = next.pop() {
        match &node.kind {
            NodeKind::Scalar { .. } => {
                // The span of a quoted scalar also has the comment after it.
                let value_end = yaml::source_offsets(node, text).last().map(|end| end + 1);
                let end = value_end.filter(|_| node.is_quoted()).unwrap_or(node.span.end);
                scalars.push((node.span.start as usize, end as usize));
            }
            NodeKind::Sequence(items) => next.extend(items),
            NodeKind::Mapping(pairs) => next.extend(pairs.iter().flat_map(|(key, value)| [key, value])),
        }
    }
    scalars.sort_unstable();
    let mut found = Vec::new();
    let mut at = 0;
    for (start, end) in scalars.into_iter().chain([(text.len(), text.len())]) {
        while let Some(gap) = text.get(at..start.max(at)) {
            let is_start = |offset: usize| {
                let before = text.get(..at + offset).and_then(|before| before.chars().next_back());
                before.is_none_or(char::is_whitespace)
            };
            let Some((hash, _)) = gap.match_indices('#').find(|(offset, _)| is_start(*offset)) else {
                break;
            };
            let rest = text.get(at + hash..).unwrap_or_default();
            let comment = rest.lines().next().unwrap_or_default();
            found.push(comment.trim_end());
            at += hash + comment.len();
        }
        at = at.max(end);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_told_from_texts() {
        let text = "# a\nk: 1 # b\nq: \"x # y\"   # c\ns: 'x # y' # d\np: x#y # e\nb: |  # f\n  # no comment\n# g\nl:\n  - x # h\n\
                    m: {a: 1} # i\n# j";
        let root = read(text).unwrap();
        let found: String = comments(&root, text).concat().replace(['#', ' '], "");
        assert_eq!(found, "abcdefghij");
    }
}
