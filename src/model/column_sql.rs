//! Generates SQL for a relation's columns.

use crate::dialect::Dialect;
use crate::schema::{Column, Relation};

/// Generates SQL for a relation's column names. If the relation is unknown, names are written as in the step.
#[derive(Clone, Copy)]
pub(super) struct ColumnSql<'i> {
    pub dialect: Dialect,
    pub relation: Option<&'i Relation>,
}

impl<'i> ColumnSql<'i> {
    pub fn schema_column(&self, name: &str) -> Option<&'i Column> {
        self.relation.and_then(|relation| relation.column(name))
    }

    pub fn column(&self, name: &str) -> String {
        match self.schema_column(name) {
            Some(column) => column.sql_name(self.dialect),
            None => self.dialect.name_text(name, true),
        }
    }

    pub fn is_nullable(&self, name: &str) -> bool {
        self.schema_column(name).is_none_or(Column::is_nullable)
    }
}
