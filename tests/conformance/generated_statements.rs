//! Checks the statements for every case and every form of a function against the warehouses' rules.

use std::panic::resume_unwind;
use std::path::Path;
use std::thread::{self, ScopedJoinHandle};

use formulac::lineage::with_large_stack;
use formulac::{Column, Compiler, Dialect, Level, Relation, Schema, Type, catalog};

use crate::calls::{calls, query};
use crate::case::{ROW_ID, TABLE};
use crate::formula::{Plan, Variant, plan};
use crate::model_cases::{ModelCase, ModelFile};
use crate::rubric::corpus;
use crate::skipped_cases::select_cases;
use crate::statement_constructs::Facts;
use crate::warehouse_rules::{Statements, rules, without_constraints};
use crate::{comparisons, compiled_statements, files, function_cases, join_tests, prove_statements, spec_case};

pub fn run() {
    let of_dialect = |dialect| {
        let mut statements = Statements::default();
        models(&mut statements, dialect, spec_case::read_all());
        models(&mut statements, dialect, &crate::sheet_case::read_all());
        metric_sets(&mut statements, dialect);
        projects(&mut statements, dialect);
        comparisons::look_up(&mut statements, dialect);
        prove_statements::look_up(&mut statements, dialect);
        select_cases(catalog::functions()).for_each(|function| forms(&mut statements, dialect, function));
        formulas(&mut statements, dialect);
        statements
    };
    // Some cases nest hundreds of calls.
    let on_large_stack = move |dialect| with_large_stack(|| of_dialect(dialect)).expect("a thread starts");
    let all = thread::scope(|scope| {
        let threads: Vec<_> = Dialect::all()
            .map(|dialect| scope.spawn(move || on_large_stack(dialect)))
            .collect();
        let results = threads.into_iter().map(ScopedJoinHandle::join);
        let results = results.map(|result| result.unwrap_or_else(|panic| resume_unwind(panic)));
        results.reduce(Statements::merge)
    });
    all.expect("there are dialects").judge("generated");
}

/// Fails if a rule does not report its example or reports correct SQL.
pub fn each_rule_reports_its_example() {
    let missed = rules(&["--examples"]).unwrap_or_default();
    assert!(missed.is_empty(), "{missed}");
}

/// Fails if a construct without an entry in `dialects/facts` is not reported, or if a construct with an entry is
/// reported.
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
    // A dialect, a statement, and the constructs that have no entry in `dialects/facts`.
    let table: [(&str, &str, &[&str]); 22] = [
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
        ("duckdb", "select x from no_such(1) as t (x)", &["calls: no_such"]),
        ("duckdb", "select n from t group by all", &["clauses: group by all"]),
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
        let found: Vec<String> = Facts::for_dialect(dialect)
            .constructs_without_fact(sql, &schema)
            .expect("SQL")
            .into_iter()
            .collect();
        assert_eq!(found, expected, "{dialect}: {sql}");
    }
}

fn models<C: ModelCase>(statements: &mut Statements, dialect: Dialect, files: &[ModelFile<C>]) {
    let cases = files
        .iter()
        .flat_map(|file| file.cases.iter().map(move |case| (file, case)));
    for (file, case) in select_cases(cases) {
        let from = format!("{}:{}: {}", file.path, case.line(), case.name());
        for schema in [case.schema(), without_constraints(&case.schema())] {
            let compiler = Compiler::builder().dialect(dialect).schema(schema.clone()).build();
            let compiled = case.compile(&compiler);
            if dialect.unverified().is_some() && case.rejection_code().is_none() {
                let mut errors = compiled.diagnostics().iter().filter(|diagnostic| diagnostic.is_error());
                let other = errors.find(|error| !UNSUPPORTED.contains(&error.code()));
                // Some specs need a key, so they have errors without constraints.
                let has_facts = schema.relations() == case.schema().relations();
                assert!(other.is_none() || !has_facts, "{from}, {dialect}: {other:?}");
            }
            compiled_statements::add(statements, &from, dialect, &compiled, &schema);
        }
    }
}

/// Looks up the SQL constructs of the tests of the metric sets that spec cases read.
fn metric_sets(statements: &mut Statements, dialect: Dialect) {
    for case in select_cases(spec_case::read_all().iter().flat_map(|file| &file.cases)) {
        let compiler = Compiler::builder().dialect(dialect).schema(case.schema()).build();
        for set in case.compile_sets(&compiler) {
            compiled_statements::look_up(statements, &case.name, dialect, &set, &case.schema());
        }
    }
}

