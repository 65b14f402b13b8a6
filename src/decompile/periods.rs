//! Generates probes for PERIODOFFSET, which looks up rows by calendar period.

use super::expression_text::FormulaTemplate;
use super::probes::{NUMBERS, ProbeArgument, ProbeFormula};
use super::tree::{SqlLabel, SqlTrees};
use super::windows::number_and_negated_number;

/// Conversion factors for dialects that express one unit in terms of another, such as a quarter as three months.
const UNIT_CONVERSION_FACTORS: [(&str, i64); 4] = [("quarter", 3), ("week", 7), ("year", 12), ("year", 4)];
/// Maximum number of numbers to examine in an expression.
const MAX_TRIED_NUMBERS: usize = 6;
const UNITS: [&str; 8] = ["month", "day", "year", "quarter", "week", "hour", "minute", "second"];

/// Returns probes that call PERIODOFFSET for these names, with placeholder numbers and with the numbers in an
/// expression.
pub(super) fn period_probes(names: &[ProbeArgument], numbers: &[i64]) -> Vec<ProbeFormula> {
    let mut probes = Vec::new();
    for name in names {
        let mut add_probe = |number: ProbeArgument, unit: &str| {
            let args = vec![name.clone(), number];
            probes.push(ProbeFormula {
                shape: FormulaTemplate::Template(format!("PERIODOFFSET({{0}}, {{1}}, \"{unit}\")")),
                args,
            });
        };
        for unit in UNITS {
            // Offsets of one and two compile to different SQL.
            for number in ["-1", "1", "-2", "2"] {
                add_probe(ProbeArgument::Fixed(number.to_owned()), unit);
            }
            number_and_negated_number(NUMBERS[0])
                .into_iter()
                .for_each(|number| add_probe(number, unit));
        }
        for (unit, factor) in UNIT_CONVERSION_FACTORS {
            for number in numbers.iter().filter(|number| *number % factor == 0) {
                for sign in ["-", ""] {
                    add_probe(ProbeArgument::Fixed(format!("{sign}{}", number / factor)), unit);
                }
            }
        }
    }
    probes
}

/// Returns the numbers in an expression, including the numbers in its strings.
pub(super) fn collect_numbers(trees: &SqlTrees, parts: &[u32]) -> Vec<i64> {
    let mut numbers: Vec<i64> = Vec::new();
    for part in parts {
        let (SqlLabel::Number(text) | SqlLabel::Text(text, _)) = trees.label(*part) else {
            continue;
        };
        let words = text
            .split(|c: char| !c.is_ascii_digit())
            .filter(|word| !word.is_empty());
        for number in words.filter_map(|word| word.parse().ok()) {
            if number > 2 && number < 1200 && !numbers.contains(&number) && numbers.len() < MAX_TRIED_NUMBERS {
                numbers.push(number);
            }
        }
    }
    numbers
}
