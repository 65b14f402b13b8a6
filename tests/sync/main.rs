//! Specs and dbt's files that people changed on both sides, brought together.
#![allow(clippy::unwrap_used, clippy::panic)] // A test that cannot go on has failed.

mod adopted;
mod formatters;
mod hand_edits;
mod random;
mod world;
