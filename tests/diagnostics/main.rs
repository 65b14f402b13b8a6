//! Tests every diagnostic from the user's point of view: the correct code and position, helpful text, and a fix that
//! works.

mod applied_help;
mod fixes;
#[path = "../rubric/orders.rs"]
mod orders;
mod pages;
mod setting;
mod snapshots;
mod triggers;
