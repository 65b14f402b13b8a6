//! Limits the depth of SQL. The parser's trees consist of nested boxes, so parsing, traversing and dropping a tree uses
//! an amount of stack that is proportional to its depth. The depth is therefore limited by counting tokens before
//! parsing, and the work runs on a thread with a large stack.

use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::LineageError;

/// Maximum nesting of brackets in the parser.
pub(super) const MAX_BRACKET_DEPTH: usize = 200;
/// Maximum depth of a tree. A chain of the same operator has one level per operand.
const MAX_TREE_DEPTH: usize = 6_000;
/// Stack size in bytes. A thread uses only as much stack as the depth of the tree requires.
pub(super) const STACK_BYTES: usize = 256 << 20;

/// Runs work on a thread whose stack is large enough for the deepest accepted tree. `None` if no thread could be
/// started.
pub fn with_large_stack<R: Send>(work: impl FnOnce() -> R + Send) -> Option<R> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new()
            .name("lineage".to_owned())
            .stack_size(STACK_BYTES);
        match builder.spawn_scoped(scope, work).ok()?.join() {
            Ok(result) => Some(result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Tokenizes SQL, and rejects it if its tree may be too deep.
pub(super) fn tokenize_bounded(sql: &str, dialect: &dyn Dialect) -> Result<Vec<TokenWithSpan>, LineageError> {
    let tokens = Tokenizer::new(dialect, sql).tokenize_with_location();
    let tokens = tokens.map_err(|error| LineageError::new(format!("the SQL cannot be read: {error}")))?;
    if is_too_deep(&tokens) {
        Err(LineageError::new("the SQL is nested too deeply"))
    } else {
        Ok(tokens)
    }
}

/// Open bracket.
#[derive(Default)]
struct OpenBracket {
    /// Number of set operations directly inside the bracket. Each set operation is one level of the tree.
    sets: usize,
    /// Number of tokens in the current expression, which is an upper bound on the number of its levels.
    tokens: usize,
}

/// Returns whether the tree may be too deep. The number of tokens is an upper bound on the depth, because each level
/// has at least one token of its own.
fn is_too_deep(tokens: &[TokenWithSpan]) -> bool {
    let mut open = vec![OpenBracket::default()];
    let mut levels = 0usize;
    for token in tokens {
        let Some(last) = open.last_mut() else { return true };
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::LParen | Token::LBracket | Token::LBrace => open.push(OpenBracket::default()),
            Token::RParen | Token::RBracket | Token::RBrace => close_bracket(&mut open, &mut levels),
            Token::Comma => levels -= std::mem::take(&mut last.tokens),
            Token::Word(word) => match word.keyword {
                Keyword::CASE => open.push(OpenBracket::default()),
                Keyword::END => close_bracket(&mut open, &mut levels),
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::MINUS => {
                    last.sets += 1;
                    levels += 1;
                }
                // Each of these keywords is followed by a new expression, and none of them occurs inside an expression.
                Keyword::SELECT
                | Keyword::WHERE
                | Keyword::HAVING
                | Keyword::QUALIFY
                | Keyword::JOIN
                | Keyword::ON
                | Keyword::WHEN
                | Keyword::THEN
                | Keyword::ELSE => levels -= std::mem::take(&mut last.tokens),
                _ => {
                    last.tokens += 1;
                    levels += 1;
                }
            },
            _ => {
                last.tokens += 1;
                levels += 1;
            }
        }
        if levels + open.len() > MAX_TREE_DEPTH {
            return true;
        }
    }
    false
}

/// Closes a bracket. The closed bracket counts as one token of the enclosing bracket.
fn close_bracket(open: &mut Vec<OpenBracket>, levels: &mut usize) {
    if open.len() > 1
        && let Some(closed) = open.pop()
    {
        *levels -= closed.sets + closed.tokens;
    }
    if let Some(last) = open.last_mut() {
        last.tokens += 1;
        *levels += 1;
    }
}
