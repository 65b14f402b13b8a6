//! dbt's syntax for node selection: `+revenue tag:finance,path:metrics/* --exclude …`.
//!
//! The implementation follows dbt's documentation of node selection and dbt's source file `graph/selector_spec.py`.
//! Spaces form a union, and commas form an intersection. A leading `+` adds ancestors, and a trailing `+` adds
//! descendants. A number next to the `+` limits the distance. A leading `@` adds the descendants and all their
//! ancestors.

mod criterion;
mod methods;
mod pattern;

use std::fmt;

use criterion::parse_criterion;

pub use methods::{SELECTION_METHODS, SUPPORTED_STATES, UNSUPPORTED_STATES};

/// Properties of a node that node selection uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SelectableNode {
    /// Name of the node.
    pub name: String,
    /// Resource type: `model`, `seed`, `source`, `test`, `exposure`, …
    pub kind: String,
    /// Package that contains the node.
    pub package: String,
    /// Whether the package is the project itself, which `package:this` selects.
    pub is_own: bool,
    /// Fully qualified name: package, folders and name.
    pub fqn: Vec<String>,
    /// Paths of the files that define the node, relative to the project folder.
    pub paths: Vec<String>,
    /// Tags of the node.
    pub tags: Vec<String>,
    /// Configuration of the node, with values as text.
    pub config: Vec<(String, String)>,
    /// Metrics that the node reads from metric sets, as `set.metric`.
    pub metrics: Vec<String>,
    /// Indexes of the nodes that the node reads.
    pub parents: Vec<usize>,
    /// Differences from the node in an earlier manifest. `None` if there is no earlier manifest.
    pub change: Option<StateChange>,
}

/// Differences between a node and the node with the same id in an earlier manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateChange {
    /// Whether the node is missing from the earlier manifest.
    pub is_new: bool,
    /// Whether the code differs.
    pub has_new_body: bool,
    /// Whether the configuration differs.
    pub has_new_config: bool,
    /// Whether the configured database, schema or alias differs.
    pub has_new_relation: bool,
}

/// Reason why a selection cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelectionError {
    /// Unknown method. The field is the word before the colon.
    UnknownMethod(String),
    /// Unknown value of `state:`. The field is the value.
    UnknownState(String),
    /// The selection uses `state:` without an earlier manifest.
    NoEarlierManifest,
}

impl fmt::Display for SelectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownMethod(method) => write!(f, "unknown selection method `{method}:`"),
            Self::UnknownState(value) => write!(f, "`state:{value}` is not supported"),
            Self::NoEarlierManifest => f.write_str("`state:` compares with an earlier manifest, but none is specified"),
        }
    }
}

impl std::error::Error for SelectionError {}

/// Returns, for each node, whether it is selected. If `select` is empty, all nodes except the nodes in `exclude` are
/// selected.
///
/// ```
/// use formulac_dbt::selection::{SelectableNode, select};
/// let node = |name: &str, parents: &[usize]| {
///     let mut node = SelectableNode::default();
///     node.name = name.to_owned();
///     node.fqn = vec!["shop".to_owned(), name.to_owned()];
///     node.parents = parents.to_vec();
///     node
/// };
/// let nodes = [node("orders", &[]), node("revenue", &[0]), node("growth", &[1])];
/// assert_eq!(select(&nodes, &["+revenue"], &[]), Ok(vec![true, true, false]));
/// assert_eq!(select(&nodes, &[], &["rev*+"]), Ok(vec![true, false, false]));
/// ```
///
/// # Errors
///
/// Returns an error if a method is not in [`SELECTION_METHODS`], if a state is not in [`SUPPORTED_STATES`], or if the
/// selection uses `state:` but a node has no [`SelectableNode::change`].
pub fn select<S: AsRef<str>>(
    nodes: &[SelectableNode],
    select: &[S],
    exclude: &[S],
) -> Result<Vec<bool>, SelectionError> {
    let mut chosen = if select.is_empty() {
        vec![true; nodes.len()]
    } else {
        select_any(nodes, select)?
    };
    for (chosen, out) in chosen.iter_mut().zip(select_any(nodes, exclude)?) {
        *chosen &= !out;
    }
    Ok(chosen)
}

