//! The `formulac` command: arguments, files and the terminal. The compiler is the library.

mod cli;

// `diag/render.rs` names its neighbours by these paths, in the library as here.
use formulac::{diag, span};

fn main() -> std::process::ExitCode {
    cli::main()
}
