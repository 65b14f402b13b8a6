//! Resolves names on the command line. A name or unique id refers to a model, a source, a column or a definition in a
//! spec.

use std::collections::{BTreeSet, HashSet};

use super::graph::Graph;
use crate::artifacts::ResourceType;
use crate::diag::suggest;
use crate::lineage::RelationColumnList;
use formulac_syntax::diag::lists::{join_words_up_to, quote_names};

/// Node, column or definition to which a name refers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImpactTarget {
    /// Index of the node.
    pub node_index: usize,
    /// Column, in lower case. `None` if the name refers to the whole node.
    pub column: Option<String>,
    /// Definition of the node's spec. `None` unless the name refers to a definition that is not a column of the
    /// model.
    pub definition: Option<String>,
}

/// Error for a name that is unknown or ambiguous.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameError {
    /// Error message.
    pub message: String,
    /// Help for the user.
    pub help: String,
}

/// Maximum number of candidates that a message lists. The remaining candidates are only counted.
const MAX_LISTED_NAMES: usize = 8;

impl Graph<'_> {
    /// Resolves a name on the command line.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is unknown or ambiguous.
    pub fn resolve_target(&self, name: &str) -> Result<ImpactTarget, NameError> {
        crate::lineage::with_large_stack(|| self.find_target(name)).unwrap_or_else(|| {
            Err(NameError {
                message: "no thread could be started".to_owned(),
                help: String::new(),
            })
        })
    }

    fn find_target(&self, name: &str) -> Result<ImpactTarget, NameError> {
        let matching_nodes = self.nodes_with_name(name);
        match matching_nodes.as_slice() {
            [index] => {
                return Ok(ImpactTarget {
                    node_index: *index,
                    column: None,
                    definition: None,
                });
            }
            [_, _, ..] => {
                return Err(ambiguous_name_error(
                    name,
                    matching_nodes
                        .iter()
                        .filter_map(|node_index| Some(self.nodes.get(*node_index)?.id())),
                ));
            }
            [] => {}
        }
        // `orders.amount`, `raw.orders.amount` or `model.shop.orders.amount`. A column name may contain dots.
        let mut owners = Vec::new();
        for (offset, _) in name.match_indices('.') {
            let (owner, column) = (
                name.get(..offset).unwrap_or_default(),
                name.get(offset + 1..).unwrap_or_default(),
            );
            // `orders."Net Revenue"`, as in SQL
            let quoted = column.strip_prefix('"').and_then(|column| column.strip_suffix('"'));
            let column = quoted.unwrap_or(column);
            owners.extend(self.nodes_with_name(owner).into_iter().map(|index| (index, column)));
        }
        let mut impact_targets = BTreeSet::new();
        for (index, column) in &owners {
            impact_targets.extend(self.resolve_column(*index, column));
        }
        let mut targets = impact_targets.into_iter();
        match (targets.next(), targets.next()) {
            (Some(target), None) => return Ok(target),
            (Some(first), Some(second)) => {
                let candidates = [first, second].into_iter().chain(targets);
                return Err(ambiguous_name_error(
                    name,
                    candidates.map(|target| self.display_target(&target)),
                ));
            }
            (None, _) => {}
        }
        if let Some((index, column)) = owners.first() {
            let owner = self.node_name(*index);
            let mut columns = self.columns(*index).columns;
            columns.extend(self.definition_names(*index));
            let mut seen_columns = HashSet::new();
            columns.retain(|name| seen_columns.insert(name.clone()));
            let near = suggest::nearest_name(column, columns.iter().map(String::as_str));
            let help = match near {
                Some(near) => suggest::similar_name_help(&format!("{owner}.{near}")),
                None if columns.is_empty() => format!("the columns of `{owner}` are unknown"),
                None => format!(
                    "specify one of the columns {}",
                    join_words_up_to(&quote_names(columns), MAX_LISTED_NAMES)
                ),
            };
            return Err(NameError {
                message: format!("`{owner}` has no column `{column}`"),
                help,
            });
        }
        if !name.contains('.') {
            let column_targets: Vec<ImpactTarget> = self
                .relations()
                .filter_map(|node_index| self.find_declared_column(node_index, name))
                .collect();
            match column_targets.as_slice() {
                [target] => return Ok(target.clone()),
                [] => {}
                several => {
                    return Err(ambiguous_name_error(
                        name,
                        several.iter().map(|target| self.display_target(target)),
                    ));
                }
            }
        }
        let names: Vec<String> = self.nodes.iter().map(super::ImpactGraphNode::name).collect();
        let first = name.split('.').next().unwrap_or_default();
        let near = suggest::nearest_name(name, names.iter().map(String::as_str))
            .or_else(|| suggest::nearest_name(first, names.iter().map(String::as_str)));
        let help = match near {
            Some(near) => suggest::similar_name_help(near),
            None => "specify a model, a `source.table`, or a column: `model.column`".to_owned(),
        };
        Err(NameError {
            message: format!("there is no model or column `{name}`"),
            help,
        })
    }

    /// Resolves `model.column` if only some columns of the model are known, unless the column looks like a misspelling.
    /// Also returns a warning.
    #[must_use]
    pub fn resolve_column_of_partial_model(&self, name: &str) -> Option<(ImpactTarget, String)> {
        let find = || {
            let places = name.match_indices('.');
            let mut owners = places.flat_map(|(offset, _)| {
                let column = name.get(offset + 1..).unwrap_or_default();
                let owners = self.nodes_with_name(name.get(..offset).unwrap_or_default());
                owners.into_iter().map(move |index| (index, column))
            });
            let (index, column) = owners.next().filter(|_| owners.next().is_none())?;
            let RelationColumnList { columns, is_complete } = self.columns(index);
            let is_misspelled = || suggest::nearest_name(column, columns.iter().map(String::as_str)).is_some();
            if is_complete || !self.nodes.get(index)?.is_relation() || is_misspelled() {
                return None;
            }
            let warning = format!(
                "`{column}` is not among the known columns of `{}`; run `dbt docs generate` (dbt 2: `dbt build \
                 --write-catalog`) so that all columns are known",
                self.node_name(index)
            );
            let target = ImpactTarget {
                node_index: index,
                column: Some(column.to_lowercase()),
                definition: None,
            };
            Some((target, warning))
        };
        crate::lineage::with_large_stack(find).flatten()
    }

    /// Returns the nodes with a name or id. Relations take precedence over other resources, for example a model over
    /// an exposure with the same name.
    fn nodes_with_name(&self, name: &str) -> Vec<usize> {
        if let Some(index) = self.index_of(name) {
            return vec![index];
        }
        let is_called = |node_index: &usize| {
            self.nodes.get(*node_index).is_some_and(|part| {
                let in_package = || {
                    let node = part.node?;
                    name.strip_prefix(&*node.package)?
                        .strip_prefix('.')
                        .map(|rest| rest.eq_ignore_ascii_case(&part.name()))
                };
                part.name().eq_ignore_ascii_case(name) || in_package() == Some(true) || is_latest(part, name)
            })
        };
        let called_parts: Vec<usize> = (0..self.nodes.len()).filter(is_called).collect();
        let called_relations: Vec<usize> = called_parts
            .iter()
            .copied()
            .filter(|node_index| {
                self.nodes
                    .get(*node_index)
                    .is_some_and(super::ImpactGraphNode::is_relation)
            })
            .collect();
        if called_relations.is_empty() {
            called_parts
        } else {
            called_relations
        }
    }

    fn relations(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.nodes.len()).filter(|node_index| {
            self.nodes
                .get(*node_index)
                .is_some_and(super::ImpactGraphNode::is_relation)
        })
    }

    /// Returns a column that is known without parsing the node's SQL.
    fn find_declared_column(&self, index: usize, column: &str) -> Option<ImpactTarget> {
        let RelationColumnList { columns, .. } = self.columns_from_metadata(index);
        let is_known = columns
            .iter()
            .any(|known_column| known_column.eq_ignore_ascii_case(column));
        is_known.then(|| ImpactTarget {
            node_index: index,
            column: Some(column.to_lowercase()),
            definition: None,
        })
    }

    /// Returns a column that a node has or may have, or a definition of its spec.
    fn resolve_column(&self, index: usize, column: &str) -> Option<ImpactTarget> {
        if let Some(target) = self.find_declared_column(index, column) {
            return Some(target);
        }
        if let Some(definition) = self
            .definition_names(index)
            .into_iter()
            .find(|name| name.eq_ignore_ascii_case(column))
        {
            return Some(ImpactTarget {
                node_index: index,
                column: None,
                definition: Some(definition),
            });
        }
        let RelationColumnList { columns, is_complete } = self.columns(index);
        let is_known = columns
            .iter()
            .any(|known_column| known_column.eq_ignore_ascii_case(column));
        // If the column list of a source or seed is incomplete, accept any column name that does not look like a
        // misspelling. If the SQL of a model cannot be traced, accept any column name.
        let has_sql = self.nodes.get(index)?.has_sql();
        let is_unread = has_sql && matches!(self.lineage(index), Some(Err(_)));
        let is_misspelled = || suggest::nearest_name(column, columns.iter().map(String::as_str)).is_some();
        let may_be = !is_complete && (is_unread || (!has_sql && (is_known || !is_misspelled())));
        (is_known || may_be).then(|| ImpactTarget {
            node_index: index,
            column: Some(column.to_lowercase()),
            definition: None,
        })
    }

    fn definition_names(&self, index: usize) -> Vec<String> {
        let spec = self.nodes.get(index).and_then(|part| part.spec);
        spec.into_iter()
            .flat_map(|spec| spec.compiled.definitions())
            .map(|d| d.name().to_owned())
            .collect()
    }

    /// Returns the name to show for a target in messages.
    #[must_use]
    pub fn display_target(&self, target: &ImpactTarget) -> String {
        let name = self.node_name(target.node_index);
        match target.column.as_ref().or(target.definition.as_ref()) {
            Some(column) => format!("{name}.{column}"),
            None => name,
        }
    }
}

fn is_latest(part: &super::ImpactGraphNode<'_>, name: &str) -> bool {
    part.node.is_some_and(|node| {
        node.resource_type == ResourceType::Model
            && node.version.is_some()
            && node.is_latest()
            && node.name.eq_ignore_ascii_case(name)
    })
}

fn ambiguous_name_error(name: &str, candidates: impl Iterator<Item = String>) -> NameError {
    let candidates = quote_names(candidates);
    let help = format!(
        "specify one of the full names: {}",
        join_words_up_to(&candidates, MAX_LISTED_NAMES)
    );
    NameError {
        message: format!("`{name}` has several meanings"),
        help,
    }
}
