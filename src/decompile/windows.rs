//! Probes of what looks at other rows: they are compiled in the step of the definition, whose order and partitions they have.

use super::form::Shape;
use super::probes::{Arg, Probe};

/// Functions that look at other rows, of each of these names.
pub(super) fn window_probes(names: &[String], numbers: &[String]) -> Vec<Probe> {
    const TOTALS: [&str; 16] = [
        "SUM",
        "AVERAGE",
        "MIN",
        "MAX",
        "COUNT",
        "MEDIAN",
        "STDEV",
        "VAR",
        "COUNTUNIQUE",
        "STDEV.P",
        "VAR.P",
        "COUNTA",
        "COUNTBLANK",
        "MODE",
        "PRODUCT",
        "SUMPRODUCT",
    ];
    const PAIRS: [&str; 7] = ["CORREL", "COVAR", "COVARIANCE.P", "COVARIANCE.S", "SLOPE", "INTERCEPT", "SUMPRODUCT"];
    let mut all = Vec::new();
    for (at, first) in names.iter().enumerate().take(3) {
        for second in names.iter().take(3).skip(at + 1) {
            for (first, second) in [(first, second), (second, first)] {
                for call in PAIRS {
                    let args = vec![Arg::Column(first.clone()), Arg::Column(second.clone())];
                    all.push(Probe { shape: Shape::Columns(call), args });
                }
            }
        }
    }
    for (at, name) in names.iter().enumerate() {
        let column = || Arg::Column(name.clone());
        let fixed = |text: &str| Arg::Fixed(text.to_owned());
        let mut put = |shape: Shape, args: Vec<Arg>| all.push(Probe { shape, args });
        for (sign, number) in [("", "7919"), ("-", "7919")] {
            let number = || if sign.is_empty() { Arg::Number(number) } else { Arg::Minus(number) };
            put(Shape::Call("OFFSET"), vec![column(), number()]);
            for unit in ["day", "week", "month", "quarter", "year"] {
                put(Shape::Call("PERIODOFFSET"), vec![column(), number(), fixed(&format!("\"{unit}\""))]);
            }
        }
        put(Shape::Call("OFFSET"), vec![column(), fixed("0")]);
        for call in ["FIRST", "LAST", "RANK", "PERCENTRANK", "OMNI_RANK"] {
            put(Shape::Call(call), vec![column()]);
        }
        if at > 1 {
            continue;
        }
        for call in TOTALS {
            for range in ["{}:{}", "FIRST({}):{}", "{}:LAST({})"] {
                put(Shape::Range(call, range), vec![column()]);
            }
            for range in [
                "OFFSET({}, -#):{}",
                "{}:OFFSET({}, #)",
                "OFFSET({}, -#):OFFSET({}, -1)",
                "OFFSET({}, 1):OFFSET({}, #)",
            ] {
                put(Shape::Range(call, range), vec![column(), Arg::Number("7919")]);
            }
            put(Shape::Range(call, "OFFSET({}, -#):OFFSET({}, #)"), vec![column(), Arg::Number("7919")]);
        }
        // Aggregates that a dialect computes by windows.
        for call in ["MEDIAN", "MODE", "STDEV", "VAR", "STDEV.P", "VAR.P", "COUNTUNIQUE"] {
            put(Shape::Call(call), vec![column()]);
        }
        for call in ["PERCENTILE", "QUARTILE", "LARGE", "SMALL", "TRIMMEAN", "PERCENTILE.EXC"] {
            put(Shape::Call(call), vec![column(), Arg::Number("7919")]);
            put(Shape::Range(call, "{}:{}, #"), vec![column(), Arg::Number("7919")]);
            for number in numbers {
                put(Shape::Call(call), vec![column(), fixed(number)]);
                put(Shape::Range(call, "{}:{}, #"), vec![column(), fixed(number)]);
            }
        }
        for direction in ["0", "1"] {
            put(Shape::Range("RANK", if direction == "0" { "{}, {}:{}, 0" } else { "{}, {}:{}, 1" }), vec![column()]);
        }
    }
    all.push(Probe { shape: Shape::Words("ROW()"), args: Vec::new() });
    all
}
