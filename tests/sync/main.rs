//! Tests merges of specs and dbt files that were changed on both sides.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod adopted;
mod both_sides;
mod formatters;
mod group_keys;
mod guarded_edits;
mod large;
mod manual_edits;
mod passed_on_columns;
mod property_edits;
mod random;
mod set_edits;
mod several_edits;
mod shared_columns;
mod structure_edits;
mod test_project;
