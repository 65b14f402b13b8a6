//! The SQL of many specs, checked by rules that a reviewer would apply, and written out for review.

mod change;
mod columns;
mod corpus;
mod layout;
mod nothing_twice;
mod orders;
mod parentheses;
mod snapshots;
mod sql_parser;
mod sql_text;
mod sqlfluff;
