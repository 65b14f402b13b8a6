//! Converts the calculations in a saved query: formulas over the rows of the query's result.

use formulac_syntax::text::collapse_whitespace;
use rustc_hash::FxHashMap;

use super::from_sql::{self, SqlNames};
use super::term::FormulaTerm;
use crate::ast::{BinaryOp, Expr};
use crate::dialect::Dialect;
use crate::parse;
use crate::schema::OmniReference;

/// Columns of a worksheet, by their names in Omni.
#[derive(Debug, Default)]
pub(super) struct CalculationSheet {
    /// Name and index of each column, by its name in Omni, such as `orders.revenue`, `orders.created_at[month]` or
    /// `calc_1`.
    columns: FxHashMap<String, (String, usize)>,
    /// Names of the columns that are never NULL.
    there: Vec<String>,
}

impl CalculationSheet {
    pub fn add(&mut self, canonical_name: &str, column: &str, index: usize, is_never_null: bool) {
        self.columns
            .insert(canonical_name.to_lowercase(), (column.to_owned(), index));
        if is_never_null {
            self.there.push(column.to_owned());
        }
    }

    /// Returns the index of a column in the spec, by its name in Omni.
    pub fn index(&self, canonical_name: &str) -> Option<usize> {
        self.find(canonical_name).ok().map(|(_, index)| *index)
    }

    fn find(&self, reference: &str) -> Result<&(String, usize), String> {
        let lower = reference.trim().to_lowercase();
        self.columns
            .get(&lower)
            .ok_or_else(|| format!("`{reference}` is not a column of the query"))
    }

    fn has_column(&self, name: &str) -> bool {
        self.columns
            .values()
            .any(|(column, _)| column.eq_ignore_ascii_case(name))
    }
}

impl SqlNames for CalculationSheet {
    fn field(&self, reference: &str) -> Result<FormulaTerm, String> {
        let (name, total) = reference
            .split_once(':')
            .map_or((reference, None), |(name, total)| (name, Some(total)));
        let (column, index) = self.find(name)?;
        match total {
            Some(total) => Ok(FormulaTerm::atom(total_reference(*index, total)?)),
            None => Ok(FormulaTerm::atom(column).with_never_null(self.there.contains(column))),
        }
    }

    fn column(&self, _: Option<&str>, column: &str) -> Result<FormulaTerm, String> {
        self.field(column)
    }

    fn worksheet_column_letter(&self, reference: &str) -> Option<String> {
        if reference.is_empty() {
            Some(String::new())
        } else {
            self.index(reference).map(column_letters)
        }
    }
}

fn total_reference(index: usize, total: &str) -> Result<String, String> {
    let end = match total.trim() {
        "column_total" => "TOTAL",
        "row_total" => "ROW_TOTAL",
        "grand_total" => "GRAND_TOTAL",
        other => return Err(format!("`:{other}` is not a total")),
    };
    Ok(format!("{}_{end}", column_letters(index)))
}

/// Returns the letters that identify a worksheet column. `index` is the column's index, starting at 0.
pub(super) fn column_letters(index: usize) -> String {
    let mut rest = index + 1;
    let mut out = Vec::new();
    while rest > 0 {
        out.push(char::from(b'A' + ((rest - 1) % 26) as u8));
        rest = (rest - 1) / 26;
    }
    out.iter().rev().collect()
}

/// Converts a calculation to a formula. `columns` are the columns of the query in Omni.
///
/// # Errors
///
/// Returns the part of the calculation that formulas cannot express.
pub(super) fn calculation_formula(
    sql: &str,
    sheet: &CalculationSheet,
    columns: &[LetteredColumn],
    dialect: Dialect,
) -> Result<String, String> {
    let Some(text) = sql.trim().strip_prefix('=') else {
        return from_sql::convert(sql, dialect, sheet).map(|converted| converted.term.text);
    };
    let text = collapse_whitespace(text);
    replace_references(&shift_column_letters(&text, columns, &|_| false)?, sheet)
}

