//! Runs work on all cores and returns the results in the order of the input.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Returns the results of `work` for the numbers from 0 to `count` (exclusive), in order.
pub fn map_range<R: Send>(count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    map_range_with_stack(count, None, work)
}

/// Runs `work` for each item on all cores and returns the results in order.
pub fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let results = map_range(items.len(), |index| items.get(index).map(&work));
    results.into_iter().flatten().collect()
}

/// Like [`map_range`], but runs `work` on threads with this stack size in bytes. The calling thread also works, with
/// its own stack size. If no thread can be started, the calling thread does all the work.
pub fn map_range_with_stack<R: Send>(count: usize, stack: Option<usize>, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(count);
    if threads <= 1 {
        return (0..count).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let some = || {
        let mut thread_outputs = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return thread_outputs;
            }
            thread_outputs.push((number, work(number)));
        }
    };
    let mut outputs = Vec::with_capacity(count);
    thread::scope(|scope| {
        let started = |_| {
            let builder = stack.map_or_else(thread::Builder::new, |bytes| thread::Builder::new().stack_size(bytes));
            builder.spawn_scoped(scope, some).ok()
        };
        let others: Vec<_> = (1..threads).filter_map(started).collect();
        outputs.extend(some());
        for other in others {
            match other.join() {
                Ok(thread_outputs) => outputs.extend(thread_outputs),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    outputs.sort_unstable_by_key(|(number, _)| *number);
    outputs.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::map_range;

    #[test]
    fn results_are_in_index_order() {
        assert_eq!(map_range(1000, |n| n * 2), (0..1000).map(|n| n * 2).collect::<Vec<_>>());
        assert_eq!(map_range(0, |n| n), Vec::<usize>::new());
    }
}
