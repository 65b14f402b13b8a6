//! Resolves `ref('orders')` and `source('raw', 'orders')` in the context of the node that contains the call.

use std::sync::Arc;

use formulac_syntax::text::is_word_char;

use crate::RelationReference;
use crate::jinja_parts::find_outside_brackets;

use super::manifest::Manifest;
use super::node::{ManifestNode, ResourceType};

/// `ref` or `source` call to a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ref {
    /// `ref('package', 'model', v=2)`.
    Model {
        /// Name of the model, seed or snapshot.
        name: Arc<str>,
        /// Package, if the call specifies one.
        package: Option<Arc<str>>,
        /// Version, if the call specifies one.
        version: Option<Arc<str>>,
    },
    /// `source('raw', 'orders')`.
    Source {
        /// Source that contains the table.
        source: Arc<str>,
        /// Name of the table.
        table: Arc<str>,
    },
}

impl Manifest {
    /// Resolves a reference in `node` to another node. The reference is a call such as `ref('orders', v=1)` or
    /// `source('raw', 'orders')`, possibly inside other Jinja, or a table name as quoted by the adapter. The method
    /// searches only the inputs of `node`, because several packages may have nodes with the same name.
    ///
    /// ```
    /// use formulac_dbt::artifacts::{ManifestReadOptions, Manifest};
    /// let text = r#"{"nodes": {"model.shop.orders": {"name": "orders", "resource_type": "model"},
    ///     "model.shop.revenue": {"name": "revenue", "depends_on": {"nodes": ["model.shop.orders"]}}}}"#;
    /// let manifest = Manifest::from_text(text, ManifestReadOptions::default()).unwrap();
    /// let revenue = manifest.node("model.shop.revenue").unwrap();
    /// let read = manifest.resolve_reference(revenue, "{{ get_where_subquery(ref('orders')) }}").unwrap();
    /// assert_eq!(&*read.unique_id, "model.shop.orders");
    /// ```
    #[must_use]
    pub fn resolve_reference(&self, node: &ManifestNode, text: &str) -> Option<&ManifestNode> {
        let dependencies = || node.depends_on.iter().filter_map(|id| self.node(id));
        let Some(call) = find_call(text).and_then(RelationReference::read) else {
            return dependencies().find(|other| other.relation_name.as_deref() == Some(text.trim()));
        };
        match &call {
            RelationReference::Source { group, table } => dependencies().find(|other| {
                let source = other.source().map(|source| &*source.source_name);
                source == Some(group.as_str()) && *other.name == **table
            }),
            RelationReference::Ref {
                package,
                model,
                version,
            } => {
                let is_meant = |other: &&ManifestNode| other.matches_ref(package.as_deref(), model, version.as_deref());
                // Prefer nodes in the package of the calling node.
                let same_package = dependencies().find(|other| is_meant(other) && other.package == node.package);
                same_package.or_else(|| dependencies().find(is_meant))
            }
            RelationReference::Table(_) | RelationReference::Relation(_) => None,
        }
    }

    /// Returns the shortest reference to a node: a model's name or, if the name is not sufficient, a `ref` or `source`
    /// call.
    ///
    /// ```
    /// use formulac_dbt::artifacts::{ManifestReadOptions, Manifest};
    /// let text = r#"{"nodes": {"model.shop.orders": {"name": "orders", "resource_type": "model"}},
    ///     "sources": {"source.shop.raw.orders": {"name": "orders", "source_name": "raw", "resource_type": "source"}}}"#;
    /// let manifest = Manifest::from_text(text, ManifestReadOptions::default()).unwrap();
    /// let reference = |id| manifest.reference(manifest.node(id).unwrap()).to_string();
    /// assert_eq!(reference("model.shop.orders"), "orders");
    /// assert_eq!(reference("source.shop.raw.orders"), "source('raw', 'orders')");
    /// ```
    #[must_use]
    pub fn reference(&self, node: &ManifestNode) -> RelationReference {
        if let Some(source) = node.source() {
            return RelationReference::Source {
                group: source.source_name.to_string(),
                table: node.name.to_string(),
            };
        }
        let mut others = self.nodes.iter().filter(|other| {
            let is_built = other.resource_type.is_referenceable();
            is_built && other.name == node.name && other.package != node.package
        });
        let package = others.next().map(|_| node.package.to_string());
        let version = node.version.as_deref().filter(|_| !node.is_latest()).map(str::to_owned);
        let is_plain = package.is_none() && version.is_none() && !node.name.contains('.');
        match is_plain {
            true => RelationReference::Table(node.name.to_string()),
            false => RelationReference::Ref {
                package,
                model: node.name.to_string(),
                version,
            },
        }
    }

    /// Returns the source table with this source name and table name.
    #[must_use]
    pub fn source(&self, source: &str, table: &str) -> Option<&ManifestNode> {
        self.with_type(ResourceType::Source).find(|node| {
            *node.name == *table
                && node
                    .source()
                    .is_some_and(|source_table| *source_table.source_name == *source)
        })
    }
}

/// Returns the text of the `ref` or `source` call in a string.
fn find_call(text: &str) -> Option<&str> {
    let starts = ["ref(", "source("].into_iter().filter_map(|word| {
        let is_word = |offset: &usize| !text.get(..*offset).unwrap_or_default().ends_with(is_word_char);
        text.match_indices(word).map(|(offset, _)| offset).find(is_word)
    });
    let start = starts.min()?;
    let rest = text.get(start..)?;
    let arguments = rest.find('(')? + 1;
    let length = find_outside_brackets(rest.get(arguments..)?, ')')?;
    rest.get(..=arguments + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_in_other_jinja() {
        for (text, expected) in [
            ("ref('a')", Some("ref('a')")),
            (
                "{{ get_where_subquery(source('raw', 'b')) }}",
                Some("source('raw', 'b')"),
            ),
            ("{{ ref('p', 'a', v=2) }}", Some("ref('p', 'a', v=2)")),
            ("ref('a)b')", Some("ref('a)b')")),
            ("my_ref('a')", None),
            ("ref('a'", None),
            ("\"shop\".\"main\".\"a\"", None),
        ] {
            assert_eq!(find_call(text), expected, "{text}");
        }
    }
}
