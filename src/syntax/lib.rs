//! Lexer, syntax tree and YAML parser on which formulac's other crates are based.
//!
//! This crate is independent of functions, types and dialects. Its modules analyze only syntax:
//!
//! - [`span`]: positions in a string, by bytes and by line and column.
//! - [`diag`]: a [`diag::Diagnostic`] has a message, a span and a fix. Each diagnostic has a [`diag::Code`] from the
//!   registry. The page of a code contains an incorrect example and a corrected example. [`diag::suggest`] finds the
//!   most similar name.
//! - [`limits`]: limits on the size of the input.
//! - [`lex`]: tokens of a formula and their layout: where definitions begin, which brackets match, and which syntax
//!   comes from SQL or another spreadsheet.
//! - [`arena`]: lists that are indexed with ids.
//! - [`ast`]: the untyped tree that `formulac-grammar` builds from the tokens, with a span for each node. The tree is
//!   an arena in which children come before their parents, so that a pass over the tree is a loop.
//! - [`yaml`]: YAML with the position of every byte, so that an error in a formula can be displayed in the file that
//!   contains it.
//! - [`markdown`]: escaping of strings for Markdown, so that no name becomes markup.
//! - [`text`]: helper functions for words, names and counts in messages.
//!
//! The parser never fails completely and never panics: errors are reported, and all other text is parsed. Parsing takes
//! linear time, and its recursion depth does not depend on the input.
//!
//! ```
//! use formulac_syntax::lex::{self, Token};
//!
//! let lexed = lex::lex("a = 1 + b", &mut Vec::new());
//! assert!(lexed.tokens.iter().any(|(token, _)| *token == Token::Plus));
//! ```

#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]

pub mod arena;
pub mod ast;
pub mod diag;
pub mod lex;
pub mod limits;
pub mod markdown;
pub mod span;
pub mod text;
pub mod yaml;