/// Column that formulas can identify by its letters.
pub(super) struct LetteredColumn {
    pub name: String,
    /// Index of the column in the spec. `None` if the spec does not contain the column.
    pub index: Option<usize>,
}

/// Replaces Omni's references with column names, except inside string literals and quoted tab names.
fn replace_references(text: &str, sheet: &CalculationSheet) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => rest
                .get(1..)
                .and_then(|inside| inside.find(first))
                .map_or(rest.len(), |end| end + 2),
            '$' if rest.starts_with("${") => {
                let end = rest.find('}').ok_or("a reference is not closed")?;
                let name = rest.get(2..end).unwrap_or_default();
                out.push_str(&sheet.field(name)?.text);
                rest = rest.get(end + 1..).unwrap_or_default();
                continue;
            }
            c if c.is_alphabetic() || c == '_' => {
                let is_in = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
                rest.find(|c| !is_in(c)).unwrap_or(rest.len())
            }
            c => c.len_utf8(),
        };
        let (word, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        // A reference without braces, such as `orders.created_at[month]`.
        let frame = after.strip_prefix('[').and_then(|inside| inside.split_once(']'));
        let framed = frame.map(|(frame, _)| format!("{word}[{frame}]"));
        match framed.as_deref().and_then(|name| sheet.find(name).ok()) {
            Some((column, _)) => {
                out.push_str(column);
                rest = frame.map_or(after, |(_, after)| after);
            }
            None => {
                let column = if word.contains('.') {
                    sheet.find(word).ok()
                } else {
                    None
                };
                // A formula would interpret the cell as a column with the same name.
                let is_hidden = column.is_none() && cell_column(word).is_some() && sheet.has_column(word);
                if is_hidden && !out.ends_with('$') {
                    out.push('$');
                }
                out.push_str(column.map_or(word, |(column, _)| column));
                rest = after;
            }
        }
    }
    Ok(out)
}

/// Replaces the letters of cells, ranges and totals after columns have moved. `columns` are the columns before the
/// move. A word for which `is_name` returns `true` is the name of a column instead of a cell.
fn shift_column_letters(
    formula: &str,
    columns: &[LetteredColumn],
    is_name: &dyn Fn(&str) -> bool,
) -> Result<String, String> {
    let text = format!("={formula}");
    let (parsed, _) = parse::parse(&text);
    let ast = parsed.ast();
    let nodes = ast
        .definitions
        .first()
        .map(|definition| ast.nodes_of(definition))
        .unwrap_or_default();
    let has_row = |word: &str| word.bytes().any(|b| b.is_ascii_digit());
    let mut moved = Vec::new();
    for (expr, span) in nodes {
        let word = span.text(parsed.source());
        let is_range = matches!(expr, Expr::Range { .. });
        let is_cell = matches!(expr, Expr::Cell) || matches!(expr, Expr::Name) && !is_name(word) && has_row(word);
        let cells: Vec<&str> = match (is_range, is_cell, total_cell(word)) {
            (true, _, _) => word.split(':').map(str::trim).collect(),
            (false, true, _) => vec![word],
            (false, false, Some(cell)) if matches!(expr, Expr::Name) && !is_name(word) => vec![cell],
            _ => continue,
        };
        let Some(indices) = cells.iter().map(|cell| cell_column(cell)).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let places = shifted_indices(&indices, columns)?;
        let new: Vec<String> = cells
            .iter()
            .zip(places)
            .map(|(cell, to)| replace_cell_letters(cell, to))
            .collect();
        let mut new = new.join(":");
        new.push_str(if is_range {
            ""
        } else {
            word.get(cells.concat().len()..).unwrap_or_default()
        });
        moved.push((span.start as usize, span.end as usize, new));
    }
    // The cells at the ends of a range are separate nodes, so sort each range before its cells.
    moved.sort_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)));
    let mut out = String::with_capacity(text.len());
    let mut copied = 1;
    for (start, end, new) in moved {
        if let Some(between) = text.get(copied..start) {
            out.push_str(between);
            out.push_str(&new);
            copied = end;
        }
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Ok(out)
}

