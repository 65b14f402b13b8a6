//! SQL expressions as trees in which equal parts are one node, so that to compare is to compare numbers.

use rustc_hash::FxHashMap;

/// A node's place.
pub(super) type Id = u32;

/// What a node is; of leaves, with what they say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Label {
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
pub(super) struct Node {
    pub label: Label,
    pub kids: Vec<Id>,
}

/// All nodes; children stand before their parents.
#[derive(Clone, Debug, Default)]
pub(super) struct Trees {
    nodes: Vec<Node>,
    /// How many levels each node has.
    heights: Vec<u32>,
    places: FxHashMap<Node, Id>,
}

impl Trees {
    pub fn add(&mut self, label: Label, kids: Vec<Id>) -> Id {
        let node = Node { label, kids };
        if let Some(id) = self.places.get(&node) {
            return *id;
        }
        let id = self.nodes.len() as Id;
        let height = node.kids.iter().map(|kid| self.height(*kid)).max().unwrap_or(0) + 1;
        self.heights.push(height);
        self.nodes.push(node.clone());
        self.places.insert(node, id);
        id
    }

    pub fn leaf(&mut self, label: Label) -> Id {
        self.add(label, Vec::new())
    }

    pub fn word(&mut self, word: &str) -> Id {
        self.leaf(Label::Word(word.to_owned()))
    }

    /// How many levels it has: what walks down recurses so deep.
    pub fn height(&self, id: Id) -> u32 {
        self.heights.get(id as usize).copied().unwrap_or(0)
    }

    pub fn label(&self, id: Id) -> &Label {
        self.nodes.get(id as usize).map_or(&Label::Nothing, |node| &node.label)
    }

    pub fn kids(&self, id: Id) -> &[Id] {
        self.nodes.get(id as usize).map_or(&[], |node| &node.kids)
    }

    /// The column that a node is, bare or behind its relation.
    pub fn column(&self, id: Id) -> Option<(Option<&str>, &str)> {
        match (self.label(id), self.kids(id)) {
            (Label::Word(name) | Label::Quoted(name), []) => Some((None, name)),
            (Label::Field, [relation, name]) => {
                let (Label::Word(relation) | Label::Quoted(relation)) = self.label(*relation) else { return None };
                let (Label::Word(name) | Label::Quoted(name)) = self.label(*name) else { return None };
                Some((Some(relation), name))
            }
            _ => None,
        }
    }

    /// A column without its relation.
    pub fn bare(&self, id: Id) -> Id {
        match (self.label(id), self.kids(id)) {
            (Label::Field, [_, name]) => *name,
            _ => id,
        }
    }

    /// Every node below and including one, each once, children first.
    pub fn below(&self, id: Id) -> Vec<Id> {
        let mut found = vec![id];
        let mut seen: rustc_hash::FxHashSet<Id> = found.iter().copied().collect();
        let mut at = 0;
        while let Some(next) = found.get(at).copied() {
            found.extend(self.kids(next).iter().copied().filter(|kid| seen.insert(*kid)));
            at += 1;
        }
        found.sort_unstable();
        found
    }

    /// What a person calls the construct of a node.
    pub fn construct(&self, id: Id) -> String {
        let first = self.kids(id).first().copied();
        match self.label(id) {
            Label::Word(word) | Label::Number(word) | Label::Jinja(word) => format!("`{word}`"),
            Label::Quoted(name) => format!("`\"{name}\"`"),
            Label::Text(text, _) => format!("the text '{text}'"),
            Label::Op(op) => format!("the operator `{op}`"),
            Label::Not => "`not`".to_owned(),
            Label::Negative => "a minus".to_owned(),
            Label::Call => match first.map(|name| self.label(name)) {
                Some(Label::Word(name)) => format!("the function `{name}`"),
                _ => "a function".to_owned(),
            },
            Label::Field => "a name behind a point".to_owned(),
            Label::Typed => "a literal with a type".to_owned(),
            Label::Case | Label::Switch => "`case`".to_owned(),
            Label::Behind(what) => format!("`{what}`"),
            Label::In => "`in`".to_owned(),
            Label::Between => "`between`".to_owned(),
            Label::Subscript => "an element of a list".to_owned(),
            Label::Row => "words side by side".to_owned(),
            Label::Group => "what stands in brackets".to_owned(),
            Label::Bracket => "a list in brackets".to_owned(),
            Label::Joined(_) => "a value of joined rows".to_owned(),
            Label::Rows => "which rows are joined".to_owned(),
            Label::Clause(clause) => format!("`{clause}`"),
            Label::Nothing => "nothing".to_owned(),
        }
    }
}
