//! Checks the statements for every case and every function form against the warehouses' rules.

use std::path::Path;

use formulac::{Column, Compiler, Dialect, Level, Relation, Schema, Type, catalog};

use crate::calls::{calls, query};
use crate::case::{ROW_ID, TABLE};
use crate::formula::{Plan, Variant, plan};
use crate::model_cases::{ModelCase, ModelFile};
use crate::rubric::corpus;
use crate::rule_pass::{Statements, rules, without_constraints};
use crate::statement_constructs::Facts;
use crate::{comparisons, compiled_statements, files, function_cases, join_tests, prove_statements, spec_case};

pub fn run() {
    // Some cases nest hundreds of calls.
    formulac::lineage::with_large_stack(|| {
        let mut statements = Statements::default();
        models(&mut statements, spec_case::read_all());
        models(&mut statements, &crate::sheet_case::read_all());
        metric_sets(&mut statements);
        projects(&mut statements);
        comparisons::look_up(&mut statements);
        prove_statements::look_up(&mut statements);
        catalog::functions().for_each(|function| forms(&mut statements, function));
        formulas(&mut statements);
        statements.judge("generated");
    })
    .expect("a thread starts");
}

/// Fails if a rule does not report its example, or if it reports correct SQL.
pub fn each_rule_reports_its_example() {
    let missed = rules(&["--examples"]).unwrap_or_default();
    assert!(missed.is_empty(), "{missed}");
}

/// Fails if a construct without a fact is not found, or if a known one is reported.
pub fn each_construct_is_looked_up() {
    let columns = [
        ("n", Type::Integer),
        ("d", Type::Decimal),
        ("f", Type::Float),
        ("s", Type::Text),
        ("day", Type::Date),
    ];
    let relation = columns.iter().fold(Relation::new(TABLE), |relation, (name, ty)| {
        relation.with(Column::new(*name, *ty))
    });
    let schema = Schema::new().with(relation);
    // A dialect, a statement, and the constructs that have no fact.
    let table: [(&str, &str, &[&str]); 20] = [
        ("duckdb", "select no_such(n) as x from t", &["calls: no_such(integer)"]),
        ("duckdb", "select round(d, 2) as x, round(n, 2) as y from t", &[]),
        (
            "duckdb",
            "select round(s, 2) as x from t",
            &["calls: round(text, integer)"],
        ),
        ("postgres", "select substr(s, n) as x from t", &[]),
        (
            "postgres",
            "select substr(s, f) as x from t",
            &["calls: substr(text, float)"],
        ),
        ("snowflake", "select substr(s, f) as x from t", &[]),
        ("snowflake", "select sum(d) over (partition by s) as x from t", &[]),
        (
            "snowflake",
            "select median(f) over (order by n rows 2 preceding) as x from t",
            &["calls: median(float) over (rows)"],
        ),
        (
            "snowflake",
            "select d + day as x from t",
            &["operators: decimal + date"],
        ),
        (
            "bigquery",
            "with c as (select safe.sqrt(f) as root, s from t) select root || s as x from c",
            &["operators: float || text"],
        ),
        (
            "bigquery",
            "select cast(s as bytes) as x from t",
            &["casts: cast(text as bytes)"],
        ),
        (
            "bigquery",
            "select extract(week from day) as x from t",
            &["calls: extract(week from date)"],
        ),
        (
            "bigquery",
            "select t.n from t left join t as u on t.n < u.n",
            &["clauses: left join on conditions without an equality"],
        ),
        (
            "duckdb",
            "select n from t intersect select n from t",
            &["clauses: another set operation"],
        ),
        ("duckdb", "select date '2024-01-01' - interval '1 day' as x from t", &[]),
        ("duckdb", "select time '10:00' as x from t", &["literals: time text"]),
        ("duckdb", "create table made (n bigint, s json)", &["types: json"]),
        (
            "snowflake",
            "insert into t (n) values (1), (no_such(2))",
            &["calls: no_such(integer)"],
        ),
        (
            "bigquery",
            "with c as (select cast('2024-01-31' as timestamp) as at) select datetime(at, 'UTC') as x from c",
            &[],
        ),
        (
            "postgres",
            "select array_agg(s order by s desc nulls first) as x from t",
            &["calls: array_agg(text order by text desc nulls first)"],
        ),
    ];
    for (dialect, sql, expected) in table {
        let dialect: Dialect = dialect.parse().expect("a dialect");
        let found: Vec<String> = Facts::of(dialect)
            .missing(sql, &schema)
            .expect("SQL")
            .into_iter()
            .collect();
        assert_eq!(found, expected, "{dialect}: {sql}");
    }
}

