//! Applies fixes to a source, unless they overlap.

use formulac::diag::Fix;

use formulac::diag::Diagnostic;

/// Applies all safe fixes that do not overlap. Returns the resulting source and the number of applied fixes.
pub fn apply_safe_fixes(text: &str, diagnostics: &[Diagnostic]) -> (String, usize) {
    let mut fixes: Vec<&Fix> = diagnostics.iter().filter_map(Diagnostic::fix).collect();
    fixes.sort_by_key(|fix| fix.span);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let mut count = 0;
    for fix in fixes {
        let range = fix.span.range();
        // Apply only one of two insertions at the same position, because their order would be arbitrary.
        let free = range.start > at || (range.start == at && count == 0) || (range.start == at && !range.is_empty());
        let Some(between) = text
            .get(at..range.start)
            .filter(|_| free && text.get(range.clone()).is_some())
        else {
            continue;
        };
        out.push_str(between);
        out.push_str(&fix.text);
        at = range.end;
        count += 1;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    (out, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use formulac::diag::Code;
    use formulac::span::Span;

    fn check(text: &str, fixes: &[(u32, u32, &str)], expected: &str, count: usize) {
        let diagnostic = |(start, end, with): &(u32, u32, &str)| {
            Diagnostic::new(Code::UnexpectedCharacter, Span::default(), "x").with_fix(Span::new(*start, *end), *with)
        };
        let diagnostics: Vec<Diagnostic> = fixes.iter().map(diagnostic).collect();
        assert_eq!(apply_safe_fixes(text, &diagnostics), (expected.to_owned(), count));
    }

    #[test]
    fn adjacent_edits_wait_for_the_next_round() {
        check("a != b", &[(2, 4, "<>")], "a <> b", 1);
        check("abc", &[(2, 3, "C"), (0, 1, "A")], "AbC", 2);
        check("abc", &[(0, 2, "X"), (1, 3, "Y")], "Xc", 1);
        check("abc", &[(0, 0, "("), (0, 0, "[")], "(abc", 1);
        check("abc", &[(3, 3, ")")], "abc)", 1);
        check("é", &[(1, 2, "x")], "é", 0);
        check("a", &[(5, 6, "x")], "a", 0);
    }
}
