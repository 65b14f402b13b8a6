//! What a change touches, in a generated manifest of 10,000 models and 200,000 columns: seconds after the manifest is
//! read, for a model in the middle and for one that everything reads.
//!
//!     cargo bench --bench impact              the report
//!     cargo bench --bench impact -- --check   exit status 1 when the goal, half a second, is missed

#![allow(missing_docs, reason = "a program")]
#![allow(clippy::expect_used, reason = "a bench that cannot run should stop")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use formulac::artifacts::{Keep, Manifest};
use formulac::impact::{Change, Graph, OmniModel, Sources, impact};

const MODELS: usize = 10_000;
const COLUMNS: usize = 20;
const GOAL: f64 = 0.5;

/// Each model joins two before it, and computes all its columns of theirs.
fn generated() -> String {
    let mut out = String::from(r#"{"metadata": {"adapter_type": "snowflake", "project_name": "shop"}, "nodes": {"#);
    for number in 0..MODELS {
        let (first, second) = (number / 2, number / 3);
        let mut sql = String::from("with first as (select * from marts.model_");
        let _ = write!(sql, "{first}), second as (select * from marts.model_{second}) select ");
        for column in 0..COLUMNS {
            let (one, other) = ((column + 1) % COLUMNS, (column + 3) % COLUMNS);
            let comma = if column > 0 { ", " } else { "" };
            let _ = write!(
                sql,
                "{comma}case when first.column_{column} > 0 and second.column_{one} is not null then \
                 coalesce(first.column_{column}, 0) + second.column_{other} else first.column_{column} * 2 end as column_{column}"
            );
        }
        sql.push_str(
            " from first left join second on first.column_0 = second.column_0 where first.column_1 is not null",
        );
        let comma = if number > 0 { "," } else { "" };
        let _ = write!(
            out,
            r#"{comma}"model.shop.model_{number}": {{"name": "model_{number}", "resource_type": "model", "package_name": "shop",
            "relation_name": "marts.model_{number}", "compiled_code": "{sql}", "config": {{"contract": {{"enforced": true}}}},
            "contract": {{"enforced": true}}, "depends_on": {{"nodes": ["model.shop.model_{first}", "model.shop.model_{second}"]}}, "columns": {{"#
        );
        for column in 0..COLUMNS {
            let comma = if column > 0 { "," } else { "" };
            let _ = write!(
                out,
                r#"{comma}"column_{column}": {{"name": "column_{column}", "description": "Column {column}"}}"#
            );
        }
        out.push_str("}}");
    }
    out.push_str("}}");
    out
}

fn main() -> ExitCode {
    let text = generated();
    let start = Instant::now();
    let manifest = Manifest::from_text(&text, Keep::default().compiled_code()).expect("it is a manifest");
    println!("reading {:.0} MB: {:.2} s", text.len() as f64 / 1e6, start.elapsed().as_secs_f64());
    let omni = OmniModel::default();
    let sources =
        Sources { manifest: &manifest, catalog: None, specs: &[], omni: &omni, dialect: "snowflake".parse().ok() };
    let mut is_missed = false;
    for name in ["model_9000.column_3", "model_100.column_3", "model_1.column_3", "model_1"] {
        let start = Instant::now();
        let graph = Graph::new(sources);
        let target = graph.target(name).expect("it is there");
        let found = impact(&graph, &[graph.start(&target, Change::Values)], &BTreeMap::new());
        let spent = start.elapsed().as_secs_f64();
        println!("impact of {name}: {} things in {spent:.3} s", found.effects.len());
        is_missed |= spent > GOAL;
    }
    let is_checked = std::env::args().any(|argument| argument == "--check");
    if is_checked && is_missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
