//! Tests a new user's first session with formulac in two typical dbt projects. `projects/coffee_shop` has folders of
//! models, tests in `data-tests`, a package and semantic models. `projects/lending` has folders with non-default paths,
//! is in a subfolder of its repository, and has groups and private, versioned, ephemeral, incremental and disabled
//! models. Each test runs the commands of a session, checks files and rows, and compares a transcript with `snapshots`.
//!
//! Environment variables specify the tools, as in `tests/example_project`.

#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

#[path = "../example_project/project.rs"]
#[allow(dead_code, reason = "only the tests of the example read its seeds")]
mod project;
#[path = "../example_project/shell.rs"]
mod shell;
#[path = "../example_project/tools.rs"]
#[allow(dead_code, reason = "only the tests of the example start a Postgres server")]
mod tools;

mod coffee_shop;
mod evening;
mod knowledge;
mod lending;
