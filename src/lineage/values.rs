//! Values of a query and what each is made of, those that others are made of first.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};

/// The place of a value.
pub(super) type ValueContext = u32;

/// Where values begin: a column of a relation, or its rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leaf {
    pub table: u32,
    /// In small letters; none for the rows.
    pub column: Option<Box<str>>,
}

/// All values of a query.
#[derive(Clone, Debug, Default)]
pub(super) struct ValueArena {
    /// The values that each is made of: a range of `parts`.
    pub(super) made: Vec<(u32, u32)>,
    pub(super) parts: Vec<ValueContext>,
    /// What each says, its parts included: equal for what is computed alike.
    pub(super) prints: Vec<u64>,
    pub leaves: FxHashMap<ValueContext, Leaf>,
    known: FxHashMap<Leaf, ValueContext>,
    /// Columns that the SQL names, and does not only pass on with a `*`.
    pub named: Vec<bool>,
}

impl ValueArena {
    /// A value; `print` is what is said of it beside its parts.
    pub fn add(&mut self, of: &[ValueContext], print: u64) -> ValueContext {
        let start = self.parts.len() as u32;
        let mut hasher = FxHasher::default();
        print.hash(&mut hasher);
        for at in of {
            self.print(*at).hash(&mut hasher);
        }
        self.parts.extend_from_slice(of);
        self.push((start, self.parts.len() as u32), hasher.finish())
    }

    /// A value that is the same in whatever order its parts are said.
    pub fn any(&mut self, mut of: Vec<ValueContext>) -> ValueContext {
        of.sort_unstable();
        of.dedup();
        if let [at] = of.as_slice() {
            return *at;
        }
        let sum = of.iter().fold(0u64, |sum, at| sum.wrapping_add(self.print(*at)));
        let start = self.parts.len() as u32;
        self.parts.extend(of);
        let mut hasher = FxHasher::default();
        sum.hash(&mut hasher);
        self.push((start, self.parts.len() as u32), hasher.finish())
    }

    fn push(&mut self, range: (u32, u32), print: u64) -> ValueContext {
        self.made.push(range);
        self.prints.push(print);
        self.named.push(false);
        self.made.len() as ValueContext - 1
    }

    pub fn leaf(&mut self, leaf: Leaf, table: &str) -> ValueContext {
        if let Some(at) = self.known.get(&leaf) {
            return *at;
        }
        let mut hasher = FxHasher::default();
        (table, &leaf.column).hash(&mut hasher);
        let at = self.push((0, 0), hasher.finish());
        self.known.insert(leaf.clone(), at);
        self.leaves.insert(at, leaf);
        at
    }

    pub fn print(&self, at: ValueContext) -> u64 {
        self.prints.get(at as usize).copied().unwrap_or_default()
    }

    pub fn name(&mut self, at: ValueContext) {
        if let Some(named) = self.named.get_mut(at as usize) {
            *named = true;
        }
    }

    pub fn parts_of(&self, at: ValueContext) -> &[ValueContext] {
        let (start, end) = self.made.get(at as usize).copied().unwrap_or_default();
        self.parts.get(start as usize..end as usize).unwrap_or_default()
    }

    /// These values with the leaves that each is made of and nothing between, in the order in which they are met; none
    /// where that would be more than there is. The second are the places of the values then.
    #[cfg(feature = "cli")]
    pub fn flattened(&self, of: &[ValueContext]) -> Option<(Self, Vec<ValueContext>)> {
        let mut flat = Self::default();
        let mut places: FxHashMap<ValueContext, ValueContext> = FxHashMap::default();
        let mut room = 4 * (self.parts.len() + self.made.len()) + 64;
        // Leaves stand before what is made of them.
        let mut leaves: Vec<(&ValueContext, &Leaf)> = self.leaves.iter().collect();
        leaves.sort_unstable_by_key(|(at, _)| **at);
        for (at, leaf) in leaves {
            let new = flat.push((0, 0), self.print(*at));
            if self.named.get(*at as usize) == Some(&true) {
                flat.name(new);
            }
            flat.leaves.insert(new, leaf.clone());
            places.insert(*at, new);
        }
        for root in of {
            if places.contains_key(root) {
                continue;
            }
            let mut seen = rustc_hash::FxHashSet::default();
            let mut stack = vec![*root];
            let start = flat.parts.len() as u32;
            while let Some(at) = stack.pop() {
                room = room.checked_sub(1)?;
                if !seen.insert(at) {
                    continue;
                }
                match places.get(&at).filter(|_| self.leaves.contains_key(&at)) {
                    Some(leaf) => flat.parts.push(*leaf),
                    None => stack.extend(self.parts_of(at).iter().rev()),
                }
            }
            let new = flat.push((start, flat.parts.len() as u32), self.print(*root));
            places.insert(*root, new);
        }
        let at = of.iter().map(|root| places.get(root).copied()).collect::<Option<_>>()?;
        Some((flat, at))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.made.len()
    }

    /// The leaves that values are made of, each once, in the order of their places.
    pub fn reached(&self, from: &[ValueContext]) -> Vec<&Leaf> {
        let mut seen = rustc_hash::FxHashSet::default();
        let mut stack = from.to_vec();
        let mut found = Vec::new();
        while let Some(at) = stack.pop() {
            if seen.insert(at) {
                found.extend(self.leaves.get(&at).map(|leaf| (at, leaf)));
                stack.extend_from_slice(self.parts_of(at));
            }
        }
        found.sort_unstable_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, leaf)| leaf).collect()
    }
}

/// The print of a text.
pub(super) fn print_of(text: impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    text.hash(&mut hasher);
    hasher.finish()
}
