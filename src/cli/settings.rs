//! The compiler that the options ask for.

use formulac::{Builder, Compiler, Dialect, Schema};

use super::args::{Settings, Target};
use super::exit::{Exit, Failure};
use super::session::Session;
use super::{project, schema};

impl Target {
    /// The dialect that is asked for, else the project's, else the default.
    pub fn dialect(&self, session: &Session) -> Result<Dialect, Failure> {
        match self.dialect {
            Some(dialect) => Ok(dialect),
            None => Ok(project::dialect(session.global.project_dir.as_deref())?.unwrap_or_default()),
        }
    }

    /// A compiler for the dialect and the schema.
    pub fn builder(&self, dialect: Dialect) -> Result<Builder, Failure> {
        let schema = match &self.schema {
            Some(path) => schema::read(path, dialect)?,
            None => Schema::new(),
        };
        Ok(Compiler::builder().dialect(dialect).schema(schema))
    }
}

impl Settings {
    /// A compiler with everything that is said of the formulas.
    pub fn compiler(&self, dialect: Dialect) -> Result<Compiler, Failure> {
        if !self.columns.is_empty() {
            return Err(Failure::new(Exit::Usage, "`--columns` is not built yet").with_help("write the columns' names"));
        }
        let mut builder = self
            .target
            .builder(dialect)?
            .group_by(names(&self.group_by))
            .order_by(names(&self.order_by))
            .partition_by(names(&self.partition_by))
            .blanks_as_zero(self.blanks.is_some());
        if let Some(context) = self.context {
            builder = builder.context(context.into());
        }
        if let Some(relation) = &self.from {
            builder = builder.from(relation);
        }
        if let Some(zone) = &self.timezone {
            builder = builder.timezone(zone);
        }
        Ok(builder.build())
    }
}

/// The names of a list; what stands between two commas and is nothing names nothing.
fn names(list: &[String]) -> impl Iterator<Item = &str> {
    list.iter().map(|name| name.trim()).filter(|name| !name.is_empty())
}
