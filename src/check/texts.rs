//! Functions of texts whose SQL depends on what a literal says.

use super::lower::Lower;
use crate::ast::ExprId;
use crate::catalog::internal;
use crate::ir::{Ir, IrId};
use crate::span::Span;
use crate::types::Type;

impl Lower<'_> {
    fn text_literal(&mut self, text: &str, span: Span) -> IrId {
        let slice = self.program.add_text(text);
        self.program.add(Ir::Text(slice), Self::constant(Type::Text, span))
    }

    /// The text with its groups taken out and a point before its fraction, read as a number.
    pub(super) fn lower_number_value(&mut self, args: &[ExprId], span: Span) -> IrId {
        let Some(values) = self.values(args) else { return self.error(span) };
        let separator = |pass: &mut Self, index: usize, default: &str| match values.get(index) {
            Some(value) => *value,
            None => pass.text_literal(default, span),
        };
        let (point, group) = (separator(self, 1, "."), separator(self, 2, ","));
        let mut text = values[0];
        for (old, new) in [(group, ""), (point, ".")] {
            let same = self.literal_text(old).is_some_and(|old| old == new);
            if !same {
                let new = self.text_literal(new, span);
                text = self.apply_checked(internal::SUBSTITUTE, &[text, old, new], span, "NUMBERVALUE");
            }
        }
        self.give_back(values);
        if self.is_error(text) {
            return text;
        }
        self.apply_checked(internal::VALUE, &[text], span, "NUMBERVALUE")
    }

    /// A literal that spells a date is that date.
    pub(super) fn lower_date_value(&mut self, arg: ExprId, span: Span) -> IrId {
        let text = self.value(arg);
        let is_date = self.literal_text(text).is_some_and(super::dates::is_iso_date);
        if let (Ir::Text(slice), true) = (self.program.node(text), is_date) {
            return self.program.add(Ir::Date(slice), Self::constant(Type::Date, span));
        }
        self.apply_checked(internal::DATE_VALUE, &[text], span, "DATEVALUE")
    }
}
