//! The current date: the value of `today:` in a spec, the date in the time zone `timezone:`, or the date of the
//! session.

use crate::Type;
use crate::catalog::{FunctionId, internal};
use crate::check::lower::Lowerer;
use crate::ir::{Ir, IrId, NodeMeta};
use crate::span::Span;

/// Replacement for the current date.
#[derive(Clone, Debug, PartialEq)]
pub enum Today {
    /// ISO date.
    Date(String),
    /// SQL expression that returns a date. The expression is already validated.
    Sql(String),
    /// Date that another tool inserts into the SQL.
    Macro {
        /// Text that the other tool replaces with an SQL expression.
        text: String,
        /// ISO date for SQL without macros. `None` for the current date.
        default: Option<String>,
    },
}

impl Lowerer<'_> {
    /// Replaces `TODAY()` with the date in the spec, and `NOW()` with midnight on that date. If the spec does not set
    /// the current date, the date of `TODAY()` is computed in the time zone of the spec or project. `None` if neither
    /// the date nor the time zone is set.
    pub(in crate::check) fn replace_today(&mut self, function: FunctionId, span: Span) -> Option<IrId> {
        let midnight = function == internal::NOW;
        if !midnight && function != internal::TODAY {
            return None;
        }
        let Some(today) = self.scope.today else {
            self.scope.timezone.filter(|_| !midnight)?;
            let now = self.add_call(internal::NOW, &[], span);
            return Some(self.convert_to(now, Type::Date));
        };
        let node = match today {
            Today::Date(iso) => Ir::Date(self.program.add_text(iso)),
            Today::Sql(sql) => Ir::Today(self.program.add_text(sql)),
            Today::Macro { text, default } => {
                let text = self.program.add_text(text);
                let default = default.as_ref().map(|iso| self.program.add_text(iso));
                self.program.macros.push((text, default));
                Ir::Macro(self.program.macros.len() as u32 - 1)
            }
        };
        let date = self.program.add(node, NodeMeta::constant(Type::Date, span));
        Some(if midnight {
            self.convert_to(date, Type::Timestamp)
        } else {
            date
        })
    }
}
