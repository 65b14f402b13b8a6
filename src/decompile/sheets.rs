//! Generates probes for functions that are available only in worksheets: lookups, pivots and totals.

use formulac_syntax::lex::quote_formula_name;

use super::expression_text::FormulaTemplate;
use super::probes::{DECIMAL_NUMBERS, NUMBERS, PLACEHOLDER_STRINGS, ProbeArgument, ProbeFormula, WILDCARD_TEXTS};
use super::tree::{SqlLabel, SqlNodeId, SqlTrees};
use super::windows::number_and_negated_number;
use crate::model::outline::SheetOutline;

/// Maximum number of columns that lookups search or return.
const MAX_LOOKUP_COLUMNS: usize = 4;
/// Row number within the limit of `NTH_VALUE`. References to cells with larger row numbers compile to different SQL.
const PLACEHOLDER_ROW: &str = "997";
/// Maximum number of sheet columns whose totals have probes.
const MAX_TOTALS: usize = 12;

/// Returns probes that read the cells of a pivoted sheet, and probes that refer to cells by column letters.
pub(super) fn pivot_cell_probes(sheet: &SheetOutline, names: &[ProbeArgument]) -> Vec<ProbeFormula> {
    let mut probes = Vec::new();
    let mut add_probe = |words: &str, args: Vec<ProbeArgument>| {
        probes.push(ProbeFormula {
            shape: FormulaTemplate::named(words),
            args,
        });
    };
    for letter in column_letters(sheet) {
        for row in [PLACEHOLDER_ROW, NUMBERS[0]] {
            add_probe(&format!("{letter}${{0}}"), vec![ProbeArgument::Number(row)]);
        }
    }
    if !sheet.is_pivoted {
        return probes;
    }
    add_probe("PIVOTINDEX()", Vec::new());
    for name in names.iter().take(3) {
        let with = |args: &[ProbeArgument]| [std::slice::from_ref(name), args].concat();
        add_probe("PIVOT({0}, {1})", with(&[ProbeArgument::Number(NUMBERS[0])]));
        for number in number_and_negated_number(NUMBERS[0]) {
            add_probe("PIVOTOFFSET({0}, 0, {1})", with(std::slice::from_ref(&number)));
            add_probe("PIVOTOFFSET({0}, {1}, 0)", with(std::slice::from_ref(&number)));
            for other in number_and_negated_number(NUMBERS[1]) {
                add_probe("PIVOTOFFSET({0}, {1}, {2})", with(&[number.clone(), other]));
            }
        }
    }
    probes
}

/// Returns probes that aggregate blocks of cells in a pivoted sheet. Only a few block sizes have probes, because each
/// column of a block adds SQL.
pub(super) fn cell_block_probes(names: &[ProbeArgument]) -> Vec<ProbeFormula> {
    let mut probes = Vec::new();
    for name in names.iter().take(2) {
        for call in ["SUM", "AVERAGE"] {
            for (rows, height) in [(-1, 2), (0, 1), (-2, 3), (0, 2), (-1, 1)] {
                for (columns, width) in [(-1, 2), (0, 2), (-1, 3), (-1, 1), (1, 1)] {
                    let words = format!("{call}(PIVOTOFFSET({{0}}, {rows}, {columns}, {height}, {width}))");
                    probes.push(ProbeFormula {
                        shape: FormulaTemplate::Template(words),
                        args: vec![name.clone()],
                    });
                }
            }
        }
    }
    probes
}

/// Returns probes that read the totals of a sheet's measures.
pub(super) fn measure_total_probes(sheet: &SheetOutline) -> Vec<ProbeFormula> {
    let mut probes = Vec::new();
    let mut add_probe = |words: String| {
        probes.push(ProbeFormula {
            shape: FormulaTemplate::Template(words),
            args: Vec::new(),
        });
    };
    for name in sheet.columns.iter().take(MAX_TOTALS) {
        for kind in ["column_total", "row_total", "grand_total"] {
            add_probe(format!("${{{name}:{kind}}}"));
        }
    }
    // Totals of other rows can be referenced only by column letter.
    for letter in column_letters(sheet) {
        for kind in ["TOTAL", "ROW_TOTAL", "GRAND_TOTAL"] {
            for row in (sheet.row - 2).max(0)..=sheet.row + 2 {
                if row != sheet.row {
                    add_probe(format!("{letter}{row}_{kind}"));
                }
            }
        }
    }
    probes
}

fn column_letters(sheet: &SheetOutline) -> impl Iterator<Item = char> {
    ('A'..='Z').take(sheet.columns.len().min(MAX_TOTALS))
}

