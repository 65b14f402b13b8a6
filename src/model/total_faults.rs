//! Errors about totals of a worksheet that cannot be computed.

use super::load::{ColumnProjection, Step};
use super::worksheet::pivot_keys;
use crate::check::{SheetTotalKind, TotalUse};
use crate::diag::{Code, Diagnostic};
use crate::plan::StepInput;
use crate::span::Span;

/// Builds the error for measures that cannot be computed with fewer keys. `fault` is the error that the computation
/// causes.
pub(super) fn ungrouped_total_error(measures: &str, fault: Option<Diagnostic>, span: Span) -> Diagnostic {
    let message =
        format!("a total of `{measures}` cannot be computed, because a total has fewer keys than the previous step");
    let help = "compute the measure from aggregates only, without the keys that its total ignores";
    let diagnostic = total_error(span, message).with_help(help);
    match fault {
        Some(fault) => diagnostic.with_secondary_label(fault.span(), fault.message().to_owned()),
        None => diagnostic,
    }
}

/// Reports a total of a measure that is computed from other measures in an earlier step, for example a ratio in a step
/// with `fill`.
pub(super) fn total_of_formula_error(measure: &str, span: Span) -> Diagnostic {
    let message =
        format!("`{measure}` is computed from columns of an earlier step, so its total cannot be computed from rows");
    let help = "compute the total from the totals of these columns, such as `B_ROW_TOTAL / C_ROW_TOTAL`";
    total_error(span, message).with_help(help)
}

/// Builds the error for a total in a sheet that reads no groups.
pub(super) fn ungrouped_input_error(span: Span) -> Diagnostic {
    let message = "a sheet can contain totals only if it reads a grouped step, because a total recomputes a measure from \
        its rows";
    let help = "group in a step before the sheet, for example with `group_by: month` and `definitions: revenue = \
        SUM(amount)`";
    total_error(span, message).with_help(help)
}

pub(super) fn total_error(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::TotalOfNothing, span, message)
}

/// Returns the errors about a sheet with totals: invalid totals, and parts of the sheet or the previous step that are
/// incompatible with totals.
pub(super) fn total_faults(
    step: &Step<'_>,
    input: &StepInput<'_>,
    prior: &Step<'_>,
    total_uses: &[TotalUse],
) -> Vec<Diagnostic> {
    let first = total_uses.first().map_or(Span::default(), |total| total.span);
    if prior.having.is_some() || prior.limit.is_some() {
        let message = "a total would include groups that `having` or `limit` excludes from the sheet";
        let help = "filter the sheet in a later step, or filter rows with `where`";
        return vec![total_error(first, message).with_help(help)];
    }
    let has_pivot = !pivot_keys(step).is_empty();
    let fault = |total: &TotalUse| {
        let Some(kind) = total.kind else {
            let help = "write `column_total`, `row_total` or `grand_total`";
            return Some(total_error(total.span, "unknown kind of total").with_help(help));
        };
        let is_key = input.grain.iter().any(|key| key.eq_ignore_ascii_case(&total.measure));
        let is_column = input
            .relation
            .is_none_or(|relation| relation.column(&total.measure).is_some());
        if is_key || !is_column {
            let message = format!(
                "`{}` is not a measure of the previous step, so it has no total",
                total.measure
            );
            let help =
                "use a column that is an aggregate in the previous step, or write `SUM(C:C)` to sum a calculation";
            return Some(total_error(total.span, message).with_help(help));
        }
        (kind == SheetTotalKind::Row && !has_pivot).then(|| {
            let message = "a row total aggregates the columns of a pivot, but the sheet has no pivot";
            total_error(total.span, message).with_help("add `pivot_by`, or write `column_total`")
        })
    };
    let mut faults: Vec<Diagnostic> = total_uses.iter().filter_map(fault).collect();
    if matches!(step.keep, ColumnProjection::All) {
        let message = "a sheet with totals must list its columns";
        faults.push(total_error(first, message).with_help("list the columns, for example `columns: [month, revenue]`"));
    }
    faults
}
