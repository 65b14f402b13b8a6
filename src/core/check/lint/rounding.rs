//! Lint for numbers that are rounded twice. The first rounding can produce a half, which the second rounding rounds
//! away from zero.

use super::Lints;
use crate::Type;
use crate::catalog::{self, internal};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId};

impl Lints<'_> {
    /// Warns about `ROUND(ROUND(x, 4), 2)`. Does not warn if the inner call keeps at most as many digits as the outer
    /// call, because the outer call then has no effect.
    pub(super) fn warn_of_double_rounding(&mut self, id: IrId) {
        let Some((inner, outer_digits, target_digits)) = self.match_round_call(id) else {
            return;
        };
        // Find the innermost number that the outer call can round directly.
        let mut value = inner;
        while let Some((x, _, inner_digits)) = self.match_round_call(value)
            && inner_digits > target_digits
            // An integer has no decimal places to round.
            && (inner_digits < 0 || self.program.meta(x).ty != Type::Integer)
            // Skip calls in the formula that defines a function. These calls have the span of the function's call.
            && self.program.meta(value).span.start > self.program.meta(id).span.start
        {
            value = x;
        }
        if value == inner {
            return;
        }
        // The help contains the complete expression, so that it can be copied.
        let complete = |id: IrId| self.program.meta(id).span.text(self.source).replace('\n', " ");
        let (x, digits) = (complete(value), complete(outer_digits));
        let once = match digits.is_empty() {
            true => format!("ROUND({x})"),
            false => format!("ROUND({x}, {digits})"),
        };
        let excerpt = self.excerpt(inner);
        let message =
            format!("the result of `{excerpt}` is rounded again, so the final value can differ from a single rounding");
        let diagnostic = Diagnostic::new(Code::RoundedTwice, self.program.meta(inner).span, message);
        self.found.push(diagnostic.with_help(format!("round once: `{once}`")));
    }

    /// Returns the number that a ROUND call rounds, and the number of digits as a node and as an integer. `None` for
    /// other functions that round, such as TEXT, and if the number of digits is not a literal.
    fn match_round_call(&self, id: IrId) -> Option<(IrId, IrId, i64)> {
        let program = self.program;
        let Ir::Apply { overload, args } = program.node(id) else {
            return None;
        };
        let [x, digits] = *program.args(args) else { return None };
        let Ir::Number(literal) = program.node(digits) else {
            return None;
        };
        let name = program.meta(id).span.text(self.source).get(.."ROUND".len())?;
        let is_round = catalog::overload_owner(overload) == internal::ROUND && name.eq_ignore_ascii_case("ROUND");
        is_round.then_some((x, digits, program.text(literal).parse().ok()?))
    }
}