/// Returns strings that contain wildcards, and a string without wildcards that stands for text with escaped wildcards.
fn wildcard_test_strings() -> impl Iterator<Item = &'static str> {
    WILDCARD_TEXTS.into_iter().chain([PLACEHOLDER_STRINGS[0]])
}

/// Columns of the sheet itself or of a tab that lookups may search.
#[derive(Default)]
pub(super) struct SheetLookup {
    /// Prefix of references to the tab, such as `'Targets'!`. Empty for the sheet itself.
    tab: String,
    columns: Vec<String>,
    /// Arguments that represent any key.
    keys: Vec<ProbeArgument>,
    /// Names in the values that lookups return. `condition_names` contains the names in the join conditions and in the
    /// searched rows of these lookups.
    returned_names: Vec<String>,
    condition_names: Vec<String>,
    /// Match modes that `MATCH` may use: an exact match, the largest value below the key, or the smallest value above
    /// it.
    match_modes: Vec<&'static str>,
}

impl SheetLookup {
    /// Collects the names that the joins of an expression may look up in these columns.
    pub fn new(
        tab: String,
        columns: Vec<String>,
        keys: Vec<ProbeArgument>,
        (trees, parts): (&SqlTrees, &[SqlNodeId]),
    ) -> Self {
        let mut lookup = Self {
            tab,
            columns,
            keys,
            ..Self::default()
        };
        for part in parts {
            let (SqlLabel::Joined(_), [value, condition, rows]) = (trees.label(*part), trees.children(*part)) else {
                continue;
            };
            let names = |id: SqlNodeId| {
                trees
                    .descendants(id)
                    .into_iter()
                    .filter_map(|part| Some(trees.column(part)?.1.to_owned()))
            };
            lookup.returned_names.extend(names(*value));
            lookup.condition_names.extend(names(*condition).chain(names(*rows)));
        }
        let has = |op: &str| {
            parts
                .iter()
                .any(|part| matches!(trees.label(*part), SqlLabel::Op(other) if other == op))
        };
        let match_modes = [(true, ""), (has("<="), ", 1"), (has(">="), ", -1")];
        lookup.match_modes = match_modes
            .into_iter()
            .filter(|(is_there, _)| *is_there)
            .map(|(_, match_mode)| match_mode)
            .collect();
        lookup
    }

    /// Formats columns as ranges.
    fn format_ranges(&self, names_to_format: &[String]) -> Vec<String> {
        let names = self
            .columns
            .iter()
            .filter(|name| names_to_format.contains(name))
            .take(MAX_LOOKUP_COLUMNS)
            .map(|name| quote_formula_name(name));
        names.map(|name| format!("{}{name}:{name}", self.tab)).collect()
    }

    /// Returns probes for lookups without a default. Each probe combines a column to return, a column to search and a
    /// key.
    pub fn lookup_probes_without_default(&self) -> Vec<ProbeFormula> {
        let returned_ranges = self.format_ranges(&self.returned_names);
        let mut forms: Vec<String> = returned_ranges
            .iter()
            .map(|returned_range| format!("INDEX({returned_range}, {{0}})"))
            .collect();
        for searched_range in self.format_ranges(&self.condition_names) {
            for match_mode in &self.match_modes {
                let match_call = format!("MATCH({{0}}, {searched_range}{match_mode})");
                forms.extend(
                    returned_ranges
                        .iter()
                        .map(|returned_range| format!("INDEX({returned_range}, {match_call})")),
                );
                forms.push(match_call);
            }
        }
        let probe = |words: &String, key: &ProbeArgument| ProbeFormula {
            shape: FormulaTemplate::named(&**words),
            args: vec![key.clone()],
        };
        forms
            .iter()
            .flat_map(|words| self.keys.iter().map(move |key| probe(words, key)))
            .collect()
    }

    /// Returns probes that call the working-day functions with holidays from a column.
    pub fn workday_probes(&self) -> Vec<ProbeFormula> {
        let mut probes = Vec::new();
        for holidays in self
            .format_ranges(&self.columns)
            .iter()
            .filter(|_| !self.tab.is_empty())
        {
            for start in &self.keys {
                for days in number_and_negated_number(NUMBERS[0])
                    .into_iter()
                    .chain(self.keys.iter().cloned())
                {
                    let args = vec![start.clone(), days];
                    probes.push(ProbeFormula {
                        shape: FormulaTemplate::Template(format!("WORKDAY({{0}}, {{1}}, {holidays})")),
                        args,
                    });
                }
                for end in &self.keys {
                    let args = vec![start.clone(), end.clone()];
                    probes.push(ProbeFormula {
                        shape: FormulaTemplate::Template(format!("NETWORKDAYS({{0}}, {{1}}, {holidays})")),
                        args,
                    });
                }
            }
        }
        probes
    }