/// Returns the new indices of a single column, or of the columns at the ends of a range.
fn shifted_indices(indices: &[usize], columns: &[LetteredColumn]) -> Result<Vec<usize>, String> {
    let place_of = |index: usize| {
        let column = columns.get(index).ok_or_else(|| {
            format!(
                "the calculation reads the column `{}`, which the query does not have",
                column_letters(index)
            )
        })?;
        column.index.ok_or_else(|| {
            format!(
                "the calculation reads `{}`, which the spec does not contain",
                column.name
            )
        })
    };
    let places = indices
        .iter()
        .map(|index| place_of(*index))
        .collect::<Result<Vec<_>, _>>()?;
    if let ([from, to], Some(first)) = (indices, places.iter().min()) {
        for (shift, index) in (*from.min(to)..=*from.max(to)).enumerate() {
            if place_of(index)? != first + shift {
                return Err("the columns of a range are not next to each other in the spec".to_owned());
            }
        }
    }
    Ok(places)
}

/// Returns the cell of a total: `B2` for `B2_ROW_TOTAL`.
fn total_cell(word: &str) -> Option<&str> {
    let (cell, total) = word.split_once('_')?;
    let is_total = ["TOTAL", "COLUMN_TOTAL", "ROW_TOTAL", "GRAND_TOTAL"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(total));
    is_total.then_some(cell)
}

/// Replaces the letters of a cell such as `$B$2`.
fn replace_cell_letters(cell: &str, index: usize) -> String {
    let (fixed, rest) = cell.strip_prefix('$').map_or(("", cell), |rest| ("$", rest));
    let row = rest.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    format!("{fixed}{}{row}", column_letters(index))
}

/// Updates the column letters in the formulas of a worksheet's last columns after columns have been omitted. `is_kept`
/// returns whether the worksheet keeps a column. A formula that reads an omitted column becomes an error, so its own
/// column is omitted as well.
pub(super) fn omit_columns(
    columns: &[&str],
    is_kept: &dyn Fn(&str) -> bool,
    formulas: &mut [(String, Result<String, String>)],
) {
    loop {
        let column_flags = columns.iter().map(|name| (*name, is_kept(name)));
        let formula_flags = formulas.iter().map(|(name, formula)| (name.as_str(), formula.is_ok()));
        let mut next = 0..;
        let lettered: Vec<LetteredColumn> = column_flags
            .chain(formula_flags)
            .map(|(name, is_kept)| LetteredColumn {
                name: name.to_owned(),
                index: if is_kept { next.next() } else { None },
            })
            .collect();
        let is_name = |word: &str| lettered.iter().any(|column| column.name.eq_ignore_ascii_case(word));
        let moved: Vec<Option<Result<String, String>>> = formulas
            .iter()
            .map(|(_, formula)| Some(shift_column_letters(formula.as_ref().ok()?, &lettered, &is_name)))
            .collect();
        let is_stable = !moved.iter().flatten().any(Result::is_err);
        for ((_, formula), moved) in formulas.iter_mut().zip(moved) {
            match moved {
                Some(Err(reason)) => *formula = Err(reason),
                Some(Ok(text)) if is_stable => *formula = Ok(text),
                _ => {}
            }
        }
        if is_stable {
            return;
        }
    }
}

/// Returns the column index of a cell such as `B2` or `$B$2`, or of the start or end of a range such as `B:B`.
fn cell_column(word: &str) -> Option<usize> {
    let word: String = word.chars().filter(|c| *c != '$').collect();
    let letters = word.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (letters, row) = word.split_at_checked(letters)?;
    let is_cell = (1..=2).contains(&letters.len()) && row.bytes().all(|b| b.is_ascii_digit());
    let digits = letters.bytes().map(|b| usize::from(b.to_ascii_uppercase() - b'A') + 1);
    is_cell.then(|| digits.fold(0, |column, digit| column * 26 + digit) - 1)
}

