//! Tests in-place edits of users' files, and merges with newly generated texts.

mod cases;
mod edits;
mod random;
