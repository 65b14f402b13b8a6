//! Suggestions for misspelled names: finds the most similar valid name.

/// Returns the candidate that is most similar to `word`, ignoring case. At most four letters, and at most a third of
/// all letters, may differ.
///
/// ```
/// use formulac_syntax::diag::suggest::nearest_name;
/// assert_eq!(nearest_name("SUMIFF", ["SUM", "SUMIF", "SUMIFS"]), Some("SUMIF"));
/// assert_eq!(nearest_name("x", ["revenue"]), None);
/// ```
pub fn nearest_name<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    nearest_name_within(word, 4, candidates)
}

/// Like [`nearest_name`], but returns only a candidate in which at most `most` letters differ.
pub fn nearest_name_within<'c>(
    word: &str,
    most: usize,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let word: Vec<char> = word.chars().take(64).flat_map(char::to_lowercase).collect();
    let limit = word.len().div_ceil(3).min(most);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        if candidate.len().abs_diff(word.len()) > limit * 4 {
            continue;
        }
        let distance = edit_distance(&word, candidate, best.map_or(limit, |(d, _)| d.saturating_sub(1)));
        if let Some(distance) = distance {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Returns `true` if `near` is the only candidate that is similar enough for [`nearest_name`] and can therefore safely
/// replace the word.
pub fn is_unique_match<'c>(word: &str, near: &str, candidates: impl IntoIterator<Item = &'c str>) -> bool {
    let mut others = candidates.into_iter().filter(|other| !other.eq_ignore_ascii_case(near));
    !others.any(|other| nearest_name(word, [other]).is_some())
}

/// Returns the help text for the most similar name.
#[must_use]
pub fn similar_name_help(name: &str) -> String {
    format!("did you mean `{name}`?")
}

/// Returns the edit distance between two words. A swap of two adjacent letters is one edit. Returns `None` if the
/// distance is above `limit`.
fn edit_distance(word: &[char], candidate: &str, limit: usize) -> Option<usize> {
    let other: Vec<char> = candidate.chars().take(80).flat_map(char::to_lowercase).collect();
    if word.len().abs_diff(other.len()) > limit || (limit == 0 && word != other) {
        return None;
    }
    let mut older: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let mut before_a = None;
    for (i, a) in word.iter().enumerate() {
        let mut left = i + 1;
        let mut row = vec![left];
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
        older = std::mem::replace(&mut last, row);
        before_a = Some(a);
    }
    last.last().copied().filter(|d| *d <= limit)
}
