//! VLOOKUP, XLOOKUP, MATCH and INDEX: the data types, the notation and the results of lookups.

use std::cmp::Ordering;

use crate::formula::{Expr, letters};
use crate::grid::{Grid, Here};
use crate::sheet::Sheet;
use crate::value::Value;

/// Rule for matching a lookup key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// No mode is specified, so the keys must be equal.
    Unsaid,
    Equal,
    /// The largest key that is not larger than the lookup key.
    Below,
    /// The smallest key that is not smaller than the lookup key.
    Above,
    /// A pattern, which is a string with `*` and `?`.
    Pattern,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Vlookup,
    Xlookup,
    Match,
    /// Lookup by row number.
    Index,
    /// `INDEX(C:C, MATCH(key, B:B))`.
    IndexOfMatch,
}

#[derive(Clone, Debug)]
pub struct Lookup {
    pub form: Form,
    /// `true` if the lookup searches the other tab, `false` if it searches the sheet itself.
    pub in_tab: bool,
    /// Lookup column.
    pub key_column: usize,
    /// Result column. VLOOKUP and INDEX use a range up to `last`.
    pub gives: usize,
    pub last: usize,
    pub mode: Mode,
    /// Lookup key or row number, followed by the value that is returned if nothing is found.
    pub args: Vec<Expr>,
}

impl Lookup {
    /// Returns the columns of the sheet that the lookup reads.
    pub fn columns_mut(&mut self) -> Vec<&mut usize> {
        if self.in_tab {
            Vec::new()
        } else {
            vec![&mut self.key_column, &mut self.gives, &mut self.last]
        }
    }

    /// Returns `true` if the lookup uses a range of several columns, from the lookup column to the last column.
    pub fn is_wide(&self) -> bool {
        self.form == Form::Vlookup || (self.form == Form::Index && self.last > self.key_column)
    }

    pub fn names(&self, column: usize) -> bool {
        let in_range = self.is_wide() && (self.key_column..=self.last).contains(&column);
        !self.in_tab && (column == self.key_column || column == self.gives || in_range)
    }

    pub fn render_text(&self, sheet: &Sheet) -> String {
        let tab = sheet
            .tab
            .as_ref()
            .filter(|_| self.in_tab)
            .map_or(String::new(), super::tab::Tab::render_text);
        let columns = |first: usize, last: usize| format!("{tab}{}:{}", letters(first), letters(last));
        let args: Vec<String> = self.args.iter().map(|x| x.render_text(sheet)).collect();
        let first = &args[0];
        let mode = |below: &str, above: &str| match self.mode {
            Mode::Unsaid => String::new(),
            Mode::Equal => ", 0".to_owned(),
            Mode::Below => format!(", {below}"),
            Mode::Above => format!(", {above}"),
            Mode::Pattern => ", 2".to_owned(),
        };
        match self.form {
            Form::Vlookup => {
                let number = self.gives - self.key_column + 1;
                let sorted = match self.mode {
                    Mode::Unsaid => "",
                    Mode::Below => ", TRUE",
                    _ => ", FALSE",
                };
                format!(
                    "VLOOKUP({first}, {}, {number}{sorted})",
                    columns(self.key_column, self.last)
                )
            }
            Form::Xlookup => {
                let missing = args.get(1).map_or(String::new(), |missing| format!(", {missing}"));
                let (by, gives) = (
                    columns(self.key_column, self.key_column),
                    columns(self.gives, self.gives),
                );
                format!("XLOOKUP({first}, {by}, {gives}{missing}{})", mode("-1", "1"))
            }
            Form::Match => format!(
                "MATCH({first}, {}{})",
                columns(self.key_column, self.key_column),
                mode("1", "-1")
            ),
            Form::Index if self.is_wide() => {
                let number = self.gives - self.key_column + 1;
                format!("INDEX({}, {first}, {number})", columns(self.key_column, self.last))
            }
            Form::Index => format!("INDEX({}, {first})", columns(self.gives, self.gives)),
            Form::IndexOfMatch => {
                let (by, gives) = (
                    columns(self.key_column, self.key_column),
                    columns(self.gives, self.gives),
                );
                format!("INDEX({gives}, MATCH({first}, {by}{}))", mode("1", "-1"))
            }
        }
    }
}

