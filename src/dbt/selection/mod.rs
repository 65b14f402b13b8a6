//! dbt's syntax for node selection: `+revenue tag:finance,path:metrics/* --exclude …`.
//!
//! The implementation follows dbt's documentation of node selection and dbt's source file `graph/selector_spec.py`.
//! Spaces form a union, and commas form an intersection. A leading `+` adds ancestors, and a trailing `+` adds
//! descendants. A number next to the `+` limits the distance. A leading `@` adds the descendants and all their
//! ancestors.

use std::collections::VecDeque;
use std::fmt;

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
    /// Metrics of metric sets that the node reads, as `set.metric`.
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

/// Unsupported part of a selection.
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

/// Supported selection methods.
pub const METHODS: &[&str] = &[
    "access",
    "config",
    "exposure",
    "file",
    "fqn",
    "group",
    "metric",
    "metric_set",
    "package",
    "path",
    "resource_type",
    "saved_query",
    "semantic_model",
    "source",
    "state",
    "tag",
    "unit_test",
];

/// Supported values of the method `state`.
pub const STATES: &[&str] = &[
    "modified",
    "modified.body",
    "modified.configs",
    "modified.relation",
    "new",
    "old",
    "unmodified",
];

/// Values of the method `state` that dbt supports but this module does not. Each value is paired with the property that
/// it compares.
pub const STATES_OF_DBT: &[(&str, &str)] = &[
    ("modified.contract", "the columns and constraints of contracts"),
    ("modified.macros", "the code of macros"),
    (
        "modified.persisted_descriptions",
        "descriptions that dbt writes to the warehouse",
    ),
];

/// One criterion of a selection: a method, a value and graph operators.
#[derive(Debug, Default)]
struct SelectionCriterion<'s> {
    method: &'s str,
    value: &'s str,
    /// Maximum distance of the ancestors. `None` if there is no leading `+`. `children` is the maximum distance of the
    /// descendants, for a trailing `+`.
    parents: Option<usize>,
    children: Option<usize>,
    childrens_parents: bool,
}

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
/// Returns an error if a method is not in [`METHODS`], if a state is not in [`STATES`], or if the selection uses
/// `state:` but a node has no [`SelectableNode::change`].
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
    let mut all = vec![false; nodes.len()];
    for part in texts.iter().flat_map(|text| text.as_ref().split_whitespace()) {
        let mut every = vec![true; nodes.len()];
        for text in part.split(',').filter(|text| !text.is_empty()) {
            let matched = parse_criterion(text).nodes(nodes)?;
            every
                .iter_mut()
                .zip(matched)
                .for_each(|(every, matched)| *every &= matched);
        }
        all.iter_mut().zip(every).for_each(|(all, every)| *all |= every);
    }
    Ok(all)
}

fn parse_criterion(text: &str) -> SelectionCriterion<'_> {
    let mut of = SelectionCriterion {
        value: text,
        ..SelectionCriterion::default()
    };
    if let Some(rest) = of.value.strip_prefix('@') {
        (of.value, of.childrens_parents) = (rest, true);
    }
    if let Some((depth, rest)) = of
        .value
        .split_once('+')
        .and_then(|(depth, rest)| Some((parse_steps(depth)?, rest)))
    {
        (of.value, of.parents) = (rest, Some(depth));
    }
    if let Some((rest, depth)) = of
        .value
        .rsplit_once('+')
        .and_then(|(rest, depth)| Some((rest, parse_steps(depth)?)))
    {
        (of.value, of.children) = (rest, Some(depth));
    }
    let is_method = |method: &str| {
        method
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
    };
    match of.value.split_once(':').filter(|(method, _)| is_method(method)) {
        Some((method, value)) => (of.method, of.value) = (method, value),
        // The following cases are dbt's rules for a criterion without a method.
        None if of.value.contains(['/', '\\']) => of.method = "path",
        None if [".sql", ".yml", ".yaml", ".csv", ".py"]
            .iter()
            .any(|end| of.value.ends_with(end)) =>
        {
            of.method = "file";
        }
        None => of.method = "fqn",
    }
    of
}

/// Parses the maximum distance next to a `+`. If the text is empty, the distance is unlimited.
fn parse_steps(text: &str) -> Option<usize> {
    if text.is_empty() {
        Some(usize::MAX)
    } else {
        text.parse().ok()
    }
}

