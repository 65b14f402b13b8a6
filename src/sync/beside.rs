//! What a spec makes now, beside what people changed in a file that no spec says.

use super::hand_edits::Kind;
use super::lines;
use crate::decompile::{Edits, ItemEdit};
use crate::dialect::Dialect;
use crate::yaml_edit::{Rules, merge};

/// The file with both: of the base, what is made now and what was found. None where they are in each other's way.
pub(super) fn merged(path: &str, model: &str, dialect: Dialect, texts: [&str; 3]) -> Option<String> {
    let [base, ours, found] = texts;
    match Kind::of(path, model) {
        Kind::Properties => {
            let rules = Rules::new()
                .list("models", &["name"])
                .list("models.*.columns", &["name"])
                .list("unit_tests", &["name"]);
            let merged = merge(Some(base), found, ours, &rules).ok()?;
            merged.kept.is_empty().then_some(merged.text)
        }
        Kind::Model => lines::merge(base, ours, found).or_else(|| by_columns(base, ours, found, dialect)),
        _ => lines::merge(base, ours, found),
    }
}

/// The found SQL in which each column that is made in another way now is made so, where nobody touched it.
fn by_columns(base: &str, ours: &str, found: &str, dialect: Dialect) -> Option<String> {
    // Where the spec makes more than columns anew there is no place to put it.
    if !Edits::between(base, ours, dialect).rest.is_empty() {
        return None;
    }
    let by_hand = Edits::between(base, found, dialect);
    let touched =
        |item: &ItemEdit| by_hand.items.iter().any(|edit| (&edit.cte, &edit.column) == (&item.cte, &item.column));
    let mut text = found.to_owned();
    // From the last one up, so that the lines of the others stay.
    let mut differing = Edits::between(ours, &text, dialect).items;
    differing.sort_by_key(|item| std::cmp::Reverse(item.line));
    for item in differing.iter().filter(|item| !touched(item)) {
        let begin: usize = text.split_inclusive('\n').take(item.line.saturating_sub(1)).map(str::len).sum();
        let at = begin + text.get(begin..)?.find(&item.after)?;
        text.replace_range(at..at + item.after.len(), &item.before);
    }
    // The head says the formulas.
    let head = |text: &str| text.split_once(" #}\n").map(|(head, _)| head.len());
    if let (Some(was), Some(new), Some(now)) = (head(base), head(ours), head(&text))
        && base.get(..was) == text.get(..now)
    {
        text.replace_range(..now, ours.get(..new)?);
    }
    let left = Edits::between(ours, &text, dialect);
    (left.items.iter().all(touched) && left.rest.len() == by_hand.rest.len()).then_some(text)
}
