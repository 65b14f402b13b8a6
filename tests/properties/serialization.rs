//! Checks that results can be converted to JSON.

use formulac::{Compiler, SpecText};
use serde_json::json;

use crate::fuzz::orders;

#[test]
fn formulas_as_json() {
    let compiler = Compiler::builder()
        .schema(orders())
        .from("orders")
        .map_spans(true)
        .build();
    let compiled = compiler.compile("/// Paid\ntotal = SUM(amount)");
    let span = |start, end| json!({"start": start, "end": end});
    let definition = json!({
        "name": "total",
        "sql": "coalesce(sum(amount), 0)",
        "type": "decimal",
        "level": "aggregate",
        "nullable": false,
        "columns": [{"relation": "orders", "name": "amount", "assumed": null}],
        "description": "Paid",
        "span": span(9, 28),
        "mappings": [
            [span(0, 24), span(17, 28)],
            [span(9, 20), span(17, 28)],
            [span(13, 19), span(21, 27)],
            [span(22, 23), span(17, 28)],
        ],
    });
    assert_eq!(serde_json::to_value(&compiled.definitions()[0]).unwrap(), definition);
    let whole = json!({"dialect": "postgres", "definitions": [definition], "diagnostics": [], "meanings": []});
    assert_eq!(serde_json::to_value(&compiled).unwrap(), whole);
    let faulty = serde_json::to_value(compiler.compile("SUMM(amuont)")).unwrap();
    assert_eq!(faulty["diagnostics"][0]["code"], "F0301");
}

#[test]
fn specs_as_json() {
    let texts = [
        "model: joined\nfrom: orders\njoins: [{to: customers, using: customer_id}]\ndefinitions: region = customers.region\n",
        "model: pivoted\nfrom: orders\ncolumns: [ordered_on, status, amount]\npivot_by: status\nvalues: [a, b]\norder_by: ordered_on\ncalculations: total = SUM(PIVOTROW(C1))\n",
        "model: steps\nfrom: orders\nsteps:\n  - {name: daily, group_by: ordered_on, definitions: revenue = SUM(amount)}\n  - {name: last, keep: all, order_by: ordered_on, definitions: before = OFFSET(revenue, -1)}\n",
        "metric_set: sales\nfrom: orders\ntime: ordered_on\ndefinitions: revenue = SUM(amount)\n",
        "model: monthly\nmetrics: [sales.revenue]\ngroup_by: [month]\nfill: month\n",
        "model: wrong\nfrom: orders\ndefinitions: a = SUMM(amount\n",
        "model: [",
    ];
    let specs = texts.map(|text| SpecText { text, path: None });
    let compiled = Compiler::builder().schema(orders()).build().compile_specs(&specs);
    for (compiled, text) in compiled.iter().zip(texts) {
        let json = serde_json::to_string(compiled).unwrap_or_else(|error| panic!("{text}: {error}"));
        let again: formulac::CompiledSpec = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), json, "{text}");
    }
}