impl SelectionCriterion<'_> {
    fn nodes(&self, nodes: &[SelectableNode]) -> Result<Vec<bool>, SelectionError> {
        let (method, key) = self.method.split_once('.').unwrap_or((self.method, ""));
        if !METHODS.contains(&method) {
            return Err(SelectionError::UnknownMethod(self.method.to_owned()));
        }
        if method == "state" && !STATES.contains(&self.value) {
            return Err(SelectionError::UnknownState(self.value.to_owned()));
        }
        if method == "state" && nodes.iter().all(|node| node.change.is_none()) {
            return Err(SelectionError::NoEarlierManifest);
        }
        let own: Vec<bool> = nodes
            .iter()
            .map(|node| is_matched(node, method, key, self.value))
            .collect();
        let mut chosen = own.clone();
        let mut add = |more: Vec<bool>| chosen.iter_mut().zip(more).for_each(|(chosen, more)| *chosen |= more);
        let parents: Vec<&[usize]> = nodes.iter().map(|node| node.parents.as_slice()).collect();
        if let Some(depth) = self.parents {
            add(nodes_within(&own, depth, &parents));
        }
        if self.children.is_some() || self.childrens_parents {
            let mut children: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
            for (number, parents) in parents.iter().enumerate() {
                for parent in *parents {
                    if let Some(children) = children.get_mut(*parent) {
                        children.push(number);
                    }
                }
            }
            if let Some(depth) = self.children {
                add(nodes_within(&own, depth, &children));
            }
            if self.childrens_parents {
                let below = nodes_within(&own, usize::MAX, &children);
                add(nodes_within(&below, usize::MAX, &parents));
            }
        }
        Ok(chosen)
    }
}

/// Returns which nodes are at most `depth` edges away from the start nodes. The start nodes are included.
fn nodes_within(from: &[bool], depth: usize, edges: &[impl AsRef<[usize]>]) -> Vec<bool> {
    let mut seen = from.to_vec();
    let starts = from.iter().enumerate().filter(|(_, is_start)| **is_start);
    let mut queue: VecDeque<(usize, usize)> = starts.map(|(at, _)| (at, 0)).collect();
    while let Some((at, far)) = queue.pop_front() {
        if far == depth {
            continue;
        }
        for to in edges.get(at).map(AsRef::as_ref).unwrap_or_default() {
            if let Some(new) = seen.get_mut(*to).filter(|seen| !**seen) {
                *new = true;
                queue.push_back((*to, far + 1));
            }
        }
    }
    seen
}

fn is_matched(node: &SelectableNode, method: &str, key: &str, value: &str) -> bool {
    let is_said = |key: &str| {
        node.config
            .iter()
            .any(|(name, said)| name == key && is_like(said, value))
    };
    match method {
        "fqn" => is_named(node, value),
        "tag" => node.tags.iter().any(|tag| is_like(tag, value)),
        "path" => node.paths.iter().any(|path| is_below(path, value)),
        "file" => node.paths.iter().any(|path| {
            let file = path.rsplit('/').next().unwrap_or(path);
            let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
            is_like(file, value) || is_like(stem, value)
        }),
        "package" if value == "this" => node.is_own,
        "package" => is_like(&node.package, value),
        "resource_type" => node.kind == value || value == "all",
        // The tags in the configuration are the tags of the node.
        "config" if key == "tags" => node.tags.iter().any(|tag| is_like(tag, value)),
        "config" => is_said(key),
        "state" => node.change.is_some_and(|change| change.is_in_state(value)),
        "group" | "access" => is_said(method),
        // Matches `source:raw.orders` and `source:raw`, optionally with the package as a prefix.
        "source" => node.kind == "source" && is_source(&node.fqn, &node.package, value),
        "metric" if node.metrics.iter().any(|metric| is_like(metric, value)) => true,
        "metric_set" => node
            .metrics
            .iter()
            .any(|metric| metric.split_once('.').is_some_and(|(set, _)| is_like(set, value))),
        kind => node.kind == kind && (is_like(&node.name, value) || is_named(node, value)),
    }
}

impl StateChange {
    /// Returns whether the change matches a value of `state:`. As in dbt, a new node counts as modified in every
    /// respect.
    fn is_in_state(self, state: &str) -> bool {
        match state {
            "new" => self.is_new,
            "old" => !self.is_new,
            "modified.body" => self.is_new || self.has_new_body,
            "modified.configs" => self.is_new || self.has_new_config,
            "modified.relation" => self.is_new || self.has_new_relation,
            "modified" => self.is_new || self.has_new_body || self.has_new_config || self.has_new_relation,
            _ => !self.is_in_state("modified"),
        }
    }
}

fn is_source(fqn: &[String], package: &str, value: &str) -> bool {
    let [.., group, table] = fqn else { return false };
    match value.split('.').collect::<Vec<_>>().as_slice() {
        [one] => is_like(group, one) || *one == "*",
        [of, name] => is_like(group, of) && is_like(table, name),
        [of_package, of, name] => is_like(package, of_package) && is_like(group, of) && is_like(table, name),
        _ => false,
    }
}

