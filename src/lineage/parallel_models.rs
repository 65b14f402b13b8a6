//! The SQL of many models, read by all cores.

use super::depth_limit::STACK;
use crate::parallel;

/// Work that is not worth threads.
const FEW: usize = 16;

/// Does work for each number in threads whose stacks have room, in their order; with few, in this one, which has room.
pub(crate) fn each_with_room<R: Send>(count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    if count < FEW { (0..count).map(work).collect() } else { parallel::each_with_stack(count, Some(STACK), work) }
}