    /// Returns probes that look up strings with wildcards.
    pub fn wildcard_lookup_probes(&self) -> Vec<ProbeFormula> {
        let others = [
            ProbeArgument::Text("", PLACEHOLDER_STRINGS[1], ""),
            ProbeArgument::Number(NUMBERS[1]),
            ProbeArgument::Fixed("TRUE".to_owned()),
        ];
        let mut probes = Vec::new();
        for searched_range in self.format_ranges(&self.condition_names) {
            for range in self
                .format_ranges(&self.returned_names)
                .iter()
                .filter(|returned_range| **returned_range != searched_range)
            {
                for (wild, other) in wildcard_test_strings().flat_map(|wild| others.iter().map(move |o| (wild, o))) {
                    let words =
                        FormulaTemplate::Template(format!("XLOOKUP({{0}}, {searched_range}, {range}, {{1}}, 2)"));
                    probes.push(ProbeFormula {
                        shape: words,
                        args: vec![ProbeArgument::Wild("", wild), other.clone()],
                    });
                }
            }
        }
        probes
    }
}

/// Returns the same lookups with a default, which is the result if no row is found.
pub(super) fn with_lookup_defaults(probe_formulas: &[ProbeFormula], others: &[ProbeArgument]) -> Vec<ProbeFormula> {
    let literals = [
        ProbeArgument::Text("", PLACEHOLDER_STRINGS[1], ""),
        ProbeArgument::Number(NUMBERS[1]),
        ProbeArgument::Minus(NUMBERS[1]),
        ProbeArgument::Fixed("TRUE".to_owned()),
        ProbeArgument::Fixed("FALSE".to_owned()),
    ];
    let others: Vec<ProbeArgument> = literals.iter().chain(others).cloned().collect();
    let mut probes = Vec::new();
    for ProbeFormula { shape, args } in probe_formulas {
        let (FormulaTemplate::Template(words), [key, ..]) = (shape, args.as_slice()) else {
            continue;
        };
        let parts = words.strip_prefix("INDEX(").and_then(|rest| rest.strip_suffix("))"));
        let Some((returned_range, match_arguments)) = parts.and_then(|parts| parts.split_once(", MATCH({0}, ")) else {
            continue;
        };
        let (searched_range, match_mode) = match match_arguments.rsplit_once(", ") {
            Some((searched_range, "1")) => (searched_range, ", -1"),
            Some((searched_range, _)) => (searched_range, ", 1"),
            None => (match_arguments, ""),
        };
        for other in &others {
            let words = format!("XLOOKUP({{0}}, {searched_range}, {returned_range}, {{1}}{match_mode})");
            probes.push(ProbeFormula {
                shape: FormulaTemplate::Template(words),
                args: vec![key.clone(), other.clone()],
            });
        }
    }
    probes
}

/// Returns literals that may be lookup keys, based on the literals in an expression.
pub(super) fn literal_lookup_keys(trees: &SqlTrees, parts: &[SqlNodeId]) -> Vec<ProbeArgument> {
    let has = |is_it: &dyn Fn(&SqlLabel) -> bool| parts.iter().any(|part| is_it(trees.label(*part)));
    let number =
        |label: &SqlLabel, point: bool| matches!(label, SqlLabel::Number(number) if number.contains('.') == point);
    let negative = has(&|label| *label == SqlLabel::Negative);
    // A literal such as `date '2024-01-31'`, or a string that may be cast to a date.
    let is_date = |label: &SqlLabel| match label {
        SqlLabel::Text(text, _) => text.starts_with(|c: char| c.is_ascii_digit()) && text.matches('-').count() == 2,
        label => *label == SqlLabel::Typed,
    };
    let keys = [
        (
            has(&|label| matches!(label, SqlLabel::Text(..))),
            ProbeArgument::Text("", PLACEHOLDER_STRINGS[0], ""),
        ),
        (has(&|label| number(label, false)), ProbeArgument::Number(NUMBERS[0])),
        (negative, ProbeArgument::Minus(NUMBERS[0])),
        (
            has(&|label| number(label, true)),
            ProbeArgument::Number(DECIMAL_NUMBERS[0]),
        ),
        (has(&is_date), ProbeArgument::Text("", "2019-07-23", "")),
    ];
    keys.into_iter()
        .filter(|(is_there, _)| *is_there)
        .map(|(_, key)| key)
        .collect()
}

/// Returns keys that are not columns of the sheet itself, so that the key of a lookup can be distinguished from the
/// column that the lookup searches.
pub(super) fn artificial_lookup_keys(name: &str) -> [String; 2] {
    [
        format!("{name} & \"{}\"", PLACEHOLDER_STRINGS[2]),
        format!("{name} + {}", NUMBERS[2]),
    ]
}