/// Returns whether a value matches the last part or a prefix of the node's fully qualified name. A prefix may omit the
/// package.
fn is_named(node: &SelectableNode, value: &str) -> bool {
    let is_leaf = |fqn: &[String]| fqn.last().is_some_and(|leaf| is_like(leaf, value));
    let parts: Vec<&str> = value.split('.').collect();
    let rest = |parts: &[&str], from: usize| parts.get(from..).unwrap_or_default().join(".");
    let is_way = |fqn: &[String]| {
        let flat: Vec<&str> = fqn.iter().flat_map(|part| part.split('.')).collect();
        if flat.len() < parts.len() {
            return false;
        }
        let wild = parts.iter().position(|part| part.contains(['*', '?', '[', ']']));
        let plain = wild.unwrap_or(parts.len());
        parts.iter().zip(&flat).take(plain).all(|(part, name)| part == name)
            && wild.is_none_or(|from| is_like(&rest(&flat, from), &rest(&parts, from)))
    };
    is_leaf(&node.fqn) || is_way(&node.fqn) || node.fqn.get(1..).is_some_and(is_way)
}

/// Returns whether a value matches a file's path or one of its folders.
fn is_below(path: &str, value: &str) -> bool {
    let value = value.replace('\\', "/");
    let value = value.trim_start_matches("./").trim_end_matches('/');
    let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
    value.is_empty() || value == "." || folders.chain([path]).any(|part| is_like(part, value))
}

/// Returns whether a string matches a pattern with `*`, `?` and `[…]`, like Python's `fnmatch`.
fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut index) = (0, 0);
    // Position of the last `*` in the pattern, and the end of the text that this `*` matches.
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = text.get(at) {
        match match_char(&pattern, index, *c) {
            Some(next) => (at, index) = (at + 1, next),
            None if pattern.get(index) == Some(&'*') => {
                star = Some((index, at));
                index += 1;
            }
            None => match star {
                Some((start, from)) => {
                    star = Some((start, from + 1));
                    (at, index) = (from + 1, start + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(index).all(|c| *c == '*')
}

/// Returns the position after the next pattern element if the element matches a character.
fn match_char(pattern: &[char], index: usize, c: char) -> Option<usize> {
    match pattern.get(index)? {
        '*' => None,
        '?' => Some(index + 1),
        '[' => {
            let negated = matches!(pattern.get(index + 1), Some('!'));
            let first = index + 1 + usize::from(negated);
            // A `]` directly after the `[` belongs to the set and does not end it.
            let after = pattern.iter().enumerate().skip(first + 1);
            let end = after.clone().find(|(_, c)| **c == ']').map(|(end, _)| end);
            let Some((end, set)) = end.and_then(|end| Some((end, pattern.get(first..end)?))) else {
                return (c == '[').then_some(index + 1);
            };
            let mut found = false;
            let mut at = 0;
            while let Some(from) = set.get(at) {
                match (set.get(at + 1), set.get(at + 2)) {
                    (Some('-'), Some(to)) => {
                        found |= (*from..=*to).contains(&c);
                        at += 3;
                    }
                    _ => {
                        found |= *from == c;
                        at += 1;
                    }
                }
            }
            (found != negated).then_some(end + 1)
        }
        plain => (*plain == c).then_some(index + 1),
    }
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
            let found = select(&nodes(), &[chosen], &[]).unwrap();
            let numbers = (0..found.len()).filter(|at| found[*at]).map(|at| at.to_string());
            assert_eq!(numbers.collect::<Vec<_>>().join(" "), expected, "{chosen}");
        }
        assert_eq!(
            select(&nodes(), &[], &["tag:nightly", "growth"]).unwrap(),
            [true, false, false, false, true]
        );
        for (chosen, said) in [
            ("nonsense:x", "unknown selection method `nonsense:`"),
            ("tag:a,selector:b", "unknown selection method `selector:`"),
            ("state:modified.macros", "`state:modified.macros` is not supported"),
            (
                "1+state:new",
                "`state:` compares with an earlier manifest, but none is specified",
            ),
        ] {
            assert_eq!(select(&nodes(), &[chosen], &[]).unwrap_err().to_string(), said);
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
            let found = select(&nodes, &[chosen], &[]).unwrap();
            let numbers = (0..found.len()).filter(|at| found[*at]).map(|at| at.to_string());
            assert_eq!(numbers.collect::<Vec<_>>().join(" "), expected, "{chosen}");
        }
    }

    #[test]
    fn patterns_match_as_in_fnmatch() {
        for (text, pattern, expected) in [
            ("abc", "a*c", true),
            ("abcbc", "a*bc", true),
            ("ab", "a*c", false),
            ("", "*", true),
            ("a", "?", true),
            ("", "?", false),
            ("b", "[!a]", true),
            ("a", "[!a]", false),
            ("]", "[]]", true),
            ("[", "[", true),
            ("-", "[a-]", true),
        ] {
            assert_eq!(is_like(text, pattern), expected, "{text} {pattern}");
        }
    }
}
