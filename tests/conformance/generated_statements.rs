//! Checks the statements for every case and every function form against the warehouses' rules.

use formulac::{Column, Compiler, Dialect, Level, Relation, Schema, Type, catalog};

use crate::calls::{calls, query};
use crate::case::{ROW_ID, TABLE};
use crate::model_cases::{ModelCase, ModelFile};
use crate::rule_pass::{Statements, rules, without_constraints};

pub fn run() {
    let mut statements = Statements::default();
    models(&mut statements, crate::spec_case::read_all());
    models(&mut statements, &crate::sheet_case::read_all());
    catalog::functions().for_each(|function| forms(&mut statements, function));
    statements.judge("generated");
}

/// Fails if a rule does not report its example, or if it reports correct SQL.
pub fn each_rule_reports_its_example() {
    let missed = rules(&["--examples"]).unwrap_or_default();
    assert!(missed.is_empty(), "{missed}");
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
