//! Names for columns that the analyst did not name: from the content, never from a counter.

use rustc_hash::FxHashSet;

/// Names that are in use, compared without case.
#[derive(Debug)]
pub(super) struct Taken {
    columns: FxHashSet<String>,
    /// The columns that the step gives, each of which is made under its own name.
    outputs: FxHashSet<String>,
    /// Bytes that a name may have; 0 when there is no limit.
    most: usize,
}

impl Taken {
    pub fn new(most: usize) -> Self {
        Self { columns: FxHashSet::default(), outputs: FxHashSet::default(), most }
    }

    pub fn reserve(&mut self, name: &str) {
        self.columns.insert(name.to_lowercase());
    }

    pub fn promise(&mut self, name: &str) {
        self.outputs.insert(name.to_lowercase());
    }

    fn take(&mut self, name: &str) -> bool {
        let name = name.to_lowercase();
        !self.outputs.contains(&name) && self.columns.insert(name)
    }

    /// The name of an output's column: its own, unless an input column bears it too.
    pub fn output(&mut self, name: &str) -> String {
        if self.columns.contains(&name.to_lowercase()) {
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
            let room = if self.most == 0 { wanted.len() } else { self.most.saturating_sub(mark.len() + 1) };
            let mut end = wanted.len().min(room);
            while !wanted.is_char_boundary(end) {
                end -= 1;
            }
            let name = format!("{}_{mark}", wanted.get(..end).unwrap_or_default());
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
pub(crate) struct CteNames {
    names: rustc_hash::FxHashSet<String>,
}

impl CteNames {
    pub fn reserve(&mut self, name: &str) {
        self.names.insert(name.to_lowercase());
    }

    /// The wanted name, or one that says the same and is free. A step has its own name to itself.
    pub(super) fn choose_for(&mut self, step: &str, wanted: &str) -> String {
        if wanted == step { wanted.to_owned() } else { self.choose(wanted) }
    }

    /// The wanted name, or one that says the same and is free.
    pub fn choose(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while !self.names.insert(name.to_lowercase()) {
            name.push_str("_rows");
        }
        name
    }
}
