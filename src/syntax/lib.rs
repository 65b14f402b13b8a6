//! What formulac reads, up to tokens: the ground that its other crates stand on.
//!
//! Nothing here knows a function, a type or a dialect. Text comes in, and what is known of its form goes out:
//!
//! - [`span`]: places in a text, by bytes and by line and column.
//! - [`diag`]: a [`diag::Diagnostic`] says what is wrong, where, and how to put it right; each has a [`diag::Code`] of the
//!   registry, with a page that shows a wrong and a right example. [`diag::suggest`] finds the name that was meant.
//! - [`limits`]: how much input is taken.
//! - [`lex`]: a formula's tokens, and their layout: where definitions begin, which brackets match, and what is written so
//!   in SQL or in another spreadsheet and differently here.
//! - [`ast`]: the untyped tree that `formulac-grammar` builds of the tokens, with a span on every node. It is an arena:
//!   children stand before their parents, so that a pass over it is a loop.
//! - [`yaml`]: YAML with the place of every byte, so that a fault in a formula is shown in the file that holds it.
//! - [`markdown`]: texts that stand in Markdown, so that no name becomes markup.
//!
//! Reading never fails as a whole and never panics: what is broken is reported, and the rest is read. It takes linear
//! time, and no recursion as deep as the input.
//!
//! ```
//! use formulac_syntax::lex::{self, Token};
//!
//! let lexed = lex::lex("a = 1 + b", &mut Vec::new());
//! assert!(lexed.tokens.iter().any(|(token, _)| *token == Token::Plus));
//! ```

#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo, clippy::unimplemented)]

pub mod ast;
pub mod diag;
pub mod lex;
pub mod limits;
pub mod markdown;
pub mod span;
pub mod yaml;
