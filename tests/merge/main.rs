//! Tests that edit people's files in place and merge them with newly generated texts.

mod cases;
mod edits;
mod random;
