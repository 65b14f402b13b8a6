//! The parts of a formula: its tokens, and its tree with the type, level and SQL of each part.

use formulac::ast::{self, Ast, Expr, ExprId};
use formulac::lex::{self, Token};
use formulac::{Compiler, Definition, parse};
use formulac_syntax::text::collapse_whitespace;
use serde_json::{Value, json};

use crate::cli::commands::compile;
use formulac::span::Span;

/// Maximum number of parts with types and SQL. For larger formulas, only the tree is printed.
const MAX_TYPED_NODES: usize = 400;
/// Prefix for generated names. Real column names do not begin with this prefix.
const GENERATED_NAME_PREFIX: &str = "formulac_explained_part_";

/// A token of a formula.
#[derive(Debug)]
pub struct SourceToken {
    pub kind: &'static str,
    pub span: Span,
}

/// A node of a formula's tree.
#[derive(Debug)]
pub struct FormulaNode {
    pub id: ExprId,
    pub depth: usize,
    /// Name of the operator or function, or the source text of a leaf.
    pub label: String,
    pub span: Span,
    /// Result of compiling the part as a separate formula, or `None` if the part is not a formula by itself.
    pub definition: Option<Definition>,
}

/// Returns the tokens of a source.
pub fn source_tokens(source: &str) -> Vec<SourceToken> {
    let lexed = lex::lex(source, &mut Vec::new());
    lexed
        .tokens
        .into_iter()
        .map(|(token, span)| SourceToken {
            kind: token_kind(token),
            span,
        })
        .collect()
}

fn token_kind(token: Token) -> &'static str {
    match token {
        Token::Name => "name",
        Token::Number | Token::NumberWithApostrophes => "number",
        Token::Text | Token::UnclosedText | Token::CurlyQuote => "text",
        Token::Model | Token::UnclosedModel => "reference",
        Token::Cell => "cell",
        Token::Tab | Token::UnclosedTab => "tab",
        Token::Open | Token::Close | Token::OpenSquare | Token::CloseSquare | Token::OpenBrace | Token::CloseBrace => {
            "bracket"
        }
        Token::Comma | Token::Colon | Token::Semicolon | Token::Dot => "separator",
        _ => "operator",
    }
}

/// Returns the nodes of every definition, parents before children, with the result of compiling each node.
pub fn formula_parts(compiler: &Compiler, source: &str) -> Vec<FormulaNode> {
    let (parsed, _) = parse::parse(source);
    let ast = parsed.ast();
    let mut parts = Vec::new();
    let mut text = String::new();
    // Compile the parts together with the definitions if there are several definitions, because a part may refer to
    // another definition.
    let several = ast.definitions.len() > 1;
    if several {
        text.push_str(source);
    }
    for definition in &ast.definitions {
        let mut stack = vec![(definition.body, 0)];
        while let Some((id, depth)) = stack.pop() {
            let number = parts.len();
            if number < MAX_TYPED_NODES && !matches!(ast.expr(id), Expr::Error | Expr::Blank) {
                text.push_str(&format!(
                    "\n{GENERATED_NAME_PREFIX}{number} = {}",
                    ast::print(ast, source, id)
                ));
            }
            let name = definition
                .name
                .filter(|_| depth == 0)
                .map(|name| format!("{} = ", name.text(source)));
            let label = name.unwrap_or_default() + &node_label(ast, source, id);
            parts.push(FormulaNode {
                id,
                depth,
                label,
                span: ast.span(id),
                definition: None,
            });
            stack.extend(ast.children(id).rev().map(|child| (child, depth + 1)));
        }
    }
    if parts.len() <= MAX_TYPED_NODES {
        for definition in compiler.compile(&text).definitions() {
            let number = definition
                .name()
                .and_then(|n| n.strip_prefix(GENERATED_NAME_PREFIX))
                .and_then(|n| n.parse::<usize>().ok());
            if let Some(part) = number.and_then(|n| parts.get_mut(n)) {
                part.definition = Some(definition.clone());
            }
        }
    }
    parts
}

fn node_label(ast: &Ast, source: &str, id: ExprId) -> String {
    let text = |span: Span| collapse_whitespace(span.text(source));
    match ast.expr(id) {
        Expr::Error => "(fault)".to_owned(),
        Expr::Blank => "(empty)".to_owned(),
        Expr::Binary { op, .. } => op.symbol().to_owned(),
        Expr::Sign { sign, .. } => if sign == ast::Sign::Minus { "-" } else { "+" }.to_owned(),
        Expr::Percent(_) => "%".to_owned(),
        Expr::Range { .. } => ":".to_owned(),
        Expr::Timeframe { frame, .. } => ast
            .names
            .get(frame as usize)
            .map_or_else(String::new, |s| format!("[{}]", text(*s))),
        Expr::Tab { tab, .. } => ast
            .names
            .get(tab as usize)
            .map_or_else(String::new, |s| format!("{}!", text(*s))),
        Expr::Call(index) => text(ast.call(index).name).to_ascii_uppercase(),
        _ => text(ast.span(id)),
    }
}

/// Returns a token as JSON.
pub fn token_json(word: &SourceToken, source: &str) -> Value {
    json!({"kind": word.kind, "text": word.span.text(source), "span": word.span})
}

/// Returns a node as JSON.
pub fn formula_node_json(part: &FormulaNode) -> Value {
    let mut value = json!({"depth": part.depth, "label": part.label, "span": part.span});
    if let (Some(definition), Some(fields)) = (&part.definition, value.as_object_mut())
        && let Value::Object(object) = compile::definition_json(definition)
    {
        fields.extend(object.into_iter().filter(|(key, _)| key != "name" && key != "assumed"));
    }
    value
}
