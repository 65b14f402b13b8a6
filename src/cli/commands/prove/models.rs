//! Proofs of the project's own models, with generated rows. The expected rows come from the interpreter, which shares
//! no code with the compiler.

use std::sync::Arc;

use formulac::{CompiledSpec, Compiler, Dialect, DraftedRows, DraftedValue, GivenRows, Relation, Type, draft_examples};
use serde_json::Value;

use super::cases::{CaseTable, ExpectedRows, ProofCase};

/// A model without a proof, and the reason.
pub type UnprovenModel = (String, String);

/// Returns the proofs of a model, one per drafted example.
pub fn model_proofs(
    compiler: &Compiler,
    source: &str,
    compiled: &CompiledSpec,
    dialect: Dialect,
) -> Result<Vec<ProofCase>, UnprovenModel> {
    let name = compiled.name().unwrap_or_default().to_owned();
    let unproven = |why: &str| Err((name.clone(), why.to_owned()));
    let Some(query) = compiled.query().filter(|_| !compiled.has_errors()) else {
        return unproven("the spec has errors");
    };
    if ["{{", "{%"].iter().any(|mark| query.contains(mark)) {
        return unproven("the SQL depends on dbt variables");
    }
    let draft = match draft_examples(compiler, source) {
        Ok(draft) => draft,
        Err(why) => return Ok(vec![proof_without_rows(source, query, &why, compiled, dialect)]),
    };
    let proof = |(number, example): (usize, &DraftedRows)| ProofCase {
        subject: name.clone(),
        case: format!("rows {}", number + 1),
        source: source.to_owned(),
        query: query.to_owned(),
        tables: example
            .given
            .iter()
            .map(|given_rows| table(given_rows, compiled, dialect))
            .map(Arc::new)
            .collect(),
        expected: ExpectedRows {
            rows: example.rows.iter().map(|row| row.iter().map(json).collect()).collect(),
            unordered: true,
            columns: Some(column_numbers(example, compiled)),
            unknown: None,
        },
    };
    Ok(draft.examples().iter().enumerate().map(proof).collect())
}

/// Returns a proof that only runs the query of a model, with empty tables.
fn proof_without_rows(source: &str, query: &str, why: &str, compiled: &CompiledSpec, dialect: Dialect) -> ProofCase {
    let tables = compiled.reads().iter().map(|read_relation| {
        let is_known =
            |relation: &&Relation| [read_relation.name(), &read_relation.display_name()].contains(&relation.name());
        let relation = compiled.known_relations().iter().find(is_known);
        let columns = relation.into_iter().flat_map(Relation::columns);
        let columns = columns.map(|column| (column.name().to_owned(), stored_type(column.ty(), [].iter())));
        CaseTable::new(&read_relation.relation_sql(dialect), columns.collect(), Vec::new())
    });
    ProofCase {
        subject: compiled.name().unwrap_or_default().to_owned(),
        case: "no rows".to_owned(),
        source: source.to_owned(),
        query: query.to_owned(),
        tables: tables.map(Arc::new).collect(),
        expected: ExpectedRows {
            unknown: Some(why.to_owned()),
            ..ExpectedRows::default()
        },
    }
}

/// Returns the positions of an example's columns in the model.
fn column_numbers(example: &DraftedRows, compiled: &CompiledSpec) -> Vec<usize> {
    let is = |name: &str| {
        compiled
            .columns()
            .iter()
            .position(|column| column.name().eq_ignore_ascii_case(name))
    };
    example.columns.iter().filter_map(|name| is(name)).collect()
}

/// Returns the table for a relation, with the name that the model's query uses.
fn table(given_rows: &GivenRows, compiled: &CompiledSpec, dialect: Dialect) -> CaseTable {
    let relation = compiled
        .reads()
        .iter()
        .find(|read_relation| read_relation.ref_call().as_ref() == Some(&given_rows.input));
    let name = relation.map_or_else(|| given_rows.input.clone(), |relation| relation.relation_sql(dialect));
    let columns = given_rows.columns.iter().enumerate().map(|(index, (name, ty))| {
        let values = given_rows.rows.iter().filter_map(|row| row.get(index));
        (name.clone(), stored_type(*ty, values))
    });
    let rows = given_rows
        .rows
        .iter()
        .map(|row| row.iter().map(json).collect())
        .collect();
    CaseTable::new(&name, columns.collect(), rows)
}

/// Returns the type of a column. If the schema does not specify the type, it is inferred from the values.
fn stored_type<'v>(ty: Type, mut values: impl Iterator<Item = &'v DraftedValue>) -> Type {
    match ty {
        Type::Number => Type::Decimal,
        Type::Unknown | Type::Other => match values.find(|value| **value != DraftedValue::Null) {
            Some(DraftedValue::Number(_)) => Type::Decimal,
            Some(DraftedValue::Boolean(_)) => Type::Boolean,
            _ => Type::Text,
        },
        ty => ty,
    }
}

fn json(value: &DraftedValue) -> Value {
    match value {
        DraftedValue::Null => Value::Null,
        DraftedValue::Boolean(value) => (*value).into(),
        DraftedValue::Number(value) if value.fract() == 0.0 && value.abs() < 1e15 => (*value as i64).into(),
        DraftedValue::Number(value) => (*value).into(),
        DraftedValue::Text(text) => text.as_str().into(),
    }
}
