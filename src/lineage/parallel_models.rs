//! Reads the SQL of many models on all cores.

use super::depth_limit::STACK_BYTES;
use crate::parallel;

/// Minimum number of tasks for which threads are started.
const MIN_PARALLEL_TASKS: usize = 16;

/// Runs tasks on threads with large stacks and returns the results in order. If there are only a few tasks, they run on
/// the current thread, whose stack must be large enough.
pub fn map_with_large_stack<R: Send>(count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    if count < MIN_PARALLEL_TASKS {
        (0..count).map(work).collect()
    } else {
        parallel::map_range_with_stack(count, Some(STACK_BYTES), work)
    }
}
