//! Parts of templates that have no effect for certain arguments: values of `coalesce` that are never reached, and
//! guards against a divisor of 0.

use super::Emitter;
use crate::dialect::Template;
use crate::dialect::part::TemplatePart;
use crate::ir::IrId;
use crate::span::Span;
use crate::sql::{Sql, SqlId};

impl Emitter<'_> {
    /// Returns the parts of `coalesce(least(a, b), a, b)` that can be reached. A part after an argument that is never
    /// NULL cannot be reached. `None` for other parts.
    pub(super) fn reachable_coalesce_arguments(
        &self,
        template: &Template,
        part: &TemplatePart,
        args: &[IrId],
    ) -> Option<Vec<u16>> {
        let TemplatePart::Call {
            name: "coalesce",
            args: values,
        } = *part
        else {
            return None;
        };
        let (first, rest) = values.split_first()?;
        let TemplatePart::Call {
            name: "least" | "greatest",
            args: compared,
        } = *template.parts.get(*first as usize)?
        else {
            return None;
        };
        let is_nullable = |part: &u16| match template.parts.get(*part as usize) {
            Some(TemplatePart::Arg { index, .. }) => args.get(*index as usize).is_none_or(|id| {
                // Join keys have SQL but no node in the program.
                id.index() >= self.program.len() || self.program.meta(*id).nullable
            }),
            Some(TemplatePart::Number(_) | TemplatePart::Text(_)) => false,
            _ => true,
        };
        let mut reachable = vec![*first];
        match compared.iter().filter(|part| is_nullable(part)).count() {
            0 => {}
            // The comparison is NULL only if this argument is NULL.
            1 => reachable.extend(rest.iter().find(|part| !is_nullable(part))),
            _ => return None,
        }
        Some(reachable)
    }

    pub(super) fn emit_reachable_coalesce_arguments(&mut self, values: &[u16], base: usize, span: Span) -> SqlId {
        let locals = &self.buffers.template.locals;
        let values: Vec<SqlId> = values.iter().map(|value| locals[base + *value as usize]).collect();
        match *values {
            [value] => value,
            _ => self.buffers.tree.add_call("coalesce", &values, span),
        }
    }

    /// Returns whether a divisor is a literal of 1 or more. A quotient with a smaller divisor may overflow.
    pub(super) fn is_literal_of_at_least_one(&self, divisor: SqlId) -> bool {
        let Sql::Text { first, len } = *self.buffers.tree.node(divisor) else {
            return false;
        };
        let digits = self.buffers.tree.str(first, len);
        // A column named `inf` or `infinity` would be parsed as a number.
        digits.starts_with(|c: char| c.is_ascii_digit()) && digits.parse::<f64>().is_ok_and(|number| number >= 1.0)
    }
}
