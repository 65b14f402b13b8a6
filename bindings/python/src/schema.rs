//! Schema that a Python caller passes to the compiler.

use formulac::{Column, Dialect, Relation, Schema};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyMapping;

use crate::diagnostic::{Offsets, fail};
use crate::invalid;

/// Reads a schema: the text of a schema file or dbt properties file, or a nested mapping of relations, columns and
/// types. Worksheets use the columns in the order of the mapping.
pub fn read_schema(schema: &Bound<'_, PyAny>, dialect: Dialect) -> PyResult<Schema> {
    if let Ok(text) = schema.extract::<String>() {
        let py = schema.py();
        let (schema, faults) = Schema::from_text(&text, dialect);
        if faults.iter().any(formulac::Diagnostic::is_error) {
            let faults = Offsets::new(&text).diagnostics(&faults);
            return Err(fail(py, faults, &text, "schema: "));
        }
        return Ok(schema);
    }
    let mut read = Schema::new();
    for (name, columns) in pairs(schema, "schema")? {
        let path = format!("schema[{name:?}]");
        let mut relation = Relation::new(name);
        for (name, type_name) in pairs(&columns, &path)? {
            let path = format!("{path}[{name:?}]");
            let type_name: String = type_name
                .extract()
                .map_err(|_| wrong_type(&path, "a type, such as 'decimal'", &type_name))?;
            let column = Column::from_type_name(name, &type_name).map_err(|fault| {
                let help = fault.help().map(|help| format!("; {help}")).unwrap_or_default();
                invalid(format_args!("{path}: {}{help}", fault.message()))
            })?;
            relation = relation.with(column);
        }
        read = read.with(relation);
    }
    Ok(read)
}

/// Returns the pairs of a mapping whose keys are names. `path` is the mapping's path, for errors.
fn pairs<'py>(mapping: &Bound<'py, PyAny>, path: &str) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
    let expected = if path == "schema" {
        "a string or a mapping"
    } else {
        "a mapping from columns to types"
    };
    let mapping = mapping
        .cast::<PyMapping>()
        .map_err(|_| wrong_type(path, expected, mapping))?;
    let mut pairs = Vec::new();
    for pair in mapping.items()?.iter() {
        let (name, value): (Bound<'py, PyAny>, Bound<'py, PyAny>) = pair.extract()?;
        pairs.push((
            name.extract().map_err(|_| wrong_type(path, "names as keys", &name))?,
            value,
        ));
    }
    Ok(pairs)
}

fn wrong_type(path: &str, expected: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let found = value
        .get_type()
        .name()
        .map_or_else(|_| "another type".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("{path}: expected {expected}, found {found}"))
}
