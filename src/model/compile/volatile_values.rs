//! Warns about volatile values, such as random numbers, that the warehouse computes again for each reference to a CTE.

use super::SpecCompilation;
use crate::diag::{Code, Diagnostic};
use crate::span::Span;
use crate::sql::{RowPlan, SqlTree, has_reevaluated_call};

impl SpecCompilation<'_> {
    /// Returns a warning if a CTE contains a volatile value and the warehouse computes the CTE again for each
    /// reference. `span` is the name of the model.
    pub(super) fn check_recomputed_volatile_values(
        &self,
        body: &RowPlan,
        tree: &SqlTree,
        span: Span,
    ) -> Option<Diagnostic> {
        let dialect = self.compiler.options.dialect;
        if !dialect.facts().inlines_ctes || !has_reevaluated_call(tree, &self.ctes, body, &dialect.volatile_calls()) {
            return None;
        }
        let message = format!(
            "a random number or an answer of an AI function may have several values, because {} computes a CTE again \
             for each read",
            dialect.title()
        );
        let help = "compute the value in a separate model with `materialized: table`, and read that model here";
        Some(Diagnostic::new(Code::DrawnAgain, span, message).with_help(help))
    }
}
