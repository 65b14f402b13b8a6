//! Checks that printing a tree and parsing it again gives the same tree.

use formulac::Compiler;
use formulac::ast::{Ast, Expr, ExprId, print};
use formulac::lex;
use formulac::parse::parse;
use proptest::prelude::*;

use crate::formulas::expression;

/// Returns the tree as text in which every node is parenthesized, regardless of spans.
fn shape(ast: &Ast, source: &str, id: ExprId) -> String {
    let leaf = || {
        ast.span(id)
            .text(source)
            .chars()
            .filter(|c| !c.is_whitespace())
            .collect::<String>()
    };
    let children = || {
        ast.children(id)
            .map(|c| shape(ast, source, c))
            .collect::<Vec<_>>()
            .join(" ")
    };
    match ast.expr(id) {
        Expr::Text => ast.span(id).text(source).to_owned(),
        Expr::Binary { op, .. } => format!("({} {})", op.symbol(), children()),
        Expr::Sign { sign, .. } => format!("({sign:?} {})", children()),
        Expr::Percent(_) => format!("(% {})", children()),
        Expr::Range { .. } => format!("(: {})", children()),
        Expr::Timeframe { frame, .. } => format!("([{}] {})", ast.names[frame as usize].text(source), children()),
        Expr::Tab { tab, .. } => format!("({}! {})", ast.names[tab as usize].text(source), children()),
        Expr::Call(call) => format!("({}() {})", ast.call(call).name.text(source), children()),
        other => format!("{:?}:{}", std::mem::discriminant(&other), leaf()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn print_then_parse_is_the_same(text in expression()) {
        let source = format!("={text}");
        let (parsed, diagnostics) = parse(&source);
        prop_assert!(diagnostics.is_empty(), "{source:?}: {diagnostics:?}");
        let body = parsed.ast().definitions[0].body;
        let printed = print(parsed.ast(), parsed.source(), body);
        let again = format!("={printed}");
        let (second, found) = parse(&again);
        prop_assert!(found.is_empty(), "{source:?} printed as {again:?}: {found:?}");
        let second_body = second.ast().definitions[0].body;
        prop_assert_eq!(
            shape(parsed.ast(), parsed.source(), body),
            shape(second.ast(), second.source(), second_body),
            "{} printed as {}", source, again
        );
        prop_assert_eq!(&print(second.ast(), second.source(), second_body), &printed, "printing is stable");
    }

    /// The parser reads a string as a single name if and only if `is_name` returns `true`. The compiler interprets each
    /// name that needs no quotes as a column. Names in capitals may be functions.
    #[test]
    fn names_need_quotes_unless_they_are_columns(
        name in "[A-Za-z_éß日²][A-Za-z0-9_éß日² .-]{0,7}|[A-Za-z]{1,3}[0-9]{1,3}|[Tt]rue|NULL|[A-Z]{1,2}_total"
    ) {
        let source = format!("={name}");
        let (parsed, diagnostics) = parse(&source);
        let is_one_name = parsed.ast().definitions.iter().any(|definition| {
            matches!(parsed.ast().expr(definition.body), Expr::Name | Expr::Bool(_))
                && parsed.ast().span(definition.body).text(parsed.source()) == name
        });
        if diagnostics.is_empty() {
            prop_assert_eq!(is_one_name, lex::is_name(&name));
        } else {
            prop_assert!(lex::name_needs_quotes(&name), "{diagnostics:?}");
        }
        if !lex::name_needs_quotes(&name) && name.bytes().any(|b| !b.is_ascii_uppercase()) {
            let compiled = Compiler::default().compile(&format!("SUM({name})"));
            prop_assert!(!compiled.has_errors(), "{name}: {:?}", compiled.diagnostics());
        }
    }

    /// Checks that a definition's tree does not depend on the lines above and below it.
    #[test]
    fn definitions_do_not_affect_each_other(one in expression(), two in expression()) {
        let alone = format!("b = {two}");
        let both = format!("a = {one}\nb = {two}\nc = 1");
        let (alone, _) = parse(&alone);
        let (both, diagnostics) = parse(&both);
        prop_assert!(diagnostics.is_empty(), "{diagnostics:?}");
        prop_assert_eq!(both.ast().definitions.len(), 3);
        let (a, b) = (alone.ast().definitions[0].body, both.ast().definitions[1].body);
        prop_assert_eq!(shape(alone.ast(), alone.source(), a), shape(both.ast(), both.source(), b));
    }
}
