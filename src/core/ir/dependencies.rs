//! Nodes on which a value depends.

use rustc_hash::FxHashSet;

use super::{Ir, IrId, Program};

impl Program {
    /// Iterates over a value and the nodes on which it depends, directly or through definitions.
    pub fn dependencies(&self, root: IrId) -> impl Iterator<Item = IrId> + '_ {
        let (mut seen, mut stack) = (FxHashSet::default(), vec![root]);
        std::iter::from_fn(move || {
            let id = loop {
                let id = stack.pop()?;
                if seen.insert(id) {
                    break id;
                }
            };
            match self.node(id) {
                Ir::Definition(index) => stack.extend(self.definitions.try_get(index as usize).map(|d| d.root)),
                _ => stack.extend(self.operands(id)),
            }
            Some(id)
        })
    }
}
