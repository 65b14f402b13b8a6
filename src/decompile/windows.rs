//! Probes functions that read other rows. The probes are compiled in the definition's step, with the order and
//! partitions of this step.

use super::expression_text::ExpressionShape;
use super::probes::{Arg, NUMBERS, ProbeFormula};

/// Maximum number of names to probe if a single pattern would be enough for all names.
const NAMES: usize = 3;
/// Maximum number of names to probe in functions that read single rows.
const SINGLE: usize = 4;

/// Returns probes that call functions that read single rows, such as `OFFSET` and `RANK`, for each of these names.
pub(super) fn window_probes(names: &[Arg]) -> Vec<ProbeFormula> {
    let mut all = Vec::new();
    for name in names.iter().take(SINGLE) {
        for number in both_signs(NUMBERS[0]) {
            all.push(ProbeFormula {
                shape: ExpressionShape::Call("OFFSET"),
                args: vec![name.clone(), number],
            });
        }
        for call in ["FIRST", "LAST", "RANK", "PERCENTRANK", "OMNI_RANK"] {
            all.push(ProbeFormula {
                shape: ExpressionShape::Call(call),
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
            all.push(ProbeFormula {
                shape: ExpressionShape::named(words),
                args: vec![name.clone()],
            });
        }
    }
    // Probe functions over rows with the same value as the current row.
    for (at, name) in names.iter().enumerate().take(NAMES) {
        for range in ["{0}:{0}", "FIRST({0}):{0}"] {
            all.push(ProbeFormula {
                shape: ExpressionShape::Words(format!("COUNTIF({range}, {{0}})")),
                args: vec![name.clone()],
            });
            for (_, value) in names.iter().enumerate().take(NAMES).filter(|(other, _)| *other != at) {
                for call in ["SUMIF", "AVERAGEIF"] {
                    let words = format!("{call}({range}, {{0}}, {})", range.replace("{0}", "{1}"));
                    all.push(ProbeFormula {
                        shape: ExpressionShape::Words(words),
                        args: vec![name.clone(), value.clone()],
                    });
                }
            }
        }
    }
    all.push(ProbeFormula {
        shape: ExpressionShape::named("ROW()"),
        args: Vec::new(),
    });
    all
}

/// Returns probes that call LARGE and SMALL for each of these names, with another name as the position.
pub(super) fn large_and_small_probes(names: &[Arg]) -> Vec<ProbeFormula> {
    let names = names.iter().take(NAMES);
    let pairs = names.clone().flat_map(|value| {
        names
            .clone()
            .filter(move |nth| *nth != value)
            .map(move |nth| (value, nth))
    });
    let calls = pairs.flat_map(|(value, nth)| {
        ["LARGE", "SMALL"].map(|name| ProbeFormula {
            shape: ExpressionShape::Call(name),
            args: vec![value.clone(), nth.clone()],
        })
    });
    calls.collect()
}

/// Returns two arguments: the number, and the negated number.
pub(super) fn both_signs(number: &'static str) -> [Arg; 2] {
    [Arg::Number(number), Arg::Minus(number)]
}

/// Returns probes that aggregate these ranges, for dialects that do not compile these aggregates to a window. If no
/// ranges are given, returns probes for common ranges.
#[allow(
    clippy::too_many_lines,
    reason = "this is one list of cases, to be split when a case is added"
)]
pub(super) fn range_aggregate_probes(names: &[Arg], numbers: &[String], ranges: &[String]) -> Vec<ProbeFormula> {
    // Ranges, each with its number of numeric placeholders.
    const RANGES: [(&str, usize); 7] = [
        ("FIRST({0}):{0}", 0),
        ("{0}:LAST({0})", 0),
        ("OFFSET({0}, -{n}):{0}", 1),
        ("{0}:OFFSET({0}, {n})", 1),
        ("OFFSET({0}, -{n}):OFFSET({0}, -1)", 1),
        ("OFFSET({0}, 1):OFFSET({0}, {n})", 1),
        ("OFFSET({0}, -{n}):OFFSET({0}, {n})", 1),
    ];
    const TOTALS: [&str; 18] = [
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
    const PAIRS: [&str; 7] = [
        "CORREL",
        "COVAR",
        "COVARIANCE.P",
        "COVARIANCE.S",
        "SLOPE",
        "INTERCEPT",
        "SUMPRODUCT",
    ];
    const PERCENTILES: [&str; 6] = ["PERCENTILE", "QUARTILE", "LARGE", "SMALL", "TRIMMEAN", "PERCENTILE.EXC"];
    // The ranges that the expression reads are already known.
    let mut all_ranges: Vec<(String, usize)> = vec![("{0}:{0}".to_owned(), 0)];
    all_ranges.extend(
        ranges
            .iter()
            .filter(|range| *range != "{0}:{0}")
            .map(|range| (range.clone(), 0)),
    );
    if ranges.is_empty() {
        all_ranges.extend(RANGES.iter().map(|(range, count)| ((*range).to_owned(), *count)));
    }
    let mut all = Vec::new();
    for name in names.iter().take(NAMES) {
        for call in TOTALS.into_iter().take(7) {
            all.push(ProbeFormula {
                shape: ExpressionShape::Call(call),
                args: vec![name.clone()],
            });
        }
    }
    let quarters: Vec<String> = (0..=4).map(|quarter: u8| quarter.to_string()).collect();
    for name in names.iter().take(2) {
        let mut put = |words: String, args: Vec<Arg>| {
            all.push(ProbeFormula {
                shape: ExpressionShape::Words(words),
                args: [vec![name.clone()], args].concat(),
            });
        };
        for call in TOTALS {
            for (range, count) in &all_ranges {
                let args = if *count == 0 {
                    Vec::new()
                } else {
                    vec![Arg::Number(NUMBERS[0])]
                };
                put(format!("{call}({})", range.replace("{n}", "{1}")), args);
            }
        }
        for call in PERCENTILES {
            for range in ["{0}", "{0}:{0}"] {
                put(format!("{call}({range}, {{1}})"), vec![Arg::Number(NUMBERS[0])]);
                // The quartile number, which is the second argument of QUARTILE, does not appear in SQL.
                let of_call = if call == "QUARTILE" {
                    quarters.as_slice()
                } else {
                    numbers
                };
                for number in of_call {
                    put(format!("{call}({range}, {{1}})"), vec![Arg::Fixed(number.clone())]);
                }
            }
        }
    }
    for (at, first) in names.iter().enumerate().take(NAMES) {
        for second in names.iter().take(NAMES).skip(at + 1) {
            for (first, second) in [(first, second), (second, first)] {
                for call in PAIRS {
                    for (range, count) in &all_ranges {
                        let number = if *count == 0 {
                            None
                        } else {
                            Some(Arg::Number(NUMBERS[0]))
                        };
                        let one = range.replace("{n}", "{2}");
                        let words = format!("{call}({one}, {})", one.replace("{0}", "{1}"));
                        let args = [first.clone(), second.clone()].into_iter().chain(number).collect();
                        all.push(ProbeFormula {
                            shape: ExpressionShape::Words(words),
                            args,
                        });
                    }
                }
            }
        }
    }
    all
}
