//! Tests the largest inputs on a small stack, through parsing, checking, lowering, emitting and dropping.

use formulac::{Column, Compiler, Diagnostic, Dialect, Relation, Schema, Type};

use crate::large::{AGAINST_SCHEMA, FORMULAS, SPECS, Shape};
use crate::large_joins;
use crate::small_stack::small_stack;

/// Returns a schema with one relation that has many columns.
pub fn wide_schema(columns: usize) -> Schema {
    let mut relation = Relation::new("wide").with(Column::new("id", Type::Integer).nullable(false));
    for i in 0..columns {
        relation = relation.with(Column::new(format!("column_{i}"), Type::Decimal));
    }
    Schema::new().with(relation)
}

fn compiler(dialect: Dialect, schema: Schema) -> Compiler {
    Compiler::builder().dialect(dialect).schema(schema).build()
}

/// Asserts that no diagnostic is an internal error and that no message is too long to read.
fn check_readable(shape: Shape, diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        let message = diagnostic.message();
        assert_ne!(diagnostic.code(), "F0901", "{}: {message}", shape.name);
        assert!(
            message.len() < 1_000,
            "{}: a message of {} bytes",
            shape.name,
            message.len()
        );
    }
}

/// Asserts that `compile` returns SQL for a definition or reports at least one readable error.
fn compile(shape: Shape, dialect: Dialect, schema: Schema) {
    let text = (shape.make)(shape.size);
    let compiled = compiler(dialect, schema).compile(&text);
    let answered = !compiled.definitions().is_empty() || compiled.has_errors();
    assert!(
        answered || text.trim().is_empty() || is_comment(&text),
        "{}: neither SQL nor an error",
        shape.name
    );
    check_readable(shape, compiled.diagnostics());
}

fn is_comment(text: &str) -> bool {
    text.lines().all(|l| l.trim().is_empty() || l.starts_with("//"))
}

fn compile_spec(shape: Shape, dialect: Dialect) {
    let text = (shape.make)(shape.size);
    let compiled = compiler(dialect, Schema::new()).compile_spec(&text);
    assert!(
        compiled.query().is_some() || compiled.has_errors(),
        "{}: neither SQL nor an error",
        shape.name
    );
    check_readable(shape, compiled.diagnostics());
}

fn dialects() -> Vec<Dialect> {
    Dialect::all().collect()
}

/// Runs `work` on each shape. Prints the shape's name first, so that a crash of the process can be traced to the shape.
fn run_on_each(shapes: &'static [Shape], work: fn(Shape, Dialect)) {
    let chosen = std::env::var("SHAPE").unwrap_or_default();
    for (index, shape) in shapes
        .iter()
        .enumerate()
        .filter(|(_, s)| chosen.is_empty() || chosen.trim_start_matches('=') == s.name)
    {
        let dialect = dialects()[index % 4];
        let begun = std::time::Instant::now();
        small_stack(move || work(*shape, dialect));
        eprintln!("{:>8.2?} {} ({dialect})", begun.elapsed(), shape.name);
    }
}

#[test]
fn formulas() {
    run_on_each(FORMULAS, |shape, dialect| compile(shape, dialect, Schema::new()));
}

#[test]
fn formulas_against_a_schema() {
    run_on_each(AGAINST_SCHEMA, |shape, dialect| {
        compile(shape, dialect, wide_schema(100));
    });
}

#[test]
fn specs() {
    run_on_each(SPECS, compile_spec);
}

#[test]
fn joins() {
    small_stack(|| {
        let compiled = compiler(Dialect::default(), large_joins::schema(300)).compile_spec(&large_joins::spec(300));
        assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics());
        assert_eq!(compiled.model_tests().len(), 600);
    });
}

/// The length of the SQL for nested calls is linear: beyond a certain depth, the indent no longer increases.
#[test]
fn the_length_of_nested_calls_is_linear() {
    for dialect in Dialect::all() {
        let length = |levels: usize| {
            let formula = format!("{}x{}", "MOD(".repeat(levels), ", n)".repeat(levels));
            let spec = format!("model: m\nfrom: t\nkeep: [x]\ndefinitions: a = {formula} + 0.5\n");
            let compiled = compiler(dialect, Schema::new()).compile_spec(&spec);
            compiled.query().map_or(0, str::len)
        };
        let (short, long) = (length(40), length(160));
        assert!(short > 0 && long < short * 6, "{dialect}: {short} and {long} bytes");
    }
}

/// Compiles a source of the maximum size, and a source that is one byte larger.
#[test]
fn sources_of_the_maximum_size_compile() {
    let limit = formulac::limits::Limits::default().source;
    let mut text = "a = SUM(x)".to_owned();
    text.push_str(&" + SUM(long_name_of_a_column) * 1.5 // and a note\n".repeat(limit / 50));
    text.push_str(&" ".repeat(limit - text.len()));
    let too_long = format!("{text} ");
    for (text, fits) in [(text, true), (too_long, false)] {
        small_stack(move || {
            let compiled = Compiler::default().compile(&text);
            let codes: Vec<&str> = compiled.diagnostics().iter().map(formulac::Diagnostic::code).collect();
            if fits {
                assert!(!codes.contains(&"F0105"), "{codes:?}");
                assert!(compiled.definitions().len() == 1 || compiled.has_errors());
            } else {
                assert_eq!(codes, ["F0105"]);
                let spec = Compiler::default().compile_spec(&text);
                let codes: Vec<&str> = spec.diagnostics().iter().map(formulac::Diagnostic::code).collect();
                assert_eq!(codes, ["F0105"]);
            }
        });
    }
}
