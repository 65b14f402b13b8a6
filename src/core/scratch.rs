//! What compilations work in, kept from one to the next: a call for each keystroke allocates next to nothing.

use std::fmt;
use std::sync::Mutex;

use crate::ast::Ast;
use crate::ir::Program;
use crate::sql::FlatStep;
use crate::{check, emit, parse};

/// The working memory of one compilation. What is in it is cleared by whoever fills it.
#[derive(Debug, Default)]
pub struct Memory {
    pub parse: parse::ParseBuffers,
    pub ast: Ast,
    pub check: check::CheckBuffers,
    pub program: Program,
    pub emit: emit::EmitBuffers,
    pub print: Vec<FlatStep>,
}

impl Memory {
    /// Gives back what only parsing reads, where it is so much that it is not kept for the next compilation.
    pub fn parsed(&mut self) {
        if self.room() > NODES {
            self.parse = parse::ParseBuffers::default();
        }
    }

    /// The same of what only checking reads; the definitions stay.
    pub fn checked(&mut self) {
        if self.room() > NODES {
            self.ast.forget_nodes();
            self.check = check::CheckBuffers::default();
        }
    }

    /// How many nodes it has memory for.
    fn room(&self) -> usize {
        self.ast.room().max(self.program.room())
    }
}

/// Memory that no compilation uses at the moment.
#[derive(Default)]
pub struct Pool {
    /// Held by whoever works with it: mostly there is one at a time.
    first: Mutex<Memory>,
    /// For those that find it held, as several threads do.
    #[allow(clippy::vec_box, reason = "a memory is over a kilobyte, and is taken and put back by each compilation")]
    others: Mutex<Vec<Box<Memory>>>,
}

/// No more is kept than what so many nodes take, at some 200 bytes each; the first may keep as many again.
const NODES: usize = 250_000;
/// Nor more than this many, which is as many compilations as are likely to run at once.
const KEPT: usize = 16;

impl Pool {
    /// Lends memory to one compilation.
    pub fn lend<R>(&self, work: impl FnOnce(&mut Memory) -> R) -> R {
        if let Ok(mut memory) = self.first.try_lock() {
            let result = work(&mut memory);
            if memory.room() > NODES {
                *memory = Memory::default();
            }
            return result;
        }
        self.lend_other(work)
    }

    #[cold]
    fn lend_other<R>(&self, work: impl FnOnce(&mut Memory) -> R) -> R {
        // A poisoned pool is an empty one.
        let taken = self.others.lock().ok().and_then(|mut kept| kept.pop());
        let mut memory = taken.unwrap_or_default();
        let result = work(&mut memory);
        if let Ok(mut kept) = self.others.lock() {
            let nodes: usize = kept.iter().map(|memory| memory.room()).sum();
            if kept.len() < KEPT && nodes + memory.room() <= NODES {
                kept.push(memory);
            }
        }
        result
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}
