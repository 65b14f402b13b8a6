//! Lints for comparisons that depend on the order of strings, and for comparisons with empty strings.

use super::Lints;
use crate::Type;
use crate::ast::BinaryOp;
use crate::catalog::{self, internal};
use crate::check::criteria::criterion_text::is_number;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, PoolRange};

impl Lints<'_> {
    /// Warns about `code > "30"` and `COUNTIF(code, ">30")`, which compare strings character by character.
    pub(super) fn warn_of_text_order(
        &mut self,
        id: IrId,
        comparison: BinaryOp,
        subject: IrId,
        literal: IrId,
        text: PoolRange,
    ) {
        let program = self.program;
        let digits = program.text(text);
        let (span, literal_span) = (program.meta(id).span, program.meta(literal).span);
        // The text of a criterion contains both the operator and the value. A criterion compares text in lower case.
        let is_criterion = literal_span == span;
        let operand = match program.node(subject) {
            Ir::Apply { overload, args } if is_criterion && catalog::overload_owner(overload) == internal::LOWER => {
                program.args(args).first().copied().unwrap_or(subject)
            }
            _ => subject,
        };
        // Skip expressions other than columns, because their strings may have a fixed width: `TEXT(day, "yyyymm") >=
        // "202401"`.
        let Ir::Column(column) = program.node(self.resolve_name(operand)) else {
            return;
        };
        if program.meta(operand).ty != Type::Text || !is_number(digits) || is_fixed_width_number(digits) {
            return;
        }
        let name = self.excerpt(operand);
        let symbol = comparison.symbol();
        let assumed = program.columns.try_get(column as usize).is_some_and(|c| c.assumed);
        let number = digits.trim();
        let help = match assumed {
            _ if is_criterion => {
                format!("compare numbers: write `VALUE({name})` instead of `{name}` before the criterion")
            }
            true => format!("write the number without quotes: `{number}`"),
            false => format!("compare numbers: `VALUE({name}) {symbol} {number}`"),
        };
        let message = format!(
            "`{name} {symbol} \"{digits}\"` compares text, character by character, so `\"9\"` is greater than \
                `\"30\"`"
        );
        let diagnostic = Diagnostic::new(Code::NumbersAsText, span, message).with_help(help);
        self.found.push(if is_criterion {
            diagnostic
        } else {
            diagnostic.with_secondary_label(literal_span, "text")
        });
    }

    /// Warns about `region = ""`, which is not true for blank values. Skips names that the program also tests for
    /// blanks.
    pub(super) fn warn_of_empty_text(&mut self, id: IrId, comparison: BinaryOp, operand: IrId) {
        let program = self.program;
        let is_name = matches!(program.node(operand), Ir::Column(_) | Ir::Definition(_));
        if comparison != BinaryOp::Equal
            || !is_name
            || !program.meta(operand).nullable
            || self.tests_for_blanks(operand)
        {
            return;
        }
        let name = self.excerpt(operand);
        let message = format!("a blank `{name}` is NULL, and NULL does not equal `\"\"`");
        let help = if name.contains(':') {
            // A lookup compares each value of a range. The formula contains no comparison that could be replaced.
            "define a column that contains `\"\"` instead of NULL, such as `IF(ISBLANK(x), \"\", x)`, and search in it"
                .to_owned()
        } else {
            format!("write `ISBLANK({name})`, or `OR(ISBLANK({name}), {name} = \"\")` to include empty text")
        };
        self.warn(Code::BlankIsNotEmpty, id, message, help);
    }

    /// Returns whether any part of the program tests the same name for NULL.
    fn tests_for_blanks(&self, name: IrId) -> bool {
        let is_same_name = |id: IrId| self.program.node(id) == self.program.node(name);
        self.program.nodes().any(|node| match node {
            Ir::IsNull { x, .. } => is_same_name(x),
            Ir::Coalesce(args) => self
                .program
                .args(args)
                .first()
                .is_some_and(|first| is_same_name(*first)),
            _ => false,
        })
    }
}

/// Returns whether a number probably has a fixed width, such as a year, a month, a day or a code such as `007`. The
/// order of such strings is also their numeric order.
fn is_fixed_width_number(digits: &str) -> bool {
    let is_of_century = digits.starts_with("19") || digits.starts_with("20");
    (matches!(digits.len(), 4 | 6 | 8) && is_of_century) || (digits.len() > 1 && digits.starts_with('0'))
}
