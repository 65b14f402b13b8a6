//! Patterns with `*`, `?` and `[…]`, like those of Python's `fnmatch`.

/// Returns whether a string matches a pattern with `*`, `?` and `[…]`, like Python's `fnmatch`.
pub(super) fn matches_pattern(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut index) = (0, 0);
    // Position of the last `*` in the pattern, and the end of the text that this `*` matches.
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = text.get(at) {
        match match_char(&pattern, index, *c) {
            Some(next) => (at, index) = (at + 1, next),
            None if pattern.get(index) == Some(&'*') => {
                star = Some((index, at));
                index += 1;
            }
            None => match star {
                Some((start, from)) => {
                    star = Some((start, from + 1));
                    (at, index) = (from + 1, start + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(index).all(|c| *c == '*')
}

/// Returns the position after the next pattern element if the element matches a character.
fn match_char(pattern: &[char], index: usize, c: char) -> Option<usize> {
    match pattern.get(index)? {
        '*' => None,
        '?' => Some(index + 1),
        '[' => {
            let negated = matches!(pattern.get(index + 1), Some('!'));
            let first = index + 1 + usize::from(negated);
            // A `]` directly after the `[` belongs to the set and does not end it.
            let after = pattern.iter().enumerate().skip(first + 1);
            let end = after.clone().find(|(_, c)| **c == ']').map(|(end, _)| end);
            let Some((end, set)) = end.and_then(|end| Some((end, pattern.get(first..end)?))) else {
                return (c == '[').then_some(index + 1);
            };
            let mut is_in_set = false;
            let mut at = 0;
            while let Some(from) = set.get(at) {
                match (set.get(at + 1), set.get(at + 2)) {
                    (Some('-'), Some(to)) => {
                        is_in_set |= (*from..=*to).contains(&c);
                        at += 3;
                    }
                    _ => {
                        is_in_set |= *from == c;
                        at += 1;
                    }
                }
            }
            (is_in_set != negated).then_some(end + 1)
        }
        plain => (*plain == c).then_some(index + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_fnmatch() {
        for (text, pattern, expected) in [
            ("abc", "a*c", true),
            ("abcbc", "a*bc", true),
            ("ab", "a*c", false),
            ("", "*", true),
            ("a", "?", true),
            ("", "?", false),
            ("b", "[!a]", true),
            ("a", "[!a]", false),
            ("]", "[]]", true),
            ("[", "[", true),
            ("-", "[a-]", true),
        ] {
            assert_eq!(matches_pattern(text, pattern), expected, "{text} {pattern}");
        }
    }
}
