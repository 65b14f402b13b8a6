//! Work on a thread whose stack is 1 MiB, as in a language server's pool or a web worker.

/// Runs `work` there; a stack overflow kills the process, so a test that comes back has shown there is none.
pub fn small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(work).unwrap();
    match thread.join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
