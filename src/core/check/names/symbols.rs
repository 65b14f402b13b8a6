//! Symbol table of the names in a source.

use crate::arena::Arena;
use crate::span::Span;
use crate::symbol_table::{HashedName, NameIndex};

/// Result of looking up a name as a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::check) enum ColumnLookup {
    /// Name that has not been looked up yet.
    NotLookedUp,
    Column(u32),
    Missing,
    Ambiguous,
}

/// Entry for a name in the source.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) struct Symbol {
    name: Span,
    pub definition: Option<u32>,
    pub column: ColumnLookup,
}

/// Symbol table whose lookups ignore the case of ASCII letters.
#[derive(Debug, Default)]
pub(in crate::check) struct Symbols {
    index: NameIndex,
    all: Arena<Symbol>,
}

impl Symbols {
    /// Clears the table and reserves space for the given number of names.
    pub fn reset(&mut self, names: usize) {
        self.all.clear();
        self.index.reset(names);
    }

    #[inline]
    pub fn find(&self, name: HashedName<'_>, source: &str) -> Option<&Symbol> {
        self.index
            .find(name, |i| self.all[i].name.bytes(source))
            .map(|i| &self.all[i])
    }

    pub fn symbol_mut(&mut self, index: usize) -> &mut Symbol {
        &mut self.all[index]
    }

    /// Returns the index of the symbol with the given name. Adds a symbol with the given span if the name is new.
    #[inline]
    pub fn find_or_insert(&mut self, name: HashedName<'_>, span: Span, source: &str) -> usize {
        let symbols = &self.all;
        let index = self
            .index
            .find_or_add(name, symbols.len(), |i| symbols[i].name.bytes(source));
        if index == self.all.len() {
            self.all.push(Symbol {
                name: span,
                definition: None,
                column: ColumnLookup::NotLookedUp,
            });
        }
        index
    }
}
