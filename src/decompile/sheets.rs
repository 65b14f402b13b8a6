//! Probes of what only a worksheet has: lookups, pivots and totals.

use super::form::{Shape, name_of};
use super::probes::{Arg, NUMBERS, POINTS, Probe, TEXTS, WILD};
use super::windows::either_way;
use crate::spec::outline::SheetOutline;

/// So many columns are looked for and given.
const COLUMNS: usize = 4;
/// So many columns of a sheet have totals that are looked at.
const TOTALS: usize = 12;

/// What looks at the cells of a pivoted sheet, and what names cells by their letters.
pub(super) fn cells(sheet: &SheetOutline, names: &[Arg]) -> Vec<Probe> {
    let mut all = Vec::new();
    let mut put = |words: &str, args: Vec<Arg>| all.push(Probe { shape: Shape::words(words), args });
    for letter in letters(sheet) {
        put(&format!("{letter}${{0}}"), vec![Arg::Number(NUMBERS[0])]);
    }
    if !sheet.is_pivoted {
        return all;
    }
    put("PIVOTINDEX()", Vec::new());
    for name in names.iter().take(3) {
        let with = |args: &[Arg]| [&[name.clone()], args].concat();
        put("PIVOT({0}, {1})", with(&[Arg::Number(NUMBERS[0])]));
        for number in either_way(NUMBERS[0]) {
            put("PIVOTOFFSET({0}, 0, {1})", with(&[number.clone()]));
            put("PIVOTOFFSET({0}, {1}, 0)", with(&[number.clone()]));
            for other in either_way(NUMBERS[1]) {
                put("PIVOTOFFSET({0}, {1}, {2})", with(&[number.clone(), other]));
            }
        }
    }
    all
}

/// Aggregates of blocks of a pivoted sheet's cells: few, since each column of a block is written for itself.
pub(super) fn blocks(names: &[Arg]) -> Vec<Probe> {
    let mut all = Vec::new();
    for name in names.iter().take(2) {
        for call in ["SUM", "AVERAGE"] {
            for (rows, height) in [(-1, 2), (0, 1), (-2, 3), (0, 2), (-1, 1)] {
                for (columns, width) in [(-1, 2), (0, 2), (-1, 3), (-1, 1), (1, 1)] {
                    let words = format!("{call}(PIVOTOFFSET({{0}}, {rows}, {columns}, {height}, {width}))");
                    all.push(Probe { shape: Shape::Words(words), args: vec![name.clone()] });
                }
            }
        }
    }
    all
}

/// The totals of a sheet's measures.
pub(super) fn totals(sheet: &SheetOutline) -> Vec<Probe> {
    let mut all = Vec::new();
    let mut put = |words: String| all.push(Probe { shape: Shape::Words(words), args: Vec::new() });
    for name in sheet.columns.iter().take(TOTALS) {
        for kind in ["column_total", "row_total", "grand_total"] {
            put(format!("${{{name}:{kind}}}"));
        }
    }
    // Those of other rows can be named by letter only.
    for letter in letters(sheet) {
        for kind in ["TOTAL", "ROW_TOTAL", "GRAND_TOTAL"] {
            for row in (sheet.row - 2).max(0)..=sheet.row + 2 {
                if row != sheet.row {
                    put(format!("{letter}{row}_{kind}"));
                }
            }
        }
    }
    all
}

fn letters(sheet: &SheetOutline) -> impl Iterator<Item = char> {
    ('A'..='Z').take(sheet.columns.len().min(TOTALS))
}

/// What lookups are made of.
pub(super) struct Lookups<'l> {
    pub sheet: &'l SheetOutline,
    /// Columns that may be looked in, of the sheet and of its tabs.
    pub columns: &'l [String],
    /// What may be looked for in the sheet itself, and in tabs.
    pub keys: &'l [Arg],
    pub names: &'l [Arg],
    /// Literals are looked for.
    pub has_literals: bool,
}

