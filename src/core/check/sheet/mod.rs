//! Rows and columns of a worksheet. Cells, ranges and OFFSET are resolved here, before lowering.
//!
//! A formula is written for a single row, the anchor, but applies to all rows. In a formula for row 1, `B1` is the
//! current row's value in the second column, and `B0` is the previous row's value. The syntax is the same as in Omni's
//! calculations: `C1`, `B$1:B1`, `C:C`.

pub(super) mod cell_descriptions;
pub(super) mod cells;
pub(super) mod columns;
pub(super) mod lookup_columns;
pub(super) mod lookups;
pub(super) mod pivots;
pub(super) mod row_cells;
pub(super) mod row_searches;
pub(super) mod tabs;
pub(super) mod totals;

use self::columns::{column_index, column_letters};
use crate::arena::Arena;
use crate::ast::{Ast, Call, Expr, ExprId, Sign};
use crate::catalog::{self, Lowering};
use crate::check::names::symbols::ColumnLookup;
use crate::check::names::unresolved_names::MAX_CANDIDATES;
use crate::check::names::{NameTarget, ResolvedNames, Resolver};
use crate::diag::{Code, Diagnostic};
use crate::schema::Relation;
use crate::span::Span;
use crate::symbol_table::HashedName;
use formulac_syntax::diag::lists::join_names;

/// Columns of a worksheet in order, and the row for which its formulas are written.
#[derive(Clone, Debug)]
pub struct WorksheetGrid {
    pub columns: Vec<String>,
    pub row: i64,
    /// Pivot of the sheet. `None` if the sheet is not pivoted.
    pub pivot: Option<Pivot>,
    /// Totals that the sheet's input contains. `None` if a single expression is compiled.
    pub totals: Option<Vec<crate::check::SheetTotal>>,
    /// Other sheets by name.
    pub tabs: Vec<crate::check::Tab>,
}

/// Properties of a pivoted sheet.
#[derive(Clone, Copy, Debug)]
pub struct Pivot {
    /// Whether the sheet's sort order or the grain of its input identifies the rows of the pivot.
    pub rows_known: bool,
}

/// Row of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::check) enum SheetRow {
    /// No row number. A cell without a row number is in the current row, and a range without row numbers contains all
    /// rows.
    Unspecified,
    /// Row at an offset from the current row.
    At(i64),
    /// Row with a fixed number.
    Fixed(i64),
}

impl SheetRow {
    /// Returns the row at an offset from this row.
    fn offset_by(self, rows: i64) -> Self {
        match self {
            Self::Unspecified => Self::At(rows),
            Self::At(row) => Self::At(row.saturating_add(rows)),
            Self::Fixed(row) => Self::Fixed(row.saturating_add(rows)),
        }
    }
}

/// Resolved cell, with its row and the target of its column.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) struct SheetCell {
    /// Index of the column in the sheet.
    pub column: usize,
    pub of: NameTarget,
    pub row: SheetRow,
}

/// Resolved range of cells: the targets of its columns, and its first and last row as written in the formula.
#[derive(Clone, Debug)]
pub(in crate::check) struct CellRange {
    pub of: Vec<NameTarget>,
    pub from: SheetRow,
    pub to: SheetRow,
}

/// Cell reference as written in the formula: `C1`, `$C$1`, `C`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::check) struct CellReference {
    pub column: usize,
    /// Row number, with a flag that is `true` if a `$` precedes it.
    pub row: Option<(i64, bool)>,
}

/// Possible meanings of a name that looks like a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::check) enum ExistingNameKind {
    Definition,
    Column,
}

/// Maximum total number of columns in all ranges of a source. The limit exists because each column becomes a separate
/// value.
const MAX_RANGE_COLUMNS: usize = 1 << 20;

