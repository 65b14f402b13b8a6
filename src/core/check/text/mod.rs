//! Text that is known when a formula is compiled: masks, regular expressions, and literal arguments of text functions.

pub(super) mod literal_texts;
pub mod literals_from_sql;
pub(super) mod mask;
pub(super) mod number_mask;
mod number_texts;
pub(super) mod regex;
pub(super) mod text_masks;
