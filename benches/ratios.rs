//! Reports costs as ratios to the cost of lexing, all measured in one run. Every round runs each workload once, in
//! turn, and only the shortest time of each workload counts. Times that were measured on different days cannot be
//! compared, but ratios can.
//!
//!     cargo bench --bench ratios              the report
//!     cargo bench --bench ratios -- --check   exit status 1 if a "must" is missed
//!
//! The bench also counts allocations and bytes, which do not depend on the machine.

#![allow(missing_docs, reason = "this is a program")]
#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark that cannot run should stop"
)]

mod corpus;
#[allow(dead_code, reason = "the module is shared by several benchmarks")]
mod measure;

use std::cell::RefCell;
use std::hint::black_box;
use std::time::Instant;

use corpus::floor;
use formulac::lex::{self, LayoutMode, Token};
use formulac::limits::Limits;
use formulac::{CompiledSpec, Compiler, SpecSession, SpecText};
use logos::Logos;
use measure::{Goals, Race, measure_memory, ratio};

fn run_floor(text: &str) {
    black_box(floor::walk(text));
}

fn run_own_lexer(text: &str) {
    for token in Token::lexer(text) {
        black_box(token.is_ok());
    }
}

fn run_on_each<'t>(texts: &'t [String], work: impl Fn(&str) + 't) -> impl FnMut() + 't {
    move || texts.iter().for_each(|t| work(black_box(t)))
}

fn run_lexer(text: &str) {
    let mut diagnostics = Vec::new();
    black_box(lex::lex(text, &mut diagnostics));
}

fn run_parser(text: &str) {
    black_box(formulac::parse::parse(text));
}

fn run_compiler(compiler: &Compiler) -> impl Fn(&str) + '_ {
    move |text| {
        black_box(compiler.compile(text));
    }
}

/// Returns two times in seconds: to compile 500 models built on 200 metric sets, and to compile the specs that result
/// if these models are expanded.
fn models_over_sets(compiler: &Compiler, rounds: usize) -> [f64; 2] {
    let texts = corpus::models_over_sets(200, 500);
    let texts: Vec<SpecText<'_>> = texts.iter().map(|text| SpecText { text, path: None }).collect();
    let compiled = compiler.compile_specs(&texts);
    for (text, spec) in texts.iter().zip(&compiled) {
        if let Some(diagnostic) = spec.diagnostics().iter().find(|d| d.is_error()) {
            panic!(
                "the spec must compile: {} {}\n{}",
                diagnostic.code(),
                diagnostic.message(),
                text.text
            );
        }
    }
    let expanded: Vec<&str> = compiled.iter().filter_map(CompiledSpec::expanded).collect();
    assert_eq!(expanded.len(), 500, "each model over one set can be written out");
    let expanded: Vec<SpecText<'_>> = expanded.into_iter().map(|text| SpecText { text, path: None }).collect();
    let times = Race::new()
        .with("over sets", || drop(black_box(compiler.compile_specs(&texts))))
        .with("written out", || drop(black_box(compiler.compile_specs(&expanded))))
        .run(rounds);
    [0, 1].map(|at: usize| times[at].1.as_secs_f64())
}

