//! Columns of a worksheet, by letter and by name: first the columns of its input, then its calculations.

use crate::ast::Ast;
use crate::check::{CheckScope, DefinitionRole};
use crate::symbol_table::{HashedName, NameIndex};

/// Converts column letters to an index: 0 for `A`, 26 for `AA`.
pub(in crate::check) fn column_index(letters: &str) -> usize {
    let index = |b: u8| usize::from(b.to_ascii_uppercase().saturating_sub(b'A')) + 1;
    letters
        .bytes()
        .fold(0, |sum: usize, b| sum.saturating_mul(26).saturating_add(index(b)))
        .saturating_sub(1)
}

/// Converts a column index to letters: `A` for 0, `AA` for 26.
pub(in crate::check) fn column_letters(column: usize) -> String {
    let mut rest = column + 1;
    let mut text = Vec::new();
    while rest > 0 {
        text.push(b'A' + ((rest - 1) % 26) as u8);
        rest = (rest - 1) / 26;
    }
    text.iter().rev().map(|b| *b as char).collect()
}

/// Column names of a sheet.
#[derive(Debug, Default)]
pub(in crate::check) struct SheetColumns<'a> {
    names: Vec<&'a str>,
    index: NameIndex,
}

impl<'a> SheetColumns<'a> {
    pub fn new(ast: &Ast, source: &'a str, scope: &'a CheckScope<'_>) -> Self {
        let Some(sheet) = scope.sheet else {
            return Self::default();
        };
        let mut columns = Self {
            names: Vec::with_capacity(sheet.columns.len()),
            index: NameIndex::default(),
        };
        columns.index.reset(sheet.columns.len());
        for name in &sheet.columns {
            columns.add(name);
        }
        let own_count = columns.len();
        let calculations = ast
            .definitions
            .iter()
            .filter(|d| scope.role(d.part) == DefinitionRole::Definitions);
        for name in calculations.filter_map(|d| d.name).map(|name| name.text(source)) {
            // A calculation replaces an input column with the same name.
            if columns
                .position(name.into())
                .is_none_or(|position| position >= own_count)
            {
                columns.add(name);
            }
        }
        columns
    }

    fn add(&mut self, name: &'a str) {
        self.index
            .find_or_add(name.into(), self.names.len(), |index| name_bytes(&self.names, index));
        self.names.push(name);
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn name(&self, column: usize) -> Option<&'a str> {
        self.names.get(column).copied()
    }

    /// Returns the first `count` names, or all names if there are fewer.
    pub fn first_names(&self, count: usize) -> &[&'a str] {
        self.names.get(..count).unwrap_or(&self.names)
    }

    /// Returns the index of the first column with the given name.
    pub fn position(&self, name: HashedName<'_>) -> Option<usize> {
        self.index.find(name, |index| name_bytes(&self.names, index))
    }
}

fn name_bytes<'n>(names: &[&'n str], index: usize) -> &'n [u8] {
    names.get(index).map_or(&[], |name| name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{column_index, column_letters};

    #[test]
    fn letters_convert_to_columns() {
        for (column, text) in [
            (0, "A"),
            (25, "Z"),
            (26, "AA"),
            (51, "AZ"),
            (52, "BA"),
            (701, "ZZ"),
            (702, "AAA"),
        ] {
            assert_eq!(column_letters(column), text);
            assert_eq!(column_index(text), column);
            assert_eq!(column_index(&text.to_ascii_lowercase()), column);
        }
    }
}
