//! Texts that are the same in every row and known when the formula is compiled.

use super::{Ir, IrId, Program};
use crate::Type;
use crate::catalog::{self, internal};

/// Maximum number of nodes of a constant text. Without a limit, definitions that join other definitions twice would
/// need exponential time.
const MAX_NODES: usize = 1000;

impl Program {
    /// Returns the value of a constant text: a literal, CHAR or UNICHAR of a literal, or constant texts joined with
    /// `&`.
    pub fn constant_text(&self, id: IrId) -> Option<String> {
        let (mut text, mut open) = (String::new(), vec![id]);
        for _ in 0..MAX_NODES {
            let Some(part) = open.pop() else {
                return Some(text);
            };
            let part = self.resolve_references(part);
            match self.node(part) {
                Ir::Text(slice) => text.push_str(self.text(slice)),
                Ir::Number(slice) if part != id && self.meta(part).ty == Type::Integer => {
                    text.push_str(self.text(slice));
                }
                Ir::Apply { overload, args } => match (catalog::overload_owner(overload), self.args(args)) {
                    (internal::CONCAT, parts) => open.extend(parts.iter().rev()),
                    (internal::CHAR | internal::UNICHAR, [code]) => text.push(self.character(*code)?),
                    _ => return None,
                },
                _ => return None,
            }
        }
        None
    }

    /// Returns the character whose code point is a literal.
    pub fn character(&self, code: IrId) -> Option<char> {
        match self.node(code) {
            Ir::Number(slice) => char::from_u32(self.text(slice).parse().ok()?).filter(|character| *character != '\0'),
            _ => None,
        }
    }
}
