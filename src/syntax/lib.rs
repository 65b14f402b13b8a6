//! Lexical and syntactic basis of formulac, on which its other crates build.
//!
//! Functions, types and dialects are unknown at this level. The modules analyze the form of text:
//!
//! - [`span`]: positions in a string, by bytes and by line and column.
//! - [`diag`]: a [`diag::Diagnostic`] has a message, a span and a fix. Each has a [`diag::Code`] of the registry, with a page that shows a wrong and a right example. [`diag::suggest`] finds the most similar name.
//! - [`limits`]: limits on the size of the input.
//! - [`lex`]: tokens of a formula and their layout: where definitions begin, which brackets match, and which syntax comes from SQL or another spreadsheet.
//! - [`ast`]: the untyped tree that `formulac-grammar` builds from the tokens, with a span per node. It is an arena in which children come before their parents, so that a pass over it is a loop.
//! - [`yaml`]: YAML with the position of every byte, so that an error in a formula is shown in the file that contains it.
//! - [`markdown`]: escaping of strings in Markdown, so that no name becomes markup.
//!
//! Parsing never fails as a whole and never panics: errors are reported, and everything else is parsed. It takes
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

pub mod ast;
pub mod diag;
pub mod lex;
pub mod limits;
pub mod markdown;
pub mod span;
pub mod yaml;
