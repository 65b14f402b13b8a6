//! Builds the compiler from the options and the project's settings.

use formulac::dbt::RelationReference;
use formulac::{Builder, Compiler, Dialect, Project, Relation, Schema};

use super::args::{ContextName, Settings};
use super::exit::{Exit, Failure};

/// Creates a compiler for the dialect with a schema and the project's settings.
pub fn builder_with_schema(project: &Project, dialect: Dialect, schema: Schema) -> Builder {
    let builder = Compiler::builder()
        .dialect(dialect)
        .schema(schema)
        .blanks_as_zero(project.blanks_as_zero())
        .semantic_models(project.semantic_models())
        .inherit(project.inherit().iter().cloned())
        .week_start(project.week_start())
        .without_warnings(project.silenced().iter().copied());
    let builder = project
        .fiscal_month_offset()
        .into_iter()
        .fold(builder, Builder::fiscal_month_offset);
    match project.timezone() {
        Some(zone) => builder.timezone(zone),
        None => builder,
    }
}

impl Settings {
    /// Applies the settings for formulas to a compiler builder. `schema` contains the relations that `--from` may name.
    pub fn apply_to(&self, builder: Builder, schema: &Schema) -> Result<Builder, Failure> {
        if !self.columns.is_empty() && !matches!(self.context, Some(ContextName::Worksheet)) {
            return Err(Failure::new(
                Exit::Usage,
                "`--columns` names the columns of a worksheet, but the context is \
                not a worksheet",
            )
            .with_help("add `--context worksheet`"));
        }
        let mut builder = builder
            .group_by(split_names(&self.group_by))
            .order_by(split_names(&self.order_by))
            .partition_by(split_names(&self.partition_by));
        if !self.columns.is_empty() {
            builder = builder.columns(split_names(&self.columns));
        }
        if let Some(row) = self.row {
            builder = builder.row(row);
        }
        if self.blanks.is_some() {
            builder = builder.blanks_as_zero(true);
        }
        if let Some(context) = self.context {
            builder = builder.context(context.into());
        }
        if let Some(relation) = &self.from {
            // As in a spec, the relation may be a `ref` or a `source`.
            let reference = RelationReference::read(relation);
            builder = builder.from(match &reference {
                Some(call @ (RelationReference::Ref { .. } | RelationReference::Source { .. })) => {
                    call.find_in_schema(schema).map_or(call.name(), Relation::schema_name)
                }
                _ => relation,
            });
        }
        if let Some(zone) = &self.timezone {
            builder = builder.timezone(zone);
        }
        Ok(builder)
    }
}

/// Returns the names in a list, without empty entries between commas.
fn split_names(list: &[String]) -> impl Iterator<Item = &str> {
    list.iter().map(|name| name.trim()).filter(|name| !name.is_empty())
}
