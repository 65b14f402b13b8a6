//! Where a model's rows come from.

/// Where a spec's rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// A table as written, perhaps with dots.
    Table(String),
    /// `ref('model')`, `ref('package', 'model', v=2)`.
    Ref { arguments: String, model: String },
    /// `source('group', 'table')`.
    Source { arguments: String, table: String },
}

impl From {
    /// The name by which the rows are known: the model, the table.
    pub fn name(&self) -> &str {
        match self {
            Self::Table(table) => table.rsplit('.').next().unwrap_or(table),
            Self::Ref { model, .. } => model,
            Self::Source { table, .. } => table,
        }
    }
}
