//! The names of a text, and what each stands for.

use crate::span::Span;
use crate::symbol_table::{Hashed, NameIndex};

/// What a name was found to be as a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Lookup {
    /// Not looked up yet.
    Not,
    Column(u32),
    Missing,
    Ambiguous,
}

/// A name of the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbol {
    name: Span,
    pub definition: Option<u32>,
    pub column: Lookup,
}

/// All names, found without ASCII case.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    index: NameIndex,
    all: Vec<Symbol>,
}

impl Symbols {
    /// Empties the table, with room for some names.
    pub fn reset(&mut self, names: usize) {
        self.all.clear();
        self.index.reset(names);
    }

    #[inline]
    pub fn find(&self, name: Hashed<'_>, source: &str) -> Option<&Symbol> {
        self.index.find(name, |i| self.all[i].name.bytes(source)).map(|i| &self.all[i])
    }

    pub fn at(&mut self, place: usize) -> &mut Symbol {
        &mut self.all[place]
    }

    /// The place of the symbol of this name, which stands at `span`; a new one where there is none.
    #[inline]
    pub fn entry(&mut self, name: Hashed<'_>, span: Span, source: &str) -> usize {
        let all = &self.all;
        let place = self.index.add(name, all.len(), |i| all[i].name.bytes(source));
        if place == self.all.len() {
            self.all.push(Symbol { name: span, definition: None, column: Lookup::Not });
        }
        place
    }
}
