//! Lexer and layout pass: split source text into tokens, find definitions and match brackets.

mod brackets;
mod casts;
mod clauses;
mod definition_names;
mod foreign;
mod foreign_words;
mod layout;
mod lexer;
mod list;
mod names;
mod numbers;
mod operands;
mod queries;
mod special_tokens;
mod spreadsheet;
mod text;
mod token;

pub use casts::conversion_help;
pub use layout::{DefinitionHead, LayoutMode, TextLayout, layout_text};
pub use layout::{LayoutPart, is_first_on_line, layout_part};
pub use lexer::lex_part;
pub use lexer::{LexedSource, lex};
pub use list::split_list;
pub use names::{is_name, looks_like_cell, name_needs_quotes, quote_formula_name, split_qualifier};
pub use numbers::{number_around_comma, number_with_groups};
pub use text::{quote, unquote, with_double_quotes};
pub use token::Token;