/// Returns how a function in a formula may behave differently in Omni. `None` if there is no such function.
pub(super) fn function_caveat(formula: &str) -> Option<&'static str> {
    let text = format!("={formula}");
    let (parsed, _) = parse::parse(&text);
    let ast = parsed.ast();
    let nodes = ast
        .definitions
        .first()
        .map(|definition| ast.nodes_of(definition))
        .unwrap_or_default();
    nodes.iter().find_map(|(expr, _)| {
        let Expr::Call(index) = expr else { return None };
        let call = ast.call(*index);
        match (&*call.name.text(parsed.source()).to_ascii_uppercase(), call.count) {
            ("WEEKDAY", 1) => Some(
                "Omni may number the days of the week from Monday; `WEEKDAY` without a type is 1 for Sunday, as in \
                 spreadsheets",
            ),
            ("DAYS", _) => Some(
                "Omni documents the arguments of `DAYS` in both orders; here the end comes first, as in spreadsheets",
            ),
            _ => None,
        }
    })
}

/// Returns whether a formula does arithmetic with a column that may be NULL. In such a formula, blanks must be treated
/// as 0, as in Omni.
pub(super) fn has_arithmetic_with_nulls(formula: &str, sheet: &CalculationSheet) -> bool {
    !blank_operands(formula, sheet).is_empty()
}

/// Rewrites a formula so that blanks are treated as 0, without changing the settings of the spec.
pub(super) fn with_blanks_as_zero(formula: &str, sheet: &CalculationSheet) -> String {
    let mut places: Vec<(usize, &str)> = Vec::new();
    for (begin, end) in blank_operands(formula, sheet) {
        places.push((begin, "COALESCE("));
        places.push((end, ", 0)"));
    }
    // Insert from the end to the beginning, so that the remaining positions remain valid. If several texts are inserted
    // at the same position, insert the text of the innermost expression first.
    let mut out = formula.to_owned();
    places.sort_by_key(|(offset, _)| std::cmp::Reverse(*offset));
    for (offset, text) in places {
        if out.is_char_boundary(offset) {
            out.insert_str(offset, text);
        }
    }
    out
}

fn blank_operands(formula: &str, sheet: &CalculationSheet) -> Vec<(usize, usize)> {
    let text = format!("={formula}");
    let (parsed, _) = parse::parse(&text);
    let ast = parsed.ast();
    let mut ranges = Vec::new();
    let nodes = ast
        .definitions
        .first()
        .map(|definition| ast.nodes_of(definition))
        .unwrap_or_default();
    for (expr, _) in nodes {
        let Expr::Binary { op, left, right } = *expr else {
            continue;
        };
        let operands: &[_] = match op {
            BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply => &[left, right],
            BinaryOp::Divide => &[left],
            _ => &[],
        };
        for operand in operands {
            let span = ast.span(*operand);
            let word = span.text(parsed.source());
            let is_never_null = match ast.expr(*operand) {
                Expr::Number => true,
                Expr::Name | Expr::Field => sheet.there.iter().any(|name| name.eq_ignore_ascii_case(word)),
                _ => false,
            };
            if !is_never_null {
                ranges.push((
                    (span.start as usize).saturating_sub(1),
                    (span.end as usize).saturating_sub(1),
                ));
            }
        }
    }
    ranges
}

/// Returns a field's name as in the field list of a query: qualified with its view, in lower case.
pub(super) fn reference_name(view: &str, reference: &OmniReference) -> String {
    let frame = reference
        .frame
        .as_ref()
        .map(|frame| format!("[{frame}]"))
        .unwrap_or_default();
    format!("{view}.{}{frame}", reference.field).to_lowercase()
}