impl Lookups<'_> {
    /// Lookups without a default: keys are any expression or a literal.
    pub fn plain(&self) -> Vec<Probe> {
        let columns: Vec<String> = self.columns.iter().take(COLUMNS).map(|name| name_of(name)).collect();
        let tabs = self.sheet.tabs.iter().filter(|tab| !tab.contains('\'')).map(|tab| format!("'{tab}'!"));
        let literals = [
            Arg::Text("", TEXTS[0], ""),
            Arg::Number(NUMBERS[0]),
            Arg::Minus(NUMBERS[0]),
            Arg::Number(POINTS[0]),
            Arg::Text("", "2019-07-23", ""),
        ];
        let mut all = Vec::new();
        for tab in std::iter::once(String::new()).chain(tabs) {
            let range = |name: &String| format!("{tab}{name}:{name}");
            let keys: &[Arg] = if tab.is_empty() { self.keys } else { self.names };
            let keys = keys.iter().take(COLUMNS).chain(if self.has_literals { &literals[..] } else { &[] });
            let keys: Vec<&Arg> = keys.collect();
            for sought in columns.iter().map(range) {
                let mut forms = vec![format!("INDEX({sought}, {{0}})")];
                for way in ["", ", 1", ", -1"] {
                    let found = format!("MATCH({{0}}, {sought}{way})");
                    forms.extend(columns.iter().map(range).map(|given| format!("INDEX({given}, {found})")));
                    forms.push(found);
                }
                for words in forms {
                    let probe = |key: &&Arg| Probe { shape: Shape::words(&*words), args: vec![(*key).clone()] };
                    all.extend(keys.iter().map(probe));
                }
            }
        }
        all
    }

    /// Lookups with wildcards, and those of these shapes with what stands there where nothing is found.
    pub fn with_defaults(&self, found: &[(Shape, Arg)]) -> Vec<Probe> {
        let others = [
            Arg::Text("", TEXTS[1], ""),
            Arg::Number(NUMBERS[1]),
            Arg::Minus(NUMBERS[1]),
            Arg::Fixed("TRUE".to_owned()),
            Arg::Fixed("FALSE".to_owned()),
        ];
        let others = others.into_iter().chain(self.names.iter().take(3).cloned());
        let others: Vec<Arg> = others.collect();
        let mut all = Vec::new();
        for (shape, key) in found {
            let Shape::Words(words) = shape else { continue };
            let parts = words.strip_prefix("INDEX(").and_then(|rest| rest.strip_suffix("))"));
            let Some((given, found)) = parts.and_then(|parts| parts.split_once(", MATCH({0}, ")) else { continue };
            let (sought, way) = match found.rsplit_once(", ") {
                Some((sought, "1")) => (sought, ", -1"),
                Some((sought, _)) => (sought, ", 1"),
                None => (found, ""),
            };
            for other in &others {
                let words = format!("XLOOKUP({{0}}, {sought}, {given}, {{1}}{way})");
                all.push(Probe { shape: Shape::Words(words), args: vec![key.clone(), other.clone()] });
            }
        }
        all
    }

    /// Lookups of texts with wildcards.
    pub fn wild(&self) -> Vec<Probe> {
        let columns: Vec<String> = self.columns.iter().take(COLUMNS).map(|name| name_of(name)).collect();
        let tabs = self.sheet.tabs.iter().filter(|tab| !tab.contains('\'')).map(|tab| format!("'{tab}'!"));
        let others = [Arg::Text("", TEXTS[1], ""), Arg::Number(NUMBERS[1]), Arg::Fixed("TRUE".to_owned())];
        let mut all = Vec::new();
        for tab in std::iter::once(String::new()).chain(tabs) {
            for sought in &columns {
                for given in columns.iter().filter(|given| *given != sought) {
                    for (wild, other) in WILD.into_iter().flat_map(|wild| others.iter().map(move |o| (wild, o))) {
                        let words =
                            format!("XLOOKUP({{0}}, {tab}{sought}:{sought}, {tab}{given}:{given}, {{1}}, 2)");
                        all.push(Probe {
                            shape: Shape::Words(words),
                            args: vec![Arg::Wild("", wild), other.clone()],
                        });
                    }
                }
            }
        }
        all
    }
}

/// Keys that are no column of the sheet itself, so that what is looked for and what is looked in are told apart.
pub(super) fn marked(name: &str) -> [String; 2] {
    let name = name_of(name);
    [format!("{name} & \"{}\"", TEXTS[2]), format!("{name} + {}", NUMBERS[2])]
}
