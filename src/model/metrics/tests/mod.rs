//! Tests of metric sets and of models built on them.

mod balances;
mod descriptions;
mod expanded;
mod fill;
mod filters;
mod incomplete_schema;
mod keys;
mod outdated_names;

use crate::{CompiledSpec, Compiler, SpecText};

/// Compiles the files of a project and returns the result for the last file.
fn compile_last(texts: &[&str]) -> CompiledSpec {
    compile_last_with(&Compiler::default(), texts)
}

fn compile_last_with(compiler: &Compiler, texts: &[&str]) -> CompiledSpec {
    let specs: Vec<SpecText<'_>> = texts.iter().map(|text| SpecText { text, path: None }).collect();
    let mut compiled = compiler.compile_specs(&specs);
    compiled.pop().expect("a spec")
}

/// Returns the SQL of the last file, which must have no errors.
fn sql(texts: &[&str]) -> String {
    let compiled = compile_last(texts);
    assert!(!compiled.has_errors(), "{:#?}", compiled.diagnostics());
    compiled.query().expect("a query").to_owned()
}

/// Returns the warnings with the given code in the last file, each as `text: message; help`.
fn reports(texts: &[&str], code: &str) -> Vec<String> {
    let compiled = compile_last(texts);
    let last_text = texts.last().copied().unwrap_or_default();
    let with_code = compiled.diagnostics().iter().filter(|fault| fault.code() == code);
    let lines = with_code.map(|fault| {
        let help = fault.help().unwrap_or_default();
        format!("{}: {}; {help}", fault.span().text(last_text), fault.message())
    });
    lines.collect()
}

/// The ratio is computed in the last select, so the CTE does not contain it.
#[test]
fn steps_are_named_after_columns_that_others_read() {
    let sets = [
        "metric_set: o\nfrom: orders\ntime: ordered_on\ndefinitions: |\n  revenue = SUM(amount)\n  big_share = COUNTIF(amount > 15) / COUNT()\n",
        "metric_set: r\nfrom: refunds\ntime: refunded_on\ndefinitions: refunded = SUM(refund)\n",
        "metric_set: h\nsets: [o, r]\ndefinitions: net = o.revenue - r.refunded\n",
    ];
    let model =
        "model: m\nmetrics: [o.big_share, h.net]\ngroup_by: month\ndefinitions: running = SUM(FIRST(net):net)\n";
    let texts: Vec<&str> = sets.into_iter().chain([model]).collect();
    let compiled = compile_last(&texts);
    let sql = compiled.query().expect("a query");
    assert!(sql.contains("\nwith_net as ("), "{sql}");
}

/// Metrics whose names look like a cell, a column letter or a function have the same SQL as metrics with other names.
#[test]
fn names_of_metrics_may_look_like_cells_or_functions() {
    let models = [
        "metrics: [o.revenue]\ngroup_by: month\nsince: 2024-03-01\ndefinitions: |\n  \
         before = PERIODOFFSET(revenue, -1, \"month\")\n  to_date = SUM(FIRST(revenue, \"year\"):revenue)\n  \
         share = revenue / SUM(revenue:revenue)\n",
        "metrics: [o.revenue]\ngroup_by: [month, region]\ndefinitions: |\n  share = revenue / SUM(revenue:revenue)\n",
        "metrics: [o.revenue, r.refunded]\ngroup_by:\n- month\n- region: {o: region, r: area}\nfill: {by: month}\n\
         definitions: |\n  running = SUM(FIRST(revenue):revenue)\n  net = revenue - refunded\n",
    ];
    let sets = "metric_set: o\nfrom: orders\ntime: ordered_on\ndefinitions: |\n  revenue = SUM(amount)\n  \
                doubled = revenue * 2\n";
    let refunds = "metric_set: r\nfrom: refunds\ntime: refunded_on\ndefinitions: refunded = SUM(refund)\n";
    // Both names have the same length, so that lines break at the same positions.
    for (name, plain) in [
        ("mrr1", "mrrx"),
        ("q1", "qx"),
        ("Q", "Z"),
        ("rank", "ranx"),
        ("A_TOTAL", "A_TOTAX"),
    ] {
        for model in models {
            let with_name = |name: &str| {
                let texts = [sets, refunds, &format!("model: m\n{model}")].map(|text| text.replace("revenue", name));
                sql(&texts.each_ref().map(String::as_str))
            };
            assert_eq!(
                with_name(name),
                with_name(plain).replace(&plain.to_lowercase(), &name.to_lowercase()),
                "{name} in {model}"
            );
        }
    }
}

/// The last select lists the metrics in the order of the model, so any other metric may follow `select`.
#[test]
fn the_name_of_a_metric_may_be_an_sql_keyword() {
    let refunds = "metric_set: r\nfrom: refunds\ntime: refunded_on\ndefinitions: |\n  select = COUNT(region)\n  \
                   ratio = SUM(amount) / COUNT()\n";
    let orders = "metric_set: o\nfrom: orders\ntime: ordered_on\ndefinitions: best = MAX(amount)\n";
    for metrics in [
        "r.ratio, r.select, o.best",
        "r.select, o.best, r.ratio",
        "o.best, r.ratio, r.select",
    ] {
        let query = sql(&[
            refunds,
            orders,
            &format!("model: m\nmetrics: [{metrics}]\ngroup_by: month\n"),
        ]);
        assert!(query.contains("count(region) as \"select\""), "{metrics}: {query}");
    }
}

/// Models that use a metric set may group by other calendar units than the model with which the metric set is checked.
#[test]
fn the_help_about_ranges_of_rows_names_no_unit_in_a_set() {
    let set = |formula: &str| {
        format!(
            "metric_set: orders\nfrom: orders\ntime: ordered_at\ndefinitions: |\n  revenue = SUM(amount)\n  x = {formula}\n"
        )
    };
    for (formula, report) in [
        (
            "AVERAGE(OFFSET(revenue, -2):revenue)",
            "the range covers 3 rows, so it spans more periods than rows if a period of `ordered_at` is missing; \
             write `PERIODOFFSET(revenue, -2, unit):revenue` for a range of calendar periods, where `unit` is the period \
             by which the models group, such as `\"month\"`, or add `fill` to the models that use the metric",
        ),
        (
            "OFFSET(revenue, -1)",
            "`OFFSET` counts rows, so it reads the wrong period if a period of `ordered_at` is missing; \
             write `PERIODOFFSET(revenue, -1, unit)` to move by calendar periods, where `unit` is the period \
             by which the models group, such as `\"month\"`, or add `fill` to the models that use the metric",
        ),
    ] {
        let reports = reports(&[&set(formula)], "W0421");
        assert_eq!(reports, [format!("{formula}: {report}")]);
    }
}