/// Parses a cell reference. `None` if the string is not a cell reference.
pub(in crate::check) fn parse_cell(text: &str) -> Option<CellReference> {
    let rest = text.strip_prefix('$');
    let pinned = rest.is_some();
    let rest = rest.unwrap_or(text);
    let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (name, rest) = rest.split_at_checked(letters).filter(|_| (1..=3).contains(&letters))?;
    let column = column_index(name);
    if rest.is_empty() {
        // A column letter without a row number must be upper case, because `c` is a name.
        let capitals = name.len() <= 2 && name.bytes().all(|b| b.is_ascii_uppercase());
        return (capitals || pinned).then_some(CellReference { column, row: None });
    }
    let fixed = rest.strip_prefix('$');
    let digits = fixed.unwrap_or(rest);
    let plain = (1..=7).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let number = digits.parse().ok().filter(|_| plain)?;
    Some(CellReference {
        column,
        row: Some((number, fixed.is_some())),
    })
}

impl Resolver<'_> {
    /// Finds ranges such as `C:C` and marks their ends as column letters. As in spreadsheets, `C` is a letter even if a
    /// column is named `c`. Warns if the letter and the name belong to different columns.
    pub(in crate::check) fn find_column_letters(&mut self, targets: &Arena<NameTarget>) {
        let ast = self.ast;
        for id in ast.ids() {
            let Expr::Range { from, to } = ast.expr(id) else {
                continue;
            };
            let [Some(first), Some(last)] = [from, to].map(|end| self.column_index_of_letter(end)) else {
                continue;
            };
            if targets[from.index()] == NameTarget::PartOfCells {
                continue;
            }
            self.column_letters.extend([from, to]);
            let mut warnings = [(from, first), (to, last)]
                .into_iter()
                .filter_map(|(end, column)| self.ambiguous_letter_warning(end, column, ast.span(id)));
            let warning = warnings.next();
            self.diagnostics.extend(warning);
        }
        self.column_letters.sort_unstable();
    }

    /// Returns the index of a column if the end of a range is the column's letter. `None` if the end is not a letter.
    fn column_index_of_letter(&self, end: ExprId) -> Option<usize> {
        let text = self.ast.span(end).text(self.source);
        let is_name = self.ast.expr(end) == Expr::Name && !text.contains('$');
        let parsed_cell = parse_cell(text).filter(|cell| is_name && cell.row.is_none())?;
        // Other names, such as `ID`, may be columns that no schema lists.
        let is_letter =
            parsed_cell.column < self.letters.len() || (text.len() == 1 && self.existing_name_kind(text).is_none());
        is_letter.then_some(parsed_cell.column)
    }

    /// Returns a warning about a letter that is also the name of another column.
    fn ambiguous_letter_warning(&self, end: ExprId, column: usize, range: Span) -> Option<Diagnostic> {
        let text = self.ast.span(end).text(self.source);
        self.letters
            .position(text.into())
            .filter(|named_column| *named_column != column)?;
        let (name, lower) = (self.letters.name(column).unwrap_or_default(), text.to_ascii_lowercase());
        let message = format!("`{text}` is the letter of the column `{name}`, not the column named `{lower}`");
        let help = format!("rename the column `{lower}`, or write `{lower}:{lower}` if you mean that column");
        Some(Diagnostic::new(Code::LooksLikeACell, range, message).with_help(help))
    }

    /// Resolves a name or a reference like `C$1` to a cell of the sheet. `None` if the node is not a cell.
    pub(in crate::check) fn resolve_cell(&mut self, id: ExprId, own_name: Option<&str>) -> Option<NameTarget> {
        let sheet = self.scope.sheet?;
        let span = self.ast.span(id);
        let text = span.text(self.source);
        let Some(parsed_cell) = parse_cell(text) else {
            return self.resolve_column_letter_total(span);
        };
        let is_name = !text.contains('$') && self.column_letters.binary_search(&id).is_err();
        match self.existing_name_kind(text).filter(|_| is_name) {
            // If the scope accepts any name as a column, a column that the sheet lists takes precedence over a cell
            // with the same name.
            Some(ExistingNameKind::Column) if self.scope.open && self.scope.relations.is_empty() => {
                return Some(NameTarget::Column(self.record_unlisted_column_use(None, text)));
            }
            Some(_) => return None,
            None => {}
        }
        if parsed_cell.column >= self.letters.len() {
            // A name such as `ID` may be a column that no schema declares.
            if is_name && parsed_cell.row.is_none() && self.scope.open {
                return None;
            }
            return Some(self.report_column_outside_sheet(parsed_cell.column, span));
        }
        let row = match parsed_cell.row {
            None => SheetRow::Unspecified,
            Some((0, true)) => return Some(self.report_row_zero(span)),
            Some((number, true)) => SheetRow::Fixed(number),
            Some((number, false)) => SheetRow::At(number - sheet.row),
        };
        let target = self.resolve_sheet_column(parsed_cell.column, span, own_name);
        self.cells.push(SheetCell {
            column: parsed_cell.column,
            of: target,
            row,
        });
        Some(NameTarget::Cell(self.cells.len() as u32 - 1))
    }

    /// Returns the kind of an existing name. The existing name takes precedence over a cell or total with the same
    /// name.
    pub(in crate::check) fn existing_name_kind(&self, text: &str) -> Option<ExistingNameKind> {
        let name = HashedName::from(text);
        if self
            .tables
            .symbols
            .find(name, self.source)
            .is_some_and(|s| s.definition.is_some())
        {
            return Some(ExistingNameKind::Definition);
        }
        let is_column = self.find_column(name).is_some() || self.letters.position(name).is_some();
        is_column.then_some(ExistingNameKind::Column)
    }

    /// Resolves a column of the sheet to the target of its name.
    fn resolve_sheet_column(&mut self, column: usize, span: Span, definition_name: Option<&str>) -> NameTarget {
        let Some(name) = self.letters.name(column) else {
            return NameTarget::Error;
        };
        let is_input = self.scope.sheet.is_some_and(|sheet| column < sheet.columns.len());
        if definition_name.is_some_and(|own_name| own_name.eq_ignore_ascii_case(name)) && !is_input {
            return self.report_self_reference(column, name, span);
        }
        let defined = self
            .tables
            .symbols
            .find(name.into(), self.source)
            .and_then(|s| s.definition);
        if let Some(definition) = defined
            && !definition_name.is_some_and(|own_name| own_name.eq_ignore_ascii_case(name))
        {
            return NameTarget::Definition(definition);
        }
        match self.resolve_column(name.into()) {
            ColumnLookup::Column(column) => NameTarget::Column(column),
            // If the scope accepts any name as a column, resolve the name to a column, because the sheet lists it.
            _ if self.scope.open && self.scope.relations.is_empty() => {
                NameTarget::Column(self.record_unlisted_column_use(None, name))
            }
            _ if self.scope.relations.iter().any(Relation::is_marked_incomplete) => {
                let scope = self.scope;
                match scope.relations.iter().find(|relation| relation.is_marked_incomplete()) {
                    Some(relation) => NameTarget::Column(self.record_possible_column_use(relation, name, span)),
                    None => NameTarget::Error,
                }
            }
            _ if std::mem::replace(&mut self.missing[column], true) => NameTarget::Error,
            _ => {
                let letters = column_letters(column);
                let message = format!("column {letters} is `{name}`, which does not exist in the sheet");
                self.diagnostics.push(
                    Diagnostic::new(Code::UnknownName, span, message)
                        .with_help("correct the column's name in `columns`"),
                );
                NameTarget::Error
            }
        }
    }

    fn report_self_reference(&mut self, column: usize, name: &str, span: Span) -> NameTarget {
        let first = if self.letters.len() == 0 {
            "B".to_owned()
        } else {
            column_letters(column.saturating_sub(1))
        };
        let text = span.text(self.source);
        self.diagnostics.push(
            Diagnostic::new(
                Code::DefinitionCycle,
                span,
                format!("`{text}` refers to `{name}` itself, so each row would depend on the previous row"),
            )
            .with_help(format!(
                "sum the rows instead; for example, `SUM({first}$1:{first}1)` is a running total"
            )),
        );
        NameTarget::Error
    }

    fn report_column_outside_sheet(&mut self, column: usize, span: Span) -> NameTarget {
        let count = self.letters.len();
        let message = match count {
            0 => "the spec does not list the columns of the sheet, so the columns have no letters".to_owned(),
            _ => format!(
                "the sheet has {count} columns, A to {}, so there is no column {}",
                column_letters(count - 1),
                column_letters(column)
            ),
        };
        let help = match count {
            0 => "list the columns, for example `columns: [month, revenue]`".to_owned(),
            _ => format!(
                "the columns of the sheet are, in order, {}",
                join_names(self.letters.first_names(8), "and")
            ),
        };
        self.diagnostics
            .push(Diagnostic::new(Code::NoSuchCell, span, message).with_help(help));
        NameTarget::Error
    }

    fn report_row_zero(&mut self, span: Span) -> NameTarget {
        let text = span.text(self.source);
        self.diagnostics.push(
            Diagnostic::new(
                Code::NoSuchCell,
                span,
                format!("`{text}` is not a row, because the first row of a sheet is row 1"),
            )
            .with_help(
                "write `$1` for the first row, or a row number without `$` for a position relative to the formula",
            ),
        );
        NameTarget::Error
    }

    /// Resolves cell ranges, and OFFSET calls on a cell, after all cells are resolved.
    pub(in crate::check) fn resolve_cells(&mut self, names: &mut ResolvedNames) {
        let ast = self.ast;
        for (index, definition) in (0u32..).zip(&ast.definitions) {
            let own_name = definition.name.map(|n| n.text(self.source));
            for node_index in definition.first.index()..definition.body.index() + 1 {
                let target = match (ast.expr(ExprId(node_index as u32)), names.targets[node_index]) {
                    (Expr::Range { from, to }, _) => {
                        let ends = [from, to].map(|end| names.targets.try_get(end.index()).copied());
                        let [Some(NameTarget::Cell(a)), Some(NameTarget::Cell(b))] = ends else {
                            continue;
                        };
                        let (a, b) = (self.cells[a as usize], self.cells[b as usize]);
                        let target = self.build_range(a, b, ast.span(ExprId(node_index as u32)), own_name);
                        [from, to]
                            .into_iter()
                            .for_each(|end| names.targets[end.index()] = NameTarget::PartOfCells);
                        target
                    }
                    (Expr::Call(call), NameTarget::Function(function)) => {
                        let call = ast.call(call);
                        let target = match catalog::get(function).lower {
                            Some(Lowering::Offset) => self.resolve_offset(call, names, own_name),
                            Some(lowering) if lowering.is_conditional_aggregate() => {
                                self.shift_first_cell_conditions(call, names);
                                None
                            }
                            _ => None,
                        };
                        let Some(target) = target else { continue };
                        target
                    }
                    _ => continue,
                };
                match target {
                    NameTarget::Error => names.failed[index as usize] = true,
                    NameTarget::CellRange(range) => {
                        let used_definitions =
                            self.cell_ranges[range as usize]
                                .of
                                .iter()
                                .filter_map(|cell_target| match cell_target {
                                    NameTarget::Definition(definition_index) => Some((index, *definition_index)),
                                    _ => None,
                                });
                        names.uses.extend(used_definitions);
                    }
                    NameTarget::Cell(cell) => {
                        if let NameTarget::Definition(definition_index) = self.cells[cell as usize].of {
                            names.uses.push((index, definition_index));
                        }
                    }
                    _ => {}
                }
                names.targets[node_index] = target;
            }
        }
        // Later passes require `uses` to be sorted by the definition that contains the use.
        names.uses.as_mut_slice().sort_by_key(|(user, _)| *user);
        names.cells = std::mem::take(&mut self.cells);
        names.cell_ranges = std::mem::take(&mut self.cell_ranges);
    }

    /// Rewrites conditions such as `SUMIF(C2:C9, C2 > 10, D2:D9)`. The condition refers to the first cell of the range
    /// but applies to each cell of the range, as in Omni's documentation. The cells in the condition are shifted to the
    /// tested row.
    fn shift_first_cell_conditions(&mut self, call: Call, names: &mut ResolvedNames) {
        let args = self.ast.arguments(call);
        for pair in args.windows(2) {
            let [tested, condition] = pair else { continue };
            let Some(NameTarget::CellRange(range)) = names.targets.try_get(tested.index()) else {
                continue;
            };
            let Some(range) = self.cell_ranges.try_get(*range as usize) else {
                continue;
            };
            let anchor = self.scope.sheet.map_or(1, |sheet| sheet.row);
            let (first, fixed) = match (range.from, range.to) {
                (SheetRow::At(a), SheetRow::At(b)) => (a.min(b), None),
                (SheetRow::At(row), _) => (row, None),
                (SheetRow::Fixed(row), _) => (row.saturating_sub(anchor), Some(SheetRow::Fixed(row))),
                (SheetRow::Unspecified, _) => (0, None),
            };
            let compares = matches!(self.ast.expr(*condition), Expr::Binary { op, .. } if op.is_comparison())
                || matches!(self.ast.expr(*condition), Expr::Call(_));
            if (first == 0 && fixed.is_none()) || !compares {
                continue;
            }
            let mut pending = vec![*condition];
            while let Some(id) = pending.pop() {
                match names.targets.try_get(id.index()) {
                    Some(NameTarget::Cell(cell)) => {
                        let mut moved = self.cells[*cell as usize];
                        moved.row = match moved.row {
                            // If the range starts at the fixed row `C$1`, then `C$1` in the condition refers to the
                            // tested cell.
                            row if Some(row) == fixed => SheetRow::At(0),
                            SheetRow::At(row) => SheetRow::At(row.saturating_sub(first)),
                            row => row,
                        };
                        self.cells.push(moved);
                        names.targets[id.index()] = NameTarget::Cell(self.cells.len() as u32 - 1);
                    }
                    // Ranges in the condition remain relative to the current row.
                    Some(NameTarget::CellRange(_)) => {}
                    _ => pending.extend(self.ast.children(id)),
                }
            }
        }
    }

    /// Builds the range between two cells. The cells can be any two opposite corners of the range.
    fn build_range(&mut self, a: SheetCell, b: SheetCell, span: Span, own_name: Option<&str>) -> NameTarget {
        let (first, last) = (a.column.min(b.column), a.column.max(b.column));
        self.range_column_count = self.range_column_count.saturating_add(last - first + 1);
        if self.range_column_count > MAX_RANGE_COLUMNS {
            let message = format!("the ranges of one sheet can have at most {MAX_RANGE_COLUMNS} columns in total");
            let help = "use narrower ranges, or define a shared part as a separate calculation";
            self.diagnostics
                .push(Diagnostic::new(Code::BadRange, span, message).with_help(help));
            return NameTarget::Error;
        }
        let column_targets = (first..=last).map(|column| match column {
            _ if column == a.column => a.of,
            _ if column == b.column => b.of,
            _ => self.resolve_sheet_column(column, span, own_name),
        });
        let targets: Vec<NameTarget> = column_targets.collect();
        if targets.contains(&NameTarget::Error) {
            return NameTarget::Error;
        }
        self.cell_ranges.push(CellRange {
            of: targets,
            from: a.row,
            to: b.row,
        });
        NameTarget::CellRange(self.cell_ranges.len() as u32 - 1)
    }

    #[cold]
    fn report_non_constant_offset(&mut self, arg: ExprId, index: usize) -> NameTarget {
        let span = self.ast.span(arg);
        let name = ["reference", "rows", "columns", "height", "width"]
            .get(index)
            .copied()
            .unwrap_or_default();
        let message = format!(
            "the argument `{name}` of `OFFSET` must be a constant, found `{}`",
            span.text(self.source)
        );
        self.diagnostics
            .push(Diagnostic::new(Code::ConstantExpected, span, message).with_help(
                "write a number, for example `OFFSET(C1, -6, 0, 7, 1)` for this row and the six rows before it",
            ));
        NameTarget::Error
    }

    /// Resolves `OFFSET(C1, rows, columns, height, width)` to a cell or a range.
    fn resolve_offset(&mut self, call: Call, names: &mut ResolvedNames, own_name: Option<&str>) -> Option<NameTarget> {
        let args = self.ast.arguments(call);
        let reference_arg = *args.first()?;
        if !(3..=5).contains(&args.len()) {
            return None;
        }
        let number = |index: usize| {
            args.get(index)
                .map_or(Some(1), |arg| integer_literal(self.ast, self.source, *arg))
        };
        if args.len() > 3
            && let Some((arg_index, arg)) = args
                .iter()
                .enumerate()
                .skip(1)
                .find(|(index, _)| number(*index).is_none())
        {
            return Some(self.report_non_constant_offset(*arg, arg_index));
        }
        let [rows, columns, height, width] = [number(1)?, number(2)?, number(3)?, number(4)?];
        let span = Span::new(call.name.start, self.ast.span(*args.last()?).end);
        let cell = match *names.targets.try_get(reference_arg.index())? {
            NameTarget::Cell(cell) => self.cells[cell as usize],
            // A name refers to the cell in the current row. The cells next to it are known if the sheet lists a column
            // with that name.
            target @ (NameTarget::Column(_) | NameTarget::Definition(_)) if args.len() > 3 || columns != 0 => {
                let text = self.ast.span(reference_arg).text(self.source);
                let column = self.letters.position(text.into())?;
                SheetCell {
                    column,
                    of: target,
                    row: SheetRow::At(0),
                }
            }
            _ => return None,
        };
        for arg in args {
            names.targets[arg.index()] = NameTarget::PartOfCells;
        }
        let size = |n: i64| (n != 0).then_some(if n > 0 { (0, n - 1) } else { (n + 1, 0) });
        let (Some((top, bottom)), Some((left, right))) = (size(height), size(width)) else {
            let message = "a range must have at least one row and one column";
            self.diagnostics.push(
                Diagnostic::new(Code::NoSuchCell, span, message)
                    .with_help("write 1 or more, or omit the height and the width"),
            );
            return Some(NameTarget::Error);
        };
        let column_at = |shift: i64| {
            usize::try_from(
                i64::try_from(cell.column)
                    .ok()?
                    .checked_add(columns)?
                    .checked_add(shift)?,
            )
            .ok()
        };
        let (Some(first), Some(last)) = (column_at(left), column_at(right)) else {
            let message = "the reference points to the left of column A";
            self.diagnostics
                .push(Diagnostic::new(Code::NoSuchCell, span, message).with_help("move fewer columns to the left"));
            return Some(NameTarget::Error);
        };
        if last >= self.letters.len() {
            return Some(self.report_column_outside_sheet(last, span));
        }
        let mut corner = |column: usize, shift: i64| {
            let column_target = if column == cell.column {
                cell.of
            } else {
                self.resolve_sheet_column(column, span, own_name)
            };
            SheetCell {
                column,
                of: column_target,
                row: cell.row.offset_by(rows.saturating_add(shift)),
            }
        };
        let (a, b) = (corner(first, top), corner(last, bottom));
        if a.of == NameTarget::Error || b.of == NameTarget::Error {
            return Some(NameTarget::Error);
        }
        if (height, width) == (1, 1) {
            self.cells.push(a);
            return Some(NameTarget::Cell(self.cells.len() as u32 - 1));
        }
        Some(self.build_range(a, b, span, own_name))
    }
}