/// Returns the time in seconds to compile specs in a session after one of them changed.
fn after_one_edit(compiler: &Compiler, texts: &[SpecText<'_>], rounds: usize) -> f64 {
    let edited = texts[0].text.replacen("model: ", "description: Edited\nmodel: ", 1);
    let mut after = texts.to_vec();
    after[0].text = &edited;
    let session = RefCell::new(SpecSession::default());
    let compile = |texts: &[SpecText<'_>]| drop(black_box(session.borrow_mut().compile_specs(compiler, texts)));
    // Both calls compile the changed spec, because a session keeps only the last version of each spec.
    let times = Race::new()
        .with("edit", || compile(&after))
        .with("undo", || compile(texts))
        .run(rounds);
    times[0].1.as_secs_f64()
}

#[allow(
    clippy::too_many_lines,
    reason = "this is one list of cases, to be split when a case is added"
)]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rounds = if arguments.iter().any(|a| a == "--quick") {
        40
    } else {
        300
    };
    let (typed, untyped) = (corpus::compiler(true), corpus::compiler(false));
    let mut goals = Goals::new(corpus::SEED);
    let classes = corpus::classes([&typed, &untyped]);

    println!(
        "seed {}, least of {rounds} rounds that take turns; x = times the lexing floor\n",
        corpus::SEED
    );
    println!("One call a definition, one compiler for all:");
    println!(
        "{:<8} {:>9} {:>8} {:>9} {:>7} {:>8} {:>8} {:>8} {:>9} {:>11}",
        "", "us floor", "MB/s", "own lexer", "lex", "+ parse", "+ check", "+ emit", "= compile", "no schema"
    );
    let mut totals = Vec::new();
    for (name, texts) in &classes {
        let bytes: usize = texts.iter().map(String::len).sum();
        let times = Race::new()
            .with("floor", run_on_each(texts, run_floor))
            .with("own lexer", run_on_each(texts, run_own_lexer))
            .with("lex", run_on_each(texts, run_lexer))
            .with("parse", run_on_each(texts, run_parser))
            .with("check", run_on_each(texts, |t| drop(black_box(typed.check(t)))))
            .with("compile", run_on_each(texts, run_compiler(&typed)))
            .with("no schema", run_on_each(texts, run_compiler(&untyped)))
            .run(rounds);
        let base = times[0].1;
        let cells: Vec<f64> = times.iter().map(|(_, t)| ratio(*t, base)).collect();
        println!(
            "{name:<8} {:>9.3} {:>8.0} {:>8.2}x {:>6.2}x {:>7.2}x {:>7.2}x {:>7.2}x {:>8.2}x {:>10.2}x",
            base.as_secs_f64() * 1e6 / texts.len() as f64,
            bytes as f64 / base.as_secs_f64() / 1e6,
            cells[1],
            cells[2],
            // Cost of each stage without the stages before it.
            cells[3] - cells[2],
            cells[4] - cells[3],
            cells[5] - cells[4],
            cells[5],
            cells[6]
        );
        totals.push((*name, cells[5], cells[6]));
    }

    let mix = &classes[3].1;
    // A hundred thousand definitions exceed the default limits.
    let limits = Limits::default().with_source(1 << 28).with_output(1 << 28);
    let roomy = |known: bool| {
        let builder = Compiler::builder().limits(limits);
        if known {
            builder.schema(corpus::schema()).build()
        } else {
            builder.build()
        }
    };
    let (roomy, roomy_untyped) = (roomy(true), roomy(false));
    let files: Vec<(usize, String)> = [1_000, 10_000, 100_000]
        .map(|n| (n, corpus::definition_mix(n).join("\n")))
        .into();
    corpus::verify(&typed, [files[0].1.as_str()]);
    println!("\nAll definitions in one text, one call:");
    println!(
        "{:<8} {:>8} {:>9} {:>11} {:>13} {:>13}",
        "", "parse", "compile", "no schema", "allocations", "peak bytes"
    );
    let mut costs = Vec::new();
    for (count, text) in &files {
        let times = Race::new()
            .with("floor", || run_floor(text))
            .with("parse", || {
                drop(black_box(formulac::parse::parse_with(text, LayoutMode::File, &limits)));
            })
            .with("compile", || run_compiler(&roomy)(text))
            .with("no schema", || run_compiler(&roomy_untyped)(text))
            .run((rounds * 300 / count).clamp(5, rounds));
        let base = times[0].1;
        let (memory, ()) = measure_memory(|| run_compiler(&roomy)(text));
        println!(
            "{count:<8} {:>7.2}x {:>8.2}x {:>10.2}x {:>13.2} {:>13.0}",
            ratio(times[1].1, base),
            ratio(times[2].1, base),
            ratio(times[3].1, base),
            memory.calls as f64 / *count as f64,
            memory.peak as f64 / *count as f64,
        );
        costs.push((
            ratio(times[2].1, base),
            times[2].1.as_secs_f64() / *count as f64,
            memory,
        ));
    }

    println!("\nOne call a definition, allocations of each:");
    let calls = |compiler: &Compiler, texts: &[String]| {
        let (all, ()) = measure_memory(run_on_each(texts, run_compiler(compiler)));
        (
            all.calls as f64 / texts.len() as f64,
            all.bytes as f64 / texts.len() as f64,
        )
    };
    for (name, texts) in &classes {
        let lex = measure_memory(run_on_each(texts, run_lexer)).0.calls as f64 / texts.len() as f64;
        let parse = measure_memory(run_on_each(texts, run_parser)).0.calls as f64 / texts.len() as f64;
        let ((with, bytes), (without, _)) = (calls(&typed, texts), calls(&untyped, texts));
        println!(
            "{name:<8} lex {lex:>6.1}   parse {parse:>6.1}   compile {with:>7.1} ({bytes:>8.0} bytes)   no schema {without:>7.1}"
        );
    }

    let large = corpus::large_formula(1 << 20);
    corpus::verify(&typed, [large.as_str()]);
    let single = Race::new()
        .with("floor", || run_floor(&large))
        .with("compile", || run_compiler(&typed)(&large))
        .run(rounds.min(20));
    let mut deepest: f64 = 0.0;
    println!("\nNesting, 1,000 levels:");
    for (kind, text) in corpus::nested(1_000) {
        let result = typed.compile(&text);
        if let Some(diagnostic) = result.diagnostics().iter().find(|d| d.is_error()) {
            println!("  {kind:<22} refused: {} {}", diagnostic.code(), diagnostic.message());
            continue;
        }
        let times = Race::new()
            .with("floor", || run_floor(&text))
            .with("compile", || run_compiler(&typed)(&text))
            .run(rounds.min(60));
        let cost = ratio(times[1].1, times[0].1);
        deepest = deepest.max(cost);
        println!(
            "  {kind:<22} {cost:>7.2}x{}",
            if result.diagnostics().is_empty() {
                ""
            } else {
                "  (with a warning)"
            }
        );
    }

    let (chained, unchained) = (
        corpus::definition_chains(10_000, 10),
        corpus::definition_chains(10_000, 1),
    );
    corpus::verify(&typed, [chained.as_str(), unchained.as_str()]);
    let chain = Race::new()
        .with("unchained", || run_compiler(&typed)(&unchained))
        .with("chained", || run_compiler(&typed)(&chained))
        .run(rounds.min(20));
    let endless = corpus::definition_chains(10_000, 10_000);
    let begin = Instant::now();
    let refused = typed.compile(&endless);
    println!(
        "\nA chain of 10,000 in one text: {:.0} ms, {}",
        begin.elapsed().as_secs_f64() * 1e3,
        refused
            .diagnostics()
            .first()
            .map_or("compiled".to_owned(), |d| format!("{} {}", d.code(), d.message()))
    );
    let specs = [
        ("typical spec", corpus::spec(6)),
        ("spec of 200 definitions", corpus::spec(200)),
    ];
    for (name, text) in &specs {
        let times = Race::new()
            .with("floor", || run_floor(text))
            .with("spec", || drop(black_box(typed.compile_spec(text))))
            .run(rounds.min(100));
        let spec = typed.compile_spec(text);
        if let Some(found) = spec.diagnostics().iter().find(|d| d.is_error()) {
            panic!("the spec must compile: {} {}", found.code(), found.message());
        }
        println!(
            "{name}: {:.0} us, {:.1}x the floor of its text",
            times[1].1.as_secs_f64() * 1e6,
            ratio(times[1].1, times[0].1)
        );
    }

    let thousand = corpus::specs(1_000);
    for text in &thousand {
        let compiled_spec = typed.compile_spec(text);
        if let Some(found) = compiled_spec.diagnostics().iter().find(|d| d.is_error()) {
            panic!("the spec must compile: {} {}\n{text}", found.code(), found.message());
        }
    }
    let texts: Vec<SpecText<'_>> = thousand.iter().map(|text| SpecText { text, path: None }).collect();
    let together = || drop(black_box(typed.compile_specs(&texts)));
    let of_specs = Race::new()
        .with("one by one", || {
            thousand
                .iter()
                .for_each(|text| drop(black_box(typed.compile_spec(text))));
        })
        .with("together", together)
        .run(rounds.min(5));
    let (memory, ()) = measure_memory(together);
    let milliseconds = |at: usize| of_specs[at].1.as_secs_f64() * 1e3;
    println!(
        "1,000 different specs of two steps: {:.0} ms, together {:.0} ms",
        milliseconds(0),
        milliseconds(1)
    );

    let edited = after_one_edit(&typed, &texts, rounds.min(50));
    println!("1,000 specs after an edit of one: {:.1} ms", edited * 1e3);

    let [over_sets, written_out] = models_over_sets(&typed, rounds.min(5));
    println!(
        "500 models over 200 metric sets: {:.0} ms, written out as specs {:.0} ms",
        over_sets * 1e3,
        written_out * 1e3
    );

    println!("\n{:<44} {:>11} {:>9} {:>9}", "goal", "measured", "must", "aim");
    for (name, with, without) in &totals {
        let (must, aim) = if *name == "mix" { (8.0, 5.0) } else { (10.0, 6.0) };
        goals.line(&format!("full compile, {name}"), *with, must, aim, "x");
        goals.line(&format!("full compile, {name}, no schema"), *without, must, aim, "x");
    }
    goals.line(
        "allocations a definition, a call each",
        calls(&typed, mix).0,
        12.0,
        6.0,
        "",
    );
    goals.line(
        "allocations a definition, 1,000 in a text",
        costs[0].2.calls as f64 / 1e3,
        12.0,
        6.0,
        "",
    );
    goals.line("one text of 1,000", costs[0].0, 8.0, 5.0, "x");
    goals.line(
        "cost a definition, 100,000 over 1,000",
        costs[2].1 / costs[0].1,
        1.25,
        1.1,
        "x",
    );
    goals.line(
        "peak kB a definition, 100,000",
        costs[2].2.peak as f64 / 1e5 / 1e3,
        2.5,
        1.2,
        "",
    );
    goals.line("one 1 MB formula", ratio(single[1].1, single[0].1), 10.0, 6.0, "x");
    goals.line("nesting x 1,000, the worst kind", deepest, 10.0, 6.0, "x");
    goals.line(
        "1,000 specs together over one by one",
        ratio(of_specs[1].1, of_specs[0].1),
        1.25,
        0.6,
        "x",
    );
    goals.line(
        "1,000 specs after an edit of one over all",
        edited / of_specs[1].1.as_secs_f64(),
        0.1,
        0.05,
        "x",
    );
    goals.line(
        "500 models over 200 sets over written out",
        over_sets / written_out,
        4.0,
        2.0,
        "x",
    );
    goals.line(
        "peak MB of 1,000 specs together",
        memory.peak as f64 / 1e6,
        200.0,
        50.0,
        "",
    );
    goals.line(
        "10,000 in chains of 10 over unchained",
        ratio(chain[1].1, chain[0].1),
        1.5,
        1.2,
        "x",
    );
    goals.end(&arguments);
}
