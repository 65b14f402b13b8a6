//! Tests in-place edits of users' files, and merges with newly generated text.

#![allow(clippy::indexing_slicing, reason = "tests fail by panicking")]

mod cases;
mod edits;
mod large;
mod random;
