//! Generates probes for functions that read other rows. The probes are compiled in the definition's step, with the
//! order and partitions of this step.

use super::expression_text::FormulaTemplate;
use super::probes::{NUMBERS, ProbeArgument, ProbeFormula};

/// Maximum number of names to use in probes if a single pattern would be enough for all names.
const MAX_PROBED_NAMES: usize = 3;
/// Maximum number of names to use in probes for functions that read single rows.
const MAX_SINGLE_ROW_NAMES: usize = 4;

/// Returns probes that call functions that read single rows, such as `OFFSET` and `RANK`, for each of these names.
pub(super) fn window_probes(names: &[ProbeArgument]) -> Vec<ProbeFormula> {
    let mut probes = Vec::new();
    for name in names.iter().take(MAX_SINGLE_ROW_NAMES) {
        for number in number_and_negated_number(NUMBERS[0]) {
            probes.push(ProbeFormula {
                shape: FormulaTemplate::Call("OFFSET"),
                args: vec![name.clone(), number],
            });
        }
        for call in ["FIRST", "LAST", "RANK", "PERCENTRANK", "OMNI_RANK"] {
            probes.push(ProbeFormula {
                shape: FormulaTemplate::Call(call),
                args: vec![name.clone()],
            });
        }
        for words in [
            "OFFSET({0}, 0)",
            "RANK({0}, {0}:{0}, 0)",
            "RANK({0}, {0}:{0}, 1)",
            "OMNI_RANK({0}, {0}:{0}, TRUE)",
            "PERCENTRANK({0}:{0}, {0})",
        ] {
            probes.push(ProbeFormula {
                shape: FormulaTemplate::named(words),
                args: vec![name.clone()],
            });
        }
    }
    // Also add probes for the functions that read the rows with the same value as the current row.
    for (name_index, name) in names.iter().enumerate().take(MAX_PROBED_NAMES) {
        for range in ["{0}:{0}", "FIRST({0}):{0}"] {
            probes.push(ProbeFormula {
                shape: FormulaTemplate::Template(format!("COUNTIF({range}, {{0}})")),
                args: vec![name.clone()],
            });
            for (_, value) in names
                .iter()
                .enumerate()
                .take(MAX_PROBED_NAMES)
                .filter(|(other, _)| *other != name_index)
            {
                for call in ["SUMIF", "AVERAGEIF"] {
                    let words = format!("{call}({range}, {{0}}, {})", range.replace("{0}", "{1}"));
                    probes.push(ProbeFormula {
                        shape: FormulaTemplate::Template(words),
                        args: vec![name.clone(), value.clone()],
                    });
                }
            }
        }
    }
    probes.push(ProbeFormula {
        shape: FormulaTemplate::named("ROW()"),
        args: Vec::new(),
    });
    probes
}

/// Returns probes that call LARGE and SMALL for each of these names, with a different name as the position.
pub(super) fn large_and_small_probes(names: &[ProbeArgument]) -> Vec<ProbeFormula> {
    let names = names.iter().take(MAX_PROBED_NAMES);
    let pairs = names.clone().flat_map(|value| {
        names
            .clone()
            .filter(move |nth| *nth != value)
            .map(move |nth| (value, nth))
    });
    let calls = pairs.flat_map(|(value, nth)| {
        ["LARGE", "SMALL"].map(|name| ProbeFormula {
            shape: FormulaTemplate::Call(name),
            args: vec![value.clone(), nth.clone()],
        })
    });
    calls.collect()
}

/// Returns two arguments: the number, and the negated number.
pub(super) fn number_and_negated_number(number: &'static str) -> [ProbeArgument; 2] {
    [ProbeArgument::Number(number), ProbeArgument::Minus(number)]
}

/// Ranges, each with its number of numeric placeholders.
const RANGES: [(&str, usize); 7] = [
    ("FIRST({0}):{0}", 0),
    ("{0}:LAST({0})", 0),
    ("OFFSET({0}, -{n}):{0}", 1),
    ("{0}:OFFSET({0}, {n})", 1),
    ("OFFSET({0}, -{n}):OFFSET({0}, -1)", 1),
    ("OFFSET({0}, 1):OFFSET({0}, {n})", 1),
    ("OFFSET({0}, -{n}):OFFSET({0}, {n})", 1),
];
/// Aggregates of one range. The first seven are also tried without a range.
const RANGE_AGGREGATES: [&str; 18] = [
    "MEDIAN",
    "MODE",
    "GEOMEAN",
    "STDEV",
    "VAR",
    "STDEV.P",
    "VAR.P",
    "COUNTUNIQUE",
    "PRODUCT",
    "SUM",
    "AVERAGE",
    "MIN",
    "MAX",
    "COUNT",
    "COUNTA",
    "COUNTBLANK",
    "SUMPRODUCT",
    "SUMSQ",
];
/// Aggregates of two ranges.
const TWO_RANGE_AGGREGATES: [&str; 7] = [
    "CORREL",
    "COVAR",
    "COVARIANCE.P",
    "COVARIANCE.S",
    "SLOPE",
    "INTERCEPT",
    "SUMPRODUCT",
];
/// Aggregates of a range and a number.
const RANGE_AND_NUMBER_AGGREGATES: [&str; 6] =
    ["PERCENTILE", "QUARTILE", "LARGE", "SMALL", "TRIMMEAN", "PERCENTILE.EXC"];

