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
    /// The model that dbt reads, where it is one of the project's own and of no package.
    pub fn own_model(&self) -> Option<&str> {
        match self {
            Self::Table(table) => Some(table.as_str()).filter(|t| !t.contains('.')),
            Self::Ref { arguments, model } => Some(model.as_str()).filter(|_| !arguments.contains(',')),
            Self::Source { .. } => None,
        }
    }

    /// The table as a query reads it: as written, or the name of the model or source.
    pub fn spelled(&self) -> &str {
        match self {
            Self::Table(table) => table,
            Self::Ref { .. } | Self::Source { .. } => self.name(),
        }
    }

    /// A name that says more than the last part of it: `raw.orders` is `raw_orders`.
    pub fn long_name(&self) -> String {
        let text = match self {
            Self::Table(table) => table,
            Self::Ref { arguments, .. } | Self::Source { arguments, .. } => arguments,
        };
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join("_")
    }

    /// The name by which the rows are known: the model, the table.
    pub fn name(&self) -> &str {
        match self {
            Self::Table(table) => table.rsplit('.').next().unwrap_or(table),
            Self::Ref { model, .. } => model,
            Self::Source { table, .. } => table,
        }
    }
}
