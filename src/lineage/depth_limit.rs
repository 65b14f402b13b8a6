//! How deep SQL may be. The parser's trees are boxes in boxes, so that reading, walking and dropping them takes stack by
//! their depth: that is bounded beforehand, by counting tokens, and the work done where the stack has room for it.

use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::NotFollowed;

/// Brackets in brackets that the parser follows.
pub(super) const BRACKETS: usize = 200;
/// Levels of a tree: a chain of one operator has one for each of its operands.
const LEVELS: usize = 6_000;
/// Bytes of stack. They are only used as far as the tree is deep.
pub(super) const STACK: usize = 256 << 20;

/// Does work in a thread whose stack has room for the deepest tree that is taken; `None` if there is no thread.
pub(crate) fn with_room<R: Send>(work: impl FnOnce() -> R + Send) -> Option<R> {
    std::thread::scope(|scope| {
        let named = std::thread::Builder::new().name("lineage".to_owned()).stack_size(STACK);
        match named.spawn_scoped(scope, work).ok()?.join() {
            Ok(result) => Some(result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The tokens of a SQL text whose tree is not too deep.
pub(super) fn tokens(sql: &str, dialect: &dyn Dialect) -> Result<Vec<TokenWithSpan>, NotFollowed> {
    let tokens = Tokenizer::new(dialect, sql).tokenize_with_location();
    let tokens = tokens.map_err(|error| NotFollowed::new(format!("its SQL cannot be read: {error}")))?;
    if is_too_deep(&tokens) { Err(NotFollowed::new("its SQL is too deep")) } else { Ok(tokens) }
}

/// A bracket that is open.
#[derive(Default)]
struct OpenBracket {
    /// Set operations in it, each of which is a level.
    sets: usize,
    /// Tokens of the expression that is being read: at least as many as its levels.
    tokens: usize,
}

/// An upper bound: each level has a token of its own in a bracket around or beside it.
fn is_too_deep(tokens: &[TokenWithSpan]) -> bool {
    let mut open = vec![OpenBracket::default()];
    let mut levels = 0usize;
    for token in tokens {
        let Some(last) = open.last_mut() else { return true };
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::LParen | Token::LBracket | Token::LBrace => open.push(OpenBracket::default()),
            Token::RParen | Token::RBracket | Token::RBrace => close(&mut open, &mut levels),
            Token::Comma => levels -= std::mem::take(&mut last.tokens),
            Token::Word(word) => match word.keyword {
                Keyword::CASE => open.push(OpenBracket::default()),
                Keyword::END => close(&mut open, &mut levels),
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::MINUS => {
                    last.sets += 1;
                    levels += 1;
                }
                // Behind each of these a new expression begins, and none of them stands inside of one.
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
        if levels + open.len() > LEVELS {
            return true;
        }
    }
    false
}

/// A bracket that closes is one token of what stands around it.
fn close(open: &mut Vec<OpenBracket>, levels: &mut usize) {
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
