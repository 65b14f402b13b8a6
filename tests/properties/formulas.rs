//! Generates random formulas, both for the whole grammar and for the part of it that compiles.

use proptest::prelude::*;

const NAMES: &[&str] = &[
    "a",
    "b_2",
    "Amount",
    "größe",
    "_x",
    "日付",
    "orders.amount",
    "o . a",
    "TRUE",
    "FALSE",
    "C1x",
];
const REFERENCES: &[&str] = &[
    "${orders.amount}",
    "${orders.Net Revenue}",
    "${orders.day[month]}",
    "${o.a:total}",
    "$A$1",
    "$B",
    "A$7",
];
const NUMBERS: &[&str] = &["0", "1", "42", "3.14", ".5", "2.", "1e9", "6.02E+23", "007"];
const FUNCTIONS: &[&str] = &[
    "SUM",
    "IF",
    "count",
    "CONCAT",
    "unknown_function",
    "Max",
    "TODAY",
    "STDEV.S",
];
const OPERATORS: &[&str] = &["=", "<>", "<", "<=", ">", ">=", "&", "+", "-", "*", "/", "^"];
const GAPS: &[&str] = &["", " ", "", "  ", "\n  ", "\t", " // note\n", "\u{a0}", "\r\n"];

fn pick(list: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    prop::sample::select(list).prop_map(str::to_owned)
}

/// Generates a string literal with arbitrary characters.
pub fn text_literal() -> impl Strategy<Value = String> {
    "[^\\x00]{0,12}".prop_map(|t| formulac::parse::quote(&t))
}

/// Generates any expression that the grammar accepts.
pub fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![pick(NAMES), pick(REFERENCES), pick(NUMBERS), text_literal()];
    leaf.prop_recursive(6, 64, 4, |inner| {
        let gap = || pick(GAPS);
        // Comparisons and their operands are parenthesized, because the parser rejects chained comparisons.
        let binary = (inner.clone(), gap(), pick(OPERATORS), gap(), inner.clone()).prop_map(|(l, g, op, h, r)| {
            let compares = op.starts_with(['=', '<', '>']);
            // `a - -b` and `a < >b` need a space between the two operators.
            if compares {
                format!("(({l}){g}{op} {h}({r}))")
            } else {
                format!("{l}{g} {op} {h}{r}")
            }
        });
        prop_oneof![
            4 => binary,
            2 => (inner.clone(), gap()).prop_map(|(x, g)| format!("({g}{x}{g})")),
            1 => inner.clone().prop_map(|x| format!("-({x})")),
            1 => inner.clone().prop_map(|x| format!("+ - ({x})")),
            1 => inner.clone().prop_map(|x| format!("({x})%")),
            1 => inner.clone().prop_map(|x| format!("({x})[month]")),
            1 => (pick(NAMES), pick(REFERENCES)).prop_map(|(x, y)| format!("{x} : {y}")),
            1 => pick(NAMES).prop_map(|x| format!("'Targets 2'!{x}")),
            // Arguments may be empty.
            4 => (pick(FUNCTIONS), gap(), prop::collection::vec(prop_oneof![8 => inner, 1 => gap()], 0..4), gap())
                .prop_map(|(f, g, args, h)| format!("{f}({g}{}{h})", args.join(","))),
        ]
    })
}

