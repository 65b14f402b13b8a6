//! The way back: from generated SQL that somebody edited by hand to formulas.
//!
//! [`Edits`] says what differs between a model's SQL as it was written and as it was found, column by column.
//! [`Decompiler`] shows an edited column as a formula. What SQL a formula becomes is never guessed: all functions and
//! operators are compiled with columns and literals that stand for anything, what depends on a step (windows, ranges, rows
//! that are looked up, worksheets) in the place of the definition. An expression is read with all that helper CTEs compute
//! and join put in the place of their names, and compared with what came out; each formula that is put together so is
//! compiled in its spec. It is given only if that makes the SQL that was
//! found, so an answer may be missing, and is never wrong. [`with_formula`] puts a formula into the text of a spec;
//! [`respelled`] puts there what a person wrote in the place of a word, a number or a sign.

mod candidate_check;
mod columns;
mod comments;
mod constant_probes;
mod context_probes;
mod criteria;
mod edits;
mod expression_text;
mod file;
mod formula;
mod from_clause;
mod layout;
mod literal_probes;
mod masks;
mod order;
mod parse;
mod patterns;
mod periods;
mod probes;
mod ranges;
mod search;
mod separated_parts;
mod sheets;
mod spec_edit;
mod substitute;
mod tree;
mod windows;

pub use edits::{Edits, ItemEdit, RestEdit};
pub use formula::{Decompiler, NotAFormula};
pub use layout::Clash;
pub(crate) use layout::{clashes, keep_comments, merge};
pub(crate) use order::in_order_of;
pub use spec_edit::{EditRefusal, with_formula};
pub use substitute::respelled;
