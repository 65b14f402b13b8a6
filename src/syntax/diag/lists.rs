//! Lists of words in sentences.

/// Joins words with commas, and the last two with the conjunction: `a`, `a and b`, `a, b and c`.
///
/// ```
/// use formulac_syntax::diag::lists::join_words;
/// assert_eq!(join_words(&["a", "b", "c"], "or"), "a, b or c");
/// ```
pub fn join_words<T: AsRef<str>>(words: &[T], conjunction: &str) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.as_slice() {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [first @ .., last] => format!("{} {conjunction} {last}", first.join(", ")),
    }
}

/// Joins the words up to the limit, and the number of the remaining words: `a, b and 3 more`.
///
/// ```
/// use formulac_syntax::diag::lists::join_words_up_to;
/// assert_eq!(join_words_up_to(&["a", "b", "c", "d"], 2), "a, b and 2 more");
/// assert_eq!(join_words_up_to(&["a", "b"], 2), "a, b");
/// ```
pub fn join_words_up_to<T: AsRef<str>>(words: &[T], limit: usize) -> String {
    let (first, rest) = words.split_at(words.len().min(limit));
    let listed = first.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match rest.len() {
        0 => listed,
        count => format!("{listed} and {count} more"),
    }
}

/// Returns the number of items after the limit as the last item of a list: `and 3 more`. `None` if there are none.
///
/// ```
/// use formulac_syntax::diag::lists::remaining_count_text;
/// assert_eq!(remaining_count_text(4, 2).as_deref(), Some("and 2 more"));
/// assert_eq!(remaining_count_text(2, 2), None);
/// ```
pub fn remaining_count_text(count: usize, limit: usize) -> Option<String> {
    (count > limit).then(|| format!("and {} more", count - limit))
}

/// Puts each name in backticks.
pub fn quote_names<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Vec<String> {
    names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect()
}

/// Joins names in backticks, like [`join_words`].
pub fn join_names<T: AsRef<str>>(names: impl IntoIterator<Item = T>, conjunction: &str) -> String {
    join_words(&quote_names(names), conjunction)
}
