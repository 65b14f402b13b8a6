//! Tests that edit files of people in place and merge them with newly generated texts.

mod cases;
mod edits;
mod random;
