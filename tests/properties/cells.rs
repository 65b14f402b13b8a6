//! Cell formulas that are assembled from fragments. Some are valid in a sheet or in a table, and some are invalid
//! everywhere.

use proptest::prelude::*;

/// Generates the letters of a column, including letters that do not exist in a sheet.
fn column() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "A", "B", "C", "D", "E", "F", "G", "b", "Z", "AA", "XFD", "ZZZ", "ZZZZ", "$A", "$C",
    ])
}

/// Generates a row number as written in a formula, including numbers that do not exist in a sheet.
fn row() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "0",
        "1",
        "1",
        "2",
        "3",
        "$1",
        "$1",
        "$2",
        "$5",
        "$0",
        "$",
        "-1",
        "007",
        "1048577",
        "9999999",
        "99999999",
        "$9999999",
        "18446744073709551616",
    ])
}

fn cell() -> impl Strategy<Value = String> {
    (column(), row()).prop_map(|(column, row)| format!("{column}{row}"))
}

fn reference() -> impl Strategy<Value = String> {
    let moved = (cell(), -9..9_i64, -3..4_i64, -2..9_i64, -2..4_i64);
    prop_oneof![
        4 => cell(),
        4 => (cell(), cell()).prop_map(|(a, b)| format!("{a}:{b}")),
        1 => moved.prop_map(|(cell, rows, columns, height, width)| {
            format!("OFFSET({cell}, {rows}, {columns}, {height}, {width})")
        }),
        1 => cell().prop_map(|cell| format!("OFFSET({cell}, 9223372036854775807, -9223372036854775807)")),
        1 => cell().prop_map(|cell| format!("'Targets'!{cell}:{cell}")),
        1 => prop::sample::select(vec!["amount", "status", "first", "B_TOTAL", "B2_ROW_TOTAL", "${amount:column_total}"])
            .prop_map(str::to_owned),
    ]
}

/// Generates an expression whose operands are references.
pub fn formula() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![6 => reference(), 1 => Just("1".to_owned()), 1 => Just("\">5\"".to_owned())];
    leaf.prop_recursive(5, 24, 4, |inner| {
        let function = prop::sample::select(vec![
            "SUM",
            "AVERAGE",
            "COUNT",
            "MEDIAN",
            "LARGE",
            "RANK",
            "PERCENTRANK",
            "SUMIF",
            "COUNTIF",
            "SUMIFS",
            "COUNTBLANK",
            "COUNTUNIQUE",
            "CORREL",
            "SUMPRODUCT",
            "IF",
            "IFERROR",
            "VLOOKUP",
            "INDEX",
            "MATCH",
            "PIVOTROW",
            "PIVOTOFFSET",
            "OFFSET",
            "DISTINCT",
            "ROW",
            "FIRST",
        ]);
        prop_oneof![
            4 => (function, prop::collection::vec(inner.clone(), 0..4))
                .prop_map(|(function, args)| format!("{function}({})", args.join(", "))),
            2 => (inner.clone(), prop::sample::select(vec!["+", "-", "/", "&", ">", "="]), inner)
                .prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        ]
    })
}

/// Generates a worksheet with some calculations, which may refer to each other.
pub fn worksheet() -> impl Strategy<Value = String> {
    let keys = prop::sample::select(vec![
        "columns: [id, amount, status]\norder_by: id\n",
        "columns: [id, amount, status, ordered_on]\norder_by: ordered_on desc\nrow: 3\n",
        "columns: [amount]\n",
        "columns: []\norder_by: id\n",
        "columns: [id, amount, amount, nothing]\norder_by: amount\nrow: 9223372036854775807\n",
        "columns: [id, status, amount]\norder_by: id\npivot_by: status\n",
        "columns: [id, amount]\norder_by: id\ntabs: {Targets: {model: orders, columns: [id, status, amount], order_by: id}}\n",
        "order_by: id\n",
    ]);
    (keys, prop::collection::vec(formula(), 1..5)).prop_map(|(keys, formulas)| {
        let names = ["first", "D", "total", "e1"];
        let calculations = names.iter().zip(formulas).map(|(name, formula)| {
            // In a single-quoted YAML string, a quote inside the string is doubled.
            format!("  {name}: '={}'\n", formula.replace('\'', "''"))
        });
        format!(
            "model: m\nfrom: orders\n{keys}calculations:\n{}",
            calculations.collect::<String>()
        )
    })
}
