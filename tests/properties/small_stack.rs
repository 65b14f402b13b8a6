//! Runs work on a thread with a 1 MiB stack, as in the thread pool of a language server or in a web worker.

/// Runs `work` on a thread with a small stack. A stack overflow kills the process, so a test that returns proves that
/// no overflow occurred.
pub fn small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(work).unwrap();
    match thread.join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
