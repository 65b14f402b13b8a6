//! Suggested edits to source text. The fixes of one compilation never overlap.

use super::{Diagnostic, Fix};
use crate::span::Span;

/// Applies all fixes to the text that was compiled. Compile the result again, because some fixes are suggested only
/// after another fix.
///
/// ```
/// # use formulac_syntax::{diag::{Code, Diagnostic, apply_fixes}, span::Span};
/// let found = [Diagnostic::new(Code::UnexpectedCharacter, Span::new(2, 4), "not an operator").with_fix(Span::new(2, 4), "<>")];
/// assert_eq!(apply_fixes("a != b", &found), "a <> b");
/// ```
#[must_use]
pub fn apply_fixes(text: &str, diagnostics: &[Diagnostic]) -> String {
    let mut fixes: Vec<&Fix> = diagnostics.iter().filter_map(Diagnostic::fix).collect();
    fixes.sort_by_key(|fix| fix.span);
    let (mut fixed, mut at) = (String::with_capacity(text.len()), 0);
    for fix in fixes {
        let range = fix.span.range();
        if let (Some(between), Some(_)) = (text.get(at..range.start), text.get(range.clone())) {
            fixed.push_str(between);
            fixed.push_str(&fix.text);
            at = range.end;
        }
    }
    fixed.push_str(text.get(at..).unwrap_or_default());
    fixed
}

/// Removes each fix that overlaps an earlier fix. Also removes a fix that touches an earlier fix if one of the two is
/// an insertion, because the order of the inserted text would be arbitrary. After the earlier fix is applied, the next
/// compilation suggests the removed fix again.
pub(super) fn remove_overlapping_fixes(diagnostics: &mut [Diagnostic]) {
    let mut fixes: Vec<&mut Option<Fix>> = diagnostics.iter_mut().map(|diagnostic| &mut diagnostic.fix).collect();
    fixes.retain(|fix| fix.is_some());
    fixes.sort_by_key(|fix| fix.as_ref().map(|fix| fix.span));
    let mut before: Option<Span> = None;
    for fix in fixes {
        let Some(span) = fix.as_ref().map(|fix| fix.span) else {
            continue;
        };
        let is_free = |before: Span| {
            span.start > before.end || (span.start == before.end && !span.is_empty() && !before.is_empty())
        };
        if before.is_none_or(is_free) {
            before = Some(span);
        } else {
            *fix = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Code, sort};
    use super::*;

    fn check(text: &str, fixes: &[(u32, u32, &str)], expected: &str) {
        let diagnostic = |(start, end, with): &(u32, u32, &str)| {
            Diagnostic::new(Code::UnexpectedCharacter, Span::new(*start, *start), *with)
                .with_fix(Span::new(*start, *end), *with)
        };
        let mut diagnostics: Vec<Diagnostic> = fixes.iter().map(diagnostic).collect();
        sort(&mut diagnostics);
        assert_eq!(apply_fixes(text, &diagnostics), expected);
    }

    #[test]
    fn fixes_that_overlap_wait_for_the_next_compilation() {
        check("a != b", &[(2, 4, "<>")], "a <> b");
        check("abc", &[(2, 3, "C"), (0, 1, "A")], "AbC");
        check("abc", &[(1, 2, "B"), (0, 1, "A")], "ABc");
        check("abc", &[(0, 2, "X"), (1, 3, "Y")], "Xc");
        check("abc", &[(0, 0, "("), (0, 0, "[")], "(abc");
        check("abc", &[(0, 1, "A"), (1, 1, "!")], "Abc");
        check("abc", &[(3, 3, ")")], "abc)");
        check("é", &[(1, 2, "x")], "é");
        check("a", &[(5, 6, "x")], "a");
    }
}
