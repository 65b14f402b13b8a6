//! Files of people, edited in place and merged with what is generated.

mod cases;
mod edits;
mod random;