fn models<C: ModelCase>(statements: &mut Statements, files: &[ModelFile<C>]) {
    for (file, case) in files
        .iter()
        .flat_map(|file| file.cases.iter().map(move |case| (file, case)))
    {
        let from = format!("{}:{}: {}", file.path, case.line(), case.name());
        for schema in [case.schema(), without_constraints(&case.schema())] {
            for dialect in Dialect::all() {
                let compiler = Compiler::builder().dialect(dialect).schema(schema.clone()).build();
                let compiled = case.compile(&compiler);
                let Some(query) = compiled.query().filter(|_| !compiled.has_errors()) else {
                    continue;
                };
                let outputs: Vec<(&str, Type)> = compiled.columns().iter().map(|c| (c.name(), c.ty())).collect();
                statements.add(&from, dialect, query, &schema, &outputs);
                compiled_statements::look_up(statements, &from, dialect, &compiled, &schema);
            }
        }
    }
}

/// Looks up the tests of the metric sets that spec cases read.
fn metric_sets(statements: &mut Statements) {
    let cases = spec_case::read_all().iter().flat_map(|file| &file.cases);
    for (case, dialect) in cases.flat_map(|case| Dialect::all().map(move |dialect| (case, dialect))) {
        let compiler = Compiler::builder().dialect(dialect).schema(case.schema()).build();
        for set in case.compile_sets(&compiler) {
            compiled_statements::look_up(statements, &case.name, dialect, &set, &case.schema());
        }
    }
}

/// Looks up the models of projects, some of which are incremental or have rules and comparisons, and specs with joins
/// that no key guarantees.
fn projects(statements: &mut Statements) {
    let mut specs = corpus::specs();
    for folder in ["tests/example_project/incremental", "tests/example_project/proofs"] {
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("schema.yml");
        let (schema, faults) = Schema::from_text(&files::read(&schema), Dialect::default());
        assert!(faults.is_empty(), "{faults:?}");
        let files = files::below_path(folder).into_iter();
        specs.extend(files.map(|path| (files::short_name(&path), files::read(&path), schema.clone())));
    }
    let (joined, schema) = join_tests::specs();
    specs.extend(joined.map(|spec| ("join tests".to_owned(), spec.to_owned(), schema.clone())));
    for (name, spec, schema) in &specs {
        for dialect in Dialect::all() {
            let compiled = corpus::compiler(dialect, schema.clone()).compile_spec(spec);
            if let Some(query) = compiled.query() {
                statements.look_up(name, dialect, query, schema);
            }
            compiled_statements::look_up(statements, name, dialect, &compiled, schema);
        }
    }
}

/// Looks up the constructs of formula cases. Their values are compared on all engines, so the rules have nothing to add.
fn formulas(statements: &mut Statements) {
    for file in function_cases::read_all() {
        for case in &file.cases {
            let from = format!("{}:{}: {}", file.path.display(), case.line, case.name);
            let schema = Schema::new().with(case.table.relation());
            for dialect in Dialect::all() {
                if let Plan::Ask(question) = plan(case, dialect, Variant::Typed) {
                    statements.look_up(&from, dialect, &question.query, &schema);
                }
            }
        }
    }
}

fn forms(statements: &mut Statements, function: &'static catalog::Function) {
    for call in calls(function) {
        let columns = call.columns.iter().map(|(name, ty)| Column::new(name.as_str(), *ty));
        let relation = columns.fold(
            Relation::new(TABLE).with(Column::new(ROW_ID, Type::Integer).nullable(false)),
            Relation::with,
        );
        let schema = Schema::new().with(relation);
        for dialect in Dialect::all() {
            if let Ok(written) = call.compile(dialect) {
                let sql = format!("select {} as answer from {TABLE}", written.sql);
                statements.add(&call.shown(), dialect, &sql, &schema, &[("answer", written.ty)]);
            } else if function.level == Level::Aggregate {
                let query = query(&call.formula, &call.columns, dialect);
                query
                    .iter()
                    .for_each(|sql| statements.add(&call.shown(), dialect, sql, &schema, &[]));
            }
        }
    }
}
