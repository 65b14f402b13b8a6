//! SQL expressions as trees in which equal parts are one node, so that to compare is to compare numbers.

use rustc_hash::FxHashMap;

/// A node's place.
pub(super) type SqlNodeId = u32;

/// What a node is; of leaves, with what they say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum SqlLabel {
    /// A keyword, a bare name or a sign, in small letters.
    Word(String),
    /// A name in quotes, without them.
    Quoted(String),
    /// The value of a text; with the letters before its quote, which may change what it means.
    Text(String, &'static str),
    Number(String),
    Jinja(String),
    /// `left op right`; `x like y`, `x is not distinct from y` too.
    Op(String),
    Not,
    Negative,
    /// `name(arguments)`; the name is the first child.
    Call,
    /// `x.name`.
    Field,
    /// `date '2024-01-31'`.
    Typed,
    /// `case when a then b else c end`: always three, so that a further arm is a case in the third.
    Case,
    /// `case x when a then b … else c end`.
    Switch,
    /// `x over (…)`, `x filter (…)`, `x within group (…)`.
    Behind(&'static str),
    /// `x in (…)`, the first child and the list.
    In,
    Between,
    Subscript,
    /// Side by side, without commas.
    Row,
    /// In brackets, with commas or with more than one word.
    Group,
    Bracket,
    /// A value of rows that are joined: the value, where the rows meet, and which rows these are.
    Joined(String),
    /// What makes the rows of a CTE those that they are: what it filters, groups and joins, and those that it reads.
    Rows,
    /// A clause, with what stands in it.
    Clause(String),
    /// Nothing stands there.
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SqlNode {
    pub label: SqlLabel,
    pub kids: Vec<SqlNodeId>,
}

/// All nodes; children stand before their parents.
#[derive(Clone, Debug, Default)]
pub(super) struct Trees {
    nodes: Vec<SqlNode>,
    /// How many levels each node has.
    heights: Vec<u32>,
    places: FxHashMap<SqlNode, SqlNodeId>,
}

impl Trees {
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

    pub fn leaf(&mut self, label: SqlLabel) -> SqlNodeId {
        self.add(label, Vec::new())
    }

    pub fn word(&mut self, word: &str) -> SqlNodeId {
        self.leaf(SqlLabel::Word(word.to_owned()))
    }

    /// How many levels it has: what walks down recurses so deep.
    pub fn height(&self, id: SqlNodeId) -> u32 {
        self.heights.get(id as usize).copied().unwrap_or(0)
    }

    pub fn label(&self, id: SqlNodeId) -> &SqlLabel {
        self.nodes
            .get(id as usize)
            .map_or(&SqlLabel::Nothing, |node| &node.label)
    }

    pub fn kids(&self, id: SqlNodeId) -> &[SqlNodeId] {
        self.nodes.get(id as usize).map_or(&[], |node| &node.kids)
    }

    /// The column that a node is, bare or behind its relation.
    pub fn column(&self, id: SqlNodeId) -> Option<(Option<&str>, &str)> {
        match (self.label(id), self.kids(id)) {
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

    /// A column without its relation.
    pub fn bare(&self, id: SqlNodeId) -> SqlNodeId {
        match (self.label(id), self.kids(id)) {
            (SqlLabel::Field, [_, name]) => *name,
            _ => id,
        }
    }

    /// Every node below and including one, each once, children first.
    pub fn below(&self, id: SqlNodeId) -> Vec<SqlNodeId> {
        let mut found = vec![id];
        let mut seen: rustc_hash::FxHashSet<SqlNodeId> = found.iter().copied().collect();
        let mut at = 0;
        while let Some(next) = found.get(at).copied() {
            found.extend(self.kids(next).iter().copied().filter(|kid| seen.insert(*kid)));
            at += 1;
        }
        found.sort_unstable();
        found
    }

    /// What a person calls the construct of a node.
    pub fn construct(&self, id: SqlNodeId) -> String {
        let first = self.kids(id).first().copied();
        match self.label(id) {
            SqlLabel::Word(word) | SqlLabel::Number(word) | SqlLabel::Jinja(word) => format!("`{word}`"),
            SqlLabel::Quoted(name) => format!("`\"{name}\"`"),
            SqlLabel::Text(text, _) => format!("the text '{text}'"),
            SqlLabel::Op(op) => format!("the operator `{op}`"),
            SqlLabel::Not => "`not`".to_owned(),
            SqlLabel::Negative => "a minus".to_owned(),
            SqlLabel::Call => match first.map(|name| self.label(name)) {
                Some(SqlLabel::Word(name)) => format!("the function `{name}`"),
                _ => "a function".to_owned(),
            },
            SqlLabel::Field => "a name behind a point".to_owned(),
            SqlLabel::Typed => "a literal with a type".to_owned(),
            SqlLabel::Case | SqlLabel::Switch => "`case`".to_owned(),
            SqlLabel::Behind(what) => format!("`{what}`"),
            SqlLabel::In => "`in`".to_owned(),
            SqlLabel::Between => "`between`".to_owned(),
            SqlLabel::Subscript => "an element of a list".to_owned(),
            SqlLabel::Row => "words side by side".to_owned(),
            SqlLabel::Group => "what stands in brackets".to_owned(),
            SqlLabel::Bracket => "a list in brackets".to_owned(),
            SqlLabel::Joined(_) => "a value of joined rows".to_owned(),
            SqlLabel::Rows => "which rows are joined".to_owned(),
            SqlLabel::Clause(clause) => format!("`{clause}`"),
            SqlLabel::Nothing => "nothing".to_owned(),
        }
    }
}
