//! Measures the time to read dbt's artifacts: a generated manifest with 10,000 models and 200,000 columns. The result
//! is the ratio to the time that `serde_json` takes to parse the same text without keeping any data.
//!
//!     cargo bench --bench artifacts              the report
//!     cargo bench --bench artifacts -- --check   exit status 1 if a "must" is missed
//!     cargo bench --bench artifacts -- --write F write the manifest to the file F, to try commands with it

#![allow(missing_docs, reason = "this is a program")]
#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark that cannot run should stop"
)]

#[allow(dead_code, reason = "another benchmark reads the catalog")]
mod manifest;
#[allow(dead_code, reason = "the module is shared by several benchmarks")]
mod measure;

use std::hint::black_box;

use formulac::Dialect;
use formulac::artifacts::{Manifest, ManifestReadOptions, ResourceType};
use manifest::{COLUMNS, MODELS, generate_manifest};
use measure::{Goals, Race, measure_memory, ratio};
use serde::de::IgnoredAny;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text = generate_manifest(MODELS);
    if let Some([_, file]) = arguments.windows(2).find(|pair| pair[0] == "--write") {
        std::fs::write(file, &text).expect("the file must be written");
        return;
    }
    let small = generate_manifest(MODELS / 10);
    let rounds = if arguments.iter().any(|a| a == "--quick") { 2 } else { 5 };
    let pass_over = |text: &str| {
        black_box(serde_json::from_str::<IgnoredAny>(black_box(text)).unwrap());
    };
    let read = |text: &str, keep: ManifestReadOptions| Manifest::from_text(black_box(text), keep).unwrap();
    let code = ManifestReadOptions::default().with_raw_code().with_compiled_code();
    let (memory, manifest) = measure_memory(|| read(&text, ManifestReadOptions::default()));
    let (with_code, ()) = measure_memory(|| drop(read(&text, code)));
    let (of_schema, schema) = measure_memory(|| formulac::known::from_dbt(&manifest, None, Dialect::default()));
    assert_eq!(manifest.with_type(ResourceType::Model).count(), MODELS);
    assert_eq!(
        schema
            .relations()
            .iter()
            .map(|relation| relation.columns().len())
            .sum::<usize>(),
        MODELS * COLUMNS
    );
    let times = Race::new()
        .with("floor", || pass_over(&text))
        .with("manifest", || drop(read(&text, ManifestReadOptions::default())))
        .with("with its code", || drop(read(&text, code)))
        .with("its tests", || drop(black_box(manifest.tests_by_node())))
        .with("schema of it", || {
            drop(black_box(formulac::known::from_dbt(
                &manifest,
                None,
                Dialect::default(),
            )));
        })
        .with("a tenth of it", || drop(read(&small, ManifestReadOptions::default())))
        .run(rounds);
    let megabytes = |bytes: usize| bytes as f64 / 1e6;
    println!(
        "a manifest of {MODELS} models, {} columns, {:.0} MB\n",
        MODELS * COLUMNS,
        megabytes(text.len())
    );
    for (name, time) in &times {
        println!(
            "{name:<16} {:>7.0} ms {:>7.2}x",
            time.as_secs_f64() * 1e3,
            ratio(*time, times[0].1)
        );
    }
    println!(
        "\nkept {:.0} MB, at most {:.0} MB in addition to the text; with its code {:.0} MB; its schema {:.0} MB",
        megabytes(memory.kept),
        megabytes(memory.peak),
        megabytes(with_code.peak),
        megabytes(of_schema.kept)
    );
    println!("\n{:<44} {:>11} {:>9} {:>9}", "goal", "measured", "must", "aim");
    let mut goals = Goals::new(0);
    goals.line("reading a manifest", ratio(times[1].1, times[0].1), 8.0, 4.0, "x");
    goals.line(
        "reading it with its code",
        ratio(times[2].1, times[0].1),
        10.0,
        5.0,
        "x",
    );
    goals.line(
        "cost of a byte, all over a tenth",
        times[1].1.as_secs_f64() / text.len() as f64 / (times[5].1.as_secs_f64() / small.len() as f64),
        1.6,
        1.2,
        "x",
    );
    goals.line(
        "text and manifest, in GB",
        (text.len() + memory.peak) as f64 / 1e9,
        1.0,
        0.6,
        "",
    );
    goals.end(&arguments);
}