/// Range, and its number of numeric placeholders.
type ProbeRange = (String, usize);

/// Returns probes that aggregate these ranges, for dialects that do not compile these aggregates to a window. If no
/// ranges are given, returns probes for common ranges.
pub(super) fn range_aggregate_probes(
    names: &[ProbeArgument],
    numbers: &[String],
    ranges: &[String],
) -> Vec<ProbeFormula> {
    // The ranges that the expression reads are already known.
    let mut all_ranges: Vec<ProbeRange> = vec![("{0}:{0}".to_owned(), 0)];
    all_ranges.extend(
        ranges
            .iter()
            .filter(|range| *range != "{0}:{0}")
            .map(|range| (range.clone(), 0)),
    );
    if ranges.is_empty() {
        all_ranges.extend(RANGES.iter().map(|(range, count)| ((*range).to_owned(), *count)));
    }
    let mut probes = Vec::new();
    for name in names.iter().take(MAX_PROBED_NAMES) {
        for call in RANGE_AGGREGATES.into_iter().take(7) {
            probes.push(ProbeFormula {
                shape: FormulaTemplate::Call(call),
                args: vec![name.clone()],
            });
        }
    }
    for name in names.iter().take(2) {
        add_one_range_probes(name, &all_ranges, &mut probes);
        add_percentile_probes(name, numbers, ranges, &mut probes);
    }
    for (name_index, first) in names.iter().enumerate().take(MAX_PROBED_NAMES) {
        for second in names.iter().take(MAX_PROBED_NAMES).skip(name_index + 1) {
            add_two_range_probes(first, second, &all_ranges, &mut probes);
            add_two_range_probes(second, first, &all_ranges, &mut probes);
        }
    }
    probes
}

/// Returns the argument for the numeric placeholder of a range, if the range has one.
fn range_number(count: usize) -> Option<ProbeArgument> {
    (count != 0).then_some(ProbeArgument::Number(NUMBERS[0]))
}

fn add_one_range_probes(name: &ProbeArgument, ranges: &[ProbeRange], probes: &mut Vec<ProbeFormula>) {
    for call in RANGE_AGGREGATES {
        for (range, count) in ranges {
            probes.push(ProbeFormula {
                shape: FormulaTemplate::Template(format!("{call}({})", range.replace("{n}", "{1}"))),
                args: [name.clone()].into_iter().chain(range_number(*count)).collect(),
            });
        }
    }
}

fn add_percentile_probes(name: &ProbeArgument, numbers: &[String], ranges: &[String], probes: &mut Vec<ProbeFormula>) {
    let quarters: Vec<String> = (0..=4).map(|quarter: u8| quarter.to_string()).collect();
    let others = ranges.iter().map(String::as_str).filter(|range| *range != "{0}:{0}");
    let ranges: Vec<&str> = ["{0}", "{0}:{0}"].into_iter().chain(others).collect();
    for call in RANGE_AND_NUMBER_AGGREGATES {
        for range in &ranges {
            // The quartile number, which is the second argument of QUARTILE, does not appear in SQL.
            let of_call = if call == "QUARTILE" {
                quarters.as_slice()
            } else {
                numbers
            };
            let fixed = of_call.iter().map(|number| ProbeArgument::Fixed(number.clone()));
            for number in [ProbeArgument::Number(NUMBERS[0])].into_iter().chain(fixed) {
                probes.push(ProbeFormula {
                    shape: FormulaTemplate::Template(format!("{call}({range}, {{1}})")),
                    args: vec![name.clone(), number],
                });
            }
        }
    }
}

fn add_two_range_probes(
    first: &ProbeArgument,
    second: &ProbeArgument,
    ranges: &[ProbeRange],
    probes: &mut Vec<ProbeFormula>,
) {
    for call in TWO_RANGE_AGGREGATES {
        for (range, count) in ranges {
            let first_range = range.replace("{n}", "{2}");
            probes.push(ProbeFormula {
                shape: FormulaTemplate::Template(format!(
                    "{call}({first_range}, {})",
                    first_range.replace("{0}", "{1}")
                )),
                args: [first.clone(), second.clone()]
                    .into_iter()
                    .chain(range_number(*count))
                    .collect(),
            });
        }
    }
}
