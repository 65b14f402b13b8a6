//! Schema that a Python caller passes to the compiler.

use std::collections::BTreeMap;

use formulac::{Column, Dialect, Relation, Schema};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::diagnostic::{Offsets, fail};
use crate::invalid;

#[derive(FromPyObject)]
pub enum SchemaSource<'py> {
    /// Text of a schema file or dbt properties file.
    Text(String),
    /// Column types by relation and column name. Worksheets use the columns in this order.
    Types(BTreeMap<String, Bound<'py, PyDict>>),
}

impl SchemaSource<'_> {
    pub fn read(self, py: Python<'_>, dialect: Dialect) -> PyResult<Schema> {
        match self {
            Self::Text(text) => {
                let (schema, faults) = Schema::from_text(&text, dialect);
                if faults.iter().any(formulac::Diagnostic::is_error) {
                    return Err(fail(py, Offsets::new(&text).diagnostics(&faults)));
                }
                Ok(schema)
            }
            Self::Types(relations) => relations
                .into_iter()
                .try_fold(Schema::new(), |schema, (name, columns)| {
                    let mut relation = Relation::new(name);
                    for (name, ty) in columns {
                        let (name, ty): (String, String) = (name.extract()?, ty.extract()?);
                        let ty = ty
                            .parse()
                            .map_err(|fault| invalid(format_args!("column `{name}`: {fault}")))?;
                        relation = relation.with(Column::new(name, ty));
                    }
                    Ok(schema.with(relation))
                }),
        }
    }
}
