//! Measures the time and the allocations of workloads. The workloads run in turn.

#![allow(
    unsafe_code,
    reason = "a counting allocator has to implement an unsafe trait; this file contains no other unsafe code"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Allocator that counts the allocations of one thread. The allocator uses plain loads and stores, which cost almost
/// nothing. This is safe because no workload starts a thread.
struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn record_allocation(bytes: usize) {
    CALLS.store(CALLS.load(Relaxed) + 1, Relaxed);
    BYTES.store(BYTES.load(Relaxed) + bytes, Relaxed);
    let live = LIVE.load(Relaxed) + bytes;
    LIVE.store(live, Relaxed);
    if live > PEAK.load(Relaxed) {
        PEAK.store(live, Relaxed);
    }
}

fn record_deallocation(bytes: usize) {
    LIVE.store(LIVE.load(Relaxed).wrapping_sub(bytes), Relaxed);
}

// SAFETY: every call is passed unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        record_allocation(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        record_deallocation(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        record_deallocation(layout.size());
        record_allocation(size);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Memory that a workload used.
pub struct MemoryUse {
    pub calls: usize,
    pub bytes: usize,
    /// Largest number of bytes held at any one time.
    pub peak: usize,
    /// Number of bytes that are not freed at the end.
    pub kept: usize,
}

/// Measures the memory that a workload uses.
pub fn measure_memory<T>(work: impl FnOnce() -> T) -> (MemoryUse, T) {
    let (calls, bytes, live) = (CALLS.load(Relaxed), BYTES.load(Relaxed), LIVE.load(Relaxed));
    PEAK.store(live, Relaxed);
    let result = work();
    let kept = LIVE.load(Relaxed).saturating_sub(live);
    let spent = MemoryUse {
        calls: CALLS.load(Relaxed) - calls,
        bytes: BYTES.load(Relaxed) - bytes,
        peak: PEAK.load(Relaxed) - live,
        kept,
    };
    (spent, result)
}

type Work<'w> = Box<dyn FnMut() + 'w>;

/// Workloads that run in turn. Only the shortest time of each workload counts.
pub struct Race<'w> {
    works: Vec<(&'static str, Work<'w>)>,
}

impl<'w> Race<'w> {
    pub fn new() -> Self {
        Self { works: Vec::new() }
    }

    pub fn with(mut self, name: &'static str, work: impl FnMut() + 'w) -> Self {
        self.works.push((name, Box::new(work)));
        self
    }

    pub fn run(mut self, rounds: usize) -> Vec<(&'static str, Duration)> {
        let mut least: Vec<_> = self.works.iter().map(|(name, _)| (*name, Duration::MAX)).collect();
        for round in 0..rounds + 1 {
            for ((_, work), (_, least)) in self.works.iter_mut().zip(&mut least) {
                let begin = Instant::now();
                work();
                let took = begin.elapsed();
                // The first round is only a warm-up.
                if round > 0 {
                    *least = (*least).min(took);
                }
            }
        }
        least
    }
}

/// Goals for the measurements. Each measurement has an upper limit, `must`, and a lower target, `aim`. Values above
/// `must` are reported as missed.
pub struct Goals {
    seed: u64,
    missed: Vec<String>,
}

impl Goals {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            missed: Vec::new(),
        }
    }

    pub fn line(&mut self, description: &str, measured: f64, must: f64, aim: f64, unit: &str) {
        let state = match measured {
            m if m <= aim => "reaches the aim",
            m if m <= must => "within the must",
            _ => "MISSED",
        };
        println!("{description:<44} {measured:>8.2}{unit:<3} {must:>6.1}{unit:<3} {aim:>6.1}{unit:<3}  {state}");
        if measured > must {
            self.missed.push(format!(
                "{description}: {measured:.2}{unit} of {must}{unit}, seed {}",
                self.seed
            ));
        }
    }

    /// Reports missed goals. Exits with status 1 if `arguments` request a check.
    pub fn end(self, arguments: &[String]) {
        if self.missed.is_empty() {
            return;
        }
        println!("\nmissed:\n  {}", self.missed.join("\n  "));
        if arguments.iter().any(|a| a == "--check") {
            std::process::exit(1);
        }
    }
}

pub fn ratio(part: Duration, whole: Duration) -> f64 {
    part.as_secs_f64() / whole.as_secs_f64()
}
