//! Checks how the SQL for a large sheet grows: in proportion to the sheet's size, with one CTE per nesting depth of
//! windows.

use std::fmt::Write as _;

use formulac::{Column, Compiler, Dialect, Relation, Schema, Type};

use crate::formula::letters;

const COLUMNS: usize = 60;

fn schema() -> Schema {
    let first = Relation::new("wide").with(Column::new("month", Type::Date).nullable(false));
    let relation = (1..COLUMNS).fold(first, |relation, at| {
        relation.with(Column::new(format!("x{at}"), Type::Decimal))
    });
    Schema::new().with(relation.primary_key(["month"]))
}

fn spec(calculations: &[String]) -> String {
    let names: Vec<String> = (1..COLUMNS).map(|at| format!("x{at}")).collect();
    let mut spec = format!(
        "model: m\nfrom: wide\ncolumns: [month, {}]\norder_by: month\ncalculations:\n",
        names.join(", ")
    );
    for (at, formula) in calculations.iter().enumerate() {
        let _ = writeln!(spec, "  calculation_{at}: \"={formula}\"");
    }
    spec
}

/// Returns the column letters of a calculation.
fn column_letters(calculation: usize) -> String {
    letters(COLUMNS + calculation)
}

/// Returns calculations in layers. Each calculation refers to two calculations of the previous layer by their column
/// letters, and to a third by its name.
fn layered_calculations(layers: usize, count: usize) -> Vec<String> {
    let in_layer = count / layers;
    (0..count)
        .map(|at| {
            let column = letters(1 + at % (COLUMNS - 1));
            if at < in_layer {
                // All calculations are different, because equal calculations would be computed only once, in a CTE
                // before the other calculations.
                return format!("{column}1 - {column}0 + {at}");
            }
            let first = (at / in_layer - 1) * in_layer;
            let (a, b) = (
                column_letters(first + at % in_layer),
                column_letters(first + (at * 7 + 3) % in_layer),
            );
            let named = first + (at * 3 + 1) % in_layer;
            format!("SUM({a}$1:{a}1) + {b}0 / calculation_{named} + SUM({column}:{column})")
        })
        .collect()
}

/// Returns a chain of calculations, in which each calculation is a window over the previous one.
fn chained(depth: usize) -> Vec<String> {
    (0..depth)
        .map(|at| {
            let column = if at == 0 {
                "B".to_owned()
            } else {
                column_letters(at - 1)
            };
            format!("SUM({column}$1:{column}1)")
        })
        .collect()
}

fn query(dialect: Dialect, calculations: &[String]) -> String {
    let compiled = Compiler::builder()
        .dialect(dialect)
        .schema(schema())
        .build()
        .compile_spec(&spec(calculations));
    let errors: Vec<&str> = compiled
        .diagnostics()
        .iter()
        .filter(|d| d.is_error())
        .map(formulac::Diagnostic::message)
        .collect();
    compiled
        .query()
        .unwrap_or_else(|| panic!("{dialect}: {errors:?}"))
        .to_owned()
}

fn ctes(query: &str) -> usize {
    query
        .lines()
        .filter(|line| line.ends_with(" as (") && !line.starts_with(' '))
        .count()
}

#[test]
fn sql_grows_with_the_calculations() {
    for dialect in Dialect::all() {
        let [once, twice, four_times] = [100, 200, 400].map(|count| query(dialect, &layered_calculations(4, count)));
        let grown = [twice.len() - once.len(), four_times.len() - twice.len()];
        // With linear growth, the second difference is twice the first.
        assert!(
            grown[1] * 10 <= grown[0] * 23,
            "{dialect}: {} {} {}",
            once.len(),
            twice.len(),
            four_times.len()
        );
        // Values that several calculations share are computed in a separate CTE before each nesting depth.
        for written in [&once, &four_times] {
            assert!(
                ctes(written) <= 2 * 4,
                "{dialect}: what counts is how deep windows stand:\n{written}"
            );
        }
    }
}

#[test]
fn ctes_count_the_depth_of_windows() {
    for dialect in Dialect::all() {
        for depth in [1, 2, 5, 40] {
            let written = query(dialect, &chained(depth));
            assert_eq!(ctes(&written), depth - 1, "{dialect}, {depth} deep:\n{written}");
        }
        let [once, twice, four_times] = [50, 100, 200].map(|depth| query(dialect, &chained(depth)).len());
        assert!(
            (four_times - twice) * 10 <= (twice - once) * 23,
            "{dialect}: {once} {twice} {four_times}"
        );
    }
}

#[test]
fn ranges_are_as_wide_as_the_sheet() {
    let names: Vec<String> = (0..1_500).map(|at| format!("x{at}")).collect();
    let columns = names.iter().map(|name| Column::new(name.as_str(), Type::Integer));
    let schema = Schema::new().with(columns.fold(Relation::new("wide"), Relation::with));
    let (all, last) = (names.join(", "), letters(names.len() - 1));
    let spec = format!("model: m\nfrom: wide\ncolumns: [{all}]\ncalculations:\n  total: \"=SUM($A:${last})\"\n");
    for dialect in Dialect::all() {
        let compiled = Compiler::builder()
            .dialect(dialect)
            .schema(schema.clone())
            .build()
            .compile_spec(&spec);
        let query = compiled.query().unwrap_or_default();
        let missing = names.iter().find(|name| !query.contains(&format!("sum({name}) over")));
        assert_eq!(missing, None, "{dialect}: {query}");
    }
}
