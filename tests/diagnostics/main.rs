//! Every diagnostic as its reader sees it: the right code and place, words that help, a fix that mends.

mod fixes;
#[path = "../rubric/orders.rs"]
mod orders;
mod pages;
mod setting;
mod shown;
mod snapshots;
