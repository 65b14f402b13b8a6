//! Checks that time does not grow with the square of the input. Twice the input may take at most 3.5 times as long.
//!
//! Only ratios are measured, each from the best of several runs. This bench only reports its results, because tests
//! must not depend on timing:
//!
//!     cargo bench --bench growth                all shapes
//!     cargo bench --bench growth -- chain       shapes with this word in their name

#![allow(
    missing_docs,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark that cannot run should stop"
)]

#[allow(dead_code, unused_imports, reason = "other modules test these shapes")]
#[path = "../tests/properties/deep.rs"]
mod deep;
#[path = "../tests/properties/large.rs"]
mod large;
#[allow(dead_code, reason = "only the tests of deep nesting use it")]
#[path = "../tests/properties/small_stack.rs"]
mod small_stack;

use std::time::{Duration, Instant};

use formulac::{Compiler, Context};

use deep::wide_schema;
use large::{AGAINST_SCHEMA, FORMULAS, SPECS, Shape};

const RATIO: f64 = 3.5;
/// Shorter runs mainly measure the resolution of the clock, and their fixed costs hide quadratic growth.
const LEAST: Duration = Duration::from_millis(100);

/// Shapes whose output grows faster than their input, because each definition repeats the SQL of the definitions before
/// it.
const GROWS_BY_CONTRACT: &[&str] = &[
    "chained definitions",
    "chained definitions backwards",
    "chained definitions of rows",
];

fn best(work: &dyn Fn(&str), text: &str, runs: usize) -> Duration {
    let run = |_| {
        let begun = Instant::now();
        work(text);
        begun.elapsed()
    };
    (0..runs).map(run).min().unwrap()
}

/// Returns a message with the sizes and the ratio. `None` if the ratio is acceptable.
fn superlinear_growth(shape: Shape, work: &dyn Fn(&str)) -> Option<String> {
    let mut size = (shape.size / 32).max(4);
    while size < shape.size && best(work, &(shape.make)(size), 2) < LEAST {
        size *= 2;
    }
    let (one, two) = ((shape.make)(size), (shape.make)(size * 2));
    // A single high ratio may be due to chance, so the ratio counts only if it occurs again with more runs.
    let mut ratio = 0.0;
    for runs in [1, 3] {
        ratio = best(work, &two, runs).as_secs_f64() / best(work, &one, runs).as_secs_f64().max(1e-4);
        if ratio <= RATIO || best(work, &two, 1) < LEAST {
            return None;
        }
    }
    Some(format!(
        "{}: {size} to {} takes {ratio:.1} times as long",
        shape.name,
        size * 2
    ))
}

fn measure_shapes(kind: &str, shapes: &[Shape], work: &dyn Fn(&str)) {
    let chosen = std::env::args()
        .skip(1)
        .find(|a| !a.starts_with('-'))
        .unwrap_or_default();
    for shape in shapes
        .iter()
        .filter(|s| s.name.contains(&chosen) && !GROWS_BY_CONTRACT.contains(&s.name))
    {
        match superlinear_growth(*shape, work) {
            Some(growth) => println!("{kind}: SUPERLINEAR {growth}"),
            None => println!("{kind}: linear {}", shape.name),
        }
    }
}

fn main() {
    let compiler = Compiler::builder().context(Context::Row).build();
    measure_shapes("formulas", FORMULAS, &|text| drop(compiler.compile(text)));
    // Compares many wrong names with many columns. The cost of a suggestion may grow with the size of the schema, but
    // no faster.
    let against = Compiler::builder().schema(wide_schema(100)).build();
    measure_shapes("against a schema", AGAINST_SCHEMA, &|text| drop(against.compile(text)));
    let specs = Compiler::default();
    measure_shapes("specs", SPECS, &|text| drop(specs.compile_spec(text)));
}
