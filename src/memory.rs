//! What compilations work in, kept from one to the next: a call for each keystroke allocates next to nothing.

use std::fmt;
use std::sync::Mutex;

use crate::ast::Ast;
use crate::ir::Program;
use crate::{check, emit, parse};

/// The working memory of one compilation. What is in it is cleared by whoever fills it.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub parse: parse::Buffers,
    pub ast: Ast,
    pub check: check::Buffers,
    pub program: Program,
    pub emit: emit::Buffers,
}

/// Memory that no compilation uses at the moment.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Vec<Box<Memory>>>);

/// No more than this many are kept, nor any after a text with more nodes than that: about a megabyte each.
const KEPT: usize = 16;
const NODES: usize = 10_000;

impl Pool {
    /// Lends memory to one compilation.
    pub fn lend<R>(&self, work: impl FnOnce(&mut Memory) -> R) -> R {
        // A poisoned pool is an empty one.
        let taken = self.0.lock().ok().and_then(|mut kept| kept.pop());
        let mut memory = taken.unwrap_or_default();
        let result = work(&mut memory);
        if memory.ast.len() <= NODES
            && let Ok(mut kept) = self.0.lock()
            && kept.len() < KEPT
        {
            kept.push(memory);
        }
        result
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}
