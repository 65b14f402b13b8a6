//! The `formulac` command: arguments, files and the terminal. The compiler is the library.

#![forbid(unsafe_code)]

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
