//! Converts the calculations in a saved query, which are formulas over the rows of the query's result.

use rustc_hash::FxHashMap;

use super::from_sql::{self, SqlNames};
use super::omni_model::OmniReference;
use super::term::FormulaTerm;
use crate::ast::{BinaryOp, Expr};
use crate::dialect::Dialect;
use crate::parse;

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
    pub fn add(&mut self, known_as: &str, column: &str, place: usize, is_there: bool) {
        self.columns.insert(known_as.to_lowercase(), (column.to_owned(), place));
        if is_there {
            self.there.push(column.to_owned());
        }
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
        let (column, place) = self.find(name)?;
        match total {
            Some(total) => Ok(FormulaTerm::atom(total_reference(*place, total)?)),
            None => Ok(FormulaTerm::atom(column).with_never_null(self.there.contains(column))),
        }
    }

    fn column(&self, _: Option<&str>, column: &str) -> Result<FormulaTerm, String> {
        self.field(column)
    }

    fn column_letter(&self, reference: &str) -> Option<String> {
        if reference.is_empty() {
            Some(String::new())
        } else {
            self.find(reference).ok().map(|(_, at)| column_letters(*at))
        }
    }
}

fn total_reference(place: usize, total: &str) -> Result<String, String> {
    let end = match total.trim() {
        "column_total" => "TOTAL",
        "row_total" => "ROW_TOTAL",
        "grand_total" => "GRAND_TOTAL",
        other => return Err(format!("`:{other}` is not a total")),
    };
    Ok(format!("{}_{end}", column_letters(place)))
}

/// Returns the letters that identify a worksheet column. `place` is the column's index, starting at 0.
pub(super) fn column_letters(place: usize) -> String {
    let mut rest = place + 1;
    let mut out = Vec::new();
    while rest > 0 {
        out.push(char::from(b'A' + ((rest - 1) % 26) as u8));
        rest = (rest - 1) / 26;
    }
    out.iter().rev().collect()
}

/// Converts a calculation to a formula. `lettered` is the number of leading columns that have the same letters as in
/// Omni.
///
/// # Errors
///
/// Returns the part of the calculation that formulas cannot express.
pub(super) fn calculation_formula(
    sql: &str,
    sheet: &CalculationSheet,
    lettered: usize,
    dialect: Dialect,
) -> Result<String, String> {
    let Some(text) = sql.trim().strip_prefix('=') else {
        return from_sql::convert(sql, dialect, sheet).map(|converted| converted.term.text);
    };
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if has_cell_after(&text, lettered) {
        let reason = "the calculation refers to a column by a letter that differs in the spec";
        return Err(reason.to_owned());
    }
    with_columns(&text, sheet)
}

/// Replaces Omni's references with column names, except inside string literals and quoted tab names.
fn with_columns(text: &str, sheet: &CalculationSheet) -> Result<String, String> {
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

/// Returns whether a cell or range of a formula refers to a column after the first `lettered` columns.
fn has_cell_after(text: &str, lettered: usize) -> bool {
    let (parsed, _) = parse::parse(&format!("={text}"));
    let ast = parsed.ast();
    let nodes = ast
        .definitions
        .first()
        .map(|definition| ast.nodes_of(definition))
        .unwrap_or_default();
    let has_row = |word: &str| word.bytes().any(|b| b.is_ascii_digit());
    let mut columns = nodes.iter().flat_map(|(expr, span)| {
        let text = match (expr, span.text(parsed.source())) {
            (Expr::Cell | Expr::Range { .. }, text) => text,
            (Expr::Name, text) if has_row(text) => text,
            _ => "",
        };
        text.split(':').filter_map(cell_column)
    });
    columns.any(|column| column >= lettered)
}

/// Returns the index of the column of a cell such as `B2` or `$B$2`, or of an end of a range such as `B:B`.
fn cell_column(word: &str) -> Option<usize> {
    let word: String = word.chars().filter(|c| *c != '$').collect();
    let letters = word.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (letters, row) = word.split_at_checked(letters)?;
    let is_cell = (1..=2).contains(&letters.len()) && row.bytes().all(|b| b.is_ascii_digit());
    let digits = letters.bytes().map(|b| usize::from(b.to_ascii_uppercase() - b'A') + 1);
    is_cell.then(|| digits.fold(0, |column, digit| column * 26 + digit) - 1)
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
    places.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    for (at, text) in places {
        if out.is_char_boundary(at) {
            out.insert_str(at, text);
        }
    }
    out
}

fn blank_operands(formula: &str, sheet: &CalculationSheet) -> Vec<(usize, usize)> {
    let text = format!("={formula}");
    let (parsed, _) = parse::parse(&text);
    let ast = parsed.ast();
    let mut found = Vec::new();
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
            let is_there = match ast.expr(*operand) {
                Expr::Number => true,
                Expr::Name | Expr::Field => sheet.there.iter().any(|name| name.eq_ignore_ascii_case(word)),
                _ => false,
            };
            if !is_there {
                found.push((
                    (span.start as usize).saturating_sub(1),
                    (span.end as usize).saturating_sub(1),
                ));
            }
        }
    }
    found
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
