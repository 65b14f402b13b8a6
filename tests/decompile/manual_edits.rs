//! Tests manual edits as analysts write them. `manual_edits.txt` lists the edits and their formulas.

use formulac::{Column, Compiler, Dialect, Relation, Schema, Type};

use crate::decompiler;
use crate::skipped_cases::select_cases;

fn compiler(dialect: Dialect) -> Compiler {
    let columns = [
        ("country", Type::Text, true),
        ("name", Type::Text, true),
        ("city", Type::Text, true),
        ("note", Type::Text, false),
        ("id", Type::Integer, false),
        ("quantity", Type::Integer, true),
        ("amount", Type::Decimal, true),
        ("score", Type::Float, true),
        ("paid", Type::Boolean, true),
        ("day", Type::Date, true),
        ("shipped", Type::Date, true),
        ("paid_at", Type::Timestamp, true),
        ("other", Type::Unknown, true),
    ];
    let orders = columns
        .iter()
        .fold(Relation::new("orders"), |relation, (name, ty, nullable)| {
            relation.with(Column::new(*name, *ty).nullable(*nullable))
        });
    Compiler::builder()
        .dialect(dialect)
        .schema(Schema::new().with(orders))
        .build()
}

/// Sections of the table: the spec, and the SQL of its column.
const SECTIONS: [(&str, &str, &str); 4] = [
    (
        "columns of rows",
        "model: m\nfrom: orders\ndefinitions: value = 7919\n",
        "7919",
    ),
    (
        "columns of groups by country",
        "model: m\nfrom: orders\ngroup_by: country\ndefinitions: value = COUNT()\n",
        "count(*)",
    ),
    (
        "columns with a step before",
        "model: m\nfrom: orders\nsteps:\n  - name: revenues\n    group_by: country\n    definitions: revenue = SUM(amount)\n  - name: shares\n    keep: all\n    order_by: country\n    definitions: value = revenue + 7919\n",
        "revenue + 7919",
    ),
    (
        "columns of all months",
        "model: m\nfrom: orders\ngroup_by: day[month]\nfill: month\ndefinitions: value = COUNT()\n",
        "count(*)",
    ),
];

/// Line of the table.
struct Case<'t> {
    spec: &'static str,
    /// SQL of the column before the edit.
    column: &'static str,
    warehouses: Vec<&'t str>,
    edit: &'t str,
    /// Expected formula. `None` if the edit remains a manual edit.
    formula: Option<&'t str>,
}

fn cases(table: &str) -> Vec<Case<'_>> {
    let mut spec_and_column = ("", "");
    let lines = table
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let cases = lines.filter_map(|line| {
        if let Some(section) = line.strip_prefix("== ") {
            let found = SECTIONS.iter().find(|(name, ..)| *name == section);
            let (_, spec, column) = found.unwrap_or_else(|| panic!("{section}"));
            spec_and_column = (*spec, *column);
            return None;
        }
        let (warehouses, rest) = line
            .split_once(": ")
            .unwrap_or_else(|| panic!("no warehouse in {line}"));
        let warehouses = match warehouses {
            "all" => vec!["bigquery", "snowflake", "postgres", "duckdb"],
            some => some.split(' ').collect(),
        };
        let (edit, formula) = match rest.split_once("  =>  ") {
            Some((edit, formula)) => (edit, Some(formula)),
            None => (
                rest.split_once("  stays  ")
                    .unwrap_or_else(|| panic!("no formula in {line}"))
                    .0,
                None,
            ),
        };
        Some(Case {
            spec: spec_and_column.0,
            column: spec_and_column.1,
            warehouses,
            edit,
            formula,
        })
    });
    cases.collect()
}

/// Returns the formula for an edit, and the SQL of the formula if it differs from the edit.
fn find_formula(dialect: Dialect, case: &Case<'_>) -> Option<(String, Option<String>)> {
    let compiler = compiler(dialect);
    let compiled = compiler.compile_spec(case.spec);
    let sql = compiled.model_sql().unwrap();
    let before = format!("{} as value", case.column);
    assert!(sql.contains(&before), "{sql}");
    let found = sql.replacen(&before, &format!("{} as value", case.edit), 1);
    let formula = decompiler().find_formula_with_guards(&compiler, case.spec, None, &found, None, "value");
    formula.ok().map(|formula| {
        (
            formula.formula,
            formula.rewritten.map(|rewritten_sql| rewritten_sql.sql),
        )
    })
}

