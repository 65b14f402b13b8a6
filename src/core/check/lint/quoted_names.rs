//! Lint for the name of a column in quotes, which is the column in SQL, but text in a formula.

use formulac_syntax::lex::quote_formula_name;

use super::Lints;
use crate::diag::Code;
use crate::ir::{Ir, IrId};

impl Lints<'_> {
    /// Warns about a literal that is the name of a known column. The caller has checked that a text literal makes no
    /// sense at this position, because its value is the same in all rows. Returns whether there was a warning.
    pub(super) fn warn_of_quoted_name(&mut self, literal: IrId) -> bool {
        let program = self.program;
        let Ir::Text(text) = program.node(literal) else {
            return false;
        };
        let text = program.text(text);
        let Some(column) = self.relations.iter().find_map(|relation| relation.column(text)) else {
            return false;
        };
        let name = column.name();
        let reference = quote_formula_name(name);
        let message = format!("`\"{text}\"` is the same text in every row, not the column `{name}`");
        let help = format!("write `{reference}` without quotes for the column, because quotes enclose text");
        self.warn(Code::QuotedName, literal, message, help);
        true
    }
}
