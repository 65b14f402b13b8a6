//! Suggestions for misspelled names: finds the most similar valid name.

use crate::lex::quote_formula_name;

/// Maximum number of letters in which similar names differ.
pub const MAX_EDITS: usize = 4;

/// Returns the candidate that is most similar to `word`, ignoring case. At most four letters, and at most a third of
/// all letters, may differ.
///
/// ```
/// use formulac_syntax::diag::suggest::nearest_name;
/// assert_eq!(nearest_name("SUMIFF", ["SUM", "SUMIF", "SUMIFS"]), Some("SUMIF"));
/// assert_eq!(nearest_name("x", ["revenue"]), None);
/// ```
pub fn nearest_name<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    nearest_name_within(word, MAX_EDITS, candidates)
}

/// Like [`nearest_name`], but returns only a candidate in which at most `most` letters differ.
pub fn nearest_name_within<'c>(
    word: &str,
    most: usize,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let word: Vec<char> = word.chars().take(64).flat_map(char::to_lowercase).collect();
    // Suggest nothing for one-letter names, because all of them are similar to each other.
    let limit = if word.len() < 2 {
        0
    } else {
        word.len().div_ceil(3).min(most)
    };
    let letters = letter_set(&word);
    let (mut distances, mut other) = (EditDistances::default(), Vec::new());
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        // Skip candidates whose length differs too much. A character has at most four bytes.
        if candidate.len() + limit < word.len() || candidate.len() > (word.len() + limit) * 4 {
            continue;
        }
        other.clear();
        match candidate.is_ascii() {
            true => other.extend(
                candidate
                    .bytes()
                    .take(80)
                    .map(|byte| char::from(byte.to_ascii_lowercase())),
            ),
            false => other.extend(candidate.chars().take(80).flat_map(char::to_lowercase)),
        }
        // An edit changes at most one letter of the word, so the number of missing letters is a lower bound for the
        // distance.
        let edits = (letters & !letter_set(&other)).count_ones() as usize;
        let limit = best.map_or(limit, |(d, _)| d.saturating_sub(1));
        if word.len().abs_diff(other.len()) <= limit
            && edits <= limit
            && let Some(distance) = distances.distance(&word, &other, limit)
        {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Returns `true` if `near` is the only candidate that is similar enough for [`nearest_name`] and can therefore safely
/// replace the word.
pub fn is_unique_match<'c>(word: &str, near: &str, candidates: impl IntoIterator<Item = &'c str>) -> bool {
    let others = candidates.into_iter().filter(|other| !other.eq_ignore_ascii_case(near));
    nearest_name(word, others).is_none()
}

/// Returns the help text for the most similar name.
#[must_use]
pub fn similar_name_help(name: &str) -> String {
    format!("did you mean `{name}`?")
}

/// Returns the help text for the most similar name of a column or definition, as a formula refers to it.
#[must_use]
pub fn similar_formula_name_help(name: &str) -> String {
    similar_name_help(&quote_formula_name(name))
}

/// Returns the help text for the candidate that is most similar to `word`, or `other` if no candidate is similar.
pub fn similar_name_help_or<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
    other: impl FnOnce() -> String,
) -> String {
    nearest_name(word, candidates).map_or_else(other, similar_name_help)
}

/// Returns the letters of a word as a bit set in which some letters share a bit.
fn letter_set(word: &[char]) -> u64 {
    word.iter().fold(0, |set, letter| set | 1 << (u32::from(*letter) % 64))
}

/// Rows of the edit-distance table, reused for the next pair of words.
#[derive(Default)]
struct EditDistances {
    older: Vec<usize>,
    last: Vec<usize>,
    row: Vec<usize>,
}

impl EditDistances {
    /// Returns the edit distance between two words. A swap of two adjacent letters is one edit. Returns `None` if the
    /// distance is above `limit`.
    fn distance(&mut self, word: &[char], other: &[char], limit: usize) -> Option<usize> {
        if limit == 0 && word != other {
            return None;
        }
        let Self { older, last, row } = self;
        last.clear();
        last.extend(0..=other.len());
        let mut before_a = None;
        for (i, a) in word.iter().enumerate() {
            let mut left = i + 1;
            row.clear();
            row.push(left);
            let mut before_b = None;
            for (j, (b, costs)) in other.iter().zip(last.windows(2)).enumerate() {
                let &[diagonal, above] = costs else { continue };
                let mut cost = (diagonal + usize::from(a != b)).min(above + 1).min(left + 1);
                let is_swap = before_b == Some(a) && before_a == Some(b);
                if let (true, Some(swapped)) = (is_swap, j.checked_sub(1).and_then(|before| older.get(before))) {
                    cost = cost.min(swapped + 1);
                }
                row.push(cost);
                left = cost;
                before_b = Some(b);
            }
            std::mem::swap(older, last);
            std::mem::swap(last, row);
            before_a = Some(a);
        }
        last.last().copied().filter(|d| *d <= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_names() {
        for (word, candidates, expected) in [
            ("amuont", ["count", "amount"], Some("amount")),
            ("AMOUNTS", ["amo", "amount"], Some("amount")),
            ("revneue_2024", ["revenue_2023", "revenue_2024"], Some("revenue_2024")),
            ("grosse", ["größe", "gross"], Some("gross")),
            (
                "注文合計金額税込年間日本",
                ["注文合計金額税込年間東京", "amount"],
                Some("注文合計金額税込年間東京"),
            ),
            ("abcdef", ["uvwxyz", "fedcba"], None),
        ] {
            assert_eq!(nearest_name(word, candidates), expected, "{word}");
        }
    }
}
