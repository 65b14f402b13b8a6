//! The names of a text, found without ASCII case.

use crate::catalog::hash::{hash, same};
use crate::span::Span;

/// What a name was found to be as a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Lookup {
    /// Not looked up yet.
    Not,
    Column(u32),
    Missing,
    Ambiguous,
}

/// A name of the text, and what it stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbol {
    hash: u32,
    name: Span,
    pub definition: Option<u32>,
    pub column: Lookup,
}

/// An open-addressed table of symbols, by their names in the source.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    /// The index of a symbol and one; 0 is free. A power of two of them, at least twice as many as symbols.
    slots: Vec<u32>,
    all: Vec<Symbol>,
}

impl Symbols {
    /// Empties the table, with room for some names.
    pub fn reset(&mut self, names: usize) {
        self.all.clear();
        self.slots.clear();
        self.slots.resize((names * 4).next_power_of_two().max(32), 0);
    }

    pub fn find(&self, name: &str, source: &str) -> Option<&Symbol> {
        let slot = self.slot(hash(name), name, source);
        self.all.get(self.slots.get(slot)?.checked_sub(1)? as usize)
    }

    pub fn at(&mut self, index: usize) -> &mut Symbol {
        &mut self.all[index]
    }

    /// The place of the symbol of this name; a new one where there is none.
    pub fn entry(&mut self, span: Span, source: &str) -> usize {
        let name = span.text(source);
        let hash = hash(name);
        let slot = self.slot(hash, name, source);
        if let Some(index) = self.slots[slot].checked_sub(1) {
            return index as usize;
        }
        self.all.push(Symbol { hash, name: span, definition: None, column: Lookup::Not });
        self.slots[slot] = self.all.len() as u32;
        if self.all.len() * 2 > self.slots.len() {
            self.grow();
        }
        self.all.len() - 1
    }

    /// The slot that holds the name, or the free one where it belongs.
    fn slot(&self, hash: u32, name: &str, source: &str) -> usize {
        let mask = self.slots.len().wrapping_sub(1);
        let mut slot = hash as usize & mask;
        while let Some(index) = self.slots.get(slot).and_then(|i| i.checked_sub(1)) {
            let symbol = &self.all[index as usize];
            if symbol.hash == hash && same(symbol.name.text(source), name) {
                break;
            }
            slot = (slot + 1) & mask;
        }
        slot
    }

    #[cold]
    fn grow(&mut self) {
        let size = self.slots.len() * 2;
        self.slots.clear();
        self.slots.resize(size, 0);
        for (index, symbol) in self.all.iter().enumerate() {
            let mut slot = symbol.hash as usize & (size - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (size - 1);
            }
            self.slots[slot] = index as u32 + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        let source: String = (0..1000).map(|i| format!("Name_of_{i} ")).collect();
        let mut symbols = Symbols::default();
        symbols.reset(0);
        let mut start = 0;
        let spans: Vec<Span> = source
            .split_inclusive(' ')
            .map(|word| {
                let span = Span::new(start, start + word.trim_end().len() as u32);
                start += word.len() as u32;
                span
            })
            .collect();
        for (index, span) in spans.iter().enumerate() {
            let at = symbols.entry(*span, &source);
            symbols.at(at).definition = Some(index as u32);
        }
        for index in 0..1000 {
            let found = symbols.find(&format!("NAME_OF_{index}"), &source).and_then(|s| s.definition);
            assert_eq!(found, Some(index));
        }
        assert!(symbols.find("name_of_1000", &source).is_none());
        assert!(Symbols::default().find("name", &source).is_none());
    }
}
