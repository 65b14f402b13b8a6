//! Working memory for compilations. The next compilation reuses the memory, so that a compilation after each keystroke
//! allocates almost nothing.

use std::fmt;
use std::sync::Mutex;

use crate::ast::Ast;
use crate::ir::Program;
use crate::sql::SingleLineStep;
use crate::{check, emit, parse};

/// Working memory for one compilation. Each stage clears the buffers that it fills.
#[derive(Debug, Default)]
pub struct CompileMemory {
    pub parse: parse::ParseBuffers,
    pub ast: Ast,
    pub check: check::CheckBuffers,
    pub program: Program,
    pub emit: emit::EmitBuffers,
    pub print: Vec<SingleLineStep>,
}

impl CompileMemory {
    /// Frees the buffers that only the parser needs, and the unused memory of the tree, if the memory is too large to
    /// be kept for the next compilation.
    pub fn free_parse_buffers(&mut self) {
        if self.node_capacity() > MAX_POOLED_NODES {
            self.parse = parse::ParseBuffers::default();
            self.ast.shrink_nodes();
        }
    }

    /// Frees the buffers that only the checker needs if the memory is too large to be kept for the next compilation.
    /// The definitions remain in memory.
    pub fn free_check_buffers(&mut self) {
        if self.node_capacity() > MAX_POOLED_NODES {
            self.ast.free_nodes();
            self.check = check::CheckBuffers::default();
        }
    }

    /// Returns the number of nodes for which memory is allocated.
    fn node_capacity(&self) -> usize {
        self.ast.capacity().max(self.program.node_capacity())
    }
}

/// Pool of working memory that no compilation currently uses.
#[derive(Default)]
pub struct MemoryPool {
    /// Memory that is locked while in use. Usually, only one compilation runs at a time and no other memory is needed.
    first: Mutex<CompileMemory>,
    /// Memory for compilations that find `first` locked, for example in other threads.
    #[allow(
        clippy::vec_box,
        reason = "the buffers are larger than a kilobyte, and each compilation takes and returns them"
    )]
    others: Mutex<Vec<Box<CompileMemory>>>,
}

/// Maximum number of nodes for which `others` keeps memory, at about 200 bytes per node. `first` has the same limit.
const MAX_POOLED_NODES: usize = 250_000;
/// Maximum number of `CompileMemory` values to keep, which is about the maximum number of simultaneous compilations.
const MAX_POOLED_MEMORIES: usize = 16;

impl MemoryPool {
    /// Lends memory to one compilation.
    pub fn with_compile_memory<R>(&self, work: impl FnOnce(&mut CompileMemory) -> R) -> R {
        if let Ok(mut memory) = self.first.try_lock() {
            let result = work(&mut memory);
            if memory.node_capacity() > MAX_POOLED_NODES {
                *memory = CompileMemory::default();
            }
            return result;
        }
        self.with_pooled_memory(work)
    }

    #[cold]
    fn with_pooled_memory<R>(&self, work: impl FnOnce(&mut CompileMemory) -> R) -> R {
        // Treat a poisoned pool as empty.
        let pooled_memory = self.others.lock().ok().and_then(|mut pool| pool.pop());
        let mut memory = pooled_memory.unwrap_or_default();
        let result = work(&mut memory);
        if let Ok(mut pool) = self.others.lock() {
            let nodes: usize = pool.iter().map(|memory| memory.node_capacity()).sum();
            if pool.len() < MAX_POOLED_MEMORIES && nodes + memory.node_capacity() <= MAX_POOLED_NODES {
                pool.push(memory);
            }
        }
        result
    }
}

impl fmt::Debug for MemoryPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}