/// Generates a number. A separate generator for each kind of value avoids most errors in types and in the nesting of
/// aggregates.
fn number() -> impl Strategy<Value = String> + Clone {
    let leaf = prop_oneof![pick(&["amount", "id", "1", "2.5", "customer_id"])];
    leaf.prop_recursive(4, 24, 3, |x| {
        prop_oneof![
            (x.clone(), pick(&["+", "-", "*", "/", "^"]), x.clone()).prop_map(|(l, o, r)| format!("({l} {o} {r})")),
            (x.clone(), x.clone(), x.clone()).prop_map(|(a, b, c)| format!("IF({a} > {b}, {c}, {b})")),
            x.clone().prop_map(|a| format!("ROUND({a}, 2)")),
            (x.clone(), x.clone()).prop_map(|(a, b)| format!("IF({a} > {b}, , {b})")),
            x.clone().prop_map(|a| format!("-{a}%")),
            (x.clone(), x.clone()).prop_map(|(a, b)| format!("MOD({a}, {b})")),
            (x.clone(), x.clone()).prop_map(|(a, b)| format!("MAX({a}, {b})")),
            x.clone().prop_map(|a| format!("SQRT(ABS({a}))")),
            x.clone().prop_map(|a| format!("LEN(status & {a})")),
            x.clone().prop_map(|a| format!("YEAR(ordered_on + {a})")),
            (x.clone(), x).prop_map(|(a, b)| format!("COALESCE({a}, {b})")),
        ]
    })
}

/// Generates a row-level string expression that contains a literal with arbitrary characters, and the value of
/// that literal.
pub fn text_with_literal() -> impl Strategy<Value = (String, String)> {
    ("[^\\x00]{0,16}", 0..5usize).prop_map(|(value, shape)| {
        let literal = formulac::parse::quote(&value);
        let text = match shape {
            0 => format!("UPPER({literal})"),
            1 => format!("status & {literal}"),
            2 => format!("IF(status = {literal}, 1, 2)"),
            3 => format!("CONCAT({literal}, amount)"),
            _ => format!("COALESCE(status, {literal})"),
        };
        (text, value)
    })
}

/// Generates an aggregate of the columns of `orders`.
pub fn measure() -> impl Strategy<Value = String> {
    let n = number();
    let one = prop_oneof![
        n.clone().prop_map(|x| format!("SUM({x})")),
        n.clone().prop_map(|x| format!("AVERAGE({x})")),
        n.clone().prop_map(|x| format!("COUNT(DISTINCT({x}))")),
        (n.clone(), n.clone()).prop_map(|(c, x)| format!("SUMIF({c} > 1, {x})")),
        n.clone().prop_map(|x| format!("COUNTIFS(status, \"a*\", {x}, \">2\")")),
        n.clone().prop_map(|x| format!("MAXIFS({x}, status, \"<>open\")")),
        n.prop_map(|x| format!("MIN({x})")),
    ];
    (one.clone(), pick(&["+", "/", "*", "-"]), one).prop_map(|(l, o, r)| format!("{l} {o} {r}"))
}

/// Generates a row-level value.
pub fn dimension() -> impl Strategy<Value = String> {
    number()
}

/// Generates calls to one function whose overload depends on the value of a literal.
pub fn calls_with_literals() -> impl Strategy<Value = Vec<String>> {
    let unary = pick(&["LN", "LOG10", "ABS", "SQRT", "CHAR"]);
    let binary = pick(&[
        "CEILING",
        "FLOOR",
        "MROUND",
        "ATAN2",
        "ROUND",
        "ROUNDUP",
        "ROUNDDOWN",
        "TRUNC",
        "LOG",
        "POWER",
        "MOD",
        "QUOTIENT",
        "REPT",
        "LEFT",
    ]);
    let argument = || {
        pick(&[
            "amount",
            "id",
            "status",
            "2",
            "-2",
            "0",
            "2.5",
            "0.5",
            "-2.5",
            "0.0",
            "7.1",
            "0.1",
            "1234567890123",
        ])
    };
    let one = (unary, prop::collection::vec(argument(), 2..8))
        .prop_map(|(function, args)| args.iter().map(|x| format!("{function}({x})")).collect());
    let two = (binary, prop::collection::vec((argument(), argument()), 2..8))
        .prop_map(|(function, args)| args.iter().map(|(x, y)| format!("{function}({x}, {y})")).collect());
    prop_oneof![1 => one, 4 => two]
}
