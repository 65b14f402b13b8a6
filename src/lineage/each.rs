//! The SQL of many models, read by all cores.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::bounded::STACK;

/// Work that is not worth threads.
const FEW: usize = 16;

/// Does work for each number in threads whose stacks have room, in their order; with few, in this one, which has room.
pub(crate) fn each_with_room<R: Send>(count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if count < FEW || threads < 2 {
        return (0..count).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return done;
            }
            done.push((number, work(number)));
        }
    };
    let mut all = Vec::with_capacity(count);
    std::thread::scope(|scope| {
        let named = |_| std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, some).ok();
        let others: Vec<_> = (1..threads).filter_map(named).collect();
        all.extend(some());
        for other in others {
            match other.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    all.sort_unstable_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, result)| result).collect()
}
