//! The command from outside: what it prints, where, and how it ends.
//!
//! `INSTA_UPDATE=always cargo test --test cli` writes the snapshots anew; the diff is then for people to read.
#![allow(clippy::unwrap_used, clippy::panic)] // A test that cannot go on has failed.

mod change;
mod check;
mod compile;
mod env;
mod explain;
mod formats;
mod functions;
mod generate;
mod hostile;
mod impact;
mod init;
mod json_schema;
mod model;
mod preview;
mod project;
mod promote;
mod pull;
mod push;
mod push_faults;
mod release;
mod repository;
mod roles;
mod run;
mod schema;
mod sources;
mod status;
mod usage;
mod verify;
