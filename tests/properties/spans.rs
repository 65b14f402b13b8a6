//! Checks that each source's tree matches the source: children are inside their parents, spans contain whole
//! characters, and every missing expression is reported.

use formulac::ast::{Ast, Expr};
use formulac::diag::Diagnostic;
use formulac::parse::parse;
use proptest::prelude::*;

use crate::formulas::expression;
use crate::mutations::{faulty_formula, random_fragments};

fn check(ast: &Ast, source: &str, diagnostics: &[Diagnostic]) -> Result<(), TestCaseError> {
    for definition in &ast.definitions {
        let mut stack = vec![definition.body];
        while let Some(id) = stack.pop() {
            let span = ast.span(id);
            let range = span.range();
            prop_assert!(
                range.start <= range.end && range.end <= source.len(),
                "{source:?}: {span:?}"
            );
            prop_assert!(
                source.is_char_boundary(range.start) && source.is_char_boundary(range.end),
                "{source:?}: {span:?}"
            );
            prop_assert!(id.index() >= definition.first.index() && id.index() <= definition.body.index());
            if ast.expr(id) == Expr::Error {
                prop_assert!(
                    diagnostics.iter().any(Diagnostic::is_error),
                    "{source:?}: a hole that is not reported"
                );
                prop_assert!(
                    definition.broken,
                    "{source:?}: a hole in a definition that is not marked"
                );
            }
            let mut last = 0;
            for child in ast.children(id) {
                let inner = ast.span(child).range();
                prop_assert!(child.index() < id.index(), "children come first");
                prop_assert!(
                    inner.start >= range.start && inner.end <= range.end,
                    "{source:?}: {:?} sticks out of {:?}",
                    &source[inner.clone()],
                    &source[range.clone()]
                );
                prop_assert!(inner.start >= last, "{source:?}: children overlap");
                last = inner.end;
                stack.push(child);
            }
        }
        prop_assert!(definition.span.end as usize <= source.len());
        if definition.broken {
            prop_assert!(
                diagnostics.iter().any(Diagnostic::is_error),
                "{source:?}: broken and not reported"
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_formulas(text in expression()) {
        let (parsed, diagnostics) = parse(&text);
        check(parsed.ast(), &text, &diagnostics)?;
    }

    #[test]
    fn of_faulty_formulas(text in faulty_formula()) {
        let (parsed, diagnostics) = parse(&text);
        check(parsed.ast(), &text, &diagnostics)?;
    }

    #[test]
    fn spans_of_random_fragments_are_valid(text in random_fragments()) {
        let (parsed, diagnostics) = parse(&text);
        check(parsed.ast(), &text, &diagnostics)?;
    }

    /// Checks that tokens are in order and do not overlap, and that only whitespace or comments are between them.
    #[test]
    fn tokens_are_in_order_and_do_not_overlap(text in random_fragments()) {
        let mut diagnostics = Vec::new();
        let lexed = formulac::lex::lex(&text, &mut diagnostics);
        let mut last = 0;
        for (_, span) in &lexed.tokens {
            let range = span.range();
            prop_assert!(range.start >= last && range.start < range.end && range.end <= text.len(), "{text:?}");
            prop_assert!(text.get(range.clone()).is_some());
            last = range.end;
        }
    }
}
