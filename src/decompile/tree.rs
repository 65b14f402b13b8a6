//! SQL expressions as trees in which equal subexpressions share a node, so that expressions can be compared by their
//! node ids.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

/// Index of a node.
pub(super) type SqlNodeId = u32;

/// Kind of a node. The label of a leaf includes its value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum SqlLabel {
    /// Keyword, unquoted name or symbol, in lower case.
    Word(String),
    /// Quoted name, without the quotes.
    Quoted(String),
    /// Value of a string literal, and the prefix before its opening quote. The prefix may change the meaning of the
    /// literal.
    Text(String, &'static str),
    Number(String),
    Jinja(String),
    /// `left op right`, including `x like y` and `x is not distinct from y`.
    Op(String),
    Not,
    Negative,
    /// `name(arguments)`. The name is the first child.
    Call,
    /// `x.name`.
    Field,
    /// `date '2024-01-31'`.
    Typed,
    /// `case when a then b else c end`. A `case` node always has three children, so each additional branch is a nested
    /// `case` in the third child.
    Case,
    /// `case x when a then b … else c end`.
    Switch,
    /// `x over (…)`, `x filter (…)` or `x within group (…)`.
    Behind(&'static str),
    /// `x in (…)`: the first child is the value, and the second child is the list.
    In,
    Between,
    Subscript,
    /// Adjacent expressions that are not separated by commas.
    Row,
    /// Expressions in parentheses that are separated by commas or consist of more than one word.
    Group,
    Bracket,
    /// Value from joined rows: the value, the join condition, and the definition of the joined rows.
    Joined(String),
    /// Parts that determine the rows of a CTE: its filters, groups and joins, and the rows that it reads.
    Rows,
    /// A clause and its contents.
    Clause(String),
    /// An absent part.
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SqlNode {
    pub label: SqlLabel,
    pub kids: Vec<SqlNodeId>,
}

/// All nodes, children before parents.
#[derive(Clone, Debug, Default)]
pub(super) struct SqlTrees {
    nodes: Vec<SqlNode>,
    /// Height of the subtree of each node.
    heights: Vec<u32>,
    places: FxHashMap<SqlNode, SqlNodeId>,
}

impl SqlTrees {
    pub fn add(&mut self, label: SqlLabel, kids: Vec<SqlNodeId>) -> SqlNodeId {
        let node = SqlNode { label, kids };
        if let Some(id) = self.places.get(&node) {
            return *id;
        }
        let id = self.nodes.len() as SqlNodeId;
        let height = node.kids.iter().map(|kid| self.height(*kid)).max().unwrap_or(0) + 1;
        self.heights.push(height);
        self.nodes.push(node.clone());
        self.places.insert(node, id);
        id
    }

    pub fn add_leaf(&mut self, label: SqlLabel) -> SqlNodeId {
        self.add(label, Vec::new())
    }

    pub fn add_word(&mut self, word: &str) -> SqlNodeId {
        self.add_leaf(SqlLabel::Word(word.to_owned()))
    }

    /// Returns the height of a node's subtree, which is the recursion depth of code that walks the subtree.
    pub fn height(&self, id: SqlNodeId) -> u32 {
        self.heights.get(id as usize).copied().unwrap_or(0)
    }

    pub fn label(&self, id: SqlNodeId) -> &SqlLabel {
        self.nodes
            .get(id as usize)
            .map_or(&SqlLabel::Nothing, |node| &node.label)
    }

    pub fn children(&self, id: SqlNodeId) -> &[SqlNodeId] {
        self.nodes.get(id as usize).map_or(&[], |node| &node.kids)
    }

    /// Returns the column that a node refers to, with its relation if the name is qualified.
    pub fn column(&self, id: SqlNodeId) -> Option<(Option<&str>, &str)> {
        match (self.label(id), self.children(id)) {
            (SqlLabel::Word(name) | SqlLabel::Quoted(name), []) => Some((None, name)),
            (SqlLabel::Field, [relation, name]) => {
                let (SqlLabel::Word(relation) | SqlLabel::Quoted(relation)) = self.label(*relation) else {
                    return None;
                };
                let (SqlLabel::Word(name) | SqlLabel::Quoted(name)) = self.label(*name) else {
                    return None;
                };
                Some((Some(relation), name))
            }
            _ => None,
        }
    }

    /// Returns a column without its relation.
    pub fn without_relation(&self, id: SqlNodeId) -> SqlNodeId {
        match (self.label(id), self.children(id)) {
            (SqlLabel::Field, [_, name]) => *name,
            _ => id,
        }
    }

    /// Returns a node and all nodes below it, without duplicates, children before parents.
    pub fn descendants(&self, id: SqlNodeId) -> Vec<SqlNodeId> {
        let mut nodes = vec![id];
        let mut seen: rustc_hash::FxHashSet<SqlNodeId> = nodes.iter().copied().collect();
        let mut node_index = 0;
        while let Some(next) = nodes.get(node_index).copied() {
            nodes.extend(self.children(next).iter().copied().filter(|kid| seen.insert(*kid)));
            node_index += 1;
        }
        nodes.sort_unstable();
        nodes
    }

    /// Returns the names of the functions that a node calls. For a call to `safe.chr`, returns each part of the name.
    pub fn called_functions(&self, id: SqlNodeId) -> BTreeSet<&str> {
        let calls = self
            .descendants(id)
            .into_iter()
            .filter(|part| *self.label(*part) == SqlLabel::Call);
        let names = calls.filter_map(|call| self.children(call).first());
        let parts = names.flat_map(|name| self.descendants(*name));
        let words = parts.filter_map(|part| match self.label(part) {
            SqlLabel::Word(word) => Some(word.as_str()),
            _ => None,
        });
        words.collect()
    }
}
