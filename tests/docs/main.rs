//! Tests the README and the manual in `docs/`: runs their examples, and checks that the commands, options and files in
//! them exist.
//!
//! `FORMULAC_WRITE=1 cargo test --all-features --test docs` rewrites the outputs and `docs/keys.md`.
#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod comments;
mod crates;
mod dialects;
mod examples;
mod keys;
mod names;
#[path = "../example_project/page.rs"]
mod page;
mod pages;
mod programs;
#[path = "../example_project/project.rs"]
#[allow(dead_code, reason = "only the tests of the example read it")]
mod project;
#[path = "../example_project/shell.rs"]
mod shell;
#[path = "../example_project/tools.rs"]
#[allow(dead_code, reason = "only the tests of the example use servers and recorded answers")]
mod tools;
