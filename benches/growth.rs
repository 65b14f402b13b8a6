//! Compiles inputs in two sizes, the second four times as large as the first, so that `benches/instructions.py` can
//! check that cost is linear. callgrind counts the instructions of each call to `growth::run_shape`.
//!
//! Each pair of inputs has the same shape. The program prints the name of the shape before the two calls.

#![allow(
    missing_docs,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot run should stop"
)]

#[allow(dead_code, unused_imports, reason = "other modules test these shapes")]
#[path = "../tests/properties/deep.rs"]
mod deep;
#[path = "../tests/properties/large.rs"]
mod large;
#[allow(dead_code, reason = "the tests also change single edits")]
#[path = "../tests/sync/large.rs"]
mod large_edits;
#[path = "../tests/merge/large.rs"]
mod large_files;
#[path = "../tests/properties/large_joins.rs"]
mod large_joins;
#[path = "../tests/lineage/large.rs"]
mod large_queries;
#[allow(dead_code, reason = "only the tests of deep nesting use it")]
#[path = "../tests/properties/small_stack.rs"]
mod small_stack;

use std::cell::RefCell;
use std::hint::black_box;

use formulac::decompile::Decompiler;
use formulac::lineage::{RelationColumnList, lineage_of_sql};
use formulac::yaml_edit::apply_edits;
use formulac::{Compiler, Context, FormulaSession};

use deep::wide_schema;
use large::{AGAINST_SCHEMA, FORMULAS, SPECS, Shape};

/// Input shapes whose cost grows faster than the size of the input. In the first three, each definition repeats the SQL
/// of the definitions before it. In the others, a limit on the number of compared names or values bounds the cost of
/// larger inputs.
const EXCEPTIONS: &[&str] = &[
    "chained definitions",
    "chained definitions backwards",
    "chained definitions of rows",
    "unknown names",
    "unknown short names",
    "aliases that double",
];

/// callgrind writes the number of instructions after each call.
#[inline(never)]
fn run_shape(work: &dyn Fn(&str), text: &str) {
    work(black_box(text));
}

fn run_shapes(kind: &str, shapes: &[Shape], work: &dyn Fn(&str)) {
    for shape in shapes.iter().filter(|s| !EXCEPTIONS.contains(&s.name)) {
        // Use much smaller inputs than the tests of deep nesting, because callgrind is slow.
        let size = shape.size.isqrt();
        println!("{kind}: {}", shape.name);
        for size in [size, 4 * size] {
            run_shape(work, &(shape.make)(size));
        }
    }
}

fn main() {
    let compiler = Compiler::builder().context(Context::Row).build();
    run_shapes("formulas", FORMULAS, &|text| drop(compiler.compile(text)));
    // Compares many wrong names with many columns.
    let against = Compiler::builder().schema(wide_schema(100)).build();
    run_shapes("against a schema", AGAINST_SCHEMA, &|text| drop(against.compile(text)));
    let specs = Compiler::default();
    run_shapes("specs", SPECS, &|text| drop(specs.compile_spec(text)));
    println!("redshift: functions that the dialect does not have");
    let redshift = Compiler::builder()
        .context(Context::Row)
        .dialect("redshift".parse().unwrap());
    let redshift = redshift.build();
    for calls in [250, 1_000] {
        let text: String = (0..calls).map(|n| format!("d{n} = COMBIN(a, b) + {n}\n")).collect();
        run_shape(&|text| drop(redshift.compile(text)), &text);
    }
    println!("session: an edit of one definition over a column of unknown type");
    for definitions in [250, 1_000] {
        let text = |edited: &str| {
            let definition = |n| format!("d{n} = SUM(amount) * {}\n", if n == 100 { edited } else { "1" });
            (0..definitions).map(definition).collect::<String>()
        };
        let mut session = FormulaSession::default();
        session.compile(&specs, &text("1"));
        let session = RefCell::new(session);
        run_shape(
            &|text| {
                black_box(session.borrow_mut().compile(&specs, text));
            },
            &text("7"),
        );
    }
    println!("schema: a wrong name among many columns");
    for columns in [2_500, 10_000] {
        let compiler = Compiler::builder().schema(wide_schema(columns)).build();
        run_shape(
            &|text| drop(compiler.compile(text)),
            "a = SUM(column_17_) + SUM(column_18)",
        );
    }
    println!("specs: joins of relations without keys");
    for joins in [25, 100] {
        let compiler = Compiler::builder().schema(large_joins::schema(joins)).build();
        run_shape(&|text| drop(compiler.compile_spec(text)), &large_joins::spec(joins));
    }
    println!("manual edits: formulas and descriptions of all columns");
    // Run the decompiler once before the measurement, because it compiles the SQL of the functions on first use.
    let (compiler, decompiler) = (Compiler::default(), Decompiler::default());
    large_edits::EditedProject::new(&compiler, 2).reconcile(&compiler, &decompiler);
    for columns in [15, 60] {
        let project = large_edits::EditedProject::new(&compiler, columns);
        run_shape(
            &|_| {
                black_box(project.reconcile(&compiler, &decompiler));
            },
            "",
        );
    }
    for (name, query) in large_queries::QUERIES {
        println!("lineage: {name}");
        for size in [200, 800] {
            let lineage = |sql: &str| {
                let known = |_: &[String]| RelationColumnList::default();
                black_box(lineage_of_sql(sql, "postgres".parse().ok(), &known).unwrap());
            };
            run_shape(&lineage, &query(size));
        }
    }
    println!("files: edits of a properties file");
    for models in [15, 60] {
        let edits = large_files::many_edits(models);
        let edit = |text: &str| drop(black_box(apply_edits(text, &edits).unwrap()));
        run_shape(&edit, &large_files::properties_file(models));
    }
}
