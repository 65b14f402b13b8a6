//! Tests of metric sets and of models built on them.

mod balances;
mod descriptions;
mod expanded;
mod fill;
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

/// Returns the warnings with a code in the last file, each as `text: message; help`.
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
