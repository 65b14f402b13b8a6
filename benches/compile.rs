//! Criterion benches for every stage in the public API: `cargo bench --bench compile`.
//!
//! The times are intended for comparing versions on one machine. `cargo bench --bench ratios` reports ratios to the
//! cost of lexing instead. In a loop over one small text, as here, the processor's branch predictor learns the text, so
//! the lexer looks faster than it is.

#![allow(
    missing_docs,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark is a program"
)]

mod corpus;

use std::hint::black_box;
use std::time::Duration;

use corpus::floor;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use formulac::{Compiler, FormulaSession, lex};

fn stages(c: &mut Criterion) {
    let (typed, untyped) = (corpus::compiler(true), corpus::compiler(false));
    let classes = corpus::classes([&typed, &untyped]);
    type Stage<'c> = (&'static str, Box<dyn Fn(&str) + 'c>);
    let stages: [Stage<'_>; 6] = [
        (
            "floor",
            Box::new(|t| {
                black_box(floor::walk(t));
            }),
        ),
        ("lex", Box::new(|t| drop(black_box(lex::lex(t, &mut Vec::new()))))),
        ("parse", Box::new(|t| drop(black_box(formulac::parse::parse(t))))),
        // Each stage includes the stages before it. For example, the cost of checking is the difference between `check`
        // and `parse`, and the cost of emitting is the difference between `compile` and `check`. The `ratios` bench
        // prints ratios of these differences.
        ("check", Box::new(|t| drop(black_box(typed.check(t))))),
        ("compile", Box::new(|t| drop(black_box(typed.compile(t))))),
        (
            "compile without a schema",
            Box::new(|t| drop(black_box(untyped.compile(t)))),
        ),
    ];
    for (stage, work) in &stages {
        let mut group = c.benchmark_group(*stage);
        for (class, texts) in &classes {
            group.throughput(Throughput::Bytes(texts.iter().map(|t| t.len() as u64).sum()));
            group.bench_with_input(BenchmarkId::from_parameter(class), texts, |b, texts| {
                b.iter(|| texts.iter().for_each(|t| work(black_box(t))));
            });
        }
    }
}

fn specs(c: &mut Criterion) {
    let compiler = corpus::compiler(true);
    let mut group = c.benchmark_group("spec");
    for (name, text) in [("typical", corpus::spec(6)), ("200 definitions", corpus::spec(200))] {
        assert!(!compiler.compile_spec(&text).has_errors(), "the spec must compile");
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| b.iter(|| black_box(compiler.compile_spec(black_box(&text)))));
    }
}

fn sizes(c: &mut Criterion) {
    let compiler = corpus::compiler(true);
    let mut group = c.benchmark_group("large");
    group.sample_size(10);
    let texts = [
        ("10,000 definitions", corpus::definition_chains(10_000, 1)),
        ("10,000 in chains of 10", corpus::definition_chains(10_000, 10)),
        ("one formula of 1 MB", corpus::large_formula(1 << 20)),
    ];
    for (name, text) in texts {
        corpus::verify(&compiler, [text.as_str()]);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| b.iter(|| black_box(compiler.compile(black_box(&text)))));
    }
    group.finish();
    let mut group = c.benchmark_group("nesting of 1,000");
    group.sample_size(20);
    for (kind, text) in corpus::nested(1_000) {
        group.bench_function(kind, |b| b.iter(|| black_box(compiler.compile(black_box(&text)))));
    }
}

/// Edits one of 10,000 definitions. The measured time does not include the construction of the new text.
fn edits(c: &mut Criterion) {
    let typed = corpus::compiler(true);
    let keyed = Compiler::builder()
        .schema(corpus::schema())
        .order_by(["order_date desc"]);
    let keyed = keyed.partition_by(["region"]).build();
    let mut group = c.benchmark_group("one edit");
    let files = [
        ("10,000 definitions", &typed, corpus::definition_chains(10_000, 1)),
        ("10,000 with keys", &keyed, corpus::definition_chains(10_000, 1)),
        ("10,000 in chains of 10", &typed, corpus::definition_chains(10_000, 10)),
        ("100,000 definitions", &typed, corpus::definition_chains(100_000, 1)),
    ];
    for (name, compiler, text) in files {
        corpus::verify(compiler, [text.as_str()]);
        let middle = text[text.len() / 2..].find('\n').expect("the text has many lines") + text.len() / 2;
        let edits = ["", " + 1", " + cost", " + 1\nadded = cost"];
        let texts = edits.map(|edit| format!("{}{edit}{}", &text[..middle], &text[middle..]));
        for (kind, versions) in [("changed", &texts[..3]), ("added and removed", &texts[2..])] {
            let mut session = FormulaSession::default();
            let mut versions = versions.iter().cycle();
            session.check(compiler, &text);
            group.bench_function(format!("check, {name}, {kind}"), |b| {
                b.iter(|| {
                    black_box(session.check(compiler, versions.next().expect("the versions repeat")));
                });
            });
            session.compile(compiler, &text);
            group.bench_function(format!("compile, {name}, {kind}"), |b| {
                b.iter(|| {
                    black_box(session.compile(compiler, versions.next().expect("the versions repeat")));
                });
            });
            session.compile(compiler, &text);
            session.compile(compiler, versions.next().expect("the versions repeat"));
            assert!(
                session.recompiled().is_some_and(|count| count <= 11),
                "the session compiles only the edited definitions"
            );
        }
    }
}

fn config() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}

criterion_group! { name = benches; config = config(); targets = stages, specs, sizes, edits }
criterion_main!(benches);
