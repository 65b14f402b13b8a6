//! Specs and dbt files that people changed on both sides, and their merge.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod adopted;
mod formatters;
mod hand_edits;
mod random;
mod world;
