//! References to relations that a spec reads.

use std::borrow::Cow;
use std::fmt;

use super::{RelationName, call_arguments, jinja_string};
use crate::diag::suggest::nearest_name;
use crate::dialect::Dialect;
use formulac_core::schema::{Relation, RelationOrigin, Schema};
use formulac_syntax::text::split_words;

/// Relation that a spec reads, in dbt's terms.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum RelationReference {
    /// Name as written. A name with dots is a warehouse table, and a name without dots is a model in the project.
    Table(String),
    /// `ref('model')`, `ref('package', 'model', v=2)`.
    Ref {
        /// Package, if the call specifies one.
        package: Option<String>,
        /// Name of the model, seed or snapshot.
        model: String,
        /// Version, if the call specifies one.
        version: Option<String>,
    },
    /// `source('group', 'table')`.
    Source {
        /// Source that contains the table.
        group: String,
        /// Name of the table.
        table: String,
    },
    /// Warehouse relation, named as in a dbt artifact.
    Relation(RelationName),
}

impl RelationReference {
    /// Parses a table name, `ref` or `source`. `None` for any other text.
    pub fn read(text: &str) -> Option<Self> {
        for (word, is_ref) in [("ref", true), ("source", false)] {
            let Some(inside) = call_arguments(text, word) else {
                continue;
            };
            let arguments = parse_arguments(inside)?;
            let names: Vec<&String> = arguments.iter().filter(|(k, _)| k.is_none()).map(|(_, v)| v).collect();
            let mut versions = arguments.iter().filter(|(k, _)| k.is_some()).map(|(_, v)| v.clone());
            return match (is_ref, names.as_slice()) {
                (true, [package @ .., model]) if package.len() < 2 => {
                    let package = package.first().map(|package| (*package).clone());
                    Some(Self::Ref {
                        package,
                        model: (*model).clone(),
                        version: versions.next(),
                    })
                }
                (false, [group, table]) => Some(Self::Source {
                    group: (*group).clone(),
                    table: (*table).clone(),
                }),
                _ => None,
            };
        }
        let is_table = !text.is_empty()
            && text.split('.').all(|p| !p.is_empty())
            && !text.contains(['(', ')', '{', '}', '\n', '\'', '"', '`', ';', '\\', '\0']);
        is_table.then(|| Self::Table(text.to_owned()))
    }

    /// Returns the name of the model if this is a reference to a model without a package or version.
    #[must_use]
    pub fn unversioned_model(&self) -> Option<&str> {
        match self {
            Self::Table(table) => Some(table.as_str()).filter(|t| !t.contains('.')),
            Self::Ref {
                package: None,
                version: None,
                model,
            } => Some(model),
            Self::Ref { .. } | Self::Source { .. } | Self::Relation(_) => None,
        }
    }

    /// Returns the `ref` or `source` call for the relation. Returns `None` for a warehouse table.
    pub fn ref_call(&self) -> Option<String> {
        match self {
            // A name without dots is a model, and a name with dots is a table in the warehouse.
            Self::Table(table) => (!table.contains('.')).then(|| format!("ref('{table}')")),
            Self::Ref {
                package,
                model,
                version,
            } => {
                let package = package.iter().map(|package| format!("'{package}', "));
                let version = version.iter().map(|version| match version.parse::<f64>() {
                    Ok(_) => format!(", v={version}"),
                    Err(_) => format!(", v='{version}'"),
                });
                Some(format!(
                    "ref({}'{model}'{})",
                    package.collect::<String>(),
                    version.collect::<String>()
                ))
            }
            Self::Source { group, table } => Some(format!("source('{group}', '{table}')")),
            Self::Relation(_) => None,
        }
    }

    /// Returns the name to use in a query that runs without dbt: the table as written in the spec, or the name of the
    /// model or source table.
    #[must_use]
    pub fn relation_sql(&self, dialect: Dialect) -> String {
        let name_sql = |name: &str| dialect.name_text(name, true);
        match self {
            Self::Table(table) => table.split('.').map(name_sql).collect::<Vec<_>>().join("."),
            Self::Ref { .. } | Self::Source { .. } => name_sql(self.name()),
            Self::Relation(relation) => relation.to_sql(dialect),
        }
    }