/// Returns the value of an integer literal, with an optional sign.
pub(in crate::check) fn integer_literal(ast: &Ast, source: &str, id: ExprId) -> Option<i64> {
    let mut id = id;
    let mut negative = false;
    for _ in 0..MAX_CANDIDATES {
        match ast.expr(id) {
            Expr::Sign { sign, operand } => {
                negative ^= sign == Sign::Minus;
                id = operand;
            }
            Expr::Number => {
                let number: i64 = ast.span(id).text(source).parse().ok()?;
                return Some(if negative { -number } else { number });
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{CellReference, parse_cell};

    #[test]
    fn cells_are_parsed() {
        for (text, column, row) in [
            ("A1", 0, Some((1, false))),
            ("c0", 2, Some((0, false))),
            ("C$1", 2, Some((1, true))),
            ("$C$12", 2, Some((12, true))),
            ("$C2", 2, Some((2, false))),
            ("AA10", 26, Some((10, false))),
            ("C", 2, None),
            ("$c", 2, None),
        ] {
            assert_eq!(parse_cell(text), Some(CellReference { column, row }), "{text}");
        }
        for text in [
            "c",
            "revenue",
            "C-1",
            "A12345678",
            "ABCD1",
            "1",
            "$",
            "C$",
            "B_TOTAL",
            "",
        ] {
            assert_eq!(parse_cell(text), None, "{text}");
        }
    }
}