/// Looks up the SQL constructs of the projects' models, some of which are incremental or have rules and comparisons.
/// Also looks up the SQL constructs of specs with joins for which no key guarantees a single match.
fn projects(statements: &mut Statements, dialect: Dialect) {
    let mut specs = Vec::new();
    for folder in ["tests/example_project/incremental", "tests/example_project/proofs"] {
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("schema.yml");
        let (schema, faults) = Schema::from_text(&files::read(&schema), Dialect::default());
        assert!(faults.is_empty(), "{faults:?}");
        for path in files::below_path(folder) {
            let text = files::read(&path);
            if text.lines().any(|line| line.starts_with("model:")) {
                // The seeds of a project are not in its schema.
                let is_seed = schema.relations().iter().all(|of| !text.contains(of.name()));
                let schema = if is_seed { Schema::new() } else { schema.clone() };
                specs.push((files::short_name(&path), text, schema));
            }
        }
    }
    let (joined, schema) = join_tests::specs();
    specs.extend(joined.map(|spec| ("join tests".to_owned(), spec.to_owned(), schema.clone())));
    for (name, spec, schema) in &specs {
        let compiled = corpus::compiler(dialect, schema).compile_spec(spec);
        let is_refused = REFUSED
            .iter()
            .any(|(of, file)| *of == dialect.name() && name.ends_with(file));
        assert!(
            compiled.has_errors() == is_refused || dialect.unverified().is_some(),
            "{name}, {dialect}: {:?}",
            compiled.diagnostics()
        );
        compiled_statements::add(statements, name, dialect, &compiled, schema);
    }
    // Snapshots contain the specs of the corpus that a dialect rejects.
    for (name, spec, schema) in &corpus::specs() {
        let compiled = corpus::compiler(dialect, schema).compile_spec(spec);
        compiled_statements::add(statements, name, dialect, &compiled, schema);
    }
}

/// Errors that report what a dialect does not support.
const UNSUPPORTED: [&str; 3] = ["F0501", "F0507", "F0508"];

/// Specs of projects that a dialect rejects.
const REFUSED: [(&str, &str); 1] = [("bigquery", "weekly_growth.yml")];

/// Looks up the SQL constructs of formula cases. The rules check operators, which are not in the list of functions.
fn formulas(statements: &mut Statements, dialect: Dialect) {
    for file in select_cases(function_cases::read_all()) {
        for case in &file.cases {
            let from = format!("{}:{}: {}", file.path.display(), case.line, case.name);
            let schema = Schema::new().with(case.table.relation());
            let question = match plan(case, dialect, Variant::Typed) {
                Plan::Ask(question) => question,
                // For unverified dialects, the cases do not specify which formulas are unsupported.
                Plan::Failed { fault, .. } if dialect.unverified().is_some() => {
                    let mut texts = UNSUPPORTED.iter().chain(&["says nothing of this dialect"]);
                    let is_unsupported = texts.any(|text| fault.contains(text));
                    assert!(is_unsupported, "{from}, {dialect}: {fault}");
                    continue;
                }
                _ => continue,
            };
            statements.look_up(&from, dialect, &question.query, &schema);
            let is_operator = !file.function.starts_with(char::is_alphabetic);
            if let Some(ty) = question.ty.filter(|_| is_operator) {
                let sql = format!("select {} as answer from {TABLE}", question.sql);
                statements.add(&from, dialect, &sql, &schema, &[("answer", ty)]);
            }
        }
    }
}

fn forms(statements: &mut Statements, dialect: Dialect, function: &'static catalog::Function) {
    for call in calls(function) {
        let columns = call.columns.iter().map(|(name, ty)| Column::new(name.as_str(), *ty));
        let relation = columns.fold(
            Relation::new(TABLE).with(Column::new(ROW_ID, Type::Integer).nullable(false)),
            Relation::with,
        );
        let schema = Schema::new().with(relation);
        if let Ok(written) = call.compile(dialect) {
            let sql = format!("select {} as answer from {TABLE}", written.sql);
            statements.add(&call.describe(), dialect, &sql, &schema, &[("answer", written.ty)]);
        } else if function.level == Level::Aggregate {
            let query = query(&call.formula, &call.columns, dialect);
            query
                .iter()
                .for_each(|sql| statements.add(&call.describe(), dialect, sql, &schema, &[]));
        }
    }
}