    /// Returns the name to show in messages: the table as written in the spec, or the name of the model or source
    /// table.
    #[must_use]
    pub fn display_name(&self) -> Cow<'_, str> {
        match self {
            Self::Table(table) => Cow::Borrowed(table),
            Self::Ref { .. } | Self::Source { .. } => Cow::Borrowed(self.name()),
            Self::Relation(relation) => Cow::Owned(relation.display_name()),
        }
    }

    /// Returns dbt's default table name for a version of a model: `orders_v1`. `None` for other relations.
    pub fn versioned_name(&self) -> Option<String> {
        match self {
            Self::Ref {
                model,
                version: Some(version),
                ..
            } => Some(format!("{model}_v{version}")),
            _ => None,
        }
    }

    /// Returns the name that distinguishes the relation from others with the same last part: `raw.orders` for a table
    /// of a source, `orders_v1` for a version of a model. `None` for other relations.
    ///
    /// ```
    /// use formulac_dbt::RelationReference;
    /// let name = |text| RelationReference::read(text).unwrap().qualified_name();
    /// assert_eq!(name("source('raw', 'orders')").as_deref(), Some("raw.orders"));
    /// assert_eq!(name("ref('orders', v=1)").as_deref(), Some("orders_v1"));
    /// assert_eq!(name("ref('orders')"), None);
    /// ```
    #[must_use]
    pub fn qualified_name(&self) -> Option<String> {
        match self {
            Self::Source { group, table } => Some(format!("{group}.{table}")),
            Self::Ref {
                model,
                package: Some(package),
                version: None,
            } => Some(format!("{package}.{model}")),
            _ => self.versioned_name(),
        }
    }

    /// Returns the relation in the schema to which the reference refers. If several relations have the same name, such
    /// as a model and a table of a source, the schema lists one of them with the short name, and the others with longer
    /// names.
    #[must_use]
    pub fn find_in_schema<'s>(&self, schema: &'s Schema) -> Option<&'s Relation> {
        let qualified = self.qualified_name().and_then(|name| schema.relation(&name));
        let relation = qualified.or_else(|| schema.relation(self.name()))?;
        relation
            .origin()
            .is_none_or(|origin| self.refers_to(origin))
            .then_some(relation)
    }

    /// Returns the `ref` or `source` call for a warehouse table that is a relation of the dbt project. `None` for other
    /// references.
    #[must_use]
    pub fn call_for_table(&self, schema: &Schema) -> Option<String> {
        let Self::Table(table) = self else { return None };
        let (qualifier, name) = table.rsplit_once('.')?;
        let relation = self.find_in_schema(schema)?;
        let warehouse_schema = qualifier.rsplit('.').next()?;
        let is_schema = |schema: &str| schema.eq_ignore_ascii_case(warehouse_schema);
        // The name of a source may differ from the name of its schema.
        let is_source =
            matches!(relation.origin(), Some(RelationOrigin::Source(group)) if group.eq_ignore_ascii_case(qualifier));
        let is_same = relation.name().eq_ignore_ascii_case(name)
            && (is_source || relation.warehouse_schema().is_some_and(is_schema));
        let call = Self::Ref {
            package: None,
            model: name.to_owned(),
            version: None,
        };
        (is_same && relation.origin().is_some()).then(|| call.format_in_same_form(relation))
    }

    /// Returns whether the package, the version or the source in this reference matches the origin of a relation with
    /// the same name.
    fn refers_to(&self, origin: &RelationOrigin) -> bool {
        let is_same = |name: &Option<String>, known_name: Option<&str>| {
            name.as_deref()
                .is_none_or(|name| known_name.is_some_and(|origin_name| name.eq_ignore_ascii_case(origin_name)))
        };
        match (self, origin) {
            (
                Self::Ref { package, version, .. },
                RelationOrigin::Node {
                    package: known_package,
                    version: known_version,
                },
            ) => is_same(package, Some(known_package)) && is_same(version, known_version.as_deref()),
            (Self::Source { group, .. }, RelationOrigin::Source(known_group)) => {
                group.eq_ignore_ascii_case(known_group)
            }
            // A name with dots is a table in the warehouse, regardless of whether dbt calls it a source or a model.
            (Self::Table(table), RelationOrigin::Source(_)) => table.contains('.'),
            (Self::Table(_) | Self::Relation(_), _) => true,
            (Self::Ref { .. }, RelationOrigin::Source(_)) | (Self::Source { .. }, RelationOrigin::Node { .. }) => false,
        }
    }

    /// Returns the reference to the most similar relation, written like this reference. Prefers a relation with the
    /// same name, for example in another source.
    pub fn most_similar_relation<'s>(&self, relations: impl Iterator<Item = &'s Relation> + Clone) -> Option<String> {
        let tables = relations
            .clone()
            .filter_map(|relation| match (self, relation.origin()) {
                (Self::Source { .. }, Some(RelationOrigin::Source(group))) => {
                    Some(format!("{group}.{}", relation.name()))
                }
                _ => None,
            });
        let tables: Vec<String> = tables.collect();
        let name = self.qualified_name().unwrap_or_default();
        if let Some((group, table)) =
            nearest_name(&name, tables.iter().map(String::as_str)).and_then(|near| near.split_once('.'))
        {
            return Some(format!("source('{group}', '{table}')"));
        }
        let has_same_name = |relation: &&Relation| relation.name().eq_ignore_ascii_case(self.name());
        let near = relations.clone().find(has_same_name).or_else(|| {
            let name = nearest_name(self.name(), relations.clone().map(Relation::name))?;
            relations.clone().find(|relation| relation.name() == name)
        })?;
        Some(self.format_in_same_form(near))
    }

    /// Writes a reference to a relation in the form of this reference. A package or version is included if this
    /// reference has one, or if it distinguishes the relation from others with the same name.
    fn format_in_same_form(&self, relation: &Relation) -> String {
        let name = relation.name();
        let (package, version) = match relation.origin() {
            Some(RelationOrigin::Source(group)) => return format!("source('{group}', '{name}')"),
            Some(RelationOrigin::Node { package, version }) => (Some(package), version.as_ref()),
            None => (None, None),
        };
        let is_longer = relation.schema_name() != name;
        let has = |is_written: bool| is_written || is_longer;
        let call = Self::Ref {
            package: package
                .filter(|_| has(matches!(self, Self::Ref { package: Some(_), .. })) && version.is_none())
                .map(ToString::to_string),
            model: name.to_owned(),
            version: version
                .filter(|_| has(matches!(self, Self::Ref { version: Some(_), .. })))
                .map(ToString::to_string),
        };
        match (&call, self) {
            (
                Self::Ref {
                    package: None,
                    version: None,
                    ..
                },
                Self::Table(_),
            ) => name.to_owned(),
            _ => call.to_string(),
        }
    }

    /// Returns a name that is longer than [`name`](Self::name) and distinguishes relations with the same last part:
    /// `raw.orders` becomes `raw_orders`.
    pub fn distinguishing_name(&self) -> String {
        let text = match self {
            Self::Table(table) => table.clone(),
            Self::Ref {
                package,
                model,
                version,
            } => {
                let version = version.as_ref().map(|version| format!("v {version}"));
                [package.as_deref(), Some(model), version.as_deref()]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            Self::Source { group, table } => format!("{group} {table}"),
            Self::Relation(relation) => relation.display_name(),
        };
        let words = split_words(&text).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join("_")
    }

    /// Returns the last part of the name: the model or the table.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Table(table) => table.rsplit('.').next().unwrap_or(table),
            Self::Ref { model, .. } => model,
            Self::Source { table, .. } => table,
            Self::Relation(relation) => relation.name(),
        }
    }
}

