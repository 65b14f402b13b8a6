//! Totals of a measure in a worksheet, such as `${revenue:row_total}`, `B_TOTAL` and `B2_ROW_TOTAL`.

use super::columns::column_index;
use super::{SheetCell, SheetRow};
use crate::ast::{Ast, Expr};
use crate::check::names::symbols::ColumnLookup;
use crate::check::names::{NameTarget, Resolver};
use crate::diag::{Code, Diagnostic};
use crate::parse::reference;
use crate::span::Span;

/// Set of input rows over which a total recomputes a measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SheetTotalKind {
    /// Input rows for one pivot column, or all input rows if there is no pivot.
    Column,
    /// Input rows for one sheet row, across all pivot columns.
    Row,
    Grand,
}

impl SheetTotalKind {
    pub const ALL: [Self; 3] = [Self::Column, Self::Row, Self::Grand];

    pub fn name(self) -> &'static str {
        match self {
            Self::Column => "column_total",
            Self::Row => "row_total",
            Self::Grand => "grand_total",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(name.trim()))
    }
}

/// Total that is a column of the sheet's input.
#[derive(Clone, Debug)]
pub struct SheetTotal {
    pub measure: String,
    pub kind: SheetTotalKind,
    pub column: String,
}

/// Reference to a total in a formula.
#[derive(Clone, Debug)]
pub struct TotalUse {
    pub measure: String,
    /// Kind of the total. `None` if the name is unknown.
    pub kind: Option<SheetTotalKind>,
    pub span: Span,
}

/// Parses a total such as `B_TOTAL` into the column index, the optional row number and the kind.
fn parse_total(text: &str) -> Option<(usize, Option<i64>, SheetTotalKind)> {
    let (cell, rest) = text.split_once('_')?;
    let kind = match SheetTotalKind::from_name(rest) {
        None if rest.eq_ignore_ascii_case("total") => SheetTotalKind::Column,
        kind => kind?,
    };
    let letters = cell.bytes().take_while(u8::is_ascii_uppercase).count();
    let (name, digits) = cell.split_at_checked(letters).filter(|_| (1..=2).contains(&letters))?;
    let row = match digits {
        "" => None,
        digits if digits.len() <= 7 && digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
        _ => return None,
    };
    Some((column_index(name), row, kind))
}

/// Returns the totals to which the formulas of a sheet refer. `columns` contains the columns of the sheet.
pub fn find_totals(ast: &Ast, source: &str, columns: &[String]) -> Vec<TotalUse> {
    let total_use = |id| {
        let span = ast.span(id);
        match ast.expr(id) {
            Expr::Model => {
                let parts = reference(source, span);
                let kind = SheetTotalKind::from_name(parts.total?.text(source));
                Some(TotalUse {
                    measure: parts.field.text(source).to_owned(),
                    kind,
                    span,
                })
            }
            Expr::Name => {
                let (column, _, kind) = parse_total(span.text(source))?;
                Some(TotalUse {
                    measure: columns.get(column)?.clone(),
                    kind: Some(kind),
                    span,
                })
            }
            _ => None,
        }
    };
    ast.ids().filter_map(total_use).collect()
}

impl Resolver<'_> {
    /// Resolves a total such as `B_TOTAL`. `None` if the name is not a total.
    pub(in crate::check) fn resolve_column_letter_total(&mut self, span: Span) -> Option<NameTarget> {
        let sheet = self.scope.sheet?;
        let text = span.text(self.source);
        let (column, row, kind) = parse_total(text)?;
        if self.existing_name_kind(text).is_some() {
            return None;
        }
        let measure = sheet.columns.get(column)?.clone();
        let target = self.resolve_total(&measure, Some(kind), span);
        let row = row.map_or(SheetRow::Unspecified, |row| SheetRow::At(row - sheet.row));
        if target == NameTarget::Error {
            return Some(target);
        }
        self.cells.push(SheetCell {
            column,
            of: target,
            row,
        });
        Some(NameTarget::Cell(self.cells.len() as u32 - 1))
    }

    /// Resolves a total such as `${revenue:column_total}`.
    pub(in crate::check) fn resolve_qualified_total(&mut self, field: Span, total: Span, span: Span) -> NameTarget {
        let kind = SheetTotalKind::from_name(total.text(self.source));
        let measure = field.text(self.source).to_owned();
        self.resolve_total(&measure, kind, span)
    }

    fn resolve_total(&mut self, measure: &str, kind: Option<SheetTotalKind>, span: Span) -> NameTarget {
        let Some(sheet) = self.scope.sheet else {
            return NameTarget::Error;
        };
        let Some(totals) = &sheet.totals else {
            let message =
                "a single expression cannot contain a total, because a total recomputes the measure from its rows";
            self.diagnostics.push(
                Diagnostic::new(Code::NeedsQuery, span, message).with_help(
                    "write a spec with a grouped step before this one, and compile it with `formulac query`",
                ),
            );
            return NameTarget::Error;
        };
        // If the total is missing, the error has already been reported.
        let sheet_total = totals
            .iter()
            .find(|t| Some(t.kind) == kind && t.measure.eq_ignore_ascii_case(measure));
        let Some(column) = sheet_total.map(|total| total.column.clone()) else {
            return NameTarget::Error;
        };
        match self.resolve_column(column.as_str().into()) {
            ColumnLookup::Column(column) => NameTarget::Column(column),
            _ => NameTarget::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SheetTotalKind, parse_total};

    #[test]
    fn letter_totals_are_parsed() {
        for (text, expected) in [
            ("B_TOTAL", Some((1, None, SheetTotalKind::Column))),
            ("B2_ROW_TOTAL", Some((1, Some(2), SheetTotalKind::Row))),
            ("AA_GRAND_TOTAL", Some((26, None, SheetTotalKind::Grand))),
            ("b_total", None),
            ("SUM_TOTAL", None),
            ("B_TOTALS", None),
        ] {
            assert_eq!(parse_total(text), expected, "{text}");
        }
    }
}