fn select_any<S: AsRef<str>>(nodes: &[SelectableNode], texts: &[S]) -> Result<Vec<bool>, SelectionError> {
    let mut selected = vec![false; nodes.len()];
    for part in texts.iter().flat_map(|text| text.as_ref().split_whitespace()) {
        let mut every = vec![true; nodes.len()];
        for text in part.split(',').filter(|text| !text.is_empty()) {
            let matched = parse_criterion(text).nodes(nodes)?;
            every
                .iter_mut()
                .zip(matched)
                .for_each(|(every, matched)| *every &= matched);
        }
        selected
            .iter_mut()
            .zip(every)
            .for_each(|(selected, every)| *selected |= every);
    }
    Ok(selected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(path: &str, kind: &str, tags: &[&str], parents: &[usize]) -> SelectableNode {
        let words: Vec<&str> = path.trim_end_matches(".sql").split('/').collect();
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        SelectableNode {
            name: (*words.last().unwrap()).to_owned(),
            kind: kind.to_owned(),
            package: "shop".to_owned(),
            is_own: kind == "model",
            fqn: owned(&[&["shop"], &words[1..]].concat()),
            paths: vec![path.to_owned()],
            tags: owned(tags),
            config: vec![("materialized".to_owned(), "view".to_owned())],
            metrics: Vec::new(),
            parents: parents.to_vec(),
            change: None,
        }
    }

    fn nodes() -> Vec<SelectableNode> {
        vec![
            node("models/raw/orders", "source", &[], &[]),
            node("models/staging/stg_orders.sql", "model", &["nightly"], &[0]),
            node("models/formulac/revenue.sql", "model", &["finance", "nightly"], &[1]),
            node("models/formulac/growth.sql", "model", &["finance"], &[2, 4]),
            node("models/formulac/customers.sql", "model", &[], &[]),
        ]
    }

    fn selected_numbers(nodes: &[SelectableNode], selection: &str) -> String {
        let selected = select(nodes, &[selection], &[]).unwrap();
        let numbers = (0..selected.len()).filter(|at| selected[*at]).map(|at| at.to_string());
        numbers.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn selections_match_dbt() {
        for (chosen, expected) in [
            ("revenue", "2"),
            ("+revenue", "0 1 2"),
            ("1+revenue", "1 2"),
            ("revenue+", "2 3"),
            ("stg_orders+1", "1 2"),
            ("2+growth", "1 2 3 4"),
            ("@revenue", "0 1 2 3 4"),
            ("formulac", "2 3 4"),
            ("shop.formulac", "2 3 4"),
            ("formulac.rev*", "2"),
            ("*ers", "0 1 4"),
            ("tag:finance", "2 3"),
            ("tag:finance,tag:nightly", "2"),
            ("revenue customers", "2 4"),
            ("path:models/staging", "1"),
            ("models/formulac/", "2 3 4"),
            ("revenue.sql", "2"),
            ("file:rev*", "2"),
            ("resource_type:source", "0"),
            ("source:raw.orders+1", "0 1"),
            ("config.materialized:view", "0 1 2 3 4"),
            ("config.tags:fin*", "2 3"),
            ("package:other", ""),
            ("package:this", "1 2 3 4"),
            ("[g-r]*,resource_type:model", "2 3"),
            ("nothing", ""),
        ] {
            assert_eq!(selected_numbers(&nodes(), chosen), expected, "{chosen}");
        }
        assert_eq!(
            select(&nodes(), &[], &["tag:nightly", "growth"]).unwrap(),
            [true, false, false, false, true]
        );
        for (chosen, message) in [
            ("nonsense:x", "unknown selection method `nonsense:`"),
            ("tag:a,selector:b", "unknown selection method `selector:`"),
            ("state:modified.macros", "`state:modified.macros` is not supported"),
            (
                "1+state:new",
                "`state:` compares with an earlier manifest, but none is specified",
            ),
        ] {
            assert_eq!(select(&nodes(), &[chosen], &[]).unwrap_err().to_string(), message);
            assert!(select(&nodes(), &[], &[chosen]).is_err(), "{chosen}");
        }
    }

    #[test]
    fn changes_since_an_earlier_manifest() {
        let mut nodes = nodes();
        let change = |is_new, has_new_body, has_new_config, has_new_relation| {
            Some(StateChange {
                is_new,
                has_new_body,
                has_new_config,
                has_new_relation,
            })
        };
        let changes = [
            change(false, false, false, false),
            change(false, true, false, false),
            change(false, false, true, false),
            change(true, false, false, false),
            change(false, false, false, true),
        ];
        for (node, change) in nodes.iter_mut().zip(changes) {
            node.change = change;
        }
        for (chosen, expected) in [
            ("state:new", "3"),
            ("state:old", "0 1 2 4"),
            ("state:modified", "1 2 3 4"),
            ("state:modified.relation", "3 4"),
            ("state:modified.body", "1 3"),
            ("state:modified.configs", "2 3"),
            ("state:unmodified", "0"),
            ("state:modified.body+1", "1 2 3"),
            ("state:modified,tag:nightly", "1 2"),
        ] {
            assert_eq!(selected_numbers(&nodes, chosen), expected, "{chosen}");
        }
    }
}