impl Grid<'_> {
    /// Returns a column that the lookup reads: a column of the other tab, or of the cell's own grid.
    fn looked_up_column(&mut self, lookup: &Lookup, column: usize, here: Here) -> Vec<Value> {
        if lookup.in_tab {
            return self.tab.iter().map(|row| row[column].clone()).collect();
        }
        self.column(column, here)
    }

    /// Returns the number of the matching row, starting at 0. If several rows match, returns the number of the first
    /// matching row.
    fn find_matching_row(&mut self, lookup: &Lookup, here: Here) -> Option<usize> {
        let key = self.value(&lookup.args[0], here);
        let keys = self.looked_up_column(lookup, lookup.key_column, here);
        let places = keys.iter().enumerate();
        match lookup.mode {
            Mode::Unsaid | Mode::Equal => keys.iter().position(|k| k.compare(&key) == Some(Ordering::Equal)),
            Mode::Pattern => {
                let is_like = |k: &Value| matches!(k, Value::Text(text) if is_like(text, &key.text()));
                keys.iter().position(is_like)
            }
            Mode::Below => {
                let fit = places.filter(|(_, k)| k.compare(&key).is_some_and(Ordering::is_le));
                fit.reduce(|best, next| {
                    if next.1.compare(best.1) == Some(Ordering::Greater) {
                        next
                    } else {
                        best
                    }
                })
                .map(|(index, _)| index)
            }
            Mode::Above => {
                let fit = places.filter(|(_, k)| k.compare(&key).is_some_and(Ordering::is_ge));
                fit.reduce(|best, next| {
                    if next.1.compare(best.1) == Some(Ordering::Less) {
                        next
                    } else {
                        best
                    }
                })
                .map(|(index, _)| index)
            }
        }
    }

    pub fn find_value(&mut self, lookup: &Lookup, here: Here) -> Value {
        let index = match lookup.form {
            Form::Index => {
                let number = self.value(&lookup.args[0], here).number();
                number.and_then(|n| (n >= 1.0).then(|| n.trunc() as usize - 1))
            }
            _ => self.find_matching_row(lookup, here),
        };
        if lookup.form == Form::Match {
            return index.map_or(Value::Null, |index| Value::Int(index as i64 + 1));
        }
        let values = self.looked_up_column(lookup, lookup.gives, here);
        match (index, lookup.args.get(1)) {
            (None, Some(missing)) => self.value(missing, here),
            (index, _) => index
                .and_then(|index| values.get(index).cloned())
                .unwrap_or(Value::Null),
        }
    }
}

/// Returns `true` if a string matches a pattern, ignoring case. In a pattern, `*` matches any string, `?` matches one
/// character, and `~` escapes both.
fn is_like(text: &str, pattern: &str) -> bool {
    fn matches_pattern(text: &[char], pattern: &[char]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            (['*', rest @ ..], _) => (0..=text.len()).any(|taken| matches_pattern(&text[taken..], rest)),
            (['~', own @ ('*' | '?' | '~'), rest @ ..], [first, others @ ..]) => {
                first == own && matches_pattern(others, rest)
            }
            (['?', rest @ ..], [_, others @ ..]) => matches_pattern(others, rest),
            ([own, rest @ ..], [first, others @ ..]) => first == own && matches_pattern(others, rest),
            _ => false,
        }
    }
    let [text, pattern] = [text, pattern].map(|t| t.to_lowercase().chars().collect::<Vec<char>>());
    matches_pattern(&text, &pattern)
}