/// Writes the reference as in a spec.
impl fmt::Display for RelationReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ref_call() {
            Some(call) if !matches!(self, Self::Table(_)) => f.write_str(&call),
            _ => f.write_str(&self.display_name()),
        }
    }
}

/// Parses the arguments of a `ref` or `source`: quoted strings, and `v=2`.
fn parse_arguments(inside: &str) -> Option<Vec<(Option<String>, String)>> {
    let mut arguments = Vec::new();
    for part in inside.split(',') {
        let (key, value) = match part.split_once('=') {
            Some((key, value)) => (Some(key.trim().to_owned()), value.trim()),
            None => (None, part.trim()),
        };
        let text = match (jinja_string(value), &key) {
            (Some(text), None) => text,
            (None, Some(key)) if matches!(key.as_str(), "v" | "version") => value,
            (Some(text), Some(key)) if matches!(key.as_str(), "v" | "version") => text,
            _ => return None,
        };
        // `events_*` is a wildcard table of BigQuery, and `/BIC/ORDERS` a table of SAP.
        let is_safe = |c: char| {
            let is_symbol = matches!(
                c,
                '_' | '-' | '.' | ' ' | '$' | '*' | '/' | '#' | '@' | ':' | '%' | '&' | '+'
            );
            c.is_alphanumeric() || is_symbol
        };
        if text.is_empty() || !text.chars().all(is_safe) {
            return None;
        }
        arguments.push((key, text.to_owned()));
    }
    Some(arguments)
}
