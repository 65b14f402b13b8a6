//! Names for columns that the analyst did not name: from the content, never from a counter.

use rustc_hash::FxHashSet;

use crate::schema::Relation;

/// A text as a part of names: small letters and digits, with `_` for each row of other characters between them.
pub fn snake_case(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() {
            name.extend(c.to_lowercase());
        } else if !name.ends_with('_') && !name.is_empty() {
            name.push('_');
        }
    }
    name.truncate(name.trim_end_matches('_').len());
    name
}

/// Names in lower case. Those of a relation are looked up there: a model with many rules has a query for each rule, and
/// copying all columns for each query would take quadratic time.
#[derive(Clone, Debug, Default)]
struct ColumnNamer {
    own: FxHashSet<String>,
    relation: Option<Relation>,
}

impl ColumnNamer {
    fn insert_columns(&mut self, relation: &Relation) {
        if relation.is_ascii() && self.relation.is_none() {
            self.relation = Some(relation.clone());
        } else {
            self.own.extend(relation.columns().iter().map(|column| column.name().to_lowercase()));
        }
    }

    fn contains(&self, name: &str) -> bool {
        self.own.contains(name) || self.relation.as_ref().is_some_and(|relation| relation.column(name).is_some())
    }

    /// Whether the name is new.
    fn insert(&mut self, name: String) -> bool {
        !self.contains(&name) && self.own.insert(name)
    }
}

/// Names that are in use, compared without case.
#[derive(Clone, Debug)]
pub(super) struct UsedNames {
    columns: ColumnNamer,
    /// The columns that the step gives, each of which is made under its own name.
    outputs: FxHashSet<String>,
    /// Those of them that no select makes which passes the input's columns on.
    of_groups: FxHashSet<String>,
    /// Bytes that a name may have; 0 when there is no limit.
    most: usize,
}

impl UsedNames {
    pub fn new(most: usize) -> Self {
        Self { columns: ColumnNamer::default(), outputs: FxHashSet::default(), of_groups: FxHashSet::default(), most }
    }

    pub fn reserve(&mut self, name: &str) {
        self.columns.insert(name.to_lowercase());
    }

    pub fn reserve_columns(&mut self, relation: &Relation) {
        self.columns.insert_columns(relation);
    }

    pub fn promise(&mut self, name: &str) {
        self.outputs.insert(name.to_lowercase());
    }

    pub fn promise_groups(&mut self, name: &str) {
        self.of_groups.insert(name.to_lowercase());
    }

    fn take(&mut self, name: &str) -> bool {
        let name = name.to_lowercase();
        !self.outputs.contains(&name) && self.columns.insert(name)
    }

    /// The name of an output's column: its own, unless an input column that is still there bears it too.
    pub fn output(&mut self, name: &str) -> String {
        let key = name.to_lowercase();
        if self.columns.contains(&key) && !self.of_groups.contains(&key) {
            self.column(&format!("{name}_defined"), name)
        } else {
            name.to_owned()
        }
    }

    /// A name for a value: the wanted one, or, where that is taken or too long, one with a mark of the formula text.
    pub fn column(&mut self, wanted: &str, formula: &str) -> String {
        let fits = self.most == 0 || wanted.len() <= self.most;
        if fits && self.take(wanted) {
            return wanted.to_owned();
        }
        let mut text = formula.to_owned();
        loop {
            let mark = mark(&text);
            let room = if self.most == 0 { 0 } else { self.most.saturating_sub(mark.len() + 1).max(1) };
            let name = format!("{}_{mark}", cut(wanted, room));
            if self.take(&name) {
                return name;
            }
            text.push(' ');
        }
    }
}

/// Six letters that stand for a text: the same for the same text, in any version.
fn mark(text: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (0..6).map(|i| char::from(b'a' + ((hash >> (i * 8)) % 26) as u8)).collect()
}

/// Names of CTEs in a query, all different.
#[derive(Debug, Default)]
pub struct CteNames {
    names: ColumnNamer,
    /// Bytes that a name may have; 0 when there is no limit.
    most: usize,
}

impl CteNames {
    pub fn new(most: usize) -> Self {
        Self { names: ColumnNamer::default(), most }
    }

    pub fn reserve(&mut self, name: &str) {
        self.names.insert(cut(name, self.most).to_lowercase());
    }

    pub fn reserve_columns(&mut self, relation: &Relation) {
        self.names.insert_columns(relation);
    }

    /// The wanted name, or one that says the same and is free. A step has its own name to itself.
    pub(super) fn choose_for(&mut self, step: &str, wanted: &str) -> String {
        if wanted == step { wanted.to_owned() } else { self.choose(wanted) }
    }

    /// The wanted name, or one that says the same and is free.
    pub fn choose(&mut self, wanted: &str) -> String {
        let mut wanted = wanted.to_owned();
        loop {
            let name = fitting(&wanted, self.most);
            if self.names.insert(name.to_lowercase()) {
                return name;
            }
            wanted.push_str("_rows");
        }
    }
}

/// The name, or, where it is too long, its beginning with a mark of the whole.
fn fitting(name: &str, most: usize) -> String {
    if most == 0 || name.len() <= most {
        return name.to_owned();
    }
    let mark = mark(name);
    format!("{}_{mark}", cut(name, most.saturating_sub(mark.len() + 1).max(1)))
}

/// As many bytes of a name as there may be, in whole characters; 0 when there is no limit.
pub fn cut(name: &str, most: usize) -> &str {
    if most == 0 || name.len() <= most {
        return name;
    }
    let mut end = most;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or(name)
}