/// `FORMULAC_CASES` selects the edits that contain a string.
fn check(warehouse: &str) {
    let filter = std::env::var("FORMULAC_CASES").unwrap_or_default();
    let cases = cases(include_str!("manual_edits.txt"));
    let mut faults = Vec::new();
    let mut selected: Vec<_> = cases.iter().filter(|case| case.edit.contains(&filter)).collect();
    if filter.is_empty() {
        selected = select_cases(selected).collect();
    }
    selected.retain(|case| case.warehouses.contains(&warehouse));
    for case in selected {
        let found = find_formula(warehouse.parse().unwrap(), case).map(|(formula, _)| formula);
        if found.as_deref() != case.formula {
            faults.push(format!(
                "{warehouse}: {}: found {found:?}, expected {:?}",
                case.edit, case.formula
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn manual_edits_for_bigquery_become_formulas() {
    check("bigquery");
}

#[test]
fn manual_edits_for_snowflake_become_formulas() {
    check("snowflake");
}

#[test]
fn manual_edits_for_postgres_become_formulas() {
    check("postgres");
}

#[test]
fn manual_edits_for_duckdb_become_formulas() {
    check("duckdb");
}

/// A contract casts every column of the last select to its type. These casts are not part of the formulas.
#[test]
fn casts_of_a_contract_are_not_part_of_formulas() {
    let one_select = "model: m\nfrom: orders\ngroup_by: country\ncontract: {enforced: true}\ndefinitions: |\n  value = SUM(quantity)\n";
    // The last select only casts the column, and an earlier CTE computes it.
    let two_selects = format!("{one_select}  half = value / 2\n");
    for dialect in ["bigquery", "snowflake", "postgres", "duckdb"] {
        let compiler = compiler(dialect.parse().unwrap());
        for spec in [one_select, &two_selects] {
            for expected in [
                "MAX(quantity)",
                "SUM(quantity * 2)",
                "SUM(quantity) + 7",
                "COUNTUNIQUE(name)",
            ] {
                let edited = spec.replacen("SUM(quantity)", expected, 1);
                let edited = compiler.compile_spec(&edited).model_sql().unwrap().to_owned();
                let found = decompiler().find_formula(&compiler, spec, None, &edited, None, "value");
                assert_eq!(found.as_deref(), Ok(expected), "{dialect}: {edited}");
            }
        }
    }
}

/// The type of `other` is unknown. Only the formula of the column shows that it is a date.
#[test]
fn a_date_remains_a_date_in_an_edit_that_removes_its_timeframe() {
    let spec = "model: m\nfrom: orders\ndefinitions: value = other[month]\n";
    let compiler = compiler("bigquery".parse().unwrap());
    let sql = compiler.compile_spec(spec).model_sql().unwrap().to_owned();
    let edited = sql.replacen("date_trunc(other, month)", "date_add(other, interval 1 day)", 1);
    assert_ne!(sql, edited);
    let found = decompiler().find_formula(&compiler, spec, None, &edited, None, "value");
    assert_eq!(found.as_deref(), Ok("other[raw] + 1"));
}

/// An edit of a select that only passes a column on has no effect on the definition of the column.
#[test]
fn an_edit_after_the_step_of_a_definition_is_not_its_formula() {
    let spec = "model: m\nfrom: orders\nsteps:\n  - name: totals\n    group_by: country\n    definitions: revenue = SUM(amount)\n  - name: ranked\n    keep: all\n    order_by: country\n    definitions: growth = revenue - OFFSET(revenue, -1)\n  - name: doubles\n    keep: all\n    definitions: value = growth * 2\n";
    let compiler = compiler("bigquery".parse().unwrap());
    let sql = compiler.compile_spec(spec).model_sql().unwrap().to_owned();
    let passed_on = "    revenue,\n";
    let selects: Vec<usize> = sql.match_indices(passed_on).map(|(at, _)| at).collect();
    assert_eq!(selects.len(), 2, "{sql}");
    for at in selects {
        let mut edited = sql.clone();
        edited.replace_range(at..at + passed_on.len(), "    revenue * 2 as revenue,\n");
        let found = decompiler().find_formula_with_guards(&compiler, spec, None, &edited, Some("totals"), "revenue");
        let reason = found.map(|found| found.formula).unwrap_err().reason;
        assert_eq!(
            reason,
            "the CTE `totals` computes `revenue`, and the edited select only reads it; edit `totals`, or add a column with \
             a new name"
        );
    }
}
